"""The findings of a reading: a table with where each lies, and an editor drawn from the lexicon."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.edit import add_finding, describe_finding
from mvmlm.reading.form import FINDING_FIELDS
from mvmlm.reading.location import FindingLocation, locate_finding
from mvmlm.reading.reading import MarkedFinding, Reading
from mvmlm.report.lexicon import KINDS

from ..markup import text

if TYPE_CHECKING:
    from .visit import Visit

NEW = {f"new: {side.word} {kind}": (side, kind) for side in Laterality for kind in KINDS}
UNSAID = "–"


class Editor(NamedTuple):
    """The components. fields: in the order of FINDING_FIELDS."""

    which: gr.Dropdown
    fields: list[gr.components.Component]
    take: gr.Button


def finding_editor() -> Editor:
    """Lays the editor out; its fields show themselves with the finding that is chosen."""
    which = gr.Dropdown(list(NEW), value=None, label="Describe a finding", elem_id="which-finding", interactive=True)
    with gr.Row():
        fields = [_question(one) for one in FINDING_FIELDS]
    take = gr.Button(
        "Take over where it lies, as worked out from its marks", size="sm", visible=False, elem_id="take-site"
    )
    return Editor(which, fields, take)


def _question(one) -> gr.components.Component:
    look = {"label": one.title, "visible": False, "elem_id": f"f-{one.name}", "interactive": True, "min_width": 150}
    if one.many:
        return gr.CheckboxGroup(list(one.choices), **look)
    if one.choices:
        return gr.Dropdown([(UNSAID, ""), *((word, word) for word in one.choices)], value="", **look)
    return gr.Number(None, precision=0, minimum=1, maximum=299, **look)


# ------------------------------------------------------------------ what is shown


def sites(visit: Visit) -> dict[int, FindingLocation]:
    """Where each marked finding of the reading lies."""
    found = {}
    for number, finding in (visit.reading.reading.findings if visit.reading else {}).items():
        site = locate_finding(finding.marks, visit.exam, visit.nipples) if visit.exam else None
        if site is not None:
            found[number] = site
    return found


def choices(reading: Reading) -> list[tuple[str, object]]:
    """What can be described: the findings by number, then new ones."""
    known = [
        (f"{number}: {f.laterality.word} {f.label} ({_views(f)})", number)
        for number, f in reading.findings.items()
        if f.label in KINDS
    ]
    return known + [(name, name) for name in NEW]


def _views(finding: MarkedFinding) -> str:
    return ", ".join(dict.fromkeys(str(mark.view).replace("_", " ") for mark in finding.marks)) or "not marked"


def findings_table(reading: Reading, where: dict[int, FindingLocation]) -> str:
    """Each finding with its number, side, name, views, descriptors, and where its marks put it."""
    rows = "".join(
        f"<tr><td>{number}</td><td>{text(f.laterality.word)}</td><td>{text(f.label)}</td><td>{text(_views(f))}</td>"
        f"<td>{text(_described(f))}</td><td>{text(str(where.get(number, '')))}</td></tr>"
        for number, f in reading.findings.items()
    )
    head = "<tr><th>#</th><th>breast</th><th>finding</th><th>marked on</th><th>described</th><th>worked out from the marks (estimate)</th></tr>"
    return (
        f'<table class="findings"><thead>{head}</thead><tbody>{rows}</tbody></table>'
        if rows
        else '<p class="none">Findings: draw a box, point or region on a view, or describe one below.</p>'
    )


def _described(finding: MarkedFinding) -> str:
    what = finding.to_json()["what"] or {}
    return ", ".join(
        f"{name.replace('_', ' ')} {', '.join(value) if isinstance(value, list | tuple) else value}"
        for name, value in what.items()
        if name != "kind"
    )


def shown(visit: Visit, number: object) -> tuple:
    """Updates for: which, the fields, take. number: the finding that is chosen."""
    kept = visit.reading
    if kept is None:
        return (
            gr.update(choices=list(NEW), value=None),
            *(gr.update(visible=False) for _ in FINDING_FIELDS),
            gr.update(visible=False),
        )
    finding = kept.reading.findings.get(number)
    open_ = not kept.signed
    updates = []
    for one in FINDING_FIELDS:
        value = getattr(finding.descriptors, one.name, None) if finding and finding.descriptors else None
        value = list(value or ()) if one.many else value if not one.choices else "" if value is None else str(value)
        updates.append(gr.update(value=value, visible=bool(finding) and finding.label in one.kinds, interactive=open_))
    options = choices(kept.reading) if open_ else [pair for pair in choices(kept.reading) if isinstance(pair[1], int)]
    return (
        gr.update(choices=options, value=number if finding else None),
        *updates,
        gr.update(visible=open_ and number in sites(visit)),
    )


# ------------------------------------------------------------------ what the reader does; -> the reading, the finding chosen, what to say


def choose(reading: Reading, chosen: object) -> tuple[Reading, int | None]:
    """A finding, or a new one without a mark."""
    if chosen in NEW:
        return add_finding(reading, *NEW[chosen])
    return reading, chosen if chosen in reading.findings else None


def describe(reading: Reading, number: object, values: Sequence[object]) -> Reading:
    """The editor's values into the reading. Raises KeyError, ValueError."""
    return describe_finding(reading, number, dict(zip((one.name for one in FINDING_FIELDS), values, strict=True)))


def take_site(visit: Visit, number: object) -> Reading:
    """The worked-out place, clock position and depth become the reader's own words. Raises KeyError where there are none."""
    reading, site = visit.reading.reading, sites(visit)[number]
    what = reading.findings[number].descriptors
    said = {one.name: getattr(what, one.name, None) for one in FINDING_FIELDS}
    return describe_finding(
        reading,
        number,
        said | {name: value for name, value in site._asdict().items() if name in said and value is not None},
    )
