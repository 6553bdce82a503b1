"""Where the pictures and tables of EMBED lie: the paths of its metadata table -> the tree that a user has.

The published table begins its paths with `/mnt/NAS2/mammo/anon_dicom/` or `./images/`; the bucket has them in
`images/cohort_1/<patient>/<study>/<series>/<file>.dcm`, and its tables in `tables/`. The beginning is taken off, and
the rest is looked for below the root and below `images`; the whole rest counts, never the file's name alone.
"""

from __future__ import annotations

import re
from pathlib import Path

from .data_folder import DataFolder, find_table

_PUBLISHED = re.compile(r"^(?:/?mnt/NAS2/mammo/anon_dicom/|(?:.*/)?images/|(?:.*/)?(?=cohort_\d))")
CLINICAL_TABLE, METADATA_TABLE = "EMBED_OpenData_clinical.csv", "EMBED_OpenData_metadata.csv"


def embed_table(root: Path, name: str) -> Path:
    """Return one of the two tables, in the root or in `tables`, or else the reduced one. Raises DatasetError."""
    return find_table(root, name, name.replace(".csv", "_reduced.csv"))


class EmbedFiles:
    """Finds the picture that a row of the metadata table names."""

    def __init__(self, root: Path):
        self._folder = DataFolder(root)
        cohorts = sorted((*Path(root).glob("images/cohort_*"), *Path(root).glob("cohort_*")))
        self._begins = ["images/", "", *(f"{path.relative_to(root).as_posix()}/" for path in cohorts)]

    def path(self, written: str) -> str:
        """Return a picture's path below the root; for a missing one the place in `images` where it should be."""
        given = written.strip().replace("\\", "/").removeprefix("./")
        rest = _PUBLISHED.sub("", given)
        places = [begin + rest for begin in self._begins]
        if not given.startswith("/"):
            places.append(given)
        for number, place in enumerate(places):
            if self._folder.find(place) is not None:
                if number < len(self._begins):  # looked for there first from now on
                    self._begins.insert(0, self._begins.pop(number))
                return place
        return places[0]
