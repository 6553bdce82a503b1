"""Weights by name or file -> the predictor that answers with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .inference.model_predictor import ModelPredictor
from .model.weights import BUNDLED, WeightsError, load_weights
from .published.conversion import family_named
from .published.record import PublishedRecord, is_converted, read_converted


def load_model(name: str | Path = "demo", device: str | None = None) -> ModelPredictor:
    """Load weights and return the predictor.

    name: "demo" for the bundled weights, else the path of a safetensors file: of our own weights, or a converted one of
    another group. device: a torch device; by default the GPU where there is one. Raises FileNotFoundError for a name
    that is unknown, model.weights.WeightsError for a file that cannot be used.
    """
    path = BUNDLED / f"{name}.safetensors" if str(name).isidentifier() else Path(name)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path.name}: no such weights. Bundled: demo; or give the path of a .safetensors file."
        )
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if is_converted(path):
        return _load_published(path, device, checksum)
    return ModelPredictor(load_weights(path), device, checksum)


def _load_published(path: Path, device: str | None, checksum: str) -> ModelPredictor:
    """The predictor of a converted file. Raises WeightsError."""
    stored, tensors = read_converted(path)
    try:
        family = family_named(stored.family)
        record = PublishedRecord(
            family.title, stored.source_sha256[0][:8], family.name, family.preparation, family.tasks, stored.sizes,
            stored.vocabulary, tuple(stored.source_sha256),
        )  # fmt: skip
        network = family.build(record)
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise WeightsError(f"{path.name}: cannot be used ({type(error).__name__}). Convert the model again.") from None
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise WeightsError(f"{path.name}: does not fit the network of {family.title}. Convert the model again.")
    return ModelPredictor(network, device, checksum)
