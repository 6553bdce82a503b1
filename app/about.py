"""The About page: what the loaded weights learned from, the check of a display, the model card and the sources."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr

from mvmlm.store.store import Store

from .display_check import display_check_section
from .markup import template
from .published_models import published_models_section
from .wiring import connect

if TYPE_CHECKING:
    from mvmlm.imaging.decoder import Decoder
    from mvmlm.inference.model_predictor import ModelPredictor
    from mvmlm.model.config import ModelRecord

ASSETS = Path(__file__).resolve().parent.parent / "assets"
_ABOUT = template("""\
<h2>About this model: {{ record.name }} {{ record.version }}</h2>
<ul>{% for line in lines %}<li>{{ line }}</li>{% endfor %}</ul>
""")


def about_page(
    get_predictor: Callable[[], ModelPredictor], store: Store, weights: str, tab: gr.Tab, decoder: Decoder
) -> None:
    """Lay out the page: the loaded weights, which are asked when `tab` is opened, the models of other groups, and the
    pages on the bundled weights. weights: what the worker loads."""
    loaded = gr.HTML(elem_id="about-model")
    published_models_section(store, weights, tab)
    display_check_section(decoder)
    for name in ("MODEL_CARD.md", "WOMEN.md", "SOURCES.md"):
        gr.Markdown(without_file_links((ASSETS / name).read_text(encoding="utf-8")))
    connect(tab.select, lambda: about_html(get_predictor().record), None, [loaded])


def without_file_links(text: str) -> str:
    """Return Markdown with the words alone of links to files of the checkout, which the app does not serve."""
    return re.sub(r"\[([^\]]+)\]\((?!https?://)[^)]*\)", r"\1", text)


def about_html(record: ModelRecord) -> str:
    """Return what the record of weights says of them as HTML; it may come from anybody."""
    from mvmlm.model.learned_from import about_lines

    return _ABOUT.render(record=record, lines=about_lines(record))
