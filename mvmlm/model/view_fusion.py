"""The fusion of an exam's views: a small transformer over their features, and the embeddings that come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..exam import SIDES, STANDARD_VIEWS, Projection
from ..tasks import Level
from .image_tower import NO_EVIDENCE

PROJECTIONS = (Projection.CC, Projection.MLO)


class Fused(NamedTuple):
    """The embeddings of exams and their breasts.

    breasts: (exams, 2, breast_width) in the order of SIDES: the breast's token, then the strongest evidence of its
    views for each finding. exam: (exams, exam_width): the exam's token, the absolute difference of the two breasts'
    tokens (zero where one breast has no view), then the higher of the two breasts' evidence. views: (exams, 3,
    features), the mean pooled features of the views of the exam, the right and the left breast; zero without a view.
    """

    breasts: Tensor
    exam: Tensor
    views: Tensor

    def embedding(self, level: Level) -> Tensor:
        """Return what heads are given: the embeddings of breasts (exams, 2, n) or exams (exams, n), and their views'.

        Bundled heads use the first features alone, those of `breasts` or `exam`.
        """
        if level is Level.BREAST:
            return torch.cat([self.breasts, self.views[:, 1:]], -1)
        return torch.cat([self.exam, self.views[:, 0]], -1)


class ViewFusion(nn.Module):
    """A small transformer over the views of an exam, with side and projection embeddings; absent views are masked.

    The answer tokens (exam, right, left) start from the mean of the views that they stand for, so one view is enough.
    """

    side_of_view: Tensor
    projection_of_view: Tensor

    def __init__(self, features: int, findings: int, width: int, heads: int, layers: int):
        """Build the fusion.

        features: width of a view's pooled features, of which the last `findings` are evidence. width: of a token.
        """
        super().__init__()
        self.findings = findings
        self.breast_width, self.exam_width, self.views_width = width + findings, 2 * width + findings, features
        self.project = nn.Linear(features, width)
        self.side = nn.Embedding(len(SIDES), width)
        self.projection = nn.Embedding(len(PROJECTIONS), width)
        self.answer = nn.Embedding(1 + len(SIDES), width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        side = torch.tensor([SIDES.index(name.laterality) for name in STANDARD_VIEWS])
        projection = torch.tensor([PROJECTIONS.index(name.projection) for name in STANDARD_VIEWS])
        self.register_buffer("side_of_view", side, persistent=False)
        self.register_buffer("projection_of_view", projection, persistent=False)

    def forward(self, pooled: Tensor, present: Tensor, seeds: Sequence[int] | None = None) -> Fused:
        """Return the embeddings of exams.

        pooled: (exams, 4, features) in the order of STANDARD_VIEWS; the content of an absent view does not matter.
        present: (exams, 4) bool. seeds: one for the dropout of each exam, which then does not depend on the other exams
        of the batch.
        """
        pooled = pooled.masked_fill(~present.unsqueeze(-1), 0)
        views = self.project(pooled)
        named = views + self.side(self.side_of_view) + self.projection(self.projection_of_view)
        views_of_token = views_of_answers(present)
        starts = mean_views(views, present) + self.answer.weight
        tokens = torch.cat([starts, named], 1)
        absent = torch.cat([torch.zeros_like(present[:, :1]).expand(-1, len(views_of_token)), ~present], 1)

        def attend(rows: slice) -> Tensor:
            return self.layers(tokens[rows], src_key_padding_mask=absent[rows])

        if seeds is None or not self.training:
            out = attend(slice(None)) + tokens
        else:
            out = for_each_exam(attend, seeds, tokens.device) + tokens
        breasts, evidence = out[:, 1 : 1 + len(SIDES)], self._strongest_evidence(pooled, views_of_token[1:])
        both = torch.stack([mask.any(1) for mask in views_of_token[1:]], 1).all(1, keepdim=True)
        difference = (breasts[:, 0] - breasts[:, 1]).abs() * both
        return Fused(
            torch.cat([breasts, evidence], 2),
            torch.cat([out[:, 0], difference, evidence.amax(1)], 1),
            mean_views(pooled, present),
        )

    def _strongest_evidence(self, pooled: Tensor, views_of_side: Sequence[Tensor]) -> Tensor:
        """The highest evidence (exams, 2, findings) among a breast's views; NO_EVIDENCE for a breast without one."""
        evidence = pooled[..., pooled.shape[-1] - self.findings :]
        strongest = [
            evidence.masked_fill(~mask.unsqueeze(-1), NO_EVIDENCE).amax(1).clamp(min=NO_EVIDENCE)
            for mask in views_of_side
        ]
        return torch.stack(strongest, 1)


@contextmanager
def random_numbers_from(seed: int, device: torch.device) -> Iterator[None]:
    """Draw random numbers from `seed` on every device, and leave the generators as they were.

    device: that of the model; its generator and that of the CPU are put back.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def for_each_exam(run: Callable[[slice], Tensor], seeds: Sequence[int], device: torch.device, rows: int = 1) -> Tensor:
    """Return the concatenated results of `run` for the rows of each exam, with random numbers from the exam's own seed.

    rows: of each exam.
    """
    results = []
    for exam, seed in enumerate(seeds):
        with random_numbers_from(seed, device):
            results.append(run(slice(exam * rows, (exam + 1) * rows)))
    return torch.cat(results)


def views_of_answers(present: Tensor) -> list[Tensor]:
    """Return the present views (exams, 4) that the exam, the right and the left breast consist of, from all present."""
    of_side = [[name.laterality is side for name in STANDARD_VIEWS] for side in SIDES]
    return [present, *(present & torch.tensor(mask, device=present.device) for mask in of_side)]


def mean_views(views: Tensor, present: Tensor) -> Tensor:
    """Return the means (exams, 3, width) of the views of an exam, its right and its left breast; zero without a view.

    views: (exams, 4, width). present: (exams, 4) bool; absent views do not count.
    """
    means = []
    for mask in views_of_answers(present):
        weight = mask.unsqueeze(-1).to(views.dtype)
        means.append((views * weight).sum(1) / weight.sum(1).clamp(min=1))
    return torch.stack(means, 1)
