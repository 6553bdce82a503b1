"""build() -> gr.Blocks: the pages, in order. Knows all of mvmlm; nothing in mvmlm knows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")

import gradio as gr
from starlette.middleware import Middleware

from mvmlm.decode import Decoder

from .about import about_page
from .privacy import PrivateFiles
from .read import read_page
from .viewer.shelf import Shelf

MAX_UPLOAD = "2gb"
SESSION_SECONDS = 3600


def launch_options(shelf: Shelf) -> dict:
    """How the app is served: nothing is kept, listed or shown to anybody but its visitor."""
    return LAUNCH | {"app_kwargs": {"middleware": [Middleware(PrivateFiles)], "routes": shelf.routes()}}


LAUNCH = {
    "js": "() => document.body.classList.add('dark')",  # a dark room: the pictures are the brightest thing on the page
    "css_paths": [Path(__file__).parent / "style.css"],
    "theme": gr.themes.Base(primary_hue="orange", neutral_hue="slate"),
    "max_file_size": MAX_UPLOAD,
    "allowed_paths": [],
    "show_error": False,
    "run_history": False,
    "enable_monitoring": False,
    "ssr_mode": False,
    "strict_cors": True,
    "footer_links": [],
}


class Once:
    """Calls a slow function once, in the background when `start` is called, and gives its result to everybody."""

    def __init__(self, load: Callable):
        self._load, self._lock, self._value, self._loaded = load, threading.Lock(), None, False

    def __call__(self):
        with self._lock:
            if not self._loaded:
                self._value, self._loaded = self._load(), True
            return self._value

    def start(self) -> None:
        threading.Thread(target=self, daemon=True).start()


def build(load_predictor: Callable, decoder: Decoder, shelf: Shelf) -> gr.Blocks:
    """load_predictor: gives the Predictor; called once, at the first page view. shelf: also given to `launch_options`."""
    predictor = Once(load_predictor)
    with gr.Blocks(title="MV-MLM", fill_width=True, delete_cache=(600, SESSION_SECONDS)) as demo:
        gr.Markdown(
            "**MV-MLM**: multi-view mammography and language. **Research use only, not for diagnosis.** The bundled "
            "weights learned from phantoms, not from patients.",
            elem_id="research-only",
        )
        with gr.Tab("Read"):
            read_page(predictor, decoder, shelf)
        with gr.Tab("About"):
            about_page()
        demo.load(predictor.start, api_visibility="private", show_progress="hidden")
    return demo.queue(max_size=64, default_concurrency_limit=2)
