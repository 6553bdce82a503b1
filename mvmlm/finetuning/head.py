"""Fine-tuned heads: as a module, as one safetensors file, and in the predictor."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ..inference.model_predictor import ModelPredictor
from ..model.exam_network import ExamNetwork
from ..model.heads import Head, TaskHead, probabilities
from ..model.last_stage import LastStage
from ..model.network import MVMLM
from ..store.database import StoreError
from ..store.store import Store
from ..tasks import Task
from .embeddings import width_without_views
from .head_metadata import FORMAT, HeadMetadata, check_record, read_metadata
from .labelled_embeddings import LabelledEmbeddings

MLP_WIDTH = 32
STAGE_BATCH = 32  # exams
MAX_HEAD_BYTES = 512 * 2**20
_LOG = logging.getLogger(__name__)


class FinetunedHead(TaskHead):
    """Embeddings -> logits: standardisation, an optional hidden layer, the task's linear head, and its calibration.

    depth: "linear", "mlp" or "stage". stage: the fine-tuned last image stage that makes the head's embeddings; None
    where the image tower's own stage does. The names of buffers and modules are the tensor names of head files.
    """

    mean: Tensor
    spread: Tensor
    scale: Tensor
    shift: Tensor

    def __init__(self, task: Task, width: int, depth: str, title: str = "", stage: LastStage | None = None):
        super().__init__()
        self.stage = stage
        self.task, self.depth, self.title = task, depth, title
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))  # the standard deviation of each feature
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        hidden = depth == "mlp"
        self.body = nn.Sequential(nn.Linear(width, MLP_WIDTH), nn.GELU()) if hidden else nn.Identity()
        self.head = Head(task, MLP_WIDTH if hidden else width)

    def forward(self, features: Tensor) -> Tensor:
        """(..., width or more) -> logits (..., classes); for survival the cumulative logit of each year."""
        own = features[..., : len(self.mean)]  # heads of 0.4.0 do not use the views
        return self.head(self.body((own - self.mean) / self.spread)) * self.scale + self.shift

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) of embeddings (n, width)."""
        with torch.inference_mode():
            return probabilities(self.task, self(torch.from_numpy(np.ascontiguousarray(features)))).numpy()

    @torch.no_grad()
    def case_logits(self, cases: LabelledEmbeddings, model: ExamNetwork | None) -> Tensor:
        """Return the logits (n, classes) of labelled cases.

        model: the whole model; only a head with a stage of its own needs it. Raises ValueError where it is missing
        then.
        """
        if self.stage is None:
            return self(torch.from_numpy(cases.features))
        if model is None:
            raise ValueError("model: missing; a head with a stage of its own needs the whole model")
        logits = torch.zeros(len(cases), len(self.task.classes))
        for rows in cases.batches(STAGE_BATCH):
            logits[rows] = self(cases.embed_with_stage(rows, self.stage, model))
        return logits


def write_head(head: FinetunedHead, weights: str, name: str, record: dict) -> bytes:
    """Return a head file: its tensors, and in the metadata the task, the weights it belongs to, and its record.

    weights: the checksum of the weights. record: plain JSON values.
    """
    task = {
        "name": head.task.name,
        "title": head.task.title,
        "level": head.task.level.value,
        "kind": head.task.kind.value,
        "classes": head.task.classes,
    }
    about = {"task": task, "weights": weights, "name": name, "depth": head.depth, "record": record}
    tensors = {key: value.detach().cpu().contiguous() for key, value in head.state_dict().items()}
    return save_tensors(tensors, metadata={"format": FORMAT, "head": json.dumps(about)})


def read_head(data: bytes, predictor: ModelPredictor, tasks: Sequence[Task]) -> tuple[FinetunedHead, dict]:
    """Return the head of a head file, and the file's metadata: task, weights, name, depth and record.

    A file of 0.4.0 gives its record with today's keys. Raises StoreError for a damaged file, and for a head that does
    not fit these weights and tasks: other names, shapes or types of tensors, or numbers that are not finite.
    """
    if len(data) > MAX_HEAD_BYTES:
        raise StoreError(f"This file is larger than {MAX_HEAD_BYTES >> 20} MB, so it is no head file.")
    try:
        about = read_metadata(data)
        task = _matching_task(about, predictor, tasks)
        stage = LastStage(predictor.model) if about.depth == "stage" else None
        tensors = load_tensors(data)
        head = FinetunedHead(task, _width(tensors, predictor, task), about.depth, about.name, stage)
        _check_tensors(tensors, head.state_dict())
        head.load_state_dict(tensors)
        head.prevalence = _prevalence(about)
        head.learned_on_phantoms = about.record.get("learned_on_phantoms") is True
        head = head.eval().requires_grad_(False)
        _check_answers(head, predictor.model)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise StoreError(f"This is not a usable head file: {error}. Get the file again.") from error
    return head, about.model_dump()


def _matching_task(about: HeadMetadata, predictor: ModelPredictor, tasks: Sequence[Task]) -> Task:
    """The task of a head file's metadata. Raises StoreError where the head fits no task here, or other weights."""
    name = about.task.name
    task = next((task for task in tasks if task.name == name), None)
    if task is None:
        raise StoreError(f"This head answers {name}, a task that is not known here. Declare the task first.")
    here, in_file = (task.classes, task.level, task.kind), (about.task.classes, about.task.level, about.task.kind)
    if (list(here[0]), here[1].value, here[2].value) != in_file:
        raise StoreError(f"This head's {task.name} has other classes or another level than the task here.")
    if about.weights != predictor.weights:
        raise StoreError(
            "This head was fine-tuned on other weights. Load those weights (--weights), or fine-tune it again here."
        )
    return task


def _width(tensors: Mapping[str, Tensor], predictor: ModelPredictor, task: Task) -> int:
    """The width of the embeddings that a head was fitted to: with the views, or as up to 0.4.0 without."""
    without = width_without_views(predictor, task.level)
    return without if "mean" in tensors and tensors["mean"].shape == (without,) else predictor.width(task.level)


def _check_tensors(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raise ValueError for tensors of other names, shapes or types, and for values with which no head can compute."""
    if tensors.keys() != expected.keys():
        raise ValueError(f"it has {len(tensors)} tensors where {len(expected)} are expected, or others")
    for name, value in tensors.items():
        shape, dtype = list(expected[name].shape), expected[name].dtype
        if list(value.shape) != shape or value.dtype != dtype:
            raise ValueError(f"{name} is {list(value.shape)} {value.dtype} where {shape} {dtype} is expected")
        if not bool(torch.isfinite(value).all()):
            raise ValueError(f"{name} holds values that are not finite")
    if not bool((tensors["spread"] > 0).all()):
        raise ValueError("spread holds a standard deviation that is not above 0")


def _check_answers(head: FinetunedHead, model: ExamNetwork) -> None:
    """Raise ValueError where the head does not give finite logits for ordinary embeddings."""
    deviations = torch.tensor([[-3.0], [0.0], [3.0]])
    features = torch.cat([torch.zeros(1, len(head.mean)), head.mean + deviations * head.spread])
    with torch.inference_mode():
        found = [head(features)]
        if head.stage is not None and isinstance(model, MVMLM):
            tower = model.image_tower
            found.append(
                head.stage.features(model, torch.ones(1, tower.fine.in_channels, 8, 8, device=tower.power.device))
            )
    if not all(bool(torch.isfinite(values).all()) for values in found):
        raise ValueError("its answers are not finite")


def _prevalence(about: HeadMetadata) -> float | None:
    """The share of positives of the record. Raises ValueError for anything else than a number between 0 and 1."""
    share = about.record.get("prevalence")
    if share is None:
        return None
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError("record.prevalence: expected a number between 0 and 1")
    return float(share)


def import_head(store: Store, predictor: ModelPredictor, data: bytes, who: str) -> int:
    """Store a head file as an inactive head version, and return its number. Raises StoreError as `read_head`, and for
    a record that does not fit its schema."""
    head, about = read_head(data, predictor, store.tasks)
    record = about["record"] | {"imported": True}
    try:
        check_record(record)
    except ValueError as error:
        raise StoreError(f"This head's record cannot be used: {error}. Get the file again.") from None
    return store.heads.add(head.task.name, about["name"], predictor.weights, record, data, who)


def with_active_heads(predictor: ModelPredictor, store: Store, elsewhere: bool = True) -> ModelPredictor:
    """Return the predictor, answering with the heads that are active in the store.

    A head that cannot be used takes no answer away: the bundled head of its task answers, and `head_notes` says so. So
    it is with a head that was active on other weights, where none of these weights is. elsewhere False: heads of other
    weights are not spoken of.
    """
    heads: list[FinetunedHead] = []
    notes: dict[str, str] = {}
    active = store.heads.summaries(active=True)
    with_head_here = {stored.task for stored in active if stored.weights == predictor.weights}
    for stored in active:
        if stored.weights != predictor.weights and (stored.task in with_head_here or not elsewhere):
            continue
        try:
            head, _ = read_head(store.heads.tensors(stored.id), predictor, store.tasks)
            if head.task.name != stored.task:
                raise StoreError(f"This head answers {head.task.name}.")
            heads.append(head)
        except StoreError as error:
            notes[stored.task] = predictor.fallback_note(stored.task, stored.name, str(error))
        except Exception as error:  # an error of this program must not take the other answers away either
            _LOG.exception("head %d cannot be loaded", stored.id)
            notes[stored.task] = predictor.fallback_note(
                stored.task, stored.name, f"{type(error).__name__}, see the log."
            )
    return predictor.with_heads(heads, store.tasks, notes)
