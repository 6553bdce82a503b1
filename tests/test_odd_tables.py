"""Tables as they come from spreadsheets, scripts and other people: nothing of them is lost or guessed without a word."""

import csv
import io
import json
import random
from dataclasses import replace

import pytest

from mvmlm.datasets.case import Case, DatasetError, SkippedRow
from mvmlm.datasets.data_folder import DataFolder
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.datasets.several_rows import finding_of_rows
from mvmlm.exam import Laterality
from mvmlm.pretraining.case_loading import load_case
from mvmlm.pretraining.table_state import TableState
from mvmlm.report.writer import write_exam_report
from tests.dataset_tables import CDD_HEADER, INBREAST_HEADER, inbreast_row, put, read_cases
from tests.test_case_loading import put_view
from tests.test_datasets import FIXTURES
from tests.test_load import RCC

R, L = Laterality
OWN = "exam,patient,file,laterality,view,density,mass,mass_shape\n"


def own(root, text, name="exams.csv", encoding="utf-8"):
    (root / name).write_bytes(text.encode(encoding))
    return list(read_dataset("table", root))


def rewrite(table, *changes):
    text = table.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    table.write_text(text, encoding="utf-8")


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
    rewrite(table, (",mass,OVAL", ",other,OVAL"), (",MLO,1,mass", ",MLO,1,MASS"))
    cases = read_cases("cbis", tmp_path)
    assert cases["P_00001"].findings.left.present[0].kind in ("mass", "distortion")
    rewrite(table, (",mass,IRREGULAR", ",other,IRREGULAR"), (",MASS,", ",other,"))
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
            table.write_text(json.dumps(json.loads(table.read_text(encoding="utf-8"))[::-1]), encoding="utf-8")
        else:
            header, *rows = table.read_text(encoding="utf-8").splitlines(keepends=True)
            random.Random(5).shuffle(rows)
            table.write_text(header + "".join(rows), encoding="utf-8")
    assert before and _content(name, tmp_path) == before


@pytest.mark.parametrize("years, cancer, risk, unread", [
    ("3", "1", (3.0, True), set()), ("soon", "1", None, {"risk_years", "cancer"}), ("inf", "0", None, {"risk_years", "cancer"}),
    ("-1", "0", None, {"risk_years", "cancer"}), ("3", "", None, {"risk_years"}), ("", "0", None, {"cancer"}), ("", "", None, set()),
])  # fmt: skip
def test_a_follow_up_that_is_not_whole_is_listed(years, cancer, risk, unread, tmp_path):
    (case,) = own(tmp_path, f"exam,patient,file,laterality,view,risk_years,cancer\ne,p,a.dcm,R,CC,{years},{cancer}\n")
    assert case.risk == risk and {word.column for word in case.unread} == unread


def test_a_column_that_the_own_table_does_not_have_is_listed(tmp_path):
    (case,) = own(tmp_path, "exam,patient,file,laterality,view,masses,Density,note\ne,p,a.dcm,R,CC,1,B,\n")
    assert {(word.column, word.word) for word in case.unread} == {("masses", "1"), ("Density", "B")}


@pytest.mark.parametrize("column", ["mass shape", "mass margins"])
def test_a_table_of_cbis_with_another_name_for_its_words_is_refused(column, tmp_path):
    FIXTURES["cbis"](tmp_path)
    rewrite(tmp_path / "mass_case_description_train_set.csv", (column, column.replace(" ", "_")))
    with pytest.raises(DatasetError, match=f"no column '{column}'"):
        list(read_dataset("cbis", tmp_path))


@pytest.mark.parametrize("edge", ["nan", "inf", "left", ""])
def test_a_box_with_an_edge_that_is_no_number_is_listed(edge, tmp_path):
    FIXTURES["vindr"](tmp_path)
    rewrite(tmp_path / "finding_annotations.csv", ("BI-RADS 3,1.0,", f"BI-RADS 3,{edge},"))
    case = read_cases("vindr", tmp_path)["s2"]
    assert case.images[0].boxes == () and case.findings.left.present and "no number" in case.unread[0].reason


@pytest.mark.parametrize("ratio", ["nan", "-1", "0", "wide"])
def test_a_stretch_that_no_picture_has_is_listed(ratio, tmp_path):
    FIXTURES["cbis-mass-800"](tmp_path)
    rewrite(tmp_path / "cbis_mass.csv", ("0.55,exact", f"{ratio},exact"), (",100,200,", ",100,,"))
    case = read_cases("cbis-mass-800", tmp_path)["p1 R"]
    image = next(image for image in case.images if image.path == "m/1_R_CC.jpg")
    assert image.width_over_height is None and image.boxes == ()
    listed = {word.column for word in case.unread}
    assert listed >= ({"x0 to y1"} if ratio == "nan" else {"x0 to y1", "aspect_w_over_h"})


def test_an_exam_without_a_year_is_skipped_and_the_others_are_read(tmp_path):
    FIXTURES["csaw-cc"](tmp_path)
    rewrite(tmp_path / "CSAW-CC_breast_cancer_screening_data.csv", ("1,2012,", "1,early,"))
    cases = read_cases("csaw-cc", tmp_path)
    assert "not the number of a year" in cases["1 early"].reason and isinstance(cases["1 2010"], Case)


def test_of_two_files_with_the_name_of_a_row_none_is_guessed(tmp_path):
    FIXTURES["inbreast"](tmp_path)
    put(tmp_path, "AllDICOMs/copy/1_z_MG_L_CC_ANON.dcm", "y")
    found = read_cases("inbreast", tmp_path)
    assert "several files of that name" in found["1"].reason


#: columns of outcomes, identity, split, age and device, and what is put into every row of them
OUTCOME_COLUMNS = {
    "rsna": {"cancer": "01", "biopsy": "01", "invasive": "01", "BIRADS": "012", "difficult_negative_case": ("True", "False"),
             "age": ("41.0", "72.0"), "implant": "01", "machine_id": "29", "site_id": "12"},
    "rsna-640": {"cancer": "01", "biopsy": "01", "invasive": "01", "birads": "012", "age": ("41.0", "72.0"), "site": "12"},
    "cbis": {"pathology": ("MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK", "QUIXOTIC")},
    "cbis-mass-800": {"pathology": ("MALIGNANT", "BENIGN", "QUIXOTIC"), "view_pathology": ("MALIGNANT", "BENIGN")},
    "embed": {"path_severity": ("0.0", "2.0", "6.0", "QUIXOTIC")},
    "csaw-cc": {"x_case": "01", "x_cancer_laterality": ("Left", "Right"), "rad_timing": "123", "x_type": "12", "rad_recall": "01"},
    "cmmd": {"classification": ("Benign", "Malignant", "QUIXOTIC"), "subtype": ("Luminal A", "QUIXOTIC"), "Age": ("40", "70")},
    "cdd-cesm": {"pathology": ("Malignant", "Benign", "QUIXOTIC"), "tags": ("malignant mass", "QUIXOTIC"), "age": ("40", "70"),
                 "folder_class": ("malignant", "normal", "QUIXOTIC")},
    "vindr": {"split": ("training", "test", "QUIXOTIC"), "series_id": ("QUIXOTIC",)},
    "table": {"malignant": "01", "cancer": "01", "risk_years": "17", "split": ("train", "test")},
    "inbreast": {"Patient age": ("40", "70"), "Patient ID": ("QUIXOTIC",)},
    "mammosightr": {"birads_label": ("QUIXOTIC",)},
}  # fmt: skip


def put_into_column(root, column, values):
    """Give every row of every table with that column one of the values."""
    for table in root.glob("*.csv"):
        delimiter = ";" if column in table.read_text(encoding="utf-8").split("\n")[0].split(";") else ","
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file, delimiter=delimiter))
        if column in rows[0]:
            for number, row in enumerate(rows):
                row[column] = values[number % len(values)]
            with open(table, "w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, rows[0].keys(), delimiter=delimiter)
                writer.writeheader()
                writer.writerows(rows)
            yield table
    for table in root.glob("metadata*.json"):
        entries = json.loads(table.read_text(encoding="utf-8"))
        table.write_text(json.dumps([entry | {column: values[0]} for entry in entries]), encoding="utf-8")
        yield table


def test_every_data_set_names_its_columns_of_outcomes():
    assert OUTCOME_COLUMNS.keys() == set(ADAPTERS)


@pytest.mark.parametrize(
    "name, column", [(name, column) for name, columns in OUTCOME_COLUMNS.items() for column in columns]
)
def test_an_outcome_an_identity_a_split_and_a_device_change_no_finding(name, column, tmp_path):
    FIXTURES[name](tmp_path)
    before = {exam: case.findings for exam, case in read_cases(name, tmp_path).items() if isinstance(case, Case)}
    for value in OUTCOME_COLUMNS[name][column]:
        assert list(put_into_column(tmp_path, column, [value]))
        after = {exam: case.findings for exam, case in read_cases(name, tmp_path).items() if isinstance(case, Case)}
        assert after == before and before
        reports = [write_exam_report(findings, random.Random(seed)) for findings in after.values() for seed in range(5)]
        assert not any("quixotic" in report.lower() for report in reports)


@pytest.mark.parametrize("changes", [
    [(",L,3.0,S,", ",left,3.0,s,")], [("11,501,L,3.0", "11.0,501.0,l,3.0")], [(",L,CC,2D", ",Left,cc,2d")],
])  # fmt: skip
def test_embed_in_another_notation_says_the_same(changes, tmp_path):
    FIXTURES["embed"](tmp_path)
    before = _content("embed", tmp_path)
    texts = [table.read_text(encoding="utf-8") for table in tmp_path.glob("*.csv")]
    assert any(changes[0][0] in text for text in texts)
    for table, text in zip(tmp_path.glob("*.csv"), texts, strict=True):
        for written, instead in changes:
            text = text.replace(written, instead)
        table.write_text(text, encoding="utf-8")
    assert _content("embed", tmp_path) == before


@pytest.mark.parametrize("table, row", [
    ("EMBED_OpenData_clinical.csv", "12,501,L,3.0,S,R,S,,,\n"),
    ("EMBED_OpenData_metadata.csv", "12,501,images/d.dcm,L,MLO,2D\n"),
])  # fmt: skip
def test_findings_and_pictures_of_two_women_are_never_one_exam(table, row, tmp_path):
    FIXTURES["embed"](tmp_path)
    with open(tmp_path / table, "a", encoding="utf-8") as file:
        file.write(row)
    assert "several patients" in read_cases("embed", tmp_path)["501"].reason


def test_a_side_of_embed_that_is_not_understood_is_listed(tmp_path):
    FIXTURES["embed"](tmp_path)
    rewrite(tmp_path / "EMBED_OpenData_clinical.csv", ("11,501,L,3.0", "11,501,?,3.0"))
    case = read_cases("embed", tmp_path)["501"]
    assert ("side", "?", "not understood") in case.unread and case.findings.left.present == ()


@pytest.mark.parametrize("text", ["No mass", "without calcifications", "Possible mass", "mass$No calcifications"])
def test_a_statement_of_cdd_cesm_that_denies_or_doubts_gives_no_finding(text, tmp_path):
    put(tmp_path, "cdd_cesm.csv", CDD_HEADER + f"a.jpg,normal,R,CC,c1,50.0,B,1,{text},,Normal\n")
    (case,) = read_dataset("cdd-cesm", tmp_path)
    assert [finding.kind for finding in case.findings.right.present] == ["mass"] * ("$" in text)
    assert ("Findings", text.split("$")[-1], "not understood") in case.unread


def test_normal_beside_words_that_are_not_understood_denies_nothing(tmp_path):
    put(tmp_path, "cdd_cesm.csv", CDD_HEADER + "a.jpg,normal,Right,CC,c1,50.0,B,1,Normal$Lump,,Normal\n")
    (case,) = read_dataset("cdd-cesm", tmp_path)
    assert case.findings.right.absent == frozenset() and "mass" not in case.breast_labels[R]


@pytest.mark.parametrize("note", ["sem nódulo", "não se vê nódulo QSE", "possível nódulo"])
def test_a_note_of_inbreast_that_denies_gives_no_finding(note, tmp_path):
    put(tmp_path, "INbreast.csv", INBREAST_HEADER + inbreast_row("R", "CC", "1", "2", "", note))
    put(tmp_path, "AllDICOMs/1_p_MG_R_CC_ANON.dcm", "x")
    (case,) = read_dataset("inbreast", tmp_path)
    assert case.findings.right.present == () and case.unread


def test_rows_that_differ_in_capitals_or_as_numbers_agree(tmp_path):
    (case,) = own(tmp_path, OWN + "e,p,a.dcm,R,CC,B,1,oval\ne,p,b.dcm,R,MLO,b,1.0,Oval\n")
    assert case.contradictions == () and case.findings.right.density == "B"


def test_words_of_cbis_in_small_letters_and_with_blanks_are_read(tmp_path):
    FIXTURES["cbis"](tmp_path)
    before = _content("cbis", tmp_path)
    table = tmp_path / "mass_case_description_train_set.csv"
    rewrite(
        table, ("IRREGULAR-ARCHITECTURAL_DISTORTION", "irregular-architectural distortion"), ("MALIGNANT", "Malignant")
    )
    assert _content("cbis", tmp_path) == before


@pytest.mark.parametrize("splits, found", [
    (("train", "train"), "train"), (("Test", "test"), "test"), (("test", ""), "test"), (("", ""), None),
    (("train", "test"), "several splits"), (("training", "training"), "expected train"),
])  # fmt: skip
def test_an_exam_with_rows_of_two_splits_is_in_none(splits, found, tmp_path):
    rows = "".join(f"e,p,{number}.dcm,R,CC,{split}\n" for number, split in enumerate(splits))
    (item,) = own(tmp_path, "exam,patient,file,laterality,view,split\n" + rows)
    assert item.split == found if isinstance(item, Case) else found in item.reason


@pytest.mark.parametrize("patient", ["..", ".", "../D2-0002", "/etc", "a\\b"])
def test_a_patient_of_cmmd_that_is_no_folder_of_hers_gets_no_pictures(patient, tmp_path):
    FIXTURES["cmmd"](tmp_path)
    rewrite(tmp_path / "CMMD_clinicaldata_revision.csv", ("D2-0003", patient))
    assert "not the name of a folder" in read_cases("cmmd", tmp_path)[patient].reason


def test_a_table_with_a_null_byte_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="line 2: holds a NUL"):
        own(tmp_path, OWN + "e,p,a\0.dcm,R,CC,B,1,oval\n")


def rewritten(root, edit):
    """Write every CSV table of a folder again, with `edit(rows)` below its header."""
    for path in root.glob("*.csv"):
        text = path.read_text(encoding="utf-8")
        separator = ";" if ";" in text.splitlines()[0] else ","
        header, *rows = csv.reader(io.StringIO(text), delimiter=separator)
        with open(path, "w", encoding="utf-8", newline="") as table:
            csv.writer(table, delimiter=separator).writerows([header, *edit(rows)])


def what_is_read(name, root):
    cases = [item for item in read_dataset(name, root) if isinstance(item, Case)]
    said = [(case.contradictions, case.disagreements, set(case.unread)) for case in cases]
    return [replace(case, rows=0, unused_rows={}, unread=()) for case in cases], said


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name != "mammosightr"])
def test_whole_numbers_written_as_decimals_say_the_same(name, tmp_path):
    FIXTURES[name](tmp_path)
    found = what_is_read(name, tmp_path)
    rewritten(tmp_path, lambda rows: [[f"{cell}.0" if cell.isdecimal() else cell for cell in row] for row in rows])
    assert what_is_read(name, tmp_path) == found


@pytest.mark.parametrize("name", [name for name in ADAPTERS if name not in ("mammosightr", "embed", "vindr")])
def test_a_row_that_stands_twice_says_the_same(name, tmp_path):
    FIXTURES[name](tmp_path)
    found = what_is_read(name, tmp_path)
    rewritten(tmp_path, lambda rows: [row for row in rows for _ in range(2)])
    assert what_is_read(name, tmp_path) == found


def test_a_mark_of_vindr_that_stands_twice_with_its_box_is_listed(tmp_path):
    header = "study_id,image_id,laterality,view_position,breast_birads,breast_density,split,finding_categories,finding_birads"
    mark = "s,i,L,CC,BI-RADS 4,DENSITY B,test,['Mass'],BI-RADS 4"
    put(tmp_path, "finding_annotations.csv", f"{header}\n{mark}\n{mark}\n")
    (case,) = read_dataset("vindr", tmp_path)
    assert len(case.findings.left.present) == 2 and case.unread == ()
    put(tmp_path, "finding_annotations.csv", f"{header},xmin,ymin,xmax,ymax\n{mark},1,2,3,4\n{mark},1,2,3,4\n")
    (case,) = read_dataset("vindr", tmp_path)
    assert [word.reason for word in case.unread] == ["it repeats another one and its box: counted as a mark too"]


def test_the_order_of_the_rows_changes_no_box_and_no_table_of_a_run(tmp_path, decoder):
    header = "study_id,image_id,laterality,view_position,breast_birads,breast_density,split,finding_categories,finding_birads"
    marks = [f"s,i,R,CC,BI-RADS 4,DENSITY B,test,['Mass'],BI-RADS 4,{left},2,90,40" for left in (30, 10, 20)]
    put_view(tmp_path, "images/s/i.dicom", RCC)
    found = []
    for rows in (marks, marks[::-1]):
        put(tmp_path, "finding_annotations.csv", "\n".join([f"{header},xmin,ymin,xmax,ymax", *rows, ""]))
        (case,) = read_dataset("vindr", tmp_path)
        found.append((TableState.of("vindr", [case]), load_case(case, DataFolder(tmp_path), decoder, {}).boxes))
    assert found[0] == found[1] and [box.left for box in found[0][1][RCC]] == [10, 20, 30]


def test_a_false_in_capitals_is_a_plain_no(tmp_path):
    FIXTURES["rsna"](tmp_path)
    found = what_is_read("rsna", tmp_path)
    table = tmp_path / "train.csv"
    put(tmp_path, table.name, table.read_text(encoding="utf-8").replace("False", "FALSE"))
    assert what_is_read("rsna", tmp_path) == found


@pytest.mark.parametrize(
    "name, table", [("rsna-640", "rsna.csv"), ("cbis-mass-800", "cbis_mass.csv"), ("cdd-cesm", "cdd_cesm.csv")]
)
def test_a_side_as_a_word_is_the_same_breast(name, table, tmp_path):
    FIXTURES[name](tmp_path)
    found = what_is_read(name, tmp_path)
    text = (tmp_path / table).read_text(encoding="utf-8")
    put(tmp_path, table, text.replace(",L,", ",left,").replace(",R,", ",r,"))
    assert what_is_read(name, tmp_path) == found
