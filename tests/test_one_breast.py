"""A woman's breasts are answered as the weights learned from women: one at a time, and not all that phantoms taught."""

import json
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app.read.answers import answers_html
from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality
from mvmlm.inference.explain import leading_targets
from mvmlm.inference.output import prediction_record
from mvmlm.inference.prediction import Target
from mvmlm.model.last_stage import LastStage, StageInputs
from mvmlm.pretraining.record import women_one_breast
from mvmlm.tasks import Level

R, L = Laterality


def woman(phantom, *sides) -> Exam:
    """The same pictures, of these breasts, as a woman's."""
    views = {name: view for name, view in phantom.exam.views.items() if name.laterality in (sides or (R, L))}
    return Exam({name: replace(view, phantom=False) for name, view in views.items()})


def together(predictor):
    """The same weights with a record that does not say that they learned from one breast at a time."""
    other = copy(predictor)
    other.model = copy(predictor.model)
    training = {key: value for key, value in predictor.record.training.items() if key != "women_one_breast"}
    other.model.record = replace(predictor.record, training=training)
    return other


def of_breasts(prediction, side):
    return {(a.task, a.class_, a.by): a.probability for a in prediction.answers if a.laterality is side}


def test_each_breast_of_a_woman_is_answered_as_if_it_were_alone(predictor, phantom):
    both = predictor.predict(woman(phantom))
    for side in (R, L):
        alone = predictor.predict(woman(phantom, side))
        assert of_breasts(both, side) == pytest.approx(of_breasts(alone, side), abs=1e-6)
        assert len(of_breasts(both, side)) > 4


def test_an_exam_of_a_woman_has_the_mean_of_the_logits_of_her_breasts(predictor, phantom):
    exams = woman(phantom), woman(phantom, R), woman(phantom, L)
    both, right, left = (predictor.logits("density", predictor.encode(exam)[0].fused) for exam in exams)
    assert torch.allclose(both, (right + left) / 2, atol=1e-5)


def test_phantoms_and_weights_that_learned_from_whole_exams_are_answered_as_a_whole(predictor, phantom):
    encoding, _ = predictor.encode(phantom.exam)
    whole, _ = together(predictor).encode(woman(phantom))
    apart, _ = predictor.encode(woman(phantom))
    for level in Level:
        assert torch.equal(encoding.fused.embedding(level), whole.fused.embedding(level))
        assert not torch.allclose(encoding.fused.embedding(level), apart.fused.embedding(level), atol=1e-3)


def test_a_head_taught_with_its_image_stage_sees_the_same_embeddings(predictor, phantom):
    encodings = [predictor.encode(exam)[0] for exam in (phantom.exam, woman(phantom))]
    inputs = StageInputs.from_encodings(zip(("phantom", "woman"), encodings, strict=True))
    with torch.inference_mode():
        fused = inputs.fused(predictor.model, LastStage(predictor.model), [0, 1])
    for row, encoding in enumerate(encodings):
        assert torch.allclose(fused.breasts[row], encoding.fused.breasts[0], atol=0.02), "half precision"
        assert torch.allclose(fused.exam[row], encoding.fused.exam[0], atol=0.02)


def test_a_map_explains_the_answer_of_the_breast_alone(predictor, phantom):
    both, alone = predictor.encode(woman(phantom))[0], predictor.encode(woman(phantom, R))[0]
    target = Target("malignancy", "present")
    shown, wanted = (predictor.map_evidence(encoding, [target])[target] for encoding in (both, alone))
    for name, evidence in wanted.items():
        assert np.allclose(shown[name], evidence, atol=1e-4)


def test_a_woman_is_told_nothing_that_tells_film_from_digital_only(predictor, phantom):
    prediction = predictor.predict(woman(phantom))
    assert {"asymmetry", "distortion"} <= {*prediction.withheld}
    assert not {"asymmetry", "distortion"} & {answer.task for answer in prediction.answers}
    assert not {"asymmetry", "distortion"} & {target.task for target in leading_targets(prediction)}
    assert "tells film from digital" in json.dumps(prediction_record(prediction)["not_answered"])
    assert {"asymmetry", "distortion"} <= {answer.task for answer in predictor.predict(phantom.exam).answers}


def test_the_page_says_why_in_place_of_a_row(predictor, phantom):
    shown = answers_html(predictor.predict(woman(phantom)), {})
    assert "Asymmetry: not answered for women." in shown and '<tr class="asymmetry">' not in shown
    assert '<tr class="asymmetry">' in answers_html(predictor.predict(phantom.exam), {})


@pytest.mark.parametrize(
    "exams, one_breast",
    [
        ([("R", False), ("L", False)], True),
        ([("R", False), ("RL", False)], False),
        ([("L", False), ("RL", True)], True),
        ([("RL", True), ("R", True)], False),
        ([], False),
    ],
)
def test_the_record_says_whether_women_were_learned_one_breast_at_a_time(exams, one_breast):
    present = np.array([[name.laterality.value in sides for name in STANDARD_VIEWS] for sides, _ in exams], bool)
    labels = [SimpleNamespace(phantom=phantom) for _, phantom in exams]
    train = SimpleNamespace(labels=labels, present=present.reshape(-1, len(STANDARD_VIEWS)))
    assert women_one_breast(train) is one_breast
