"""One worker process at a time, however often it is asked for, and again after it has died."""

import sys
import threading

import pytest
from filelock import FileLock

from mvmlm import supervisor
from mvmlm.supervisor import start_worker
from mvmlm.worker import LOCK


class FakeWorkers:
    """Stands in for worker processes: each waits until it is let go, and then ends as told."""

    def __init__(self):
        self.running = self.most = self.started = 0
        self.begun, self.go, self.ended = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)
        self.status = 0
        self.work = lambda: None

    def run(self, folder, weights):
        self.started += 1
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.release()
        assert self.go.acquire(timeout=30)
        self.work()
        self.running -= 1
        self.ended.release()
        return self.status


@pytest.fixture
def workers(monkeypatch):
    workers = FakeWorkers()
    monkeypatch.setattr(supervisor, "_run_worker", workers.run)
    monkeypatch.setattr(supervisor, "FIRST_PAUSE_SECONDS", 0)
    return workers


def wait_for_the_end():
    for thread in threading.enumerate():
        if thread.name == "worker":
            thread.join(timeout=30)
            assert not thread.is_alive()


def end_all_jobs(store):
    for job in store.jobs.unfinished():
        store.jobs.finish(job.id, "done", "")


def test_without_a_job_no_worker_is_started(store, workers):
    start_worker(store, "demo")
    wait_for_the_end()
    assert workers.started == 0


def test_sixty_presses_start_one_worker(store, workers):
    store.jobs.add("encode", {}, "ann")
    for _ in range(60):
        start_worker(store, "demo")
    assert workers.begun.acquire(timeout=30)
    workers.work = lambda: end_all_jobs(store)
    workers.go.release()
    wait_for_the_end()
    assert (workers.started, workers.most) == (1, 1)
    store.jobs.add("encode", {}, "ann")
    start_worker(store, "demo")
    workers.go.release()
    wait_for_the_end()
    assert (workers.started, workers.most) == (2, 1), "the next job finds a worker again"


def test_a_worker_that_dies_is_started_again_while_jobs_are_left(store, workers):
    store.jobs.add("encode", {}, "ann")
    workers.status = -9
    start_worker(store, "demo")
    for _ in range(3):
        assert workers.begun.acquire(timeout=30)
        workers.go.release()
    assert workers.begun.acquire(timeout=30)
    workers.work = lambda: end_all_jobs(store)
    workers.go.release()
    wait_for_the_end()
    assert (workers.started, workers.most) == (4, 1)


def test_a_job_that_is_added_while_the_worker_ends_is_not_forgotten(store, workers):
    store.jobs.add("encode", {}, "ann")
    start_worker(store, "demo")
    assert workers.begun.acquire(timeout=30)

    def end_then_a_press():
        end_all_jobs(store)
        store.jobs.add("encode", {}, "ann")
        start_worker(store, "demo")
        workers.work = lambda: end_all_jobs(store)

    workers.work = end_then_a_press
    workers.go.release(2)
    wait_for_the_end()
    assert workers.started == 2 and store.jobs.unfinished() == []


def test_no_worker_is_started_beside_one_of_another_program(store, workers, monkeypatch):
    store.jobs.add("encode", {}, "ann")
    looked = threading.Event()
    is_worked_on = supervisor._is_worked_on

    def look(folder):
        found = is_worked_on(folder)
        looked.set()
        return found

    monkeypatch.setattr(supervisor, "_is_worked_on", look)
    with FileLock(store.folder / LOCK):
        start_worker(store, "demo")
        assert looked.wait(30) and workers.started == 0
        end_all_jobs(store)
        wait_for_the_end()  # before the lock is free, so that it is never found free beside a job
    assert workers.started == 0


def test_a_real_worker_process_runs_the_job(store, monkeypatch):
    def command(folder, weights):
        code = "import sys; from pathlib import Path; from mvmlm.worker import work; work(Path(sys.argv[1]), '', 0.1)"
        return [sys.executable, "-c", code, str(folder)]

    assert supervisor._command(store.folder, "demo")[1:] == ["-m", "mvmlm.worker", str(store.folder), "demo"]
    monkeypatch.setattr(supervisor, "_command", command)
    job = store.jobs.add("no such kind", {}, "ann")
    start_worker(store, "demo")
    wait_for_the_end()
    assert store.jobs.get(job).state == "failed" and "no job" in store.jobs.get(job).message
