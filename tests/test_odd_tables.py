"""Tables as they come from spreadsheets, scripts and other people: nothing of them is lost or guessed without a word."""

import json
import random

import pytest

from mvmlm.datasets.case import Case, DatasetError, SkippedRow
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.datasets.several_rows import finding_of_rows
from mvmlm.exam import Laterality
from tests.dataset_tables import INBREAST_HEADER, inbreast_row, put, read_cases
from tests.test_datasets import FIXTURES

R, L = Laterality
OWN = "exam,patient,file,laterality,view,density,mass,mass_shape\n"


def own(root, text, name="exams.csv", encoding="utf-8"):
    (root / name).write_bytes(text.encode(encoding))
    return list(read_dataset("table", root))


@pytest.mark.parametrize("text", [
    OWN + "e,p,a.dcm,R,CC,B,1,oval\n", "\ufeff" + OWN + "e,p,a.dcm,R,CC,B,1,oval\n",
    (OWN + "e,p,a.dcm,right,cc,b,1.0,oval\n").replace(",", ";"),
    OWN.replace("mass,", ' mass ,"') .replace("\n", '"\n') + 'e, p ,"a.dcm",Right,Cc,B,"1",oval\n\n,,,,,,,\n',
    OWN + "e,p,a.dcm,R,CC,B,1,oval\ne,p,a.dcm,R,CC,N/A,nan,None\n", OWN.replace("\n", "\r\n") + "e,p,a.dcm,R,CC,B,1,oval\r\n",
])  # fmt: skip
def test_a_table_may_be_written_in_any_of_the_usual_ways(text, tmp_path):
    (case,) = own(tmp_path, text)
    assert (case.exam, case.patient, [image.path for image in case.images]) == ("e", "p", ["a.dcm"])
    assert case.findings.right.density == "B" and case.findings.right.present[0].shape == "oval"
    assert case.unread == () and case.contradictions == ()


@pytest.mark.parametrize("text, encoding, words", [
    (OWN + "e,p,a.dcm,R,CC,B,1,oval,more\n", "utf-8", "line 2: 9 cells, but 8 columns"),
    (OWN + 'e,p,a.dcm,R,CC,B,1,"oval\nf,q,b.dcm,L,CC,B,1,oval\n', "utf-8", "not a CSV table"),
    (OWN + "e,p,Müller.dcm,R,CC,B,1,oval\n", "latin-1", "not UTF-8"),
    (OWN.replace("density", "mass"), "utf-8", "more than one column 'mass'"),
    ("", "utf-8", "no column 'exam'"), (OWN.replace("view", "projection"), "utf-8", "no column 'view'"),
])  # fmt: skip
def test_a_table_that_cannot_be_read_whole_is_refused(text, encoding, words, tmp_path):
    with pytest.raises(DatasetError, match=words):
        own(tmp_path, text, encoding=encoding)


@pytest.mark.parametrize("side", ["both", "L/R", "RL", "rubbish", ""])
def test_a_row_of_no_known_breast_is_listed_and_gives_no_breast_a_finding(side, tmp_path):
    (case,) = own(tmp_path, OWN + f"e,p,a.dcm,{side},CC,B,1,oval\n")
    assert case.findings.right is None and case.findings.left is None
    assert [(word.column, word.word) for word in case.unread] == [("laterality", side)]


def test_rows_without_an_exam_or_a_patient_make_no_exam(tmp_path):
    header = ("study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,"
              "finding_categories,finding_birads,xmin,ymin,xmax,ymax,split\n")  # fmt: skip
    row = "{},e,{},L,CC,1,1,BI-RADS 4,DENSITY C,['Mass'],BI-RADS 4,,,,,training\n"
    put(tmp_path, "finding_annotations.csv", header + row.format("", "a") + row.format(" ", "b") + row.format("s", "c"))
    skipped, case = read_dataset("vindr", tmp_path)
    assert isinstance(skipped, SkippedRow) and "without an exam" in skipped.reason and case.exam == "s"


@pytest.mark.parametrize("category", ["['mass']", "['Masses']", "Mass; Asymmetry", "['No Finding', 'Lump']"])
def test_a_category_that_is_not_understood_denies_nothing(category, tmp_path):
    header = ("study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,"
              "finding_categories,finding_birads,xmin,ymin,xmax,ymax,split\n")  # fmt: skip
    put(
        tmp_path, "finding_annotations.csv", header + f's,e,i,L,CC,1,1,BI-RADS 1,DENSITY C,"{category}",,,,,,training\n'
    )
    (case,) = read_dataset("vindr", tmp_path)
    assert case.findings.left.absent == case.findings.left.not_suspicious == frozenset()
    assert case.breast_labels[L] == {"birads": 0} and case.unread


@pytest.mark.parametrize("mark, present, absent", [("x", True, False), ("yes", False, False), ("", False, True)])
def test_a_mark_of_inbreast_that_is_not_understood_is_no_denial(mark, present, absent, tmp_path):
    row = inbreast_row("R", "CC", "1", "2", "M", "").replace(";X;", f";{mark};")
    put(tmp_path, "INbreast.csv", INBREAST_HEADER + row)
    put(tmp_path, "AllDICOMs/1_p_MG_R_CC_ANON.dcm", "x")
    (case,) = read_dataset("inbreast", tmp_path)
    assert ("mass" in case.breast_labels[R]) == (present or absent)
    assert case.breast_labels[R]["calcification"] == 0
    assert [word.word for word in case.unread] == ([] if present or absent else [mark])


def test_an_abnormality_of_another_type_is_no_mass(tmp_path):
    FIXTURES["cbis"](tmp_path)
    table = tmp_path / "mass_case_description_train_set.csv"
    table.write_text(table.read_text().replace(",mass,OVAL", ",other,OVAL").replace(",MLO,1,mass", ",MLO,1,MASS"))
    cases = read_cases("cbis", tmp_path)
    assert cases["P_00001"].findings.left.present[0].kind in ("mass", "distortion")
    table.write_text(table.read_text().replace(",mass,IRREGULAR", ",other,IRREGULAR").replace(",MASS,", ",other,"))
    case = read_cases("cbis", tmp_path)["P_00001"]
    assert case.findings.left.present == () and "abnormality type" in {word.column for word in case.unread}


@pytest.mark.parametrize("rows", [
    [{"margin": ["obscured", "spiculated"]}, {"margin": ["circumscribed"]}],
    [{"margin": ["obscured"]}, {"margin": ["spiculated"]}, {"margin": ["obscured", "spiculated"]}],
    [{"shape": ["round"]}, {"shape": ["oval"]}, {"shape": ["irregular", "oval"]}],
])  # fmt: skip
def test_rows_say_the_same_in_any_order(rows):
    assert finding_of_rows("mass", rows) == finding_of_rows("mass", rows[::-1])


def _content(name, root):
    """What the cases say, without the order of rows, pictures and sentences."""
    return {
        item.exam: (item.findings, item.breast_labels, item.exam_labels, item.risk, item.split, item.patient,
                    set(item.images), set(item.unread), set(item.refused), item.silent)
        for item in read_dataset(name, root) if isinstance(item, Case)
    }  # fmt: skip


@pytest.mark.parametrize("name", ADAPTERS)
def test_the_order_of_the_rows_does_not_matter(name, tmp_path):
    FIXTURES[name](tmp_path)
    before = _content(name, tmp_path)
    for table in [*tmp_path.glob("*.csv"), *tmp_path.glob("metadata*.json")]:
        if table.suffix == ".json":
            table.write_text(json.dumps(json.loads(table.read_text())[::-1]))
        else:
            header, *rows = table.read_text().splitlines(keepends=True)
            random.Random(5).shuffle(rows)
            table.write_text(header + "".join(rows))
    assert before and _content(name, tmp_path) == before
