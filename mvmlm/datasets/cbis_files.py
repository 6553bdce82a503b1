"""Where the pictures of CBIS-DDSM lie: the paths of its tables -> the trees that users have.

The tables name `Mass-Training_P_00001_LEFT_CC/<study UID>/<series UID>/000000.dcm`. Users have that tree, or as the
NBIA Data Retriever writes it: `Mass-Training_P_00001_LEFT_CC/<date>/1.000000-full mammogram images-63992/1-1.dcm`, with
the study's or the series' UID in one of the names or not, and often inside `manifest-.../CBIS-DDSM/`. A JPEG copy has
`jpeg/<series UID>/1-172.jpg`. What is the same in all of them is the folder of the patient and view, or the UID of the
series. The cropped pictures and the masks have folders of their own (`..._LEFT_CC_1`) and are never taken.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from .data_folder import DataFolder, RefusedPath, normal_path, pictures_below

_VIEW_FOLDER = re.compile(r"(?:Calc|Mass)-(?:Training|Test)_P_\d+_(?:LEFT|RIGHT)_(?:CC|MLO)", re.IGNORECASE)
_NO_VIEW = re.compile(r"mask|crop", re.IGNORECASE)
_WHOLE = re.compile(r"full.?mammogram", re.IGNORECASE)
DEEPEST = 4  # levels of folders above those of the views: manifest-1234/CBIS-DDSM/...


class CbisFiles:
    """Finds the whole mammogram that a row names."""

    def __init__(self, root: Path):
        self.root = Path(root)
        self._folder = DataFolder(self.root)

    def path(self, written: str) -> tuple[str, str]:
        """Return the path below the root of the file that a row names, and why it was not found.

        A file that was not found keeps the path of the table; the reason is "" where it is just missing.
        """
        try:
            normal = normal_path(written)
            if self._folder.find(written) is not None:
                return normal, ""
        except RefusedPath:
            return written, ""
        parts = normal.split("/")
        series = parts[-2] if len(parts) > 1 else ""
        found: list[Path] = []
        for name in filter(None, [next(filter(_VIEW_FOLDER.fullmatch, parts), ""), series]):
            found = found or [file for folder in self._folders.get(name.lower(), ()) for file in self._whole(folder)]
        if len(found) > 1:
            found = [file for file in found if series in file.parts] or found
        if len(found) > 1:
            names = " and ".join(file.relative_to(self.root).as_posix() for file in found[:2])
            return written, f"{normal}: {len(found)} files may be this picture ({names}); keep one of them"
        return (found[0].relative_to(self.root).as_posix(), "") if found else (written, "")

    @cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """The folders below the root by their names in small letters, views' folders with nothing inside them."""
        found: dict[str, list[Path]] = {}
        for folder in _folders_below(self.root, DEEPEST):
            found.setdefault(folder.name.lower(), []).append(folder)
        return found

    def _whole(self, folder: Path) -> list[Path]:
        """The pictures in a folder that are no mask and no part; only those called full mammograms where any are."""
        files = [
            file
            for file in pictures_below(folder)
            if not any(_NO_VIEW.search(part) for part in file.relative_to(folder).parts)
        ]
        whole = [file for file in files if any(_WHOLE.search(part) for part in file.relative_to(folder).parts)]
        return whole or files


def _folders_below(root: Path, levels: int) -> Iterator[Path]:
    """The folders below `root`, at most so deep, and none inside the folder of a view."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.is_dir():
            yield Path(entry.path)
            if levels > 1 and not _VIEW_FOLDER.match(entry.name):
                yield from _folders_below(Path(entry.path), levels - 1)


def cbis_tables(root: Path) -> list[Path]:
    """Return the four tables of cases, in the folder itself, or in one folder below it; none where there are none."""
    for places in ([root], sorted(path for path in root.glob("*") if path.is_dir())):
        tables = [table for place in places for table in sorted(place.glob("*_case_description_*_set.csv"))]
        if tables:
            return sorted({table.name: table for table in tables}.values(), key=lambda table: table.name)
    return []
