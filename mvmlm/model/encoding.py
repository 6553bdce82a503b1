"""An encoded exam: the tensors that answers, prompt scores and maps are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..exam import SIDES, Laterality, ViewName
from ..imaging.preprocess import ModelInput
from .exam_network import ViewTensors
from .view_fusion import Fused


@dataclass(frozen=True, eq=False)
class Encoding:
    """An encoded exam, from which answers, prompt scores and maps are computed without another pass through the trunk.

    names: the n views that were read, in the order of the tensors. inputs: the preprocessed image of each. views: what
    the network read of them. fused: the embeddings of the one exam and its breasts. phantom: whether it is a phantom
    exam, see `imaging.phantom_files`; else it is a woman's. apart: whether its breasts were fused one at a time, see
    `breast_fusion.fuse_views`.
    """

    names: tuple[ViewName, ...]
    inputs: Mapping[ViewName, ModelInput]
    views: ViewTensors
    fused: Fused
    phantom: bool = False
    apart: bool = False

    @property
    def sides(self) -> tuple[Laterality, ...]:
        """The breasts of which at least one view was read, right first."""
        return tuple(side for side in SIDES if any(name.laterality is side for name in self.names))
