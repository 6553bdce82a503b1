"""Set a piece of one mammogram into another so that no seam, blur or change of grain shows it.

A piece is an upright ellipse. Its background is the membrane that its rim spans (the harmonic function with the rim's
values, as in Pérez et al., "Poisson image editing", ACM Trans. Graph. 22:313, 2003). What a lesion adds to its
background is added to the target; tissue that replaces other tissue gets the background of its new place. In both
cases the fine structure keeps the variance of the target, since the mean of two textures would be smoother than either.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

RIM_POINTS, DISC = 64, 49  # samples of the rim; size of the grid on which the membrane is worked out
FINE = 0.8  # pixels: what is finer than a Gaussian of this size is grain
ROUNDING = 0.07  # variance that rounding to whole grey levels adds to the grain
INNER, RIM = 0.5, (1.0, 1.3)  # radii of the inside of a lesion and of the tissue around it, in half axes


class Ellipse(NamedTuple):
    """An upright ellipse in pixels: its centre and half axes."""

    column: float
    row: float
    half_width: float
    half_height: float

    def fits(self, breast: np.ndarray, at_chest_wall: bool = False) -> bool:
        """Whether its rim and its centre lie inside a (rows, columns) bool breast without holes.

        at_chest_wall: whether it may reach beyond the chest wall with less than half of it.
        """
        first = 0 if at_chest_wall else self.half_width
        if not first <= self.column <= breast.shape[1] - 1 - self.half_width:
            return False
        if not self.half_height <= self.row <= breast.shape[0] - 1 - self.half_height:
            return False
        angles = _rim_angles()[::4]
        across = np.maximum(self.column + self.half_width * np.cos(angles), 0).astype(int)
        down = (self.row + self.half_height * np.sin(angles)).astype(int)
        return bool(breast[down, across].all() and breast[int(self.row), int(self.column)])

    def window(self, shape: tuple[int, ...], reach: float = 1.0) -> tuple[slice, slice]:
        """Return the rows and columns up to `reach` half axes from its centre, cut at the edge of the picture."""
        across, down = reach * self.half_width, reach * self.half_height
        return (
            slice(max(0, int(self.row - down)), min(shape[0], int(self.row + down) + 2)),
            slice(max(0, int(self.column - across)), min(shape[1], int(self.column + across) + 2)),
        )

    def radius(self, window: tuple[slice, slice]) -> np.ndarray:
        """(rows, columns) float32 distance from the centre in half axes, for each pixel of a window."""
        rows, columns = window
        down = (np.arange(rows.start, rows.stop, dtype=np.float32) - self.row) / self.half_height
        across = (np.arange(columns.start, columns.stop, dtype=np.float32) - self.column) / self.half_width
        return np.sqrt(down[:, None] ** 2 + across[None] ** 2)


@cache
def _rim_angles() -> np.ndarray:
    return np.arange(RIM_POINTS, dtype=np.float32) * np.float32(2 * np.pi / RIM_POINTS)


@cache
def _membrane_weights() -> np.ndarray:
    """(DISC * DISC, RIM_POINTS) float32: Poisson's kernel of the unit disc; outside it, that of its rim."""
    y, x = np.mgrid[-1 : 1 : DISC * 1j, -1 : 1 : DISC * 1j].astype(np.float32)
    radius, angle = np.minimum(np.hypot(x, y), 0.97)[..., None], np.arctan2(y, x)[..., None]
    kernel = (1 - radius**2) / (1 - 2 * radius * np.cos(angle - _rim_angles()) + radius**2)
    return np.asarray(kernel / kernel.sum(-1, keepdims=True), np.float32).reshape(-1, RIM_POINTS)


def rim_values(smooth: np.ndarray, ellipse: Ellipse) -> np.ndarray:
    """Return (RIM_POINTS,) float32 of a smoothed (rows, columns) picture along the rim of an ellipse in it.

    A value beyond the picture's edge or on black lies between those of its neighbours on the rim.
    """
    angles = _rim_angles()
    across = np.float32(ellipse.column) + np.float32(ellipse.half_width) * np.cos(angles)
    down = np.float32(ellipse.row) + np.float32(ellipse.half_height) * np.sin(angles)
    values = cv2.remap(smooth, across[None], down[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]
    known = (across >= 0) & (across <= smooth.shape[1] - 1) & (values > 2)
    if known.any() and not known.all():
        values = np.interp(angles, angles[known], values[known], period=2 * np.pi)
    around = np.concatenate([values[-2:], values, values[:2]])
    return np.convolve(around, np.array([1, 4, 6, 4, 1]) / 16, "valid").astype(np.float32)


def membrane(rim: np.ndarray, ellipse: Ellipse, window: tuple[slice, slice]) -> np.ndarray:
    """Return (rows, columns) float32 of the membrane with the values `rim` on the ellipse, in a window around it."""
    disc = (_membrane_weights() @ rim).reshape(DISC, DISC)
    rows, columns = window
    scale_x, scale_y = (DISC - 1) / 2 / ellipse.half_width, (DISC - 1) / 2 / ellipse.half_height
    matrix = np.array([
        [scale_x, 0, (DISC - 1) / 2 + (columns.start - ellipse.column) * scale_x],
        [0, scale_y, (DISC - 1) / 2 + (rows.start - ellipse.row) * scale_y],
    ])  # fmt: skip
    size = columns.stop - columns.start, rows.stop - rows.start
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(disc, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def fall_off(radius: np.ndarray, start: float) -> np.ndarray:
    """Return weights of 1 up to the radius `start`, falling smoothly to 0 at 1."""
    share = np.clip((1 - radius) / (1 - start), 0, 1)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


class Structure(NamedTuple):
    """A picture in two parts: what is coarser than some pixels, and the texture that is finer."""

    smooth: np.ndarray
    texture: np.ndarray

    @classmethod
    def of(cls, picture: np.ndarray, sigma: float) -> Structure:
        """Return the parts of a (rows, columns) float32 picture."""
        smooth = cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return cls(smooth, picture - smooth)


def fine(picture: np.ndarray) -> np.ndarray:
    """Return the grain of a (rows, columns) float32 picture."""
    return picture - cv2.GaussianBlur(picture, (0, 0), FINE, borderType=cv2.BORDER_REFLECT)


def grain_by_grey(picture: np.ndarray) -> np.ndarray:
    """Return (256,) float32, how strong the grain of a (rows, columns) uint8 picture is at each grey level.

    Film has less of it where it is bright. 0 does not count: it is outside the breast.
    """
    grain = np.abs(cv2.Laplacian(picture, cv2.CV_16S)[1::3, 1::3]).ravel()
    level = picture[1::3, 1::3].ravel()
    inside = level > 0
    if not inside.any():
        return np.ones(256, np.float32)
    grain, level = np.minimum(grain[inside], 3 * grain[inside].mean() + 1), level[inside] // 16
    counts = np.bincount(level, minlength=16)
    means = np.bincount(level, grain, minlength=16) / np.maximum(counts, 1)
    known = counts > 60
    if not known.any():
        return np.ones(256, np.float32)
    curve = np.interp(np.arange(256), 16 * np.flatnonzero(known) + 8, np.maximum(means[known], 0.3))
    return np.asarray(curve, np.float32)


def _with_grain(picture: np.ndarray, weight: np.ndarray, variance: float | None = None) -> np.ndarray:
    """A (rows, columns) float32 picture with its grain changed where weight is 1, so that rounding adds none.

    variance: that of the grain after rounding; None for the variance that it has.
    """
    grain, inside = fine(picture), weight > 0.5
    if not inside.any():
        return picture
    found = max(float(grain[inside].var()), 1e-3)
    wanted = found if variance is None else variance
    factor = np.sqrt(np.clip((wanted - ROUNDING) / found, 0.1, 2.0))
    return np.asarray(picture + (factor - 1) * weight * grain, np.float32)


class Addition(NamedTuple):
    """What a piece of a picture adds to its background.

    added: (rows, columns) float32 grey levels; weight: (rows, columns) float32, 1 inside and 0 from the rim on. origin:
    column and row of their first pixel in the picture that they were taken from.
    contrast: mean of `added` in the middle. spread: of the smooth structure around it. grain: of the texture around it.
    """

    added: np.ndarray
    weight: np.ndarray
    origin: tuple[int, int]
    contrast: float
    spread: float
    grain: float


def texture_sigma(ellipse: Ellipse) -> float:
    """Return the size in pixels below which structure in an ellipse is taken as texture."""
    return float(np.clip(0.09 * (ellipse.half_width + ellipse.half_height), 1.2, 3.5))


def spread_and_grain(around: np.ndarray, parts: Structure, sigma: float) -> tuple[float, float]:
    """Return the standard deviation of the smooth structure and of the texture where `around` (bool) is True.

    sigma: that of the parts. A slope of the background, as beside the skin, is no structure.
    """
    if not around.any():
        return 1.0, 0.5
    structure = parts.smooth - cv2.GaussianBlur(parts.smooth, (0, 0), 2 * sigma, borderType=cv2.BORDER_REFLECT)
    return max(float(structure[around].std()), 1.0), max(float(parts.texture[around].std()), 0.5)


def addition(picture: np.ndarray, ellipse: Ellipse) -> Addition:
    """Return what lies in an ellipse of a (rows, columns) uint8 picture over its background, as wide as the ellipse.

    The ellipse must lie inside the picture.
    """
    window = ellipse.window(picture.shape, RIM[1])
    piece = picture[window].astype(np.float32)
    moved = ellipse._replace(column=ellipse.column - window[1].start, row=ellipse.row - window[0].start)
    whole = np.s_[0 : piece.shape[0], 0 : piece.shape[1]]
    radius = moved.radius(whole)
    sigma = texture_sigma(ellipse)
    parts = Structure.of(piece, sigma)
    added = piece - membrane(rim_values(parts.smooth, moved), moved, whole)
    around = (radius > RIM[0]) & (radius < RIM[1]) & (piece > 0)
    spread, grain = spread_and_grain(around, parts, sigma)
    contrast = float(added[radius < INNER].mean())
    weight = fall_off(radius, 0.8) * _belongs(added, radius, sigma, contrast)
    return Addition(added, weight, (window[1].start, window[0].start), contrast, spread, grain)


def _belongs(added: np.ndarray, radius: np.ndarray, sigma: float, contrast: float) -> np.ndarray:
    """(rows, columns) 0..1, where a lesion is brighter than its background; the tissue beside it is left behind."""
    share = cv2.GaussianBlur(added, (0, 0), sigma) / max(contrast, 1.0)
    bright = np.clip((share - 0.02) / 0.25, 0, 1)
    middle = np.clip((0.75 - radius) / 0.35, 0, 1)
    return np.asarray(np.maximum(bright * bright * (3 - 2 * bright), middle), np.float32)


def add_lesion(
    picture: np.ndarray,
    lesion: Addition,
    matrix: np.ndarray,
    place: Ellipse,
    gain: float,
    brightest: float,
    grain_of_grey: np.ndarray,
) -> None:
    """Add a lesion to a (rows, columns) uint8 picture in place.

    matrix: (2, 3), from pixels of the picture that the lesion was taken from to pixels of this one. place: what it
    covers there; inside the picture. gain: of its grey levels. brightest: the grey level that it approaches and does
    not exceed. grain_of_grey: see `grain_by_grey`.
    """
    window = place.window(picture.shape, RIM[1])
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ lesion.origin - (window[1].start, window[0].start)
    target = picture[window].astype(np.float32)
    size = target.shape[::-1]
    enlarged = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    # without its own grain, which depends on the machine and on the grey level: that of the target stays
    source = cv2.GaussianBlur(lesion.added, (0, 0), max(FINE, 0.5 / enlarged))
    added = cv2.warpAffine(source, shifted, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE) * gain
    weight = np.clip(cv2.warpAffine(lesion.weight, shifted, size, flags=cv2.INTER_LINEAR), 0, 1)
    added *= weight
    parts = Structure.of(target, texture_sigma(place))
    own = max(float(parts.texture[target > 0].std()), 0.5)
    replaced = min(0.85, (gain * lesion.grain / own) ** 2)  # share of the texture's variance that the lesion brings
    grain_left = fine(target)
    texture = (parts.texture - grain_left) * np.sqrt(1 - replaced * weight**2) + grain_left
    room = np.maximum(brightest - parts.smooth, 6.0)
    smooth = cv2.GaussianBlur(added, (0, 0), 1.0)
    bright = smooth / (1 + (np.maximum(smooth, 0) / room) ** 4) ** 0.25 + (added - smooth)
    old, new = (np.clip(level, 0, 255).astype(np.uint8) for level in (parts.smooth, parts.smooth + bright))
    texture *= 1 + (np.clip(grain_of_grey[new] / grain_of_grey[old], 0.5, 1.5) - 1) * weight
    changed = _with_grain(parts.smooth + texture + bright, np.minimum(3 * weight, 1))
    picture[window] = np.where(weight > 0, np.clip(np.rint(changed), 1, 255), target)


def _shared_window(place: Ellipse, shift: tuple[int, int], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """The window around a place, without what lies beyond the picture after a shift by (columns, rows)."""
    rows, columns = place.window(shape, RIM[1])
    return (
        slice(max(rows.start, -shift[1]), min(rows.stop, shape[0] - shift[1])),
        slice(max(columns.start, -shift[0]), min(columns.stop, shape[1] - shift[0])),
    )


def replace_tissue(picture: np.ndarray, place: Ellipse, source: np.ndarray, shift: tuple[int, int]) -> None:
    """Put other tissue into a place of a (rows, columns) uint8 picture, which is changed.

    source: the picture that the tissue comes from, of the same size; it may be the same one. shift: (columns, rows)
    from the place to that tissue. The rings around both must be tissue that stays.
    """
    window = _shared_window(place, shift, picture.shape)
    from_window = tuple(slice(part.start + by, part.stop + by) for part, by in zip(window, shift[::-1], strict=True))
    target, given = picture[window].astype(np.float32), source[from_window].astype(np.float32)
    whole = np.s_[0 : target.shape[0], 0 : target.shape[1]]
    moved = place._replace(column=place.column - window[1].start, row=place.row - window[0].start)
    radius = moved.radius(whole)
    sigma = texture_sigma(place)
    old, new = Structure.of(target, sigma), Structure.of(given, sigma)
    background = membrane(rim_values(old.smooth, moved) - rim_values(new.smooth, moved), moved, whole)
    grains, around = (fine(target), fine(given)), (radius > RIM[0]) & (radius < RIM[1]) & (target > 0) & (given > 0)
    of_ring = [float(np.median(np.abs(grain[around]))) if around.any() else 1.0 for grain in grains]
    ratio = float(np.clip((of_ring[0] + 0.2) / (of_ring[1] + 0.2), 0.7, 1.4))
    weight = fall_off(radius, 0.75)
    texture = (weight * new.texture * ratio + (1 - weight) * old.texture) / np.sqrt(weight**2 + (1 - weight) ** 2)
    changed = weight * (new.smooth + background) + (1 - weight) * old.smooth + texture
    inside, rim = radius < 0.78, (radius > 0.78) & (radius < 1)
    changed = _with_grain(changed, np.where(inside, 1, 0), ratio**2 * float(grains[1][inside].var()))
    variances = ratio**2 * float(grains[1][rim].var()), float(grains[0][rim].var())
    changed = _with_grain(changed, np.where(rim, 1, 0), sum(variances) / 2)
    picture[window] = np.where((weight > 0) & (target > 0), np.clip(np.rint(changed), 1, 255), target)
