"""What the scripts teach the demo weights, and how they measure them on women."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from mvmlm.exam import Laterality
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import save_model
from mvmlm.pretraining.batches import Batch
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, ModelBox, to_cached_exam
from mvmlm.pretraining.record import fuse_exams
from mvmlm.report.findings import Finding, Findings
from tests.conftest import ROOT
from tests.pretraining_models import SMALL, record

sys.path.insert(0, str(ROOT / "scripts"))
import measure_women
from demo_calibration import ChangedExams, recalibrate, unless_known
from demo_exams import PHANTOMS, WOMEN, with_places_of_cancer, without_outcomes
from train_demo import SHARES, mean_auc, schedule, trained_before, training_facts

R, L = Laterality
MASS = Labels(
    {R: Findings(present=(Finding("mass", "oval"),))},
    {R: {"mass": 1, "malignancy": 1, "birads": 4}},
    {"density": 1},
    None,
    (ModelBox(0, "mass", 10, 20, 30, 40), ModelBox(2, "calcification", 1, 2, 3, 4)),
)


@pytest.mark.parametrize("source", WOMEN)
def test_no_outcome_of_a_woman_is_a_label_of_the_first_training(source):
    labels = without_outcomes(source, MASS)
    assert labels.breast[R] == {"mass": 1, "birads": 4}
    assert labels.findings == MASS.findings and labels.boxes == MASS.boxes and labels.exam == MASS.exam
    assert without_outcomes(PHANTOMS, MASS) == MASS, "a phantom's truth is drawn, not an outcome of a woman"


def test_a_negative_breast_has_none_of_the_findings_that_its_category_excludes_and_no_other_answer():
    negative, benign, found = (
        without_outcomes("rsna-640", Labels({}, {L: known}, {}, None)).breast[L]
        for known in ({"birads": 0}, {"birads": 1}, {"birads": 0, "mass": 1})
    )
    assert negative == {"birads": 0, "mass": 0, "asymmetry": 0, "distortion": 0}
    assert benign == {"birads": 1}, "a benign finding may be a mass"
    assert found["mass"] == 1, "what the table says itself stays"


def test_the_masses_of_a_breast_with_cancer_are_places_of_malignancy_and_those_of_others_are_not():
    boxes = with_places_of_cancer("cbis-mass-800", MASS).boxes
    assert boxes[:2] == MASS.boxes
    assert boxes[2:] == (ModelBox(0, "malignancy", 10, 20, 30, 40),), "a calcification of the breast is not one"
    other_breast = Labels({}, {R: {"malignancy": 0}, L: {"malignancy": 1}}, {}, None, MASS.boxes)
    assert with_places_of_cancer("cbis-mass-800", other_breast).boxes == MASS.boxes
    assert with_places_of_cancer(PHANTOMS, MASS).boxes == MASS.boxes


def test_every_batch_is_made_of_the_shares():
    plan = schedule(3, 0.5, 7, None)
    assert plan.exams_per_batch == sum(SHARES.values()) and set(SHARES) == {*WOMEN, PHANTOMS}
    assert (plan.epochs, plan.seed) == (3, 7) and plan.image_lr == schedule(3, 1.0, 7, None).image_lr / 2


def test_the_record_names_every_source_with_its_licence():
    class Start:
        name = "random"

    facts = training_facts({name: [None] * 3 for name in (*WOMEN, PHANTOMS)}, Start, 1)
    assert set(facts["learned_from"]) == {*WOMEN, PHANTOMS}
    assert "non-commercial" in facts["learned_from"]["rsna-640"] and "CC BY" in facts["learned_from"]["cdd-cesm"]
    assert facts["start"] == "random" and facts["seed"] == 1


def test_weights_that_are_trained_further_say_how_they_were_trained_before(tmp_path):
    first = replace(record(), training={"start": "ImageNet", "command": "the first", "risk_learned_on": PHANTOMS})
    model = MVMLM(first)
    save_model(model, tmp_path / "first.safetensors", first)
    again, after = trained_before(tmp_path / "first.safetensors", {"start": "random", "command": "the second"})
    saved = model.state_dict()
    assert all(torch.allclose(value, saved[name], rtol=1e-2, atol=1e-3) for name, value in again.state_dict().items())
    assert after.training == {
        "start": "first.safetensors",
        "command": "the second",
        "risk_learned_on": PHANTOMS,
        "before": {"start": "ImageNet", "command": "the first"},
    }
    assert (after.tasks, after.vocabulary, after.preprocessing) == (first.tasks, first.vocabulary, first.preprocessing)


def test_the_mean_auc_leaves_out_what_is_not_known():
    nan = float("nan")
    assert mean_auc(np.array([0, 1, nan]), np.array([[0.1], [0.9], [0.5]])) == 1.0
    assert mean_auc(np.array([1, 1, nan]), np.array([[0.1], [0.9], [0.5]])) is None
    shares = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
    assert mean_auc(np.array([0, 1, 0]), shares) == 1.0, "a class that no case has does not count"


@torch.no_grad()
def logits_of(model, cache):
    cache.preprocessing = model.record.preprocessing
    return model.answer(fuse_exams(model, cache, range(len(cache)))[0])["malignancy"][:, 0, 0]


@pytest.fixture
def model_and_breasts(phantom, tmp_path):
    """A model and 40 right breasts; whether a breast has a cancer follows from the model's logit, four times not."""
    views, present, _ = to_cached_exam(phantom.exam, SMALL)
    with ExamCacheWriter(tmp_path, SMALL) as writer:
        for index in range(40):
            writer.add(f"exam {index}", np.roll(views, index, axis=1), present, Labels({}, {}, {}, None))
    model, cache = MVMLM(record()).eval(), ExamCache(tmp_path)
    order = logits_of(model, cache).argsort().tolist()
    cancer = {index: int(rank >= 25) ^ (rank in (3, 11, 30, 37)) for rank, index in enumerate(order)}
    cache.labels = [Labels({}, {R: {"malignancy": cancer[index]}}, {}, None) for index in range(40)]
    return model, cache


def test_a_recalibrated_head_says_as_often_cancer_as_there_is_and_keeps_the_order(model_and_breasts):
    model, cache = model_and_breasts
    before = logits_of(model, cache)
    assert recalibrate(model, ["malignancy"], [cache]) == {"malignancy": pytest.approx(15 / 40)}
    after = logits_of(model, cache)
    assert float(after[before.argsort()].diff().min()) > -1e-5, "logits that are almost equal may change places"
    assert float(after.sigmoid().mean()) == pytest.approx(15 / 40, abs=0.01)
    assert abs(float(before.sigmoid().mean()) - 15 / 40) > 0.02


def test_a_balanced_recalibration_holds_for_as_many_breasts_with_as_without(model_and_breasts):
    model, cache = model_and_breasts
    assert recalibrate(model, ["malignancy"], [cache], balanced=True) == {"malignancy": 0.5}
    cancer = torch.tensor([known.breast[R]["malignancy"] for known in cache.labels]) == 1
    shares = logits_of(model, cache).sigmoid()
    assert float(shares[cancer].mean() + shares[~cancer].mean()) / 2 == pytest.approx(0.5, abs=0.01)


def test_for_calibration_a_breast_without_a_known_finding_has_none_and_one_with_cancer_is_not_known():
    benign, cancer, found = (
        unless_known(Labels({}, {L: known}, {}, None)).breast[L]
        for known in ({"malignancy": 0}, {"malignancy": 1}, {"malignancy": 0, "mass": 1})
    )
    assert benign == {"malignancy": 0, "mass": 0, "calcification": 0, "distortion": 0}
    assert cancer == {"malignancy": 1} and found["mass"] == 1 and found["calcification"] == 0


def test_calibration_takes_what_an_insertion_changed_and_leaves_the_exams_as_they_are(model_and_breasts):
    _, cache = model_and_breasts

    def insertion(views, labels, rng):
        if labels.breast[R]["malignancy"]:
            return views, labels
        return views + 1, replace(labels, breast={R: {"mass": int(rng.random() * 2)}})

    changed = ChangedExams(cache, insertion, seed=1)
    healthy = [index for index, labels in enumerate(cache.labels) if not labels.breast[R]["malignancy"]]
    assert changed.names == [cache.names[index] for index in healthy] and len(changed.present) == len(healthy)
    assert (changed.views(0) == cache.views(healthy[0]) + 1).all() and "mass" not in cache.labels[healthy[0]].breast[R]
    assert {labels.breast[R]["mass"] for labels in changed.labels} == {0, 1}, "each exam has its own draw"
    again, other = (ChangedExams(cache, insertion, seed).labels for seed in (1, 2))
    assert again == changed.labels != other


def test_a_head_that_is_wrong_more_often_than_right_is_not_recalibrated(model_and_breasts):
    model, cache = model_and_breasts
    cache.labels = [
        Labels({}, {R: {"malignancy": 1 - known.breast[R]["malignancy"]}}, {}, None) for known in cache.labels
    ]
    with pytest.raises(ValueError, match="nothing to calibrate"):
        recalibrate(model, ["malignancy"], [cache])


def batch_of(present, boxes=()):
    exams = len(present)
    return Batch(torch.zeros(exams, 4, 1, 64, 40), torch.tensor(present), {}, [], ([], []), tuple(boxes))


def test_answers_are_those_of_the_breast_that_was_seen():
    batch = batch_of([[True, False, True, False], [False, True, False, False]])
    assert measure_women._of_side(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), batch).tolist() == [1.0, 4.0]
    with pytest.raises(AssertionError, match="one breast"):
        measure_women._of_side(torch.zeros(1, 2), batch_of([[True, True, False, False]]))


def test_a_peak_counts_near_its_box_and_never_outside_the_breast():
    batch = batch_of([[True, False, True, False]], [(0, ModelBox(2, "mass", 16, 32, 24, 40))])
    inside = torch.ones(2, 8, 5)
    inside[:, :, 4] = 0
    maps = torch.zeros(2, 8, 5)
    maps[1, 4, 2] = 1  # of view 2: pixel (20, 36), in the box
    maps[1, 0, 4] = 9  # outside the breast
    ((hit, chance, woman),) = measure_women.peaks_of(maps, inside, batch, np.array(["a"]))
    assert hit and woman == "a" and 0 < chance < 0.2
    maps[1, 4, 2], maps[1, 7, 0] = 0, 1
    assert not measure_women.peaks_of(maps, inside, batch, np.array(["a"]))[0][0]


def test_what_is_fitted_beside_the_model_is_fitted_to_other_women():
    rng = np.random.default_rng(0)

    def breasts(women):
        cancer = rng.integers(0, 2, women).astype(float)
        noise, nothing = rng.normal(size=(women, 20)), np.zeros(women)
        names = np.arange(women).astype(str)
        density = np.zeros((women, 4))
        return measure_women.Breasts(
            names, cancer + rng.normal(size=women), nothing, density, nothing, cancer, nothing, noise, []
        )

    alone, both, gain = measure_women.beside("x", "noise", lambda b: b.shape, breasts(60), breasts(200))
    assert alone.cases == both.cases == gain.cases == 200
    assert alone.value[1] < 0.5 < alone.value[2], "noise would separate the women it was fitted to"
    assert both.value[0] > 0.6 and gain.value[1] > 0
