"""The panel beside the pictures: pages of which one is shown, and the tabs that turn them.

These are no tabs of Gradio, which mounts the content of a tab when it is opened first: an event that wrote into a field
before would be lost, or would come back over what is typed then.
"""

from __future__ import annotations

import gradio as gr

PAGES = ("Findings", "Opinion", "Truth", "Report", "Model", "Ask", "Files")


def panel_tabs() -> gr.HTML:
    """Lay out the tabs. `panel.js` turns the page in the browser; the first one is shown at the start."""
    tabs = "".join(f'<button type="button" role="tab" data-page="{page.lower()}">{page}</button>' for page in PAGES)
    return gr.HTML(f'<div role="tablist" aria-label="Panel">{tabs}</div>', elem_id="panel-tabs")


def panel_page(title: str) -> gr.Column:
    """Return the column for a page of the panel. title: one of PAGES."""
    assert title in PAGES, title
    return gr.Column(elem_id=f"page-{title.lower()}", elem_classes="panel-page")
