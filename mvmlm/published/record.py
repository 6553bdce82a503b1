"""Converted files of published models: safetensors, with the family, the sizes and the preparation as metadata."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from ..atomic_file import replace_file
from ..model.config import ModelRecord
from ..model.weights import WeightsError, check_input, not_finite

FORMAT = "mvmlm-published-1"


@dataclass(frozen=True)
class PublishedRecord(ModelRecord):
    """The metadata of a converted file.

    family: the name of its family. sizes: what the network is built with, whole numbers or lists of them.
    preparation: the name of the preset by which pictures are prepared. vocabulary: the tokenizer of its text tower as
    text; "" for a model without one, or converted without it. source_sha256: of each file that it was converted from.
    """

    name: str
    version: str
    family: str
    preparation: str
    tasks: tuple[str, ...]
    sizes: Mapping[str, Any]
    vocabulary: str = field(default="", repr=False)
    source_sha256: tuple[str, ...] = ()
    training: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    @property
    def input_rows(self) -> int:
        """The height of the pictures that the network is given."""
        return int(self.sizes["rows"])

    @property
    def input_settings(self) -> dict[str, Any]:
        """The settings by which pictures are prepared for the network, as JSON values."""
        return {"preparation": self.preparation}


class StoredRecord(BaseModel):
    """What is accepted of a converted file's metadata."""

    model_config = ConfigDict(strict=True, extra="forbid", hide_input_in_errors=True)

    family: Annotated[str, Field(max_length=50)]
    sizes: dict[
        Annotated[str, Field(max_length=50)],
        Annotated[int, Field(ge=0, le=1_000_000)] | Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=200)],
    ]
    vocabulary: Annotated[str, Field(max_length=20_000_000)] = ""
    source_sha256: Annotated[list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]], Field(max_length=10)]


def write_converted(
    path: Path,
    family: str,
    sizes: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    source_sha256: tuple[str, ...],
    vocabulary: str = "",
) -> None:
    """Write a converted file, whole or not at all. Raises WeightsError for values that are not finite."""
    damaged = not_finite({name: tensor.float() for name, tensor in tensors.items()})
    if damaged:
        raise WeightsError(f"{Path(path).name}: not written, {damaged} holds values that are not finite. Get it again.")
    values = {name: tensor.contiguous() for name, tensor in sorted(tensors.items())}
    record = {
        "family": family, "sizes": dict(sizes), "vocabulary": vocabulary, "source_sha256": list(source_sha256),
    }  # fmt: skip
    checksum = checksum_of(values)
    content = save(values, metadata={"format": FORMAT, "record": json.dumps(record), "sha256": checksum})
    with replace_file(Path(path)) as file:
        file.write(content)


def checksum_of(tensors: Mapping[str, Tensor]) -> str:
    """Return a SHA-256 of tensors and their names, in hex."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}\n".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()


def is_converted(path: Path) -> bool:
    """Return whether a file is a converted one; False for any other, also one that cannot be read."""
    try:
        with safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except Exception:  # safetensors has several errors; whoever loads the file says what is wrong with it
        return False


def read_converted(path: Path) -> tuple[StoredRecord, dict[str, Tensor]]:
    """Return the metadata and the tensors of a converted file. Raises WeightsError for one that cannot be used."""
    name = Path(path).name
    with safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    try:
        record = StoredRecord.model_validate(json.loads(metadata["record"]))
        rows = record.sizes["rows"]
        columns = record.sizes.get("columns", rows)
        if not isinstance(rows, int) or not isinstance(columns, int):
            raise TypeError(rows, columns)
        check_input(rows, columns)
    except (KeyError, ValueError, TypeError, RecursionError):
        raise WeightsError(f"{name}: its record cannot be used. Convert the model again.") from None
    if checksum_of(tensors) != metadata.get("sha256"):
        raise WeightsError(f"{name}: damaged, its values are not those that were saved. Convert the model again.")
    return record, tensors
