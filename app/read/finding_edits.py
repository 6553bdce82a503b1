"""Changes of findings: marks drawn in the viewer, and what is asked or done at a mark, in the list and in the editor.

Each function takes a visit and returns the visit after the change, with a message for the reader ("": all went well).
Without a read the findings last as long as the visit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from mvmlm.exam import ViewName
from mvmlm.reading.edit import add_finding, set_descriptor
from mvmlm.reading.marking import delete_finding, link_findings, name_finding, unlink_view
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Reading
from mvmlm.store.store import Store

from ..viewer.marks import DrawnMarks
from .findings_editor import NEW_FINDINGS, Choice
from .read_changes import save_reading
from .visit import Visit, drawn_reading, reported_change, shows_pixels

NO_FINDING = "Choose a finding first."
GONE = "This finding is gone. Choose another one."
REDRAWN = "The pictures show what is stored; draw again to change it."
NOT_SAVED_YET = "Not saved yet: {} until the exam is closed, unless you save the exam and start a read."


def draw_marks(store: Store, visit: Visit, sent: object) -> tuple[Visit, str, DrawnMarks]:
    """Save what was drawn, moved or deleted in the viewer; also return the marks on screen.

    sent: of the viewer's event `marked`.
    """
    visit = replace(visit, marks_change=reported_change(sent, visit))
    try:
        reading, drawn = drawn_reading(sent, visit)
    except Conflict as error:
        return visit, f"Not saved: {error}. {REDRAWN}", {}
    except ValueError as error:
        return visit, f"The marks were not saved: {error}. Open the exam again.", {}
    new = [number for number in reading.findings if number not in visit.reading.findings]
    after, message = save_reading(store, visit, reading)
    if new and not message:
        after = replace(after, selected_finding=_number_of(after, reading, new[-1]))
    return after, message, drawn


def lasting(visit: Visit) -> str:
    """Return how long findings without a read last; nothing where there are none, or a read keeps them."""
    number = len(visit.unsaved.findings)
    return NOT_SAVED_YET.format("the finding lasts" if number == 1 else f"{number} findings last") if number else ""


def _number_of(visit: Visit, reading: Reading, number: int) -> int | None:
    """The number that finding `number` of `reading` has now: another tab may have given it to a finding of its own."""
    findings, wanted = visit.reading.findings, reading.findings[number]
    if findings.get(number) == wanted:
        return number
    return max((n for n, finding in findings.items() if finding == wanted), default=None)


def select_finding(store: Store, visit: Visit, choice: Choice) -> tuple[Visit, str]:
    """Show a finding in the editor; a key of NEW_FINDINGS adds an unmarked finding first."""
    if isinstance(choice, int) or visit.locked or choice not in NEW_FINDINGS:
        known = isinstance(choice, int) and choice in visit.reading.findings
        return replace(visit, selected_finding=choice if known and isinstance(choice, int) else None), ""
    reading, number = add_finding(visit.reading, *NEW_FINDINGS[choice])
    after, message = save_reading(store, visit, reading)
    return replace(after, selected_finding=None if message else _number_of(after, reading, number)), message


def choose_finding(visit: Visit, sent: object) -> Visit:
    """Show the finding that was chosen at its mark or in the list in the editor. sent: of the viewer's `chosen`."""
    number = _whole(sent.get("finding")) if isinstance(sent, dict) and shows_pixels(sent, visit) else 0
    return replace(visit, selected_finding=number) if number in visit.reading.findings else visit


def edit_finding(store: Store, visit: Visit, number: int | None, edit: Callable[[], Reading]) -> tuple[Visit, str]:
    """Save the reading that `edit` returns; finding `number` stays selected in the editor.

    A KeyError of `edit` means that the finding is gone, a ValueError that a value is not possible.
    """
    try:
        reading = edit()
    except KeyError:
        return replace(visit, selected_finding=None), GONE
    except ValueError as error:
        return visit, f"Not saved: {error}"
    return save_reading(store, replace(visit, selected_finding=number), reading)


def _whole(sent: object) -> int:
    """A number of a finding that was sent; 0, which no finding has, for anything else."""
    return sent if type(sent) is int else 0


#: what the viewer can do with a finding: the name of the edit -> the reading after it
_EDITS: Mapping[str, Callable[[Reading, int, Mapping[str, Any]], Reading]] = {
    "name": lambda reading, number, sent: name_finding(reading, number, str(sent.get("value"))),
    "describe": lambda reading, number, sent: set_descriptor(
        reading, number, str(sent.get("field")), str(sent.get("value") or "")
    ),
    "link": lambda reading, number, sent: link_findings(reading, number, _whole(sent.get("into"))),
    "unlink": lambda reading, number, sent: unlink_view(reading, number, ViewName.parse(str(sent.get("view")))),
    "delete": lambda reading, number, sent: delete_finding(reading, number),
}


def edit_at_mark(store: Store, visit: Visit, sent: object) -> tuple[Visit, str]:
    """Save what was answered at a mark, or done in the list of findings. sent: of the viewer's event `edited`.

    A late message of another exam changes nothing.
    """
    if not isinstance(sent, dict) or not shows_pixels(sent, visit):
        return visit, ""
    what, number = str(sent.get("do")), _whole(sent.get("finding"))
    edit = _EDITS.get(what)
    if edit is None:
        return visit, NO_FINDING
    shown = {"link": _whole(sent.get("into")), "delete": None}.get(what, number)
    return edit_finding(store, visit, shown, lambda: edit(visit.reading, number, sent))
