"""What is fuzzed: how inputs of each target are made, and what may come of them.

A target gets bytes. A value, or an error that its reader documents, is an answer; any other exception is a finding.
"""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz_inputs import (
    ODD_JSON,
    ODD_NUMBERS,
    WORDS,
    Inputs,
    changed,
    dicom_files,
    either,
    filled_store,
    picture_files,
    small_view,
    table,
    write_exam,
)
from hypothesis import strategies as st

Run = Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """prepare: imports what is fuzzed, makes what it needs in a folder, and returns the inputs and what runs one."""

    name: str
    prepare: Callable[[Path], tuple[Inputs, Run]]


def _reader(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.imaging.decode_worker import answer, limit_memory

    limit_memory()  # as the process that opens files does
    path = folder / "R_CC.dcm"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        for request in ("header", "pixels"):
            reply, _ = answer({"request": request, "path": str(path)})
            json.dumps(reply)
            if reply.get("code") == "program-error" or reply.get("unusable") == "":
                raise AssertionError(reply["unusable"])

    return changed([*dicom_files(), *picture_files()]), run


def _zips(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.imaging.unpacking import UnpackingBudget, unzip

    sound = []
    for compression in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", compression) as archive:
            for name in ("a/R_CC.dcm", "L_CC.dcm"):
                archive.writestr(name, b"DICM" * 40)
        sound.append(file.getvalue())

    def run(data: bytes) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as into:
            path = Path(into) / "exam.zip"
            path.write_bytes(data)
            told: list[Any] = []
            found = unzip(path, Path(into) / "out", UnpackingBudget(Path(into) / "out"), told)
            assert all(target.is_file() for _, target in found) and all(item.reason for item in told)

    return changed(sound), run


def _report(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.exam import Laterality
    from mvmlm.reading.typed_report import read_typed_report
    from mvmlm.report.lexicon import FEATURES, KINDS, LEXICON
    from mvmlm.report.parser import parse_report, read_report

    others = (
        "left right breast both no not without possible 12 mm 3 cm o'clock history of BI-RADS 4A addendum: impression: "
    )
    others += "findings: unchanged since upper outer , ; ( ) / - and or 1. 2. new density"
    words = [*KINDS, *FEATURES, *(word for words in LEXICON.values() for word in words), *others.split()]
    parts = st.lists(st.one_of(st.sampled_from(words), WORDS), max_size=40)
    ends = st.lists(st.sampled_from([" ", " ", " ", ". ", ": ", "\n", ", ", ""]), min_size=40, max_size=40)
    texts = st.builds(lambda chosen, behind: "".join(map("".join, zip(chosen, behind, strict=False))), parts, ends)

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "surrogatepass")
        for read in (parse_report, read_report, read_typed_report, lambda t: read_typed_report(t, Laterality.LEFT)):
            try:
                read(text)
            except ValueError:
                pass

    return texts.map(lambda text: text.encode("utf-8", "surrogatepass")), run


def _importer(folder: Path, name: str) -> Run:
    from mvmlm.datasets.case import DatasetError
    from mvmlm.exchange import read_any

    store, path, number = filled_store(folder), folder / name, iter(range(10**9))

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            imported = read_any(store, path, f"r{next(number)}")
        except (DatasetError, ValueError) as error:
            assert str(folder) not in str(error)
        else:
            assert all(problem.strip() for problem in imported.problems)

    return run


def _labels(folder: Path) -> tuple[Inputs, Run]:
    columns = [
        "exam", "laterality", "mass", "mass_shape", "mass_size_mm", "birads", "density", "risk_years", "cancer",
        "outcome_date", "malignant", "place", "note",
    ]  # fmt: skip
    cells = ["case0", "R", "L", "1", "0", "oval", "12", "4A", "C", "5", "2026-05-31", "upper-outer", "text"]
    return table(columns, cells), _importer(folder, "labels.csv")


def _readings(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.exchange.readings_csv import READING_COLUMNS

    mark = {"view": "R_CC", "kind": "box", "label": "mass", "points": [[1, 2], [3, 4]]}
    finding = json.dumps({"laterality": "R", "label": "mass", "what": {"kind": "mass", "size_mm": 9}, "marks": [mark]})
    begun = "2026-01-01T10:00:00+00:00"
    cells = ["case0", "ann", "first", "1", "[]", "2", "5", begun, "0", "R", "finding", "mass", finding]
    row = {
        "exam": "case0", "reader": "ann", "kind": "first", "version": "1", "form_version": "2", "birads_edition": "5",
        "started": begun, "seconds": "5.0", "informed": "0", "side": "R", "field": "finding", "finding": "1",
        "value": finding,
    }  # fmt: skip
    lines = [
        ",".join('"' + each.replace('"', '""') + '"' for each in line)
        for line in (READING_COLUMNS, [row.get(name, "") for name in READING_COLUMNS])
    ]
    whole = "\n".join(lines).encode()
    return st.one_of(table(READING_COLUMNS, cells), changed([whole])), _importer(folder, "readings.csv")


def _coco(folder: Path) -> tuple[Inputs, Run]:
    mark = st.fixed_dictionaries(
        {},
        optional={
            "reader": either("ann"),
            "read": either("first"),
            "version": ODD_JSON,
            "finding": ODD_JSON,
            "kind": either("box", "point", "region"),
            "label": either("mass"),
            "points": st.one_of(st.lists(st.lists(ODD_NUMBERS, min_size=2, max_size=2), max_size=4), ODD_JSON),
        },
    )
    annotation = st.fixed_dictionaries(
        {"image_id": either(7), "category_id": either(1)},
        optional={
            "id": ODD_JSON,
            "mark": st.one_of(mark, ODD_JSON),
            "bbox": st.one_of(st.lists(ODD_NUMBERS, min_size=4, max_size=4), ODD_JSON),
        },
    )
    image = st.fixed_dictionaries(
        {"id": either(7), "file_name": either("case0/R_CC.dcm")},
        optional={"width": ODD_JSON},
    )
    whole = st.fixed_dictionaries(
        {
            "images": st.one_of(st.lists(image, min_size=1, max_size=2), ODD_JSON),
            "categories": either([{"id": 1, "name": "mass"}]),
            "annotations": st.one_of(st.lists(annotation, max_size=3), ODD_JSON),
        }
    )
    files = whole.map(lambda data: json.dumps(data).encode())
    return st.one_of(files, files.flatmap(lambda data: changed([data]))), _importer(folder, "marks.json")


def _datasets(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.datasets.case import DatasetError
    from mvmlm.datasets.check import summarize_dataset
    from mvmlm.evaluation.predictions_csv import read_predictions
    from mvmlm.tasks import TASKS

    columns = [
        "exam", "patient", "file", "laterality", "view", "split", "density", "birads", "mass", "mass_shape",
        "mass_size_mm", "malignant", "risk_years", "cancer", "task", "class", "score", "label", "years", "event",
    ]  # fmt: skip
    cells = [
        "e", "p", "f.dcm", "R", "L", "CC", "MLO", "train", "B", "4A", "1", "0", "oval", "12", "5", "mass", "risk",
        "0.5",
    ]  # fmt: skip

    def run(data: bytes) -> None:
        (folder / "exams.csv").write_bytes(data)
        for read in (lambda: summarize_dataset("table", folder), lambda: read_predictions(folder / "exams.csv", TASKS)):
            try:
                read()
            except DatasetError as error:
                assert str(error)

    return table(columns, cells), run


def _marks_of_others(folder: Path) -> tuple[Inputs, Run]:
    from datetime import datetime

    from mvmlm.dicom_objects.cad_report import Algorithm, CadFinding, CadReport, Performed
    from mvmlm.dicom_objects.cad_sr import cad_sr_object
    from mvmlm.dicom_objects.cad_sr_reading import NotCadSr, read_cad_sr
    from mvmlm.dicom_objects.foreign_reading import LoadedObject, read_objects
    from mvmlm.dicom_objects.measurement_report import reading_object
    from mvmlm.dicom_objects.presentation_state import Drawing, marks_object
    from mvmlm.dicom_objects.sources import opened_exam
    from mvmlm.exam import STANDARD_VIEWS
    from mvmlm.imaging.decoder import Decoder
    from mvmlm.reading.reading import Mark, MarkedFinding, Reading, ReadKind
    from mvmlm.store.records import Read

    model, outline = Algorithm("demo", "1"), ((30.0, 40.0), (50.5, 40.0), (50.5, 60.25))
    found = CadFinding(
        STANDARD_VIEWS[0], "mass", (40.0, 50.0), outline, 0.75, 0.25, model, "Mammography breast density"
    )
    report = CadReport(STANDARD_VIEWS, (found,), (Performed("mass", model, STANDARD_VIEWS),))
    decoder = Decoder(1)
    marks = (Mark(STANDARD_VIEWS[0], "region", "other", outline),)
    marked = MarkedFinding(STANDARD_VIEWS[0].laterality, "other", None, marks)
    day = datetime(2026, 1, 2)
    signed = Read(1, 1, "ann", ReadKind.FIRST, 1, "1", day.isoformat(), 1.0, day.isoformat(), Reading({}, {1: marked}))
    with opened_exam([write_exam(folder)], decoder) as (exam, sources):
        kept, drawing = sources, Drawing(outline, "a mass")
        objects = (
            cad_sr_object(report, sources, model, day),
            marks_object(sources, STANDARD_VIEWS[0], [drawing], None, "ann", day),
            reading_object(signed, sources),
        )
    decoder.close()
    files = [io.BytesIO() for _ in objects]
    for ds, file in zip(objects, files, strict=True):
        ds.save_as(file, enforce_file_format=True)
    path = folder / "cad.dcm"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            read = read_cad_sr(path, kept)
        except NotCadSr as error:
            assert str(folder) not in str(error)
        else:
            assert all(read.told)
        (shown,) = read_objects([LoadedObject("cad.dcm", data)], exam)
        assert all(shown.told) and (shown.for_this_exam or shown.told)

    return changed([file.getvalue() for file in files]), run


def _events(folder: Path) -> tuple[Inputs, Run]:
    from app.gate.event_body import checked_event, parse_bounded
    from app.gate.refusal import Refused
    from app.gate.table import PageEvent
    from app.viewer.marks import parse_marks
    from mvmlm.exam import STANDARD_VIEWS, Exam

    exam = Exam({name: small_view(name) for name in STANDARD_VIEWS})
    events = {0: PageEvent("drawn", 1, frozenset([1]), ())}
    mark = st.fixed_dictionaries(
        {},
        optional={
            "id": either("k"),
            "view": either("R_CC"),
            "label": either("mass"),
            "kind": either("box", "point", "region"),
            "points": st.one_of(st.lists(st.lists(ODD_NUMBERS, min_size=2, max_size=2), max_size=4), ODD_JSON),
        },
    )
    values = st.one_of(
        st.lists(mark, max_size=3), ODD_JSON, st.fixed_dictionaries({"path": ODD_JSON, "meta": ODD_JSON})
    )
    event = st.fixed_dictionaries(
        {
            "fn_index": either(0),
            "trigger_id": either(1),
            "session_hash": either("abcdefghijk"),
            "data": st.one_of(st.lists(values, min_size=1, max_size=1), ODD_JSON),
            "event_data": values,
        }
    )
    bodies = event.map(lambda sent: json.dumps(sent).encode())

    def run(data: bytes) -> None:
        try:
            sent = checked_event(parse_bounded(data), events, str, lambda name: f"/uploads/{len(name)}")
        except Refused:
            return
        for value in (*sent["data"], sent["event_data"]):
            try:
                parse_marks(value, exam)
            except ValueError:
                pass

    return st.one_of(bodies, bodies.flatmap(lambda data: changed([data])), st.binary(max_size=60)), run


def _multipart(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.pacs.multipart import BrokenAnswer, boundary_of, write_part

    sound = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + b"DICM" * 20 + b"\r\n--b--\r\n"
    kinds = [b'multipart/related; type="application/dicom"; boundary=b', b'multipart/related; boundary="b;c"']

    def run(data: bytes) -> None:
        boundary_of(data.decode("latin-1"))
        size = 1 + data[0] % 64 if data else 1
        try:
            write_part(iter([data[at : at + size] for at in range(0, len(data), size)]), b"b", io.BytesIO())
        except BrokenAnswer as error:
            assert str(error)

    return changed([sound, sound + sound, *kinds]), run


def _checkpoints(folder: Path) -> tuple[Inputs, Run]:
    import torch

    from mvmlm.published.checkpoint_file import CheckpointError, open_checkpoint

    sound = []
    for new_format in (True, False):
        file = io.BytesIO()
        state = {"model": {"a": torch.ones(2, 3), "b": torch.arange(4)}, "names": ["x", (1, 2)]}
        torch.save(state, file, _use_new_zipfile_serialization=new_format)
        sound.append(file.getvalue())
    described = zipfile.ZipFile(io.BytesIO(sound[0])).read("archive/data.pkl")
    path = folder / "model.pt"

    def zipped(program: bytes) -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", program)
            archive.writestr("archive/data/0", bytes(24))
        return file.getvalue()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        try:
            checkpoint = open_checkpoint(path)
            for held in (checkpoint.root, checkpoint.root.get("model") if isinstance(checkpoint.root, dict) else None):
                for tensor in checkpoint.tensors(held).values():
                    checkpoint.read(tensor)
        except CheckpointError as error:
            assert str(error).startswith("model.pt: ")

    return st.one_of(changed(sound), changed([described]).map(zipped)), run


def _tasks(folder: Path) -> tuple[Inputs, Run]:
    from mvmlm.custom_tasks import TASKS_FILE, load_or_set_aside

    sound = b"[[task]]\nname = 'lump'\ntitle = 'Lump'\nlevel = 'breast'\nclasses = ['none', 'mild']\n"
    sound += b"ordered = true\n[task.prompts]\nnone = ['a']\nmild = ['b']\n"

    def run(data: bytes) -> None:
        (folder / TASKS_FILE).write_bytes(data)
        tasks, notes = load_or_set_aside(folder)
        assert tasks or notes or not data.strip() or b"task" not in data or data.lstrip().startswith(b"#")
        for path in folder.glob(f"{TASKS_FILE}*"):
            path.unlink()

    return changed([sound]), run


_PREPARED = {
    "reader": _reader,
    "zip": _zips,
    "report": _report,
    "labels": _labels,
    "readings": _readings,
    "coco": _coco,
    "tables": _datasets,
    "marks": _marks_of_others,
    "events": _events,
    "multipart": _multipart,
    "checkpoints": _checkpoints,
    "tasks": _tasks,
}
TARGETS = tuple(Target(name, prepare) for name, prepare in _PREPARED.items())
