"""Predictor: Exam -> Prediction (probabilities, risk curve, prompt scores), with what the maps need kept beside it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..checksum import checksum
from ..exam import STANDARD_VIEWS, Exam, Laterality, ViewName
from ..imaging.preprocess import NoBreast
from ..model.config import WeightsRecord
from ..model.encoding import Encoding
from ..model.network import MVMLM, SIDES, Fused
from ..model.weights import load_weights
from ..tasks import TASK, TASKS, Kind, Level, Task
from .prediction import Answer, Prediction, PromptScore
from .quality import Familiarity, quality_of

if TYPE_CHECKING:
    from ..model.last_stage import LastStage

ASSETS = Path(__file__).resolve().parent.parent.parent / "assets"
PAIR = "|"  # "spiculated mass | no mass": a positive and a negative prompt


class Predictor:
    """A loaded model on a device. Made once; safe to share between threads, keeps nothing of an exam."""

    def __init__(self, model: MVMLM, device: str | torch.device | None = None, weights: str = ""):
        """weights: the checksum of the weights' file, by which taught heads and cached embeddings know their model."""
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.weights = weights
        self.heads: dict[str, torch.nn.Module] = dict(self.model.heads)
        self.taught: dict[str, str] = {}
        self.declared: tuple[Task, ...] = ()  # the user's own tasks, whether a head answers them or not
        self.familiarity = Familiarity(model.reference)
        self._texts: dict[str, Tensor] = {}

    def with_heads(self, heads: Iterable[torch.nn.Module], tasks: Iterable[Task] = ()) -> Predictor:
        """The same model, answering with taught heads (`taught.TaughtHead`) where they are given. tasks: all that are known."""
        other = copy(self)
        other.heads, other.taught = dict(self.model.heads), {}
        other.declared = tuple(task for task in tasks if task.name not in TASK)
        for head in heads:
            other.heads[head.task.name] = head.to(self.device)
            other.taught[head.task.name] = head.title
        return other

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Every task that has a head: ours in their order, then the user's own."""
        own = [head.task for name, head in self.heads.items() if name not in TASK]
        return (*(task for task in TASKS if task.name in self.heads), *own)

    @property
    def known(self) -> tuple[Task, ...]:
        """Every task the page has a row for: ours, then the user's own, with a head or without."""
        return _with_ours((*self.declared, *(task for task in self.tasks if task not in self.declared)))

    @property
    def prevalence(self) -> dict[str, float]:
        """For each binary task the share of positives where its head learned: what its probabilities are calibrated to."""
        known = dict(self.record.training.get("prevalence") or {})
        for name in self.taught:
            known.pop(name, None)
            if self.heads[name].prevalence is not None:
                known[name] = self.heads[name].prevalence
        return known

    def width(self, level: Level) -> int:
        """How many numbers a head of that level is given."""
        fusion = self.model.fusion
        return fusion.breast_width if level is Level.BREAST else fusion.exam_width

    def stage(self, task: str) -> LastStage | None:
        """The last image stage of its own that a head was taught with; None for the weights' own, or where no head answers."""
        return getattr(self.heads.get(task), "stage", None)

    def features_for(self, task: str, encoding: Encoding) -> Tensor:
        """(n, C, h, w): the feature map that the task's head hears."""
        stage = self.stage(task)
        return encoding.features if stage is None else stage.features(self.model, encoding.fine)

    def pooled_for(self, task: str, encoding: Encoding) -> Tensor:
        """(n, C) of `features_for`."""
        if self.stage(task) is None:
            return encoding.pooled
        return self.model.image_tower.pool(self.features_for(task, encoding), encoding.inside)

    def logits(self, task: str, fused: Fused) -> Tensor:
        """Of the task's head: (exams, 2, classes) for a breast's task, (exams, classes) for an exam's."""
        head = self.heads[task]
        return head(fused.breasts if head.task.level is Level.BREAST else fused.exam)

    @property
    def record(self) -> WeightsRecord:
        return self.model.record

    def predict(self, exam: Exam, prompts: Iterable[str] = (), score_for_processing: bool = False) -> Prediction:
        """All answers from the views that are there.

        prompts: one sentence each, or "positive | negative". score_for_processing: also read FOR PROCESSING images,
        for which the weights were not made. Raises NoBreast where no standard view can be read.
        """
        encoding, unread = self.encode(exam, score_for_processing)
        warnings = quality_of(exam, unread, self.familiarity.of(encoding.fused.exam), self.record)
        with torch.inference_mode():
            answers = self._by_heads(encoding) + self._by_prompts(encoding)
        scores = self.score_prompts(encoding, prompts)
        return Prediction(
            exam, self.record.name, self.record.version, tuple(_with_exam_rows(answers, self.known)), scores, warnings, encoding,
            self.known, dict(self.taught),
        )  # fmt: skip

    def encode(self, exam: Exam, score_for_processing: bool = False) -> tuple[Encoding, dict[ViewName, str]]:
        """-> the exam inside the model, and for each view that was not read the reason."""
        inputs, unread = {}, {}
        for name, view in exam.views.items():
            if view.for_processing and not score_for_processing:
                unread[name] = "a FOR PROCESSING image: shown, but not scored unless you ask for it"
                continue
            try:
                inputs[name] = self.record.preprocessing(view)
            except NoBreast as error:
                unread[name] = str(error)
        if not inputs:
            said = "; ".join(f"{name}: {reason}" for name, reason in unread.items())
            raise NoBreast(f"no standard view (CC or MLO) that the model can read{': ' + said if said else ''}")
        names = tuple(inputs)
        with torch.inference_mode():
            images = torch.stack([torch.from_numpy(inputs[name].tensor) for name in names]).unsqueeze(1)
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
                tower, images = self.model.image_tower, images.to(self.device)
                fine, coarse = tower.scales(images)
                features = tower.join(fine, tower.coarse(coarse)).float()
            inside = tower.inside(images, self.model.black, fine.shape[-2:])
            pooled = tower.pool(features, inside)
            fused = self.fuse(pooled, names)
        return Encoding(names, inputs, fine.float(), features, inside, pooled, fused), unread

    def fuse(self, pooled: Tensor, names: Sequence[ViewName]) -> Fused:
        """pooled (n, C) of the named views -> Fused of one exam."""
        index = [STANDARD_VIEWS.index(name) for name in names]
        slots = pooled.new_zeros(1, len(STANDARD_VIEWS), pooled.shape[1])
        slots = slots.index_copy(1, torch.tensor(index, device=pooled.device), pooled.unsqueeze(0))
        present = torch.zeros(1, len(STANDARD_VIEWS), dtype=torch.bool, device=pooled.device)
        present[:, index] = True
        return self.model.fusion(slots, present)

    def embed_text(self, text: str) -> Tensor:
        """(embed_dim,), unit length."""
        with torch.inference_mode():
            return self.model.embed_texts([text])[0]

    def class_text(self, task: Task, class_: str) -> Tensor:
        """(embed_dim,): the mean of a class's ready-made prompts."""
        key = f"{task.name} {class_}"
        if key not in self._texts:
            with torch.inference_mode():
                mean = self.model.embed_texts(task.prompts[class_]).mean(0)
            self._texts[key] = torch.nn.functional.normalize(mean, dim=0)
        return self._texts[key]

    def answer_by_view(self, encoding: Encoding, task: str) -> dict[ViewName, float]:
        """What the head of a binary breast task says of each view read alone, as if no other had been taken."""
        found = {}
        with torch.inference_mode():
            pooled = self.pooled_for(task, encoding)
            for index, name in enumerate(encoding.names):
                alone = self.fuse(pooled[index : index + 1], [name])
                logits = self.heads[task](alone.breasts[0, SIDES.index(name.laterality)])
                found[name] = float(torch.sigmoid(logits[0].float()))
        return found

    def _by_heads(self, encoding: Encoding) -> list[Answer]:
        answers = []
        for name, head in self.heads.items():
            task = head.task
            fused = (
                encoding.fused
                if self.stage(name) is None
                else self.fuse(self.pooled_for(name, encoding), encoding.names)
            )
            logits = self.logits(name, fused)
            if task.level is Level.EXAM:
                answers += _rows(task, None, _probabilities(task, logits[0]), "head")
                continue
            for side in encoding.sides:
                answers += _rows(task, side, _probabilities(task, logits[0, SIDES.index(side)]), "head")
        return answers

    def _by_prompts(self, encoding: Encoding) -> list[Answer]:
        read = torch.tensor([[side in encoding.sides for side in SIDES]], device=self.device)
        answers = []
        for name, shares in self.prompt_shares(encoding.fused, read).items():
            task = next(task for task in self.prompted if task.name == name)
            for side in encoding.sides if task.level is Level.BREAST else (None,):
                own = shares[0] if side is None else shares[0, SIDES.index(side)]
                answers += _rows(task, side, own[: len(task.classes)].tolist(), "prompt")
        return answers

    @property
    def prompted(self) -> tuple[Task, ...]:
        """Every task that ready-made prompts answer."""
        return tuple(task for task in self.known if task.prompts)

    def prompt_shares(self, fused: Fused, read: Tensor) -> dict[str, Tensor]:
        """What the ready-made prompts say: {task: (exams, 2, prompts' classes), or (exams, prompts' classes) for an exam's task}.

        read: (exams, 2) bool, the breasts that have a view; an exam's answer is the mean of those. A binary task has its
        class "present" first.
        """
        breasts, scale = self.model.embed_breasts(fused), self.model.logit_scale.exp().clamp(max=100)
        found = {}
        for task in self.prompted:
            texts = torch.stack([self.class_text(task, class_) for class_ in task.prompts])
            shares = torch.softmax(scale * breasts @ texts.T, -1)
            if task.level is Level.EXAM:
                weight = read.unsqueeze(-1).to(shares.dtype)
                shares = (shares * weight).sum(1) / weight.sum(1).clamp(min=1)
            found[task.name] = shares
        return found

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """The similarity of each prompt with each view, breast and the exam (the higher breast's)."""
        scores = []
        with torch.inference_mode():
            views = self.model.embed_views(encoding.pooled)
            breasts = self.model.embed_breasts(encoding.fused)[0]
            scale = self.model.logit_scale.exp().clamp(max=100)
            for prompt in prompts:
                positive, _, negative = (part.strip() for part in prompt.partition(PAIR))
                direction = self.embed_text(positive)
                if negative:
                    direction = direction - self.embed_text(negative)
                for name, view in zip(encoding.names, views, strict=True):
                    scores.append(_prompt_score(prompt, name, name.laterality, view @ direction, scale, negative))
                by_breast = {side: breasts[SIDES.index(side)] @ direction for side in encoding.sides}
                for side, similarity in by_breast.items():
                    scores.append(_prompt_score(prompt, None, side, similarity, scale, negative))
                scores.append(_prompt_score(prompt, None, None, max(by_breast.values()), scale, negative))
        return tuple(scores)


def _prompt_score(prompt, view, side, similarity, scale, negative) -> PromptScore:
    probability = float(torch.sigmoid(scale * similarity)) if negative else None
    return PromptScore(prompt, view, side, float(similarity), probability)


def _probabilities(task: Task, logits: Tensor) -> list[float]:
    if task.kind is Kind.MULTICLASS:
        return torch.softmax(logits.float(), 0).tolist()
    return torch.sigmoid(logits.float()).tolist()


def _rows(task: Task, side: Laterality | None, probabilities: Sequence[float], by: str) -> list[Answer]:
    rows = [Answer(task.name, side, c, float(p), by) for c, p in zip(task.classes, probabilities, strict=True)]
    if any(not math.isfinite(row.probability) for row in rows):
        raise FloatingPointError(f"{task.name}: the model gave a number that is not finite; the weights are damaged")
    return rows


def _with_ours(tasks: Iterable[Task]) -> tuple[Task, ...]:
    """Every task of ours, and the given ones that are the user's own."""
    return (*TASKS, *(task for task in tasks if task.name not in TASK))


def _with_exam_rows(answers: list[Answer], tasks: Iterable[Task]) -> list[Answer]:
    """Adds the exam's row of each breast task: the higher breast's answer (for BI-RADS the higher expected level)."""
    out = list(answers)
    for task in _with_ours(tasks):
        if task.level is not Level.BREAST:
            continue
        for by in ("head", "prompt"):
            rows = [a for a in answers if a.task == task.name and a.by == by]
            sides = {side: [a for a in rows if a.laterality is side] for side in {a.laterality for a in rows}}
            if sides:
                level = {s: sum((i + 1) * a.probability for i, a in enumerate(r)) for s, r in sides.items()}
                higher = max(sorted(sides, key=SIDES.index), key=level.get)
                out += [a._replace(laterality=None) for a in sides[higher]]
    return out


def load_model(name: str | Path = "demo", device: str | None = None) -> Predictor:
    """ "demo" reads the bundled weights; anything else is the path of a safetensors file. Raises model.WeightsError."""
    path = ASSETS / f"{name}.safetensors" if str(name).isidentifier() else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.name}: no such weights. Bundled: demo; or give the path of a .safetensors file."
        )
    return Predictor(load_weights(path), device, checksum(path))
