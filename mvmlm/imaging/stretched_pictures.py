"""Pictures that were stretched to another shape, for example to a square: decoded at their true width and height."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np

from .decoder import Decoder, Unreadable
from .file_header import FileHeader


class UnstretchingDecoder(Decoder):
    """A decoder that shrinks the pictures of stretched files along one direction, so that a circle is a circle again.

    decoder: reads the files. ratios: width over height of the true picture by file; other files are left as they are.
    scales: (columns, rows) by which the picture of a file was multiplied, for coordinates in it.
    """

    def __init__(self, decoder: Decoder, ratios: Mapping[Path, float]):
        self._decoder = decoder
        self._ratios = dict(ratios)
        self.scales: dict[Path, tuple[float, float]] = {}

    def headers(self, paths: Iterable[Path]) -> list[FileHeader | Unreadable]:
        """Return the headers as the files tell them."""
        return self._decoder.headers(paths)

    def pixels(self, paths: Iterable[Path]) -> list[np.ndarray | Unreadable]:
        """Return the pictures, each with square pixels."""
        paths = list(paths)
        return [self._true(path, pixels) for path, pixels in zip(paths, self._decoder.pixels(paths), strict=True)]

    def close(self) -> None:
        """End the decoder's processes."""
        self._decoder.close()

    def _true(self, path: Path, pixels: np.ndarray | Unreadable) -> np.ndarray | Unreadable:
        ratio = self._ratios.get(path)
        if ratio is None or isinstance(pixels, Unreadable):
            return pixels
        rows, columns = pixels.shape
        size = (round(rows * ratio), rows) if columns >= rows * ratio else (columns, round(columns / ratio))
        self.scales[path] = size[0] / columns, size[1] / rows
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
