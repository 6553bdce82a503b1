"""Zip -> files in a folder, within limits: for one call, for everything unpacked at one time, and for the disk."""

from __future__ import annotations

import errno
import io
import lzma
import shutil
import stat
import threading
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from ..exam import SetAside
from .limits import MAX_FILES

MAX_UNPACKED_BYTES = 4 << 30  # by one call, from all its zips together
MAX_UNPACKED_BYTES_IN_ALL = 12 << 30  # by this process, for all who have something unpacked at one time
MIN_FREE_BYTES = 1 << 30  # stay free on the disk
MAX_ZIP_RATIO = 150  # an exam of black, uncompressed pictures packs to about 1:100
MAX_DIRECTORY_BYTES = 4 << 20  # of a zip's list of its files; 2,000 entries of 200 bytes take a tenth of it
# raised by zipfile: RuntimeError for a password, NotImplementedError for an unknown compression, the rest for damage
DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, NotImplementedError, ValueError
)  # fmt: skip
TOO_MANY = f"at most {MAX_FILES:,} are read. Choose one exam's folder"
DAMAGED_MEMBER = ("damaged-zip", "damaged inside the zip; make the zip again")

_LOCK = threading.Lock()
_BUDGETS: dict[Path, UnpackingBudget] = {}  # of every folder that may still hold unpacked files


class UnpackingBudget:
    """How much one call may still unpack into `folder`. Its bytes count until the folder is deleted."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.granted, self.written = 0, 0  # bytes

    def grant(self, size: int) -> tuple[str, str] | None:
        """Take `size` bytes from the budget. Returns None, or the code and the sentence of the limit it would pass."""
        with _LOCK:
            for folder in [folder for folder in _BUDGETS if not folder.is_dir()]:
                del _BUDGETS[folder]
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [budget for budget in _BUDGETS.values() if budget is not self]
            pending = sum(budget.granted - budget.written for budget in (*others, self))
            if self.granted + size > MAX_UNPACKED_BYTES:
                before = f", and {_gigabytes(self.granted)} are unpacked from the zips before it" * bool(self.granted)
                return "zip-too-large", (
                    f"unpacks to {_gigabytes(size)}{before}; at most {_gigabytes(MAX_UNPACKED_BYTES)} are unpacked "
                    "at once. Give fewer zips, or unpack it yourself and choose one exam's folder"
                )
            if self.granted + size + sum(budget.granted for budget in others) > MAX_UNPACKED_BYTES_IN_ALL:
                return (
                    "zips-in-use",
                    "other exams being opened take all the room for unpacking. Try again in 10 minutes",
                )
            if shutil.disk_usage(self.folder).free - pending - size < MIN_FREE_BYTES:
                return "disk-full", f"unpacks to {_gigabytes(size)}, and the disk has no room for it. Free some space"
            self.granted += size
            _BUDGETS[self.folder] = self
            return None


def _gigabytes(size: int) -> str:
    return f"{size / (1 << 30):.1f} GB" if size % (1 << 30) else f"{size >> 30} GB"


class _TooManyFiles(Exception):
    """The list of the files in a zip is longer than that of any exam."""


class _BoundedReader(io.BufferedReader):
    """A zip file whose list of files is never read into memory when it is too long."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to `size` bytes, or the rest of the file. Raises _TooManyFiles for more than a list may have."""
        wanted = MAX_DIRECTORY_BYTES + 1 if size is None or size < 0 else size
        if wanted > MAX_DIRECTORY_BYTES + 1:
            raise _TooManyFiles
        data = super().read(wanted)
        if len(data) > MAX_DIRECTORY_BYTES:
            raise _TooManyFiles
        return data


def unzip(path: Path, into: Path, budget: UnpackingBudget, set_aside: list[SetAside]) -> list[tuple[str, Path]]:
    """Unpack what is safe into the new folder `into`; return the name in the zip and the path of each file.

    Names are used only as labels: each member is written to a path with a number. A zip that the budget does not hold
    is set aside whole, before anything of it is written.
    """
    try:
        with _BoundedReader(io.FileIO(path)) as file, zipfile.ZipFile(file) as archive:
            if sum(member.compress_size for member in archive.infolist()) > path.stat().st_size:
                raise zipfile.BadZipFile("members that overlap")
            return _unpack(path.name, archive, into, budget, set_aside)
    except _TooManyFiles:
        set_aside.append(SetAside(path.name, f"too many files in one zip; {TOO_MANY}", "too-many-files"))
    except DAMAGED_ZIP:
        set_aside.append(SetAside(path.name, "a damaged zip; make it again", "damaged-zip"))
    return []


def _unpack(
    name: str, archive: zipfile.ZipFile, into: Path, budget: UnpackingBudget, set_aside: list[SetAside]
) -> list[tuple[str, Path]]:
    members = [
        member for member in archive.infolist() if not member.filename.endswith("/")
    ]  # is_dir fails without a name
    if not members:
        set_aside.append(SetAside(name, "a zip without files; make it again", "empty-zip"))
    if len(members) > MAX_FILES:
        set_aside.append(SetAside(name, f"{len(members):,} files in one zip; {TOO_MANY}", "too-many-files"))
        return []
    reasons = [_refused(member) for member in members]
    if limit := budget.grant(sum(m.file_size for m, reason in zip(members, reasons, strict=True) if not reason)):
        set_aside.append(SetAside(name, limit[1], limit[0]))
        return []
    into.mkdir(parents=True)
    found = []
    for number, (member, reason) in enumerate(zip(members, reasons, strict=True)):
        target = into / f"{number:05d}"
        damage = ("not-unpacked", reason) if reason else _extract(archive, member, target, budget)
        if damage:
            set_aside.append(SetAside(member.filename, damage[1], damage[0]))
        else:
            found.append((member.filename, target))
    return found


def _extract(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, budget: UnpackingBudget
) -> tuple[str, str] | None:
    """Write a member to `target`. Returns None, or the code and the sentence of why it could not be unpacked."""
    try:
        with archive.open(member) as source, open(target, "wb") as copy:
            _copy_at_most(source, copy, member.file_size)
    except DAMAGED_ZIP as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return "disk-full", "the disk is full. Free some space, then open the zip again"
        return DAMAGED_MEMBER
    finally:
        budget.written += member.file_size
    return None


def _refused(member: zipfile.ZipInfo) -> str | None:
    """Why a member is not unpacked, if so."""
    pure = PurePosixPath(member.filename.replace("\\", "/"))
    if member.flag_bits & 1:
        return "encrypted; unpack it with its password first"
    if not pure.parts or pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        return "its name points outside the zip"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, not a file"
    if member.file_size > 1 << 20 and member.file_size > MAX_ZIP_RATIO * max(member.compress_size, 1):
        return f"packed more than {MAX_ZIP_RATIO} times: not a picture"
    return None


def _copy_at_most(source: IO[bytes], target: IO[bytes], limit: int) -> None:
    copied = 0
    while block := source.read(1 << 20):
        copied += len(block)
        if copied > limit:
            raise ValueError("larger than the size in the zip's directory")
        target.write(block)
