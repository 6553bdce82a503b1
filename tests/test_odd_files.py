"""Odd files of labels and marks: each gets its own true sentence, and nothing is imported by halves."""

import csv
import json
import shutil
import zipfile

import pytest

from mvmlm.__main__ import main
from mvmlm.datasets.case import DatasetError
from mvmlm.exam import Laterality, Projection, ViewName
from mvmlm.exchange import csv_file, read_any
from mvmlm.exchange.coco import write_coco
from mvmlm.exchange.csv_cells import escaped, unescaped
from mvmlm.exchange.label_table import write_labels
from mvmlm.exchange.readings_csv import READING_COLUMNS, write_readings
from mvmlm.imaging.load import NoExam, load_exam
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.report.findings import Finding
from mvmlm.store.store import Store

R, L = Laterality.RIGHT, Laterality.LEFT
R_CC = ViewName(R, Projection.CC)
HEADER = "exam,laterality,mass,mass_shape\n"
FORMULAS = ("=1+1", "+1", "-1", "@x", "\tx", "\rx", " =1", "＝1", "'=1", "''=1", "'x", "a=1", "'", "''", "'\t=", "-")


@pytest.fixture
def filled(store, exam_files):
    """A store with two exams, case0 and case1."""
    for n in range(2):
        store.exams.add(*exam_files, "ann", patient_id=f"case{n}", study_id=str(n), name=f"case{n}")
    return store


@pytest.fixture
def copied(filled, tmp_path):
    """The same exams without readings, to import into."""
    filled.close()
    shutil.copytree(filled.folder, tmp_path / "copy")
    copy = Store(tmp_path / "copy")
    yield copy
    copy.close()


def problems_of(store, tmp_path, content, name="labels.csv"):
    """What an import says, of which nothing may be taken."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sum(len(store.readings.of_exam(number)) for number in (1, 2))
    try:
        imported = read_any(store, path, "ann")
    except (DatasetError, ValueError) as error:
        assert name in str(error) and str(tmp_path) not in str(error)
        sentences = [str(error)]
    else:
        assert imported.readings == 0
        sentences = list(imported.problems)
    assert sum(len(store.readings.of_exam(number)) for number in (1, 2)) == before, "something was imported"
    return "; ".join(sentences)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is empty"),
        (b" \n\n", "the file is empty"),
        (b"\xef\xbb\xbf", "the file is empty"),
        (HEADER, "a header and no rows"),
        (HEADER + ",,,\n", "a header and no rows"),
        ((HEADER + "case0,R,1,\n").encode("utf-16"), "text in UTF-16"),
        ((HEADER + "case0,R,é,\n").encode("latin-1"), "not UTF-8 text"),
        (b"PK\x03\x04" + b"\0" * 100, "a spreadsheet or a zip"),
        (b"exam\0,laterality\n", "not text"),
        (b"\x7fELF" + bytes(range(256)), "not text"),
        ("exam;laterality;mass\ncase0;R;1\n", "separated by semicolons"),
        ("exam\tlaterality\tmass\ncase0\tR\t1\n", "separated by tabs"),
        ("exam,mass\ncase0,1\n", "no column laterality"),
        ("exam,laterality,mass,mass\ncase0,R,1,0\n", "the column “mass” occurs twice"),
        (HEADER + "case0,R,1,oval,0\n", "line 2: 5 values for 4 columns"),
        (HEADER + 'case0,R,"1,\n', "the file ends within quotation marks"),
        (HEADER + 'case0,R,"1"0,\n', "quotation marks that do not match"),
        (HEADER + ",R,1,\n", "line 2: it names no exam"),
        (HEADER + "nobody,R,1,\n", "no exam of that name"),
        (HEADER + "case0,RL,1,\n", "“RL” is not a breast"),
        (HEADER + "case0,,1,\n", "“” is not a breast"),
        (HEADER + "case0,R,NaN,\n", "mass='NaN': expected one of"),
        (HEADER + "case0,R,1.0,\n", "mass='1.0': expected one of"),
        (HEADER + "case0,R,1,\ncase0,R,0,\n", "mass: rows say 1 and 0"),
        (HEADER + "case0,R,1,oval\ncase0,R,1,round\n", "mass_shape: rows say oval and round"),
        (HEADER + "case0,R,0,oval\n", "mass_shape is given; write 1 under mass"),
        (HEADER + 'case0,R,"{""mass"": 1}",\n', "expected one of"),
        ("exam,laterality,mass,mass_size_mm\ncase0,R,1,NaN\n", "size_mm=nan: expected a number"),
        ("exam,laterality,mass,mass_size_mm\ncase0,R,1,inf\n", "size_mm=inf: expected a number"),
    ],
)
def test_an_odd_table_of_labels_gets_a_sentence_of_its_own(filled, tmp_path, content, words):
    assert words in problems_of(filled, tmp_path, content)


def test_a_table_may_begin_with_a_byte_order_mark(filled, tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbf" + HEADER.encode() + b"case0,R,1,oval\n")
    assert read_any(filled, tmp_path / "labels.csv", "ann") == (1, ())


def test_too_many_rows_and_too_long_values_are_said(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(csv_file, "MAX_ROWS", 2)
    assert "more than 2 rows" in problems_of(filled, tmp_path, HEADER + "".join(f"c{n},R,1,\n" for n in range(3)))
    monkeypatch.setattr(csv_file, "MAX_CELL", 100)
    assert "more than 100 letters" in problems_of(filled, tmp_path, HEADER + f"case0,R,{'x' * 200},\n")
    monkeypatch.setattr(csv_file, "MAX_BYTES", 10)
    assert "MB are read" in problems_of(filled, tmp_path, HEADER)


def test_a_row_that_repeats_another_is_passed_over_with_a_word(filled, tmp_path):
    (tmp_path / "labels.csv").write_text(HEADER + "case0,R,1,oval\ncase0,R,1,oval\n", encoding="utf-8")
    imported = read_any(filled, tmp_path / "labels.csv", "ann")
    assert imported.readings == 1 and imported.problems == ("line 3 repeats line 2; passed over",)


def test_a_column_that_is_no_question_is_named(filled, tmp_path):
    (tmp_path / "labels.csv").write_text("exam,laterality,mass,Density\ncase0,R,1,C\n", encoding="utf-8")
    imported = read_any(filled, tmp_path / "labels.csv", "ann")
    assert imported.readings == 1 and "Density" in imported.problems[0]


@pytest.mark.parametrize(
    "members, words",
    [
        ([], "odd.zip: a zip without files"),
        (["folder/"], "odd.zip: a zip without files"),
        (["inner.zip"], "inner.zip: the file is empty"),
        (["a.dcm"], "a.dcm: the file is empty"),
    ],
)
def test_an_odd_zip_gets_a_sentence_of_its_own(tmp_path, decoder, members, words):
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as archive:
        for name in members:
            archive.writestr(name, b"")
    with pytest.raises(NoExam, match=words):
        load_exam(tmp_path / "odd.zip", decoder=decoder)


def reading_row(**change):
    row = {
        "exam": "case0", "reader": "ann", "kind": "first", "version": "1", "authors": "", "form_version": "2", "birads_edition": "5",
        "started": "2026-01-01T10:00:00+00:00", "seconds": "5.0", "signed": "", "final": "", "informed": "0", "model_shown": "",
        "side": "R", "field": "mass", "finding": "", "value": "1",
    }  # fmt: skip
    return ",".join('"' + (row | change)[name].replace('"', '""') + '"' for name in READING_COLUMNS)


def finding(**change):
    data = {"laterality": "R", "label": "mass", "what": {"kind": "mass", "size_mm": 9}, "marks": []} | change
    return reading_row(field="finding", finding="1", value=json.dumps(data))


@pytest.mark.parametrize(
    "rows, words",
    [
        ([reading_row(seconds="NaN")], "seconds: “NaN”"),
        ([reading_row(seconds="-1")], "seconds: “-1”"),
        ([reading_row(seconds="soon")], "seconds: “soon”"),
        ([reading_row(started="yesterday")], "started: “yesterday”"),
        ([reading_row(signed="yes")], "signed: “yes”"),
        ([reading_row(informed="true")], "informed: “true”"),
        ([reading_row(form_version="99")], "form_version: “99”"),
        ([reading_row(birads_edition="")], "birads_edition"),
        ([reading_row(kind="third")], "kind: “third”"),
        ([reading_row(version="two")], "version: “two”"),
        ([reading_row(version="2")], "it amends a read that is not there"),
        ([reading_row(authors="AB")], "authors: expected a JSON list"),
        ([reading_row(final="2026-01-01T10:00:00+00:00")], "a read that is not signed is not final"),
        ([reading_row(side="both")], "side “both”"),
        ([reading_row(reader="")], "No reader is named"),
        ([reading_row(exam="")], "no exam of that name"),
        ([reading_row(), reading_row(value="0")], "mass is answered twice"),
        ([reading_row(), reading_row(side="L", seconds="6.0")], "its rows differ in seconds"),
        ([reading_row(field="")], "names no field"),
        ([reading_row(finding="-1", value="{}")], "finding “-1”"),
        ([reading_row(finding="1", value="{")], "not a finding as this program writes it"),
        ([reading_row(finding="1", value="[" * 100000)], "not a finding as this program writes it"),
        ([reading_row(finding="1", value="[]")], "not a finding as this program writes it"),
        ([finding(laterality="L")], "its side is another one"),
        ([finding(what={"kind": "mass", "size_mm": float("nan")})], "NaN is no number"),
        ([finding(what={"kind": "mass", "size_mm": {"a": 1}})], "size_mm={'a': 1}: expected a number"),
        ([finding(what={"kind": "mass", "shape": ["oval"]})], "not a finding as this program writes it"),
        ([finding(label="comet", what=None)], "its label"),
    ],
)
def test_an_odd_readings_csv_gets_a_sentence_of_its_own(filled, tmp_path, rows, words):
    content = "\n".join([",".join(READING_COLUMNS), *rows]) + "\n"
    assert words in problems_of(filled, tmp_path, content, "readings.csv")


def coco(**change):
    data = {
        "images": [{"id": 7, "file_name": "case0/R_CC.dcm"}], "categories": [{"id": 1, "name": "mass"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]}],
    }  # fmt: skip
    return json.dumps(data | change)


def annotation(**change):
    return coco(annotations=[{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]} | change])


@pytest.mark.parametrize(
    "content, words",
    [
        ("", "the file is empty"),
        ("{", "not a JSON file (line 1)"),
        ("[]", "“images” is not a list"),
        ("[" * 100000, "nested too deeply"),
        (coco().encode("utf-16"), "not UTF-8"),
        (coco(annotations=[{"bbox": [float("nan")] * 4}]), "NaN is no number of JSON"),
        (coco()[:-1] + ', "info": ' + "9" * 5000 + "}", "too many digits"),
        (coco(images=[{"id": 7, "file_name": 5}]), "each with id and file_name"),
        (coco(images=[{"id": [7], "file_name": "case0/R_CC"}]), "each with id and file_name"),
        (coco(images=[{"id": 7, "file_name": "case0/R_CC"}, {"id": 7, "file_name": "case1/L_CC"}]), "have the same id"),
        (coco(categories={"1": "mass"}), "“categories” is not a list"),
        (annotation(image_id=9), "annotation 1: its image_id"),
        (annotation(image_id={}), "annotation 1: its image_id"),
        (annotation(category_id=None), "annotation 1: its category_id"),
        (annotation(bbox=["10", 20, 30, 40]), "its bbox is not"),
        (annotation(bbox=[10, 20, -30, 40]), "its bbox is not"),
        (annotation(bbox={"x": 1}), "its bbox is not"),
        (annotation(mark=[]), "its mark is not as this program writes it"),
        (annotation(mark={"finding": "one"}), "writes it: finding"),
        (annotation(mark={"round": "third", "reader": {}}), "writes it: reader and round"),
        (annotation(mark={"read": "third", "version": "2"}), "writes it: read and version"),
        (annotation(mark={"points": [[1, {}]]}), "writes it: points"),
        (coco(images=[{"id": 7, "file_name": "case0/picture.png"}]), "expected a view such as"),
        (coco(images=[{"id": 7, "file_name": "R_CC"}]), "no exam of that name"),
        (coco(images=[{"id": 7, "file_name": "case0/R_CC", "width": 5, "height": 5}]), "the marks would not fit"),
    ],
)
def test_an_odd_coco_file_gets_a_sentence_of_its_own(filled, tmp_path, content, words):
    assert words in problems_of(filled, tmp_path, content, "marks.json")


def test_a_category_of_another_program_is_never_taken_for_other_without_a_word(filled, tmp_path):
    path = tmp_path / "marks.json"
    path.write_text(coco(categories=[{"id": 1, "name": "lymph node"}]), encoding="utf-8")
    imported = read_any(filled, path, "ann")
    assert (
        imported.readings == 1 and "“lymph node” is none of this program: 1 imported as “other”" in imported.problems[0]
    )
    path.write_text(coco(categories=[{"id": 1, "name": "Mass"}]), encoding="utf-8")
    assert read_any(filled, path, "ben") == (1, ())
    assert filled.readings.of_exam(1)[1].reading.findings[1].label == "mass"


def test_an_annotation_that_repeats_another_is_passed_over_with_a_word(filled, tmp_path):
    rows = json.loads(coco())["annotations"]
    (tmp_path / "marks.json").write_text(coco(annotations=[rows[0], rows[0] | {"id": 2}]), encoding="utf-8")
    imported = read_any(filled, tmp_path / "marks.json", "ann")
    assert imported.problems == ("annotation 2 repeats another one and was passed over",)
    assert len(filled.readings.of_exam(1)[0].reading.findings) == 1


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_cell_never_starts_a_formula_and_comes_back_unchanged(cell):
    written = escaped(cell)
    assert written.lstrip(" ")[:1] not in ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
    assert unescaped(written) == cell


def test_no_export_has_a_formula_and_all_come_back_unchanged(filled, copied, tmp_path):
    filled = Store(filled.folder)
    for n, cell in enumerate(FORMULAS):
        number = filled.readings.start(1, f"{cell.strip()} {n}").id
        base = filled.readings.get(number).reading
        marks = (Mark(R_CC, "box", "mass", ((1.0, 2.0), (3.0, 4.0))),)
        mine = Reading({(None, "note"): cell, (R, "mass"): "1"}, {1: MarkedFinding(R, "mass", Finding("mass"), marks)})
        filled.readings.save(number, base, mine)
        filled.readings.sign(number)
    write_readings(filled, tmp_path / "readings.csv")
    write_labels(filled, tmp_path / "exams.csv")
    write_coco(filled, tmp_path / "marks.json")
    for name in ("readings.csv", "exams.csv"):
        with open(tmp_path / name, newline="", encoding="utf-8") as file:
            cells = [cell for row in csv.reader(file) for cell in row]
        assert not [cell for cell in cells if cell.lstrip(" ")[:1] in tuple("=+-@＝") or cell[:1] in ("\t", "\r")]
    imported = read_any(copied, tmp_path / "readings.csv", "x")
    assert imported.problems == ()

    def told(store):
        return [(read.reader, read.reading) for read in store.readings.of_exam(1)]

    assert told(copied) == told(filled)
    filled.close()


def test_no_export_shows_a_path_of_the_server(filled, tmp_path, capsys):
    number = filled.readings.start(1, "ann").id
    filled.readings.save(number, Reading(), Reading({(R, "mass"): "1"}))
    filled.readings.finalise(filled.readings.sign(number).id)
    images = {view.path for view in filled.exams.views(1)}
    assert main(["export", str(tmp_path / "out"), "--data", str(filled.folder), "--reader", "ann"]) == 0
    for name in ("readings.csv", "exams.csv", "marks.json"):
        text = (tmp_path / "out" / name).read_text(encoding="utf-8")
        for path in images:
            assert path not in text and str(tmp_path) not in text and ".." not in text
    with open(tmp_path / "out" / "exams.csv", newline="", encoding="utf-8") as file:
        linked = {str((tmp_path / "out" / row["file"]).resolve()) for row in csv.DictReader(file)}
    assert linked == images
