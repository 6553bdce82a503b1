"""An evaluation run in a folder: what models answered for exams, kept exam by exam, so that a run goes on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from filelock import FileLock, Timeout

from .. import __version__
from ..evaluation.truth import AnsweredExam, ExamTruth
from ..exam import Laterality
from ..inference.model_predictor import ModelPredictor
from ..inference.precision import FLOAT32
from ..messages import Advised

FILE = "run.sqlite"
LOCK = ".lock"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS run (key TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS exams (weights TEXT, exam TEXT, content TEXT NOT NULL, PRIMARY KEY (weights, exam))",
    "CREATE TABLE IF NOT EXISTS vectors (weights TEXT, exam TEXT, side TEXT, vector BLOB NOT NULL, "
    "PRIMARY KEY (weights, exam, side))",
    "CREATE TABLE IF NOT EXISTS probes (weights TEXT, name TEXT, task TEXT, content TEXT NOT NULL, "
    "PRIMARY KEY (weights, name, task))",
)


class OtherEvaluation(Advised):
    """A folder holds the run of another evaluation, which would be mixed with this one."""


@dataclass(frozen=True)
class EvaluationKey:
    """What the answers of a run depend on.

    exams: checksum of the exams. protocol: its name. version: of this program.
    """

    exams: str
    protocol: str
    version: str = __version__

    def differences(self, other: Mapping[str, Any]) -> list[str]:
        """Return in words what differs in a run whose key is given as JSON values."""
        words = {"exams": "other exams or labels", "protocol": "another protocol",
                 "version": "another version of this program"}  # fmt: skip
        return [word for name, word in words.items() if other.get(name) != getattr(self, name)]


class Answers(NamedTuple):
    """What came of an exam and a model.

    failure: why there are no answers, a sentence. maps: rows of `maps.MapRow`, as JSON values. vectors: the
    embeddings, side -> (width,) float32; only where they are wanted. map_failure: why the maps could not be measured.
    """

    answered: AnsweredExam | None
    failure: str = ""
    maps: tuple[Mapping[str, Any], ...] = ()
    vectors: Mapping[Laterality | None, np.ndarray] = {}
    map_failure: str = ""


class Probed(NamedTuple):
    """What a head that was fitted in a run answered.

    scores: of each exam and side, one for each class. note: why there are none, or how the head was fitted.
    """

    scores: Mapping[tuple[str, Laterality | None], Sequence[float]]
    note: str = ""


def answering(predictor: ModelPredictor) -> str:
    """Return by what a run knows who answers: the checksum of the weights, or one of more than these.

    More are fine-tuned heads, and a precision other than float32.
    """
    more = [*sorted(predictor.finetuned.items()), *([predictor.precision] if predictor.precision != FLOAT32 else [])]
    return hashlib.sha256(f"{predictor.weights} {more}".encode()).hexdigest() if more else predictor.weights


def refuse_run(folder: Path) -> None:
    """Raise OtherEvaluation where a folder holds a run, whose report a table's report would replace."""
    if (folder / FILE).exists():
        raise OtherEvaluation(f"{folder.name} holds an evaluation of other exams or labels. Name another folder.")


class Run:
    """The answers of a run, in the file FILE of its folder. Each exam is written whole, or not at all.

    weights, in every method: what `answering` gives for the model.
    """

    def __init__(self, folder: Path, key: EvaluationKey, restart: bool = False):
        """Open the run of a folder, or begin it.

        restart: begin anew, whatever is there. Raises OtherEvaluation, and ValueError where another process is at
        work in the folder.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / LOCK, timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise ValueError(
                f"{folder.name}: another evaluation is being written there. Wait for its end, or name another folder."
            ) from None
        try:
            self._open(folder, key, restart)
        except BaseException:
            self._lock.release()
            raise

    def _open(self, folder: Path, key: EvaluationKey, restart: bool) -> None:
        self._file = sqlite3.connect(folder / FILE)
        with self._file:
            for statement in _TABLES:
                self._file.execute(statement)
            if restart:
                for table in ("run", "exams", "vectors", "probes"):
                    self._file.execute(f"DELETE FROM {table}")
            stored = self._file.execute("SELECT key FROM run").fetchone()
            if stored is None:
                self._file.execute("INSERT INTO run VALUES (?)", [json.dumps(asdict(key))])
        if stored and (different := key.differences(json.loads(stored[0]))):
            self._file.close()
            raise OtherEvaluation(
                f"{folder.name} holds an evaluation of {' and of '.join(different)}. Name another folder, or begin "
                "anew.",
                "restart",
            )

    def close(self) -> None:
        """Close the file, so that another process may go on."""
        self._file.close()
        self._lock.release()

    def done(self, weights: str, states: Mapping[str, str]) -> set[str]:
        """Return the names of the exams that have answers of these weights. states: of their files now, by exam.

        An exam whose state an earlier version did not write is not among them.
        """
        query = "SELECT exam, content FROM exams WHERE weights = ?"
        rows = ((name, json.loads(text)) for name, text in self._file.execute(query, [weights]))
        return {name for name, content in rows if content["answered"] and content.get("state") == states.get(name)}

    def add(self, weights: str, exam: str, answers: Answers, state: str = "") -> None:
        """Write what came of an exam, in place of what came of it before; then probes are fitted anew.

        state: of its files, see `ExamToAsk`.
        """
        content = {
            "failure": answers.failure, "maps": answers.maps, "map_failure": answers.map_failure,
            "answered": _plain(answers.answered), "state": state,
        }  # fmt: skip
        with self._file:
            if self._file.execute("DELETE FROM exams WHERE (weights, exam) = (?, ?)", [weights, exam]).rowcount:
                self._file.execute("DELETE FROM vectors WHERE (weights, exam) = (?, ?)", [weights, exam])
                self._file.execute("DELETE FROM probes WHERE weights = ?", [weights])
            self._file.execute("INSERT INTO exams VALUES (?, ?, ?)", [weights, exam, json.dumps(content)])
            for side, vector in answers.vectors.items():
                data = np.asarray(vector, np.float32).tobytes()
                self._file.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", [weights, exam, _letter(side), data])

    def answered(self, weights: str) -> Iterator[AnsweredExam]:
        """Yield the exams that have answers, in the order in which they were asked."""
        for content in self._contents(weights):
            if content["answered"]:
                yield _answered(content["answered"])

    def failures(self, weights: str) -> dict[str, str]:
        """Return exam -> why there are no answers, a sentence."""
        return self._sentences(weights, "failure")

    def map_failures(self, weights: str) -> dict[str, str]:
        """Return exam -> why its maps could not be measured, a sentence."""
        return self._sentences(weights, "map_failure")

    def maps(self, weights: str) -> list[Mapping[str, Any]]:
        """Return the rows of all maps."""
        return [row for content in self._contents(weights) for row in content["maps"]]

    def vector(self, weights: str, exam: str, side: Laterality | None) -> np.ndarray | None:
        """Return the embedding (width,) float32 of a breast, or of the exam; None where it was not read."""
        query = "SELECT vector FROM vectors WHERE weights = ? AND exam = ? AND side = ?"
        row = self._file.execute(query, [weights, exam, _letter(side)]).fetchone()
        return np.frombuffer(row[0], np.float32) if row else None

    def add_probe(self, weights: str, name: str, task: str, probed: Probed) -> None:
        """Write what a head that was fitted in this run answered."""
        plain = {
            "note": probed.note,
            "scores": [[exam, _letter(side), row] for (exam, side), row in probed.scores.items()],
        }
        with self._file:
            self._file.execute("INSERT INTO probes VALUES (?, ?, ?, ?)", [weights, name, task, json.dumps(plain)])

    def probe(self, weights: str, name: str, task: str) -> Probed | None:
        """Return what `add_probe` wrote; None where nothing was."""
        query = "SELECT content FROM probes WHERE weights = ? AND name = ? AND task = ?"
        row = self._file.execute(query, [weights, name, task]).fetchone()
        if row is None:
            return None
        plain = json.loads(row[0])
        return Probed({(exam, _side(letter)): scores for exam, letter, scores in plain["scores"]}, plain["note"])

    def _sentences(self, weights: str, key: str) -> dict[str, str]:
        query = "SELECT exam, content FROM exams WHERE weights = ? ORDER BY rowid"
        rows = ((name, json.loads(text)[key]) for name, text in self._file.execute(query, [weights]))
        return {name: sentence for name, sentence in rows if sentence}

    def _contents(self, weights: str) -> Iterator[dict[str, Any]]:
        query = "SELECT content FROM exams WHERE weights = ? ORDER BY rowid"
        return (json.loads(text) for (text,) in self._file.execute(query, [weights]))


def _letter(side: Laterality | None) -> str:
    return side.value if side else ""


def _side(letter: str) -> Laterality | None:
    return Laterality(letter) if letter else None


def _plain(answered: AnsweredExam | None) -> dict[str, Any] | None:
    if answered is None:
        return None
    truth = answered.truth
    return {
        "exam": truth.exam, "patient": truth.patient, "split": truth.split, "model": answered.model,
        "labels": [[task, _letter(side), label] for (task, side), label in truth.labels.items()],
        "facts": [[_letter(side), facts] for side, facts in truth.facts.items()],
        "scores": [[task, by, _letter(side), list(row)] for (task, by, side), row in answered.scores.items()],
    }  # fmt: skip


def _answered(plain: Mapping[str, Any]) -> AnsweredExam:
    labels = {
        (task, _side(letter)): (label[0], label[1]) if isinstance(label, list) else label
        for task, letter, label in plain["labels"]
    }
    facts = {_side(letter): known for letter, known in plain["facts"]}
    scores = {(task, by, _side(letter)): row for task, by, letter, row in plain["scores"]}
    return AnsweredExam(
        ExamTruth(plain["exam"], plain["patient"], labels, facts, plain["split"]), plain["model"], scores
    )
