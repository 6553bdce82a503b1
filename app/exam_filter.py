"""The filter of exams that the controls of the Worklist and the Fine-tune page describe."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from mvmlm.store.readers import reader_here
from mvmlm.store.records import Filter
from mvmlm.store.store import Store

ANY = "any"


def filter_for_reader(store: Store, controls: Sequence[Any]) -> Filter:
    """Return the filter of the worklist's controls; one reader alone needs no name to see what he has read."""
    wanted = filter_from_controls(*controls)
    if wanted.seen_by is None:
        return wanted
    return wanted._replace(seen_by=reader_here(store.readings.readers(), wanted.seen_by))


def filter_from_controls(
    words: str | None = "",
    state: str | None = None,
    density: str | None = None,
    reader: str | None = None,
    disagreement: bool = False,
    order: str = "newest",
    since: str | None = "",
    until: str | None = "",
    score: str | float | None = "",
    in_list: int | None = None,
    show_answers: bool = True,
    reading_as: str | None = "",
) -> Filter:
    """Return the filter that the values of the controls describe.

    since, until: dates as YYYY-MM-DD; empty for no limit. score: between 0 and 1; empty for no limit. in_list: the
    number of a list of exams. show_answers: whether what reads state and what the model answered counts, and is shown,
    also of exams of which the reader `reading_as` has no final read. Raises ValueError for a date or score that cannot
    be read.
    """
    return Filter(
        words=words or "",
        state=_chosen(state),
        reader=_chosen(" ".join((reader or "").split())),
        density=_chosen(density),
        disagreement=bool(disagreement),
        order=order,
        since=_date(since),
        until=_date(until),
        score=_score(score),
        in_list=in_list or None,
        seen_by=None if show_answers else " ".join((reading_as or "").split()),
    )


def _chosen(value: str | None) -> str | None:
    return None if value in (ANY, "", None) else value


def _score(typed: str | float | None) -> float | None:
    """A typed score as a number."""
    text = str(typed or "").strip().replace(",", ".")
    try:
        score = float(text) if text else 0.0
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise ValueError(f"{typed!r} is not a score. Type it as 0.5, between 0 and 1.")
    return score or None


def _date(typed: str | None) -> str | None:
    """A typed date as DICOM writes it, YYYYMMDD."""
    typed = (typed or "").strip()
    try:
        return date.fromisoformat(typed).strftime("%Y%m%d") if typed else None
    except ValueError:
        raise ValueError(f"{typed!r} is not a date. Type it as 2024-01-31.") from None
