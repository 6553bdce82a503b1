"""Checkpoints of other groups -> one safetensors file that this program loads."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path

from ..messages import read_text
from ..temporary import short_lived_folder
from .checkpoint_file import Checkpoint, CheckpointError, open_checkpoint
from .families import FAMILIES
from .family import Family
from .record import write_converted

LARGEST_MEMBER = 4 << 30  # bytes of a checkpoint in a zip file


def family_named(name: str) -> Family:
    """Return a family by its name. Raises ValueError for a name that is not known."""
    if name not in FAMILIES:
        raise ValueError(f"{name}: no such family of models. Choose one of {', '.join(FAMILIES)}.")
    return FAMILIES[name]


def convert(family: str, files: Sequence[Path], out: Path, tokenizer: Path | None = None) -> None:
    """Write the converted file of a model.

    family: its name. files: the authors' checkpoints, or a zip file that holds them. out: a .safetensors file.
    tokenizer: vocab.txt or tokenizer.json of its text tower; None leaves the text tower out. Raises CheckpointError for
    a layout that is not known, with the list, FileNotFoundError, and OSError where it cannot be written.
    """
    chosen = family_named(family)
    vocabulary = read_text(tokenizer) if tokenizer else ""
    digests = tuple(_digest(Path(file)) for file in files)
    with short_lived_folder("checkpoints") as folder:  # of what is unpacked
        converted = chosen.convert(_opened(files, folder), vocabulary)
    write_converted(out, chosen.name, converted.sizes, converted.tensors, digests, converted.vocabulary)


def _opened(files: Sequence[Path], folder: Path) -> list[Checkpoint]:
    """The checkpoints of files, and those inside a zip file that is none itself, which are unpacked to `folder`."""
    opened: list[Checkpoint] = []
    for file in map(Path, files):
        members = _checkpoints_inside(file) if file.is_file() and zipfile.is_zipfile(file) else []
        if not members:
            opened.append(open_checkpoint(file))
            continue
        with zipfile.ZipFile(file) as archive:
            for number, member in enumerate(members):
                inside = folder / f"{number}-{Path(member.filename).name}"
                with archive.open(member) as source, open(inside, "wb") as target:
                    while block := source.read(1 << 20):
                        target.write(block)
                opened.append(open_checkpoint(inside))
    return opened


def _checkpoints_inside(file: Path) -> list[zipfile.ZipInfo]:
    """The checkpoints that a zip file holds; none where it is a checkpoint itself."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if any(member.filename.endswith("/data.pkl") for member in members):
        return []
    inside = [member for member in members if member.filename.endswith((".p", ".pt", ".pth", ".tar", ".safetensors"))]
    if any(member.file_size > LARGEST_MEMBER for member in inside):
        raise CheckpointError(f"{file.name}: holds a file of more than {LARGEST_MEMBER >> 30} GB.")
    return [member for member in inside if "calibrator" not in member.filename.lower()]


def _digest(file: Path) -> str:
    """The SHA-256 of a file, in hex. Raises FileNotFoundError."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
