"""The model's answers on the page "Model", and the shares at which calibrated answers are given."""

from __future__ import annotations

from typing import NamedTuple

import gradio as gr

from .model_events import BINARY


class ModelPanel(NamedTuple):
    """The model's answers, hidden until the reader asks. prevalences: one number for each task of BINARY."""

    show: gr.Button
    at_once: gr.Checkbox
    quality: gr.HTML
    answers: gr.HTML
    risk: gr.Plot
    prevalences: list[gr.Number]


def lay_out_model() -> ModelPanel:
    """Lay out the answers and what they depend on."""
    show = gr.Button("Show the model’s answers", variant="primary", elem_id="show-model")
    at_once = gr.Checkbox(False, label="Always show them at once", elem_id="at-once")
    quality = gr.HTML(elem_id="quality")  # below everything that can be clicked before the model has read the exam
    answers = gr.HTML(elem_id="answers")
    risk = gr.Plot(show_label=False, visible=False, elem_id="risk")
    with gr.Accordion("How often it is found where you read", open=False, elem_id="prevalence"):
        gr.Markdown("How many of 1,000 breasts have it? A calibrated answer is given for this share.")
        with gr.Row():
            prevalences = [
                gr.Number(task.prevalence, label=f"{task.title}, of 1,000", minimum=0.1, maximum=900, min_width=120)
                for task in BINARY
            ]
    return ModelPanel(show, at_once, quality, answers, risk, prevalences)
