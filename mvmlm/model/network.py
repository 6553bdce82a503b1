"""MVMLM: image tower, text tower, view fusion, heads; load and save.

The method is that of Zheng, Lee, Kooi, Diba, "Bridging Multi-View Mammography and Language for Breast Cancer Diagnosis
and Risk Prediction" (arXiv 2510.26151), as far as its abstract tells; every choice beyond it is ours. Towers are
open_clip's (timm inside). The risk head follows Mirai (Yala et al., 2021): additive hazards, monotone over the years; ours are softplus.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import timm
import torch
import torch.nn.functional as F
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from ..exam import STANDARD_VIEWS, Laterality, Projection
from ..tasks import TASK, Kind, Level, Task
from .config import WeightsRecord
from .hf_text_tower import HubText, WordPieces
from .tokenizer import ReportTokenizer

NO_EVIDENCE = -8.0
SHARPNESS = 2.0  # of the smooth maximum over places: 0 is the mean, infinity the maximum
SIDES = tuple(Laterality)
PROJECTIONS = (Projection.CC, Projection.MLO)


class ImageTower(nn.Module):
    """One grey channel -> a feature map at a sixteenth of the input, from the trunk's last two scales, and what it says.

    `evidence` is a 1x1 convolution with one map for each finding task: how strongly each place speaks for it. A view's
    pooled features end with the strongest evidence of each, so that a small lesion is not averaged away, and the map
    of a finding points at the place that spoke.
    """

    def __init__(self, model_name: str, width: int, finding_tasks: Sequence[str]):
        super().__init__()
        self.trunk = timm.create_model(model_name, features_only=True, out_indices=(-2, -1), in_chans=1)
        fine, coarse = self.trunk.feature_info.channels()
        self.fine, self.coarse = nn.Conv2d(fine, width, 1, bias=False), nn.Conv2d(coarse, width, 1, bias=False)
        self.norm, self.map = nn.BatchNorm2d(width), nn.ReLU()
        self.finding_tasks = tuple(finding_tasks)
        self.evidence = nn.Conv2d(width, len(self.finding_tasks), 1)
        self.map_features, self.features = width, width + len(self.finding_tasks)
        self.power = nn.Parameter(torch.tensor(3.0))  # generalised mean: 1 is average, large is maximum

    def forward(self, images: Tensor, black: float) -> tuple[Tensor, Tensor]:
        """(n, 1, H, W) -> map (n, C, h, w), not negative; share of breast (n, 1, h, w)."""
        fine, coarse = self.scales(images)
        return self.join(fine, self.coarse(coarse)), self.inside(images, black, fine.shape[-2:])

    def scales(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, H, W) -> the trunk's last two scales, the finer one first."""
        fine, coarse = self.trunk(images.contiguous(memory_format=torch.channels_last))
        return fine, coarse

    def join(self, fine: Tensor, coarse: Tensor) -> Tensor:
        """The fine scale, and the coarse one after its 1x1 convolution -> the feature map."""
        lifted = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.map(self.norm(self.fine(fine) + lifted))

    @staticmethod
    def inside(images: Tensor, black: float, size: tuple[int, int]) -> Tensor:
        """(n, 1, H, W) -> (n, 1, *size): which share of each place is breast."""
        return F.adaptive_avg_pool2d((images > black + 1e-3).to(images.dtype), size)

    def pool(self, features: Tensor, inside: Tensor) -> Tensor:
        """map (n, C, h, w), inside (n, 1, h, w) -> (n, C + findings): only the breast is pooled, so only it can matter.

        First the generalised mean of each feature, then the smooth maximum of each finding's evidence.
        """
        features = features.to(self.power.dtype)  # out of autocast
        power, area = self.power.clamp(1, 8), inside.sum((2, 3)).clamp(min=1e-3)
        total = (features.clamp(min=1e-4).pow(power) * inside).sum((2, 3))
        mean = (total / area).clamp(min=1e-12).pow(1 / power)
        said = (self.evidence(features) * SHARPNESS + inside.clamp(min=1e-6).log()).masked_fill(
            inside == 0, NO_EVIDENCE * 10
        )
        strongest = ((said.flatten(2).logsumexp(2) - area.log()) / SHARPNESS).clamp(min=NO_EVIDENCE)
        return torch.cat([mean, strongest], 1)


class Fused(NamedTuple):
    """breasts: (exams, 2, breast_width) in the order of SIDES; exam: (exams, exam_width).

    A breast is its token and the strongest evidence of its views. An exam is its token, how far its two breasts are
    apart (zero where one is missing), and the stronger breast's evidence.
    """

    breasts: Tensor
    exam: Tensor


class ViewFusion(nn.Module):
    """A small transformer over the views of an exam, with side and projection embeddings and a mask.

    Its answer tokens (exam, right, left) start from the mean of the views they speak of, so that one view is enough.
    """

    def __init__(self, features: int, findings: int, width: int, heads: int, layers: int):
        super().__init__()
        self.findings = findings
        self.breast_width, self.exam_width = width + findings, 2 * width + findings
        self.project = nn.Linear(features, width)
        self.side = nn.Embedding(len(SIDES), width)
        self.projection = nn.Embedding(len(PROJECTIONS), width)
        self.answer = nn.Embedding(1 + len(SIDES), width)
        layer = nn.TransformerEncoderLayer(width, heads, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        side = torch.tensor([SIDES.index(name.laterality) for name in STANDARD_VIEWS])
        projection = torch.tensor([PROJECTIONS.index(name.projection) for name in STANDARD_VIEWS])
        self.register_buffer("side_of_view", side, persistent=False)
        self.register_buffer("projection_of_view", projection, persistent=False)

    def forward(self, pooled: Tensor, present: Tensor) -> Fused:
        """pooled (exams, 4, C) in the order of STANDARD_VIEWS, present (exams, 4) bool -> Fused."""
        views = self.project(pooled)
        named = views + self.side(self.side_of_view) + self.projection(self.projection_of_view)
        about = [present] + [present & (self.side_of_view == index) for index in range(len(SIDES))]
        starts = torch.stack([_mean(views, mask) for mask in about], 1) + self.answer.weight
        tokens = torch.cat([starts, named], 1)
        absent = torch.cat([torch.zeros_like(present[:, :1]).expand(-1, len(about)), ~present], 1)
        out = self.layers(tokens, src_key_padding_mask=absent) + tokens
        breasts, evidence = out[:, 1 : 1 + len(SIDES)], self._strongest(pooled, about[1:])
        both = torch.stack([mask.any(1) for mask in about[1:]], 1).all(1, keepdim=True)
        apart = (breasts[:, 0] - breasts[:, 1]).abs() * both
        return Fused(torch.cat([breasts, evidence], 2), torch.cat([out[:, 0], apart, evidence.amax(1)], 1))

    def _strongest(self, pooled: Tensor, views_of_side: Sequence[Tensor]) -> Tensor:
        """(exams, 2, findings): the highest evidence among a breast's views; NO_EVIDENCE for a breast without one."""
        evidence = pooled[..., pooled.shape[-1] - self.findings :]
        return torch.stack(
            [
                evidence.masked_fill(~mask.unsqueeze(-1), NO_EVIDENCE).amax(1).clamp(min=NO_EVIDENCE)
                for mask in views_of_side
            ],
            1,
        )


def _mean(views: Tensor, mask: Tensor) -> Tensor:
    """(exams, 4, width) over the views where mask (exams, 4) -> (exams, width); zero where there is none."""
    weight = mask.unsqueeze(-1).to(views.dtype)
    return (views * weight).sum(1) / weight.sum(1).clamp(min=1)


class TaskHead(nn.Module):
    """What answers one task from an embedding (..., width) with logits (..., classes).

    title: the name of a fine-tuned head. prevalence: the share of positives among the cases that a fine-tuned head learned from.
    """

    task: Task
    title: str = ""
    prevalence: float | None = None


class Head(TaskHead):
    """One linear layer for one task. A survival head gives a base logit and a hazard a year."""

    def __init__(self, task: Task, width: int):
        super().__init__()
        self.task = task
        self.linear = nn.Linear(width, task.outputs)

    def init_from_evidence(self, feature: int) -> None:
        """Starts the answer from one feature: the evidence for this very task."""
        with torch.no_grad():
            self.linear.weight[0, feature] = 1.0

    def forward(self, features: Tensor) -> Tensor:
        """(..., width) -> logits (..., classes); for survival the cumulative logit of each year, rising."""
        out = self.linear(features)
        if self.task.kind is not Kind.SURVIVAL:
            return out
        return out[..., :1] + torch.cumsum(F.softplus(out[..., 1:]), -1)  # Mirai's ReLU can die and leave a flat curve


def probabilities(task: Task, logits: Tensor) -> Tensor:
    """Return the probabilities (..., classes) of a task's logits: a softmax for exclusive classes, else a sigmoid each."""
    return torch.softmax(logits.float(), -1) if task.kind is Kind.MULTICLASS else torch.sigmoid(logits.float())


class MVMLM(nn.Module):
    """The whole model. Images are (n, 1, rows, columns), preprocessed: chest wall left, normalised."""

    def __init__(self, record: WeightsRecord):
        super().__init__()
        preset = record.preset
        self.record = record
        vision = preset.vision_cfg
        findings = [
            name for name in record.tasks if TASK[name].level is Level.BREAST and TASK[name].kind is Kind.BINARY
        ]
        self.image_tower = ImageTower(vision["timm_model_name"], vision["map_width"], findings)
        text = dict(preset.text_cfg)
        if "hub_model" in text:
            self.tokenizer = WordPieces(record.vocabulary, text["context_length"])
            self.text_tower = HubText(text["hub_model"], text["config"], preset.embed_dim)
        else:
            self.tokenizer = ReportTokenizer(record.vocabulary, text["context_length"])
            self.text_tower = TextTransformer(vocab_size=self.tokenizer.size, output_dim=preset.embed_dim, **text)
        self.fusion = ViewFusion(self.image_tower.features, len(findings), **preset.fusion_cfg)
        width = {Level.BREAST: self.fusion.breast_width, Level.EXAM: self.fusion.exam_width}
        self.view_projection = nn.Linear(self.image_tower.features, preset.embed_dim)
        self.breast_projection = nn.Linear(self.fusion.breast_width, preset.embed_dim)
        self.heads = nn.ModuleDict({name: Head(TASK[name], width[TASK[name].level]) for name in record.tasks})
        for index, name in enumerate(findings):
            self.heads[name].init_from_evidence(self.fusion.breast_width - len(findings) + index)
        self.logit_scale = nn.Parameter(torch.tensor(14.3).log())  # temperature 0.07
        # embeddings of training exams, for "does this look like what the weights have seen"
        self.register_buffer("reference", torch.zeros(0, self.fusion.exam_width))

    @property
    def black(self) -> float:
        """The value of a pixel outside the breast."""
        return -self.record.preprocessing.mean / self.record.preprocessing.std

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(n, 1, H, W) -> feature map (n, C, h, w), share of breast (n, 1, h, w)."""
        return self.image_tower(images, self.black)

    def embed_views(self, pooled: Tensor) -> Tensor:
        """(..., C) -> (..., embed_dim), unit length."""
        return F.normalize(self.view_projection(pooled), dim=-1)

    def embed_breasts(self, fused: Fused) -> Tensor:
        """-> (exams, 2, embed_dim), unit length."""
        return F.normalize(self.breast_projection(fused.breasts), dim=-1)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """-> (texts, embed_dim), unit length."""
        tokens = self.tokenizer(texts).to(self.logit_scale.device)
        return F.normalize(self.text_tower(tokens), dim=-1)

    def answer(self, fused: Fused) -> dict[str, Tensor]:
        """Logits of every trained task: (exams, 2, classes) for a breast, (exams, classes) for an exam."""
        level = {Level.BREAST: fused.breasts, Level.EXAM: fused.exam}
        return {name: head(level[head.task.level]) for name, head in self.heads.items()}
