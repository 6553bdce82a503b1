"""A clock that is set forward or back: nothing that was acknowledged is lost, and the next reader goes on."""

from datetime import datetime, timedelta

import pytest

from mvmlm.exam import Exam
from mvmlm.reading.reading import Reading
from mvmlm.store import backups, database, readings, sessions
from mvmlm.store.store import Store

DENSITY = (None, "density")
JUMPS = [timedelta(days=400), -timedelta(days=400), timedelta(hours=2), -timedelta(hours=2)]


@pytest.fixture
def clock(monkeypatch):
    """A function that sets the clock of the store forward or back."""

    class Clock(datetime):
        off = timedelta(0)

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + cls.off

    for module in (backups, database, readings, sessions):
        monkeypatch.setattr(module, "datetime", Clock)

    def jump(by):
        Clock.off += by

    return jump


@pytest.fixture
def exam(store, exam_files):
    whole, paths = exam_files
    return store.exams.add(Exam(whole.views), paths, "tests")


def answers(store, exam):
    return [read.reading.fields.get(DENSITY) for read in store.readings.of_exam(exam)]


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_read_goes_on_and_its_history_keeps_its_order(store, exam, clock, by):
    read = store.readings.start(exam, "Ann")
    store.readings.save(read.id, Reading(), Reading({DENSITY: "A"}))
    clock(by)
    store.readings.save(read.id, Reading({DENSITY: "A"}), Reading({DENSITY: "B"}))
    assert answers(store, exam) == ["B"]
    signed = store.readings.sign(read.id)
    assert signed.signed and store.readings.get(read.id).reading.fields[DENSITY] == "B"
    numbers = [row["id"] for row in store.file.all("SELECT id FROM history ORDER BY id")]
    assert numbers == sorted(numbers)
    other = store.readings.start(exam, "Ben")
    assert other.reader == "Ben", "the next reader is served"


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_signed_read_can_still_be_opened_or_is_final_and_is_never_lost(store, exam, clock, by):
    read = store.readings.start(exam, "Ann")
    store.readings.save(read.id, Reading(), Reading({DENSITY: "C"}))
    store.readings.sign(read.id)
    clock(by)
    store.readings.settle()
    assert bool(store.readings.get(read.id).final) is (by > timedelta(hours=1))
    clock(-by)
    store.readings.settle()
    assert store.readings.get(read.id).signed and answers(store, exam) == ["C"]


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_the_store_opens_again_with_its_backups(tmp_path, exam_files, clock, by):
    whole, paths = exam_files
    store = Store(tmp_path / "data")
    number = store.exams.add(Exam(whole.views), paths, "tests")
    read = store.readings.start(number, "Ann")
    store.readings.save(read.id, Reading(), Reading({DENSITY: "D"}))
    store.close()
    before = {path.name for path in (tmp_path / "data").glob("*.backup")}
    clock(by)
    store = Store(tmp_path / "data")
    store.readings.save(read.id, Reading({DENSITY: "D"}), Reading({DENSITY: "A"}))
    assert answers(store, number) == ["A"]
    assert before <= {path.name for path in (tmp_path / "data").glob("*.backup")}, "no backup is given up for it"
    store.close()


@pytest.mark.parametrize("by", JUMPS, ids=str)
def test_a_job_that_runs_is_done(store, clock, by):
    number = store.jobs.add("encode", {}, "Ann")
    assert store.jobs.take("1").id == number
    clock(by)
    store.jobs.update_progress(number, 0.5, "half")
    store.jobs.finish(number, "done", "done")
    assert store.jobs.get(number).state == "done" and not store.jobs.unfinished()
