"""What is exported is imported again unchanged, and an import overwrites nothing."""

import csv
import random

import pytest

from mvmlm.datasets.check import summarize_dataset
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.exchange.coco import read_coco, write_coco
from mvmlm.exchange.label_table import read_table, write_table
from mvmlm.exchange.readings_csv import read_readings, write_readings
from mvmlm.imaging.load import load_exam
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.report.findings import Finding
from mvmlm.report.lexicon import KINDS, MASS_MARGINS, MASS_SHAPES
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from tests.test_load import write_four

R, L = Laterality.RIGHT, Laterality.LEFT


def random_reading(rng, shape):
    def mark(view, label):
        kind = rng.choice(["box", "point", "region"])
        number = {"box": 2, "point": 1, "region": rng.randint(3, 9)}[kind]
        return Mark(
            view,
            kind,
            label,
            tuple(
                (round(rng.uniform(0, shape[1] - 1), 2), round(rng.uniform(0, shape[0] - 1), 2)) for _ in range(number)
            ),
        )

    fields = {(side, kind): rng.choice("01") for side in (R, L) for kind in KINDS if rng.random() < 0.5}
    fields |= {(None, "density"): rng.choice("ABCD"), (None, "note"): 'Comma, "quote",\nline; ü'}
    fields |= {(R, "birads"): rng.choice(["0", "3", "4A", "5"]), (None, "cancer"): "1", (None, "risk_years"): "2.5"}
    findings = {}
    for number in rng.sample(range(1, 20), rng.randint(0, 3)):
        label = rng.choice([*KINDS, "other"])
        side = rng.choice([R, L])
        what = (
            Finding("mass", shape=rng.choice(MASS_SHAPES), margin=rng.choice(MASS_MARGINS), size_mm=9)
            if label == "mass"
            else None
        )
        views = [view for view in STANDARD_VIEWS if view.laterality is side]
        findings[number] = MarkedFinding(
            side, label, what, tuple(mark(view, label) for view in rng.sample(views, rng.randint(1, 2)))
        )
        fields.pop((side, label), None)
    return Reading(fields, findings)


@pytest.fixture
def filled(tmp_path, decoder):
    """A store with six exams, whose images stay in place, readings of two readers; and the folder of the images."""
    for n in range(6):
        write_four(tmp_path / "files" / f"case{n}", patient=f"case{n}")
    store, rng = Store(tmp_path / "data"), random.Random(3)
    outcomes = list(import_exams(store, [tmp_path / "files"], decoder, "ann", named=True))
    assert len(outcomes) == 6 and all(outcome.number for outcome in outcomes)
    shape = store.exams.views(1)[0].rows, store.exams.views(1)[0].columns
    for number in store.worklist.numbers():
        for reader, version in (("ann", 1), ("ben", 1), ("ann", 2)):
            reading = store.readings.start(number, reader)
            if version == 2:
                reading = store.readings.amend(reading.id)
            store.readings.save(reading.id, reading.reading, random_reading(rng, shape), rng.uniform(5, 90))
            if reader == "ann":
                with store.file.transaction() as conn:  # also what the page would not sign must travel
                    at = "2026-01-01T00:00:00.000+00:00"
                    conn.execute("UPDATE readings SET signed = ?, final = ? WHERE id = ?", [at, at, reading.id])
    return store, tmp_path


def empty_copy(filled, decoder):
    _, folder = filled
    store = Store(folder / "copy")
    list(import_exams(store, [folder / "files"], decoder, "x", named=True))
    return store


def all_readings(store):
    return [
        (store.exams.get(n).name, k.reader, k.kind, bool(k.amends), k.started, k.seconds, k.signed, k.final, k.informed,
         k.model_shown, k.reading)
        for n in store.worklist.numbers()
        for k in store.readings.of_exam(n)
    ]  # fmt: skip


def test_readings_exported_as_csv_are_imported_unchanged(filled, decoder):
    store, folder = filled
    store.readings.mark_informed(next(read.id for read in store.readings.of_exam(1) if read.final))
    write_readings(store, folder / "readings.csv")
    copy = empty_copy(filled, decoder)
    imported = read_readings(copy, folder / "readings.csv")
    assert imported == (18, ()) and all_readings(copy) == all_readings(store)
    write_readings(copy, folder / "again.csv")
    assert (folder / "again.csv").read_bytes() == (folder / "readings.csv").read_bytes()
    again = read_readings(copy, folder / "readings.csv")
    assert again.readings == 0 and len(again.problems) == 18 and "stays as it is" in again.problems[0]


def test_marks_exported_as_coco_are_imported_unchanged(filled, decoder):
    store, folder = filled
    write_coco(store, folder / "marks.json")
    copy = empty_copy(filled, decoder)
    assert read_coco(copy, folder / "marks.json", "x").problems == ()

    def marks(store):
        return {
            (name, who, r, amended, n): f.marks
            for name, who, r, amended, *_, reading in all_readings(store)
            for n, f in reading.findings.items()
        }

    assert marks(store) and marks(copy) == marks(store)


def test_a_coco_file_of_another_program_becomes_drafts(filled, decoder):
    import json

    _, folder = filled
    copy = empty_copy(filled, decoder)
    data = {
        "images": [{"id": 7, "file_name": "case0/R_CC.dcm"}], "categories": [{"id": 1, "name": "mass"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]}, {"id": 2, "image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1]}],
    }  # fmt: skip
    (folder / "theirs.json").write_text(json.dumps(data), encoding="utf-8")
    imported = read_coco(copy, folder / "theirs.json", "ann")
    assert imported.readings == 1 and "annotation 2" in imported.problems[0]
    (read,) = copy.readings.of_exam(copy.exams.by_name("case0").id)
    assert read.reading.findings[1].marks[0].points == ((9.5, 19.5), (39.5, 59.5)) and read.signed is None


def test_the_exported_table_is_read_by_pretraining(filled):
    store, folder = filled
    assert write_table(store, folder / "table") == 6
    cases = {case.exam: case for case in read_dataset("table", folder / "table")}
    assert "missing files: 0" in summarize_dataset("table", folder / "table")
    for number in store.worklist.numbers():
        exam, first = store.exams.get(number), store.readings.of_exam(number)[-1].reading  # as amended
        case = cases[exam.name]
        assert case.split == exam.split and case.exam_labels["density"] == "ABCD".index(first.answer("density"))
        assert case.risk == (2.5, True)
        for side in (R, L):
            for kind in KINDS:
                answer = first.answer(kind, side)
                assert case.breast_labels[side].get(kind) == (int(answer) if answer else None)


def test_labels_come_from_a_table_by_name_or_by_the_files_own_id(filled, decoder):
    _, folder = filled
    copy = empty_copy(filled, decoder)
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ["exam", "laterality", "mass", "density", "mass_shape", "risk_years", "cancer"],
                ["case0", "R", "1", "C", "oval", "0.0", "1"],
                ["case0", "L", "0", "C", "", "0.0", "1"],
                ["case1", "L", "7"],
                ["nobody", "L", "1"],
            ]
        )
    imported = read_table(copy, folder / "labels.csv", "trainee")
    assert imported.readings == 1 and len(imported.problems) == 2 and "mass='7'" in imported.problems[0]
    (read,) = copy.readings.of_exam(copy.exams.by_name("case0").id)
    assert read.signed and read.reading.answer("mass", R) == "1" and read.reading.answer("density") == "C"
    assert read.reading.findings[1].descriptors.shape == "oval"
    assert read.reading.answer("cancer") is None, "a cancer in the pictures now is no follow-up"
    assert not copy.readings.of_exam(copy.exams.by_name("case1").id), "a refused row must leave nothing behind"


def test_an_exam_copied_without_names_has_the_same_pixels(tmp_path, decoder):
    write_four(tmp_path / "files", patient="Doe^Jane")
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)
    before, after = load_exam(tmp_path / "files"), open_stored_exam(store, outcome.number, decoder)
    for name, view in before.views.items():
        assert (view.pixels == after.views[name].pixels).all() and view.spacing == after.views[name].spacing
    assert "Doe" not in store.exams.get(outcome.number).name
    assert any(b"Doe" in path.read_bytes() for path in (tmp_path / "files").iterdir())
    copies = list(store.folder.rglob("*.dcm"))
    assert len(copies) == 4 and all(b"Doe" not in path.read_bytes() for path in copies)


def test_an_image_that_was_changed_or_removed_is_not_opened(tmp_path, decoder):
    write_four(tmp_path / "files")
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann")
    path = next((tmp_path / "files").glob("*"))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(StoreError, match="not the one that was stored"):
        open_stored_exam(store, outcome.number, decoder)
    path.unlink()
    with pytest.raises(StoreError, match="missing from its folder"):
        open_stored_exam(store, outcome.number, decoder)
