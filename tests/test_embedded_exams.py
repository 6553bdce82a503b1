"""Embeddings of stored exams: scores, similar exams, what to label next; and the agreement of two readers."""

import hashlib
import json
import sqlite3
from copy import copy
from dataclasses import asdict

import numpy as np
import pytest
import torch

from mvmlm.evaluation.agreement import reader_agreement
from mvmlm.exam import Laterality
from mvmlm.finetuning.active_learning import choose_exams, k_centre, uncertainty
from mvmlm.finetuning.cases import count_cases
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.embeddings import (
    EmbeddedExams,
    ModelScores,
    embed_exams,
    score_exams,
    store_scores,
    vectors_of,
    width_without_views,
)
from mvmlm.finetuning.retrieval import ExamIndexCache
from mvmlm.reading.reading import Reading
from mvmlm.store.records import Filter
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, Level

R, L = Laterality


def store_of(folder, predictor, exam_files, n=12):
    """`n` stored exams with random vectors; exam 3 has no left breast."""
    exam, paths = exam_files
    store, rng = Store(folder), np.random.default_rng(0)
    breast, whole = predictor.width(TASK["mass"].level), predictor.width(TASK["density"].level)
    for number in range(1, n + 1):
        assert store.exams.add(exam, paths, "ann", patient_id=f"p{number}", study_id=f"s{number}") == number
        vectors = {None: rng.normal(size=whole), R: rng.normal(size=breast), L: rng.normal(size=breast)}
        if number == 3:
            del vectors[L]
        store.embeddings.add(number, predictor.weights, f"source {number}", vectors)
    return store


def agreement(store, a, b):
    return reader_agreement(store.comparisons.paired_answers(a, b), store.tasks)


@pytest.fixture
def store(tmp_path, predictor, exam_files):
    return store_of(tmp_path / "data", predictor, exam_files)


def test_scores_of_embedded_exams_are_the_answers_of_the_predictor(tmp_path, predictor, prediction, exam_files):
    store = store_of(tmp_path / "one", predictor, exam_files, 2)
    store.embeddings.add(2, predictor.weights, "again", vectors_of(prediction.encoding))
    embedded = EmbeddedExams.load(store, predictor)
    for task in ("mass", "malignancy", "density"):
        scores, classes = score_exams(predictor, embedded, TASK[task]), TASK[task].classes
        for rows, by in ((scores.head, "head"), (scores.prompts, "prompt")):
            assert rows[1] == pytest.approx([prediction.probability(task, c, by=by) for c in classes], abs=1e-5), (
                task,
                by,
            )
    store_scores(store, predictor)
    assert store.exams.get(2).score == pytest.approx(prediction.probability("malignancy"), abs=1e-5)


def test_a_missing_breast_never_gives_its_exams_score(store, predictor):
    embedded = EmbeddedExams.load(store, predictor)
    assert embedded.exams.tolist() == list(range(1, 13)) and not embedded.read[2, 1] and embedded.read.sum() == 23
    right = score_exams(
        predictor,
        EmbeddedExams(
            embedded.exams,
            embedded.vectors,
            np.stack([embedded.breasts[:, 0], embedded.breasts[:, 0]], 1),
            embedded.read,
        ),
        TASK["mass"],
    )
    assert score_exams(predictor, embedded, TASK["mass"]).head[2] == pytest.approx(right.head[2])


def test_vectors_of_another_or_an_unknown_precision_are_not_mixed_in(store, predictor):
    unknown = "UPDATE embeddings SET precision = '' WHERE exam = 2"  # as 0.4.0 left them
    store.file.conn.execute(unknown)
    vectors = {side: [0.5] * predictor.width(TASK["mass"].level) for side in (R, L)}
    vectors[None] = [0.5] * predictor.width(TASK["density"].level)
    store.embeddings.add(4, predictor.weights, "half", vectors, "bfloat16")
    expected = [number for number in range(1, 13) if number not in (2, 4)]
    assert EmbeddedExams.load(store, predictor).exams.tolist() == expected
    own = np.array(vectors[None][: width_without_views(predictor, Level.EXAM)])
    found = ExamIndexCache(store).index(predictor).nearest_to(own, k=50)
    assert sorted(exam.exam for exam in found) == expected


def test_vectors_that_were_stored_without_the_views_are_not_mixed_in(store, predictor):
    whole = {None: Level.EXAM, R: Level.BREAST, L: Level.BREAST}
    without = {side: [0.5] * width_without_views(predictor, level) for side, level in whole.items()}
    store.embeddings.add(4, predictor.weights, "of an earlier version", without)
    assert 4 not in EmbeddedExams.load(store, predictor).exams.tolist()
    assert len(ExamIndexCache(store).index(predictor).exams) == 11


def test_an_exam_whose_vectors_lack_the_views_is_encoded_again(tmp_path, small_predictor, exam_files, decoder):
    store, messages = Store(tmp_path), []
    store.exams.add(*exam_files, "ann")
    embed_exams(store, small_predictor, decoder, [1], lambda share, message: False)
    short = {R: [0.5] * width_without_views(small_predictor, Level.BREAST)}
    settings = json.dumps(asdict(small_predictor.record.preprocessing), sort_keys=True)  # as before the views
    files = [f"{view.name} {view.sha256}" for view in store.exams.views(1)]
    source = "\n".join([small_predictor.weights, small_predictor.precision, settings, *files])
    store.embeddings.add(1, small_predictor.weights, hashlib.sha256(source.encode()).hexdigest(), short)
    vectors, _ = embed_exams(store, small_predictor, decoder, [1], lambda share, message: messages.append(message))
    assert messages and {len(vector) for side, vector in vectors[1].items() if side} == {
        small_predictor.width(Level.BREAST)
    }


def test_an_exam_is_encoded_again_in_another_precision(tmp_path, small_predictor, exam_files, decoder):
    store = Store(tmp_path)
    store.exams.add(*exam_files, "ann")
    messages = []

    def embed(predictor):
        messages.clear()
        embed_exams(store, predictor, decoder, [1], lambda share, message: messages.append(message))
        return bool(messages)

    assert embed(small_predictor) and not embed(small_predictor)
    other = copy(small_predictor)
    other.precision = "bfloat16"
    assert embed(other) and {row["precision"] for row in store.file.all("SELECT precision FROM embeddings")} == {
        "bfloat16"
    }
    assert embed(small_predictor) and len(EmbeddedExams.load(store, small_predictor)) == 1


def test_answers_and_embeddings_do_not_depend_on_the_callers_autocast(predictor, prediction):
    with torch.autocast("cpu", torch.bfloat16):
        again = predictor.predict(prediction.exam, ["there is a mass"])
    assert again.answers == prediction.answers
    assert vectors_of(again.encoding) == vectors_of(prediction.encoding)
    assert again.encoding.views.features[0].dtype == again.encoding.views.fine.dtype == torch.float32


def test_the_vectors_of_one_exam_are_read_without_those_of_the_others(store, predictor):
    rows = []
    store.file.conn.row_factory = lambda cursor, row: rows.append(row) or sqlite3.Row(cursor, row)
    assert list(store.embeddings.current({7: "source 7"})) == [7] and len(rows) == 3
    numbers = {number: f"source {number}" for number in range(1, 2000)}
    assert sorted(store.embeddings.current(numbers)) == list(range(1, 13))


def test_the_index_is_made_again_after_any_change_of_the_vectors(store, predictor):
    indexes = ExamIndexCache(store)
    embedded = EmbeddedExams.load(store, predictor)
    query = embedded.fused(predictor).exam[11].numpy()
    changed = {
        None: (-embedded.vectors[11]).tolist(),
        R: embedded.breasts[11, 0].tolist(),
        L: embedded.breasts[11, 1].tolist(),
    }
    assert indexes.index(predictor).nearest_to(query, k=1)[0].exam == 12
    store.embeddings.add(
        12, predictor.weights, "other pixels", changed
    )  # the newest rows: as many, with the same numbers
    assert indexes.index(predictor).nearest_to(-query, k=1)[0] == (12, pytest.approx(1))
    store.file.conn.execute("DELETE FROM embeddings WHERE exam = 12")
    assert 12 not in [exam.exam for exam in indexes.index(predictor).nearest_to(-query, k=50)]


def test_the_nearest_exam_is_found_and_new_ones_are_seen(store, predictor, exam_files):
    indexes, embedded = ExamIndexCache(store), EmbeddedExams.load(store, predictor)
    index, query = indexes.index(predictor), embedded.fused(predictor).exam[4].numpy()
    near = index.nearest_to(query + 0.01, k=3)
    assert (
        near[0].exam == 5
        and near[0].similarity > 0.99
        and [n.similarity for n in near] == sorted((n.similarity for n in near), reverse=True)
    )
    assert 5 not in [found.exam for found in index.nearest_to(query, leave_out=5, k=50)]
    assert len(index.nearest_to(query, k=50)) == 12
    assert indexes.index(predictor) is index, "made once"
    exam, paths = exam_files
    assert store.exams.add(exam, paths, "ann", study_id="new") == 13
    store.embeddings.add(
        13, predictor.weights, "x", {None: embedded.vectors[4].tolist(), R: embedded.breasts[0, 0].tolist()}
    )
    assert {found.exam for found in indexes.index(predictor).nearest_to(query, k=2)} == {5, 13}


def test_a_text_finds_the_breast_that_fits_it(store, predictor):
    text = "there is a mass"
    best = predictor.zero_shot.embed_text(text).numpy()
    found = ExamIndexCache(store).index(predictor).best_for_text(best, k=12)
    embedded = EmbeddedExams.load(store, predictor)
    joint = predictor.model.embed_breasts(embedded.fused(predictor)).detach().numpy() @ best
    joint[~embedded.read] = -np.inf
    assert [exam.exam for exam in found] == embedded.exams[np.argsort(-joint.max(1))].tolist()


def test_uncertain_exams_come_first(store, predictor):
    assert uncertainty(np.array([[0.5], [0.9], [0.1]])) == pytest.approx([1, 0.2, 0.2])
    assert uncertainty(np.array([[0.4, 0.4, 0.2], [1, 0, 0]])) == pytest.approx([1, 0])
    embedded = EmbeddedExams.load(store, predictor)
    scores = np.linspace(0, 1, 12)[:, None]
    first = choose_exams("uncertain", 2, embedded, embedded.subset(set()), lambda: ModelScores(scores, None), 1)
    assert sorted(exam for exam, _ in first) == [6, 7]
    apart = choose_exams(
        "disagreement", 1, embedded, embedded.subset(set()), lambda: ModelScores(scores, np.full((12, 1), 1.0)), 1
    )
    assert apart == [(1, 1.0)]
    with pytest.raises(ValueError, match="no ready-made prompts"):
        choose_exams("disagreement", 1, embedded, embedded.subset(set()), lambda: ModelScores(scores, None), 1)
    with pytest.raises(ValueError, match="expected one of"):
        choose_exams("by magic", 1, embedded, embedded, lambda: None, 1)


def test_diverse_exams_cover_what_labelled_ones_do_not():
    corners = np.array([[0, 0], [0, 0.1], [10, 0], [10, 0.1], [0, 10], [5, 5]], float)
    chosen = [row for row, _ in k_centre(corners[1:], corners[:1], 2)]
    assert chosen[0] in (1, 2, 3) and {tuple(corners[1:][row] > 5) for row in chosen} == {(True, False), (False, True)}
    assert len({row for row, _ in k_centre(corners, corners[:0], 6)}) == 6, "each once"


def test_random_exams_are_the_same_for_the_same_seed(store, predictor):
    embedded = EmbeddedExams.load(store, predictor)
    first = choose_exams("random", 5, embedded, embedded, lambda: pytest.fail("the model is not asked"), 4)
    assert (
        first == choose_exams("random", 5, embedded, embedded, lambda: None, 4)
        and len({exam for exam, _ in first}) == 5
    )


def test_readers_agreement_counts_what_both_signed_before_the_model(store):
    answers = {"ann": "0011", "ben": "0110"}
    for who, values in answers.items():
        for number, value in enumerate(values, 1):
            reading = store.readings.start(number, who)
            store.readings.save(reading.id, Reading(), Reading({(R, "mass"): value, (None, "note"): who}))
            store.readings.finalise(store.readings.sign(reading.id).id)
    draft = store.readings.start(5, "ann")
    store.readings.save(draft.id, Reading(), Reading({(R, "mass"): "1"}))
    (mass,) = agreement(store, "ann", "ben")
    assert (mass.title, mass.answers, mass.equal, mass.kappa) == ("Mass", 4, 0.5, pytest.approx(0.0))
    assert agreement(store, "ann", "cleo") == []
    for who, level in (("ann", "0"), ("ben", "4A")):
        reading = store.readings.start(6, who)
        store.readings.save(reading.id, Reading(), Reading({(R, "birads"): level}))
        store.readings.finalise(store.readings.sign(reading.id).id)
    assert [found.title for found in agreement(store, "ann", "ben")] == ["Mass"], "an assessment of 0 is on no scale"


def test_cases_are_counted_before_fine_tuning(store):
    for number in range(1, 9):
        reading = store.readings.start(number, "ann")
        store.readings.save(reading.id, Reading(), Reading({(R, "mass"): "1", (L, "mass"): "0"}))
        store.readings.finalise(store.readings.sign(reading.id).id)
    count = count_cases(store, FinetuneConfig("mass"))
    assert count.train + count.test == 16 and count.train_patients + count.test_patients == 8
    assert count.unit == "breasts" and [name for name, *_ in count.classes] == ["absent", "present"]
    assert sum(train for _, train, _ in count.classes) == count.train
    assert bool(count.missing) == (count.train < 12), count
    assert count_cases(store, FinetuneConfig("mass", exam_filter=Filter(since="20270101"))).train == 0
    assert count_cases(store, FinetuneConfig("density"))[:3] == (0, 0, 0)


def test_exams_are_filtered_by_date_and_score(store):
    store.predictions.set_scores([(1, 0.9), (2, 0.2)])
    assert store.worklist.numbers(Filter(score=0.5)) == [1]
    assert len(store.worklist.numbers(Filter(since="20260101", until="20260101"))) == 12
    assert store.worklist.numbers(Filter(until="20251231")) == []
