"""The Opinion page of the panel: who reads, the opinion on the exam, and then the details of each breast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.form import FormField
from mvmlm.reading.opinion import (
    ASSESSMENT,
    BREAST_OPINION,
    REPEATED,
    Opinion,
    ReadingScale,
    opinion_of,
    repeat_field,
)
from mvmlm.store.records import Read

from ..markup import template

#: each opinion with what its button says; the key is the one that `viewer/src/keys.js` listens to
OPINION_BUTTONS = {
    Opinion.NORMAL: "Normal (N)",
    Opinion.TECHNICAL_RECALL: "Technical recall (T)",
    Opinion.RECALL: "Recall (R)",
}
SCREENING, DIAGNOSTIC = ReadingScale.SCREENING.value, ReadingScale.DIAGNOSTIC.value
REPEATS = tuple(repeat_field(projection) for projection in REPEATED)

#: a question: the breast (None: the exam) and the name of its field
Question = tuple[Laterality | None, str]


class ReaderBox(NamedTuple):
    """Who reads, how, and the buttons by which a read is started.

    scale: a value of ReadingScale. named: the files' patient IDs are pseudonyms. authors: who arbitrates with the
    reader. with_arbitration: shown where two final reads of the exam disagree.
    """

    reader: gr.Textbox
    scale: gr.Radio
    start: gr.Button
    named: gr.Checkbox
    with_arbitration: gr.Group
    authors: gr.Textbox
    arbitrate: gr.Button


class OpinionBox(NamedTuple):
    """The opinion on the exam. buttons: in the order of Opinion. state: what the page shows of it."""

    buttons: list[gr.Button]
    state: gr.HTML


class ArbitrationBox(NamedTuple):
    """The two reads in an arbitration: hidden until they are asked for, then side by side, differences first."""

    group: gr.Group
    show: gr.Button
    reads: gr.HTML
    take_first: gr.Button
    take_second: gr.Button


def lay_out_reader() -> ReaderBox:
    """Lay out who reads, and the start of a read."""
    with gr.Row():
        reader = gr.Textbox(label="Reader (name or initials)", max_lines=1, elem_id="reader")
        scale = gr.Radio(
            [("Screening", SCREENING), ("Diagnostic", DIAGNOSTIC)],
            value=SCREENING,
            label="Opinion",
            elem_id="scale",
            elem_classes=["question"],
        )
    start = gr.Button("Save this exam and start my read", size="sm", elem_id="start-reading")
    named = gr.Checkbox(False, label="IDs in these files are pseudonyms: the worklist may show them", elem_id="named")
    with gr.Group(visible=False, elem_id="arbitration-start") as with_arbitration:
        gr.Markdown("Two final reads of this exam disagree.")
        authors = gr.Textbox(label="Others who decide with me", placeholder="AB, CD", max_lines=1, elem_id="authors")
        arbitrate = gr.Button("Arbitrate", size="sm", elem_id="arbitrate")
    return ReaderBox(reader, scale, start, named, with_arbitration, authors, arbitrate)


def lay_out_opinion() -> OpinionBox:
    """Lay out the buttons of the opinion on the exam."""
    with gr.Row(elem_id="opinions"):
        buttons = [
            gr.Button(words, size="sm", elem_id=f"opinion-{opinion.name.lower().replace('_', '-')}")
            for opinion, words in OPINION_BUTTONS.items()
        ]
    return OpinionBox(buttons, gr.HTML(elem_id="opinion-state"))


def lay_out_arbitration() -> ArbitrationBox:
    """Lay out the two reads that are arbitrated."""
    with gr.Group(visible=False, elem_id="both-reads") as group:
        show = gr.Button("Show both reads (Shift+B)", size="sm", elem_id="show-both")
        reads = gr.HTML(elem_id="two-reads")
        with gr.Row():
            first = gr.Button("Take A", size="sm", visible=False, elem_id="take-a")
            second = gr.Button("Take B", size="sm", visible=False, elem_id="take-b")
    return ArbitrationBox(group, show, reads, first, second)


def opinion_groups(fields: Sequence[FormField]) -> dict[str, list[FormField]]:
    """Return the questions of the Opinion page by the group that they are laid out in, by element id.

    `room.css` shows the groups of repeats, breasts and assessments only where the opinion asks for them.
    """
    groups = {"repeats": REPEATS, "breast-opinions": (BREAST_OPINION,), "assessments": (ASSESSMENT,)}
    known = {name for names in groups.values() for name in names}
    laid_out = {group: [field for field in fields if field.name in names] for group, names in groups.items()}
    return laid_out | {"details": [field for field in fields if field.name not in known]}


_STATE = template('<div class="opinion{% if opinion %} {{ opinion }}{% endif %}"></div>')


def opinion_updates(read: Read | None) -> list[Any]:
    """Return updates for the buttons of the opinion, then for its state."""
    given = opinion_of(read.reading) if read else None
    open_ = read is None or not read.signed
    buttons = [
        gr.update(variant="primary" if opinion is given else "secondary", interactive=open_)
        for opinion in OPINION_BUTTONS
    ]
    return [*buttons, _STATE.render(opinion=given.name.lower().replace("_", "-") if given else "")]


_BOTH = template("""\
<table class="findings both"><thead><tr><th></th><th>A: {{ a.reader }}<small>{{ kinds[a.kind] }}</small></th>
<th>B: {{ b.reader }}<small>{{ kinds[b.kind] }}</small></th></tr></thead><tbody>
{% for title, one, other, differ in rows %}
<tr{% if differ %} class="apart"{% endif %}><th>{{ title }}</th><td>{{ one }}</td><td>{{ other }}</td></tr>
{% endfor %}
</tbody></table>
""")


def two_reads_html(pair: tuple[Read, Read], answers: Mapping[str, tuple[str, str]], kinds: Mapping[Any, str]) -> str:
    """Return two reads side by side as HTML, what differs first.

    answers: title -> what A and B state, in the form's order; "" for nothing. kinds: the words for the kinds of reads.
    """
    rows = [(title, one, other, one != other) for title, (one, other) in answers.items() if one or other]
    rows.sort(key=lambda row: not row[3])
    return _BOTH.render(a=pair[0], b=pair[1], rows=rows, kinds=kinds)
