"""CDD-CESM: sentences become findings, each other word is listed, and outcomes stay labels."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case, DatasetError, FindingBox, split_of
from mvmlm.datasets.cdd_cesm_words import read_description
from mvmlm.datasets.columns import WordReader, read_rows
from mvmlm.datasets.registry import read_dataset
from mvmlm.datasets.spreadsheet import read_sheet
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import KINDS
from tests.dataset_tables import CDD_HEADER, cdd_cesm, put, read_cases, real_tables

R, L = Laterality
SHARED = Path(__file__).resolve().parents[2] / "shared" / "real_mammograms"
EQUAL, HIGH = Finding("mass", mass_density="equal"), Finding("mass", mass_density="high")
CALCIFICATION = Finding("calcification")


def with_margin(finding, *margins):
    return Finding(
        "mass", mass_density=finding.mass_density, margin=margins[0], also=tuple(("margin", m) for m in margins[1:])
    )


@pytest.fixture
def found(tmp_path):
    cdd_cesm(tmp_path)
    return read_cases("cdd-cesm", tmp_path)


def test_each_case_is_one_breast_and_its_patient_is_kept(found):
    assert (
        set(found) == {"c1 L", "c1 R", "c2 R", "4 L", "c3 L"} and found["c1 L"].patient == found["c1 R"].patient == "c1"
    )


def test_statements_have_their_own_assessments_and_the_breast_the_most_abnormal(found):
    left = found["c1 L"].findings.left
    mass = Finding("mass", mass_density="high", margin="spiculated", birads="5")
    assert left.present == (Finding("calcification", birads="2"), mass, mass)
    assert (left.birads, left.features, left.density) == ("5", ("edema",), "B")
    assert found["c1 L"].breast_labels[L] == {"mass": 1, "calcification": 1, "malignancy": 1, "birads": 4}


def test_an_underscore_is_no_density_and_a_lymph_node_no_mass(found):
    right = found["c1 R"].findings.right
    assert right == Findings(birads="2", features=("intramammary lymph node",))
    assert not any(word.column == "density" for word in found["c1 R"].unread)


def test_normal_denies_all_kinds_and_nothing_else_does(found):
    assert found["c2 R"].findings.right == Findings("C", absent=frozenset(KINDS), birads="1")
    assert found["c2 R"].breast_labels[R] == {**dict.fromkeys(KINDS, 0), "malignancy": 0, "birads": 0}
    assert found["c1 R"].findings.right.absent == frozenset()


def test_a_picture_without_a_patient_is_never_tested_on_and_its_folder_is_no_outcome(found):
    assert split_of(found["4 L"]) == "train" and found["4 L"].breast_labels == {L: {}}
    assert [(w.column, w.word) for w in found["4 L"].unread] == [("folder_class", "normal")]


def no_box(case):
    return [(word.word, word.reason) for word in case.unread if word.column == "outline without a box"]


def test_outlines_are_boxes_where_one_kind_is_named_and_each_other_one_is_listed(found):
    assert found["c1 L"].images[0].boxes == () and no_box(found["c1 L"]) == [("circle", "what it outlines is not told")]
    assert found["c3 L"].images[0].boxes == (FindingBox("mass", 5, 18, 15, 22), FindingBox("mass", 1, 5, 4, 9))
    assert no_box(found["c3 L"]) == [("point", "a point")]


@pytest.mark.parametrize("text, boxes, reason", [
    ("High density mass", 1, None), ("High density mass$IMLN", 0, "what it outlines is not told"),
    ("High density mass and edema pattern", 0, "what it outlines is not told"),
    ("High density mass and flap", 0, "what it outlines is not told"), ("Normal", 0, "the description names no finding"),
])  # fmt: skip
def test_an_outline_of_a_picture_that_tells_of_something_else_too_is_no_box(tmp_path, text, boxes, reason):
    put(tmp_path, "cdd_cesm.csv", CDD_HEADER + f"a.jpg,malignant,L,CC,c1,50,B,4,{text},,Malignant\n")
    shapes = [{"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}]
    put(tmp_path, "cdd_cesm_outlines.json", json.dumps({"a.jpg": shapes}))
    (case,) = read_cases("cdd-cesm", tmp_path).values()
    assert case.images[0].boxes == (FindingBox("mass", 1, 2, 4, 6),) * boxes
    assert no_box(case) == ([("rect", reason)] if reason else [])


def test_damaged_outlines_and_those_of_no_row_are_listed_and_never_an_error(tmp_path):
    put(tmp_path, "cdd_cesm.csv", CDD_HEADER + "a.jpg,malignant,L,CC,c1,50,B,4,High density mass,,Malignant\n")
    shapes = [{"name": "circle", "cx": 1}, {"name": "polygon", "all_points_x": [], "all_points_y": []}, {}, "x", None,
              {"name": "polygon", "all_points_x": ["a"], "all_points_y": [1]}, {"name": "spline"}]  # fmt: skip
    put(tmp_path, "cdd_cesm_outlines.json", json.dumps({"a.jpg": shapes, "b.jpg": shapes}))
    found = read_cases("cdd-cesm", tmp_path)
    assert found["c1 L"].images[0].boxes == () and len(no_box(found["c1 L"])) == len(shapes)
    assert {reason for _, reason in no_box(found["c1 L"])} == {"not understood"}
    assert "outlines of 1 picture(s)" in found["cdd_cesm_outlines.json"].reason
    put(tmp_path, "cdd_cesm_outlines.json", "[1]")
    with pytest.raises(DatasetError, match="not a list of outlines for each file"):
        read_cases("cdd-cesm", tmp_path)


def test_a_known_cancer_is_no_assessment(found):
    assert found["c3 L"].findings.left.birads is None and found["c3 L"].breast_labels[L]["malignancy"] == 1


@pytest.mark.parametrize("text, expected, features, listed", [
    ("High density mass with speculated margin", [with_margin(HIGH, "spiculated")], [], ["speculated"]),
    ("Three ill defined high density masses ", [with_margin(HIGH, "indistinct")] * 3, [], []),
    ("Multiple equal density masses with circumscribed margin", [with_margin(EQUAL, "circumscribed")], [], ["multiple"]),
    ("Equal density circumscribed mass with partially obscured margin", [with_margin(EQUAL, "circumscribed", "obscured")], [], []),
    ("Lobulated equal density mass", [Finding("mass", shape="oval", mass_density="equal")], [], ["lobulated"]),
    ("Equal density mass with partially obscured lobulated margin", [with_margin(EQUAL, "obscured")], [], ["lobulated"]),
    ("Circumscribed mixed iso and low density mass",
     [Finding("mass", margin="circumscribed", mass_density="equal", also=(("mass_density", "low"),))], [], ["mixed"]),
    ("High density mass with indistinct margin and two equal density nodules", [with_margin(HIGH, "indistinct"), EQUAL, EQUAL], [], []),
    ("Focal asymmetry and two equal density mass with obscured margin",
     [Finding("asymmetry", asymmetry="focal asymmetry"), *[with_margin(EQUAL, "obscured")] * 2], [], []),
    ("Asymmetrical increased density with overlying loose clusters of microcalcifications",
     [Finding("asymmetry"), Finding("calcification", distribution="grouped")], [], ["loose"]),
    ("Architectural distortion with overlying microcalcifications and edema pattern and nipple retraction",
     [Finding("distortion"), CALCIFICATION], ["edema", "nipple retraction"], []),
    ("Pop corn macrocalcification", [Finding("calcification", morphology="coarse")], [], []),
    ("Retroareolar equal density mass and dilated retroareolar duct",
     [Finding("mass", mass_density="equal", place="retroareolar")], ["dilated duct"], ["retroareolar"]),
    ("Postoperative scar with flap", [], [], ["postoperative scar", "flap"]),
    ("High density mass with speculated margin and focal skin and nipple retraction",
     [with_margin(HIGH, "spiculated")], ["skin retraction", "nipple retraction"], ["speculated", "focal"]),
    ("Normal$Portacath", [], [], ["portacath"]), ("", [], [], []),
])  # fmt: skip
def test_a_description_gives_its_findings_and_lists_its_other_words(text, expected, features, listed):
    words = WordReader()
    described = read_description(text, "", words)
    assert described.findings == expected and described.features == features
    assert [word.word for word in words.unread] == listed


GRAMMAR = {"with", "and", "of", "overlying", "margin", "pattern", "normal", ""}
#: word of the tables -> what tells in the findings of a breast that it was read
READ = {
    **dict.fromkeys(("mass", "masses", "nodule", "nodules", "lesion"), "'kind': 'mass'"), "asymmetry": "'kind': 'asymmetry'",
    **dict.fromkeys(("calcification", "calcifications", "microcalcification", "microcalcifications", "calcific", "foci",
                     "macrocalcification", "macrocalcifications"), "'kind': 'calcification'"),
    **dict.fromkeys(("asymmetrical", "increased", "densities"), "'kind': 'asymmetry'"),
    **dict.fromkeys(("architectural", "distortion"), "'kind': 'distortion'"), "imln": "intramammary lymph node",
    **dict.fromkeys(("edema", "edematous", "changes"), "edema"), "diffuse": "'diffuse'|edema", **dict.fromkeys(("dilated", "duct", "ducts"), "dilated duct"),
    "nipple": "nipple retraction", "retraction": "retraction", "skin": "skin", "thickening": "skin thickening", "high": "'high'",
    "equal": "'equal'", "iso": "'equal'", "low": "'low'", "density": "'kind'", "irregular": "'irregular'", "oval": "'oval'",
    **dict.fromkeys(("partially", "obscured"), "'obscured'"), **dict.fromkeys(("ill", "defined", "indistinct"), "'indistinct'"),
    "focal": "'focal asymmetry'", "global": "'global asymmetry'", **dict.fromkeys(("pop", "corn"), "'coarse'"),
    "retroareolar": "'retroareolar'", **dict.fromkeys(("cluster", "clusters"), "'grouped'"), "scattered": "'diffuse'",
    "two": "", "three": "",
}  # fmt: skip


def check_every_word(rows):
    """Each word of each description is in a finding or a feature, or is listed; counted without the adapter's tables."""
    unread = Counter()
    for text, assessments in rows:
        words = WordReader()
        described = read_description(text, assessments, words)
        told = str([finding.to_json() for finding in described.findings]) + str(described.features)
        listed = {part for word in words.unread for part in re.split(r"[\s/]", word.word)}
        corrected = {word.word: word.reason.split()[-1] for word in words.unread if word.reason.startswith("misspelt")}
        for word in re.split(r"[\s,$/]+", text.lower()):
            name = corrected.get(word, word)
            read = any(sign in told for sign in READ.get(name, f"'{name}'").split("|"))
            assert name in GRAMMAR or word in listed or read, (word, text)
        unread.update(word.word for word in words.unread)
    return unread


def test_every_word_of_the_published_table_is_read_or_listed():
    table = real_tables("cdd-cesm", "Radiology-manual-annotations.xlsx")
    rows = [(row["Findings"], row["BIRADS"]) for row in read_sheet(table, (), "all") if row["Type"] == "DM"]
    unread = check_every_word(rows)
    assert len(rows) == 1003 and unread["speculated"] == sum(text.count("speculated") for text, _ in rows) == 94


def test_the_published_table_agrees_with_an_independent_count():
    table = real_tables("cdd-cesm", "Radiology-manual-annotations.xlsx")
    rows = [row for row in read_sheet(table, (), "all") if row["Type"] == "DM"]
    cases = [case for case in read_dataset("cdd-cesm", table.parent) if isinstance(case, Case)]
    assert len(cases) == len({row["Patient_ID"] for row in rows})
    tags = [word.word for case in cases for word in case.unread if word.column == "tags"]
    assert len(tags) == sum(bool(row["Tags"]) for row in rows)
    assert sum(len(case.images) for case in cases) == len({row["Image_name"] for row in rows})
    outcomes = {}
    for row in rows:
        outcomes.setdefault((row["Patient_ID"], row["Side"]), set()).add(row["Pathology Classification/ Follow up"])
    counted = Counter("Malignant" in told for told in outcomes.values())
    assert Counter(labels["malignancy"] for case in cases for labels in case.breast_labels.values()) == counted
    shapes = Counter()  # of masses that stand alone in their picture's sentence, as the sheet mass_description has them
    for row in read_sheet(table, (), "mass_description"):
        shapes.update(word.lower() for word in re.split(r"[\s-]+", row["Mass shape"]) if word.strip("_"))
    assert shapes["irregular"] > 150
    listed = Counter()
    for case in cases:
        listed.update(
            part.lower() for w in case.unread if w.column == "Mass shape" for part in re.split(r"[\s-]+", w.word)
        )
    told = Counter()
    for case in cases:
        for breast in (case.findings.right, case.findings.left):
            told.update(
                word
                for f in (breast.present if breast else ())
                for word in (*f.words("shape"), *f.other_words("shape"))
            )
    for shape in ("irregular", "round", "oval"):  # each is told once for both views of a breast
        assert shapes[shape] / 2 <= told[shape] + listed[shape], shape


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reduced copy is not here")
def test_every_word_of_the_reduced_copy_is_read_or_listed():
    rows = list(read_rows(SHARED / "cdd_cesm.csv", ("findings", "birads")))
    check_every_word([(row["findings"], row["birads"]) for row in rows])
    cases = read_cases("cdd-cesm", SHARED).values()
    outcomes = Counter(row["pathology"] for row in rows)
    labels = Counter(labels.get("malignancy") for case in cases for labels in case.breast_labels.values())
    assert (labels[1], labels[0]) == (outcomes["Malignant"], outcomes["Benign"] + outcomes["Normal"]) == (46, 39)
    assert all((SHARED / image.path).is_file() for case in cases for image in case.images)
    assert Counter(split_of(case) for case in cases if not case.patient.startswith("c"))["train"] == 78
