"""`phantom`: computed exams with known truth."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, at_least

SMALLEST_ROWS = 64  # below it a phantom has too few pixels for its side letter

if TYPE_CHECKING:
    pass


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


PHANTOM = Command("phantom", "make phantom exams with known truth", _add_phantom_arguments, _phantom)
