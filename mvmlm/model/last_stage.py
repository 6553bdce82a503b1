"""The last image stage as something a lesson can change: what the image tower does after its fine scale, in a copy of its own.

The stages before it stay as they are and are worked out once an exam; so a lesson costs a small part of the whole network, and a
head that was taught this deep carries its own copy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..exam import STANDARD_VIEWS
from .encoding import Encoding
from .network import MVMLM, Fused


class LastStage(nn.Module):
    """A copy of the trunk's blocks after the fine scale, and of the step that lifts their result onto it. Raises ValueError for a
    trunk that is no EfficientNet of timm."""

    def __init__(self, model: MVMLM):
        super().__init__()
        tower = model.image_tower
        if not hasattr(tower.trunk, "blocks"):
            raise ValueError("teaching the last image stage needs weights with an EfficientNet; choose linear or mlp")
        first = tower.trunk.feature_info.get_dicts()[-2]["stage"]
        self.blocks, self.coarse = deepcopy(tower.trunk.blocks[first:]), deepcopy(tower.coarse)

    def train(self, mode: bool = True) -> LastStage:
        return super().train(False)  # few cases: the statistics of normalisation stay those of pretraining

    def features(self, model: MVMLM, fine: Tensor) -> Tensor:
        """(n, C, h, w) of the fine scale -> the feature map (n, map width, h, w), as the tower makes it."""
        coarse = fine
        for block in self.blocks:
            coarse = block(coarse)
        return model.image_tower.join(fine, self.coarse(coarse)).float()


@dataclass(frozen=True, eq=False)
class StageInputs:
    """Exams before the last stage. fine (exams, 4, C, h, w) half precision, inside (exams, 4, 1, h, w), present (exams, 4); row of each exam's name."""

    fine: Tensor
    inside: Tensor
    present: Tensor
    row: dict[str, int]

    @classmethod
    def from_encodings(cls, encodings: Iterable[tuple[str, Encoding]]) -> StageInputs:
        """(name of the exam, encoding) of at least one exam."""
        fine, inside, present, row = [], [], [], {}
        for name, encoding in encodings:
            slots = [STANDARD_VIEWS.index(view) for view in encoding.names]
            row[name] = len(fine)
            for held, own in ((fine, encoding.fine.half()), (inside, encoding.inside)):
                whole = own.new_zeros(len(STANDARD_VIEWS), *own.shape[1:])
                whole[slots] = own
                held.append(whole.cpu())
            present.append(torch.tensor([index in slots for index in range(len(STANDARD_VIEWS))]))
        return cls(torch.stack(fine), torch.stack(inside), torch.stack(present), row)

    def fused(self, model: MVMLM, stage: LastStage, rows: Sequence[int]) -> Fused:
        """The exams of these rows as the model hears them through `stage`."""
        device = model.logit_scale.device
        fine, inside, present = (
            self.fine[rows].float().to(device),
            self.inside[rows].to(device),
            self.present[rows].to(device),
        )
        features = stage.features(model, fine.flatten(0, 1))
        pooled = model.image_tower.pool(features, inside.flatten(0, 1))
        return model.fusion(pooled.unflatten(0, fine.shape[:2]), present)
