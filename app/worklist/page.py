"""The worklist: every kept exam, found by words and filters, opened in the reading room; exams and labels in and out."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import gradio as gr

from mvmlm.datasets.case import DatasetError
from mvmlm.exchange import read_any
from mvmlm.exchange.importing import ImportedReadings
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.records import Filter, StoredExam
from mvmlm.store.store import Store
from mvmlm.store.worklist import ORDERS
from mvmlm.tasks import TASK
from mvmlm.worker import start_worker

from ..markup import text
from ..privacy import discard, take_uploads
from ..tables import number_of_selected_row
from .label_next import next_box

PAGE = 50
ANY = "any"
HEADERS = [
    "number",
    "exam",
    "patient",
    "part",
    "state",
    "readers",
    "density",
    "score",
    "readers differ",
    "exam date",
    "vendor",
    "kept",
]


#: Enter on a line of the list opens its exam; the number follows the line that is chosen
ENTER_OPENS = """() => document.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || !event.target.closest || !event.target.closest('#worklist, #next-table')) return;
  event.preventDefault();
  event.stopPropagation();
  document.querySelector('#read-exam').click();
}, true)"""


def _score(exam: StoredExam, wanted: Filter, scores: bool) -> str:
    """The model's score; read first, then ask: of an exam that nobody has signed only where the reader wants it."""
    if exam.score is None:
        return ""
    return f"{exam.score:.2f}" if scores or exam.state == "signed" else "hidden"


def rows_of(store: Store, wanted: Filter, page: int, scores: bool = False) -> tuple[list[list], str, int]:
    """One page of the list, what to say above it, and the page that is shown (the last one where `page` is beyond it).

    scores: also show the model's scores of exams that are not signed.
    """
    kept, count = store.worklist.page(wanted, PAGE * (page - 1), PAGE)
    pages = max(1, -(-count // PAGE))
    if page > pages:
        return rows_of(store, wanted, pages, scores)
    rows = [
        [e.id, e.name, e.patient, e.split, e.state, e.readers, e.density or "", _score(e, wanted, scores),
         "yes" if e.disagreement else "", e.exam_date or "", e.vendor or "", e.added[:16].replace("T", " ")]
        for e in kept
    ]  # fmt: skip
    return rows, f"{count:,} exam{'s' if count != 1 else ''}, page {page} of {pages}", page


def wanted_of(
    words="", state=None, density=None, reader=None, apart=False, order="newest", since="", until="", score=None
) -> Filter:
    """What the controls say. Raises ValueError for a date that is none."""

    def pick(value):
        return None if value in (ANY, "", None) else value

    days = []
    for typed in (since, until):
        typed = (typed or "").strip()
        try:
            days.append(date.fromisoformat(typed).strftime("%Y%m%d") if typed else None)
        except ValueError:
            raise ValueError(f"{typed!r} is no date; type it as 2024-01-31.") from None
    return Filter(
        words or "",
        pick(state),
        pick(" ".join((reader or "").split())),
        pick(density),
        bool(apart),
        order,
        *days,
        pick(score) or None,
    )  # an empty number field sends 0


def import_labels(store: Store, path: Path, who: str) -> str:
    """A CSV or COCO file -> what came in, and what did not and why."""
    try:
        done = read_any(store, path, clean_reader(who))
    except (StoreError, DatasetError, ValueError, KeyError, TypeError) as error:
        return f"Nothing was imported: {error}"
    return f"{done.readings} readings imported. " + _problems(done)


def _problems(done: ImportedReadings) -> str:
    if not done.problems:
        return ""
    more = f" and {len(done.problems) - 5} more" if len(done.problems) > 5 else ""
    return f"{len(done.problems)} not: " + "; ".join(done.problems[:5]) + more


def worklist_page(store: Store, weights: str, get_predictor: Callable, opens, tabs: gr.Tabs, tab: gr.Tab) -> None:
    """opens: wires an event so that it opens the exam of a number in the reading room."""
    page = gr.State(1)
    with gr.Row():
        words = gr.Textbox(label="Search (exam, patient, reader, note, vendor)", elem_id="search", max_lines=1, scale=4)
        state = gr.Dropdown([ANY, "new", "draft", "signed"], value=ANY, label="State", elem_id="by-state")
        density = gr.Dropdown([ANY, *TASK["density"].classes], value=ANY, label="Density", elem_id="by-density")
        reader = gr.Textbox(label="Reader", max_lines=1, elem_id="by-reader")
        apart = gr.Checkbox(False, label="Readers differ", elem_id="by-disagreement")
        order = gr.Dropdown(list(ORDERS), value="newest", label="Order", elem_id="order")
    with gr.Row():
        since = gr.Textbox(label="Exam date from (2024-01-31)", max_lines=1, elem_id="since")
        until = gr.Textbox(label="to", max_lines=1, elem_id="until")
        score = gr.Number(None, minimum=0, maximum=1, step=0.05, label="Score at least", elem_id="by-score")
        scores = gr.Checkbox(
            False,
            label="Show the model’s scores of exams nobody has signed (else: read first, then ask)",
            elem_id="show-scores",
            scale=3,
        )
    count = gr.HTML(elem_id="count")
    table = gr.Dataframe(
        headers=HEADERS, datatype="str", interactive=False, elem_id="worklist", wrap=True, max_height=520
    )
    with gr.Row():
        back = gr.Button("Previous page", size="sm", elem_id="previous-page")
        forth = gr.Button("Next page", size="sm", elem_id="next-page")
        number = gr.Number(None, label="Exam number (click a line)", precision=0, elem_id="exam-number")
        read = gr.Button("Read this exam", variant="primary", elem_id="read-exam")
    said = gr.HTML(elem_id="import-said")  # outside the boxes: what runs is told whichever of them is open
    with gr.Accordion("Keep many exams; labels in and out", open=False, elem_id="in-and-out"):
        with gr.Row():
            with gr.Column():
                many = gr.File(
                    label="Exams: DICOM files or zips; copied without names into the data folder",
                    file_count="multiple",
                    height=120,
                    elem_id="many",
                )
                named = gr.Checkbox(
                    False,
                    label="IDs in these files are pseudonyms: show them as the exams' names",
                    elem_id="many-named",
                )
            with gr.Column():
                labels = gr.File(
                    label="Labels: a table (exam, laterality, mass, density, …), our readings.csv, or COCO JSON",
                    height=120,
                    elem_id="labels",
                )
                who = gr.Textbox(label="Labels are by (reader)", max_lines=1, elem_id="labels-reader")
        gr.HTML(
            '<p>Out: <a href="export/readings.csv" download>all readings (CSV)</a> · <a href="export/marks.json" download>marks (COCO)</a> · '
            '<a href="export/exams.csv" download>table for pretraining (CSV)</a></p>', elem_id="exports",
        )  # fmt: skip

    private = {"api_visibility": "private", "show_progress": "hidden"}
    clock = gr.Timer(1.5, active=False)
    filters = [words, state, density, reader, apart, order, since, until, score]
    shown = [*filters, scores]

    def listed(page_now, *chosen):
        try:
            rows, line, page_now = rows_of(store, wanted_of(*chosen[:-1]), max(1, page_now), bool(chosen[-1]))
        except (StoreError, ValueError) as error:
            return gr.update(), f'<p class="wrong">{text(error)}</p>', page_now
        return rows, f"<p>{text(line)}</p>", page_now

    def on_many(paths, named, owner, request: gr.Request):
        if not paths:
            return None, "", gr.skip()
        folder = store.folder / "incoming" / secrets.token_hex(8)
        folder.parent.mkdir(exist_ok=True)
        shutil.move(take_uploads(paths), folder)
        job = store.jobs.add(
            "import",
            {"folder": str(folder), "who": " ".join((owner or "").split()) or "import", "named": bool(named)},
            "import",
        )
        start_worker(store, weights)
        return (
            None,
            f"<p>Import {job} waits for the worker; it goes on when this page is closed (see Teach for all jobs).</p>",
            gr.Timer(active=True),
        )

    def on_labels(path, owner):
        if not path:
            return None, ""
        folder = take_uploads([path])
        try:
            return None, f"<p>{text(import_labels(store, next(folder.iterdir()), owner))}</p>"
        finally:
            discard(folder)

    def importing():
        job = next((job for job in store.jobs.recent(20) if job.kind in ("import", "encode")), None)
        if job is None:
            return gr.skip(), gr.Timer(active=False)
        problems = "; ".join((job.result or {}).get("problems", [])[:5])
        what = "Import" if job.kind == "import" else "Encoding, job"
        line = f"{what} {job.id}: {job.state}. {job.message}{'. Not used: ' + problems if problems else ''}"
        return f"<p>{text(line)}</p>", gr.Timer(active=not job.over)

    next_box(
        store,
        get_predictor,
        weights,
        number,
        lambda event: event.then(lambda: gr.Timer(active=True), None, clock, **private),
    )
    outputs = [table, count, page]
    for event in (
        words.change,
        state.change,
        density.change,
        reader.change,
        apart.change,
        order.change,
        since.blur,
        until.blur,
        score.change,
        scores.change,
    ):
        event(lambda *values: listed(1, *values), shown, outputs, trigger_mode="always_last", **private)
    back.click(lambda now, *values: listed(now - 1, *values), [page, *shown], outputs, **private)
    forth.click(lambda now, *values: listed(now + 1, *values), [page, *shown], outputs, **private)
    table.select(number_of_selected_row, table, number, **private)
    many.upload(on_many, [many, named, who], [many, said, clock], **private)
    labels.upload(on_labels, [labels, who], [labels, said], **private).then(listed, [page, *shown], outputs, **private)
    clock.tick(importing, None, [said, clock], **private).then(listed, [page, *shown], outputs, **private)
    tab.select(listed, [page, *shown], outputs, **private)
    for event in (
        read.click,
        number.submit,
    ):  # the page turns first: a turn that comes late would take a reader away from what they do by then
        opens(event(lambda: gr.Tabs(selected="read"), None, tabs, **private).then, number)
