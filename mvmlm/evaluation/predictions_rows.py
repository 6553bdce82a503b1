"""The rows of a predictions table, each checked by itself; what is odd becomes one sentence for all its lines."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from ..datasets.columns import plain_number
from ..messages import plain_line
from .cases import FACTS, NUMBER_FACTS, TEST, VALIDATION, CaseKey

SHOWN_LINES, SHOWN_VALUES, LONGEST_VALUE = 5, 3, 40


class Row(NamedTuple):
    """A row of the table: its line, its case, and its cells. class_: "" for a question of yes and no."""

    line: int
    key: CaseKey
    task: str
    class_: str
    score: float
    label: str
    years: str
    event: str
    split: str
    model: str
    facts: dict[str, str]


class Problems:
    """What is odd about a table: kinds of problems, each with its lines and some of the values."""

    def __init__(self) -> None:
        self._lines: dict[str, list[int]] = {}
        self._values: dict[str, dict[str, None]] = {}

    def say(self, sentence: str) -> None:
        """Add a sentence that is about no line."""
        self._lines.setdefault(sentence, [])

    def add(self, line: int, reason: str, value: str = "") -> None:
        """Add a line with a problem. reason: a clause without the value, such as "the score is not a number"."""
        self._lines.setdefault(reason, []).append(line)
        values = self._values.setdefault(reason, {})
        if value and len(values) < SHOWN_VALUES:
            values[plain_line(value[:LONGEST_VALUE])] = None

    def sentences(self) -> list[str]:
        """Return one sentence for each kind of problem, in the order in which they were met."""
        return [self._sentence(reason, lines) for reason, lines in self._lines.items()]

    def _sentence(self, reason: str, lines: list[int]) -> str:
        if not lines:
            return reason
        shown = ", ".join(map(str, lines[:SHOWN_LINES]))
        more = f" and {len(lines) - SHOWN_LINES:,} more" if len(lines) > SHOWN_LINES else ""
        values = [f"“{value}”" for value in self._values.get(reason, {})]
        found = f" (found {', '.join(values)})" if values else ""
        return f"line{'s' if len(lines) > 1 else ''} {shown}{more}: {reason}{found}"


def read_row(line: int, cells: Mapping[str, str], has_split: bool, problems: Problems) -> Row | None:
    """Return a row of the table; None where something is odd about it, which is added to `problems`.

    has_split: whether the table has the column; without it every row is a test case.
    """
    row = {column: text.strip() for column, text in cells.items()}
    row["laterality"], row["view"] = row.get("laterality", "").upper(), row.get("view", "").upper()
    row["split"] = row.get("split", "").lower() if has_split else TEST
    odd = _oddity(row)
    if odd is not None:
        problems.add(line, f"{odd[0]}; left out", odd[1])
        return None
    key = CaseKey(row["patient"], row["exam"], row["laterality"], row["view"])
    return Row(
        line, key, row["task"], row.get("class", ""), _number(row["score"]), plain_number(row.get("label", "")),
        plain_number(row.get("years", "")), plain_number(row.get("event", "")), row["split"], row.get("model", ""),
        _facts(line, row, problems),
    )  # fmt: skip


def _facts(line: int, row: Mapping[str, str], problems: Problems) -> dict[str, str]:
    facts = {name: text for name in FACTS if (text := row.get(name, ""))}
    for name in NUMBER_FACTS:
        if name in facts and not math.isfinite(_number(facts[name])):
            problems.add(line, f"{name} is not a number; taken as unknown", facts.pop(name))
    return facts


def _oddity(row: Mapping[str, str]) -> tuple[str, str] | None:
    """What is odd about a row, as a clause and the value; None where nothing is."""
    for column in ("exam", "patient", "task"):
        if not row.get(column):
            return f"no {column}", ""
    if row["laterality"] not in ("", "R", "L"):
        return "laterality is not R, L or empty", row["laterality"]
    if row["view"] and not row["laterality"]:
        return "a view without laterality", row["view"]
    if row["split"] not in (TEST, VALIDATION):
        return f"split is not {TEST} or {VALIDATION}", row["split"] or "empty"
    score = row.get("score", "")
    return None if math.isfinite(_number(score)) else ("score is not a number", score or "empty")


def _number(text: str) -> float:
    try:
        return math.nan if "_" in text else float(text)  # Python reads 1_0 as 10
    except ValueError:
        return math.nan
