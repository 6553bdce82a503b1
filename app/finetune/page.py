"""The Teach page: teach a head from signed readings, see whether it is better, and let it answer, or not."""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from mvmlm.finetuning.config import DEPTHS, FinetuneConfig
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.records import StoredHead
from mvmlm.store.store import Store
from mvmlm.worker import start_worker

from .. import plots
from ..markup import text
from ..privacy import discard, take_uploads
from ..worklist.page import wanted_of
from .custom_task import declare_box
from .head_report import jobs_table, verdict_html

COUNTED = "consensus, else the newest signed"


def train_page(store: Store, weights: str, get_predictor: Callable) -> None:
    """Lays the page out and wires it."""
    titles = [(task.title, task.name) for task in store.tasks]
    with gr.Row():
        with gr.Column(scale=4, min_width=340):
            who = gr.Textbox(label="Your name", max_lines=1, elem_id="teacher")
            task = gr.Dropdown(titles, value="mass", label="Task", elem_id="teach-task")
            reader = gr.Textbox(label=f"Readings of (empty: {COUNTED})", max_lines=1, elem_id="teach-reader")
            with gr.Accordion("Which exams (empty: all that are labelled)", open=False, elem_id="teach-filter"):
                words = gr.Textbox(label="Search, as in the worklist", max_lines=1, elem_id="teach-words")
                with gr.Row():
                    since = gr.Textbox(label="Exam date from (2024-01-31)", max_lines=1, elem_id="teach-since")
                    until = gr.Textbox(label="to", max_lines=1, elem_id="teach-until")
            depth = gr.Radio(
                [(words, depth) for depth, words in DEPTHS.items()], value="linear", label="Depth", elem_id="depth"
            )
            specificity = gr.Slider(
                0.5, 0.99, 0.9, step=0.01, label="Operating point: specificity of", elem_id="specificity"
            )
            name = gr.Textbox(label="Name of the new head (empty: task and number)", max_lines=1, elem_id="head-name")
            with gr.Row():
                count = gr.Button("Count the cases", elem_id="count-cases")
                teach = gr.Button("Teach", variant="primary", elem_id="teach")
                stop = gr.Button("Stop, keep the best", elem_id="stop")
            said = gr.HTML(elem_id="teach-said")
            jobs = gr.HTML(elem_id="jobs")
        with gr.Column(scale=8):
            curve = gr.Plot(show_label=False, visible=False, elem_id="curve")
            gr.Markdown("### Heads")
            choice = gr.Dropdown([], label="Head", elem_id="head", interactive=True)
            verdict = gr.HTML(elem_id="verdict")
            with gr.Row():
                activate = gr.Button("Let it answer", variant="primary", elem_id="activate")
                rollback = gr.Button("Back to the weights’ own head", elem_id="rollback")
                sure = gr.Checkbox(False, label="Yes, delete", elem_id="sure")
                delete = gr.Button("Delete", variant="stop", elem_id="delete")
            with gr.Row():
                roc = gr.Plot(show_label=False, visible=False, elem_id="roc")
                calibrated = gr.Plot(show_label=False, visible=False, elem_id="calibration")
            declare_box(store)
            bring = gr.File(
                label="Bring a head (.safetensors of this program, for these weights)", height=90, elem_id="bring"
            )

    def config_of(task, reader, words, since, until, depth, specificity, name) -> FinetuneConfig:
        wanted = wanted_of(words, since=since, until=until)
        return FinetuneConfig(
            task, depth, " ".join((reader or "").split()) or None, wanted, specificity, name=(name or "").strip()[:80]
        )

    def on_count(*said):
        from mvmlm.finetuning.cases import count_cases

        try:
            return f"<p>{text(str(count_cases(store, config_of(*said))))}</p>"
        except (StoreError, ValueError) as error:
            return f'<p class="wrong">{text(error)}</p>'

    def on_teach(who, *said):
        try:
            settings = {"config": config_of(*said).to_json(), "who": clean_reader(who)}
            job = store.jobs.add("finetune", settings, settings["who"])
        except (StoreError, ValueError) as error:
            return f'<p class="wrong">{text(error)}</p>'
        start_worker(store, weights)
        return f"<p>Job {job} waits. It goes on when this page is closed.</p>"

    def on_stop(who):
        waiting = [job for job in store.jobs.recent() if not job.over]
        for job in waiting:
            store.jobs.cancel(job.id, (who or "").strip() or "page")
        return f"<p>Asked {len(waiting)} job{'s' if len(waiting) != 1 else ''} to stop.</p>"

    def on_tick(seen, chosen):
        latest = store.jobs.recent(8)
        heads = store.heads.all(get_weights())
        now = (
            tuple((job.id, job.state, job.progress, job.message) for job in latest),
            tuple((head.id, head.active) for head in heads),
        )
        if now == seen:
            return seen, gr.skip(), gr.skip(), gr.skip()
        choices = [(_title(head), head.id) for head in heads]
        new = chosen if chosen in [head.id for head in heads] else (heads[0].id if heads else None)
        if seen and heads and (not seen[1] or heads[0].id != seen[1][0][0] if seen[1] else True):
            new = heads[0].id
        teaching = next((job for job in latest if job.kind == "finetune" and (job.result or {}).get("curve")), None)
        figure = (
            gr.Plot(value=plots.finetuning_curve(teaching.result["curve"]), visible=True)
            if teaching
            else gr.Plot(visible=False)
        )
        return now, jobs_table(latest), figure, gr.Dropdown(choices=choices, value=new)

    def get_weights():
        return get_predictor().weights

    def chosen_head(number) -> StoredHead | None:
        return next((head for head in store.heads.all() if head.id == number), None)

    def on_choose(number):
        head = chosen_head(number)
        if head is None:
            return "", gr.Plot(visible=False), gr.Plot(visible=False)
        compared = head.record["comparison"]
        curves = (
            gr.Plot(value=plots.roc(compared["roc"]), visible=True)
            if compared.get("roc", {}).get("new")
            else gr.Plot(visible=False)
        )
        told = (
            gr.Plot(value=plots.calibration(compared["calibration"]), visible=True)
            if compared.get("calibration")
            else gr.Plot(visible=False)
        )
        return verdict_html(head), curves, told

    def on_activate(who, number):
        head = chosen_head(number)
        return _try(
            lambda: (
                store.heads.activate(head.id, head.task, head.weights, clean_reader(who)),
                f"“{head.name}” answers {head.task} from now on.",
            )[1],
            head,
        )

    def on_rollback(who, number):
        head = chosen_head(number)
        return _try(
            lambda: (
                store.heads.activate(None, head.task, head.weights, clean_reader(who)),
                f"The weights’ own head answers {head.task} again.",
            )[1],
            head,
        )

    def on_delete(who, number, sure):
        head = chosen_head(number)
        if not sure:
            return '<p class="wrong">Tick “Yes, delete” first: a deleted head does not come back.</p>', False
        return _try(
            lambda: (store.heads.delete(head.id, clean_reader(who)), f"“{head.name}” is deleted.")[1], head
        ), False

    def on_bring(path, who):
        if not path:
            return None, ""
        from mvmlm.finetuning.head import import_head

        folder = take_uploads([path])
        try:
            data = next(folder.iterdir()).read_bytes()
            return None, _try(
                lambda: (
                    f"Head {import_head(store, get_predictor(), data, clean_reader(who))} is here; it does not answer yet."
                ),
                True,
            )
        finally:
            discard(folder)

    private = {"api_visibility": "private", "show_progress": "hidden"}
    seen = gr.State(None)
    ticked = [seen, jobs, curve, choice]
    config = [task, reader, words, since, until, depth, specificity, name]
    count.click(on_count, config, said, **private)
    teach.click(on_teach, [who, *config], said, **private)
    stop.click(on_stop, who, said, **private)
    gr.Timer(1.5).tick(on_tick, [seen, choice], ticked, **private)
    choice.change(on_choose, choice, [verdict, roc, calibrated], **private)
    activate.click(on_activate, [who, choice], said, **private).then(
        on_choose, choice, [verdict, roc, calibrated], **private
    )
    rollback.click(on_rollback, [who, choice], said, **private).then(
        on_choose, choice, [verdict, roc, calibrated], **private
    )
    delete.click(on_delete, [who, choice, sure], [said, sure], **private)
    bring.upload(on_bring, [bring, who], [bring, said], **private)


def _try(act: Callable[[], str], head) -> str:
    if head is None:
        return '<p class="wrong">Choose a head first.</p>'
    try:
        return f"<p>{text(act())}</p>"
    except StoreError as error:
        return f'<p class="wrong">{text(error)}</p>'


def _title(head: StoredHead) -> str:
    return f"{head.name} ({head.task}, {head.created[:16].replace('T', ' ')}){' · answers now' if head.active else ''}"
