"""Files of labels, readings and marks that are imported into a store: CSV and COCO JSON."""

import json

from mvmlm.datasets.case import DatasetError
from mvmlm.exchange import read_any
from mvmlm.exchange.readings_csv import READING_COLUMNS

from .case import Malformed, refusal

LABELS, COCO = "Labels and readings as CSV", "Marks as COCO JSON"
HEADER = "exam,laterality,mass,mass_shape\n"
BIG = 10**400  # a number that no fraction of a computer holds


def imported(content, name="labels.csv"):
    """Import a file into a store with one exam, case0, and return every sentence; nothing of it may be taken."""

    def tell(bench):
        store = bench.fixture("store")
        store.exams.add(*bench.fixture("exam_files"), "ann", patient_id="case0", study_id="0", name="case0")
        data = content() if callable(content) else content
        path = bench.file(name, data)
        said = []
        answer = refusal(lambda: said.append(read_any(store, path, "ann")), DatasetError, ValueError)
        if not said:
            return answer
        assert said[0].readings == 0 and not store.readings.of_exam(1), "something was imported"
        return " / ".join(said[0].problems)

    return tell


def labels(what, told, content):
    return Malformed(LABELS, what, told, imported(content), fixtures=("store", "exam_files"))


def reading_row(**change):
    row = {
        "exam": "case0", "reader": "ann", "kind": "first", "version": "1", "authors": "", "form_version": "2", "birads_edition": "5",
        "started": "2026-01-01T10:00:00+00:00", "seconds": "5.0", "signed": "", "final": "", "informed": "0", "model_shown": "",
        "side": "R", "field": "mass", "finding": "", "value": "1",
    }  # fmt: skip
    cells = ('"' + (row | change)[name].replace('"', '""') + '"' for name in READING_COLUMNS)
    return ",".join(READING_COLUMNS) + "\n" + ",".join(cells) + "\n"


def finding(**change):
    data = {"laterality": "R", "label": "mass", "what": {"kind": "mass", "size_mm": 9}, "marks": []} | change
    return reading_row(field="finding", finding="1", value=json.dumps(data))


def marked(*points, view="R_CC"):
    return finding(marks=[{"view": view, "kind": "box", "label": "mass", "points": points}])


def coco(**change):
    data = {
        "images": [{"id": 7, "file_name": "case0/R_CC.dcm"}], "categories": [{"id": 1, "name": "mass"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]}],
    }  # fmt: skip
    return json.dumps(data | change)


def annotation(**change):
    return coco(annotations=[{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]} | change])


def marks(what, told, content):
    return Malformed(COCO, what, told, imported(content, "marks.json"), fixtures=("store", "exam_files"))


def nested(depth):
    """A mark that is nested as deeply as the JSON reader allows, or more."""
    return coco()[:-2].replace('"bbox"', '"extra": ' + "[" * depth + "]" * depth + ', "bbox"') + "]}"


CASES = [
    labels("a table of null bytes", "labels.csv: not text. Save it as CSV with commas, in UTF-8.", bytes(5000)),
    labels("a table whose second line is not UTF-8", "labels.csv: not UTF-8 text. Save it as UTF-8.", HEADER.encode() + b"case0,R,\xff\xfe,\n"),
    labels("a null byte in a late cell", "x8: no exam of that name is in the store; import its images first", HEADER + "".join(f"x{n},R,1,\n" for n in range(900)) + "case0,R,1\0,\n"),
    labels("half of a surrogate pair in UTF-8", "labels.csv: not UTF-8 text. Save it as UTF-8.", HEADER.encode() + b"case0,R,\xed\xa0\x80,\n"),
    labels("a side of 100,000 letters", "RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR” is not a breast; write R or L", HEADER + f"case0,{'R' * 100_000},1,\n"),
    labels("an answer of 100,000 letters", "': expected one of 1, 0", HEADER + f"case0,R,{'1' * 100_000},\n"),
    labels("a name of an exam of 100,000 letters", ": no exam of that name is in the store; import its images first", HEADER + f"{'x' * 100_000},R,1,\n"),
    labels("a header of 20,000 columns", "case0: This reading is empty. Answer at least one question before you sign.", ",".join(["exam", "laterality", *(f"c{n}" for n in range(20_000))]) + "\ncase0,R\n"),
    labels("a column named twice by 50,000 letters", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy” occurs twice. Keep one of them.", f"exam,laterality,{'y' * 50_000},{'y' * 50_000}\ncase0,R,1,2\n"),
    labels("a web page", "labels.csv: no column exam, laterality; found “<!DOCTYPE html><html><body>404 not found”", "<!DOCTYPE html><html><body>404 not found</body></html>"),
    labels("a line of 3 MB without a comma", "labels.csv: no column exam, laterality", "exam" * 750_000),
    labels("a follow-up of -5 years", "case0: risk_years='-5': expected years between 0 and 100", "exam,laterality,risk_years,cancer\ncase0,R,-5,1\n"),
    labels("a follow-up of 1e999 years", "case0: risk_years='1e999': expected years between 0 and 100", "exam,laterality,risk_years,cancer\ncase0,R,1e999,1\n"),
    labels("a day of an outcome that is none", "case0: outcome_date='2026-02-31': expected a date such as 2026-05-31", "exam,laterality,outcome_date,cancer\ncase0,R,2026-02-31,1\n"),
    labels("a size of a million digits", "case0: size_mm=inf: expected a number from 0.5 to 300", f"exam,laterality,mass,mass_size_mm\ncase0,R,1,{'9' * 1_000_000}\n"),
    labels("a size below zero", "case0: size_mm=-12.0: expected a number from 0.5 to 300", "exam,laterality,mass,mass_size_mm\ncase0,R,1,-12\n"),
    labels("a reading with a side of control characters", "case0, ann: line 2: side “\u001b[2J”; expected R, L or nothing", reading_row(side="\x1b[2J")),
    labels("a reading with a version of a million digits", "; expected a number from 1 to 99", reading_row(version="9" * 1_000_000)),
    labels("a reading of seconds in 5,000 digits", "; expected a time of 0 or more", reading_row(seconds="9" * 5000)),
    labels("a reading whose finding has a coordinate of 400 digits", "case0, ann: line 2: the value is not a finding as this program writes it: a mark without a view, kind, label", marked([BIG, 1], [3, 4])),
    labels("a reading whose finding has a size of 400 digits", ": expected a number from 0.5 to 300", finding(what={"kind": "mass", "size_mm": BIG})),
    labels("a reading whose finding has a suspicion of 400 digits", ": expected a whole number from 1 to 5", finding(suspicion=BIG)),
    labels("a reading whose mark has a point of one number", "case0, ann: line 2: the value is not a finding as this program writes it: a mark without a view, kind, label", marked([1], [3, 4])),
    labels("a reading whose mark is on the other breast", "case0, ann: line 2: the value is not a finding as this program writes it: a finding of the right breast with", marked([1, 2], [3, 4], view="L_CC")),
    labels("a reading whose mark is on no view", "case0, ann: line 2: the value is not a finding as this program writes it: a mark without a view, kind, label", marked([1, 2], [3, 4], view="R_ELBOW")),
    labels("a reading that was begun in the year 99999", "case0, ann: started: “99999-01-01T10:00:00+00:00”; expected a time such as 2026-05-31T12:00:00+00:00", reading_row(started="99999-01-01T10:00:00+00:00")),
    labels("a reading by 5,000 authors in a nest", "case0, ann: authors: expected a JSON list of names", reading_row(authors="[" * 5000)),
    marks("a box with an edge of 400 digits", "annotation 1: its bbox is not [left, top, width, height] in pixels", annotation(bbox=[BIG, 20, 30, 40])),
    marks("a box of three numbers", "annotation 1: its bbox is not [left, top, width, height] in pixels", annotation(bbox=[10, 20, 30])),
    marks("a box of booleans", "annotation 1: its bbox is not [left, top, width, height] in pixels", annotation(bbox=[True, False, True, True])),
    marks("a point of a mark with 400 digits", "annotation 1: its mark is not as this program writes it: points", annotation(mark={"points": [[BIG, 1], [3, 4]]})),
    marks("a point of a mark with three numbers", "annotation 1: its mark is not as this program writes it: points", annotation(mark={"points": [[1, 2, 3], [3, 4, 5]]})),
    marks("an image of half a surrogate pair", "marks.json: “images” is not a list as in COCO JSON, each with id and file_name. Export it again.", coco(images=[{"id": 7, "file_name": "\ud800/R_CC.dcm"}])),
    marks("a reader of half a surrogate pair", "annotation 1: its mark is not as this program writes it: reader", annotation(mark={"reader": "\udfff"})),
    marks("a name of a reader of 100,000 letters", "eader is named. Type your name or initials first (at most 60 letters).", annotation(mark={"reader": "x" * 100_000})),
    marks("a name of a file of 100,000 letters", "; expected a view such as exam-00012/R_CC", coco(images=[{"id": 7, "file_name": "x" * 100_000}])),
    marks("an ID of an image of 4,000 digits that no annotation has", "annotation 1: its image_id is not the ID of an image of the file", coco(images=[{"id": int("9" * 4000), "file_name": "case0/R_CC"}])),
    marks("an annotation that is a list", "marks.json: “annotations” is not a list as in COCO JSON. Export it again.", coco(annotations=[[1, 7, 1]])),
    marks("an annotation nested 990 levels deep", "marks.json: nested too deeply for COCO JSON. Export it again.", nested(990)),
    marks("images that are a text", "marks.json: “images” is not a list as in COCO JSON, each with id and file_name. Export it again.", coco(images="case0/R_CC")),
    marks("no annotations at all", "marks.json: “annotations” is not a list as in COCO JSON. Export it again.", json.dumps({"images": [], "categories": []})),
    marks("a category without a name", "marks.json: “categories” is not a list as in COCO JSON, each with id and name. Export it again.", coco(categories=[{"id": 1}])),
    marks("bytes of a picture", "marks.json: not UTF-8 text. Save it as UTF-8.", b"\x89PNG\r\n\x1a\n" + bytes(200)),
    marks("a number that ends nowhere", "marks.json: not a JSON file (line 1). Export it again.", coco()[:-1] + ', "x": 1e}'),
    marks("JSON after JSON", "marks.json: not a JSON file (line 1). Export it again.", coco() + coco()),
]  # fmt: skip
