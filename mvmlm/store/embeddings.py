"""Cached embeddings of stored exams: float32 vectors, one per breast and one for the exam.

They are found by weights, files and the precision of the computation, so that vectors that differ for another reason
than the pictures are never compared with each other.
"""

from __future__ import annotations

import array
import math
from collections.abc import Iterator, Mapping, Sequence

from ..exam import Laterality
from .database import StoreFile

PRECISION = "float32"  # in which embeddings are computed, on every device
_EXAMS_A_QUERY = 500


class Embeddings:
    """The embeddings of a store. A side of None is the exam."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(
        self,
        exam: int,
        weights: str,
        source: str,
        vectors: Mapping[Laterality | None, Sequence[float]],
        precision: str = PRECISION,
    ) -> None:
        """Store an exam's vectors, in place of older ones of these weights.

        weights: checksum of the weights. source: checksum of weights, precision, preprocessing and files together, so
        that other pixels are other vectors. precision: of the computation. Raises ValueError for a value that is not
        finite.
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
                    "INSERT OR REPLACE INTO embeddings (exam, source, side, vector, weights, precision) "
                    "VALUES (?, ?, ?, ?, ?, ?)",
                    [exam, source, side.value if side else "", data.tobytes(), weights, precision],
                )

    def current(self, sources: Mapping[int, str]) -> dict[int, dict[Laterality | None, array.array]]:
        """Return the vectors of each exam of `sources` that were stored for exactly its source checksum."""
        found: dict[int, dict[Laterality | None, array.array]] = {}
        for numbers in _batches(list(sources)):
            marks = ", ".join("?" * len(numbers))
            query = f"SELECT exam, source, side, vector FROM embeddings WHERE exam IN ({marks})"
            for row in self._file.all(query, numbers):
                if sources[row["exam"]] == row["source"]:
                    side = Laterality(row["side"]) if row["side"] else None
                    found.setdefault(row["exam"], {})[side] = array.array("f", row["vector"])
        return found

    def vectors(
        self, weights: str, side: Laterality | None, width: int, precision: str = PRECISION
    ) -> tuple[list[int], bytes]:
        """Return the exams encoded with these weights in this precision, in order, and their float32 vectors one after
        the other.

        Vectors of another width (stored without the views) or another precision, or of one that is not known (stored by
        0.4.0), are not among them.
        """
        query = (
            "SELECT exam, vector FROM embeddings WHERE weights = ? AND side = ? AND precision = ? "
            "AND length(vector) = ? ORDER BY exam"
        )
        size = width * array.array("f").itemsize
        rows = self._file.all(query, [weights, side.value if side else "", precision, size])
        return [row["exam"] for row in rows], b"".join(row["vector"] for row in rows)

    def version(self, weights: str) -> tuple[int, int]:
        """Return two numbers that change whenever these weights' vectors do: their count, and the count of changes."""
        count = self._file.number("SELECT count(*) FROM embeddings WHERE weights = ?", [weights])
        row = self._file.one("SELECT changes FROM embedding_changes WHERE weights = ?", [weights])
        return count, row["changes"] if row else 0


def _batches(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _EXAMS_A_QUERY):
        yield numbers[start : start + _EXAMS_A_QUERY]
