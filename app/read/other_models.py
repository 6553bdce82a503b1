"""Event handlers of the other models: which there are, and what they say of the open exam, side by side with ours.

They take seconds for an exam, so they are asked in a lane of their own: `ask` says for which exam, `compute` runs the
models, and `show` brings the table, unless another exam is open by then.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from mvmlm.exam import Exam
from mvmlm.imaging.preprocess import NoBreast
from mvmlm.messages import error_message

from ..event_queue import owner
from ..markup import template
from .answers_state import HIDDEN, is_sealed
from .compared_answers import Asked, compared_html
from .exam_events import Updates
from .model_events import OPEN_FIRST, prevalence_by_task
from .other_predictors import OtherPredictors
from .visit import Visit

if TYPE_CHECKING:
    from mvmlm.inference.prediction import Prediction

MOST_ASKED = 20  # requests of all visitors whose exams are held
PATIENCE = "A large model takes up to a minute on two cores; you can go on reading meanwhile."
NONE_CHOSEN = "Choose at least one model."
_LINE = template('<p class="model-state {{ state }}" role="status">{{ line }}</p>')


@dataclass(eq=False)
class Request:
    """What a visitor asked of which models. done: their answers, once they are there."""

    owner: str
    token: str | None
    exam: Exam
    own: Prediction
    names: tuple[str, ...]
    for_processing: bool
    done: list[Asked] | None = None


class OtherModelEvents:
    """Event handlers of the menu of other models."""

    def __init__(self, predictors: OtherPredictors):
        self._predictors, self._lock = predictors, threading.Lock()
        self._requests: OrderedDict[str, Request] = OrderedDict()

    def choices(self) -> gr.CheckboxGroup:
        """Return an update for the menu: the models on this machine, those that were fetched meanwhile among them."""
        return gr.CheckboxGroup(choices=self._predictors.choices())

    def ask(
        self, token: str | None, names: Sequence[str] | None, visit: Visit, at_once: bool, request: gr.Request
    ) -> Updates:
        """Return the number of the request, "" where there is none, and an update for the place of the answers."""
        visit = visit.of_event(token, request)
        problem = ""
        if visit.prediction is None or visit.exam is None or visit.asked is None:
            problem = OPEN_FIRST
        elif is_sealed(visit, at_once):
            problem = HIDDEN
        elif not names:
            problem = NONE_CHOSEN
        if problem:
            return "", _LINE.render(state="sealed", line=problem)
        assert visit.exam and visit.prediction and visit.asked and names  # what was checked above
        number = secrets.token_hex(8)
        asked = Request(
            owner(request, request.session_hash), token, visit.exam, visit.prediction, tuple(names),
            visit.asked.score_for_processing,
        )  # fmt: skip
        with self._lock:
            self._requests[number] = asked
            while len(self._requests) > MOST_ASKED:
                self._requests.popitem(last=False)
        titles = {name: title for title, name in self._predictors.choices()}
        line = f"{', '.join(titles.get(name, name) for name in names)}: reading the exam. {PATIENCE}"
        return number, _LINE.render(state="reading", line=line)

    def compute(
        self, number: str | None, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> str | dict[str, Any]:
        """Ask each model of a request in turn; return the number of the request when it is done."""
        asked = self._request(number, request)
        if asked is None or asked.done is not None:
            return gr.skip()
        titles = {name: title for title, name in self._predictors.choices()}
        done = [Asked(asked.own.model, asked.own)]
        for index, name in enumerate(asked.names):
            title = titles.get(name, name)
            progress(index / len(asked.names), desc=title)
            done.append(self._ask_one(title, name, asked))
        asked.done = done
        return number or ""

    def _ask_one(self, title: str, name: str, asked: Request) -> Asked:
        """What one model says; a sentence where it cannot read the exam."""
        try:
            predictor, start = self._predictors.get(name), time.monotonic()
            prediction = predictor.predict(asked.exam, score_for_processing=asked.for_processing)
        except NoBreast as error:
            return Asked(title, None, f"Not assessed: {error}.")
        except (OSError, ValueError, RuntimeError, ImportError, FloatingPointError, MemoryError) as error:
            return Asked(title, None, error_message(error))
        return Asked(title, prediction, seconds=time.monotonic() - start)

    def show(
        self,
        token: str | None,
        number: str | None,
        visit: Visit,
        at_once: bool,
        request: gr.Request,
        *per_1000: float | None,
    ) -> str | dict[str, Any]:
        """Return the table of a request that is done as HTML, if its exam is still the open one; then forget it."""
        asked, visit = self._request(number, request), visit.owned_by(request)
        if asked is None or asked.done is None or not visit.shows(token) or asked.token != token:
            return gr.skip()
        if is_sealed(visit, at_once):
            return _LINE.render(state="sealed", line=HIDDEN)
        with self._lock:
            self._requests.pop(number or "", None)
        return compared_html(asked.done, prevalence_by_task(per_1000))

    def _request(self, number: str | None, request: gr.Request) -> Request | None:
        """A request of this visitor by its number."""
        with self._lock:
            asked = self._requests.get(number or "")
        return asked if asked is not None and asked.owner == owner(request, request.session_hash) else None
