"""Our network: image tower, text tower, view fusion and heads.

The method is that of Zheng, Lee, Kooi, Diba, "Bridging Multi-View Mammography and Language for Breast Cancer Diagnosis
and Risk Prediction" (arXiv 2510.26151), as far as its abstract describes it; every choice beyond the abstract is ours.
The image trunk is timm's, the text tower open_clip's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.transformer import TextTransformer
from torch import Tensor, nn

from ..exam import SIDES, View
from ..imaging.preprocess import ModelInput
from ..report.lexicon import KINDS
from ..tasks import TASK, Kind, Level
from .breast_fusion import fuse_views
from .config import WeightsRecord
from .exam_network import ExamNetwork, JointSpace, ViewTensors, Widths
from .heads import Head, TaskHead
from .hf_text_tower import HubText, WordPieces
from .image_tower import ImageTower
from .tokenizer import ReportTokenizer
from .view_fusion import Fused, ViewFusion, for_each_exam

MAX_SIMILARITY_SCALE = 100.0


def _without_reference(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Leave out the embeddings of training exams that earlier versions stored, and that nothing is compared with."""
    state.pop(f"{prefix}reference", None)


class MVMLM(ExamNetwork, JointSpace):
    """The whole network.

    Images are (n, 1, rows, columns) float32 as `imaging.preprocess` makes them: chest wall on the left, normalised with
    the mean and standard deviation of the record.
    """

    record: WeightsRecord
    text_tower: nn.Module
    slow_maps, large = True, False
    neutral = TASK["birads"].prompts["1"]
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

    @property
    def widths(self) -> Widths:
        """The widths of its embeddings."""
        return Widths(self.fusion.breast_width, self.fusion.exam_width, self.fusion.views_width)

    @property
    def joint(self) -> JointSpace:
        """The joint space of pictures and texts."""
        return self

    def trunks(self) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
        """The trunk of the image tower, which gives its last two scales."""
        settings = self.record.preprocessing
        return {"trunk": (self.image_tower.trunk, (settings.rows, settings.columns))}

    def prepare(self, view: View) -> ModelInput:
        """Return what the network is given of a view. Raises NoBreast where no breast is found."""
        return self.record.preprocessing(view)

    def read(self, inputs: Sequence[ModelInput]) -> ViewTensors:
        """Return the views of one or of several exams, read one by one: none depends on another."""
        images = torch.stack([torch.from_numpy(each.tensor) for each in inputs]).unsqueeze(1).to(self.device)
        fine, coarse = self.run_trunk("trunk", images)
        features = self.image_tower.join(fine, self.image_tower.coarse(coarse))
        inside = self.image_tower.inside(images, self.black, fine.shape[-2:])
        return ViewTensors((features,), inside, self.pool((features,), inside), fine)

    def pool(self, features: Sequence[Tensor], inside: Tensor) -> Tensor:
        """Return the pooled features (n, C + findings) of a feature map, see `ImageTower.pool`."""
        return self.image_tower.pool(features[0], inside)

    def fuse(self, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
        """Return the embeddings of exams, see `breast_fusion.fuse_views`."""
        return fuse_views(self.fusion, pooled, present, apart)

    def finding_evidence(self, task: str, pooled: Tensor) -> Tensor | None:
        """Return the logits (n,) of a finding in views of pooled features (n, C); None for a task without evidence."""
        if task not in self.image_tower.finding_tasks or task not in KINDS:
            return None
        return pooled[:, self.image_tower.map_features + self.image_tower.finding_tasks.index(task)]

    def place_views(self, pooled: Tensor, present: Tensor) -> Tensor:
        """Return the features (exams, 4, C) of exams from those (n, C) of their n present views, in order.

        present: (exams, 4) bool, n of them set. The features of an absent view are zero.
        """
        slots = pooled.new_zeros(*present.shape, pooled.shape[-1])
        return slots.masked_scatter(present.unsqueeze(-1), pooled)

    def feature_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the feature map (n, C, h, w) and the share of breast (n, 1, h, w) of images (n, 1, H, W)."""
        return self.image_tower(images, self.black)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that no report of its training had, in order."""
        return self.tokenizer.unknown_words(text)

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
