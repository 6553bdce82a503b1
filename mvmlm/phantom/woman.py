"""The woman of a phantom exam: her age and the measures of her breasts, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..exam import Laterality, Projection

#: share of gland in the breast by density letter, from and to
DENSITY_RANGES = {"A": (0.02, 0.08), "B": (0.11, 0.22), "C": (0.26, 0.40), "D": (0.46, 0.68)}
MEAN_AGE_YEARS = {"A": 64, "B": 59, "C": 53, "D": 48}  # dense breasts are younger on average


@dataclass(frozen=True)
class Woman:
    """What both breasts share.

    gland_fraction: 0..1 of the volume, before texture_asymmetry moves it apart. texture_asymmetry: 0..1, how far amount
    and coarseness of the gland differ between the breasts; `fuller` is the breast with more.
    depth_mm: chest wall to nipple; half_width_mm: middle to edge; thickness_mm: of the compressed breast.
    texture_exponent: of the power law of the gland's texture. network, lobules: how strongly ligaments and fat lobules
    structure the tissue. retromammary: how much fat lies before the chest wall. strands: 0..1, how far the gland is
    drawn out towards the nipple. holes: 0..1, how much of it the fat between its lobes replaces. crisp: 0..1, how
    sharply it ends.
    droop: of the outline in the MLO. pointed, rounded, lateral: shape of the outline, (1 - |v| ** pointed) ** rounded,
    with the lateral half of a CC wider by `lateral`. nipple_mm: its height. skin_mm: its thickness.
    pectoral: width and height of the muscle in the MLO, mm. nodes: number of lymph nodes in the axilla.
    """

    age_years: int
    gland_fraction: float
    depth_mm: float
    half_width_mm: float
    thickness_mm: float
    texture_exponent: float
    texture_asymmetry: float
    fuller: Laterality
    network: float
    lobules: float
    retromammary: float
    droop: float
    pectoral: tuple[float, float]
    nipple_mm: float
    nodes: int
    strands: float
    holes: float
    crisp: float
    pointed: float
    rounded: float
    lateral: float
    skin_mm: float

    @classmethod
    def draw(cls, rng: np.random.Generator, density: str) -> Woman:
        """Return a random woman of a density letter A to D."""
        low, high = DENSITY_RANGES[density]
        size = rng.uniform(0.75, 1.3)
        age = MEAN_AGE_YEARS[density] + rng.normal(0, 8)
        return cls(
            age_years=int(np.clip(round(age), 38, 85)),
            gland_fraction=float(np.clip(rng.uniform(low, high) + rng.normal(0, 0.008), 0.01, 0.85)),
            depth_mm=float(size * rng.uniform(68, 105)),
            half_width_mm=float(size * rng.uniform(66, 88)),
            thickness_mm=float(rng.uniform(32, 72)),
            texture_exponent=float(rng.uniform(2.5, 3.2)),
            texture_asymmetry=float(rng.beta(1.2, 3)),
            fuller=Laterality.RIGHT if rng.random() < 0.5 else Laterality.LEFT,
            network=float(np.exp(rng.uniform(np.log(1.5), np.log(14.0)))),
            lobules=float(rng.uniform(0.08, 0.26)),
            retromammary=float(rng.uniform(0.0, 1.6)),
            droop=float(rng.uniform(0.0, 0.35)),
            pectoral=(float(rng.uniform(18, 60)), float(rng.uniform(60, 150))),
            nipple_mm=float(rng.uniform(0, 6)),
            nodes=int(rng.choice([0, 0, 1, 2, 3])),
            strands=float(rng.uniform(0.1, 0.8)),
            holes=float(rng.uniform(0.0, 0.75)),
            crisp=float(rng.uniform(0.0, 0.7)),
            pointed=float(rng.uniform(1.45, 2.4)),
            rounded=float(rng.uniform(0.42, 0.75)),
            lateral=float(rng.uniform(0.85, 1.2)),
            skin_mm=float(rng.uniform(0.8, 2.6)),
        )

    def edge_mm(self, projection: Projection, v: np.ndarray | np.float64) -> np.ndarray:
        """Return how far the breast reaches from the chest wall at heights `v` (mm, any shape), without its nipple."""
        if projection is Projection.CC:
            share = np.where(v > 0, v / self.lateral, v * self.lateral) / self.half_width_mm
            return self.depth_mm * np.clip(1 - np.abs(share) ** self.pointed, 0, None) ** self.rounded
        share = np.where(v < 0, v / (0.98 * self.half_width_mm), v / (1.9 * self.half_width_mm))
        up = np.clip(share, 0, 1)
        share = share - 0.35 * self.droop * np.sqrt(up) * (1 - up)
        edge = self.depth_mm * np.clip(1 - np.abs(share) ** (self.pointed + 0.3 * (v < 0)), 0, None) ** self.rounded
        return np.where(v > 0, np.maximum(edge, self.pectoral[0] * 1.1 + 8 - 0.1 * v), edge)
