"""The box "Clinical risk" on the page "Model": what a woman answered, asked in the groups of the Gail model."""

from __future__ import annotations

from typing import Any, NamedTuple

import gradio as gr

from mvmlm.exam import Exam
from mvmlm.site.clinical_risk import EXCLUSIONS

UNKNOWN = "unknown"
#: the groups of the model: (words, the number that stands for the group)
MENARCHE = (("7–11", "11"), ("12–13", "12"), ("14+", "14"), (UNKNOWN, UNKNOWN))
BIOPSIES = (("none", "0"), ("1", "1"), ("2 or more", "2"), (UNKNOWN, UNKNOWN))
HYPERPLASIA = (("no", "no"), ("yes", "yes"), (UNKNOWN, UNKNOWN))
FIRST_BIRTH = (
    ("none", "0"), ("under 20", "19"), ("20–24", "22"), ("25–29", "27"), ("30+", "30"), (UNKNOWN, UNKNOWN),
)  # fmt: skip
RELATIVES = (("none", "0"), ("1", "1"), ("2 or more", "2"), (UNKNOWN, UNKNOWN))
EXCLUDED = (("none of these", "no"), ("one of these", "yes"), (UNKNOWN, UNKNOWN))

TO_ANSWER = '<p class="small">Not calculated: answer every question; “unknown” is an answer.</p>'
AGE, AGE_OF_FILE = "Age in years", "Age in years, from the files; change it if it is wrong"


class ClinicalBox(NamedTuple):
    """What a woman answered, for the open exam only. images: the risk by the model, in a row of its own."""

    age: gr.Number
    excluded: gr.Radio
    menarche: gr.Radio
    first_birth: gr.Radio
    relatives: gr.Radio
    biopsies: gr.Radio
    hyperplasia: gr.Radio
    images: gr.HTML
    result: gr.HTML

    @property
    def answers(self) -> list[gr.Number | gr.Radio]:
        """The questions, in the order of `ClinicalEvents.gail`."""
        return list(self[:7])

    @property
    def typed(self) -> list[Any]:
        """The components that `emptied` updates, in its order."""
        return [*self.answers, self.result]


def lay_out_clinical() -> ClinicalBox:
    """Lay out the box, closed. Its questions are always mounted, so that emptying them is never lost."""
    with gr.Column(elem_id="clinical"):
        gr.HTML("<details><summary>Clinical risk, from her answers</summary></details>", elem_id="clinical-open")
        with gr.Column(elem_id="clinical-fields"):
            gr.HTML(
                '<p class="small">Nothing of this is stored, and it is emptied when another exam is opened. It does '
                "not change the image risk.</p>"
            )
            age = gr.Number(None, label=AGE, elem_id="clinical-age")
            box = ClinicalBox(
                age,
                _radio(EXCLUDED, f"{EXCLUSIONS[0].upper()}{EXCLUSIONS[1:]}", "clinical-excluded"),
                _radio(MENARCHE, "Age at her first period", "clinical-menarche"),
                _radio(FIRST_BIRTH, "Age at her first live birth", "clinical-first-birth"),
                _radio(RELATIVES, "Mother, sisters, daughters with breast cancer", "clinical-relatives"),
                _radio(BIOPSIES, "Breast biopsies so far, of whatever result", "clinical-biopsies"),
                _radio(HYPERPLASIA, "Atypical hyperplasia in a biopsy, if she had one", "clinical-hyperplasia"),
                gr.HTML(elem_id="clinical-images"),
                gr.HTML(TO_ANSWER, elem_id="clinical-result"),
            )
    return box


def _radio(choices: tuple[tuple[str, str], ...], label: str, name: str) -> gr.Radio:
    return gr.Radio(list(choices), value=None, label=label, elem_id=name, elem_classes=["question"])


def emptied(exam: Exam | None) -> tuple[Any, ...]:
    """Return updates for `ClinicalBox.typed`: nothing is answered, but the age where the files of the exam say it."""
    ages = {view.acquisition.age_years for view in exam.views.values()} - {None} if exam is not None else set()
    age = ages.pop() if len(ages) == 1 else None
    of_file = gr.Number(value=age, label=AGE if age is None else AGE_OF_FILE)
    return of_file, *(gr.Radio(value=None) for _ in range(6)), TO_ANSWER
