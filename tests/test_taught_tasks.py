"""A task of which the training exams know one class only is not taught, and that is said."""

import pytest

from mvmlm.datasets.case import Case
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam
from mvmlm.pretraining.record import new_record
from mvmlm.pretraining.taught_tasks import untaught_tasks
from mvmlm.tasks import TASKS
from tests.test_datasets_cbis import calc, cases, mass

R, L = Laterality


def labels(right=None, left=None, exam=None, risk=None):
    return Labels({}, {R: right or {}, L: left or {}}, exam or {}, risk)


def test_two_known_classes_are_taught():
    known = [labels({"mass": 1, "birads": 2}, {"mass": 0, "birads": 0}, {"density": 1}, (3.0, True)),
             labels(exam={"density": 2}, risk=(5.0, False))]  # fmt: skip
    assert {task.name for task in TASKS} - set(untaught_tasks(known)) == {"mass", "birads", "density", "risk"}


@pytest.mark.parametrize(
    "known, task, reason",
    [
        ([labels({"mass": 1}), labels(left={"mass": 1})], "mass", "every known label is present"),
        ([labels({"malignancy": 0})], "malignancy", "every known label is absent"),
        ([labels({"birads": 4}, {"birads": 4})], "birads", "every known label is 5"),
        ([labels(exam={"density": 2})], "density", "every known label is C"),
        ([labels(risk=(2.0, False)), labels(risk=(5.0, False))], "risk", "every known label is no cancer"),
        ([labels()], "asymmetry", "no known label"),
    ],
)
def test_one_known_class_is_not_taught(known, task, reason):
    assert untaught_tasks(known)[task] == reason


def test_a_table_of_abnormalities_teaches_malignancy_but_no_kind_of_finding(tmp_path, phantom):
    cases(
        tmp_path,
        mass(("CC", 1, "OVAL", "CIRCUMSCRIBED", 3, "BENIGN", 3)),
        [*calc(("CC", 1, "AMORPHOUS", "CLUSTERED", 4, "MALIGNANT", 3), patient="P_00002")],
    )
    preprocessing = Preprocessing(rows=96, columns=64)
    views, present, _ = to_cached_exam(phantom.exam, preprocessing)
    with ExamCacheWriter(tmp_path / "cache", preprocessing) as writer:
        for case in read_dataset("cbis", tmp_path):
            assert isinstance(case, Case)
            writer.add(case.exam, views, present, Labels.from_case(case))
    record = new_record("test", "0", Preset.load("demo"), ExamCache(tmp_path / "cache"), {"seed": 1})
    assert record.tasks == ("malignancy", "birads") and record.training["prevalence"] == {"malignancy": 0.5}
    assert record.training["not_taught"]["mass"] == "every known label is present"
    assert record.training["not_taught"]["risk"] == "no known label" and record.training["seed"] == 1
