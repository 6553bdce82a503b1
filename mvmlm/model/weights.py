"""Weights files: safetensors, with the record (preset, preprocessing, tasks, vocabulary, training) as metadata."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import safe_open
from safetensors.torch import save
from torch import nn

from ..atomic_file import replace_file
from ..imaging.preprocess import Preprocessing
from ..tasks import TASK
from .config import Preset, WeightsRecord
from .network import MVMLM

FORMAT = "mvmlm-2"
SINGLE_PRECISION = (
    "running_mean",
    "running_var",
    "bn",
    "ln_",
    "norm",
)  # parts of the names of tensors that are not halved
SPARE_NUMBERS = 10_000_000  # of a network and in no file, such as masks
MAX_INPUT_PIXELS = 8_000_000  # of one view; the largest published input has 4.4 million
BUNDLED = Path(__file__).parent / "bundled"  # the folder of the weights that come with the package


Words = Annotated[str, Field(max_length=500)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False, hide_input_in_errors=True)


class _Preprocessing(_Part):
    model_config = ConfigDict(extra="forbid")

    rows: Annotated[int, Field(ge=16, le=10_000)] = 384
    columns: Annotated[int, Field(ge=16, le=10_000)] = 240
    low: float = 1.0
    high: float = 99.5
    ceiling: float = 1.3
    mean: float = 0.25
    std: Annotated[float, Field(gt=0)] = 0.30

    @model_validator(mode="after")
    def _fits_memory(self) -> _Preprocessing:
        check_input(self.rows, self.columns)
        return self


class _Training(_Part):
    """What the program reads from the free-form record of the training; other facts may have any form."""

    prevalence: dict[str, Annotated[float, Field(ge=0, le=1)]] | None = None
    at_chance: list[Words] = []
    spacing_mm: list[Annotated[float, Field(gt=0)]] | None = None
    risk_learned_on: Words | None = None
    women_one_breast: bool = False
    not_for_women: Annotated[dict[Words, Words], Field(max_length=100)] | None = None
    calibrated_for_women: Annotated[list[Words], Field(max_length=100)] | None = None
    learned_from: Annotated[dict[Words, Words], Field(max_length=100)] | None = None


class _Record(_Part):
    name: Words
    version: Words
    preset: dict[str, int | dict[str, Any]]
    preprocessing: _Preprocessing
    tasks: Annotated[list[Words], Field(max_length=100)]
    vocabulary: Annotated[list[int | str], Field(max_length=1_000_000)]
    training: _Training = _Training()


class WeightsError(ValueError):
    """A weights file that cannot be used. The message names the file and says why."""


def check_input(rows: int, columns: int) -> None:
    """Raise ValueError for an input that takes too much memory, or none."""
    if not 0 < rows * columns <= MAX_INPUT_PIXELS:
        raise ValueError(f"an input of {columns} x {rows} pixels; at most {MAX_INPUT_PIXELS // 10**6} million are read")


def save_model(model: MVMLM, path: Path, record: WeightsRecord) -> None:
    """Write a model's weights in half precision, those of normalisation layers in single precision, with the record.

    Equal weights and records give equal files, and the file takes its place when it is whole. It holds a SHA-256 of the
    weights. record: may name other data and metrics than `model.record`. Raises WeightsError for values that are not
    finite, or not in half precision.
    """
    state = {}
    for name, value in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        single = any(part in name for part in SINGLE_PRECISION)
        state[name] = value.detach().cpu().contiguous().to(torch.float32 if single else torch.float16)
    damaged = not_finite(state)
    if damaged:
        raise WeightsError(
            f"{Path(path).name}: not written, {damaged} holds values that are not finite or too large for half "
            "precision. Train again with lower learning rates."
        )
    record_text = json.dumps(asdict(record))
    checksum = hashlib.sha256(_values(save(state))).hexdigest()
    content = save(state, metadata={"format": FORMAT, "record": record_text, "sha256": checksum})
    with replace_file(Path(path)) as file:
        file.write(_with_sorted_header(content))


def not_finite(state: Mapping[str, torch.Tensor]) -> str | None:
    """Return the name of the first tensor that holds a value that is infinite or no number."""
    return next((name for name, value in state.items() if not torch.isfinite(value).all()), None)


def _values(content: bytes) -> bytes:
    """The bytes of the tensors of a safetensors file, which follow its header."""
    return content[8 + int.from_bytes(content[:8], "little") :]


def _with_sorted_header(content: bytes) -> bytes:
    """The bytes of a safetensors file with the keys of its header sorted; safetensors writes metadata in any order."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def read_record(path: Path) -> WeightsRecord:
    """Return the record of a weights file.

    Raises WeightsError for a file that is no safetensors file, of another format, or for tasks that are unknown here.
    """
    if not Path(path).is_file():
        raise WeightsError(f"{Path(path).name}: there is no such file. Check the path.")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
    except Exception as error:
        raise WeightsError(
            f"{Path(path).name}: not a safetensors file ({error}). Pickled checkpoints are not loaded; those of a "
            "published model are converted first, see `mvmlm convert`."
        ) from None
    if metadata.get("format") != FORMAT:
        raise WeightsError(
            f"{Path(path).name}: format {metadata.get('format')!r}, expected {FORMAT!r}. The file of a published model "
            "is converted first, see `mvmlm convert`."
        )
    try:
        data = json.loads(metadata["record"], parse_constant=_refuse_constant)
        record = _Record.model_validate(data)
        preset = Preset(**data["preset"])
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{Path(path).name}: its record cannot be used ({_first_line(error)})") from None
    unknown = [name for name in record.tasks if name not in TASK]
    if unknown:
        raise WeightsError(f"{Path(path).name}: made for tasks this program does not know: {', '.join(unknown)[:200]}")
    return WeightsRecord(
        record.name, record.version, preset, Preprocessing(**data["preprocessing"]), tuple(record.tasks),
        tuple(record.vocabulary), data.get("training", {}),
    )  # fmt: skip


def _refuse_constant(name: str) -> None:
    raise ValueError(f"it holds {name}, which is no number")


def _first_line(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, first['loc']))[:100]}: {first['msg']}"
    return f"{type(error).__name__}: {error}"[:200]


def check_size(name: str, sizes: Any, build: Callable[[], nn.Module], shapes: Collection[Sequence[int]]) -> None:
    """Raise WeightsError where a network is larger than its file, before it takes any memory or much time.

    name: of the file. sizes: what the network is built with, as JSON values. shapes: of the tensors in the file.
    """
    if _layers(sizes) > len(shapes):
        raise WeightsError(f"{name}: its record asks for more layers than the file holds. Get the file again.")
    try:
        with torch.device("meta"):  # without values
            network = build()
        numbers = sum(value.numel() for value in (*network.parameters(), *network.buffers()))
    except Exception as error:  # sizes from anybody; torch and timm raise nearly everything on them
        raise WeightsError(f"{name}: no network has its sizes ({_first_line(error)}). Get the file again.") from None
    if numbers > sum(map(math.prod, shapes)) + SPARE_NUMBERS:
        raise WeightsError(f"{name}: its record asks for a larger network than the file holds. Get the file again.")


def _layers(sizes: Any) -> int:
    """The largest number of layers that is named anywhere in sizes."""
    if isinstance(sizes, Mapping):
        own = [value for key, value in sizes.items() if "layers" in key and isinstance(value, int)]
        return max([0, *own, *map(_layers, sizes.values())])
    return max([0, *map(_layers, sizes)]) if isinstance(sizes, list) else 0


def load_weights(path: Path, device: str | torch.device = "cpu") -> MVMLM:
    """Return the model of a weights file, in evaluation mode.

    Raises WeightsError for a file that cannot be read, does not fit its preset, or holds values that are not finite or
    not those that were saved.
    """
    record = read_record(path)
    with safe_open(path, "pt") as file:
        shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    check_size(Path(path).name, asdict(record.preset), lambda: MVMLM(record), shapes)
    model = MVMLM(record)
    with safe_open(path, "pt") as file:
        expected = (file.metadata() or {}).get("sha256")  # weights of 0.4.0 have none
        state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    damaged = not_finite(state)
    if damaged:
        raise WeightsError(f"{Path(path).name}: {damaged} holds values that are not finite. Get the file again.")
    try:
        missing, unexpected = model.load_state_dict(state, strict=False)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise WeightsError(f"{Path(path).name}: does not fit its own preset ({reason})") from None
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    if missing or unexpected:
        raise WeightsError(
            f"{Path(path).name}: does not fit its own preset (missing {missing[:3]}, extra {unexpected[:3]})"
        )
    if expected and hashlib.sha256(_values(Path(path).read_bytes())).hexdigest() != expected:
        raise WeightsError(f"{Path(path).name}: damaged, its values are not those that were saved. Get the file again.")
    return model.eval().to(device).to(memory_format=torch.channels_last)
