"""Presets, which give the size of a model, and the record that is stored in a weights file."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from ..imaging.preprocess import Preprocessing
from ..messages import parsed_json

WOMEN, PHANTOMS = "women", "phantoms"  # on whom risk was learned: `training["risk_learned_on"]`
#: the tasks that scripts/train_demo.py calibrates on women; its records name them from now on
CALIBRATED_BY_DEMO_SCRIPT = ("malignancy", "mass", "calcification", "distortion")
PRESETS = Path(__file__).parent / "presets"


class _Config(BaseModel):
    """One object of a preset file. A field's description is what its error message says was expected."""

    model_config = ConfigDict(extra="forbid", strict=True)


def _count(what: str, default: Any = ..., most: int = 16_384) -> Any:
    return Field(default, le=most, description=f"the {what}, a whole number above 0 and at most {most:,}")


class _VisionConfig(_Config):
    timm_model_name: str = Field(description="the name of an EfficientNet of timm, such as tf_efficientnet_b2")
    image_size: list[Annotated[int, Field(ge=1, le=4096)]] = Field(
        min_length=2, max_length=2, description="rows and columns of the input, two whole numbers from 1 to 4,096"
    )
    map_width: PositiveInt = _count("number of channels of the feature map")
    pretrained: str | None = Field(
        None, description="the ImageNet weights to start from, such as tf_efficientnet_b2.ns_jft_in1k of timm"
    )


class _TextConfig(_Config):
    """open_clip's text transformer, trained from random weights; the defaults are open_clip's."""

    context_length: PositiveInt = _count("largest number of tokens")
    width: PositiveInt = _count("width of the text tower", 512)
    heads: PositiveInt = _count("number of attention heads", 8)
    layers: PositiveInt = _count("number of layers", 12, 200)
    mlp_ratio: float = Field(4.0, gt=0, le=64, description="a number above 0 and at most 64")


class _HubTextConfig(_Config):
    """A text encoder of the Hugging Face hub."""

    hub_model: str = Field(description="the name of a text encoder on the Hugging Face hub")
    context_length: PositiveInt = _count("largest number of tokens")
    config: dict[str, Any] = Field(description="the settings of the encoder's BertConfig")


class _FusionConfig(_Config):
    width: PositiveInt = _count("width of the fusion")
    heads: PositiveInt = _count("number of attention heads")
    layers: PositiveInt = _count("number of layers", most=200)


class _PresetFile(_Config):
    embed_dim: PositiveInt = _count("size of the joint space of images and texts")
    vision_cfg: _VisionConfig = Field(description="the image tower, an object")
    text_cfg: _TextConfig = Field(description="the text tower, an object")
    fusion_cfg: _FusionConfig = Field(description="the fusion of the views, an object")


class _HubPresetFile(_PresetFile):
    text_cfg: _HubTextConfig = Field(description="the text tower, an object")  # type: ignore[assignment]


@dataclass(frozen=True)
class Preset:
    """The size of a model, in open_clip's config style; one JSON file each in `presets/`.

    embed_dim: size of the joint space of images and texts. vision_cfg, text_cfg, fusion_cfg: the settings of the image
    tower, the text tower and the fusion.
    """

    embed_dim: int
    vision_cfg: dict[str, Any]
    text_cfg: dict[str, Any]
    fusion_cfg: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Preset:
        """Return a preset by its name, or the one in a .json file.

        Raises ValueError for an unknown name, and for a file with something wrong in it: its message names the file,
        the field, its value and what was expected.
        """
        if name.endswith(".json"):
            return cls._read(Path(name))
        known = sorted(path.stem for path in PRESETS.glob("*.json"))
        if name not in known:
            raise ValueError(f"preset {name!r}: expected one of {', '.join(known)}, or a .json file")
        return cls._read(PRESETS / f"{name}.json")

    @classmethod
    def _read(cls, path: Path) -> Preset:
        try:
            data = parsed_json(path.read_bytes())
        except FileNotFoundError:
            raise ValueError(f"{path.name}: there is no such file") from None
        except ValueError as error:
            raise ValueError(f"{path.name}: {error}") from None
        if not isinstance(data, dict):
            raise ValueError(f"{path.name}: expected an object with {', '.join(_PresetFile.model_fields)}")
        text = data.get("text_cfg")
        schema = _HubPresetFile if isinstance(text, dict) and "hub_model" in text else _PresetFile
        try:
            schema.model_validate(data)
        except ValidationError as error:
            raise ValueError(f"{path.name}: {_sentence(error, schema)}") from None
        for section in ("text_cfg", "fusion_cfg"):
            width, heads = data[section].get("width", 512), data[section].get("heads", 8)
            if width % heads:
                raise ValueError(
                    f"{path.name}: {section}.width={width}: expected a multiple of heads, which is {heads}"
                )
        return cls(**data)


def _sentence(error: ValidationError, schema: type[BaseModel]) -> str:
    """The first thing that is wrong with a preset file: field, value and what was expected."""
    first = error.errors(include_url=False)[0]
    names = [str(name) for name in first["loc"] if isinstance(name, str)]
    fields: Mapping[str, Any] = schema.model_fields
    for name in names[:-1]:
        fields = fields[name].annotation.model_fields
    field = ".".join(names)
    if first["type"] == "extra_forbidden":
        return f"{field}: not known; expected one of {', '.join(fields)}"
    expected = fields[names[-1]].description
    if first["type"] == "missing":
        return f"{field} is missing: expected {expected}"
    return f"{field}={first['input']!r}: expected {expected}"


class ModelRecord:
    """What is recorded of a model: its name, its tasks, and facts of its training that decide what it answers.

    tasks: names of the tasks that its own heads answer. training: free-form facts, such as data, seed, command, metrics
    and prevalence. "risk_learned_on" is WOMEN or PHANTOMS; "learned_from" says for each source what it is, how much of
    it, and its licence. The properties below read further ones. notes: what a reader of every answer must know, a
    sentence each. about: what is published of a model of another group, a line each; none for our own.
    """

    name: str
    version: str
    tasks: tuple[str, ...]
    training: dict[str, Any]
    notes: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    @property
    @abstractmethod
    def input_rows(self) -> int:
        """The height of the pictures that the network is given."""

    @property
    @abstractmethod
    def input_settings(self) -> dict[str, Any]:
        """The settings by which pictures are prepared for the network, as JSON values."""

    @property
    def risk_learned_on(self) -> str | None:
        """On whom the risk of a later cancer was learned: WOMEN, so that it may be told of a woman, or PHANTOMS.

        Records of 0.4.0 have no such entry, but name their data: phantom exams, or CSAW-CC, which is the only public
        data set here with a follow-up. None where it is not known.
        """
        said, data = self.training.get("risk_learned_on"), str(self.training.get("data", ""))
        if said in (WOMEN, PHANTOMS):
            return str(said)
        if said is None and "phantom exams" in data:
            return PHANTOMS
        return WOMEN if said is None and data.endswith(" exams of csaw-cc") else None

    @property
    def calibrated_for_women(self) -> tuple[str, ...]:
        """The tasks whose bundled heads were calibrated on women of whom no training learned.

        Records without such an entry name their command, of which one is known to calibrate: scripts/train_demo.py on
        women.
        """
        said = self.training.get("calibrated_for_women")
        if said is not None:
            return tuple(map(str, said))
        command = str(self.training.get("command", ""))
        return CALIBRATED_BY_DEMO_SCRIPT if "scripts/train_demo.py" in command and "--women" in command else ()

    @property
    def at_chance(self) -> tuple[str, ...]:
        """The tasks at which the bundled heads were no better than chance when the weights were measured."""
        return tuple(map(str, self.training.get("at_chance") or ()))

    @property
    def women_one_breast(self) -> bool:
        """Whether every exam of a woman that the weights learned from held one breast alone.

        Then a woman's breasts must be answered one at a time, see `breast_fusion.fuse_views`.
        """
        return self.training.get("women_one_breast") is True

    @property
    def not_for_women(self) -> Mapping[str, str]:
        """The tasks that the bundled heads and the prompts do not answer for a woman, each with the reason."""
        return dict(self.training.get("not_for_women") or {})


@dataclass(frozen=True)
class WeightsRecord(ModelRecord):
    """The metadata of a weights file of our own network.

    vocabulary: the BPE tokens of the reports, or all WordPieces of a hub model.
    """

    name: str
    version: str
    preset: Preset
    preprocessing: Preprocessing
    tasks: tuple[str, ...]
    vocabulary: tuple[int | str, ...]
    training: dict[str, Any] = field(default_factory=dict)

    @property
    def input_rows(self) -> int:
        """The height of the pictures that the network is given."""
        return self.preprocessing.rows

    @property
    def input_settings(self) -> dict[str, Any]:
        """The settings by which pictures are prepared for the network, as JSON values."""
        return asdict(self.preprocessing)
