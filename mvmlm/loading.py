"""Weights by name or file -> the predictor that answers with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .inference.model_predictor import ModelPredictor
from .model.weights import BUNDLED, load_weights


def load_model(name: str | Path = "demo", device: str | None = None) -> ModelPredictor:
    """Load weights and return the predictor.

    name: "demo" for the bundled weights, else the path of a safetensors file. device: a torch device; by default the
    GPU where there is one. Raises FileNotFoundError for a name that is unknown, model.weights.WeightsError for a file
    that cannot be used.
    """
    path = BUNDLED / f"{name}.safetensors" if str(name).isidentifier() else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.name}: no such weights. Bundled: demo; or give the path of a .safetensors file."
        )
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    return ModelPredictor(load_weights(path), device, checksum)
