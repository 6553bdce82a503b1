"""The About page: the model card, and the sources of pictures and weights."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def about_page() -> None:
    """Lay out the page: the model card and the sources."""
    gr.Markdown((ASSETS / "MODEL_CARD.md").read_text(encoding="utf-8"))
    gr.Markdown((ASSETS / "SOURCES.md").read_text(encoding="utf-8"))
