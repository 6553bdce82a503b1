"""INbreast's outlines: boxes in pixels of the picture, names that are findings, and what cannot be read is said."""

import plistlib
from collections import Counter

import pytest

from mvmlm.__main__ import main
from mvmlm.datasets.case import FindingBox
from mvmlm.datasets.check_counts import check_dataset
from mvmlm.datasets.inbreast_outlines import DamagedOutlines, outline_files, read_outlines
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding
from tests.dataset_tables import INBREAST_HEADER, inbreast_files, inbreast_row, put, read_cases
from tests.test_case_loading import put_view
from tests.test_load import RCC

R = Laterality.RIGHT
SQUARE = [(10, 20), (30, 20), (30, 50), (10, 50)]


def region(name, points, **other):
    """A region of interest as OsiriX exports it; name: None for one without."""
    told = {
        "Area": 1.5, "Center": "(1.0, 2.0, 0.0)", "IndexInImage": 0, "NumberOfPoints": len(points),
        "Point_mm": [f"({x / 10:f}, {y / 10:f}, 0.000000)" for x, y in points],
        "Point_px": [f"({x:f}, {y:f})" for x, y in points], "Type": 15,
    }  # fmt: skip
    return told | ({} if name is None else {"Name": name}) | other


def outlines(root, file, *regions, **other):
    (root / "AllXML").mkdir(exist_ok=True)
    image = {"ImageIndex": 0, "NumberOfROIs": len(regions), "ROIs": list(regions)} | other
    (root / "AllXML" / f"{file}.xml").write_bytes(plistlib.dumps({"Images": [image]}))


def one_picture(root, marks, *regions, notes="", **other):
    """The case of one picture with its outlines."""
    put(root, "INbreast.csv", INBREAST_HEADER + inbreast_row("R", "CC", 1, 2, marks, notes))
    inbreast_files(root, ["1_a_MG_R_CC"])
    outlines(root, 1, *regions, **other)
    return read_cases("inbreast", root)["a 201001"]


def listed(case):
    return Counter((word.column, word.word, word.reason) for word in case.unread)


def test_outlines_of_findings_are_boxes_in_pixels_of_the_picture(tmp_path):
    names = {
        "Mass": "mass", "Calcification": "calcification", "Calcifications": "calcification", "Cluster": "calcification",
        "Distortion": "distortion", "Asymmetry": "asymmetry", " cluster": "calcification",
    }  # fmt: skip
    triangle = region("Assymetry", [(1.5, 2), (3, 4.25), (2, 9)])
    case = one_picture(tmp_path, "MCDA", *(region(name, SQUARE) for name in names), triangle)
    boxes = [FindingBox(kind, 10, 20, 30, 50) for kind in names.values()]
    assert case.images[0].boxes == (*boxes, FindingBox("asymmetry", 1.5, 2, 3, 9)) and listed(case) == {}


def test_points_and_lines_are_no_box_and_are_counted_by_their_name(tmp_path):
    points = [region("Calcification", [(5, 6)])] * 3
    lines = [region("Calcification", [(5, 6), (9, 9)]), region("Mass", [(1, 1), (1, 5), (1, 9)]), region("Mass", [])]
    case = one_picture(tmp_path, "MC", *points, *lines)
    assert case.images[0].boxes == ()
    assert listed(case) == {
        ("outline without a box", "Calcification", "a point"): 3,
        ("outline without a box", "Calcification", "it has no area"): 1,
        ("outline without a box", "Mass", "it has no area"): 2,
    }


def test_other_names_are_listed_and_unknown_ones_are_not_understood(tmp_path):
    names = ["Pectoral Muscle", "Unnamed", "Point 1", None, "", "Lipoma", "Spiculated Region"]
    case = one_picture(tmp_path, "", *(region(name, SQUARE) for name in names))
    unnamed = "the outline has no name of a finding"
    assert case.images[0].boxes == () and case.findings.right.present == ()
    assert {(word, reason): n for (column, word, reason), n in listed(case).items() if "box" in column} == {
        ("Pectoral Muscle", "anatomy, not a finding"): 1, ("Unnamed", unnamed): 1, ("Point 1", unnamed): 1,
        ("without a name", unnamed): 2, ("Lipoma", "not understood"): 1,
        ("Spiculated Region", "there is no mass without an outline of its own"): 1,
    }  # fmt: skip


def test_a_spiculated_region_is_the_margin_of_the_mass_and_its_box_where_it_has_no_other(tmp_path):
    case = one_picture(tmp_path, "M", region("Espiculated Region", SQUARE))
    assert case.images[0].boxes == (FindingBox("mass", 10, 20, 30, 50),)
    assert case.findings.right.present == (Finding("mass", margin="spiculated"),) and listed(case) == {}
    case = one_picture(tmp_path, "M", region("Mass", SQUARE), region("Spiculated region", [(0, 0), (99, 0), (99, 99)]))
    assert case.images[0].boxes == (FindingBox("mass", 10, 20, 30, 50),)
    assert case.findings.right.present == (Finding("mass", margin="spiculated"),)


def test_a_cluster_is_a_grouped_distribution(tmp_path):
    case = one_picture(tmp_path, "C", region("Cluster", SQUARE), region("Calcification", [(12, 30)]))
    assert case.findings.right.present == (Finding("calcification", distribution="grouped"),)


def test_findings_that_only_the_outlines_show_are_kept_and_listed(tmp_path):
    case = one_picture(tmp_path, "M", *[region("Mass", SQUARE)] * 2, region("Calcification", [(5, 6)]))
    assert case.findings.right.present == (Finding("calcification"), Finding("mass"), Finding("mass"))
    assert "calcification" not in case.findings.right.absent and case.breast_labels[R]["calcification"] == 1
    assert [str(item) for item in case.disagreements] == [
        "a 201001 R CC mass: the row and the outlines say 1 and 2",
        "a 201001 R CC calcification: the row and the outlines say 0 and 1",
    ]


def test_outlines_name_findings_of_the_table_that_has_none(tmp_path):
    put(tmp_path, "INbreast.csv", "Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\nR;CC;201001;1;4;4a\n")
    inbreast_files(tmp_path, ["1_a_MG_R_CC"])
    outlines(tmp_path, 1, region("Mass", SQUARE))
    right = read_cases("inbreast", tmp_path)["a 201001"].findings.right
    assert right.present == (Finding("mass"),) and right.absent == frozenset()


HEAD = '<?xml version="1.0"?><!DOCTYPE plist {}><plist version="1.0">{}</plist>'
BOMB = '[<!ENTITY a "lolololol"><!ENTITY b "&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;">]'
DAMAGED = {
    "empty": "", "cut": plistlib.dumps({"Images": []}).decode()[:120], "no images": HEAD.format("", "<dict/>"),
    "no list": HEAD.format("", "<string>x</string>"), "nothing": HEAD.format("", ""), "other xml": "<a><b/></a>",
    "bomb": HEAD.format(BOMB, "<dict><key>Images</key><string>&c;</string></dict>"),
    "outside": HEAD.format('[<!ENTITY a SYSTEM "file:///etc/passwd">]', "<string>&a;</string>"),
    "no number": HEAD.format("", "<integer>x</integer>"), "no date": HEAD.format("", "<date>x</date>"),
    "no encoding": HEAD.format("", "<dict/>").replace("?>", " encoding=\"UMF-8\"?>", 1), "no base64": HEAD.format("", "<data>x</data>"), "long number": HEAD.format("", f"<integer>{'9' * 9999}</integer>"),
}  # fmt: skip


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_or_hostile_file_is_refused_and_said(tmp_path, text):
    one_picture(tmp_path, "M")
    (tmp_path / "AllXML" / "1.xml").write_text(text, encoding="utf-8")
    case = read_cases("inbreast", tmp_path)["a 201001"]
    (sentence,) = case.refused
    assert sentence.startswith("AllXML/1.xml: not a list of outlines") and sentence.endswith("Copy it again.")
    assert case.findings.right.present == (Finding("mass"),) and case.images[0].boxes == ()


@pytest.mark.parametrize("edit", [
    {"Point_px": ["(1, x)"] * 4}, {"Point_px": ["(1, nan)"] * 4}, {"Point_px": ["1, 2"] * 4}, {"NumberOfPoints": 5},
    {"Point_px": 3}, {"Point_px": [3] * 4}, {"Point_px": ["__import__('os')"] * 4}, {"Point_px": ["(1, 1e999)"] * 4},
])  # fmt: skip
def test_a_damaged_outline_refuses_its_file(tmp_path, edit):
    outlines(tmp_path, 1, region("Mass", SQUARE, **edit))
    with pytest.raises(DamagedOutlines, match=r"AllXML/1\.xml: .*no outline of it is used"):
        read_outlines(outline_files(tmp_path)["1"])


def test_a_file_of_several_pictures_or_with_lost_outlines_is_refused(tmp_path):
    image = {"ROIs": []}
    (tmp_path / "AllXML").mkdir()
    for told in ({"Images": [image, image]}, {"Images": [image | {"NumberOfROIs": 2}]}):
        (tmp_path / "AllXML" / "1.XML").write_bytes(plistlib.dumps(told))
        with pytest.raises(DamagedOutlines, match="outlines"):
            read_outlines(outline_files(tmp_path)["1"])
    (tmp_path / "AllXML" / "1.XML").write_bytes(plistlib.dumps({"Images": [image]}, fmt=plistlib.FMT_BINARY))
    with pytest.raises(DamagedOutlines):
        read_outlines(outline_files(tmp_path)["1"])


def test_the_check_counts_boxes_and_files_without_a_picture_or_outlines(tmp_path, capsys):
    rows = [
        inbreast_row("R", "CC", 1, 2, "M", ""),
        inbreast_row("R", "MLO", 2, 2, "M", ""),
        inbreast_row("L", "CC", 3, 1, "", ""),
    ]
    put(tmp_path, "INbreast.csv", INBREAST_HEADER + "".join(rows))
    for number, side in ((1, "R_CC"), (2, "R_ML"), (3, "L_CC")):
        put_view(tmp_path, f"AllDICOMs/{number}_a_MG_{side}_ANON.dcm", RCC)  # 160 rows, 120 columns
    outlines(tmp_path, 1, region("Mass", SQUARE), region("Mass", [(x + 100, y) for x, y in SQUARE]),
             region("Mass", [(x + 200, y) for x, y in SQUARE]), region("Calcification", [(1, 1)]))  # fmt: skip
    outlines(tmp_path, 77, region("Mass", SQUARE))
    check = check_dataset("inbreast", tmp_path)
    assert sum(n for (part, kind, _), n in check.counts.items() if (part, kind) == ("boxes", "mass")) == 3
    assert check.files["boxes cut at the edge of their picture"] == 1
    assert len(check.sentences["boxes outside their picture"]) == 1
    assert check.usable.skipped == {"a file of outlines in AllXML whose picture is not there": 1}
    main(["datasets", "inbreast", "--root", str(tmp_path), "--check"])
    text = capsys.readouterr().out
    assert "1 × outline without a box: Calcification (a point)" in text
    assert "1 × outline: no file (the row marks a finding, and AllXML has no file of the picture)" in text


def test_a_folder_without_outlines_says_that_no_finding_has_a_box(tmp_path):
    put(tmp_path, "INbreast.csv", INBREAST_HEADER + inbreast_row("R", "CC", 1, 2, "M", ""))
    inbreast_files(tmp_path, ["1_a_MG_R_CC"])
    assert "AllXML is not there: no finding has a box" in check_dataset("inbreast", tmp_path).lacking
    assert listed(read_cases("inbreast", tmp_path)["a 201001"]) == {}
