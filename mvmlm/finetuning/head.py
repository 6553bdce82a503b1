"""Head versions: what a lesson teaches, as a module and as one safetensors file, and the predictor that answers with them."""

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
from ..store.store import Store
from ..tasks import Task
from .labelled_embeddings import LabelledEmbeddings, batches_of, embed_with_stage

FORMAT = "mvmlm-head-1"
MLP_WIDTH = 32


class FinetunedHead(TaskHead):
    """Embeddings -> logits: standardised, an optional hidden layer, the task's head, and the calibration of its logits.

    stage: the last image stage that makes its embeddings; None where the weights' own does.
    """

    def __init__(self, task: Task, width: int, depth: str, title: str = "", stage: LastStage | None = None):
        super().__init__()
        self.stage = stage
        self.task, self.depth, self.title = task, depth, title
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.register_buffer("scale", torch.ones(()))
        self.register_buffer("shift", torch.zeros(()))
        hidden = depth == "mlp"
        self.body = nn.Sequential(nn.Linear(width, MLP_WIDTH), nn.GELU()) if hidden else nn.Identity()
        self.head = Head(task, MLP_WIDTH if hidden else width)

    def forward(self, features: Tensor) -> Tensor:
        """(..., width) -> (..., classes) logits; for survival the cumulative logit of each year."""
        return self.head(self.body((features - self.mean) / self.spread)) * self.scale + self.shift

    def probabilities(self, features: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, classes)."""
        with torch.inference_mode():
            return probabilities(self.task, self(torch.from_numpy(np.ascontiguousarray(features)))).numpy()

    @torch.no_grad()
    def logits_of(self, cases: LabelledEmbeddings, model: MVMLM | None) -> Tensor:
        """(n, classes). model: the whole model, for a head with a stage of its own."""
        if self.stage is None:
            return self(torch.from_numpy(cases.features))
        out = torch.zeros(len(cases.labels), len(self.task.classes))
        for rows in batches_of(cases, 32):
            out[rows] = self(embed_with_stage(cases, rows, self.stage, model))
        return out


def write_head(head: FinetunedHead, weights: str, name: str, record: dict) -> bytes:
    """One safetensors file: the tensors, and in its metadata the task, the weights it belongs to, and the record."""
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
    """A head file -> the head and what it says of itself. Raises StoreError where it does not fit these weights and tasks."""
    try:
        size = int.from_bytes(data[:8], "little")
        metadata = json.loads(data[8 : 8 + size]).get("__metadata__", {})
        if metadata.get("format") != FORMAT:
            raise ValueError("no head file of this program")
        about, tensors = json.loads(metadata["head"]), load_tensors(data)
        task = next((task for task in tasks if task.name == about["task"]["name"]), None)
        if task is None:
            raise StoreError(
                f"this head answers {about['task']['name']}, a task that is not known here. Declare the task first."
            )
        if list(task.classes) != about["task"]["classes"] or task.level.value != about["task"]["level"]:
            raise StoreError(f"this head's {task.name} has other classes or another level than the task here")
        if about["weights"] != predictor.weights:
            raise StoreError(
                "this head was taught on other weights. Load those weights (--weights), or teach it again here."
            )
        stage = LastStage(predictor.model) if about["depth"] == "stage" else None
        head = FinetunedHead(task, len(tensors["mean"]), about["depth"], about["name"], stage)
        head.load_state_dict(tensors)
        head.prevalence = about["record"].get("prevalence")
    except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise StoreError(f"not a head file that can be read ({error})") from error
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise StoreError("this head holds values that are not finite. Get the file again.")
    return head.eval().requires_grad_(False), about


def import_head(store: Store, predictor: MVMLMPredictor, data: bytes, who: str) -> int:
    """A head file of elsewhere -> a head version here, not active."""
    head, about = read_head(data, predictor, store.tasks)
    return store.heads.add(
        head.task.name, about["name"], predictor.weights, about["record"] | {"imported": True}, data, who
    )


def with_active_heads(predictor: MVMLMPredictor, store: Store) -> MVMLMPredictor:
    """The predictor, answering with the heads that are active in the store."""
    heads = store.heads.all(predictor.weights, active=True)
    return predictor.with_heads([read_head(kept.tensors, predictor, store.tasks)[0] for kept in heads], store.tasks)
