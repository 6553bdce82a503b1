"""Reliability of predicted probabilities."""

from __future__ import annotations

import numpy as np


def calibration_curve(labels: np.ndarray, shares: np.ndarray, bins: int = 5) -> dict:
    """Of cases with a similar probability, how many had it: equal-count bins, and the expected calibration error."""
    order = np.array_split(np.argsort(shares, kind="stable"), min(bins, max(1, len(shares) // 5)))
    rows = [(float(shares[part].mean()), float(labels[part].mean()), len(part)) for part in order if len(part)]
    error = sum(n * abs(said - found) for said, found, n in rows) / max(len(shares), 1)
    return {"said": [r[0] for r in rows], "found": [r[1] for r in rows], "cases": [r[2] for r in rows], "error": error}
