"""`evaluate`: how good models are on exams with known truth, or the predictions of a table made anywhere."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from ..datasets.registry import ADAPTERS
from .command import ENGINES, Command, a_path, add_weights_argument, at_least, chosen_model, print_problems

if TYPE_CHECKING:
    from ..evaluation.cases import CaseLevel
    from ..evaluation.evaluation_report import EvaluationReport
    from ..evaluation.truth import AnsweredExam
    from ..inference.model_predictor import ModelPredictor
    from ..protocols.exams import ExamSet, KnownExam
    from ..store.store import Store

LEVELS = ("view", "breast", "exam", "woman")
PROTOCOLS = ("mv-mlm", "mammo-clip", "rsna")
LEARNING = ("mv-mlm", "mammo-clip")  # those that fit heads
STORE = "store"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "data", type=a_path, nargs="?", metavar="DATA",
        help="a predictions table (.csv), a folder made by `phantom`, or with --dataset the data set's folder "
        "(default: new phantoms)",
    )  # fmt: skip
    parser.add_argument(
        "--dataset", choices=(*ADAPTERS, STORE), metavar="NAME",
        help=f"DATA is a public data set, or table for your own ({', '.join(ADAPTERS)}); or {STORE}: the signed "
        "readings of the store, DATA its folder",
    )  # fmt: skip
    parser.add_argument("--words", default="", help="with --dataset store: only exams that these words find")
    parser.add_argument("--n", type=at_least(1), default=200, help="number of new phantom exams (default 200)")
    parser.add_argument("--seed", type=at_least(0), default=100, help="their seed (default 100; training used 1 and 2)")
    add_weights_argument(parser, several=True)
    parser.add_argument("--engine", choices=ENGINES, help="as for `predict`")
    parser.add_argument(
        "--level", choices=LEVELS, help="what is counted (default: breast, or what the protocol counts)"
    )
    parser.add_argument(
        "--protocol", choices=PROTOCOLS,
        help="a published protocol: its tasks and level, and heads that are fitted to shares of the train split",
    )  # fmt: skip
    parser.add_argument(
        "--maps", type=at_least(0), default=0, metavar="N",
        help="measure the maps of so many exams with a known box (default 0; seconds to minutes for each exam)",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=a_path, metavar="DIR",
        help="write the whole report as HTML, Markdown and JSON, and the predictions as a table; the same command goes "
        "on where it was ended",
    )  # fmt: skip
    parser.add_argument("--restart", action="store_true", help="begin anew what another evaluation has begun in DIR")


def _evaluate(options: Namespace) -> int:
    if options.data is not None and options.data.suffix.lower() == ".csv" and not options.dataset:
        return _evaluate_table(options)
    if options.out is None:
        return _print_metrics(options)
    from ..protocols.evaluate import Settings, evaluate_exams
    from ..protocols.presets import PROTOCOLS as BY_NAME

    if options.level == "view" or (options.level and options.protocol):
        raise ValueError(
            "--level: models are asked about breasts and exams, and a protocol says what it counts. Give breast, exam "
            "or woman, or leave it out."
        )
    if options.words and options.dataset != STORE:
        raise ValueError("--words is for --dataset store, whose exams it searches.")
    exams, store = _exams(options)
    try:
        settings = Settings(
            level=_level(options), protocol=BY_NAME.get(options.protocol), maps=options.maps,
            command=options.command_line, seed=options.seed, restart=options.restart,
            **({"tasks": store.tasks} if store else {}),
        )  # fmt: skip
        models = [partial(_model, name, options, store) for name in dict.fromkeys(options.weights or ["demo"])]
        report = evaluate_exams(exams, models, settings, options.out, _Progress())
    finally:
        if store:
            store.close()
    return _told(report, options)


def _level(options: Namespace) -> CaseLevel:
    from ..evaluation.cases import CaseLevel

    return CaseLevel(options.level or "breast")


def _exams(options: Namespace) -> tuple[ExamSet, Store | None]:
    """The exams that are asked for, and the store where they are its."""
    from ..imaging.load import default_decoder
    from ..protocols import exams as known
    from ..store.data_folder import choose_data_folder
    from ..store.records import Filter
    from ..store.store import Store

    if options.dataset == STORE:
        store = Store(choose_data_folder(options.data)[0])
        print_problems(*store.file.notices)
        return known.stored_exams(store, Filter(words=options.words), default_decoder()), store
    if options.dataset:
        if options.data is None:
            raise ValueError(f"--dataset {options.dataset}: give the folder of the data set too.")
        return known.dataset_exams(options.dataset, options.data, default_decoder()), None
    if options.data:
        return known.phantom_folder(options.data), None
    learns = options.protocol in LEARNING
    return known.new_phantoms(options.n, options.seed, learns), None


def _model(name: str, options: Namespace, store: Store | None) -> ModelPredictor:
    """A model with the heads that answer in the store, where its exams are asked about."""
    predictor = chosen_model(Namespace(weights=name, engine=options.engine))
    if store is None:
        return predictor
    from ..finetuning.head import with_active_heads

    return with_active_heads(predictor, store)


def _evaluate_table(options: Namespace) -> int:
    """Evaluate a table; print the report, or write it where `--out` says."""
    from ..evaluation.predictions_csv import read_predictions
    from ..evaluation.report_page import markdown_page
    from ..evaluation.table_evaluation import evaluate_table
    from ..protocols.evaluate import write_report
    from ..protocols.run import refuse_run
    from ..tasks import TASKS

    if options.protocol or options.maps or options.weights or options.engine or options.words:
        raise ValueError(
            "--weights, --engine, --words, --protocol and --maps are for exams that models are asked about. The scores "
            "of a table are evaluated as they are: leave them out."
        )
    table = read_predictions(options.data, TASKS)
    print_problems(*table.problems)
    report = evaluate_table(table, _level(options), options.command_line, options.seed)
    if options.out is None and report.results:
        print(markdown_page(report))
        return 0
    if report.results:
        refuse_run(options.out)
        write_report(report, options.out)
    return _told(report, options)


def _told(report: EvaluationReport, options: Namespace) -> int:
    """Say where the report is. 2 where there is nothing to evaluate."""
    if report.run:
        print_problems(*report.run.notes)
    if not report.results:
        print_problems(f"{report.data}: no test case with a label and a score. Check the columns and labels.")
        return 2
    print(f"report.html, report.md and report.json are written to {options.out.name}")
    return 0


def _print_metrics(options: Namespace) -> int:
    """Print the main metrics of one model on phantoms."""
    from ..evaluation.report import evaluate_answers, markdown_table
    from ..evaluation.truth import AnsweredExam, scores_of

    if options.protocol or options.maps or options.dataset or len(options.weights or ()) > 1:
        raise ValueError(
            "--protocol, --maps, --dataset and several --weights: give --out DIR too, for the report and for going on."
        )
    predictor = _model((options.weights or ["demo"])[0], options, None)
    exams = _exams(options)[0]

    def answered(known: KnownExam) -> AnsweredExam:
        return AnsweredExam(known.truth, "", scores_of(predictor.predict(known.exam)))

    results = evaluate_answers(answered(exam.open()) for exam in exams.exams)
    print(f"{predictor.record.name} {predictor.record.version} on {exams.name}\n")
    print(markdown_table(results))
    return 0


class _Progress:
    """Prints how far the work is on a terminal, and how long it takes yet, over the same line."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._first: float | None = None

    def __call__(self, share: float, message: str) -> bool:
        """Print the share that is done, 0..1; never stop the work."""
        from ..scoring.progress import duration

        self._first = share if self._first is None else self._first
        if sys.stderr.isatty():
            here, left = share - self._first, ""
            if here > 0:
                left = f", {duration((1 - share) * (time.monotonic() - self._began) / here)} left"
            line = f"\r{100 * share:3.0f} %  {message}{left}\x1b[K"
            print(line, end="\n" if share >= 1 else "", file=sys.stderr, flush=True)
        return False


EVALUATE = Command("evaluate", "metrics with 95 %% intervals, comparisons and a report", _add_arguments, _evaluate)
