"""The times of a store: UTC, ISO 8601, to the millisecond, so that they sort as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["ago", "as_stored", "later_than", "now"]


def as_stored(time: datetime) -> str:
    """Return a time with a time zone as a store writes it. Raises OverflowError for one that has no UTC date."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds")


def now() -> str:
    """Return the time now."""
    return as_stored(datetime.now(UTC))


def ago(span: timedelta) -> str:
    """Return the time so long ago."""
    return as_stored(datetime.now(UTC) - span)


def later_than(*earlier: str | None) -> str:
    """Return the time now, or a millisecond after the last of `earlier` where the clock is not past it.

    The order of two events is read from their times: it must not depend on a fast program, or on a clock that was set
    back. None is left out.
    """
    after = (as_stored(datetime.fromisoformat(time) + timedelta(milliseconds=1)) for time in earlier if time)
    return max(now(), *after)
