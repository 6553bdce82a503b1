"""A column or table that is not there: a required one is refused by its name, and of any other it is said what is lost."""

import csv
import io
import json
from collections import Counter

import pytest

from mvmlm.__main__ import main
from mvmlm.datasets.case import Case, DatasetError, SkippedRow
from mvmlm.datasets.check import check_text, summary_lines
from mvmlm.datasets.check_counts import check_tables
from mvmlm.datasets.registry import ADAPTERS, lacking, read_dataset
from mvmlm.datasets.table import KNOWN_COLUMNS
from tests import test_datasets_embed
from tests.dataset_tables import put
from tests.test_datasets import FIXTURES

#: columns that tell who, when and where, that no adapter reads
NEVER_READ = {
    "vindr": {"series_id", "height", "width"}, "cbis": {"cropped image file path", "ROI mask file path"},
    "rsna": {"site_id", "machine_id"}, "rsna-640": {"site", "machine", "was_inverted"}, "cmmd": {"Age", "number"},
    "csaw-cc": {"x_age", "x_type", "x_lymphnode_met", "rad_r1", "rad_r2", "rad_recall", "rad_recall_type_right",
                "rad_recall_type_left", "libra_breastarea", "libra_densearea", "libra_percentdensity"},
    "inbreast": {"Patient ID", "Patient age", "Pectoral Muscle Annotation"}, "mammosightr": {"birads_label"},
    "cbis-mass-800": {"outline", "lesion_match", "view_pathology", "orig_width", "orig_height", "aspect_source", "box_note",
                      "view_note"},
    "cdd-cesm": set(), "embed": set(), "table": set(),
}  # fmt: skip


def fixture(name, root):
    """The fixture of a data set, with every column that is read."""
    FIXTURES[name](root)
    if name == "embed":
        given = dict.fromkeys(test_datasets_embed.COLUMNS, "1")
        given |= {
            "empi_anon": "11",
            "acc_anon": "501",
            "side": "L",
            "bside": "L",
            "massshape": "X",
            "path_severity": "0",
        }
        put(root, "EMBED_OpenData_clinical.csv", ",".join(given) + "\n" + ",".join(given.values()) + "\n")
        put(root, "EMBED_OpenData_metadata.csv", test_datasets_embed.IMAGES)
    if name == "inbreast":
        put(
            root,
            "AllXML/3.xml",
            "<plist><dict><key>Images</key><array><dict><key>ROIs</key><array/></dict></array></dict></plist>",
        )
    if name == "cbis":
        for table in ("mass_case_description_test_set.csv", "calc_case_description_train_set.csv"):
            other = table.replace("test", "x").replace("train", "test").replace("x", "train")
            put(root, table, (root / other).read_text(encoding="utf-8").splitlines()[0] + "\n")
    if name == "table":
        header = (root / "exams.csv").read_text(encoding="utf-8").splitlines()[0]
        rest = (root / "exams.csv").read_text(encoding="utf-8").splitlines(keepends=True)[1:]
        others = sorted(KNOWN_COLUMNS - set(header.split(",")))
        put(root, "exams.csv", ",".join([header, *others]) + "\n" + "".join(rest))
    if name == "vindr":
        rows = csv.DictReader(io.StringIO((root / "finding_annotations.csv").read_text(encoding="utf-8")))
        names = ["study_id", "image_id", "laterality", "view_position", "breast_birads", "breast_density", "split"]
        lines = {",".join(row[name] for name in names) for row in rows}
        put(root, "breast-level_annotations.csv", ",".join(names) + "\n" + "\n".join(sorted(lines)) + "\n")


def tables(name, root):
    found = [*root.glob("*.csv"), *root.glob("metadata*.json")]
    return sorted(path for path in found if path.name != "cdd_cesm_outlines.json")


def columns(path):
    if path.suffix == ".json":
        return list(json.loads(path.read_text(encoding="utf-8"))[0])
    header = path.read_text(encoding="utf-8").splitlines()[0]
    return [column.strip() for column in next(csv.reader([header], delimiter=";" if ";" in header else ","))]


def renamed(path, column):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        path.write_text(text.replace(f'"{column}":', '"a_new_name":'), encoding="utf-8")
        return text
    header, rows = text.split("\n", 1)
    separator = ";" if ";" in header else ","
    cells = [cell.strip() for cell in next(csv.reader([header], delimiter=separator))]
    cells = ["a_new_name" if cell == column else cell for cell in cells]
    path.write_text(separator.join(cells) + "\n" + rows, encoding="utf-8")
    return text


def content(name, root):
    return [repr(item) for item in read_dataset(name, root)]


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_column_that_is_renamed_is_refused_or_told(name, tmp_path):
    fixture(name, tmp_path)
    assert lacking(name, tmp_path) == []
    read, silent = content(name, tmp_path), set()
    for path in tables(name, tmp_path):
        for column in columns(path):
            text = renamed(path, column)
            try:
                found = content(name, tmp_path)
                told = any(f"'{column.replace('breast_', 'breast ')}'" in said for said in lacking(name, tmp_path))
                if not told:
                    silent.add(column)
                    assert found == read, f"{path.name}: {column} changes what is read and nobody says so"
            except DatasetError as error:
                assert column in str(error) and "found" in str(error)
            path.write_text(text, encoding="utf-8")
    assert silent == NEVER_READ[name]


@pytest.mark.parametrize("name, file, words", [
    ("vindr", "breast-level_annotations.csv", "not compared"), ("cdd-cesm", "cdd_cesm_outlines.json", "no finding has a box"),
    ("cbis", "calc_case_description_train_set.csv", "its abnormalities are not known"),
])  # fmt: skip
def test_a_table_that_is_not_there_is_told(name, file, words, tmp_path):
    fixture(name, tmp_path)
    (tmp_path / file).unlink()
    (said,) = lacking(name, tmp_path)
    assert said.startswith(f"{file} is not there: ") and words in said


def test_a_name_much_like_that_of_a_missing_column_is_told(tmp_path):
    fixture("rsna", tmp_path)
    renamed_table = (tmp_path / "train.csv").read_text(encoding="utf-8").replace("implant,", "implants,")
    put(tmp_path, "train.csv", renamed_table)
    assert lacking("rsna", tmp_path) == ["train.csv: no column 'implant' (found 'implants'): not counted"]


def embed_rows(root):
    put(root, "EMBED_OpenData_clinical.csv",
        "empi_anon,acc_anon,side,tissueden,asses,massshape,massmargin,calcfind,calcdistri,path_severity\n"
        "11,501,L,3.0,S,X,S,,,\n11,501,R,3.0,N,,,,,\n12,502,B,2.0,N,,,,,\n13,503,L,2.0,N,,,,,\n13,503,R,2.0,N,,,,,\n")  # fmt: skip
    put(root, "EMBED_OpenData_metadata.csv",
        "empi_anon,acc_anon,anon_dicom_path,ImageLateralityFinal,ViewPosition,FinalImageType,spot_mag\n"
        "11,501,a.dcm,L,CC,2D,\n11,501,b.dcm,L,CC,cview,\n11,501,c.dcm,L,CC,,\n12,502,d.dcm,R,CC,cview,\n"
        "12,502,e.dcm,R,CC,2D,1\n14,504,f.dcm,L,CC,2D,\n14,504,g.dcm,R,CC,2D,\n99,505,h.dcm,R,CC,cview,\n")  # fmt: skip


def test_every_row_of_embed_is_used_or_counted_with_its_reason(tmp_path):
    embed_rows(tmp_path)
    found = list(read_dataset("embed", tmp_path))
    unused = Counter()
    for item in found:
        unused.update(item.unused_rows)
    no_picture = "no full-field 2-D image in the metadata table"
    assert unused == {
        "metadata rows of other than 2-D pictures (FinalImageType CVIEW)": 2,
        "metadata rows of other than 2-D pictures (FinalImageType empty)": 1,
        f"clinical rows: {no_picture}": 3, f"metadata rows: {no_picture}": 1,
        "metadata rows: no row in the clinical table": 3,
    }  # fmt: skip
    used = sum(len(item.images) for item in found if isinstance(item, Case))
    assert used + sum(number for why, number in unused.items() if why.startswith("metadata")) == 8
    assert {item.name for item in found if isinstance(item, SkippedRow)} == {"502", "503", "504", "505"}
    text = check_text(check_tables("embed", tmp_path, found))
    assert (
        "rows of the tables used for nothing: 10" in text
        and "  3 × metadata rows: no row in the clinical table" in text
    )


def test_the_check_and_the_summary_of_a_training_use_the_same_words(tmp_path):
    FIXTURES["rsna"](tmp_path)
    table = (tmp_path / "train.csv").read_text(encoding="utf-8")
    put(tmp_path, "train.csv", table.replace(",A,", ",Q,").replace("implant,", "implanted,"))
    check = check_tables("rsna", tmp_path, read_dataset("rsna", tmp_path))
    lines = summary_lines(check, tmp_path)
    assert "words not understood: 2 (2 × density: Q)" in lines
    assert (
        "columns and files that are not there: 1 (train.csv: no column 'implant' (found 'implanted'): not counted)"
        in lines
    )
    assert any(line.startswith("breasts with nothing to report, of 4: 4 (") for line in lines)
    assert any(line.startswith("contradictions, the value is left unknown: ") for line in lines)
    assert lines[-1] == f"To see all of it: mvmlm datasets rsna --root {tmp_path} --check" and len(lines) < 9
    text = check_text(check)
    assert all(line.split(" (")[0] in text for line in lines if not line.startswith(("breasts", "To see")))


def test_pretrain_says_what_of_the_tables_it_does_not_use_before_it_decodes(tmp_path, capsys):
    put(tmp_path, "exams.csv", "exam,patient,file,laterality,view,mass,note\ne,p,a.png,R,CC,maybe,hm\n")
    work = ["--work", str(tmp_path / "w"), "--out", str(tmp_path / "o.safetensors"), "--start", "random"]
    assert main(["pretrain", "table", "--root", str(tmp_path), *work]) == 2
    told, problems = capsys.readouterr()
    assert "words not understood: 1 (1 × mass: maybe)" in told and "--check" in told
    assert "missing file" in problems and "words not understood" not in problems
