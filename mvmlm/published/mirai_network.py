"""Mirai's network: a ResNet-18 for each view, a transformer over the four views, predicted risk factors, and hazards.

Yala et al., "Toward robust mammography-based models for breast cancer risk" (Science Translational Medicine, 2021). As
published, risk factors that are given are ignored and the predicted ones are used; so this network takes none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import resnet18

from ..exam import STANDARD_VIEWS, Laterality, Projection, View, ViewName
from ..imaging.preprocess import ModelInput
from ..model.exam_network import ExamNetwork, ViewTensors, Widths
from ..model.heads import TaskHead
from ..model.view_fusion import Fused, mean_views
from ..tasks import TASK
from .preparation import MiraiPreparation
from .record import PublishedRecord

#: the calibration of Mirai_calibrator_mar12_2022: for each year the risk is sigmoid(slope * probability + intercept)
SLOPES = (5.202204578, 4.719061780, 4.276177460, 4.218360382, 3.904384040)
INTERCEPTS = (-6.941708811, -6.118981671, -5.455897949, -5.119448092, -4.776621707)
SIDE_NUMBERS = {Laterality.RIGHT: 0, Laterality.LEFT: 1}
PROJECTION_NUMBERS = {Projection.CC: 0, Projection.MLO: 1}


class ViewAttention(nn.Module):
    """One layer of Mirai's transformer: attention over the views and two linear layers, each normalised afterwards."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.aggregate = (nn.Linear(width, width) for _ in range(4))
        self.norm_attention, self.norm_linear = nn.LayerNorm(width), nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, views: Tensor, present: Tensor) -> Tensor:
        """Return (exams, 4, width) for views (exams, 4, width); no view attends to one that is not present."""
        exams, slots, width = views.shape
        split = (exams, slots, self.heads, width // self.heads)
        query, key, value = (
            layer(views).view(split).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )  # (exams, heads, 4, width of a head)
        scores = query @ key.transpose(-2, -1) / math.sqrt(width // self.heads)
        scores = scores.masked_fill(~present[:, None, None], -math.inf)
        found = (scores.softmax(-1) @ value).transpose(1, 2).reshape(exams, slots, width)
        views = self.norm_attention(self.aggregate(found) + views)
        return self.norm_linear(self.second(F.relu(self.first(views))) + views)


class ResNetMap(nn.Module):
    """A ResNet of torchvision up to its last map."""

    def __init__(self, trunk: Any):
        super().__init__()
        self.trunk: Any = trunk

    def forward(self, images: Tensor) -> Tensor:
        """Return the map (n, C, h, w) of images (n, 1, H, W)."""
        trunk = self.trunk
        x = trunk.maxpool(trunk.relu(trunk.bn1(trunk.conv1(images))))
        return trunk.layer4(trunk.layer3(trunk.layer2(trunk.layer1(x))))


class HazardHead(TaskHead):
    """Mirai's risk for years 1 to 5: a base and hazards of 0 or more, summed up, then calibrated."""

    slopes: Tensor
    intercepts: Tensor

    def __init__(self, width: int):
        super().__init__()
        self.task = TASK["risk"]
        self.width = width
        years = len(self.task.classes)
        self.base, self.hazards = nn.Linear(width, 1), nn.Linear(width, years)
        self.register_buffer("slopes", torch.tensor(SLOPES), persistent=False)
        self.register_buffer("intercepts", torch.tensor(INTERCEPTS), persistent=False)

    def uncalibrated(self, features: Tensor) -> Tensor:
        """Return the logits (..., 5) before calibration."""
        own = features[..., : self.width]
        return self.base(own) + F.relu(self.hazards(own)).cumsum(-1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits (..., 5) of the calibrated risks."""
        return self.slopes * torch.sigmoid(self.uncalibrated(features)) + self.intercepts


class MiraiNetwork(ExamNetwork):
    """Mirai. It answers only exams with all four standard views."""

    record: PublishedRecord
    side_numbers: Tensor
    projection_numbers: Tensor

    def __init__(self, record: PublishedRecord):
        """Build the network with random weights."""
        super().__init__()
        self.record, sizes = record, record.sizes
        self._preparation = MiraiPreparation(sizes["rows"], sizes["columns"])
        self.trunk, self.features, width = self.empty_trunk(), int(sizes["features"]), int(sizes["width"])
        self.project = nn.Linear(self.features, width)
        part = int(sizes["label_width"])
        self.view_labels, self.time_labels, self.side_labels = (nn.Embedding(n, part) for n in sizes["labels"])
        self.add, self.scale = nn.Linear(3 * part, width), nn.Linear(3 * part, width)
        self.layers = nn.ModuleList(ViewAttention(width, sizes["heads"]) for _ in range(sizes["layers"]))
        self.factor_sizes = tuple(int(size) for size in sizes["factors"])
        self.factors = nn.Linear(width, sum(self.factor_sizes))
        self.width = width + sum(self.factor_sizes)
        self.risk = HazardHead(self.width)
        sides = [SIDE_NUMBERS[name.laterality] for name in STANDARD_VIEWS]
        projections = [PROJECTION_NUMBERS[name.projection] for name in STANDARD_VIEWS]
        self.register_buffer("side_numbers", torch.tensor(sides), persistent=False)
        self.register_buffer("projection_numbers", torch.tensor(projections), persistent=False)

    @staticmethod
    def empty_trunk() -> Any:
        """Return the ResNet-18 for one grey channel, without its classifier."""
        trunk: Any = resnet18()
        trunk.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
        del trunk.fc
        return trunk

    @property
    def task_heads(self) -> dict[str, TaskHead]:
        """The risk of the exam."""
        return {"risk": self.risk}

    @property
    def widths(self) -> Widths:
        """The widths of its embeddings; a breast has none of its own."""
        return Widths(0, self.width, self.features)

    def unanswered(self, names: Sequence[ViewName]) -> str:
        """Return why an exam without one of the four views is not answered; "" for a whole one."""
        missing = [str(name) for name in STANDARD_VIEWS if name not in names]
        return f"not answered: Mirai needs all four views, and {', '.join(missing)} is not read" if missing else ""

    def trunks(self) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
        """The ResNet up to its last map."""
        return {"trunk": (ResNetMap(self.trunk), (self._preparation.rows, self._preparation.columns))}

    def prepare(self, view: View) -> ModelInput:
        """Return what the network is given of a view. Raises NoBreast where no breast is found."""
        return self._preparation(view)

    def read(self, inputs: Sequence[ModelInput]) -> ViewTensors:
        """Return the views of one or of several exams, read one by one: none depends on another."""
        pictures = [torch.from_numpy(given.tensor)[None, None].to(self.device) for given in inputs]
        features = torch.cat([self.run_trunk("trunk", picture) for picture in pictures])
        breasts = torch.stack([torch.from_numpy(given.breast) for given in inputs]).unsqueeze(1)
        inside = F.adaptive_avg_pool2d(breasts.to(features), (features.shape[-2], features.shape[-1]))
        return ViewTensors((features,), inside, self.pool((features,), inside))

    def pool(self, features: Sequence[Tensor], inside: Tensor) -> Tensor:
        """Return the maximum (n, C) of a feature map over the whole picture."""
        return features[0].amax((-2, -1))

    def fuse(self, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
        """Return the embeddings of exams: the exam's is what the hazards are computed from."""
        exams = len(pooled)
        labels = torch.cat(
            [
                self.view_labels(self.projection_numbers),
                self.time_labels(torch.zeros_like(self.side_numbers)),
                self.side_labels(self.side_numbers),
            ],
            -1,
        )  # (4, 3 * label width)
        views = self.scale(labels) * self.project(pooled.masked_fill(~present.unsqueeze(-1), 0)) + self.add(labels)
        for layer in self.layers:
            views = layer(views, present)
        exam = views.masked_fill(~present.unsqueeze(-1), -math.inf).amax(1)
        factors = [
            torch.sigmoid(logits) if logits.shape[-1] == 1 else logits.softmax(-1)
            for logits in self.factors(exam).split(self.factor_sizes, -1)
        ]
        hidden = F.relu(torch.cat([exam, *factors], -1))
        return Fused(pooled.new_zeros(exams, 2, 0), hidden, mean_views(pooled, present))
