"""The one precision in which answers and stored embeddings are computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch


@contextmanager
def single_precision(device: torch.device) -> Iterator[None]:
    """Compute in float32 on every device, whatever the caller has set: no autocast, and no TF32 in convolutions.

    In bfloat16 the same exam gets other answers, see docs/method.md; so every answer and every stored embedding is
    computed in one precision.
    """
    cudnn = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
    with torch.autocast(device.type, enabled=False), cudnn:
        yield
