"""What a stored calibration is and does, in words and figures: the same for the page and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

#: figure of a `BeforeAfter` -> its name
TITLES = {
    "brier": "Brier score",
    "log_loss": "log loss",
    "ece": "calibration error",
    "slope": "slope",
    "intercept": "intercept",
    "accuracy": "accuracy",
}


class CalibrationFacts(NamedTuple):
    """A calibration of any kind of task.

    cases: what it was learned from, in words. changes: name of a figure -> its values before and after as plain JSON
    values, each with value, low and high.
    """

    method: str
    cases: str
    changes: Mapping[str, Mapping[str, Any]]


def calibration_facts(record: Mapping[str, Any]) -> CalibrationFacts:
    """Return what a record of `finetuning.site_versions.calibrate_from_store` says."""
    found, change = record["calibration"], record["before_after"]
    patients = f"{found['patients']:,} patients"
    changes = {title: change[name] for name, title in TITLES.items() if name in change}
    if "curve" in found:
        cases = f"{found['cases']:,} cases of {patients}, {found['positives']:,} positive"
        return CalibrationFacts(found["curve"]["method"], cases, changes)
    if "horizon" in found:
        ratios = {f"observed by expected, year {year}": ratio for year, ratio in enumerate(change["ratios"], 1)}
        cases = f"{found['exams']:,} exams of {patients}, {found['events']:,} with cancer"
        return CalibrationFacts(found["method"], cases, {**changes, **ratios})
    counts = ", ".join(f"{count:,}" for count in found["cases"])
    return CalibrationFacts(found["method"], f"{sum(found['cases']):,} exams of {patients}, by class {counts}", changes)
