"""The section of the page “About” on models of other groups: what there is, on which terms, and fetching one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gradio as gr
from gradio.events import Dependency

from mvmlm.published.catalogue import CATALOGUE, NOT_AVAILABLE
from mvmlm.published.download import model_file
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.supervisor import start_worker

from .jobs import JobEvents, lay_out_job_bar, owner_of
from .markup import problem, template
from .privacy import who_acts
from .wiring import connect

KINDS = ("fetch",)
CHOOSE = "Choose a model first."
_TABLE = template("""\
<table class="published"><thead><tr><th>Model</th><th>Answers</th><th>Learned from</th><th>Published figures</th>
<th>Licence</th></tr></thead><tbody>
{% for model, here in models %}
<tr id="published-{{ model.name }}"><th scope="row">{{ model.title }}<small>{{ "on this machine" if here else
"not fetched" ~ (", " ~ model.megabytes ~ " MB" if model.megabytes else "") }}</small></th>
<td>{{ model.answers }}</td><td>{{ model.trained_on }}</td><td>{{ model.figures }}</td>
<td>{{ model.licence }}. {{ model.terms }}</td></tr>
{% endfor %}
</tbody></table>
<p>Not to be had: {% for name, why in missing.items() %}{{ name }}: {{ why }}{{ "; " if not loop.last else "." }}\
{% endfor %}</p>
""")


class PublishedModels:
    """Event handlers of the section."""

    def __init__(self, store: Store, weights: str):
        """weights: what the worker loads for its other jobs."""
        self._store, self._weights = store, weights
        self.jobs = JobEvents(store, KINDS)

    def table(self) -> str:
        """Return the catalogue as HTML."""
        models = [(model, model_file(self._store.folder, name).is_file()) for name, model in CATALOGUE.items()]
        return _TABLE.render(models=models, missing=NOT_AVAILABLE)

    def terms(self, name: str | None) -> gr.Checkbox:
        """Return an update for the box that accepts the terms of a model; hidden where it has none."""
        terms = CATALOGUE[name].terms if name in CATALOGUE else ""
        return gr.Checkbox(False, label=f"I accept: {terms}" if terms else "", visible=bool(terms))

    def fetch(self, name: str | None, accepted: bool, request: gr.Request) -> tuple[Any, gr.Button, gr.Timer]:
        """Let the worker fetch a model; return the updates of the job's bar."""
        hidden = gr.Button(visible=False), gr.Timer(active=False)
        if name not in CATALOGUE:
            return problem(CHOOSE), *hidden
        model = CATALOGUE[name]
        if model_file(self._store.folder, name).is_file():
            return problem(f"{model.title} is on this machine already."), *hidden
        if model.terms and not accepted:
            return problem(f"{model.title} has terms. Read them, and accept them to fetch it."), *hidden
        try:
            self._store.jobs.add(
                "fetch", {"model": name, "accepted": bool(accepted)}, who_acts(request), owner_of(request)
            )
            start_worker(self._store, self._weights)
        except StoreError as error:
            return problem(error), *hidden
        return self.jobs.show(request)


def published_models_section(store: Store, weights: str, tab: gr.Tab) -> Dependency:
    """Lay out the section; return the event after which the table may have changed."""
    events = PublishedModels(store, weights)
    gr.Markdown("## Models of other groups")
    gr.Markdown(
        "Fetched from where their authors published them, checked, and converted on this machine. They are asked about "
        "an open exam on the page “Model”, and their answers stand side by side with ours."
    )
    table = gr.HTML(elem_id="published-models")
    with gr.Row():
        choices = [(model.title, name) for name, model in CATALOGUE.items()]
        name = gr.Dropdown(choices, value=None, label="Fetch", elem_id="fetch-model", scale=2)
        button = gr.Button("Fetch it", size="sm", elem_id="fetch", scale=1)
    accepted = gr.Checkbox(False, visible=False, label="", elem_id="accept-terms")
    bar = lay_out_job_bar("fetch", "Stop fetching")
    connect(name.input, events.terms, name, accepted)
    connect(button.click, events.fetch, [name, accepted], list(bar))
    events.jobs.connect(bar)
    for event in (tab.select, bar.job.change):
        refreshed: Callable[..., Dependency] = event
        connect(refreshed, events.table, None, table)
    return connect(tab.select, events.jobs.show, None, list(bar))
