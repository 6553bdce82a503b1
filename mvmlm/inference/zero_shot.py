"""Answers from text prompts alone, without a trained head: cosine similarities in the joint space of images and text.

The method is that of CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..exam import Laterality, ViewName
from ..model.encoding import Encoding
from ..model.network import MVMLM, SIDES, Fused
from ..tasks import TASK, Level, Task
from .prediction import PromptScore

PAIR_SEPARATOR = "|"  # of a positive and a negative prompt: "spiculated mass | no mass"


class ZeroShot:
    """Scores prompts with a model. It caches the embeddings of ready-made prompts, and nothing of an exam."""

    def __init__(self, model: MVMLM):
        self._model = model
        self._class_texts: dict[str, Tensor] = {}

    def embed_text(self, text: str) -> Tensor:
        """Return the embedding (embed_dim,) of a text, of unit length."""
        with torch.inference_mode():
            return self._model.embed_texts([text])[0]

    def class_text(self, task: Task, class_: str) -> Tensor:
        """Return the mean embedding (embed_dim,) of a class's ready-made prompts, of unit length."""
        key = f"{task.name} {class_}"
        if key not in self._class_texts:
            with torch.inference_mode():
                mean = self._model.embed_texts(task.prompts[class_]).mean(0)
            self._class_texts[key] = torch.nn.functional.normalize(mean, dim=0)
        return self._class_texts[key]

    def direction(self, prompt: str) -> Tensor:
        """Return (embed_dim,): the log odds of a prompt are the product of an image's embedding with this.

        They are those of the prompt against the negative one of a pair, or against a mammogram of BI-RADS 1.
        """
        positive, _, negative = (part.strip() for part in prompt.partition(PAIR_SEPARATOR))
        against = self.embed_text(negative) if negative else self.class_text(TASK["birads"], "1")
        with torch.inference_mode():
            return self._model.similarity_scale * (self.embed_text(positive) - against)

    def class_probabilities(self, fused: Fused, read: Tensor, tasks: Iterable[Task]) -> dict[str, Tensor]:
        """Return for each task that has prompts the softmax over the similarities of its classes' prompts.

        read: (exams, 2) bool, the breasts of which a view was read. The result is (exams, 2, classes) for a breast's
        task; for an exam's (exams, classes), the mean over the breasts that were read. A binary task has two classes,
        "present" first.
        """
        breasts = self._model.embed_breasts(fused)
        probabilities = {}
        for task in tasks:
            if not task.prompts:
                continue
            texts = torch.stack([self.class_text(task, class_) for class_ in task.prompts])
            shares = torch.softmax(self._model.similarity_scale * breasts @ texts.T, -1)
            if task.level is Level.EXAM:
                weight = read.unsqueeze(-1).to(shares.dtype)
                shares = (shares * weight).sum(1) / weight.sum(1).clamp(min=1)
            probabilities[task.name] = shares
        return probabilities

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """Return the similarity of each prompt with each view, each breast and the exam (the higher breast's)."""
        with torch.inference_mode():
            views = self._model.embed_views(encoding.pooled)
            breasts = self._model.embed_breasts(encoding.fused)[0]
            return tuple(score for prompt in prompts for score in self._score_prompt(encoding, views, breasts, prompt))

    def _score_prompt(self, encoding: Encoding, views: Tensor, breasts: Tensor, prompt: str) -> Sequence[PromptScore]:
        positive, _, negative = (part.strip() for part in prompt.partition(PAIR_SEPARATOR))
        direction = self.embed_text(positive)
        if negative:
            direction = direction - self.embed_text(negative)
        by_breast = {side: breasts[SIDES.index(side)] @ direction for side in encoding.sides}
        rows: list[tuple[ViewName | None, Laterality | None, Tensor]] = [
            (name, name.laterality, view @ direction) for name, view in zip(encoding.names, views, strict=True)
        ]
        rows += [(None, side, similarity) for side, similarity in by_breast.items()]
        rows.append((None, None, max(by_breast.values())))
        return [
            PromptScore(
                prompt,
                view,
                side,
                float(value),
                float(torch.sigmoid(self._model.similarity_scale * value)) if negative else None,
            )
            for view, side, value in rows
        ]
