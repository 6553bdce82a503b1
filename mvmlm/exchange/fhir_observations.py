"""Answers, findings and the model's answers as elements of FHIR Observations: code, value, components and breast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from ..exam import Laterality
from ..reading.form import FINDING_FIELDS, PRESENT, FormField, form_questions
from ..reading.reading import MarkedFinding, Reading
from ..report.lexicon import ASSESSMENT_WORDS, NOUNS, WORD_FIELDS
from ..tasks import DENSITY_WORDS, Kind, Task
from . import fhir_codes
from .fhir_codes import BOTH_BREASTS, BREASTS, SUBJECTS, answer_code, concept, quantity

Elements = dict[str, Any]
_TITLES = {field.name: field.title for field in FINDING_FIELDS} | {
    "features": "Associated feature",
    "size_mm": "Size, the largest dimension",
    "subtlety": "Subtlety, 1 to 5",
}
_OF_THE_MODEL = (
    "What the model answered, not the reader; the reader saw it before signing. A score is a probability only where it "
    "was calibrated, which is not recorded."
)
_WHOLE_NUMBERS = ("suspicion", "subtlety")


def body_site(side: Laterality) -> Elements:
    """Return the breast that an Observation is about."""
    return {"bodySite": concept(f"{side.word} breast", BREASTS[side])}


def answer_elements(
    tasks: Sequence[Task],
    reading: Reading,
    key: tuple[Laterality | None, str],
    breasts: Sequence[Laterality] = tuple(Laterality),
) -> Elements | None:
    """Return the elements of an answered question; None for an answer of blanks alone.

    key: of `reading.fields`. breasts: those of which the exam has a view, which its density is that of.
    """
    side, name = key
    answer = reading.fields[key]
    if not answer.strip():
        return None
    question = next((field for field in form_questions(tasks) if field.name == name), None)
    title = question.title if question else name.replace("_", " ")
    site = body_site(side) if side else {}
    if name == "density":
        site = body_site(breasts[0]) if len(breasts) == 1 else {"bodySite": concept("both breasts", BOTH_BREASTS)}
    return {"code": concept(title, SUBJECTS.get(name))} | site | _answer_value(question, name, answer)


def _answer_value(question: FormField | None, name: str, answer: str) -> Elements:
    """The value of an answer: a date, a number of years, a typed text, or a choice."""
    if name == "outcome_date":
        return {"valueDateTime": date.fromisoformat(answer).isoformat()}
    if name == "risk_years":
        return {"valueQuantity": quantity(float(answer), "years", "a")}
    if question is None or not question.choices:
        return {"valueString": answer}
    if question.choices == PRESENT:
        present = answer == "1"
        return {
            "valueCodeableConcept": concept(
                "present" if present else "absent", fhir_codes.PRESENT if present else fhir_codes.ABSENT
            )
        }
    shown = {stored: text for text, stored in question.choices}.get(answer, answer)
    text = {"density": _density, "birads": _category}.get(name, lambda _: shown)(answer)
    return {"valueCodeableConcept": concept(text, answer_code(name, answer))}


def _density(answer: str) -> str:
    return f"{answer}, {DENSITY_WORDS[answer]}" if answer in DENSITY_WORDS else answer


def _category(answer: str) -> str:
    words = ASSESSMENT_WORDS.get(answer)
    return f"BI-RADS {answer}" + (f", {words[0]}" if words else "")


def finding_elements(number: int, finding: MarkedFinding) -> Elements:
    """Return the elements of a finding: what it is, in which breast, and a component for each descriptor."""
    noun = NOUNS[finding.label][0] if finding.label in NOUNS else "finding of another kind"
    elements: Elements = {
        "code": concept(f"Finding {number}: {noun}", SUBJECTS.get(finding.label)),
        "valueCodeableConcept": concept("present", fhir_codes.PRESENT),
    } | body_site(finding.laterality)
    components = list(_components(finding))
    return elements | ({"component": components} if components else {})


def _components(finding: MarkedFinding) -> Iterator[Elements]:
    for name, text in finding.described().items():
        if name == "features":
            for feature in finding.value(name):
                yield _component(name, {"valueCodeableConcept": concept(feature, answer_code(name, feature))})
        elif name == "size_mm":
            yield _component(name, {"valueQuantity": quantity(finding.value(name), "mm", "mm")})
        elif name in _WHOLE_NUMBERS:
            yield _component(name, {"valueInteger": int(text)})
        else:
            yield _component(name, {"valueCodeableConcept": _described(finding, name, text)})
    if views := list(dict.fromkeys(str(mark.view).replace("_", " ") for mark in finding.marks)):
        yield {"code": concept("Marked on"), "valueString": ", ".join(views)}


def _described(finding: MarkedFinding, name: str, text: str) -> Elements:
    """The concept of a descriptor. Several words at once, or one or another, are text: no code says them."""
    found = finding.descriptors
    if name in WORD_FIELDS and found is not None and (found.words(name)[1:] or found.other_words(name)):
        return concept(text)
    shown = {"clock": f"{text} o’clock", "birads": _category(text)}.get(name, text)
    return concept(shown, answer_code(name, text))


def _component(name: str, value: Elements) -> Elements:
    return {"code": concept(_TITLES.get(name, name.replace("_", " ")))} | value


def model_elements(tasks: Sequence[Task], name: str, by: str, rows: Sequence[Mapping[str, Any]]) -> Elements:
    """Return the elements of what the model answered to a question: a component with the score of each class.

    The store does not keep whether a score was calibrated, so none is called a probability. by: "head" or "prompt".
    rows: of `store.predictions`, for one question and one breast, or the exam.
    """
    task = next((task for task in tasks if task.name == name), None)
    title = task.title if task else name.replace("_", " ")
    survival = task is not None and task.kind is Kind.SURVIVAL
    return {
        "code": concept(f"Answer of the model: {title}"),
        "method": concept({"head": "trained head", "prompt": "prompts in words"}.get(by, by)),
        "component": [
            {
                "code": concept(f"within {row['class']} years" if survival else row["class"]),
                "valueQuantity": quantity(row["probability"], "score, 0 to 1", "1"),
            }
            for row in rows
        ],
        "note": [{"text": _OF_THE_MODEL}],
    }
