"""Four-view phantom exams with known truth.

A breast is a 3-D volume of fibroglandular fraction plus lesions at 3-D positions; both of its views are projections of
that one breast (CC along the cranio-caudal axis, MLO at 45 degrees), attenuated by Beer-Lambert with scatter, noise and
blur, then processed as a vendor would. Phantoms teach the road, not medicine: see assets/MODEL_CARD.md.

Breast coordinates in mm: x from the chest wall to the nipple, y to lateral, z to cranial; an MLO shows (y + z) / sqrt 2
on its vertical axis. Images are drawn with the chest wall on the left and lateral (CC) or cranial (MLO) up; a right
breast is mirrored when it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from ..exam import Acquisition, Exam, Laterality, Projection, Sourced, Spacing, SpacingKind, View, ViewName
from .anatomy import (
    depth_from_skin,
    gland_in_view,
    glandular_volume,
    ligaments,
    pectoral_mm,
    power_law_noise,
    tissue_network,
    with_distortion,
)
from .canvas import FIELD_MM, Canvas
from .exposure import MachineProfile, expose
from .lesions import MU_FAT, MU_GLAND, Lesion, PhantomBreast, draw_breast, draw_lesion
from .woman import Woman

__all__ = ["FIELD_MM", "Lesion", "PhantomBreast", "PhantomExam", "annual_hazard", "phantom_exam", "phantom_exams"]


@dataclass(frozen=True, eq=False)
class PhantomExam:
    """masks: for each view and finding kind, (rows, columns) uint8, 255 inside the lesion.

    risk_years, cancer: time of the event or end of follow-up, and whether it was the event. A cancer that is in the
    pictures now has risk_years 0.
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


def phantom_exams(n: int, seed: int, rows: int = 1024, shift: bool = False) -> Iterator[PhantomExam]:
    """`n` exams; the same seed, rows and shift give the same exams, and exam i does not depend on n."""
    for index in range(n):
        yield phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), rows, shift)


def phantom_exam(name: str, rng: np.random.Generator, rows: int = 1024, shift: bool = False) -> PhantomExam:
    """One exam at `rows` x `rows * 13/16` pixels over a field of 256 x 208 mm.

    shift: a machine outside the range of the others (look, noise), with pixels a fifth larger, for tests out of
    distribution; the women and their lesions are drawn as ever.
    """
    rows = round(rows / 1.2) if shift else rows
    density = "ABCD"[rng.choice(4, p=[0.15, 0.35, 0.35, 0.15])]
    woman = Woman.draw(rng, density)
    look = MachineProfile.draw(rng)
    if shift:
        look = look.shifted(rng)
    breasts, views, masks, contrast = {}, {}, {}, {}
    for laterality in Laterality:
        breast = draw_breast(rng, laterality, density, woman)
        breasts[laterality] = breast
        volume = glandular_volume(rng, woman, breast)
        for projection in (Projection.CC, Projection.MLO):
            view_name = ViewName(laterality, projection)
            pixels, view_masks, view_contrast = _project(rng, woman, look, breast, volume, projection, rows)
            mirrored = laterality is Laterality.RIGHT
            views[view_name] = _as_view(view_name, pixels[:, ::-1] if mirrored else pixels, look, woman, rows)
            for kind, mask in view_masks.items():
                masks[view_name, kind] = mask[:, ::-1].copy() if mirrored else mask
                contrast[view_name, kind] = view_contrast[kind]
    cancer_now = any(breast.malignant for breast in breasts.values())
    risk_years, cancer = (0.0, True) if cancer_now else _follow_up(rng, woman)
    best = annual_hazard(woman.gland_fraction, woman.texture_asymmetry, woman.age_years)
    return PhantomExam(name, Exam(views), breasts, density, risk_years, cancer, best, masks, contrast)


def _project(rng, woman, look, breast, volume, projection, rows):
    """-> (pixels uint16 0..4095 with the chest wall left, {finding kind: mask}, {finding kind: contrast to noise})."""
    canvas = Canvas(rows, projection, woman)
    outline = canvas.outline()
    depth_mm = depth_from_skin(outline, canvas)
    half = woman.thickness_mm / 2
    thickness = woman.thickness_mm * np.sqrt(np.clip(1 - (1 - np.clip(depth_mm / half, 0, 1)) ** 2, 0, 1))

    gland = gland_in_view(rng, volume, canvas, woman)
    texture = power_law_noise(rng, canvas.shape, woman.texture_exponent / 2)
    gland = np.clip(gland * np.exp(woman.lobules * texture - woman.lobules**2 / 2) + 0.03 * texture, 0, 1)
    gland = with_distortion(rng, gland, breast, canvas)
    gland_mm = gland * thickness + ligaments(rng, canvas, outline) * (0.35 + 0.9 * np.sqrt(gland))
    gland_mm += woman.network * tissue_network(rng, canvas) * (0.35 + 1.0 * np.sqrt(gland))
    gland_mm += woman.skin_mm * np.exp(-((depth_mm - 0.8) ** 2) / 0.8)
    if projection is Projection.MLO:
        gland_mm += pectoral_mm(rng, canvas, thickness)

    masks: dict[str, np.ndarray] = {}
    contrast: dict[str, float] = {}
    attenuation = thickness * MU_FAT + np.minimum(gland_mm, thickness) * (MU_GLAND - MU_FAT)
    for lesion in breast.lesions:
        if projection is Projection.MLO and lesion.kind == breast.findings.first(lesion.kind).asymmetry == "asymmetry":
            continue  # an asymmetry in the strict sense is seen in one view only
        added, mask = draw_lesion(rng, lesion, breast.findings, canvas)
        added = added * np.clip(thickness / 10, 0, 1)
        contrast[lesion.kind] = _contrast_to_noise(added, attenuation, mask & outline, canvas)
        attenuation += added
        masks[lesion.kind] = np.maximum(masks.get(lesion.kind, 0), (mask & outline).astype(np.uint8) * 255)
    return expose(rng, look, attenuation, thickness, outline, canvas, breast.laterality), masks, contrast


def _contrast_to_noise(added, attenuation, mask, canvas) -> float:
    """Mean of what the lesion adds where it adds (a tenth of its most, or more), over the spread of the tissue within 10 mm.

    So specks and strands count for themselves and not for the gaps between them. 0 where it is not in the view.
    """
    if not mask.any():
        return 0.0
    top, bottom = np.flatnonzero(mask.any(1))[[0, -1]]
    left, right = np.flatnonzero(mask.any(0))[[0, -1]]
    reach = round(10 / canvas.mm)
    around = np.s_[max(0, top - reach) : bottom + reach + 1, max(0, left - reach) : right + reach + 1]
    own = added[mask]
    return round(float(own[own >= 0.1 * own.max()].mean() / max(attenuation[around].std(), 1e-6)), 3)


def _follow_up(rng, woman) -> tuple[float, bool]:
    """Years to the event or to the end of follow-up: a constant hazard from density, asymmetry and age."""
    hazard = annual_hazard(woman.gland_fraction, woman.texture_asymmetry, woman.age_years)
    event = rng.exponential(1 / hazard)
    end = rng.uniform(1.0, 8.0)
    return (round(float(min(event, end)), 2), bool(event <= end))


def annual_hazard(gland_fraction: float, texture_asymmetry: float, age_years: float) -> float:
    """Cancers a year of a phantom woman; the level is far above real life, so that small sets have events."""
    return float(0.02 * np.exp(2.5 * gland_fraction + 3.5 * texture_asymmetry + 0.015 * (age_years - 55)))


def _as_view(name, pixels, look, woman, rows) -> View:
    return View(
        name,
        np.ascontiguousarray(pixels),
        file="phantom",
        spacing=Spacing(FIELD_MM[0] / rows, FIELD_MM[0] / rows, SpacingKind.DETECTOR),
        bits=12,
        chest_wall_left=name.laterality is Laterality.LEFT,
        sources={
            "laterality": Sourced(name.laterality.value, "phantom"),
            "projection": Sourced(name.projection.value, "phantom"),
        },
        acquisition=Acquisition(
            manufacturer=look.manufacturer,
            model="Phantom",
            date="20260101",
            thickness_mm=round(woman.thickness_mm, 1),
            age_years=woman.age_years,
        ),
    )
