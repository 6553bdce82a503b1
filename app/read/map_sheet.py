"""The sheet of all maps: every answered task on every view at once, as small pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from markupsafe import Markup

from mvmlm.exam import STANDARD_VIEWS, Laterality, View, ViewName
from mvmlm.inference.map_methods import DEFAULT_METHOD, FLOOR, METHODS, SCALE_NOTE, method_named

from .. import pictures
from ..markup import template

if TYPE_CHECKING:
    from mvmlm.imaging.preprocess import ModelInput
    from mvmlm.inference.prediction import Prediction, Target

ROWS = 400  # of a whole view as a small picture
TICKS = (FLOOR, 0.25, 0.5, 0.75, 1.0)


class SmallMap(NamedTuple):
    """A map over a small picture of a view. uri: the picture as a data URI, "" for a view that was not read."""

    view: str
    uri: str


@dataclass(frozen=True, eq=False)
class SmallBreast:
    """A view as a small picture, to be cut to its breast.

    grey: (rows, columns) uint8 of the whole view. crop: left, top, right, bottom of the breast in it. frame: (rows,
    columns) of the picture that is shown, the same for every view of the exam.
    """

    view: View
    grey: np.ndarray
    crop: tuple[int, int, int, int]
    frame: tuple[int, int]

    @property
    def rows(self) -> int:
        """The height of the whole view."""
        return self.grey.shape[0]

    def with_map(self, heat: np.ndarray, threshold: float, colours: str) -> np.ndarray:
        """Return the breast with a map as it hangs, (frame, 3) uint8 RGB; right and left meet at the chest wall."""
        left, top, right, bottom = self.crop
        part = pictures.overlaid(self.grey[top:bottom, left:right], heat[top:bottom, left:right], threshold, colours)
        hung = pictures.hung(part, self.view)
        rows, columns = self.frame
        shown = np.zeros((rows, columns, 3), np.uint8)
        above = (rows - hung.shape[0]) // 2
        of_right = self.view.name is not None and self.view.name.laterality is Laterality.RIGHT
        beside = columns - hung.shape[1] if of_right else 0
        shown[above : above + hung.shape[0], beside : beside + hung.shape[1]] = hung
        return shown


def _small_breasts(views: Mapping[ViewName, View], given: Mapping[ViewName, ModelInput]) -> dict[ViewName, SmallBreast]:
    """The small pictures of views, all at one scale."""
    most = max((view.rows for view in views.values()), default=1)
    grey, crops = {}, {}
    for name, view in views.items():
        rows = min(view.rows, max(1, round(ROWS * view.rows / most)))
        grey[name] = pictures.small_grey(view, rows)
        crops[name] = given[name].geometry.reduced(rows).crop
    sizes = [(bottom - top, right - left) for left, top, right, bottom in crops.values()]
    frame = (max((rows for rows, _ in sizes), default=1), max((columns for _, columns in sizes), default=1))
    return {name: SmallBreast(views[name], grey[name], crops[name], frame) for name in views}


SCALE = template("""\
<div class="map-scale" role="img" aria-label="Scale of the map from {{ ticks[0] }} to 1">
<div style="background: linear-gradient(to right, {{ bar }})"></div>
<span>{% for tick in ticks %}<i>{{ tick }}</i>{% endfor %}</span>
</div>
""")

_SHEET = template("""\
<div class="maps-sheet" role="dialog" aria-label="All maps of this exam">
<header><h3>All maps</h3>{{ scale }}<button type="button" class="close-maps">Close (Esc)</button></header>
<div class="cards">
{% for title, empty, maps in cards %}
<section><h4>{{ title }}{% if empty %}<small>empty: no place of {{ lowest }} or more</small>{% endif %}</h4>
<div class="views">
{% for map in maps %}
<figure>{% if map.uri %}<img src="{{ map.uri }}" alt="{{ map.view }}, map of {{ title }}">{% endif %}
<figcaption>{{ map.view }}{% if not map.uri %}: not read{% endif %}</figcaption></figure>
{% endfor %}
</div></section>
{% endfor %}
</div>
<p>{{ note }} {{ shows }} Not lesion outlines; a convincing map can belong to a wrong answer. ({{ model }})</p>
</div>
""")


def scale_html(colours: str) -> str:
    """Return the colour bar of a map with its absolute scale, as HTML."""
    return SCALE.render(bar=pictures.colour_bar(colours), ticks=[f"{tick:g}" for tick in TICKS])


def quick_method(method: str) -> str:
    """Return the method of the sheet: the one that is chosen, or the default one in place of a slow one."""
    return DEFAULT_METHOD if method not in METHODS or METHODS[method].slow else method


def sheet_html(
    prediction: Prediction,
    evidence: Mapping[Target, Mapping[ViewName, np.ndarray]],
    threshold: float,
    colours: str,
    method: str,
) -> str:
    """Return the sheet as HTML. evidence: of `map_evidence`. threshold: lower values stay clear. method: its name."""
    from mvmlm.inference.explain import reduced_map

    given = prediction.encoding.inputs
    breasts = _small_breasts({name: view for name, view in prediction.exam.views.items() if name in given}, given)
    cards = []
    for target, by_view in evidence.items():
        heat = {name: reduced_map(by_view[name], given[name], breast.rows) for name, breast in breasts.items()}
        maps = [
            SmallMap(
                str(name).replace("_", " "),
                pictures.jpeg_uri(breasts[name].with_map(heat[name], threshold, colours)) if name in breasts else "",
            )
            for name in STANDARD_VIEWS
        ]
        cards.append((str(target), not any(found.any() for found in heat.values()), maps))
    return _SHEET.render(
        cards=cards,
        scale=Markup(scale_html(colours)),
        lowest=FLOOR,
        note=SCALE_NOTE,
        shows=method_named(method).shows,
        model=f"{prediction.model} {prediction.version}",
    )
