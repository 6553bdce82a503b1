"""Depthwise convolutions that train faster on a CPU in bfloat16, by computing their weight gradient in float32.

oneDNN needs several times as long for that gradient in bfloat16, which was most of a training step. Everything else
stays in bfloat16. `scripts/benchmark.py` measures the difference.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from timm.layers import pad_same
from torch import Tensor, nn


class _DepthwiseConv(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors

        def convolution_backward(dtype: torch.dtype, outputs: list[bool]) -> tuple[Tensor, Tensor, Tensor]:
            inputs = gradient.to(dtype), x.to(dtype), weight.to(dtype), None, ctx.stride, ctx.padding
            return torch.ops.aten.convolution_backward(*inputs, [1, 1], False, [0, 0], len(weight), outputs)

        to_x = convolution_backward(x.dtype, [True, False, False])[0] if ctx.needs_input_grad[0] else None
        to_weight = convolution_backward(torch.float32, [False, True, False])[1].to(weight.dtype)
        return to_x, to_weight, None, None


def use_fp32_weight_gradients(trunk: nn.Module) -> None:
    """Let every depthwise convolution of `trunk` compute its weight gradient in float32; its output is unchanged."""
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and module.bias is None:
            # timm's Conv2dSame pads as TensorFlow does
            same_padding = type(module).__name__ == "Conv2dSame"
            module.forward = _forward_of(module, same_padding)  # type: ignore[assignment]


def _forward_of(module: nn.Conv2d, same_padding: bool) -> Callable[[Tensor], Tensor]:
    def forward(x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        if same_padding:
            x = pad_same(x, list(module.kernel_size), list(module.stride), list(module.dilation))
        padding = (0, 0) if same_padding else module.padding
        if not (torch.is_grad_enabled() and module.weight.requires_grad):
            return F.conv2d(x, module.weight.to(x.dtype), None, module.stride, padding, groups=module.groups)
        return _DepthwiseConv.apply(x, module.weight, module.stride, padding)

    return forward
