"""The EfficientNet of the published Mammo-CLIP code, as timm's with other padding.

The tensors are those of EfficientNet-PyTorch (L. Melas-Kyriazi), from which the published code comes. That pads each
convolution of stride 2 by amounts that are worked out once, for a square picture of a reference size; timm works them
out for each picture, and the features of a 1520 x 912 picture then differ by 8 %.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import timm
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

#: variant -> the reference size of its padding, and the number of its features
VARIANTS = {"b2": (260, 1408), "b5": (456, 2048)}


class FixedPaddingConv2d(nn.Conv2d):
    """A convolution with zeros before and after each row and column, of amounts that do not depend on the picture."""

    def __init__(self, like: nn.Conv2d, size: int):
        """like: the convolution that it replaces. size: rows and columns of the picture that it is padded for."""
        kernel, step = int(like.kernel_size[0]), int(like.stride[0])
        super().__init__(
            like.in_channels, like.out_channels, kernel, step, groups=like.groups, bias=like.bias is not None
        )
        both = max((math.ceil(size / step) - 1) * step + kernel - size, 0)
        self.before, self.after = both // 2, both - both // 2

    def forward(self, images: Tensor) -> Tensor:
        """Return the convolved images."""
        padded = pad(images, (self.before, self.after, self.before, self.after))
        return conv2d(padded, self.weight, self.bias, self.stride, groups=self.groups)


def published_efficientnet(variant: str) -> nn.Module:
    """Return the trunk of a variant for one grey channel, with random weights; `forward_features` gives its last map.

    Raises KeyError for a variant that is not known.
    """
    size, _ = VARIANTS[variant]
    trunk: Any = timm.create_model(f"tf_efficientnet_{variant}", num_classes=0, in_chans=1)
    trunk.conv_stem = FixedPaddingConv2d(trunk.conv_stem, size)
    size = math.ceil(size / 2)
    for stage in trunk.blocks:
        for block in stage:
            if block.conv_dw.stride[0] == 2:
                block.conv_dw = FixedPaddingConv2d(block.conv_dw, size)
                size = math.ceil(size / 2)
    return trunk


class LastMap(nn.Module):
    """A trunk of timm up to its last map."""

    def __init__(self, trunk: nn.Module):
        super().__init__()
        self.trunk: Any = trunk

    def forward(self, images: Tensor) -> Tensor:
        """Return the map (n, C, h, w) of images (n, 1, H, W)."""
        return self.trunk.forward_features(images)


def published_names(trunk: nn.Module) -> dict[str, str]:
    """Return for each tensor of a trunk its name in the published checkpoint."""
    return {ours: theirs for ours, theirs in _names(trunk) if not ours.endswith("num_batches_tracked")}


def _names(trunk: Any) -> Iterator[tuple[str, str]]:
    modules = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    number = 0
    for stage, blocks in enumerate(trunk.blocks):
        for index, block in enumerate(blocks):
            ours, theirs = f"blocks.{stage}.{index}", f"_blocks.{number}"
            parts = {"conv_dw": "_depthwise_conv", "se.conv_reduce": "_se_reduce", "se.conv_expand": "_se_expand"}
            if hasattr(block, "conv_pwl"):
                parts |= {"conv_pw": "_expand_conv", "bn1": "_bn0", "bn2": "_bn1", "conv_pwl": "_project_conv"}
                parts["bn3"] = "_bn2"
            else:  # the first blocks do not expand
                parts |= {"bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
            modules |= {f"{ours}.{mine}": f"{theirs}.{yours}" for mine, yours in parts.items()}
            number += 1
    for name in trunk.state_dict():
        module, _, tensor = name.rpartition(".")
        yield name, f"{modules[module]}.{tensor}"
