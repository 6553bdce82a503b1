"""What a run has done, in parts that are written whole, and the two files that are joined from them at the end."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from ..atomic_file import replace_file
from ..exchange.csv_cells import CsvWriter
from ..messages import Advised
from .answer_table import SCHEMA, RunKey, outcome_table, stored_key
from .archive import Failure
from .pipeline import Outcome

PART_EXAMS, PART_SECONDS = 200, 60.0  # a part is written after so many exams, or after so long
GROUP_ROWS = 50_000  # of the joined file, in memory at one time
OPEN_PARTS = 8  # in memory at one time; exams are handed out in the order of their names, so that few overlap
KEY, LOCK, PARTS, CONTENT = "run.json", "in-use.lock", "[0-9]*.parquet", b"mvmlm.part"


class OtherRun(Advised):
    """A file holds the answers of another run, which would be mixed with those of this one."""


def failures_file(out: Path) -> Path:
    """Return where the failures of a run are written."""
    return out.with_suffix(".failures.csv")


def parts_folder(out: Path) -> Path:
    """Return where the parts of a run lie until it is done."""
    return out.with_suffix(".parts")


class Parts:
    """The parts of a run in a folder: those that were written before, and those that are added.

    places: those of which every exam was done before. exams: all that were done before. answered, failed: how many
    exams have answers by now, and how many failures there are.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic):
        self._folder, self._clock = folder, clock
        self._waiting: list[Outcome] = []
        self._since = clock()
        self.places: set[str] = set()
        self.exams: set[str] = set()
        self.answered, self.failed = 0, 0
        for path in self._files():
            content = _content(path)
            self.places.update(content["places"])
            self.exams.update(exam for exam, _ in content["exams"])
            self._count(sum(rows > 0 for _, rows in content["exams"]), len(content["failures"]))

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob(PARTS))

    def _count(self, answered: int, failed: int) -> None:
        self.answered += answered
        self.failed += failed

    def add(self, outcome: Outcome) -> None:
        """Add what came of an exam, and write a part where it is time to. Raises OSError."""
        self._waiting.append(outcome)
        self._count(bool(outcome.answers), len(outcome.failures))
        if len(self._waiting) >= PART_EXAMS or self._clock() - self._since >= PART_SECONDS:
            self.write()

    def write(self) -> None:
        """Write what was added since the last part as a part. Raises OSError."""
        outcomes = self._waiting
        if not outcomes:
            return
        exams = [(each.exam, len(each.answers)) for each in outcomes if each.answers or each.failures]
        failures = [(each.exam, sentence) for each in outcomes for sentence in each.failures]
        content = {"places": [each.place for each in outcomes if each.last], "exams": exams, "failures": failures}
        table = outcome_table(outcomes).replace_schema_metadata({CONTENT: json.dumps(content)})
        last = max((int(path.stem) for path in self._files()), default=0)
        with replace_file(self._folder / f"{last + 1:06d}.parquet") as file:
            pq.write_table(table, file)
        self._waiting, self._since = [], self._clock()

    def join(self, out: Path, failures: Iterable[Failure], metadata: Mapping[str, str]) -> None:
        """Write all answers and failures, by exam, to `out` and beside it. failures: those that no part has.

        Both are read part by part, so that the memory does not grow with the exams. Raises OSError.
        """
        contents = [_content(path) for path in self._files()]
        rows = [*failures, *(Failure(*row) for content in contents for row in content["failures"])]
        with replace_file(failures_file(out)) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            table = CsvWriter(text, Failure._fields)
            for row in sorted(rows):
                table.write(row._asdict())
            text.flush()
            text.detach()
        with replace_file(out) as file, pq.ParquetWriter(file, SCHEMA.with_metadata(metadata)) as writer:
            for table in self._sorted([content["exams"] for content in contents]):
                writer.write_table(table)

    def _sorted(self, exams: Sequence[Sequence]) -> Iterator[pa.Table]:
        """The answers in tables of about GROUP_ROWS rows, by exam. exams: (name, rows) of each part, in their order."""
        places = []
        for path, of_part in zip(self._files(), exams):
            start = 0
            for exam, count in of_part:
                places.append((exam, path, start, count))
                start += count
        read = lru_cache(OPEN_PARTS)(pq.read_table)
        slices: list[pa.Table] = []
        for _, path, start, count in sorted(places):
            slices.append(read(path).slice(start, count))
            if sum(map(len, slices)) >= GROUP_ROWS:
                yield pa.concat_tables(slices, promote_options="none")
                slices = []
        if slices:
            yield pa.concat_tables(slices)


def _content(path: Path) -> dict:
    """What a part holds: the places that it completes, (name, rows) of its exams, and (name, sentence) of failures."""
    return json.loads(pq.read_schema(path).metadata[CONTENT])


@contextmanager
def open_parts(out: Path, key: RunKey, restart: bool = False) -> Iterator[Parts | None]:
    """Give the parts of the run that writes `out`; None where it is done already. Only one run may have them.

    After the block they are deleted, where `out` is there. restart: begin anew, whatever is there. Raises OtherRun for
    what another run has written, ValueError where one is at work.
    """
    folder = parts_folder(out)
    folder.mkdir(exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            if restart:
                out.unlink(missing_ok=True)
                _delete(folder)
            done = out.exists()
            if done:
                _agree(out.name, key, stored_key(out))
            elif any(folder.glob(PARTS)):
                _agree(folder.name, key, json.loads((folder / KEY).read_text(encoding="utf-8")))
            else:
                with replace_file(folder / KEY) as file:
                    file.write(json.dumps(asdict(key)).encode())
            yield None if done else Parts(folder)
            if out.exists():
                _delete(folder)
    except Timeout:
        raise ValueError(f"{out.name}: another run of `mvmlm score` is writing it. Wait for its end.") from None
    if out.exists():
        (folder / LOCK).unlink(missing_ok=True)
        with suppress(OSError):  # somebody keeps other files there
            folder.rmdir()


def _delete(folder: Path) -> None:
    """Delete the parts of a folder, then the key to which they belong."""
    for path in (*folder.glob(PARTS), *folder.glob("*.part"), folder / KEY):
        path.unlink(missing_ok=True)


def _agree(name: str, key: RunKey, other: Mapping[str, object]) -> None:
    """Raise OtherRun where what was written by another run would be mixed with this one's."""
    if different := key.differences(other):
        raise OtherRun(
            f"{name} holds the answers of {' and of '.join(different)}. Name another file, or begin anew.", "restart"
        )
