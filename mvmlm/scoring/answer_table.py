"""The answers as a table of Arrow: its columns, what its metadata says, and the scores that a worklist sorts by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .. import __version__
from .pipeline import Outcome

USE = "research use only, not for diagnosis"
RANKED_TASK = "malignancy"  # by which the worklist is sorted
PREFIX = "mvmlm."  # of the keys of the metadata
SCHEMA = pa.schema(
    [
        pa.field("exam", pa.string(), nullable=False),
        pa.field("laterality", pa.string()),
        pa.field("task", pa.string(), nullable=False),
        pa.field("class", pa.string(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("by", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("weights", pa.string(), nullable=False),
        pa.field("notes", pa.list_(pa.string()), nullable=False),
    ]
)


@dataclass(frozen=True)
class ScoredWeights:
    """Weights that give answers: the name and the version of their record, and the SHA-256 of their file in hex."""

    model: str
    version: str
    sha256: str


@dataclass(frozen=True)
class RunKey:
    """What the answers depend on. A run goes on only where all of it is the same.

    archive: checksum of the files. weights: checksums. version: of this program.
    """

    archive: str
    weights: tuple[str, ...]
    version: str = __version__

    def differences(self, other: Mapping[str, object]) -> list[str]:
        """Return in words what is another in a run, whose key is given as JSON values."""
        words = {"archive": "other exams, or files that were changed", "weights": "other weights",
                 "version": "another version of this program"}  # fmt: skip
        mine = json.loads(json.dumps(asdict(self)))
        return [word for name, word in words.items() if other.get(name) != mine[name]]


def outcome_table(outcomes: Iterable[Outcome]) -> pa.Table:
    """Return the answers of exams as a table, in their order."""
    rows = [(outcome.exam, *answer) for outcome in outcomes for answer in outcome.answers]
    columns = list(zip(*rows)) or [()] * len(SCHEMA)
    return pa.table([pa.array(column, each.type) for column, each in zip(columns, SCHEMA)], schema=SCHEMA)


def metadata(key: RunKey, weights: Iterable[ScoredWeights], command: str) -> dict[str, str]:
    """Return what the metadata of a file of answers says of the run. command: without the names of folders."""
    values = {
        "command": command,
        "key": json.dumps(asdict(key)),
        "use": USE,
        "version": key.version,
        "weights": json.dumps([asdict(each) for each in weights]),
    }
    return {PREFIX + name: value for name, value in values.items()}


def stored_key(path: Path) -> dict[str, object]:
    """Return the key of the run that wrote a file of answers, as JSON values. Raises ValueError for another file."""
    try:
        found = (pq.read_schema(path).metadata or {}).get(f"{PREFIX}key".encode())
    except pa.ArrowInvalid:
        found = None
    if found is None:
        raise ValueError(f"{path.name}: not a file that `mvmlm score` has written. Name another one.")
    return json.loads(found)


def exam_scores(path: Path) -> dict[str, float]:
    """Return the probability of malignancy, 0..1, of each exam of a file of answers.

    Raises ValueError for a file that holds none, or those of several models.
    """
    stored_key(path)
    wanted = [("task", "=", RANKED_TASK), ("by", "=", "head"), ("class", "=", "present")]
    table = pq.read_table(path, columns=["exam", "laterality", "probability", "model", "weights"], filters=wanted)
    rows = [row for row in table.to_pylist() if row["laterality"] is None]
    if not rows:
        raise ValueError(f"{path.name}: no head in it answers {RANKED_TASK}, by which the worklist is sorted.")
    if len({row["weights"] for row in rows}) > 1:
        names = ", ".join(dict.fromkeys(row["model"] for row in rows))
        raise ValueError(f"{path.name}: the answers of several models ({names}). Score the exams with one of them.")
    return {row["exam"]: row["probability"] for row in rows}
