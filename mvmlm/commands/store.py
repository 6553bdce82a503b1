"""Commands that work on the store: `keep`, `join`, `separate`, `labels`, `export` and `finetune`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, add_model_arguments, chosen_model, print_problems
from .exams import add_answer_argument

if TYPE_CHECKING:
    from ..store.store import Store


def _add_store_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your user data folder)"
    )
    parser.add_argument("--reader", required=True, help="who does this, for the history")


def _open_store(options: Namespace) -> Store:
    from ..store.data_folder import choose_data_folder
    from ..store.readers import clean_reader
    from ..store.store import Store

    options.reader = clean_reader(options.reader)
    store = Store(choose_data_folder(options.data)[0])
    print_problems(*store.file.notices)
    return store


def _add_keep_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", type=Path, help="files, folders or zips of any number of exams")
    parser.add_argument(
        "--copy",
        action="store_true",
        help="copy the images into the data folder, without names (default: they stay where they are)",
    )
    parser.add_argument(
        "--named", action="store_true", help="the files' patient IDs are pseudonyms: show them as the exams' names"
    )
    parser.add_argument(
        "--dates",
        choices=["keep", "shift", "remove"],
        help="what happens to the dates in copies (default: MVMLM_DATES, else keep)",
    )
    add_answer_argument(parser)
    _add_store_arguments(parser)


def _keep(options: Namespace) -> int:
    from ..imaging.deidentification import Dates
    from ..imaging.load import default_decoder
    from ..store.archive import import_exams

    store, decoder = _open_store(options), default_decoder()
    dates = Dates(options.dates) if options.dates else None
    imported = import_exams(
        store, options.path, decoder, options.reader, options.copy, options.named, dates, options.answers
    )
    outcomes = list(imported)
    print_problems(*(f"{outcome.title}: {outcome.reason}" for outcome in outcomes if outcome.number is None))
    print_problems(*dict.fromkeys(outcome.note for outcome in outcomes if outcome.note))
    stored = sum(outcome.number is not None for outcome in outcomes)
    print(f"{stored} exams are in the store")
    return 0 if stored else 2


def _add_join_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exam", help="the name of an exam in the worklist")
    parser.add_argument("other", help="the name of another exam")
    _add_store_arguments(parser)


def _join(options: Namespace) -> int:
    from ..exchange.importing import exam_named

    store = _open_store(options)
    exam, other = exam_named(store, options.exam), exam_named(store, options.other)
    store.patients.join(exam.id, other.id, options.reader)
    print(f"{exam.name} and {other.name} are one woman's: {store.exams.get(exam.id).patient}")
    return 0


def _add_separate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("exam", help="the name of an exam in the worklist")
    _add_store_arguments(parser)


def _separate(options: Namespace) -> int:
    from ..exchange.importing import exam_named

    store = _open_store(options)
    exam = exam_named(store, options.exam)
    store.patients.separate(exam.id, options.reader)
    print(f"{exam.name} is a woman's of its own: {store.exams.get(exam.id).patient}")
    return 0


def _add_labels_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=Path, help="a table, a readings.csv of this program, or COCO JSON")
    _add_store_arguments(parser)


def _labels(options: Namespace) -> int:
    from ..exchange import read_any

    imported = read_any(_open_store(options), options.path, options.reader, by_file_id=True)
    print_problems(*imported.problems)
    print(f"{imported.readings} readings imported")
    return 0 if imported.readings else 2


def _add_export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where readings.csv, marks.json and the table with its images go")
    parser.add_argument(
        "--fhir",
        action="store_true",
        help="also write each signed reading as a FHIR R4B bundle into readings.fhir.ndjson (needs the extra fhir)",
    )
    _add_store_arguments(parser)


def _export(options: Namespace) -> int:
    from ..exchange.coco import write_coco
    from ..exchange.label_table import write_table
    from ..exchange.readings_csv import write_readings

    if options.fhir:
        from ..exchange.fhir import write_fhir  # before anything is written: its packages may be missing
    store = _open_store(options)
    exams = write_table(store, options.folder)
    write_readings(store, options.folder / "readings.csv")
    write_coco(store, options.folder / "marks.json")
    if options.fhir:
        print(
            f"{write_fhir(store, options.folder / 'readings.fhir.ndjson')} signed readings are in readings.fhir.ndjson"
        )
    print(f"{exams} exams with labels are in the table")
    return 0 if exams else 2


def _add_finetune_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task", help="the task to answer, such as mass")
    parser.add_argument("--depth", default="linear", choices=["linear", "mlp", "stage"], help="what is trained")
    parser.add_argument(
        "--of",
        metavar="READER",
        help="train on this reader's readings (default: the consensus, else the newest signed reading)",
    )
    parser.add_argument("--seed", type=int, default=1)
    add_model_arguments(parser)
    parser.add_argument("--activate", action="store_true", help="let the new head answer from now on")
    _add_store_arguments(parser)


def _finetune(options: Namespace) -> int:
    from ..finetuning.config import FinetuneConfig
    from ..finetuning.finetune import finetune_from_store
    from ..finetuning.head import with_active_heads
    from ..imaging.load import default_decoder

    def print_progress(share: float, message: str) -> bool:
        print(message, file=sys.stderr)
        return False  # do not stop

    store = _open_store(options)
    predictor = with_active_heads(chosen_model(options, store.folder), store)
    config = FinetuneConfig(options.task, options.depth, options.of, seed=options.seed)
    head = finetune_from_store(store, predictor, default_decoder(), config, options.reader, print_progress)
    comparison = head.record["comparison"]
    for which in ("new", "old", "difference"):
        if comparison.get(which) and comparison[which][0] is not None:
            value, low, high = comparison[which]
            interval = f" ({low:.3f} to {high:.3f})" if low is not None else ""
            print(f"{which:10} {comparison['metric']} {value:.3f}{interval}")
    cases = f"{comparison['cases']} test cases of {comparison['patients']} patients"
    print(f"“{head.name}”, {cases}: {comparison['verdict']}")
    print_problems(*comparison["warnings"])
    if options.activate:
        store.heads.activate(head.id, head.task, head.weights, options.reader)
    return 0


KEEP = Command("keep", "add exams to the store, to be read and to fine-tune on", _add_keep_arguments, _keep)
JOIN = Command("join", "say that two exams of the store are one woman's", _add_join_arguments, _join)
SEPARATE = Command(
    "separate", "say that an exam of the store is another woman's than those it is joined with",
    _add_separate_arguments, _separate,
)  # fmt: skip
LABELS = Command("labels", "import readings or marks into the store", _add_labels_arguments, _labels)
EXPORT = Command("export", "write the readings, marks and labels of the store", _add_export_arguments, _export)
FINETUNE = Command(
    "finetune",
    "fine-tune a head on the signed readings of the store, and compare it",
    _add_finetune_arguments,
    _finetune,
)
