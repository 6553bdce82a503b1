"""Figures of the drift watch as sentences."""

from __future__ import annotations

from .drift_figures import PeriodFigures, What


def sentence_of(what: What, figures: PeriodFigures, before: PeriodFigures) -> str:
    """Return a sentence on one thing in a period's figures, compared with the same group's before.

    Where there are too few exams or labels, the sentence says so.
    """
    where = f"In {figures.period}" if figures.period != "since" else "Since the reference period"
    exams = f"{figures.exams:,} exams" + _of_group(figures)
    if what == "events":
        return _events(where, figures)
    if figures.median is None:
        return f"{where} there were {exams}, too few to say more."
    if what == "unlike":
        if figures.unlike is None:
            return f"{where} whether exams{_of_group(figures)} are unlike known mammograms is measured for too few."
        earlier = _percent(before.unlike.share) if before.unlike else "there were too few exams"
        return (
            f"{where} {figures.unlike.count:,} of {figures.unlike.cases:,} exams{_of_group(figures)} "
            f"({_percent(figures.unlike.share)}) were unlike known mammograms; before {earlier}."
        )
    spread = f"{figures.lower.value:.2g} to {figures.upper.value:.2g}" if figures.lower and figures.upper else ""
    earlier = f"{before.median.value:.2g}" if before.median else "there were too few exams"
    return (
        f"{where} the median score of {exams} was {figures.median.value:.2g} (middle half {spread}); before {earlier}."
    )


def _events(where: str, figures: PeriodFigures) -> str:
    events = figures.events
    if events is None:
        return f"{where} too few exams{_of_group(figures)} have a label and a calibrated probability."
    return (
        f"{where} {events.observed:,} of {events.exams:,} exams{_of_group(figures)} with a label were positive; "
        f"the calibrated probabilities say {events.expected:.1f}."
    )


def _of_group(figures: PeriodFigures) -> str:
    return {"all": "", "vendor": f" of {figures.group}", "density": f" of density {figures.group}"}[figures.by]


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.1g} %"
