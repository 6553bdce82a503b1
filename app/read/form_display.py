"""What the reading form shows: answers, findings, the state of the read, the signed reads side by side."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import gradio as gr

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality
from mvmlm.imaging.grouping import format_date
from mvmlm.reading.form import FINDING_FIELDS, FormField, answer_word, form_questions
from mvmlm.reading.labels import follow_up_years
from mvmlm.reading.opinion import OPINION, breast_opinion_of
from mvmlm.reading.reading import Reading, ReadKind
from mvmlm.store.records import Read, disagreeing_pair, newest_versions
from mvmlm.store.store import Store
from mvmlm.tasks import Level

from ..markup import template
from .exam_list import has_next
from .findings_editor import KIND, editor_updates, findings_list
from .opinion_box import Question, opinion_updates, two_reads_html
from .own_questions import place_updates
from .report_text import report_of
from .visit import Visit

#: a part of the form that one event changes: a question, or the descriptor of the selected finding
Part = Question | str

NOT_STORED = (
    "Save the exam to start a read. It is stored, without names of persons, in the data folder of this program."
)
READ_TITLES = {
    ReadKind.FIRST: "first read",
    ReadKind.SECOND: "second read",
    ReadKind.ARBITRATION: "arbitration",
}
PARTS = 3  # of the form that are shown with a read: findings, opinion, truth
INFORMED = "{} were seen before it was signed, so it does not count for agreement."
BY_MODEL, BY_OTHERS = "The model’s answers", "Answers of a model, or marks of other programs,"
NO_FOLLOW_UP = "The outcome has no years, and its date is not after the exam’s: it cannot be used to train risk."
SIGN_AGAIN = "Check the recall, then press Sign again."


def question_keys(fields: Sequence[FormField]) -> list[Question]:
    """Return the questions of the form one by one: right breast, left breast, exam."""
    breast: list[Question] = [(side, f.name) for f in fields if f.level is Level.BREAST for side in Laterality]
    return breast + [(None, f.name) for f in fields if f.level is Level.EXAM]


def changed_parts(before: Visit, after: Visit) -> set[Part] | None:
    """Return the parts of the form whose value changed; None (all) where the read is another or is signed."""
    if (
        (before.read and before.read.id) != (after.read and after.read.id)
        or before.exam is not after.exam
        or after.locked
    ):
        return None
    old, new = before.reading, after.reading
    parts: set[Part] = {key for key in {*old.fields, *new.fields} if old.fields.get(key) != new.fields.get(key)}
    number = after.selected_finding
    shown = [reading.findings.get(number) if number else None for reading in (old, new)]
    if number != before.selected_finding or (shown[0] and shown[0].label) != (shown[1] and shown[1].label):
        return parts | {KIND, *(field.name for field in FINDING_FIELDS)}
    described = [finding.described() if finding else {} for finding in shown]
    return parts | {
        field.name for field in FINDING_FIELDS if described[0].get(field.name) != described[1].get(field.name)
    }


def asked(store: Store) -> list[FormField]:
    """Return the questions that the form has a component for: all but the opinion on the exam, which has buttons.

    A task that is declared while the app runs has a place of its own (`own_questions`).
    """
    return [field for field in form_questions(store.tasks_at_start) if field.name != OPINION]


def form_updates(
    store: Store, visit: Visit, message: str = "", only: Collection[Part] | None = None
) -> tuple[Any, ...]:
    """Return updates for `Form.outputs`.

    message: what went wrong. only: the parts to set anew (None: all). The others are left as they are in the browser:
    the reader may be answering them, and an answer on its way must not be replaced by an older one.
    """
    read, questions = visit.read, question_keys(asked(store))
    reads = store.readings.of_exam(visit.exam_number) if visit.exam_number else []
    if read is None:
        return (
            gr.update(visible=bool(visit.exam and visit.exam.views)),
            *(gr.update(visible=False) for _ in range(PARTS - 1)),
            *(gr.update(value="", interactive=True) for _ in questions),
            *place_updates(store, None),
            findings_list(visit) if visit.exam else "",
            message_line(message or ("" if visit.exam_number else NOT_STORED)),
            *_button_updates(visit),
            "",
            "",
            *opinion_updates(None),
            *_arbitration_updates(store, visit, reads),
            bar_line(store, visit),
            *editor_updates(visit, visit.selected_finding, only),
        )
    return (
        *(gr.update(visible=True) for _ in range(PARTS)),
        *_question_updates(read, questions, only),
        *place_updates(store, read, only),
        findings_list(visit),
        _status(store, visit, read, message),
        *_button_updates(visit),
        report_of(store, visit, read_title(read)),
        side_by_side(shown_reads(read, reads), form_questions(store.tasks)),
        *opinion_updates(read),
        *_arbitration_updates(store, visit, reads),
        bar_line(store, visit),
        *editor_updates(visit, visit.selected_finding, only),
    )


def read_state(store: Store, visit: Visit) -> tuple[str, str]:
    """Return the state of the open read, and the final reads that its reader may see; updates for two of the form."""
    assert visit.read is not None
    reads = shown_reads(visit.read, store.readings.of_exam(visit.read.exam))
    return _status(store, visit, visit.read, ""), side_by_side(reads, form_questions(store.tasks))


def shown_reads(read: Read, reads: Sequence[Read]) -> list[Read]:
    """Return the reads of an exam that its reader may see: none until the own one is final, then the final ones."""
    if not read.final or read.kind is ReadKind.ARBITRATION:
        return []
    return newest_versions(other for other in reads if other.final)


def _question_updates(read: Read, questions: Sequence[Question], only: Collection[Part] | None) -> list[Any]:
    return [
        gr.update(value=read.reading.fields.get(question, ""), interactive=not read.signed)
        if only is None or question in only
        else gr.skip()
        for question in questions
    ]


def _button_updates(visit: Visit) -> list[Any]:
    """Updates for FormButtons: undo and redo stay as they are."""
    read = visit.read
    open_, signed = read is not None and not read.signed, read is not None and bool(read.signed)
    goes_on = open_ and has_next(visit)
    sign = gr.update(
        visible=open_, value="Sign" if goes_on else "Sign (F8)", variant="secondary" if goes_on else "primary"
    )
    return [gr.skip(), gr.skip(), sign, gr.update(visible=goes_on), gr.update(visible=signed)]


def _arbitration_updates(store: Store, visit: Visit, reads: Sequence[Read]) -> list[Any]:
    """Updates for the start of an arbitration, and for the two reads in one."""
    pair, read = disagreeing_pair(reads), visit.read
    arbitrated = any(other.kind is ReadKind.ARBITRATION for other in reads)
    arbitrates = pair is not None and read is not None and read.kind is ReadKind.ARBITRATION
    draft = arbitrates and read is not None and not read.signed
    both = two_reads_html(pair, _answers_of_both(pair, store), READ_TITLES) if pair and visit.both_shown else ""
    return [
        gr.update(visible=pair is not None and not arbitrated),
        gr.update(visible=arbitrates),
        gr.update(visible=not visit.both_shown),
        both if arbitrates else "",
        *(gr.update(visible=draft and visit.both_shown) for _ in ("take A", "take B")),
    ]


def _answers_of_both(pair: tuple[Read, Read], store: Store) -> dict[str, tuple[str, str]]:
    """What two reads state, by title, in the form's order; then the findings of each breast."""
    fields = {field.name: field for field in form_questions(store.tasks)}
    one, other = (read.reading for read in pair)
    answers = {}
    keys = question_keys(list(fields.values()))
    for side, name in sorted(keys, key=lambda key: key != (None, OPINION)):  # what decides stands first
        title = _title_of(side, fields[name])
        answers[title] = (
            answer_word(name, one.fields.get((side, name), "")),
            answer_word(name, other.fields.get((side, name), "")),
        )
    for side in Laterality:
        answers[f"{side.word.capitalize()}: findings"] = (findings_line(one, side), findings_line(other, side))
    return answers


def _title_of(side: Laterality | None, field: FormField) -> str:
    """A question with its breast: "Right: Mass"."""
    return f"{side.word.capitalize()}: {field.title}" if side else field.title


def findings_line(reading: Reading, side: Laterality) -> str:
    """Return the findings of a breast in one line; "" for none."""
    found = [
        " ".join([finding.label, *(f"{name.replace('_', ' ')} {word}," for name, word in finding.described().items())])
        for finding in reading.findings.values()
        if finding.laterality is side
    ]
    return "; ".join(line.rstrip(",") for line in found)


def bar_line(store: Store, visit: Visit) -> str:
    """Return what the bar says of the open exam: what must be seen without a click, its name, and who reads it."""
    if visit.exam is None:
        return ""
    name = store.exams.get(visit.exam_number).name if visit.exam_number else "exam not kept"
    reader = f"reader {visit.read.reader}" if visit.read else ""
    return _BAR.render(parts=[part for part in (*notable(visit.exam), name, reader) if part])


def notable(exam: Exam) -> list[str]:
    """Return what a reader must not miss: missing views, the count of pictures, implants, the date of the prior."""
    pictures = [*exam.views.values(), *exam.extra]
    facts = [f"{' and '.join(str(name).replace('_', ' ') for name in exam.missing)} missing"] if exam.missing else []
    if len(pictures) != len(STANDARD_VIEWS):
        facts.append(f"{len(pictures)} picture{'s' if len(pictures) != 1 else ''}")
    if any(view.implant for view in pictures):
        facts.append("implants")
    if exam.prior is not None:
        dates = {format_date(view.acquisition.date or "") for view in exam.prior.views.values()} - {""}
        facts.append(f"prior {min(dates)}" if dates else "prior without a date")
    return facts


_BAR = template("{{ parts | join(' · ') }}")


def read_title(read: Read) -> str:
    """Return the words for a read: its kind, who decided with its reader, and whether it was amended."""
    if read.authors:
        title = f"consensus of {', '.join((read.reader, *read.authors[:-1]))} and {read.authors[-1]}"
    else:
        title = READ_TITLES[read.kind]
    return title + (", amended" if read.amends else "")


def _status(store: Store, visit: Visit, read: Read, message: str) -> str:
    """The lines above the form: whose read it is, its state, and what is wrong with it."""
    exam = store.exams.get(read.exam)
    if read.final:
        state = f"signed {_minute(read.signed)}, final since {_minute(read.final)} UTC; read in {read.seconds:.0f} s"
    elif read.signed:
        state = f"signed {_minute(read.signed)} UTC, not final yet; read in {read.seconds:.0f} s"
    else:
        state = f"draft, saved {datetime.now():%H:%M:%S}"
    lines = [f"{exam.name}, {read.reader}, {read_title(read)}: {state}."]
    if read.informed:
        lines.append(INFORMED.format(BY_MODEL if read.model_shown else BY_OTHERS))
    problems = [message, *(_sentence(problem) for problem in _contradictions(store, read))]
    if read.reading.answer("cancer") and follow_up_years(read.reading, exam.exam_date) is None:
        problems.append(NO_FOLLOW_UP)
    review = recall_lines(read.reading) if visit.reviewing and not read.signed else []
    return (
        "".join(message_line(line) for line in lines)
        + "".join(message_line(line, "review") for line in review)
        + "".join(message_line(problem, "wrong") for problem in problems)
    )


def _contradictions(store: Store, read: Read) -> list[str]:
    """What hinders that a read is signed; nothing of one that is."""
    return [] if read.signed else read.reading.contradictions(store.exams.imaged_breasts(read.exam))


def recall_lines(reading: Reading) -> list[str]:
    """Return what a recall is about, breast by breast, for its reader to check before it is signed."""
    lines = []
    for side in Laterality:
        opinion = breast_opinion_of(reading, side)
        parts = [opinion.value if opinion else "", findings_line(reading, side)]
        lines.append(f"{side.word.capitalize()} breast: {': '.join(part for part in parts if part)}.")
    return [*lines, SIGN_AGAIN]


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _minute(time: str | None) -> str:
    return (time or "")[:16].replace("T", " ")


_LINE = template('{% if line %}<p class="{{ kind }}">{{ line }}</p>{% endif %}')


def message_line(line: str, kind: str = "none") -> str:
    """Return a sentence as an HTML paragraph of class `kind`; nothing for an empty one."""
    return _LINE.render(line=line, kind=kind)


_SIDE_BY_SIDE = template("""\
<table class="findings"><thead><tr><th>Final reads</th>
{% for read in reads %}
<th>{{ read.reader }}<small>{{ title(read) }}{{ ", informed by a program" if read.informed else "" }}</small></th>
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
    """Return the final reads of an exam side by side as HTML, differing rows marked; nothing for a single read."""
    if len(reads) < 2:
        return ""
    names = {field.name: field for field in fields}
    rows = []
    for side, name in question_keys(fields):
        answers = [read.reading.fields.get((side, name), "") for read in reads]
        if any(answers):
            words = [answer_word(name, answer) for answer in answers]
            rows.append((_title_of(side, names[name]), words, len(set(answers)) > 1))
    return _SIDE_BY_SIDE.render(reads=reads, rows=rows, title=read_title)
