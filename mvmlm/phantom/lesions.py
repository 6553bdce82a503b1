"""Masses, calcifications, asymmetries and distortions: which are drawn, their appearance and their suspicion."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import CALCIFICATION_MORPHOLOGIES, KINDS, MASS_MARGINS, MASS_SHAPES
from .anatomy import point_in_breast, quadrant_of
from .canvas import PixelGrid, add_dot, add_polyline, angular_noise
from .woman import Woman

MU_FAT, MU_GLAND, MU_CALCIUM = 0.045, 0.080, 1.9  # attenuation per mm, near 20 keV
SUSPICION_WITHOUT_FINDING = 0.004

#: probability that a mass of a margin is malignant, before its shape counts
_MARGIN_SUSPICION = {
    "circumscribed": 0.02, "obscured": 0.1, "microlobulated": 0.5, "indistinct": 0.65, "spiculated": 0.95,
}  # fmt: skip
#: the same for calcifications, before their distribution counts; other morphologies are typically benign
_MORPHOLOGY_SUSPICION = {
    "fine linear branching": 0.85, "fine pleomorphic": 0.6, "amorphous": 0.2, "coarse heterogeneous": 0.12,
}  # fmt: skip
_DISTRIBUTION_FACTOR = {"linear": 1.3, "segmental": 1.3, "diffuse": 0.3, "regional": 0.7}
#: distribution of calcifications -> how often it is drawn, and its radius in mm from and to
_DISTRIBUTIONS: dict[str, tuple[float, tuple[float, float]]] = {
    "grouped": (0.55, (3, 9)),
    "linear": (0.13, (7, 16)),
    "segmental": (0.12, (10, 22)),
    "regional": (0.12, (14, 26)),
    "diffuse": (0.08, (25, 45)),
}
#: morphology of calcifications -> diameter in mm from and to, number from and to
_CALCIFICATION_SIZES: dict[str | None, tuple[tuple[float, float], tuple[int, int]]] = {
    "round": ((0.6, 1.2), (4, 14)),
    "punctate": ((0.45, 0.75), (8, 24)),
    "coarse": ((1.2, 3.0), (1, 4)),
    "amorphous": ((0.35, 0.55), (20, 60)),
    "coarse heterogeneous": ((0.6, 1.4), (5, 14)),
    "fine pleomorphic": ((0.35, 0.9), (10, 32)),
    "fine linear branching": ((0.35, 0.6), (8, 20)),
}


@dataclass(frozen=True)
class Lesion:
    """A drawn finding: its kind ("mass", "calcification", ...), centre (x, y, z) in breast mm, and radius in mm."""

    kind: str
    position: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True, eq=False)
class PhantomBreast:
    """One breast with its findings; at most one lesion of each kind. malignant: whether cancer is in the images."""

    laterality: Laterality
    findings: Findings
    malignant: bool
    lesions: tuple[Lesion, ...]

    def finding(self, kind: str) -> Finding:
        """Return the finding of a kind that was drawn. Raises KeyError where there is none."""
        found = self.findings.first(kind)
        if found is None:
            raise KeyError(kind)
        return found


@dataclass(frozen=True)
class _DrawnFinding:
    """A lesion, its description, and the probability that it is malignant."""

    lesion: Lesion
    finding: Finding
    suspicion: float


def draw_breast(rng: np.random.Generator, laterality: Laterality, density: str, woman: Woman) -> PhantomBreast:
    """Return a random breast of a density letter A to D."""
    drawn: list[_DrawnFinding] = []
    for draw, share in ((_draw_mass, 0.27), (_draw_group, 0.27), (_draw_asymmetry, 0.12), (_draw_distortion, 0.12)):
        if rng.random() < share:
            drawn.append(draw(rng, woman))
    found = tuple(each.finding for each in drawn)
    kinds = {finding.kind for finding in found}
    chance = 1 - np.prod([1 - p for p in (SUSPICION_WITHOUT_FINDING, *(each.suspicion for each in drawn))])
    malignant = bool(rng.random() < chance)
    birads = _birads(float(chance + rng.normal(0, 0.05)), kinds)  # the reader's impression is not exact
    findings = Findings(density, found, frozenset(KINDS) - kinds, birads)
    return PhantomBreast(laterality, findings, malignant, tuple(each.lesion for each in drawn))


def _birads(impression: float, kinds: set[str]) -> str:
    """The assessment of a breast with findings of these kinds; a distortion is never assessed as benign."""
    if not kinds:
        return "1"
    if impression < 0.1 and "distortion" not in kinds:
        return "2"
    return "3" if impression < 0.2 else "4" if impression < 0.7 else "5"


def _draw_mass(rng: np.random.Generator, woman: Woman) -> _DrawnFinding:
    position = point_in_breast(rng, woman)
    shape = str(rng.choice(MASS_SHAPES, p=[0.25, 0.4, 0.35]))
    odds = [0.08, 0.12, 0.2, 0.25, 0.35] if shape == "irregular" else [0.45, 0.2, 0.13, 0.13, 0.09]
    margin = str(rng.choice(MASS_MARGINS, p=odds))
    radius_mm = float(np.exp(rng.uniform(np.log(4.0), np.log(14.0))))
    return _DrawnFinding(
        Lesion("mass", position, radius_mm),
        Finding("mass", shape, margin, size_mm=round(2 * radius_mm), place=quadrant_of(position)),
        min(0.98, _MARGIN_SUSPICION[margin] * (1.3 if shape == "irregular" else 1.0)),
    )


def random_calcifications(rng: np.random.Generator) -> tuple[Finding, float]:
    """Return the description of random calcifications, without their place, and their radius in mm."""
    morphology = str(rng.choice(CALCIFICATION_MORPHOLOGIES))
    distribution = str(rng.choice([*_DISTRIBUTIONS], p=[share for share, _ in _DISTRIBUTIONS.values()]))
    radius_mm = float(rng.uniform(*_DISTRIBUTIONS[distribution][1]))
    return Finding("calcification", morphology=morphology, distribution=distribution), radius_mm


def _draw_group(rng: np.random.Generator, woman: Woman) -> _DrawnFinding:
    """Calcifications."""
    position = point_in_breast(rng, woman)
    finding, radius_mm = random_calcifications(rng)
    quadrant = None if finding.distribution == "diffuse" else quadrant_of(position)
    suspicion = _MORPHOLOGY_SUSPICION.get(finding.morphology or "", 0.01)
    return _DrawnFinding(
        Lesion("calcification", position, radius_mm),
        replace(finding, place=quadrant),
        min(0.95, suspicion * _DISTRIBUTION_FACTOR.get(finding.distribution or "", 1.0)),
    )


def _draw_asymmetry(rng: np.random.Generator, woman: Woman) -> _DrawnFinding:
    position = point_in_breast(rng, woman)
    kind = str(rng.choice(["asymmetry", "focal asymmetry", "global asymmetry"], p=[0.3, 0.5, 0.2]))
    is_global = kind == "global asymmetry"
    radius_mm = float(rng.uniform(26, 36) if is_global else rng.uniform(9, 20))
    finding = Finding("asymmetry", asymmetry=kind, place=None if is_global else quadrant_of(position))
    return _DrawnFinding(Lesion("asymmetry", position, radius_mm), finding, 0.08)


def _draw_distortion(rng: np.random.Generator, woman: Woman) -> _DrawnFinding:
    position = point_in_breast(rng, woman)
    radius_mm = float(rng.uniform(10, 20))
    finding = Finding("distortion", place=quadrant_of(position))
    return _DrawnFinding(Lesion("distortion", position, radius_mm), finding, 0.7)


def with_distortion(
    gland: np.ndarray, lesions: Iterable[Lesion], canvas: PixelGrid, strength: float = 0.9
) -> np.ndarray:
    """Return (rows, columns) tissue pulled towards the centre of each distortion among the lesions.

    strength: how much farther away the tissue at the centre comes from, as a share of its distance.
    """
    for lesion in lesions:
        if lesion.kind != "distortion":
            continue
        column, row = canvas.project(lesion.position)
        columns, rows = np.meshgrid(np.arange(gland.shape[1]), np.arange(gland.shape[0]))
        dx, dy = (columns - column).astype(np.float32), (rows - row).astype(np.float32)
        distance = np.hypot(dx, dy) * canvas.mm
        pull = 1 + strength * np.exp(-((distance / (1.2 * lesion.radius_mm)) ** 2))
        sources = (np.float32(column) + dx * pull, np.float32(row) + dy * pull)
        gland = cv2.remap(gland.astype(np.float32), *sources, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return gland


def draw_lesion(
    rng: np.random.Generator, lesion: Lesion, finding: Finding, canvas: PixelGrid
) -> tuple[np.ndarray, np.ndarray]:
    """Return the attenuation that a lesion adds and its bool mask, both (rows, columns)."""
    centre = canvas.project(lesion.position)
    distance = canvas.distance_mm(centre)
    if lesion.kind == "mass":
        return _mass(rng, finding, lesion.radius_mm, centre, distance, canvas)
    if lesion.kind == "calcification":
        return _calcifications(rng, finding, lesion.radius_mm, centre, canvas)
    if lesion.kind == "asymmetry":
        lobes = np.clip(angular_noise(rng, canvas, centre, 3, 0.25), -0.6, 0.6)
        blob = np.exp(-((distance / lesion.radius_mm) ** 2) * (1 + lobes))
        return blob * (rng.uniform(7, 18) * (MU_GLAND - MU_FAT)), distance < lesion.radius_mm
    strands = np.zeros(canvas.shape, np.float32)
    n = int(rng.integers(12, 24))
    _add_radiating(rng, strands, centre, canvas, _Radiating(n, 0.0, lesion.radius_mm, (0.4, 0.9), (1.5, 4.0)))
    return strands * (MU_GLAND - MU_FAT), distance < lesion.radius_mm


def _mass(
    rng: np.random.Generator,
    mass: Finding,
    radius_mm: float,
    centre: tuple[float, float],
    distance: np.ndarray,
    canvas: PixelGrid,
) -> tuple[np.ndarray, np.ndarray]:
    edge = np.full(canvas.shape, radius_mm, np.float32)
    if mass.shape == "oval":
        distance = _oval_distance(rng, centre, canvas)
    elif mass.shape == "irregular":
        edge *= 1 + np.clip(angular_noise(rng, canvas, centre, 4, 0.22), -0.5, 0.5)
    if mass.margin == "microlobulated":
        edge *= 1 + angular_noise(rng, canvas, centre, 4, 0.07, first=9)
    depth: np.ndarray = np.sqrt(np.clip(1 - (distance / edge) ** 2, 0, None))  # half the chord, of 1
    if mass.margin in ("indistinct", "spiculated"):
        sigma = (0.28 if mass.margin == "indistinct" else 0.14) * radius_mm / canvas.mm
        depth = cv2.GaussianBlur(depth, (0, 0), sigma)
    if mass.margin == "obscured":
        depth *= 1 / (1 + np.exp(-4 * (angular_noise(rng, canvas, centre, 1, 1.0, first=1) + 0.4)))
    chord_mm = 2 * radius_mm * depth
    contrast = np.exp(rng.uniform(np.log(0.6), np.log(2.6))) * (14 / (radius_mm + 7))
    added = chord_mm * contrast * (MU_GLAND - MU_FAT) * 1.15
    mask = distance < edge
    if mass.margin == "spiculated":
        strands = np.zeros(canvas.shape, np.float32)
        n = int(rng.integers(14, 30))
        spicules = _Radiating(n, 0.7 * radius_mm, radius_mm * 1.2 + 5, (0.3, 0.8), (1.5, 3.5))
        _add_radiating(rng, strands, centre, canvas, spicules)
        added += strands * (MU_GLAND - MU_FAT)
    return added, mask


def _oval_distance(rng: np.random.Generator, centre: tuple[float, float], canvas: PixelGrid) -> np.ndarray:
    """(rows, columns) mm from the centre in a metric whose circles are random ovals of the same area."""
    column, row = centre
    turn, ratio = rng.uniform(0, np.pi), rng.uniform(1.3, 1.8)
    dx, dy = canvas.x - column * canvas.mm, canvas.v - (canvas.middle - row * canvas.mm)
    along = (dx * np.cos(turn) + dy * np.sin(turn)) / np.sqrt(ratio)
    across = (-dx * np.sin(turn) + dy * np.cos(turn)) * np.sqrt(ratio)
    return np.hypot(along, across)


@dataclass(frozen=True)
class _Radiating:
    """Straight strands away from a centre: how many, where they start and how long they are in mm.

    widths_mm, amounts: from and to; amounts in mm of gland.
    """

    n: int
    inner_mm: float
    length_mm: float
    widths_mm: tuple[float, float]
    amounts: tuple[float, float]


def _add_radiating(
    rng: np.random.Generator, image: np.ndarray, centre: tuple[float, float], canvas: PixelGrid, strands: _Radiating
) -> None:
    """Add strands to a (rows, columns) image in place, thinning outwards."""
    start = np.array([centre[0] * canvas.mm, canvas.middle - centre[1] * canvas.mm])
    for angle in rng.uniform(0, 2 * np.pi, strands.n):
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = strands.inner_mm + strands.length_mm * rng.uniform(0.5, 1.1)
        amount = rng.uniform(*strands.amounts)
        for share in (1.0, 0.65):  # twice as dense near the centre
            points = np.array([start + strands.inner_mm * direction, start + reach * share * direction])
            add_polyline(image, points, canvas, rng.uniform(*strands.widths_mm), amount / 2)


def _calcifications(
    rng: np.random.Generator, finding: Finding, radius_mm: float, centre: tuple[float, float], canvas: PixelGrid
) -> tuple[np.ndarray, np.ndarray]:
    diameters_mm, counts = _CALCIFICATION_SIZES[finding.morphology]
    n = int(rng.integers(*counts) * (1.6 if finding.distribution in ("regional", "diffuse") else 1))
    added = np.zeros(canvas.shape, np.float32)
    mask = np.zeros(canvas.shape, np.uint8)
    offsets = _offsets_mm(rng, n, finding.distribution, radius_mm, centre, canvas)
    strength = np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    for dx, dy in offsets:
        diameter = rng.uniform(*diameters_mm)
        column, row = centre[0] + dx / canvas.mm, centre[1] - dy / canvas.mm
        amount = strength * MU_CALCIUM * diameter * rng.uniform(0.6, 1.0)
        if finding.morphology == "fine linear branching":
            angle = rng.uniform(0, 2 * np.pi)
            step = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.8, 3.0)
            middle = np.array([column * canvas.mm, canvas.middle - row * canvas.mm])
            add_polyline(added, np.array([middle - step, middle + step]), canvas, diameter, amount)
        else:
            add_dot(added, column, row, diameter / canvas.mm, amount)
        cv2.circle(mask, (round(column), round(row)), max(2, round(1.5 / canvas.mm)), 1, -1)
    return added, mask.astype(bool)


def _offsets_mm(
    rng: np.random.Generator,
    n: int,
    distribution: str | None,
    radius_mm: float,
    centre: tuple[float, float],
    canvas: PixelGrid,
) -> np.ndarray:
    """(n, 2) of (x, v): scattered around the centre, or along the line to the nipple."""
    offsets = rng.normal(size=(n, 2)) * radius_mm * 0.5
    if distribution not in ("linear", "segmental"):
        return offsets
    heading = np.arctan2(-(canvas.middle - centre[1] * canvas.mm), canvas.depth_mm - centre[0] * canvas.mm)
    narrow = 0.12 if distribution == "linear" else 0.45
    along, across = rng.uniform(-1, 1, n) * radius_mm, rng.normal(size=n) * radius_mm * narrow
    return np.stack(
        [along * np.cos(heading) - across * np.sin(heading), along * np.sin(heading) + across * np.cos(heading)], 1
    )
