"""Heads that learn from labelled cases: what they learn, what they refuse, and what is said of them."""

import json
from copy import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from mvmlm.custom_tasks import declare_task
from mvmlm.evaluation.calibration import calibration_curve
from mvmlm.evaluation.compare import compare_heads
from mvmlm.evaluation.metrics import auc, delong, operating_point, threshold_at
from mvmlm.exam import Laterality
from mvmlm.finetuning.cases import collect_cases
from mvmlm.finetuning.config import FinetuneConfig, NotEnoughCases
from mvmlm.finetuning.crossvalidation import assign_folds
from mvmlm.finetuning.embeddings import vectors_of
from mvmlm.finetuning.finetune import finetune_from_store, finetune_head
from mvmlm.finetuning.fit import fit_head, fit_head_with_stage
from mvmlm.finetuning.head import FinetunedHead, import_head, read_head, with_active_heads, write_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.inference.explain import raw_maps
from mvmlm.inference.prediction import Target
from mvmlm.model.last_stage import LastStage, StageInputs
from mvmlm.model.network import Head, probabilities
from mvmlm.phantom import phantom_exams
from mvmlm.reading.reading import Reading
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import TASK
from tests.test_load import write_four

silent = lambda share, said: False  # noqa: E731


def made(task="mass", n=200, width=12, signal=2.0, seed=0, test=0.3):
    """Cases whose first feature tells the label."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, width)).astype(np.float32)
    told = features[:, 0] * signal + rng.normal(size=n)
    kind = TASK[task]
    if task == "risk":
        years = np.clip(rng.exponential(6 * np.exp(-told)), 0.1, 8)
        labels = np.stack([np.minimum(years, 5.5), years < 5.5], 1).astype(np.float32)
    elif task == "mass":
        labels = (told > 1).astype(np.float32)
    else:
        labels = np.clip(np.digitize(told, [-2, 0, 2]), 0, 3).astype(np.float32)
    patients = np.array([f"p{i // 2}" for i in range(n)])
    is_test = np.array([i // 2 % 10 < 10 * test for i in range(n)])
    facts = tuple({"density": "ABCD"[i % 4], "vendor": "A" if i % 40 else "B"} for i in range(n))
    return LabelledEmbeddings(
        kind, features, labels, tuple(f"e{i}" for i in range(n)), ("R",) * n, patients, is_test, facts
    )


@pytest.mark.parametrize("depth", ["linear", "mlp"])
@pytest.mark.parametrize("task", ["mass", "density", "risk"])
def test_a_head_learns_what_the_cases_tell(task, depth):
    taught = finetune_head(made(task), None, FinetuneConfig(task, depth), silent)
    value, low, high = taught.record["comparison"]["new"]
    assert value > 0.75 and low < value < high
    json.dumps(taught.record, allow_nan=False)


def test_the_same_cases_and_seed_give_the_same_head():
    first, second = (
        finetune_head(made(), None, FinetuneConfig("mass", "mlp", seed=4), silent).head.state_dict() for _ in range(2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_test_part_is_never_learned_from():
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
    fold = assign_folds(cases, 1)
    assert all(len(set(fold[cases.patients == p])) == 1 for p in set(cases.patients))
    shares = [cases.labels[fold == f].mean() for f in range(5)]
    assert max(shares) - min(shares) < 0.2, "the rarer class is not spread"


def test_a_rare_class_is_found_and_its_probability_stays_honest():
    cases = made(n=600)
    rare = cases.subset((cases.labels == 0) | (np.arange(600) % 6 == 0))
    taught = finetune_head(rare, None, FinetuneConfig("mass"), silent)
    test = rare.subset(rare.test)
    shares = taught.head.probabilities(test.features)[:, 0]
    assert abs(shares.mean() - rare.labels.mean()) < 0.06
    assert (
        taught.record["comparison"]["calibration"]["after"]["error"]
        < taught.record["comparison"]["calibration"]["before"]["error"]
    )


@pytest.mark.parametrize("cases, said", [
    (made(n=8), "at least 12"),
    (replace(made(), labels=np.zeros(200, np.float32)), "140 × absent, 0 × present"),
    (replace(made("risk"), labels=np.tile(np.float32([[3, 0]]), (200, 1))), "0 cancers"),
])  # fmt: skip
def test_too_little_gets_a_sentence_that_says_what_is_missing(cases, said):
    with pytest.raises(NotEnoughCases, match=said):
        finetune_head(cases, None, FinetuneConfig(cases.task.name), silent)


def test_a_stop_keeps_the_best_so_far():
    told = []
    taught = finetune_head(made(), None, FinetuneConfig("mass"), lambda share, said: told.append(said) or len(told) > 2)
    assert len(taught.record["curve"]["penalties"]) == 2 and taught.record["comparison"]["new"][0] > 0.7


def test_delong_agrees_with_a_published_implementation_and_with_resampling():
    rng = np.random.default_rng(5)
    labels = rng.random(300) < 0.4
    a, b = labels + rng.normal(0, 1, 300), labels + rng.normal(0, 1.4, 300)
    difference, p = delong(labels, a, b)
    draws = []
    for _ in range(1500):
        rows = rng.integers(0, 300, 300)
        draws.append(auc(labels[rows], a[rows]) - auc(labels[rows], b[rows]))
    z = difference / np.std(draws)
    from math import erfc, sqrt

    assert difference == pytest.approx(auc(labels, a) - auc(labels, b)) and p == pytest.approx(
        erfc(abs(z) / sqrt(2)), abs=0.03
    )
    assert delong(labels, a, a) == (0.0, 1.0)


def test_an_equal_head_is_not_shown_to_be_better_and_a_better_one_is():
    cases = made(n=300)
    labels, task = cases.labels, cases.task
    good = (0.5 + 0.4 * (labels - 0.5) + 0.1 * np.random.default_rng(0).normal(size=300))[:, None]
    noise = np.random.default_rng(1).random((300, 1))
    assert (
        compare_heads(task, labels, good, good, cases.patients, cases.facts, 0.5, 1)["verdict"]
        == "not shown to be better"
    )
    result = compare_heads(task, labels, good, noise, cases.patients, cases.facts, 0.5, 1)
    assert result["verdict"].startswith("better") and result["difference"][1] > 0 and result["delong_p"] < 1e-4
    assert {row["group"] for row in result["groups"]} == {
        "density: A",
        "density: B",
        "density: C",
        "density: D",
        "vendor: A",
    }, "a group of 8 was shown"
    few = compare_heads(task, labels[:9], good[:9], noise[:9], cases.patients[:9], cases.facts[:9], 0.5, 1)
    assert any("too few" in said for said in few["warnings"])


def test_the_operating_point_keeps_its_specificity_where_it_was_chosen():
    rng = np.random.default_rng(0)
    labels, scores = (rng.random(400) < 0.3).astype(float), rng.random(400)
    scores += labels
    for wanted in (0.5, 0.9, 0.99):
        point = operating_point(labels, scores, threshold_at(labels, scores, wanted))
        assert point["specificity"] >= wanted and sum(point["counts"].values()) == 400
    assert calibration_curve(labels, np.full(400, labels.mean() + 0.1))["error"] == pytest.approx(0.1, abs=0.02)


def other_weights(predictor):
    other = copy(predictor)
    other.weights = "another"
    return other


@pytest.fixture
def labelled(tmp_path, decoder):
    """Forty kept exams of twenty patients; the right breast of each second one is said to have a mass."""
    folder = tmp_path / "files"
    for n in range(40):
        write_four(folder / f"e{n}", patient=f"case{n}", edit=lambda ds, n=n: setattr(ds, "StudyDescription", str(n)))
    store = Store(tmp_path / "data")
    for _, number, why in import_exams(store, [folder], decoder, "ann", named=True):
        assert number, why
        reading = store.readings.start(number, "ann")
        store.readings.save(
            reading.id,
            Reading(),
            Reading(
                {
                    (Laterality.RIGHT, "mass"): str(number % 2),
                    (Laterality.LEFT, "mass"): "0",
                    (None, "density"): "ABCD"[number % 4],
                }
            ),
        )
        store.readings.sign(reading.id)
    return store


def test_from_signed_readings_to_an_active_head_and_back(labelled, predictor, decoder, tmp_path):
    said = []
    kept = finetune_from_store(
        labelled, predictor, decoder, FinetuneConfig("mass"), "ann", lambda share, what: said.append(what)
    )
    assert "encoding exam 1 of 40" in said and kept.record["train_patients"] == 28 and not kept.active
    assert kept.record["comparison"]["verdict"] == "not shown to be better", "the pictures are all the same"
    said.clear()
    again = finetune_from_store(
        labelled, predictor, decoder, FinetuneConfig("mass"), "ann", lambda share, what: said.append(what)
    )
    assert not any("encoding" in what for what in said) and again.record["snapshot"] == kept.record["snapshot"]
    labelled.heads.activate(kept.id, "mass", predictor.weights, "ann")
    taught = with_active_heads(predictor, labelled)
    assert taught.finetuned == {"mass": "mass 1"} and predictor.finetuned == {}
    labelled.heads.activate(None, "mass", predictor.weights, "ann")
    assert with_active_heads(predictor, labelled).finetuned == {}
    with pytest.raises(StoreError, match="other weights"):
        read_head(kept.tensors, other_weights(predictor), labelled.tasks)
    other = Store(tmp_path / "elsewhere")
    import_head(other, predictor, kept.tensors, "ben")
    assert other.heads.all()[0].record["imported"] and torch.equal(
        read_head(other.heads.all()[0].tensors, predictor, other.tasks)[0].mean,
        read_head(kept.tensors, predictor, other.tasks)[0].mean,
    )


def test_a_declared_task_is_taught_and_answers(labelled, predictor, decoder):
    declare_task(labelled.folder, {"name": "lump", "level": "breast"})
    store = Store(labelled.folder)
    for number in store.worklist.numbers():
        reading = store.readings.start(number, "ben")
        store.readings.save(
            reading.id,
            Reading(),
            Reading({(Laterality.RIGHT, "lump"): str(number % 2), (Laterality.LEFT, "lump"): "0"}),
        )
        store.readings.sign(reading.id)
    kept = finetune_from_store(store, predictor, decoder, FinetuneConfig("lump"), "ben", silent)
    assert kept.record["comparison"]["verdict"].startswith("nothing to compare with")
    store.heads.activate(kept.id, "lump", predictor.weights, "ben")
    prediction = with_active_heads(predictor, store).predict(open_stored_exam(store, 1, decoder))
    assert prediction.finetuned == {"lump": "lump 1"} and 0 <= prediction.probability("lump") <= 1


def test_drafts_and_readings_after_the_model_are_not_learned(labelled, predictor, decoder):
    reading = labelled.readings.start(1, "ben")
    labelled.readings.save(reading.id, Reading(), Reading({(Laterality.RIGHT, "mass"): "1"}))
    cases, problems = collect_cases(labelled, predictor, decoder, FinetuneConfig("mass"), silent)
    assert problems == [] and len(cases.labels) == 80 and {f["reader"] for f in cases.facts} == {"ann"}


def test_a_taught_head_answers_exactly_as_its_embedding_says(predictor, prediction):
    head = fit_head(made(width=predictor.width(TASK["mass"].level)), "linear", 0.1, 1)
    head = FinetunedHead(TASK["mass"], predictor.width(TASK["mass"].level), "linear", "mine")
    torch.nn.init.normal_(head.head.linear.weight)
    head.eval().requires_grad_(False)
    taught = predictor.with_heads([head])
    result = taught.predict(prediction.exam)
    for side in result.encoding.sides:
        vector = np.float32([vectors_of(result.encoding)[side]])
        assert result.probability("mass", laterality=side) == pytest.approx(
            float(head.probabilities(vector)[0, 0]), abs=1e-6
        )
        assert result.probability("calcification", laterality=side) == pytest.approx(
            prediction.probability("calcification", laterality=side), abs=1e-6
        )
    assert result.finetuned == {"mass": "mine"} and "fine-tuned head “mine”" in str(result)
    back, about = read_head(write_head(head, predictor.weights, "mine", {}), predictor, [TASK["mass"]])
    assert about["name"] == "mine" and torch.equal(back.head.linear.weight, head.head.linear.weight)


def test_the_map_of_a_taught_head_explains_that_head(predictor, phantom):
    head = FinetunedHead(TASK["mass"], predictor.width(TASK["mass"].level), "linear", "mine")
    torch.nn.init.normal_(head.head.linear.weight)
    encoding, _ = predictor.encode(phantom.exam)
    target = Target("mass", "present")
    own = raw_maps(predictor.with_heads([head.requires_grad_(False)]), encoding, [target])[target]
    assert not torch.allclose(own, raw_maps(predictor, encoding, [target])[target])


def test_the_last_image_stage_starts_as_the_weights_own_and_learns(predictor):
    """Twelve phantoms whose label is the density: what the stage changes is embed_with_stage, and nothing else is."""
    encodings = [(phantom.name, predictor.encode(phantom.exam)[0]) for phantom in phantom_exams(12, 33, rows=320)]
    stage_inputs, stage = StageInputs.from_encodings(encodings), LastStage(predictor.model)
    with torch.no_grad():
        fused = stage_inputs.fused(predictor.model, stage, range(12))
    for row, (_, encoding) in enumerate(encodings):
        assert torch.allclose(fused.breasts[row], encoding.fused.breasts[0], atol=2e-2), (
            "half precision of the kept maps is all that differs"
        )
    before = {name: value.clone() for name, value in predictor.model.state_dict().items()}
    names = tuple(name for name, _ in encodings for _ in "RL")
    labels = np.float32([row % 2 for row in range(24)])
    cases = LabelledEmbeddings(
        TASK["mass"],
        np.stack([vectors_of(e)[side] for _, e in encodings for side in Laterality]).astype(np.float32),
        labels,
        names,
        tuple("RL" * 12),
        np.array(names),
        np.array([False] * 24),
        tuple({} for _ in names),
        stage_inputs,
    )
    losses = []
    head = fit_head_with_stage(cases, 1.0, 1, predictor.model, losses.append)
    assert np.mean(losses[-2:]) < losses[0]
    assert any(not torch.equal(a, b) for a, b in zip(head.stage.state_dict().values(), stage.state_dict().values())), (
        "the stage itself was taught"
    )
    assert all(torch.equal(value, before[name]) for name, value in predictor.model.state_dict().items()), (
        "the weights' own stage stays"
    )
    head.title = "deep"
    taught = predictor.with_heads([head])
    exam = next(iter(phantom_exams(1, 33, rows=320))).exam
    result, plain = taught.predict(exam), predictor.predict(exam)
    shares = probabilities(TASK["mass"], head.case_logits(cases, predictor.model))
    assert result.probability("mass", laterality=Laterality.RIGHT) == pytest.approx(float(shares[0, 0]), abs=0.02)
    assert result.probability("calcification") == pytest.approx(plain.probability("calcification"), abs=1e-6)
    back, _ = read_head(write_head(head, predictor.weights, "deep", {}), predictor, [TASK["mass"]])
    assert torch.equal(back.case_logits(cases, predictor.model), head.case_logits(cases, predictor.model))
    maps = raw_maps(taught, result.encoding, [Target("mass", "present"), Target("calcification", "present")])
    own = raw_maps(predictor, result.encoding, [Target("calcification", "present")])
    assert torch.allclose(maps[Target("calcification", "present")], own[Target("calcification", "present")])
    assert maps[Target("mass", "present")].max() > 0


def test_a_linear_head_starts_from_the_weights_own_and_few_cases_change_it_little():
    cases, start = made(width=12), Head(TASK["mass"], 12).requires_grad_(False)
    with torch.inference_mode():
        own = start(torch.from_numpy(cases.features))
    held = fit_head(cases, "linear", 1e6, 1, start=start).case_logits(cases, None)
    difference = held - own
    assert (difference - difference.mean()).abs().max() < 0.02, (
        "held fast: the same order, only the share of positives is its own"
    )
    free = fit_head(cases, "linear", 1e-3, 1, start=start).case_logits(cases, None)
    assert auc(cases.labels, free[:, 0].numpy()) > auc(cases.labels, own[:, 0].numpy())
