"""VinDr-Mammo: every mark of its tables becomes a finding or a feature, and only what its readers marked is denied."""

import ast
import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import split_of
from mvmlm.datasets.check import summarize_dataset
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Laterality
from mvmlm.report.lexicon import KINDS

R, L = Laterality
HEADER = (
    "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,"
    "finding_categories,finding_birads,xmin,ymin,xmax,ymax,split"
)
BREAST_HEADER = "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split"
TABLES = Path(os.environ.get("MVMLM_TABLES", "no tables")) / "vindr"
KIND = {
    "Mass": "mass", "Suspicious Calcification": "calcification", "Asymmetry": "asymmetry",
    "Focal Asymmetry": "asymmetry", "Global Asymmetry": "asymmetry", "Architectural Distortion": "distortion",
}  # fmt: skip
FEATURES = ("Suspicious Lymph Node", "Skin Thickening", "Skin Retraction", "Nipple Retraction")


def mark(image, categories, birads="", breast="BI-RADS 4", side="L", density="DENSITY C", split="training"):
    """A line of finding_annotations.csv; image: "CC" or "MLO", with a number where there are several."""
    box = ",,," if categories == ["No Finding"] else "1.0,2.0,30.0,40.5"
    view = image.rstrip("0123456789")
    return f'{"s1"},e1,{side}{image},{side},{view},3518,2800,{breast},{density},"{categories}",{birads},{box},{split}'


def case(root, *lines, breast_lines=None):
    (root / "finding_annotations.csv").write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")
    if breast_lines is not None:
        table = "\n".join([BREAST_HEADER, *breast_lines, ""])
        (root / "breast-level_annotations.csv").write_text(table, encoding="utf-8")
    (found,) = read_dataset("vindr", root)
    return found


def kinds_of(breast):
    return [finding.kind for finding in breast.present]


def test_marks_give_findings_assessments_labels_boxes_and_the_official_split(tmp_path):
    found = case(
        tmp_path,
        mark("CC", ["Mass"], "BI-RADS 4"),
        mark("MLO", ["Suspicious Calcification", "Mass"], "BI-RADS 4"),
        mark("CC", ["No Finding"], breast="BI-RADS 1", side="R"),
    )
    assert kinds_of(found.findings.left) == ["calcification", "mass"]
    assert {finding.birads for finding in found.findings.left.present} == {"4"}
    assert (found.findings.left.density, found.findings.left.birads) == ("C", "4")
    assert found.breast_labels[L] == {"mass": 1, "calcification": 1, "asymmetry": 0, "distortion": 0, "birads": 3}
    assert found.breast_labels[R] == {"mass": 0, "calcification": 0, "asymmetry": 0, "distortion": 0, "birads": 0}
    boxes = {str(image.name): [tuple(box) for box in image.boxes] for image in found.images}
    assert boxes == {
        "L_CC": [("mass", 1, 2, 30, 40.5)], "L_MLO": [("calcification", 1, 2, 30, 40.5), ("mass", 1, 2, 30, 40.5)],
        "R_CC": [],
    }  # fmt: skip
    assert split_of(found) == "train" and not found.contradictions
    assert "missing files: 3" in summarize_dataset("vindr", tmp_path)


@pytest.mark.parametrize("category", FEATURES)
def test_skin_nipple_and_lymph_nodes_are_features_and_such_a_breast_is_not_clear(tmp_path, category):
    found = case(tmp_path, mark("MLO", [category], breast="BI-RADS 2"), mark("CC", ["No Finding"], breast="BI-RADS 2"))
    breast = found.findings.left
    assert breast.features == (category.lower(),) and not breast.present
    assert found.images[0].boxes[0].kind == category.lower()


def test_only_suspicious_findings_are_denied_except_in_a_negative_breast(tmp_path):
    for birads in "23":
        breast = case(tmp_path, mark("CC", ["No Finding"], breast=f"BI-RADS {birads}")).findings.left
        assert breast.not_suspicious == set(KINDS) and not breast.absent
    breast = case(tmp_path, mark("CC", ["No Finding"], breast="BI-RADS 1")).findings.left
    assert breast.absent == set(KINDS) and not breast.not_suspicious
    breast = case(tmp_path, mark("CC", ["Mass"], "BI-RADS 4")).findings.left
    assert breast.not_suspicious == {"calcification", "asymmetry", "distortion"}


@pytest.mark.parametrize(
    "cc, mlo, number", [(1, 0, 1), (0, 2, 2), (1, 1, 1), (2, 1, 2), (1, 3, 3), (2, 2, 2)]
)  # fmt: skip
def test_the_view_with_most_marks_gives_their_number(tmp_path, cc, mlo, number):
    lines = [mark("CC", ["Mass"], "BI-RADS 4")] * cc + [mark("MLO", ["Mass"], "BI-RADS 4")] * mlo
    assert kinds_of(case(tmp_path, *lines).findings.left) == ["mass"] * number


def test_marks_of_the_same_rank_are_one_finding(tmp_path):
    lines = [mark("CC", ["Mass"], "BI-RADS 3"), mark("CC", ["Mass"], "BI-RADS 5"), mark("MLO", ["Mass"], "BI-RADS 5")]
    found = case(tmp_path, *(line.replace("BI-RADS 4,DENSITY", "BI-RADS 5,DENSITY") for line in lines))
    assert sorted(finding.birads for finding in found.findings.left.present) == ["3", "5"] and not found.contradictions
    found = case(tmp_path, mark("CC", ["Mass"], "BI-RADS 3"), mark("MLO", ["Mass"], "BI-RADS 4"))
    assert [finding.birads for finding in found.findings.left.present] == [None]
    assert found.contradictions == ("s1 L Mass 1 finding_birads: rows say 3 and 4",)


def test_no_finding_contradicts_a_finding_of_the_same_image_only(tmp_path):
    lines = [mark("CC", ["Mass"], "BI-RADS 4"), mark("MLO", ["No Finding"])]
    for ordered in (lines, lines[::-1]):
        found = case(tmp_path, *ordered)
        assert not found.contradictions and kinds_of(found.findings.left) == ["mass"]
    found = case(tmp_path, mark("CC", ["Mass"], "BI-RADS 4"), mark("CC", ["No Finding"]))
    assert found.contradictions == ("s1 L LCC: both No Finding and Mass",)


def test_a_finding_more_abnormal_than_its_breast_is_listed(tmp_path):
    found = case(tmp_path, mark("CC", ["Mass"], "BI-RADS 5"))
    assert found.contradictions == ("s1 L: a finding of BI-RADS 5 in a breast of BI-RADS 4",)


def test_rows_that_disagree_on_the_breast_leave_it_unknown_and_deny_only_what_is_suspicious(tmp_path):
    found = case(
        tmp_path,
        mark("CC", ["No Finding"], breast="BI-RADS 1"),
        mark("MLO", ["No Finding"], breast="BI-RADS 2", density="DENSITY D"),
    )
    breast = found.findings.left
    assert breast.birads is None and breast.density is None and not breast.absent and len(found.contradictions) == 2
    assert breast.not_suspicious == set(KINDS)


def test_the_table_of_breasts_is_compared(tmp_path):
    marks = [mark("CC", ["No Finding"], breast="BI-RADS 1")]
    breasts = ["s1,e1,LCC,L,CC,3518,2800,BI-RADS 1,DENSITY C,training"]
    assert not case(tmp_path, *marks, breast_lines=breasts).contradictions
    found = case(tmp_path, *marks, breast_lines=["s1,e1,LCC,L,MLO,3518,2800,BI-RADS 2,DENSITY C,test"])
    assert [sentence.partition(": ")[0] for sentence in found.contradictions] == [
        "LCC view_position", "s1 split", "s1 L breast_birads"
    ]  # fmt: skip
    assert found.images[0].name is None and split_of(found) == "test", "a doubtful exam is never trained on"


def test_an_image_that_only_the_table_of_breasts_has_denies_nothing(tmp_path):
    breasts = ["s1,e1,RCC,R,CC,3518,2800,BI-RADS 1,DENSITY C,training"]
    found = case(tmp_path, mark("CC", ["No Finding"], breast="BI-RADS 1"), breast_lines=breasts)
    assert found.findings.right.birads == "1" and not found.findings.right.absent
    assert found.breast_labels[R] == {"birads": 0} and len(found.images) == 2


def test_words_that_are_not_known_are_listed(tmp_path):
    found = case(
        tmp_path, mark("CC", ["Mass", "Comet"], "BI-RADS 9", breast="BI-RADS X", density="DENSITY E", split="pilot")
    )
    assert {(word.column, word.word) for word in found.unread} == {
        ("finding_categories", "Comet"), ("finding_birads", "BI-RADS 9"), ("breast_birads", "BI-RADS X"),
        ("breast_density", "DENSITY E"), ("split", "pilot"),
    }  # fmt: skip
    assert kinds_of(found.findings.left) == ["mass"]


@pytest.mark.parametrize("text, kinds", [("Mass", ["mass"]), ("[Mass", []), ("7", []), ("'Mass'", []), ("[]", [])])
def test_a_category_in_another_notation_is_one_category(tmp_path, text, kinds):
    found = case(tmp_path, mark("CC", text, "BI-RADS 4"))
    assert kinds_of(found.findings.left) == kinds
    assert [word.word for word in found.unread if word.column == "finding_categories"] == (
        [text] if text in ("[Mass", "7", "'Mass'") else []
    )


@pytest.mark.skipif(not TABLES.is_dir(), reason="MVMLM_TABLES has no vindr/")
def test_every_mark_of_the_real_tables_lands():
    marks, breasts, denied = {}, {}, Counter()
    with open(TABLES / "finding_annotations.csv", newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            breast = (row["study_id"], row["laterality"])
            breasts[breast] = row["breast_birads"][-1], row["breast_density"][-1]
            for category in ast.literal_eval(row["finding_categories"]):
                marks.setdefault(breast, {}).setdefault(category, Counter())[row["image_id"]] += 1
    expected, found, boxes = Counter(), Counter(), Counter()
    for (study, side), categories in marks.items():
        for category, images in categories.items():
            if category in KIND:
                expected[KIND[category], category] += max(images.values())
                boxes[KIND[category]] += sum(images.values())
            elif category in FEATURES:
                expected["feature", category] += 1
                boxes[category.lower()] += sum(images.values())
        denied[breasts[study, side][0] == "1"] += 4 - len(
            {KIND[category] for category in categories if category in KIND}
        )
    names = {"asymmetry": "Asymmetry", "focal asymmetry": "Focal Asymmetry", "global asymmetry": "Global Asymmetry"}
    names |= {"mass": "Mass", "calcification": "Suspicious Calcification", "distortion": "Architectural Distortion"}
    for study in read_dataset("vindr", TABLES):
        assert not study.unread and not any("No Finding" in sentence for sentence in study.contradictions)
        boxes.subtract(box.kind for image in study.images for box in image.boxes)
        for side in Laterality:
            breast = getattr(study.findings, side.word)
            assert (breast.birads, breast.density) == breasts[study.exam, side.value]
            found.update((finding.kind, names[finding.asymmetry or finding.kind]) for finding in breast.present)
            found.update(("feature", feature.title()) for feature in breast.features)
            denied[True] -= len(breast.absent)
            denied[False] -= len(breast.not_suspicious)
    assert found == expected and not any(denied.values()) and not any(boxes.values())
    assert (found["mass", "Mass"], found["feature", "Suspicious Lymph Node"]) == (681, 53)
