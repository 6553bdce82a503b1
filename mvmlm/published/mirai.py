"""Mirai (Yala et al., 2021; code and weights MIT): the layout of its two snapshots, modules pickled in 2019 and 2020.

Files: `mgh_mammo_MIRAI_Base_May20_2019.p`, the image encoder, and `mgh_mammo_cancer_MIRAI_Transformer_Jan13_2020.p`, or
the `snapshots.zip` that holds both. Their arguments hold lists of patients and paths: nothing of them is kept but the
number of attention heads and the order of the risk factors, which no tensor shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .checkpoint_file import Checkpoint, CheckpointError, Opaque, StoredTensor
from .family import Converted, Family
from .layout import match_tensors, shape_of
from .mirai_network import MiraiNetwork
from .record import PublishedRecord

ROWS, COLUMNS = 2048, 1664
#: the risk factors in the order of the published configuration
FACTORS = (
    "density", "binary_family_history", "binary_biopsy_benign", "binary_biopsy_LCIS",
    "binary_biopsy_atypical_hyperplasia", "age", "menarche_age", "menopause_age", "first_pregnancy_age", "prior_hist",
    "race", "parous", "menopausal_status", "weight", "height", "ovarian_cancer", "ovarian_cancer_age", "ashkenazi",
    "brca", "mom_bc_cancer_history", "m_aunt_bc_cancer_history", "p_aunt_bc_cancer_history",
    "m_grandmother_bc_cancer_history", "p_grantmother_bc_cancer_history", "sister_bc_cancer_history",
    "mom_oc_cancer_history", "m_aunt_oc_cancer_history", "p_aunt_oc_cancer_history",
    "m_grandmother_oc_cancer_history", "p_grantmother_oc_cancer_history", "sister_oc_cancer_history", "hrt_type",
    "hrt_duration", "hrt_years_ago_stopped",
)  # fmt: skip
#: our name -> the published one, for what is not in the trunk or a layer of the transformer
WHOLE = {
    "project": "projection_layer",
    "view_labels": "transformer.view_embed",
    "time_labels": "transformer.time_embed",
    "side_labels": "transformer.side_embed",
    "add": "transformer.embed_add_fc",
    "scale": "transformer.embed_scale_fc",
    "risk.base": "prob_of_failure_layer.base_hazard_fc",
    "risk.hazards": "prob_of_failure_layer.hazard_fc",
}
LAYER = {
    "query": "multihead_attention.query",
    "key": "multihead_attention.key",
    "value": "multihead_attention.value",
    "aggregate": "multihead_attention.aggregate_fc",
    "norm_attention": "layernorm_attn",
    "norm_linear": "layernorm_fc",
    "first": "fc1",
    "second": "fc2",
}
MASK = "mask_embedding.weight"
#: in the files, and used in training alone
TRAINING_ONLY = re.compile(
    r"kept_images_vec$|pred_masked_img_fc\.|fc\.|birads_fc\.|prob_of_failure_layer\.upper_triagular_mask$"
)


def _convert(checkpoints: Sequence[Checkpoint], vocabulary: str) -> Converted:
    encoder, transformer = _told_apart(checkpoints)
    trunk = _read_trunk(*encoder)
    checkpoint, module, found = transformer
    order = _factor_order(checkpoint, module, found)
    sizes = _sizes(checkpoint, module, found, order)
    with torch.device("meta"):  # without values, for the names and shapes
        network = MiraiNetwork(PublishedRecord("Mirai", "", "mirai", "", (), sizes))
    expected: dict[str, str] = {}
    for ours in network.state_dict():
        name, _, part = ours.rpartition(".")
        if name in WHOLE:
            expected[ours] = f"{WHOLE[name]}.{part}"
        elif name.startswith("layers."):
            _, number, inner = name.split(".", 2)
            expected[ours] = f"transformer.transformer_layer_{number}.{LAYER[inner]}.{part}"
    state = network.state_dict()
    shapes = {theirs: tuple(state[ours].shape) for ours, theirs in expected.items()}
    width, shapes[MASK] = sizes["width"], (2, sizes["features"])
    for key, size in zip(order, sizes["factors"], strict=True):
        shapes |= {f"pool.{key}_fc.weight": (size, width), f"pool.{key}_fc.bias": (size,)}
    read = match_tensors(checkpoint, found, shapes, [name for name in found if TRAINING_ONLY.match(name)])
    tensors: dict[str, Tensor] = {ours: read[theirs].float() for ours, theirs in expected.items()}
    # what every view that is not masked has added to it; zero where it was left as it began
    tensors["project.bias"] += tensors["project.weight"] @ read[MASK].float()[1]
    for part in ("weight", "bias"):
        tensors[f"factors.{part}"] = torch.cat([read[f"pool.{key}_fc.{part}"].float() for key in order])
    return Converted(sizes, trunk | tensors)


Snapshot = tuple[Checkpoint, Opaque, dict[str, StoredTensor]]


def _told_apart(checkpoints: Sequence[Checkpoint]) -> tuple[Snapshot, Snapshot]:
    """The snapshot of the image encoder and that of the transformer, by the names of their tensors."""
    encoder = transformer = None
    for checkpoint in checkpoints:
        module = _module_of(checkpoint)
        found = checkpoint.tensors(module)
        if "_model.downsampler.conv1.weight" in found:
            encoder = (checkpoint, module, found)
        elif "projection_layer.weight" in found:
            transformer = (checkpoint, module, found)
    if encoder is None or transformer is None:
        names = ", ".join(checkpoint.name for checkpoint in checkpoints)
        missing = "image encoder (mgh_mammo_MIRAI_Base_May20_2019.p)" if encoder is None else (
            "transformer (mgh_mammo_cancer_MIRAI_Transformer_Jan13_2020.p)"
        )  # fmt: skip
        raise CheckpointError(f"{names}: Mirai's {missing} is missing. Give both snapshots, or snapshots.zip.")
    return encoder, transformer


def _module_of(checkpoint: Checkpoint) -> Opaque:
    """The module of a snapshot, out of a dict with “model” and out of a DataParallel. Raises CheckpointError."""
    root: Any = checkpoint.root
    if isinstance(root, dict):
        root = root.get("model")
    for _ in range(2):
        inner = root.state.get("_modules") if isinstance(root, Opaque) and isinstance(root.state, dict) else None
        if isinstance(inner, dict) and set(inner) == {"module"}:
            root = inner["module"]
    if not isinstance(root, Opaque) or not isinstance(root.state, dict):
        raise CheckpointError(f"{checkpoint.name}: no snapshot of Mirai: it holds no module.")
    return root


def _arguments(module: Opaque) -> Mapping[str, Any]:
    """The arguments of a module; empty where it has none. Only sizes and names of risk factors are read from them."""
    arguments = module.state.get("args")
    held = arguments.state if isinstance(arguments, Opaque) else arguments
    return held if isinstance(held, dict) else {}


def _read_trunk(checkpoint: Checkpoint, module: Opaque, found: Mapping[str, StoredTensor]) -> dict[str, Tensor]:
    """The tensors of the ResNet-18 under torchvision's names, for one grey channel."""
    with torch.device("meta"):
        trunk = MiraiNetwork.empty_trunk()
    names, shapes = {}, {}
    for ours, value in trunk.state_dict().items():
        if ours.endswith("num_batches_tracked"):
            continue
        theirs = re.sub(r"^layer(\d)\.(\d)", r"layer\1_\2", ours)
        names[ours] = f"_model.{theirs}" if theirs.startswith("layer") else f"_model.downsampler.{theirs}"
        shape = tuple(value.shape)
        shapes[names[ours]] = (shape[0], 3, *shape[2:]) if ours == "conv1.weight" else shape
    beside = re.compile(r"_model\.(pool|prob_of_failure_layer|fc|birads_fc|region_fc)\.")
    not_needed = [name for name in found if beside.match(name) or name.endswith("num_batches_tracked")]
    read = match_tensors(checkpoint, found, shapes, not_needed)
    tensors = {f"trunk.{ours}": read[theirs].float() for ours, theirs in names.items()}
    tensors["trunk.conv1.weight"] = tensors["trunk.conv1.weight"].sum(1, keepdim=True)  # of three equal channels
    return tensors


def _factor_order(checkpoint: Checkpoint, module: Opaque, found: Mapping[str, StoredTensor]) -> tuple[str, ...]:
    """The risk factors in the order in which the hazards are given them."""
    pool = module.state.get("_modules", {}).get("pool")
    for owner in (pool, module):
        said = _arguments(owner).get("risk_factor_keys") if isinstance(owner, Opaque) else None
        if isinstance(said, str):
            said = said.split()
        if isinstance(said, list) and said:
            if sorted(map(str, said)) != sorted(FACTORS):
                raise CheckpointError(f"{checkpoint.name}: other risk factors than those of the published Mirai.")
            return tuple(map(str, said))
    return FACTORS


def _sizes(
    checkpoint: Checkpoint, module: Opaque, found: Mapping[str, StoredTensor], order: Sequence[str]
) -> dict[str, Any]:
    """The sizes of the network: the shapes of its tensors, and the number of heads from the arguments."""
    width, features = shape_of(checkpoint, found, "projection_layer.weight", 2)
    labels = [shape_of(checkpoint, found, f"transformer.{name}_embed.weight", 2) for name in ("view", "time", "side")]
    layers = len({name.split(".")[1] for name in found if name.startswith("transformer.transformer_layer_")})
    heads = _arguments(module).get("num_heads")
    if not isinstance(heads, int) or isinstance(heads, bool) or not 1 <= heads <= width or width % heads:
        raise CheckpointError(
            f"{checkpoint.name}: not converted: the number of attention heads, which no tensor shows, is not in it."
        )
    factors = [shape_of(checkpoint, found, f"pool.{key}_fc.weight", 2)[0] for key in order]
    return {
        "rows": ROWS, "columns": COLUMNS, "features": features, "width": width, "heads": heads, "layers": layers,
        "label_width": labels[0][1], "labels": [count for count, _ in labels], "factors": factors,
    }  # fmt: skip


FAMILY = Family(
    "mirai",
    "Mirai",
    "mirai",
    _convert,
    MiraiNetwork,
    tasks=("risk",),
    notes=(
        "It needs all four views. It predicts clinical risk factors from the pictures and, as published, ignores any "
        "that are given; so it takes none here.",
        "Its risk was calibrated at its authors' hospital and is too high elsewhere (JNCI 2026, djag083): calibrate it "
        "on your own cases.",
    ),
)
