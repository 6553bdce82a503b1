"""The folder of a data set: a path as a table writes it -> the file on this machine, by the whole path below the root.

Tables are written on other machines: with backslashes, with "./", with another case of the extension. A path that leads
out of the folder is refused. Links inside the folder may lead anywhere: the user made them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePosixPath

from .case import DatasetError

PICTURE_SUFFIXES = (".dcm", ".dicom", ".png", ".jpg", ".jpeg", ".tif", ".tiff")
LONGEST_NAME = 255  # bytes
_DRIVE = re.compile(r"[A-Za-z]:")


class RefusedPath(DatasetError):
    """A path of a table that names no file below the data set's folder; the text is one sentence with the path."""


def normal_path(text: str) -> str:
    """Return a table's path with "/" between its parts and without "." and "..". An absolute path stays absolute.

    Raises RefusedPath for an empty path, one whose ".." lead out of the folder, and one that no file can have.
    """
    written = text.strip().replace("\\", "/")
    parts: list[str] = []
    for part in written.split("/"):
        if part == "..":
            if not parts:
                raise RefusedPath(f"{text}: leads out of the data set's folder; name files below it")
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    if not parts:
        raise RefusedPath("a row names no file" if not written else f"{text}: names no file")
    if max(len(part.encode("utf-8", "replace")) for part in parts) > LONGEST_NAME:
        raise RefusedPath(f"{text[:60]}…: longer than the name of any file")
    return "/".join(["", *parts] if written.startswith("/") else parts)


class DataFolder:
    """Finds the files that a table names below one folder."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self._names_of = lru_cache(maxsize=64)(_names_of)

    def relative(self, path: str) -> str:
        """Return a table's path as a path below the folder. Raises RefusedPath where it is not below it."""
        normal = normal_path(path)
        if not normal.startswith("/") and not _DRIVE.match(normal):
            return normal
        for root in (self.root.absolute(), self.root.resolve()):
            begin = normal_path(str(root)) + "/"
            if normal.startswith(begin):
                return normal[len(begin) :]
        raise RefusedPath(f"{path}: lies outside the data set's folder; name files by their path below it")

    def place(self, path: str) -> Path:
        """Return where a file is looked for. Raises RefusedPath."""
        return self.root / self.relative(path)

    def find(self, path: str) -> Path | None:
        """Return the file, also where its extension is written in another case; None where it is missing.

        Raises RefusedPath.
        """
        place = self.place(path)
        if place.is_file():
            return place
        same = self._names_of(place.parent).get((place.stem, place.suffix.lower()), ()) if place.suffix else ()
        found = [place.with_name(name) for name in same]
        return found[0] if len(found) == 1 and found[0].is_file() else None


def _names_of(folder: Path) -> dict[tuple[str, str], list[str]]:
    """(stem, extension in small letters) -> the names in a folder."""
    names: dict[tuple[str, str], list[str]] = {}
    try:
        for name in os.listdir(folder):
            path = PurePosixPath(name)
            names.setdefault((path.stem, path.suffix.lower()), []).append(name)
    except OSError:
        return {}
    return names


def pictures_below(folder: Path, suffixes: tuple[str, ...] = PICTURE_SUFFIXES) -> Iterator[Path]:
    """Yield the files below a folder whose extension is one of `suffixes` in any case, in the order of their paths.

    A folder that links lead to again is read once, so that a link to a folder above it ends nowhere.
    """
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in sorted(names):
            if PurePosixPath(name).suffix.lower() in suffixes and not name.startswith("."):
                yield Path(place) / name


def find_table(root: Path, *names: str) -> Path:
    """Return the table of one of these names in a data set's folder, or in a folder of tables inside it.

    Looked for in the folder itself, then in `tables`, `csv`, `metadata`. Raises DatasetError.
    """
    root = Path(root)
    places = [root, *(root / folder for folder in ("tables", "csv", "metadata"))]
    for name in names:
        for place in places:
            if (place / name).is_file():
                return place / name
    wanted = " or ".join(names)
    here = root.name or "the folder"
    raise DatasetError(f"{wanted} is neither in {here} nor in {here}/tables: give the data set's own folder")
