"""build() -> gr.Blocks: the pages, in order. Knows all of mvmlm; nothing in mvmlm knows it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")

import gradio as gr
from starlette.middleware import Middleware

from mvmlm.imaging.decoder import Decoder
from mvmlm.store.store import Store

from .about import about_page
from .finetune.page import train_page
from .privacy import PrivateFiles
from .read.page import read_page
from .viewer.pixel_server import PixelServer
from .worklist.exports import export_routes
from .worklist.page import ENTER_OPENS, worklist_page

MAX_UPLOAD = "2gb"
SESSION_SECONDS = 3600


def launch_options(pixels: PixelServer, store: Store) -> dict:
    """How the app is served: an open exam is shown to nobody but its visitor; kept exams are for everybody who may open the app."""
    return LAUNCH | {
        "app_kwargs": {"middleware": [Middleware(PrivateFiles)], "routes": [*pixels.routes(), *export_routes(store)]}
    }


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


class LoadOnce:
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


class ActivePredictor:
    """The predictor with the heads that are active now; made again only when others are."""

    def __init__(self, load: Callable, store: Store):
        self._base, self._store, self._key, self._made = LoadOnce(load), store, None, None
        self.start = self._base.start

    def __call__(self):
        from mvmlm.finetuning.head import with_active_heads

        base = self._base()
        key = tuple(head.id for head in self._store.heads.all(base.weights, active=True))
        if key != self._key:
            self._made, self._key = with_active_heads(base, self._store), key
        return self._made


def build(
    load_predictor: Callable, decoder: Decoder, pixels: PixelServer, store: Store, weights: str, lasting: bool = True
) -> gr.Blocks:
    """load_predictor: gives the Predictor; called once, at the first page view. pixels, store: also given to `launch_options`.

    weights: what a worker loads. lasting False: the page says that what is kept goes at the next restart.
    """
    predictor = ActivePredictor(load_predictor, store)
    with gr.Blocks(title="MV-MLM", fill_width=True, delete_cache=(600, SESSION_SECONDS)) as demo:
        gr.Markdown(
            "**MV-MLM**: multi-view mammography and language. **Research use only, not for diagnosis.** The bundled "
            "weights learned from phantoms, not from patients.",
            elem_id="research-only",
        )
        if not lasting:
            gr.Markdown(
                "**What is kept here lasts until the next restart of this Space, and everybody who opens it can see it.** Take your labels with you: Worklist, Out.",
                elem_id="not-lasting",
            )
        with gr.Tabs() as tabs:
            with gr.Tab("Read", id="read"):
                opens = read_page(predictor, decoder, pixels, store)
            with gr.Tab("Worklist", id="worklist") as worklist:
                worklist_page(store, weights, predictor, opens, tabs, worklist)
            with gr.Tab("Teach", id="teach"):
                train_page(store, weights, predictor)
            with gr.Tab("About", id="about"):
                about_page()
        demo.load(None, None, None, js=ENTER_OPENS, api_visibility="private")
        demo.load(predictor.start, api_visibility="private", show_progress="hidden")
    return demo.queue(max_size=64, default_concurrency_limit=2)
