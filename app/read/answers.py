"""The answers as HTML: each number with its natural frequency and with the model, weights and head that gave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from mvmlm.exam import Laterality
from mvmlm.tasks import Kind, Level, Task, at_prevalence, natural_frequency

from ..markup import template

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor
    from mvmlm.inference.prediction import Prediction

SIDES = (Laterality.RIGHT, Laterality.LEFT, None)  # None: the exam


class Cell(NamedTuple):
    """The answer for one breast or the exam.

    probability: of the head, of the most probable class; None: not assessed. likeliest: that class. shares: the
    probability of each class. zero_shot: the answer of prompts alone, "" without one. frequency: the natural frequency,
    "" without a prevalence.
    """

    probability: float | None
    likeliest: str = ""
    shares: tuple[tuple[str, float], ...] = ()
    zero_shot: str = ""
    frequency: str = ""


class Row(NamedTuple):
    """The answers of a task.

    source: the head and weights that gave them. finetuned: the name of a fine-tuned head, "" for the head of the
    weights.
    """

    task: Task
    trained: bool
    source: str
    finetuned: str
    cells: tuple[Cell, ...]


_MACROS = """\
{% macro zero_shot(cell) -%}
{% if cell.zero_shot %} <span class="zero-shot">zero-shot {{ cell.zero_shot }}</span>{% endif %}
{%- endmacro %}
{% macro head(row) %}{% if row.finetuned %}<small>head “{{ row.finetuned }}”</small>{% endif %}{% endmacro %}
{% macro bar(share) %}<div class="bar"><i style="width:{{ "%.1f" % (100 * share) }}%"></i></div>{% endmacro %}
"""

_BY_BREAST = template(
    _MACROS
    + """\
{% macro cell_of(row, cell) %}
{% if cell.probability is none %}
<td class="none">not assessed</td>
{% elif row.task.kind.value == "binary" %}
<td title="{{ row.source }}"><div class="value"><b>{{ "%.2f" % cell.probability }}</b>{{ zero_shot(cell) }}</div>
{{ bar(cell.probability) }}{% if cell.frequency %}<div class="often">{{ cell.frequency }}</div>{% endif %}</td>
{% else %}
<td title="{{ row.source }}"><div class="value"><b>{{ cell.likeliest }}</b>
<span class="small">{{ "%.2f" % cell.probability }}</span></div><div class="steps">
{% for class_, share in cell.shares %}
<span class="step{% if class_ == cell.likeliest %} top{% endif %}" style="--share:{{ "%.3f" % share }}">
{{ class_ }}</span>
{% endfor %}
</div></td>
{% endif %}
{% endmacro %}
<table class="by-breast"><thead><tr><th></th><th>Right breast</th><th>Left breast</th>
<th>Exam<small>the higher breast</small></th></tr></thead><tbody>
{% for row in rows %}
{% if row.trained %}
<tr class="{{ row.task.name }}"><th>{{ row.task.title }}{{ head(row) }}
{% if row.task.nominal %}<small>exam: the mean of the breasts</small>{% endif %}</th>
{% for cell in row.cells %}{{ cell_of(row, cell) }}{% endfor %}
</tr>
{% elif row.cells|selectattr("zero_shot")|list %}
<tr><th>{{ row.task.title }}</th>
{% for cell in row.cells %}<td class="none">not trained{{ zero_shot(cell) }}</td>{% endfor %}
</tr>
{% else %}
<tr><th>{{ row.task.title }}</th><td colspan="3" class="none">not trained</td></tr>
{% endif %}
{% endfor %}
</tbody></table>
"""
)

_BY_EXAM = template(
    _MACROS
    + """\
{% for row in rows %}
{% set cell = row.cells[2] %}
{% if row.trained %}
<section class="density"><h4>{{ row.task.title }} (exam){{ head(row) }}</h4><div class="letters">
{% for class_, share in cell.shares %}
<div class="letter" title="{{ row.source }}"><span>{{ class_ }}</span><b>{{ "%.2f" % share }}</b>{{ bar(share) }}
{% if class_ in zero_shot_shares[row.task.name] %}
<small>zero-shot {{ "%.2f" % zero_shot_shares[row.task.name][class_] }}</small>
{% endif %}
</div>
{% endfor %}
</div></section>
{% else %}
<p class="none">{{ row.task.title }}: not trained{{ zero_shot(cell) }}</p>
{% endif %}
{% endfor %}
"""
)

_ANSWERS = template("""\
<div class="answers">{{ by_breast }}{{ by_exam }}
{% for task, reason in withheld %}<p class="none {{ task.name }}">{{ task.title }}: {{ reason }}</p>{% endfor %}
{% if finetuned %}<p class="finetuned">{{ finetuned }}</p>{% endif %}
<p class="source">Every other number: {{ source }} (see About). Large: trained head; small: zero-shot, from prompts
alone. These are a model’s suspicions, not a reader’s BI-RADS assessment.</p></div>
""")

_WARNINGS = template("""\
{% if notes %}
<ul class="quality" aria-label="Quality of this exam">
{% for note in notes %}<li class="{{ note.kind|replace(" ", "-") }}">{{ note.text }}</li>{% endfor %}
</ul>
{% else %}
<p class="quality good">No quality warning for this exam.</p>
{% endif %}
""")


def answers_html(prediction: Prediction, prevalence: Mapping[str, float], trained_at: Mapping[str, float]) -> str:
    """Return all answers as HTML.

    prevalence: for each binary task, how many of 1,000 have it. trained_at: the share of positives among the cases from
    which the task's head was trained, 0..1.
    """
    breast = [task for task in prediction.tasks if task.level is Level.BREAST and task.name not in prediction.withheld]
    exam = [task for task in prediction.tasks if task.level is Level.EXAM and task.kind is not Kind.SURVIVAL]
    titles = {task.name: task.title for task in prediction.tasks}
    finetuned = (f"{titles[name]}: fine-tuned head “{title}”" for name, title in prediction.finetuned.items())
    zero_shot_shares = {task.name: _shares(prediction, task, None, "prompt") for task in exam}
    rows = [_row(prediction, task, prevalence, trained_at) for task in breast]
    return _ANSWERS.render(
        by_breast=Markup(_BY_BREAST.render(rows=rows)),
        by_exam=Markup(
            _BY_EXAM.render(rows=[_row(prediction, task, {}, {}) for task in exam], zero_shot_shares=zero_shot_shares)
        ),
        finetuned="; ".join(finetuned),
        withheld=[
            (task, prediction.withheld[task.name]) for task in prediction.tasks if task.name in prediction.withheld
        ],
        source=f"{prediction.model} {prediction.version}",
    )


def warnings(prediction: Prediction) -> str:
    """Return the quality notes as HTML."""
    return _WARNINGS.render(notes=prediction.quality_notes)


def badges(prediction: Prediction, predictor: MVMLMPredictor) -> dict[str, str]:
    """Return for each view that was read the malignancy score of its breast, and of the view read alone."""
    if "malignancy" not in predictor.heads:
        return {}
    alone = predictor.answer_by_view(prediction.encoding, "malignancy")
    found = {}
    for name, score in alone.items():
        breast = prediction.probability("malignancy", laterality=name.laterality)
        found[str(name)] = f"malignancy {breast:.2f} {name.laterality.word} breast\n{score:.2f} this view alone"
    return found


def _row(prediction: Prediction, task: Task, prevalence: Mapping[str, float], trained_at: Mapping[str, float]) -> Row:
    model, finetuned = f"{prediction.model} {prediction.version}", prediction.finetuned.get(task.name, "")
    return Row(
        task,
        any(answer.task == task.name and answer.by == "head" for answer in prediction.answers),
        f"fine-tuned head “{finetuned}” on {model}" if finetuned else f"{model}, head",
        finetuned,
        tuple(_cell(prediction, task, side, prevalence, trained_at) for side in SIDES),
    )


def _cell(
    prediction: Prediction,
    task: Task,
    side: Laterality | None,
    prevalence: Mapping[str, float],
    trained_at: Mapping[str, float],
) -> Cell:
    shares = _shares(prediction, task, side, "head")
    zero_shot = _zero_shot(task, _shares(prediction, task, side, "prompt"))
    if not shares:
        return Cell(None, zero_shot=zero_shot)
    likeliest = max(shares, key=lambda class_: shares[class_])
    probability, frequency, trained = shares[likeliest], "", trained_at.get(task.name)
    if trained and 0 < trained < 1 and task.name in prevalence:
        adjusted = at_prevalence(probability, trained, prevalence[task.name] / 1000)
        frequency = natural_frequency(adjusted, "breasts" if side else "exams")
    return Cell(probability, likeliest, tuple(shares.items()), zero_shot, frequency)


def _zero_shot(task: Task, shares: Mapping[str, float]) -> str:
    """The most probable class by prompts and its probability; a binary task has one class, which is not named."""
    if not shares:
        return ""
    likeliest = max(shares, key=lambda class_: shares[class_])
    return f"{'' if task.kind is Kind.BINARY else likeliest + ' '}{shares[likeliest]:.2f}"


def _shares(prediction: Prediction, task: Task, side: Laterality | None, by: str) -> dict[str, float]:
    """The probability of each class, in order; empty where one was not answered."""
    try:
        return {class_: prediction.probability(task.name, class_, side, by) for class_ in task.classes}
    except KeyError:
        return {}
