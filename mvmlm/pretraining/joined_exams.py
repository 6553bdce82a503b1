"""Exams of several sources as one training set, and the order in which a run draws a fixed number of each source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from ..imaging.preprocess import Preprocessing
from .exam_cache import Labels


class TrainingExams(Protocol):
    """What a training run asks of its exams: those of one cache folder, or of several together.

    labels, names, sources: of each exam; exams of one folder are of one source. present: (exams, 4) bool.
    preprocessing: that of every exam. paraphrases: findings key -> texts.
    """

    labels: list[Labels]
    names: list[str]
    sources: list[str]
    present: np.ndarray
    preprocessing: Preprocessing
    paraphrases: dict[int, list[str]]

    def __len__(self) -> int: ...

    def views(self, index: int) -> np.ndarray:
        """Return the pixels of one exam: (4, rows, columns) uint8."""
        ...

    def checksums(self) -> dict[str, str]:
        """Return a checksum of the pixels and labels of each exam, by name."""
        ...


class ChosenExams:
    """Some exams of a source, such as those of one hospital."""

    def __init__(self, exams: TrainingExams, chosen: Sequence[int]):
        """Choose exams by their indices."""
        self.exams, self._chosen = exams, list(chosen)
        self.preprocessing, self.paraphrases = exams.preprocessing, exams.paraphrases
        self.labels = [exams.labels[index] for index in chosen]
        self.names = [exams.names[index] for index in chosen]
        self.sources = [exams.sources[index] for index in chosen]
        self.present = exams.present[self._chosen]

    def __len__(self) -> int:
        return len(self._chosen)

    def views(self, index: int) -> np.ndarray:
        """Return the pixels of one exam: (4, rows, columns) uint8. Raises DamagedExam."""
        return self.exams.views(self._chosen[index])

    def checksums(self) -> dict[str, str]:
        """Return a checksum of the pixels and labels of each exam, by name."""
        every = self.exams.checksums()
        return {name: every[name] for name in self.names}


def _as_given(source: str, labels: Labels) -> Labels:
    return labels


class JoinedExams:
    """The exams of several sources, one source after the other.

    sources: the name of each exam's source. An exam is named after its source and its name there. Raises ValueError
    for sources with another preprocessing.
    """

    def __init__(self, parts: Mapping[str, TrainingExams], relabel: Callable[[str, Labels], Labels] = _as_given):
        """Join the exams of `parts`, by source; `relabel` returns the labels to use for an exam of a source."""
        settings = {name: part.preprocessing for name, part in parts.items()}
        first = next(iter(settings.values()))
        if others := [name for name, found in settings.items() if found != first]:
            raise ValueError(f"{', '.join(others)}: decoded with another preprocessing. Decode all exams with one.")
        self.parts = dict(parts)
        self.preprocessing = first
        self.labels = [relabel(source, labels) for source, part in parts.items() for labels in part.labels]
        self.names = [f"{source} {name}" for source, part in parts.items() for name in part.names]
        self.sources = [source for source, part in parts.items() for _ in range(len(part))]
        self.present = np.concatenate([part.present for part in parts.values()])
        self.paraphrases: dict[int, list[str]] = {}
        for part in parts.values():
            for key, texts in part.paraphrases.items():
                self.paraphrases.setdefault(key, []).extend(texts)
        self._place = [(source, index) for source, part in parts.items() for index in range(len(part))]

    def __len__(self) -> int:
        return len(self.labels)

    def views(self, index: int) -> np.ndarray:
        """Return the pixels of one exam: (4, rows, columns) uint8. Raises DamagedExam."""
        source, within = self._place[index]
        return self.parts[source].views(within)

    def checksums(self) -> dict[str, str]:
        """Return a checksum of the pixels and labels of each exam, by name, in the order of the exams."""
        of_part = (value for part in self.parts.values() for value in part.checksums().values())
        return {
            name: hashlib.sha256(json.dumps([value, labels.to_json()], sort_keys=True).encode()).hexdigest()[:16]
            for name, value, labels in zip(self.names, of_part, self.labels, strict=True)
        }


def order_by_shares(sources: Sequence[str], shares: Mapping[str, int], steps: int, seed: Sequence[int]) -> np.ndarray:
    """Return the exam indices of one epoch of `steps` batches, each with the same number of exams of each source.

    sources: of each exam. shares: exams of each source in a batch. Every exam of a source is drawn once before one is
    drawn again.
    """
    columns = []
    for number, (source, share) in enumerate(sorted(shares.items())):
        rng = np.random.default_rng([*seed, number])
        own = np.flatnonzero(np.array(sources) == source)
        passes = -(-steps * share // len(own))
        drawn = np.concatenate([rng.permutation(own) for _ in range(passes)])
        columns.append(drawn[: steps * share].reshape(steps, share))
    return np.concatenate(columns, 1).reshape(-1)
