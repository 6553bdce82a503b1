"""Prints what makes phantoms and reports hard or alike: texture, contrast, the best reachable scores, wordings.

    python scripts/describe_phantoms.py [--n 12] [--real DIR]

--real: a folder of real views as PNG files, whose texture is printed beside (no picture of it is kept).
The spectral exponent: 256 x 256 patches wholly inside the breast (step 128, Hann window, 2-D periodogram), least squares
of log power on log radial frequency from 0.01 to 0.08 cycles a pixel; phantoms are drawn at 0.1 mm a pixel for it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np

from mvmlm.evaluation.metrics import concordance
from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import find_breast
from mvmlm.phantom import phantom_exams
from mvmlm.report.lexicon import KINDS
from mvmlm.report.writer import diversity, write_report

PATCH, STEP = 256, 128


def exponents(picture: np.ndarray, inside: np.ndarray) -> list[float]:
    """The spectral exponent of every patch wholly inside. Both (rows, columns)."""
    window = np.outer(np.hanning(PATCH), np.hanning(PATCH))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(PATCH), np.fft.fftfreq(PATCH)))
    band = (frequency >= 0.01) & (frequency <= 0.08)
    found = []
    for row in range(0, picture.shape[0] - PATCH + 1, STEP):
        for column in range(0, picture.shape[1] - PATCH + 1, STEP):
            here = np.s_[row : row + PATCH, column : column + PATCH]
            if inside[here].all():
                patch = picture[here].astype(float)
                power = np.abs(np.fft.fft2((patch - patch.mean()) * window)) ** 2
                found.append(-np.polyfit(np.log(frequency[band]), np.log(power[band] + 1e-12), 1)[0])
    return found


def inside_of(picture: np.ndarray) -> np.ndarray:
    """(rows, columns) bool: the breast as preprocessing finds it, without its rim."""
    breast, _ = find_breast((picture.astype(np.uint16) * (65535 // max(1, int(picture.max())))).astype(np.uint16))
    return cv2.erode(breast.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0


def points(values) -> str:
    return " / ".join(f"{value:.2f}" for value in np.percentile(values, [10, 50, 90])) + f" (10/50/90 %, {len(values)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.real:
        for path in sorted(options.real.glob("*.png")):
            picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            print(f"texture of the real {path.stem}: {points(exponents(picture, inside_of(picture)))}")
    found = []
    for phantom in phantom_exams(max(2, options.n // 4), 900, rows=2560):
        for view in phantom.exam.views.values():
            found += exponents(view.pixels, inside_of(view.pixels))
    print(f"texture of phantoms: {points(found)}")
    began, contrast, rows = time.perf_counter(), {kind: [] for kind in KINDS}, []
    exams = list(phantom_exams(options.n, 901))
    print(f"one exam of 1024 x 832: {(time.perf_counter() - began) / options.n:.2f} s")
    exams += list(phantom_exams(400, 902, rows=64))  # too small to look at, enough for what the truth says
    for phantom in exams:
        for (_, kind), value in phantom.contrast_to_noise.items():
            contrast[kind].append(value)
        if phantom.risk_years > 0:
            rows.append((phantom.risk_years, phantom.cancer, phantom.best_risk_score))
    for kind, values in contrast.items():
        print(f"contrast to noise, {kind}: {points(values)}")
    years, events, scores = np.array(rows, float).T
    print(
        f"best reachable C-index of risk: {concordance(years, events, scores):.3f} ({len(rows)} women, {int(events.sum())} cancers)"
    )
    rng = random.Random(0)
    told = [breast.findings for phantom in exams for breast in phantom.breasts.values()]
    same = [write_report(told[0], rng, Laterality.LEFT) for _ in range(200)]
    texts = [write_report(findings, rng) for findings in told]
    said = ", ".join(f"{name} {value:.2f}" for name, value in diversity(texts).items())
    print(f"wordings of one breast's findings: {len(set(same))} distinct of 200; of {len(texts)} breasts: {said}")


if __name__ == "__main__":
    main()
