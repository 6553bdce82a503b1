"""Checkpoints of exactly the published layouts with seeded random weights, as their authors' code would write them.

No code of theirs is here: modules with the same names of parameters are put together from plain torch, and pickled
under the names of their classes.
"""

import sys
import zlib
from argparse import Namespace
from types import ModuleType

import numpy as np
import torch
from torch import nn

from mvmlm.published.efficientnet import published_efficientnet, published_names
from mvmlm.published.mirai import FACTORS
from mvmlm.published.mirai_network import MiraiNetwork

#: how many numbers each risk factor of Mirai has; 100 in all
FACTOR_SIZES = (4, *[1] * 4, 6, 5, 5, 6, 1, 13, 1, 4, 7, 7, 1, 6, 1, 4, *[1] * 12, 3, 5, 5)
PLANTED = ("PATIENT-4711", "DOE^JANE", "/home/clinic/pngs16/", "19610203")


def values(name, shape, gain=1.0):
    """Random values that depend on the name alone: the same for the authors' code and ours."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    kind = name.rpartition(".")[2]
    shape = tuple(shape)
    if kind == "running_var":
        return torch.from_numpy(rng.uniform(0.6, 1.6, shape).astype(np.float32))
    if kind == "num_batches_tracked":
        return torch.tensor(1)
    if len(shape) < 2:
        centre = 1.0 if kind == "weight" else 0.0
        return torch.from_numpy((centre + 0.1 * rng.standard_normal(shape)).astype(np.float32))
    fan_in = int(np.prod(shape[1:]))
    return torch.from_numpy((rng.standard_normal(shape) * gain * (1.6 / fan_in) ** 0.5).astype(np.float32))


def image_encoder(variant):
    """The tensors of the published EfficientNet by their names there, with three channels and counters."""
    with torch.device("meta"):  # only names and shapes
        trunk = published_efficientnet(variant)
    tensors, state = {}, trunk.state_dict()
    for ours, theirs in published_names(trunk).items():
        shape = state[ours].shape
        tensors[theirs] = values(theirs, (shape[0], 3, *shape[2:]) if ours == "conv_stem.weight" else shape)
    counters = [name.replace("running_mean", "num_batches_tracked") for name in tensors if "running_mean" in name]
    return tensors | {name: torch.tensor(1) for name in counters}


def bert(words, width=128, layers=2):
    """The tensors of a BERT with its pooler, by the names of transformers."""
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=words, hidden_size=width, num_hidden_layers=layers, num_attention_heads=width // 64,
        intermediate_size=4 * width, max_position_embeddings=512,
    )  # fmt: skip
    with torch.device("meta"):
        model = BertModel(config)
    return {
        name: values(name, value.shape)
        for name, value in model.state_dict().items()
        if not name.endswith(("position_ids", "token_type_ids"))
    }


def mammo_clip(path, variant="b2", words=30, changes=None):
    """Write a Mammo-CLIP checkpoint: named tensors beside an OmegaConf tree, an optimizer and paths of a server."""
    encoder = {f"text_encoder.text_encoder.{name}": value for name, value in bert(words).items()}
    return _clip(path, variant, encoder, 128, changes or {})


def mammo_fm(path, tokenizer, words=30):
    """Write a Mammo-FM checkpoint with a small ModernBERT, and a tokenizer file of a few words."""
    import json

    from transformers import ModernBertConfig, ModernBertModel

    config = ModernBertConfig(
        vocab_size=words, hidden_size=128, num_hidden_layers=3, num_attention_heads=2, intermediate_size=192,
        pad_token_id=None, bos_token_id=None, eos_token_id=None, cls_token_id=None, sep_token_id=None,
    )  # fmt: skip
    with torch.device("meta"):
        names = ModernBertModel(config).state_dict()
    encoder = {f"text_encoder.{name}": values(name, value.shape) for name, value in names.items()}
    vocabulary = {"[UNK]": 0, "[PAD]": 1, "[CLS]": 2, "[SEP]": 3, "no": 4, "mass": 5}
    special = [{"id": "[CLS]", "type_id": 0}, {"id": "[SEP]", "type_id": 0}]
    template = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": special[0]}, {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": special[1]},
        ],
        "pair": [],
        "special_tokens": {
            name: {"id": name, "ids": [vocabulary[name]], "tokens": [name]} for name in ("[CLS]", "[SEP]")
        },
    }  # fmt: skip
    model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
    content = {"version": "1.0", "pre_tokenizer": {"type": "Whitespace"}, "post_processor": template, "model": model}
    tokenizer.write_text(json.dumps(content), encoding="utf-8")
    return _clip(path, "b2", encoder, 128, {})


def _clip(path, variant, text_encoder, text_width, changes):
    tensors = {f"image_encoder.{name}": value for name, value in image_encoder(variant).items()} | text_encoder
    features = tensors["image_encoder._conv_head.weight"].shape[0]
    for part, width in (("image", features), ("text", text_width)):
        name = f"{part}_projection.projection"
        tensors[f"{name}.weight"] = values(f"{name}.weight", (512, width))
        tensors[f"{name}.bias"] = values(f"{name}.bias", (512,))
    tensors["logit_scale"] = torch.tensor(2.7)
    tensors |= changes
    with named_class("omegaconf.listconfig", "ListConfig") as listed:
        config = {"base": {"paths": listed({"_content": PLANTED}), "image_size_h": 1520}}
        torch.save({"model": tensors, "config": config, "epoch": 7, "optimizer": {"state": {}}}, path)
    return tensors


class named_class:
    """A class that is pickled under a name of a package that is not installed; a context manager."""

    def __init__(self, module, name, base=object):
        self._module, self._name, self._base = module, name, base

    def __enter__(self):
        def started(self, state=None):
            self.__dict__.update(state or {})

        body = {"__module__": self._module}
        if self._base is object:
            body["__init__"] = started
        made = type(self._name, (self._base,), body)
        made.__qualname__ = self._name
        parts = self._module.split(".")
        self._added = [".".join(parts[: n + 1]) for n in range(len(parts))]
        self._added = [name for name in self._added if name not in sys.modules]
        for name in self._added:
            sys.modules[name] = ModuleType(name)
        setattr(sys.modules[self._module], self._name, made)
        return made

    def __exit__(self, *error):
        for name in self._added:
            sys.modules.pop(name, None)


def with_values(module):
    """The module with the values of `values`, by its own names."""
    state = {name: values(name, value.shape) for name, value in module.state_dict().items()}
    module.load_state_dict(state)
    return module.eval()


def tree(names_and_shapes):
    """A module tree whose state dict has these names: parameters, and buffers for statistics."""
    root = nn.Module()
    for name, shape in names_and_shapes.items():
        *path, last = name.split(".")
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, nn.Module())
            module = module._modules[part]
        value = values(name, shape)
        if last in ("running_mean", "running_var", "num_batches_tracked"):
            module.register_buffer(last, value)
        else:
            module.register_parameter(last, nn.Parameter(value, requires_grad=False))
    return root


def mirai_encoder_shapes():
    """Name -> shape of the image encoder's snapshot, with its risk factor heads and hazards."""
    shapes = {}
    for ours, value in MiraiNetwork.empty_trunk().state_dict().items():
        shape = (value.shape[0], 3, 7, 7) if ours == "conv1.weight" else tuple(value.shape)
        if ours.startswith("layer"):
            layer, block, rest = ours.split(".", 2)
            shapes[f"_model.{layer}_{block}.{rest}"] = shape
        else:
            shapes[f"_model.downsampler.{ours}"] = shape
    return shapes | {f"_model.{name}": shape for name, shape in _factor_and_hazard_shapes(512).items()}


def _factor_and_hazard_shapes(width):
    shapes = {}
    for key, size in zip(FACTORS, FACTOR_SIZES, strict=True):
        shapes |= {f"pool.{key}_fc.weight": (size, width), f"pool.{key}_fc.bias": (size,)}
    hidden = width + sum(FACTOR_SIZES)
    layer = "prob_of_failure_layer"
    return shapes | {
        f"{layer}.hazard_fc.weight": (5, hidden), f"{layer}.hazard_fc.bias": (5,),
        f"{layer}.base_hazard_fc.weight": (1, hidden), f"{layer}.base_hazard_fc.bias": (1,),
        f"{layer}.upper_triagular_mask": (5, 5),
    }  # fmt: skip


def mirai_transformer_shapes(width=512, layers=1):
    """Name -> shape of the transformer's snapshot, with what is used in training alone."""
    shapes = {
        "projection_layer.weight": (width, 512), "projection_layer.bias": (width,),
        "mask_embedding.weight": (2, 512), "kept_images_vec": (1, 4, 1),
        "pred_masked_img_fc.weight": (512, width), "pred_masked_img_fc.bias": (512,),
        "transformer.time_embed.weight": (11, 32), "transformer.view_embed.weight": (3, 32),
        "transformer.side_embed.weight": (3, 32),
    }  # fmt: skip
    for name in ("embed_add_fc", "embed_scale_fc"):
        shapes |= {f"transformer.{name}.weight": (width, 96), f"transformer.{name}.bias": (width,)}
    for number in range(layers):
        layer = f"transformer.transformer_layer_{number}"
        for name in ("query", "value", "key", "aggregate_fc"):
            shapes |= {f"{layer}.multihead_attention.{name}.weight": (width, width)}
            shapes |= {f"{layer}.multihead_attention.{name}.bias": (width,)}
        for name in ("fc1", "fc2"):
            shapes |= {f"{layer}.{name}.weight": (width, width), f"{layer}.{name}.bias": (width,)}
        for name in ("layernorm_attn", "layernorm_fc"):
            shapes |= {f"{layer}.{name}.weight": (width,), f"{layer}.{name}.bias": (width,)}
    return shapes | _factor_and_hazard_shapes(width)


def mirai_arguments(**more):
    """The arguments of a snapshot: bookkeeping of the training, with what must never leave it."""
    return Namespace(
        exam_to_year_dict={PLANTED[0]: 3}, patient_to_partition_dict={PLANTED[1]: "train"},
        path_to_hidden_dict={f"{PLANTED[2]}{PLANTED[3]}.png": [0.1]}, risk_factor_keys=list(FACTORS), **more,
    )  # fmt: skip


def mirai(folder, heads=8, changes=None):
    """Write Mirai's two snapshots as whole modules in torch's old format, and return their paths."""
    paths = []
    for name, module, class_, shapes in (
        ("base.p", "onconet.models.custom_resnet", "CustomResnet", mirai_encoder_shapes()),
        ("transformer.p", "onconet.models.hiddens_transfomer", "AllImageTransformer", mirai_transformer_shapes()),
    ):
        with named_class(module, class_, nn.Module) as made:
            root = tree(shapes | (changes or {}).get(name, {}))
            root.__class__ = made
            root.args = mirai_arguments(num_heads=heads)
            torch.save(root, folder / name, _use_new_zipfile_serialization=False)
        paths.append(folder / name)
    return paths


def picture(rows, columns, seed):
    """A picture (rows, columns) float32, 0 to about 1.1: blocks of 40 pixels and noise."""
    rng = np.random.default_rng(seed)
    blocks = rng.random((rows // 40 + 1, columns // 40 + 1)).astype(np.float32)
    return np.kron(blocks, np.ones((40, 40), np.float32))[:rows, :columns] + 0.1 * rng.random((rows, columns)).astype(
        np.float32
    )


def raw_view(seed):
    """Stored values (2100, 1400) uint16 as a detector gives them: a breast at the left, a label, a dark background."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:2100, :1400]
    edge = ((y - 1000) / 850.0) ** 2 + (x / 900.0) ** 2
    values = np.where(edge < 1, 900 + 2200 * np.sqrt(np.clip(1 - edge, 0, 1)), 40) + 0.0
    values += np.where(edge < 1, 300 * rng.random(edge.shape), 0)
    values[60:120, 1250:1330] = 3900  # a side marker
    return values.astype(np.uint16)


def block_means(tensor, rows=16, columns=12):
    """The means (rows, columns) of an input over equal blocks, by which two inputs are compared."""
    height, width = (tensor.shape[0] // rows) * rows, (tensor.shape[1] // columns) * columns
    cut = np.asarray(tensor, np.float64)[:height, :width]
    return cut.reshape(rows, height // rows, columns, width // columns).mean((1, 3)).astype(np.float32)


def mammoscreen(folder):
    """Write the safetensors files of mammoscreen and of its crop network, and return their paths."""
    from safetensors.torch import save_file

    from mvmlm.published.mammoscreen_network import CropNetwork, ScreenNetwork

    crop = {"pooling.p" if name == "power" else name: value for name, value in CropNetwork().state_dict().items()}
    crop = {name: values(f"crop {name}", value.shape) for name, value in crop.items()}
    crop |= {"pooling.p": torch.tensor([3.0]), "linear.weight": torch.zeros(4, 1024)}
    crop["linear.bias"] = torch.logit(torch.tensor([0.02, 0.05, 0.75, 0.9]))  # the same box for every picture
    with torch.device("meta"):
        names = ScreenNetwork().state_dict()
    screen = {
        f"net{number}.{name}": values(f"net{number}.{name}", value.shape)
        for number in range(3)
        for name, value in names.items()
    }
    paths = [folder / "screen" / "model.safetensors", folder / "crop" / "model.safetensors"]
    for path, tensors in zip(paths, (screen, crop), strict=True):
        path.parent.mkdir(exist_ok=True)
        save_file(tensors, path)
    return paths
