"""The metadata of a head file and its schema. A head file may come from anybody, so each value in it is checked."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ..store.old_names import with_plain_names

FORMAT = "mvmlm-head-1"
MAX_METADATA_BYTES = 32 * 2**20
MAX_WORDS = 200  # letters of a place in the record that an error names


def _printable(value: object) -> object:
    """Refuse control characters and halves of surrogate pairs, which no database or page can hold."""
    if isinstance(value, str) and any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in value):
        raise ValueError("holds a control character")
    if isinstance(value, str) and any(0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise ValueError("is not valid Unicode")
    return value


Name = Annotated[str, BeforeValidator(_printable), Field(pattern=r"\S", max_length=200)]
Text = Annotated[str, BeforeValidator(_printable), Field(max_length=2_000)]
Count = Annotated[int, Field(ge=0, le=10**9)]
Share = Annotated[float, Field(ge=0, le=1)]
Curve = Annotated[list[float], Field(max_length=10_000)]
Interval = Annotated[list[float | None], Field(min_length=3, max_length=3)]  # value, low, high


class _Part(BaseModel):
    """One JSON object of the metadata."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class HeadTask(_Part):
    """The task that a head answers."""

    name: Name
    title: Text
    level: Literal["breast", "exam"]
    kind: Literal["binary", "multiclass", "survival"]
    classes: Annotated[list[Name], Field(min_length=1, max_length=100)]


class HeadMetadata(_Part):
    """What a head file says of itself. weights: the checksum of the weights that it belongs to."""

    task: HeadTask
    weights: Annotated[str, Field(max_length=64)]
    name: Name
    depth: Literal["linear", "mlp", "stage"]
    record: dict[str, Any]


class _Config(_Part):
    task: Name | None = None
    depth: Name
    reader: Text | None = None
    exam_filter: Annotated[dict[Name, Text | bool | float | None], Field(max_length=50)] = {}
    specificity: Share = 0.9
    seed: Annotated[int, Field(ge=0, le=2**63)]
    name: Text = ""


class _TrainingCurve(_Part):
    penalties: Curve
    scores: Annotated[list[float | None], Field(max_length=10_000)]
    losses: Annotated[list[float], Field(max_length=1_000_000)]


class _RocCurve(_Part):
    x: Curve = []
    y: Curve = []
    low: Curve = []
    high: Curve = []


class _OperatingPoint(_Part):
    threshold: float
    counts: Annotated[dict[Name, Count], Field(max_length=4)]
    sensitivity: Share | None
    specificity: Share | None


class _CalibrationCurve(_Part):
    said: Curve
    found: Curve
    cases: Annotated[list[Count], Field(max_length=10_000)] = []
    error: float


class _Calibration(_Part):
    before: _CalibrationCurve
    after: _CalibrationCurve


class _Group(_Part):
    group: Text
    cases: Count = 0
    new: float | None
    old: float | None = None


class _Comparison(_Part):
    """`evaluation.compare.Comparison`."""

    metric: Name
    cases: Count
    patients: Count
    warnings: Annotated[list[Text], Field(max_length=100)]
    verdict: Text
    new: Interval
    groups: Annotated[list[_Group], Field(max_length=10_000)]
    old: Interval | None = None
    difference: Interval | None = None
    delong_p: float | None = None
    roc: dict[Literal["new", "old"], _RocCurve] = {}
    operating: _OperatingPoint | None = None
    calibration: _Calibration | None = None
    confusion: Annotated[list[Annotated[list[Count], Field(max_length=100)]], Field(max_length=100)] | None = None
    kappa: float | None = None


_Fingerprint = Annotated[list[Text], Field(min_length=3, max_length=3)]
_Fingerprints = Annotated[list[_Fingerprint], Field(max_length=1_000_000)]


class _Snapshot(_Part):
    train: _Fingerprints
    test: _Fingerprints


class HeadRecord(_Part):
    """The record of a head version, as `finetune.finetune_from_store` writes it."""

    config: _Config
    penalty: float
    curve: _TrainingCurve | None = None
    train_cases: Count
    train_patients: Count
    cross_validated: float
    comparison: _Comparison
    prevalence: Share | None = None
    snapshot: _Snapshot | None = None
    compared_with: Text | None = None
    not_used: Annotated[list[Text], Field(max_length=1_000_000)] = []
    imported: bool = False
    learned_on_phantoms: bool = False


def check_record(record: dict) -> None:
    """Raise ValueError, which names the place and says what is wrong, for a record that is not a HeadRecord."""
    try:
        HeadRecord.model_validate(record)
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None


def read_metadata(data: bytes) -> HeadMetadata:
    """Return the metadata of a head file, a file of 0.4.0 with today's names. Raises ValueError with what is wrong."""
    size = int.from_bytes(data[:8], "little")
    if not 0 < size <= min(len(data) - 8, MAX_METADATA_BYTES):
        raise ValueError("it is not a safetensors file, or it is cut off")
    try:
        header = json.loads(data[8 : 8 + size])
        texts = header["__metadata__"] if isinstance(header, dict) else None
        if not isinstance(texts, dict) or texts.get("format") != FORMAT:
            raise ValueError("it is not a head file of this program")
        about = HeadMetadata.model_validate(json.loads(texts["head"], parse_constant=_refuse_constant))
        return about.model_copy(update={"record": with_plain_names(about.record)})
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"its metadata cannot be read ({type(error).__name__})") from None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number")


def _first_problem(error: ValidationError) -> str:
    """The place of the first thing that is wrong, and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place[:MAX_WORDS]}: {first['msg']}" if place else first["msg"]
