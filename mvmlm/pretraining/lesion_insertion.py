"""Training exams with masses set into breasts without a finding, and with masses taken out.

On film every picture has a mass, and of no digital woman without cancer one is known. So that a model cannot answer the
question for a mass by telling film from digital, masses are taken out of some breasts and set into others, and what is
known of the breast follows: its boxes, its label, its findings and so its report. No outcome follows: malignancy and
BI-RADS of a changed breast are unknown, and so is the follow-up of its exam.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from ..exam import STANDARD_VIEWS, Laterality
from ..report.findings import Findings
from ..report.lexicon import KINDS
from .drawn_lesions import insert_drawn
from .exam_cache import Labels, ModelBox
from .lesion_donors import LARGEST, Donor, DonorView, RelativePlace
from .tissue_blending import (
    RIM,
    Addition,
    Ellipse,
    Structure,
    add_lesion,
    addition,
    replace_tissue,
    rim_values,
    spread_and_grain,
    texture_sigma,
)
from .view_pictures import Changed, ViewPicture, pictures_of, random_place, touch, with_pictures

TRIES = 6  # places that are tried for a lesion, and lesions for a breast
SOURCES = 40  # places that are looked at for tissue to fill another place with
MOST_UNLIKE = 20.0  # grey levels between the surroundings of two places, over which neither can fill the other
OUTCOMES = ("malignancy", "birads")  # tasks whose label does not survive a change of the breast
LEAST_CONTRAST, MOST_CONTRAST = 5.0, 65.0  # grey levels of a set mass over its background
FAINT = 10.0  # grey levels that changed normal tissue adds at most in its middle
VISIBILITY = (0.55, 1.9)  # of a set mass: of the contrast to noise of the donor, from and to


def insert_mass(
    views: np.ndarray, side: Laterality, boxes: Sequence[ModelBox], donor: Donor, rng: random.Random
) -> Changed | None:
    """Set a mass into every view of a breast at matching places; None where it finds no place.

    views: (4, rows, columns) uint8, chest wall left, 0 outside the breast; left as they are. boxes: places to keep
    clear of.
    """
    pictures = pictures_of(views, side, boxes)
    scale, visibility = np.exp(rng.gauss(0, 0.12)), np.exp(rng.uniform(*np.log(VISIBILITY)))
    for spread in np.linspace(0.03, 0.25, TRIES):
        moved = rng.gauss(0, spread), rng.gauss(0, spread)
        settings = [_setting(picture, donor, moved, scale, rng) for picture in pictures]
        if all(picture.is_free(place) for picture, (place, *_) in zip(pictures, settings, strict=True)):
            break
    else:
        return None
    added = []
    for picture, (place, seen, matrix) in zip(pictures, settings, strict=True):
        lesion = seen.addition()
        gain = _gain(picture, place, lesion, visibility)
        add_lesion(picture.pixels, lesion, matrix, place, gain, picture.brightest, picture.grain)
        added.append(_moved_box(picture.view, seen, matrix))
    return Changed(with_pictures(views, pictures), tuple(added), (donor.finding,))


def _setting(
    picture: ViewPicture, donor: Donor, moved: tuple[float, float], scale: float, rng: random.Random
) -> tuple[Ellipse, DonorView, np.ndarray]:
    """Where a donor goes in a picture, its view, and the (2, 3) matrix from its pixels to those of the picture."""
    seen = donor.view(picture.projection)
    depth, below = seen.place
    if seen.projection is not picture.projection:
        below = rng.uniform(-0.2, 0.2)  # one view tells nothing of the place across it
    depth, below = float(np.clip(depth + moved[0], 0.05, 0.97)), below + moved[1]
    column, row = RelativePlace(depth, below).pixel(picture.frame)
    zoom = scale * picture.frame.height / seen.height
    angle, upside_down = np.radians(rng.gauss(0, 12)), rng.choice((-1, 1))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = zoom * np.array([[cos, -sin * upside_down], [sin, cos * upside_down]])
    centre = seen.ellipse.column, seen.ellipse.row
    matrix = np.column_stack([turn, np.array([column, row]) - turn @ centre])
    half = np.hypot(turn[:, 0] * seen.ellipse.half_width, turn[:, 1] * seen.ellipse.half_height)
    return Ellipse(column, row, float(half[0]), float(half[1])), seen, matrix


def _gain(picture: ViewPicture, place: Ellipse, lesion: Addition, visibility: float) -> float:
    """The factor for the grey levels of a lesion, so that it is about as visible as in its own breast."""
    window = place.window(picture.pixels.shape, RIM[1])
    piece, sigma = picture.pixels[window].astype(np.float32), texture_sigma(place)
    spread, _ = spread_and_grain(piece > 0, Structure.of(piece, sigma), sigma)
    gain = visibility * (spread / lesion.spread) ** 0.5
    return float(np.clip(gain, LEAST_CONTRAST / max(lesion.contrast, 1), MOST_CONTRAST / max(lesion.contrast, 1)))


def _moved_box(view: int, seen: DonorView, matrix: np.ndarray) -> ModelBox:
    """The upright box around the ellipse that a donor's box holds, in pixels of the picture."""
    centre = matrix @ (seen.ellipse.column, seen.ellipse.row, 1)
    half = np.hypot(matrix[:, 0] * seen.box[0], matrix[:, 1] * seen.box[1])
    (left, top), (right, bottom) = (centre - half + 0.5).round(2).tolist(), (centre + half + 0.5).round(2).tolist()
    return ModelBox(view, "mass", left, top, right, bottom)


def remove_lesions(
    views: np.ndarray, side: Laterality, boxes: Sequence[ModelBox], rng: random.Random
) -> Changed | None:
    """Fill the boxes of a breast with normal tissue of their own view; None where one finds no tissue like its own.

    views: (4, rows, columns) uint8, left as they are.
    """
    pictures = pictures_of(views, side, boxes)
    for picture in pictures:
        for place in picture.taken:
            if place.half_height > LARGEST * picture.frame.height or not _refill(picture, place, rng):
                return None
    return Changed(with_pictures(views, pictures))


def replace_normal_tissue(
    views: np.ndarray, side: Laterality, boxes: Sequence[ModelBox], rng: random.Random
) -> Changed | None:
    """Change normal tissue as the other operations do, so that their traces tell nothing; None where it finds no place.

    In each view of the breast a place is filled with tissue of another one, or what another place has over its
    background is added to it. views: (4, rows, columns) uint8, left as they are. boxes: places to keep clear of.
    """
    pictures = pictures_of(views, side, boxes)
    fill, changed = rng.random() < 0.5, False
    for picture in pictures:
        size = np.exp(rng.uniform(np.log(0.03), np.log(0.1))) * picture.frame.height
        for _ in range(TRIES):
            place = random_place(picture, size, size * np.exp(rng.gauss(0, 0.2)), rng)
            if picture.is_free(place):
                break
        else:
            continue
        if fill:
            changed |= _refill(picture, place, rng)
        elif found := _random_source(picture, place, rng):
            lesion = addition(*found)
            shift = place.column - found[1].column, place.row - found[1].row
            matrix = np.array([[1.0, 0, shift[0]], [0, 1.0, shift[1]]])
            # too little to be taken for a mass, whatever the other place holds
            gain = min(float(np.exp(rng.uniform(*np.log(VISIBILITY)))), FAINT / max(lesion.contrast, 1.0))
            add_lesion(picture.pixels, lesion, matrix, place, gain, picture.brightest, picture.grain)
            changed = True
    return Changed(with_pictures(views, pictures)) if changed else None


def _random_source(picture: ViewPicture, place: Ellipse, rng: random.Random) -> tuple[np.ndarray, Ellipse] | None:
    for _ in range(TRIES):
        other = random_place(picture, place.half_width, place.half_height, rng)
        if picture.is_free(other):
            return picture.pixels, other
    return None


class _Surroundings:
    """Half a view's pixels, on which tissue is looked for that can fill a place: like its rim, and like its texture."""

    def __init__(self, picture: ViewPicture, place: Ellipse):
        half = cv2.resize(picture.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA).astype(np.float32)
        self.place, self.sigma = self._halved(place), max(texture_sigma(place) / 2, 0.8)
        self.parts = Structure.of(half, self.sigma)
        self.rim = rim_values(self.parts.smooth, self.place)
        window = self.place.window(half.shape, RIM[1])
        radius, local = self.place.radius(window), Structure(*(part[window] for part in self.parts))
        around = (radius > RIM[0]) & (radius < RIM[1]) & (half[window] > 0)
        self.own = spread_and_grain(around, local, self.sigma)
        structure = self.parts.smooth - cv2.GaussianBlur(self.parts.smooth, (0, 0), 2 * self.sigma)
        size = max(3, round(1.4 * self.place.half_width)), max(3, round(1.4 * self.place.half_height))
        self.energies = [cv2.blur(part * part, size) for part in (structure, self.parts.texture)]

    @staticmethod
    def _halved(place: Ellipse) -> Ellipse:
        column, row = (place.column - 0.5) / 2, (place.row - 0.5) / 2
        return Ellipse(column, row, place.half_width / 2, place.half_height / 2)

    def unlike(self, other: Ellipse) -> float:
        """How unlike another place of the view is, in grey levels."""
        moved = self._halved(other)
        difference = rim_values(self.parts.smooth, moved) - self.rim
        at = int(moved.row), int(moved.column)
        found = [max(float(np.sqrt(energy[at])), 0.5) for energy in self.energies]
        ratios = sum(abs(np.log(value / own)) for value, own in zip(found, self.own, strict=True))
        return float(difference.std() + 0.3 * abs(difference.mean()) + 8 * ratios)


def _refill(picture: ViewPicture, place: Ellipse, rng: random.Random) -> bool:
    """Fill a place with the tissue of the same view that is most like what is around it; False where there is none."""
    if not place.fits(picture.breast, at_chest_wall=True):
        return False
    surroundings, best, least = _Surroundings(picture, place), None, MOST_UNLIKE
    for _ in range(SOURCES):
        drawn = random_place(picture, place.half_width, place.half_height, rng)
        shift = round(drawn.column - place.column), round(drawn.row - place.row)
        other = place._replace(column=place.column + shift[0], row=place.row + shift[1])
        if touch(place, other) or not picture.is_free(other):
            continue
        if (unlike := surroundings.unlike(other)) < least:
            best, least = shift, unlike
    if best is None:
        return False
    replace_tissue(picture.pixels, place, picture.pixels, best)
    return True


@dataclass(frozen=True)
class Insertion:
    """How often training changes a breast, and the masses it sets in.

    donors: from exams of split train. removed: share of the breasts whose findings are masses with boxes that lose all
    of them. mass: share of the breasts in which no finding is known that get one; those from which a mass was taken,
    too. replaced: share of all breasts in which normal tissue is changed, which changes no label. calcification,
    distortion: shares of the breasts in which no finding was known that get one, drawn as in phantoms. A breast that is
    known to have a cancer gets no lesion, unless its masses were taken out. untouched: sources whose exams stay as they
    are, such as phantoms.
    """

    donors: Sequence[Donor]
    mass: float = 0.35
    removed: float = 0.4
    replaced: float = 0.25
    calcification: float = 0.0
    distortion: float = 0.0
    untouched: tuple[str, ...] = ()

    def settings(self) -> dict[str, Any]:
        """Return the shares and a checksum of the donors, for the record of a run."""
        donors = hashlib.sha256()
        for donor in self.donors:
            donors.update(repr(donor.finding).encode())
            for view in donor.views:
                donors.update(view.picture.tobytes())
        shares = {"mass": self.mass, "removed": self.removed, "replaced": self.replaced}
        shares |= {kind: share for kind in ("calcification", "distortion") if (share := getattr(self, kind))}
        return {**shares, "untouched": list(self.untouched), "donors": donors.hexdigest()[:16]}

    def __call__(self, views: np.ndarray, labels: Labels, rng: random.Random) -> tuple[np.ndarray, Labels]:
        """Return the views (4, rows, columns) uint8 of an exam and what is known of it, after random changes."""
        for side in Laterality:
            if any(views[index].any() for index, name in enumerate(STANDARD_VIEWS) if name.laterality is side):
                views, labels = self._change(views, labels, side, rng)
        return views, labels

    def _change(
        self, views: np.ndarray, labels: Labels, side: Laterality, rng: random.Random
    ) -> tuple[np.ndarray, Labels]:
        boxes = [box for box in labels.boxes if STANDARD_VIEWS[box.view].laterality is side]
        removed = None
        # every chance is drawn, so that what one decides changes no other
        remove, insert, change = (rng.random() < share for share in (self.removed, self.mass, self.replaced))
        if remove and _are_all_masses(views, labels, side, boxes):
            removed = remove_lesions(views, side, boxes, rng)
        if removed is not None:
            views, labels, boxes = removed.views, without_masses(labels, side), []
        is_free = _is_free_of_findings(labels, side, removed is not None)
        if insert and self.donors and is_free:
            for _ in range(TRIES):
                donor = self.donors[rng.randrange(len(self.donors))]
                if (changed := insert_mass(views, side, boxes, donor, rng)) is not None:
                    views, labels = changed.views, with_lesion(labels, side, changed)
                    boxes = [*boxes, *changed.boxes]
                    break
        for kind in ("calcification", "distortion"):
            share = getattr(self, kind)
            drawn = insert_drawn(kind, views, side, boxes, rng) if share and rng.random() < share and is_free else None
            if drawn is not None:
                views, labels = drawn.views, with_lesion(labels, side, drawn)
                boxes = [*boxes, *drawn.boxes]
        if change and (replaced := replace_normal_tissue(views, side, boxes, rng)) is not None:
            views = replaced.views
        return views, labels


def _are_all_masses(views: np.ndarray, labels: Labels, side: Laterality, boxes: Sequence[ModelBox]) -> bool:
    """Whether every finding that is known of a breast is a mass with a box in each of its views."""
    findings = labels.findings.get(side, Findings())
    if not findings.present or findings.possible or {finding.kind for finding in findings.present} != {"mass"}:
        return False
    if any(box.kind != "mass" for box in boxes):
        return False
    of_side = [view for view, name in enumerate(STANDARD_VIEWS) if name.laterality is side and views[view].any()]
    return all(sum(box.view == view for box in boxes) >= len(findings.present) for view in of_side)


def _is_free_of_findings(labels: Labels, side: Laterality, was_cleared: bool) -> bool:
    """Whether no finding and no cancer is known of a breast."""
    if was_cleared:
        return True
    findings, known = labels.findings.get(side, Findings()), labels.breast.get(side, {})
    found = findings.present or findings.possible or any(known.get(kind) == 1 for kind in KINDS)
    return not found and known.get("malignancy") != 1


def without_masses(labels: Labels, side: Laterality) -> Labels:
    """Return the labels of an exam after all findings of a breast, which were masses, were taken out of it."""
    findings = labels.findings[side]
    left = replace(findings, present=(), absent=findings.absent | {"mass"}, birads=None)
    boxes = tuple(box for box in labels.boxes if STANDARD_VIEWS[box.view].laterality is not side)
    return _relabelled(labels, side, left, {"mass": 0}, boxes)


def with_lesion(labels: Labels, side: Laterality, changed: Changed) -> Labels:
    """Return the labels of an exam after lesions were added to a breast."""
    known = labels.findings.get(side, Findings())
    kinds = {finding.kind for finding in changed.findings}
    findings = replace(
        known, present=(*known.present, *changed.findings), absent=known.absent - kinds, birads=None,
        not_suspicious=known.not_suspicious - kinds,
    )  # fmt: skip
    return _relabelled(labels, side, findings, dict.fromkeys(kinds, 1), (*labels.boxes, *changed.boxes))


def _relabelled(
    labels: Labels, side: Laterality, findings: Findings, known: Mapping[str, int], boxes: tuple[ModelBox, ...]
) -> Labels:
    of_breast = {task: value for task, value in labels.breast.get(side, {}).items() if task not in OUTCOMES}
    breast = {**labels.breast, side: {**of_breast, **known}}
    return replace(labels, findings={**labels.findings, side: findings}, breast=breast, risk=None, boxes=boxes)
