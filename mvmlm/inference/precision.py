"""The precision in which answers and stored embeddings are computed: float32, unless somebody asks for bfloat16."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

FLOAT32, BFLOAT16 = "float32", "bfloat16"


def bf16_note(error: float) -> str:
    """Return what is said of answers that were computed in bfloat16. error: relative, of features on a test picture."""
    return (
        f"Computed in bfloat16: on a test picture, features differ by {100 * error:.2g} % from those in float32, so "
        "answers differ too. Use it to look through many exams, not to compare models."
    )


@contextmanager
def single_precision(device: torch.device) -> Iterator[None]:
    """Compute in float32 on every device, whatever the caller has set: no autocast, and no TF32 in convolutions.

    In bfloat16 the same exam gets other answers, see docs/method.md; so every answer says when it was computed in it.
    """
    cudnn = torch.backends.cudnn.flags(enabled=True, allow_tf32=False) if device.type == "cuda" else nullcontext()
    with torch.autocast(device.type, enabled=False), cudnn:
        yield
