"""The measurements of `scripts/benchmark_model.py`: kept in a file, and averaged over draws with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from benchmark_labels import QUESTIONS

from mvmlm.atomic_file import replace_file
from mvmlm.evaluation.bootstrap import resampled_rows
from mvmlm.evaluation.discrimination import auc, macro_auc
from mvmlm.evaluation.estimates import PERCENTILES
from mvmlm.messages import Advised

POOLED, FUSED, TUNED = "probe", "probe of the fused breast", "fine-tuned"
COUNTS, ALL = ("20", "60", "200"), "all"  # women who give their labels
SHOWN = ("60", ALL)  # in the tables of the parts
RESAMPLES, SEED = 1000, 1  # SEED: of every pretraining, and of the resampling


class OtherRun(Advised, ValueError):
    """The folder holds results of other exams or settings. The message says what to do."""


class Cell(NamedTuple):
    """A measurement: the row, how its features were used, the question, how many women, and which draw of them."""

    row: str
    method: str
    question: str
    women: str
    seed: int

    @property
    def key(self) -> str:
        """Its name in the file."""
        return "/".join(map(str, self))


class Mean(NamedTuple):
    """A mean over draws: its value, and its value in each resample of women and draws (RESAMPLES,)."""

    value: float
    resampled: np.ndarray

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval; NaN where no resample has a value."""
        if np.isnan(self.resampled).all():
            return float("nan"), float("nan")
        low, high = np.nanpercentile(self.resampled, PERCENTILES)
        return float(low), float(high)

    def less(self, other: Mean) -> Mean:
        """Return this less another, resample by resample."""
        return Mean(self.value - other.value, self.resampled - other.resampled)

    @classmethod
    def of(cls, means: Iterable[Mean]) -> Mean:
        """Return the mean of several, resample by resample."""
        values, resampled = zip(*means, strict=True)
        return cls(float(np.mean(values)), np.mean(resampled, 0))


@dataclass
class Results:
    """What was measured, with the women and labels that it was measured on.

    settings: of the run. women, labels: of the breasts of split test, by question. learned: how many women of split
    train have the label. scores: logits of these breasts by `Cell.key`.
    """

    path: Path
    settings: dict[str, Any]
    women: dict[str, list[str]] = field(default_factory=dict)
    labels: dict[str, list[float]] = field(default_factory=dict)
    learned: dict[str, int] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, settings: dict[str, Any]) -> Results:
        """Return the results of a file, or none yet. Raises OtherRun for results of other settings."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            return cls(path, settings)
        found = cls(path, **json.loads(path.read_text(encoding="utf-8")))
        if differing := [name for name, value in settings.items() if found.settings.get(name) != value]:
            raise OtherRun(
                f"{path.name} was made with other {' and '.join(differing)}. Give the old ones, or another folder.",
                "work",
                *differing,
            )
        return found

    def save(self) -> None:
        """Write the file, all or nothing."""
        with replace_file(self.path) as file:
            kept = {name: value for name, value in vars(self).items() if name not in ("path", "_women_drawn", "_means")}
            file.write(json.dumps(kept).encode())

    def __contains__(self, cell: object) -> bool:
        return isinstance(cell, Cell) and cell.key in self.scores

    def add(self, cell: Cell, logits: np.ndarray) -> None:
        """Keep the logits (n, outputs) of the breasts of a question."""
        self.scores[cell.key] = np.round(logits.astype(float), 5).tolist()

    def add_question(self, key: str, women: list[str], labels: list[float], learned: int) -> None:
        """Set which breasts a question is measured on, and how many women have a label to learn from."""
        self.women[key], self.labels[key], self.learned[key] = women, labels, learned

    @property
    def fewest(self) -> int:
        """The smallest number of women who give their labels."""
        return int(COUNTS[0])

    @property
    def shown(self) -> tuple[str, ...]:
        """The numbers of women in the tables of the parts."""
        return SHOWN

    def counts(self, question: str) -> list[str]:
        """Return the numbers of women who give their labels, fewest first; the last is ALL."""
        return [count for count in COUNTS if int(count) < self.learned[question]] + [ALL]

    @cached_property
    def _women_drawn(self) -> dict[str, list[np.ndarray]]:
        """For each question the rows of each resample; questions of one data set resample the same women."""
        drawn = {}
        for key, question in QUESTIONS.items():
            same = [other for other, of in QUESTIONS.items() if of.source == question.source]
            every = np.unique([woman for other in same for woman in self.women[other]])
            rows = [np.flatnonzero(np.array(self.women[key]) == woman) for woman in every]
            samples = resampled_rows(np.arange(len(every)), SEED, RESAMPLES)
            drawn[key] = [np.concatenate([rows[woman] for woman in sample]) for sample in samples]
        return drawn

    @cached_property
    def _means(self) -> dict[tuple[str, ...], Mean | None]:
        return {}

    def mean(self, row: str, method: str, question: str, count: str) -> Mean | None:
        """Return the mean AUC over the draws that were measured; None where none was."""
        key = (row, method, question, count)
        if key not in self._means:
            draws = [
                np.array(scores) for cell, scores in self.scores.items() if cell.rsplit("/", 1)[0] == "/".join(key)
            ]
            self._means[key] = self._mean(question, draws) if draws else None
        return self._means[key]

    def _mean(self, question: str, draws: list[np.ndarray]) -> Mean:
        labels, rng = np.array(self.labels[question]), np.random.default_rng(SEED)
        draws = [shares_of(scores) for scores in draws]
        of_draws = [area(labels, scores) for scores in draws]
        resampled = np.empty(RESAMPLES)
        for number, rows in enumerate(self._women_drawn[question]):
            chosen, times = np.unique(rng.integers(0, len(draws), len(draws)), return_counts=True)
            values = [area(labels[rows], draws[draw][rows]) for draw in chosen]
            resampled[number] = np.average(values, weights=times)
        return Mean(float(np.mean(of_draws)), resampled)


def shares_of(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of exclusive classes (n, classes); of one column (n, 1), the logits as they are."""
    if logits.shape[1] == 1:
        return logits
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def area(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the AUC of one column (n, 1), or the mean one-against-rest AUC over the classes that occur."""
    return auc(labels, scores[:, 0]) if scores.shape[1] == 1 else macro_auc(labels, scores)
