"""The network of Mammo-CLIP and Mammo-FM: an EfficientNet and a text encoder in one joint space, without heads.

Ghosh et al., "Mammo-CLIP: A Vision Language Foundation Model to Enhance Data Efficiency and Robustness in Mammography"
(MICCAI 2024).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..exam import View
from ..imaging.preprocess import ModelInput
from ..model.exam_network import ExamNetwork, JointSpace, ViewTensors, Widths
from ..model.heads import TaskHead
from ..model.view_fusion import Fused, mean_views
from ..tasks import TASK, Task
from .efficientnet import VARIANTS, LastMap, published_efficientnet
from .preparation import MammoClipPreparation
from .record import PublishedRecord
from .text_towers import TextTower, text_tower

#: the prompts of the published zero-shot evaluation
PROMPTS = {
    "mass": {"present": ("mass",), "absent": ("no mass",)},
    "calcification": {"present": ("suspicious calcification",), "absent": ("no suspicious calcification",)},
    "malignancy": {"present": ("malignancy",), "absent": ("no malignancy",)},
}


class ClipNetwork(ExamNetwork, JointSpace):
    """A published network of pictures and texts.

    A breast is compared with texts by the mean of its views' similarities. record: its metadata; without a vocabulary
    there it knows no text.
    """

    record: PublishedRecord
    text: TextTower | None
    neutral = ("no malignancy", "no mass", "no suspicious calcification")

    def __init__(self, record: PublishedRecord):
        """Build the network with random weights."""
        super().__init__()
        self.record = record
        variant = f"b{record.sizes['variant']}"
        self._preparation = MammoClipPreparation(record.sizes["rows"], record.sizes["columns"])
        self.features, self.width = VARIANTS[variant][1], int(record.sizes["joint"])
        self.trunk: Any = published_efficientnet(variant)
        self.image_projection = nn.Linear(self.features, self.width)
        self.text = text_tower(record) if record.vocabulary else None
        self.logit_scale = nn.Parameter(torch.zeros(()))

    @property
    def task_heads(self) -> dict[str, TaskHead]:
        """None: it is asked in words."""
        return {}

    @property
    def widths(self) -> Widths:
        """The widths of its embeddings: a breast's and an exam's are the means of their views' in the joint space."""
        return Widths(self.width, self.width, self.features)

    @property
    def joint(self) -> JointSpace | None:
        """The joint space; None where the file was converted without the vocabulary of the text tower."""
        return self if self.text else None

    def trunks(self) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
        """The image encoder up to its last map."""
        return {"trunk": (LastMap(self.trunk), (self._preparation.rows, self._preparation.columns))}

    def prepare(self, view: View) -> ModelInput:
        """Return what the network is given of a view. Raises NoBreast where no breast is found."""
        return self._preparation(view)

    def read(self, inputs: Sequence[ModelInput]) -> ViewTensors:
        """Return the views of one or of several exams, read one by one: none depends on another."""
        maps = []
        for given in inputs:
            maps.append(self.run_trunk("trunk", torch.from_numpy(given.tensor)[None, None].to(self.device)))
        features = torch.cat(maps)
        breasts = torch.stack([torch.from_numpy(given.breast) for given in inputs]).unsqueeze(1)
        inside = F.adaptive_avg_pool2d(breasts.to(features), (features.shape[-2], features.shape[-1]))
        return ViewTensors((features,), inside, self.pool((features,), inside))

    def pool(self, features: Sequence[Tensor], inside: Tensor) -> Tensor:
        """Return the mean (n, C) of a feature map over the whole picture."""
        return features[0].mean((-2, -1))

    def fuse(self, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
        """Return the embeddings of exams: means over the views that are present."""
        joint = mean_views(self.embed_views(pooled), present)
        return Fused(joint[:, 1:], joint[:, 0], mean_views(pooled, present))

    @property
    def similarity_scale(self) -> Tensor:
        """The learned inverse temperature."""
        return self.logit_scale.exp()

    @property
    def class_scale(self) -> Tensor:
        """1: the published evaluation compares plain cosines, so that its probabilities all lie near one half."""
        return torch.ones_like(self.logit_scale)

    def prompts_of(self, task: Task) -> Mapping[str, Sequence[str]]:
        """Return the published prompts of a built-in task, none where there are none; a declared task's own."""
        return PROMPTS.get(task.name, {}) if task.name in TASK else task.prompts

    def embed_views(self, pooled: Tensor) -> Tensor:
        """Return joint-space embeddings (..., joint width) of pooled view features (..., C), of unit length."""
        return F.normalize(self.image_projection(pooled), dim=-1)

    def embed_breasts(self, fused: Fused) -> Tensor:
        """Return joint-space embeddings (exams, 2, joint width), the means of the views', so at most of unit length."""
        return fused.breasts

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return joint-space embeddings (texts, joint width) of texts, of unit length."""
        assert self.text is not None  # without a vocabulary there is no joint space
        return F.normalize(self.text(texts), dim=-1)

    def unknown_words(self, text: str) -> list[str]:
        """Return the words that the tokenizer cannot spell, in order."""
        return self.text.unknown_words(text) if self.text else []
