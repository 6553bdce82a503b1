"""The findings of a read: a table with the location of each, and an editor made from the lexicon's descriptors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.exam import Laterality
from mvmlm.reading import edit
from mvmlm.reading.form import FINDING_FIELDS, FindingField
from mvmlm.reading.location import FindingLocation, locate_finding
from mvmlm.reading.reading import MarkedFinding, Reading
from mvmlm.report.lexicon import KINDS

from ..markup import template
from .visit import Visit

NEW_FINDINGS = {f"new: {side.word} {kind}": (side, kind) for side in Laterality for kind in KINDS}
UNANSWERED = "–"

#: what is chosen in the editor: the number of a finding, a key of NEW_FINDINGS, or nothing
Choice = int | str | None


class FindingsEditor(NamedTuple):
    """The components of the editor. fields: in the order of FINDING_FIELDS. shown: the finding that they describe."""

    finding: gr.Dropdown
    fields: list[Component]
    use_location: gr.Button
    shown: gr.Textbox

    @property
    def outputs(self) -> list[Component]:
        """The components that `editor_updates` updates, in its order."""
        return [self.finding, *self.fields, self.use_location, self.shown]


def lay_out_editor() -> FindingsEditor:
    """Lay the editor out; its fields become visible with the finding that is chosen."""
    finding = gr.Dropdown(
        list(NEW_FINDINGS), value=None, label="Describe a finding", elem_id="which-finding", interactive=True
    )
    with gr.Row():
        fields = [_field(field) for field in FINDING_FIELDS]
    use_location = gr.Button(
        "Use the location that is estimated from its marks", size="sm", visible=False, elem_id="take-site"
    )
    return FindingsEditor(finding, fields, use_location, gr.Textbox(visible="hidden", elem_id="shown-finding"))


def _field(field: FindingField) -> Component:
    name = f"f-{field.name}"
    if field.many:
        return gr.CheckboxGroup(
            list(field.choices), label=field.title, visible=False, elem_id=name, interactive=True, min_width=150
        )
    if field.choices:
        return gr.Dropdown(
            [(UNANSWERED, ""), *((word, word) for word in field.choices)],
            value="",
            label=field.title,
            visible=False,
            elem_id=name,
            interactive=True,
            min_width=150,
        )
    # not gr.Number: what cannot be read there becomes a number of its own choosing
    return gr.Textbox(
        label=field.title, max_lines=1, visible=False, elem_id=name, interactive=True, min_width=150, max_length=10
    )


def finding_locations(visit: Visit) -> dict[int, FindingLocation]:
    """Return the estimated location of each finding of the read that has marks on a view with a known nipple."""
    locations = {}
    for number, finding in (visit.read.reading.findings if visit.read else {}).items():
        location = locate_finding(finding.marks, visit.exam, visit.nipples) if visit.exam else None
        if location is not None:
            locations[number] = location
    return locations


def finding_choices(reading: Reading) -> list[tuple[str, int | str]]:
    """Return (label, value) of what can be described: the findings by number, then new ones."""
    known: list[tuple[str, int | str]] = [
        (f"{number}: {f.laterality.word} {f.label} ({_views(f)})", number)
        for number, f in reading.findings.items()
        if f.label in KINDS
    ]
    return known + [(name, name) for name in NEW_FINDINGS]


def _views(finding: MarkedFinding) -> str:
    return ", ".join(dict.fromkeys(str(mark.view).replace("_", " ") for mark in finding.marks)) or "not marked"


_TABLE = template("""\
{% if findings %}
<table class="findings"><thead><tr><th>#</th><th>breast</th><th>finding</th><th>marked on</th><th>described</th>
<th>location estimated from its marks</th></tr></thead><tbody>
{% for number, finding in findings.items() %}
<tr><td>{{ number }}</td><td>{{ finding.laterality.word }}</td><td>{{ finding.label }}</td><td>{{ views(finding) }}</td>
<td>{{ descriptors(finding) }}</td><td>{{ locations.get(number, "") }}</td></tr>
{% endfor %}
</tbody></table>
{% else %}
<p class="none">Findings: draw a box, point or region on a view, or describe one below.</p>
{% endif %}
""")


def findings_table(reading: Reading, locations: dict[int, FindingLocation]) -> str:
    """Return the table of findings as HTML: number, side, name, views, descriptors, estimated location."""
    return _TABLE.render(findings=reading.findings, locations=locations, views=_views, descriptors=_descriptors)


def _descriptors(finding: MarkedFinding) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in finding.described().items())


def editor_updates(visit: Visit, number: int | None, only: Collection[object] | None = None) -> tuple[Any, ...]:
    """Return updates for `FindingsEditor.outputs`.

    number: the finding that is selected. only: the names of the fields to set anew among others (None: all).
    """
    if visit.read is None:
        return (
            gr.update(choices=list(NEW_FINDINGS), value=None),
            *(gr.update(visible=False) for _ in FINDING_FIELDS),
            gr.update(visible=False),
            "",
        )
    reading, draft = visit.read.reading, not visit.read.signed
    finding = reading.findings.get(number) if number is not None else None
    options = finding_choices(reading)
    if not draft:
        options = [(label, value) for label, value in options if isinstance(value, int)]
    return (
        gr.update(choices=options, value=number if finding else None),
        *(
            _field_update(field, finding, draft) if only is None or field.name in only else gr.skip()
            for field in FINDING_FIELDS
        ),
        gr.update(visible=draft and number in finding_locations(visit)),
        str(number) if finding else "",
    )


def _field_update(field: FindingField, finding: MarkedFinding | None, draft: bool) -> Any:
    value = getattr(finding.descriptors, field.name, None) if finding and finding.descriptors else None
    if field.many:
        value = list(value or ())
    else:
        value = "" if value is None else str(value)
    return gr.update(value=value, visible=finding is not None and finding.label in field.kinds, interactive=draft)


def use_location(visit: Visit, choice: Choice) -> Reading:
    """Return the reading with the estimated place, clock position and depth as the reader's own description.

    Raises KeyError where the finding is gone or its location is not known.
    """
    locations = finding_locations(visit)
    if visit.read is None or not isinstance(choice, int) or choice not in locations:
        raise KeyError(choice)
    reading = visit.read.reading
    descriptors = reading.findings[choice].descriptors
    values = {field.name: getattr(descriptors, field.name, None) for field in FINDING_FIELDS}
    estimated = {name: value for name, value in locations[choice]._asdict().items() if name in values}
    return edit.describe_finding(
        reading, choice, values | {name: value for name, value in estimated.items() if value is not None}
    )
