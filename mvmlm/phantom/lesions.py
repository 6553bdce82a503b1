"""Masses, calcifications, asymmetries and distortions: what is drawn, how it looks, how suspicious it is."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import CALCIFICATION_MORPHOLOGIES, KINDS, MASS_MARGINS, MASS_SHAPES
from .anatomy import inside_breast, quadrant_of
from .canvas import angular, dot, polyline

MU_FAT, MU_GLAND, MU_CALCIUM = 0.045, 0.080, 1.9  # attenuation per mm, near 20 keV


@dataclass(frozen=True)
class Lesion:
    """A drawn finding: its kind ("mass", "calcification", ...), centre in breast mm, and radius in mm."""

    kind: str
    position: tuple[float, float, float]
    radius_mm: float


@dataclass(frozen=True, eq=False)
class PhantomBreast:
    laterality: Laterality
    findings: Findings
    malignant: bool
    lesions: tuple[Lesion, ...]


def draw_breast(rng, laterality, density, woman) -> PhantomBreast:
    lesions, found, suspicion = [], [], [0.004]
    benign_only = True
    if rng.random() < 0.27:
        place = inside_breast(rng, woman)
        shape, margin = _mass_descriptors(rng)
        radius = float(np.exp(rng.uniform(np.log(4.0), np.log(14.0))))
        lesions.append(Lesion("mass", place, radius))
        found.append(Finding("mass", shape, margin, size_mm=round(2 * radius), place=quadrant_of(place)))
        risk = {"circumscribed": 0.02, "obscured": 0.1, "microlobulated": 0.5, "indistinct": 0.65, "spiculated": 0.95}
        suspicion.append(min(0.98, risk[margin] * (1.3 if shape == "irregular" else 1.0)))
    if rng.random() < 0.27:
        place = inside_breast(rng, woman)
        morphology = str(rng.choice(CALCIFICATION_MORPHOLOGIES))
        distribution = str(
            rng.choice(["grouped", "linear", "segmental", "regional", "diffuse"], p=[0.55, 0.13, 0.12, 0.12, 0.08])
        )
        spread = {
            "grouped": (3, 9),
            "linear": (7, 16),
            "segmental": (10, 22),
            "regional": (14, 26),
            "diffuse": (25, 45),
        }
        lesions.append(Lesion("calcification", place, float(rng.uniform(*spread[distribution]))))
        where = None if distribution == "diffuse" else quadrant_of(place)
        found.append(Finding("calcification", morphology=morphology, distribution=distribution, place=where))
        risk = {"fine linear branching": 0.85, "fine pleomorphic": 0.6, "amorphous": 0.2, "coarse heterogeneous": 0.12}
        factor = {"linear": 1.3, "segmental": 1.3, "diffuse": 0.3, "regional": 0.7}.get(distribution, 1.0)
        suspicion.append(min(0.95, risk.get(morphology, 0.01) * factor))
    if rng.random() < 0.12:
        place = inside_breast(rng, woman)
        kind = str(rng.choice(["asymmetry", "focal asymmetry", "global asymmetry"], p=[0.3, 0.5, 0.2]))
        lesions.append(Lesion("asymmetry", place, float(rng.uniform(26, 36) if kind[0] == "g" else rng.uniform(9, 20))))
        where = None if kind[0] == "g" else quadrant_of(place)
        found.append(Finding("asymmetry", asymmetry=kind, place=where))
        suspicion.append(0.08)
    if rng.random() < 0.12:
        place = inside_breast(rng, woman)
        lesions.append(Lesion("distortion", place, float(rng.uniform(10, 20))))
        found.append(Finding("distortion", place=quadrant_of(place)))
        suspicion.append(0.7)
        benign_only = False
    chance = 1 - np.prod([1 - p for p in suspicion])
    malignant = bool(rng.random() < chance)
    impression = chance + rng.normal(0, 0.05)
    if not lesions:
        birads = "1"
    elif impression < 0.1 and benign_only:
        birads = "2"
    else:
        birads = "3" if impression < 0.2 else "4" if impression < 0.7 else "5"
    absent = frozenset(KINDS) - {finding.kind for finding in found}
    return PhantomBreast(laterality, Findings(density, tuple(found), absent, birads), malignant, tuple(lesions))


def _mass_descriptors(rng) -> tuple[str, str]:
    shape = str(rng.choice(MASS_SHAPES, p=[0.25, 0.4, 0.35]))
    odds = [0.08, 0.12, 0.2, 0.25, 0.35] if shape == "irregular" else [0.45, 0.2, 0.13, 0.13, 0.09]
    return shape, str(rng.choice(MASS_MARGINS, p=odds))


def draw_lesion(rng, lesion, findings, canvas) -> tuple[np.ndarray, np.ndarray]:
    """-> (added attenuation, boolean mask), both (rows, columns)."""
    centre = canvas.place(lesion.position)
    distance = canvas.distance_mm(centre)
    if lesion.kind == "mass":
        return _mass(rng, findings.first("mass"), lesion.radius_mm, centre, distance, canvas)
    if lesion.kind == "calcification":
        return _calcifications(rng, findings.first("calcification"), lesion, centre, canvas)
    if lesion.kind == "asymmetry":
        blob = np.exp(
            -((distance / lesion.radius_mm) ** 2) * (1 + np.clip(angular(rng, canvas, centre, 3, 0.25), -0.6, 0.6))
        )
        amount = rng.uniform(7, 18) * (MU_GLAND - MU_FAT)
        return blob * amount, distance < lesion.radius_mm
    strands = np.zeros(canvas.shape, np.float32)
    _radiating(rng, strands, centre, canvas, int(rng.integers(12, 24)), 0.0, lesion.radius_mm, (0.4, 0.9), (1.5, 4.0))
    return strands * (MU_GLAND - MU_FAT), distance < lesion.radius_mm


def _mass(rng, mass, radius, centre, distance, canvas):
    edge = np.full(canvas.shape, radius, np.float32)
    if mass.shape == "oval":
        column, row = centre
        turn, ratio = rng.uniform(0, np.pi), rng.uniform(1.3, 1.8)
        dx, dy = canvas.x - column * canvas.mm, canvas.v - (canvas.middle - row * canvas.mm)
        along = (dx * np.cos(turn) + dy * np.sin(turn)) / np.sqrt(ratio)
        across = (-dx * np.sin(turn) + dy * np.cos(turn)) * np.sqrt(ratio)
        distance = np.hypot(along, across)
    elif mass.shape == "irregular":
        edge *= 1 + np.clip(angular(rng, canvas, centre, 4, 0.22), -0.5, 0.5)
    if mass.margin == "microlobulated":
        edge *= 1 + angular(rng, canvas, centre, 4, 0.07, first=9)
    depth = np.sqrt(np.clip(1 - (distance / edge) ** 2, 0, None))  # half the chord, of 1
    if mass.margin in ("indistinct", "spiculated"):
        depth = cv2.GaussianBlur(depth, (0, 0), (0.28 if mass.margin == "indistinct" else 0.14) * radius / canvas.mm)
    if mass.margin == "obscured":
        depth *= 1 / (1 + np.exp(-4 * (angular(rng, canvas, centre, 1, 1.0, first=1) + 0.4)))
    chord_mm = 2 * radius * depth
    contrast = np.exp(rng.uniform(np.log(0.6), np.log(2.6))) * (14 / (radius + 7))
    added = chord_mm * contrast * (MU_GLAND - MU_FAT) * 1.15
    mask = distance < edge
    if mass.margin == "spiculated":
        strands = np.zeros(canvas.shape, np.float32)
        _radiating(
            rng,
            strands,
            centre,
            canvas,
            int(rng.integers(14, 30)),
            0.7 * radius,
            radius * 1.2 + 5,
            (0.3, 0.8),
            (1.5, 3.5),
        )
        added += strands * (MU_GLAND - MU_FAT)
    return added, mask


def _radiating(rng, image, centre, canvas, n, inner_mm, length_mm, widths, amounts):
    """Straight strands away from a centre, thinning outwards."""
    start = np.array([centre[0] * canvas.mm, canvas.middle - centre[1] * canvas.mm])
    for angle in rng.uniform(0, 2 * np.pi, n):
        direction = np.array([np.cos(angle), np.sin(angle)])
        reach = inner_mm + length_mm * rng.uniform(0.5, 1.1)
        amount = rng.uniform(*amounts)
        for part in (1.0, 0.65):  # twice as dense near the centre
            points = np.array([start + inner_mm * direction, start + reach * part * direction])
            polyline(image, points, canvas, rng.uniform(*widths), amount / 2)


_CALCIFICATION_SIZES = {  # diameter in mm, count
    "round": ((0.6, 1.2), (4, 14)),
    "punctate": ((0.45, 0.75), (8, 24)),
    "coarse": ((1.2, 3.0), (1, 4)),
    "amorphous": ((0.35, 0.55), (20, 60)),
    "coarse heterogeneous": ((0.6, 1.4), (5, 14)),
    "fine pleomorphic": ((0.35, 0.9), (10, 32)),
    "fine linear branching": ((0.35, 0.6), (8, 20)),
}


def _calcifications(rng, calcification, lesion, centre, canvas):
    sizes, counts = _CALCIFICATION_SIZES[calcification.morphology]
    n = int(rng.integers(*counts) * (1.6 if calcification.distribution in ("regional", "diffuse") else 1))
    offsets = rng.normal(size=(n, 2)) * lesion.radius_mm * 0.5
    if calcification.distribution in ("linear", "segmental"):
        heading = np.arctan2(-(canvas.middle - centre[1] * canvas.mm), canvas.woman.depth_mm - centre[0] * canvas.mm)
        narrow = 0.12 if calcification.distribution == "linear" else 0.45
        along, across = rng.uniform(-1, 1, n) * lesion.radius_mm, rng.normal(size=n) * lesion.radius_mm * narrow
        offsets = np.stack(
            [along * np.cos(heading) - across * np.sin(heading), along * np.sin(heading) + across * np.cos(heading)], 1
        )
    added = np.zeros(canvas.shape, np.float32)
    strength = np.exp(rng.uniform(np.log(0.5), np.log(2.0)))
    mask = np.zeros(canvas.shape, np.uint8)
    for dx, dy in offsets:
        diameter = rng.uniform(*sizes)
        column, row = centre[0] + dx / canvas.mm, centre[1] - dy / canvas.mm
        amount = strength * MU_CALCIUM * diameter * rng.uniform(0.6, 1.0)
        if calcification.morphology == "fine linear branching":
            angle = rng.uniform(0, 2 * np.pi)
            step = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.8, 3.0)
            middle = np.array([column * canvas.mm, canvas.middle - row * canvas.mm])
            polyline(added, np.array([middle - step, middle + step]), canvas, diameter, amount)
        else:
            dot(added, column, row, diameter / canvas.mm, amount)
        cv2.circle(mask, (round(column), round(row)), max(2, round(1.5 / canvas.mm)), 1, -1)
    return added, mask.astype(bool)
