"""Attenuation -> pixels: scatter, noise, blur, processing, markers and edges, all that differs between machines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from ..exam import Laterality
from ..imaging.phantom_files import MAKERS, SHIFTED_MAKER
from .canvas import Canvas
from .lesions import MU_FAT


@dataclass(frozen=True)
class MachineProfile:
    """How one machine exposes and processes.

    quanta_per_mm2: at the detector without attenuation. scatter: scattered over primary radiation. blur_mm: sigma of
    the detector's blur. equalisation: share of the thickness at the breast's edge that is compensated. gamma: of the
    grey levels. fat: grey level of fat, 0..1. unsharp: strength of the unsharp mask. black: grey level of air, 0..1.
    marker: 0 none, 1 the projection, 2 a tape label, 3 the side alone. edge: 0 none, 1 a bright upper edge, 2 three
    edges.
    """

    manufacturer: str
    quanta_per_mm2: float
    scatter: float
    blur_mm: float
    equalisation: float
    gamma: float
    fat: float
    unsharp: float
    black: float
    marker: int
    edge: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> MachineProfile:
        """Return a random machine."""
        return cls(
            manufacturer=str(rng.choice(MAKERS)),
            quanta_per_mm2=float(np.exp(rng.uniform(np.log(1e5), np.log(1e6)))),
            scatter=float(rng.uniform(0.05, 0.4)),
            blur_mm=float(rng.uniform(0.05, 0.25)),
            equalisation=float(rng.choice([rng.uniform(0.6, 0.95), rng.uniform(0.95, 1.06)])),
            gamma=float(np.exp(rng.uniform(np.log(0.7), np.log(1.7)))),
            fat=float(rng.uniform(0.02, 0.12)),
            unsharp=float(rng.uniform(0.0, 0.9)),
            black=float(rng.choice([0.0, 0.0, rng.uniform(0.0, 0.08)])),
            marker=int(rng.integers(0, 4)),
            edge=int(rng.choice([0, 0, 0, 1, 2])),
        )

    def shifted(self, rng: np.random.Generator) -> MachineProfile:
        """Return a machine outside the range of `draw`: noisier, more blurred and of less contrast."""
        return replace(
            self,
            manufacturer=SHIFTED_MAKER,
            quanta_per_mm2=float(np.exp(rng.uniform(np.log(2.5e4), np.log(8e4)))),
            blur_mm=float(rng.uniform(0.28, 0.42)),
            scatter=float(rng.uniform(0.45, 0.6)),
            gamma=float(rng.uniform(0.5, 0.65)),
            black=float(rng.uniform(0.09, 0.14)),
        )


def expose(
    rng: np.random.Generator,
    machine: MachineProfile,
    attenuation: np.ndarray,
    thickness_mm: np.ndarray,
    outline: np.ndarray,
    canvas: Canvas,
    side: Laterality,
) -> np.ndarray:
    """Return (rows, columns) uint16 pixels 0..4095, chest wall left.

    attenuation: (rows, columns) exponent of Beer-Lambert along the beam; thickness_mm: of the compressed breast there;
    outline: bool, True inside the breast.
    """
    transmitted = np.exp(-attenuation)
    small = cv2.resize(transmitted, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    haze = cv2.GaussianBlur(small, (0, 0), 14 / (canvas.mm * 8))
    haze = cv2.resize(haze, transmitted.shape[::-1], interpolation=cv2.INTER_LINEAR)
    signal = (transmitted + machine.scatter * haze) / (1 + machine.scatter)
    quanta = machine.quanta_per_mm2 * canvas.mm**2
    signal = signal + rng.standard_normal(signal.shape, dtype=np.float32) * np.sqrt(signal / quanta)
    signal = cv2.GaussianBlur(signal.astype(np.float32), (0, 0), max(machine.blur_mm / canvas.mm, 0.3))
    density = -np.log(np.maximum(signal, 1e-4))
    density -= machine.equalisation * thickness_mm * MU_FAT  # peripheral equalisation
    if machine.unsharp:
        density += machine.unsharp * (density - cv2.GaussianBlur(density, (0, 0), 1.2 / canvas.mm))
    inside = density[outline][::17]
    low, high = np.quantile(inside, [0.003, 0.9995])
    grey = np.clip((density - low) / max(high - low, 0.05), 0, 1.25)
    grey = machine.fat + (0.88 - machine.fat) * grey**machine.gamma
    soft = cv2.GaussianBlur(outline.astype(np.float32), (0, 0), 0.5 / canvas.mm)
    picture = machine.black + (1 - machine.black) * np.clip(grey, 0, 1) * soft
    _draw_marker(rng, picture, machine, canvas, side)
    _draw_nipple_marker(rng, picture, outline, canvas)
    return np.round(np.clip(picture, 0, 1) * 4095).astype(np.uint16)


def _draw_marker(
    rng: np.random.Generator, picture: np.ndarray, machine: MachineProfile, canvas: Canvas, side: Laterality
) -> None:
    """Lead letters or a tape label beside the breast, and bright film or collimator edges on some machines."""
    rows, columns = picture.shape
    if machine.marker:
        projection = canvas.projection.value
        texts = ("", projection, side.value + projection, side.value)
        ink = np.zeros(picture.shape, np.uint8)
        tape = machine.marker == 2
        scale = rows / 1024 * rng.uniform(0.9, 2.0) * (0.7 if tape else 1)
        column, row = int(columns * rng.uniform(0.72, 0.85)), int(rows * rng.uniform(0.06, 0.16))
        pen = cv2.FONT_HERSHEY_SIMPLEX, scale, max(1, rows // 400)
        cv2.putText(ink, texts[machine.marker], (column, row), *pen[:2], 255, pen[2])
        if side is Laterality.RIGHT:  # the whole picture is mirrored when it is written, and letters are not
            (width, _), _ = cv2.getTextSize(texts[machine.marker], *pen)
            ink[:, column : column + width] = ink[:, column : column + width][:, ::-1].copy()
        letters = ink.astype(np.float32) / 255
        if tape:
            top, bottom = max(0, row - int(rows * 0.05)), row + int(rows * 0.01)
            picture[top:bottom, column - 8 :] = rng.uniform(0.5, 0.9)
        np.copyto(picture, letters * (0.1 if tape else 0.95) + picture * (1 - letters))
    if machine.edge:
        width = int(rows * rng.uniform(0.004, 0.012))
        picture[:width] = rng.uniform(0.6, 1.0)
        if machine.edge == 2:
            picture[-width:] = rng.uniform(0.6, 1.0)
            picture[:, -width:] = rng.uniform(0.6, 1.0)


def _draw_nipple_marker(rng: np.random.Generator, picture: np.ndarray, outline: np.ndarray, canvas: Canvas) -> None:
    """The lead ball that some sites put on the nipple: bright, round, and not a finding."""
    if rng.random() < 0.15:
        row = round((canvas.middle + rng.uniform(-4, 4)) / canvas.mm)
        centre = (int(outline[row].sum()), row)
        picture[canvas.distance_mm(centre) < 1.3] = 1.0
