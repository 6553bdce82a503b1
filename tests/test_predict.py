"""Predictions: rows, notes on quality, prompts, the JSON record and the draft report."""

import json
import random
from copy import copy
from dataclasses import replace

import numpy as np
import pytest

from app.read.answers import answers_html
from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality
from mvmlm.finetuning.head import FinetunedHead
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.inference.draft_report import draft_findings
from mvmlm.inference.output import prediction_record
from mvmlm.inference.prediction import CalledBack
from mvmlm.loading import load_model
from mvmlm.report.parser import parse_report
from mvmlm.report.writer import write_report
from mvmlm.tasks import TASK, TASKS, Kind, Level

R, L = Laterality


def without(exam, *names):
    return Exam({name: view for name, view in exam.views.items() if name not in names})


def test_every_task_has_its_rows(prediction):
    for task in TASKS:
        sides = (R, L, None) if task.level is Level.BREAST else (None,)
        for side in sides:
            values = [prediction.probability(task.name, class_, side) for class_ in task.classes]
            assert all(0 <= value <= 1 for value in values)
            if task.kind is Kind.MULTICLASS:
                assert sum(values) == pytest.approx(1, abs=1e-5)
            if task.kind is Kind.SURVIVAL:
                assert values == sorted(values)
            if task.prompts:
                assert 0 <= prediction.probability(task.name, task.classes[0], side, "prompt") <= 1


def test_the_exams_answer_is_that_of_the_higher_breast(prediction):
    for task in ("malignancy", "mass", "calcification"):
        breasts = [prediction.probability(task, laterality=side) for side in (R, L)]
        assert prediction.probability(task) == max(breasts)


def test_answers_from_prompts_are_printed_where_no_head_answers(prediction):
    asked = replace(prediction, answers=tuple(answer for answer in prediction.answers if answer.by == "prompt"))
    (line,) = (line for line in str(asked).splitlines() if line.startswith(TASK["malignancy"].title))
    values = [asked.probability("malignancy", laterality=side, by="prompt") for side in (R, L, None)]
    assert "by prompts" in line and line.split()[-3:] == [f"{value:.3f}" for value in values]
    assert "by prompts" not in str(prediction)


def test_a_threshold_says_nothing_of_a_breast_that_was_not_read(prediction):
    for sides, said in (
        ((), "no breast that was read is above it"), ((R,), "above it: right breast"),
        ((R, L), "above it: right and left breast"),
    ):  # fmt: skip
        called = replace(prediction, called_back={"mass": CalledBack(0.5, sides, "It is kept.", "")})
        assert f"mass, your threshold: {said}. It is kept." in str(called)
        assert said in " ".join(answers_html(called, {}).split())


def test_the_same_exam_gives_the_same_answers(predictor, phantom, prediction):
    assert predictor.predict(phantom.exam).answers == prediction.answers


def test_answers_come_from_the_views_that_are_there(predictor, phantom):
    partial = predictor.predict(without(phantom.exam, STANDARD_VIEWS[1], STANDARD_VIEWS[3]))
    assert any(w.kind == "missing" and "L_CC, L_MLO" in w.text for w in partial.quality_notes)
    assert any(w.kind == "not assessed" and "left breast" in w.text for w in partial.quality_notes)
    partial.probability("mass", laterality=R)
    with pytest.raises(KeyError):
        partial.probability("mass", laterality=L)
    assert "missing views: L_CC, L_MLO" in str(partial)


def test_an_exam_without_a_standard_view_is_not_assessed(predictor):
    with pytest.raises(NoBreast, match="no standard view"):
        predictor.predict(Exam({}))


def test_a_black_picture_is_not_assessed_and_the_others_are(predictor, phantom):
    views = dict(phantom.exam.views)
    views[STANDARD_VIEWS[0]] = replace(views[STANDARD_VIEWS[0]], pixels=np.zeros((400, 300), np.uint16))
    prediction = predictor.predict(Exam(views))
    assert any("R_CC was not assessed" in w.text for w in prediction.quality_notes)
    assert STANDARD_VIEWS[0] not in prediction.encoding.names


def test_for_processing_images_are_scored_only_when_asked(predictor, phantom):
    raw = Exam({name: replace(view, for_processing=True) for name, view in phantom.exam.views.items()})
    with pytest.raises(NoBreast, match="FOR PROCESSING"):
        predictor.predict(raw)
    prediction = predictor.predict(raw, score_for_processing=True)
    assert any(w.kind == "for processing" for w in prediction.quality_notes)


@pytest.mark.parametrize(
    ("fact", "kind"), [("implant", "implant"), ("lossy", "lossy"), ("burned_in", "burned-in text")]
)
def test_a_note_names_what_the_weights_were_not_trained_on(predictor, phantom, fact, kind):
    views = dict(phantom.exam.views)
    views[STANDARD_VIEWS[2]] = replace(views[STANDARD_VIEWS[2]], **{fact: True})
    texts = [w.text for w in predictor.predict(Exam(views)).quality_notes if w.kind == kind]
    assert texts and "R_MLO" in texts[0]


def test_a_picture_too_small_for_fine_findings_is_named(predictor, phantom):
    views = {name: replace(view, pixels=view.pixels[::8, ::8]) for name, view in phantom.exam.views.items()}
    texts = [note.text for note in predictor.predict(Exam(views)).quality_notes if note.kind == "small"]
    assert (
        len(texts) == 1 and f"R_CC ({views[STANDARD_VIEWS[0]].columns} × {views[STANDARD_VIEWS[0]].rows})" in texts[0]
    )
    assert not any(note.kind == "small" for note in predictor.predict(phantom.exam).quality_notes)


def test_a_note_names_a_task_that_was_not_learned_where_it_is_answered(predictor, phantom):
    record = replace(predictor.record, training=predictor.record.training | {"at_chance": ["mass", "risk"]})
    unlearned = copy(predictor)
    unlearned.model = copy(predictor.model)
    unlearned.model.record = record

    def note(asked, exam):
        return [note.text for note in asked.predict(exam).quality_notes if note.kind == "not learned"]

    woman = Exam({name: replace(view, phantom=False) for name, view in phantom.exam.views.items()})
    assert note(unlearned, phantom.exam)[0].endswith("Mass; Cancer risk, years 1 to 5.")
    assert note(unlearned, woman)[0].endswith("nothing: Mass."), "nothing is said of what is not answered"
    head = FinetunedHead(TASK["mass"], predictor.width(Level.BREAST), "linear", "mine").eval()
    assert note(unlearned.with_heads([head]), woman) == [], "a fine-tuned head is another one"


def test_prompts_are_scored_for_each_view_breast_and_the_exam(prediction):
    rows = [s for s in prediction.prompts if s.prompt == "spiculated mass"]
    assert [s.view for s in rows[:4]] == list(STANDARD_VIEWS)
    assert [(s.view, s.laterality) for s in rows[4:]] == [(None, R), (None, L), (None, None)]
    assert rows[6].similarity == max(rows[4].similarity, rows[5].similarity)
    assert all(-1 <= s.similarity <= 1 and s.probability is None for s in rows)


def test_the_probabilities_of_a_pair_of_prompts_and_its_reverse_sum_to_one(predictor, prediction):
    there, back = (
        [
            s.probability
            for s in predictor.score_prompts(prediction.encoding, [pair])
            if s.laterality is R and s.view is None
        ]
        for pair in ("there is a mass | no mass", "no mass | there is a mass")
    )
    assert there[0] + back[0] == pytest.approx(1, abs=1e-6)


def test_the_json_record_has_the_documented_keys(prediction):
    record = json.loads(json.dumps(prediction_record(prediction)))
    assert set(record) >= {"exam", "model", "predictions", "prompts"}
    assert set(record["exam"]) >= {"views", "extra", "missing", "set_aside"}
    assert set(record["exam"]["views"]["R_CC"]) >= {"file", "rows", "columns", "spacing_mm"}
    assert {"name", "version"} == set(record["model"])
    row = next(r for r in record["predictions"] if r["task"] == "mass" and r["laterality"] == "R" and r["by"] == "head")
    assert row["class"] == "present" and 0 <= row["probability"] <= 1
    risk = [r for r in record["predictions"] if r["task"] == "risk"]
    assert [r["class"] for r in risk] == ["1", "2", "3", "4", "5"] and all(r["laterality"] is None for r in risk)
    assert [r["class"] for r in record["predictions"] if r["task"] == "density" and r["by"] == "head"] == list("ABCD")
    assert set(record["prompts"][0]) >= {"prompt", "view", "laterality", "similarity"}


def test_a_draft_report_states_only_what_the_heads_answer(prediction):
    found = draft_findings(prediction)
    for side in prediction.encoding.sides:
        breast = getattr(found, side.word)
        for kind in ("mass", "calcification", "asymmetry", "distortion"):
            likely = prediction.probability(kind, laterality=side) >= 0.5
            denied = kind in breast.absent | breast.not_suspicious  # the second where BI-RADS 2 says that it is benign
            assert (breast.first(kind) is not None) == likely and denied != likely
        assert breast.density == max("ABCD", key=lambda letter: prediction.probability("density", letter))
        report = write_report(breast, random.Random(0), side)
        parsed = parse_report(report)
        assert (parsed.absent, parsed.not_suspicious) == (breast.absent, breast.not_suspicious)
        assert "cancer" not in report
    alone = Exam({name: view for name, view in prediction.exam.views.items() if name.laterality is Laterality.RIGHT})
    assert (
        draft_findings(
            replace(prediction, exam=alone, encoding=replace(prediction.encoding, names=tuple(alone.views)))
        ).left
        is None
    )


def test_it_prints_as_a_table(prediction):
    text = str(prediction)
    assert "Research use only" in text and "Malignancy" in text and "right" in text


def test_a_table_shows_the_prompts_that_were_asked(predictor, phantom):
    asked = predictor.predict(phantom.exam, ["a mass", "cancer | no cancer"])
    lines = str(asked).splitlines()
    similar = next(score for score in asked.prompts if score.prompt == "a mass" and score.laterality is None)
    assert f"{similar.similarity:.3f}" in next(line for line in lines if line.startswith("“a mass”"))
    pair = next(score for score in asked.prompts if "|" in score.prompt and score.laterality is None)
    assert f"{pair.probability:.3f}" in next(line for line in lines if line.startswith("“cancer"))


def test_missing_weights_say_what_to_do():
    with pytest.raises(FileNotFoundError, match="Give one of demo, mammo-clip-b2"):
        load_model("other")
