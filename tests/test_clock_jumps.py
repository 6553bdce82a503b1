"""A clock that is set forward or back, or stands still: nothing that was acknowledged is lost or reversed."""

from datetime import UTC, datetime, timedelta

import pytest

from mvmlm.exam import Exam, Laterality
from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.fhir import shown_before
from mvmlm.exchange.readings_csv import read_readings, write_readings
from mvmlm.reading.reading import Reading
from mvmlm.store import backup_names
from mvmlm.store import clock as store_clock
from mvmlm.store.backups import MOST_DAILY
from mvmlm.store.errors import damaged
from mvmlm.store.records import Filter, reference_reading
from mvmlm.store.store import Store
from tests.malformed.imports import reading_row

DENSITY = (None, "density")
MASS = Reading({(Laterality.RIGHT, "mass"): "1"})
JUMPS = [timedelta(days=400), -timedelta(days=400), timedelta(hours=2), -timedelta(hours=2)]


@pytest.fixture
def clock(monkeypatch):
    """A function that sets the clock of the store forward or back."""

    class Clock(datetime):
        off = timedelta(0)

        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + cls.off

    for module in (backup_names, store_clock):
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


def test_a_new_backup_is_not_given_up_for_those_of_a_clock_that_ran_ahead(store, clock):
    clock(timedelta(days=400))
    for _ in range(MOST_DAILY):
        ahead = store.file.backup("daily")
        clock(timedelta(days=1))
    clock(-timedelta(days=400 + MOST_DAILY))
    made = store.file.backup("daily")
    assert made.exists() and ahead.exists()
    assert f"rename {made.name} to" in str(damaged(store.file.path)), "it is the newest"


@pytest.fixture(params=[0, -1, -3_600_000], ids=["stands still", "runs backwards", "is set back by hours"])
def odd_clock(request, monkeypatch):
    """A clock that goes so many milliseconds on each time it is asked."""

    class Clock(datetime):
        at = datetime.now(UTC)

        @classmethod
        def now(cls, tz=None):
            cls.at += timedelta(milliseconds=request.param)
            return cls.at

    monkeypatch.setattr(store_clock, "datetime", Clock)


@pytest.fixture
def draft(store, exam_files, odd_clock):
    read = store.readings.start(store.exams.add(*exam_files, "ann"), "ann")
    store.readings.save(read.id, Reading(), MASS)
    return read


def test_answers_that_were_seen_after_the_signature_are_not_ascribed_to_it(store, draft):
    store.file.conn.execute("UPDATE readings SET informed = 1 WHERE id = ?", [draft.id])  # by others' marks
    store.readings.sign(draft.id)
    read = store.readings.mark_informed(draft.id)
    assert read.started < read.signed < read.model_shown <= read.final
    assert shown_before([{"at": read.started}], read) == []


def test_answers_that_were_seen_before_the_signature_are_ascribed_to_it(store, draft):
    answered = store.readings.mark_informed(draft.id).model_shown
    read = store.readings.finalise(store.readings.sign(draft.id).id)
    assert read.started < read.model_shown < read.signed < read.final
    assert shown_before([{"at": answered}], read)
    amended = store.readings.sign(store.readings.amend(read.id).id)
    assert amended.model_shown < amended.signed and amended.started < amended.signed


def test_a_version_follows_what_it_amends_in_lists_exports_and_the_worklist(store, draft, tmp_path):
    store.readings.save(draft.id, MASS, MASS.with_fields(MASS.fields | {DENSITY: "A"}))
    before = store.readings.finalise(store.readings.sign(draft.id).id)
    amended = store.readings.amend(before.id)
    store.readings.save(amended.id, before.reading, MASS.with_fields(MASS.fields | {DENSITY: "D"}))
    store.readings.finalise(store.readings.sign(amended.id).id)
    assert [read.id for read in store.readings.of_exam(before.exam)] == [before.id, amended.id]
    assert store.worklist.ordered_numbers(Filter(density="D"), 9) == [before.exam]
    write_readings(store, tmp_path / "readings.csv")
    write_coco(store, tmp_path / "marks.json")
    rows = (tmp_path / "readings.csv").read_text(encoding="utf-8").splitlines()
    assert [row.split(",")[3] for row in rows if ",density," in row] == ["1", "2"]


def test_times_of_other_time_zones_are_compared_as_moments(store, exam_files, tmp_path):
    exam, table = store.exams.add(*exam_files, "ann", name="case0"), tmp_path / "readings.csv"
    times = {"ann": "2026-01-01T09:30:00-02:00", "ben": "2026-01-01T11:00:00+00:00"}
    tables = [reading_row(reader=reader, started=at, signed=at, final=at) for reader, at in times.items()]
    table.write_text(tables[0] + tables[1].split("\n", 1)[1], encoding="utf-8")
    assert read_readings(store, table) == (2, ())
    newest = reference_reading(store.readings.of_exam(exam))
    assert (newest.reader, newest.signed) == ("ann", "2026-01-01T11:30:00.000+00:00")


def test_a_time_is_later_than_what_came_before_it():
    assert store_clock.later_than(None, "2026-01-01T00:00:00.000+00:00") <= store_clock.now()
    assert store_clock.later_than("2999-12-31T23:59:59.999-01:00", None) == "3000-01-01T01:00:00.000+00:00"
