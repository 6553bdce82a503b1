"""Weights by name or file -> the predictor that answers with them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from .inference.engine import TORCH, default_engine, use_engine
from .inference.model_predictor import ModelPredictor
from .model.config import WOMEN, ModelRecord
from .model.exam_network import ExamNetwork
from .model.folding import fold_batch_norms
from .model.weights import BUNDLED, WeightsError, check_size, load_weights, read_record
from .published.catalogue import CATALOGUE
from .published.conversion import family_named
from .published.download import MODELS, BytesProgress, fetch_model, fetch_repository, model_file, no_progress
from .published.family import Family
from .published.record import PublishedRecord, StoredRecord, is_converted, read_converted
from .store.data_folder import choose_data_folder

BUNDLED_NAMES = ("demo",)
FROM_HUB = "hf:"
ENGINE_FOLDER = "engines"  # in the data folder: compiled trunks


def weights_file(name: str | Path, progress: BytesProgress = no_progress, folder: Path | None = None) -> Path:
    """Return the file of weights, fetched first where it is a published model that is not on this machine.

    name: "demo" for the bundled weights; a model of `published.catalogue`; hf:owner/name; else the path of a
    safetensors file. folder: the data folder; None for the usual one. Raises FileNotFoundError for a name that is
    unknown, published.download.DownloadError for a model that cannot be fetched, or whose terms were not accepted.
    """
    text = str(name)
    if text in BUNDLED_NAMES:
        return BUNDLED / f"{text}.safetensors"
    if text in CATALOGUE:
        return fetch_model(folder or choose_data_folder()[0], text, False, progress)
    if text.startswith(FROM_HUB):
        return fetch_repository(folder or choose_data_folder()[0], text.removeprefix(FROM_HUB), progress)
    path = Path(name)
    if not path.is_file():
        known = ", ".join([*BUNDLED_NAMES, *CATALOGUE])
        raise FileNotFoundError(
            f"{path.name}: no such weights. Give one of {known}, hf:owner/name, or the path of a .safetensors file."
        )
    return path


def is_here(name: str, folder: Path | None = None) -> bool:
    """Return whether weights can be loaded without fetching them. The arguments are those of `weights_file`."""
    if name in CATALOGUE:
        return model_file(folder or choose_data_folder()[0], name).is_file()
    return name in BUNDLED_NAMES or Path(name).is_file()


def load_model(
    name: str | Path = "demo",
    device: str | None = None,
    progress: BytesProgress = no_progress,
    engine: str | None = None,
) -> ModelPredictor:
    """Load weights and return the predictor.

    name: see `weights_file`. device: a torch device; by default the GPU where there is one. progress: of a download.
    engine: of `inference.engine.ENGINES`; None for OpenVINO in float32 where it is installed and the network is large,
    else torch. Raises what `weights_file` does, model.weights.WeightsError for a file that cannot be used, and
    ValueError for an engine that cannot be used.
    """
    path = weights_file(name, progress)
    try:
        network = _published_network(path) if is_converted(path) else load_weights(path)
    except WeightsError as error:
        if path.parent.name != MODELS or path.stem not in CATALOGUE:
            raise
        raise WeightsError(
            f"{path.name} in the data folder ({MODELS}) is damaged. Delete it, then fetch it again: mvmlm models get "
            f"{path.stem}."
        ) from error
    predictor = ModelPredictor(network, device, checksum_of(path))
    chosen = engine or default_engine(predictor.model, predictor.device)
    return use_engine(predictor, chosen, choose_data_folder()[0] / ENGINE_FOLDER if chosen != TORCH else None)


def checksum_of(path: Path) -> str:
    """Return the SHA-256 of a weights file in hex, by which its answers are known. Raises OSError."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def record_of(path: Path) -> ModelRecord:
    """Return the record of a weights file, our own or a converted one, without its network. Raises WeightsError."""
    if not is_converted(path):
        return read_record(path)
    stored, _ = read_converted(path)
    return _published_record(path, family_named(stored.family), stored)


def _published_network(path: Path) -> ExamNetwork:
    """The network of a converted file, its batch normalisations folded. Raises WeightsError."""
    stored, tensors = read_converted(path)
    try:
        family = family_named(stored.family)
        record = _published_record(path, family, stored)
        shapes = [value.shape for value in tensors.values()]
        check_size(path.name, stored.sizes, lambda: family.build(record), shapes)
        network = family.build(record)
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except WeightsError:
        raise
    except (KeyError, ValueError, TypeError, RuntimeError, AssertionError) as error:
        raise WeightsError(f"{path.name}: cannot be used ({type(error).__name__}). Convert the model again.") from None
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise WeightsError(f"{path.name}: does not fit the network of {family.title}. Convert the model again.")
    fold_batch_norms(network.eval())
    return network


def _published_record(path: Path, family: Family, stored: StoredRecord) -> PublishedRecord:
    """The record of a converted file, with what the catalogue says of the model that has the file's name."""
    model = CATALOGUE.get(path.stem)
    variant = f"b{stored.sizes.get('variant')}"  # of Mammo-CLIP, by the shapes of the tensors
    other = family.name == "mammo-clip" and not path.stem.endswith(variant)
    if model is None or model.family != family.name or other:
        title, about = family.title, [f"A model of another group, converted: {family.title}."]
    else:
        title, about = model.title, [
            f"A model of another group. It answers {model.answers}.",
            f"Learned from {model.trained_on}.",
            f"Published figures: {model.figures}.",
            f"Licence: {model.licence}. {model.terms}".strip(),
        ]  # fmt: skip
    return PublishedRecord(
        title, stored.source_sha256[0][:8], family.name, family.preparation, family.tasks, stored.sizes,
        stored.vocabulary, tuple(stored.source_sha256), {"risk_learned_on": WOMEN}, family.notes, tuple(about),
    )  # fmt: skip
