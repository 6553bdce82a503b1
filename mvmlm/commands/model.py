"""`model`: what weights are, what they learned from, and on which terms."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace

from .command import Command, add_weights_argument, print_download


def _add_arguments(parser: ArgumentParser) -> None:
    add_weights_argument(parser)
    parser.add_argument("--json", action="store_true", help="print the record as JSON: tasks and facts of the training")


def _model(options: Namespace) -> int:
    from ..loading import record_of, weights_file
    from ..model.learned_from import about_lines

    record = record_of(weights_file(options.weights, print_download))
    if options.json:
        facts = {"name": record.name, "version": record.version, "tasks": record.tasks, "training": record.training}
        print(json.dumps(facts, indent=1))
    else:
        print(
            "\n".join([f"{record.name} {record.version}. Research use only, not for diagnosis.", *about_lines(record)])
        )
    return 0


MODEL = Command("model", "what weights learned from, and on which terms", _add_arguments, _model)
