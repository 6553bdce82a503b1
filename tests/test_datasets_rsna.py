"""RSNA 2022, whole and reduced: the density is reported, outcomes are labels, and everything else is counted."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case, split_of
from mvmlm.exam import Laterality
from mvmlm.report.findings import Findings
from tests.dataset_tables import RSNA_HEADER, put, read_cases, real_tables, rsna, rsna_640

R, L = Laterality
SHARED = Path(__file__).resolve().parents[2] / "shared" / "real_mammograms"


def test_only_the_density_enters_a_report_and_bi_rads_is_a_label(tmp_path):
    rsna(tmp_path)
    found = read_cases("rsna", tmp_path)
    assert found["10012"].findings.right == found["10012"].findings.left == Findings("A")
    assert found["10012"].breast_labels == {R: {"birads": 1, "malignancy": 0}, L: {"birads": 0}}
    assert found["10011"].breast_labels[R] == {"malignancy": 1}
    assert found["10006"].findings.left == Findings() and found["10006"].breast_labels[L] == {"malignancy": 0}


def test_densities_that_disagree_leave_it_unknown(tmp_path):
    rsna(tmp_path)
    case = read_cases("rsna", tmp_path)["10011"]
    assert case.findings.right == Findings() and any("density" in sentence for sentence in case.contradictions)


def test_outcomes_that_contradict_each_other_give_no_label(tmp_path):
    rsna(tmp_path)
    case = read_cases("rsna", tmp_path)["10012"]
    assert case.contradictions == ("10012 L: cancer, biopsy and invasive contradict each other",)


def test_implant_age_biopsy_and_the_rest_are_listed_and_used_for_nothing(tmp_path):
    rsna(tmp_path)
    found = read_cases("rsna", tmp_path)
    words = Counter((word.column, word.word) for word in found["10012"].unread)
    assert words == {("age", "an age"): 2, ("implant", "1"): 2, ("biopsy", "1"): 1, ("invasive", "1"): 1}
    listed = {word.column for word in found["10011"].unread}
    assert listed == {"age", "BIRADS", "biopsy", "invasive", "difficult_negative_case"}


def test_every_picture_of_a_woman_is_named_also_a_second_one_of_a_view(tmp_path):
    rsna(tmp_path)
    found = read_cases("rsna", tmp_path)
    assert [str(image.name) for image in found["10012"].images] == ["R_CC", "R_CC", "L_MLO"]
    assert [str(image.name) for image in found["10011"].images] == ["R_CC", "R_AT"]


def test_an_unknown_word_is_listed(tmp_path):
    put(tmp_path, "train.csv", RSNA_HEADER + "1,7,1,R,CC,,yes,0,0,,0,E,21,False\n")
    case = read_cases("rsna", tmp_path)["7"]
    assert [(w.column, w.word, w.reason) for w in case.unread] == [
        ("cancer", "yes", "not understood"),
        ("density", "E", "not understood"),
    ]
    assert case.breast_labels == {R: {}} and case.findings.right == Findings()


def test_the_reduced_copy_gives_one_breast_a_case_at_its_true_shape(tmp_path):
    rsna_640(tmp_path)
    found = read_cases("rsna-640", tmp_path)
    assert set(found) == {"p1 L", "p1 R", "p2 R"} and {case.patient for case in found.values()} == {"p1", "p2"}
    assert all((case.findings.right is None) != (case.findings.left is None) for case in found.values())
    assert {image.width_over_height for case in found.values() for image in case.images} == {0.8}
    assert found["p2 R"].breast_labels == {R: {"malignancy": 1}} and found["p2 R"].findings.right == Findings()
    assert split_of(found["p1 L"]) == split_of(found["p1 R"])


def counted(path, patient, birads):
    """For each breast, by the csv module alone: its density, assessment, outcome and what is listed."""
    with open(path, newline="", encoding="utf-8") as file:
        breasts = {(row[patient], row["laterality"]): row for row in csv.DictReader(file)}
    counts = Counter()
    for row in breasts.values():
        counts["density", row["density"]] += bool(row["density"])
        counts["malignancy", row["cancer"]] += 1
        if row[birads] in ("1.0", "2.0"):
            counts["birads", str(int(float(row[birads])) - 1)] += 1
        counts["unread BIRADS 0"] += row[birads] == "0.0"
        for column in ("biopsy", "invasive", "implant"):
            counts[f"unread {column} 1"] += row[column] == "1"
        counts["unread difficult_negative_case True"] += row.get("difficult_negative_case") == "True"
        counts["unread age an age"] += bool(row["age"])
    return +counts


def adapted(cases):
    counts = Counter()
    for case in cases.values():
        assert isinstance(case, Case) and not case.contradictions
        for findings in (case.findings.right, case.findings.left):
            if findings is not None:
                counts["density", findings.density or ""] += findings.density is not None
                assert findings == Findings(findings.density)
        counts.update((task, str(value)) for labels in case.breast_labels.values() for task, value in labels.items())
        counts.update(f"unread {word.column} {word.word}" for word in case.unread)
    return +counts


def test_the_real_table_agrees_with_an_independent_count():
    folder = real_tables("rsna")
    assert adapted(read_cases("rsna", folder)) == counted(folder / "train.csv", "patient_id", "BIRADS")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reduced copy is not here")
def test_the_reduced_copy_agrees_with_an_independent_count():
    cases = read_cases("rsna-640", SHARED)
    assert adapted(cases) == counted(SHARED / "rsna.csv", "patient", "birads")
    assert all((SHARED / image.path).is_file() for case in cases.values() for image in case.images)
    assert len(cases) == 936 and sum(len(case.images) for case in cases.values()) == 2155
