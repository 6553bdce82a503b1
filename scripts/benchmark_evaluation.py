"""Print how many seconds the intervals of an evaluation take: patient by patient, as up to 0.5.0, and by weights.

    python scripts/benchmark_evaluation.py [--patients 5000] [--draws 10000]

Each patient has two breasts, one of fifty with cancer. Both ways are timed in the same run and must give the same
interval of the AUC, because they draw the same patients. Then the other metrics by weights, and Harrell's C of 20,000
women.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np

from mvmlm.evaluation.bootstrap import WeightedMetric, bounds, intervals, resampled_values
from mvmlm.evaluation.discrimination import weighted_auc
from mvmlm.evaluation.estimates import PERCENTILES
from mvmlm.evaluation.operating_points import RECALL_RATES, weighted_at_recall_rates
from mvmlm.evaluation.survival import concordance, weighted_concordance, weighted_uno_concordance
from mvmlm.evaluation.task_metrics import report_metrics
from mvmlm.tasks import TASK

SEED, SHARE_OF_CANCERS = 1, 0.02
WOMEN, YEARS = 20_000, 5
FEWER_DRAWS = 1000  # of the metrics other than the AUC


def rows_patient_by_patient(patients: np.ndarray, draws: int) -> Iterator[np.ndarray]:
    """Yield the rows of each resample by putting together those of each drawn patient."""
    rows_of = [np.flatnonzero(patients == patient) for patient in np.unique(patients)]
    rng = np.random.default_rng(SEED)
    for _ in range(draws):
        yield np.concatenate([rows_of[index] for index in rng.integers(0, len(rows_of), len(rows_of))])


def auc_of_ranks(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the AUC of one resample from the ranks of its scores."""
    positive = labels.astype(bool)
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    cases = int(positive.sum())
    return float((ranks[positive].sum() - cases * (cases + 1) / 2) / (cases * (len(labels) - cases)))


def interval_before(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, draws: int) -> tuple[float, float]:
    """Return the interval of the AUC as it was computed up to 0.5.0."""
    values = [auc_of_ranks(labels[rows], scores[rows]) for rows in rows_patient_by_patient(patients, draws)]
    low, high = np.percentile(values, PERCENTILES)
    return float(low), float(high)


Found = TypeVar("Found")


def seconds(work: Callable[[], Found]) -> tuple[float, Found]:
    """Return how long some work takes, and what it gives."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def print_auc(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray, draws: int) -> None:
    """Print the seconds of both ways, and their intervals."""
    before, old = seconds(lambda: interval_before(labels, scores, patients, draws))
    after, new = seconds(lambda: intervals({"": weighted_auc(labels, scores)}, patients, SEED, draws)[""])
    print(f"AUC, {len(labels):,} breasts of {len(set(patients.tolist())):,} patients, {draws:,} resamples")
    print(f"  patient by patient   {before:8.2f} s   95 % interval {old[0]:.6f}–{old[1]:.6f}")
    print(f"  weights              {after:8.2f} s   95 % interval {new.low:.6f}–{new.high:.6f}")
    print(f"  {before / after:.0f} times faster")


def seconds_of_metric(metric: WeightedMetric, clusters: np.ndarray) -> float:
    """Return how long the interval of a metric takes."""
    return seconds(lambda: bounds(resampled_values({"": metric}, clusters, SEED, FEWER_DRAWS)[""]))[0]


def print_others(labels: np.ndarray, scores: np.ndarray, patients: np.ndarray) -> None:
    """Print the seconds of the other metrics of a binary task."""
    print(f"\nother metrics by weights, {FEWER_DRAWS:,} resamples of the same breasts")
    metrics = report_metrics(TASK["malignancy"], labels, scores[:, None])
    metrics[(f"rates at {len(RECALL_RATES)} recall rates",)] = weighted_at_recall_rates(labels, scores, RECALL_RATES)
    for names, metric in metrics.items():
        print(f"  {', '.join(names):45} {seconds_of_metric(metric, patients):8.2f} s")


def print_survival(rng: np.random.Generator) -> None:
    """Print the seconds of the concordances of many women."""
    years = np.minimum(rng.uniform(0, 60, WOMEN), rng.uniform(0, 2 * YEARS, WOMEN)).round(2)
    events, scores = (rng.random(WOMEN) < 0.03).astype(float), rng.random(WOMEN)
    print(f"\n{WOMEN:,} women, {int(events.sum()):,} cancers in their follow-up")
    alone, _ = seconds(lambda: concordance(years, events, scores))
    everybody, _ = seconds(lambda: concordance(years, np.ones(WOMEN), scores))
    print(
        f"  {'Harrell C, once':45} {alone:8.2f} s\n  {'Harrell C, once, were all of them events':45} {everybody:8.2f} s"
    )
    for name, metric in (
        ("Harrell C", weighted_concordance(years, events, scores)),
        ("Uno C", weighted_uno_concordance(years, events, scores, YEARS)),
    ):
        print(f"  {name + f', {FEWER_DRAWS:,} resamples':45} {seconds_of_metric(metric, np.arange(WOMEN)):8.2f} s")


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=5000)
    parser.add_argument("--draws", type=int, default=10_000)
    options = parser.parse_args()
    rng = np.random.default_rng(SEED)
    patients = np.repeat(np.arange(options.patients), 2)
    labels = (rng.random(len(patients)) < SHARE_OF_CANCERS).astype(float)
    scores = 1 / (1 + np.exp(4 - 2 * labels - rng.normal(0, 1, len(patients))))
    print_auc(labels, scores, patients, options.draws)
    print_others(labels, scores, patients)
    print_survival(rng)


if __name__ == "__main__":
    main()
