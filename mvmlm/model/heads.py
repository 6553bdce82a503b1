"""Heads: modules that answer one task from an embedding, and the probabilities of their logits.

The risk head follows Mirai (Yala et al., "Toward robust mammography-based models for breast cancer risk", 2021):
additive hazards, so that risk never falls over the years; ours uses a softplus where Mirai has a ReLU.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..tasks import Kind, Task


class TaskHead(nn.Module):
    """A module that answers one task: an embedding (..., width) in, logits (..., classes) out.

    title: the name of a fine-tuned head. prevalence: the share of positives, 0..1, among the cases of its fine-tuning.
    learned_on_phantoms: whether all cases of its fine-tuning were phantoms.
    """

    task: Task
    title: str = ""
    prevalence: float | None = None
    learned_on_phantoms: bool = False


class Head(TaskHead):
    """One linear layer for one task, on the first features of an embedding.

    For survival it gives a base logit and one hazard for each year.
    """

    def __init__(self, task: Task, width: int):
        """width: of the embedding of the task's level."""
        super().__init__()
        self.task = task
        self.linear = nn.Linear(width, task.outputs)

    def init_from_evidence(self, feature: int) -> None:
        """Make one feature, the evidence for this task, the starting value of the answer's logit."""
        with torch.no_grad():
            self.linear.weight[0, feature] = 1.0

    def forward(self, features: Tensor) -> Tensor:
        """Return logits (..., classes) of embeddings (..., width or more); for survival one for each year, rising."""
        out = self.linear(features[..., : self.linear.in_features])
        if self.task.kind is not Kind.SURVIVAL:
            return out
        return out[..., :1] + torch.cumsum(
            F.softplus(out[..., 1:]), -1
        )  # a ReLU, as in Mirai, can die and leave a flat curve


def probabilities(task: Task, logits: Tensor) -> Tensor:
    """Return the probabilities (..., classes) of logits: a softmax for exclusive classes, else a sigmoid of each."""
    return torch.softmax(logits.float(), -1) if task.kind is Kind.MULTICLASS else torch.sigmoid(logits.float())
