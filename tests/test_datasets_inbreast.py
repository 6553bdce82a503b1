"""INbreast: marks and Portuguese notes are findings, empty marks are denials, outcomes in the notes are listed."""

import csv
from collections import Counter

import pytest

from mvmlm.datasets.case import Case, SkippedRow
from mvmlm.datasets.columns import WordReader
from mvmlm.datasets.inbreast_notes import read_notes
from mvmlm.datasets.spreadsheet import read_sheet
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import KINDS
from tests.dataset_tables import (
    INBREAST_HEADER,
    inbreast,
    inbreast_files,
    inbreast_row,
    put,
    read_cases,
    real_tables,
    write_xlsx,
)

R, L = Laterality


@pytest.fixture
def found(tmp_path):
    inbreast(tmp_path)
    return read_cases("inbreast", tmp_path)


def test_a_breast_without_a_mark_has_no_finding(found):
    case = found["a 201001"]
    assert case.findings.right == Findings("B", absent=frozenset(KINDS), birads="1")
    assert case.breast_labels[R] == {**dict.fromkeys(KINDS, 0), "birads": 0}


def test_marks_and_notes_of_both_views_are_one_list_of_findings(found):
    left = found["a 201001"].findings.left
    mass = Finding("mass", place="upper outer")
    assert left.present == (Finding("calcification", distribution="grouped"), mass, mass)
    assert left.absent == {"asymmetry", "distortion"} and left.birads == "4A"


def test_a_kind_that_only_the_notes_name_is_kept_and_listed(found):
    assert [str(item) for item in found["a 201001"].disagreements] == [
        "a 201001 L MLO calcification: the columns and the Findings Notes say no X and present"
    ]


def test_a_note_of_the_other_breast_is_listed_and_its_words_are_not_taken(found):
    left = found["b 201001"].findings.left
    assert left.present == (Finding("calcification"), Finding("mass", margin="spiculated"))
    assert ("nódulo direita + micros", "speaks of the other breast") in [
        (w.word, w.reason) for w in found["b 201001"].unread
    ]


def test_a_known_cancer_and_a_biopsy_are_outcomes(found):
    listed = {word.word: word.reason for word in found["b 201001"].unread}
    assert (
        found["b 201001"].findings.left.birads is None
        and "outcome" in listed["6"]
        and "outcome" in listed["ja biopsado"]
    )


def test_places_and_descriptors_stand_with_their_finding(found):
    right = found["b 201001"].findings.right
    calcification = right.first("calcification")
    assert calcification.words("place") == ("upper outer",) and calcification.morphology == "vascular"
    assert calcification.distribution == "grouped" and right.first("mass").margin == "spiculated"


def test_a_row_without_a_file_is_listed(found):
    assert isinstance(found["99"], SkippedRow)


@pytest.mark.parametrize("note, expected, listed", [
    ("nodulo QSI + micros", [Finding("mass", place="upper inner"), Finding("calcification")], []),
    ("3 opacidades nodulares  + calcificações", [Finding("mass")] * 3 + [Finding("calcification")], []),
    ("2nodulos mama direita + micros", [Finding("mass")] * 2 + [Finding("calcification")], []),
    ("distorção do estroma QSE  - benigna + micros", [Finding("distortion", place="upper outer"), Finding("calcification")], ["benigna"]),
    ("nódulo QSE - já biopsado - fibroadenoma", [Finding("mass", place="upper outer")], ["ja biopsado", "fibroadenoma"]),
    ("nódulo mama + micros;Spiculated Region", [Finding("mass", margin="spiculated"), Finding("calcification")], []),
    ("densidade assimetrica TQS", [Finding("asymmetry", place="upper")], []),
    ("microcalcificações QSE - junto ao musculo peitoral", [Finding("calcification", place="upper outer")], ["junto", "ao", "musculo", "peitoral"]),
    ("fibroadenoma QII", [], ["fibroadenoma", "lower inner"]),
    ("nódulo (pós QT)+ micro1", [Finding("mass"), Finding("calcification")], ["pos", "qt"]),
    ("Cluster", [], ["grouped"]), ("normal - follow up - artefacto", [], ["follow up", "artefacto"]), ("", [], []),
])  # fmt: skip
def test_a_note_gives_its_findings_and_lists_its_other_words(note, expected, listed):
    words = WordReader()
    assert read_notes(note, R, words) == (expected, False)
    assert [word.word for word in words.unread] == listed


def test_a_table_without_findings_leaves_them_unknown(tmp_path):
    put(tmp_path, "INbreast.csv", "Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\nR;CC;201001;1;4;4a\n")
    inbreast_files(tmp_path, ["1_a_MG_R_CC"])
    assert read_cases("inbreast", tmp_path)["a 201001"].findings.right == Findings("D", birads="4A")


def test_assessments_that_disagree_leave_it_unknown(tmp_path):
    put(
        tmp_path,
        "INbreast.csv",
        INBREAST_HEADER + inbreast_row("L", "CC", 1, "4a", "", "") + inbreast_row("L", "MLO", 2, "3", "", ""),
    )
    inbreast_files(tmp_path, ["1_a_MG_L_CC", "2_a_MG_L_ML"])
    case = read_cases("inbreast", tmp_path)["a 201001"]
    assert case.findings.left.birads is None and case.contradictions == ("a 201001 L Bi-Rads: rows say 3 and 4a",)


def test_a_spreadsheet_is_read_as_the_table_is(tmp_path, found):
    rows = list(csv.reader((tmp_path / "INbreast.csv").read_text(encoding="utf-8").splitlines(), delimiter=";"))
    (tmp_path / "INbreast.csv").unlink()
    write_xlsx(tmp_path / "INbreast.xlsx", [*rows, [""] * len(rows[0]), ["", "", "", "", "", "", "28"] + [""] * 10])
    read = read_cases("inbreast", tmp_path)
    assert read.pop("INbreast").rows == 1 and read == found


def test_the_real_table_agrees_with_an_independent_count(tmp_path):
    table = real_tables("inbreast", "INbreast.xls")
    (tmp_path / table.name).write_bytes(table.read_bytes())
    rows = [row for row in read_sheet(table, ()) if row["File Name"]]
    inbreast_files(
        tmp_path, [f"{row['File Name']}_{n}_MG_{row['Laterality']}" for n, row in enumerate(rows)]
    )  # a woman each
    cases = [case for case in read_cases("inbreast", tmp_path).values() if isinstance(case, Case)]
    breasts = [breast for case in cases
               for breast in (case.findings.right, case.findings.left) if breast is not None]  # fmt: skip
    marks = {"Mass": "mass", "Micros": "calcification", "Distortion": "distortion", "Asymmetry": "asymmetry"}
    marked = Counter(kind for row in rows for column, kind in marks.items() if row[column] == "X")
    assert sum(marked.values()) == 433
    with_kind = Counter(kind for breast in breasts for kind in {finding.kind for finding in breast.present})
    only_noted = Counter(item.column for case in cases for item in case.disagreements)
    assert with_kind == marked + only_noted and only_noted == {"mass": 1, "calcification": 3}
    absent = Counter(kind for breast in breasts for kind in breast.absent)
    assert all(absent[kind] + with_kind[kind] == len(breasts) == 410 for kind in KINDS)
    assert Counter(breast.birads for breast in breasts) == Counter(
        None if row["Bi-Rads"] == "6" else row["Bi-Rads"].upper() for row in rows
    )
