"""Files, folders, zips and DICOMDIRs -> every picture in them, grouped by exam, before anything is decoded."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..exam import Projection, SetAside, ViewName
from . import view_identification
from .decoder import Decoder, Unreadable
from .file_header import MARKS
from .file_signature import is_zip
from .grouping import ExamGroup, FoundFile, group_files
from .limits import MAX_FILES
from .own_outputs import CODE, REASON, has_name_of_output
from .unpacking import UnpackingBudget, unzip

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
    """Nothing in the input can be opened; `set_aside` holds the reason for each file."""

    def __init__(self, message: str, set_aside: tuple[SetAside, ...] = ()):
        super().__init__(message)
        self.set_aside = set_aside

    @property
    def reasons(self) -> str:
        """Why the files cannot be opened, without their names."""
        return "; ".join(dict.fromkeys(item.reason for item in self.set_aside)) or "the images cannot be read"


@dataclass(frozen=True)
class Listing:
    """The pictures of the input in groups, and the files that are not used, before any picture is decoded.

    objects: (name, path) of those that are no pictures but may hold marks of other programs.
    """

    groups: tuple[ExamGroup, ...]
    set_aside: tuple[SetAside, ...]
    objects: tuple[tuple[str, Path], ...] = ()

    @property
    def joinable(self) -> bool:
        """Whether all files together can be one exam: each is another of the four standard views."""
        names = [_view_name(file) for group in self.groups for file in group.files]
        whole = all(name and name.projection in (Projection.CC, Projection.MLO) for name in names)
        return len(self.groups) > 1 and whole and len(set(names)) == len(names)


def list_files(paths: Iterable[str | os.PathLike], unpack_into: Path, decoder: Decoder) -> Listing:
    """Return every picture among `paths`, grouped by exam. Zips are unpacked into `unpack_into`, within limits.

    Raises NoExam for more than MAX_FILES files.
    """
    set_aside: list[SetAside] = []
    entries: list[tuple[str, Path]] = []
    given = [Path(path) for path in paths]
    budget = UnpackingBudget(unpack_into)
    for number, path in enumerate(given):
        if path.is_dir():
            entries += _folder_entries(path, set_aside)
        elif not path.is_file():
            set_aside.append(SetAside(path.name, "no such file; check the path"))
        elif is_zip(str(path)):
            entries += unzip(path, unpack_into / f"zip{number}", budget, set_aside)
        elif path.name.lower() == "dicomdir" and len(given) == 1:  # it lists the other files, if there are any
            entries += _directory_entries(path, decoder, set_aside)
        else:
            entries.append((path.name, path))
    skip = SKIPPED_NAMES if len(entries) > 1 else ()
    entries = [entry for entry in entries if PurePosixPath(entry[0]).name.lower() not in skip]
    set_aside += [SetAside(name, REASON, CODE) for name, _ in entries if has_name_of_output(name)]
    entries = [entry for entry in entries if not has_name_of_output(entry[0])]
    if len(entries) > MAX_FILES:
        raise NoExam(f"{len(entries):,} files; at most {MAX_FILES:,} are read at once. Choose one exam's folder.")
    entries = _with_own_names(entries)
    headers = decoder.headers(path for _, path in entries)
    files, objects = [], []
    for (name, path), header in zip(entries, headers, strict=True):
        if isinstance(header, Unreadable):
            set_aside.append(SetAside(name, str(header), header.code))
            objects += [(name, path)] if header.code == MARKS else []
        elif header["kind"] != "dicomdir":
            files.append(FoundFile(name, path, header))
    return Listing(group_files(files), tuple(set_aside), tuple(objects))


def _with_own_names(entries: Sequence[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """Number files of the same name in different folders or zips, so that a name means one file."""
    count: Counter[str] = Counter()
    named = []
    for name, path in entries:
        count[name] += 1
        named.append((name if count[name] == 1 else f"{name} ({count[name]})", path))
    return named


def _folder_entries(folder: Path, set_aside: list[SetAside]) -> list[tuple[str, Path]]:
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            set_aside.append(SetAside(name, "a link, not a file; give the file itself", "link"))
        elif path.is_file() and not path.name.startswith("."):
            if has_name_of_output(name):
                set_aside.append(SetAside(name, REASON, CODE))
            else:
                found.append((name, path))
        if len(found) > MAX_FILES:
            break
    return found


def _directory_entries(dicomdir: Path, decoder: Decoder, set_aside: list[SetAside]) -> list[tuple[str, Path]]:
    """The files that a DICOMDIR references, and none outside its folder."""
    header = decoder.headers([dicomdir])[0]
    if isinstance(header, Unreadable) or header["kind"] != "dicomdir":
        reason = str(header) if isinstance(header, Unreadable) else "not a DICOMDIR"
        set_aside.append(SetAside(dicomdir.name, reason))
        return []
    if not header["files"]:
        set_aside.append(SetAside(dicomdir.name, "lists no files; give the folder of the images instead"))
    root, found = dicomdir.parent.resolve(), []
    for parts in header["files"]:
        name = "/".join(parts)
        try:
            path = root.joinpath(*parts).resolve()
            there = path.is_file()
        except (ValueError, OSError):  # a null byte, or longer than the name of any file
            path, there = root, False
        if not path.is_relative_to(root):
            set_aside.append(SetAside(name, "points outside the folder of its DICOMDIR"))
        elif there:
            found.append((name, path))
        else:
            set_aside.append(SetAside(name, "listed in the DICOMDIR but missing; give the whole folder or a zip of it"))
    return found


def _view_name(file: FoundFile) -> ViewName | None:
    return view_identification.view_name(
        view_identification.laterality(file.header, file.name), view_identification.projection(file.header, file.name)
    )
