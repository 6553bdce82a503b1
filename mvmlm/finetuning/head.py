"""Fine-tuned heads: as a module, as one safetensors file, and in the predictor."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from ..inference.mvmlm_predictor import MVMLMPredictor
from ..model.last_stage import LastStage
from ..model.network import MVMLM, Head, TaskHead, probabilities
from ..store.database import StoreError
from ..store.schema_history import with_plain_names
from ..store.store import Store
from ..tasks import Task
from .labelled_embeddings import LabelledEmbeddings

FORMAT = "mvmlm-head-1"
MLP_WIDTH = 32
STAGE_BATCH = 32  # exams


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
        """(..., width) -> logits (..., classes); for survival the cumulative logit of each year."""
        return self.head(self.body((features - self.mean) / self.spread)) * self.scale + self.shift

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """Return the probabilities (n, classes) of embeddings (n, width)."""
        with torch.inference_mode():
            return probabilities(self.task, self(torch.from_numpy(np.ascontiguousarray(features)))).numpy()

    @torch.no_grad()
    def case_logits(self, cases: LabelledEmbeddings, model: MVMLM | None) -> Tensor:
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


def read_head(data: bytes, predictor: MVMLMPredictor, tasks: Sequence[Task]) -> tuple[FinetunedHead, dict]:
    """Return the head of a head file, and the file's metadata: task, weights, name, depth and record.

    A file of 0.4.0 gives its record with today's keys. Raises StoreError for a damaged file, and for a head that does
    not fit these weights and tasks.
    """
    try:
        about = _read_metadata(data)
        task = _matching_task(about, predictor, tasks)
        tensors = load_tensors(data)
        stage = LastStage(predictor.model) if about["depth"] == "stage" else None
        head = FinetunedHead(task, len(tensors["mean"]), about["depth"], about["name"], stage)
        head.load_state_dict(tensors)
        head.prevalence = about["record"].get("prevalence")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise StoreError(f"This is not a readable head file ({error}). Get the file again.") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise StoreError("This head holds values that are not finite. Get the file again.")
    return head.eval().requires_grad_(False), about


def _read_metadata(data: bytes) -> dict:
    header_size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + header_size]).get("__metadata__", {})
    if metadata.get("format") != FORMAT:
        raise ValueError("not a head file of this program")
    about = json.loads(metadata["head"])
    return about | {"record": with_plain_names(about["record"])}


def _matching_task(about: dict, predictor: MVMLMPredictor, tasks: Sequence[Task]) -> Task:
    """The task of a head file's metadata. Raises StoreError where the head fits no task here, or other weights."""
    name = about["task"]["name"]
    task = next((task for task in tasks if task.name == name), None)
    if task is None:
        raise StoreError(f"This head answers {name}, a task that is not known here. Declare the task first.")
    if list(task.classes) != about["task"]["classes"] or task.level.value != about["task"]["level"]:
        raise StoreError(f"This head's {task.name} has other classes or another level than the task here.")
    if about["weights"] != predictor.weights:
        raise StoreError(
            "This head was fine-tuned on other weights. Load those weights (--weights), or fine-tune it again here."
        )
    return task


def import_head(store: Store, predictor: MVMLMPredictor, data: bytes, who: str) -> int:
    """Store a head file as an inactive head version, and return its number. Raises StoreError as `read_head`."""
    head, about = read_head(data, predictor, store.tasks)
    record = about["record"] | {"imported": True}
    return store.heads.add(head.task.name, about["name"], predictor.weights, record, data, who)


def with_active_heads(predictor: MVMLMPredictor, store: Store) -> MVMLMPredictor:
    """Return the predictor, answering with the heads that are active in the store."""
    active = store.heads.all(predictor.weights, active=True)
    heads = [read_head(stored.tensors, predictor, store.tasks)[0] for stored in active]
    return predictor.with_heads(heads, store.tasks)
