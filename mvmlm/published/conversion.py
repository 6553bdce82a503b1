"""Checkpoints of other groups -> one safetensors file that this program loads."""

from __future__ import annotations

import hashlib
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from ..messages import read_text
from ..temporary import short_lived_folder
from .checkpoint_file import Checkpoint, CheckpointError, open_checkpoint
from .families import FAMILIES
from .family import Family
from .record import write_converted

LARGEST_UNPACKED, MAX_ZIP_RATIO = 8 << 30, 150  # bytes of the checkpoints in a zip file; weights hardly pack
LONGEST_NAME = 100  # letters of a name in it that are kept, the last ones


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
    for number, file in enumerate(map(Path, files)):
        inside = _unpacked(file, folder / str(number)) if file.is_file() and zipfile.is_zipfile(file) else []
        opened += map(open_checkpoint, inside or [file])
    return opened


def _unpacked(file: Path, folder: Path) -> list[Path]:
    """The checkpoints of a zip file, unpacked to the new folder; none where it is a checkpoint itself."""
    paths = []
    try:
        with zipfile.ZipFile(file) as archive:
            for number, member in enumerate(_checkpoints_inside(file.name, archive.infolist())):
                paths.append(folder / str(number) / Path(member.filename).name[-LONGEST_NAME:])
                paths[-1].parent.mkdir(parents=True)
                with archive.open(member) as source, open(paths[-1], "wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, NotImplementedError):
        text = f"{file.name}: a damaged zip, or one with a password. Get it again, or unpack it and give what it holds."
        raise CheckpointError(text) from None
    return paths


def _checkpoints_inside(name: str, members: Sequence[zipfile.ZipInfo]) -> list[zipfile.ZipInfo]:
    """The checkpoints among the members of a zip file; none where it is a checkpoint itself."""
    if any(member.filename.endswith("/data.pkl") for member in members):
        return []
    inside = [member for member in members if member.filename.endswith((".p", ".pt", ".pth", ".tar", ".safetensors"))]
    if sum(member.file_size for member in inside) > LARGEST_UNPACKED:
        raise CheckpointError(f"{name}: unpacks to more than {LARGEST_UNPACKED >> 30} GB. Unpack it yourself.")
    if any(member.file_size > max(MAX_ZIP_RATIO * member.compress_size, 1 << 20) for member in inside):
        raise CheckpointError(f"{name}: packed more than {MAX_ZIP_RATIO} times, as no checkpoint is. Get it again.")
    return [member for member in inside if "calibrator" not in member.filename.lower()]


def _digest(file: Path) -> str:
    """The SHA-256 of a file, in hex. Raises FileNotFoundError."""
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
