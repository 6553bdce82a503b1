"""`mvmlm datasets NAME --root DIR --check`: what each row became, and everything that is not used, with counts."""

import os
import re

from mvmlm.__main__ import main
from mvmlm.datasets.case import SPLITS, FindingBox, Image
from mvmlm.datasets.check_counts import check_dataset
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Laterality
from tests.test_case_loading import put_picture, put_view
from tests.test_load import LCC, LMLO, RCC, RMLO

COLUMNS = "exam,patient,file,laterality,view,split,density,birads,mass,calcification,mass_shape,malignant\n"


def table(root, *rows):
    (root / "exams.csv").write_text(COLUMNS + "".join(row + "\n" for row in rows), encoding="utf-8")


def row_of(text, title):
    """The numbers of a row of the printed table: all, train, validation, test."""
    (line,) = re.findall(rf"^ *{re.escape(title)}(?: \(\d+%\))?  +([\d,]+) +([\d,]+) +([\d,]+) +([\d,]+)$", text, re.M)
    return [int(number.replace(",", "")) for number in line]


def test_the_table_counts_by_split_and_says_why_a_breast_tells_nothing(tmp_path, capsys):
    table(
        tmp_path,
        "e1,p1,a/R_CC.dcm,R,CC,train,B,4A,1,0,oval,1", "e1,p1,a/R_MLO.dcm,R,MLO,train,B,4A,1,0,oval,1",
        "e1,p1,a/L_CC.dcm,L,CC,train,,,,,,0", "e1,p1,a/L_MLO.dcm,L,MLO,train,,,,,,0",
        "e2,p2,b/R_CC.dcm,R,CC,test,C,2,0,,,", "e2,p2,b/gone.dcm,L,CC,test,C,2,0,,,",
        "e3,p2,c/1.dcm,R,CC,test,dense,7,,,,",
    )  # fmt: skip
    for name in (RCC, RMLO, LCC, LMLO):
        put_view(tmp_path, f"a/{name}.dcm", name)
    put_view(tmp_path, "b/R_CC.dcm", RCC)
    put_view(tmp_path, "c/1.dcm", LCC)
    put_view(tmp_path, "d/other.dcm", RCC)
    assert main(["datasets", "table", "--root", str(tmp_path), "--check"]) == 0
    text = capsys.readouterr().out
    assert row_of(text, "exams") == [3, 1, 0, 2] and row_of(text, "women") == [2, 1, 0, 1]
    assert row_of(text, "R_CC") == [2, 1, 0, 1] and row_of(text, "left out (see below)") == [1, 0, 0, 1]
    assert row_of(text, "breasts") == [5, 2, 0, 3] and row_of(text, "with a density") == [3, 1, 0, 2]
    assert row_of(text, "mass, present") == [1, 1, 0, 0] and row_of(text, "malignancy: 1") == [1, 1, 0, 0]
    empty = "nothing to report: only labels (malignancy): no density, assessment or finding in the table"
    assert row_of(text, empty) == [1, 1, 0, 0]
    assert row_of(text, "nothing to report: words are not understood") == [1, 0, 0, 1]
    assert "words not understood: 2\n  1 × density: dense\n  1 × birads: 7\n" in text
    assert "exams: 3\nexams that pretraining can use: 1\nexams with all four views: 1\npatients: 2\n" in text
    assert "missing files: 1\n" in text and "b/gone.dcm" in text
    assert "pictures that no exam uses: 1\n  d/other.dcm" in text
    assert "c/1.dcm: the table says right, ImageLaterality says left; it is not used" in text


def test_no_word_of_an_own_table_is_lost_silently(tmp_path):
    (tmp_path / "exams.csv").write_text(
        "exam,patient,file,laterality,view,mass,mass_shape,place,birads,malignant,cancer,risk_years\n"
        "e1,p1,a.dcm,R,CC,yes,oval,upper outer,6,maybe,2,3\ne1,p1,,L,CC,0.0,,,,1.0,,\n"
        "e1,p1,b.dcm,both,CC,,,,,,,\ne1,p1,c.dcm,L,SIDE,,,,,,,\n",
        encoding="utf-8",
    )
    (case,) = read_dataset("table", tmp_path)
    assert {(word.column, word.word) for word in case.unread} == {
        ("mass", "yes"), ("mass_shape", "oval"), ("place", "upper outer"), ("birads", "6"), ("malignant", "maybe"),
        ("cancer", "2"), ("risk_years", "3"), ("laterality", "both"), ("view", "SIDE"),
    }  # fmt: skip
    assert case.findings.left.absent == {"mass"} and case.breast_labels[Laterality.LEFT]["malignancy"] == 1
    assert case.refused == ("a row names no file",)
    assert [(image.path, image.name, image.side) for image in case.images][1:] == [
        ("b.dcm", None, None), ("c.dcm", None, Laterality.LEFT),
    ]  # fmt: skip


def test_views_of_the_header_boxes_and_shared_files_are_counted(tmp_path, monkeypatch):
    from mvmlm.datasets import check_counts
    from mvmlm.datasets.breasts import make_case

    put_view(tmp_path, "1.dcm", RCC)  # 160 rows, 120 columns
    put_picture(tmp_path, "2.png", 0)
    (tmp_path / "3.dcm").write_bytes(b"no picture")
    boxes = (FindingBox("mass", -9, 2, 30, 40), FindingBox("mass", 1, 2, 30, 40), FindingBox("mass", 150, 2, 190, 40))
    cases = [
        make_case(
            "e1",
            "p1",
            [Image("1.dcm", None, boxes), Image("1.DCM", RCC), Image("2.png", None), Image("3.dcm", LCC)],
            {},
        ),
        make_case("e2", "p2", [Image("1.dcm", None), Image("../1.dcm", None)], {}),
    ]
    monkeypatch.setattr(check_counts, "read_dataset", lambda name, root: iter(cases))
    check = check_dataset("table", tmp_path)
    assert sum(check.counts["views", "R_CC", split] for split in ("train", "validation", "test")) == 1
    assert sum(check.counts["views", "named before (see below)", split] for split in SPLITS) == 2
    assert check.files["boxes"] == 3 and check.files["boxes cut at the edge of their picture"] == 1
    assert len(check.sentences["boxes outside their picture"]) == 1
    assert check.sentences["files of two exams"] == ["1.dcm: e1 and e2"]
    assert check.sentences["files that two rows name by two paths"] == ["1.DCM: in e1"]
    assert "2.png: " in check.sentences["views that table and file tell differently, or leave open"][0]
    assert "3.dcm" in check.sentences["files that cannot be read"][0]
    assert "leads out of the data set's folder" in check.sentences["files refused"][0]
    assert sum(n for (part, _, _), n in check.counts.items() if part == "views") == check.usable.files == 5
    assert check.usable.usable == 1 and check.unnamed == []


def test_a_table_and_a_folder_cannot_write_to_the_terminal_or_end_the_check(tmp_path, capsys):
    table(tmp_path, 'e1,p1,"a\x1b[2J.dcm",R,CC,test,"B\x1b]0;x\x07\nmissing files: 0",2,1,,,')
    (tmp_path / os.fsdecode(b"caf\xe9.png")).write_bytes(b"x")
    put_view(tmp_path, "b\x1b[2J.dcm", RCC)
    assert main(["datasets", "table", "--root", str(tmp_path), "--check"]) == 2
    out, error = capsys.readouterr()
    assert not {"\x1b", "\x07"} & {*out, *error} and out.count("\nmissing files: ") == 1
    assert "caf\ufffd.png" in out and "b\ufffd[2J.dcm" in out and "1 × density: B\ufffd]0;x" in out
    out.encode("utf-8")
