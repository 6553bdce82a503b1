"""`dicom-objects` and `dicom-readings`: the model's answers, and the readings of a stored exam, as standard objects."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, add_model_arguments, chosen_model, print_problems
from .exams import add_answer_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydicom.dataset import Dataset


def _add_out_argument(parser: ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="the folder to write")


def _add_objects_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", type=Path, help="DICOM files of one exam, a folder, a zip or a DICOMDIR")
    _add_out_argument(parser)
    parser.add_argument("--maps", action="store_true", help="also write each map as a picture (Secondary Capture)")
    add_answer_argument(parser)
    add_model_arguments(parser)


def _objects(options: Namespace) -> int:
    from datetime import datetime

    from ..dicom_objects.answers import answer_objects
    from ..dicom_objects.sources import opened_exam
    from ..imaging.load import default_decoder
    from ..inference.output import unanswered

    _check_out(options.out)
    with opened_exam(options.path, default_decoder(), answers=options.answers) as (exam, sources):
        print_problems(*(f"{item.file}: {item.reason}" for item in (*exam.set_aside, *unanswered(exam))))
        told = [mark for mark in exam.marks if mark not in exam.questions]
        print_problems(*(f"{mark.file}: {mark.text}" if mark.file else mark.text for mark in told))
        predictor = chosen_model(options)
        prediction = predictor.predict(exam)
        written = answer_objects(predictor, prediction, sources, datetime.now().replace(microsecond=0), options.maps)
    _write(written, options.out)
    return 0


def _add_readings_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exam", help="the name of an exam in the worklist")
    _add_out_argument(parser)
    parser.add_argument(
        "--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your user data folder)"
    )


def _readings(options: Namespace) -> int:
    from ..dicom_objects.stored_readings import reading_objects
    from ..exchange.importing import exam_named
    from ..imaging.load import default_decoder
    from ..store.data_folder import choose_data_folder
    from ..store.store import Store

    _check_out(options.out)
    store = Store(choose_data_folder(options.data)[0])
    print_problems(*store.file.notices)
    written, problems = reading_objects(store, exam_named(store, options.exam).id, default_decoder())
    print_problems(*problems)
    _write(written, options.out)
    return 0 if written else 2


def _check_out(out: Path) -> None:
    """Raise ValueError before the work begins where the objects could not be written."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out: {out.name} is a file. Name a folder.")


def _write(objects: Mapping[str, Dataset], out: Path) -> None:
    """Write each object whole or not at all, and print its name."""
    from ..atomic_file import replace_file

    if objects:
        out.mkdir(parents=True, exist_ok=True)
    for name, ds in objects.items():
        with replace_file(out / name) as file:
            ds.save_as(file, enforce_file_format=True)
        print(f"{name}: {ds.SeriesDescription}")
    print(f"{len(objects)} DICOM objects, for research use only, not for diagnosis")


DICOM_OBJECTS = Command(
    "dicom-objects",
    "write the model's answers for an exam as DICOM objects: CAD SR, SR, marks and maps",
    _add_objects_arguments,
    _objects,
)
DICOM_READINGS = Command(
    "dicom-readings",
    "write the final readings of a stored exam as DICOM objects: SR and marks",
    _add_readings_arguments,
    _readings,
)
