"""A network reads one exam at a time, and the same pictures once while they are open."""

import gc
import threading
import weakref
from dataclasses import replace

import pytest

from mvmlm.exam import Exam, FileMark
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.inference.shared_reads import SharedReads


def answers_of(prediction):
    return [
        (answer.task, answer.laterality, answer.class_, round(answer.probability, 6)) for answer in prediction.answers
    ]


@pytest.fixture
def counted(small_predictor, monkeypatch):
    """How often the network read, and how many read at once."""
    counts, lock, encode = {"reads": 0, "now": 0, "most": 0}, threading.Lock(), type(small_predictor).encode_prepared

    def counting(self, exams):
        with lock:
            counts["reads"] += 1
            counts["now"] += 1
            counts["most"] = max(counts["most"], counts["now"])
        try:
            return encode(self, exams)
        finally:
            with lock:
                counts["now"] -= 1

    monkeypatch.setattr(type(small_predictor), "encode_prepared", counting)
    return counts


def test_it_answers_as_the_predictor_does(small_predictor, phantom):
    reads, prompts = SharedReads(), ["spiculated mass"]
    own = small_predictor.predict(phantom.exam, prompts)
    for _ in range(2):
        shared = reads.predict(small_predictor, phantom.exam, prompts)
        assert answers_of(shared) == answers_of(own) and shared.quality_notes == own.quality_notes
        assert shared.exam is phantom.exam and [s.prompt for s in shared.prompts] == [s.prompt for s in own.prompts]


def test_readers_of_the_same_pictures_share_one_read_and_have_exams_of_their_own(small_predictor, phantom, counted):
    reads, found = SharedReads(), []

    def read():
        exam = replace(phantom.exam)
        found.append((exam, reads.predict(small_predictor, exam)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted["reads"] == 1 and all(prediction.exam is exam for exam, prediction in found)
    assert len({id(prediction.encoding) for _, prediction in found}) == 1


def test_other_pictures_another_choice_and_other_weights_are_read_anew(small_predictor, phantom, counted):
    reads, views = SharedReads(), dict(phantom.exam.views)
    reads.predict(small_predictor, phantom.exam)
    first = next(iter(views))
    reads.predict(small_predictor, Exam(views | {first: replace(views[first])}))
    reads.predict(small_predictor, Exam({name: view for name, view in views.items() if name != first}))
    reads.predict(small_predictor, Exam(views, extra=(replace(views[first], phantom=False),)))
    reads.predict(small_predictor, phantom.exam, score_for_processing=True)
    assert counted["reads"] == 5


def test_what_the_files_say_of_an_exam_is_said_of_it_alone(small_predictor, phantom):
    reads, views = SharedReads(), phantom.exam.views
    first = next(iter(views))
    for exam in (phantom.exam, Exam(views, notes=(FileMark("x", "note of this exam", ""),)),
                 Exam(views, extra=(replace(views[first]),)), Exam(views, prior=phantom.exam), phantom.exam):  # fmt: skip
        assert reads.predict(small_predictor, exam).quality_notes == small_predictor.predict(exam).quality_notes


def test_other_prompts_and_other_heads_are_asked_anew_of_the_same_read(small_predictor, phantom, counted):
    reads = SharedReads()
    assert reads.predict(small_predictor, phantom.exam).prompts == ()
    assert {score.prompt for score in reads.predict(small_predictor, phantom.exam, ["mass"]).prompts} == {"mass"}
    other = small_predictor.with_heads([], (), {"malignancy": "why"})
    assert any("why" in note.text for note in reads.predict(other, phantom.exam).quality_notes)
    assert not any("why" in note.text for note in reads.predict(small_predictor, phantom.exam).quality_notes)
    assert counted["reads"] == 1


def test_two_exams_are_read_one_after_the_other(small_predictor, phantom, counted):
    reads = SharedReads()
    exams = [Exam({name: replace(view) for name, view in phantom.exam.views.items()}) for _ in range(3)]
    threads = [threading.Thread(target=reads.predict, args=(small_predictor, exam)) for exam in exams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counted["reads"], counted["most"]) == (3, 1)


def test_what_was_read_goes_with_the_pictures(small_predictor, phantom):
    reads = SharedReads()
    exam = Exam({name: replace(view) for name, view in phantom.exam.views.items()})
    encoding = weakref.ref(reads.predict(small_predictor, exam).encoding)
    kept = next(iter(exam.views.values()))
    del exam
    gc.collect()
    del kept
    gc.collect()
    assert encoding() is None


def test_an_exam_that_cannot_be_read_is_said_to_be_so_each_time(small_predictor):
    reads = SharedReads()
    for _ in range(2):
        with pytest.raises(NoBreast):
            reads.predict(small_predictor, Exam({}))
