"""The four-up viewer as one gr.HTML component: a static template, filled in the browser by four_up.js.

The template holds no value, for a template is code (see app/markup.py): names and file texts arrive as data and
are set with textContent.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr

_HERE = Path(__file__).parent


def four_up_viewer() -> gr.HTML:
    """value: the viewports of `pictures.four_up`; prop maps: {view name: layer} of `pictures.map_layer`."""
    return gr.HTML(
        value=[],
        maps={},
        html_template='<div class="four-up" role="group" aria-label="Mammograms"></div><div class="extra-views"></div>',
        css_template=(_HERE / "four_up.css").read_text(),
        js_on_load=(_HERE / "four_up.js").read_text(),
        elem_id="viewer",
        apply_default_css=False,
    )
