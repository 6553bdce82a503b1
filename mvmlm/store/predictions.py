"""Stored answers of the model, the score that the worklist sorts by, and sets of prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from .clock import now
from .database import StoreFile


class Predictions:
    """The model's answers for the exams of a store."""

    def __init__(self, file: StoreFile):
        self._file = file

    def add(self, exam: int, model: str, rows: Iterable[tuple[str, str, str, str, float]], score: float | None) -> None:
        """Store answers that a reader was shown; newer ones replace older ones of the same model.

        rows: (task, side R, L or "" for the exam, class, by, probability). score: what the worklist sorts by.
        Raises ValueError for a probability or score that is not between 0 and 1.
        """
        rows = list(rows)
        for value in (*(row[-1] for row in rows), 0.0 if score is None else score):
            _check_share(exam, value)
        with self._file.transaction() as conn:
            conn.executemany(
                "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET probability = excluded.probability, at = excluded.at",
                [(exam, model, *row, now()) for row in rows],
            )
            conn.execute("UPDATE exams SET score = ? WHERE id = ?", [score, exam])

    def withdraw(self, exam: int, model: str, tasks: Iterable[str]) -> None:
        """Delete a model's answers that an earlier version stored and that are not given for this exam any more."""
        rows = [(exam, model, task) for task in tasks]
        with self._file.transaction() as conn:
            conn.executemany("DELETE FROM predictions WHERE exam = ? AND model = ? AND task = ?", rows)

    def of_exam(self, exam: int) -> list[dict]:
        """Return the stored answers for an exam."""
        return [dict(row) for row in self._file.all("SELECT * FROM predictions WHERE exam = ?", [exam])]

    def set_scores(self, scores: Iterable[tuple[int, float]]) -> None:
        """Store (exam, score) of many exams: what the worklist sorts by.

        Raises ValueError for a score that is not between 0 and 1; then nothing is stored.
        """
        with self._file.transaction() as conn:
            rows = [(_check_share(exam, score), exam) for exam, score in scores]
            conn.executemany("UPDATE exams SET score = ? WHERE id = ?", rows)


def _check_share(exam: int, value: float) -> float:
    if not 0 <= value <= 1:  # not so for NaN either
        raise ValueError(f"exam {exam}: {value} is not between 0 and 1; nothing was stored")
    return value


class PromptSets:
    """Named sets of prompts."""

    def __init__(self, file: StoreFile):
        self._file = file

    def save(self, name: str, prompts: Sequence[str], who: str) -> None:
        """Store a set, in place of an older one of that name."""
        with self._file.transaction() as conn:
            conn.execute(
                "INSERT INTO prompt_sets VALUES (?, ?) ON CONFLICT DO UPDATE SET prompts = excluded.prompts",
                [name, json.dumps(list(prompts))],
            )
            self._file.record(who, "prompts", name, after=list(prompts))

    def all(self) -> dict[str, list[str]]:
        """Return the prompts of each set, by name."""
        rows = self._file.all("SELECT * FROM prompt_sets ORDER BY name")
        return {row["name"]: json.loads(row["prompts"]) for row in rows}
