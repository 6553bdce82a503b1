"""`calibrate` and `threshold`: what your site's labels make of a model's scores, in versions that can be taken back."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..site.stored_calibration import calibration_facts
from .command import Command, add_model_arguments, between, chosen_model

if TYPE_CHECKING:
    from ..finetuning.site_cases import Site
    from ..inference.model_predictor import ModelPredictor
    from ..site.operating_point import CertifiedThreshold
    from ..store.records import SiteVersion
    from ..store.site_versions import SiteVersions

GOALS = {
    "recall": "at most this share of all women is called back",
    "sensitivity": "at least this share of the women with the finding is called back",
    "specificity": "at least this share of the women without it is not called back",
}


def _add_arguments(parser: ArgumentParser, noun: str) -> None:
    """Add what both commands take. noun: of what they make."""
    parser.add_argument("task", help="the task whose scores are meant, such as malignancy")
    parser.add_argument("--activate", action="store_true", help=f"apply the new {noun} from now on")
    parser.add_argument("--use", type=int, metavar="N", help=f"apply this earlier {noun} instead of making one")
    parser.add_argument("--off", action="store_true", help="apply none from now on")
    parser.add_argument("--list", action="store_true", help=f"list the {noun}s of the task")
    add_model_arguments(parser)
    parser.add_argument("--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your data folder)")
    parser.add_argument("--reader", default="command line", help="who does it, for the history")


def _add_calibration_arguments(parser: ArgumentParser) -> None:
    _add_arguments(parser, "calibration")


def _add_threshold_arguments(parser: ArgumentParser) -> None:
    _add_arguments(parser, "operating point")
    goals = parser.add_mutually_exclusive_group()
    for name, meaning in GOALS.items():
        goals.add_argument(f"--{name}", type=between(0.01, 99.99), metavar="PERCENT", help=meaning)
    parser.add_argument(
        "--confidence", type=between(50, 99.99), default=90.0, metavar="PERCENT", help="of the guarantee (default: 90)"
    )


def open_site(options: Namespace) -> Site:
    """Open the store and load the model. Raises ValueError for an unknown task."""
    from ..finetuning.head import with_active_heads
    from ..finetuning.site_cases import Site
    from ..imaging.load import default_decoder
    from ..store.data_folder import choose_data_folder
    from ..store.store import Store

    store = Store(choose_data_folder(options.data)[0])
    task = next((task for task in store.tasks if task.name == options.task), None)
    if task is None:
        raise ValueError(f"{options.task}: expected one of {', '.join(task.name for task in store.tasks)}")
    return Site(store, with_active_heads(chosen_model(options, store.folder), store), default_decoder(), task)


def _listed_or_changed(options: Namespace, site: Site, versions: SiteVersions) -> bool:
    """List the versions, or apply another one, where the options ask for that and not for a new one."""
    from ..finetuning.site_versions import apply_version
    from ..store.errors import StoreError

    other = [name for name in ("list", "off") if getattr(options, name)] + ["use"] * (options.use is not None)
    new = [name for name in ("activate", *GOALS) if getattr(options, name, None) not in (None, False)]
    if len(other) > 1 or (other and new):
        raise ValueError(
            f"{' and '.join(f'--{name}' for name in [*other, *new])} exclude each other. Give one of them."
        )
    if options.list:
        of_task = [stored for stored in versions.all(site.predictor.weights) if stored.task == site.task.name]
        if not of_task:
            print(f"{site.task.title}: no {versions.noun} of this model yet")
        for stored in of_task:
            print(f"{stored.id}  {stored.created[:16]}  {_summary(stored.record)}{_state(stored, site.predictor)}")
        return True
    if options.off:
        versions.activate(None, site.task.name, site.predictor.weights, options.reader)
        print(f"{site.task.title}: no {versions.noun} is applied")
        return True
    if options.use is not None:
        if versions.get(options.use).task != site.task.name:
            raise StoreError(f"{versions.noun} {options.use}: not for {site.task.title}.")
        apply_version(versions, options.use, site.predictor, options.reader)
        print(f"{site.task.title}: {versions.noun} {options.use} is applied")
        return True
    return False


def _state(stored: SiteVersion, predictor: ModelPredictor) -> str:
    from ..finetuning.site_versions import why_not_for

    if not stored.active:
        return ""
    why = why_not_for(stored, predictor)
    return f"  not applied now: {why}" if why else "  applied"


def _applied(options: Namespace, site: Site, versions: SiteVersions, made: SiteVersion) -> None:
    from ..finetuning.site_versions import apply_version

    if options.activate:
        apply_version(versions, made.id, site.predictor, options.reader)
        print("It is applied from now on.")


def _calibrate(options: Namespace) -> int:
    from ..finetuning.site_versions import calibrate_from_store

    site = open_site(options)
    if _listed_or_changed(options, site, site.store.calibrations):
        return 0
    made = calibrate_from_store(site, options.reader, print_progress)
    print("\n".join(_lines(made.id, site.task.title, made.record)))
    _applied(options, site, site.store.calibrations, made)
    return 0


def _find_threshold(options: Namespace) -> int:
    from ..finetuning.site_versions import threshold_from_store
    from ..site.operating_point import CertifiedThreshold, Goal

    site = open_site(options)
    if _listed_or_changed(options, site, site.store.operating_points):
        return 0
    asked = [(name, share) for name in GOALS if (share := getattr(options, name)) is not None]
    if not asked:
        raise ValueError("What shall be guaranteed? Give --recall, --sensitivity or --specificity, in per cent.")
    (name, percent), confidence = asked[0], options.confidence / 100
    made = threshold_from_store(site, Goal(name), percent / 100, confidence, options.reader, print_progress)
    point = CertifiedThreshold.from_json(made.record["operating_point"])
    print(f"{site.task.title}, operating point {made.id}: scores above {point.threshold:.4f} are called back.")
    print("\n".join([point.guarantee, *_shares(point), point.found_among_called]))
    _applied(options, site, site.store.operating_points, made)
    return 0


def print_progress(share: float, message: str) -> bool:
    """Print how far a command is on stderr; never asks to stop."""
    print(message, file=sys.stderr)
    return False


def _summary(record: dict) -> str:
    """What a version is, in a few words."""
    if "calibration" in record:
        return calibration_facts(record).method
    point = record["operating_point"]
    return f"{point['goal']} {100 * point['limit']:g} %, scores above {point['threshold']:.4f}"


def _shares(point: CertifiedThreshold) -> list[str]:
    """What the threshold does to the women of the site, in lines for a terminal."""
    return [
        f"{name:12}{_percent(share.share)} % ({_percent(share.low)} to {_percent(share.high)}), "
        f"{share.count:,} of {share.cases:,} women"
        for name, share in point.shares.items()
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _lines(number: int, title: str, record: dict) -> list[str]:
    """What a calibration is and does, in lines for a terminal."""
    facts = calibration_facts(record)
    lines = [
        f"{title}, calibration {number}: {facts.method}, from {facts.cases}",
        f"{'':28}{'before':>26}{'after, cross-fitted':>26}",
    ]
    for name, change in facts.changes.items():
        before, after = (_interval(change[when]) for when in ("before", "after"))
        lines.append(f"{name:28}{before:>26}{after:>26}")
    return lines


def _interval(estimate: dict) -> str:
    if estimate["value"] is None:
        return "undefined"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f}"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


CALIBRATE = Command(
    "calibrate",
    "calibrate a model's scores to the signed readings of the store",
    _add_calibration_arguments,
    _calibrate,
)
THRESHOLD = Command(
    "threshold",
    "the threshold that keeps a recall, sensitivity or specificity at your site",
    _add_threshold_arguments,
    _find_threshold,
)
