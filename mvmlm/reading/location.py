"""Where a finding lies, worked out from its marks: quadrant, clock position, depth, distance from the nipple. Estimates, said so.

The nipple is `preprocess.estimate_nipple`'s estimate. A CC tells outer from inner; an MLO is taken at 45 degrees, so that its height
mixes upper with outer, and the two views together give the upper and the outer part apart.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..exam import Exam, Laterality, Projection, View, ViewName
from .reading import Mark

CENTRAL_MM = 12.0  # nearer than this to the nipple's axis is central
RETROAREOLAR_MM = 20.0  # and so near behind the nipple
APART_MM = 15.0  # two views of one finding differ by less in their distance from the nipple


class Offset(NamedTuple):
    """From the nipple, as the view hangs: towards the chest wall, and up (outer in a CC, upper in an MLO); mm, or pixels."""

    back: float
    up: float

    @property
    def distance(self) -> float:
        return math.hypot(*self)


class FindingLocation(NamedTuple):
    """place and depth are the lexicon's words; clock 1..12; distances from the nipple by view, in mm or (`calibrated` False) pixels."""

    place: str | None
    clock: int | None
    depth: str | None
    distances: Mapping[ViewName, float]
    calibrated: bool

    @property
    def views_disagree(self) -> bool:
        """Whether CC and MLO put it so far apart that they may show two things."""
        return (
            self.calibrated
            and len(self.distances) > 1
            and max(self.distances.values()) - min(self.distances.values()) > APART_MM
        )

    def __str__(self) -> str:
        unit = "mm" if self.calibrated else "pixels"
        said = [
            self.place or "",
            f"{self.clock} o’clock" if self.clock else "",
            f"{self.depth} third" if self.depth else "",
        ]
        said += [
            f"{name.projection.value} {distance:.0f} {unit} from the nipple"
            for name, distance in self.distances.items()
        ]
        if self.views_disagree:
            said.append("the views differ: one finding?")
        return ", ".join(part for part in said if part)


def locate_finding(
    marks: Iterable[Mark], exam: Exam, nipples: Mapping[ViewName, tuple[float, float] | None]
) -> FindingLocation | None:
    """Where the thing lies that `marks` show, from the first mark of each view. None where no marked view has a known nipple.

    nipples: (column, row) of each view in its own pixels.
    """
    first: dict[ViewName, Mark] = {}
    for mark in marks:
        first.setdefault(mark.view, mark)
    known = {name: mark for name, mark in first.items() if name in exam.views and nipples.get(name) is not None}
    if not known:
        return None
    calibrated = all(exam.views[name].spacing is not None for name in known)
    offsets = {name: offset(exam.views[name], nipples[name], mark.centre, calibrated) for name, mark in known.items()}
    cc, mlo = (
        next((o for name, o in offsets.items() if name.projection is seen), None)
        for seen in (Projection.CC, Projection.MLO)
    )
    side = next(iter(known)).laterality
    deepest = cc or mlo
    name = next(name for name, one in offsets.items() if one is deepest)
    share = deepest.back / max(1e-6, _to_chest_wall(exam.views[name], nipples[name], calibrated))
    depth = "anterior" if share < 1 / 3 else "middle" if share < 2 / 3 else "posterior"
    distances = {name: one.distance for name, one in offsets.items()}
    return FindingLocation(*_place(side, cc, mlo, calibrated), depth, distances, calibrated)


def offset(view: View, nipple: tuple[float, float], point: tuple[float, float], calibrated: bool) -> Offset:
    """Of a point (column, row) in the view's own pixels."""
    across, down = (view.spacing.column_mm, view.spacing.row_mm) if calibrated else (1.0, 1.0)
    right, below = (point[0] - nipple[0]) * across, (point[1] - nipple[1]) * down
    return Offset(-right if view.chest_wall_left else right, -below if view.head_up else below)


def _to_chest_wall(view: View, nipple: tuple[float, float], calibrated: bool) -> float:
    edge = -0.5 if view.chest_wall_left else view.columns - 0.5
    return offset(view, nipple, (edge, nipple[1]), calibrated).back


def _place(side: Laterality, cc: Offset | None, mlo: Offset | None, calibrated: bool) -> tuple[str | None, int | None]:
    """-> (place, clock). One view tells one direction only."""
    if cc is None or mlo is None:
        if cc is not None:
            return "outer" if cc.up > 0 else "inner", None
        return "upper" if mlo.up > 0 else "lower", None
    outer, upper = cc.up, math.sqrt(2) * mlo.up - cc.up
    if calibrated and math.hypot(outer, upper) < CENTRAL_MM:
        return "retroareolar" if cc.back < RETROAREOLAR_MM else "central", None
    to_the_right = -outer if side is Laterality.RIGHT else outer  # of somebody who faces the woman
    hour = round(math.degrees(math.atan2(to_the_right, upper)) / 30) % 12
    return f"{'upper' if upper > 0 else 'lower'} {'outer' if outer > 0 else 'inner'}", hour or 12
