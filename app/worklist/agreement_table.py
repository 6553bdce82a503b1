"""The agreement of two readers as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..markup import template

if TYPE_CHECKING:
    from mvmlm.evaluation.agreement import Agreement

_NONE = template(
    '<p class="none">{{ first }} and {{ second }} have not signed first readings of the same exam yet.</p>'
)
_TABLE = template("""\
<table class="findings">
<thead>
<tr><th>{{ first }} and {{ second }}</th><th>answers of both</th><th>equal</th><th>Cohen’s kappa</th></tr>
</thead>
<tbody>
{% for question in questions %}
<tr><th>{{ question.title }}</th><td>{{ question.answers }}</td><td>{{ "{:.0%}".format(question.equal) }}</td>
<td>{{ "–" if question.kappa is none else "{:.2f}".format(question.kappa) }}</td></tr>
{% endfor %}
</tbody>
</table>
<p class="source">First readings, signed before the model’s answers were shown. Quadratic weights where the answers are
steps of a scale (BI-RADS 0 left out). A dash where both readers gave a single answer throughout.</p>
""")


def agreement_html(first: str, second: str, questions: Sequence[Agreement]) -> str:
    """Return the table of kappa for each question that both readers answered."""
    return (_TABLE if questions else _NONE).render(first=first, second=second, questions=questions)
