"""The network: image tower, text tower, view fusion and heads.

The method is that of Zheng, Lee, Kooi, Diba, "Bridging Multi-View Mammography and Language for Breast Cancer Diagnosis
and Risk Prediction" (arXiv 2510.26151), as far as its abstract describes it; every choice beyond the abstract is ours.
The image trunk is timm's, the text tower open_clip's. The risk head follows Mirai (Yala et al., "Toward robust
mammography-based models for breast cancer risk", 2021): additive hazards, so that risk never falls over the years; ours
uses a softplus where Mirai has a ReLU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

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

MAX_SIMILARITY_SCALE = 100.0
NO_EVIDENCE = -8.0  # the lowest evidence, a logit; that of a breast without a view
SHARPNESS = 2.0  # of the smooth maximum over the map: towards 0 it is the mean, towards infinity the maximum
SIDES = tuple(Laterality)
PROJECTIONS = (Projection.CC, Projection.MLO)


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


class Fused(NamedTuple):
    """The embeddings of exams and their breasts.

    breasts: (exams, 2, breast_width) in the order of SIDES: the breast's token, then the strongest evidence of its
    views for each finding. exam: (exams, exam_width): the exam's token, the absolute difference of the two breasts'
    tokens (zero where one breast has no view), then the higher of the two breasts' evidence. views: (exams, 3,
    features), the mean pooled features of the views of the exam, the right and the left breast; zero without a view.
    """

    breasts: Tensor
    exam: Tensor
    views: Tensor

    def embedding(self, level: Level) -> Tensor:
        """Return what heads are given: the embeddings of breasts (exams, 2, n) or exams (exams, n), and their views'.

        Bundled heads use the first features alone, those of `breasts` or `exam`.
        """
        if level is Level.BREAST:
            return torch.cat([self.breasts, self.views[:, 1:]], -1)
        return torch.cat([self.exam, self.views[:, 0]], -1)


class ViewFusion(nn.Module):
    """A small transformer over the views of an exam, with side and projection embeddings; absent views are masked.

    The answer tokens (exam, right, left) start from the mean of the views that they stand for, so one view is enough.
    """

    side_of_view: Tensor
    projection_of_view: Tensor

    def __init__(self, features: int, findings: int, width: int, heads: int, layers: int):
        """Build the fusion.

        features: width of a view's pooled features, of which the last `findings` are evidence. width: of a token.
        """
        super().__init__()
        self.findings = findings
        self.breast_width, self.exam_width, self.views_width = width + findings, 2 * width + findings, features
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

    def forward(self, pooled: Tensor, present: Tensor, seeds: Sequence[int] | None = None) -> Fused:
        """Return the embeddings of exams.

        pooled: (exams, 4, features) in the order of STANDARD_VIEWS; the content of an absent view does not matter.
        present: (exams, 4) bool. seeds: one for the dropout of each exam, which then does not depend on the other exams
        of the batch.
        """
        pooled = pooled.masked_fill(~present.unsqueeze(-1), 0)
        views = self.project(pooled)
        named = views + self.side(self.side_of_view) + self.projection(self.projection_of_view)
        views_of_token = [present] + [present & (self.side_of_view == index) for index in range(len(SIDES))]
        starts = torch.stack([_mean(views, mask) for mask in views_of_token], 1) + self.answer.weight
        tokens = torch.cat([starts, named], 1)
        absent = torch.cat([torch.zeros_like(present[:, :1]).expand(-1, len(views_of_token)), ~present], 1)

        def attend(rows: slice) -> Tensor:
            return self.layers(tokens[rows], src_key_padding_mask=absent[rows])

        if seeds is None or not self.training:
            out = attend(slice(None)) + tokens
        else:
            out = for_each_exam(attend, seeds, tokens.device) + tokens
        breasts, evidence = out[:, 1 : 1 + len(SIDES)], self._strongest_evidence(pooled, views_of_token[1:])
        both = torch.stack([mask.any(1) for mask in views_of_token[1:]], 1).all(1, keepdim=True)
        difference = (breasts[:, 0] - breasts[:, 1]).abs() * both
        return Fused(
            torch.cat([breasts, evidence], 2),
            torch.cat([out[:, 0], difference, evidence.amax(1)], 1),
            torch.stack([_mean(pooled, mask) for mask in views_of_token], 1),
        )

    def _strongest_evidence(self, pooled: Tensor, views_of_side: Sequence[Tensor]) -> Tensor:
        """The highest evidence (exams, 2, findings) among a breast's views; NO_EVIDENCE for a breast without one."""
        evidence = pooled[..., pooled.shape[-1] - self.findings :]
        strongest = [
            evidence.masked_fill(~mask.unsqueeze(-1), NO_EVIDENCE).amax(1).clamp(min=NO_EVIDENCE)
            for mask in views_of_side
        ]
        return torch.stack(strongest, 1)


@contextmanager
def random_numbers_from(seed: int, device: torch.device) -> Iterator[None]:
    """Draw random numbers from `seed` on every device, and leave the generators as they were.

    device: that of the model; its generator and that of the CPU are put back.
    """
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def for_each_exam(run: Callable[[slice], Tensor], seeds: Sequence[int], device: torch.device, rows: int = 1) -> Tensor:
    """Return the concatenated results of `run` for the rows of each exam, with random numbers from the exam's own seed.

    rows: of each exam.
    """
    results = []
    for exam, seed in enumerate(seeds):
        with random_numbers_from(seed, device):
            results.append(run(slice(exam * rows, (exam + 1) * rows)))
    return torch.cat(results)


def _mean(views: Tensor, mask: Tensor) -> Tensor:
    """The mean (exams, width) of views (exams, 4, width) where mask (exams, 4) is set; zero where it never is."""
    weight = mask.unsqueeze(-1).to(views.dtype)
    return (views * weight).sum(1) / weight.sum(1).clamp(min=1)


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


def _without_reference(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Leave out the embeddings of training exams that earlier versions stored, and that nothing is compared with."""
    state.pop(f"{prefix}reference", None)


class MVMLM(nn.Module):
    """The whole network.

    Images are (n, 1, rows, columns) float32 as `imaging.preprocess` makes them: chest wall on the left, normalised with
    the mean and standard deviation of the record.
    """

    text_tower: nn.Module
    tokenizer: ReportTokenizer | WordPieces

    def __init__(self, record: WeightsRecord):
        """Build the network that a record describes, with random weights."""
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
            self.tokenizer = WordPieces([str(token) for token in record.vocabulary], text["context_length"])
            self.text_tower = HubText(text["hub_model"], text["config"], preset.embed_dim)
        else:
            self.tokenizer = ReportTokenizer([int(token) for token in record.vocabulary], text["context_length"])
            self.text_tower = TextTransformer(vocab_size=self.tokenizer.size, output_dim=preset.embed_dim, **text)
        self.fusion = ViewFusion(self.image_tower.features, len(findings), **preset.fusion_cfg)
        width = {Level.BREAST: self.fusion.breast_width, Level.EXAM: self.fusion.exam_width}
        self.view_projection = nn.Linear(self.image_tower.features, preset.embed_dim)
        self.breast_projection = nn.Linear(self.fusion.breast_width, preset.embed_dim)
        heads = {name: Head(TASK[name], width[TASK[name].level]) for name in record.tasks}
        for index, name in enumerate(findings):
            heads[name].init_from_evidence(self.fusion.breast_width - len(findings) + index)
        self.heads = nn.ModuleDict(heads)
        self.logit_scale = nn.Parameter(torch.tensor(14.3).log())  # temperature 0.07
        self.register_load_state_dict_pre_hook(_without_reference)

    @property
    def task_heads(self) -> dict[str, TaskHead]:
        """The head of each trained task, as `heads` holds them without their type."""
        return {name: cast(TaskHead, head) for name, head in self.heads.items()}

    @property
    def similarity_scale(self) -> Tensor:
        """The inverse temperature that similarities are multiplied by before a softmax."""
        return self.logit_scale.exp()

    @torch.no_grad()
    def limit_similarity_scale(self) -> None:
        """Lower the inverse temperature to at most 100, and raise it to at least 1, in place.

        Called after each step of the optimizer, as open_clip does. A limit in the forward pass would take the parameter
        its gradient once it is above, so that it would never come back.
        """
        self.logit_scale.clamp_(0, math.log(MAX_SIMILARITY_SCALE))

    @property
    def black(self) -> float:
        """The value of a pixel outside the breast, after normalisation."""
        return -self.record.preprocessing.mean / self.record.preprocessing.std

    def place_views(self, pooled: Tensor, present: Tensor) -> Tensor:
        """Return the features (exams, 4, C) of exams from those (n, C) of their n present views, in order.

        present: (exams, 4) bool, n of them set. The features of an absent view are zero.
        """
        slots = pooled.new_zeros(*present.shape, pooled.shape[-1])
        return slots.masked_scatter(present.unsqueeze(-1), pooled)

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the feature map (n, C, h, w) and the share of breast (n, 1, h, w) of images (n, 1, H, W)."""
        return self.image_tower(images, self.black)

    def embed_views(self, pooled: Tensor) -> Tensor:
        """Return joint-space embeddings (..., embed_dim) of pooled view features (..., C), of unit length."""
        return F.normalize(self.view_projection(pooled), dim=-1)

    def embed_breasts(self, fused: Fused) -> Tensor:
        """Return joint-space embeddings (exams, 2, embed_dim) of the breasts, of unit length."""
        return F.normalize(self.breast_projection(fused.breasts), dim=-1)

    def embed_texts(self, texts: Sequence[str], seeds: Sequence[int] | None = None) -> Tensor:
        """Return joint-space embeddings (texts, embed_dim) of texts, of unit length.

        seeds: one for the dropout of each exam, where `texts` holds those of both breasts of each exam.
        """
        tokens = self.tokenizer(texts).to(self.logit_scale.device)
        dropout = any(isinstance(module, nn.Dropout) and module.training for module in self.text_tower.modules())
        if seeds is None or not dropout:
            return F.normalize(self.text_tower(tokens), dim=-1)
        embedded = for_each_exam(lambda rows: self.text_tower(tokens[rows]), seeds, tokens.device, len(SIDES))
        return F.normalize(embedded, dim=-1)

    def answer(self, fused: Fused) -> dict[str, Tensor]:
        """Return the logits of every trained task: (exams, 2, classes) of breasts or (exams, classes) of exams."""
        embeddings = {Level.BREAST: fused.breasts, Level.EXAM: fused.exam}
        return {name: head(embeddings[head.task.level]) for name, head in self.task_heads.items()}
