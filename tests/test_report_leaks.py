"""No report of any data set tells an outcome, a split, whose exam it is, an age, a device or a date of its tables."""

import csv
import json
import random
import re
from dataclasses import replace
from functools import cache
from pathlib import PurePosixPath

import pytest

from mvmlm.datasets.case import SPLITS, Case
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.datasets.spreadsheet import read_sheet
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.lexicon import ASSESSMENT_WORDS, LEXICON
from mvmlm.report.writer import in_key_words, in_prose, write_exam_report
from tests.dataset_tables import inbreast_files, put, real_tables
from tests.random_findings import random_findings
from tests.test_datasets import FIXTURES

#: columns whose words may be told; the words of every other column may not
TOLD = {
    "vindr": ("breast_birads", "breast_density", "finding_categories", "finding_birads"),
    "rsna": ("density",), "rsna-640": ("density",), "csaw-cc": (), "cmmd": ("abnormality",),
    "cbis": ("breast_density", "breast density", "abnormality type", "mass shape", "mass margins", "calc type",
             "calc distribution", "assessment", "subtlety"),
    "cbis-mass-800": ("density", "birads", "abnormality", "mass_shape", "mass_margin", "calc_type", "calc_distribution",
                      "subtlety", "alternatives"),
    "embed": ("tissueden", "asses", "massshape", "massmargin", "massdens", "calcfind", "calcdistri", "otherfind", "size",
              "location", "depth"),
    "mammosightr": ("birads", "birads_label", "breast_composition", "findings_locations", "patient_birads"),
    "inbreast": ("ACR", "Bi-Rads", "Mass", "Micros", "Distortion", "Asymmetry", "Findings Notes (in Portuguese)",
                 "Lesion Annotation Status"),
    "cdd-cesm": ("density", "birads", "findings", "Breast density (ACR)", "BIRADS", "Findings"),
    "table": ("density", "birads", "mass", "calcification", "mass_shape", "mass_size_mm"),
}  # fmt: skip
OUTCOMES = (
    "malignan", "benign", "biops", "cancer", "carcinoma", "dcis", "invasive", "pathology", "histolog", "proven",
    "luminal", "tumor", "tumour", "metasta", "callback", "excision", "surg",
)  # fmt: skip
#: numbers that a report may hold: assessments, sizes and clock positions
NUMBERS = re.compile(r"bi-rads (?:category )?\d[abc]?\b|\b([\d.]+)(?: mm\b| o'clock)")


@cache
def vocabulary():
    """The words of reports that no outcome has; a cell of a table with one of them alone tells nothing."""
    words = set()
    for rng in map(random.Random, range(600)):
        findings = random_findings(rng)
        words |= {word for form in (in_prose, in_key_words) for word in tokens(form(findings, rng, Laterality.LEFT))}
    words |= {"right"}
    return frozenset(word for word in words if not has_outcome(word) and not re.search(r"\d", word))


def tokens(text):
    return re.findall(r"[\w./-]*\w", text.lower())


def has_outcome(text):
    return any(stem in text for stem in OUTCOMES)


def tables_in(root):
    """The rows of every table below a folder as text."""
    rows = []
    for path in sorted(root.rglob("*")):
        if path.suffix == ".csv":
            text = path.read_text(encoding="utf-8-sig")
            rows += csv.DictReader(text.splitlines(), delimiter=";" if ";" in text.split("\n")[0] else ",")
        elif path.suffix in (".xls", ".xlsx"):
            rows += read_sheet(path, (), "all" if path.name.startswith("Radiology") else None)
        elif path.name.startswith("metadata"):
            rows += json.loads(path.read_text(encoding="utf-8"))
    return [{str(column).strip(): str(cell).strip() for column, cell in row.items()} for row in rows]


class Secrets:
    """What no report of a data set may hold: the words of its other columns, and of each woman her numbers."""

    def __init__(self, name, root):
        self.words = set(SPLITS)
        self.rows = {}
        for row in tables_in(root):
            kept = {column: cell.lower() for column, cell in row.items() if column not in TOLD[name]}
            told = {number for column in TOLD[name] for number in re.findall(r"\d+", row.get(column, ""))}
            self.words |= {part for cell in kept.values() for part in (cell, *PurePosixPath(cell).parts)}
            numbers = {cell.removesuffix(".0") for cell in kept.values() if re.fullmatch(r"\d+(\.0)?", cell)} - told
            for cell in kept.values():
                self.rows.setdefault(cell, set()).update(number for number in numbers if len(number) > 1)
        self.words -= {*vocabulary(), "benign"}  # which is looked for where no category says it
        self.words = {word for word in self.words if len(word) > 2 and not re.fullmatch(r"[\d.]+", word)}

    def numbers_of(self, case):
        """The numbers of a woman's rows that are no findings, such as her age."""
        return self.rows.get(case.patient.lower(), set()) | self.rows.get(case.exam.lower(), set())

    def in_report(self, report, breasts, case):
        """What a report holds of them. breasts: the findings that it tells."""
        low = report.lower()
        leaks = [word for word in tokens(low) if word in self.words]
        names = {case.patient.lower(), case.exam.lower(), *(PurePosixPath(i.path.lower()).stem for i in case.images)}
        names -= {*vocabulary(), "benign"}
        leaks += [name for name in names if len(name) > 2 and re.search(rf"\b{re.escape(name)}\b", low)]
        leaks += [number for number in NUMBERS.findall(low) if number in self.numbers_of(case)]
        leaks += re.findall(r"\d+", NUMBERS.sub("", low))
        for phrase in sorted({phrase for findings in breasts for phrase in assessments(findings)}, key=len)[::-1]:
            low = low.replace(phrase, "")
        return leaks + [stem for stem in OUTCOMES if stem in low]


def assessments(findings):
    """The phrases of the findings' own fields that hold a word of outcomes, as the BI-RADS atlas has them."""
    found = (*findings.present, *findings.possible)
    categories = {findings.birads, *(finding.birads for finding in found)} - {None}
    phrases = [p for category in categories for p in (*LEXICON["birads"][category], *ASSESSMENT_WORDS[category])]
    typical = any("typically benign" in finding.described("morphology") for finding in found)
    return [phrase for phrase in phrases if has_outcome(phrase)] + ["typically benign"] * typical


def reports_of(case, rng):
    """Every form of report of a case, each with the findings that it tells."""
    told = [(side, findings) for side in Laterality if (findings := getattr(case.findings, side.word))]
    yield write_exam_report(case.findings, rng), [findings for _, findings in told]
    for side, findings in told:
        for form in (in_prose, in_key_words):
            yield form(findings, rng, side), [findings]


def leaks_in(name, root, most=400):
    """What the reports of a data set leak; of `most` exams by chance where it has more."""
    secrets, rng = Secrets(name, root), random.Random(0)
    cases = [case for case in read_dataset(name, root) if isinstance(case, Case)]
    assert cases, f"{name} has no exam"
    for case in rng.sample(cases, min(most, len(cases))):
        for report, breasts in reports_of(case, rng):
            for leak in secrets.in_report(report, breasts, case):
                yield leak, report


def test_every_data_set_says_which_columns_may_be_told():
    assert set(TOLD) == set(ADAPTERS) == set(FIXTURES)


@pytest.mark.parametrize("name", FIXTURES)
def test_no_report_of_a_data_set_leaks(name, tmp_path):
    FIXTURES[name](tmp_path)
    for _ in range(10):
        assert not list(leaks_in(name, tmp_path))


@pytest.mark.parametrize("name", ["vindr", "rsna", "cbis", "cmmd", "inbreast", "cdd-cesm"])
def test_no_report_of_a_published_table_leaks(name, tmp_path):
    folder = real_tables(name)
    if name in ("cmmd", "inbreast"):  # files that are not there are no exams
        for table in folder.iterdir():
            (tmp_path / table.name).write_bytes(table.read_bytes())
        folder = tmp_path
    if name == "cmmd":
        for row in tables_in(folder):
            put(folder, f"CMMD/{row['ID1']}/1-1.dcm", "")
    if name == "inbreast":
        rows = [row for row in read_sheet(folder / "INbreast.xls", ()) if row["File Name"]]
        inbreast_files(folder, [f"{row['File Name']}_{n}_MG_{row['Laterality']}" for n, row in enumerate(rows)])
    assert not list(leaks_in(name, folder))


@pytest.mark.parametrize("name", ["rsna-640", "cmmd", "cbis", "csaw-cc", "vindr", "cdd-cesm", "mammosightr"])
def test_words_of_a_table_that_are_planted_in_a_report_are_found(name, tmp_path):
    """The test above would fail if a report held an id, a file name, an age, an outcome or a split."""
    FIXTURES[name](tmp_path)
    secrets, rng = Secrets(name, tmp_path), random.Random(0)
    case = next(case for case in read_dataset(name, tmp_path) if isinstance(case, Case) and case.images)
    (report, breasts), *_ = reports_of(case, rng)
    assert secrets.in_report(report, breasts, case) == []
    row = next(row for row in tables_in(tmp_path) if case.patient.lower() in {cell.lower() for cell in row.values()}
               or name == "mammosightr")  # fmt: skip
    planted = [
        PurePosixPath(case.images[0].path).stem,
        "age 61",
        "2010-07-18",
        "a known cancer",
        "training",
        "luminal a",
    ]
    outcomes = (
        "pathology",
        "classification",
        "subtype",
        "split",
        "machine",
        "x_type",
        "patient_id",
        "ID1",
        "anon_filename",
    )
    planted += [row[column] for column in outcomes if len(row.get(column, "")) > 2]
    for words in planted:
        text = f"{report} {words}."
        if words not in ("training", "luminal a") or words in {cell.lower() for cell in row.values()}:
            assert secrets.in_report(text, breasts, case), words


def test_an_age_that_becomes_a_size_and_a_pathology_that_becomes_an_assessment_are_found(tmp_path):
    FIXTURES["rsna-640"](tmp_path)
    secrets, rng = Secrets("rsna-640", tmp_path), random.Random(0)
    case = next(case for case in read_dataset("rsna-640", tmp_path) if isinstance(case, Case) and case.patient == "p1")
    aged = replace(case.findings.left, present=(Finding("mass", size_mm=65),))
    assert "65" in secrets.in_report(in_prose(aged, rng), [aged], case)
    assert "benign" in secrets.in_report(in_prose(Findings(birads="2"), rng) + " Benign.", [Findings("B")], case)
