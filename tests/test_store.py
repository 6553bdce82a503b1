"""The store keeps what was acknowledged, refuses what is wrong, and says what to do."""

import multiprocessing
import os
import random
import signal
import sqlite3
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mvmlm.exam import Exam, Laterality, Projection, ViewName
from mvmlm.reading.edit import add_finding, apply_report, describe_finding
from mvmlm.reading.labels import label_of
from mvmlm.reading.merge import Conflict
from mvmlm.reading.reading import Mark, MarkedFinding, Reading, ReadKind
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import parse_report
from mvmlm.store.database import FILE, StoreError
from mvmlm.store.records import Filter, reference_reading
from mvmlm.store.store import Store
from mvmlm.tasks import TASK

R, L = Laterality.RIGHT, Laterality.LEFT
R_CC, R_MLO = ViewName(R, Projection.CC), ViewName(R, Projection.MLO)
BOX = Mark(R_CC, "box", "mass", ((10.0, 20.0), (30.5, 44.25)))


@pytest.fixture
def stored_exam(store, exam_files):
    return store.exams.add(*exam_files, "ann", patient_id="Doe^Jane 4711", study_id="1.2.3")


def mass(*marks):
    return MarkedFinding(R, "mass", Finding("mass", shape="oval"), marks or (BOX,))


def test_what_is_saved_comes_back_the_same(store, stored_exam):
    reading = store.readings.start(stored_exam, "ann")
    mine = Reading(
        {(R, "mass"): "1", (L, "mass"): "0", (None, "density"): "C", (None, "note"): "Ünïcode; 'quoted'"}, {1: mass()}
    )
    assert store.readings.save(reading.id, reading.reading, mine, 3.5) == mine
    again = Store(store.folder)
    assert again.readings.get(reading.id).reading == mine and again.readings.get(reading.id).seconds == 3.5
    assert Reading.from_json(mine.to_json()) == mine


def test_no_name_and_no_plain_id_is_in_the_file(store, stored_exam):
    store.file.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw = (store.file.path).read_bytes()
    assert b"Doe" not in raw and b"Jane" not in raw and b"1.2.3" not in raw


def test_the_same_patient_is_found_again_and_stays_in_her_split(store, exam_files):
    exams = [store.exams.add(*exam_files, "ann", patient_id=f"p{n % 20}", study_id=f"s{n}") for n in range(40)]
    patients = {store.exams.get(n).patient: store.exams.get(n).split for n in exams}
    assert len(patients) == 20 and sorted(patients.values()).count("test") == 6
    assert store.exams.add(*exam_files, "ann", patient_id="p0", study_id="s0") == exams[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {(R, "mass"): "2"},
        {(R, "density"): "C"},
        {(None, "density"): "E"},
        {(None, "risk_years"): "nan"},
        {(R, "colour"): "red"},
    ],
)
def test_a_value_the_form_does_not_know_is_refused(store, stored_exam, wrong):
    reading = store.readings.start(stored_exam, "ann")
    with pytest.raises(ValueError):
        store.readings.save(reading.id, reading.reading, Reading(wrong))
    assert store.readings.get(reading.id).reading == Reading()


@pytest.mark.parametrize("points", [((float("nan"), 1.0), (2.0, 3.0)), ((1.0, 1.0), (5000.0, 9.0)), ((1.0, 1.0),)])
def test_an_impossible_box_is_refused_and_nothing_is_stored(store, stored_exam, points):
    reading = store.readings.start(stored_exam, "ann")
    with pytest.raises(ValueError):
        store.readings.save(reading.id, Reading(), Reading({}, {1: mass(BOX._replace(points=points))}))
    assert store.readings.get(reading.id).reading == Reading()


def test_changes_of_different_things_in_two_tabs_are_both_stored(store, stored_exam):
    number, base = store.readings.start(stored_exam, "ann").id, Reading()
    store.readings.save(number, base, Reading({(R, "mass"): "1"}, {1: mass()}))
    result = store.readings.save(number, base, Reading({(L, "mass"): "0"}))
    assert result.fields == {(R, "mass"): "1", (L, "mass"): "0"} and result.findings[1] == mass()


def test_the_same_finding_edited_in_two_tabs_is_a_conflict(store, stored_exam):
    number = store.readings.start(stored_exam, "ann").id
    base = store.readings.save(number, Reading(), Reading({(R, "birads"): "3"}, {1: mass()}))
    moved = mass(BOX._replace(points=((11.0, 20.0), (30.5, 44.25))))
    store.readings.save(number, base, replace(base, findings={1: moved}))
    with pytest.raises(Conflict, match="finding 1"):
        store.readings.save(number, base, replace(base, findings={}))
    with pytest.raises(Conflict, match="birads"):
        store.readings.save(
            number, replace(base, findings={1: moved}, fields={}), Reading({(R, "birads"): "4A"}, {1: moved})
        )
    assert store.readings.get(number).reading == Reading({(R, "birads"): "3"}, {1: moved})


def test_a_signed_read_is_reopened_until_it_is_final_and_then_amended(store, stored_exam):
    first = store.readings.start(stored_exam, "ann")
    saved = store.readings.save(first.id, Reading(), Reading({(R, "mass"): "1"}))
    assert store.readings.sign(first.id).signed and store.exams.get(stored_exam).state == "signed"
    with pytest.raises(StoreError, match="signed"):
        store.readings.save(first.id, saved, Reading({(R, "mass"): "0"}))
    with pytest.raises(StoreError, match="not final yet"):
        store.readings.amend(first.id)
    assert store.readings.reopen(first.id).signed is None
    store.readings.save(first.id, saved, Reading({(R, "mass"): "0"}))
    store.readings.finalise(store.readings.sign(first.id).id)
    with pytest.raises(StoreError, match="final"):
        store.readings.reopen(first.id)
    after = store.readings.amend(first.id)
    assert (after.amends, after.kind, after.informed) == (first.id, ReadKind.FIRST, False)
    store.readings.save(after.id, after.reading, Reading({(R, "mass"): "1"}))
    assert [read.reading.answer("mass", R) for read in store.readings.of_exam(stored_exam)] == ["0", "1"]
    assert store.readings.amend(first.id).id == store.readings.start(stored_exam, "ann").id == after.id


def test_a_read_is_final_after_an_hour_or_when_the_model_is_shown(store, stored_exam):
    for reader in ("ann", "ben"):
        read = store.readings.start(stored_exam, reader)
        store.readings.save(read.id, Reading(), Reading({(R, "mass"): "1"}))
        store.readings.sign(read.id)
    ann, ben = store.readings.of_exam(stored_exam)
    assert [read.kind for read in (ann, ben)] == [ReadKind.FIRST, ReadKind.SECOND]
    assert reference_reading([ann, ben]) is None and store.comparisons.paired_answers("ann", "ben") == []
    assert store.comparisons.uncounted("ann", "ben") == {"signed, but not final yet": 1}
    assert store.readings.mark_informed(ann.id).final and not store.readings.get(ann.id).informed
    hour_ago = (datetime.now(UTC) - timedelta(minutes=61)).isoformat(timespec="milliseconds")
    store.file.conn.execute("UPDATE readings SET signed = ? WHERE id = ?", [hour_ago, ben.id])
    with pytest.raises(StoreError, match="final"):
        store.readings.reopen(ben.id)
    assert store.readings.get(ben.id).final and store.readings.settle() == 0
    final = store.readings.get(ben.id).final
    assert datetime.fromisoformat(final) - datetime.fromisoformat(hour_ago) == timedelta(minutes=60)
    assert len(store.comparisons.paired_answers("ann", "ben")) == 1 and store.comparisons.uncounted("ann", "ben") == {}


def test_what_is_found_out_later_is_added_to_a_final_read(store, stored_exam):
    read = store.readings.start(stored_exam, "ann")
    saved = store.readings.save(read.id, Reading(), Reading({(R, "mass"): "1"}))
    store.readings.finalise(store.readings.sign(read.id).id)
    truth = saved.with_fields({**saved.fields, (R, "malignancy"): "1"})
    assert store.readings.save(read.id, saved, truth) == truth
    with pytest.raises(StoreError, match="signed"):
        store.readings.save(read.id, truth, truth.with_fields({(R, "malignancy"): "1", (R, "mass"): "0"}))


def test_an_arbitration_needs_two_final_reads_that_disagree_and_another_reader(store, stored_exam):
    for reader, opinion in (("ann", "normal"), ("ben", "recall")):
        read = store.readings.start(stored_exam, reader)
        fields = {(None, "opinion"): opinion, (R, "breast_opinion"): "symptoms only", (L, "breast_opinion"): "normal"}
        store.readings.save(read.id, Reading(), Reading(fields))
        store.readings.sign(read.id)
        with pytest.raises(StoreError, match="nothing to arbitrate"):
            store.readings.start_arbitration(stored_exam, "cat")
        store.readings.finalise(read.id)
    assert store.exams.get(stored_exam).disagreement
    with pytest.raises(StoreError, match="One of the two reads is yours"):
        store.readings.start_arbitration(stored_exam, "ann")
    together = store.readings.start_arbitration(stored_exam, "ann", ["ben", "ann"])
    assert together.kind is ReadKind.ARBITRATION and together.authors == ("ben",)
    assert store.readings.start_arbitration(stored_exam, "ann").id == together.id
    with pytest.raises(StoreError, match="ann arbitrates this exam already"):
        store.readings.start_arbitration(stored_exam, "cat")
    store.readings.save(together.id, Reading(), Reading({(None, "opinion"): "normal"}))
    store.readings.finalise(store.readings.sign(together.id).id)
    assert reference_reading(store.readings.of_exam(stored_exam)).id == together.id


def test_an_empty_or_contradictory_reading_is_not_signed(store, stored_exam):
    reading = store.readings.start(stored_exam, "ann")
    with pytest.raises(StoreError, match="empty"):
        store.readings.sign(reading.id)
    store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "0"}, {1: mass()}))
    with pytest.raises(StoreError, match="“absent”, but one is marked"):
        store.readings.sign(reading.id)


def test_two_readers_who_disagree_are_found_by_the_worklist(store, stored_exam, exam_files):
    store.exams.add(*exam_files, "ann", patient_id="other", study_id="other")
    for reader, density in (("ann", "B"), ("ben", "D")):
        reading = store.readings.start(stored_exam, reader)
        store.readings.save(
            reading.id, Reading(), Reading({(None, "density"): density, (None, "note"): f"seen by {reader}"})
        )
        store.readings.finalise(store.readings.sign(reading.id).id)
    assert [exam.id for exam in store.worklist.page(Filter(disagreement=True))[0]] == [stored_exam]
    assert [exam.id for exam in store.worklist.page(Filter("seen ben"))[0]] == [stored_exam]
    assert store.worklist.page(Filter(state="new"))[1] == 1 and store.worklist.page(Filter(reader="ben"))[1] == 1
    assert store.worklist.page(Filter('nonsense" OR 1'))[1] == 0


def test_every_change_is_in_the_history_which_cannot_be_changed(store, stored_exam):
    reading = store.readings.start(stored_exam, "ann")
    store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "1"}))
    assert [row["what"] for row in store.file.history(f"reading {reading.id}")] == ["started", "saved"]
    for sql in ("DELETE FROM history", "UPDATE history SET who = 'x'"):
        with pytest.raises(StoreError, match="only added to"), store.file.transaction() as conn:
            conn.execute(sql)


def test_a_file_of_a_newer_program_is_refused_and_left_alone(store):
    with store.file.transaction() as conn:
        conn.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('mvmlm', 'm999_future', 'x')"
        )
    store.close()
    with pytest.raises(StoreError, match=r"newer program.*m999_future"):
        Store(store.folder)


def test_a_migration_is_preceded_by_a_dated_backup(store, stored_exam, monkeypatch):
    from mvmlm.store import schema_history as schema

    store.close()
    later = schema.Migrations("mvmlm")
    for name in schema.MIGRATION_NAMES:
        later(name=name)(getattr(schema, name))
    later(name="m998_later")(lambda db: db.conn.execute("CREATE TABLE later (x INTEGER) STRICT"))
    monkeypatch.setattr("mvmlm.store.database.MIGRATION_NAMES", [*schema.MIGRATION_NAMES, "m998_later"])
    monkeypatch.setattr("mvmlm.store.database.migrations", later)
    newer = Store(store.folder)
    assert newer.exams.get(stored_exam).name
    backups = list(store.folder.glob("*.before-m998_later.backup"))
    assert len(backups) == 1 and sqlite3.connect(backups[0]).execute("SELECT count(*) FROM exams").fetchone()[0] == 1


@pytest.mark.parametrize("damage, message", [(b"not a database at all" * 400, "not a store"), (None, "damaged")])
def test_a_damaged_file_gets_a_message_that_says_what_to_do(store, stored_exam, damage, message):
    store.close()
    path = store.folder / FILE
    data = path.read_bytes()
    path.write_bytes(damage or data[:4096] + b"\xff" * (len(data) - 4096))
    with pytest.raises(StoreError, match=message) as error:
        Store(store.folder).worklist.page()
    assert ".backup" in str(error.value)


def test_a_second_writer_waits_and_then_gets_a_message(store, stored_exam, monkeypatch):
    monkeypatch.setattr("mvmlm.store.database.BUSY_SECONDS", 0.2)
    other = Store(store.folder)
    with store.file.transaction(), pytest.raises(StoreError, match="another program is writing"):
        other.readings.start(stored_exam, "ben")
    assert other.readings.start(stored_exam, "ben").reader == "ben"


def test_a_full_disk_loses_nothing_that_was_saved(store, stored_exam):
    reading = store.readings.start(stored_exam, "ann")
    saved = store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "1"}))
    pages = store.file.conn.execute("PRAGMA page_count").fetchone()[0]
    store.file.conn.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="disk is full"):
        for n in range(200):
            store.readings.save(
                reading.id, store.readings.get(reading.id).reading, Reading({(None, "note"): f"{n}" + "x" * 4000})
            )
    store.close()
    kept_note = Store(store.folder).readings.get(reading.id).reading
    assert kept_note.answer("note") or kept_note == saved


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root and Windows may write anything")
def test_a_read_only_file_gets_a_message(store, stored_exam):
    store.close()
    store.file.path.chmod(0o444)
    store.folder.chmod(0o555)
    with pytest.raises(StoreError, match="read-only|cannot be opened"):
        Store(store.folder).readings.start(stored_exam, "ann")


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork a process")


@pytest.fixture(scope="module")
def small_processes():
    """Processes forked from one that holds the store alone: a fork of the tests' own copies the tables of its memory."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _started(work, connection, *arguments):
    connection.send("started")
    work(connection.send, *arguments)


def _killed_while(context, acknowledgements: int, seconds: float, work, *arguments) -> list:
    """Let a process work until it acknowledged so many times and `seconds` longer, and kill it with SIGKILL.

    Returns all that it had acknowledged.
    """
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_started, args=(work, there, *arguments))
    process.start()
    there.close()
    with here:
        assert here.recv() == "started"
        acknowledged = [here.recv() for _ in range(acknowledgements)]
        time.sleep(seconds)  # a random moment in the next save
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL, "the process ended before its kill"
        with suppress(EOFError):
            while True:
                acknowledged.append(here.recv())
    return acknowledged


def _save_numbers(acknowledge, folder, reading, last):
    writer = Store(folder)
    for n in range(last + 1, last + 1000):
        base = writer.readings.get(reading).reading
        writer.readings.save(reading, base, Reading({(None, "note"): str(n)}, {1: mass(), n: mass(BOX)}))
        acknowledge(n)


def _open_store(acknowledge, folder):
    Store(folder)
    acknowledge("open")
    signal.pause()


@needs_fork
def test_every_acknowledged_save_survives_200_kills(store, stored_exam, small_processes):
    number = store.readings.start(stored_exam, "ann").id
    store.close()
    rng, last, saves = random.Random(1), 0, 0
    for _ in range(200):
        moment = rng.randint(0, 2), rng.uniform(0, 0.01)
        acknowledgements = _killed_while(small_processes, *moment, _save_numbers, store.folder, number, last)
        reopened = Store(store.folder)
        reading = reopened.readings.get(number).reading
        found = int(reading.answer("note") or 0)
        acknowledged = acknowledgements[-1] if acknowledgements else last
        assert acknowledged <= found <= acknowledged + 1, "an acknowledged save is lost"
        assert not found or set(reading.findings) == {1, found}, "half a save is there"
        saves, last = saves + len(acknowledgements), found
        reopened.close()
    assert saves > 100, "the kills came before any save: nothing was tested"


@needs_fork
def test_a_kill_during_the_first_migration_leaves_a_file_that_opens(tmp_path, small_processes):
    rng = random.Random(2)
    for n in range(40):
        folder = tmp_path / str(n)
        _killed_while(small_processes, 0, rng.uniform(0.0005, 0.02), _open_store, folder)
        store = Store(folder)
        assert store.worklist.page() == ([], 0) and store.file.setting("salt")
        store.close()


def test_a_parsed_report_fills_the_form_and_removes_nothing():
    reading = Reading(
        {(R, "calcification"): "1", (None, "note"): "mine"}, {1: MarkedFinding(R, "mass", Finding("mass"), (BOX,))}
    )
    report: Findings = parse_report(
        "There is an irregular mass with spiculated margins, 12 mm. No asymmetry. BI-RADS 4B"
    )
    result = apply_report(reading, {R: report})
    assert result.findings[1].descriptors.margin == "spiculated" and result.findings[1].marks == (BOX,)
    assert (
        result.answer("birads", R) == "4B" and result.answer("asymmetry", R) == "0" and result.answer("note") == "mine"
    )
    assert result.answer("calcification", R) == "1"


def test_jobs_are_queued_and_requeued_when_their_worker_is_gone(store):
    first, second = store.jobs.add("finetune", {"a": 1}, "ann"), store.jobs.add("import", {}, "ann")
    assert store.jobs.take("w1").id == first and store.jobs.take("w1") is None
    store.jobs.requeue_orphans()
    assert store.jobs.take("w2").id == first and "interrupted" in store.jobs.get(first).log
    assert store.jobs.update_progress(first, 0.5, "half") is False
    store.jobs.cancel(first, "ann")
    store.jobs.cancel(second, "ann")
    assert store.jobs.update_progress(first, 0.6, "more") is True and store.jobs.get(second).state == "cancelled"
    store.jobs.finish(first, "cancelled", "stopped", {"best": 0.7})
    assert (
        store.jobs.get(first).over
        and store.jobs.get(first).result == {"best": 0.7}
        and "half" in store.jobs.get(first).log
    )


def test_a_finding_is_described_in_the_lexicons_words_only():
    reading, number = add_finding(Reading(), L, "calcification")
    assert reading.answer("calcification", L) == "1" and not reading.findings[number].marks
    after = describe_finding(
        reading,
        number,
        {
            "morphology": "fine pleomorphic",
            "clock": "3",
            "size_mm": 12,
            "features": ["skin thickening"],
            "shape": "oval",
        },
    )
    assert after.findings[number].descriptors == Finding(
        "calcification", morphology="fine pleomorphic", clock=3, size_mm=12, features=("skin thickening",)
    ), "a calcification has no shape"
    for wrong in ({"morphology": "pretty"}, {"clock": "13"}, {"size_mm": -1}):
        with pytest.raises(ValueError):
            describe_finding(reading, number, wrong)
    with pytest.raises(KeyError):
        describe_finding(reading, 9, {})
    assert describe_finding(after, number, {}).findings[number].descriptors == Finding("calcification")


def test_the_date_of_an_outcome_gives_the_years_from_the_exam():
    reading = Reading({(None, "cancer"): "1", (None, "outcome_date"): "2026-07-02"}).check()
    assert label_of(reading, TASK["risk"], None, "20240101") == (pytest.approx(2.5, abs=0.01), True)
    assert label_of(reading, TASK["risk"], None, "20270101") is None, "an outcome before the exam is no follow-up"
    assert label_of(reading, TASK["risk"], None, None) is None and label_of(reading, TASK["risk"], None, "2024") is None
    assert label_of(Reading({(None, "cancer"): "0", (None, "risk_years"): "4"}), TASK["risk"], None) == (4.0, False)
    assert not reading.contradictions()
    with pytest.raises(ValueError, match="expected a date"):
        Reading({(None, "outcome_date"): "31.5.2026"}).check()


def test_a_reading_made_after_the_model_was_seen_is_marked_for_good(store, stored_exam):
    plain, informed = (store.readings.start(stored_exam, who) for who in ("ann", "ben"))
    for reading in (plain, informed):
        store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "1"}))
    store.readings.sign(plain.id)
    assert store.readings.mark_informed(plain.id).informed is False, "after the signature it changes nothing"
    assert store.readings.mark_informed(informed.id).informed and store.readings.mark_informed(informed.id).informed
    store.readings.finalise(store.readings.sign(informed.id).id)
    assert store.readings.get(informed.id).informed and not store.readings.get(plain.id).informed
    assert reference_reading(store.readings.of_exam(stored_exam)).reader == "ann", (
        "the reading made without the model counts first"
    )
    assert reference_reading(store.readings.of_exam(stored_exam), "ben").reader == "ben"
    assert store.comparisons.paired_answers("ann", "ben") == []
    assert "saw the model's answers" in [row["what"] for row in store.file.history(f"reading {informed.id}")]


def test_an_earlier_exam_of_the_same_patient_is_found(store, exam_files):
    exam, paths = exam_files
    numbers = {}
    for date in ("20240101", "20250101", "20260101"):
        views = {n: replace(v, acquisition=replace(v.acquisition, date=date)) for n, v in exam.views.items()}
        numbers[date] = store.exams.add(Exam(views), paths, "ann", patient_id="one woman", study_id=date)
    other = store.exams.add(exam, paths, "ann", patient_id="another", study_id="x")
    assert store.exams.earlier(numbers["20260101"]) == numbers["20250101"]
    assert store.exams.earlier(numbers["20240101"]) is None and store.exams.earlier(other) is None
