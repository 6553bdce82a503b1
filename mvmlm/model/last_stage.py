"""The last image stage as a module that can be fine-tuned: a copy of the image tower's layers after its fine scale.

The stages before it stay as they are and run once for each exam, so fine-tuning costs a small part of the whole
network. A head that was fine-tuned at this depth carries its own copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..exam import STANDARD_VIEWS
from .breast_fusion import fuse_views
from .encoding import Encoding
from .exam_network import ExamNetwork
from .network import MVMLM
from .view_fusion import Fused


class LastStage(nn.Module):
    """A copy of the trunk's blocks after the fine scale, and of the convolution that adds their result to it."""

    def __init__(self, model: ExamNetwork):
        """Copy the stage of a model.

        Raises ValueError for a network of other groups, and for a trunk that is not an EfficientNet of timm.
        """
        super().__init__()
        trunk: Any = model.image_tower.trunk if isinstance(model, MVMLM) else None  # timm's have no static type
        if not isinstance(model, MVMLM) or not hasattr(trunk, "blocks"):
            raise ValueError(
                "Fine-tuning the last image stage needs weights of MV-MLM with an EfficientNet. "
                "Choose the depth linear or mlp."
            )
        first = trunk.feature_info.get_dicts()[-2]["stage"]
        self.blocks, self.coarse = deepcopy(trunk.blocks[first:]), deepcopy(model.image_tower.coarse)

    def train(self, mode: bool = True) -> LastStage:
        """Stay in evaluation mode: with few cases the statistics of normalisation stay those of pretraining."""
        return super().train(False)

    def features(self, model: ExamNetwork, fine: Tensor) -> Tensor:
        """Return the feature map (n, map width, h, w) of the fine scale (n, C, h, w), as the tower computes it."""
        assert isinstance(model, MVMLM)  # no other network has such a stage
        coarse = fine
        for block in self.blocks:
            coarse = block(coarse)
        return model.image_tower.join(fine, self.coarse(coarse)).float()


@dataclass(frozen=True, eq=False)
class StageInputs:
    """Exams as they enter the last stage, on the CPU; absent views are zero.

    fine: (exams, 4, C, h, w) half precision, the trunk before its last stage. inside: (exams, 4, 1, h, w) share of
    breast, 0..1. present: (exams, 4) bool. apart: (exams,) bool, whether its breasts are fused one at a time. row: the
    row of each exam's name. Views are in the order of STANDARD_VIEWS.
    """

    fine: Tensor
    inside: Tensor
    present: Tensor
    apart: Tensor
    row: dict[str, int]

    @classmethod
    def from_encodings(cls, encodings: Iterable[tuple[str, Encoding]]) -> StageInputs:
        """Return the inputs of at least one exam. encodings: (name of the exam, its encoding)."""
        fine: list[Tensor] = []
        inside: list[Tensor] = []
        present: list[Tensor] = []
        apart: list[bool] = []
        row: dict[str, int] = {}
        for name, encoding in encodings:
            slots = [STANDARD_VIEWS.index(view) for view in encoding.names]
            row[name] = len(fine)
            read = encoding.views
            assert read.fine is not None  # LastStage refused the networks that have none
            for stacked, views in ((fine, read.fine.half()), (inside, read.inside)):
                all_views = views.new_zeros(len(STANDARD_VIEWS), *views.shape[1:])
                all_views[slots] = views
                stacked.append(all_views.cpu())
            apart.append(encoding.apart)
            present.append(torch.tensor([index in slots for index in range(len(STANDARD_VIEWS))]))
        return cls(torch.stack(fine), torch.stack(inside), torch.stack(present), torch.tensor(apart), row)

    def fused(self, model: ExamNetwork, stage: LastStage, rows: Sequence[int]) -> Fused:
        """Return the fused embeddings of these rows through `stage`."""
        assert isinstance(model, MVMLM)  # no other network has such a stage
        device = model.logit_scale.device
        present = self.present[rows]
        fine, inside = self.fine[rows][present].float().to(device), self.inside[rows][present].to(device)
        pooled = model.image_tower.pool(stage.features(model, fine), inside)
        present, apart = present.to(device), self.apart[rows].to(device)
        return fuse_views(model.fusion, model.place_views(pooled, present), present, apart)
