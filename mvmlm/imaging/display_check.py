"""What a mammography display must do, walked on a woman's own files: rules (1) to (12) of docs/display.md.

Here is what needs no drawing. What is drawn is checked in the browser, on the viewer: app/viewer/src/selftest.js.
The clauses of IHE's Mammography Image profile stand in docs/display.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from ..exam import Orientation, Projection, SpacingKind, View, ViewName, Window
from .hanging import hung_orientation
from .padding import is_padding
from .partial_view import UNKNOWN
from .preprocess import NoBreast, find_breast
from .technique import missing_factors
from .voi import render

SAMPLE_ROWS = 800  # rows of the picture on which padding is judged, about
MOST_BREAST, LEAST_AIR = 0.01, 0.8  # shares that a sound padding range covers of the breast, at most, and of the air


class Verdict(str, Enum):
    """What a file shows of a rule."""

    PASS = "pass"
    FAIL = "fail"
    NOT_SHOWN = "not shown by this file"
    BROWSER_ONLY = "browser only"


#: the rules by their numbers
RULES = {
    1: "every window and VOI LUT can be chosen by its explanation",
    2: "window functions LINEAR, LINEAR_EXACT and SIGMOID",
    3: "VOI LUT data as OW or US",
    4: "every view hangs by its code, chest walls back to back",
    5: "same size across detectors",
    6: "true size",
    7: "air stays black under inversion and every contrast",
    8: "technique factors on request",
    9: "1:1 pixels",
    10: "partial views are recognised",
    11: "hanging by codes, never by description",
    12: "marks of other programs on request, in their place",
}
#: the rules of which a part is drawn, and that part
DRAWN = {
    4: "chest walls back to back",
    5: "all views at one scale",
    6: "true size",
    7: "air black in the chosen contrast, and inverted",
    8: "technique factors on request",
    9: "1:1 pixels",
    12: "marks of other programs, once they are asked for",
}
#: (row, column) in which a view of the left and of the right breast hangs
_CRANIOCAUDAL, _LATERAL = (("A", "R"), ("P", "L")), (("A", "F"), ("P", "F"))
DISPLAYED = dict.fromkeys(
    (Projection.CC, Projection.XCC, Projection.XCCL, Projection.XCCM, Projection.FB), _CRANIOCAUDAL
) | dict.fromkeys((Projection.MLO, Projection.ML, Projection.LM, Projection.LMO, Projection.SIO), _LATERAL)
_CODED_SIDES = ("ImageLaterality", "FrameLaterality", "Laterality")


@dataclass(frozen=True)
class Checked:
    """What one file shows of one rule. file: its name, "" for all files together. text: one or two sentences."""

    rule: int
    verdict: Verdict
    file: str
    text: str

    def to_json(self) -> dict[str, str | int]:
        """Return the four fields as JSON values."""
        return {"rule": self.rule, "verdict": self.verdict.value, "file": self.file, "text": self.text}


def check_display(views: Sequence[View]) -> tuple[Checked, ...]:
    """Return what views show of each rule, in the order of the rules."""
    found = [checked for view in views for checked in check_view(view)]
    return tuple(sorted([*found, check_same_size(views)], key=lambda checked: checked.rule))


def check_view(view: View) -> tuple[Checked, ...]:
    """Return what one view shows of each rule but the fifth, which takes several, and the twelfth, of other objects."""
    results = {rule: check(view) for rule, check in _CHECKS.items()}
    return tuple(Checked(rule, verdict, view.file, text) for rule, (verdict, text) in results.items())


def check_same_size(views: Sequence[View]) -> Checked:
    """Return what views together show of the fifth rule. Their pixels are not looked at."""
    verdict, text = _same_size(views)
    return Checked(5, verdict, "", text)


def verdict_of(rule: int, found: Sequence[Checked]) -> Verdict:
    """Return the verdict on a rule by all files: one that fails is enough to fail, one that passes to pass."""
    verdicts = {checked.verdict for checked in found if checked.rule == rule}
    order = (Verdict.FAIL, Verdict.PASS, Verdict.BROWSER_ONLY)
    return next((verdict for verdict in order if verdict in verdicts), Verdict.NOT_SHOWN)


def alike(rule: int, found: Sequence[Checked]) -> list[tuple[str, str, str]]:
    """Return (files, verdict, text) of a rule, those files that show the same together; "all files" for the fifth."""
    files: dict[tuple[str, str], list[str]] = {}
    for checked in found:
        if checked.rule == rule:
            files.setdefault((checked.verdict.value, checked.text), []).append(checked.file)
    return [(", ".join(names) or "all files", verdict, text) for (verdict, text), names in files.items()]


def displayed_orientation(name: ViewName) -> Orientation | None:
    """Return the letters in which a view hangs by the profile; None where it lays nothing down for the projection."""
    both = DISPLAYED.get(name.projection)
    return Orientation(*both[0 if name.laterality.value == "L" else 1]) if both else None


_Result = tuple[Verdict, str]


def _check_windows(view: View) -> _Result:
    if view.for_processing:
        return Verdict.NOT_SHOWN, "An image for processing has no VOI LUT."
    if left_out := _left_out(view, "window", "voi-lut"):
        return Verdict.FAIL, left_out
    if not view.windows:
        return Verdict.NOT_SHOWN, "The file has no window and no VOI LUT; the full range is shown."
    names = [f"“{window.name}”" for window in view.windows]
    unnamed = sum(not window.explained for window in view.windows)
    if unnamed and len(names) > 1:
        return Verdict.FAIL, f"{unnamed} of {len(names)} have no explanation: {', '.join(names)}."
    if len(set(names)) < len(names):
        return Verdict.FAIL, f"Several have the same explanation: {', '.join(names)}."
    return Verdict.PASS, f"To choose from: {', '.join(names)}."


def _check_functions(view: View) -> _Result:
    if unknown := next((mark.text for mark in view.marks if mark.code == "voi-function"), ""):
        return Verdict.FAIL, unknown
    functions = sorted({window.function for window in view.windows if window.function != "TABLE"})
    if not functions:
        return Verdict.NOT_SHOWN, "The file has no window."
    return Verdict.PASS, f"{' and '.join(functions)}, applied as PS3.3 C.11.2.1.2 and C.11.2.1.3 say."


def _check_table_data(view: View) -> _Result:
    if left_out := _left_out(view, "voi-lut"):
        return Verdict.FAIL, left_out
    tables = [window for window in view.windows if window.function == "TABLE"]
    if not tables:
        return Verdict.NOT_SHOWN, "The file has no VOI LUT."
    kinds = sorted({window.table_vr or "an implicit VR" for window in tables})
    return Verdict.PASS, f"{len(tables)} VOI LUT{'s' if len(tables) > 1 else ''}, data as {' and '.join(kinds)}."


def _left_out(view: View, *codes: str) -> str:
    """The first mark on a window or VOI LUT that is not used."""
    return next((mark.text for mark in view.marks if mark.code in codes and "left out" in mark.text), "")


def _check_orientation(view: View) -> _Result:
    if view.name is None:
        return Verdict.FAIL, "Which view it is, is not known, so it cannot hang in its place."
    wanted, chest_wall = displayed_orientation(view.name), view.sources.get("chest wall")
    if wanted is None:
        return Verdict.NOT_SHOWN, f"The profile lays down no orientation for {view.name.projection.value}."
    if odd := next((mark.text for mark in view.marks if mark.code.startswith("orientation-")), ""):
        return Verdict.FAIL, odd
    if chest_wall is None or chest_wall.source != "PatientOrientation":
        return Verdict.FAIL, "The file has no PatientOrientation. The chest wall is taken from the picture."
    if not view.orientation.column:
        return Verdict.FAIL, "PatientOrientation does not say where the columns run. The picture is shown as stored."
    hangs = hung_orientation(view)
    letters = f"{hangs.row}\\{hangs.column}"
    if (hangs.row[:1], hangs.column[:1]) != wanted:
        return Verdict.FAIL, f"{_shown(view.name)} hangs {letters}, not {wanted.row}\\{wanted.column}."
    return Verdict.PASS, f"{_shown(view.name)} hangs {letters}."


def _shown(name: ViewName) -> str:
    return str(name).replace("_", " ")


def _check_true_size(view: View) -> _Result:
    if view.spacing is None:
        return Verdict.NOT_SHOWN, "The file has no pixel size."
    size = f"Pixel size {view.spacing.row_mm:.4g} mm, {view.spacing.kind.value}."
    if view.spacing.kind is SpacingKind.DETECTOR:
        size += " Without a magnification factor the size holds at the detector; the breast itself is smaller."
    return Verdict.BROWSER_ONLY, size


def _same_size(views: Sequence[View]) -> _Result:
    without = [view.file for view in views if view.spacing is None]
    if without and len(without) < len(views):
        return Verdict.FAIL, f"No pixel size in {', '.join(without)}: it cannot be shown at the size of the others."
    distorted = [view.file for view in views if any(mark.code == "oblong-pixels" for mark in view.marks)]
    if distorted:
        return Verdict.FAIL, f"The pixels are not square in {', '.join(distorted)}: the picture is distorted."
    sizes = sorted({(round(view.spacing.row_mm, 5), view.spacing.kind.value) for view in views if view.spacing})
    told = ", ".join(f"{size:g} mm {kind}" for size, kind in sizes)
    if len({kind for _, kind in sizes}) > 1:
        return Verdict.FAIL, f"The pixel sizes do not mean the same: {told}."
    if len(sizes) < 2:
        return Verdict.NOT_SHOWN, f"It takes files of two pixel sizes; here: {told or 'none'}."
    return Verdict.PASS, f"Pixel sizes {told}: one scale in mm for all."


def _check_air(view: View) -> _Result:
    if view.padding is None:
        if odd := next((mark.text for mark in view.marks if mark.code == "padding"), ""):
            return Verdict.FAIL, odd
        return Verdict.NOT_SHOWN, "The file has no PixelPaddingValue, so its air is inverted with the picture."
    step = max(1, view.rows // SAMPLE_ROWS)
    small = replace(view, pixels=np.ascontiguousarray(view.pixels[::step, ::step]))
    padded = is_padding(small.pixels, view.padding)
    values = f"{view.padding[0]:g} to {view.padding[1]:g}"
    if not is_padding(view.pixels, view.padding).any():
        return Verdict.FAIL, f"No pixel has a padding value ({values}), so air would not stay black."
    try:
        breast, _ = find_breast(render(replace(small, padding=None)))
    except NoBreast:
        return Verdict.NOT_SHOWN, "No breast is found in the picture, so nothing tells whether the padding is air."
    inside, air = float(padded[breast].mean()), float(padded[~breast].mean()) if (~breast).any() else 1.0
    if inside > MOST_BREAST:
        return Verdict.FAIL, f"{inside:.0%} of the breast has padding values ({values}) and is black."
    if air < LEAST_AIR:
        return Verdict.FAIL, f"The padding values ({values}) cover {air:.0%} of the air; the rest is inverted."
    windows: tuple[Window | None, ...] = () if view.for_processing else view.windows
    windows = windows or (None,)
    if any(render(small, window)[padded].any() for window in windows):
        return Verdict.FAIL, f"Padding values ({values}) are not black in every window."
    return Verdict.PASS, f"The padding values ({values}) cover {air:.0%} of the air, and are black in every window."


def _check_technique(view: View) -> _Result:
    missing, kept = missing_factors(view), view.identity is not None
    if not kept:
        return Verdict.NOT_SHOWN, "A stored exam keeps no patient, institution and operator; the sheet says so."
    if missing:
        return Verdict.NOT_SHOWN, f"Not in the file: {', '.join(missing)}. The sheet says so."
    return Verdict.PASS, "The file gives every factor."


def _check_one_to_one(view: View) -> _Result:
    return Verdict.BROWSER_ONLY, f"{view.columns} × {view.rows} pixels."


def _check_partial(view: View) -> _Result:
    if not view.partial:
        return Verdict.NOT_SHOWN, "The file does not say that it is a partial view."
    if view.partial == UNKNOWN:
        return Verdict.FAIL, "It is a partial view, but PartialViewCodeSequence does not name the part."
    return Verdict.PASS, f"Recognised as a partial view: {view.partial}."


def _check_codes(view: View) -> _Result:
    side, projection = view.sources.get("laterality"), view.sources.get("projection")
    if asked := next((question.text for question in view.questions if question.key == "view"), ""):
        return Verdict.FAIL, f"The reader is asked: {asked}"
    if side is None or projection is None:
        return Verdict.FAIL, "The file gives no code for side and view."
    if "you" in (side.source, projection.source):
        return Verdict.NOT_SHOWN, "The reader said which view it is."
    other = [
        f"the {fact} comes from {source.source}{', a guess that is marked' if source.guessed else ''}"
        for fact, source, coded in (("side", side, _CODED_SIDES), ("view", projection, ("ViewCodeSequence",)))
        if source.source not in coded
    ]
    if other:
        return Verdict.FAIL, f"A code is missing: {' and '.join(other)}."
    conflicts = [mark.text for mark in view.marks if mark.code in ("view-conflict", "laterality-conflict")]
    return Verdict.PASS, " ".join([f"Hangs by {side.source} and {projection.source}.", *conflicts])


_CHECKS: dict[int, Callable[[View], _Result]] = {
    1: _check_windows,
    2: _check_functions,
    3: _check_table_data,
    4: _check_orientation,
    6: _check_true_size,
    7: _check_air,
    8: _check_technique,
    9: _check_one_to_one,
    10: _check_partial,
    11: _check_codes,
}
