"""The answers of several models for one exam, side by side: the model stands beside each number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mvmlm.tasks import Task

from ..markup import template
from .answers import Row, row_of

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction


class Asked(NamedTuple):
    """What a model said of an exam. prediction: None where it could not read it; problem says why. seconds: it took."""

    title: str
    prediction: Prediction | None
    problem: str = ""
    seconds: float = 0.0


class Line(NamedTuple):
    """One model's figures for a task."""

    title: str
    row: Row


class OfTask(NamedTuple):
    """What the models say of a task. silent: (model, why) of those that do not answer it."""

    task: Task
    lines: list[Line]
    silent: list[tuple[str, str]]


_COMPARED = template("""\
<div class="compared"><table>
<thead><tr><th></th><th scope="col">Right</th><th scope="col">Left</th></tr></thead>
{% for task, lines, silent in tasks %}
<tbody class="{{ task.name }}"><tr><th colspan="3" scope="rowgroup">{{ task.title }}</th></tr>
{% for line in lines %}
<tr><th scope="row">{{ line.title }}<small>{{ line.row.basis }}\
{% if line.row.finetuned %}, head “{{ line.row.finetuned }}”{% endif %}</small></th>
{% for figure in line.row.figures %}
<td{% if line.row.figures|length == 1 %} colspan="2" class="of-exam"{% endif %} title="{{ figure.meaning }}">
{% if figure.text %}<b>{{ figure.text }}</b>{% else %}<span class="none">not assessed</span>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
{% if silent %}
<tr><td colspan="3" class="none">not answered: {% for title, why in silent %}<span title="{{ why }}">{{ title }}</span>\
{{ ", " if not loop.last }}{% endfor %}</td></tr>
{% endif %}
</tbody>
{% endfor %}
</table>
{% for title, notes in told %}
<details><summary>{{ title }}</summary>{% for note in notes %}<p>{{ note }}</p>{% endfor %}</details>
{% endfor %}
<p class="small">Numbers of different models are on different scales: compare how each ranks this exam, not the
numbers. Research use only, not for diagnosis.</p></div>
""")


def compared_html(asked: Sequence[Asked], prevalence: Mapping[str, float]) -> str:
    """Return a table of the tasks that at least one of the models answers, with a line for each model, as HTML.

    prevalence: for each binary task, how many of 1,000 have it.
    """
    read = [(each.title, each.prediction) for each in asked if each.prediction is not None]
    tasks: dict[str, Task] = {}
    for _, prediction in read:
        tasks |= {task.name: task for task in prediction.tasks if row_of(prediction, task, prevalence) is not None}
    rows = []
    for task in tasks.values():
        found = [(title, prediction, row_of(prediction, task, prevalence)) for title, prediction in read]
        lines = [Line(title, row) for title, _, row in found if row is not None]
        rows.append(OfTask(task, lines, [(title, _why(said, task)) for title, said, row in found if row is None]))
    return _COMPARED.render(tasks=rows, told=[(_heading(each), _notes(each)) for each in asked])


def _why(prediction: Prediction, task: Task) -> str:
    """Why a model does not answer a task of this exam."""
    return prediction.withheld.get(task.name, "This model does not answer it.")


def _heading(asked: Asked) -> str:
    if asked.prediction is None:
        return f"{asked.title}: {asked.problem}"
    took = f", read in {asked.seconds:.0f} s" if asked.seconds >= 1 else ""
    return f"{asked.title} {asked.prediction.version}{took}: what to know"


def _notes(asked: Asked) -> list[str]:
    return [note.text for note in asked.prediction.quality_notes] if asked.prediction else []
