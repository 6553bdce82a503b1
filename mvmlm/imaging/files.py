"""Files, folders, zips and DICOMDIRs -> every picture in them, grouped by exam, before anything is decoded."""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..exam import Laterality, Projection, SetAside, ViewName
from . import view_identification as naming
from .decoder import Decoder, Unreadable

MAX_FILES = 2000
MAX_UNPACKED_BYTES = 4 << 30
MAX_ZIP_RATIO = 150  # an exam of black, uncompressed pictures packs to about 1:100
# what zipfile raises on files of others: RuntimeError for a password, NotImplementedError for an unknown packing, the rest for damage
DAMAGED_ZIP = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, NotImplementedError, ValueError
)  # fmt: skip
SKIPPED_NAMES = (
    "thumbs.db",
    "desktop.ini",
    ".ds_store",
    "dicomdir",
    "readme",
    "readme.txt",
    "license",
    "license.txt",
    "readme.md",
)


class NoExam(ValueError):
    """Nothing in the input can be shown; `set_aside` says why for each file."""

    def __init__(self, message: str, set_aside: tuple[SetAside, ...] = ()):
        super().__init__(message)
        self.set_aside = set_aside


@dataclass(frozen=True)
class FoundFile:
    """A file that holds a picture: the name shown to the reader, where it lies, and its header."""

    name: str
    path: Path
    header: Mapping


@dataclass(frozen=True)
class ExamGroup:
    """The files of one exam: one patient ID and study, or one folder of pictures."""

    key: tuple[str, str]
    title: str
    date: str
    files: tuple[FoundFile, ...]


@dataclass(frozen=True)
class Listing:
    """What lies in the input, before any picture is decoded."""

    groups: tuple[ExamGroup, ...]
    set_aside: tuple[SetAside, ...]

    @property
    def joinable(self) -> bool:
        """Whether all files together would make one exam: every one a different standard view, and at most four."""
        names = [_view_name(file) for group in self.groups for file in group.files]
        whole = all(name and name.laterality and name.projection in (Projection.CC, Projection.MLO) for name in names)
        return len(self.groups) > 1 and whole and len(set(names)) == len(names)


def list_files(paths: Iterable[str | os.PathLike], unpack_into: Path, decoder: Decoder) -> Listing:
    """Every picture among `paths`, grouped by exam. Zips are unpacked into `unpack_into`, within limits."""
    set_aside: list[SetAside] = []
    entries: list[tuple[str, Path]] = []
    paths = [Path(path) for path in paths]
    for number, path in enumerate(paths):
        if path.is_dir():
            entries += _folder_entries(path)
        elif not path.is_file():
            set_aside.append(SetAside(path.name, "no such file; check the path"))
        elif zipfile.is_zipfile(path):
            entries += _unzip(path, unpack_into / f"zip{number}", set_aside)
        elif path.name.lower() == "dicomdir" and len(paths) == 1:  # beside other files those are what it names
            entries += _directory_entries(path, decoder, set_aside)
        else:
            entries.append((path.name, path))
    skip = SKIPPED_NAMES if len(entries) > 1 else ()
    entries = [entry for entry in entries if PurePosixPath(entry[0]).name.lower() not in skip]
    if len(entries) > MAX_FILES:
        raise NoExam(f"{len(entries):,} files; at most {MAX_FILES:,} are taken at once. Choose one exam's folder.")
    headers = decoder.headers(path for _, path in entries)
    files = []
    for (name, path), header in zip(entries, headers, strict=True):
        if isinstance(header, Unreadable):
            set_aside.append(SetAside(name, str(header)))
        elif header["kind"] != "dicomdir":
            files.append(FoundFile(name, path, header))
    return Listing(_groups(files), tuple(set_aside))


def _folder_entries(folder: Path) -> list[tuple[str, Path]]:
    found = []
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and not path.name.startswith("."):
            found.append((path.relative_to(folder).as_posix(), path))
        if len(found) > MAX_FILES:
            break
    return found


def _directory_entries(dicomdir: Path, decoder: Decoder, set_aside: list[SetAside]) -> list[tuple[str, Path]]:
    """The files that a DICOMDIR names, and none outside its folder."""
    header = decoder.headers([dicomdir])[0]
    if isinstance(header, Unreadable) or header["kind"] != "dicomdir":
        reason = str(header) if isinstance(header, Unreadable) else "not a DICOMDIR"
        set_aside.append(SetAside(dicomdir.name, reason))
        return []
    root, found = dicomdir.parent.resolve(), []
    for parts in header["files"]:
        path = root.joinpath(*parts).resolve()
        name = "/".join(parts)
        if not path.is_relative_to(root):
            set_aside.append(SetAside(name, "points outside the folder of its DICOMDIR"))
        elif path.is_file():
            found.append((name, path))
        else:
            set_aside.append(
                SetAside(name, "named by the DICOMDIR but not there; give the whole folder or a zip of it")
            )
    return found


def _unzip(path: Path, into: Path, set_aside: list[SetAside]) -> list[tuple[str, Path]]:
    """Unpacks what is safe. Names are used only as labels: each member gets a path of our own."""
    into.mkdir(parents=True)
    found, unpacked = [], 0
    try:
        archive = zipfile.ZipFile(path)
    except DAMAGED_ZIP:
        set_aside.append(SetAside(path.name, "a damaged zip; make it again"))
        return []
    with archive:
        members = [member for member in archive.infolist() if not member.is_dir()]
        if len(members) > MAX_FILES:
            set_aside.append(SetAside(path.name, f"{len(members):,} files in one zip; at most {MAX_FILES:,} are taken"))
            return []
        for number, member in enumerate(members):
            reason = _refused(member)
            if not reason and unpacked + member.file_size > MAX_UNPACKED_BYTES:
                reason = f"the zip unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB, the limit"
            if not reason:
                target = into / f"{number:05d}"
                try:
                    with archive.open(member) as source, open(target, "wb") as copy:
                        size = _copy_at_most(source, copy, member.file_size)
                    unpacked += size
                    found.append((member.filename, target))
                    continue
                except DAMAGED_ZIP:
                    target.unlink(missing_ok=True)
                    reason = "damaged inside the zip; make the zip again"
            set_aside.append(SetAside(member.filename, reason))
    return found


def _refused(member: zipfile.ZipInfo) -> str | None:
    pure = PurePosixPath(member.filename.replace("\\", "/"))
    if member.flag_bits & 1:
        return "encrypted; unpack it with its password first"
    if pure.is_absolute() or ".." in pure.parts or ":" in pure.parts[0]:
        return "its name points outside the zip"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, not a file"
    if member.file_size > 1 << 20 and member.file_size > MAX_ZIP_RATIO * max(member.compress_size, 1):
        return f"packed more than {MAX_ZIP_RATIO} times: not a picture"
    return None


def _copy_at_most(source, target, limit: int) -> int:
    copied = 0
    while block := source.read(1 << 20):
        copied += len(block)
        if copied > limit:
            raise ValueError("larger than its zip says")
        target.write(block)
    return copied


def _groups(files: list[FoundFile]) -> tuple[ExamGroup, ...]:
    grouped: dict[tuple[str, str], list[FoundFile]] = {}
    for file in files:
        header = file.header
        if header["kind"] == "picture":
            key = ("pictures", str(PurePosixPath(file.name).parent))
        else:
            key = (header.get("patient_id") or "", header.get("study_uid") or "")
        grouped.setdefault(key, []).append(file)
    groups = []
    for key, members in grouped.items():
        date = max((member.header.get("study_date") or "" for member in members), default="")
        if key[0] == "pictures":
            title = "pictures" if key[1] == "." else f"pictures in {key[1]}"
        else:
            title = f"patient {key[0] or 'without ID'}" + (f", study of {shown_date(date)}" if date else "")
        groups.append(ExamGroup(key, title, date, tuple(members)))
    return tuple(groups)


def shown_date(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:8]}" if len(date) == 8 and date.isdigit() else date


def _view_name(file: FoundFile) -> ViewName | None:
    side, seen = naming.laterality(file.header, file.name), naming.projection(file.header, file.name)
    return ViewName(Laterality(side.value), Projection(seen.value)) if side and seen else None
