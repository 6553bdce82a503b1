"""`model`: what weights are, what they learned from, and on which terms."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .command import Command


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a .safetensors file (default: the demo weights)")
    parser.add_argument("--json", action="store_true", help="print the record as JSON: tasks and facts of the training")


def _model(options: Namespace) -> int:
    from ..model.learned_from import about_lines
    from ..model.weights import BUNDLED, read_record

    record = read_record(options.weights or BUNDLED / "demo.safetensors")
    if options.json:
        facts = {"name": record.name, "version": record.version, "tasks": record.tasks, "training": record.training}
        print(json.dumps(facts, indent=1))
    else:
        print(
            "\n".join([f"{record.name} {record.version}. Research use only, not for diagnosis.", *about_lines(record)])
        )
    return 0


MODEL = Command("model", "what weights learned from, and on which terms", _add_arguments, _model)
