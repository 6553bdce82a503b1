"""An evaluation as plain data: what was evaluated, how, and every number with its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from typing import Any, NamedTuple

from .cases import CaseLevel
from .curves import Curve
from .estimates import Estimate
from .map_summary import MapResult
from .operating_points import Rates
from .subgroups import Subgroup

NOT_FOR_DIAGNOSIS = "Research use only, not for diagnosis."
UNDEFINED = "undefined"
FEW = "too few cases"


class Measure(NamedTuple):
    """A metric by name with its value and interval; NaN where undefined."""

    name: str
    estimate: Estimate


class RateRow(NamedTuple):
    """What a threshold gives. rule: how it was found. level, cases, positives: of the cases it was applied to."""

    rule: str
    threshold: float
    level: CaseLevel
    cases: int
    positives: int
    rates: Rates


class Confusion(NamedTuple):
    """Counts by true class (rows) and predicted class (columns)."""

    classes: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class TaskResult:
    """What one model reaches in one task.

    cases, positives, patients: how many. measures: the main metric first. curves: by name, "ROC", "precision-recall",
    "calibration", "net benefit" and "net benefit of calling all". notes: a sentence for what is not given, and why.
    few: whether there are too few cases to report the numbers.
    """

    task: str
    title: str
    model: str
    level: CaseLevel
    cases: int
    positives: int
    patients: int
    measures: tuple[Measure, ...]
    rates: tuple[RateRow, ...]
    curves: Mapping[str, Curve]
    subgroups: tuple[Subgroup, ...]
    confusion: Confusion | None
    notes: tuple[str, ...]
    few: bool


@dataclass(frozen=True)
class ModelComparison:
    """Two models on the cases that both answered. difference: the main metric of the first less that of the second.

    left_out: cases that only one answered, or with different labels. delong_p: None where cases are not independent,
    the metric is no AUC, or a class has fewer than two cases.
    """

    task: str
    title: str
    first: str
    second: str
    metric: str
    level: CaseLevel
    cases: int
    left_out: int
    difference: Estimate
    delong_p: float | None


class RunFacts(NamedTuple):
    """How the predictions were made.

    exams, checksum: what models were asked about, and the SHA-256 of what is said of these exams. weights: each model
    with the SHA-256 of its file. protocol, protocol_note: its source, and in what the run differs from it; "" without
    one. notes: sentences on exams and answers that are missing.
    """

    exams: str
    checksum: str
    weights: tuple[tuple[str, str], ...]
    protocol: str
    protocol_note: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """An evaluation of predictions.

    data, sha256: the table's name and checksum. models: names and versions. code_version: of this library. command: by
    which it was made. seed, resamples: of the intervals, which resample whole patients. level: at which cases were
    counted, where the table goes that far down. problems: what is odd about the table. run: None for a table that was
    made elsewhere. maps: what maps reach, where they were measured.
    """

    data: str
    sha256: str
    models: tuple[str, ...]
    code_version: str
    command: str
    seed: int
    resamples: int
    level: CaseLevel
    problems: tuple[str, ...]
    results: tuple[TaskResult, ...]
    comparisons: tuple[ModelComparison, ...]
    run: RunFacts | None = None
    maps: tuple[MapResult, ...] = ()

    @property
    def subject(self) -> str:
        """What was evaluated: the exams that models were asked about, or the table."""
        return self.run.exams if self.run is not None else self.data

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values; what is undefined or infinite is null."""
        return {"note": NOT_FOR_DIAGNOSIS, **_json_value(self)}


def _json_value(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _json_value(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: _json_value(inner) for name, inner in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _json_value(inner) for name, inner in value.items()}
    return [_json_value(inner) for inner in value] if isinstance(value, list | tuple) else value


def interval_text(estimate: Estimate, percent: bool = False) -> str:
    """Return "0.853 (0.825–0.880)", or in percent with one decimal; "undefined" where there is no value."""
    if math.isnan(estimate.value):
        return UNDEFINED
    scale, digits = (100, 1) if percent else (1, 3)
    value, low, high = (f"{scale * number:.{digits}f}" for number in estimate)
    bounds = UNDEFINED if math.isnan(estimate.low) else f"{low} to {high}" if estimate.low < 0 else f"{low}–{high}"
    return f"{value}{' %' if percent else ''} ({bounds})"


def threshold_text(threshold: float) -> str:
    """Return a threshold with four digits, or in words where every case or none lies above it."""
    if math.isinf(threshold):
        return "none called" if threshold > 0 else "all called"
    return f"{threshold:.4g}"
