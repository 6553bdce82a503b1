"""Boxes that a button opens beneath itself: what a page needs now and then, mounted from the start (`popovers.js`)."""

from __future__ import annotations

import gradio as gr


def opener(name: str, title: str) -> gr.Button:
    """Lay out the button that opens and closes the box `name`."""
    return gr.Button(
        title, size="sm", elem_id=f"{name}-opener", elem_classes="opener", scale=0, min_width=24 + 8 * len(title)
    )


def popover(name: str) -> gr.Column:
    """Return the column for the content of the box `name`; it is closed at the start."""
    return gr.Column(elem_id=f"{name}-box", elem_classes="popover")
