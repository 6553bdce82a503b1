"""The answers as HTML: one figure for each task and breast, and below it the details that led to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from mvmlm.exam import Laterality
from mvmlm.tasks import TASK, Kind, Level, Task, at_prevalence, natural_frequency

from ..markup import template
from .answer_details import details_html, shares_by

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction

SIDES = (Laterality.RIGHT, Laterality.LEFT)  # as the pictures hang
SCORE = "score, not calibrated"
FROM_PROMPTS = "from prompts, not calibrated"
NOT_HERE = "not calibrated here"  # of risks, which are probabilities where they were learned
AT_CHANCE = "at chance when these weights were measured, so its answer means nothing."
NOT_TRAINED = "no head was trained for it."


class Figure(NamedTuple):
    """The one figure of a task for a breast or the exam.

    text: "1 in 83", "0.12" or a class; "" where the breast was not read. meaning: one sentence, for the pointer.
    """

    text: str
    meaning: str = ""


class Row(NamedTuple):
    """The figures of a task: of the right and the left breast, or of the exam alone.

    basis: what the figures are. finetuned: the name of a fine-tuned head, "" for the head of the weights.
    """

    task: Task
    basis: str
    finetuned: str
    figures: tuple[Figure, ...]


_ANSWERS = template("""\
<div class="answers"><table>
<thead><tr><th>{{ basis }}</th><th scope="col">Right</th><th scope="col">Left</th></tr></thead><tbody>
{% for row in rows %}
<tr class="{{ row.task.name }}"><th scope="row">{{ row.task.title }}
{% if not basis %}<small>{{ row.basis }}</small>{% endif %}
{% if row.finetuned %}<small>head “{{ row.finetuned }}”</small>{% endif %}</th>
{% for figure in row.figures %}
<td{% if row.figures|length == 1 %} colspan="2" class="of-exam"{% endif %} title="{{ figure.meaning }}">
{% if figure.text %}<b>{{ figure.text }}</b>{% else %}<span class="none">not assessed</span>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table>
{% if frequencies %}
<p class="small">“1 in 83”: of 83 such breasts where you read, one has it; set below how often it is found there.
A score only ranks: higher is more suspicious.</p>
{% elif rows %}
<p class="small">A score only ranks: higher is more suspicious. It is no probability.</p>
{% endif %}
{% for title, called in called_back %}
<p class="called-back"><b>Your threshold, {{ title }}:</b>
{% if called.sides %}above it: {{ called.sides|map(attribute="word")|join(" and ") }} breast\
{% else %}no breast that was read is above it{% endif %}. {{ called.guarantee }} {{ called.found }}</p>
{% endfor %}
{% if not_answered %}
<details class="not-answered"><summary>Not answered: {{ not_answered|map(attribute=0)|join(", ") }}</summary>
{% for title, reason in not_answered %}<p>{{ title }}: {{ reason }}</p>{% endfor %}
</details>
{% endif %}
{{ details }}
<p class="source">{{ source }} (see About){% if finetuned %}; {{ finetuned }}{% endif %}. These are a model’s
suspicions, not a reader’s BI-RADS assessment.</p></div>
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


def answers_html(prediction: Prediction, prevalence: Mapping[str, float]) -> str:
    """Return all answers as HTML. prevalence: for each binary task, how many of 1,000 have it."""
    known = [task for task in prediction.tasks if task.name not in {*prediction.withheld, *prediction.not_learned}]
    shown = [row_of(prediction, task, prevalence) for task in known if task.kind is not Kind.SURVIVAL]
    rows = [row for row in shown if row is not None]
    titles = {task.name: task.title for task in prediction.tasks}
    finetuned = (f"{titles[name]}: fine-tuned head “{title}”" for name, title in prediction.finetuned.items())
    return _ANSWERS.render(
        rows=rows,
        basis=rows[0].basis if len({row.basis for row in rows}) == 1 else "",
        frequencies=any(row.task.kind is Kind.BINARY and " in " in f.text for row in rows for f in row.figures),
        called_back=[(titles[name], called) for name, called in prediction.called_back.items()],
        not_answered=not_answered(prediction),
        details=Markup(details_html(prediction, known)),
        finetuned="; ".join(finetuned),
        source=f"{prediction.model} {prediction.version}",
    )


def not_answered(prediction: Prediction) -> list[tuple[str, str]]:
    """Return (title, why) of each task of which no figure is shown."""
    reasons = []
    for task in prediction.tasks:
        if task.name in prediction.withheld:
            reasons.append((task.title, prediction.withheld[task.name]))
        elif task.name in prediction.not_learned:
            reasons.append((task.title, AT_CHANCE))
        elif not answered_by(prediction, task):
            reasons.append((task.title, NOT_TRAINED))
    return reasons


def answered_by(prediction: Prediction, task: Task) -> str:
    """Return what answers a task: "head"; "prompt" for a model that has no heads and is asked in words; else ""."""
    found = {answer.by for answer in prediction.answers if answer.task == task.name}
    if "head" in found:
        return "head"
    only_words = all(answer.by == "prompt" for answer in prediction.answers)
    return "prompt" if "prompt" in found and only_words else ""


def warnings(prediction: Prediction) -> str:
    """Return the quality notes as HTML."""
    return _WARNINGS.render(notes=prediction.quality_notes)


def badges(prediction: Prediction, predictor: ModelPredictor, prevalence: Mapping[str, float]) -> dict[str, str]:
    """Return for each view that was read the figure of malignancy of its breast, and the score of the view read alone.

    prevalence: as for `answers_html`, whose figures these are.
    """
    if "malignancy" not in predictor.heads or "malignancy" in prediction.not_learned:
        return {}
    figures = dict(zip(SIDES, _row(prediction, TASK["malignancy"], prevalence, "head").figures, strict=True))
    return {
        str(name): f"malignancy {figures[name.laterality].text} {name.laterality.word} breast\n"
        f"score {score:.2f} this view alone"
        for name, score in predictor.answer_by_view(prediction.encoding, "malignancy").items()
    }


def row_of(prediction: Prediction, task: Task, prevalence: Mapping[str, float]) -> Row | None:
    """Return the figures of a task; None where the model does not answer it, or is at chance.

    prevalence: as for `answers_html`.
    """
    by = answered_by(prediction, task)
    if not by or task.name in {*prediction.withheld, *prediction.not_learned}:
        return None
    return _row(prediction, task, prevalence, by)


def _row(prediction: Prediction, task: Task, prevalence: Mapping[str, float], by: str) -> Row:
    trained, per_1000 = prediction.prevalence.get(task.name), prevalence.get(task.name)
    calibrated = task.name in prediction.calibrated
    if calibrated and trained and 0 < trained < 1 and per_1000:
        where = "calibrated here" if task.name in prediction.calibrated_here else "calibrated"
        basis, share = f"{where}, at {per_1000:g} in 1,000", trained
    else:
        uncalibrated = FROM_PROMPTS if by == "prompt" else NOT_HERE if task.kind is Kind.SURVIVAL else SCORE
        basis, share = ("calibrated" if calibrated else uncalibrated), None
    sides = SIDES if task.level is Level.BREAST else (None,)
    figures = tuple(_figure(task, shares_by(prediction, task, side, by), side, share, per_1000) for side in sides)
    return Row(task, basis, prediction.finetuned.get(task.name, ""), figures)


def _figure(
    task: Task, shares: Mapping[str, float], side: Laterality | None, trained: float | None, per_1000: float | None
) -> Figure:
    """The figure of a breast or the exam. trained: the share of positives of the calibration; None for a score."""
    if not shares:
        return Figure("")
    if task.kind is Kind.SURVIVAL:
        first, last = task.classes[0], task.classes[-1]
        text = f"{100 * shares[first]:.1f} % in {first} y, {100 * shares[last]:.1f} % in {last} y"
        return Figure(text, "The risk of a cancer within so many years.")
    likeliest = max(shares, key=lambda class_: shares[class_])
    if task.kind is not Kind.BINARY:
        return Figure(likeliest, f"The most probable class, with {shares[likeliest]:.2f}.")
    if trained is None or per_1000 is None:
        return Figure(f"{shares[likeliest]:.2f}", "0 to 1. It ranks exams and breasts; it is no probability.")
    among = at_prevalence(shares[likeliest], trained, per_1000 / 1000)
    often = natural_frequency(among, "breasts" if side else "exams")
    short = often.removeprefix("about ").replace("fewer than ", "< ").partition(" such")[0]
    return Figure(short, f"{often.capitalize()}.")
