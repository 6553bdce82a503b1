"""Answers from text prompts alone, without a trained head: cosine similarities in the joint space of images and text.

The method is that of CLIP (Radford et al., "Learning Transferable Visual Models From Natural Language Supervision",
2021).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from ..exam import SIDES, Laterality, ViewName
from ..model.encoding import Encoding
from ..model.exam_network import JointSpace
from ..model.view_fusion import Fused
from ..tasks import Level, Task
from .prediction import PromptScore

PAIR_SEPARATOR = "|"  # of a positive and a negative prompt: "spiculated mass | no mass"


class ZeroShot:
    """Scores prompts in the joint space of a network.

    It caches the embeddings of ready-made prompts, and nothing of an exam.
    """

    def __init__(self, joint: JointSpace):
        self.joint = joint
        self._ready_made: dict[tuple[str, ...], Tensor] = {}

    def embed_text(self, text: str) -> Tensor:
        """Return the embedding (embed_dim,) of a text, of unit length."""
        with torch.inference_mode():
            return self.joint.embed_texts([text])[0]

    def ready_made(self, prompts: Sequence[str]) -> Tensor:
        """Return the mean embedding (embed_dim,) of ready-made prompts that mean the same, of unit length."""
        key = tuple(prompts)
        if key not in self._ready_made:
            with torch.inference_mode():
                mean = self.joint.embed_texts(key).mean(0)
            self._ready_made[key] = torch.nn.functional.normalize(mean, dim=0)
        return self._ready_made[key]

    def direction(self, prompt: str) -> Tensor:
        """Return (embed_dim,): the log odds of a prompt are the product of an image's embedding with this.

        They are those of the prompt against the negative one of a pair, or against a mammogram without a finding.
        """
        positive, _, negative = (part.strip() for part in prompt.partition(PAIR_SEPARATOR))
        against = self.embed_text(negative) if negative else self.ready_made(self.joint.neutral)
        with torch.inference_mode():
            return self.joint.similarity_scale * (self.embed_text(positive) - against)

    def class_probabilities(self, fused: Fused, read: Tensor, tasks: Iterable[Task]) -> dict[str, Tensor]:
        """Return for each task that has prompts the softmax over the similarities of its classes' prompts.

        read: (exams, 2) bool, the breasts of which a view was read. The result is (exams, 2, classes) for a breast's
        task; for an exam's (exams, classes), the mean over the breasts that were read. A binary task has two classes,
        "present" first.
        """
        breasts = self.joint.embed_breasts(fused)
        probabilities = {}
        for task in tasks:
            prompts = self.joint.prompts_of(task)
            if not prompts:
                continue
            texts = torch.stack([self.ready_made(of_class) for of_class in prompts.values()])
            shares = torch.softmax(self.joint.class_scale * breasts @ texts.T, -1)
            if task.level is Level.EXAM:
                weight = read.unsqueeze(-1).to(shares.dtype)
                shares = (shares * weight).sum(1) / weight.sum(1).clamp(min=1)
            probabilities[task.name] = shares
        return probabilities

    def score_prompts(self, encoding: Encoding, prompts: Iterable[str]) -> tuple[PromptScore, ...]:
        """Return the similarity of each prompt with each view, each breast and the exam (the higher breast's)."""
        with torch.inference_mode():
            views = self.joint.embed_views(encoding.views.pooled)
            breasts = self.joint.embed_breasts(encoding.fused)[0]
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
                float(torch.sigmoid(self.joint.similarity_scale * value)) if negative else None,
            )
            for view, side, value in rows
        ]
