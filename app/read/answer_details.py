"""The details of the answers as HTML: what the heads give, what prompts alone give, and where the two differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mvmlm.exam import Laterality
from mvmlm.tasks import Kind, Level, Task

from ..markup import template

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction

EVEN = 0.5  # an answer of a binary task is "yes" from here on


class Detail(NamedTuple):
    """What a head and prompts give for a breast or the exam.

    where: "right", "left" or "exam". head, prompts: each a line of text, "" where there is none. differ:
    whether one says yes and the other no, or another class is the most probable one.
    """

    where: str
    head: str
    prompts: str
    differ: bool


_DETAILS = template("""\
{% if rows %}
<details class="details"><summary>Details: heads, prompts alone, where they differ</summary>
<table><thead><tr><th></th><th>head</th><th>prompts</th></tr></thead>
{% for title, details in rows %}
<tbody><tr><th colspan="3">{{ title }}</th></tr>
{% for detail in details %}
<tr{% if detail.differ %} class="apart"{% endif %}><th>{{ detail.where }}</th><td>{{ detail.head or "–" }}</td>
<td><span class="zero-shot">{{ detail.prompts or "–" }}</span>{% if detail.differ %} <em>differs</em>{% endif %}
</td></tr>
{% endfor %}
</tbody>
{% endfor %}
</table>
<p class="small">Head: trained for the task; the number is for the share of positives in its training data. Prompts:
from sentences alone, never calibrated. They differ where one is at least 0.5 and the other below, or where another
class is the most probable one. Exam: the higher breast; where classes have no order, the mean of the breasts.</p>
</details>
{% endif %}
""")


def details_html(prediction: Prediction, tasks: Sequence[Task]) -> str:
    """Return what heads and prompts give for each of the tasks as HTML, folded."""
    rows = [(task.title, details) for task in tasks if (details := _details(prediction, task))]
    return _DETAILS.render(rows=rows)


def _details(prediction: Prediction, task: Task) -> list[Detail]:
    sides = (Laterality.RIGHT, Laterality.LEFT, None) if task.level is Level.BREAST else (None,)
    found = []
    for side in sides:
        head, prompts = (shares_by(prediction, task, side, by) for by in ("head", "prompt"))
        if head or prompts:
            where = side.word if side else "exam"
            found.append(Detail(where, _text(task, head), _text(task, prompts), _differ(task, head, prompts)))
    return found


def shares_by(prediction: Prediction, task: Task, side: Laterality | None, by: str) -> dict[str, float]:
    """Return the probability of each class of a task by its head or by prompts; {} where there is no answer."""
    return {
        answer.class_: answer.probability
        for answer in prediction.answers
        if (answer.task, answer.laterality, answer.by) == (task.name, side, by)
    }


def _text(task: Task, shares: Mapping[str, float]) -> str:
    if task.kind is Kind.BINARY:
        return "".join(f"{share:.2f}" for share in shares.values())
    return ", ".join(f"{class_}: {share:.2f}" for class_, share in shares.items())


def _differ(task: Task, head: Mapping[str, float], prompts: Mapping[str, float]) -> bool:
    if not head or not prompts or task.kind is Kind.SURVIVAL:
        return False
    if task.kind is Kind.BINARY:
        return (next(iter(head.values())) >= EVEN) != (next(iter(prompts.values())) >= EVEN)
    likeliest = (max(shares, key=lambda class_: shares[class_]) for shares in (head, prompts))
    return len({*likeliest}) > 1
