"""Batch normalisation folded into the convolutions before it: the same features from fewer operations.

For networks that are not trained any further. The convolution and the normalisation of fixed statistics are both
linear, so they are one convolution (Jacob et al., 2018); rounding moves the features by about 1e-6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

#: names of a convolution and of the normalisation that follows it, in timm's networks and in torchvision's ResNet
PAIRS = (
    ("conv_stem", "bn1"), ("conv_head", "bn2"), ("conv_exp", "bn1"), ("conv", "bn1"), ("conv1", "bn1"),
    ("conv2", "bn2"), ("0", "1"),
)  # fmt: skip
#: those of timm's blocks, by the class of the block
BLOCK_PAIRS = {
    "DepthwiseSeparableConv": (("conv_dw", "bn1"), ("conv_pw", "bn2")),
    "InvertedResidual": (("conv_pw", "bn1"), ("conv_dw", "bn2"), ("conv_pwl", "bn3")),
    "EdgeResidual": (("conv_exp", "bn1"), ("conv_pwl", "bn2")),
}


@torch.no_grad()
def fold_batch_norms(network: nn.Module) -> int:
    """Fold the normalisations of a network in evaluation mode in place, and return how many were folded.

    Activations that timm joins to a normalisation stay.
    """
    folded = 0
    for module in network.modules():
        for conv_name, norm_name in BLOCK_PAIRS.get(type(module).__name__, PAIRS):
            convolution, norm = module._modules.get(conv_name), module._modules.get(norm_name)
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                _fold(module, conv_name, norm_name, convolution, norm)
                folded += 1
    return folded


def _fold(module: nn.Module, conv_name: str, norm_name: str, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> None:
    activation: Any = nn.Sequential(*(getattr(norm, name) for name in ("drop", "act") if hasattr(norm, name)))
    fused = fuse_conv_bn_eval(convolution, norm)
    module._modules[conv_name] = fused
    module._modules[norm_name] = activation
