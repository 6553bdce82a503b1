"""`watch`: whether a site's exams, and the model's scores of them, are still as before, month by month."""

from __future__ import annotations

import json
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, add_model_arguments
from .site_versions import open_site, print_progress

if TYPE_CHECKING:
    from ..finetuning.site_cases import Site
    from ..site.drift import DriftReport
    from ..site.drift_figures import PeriodFigures, Within

FEW = "too few"


def _day(text: str) -> date:
    """The type of a date, for `add_argument`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r}: give a date such as 2026-06-30") from None


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task", help="the task whose scores are watched, such as malignancy")
    parser.add_argument(
        "--reference-end",
        type=_day,
        metavar="DATE",
        help="the last day of the period that later months are compared with (default: that of the last watch)",
    )
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--list", action="store_true", help="list the watches of the task so far")
    add_model_arguments(parser)
    parser.add_argument("--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your data folder)")
    parser.add_argument("--reader", default="command line", help="who does it, for the history")


def _watch(options: Namespace) -> int:
    from ..finetuning.drift_watch import sentences_of, watch_from_store
    from ..site.drift import DriftReport

    site = open_site(options)
    if options.list:
        print("\n".join(_listed(site)) or f"{site.task.title}: no watch of this model yet")
        return 0
    made = watch_from_store(site, options.reference_end, date.today(), options.reader, print_progress)
    if options.json:
        print(json.dumps({"watch": made.id, "sentences": sentences_of(made.record), **made.record}, indent=2))
        return 0
    report = DriftReport.from_json(made.record["report"])
    print(f"{site.task.title}, watch {made.id}: {made.record['exams']:,} exams. Research use only.")
    print("\n".join(sentences_of(made.record)))
    print("\n".join(["", *_table(report)]))
    return 0


def _listed(site: Site) -> Iterator[str]:
    """The watches of a task, newest first, a line each."""
    from ..finetuning.drift_watch import watches_of

    for version in watches_of(site.store, site.predictor, site.task.name):
        report, exams = version.record["report"], version.record["exams"]
        found = f"{exams:,} exams, {len(report['alarms'])} alarms"
        yield f"{version.id}  {version.created[:16]}  reference until {report['reference_end']}: {found}"


def _table(report: DriftReport) -> list[str]:
    """The figures of all exams by month, in lines for a terminal."""
    lines = [f"{'month':8}{'exams':>8}  {'unlike, %':20}{'median score (quartiles)':28}positive: labels, probabilities"]
    return lines + [_row(figures) for figures in report.figures if figures.by == "all"]


def _row(figures: PeriodFigures) -> str:
    unlike, events = figures.unlike, figures.events
    share = f"{100 * unlike.share:.1f} ({100 * unlike.low:.1f} to {100 * unlike.high:.1f})" if unlike else FEW
    counted = f"{events.observed:,}, {events.expected:.1f} of {events.exams:,}" if events else FEW
    median = f"{_value(figures.median)} ({_value(figures.lower)} to {_value(figures.upper)})" if figures.median else FEW
    return f"{figures.period:8}{figures.exams:>8,}  {share:20}{median:28}{counted}"


def _value(figure: Within | None) -> str:
    return f"{figure.value:.3f}" if figure else FEW


WATCH = Command("watch", "watch the exams of the store for drift, month by month", _add_arguments, _watch)
