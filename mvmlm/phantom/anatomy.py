"""The woman and her breast: glandular volume, ligaments, pectoral muscle, and their projections."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..exam import Laterality, Projection
from .canvas import polyline

VOXELS = (64, 96, 96)  # x, y, z of the glandular volume
DENSITY_RANGES = {"A": (0.02, 0.08), "B": (0.11, 0.22), "C": (0.26, 0.40), "D": (0.46, 0.68)}


@dataclass(frozen=True)
class Woman:
    """What both breasts share.

    texture_asymmetry 0..1 moves the amount and the coarseness of the gland apart in the two breasts, up on `fuller`,
    down on the other side. network and lobules: how strongly ligaments and fat lobules structure the tissue.
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
            network=float(rng.uniform(2.0, 7.0)),
            lobules=float(rng.uniform(0.08, 0.26)),
            retromammary=float(rng.uniform(0.0, 1.6)),
            droop=float(rng.uniform(0.0, 0.35)),
            pectoral=(float(rng.uniform(18, 60)), float(rng.uniform(60, 150))),
            nipple_mm=float(rng.uniform(0, 6)),
            nodes=int(rng.choice([0, 0, 1, 2, 3])),
        )


def inside_breast(rng, woman) -> tuple[float, float, float]:
    """A point in the half-ellipsoid, away from its skin, seen by both projections."""
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    radius = 0.68 * rng.random() ** (1 / 2.2)
    x, y, z = radius * direction
    x = 0.12 + 0.78 * abs(x)
    return (float(x * woman.depth_mm), float(y * woman.half_width_mm), float(z * woman.half_width_mm))


def quadrant_of(place) -> str:
    _, y, z = place
    return f"{'upper' if z >= 0 else 'lower'} {'outer' if y >= 0 else 'inner'}"


def glandular_volume(rng, woman, breast) -> np.ndarray:
    """(x, y, z) fibroglandular fraction 0..1 in the breast, NaN-free, zero outside."""
    x, y, z = _grid()
    inside = _ellipsoid()
    apart = woman.texture_asymmetry * (1 if breast.laterality is woman.fuller else -1)
    exponent = woman.texture_exponent + 0.6 * apart
    noise = power_law_noise(rng, VOXELS, exponent / 2 + 0.25)
    axis = np.hypot(y - 0.12, z - 0.08)
    cone = 1.1 - 1.9 * axis / (1.25 - 0.75 * x) - 0.5 * np.abs(x - 0.5)
    subcutaneous = 2.4 * np.clip((x**2 + y**2 + z**2 - 0.6) / 0.4, 0, 1) ** 1.5
    retromammary = woman.retromammary * np.exp(-((x / 0.16) ** 2))
    field_ = 1.35 * noise + cone + 0.35 * (y + z) - subcutaneous - retromammary
    wanted = np.clip(woman.gland_fraction * (1 + 0.45 * apart), 0.01, 0.85)
    threshold = np.quantile(field_[inside], 1 - wanted)
    gland = 1 / (1 + np.exp(-6 * (field_ - threshold)))
    return np.where(inside, gland, 0).astype(np.float32)


def _grid():
    axes = [np.linspace(lo, 1, n, dtype=np.float32) for lo, n in zip((0, -1, -1), VOXELS, strict=True)]
    return np.meshgrid(*axes, indexing="ij", sparse=True)


def _ellipsoid():
    x, y, z = _grid()
    return x**2 + y**2 + z**2 < 1


def power_law_noise(rng, shape, amplitude_exponent) -> np.ndarray:
    """Gaussian noise, unit variance, whose amplitude falls as frequency ** -amplitude_exponent."""
    frequency = np.sqrt(
        sum(f.astype(np.float32) ** 2 for f in np.meshgrid(
            *[np.fft.fftfreq(n) for n in shape[:-1]], np.fft.rfftfreq(shape[-1]), indexing="ij", sparse=True))
    )  # fmt: skip
    frequency.flat[0] = np.inf
    spectrum = np.fft.rfftn(rng.standard_normal(shape, dtype=np.float32)) * frequency ** -float(amplitude_exponent)
    noise = np.fft.irfftn(spectrum, shape, axes=range(len(shape))).astype(np.float32)
    return (noise - noise.mean()) / noise.std()


def depth_from_skin(outline, canvas):
    """Distance to the skin in mm, the chest wall side left out: the picture is mirrored there first."""
    doubled = np.concatenate([outline[:, ::-1], outline], axis=1).astype(np.uint8)
    doubled = cv2.copyMakeBorder(doubled, 1, 1, 0, 0, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(doubled, cv2.DIST_L2, 5) * canvas.mm
    return distance[1:-1, outline.shape[1] :]


def gland_in_view(volume, canvas, woman) -> np.ndarray:
    if canvas.projection is Projection.MLO:
        turn = cv2.getRotationMatrix2D(((VOXELS[2] - 1) / 2, (VOXELS[1] - 1) / 2), 45, 1)
        size = (VOXELS[2], VOXELS[1])
        volume = np.stack([cv2.warpAffine(plane, turn, size) for plane in volume])
    inside = _ellipsoid().sum(axis=2).astype(np.float32)
    fraction = volume.sum(axis=2) / np.maximum(inside, 6)  # (x, v)
    map_x = np.clip(canvas.x / woman.depth_mm, 0, 1) * (VOXELS[0] - 1)
    map_v = (np.clip(canvas.v / woman.half_width_mm, -1, 1) + 1) / 2 * (VOXELS[1] - 1)
    return cv2.remap(fraction, map_v.astype(np.float32), map_x.astype(np.float32), cv2.INTER_CUBIC)


def tissue_network(rng, canvas) -> np.ndarray:
    """(rows, columns) 0..1: the reticular pattern of ligament sheets seen edge on, at three scales."""
    total = np.zeros(canvas.shape, np.float32)
    for scale_mm, share in ((2.5, 0.3), (5.0, 0.4), (11.0, 0.3)):
        step = max(1, int(scale_mm / canvas.mm / 5))  # drawn coarse and enlarged: it has no finer detail than scale / 5
        small = [n // step + 2 for n in canvas.shape]
        noise = cv2.GaussianBlur(rng.standard_normal(small, dtype=np.float32), (0, 0), scale_mm / canvas.mm / step / 2)
        ridge = np.exp(-np.abs(noise) / (0.16 * noise.std()))
        size = (canvas.shape[1] + 2 * step, canvas.shape[0] + 2 * step)
        total += share * cv2.resize(ridge, size, interpolation=cv2.INTER_CUBIC)[: canvas.shape[0], : canvas.shape[1]]
    return np.clip(total, 0, 1)


def ligaments(rng, canvas, outline) -> np.ndarray:
    """Cooper's ligaments, ducts and vessels: thin curved strands, as mm of gland. (rows, columns)"""
    strands = np.zeros(canvas.shape, np.float32)
    woman = canvas.woman
    for _ in range(rng.integers(25, 90)):
        kind = rng.random()
        start = np.array([rng.uniform(0, woman.depth_mm), rng.uniform(-1, 1) * woman.half_width_mm])
        heading = rng.uniform(0, 2 * np.pi)
        if kind < 0.25:  # duct: runs to the nipple
            heading = np.arctan2(-start[1], woman.depth_mm - start[0])
        length = rng.uniform(8, 30) if kind < 0.85 else rng.uniform(40, 90)
        bend = rng.normal(0, 0.02)
        steps = np.arange(0, length, 2.0)
        angle = heading + bend * steps
        points = start + 2.0 * np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), axis=0)
        width_mm = rng.uniform(0.3, 1.0) if kind < 0.85 else rng.uniform(0.8, 2.0)
        polyline(strands, points, canvas, width_mm, rng.uniform(0.6, 2.4))
    return strands * outline


def pectoral_mm(rng, canvas, thickness) -> np.ndarray:
    width, height = canvas.woman.pectoral
    top = canvas.middle
    down = top - canvas.v
    edge = width * np.clip(1 - (down / height), 0, None) ** rng.uniform(0.7, 1.0)
    inside = np.clip((edge - canvas.x) / 2.4 + 0.5, 0, 1)
    fibres = power_law_noise(rng, (canvas.shape[0] // 4 + 1, canvas.shape[1] // 4 + 1), 1.2)
    tilt = np.float32([[1, 0.5, 0], [0, 3.0, 0]])  # drawn out along the muscle
    fibres = cv2.warpAffine(fibres, tilt, canvas.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    share = rng.uniform(0.35, 0.75) * np.clip(1 + 0.12 * fibres, 0.5, 1.4)
    muscle = (inside * (down < height) * (share * thickness)).astype(np.float32)
    for _ in range(canvas.woman.nodes):  # axillary lymph nodes, fatty hilum and all
        node = canvas.distance_mm((rng.uniform(5, 0.9 * width + 6) / canvas.mm, rng.uniform(4, 35) / canvas.mm))
        radius = rng.uniform(3, 8)
        muscle += 7 * (np.clip(1 - (node / radius) ** 2, 0, 1) - np.clip(1 - (node / (0.45 * radius)) ** 2, 0, 1))
    return muscle


def with_distortion(rng, gland, breast, canvas) -> np.ndarray:
    """Tissue pulled towards the centre of each distortion."""
    for lesion in breast.lesions:
        if lesion.kind != "distortion":
            continue
        column, row = canvas.place(lesion.position)
        columns, rows = np.meshgrid(np.arange(gland.shape[1]), np.arange(gland.shape[0]))
        dx, dy = (columns - column).astype(np.float32), (rows - row).astype(np.float32)
        distance = np.hypot(dx, dy) * canvas.mm
        pull = 1 + 0.9 * np.exp(-((distance / (1.2 * lesion.radius_mm)) ** 2))
        sources = (np.float32(column) + dx * pull, np.float32(row) + dy * pull)
        gland = cv2.remap(gland.astype(np.float32), *sources, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return gland
