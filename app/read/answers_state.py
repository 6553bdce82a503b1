"""What is shown in place of the model's answers: they are being computed, sealed, or could not be computed."""

from __future__ import annotations

from ..markup import template
from .visit import Visit

HIDDEN = "The model’s answers are hidden: read first, then ask."

_STATE = template('<p class="model-state {{ state }}" role="status">{{ line }}</p>')
READING = _STATE.render(state="reading", line="The model reads the exam…")
SEALED = _STATE.render(state="sealed", line=HIDDEN)
FAILED = _STATE.render(
    state="wrong",
    line="The model could not read this exam. “Show the model’s answers” tries it again; the log of the program says "
    "what went wrong.",
)
PROBLEM = template('<p class="quality">{{ line }}</p>')


def is_sealed(visit: Visit, at_once: bool) -> bool:
    """Whether nothing of what the model says of the open exam may be shown yet.

    at_once: the reader always sees it; that does not hold for an exam that is being read, nor in a reading session.
    """
    read = visit.read is not None or (visit.open_list is not None and visit.open_list.session is not None)
    return not (visit.answers_requested or (at_once and not read))
