"""Presets (the size of a model) and the record that travels with its weights."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from ..imaging.preprocess import Preprocessing


@dataclass(frozen=True)
class Preset:
    """A model's size, in open_clip's config style; one JSON file each in `presets/`."""

    embed_dim: int
    vision_cfg: dict
    text_cfg: dict
    fusion_cfg: dict

    @classmethod
    def load(cls, name: str) -> Preset:
        """A preset by name, or a JSON file of your own. Raises ValueError."""
        folder = Path(__file__).parent / "presets"
        if name.endswith(".json"):
            return cls(**json.loads(Path(name).read_text()))
        known = sorted(path.stem for path in folder.glob("*.json"))
        if name not in known:
            raise ValueError(f"preset {name!r}: expected one of {', '.join(known)}")
        return cls(**json.loads((folder / f"{name}.json").read_text()))


@dataclass(frozen=True)
class WeightsRecord:
    """What travels with the weights. `training` is free-form: data, seed, command, metrics, prevalence."""

    name: str
    version: str
    preset: Preset
    preprocessing: Preprocessing
    tasks: tuple[str, ...]
    vocabulary: tuple[int | str, ...]  # BPE tokens of the reports, or all WordPieces of a hub model
    training: dict = field(default_factory=dict)
