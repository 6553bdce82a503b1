"""The viewer as one gr.HTML component: a static template that the built bundle fills in the browser.

The template holds no value, because Gradio runs a template as code (see app/markup.py). Names and texts of files arrive
as data and are set with textContent. Pixels come from the routes of `pixel_server.PixelServer`, never through an event.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from mvmlm.reading.reading import MARK_LABELS

_HERE = Path(__file__).parent


def four_up_viewer() -> gr.HTML:
    """Lay out the viewer. It raises the event `marked` with what `marks.parse_marks` takes.

    value: of `viewports.viewer_value`. Other properties: marks of `marks.redrawn`, maps {view name: layer of
    `pictures.map_layer`} and badges {view name: text}.
    """
    return gr.HTML(
        value={},
        marks={},
        maps={},
        badges={},
        mark_labels=list(MARK_LABELS),
        html_template='<div class="reading-room" role="group" aria-label="Mammograms"></div>',
        css_template=(_HERE / "viewer.css").read_text(encoding="utf-8"),
        js_on_load=(_HERE / "start.js").read_text(encoding="utf-8"),
        elem_id="viewer",
        apply_default_css=False,
    )
