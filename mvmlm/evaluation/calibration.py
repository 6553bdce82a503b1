"""Reliability of predicted probabilities."""

from __future__ import annotations

from typing import TypedDict

import numpy as np

BINS = 5
FEWEST_OF_BIN = 5


class CalibrationCurve(TypedDict):
    """For each bin the mean predicted probability, the share of positives and the cases; the calibration error.

    The keys are those of stored head records.
    """

    said: list[float]
    found: list[float]
    cases: list[int]
    error: float


def calibration_curve(labels: np.ndarray, probabilities: np.ndarray) -> CalibrationCurve:
    """Return the reliability of a binary task's probabilities in bins of equal count.

    labels, probabilities: (n,). error: the expected calibration error (Naeini et al., 2015) over these bins, 0..1.
    """
    bins = min(BINS, max(1, len(probabilities) // FEWEST_OF_BIN))
    rows_of_bins = np.array_split(np.argsort(probabilities, kind="stable"), bins)
    rows = [
        (float(probabilities[rows].mean()), float(labels[rows].mean()), len(rows)) for rows in rows_of_bins if len(rows)
    ]
    error = sum(n * abs(predicted - observed) for predicted, observed, n in rows) / max(len(probabilities), 1)
    return {"said": [r[0] for r in rows], "found": [r[1] for r in rows], "cases": [r[2] for r in rows], "error": error}
