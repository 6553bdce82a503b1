"""What the reading form shows: answers, findings, the state of the read, the signed reads side by side."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from mvmlm.exam import Laterality
from mvmlm.reading.edit import to_findings
from mvmlm.reading.form import FINDING_FIELDS, FormField, answer_word, form_questions
from mvmlm.reading.labels import follow_up_years
from mvmlm.reading.reading import ReadKind
from mvmlm.report.writer import write_exam_report
from mvmlm.store.records import Read
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..markup import template
from .findings_editor import editor_updates, finding_locations, findings_table
from .visit import Visit

#: a question: the breast (None: the exam) and the name of its field
Question = tuple[Laterality | None, str]
#: a part of the form that one event changes: a question, or the descriptor of the selected finding
Part = Question | str

NOT_STORED = (
    "Save the exam to start a read. It is stored, without names of persons, in the data folder of this program."
)
READ_TITLES = {
    ReadKind.FIRST: "first read",
    ReadKind.AFTER: "second read, after the model",
    ReadKind.CONSENSUS: "consensus read",
}
INFORMED = " (the model’s answers were visible before it was signed; this is stored with it)"
NO_FOLLOW_UP = "The outcome has no years, and its date is not after the exam’s: it cannot be used to train risk."


def question_keys(fields: Sequence[FormField]) -> list[Question]:
    """Return the questions of the form one by one: right breast, left breast, exam."""
    breast: list[Question] = [(side, f.name) for f in fields if f.level is Level.BREAST for side in Laterality]
    return breast + [(None, f.name) for f in fields if f.level is Level.EXAM]


def changed_parts(before: Visit, after: Visit) -> set[Part] | None:
    """Return the parts of the form whose stored value changed; None (all) where the read is another or is signed."""
    if before.read is None or after.read is None or before.read.id != after.read.id or after.read.signed:
        return None
    old, new = before.read.reading, after.read.reading
    parts: set[Part] = {key for key in {*old.fields, *new.fields} if old.fields.get(key) != new.fields.get(key)}
    number = after.selected_finding
    if number is None or number != before.selected_finding:
        return parts | {field.name for field in FINDING_FIELDS}
    described = [reading.findings[number].described() if number in reading.findings else {} for reading in (old, new)]
    return parts | {
        field.name for field in FINDING_FIELDS if described[0].get(field.name) != described[1].get(field.name)
    }


def form_updates(
    store: Store, visit: Visit, message: str = "", only: Collection[Part] | None = None
) -> tuple[Any, ...]:
    """Return updates for `Form.outputs`.

    message: what went wrong. only: the parts to set anew (None: all). The others are left as they are in the browser:
    the reader may be answering them, and an answer on its way must not be replaced by an older one.
    """
    fields = form_questions(store.tasks)
    read = visit.read
    if read is None:
        line = message or ("" if visit.exam_number else NOT_STORED)
        return (
            gr.update(visible=False),
            *(gr.update(value="", interactive=True) for _ in question_keys(fields)),
            "",
            message_line(line),
            *(gr.update(visible=visible) for visible in (True, True, False, False)),
            "",
            "",
            *editor_updates(visit, None),
        )
    signed = [other for other in store.readings.of_exam(read.exam) if other.signed]
    return (
        gr.update(visible=True),
        *_question_updates(read, question_keys(fields), only),
        findings_table(read.reading, finding_locations(visit)),
        _status(store, read, message),
        *_button_updates(read, signed),
        write_exam_report(to_findings(read.reading), random.Random(0)),
        side_by_side(signed, fields) if read.signed else "",
        *editor_updates(visit, visit.selected_finding, only),
    )


def _question_updates(read: Read, questions: Sequence[Question], only: Collection[Part] | None) -> list[Any]:
    return [
        gr.update(value=read.reading.fields.get(question, ""), interactive=not read.signed)
        if only is None or question in only
        else gr.skip()
        for question in questions
    ]


def _button_updates(read: Read, signed: Sequence[Read]) -> list[Any]:
    """Updates for FormButtons. signed: the signed reads of the exam."""
    first_readers = {other.reader for other in signed if other.kind is ReadKind.FIRST}
    done = bool(read.signed)
    consensus = done and len(first_readers) > 1 and read.kind is not ReadKind.CONSENSUS
    return [
        gr.update(visible=visible) for visible in (not done, not done, done and read.kind is ReadKind.FIRST, consensus)
    ]


def _status(store: Store, read: Read, message: str) -> str:
    """The lines above the form: whose read it is, its state, and what is wrong with it."""
    exam = store.exams.get(read.exam)
    if read.signed:
        state = f"signed {read.signed[:16].replace('T', ' ')} UTC; it cannot change"
    else:
        state = f"draft, saved {datetime.now():%H:%M:%S}"
    title = f"{exam.name}, {read.reader}, {READ_TITLES[read.kind]}{INFORMED if read.informed else ''}"
    problems = [message, *(f"{problem}." for problem in read.reading.contradictions())]
    if read.reading.answer("cancer") and follow_up_years(read.reading, exam.exam_date) is None:
        problems.append(NO_FOLLOW_UP)
    return message_line(f"{title}: {state}.") + "".join(message_line(problem, "wrong") for problem in problems)


_LINE = template('{% if line %}<p class="{{ kind }}">{{ line }}</p>{% endif %}')


def message_line(line: str, kind: str = "none") -> str:
    """Return a sentence as an HTML paragraph of class `kind`; nothing for an empty one."""
    return _LINE.render(line=line, kind=kind)


_SIDE_BY_SIDE = template("""\
<table class="findings"><thead><tr><th>Signed reads</th>
{% for read in reads %}
<th>{{ read.reader }}<small>{{ titles[read.kind] }}{{ ", informed by the model" if read.informed else "" }}</small></th>
{% endfor %}
</tr></thead><tbody>
{% for title, answers, differ in rows %}
<tr{% if differ %} class="apart"{% endif %}><th>{{ title }}</th>
{% for answer in answers %}<td>{{ answer }}</td>{% endfor %}
</tr>
{% endfor %}
</tbody></table>
""")


def side_by_side(reads: Sequence[Read], fields: Sequence[FormField]) -> str:
    """Return the signed reads of an exam side by side as HTML, differing rows marked; nothing for a single read."""
    if len(reads) < 2:
        return ""
    names = {field.name: field for field in fields}
    rows = []
    for side, name in question_keys(fields):
        answers = [read.reading.fields.get((side, name), "") for read in reads]
        if any(answers):
            title = f"{side.word} {names[name].title}" if side else names[name].title
            rows.append((title, [answer_word(name, answer) for answer in answers], len(set(answers)) > 1))
    return _SIDE_BY_SIDE.render(reads=reads, rows=rows, titles=READ_TITLES)
