"""Tables: of data sets for training, of predictions, of an archive, and spreadsheets."""

import io
import json
import zipfile

from mvmlm.datasets.case import DatasetError
from mvmlm.datasets.check import summarize_dataset
from mvmlm.evaluation.predictions_csv import read_predictions
from mvmlm.scoring.archive import list_archive
from mvmlm.tasks import TASKS
from tests.dataset_tables import CDD_HEADER

from .case import Malformed, refusal

DATASETS, PREDICTIONS, ARCHIVES, SHEETS = (
    "Tables of a data set", "Tables of predictions", "Lists of exams to score", "Spreadsheets",
)  # fmt: skip
CDD = f"{CDD_HEADER}a.jpg,malignant,L,CC,c1,50,B,4,High density mass,,Malignant\n"
OUTLINE = json.dumps({"a.jpg": [{"name": "rect", "x": 10**400, "y": 1, "width": 5, "height": 5}]})
COLUMNS = "exam,patient,file,laterality,view"


def dataset(what, told, content):
    def tell(bench):
        bench.file("exams.csv", content)
        said = []
        answer = refusal(lambda: said.append(summarize_dataset("table", bench.folder)), DatasetError)
        lines = said[0].splitlines() if said else [answer]
        return "\n".join(line for line in lines if "is looked for at" not in line)  # where the user's own folder is

    return Malformed(DATASETS, what, told, tell)


def own_file(data_set, what, told, name, content, **others):
    """A file of a published data set, as it would be downloaded. others: further files by their stems, as CSV."""

    def tell(bench):
        bench.file(name, content)
        for stem, text in others.items():
            bench.file(f"{stem}.csv", text)
        said = []
        answer = refusal(lambda: said.append(summarize_dataset(data_set, bench.folder)), DatasetError)
        lines = said[0].splitlines() if said else [answer]
        return "\n".join(line for line in lines if "is looked for at" not in line)

    return Malformed(DATASETS, what, told, tell)


def predictions(what, told, content):
    def tell(bench):
        path, said = bench.file("predictions.csv", content), []
        answer = refusal(lambda: said.append(read_predictions(path, TASKS)), DatasetError)
        return " / ".join(said[0].problems) if said else answer

    return Malformed(PREDICTIONS, what, told, tell)


def archive(what, told, content):
    def tell(bench):
        path, decoder, said = bench.file("archive.csv", content), bench.fixture("decoder"), []
        answer = refusal(lambda: said.append(list_archive(path, decoder)), ValueError, FileNotFoundError)
        return " / ".join(failure.sentence for failure in said[0].failures) if said else answer

    return Malformed(ARCHIVES, what, told, tell, fixtures=("decoder",))


def sheet(what, told, data, name="INbreast.xlsx", costly=False):
    def tell(bench):
        path = bench.file(name, data())
        assert path.is_file()
        return refusal(lambda: summarize_dataset("inbreast", bench.folder), DatasetError)

    return Malformed(SHEETS, what, told, tell, costly)


def workbook(cells="", sheet_data=None, blanks=0):
    """The smallest workbook, with cells as XML. blanks: MB of them behind the sheet."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    related = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", f'<?xml version="1.0"?><Types xmlns="{package}/content-types"/>')
        book.writestr(
            "_rels/.rels",
            f'<?xml version="1.0"?><Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{related}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        )
        book.writestr(
            "xl/workbook.xml",
            f'<?xml version="1.0"?><workbook xmlns="{main}" xmlns:r="{related}"><sheets><sheet name="a" sheetId="1" r:id="r1"/></sheets></workbook>',
        )
        book.writestr(
            "xl/_rels/workbook.xml.rels",
            f'<?xml version="1.0"?><Relationships xmlns="{package}/relationships"><Relationship Id="r1" Type="{related}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        )
        data = (
            f'<?xml version="1.0"?><worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>'
            if sheet_data is None
            else sheet_data
        )
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            part.write(data.encode())
            for _ in range(blanks):
                part.write(b" " * 1_000_000)
    return file.getvalue()


def cell(place, value="1"):
    row = place.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return f'<row r="{row}"><c r="{place}"><v>{value}</v></c></row>'


def row(**change):
    cells = {"exam": "e", "patient": "p", "file": "f.dcm", "laterality": "R", "view": "CC"} | change
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


def predicted(**change):
    cells = {
        "exam": "e",
        "patient": "p",
        "laterality": "R",
        "task": "mass",
        "class": "",
        "score": "0.5",
        "label": "1",
    } | change
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


CASES = [
    dataset("a table of no bytes", "exams.csv: no column 'exam', 'patient', 'file', 'laterality', 'view'; found", b""),
    dataset("a table of a picture", "exams.csv: not UTF-8 (invalid start byte); save it as CSV in UTF-8", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    dataset("a table in UTF-16", "exams.csv: not UTF-8 (invalid start byte); save it as CSV in UTF-8", row().encode("utf-16")),
    dataset("a table with a quotation mark that is never closed", "exams.csv, line 2: not a CSV table (unexpected end of data)", f'{COLUMNS}\ne,p,"f.dcm,R,CC\n'),
    dataset("a table of a cell of 200,000 letters", "exams.csv, line 2: not a CSV table (field larger than field limit (131072))", row(file="x" * 200_000)),
    dataset("a table with a file of 500 digits", "longer than the name of any file", row(file="9" * 500)),
    dataset("a table with a mass of words", "words not understood: 1\n  1 × mass: perhaps", row(mass="perhaps")),
    dataset("a table with a density of 400 digits", "words not understood: 1\n  1 × density: 9999", row(density="9" * 400)),
    dataset("a table with a split that is none", "split='holdout': expected train, validation, test", row(split="holdout")),
    dataset("a table with a follow-up of 1e999 years", "1 × risk_years: 1e999", row(risk_years="1e999", cancer="1")),
    dataset("a table with a malignancy of -1", "words not understood: 1\n  1 × malignant: -1", row(malignant="-1")),
    dataset("a table with a view that is none", "words not understood: 1\n  1 × view: ELBOW", row(view="ELBOW")),
    dataset("a table with a side of a null byte", "exams.csv, line 2: holds a NUL; save it as CSV in UTF-8", row(laterality="R\0")),
    dataset("a table of one woman's exam under two names", "2 × rows of one exam name several patients, or none", f"{COLUMNS}\ne,p,f.dcm,R,CC\ne,q,g.dcm,L,CC\n"),
    own_file("mammosightr", "a JSON of MammosighTR nested 100,000 deep", "nested too deeply", "metadata_image_level.json", "[" * 100_000),
    own_file("mammosightr", "a JSON of MammosighTR of a number of 5,000 digits", "too many digits", "metadata_image_level.json", "9" * 5000),
    own_file("cdd-cesm", "outlines of CDD-CESM nested 100,000 deep", "nested too deeply", "cdd_cesm_outlines.json", "[" * 100_000, cdd_cesm=CDD),
    own_file("cdd-cesm", "an outline of CDD-CESM of 400 digits", "outline without a box: rect", "cdd_cesm_outlines.json", OUTLINE, cdd_cesm=CDD),
    predictions("predictions of no bytes", "predictions.csv: the file is empty. Export it again.", b""),
    predictions("predictions without a truth", "line 2: no label; left out", "exam,patient,laterality,task,class,score\ne,p,R,mass,,0.5\n"),
    predictions("a score of words", "line 2: score is not a number; left out (found “likely”)", predicted(score="likely")),
    predictions("an infinite score", "line 2: score is not a number; left out (found “1e999”)", predicted(score="1e999")),
    predictions("a score that is not a number", "line 2: score is not a number; left out (found “nan”)", predicted(score="nan")),
    predictions("a score with underlines", "line 2: score is not a number; left out (found “1_0”)", predicted(score="1_0")),
    predictions("a label of 3", "line 2: a label outside the classes: mass has 0, 1; left out (found “3”)", predicted(label="3")),
    predictions("a side of 100,000 letters", "line 2: laterality is not R, L or empty; left out (found “RRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRRR”)", predicted(laterality="R" * 100_000)),
    predictions("a class of a question of yes and no", "line 2: a class that the task has not: mass has the classes present; left out (found “perhaps”)", predicted(**{"class": "perhaps"})),
    predictions("an age that is not a number", "line 2: age is not a number; taken as unknown (found “old”)", predicted(age="old")),
    predictions("a split that is none", "line 2: split is not test or validation; left out (found “holdout”)", predicted(split="holdout")),
    predictions("a risk of a negative follow-up", "line 2: years is not a number of years or event not 0 or 1; left out (found “-3, 1”)", "exam,patient,laterality,task,class,score,years,event\ne,p,,risk,1,0.5,-3,1\n"),
    archive("a list of no bytes", "archive.csv: no column exam and path. Give a folder, a zip, or a CSV table with the columns exam and path.", b""),
    archive("a list of a picture", "archive.csv: not UTF-8 text. Save it as UTF-8.", b"\x89PNG\r\n\x1a\n" + bytes(100)),
    archive("a list without paths", "archive.csv: no column path. Give a folder, a zip, or a CSV table with the columns exam and path.", "exam\ne\n"),
    archive("a list with an empty path", "archive.csv, line 2: exam or path is empty. Fill in both.", "exam,path\ne,\n"),
    archive("a list with a quotation mark that is never closed", "archive.csv, line 1: not a CSV table (unexpected end of data).", 'exam,path\ne,"x\n'),
    archive("a list with a path of 5,000 letters", "archive.csv, line 2: this is no path of a file. Correct it.", f"exam,path\ne,{'x' * 5000}\n"),
    archive("a list with a path of a null byte", "archive.csv, line 2: this is no path of a file. Correct it.", "exam,path\ne,x\0y\n"),
    archive("a list with a column named twice", "archive.csv: the column path occurs twice. Keep one of them.", "exam,path,path\ne,a,b\n"),
    archive("a list with a row of more cells than columns", "archive.csv, line 2: more cells than columns; write a path with a comma in quotes.", "exam,path\ne,a,b\n"),
    sheet("a spreadsheet of no bytes", "INbreast.xlsx: not a spreadsheet that can be read (invalid Zip archive: Could not find EOCD). Download it", lambda: b""),
    sheet("a spreadsheet of noise", "INbreast.xlsx: not a spreadsheet that can be read (invalid Zip archive: Could not find EOCD). Download it", lambda: bytes(range(256)) * 40),
    sheet("a spreadsheet that is a zip of something else", "INbreast.xlsx: not a spreadsheet that can be read (Worksheet '0' not found). Download it again.", lambda: workbook()[:10] + workbook()[10:].replace(b"xl/workbook.xml", b"xl/workbook.xmm")),
    sheet("a spreadsheet without cells", "INbreast.xlsx: the sheet is empty", workbook),
    sheet("a spreadsheet of broken XML", "INbreast.xlsx: not a spreadsheet that can be read (syntax error: tag not closed: `>` not found before end of", lambda: workbook(sheet_data="<worksheet><sheetData><row><c r=")),
    sheet("a spreadsheet with a cell at the end of the world", "INbreast.xlsx: damaged, or it takes too much memory or time to read. Download it again, or save the sheet as", lambda: workbook(cell("A1") + cell("XFD1048576")), costly=True),
    sheet("a spreadsheet with a cell in row 4 billion", "INbreast.xlsx: damaged, or it takes too much memory or time to read. Download it again, or save the sheet as", lambda: workbook(cell("A1") + cell("A4294967295")), costly=True),
    sheet("a spreadsheet that unpacks to 300 MB", "INbreast.xlsx: the sheet is empty", lambda: workbook(blanks=300), costly=True),
    sheet("an old spreadsheet of noise", "INbreast.xls: not a spreadsheet that can be read (Cfb error: Invalid sector shift, expecting 0x09 or 0x0C", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(range(256)) * 40, "INbreast.xls"),
    sheet("an old spreadsheet that says it has 4 billion sectors", "INbreast.xls: damaged, or it takes too much memory or time to read. Download it again, or save the sheet as", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + b"\x3e\0\x03\0\xfe\xff\x09\0\x06\0" + bytes(10) + b"\xff" * 20 + bytes(2000), "INbreast.xls", True),
]  # fmt: skip
