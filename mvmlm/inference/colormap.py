"""Colours of maps, for files and for the screen. Every colour map is readable with colour-vision deficiency."""

from __future__ import annotations

import cv2
import numpy as np

COLOUR_MAPS = {"inferno": cv2.COLORMAP_INFERNO, "viridis": cv2.COLORMAP_VIRIDIS, "cividis": cv2.COLORMAP_CIVIDIS}


def overlay(grey: np.ndarray, heat: np.ndarray, opacity: float = 0.55) -> np.ndarray:
    """Return a picture (rows, columns, 3) uint8 RGB with a map laid over it.

    grey: (rows, columns) uint16. heat: (rows, columns) float, 0..1; where it is 0, the grey stays. opacity: where heat
    is 1, 0..1.
    """
    base = np.repeat((grey >> 8).astype(np.float32)[..., None], 3, 2)
    alpha = (opacity * np.clip(heat, 0, 1))[..., None]
    return np.round(base * (1 - alpha) + colour(heat) * alpha).astype(np.uint8)


def colour(heat: np.ndarray, name: str = "inferno") -> np.ndarray:
    """Return the colours (..., 3) of a map (...), 0..1: RGB float32, 0..255. name: one of COLOUR_MAPS."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], COLOUR_MAPS[name])[:, 0, ::-1]
    return table[np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8)].astype(np.float32)
