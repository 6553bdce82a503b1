"""`evaluate`: how good models are on exams with known truth, or the predictions of a table made anywhere."""

from __future__ import annotations

import csv
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, add_weights_argument, at_least, chosen_model, print_problems

if TYPE_CHECKING:
    from ..evaluation.cases import TaskCases
    from ..evaluation.predictions_csv import PredictionsTable
    from ..exam import Exam

LEVELS = ("view", "breast", "exam", "woman")
PREDICTIONS = "predictions.csv"


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "data", type=Path, nargs="?",
        help="a predictions table (.csv), or a folder made by `phantom` (default: new phantoms)",
    )  # fmt: skip
    parser.add_argument("--n", type=at_least(1), default=200, help="number of new phantom exams (default 200)")
    parser.add_argument("--seed", type=at_least(0), default=100, help="their seed (default 100; training used 1 and 2)")
    add_weights_argument(parser, several=True)
    parser.add_argument("--engine", choices=("torch", "openvino", "openvino-bf16"), help="as for `predict`")
    parser.add_argument("--level", choices=LEVELS, default="breast", help="what is counted (default: breast)")
    parser.add_argument(
        "--out", type=Path, metavar="DIR",
        help="write the whole report as HTML, Markdown and JSON, and the predictions as a table",
    )  # fmt: skip


def _evaluate(options: Namespace) -> int:
    from ..evaluation.predictions_csv import read_predictions, write_predictions
    from ..tasks import TASKS

    if options.data is not None and options.data.suffix.lower() == ".csv":
        return _report(read_predictions(options.data, TASKS), options)
    if options.out is None:
        return _print_metrics(options)
    options.out.mkdir(parents=True, exist_ok=True)
    cases = [found for name in options.weights or ["demo"] for found in _cases_of(name, options)]
    write_predictions(options.out / PREDICTIONS, cases)
    return _report(read_predictions(options.out / PREDICTIONS, TASKS), options)


def _cases_of(weights: str, options: Namespace) -> Sequence[TaskCases]:
    """The answers of one model for every exam, with what is true."""
    from ..evaluation.report import prediction_cases

    predictor = chosen_model(Namespace(weights=weights, engine=options.engine))

    def answered() -> Iterator[tuple[Any, Sequence[Mapping[str, Any]]]]:
        for number, (exam, truth) in enumerate(_exams(options), 1):
            yield predictor.predict(exam), truth
            if sys.stderr.isatty():
                print(f"\r{weights}: {number} exams answered", end="", file=sys.stderr, flush=True)

    return prediction_cases(answered())


def _report(table: PredictionsTable, options: Namespace) -> int:
    """Evaluate a table; print the report, or write it where `--out` says. 2 where there is nothing to evaluate."""
    from ..evaluation.cases import CaseLevel
    from ..evaluation.report_page import html_page, markdown_page
    from ..evaluation.table_evaluation import evaluate_table

    print_problems(*table.problems)
    report = evaluate_table(table, CaseLevel(options.level), options.command_line, options.seed)
    if not report.results:
        print_problems(f"{table.name}: no test case with a label and a score. Check the columns.")
        return 2
    if options.out is None:
        print(markdown_page(report))
        return 0
    options.out.mkdir(parents=True, exist_ok=True)
    for name, text in (
        ("report.html", html_page(report)), ("report.md", markdown_page(report)),
        ("report.json", json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n"),
    ):  # fmt: skip
        (options.out / name).write_text(text, encoding="utf-8")
    print(f"report.html, report.md and report.json are written to {options.out.name}")
    return 0


def _print_metrics(options: Namespace) -> int:
    """Print the main metrics of one model on exams with known truth."""
    from ..evaluation.report import evaluate, markdown_table

    if options.weights and len(options.weights) > 1:
        raise ValueError("--weights more than once: give --out DIR too, for the report that compares the models.")
    name = (options.weights or ["demo"])[0]
    predictor = chosen_model(Namespace(weights=name, engine=options.engine))
    results = evaluate((predictor.predict(exam), truth) for exam, truth in _exams(options))
    data = options.data.name if options.data else f"{options.n} phantom exams of seed {options.seed}"
    print(f"{predictor.record.name} {predictor.record.version} on {data}\n")
    print(markdown_table(results))
    return 0


def _exams(options: Namespace) -> Iterator[tuple[Exam, Sequence[Mapping[str, Any]]]]:
    """Yield the exams with their truth rows."""
    if options.data:
        yield from _folder_exams(options.data)
        return
    from ..phantom import phantom_exams
    from ..phantom.truth import truth_rows

    for phantom in phantom_exams(options.n, options.seed):
        yield phantom.exam, truth_rows(phantom)


def _folder_exams(folder: Path) -> Iterator[tuple[Exam, Sequence[Mapping[str, Any]]]]:
    """Yield the exams of a folder that `phantom` made, with their truth rows."""
    from ..imaging.load import load_exam

    with open(folder / "findings.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for name in dict.fromkeys(row["exam"] for row in rows):
        yield load_exam(folder / name), [row for row in rows if row["exam"] == name]


EVALUATE = Command("evaluate", "metrics with 95 %% intervals, comparisons and a report", _add_arguments, _evaluate)
