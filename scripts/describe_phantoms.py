"""Print how hard and how varied the phantoms and their reports are: texture, contrast, best possible scores, wordings.

    python scripts/describe_phantoms.py [--n 12] [--real DIR]

--real: a folder of real views as PNG files, whose texture is printed for comparison. Texture is the spectral exponent
of 256 x 256 patches that lie inside the breast (step 128, Hann window, 2-D periodogram): least squares of log power on
log radial frequency, from 0.01 to 0.08 cycles a pixel. The phantoms are drawn at 0.1 mm a pixel for it.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np

from mvmlm.evaluation.survival import concordance
from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import find_breast
from mvmlm.phantom import PhantomExam, phantom_exams
from mvmlm.report.lexicon import KINDS
from mvmlm.report.writer import diversity, write_report

PATCH, STEP = 256, 128


def exponents(picture: np.ndarray, inside: np.ndarray) -> list[float]:
    """Return the spectral exponent of every patch inside the mask. picture, inside: (rows, columns)."""
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
    """Return the breast (rows, columns) bool as preprocessing finds it, without its rim."""
    breast, _ = find_breast((picture.astype(np.uint16) * (65535 // max(1, int(picture.max())))).astype(np.uint16))
    return cv2.erode(breast.astype(np.uint8), np.ones((41, 41), np.uint8)) > 0


def percentiles(values: Sequence[float]) -> str:
    """Return the 10th, 50th and 90th percentile as text."""
    return " / ".join(f"{value:.2f}" for value in np.percentile(values, [10, 50, 90])) + f" (10/50/90 %, {len(values)})"


def print_texture(n: int, real: Path | None) -> None:
    """Print the texture of `n` phantoms, and of the real views in a folder."""
    for path in sorted(real.glob("*.png")) if real else ():
        picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        assert picture is not None, f"{path.name}: not a picture"
        print(f"texture of the real {path.stem}: {percentiles(exponents(picture, inside_of(picture)))}")
    found = []
    for phantom in phantom_exams(n, 900, rows=2560):
        for view in phantom.exam.views.values():
            found += exponents(view.pixels, inside_of(view.pixels))
    print(f"texture of phantoms: {percentiles(found)}")


def print_difficulty(exams: Sequence[PhantomExam]) -> None:
    """Print the contrast of each kind of finding, and the C-index of the hazard that drew the follow-up."""
    contrast: dict[str, list[float]] = {kind: [] for kind in KINDS}
    rows = []
    for phantom in exams:
        for (_, kind), value in phantom.contrast_to_noise.items():
            contrast[kind].append(value)
        if phantom.risk_years > 0:
            rows.append((phantom.risk_years, phantom.cancer, phantom.best_risk_score))
    for kind, values in contrast.items():
        print(f"contrast to noise, {kind}: {percentiles(values)}")
    years, events, scores = np.array(rows, float).T
    best, cancers = concordance(years, events, scores), int(events.sum())
    print(f"best possible C-index of risk: {best:.3f} ({len(rows)} women, {cancers} cancers)")


def print_wordings(exams: Sequence[PhantomExam]) -> None:
    """Print how varied the reports of one breast, and of all breasts, are."""
    rng = random.Random(0)
    findings = [breast.findings for phantom in exams for breast in phantom.breasts.values()]
    same = [write_report(findings[0], rng, Laterality.LEFT) for _ in range(200)]
    texts = [write_report(found, rng) for found in findings]
    varied = ", ".join(f"{name} {value:.2f}" for name, value in diversity(texts).items())
    print(f"wordings of one breast's findings: {len(set(same))} distinct of 200; of {len(texts)} breasts: {varied}")


def main() -> None:
    """Print the texture, the time of one exam, the difficulty and the wordings."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=12)
    parser.add_argument("--real", type=Path)
    options = parser.parse_args()
    cv2.setNumThreads(1)
    print_texture(max(2, options.n // 4), options.real)
    began = time.perf_counter()
    exams = list(phantom_exams(options.n, 901))
    print(f"one exam of 1024 x 832: {(time.perf_counter() - began) / options.n:.2f} s")
    exams += phantom_exams(400, 902, rows=64)  # too small to look at, enough for their findings and follow-up
    print_difficulty(exams)
    print_wordings(exams)


if __name__ == "__main__":
    main()
