"""The command line: `mvmlm COMMAND` or `python -m mvmlm COMMAND`. Research use only, not for diagnosis.

Exit status 0 when an answer was given, 2 when the input held nothing usable, 130 after Ctrl-C or SIGTERM, 1 for any
other error; `pretrain` has 75 where the same command goes on. Errors go to stderr, one line per file.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback

from .commands import COMMANDS
from .commands.command import exit_status, print_problems, recorded_command, told

STOPPED = 130  # as a shell gives for a program that Ctrl-C ended


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status. arguments: without the program's name; None takes sys.argv's."""
    given = sys.argv[1:] if arguments is None else arguments
    options = _parser().parse_args(given)
    options.command_line = recorded_command("python -m mvmlm", given)
    if arguments is None:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C, and closes the store
    try:
        status = _run(options)
        _end_output()
        return status
    except KeyboardInterrupt:
        print_problems("Stopped.")
        return STOPPED


def _end_output() -> None:
    """Write what is left of the output, unless nobody reads it any longer, as in `mvmlm read EXAM | head -1`."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(options: argparse.Namespace) -> int:
    """Run the chosen command, print what it raises, and return its exit status."""
    from .imaging.load import NoExam

    try:
        return options.run(options)
    except Exception as error:  # a script gets one line, not a traceback
        if "debug" in options:
            traceback.print_exc()
        else:
            files = error.set_aside if isinstance(error, NoExam) else ()
            print_problems(*(f"{item.file}: {item.reason}" for item in files), told(error, options))
        return exit_status(type(error))


def _parser() -> argparse.ArgumentParser:
    debug = argparse.ArgumentParser(add_help=False)
    debug.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an error, not one line"
    )
    parser = argparse.ArgumentParser(
        "mvmlm", description="MV-MLM. Research use only, not for diagnosis.", parents=[debug]
    )
    subparsers = parser.add_subparsers(required=True, metavar="command")
    for command in COMMANDS:
        subparser = subparsers.add_parser(command.name, help=command.help, parents=[debug])
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
