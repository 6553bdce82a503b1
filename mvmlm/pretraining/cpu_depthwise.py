"""Depthwise convolutions that train quickly on a CPU in bf16: their weights' gradient is taken in float32.

oneDNN takes several times as long for it in bf16, which was most of a training step; the rest of the step stays in bf16.
`scripts/benchmark.py` prints what it brings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import pad_same
from torch import Tensor, nn


class _Depthwise(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, stride, padding) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight.to(x.dtype), None, stride, padding, groups=len(weight))

    @staticmethod
    def backward(ctx, gradient: Tensor):
        x, weight = ctx.saved_tensors

        def pulled(dtype, wanted):
            given = gradient.to(dtype), x.to(dtype), weight.to(dtype), None, ctx.stride, ctx.padding
            return torch.ops.aten.convolution_backward(*given, [1, 1], False, [0, 0], len(weight), wanted)

        to_x = pulled(x.dtype, [True, False, False])[0] if ctx.needs_input_grad[0] else None
        return to_x, pulled(torch.float32, [False, True, False])[1].to(weight.dtype), None, None


def use_fp32_weight_gradients(trunk: nn.Module) -> None:
    """Every depthwise convolution of `trunk` trains this way from now on; what it computes stays the same."""
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1 and module.bias is None:
            module.forward = _forward_of(module, same=type(module).__name__ == "Conv2dSame")


def _forward_of(module: nn.Conv2d, same: bool):
    def forward(x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        if same:
            x = pad_same(x, module.kernel_size, module.stride, module.dilation)
        padding = (0, 0) if same else module.padding
        if not (torch.is_grad_enabled() and module.weight.requires_grad):
            return F.conv2d(x, module.weight.to(x.dtype), None, module.stride, padding, groups=module.groups)
        return _Depthwise.apply(x, module.weight, module.stride, padding)

    return forward
