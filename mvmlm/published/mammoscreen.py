"""mammoscreen and mammo-crop (Ian Pan; Apache-2.0): the layout of their safetensors files.

Files: `model.safetensors` of each of the two repositories on the hub, which have the same name.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .checkpoint_file import Checkpoint, CheckpointError
from .family import Converted, Family
from .layout import match_tensors
from .mammoscreen_network import MammoscreenNetwork
from .preparation import MammoscreenPreparation
from .record import PublishedRecord


def _convert(checkpoints: Sequence[Checkpoint], vocabulary: str) -> Converted:
    sizes = {"rows": MammoscreenPreparation.FRAMES[0][0]}
    with torch.device("meta"):  # without values, for the names and shapes
        network = MammoscreenNetwork(PublishedRecord("mammoscreen", "", "mammoscreen", "", (), sizes))
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    screen = next((each for each in checkpoints if "net0.linear.weight" in each.tensors()), None)
    crop = next((each for each in checkpoints if "pooling.p" in each.tensors()), None)
    if screen is None or crop is None:
        names = ", ".join(checkpoint.name for checkpoint in checkpoints)
        missing = "mammoscreen (its three networks)" if screen is None else "mammo-crop (its crop network)"
        raise CheckpointError(f"{names}: the file of {missing} is missing. Give both files.")
    of_screen = {
        name: f"net{name.removeprefix('networks.')}" for name in shapes if name.startswith("networks.")
    }  # fmt: skip
    of_crop = {
        name: "pooling.p" if name == "crop.power" else name.removeprefix("crop.")
        for name in shapes
        if name.startswith("crop.")
    }
    power = crop.tensors()["pooling.p"].shape  # one number, with a dimension or without
    shapes["crop.power"] = power if power in ((), (1,)) else (1,)
    tensors: dict[str, Tensor] = {}
    for checkpoint, of_file in ((screen, of_screen), (crop, of_crop)):
        wanted = {theirs: shapes[ours] for ours, theirs in of_file.items() if not ours.endswith("num_batches_tracked")}
        counters = [name for name in checkpoint.tensors() if name.endswith("num_batches_tracked")]
        read = match_tensors(checkpoint, checkpoint.tensors(), wanted, counters)
        tensors |= {ours: read[theirs].float() for ours, theirs in of_file.items() if theirs in wanted}
    tensors["crop.power"] = tensors["crop.power"].view(1)
    return Converted(sizes, tensors)


FAMILY = Family(
    "mammoscreen",
    "mammoscreen",
    "mammoscreen",
    _convert,
    MammoscreenNetwork,
    tasks=("malignancy", "density"),
    notes=(
        "Its cancer score is no risk: how many women with a score have cancer is not published. Calibrate it on your "
        "own cases.",
        "How its authors resample pictures was not found; bilinear without smoothing is used, which may change the "
        "score in the third decimal.",
    ),
)
