"""The image tower: a trunk of timm, a feature map and an evidence map for each finding, pooled over the breast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

NO_EVIDENCE = -8.0  # the lowest evidence, a logit; that of a breast without a view
SHARPNESS = 2.0  # of the smooth maximum over the map: towards 0 it is the mean, towards infinity the maximum


class ImageTower(nn.Module):
    """One-channel image encoder: a stride-16 map fused from the trunk's last two scales, plus an evidence map per
    finding.

    The evidence map of a finding is a 1x1 convolution of the feature map. The pooled features of a view end with the
    strongest evidence for each finding: a small lesion is not averaged away, and its map points at where the evidence
    was found.
    """

    def __init__(self, model_name: str, width: int, finding_tasks: Sequence[str]):
        """Build the tower.

        model_name: a timm model with feature maps at strides 16 and 32. width: channels of the feature map.
        finding_tasks: names of the tasks that have an evidence map.
        """
        super().__init__()
        trunk: Any = timm.create_model(model_name, features_only=True, out_indices=(-2, -1), in_chans=1)
        fine, coarse = trunk.feature_info.channels()
        self.trunk = trunk
        self.fine, self.coarse = nn.Conv2d(fine, width, 1, bias=False), nn.Conv2d(coarse, width, 1, bias=False)
        self.norm, self.map = nn.BatchNorm2d(width), nn.ReLU()
        self.finding_tasks = tuple(finding_tasks)
        self.evidence = nn.Conv2d(width, len(self.finding_tasks), 1)
        self.map_features, self.features = width, width + len(self.finding_tasks)
        self.power = nn.Parameter(torch.tensor(3.0))  # generalised mean: 1 is average, large is maximum
        self.train()

    def train(self, mode: bool = True) -> ImageTower:
        """Set the mode of all layers but batch normalisation, which always uses its running statistics.

        So an image's features never depend on the other images of its batch, in training too.
        `pretraining.normalisation` measures the statistics.
        """
        super().train(mode)
        for module in self.batch_norms():
            module.eval()
        return self

    def batch_norms(self) -> list[nn.modules.batchnorm._BatchNorm]:
        """Return the batch normalisation layers, in the order in which an image passes them."""
        return [module for module in self.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]

    def forward(self, images: Tensor, black: float) -> tuple[Tensor, Tensor]:
        """Return the feature map (n, C, h, w), 0 or more, and the share of breast (n, 1, h, w), 0..1, of images (n, 1,
        H, W).

        black: the value of a pixel outside the breast.
        """
        fine, coarse = self.scales(images)
        return self.join(fine, self.coarse(coarse)), self.inside(images, black, fine.shape[-2:])

    def scales(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the trunk's last two scales of images (n, 1, H, W), the finer one (stride 16) first."""
        fine, coarse = self.trunk(images.contiguous(memory_format=torch.channels_last))
        return fine, coarse

    def join(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """Return the feature map (n, C, h, w) of the fine scale and the coarse scale after its 1x1 convolution."""
        lifted = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.map(self.norm(self.fine(fine) + lifted))

    @staticmethod
    def inside(images: Tensor, black: float, size: Sequence[int]) -> Tensor:
        """Return the share of breast (n, 1, *size), 0..1, in each position of a map of images (n, 1, H, W)."""
        return F.adaptive_avg_pool2d((images > black + 1e-3).to(images.dtype), (size[0], size[1]))

    def pool(self, features: Tensor, inside: Tensor) -> Tensor:
        """Return the pooled features (n, C + findings) of a map (n, C, h, w) with the share of breast `inside` (n, 1,
        h, w).

        First the generalised mean of each channel (Radenović et al., "Fine-tuning CNN Image Retrieval with No Human
        Annotation", 2018), then the smooth maximum (log-mean-exp) of each finding's evidence. Positions outside the
        breast do not count.
        """
        features = features.to(self.power.dtype)  # out of autocast
        power, area = self.power.clamp(1, 8), inside.sum((2, 3)).clamp(min=1e-3)
        total = (features.clamp(min=1e-4).pow(power) * inside).sum((2, 3))
        mean = (total / area).clamp(min=1e-12).pow(1 / power)
        if not self.finding_tasks:  # a convolution to no channel at all cannot be run
            return mean
        strongest = smooth_maximum(self.evidence(features), inside)
        return torch.cat([mean, strongest], 1)


def smooth_maximum(evidence: Tensor, inside: Tensor) -> Tensor:
    """Return the log-mean-exp (...) of evidence maps (..., h, w), at SHARPNESS, over the breast; at least NO_EVIDENCE.

    inside: (..., h, w) share of breast, 0..1; places of share 0 do not count.
    """
    area = inside.sum((-2, -1)).clamp(min=1e-3)
    weighted = evidence * SHARPNESS + inside.clamp(min=1e-6).log()
    weighted = weighted.masked_fill(inside == 0, NO_EVIDENCE * 10)
    return ((weighted.flatten(-2).logsumexp(-1) - area.log()) / SHARPNESS).clamp(min=NO_EVIDENCE)
