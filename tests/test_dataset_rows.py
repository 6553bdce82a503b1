"""Every row of a data set's tables is part of an exam or is counted with the reason why it is used for nothing."""

import csv
import json

import pytest

from mvmlm.datasets.check import check_text
from mvmlm.datasets.check_counts import check_dataset, check_tables
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.datasets.spreadsheet import read_sheet
from tests.dataset_tables import cmmd, inbreast, put, real_tables
from tests.test_datasets import FIXTURES
from tests.test_lacking_columns import embed_rows

SHEETS = {"Radiology-manual-annotations.xlsx": "all", "INbreast.xls": None}


def rows_of(root):
    """The number of rows with a value in all tables of a folder; a spreadsheet goes before its copy as CSV."""
    number = 0
    for path in sorted(root.iterdir()):
        if path.name in SHEETS:
            number += len(list(read_sheet(path, (), SHEETS[path.name])))
        elif path.suffix == ".csv" and not path.with_suffix(".xls").exists():
            with open(path, newline="", encoding="utf-8-sig") as table:
                header = table.readline()
                rows = list(csv.reader(table, delimiter=";" if ";" in header else ","))
            number += sum(any(cell.strip() for cell in row) for row in rows)
        elif path.name == "metadata_image_level.json":
            number += len(json.loads(path.read_text(encoding="utf-8")))
    return number


def check_sum(name, root):
    check = check_tables(name, root, read_dataset(name, root))
    used = sum(n for (part, row, _), n in check.counts.items() if (part, row) == ("exams", "rows of the tables"))
    assert used + check.unused_rows.total() == rows_of(root) > 0
    return check


@pytest.mark.parametrize("name", ADAPTERS)
def test_every_file_that_the_tables_name_is_in_one_row_of_the_views(name, tmp_path):
    FIXTURES[name](tmp_path)
    check = check_dataset(name, tmp_path)
    assert sum(n for (part, _, _), n in check.counts.items() if part == "views") == check.usable.files > 0


@pytest.mark.parametrize("name", ADAPTERS)
def test_used_and_unused_rows_are_all_rows(name, tmp_path):
    FIXTURES[name](tmp_path)
    check_sum(name, tmp_path)


@pytest.mark.parametrize("name", ["vindr", "rsna", "cbis", "inbreast", "cmmd", "cdd-cesm"])
def test_used_and_unused_rows_are_all_rows_of_the_real_tables(name):
    check_sum(name, real_tables(name))


def test_the_check_prints_how_many_rows_are_used_for_nothing(tmp_path):
    cmmd(tmp_path)
    assert "rows of the tables used for nothing: 1\n  1 × no DICOM file" in check_text(check_sum("cmmd", tmp_path))


def test_rows_of_embed_that_no_exam_uses_add_up(tmp_path):
    embed_rows(tmp_path)
    check_sum("embed", tmp_path)


def test_rows_below_the_table_and_without_a_patient_are_counted(tmp_path):
    inbreast(tmp_path)
    text = (tmp_path / "INbreast.csv").read_text(encoding="utf-8")
    put(tmp_path, "INbreast.csv", text + ";;;;;;28" + ";" * 10 + "\n")
    assert check_sum("inbreast", tmp_path).unused_rows["rows without a File Name, as the sums below the table"] == 1
    FIXTURES["table"](tmp_path / "own")
    own = tmp_path / "own" / "exams.csv"
    put(own.parent, own.name, own.read_text(encoding="utf-8") + ",,a.png,R,CC\n,,b.png,R,CC\n")
    assert check_sum("table", own.parent).unused_rows.total() >= 2
