"""An archive -> the places of its exams: a folder of folders, zips and files, or a table with a row for each path."""

from __future__ import annotations

import csv
import io
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from ..checksum import checksum_of_lines
from ..imaging.decoder import Decoder, Unreadable
from ..imaging.file_signature import is_zip
from ..imaging.files import SKIPPED_NAMES
from ..imaging.grouping import FoundFile, group_files
from ..imaging.own_outputs import CODE, has_name_of_output
from ..messages import plain_line, read_text

COLUMNS = ("exam", "path")  # of a table
LONGEST_PATH = 1000  # letters; no file system takes 5,000
MOST_FILES = 400  # of one place: a folder of more is one of folders, and each of these is a place
LACKING = "paths in the table are not found; what is answered comes from the others. Correct the table."
LINK = "a link, not a file; give the file itself"


class Place(NamedTuple):
    """Where the files of one exam lie, or of several.

    name: in the answers; where several exams are found there, it begins the name of each. paths: files, folders and
    zips. one_exam: the files are those of one exam, as a table says; else each study among them is one.
    """

    name: str
    paths: tuple[Path, ...]
    one_exam: bool = False


class Failure(NamedTuple):
    """Why an exam, or a file that belongs to none, has no answer: one sentence without an ID of a patient."""

    exam: str
    sentence: str


@dataclass(frozen=True)
class Archive:
    """What is to be scored.

    places: by name. failures: files beside the exams that cannot be read. checksum: SHA-256 in hex of the names of all
    files, their sizes and the times when they were changed.
    """

    places: tuple[Place, ...]
    failures: tuple[Failure, ...]
    checksum: str


class _File(NamedTuple):
    """A file below a folder: its path there, and what would differ if it were another one."""

    parts: tuple[str, ...]
    size: int
    changed: int
    link: bool

    @property
    def name(self) -> str:
        return "/".join(self.parts)


def list_archive(path: Path, decoder: Decoder, left_out: Collection[Path] = ()) -> Archive:
    """Return the places of a folder of exams, of one zip of exams, or of a CSV table with the columns exam and path.

    In a folder each sub-folder and each zip is a place; the files beside them are grouped by their headers. Paths of a
    table start from its folder. left_out: absolute paths of files and folders that are no part of the archive. Raises
    FileNotFoundError, and ValueError for a table that cannot be used.
    """
    if path.is_dir():
        return _folder_archive(path, decoder, left_out)
    if not path.is_file():
        raise FileNotFoundError(f"{path.name}: no such folder or table. Check the path.")
    zipped = is_zip(str(path))
    places = [Place(plain_line(path.name), (path,))] if zipped else _told_apart(_table_places(path))
    lines = (line for place in places for each in place.paths for line in (place.name, str(each), *_states(each)))
    return Archive(tuple(places), tuple(_half_there(places)), checksum_of_lines(lines))


def _half_there(places: Iterable[Place]) -> Iterator[Failure]:
    """The exams of which some paths are not there; where none is, opening the exam says so."""
    for place in places:
        there = sum(path.exists() for path in place.paths)
        if 0 < there < len(place.paths):
            yield Failure(place.name, f"{len(place.paths) - there} of its {len(place.paths)} {LACKING}")


def _folder_archive(folder: Path, decoder: Decoder, left_out: Collection[Path]) -> Archive:
    failures: list[Failure] = []
    files = _files_below(folder, left_out, failures)
    folders, loose = _divided(files)
    places = [Place(_name(parts), (folder.joinpath(*parts),)) for parts in folders]
    pictures = []
    for file in loose:
        path = folder.joinpath(*file.parts)
        if file.link:
            failures.append(Failure(plain_line(file.name), LINK))
        elif _is_zip(path):
            places.append(Place(_name(file.parts), (path,)))
        elif path.name.lower() not in SKIPPED_NAMES and not has_name_of_output(file.name):
            pictures.append((file.name, path))
    places += _places_of_files(pictures, decoder, failures)
    return Archive(tuple(sorted(_told_apart(places))), tuple(failures), checksum_of_lines(map(repr, files)))


def _told_apart(places: Sequence[Place]) -> list[Place]:
    """The places, each with a name of its own: names that look alike on a terminal get a checksum of their paths."""
    times = Counter(place.name for place in places)
    return [
        place._replace(name=f"{place.name} ({checksum_of_lines(map(str, place.paths))[:8]})")
        if times[place.name] > 1
        else place
        for place in places
    ]


def _is_zip(path: Path) -> bool:
    """Whether a file is a zip; one that cannot be opened is told of with its header."""
    try:
        return is_zip(str(path))
    except OSError:
        return False


def _name(parts: Sequence[str]) -> str:
    return plain_line("/".join(parts))


def _files_below(folder: Path, left_out: Collection[Path], failures: list[Failure]) -> list[_File]:
    """The files below a folder in the order of their paths, links among them, without hidden ones."""
    found = []

    def refuse(error: OSError) -> None:
        name = Path(error.filename).relative_to(folder).as_posix()
        failures.append(Failure(plain_line(name), f"the folder cannot be opened ({error.strerror})"))

    for parent, folders, names in os.walk(folder, onerror=refuse):
        here = Path(parent)
        links = [name for name in folders if (here / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and (here / name).absolute() not in left_out]
        for name in (*names, *links):
            path = here / name
            if not name.startswith(".") and path.absolute() not in left_out:
                with suppress(FileNotFoundError):  # deleted since it was listed
                    state = path.lstat()
                    link = stat.S_ISLNK(state.st_mode)
                    found.append(_File(path.relative_to(folder).parts, state.st_size, state.st_mtime_ns, link))
    return sorted(found)


def _divided(files: Sequence[_File], depth: int = 0) -> tuple[list[tuple[str, ...]], list[_File]]:
    """The folders that are places, and the files beside them.

    A folder of more than MOST_FILES files is divided again, where it has folders. depth: of the folder that is divided.
    """
    places: list[tuple[str, ...]] = []
    loose: list[_File] = []
    for _, group in groupby(files, key=lambda file: file.parts[depth]):
        members = list(group)
        if len(members[0].parts) == depth + 1:
            loose += members
        elif len(members) <= MOST_FILES:
            places.append(members[0].parts[: depth + 1])
        else:
            inner, beside = _divided(members, depth + 1)
            places += inner
            loose += beside
    return places, loose


def _places_of_files(named: Sequence[tuple[str, Path]], decoder: Decoder, failures: list[Failure]) -> Iterator[Place]:
    """A place for each exam among files that lie beside each other, by their headers; its name is its first file's."""
    found = []
    headers = decoder.headers(path for _, path in named)
    for (name, path), header in zip(named, headers, strict=True):
        if not isinstance(header, Unreadable):
            if header["kind"] != "dicomdir":
                found.append(FoundFile(name, path, header))
        elif header.code != CODE:
            failures.append(Failure(plain_line(name), str(header)))
    for group in group_files(found):
        yield Place(plain_line(group.files[0].name), tuple(file.path for file in group.files))


def _table_places(table: Path) -> list[Place]:
    """The exams of a table, each with all its paths. Raises ValueError."""
    text = read_text(table)
    header = text.partition("\n")[0]
    rows = csv.DictReader(
        io.StringIO(text, newline=""), delimiter=";" if header.count(";") > header.count(",") else ",", strict=True
    )
    if missing := [column for column in COLUMNS if column not in (rows.fieldnames or ())]:
        raise ValueError(
            f"{table.name}: no column {' and '.join(missing)}. Give a folder, a zip, or a CSV table with the columns "
            "exam and path."
        )
    if twice := [column for column in COLUMNS if list(rows.fieldnames or ()).count(column) > 1]:
        raise ValueError(f"{table.name}: the column {twice[0]} occurs twice. Keep one of them.")
    paths: dict[str, list[Path]] = {}
    try:
        for row in rows:
            exam, path = ((row[column] or "").strip() for column in COLUMNS)
            if not exam or not path:
                raise ValueError(f"{table.name}, line {rows.line_num}: exam or path is empty. Fill in both.")
            if None in row:
                text = (
                    f"{table.name}, line {rows.line_num}: more cells than columns; write a path with a comma in quotes."
                )
                raise ValueError(text)
            if "\0" in path or len(path) > LONGEST_PATH:
                raise ValueError(f"{table.name}, line {rows.line_num}: this is no path of a file. Correct it.")
            paths.setdefault(exam, []).append(table.parent / path)
    except csv.Error as error:
        raise ValueError(f"{table.name}, line {rows.line_num}: not a CSV table ({error}).") from None
    return [Place(plain_line(exam), tuple(paths[exam]), one_exam=True) for exam in sorted(paths)]


def _states(path: Path) -> Iterator[str]:
    """What would differ if the files of a path were other ones."""
    if path.is_dir():
        yield from map(repr, _files_below(path, (), []))
    elif path.exists():
        state = path.stat()
        yield f"{state.st_size} {state.st_mtime_ns}"
    else:
        yield "missing"
