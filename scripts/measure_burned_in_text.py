"""How often text in the pixels is found, and how often tissue is taken for text: planted in phantoms, or in pictures.

    python scripts/measure_burned_in_text.py --exams 100 --seed 1
    python scripts/measure_burned_in_text.py --pictures FOLDER --number 200 --seed 1

Each view of a phantom gets a marker, two lines that name a woman at random places in the air, and, in a copy of it, one
line over the breast. Letters are 1.0 to 3 % of the height of the picture. Of pictures only numbers are printed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mvmlm.exam import View
from mvmlm.imaging.burned_in_text import Box, TextOverBreast, all_text, find_text, without_text
from mvmlm.imaging.picture_files import read_picture_pixels
from mvmlm.imaging.preprocess import located_breast
from mvmlm.phantom import phantom_exam

FAMILY = ["MUELLER", "SMITH", "GARCIA", "TANAKA", "O'BRIEN", "ROSSI", "NGUYEN", "KOWALSKA"]
GIVEN = ["ANNA", "MARY JANE", "LUCIA", "YUKO", "EVA", "J."]
FONTS = [cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX]
SMALLEST, LARGEST = 0.010, 0.030  # height of a capital, of the picture's height
TRIES = 200
WHOLE = {
    "markers that are read": "markers",
    "markers that are masked": "markers",
    "lines in the air that are masked": "lines in the air",
    "lines over the breast that are refused": "lines over the breast",
}
PICTURES = {".png", ".jpg", ".jpeg", ".tif", ".tiff"}


def words(rng: np.random.Generator) -> str:
    """Return a line that names a woman: a name, an ID, a date of birth, or several of them."""
    name = f"{rng.choice(FAMILY)} {rng.choice(GIVEN)}"
    number = f"ID {rng.integers(10**5, 10**8)}"
    born = f"{rng.integers(1, 29):02d}.{rng.integers(1, 13):02d}.{rng.integers(1930, 1985)}"
    return str(rng.choice([name, number, born, f"{name} {born}", f"{number} {name}"]))


def drawn(view: View, text: str, rng: np.random.Generator, where: np.ndarray) -> tuple[View, Box] | None:
    """Return the view with a text whose box lies in `where`, (rows, columns) bool, and the box; None without room."""
    font, share = int(rng.choice(FONTS)), rng.uniform(SMALLEST, LARGEST)
    (_, unit), _ = cv2.getTextSize("H", font, 1.0, 1)
    scale = share * view.rows / unit
    pen = max(1, round(scale * 1.5))
    (width, height), below = cv2.getTextSize(text, font, scale, pen)
    if width >= view.columns:
        return None
    for _ in range(TRIES):
        left = int(rng.integers(0, view.columns - width))
        top = int(rng.integers(0, view.rows - height - below))
        box = (left, top, left + width, top + height + below)
        if where[box[1] : box[3], box[0] : box[2]].all():
            ink = np.zeros(view.pixels.shape, np.uint8)
            cv2.putText(ink, text, (left, top + height), font, scale, 255, pen, cv2.LINE_AA)
            level = rng.uniform(0.7, 1.0) * float(np.iinfo(view.pixels.dtype).max >> (16 - view.bits))
            pixels = np.maximum(view.pixels, (ink / 255 * level).astype(view.pixels.dtype))
            return replace(view, pixels=pixels), box
    return None


def breast_of(view: View) -> np.ndarray:
    """Return where the breast is, (rows, columns) bool."""
    found = located_breast(view)
    if found is None:
        return np.ones(view.pixels.shape, bool)
    mask, shrink = found
    return mask.repeat(shrink, 0).repeat(shrink, 1)[: view.rows, : view.columns]


def covers(box: Box, others: list[Box]) -> bool:
    """Return whether the centre of a box lies in one of the others."""
    column, row = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(left <= column <= right and top <= row <= bottom for left, top, right, bottom in others)


def count_view(view: View, rng: np.random.Generator, counts: Counter[str]) -> None:
    """Add what happens to one view of a phantom to the counts."""
    breast = breast_of(view)
    near = cv2.dilate(breast.astype(np.uint8), np.ones((31, 31), np.uint8)).astype(bool)
    counts["views"] += 1
    counts["views without text of which something in the air is masked"] += masked_at(view)
    counts["views without text that are refused"] += refused(view)
    free = ~near
    side = str(view.name).replace("_", str(rng.choice([" ", "", "-"])))
    marked = drawn(view, side, rng, free)
    if marked is not None:
        view = marked[0]
        counts["markers"] += 1
        counts["markers that are read"] += covers(marked[1], [text.box for text in all_text(view) if text.marker])
        counts["markers that are masked"] += masked_at(view, marked[1])
        free = free & (view.pixels == view.pixels)
        free[marked[1][1] : marked[1][3], marked[1][0] : marked[1][2]] = False
    for _ in range(2):
        planted = drawn(view, words(rng), rng, free)
        if planted is not None:
            counts["lines in the air"] += 1
            counts["lines in the air that are masked"] += masked_at(planted[0], planted[1])
    inside = cv2.erode(breast.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    over = drawn(view, words(rng), rng, inside)
    if over is not None:
        counts["lines over the breast"] += 1
        counts["lines over the breast that are refused"] += refused(over[0])


def masked_at(view: View, box: Box | None = None) -> bool:
    """Return whether something of a view is masked, or something in a box of it."""
    try:
        cleaned = without_text(view)
    except TextOverBreast:
        return False
    where = slice(None) if box is None else np.s_[box[1] : box[3], box[0] : box[2]]
    return not np.array_equal(cleaned.view.pixels[where], view.pixels[where])


def refused(view: View) -> bool:
    """Return whether no copy of a view is made."""
    try:
        without_text(view)
    except TextOverBreast:
        return True
    return False


def views_of(folder: Path, number: int, seed: int) -> Iterator[View]:
    """Yield pictures of a folder, drawn at random."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PICTURES)
    for index in np.random.default_rng(seed).permutation(len(paths))[:number]:
        pixels = read_picture_pixels(str(paths[index]))
        yield View(None, pixels, "", bits=8 * pixels.dtype.itemsize)


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exams", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000, help="height of a phantom")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--number", type=int, default=200, help="pictures of the folder")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts: Counter[str] = Counter()
    if options.pictures:
        for view in views_of(options.pictures, options.number, options.seed):
            texts = all_text(view)
            counts["views"] += 1
            counts["views with a marker"] += any(text.marker for text in texts)
            counts["views of which something in the air would be masked"] += masked_at(view)
            counts["views with doubtful text"] += any(text.words for text in find_text(view))
            counts["views that would be refused"] += refused(view)
    else:
        for number in range(options.exams):
            rng = np.random.default_rng([options.seed, number])
            for view in phantom_exam("text", rng, rows=options.rows).exam.views.values():
                count_view(view, rng, counts)
    for what, count in sorted(counts.items()):
        if " that " in what or " with " in what or " of which " in what:
            whole = counts[WHOLE.get(what, "views")]
            print(f"{what}: {count} of {whole} ({100 * count / whole:.1f} %)")


if __name__ == "__main__":
    main()
