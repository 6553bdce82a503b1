"""A network behind the `Predictor` contract: answers from heads and from prompts."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy

import numpy as np
import torch
from torch import Tensor

from ..exam import SIDES, STANDARD_VIEWS, Exam, ViewName
from ..model.config import ModelRecord
from ..model.encoding import Encoding
from ..model.exam_network import ExamNetwork
from ..model.heads import TaskHead, probabilities
from ..model.last_stage import LastStage
from ..model.network import MVMLM
from ..model.view_fusion import Fused
from ..tasks import TASK, TASKS, Level, Task
from .attribution import Progress
from .explain import evidence_maps, source_maps
from .familiarity import Familiarity
from .map_methods import DEFAULT_METHOD, METHODS, MapMethod, method_named
from .precision import BFLOAT16, bf16_note, single_precision
from .prediction import Answer, Prediction, PromptScore, Target, answer_rows, exam_rows
from .prepared import PreparedExam, prepare_exam, read_together
from .quality import QualityNote, assess_quality
from .site_scores import SiteScores, calibrated_answers, called_back
from .withheld import why_not_for_women
from .zero_shot import ZeroShot

_LOG = logging.getLogger(__name__)


class ModelPredictor:
    """A network on a device, with its own heads and the fine-tuned heads that replace some of them.

    weights: SHA-256 of the weights file, in hex. precision: in which everything is computed. precision_error: see
    `precision.bf16_note`. engine: what runs the image trunks, see `engine.use_engine`. heads: the head of each task
    that is answered. finetuned: task -> name of the fine-tuned head that answers it. head_notes: task -> why its
    fine-tuned head does not answer, a sentence. withheld: task -> why it is not answered for one exam, see `for_exam`.
    """

    def __init__(self, model: ExamNetwork, device: str | torch.device | None = None, weights: str = ""):
        """Move a model to a device, in evaluation mode.

        device: by default the GPU where there is one. weights: the checksum by which fine-tuned heads and cached
        embeddings are matched with their model.
        """
        self.precision, self.engine, self.precision_error = "float32", "torch", 0.0
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights = weights
        self.heads = self.model.task_heads
        self.finetuned: dict[str, str] = {}
        self.head_notes: dict[str, str] = {}
        self.withheld: dict[str, str] = {}
        self.familiarity = Familiarity.of(model)
        self._zero_shot = ZeroShot(model.joint) if model.joint else None
        self._custom_tasks: tuple[Task, ...] = ()
        self._site = SiteScores()

    def with_heads(
        self, heads: Iterable[TaskHead], tasks: Iterable[Task] = (), head_notes: Mapping[str, str] | None = None
    ) -> ModelPredictor:
        """Return the same model with these fine-tuned heads in place of the bundled heads of their tasks.

        heads: `finetuning.head.FinetunedHead`s. tasks: all known tasks, also those that users declared. head_notes:
        task -> why the head that should answer it cannot, see `fallback_note`.
        """
        other = copy(self)
        other.heads, other.finetuned, other.head_notes = self.model.task_heads, {}, dict(head_notes or {})
        other._custom_tasks = tuple(task for task in tasks if task.name not in TASK)
        for head in heads:
            other.heads[head.task.name] = head.to(self.device)
            other.finetuned[head.task.name] = head.title
        return other

    def with_site(self, site: SiteScores) -> ModelPredictor:
        """Return the same model with its scores calibrated to the site, and called back by the site's thresholds."""
        other = copy(self)
        other._site = site
        return other

    def fallback_note(self, task: str, head: str, reason: str) -> str:
        """Return a sentence: which fine-tuned head does not answer its task, why, and what answers instead."""
        instead = "the bundled head answers" if task in self.model.task_heads else "no head answers"
        if task in self.model.task_heads and why_not_for_women(self.model.task_heads[task], self.record, True):
            instead += " for phantom exams only"
        return (
            f"The fine-tuned head “{head}” for {task} cannot be used, so {instead}: {reason} "
            "To end this, choose the head on the Fine-tune page and go back to the bundled head."
        )

    def without_failing_heads(self, encoding: Encoding) -> ModelPredictor:
        """Return the predictor for one exam: a bundled head answers where a fine-tuned one gives no finite number."""
        notes = {name: reason for name in self.finetuned if (reason := self._failure(name, encoding))}
        if not notes:
            return self
        other, bundled = copy(self), self.model.task_heads
        other.heads = {
            name: bundled[name] if name in notes else head
            for name, head in self.heads.items()
            if name not in notes or name in bundled
        }
        other.finetuned = {name: title for name, title in self.finetuned.items() if name not in notes}
        other.head_notes = self.head_notes | notes
        return other

    def for_exam(self, encoding: Encoding) -> ModelPredictor:
        """Return the predictor for one exam: without heads that fail on it, and without what is not told of a woman."""
        other = self.without_failing_heads(encoding)
        withheld = {name: reason for name, head in other.heads.items() if (reason := self._withheld(head, encoding))}
        if not withheld:
            return other
        answering = copy(other)
        answering.withheld = withheld
        answering.heads = {name: head for name, head in other.heads.items() if name not in withheld}
        answering.finetuned = {name: title for name, title in other.finetuned.items() if name not in withheld}
        return answering

    def _withheld(self, head: TaskHead, encoding: Encoding) -> str:
        """Why a head is not asked about an exam, a sentence; "" for one that is."""
        if self._is_own(head) and (reason := self.model.unanswered(encoding.names)):
            return reason
        return "" if encoding.phantom else why_not_for_women(head, self.record, self._is_own(head))

    def _is_own(self, head: TaskHead) -> bool:
        """Whether a head came with the weights."""
        return self.model.task_heads.get(head.task.name) is head

    def _calibrated(self, phantom: bool) -> frozenset[str]:
        """The tasks whose head was calibrated on exams like one: on phantoms, or on women."""
        own = {name for name in self.finetuned if self.heads[name].learned_on_phantoms is phantom}
        bundled = set() if phantom else {*self.record.calibrated_for_women} & {*self.heads} - {*self.finetuned}
        return frozenset(own | bundled)

    def _failure(self, name: str, encoding: Encoding) -> str:
        """The note on a fine-tuned head that fails on an exam; "" for one that answers."""
        try:
            with torch.inference_mode():
                if bool(torch.isfinite(self._shares(name, encoding)).all()):
                    return ""
            reason = "it gives a number that is not finite for this exam."
        except Exception as error:  # whatever a head does, the answers of the others stay
            _LOG.exception("a fine-tuned head failed")
            reason = f"it fails on this exam ({type(error).__name__})."
        return self.fallback_note(name, self.finetuned[name], reason)

    def _shares(self, name: str, encoding: Encoding) -> Tensor:
        """The probabilities of a head for one exam: (2, classes) for a breast's task, (classes,) for an exam's."""
        fused = encoding.fused
        if self.stage(name) is not None:
            fused = self.fuse(self.pooled_for(name, encoding), encoding.names, encoding.apart)
        return probabilities(self.heads[name].task, self.logits(name, fused))[0]

    @property
    def tasks(self) -> tuple[Task, ...]:
        """The tasks that a head answers: the built-in ones in their order, then those that users declared."""
        others = [head.task for name, head in self.heads.items() if name not in TASK]
        return (*(task for task in TASKS if task.name in self.heads), *others)

    @property
    def askable(self) -> tuple[Task, ...]:
        """Every task that has a row on the page, with a head or without: first built-in, then declared ones."""
        others = {task.name: task for task in (*self._custom_tasks, *self.tasks) if task.name not in TASK}
        return (*TASKS, *others.values())

    @property
    def own_network(self) -> MVMLM:
        """Our own network. Raises ValueError where the model is another group's."""
        if not isinstance(self.model, MVMLM):
            raise ValueError(f"{self.record.name} is not a model of MV-MLM. Give weights that `mvmlm pretrain` wrote.")
        return self.model

    @property
    def record(self) -> ModelRecord:
        """The record of the weights file."""
        return self.model.record

    @property
    def prevalence(self) -> dict[str, float]:
        """For each binary task the share of positives, 0..1, in its head's training data, to which it is calibrated."""
        known = dict(self.record.training.get("prevalence") or {})
        for name in self.finetuned:
            known.pop(name, None)
            if (share := self.heads[name].prevalence) is not None:
                known[name] = share
        return known

    def width(self, level: Level) -> int:
        """Return the width of the embedding of a breast or an exam with its views, which a head is given."""
        widths = self.model.widths
        return widths.views + (widths.breast if level is Level.BREAST else widths.exam)

    def stage(self, task: str | None) -> LastStage | None:
        """Return the last image stage that was fine-tuned with a task's head; None for the model's own."""
        return getattr(self.heads.get(task), "stage", None) if task else None

    def features_for(self, task: str | None, encoding: Encoding) -> tuple[Tensor, ...]:
        """Return the feature maps (n, C, h, w) that a task's head is given; None for the model's own."""
        stage, views = self.stage(task), encoding.views
        if stage is None or views.fine is None:
            return views.features
        return (stage.features(self.own_network, views.fine),)

    def pooled_for(self, task: str, encoding: Encoding) -> Tensor:
        """Return `features_for` pooled over the breast, (n, C)."""
        if self.stage(task) is None:
            return encoding.views.pooled
        return self.model.pool(self.features_for(task, encoding), encoding.views.inside)

    def logits(self, task: str, fused: Fused) -> Tensor:
        """Return a head's logits: (exams, 2, classes) for a breast's task, (exams, classes) for an exam's."""
        head = self.heads[task]
        return head(fused.embedding(head.task.level))

    def predict(self, exam: Exam, prompts: Iterable[str] = (), score_for_processing: bool = False) -> Prediction:
        """Return all answers from the views that can be read.

        prompts: one sentence each, or a pair "positive | negative". score_for_processing: also read FOR PROCESSING
        images, for which the weights were not trained. Raises NoBreast where no standard view can be read.
        """
        return self.predict_prepared([prepare_exam(self.model, exam, score_for_processing)], prompts)[0]

    def predict_prepared(
        self, exams: Sequence[PreparedExam], prompts: Iterable[str] = (), encodings: Sequence[Encoding] | None = None
    ) -> list[Prediction]:
        """Return all answers for exams that were prepared for this model. encodings: None to read them here."""
        prompts, encodings = tuple(prompts), self.encode_prepared(exams) if encodings is None else encodings
        return [self._predicted(prepared, read, prompts) for prepared, read in zip(exams, encodings, strict=True)]

    def _predicted(self, prepared: PreparedExam, encoding: Encoding, prompts: Sequence[str]) -> Prediction:
        with single_precision(self.device):
            measured = prepared.measured or self.familiarity.measured_inputs(encoding.inputs, prepared.exam.views)
            unfamiliar = self.familiarity.unfamiliar(measured)
            answering = self.for_exam(encoding)
        bundled = answering.heads.keys() - answering.finetuned.keys()
        notes = assess_quality(prepared.exam, prepared.unread, unfamiliar, self.record, bundled)
        told = [("model", note) for note in self.record.notes]
        told += [("precision", bf16_note(self.precision_error))] if self.precision == BFLOAT16 else []
        told += [("head", note) for note in answering.head_notes.values()]
        with torch.inference_mode(), single_precision(self.device):
            answers = answering._head_answers(encoding) + self._prompt_answers(encoding)
            called = called_back(answers, self._site.thresholds, encoding.phantom)
            answers, here, shares, outside = calibrated_answers(answers, self._site.calibrations, encoding.phantom)
            scores = self.score_prompts(encoding, prompts)
        answers += exam_rows(answers, self.askable)
        notes = (*(QualityNote(*each) for each in (*told, *(("calibration", note) for note in outside))), *notes)
        return Prediction(
            prepared.exam, self.record.name, self.record.version, tuple(answers), scores, notes, encoding, self.askable,
            dict(answering.finetuned), answering.prevalence | shares, answering.withheld,
            answering._calibrated(encoding.phantom) | here, frozenset(bundled) & {*self.record.at_chance},
            here, called,
        )  # fmt: skip

    def encode(self, exam: Exam, score_for_processing: bool = False) -> tuple[Encoding, dict[ViewName, str]]:
        """Return the encoded exam, and the reason for each view that was not read.

        score_for_processing: also read FOR PROCESSING images. Raises NoBreast where no standard view can be read.
        """
        prepared = prepare_exam(self.model, exam, score_for_processing)
        return self.encode_prepared([prepared])[0], dict(prepared.unread)

    def encode_prepared(self, exams: Sequence[PreparedExam]) -> list[Encoding]:
        """Return the encoding of exams that were prepared for this model. Their views are read together."""
        encodings = []
        with torch.inference_mode(), single_precision(self.device):
            for prepared, views in zip(exams, read_together(self.model, exams), strict=True):
                names, phantom = tuple(prepared.inputs), prepared.phantom
                apart = self.record.women_one_breast and not phantom
                fused = self.fuse(views.pooled, names, apart)
                encodings.append(Encoding(names, prepared.inputs, views, fused, phantom, apart))
        return encodings

    def fuse(self, pooled: Tensor, names: Sequence[ViewName], apart: bool = False) -> Fused:
        """Return the embeddings of exams from the pooled features (n, C), or (exams, n, C), of their views `names`.

        apart: fuse their breasts one at a time.
        """
        index = [STANDARD_VIEWS.index(name) for name in names]
        pooled = pooled.unsqueeze(0) if pooled.ndim == 2 else pooled
        slots = pooled.new_zeros(len(pooled), len(STANDARD_VIEWS), pooled.shape[-1])
        slots = slots.index_copy(1, torch.tensor(index, device=pooled.device), pooled)
        present = torch.zeros(len(pooled), len(STANDARD_VIEWS), dtype=torch.bool, device=pooled.device)
        present[:, index] = True
        return self.model.fuse(slots, present, torch.full((len(pooled),), apart, device=pooled.device))

    @property
    def knows_text(self) -> bool:
        """Whether the model can be asked in words."""
        return self._zero_shot is not None

    @property
    def zero_shot(self) -> ZeroShot:
        """The scores of prompts. Raises ValueError for a model that knows no text."""
        if self._zero_shot is None:
            raise ValueError(
                f"{self.record.name} knows no text, so it cannot be asked in words. Choose a model that does, such as "
                "demo."
            )
        return self._zero_shot

    @property
    def map_methods(self) -> tuple[MapMethod, ...]:
        """The methods of maps that the model offers."""
        return tuple(method for method in METHODS.values() if self.model.slow_maps or not method.slow)

    def prompt_direction(self, prompt: str) -> Tensor:
        """Return (embed_dim,): a view's log odds for a prompt are its embedding's product with this."""
        return self.zero_shot.direction(prompt)

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """Return the similarity of each prompt with each view, each breast and the exam (the higher breast's)."""
        prompts = tuple(prompts)
        return self.zero_shot.score_prompts(encoding, prompts) if prompts else ()

    def maps(
        self,
        encoding: Encoding,
        targets: Sequence[Target],
        method: str = DEFAULT_METHOD,
        views: Collection[ViewName] | None = None,
        progress: Progress = lambda share: None,
    ) -> dict[Target, dict[ViewName, np.ndarray]]:
        """Return for each target and view a map (rows, columns), float32 0..1, in DICOM pixels of the view.

        The arguments are those of `explain.source_maps`. Raises ValueError for a task that is withheld from this exam.
        """
        with single_precision(self.device):
            answering = self._explaining(encoding, targets, method)
            return source_maps(answering, encoding, targets, method, views, progress)

    def map_evidence(
        self,
        encoding: Encoding,
        targets: Sequence[Target],
        method: str = DEFAULT_METHOD,
        progress: Progress = lambda share: None,
    ) -> dict[Target, dict[ViewName, np.ndarray]]:
        """Return the maps before they are enlarged to the views: `explain.evidence_maps`, for `explain.to_source`."""
        with single_precision(self.device):
            answering = self._explaining(encoding, targets, method)
            return evidence_maps(answering, encoding, targets, method, progress=progress)

    def _explaining(self, encoding: Encoding, targets: Sequence[Target], method: str) -> ModelPredictor:
        """The predictor for one exam.

        Raises ValueError for a target whose task is withheld from it, and for a method that the model does not offer.
        """
        if method_named(method) not in self.map_methods:
            raise ValueError(
                f"{self.record.name} has no maps by {method_named(method).title}, which would take minutes with it. "
                f"Choose {' or '.join(offered.name for offered in self.map_methods)}."
            )
        answering = self.for_exam(encoding)
        for target in targets:
            if target.task in answering.withheld:
                raise ValueError(f"{target}: there is no map, because it is {answering.withheld[target.task]}")
        return answering

    def answer_by_view(self, encoding: Encoding, task: str) -> dict[ViewName, float]:
        """Return the probability, 0..1, of a binary breast task for each view alone, as if there were no other."""
        probability = {}
        answering = self.for_exam(encoding)
        with torch.inference_mode():
            pooled = answering.pooled_for(task, encoding)
            for index, name in enumerate(encoding.names):
                alone = self.fuse(pooled[index : index + 1], [name])
                logits = answering.logits(task, alone)[0, SIDES.index(name.laterality)]
                probability[name] = float(torch.sigmoid(logits[0].float()))
        return probability

    def _head_answers(self, encoding: Encoding) -> list[Answer]:
        answers = []
        for name, head in self.heads.items():
            task, shares = head.task, self._shares(name, encoding)
            if task.level is Level.EXAM:
                answers += answer_rows(task, None, shares.tolist(), "head")
            else:
                for side in encoding.sides:
                    answers += answer_rows(task, side, shares[SIDES.index(side)].tolist(), "head")
        return answers

    def _prompt_answers(self, encoding: Encoding) -> list[Answer]:
        if self._zero_shot is None:
            return []
        read = torch.tensor([[side in encoding.sides for side in SIDES]], device=self.device)
        unanswered = {} if encoding.phantom else self.record.not_for_women  # learned from the same reports
        by_name = {task.name: task for task in self.askable if task.name not in unanswered}
        answers = []
        for name, shares in self._zero_shot.class_probabilities(encoding.fused, read, by_name.values()).items():
            task = by_name[name]
            for side in encoding.sides if task.level is Level.BREAST else (None,):
                row = shares[0] if side is None else shares[0, SIDES.index(side)]
                answers += answer_rows(task, side, row[: len(task.classes)].tolist(), "prompt")
        return answers
