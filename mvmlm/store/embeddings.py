"""Cached embeddings of stored exams: float32 vectors, one per breast and one for the exam, by weights and files."""

from __future__ import annotations

import array
import math
from collections.abc import Mapping, Sequence

from ..exam import Laterality
from .database import StoreFile


class Embeddings:
    """The embeddings of a store. A side of None is the exam."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, exam: int, weights: str, source: str, vectors: Mapping[Laterality | None, Sequence[float]]) -> None:
        """Store an exam's vectors, in place of older ones of these weights.

        weights: checksum of the weights. source: checksum of weights, preprocessing and files together, so that other
        pixels are other vectors. Raises ValueError for a value that is not finite.
        """
        with self._file.transaction() as conn:
            conn.execute(
                "DELETE FROM embeddings WHERE (exam, weights) = (?, ?) AND source <> ?", [exam, weights, source]
            )
            for side, vector in vectors.items():
                data = array.array("f", vector)
                if not all(map(math.isfinite, data)):
                    raise ValueError(f"exam {exam}: its embedding holds a value that is not finite")
                conn.execute(
                    "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?, ?, ?)",
                    [exam, source, side.value if side else "", data.tobytes(), weights],
                )

    def current(self, sources: Mapping[int, str]) -> dict[int, dict[Laterality | None, array.array]]:
        """Return the vectors of each exam of `sources` that were stored for exactly its source checksum."""
        found: dict[int, dict[Laterality | None, array.array]] = {}
        for row in self._file.all("SELECT exam, source, side, vector FROM embeddings"):
            if sources.get(row["exam"]) == row["source"]:
                side = Laterality(row["side"]) if row["side"] else None
                found.setdefault(row["exam"], {})[side] = array.array("f", row["vector"])
        return found

    def vectors(self, weights: str, side: Laterality | None) -> tuple[list[int], bytes]:
        """Return the exams encoded with these weights, in order, and their float32 vectors one after the other."""
        query = "SELECT exam, vector FROM embeddings WHERE weights = ? AND side = ? ORDER BY exam"
        rows = self._file.all(query, [weights, side.value if side else ""])
        return [row["exam"] for row in rows], b"".join(row["vector"] for row in rows)

    def version(self, weights: str) -> tuple[int, int]:
        """Return two numbers that change whenever these weights' vectors do."""
        query = "SELECT count(*), coalesce(max(rowid), 0) FROM embeddings WHERE weights = ?"
        count, newest = self._file.all(query, [weights])[0]
        return count, newest
