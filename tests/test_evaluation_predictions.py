"""The predictions table: what is odd is told in one sentence with its lines, and levels go up by the highest score."""

import csv
import hashlib

import numpy as np
import pytest

from mvmlm.datasets.case import DatasetError
from mvmlm.evaluation.cases import CaseKey, CaseLevel, TaskCases, at_level
from mvmlm.evaluation.predictions_csv import COLUMNS, read_predictions, write_predictions
from mvmlm.inference.prediction import exam_shares
from mvmlm.tasks import TASK, TASKS, Kind, Level, Task

HEADER = "exam,patient,laterality,task,class,score,label"
MASS = TASK["mass"]


def read(tmp_path, *lines, header=HEADER):
    path = tmp_path / "predictions.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return read_predictions(path, TASKS)


def breast_cases(scores, labels, keys, task=MASS, facts=None):
    return TaskCases(
        task, "m 1", "test", keys[0].level, tuple(keys), np.array(labels),
        np.array(scores, float).reshape(len(keys), -1), tuple(facts or [{}] * len(keys)),
    )  # fmt: skip


def test_a_plain_table_of_yes_and_no_is_read(tmp_path):
    table = read(tmp_path, "e1,p1,R,mass,,0.25,0", "e1,p1,L,mass,present,0.75,1")
    (cases,) = table.cases
    assert table.problems == () and cases.task is MASS and cases.level is CaseLevel.BREAST and cases.split == "test"
    assert cases.keys == (CaseKey("p1", "e1", "R"), CaseKey("p1", "e1", "L"))
    assert cases.scores.tolist() == [[0.25], [0.75]] and cases.labels.tolist() == [0, 1]
    assert table.sha256 == hashlib.sha256((tmp_path / "predictions.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "line, sentence",
    [
        ("e2,p2,R,mass,,high,1", "line 3: score is not a number; left out (found “high”)"),
        ("e2,p2,R,mass,,nan,1", "line 3: score is not a number; left out (found “nan”)"),
        ("e2,p2,R,mass,,,1", "line 3: score is not a number; left out (found “empty”)"),
        ("e1,p1,R,mass,,0.5,0", "line 3: the same case and class as in an earlier line, which is kept (found “line 2”)"),
        ("e2,p2,R,mass,,0.5,2", "line 3: a label outside the classes: mass has 0, 1; left out (found “2”)"),
        ("e2,p2,R,mass,,0.5,", "line 3: no label; left out"),
        ("e2,p2,both,mass,,0.5,1", "line 3: laterality is not R, L or empty; left out (found “BOTH”)"),
        (",p2,R,mass,,0.5,1", "line 3: no exam; left out"),
        ("e2,,R,mass,,0.5,1", "line 3: no patient; left out"),
        ("e1,p2,L,mass,,0.5,1", "line 3: its exam is of another patient in an earlier line; left out (found “e1”)"),
        ("e2,p2,R,mass,big,0.5,1", "line 3: a class that the task has not: mass has the classes present; left out (found “big”)"),
        ("e2,p2,,mass,,0.5,1", "line 3: mass has rows for each breast, so rows of a whole exam are left out"),
        ("e2,p2,R,density,A,0.5,A", "line 3: the case has no score for some classes; left out (found “B, C, D”)"),
        ("e1,p1,R,mass,,0.25,0", "line 3 repeats line 2; passed over"),
    ],
)  # fmt: skip
def test_an_odd_row_is_left_out_and_told_in_one_sentence(tmp_path, line, sentence):
    table = read(tmp_path, "e1,p1,R,mass,,0.25,0", line)
    assert table.problems == (sentence,)
    assert [len(cases) for cases in table.cases] == [1] and table.cases[0].scores.tolist() == [[0.25]]


@pytest.mark.parametrize("number", ["nan", "inf", "1e400", "old", "1_0"])
def test_an_age_or_a_size_that_is_no_number_is_unknown_and_told(tmp_path, number):
    header = "exam,patient,laterality,task,class,score,label,age,lesion_size"
    table = read(tmp_path, f"e1,p1,R,mass,,0.5,1,{number},{number}", "e2,p2,R,mass,,0.5,0,51,12", header=header)
    assert list(table.cases[0].facts) == [{}, {"age": "51", "lesion_size": "12"}]
    assert table.problems == tuple(
        f"line 2: {name} is not a number; taken as unknown (found “{number}”)" for name in ("age", "lesion_size")
    )


def test_years_of_one_value_are_one_label_however_they_are_written(tmp_path):
    header = "exam,patient,laterality,task,class,score,years,event"
    years = ("2", "2.0", "2", "2.0", "2")
    lines = [f"e1,p1,,risk,{number},0.5,{text},1" for number, text in enumerate(years, 1)]
    assert read(tmp_path, *lines, header=header).cases[0].labels.tolist() == [[2, 1]]
    lines = [f"e1,p1,,risk,{number},0.5,1_0,1" for number in range(1, 6)]
    table = read(tmp_path, *lines, header=header)
    assert table.cases == () and "years is not a number" in table.problems[0]


def test_many_odd_rows_are_one_sentence(tmp_path):
    lines = [f"e{i},p{i},R,mass,,?{i},1" for i in range(9)]
    assert read(tmp_path, *lines).problems == (
        "lines 2, 3, 4, 5, 6 and 4 more: score is not a number; left out (found “?0”, “?1”, “?2”)",
    )


def test_columns_that_are_missing_or_not_used_are_named(tmp_path):
    with pytest.raises(DatasetError, match="no column score"):
        read(tmp_path, "e1,p1,R,mass,", header="exam,patient,laterality,task,class")
    table = read(tmp_path, "e1,p1,R,mass,,0.5,x", header="exam,patient,laterality,task,class,score,truth")
    assert table.cases == () and table.problems == (
        "predictions.csv: no column label, and no columns years and event; add what was true",
        "columns that are not used: “truth”",
        "line 2: no label; left out",
    )


def test_a_patient_in_both_splits_is_left_out_of_the_validation_cases(tmp_path):
    header = HEADER + ",split"
    table = read(
        tmp_path, "e1,p1,R,mass,,0.1,0,validation", "e2,p1,R,mass,,0.2,1,test", "e3,p2,R,mass,,0.3,1,validation",
        "e4,p3,R,mass,,0.3,1,train", header=header,
    )  # fmt: skip
    assert table.problems == (
        "line 5: split is not test or validation; left out (found “train”)",
        "line 2: the patient is in both splits; left out of the validation cases (found “p1”)",
    )
    assert {cases.split: cases.patients.tolist() for cases in table.cases} == {"validation": ["p2"], "test": ["p1"]}


def test_risk_is_read_from_years_and_event(tmp_path):
    header = "exam,patient,laterality,task,class,score,years,event"
    follow_up = {"e1": ("2.5", "1"), "e2": ("5", "0"), "e3": ("0", "1"), "e4": ("soon", "0")}
    lines = [f"{e},p{e},,risk,{year},0.{year},{y},{v}" for e, (y, v) in follow_up.items() for year in range(1, 6)]
    table = read(tmp_path, *lines, header=header)
    (cases,) = table.cases
    assert cases.labels.tolist() == [[2.5, 1], [5, 0]] and cases.scores.shape == (2, 5)
    assert table.problems == (
        "line 12: years is 0: a cancer in these images is no later one; left out",
        "line 17: years is not a number of years or event not 0 or 1; left out (found “soon, 0”)",
    )


def test_rows_of_a_case_must_have_one_label(tmp_path):
    lines = [f"e1,p1,,density,{c},0.25,{label}" for c, label in zip("ABCD", "BBBC", strict=True)]
    assert read(tmp_path, *lines).problems == ("line 2: the rows of a case have different labels; left out",)


def test_a_repeated_case_with_another_label_is_left_out(tmp_path):
    table = read(tmp_path, "e1,p1,R,mass,,0.5,1", "e1,p1,R,mass,,0.5,0", "e2,p2,R,mass,,0.5,0")
    (cases,) = table.cases
    assert [key.exam for key in cases.keys] == ["e2"]
    assert "line 2: the rows of a case have different labels; left out" in table.problems


def test_an_unknown_task_gets_the_classes_of_its_rows(tmp_path):
    table = read(tmp_path, "e1,p1,R,vessel,,0.5,1", "e1,p1,R,shape,oval,0.6,round", "e1,p1,R,shape,round,0.4,round")
    vessel, shape = table.cases
    assert vessel.task.kind is Kind.BINARY and shape.task.nominal and shape.task.classes == ("oval", "round")
    assert shape.labels.tolist() == [1]
    assert table.problems == ("task shape is not known: its classes oval, round are taken to have no order",)


def test_what_is_written_is_read_back_and_no_cell_starts_a_formula(tmp_path):
    odd = "=SUM(A1)"
    breasts = breast_cases([0.1, -0.5], [0, 1], [CaseKey(odd, "@e", "R"), CaseKey(odd, "@e", "L")], facts=[
        {"vendor": "+tel", "density": "C"}, {"lesion_type": "mass"},
    ])  # fmt: skip
    exams = breast_cases([[0.1, 0.2, 0.3, 0.4]], [2], [CaseKey("p", "e")], TASK["density"])
    risk = breast_cases([[0.1, 0.2, 0.3, 0.4, 0.5]], [[2.5, 1]], [CaseKey("p", "e")], TASK["risk"])
    path = tmp_path / "written.csv"
    write_predictions(path, [breasts, exams, risk])
    with open(path, newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "@")] and "'=SUM(A1)" in cells
    table = read_predictions(path, TASKS)
    assert table.problems == () and len(table.cases) == 3
    for wrote, found in zip((breasts, exams, risk), table.cases, strict=True):
        assert (found.keys, found.facts, found.model, found.split) == (wrote.keys, wrote.facts, "m 1", "test")
        assert found.level is wrote.level and found.task is wrote.task
        assert (found.scores == wrote.scores).all() and (found.labels == wrote.labels).all()
    assert set(COLUMNS) == set(path.read_text(encoding="utf-8").splitlines()[0].split(","))


def test_levels_are_view_breast_exam_and_woman(tmp_path):
    table = read(
        tmp_path, "e1,p1,R,CC,mass,,0.2,1", "e1,p1,R,MLO,mass,,0.6,1", "e1,p1,L,CC,mass,,0.4,0",
        "e2,p1,L,CC,mass,,0.1,0", header=HEADER.replace("laterality", "laterality,view"),
    )  # fmt: skip
    (views,) = table.cases
    assert views.level is CaseLevel.VIEW
    breasts, exams, women = (at_level(views, level) for level in list(CaseLevel)[1:])
    assert breasts.scores.ravel().tolist() == [0.6, 0.4, 0.1] and breasts.labels.tolist() == [1, 0, 0]
    assert exams.scores.ravel().tolist() == [0.6, 0.1] and exams.labels.tolist() == [1, 0]
    assert women.scores.ravel().tolist() == [0.6] and women.labels.tolist() == [1], "one woman, one answer"
    assert women.keys == (CaseKey("p1", ""),) and women.level is CaseLevel.WOMAN and women.one_case_a_patient
    assert at_level(women, CaseLevel.BREAST) is women, "nothing goes down"


def test_an_ordered_task_goes_up_as_the_predictor_answers_for_the_exam():
    task, rng = TASK["birads"], np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(5), (40, 2))
    keys = [CaseKey(f"p{i}", f"e{i}", side) for i in range(40) for side in "RL"]
    exams = at_level(breast_cases(shares.reshape(-1, 5), rng.integers(0, 5, 80), keys, task), CaseLevel.EXAM)
    assert np.allclose(exams.scores, exam_shares(task, shares, np.ones((40, 2), bool)))


def test_risk_of_an_exam_is_its_earliest_cancer_or_longest_follow_up_and_never_that_of_another_exam():
    keys = [CaseKey("p", "e1", "R"), CaseKey("p", "e1", "L"), CaseKey("p", "e2", "R"), CaseKey("p", "e2", "L")]
    labels = [[4, 1], [2, 1], [3, 0], [5, 0]]
    breasts = breast_cases(np.eye(5)[:4], labels, keys, TASK["risk"])
    exams = at_level(breasts, CaseLevel.EXAM)
    assert exams.labels.tolist() == [[2, 1], [5, 0]] and exams.scores[0].tolist() == [1, 1, 0, 0, 0]
    women = at_level(breasts, CaseLevel.WOMAN)
    assert (women.level, women.keys) == (CaseLevel.EXAM, exams.keys), "the years count from each exam"
    assert women.labels.tolist() == exams.labels.tolist()


def test_facts_of_an_exam_are_those_that_its_breasts_share():
    facts = [{"density": "C", "vendor": "A"}, {"density": "C", "vendor": "B", "lesion_type": "mass"}]
    keys = [CaseKey("p", "e", "R"), CaseKey("p", "e", "L")]
    exam = at_level(breast_cases([0.9, 0.1], [0, 1], keys, facts=facts), CaseLevel.EXAM)
    assert exam.facts == ({"density": "C", "lesion_type": "mass"},)


def test_classes_without_order_stay_at_their_level():
    task = Task("shape", "Shape", Level.BREAST, Kind.MULTICLASS, ("oval", "round"), {})
    cases = breast_cases([[0.2, 0.8], [0.6, 0.4]], [0, 1], [CaseKey("p", "e", "R"), CaseKey("p", "e", "L")], task)
    assert at_level(cases, CaseLevel.EXAM) is cases


def test_a_task_of_too_many_classes_is_left_out_and_told(tmp_path):
    table = read(tmp_path, *(f"e{n},p{n},,odd,class {n},0.5,class {n}" for n in range(51)), "e1,p1,R,mass,,0.2,1")
    assert [cases.task.name for cases in table.cases] == ["mass"]
    assert any("task odd has 51 classes, more than 50; left out" in problem for problem in table.problems)


def test_a_number_with_an_underscore_is_none(tmp_path):
    table = read(tmp_path, "e1,p1,R,mass,,1_0,1", "e2,p2,R,mass,,0.5,1")
    assert len(table.cases[0]) == 1 and "score is not a number; left out (found “1_0”)" in table.problems[0]
