"""A woman of a phantom exam: her age and the measures of her breasts, drawn at random."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..exam import Laterality, Projection


@dataclass(frozen=True)
class Woman:
    """What both breasts share.

    texture_asymmetry 0..1 moves the amount and the coarseness of the gland apart in the two breasts, up on `fuller`,
    down on the other side. network and lobules: how strongly ligaments and fat lobules structure the tissue; strands: how
    far the gland is drawn out towards the nipple; holes: how much of it the fat between its lobes takes; crisp: how sharply
    it ends. pointed, rounded and lateral shape the outline: (1 - |v| ** pointed) ** rounded, wider or narrower outside.
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
    def draw(cls, rng, density):
        low, high = DENSITY_RANGES[density]
        size = rng.uniform(0.75, 1.3)
        age = {"A": 64, "B": 59, "C": 53, "D": 48}[density] + rng.normal(0, 8)  # dense breasts are younger on average
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

    def edge_mm(self, projection: Projection, v: np.ndarray) -> np.ndarray:
        """How far the breast reaches from the chest wall at height v (mm), without its nipple."""
        if projection is Projection.CC:
            share = np.where(v > 0, v / self.lateral, v * self.lateral) / self.half_width_mm
            return self.depth_mm * np.clip(1 - np.abs(share) ** self.pointed, 0, None) ** self.rounded
        share = np.where(v < 0, v / (0.98 * self.half_width_mm), v / (1.9 * self.half_width_mm))
        up = np.clip(share, 0, 1)
        share = share - 0.35 * self.droop * np.sqrt(up) * (1 - up)
        edge = self.depth_mm * np.clip(1 - np.abs(share) ** (self.pointed + 0.3 * (v < 0)), 0, None) ** self.rounded
        return np.where(v > 0, np.maximum(edge, self.pectoral[0] * 1.1 + 8 - 0.1 * v), edge)


DENSITY_RANGES = {"A": (0.02, 0.08), "B": (0.11, 0.22), "C": (0.26, 0.40), "D": (0.46, 0.68)}
