"""The data sets by name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from .case import Case, DatasetError, SkippedRow

#: name on the command line -> module of this package with `read(root) -> Iterator[Case | SkippedRow]`, and where its
#: tables may lack something with `lacking(root) -> Iterator[str]`
ADAPTERS = {
    "vindr": "vindr",
    "rsna": "rsna",
    "cbis": "cbis",
    "embed": "embed",
    "cmmd": "cmmd",
    "inbreast": "inbreast",
    "csaw-cc": "csaw_cc",
    "mammosightr": "mammosightr",
    "rsna-640": "rsna_640",
    "cdd-cesm": "cdd_cesm",
    "cbis-mass-800": "cbis_mass_800",
    "table": "table",
}


def read_dataset(name: str, root: Path) -> Iterator[Case | SkippedRow]:
    """Yield the cases of a data set in the folder `root`; rows without an exam or a patient are skipped.

    Raises DatasetError.
    """
    if name not in ADAPTERS:
        raise DatasetError(f"data set {name!r}: expected one of {', '.join(ADAPTERS)}")
    for case in import_module(f".{ADAPTERS[name]}", __package__).read(Path(root)):
        unnamed = isinstance(case, Case) and not (case.exam.strip() and case.patient.strip())
        if isinstance(case, Case) and unnamed:
            yield SkippedRow("", "rows without an exam or a patient may be of several women", case.rows)
        else:
            yield case


def lacking(name: str, root: Path) -> list[str]:
    """Return a sentence for each column or file that a data set lacks and may lack, and what is not read without it."""
    find = getattr(import_module(f".{ADAPTERS[name]}", __package__), "lacking", None)
    return list(find(Path(root))) if find else []
