"""The soak notices what it looks for: answers of another exam, a refusal, an acknowledged answer that is gone."""

import sys
from types import SimpleNamespace

import pytest

from mvmlm.exam import Exam
from mvmlm.reading.reading import Reading
from mvmlm.store.store import Store
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import soak
from page_client import EventFailed


@pytest.fixture
def pages(monkeypatch):
    """What a page shows of an exam, in place of an app."""
    shown = {}

    def see(page, exam):
        if isinstance(shown[exam], Exception):
            raise shown[exam]
        return {"answers": shown[exam]}, {"open": 0.1, "answers": 0.2, "prompt": 0.1, "map": 0.1}

    monkeypatch.setattr(soak, "see", see)
    monkeypatch.setattr(soak, "PageClient", lambda address: SimpleNamespace(close=lambda: None))
    return shown


def test_every_visitor_sees_at_least_one_exam_and_what_was_seen_alone(pages):
    pages |= {"first": "1", "second": "2"}
    found = soak.visit_at_once("", ["first", "second"], [{"answers": "1"}, {"answers": "2"}], 5, 0)
    assert (found.failed, found.crossed, len(found.seconds["open"])) == ([], [], 5)


def test_answers_of_another_exam_are_noticed(pages):
    pages |= {"first": "1", "second": "1"}
    found = soak.visit_at_once("", ["first", "second"], [{"answers": "1"}, {"answers": "2"}], 4, 0)
    assert len(found.crossed) == 2 and "other answers than of exam 1" in found.crossed[0]


def test_who_is_refused_is_noticed(pages):
    pages["first"] = EventFailed("Too many people")
    found = soak.visit_at_once("", ["first"], [{"answers": "1"}], 2, 0)
    assert len(found.failed) == 2 and "Too many people" in found.failed[0]


def test_an_acknowledged_answer_that_is_not_stored_is_noticed(tmp_path, exam_files):
    store = Store(tmp_path)
    exam, paths = exam_files
    number = store.exams.add(Exam(exam.views), dict(paths), "tests")
    read = store.readings.start(number, soak.READER)
    store.readings.save(read.id, Reading(), Reading({(None, "density"): "B"}))
    store.close()
    killed = soak.Killed(tmp_path)
    killed.acknowledged, killed.sent = "B", "C"
    assert killed.lost() == ""
    killed.acknowledged = "D"
    assert "acknowledged D" in killed.lost()


def test_a_job_that_was_not_done_is_noticed(tmp_path):
    store = Store(tmp_path)
    for state in ("done", "failed"):
        number = store.jobs.add("encode", {"state": state}, "tests")
        store.jobs.take("1")
        store.jobs.finish(number, state, "why")
    store.close()
    jobs, undone = soak.wait_for_jobs(tmp_path)
    assert jobs == 2 and undone == ["job 2: failed, why"]
