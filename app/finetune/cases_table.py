"""The labelled cases of a task as HTML: how many there are, and what is missing before a head can be taught."""

from __future__ import annotations

from mvmlm.evaluation.compare import FEWEST_CASES
from mvmlm.finetuning.config import CaseCount

from ..markup import template

_TABLE = template("""\
<table class="findings cases">
<thead><tr><th></th><th>to learn from</th><th>to compare on<small>never learned from</small></th></tr></thead>
<tbody>
<tr><th>{{ count.unit }} with an answer</th><td>{{ count.train }}</td><td>{{ count.test }}</td></tr>
<tr><th>patients</th><td>{{ count.train_patients }}</td><td>{{ count.test_patients }}</td></tr>
{% for name, train, test in count.classes %}
<tr class="class"><th>{{ name }}</th><td>{{ train }}</td><td>{{ test }}</td></tr>
{% endfor %}
</tbody>
</table>
{% if count.missing %}
<p class="wrong"><b>Not enough yet:</b> {{ count.missing }}</p>
{% elif count.test < fewest %}
<p class="unsure">A head can be taught, but not shown to be better: {{ count.test }} {{ count.unit }} to compare on are
too few, {{ fewest }} are needed. Three of ten patients are set apart for it.</p>
{% else %}
<p class="good">Enough to teach a head and to compare it.</p>
{% endif %}
{% if count.phantoms_left_out %}
<p class="unsure">Labelled exams of phantoms that are left out: {{ count.phantoms_left_out }}. A head is never taught on
women and phantoms at once.</p>
{% endif %}
{% if waiting %}
<p class="unsure">Signed reads that are not final yet: {{ waiting }}. They count an hour after they were signed,
or at once when their reader makes them final on the page <i>My reading</i>.</p>
{% endif %}
""")


def cases_html(count: CaseCount, waiting: int = 0) -> str:
    """Return the counts, and what is missing, before anything is encoded. waiting: signed reads that are not final."""
    return _TABLE.render(count=count, fewest=FEWEST_CASES, waiting=waiting)
