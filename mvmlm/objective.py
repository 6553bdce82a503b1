"""The MV-CLIP objective: functions of embeddings and labels, nothing about data.

Every view of a breast with its report, CC with MLO of one breast, two wordings of one report, and the labels. Reports
written from equal findings are one report: such pairs are positives. The breasts of a woman are never positives of
each other in the image-image term.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .tasks import Kind, Task


def equal(rows: Sequence[Hashable], columns: Sequence[Hashable]) -> Tensor:
    """(rows, columns) bool: which pairs have equal keys."""
    numbers: dict[Hashable, int] = {}
    left, right = ([numbers.setdefault(key, len(numbers)) for key in keys] for keys in (rows, columns))
    return torch.tensor(left)[:, None] == torch.tensor(right)[None, :]


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
