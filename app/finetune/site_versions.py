"""What the parts of the page for a site's own versions share: a job that makes one, the list, and what is applied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from mvmlm.store.database import StoreError
from mvmlm.store.readers import clean_reader
from mvmlm.store.records import SiteVersion
from mvmlm.store.site_versions import SiteVersions
from mvmlm.store.store import Store
from mvmlm.supervisor import start_worker
from mvmlm.tasks import Kind, Level

from ..jobs import JobBar, JobEvents, lay_out_job_bar, owner_of
from ..markup import paragraph, problem
from ..wiring import connect

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor


class SiteJobEvents:
    """Starts a job on the scores of a task, and shows how far it is. weights: what the worker loads."""

    kind: str  # of the job

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        self.store, self._weights, self.get_predictor = store, weights, get_predictor
        self.jobs = JobEvents(store, (self.kind,))

    def queue(self, who: str, request: gr.Request | None, **settings: Any) -> list[Any]:
        """Queue a job with these settings; return a message and the updates of the job's bar."""
        try:
            name = clean_reader(who)
            self.store.jobs.add(self.kind, {**settings, "who": name}, name, owner_of(request))
            start_worker(self.store, self._weights)
            return ["", *self.jobs.show(request)]
        except StoreError as error:
            return refused(error)

    def state(self, stored: SiteVersion) -> str:
        """Return whether a version is applied, and why not where an applied one is not for what answers now."""
        from mvmlm.finetuning.site_versions import why_not_for  # imports torch, which takes seconds

        if not stored.active:
            return ""
        why = why_not_for(stored, self.get_predictor())
        return f" not applied now, since {why}" if why else " applied"

    def titles(self) -> dict[str, str]:
        """Return the title of each task, by name."""
        return {task.name: task.title for task in self.store.tasks}


class VersionEvents(SiteJobEvents, ABC):
    """The event handlers of versions of one kind."""

    versions: SiteVersions

    @abstractmethod
    def table(self, stored: Sequence[SiteVersion]) -> str:
        """Return the versions as HTML."""

    @abstractmethod
    def applied(self, title: str, number: int | None) -> str:
        """Return what is so from now on, a sentence without its end. number: None where none is applied."""

    def show(self) -> tuple[str, gr.Dropdown]:
        """Return the table of versions of the weights that are loaded, and the choice of them; what is chosen stays."""
        stored = self.versions.all(self.get_predictor().weights)
        titles = self.titles()
        choices = [(f"{found.id}: {titles.get(found.task, found.task)}", found.id) for found in stored]
        return self.table(stored), gr.Dropdown(choices=choices)

    def apply(self, who: str, number: int | None) -> str:
        """Apply a version from now on; return a message."""
        return self._change(who, number, on=True)

    def apply_none(self, who: str, number: int | None) -> str:
        """Apply none to the task of a version from now on; return a message."""
        return self._change(who, number, on=False)

    def _change(self, who: str, number: int | None, on: bool) -> str:
        if number is None:
            noun = self.versions.noun
            return problem(f"Choose {'an' if noun[0] in 'aeiou' else 'a'} {noun} first.")
        try:
            found = self.versions.get(number)
            if on:
                from mvmlm.finetuning.site_versions import apply_version  # imports torch, which takes seconds

                apply_version(self.versions, number, self.get_predictor(), clean_reader(who))
            else:
                self.versions.activate(None, found.task, found.weights, clean_reader(who))
        except StoreError as error:
            return problem(error)
        title = self.titles().get(found.task, found.task)
        return paragraph(f"{self.applied(title, number if on else None)} from now on.")


def refused(error: Exception) -> list[Any]:
    """Return why a job was not queued, and the bar as it is."""
    return [problem(error), gr.skip(), gr.skip(), gr.skip()]


class JobBox(NamedTuple):
    """A task, the button that starts a job on its scores, and how far that is."""

    task: gr.Dropdown
    start: gr.Button
    message: gr.HTML
    bar: JobBar


class VersionsBox(NamedTuple):
    """The versions of one kind, and what is applied."""

    table: gr.HTML
    choice: gr.Dropdown
    apply: gr.Button
    none: gr.Button


def lay_out_task(store: Store, name: str, every: bool = False) -> gr.Dropdown:
    """Lay out the choice of a task. name: begins the elem_id. every: not only those of yes or no about a breast."""
    tasks = [
        (task.title, task.name)
        for task in store.tasks
        if every or (task.kind, task.level) == (Kind.BINARY, Level.BREAST)
    ]
    return gr.Dropdown(tasks, value="malignancy", label="Task", elem_id=f"{name}-task", scale=3)


def lay_out_job(name: str, task: gr.Dropdown, start: gr.Button) -> JobBox:
    """Lay out what a job says. name: begins the elem_ids."""
    message = gr.HTML(elem_id=f"{name}-said", min_height=0)
    return JobBox(task, start, message, lay_out_job_bar(name, "Stop"))


def lay_out_versions(noun: str, table_id: str) -> VersionsBox:
    """Lay out the versions. noun: of one version; begins the elem_ids."""
    table = gr.HTML(elem_id=table_id)
    name = noun.lower().replace(" ", "-")
    with gr.Row():
        choice = gr.Dropdown([], label=noun, elem_id=f"{name}-choice", interactive=True, scale=3)
        apply = gr.Button("Apply", size="sm", elem_id=f"{name}-apply", scale=1)
        none = gr.Button("Apply none", size="sm", elem_id=f"{name}-none", scale=1)
    return VersionsBox(table, choice, apply, none)


def connect_versions(job: JobBox, box: VersionsBox, events: VersionEvents, who: gr.Textbox, tab: gr.Tab) -> None:
    """Wire the versions and the bar of the job that makes one. who: the name of the person. tab: of the page."""
    shown = [box.table, box.choice]
    events.jobs.connect(job.bar)
    for event in (tab.select, job.bar.job.change):
        connect(event, events.show, None, shown)
    connect(tab.select, events.jobs.show, None, list(job.bar))
    for button, handler in ((box.apply, events.apply), (box.none, events.apply_none)):
        done = connect(button.click, handler, [who, box.choice], job.message)
        connect(done.then, events.show, None, shown)
