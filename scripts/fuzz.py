"""Give the readers of untrusted input what chance makes for some time; save what ends or hangs one or fills memory.

    python scripts/fuzz.py [--seconds 60] [--target NAME] [--seed N] [--save DIR]

Each target of `fuzz_targets` runs in a process of its own: one that dies is a finding, and so is an input that takes
more than 10 s, a process of more than 2 GB, and an exception that the target does not document. hypothesis makes the
inputs; atheris steers it by coverage where it is installed (pip install '.[fuzz]'). The time is shared by the targets.
The same seed makes the same inputs in the same order. Exit status 1 where something was found.
"""

from __future__ import annotations

import argparse
import faulthandler
import importlib
import multiprocessing
import os
import random
import shutil
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import psutil
from fuzz_inputs import Inputs
from fuzz_targets import TARGETS, Run, Target
from hypothesis import HealthCheck, Phase, given, seed, settings

MAX_SECONDS, MAX_BYTES = 10.0, 2_000_000_000  # of one input, and of a process with its children
PREPARE_SECONDS, SHRINK_SECONDS = 90.0, 20.0
EXAMPLES = 50  # of hypothesis between two looks at the clock
MOST_FINDINGS = 3  # of one target; then the time is better spent mending them
FOUND = 3  # exit status of a process that has written down what it found
UNHURRIED = settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
_HEAD = struct.Struct("<QQQ")  # number and length of an input, and whether it is being tried


@dataclass(frozen=True)
class Finding:
    """what: in one line. data: the input."""

    what: str
    data: bytes


class _Trace:
    """What a process is trying, in a file that outlives it."""

    def __init__(self, folder: Path):
        self._folder, self._file, self._count = folder, os.open(folder / "current", os.O_RDWR | os.O_CREAT), 0

    def begin(self, data: bytes) -> None:
        """Write down the input that is tried next."""
        self._count += 1
        os.pwrite(self._file, _HEAD.pack(self._count, len(data), 1) + data, 0)

    def end(self) -> None:
        """Write down that nothing is tried, while the next input is made."""
        os.pwrite(self._file, _HEAD.pack(self._count, 0, 0), 0)

    def found(self, what: str, data: bytes) -> None:
        """Write down a finding and end the process."""
        (self._folder / "input").write_bytes(data)
        (self._folder / "what").write_text(what, encoding="utf-8")
        os._exit(FOUND)


def _current(folder: Path) -> tuple[int, bytes, bool]:
    """The number and the bytes of the last input of a process, and whether it is being tried."""
    path = folder / "current"
    data = path.read_bytes() if path.exists() else b""
    if len(data) < _HEAD.size:
        return 0, b"", False
    count, length, running = _HEAD.unpack_from(data)
    return count, data[_HEAD.size : _HEAD.size + length], bool(running)


def _child(target: Target, seconds: float, start: int, folder: Path, data: bytes | None) -> None:
    """Try inputs for some time, or `data` alone. The process ends by itself, or with the status FOUND."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    warnings.simplefilter("ignore")
    faulthandler.disable()
    atheris = importlib.import_module("atheris") if find_spec("atheris") and data is None else None
    work = folder / "work"
    work.mkdir()
    trace = _Trace(folder)
    try:
        with atheris.instrument_imports(include=["mvmlm", "app"]) if atheris else nullcontext():
            inputs, run = target.prepare(work)
    except Exception as error:
        trace.found(f"cannot be prepared: {_described(error)}", b"")
        return
    (folder / "ready").touch()

    def attempt(tried: bytes) -> None:
        trace.begin(tried)
        try:
            run(tried)
        except Exception as error:
            what = _described(error)
            trace.end()
            trace.found(what, _smallest(tried, lambda part: _fails(run, part, what)))
        trace.end()

    if data is not None:
        attempt(data)
    elif atheris:
        _by_atheris(atheris, inputs, attempt, seconds, start, folder)
    else:
        _by_hypothesis(inputs, attempt, seconds, start)
    os._exit(0)


def _described(error: Exception) -> str:
    """The type of an error and the line of this program that it comes from."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(ROOT))]
    own = [frame for frame in frames if "/scripts/fuzz" not in frame.filename] or frames
    where = f" at {Path(own[-1].filename).relative_to(ROOT)}:{own[-1].lineno}" if own else ""
    return f"{type(error).__name__}{where}: {' '.join(str(error).split())[:200]}"


def _fails(run: Run, data: bytes, what: str) -> bool:
    try:
        run(data)
    except Exception as error:
        return _described(error).partition(": ")[0] == what.partition(": ")[0]
    return False


def _by_hypothesis(inputs: Inputs, attempt: Callable[[bytes], None], seconds: float, start: int) -> None:
    end, round_ = time.monotonic() + seconds, 0
    while time.monotonic() < end:

        @seed(start * 1_000_003 + round_)
        @settings(UNHURRIED, max_examples=EXAMPLES, phases=[Phase.generate])
        @given(inputs)
        def test(tried: bytes) -> None:
            attempt(tried)

        test()
        round_ += 1


def _by_atheris(
    atheris: Any, inputs: Inputs, attempt: Callable[[bytes], None], seconds: float, start: int, folder: Path
) -> None:
    """Let libFuzzer choose what hypothesis makes inputs of; it ends the process."""

    @settings(UNHURRIED)
    @given(inputs)
    def test(tried: bytes) -> None:
        attempt(tried)

    corpus = folder / "corpus"
    corpus.mkdir()
    for number in range(40):  # libFuzzer begins with short inputs, of which hypothesis makes little
        chance = random.Random(start * 1000 + number)
        (corpus / str(number)).write_bytes(chance.randbytes(200 * (1 + number % 10)))
    options = [f"-max_total_time={max(1, round(seconds))}", f"-seed={start % 2**31 or 1}", "-rss_limit_mb=0"]
    atheris.Setup(
        ["fuzz", *options, "-max_len=4096", "-len_control=0", "-timeout=600", str(corpus)],
        cast(Any, test).hypothesis.fuzz_one_input,
    )
    atheris.Fuzz()


def _smallest(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """The input with parts taken out that it fails without, as far as some seconds go."""
    end, size = time.monotonic() + SHRINK_SECONDS / 2, max(1, len(data) // 2)
    while size and time.monotonic() < end:
        place, taken = 0, False
        while place < len(data) and time.monotonic() < end:
            shorter = data[:place] + data[place + size :]
            if fails(shorter):
                data, taken = shorter, True
            else:
                place += size
        size = size if taken and size == 1 else size // 2
    return data


@dataclass
class _Outcome:
    """How a process ended. tried: inputs. finding: None where nothing was found."""

    tried: int
    finding: Finding | None = None


def _watched(target: Target, seconds: float, start: int, data: bytes | None = None) -> _Outcome:
    """Run a process and end it where it hangs or takes too much memory."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    process = multiprocessing.get_context("fork").Process(target=_child, args=(target, seconds, start, folder, data))
    process.start()
    try:
        why = _wait(process, folder)
        count, current, _ = _current(folder)
        if why is None and process.exitcode == FOUND:
            return _Outcome(
                count, Finding((folder / "what").read_text(encoding="utf-8"), (folder / "input").read_bytes())
            )
        if why is None and process.exitcode:
            code = process.exitcode
            ended = signal.Signals(-code).name if code < 0 else f"the status {code}"
            why = f"the process ended by {ended}"
        return _Outcome(count, Finding(why, current) if why else None)
    finally:
        if process.is_alive():
            process.kill()
        process.join()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: Any, folder: Path) -> str | None:
    """Wait for the end of a process. Returns why it was ended, or None where it ended by itself."""
    watched, begun, last, since = psutil.Process(process.pid), time.monotonic(), 0, time.monotonic()
    inherited = psutil.Process().memory_info().rss  # of this process, which the other is a copy of
    while process.is_alive():
        process.join(0.05)
        try:
            taken = sum(each.memory_info().rss for each in (watched, *watched.children(recursive=True)))
        except psutil.Error:
            continue
        if taken - inherited > MAX_BYTES:
            return f"takes more than {MAX_BYTES / 1e9:g} GB"
        count, _, running = _current(folder)
        if count != last or not running:
            last, since = count, time.monotonic()
        if not (folder / "ready").exists() and time.monotonic() - begun > PREPARE_SECONDS:
            return "is not ready"
        if running and time.monotonic() - since > MAX_SECONDS:
            return f"takes more than {MAX_SECONDS:g} s"
    return None


def fuzz(target: Target, seconds: float, start: int) -> tuple[int, list[Finding]]:
    """Try inputs of a target for some seconds; return how many were tried, and different findings, shrunk."""
    tried, findings, end = 0, dict[str, Finding](), time.monotonic() + seconds
    for attempt in range(MOST_FINDINGS):
        left = end - time.monotonic() if attempt else seconds
        if left < 1:
            break
        outcome = _watched(target, left, start + attempt)
        tried += outcome.tried
        if outcome.finding is None:
            break
        found = outcome.finding
        if not found.what.partition(" at ")[2]:  # of a process that was ended or has died: shrunk from here
            found = Finding(found.what, _shrunk(target, found))
        findings.setdefault(found.what.partition(": ")[0], found)
    return tried, list(findings.values())


def _shrunk(target: Target, found: Finding) -> bytes:
    def fails(data: bytes) -> bool:
        again = _watched(target, 0, 0, data).finding
        return again is not None and again.what == found.what

    return _smallest(found.data, fails) if fails(found.data) else found.data


def main() -> int:
    """Fuzz the targets and print what comes of each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0, help="for all targets together, without their start")
    parser.add_argument("--target", choices=[target.name for target in TARGETS], help="only this one")
    parser.add_argument("--seed", type=int, default=date.today().toordinal(), help="default: the number of the day")
    parser.add_argument("--save", type=Path, metavar="DIR", help="where the smallest input of each finding is written")
    options = parser.parse_args()
    chosen = [target for target in TARGETS if options.target in (None, target.name)]
    engine = "atheris and hypothesis" if find_spec("atheris") else "hypothesis alone, because atheris is not installed"
    print(f"inputs by {engine}; --seed {options.seed}", flush=True)
    found = 0
    for target in chosen:
        tried, findings = fuzz(target, options.seconds / len(chosen), options.seed)
        print(f"{target.name}: {tried:,} inputs tried, {len(findings) or 'nothing'} went wrong", flush=True)
        for number, finding in enumerate(findings):
            found += 1
            print(f"  {finding.what}\n  {len(finding.data)} bytes: {finding.data[:120]!r}", flush=True)
            if options.save:
                options.save.mkdir(parents=True, exist_ok=True)
                (options.save / f"{target.name}-{number}.bin").write_bytes(finding.data)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
