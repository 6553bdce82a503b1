"""Which pixels are padding: air that the machine marks as no part of the picture (PS3.3 C.7.5.1.1.2)."""

from __future__ import annotations

import numpy as np


def is_padding(values: np.ndarray, padding: tuple[float, float] | None) -> np.ndarray:
    """Return (any shape) bool for values after the modality LUT. padding: the range, ends included; None for none."""
    if padding is None:
        return np.zeros(values.shape, bool)
    return (values >= padding[0]) & (values <= padding[1])
