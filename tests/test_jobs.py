"""Jobs: who may stop them, how many there may be, what they keep, and what becomes of their uploads."""

import errno
import json
import sqlite3

import pytest

from mvmlm.store import jobs as jobs_module
from mvmlm.store import uploads as uploads_module
from mvmlm.store.database import FILE, StoreError
from mvmlm.store.jobs import MAX_ATTEMPTS, MAX_JOBS, MAX_OWN_JOBS, TooManyJobs
from mvmlm.store.store import Store
from mvmlm.store.uploads import INCOMING, delete_unneeded_uploads, queue_import, uploads_of_job
from mvmlm.temporary import LOCK, temporary_folder

NAME, ID, DATE = "MUELLER_ANNA_19600101.dcm", "PID-4711", "2024-03-09"


def upload(name=NAME):
    folder = temporary_folder("visit")
    (folder / name).write_bytes(b"an original")
    return folder


def incoming(store):
    files = [path.name for path in (store.folder / INCOMING).rglob("*") if path.is_file()]
    return sorted(name for name in files if name != LOCK)


def test_the_same_job_pressed_again_is_one_until_it_has_ended(store):
    first = store.jobs.add("encode", {"a": (1, 2)}, "ann", "ann")
    assert [store.jobs.add("encode", {"a": [1, 2]}, "ann", "ann") for _ in range(60)] == [first] * 60
    assert store.jobs.add("encode", {"a": [1, 3]}, "ann", "ann") != first
    assert store.jobs.add("encode", {"a": [1, 2]}, "ben", "ben") != first
    store.jobs.take("1")
    store.jobs.cancel(first, "ann")
    assert store.jobs.add("encode", {"a": [1, 2]}, "ann", "ann") != first, "the first is about to stop"


def test_an_owner_and_all_owners_together_have_a_limited_number_of_jobs(store):
    for number in range(MAX_OWN_JOBS):
        store.jobs.add("encode", {"n": number}, "ann", "ann")
    with pytest.raises(TooManyJobs, match=f"You have {MAX_OWN_JOBS} jobs that have not ended.*stop them"):
        store.jobs.add("encode", {"n": -1}, "ann", "ann")
    for number in range(MAX_OWN_JOBS, MAX_JOBS):
        store.jobs.add("encode", {}, "x", f"visitor {number}")
    with pytest.raises(TooManyJobs, match="Try again later"):
        store.jobs.add("encode", {}, "x", "one more")
    assert len(store.jobs.unfinished()) == MAX_JOBS
    store.jobs.cancel_own("ann", "ann")
    assert store.jobs.add("encode", {}, "x", "one more")


def test_an_owner_stops_only_own_jobs(store):
    running, waiting = (store.jobs.add("encode", {"n": n}, "ann", "ann") for n in range(2))
    other = store.jobs.add("encode", {}, "ben", "ben")
    store.jobs.take("1")
    assert store.jobs.cancel_own("ann", "ann") == 2 and store.jobs.cancel_own("ann", "ann") == 0
    assert store.jobs.get(running).cancel and store.jobs.get(waiting).state == "cancelled"
    assert store.jobs.get(other).state == "queued" and not store.jobs.get(other).cancel


@pytest.mark.parametrize("state, progress", [("done", 1.0), ("failed", 0.25), ("cancelled", 0.25)])
def test_only_a_job_that_is_done_shows_a_full_bar(store, state, progress):
    job = store.jobs.add("encode", {}, "ann")
    store.jobs.take("1")
    store.jobs.update_progress(job, 0.25, "1 of 4")
    store.jobs.finish(job, state, "ended")
    assert store.jobs.get(job).progress == progress


def test_an_interrupted_job_starts_again_but_not_for_ever(store):
    job = store.jobs.add("encode", {}, "ann")
    for _ in range(MAX_ATTEMPTS):
        assert store.jobs.take("1").id == job
        store.jobs.requeue_orphans()
    failed = store.jobs.get(job)
    assert failed.state == "failed" and f"{MAX_ATTEMPTS} times" in failed.message and store.jobs.take("1") is None


def test_an_interrupted_job_that_was_to_stop_is_cancelled(store):
    job = store.jobs.add("encode", {}, "ann")
    store.jobs.take("1")
    store.jobs.cancel(job, "ann")
    store.jobs.requeue_orphans()
    assert store.jobs.get(job).state == "cancelled"


def test_the_log_of_a_long_job_keeps_its_newest_lines(store, monkeypatch):
    monkeypatch.setattr(jobs_module, "LOG_CHARACTERS", 500)
    job = store.jobs.add("encode", {}, "ann")
    for number in range(100):
        store.jobs.update_progress(job, number / 100, f"{number} of 100")
    log = store.jobs.get(job).log
    assert len(log) == 500 and log.endswith("99 of 100\n")


def test_an_import_keeps_its_uploads_until_it_has_ended(store):
    folder = upload()
    job = queue_import(store, folder, "ann", "ann")
    assert not folder.exists() and incoming(store) == [NAME]
    settings = store.jobs.get(job).settings
    assert [path.name for path in uploads_of_job(store, settings)] == [NAME]
    assert "MUELLER" not in json.dumps(settings) and str(store.folder) not in json.dumps(settings)
    delete_unneeded_uploads(store)
    store.jobs.take("1")
    delete_unneeded_uploads(store)
    assert incoming(store) == [NAME], "it still waits or runs"
    store.jobs.finish(job, "failed", "failed")
    delete_unneeded_uploads(store)
    assert incoming(store) == []


def test_the_uploads_of_another_visitors_import_survive_a_stop(store):
    mine, others = (queue_import(store, upload(name), name, name) for name in ("mine", "others"))
    store.jobs.cancel_own("mine", "mine")
    delete_unneeded_uploads(store)
    assert incoming(store) == ["others"]
    assert store.jobs.get(mine).state == "cancelled" and store.jobs.get(others).state == "queued"


def test_uploads_that_are_refused_are_deleted(store):
    for number in range(MAX_OWN_JOBS):
        store.jobs.add("encode", {"n": number}, "ann", "ann")
    folder = upload()
    with pytest.raises(TooManyJobs):
        queue_import(store, folder, "ann", "ann")
    assert not folder.exists() and incoming(store) == []


def test_uploads_for_which_the_disk_has_no_room_are_refused_and_deleted(store, monkeypatch):
    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device", NAME)

    monkeypatch.setattr(uploads_module.shutil, "move", full)
    folder = upload()
    with pytest.raises(StoreError, match="the disk is full. Free some space, then upload them again"):
        queue_import(store, folder, "ann", "ann")
    assert not folder.exists() and incoming(store) == [] and store.jobs.unfinished() == []


def test_uploads_without_a_job_are_deleted(store):
    """As after a kill of the app, or an import of 0.4.0 that failed."""
    (store.folder / INCOMING / "0123456789abcdef").mkdir(parents=True)
    (store.folder / INCOMING / "0123456789abcdef" / NAME).touch()
    delete_unneeded_uploads(store)
    assert list((store.folder / INCOMING).iterdir()) == []


@pytest.fixture
def old_folder(tmp_path):
    """A data folder as it was before jobs were private, with patient data in its jobs, and a backup of it."""
    store = Store(tmp_path / "data")
    store.close()
    conn = sqlite3.connect(store.folder / FILE)
    conn.execute("DELETE FROM _sqlite_migrations WHERE name = 'm005_private_jobs'")
    for column in ("owner", "attempts"):
        conn.execute(f"ALTER TABLE jobs DROP COLUMN {column}")
    problems = json.dumps({"problems": [f"patient {ID}, study of {DATE}: damaged", f"{NAME}: no pixels"]})
    rows = [
        ("import", "done", "1 exams imported, 2 failed", problems, "/home/ann/data/incoming/abc", 1.0),
        ("import", "failed", f"{NAME}: access is denied.", None, f"/data/incoming/{'c' * 16}", 1.0),
        ("import", "failed", "no such folder", None, "gone", 1.0),
        ("import", "queued", "", None, "C:\\\\data\\\\incoming\\\\waits", 0.0),
    ]
    for kind, state, message, result, folder, progress in rows:
        settings = json.dumps({"folder": folder, "who": "ann", "named": False})
        conn.execute(
            "INSERT INTO jobs (kind, settings, state, message, log, result, created, progress) VALUES (?,?,?,?,?,?,'',?)",
            [kind, settings, state, message, f"2026-01-01 {message}\n", result, progress],
        )
    conn.commit()
    conn.execute("VACUUM INTO ?", [str(store.folder / f"{FILE}.20260101-000000.before.backup")])
    conn.close()
    return store.folder


def test_patient_data_of_old_jobs_is_gone_from_every_byte_of_the_data_folder(old_folder):
    old = b"".join(path.read_bytes() for path in old_folder.rglob("*") if path.is_file())
    assert all(word.encode() in old for word in (NAME, ID, DATE)), "nothing to remove"
    store = Store(old_folder)
    done, denied, gone, waits = reversed(store.jobs.recent())
    store.close()
    data = b"".join(path.read_bytes() for path in old_folder.rglob("*") if path.is_file())
    assert [word for word in (NAME, ID, DATE) if word.encode() in data] == []
    assert done.message == "1 exams imported, 2 failed" and done.result["problems"][0].startswith("2 files or exams")
    assert "no longer kept" in denied.message and gone.message == "no such folder"
    assert [job.progress for job in (done, denied, gone, waits)] == [1.0, 0.0, 0.0, 0.0]
    assert waits.settings["uploads"] == "waits" and done.settings["uploads"] == "abc" and waits.owner == ""
    assert len(list(old_folder.glob("*.backup"))) == 2
