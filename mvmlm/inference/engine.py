"""Engines that run the image trunks of a network faster than torch on a CPU: OpenVINO, where it is installed.

In float32 its features equal torch's to about 2e-5. In bfloat16 it is faster again, and features differ by some
per cent; so that is used only where somebody asks for it, and each answer says so.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..model.exam_network import ExamNetwork
from .precision import BFLOAT16

if TYPE_CHECKING:
    from .model_predictor import ModelPredictor

TORCH, OPENVINO, OPENVINO_BF16 = "torch", "openvino", "openvino-bf16"
ENGINES = (TORCH, OPENVINO, OPENVINO_BF16)
TRUNK_VERSION = 1  # of stored trunks; raised where a network is corrected while its weights stay the same
INSTALL = "OpenVINO is not installed: pip install openvino, or choose the engine torch."


def is_installed() -> bool:
    """Return whether OpenVINO can be used."""
    return importlib.util.find_spec("openvino") is not None


def use_engine(predictor: ModelPredictor, engine: str, folder: Path | None = None) -> ModelPredictor:
    """Let a predictor's network run its trunks by an engine from now on, and return the predictor.

    engine: of ENGINES. folder: where compiled trunks are stored for the next start; None for nowhere. Raises ValueError
    for an engine that is not known, not installed, or on a GPU.
    """
    if engine not in ENGINES:
        raise ValueError(f"{engine}: no such engine. Choose one of {', '.join(ENGINES)}.")
    if engine == TORCH:
        return predictor
    if not is_installed():
        raise ValueError(INSTALL)
    if predictor.device.type != "cpu":
        raise ValueError(f"The engine {engine} is for a CPU, and this model runs on {predictor.device}. Choose torch.")
    bf16, error = engine == OPENVINO_BF16, 0.0
    for name, (trunk, size) in predictor.model.trunks().items():
        stored = _stored_trunk(folder, f"{predictor.weights[:16]}-{name}-{size[0]}x{size[1]}") if folder else None
        run = compiled_trunk(trunk, size, bf16, stored)
        error = max(error, _relative_error(trunk, run, size)) if bf16 else error
        predictor.model.run_by(name, run)
    if bf16:
        predictor.precision, predictor.precision_error = BFLOAT16, error
    predictor.engine = engine
    return predictor


def compiled_trunk(trunk: nn.Module, size: tuple[int, int], bf16: bool, stored: Path | None) -> Callable[[Tensor], Any]:
    """Return a function that runs a trunk on images (n, 1, rows, columns) by OpenVINO.

    size: rows and columns. stored: the file of the converted trunk, read where it is there, else written; None for no
    file.
    """
    # its converter would tell its makers, over the network, that it was used; without this package it tells nobody
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    core = openvino.Core()
    if stored is not None and stored.is_file():
        model = core.read_model(stored)
    else:
        example = torch.zeros(1, 1, *size)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that torch.jit.trace, which it uses, is old
            model = openvino.convert_model(trunk.eval(), example_input=example, input=[(-1, 1, *size)])
        if stored is not None:
            _store(model, stored)
    run = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32"})

    def features(images: Tensor) -> Any:
        found = [torch.from_numpy(value.copy()) for value in run(images.contiguous().numpy()).values()]
        return found[0] if len(found) == 1 else tuple(found)

    return features


def _stored_trunk(folder: Path, name: str) -> Path:
    """Where a converted trunk is stored; those of another version, which compute otherwise, are deleted."""
    stored = folder / f"{name}-v{TRUNK_VERSION}.xml"
    for path in folder.glob(f"{name}*"):
        if path.stem != stored.stem:
            with suppress(OSError):  # another process may use it
                path.unlink()
    return stored


@torch.inference_mode()
def _relative_error(trunk: nn.Module, run: Callable[[Tensor], Any], size: tuple[int, int]) -> float:
    """How far the features of a trunk as `run` gives them lie from torch's in float32, on a picture of soft noise."""
    noise = torch.rand(1, 1, 24, 16, generator=torch.Generator().manual_seed(0))
    picture = functional.interpolate(noise, size, mode="bicubic")
    own, theirs = (
        torch.cat([each.flatten() for each in ((found,) if isinstance(found, Tensor) else found)])
        for found in (run(picture), trunk(picture))
    )
    return float((own - theirs).norm() / theirs.norm())


def _store(model: Any, stored: Path) -> None:
    """Store a converted trunk, both files whole; another process may do the same."""
    import openvino

    stored.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    unfinished = stored.with_name(f"{secrets.token_hex(4)}.xml")
    openvino.save_model(model, unfinished, compress_to_fp16=False)
    os.replace(unfinished.with_suffix(".bin"), stored.with_suffix(".bin"))
    os.replace(unfinished, stored)


def default_engine(network: ExamNetwork, device: torch.device) -> str:
    """Return the engine for a network where nobody chose one: OpenVINO in float32 for large ones on a CPU."""
    return OPENVINO if network.large and device.type == "cpu" and is_installed() else TORCH
