"""What a predictor needs of a network: ours and those of other groups behind the same few methods."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from ..exam import View, ViewName
from ..imaging.preprocess import ModelInput
from ..tasks import Task
from .config import ModelRecord
from .heads import TaskHead
from .view_fusion import Fused


class Widths(NamedTuple):
    """How many features the embeddings have: the breast's and the exam's own, and those of their views."""

    breast: int
    exam: int
    views: int


class ViewTensors(NamedTuple):
    """The n views of an exam, or of several, read by a network.

    features: the feature maps (n, C, h, w) of each branch of the network; ours has one branch. inside: (n, 1, h, w),
    share of breast, 0..1, at the size of the maps that `ExamNetwork.lay_together` returns. pooled: (n, C), what is
    fused. fine: (n, F, h, w), what enters the last stage of our own trunk; None for other networks.
    """

    features: tuple[Tensor, ...]
    inside: Tensor
    pooled: Tensor
    fine: Tensor | None = None


class JointSpace:
    """The space in which a network compares pictures with texts. All embeddings are of unit length unless said.

    neutral: sentences on a breast without a finding, against which a single prompt is weighed.
    """

    neutral: Sequence[str]

    def prompts_of(self, task: Task) -> Mapping[str, Sequence[str]]:
        """Return for each class of a task the sentences that ask for it in words; none where it is not asked so."""
        return task.prompts

    @property
    @abstractmethod
    def similarity_scale(self) -> Tensor:
        """The learned inverse temperature that similarities are multiplied by before a softmax."""

    @property
    def class_scale(self) -> Tensor:
        """The inverse temperature between the prompts of a task's classes."""
        return self.similarity_scale

    @abstractmethod
    def embed_views(self, pooled: Tensor) -> Tensor:
        """Return the embeddings (..., joint width) of pooled view features (..., C)."""

    @abstractmethod
    def embed_breasts(self, fused: Fused) -> Tensor:
        """Return the embeddings (exams, 2, joint width) of the breasts."""

    @abstractmethod
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Return the embeddings (texts, joint width) of texts."""

    @abstractmethod
    def unknown_words(self, text: str) -> list[str]:
        """Return the words of a text that the network cannot read, in order."""


class ExamNetwork(nn.Module):
    """A network that reads the views of an exam.

    record: of its weights. slow_maps: whether it offers the map methods that run it many times on changed pictures.
    large: whether it takes seconds for an exam on a CPU, so that a faster engine is worth its start.
    """

    record: ModelRecord
    slow_maps = False
    large = True

    def __init__(self) -> None:
        super().__init__()
        self._run_by: dict[str, Callable[[Tensor], Any]] = {}

    @abstractmethod
    def trunks(self) -> dict[str, tuple[nn.Module, tuple[int, int]]]:
        """The parts that read pictures (n, 1, rows, columns), by name: a module, and the rows and columns of them."""

    def run_by(self, name: str, run: Callable[[Tensor], Any]) -> None:
        """Run a trunk by an engine from now on: a function with the results of the module."""
        self._run_by[name] = run

    def run_trunk(self, name: str, images: Tensor) -> Any:
        """Return what a trunk gives for images (n, 1, rows, columns)."""
        run = self._run_by.get(name)
        return run(images) if run else self.trunks()[name][0](images.contiguous(memory_format=torch.channels_last))

    def copy_for_torch(self) -> Self:
        """Return a copy of the network, whose trunks torch runs."""
        return deepcopy(self, {id(self._run_by): {}})

    @property
    @abstractmethod
    def task_heads(self) -> dict[str, TaskHead]:
        """The head of each task that the weights answer."""

    @property
    @abstractmethod
    def widths(self) -> Widths:
        """The widths of its embeddings."""

    @property
    def joint(self) -> JointSpace | None:
        """The joint space of pictures and texts; None for a network that knows no text."""
        return None

    @property
    def device(self) -> torch.device:
        """The device that its weights are on."""
        return next(self.parameters()).device

    @abstractmethod
    def prepare(self, view: View) -> ModelInput:
        """Return what the network is given of a view. Raises NoBreast where no breast is found."""

    @abstractmethod
    def read(self, inputs: Sequence[ModelInput]) -> ViewTensors:
        """Return the views of one or of several exams, read one by one: none depends on another."""

    @abstractmethod
    def pool(self, features: Sequence[Tensor], inside: Tensor) -> Tensor:
        """Return the pooled features (n, C) of feature maps, which gradients can pass. See `ViewTensors`."""

    @abstractmethod
    def fuse(self, pooled: Tensor, present: Tensor, apart: Tensor) -> Fused:
        """Return the embeddings of exams.

        pooled: (exams, 4, C) in the order of STANDARD_VIEWS; the content of an absent view does not matter. present:
        (exams, 4) bool. apart: (exams,) bool, those whose breasts are fused one at a time.
        """

    def unanswered(self, names: Sequence[ViewName]) -> str:
        """Return why the network gives no answer for an exam with these views, a sentence; "" where it does."""
        return ""

    def exam_vectors(self, fused: Fused) -> Tensor:
        """Return the vectors (exams, n) by which exams are compared with each other."""
        return fused.exam

    def finding_evidence(self, task: str, pooled: Tensor) -> Tensor | None:
        """Return the logits (n,) of a finding in views of pooled features (n, C); None where the network has none.

        Such evidence was trained with positions, so it is what a map of the network's own head explains.
        """
        return None

    def lay_together(self, maps: Sequence[Tensor], inputs: Sequence[ModelInput]) -> Tensor:
        """Return maps (..., n, h, w) in the frame of each view's `ModelInput` from those of each branch.

        The sum over a map stays as it is, since each value is a share of an answer.
        """
        return maps[0]
