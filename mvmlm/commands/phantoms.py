"""`phantom` and `evaluate`: exams with known truth, and the metrics of weights on them."""

from __future__ import annotations

import csv
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .command import Command, add_model_arguments, at_least, chosen_model

SMALLEST_ROWS = 64  # below it a phantom has too few pixels for its side letter

if TYPE_CHECKING:
    from ..exam import Exam


def _add_phantom_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="the folder to write")
    parser.add_argument("--n", type=at_least(1), required=True, help="number of exams")
    parser.add_argument("--seed", type=at_least(0), required=True, help="the same seed gives the same exams")
    parser.add_argument("--rows", type=at_least(SMALLEST_ROWS), default=1024, help="rows of a view (default 1024)")
    parser.add_argument(
        "--shift", action="store_true", help="imitate a machine outside the usual range, to test out of distribution"
    )


def _phantom(options: Namespace) -> int:
    from ..phantom.truth import write_phantoms

    write_phantoms(options.out, options.n, options.seed, options.rows, options.shift)
    return 0


def _add_evaluate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("data", type=Path, nargs="?", help="a folder made by `phantom` (default: new phantoms)")
    parser.add_argument("--n", type=at_least(1), default=200, help="number of new phantom exams (default 200)")
    parser.add_argument("--seed", type=at_least(0), default=100, help="their seed (default 100; training used 1 and 2)")
    add_model_arguments(parser)


def _evaluate(options: Namespace) -> int:
    from ..evaluation.report import evaluate, markdown_table

    predictor = chosen_model(options)
    exams = _folder_exams(options.data) if options.data else _new_exams(options.n, options.seed)
    results = evaluate((predictor.predict(exam), truth) for exam, truth in exams)
    data = options.data.name if options.data else f"{options.n} phantom exams of seed {options.seed}"
    print(f"{predictor.record.name} {predictor.record.version} on {data}\n")
    print(markdown_table(results))
    return 0


def _new_exams(n: int, seed: int) -> Iterator[tuple[Exam, Sequence[Mapping[str, Any]]]]:
    """Yield new phantom exams with their truth rows."""
    from ..phantom import phantom_exams
    from ..phantom.truth import truth_rows

    for phantom in phantom_exams(n, seed):
        yield phantom.exam, truth_rows(phantom)


def _folder_exams(folder: Path) -> Iterator[tuple[Exam, Sequence[Mapping[str, Any]]]]:
    """Yield the exams of a folder that `phantom` made, with their truth rows."""
    from ..imaging.load import load_exam

    with open(folder / "findings.csv", newline="", encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    for name in dict.fromkeys(row["exam"] for row in rows):
        yield load_exam(folder / name), [row for row in rows if row["exam"] == name]


PHANTOM = Command("phantom", "make phantom exams with known truth", _add_phantom_arguments, _phantom)
EVALUATE = Command("evaluate", "metrics with 95 %% intervals on phantoms", _add_evaluate_arguments, _evaluate)
