"""Measure how far answers move where a picture is framed, cut or turned a little, which changes nothing in the tissue.

    python scripts/measure_stability.py --women DIR [--split test] [--every 3]

Prints the table of docs/method.md. One breast is a case, with its own views alone.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import cv2
import numpy as np
from demo_exams import DIGITAL, FILM
from picture_table import as_view

from mvmlm import load_model
from mvmlm.datasets.case import Case, split_of
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import STANDARD_VIEWS, Exam, ViewName
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.inference.model_predictor import ModelPredictor

TASKS = ("malignancy", "mass")


def framed(grey: np.ndarray, share: float, value: int) -> np.ndarray:
    """Return the picture with a frame of one grey, `share` of its height wide."""
    width = round(share * len(grey))
    return cv2.copyMakeBorder(grey, width, width, width, width, cv2.BORDER_CONSTANT, value=value)


def turned(grey: np.ndarray, degrees: float) -> np.ndarray:
    """Return the picture turned about its middle; what comes in from beside it is black."""
    rows, columns = grey.shape
    turn = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1)
    return cv2.warpAffine(grey, turn, (columns, rows), flags=cv2.INTER_LINEAR)


CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "white frame of 2 %": lambda grey: framed(grey, 0.02, 255),
    "white frame of 10 %": lambda grey: framed(grey, 0.1, 255),
    "black frame of 10 %": lambda grey: framed(grey, 0.1, 0),
    "1 % of the height cut off": lambda grey: grey[len(grey) // 200 : -(len(grey) // 200)],
    "turned by 2°": lambda grey: turned(grey, 2),
}


def breasts(source: str, root: Path, split: str) -> Iterator[dict[ViewName, np.ndarray]]:
    """Yield the pictures of each breast, 8-bit grey, at the shape that they have on the machine."""
    for case in read_dataset(source, root):
        if not isinstance(case, Case) or split_of(case) != split:
            continue
        views = {}
        for image in case.images:
            if image.name not in STANDARD_VIEWS:
                continue
            grey = cv2.imread(str(root / image.path), cv2.IMREAD_GRAYSCALE)
            assert grey is not None and image.name is not None, image.path
            columns = round(len(grey) * (image.width_over_height or grey.shape[1] / grey.shape[0]))
            views[image.name] = cv2.resize(grey, (columns, len(grey)), interpolation=cv2.INTER_AREA)
        if views:
            yield views


def answers_of(predictor: ModelPredictor, views: dict[ViewName, np.ndarray]) -> list[float] | None:
    """Return the probabilities of TASKS for a breast; None where no view of it can be read."""
    exam = Exam({name: as_view(np.ascontiguousarray(grey), name, str(name)) for name, grey in views.items()})
    try:
        answers = predictor.predict(exam).answers
    except NoBreast:
        return None
    found = {a.task: a.probability for a in answers if a.by == "head" and a.laterality and a.class_ == "present"}
    return [found[task] for task in TASKS]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--women", type=Path, required=True, help="folder of the reduced public data sets")
    parser.add_argument("--split", default="test")
    parser.add_argument("--every", type=int, default=1, help="take every nth breast only")
    options = parser.parse_args()
    predictor = load_model("demo")
    print("| pictures | answer | breasts | change of the probability: median | 95th percentile | other side of 0.5 |")
    print("|---|---|---|---|---|---|")
    for title, source in (("digital", DIGITAL), ("film", FILM)):
        cases = list(breasts(source, options.women, options.split))[:: options.every]
        plain = [answers_of(predictor, views) for views in cases]
        for change, changed in CHANGES.items():
            after = [answers_of(predictor, {n: changed(grey) for n, grey in views.items()}) for views in cases]
            pairs = np.array([(b, a) for b, a in zip(plain, after, strict=True) if b and a])  # (breasts, 2, tasks)
            moved, crossed = np.abs(pairs[:, 0] - pairs[:, 1]), (pairs >= 0.5)[:, 0] != (pairs >= 0.5)[:, 1]
            for index, task in enumerate(TASKS):
                far = np.quantile(moved[:, index], 0.95)
                print(
                    f"| {title}, {change} | {task} | {len(pairs)} | {np.median(moved[:, index]):.2f} | {far:.2f} "
                    f"| {crossed[:, index].mean():.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
