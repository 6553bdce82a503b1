"""Samples for the picture network: breasts of phantoms and women with what stands in the way, other pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from mvmlm.datasets.case import Case, split_of
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Projection
from mvmlm.imaging.picture_network import EDGES, KINDS
from mvmlm.phantom import phantom_exam
from mvmlm.phantom.other_pictures import drawn_picture, shuffled_tiles
from mvmlm.phantom.troubles import chest_wall_strip, collimated, filling, framed, labelled, on_film, padded

OUTLINES = Path(__file__).resolve().parent.parent / "tests" / "data" / "breast_outlines.json"
STORED_ROWS = 400  # of the pictures from which samples are made
UNKNOWN = -1


class Breast(NamedTuple):
    """One view with the chest wall on the left and the head up.

    picture: (rows, columns) uint8. mask: (rows, columns) bool, or None where no outline of it was checked.
    mlo: whether it is an MLO; None for neither or unknown. side_known: whether the chest wall is known to be left.
    """

    picture: np.ndarray
    mask: np.ndarray | None
    mlo: bool | None
    side_known: bool = True


class Sample(NamedTuple):
    """A picture and what is true of it, each as a class number, UNKNOWN where it is not known or makes no sense.

    mlo: 0.5 where a picture must not look like either.
    """

    picture: np.ndarray
    mask: np.ndarray | None
    edge: int = UNKNOWN
    kind: int = UNKNOWN
    head_first: int = UNKNOWN
    mlo: float = UNKNOWN
    negative: int = UNKNOWN


def phantom_breasts(exams: int, seed: int) -> Iterator[Breast]:
    """Yield the four views of random phantoms."""
    for index in range(exams):
        phantom = phantom_exam("", np.random.default_rng([seed, index]), STORED_ROWS)
        for name, view in phantom.exam.views.items():
            flip = slice(None) if view.chest_wall_left else slice(None, None, -1)
            picture = (view.pixels[:, flip] >> 4).astype(np.uint8)
            yield Breast(picture, phantom.outlines[name][:, flip], name.projection is Projection.MLO)


class RealView(NamedTuple):
    """One view of a woman: its grey levels as uint8 at its true shape, its projection by name, its outline if any."""

    path: str
    grey: np.ndarray
    projection: Projection | None
    split: str
    mask: np.ndarray | None
    inverted: bool
    held_out: bool


def real_views(
    root: Path, splits: Iterable[str], only_outlined: bool = False, rows: int = STORED_ROWS
) -> Iterator[RealView]:
    """Yield views of the three sources of real mammograms, of the women of some splits."""
    outlines = json.loads(OUTLINES.read_text(encoding="utf-8"))["views"]
    for name in ("rsna-640", "cbis-mass-800", "cdd-cesm"):
        for case in read_dataset(name, root):
            if not isinstance(case, Case) or split_of(case) not in splits:
                continue
            for image in case.images:
                known = outlines.get(image.path)
                if only_outlined and known is None:
                    continue
                grey = cv2.imread(str(root / image.path), cv2.IMREAD_GRAYSCALE)
                assert grey is not None, image.path
                columns = round(rows * (image.width_over_height or grey.shape[1] / grey.shape[0]))
                grey = cv2.resize(grey, (max(16, columns), rows), interpolation=cv2.INTER_AREA)
                projection = image.name.projection if image.name else None
                mask = None if known is None else outline_mask(known["outline"], grey.shape)
                inverted, held_out = (known["inverted"], known["held_out"]) if known else (False, False)
                yield RealView(image.path, grey, projection, split_of(case), mask, inverted, held_out)


def outline_mask(points: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return (rows, columns) bool, the inside of an outline "x y x y ..." in thousandths of the width and height."""
    corners = np.array(points.split(), float).reshape(-1, 2) / 1000 * (shape[1], shape[0]) - 0.5
    return cv2.fillPoly(np.zeros(shape, np.uint8), [np.round(corners * 16).astype(np.int32)], 1, shift=4).astype(bool)


def real_breasts(root: Path) -> Iterator[Breast]:
    """Yield the views that may be learned from: women of the training split whose outlines are not held out."""
    for view in real_views(root, ("train",)):
        if view.held_out:
            continue
        picture = 255 - view.grey if view.inverted else view.grey
        mlo = {Projection.CC: False, Projection.MLO: True}.get(view.projection) if view.projection else None
        if view.mask is None:
            yield Breast(picture, None, mlo, side_known=False)
            continue
        end = max(2, picture.shape[1] // 8)
        flip = slice(None, None, -1) if view.mask[:, :end].sum() < view.mask[:, -end:].sum() else slice(None)
        yield Breast(picture[:, flip], view.mask[:, flip], mlo)


def sample(rng: np.random.Generator, phantoms: list[Breast], outlined: list[Breast], named: list[Breast]) -> Sample:
    """Return a random sample. named: views of which only the projection is known."""
    kind = rng.random()
    pool = (phantoms, outlined, named)[rng.choice(3, p=(0.42, 0.36, 0.22))] or phantoms
    breast = pool[rng.integers(len(pool))]
    if kind < 0.16:
        return _other(rng, breast)
    if kind < 0.26 and breast.mask is not None:
        return _part(rng, breast)
    if kind < 0.33:
        return _drawn_breast(rng)
    return _whole(rng, breast)


def _toned(rng: np.random.Generator, picture: np.ndarray) -> np.ndarray:
    """Grey levels 0..1 as another processing, exposure or reduction would have them."""
    grey = picture.astype(np.float32) / 255
    grey = np.clip(grey * np.exp(rng.normal(0, 0.15)), 0, 1) ** np.exp(rng.normal(0, 0.35))
    if rng.random() < 0.3:
        grey = cv2.GaussianBlur(grey, (0, 0), rng.uniform(0.5, 3.5))
    if rng.random() < 0.3:
        grey = grey + rng.normal(0, rng.uniform(0, 0.04), grey.shape).astype(np.float32)
    if rng.random() < 0.15:
        grey = rng.uniform(0.03, 0.5) + grey * rng.uniform(0.2, 0.9)
    return np.clip(grey, 0, 1).astype(np.float32)


def _whole(rng: np.random.Generator, breast: Breast) -> Sample:
    rows = int(rng.uniform(190, 320))
    size = (max(16, round(rows * breast.picture.shape[1] / breast.picture.shape[0])), rows)
    picture = _toned(rng, cv2.resize(breast.picture, size, interpolation=cv2.INTER_AREA))
    known, mask = breast.mask is not None, np.zeros(picture.shape, bool)
    if breast.mask is not None:
        mask = cv2.resize(breast.mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        for chance, draw in (
            (0.12, filling), (0.25, on_film), (0.15, chest_wall_strip), (0.25, labelled), (0.15, collimated),
            (0.22, framed),
        ):  # fmt: skip
            if rng.random() < chance:
                picture, mask = draw(rng, picture, mask)
    negative = rng.random() < 0.15
    if negative:
        picture = 1 - picture
    if known and rng.random() < 0.3:
        picture, mask = padded(rng, picture, mask)
    return _turned(rng, picture, mask if known else None, breast, negative)


def _turned(
    rng: np.random.Generator, picture: np.ndarray, mask: np.ndarray | None, breast: Breast, negative: bool
) -> Sample:
    """The picture mirrored, and half of the time turned in any way; the facts as they are then."""
    transpose, up_down, left_right = False, False, rng.random() < 0.5
    if rng.random() < 0.5:
        transpose, up_down = rng.random() < 0.35, rng.random() < 0.5
    edge, head_first = EDGES.index("left"), True
    if rng.random() < 0.5:
        wide = (round(picture.shape[1] * rng.uniform(0.85, 1.18)), picture.shape[0])
        picture = cv2.resize(picture, wide, interpolation=cv2.INTER_LINEAR)
        mask = None if mask is None else cv2.resize(mask.astype(np.uint8), wide, interpolation=cv2.INTER_NEAREST) > 0
    arrays = [picture, mask]
    if transpose:
        arrays, edge = [None if a is None else a.T for a in arrays], EDGES.index("top")
    if up_down:
        arrays = [None if a is None else a[::-1] for a in arrays]
        edge = EDGES.index("bottom") if transpose else edge
        head_first = head_first if transpose else False
    if left_right:
        arrays = [None if a is None else a[:, ::-1] for a in arrays]
        edge = edge if transpose else EDGES.index("right")
        head_first = not head_first if transpose else head_first
    return Sample(
        np.ascontiguousarray(arrays[0]),
        arrays[1],
        edge if breast.side_known else UNKNOWN,
        KINDS.index("whole"),
        int(head_first) if breast.mlo else UNKNOWN,
        UNKNOWN if breast.mlo is None else int(breast.mlo),
        int(negative),
    )


def _part(rng: np.random.Generator, breast: Breast) -> Sample:
    """A part of a breast that fills the picture, with or without the edge of a paddle."""
    assert breast.mask is not None
    rows, columns = np.flatnonzero(breast.mask.any(1)), np.flatnonzero(breast.mask.any(0))
    height = int((rows[-1] - rows[0]) * rng.uniform(0.22, 0.5))
    width = int(height * rng.uniform(0.7, 1.2))
    for _ in range(30):
        top = int(rng.integers(rows[0], max(rows[0] + 1, rows[-1] - height)))
        left = int(rng.integers(columns[0], max(columns[0] + 1, columns[-1] - width)))
        part = np.s_[top : top + height, left : left + width]
        if breast.mask[part].mean() > rng.uniform(0.75, 1.0):
            break
    picture, mask = _toned(rng, breast.picture[part]), breast.mask[part]
    if rng.random() < 0.5:
        row, column = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
        middle, reach = (
            np.array(picture.shape) * rng.uniform(0.42, 0.58, 2),
            min(picture.shape) * rng.uniform(0.38, 0.6),
        )
        distance = np.hypot(row - middle[0], column - middle[1])
        if rng.random() < 0.5:
            picture = np.where(distance < reach, picture, np.float32(rng.choice([0.0, 0.0, 0.9]))).astype(np.float32)
            mask = mask & (distance < reach)
        else:
            picture = np.where(abs(distance - reach) < 1.5, np.float32(rng.uniform(0.6, 1)), picture).astype(np.float32)
    negative = rng.random() < 0.1
    picture = 1 - picture if negative else picture
    if rng.random() < 0.2:
        picture, mask = padded(rng, picture, mask)
    turns = int(rng.integers(4))
    return Sample(
        np.rot90(picture, turns).copy(), np.rot90(mask, turns), kind=KINDS.index("part"), negative=int(negative)
    )


def _other(rng: np.random.Generator, breast: Breast) -> Sample:
    """No picture of one breast: drawn things, shuffled tiles of a mammogram, or several breasts in one picture."""
    kind = rng.random()
    picture = _toned(rng, breast.picture)
    if kind < 0.68:
        picture = drawn_picture(rng)
    elif kind < 0.88:
        picture = shuffled_tiles(rng, picture)
    else:
        if rng.random() < 0.4:
            picture = _half_ellipse(rng)[0]
        mirrored = picture[:, ::-1]
        picture = np.hstack([picture, mirrored] if rng.random() < 0.5 else [mirrored, picture])
        if rng.random() < 0.4:
            picture = np.vstack([picture, picture[:: rng.choice([1, -1])]])
    if rng.random() < 0.1:
        picture = 1 - picture
    return Sample(np.ascontiguousarray(picture), None, kind=KINDS.index("other"))


def _drawn_breast(rng: np.random.Generator) -> Sample:
    """Half an ellipse of one grey with stripes, grain or nothing inside, with the troubles of a picture.

    Such a drawing stands for a whole breast and is neither CC nor MLO.
    """
    picture, mask = _half_ellipse(rng)
    for chance, draw in ((0.3, on_film), (0.2, chest_wall_strip), (0.4, labelled), (0.3, framed), (0.2, padded)):
        if rng.random() < chance:
            picture, mask = draw(rng, picture, mask)
    return _turned(rng, picture, mask, Breast(picture, mask, None), False)._replace(mlo=0.5)


def _half_ellipse(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    rows = int(rng.uniform(160, 300))
    columns = int(rows * rng.uniform(0.5, 0.95))
    row, column = np.mgrid[:rows, :columns].astype(np.float32)
    middle, half, depth = rows * rng.uniform(0.4, 0.6), rows * rng.uniform(0.22, 0.5), columns * rng.uniform(0.4, 0.95)
    power = rng.uniform(0.8, 2.4)
    mask = column < depth * np.clip(1 - (np.abs(row - middle) / half) ** power, 0, None) ** rng.uniform(0.4, 1)
    inside = rng.uniform(0.25, 0.9) + rng.uniform(0, 0.2) * np.sin(
        row / rng.uniform(3, 30) + column / rng.uniform(3, 90)
    )
    inside = inside + rng.normal(0, rng.uniform(0, 0.1), mask.shape)
    return np.where(mask, inside, rng.uniform(0, 0.08)).clip(0, 1).astype(np.float32), mask
