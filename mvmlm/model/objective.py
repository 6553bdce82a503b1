"""The MV-CLIP objective: functions of embeddings and labels, nothing about data.

Every view of a breast with its report, the whole breast with it, CC with MLO of one breast, two wordings of one report,
the labels, and the places of findings that were marked. Reports written from equal findings are one report: such pairs
are positives. The breasts of a woman are never positives of each other in the image-image term.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exam import STANDARD_VIEWS, Laterality, Projection
from ..tasks import TASK, Kind, Level, Task

NOTHING_TOLD = 0  # the key of a breast without a report
CC = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.CC]
MLO = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.MLO]
SIDE_OF_VIEW = [list(Laterality).index(name.laterality) for name in STANDARD_VIEWS]


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term of the MV-CLIP objective."""

    image_text: float = 1.0
    breast_text: float = 1.0
    image_image: float = 0.5
    text_text: float = 0.25
    labels: float = 9.0
    places: float = 0.5
    equal_findings: bool = True  # False: CLIP's own rule, every other report of the batch is a negative


@dataclass(frozen=True)
class Embedded:
    """What a batch, or a part of one, gives the objective. Every tensor has the exams in front, breasts right then left.

    views (exams, 4, d), breasts (exams, 2, d), first and second wording (exams, 2, d), all unit length; logits {task:
    (exams, 2, classes) or (exams, classes)}; places (exams, 2): sum of the places' losses and their number. Then what
    is known and has no gradient: present (exams, 4) bool, keys (exams, 2) int64, equal for equal findings; labels.
    """

    views: Tensor
    breasts: Tensor
    first: Tensor
    second: Tensor
    logits: Mapping[str, Tensor]
    places: Tensor
    present: Tensor
    keys: Tensor
    labels: Mapping[str, Tensor]

    def map(self, change: Callable[[Tensor], Tensor]) -> Embedded:
        """The same with every tensor changed, such as gathered from all processes or detached."""
        own = {name: change(value) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(
            self, **own, logits={name: change(value) for name, value in self.logits.items()},
            labels={name: change(value) for name, value in self.labels.items()},
        )  # fmt: skip

    def differentiable(self) -> list[Tensor]:
        """The tensors that a gradient goes through, in a fixed order."""
        return [self.views, self.breasts, self.first, self.second, self.places, *self.logits.values()]


def join(parts: list[Embedded]) -> Embedded:
    """The batch of which `parts` are the parts, in order."""
    first = parts[0]
    own = {
        name: torch.cat([getattr(p, name) for p in parts])
        for name, value in vars(first).items()
        if isinstance(value, Tensor)
    }
    joined = {
        field: {name: torch.cat([getattr(p, field)[name] for p in parts]) for name in getattr(first, field)}
        for field in ("logits", "labels")
    }
    return replace(first, **own, **joined)


def mv_clip(embedded: Embedded, scale: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """The terms of the loss, each already multiplied by its weight; a term that nothing speaks for is left out.

    scale: the inverse temperature. A breast of which nothing is told takes no part in the terms with text.
    """
    e = embedded
    of_view = e.keys[:, SIDE_OF_VIEW]
    seen = e.present & (of_view != NOTHING_TOLD)
    told = e.keys != NOTHING_TOLD
    has_view = torch.stack(
        [e.present[:, [i for i, s in enumerate(SIDE_OF_VIEW) if s == side]].any(1) for side in (0, 1)], 1
    )
    terms = {}
    if seen.any():
        # a report is known by its findings, or, by CLIP's own rule, by the breast it was written for
        own = torch.arange(e.keys.numel(), device=e.keys.device).view_as(e.keys)
        keys = e.keys if weights.equal_findings else own
        texts, text_keys = (e.first[told], e.second[told]), keys[told]
        same = keys[:, SIDE_OF_VIEW][seen][:, None] == text_keys[None]
        terms["image_text"] = sum(_image_text(e.views[seen], text, scale, same) for text in texts) / 2
        same = keys[told & has_view][:, None] == text_keys[None]
        terms["breast_text"] = sum(_image_text(e.breasts[told & has_view], text, scale, same) for text in texts) / 2
        terms["text_text"] = contrastive(*texts, scale, text_keys[:, None] == text_keys[None])
    both = e.present[:, CC] & e.present[:, MLO]
    if both.any():
        pairs = e.views[:, CC][both], e.views[:, MLO][both]
        terms["image_image"] = contrastive(
            *pairs, scale, torch.eye(len(pairs[0]), dtype=torch.bool, device=scale.device)
        )
    terms["places"] = e.places[:, 0].sum() / e.places[:, 1].sum().clamp(min=1)
    for name, logits in e.logits.items():
        labels = e.labels[name]
        if TASK[name].level is Level.BREAST:
            logits, labels = logits[has_view], labels[has_view]
        terms[f"label {name}"] = task_loss(TASK[name], logits, labels) / len(e.logits)
    share = asdict(weights)
    return {name: value * share[name if name in share else "labels"] for name, value in terms.items()}


def _image_text(images: Tensor, texts: Tensor, scale: Tensor, same: Tensor) -> Tensor:
    """Contrastive over the texts of which an image is there; the others have no positive."""
    with_image = same.any(0)
    return contrastive(images, texts[with_image], scale, same[:, with_image])


def place_loss(evidence: Tensor, inside: Tensor, boxes: Tensor) -> Tensor:
    """(n,) how little of a finding's evidence lies in its box: -log of the share, by softmax over the places of the breast.

    evidence (n, h, w) of the finding in its view; inside (n, h, w) share of breast; boxes (n, 4) left, top, right,
    bottom in 0..1 of the picture. A box outside the picture gives 0.
    """
    h, w = evidence.shape[-2:]
    columns, rows = torch.arange(w, device=boxes.device), torch.arange(h, device=boxes.device)
    left, top, right, bottom = (boxes * torch.tensor([w, h, w, h], device=boxes.device)).T[..., None]
    across = (columns + 1 > left) & (columns < right)
    down = (rows + 1 > top) & (rows < bottom)
    within = (across[:, None, :] & down[:, :, None]).flatten(1)
    logits = (evidence + inside.clamp(min=1e-6).log()).flatten(1)
    share = logits.masked_fill(~within, float("-inf")).logsumexp(1) - logits.logsumexp(1)
    return torch.where(within.any(1), -share, torch.zeros_like(share))


def contrastive(a: Tensor, b: Tensor, scale: Tensor, positives: Tensor) -> Tensor:
    """Symmetric InfoNCE with soft targets: a row's target is spread evenly over its positives.

    a (n, d), b (m, d), unit length; positives (n, m) bool, at least one in every row and column; with one positive a
    row this is CLIP's loss (Radford et al., 2021).
    """
    logits = scale * a @ b.T
    target = positives.to(logits.dtype)
    rows = F.cross_entropy(logits, target / target.sum(1, keepdim=True))
    columns = F.cross_entropy(logits.T, target.T / target.T.sum(1, keepdim=True))
    return (rows + columns) / 2


def task_loss(task: Task, logits: Tensor, labels: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Mean loss over the known labels; zero where none is known.

    logits (n, classes). labels: (n,) class index or NaN; for survival (n, 2): years, event (1/0), NaN where unknown.
    """
    if task.kind is Kind.SURVIVAL:
        return survival_loss(logits, labels)
    known = ~torch.isnan(labels)
    if not known.any():
        return logits.sum() * 0
    logits, labels = logits[known], labels[known]
    if task.kind is Kind.BINARY:
        weight = torch.tensor(positive_weight, device=logits.device)
        return F.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype), pos_weight=weight)
    return F.cross_entropy(logits, labels.long())


def survival_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Masked cross-entropy of the cumulative probability of each year.

    logits (n, years) of "cancer within k years"; labels (n, 2). A woman followed for t years without cancer counts as
    0 in the years up to t and not at all after; one with cancer at t counts as 0 before t and as 1 from t on (the
    probability is cumulative, so a year after the event is known too).
    """
    years = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)
    time, event = labels[:, :1], labels[:, 1:] == 1
    target = (event & (time <= years)).to(logits.dtype)
    known = (event | (time >= years)) & ~torch.isnan(time)
    if not known.any():
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(logits[known], target[known])
