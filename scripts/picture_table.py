"""Measure the breast mask and the checks of what a picture shows; print the tables of docs/method.md.

    python scripts/picture_table.py [--real ../shared/real_mammograms] [--before CHECKOUT] [--phantoms 24]

before: a checkout of an earlier version whose masks are measured on the same pictures.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import cv2
import numpy as np
from picture_samples import RealView, real_views

from mvmlm.exam import Laterality, Orientation, Projection, Sourced, View, ViewName
from mvmlm.imaging.breast_mask import NoBreast, outlined_breast
from mvmlm.imaging.picture_checks import checked_together, clear_edge, content_question, kind_question, view_facts
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.other_pictures import drawn_picture, shuffled_tiles
from mvmlm.phantom.troubles import TROUBLES

ROWS = 640  # of the pictures that are measured
SEED = 77  # of the phantoms and of what is drawn into them; training has another
EARLIER = """
import io, sys
import numpy as np
from mvmlm.imaging.preprocess import NoBreast, chest_wall_is_left, find_breast
pictures, masks, edges = np.load(io.BytesIO(sys.stdin.buffer.read())), {}, []
for name in pictures.files:
    grey = pictures[name]
    try:
        masks[name] = find_breast(grey)[0]
        edges.append("left" if chest_wall_is_left(grey) else "right")
    except NoBreast:
        masks.pop(name, None)
        edges.append("")
np.savez(found := io.BytesIO(), edges=np.array(edges, "U5"), **masks)
sys.stdout.buffer.write(found.getvalue())
"""
Answer = tuple[np.ndarray | None, str]
Masks = Callable[[list[np.ndarray]], list[Answer]]


def masks_now(pictures: list[np.ndarray]) -> list[Answer]:
    """Return for each picture of grey levels the mask, None where no breast is found, and the chest wall's edge."""
    answers: list[Answer] = []
    for grey in pictures:
        try:
            found = outlined_breast(grey)
        except NoBreast:
            answers.append((None, ""))
            continue
        rows = np.arange(grey.shape[0]) * found.mask.shape[0] // grey.shape[0]
        columns = np.arange(grey.shape[1]) * found.mask.shape[1] // grey.shape[1]
        edges = found.facts.edges
        answers.append((found.mask[np.ix_(rows, columns)], "left" if edges["left"] >= edges["right"] else "right"))
    return answers


def masks_before(checkout: Path) -> Masks:
    """Return what `masks_now` is, by the classical method of an earlier version."""

    def masks(pictures: list[np.ndarray]) -> list[Answer]:
        np.savez(sent := io.BytesIO(), *pictures)  # arrays are named arr_0, arr_1, ...
        command = [sys.executable, "-c", EARLIER]
        done = subprocess.run(command, cwd=checkout, input=sent.getvalue(), capture_output=True, check=True)
        with np.load(io.BytesIO(done.stdout)) as found:
            return [(found.get(f"arr_{place}"), str(edge)) for place, edge in enumerate(found["edges"])]

    return masks


def dice(mask: np.ndarray | None, truth: np.ndarray) -> float:
    """Return the overlap of two masks, 1 for equal ones."""
    return 0.0 if mask is None else float(2 * (mask & truth).sum() / max(1, mask.sum() + truth.sum()))


def troubled_phantoms(exams: int) -> dict[str, tuple[list[np.ndarray], list[np.ndarray], list[str]]]:
    """Return by trouble the pictures, true masks and true edges of the chest wall."""
    made: dict[str, tuple[list[np.ndarray], list[np.ndarray], list[str]]] = {name: ([], [], []) for name in TROUBLES}
    for number, phantom in enumerate(phantom_exams(exams, SEED, ROWS)):
        for place, (name, view) in enumerate(phantom.exam.views.items()):
            flip = slice(None) if view.chest_wall_left else slice(None, None, -1)
            picture, truth = view.pixels[:, flip].astype(np.float32) / 4095, phantom.outlines[name][:, flip]
            for kind, (trouble, draw) in enumerate(TROUBLES.items()):
                rng = np.random.default_rng([SEED, number, place, kind])
                grey, mask = draw(rng, picture, truth)
                pictures, masks, edges = made[trouble]
                pictures.append((np.ascontiguousarray(grey[:, flip]) * 65535).astype(np.uint16))
                masks.append(mask[:, flip])
                edges.append("left" if view.chest_wall_left else "right")
    return made


def print_masks(
    groups: dict[str, tuple[list[np.ndarray], list[np.ndarray], list[str]]], methods: dict[str, Masks]
) -> None:
    """Print a row a group and method: overlap, pictures with too much and too little in the mask, wrong chest walls."""
    print(
        "| pictures | n | method | Dice, mean | Dice, 5th percentile | > 5 % beside the breast | > 5 % missing "
        "| wrong chest wall |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for group, (pictures, truths, edges) in groups.items():
        for method, masks in methods.items():
            answers = masks(pictures)
            overlap = [dice(mask, truth) for (mask, _), truth in zip(answers, truths, strict=True)]
            pairs = [(np.zeros_like(t) if m is None else m, t) for (m, _), t in zip(answers, truths, strict=True)]
            beside = np.mean([(m & ~t).sum() > 0.05 * t.sum() for m, t in pairs])
            missing = np.mean([(t & ~m).sum() > 0.05 * t.sum() for m, t in pairs])
            wrong = np.mean([edge != true for (_, edge), true in zip(answers, edges, strict=True)])
            low, mean = np.quantile(overlap, 0.05), np.mean(overlap)
            values = f"{mean:.3f} | {low:.3f} | {beside:.1%} | {missing:.1%} | {wrong:.1%}"
            print(f"| {group} | {len(pictures)} | {method} | {values} |", flush=True)


def outlined_women(root: Path) -> dict[str, tuple[list[np.ndarray], list[np.ndarray], list[str]]]:
    """Return by source the held-out real views with an outline."""
    made: dict[str, tuple[list[np.ndarray], list[np.ndarray], list[str]]] = {}
    for view in real_views(root, ("train", "validation", "test"), only_outlined=True, rows=ROWS):
        if not view.held_out or view.mask is None:
            continue
        name = view.path.split("/")[0] + (", negatives" if view.inverted else "")
        pictures, masks, edges = made.setdefault(name, ([], [], []))
        pictures.append(view.grey.astype(np.uint16) * 257)
        masks.append(view.mask)
        end = max(2, view.mask.shape[1] // 8)
        edges.append("left" if view.mask[:, :end].sum() >= view.mask[:, -end:].sum() else "right")
    return made


def as_view(grey: np.ndarray, name: ViewName, file: str = "") -> View:
    """Return 8-bit grey levels as a view that is upright by its name, with the chest wall where the picture has it."""
    source = {
        "laterality": Sourced(name.laterality.value, "file name"),
        "projection": Sourced(name.projection.value, "file name"),
    }
    view = View(name, grey, file, bits=8, sources=source)
    facts = view_facts(view)
    left = facts is None or facts.edges["left"] >= facts.edges["right"]
    return View(name, grey, file, bits=8, sources=source, orientation=Orientation("A" if left else "P"))


def question_of(view: View) -> str:
    """Return the code of the question or mark that the pixels of a view give rise to; "" for none."""
    facts = view_facts(view)
    if doubt := kind_question(view, facts):
        return doubt.code
    if clear_edge(facts) in ("top", "bottom"):
        return "quarter-turn"
    if doubt := content_question(view, facts):
        return doubt.code
    together = checked_together([view])[0].marks
    return together[0].code if together else ""


def middle_of_breast(grey: np.ndarray, share: float) -> np.ndarray:
    """Return the square in the middle of the breast whose side is `share` of the breast's height."""
    found, _ = masks_now([grey.astype(np.uint16) * 257])[0]
    breast = np.ones(grey.shape, bool) if found is None else found
    y, x = (np.flatnonzero(breast.any(axis)) for axis in (1, 0))
    side = round(share * (y[-1] - y[0]))
    top, left = (y[0] + y[-1] - side) // 2, max(0, (x[0] + x[-1] - side) // 2)
    return grey[top : top + side, left : left + side]


SPOILED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda grey: grey,
    "upside down": lambda grey: grey[::-1],
    "left and right swapped": lambda grey: grey[:, ::-1],
    "turned by half": lambda grey: grey[::-1, ::-1],
    "turned by a quarter": lambda grey: np.rot90(grey),
    "negative": lambda grey: 255 - grey,
    "a part of 40 % of the height": lambda grey: middle_of_breast(grey, 0.4),
    "4 x 4 tiles in another order": lambda grey: np.round(
        shuffled_tiles(np.random.default_rng(grey.size), grey.astype(np.float32), 4)
    ).astype(np.uint8),
}


def print_questions(views: list[RealView], title: str) -> None:
    """Print how many views are asked about, as they are and spoiled, by projection, with the codes of the questions."""
    print(f"\n{title}\n\n| views | CC asked about | MLO asked about | questions |\n|---|---|---|---|")
    for spoiling, spoil in {**SPOILED, "CC and MLO swapped": SPOILED["as it is"]}.items():
        codes: dict[Projection, list[str]] = {Projection.CC: [], Projection.MLO: []}
        for view in views:
            if view.projection not in codes or view.inverted:
                continue
            told = view.projection
            if spoiling == "CC and MLO swapped":
                told = Projection.MLO if told is Projection.CC else Projection.CC
            side = Laterality.LEFT if "_L_" in view.path else Laterality.RIGHT
            code = question_of(as_view(np.ascontiguousarray(spoil(view.grey)), ViewName(side, told), view.path))
            codes[view.projection].append(code)
        shares = [f"{np.mean([bool(code) for code in found]):.1%} of {len(found)}" for found in codes.values() if found]
        every = [code for found in codes.values() for code in found if code]
        counted = ", ".join(f"{code} {every.count(code)}" for code in sorted(set(every)))
        print(f"| {spoiling} | {' | '.join(shares)} | {counted} |", flush=True)


def as_jpeg(grey: np.ndarray, quality: int) -> np.ndarray:
    """Return a picture as it is after it was a JPEG of this quality, 0 to 100."""
    picture = cv2.imdecode(cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE)
    assert picture is not None, "OpenCV reads what it writes"
    return picture


REPEATED: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": lambda grey: grey,
    "1 % cut off its height": lambda grey: grey[len(grey) // 200 : -(len(grey) // 200)],
    "2 % cut off its height": lambda grey: grey[len(grey) // 100 : -(len(grey) // 100)],
    "moved by 1 %, mirrored": lambda grey: np.roll(grey, len(grey) // 100, 0)[:, ::-1],
    "brighter (gamma 0.7)": lambda grey: np.round((grey / 255) ** 0.7 * 255).astype(np.uint8),
    "JPEG of quality 30": lambda grey: as_jpeg(grey, 30),
}


def is_same_picture(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether the reader is asked about two pictures, given as the CC views of a woman, because they are one."""
    views = [
        as_view(grey, ViewName(side, Projection.CC), side.value) for side, grey in zip(Laterality, (first, second))
    ]
    return any(mark.code == "same-picture" for view in checked_together(views) for mark in view.marks)


def print_same_pictures(views: list[RealView], title: str) -> None:
    """Print how many pictures given twice are seen to be one, and how many other pairs of a woman are."""
    print(f"\n{title}\n\n| one picture given twice, the second time | asked about |\n|---|---|")
    for change, changed in REPEATED.items():
        found = [is_same_picture(view.grey, np.ascontiguousarray(changed(view.grey))) for view in views]
        print(f"| {change} | {np.mean(found):.1%} of {len(found)} |", flush=True)
    women: dict[str, list[RealView]] = {}
    for view in views:
        women.setdefault(re.split("_[RL]_", view.path)[0], []).append(view)
    pairs = [pair for of_woman in women.values() for pair in combinations(of_woman, 2)]
    found = [is_same_picture(first.grey, second.grey) for first, second in pairs]
    print(f"| two pictures of one woman | {np.mean(found):.1%} of {len(found)} |", flush=True)


def other_pictures() -> dict[str, list[np.ndarray]]:
    """Return pictures that are no mammograms, 8-bit grey, none of which training used."""
    found: dict[str, list[np.ndarray]] = {}
    rng = np.random.default_rng(SEED)
    found["drawn text, noise, shapes and scenes"] = [
        np.round(drawn_picture(rng) * 255).astype(np.uint8) for _ in range(60)
    ]
    try:
        from sklearn.datasets import load_digits, load_sample_images

        photographs = [picture.mean(2).astype(np.uint8) for picture in load_sample_images().images]
        parts = [photo[r : r + 213, c : c + 213] for photo in photographs for r in (0, 213) for c in (0, 213, 426)]
        digits = [np.kron(d, np.ones((40, 40))).astype(np.uint8) * 15 for d in load_digits().images[:10]]
        found["scikit-learn's photographs, parts of them, digits"] = [*photographs, *parts, *digits]
    except ImportError:
        print("scikit-learn is not installed: its pictures are not measured")
    found["pydicom's pictures"] = _pydicom_pictures()
    return found


def _pydicom_pictures() -> list[np.ndarray]:
    import pydicom

    pictures: list[np.ndarray] = []
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):
        try:
            pixels = np.squeeze(pydicom.dcmread(path).pixel_array).astype(np.float32)
        except Exception:  # files without a picture, or damaged for tests
            continue
        pixels = pixels[len(pixels) // 2] if pixels.ndim == 3 and pixels.shape[-1] > 4 else pixels
        pixels = pixels.mean(-1) if pixels.ndim == 3 else pixels
        if min(pixels.shape) >= 48 and np.ptp(pixels):
            scaled = np.round(255 * (pixels - pixels.min()) / np.ptp(pixels)).astype(np.uint8)
            if not any(scaled.shape == one.shape and (scaled == one).mean() > 0.9 for one in pictures):
                pictures.append(scaled)
    return pictures


def print_other_pictures() -> None:
    """Print of pictures that are no mammogram the share asked about, and that in which no breast is found."""
    print("\n| no mammograms | n | asked about | no breast found | either |\n|---|---|---|---|---|")
    for name, pictures in other_pictures().items():
        asked, empty = [], []
        for grey in pictures:
            asked.append(bool(question_of(as_view(grey, ViewName(Laterality.LEFT, Projection.CC)))))
            empty.append(masks_now([grey.astype(np.uint16) * 257])[0][0] is None)
        either = np.mean([a or b for a, b in zip(asked, empty, strict=True)])
        print(f"| {name} | {len(pictures)} | {np.mean(asked):.1%} | {np.mean(empty):.1%} | {either:.1%} |", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, default=ROOT.parent / "shared" / "real_mammograms")
    parser.add_argument("--before", type=Path)
    parser.add_argument("--phantoms", type=int, default=24)
    parser.add_argument("--split", default="test", help="of the women whose views are asked about")
    parser.add_argument("--every", type=int, default=1, help="ask about every nth view only")
    parser.add_argument("--only", choices=("masks", "questions", "repeated", "others"))
    options = parser.parse_args()
    methods: dict[str, Masks] = {"before": masks_before(options.before)} if options.before else {}
    methods["now"] = masks_now
    if options.only in (None, "masks"):
        print_masks(troubled_phantoms(options.phantoms), methods)
        if options.real.is_dir():
            print_masks(outlined_women(options.real), methods)
    if options.only in (None, "questions") and options.real.is_dir():
        views = list(real_views(options.real, (options.split,), rows=ROWS))
        for source in ("rsna", "cbis_mass"):
            of_source = [view for view in views if view.path.startswith(source)]
            print_questions(of_source[:: options.every], f"{source}, {options.split}")
    if options.only in (None, "repeated") and options.real.is_dir():
        views = list(real_views(options.real, (options.split,), rows=ROWS))
        for source in ("rsna", "cbis_mass"):
            of_source = [view for view in views if view.path.startswith(source)]
            print_same_pictures(of_source[:: options.every], f"{source}, {options.split}")
    if options.only in (None, "others"):
        print_other_pictures()


if __name__ == "__main__":
    main()
