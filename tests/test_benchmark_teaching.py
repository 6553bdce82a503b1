"""The comparison of taught heads with the bundled one: whole women in a fold, and gains that are there are found."""

import argparse
import sys

import numpy as np
import pytest
import torch

from mvmlm.exam import Laterality
from mvmlm.finetuning import crossvalidation
from mvmlm.finetuning.embeddings import EmbeddedExams
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam
from mvmlm.tasks import TASK, Level
from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
import benchmark_finetuning
import benchmark_teaching
from benchmark_teaching import (
    FOLDS,
    Answers,
    Site,
    chosen_actively,
    folds_of,
    mean_auc,
    measure,
    rows_of,
    taught,
    with_site_statistics,
)

pytestmark = pytest.mark.usefixtures("one_thread", "few_resamples")
WOMEN = 100


@pytest.fixture(autouse=True)
def few_penalties(monkeypatch):
    """Two penalties; what is promised here does not depend on how many there are."""
    monkeypatch.setattr(crossvalidation, "PENALTIES", (1.0, 1e5))


@pytest.fixture(scope="module")
def site(predictor):
    """Two breasts a woman, of which some features tell the cancer that the bundled head does not look for."""
    rng = np.random.default_rng(0)
    width = predictor.width(Level.BREAST)
    labels = rng.integers(0, 2, 2 * WOMEN).astype(np.float32)
    features = rng.normal(size=(2 * WOMEN, width)).astype(np.float32) * 0.1
    features[:, :20] += 0.2 * labels[:, None]
    women = np.repeat([f"w{number}" for number in range(WOMEN)], 2)
    sides = ("R", "L") * WOMEN
    cases = LabelledEmbeddings(
        TASK["malignancy"],
        features=features,
        labels=labels,
        exams=tuple(f"{woman} {side}" for woman, side in zip(women, sides, strict=True)),
        sides=sides,
        patients=women,
        test=np.zeros(2 * WOMEN, bool),
        facts=tuple({} for _ in sides),
    )
    breasts, read = np.zeros((2 * WOMEN, 2, width), np.float32), np.zeros((2 * WOMEN, 2), bool)
    for row, side in enumerate(sides):
        at = list(Laterality).index(Laterality(side))
        breasts[row, at], read[row, at] = features[row], True
    whole = rng.normal(size=(2 * WOMEN, predictor.width(Level.EXAM))).astype(np.float32)
    return Site("1", predictor, cases, EmbeddedExams(np.arange(2 * WOMEN), whole, breasts, read))


def test_a_woman_is_in_one_fold(site):
    folds = folds_of(site.cases.patients)
    assert set(folds.tolist()) == set(range(FOLDS))
    assert all(len(set(folds[site.cases.patients == woman].tolist())) == 1 for woman in set(site.cases.patients))


def test_what_the_labels_teach_is_measured_on_women_who_gave_none(site, monkeypatch):
    used = []
    finetune = benchmark_teaching.finetune_head

    def spy(cases, *arguments, **named):
        used.append(cases)
        return finetune(cases, *arguments, **named)

    monkeypatch.setattr(benchmark_teaching, "finetune_head", spy)
    answers = taught(site, 40, {"linear": 1})
    assert len(used) == FOLDS
    for cases in used:
        train, test = cases.split()
        assert len(set(train.patients)) == 40 and not set(train.patients) & set(test.patients)
    lines = rows_of(site, answers, "bundled", "40 women")
    bundled, linear = (line.split("|") for line in lines)
    assert float(linear[4].split()[0]) > 0.95 > float(bundled[4].split()[0])
    assert float(linear[5].split("(")[1].split()[0]) > 0, "the interval of the gain lies above 0"


def test_a_share_of_a_sites_statistics_is_taken_over(site, phantom, tmp_path):
    model = site.predictor.model
    settings = model.record.preprocessing
    with ExamCacheWriter(tmp_path, settings) as writer:
        views, present, _ = to_cached_exam(phantom.exam, settings)
        writer.add("phantom", views, present, Labels({}, {}, {}, None))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = with_site_statistics(model, ExamCache(tmp_path))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "a copy is changed"
    changed = {name for name, value in adapted.state_dict().items() if not torch.equal(value, before[name])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    assert changed and all(name.endswith(statistics) for name in changed)


def test_every_strategy_chooses_from_the_other_folds(site, monkeypatch):
    monkeypatch.setattr(benchmark_finetuning, "CHOSEN", 25)  # exams that are labelled in a round
    monkeypatch.setattr(benchmark_finetuning, "ROUNDS", 2)
    answers = chosen_actively(site, 1)
    labels, folds = site.cases.labels, folds_of(site.cases.patients)
    assert set(answers.by) == {"uncertain", "disagreement", "diverse", "random"}
    assert all(mean_auc(labels, folds, draws) > 0.9 for draws in answers.by.values())


def test_what_was_measured_at_a_site_is_kept_and_not_measured_again(site, monkeypatch, tmp_path):
    taught_with, scores = [], [np.arange(2.0 * WOMEN)]

    def teach(site, count, draws):
        taught_with.append(count)
        return Answers({"bundled": scores, **dict.fromkeys(draws, scores)}, {"linear": [1.0]})

    replaced = {
        "trained_without": lambda *_: site.predictor,
        "ExamCache": lambda *_: None,
        "at_site": lambda *_, own: None,
        "encoded_site": lambda *_: site,
        "taught": teach,
        "answers_without_labels": lambda *_: Answers({"bundled": scores}),
        "chosen_actively": lambda *_: Answers({"random": scores}),
    }
    for name, value in replaced.items():
        monkeypatch.setattr(benchmark_teaching, name, value)
    (tmp_path / "without-site-1").mkdir()
    options = argparse.Namespace(work=tmp_path, exams=tmp_path, seeds=1)
    first = measure("1", {}, options)
    assert taught_with == [50, 200, WOMEN] and list(first)[0] == "none"
    assert measure("1", {}, options) == first and len(taught_with) == 3
    assert first["200 women"]["seconds"] == [1.0] and len(first["200 women"]["lines"]) == 3


def test_the_mean_over_folds_does_not_compare_scores_of_different_heads():
    labels, folds = np.array([0.0, 1.0] * 5), np.repeat(range(FOLDS), 2)
    scores = folds * 10.0 + labels
    assert mean_auc(labels, folds, [scores, scores]) == 1
