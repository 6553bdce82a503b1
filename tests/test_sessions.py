"""Reading sessions: exams are claimed one by one, skipped ones come back, and nobody reads an exam too often."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlite_utils import Database

from mvmlm.exam import Exam, Laterality
from mvmlm.reading.reading import Reading, ReadKind
from mvmlm.store.database import StoreError
from mvmlm.store.records import Filter, disagreeing_pair, independent_reads
from mvmlm.store.schema_history import m015_words_of_final_reads
from mvmlm.store.sessions import ExamState, ReadingOrder

R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.fixture
def exams(store, exam_files):
    """Six stored exams."""
    exam, paths = exam_files
    return [
        store.exams.add(
            Exam({name: replace(view) for name, view in exam.views.items()}), paths, "ann", patient_id=f"p{number}",
            study_id=str(number),
        )
        for number in range(6)
    ]  # fmt: skip


def give(store, exam, reader, opinion="normal", final=True, **fields):
    """A signed read with an opinion."""
    read = store.readings.start(exam, reader)
    breasts = {(side, "breast_opinion"): "symptoms only" for side in (R, L)} if opinion == "recall" else {}
    store.readings.save(read.id, read.reading, Reading({(None, "opinion"): opinion} | breasts))
    store.readings.sign(read.id)
    if final:
        store.readings.finalise(read.id)


def test_exams_are_claimed_one_by_one_and_the_claimed_one_comes_again(store, exams):
    session = store.sessions.start("ann", exams, size=3)
    assert store.sessions.next_exam(session.id) == store.sessions.next_exam(session.id) == exams[0]
    seen = []
    while (exam := store.sessions.next_exam(session.id)) is not None:
        seen.append(exam)
        give(store, exam, "ann", final=False)
        store.sessions.mark(session.id, exam, ExamState.READ)
    assert seen == exams[:3] and store.sessions.open_of("ann") == session
    assert [read.final for read in store.sessions.reads(session.id)] == [None] * 3
    assert store.sessions.end(session.id).ended and store.sessions.open_of("ann") is None
    assert all(read.final for read in store.sessions.reads(session.id))


def test_a_skipped_exam_comes_back_at_the_end_and_others_leave_the_list(store, exams):
    session = store.sessions.start("ann", exams[:4])
    first, second, third, fourth = exams[:4]
    for exam, state, reason in (
        (first, ExamState.SKIPPED, ""), (second, ExamState.SET_ASIDE, "wrong woman"), (third, ExamState.PRIORS_WANTED, "")
    ):  # fmt: skip
        assert store.sessions.next_exam(session.id) == exam
        if reason:
            with pytest.raises(StoreError, match="why the exam is set aside"):
                store.sessions.mark(session.id, exam, state)
        store.sessions.mark(session.id, exam, state, reason)
    assert store.sessions.next_exam(session.id) == fourth
    store.sessions.mark(session.id, fourth, ExamState.READ)
    assert store.sessions.next_exam(session.id) == first, "the skipped one"
    store.sessions.mark(session.id, first, ExamState.READ)
    assert store.sessions.next_exam(session.id) is None
    assert [item.state.value for item in store.sessions.exams(session.id)] == [
        "read",
        "set aside",
        "priors wanted",
        "read",
    ]
    other = store.sessions.start("ben", exams[:4])
    assert store.sessions.next_exam(other.id) == first, (
        "read is only said by a read, and what left the list is not offered"
    )
    assert [(item.exam, item.reason) for item in store.sessions.left_out(exams)] == [
        (second, "wrong woman"),
        (third, ""),
    ]
    store.sessions.put_back(third, "ben")
    assert [item.exam for item in store.sessions.left_out(exams)] == [second]
    store.sessions.mark(other.id, first, ExamState.SKIPPED)
    assert store.sessions.next_exam(other.id) == third
    with pytest.raises(StoreError, match="not part of your session"):
        store.sessions.mark(other.id, exams[5], ExamState.READ)


def test_two_readers_do_not_claim_the_same_exam_and_a_second_reader_reads_what_the_first_has_read(store, exams):
    ann, ben = (store.sessions.start(reader, exams[:2], reads=2) for reader in ("ann", "ben"))
    assert store.sessions.next_exam(ann.id) == exams[0] and store.sessions.next_exam(ben.id) == exams[1]
    for session, exam, reader in ((ann, exams[0], "ann"), (ben, exams[1], "ben")):
        give(store, exam, reader)
        store.sessions.mark(session.id, exam, ExamState.READ)
    assert store.sessions.next_exam(ann.id) == exams[1] and store.sessions.next_exam(ben.id) == exams[0]
    for session, exam, reader in ((ann, exams[1], "ann"), (ben, exams[0], "ben")):
        give(store, exam, reader)
        store.sessions.mark(session.id, exam, ExamState.READ)
    with pytest.raises(StoreError, match="no exam left"):
        store.sessions.start("cat", exams[:2], reads=2)


def test_an_arbitration_session_has_the_exams_on_which_reads_of_others_disagree(store, exams):
    for exam, opinions in zip(exams, (("normal", "normal"), ("normal", "recall"), ("recall", "normal")), strict=False):
        for reader, opinion in zip(("ann", "ben"), opinions, strict=True):
            give(store, exam, reader, opinion)
    with pytest.raises(StoreError, match="no exam left"):
        store.sessions.start("ann", exams, arbitration=True)
    session = store.sessions.start("cat", exams, arbitration=True)
    assert store.sessions.next_exam(session.id) == exams[1]
    store.readings.start_arbitration(exams[1], "cat")
    store.sessions.mark(session.id, exams[1], ExamState.READ)
    assert store.sessions.next_exam(session.id) == exams[2]


def test_a_random_order_is_stored_and_can_be_repeated(store, exams):
    first = store.sessions.start("ann", exams, sequence=ReadingOrder.RANDOM)
    again = store.sessions.start("ann", exams, sequence=ReadingOrder.RANDOM, seed=first.seed)
    assert first.candidates == again.candidates and sorted(first.candidates) == sorted(exams)
    assert store.sessions.get(first.id).ended, "a reader has one session at a time"


def test_the_worklist_finds_and_shows_what_final_reads_say_and_nothing_of_a_draft(store, exams):
    read = store.readings.start(exams[0], "ann")
    said = Reading({(None, "opinion"): "normal", (None, "density"): "C", (None, "note"): "spiculated"})
    store.readings.save(read.id, read.reading, said)
    found = Filter(words="spiculated")
    assert store.worklist.numbers(found) == [] and store.exams.get(exams[0]).density is None
    store.readings.sign(read.id)
    assert store.worklist.numbers(found) == [], "its reader may still change it"
    store.readings.finalise(read.id)
    assert store.worklist.numbers(found) == [exams[0]] and store.exams.get(exams[0]).density == "C"
    draft = store.readings.start(exams[1], "ann")
    store.readings.save(draft.id, draft.reading, said)
    with store.file.transaction() as conn:  # as earlier versions left it
        conn.execute("UPDATE exams SET density = 'C'")
        conn.execute("UPDATE exam_words SET note = 'spiculated'")
        m015_words_of_final_reads(Database(conn))
    assert store.worklist.numbers(found) == [exams[0]] and store.exams.get(exams[1]).density is None


def test_a_skipped_exam_comes_back_once(store, exams):
    session = store.sessions.start("ann", exams[:2])
    claimed = []
    while (exam := store.sessions.next_exam(session.id)) is not None:
        claimed.append(exam)
        store.sessions.mark(session.id, exam, ExamState.SKIPPED)
    assert claimed == [exams[0], exams[1], exams[0], exams[1]]


def test_an_exam_whose_priors_were_wanted_is_offered_when_an_earlier_one_was_stored(store, exams, monkeypatch):
    session = store.sessions.start("ann", exams[:1])
    store.sessions.next_exam(session.id)
    store.sessions.mark(session.id, exams[0], ExamState.PRIORS_WANTED)
    store.sessions.end(session.id)
    with pytest.raises(StoreError, match="waiting for priors: 1"):
        store.sessions.start("ben", exams[:1])
    store.file.conn.execute(
        "UPDATE exams SET patient = (SELECT patient FROM exams WHERE id = ?), exam_date = '20200101' WHERE id = ?",
        [exams[0], exams[1]],
    )
    store.file.conn.execute("UPDATE exams SET exam_date = '20240101' WHERE id = ?", [exams[0]])
    with pytest.raises(StoreError, match="waiting for priors: 1"):
        store.sessions.start("ben", exams[:1])
    store.file.conn.execute("UPDATE exams SET added = '2999-01-01T00:00:00.000' WHERE id = ?", [exams[1]])
    assert store.sessions.next_exam(store.sessions.start("ben", exams[:1]).id) == exams[0]


def test_a_draft_of_an_arbitration_that_was_left_is_in_nobodys_way(store, exams, monkeypatch):
    give(store, exams[0], "ann")
    give(store, exams[0], "ben", "recall")
    left = store.readings.start_arbitration(exams[0], "cat")
    with pytest.raises(StoreError, match="cat arbitrates"):
        store.readings.start_arbitration(exams[0], "dan")
    with pytest.raises(StoreError, match="no exam left"):
        store.sessions.start("dan", exams[:1], arbitration=True)
    monkeypatch.setattr("mvmlm.store.readings.ARBITRATION_DRAFT", timedelta(minutes=-1))  # an hour has passed
    store.sessions.end(store.sessions.start("dan", exams[:1], arbitration=True).id)
    taken = store.readings.start_arbitration(exams[0], "dan")
    for read in (taken, left):
        store.readings.save(read.id, Reading(), Reading({(None, "opinion"): "normal"}))
    store.readings.sign(taken.id)
    with pytest.raises(StoreError, match="dan has arbitrated this exam in the meantime"):
        store.readings.sign(left.id)


def test_who_has_seen_the_reads_of_others_gives_no_further_read(store, exams):
    give(store, exams[0], "ann")
    give(store, exams[0], "ben", "recall")
    together = store.readings.start_arbitration(exams[0], "cat", ["Dan"])
    assert store.readings.start(exams[0], "Cat").id == together.id, "capital letters make no other reader"
    with pytest.raises(StoreError, match="decided on this exam with cat"):
        store.readings.start(exams[0], "dan")
    assert store.readings.start(exams[0], "ANN").reader == "ann"


def test_a_read_that_is_opened_again_keeps_its_kind_and_counts_as_given(store, exams):
    give(store, exams[0], "ann", final=False)
    give(store, exams[0], "ben", final=False)
    ann, ben = store.readings.of_exam(exams[0])
    store.readings.reopen(ann.id)
    store.readings.reopen(ben.id)
    give(store, exams[0], "cat", final=False)
    for read in (ben, ann):
        store.readings.sign(read.id)
    kinds = {read.reader: read.kind.value for read in store.readings.of_exam(exams[0])}
    assert kinds == {"ann": "first", "ben": "second", "cat": "second"}


def test_what_readers_decided_in_the_end_disagrees_also_where_the_model_was_seen(store, exams):
    give(store, exams[0], "ann")
    read = store.readings.start(exams[0], "ben")
    store.readings.mark_informed(read.id)
    give(store, exams[0], "ben", "recall")
    reads = store.readings.of_exam(exams[0])
    assert [one.reader for one in disagreeing_pair(reads)] == ["ann", "ben"] and len(independent_reads(reads)) == 1
    assert store.sessions.start("cat", exams[:1], arbitration=True).size == 1
    assert store.exams.get(exams[0]).disagreement


def test_the_versions_of_one_reader_do_not_differ_from_each_other(store, exams):
    give(store, exams[0], "ann")
    for opinion in ("technical recall", "normal"):
        later = store.readings.amend(store.readings.of_exam(exams[0])[-1].id)
        repeat = {(R, "repeat_cc"): "blurred"} if opinion != "normal" else {}
        store.readings.save(later.id, later.reading, Reading({(None, "opinion"): opinion} | repeat))
        store.readings.finalise(store.readings.sign(later.id).id)
    assert not store.exams.get(exams[0]).disagreement and disagreeing_pair(store.readings.of_exam(exams[0])) is None


def test_a_read_is_final_after_an_hour_without_anybody_asking_for_it(store, exams, monkeypatch):
    give(store, exams[0], "ann", final=False)
    give(store, exams[0], "ben", "recall", final=False)
    monkeypatch.setattr("mvmlm.store.readings.FINAL_AFTER", timedelta(0))
    assert store.readings.start_arbitration(exams[0], "cat").kind is ReadKind.ARBITRATION
    ann = store.readings.of_exam(exams[0])[0]
    assert ann.final and store.readings.amend(ann.id).amends == ann.id
