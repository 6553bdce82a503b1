"""The last page of a reading session: the reader's own opinions, and what was left."""

from __future__ import annotations

from mvmlm.reading.reading import Reading
from mvmlm.store.sessions import ExamState
from mvmlm.store.store import Store

from ..markup import template
from .exam_list import recorded_words

_END = template("""\
<div class="session-end">
<h2>{{ title }}: {{ read }} of {{ exams | length }} exams read</h2>
<p>{% for state, count in counts.items() %}{{ count }} {{ state }}{{ ", " if not loop.last }}{% endfor %}</p>
<table class="findings"><thead><tr><th></th><th>exam</th><th>recorded</th><th>reading time</th></tr></thead><tbody>
{% for exam in exams %}
<tr><td>{{ exam.position }}</td>
<td>{% if ended %}{{ exam.name }}{% else %}<button type="button" data-open="{{ exam.number }}">{{ exam.name }}</button>
{% endif %}</td>
<td>{{ exam.recorded }}</td><td>{{ exam.time }}</td></tr>
{% endfor %}
</tbody></table>
{% if ended %}
{% if "not signed" in counts %}<p>What is not signed stays a draft: the worklist finds it by its
state, and the start page of its reader lists it.</p>{% endif %}
<p>{{ "These reads are final" if read == exams | length else "The signed reads are final" }}. A later change is stored
beside the read, as an amendment.</p>
<p><button type="button" data-tab="Worklist">To the worklist</button></p>
{% else %}
<p>Open an exam to change its read. When you finish, the reads are final: they count, and other readers may see
them.</p>
<p>{% if waiting %}<button type="button" data-open="{{ waiting }}">Go on reading</button> {% endif %}
<button type="button" data-finish="1">Finish the session</button></p>
{% endif %}
</div>
""")


NOT_SIGNED = "not signed"


def _waits(state: ExamState) -> bool:
    """Whether an exam was opened, and its read is not signed (any more)."""
    return state in (ExamState.READ, ExamState.CLAIMED)


def session_end_html(store: Store, session: int) -> str:
    """Return the last page of a session as HTML: own opinions with their reading times, and what was left."""
    ended = store.sessions.get(session).ended is not None
    reads = {read.exam: read for read in store.sessions.reads(session) if read.signed}
    drafts = {read.exam for read in store.sessions.reads(session) if not read.signed and read.reading != Reading()}
    exams, counts = [], dict[str, int]()
    for item in store.sessions.exams(session):
        read = reads.get(item.exam) if item.state is ExamState.READ else None
        waits = _waits(item.state) or item.exam in drafts
        words = recorded_words(read.reading) if read else NOT_SIGNED if waits else item.state.value
        counts[words] = counts.get(words, 0) + 1
        exams.append(
            {
                "position": item.position,
                "number": item.exam,
                "name": store.exams.get(item.exam).name,
                "recorded": f"{words}: {item.reason}" if item.reason else words,
                "time": f"{read.seconds:.0f} s" if read else "",
            }
        )
    read_count = sum(item.state is ExamState.READ and item.exam in reads for item in store.sessions.exams(session))
    waiting = next((item.exam for item in store.sessions.exams(session) if item.state is ExamState.CLAIMED), None)
    title = "The session has ended" if ended else "The session so far" if waiting else "End of the list"
    return _END.render(title=title, exams=exams, counts=counts, read=read_count, ended=ended, waiting=waiting)
