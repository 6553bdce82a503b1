"""The layout of the checkpoints of Mammo-CLIP and Mammo-FM, read in the published code of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from .checkpoint_file import Checkpoint, CheckpointError, StoredTensor
from .clip_network import ClipNetwork
from .efficientnet import VARIANTS, published_names
from .family import Converted
from .layout import match_tensors, shape_of
from .record import PublishedRecord
from .text_towers import text_tower

ROWS, COLUMNS, CONTEXT = 1520, 912, 256  # of the pictures, and tokens of a text
STEM = "trunk.conv_stem.weight"


def only_checkpoint(checkpoints: Sequence[Checkpoint], family: str) -> Checkpoint:
    """Return the one checkpoint of a family. Raises CheckpointError where there are several."""
    if len(checkpoints) != 1:
        names = ", ".join(checkpoint.name for checkpoint in checkpoints)
        raise CheckpointError(f"{names}: {family} is one checkpoint, not {len(checkpoints)}. Give that file alone.")
    return checkpoints[0]


def convert_clip(checkpoint: Checkpoint, family: str, text_prefix: str, vocabulary: str) -> Converted:
    """Return the tensors of a checkpoint under the names of `ClipNetwork`, for one grey channel.

    text_prefix: of the names of its text encoder. vocabulary: the tokenizer file as text; "" leaves the text tower out.
    Raises CheckpointError with the list of what is not as known.
    """
    root = checkpoint.root
    if not isinstance(root, dict) or not isinstance(root.get("model"), dict):
        raise CheckpointError(f"{checkpoint.name}: no checkpoint of {family}: it holds no “model” with named tensors.")
    found = checkpoint.tensors(root["model"])
    sizes = _sizes(checkpoint, found, text_prefix, vocabulary)
    record = PublishedRecord(family, "", family, "", (), sizes)
    with torch.device("meta"):  # without values, for the names and shapes
        network, tower = ClipNetwork(record), text_tower(record)
    values = network.state_dict() | {f"text.{name}": value for name, value in tower.state_dict().items()}
    names = _published_names(network, values, text_prefix)
    shapes = {names[ours]: tuple(value.shape) for ours, value in values.items() if ours in names}
    stem = shapes[names[STEM]]
    shapes[names[STEM]] = (stem[0], 3, *stem[2:])
    counters = [name for name in found if name.endswith("num_batches_tracked")]
    pooler = [f"{text_prefix}pooler.dense.{part}" for part in ("weight", "bias")]
    positions = [f"{text_prefix}embeddings.position_ids"]
    read = match_tensors(checkpoint, found, shapes, [*counters, *pooler, *positions])
    tensors = {ours: read[theirs].float() for ours, theirs in names.items()}
    tensors[STEM] = tensors[STEM].sum(1, keepdim=True)  # the three channels of its pictures are equal
    if not vocabulary:
        tensors = {name: value for name, value in tensors.items() if not name.startswith("text.")}
    return Converted(sizes, tensors, vocabulary)


def _published_names(network: ClipNetwork, values: Iterable[str], text_prefix: str) -> dict[str, str]:
    """For each tensor of a network its name in the checkpoint. values: the names of all tensors, also of its texts."""
    names = {f"trunk.{ours}": f"image_encoder.{theirs}" for ours, theirs in published_names(network.trunk).items()}
    for part in ("weight", "bias"):
        names[f"image_projection.{part}"] = f"image_projection.projection.{part}"
        names[f"text.projection.{part}"] = f"text_projection.projection.{part}"
    encoder = [name for name in values if name.startswith("text.encoder.")]
    names |= {name: text_prefix + name.removeprefix("text.encoder.") for name in encoder}
    return names | {"logit_scale": "logit_scale"}


def _sizes(
    checkpoint: Checkpoint, found: Mapping[str, StoredTensor], text_prefix: str, vocabulary: str
) -> dict[str, Any]:
    """The sizes of the network, read off the shapes of the tensors."""
    features = shape_of(checkpoint, found, "image_encoder._conv_head.weight", 4)[0]
    variant = next((int(name[1:]) for name, (_, width) in VARIANTS.items() if width == features), None)
    if variant is None:
        raise CheckpointError(f"{checkpoint.name}: its image encoder, of {features} features, is neither B2 nor B5.")
    joint, text_width = shape_of(checkpoint, found, "text_projection.projection.weight", 2)
    sizes: dict[str, Any] = {
        "variant": variant, "rows": ROWS, "columns": COLUMNS, "joint": joint, "context": CONTEXT,
        "text_width": text_width,
    }  # fmt: skip
    modern = f"{text_prefix}embeddings.tok_embeddings.weight" in found
    layer = f"{text_prefix}layers." if modern else f"{text_prefix}encoder.layer."
    numbers = {name.removeprefix(layer).split(".")[0] for name in found if name.startswith(layer)}
    sizes["text_layers"] = len(numbers)
    if modern:
        sizes["modern_bert"] = 1
        sizes["text_vocabulary"] = shape_of(checkpoint, found, f"{text_prefix}embeddings.tok_embeddings.weight", 2)[0]
        sizes["text_hidden"] = shape_of(checkpoint, found, f"{layer}0.mlp.Wo.weight", 2)[1]
    else:
        words = shape_of(checkpoint, found, f"{text_prefix}embeddings.word_embeddings.weight", 2)[0]
        positions = shape_of(checkpoint, found, f"{text_prefix}embeddings.position_embeddings.weight", 2)[0]
        hidden = shape_of(checkpoint, found, f"{layer}0.intermediate.dense.weight", 2)[0]
        sizes |= {"text_vocabulary": words, "text_positions": positions, "text_hidden": hidden}
    return sizes


def check_vocabulary(vocabulary: Sequence[str], words: int, file: str) -> None:
    """Raise CheckpointError where a tokenizer has another number of words than the text tower."""
    if len(vocabulary) != words:
        raise CheckpointError(
            f"{file}: {len(vocabulary):,} words where the text tower has {words:,}. Give the tokenizer that the model "
            "learned with."
        )
