"""The About page: what the model is, what it is not good for, whose pictures and weights these are."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

ASSETS = Path(__file__).resolve().parent.parent / "assets"


def about_page() -> None:
    gr.Markdown((ASSETS / "MODEL_CARD.md").read_text())
    gr.Markdown((ASSETS / "SOURCES.md").read_text())
