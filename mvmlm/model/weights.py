"""Weights files: safetensors with the record as metadata."""

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
BUNDLED = Path(__file__).parent / "bundled"  # the weights that come with the package, by name


class WeightsError(ValueError):
    """A weights file that cannot be used; the text says why and what to do."""


def save_model(model: MVMLM, path: Path, record: WeightsRecord) -> None:
    """Weights as safetensors, half precision (normalisation statistics stay whole), the record as metadata."""
    whole = ("running_mean", "running_var", "bn", "ln_", "norm", "reference")
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        keep = any(part in name for part in whole) and "reference" not in name
        state[name] = value.detach().cpu().contiguous().to(torch.float32 if keep else torch.float16)
    data = asdict(record)
    save_file(state, path, metadata={"format": FORMAT, "record": json.dumps(data)})


def read_record(path: Path) -> WeightsRecord:
    """The metadata of a weights file. Raises WeightsError."""
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
    """A weights file -> MVMLM in evaluation mode. Raises WeightsError, also for weights that are not finite."""
    model = MVMLM(read_record(path))
    with safe_open(path, "pt") as file:
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    bad = [name for name, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise WeightsError(f"{Path(path).name}: {bad[0]} holds values that are not finite. Get the file again.")
    model.reference = state.get("reference", model.reference)
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise WeightsError(
            f"{Path(path).name}: does not fit its own preset (missing {missing[:3]}, extra {unexpected[:3]})"
        )
    return model.eval().to(device).to(memory_format=torch.channels_last)
