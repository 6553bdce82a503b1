"""The report of the open read as text, made from the form."""

from __future__ import annotations

from mvmlm.reading.report_content import content_of
from mvmlm.report.template import write_template
from mvmlm.store.store import Store

from .findings_editor import finding_locations
from .visit import Visit


def report_of(store: Store, visit: Visit, title: str) -> str:
    """Return the report of a visit's read; "" without one. title: the kind of the read."""
    read = visit.read
    if read is None or visit.exam is None:
        return ""
    state = f"signed {read.signed[:16].replace('T', ' ')} UTC" if read.signed else "draft, not signed"
    name = store.exams.get(read.exam).name
    signature = f"Reader: {read.reader}, {title}, {state}."
    return write_template(content_of(read.reading, visit.exam, finding_locations(visit), name, signature))
