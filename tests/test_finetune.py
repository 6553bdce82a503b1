"""Heads that are fine-tuned on labelled cases: what they learn, when they refuse, and what their record holds."""

import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app.finetune.cases_table import cases_html
from app.read.answers import answers_html
from mvmlm.__main__ import main
from mvmlm.custom_tasks import declare_task
from mvmlm.evaluation.discrimination import auc
from mvmlm.exam import SIDES, Laterality
from mvmlm.finetuning import cases as cases_module
from mvmlm.finetuning import crossvalidation, fit, site_cases
from mvmlm.finetuning.cases import collect_cases, count_cases
from mvmlm.finetuning.config import FinetuneConfig, NotEnoughCases, Stopped
from mvmlm.finetuning.crossvalidation import assign_folds, choose_penalty
from mvmlm.finetuning.finetune import finetune_from_store, finetune_head
from mvmlm.finetuning.fit import HeadFitter, fit_head
from mvmlm.finetuning.head import import_head, read_head, with_active_heads
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.finetuning.site_cases import Site, labelled_cases
from mvmlm.finetuning.site_versions import (
    apply_version,
    calibrate_from_store,
    threshold_from_store,
    why_not_for,
    with_active_site_versions,
)
from mvmlm.inference.output import prediction_record
from mvmlm.inference.site_scores import OUTSIDE, SiteCalibration, SiteScores
from mvmlm.model.heads import Head
from mvmlm.phantom.truth import write_phantoms
from mvmlm.reading.reading import Reading
from mvmlm.site import class_calibration, survival
from mvmlm.site.cases import TooFewCases
from mvmlm.site.class_calibration import ClassCalibration
from mvmlm.site.operating_point import CertifiedThreshold, Goal
from mvmlm.site.recalibration import Calibration
from mvmlm.site.stored_calibration import calibration_facts
from mvmlm.site.survival import RiskCalibration
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import TASK
from tests.conftest import sign

pytestmark = pytest.mark.usefixtures("one_thread", "few_resamples")
silent = lambda share, message: False  # noqa: E731


@pytest.fixture
def few_steps(monkeypatch):
    """Two penalties, and fewer steps of the hidden layer and of the stage, where the promise does not depend on them."""
    monkeypatch.setattr(crossvalidation, "PENALTIES", (0.1, 10.0))
    monkeypatch.setattr(fit, "MLP_STEPS", 60)
    monkeypatch.setattr(fit, "STAGE_EPOCHS", 2)


def made(task="mass", n=200, width=12, signal=2.0, seed=0, test=0.3):
    """Cases whose label depends on the first feature."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, width)).astype(np.float32)
    cause = features[:, 0] * signal + rng.normal(size=n)
    if task == "risk":
        years = np.clip(rng.exponential(6 * np.exp(-cause)), 0.1, 8)
        labels = np.stack([np.minimum(years, 5.5), years < 5.5], 1).astype(np.float32)
    elif task == "mass":
        labels = (cause > 1).astype(np.float32)
    else:
        labels = np.clip(np.digitize(cause, [-2, 0, 2]), 0, 3).astype(np.float32)
    patients = np.array([f"p{i // 2}" for i in range(n)])
    is_test = np.array([i // 2 % 10 < 10 * test for i in range(n)])
    exams = tuple(f"e{i}" for i in range(n))
    return LabelledEmbeddings(TASK[task], features, labels, exams, ("R",) * n, patients, is_test, ({},) * n)


@pytest.mark.parametrize("depth", ["linear", "mlp"])
@pytest.mark.parametrize("task", ["mass", "density", "risk"])
def test_a_head_learns_from_labelled_cases(task, depth, few_steps):
    result = finetune_head(made(task, n=140), None, FinetuneConfig(task, depth), silent)
    value, low, high = result.record["comparison"]["new"]
    assert value > 0.75 and low < value < high
    json.dumps(result.record, allow_nan=False)


def test_the_same_cases_and_seed_give_the_same_head(few_steps):
    config = FinetuneConfig("mass", "mlp", seed=4)
    first, second = (finetune_head(made(n=60), None, config, silent).head.state_dict() for _ in range(2))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_test_cases_are_never_learned_from():
    cases = made()
    poisoned = replace(
        cases,
        labels=np.where(cases.test, 1 - cases.labels, cases.labels),
        features=np.where(cases.test[:, None], 99, cases.features).astype(np.float32),
    )
    clean, dirty = (finetune_head(c, None, FinetuneConfig("mass"), silent).head.state_dict() for c in (cases, poisoned))
    assert all(torch.equal(clean[key], dirty[key]) for key in clean)


def test_a_patient_is_never_on_both_sides_of_a_fold():
    cases = made()
    folds = assign_folds(cases, 1)
    assert all(len(set(folds[cases.patients == patient])) == 1 for patient in set(cases.patients))
    shares = [cases.labels[folds == fold].mean() for fold in range(5)]
    assert max(shares) - min(shares) < 0.2, "the rarer class is not spread"


def test_a_rare_class_is_found_and_its_probability_stays_honest():
    cases = made(n=600)
    rare = cases.subset((cases.labels == 0) | (np.arange(600) % 6 == 0))
    result = finetune_head(rare, None, FinetuneConfig("mass"), silent)
    probabilities = result.head.probabilities(rare.subset(rare.test).features)[:, 0]
    assert abs(probabilities.mean() - rare.labels.mean()) < 0.06
    calibration = result.record["comparison"]["calibration"]
    assert calibration["after"]["error"] < calibration["before"]["error"]


@pytest.mark.parametrize("cases, missing", [
    (made(n=8), "at least 12"),
    (replace(made(), labels=np.zeros(200, np.float32)), "140 × absent, 0 × present"),
    (replace(made("risk"), labels=np.tile(np.float32([[3, 0]]), (200, 1))), "0 cancers"),
])  # fmt: skip
def test_too_few_cases_get_a_sentence_that_says_what_is_missing(cases, missing):
    with pytest.raises(NotEnoughCases, match=missing):
        finetune_head(cases, None, FinetuneConfig(cases.task.name), silent)


def test_a_stop_keeps_the_best_so_far():
    messages, curves = [], []
    result = finetune_head(
        made(), None, FinetuneConfig("mass"), lambda share, message: messages.append(message) or len(messages) > 2,
        lambda curve: curves.append(len(curve.penalties)),
    )  # fmt: skip
    assert len(result.record["curve"]["penalties"]) == 2 and result.record["comparison"]["new"][0] > 0.7
    assert curves == [1, 2, 2] and len(result.record["curve"]["losses"]) > 1
    with pytest.raises(Stopped):
        finetune_head(made(), None, FinetuneConfig("mass"), lambda share, message: True)


def test_a_head_without_test_cases_is_stored_but_not_called_better(few_steps):
    cases = made(test=0)
    result = finetune_head(cases, lambda test: np.zeros((len(test), 1)), FinetuneConfig("mass"), silent)
    assert result.record["comparison"]["verdict"].startswith("not shown to be better")


def test_a_linear_head_starts_from_the_weights_own_and_few_cases_change_it_little():
    cases, start = made(width=12), Head(TASK["mass"], 12).requires_grad_(False)
    with torch.inference_mode():
        bundled = start(torch.from_numpy(cases.features))
    held = fit_head(cases, "linear", 1e6, 1, start=start).case_logits(cases, None)
    difference = held - bundled
    assert (difference - difference.mean()).abs().max() < 0.02, (
        "a high penalty keeps the order; only the share of positives is fitted"
    )
    free = fit_head(cases, "linear", 1e-3, 1, start=start).case_logits(cases, None)
    assert auc(cases.labels, free[:, 0].numpy()) > auc(cases.labels, bundled[:, 0].numpy())


def bundled(width, *along):
    """A model of which only the head of mass is used; it looks at the features `along`."""
    head = Head(TASK["mass"], width).requires_grad_(False)
    head.linear.weight.zero_()
    head.linear.weight[0, list(along)] = 1.0
    return SimpleNamespace(task_heads={"mass": head})


def test_a_bundled_head_stays_as_it_is_where_another_is_better_by_chance_alone():
    cases, model, trials = made(n=40, width=100, signal=1.0, test=0), bundled(100, 0), []
    fitter = HeadFitter("linear", 1, model)
    chosen = choose_penalty(cases, assign_folds(cases, 1), fitter, silent, trials.append)
    assert chosen.penalty == max(crossvalidation.PENALTIES)
    assert chosen.score < max(trial.score for trial in trials), "the first feature alone tells the label"
    head = fitter.fit(cases, chosen.penalty)
    with torch.inference_mode():
        moved = head.case_logits(cases, None) - model.task_heads["mass"](torch.from_numpy(cases.features))
    assert float(moved.std()) < 0.05, "only the share of positives is fitted"


def test_a_bundled_head_gives_way_where_the_labels_show_a_better_one():
    cases = made(n=300, width=12, test=0)
    fitter, folds = HeadFitter("linear", 1, bundled(12, 5)), assign_folds(cases, 1)
    chosen = choose_penalty(cases, folds, fitter, silent, lambda trial: None)
    assert chosen.score > 0.85 and chosen.penalty < max(crossvalidation.PENALTIES)


def test_without_a_bundled_head_the_best_penalty_is_taken():
    cases, trials = made(n=60, width=60, test=0), []
    best = choose_penalty(cases, assign_folds(cases, 1), HeadFitter("linear", 1), silent, trials.append)
    assert best.score == max(trial.score for trial in trials) and len(trials) == len(crossvalidation.PENALTIES)


def test_a_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="depth"):
        FinetuneConfig("mass", "deep")
    with pytest.raises(ValueError, match="specificity"):
        FinetuneConfig("mass", specificity=1.0)


def test_from_signed_readings_to_an_active_head_and_back(labelled_anew, small_predictor, decoder, few_steps):
    labelled = labelled_anew

    def run():
        messages = []
        config = FinetuneConfig("mass")
        head = finetune_from_store(
            labelled, small_predictor, decoder, config, "ann", lambda share, message: messages.append(message)
        )
        return head, messages

    head, messages = run()
    assert "0 of 20 exams encoded, 20 left" in messages and head.record["train_patients"] == 14 and not head.active
    assert "better" in head.record["comparison"]["verdict"] and head.record["compared_with"] == "small 0"
    again, messages = run()
    assert not any("encoded" in message for message in messages)
    assert again.record["snapshot"] == head.record["snapshot"]
    labelled.heads.activate(head.id, "mass", small_predictor.weights, "ann")
    finetuned = with_active_heads(small_predictor, labelled)
    assert finetuned.finetuned == {"mass": "mass 1"} and small_predictor.finetuned == {}
    labelled.heads.activate(None, "mass", small_predictor.weights, "ann")
    assert with_active_heads(small_predictor, labelled).finetuned == {}
    labelled.heads.delete(head.id, "ann")
    assert run()[0].name == "mass 3", "the number of a head that is there is not used again"


def test_a_head_file_is_imported_elsewhere_and_refused_for_other_weights(
    labelled, small_predictor, predictor, decoder, tmp_path, few_steps
):
    head = finetune_from_store(labelled, small_predictor, decoder, FinetuneConfig("mass"), "ann", silent)
    with pytest.raises(StoreError, match="other weights"):
        read_head(head.tensors, predictor, labelled.tasks)
    other = Store(tmp_path / "elsewhere")
    number = import_head(other, small_predictor, head.tensors, "ben")
    imported = other.heads.get(number)
    assert imported.record == head.record | {"imported": True}
    before, after = (read_head(h.tensors, small_predictor, other.tasks)[0].state_dict() for h in (head, imported))
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_the_last_image_stage_is_fine_tuned_from_the_stored_images(labelled, small_predictor, decoder, few_steps):
    head = finetune_from_store(labelled, small_predictor, decoder, FinetuneConfig("mass", "stage"), "ann", silent)
    assert head.record["config"]["depth"] == "stage" and len(head.record["curve"]["losses"]) == fit.STAGE_EPOCHS
    labelled.heads.activate(head.id, "mass", small_predictor.weights, "ann")
    finetuned = with_active_heads(small_predictor, labelled)
    assert finetuned.stage("mass") is not None
    after = finetune_from_store(labelled, finetuned, decoder, FinetuneConfig("mass"), "ann", silent)
    assert after.record["compared_with"] == "mass 1" and after.record["comparison"]["old"] is not None


def test_a_declared_task_is_fine_tuned_and_answers(labelled, small_predictor, decoder, few_steps):
    declare_task(labelled.folder, {"name": "lump", "level": "breast"})
    store = Store(labelled.folder)
    for number in store.worklist.numbers():
        sign(store, number, "ben", "lump")
    head = finetune_from_store(store, small_predictor, decoder, FinetuneConfig("lump"), "ben", silent)
    assert head.record["comparison"]["verdict"].startswith("nothing to compare with")
    store.heads.activate(head.id, "lump", small_predictor.weights, "ben")
    prediction = with_active_heads(small_predictor, store).predict(open_stored_exam(store, 1, decoder))
    assert prediction.finetuned == {"lump": "lump 1"} and 0 <= prediction.probability("lump") <= 1


def test_drafts_are_not_learned_from(labelled, small_predictor, decoder):
    reading = labelled.readings.start(1, "ben")
    labelled.readings.save(reading.id, Reading(), Reading({(Laterality.RIGHT, "mass"): "1"}))
    cases, problems = collect_cases(labelled, small_predictor, decoder, FinetuneConfig("mass"), silent)
    assert problems == [] and len(cases) == 40 and {fact["reader"] for fact in cases.facts} == {"ann"}


@pytest.mark.parametrize("depth", ["linear", "mlp"])
def test_a_head_is_fitted_on_one_thread_and_the_same_as_on_two(depth, few_steps):
    def fitted(threads):
        seen = set()
        torch.set_num_threads(threads)
        try:
            head = fit_head(made(n=60), depth, 1.0, 1, on_loss=lambda loss: seen.add(torch.get_num_threads()))
            assert torch.get_num_threads() == threads, "the other work of the process keeps its threads"
        finally:
            torch.set_num_threads(1)
        return head.state_dict(), seen

    (on_one, _), (on_two, seen) = fitted(1), fitted(2)
    assert seen == {1} and all(torch.equal(on_one[name], on_two[name]) for name in on_one)


def test_scores_are_calibrated_to_the_labels_of_the_store_and_back(labelled, small_predictor, decoder, phantom):
    made = calibrate_from_store(Site(labelled, small_predictor, decoder, TASK["mass"]), "ann", silent)
    found = made.record["calibration"]
    assert (found["cases"], found["positives"], found["patients"]) == (40, 10, 20)
    assert made.record["before_after"]["brier"]["after"]["value"] is not None and not made.active
    exam = open_stored_exam(labelled, 1, decoder)
    before = small_predictor.predict(exam)
    assert with_active_site_versions(small_predictor, labelled).predict(exam).answers == before.answers
    labelled.calibrations.activate(made.id, "mass", small_predictor.weights, "ann")
    calibrated = with_active_site_versions(small_predictor, labelled).predict(exam)
    curve = Calibration.from_json(found)
    for side in Laterality:
        expected = curve.apply(np.array([before.probability("mass", laterality=side)]))[0]
        assert calibrated.probability("mass", laterality=side) == pytest.approx(expected, abs=1e-6)
    assert calibrated.probability("mass") == max(calibrated.probability("mass", laterality=side) for side in Laterality)
    assert calibrated.calibrated_here == {"mass"} and calibrated.prevalence["mass"] == 0.25
    assert "calibration" not in {note.kind for note in calibrated.quality_notes}, "it was among the cases"
    beyond = SiteCalibration(TASK["mass"], curve.apply, lambda scores: scores > 0, 0.25, "head", False)
    noted = small_predictor.with_site(SiteScores({"mass": beyond})).predict(exam).quality_notes
    assert [note.text for note in noted if note.kind == "calibration"] == [OUTSIDE.format("Mass")]
    assert prediction_record(calibrated)["calibrated_here"] == ["mass"]
    assert calibrated.probability("density", "B") == before.probability("density", "B"), "the others stay"
    assert "calibrated here, at 50 in 1,000" in answers_html(calibrated, {"mass": 50.0})
    of_phantom = with_active_site_versions(small_predictor, labelled).predict(phantom.exam)
    assert of_phantom.calibrated_here == frozenset(), "it was calibrated on exams that are no phantoms"
    labelled.calibrations.activate(None, "mass", small_predictor.weights, "ann")
    assert with_active_site_versions(small_predictor, labelled).predict(exam).answers == before.answers


def test_density_is_calibrated_to_the_site_as_classes(labelled, small_predictor, decoder, monkeypatch):
    site = Site(labelled, small_predictor, decoder, TASK["density"])
    with pytest.raises(TooFewCases, match="20, at least 40 are needed for 4 classes"):
        calibrate_from_store(site, "ann", silent)
    monkeypatch.setattr(class_calibration, "FEWEST_OF_CLASS", 5)
    made = calibrate_from_store(site, "ann", silent)
    facts = calibration_facts(made.record)
    assert facts.cases == "20 exams of 20 patients, by class 5, 5, 5, 5" and set(facts.changes) == {
        "Brier score", "log loss", "accuracy",
    }  # fmt: skip
    exam = open_stored_exam(labelled, 1, decoder)
    before = small_predictor.predict(exam)
    labelled.calibrations.activate(made.id, "density", small_predictor.weights, "ann")
    after = with_active_site_versions(small_predictor, labelled).predict(exam)
    shares = np.array([before.probability("density", letter) for letter in "ABCD"])
    expected = ClassCalibration.from_json(made.record["calibration"]).apply(shares)
    assert [after.probability("density", letter) for letter in "ABCD"] == pytest.approx(expected.tolist(), abs=1e-6)
    assert after.calibrated_here == {"density"} and "density" not in after.prevalence
    assert after.probability("mass") == before.probability("mass")


def test_risk_is_calibrated_to_follow_up_and_not_where_the_model_does_not_answer_it_for_women(
    labelled, small_predictor, decoder, monkeypatch, tmp_path
):
    store = Store(tmp_path / "other")
    write_phantoms(tmp_path / "p", 16, 5, rows=160)
    shutil.rmtree(tmp_path / "p" / "masks")
    assert sum(outcome.number is not None for outcome in import_exams(store, [tmp_path / "p"], decoder, "ann")) == 16
    for each in (labelled, store):
        for number in each.worklist.numbers():
            followed = {(None, "risk_years"): str(1 + number % 6), (None, "cancer"): str(number % 2)}
            sign(each, number, "ben", "mass", followed)
    with pytest.raises(ValueError, match="not trained on women"):
        calibrate_from_store(Site(labelled, small_predictor, decoder, TASK["risk"]), "ann", silent)
    site = Site(store, small_predictor, decoder, TASK["risk"])
    with pytest.raises(TooFewCases):
        calibrate_from_store(site, "ann", silent)
    monkeypatch.setattr(survival, "FEWEST_FOLLOWED", dict.fromkeys(survival.RiskMethod, 2))
    made = calibrate_from_store(site, "ann", silent)
    facts = calibration_facts(made.record)
    assert "16 exams of 16 patients" in facts.cases and "observed by expected, year 5" in facts.changes
    exam = open_stored_exam(store, 1, decoder)
    before = small_predictor.predict(exam)
    store.calibrations.activate(made.id, "risk", small_predictor.weights, "ann")
    after = with_active_site_versions(small_predictor, store).predict(exam)
    years = TASK["risk"].classes
    expected = RiskCalibration.from_json(made.record["calibration"]).apply(
        np.array([before.probability("risk", year) for year in years])
    )
    assert [after.probability("risk", year) for year in years] == pytest.approx(expected.tolist(), abs=1e-6)
    assert after.calibrated_here == {"risk"}


def test_a_head_is_never_taught_on_women_and_phantoms_at_once(labelled, small_predictor, decoder, monkeypatch):
    names = sorted(labelled.exams.get(number).name for number in labelled.worklist.numbers())
    config = FinetuneConfig("mass")
    everybody = count_cases(labelled, config)
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: set(names[:5]))
    cases, problems = collect_cases(labelled, small_predictor, decoder, config, silent)
    assert set(cases.exams) == set(names[5:]) and "left out: 5." in problems[0]
    count = count_cases(labelled, config)
    assert (count.train + count.test, count.phantoms_left_out) == (len(cases), 5)
    assert "left out: 5" in cases_html(count) and "left out" not in cases_html(everybody)
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: set(names))
    assert count_cases(labelled, config) == everybody, "where all are phantoms, a head is taught on them"


def test_what_is_made_for_women_is_not_made_of_phantoms_too(labelled, small_predictor, decoder, monkeypatch):
    site = Site(labelled, small_predictor, decoder, TASK["mass"])
    names = {labelled.exams.get(number).name for number in labelled.worklist.numbers()}
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: set(sorted(names)[:5]))
    cases = labelled_cases(site, "head", silent)
    assert len(cases.labels) == 2 * 15 and not cases.phantoms
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: names)
    cases = labelled_cases(site, "head", silent)
    assert len(cases.labels) == 2 * 20 and cases.phantoms


def test_a_threshold_of_the_site_calls_back_by_scores_as_the_model_gives_them(labelled, small_predictor, decoder):
    site = Site(labelled, small_predictor, decoder, TASK["mass"])
    made = threshold_from_store(site, Goal.SENSITIVITY, 0.7, 0.9, "ann", silent)
    point = CertifiedThreshold.from_json(made.record["operating_point"])
    assert (point.women, point.positives) == (20, 10)
    exam = open_stored_exam(labelled, 1, decoder)
    assert with_active_site_versions(small_predictor, labelled).predict(exam).called_back == {}
    labelled.operating_points.activate(made.id, "mass", small_predictor.weights, "ann")
    plain = small_predictor.predict(exam)
    expected = tuple(side for side in SIDES if plain.probability("mass", laterality=side) > point.threshold)
    calibration = calibrate_from_store(site, "ann", silent)
    labelled.calibrations.activate(calibration.id, "mass", small_predictor.weights, "ann")
    prediction = with_active_site_versions(small_predictor, labelled).predict(exam)
    called = prediction.called_back["mass"]
    assert called.sides == expected and called.threshold == point.threshold, "a calibration moves no woman across it"
    assert point.guarantee in answers_html(prediction, {}) and point.guarantee in str(prediction)
    assert prediction_record(prediction)["called_back"]["mass"]["lateralities"] == [side.value for side in expected]


def one_breast_labelled(labelled, monkeypatch):
    """Of each exam the right breast alone has a label."""
    taken = cases_module.label_of
    monkeypatch.setattr(cases_module, "label_of", lambda *given: None if given[2] is Laterality.LEFT else taken(*given))


def test_a_threshold_counts_both_breasts_also_where_one_has_no_label(labelled, small_predictor, decoder, monkeypatch):
    site = Site(labelled, small_predictor, decoder, TASK["mass"])
    both = labelled_cases(site, "head", silent, one_exam_each=True)
    one_breast_labelled(labelled, monkeypatch)
    assert len(labelled_cases(site, "head", silent).labels) == 20, "a calibration needs labels"
    cases = labelled_cases(site, "head", silent, one_exam_each=True)
    assert cases.shares.tolist() == both.shares.tolist() and np.isnan(cases.labels).sum() == 20
    point = CertifiedThreshold.from_json(
        threshold_from_store(site, Goal.RECALL, 0.3, 0.9, "ann", silent).record["operating_point"]
    )
    exams = [open_stored_exam(labelled, number, decoder) for number in labelled.worklist.numbers()]
    highest = [
        max(small_predictor.predict(exam).probability("mass", laterality=side) for side in SIDES) for exam in exams
    ]
    assert point.recall.count == sum(score > point.threshold for score in highest), "as the reading page counts them"


def test_of_a_woman_with_several_labelled_exams_the_newest_counts_for_a_threshold(
    labelled, small_predictor, decoder, monkeypatch
):
    site = Site(labelled, small_predictor, decoder, TASK["mass"])
    found = site_cases.labelled_exams_of_one_kind(labelled, TASK["mass"], FinetuneConfig("mass"))
    first, second = found.exams[:2]
    dated = [
        item._replace(exam=replace(item.exam, patient="w", exam_date=date))
        for item, date in ((first, "20200101"), (second, "20240101"))
    ]
    monkeypatch.setattr(site_cases, "labelled_exams_of_one_kind", lambda *given: found._replace(exams=dated))
    cases = labelled_cases(site, "head", silent, one_exam_each=True)
    exam = open_stored_exam(labelled, second.exam.id, decoder)
    expected = [small_predictor.predict(exam).probability("mass", laterality=side) for side in SIDES]
    assert cases.shares[:, 0] == pytest.approx(expected, abs=1e-5)


def test_a_version_that_is_not_for_what_answers_is_refused_with_the_reason(
    labelled, small_predictor, decoder, few_steps, monkeypatch
):
    site = Site(labelled, small_predictor, decoder, TASK["mass"])
    made = threshold_from_store(site, Goal.SENSITIVITY, 0.7, 0.9, "ann", silent)
    apply_version(labelled.operating_points, made.id, small_predictor, "ann")
    head = finetune_from_store(labelled, small_predictor, decoder, FinetuneConfig("mass"), "ann", silent)
    labelled.heads.activate(head.id, "mass", small_predictor.weights, "ann")
    taught = with_active_heads(small_predictor, labelled)
    with pytest.raises(
        StoreError, match="not applied: it is for scores of the weights’ own head, and the head “mass 1”"
    ):
        apply_version(labelled.operating_points, made.id, taught, "ann")
    assert with_active_site_versions(taught, labelled).predict(open_stored_exam(labelled, 1, decoder)).called_back == {}
    monkeypatch.setattr(small_predictor, "precision", "bfloat16")
    assert "the model answers in bfloat16" in why_not_for(made, small_predictor)


def test_a_calibration_is_for_the_head_whose_scores_it_saw_and_a_fine_tuned_one_needs_its_test_split(
    labelled, small_predictor, decoder, few_steps
):
    made = calibrate_from_store(Site(labelled, small_predictor, decoder, TASK["mass"]), "ann", silent)
    labelled.calibrations.activate(made.id, "mass", small_predictor.weights, "ann")
    head = finetune_from_store(labelled, small_predictor, decoder, FinetuneConfig("mass"), "ann", silent)
    labelled.heads.activate(head.id, "mass", small_predictor.weights, "ann")
    finetuned = with_active_site_versions(with_active_heads(small_predictor, labelled), labelled)
    assert finetuned.predict(open_stored_exam(labelled, 1, decoder)).calibrated_here == frozenset()
    with pytest.raises(TooFewCases, match="positives, at least 10 are needed"):
        calibrate_from_store(Site(labelled, finetuned, decoder, TASK["mass"]), "ann", silent)
    with pytest.raises(ValueError, match="only for answers of yes or no about a breast"):
        threshold_from_store(Site(labelled, finetuned, decoder, TASK["density"]), Goal.RECALL, 0.1, 0.9, "ann", silent)
    with pytest.raises(StoreError, match="not for malignancy"):
        labelled.calibrations.activate(made.id, "malignancy", small_predictor.weights, "ann")


def test_the_command_line_calibrates_lists_and_goes_back(labelled, small_weights, capsys):
    command = ["calibrate", "mass", "--data", str(labelled.folder), "--weights", str(small_weights)]
    labelled.close()
    assert main([*command, "--activate"]) == 0
    said = capsys.readouterr().out
    assert "from 40 cases of 20 patients, 10 positive" in said and "It is applied from now on." in said
    assert main([*command, "--list"]) == 0 and "applied" in capsys.readouterr().out
    assert main([*command, "--off"]) == 0 and "no calibration is applied" in capsys.readouterr().out
    assert main([*command, "--use", "1"]) == 0 and "calibration 1 is applied" in capsys.readouterr().out
    assert main([*command, "--use", "1", "--activate"]) == 1
    assert "--use and --activate exclude each other" in capsys.readouterr().err
    assert main([*command, "--use", "9"]) == 1 and "calibration 9: not in this store" in capsys.readouterr().err
