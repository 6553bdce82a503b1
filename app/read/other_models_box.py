"""The menu of other models on the page "Model", and the place of what they say."""

from __future__ import annotations

from typing import NamedTuple

import gradio as gr


class OtherModelsBox(NamedTuple):
    """Other models, asked about the open exam on request.

    asked, done: hidden, the number of a request and, once it is computed, the same number.
    """

    chosen: gr.CheckboxGroup
    ask: gr.Button
    asked: gr.Textbox
    done: gr.Textbox
    answers: gr.HTML


def lay_out_other_models() -> OtherModelsBox:
    """Lay out the menu."""
    with gr.Column(elem_id="others-box"):
        gr.HTML("<h3>Other models on this exam, side by side</h3>")
        chosen = gr.CheckboxGroup([], show_label=False, elem_id="other-models")
        ask = gr.Button("Ask them", size="sm", elem_id="ask-others")
        gr.HTML('<p class="small">More models of other groups can be fetched on the page “About”.</p>')
        asked = gr.Textbox(visible="hidden", elem_id="others-asked")
        done = gr.Textbox(visible="hidden", elem_id="others-done")
        answers = gr.HTML(elem_id="others-answers")
    return OtherModelsBox(chosen, ask, asked, done, answers)
