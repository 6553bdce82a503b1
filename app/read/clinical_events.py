"""The clinical risk beside the risk by the images: two rows, which are never mixed, and what each is and is not."""

from __future__ import annotations

from typing import Any

import gradio as gr

from mvmlm.site.clinical_risk import (
    EXCLUSIONS,
    LIMITS,
    OLDEST,
    SOURCE,
    YOUNGEST,
    GailFactors,
    Hyperplasia,
    excluded_unknown,
    gail_risk,
    unknown_counted,
)
from mvmlm.tasks import TASK, natural_frequency

from ..markup import template
from .answers import NOT_TRAINED, not_answered, row_of
from .answers_state import HIDDEN, is_sealed
from .clinical_box import BIOPSIES, FIRST_BIRTH, MENARCHE, RELATIVES, TO_ANSWER, UNKNOWN
from .visit import Visit

YEARS = 5
QUESTIONS = (
    "age", "the question of what excludes her", "age at the first period", "age at the first birth", "relatives",
    "biopsies", "atypical hyperplasia",
)  # fmt: skip
NO_BIOPSY = "Atypical hyperplasia is known from a biopsy only: correct one of the two answers."
READING = "the model reads the exam…"
NOT_READ = "not answered: the model could not read this exam."
_HYPERPLASIA = {"no": Hyperplasia.ABSENT, "yes": Hyperplasia.PRESENT}

_IMAGES = template("""\
<table class="clinical-row images"><tbody><tr><th scope="row">From the images<small>{{ basis }}</small></th>
<td>{% if figure %}<b>{{ figure }}</b>{% else %}<span class="none">{{ why }}</span>{% endif %}</td></tr></tbody></table>
""")
_RESULT = template("""\
<table class="clinical-row"><tbody><tr><th scope="row">From her answers
<small>Gail model, invasive cancer, {{ years }} years</small></th>
<td><b>{{ often }}</b> such women<br>{{ percent }}</td></tr></tbody></table>
<p class="small">For: {{ answers }}.</p>
{% for note in notes %}<p class="small note">{{ note }}</p>{% endfor %}
<ul class="small">{% for limit in limits %}<li>{{ limit }}</li>{% endfor %}</ul>
<p class="small">{{ source }}. Research use only.</p>
""")
_NOT_CALCULATED = template('<p class="small">Not calculated: {{ why }}</p>')


def image_risk_html(visit: Visit, at_once: bool) -> str:
    """Return the row of the risk by the images as HTML; while the model's answers are sealed, that alone.

    at_once: as for `is_sealed`.
    """
    prediction = visit.prediction
    if visit.exam is None:
        return ""
    if is_sealed(visit, at_once):
        return images_row(HIDDEN)
    if prediction is None:
        return images_row(NOT_READ)
    row = row_of(prediction, TASK["risk"], {})
    if row is None or not row.figures[0].text:
        reason = dict(not_answered(prediction)).get(TASK["risk"].title, NOT_TRAINED)
        return images_row(f"not answered: {reason}")
    head = f", head “{row.finetuned}”" if row.finetuned else ""
    basis = f"{prediction.model} {prediction.version}{head}, {row.basis}"
    return _IMAGES.render(basis=basis, figure=row.figures[0].text, why="")


def images_row(why: str) -> str:
    """Return the row of the risk by the images without a figure as HTML. why: there is none."""
    return _IMAGES.render(basis="", figure="", why=why)


def gail_html(
    age: float | None,
    excluded: str | None,
    menarche: str | None,
    first_birth: str | None,
    relatives: str | None,
    biopsies: str | None,
    hyperplasia: str | None,
) -> str:
    """Return the risk that a woman's answers give as HTML, or why it is not calculated. None: not answered yet."""
    given = (age, excluded, menarche, first_birth, relatives, biopsies, hyperplasia)
    if not any(value not in (None, "") for value in given[1:]):
        return TO_ANSWER
    if excluded == "yes":
        return _NOT_CALCULATED.render(why=f"the Gail model does not hold for women with {EXCLUSIONS}.")
    had_biopsy = biopsies not in (None, "0", UNKNOWN)
    needed = given if had_biopsy else given[:-1]
    missing = [question for question, value in zip(QUESTIONS, needed, strict=False) if value in (None, "")]
    if missing:
        return _NOT_CALCULATED.render(why=f"not answered yet: {', '.join(missing)}.")
    assert age is not None  # it would be missing
    if age != int(age) or not YOUNGEST <= age <= OLDEST:
        return _NOT_CALCULATED.render(why=f"the Gail model is for ages of {YOUNGEST} to {OLDEST}, in whole years.")
    if not had_biopsy and hyperplasia in _HYPERPLASIA:
        return _NOT_CALCULATED.render(why=NO_BIOPSY)
    said = _HYPERPLASIA.get(hyperplasia or "", Hyperplasia.UNKNOWN)
    first, births = _number(menarche), _number(first_birth)
    factors = GailFactors(int(age), first, _number(biopsies), births, _number(relatives), said)
    risk = gail_risk(factors, YEARS)
    notes = unknown_counted(factors.unknown), excluded_unknown(excluded == UNKNOWN)
    return _RESULT.render(
        years=YEARS,
        often=natural_frequency(risk, "women").partition(" such")[0],
        percent=f"{100 * risk:.1f} %",
        answers=_in_words(factors, menarche, first_birth, relatives, biopsies, hyperplasia if had_biopsy else None),
        notes=[note for note in notes if note],
        limits=LIMITS,
        source=SOURCE,
    )


def _number(answer: str | None) -> int | None:
    """The number that stands for an answer's group; None for one that is not known."""
    return None if answer in (None, UNKNOWN) else int(answer or "")


def _in_words(
    factors: GailFactors,
    menarche: str | None,
    first_birth: str | None,
    relatives: str | None,
    biopsies: str | None,
    hyperplasia: str | None,
) -> str:
    """The answers that a number is for."""
    said = [f"age {factors.age}"]
    for title, choices, value in (
        ("first period", MENARCHE, menarche),
        ("first birth", FIRST_BIRTH, first_birth),
        ("relatives", RELATIVES, relatives),
        ("biopsies", BIOPSIES, biopsies),
    ):
        words = {number: group for group, number in choices}
        said.append(f"{title} {words[value or UNKNOWN]}")
    return "; ".join([*said, *([f"atypical hyperplasia {hyperplasia}"] if hyperplasia else [])])


class ClinicalEvents:
    """Event handler of the box; it stores nothing and logs nothing."""

    def gail(self, token: str | None, visit: Visit, request: gr.Request, *answers: Any) -> str:
        """Return what `gail_html` says of the answers, if they were given for the open exam."""
        visit.of_event(token, request)
        return gail_html(*answers)
