"""How published models want their pictures: named presets, each from a view to the network's input, with its inverse.

They repeat what the authors' code does with a DICOM file, step by step, also where ours would do otherwise, since the
weights learned from such pictures. Where a step differs from theirs, or where theirs is not known, it says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from ..exam import View
from ..imaging.preprocess import ModelInput, ViewGeometry, find_breast
from ..imaging.voi import apply_window, render

#: a picture (rows, columns) uint8 -> the box to crop: left, top, right, bottom (right and bottom excluded)
FindBox = Callable[[np.ndarray], tuple[int, int, int, int]]


def breast_in(view: View, geometry: ViewGeometry) -> np.ndarray:
    """Return where the breast of a view lies in the network's input, (rows, columns) bool. Raises NoBreast."""
    breast, _ = find_breast(render(view))
    return geometry.image_to_model(breast.astype(np.uint8), cv2.INTER_NEAREST).astype(bool)


def eight_bits(grey: np.ndarray) -> np.ndarray:
    """Return (rows, columns) uint8: values from the smallest to the largest over 0 to 255, without their decimals."""
    values = grey.astype(np.float64)
    values -= values.min()
    return (values / max(values.max(), 1e-12) * 255).astype(np.uint8)


class MammoClipPreparation:
    """The preparation of Mammo-CLIP and Mammo-FM: 1520 x 912, stretched, each picture by its own range.

    Five pixels of each border are left out; neither VOI LUT nor window is used. The breast is cropped where rows and
    columns are not constant. Where two runs of them are the longest, the published code joins both; here the first is
    taken, because a map must lie over one part of the picture.
    """

    BORDER, DARK = 5, 40  # pixels; the highest grey level of the background
    MEAN, STD = 0.3089279, 0.25053555408335154

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns

    def __call__(self, view: View) -> ModelInput:
        """Return the network's input for a view. Raises NoBreast."""
        edge = self.BORDER
        values = view.pixels[edge:-edge, edge:-edge].astype(np.float64)
        picture = eight_bits(values.max() - values if view.inverted else values)
        left, top, right, bottom = self._box(picture)
        geometry = ViewGeometry(
            view.rows, view.columns, (left + edge, top + edge, right + edge, bottom + edge), False, False,
            self.rows, self.columns, 0, self.rows, self.columns,
        )  # fmt: skip
        size = (self.columns, self.rows)
        scaled = cv2.resize(picture[top:bottom, left:right], size, interpolation=cv2.INTER_AREA).astype(np.float32)
        scaled -= scaled.min()
        scaled /= max(float(scaled.max()), 1e-12)
        return ModelInput((scaled - self.MEAN) / self.STD, breast_in(view, geometry), geometry)

    def _box(self, picture: np.ndarray) -> tuple[int, int, int, int]:
        """The crop: the longest run of columns that are not constant, and in it that of rows."""
        bright = np.where(picture <= self.DARK, 0, picture)
        left, right = _longest_run(np.ptp(bright[_middle(len(bright))], axis=0) > 0)
        bright = bright[:, left:right]
        top, bottom = _longest_run(np.ptp(bright[:, _middle(bright.shape[1])], axis=1) > 0)
        return left, top, right, bottom


def _middle(length: int) -> slice:
    """The middle 80 % of a length."""
    return slice(length // 2 - int(length * 0.4), length // 2 + int(length * 0.4))


def _longest_run(flags: np.ndarray) -> tuple[int, int]:
    """The first of the longest runs of True, as start and end; everything where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return 0, len(flags)
    longest = int((ends - starts).argmax())
    return int(starts[longest]), int(ends[longest])


class MiraiPreparation:
    """The preparation of Mirai: 2048 x 1664, stretched, the breast's tip on the left.

    16 bits from the smallest to the largest value; for GE pictures with a VOI LUT by that. The published code does it
    with dcmtk; its own other way, with pydicom, moves the risk by 3.5 to 5.4 %. Pictures of the series “C-View”, for
    which it has a window of its own, are not told apart here.
    """

    MEAN, STD = 7047.99, 12005.5

    def __init__(self, rows: int, columns: int):
        self.rows, self.columns = rows, columns

    def __call__(self, view: View) -> ModelInput:
        """Return the network's input for a view. Raises NoBreast."""
        picture = Image.fromarray(self._sixteen_bits(view).astype(np.int32))
        scaled = np.asarray(picture.resize((self.columns, self.rows), Image.Resampling.BILINEAR), np.float64)
        quarter = self.columns - self.columns * 3 // 4
        flip = bool(scaled[:, :quarter].sum() > scaled[:, -quarter:].sum())
        geometry = ViewGeometry(
            view.rows, view.columns, (0, 0, view.columns, view.rows), flip, False,
            self.rows, self.columns, 0, self.rows, self.columns,
        )  # fmt: skip
        tensor = ((scaled[:, ::-1] if flip else scaled) - self.MEAN) / self.STD
        return ModelInput(np.ascontiguousarray(tensor, np.float32), breast_in(view, geometry), geometry)

    @staticmethod
    def _sixteen_bits(view: View) -> np.ndarray:
        """(rows, columns) uint16, 0 black to 65535 white."""
        table = next((window for window in view.windows if window.function == "TABLE"), None)
        if table is not None and "GE" in (view.acquisition.manufacturer or ""):
            grey = apply_window(view.pixels, table).astype(np.float64)
        else:
            values = view.pixels.astype(np.float64)
            grey = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
        return ((1 - grey if view.inverted else grey) * 65535).astype(np.uint16)


@dataclass(frozen=True)
class SeveralInputs(ModelInput):
    """One view as an ensemble takes it: the input of its first network, and those of the others."""

    others: tuple[ModelInput, ...] = ()


class MammoscreenPreparation:
    """The preparation of mammoscreen: the crop of its own crop network, then a frame for each of three networks.

    Frames of 2048 x 1024 and 1920 x 1280 get black columns on both sides of a narrower crop and stretch a wider one;
    that of 1536 x 1536 holds the crop in its own aspect, in the middle. The published code of the resampling was not
    found: bilinear without smoothing is a guess, and another kind moved the cancer score by 0.001 on made-up pictures.
    """

    FRAMES = ((2048, 1024), (1920, 1280), (1536, 1536))

    def __init__(self, find_box: FindBox):
        """find_box: the crop network."""
        self._find_box = find_box

    def __call__(self, view: View) -> SeveralInputs:
        """Return the inputs of the three networks for a view. Raises NoBreast."""
        picture = eight_bits(render(view))
        box = self._find_box(picture)
        first, *others = (self._framed(view, picture, box, rows, columns) for rows, columns in self.FRAMES)
        return SeveralInputs(first.tensor, first.breast, first.geometry, tuple(others))

    @staticmethod
    def _framed(view: View, picture: np.ndarray, box: tuple[int, int, int, int], rows: int, columns: int) -> ModelInput:
        """The crop in one frame, from -1 black to 1 white."""
        left, top, right, bottom = box
        width, height = right - left, bottom - top
        scaled_rows, scaled_columns = rows, columns
        if rows == columns:
            scale = rows / max(width, height)
            scaled_rows, scaled_columns = max(1, round(height * scale)), max(1, round(width * scale))
        elif width * rows < height * columns:
            scaled_columns = max(1, round(width * rows / height))
        geometry = ViewGeometry(
            view.rows, view.columns, box, False, False, scaled_rows, scaled_columns, (rows - scaled_rows) // 2,
            rows, columns, (columns - scaled_columns) // 2,
        )  # fmt: skip
        framed = geometry.image_to_model(picture, cv2.INTER_LINEAR).astype(np.float32)
        return ModelInput(framed / 127.5 - 1, breast_in(view, geometry), geometry)
