"""Event handlers of the Fine-tune page. Each takes the values of components and returns updates of components."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from mvmlm.evaluation.compare import FEWEST_CASES
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.head_metadata import check_record
from mvmlm.store.database import StoreError
from mvmlm.store.readers import clean_reader
from mvmlm.store.records import HeadSummary, Job, StoredHead
from mvmlm.store.store import Store
from mvmlm.supervisor import start_worker

from .. import plots
from ..exam_filter import filter_from_controls
from ..jobs import JobEvents, owner_of
from ..markup import paragraph, problem
from ..privacy import discard, visitor, who_acts
from ..uploads import take_uploads
from .cases_table import cases_html
from .custom_task import declare_from_form
from .head_report import details_html, jobs_html, needs_confirmation, verdict_html, verdict_of

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

LONGEST_NAME = 80
SHOWN_JOBS = 8
NO_HEAD = '<p class="none">No head is taught yet. The bundled heads answer.</p>'


class Snapshot(NamedTuple):
    """The state of jobs and heads that the page shows; heads newest first."""

    jobs: tuple[tuple[int, str, float, str], ...]
    heads: tuple[tuple[int, bool], ...]


def finetune_config(
    task: str,
    reader: str | None,
    words: str | None,
    since: str | None,
    until: str | None,
    depth: str,
    specificity: float,
    name: str | None,
) -> FinetuneConfig:
    """Return the configuration that the page's controls describe. Raises ValueError for a date that cannot be read."""
    return FinetuneConfig(
        task,
        depth,
        " ".join((reader or "").split()) or None,
        filter_from_controls(words, since=since, until=until),
        specificity,
        name=(name or "").strip()[:LONGEST_NAME],
    )


class FinetuneEvents:
    """Handlers of the Fine-tune page. weights: what the worker loads.

    controls: in every method the values that `finetune_config` takes, in its order.
    """

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        self.store, self.weights, self.get_predictor = store, weights, get_predictor
        self.jobs = JobEvents(store, ("finetune",))

    def list_tasks(self, chosen: str | None) -> gr.Dropdown:
        """Return the choices of tasks, those that were declared meanwhile among them."""
        return gr.Dropdown(choices=[(task.title, task.name) for task in self.store.tasks], value=chosen)

    def declare(
        self, chosen: str | None, title: str, name: str, level: str, classes: str, prompts: str, ordered: bool,
        request: gr.Request | None = None,
    ) -> tuple[str, gr.Dropdown]:  # fmt: skip
        """Declare a task; return a message, and the choices of tasks with the new one chosen.

        chosen: stays chosen where it cannot be declared. The others: as `declare_from_form` takes them.
        """
        fields = title, name, level, classes, prompts, ordered
        task, message = declare_from_form(self.store, *fields, who=who_acts(request))
        return message, self.list_tasks(task.name if task else chosen)

    def count_cases(self, *controls: Any) -> tuple[str, gr.Button]:
        """Return how many labelled cases there are and what is missing, and the button, closed where something is."""
        from mvmlm.finetuning.cases import count_cases

        try:
            config = finetune_config(*controls)
            waiting = len(self.store.readings.not_final(config.reader))
            count = count_cases(self.store, config)
        except (StoreError, ValueError) as error:
            return problem(error), gr.Button(interactive=False)
        return cases_html(count, waiting), gr.Button(interactive=not count.missing)

    def start(
        self, who: str, task: str, reader: str | None, words: str | None, since: str | None, until: str | None,
        depth: str, specificity: float, name: str | None, request: gr.Request | None = None,
    ) -> list[Any]:  # fmt: skip
        """Queue a fine-tuning job; return a message and the updates of the job's bar."""
        try:
            config = finetune_config(task, reader, words, since, until, depth, specificity, name)
            settings = {"config": config.to_json(), "who": clean_reader(who)}
            self.store.jobs.add("finetune", settings, clean_reader(who), owner_of(request))
            start_worker(self.store, self.weights)
            return ["", *self.jobs.show(request)]
        except (StoreError, ValueError) as error:
            return [problem(error), gr.skip(), gr.skip(), gr.skip()]

    def refresh(self, seen: Snapshot | None, chosen: int | None) -> tuple[Snapshot, Any, Any, Any]:
        """Return the new snapshot, the table of jobs, the training curve and the choice of heads.

        seen: the snapshot on screen; nothing is updated while it is current. chosen: the head that is chosen. A head
        that was added since `seen` replaces it.
        """
        jobs = self.store.jobs.recent(SHOWN_JOBS)
        heads = self.store.heads.summaries()
        now = Snapshot(
            tuple((job.id, job.state, job.progress, job.message) for job in jobs),
            tuple((head.id, head.active) for head in heads),
        )
        if now == seen:
            return now, gr.skip(), gr.skip(), gr.skip()
        numbers = [head.id for head in heads]
        newest = numbers[0] if numbers else None
        is_new = seen is not None and newest != (seen.heads[0][0] if seen.heads else None)
        choices = [(_head_title(head, self.get_predictor().weights), head.id) for head in heads]
        choice = gr.Dropdown(choices=choices, value=chosen if chosen in numbers and not is_new else newest)
        return now, jobs_html(jobs), _training_curve(jobs), choice

    def show_head(self, number: int | None) -> tuple[str, str, gr.Plot, gr.Plot, gr.Checkbox]:
        """Return a head's verdict, its details, ROC curve and calibration, and the box that confirms activating it."""
        head, no_plot, no_box = self._head(number), gr.Plot(visible=False), gr.Checkbox(False, visible=False)
        if head is None:
            return NO_HEAD, "", no_plot, no_plot, no_box
        try:
            check_record(head.record)
        except ValueError as error:  # one imported by a version that did not check it
            wrong = problem(f"The record of “{head.name}” cannot be shown: {error}")
            return wrong, "", no_plot, no_plot, gr.Checkbox(False, visible=not head.active)
        comparison = head.record["comparison"]
        few, roc = comparison["cases"] < FEWEST_CASES, comparison.get("roc", {})
        roc_plot = no_plot if few or not roc.get("new") else gr.Plot(value=plots.roc(roc), visible=True)
        calibration = comparison.get("calibration")
        calibration_plot = gr.Plot(value=plots.calibration(calibration), visible=True) if calibration else no_plot
        note = self.get_predictor().head_notes.get(head.task) if head.active else None
        box = gr.Checkbox(False, visible=needs_confirmation(head) and not head.active)
        said = (problem(note) if note else "") + verdict_html(head)
        return said, details_html(head), roc_plot, calibration_plot, box

    def activate(self, who: str, number: int | None, confirmed: bool) -> list[Any]:
        """Make a head the one that answers its task; return a message and, where that is done, what `show_head` does.

        confirmed: that a head shall answer that was not shown to be better.
        """

        def change(head: StoredHead) -> str:
            if not confirmed and (why := _why_to_confirm(head)):
                raise StoreError(f"“{head.name}” is {why}. Tick the box that says so, then activate it.")
            self.store.heads.activate(head.id, head.task, self.get_predictor().weights, clean_reader(who))
            return f"“{head.name}” answers {head.task} from now on."

        return self._shown_change(number, change)

    def roll_back(self, who: str, number: int | None) -> list[Any]:
        """Make the bundled head answer the task of a head again; return what `activate` returns."""

        def change(head: StoredHead) -> str:
            self.store.heads.activate(None, head.task, head.weights, clean_reader(who))
            return f"The bundled head answers {head.task} again."

        return self._shown_change(number, change)

    def delete(self, who: str, number: int | None, confirmed: bool) -> tuple[str, bool]:
        """Delete a head; return a message and the empty confirmation."""

        def change(head: StoredHead) -> str:
            self.store.heads.delete(head.id, clean_reader(who))
            return f"“{head.name}” is deleted."

        if not confirmed:
            return problem("Tick “Yes, delete” first: a deleted head cannot be restored."), False
        return self._change(number, change)[0], False

    def import_head(self, path: str | None, who: str, request: gr.Request) -> tuple[None, str]:
        """Import an uploaded head file; return an empty upload field and a message."""
        if not path:
            return None, ""
        from mvmlm.finetuning.head import MAX_HEAD_BYTES, import_head

        folder = take_uploads([path], visitor(request))
        try:
            with next(folder.iterdir()).open("rb") as file:
                data = file.read(MAX_HEAD_BYTES + 1)  # more is refused
            number = import_head(self.store, self.get_predictor(), data, clean_reader(who))
        except StoreError as error:
            return None, problem(error)
        finally:
            discard(folder)
        return None, paragraph(f"Head {number} is imported. It is not active yet.")

    def _head(self, number: int | None) -> StoredHead | None:
        known = number in [head.id for head in self.store.heads.summaries()]
        return self.store.heads.get(number) if known and number is not None else None

    def _shown_change(self, number: int | None, change: Callable[[StoredHead], str]) -> list[Any]:
        """Change a head; return a message and the head as it is then.

        Where the change was refused, the page stays as it is: the reader may have ticked the box by now.
        """
        message, done = self._change(number, change)
        return [message, *(self.show_head(number) if done else (gr.skip(),) * 5)]

    def _change(self, number: int | None, change: Callable[[StoredHead], str]) -> tuple[str, bool]:
        """Change a head; return the message of the change, or of what refused it, and whether it was done."""
        head = self._head(number)
        if head is None:
            return problem("Choose a head first."), False
        try:
            return paragraph(change(head)), True
        except StoreError as error:
            return problem(error), False


def _why_to_confirm(head: StoredHead) -> str:
    """The verdict on a head that is activated only when that is confirmed; "" where it need not be."""
    try:
        check_record(head.record)
    except ValueError:  # one imported by a version that did not check it
        return "not shown to be better: its record cannot be read"
    return verdict_of(head) if needs_confirmation(head) else ""


def _head_title(head: HeadSummary, weights: str) -> str:
    """The head in a list. weights: the checksum of those that are loaded."""
    title = f"{head.name} ({head.task}, {head.created[:16].replace('T', ' ')})"
    if head.weights != weights:
        return f"{title} · of other weights{', where it is active' if head.active else ''}"
    return f"{title}{' · active now' if head.active else ''}"


def _training_curve(jobs: list[Job]) -> gr.Plot:
    """The curve of the newest fine-tuning job that has one."""
    for job in jobs:
        if job.kind == "finetune" and job.result and job.result.get("curve"):
            return gr.Plot(value=plots.finetuning_curve(job.result["curve"]), visible=True)
    return gr.Plot(visible=False)
