"""What the server says of open views besides their pixels: technique factors, and what files show of the rules.

Both are for the visitor who opened the exam, are asked for by hand, and stay in no cache.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.responses import JSONResponse

from mvmlm.exam import View
from mvmlm.imaging.display_check import RULES, check_display, verdict_of
from mvmlm.imaging.technique import technique_factors

_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


def technique_response(view: View) -> JSONResponse:
    """Return every technique factor of a view as [{name, value}], in the order in which they are shown."""
    return JSONResponse([factor._asdict() for factor in technique_factors(view)], headers=_HEADERS)


def display_response(views: Sequence[View]) -> JSONResponse:
    """Return what the views show of each rule of docs/display.md, without what has to be drawn."""
    found = check_display(views)
    rules = [
        {
            "rule": rule,
            "title": title,
            "verdict": verdict_of(rule, found).value,
            "files": [checked.to_json() for checked in found if checked.rule == rule],
        }
        for rule, title in RULES.items()
    ]
    return JSONResponse({"rules": rules}, headers=_HEADERS)
