"""An exam inside the model: the tensors that answers, maps and prompts are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from ..exam import Laterality, ViewName
from ..imaging.preprocess import ModelInput
from .network import SIDES, Fused


@dataclass(frozen=True, eq=False)
class Encoding:
    """An exam inside the model: what maps and prompts are worked out from, so that nothing is computed twice.

    names: the n views that were read; fine (n, F, h, w), the trunk before its last stage; features (n, C, h, w); inside (n, 1, h, w)
    share of breast; pooled (n, C).
    """

    names: tuple[ViewName, ...]
    inputs: Mapping[ViewName, ModelInput]
    fine: Tensor
    features: Tensor
    inside: Tensor
    pooled: Tensor
    fused: Fused

    @property
    def sides(self) -> tuple[Laterality, ...]:
        return tuple(side for side in SIDES if any(name.laterality is side for name in self.names))
