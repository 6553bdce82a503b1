"""The fusion of an exam's views as the weights learned it: all views together, or each breast as an exam of its own."""

from __future__ import annotations

import torch
from torch import Tensor

from ..exam import SIDES
from .view_fusion import Fused, ViewFusion


def fuse_views(fusion: ViewFusion, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
    """Return the embeddings of exams, in those of `apart` as if each breast were an exam of its own.

    Weights that saw phantoms with both breasts and women with one learn that a single breast is a woman's: with both,
    a woman's would be answered like a phantom's. pooled: (exams, 4, features) in the order of STANDARD_VIEWS. present:
    (exams, 4) bool. apart: (exams,) bool. The embedding of an exam with both breasts is then the mean of theirs, from
    which a linear head gives the mean of its logits.
    """
    together = fusion(pooled, present)
    if not bool(apart.any()):
        return together
    of_side = [present & (fusion.side_of_view == index) for index in range(len(SIDES))]
    alone = [fusion(pooled, mask) for mask in of_side]
    breasts = torch.stack([fused.breasts[:, index] for index, fused in enumerate(alone)], 1)
    read = torch.stack([mask.any(1) for mask in of_side], 1).to(pooled.dtype)
    exams = torch.stack([fused.exam for fused in alone], 1)
    exam = (exams * read.unsqueeze(-1)).sum(1) / read.sum(1, keepdim=True).clamp(min=1)
    return Fused(
        torch.where(apart[:, None, None], breasts, together.breasts),
        torch.where(apart[:, None], exam, together.exam),
        together.views,
    )
