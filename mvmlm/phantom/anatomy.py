"""The inside of a breast: glandular volume, ligaments, pectoral muscle, and their projections."""

from __future__ import annotations

import cv2
import numpy as np

from ..exam import Laterality, Projection
from .canvas import Canvas, add_polyline
from .woman import Woman

VOXELS = (64, 96, 96)  # x, y, z of the glandular volume
SKIN_CLEARANCE_MM = 7.0


def point_in_breast(rng: np.random.Generator, woman: Woman) -> tuple[float, float, float]:
    """Return a random point (x, y, z) in mm, at least SKIN_CLEARANCE_MM from the skin in both projections."""
    while True:
        direction = rng.normal(size=3)
        direction /= np.linalg.norm(direction)
        radius = 0.68 * rng.random() ** (1 / 2.2)
        x, y, z = radius * direction
        x, y, z = (
            float((0.12 + 0.78 * abs(x)) * woman.depth_mm),
            float(y * woman.half_width_mm),
            float(z * woman.half_width_mm),
        )
        edges = (
            woman.edge_mm(Projection.CC, np.float64(y)),
            woman.edge_mm(Projection.MLO, np.float64((y + z) / np.sqrt(2))),
        )
        if x < min(edges) - SKIN_CLEARANCE_MM or x < 0.2 * woman.depth_mm:
            return (x, y, z)


def quadrant_of(position: tuple[float, float, float]) -> str:
    """Return the quadrant of a point (x, y, z) in mm, "upper outer" for one, as in `report.lexicon`."""
    _, y, z = position
    return f"{'upper' if z >= 0 else 'lower'} {'outer' if y >= 0 else 'inner'}"


def glandular_volume(rng: np.random.Generator, woman: Woman, laterality: Laterality) -> np.ndarray:
    """Return the fibroglandular fraction 0..1 of one breast, VOXELS of float32 over (x, y, z), zero outside."""
    x, y, z = _grid()
    inside = _ellipsoid()
    apart = woman.texture_asymmetry * (1 if laterality is woman.fuller else -1)
    exponent = woman.texture_exponent + 0.6 * apart
    noise = power_law_noise(rng, VOXELS, exponent / 2 + 0.25)
    axis = np.hypot(y - 0.12, z - 0.08)
    cone = 1.1 - 1.9 * axis / (1.25 - 0.75 * x) - 0.5 * np.abs(x - 0.5)
    subcutaneous = 2.4 * np.clip((x**2 + y**2 + z**2 - 0.6) / 0.4, 0, 1) ** 1.5
    retromammary = woman.retromammary * np.exp(-((x / 0.16) ** 2))
    field_ = 1.35 * noise + cone + 0.35 * (y + z) - subcutaneous - retromammary
    fraction = np.clip(woman.gland_fraction * (1 + 0.45 * apart), 0.01, 0.85)
    threshold = np.quantile(field_[inside], 1 - fraction)
    gland = _step(6 * (field_ - threshold))
    return np.where(inside, gland, 0).astype(np.float32)


def _grid() -> list[np.ndarray]:
    """x 0..1, y and z -1..1 of each voxel, to be broadcast."""
    axes = [np.linspace(lo, 1, n, dtype=np.float32) for lo, n in zip((0, -1, -1), VOXELS, strict=True)]
    return list(np.meshgrid(*axes, indexing="ij", sparse=True))


def _ellipsoid() -> np.ndarray:
    """VOXELS of bool, True inside the breast."""
    x, y, z = _grid()
    return x**2 + y**2 + z**2 < 1


def power_law_noise(rng: np.random.Generator, shape: tuple[int, ...], amplitude_exponent: float) -> np.ndarray:
    """Return float32 Gaussian noise of unit variance whose amplitude falls as frequency ** -amplitude_exponent.

    The power spectrum of mammograms falls with an exponent near 3 (Burgess et al., Med. Phys. 28:419, 2001).
    """
    frequency = np.sqrt(
        sum(f.astype(np.float32) ** 2 for f in np.meshgrid(
            *[np.fft.fftfreq(n) for n in shape[:-1]], np.fft.rfftfreq(shape[-1]), indexing="ij", sparse=True))
    )  # fmt: skip
    frequency.flat[0] = np.inf
    spectrum = np.fft.rfftn(rng.standard_normal(shape, dtype=np.float32)) * frequency ** -float(amplitude_exponent)
    noise = np.fft.irfftn(spectrum, shape, axes=range(len(shape))).astype(np.float32)
    return (noise - noise.mean()) / noise.std()


def depth_from_skin(outline: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return (rows, columns) mm to the skin; the chest wall is no skin, so the outline is mirrored there first."""
    doubled = np.concatenate([outline[:, ::-1], outline], axis=1).astype(np.uint8)
    framed = cv2.copyMakeBorder(doubled, 1, 1, 0, 0, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(framed, cv2.DIST_L2, 5) * canvas.mm
    return distance[1:-1, outline.shape[1] :]


def gland_in_view(rng: np.random.Generator, volume: np.ndarray, canvas: Canvas) -> np.ndarray:
    """Return (rows, columns) 0..1, the share of gland along the beam. volume: of `glandular_volume`."""
    woman = canvas.woman
    if canvas.projection is Projection.MLO:
        turn = cv2.getRotationMatrix2D(((VOXELS[2] - 1) / 2, (VOXELS[1] - 1) / 2), 45, 1)
        size = (VOXELS[2], VOXELS[1])
        volume = np.stack([cv2.warpAffine(plane, turn, size) for plane in volume])
    inside = _ellipsoid().sum(axis=2).astype(np.float32)
    fraction = volume.sum(axis=2) / np.maximum(inside, 6)  # (x, v)
    tail = 1.5 if canvas.projection is Projection.MLO else 1.0  # the gland runs out towards the armpit
    height = np.clip(
        canvas.v / (woman.half_width_mm * np.where(canvas.v > 0, np.float32(tail), np.float32(1.0))), -1, 1
    )
    pulled_mm, streaks = _ducts(rng, canvas)
    # the skin of the volume is mapped to the outline
    reach = np.maximum(woman.edge_mm(canvas.projection, canvas.v[:, :1]), 1.0).astype(np.float32)
    map_x = (
        np.clip((canvas.x + pulled_mm) / reach, 0, 1) * np.sqrt(np.clip(1 - 0.8 * height**2, 0, 1)) * (VOXELS[0] - 1)
    )
    map_v = (height + 1) / 2 * (VOXELS[1] - 1)
    gland = np.clip(cv2.remap(fraction, map_v.astype(np.float32), map_x.astype(np.float32), cv2.INTER_CUBIC), 0, 1)
    middle = 0.5 * float(np.quantile(gland[canvas.x < 0.8 * reach], 0.97)) if gland.any() else 0.5
    sharp = 2 * middle * _step((gland - middle) / max(0.16 * middle, 1e-3))
    gland = (1 - 0.8 * woman.crisp) * gland + 0.8 * woman.crisp * sharp
    holes = _smooth_noise(rng, canvas, rng.uniform(4, 9))
    gland *= 1 - woman.holes * _step(3.0 * (holes - 0.6))
    return np.clip(gland * np.exp(0.24 * woman.strands * streaks - 0.03 * woman.strands), 0, 1)


def _ducts(rng: np.random.Generator, canvas: Canvas) -> tuple[np.ndarray, np.ndarray]:
    """How far the gland's edge is pulled along the ducts in mm, and its streaks (unit variance); both (rows, columns).

    Noise on rays from behind the nipple, long along them and narrow across, so that strands run together at the nipple.
    """
    woman = canvas.woman
    ahead = 1.25 * woman.depth_mm
    dx, dv = (
        canvas.x - ahead + 4.0 * _smooth_noise(rng, canvas, 18.0),
        canvas.v + 6.0 * _smooth_noise(rng, canvas, 22.0),
    )
    radius, angle = np.hypot(dx, dv), np.arctan2(dv, -dx)
    size = (256, 48)  # angles, radii
    noise: np.ndarray = cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), sigmaX=2.2, sigmaY=0.9)
    noise += 1.4 * cv2.GaussianBlur(rng.standard_normal(size, dtype=np.float32), (0, 0), sigmaX=4.5, sigmaY=2.6) * 2
    noise = (noise - noise.mean()) / noise.std()
    column = np.clip(radius / (2.2 * woman.depth_mm), 0, 1) * (size[1] - 1)
    row = (np.clip(angle / (0.55 * np.pi), -1, 1) + 1) / 2 * (size[0] - 1)
    rays = cv2.remap(noise, column.astype(np.float32), row.astype(np.float32), cv2.INTER_CUBIC)
    rays *= np.clip((radius - 0.3 * woman.depth_mm) / (0.3 * woman.depth_mm), 0, 1)  # they would pinch where they meet
    return woman.strands * 6.0 * rays + 2.5 * _smooth_noise(rng, canvas, 7.0) + 4.0 * _smooth_noise(
        rng, canvas, 20.0
    ), rays


def _step(value: np.ndarray) -> np.ndarray:
    """A soft step from 0 to 1."""
    return 1 / (1 + np.exp(-np.clip(value, -30, 30, dtype=np.float32)))


def _smooth_noise(rng: np.random.Generator, canvas: Canvas, scale_mm: float) -> np.ndarray:
    """(rows, columns) noise of unit variance with structures of about scale_mm, drawn coarse and enlarged."""
    step = max(1, int(scale_mm / canvas.mm / 5))
    small = [n // step + 2 for n in canvas.shape]
    noise = cv2.GaussianBlur(rng.standard_normal(small, dtype=np.float32), (0, 0), scale_mm / canvas.mm / step / 2)
    size = (canvas.shape[1] + 2 * step, canvas.shape[0] + 2 * step)
    return cv2.resize(noise / noise.std(), size, interpolation=cv2.INTER_CUBIC)[: canvas.shape[0], : canvas.shape[1]]


def tissue_network(rng: np.random.Generator, canvas: Canvas) -> np.ndarray:
    """Return (rows, columns) 0..1: the reticular pattern of ligament sheets seen edge on, at three scales."""
    total = np.zeros(canvas.shape, np.float32)
    warp = 2.0 * _smooth_noise(rng, canvas, 12.0)
    for scale_mm, share, width in ((2.5, 0.25, 0.16), (5.0, 0.4, 0.10), (12.0, 0.35, 0.05)):
        total += share * np.exp(-np.abs(_smooth_noise(rng, canvas, scale_mm) + 0.1 * warp) / width)
    return np.clip(total, 0, 1)


def ligaments(rng: np.random.Generator, canvas: Canvas, outline: np.ndarray) -> np.ndarray:
    """Return (rows, columns) mm of gland: Cooper's ligaments, ducts and vessels as thin curved strands.

    outline: (rows, columns) bool, True inside the breast.
    """
    strands = np.zeros(canvas.shape, np.float32)
    woman = canvas.woman
    for _ in range(rng.integers(40, 140)):
        kind = rng.random()
        start = np.array([rng.uniform(0, woman.depth_mm), rng.uniform(-1, 1) * woman.half_width_mm])
        heading = rng.uniform(0, 2 * np.pi)
        if kind < 0.65:  # duct or ligament: runs to the nipple, or away from it to the skin
            heading = np.arctan2(-start[1], woman.depth_mm - start[0]) + rng.normal(0, 0.35)
        length = rng.uniform(8, 30) if kind < 0.9 else rng.uniform(40, 110)
        bend = rng.normal(0, 0.025)
        steps = np.arange(0, length, 2.0)
        angle = heading + bend * steps + np.cumsum(rng.normal(0, 0.06, len(steps)))
        points = start + 2.0 * np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), axis=0)
        width_mm = rng.uniform(0.3, 1.0) if kind < 0.9 else rng.uniform(0.8, 2.0)
        add_polyline(strands, points, canvas, width_mm, rng.uniform(0.5, 2.8))
    return strands * outline


def pectoral_mm(rng: np.random.Generator, canvas: Canvas, thickness_mm: np.ndarray) -> np.ndarray:
    """Return (rows, columns) mm of gland: the pectoral muscle and lymph nodes in the axilla of an MLO.

    thickness_mm: (rows, columns) of the compressed breast. The muscle's edge is straight to convex, sharp to soft.
    """
    width, height = canvas.woman.pectoral
    down = canvas.middle - canvas.v
    edge = width * np.clip(1 - (down / height), 0, None) ** rng.uniform(0.5, 1.25) + rng.uniform(
        0, 1.5
    ) * _smooth_noise(rng, canvas, 25.0)
    inside = _step((edge - canvas.x) / rng.uniform(0.6, 3.0))
    fibres = power_law_noise(rng, (canvas.shape[0] // 4 + 1, canvas.shape[1] // 4 + 1), 1.2)
    tilt = np.array([[1, 0.5, 0], [0, 3.0, 0]], np.float32)  # stretched along the muscle
    fibres = cv2.warpAffine(fibres, tilt, canvas.shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    ends = _step((0.92 * height - down) / rng.uniform(2, 9))
    share = rng.uniform(0.2, 0.7) * np.clip(1 + 0.12 * fibres, 0.5, 1.4)
    muscle = (inside * ends * (share * thickness_mm)).astype(np.float32)
    for _ in range(canvas.woman.nodes):  # axillary lymph nodes with a fatty hilum
        node = canvas.distance_mm((rng.uniform(5, 0.9 * width + 6) / canvas.mm, rng.uniform(4, 35) / canvas.mm))
        radius = rng.uniform(3, 9)
        muscle += rng.uniform(5, 14) * (
            np.clip(1 - (node / radius) ** 2, 0, 1)
            - rng.uniform(0, 1) * np.clip(1 - (node / (0.45 * radius)) ** 2, 0, 1)
        )
    return muscle
