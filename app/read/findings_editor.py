"""The findings: a numbered list with the location of each, and an editor made from the lexicon's descriptors."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import gradio as gr
from gradio.components import Component

from mvmlm.exam import Laterality
from mvmlm.reading import edit
from mvmlm.reading.form import FINDING_FIELDS, FindingField
from mvmlm.reading.location import FindingLocation, locate_finding
from mvmlm.reading.reading import MARK_LABELS, MarkedFinding, Reading
from mvmlm.report.lexicon import KINDS

from ..markup import template
from .visit import Visit

NEW_FINDINGS = {f"new: {side.word} {kind}": (side, kind) for side in Laterality for kind in KINDS}
UNANSWERED = "–"
KIND = "kind"  # what the editor's first field sets

#: what is chosen in the editor: the number of a finding, a key of NEW_FINDINGS, or nothing
Choice = int | str | None


class FindingsEditor(NamedTuple):
    """The components of the editor. fields: in the order of FINDING_FIELDS. shown: the finding that they describe."""

    finding: gr.Dropdown
    kind: gr.Dropdown
    fields: list[Component]
    use_location: gr.Button
    shown: gr.Textbox

    @property
    def outputs(self) -> list[Component]:
        """The components that `editor_updates` updates, in its order."""
        return [self.finding, *self.answers, self.use_location, self.shown]

    @property
    def answers(self) -> list[Component]:
        """The components that describe the finding: its kind, then the fields."""
        return [self.kind, *self.fields]


def lay_out_editor() -> FindingsEditor:
    """Lay the editor out; its fields become visible with the finding that is chosen."""
    finding = gr.Dropdown(
        list(NEW_FINDINGS),
        value=None,
        label="Describe a finding, or add one without a mark",
        elem_id="which-finding",
        interactive=True,
    )
    with gr.Row(elem_id="descriptors"):
        kind = gr.Dropdown(
            list(MARK_LABELS), label="Kind", visible=False, elem_id=f"f-{KIND}", interactive=True, min_width=150
        )
        fields = [_field(field) for field in FINDING_FIELDS]
    use_location = gr.Button("Use the estimated location", size="sm", visible=False, elem_id="take-site")
    return FindingsEditor(finding, kind, fields, use_location, gr.Textbox(visible="hidden", elem_id="shown-finding"))


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
        label=field.title,
        max_lines=1,
        visible=False,
        elem_id=name,
        elem_classes=["typed"],
        interactive=True,
        min_width=150,
        max_length=10,
    )


def finding_locations(visit: Visit) -> dict[int, FindingLocation]:
    """Return the estimated location of each finding that has marks on a view with a known nipple."""
    locations = {}
    for number, finding in visit.reading.findings.items():
        location = locate_finding(finding.marks, visit.exam, visit.nipples) if visit.exam else None
        if location is not None:
            locations[number] = location
    return locations


def finding_choices(reading: Reading) -> list[tuple[str, int | str]]:
    """Return (label, value) of what can be described: the findings by number, then new ones."""
    known: list[tuple[str, int | str]] = [
        (f"{number}: {f.laterality.word}, {kind_word(f)}", number) for number, f in reading.findings.items()
    ]
    return known + [(name, name) for name in NEW_FINDINGS]


_LIST = template("""\
{% for side, findings in breasts.items() %}
<h4>{{ side.word|capitalize }} breast</h4>
{% if not findings %}<p class="none">no finding marked</p>{% endif %}
<ol>
{% for number, finding in findings.items() %}
<li class="finding{{ " chosen" if number == chosen else "" }}" data-number="{{ number }}">
<button type="button" data-do="jump" data-finding="{{ number }}" title="show it in every view in which it is marked">
<b>{{ number }}</b> <span>{{ kind(finding) }}</span></button>
{% if described(finding) %}<div class="words">{{ described(finding) }}</div>{% endif %}
<div class="views">{% for view in views(finding) %}<span>{{ view }}
{% if draft and views(finding)|length > 1 %}<button type="button" data-do="unlink" data-finding="{{ number }}" \
data-view="{{ view.replace(" ", "_") }}" title="a finding of its own in {{ view }}">unlink</button>{% endif %}</span>
{% else %}<span>not marked</span>{% endfor %}</div>
{% if number in locations %}<div class="estimated">estimated: {{ locations[number] }}</div>{% endif %}
{% if draft %}<div class="edits">
{% if findings|length > 1 %}<span>same finding as {% for other in findings if other != number %}<button type="button" \
data-do="link" data-finding="{{ number }}" data-into="{{ other }}">{{ other }}</button> {% endfor %}</span>{% endif %}
<button type="button" data-do="delete" data-finding="{{ number }}">delete</button></div>{% endif %}
</li>
{% endfor %}
</ol>
{% endfor %}
{% if hint %}<p class="none">Draw a box, region or point on a view (keys b, d, x), or add one below.</p>{% endif %}
""")


def findings_list(visit: Visit) -> str:
    """Return the findings as HTML, numbered, by breast: kind, descriptors, views, estimated location, what can be done.

    Its buttons are of the viewer: it shows a finding at its marks and raises the event `edited`.
    """
    findings = visit.reading.findings
    return _LIST.render(
        breasts={side: {n: f for n, f in findings.items() if f.laterality is side} for side in Laterality},
        locations=finding_locations(visit),
        chosen=visit.selected_finding,
        draft=not visit.locked,
        hint=not findings and not visit.locked,
        views=marked_views,
        described=_descriptors,
        kind=kind_word,
    )


def kind_word(finding: MarkedFinding) -> str:
    """Return the kind of a finding as the reader reads it."""
    return finding.label if finding.label in KINDS else "no BI-RADS kind"


def marked_views(finding: MarkedFinding) -> list[str]:
    """Return the views on which a finding is marked, as `R CC`."""
    return list(dict.fromkeys(str(mark.view).replace("_", " ") for mark in finding.marks))


def _descriptors(finding: MarkedFinding) -> str:
    """The descriptors as words; the name of the field stands with those that say nothing alone."""
    words = {
        name: f"{_NAMED[name].format(text)}" if name in _NAMED else text for name, text in finding.described().items()
    }
    if finding.label == "asymmetry" and words.get("asymmetry") == "asymmetry":
        del words["asymmetry"]
    return ", ".join(words.values())


_NAMED = {
    "shape": "{} shape",
    "margin": "{} margin",
    "mass_density": "{} density",
    "distribution": "{} distribution",
    "size_mm": "{} mm",
    "clock": "{} o’clock",
    "depth": "{} depth",
    "birads": "BI-RADS {}",
    "subtlety": "subtlety {}",
}


def editor_updates(visit: Visit, number: int | None, only: Collection[object] | None = None) -> tuple[Any, ...]:
    """Return updates for `FindingsEditor.outputs`.

    number: the finding that is selected. only: the names of the fields to set anew among others (None: all).
    """
    reading, draft = visit.reading, not visit.locked
    finding = reading.findings.get(number) if number is not None else None
    options = finding_choices(reading)
    if not draft:
        options = [(label, value) for label, value in options if isinstance(value, int)]
    return (
        gr.update(choices=options, value=number if finding else None),
        gr.update(value=finding.label if finding else None, visible=finding is not None, interactive=draft)
        if only is None or KIND in only
        else gr.skip(),
        *(
            _field_update(field, finding, draft) if only is None or field.name in only else gr.skip()
            for field in FINDING_FIELDS
        ),
        gr.update(
            visible=draft and number in finding_locations(visit) and finding is not None and finding.label in KINDS
        ),
        str(number) if finding else "",
    )


def _field_update(field: FindingField, finding: MarkedFinding | None, draft: bool) -> Any:
    value = finding.value(field.name) if finding else None
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
    if not isinstance(choice, int) or choice not in locations:
        raise KeyError(choice)
    reading = visit.reading
    descriptors = reading.findings[choice].descriptors
    values = {field.name: getattr(descriptors, field.name, None) for field in FINDING_FIELDS}
    estimated = {name: value for name, value in locations[choice]._asdict().items() if name in values}
    return edit.describe_finding(
        reading, choice, values | {name: value for name, value in estimated.items() if value is not None}
    )
