"""Phantom exams: a woman, her breasts and a machine, drawn at random and projected into four views."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..exam import Acquisition, Exam, Laterality, Orientation, Projection, Sourced, Spacing, SpacingKind, View, ViewName
from ..imaging.phantom_files import MODEL
from .anatomy import (
    depth_from_skin,
    gland_in_view,
    glandular_volume,
    ligaments,
    pectoral_mm,
    power_law_noise,
    tissue_network,
)
from .canvas import FIELD_MM, Canvas
from .exposure import MachineProfile, expose
from .lesions import MU_FAT, MU_GLAND, PhantomBreast, draw_breast, draw_lesion, with_distortion
from .woman import Woman

DENSITY_SHARES = (0.15, 0.35, 0.35, 0.15)  # of women with density A, B, C and D
SHIFTED_PIXELS = 1.2  # how much larger the pixels of a shifted machine are
FOLLOW_UP_YEARS = (1.0, 8.0)


@dataclass(frozen=True, eq=False)
class PhantomExam:
    """An exam and what is true of it.

    best_risk_score: the annual hazard from which the follow-up was drawn, so no score can predict it better.
    risk_years, cancer: years to the event or to the end of follow-up, and whether it was the event; 0 years for a
    cancer that is in the images. masks: for each view and kind of finding, (rows, columns) uint8, 255 inside the
    lesion. outlines: for each view, (rows, columns) bool, True inside the breast.
    contrast_to_noise: for each view and kind of finding, see `contrast_to_noise`.
    """

    name: str
    exam: Exam
    breasts: Mapping[Laterality, PhantomBreast]
    density: str
    risk_years: float
    cancer: bool
    best_risk_score: float
    masks: Mapping[tuple[ViewName, str], np.ndarray] = field(default_factory=dict)
    contrast_to_noise: Mapping[tuple[ViewName, str], float] = field(default_factory=dict)
    outlines: Mapping[ViewName, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class _Projection:
    """One view, chest wall left: (rows, columns) uint16 pixels 0..4095, the outline; masks and contrasts by kind."""

    pixels: np.ndarray
    outline: np.ndarray
    masks: dict[str, np.ndarray]
    contrasts: dict[str, float]


def phantom_exams(n: int, seed: int, rows: int = 1024, shift: bool = False) -> Iterator[PhantomExam]:
    """Yield `n` exams; the same seed, rows and shift give the same exams, and exam i does not depend on n."""
    for index in range(n):
        yield phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), rows, shift)


def phantom_exam(name: str, rng: np.random.Generator, rows: int = 1024, shift: bool = False) -> PhantomExam:
    """Return one exam at `rows` x `rows * 13/16` pixels over a field of 256 x 208 mm.

    shift: use a machine outside the range of the others (processing, noise) with pixels a fifth larger, for tests out
    of distribution; the women and their lesions are drawn as without it.
    """
    rows = round(rows / SHIFTED_PIXELS) if shift else rows
    density = "ABCD"[rng.choice(4, p=DENSITY_SHARES)]
    woman = Woman.draw(rng, density)
    machine = MachineProfile.draw(rng)
    if shift:
        machine = machine.shifted(rng)
    breasts: dict[Laterality, PhantomBreast] = {}
    views: dict[ViewName, View] = {}
    masks: dict[tuple[ViewName, str], np.ndarray] = {}
    contrasts: dict[tuple[ViewName, str], float] = {}
    outlines: dict[ViewName, np.ndarray] = {}
    for laterality in Laterality:
        mirrored = laterality is Laterality.RIGHT
        breast = breasts[laterality] = draw_breast(rng, laterality, density, woman)
        volume = glandular_volume(rng, woman, breast.laterality)
        for projection in (Projection.CC, Projection.MLO):
            view_name = ViewName(laterality, projection)
            drawn = _project(rng, Canvas(rows, projection, woman), machine, breast, volume)
            pixels = drawn.pixels[:, ::-1] if mirrored else drawn.pixels
            views[view_name] = _as_view(view_name, pixels, machine, woman, rows)
            outlines[view_name] = drawn.outline[:, ::-1] if mirrored else drawn.outline
            for kind, mask in drawn.masks.items():
                masks[view_name, kind] = mask[:, ::-1].copy() if mirrored else mask
                contrasts[view_name, kind] = drawn.contrasts[kind]
    cancer_now = any(breast.malignant for breast in breasts.values())
    risk_years, cancer = (0.0, True) if cancer_now else _follow_up(rng, woman)
    truth = (breasts, density, risk_years, cancer, _hazard(woman), masks, contrasts, outlines)
    return PhantomExam(name, Exam(views), *truth)


def _project(
    rng: np.random.Generator, canvas: Canvas, machine: MachineProfile, breast: PhantomBreast, volume: np.ndarray
) -> _Projection:
    woman = canvas.woman
    outline = canvas.outline()
    depth_mm = depth_from_skin(outline, canvas)
    half = woman.thickness_mm / 2
    # the compressed breast is flat inside and round at its edge
    thickness_mm = woman.thickness_mm * np.sqrt(np.clip(1 - (1 - np.clip(depth_mm / half, 0, 1)) ** 2, 0, 1))
    gland_mm = _gland_mm(rng, canvas, breast, volume, outline, depth_mm, thickness_mm)
    masks: dict[str, np.ndarray] = {}
    contrasts: dict[str, float] = {}
    attenuation = thickness_mm * MU_FAT + np.minimum(gland_mm, thickness_mm) * (MU_GLAND - MU_FAT)
    for lesion in breast.lesions:
        finding = breast.finding(lesion.kind)
        if canvas.projection is Projection.MLO and finding.asymmetry == "asymmetry":
            continue  # an asymmetry in the strict sense is seen in one view only
        added, mask = draw_lesion(rng, lesion, finding, canvas)
        added = added * np.clip(thickness_mm / 10, 0, 1)
        contrasts[lesion.kind] = contrast_to_noise(added, attenuation, mask & outline, canvas.mm)
        attenuation += added
        masks[lesion.kind] = np.maximum(masks.get(lesion.kind, 0), (mask & outline).astype(np.uint8) * 255)
    pixels = expose(rng, machine, attenuation, thickness_mm, outline, canvas, breast.laterality)
    return _Projection(pixels, outline, masks, contrasts)


def _gland_mm(
    rng: np.random.Generator,
    canvas: Canvas,
    breast: PhantomBreast,
    volume: np.ndarray,
    outline: np.ndarray,
    depth_mm: np.ndarray,
    thickness_mm: np.ndarray,
) -> np.ndarray:
    """(rows, columns): mm of gland, ligaments, skin and muscle along the beam."""
    woman = canvas.woman
    gland = gland_in_view(rng, volume, canvas)
    texture = power_law_noise(rng, canvas.shape, woman.texture_exponent / 2)
    gland = np.clip(gland * np.exp(woman.lobules * texture - woman.lobules**2 / 2) + 0.03 * texture, 0, 1)
    gland = with_distortion(gland, breast.lesions, canvas)
    gland_mm = gland * thickness_mm + ligaments(rng, canvas, outline) * (0.35 + 0.9 * np.sqrt(gland))
    gland_mm += woman.network * tissue_network(rng, canvas) * (0.35 + 1.0 * np.sqrt(gland))
    gland_mm += woman.skin_mm * np.exp(-((depth_mm - 0.8) ** 2) / 0.8)
    if canvas.projection is Projection.MLO:
        gland_mm += pectoral_mm(rng, canvas, thickness_mm)
    return gland_mm


def contrast_to_noise(added: np.ndarray, attenuation: np.ndarray, mask: np.ndarray, mm: float) -> float:
    """Return the mean of what a lesion adds over the spread of the tissue within 10 mm; 0 where it is not in the view.

    added, attenuation, mask: (rows, columns); mm: size of a pixel. The mean is over the pixels of the mask where the
    lesion adds at least a tenth of its maximum, so that specks and strands count and the gaps between them do not.
    """
    if not mask.any():
        return 0.0
    top, bottom = np.flatnonzero(mask.any(1))[[0, -1]]
    left, right = np.flatnonzero(mask.any(0))[[0, -1]]
    reach = round(10 / mm)
    around = np.s_[max(0, top - reach) : bottom + reach + 1, max(0, left - reach) : right + reach + 1]
    inside = added[mask]
    return round(float(inside[inside >= 0.1 * inside.max()].mean() / max(attenuation[around].std(), 1e-6)), 3)


def _follow_up(rng: np.random.Generator, woman: Woman) -> tuple[float, bool]:
    """Years to the event or to the end of follow-up, at a constant hazard."""
    event = rng.exponential(1 / _hazard(woman))
    end = rng.uniform(*FOLLOW_UP_YEARS)
    return (round(float(min(event, end)), 2), bool(event <= end))


def _hazard(woman: Woman) -> float:
    return annual_hazard(woman.gland_fraction, woman.texture_asymmetry, woman.age_years)


def annual_hazard(gland_fraction: float, texture_asymmetry: float, age_years: float) -> float:
    """Return the annual cancer hazard of a phantom woman; far above real rates, so that small data sets have events."""
    return float(0.02 * np.exp(2.5 * gland_fraction + 3.5 * texture_asymmetry + 0.015 * (age_years - 55)))


def _as_view(name: ViewName, pixels: np.ndarray, machine: MachineProfile, woman: Woman, rows: int) -> View:
    return View(
        name,
        np.ascontiguousarray(pixels),
        file="phantom",
        spacing=Spacing(FIELD_MM[0] / rows, FIELD_MM[0] / rows, SpacingKind.DETECTOR),
        bits=12,
        orientation=Orientation.of(name, chest_wall_left=name.laterality is Laterality.LEFT),
        sources={
            "laterality": Sourced(name.laterality.value, "phantom"),
            "projection": Sourced(name.projection.value, "phantom"),
        },
        acquisition=Acquisition(
            manufacturer=machine.manufacturer,
            model=MODEL,
            date="20260101",
            thickness_mm=round(woman.thickness_mm, 1),
            age_years=woman.age_years,
        ),
        phantom=True,
    )
