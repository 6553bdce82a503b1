"""The agreement of two readers as HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from ..markup import template

if TYPE_CHECKING:
    from mvmlm.evaluation.agreement import Agreement

_NONE = template('<p class="none">{{ first }} and {{ second }} have no final reads of the same exam yet.</p>')
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
<p class="source">Final reads, signed before the model’s answers were shown. Quadratic weights where the answers are
steps of a scale (BI-RADS 0 left out). A dash where both readers gave a single answer throughout.</p>
""")


_LEFT_OUT = template("""\
{% if why %}<p class="source">Not counted of the exams that both have read:
{% for reason, count in why.items() %}{{ count }} {{ reason }}{{ "; " if not loop.last }}{% endfor %}.</p>{% endif %}
""")


def agreement_html(
    first: str, second: str, questions: Sequence[Agreement], left_out: Mapping[str, int] = MappingProxyType({})
) -> str:
    """Return the table of kappa for each question that both readers answered, and why exams are not counted.

    left_out: reason -> number of exams, as `Comparisons.uncounted` returns it.
    """
    table = (_TABLE if questions else _NONE).render(first=first, second=second, questions=questions)
    return table + _LEFT_OUT.render(why=left_out)
