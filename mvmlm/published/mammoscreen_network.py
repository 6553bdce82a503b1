"""mammoscreen's networks: a small one that crops the breast, and three EfficientNetV2-S that read each view alone.

Their probabilities are averaged over the views of a breast and over the three networks; CC and MLO never meet inside
one. Ian Pan, "mammoscreen" and "mammo-crop" (weights Apache-2.0), trained on the RSNA challenge of 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import cv2
import numpy as np
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exam import View
from ..imaging.preprocess import ModelInput
from ..model.exam_network import ExamNetwork, ViewTensors, Widths
from ..model.heads import TaskHead
from ..model.view_fusion import Fused, mean_views
from ..tasks import TASK, Task
from .preparation import MammoscreenPreparation, SeveralInputs
from .record import PublishedRecord

CROP_SIZE, FEATURES = 256, 1280  # rows and columns of the crop network; features of each of the three
LOWEST = 1e-6  # the floor of the crop network's generalised mean, and of a probability whose logarithm is taken
OUTPUTS = 1 + len(TASK["density"].classes)  # cancer, and density A to D


class CropNetwork(nn.Module):
    """The network that finds the breast: a picture in, a box out."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone: Any = timm.create_model("mobilenetv3_small_100", in_chans=1, num_classes=0, global_pool="")
        self.power = nn.Parameter(torch.tensor([3.0]))
        self.linear = nn.Linear(1024, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Return (n, 4), the left edge, the top, the width and the height as shares of images (n, 1, 256, 256)."""
        maps = self.backbone(images)
        mean = maps.clamp(min=LOWEST).pow(self.power).mean((-2, -1)).pow(1 / self.power)
        return torch.sigmoid(self.linear(mean))

    @torch.inference_mode()
    def box(self, picture: np.ndarray) -> tuple[int, int, int, int]:
        """Return the box (left, top, right, bottom) of the breast in a picture (rows, columns) uint8.

        A box of no extent, which the network never gave on a breast, is the whole picture.
        """
        rows, columns = picture.shape
        small = cv2.resize(picture, (CROP_SIZE, CROP_SIZE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
        image = torch.from_numpy(small / 127.5 - 1)[None, None].to(self.linear.weight.device)
        x, y, width, height = self(image)[0].tolist()
        left, top = int(x * columns), int(y * rows)
        right, bottom = min(columns, left + int(width * columns)), min(rows, top + int(height * rows))
        return (left, top, right, bottom) if right > left and bottom > top else (0, 0, columns, rows)


class ScreenNetwork(nn.Module):
    """One of the three networks: an EfficientNetV2-S, the mean of its last map, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone: Any = timm.create_model("tf_efficientnetv2_s", in_chans=1, num_classes=0, global_pool="")
        self.linear = nn.Linear(FEATURES, OUTPUTS)


class ShareHead(TaskHead):
    """A head whose answer the network has computed already: it reads its logits off the embedding."""

    def __init__(self, task: Task, at: slice):
        super().__init__()
        self.task, self.at = task, at

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (..., classes)."""
        return features[..., self.at]


class MammoscreenNetwork(ExamNetwork):
    """mammoscreen: cancer of each breast, and density A to D."""

    record: PublishedRecord

    def __init__(self, record: PublishedRecord):
        """Build the networks with random weights."""
        super().__init__()
        self.record = record
        self.crop = CropNetwork()
        networks = [ScreenNetwork() for _ in MammoscreenPreparation.FRAMES]
        self.networks, self.features = nn.ModuleList(networks), FEATURES * len(networks)
        self._heads: dict[str, TaskHead] = {
            "malignancy": ShareHead(TASK["malignancy"], slice(0, 1)),
            "density": ShareHead(TASK["density"], slice(1, OUTPUTS)),
        }

    @property
    def task_heads(self) -> dict[str, TaskHead]:
        """Cancer of the breast, under the name malignancy, and density of the exam."""
        return dict(self._heads)

    @property
    def widths(self) -> Widths:
        """The widths of its embeddings: averaged answers, and the features of three networks with their own answers."""
        return Widths(OUTPUTS, OUTPUTS, self.features + OUTPUTS * len(self.networks))

    def trunks(self) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
        """The three networks up to their last maps."""
        backbones = [cast(ScreenNetwork, network).backbone for network in self.networks]
        sizes = MammoscreenPreparation.FRAMES
        return {f"net{n}": (backbone, size) for n, (backbone, size) in enumerate(zip(backbones, sizes, strict=True))}

    def prepare(self, view: View) -> SeveralInputs:
        """Return what the networks are given of a view. Raises NoBreast where no breast is found."""
        return MammoscreenPreparation(self.crop.box)(view)

    def read(self, inputs: Sequence[ModelInput]) -> ViewTensors:
        """Return the views of one or of several exams, read one by one: none depends on another."""
        maps: list[list[Tensor]] = [[] for _ in self.networks]
        for given in inputs:
            assert isinstance(given, SeveralInputs)  # `prepare` makes no other
            for index, each in enumerate((given, *given.others)):
                picture = torch.from_numpy(each.tensor)[None, None].to(self.device)
                maps[index].append(self.run_trunk(f"net{index}", picture))
        features = tuple(torch.cat(each) for each in maps)
        breasts = torch.stack([torch.from_numpy(given.breast) for given in inputs]).unsqueeze(1)
        inside = F.adaptive_avg_pool2d(breasts.to(features[0]), (features[0].shape[-2], features[0].shape[-1]))
        return ViewTensors(features, inside, self.pool(features, inside))

    def pool(self, features: Sequence[Tensor], inside: Tensor) -> Tensor:
        """Return the means (n, C) of the feature maps, then the logits of each network."""
        means = [each.mean((-2, -1)) for each in features]
        logits = [cast(ScreenNetwork, each).linear(mean) for each, mean in zip(self.networks, means, strict=True)]
        return torch.cat([*means, *logits], -1)

    def fuse(self, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
        """Return the embeddings of exams: the logits of probabilities that are averaged over views and networks."""
        logits = pooled[..., self.features :].unflatten(-1, (len(self.networks), OUTPUTS))
        shares = torch.cat([torch.sigmoid(logits[..., :1]), logits[..., 1:].softmax(-1)], -1).mean(-2)
        averaged = mean_views(shares, present).clamp(LOWEST, 1 - LOWEST)
        answers = torch.cat([torch.logit(averaged[..., :1]), averaged[..., 1:].log()], -1)
        return Fused(answers[:, 1:], answers[:, 0], mean_views(pooled, present))

    def exam_vectors(self, fused: Fused) -> Tensor:
        """Return the mean features (exams, n) of the views, by which exams are compared with each other."""
        return fused.views[:, 0, : self.features]

    def lay_together(self, maps: Sequence[Tensor], inputs: Sequence[ModelInput]) -> Tensor:
        """Return the sum of the maps (..., n, h, w) of the three networks in the frame of the first."""
        first = maps[0]
        total = first.clone()
        for branch, others in enumerate(maps[1:]):
            flat = others.reshape(-1, *others.shape[-3:])
            for number, views in enumerate(flat):
                for index, given in enumerate(inputs):
                    assert isinstance(given, SeveralInputs)
                    moved = _in_frame(views[index], given.others[branch], given, first.shape[-2:])
                    total.view(-1, *first.shape[-3:])[number, index] += moved.to(total)
        return total


def _in_frame(heat: Tensor, source: ModelInput, target: ModelInput, size: Sequence[int]) -> Tensor:
    """A map (h, w) over the input `source` as a map of this size over the input `target`, with the same sum."""
    corners = np.array([[0, 0], [heat.shape[-1] - 1, 0], [0, heat.shape[-2] - 1]], np.float64)
    scale_source = np.array(source.tensor.shape[::-1]) / np.array(heat.shape[::-1])
    scale_target = np.array(target.tensor.shape[::-1]) / np.array([size[1], size[0]])
    pixels = source.geometry.to_source((corners + 0.5) * scale_source - 0.5)
    moved = (target.geometry.to_model(pixels) + 0.5) / scale_target - 0.5
    matrix = cv2.getAffineTransform(corners.astype(np.float32), moved.astype(np.float32))
    area = abs(float(np.linalg.det(matrix[:, :2])))
    values = heat.detach().float().cpu().numpy() / area
    return torch.from_numpy(cv2.warpAffine(values, matrix, (int(size[1]), int(size[0])), flags=cv2.INTER_LINEAR))
