"""The main metric in subgroups of the cases: by density, age, vendor, views, and the lesion's type and size."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..tasks import Kind
from .bootstrap import intervals
from .cases import LESION_FACTS, NUMBER_FACTS, TaskCases
from .estimates import Estimate
from .task_metrics import MAIN_METRIC, weighted_main_metric

FEWEST_OF_GROUP = 20  # cases below which a subgroup has no value
FEWEST_OF_CLASS = 10  # cases of the rarer class, or cancers, below which a value means little
OLDEST_DECADE, YOUNGEST_DECADE = 80, 40
SIZES_MM = (10.0, 20.0)  # the bounds between the groups of lesion sizes


class Subgroup(NamedTuple):
    """The main metric in one subgroup.

    name: such as "density: C". estimate: None where the group is too small; then `reason` says so.
    """

    name: str
    cases: int
    positives: int
    estimate: Estimate | None
    reason: str


def subgroup_rows(facts: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each subgroup, such as "density: C", and its rows (n,) bool; ages go by decades.

    facts: of each of the n cases. A case without the fact is in none of its groups.
    """
    for fact in dict.fromkeys(name for case in facts for name in case):
        values = np.array([group_name(fact, case.get(fact) or "") for case in facts])
        for value in sorted(set(values.tolist()) - {""}):
            yield f"{fact}: {value}", values == value


def group_name(fact: str, value: str) -> str:
    """Return the group of a value: the decade of an age, the range of a lesion's size, else the value itself.

    "" for a number that is not finite.
    """
    try:
        number = float(value)
    except ValueError:
        return value
    if fact in NUMBER_FACTS and not math.isfinite(number):
        return ""
    if fact == "age":
        decade = int(number // 10 * 10)
        if decade < YOUNGEST_DECADE:
            return f"{YOUNGEST_DECADE - 1} and below"
        return f"{OLDEST_DECADE} and over" if decade >= OLDEST_DECADE else f"{decade} to {decade + 9}"
    if fact == "lesion_size":
        lower, upper = SIZES_MM
        if number <= lower:
            return f"{lower:g} mm and less"
        return f"{lower:g}+ to {upper:g} mm" if number <= upper else f"{upper:g}+ mm"
    return value


def subgroup_results(cases: TaskCases, seed: int, draws: int) -> tuple[Subgroup, ...]:
    """Return the main metric in every subgroup, with intervals that resample patients.

    A group of a lesion's type or size holds its positive cases and all negative ones, which have no lesion. A group
    with fewer than FEWEST_OF_GROUP cases, or FEWEST_OF_CLASS of a class, has the reason in place of a value.
    """
    found = []
    for name, rows in subgroup_rows(cases.facts):
        if name.split(":")[0] in LESION_FACTS and cases.task.kind is Kind.BINARY:
            rows = (rows & cases.positive) | ~cases.positive
        found.append(_result(name, cases.chosen(rows), seed, draws))
    return tuple(found)


def _result(name: str, group: TaskCases, seed: int, draws: int) -> Subgroup:
    positives = int(group.positive.sum())
    rarer = min(positives, len(group) - positives) if group.task.kind is Kind.BINARY else positives
    if len(group) < FEWEST_OF_GROUP or rarer < FEWEST_OF_CLASS:
        counted = "" if group.task.kind is Kind.MULTICLASS else f", {positives} positive"
        return Subgroup(name, len(group), positives, None, f"{group.level.counted(len(group))}{counted}: too few")
    main = MAIN_METRIC[group.task.kind]
    metric = weighted_main_metric(group.task, group.labels, group.scores)
    return Subgroup(name, len(group), positives, intervals({main: metric}, group.patients, seed, draws)[main], "")
