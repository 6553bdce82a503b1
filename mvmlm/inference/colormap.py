"""Maps in colour, by colour maps that colour-blind people can read, for files and for the screen."""

from __future__ import annotations

import cv2
import numpy as np

COLOUR_MAPS = {"inferno": cv2.COLORMAP_INFERNO, "viridis": cv2.COLORMAP_VIRIDIS, "cividis": cv2.COLORMAP_CIVIDIS}


def overlay(grey: np.ndarray, heat: np.ndarray, opacity: float = 0.55) -> np.ndarray:
    """(rows, columns) uint16 grey and float 0..1 heat -> (rows, columns, 3) uint8 RGB; no heat, no colour."""
    base = np.repeat((grey >> 8).astype(np.float32)[..., None], 3, 2)
    alpha = (opacity * np.clip(heat, 0, 1))[..., None]
    return np.round(base * (1 - alpha) + colour(heat) * alpha).astype(np.uint8)


def colour(heat: np.ndarray, name: str = "inferno") -> np.ndarray:
    """(…) 0..1 -> (…, 3) RGB 0..255 float32, dark to bright. name: of COLOUR_MAPS."""
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], COLOUR_MAPS[name])[:, 0, ::-1]
    return table[np.round(np.clip(heat, 0, 1) * 255).astype(np.uint8)].astype(np.float32)
