"""The bar of a visitor's job: what is done, the time that is left, and the button that stops it."""

from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from app.jobs import JobEvents, job_html, owner_of, time_left
from app.privacy import COOKIE

ANN, BEN = (SimpleNamespace(cookies={COOKIE: name}) for name in ("ann", "ben"))


def running(store, progress, kind="encode"):
    number = store.jobs.add(kind, {}, "ann", owner_of(ANN))
    store.jobs.take("me")
    store.jobs.update_progress(number, progress, "120 of 500 exams encoded, 380 left")
    return store.jobs.get(number)


@pytest.mark.parametrize("seconds, progress, said", [
    (60, 0.25, "about 3 min left"), (60, 0.5, "about 60 s left"), (60, 0.9, "a few seconds left"),
    (3600, 0.25, "about 3.0 h left"), (2, 0.5, ""), (60, 0.01, ""),
])  # fmt: skip
def test_the_time_left_is_that_at_the_pace_so_far(store, seconds, progress, said):
    job = running(store, progress)
    assert time_left(job, datetime.fromisoformat(job.started) + timedelta(seconds=seconds)) == said


def test_a_running_job_shows_what_is_done_and_left(store):
    job = running(store, 0.24)
    page = job_html(job, now=datetime.fromisoformat(job.started) + timedelta(seconds=60))
    assert 'aria-valuenow="24"' in page and "width:24%" in page and "about 3 min left" in page
    assert "120 of 500 exams encoded, 380 left" in page


def test_a_queued_job_says_what_it_waits_for(store):
    running(store, 0.1)
    store.jobs.add("finetune", {}, "ben", owner_of(BEN))
    bar, stop, timer = JobEvents(store, ("finetune",)).show(BEN)
    assert "Teaching, job 2: queued" in bar and "It waits for 1 other job." in bar and stop.visible and timer.active


def test_a_running_job_that_is_stopped_says_so_until_it_has_ended(store):
    job = running(store, 0.5)
    events = JobEvents(store, ("encode",))
    bar, stop, timer = events.stop(ANN)
    assert "Encoding, job 1: stopping" in bar and " left</span>" not in bar and not stop.visible and timer.active
    assert store.jobs.get(job.id).cancel
    store.jobs.finish(job.id, "cancelled", "cancelled before there was a result")
    bar, stop, timer = events.show(ANN)
    assert "cancelled" in bar and "progressbar" not in bar and not timer.active


def test_a_job_that_starts_again_counts_its_time_anew(store):
    first = running(store, 0.5).started
    store.jobs.requeue_orphans()
    assert store.jobs.take("other").started >= first
