"""`check-display`: what files show of the rules for a mammography display."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, print_problems

if TYPE_CHECKING:
    from ..imaging.display_check import Checked

A_RULE_FAILS = 3  # the exit status where one does


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", nargs="+", type=Path, help="files, folders, zips or a DICOMDIR, of any exams")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of a table")


def _check_display(options: Namespace) -> int:
    from ..dicom_objects.foreign_check import check_objects
    from ..imaging.display_check import Verdict
    from ..imaging.display_files import check_files
    from ..imaging.load import default_decoder

    found, set_aside = check_files(options.path, default_decoder(), check_objects)
    print_problems(*(f"{item.file}: {item.reason}" for item in set_aside))
    if not found:
        return 2
    print(_as_json(found) if options.json else _as_table(found))
    return A_RULE_FAILS if any(checked.verdict is Verdict.FAIL for checked in found) else 0


def _as_json(found: Sequence[Checked]) -> str:
    from ..imaging.display_check import DRAWN, RULES, verdict_of

    rules = [
        {
            "rule": rule,
            "title": title,
            "verdict": verdict_of(rule, found).value,
            "browser_only": DRAWN.get(rule),
            "files": [checked.to_json() for checked in found if checked.rule == rule],
        }
        for rule, title in RULES.items()
    ]
    return json.dumps({"rules": rules, "use": "research use only, not for diagnosis"}, indent=1)


def _as_table(found: Sequence[Checked]) -> str:
    from ..imaging.display_check import DRAWN, RULES, alike, verdict_of

    lines = []
    for rule, title in RULES.items():
        lines.append(f"({rule}) {title}: {verdict_of(rule, found).value}")
        lines += [f"      {files}: {verdict}. {text}" for files, verdict, text in alike(rule, found)]
        if rule in DRAWN:
            lines.append(f"      browser only: {DRAWN[rule]}")
    lines.append("What is drawn: open the files on the page, then key ? and “Check this display”.")
    return "\n".join(lines)


CHECK_DISPLAY = Command(
    "check-display", "what files show of the rules for a mammography display", _add_arguments, _check_display
)
