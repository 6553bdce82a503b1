"""What follow-up says about an event within so many years, when some women's follow-up ended earlier."""

from __future__ import annotations

import numpy as np


def still_followed(years: np.ndarray, events: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the probability that follow-up does not end before a time, for each time in `at`; of the shape of `at`.

    The Kaplan-Meier estimate with the end of follow-up in the place of the event, just before each time. Of an event
    and an end of follow-up at the same time, the event is the earlier. years, events: (n,), as in `FollowedRisks`.
    """
    ends, ended = np.unique(years[events == 0], return_counts=True)
    of_events = np.sort(years[events == 1])
    at_risk = len(years) - np.searchsorted(np.sort(years), ends, "left")  # reached this time
    at_risk = at_risk - (np.searchsorted(of_events, ends, "right") - np.searchsorted(of_events, ends, "left"))
    remaining = np.concatenate([[1.0], np.cumprod(1 - ended / at_risk)])
    return remaining[np.searchsorted(ends, at, "left")]


def known_outcomes(years: np.ndarray, events: np.ndarray, horizon: int) -> tuple[np.ndarray, np.ndarray]:
    """Return whether the event came within 1, 2, ... years, and the weight of that knowledge, both (n, horizon).

    A woman counts for a year if she had the event by then or was followed that long; else her weight is 0. Those who
    count stand for those whose follow-up ended: their weight is one over the probability of being followed until their
    event or that year (inverse probability of censoring; Graf et al., 1999). It takes the end of follow-up as unrelated
    to the risk.
    """
    by_year = np.arange(1, horizon + 1)
    outcomes = (events == 1)[:, None] & (years[:, None] <= by_year)
    followed = years[:, None] >= by_year
    until = np.minimum(years[:, None], by_year)
    weights = np.where(outcomes | followed, 1 / still_followed(years, events, until), 0.0)
    return outcomes.astype(float), weights
