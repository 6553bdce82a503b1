"""`read` and `predict`: what the files of an exam are, and what the model answers for it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..inference.map_methods import DEFAULT_METHOD, METHODS, SCALE_NOTE
from .command import Command, add_model_arguments, chosen_model, print_problems

if TYPE_CHECKING:
    from ..imaging.exam_changes import Answer

_SLOW = [method.name for method in METHODS.values() if method.slow]


def add_answer_argument(parser: ArgumentParser) -> None:
    """Add --answer, which may be given more than once: `options.answers`."""
    parser.add_argument(
        "--answer",
        dest="answers",
        action="append",
        type=_answer,
        default=[],
        metavar="FILE:KEY=VALUE",
        help="answer a question about a file, such as R1.dcm:view=R_CC; a view with an open question is not scored",
    )


def _answer(text: str) -> Answer:
    from ..imaging.exam_changes import Answer

    try:
        return Answer.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _add_exam_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", type=Path, help="files, a folder, a zip or a DICOMDIR")
    parser.add_argument(
        "--one-exam", action="store_true", help="join files of different patient IDs as one exam of one woman"
    )
    add_answer_argument(parser)


def _add_read_arguments(parser: ArgumentParser) -> None:
    _add_exam_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the exam's record as JSON instead of a table")


def _read(options: Namespace) -> int:
    from ..imaging.load import load_exam
    from ..inference.output import exam_record, exam_table

    exam = load_exam(options.path, one_exam=options.one_exam, answers=options.answers)
    record = exam_record(exam)
    print(json.dumps(record, indent=1) if options.json else exam_table(record))
    return 0 if exam.views else 2


def _add_predict_arguments(parser: ArgumentParser) -> None:
    _add_exam_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the answers to this file")
    parser.add_argument("--maps", type=Path, metavar="DIR", help="write a map for each view and task")
    parser.add_argument(
        "--method",
        choices=METHODS,
        help=f"how the maps are computed (default: {DEFAULT_METHOD}); {' and '.join(_SLOW)} take seconds for each map",
    )
    parser.add_argument(
        "--prompts", type=Path, metavar="FILE", help='sentences, one a line; "positive | negative" is a pair'
    )
    add_model_arguments(parser)
    parser.add_argument("--score-for-processing", action="store_true", help="also score FOR PROCESSING images")


def _predict(options: Namespace) -> int:
    from ..imaging.load import load_exam
    from ..inference.explain import write_maps
    from ..inference.output import maps_record, prediction_record, unanswered
    from ..messages import read_text

    prompts = []
    if options.prompts:
        prompts = [line.strip() for line in read_text(options.prompts).splitlines() if line.strip()]
    _check_outputs(options)
    exam = load_exam(options.path, one_exam=options.one_exam, answers=options.answers)
    print_problems(*(f"{item.file}: {item.reason}" for item in (*exam.set_aside, *unanswered(exam))))
    told = [mark for mark in exam.marks if mark not in exam.questions]
    print_problems(*(f"{mark.file}: {mark.text}" if mark.file else mark.text for mark in told))
    predictor = chosen_model(options)
    prediction = predictor.predict(exam, prompts, options.score_for_processing)
    print(prediction)
    method = options.method or DEFAULT_METHOD
    if options.json:
        maps = {"maps": maps_record(prediction, method)} if options.maps else {}
        record = prediction_record(prediction) | maps
        options.json.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if options.maps:
        write_maps(predictor, prediction, options.maps, method, _print_progress if METHODS[method].slow else _silent)
        print(f"maps: {METHODS[method].shows} {SCALE_NOTE}")
    return 0


def _print_progress(share: float) -> None:
    """Say on the terminal how much of the maps is done, on one line."""
    if sys.stderr.isatty():
        print(f"\rmaps: {share:4.0%}", end="\n" if share >= 1 else "", file=sys.stderr, flush=True)


def _silent(share: float) -> None:
    """Say nothing of the maps' progress."""


def _check_outputs(options: Namespace) -> None:
    """Raise ValueError before the work begins where the answers or the maps could not be written."""
    if options.json and not options.json.absolute().parent.is_dir():
        folder = options.json.absolute().parent.name
        raise ValueError(f"--json: the folder “{folder}” is not there. Make it, or choose another one.")
    if options.method and not options.maps:
        raise ValueError("--method is for maps. Give --maps DIR too.")
    if options.maps and options.maps.exists() and not options.maps.is_dir():
        raise ValueError(f"--maps: {options.maps.name} is a file. Name a folder.")


READ = Command("read", "list what was found in files: the views, and what is not used", _add_read_arguments, _read)
PREDICT = Command("predict", "read an exam and answer every task", _add_predict_arguments, _predict)
