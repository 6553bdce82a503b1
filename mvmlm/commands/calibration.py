"""`calibrate`: the scores of a model as probabilities at your site, from the labels of the store."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .command import Command, add_model_arguments, chosen_model

MEASURES = ("brier", "log_loss", "ece", "slope", "intercept")


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("task", help="the task whose scores are calibrated, such as malignancy")
    parser.add_argument("--activate", action="store_true", help="apply the new calibration from now on")
    parser.add_argument("--use", type=int, metavar="N", help="apply this earlier calibration instead of making one")
    parser.add_argument("--off", action="store_true", help="apply none from now on")
    parser.add_argument("--list", action="store_true", help="list the calibrations of the task")
    add_model_arguments(parser)
    parser.add_argument("--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your data folder)")
    parser.add_argument("--reader", default="command line", help="who does it, for the history")


def _calibrate(options: Namespace) -> int:
    from ..finetuning.head import with_active_heads
    from ..finetuning.site_calibration import calibrate_from_store
    from ..imaging.load import default_decoder
    from ..store.data_folder import choose_data_folder
    from ..store.store import Store

    store = Store(choose_data_folder(options.data)[0])
    task = next((task for task in store.tasks if task.name == options.task), None)
    if task is None:
        raise ValueError(f"{options.task}: expected one of {', '.join(task.name for task in store.tasks)}")
    predictor = with_active_heads(chosen_model(options, store.folder), store)
    if options.list:
        for stored in store.calibrations.all(predictor.weights):
            if stored.task == task.name:
                print(f"{stored.id}  {stored.created[:16]}  {_method(stored.record)}{'  applied' * stored.active}")
        return 0
    if options.off or options.use is not None:
        number = None if options.off else options.use
        store.calibrations.activate(number, task.name, predictor.weights, options.reader)
        print(f"{task.title}: {'no calibration' if number is None else f'calibration {number}'} is applied")
        return 0

    def print_progress(share: float, message: str) -> bool:
        print(message, file=sys.stderr)
        return False  # do not stop

    made = calibrate_from_store(store, predictor, default_decoder(), task, options.reader, print_progress)
    print("\n".join(_lines(made.id, task.title, made.record)))
    if options.activate:
        store.calibrations.activate(made.id, task.name, made.weights, options.reader)
        print("It is applied from now on.")
    return 0


def _method(record: dict) -> str:
    return record["calibration"]["curve"]["method"]


def _lines(number: int, title: str, record: dict) -> list[str]:
    """What a calibration is and does, in lines for a terminal."""
    found, change = record["calibration"], record["before_after"]
    lines = [
        f"{title}, calibration {number}: {_method(record)}, from {found['cases']} breasts of {found['patients']} "
        f"patients, {found['positives']} positive",
        f"{'':12}{'before':>26}{'after, cross-fitted':>26}",
    ]
    for name in MEASURES:
        before, after = (_interval(change[name][when]) for when in ("before", "after"))
        lines.append(f"{name.replace('_', ' '):12}{before:>26}{after:>26}")
    return lines


def _interval(estimate: dict) -> str:
    if estimate["value"] is None:
        return "undefined"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


CALIBRATE = Command(
    "calibrate", "calibrate a model's scores to the signed readings of the store", _add_arguments, _calibrate
)
