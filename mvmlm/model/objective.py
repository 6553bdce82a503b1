"""The MV-CLIP objective: functions of features and labels that know nothing of data.

Its terms: each view of a breast with the report of the breast, the whole breast with its report, the CC with the MLO
view of a breast, two wordings of one report, the labels, and the boxes of marked findings. Reports written from equal
findings count as one report, so such pairs are positives. In the term of CC and MLO only the two views of one breast
are a positive pair, never those of a woman's two breasts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..exam import STANDARD_VIEWS, Laterality, Projection
from ..tasks import TASK, Kind, Level, Task
from .image_tower import smooth_maximum

NO_REPORT = 0  # the key of a breast without a report
CC = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.CC]
MLO = [index for index, name in enumerate(STANDARD_VIEWS) if name.projection is Projection.MLO]
SIDE_OF_VIEW = [list(Laterality).index(name.laterality) for name in STANDARD_VIEWS]


@dataclass(frozen=True)
class LossWeights:
    """The weight of each term of the objective.

    image_text: views with reports. breast_text: breasts with reports. image_image: CC with MLO. text_text: two wordings
    of a report. labels: the mean over the tasks. boxes: the evidence inside marked boxes and beside them.
    equal_findings: whether reports of equal findings are positives; False is CLIP's rule, where every other report of
    the batch is a negative.
    """

    image_text: float = 1.0
    breast_text: float = 1.0
    image_image: float = 0.5
    text_text: float = 0.25
    labels: float = 9.0
    boxes: float = 0.5
    equal_findings: bool = True


@dataclass(frozen=True)
class Embedded:
    """The features and labels of a batch, or of a chunk of one; breasts in the order right, left.

    views: (exams, 4, d), breasts: (exams, 2, d), first and second wording: (exams, 2, d), all of unit length. logits:
    for each task (exams, 2, classes) or (exams, classes). box_losses: (exams, 2), the sum of the box losses of an exam
    and their number. Without gradient: present (exams, 4) bool; keys (exams, 2) int64, equal for reports of equal
    findings, NO_REPORT without one; labels for each task as in `task_loss`, with exams in front.
    """

    views: Tensor
    breasts: Tensor
    first: Tensor
    second: Tensor
    logits: Mapping[str, Tensor]
    box_losses: Tensor
    present: Tensor
    keys: Tensor
    labels: Mapping[str, Tensor]

    def map(self, function: Callable[[Tensor], Tensor]) -> Embedded:
        """Return a copy with `function` applied to every tensor, such as gathering over processes or detaching."""
        tensors = {name: function(value) for name, value in vars(self).items() if isinstance(value, Tensor)}
        logits = {name: function(value) for name, value in self.logits.items()}
        labels = {name: function(value) for name, value in self.labels.items()}
        return replace(self, **tensors, logits=logits, labels=labels)

    def differentiable(self) -> list[Tensor]:
        """Return the tensors that carry gradients, in a fixed order."""
        return [self.views, self.breasts, self.first, self.second, self.box_losses, *self.logits.values()]


def join(chunks: list[Embedded]) -> Embedded:
    """Concatenate the chunks of a batch, in order."""
    first = chunks[0]
    tensors = {
        name: torch.cat([getattr(chunk, name) for chunk in chunks])
        for name, value in vars(first).items()
        if isinstance(value, Tensor)
    }
    logits = {name: torch.cat([chunk.logits[name] for chunk in chunks]) for name in first.logits}
    labels = {name: torch.cat([chunk.labels[name] for chunk in chunks]) for name in first.labels}
    return replace(first, **tensors, logits=logits, labels=labels)


def mv_clip(embedded: Embedded, scale: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """Return the terms of the loss, each multiplied by its weight; a term without examples in the batch is left out.

    scale: the inverse temperature of the contrastive terms. The sum of the terms is the loss.
    """
    present = embedded.present
    has_view = torch.stack([present[:, [s == side for s in SIDE_OF_VIEW]].any(1) for side in (0, 1)], 1)
    terms = _text_terms(embedded, has_view, scale, weights)
    both = present[:, CC] & present[:, MLO]
    if both.any():
        cc, mlo = embedded.views[:, CC][both], embedded.views[:, MLO][both]
        pairs = torch.eye(len(cc), dtype=torch.bool, device=scale.device)
        terms["image_image"] = weights.image_image * contrastive(cc, mlo, scale, pairs)
    boxes = embedded.box_losses
    # the term is called "places" in metrics.jsonl since 0.3.0
    terms["places"] = weights.boxes * (boxes[:, 0].sum() / boxes[:, 1].sum().clamp(min=1))
    for name, logits in embedded.logits.items():
        labels = embedded.labels[name]
        if TASK[name].level is Level.BREAST:
            logits, labels = logits[has_view], labels[has_view]
        terms[f"label {name}"] = weights.labels * (task_loss(TASK[name], logits, labels) / len(embedded.logits))
    return terms


def _text_terms(embedded: Embedded, has_view: Tensor, scale: Tensor, weights: LossWeights) -> dict[str, Tensor]:
    """The terms with reports. A breast without a report is left out; has_view (exams, 2): breasts with an image."""
    e = embedded
    has_report = e.keys != NO_REPORT
    view_used = e.present & has_report[:, SIDE_OF_VIEW]
    if not view_used.any():
        return {}
    # a report is identified by its findings, or, by CLIP's rule, by the breast it was written for
    breast_numbers = torch.arange(e.keys.numel(), device=e.keys.device).view_as(e.keys)
    keys = e.keys if weights.equal_findings else breast_numbers
    first, second, text_keys = e.first[has_report], e.second[has_report], keys[has_report]

    def image_text(images: Tensor, image_keys: Tensor, used: Tensor) -> Tensor:
        """The mean over the two wordings; reports without an image have no positive and are left out."""
        same = image_keys[used][:, None] == text_keys[None]
        with_image = same.any(0)
        same = same[:, with_image]
        losses = [contrastive(images[used], text[with_image], scale, same) for text in (first, second)]
        return (losses[0] + losses[1]) / 2

    return {
        "image_text": weights.image_text * image_text(e.views, keys[:, SIDE_OF_VIEW], view_used),
        "breast_text": weights.breast_text * image_text(e.breasts, keys, has_report & has_view),
        "text_text": weights.text_text * contrastive(first, second, scale, text_keys[:, None] == text_keys[None]),
    }


def box_loss(evidence: Tensor, inside: Tensor, boxes: Tensor) -> Tensor:
    """Return for each finding (n,) the negative log of the share of its evidence that lies in its box.

    The share is that of a softmax over the cells of the evidence map, weighted by how much of a cell is breast.
    evidence: (n, h, w) map of the finding in its view. inside: (n, h, w) share of breast. boxes: (n, 4) left, top,
    right, bottom in 0..1 of the picture. A box outside the picture gives 0.
    """
    in_box = cells_in(boxes, *evidence.shape[-2:]).flatten(1)
    logits = (evidence + inside.clamp(min=1e-6).log()).flatten(1)
    log_share = logits.masked_fill(~in_box, float("-inf")).logsumexp(1) - logits.logsumexp(1)
    return torch.where(in_box.any(1), -log_share, torch.zeros_like(log_share))


def presence_loss(evidence: Tensor, inside: Tensor, marked: Tensor) -> Tensor:
    """Return for each map (n,) how little it says that the finding is in the marked cells and nowhere else.

    The smooth maxima of the evidence in the marked cells of the breast and in the others are the logits of one finding
    that is there and one that is not. evidence, inside: as in `box_loss`. marked: (n, h, w) bool, the cells of all
    boxes of the finding. A map without marked cells in the breast gives 0.
    """
    there = smooth_maximum(evidence, inside * marked)
    elsewhere = smooth_maximum(evidence, inside * ~marked)
    loss = F.softplus(-there) + F.softplus(elsewhere)
    return torch.where(((inside > 0) & marked).flatten(1).any(1), loss, torch.zeros_like(loss))


def cells_in(boxes: Tensor, h: int, w: int) -> Tensor:
    """Return which cells (n, h, w) of a map each box touches. boxes: (n, 4) as in `box_loss`."""
    columns, rows = torch.arange(w, device=boxes.device), torch.arange(h, device=boxes.device)
    left, top, right, bottom = (boxes * torch.tensor([w, h, w, h], device=boxes.device)).T[..., None]
    across = (columns + 1 > left) & (columns < right)
    down = (rows + 1 > top) & (rows < bottom)
    return across[:, None, :] & down[:, :, None]


def contrastive(a: Tensor, b: Tensor, scale: Tensor, positives: Tensor) -> Tensor:
    """Return the symmetric InfoNCE loss with soft targets: a row's target is spread evenly over its positives.

    a: (n, d) and b: (m, d), of unit length. positives: (n, m) bool, at least one in every row and column. With one
    positive in each row this is CLIP's loss (Radford et al., 2021, "Learning Transferable Visual Models From Natural
    Language Supervision").
    """
    logits = scale * a @ b.T
    target = positives.to(logits.dtype)
    rows = F.cross_entropy(logits, target / target.sum(1, keepdim=True))
    columns = F.cross_entropy(logits.T, target.T / target.T.sum(1, keepdim=True))
    return (rows + columns) / 2


def task_loss(task: Task, logits: Tensor, labels: Tensor, positive_weight: float = 1.0) -> Tensor:
    """Return the mean loss over the known labels, zero if none is known.

    logits: (n, classes). labels: (n,) class index or NaN; for survival (n, 2) of years and event (1 or 0), NaN where
    unknown. positive_weight: weight of the positives of a binary task.
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
    """Return the binary cross-entropy of the cumulative probability of each year whose outcome is known.

    logits: (n, years) of "cancer within k years". labels: (n, 2) of years and event, NaN where unknown. A woman
    followed for t years without cancer counts as 0 in the years up to t and not at all later; a woman with cancer at t
    counts as 0 before t and as 1 from t on. The masking is that of Mirai (Yala et al., 2021, "Toward robust
    mammography-based models for breast cancer risk"), except that the years after a cancer count too, because the
    probability is cumulative.
    """
    years = torch.arange(1, logits.shape[1] + 1, device=logits.device, dtype=logits.dtype)
    time, event = labels[:, :1], labels[:, 1:] == 1
    target = (event & (time <= years)).to(logits.dtype)
    known = (event | (time >= years)) & ~torch.isnan(time)
    if not known.any():
        return logits.sum() * 0
    return F.binary_cross_entropy_with_logits(logits[known], target[known])
