"""Four-view phantom exams with known truth.

A breast is a 3-D volume of fibroglandular fraction plus lesions at 3-D positions; both of its views are projections of
that one breast (CC along the cranio-caudal axis, MLO at 45 degrees), attenuated by Beer-Lambert with scatter, noise and
blur, then processed as a vendor would. Phantoms teach the road, not medicine: see assets/MODEL_CARD.md.

Breast coordinates in mm: x from the chest wall to the nipple, y to lateral, z to cranial; an MLO shows (y + z) / sqrt 2
on its vertical axis. Images are drawn with the chest wall on the left and lateral (CC) or cranial (MLO) up; a right
breast is mirrored when it is written.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from .exam import Acquisition, Exam, Laterality, Projection, Spacing, SpacingKind, Told, View, ViewName
from .report import (
    CALCIFICATION_MORPHOLOGIES,
    MASS_MARGINS,
    MASS_SHAPES,
    Asymmetry,
    Calcification,
    Distortion,
    Findings,
    Mass,
)

FIELD_MM = (256.0, 208.0)  # what the detector covers, rows and columns
VOXELS = (64, 96, 96)  # x, y, z of the glandular volume
MU_FAT, MU_GLAND, MU_CALCIUM = 0.045, 0.080, 0.9  # attenuation per mm, near 20 keV
DENSITY_RANGES = {"A": (0.02, 0.08), "B": (0.11, 0.22), "C": (0.26, 0.40), "D": (0.46, 0.68)}


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
    masks: Mapping[tuple[ViewName, str], np.ndarray] = field(default_factory=dict)


def phantom_exams(n: int, seed: int, rows: int = 1024) -> Iterator[PhantomExam]:
    """`n` exams; the same seed and rows give the same exams, and exam i does not depend on n."""
    for index in range(n):
        yield phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), rows)


def phantom_exam(name: str, rng: np.random.Generator, rows: int = 1024) -> PhantomExam:
    """One exam at `rows` x `rows * 13/16` pixels over a field of 256 x 208 mm."""
    density = "ABCD"[rng.choice(4, p=[0.15, 0.35, 0.35, 0.15])]
    woman = _Woman.draw(rng, density)
    look = _Look.draw(rng)
    breasts, views, masks = {}, {}, {}
    for laterality in Laterality:
        breast = _draw_breast(rng, laterality, density, woman)
        breasts[laterality] = breast
        volume = _glandular_volume(rng, woman, breast)
        for projection in (Projection.CC, Projection.MLO):
            view_name = ViewName(laterality, projection)
            pixels, view_masks = _project(rng, woman, look, breast, volume, projection, rows)
            mirrored = laterality is Laterality.RIGHT
            views[view_name] = _as_view(view_name, pixels[:, ::-1] if mirrored else pixels, look, woman, rows)
            for kind, mask in view_masks.items():
                masks[view_name, kind] = mask[:, ::-1].copy() if mirrored else mask
    cancer_now = any(breast.malignant for breast in breasts.values())
    risk_years, cancer = (0.0, True) if cancer_now else _follow_up(rng, woman)
    return PhantomExam(name, Exam(views), breasts, density, risk_years, cancer, masks)


@dataclass(frozen=True)
class _Woman:
    """What both breasts share."""

    gland_fraction: float
    depth_mm: float
    half_width_mm: float
    thickness_mm: float
    texture_exponent: float
    texture_asymmetry: float
    droop: float
    pectoral: tuple[float, float]
    nipple_mm: float
    nodes: int

    @classmethod
    def draw(cls, rng, density):
        low, high = DENSITY_RANGES[density]
        size = rng.uniform(0.75, 1.3)
        return cls(
            gland_fraction=float(np.clip(rng.uniform(low, high) + rng.normal(0, 0.008), 0.01, 0.85)),
            depth_mm=float(size * rng.uniform(68, 105)),
            half_width_mm=float(size * rng.uniform(66, 88)),
            thickness_mm=float(rng.uniform(32, 72)),
            texture_exponent=float(rng.uniform(2.5, 3.2)),
            texture_asymmetry=float(rng.beta(1.2, 4)),
            droop=float(rng.uniform(0.0, 0.35)),
            pectoral=(float(rng.uniform(18, 60)), float(rng.uniform(60, 150))),
            nipple_mm=float(rng.uniform(0, 6)),
            nodes=int(rng.choice([0, 0, 1, 2, 3])),
        )


@dataclass(frozen=True)
class _Look:
    """How the machine renders: everything that differs between scanners."""

    manufacturer: str
    quanta_per_mm2: float
    scatter: float
    blur_mm: float
    equalisation: float
    gamma: float
    unsharp: float
    black: float
    marker: int
    edge: int

    @classmethod
    def draw(cls, rng):
        return cls(
            manufacturer=str(rng.choice(["Phantom Imaging A", "Phantom Imaging B", "Phantom Imaging C"])),
            quanta_per_mm2=float(np.exp(rng.uniform(np.log(2e4), np.log(2e5)))),
            scatter=float(rng.uniform(0.05, 0.4)),
            blur_mm=float(rng.uniform(0.05, 0.25)),
            equalisation=float(rng.uniform(0.55, 0.98)),
            gamma=float(np.exp(rng.uniform(np.log(0.7), np.log(1.6)))),
            unsharp=float(rng.uniform(0.0, 0.9)),
            black=float(rng.choice([0.0, 0.0, rng.uniform(0.0, 0.08)])),
            marker=int(rng.integers(0, 4)),
            edge=int(rng.choice([0, 0, 0, 1, 2])),
        )


# ------------------------------------------------------------------ what is in the breast


def _draw_breast(rng, laterality, density, woman) -> PhantomBreast:
    lesions, findings, suspicion = [], {}, [0.004]
    position = lambda: _inside_breast(rng, woman)  # noqa: E731
    benign_only = True
    if rng.random() < 0.27:
        place = position()
        shape, margin = _mass_descriptors(rng)
        radius = float(np.exp(rng.uniform(np.log(3.5), np.log(14.0))))
        lesions.append(Lesion("mass", place, radius))
        findings["mass"] = Mass(shape, margin, round(2 * radius), _quadrant(place))
        risk = {"circumscribed": 0.03, "obscured": 0.15, "microlobulated": 0.5, "indistinct": 0.6, "spiculated": 0.93}
        suspicion.append(min(0.98, risk[margin] * (1.3 if shape == "irregular" else 1.0)))
    if rng.random() < 0.27:
        place = position()
        morphology = str(rng.choice(CALCIFICATION_MORPHOLOGIES))
        distribution = str(
            rng.choice(["grouped", "linear", "segmental", "regional", "diffuse"], p=[0.55, 0.13, 0.12, 0.12, 0.08])
        )
        spread = {"grouped": (3, 9), "linear": (7, 16), "segmental": (10, 22), "regional": (14, 26), "diffuse": (25, 45)}
        lesions.append(Lesion("calcification", place, float(rng.uniform(*spread[distribution]))))
        findings["calcification"] = Calcification(
            morphology, distribution, None if distribution == "diffuse" else _quadrant(place)
        )
        risk = {"fine linear branching": 0.85, "fine pleomorphic": 0.55, "amorphous": 0.25, "coarse heterogeneous": 0.15}
        factor = {"linear": 1.3, "segmental": 1.3, "diffuse": 0.3, "regional": 0.7}.get(distribution, 1.0)
        suspicion.append(min(0.95, risk.get(morphology, 0.01) * factor))
    if rng.random() < 0.12:
        place = position()
        kind = str(rng.choice(["asymmetry", "focal asymmetry", "global asymmetry"], p=[0.3, 0.5, 0.2]))
        lesions.append(Lesion("asymmetry", place, float(rng.uniform(26, 36) if kind[0] == "g" else rng.uniform(9, 20))))
        findings["asymmetry"] = Asymmetry(kind, None if kind[0] == "g" else _quadrant(place))
        suspicion.append(0.12)
    if rng.random() < 0.12:
        place = position()
        lesions.append(Lesion("distortion", place, float(rng.uniform(10, 20))))
        findings["distortion"] = Distortion(_quadrant(place))
        suspicion.append(0.6)
        benign_only = False
    chance = 1 - np.prod([1 - p for p in suspicion])
    malignant = bool(rng.random() < chance)
    impression = chance + rng.normal(0, 0.05)
    if not lesions:
        birads = 1
    elif impression < 0.1 and benign_only:
        birads = 2
    else:
        birads = 3 if impression < 0.2 else 4 if impression < 0.7 else 5
    return PhantomBreast(laterality, Findings(density, birads=birads, **findings), malignant, tuple(lesions))


def _mass_descriptors(rng) -> tuple[str, str]:
    shape = str(rng.choice(MASS_SHAPES, p=[0.25, 0.4, 0.35]))
    odds = [0.08, 0.12, 0.2, 0.25, 0.35] if shape == "irregular" else [0.45, 0.2, 0.13, 0.13, 0.09]
    return shape, str(rng.choice(MASS_MARGINS, p=odds))


def _inside_breast(rng, woman) -> tuple[float, float, float]:
    """A point in the half-ellipsoid, away from its skin, seen by both projections."""
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    radius = 0.68 * rng.random() ** (1 / 2.2)
    x, y, z = radius * direction
    x = 0.12 + 0.78 * abs(x)
    return (float(x * woman.depth_mm), float(y * woman.half_width_mm), float(z * woman.half_width_mm))


def _quadrant(place) -> str:
    _, y, z = place
    return f"{'upper' if z >= 0 else 'lower'} {'outer' if y >= 0 else 'inner'}"


def _glandular_volume(rng, woman, breast) -> np.ndarray:
    """(x, y, z) fibroglandular fraction 0..1 in the breast, NaN-free, zero outside."""
    x, y, z = _grid()
    inside = _ellipsoid()
    exponent = woman.texture_exponent + (rng.normal(0, 1) * 0.8 * woman.texture_asymmetry)
    noise = _power_law_noise(rng, VOXELS, exponent / 2 + 0.25)
    axis = np.hypot(y - 0.12, z - 0.08)
    cone = 1.1 - 1.9 * axis / (1.25 - 0.75 * x) - 0.5 * np.abs(x - 0.5)
    subcutaneous = 2.4 * np.clip((x**2 + y**2 + z**2 - 0.6) / 0.4, 0, 1) ** 1.5
    field_ = 1.35 * noise + cone + 0.35 * (y + z) - subcutaneous
    wanted = np.clip(woman.gland_fraction * (1 + 0.35 * woman.texture_asymmetry * rng.normal()), 0.01, 0.85)
    threshold = np.quantile(field_[inside], 1 - wanted)
    gland = 1 / (1 + np.exp(-6 * (field_ - threshold)))
    return np.where(inside, gland, 0).astype(np.float32)


def _grid():
    axes = [np.linspace(lo, 1, n, dtype=np.float32) for lo, n in zip((0, -1, -1), VOXELS, strict=True)]
    return np.meshgrid(*axes, indexing="ij", sparse=True)


def _ellipsoid():
    x, y, z = _grid()
    return x**2 + y**2 + z**2 < 1


def _power_law_noise(rng, shape, amplitude_exponent) -> np.ndarray:
    """Gaussian noise, unit variance, whose amplitude falls as frequency ** -amplitude_exponent."""
    frequency = np.sqrt(
        sum(f.astype(np.float32) ** 2 for f in np.meshgrid(
            *[np.fft.fftfreq(n) for n in shape[:-1]], np.fft.rfftfreq(shape[-1]), indexing="ij", sparse=True))
    )  # fmt: skip
    frequency.flat[0] = np.inf
    spectrum = np.fft.rfftn(rng.standard_normal(shape, dtype=np.float32)) * frequency ** -float(amplitude_exponent)
    noise = np.fft.irfftn(spectrum, shape, axes=range(len(shape))).astype(np.float32)
    return (noise - noise.mean()) / noise.std()


# ------------------------------------------------------------------ projection


class _Canvas:
    """One view being drawn, in mm on a pixel grid, chest wall on the left."""

    def __init__(self, rows: int, projection: Projection, woman: _Woman):
        self.shape = (rows, round(rows * FIELD_MM[1] / FIELD_MM[0]))
        self.mm = FIELD_MM[0] / rows
        self.projection = projection
        self.middle = FIELD_MM[0] * (0.5 if projection is Projection.CC else 0.55)
        rows_mm, columns_mm = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32) * self.mm
        self.x, self.v = columns_mm, self.middle - rows_mm
        self.woman = woman

    def place(self, position) -> tuple[float, float]:
        """Breast mm -> (column, row) in pixels."""
        x, y, z = position
        v = y if self.projection is Projection.CC else (y + z) / np.sqrt(2)
        return x / self.mm, (self.middle - v) / self.mm

    def distance_mm(self, centre) -> np.ndarray:
        column, row = centre
        return np.hypot(self.x - column * self.mm, self.v - (self.middle - row * self.mm))

    def outline(self) -> np.ndarray:
        """Boolean (rows, columns): where the compressed breast is."""
        woman = self.woman
        if self.projection is Projection.CC:
            v = self.v / woman.half_width_mm
            edge = woman.depth_mm * np.sqrt(np.clip(1 - np.abs(v) ** 2.2, 0, None))
        else:
            below = woman.half_width_mm * 0.98
            above = woman.half_width_mm * 1.9
            v = np.where(self.v < 0, self.v / below, self.v / above)
            v = v - woman.droop * 0.35 * (self.v > 0) * np.sqrt(np.clip(v, 0, 1)) * (1 - np.clip(v, 0, 1))
            edge = woman.depth_mm * np.clip(1 - np.abs(v) ** (2.0 + 0.3 * (self.v < 0)), 0, None) ** 0.55
            tail = woman.pectoral[0] * 1.1 + 8 - 0.1 * self.v
            edge = np.where(self.v > 0, np.maximum(edge, tail), edge)
        nipple = woman.nipple_mm * np.exp(-((self.v / 5.5) ** 2))
        return self.x < edge + nipple


def _project(rng, woman, look, breast, volume, projection, rows):
    """-> (pixels uint16 0..4095 with the chest wall left, {finding kind: mask})."""
    canvas = _Canvas(rows, projection, woman)
    outline = canvas.outline()
    depth_mm = _depth_from_skin(outline, canvas)
    half = woman.thickness_mm / 2
    thickness = woman.thickness_mm * np.sqrt(np.clip(1 - (1 - np.clip(depth_mm / half, 0, 1)) ** 2, 0, 1))

    gland = _gland_in_view(volume, canvas, woman)
    texture = _power_law_noise(rng, canvas.shape, woman.texture_exponent / 2)
    gland = np.clip(gland * (1 + 0.22 * texture) + 0.035 * texture, 0, 1)
    gland = _with_distortion(rng, gland, breast, canvas)
    gland_mm = gland * thickness + _ligaments(rng, canvas, outline)
    gland_mm += 1.4 * np.exp(-((depth_mm - 0.8) ** 2) / 0.8)  # skin
    if projection is Projection.MLO:
        gland_mm += _pectoral_mm(rng, canvas, thickness)

    masks: dict[str, np.ndarray] = {}
    attenuation = thickness * MU_FAT + np.minimum(gland_mm, thickness) * (MU_GLAND - MU_FAT)
    for lesion in breast.lesions:
        if projection is Projection.MLO and lesion.kind == "asymmetry" and breast.findings.asymmetry.kind == "asymmetry":
            continue  # an asymmetry in the strict sense is seen in one view only
        added, mask = _draw_lesion(rng, lesion, breast.findings, canvas)
        attenuation += added * np.clip(thickness / 10, 0, 1)
        masks[lesion.kind] = np.maximum(masks.get(lesion.kind, 0), (mask & outline).astype(np.uint8) * 255)
    return _expose(rng, look, attenuation, thickness, outline, canvas), masks


def _depth_from_skin(outline, canvas):
    """Distance to the skin in mm, the chest wall side left out: the picture is mirrored there first."""
    doubled = np.concatenate([outline[:, ::-1], outline], axis=1).astype(np.uint8)
    doubled = cv2.copyMakeBorder(doubled, 1, 1, 0, 0, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(doubled, cv2.DIST_L2, 5) * canvas.mm
    return distance[1:-1, outline.shape[1] :]


def _gland_in_view(volume, canvas, woman) -> np.ndarray:
    if canvas.projection is Projection.MLO:
        turn = cv2.getRotationMatrix2D(((VOXELS[2] - 1) / 2, (VOXELS[1] - 1) / 2), 45, 1)
        size = (VOXELS[2], VOXELS[1])
        volume = np.stack([cv2.warpAffine(plane, turn, size) for plane in volume])
    inside = _ellipsoid().sum(axis=2).astype(np.float32)
    fraction = volume.sum(axis=2) / np.maximum(inside, 6)  # (x, v)
    map_x = np.clip(canvas.x / woman.depth_mm, 0, 1) * (VOXELS[0] - 1)
    map_v = (np.clip(canvas.v / woman.half_width_mm, -1, 1) + 1) / 2 * (VOXELS[1] - 1)
    return cv2.remap(fraction, map_v.astype(np.float32), map_x.astype(np.float32), cv2.INTER_CUBIC)


def _ligaments(rng, canvas, outline) -> np.ndarray:
    """Cooper's ligaments, ducts and vessels: thin curved strands, as mm of gland. (rows, columns)"""
    strands = np.zeros(canvas.shape, np.float32)
    woman = canvas.woman
    for _ in range(rng.integers(90, 220)):
        kind = rng.random()
        start = np.array([rng.uniform(0, woman.depth_mm), rng.uniform(-1, 1) * woman.half_width_mm])
        heading = rng.uniform(0, 2 * np.pi)
        if kind < 0.25:  # duct: runs to the nipple
            heading = np.arctan2(-start[1], woman.depth_mm - start[0])
        length = rng.uniform(8, 30) if kind < 0.85 else rng.uniform(40, 90)
        bend = rng.normal(0, 0.035)
        steps = np.arange(0, length, 2.0)
        angle = heading + bend * steps
        points = start + 2.0 * np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), axis=0)
        width_mm = rng.uniform(0.3, 1.0) if kind < 0.85 else rng.uniform(0.8, 2.0)
        _polyline(strands, points, canvas, width_mm, rng.uniform(0.8, 3.4))
    return strands * outline


def _polyline(image, points_mm, canvas, width_mm, amount):
    """Adds a line through (x, v) points in mm; what is thinner than a pixel keeps its mass."""
    pixels = np.stack([points_mm[:, 0] / canvas.mm, (canvas.middle - points_mm[:, 1]) / canvas.mm], 1)
    width = width_mm / canvas.mm
    layer_origin = np.floor(pixels.min(0) - 4).astype(int)
    layer_end = np.ceil(pixels.max(0) + 4).astype(int)
    low = np.maximum(layer_origin, 0)
    high = np.minimum(layer_end, [image.shape[1], image.shape[0]])
    if (high <= low).any():
        return
    layer = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    shifted = np.round((pixels - low) * 16).astype(np.int32)
    cv2.polylines(layer, [shifted], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    strength = amount * min(1.0, width) / 255
    image[low[1] : high[1], low[0] : high[0]] += layer.astype(np.float32) * strength


def _pectoral_mm(rng, canvas, thickness) -> np.ndarray:
    width, height = canvas.woman.pectoral
    top = canvas.middle
    down = top - canvas.v
    edge = width * np.clip(1 - (down / height), 0, None) ** rng.uniform(0.7, 1.0)
    inside = np.clip((edge - canvas.x) / 2.4 + 0.5, 0, 1)
    muscle = (inside * (down < height) * (0.75 * thickness)).astype(np.float32)
    for _ in range(canvas.woman.nodes):  # axillary lymph nodes, fatty hilum and all
        node = canvas.distance_mm((rng.uniform(5, 0.9 * width + 6) / canvas.mm, rng.uniform(4, 35) / canvas.mm))
        radius = rng.uniform(3, 8)
        muscle += 7 * (np.clip(1 - (node / radius) ** 2, 0, 1) - np.clip(1 - (node / (0.45 * radius)) ** 2, 0, 1))
    return muscle


def _with_distortion(rng, gland, breast, canvas) -> np.ndarray:
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


# ------------------------------------------------------------------ lesions


def _draw_lesion(rng, lesion, findings, canvas) -> tuple[np.ndarray, np.ndarray]:
    """-> (added attenuation, boolean mask), both (rows, columns)."""
    centre = canvas.place(lesion.position)
    distance = canvas.distance_mm(centre)
    if lesion.kind == "mass":
        return _mass(rng, findings.mass, lesion.radius_mm, centre, distance, canvas)
    if lesion.kind == "calcification":
        return _calcifications(rng, findings.calcification, lesion, centre, canvas)
    if lesion.kind == "asymmetry":
        blob = np.exp(-((distance / lesion.radius_mm) ** 2) * (1 + np.clip(_angular(rng, canvas, centre, 3, 0.25), -0.6, 0.6)))
        amount = rng.uniform(5, 11) * (MU_GLAND - MU_FAT)
        return blob * amount, distance < lesion.radius_mm
    strands = np.zeros(canvas.shape, np.float32)
    _radiating(rng, strands, centre, canvas, int(rng.integers(12, 24)), 0.0, lesion.radius_mm, (0.4, 0.9), (1.5, 4.0))
    return strands * (MU_GLAND - MU_FAT), distance < lesion.radius_mm


def _angular(rng, canvas, centre, harmonics, amplitude, first=2) -> np.ndarray:
    """A smooth random function of the angle around `centre`, about -amplitude..amplitude."""
    column, row = centre
    angle = np.arctan2(canvas.v - (canvas.middle - row * canvas.mm), canvas.x - column * canvas.mm)
    total = np.zeros(canvas.shape, np.float32)
    for k in range(first, first + harmonics):
        total += rng.normal() * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return (amplitude / np.sqrt(harmonics) * total).astype(np.float32)


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
        edge *= 1 + np.clip(_angular(rng, canvas, centre, 4, 0.22), -0.5, 0.5)
    if mass.margin == "microlobulated":
        edge *= 1 + _angular(rng, canvas, centre, 4, 0.07, first=9)
    depth = np.sqrt(np.clip(1 - (distance / edge) ** 2, 0, None))  # half the chord, of 1
    if mass.margin in ("indistinct", "spiculated"):
        depth = cv2.GaussianBlur(depth, (0, 0), (0.28 if mass.margin == "indistinct" else 0.14) * radius / canvas.mm)
    if mass.margin == "obscured":
        depth *= 1 / (1 + np.exp(-4 * (_angular(rng, canvas, centre, 1, 1.0, first=1) + 0.4)))
    chord_mm = 2 * radius * depth
    contrast = np.exp(rng.uniform(np.log(0.3), np.log(1.1))) * (14 / (radius + 7))
    added = chord_mm * contrast * (MU_GLAND - MU_FAT) * 1.15
    mask = distance < edge
    if mass.margin == "spiculated":
        strands = np.zeros(canvas.shape, np.float32)
        _radiating(rng, strands, centre, canvas, int(rng.integers(14, 30)), 0.7 * radius, radius * 1.2 + 5, (0.3, 0.8), (1.5, 3.5))
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
            _polyline(image, points, canvas, rng.uniform(*widths), amount / 2)


_CALCIFICATION_SIZES = {  # diameter in mm, count
    "round": ((0.5, 1.0), (4, 14)),
    "punctate": ((0.3, 0.5), (6, 22)),
    "coarse": ((1.2, 3.0), (1, 4)),
    "amorphous": ((0.2, 0.35), (15, 45)),
    "coarse heterogeneous": ((0.5, 1.2), (5, 14)),
    "fine pleomorphic": ((0.25, 0.6), (8, 30)),
    "fine linear branching": ((0.25, 0.45), (6, 18)),
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
    strength = np.exp(rng.uniform(np.log(0.35), np.log(1.0)))
    mask = np.zeros(canvas.shape, np.uint8)
    for dx, dy in offsets:
        diameter = rng.uniform(*sizes)
        column, row = centre[0] + dx / canvas.mm, centre[1] - dy / canvas.mm
        amount = strength * MU_CALCIUM * diameter * rng.uniform(0.6, 1.0)
        if calcification.morphology == "fine linear branching":
            angle = rng.uniform(0, 2 * np.pi)
            step = np.array([np.cos(angle), np.sin(angle)]) * rng.uniform(0.6, 2.2)
            middle = np.array([column * canvas.mm, canvas.middle - row * canvas.mm])
            _polyline(added, np.array([middle - step, middle + step]), canvas, diameter, amount)
        else:
            _dot(added, column, row, diameter / canvas.mm, amount)
        cv2.circle(mask, (round(column), round(row)), max(2, round(1.5 / canvas.mm)), 1, -1)
    return added, mask.astype(bool)


def _dot(image, column, row, diameter, amount):
    """Adds a soft disc; one smaller than a pixel keeps its mass."""
    sigma = max(diameter / 2.6, 0.45)
    reach = int(np.ceil(3 * sigma))
    c0, r0 = int(np.floor(column)), int(np.floor(row))
    low_c, high_c = max(0, c0 - reach), min(image.shape[1], c0 + reach + 1)
    low_r, high_r = max(0, r0 - reach), min(image.shape[0], r0 + reach + 1)
    if high_c <= low_c or high_r <= low_r:
        return
    dx = np.arange(low_c, high_c) - column
    dy = np.arange(low_r, high_r) - row
    spot = np.exp(-(dx[None, :] ** 2 + dy[:, None] ** 2) / (2 * sigma**2))
    image[low_r:high_r, low_c:high_c] += amount * min(1.0, (diameter / 2.6 / sigma) ** 2) * spot


# ------------------------------------------------------------------ exposure and processing


def _expose(rng, look, attenuation, thickness, outline, canvas) -> np.ndarray:
    transmitted = np.exp(-attenuation)
    small = cv2.resize(transmitted, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    haze = cv2.GaussianBlur(small, (0, 0), 14 / (canvas.mm * 8))
    haze = cv2.resize(haze, transmitted.shape[::-1], interpolation=cv2.INTER_LINEAR)
    signal = (transmitted + look.scatter * haze) / (1 + look.scatter)
    quanta = look.quanta_per_mm2 * canvas.mm**2
    signal = signal + rng.standard_normal(signal.shape, dtype=np.float32) * np.sqrt(signal / quanta)
    signal = cv2.GaussianBlur(signal.astype(np.float32), (0, 0), max(look.blur_mm / canvas.mm, 0.3))
    density = -np.log(np.maximum(signal, 1e-4))
    density -= look.equalisation * thickness * MU_FAT  # peripheral equalisation
    if look.unsharp:
        density += look.unsharp * (density - cv2.GaussianBlur(density, (0, 0), 1.2 / canvas.mm))
    inside = density[outline][::17]
    low, high = np.quantile(inside, [0.003, 0.9985])
    grey = np.clip((density - low) / max(high - low, 0.05), 0, 1.25)
    grey = 0.08 + 0.8 * grey**look.gamma
    soft = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), 0.5 / canvas.mm)
    picture = look.black + (1 - look.black) * np.clip(grey, 0, 1) * soft
    _draw_marker(rng, picture, look, canvas)
    _draw_nipple_marker(rng, picture, outline, canvas)
    return np.round(np.clip(picture, 0, 1) * 4095).astype(np.uint16)


def _draw_marker(rng, picture, look, canvas):
    """Lead letters or a tape label beside the breast, and bright film or collimator edges on some machines."""
    rows, columns = picture.shape
    if look.marker:
        names = ("", "CC", "RLCC", "X") if canvas.projection is Projection.CC else ("", "MLO", "LMLO", "X")
        ink = np.zeros(picture.shape, np.uint8)
        tape = look.marker == 2
        scale = rows / 1024 * rng.uniform(0.9, 2.0) * (0.7 if tape else 1)
        column, row = int(columns * rng.uniform(0.72, 0.85)), int(rows * rng.uniform(0.06, 0.16))
        cv2.putText(ink, names[look.marker], (column, row), cv2.FONT_HERSHEY_SIMPLEX, scale, 255, max(1, rows // 400))
        letters = ink.astype(np.float32) / 255
        if tape:
            top, bottom = max(0, row - int(rows * 0.05)), row + int(rows * 0.01)
            picture[top:bottom, column - 8 :] = rng.uniform(0.5, 0.9)
        np.copyto(picture, letters * (0.1 if tape else 0.95) + picture * (1 - letters))
    if look.edge:
        width = int(rows * rng.uniform(0.004, 0.012))
        picture[:width] = rng.uniform(0.6, 1.0)
        if look.edge == 2:
            picture[-width:] = rng.uniform(0.6, 1.0)
            picture[:, -width:] = rng.uniform(0.6, 1.0)


def _draw_nipple_marker(rng, picture, outline, canvas):
    """The lead ball some sites stick on the nipple: bright, round, and no finding."""
    if rng.random() < 0.15:
        row = round((canvas.middle + rng.uniform(-4, 4)) / canvas.mm)
        centre = (int(outline[row].sum()), row)
        picture[canvas.distance_mm(centre) < 1.3] = 1.0


def _follow_up(rng, woman) -> tuple[float, bool]:
    """Years to the event or to the end of follow-up: a constant hazard from density and asymmetry of texture."""
    hazard = annual_hazard(woman.gland_fraction, woman.texture_asymmetry)
    event = rng.exponential(1 / hazard)
    end = rng.uniform(1.0, 8.0)
    return (round(float(min(event, end)), 2), bool(event <= end))


def annual_hazard(gland_fraction: float, texture_asymmetry: float) -> float:
    """Cancers a year of a phantom woman; the level is far above real life, so that small sets have events."""
    return float(0.02 * np.exp(2.5 * gland_fraction + 3.5 * texture_asymmetry))


def _as_view(name, pixels, look, woman, rows) -> View:
    return View(
        name,
        np.ascontiguousarray(pixels),
        file="phantom",
        spacing=Spacing(FIELD_MM[0] / rows, FIELD_MM[0] / rows, SpacingKind.DETECTOR),
        bits=12,
        chest_wall_left=name.laterality is Laterality.LEFT,
        told={"laterality": Told(name.laterality.value, "phantom"), "projection": Told(name.projection.value, "phantom")},
        acquisition=Acquisition(manufacturer=look.manufacturer, model="Phantom", thickness_mm=round(woman.thickness_mm, 1)),
    )


# ------------------------------------------------------------------ writing

TRUTH_COLUMNS = ["exam", "laterality", "density", "mass", "calcification", "asymmetry", "distortion", "malignant", "birads", "risk_years", "cancer", "mass_shape", "mass_margin", "mass_size_mm", "calcification_morphology", "calcification_distribution", "asymmetry_kind"]


def truth_rows(phantom: PhantomExam) -> list[dict]:
    """A row a breast, columns TRUTH_COLUMNS: 0/1 for each finding, then its descriptors."""
    rows = []
    for side, breast in phantom.breasts.items():
        found = breast.findings
        rows.append(
            {
                "exam": phantom.name,
                "laterality": side.value,
                "density": phantom.density,
                **{kind: int(getattr(found, kind) is not None) for kind in ("mass", "calcification", "asymmetry", "distortion")},
                "malignant": int(breast.malignant),
                "birads": found.birads,
                "risk_years": phantom.risk_years,
                "cancer": int(phantom.cancer),
                "mass_shape": found.mass and found.mass.shape,
                "mass_margin": found.mass and found.mass.margin,
                "mass_size_mm": found.mass and found.mass.size_mm,
                "calcification_morphology": found.calcification and found.calcification.morphology,
                "calcification_distribution": found.calcification and found.calcification.distribution,
                "asymmetry_kind": found.asymmetry and found.asymmetry.kind,
            }
        )
    return rows


def write_phantoms(out: Path, n: int, seed: int, rows: int = 1024) -> None:
    """OUT/<exam>/*.dcm, OUT/findings.csv, OUT/masks/<exam>_<view>_<finding>.png. The same seed gives the same bytes."""
    from .dicom_write import write_view

    out = Path(out)
    (out / "masks").mkdir(parents=True, exist_ok=True)
    with open(out / "findings.csv", "w", newline="") as table:
        writer = csv.DictWriter(table, TRUTH_COLUMNS, lineterminator="\n")
        writer.writeheader()
        for phantom in phantom_exams(n, seed, rows):
            folder = out / phantom.name
            folder.mkdir(exist_ok=True)
            for name, view in phantom.exam.views.items():
                write_view(view, folder / f"{name}.dcm", patient_id=phantom.name)
            for (name, kind), mask in phantom.masks.items():
                cv2.imwrite(str(out / "masks" / f"{phantom.name}_{name}_{kind}.png"), mask)
            writer.writerows(truth_rows(phantom))
