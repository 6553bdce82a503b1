"""Readers compared: which answers of two readers count for their agreement, and why others do not."""

from __future__ import annotations

from ..reading.reading import ReadKind
from .database import StoreFile
from .readings import Readings
from .records import Read, independent_reads


class Comparisons:
    """Compares the readings of two readers."""

    def __init__(self, file: StoreFile, readings: Readings):
        self._file, self._readings = file, readings

    def paired_answers(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """Return (field, answer of `a`, answer of `b`) for each question of the same side that both answered.

        Only final reads of the same exam count, made by both before they saw the model's answers; no arbitration.
        """
        rows = self._file.all(
            "WITH counted AS (SELECT id, exam, reader FROM readings r WHERE final IS NOT NULL AND NOT informed "
            "AND kind <> ? AND NOT EXISTS (SELECT 1 FROM readings later WHERE later.amends = r.id "
            "AND later.final IS NOT NULL AND NOT later.informed)) "
            "SELECT x.field, x.value, y.value FROM counted p JOIN counted q ON q.exam = p.exam AND q.reader = ? "
            "JOIN reading_fields x ON x.reading = p.id "
            "JOIN reading_fields y ON y.reading = q.id AND y.side = x.side AND y.field = x.field "
            "WHERE p.reader = ?",
            [ReadKind.ARBITRATION.value, b, a],
        )
        return [tuple(row) for row in rows]

    def uncounted(self, a: str, b: str) -> dict[str, int]:
        """Return why exams that two readers have both read do not count for their agreement, and how many."""
        query = (
            "SELECT exam FROM readings WHERE reader IN (?, ?) AND kind <> ? GROUP BY exam "
            "HAVING count(DISTINCT reader) = 2 ORDER BY exam"
        )
        why: dict[str, int] = {}
        for row in self._file.all(query, [a, b, ReadKind.ARBITRATION.value]):
            reads = [read for read in self._readings.of_exam(row["exam"]) if read.reader in (a, b)]
            counted = {read.reader for read in independent_reads(reads)}
            reasons = {_why_uncounted(read) for read in reads if read.reader not in counted and read.amends is None}
            for reason in sorted(reasons):
                why[reason] = why.get(reason, 0) + 1
        return why


def _why_uncounted(read: Read) -> str:
    if read.informed:
        return "read after the model’s answers, or marks of other programs, were seen"
    return "signed, but not final yet" if read.signed else "not signed"
