"""The exam that follows the open one in its list, opened ahead: the reader goes on without a wait for its pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import gradio as gr

from mvmlm.imaging.decoder import Decoder, Step, Stopped
from mvmlm.imaging.load import NoExam
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store

from ..viewer.pixel_server import PixelServer
from ..viewer.viewports import describe, pictures_ahead
from ..visits import Visits
from .exam_list import following
from .opening import read_stored, stored_state
from .visit import StoredExam, Visit, predict

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor


class AheadEvents:
    """Opens the next exam of a list, and lets the model read it, while the reader looks at the open one.

    Nothing of it is on screen until its turn comes.
    """

    def __init__(
        self,
        decoder: Decoder,
        pixels: PixelServer,
        store: Store,
        visits: Visits,
        get_predictor: Callable[[], ModelPredictor],
        reads: SharedReads,
    ):
        self._decoder, self._pixels, self._store, self._visits = decoder, pixels, store, visits
        self._get_predictor, self._reads = get_predictor, reads

    def open_next(self, token: str | None, request: gr.Request) -> dict[str, Any] | gr.HTML:
        """Open the exam that follows, if there is memory to spare; return the update of the viewer that fetches it.

        An exam that cannot be opened is left for when it is its turn: then the reader is told why.
        """
        visit = self._visits.now_open(request)
        number = following(self._store, visit) if visit.shows(token) else None
        ahead = self._visits.take_ahead(number, request)
        if number is None or not visit.owner:
            return gr.skip()
        try:
            if ahead is None or ahead.state != stored_state(self._store, number):
                ahead = self._read(number, visit, request)
        except (NoExam, StoreError, Stopped):
            ahead = None
        finally:
            self._visits.end_reserve_ahead(request)
        if ahead is None or ahead.described is None:
            return gr.skip()
        kept = self._visits.keep_ahead(ahead, visit, request)
        return gr.HTML(ahead=pictures_ahead(ahead.described)) if kept else gr.skip()

    def _read(self, number: int, visit: Visit, request: gr.Request) -> StoredExam | None:
        """An exam of the store with the model's answers; None where its prior could not be opened with it."""
        reserve = partial(self._visits.reserve_ahead, request)
        exam = read_stored(self._store, number, self._while_open(visit, request), reserve)
        if exam.trouble:  # it may be opened when its turn comes, when there is more memory
            return None
        read, _ = predict(Visit(visit.owner, exam.exam), self._get_predictor(), False, self._reads)
        described = describe(exam.exam, self._pixels, visit.owner)
        return exam._replace(described=described, prediction=read.prediction, asked=read.asked)

    def _while_open(self, visit: Visit, request: gr.Request) -> Decoder:
        """A decoder that stops as soon as another exam is open on the page."""

        def advance(step: Step, done: int, count: int) -> None:
            if self._visits.now_open(request).exam is not visit.exam:
                raise Stopped

        return self._decoder.reporting(advance)
