"""What was stored is on the disk, in one file when the programs have ended, and in checked backups."""

import errno
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from mvmlm.exam import Laterality
from mvmlm.reading.reading import Reading
from mvmlm.store import backups, connection, errors
from mvmlm.store.database import FILE, StoreError
from mvmlm.store.store import Store
from tests.conftest import ROOT

R = Laterality.RIGHT
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="Windows ends a process without a signal")


@pytest.fixture
def stored_exam(store, exam_files):
    return store.exams.add(*exam_files, "ann", patient_id="4711", study_id="1.2.3")


def rows_in_the_file_alone(path: Path, folder: Path, query: str) -> list[tuple]:
    """The rows of a query on a copy of the database file without its WAL."""
    folder.mkdir()
    shutil.copy(path, folder / "alone.sqlite")
    with closing(sqlite3.connect(folder / "alone.sqlite")) as conn:
        return conn.execute(query).fetchall()


def backup_names(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder.glob("*.backup"))


def damage(path: Path) -> None:
    """Write over every page after the first one."""
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))


def test_the_file_alone_holds_everything_after_close_while_others_have_it_open(store, stored_exam, tmp_path):
    other = Store(store.folder)
    other.prompt_sets.save("mine", ["a mass"], "ann")
    other.close()
    assert store.exams.get(stored_exam), "this program still has it open"
    found = rows_in_the_file_alone(store.file.path, tmp_path / "alone", "SELECT name FROM prompt_sets")
    assert found == [("mine",)]
    store.prompt_sets.save("more", ["a cyst"], "ann")
    store.close()
    store.close()
    assert len(rows_in_the_file_alone(store.file.path, tmp_path / "later", "SELECT 1 FROM prompt_sets")) == 2


def run_until(line: str, command: list[str]) -> subprocess.Popen:
    """Start a program and return it when it has printed the line."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    assert process.stdout.readline().strip() == line
    return process


@pytest.mark.parametrize("end", ["normally", pytest.param("SIGTERM", marks=needs_signals)])
def test_the_file_alone_holds_everything_when_a_program_ends(store, tmp_path, end):
    wait = "import time; time.sleep(600)" if end == "SIGTERM" else ""
    code = f"""
import signal, sys
from pathlib import Path
from mvmlm import __main__
from mvmlm.commands.command import Command
from mvmlm.store.store import Store

def run(options):
    store = Store(Path({str(store.folder)!r}))
    store.prompt_sets.save("mine", ["a mass"], "ann")
    print("saved", flush=True)
    {wait}
    return 0

__main__.COMMANDS = [Command("test", "", lambda parser: None, run)]
sys.argv = ["mvmlm", "test"]
__main__.main()
"""
    process = run_until("saved", [sys.executable, "-c", code])
    if end == "SIGTERM":
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert rows_in_the_file_alone(store.file.path, tmp_path / "alone", "SELECT name FROM prompt_sets") == [("mine",)]


@needs_signals
def test_the_file_alone_holds_everything_when_the_worker_is_ended(store, tmp_path):
    code = f"""
import runpy, sys
from mvmlm.store.jobs import Jobs

take = Jobs.take
def noted_take(self, worker):
    job = take(self, worker)
    if job is None:
        print("idle", flush=True)
    return job
Jobs.take = noted_take
sys.argv = ["worker", {str(store.folder)!r}, "demo"]
runpy.run_module("mvmlm.worker", run_name="__main__")
"""
    job = store.jobs.add("no such kind", {}, "ann")
    process = run_until("idle", [sys.executable, "-c", code])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    query = f"SELECT state FROM jobs WHERE id = {job}"
    assert rows_in_the_file_alone(store.file.path, tmp_path / "alone", query) == [("failed",)]


@needs_signals
def test_the_file_alone_holds_everything_when_the_app_is_ended(store, tmp_path):
    code = f"""
import runpy, sys, time
import app

def launch(demo, pixels, store, *_):
    store.prompt_sets.save("mine", ["a mass"], "ann")
    print("serving", flush=True)
    time.sleep(600)

app.launch = launch
app.build = lambda *arguments: None
sys.argv = ["app.py", "--data", {str(store.folder)!r}]
runpy.run_path("app.py", run_name="__main__")
"""
    process = run_until("serving", [sys.executable, "-c", code])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert rows_in_the_file_alone(store.file.path, tmp_path / "alone", "SELECT name FROM prompt_sets") == [("mine",)]


@pytest.fixture
def as_in_use(unsynced_stores, monkeypatch):
    monkeypatch.setattr(connection, "SYNCHRONOUS", unsynced_stores)


def test_every_commit_waits_for_the_disk(as_in_use, store, stored_exam):
    full, wal = 2, "wal"
    reading = store.readings.start(stored_exam, "ann")
    store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "1"}))
    for opened in (store, Store(store.folder)):
        with opened.file.transaction() as conn:
            assert conn.execute("PRAGMA synchronous").fetchone()[0] == full
        assert opened.file.number("PRAGMA synchronous") == full and opened.file.number("PRAGMA journal_mode") == wal


def test_a_backup_is_made_once_a_day_and_the_newest_seven_stay(store, stored_exam, monkeypatch):
    assert backup_names(store) == [], "an empty store needs none"
    for day in range(1, 11):
        monkeypatch.setattr("mvmlm.store.backup_names.datetime", FixedDay(day))
        Store(store.folder).close()
        Store(store.folder).close()
    assert [name.split(".")[2][:8] for name in backup_names(store)] == [f"203001{day:02}" for day in range(4, 11)]
    assert all(name.endswith(".daily.backup") for name in backup_names(store))
    with closing(sqlite3.connect(store.folder / backup_names(store)[-1])) as conn:
        assert conn.execute("SELECT count(*) FROM exams").fetchone()[0] == 1


class FixedDay:
    """A clock for `backups` that stands still."""

    def __init__(self, day: int):
        self.day = day

    def now(self, zone):
        """Return the time of that day."""
        return datetime(2030, 1, self.day, 12, tzinfo=zone)


def test_a_program_that_runs_for_days_makes_a_backup_before_the_first_change_of_each(store, stored_exam, monkeypatch):
    monkeypatch.setattr("mvmlm.store.backup_names.datetime", FixedDay(5))
    store.prompt_sets.save("mine", ["a mass"], "ann")
    store.prompt_sets.save("more", ["a mass"], "ann")
    (name,) = backup_names(store)
    assert ".20300105-" in name
    with closing(sqlite3.connect(store.folder / name)) as conn:
        assert conn.execute("SELECT count(*) FROM exams").fetchone()[0] == 1
        assert conn.execute("SELECT count(*) FROM prompt_sets").fetchone()[0] == 0


def test_backups_for_other_reasons_are_few_too(store, stored_exam, monkeypatch):
    for day in range(1, 8):
        monkeypatch.setattr("mvmlm.store.backup_names.datetime", FixedDay(day))
        store.file.backup("before-m999_something")
    assert len([name for name in backup_names(store) if "before" in name]) == backups.MOST_OTHER


def test_two_programs_that_make_a_backup_at_once_do_not_share_an_unfinished_file(store, stored_exam, monkeypatch):
    names = []

    def replace(unfinished, target):
        names.append(Path(unfinished).name)
        os.rename(unfinished, target)

    monkeypatch.setattr(backups.os, "replace", replace)
    for _ in range(2):
        store.file.backup("test")
    assert len(set(names)) == 2 and all(f".{os.getpid()}-" in name for name in names)
    assert not list(store.folder.glob("*.part"))


def test_damage_that_no_query_meets_is_found_and_its_copy_is_no_backup(store, stored_exam):
    page, size = store.file.number("SELECT rootpage FROM sqlite_master WHERE name = 'boxes_finding'"), 4096
    store.close()
    data = bytearray(store.file.path.read_bytes())
    data[(page - 1) * size : page * size] = b"\xff" * size
    store.file.path.write_bytes(data)
    with closing(connection.connect(store.file.path, 1)) as conn:
        assert conn.execute("SELECT count(*) FROM exams").fetchone()[0] == 1, "the exams can still be read"
    for _ in range(2):
        with pytest.raises(StoreError, match="is damaged"):
            Store(store.folder)
    assert backup_names(store) == [] and not list(store.folder.glob("*.part"))


def test_the_advice_for_a_damaged_file_restores_the_newest_backup(store, stored_exam, monkeypatch):
    monkeypatch.setattr("mvmlm.store.backup_names.datetime", FixedDay(1))
    Store(store.folder).close()
    store.close()
    damage(store.file.path)
    (newest,) = backup_names(store)
    monkeypatch.setattr("mvmlm.store.backup_names.datetime", FixedDay(2))
    with pytest.raises(StoreError, match=f"move {FILE} and, if it is there, {FILE}-wal .* rename {newest} to {FILE}"):
        Store(store.folder)
    store.file.path.unlink()
    (store.folder / newest).rename(store.file.path)
    assert Store(store.folder).exams.get(stored_exam).id == stored_exam


def test_a_full_disk_at_the_time_of_the_backup_is_a_notice_and_the_store_opens(store, stored_exam, monkeypatch):
    def no_space(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(backups.os, "open", no_space)
    opened = Store(store.folder)
    (notice,) = opened.file.notices
    assert "no backup of today" in notice and "the disk is full" in notice
    assert opened.exams.get(stored_exam).id == stored_exam


@pytest.mark.parametrize(
    "number, words",
    [
        (errno.ENOSPC, "the disk is full. Free some space"),
        (errno.EROFS, "read-only. Make it writable"),
        (errno.EACCES, "read-only. Make it writable"),
        (errno.ENOTDIR, "its folder is a file"),
        (errno.EIO, "the disk reports an error"),
    ],
)
def test_an_error_of_the_disk_is_a_sentence_that_says_what_to_do(tmp_path, monkeypatch, number, words):
    def fail(*arguments, **keywords):
        raise OSError(number, "in the words of the system")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(StoreError, match=words) as error:
        Store(tmp_path / "Doe^Jane")
    assert "Doe" not in str(error.value) and "words of the system" not in str(error.value)


def test_a_folder_that_is_a_file_is_said(tmp_path):
    (tmp_path / "data").write_text("x", encoding="utf-8")
    with pytest.raises(StoreError, match="its folder is a file. Choose a folder"):
        Store(tmp_path / "data")


def test_a_disk_that_fills_up_between_two_pages_is_called_full(tmp_path, monkeypatch):
    monkeypatch.setattr(errors.shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR | (19 << 8)  # SQLITE_IOERR_SHMSIZE
    with pytest.raises(StoreError, match="the disk is full"), errors.storage_errors(tmp_path / FILE):
        raise error


def test_what_a_read_only_file_answers_is_said(store, stored_exam):
    store.file.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="read-only. Make it writable"):
        store.prompt_sets.save("mine", ["a mass"], "ann")


def test_a_store_that_was_closed_says_that_the_program_is_ending(store):
    store.close()
    with pytest.raises(StoreError, match="the program is ending"):
        store.exams.count()


@pytest.mark.parametrize(
    "value, words",
    [
        (float("nan"), "not a number"),
        (float("inf"), "not a number"),
        (2**64, "more digits"),
        ("lone \ud800 surrogate", "not Unicode"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused_and_nothing_is_stored(store, stored_exam, value, words):
    with pytest.raises(ValueError, match=words), store.file.transaction() as conn:
        conn.executemany("UPDATE exams SET score = ? WHERE id = ?", [(0.5, stored_exam), (value, stored_exam)])
    with pytest.raises(ValueError, match=words), store.file.transaction() as conn:
        conn.execute("UPDATE exams SET score = ? WHERE id = ?", [value, stored_exam])
    assert store.exams.get(stored_exam).score is None


def test_a_score_or_probability_outside_0_to_1_is_refused(store, stored_exam):
    for score in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            store.predictions.add(stored_exam, "demo", [], score)
        with pytest.raises(ValueError, match="between 0 and 1"):
            store.predictions.add(stored_exam, "demo", [("mass", "R", "present", "head", score)], None)
        with pytest.raises(ValueError):
            store.predictions.set_scores([(stored_exam, score)])
    assert store.predictions.of_exam(stored_exam) == [] and store.exams.get(stored_exam).score is None


def test_a_history_line_with_nan_is_refused(store):
    with pytest.raises(ValueError), store.file.transaction():
        store.file.record("ann", "what", "exam 1", after={"value": float("nan")})
    assert store.file.history("exam 1") == []


def test_a_value_that_a_table_does_not_accept_is_a_sentence(store, exam_files):
    with pytest.raises((StoreError, ValueError), match="split|accept") as error:
        store.exams.add(*exam_files, "ann", split="validation")
    assert "CHECK" not in str(error.value) and store.exams.count() == 0
