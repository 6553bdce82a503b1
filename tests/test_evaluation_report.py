"""The report of an evaluation: every number with its interval, nothing from outside, and nothing unescaped."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from plotly.offline import get_plotlyjs

from mvmlm.evaluation.bootstrap import intervals
from mvmlm.evaluation.cases import CaseKey, CaseLevel, TaskCases, at_level
from mvmlm.evaluation.discrimination import delong, weighted_auc
from mvmlm.evaluation.estimates import Estimate
from mvmlm.evaluation.evaluation_report import EvaluationReport, interval_text
from mvmlm.evaluation.predictions_csv import read_predictions, write_predictions
from mvmlm.evaluation.report import model_cases
from mvmlm.evaluation.report_page import html_page, markdown_page
from mvmlm.evaluation.table_evaluation import evaluate_table
from mvmlm.evaluation.truth import AnsweredExam, scores_of, truth_of_rows
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.truth import truth_rows
from mvmlm.tasks import TASK, TASKS

pytestmark = pytest.mark.usefixtures("few_resamples")

DRAWS = 60
ODD = "<script>alert(1)</script>|$x$ [a](http://x.test)"


def breast_cases(start, split, model="m 1", women=80):
    rng = np.random.default_rng(start)
    keys = tuple(CaseKey(f"p{i}", f"e{i}", side) for i in range(start, start + women) for side in "RL")
    labels = (rng.random(len(keys)) < 0.25).astype(int)
    scores = 1 / (1 + np.exp(1 - rng.normal(1.5 * labels, 1)))
    facts = tuple({"density": "ABCD"[i % 4], "vendor": ODD} for i in range(len(keys)))
    return TaskCases(TASK["malignancy"], model, split, CaseLevel.BREAST, keys, labels, scores[:, None], facts)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Two models for malignancy, with validation cases for one, density and risk; names that are markup."""
    rng = np.random.default_rng(9)
    first = breast_cases(0, "test")
    second = replace(first.chosen(np.arange(150)), model=ODD, scores=rng.random((150, 1)))
    keys = tuple(CaseKey(f"p{i}", f"e{i}") for i in range(60))
    density = TaskCases(
        TASK["density"], "m 1", "test", CaseLevel.EXAM, keys, rng.integers(0, 4, 60), rng.dirichlet(np.ones(4), 60), ({},) * 60
    )  # fmt: skip
    follow_up = np.stack([rng.uniform(0.5, 6, 60).round(1), rng.random(60) < 0.4], 1)
    risk = TaskCases(
        TASK["risk"], "m 1", "test", CaseLevel.EXAM, keys, follow_up, np.sort(rng.random((60, 5)), 1), ({},) * 60
    )  # fmt: skip
    path = tmp_path_factory.mktemp("table") / "predictions <b>.csv"
    write_predictions(path, [first, breast_cases(500, "validation"), second, density, risk])
    with open(path, "a", encoding="utf-8") as file:
        file.write("e0,p0,R,,malignancy,present,<i>,1,,,test,m 1,,,,,,\n")
    return read_predictions(path, TASKS)


@pytest.fixture(scope="module")
def report(table) -> EvaluationReport:
    return evaluate_table(table, CaseLevel.BREAST, "mvmlm evaluate <x>", seed=4, draws=DRAWS)


def test_the_report_says_what_was_evaluated_and_how(report, table):
    record = report.to_json()
    assert record["note"] == "Research use only, not for diagnosis."
    assert (record["sha256"], record["seed"], record["resamples"]) == (table.sha256, 4, DRAWS)
    assert (record["level"], record["models"], record["command"]) == ("breast", ["m 1", ODD], "mvmlm evaluate <x>")
    assert record["problems"] == ["line 1012: score is not a number; left out (found “<i>”)"]
    assert {(r["task"], r["level"]) for r in record["results"]} == {
        ("malignancy", "breast"), ("density", "exam"), ("risk", "exam"),
    }  # fmt: skip
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_numbers_of_the_report_are_those_of_the_metrics(report, table):
    cases = table.cases[0]
    expected = intervals({"AUC": weighted_auc(cases.labels, cases.scores[:, 0])}, cases.patients, 4, DRAWS)["AUC"]
    result = report.results[0]
    assert (result.cases, result.patients, result.positives) == (160, 80, int(cases.labels.sum()))
    assert result.measures[0].name == "AUC" and result.measures[0].estimate == pytest.approx(expected)


def test_every_number_has_its_interval(report):
    for result in report.results:
        assert len(result.measures) >= 4
        for name, estimate in result.measures:
            assert estimate.low <= estimate.value <= estimate.high or name.startswith("calibration error"), name
        for row in result.rates:
            assert all(math.isnan(share.value) or share.low <= share.high for share in row.rates)
        for curve in result.curves.values():
            assert len(curve["x"]) == len(curve["y"]) == len(curve["low"]) == len(curve["high"])
    names = {name for result in report.results for name, _ in result.measures}
    assert {
        "AUC", "average precision", "partial AUC to 0.2, standardised", "Brier score", "scaled Brier score",
        "calibration slope", "calibration intercept", "calibration in the large", "calibration error, 10 bins",
        "macro AUC", "kappa, quadratic weights", "kappa, linear weights", "C-index", "Uno's C, before 5 y", "AUC 5 y",
    } <= names  # fmt: skip


def test_recall_rates_count_exams_and_thresholds_come_from_validation_cases(report):
    with_validation, without = report.results[0], report.results[1]
    assert [(row.rule, row.level.value, row.cases) for row in with_validation.rates] == [
        *((f"at most {rate} % called back", "exam", 80) for rate in ("1.5", "2.4", "3.5", "10")),
        ("specificity of at least 90 % on validation cases", "breast", 160),
        ("sensitivity of at least 90 % on validation cases", "breast", 160),
    ]
    assert len(without.rates) == 4 and without.notes == ("There are no validation cases, so no threshold was chosen.",)


def test_no_threshold_is_chosen_on_cases_of_another_level(table):
    test, validation = (c for c in table.cases if c.task.name == "malignancy" and c.model == "m 1")
    mixed = replace(table, cases=(test, at_level(validation, CaseLevel.EXAM)))
    (result,) = evaluate_table(mixed, CaseLevel.BREAST, "", draws=5).results
    assert len(result.rates) == 4, "the recall rates alone"
    assert result.notes == ("A validation case is an exam and a test case a breast, so no threshold was chosen.",)


def test_models_are_compared_on_the_cases_that_both_answered(report, table):
    (comparison,) = report.comparisons
    assert (comparison.first, comparison.second, comparison.cases, comparison.left_out) == ("m 1", ODD, 150, 10)
    assert comparison.delong_p is None, "two breasts of a woman are not independent"
    assert comparison.difference.low > 0
    women = evaluate_table(table, CaseLevel.WOMAN, "", seed=4, draws=DRAWS)
    of_women = women.comparisons[0]
    first, second = (r for r in women.results if r.task == "malignancy")
    assert (of_women.level, of_women.cases) == (CaseLevel.WOMAN, 75) and 0 < of_women.delong_p < 0.05
    assert first.measures[1].name == "AUC, interval by DeLong" and second.cases == 75


def test_what_is_not_compared_is_told(table):
    of_breasts = next(c for c in table.cases if c.task.name == "malignancy" and c.split == "test")
    of_exams = replace(at_level(of_breasts, CaseLevel.EXAM), model="m 2")
    report = evaluate_table(replace(table, cases=(of_breasts, of_exams)), CaseLevel.BREAST, "", draws=5)
    assert report.comparisons == ()
    assert "malignancy is answered by breast and exam: models of different levels are not compared" in report.problems
    turned = replace(of_breasts, model="m 3", labels=np.r_[1 - of_breasts.labels[:7], of_breasts.labels[7:]])
    report = evaluate_table(replace(table, cases=(of_breasts, turned)), CaseLevel.BREAST, "", draws=5)
    assert report.comparisons[0].left_out == 7
    assert any("m 1 and m 3 have different labels of 7 breasts" in problem for problem in report.problems)


def test_of_many_models_each_is_compared_with_the_first_one(table):
    first = next(cases for cases in table.cases if cases.task.name == "malignancy" and cases.split == "test")
    many = replace(table, cases=tuple(replace(first, model=f"m {n}") for n in range(8)))
    found = evaluate_table(many, CaseLevel.BREAST, "", draws=5)
    assert [(c.first, c.second) for c in found.comparisons] == [("m 0", f"m {n}") for n in range(1, 8)]
    assert any("8 models: each is compared with m 0 alone" in problem for problem in found.problems)


def test_delong_p_is_that_of_the_women(table):
    only = replace(table, cases=tuple(c for c in table.cases if c.task.name == "malignancy" and c.split == "test"))
    report = evaluate_table(only, CaseLevel.WOMAN, "", draws=5)
    highest = [cases.scores[:150, 0].reshape(75, 2).max(1) for cases in only.cases]
    labels = only.cases[0].labels[:150].reshape(75, 2).max(1)
    assert report.comparisons[0].delong_p == pytest.approx(delong(labels, *highest)[1])


def test_delong_p_is_left_out_where_a_class_has_one_case(table):
    labels = np.zeros(160, int)
    labels[0] = 1
    cases = tuple(replace(table.cases[0], model=model, labels=labels) for model in ("m 1", "m 2"))
    report = evaluate_table(replace(table, cases=cases), CaseLevel.WOMAN, "", draws=5)
    assert report.comparisons[0].delong_p is None and "| nan |" not in markdown_page(report)


def test_progress_rises_to_one_and_what_it_raises_ends_the_work(table):
    shares = []
    evaluate_table(table, CaseLevel.EXAM, "", draws=5, progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) > 8

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_table(table, CaseLevel.EXAM, "", draws=5, progress=stop)


def test_scores_that_are_no_probabilities_have_no_calibration(table):
    logits = replace(table.cases[0], scores=table.cases[0].scores * 10 - 5)
    (result,) = evaluate_table(replace(table, cases=(logits,)), CaseLevel.BREAST, "", draws=5).results
    assert set(result.curves) == {"ROC", "precision-recall"} and any("no probabilities" in n for n in result.notes)
    assert not any("Brier" in name or "calibration" in name for name, _ in result.measures)


def test_cases_of_one_label_give_a_report_that_says_so(table):
    healthy = replace(table.cases[0], labels=np.zeros(160, int))
    report = evaluate_table(replace(table, cases=(healthy,)), CaseLevel.BREAST, "", draws=5)
    assert any("same label" in note for note in report.results[0].notes)
    page = html_page(report)
    assert "undefined" in page and "Plotly" not in page, "without a curve the page needs no Plotly"
    assert report.to_json()["results"][0]["measures"][0]["estimate"]["value"] is None
    nothing = evaluate_table(replace(table, cases=()), CaseLevel.BREAST, "", draws=5)
    assert nothing.results == () and "<h1>" in html_page(nothing)


def test_the_page_opens_without_a_network(report):
    page = html_page(report)
    assert page.count(get_plotlyjs()) == 1
    own = page.replace(get_plotlyjs(), "")
    assert "Content-Security-Policy" in own and "default-src &#39;none&#39;" in own
    named = own.replace("[a](http://x.test)", "")
    assert not re.findall(r"(?:https?:|wss?:)?//[\w.]", named), "an address that a browser could open"
    assert not re.findall(
        r"<(?:link|img|iframe|object|embed|base|form)\b|\b(?:src|href|action)\s*=|@import|url\(", named
    )
    assert own.count("Plotly.newPlot") == 8 and html_page(report) == page


def test_nothing_from_the_table_is_markup_in_the_page(report):
    own = html_page(report).replace(get_plotlyjs(), "")
    assert "<script>alert" not in own and "&lt;script&gt;alert(1)" in own
    assert "predictions &lt;b&gt;.csv" in own and "<b>" not in own and "<i>" not in own and "evaluate &lt;x&gt;" in own
    assert "Research use only, not for diagnosis." in own


def test_nothing_from_the_table_is_markup_in_the_markdown(report):
    text = markdown_page(report)
    assert r"\<script\>alert(1)\</script\>\|\$x\$ \[a\](http://x.test)" in text
    assert "Research use only, not for diagnosis." in text
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, table


def test_an_interval_reads_well():
    assert interval_text(Estimate(0.8532, 0.8251, 0.8797)) == "0.853 (0.825–0.880)"
    assert interval_text(Estimate(-0.5, -0.6, -0.4)) == "-0.500 (-0.600 to -0.400)"
    assert interval_text(Estimate(0.5, 0.4, 0.6), percent=True) == "50.0 % (40.0–60.0)"
    assert interval_text(Estimate(*[math.nan] * 3)) == "undefined"


def test_predictions_of_our_own_become_a_table(small_predictor, tmp_path):
    phantoms = list(phantom_exams(6, seed=61, rows=192))
    predicted = [small_predictor.predict(phantom.exam) for phantom in phantoms]
    cases = model_cases(
        AnsweredExam(truth_of_rows(truth_rows(phantom)), "small 0", scores_of(prediction))
        for phantom, prediction in zip(phantoms, predicted, strict=True)
    )
    write_predictions(tmp_path / "own.csv", cases)
    table = read_predictions(tmp_path / "own.csv", TASKS)
    assert table.problems == () and len(table.cases) == len(cases)
    assert {(c.task.name, c.model) for c in table.cases} == {(c.task.name, c.model) for c in cases}
    assert any(c.model.endswith(", prompts") for c in cases)
    exams = {key.exam for c in cases for key in c.keys}
    assert len(exams) == 6 and {"density", "age"} <= set(cases[0].facts[0])
    assert len(evaluate_table(table, CaseLevel.EXAM, "", draws=5).results) == len(cases)


@pytest.mark.parametrize(
    ("positives", "negatives", "said"),
    [(1, 30, ["Only 1 positive:"]), (9, 3, ["Only 9 positive and 3 negative:"]), (10, 10, []), (0, 30, [])],
)
def test_intervals_of_few_cases_are_not_to_be_reported(tmp_path, positives, negatives, said):
    rows = [f"e{n},p{n},R,mass,,0.{n % 9},{int(n < positives)}" for n in range(positives + negatives)]
    path = tmp_path / "few.csv"
    path.write_text("\n".join(["exam,patient,laterality,task,class,score,label", *rows]), encoding="utf-8")
    (result,) = evaluate_table(read_predictions(path, TASKS), CaseLevel.BREAST, "", draws=20).results
    assert [note.partition(": ")[0] + ":" for note in result.notes if "too narrow" in note] == said
