"""Event handlers of the maps over the pictures: drawn at once, or by a slow method in a lane of their own.

A slow method runs the model many times. It runs beside the visitor's other events, one map of all visitors at a time,
says how much is done, and ends as soon as its page asks for another map or for none. What it has found is kept for the
page, so that another threshold or colour draws it again at once.
"""

from __future__ import annotations

import secrets
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from markupsafe import Markup

from mvmlm.exam import ViewName
from mvmlm.inference.map_methods import FLOOR, METHODS, SCALE_NOTE, method_named

from .. import pictures
from ..event_queue import owner
from ..markup import template
from .answers_state import SEALED, is_sealed
from .exam_events import Updates
from .map_sheet import quick_method, scale_html, sheet_html
from .visit import Visit

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.inference.prediction import Prediction, Target
    from mvmlm.model.encoding import Encoding

MOST_PAGES = 64  # whose slow maps are kept
COMPUTING = "is computed, which takes a while. Choose another method or switch the map off to stop it."

_NOTE = template("""\
<div class="map-note">
{{ scale_bar }}
<p>{% if empty %}Empty: no single place of these pictures has evidence of {{ lowest }} or more for {{ target }}; what
speaks for it is weak, or spread over the breast.
{% else %}What raised the score of {{ target }}.
{% endif %}{{ scale }}</p>
<p>{{ shows }} Not a lesion outline; a convincing map can belong to a wrong answer. ({{ model }})</p>
</div>
""")
_COMPUTING = template('<div class="map-note computing"><p>{{ line }}</p></div>')


class Superseded(Exception):
    """The page has asked for another map, or for none."""


@dataclass(eq=False)
class SlowMap:
    """A map by a slow method: what was asked for, and the evidence of each view once it is computed.

    request: its name in the page's hidden fields. encoding: only as long as the page has the exam open.
    """

    request: str
    encoding: weakref.ref[Encoding]
    target: Target
    method: str
    evidence: Mapping[ViewName, np.ndarray] | None = None

    def is_of(self, encoding: Encoding, target: Target, method: str) -> bool:
        """Whether it is the map of this target by this method."""
        return self.encoding() is encoding and (self.target, self.method) == (target, method)


class SlowMaps:
    """The slow map that each page has asked for last. Safe to share between threads."""

    def __init__(self) -> None:
        self._of_page: OrderedDict[tuple[str, str], SlowMap] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, request: gr.Request) -> SlowMap | None:
        """Return the map that the page of a request has asked for last."""
        with self._lock:
            return self._of_page.get(_page(request))

    def put(self, request: gr.Request, asked: SlowMap | None) -> None:
        """Keep the map that a page asks for; an earlier one of the page is not needed any more."""
        with self._lock:
            self._of_page.pop(_page(request), None)
            if asked is not None:
                self._of_page[_page(request)] = asked
            while len(self._of_page) > MOST_PAGES:
                self._of_page.popitem(last=False)


def _page(request: gr.Request) -> tuple[str, str]:
    return owner(request, request.session_hash), request.session_hash or ""


class MapEvents:
    """Event handlers of the maps."""

    def __init__(self, get_predictor: Callable[[], ModelPredictor]):
        self._get_predictor, self.slow = get_predictor, SlowMaps()

    def draw_maps(
        self,
        token: str | None,
        show: bool,
        target_name: str | None,
        threshold: float,
        colours: str,
        method: str,
        at_once: bool,
        visit: Visit,
        request: gr.Request,
    ) -> Updates | dict[str, Any]:
        """Return updates for the viewer, the note on the map, and the name of a slow map that is to be computed.

        at_once: the reader always sees the model's answers; otherwise there is no map before he asked for them.
        """
        visit = visit.owned_by(request)
        if not visit.shows(token):
            return gr.skip()
        if show and is_sealed(visit, at_once):
            self.slow.put(request, None)
            return gr.HTML(maps={}), SEALED, ""
        prediction = visit.prediction
        target = self._target(target_name, visit, prediction) if show and prediction else None
        if prediction is None or target is None or method not in METHODS:
            self.slow.put(request, None)
            return gr.HTML(maps={}), "", ""
        evidence = self._evidence(prediction, target, method, request)
        if isinstance(evidence, str):
            line = f"The map of {target} by {METHODS[method].title} {COMPUTING}"
            return gr.HTML(maps={}), _COMPUTING.render(line=line), evidence
        layers, empty = map_layers(prediction, evidence, threshold, colours)
        return gr.HTML(maps=layers), map_note(prediction, target, method, colours, empty), ""

    def all_maps(
        self,
        token: str | None,
        threshold: float,
        colours: str,
        method: str,
        at_once: bool,
        visit: Visit,
        request: gr.Request,
    ) -> str:
        """Return the sheet of the maps of every answered task as HTML; a slow method gives way to the default one."""
        from mvmlm.inference.explain import leading_targets

        visit = visit.of_event(token, request)
        prediction = visit.prediction
        if prediction is None or is_sealed(visit, at_once):
            return ""
        targets = [target for target in leading_targets(prediction) if target.task not in prediction.not_learned]
        method = quick_method(method)
        evidence = self._get_predictor().map_evidence(prediction.encoding, targets, method) if targets else {}
        return sheet_html(prediction, evidence, threshold, colours, method)

    def _evidence(
        self, prediction: Prediction, target: Target, method: str, request: gr.Request
    ) -> Mapping[ViewName, np.ndarray] | str:
        """The evidence of each view, or the request of a slow map that is still to be computed."""
        if not method_named(method).slow:
            self.slow.put(request, None)
            return self._get_predictor().map_evidence(prediction.encoding, [target], method)[target]
        asked = self.slow.get(request)
        if asked is None or not asked.is_of(prediction.encoding, target, method):
            asked = SlowMap(secrets.token_hex(8), weakref.ref(prediction.encoding), target, method)
            self.slow.put(request, asked)
        return asked.request if asked.evidence is None else asked.evidence

    def compute_slow_map(
        self, name: str | None, request: gr.Request, progress: gr.Progress = gr.Progress()
    ) -> Updates | dict[str, Any]:
        """Compute the slow map that a page has asked for; return updates for the note and for the name of what is done.

        name: the request, "" where nothing is to be computed.
        """
        asked = self.slow.get(request)
        encoding = asked.encoding() if asked is not None else None
        if asked is None or encoding is None or asked.request != name or asked.evidence is not None:
            return gr.skip()

        def still_wanted(share: float) -> None:
            if self.slow.get(request) is not asked:
                raise Superseded
            progress(share, desc=METHODS[asked.method].title)

        try:
            found = self._get_predictor().map_evidence(encoding, [asked.target], asked.method, still_wanted)
        except Superseded:
            return gr.skip()
        asked.evidence = found[asked.target]
        return gr.skip(), asked.request

    def _target(self, name: str | None, visit: Visit, prediction: Prediction) -> Target | None:
        from mvmlm.inference.explain import all_targets
        from mvmlm.inference.prediction import Target

        answering = self._get_predictor().for_exam(prediction.encoding)
        targets = {str(t): t for t in all_targets(answering) if t.task not in prediction.not_learned}
        targets |= {f"“{prompt}”": Target(None, prompt) for prompt in visit.prompts}
        return targets.get(name or "")


def map_layers(
    prediction: Prediction, evidence: Mapping[ViewName, np.ndarray], threshold: float, colours: str
) -> tuple[dict[str, str], bool]:
    """Return the layer of each view by its name, and whether all of them are empty."""
    from mvmlm.inference.explain import to_source

    layers, empty = {}, True
    for name, found in evidence.items():
        heat = to_source(found, prediction.encoding.inputs[name])
        empty = empty and not heat.any()
        layers[str(name)] = pictures.map_layer(heat, prediction.exam.views[name], threshold, colours)
    return layers, empty


def map_note(prediction: Prediction, target: Target, method: str, colours: str, empty: bool) -> str:
    """Return the scale of a map as a colour bar with its numbers, what it shows, and by which method and model."""
    return _NOTE.render(
        scale_bar=Markup(scale_html(colours)), lowest=FLOOR, empty=empty,
        target=target, scale=SCALE_NOTE, shows=method_named(method).shows,
        model=f"{prediction.model} {prediction.version}",
    )  # fmt: skip
