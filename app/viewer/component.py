"""The viewer as one gr.HTML component: a static template that the built bundle fills in the browser.

The template holds no value, because Gradio runs a template as code (see app/markup.py). Names and texts of files arrive
as data and are set with textContent. Pixels come from the routes of `pixel_server.PixelServer`, never through an event.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from mvmlm.reading.form import FINDING_FIELDS
from mvmlm.reading.reading import MARK_LABELS
from mvmlm.report.lexicon import KIND_FIELDS

_HERE = Path(__file__).parent


def four_up_viewer() -> gr.HTML:
    """Lay out the viewer. It raises `placed` with what `read.visit.place_nipple` takes, `marked` with what
    `read.visit.drawn_reading` takes, and `chosen` and `edited` with what `read.finding_edits` takes.

    value: of `viewports.viewer_value`. Other properties: ahead of `viewports.pictures_ahead`, marks of
    `marks.redrawn`, maps {view name: layer of `pictures.map_layer`}, badges {view name: text}, others of
    `read.others_marks.others_value`, and what is asked at a mark: its kind and that kind's descriptors. It raises
    `others` where the reader asks for the marks of other programs.
    """
    return gr.HTML(
        value={},
        ahead=[],
        marks={},
        maps={},
        badges={},
        others={},
        mark_labels=list(MARK_LABELS),
        descriptors=[
            {"name": field.name, "title": field.title, "kind": kind, "choices": list(field.choices)}
            for kind, names in KIND_FIELDS.items()
            for field in FINDING_FIELDS
            if field.name in names
        ],
        html_template='<div class="reading-room" role="group" aria-label="Mammograms"></div>',
        css_template=(_HERE / "viewer.css").read_text(encoding="utf-8"),
        js_on_load=(_HERE / "start.js").read_text(encoding="utf-8"),
        elem_id="viewer",
        apply_default_css=False,
    )
