"""How much a view looks like the mammograms that the measure was made from, by the image tower's first layers.

The stem and the first two stages of the trunk keep their ImageNet weights in every training, so the measure stays valid
for new weights. The mean and the deviation over the breast of each of their channels tell edges, noise, blur and grey
levels; the share of breast in each field of a coarse grid tells its outline. Their distance from real views is a
Mahalanobis distance (Lee et al., "A Simple Unified Framework for Detecting Out-of-Distribution Samples", 2018) with a
covariance of low rank plus a diagonal. `scripts/calibrate_familiarity.py` makes the statistics and says how well they
work. It is a measure of pictures, and says nothing about whether an answer is right.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from safetensors import safe_open
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ..exam import View, ViewName
from ..imaging.preprocess import ModelInput, NoBreast, Preprocessing
from ..model.exam_network import ExamNetwork
from ..model.network import MVMLM
from ..model.weights import BUNDLED, load_weights

STATISTICS = Path(__file__).with_name("familiarity.safetensors")
ROWS, COLUMNS = 384, 240  # of the pictures that are measured, whatever the model's input is
MEAN, STD = 0.25, 0.30  # with which their levels are normalised
GRID = (6, 4)  # fields of the breast's outline

MeasuredInputs = Mapping[ViewName, ModelInput | None]


@dataclass(frozen=True)
class FamiliarityStatistics:
    """The content of the file of statistics.

    mean, scale: (D,) of the features of the views. directions: (D, k), of unit length; variances: (k,) along them, and
    `rest` along all others. threshold: the distance above which a view counts as unfamiliar. layers: the checksum of
    the layers. record: what it was made from, JSON values.
    """

    mean: np.ndarray
    scale: np.ndarray
    directions: np.ndarray
    variances: np.ndarray
    rest: float
    threshold: float
    layers: str
    record: dict[str, Any]

    def distance(self, features: np.ndarray) -> np.ndarray:
        """Return the distance (n,) of views from their features (n, D); about 1 for views like those it is made of."""
        standard = (features - self.mean) / self.scale
        along = standard @ self.directions
        squares = (along**2 / self.variances).sum(1)
        squares += ((standard**2).sum(1) - (along**2).sum(1)).clip(min=0) / self.rest
        return np.sqrt(squares / features.shape[1])


@cache
def load_statistics(path: Path = STATISTICS) -> FamiliarityStatistics:
    """Return the statistics that come with the program."""
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name).astype(np.float64) for name in file.keys()}  # noqa: SIM118
        record = json.loads(file.metadata()["record"])
    return FamiliarityStatistics(
        **arrays, rest=record["rest"], threshold=record["threshold"], layers=record["layers"], record=record
    )


class Familiarity:
    """Measures views with the first layers of a model.

    layers: these layers. known: whether they are those that the statistics were made with.
    """

    def __init__(self, trunk: nn.Module, preprocessing: Preprocessing, own_inputs: bool = False):
        """trunk: of the image tower. preprocessing: the model's, with which its inputs are normalised.

        own_inputs: prepare the views anew, since the model's inputs are prepared in another way.
        """
        self.layers, self._own_inputs = first_layers(trunk), own_inputs
        self._preprocessing = preprocessing
        self.known = bool(self.layers) and checksum(self.layers) == load_statistics().layers

    @classmethod
    def of(cls, network: ExamNetwork) -> Familiarity:
        """Return the measure with a network's first layers; for another group's network with those of ours."""
        if isinstance(network, MVMLM):
            return cls(network.image_tower.trunk, network.record.preprocessing)
        bundled = load_weights(BUNDLED / "demo.safetensors")
        return cls(bundled.image_tower.trunk, bundled.record.preprocessing, own_inputs=True)

    def measured_inputs(self, inputs: Mapping[ViewName, ModelInput], views: Mapping[ViewName, View]) -> MeasuredInputs:
        """Return what is measured of each view that the model reads; None for one without a breast by our preparation.

        inputs: what the model is given of each view that it reads. views: of the exam, with their pixels.
        """
        if not (self.known and self._own_inputs):
            return inputs
        return {name: self._own_input(views[name]) for name in inputs}

    def _own_input(self, view: View) -> ModelInput | None:
        try:
            return self._preprocessing(view)
        except NoBreast:
            return None

    def unfamiliar(self, measured: MeasuredInputs) -> list[ViewName] | None:
        """Return the views that do not look like known mammograms; None where it cannot be measured.

        measured: from `measured_inputs`. A view without a breast is not like known mammograms.
        """
        if not self.known:
            return None
        found = {name: given for name, given in measured.items() if given is not None}
        distances = dict(zip(found, self.distances(list(found.values())), strict=True)) if found else {}
        return [name for name in measured if name not in found or distances[name] > 1]

    def distances(self, inputs: Sequence[ModelInput]) -> np.ndarray:
        """Return the distance (n,) of views over the threshold: above 1 a view is unfamiliar."""
        statistics = load_statistics()
        return statistics.distance(self.features(inputs)) / statistics.threshold

    def features(self, inputs: Sequence[ModelInput]) -> np.ndarray:
        """Return the features (n, D) of views."""
        settings = self._preprocessing
        levels = np.stack([given.tensor * settings.std + settings.mean for given in inputs])
        return early_features(self.layers, *resized(levels, np.stack([given.breast for given in inputs])))


def first_layers(trunk: Any) -> list[nn.Module]:
    """Return the stem and the first two stages of a trunk, in order; none where it is no EfficientNet of timm."""
    if not all(hasattr(trunk, name) for name in ("conv_stem", "bn1", "blocks")):
        return []
    return [nn.Sequential(trunk.conv_stem, trunk.bn1), *trunk.blocks[:2]]


def checksum(layers: Sequence[nn.Module]) -> str:
    """Return a SHA-256 of the layers in half precision, as weights files hold them."""
    digest = hashlib.sha256()
    for layer in layers:
        for name, value in layer.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                digest.update(value.detach().cpu().half().contiguous().numpy().tobytes())
    return digest.hexdigest()


def resized(levels: np.ndarray, breasts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return levels (n, rows, columns) and masks, bool, at the size at which views are measured."""
    if levels.shape[1:] == (ROWS, COLUMNS):
        return levels, breasts
    shares = [
        cv2.resize(breast.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA) for breast in breasts
    ]
    sums = [
        cv2.resize((level * breast).astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
        for level, breast in zip(levels, breasts, strict=True)
    ]
    share = np.stack(shares)
    inside = share > 0.5
    return np.where(inside, np.stack(sums) / np.maximum(share, 0.5), 0), inside


@torch.inference_mode()
def early_features(layers: Sequence[nn.Module], levels: np.ndarray, breasts: np.ndarray) -> np.ndarray:
    """Return the features (n, D) of pictures.

    levels: (n, ROWS, COLUMNS), the grey levels of `Preprocessing`, 0 outside the breast. breasts: the same, bool.
    """
    device = next(layers[0].parameters()).device
    features = torch.from_numpy(((levels - MEAN) / STD).astype(np.float32)).unsqueeze(1).to(device)
    masks = torch.from_numpy(breasts.astype(np.float32)).unsqueeze(1).to(device)
    found = []
    for layer in layers:
        features = layer(features)
        found += _mean_and_deviation(features, masks)
    found.append(adaptive_avg_pool2d(masks, GRID).flatten(1))
    return torch.cat(found, 1).double().cpu().numpy()


def _mean_and_deviation(features: Tensor, masks: Tensor) -> list[Tensor]:
    """The mean and the standard deviation (n, C) of a map's channels over the positions wholly inside the breast."""
    size = (features.shape[-2], features.shape[-1])
    inside = (adaptive_avg_pool2d(masks, size) > 0.999).to(features.dtype)
    area = inside.sum((2, 3)).clamp(min=1)
    mean = (features * inside).sum((2, 3)) / area
    square = ((features - mean[..., None, None]) ** 2 * inside).sum((2, 3)) / area
    return [mean, square.sqrt()]
