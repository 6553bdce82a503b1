"""CMMD: a row for each breast with a biopsy, an outcome that may be missing, and views that stand in the files."""

import csv
import re
from collections import Counter

from mvmlm.datasets.case import SkippedRow
from mvmlm.datasets.check import summarize_dataset
from mvmlm.datasets.check_counts import check_dataset
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.write import write_view
from mvmlm.report.findings import Findings
from tests.dataset_tables import CMMD_HEADER, cmmd, put, read_cases, real_tables
from tests.test_case_loading import put_view
from tests.test_load import RCC, RMLO

R, L = Laterality


def test_abnormalities_are_findings_and_the_other_kind_is_denied_as_suspicious(tmp_path):
    cmmd(tmp_path)
    found = read_cases("cmmd", tmp_path)
    assert isinstance(found["D1-0001"], SkippedRow)
    left, right = found["D2-0002"].findings.left, found["D2-0002"].findings.right
    assert [finding.kind for finding in left.present] == ["calcification", "mass"] and not left.not_suspicious
    assert [finding.kind for finding in right.present] == ["mass"] and right.not_suspicious == {"calcification"}
    assert right.absent == frozenset()


def test_an_empty_classification_is_unknown_and_not_benign(tmp_path):
    cmmd(tmp_path)
    labels = read_cases("cmmd", tmp_path)["D2-0002"].breast_labels
    assert labels == {L: {"mass": 1, "calcification": 1, "malignancy": 1}, R: {"mass": 1, "calcification": 0}}


def test_words_that_are_not_understood_are_listed_and_give_nothing(tmp_path):
    cmmd(tmp_path)
    case = read_cases("cmmd", tmp_path)["D2-0003"]
    assert [(w.column, w.word) for w in case.unread] == [("abnormality", "lump"), ("classification", "maybe")]
    assert case.breast_labels == {R: {}} and case.findings.right == Findings() and case.findings.left is None


def test_views_are_counted_by_the_headers_of_the_files(tmp_path, phantom):
    put(tmp_path, "CMMD_clinicaldata_revision.csv", CMMD_HEADER + "D1-0001,R,44,2,mass,Benign,\n")
    folder = tmp_path / "CMMD" / "D1-0001" / "07-18-2010" / "series"
    folder.mkdir(parents=True)
    for number, name in enumerate(STANDARD_VIEWS, 1):
        write_view(phantom.exam.views[name], folder / f"1-{number}.dcm", patient_id="D1-0001")
    case = read_cases("cmmd", tmp_path)["D1-0001"]
    assert {image.name for image in case.images} == {None} and case.contradictions == ()
    text = summarize_dataset("cmmd", tmp_path)
    assert "all four views: 1" in text and re.search(r"without a row in the tables +1 ", text)


def test_a_header_that_contradicts_itself_is_told_as_its_own_words_and_not_the_tables(tmp_path):
    put(tmp_path, "CMMD_clinicaldata_revision.csv", CMMD_HEADER + "D1-0001,R,44,2,mass,Benign,\n")
    put_view(tmp_path, "CMMD/D1-0001/1-1.dcm", RCC, edit=lambda dataset: setattr(dataset, "Laterality", "L"))
    put_view(tmp_path, "CMMD/D1-0001/1-2.dcm", RMLO)
    check = check_dataset("cmmd", tmp_path)
    ((_, sentences),) = check.sentences.items()
    assert sentences == [
        "CMMD/D1-0001/1-1.dcm: ImageLaterality says R, Laterality says L. R is used; it is used as R_CC"
    ]


def test_a_breast_with_a_row_and_no_picture_is_listed(tmp_path, phantom):
    put(tmp_path, "CMMD_clinicaldata_revision.csv", CMMD_HEADER + "D1-0001,L,44,2,mass,Benign,\n")
    (tmp_path / "CMMD" / "D1-0001").mkdir(parents=True)
    write_view(phantom.exam.views[STANDARD_VIEWS[0]], tmp_path / "CMMD" / "D1-0001" / "1-1.dcm", patient_id="a")
    case = read_cases("cmmd", tmp_path)["D1-0001"]
    assert case.contradictions == (
        "D1-0001: the table describes the left breast, and the files show only the other one",
    )


def test_the_real_table_agrees_with_an_independent_count(tmp_path):
    table = real_tables("cmmd") / "CMMD_clinicaldata_revision.csv"
    with open(table, newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    put(tmp_path, table.name, table.read_text(encoding="utf-8-sig"))
    for row in rows:
        put(tmp_path, f"CMMD/{row['ID1']}/1-1.dcm", "")
    cases = read_cases("cmmd", tmp_path).values()
    breasts = [found for case in cases for found in (case.findings.right, case.findings.left) if found is not None]
    kinds = {"mass": ("mass",), "calcification": ("calcification",), "both": ("mass", "calcification")}
    assert Counter(finding.kind for found in breasts for finding in found.present) == Counter(
        kind for row in rows for kind in kinds[row["abnormality"]]
    )
    labels = Counter(labels["malignancy"] for case in cases for labels in case.breast_labels.values())
    classes = Counter(row["classification"] for row in rows)
    assert (labels[1], labels[0]) == (classes["Malignant"], classes["Benign"])
    listed = Counter((word.column, word.word) for case in cases for word in case.unread)
    assert listed == Counter(("subtype", row["subtype"]) for row in rows if row["subtype"])
