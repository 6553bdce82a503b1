"""The definition of a command of the command line, and how commands report problems."""

from __future__ import annotations

import math
import re
import shlex
import sys
from argparse import Action, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..messages import Advised, error_message, plain_line

if TYPE_CHECKING:
    from ..inference.model_predictor import ModelPredictor

ENGINES = ("torch", "openvino", "openvino-bf16")  # of inference.engine, which imports torch


@dataclass(frozen=True)
class Command:
    """A command of the command line.

    help: one line for the list of commands. add_arguments: adds its arguments to its parser. run: does the work and
    returns the exit status: 0 when an answer was given, 2 when the input held nothing usable.
    """

    name: str
    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]


def at_least(lowest: int, highest: float = math.inf) -> Callable[[str], int]:
    """Return the type of a whole number from `lowest` to `highest`, for `add_argument`."""

    def number(text: str) -> int:
        if not text.strip().lstrip("+-").isdecimal() or not lowest <= int(text) <= highest:
            limits = f"of at least {lowest}" if highest == math.inf else f"from {lowest} to {highest}"
            raise ArgumentTypeError(f"{text!r}: give a whole number {limits}")
        return int(text)

    return number


def between(lowest: float, highest: float = math.inf) -> Callable[[str], float]:
    """Return the type of a finite number from `lowest` to `highest`, for `add_argument`."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and lowest <= value <= highest):
            limits = f"of at least {lowest:g}" if highest == math.inf else f"from {lowest:g} to {highest:g}"
            raise ArgumentTypeError(f"{text!r}: give a number {limits}")
        return value

    return number


def add_weights_argument(parser: ArgumentParser, several: bool = False) -> None:
    """Add --weights: `options.weights`, for `loading.load_model`. several: a list of them, None where none is given."""
    names = "demo, a published model (`mvmlm models` lists them), hf:owner/name, or the path of a .safetensors file"
    if several:
        more = "(default: demo); may be given more than once"
        parser.add_argument("--weights", action="append", metavar="NAME", help=f"{names} {more}")
    else:
        parser.add_argument("--weights", default="demo", action=_Once, metavar="NAME", help=f"{names} (default: demo)")


class _Once(Action):
    """An option of one value; a second one is refused, where argparse would leave out the first."""

    _given = False

    def __call__(self, parser: ArgumentParser, options: Namespace, value: object, option: str | None = None) -> None:
        """Store the value."""
        if self._given:
            parser.error(f"{option} is given more than once; this command takes one. Run it once for each.")
        self._given = True
        setattr(options, self.dest, value)


def add_model_arguments(parser: ArgumentParser) -> None:
    """Add --weights and --engine, for `chosen_model`."""
    add_weights_argument(parser)
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        help="what runs the image trunk on a CPU (default: openvino for large published models where it is installed, "
        "else torch); openvino-bf16 is the fastest, and its answers differ",
    )


def chosen_model(options: Namespace, folder: Path | None = None) -> ModelPredictor:
    """Return the predictor of the options of `add_model_arguments`, fetched first where it is not on this machine.

    folder: the data folder; None for the usual one.
    """
    from ..inference.precision import BFLOAT16, bf16_note
    from ..loading import load_model, weights_file

    predictor = load_model(weights_file(options.weights, print_download, folder), engine=options.engine)
    if predictor.engine != "torch":
        print_problems(f"{predictor.record.name} runs by {predictor.engine}.")
    if predictor.precision == BFLOAT16:
        print_problems(bf16_note(predictor.precision_error))
    return predictor


def print_download(done: int, whole: int) -> None:
    """Say on the terminal how much of a model was fetched, on one line."""
    if sys.stderr.isatty():
        share = f" of {whole / 1e6:.0f}" if whole else ""
        print(f"\r{done / 1e6:.0f}{share} MB fetched", end="", file=sys.stderr, flush=True)


def a_path(text: str) -> Path:
    """Return the path of a file or folder, for `add_argument`; an empty one would be the current folder."""
    if not text.strip():
        raise ArgumentTypeError("is empty; name a file or folder")
    return Path(text)


def recorded_command(program: str, arguments: Iterable[str]) -> str:
    """Return a command as it is recorded: the arguments as given, with the names of files and folders but no path."""
    return shlex.join([*program.split(), *(_without_folder(argument) for argument in arguments)])


def _without_folder(argument: str) -> str:
    option, equals, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    address = "://" in value  # of a server, which may hold a user name and a password
    name = "ADDRESS" if address else re.split(r"[/\\]", value.rstrip("/\\"))[-1] or value
    return f"{option}{equals}{name}"


def told(error: Exception, options: Namespace) -> str:
    """Return what an error says to a person, and the options of this program that its remedies name.

    options: those that were read; remedies of which the program has no option are left to the message.
    """
    remedies = error.remedies if isinstance(error, Advised) else ()
    known = [f"--{name.replace('_', '-')}" for name in remedies if name in options]
    return " ".join([error_message(error), *([f"Options: {', '.join(known)}."] if known else [])])


def exit_status(kind: type[BaseException]) -> int:
    """Return the exit status of a command that ended with an error of this class."""
    from ..imaging.load import NoExam, SeveralExams
    from ..imaging.preprocess import NoBreast

    return 2 if issubclass(kind, NoExam | SeveralExams | NoBreast) else 1


def print_problems(*problems: str) -> None:
    """Print each problem as one line on stderr."""
    for problem in problems:
        print(plain_line(problem), file=sys.stderr)
