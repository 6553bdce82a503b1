"""Whether stored exams are unlike known mammograms, as it was measured when they were encoded."""

from __future__ import annotations

from collections.abc import Mapping

from .database import StoreFile


class Familiarity:
    """What was measured of the exams of a store, for each set of weights with which an exam was read."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, exam: int, weights: str, source: str, unlike: bool) -> None:
        """Store whether an exam is unlike known mammograms, in place of what is known with these weights.

        weights: checksum of the weights. source: checksum of all that it depends on, so that other files are measured
        again.
        """
        with self._file.transaction() as conn:
            conn.execute(
                "INSERT OR REPLACE INTO familiarity (exam, weights, source, unlike) VALUES (?, ?, ?, ?)",
                [exam, weights, source, int(unlike)],
            )

    def current(self, weights: str, sources: Mapping[int, str]) -> dict[int, bool]:
        """Return whether each exam of `sources` is unlike, where that was measured for exactly its source checksum."""
        rows = self._file.all("SELECT exam, source, unlike FROM familiarity WHERE weights = ?", [weights])
        return {row["exam"]: bool(row["unlike"]) for row in rows if sources.get(row["exam"]) == row["source"]}
