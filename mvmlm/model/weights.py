"""Weights files: safetensors, with the record (preset, preprocessing, tasks, vocabulary, training) as metadata."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from ..imaging.preprocess import Preprocessing
from ..tasks import TASK
from .config import Preset, WeightsRecord
from .network import MVMLM

FORMAT = "mvmlm-2"
SINGLE_PRECISION = (
    "running_mean",
    "running_var",
    "bn",
    "ln_",
    "norm",
)  # parts of the names of tensors that are not halved
BUNDLED = Path(__file__).parent / "bundled"  # the folder of the weights that come with the package


class WeightsError(ValueError):
    """A weights file that cannot be used. The message names the file and says why."""


def save_model(model: MVMLM, path: Path, record: WeightsRecord) -> None:
    """Write a model's weights in half precision, those of normalisation layers in single precision, with the record.

    record: may name other data and metrics than `model.record`.
    """
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        single = any(part in name for part in SINGLE_PRECISION)
        state[name] = value.detach().cpu().contiguous().to(torch.float32 if single else torch.float16)
    save_file(state, path, metadata={"format": FORMAT, "record": json.dumps(asdict(record))})


def read_record(path: Path) -> WeightsRecord:
    """Return the record of a weights file.

    Raises WeightsError for a file that is no safetensors file, of another format, or for tasks that are unknown here.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except Exception as error:
        raise WeightsError(
            f"{Path(path).name}: not a safetensors file ({error}). Pickled checkpoints are not loaded."
        ) from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(f"{Path(path).name}: format {metadata.get('format')!r}, expected {FORMAT!r}")
    data = json.loads(metadata["record"])
    data["preset"], data["preprocessing"] = Preset(**data["preset"]), Preprocessing(**data["preprocessing"])
    unknown = [name for name in data["tasks"] if name not in TASK]
    if unknown:
        raise WeightsError(f"{Path(path).name}: made for tasks this program does not know: {', '.join(unknown)}")
    data["tasks"], data["vocabulary"] = tuple(data["tasks"]), tuple(data["vocabulary"])
    return WeightsRecord(**data)


def load_weights(path: Path, device: str | torch.device = "cpu") -> MVMLM:
    """Return the model of a weights file, in evaluation mode.

    Raises WeightsError for a file that cannot be read, does not fit its preset, or holds values that are not finite.
    """
    model = MVMLM(read_record(path))
    with safe_open(path, "pt") as file:
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    damaged = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if damaged:
        raise WeightsError(f"{Path(path).name}: {damaged[0]} holds values that are not finite. Get the file again.")
    model.reference = state.get("reference", model.reference)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise WeightsError(
            f"{Path(path).name}: does not fit its own preset (missing {missing[:3]}, extra {unexpected[:3]})"
        )
    return model.eval().to(device).to(memory_format=torch.channels_last)
