"""The GPU that ZeroGPU lends to a Hugging Face Space for some seconds: image trunks run on it, all else on the CPU.

Untested: nothing here was run on ZeroGPU. Tests use a stand-in of the package `spaces`, on a CPU.
Source: the package `spaces` 0.51, whose decorated functions run in a forked process that has the GPU.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import gradio as gr

if TYPE_CHECKING:
    from torch import Tensor, nn

    from mvmlm.inference.model_predictor import ModelPredictor

LONGEST_SECONDS = 30  # of a loan, the start of the process that has the GPU included
_LOG = logging.getLogger(__name__)


def is_lent(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether this is a Space on ZeroGPU. There torch names a GPU also where none can be used."""
    return environment.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def model_device(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return the device on which models are loaded; None for the one that they choose."""
    return "cpu" if is_lent(environment) else None


class LentGpu:
    """Runs the image trunks of a predictor on a GPU that is borrowed for each pass. Made before torch is imported."""

    def __init__(self, device: str = "cuda"):
        spaces = import_module("spaces")  # a package of requirements-zerogpu.txt alone
        self._device = device
        self._trunks: dict[str, nn.Module] = {}
        self._run: Callable[[str, Tensor], Any] = spaces.GPU(duration=LONGEST_SECONDS)(self._run_on_gpu)
        import_module("spaces.zero").startup()  # else done by Gradio's own `launch`

    def serve(self, predictor: ModelPredictor) -> ModelPredictor:
        """Let the trunks of a predictor run on a borrowed GPU from now on, and return the predictor."""
        for name, (trunk, _) in predictor.model.trunks().items():
            self._trunks[name] = trunk
            predictor.model.run_by(name, partial(self._features, name))
        return predictor

    def _features(self, name: str, images: Tensor) -> Any:
        """What a trunk gives for images; on the CPU where no GPU is lent, as when a visitor's share is used up."""
        import torch

        try:
            return self._run(name, images)
        except gr.Error as error:
            _LOG.warning("No GPU was lent (%s), so the CPU reads the exam.", type(error).__name__)
            return self._trunks[name](images.contiguous(memory_format=torch.channels_last))

    def _run_on_gpu(self, name: str, images: Tensor) -> Any:
        """What a trunk gives for images, in the process that has the GPU. Tensors on a GPU cannot leave it."""
        import torch

        from mvmlm.inference.precision import single_precision

        device = torch.device(self._device)
        with torch.inference_mode(), single_precision(device):
            found = self._trunks[name].to(device)(images.to(device, memory_format=torch.channels_last))
        return found.cpu() if isinstance(found, torch.Tensor) else tuple(each.cpu() for each in found)
