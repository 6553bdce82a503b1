"""Whether anything of a data set can be used, and the sentence for a reader where nothing can."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ..imaging.files import NoExam


class NoUsableExam(NoExam):
    """No exam of a data set can be used; the text says why and what to do."""


@dataclass
class Usable:
    """Counts of what can be used. skipped: reasons why rows and exams are left out. first_missing: where the first of
    the missing files is looked for.
    """

    root: Path
    exams: int = 0
    usable: int = 0
    files: int = 0
    missing: int = 0
    first_missing: Path | None = None
    skipped: Counter[str] = field(default_factory=Counter)

    def add_missing(self, places: list[Path]) -> None:
        """Count files that are not there, by the places where they are looked for."""
        self.missing += len(places)
        if self.first_missing is None and places:
            self.first_missing = places[0]

    def check(self) -> None:
        """Raise NoUsableExam where no exam can be used."""
        if self.usable:
            return
        if not self.exams:
            why = "".join(f" {number:,} × {reason}." for reason, number in self.skipped.most_common(1))
            raise NoUsableExam(f"No exam usable: the tables name no exam with a picture.{why}")
        if self.first_missing is None:
            raise NoUsableExam(f"No exam usable: none of {self.exams:,} can be read, for the reasons above.")
        where = self.first_missing.relative_to(self.root)
        raise NoUsableExam(
            f"No exam usable: {self.missing:,} of {self.files:,} files are missing; the first is looked for at "
            f"{self.first_missing}; give the folder that holds {where.parts[0]}."
        )
