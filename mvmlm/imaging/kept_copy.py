"""A copy of a view that counts as kept only after it was read back and compared with the view."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..exam import Exam, Spacing, View, Window
from .deidentification import Dates, TextLook, copied_date
from .dicom_header import read_dicom_header
from .dicom_pixels import read_dicom_pixels
from .limits import Unusable
from .load import make_view
from .phantom_files import is_phantom_view
from .view_grey import with_fitting_grey
from .voi import render
from .write import NotRepresentable, write_view


def with_copied_dates(exam: Exam, dates: Dates, shift_days: int) -> Exam:
    """Return the exam with the dates that its copies hold."""

    def changed(view: View) -> View:
        date = copied_date(view.acquisition.date, dates, shift_days)
        return replace(view, acquisition=replace(view.acquisition, date=date))

    return replace(exam, views={name: changed(view) for name, view in exam.views.items()})


def write_copy(
    view: View, path: Path, patient: str, study: str, dates: Dates = Dates.KEEP, text: TextLook = TextLook()
) -> None:
    """Write a view, read the file back and compare. patient, study: pseudonyms, from which all UIDs follow.

    text: what was done about text in its pixels.

    Raises NotRepresentable, without leaving a file, where the copy would be another picture.
    """
    try:
        write_view(view, path, patient, study, dates, text)
        copy = make_view(read_dicom_header(str(path)), path.name, read_dicom_pixels(str(path)))
        found = ", ".join(differences(view, copy))
        if found:
            raise NotRepresentable(f"a copy would differ from its file ({found}); store it without a copy")
    except Unusable as error:
        path.unlink(missing_ok=True)
        raise NotRepresentable(f"its copy could not be read back: {error}") from None
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def differences(view: View, copy: View) -> Iterator[str]:
    """Yield what of a view is another in its copy, in words for the reader; nothing for a true copy.

    Not compared: the names of windows, which a copy leaves out, and the sources of facts.
    """
    if not np.array_equal(view.pixels, copy.pixels):
        yield "values"
    elif not np.array_equal(render(with_fitting_grey(view)), render(copy)):
        yield "grey levels"
    if view.windows and not _same_windows(view.windows, copy.windows):
        yield "windows"
    if not _same_spacing(view.spacing, copy.spacing):
        yield "spacing"
    for fact, ours, theirs in (
        ("view", view.name, copy.name),
        ("orientation", (view.chest_wall_left, view.head_up), (copy.chest_wall_left, copy.head_up)),
        ("padding", view.padding, copy.padding),
        ("inversion", view.inverted, copy.inverted),
        ("for processing", view.for_processing, copy.for_processing),
        ("implant", view.implant, copy.implant),
        ("partial view", view.partial, copy.partial),
        ("lossy", view.lossy, copy.lossy),
        ("text in the picture", view.burned_in, copy.burned_in),
        ("phantom", is_phantom_view(view), is_phantom_view(copy)),
        ("technique", view.acquisition, copy.acquisition),
    ):
        if ours != theirs:
            yield fact


def _same_spacing(ours: Spacing | None, theirs: Spacing | None) -> bool:
    """Whether two spacings are equal but for the 16 characters of a number in DICOM."""
    if ours is None or theirs is None:
        return ours is theirs
    return ours.kind is theirs.kind and all(
        math.isclose(a, b, rel_tol=1e-9) for a, b in ((ours.row_mm, theirs.row_mm), (ours.column_mm, theirs.column_mm))
    )


def _same_windows(ours: tuple[Window, ...], theirs: tuple[Window, ...]) -> bool:
    def facts(window: Window) -> tuple[object, ...]:
        table = None if window.table is None else window.table.tobytes()
        return window.function, window.center, window.width, window.first, table

    return [facts(window) for window in ours] == [facts(window) for window in theirs]
