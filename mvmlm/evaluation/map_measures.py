"""Measures of maps: whether a map lies on what was marked, and whether the answer and the weights depend on it.

Maps are (rows, columns) floats of 0 to 1. Boxes are (left, top, right, bottom) in pixels of the map, left and top
included, right and bottom excluded. An undefined value is NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .estimates import midranks

Box = tuple[float, float, float, float]
#: (rows, columns) bool of the pixels that are shown -> the score of the picture that shows only these
MaskedScore = Callable[[np.ndarray], float]

STEPS = 20  # of a deletion or insertion curve


class PerturbationCurve(NamedTuple):
    """The score as pixels are taken away or put in, the highest of the map first.

    shares: of the pixels that were changed, 0..1. scores: (points,). area: under the curve, by straight lines.
    """

    shares: np.ndarray
    scores: np.ndarray
    area: float


def inside_boxes(shape: tuple[int, int], boxes: Sequence[Box]) -> np.ndarray:
    """Return which pixels (rows, columns) lie in a box: those whose centre does. Raises ValueError for an empty box."""
    rows, columns = (np.arange(size) + 0.5 for size in shape)
    inside = np.zeros(shape, bool)
    for box in boxes:
        left, top, right, bottom = box
        if not (left < right and top < bottom):
            raise ValueError(f"box {box}: expected left, top, right, bottom with left < right and top < bottom")
        inside |= ((rows >= top) & (rows < bottom))[:, None] & ((columns >= left) & (columns < right))
    return inside


def pointing_hit(evidence: np.ndarray, boxes: Sequence[Box], tolerance: float, spacing: float = 1.0) -> bool | None:
    """Return whether the highest pixel lies in a box or at most `tolerance` from one (pointing game: Zhang et al.,
    "Top-down neural attention by excitation backprop", 2018).

    tolerance: in pixels, or in mm with `spacing`, the mm of a pixel. Of several highest pixels each counts for its
    share: it is a hit where at least half are. None without a box, and for a map that is the same everywhere.
    """
    highest = np.argwhere(evidence == evidence.max())
    if not boxes or len(highest) == evidence.size:
        return None
    row, column = (highest + 0.5).T
    reached = np.zeros(len(highest), bool)
    for left, top, right, bottom in boxes:
        down = np.maximum(np.maximum(top - row, row - bottom), 0)
        across = np.maximum(np.maximum(left - column, column - right), 0)
        reached |= spacing * np.hypot(down, across) <= tolerance
    return bool(reached.mean() >= 0.5)


def mass_inside(evidence: np.ndarray, boxes: Sequence[Box]) -> float:
    """Return the share of the map's sum that lies in the boxes, 0..1; NaN for an empty map."""
    total = float(evidence.sum())
    return float(evidence[inside_boxes(_shape(evidence), boxes)].sum()) / total if total > 0 else math.nan


def iou(evidence: np.ndarray, boxes: Sequence[Box], threshold: float) -> float:
    """Return the area that the boxes and the map above the threshold share, over the area of both together.

    threshold: 0..1, of the map's own scale. NaN where neither has a pixel.
    """
    above, inside = evidence > threshold, inside_boxes(_shape(evidence), boxes)
    together = int((above | inside).sum())
    return int((above & inside).sum()) / together if together else math.nan


def deletion_curve(evidence: np.ndarray, score: MaskedScore, steps: int = STEPS) -> PerturbationCurve:
    """Return the score as the highest pixels are taken away first (Petsiuk et al., "RISE", 2018).

    A low area means that the score depends on what the map shows. score: called `steps` + 1 times.
    """
    return _perturbation(evidence, score, steps, deletes=True)


def insertion_curve(evidence: np.ndarray, score: MaskedScore, steps: int = STEPS) -> PerturbationCurve:
    """Return the score as the highest pixels are put in first, from an empty picture (Petsiuk et al., "RISE", 2018).

    A high area means that what the map shows is enough for the score. score: called `steps` + 1 times.
    """
    return _perturbation(evidence, score, steps, deletes=False)


def _perturbation(evidence: np.ndarray, score: MaskedScore, steps: int, deletes: bool) -> PerturbationCurve:
    order = np.argsort(-evidence, axis=None, kind="stable")
    counts = np.round(np.linspace(0, evidence.size, steps + 1)).astype(int)
    scores = []
    for count in counts:
        changed = np.zeros(evidence.size, bool)
        changed[order[:count]] = True
        scores.append(score((changed != deletes).reshape(evidence.shape)))
    shares, values = counts / evidence.size, np.array(scores, float)
    return PerturbationCurve(shares, values, float(np.trapezoid(values, shares)))


def map_similarity(trained: Sequence[np.ndarray], randomised: Sequence[np.ndarray]) -> np.ndarray:
    """Return Spearman's rank correlation (maps,) of each map of trained weights with that of randomised weights.

    A map that explains what the weights learned is far from 1 (Adebayo et al., "Sanity checks for saliency maps",
    2018). NaN where one of the two maps is the same everywhere. Raises ValueError for maps that do not pair up.
    """
    if [one.shape for one in trained] != [other.shape for other in randomised]:
        raise ValueError("maps of trained and of randomised weights differ in number or size; compute both alike")
    return np.array([_rank_correlation(one, other) for one, other in zip(trained, randomised, strict=True)])


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [midranks(values.ravel()) for values in (one, other)]
    centred = [values - values.mean() for values in ranks]
    spread = math.sqrt(float((centred[0] ** 2).sum() * (centred[1] ** 2).sum()))
    return float((centred[0] * centred[1]).sum()) / spread if spread > 0 else math.nan


def _shape(evidence: np.ndarray) -> tuple[int, int]:
    rows, columns = evidence.shape
    return rows, columns
