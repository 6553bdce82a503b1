"""The reduced copy of CBIS-DDSM's masses: words as in CBIS-DDSM, boxes by picture, shapes undone, one breast a case."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import FindingBox
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from tests.dataset_tables import cbis_mass_800, read_cases

R, L = Laterality
SHARED = Path(__file__).resolve().parents[2] / "shared" / "real_mammograms"


@pytest.fixture
def found(tmp_path):
    cbis_mass_800(tmp_path)
    return read_cases("cbis-mass-800", tmp_path)


def test_views_of_an_abnormality_are_one_finding_with_all_their_words(found):
    right = found["p1 R"].findings.right
    mass = right.first("mass")
    assert mass.words("shape") == ("oval",) and mass.other_words("shape") == ("irregular",)
    assert {mass.margin, *mass.other_words("margin"), *(word for _, word in mass.also)} == {
        "obscured",
        "indistinct",
        "spiculated",
    }
    assert [finding.kind for finding in right.present] == ["calcification", "distortion", "mass"]
    assert right.first("calcification") == Finding(
        "calcification", morphology="pleomorphic", distribution="grouped", subtlety=3, birads="4"
    )


def test_boxes_and_the_true_shape_stand_with_their_picture(found):
    cc, mlo = found["p1 R"].images
    assert cc.boxes == (FindingBox("mass", 100, 200, 300, 400),) and cc.width_over_height == 0.55
    assert {box.kind for box in mlo.boxes} == {"mass", "distortion"} and mlo.width_over_height == 0.6


def test_descriptions_whose_box_is_not_known_are_listed_and_their_boxes_kept(found):
    case = found["p2 L"]
    assert [str(image.name) for image in case.images] == ["L_CC", "L_MLO"] and len(case.images[0].boxes) == 2
    assert len(case.findings.left.present) == 2 and all(
        mass.margin == "spiculated" for mass in case.findings.left.present
    )
    assert [word.word for word in case.unread if word.column == "alternatives"] == ["ROUND,X | OVAL,X"]


def test_each_case_is_one_breast_and_an_empty_pathology_is_unknown(found):
    assert found["p2 L"].patient == found["p2 R"].patient == "p2"
    assert found["p2 L"].breast_labels[L]["malignancy"] == 1 and "malignancy" not in found["p2 R"].breast_labels[R]
    assert found["p2 R"].findings.right.features == ("intramammary lymph node",) and found["p2 R"].images[0].boxes == ()
    assert ("outline without a box", "LYMPH_NODE", "of a lymph node") in found["p2 R"].unread


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reduced copy is not here")
def test_the_reduced_copy_agrees_with_an_independent_count():
    with open(SHARED / "cbis_mass.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cases = read_cases("cbis-mass-800", SHARED).values()
    assert len(cases) == len({(row["patient"], row["laterality"]) for row in rows}) == 726
    images = [image for case in cases for image in case.images]
    assert len(images) == len({row["file"] for row in rows}) == 1239
    assert all((SHARED / image.path).is_file() and 0.3 < image.width_over_height < 1 for image in images)
    outcomes = {}
    for row in rows:
        outcomes.setdefault((row["patient"], row["laterality"]), set()).add(row["pathology"])
    labels = Counter(labels.get("malignancy") for case in cases for labels in case.breast_labels.values())
    assert labels[1] == sum("MALIGNANT" in told for told in outcomes.values())
    assert labels[0] == sum("MALIGNANT" not in told and "" not in told for told in outcomes.values())
    with_box = sum(bool(row["x0"]) and "LYMPH_NODE" not in row["mass_shape"] for row in rows)
    both = sum("ARCHITECTURAL" in row["mass_shape"] and "-" in row["mass_shape"] for row in rows)
    both += sum("FOCAL_ASYMMETRIC" in row["mass_shape"] and "-" in row["mass_shape"] for row in rows)
    assert sum(len(image.boxes) for image in images) == with_box + both
    for column, words in (
        ("mass_shape", {"ROUND": "round", "IRREGULAR": "irregular"}),
        ("mass_margin", {"SPICULATED": "spiculated"}),
    ):
        for word, ours in words.items():
            told = {(row["patient"], row["laterality"]) for row in rows if word in row[column].split("-")}
            name = column.removeprefix("mass_")
            read = {case.exam for case in cases for side in (case.findings.right, case.findings.left) if side
                    for mass in side.present if ours in (*mass.words(name), *mass.other_words(name))}  # fmt: skip
            names = {"mass_shape": "mass shape", "mass_margin": "mass margins"}
            listed = {case.exam for case in cases for w in case.unread if (w.column, w.word) == (names[column], word)}
            assert read | listed == {" ".join(breast) for breast in told}
