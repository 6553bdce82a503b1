"""Beside the worklist: what to label next, which exams are alike, how far readers agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import gradio as gr

from mvmlm.finetuning.active_learning import STRATEGIES, choose_exams
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import Kind
from mvmlm.worker import start_worker

from ..markup import text
from ..tables import number_of_selected_row

if TYPE_CHECKING:
    from mvmlm.evaluation.agreement import Agreement

NOT_ENCODED = "No exam is encoded with these weights yet. Press “Encode all kept exams” on the Worklist page; it runs beside the page."


def rows_to_label(store: Store, predictor, way: str, task_name: str, n: int, seed: int) -> tuple[list[list[str]], str]:
    """-> rows (number, exam, part, state, score of the way), and what to say."""
    from mvmlm.finetuning.embeddings import EmbeddedExams, score_exams

    pool = EmbeddedExams.load(store, predictor)
    if not len(pool):
        return [], NOT_ENCODED
    task = next(task for task in store.tasks if task.name == task_name)
    if task_name not in predictor.heads and way in ("uncertain", "disagreement"):
        return [], f"No head answers {task.title} yet, so it cannot be unsure. Choose another way."
    signed = store.exams.signed()
    wanted = store.exams.in_split("test" if way == "random" else "train") - signed
    try:
        chosen = choose_exams(
            way,
            n,
            pool.subset(wanted),
            pool.subset(signed),
            lambda: score_exams(predictor, pool.subset(wanted), task),
            seed,
        )
    except ValueError as error:
        return [], str(error)
    rows = []
    for number, score in chosen:
        exam = store.exams.get(number)
        rows.append([str(number), exam.name, exam.split, exam.state, "" if way == "random" else f"{score:.2f}"])
    said = f"{len(rows)} of {len(wanted):,} exams that are not signed in the {'test' if way == 'random' else 'training'} part: {STRATEGIES[way]}."
    left = store.exams.count() - len(pool)
    return rows, said + (f" {left:,} kept exams are not encoded and are not among them." if left else "")


def next_box(store: Store, get_predictor: Callable, weights: str, number: gr.Number, on_job: Callable) -> None:
    """What to label next; a line that is clicked fills `number`. on_job(event): wires what follows a new job."""
    titles = [(task.title, task.name) for task in store.tasks if task.kind is not Kind.SURVIVAL]
    with gr.Accordion("What to label next", open=False, elem_id="next-box"):
        with gr.Row():
            way = gr.Radio(
                [(f"{name}: {words}", name) for name, words in STRATEGIES.items()],
                value="uncertain",
                label="Way",
                elem_id="next-way",
            )
            task = gr.Dropdown(titles, value=titles[0][1], label="Task", elem_id="next-task")
            many = gr.Number(20, precision=0, minimum=1, maximum=500, label="How many", elem_id="next-many")
        with gr.Row():
            suggest = gr.Button("Suggest", variant="primary", elem_id="suggest")
            encode = gr.Button("Encode all kept exams (a job; the model looks at each once)", elem_id="encode")
        said = gr.HTML(elem_id="next-said")
        table = gr.Dataframe(
            headers=["number", "exam", "part", "state", "score of the way"],
            datatype="str",
            interactive=False,
            elem_id="next-table",
            max_height=320,
        )
    with gr.Accordion("How far two readers agree", open=False, elem_id="agreement-box"):
        with gr.Row():
            first = gr.Dropdown([], label="Reader", elem_id="reader-a", interactive=True)
            second = gr.Dropdown([], label="and reader", elem_id="reader-b", interactive=True)
            compare = gr.Button("Compare", elem_id="compare-readers")
        agreed = gr.HTML(elem_id="agreement")

    def on_suggest(way, task, many):
        try:
            rows, line = rows_to_label(store, get_predictor(), way, task, int(many or 20), seed=1)
        except StoreError as error:
            rows, line = [], str(error)
        return rows, f"<p>{text(line)}</p>"

    def on_encode():
        job = store.jobs.add("encode", {}, "page")
        start_worker(store, weights)
        return f"<p>Job {job} waits for the worker; it goes on when this page is closed (see Teach for all jobs).</p>"

    def on_readers():
        known = store.readings.readers()
        return gr.Dropdown(choices=known), gr.Dropdown(choices=known)

    def on_compare(a, b):
        from mvmlm.evaluation.agreement import reader_agreement

        if not a or not b or a == b:
            return '<p class="wrong">Choose two readers.</p>'
        return agreement_table(a, b, reader_agreement(store.readings.paired_answers(a, b), store.tasks))

    private = {"api_visibility": "private", "show_progress": "hidden"}
    suggest.click(on_suggest, [way, task, many], [table, said], **private)
    on_job(encode.click(on_encode, None, said, **private))
    table.select(number_of_selected_row, table, number, **private)
    first.focus(on_readers, None, [first, second], **private)
    second.focus(on_readers, None, [first, second], **private)
    compare.click(on_compare, [first, second], agreed, **private)


def agreement_table(a: str, b: str, found: Sequence[Agreement]) -> str:
    """Kappa for each question."""
    if not found:
        return f'<p class="none">{text(a)} and {text(b)} have not signed first readings of the same exam yet.</p>'
    rows = "".join(
        f"<tr><th>{text(one.title)}</th><td>{one.answers}</td><td>{one.equal:.0%}</td><td>{'–' if one.kappa is None else f'{one.kappa:.2f}'}</td></tr>"
        for one in found
    )
    return (
        f'<table class="findings"><thead><tr><th>{text(a)} and {text(b)}</th><th>answers of both</th><th>equal</th><th>Cohen’s kappa</th></tr></thead>'
        f"<tbody>{rows}</tbody></table><p class='source'>First readings, before the model’s answers. Quadratic weights where the answers are a scale (BI-RADS 0 left out); – where one answer is all there is.</p>"
    )


# ------------------------------------------------------------------ similar exams, on the reading page
