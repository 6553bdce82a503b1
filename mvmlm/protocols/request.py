"""What a visitor of the page Evaluate asks for, as plain data; needs no torch."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..evaluation.cases import CaseLevel
from ..store.errors import StoreError
from ..store.store import Store
from .presets import PROTOCOLS

FOLDER = "evaluations"  # in the data folder; each evaluation has the number of its job
OWN = "app:own"  # the model that the app was started with; no file has such a name
READINGS, PHANTOMS, TABLE = "readings", "phantoms", "table"
MOST_PHANTOMS, MOST_MAPS = 1000, 100
MOST_REPORTS = 200  # that a data folder keeps; each has some MB


@dataclass(frozen=True)
class Request:
    """What a visitor asks for.

    exams: READINGS, PHANTOMS or TABLE. words: which exams of the store, as the worklist searches. phantoms: how many.
    models: names of published models of the data folder or bundled ones, OWN for the app's. level, protocol, maps: as
    in `evaluate.Settings`; the protocol is "" or a name of PROTOCOLS. Raises ValueError for what cannot be done.
    """

    exams: str
    words: str = ""
    phantoms: int = 200
    models: tuple[str, ...] = (OWN,)
    level: str = "breast"
    protocol: str = ""
    maps: int = 0

    def __post_init__(self) -> None:
        if self.exams not in (READINGS, PHANTOMS, TABLE):
            raise ValueError("Choose what is evaluated first.")
        if self.exams != TABLE and not self.models:
            raise ValueError("Choose a model first.")
        if not 1 <= self.phantoms <= MOST_PHANTOMS:
            raise ValueError(f"Type a number of phantom exams from 1 to {MOST_PHANTOMS:,}.")
        if not 0 <= self.maps <= MOST_MAPS:
            raise ValueError(f"Type a number of exams whose maps are measured from 0 to {MOST_MAPS}.")
        if self.protocol and self.protocol not in PROTOCOLS:
            raise ValueError("Choose a protocol of the list.")
        if self.exams == READINGS and self.protocol and PROTOCOLS[self.protocol].probes:
            raise ValueError(
                f"The protocol {self.protocol} fits heads to a train split, which signed readings do not give here. "
                "Choose phantoms, or teach a head on the Fine-tune page and evaluate it."
            )
        level = CaseLevel(self.level)
        if self.exams != TABLE and level is CaseLevel.VIEW:
            raise ValueError("Models are asked about breasts and exams. Choose breast, exam or woman as a case.")
        if self.protocol and level is not PROTOCOLS[self.protocol].level:
            raise ValueError(f"The protocol {self.protocol} counts breasts. Choose breast as a case.")

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"models": list(self.models)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Request:
        """Return what `to_json` made."""
        known = {name: data[name] for name in cls.__dataclass_fields__}
        return cls(**{**known, "models": tuple(known["models"])})

    @property
    def in_words(self) -> str:
        """What was asked for, as a report records it in the place of a command."""
        what = {READINGS: "signed readings", PHANTOMS: f"{self.phantoms:,} phantom exams", TABLE: "a table"}[self.exams]
        words = f" that “{self.words}” finds" if self.words and self.exams == READINGS else ""
        protocol = f", protocol {self.protocol}" if self.protocol else ""
        maps = f", maps of {self.maps} exams" if self.maps else ""
        return f"page Evaluate: {what}{words}{protocol}{maps}"


def delete_unneeded_reports(store: Store) -> None:
    """Delete the folders of evaluations that were stopped or failed, and of those with MOST_REPORTS newer ones."""
    folders = [path for path in (store.folder / FOLDER).glob("*") if path.name.isdecimal()]
    kept = 0
    for path in sorted(folders, key=lambda path: -int(path.name)):
        with suppress(StoreError):  # a folder of no job is not ours
            job = store.jobs.get(int(path.name))
            kept += job.state == "done"
            if job.over and (job.state != "done" or kept > MOST_REPORTS):
                shutil.rmtree(path, ignore_errors=True)


def report_folder(store: Store, number: int) -> Path:
    """Return where the report of an evaluation lies. number: of its job."""
    return store.folder / FOLDER / str(number)
