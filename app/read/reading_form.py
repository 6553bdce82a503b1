"""The reading form: drawn from the tasks, saved at every answer, signed by its reader. The model waits until it is."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.edit import apply_marks, apply_report, to_findings
from mvmlm.reading.form import PRESENT, FormField, form_questions
from mvmlm.reading.labels import follow_up_years
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, Reading, ReadKind
from mvmlm.report.parser import parse_report
from mvmlm.report.writer import write_exam_report
from mvmlm.store.archive import add_open_exam
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.records import Read
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..markup import text
from . import findings_editor as findings
from .findings_editor import Editor, finding_editor

if TYPE_CHECKING:
    from .visit import Visit

UNSAID = "–"
UNDO = 30
INFORMED = " (the model’s answers were on show before it was signed, and that is kept with it)"
NOT_KEPT = "Keep the exam to write a reading. Keeping stores it, without names, in the data folder of this program."


class Form(NamedTuple):
    """The components, in the order of `values_of`."""

    reader: gr.Textbox
    named: gr.Checkbox
    start: gr.Button
    group: gr.Group
    fields: list[gr.components.Component]
    findings: gr.HTML
    editor: Editor
    link: gr.Textbox
    join: gr.Button
    status: gr.HTML
    sign: gr.Button
    undo: gr.Button
    second: gr.Button
    consensus: gr.Button
    side: gr.Radio
    report: gr.Textbox
    parse: gr.Button
    draft: gr.Textbox
    of_model: gr.Button
    model_draft: gr.Textbox
    others: gr.HTML


def keys_of(fields: Sequence[FormField]) -> list[tuple[Laterality | None, str]]:
    """The form's questions one by one: right breast, left breast, exam."""
    breast = [(side, f.name) for f in fields if f.level is Level.BREAST for side in Laterality]
    return breast + [(None, f.name) for f in fields if f.level is Level.EXAM]


def lay_out_form(store: Store) -> Form:
    """Lays the form out."""
    fields = form_questions(store.tasks)
    components: dict[tuple[Laterality | None, str], gr.components.Component] = {}
    with gr.Accordion("Your reading", open=True, elem_id="reading"):
        with gr.Row():
            reader = gr.Textbox(label="Reader (name or initials)", max_lines=1, elem_id="reader", scale=2)
            start = gr.Button("Keep this exam and start my reading", elem_id="start-reading", scale=3)
        named = gr.Checkbox(
            False, label="IDs in these files are pseudonyms: the worklist may show them", elem_id="named"
        )
        status = gr.HTML(f'<p class="none">{NOT_KEPT}</p>', elem_id="reading-status")
        with gr.Group(visible=False, elem_id="reading-form") as group:
            with gr.Row():
                for side in Laterality:
                    with gr.Column(min_width=200):
                        gr.Markdown(f"**{side.word.capitalize()} breast**")
                        for one in fields:
                            if one.level is Level.BREAST:
                                components[side, one.name] = _question(one, f"{side.value}-{one.name}")
            for one in fields:
                if one.level is Level.EXAM:
                    components[None, one.name] = _question(one, f"exam-{one.name}")
            table = gr.HTML(elem_id="findings")
            editor = finding_editor()
            with gr.Row():
                link = gr.Textbox(
                    label="One finding in two views: their numbers",
                    placeholder="1 2",
                    max_lines=1,
                    elem_id="link",
                    scale=3,
                )
                join = gr.Button("They are one finding", size="sm", elem_id="join", scale=2)
            with gr.Row():
                sign = gr.Button("Sign", variant="primary", elem_id="sign")
                undo = gr.Button("Undo", elem_id="undo")
                second = gr.Button("Second reading", visible=False, elem_id="second")
                consensus = gr.Button("Consensus", visible=False, elem_id="consensus")
        with gr.Accordion("Report: draft, or type one to fill the form", open=False, elem_id="report-box"):
            draft = gr.Textbox(
                label="Draft from the form (research use only)", interactive=False, lines=4, elem_id="draft"
            )
            of_model = gr.Button("Draft from the model’s answers", size="sm", elem_id="draft-model")
            model_draft = gr.Textbox(
                label="The model’s draft: what its heads find likelier than not; not a reading (research use only)",
                interactive=False,
                lines=4,
                visible=False,
                elem_id="model-draft",
            )
            side = gr.Radio(
                [s.word for s in Laterality], value="right", label="A typed report of the", elem_id="report-side"
            )
            report = gr.Textbox(
                label="breast",
                lines=3,
                placeholder="irregular mass with spiculated margins, 12 mm. BI-RADS 4B",
                elem_id="report",
            )
            parse = gr.Button("Fill the form from it", size="sm", elem_id="parse")
        others = gr.HTML(elem_id="other-readings")
    ordered = [components[key] for key in keys_of(fields)]
    return Form(
        reader,
        named,
        start,
        group,
        ordered,
        table,
        editor,
        link,
        join,
        status,
        sign,
        undo,
        second,
        consensus,
        side,
        report,
        parse,
        draft,
        of_model,
        model_draft,
        others,
    )


def _question(one: FormField, name: str) -> gr.components.Component:
    if not one.choices:
        return gr.Textbox(label=one.title, lines=2 if one.name == "note" else 1, elem_id=f"q-{name}")
    choices = [(UNSAID, ""), *((shown, stored) for shown, stored in one.choices)]
    return gr.Radio(choices, value="", label=one.title, elem_id=f"q-{name}", elem_classes=["question"])


# ------------------------------------------------------------------ handlers: plain functions


def start(store: Store, visit: Visit, reader: str, named: bool, kind: ReadKind = ReadKind.FIRST) -> tuple[Visit, str]:
    """Keeps the open exam where it is not kept yet, and starts the reader's reading, or goes on with it."""
    if visit.exam is None or not visit.exam.views:
        return visit, "Open an exam first."
    try:
        who = clean_reader(reader)
        kept = visit.kept or add_open_exam(store, visit.exam, visit.group, who, named)
        earlier = visit.reading
        reading = store.readings.start(kept, who, kind)
        stored = reading.reading
        if kind is ReadKind.AFTER and earlier and stored == Reading():  # a change of mind starts from what was said
            stored = store.readings.save(reading.id, Reading(), earlier.reading)
        elif visit.marks and not visit.reading and not reading.signed:
            stored = store.readings.save(reading.id, stored, apply_marks(stored, (*_marks(stored), *visit.marks)))
    except (StoreError, ValueError) as error:
        return visit, str(error)
    reading = store.readings.get(reading.id)
    return replace(
        visit,
        kept=kept,
        reading=reading,
        marks=_marks(stored),
        past=(),
        since=time.monotonic(),
        asked=visit.asked or bool(reading.signed),
    ), ""


def _marks(reading: Reading) -> tuple[Mark, ...]:
    return tuple(mark for finding in reading.findings.values() for mark in finding.marks)


def with_values(reading: Reading, values: Sequence[str | None], fields: Sequence[FormField]) -> Reading:
    """The reading with the form's values, in the order of `keys_of`; an empty one is not said."""
    said = {
        key: str(value).strip() for key, value in zip(keys_of(fields), values, strict=True) if str(value or "").strip()
    }
    return Reading(said, reading.findings)


def save(store: Store, visit: Visit, mine: Reading) -> tuple[Visit, str]:
    """Keeps `mine`; -> the visit with what is stored now, and what to tell the reader. A conflict keeps both on show and loses nothing."""
    kept: Read | None = visit.reading
    if kept is None or mine == kept.reading:
        return visit, ""
    try:
        seconds = min(time.monotonic() - visit.since, 600)
        stored = store.readings.save(kept.id, kept.reading, mine, seconds)
    except Conflict as error:
        fresh = store.readings.get(kept.id)
        return replace(
            visit, reading=fresh, marks=_marks(fresh.reading)
        ), f"Not saved. {error}. The form shows what is stored; say it again if you still mean it."
    except (StoreError, ValueError) as error:
        return visit, f"Not saved: {error}"
    past = (*visit.past, kept.reading)[-UNDO:]
    return replace(
        visit, reading=replace(kept, reading=stored), past=past, marks=_marks(stored), since=time.monotonic()
    ), ""


def undo(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Takes the last change back; it stays in the history."""
    if visit.reading is None or not visit.past:
        return visit, "Nothing to undo."
    *before, last = visit.past
    visit, said = save(store, visit, last)
    return (replace(visit, past=tuple(before)), said) if not said else (visit, said)


def sign(store: Store, visit: Visit) -> tuple[Visit, str]:
    """Stamps the reading; from then on the model may answer."""
    if visit.reading is None:
        return visit, "Start a reading first."
    try:
        signed = store.readings.sign(visit.reading.id)
    except StoreError as error:
        return visit, str(error)
    return replace(visit, reading=signed, asked=True), ""


def join(store: Store, visit: Visit, typed: str) -> tuple[Visit, str]:
    """`1 2`: the second finding becomes part of the first."""
    numbers = [int(part) for part in (typed or "").replace(",", " ").split() if part.isdecimal()]
    if visit.reading is None or len(numbers) != 2 or any(n not in visit.reading.reading.findings for n in numbers):
        return visit, "Type the numbers of two findings of one breast, as the list names them."
    reading = visit.reading.reading
    result = apply_marks(reading, _marks(reading), {numbers[1]: numbers[0]})
    if result == reading:
        return visit, "These findings lie in different breasts."
    return save(store, visit, result)


def parse(store: Store, visit: Visit, side: str, typed: str) -> tuple[Visit, str]:
    """A typed report of one breast into the form."""
    if visit.reading is None or not (typed or "").strip():
        return visit, "Start a reading and type a report first."
    laterality = next(one for one in Laterality if one.word == side)
    try:
        found = parse_report(typed)
    except ValueError as error:
        return visit, f"The report was not understood: {error}"
    return save(store, visit, apply_report(visit.reading.reading, {laterality: found}))


def edit_finding(store: Store, visit: Visit, number: object, change: Callable[[], Reading]) -> tuple[Visit, str]:
    """Saves what `change` makes of the reading; `number` stays the finding that the editor shows."""
    if visit.reading is None:
        return visit, "Start a reading first."
    try:
        mine = change()
    except KeyError:
        return replace(visit, described=None), "This finding is gone. Choose another one."
    except ValueError as error:
        return visit, f"Not saved: {error}"
    return save(store, replace(visit, described=number), mine)


# ------------------------------------------------------------------ what the page shows


def changed(before: Visit, after: Visit) -> set[tuple[Laterality | None, str]] | None:
    """The questions whose stored answer another event changed; None (all) where the reading itself is another one."""
    if before.reading is None or after.reading is None or before.reading.id != after.reading.id or after.reading.signed:
        return None
    old, new = before.reading.reading.fields, after.reading.reading.fields
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}


def shown(store: Store, visit: Visit, said: str = "", only: set | None = None) -> tuple:
    """Updates for: group, fields, findings, status, sign, undo, second, consensus, draft, others, the finding editor.

    only: the questions to set anew. The others are left as they are in the browser: the reader may just be answering them, and
    an answer on its way must not be wiped by an older one coming back.
    """
    fields = form_questions(store.tasks)
    kept = visit.reading
    if kept is None:
        words = said or ("" if visit.kept else NOT_KEPT)
        blank = [gr.update(value="", interactive=True) for _ in keys_of(fields)]
        return (
            gr.update(visible=False),
            *blank,
            "",
            _line(words),
            *(gr.update(visible=v) for v in (True, True, False, False)),
            "",
            "",
            *findings.shown(visit, None),
        )
    reading, open_ = kept.reading, not kept.signed
    values = [
        gr.update(value=reading.fields.get(key, ""), interactive=open_) if only is None or key in only else gr.skip()
        for key in keys_of(fields)
    ]
    about = f"{store.exams.get(kept.exam).name}, {kept.reader}, {kept.kind.value} reading{INFORMED if kept.informed else ''}"
    state = (
        f"signed {kept.signed[:16].replace('T', ' ')} UTC; it stays as it is"
        if kept.signed
        else f"draft, saved {datetime.now():%H:%M:%S}"
    )
    line = _line(f"{about}: {state}.") + (_line(said, "wrong") if said else "")
    line += "".join(_line(f"{wrong}.", "wrong") for wrong in reading.contradictions())
    if reading.answer("cancer") and follow_up_years(reading, store.exams.get(kept.exam).exam_date) is None:
        line += _line(
            "The outcome has no years, and its date is not after the exam's: training of risk cannot use it.", "wrong"
        )
    signed = [one for one in store.readings.of_exam(kept.exam) if one.signed]
    first_readers = {one.reader for one in signed if one.kind is ReadKind.FIRST}
    draft = write_exam_report(to_findings(reading), random.Random(0))
    return (
        gr.update(visible=True), *values, findings.findings_table(reading, findings.sites(visit)), line, gr.update(visible=open_), gr.update(visible=open_),
        gr.update(visible=bool(kept.signed) and kept.kind is ReadKind.FIRST),
        gr.update(visible=bool(kept.signed) and len(first_readers) > 1 and kept.kind is not ReadKind.CONSENSUS),
        draft, side_by_side(signed, fields) if kept.signed else "", *findings.shown(visit, visit.described),
    )  # fmt: skip


def _line(words: str, kind: str = "none") -> str:
    return f'<p class="{kind}">{text(words)}</p>' if words else ""


def side_by_side(readings: Sequence[Read], fields: Sequence[FormField]) -> str:
    """The signed readings of an exam beside each other; what differs is marked."""
    if len(readings) < 2:
        return ""
    head = "".join(
        f"<th>{text(one.reader)}<small>{text(one.kind.value)}{', informed by the model' if one.informed else ''}</small></th>"
        for one in readings
    )
    titles = {f.name: f.title for f in fields}
    words = {stored: shown for shown, stored in PRESENT}
    rows = ""
    for side, name in keys_of(fields):
        said = [one.reading.fields.get((side, name), "") for one in readings]
        if any(said):
            apart = ' class="apart"' if len(set(said)) > 1 else ""
            cells = "".join(
                f"<td>{text(words.get(value, value) if name not in ('density', 'birads', 'risk_years') else value)}</td>"
                for value in said
            )
            rows += f"<tr{apart}><th>{text(f'{side.word} ' if side else '')}{text(titles[name])}</th>{cells}</tr>"
    return (
        f'<table class="findings"><thead><tr><th>Signed readings</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )
