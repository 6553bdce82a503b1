"""Estimate where a finding lies from its marks: quadrant, clock position, depth, distance from the nipple.

The nipple is the estimate of `imaging.preprocess.breast_outline`. A CC view separates outer from inner. An MLO view is
taken as tilted by 45 degrees, so its height mixes upper with outer; together the two views give both directions.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..exam import Exam, Laterality, Projection, View, ViewName
from .reading import Mark

CENTRAL_MM = 12.0  # a finding nearer than this to the nipple's axis is central
RETROAREOLAR_MM = 20.0  # a central finding nearer than this behind the nipple is retroareolar
MAX_DISAGREEMENT_MM = 15.0  # of two views of one finding, in their distance from the nipple


class Offset(NamedTuple):
    """Distance from the nipple in a view as it hangs, in mm or in pixels.

    back: towards the chest wall. up: towards the upper edge, which is outer in a CC and upper in an MLO.
    """

    back: float
    up: float

    @property
    def distance(self) -> float:
        """The straight distance from the nipple."""
        return math.hypot(*self)


class FindingLocation(NamedTuple):
    """Where a finding lies. Prints as a phrase for the reader.

    place, depth: words of the lexicon. clock: 1 to 12. distances: from the nipple, by view, in mm; in pixels where
    `calibrated` is False.
    """

    place: str | None
    clock: int | None
    depth: str | None
    distances: Mapping[ViewName, float]
    calibrated: bool

    @property
    def views_disagree(self) -> bool:
        """Whether CC and MLO put the marks so far apart that they may show two findings."""
        return (
            self.calibrated
            and len(self.distances) > 1
            and max(self.distances.values()) - min(self.distances.values()) > MAX_DISAGREEMENT_MM
        )

    def __str__(self) -> str:
        unit = "mm" if self.calibrated else "pixels"
        parts = [
            self.place or "",
            f"{self.clock} o’clock" if self.clock else "",
            f"{self.depth} third" if self.depth else "",
        ]
        parts += [
            f"{name.projection.value} {distance:.0f} {unit} from the nipple"
            for name, distance in self.distances.items()
        ]
        if self.views_disagree:
            parts.append("the views differ: one finding?")
        return ", ".join(part for part in parts if part)


def locate_finding(
    marks: Iterable[Mark], exam: Exam, nipples: Mapping[ViewName, tuple[float, float] | None]
) -> FindingLocation | None:
    """Return where the marked finding lies, from its first mark on each view.

    nipples: (column, row) in DICOM pixels of each view. The result is None where no marked view has a known nipple.
    """
    first_marks: dict[ViewName, Mark] = {}
    for mark in marks:
        first_marks.setdefault(mark.view, mark)
    located = [
        (exam.views[name], nipple, mark)
        for name, mark in first_marks.items()
        if name in exam.views and (nipple := nipples.get(name)) is not None
    ]
    if not located:
        return None
    calibrated = all(view.spacing is not None for view, _, _ in located)
    offsets = {mark.view: offset_from_nipple(view, nipple, mark.centre, calibrated) for view, nipple, mark in located}
    by_projection = {name.projection: offset for name, offset in offsets.items()}
    cc, mlo = by_projection.get(Projection.CC), by_projection.get(Projection.MLO)
    view, nipple, mark = next((item for item in located if item[2].view.projection is Projection.CC), located[0])
    share = offsets[mark.view].back / max(1e-6, _depth_of_breast(view, nipple, calibrated))
    depth = "anterior" if share < 1 / 3 else "middle" if share < 2 / 3 else "posterior"
    distances = {name: offset.distance for name, offset in offsets.items()}
    return FindingLocation(*place_and_clock(mark.view.laterality, cc, mlo, calibrated), depth, distances, calibrated)


def offset_from_nipple(view: View, nipple: tuple[float, float], point: tuple[float, float], calibrated: bool) -> Offset:
    """Return the offset of a point from the nipple, both (column, row) in DICOM pixels; in mm where `calibrated`."""
    column_mm, row_mm = (view.spacing.column_mm, view.spacing.row_mm) if calibrated and view.spacing else (1.0, 1.0)
    right, below = (point[0] - nipple[0]) * column_mm, (point[1] - nipple[1]) * row_mm
    return Offset(-right if view.chest_wall_left else right, -below if view.head_up else below)


def _depth_of_breast(view: View, nipple: tuple[float, float], calibrated: bool) -> float:
    """The distance from the nipple to the edge of the image at the chest wall."""
    edge = -0.5 if view.chest_wall_left else view.columns - 0.5
    return offset_from_nipple(view, nipple, (edge, nipple[1]), calibrated).back


def place_and_clock(
    side: Laterality, cc: Offset | None, mlo: Offset | None, calibrated: bool
) -> tuple[str | None, int | None]:
    """Return the place in the lexicon's words and the clock position (1 to 12), as seen by someone who faces the woman.

    One view alone gives one direction and no clock position.
    """
    if cc is None or mlo is None:
        if cc is not None:
            return "outer" if cc.up > 0 else "inner", None
        if mlo is not None:
            return "upper" if mlo.up > 0 else "lower", None
        return None, None
    outer, upper = cc.up, math.sqrt(2) * mlo.up - cc.up
    if calibrated and math.hypot(outer, upper) < CENTRAL_MM:
        return "retroareolar" if cc.back < RETROAREOLAR_MM else "central", None
    to_the_right = -outer if side is Laterality.RIGHT else outer
    hour = round(math.degrees(math.atan2(to_the_right, upper)) / 30) % 12
    return f"{'upper' if upper > 0 else 'lower'} {'outer' if outer > 0 else 'inner'}", hour or 12
