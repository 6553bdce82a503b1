"""Event handlers of the reading page that call the model: answers, draft report, prompts, similar exams.

A handler takes the values of its input components and returns updates of its outputs. The answers are sent to the
browser only after the reader has asked for them. An event that the page raises by itself changes nothing where another
exam was opened meanwhile; one that the reader raised says so.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import gradio as gr

from mvmlm.inference.draft_report import draft_findings
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.report.writer import write_exam_report
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import TASKS, Kind

from .. import plots
from ..markup import template
from .answers import answers_html, badges, warnings
from .answers_state import FAILED, HIDDEN, PROBLEM, SEALED, is_sealed
from .clinical_events import NOT_READ, image_risk_html, images_row
from .exam_events import Updates
from .form_display import read_state
from .prompt_table import scores_html
from .prompts import clean_prompts, prompt_sets
from .similar import find_similar, similar_html
from .visit import Visit, predict

if TYPE_CHECKING:
    from mvmlm.finetuning.retrieval import ExamIndexCache
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction

BINARY = [task for task in TASKS if task.kind is Kind.BINARY]
OPEN_FIRST = "Open an exam first."
HIDDEN_PROMPTS = "Not scored: the model’s answers are hidden. Read first, then ask on the page “Model”."

_PARAGRAPHS = template("{% for line in lines %}<p>{{ line }}</p>{% endfor %}")


class ModelEvents:
    """Event handlers of the answers, prompts and similar exams."""

    def __init__(self, get_predictor: Callable[[], ModelPredictor], store: Store, reads: SharedReads):
        self._get_predictor, self._store, self._reads = get_predictor, store, reads

    @property
    def ready_prompts(self) -> dict[str, list[str]]:
        """The ready-made prompts by the name of their set, those of tasks that were declared meanwhile among them."""
        return prompt_sets(self._store.tasks)

    def answers(
        self,
        token: str | None,
        visit: Visit,
        score_for_processing: bool,
        at_once: bool,
        request: gr.Request,
        *per_1000: float | None,
    ) -> Updates | dict[str, Any]:
        """Run the model; return updates for `ReadPage.answer_outputs`.

        at_once: show the answers though the reader did not ask. per_1000: the prevalence of each task of BINARY.
        """
        if not visit.owned_by(request).shows(token):
            return gr.skip()
        return self._with_image_risk(visit, score_for_processing, at_once, per_1000)

    def show_answers(
        self,
        token: str | None,
        visit: Visit,
        score_for_processing: bool,
        at_once: bool,
        request: gr.Request,
        *per_1000: float | None,
    ) -> Updates:
        """The same as `answers`, for a reader who asks to see them."""
        visit = replace(visit.of_event(token, request), answers_requested=True)
        return self._with_image_risk(visit, score_for_processing, at_once, per_1000)

    def _with_image_risk(
        self, visit: Visit, score_for_processing: bool, at_once: bool, per_1000: Sequence[float | None]
    ) -> Updates:
        """The updates of `_answer_updates`, and the row of the risk by the images."""
        updates = self._answer_updates(visit, score_for_processing, at_once, per_1000)
        return *updates, image_risk_html(updates[0], at_once)

    def _answer_updates(
        self, visit: Visit, score_for_processing: bool, at_once: bool, per_1000: Sequence[float | None]
    ) -> Updates:
        no_risk, no_badges, of_read = gr.Plot(visible=False), gr.HTML(badges={}), (gr.skip(), gr.skip())
        if visit.exam is None or not visit.exam.views:
            return visit, "", "", no_risk, gr.Dropdown(choices=[], value=None), no_badges, *of_read
        predictor = self._get_predictor()
        visit, problem = predict(visit, predictor, score_for_processing, self._reads)
        prediction = visit.prediction
        if prediction is None:
            problem_line = PROBLEM.render(line=problem)
            return visit, problem_line, "", no_risk, gr.Dropdown(choices=[], value=None), no_badges, *of_read
        if is_sealed(visit, at_once):
            return visit, warnings(prediction), SEALED, no_risk, self._targets(visit), no_badges, *of_read
        visit = replace(visit, answers_requested=True)  # they are seen: also by who starts a read of the exam now
        prevalence = prevalence_by_task(per_1000)
        if visit.exam_number:
            store_answers(self._store, visit.exam_number, prediction)
        if visit.read is not None and not visit.read.model_shown:
            now = self._store.readings.mark_informed(visit.read.id)
            # the form shows what it showed before
            shown = replace(visit.read, informed=now.informed, model_shown=now.model_shown, final=now.final)
            visit = replace(visit, read=shown)
            of_read = read_state(self._store, visit)
        return (
            visit,
            warnings(prediction),
            answers_html(prediction, prevalence),
            _risk_plot(prediction),
            self._targets(visit),
            gr.HTML(badges=badges(prediction, predictor, prevalence)),
            *of_read,
        )

    def _targets(self, visit: Visit, chosen: str | None = None) -> gr.Dropdown:
        """What a map can be drawn of: the classes of the tasks, and the reader's prompts."""
        from mvmlm.inference.explain import all_targets

        predictor = self._get_predictor()
        if visit.prediction is not None:
            predictor = predictor.for_exam(visit.prediction.encoding)
        unknown = visit.prediction.not_learned if visit.prediction else frozenset()
        targets = [str(target) for target in all_targets(predictor) if target.task not in unknown]
        targets += [f"“{prompt}”" for prompt in visit.prompts]
        return gr.Dropdown(choices=targets, value=chosen if chosen in targets else next(iter(targets), None))

    def not_answered(self, token: str | None, visit: Visit, request: gr.Request) -> Updates | dict[str, Any]:
        """Return in place of the answers, and of the risk by the images, that the model failed on the open exam."""
        if not visit.owned_by(request).shows(token) or visit.prediction is not None or visit.exam is None:
            return gr.skip()
        return FAILED, images_row(NOT_READ)

    def change_prevalence(
        self, token: str | None, visit: Visit, at_once: bool, request: gr.Request, *per_1000: float | None
    ) -> Updates | dict[str, Any]:
        """Return updates for the answers and the viewer with natural frequencies for other prevalences."""
        if not visit.owned_by(request).shows(token):
            return gr.skip()
        if visit.prediction is None:
            return "", gr.skip()
        if is_sealed(visit, at_once):
            return SEALED, gr.skip()
        prevalence = prevalence_by_task(per_1000)
        return (
            answers_html(visit.prediction, prevalence),
            gr.HTML(badges=badges(visit.prediction, self._get_predictor(), prevalence)),
        )

    def model_draft(self, token: str | None, visit: Visit, at_once: bool, request: gr.Request) -> Any:
        """Return an update for the model's draft report."""
        visit = visit.of_event(token, request)
        if visit.prediction is None:
            return gr.update(value=OPEN_FIRST, visible=True)
        if is_sealed(visit, at_once):
            return gr.update(value=HIDDEN, visible=True)
        return gr.update(value=write_exam_report(draft_findings(visit.prediction), random.Random(0)), visible=True)

    def score_prompts(
        self,
        token: str | None,
        typed: str,
        visit: Visit,
        target_name: str | None,
        at_once: bool,
        request: gr.Request,
    ) -> Updates:
        """Score the typed prompts; return the visit and updates for the scores, the note and the targets of a map.

        A prompt with a word that the weights do not know is listed and not scored. at_once: as for `answers`; what
        prompts tell is an answer of the model too.
        """
        visit = visit.of_event(token, request)
        prompts, note = clean_prompts(typed)
        if visit.prediction is None:
            note, prompts = OPEN_FIRST, []
        elif is_sealed(visit, at_once):
            note, prompts = HIDDEN_PROMPTS, []
        if visit.prediction is None or not prompts:
            return visit, "", _PARAGRAPHS.render(lines=[note or "Type a prompt first."]), gr.Dropdown()
        predictor = self._get_predictor()
        unknown = {prompt: predictor.zero_shot.joint.unknown_words(prompt.replace("|", " ")) for prompt in prompts}
        unknown = {prompt: words for prompt, words in unknown.items() if words}
        known = [prompt for prompt in prompts if prompt not in unknown]
        scores = predictor.score_prompts(visit.prediction.encoding, known)
        visit = replace(visit, prompts=tuple(known), prediction=replace(visit.prediction, prompts=scores))
        return (
            visit,
            scores_html(scores, unknown),
            _PARAGRAPHS.render(lines=[note] if note else []),
            self._targets(visit, target_name),
        )

    def fill_prompts(self, name: str) -> str:
        """Return the prompts of a set, one a line."""
        return "\n".join(self.ready_prompts.get(name) or self._store.prompt_sets.all().get(name, []))

    def prompt_set_choices(self) -> gr.Dropdown:
        """Return an update for the list of prompt sets, those that users saved among them."""
        return gr.Dropdown(choices=[*self.ready_prompts, *self._store.prompt_sets.all()])

    def save_prompts(self, name: str | None, typed: str | None, reader: str | None) -> Updates:
        """Save the typed prompts as a set; return updates for the list of sets and the note."""
        prompts, note = clean_prompts(typed)
        name = " ".join((name or "").split())[:60]
        problem = ""
        if not name or not prompts:
            problem = "Type a name and at least one prompt first."
        elif name in self.ready_prompts:
            problem = f"{name} is a ready-made set. Choose another name."
        else:
            try:
                self._store.prompt_sets.save(name, prompts, " ".join((reader or "").split()) or "page")
            except StoreError as error:
                problem = str(error)
        if problem:
            return gr.skip(), _PARAGRAPHS.render(lines=[problem])
        choices = [*self.ready_prompts, *self._store.prompt_sets.all()]
        return gr.Dropdown(choices=choices, value=name), _PARAGRAPHS.render(
            lines=[f"{note} “{name}” is saved.".strip()]
        )

    @cached_property
    def _index_cache(self) -> ExamIndexCache:
        from mvmlm.finetuning.retrieval import ExamIndexCache

        return ExamIndexCache(self._store)

    def find_similar(self, token: str | None, words: str | None, visit: Visit, request: gr.Request) -> Updates:
        """Return the list of the stored exams that fit the words or, without words, the open exam, and a note."""
        visit = visit.of_event(token, request)
        fused = visit.prediction.encoding.fused if visit.prediction else None
        vector = self._get_predictor().model.exam_vectors(fused)[0].cpu().numpy() if fused else None
        predictor = self._get_predictor()
        rows, note = find_similar(self._store, self._index_cache, predictor, words, vector, visit.exam_number)
        return similar_html(rows), _PARAGRAPHS.render(lines=[note])


def _risk_plot(prediction: Prediction) -> gr.Plot:
    """The curve of risk; none where no head that learned it answers it for this exam."""
    answered = any((answer.task, answer.by) == ("risk", "head") for answer in prediction.answers)
    if not answered or "risk" in prediction.not_learned:
        return gr.Plot(visible=False)
    return gr.Plot(value=plots.risk_curve(prediction), visible=True)


def store_answers(store: Store, exam: int, prediction: Prediction) -> None:
    """Store the answers that the reader was shown, with the model and heads that gave them."""
    model = f"{prediction.model} {prediction.version}"
    store.predictions.withdraw(exam, model, {*prediction.withheld, *prediction.not_learned})
    malignancy = next(
        (
            a.probability
            for a in prediction.answers
            if (a.task, a.by, a.laterality) == ("malignancy", "head", None)
        ),
        None,
    )  # fmt: skip
    for task in {answer.task for answer in prediction.answers} - prediction.not_learned:
        source = f"{model}, head {prediction.finetuned[task]}" if task in prediction.finetuned else model
        rows = [
            (a.task, a.laterality.value if a.laterality else "", a.class_, a.by, a.probability)
            for a in prediction.answers
            if a.task == task
        ]
        store.predictions.add(exam, source, rows, malignancy)


def prevalence_by_task(per_1000: Sequence[float | None]) -> dict[str, float]:
    """Return the typed prevalence of each task of BINARY; an empty or impossible one falls back to the task's own."""
    prevalences = {}
    for task, value in zip(BINARY, per_1000, strict=True):
        usable = isinstance(value, int | float) and 0 < value < 1000
        default = task.prevalence
        assert default is not None, "every binary task of ours has a prevalence"
        prevalences[task.name] = float(value) if usable and value is not None else default
    return prevalences
