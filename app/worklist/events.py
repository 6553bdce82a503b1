"""Event handlers of the Worklist page. Each takes the values of components and returns updates of components."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from mvmlm.datasets.case import DatasetError
from mvmlm.exchange import read_any
from mvmlm.exchange.importing import ImportedReadings
from mvmlm.store.database import StoreError
from mvmlm.store.readings import clean_reader
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_import
from mvmlm.supervisor import start_worker

from ..exam_filter import filter_from_controls
from ..jobs import newest_own_job, owner_of, queued_message
from ..markup import paragraph, problem
from ..privacy import discard, visitor
from ..uploads import take_uploads
from .agreement_table import agreement_html
from .rows import suggestion_rows, worklist_rows

if TYPE_CHECKING:
    from mvmlm.inference.mvmlm_predictor import MVMLMPredictor

MOST_PROBLEMS = 5


class WorklistEvents:
    """Handlers of the Worklist page. weights: what the worker loads."""

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], MVMLMPredictor]):
        self.store, self.weights, self.get_predictor = store, weights, get_predictor

    def list_page(self, page: int, *controls: Any) -> tuple[Any, str, int]:
        """Return the rows of a page of the list, the line above them, and the number of the page.

        controls: the values of the filters in the order of `filter_from_controls`, then whether to show all scores.
        """
        *filters, show_scores = controls
        try:
            rows, line, page = worklist_rows(
                self.store, filter_from_controls(*filters), max(1, page), bool(show_scores)
            )
        except (StoreError, ValueError) as error:
            return gr.update(), problem(error), page
        return rows, paragraph(line), page

    def first_page(self, *controls: Any) -> tuple[Any, str, int]:
        """Return the first page of the list, as after a change of the filters."""
        return self.list_page(1, *controls)

    def previous_page(self, page: int, *controls: Any) -> tuple[Any, str, int]:
        """Return the page before `page`; the first one has none before it."""
        return self.list_page(page - 1, *controls)

    def next_page(self, page: int, *controls: Any) -> tuple[Any, str, int]:
        """Return the page after `page`; the last one has none after it."""
        return self.list_page(page + 1, *controls)

    def import_exams(
        self, paths: list[str] | None, named: bool, who: str | None, request: gr.Request
    ) -> tuple[None, str, Any]:
        """Queue the import of uploaded files; return an empty upload field, a message and the update of the timer."""
        if not paths:
            return None, "", gr.skip()
        uploads = take_uploads(paths, visitor(request))
        try:
            who = " ".join((who or "").split()) or "import"
            job = queue_import(self.store, uploads, who, owner_of(request), bool(named))
            start_worker(self.store, self.weights)
            return None, paragraph(queued_message(self.store, job, "Import")), gr.Timer(active=True)
        except StoreError as error:
            return None, problem(error), gr.skip()
        finally:
            discard(uploads)

    def import_labels(self, path: str | None, who: str, request: gr.Request) -> tuple[None, str]:
        """Import an uploaded file of labels; return an empty upload field and a message."""
        if not path:
            return None, ""
        folder = take_uploads([path], visitor(request))
        try:
            return None, paragraph(import_labels(self.store, next(folder.iterdir()), who))
        finally:
            discard(folder)

    def show_newest_job(self, request: gr.Request | None = None) -> tuple[Any, gr.Timer]:
        """Return the state of the visitor's newest import or encoding, and a timer that runs until it has ended."""
        job = newest_own_job(self.store, ("import", "encode"), request)
        if job is None:
            return gr.skip(), gr.Timer(active=False)
        kind = "Import" if job.kind == "import" else "Encoding, job"
        line = f"{kind} {job.id}: {job.state}. {job.message}"
        for heading, key in (("Not used", "problems"), ("Note", "notes")):
            if sentences := (job.result or {}).get(key, []):
                more = f" and {len(sentences) - MOST_PROBLEMS} more" if len(sentences) > MOST_PROBLEMS else ""
                line += f". {heading}: {'; '.join(sentences[:MOST_PROBLEMS])}{more}"
        return paragraph(line), gr.Timer(active=not job.over)

    def suggest(self, strategy: str, task: str, count: float | None) -> tuple[list[list[str]], str]:
        """Return the exams to label next and the line above them. An empty count means 20."""
        try:
            rows, line = suggestion_rows(self.store, self.get_predictor(), strategy, task, int(count or 20))
        except StoreError as error:
            return [], paragraph(error)
        return rows, paragraph(line)

    def encode_all(self, request: gr.Request | None = None) -> str:
        """Queue the encoding of all exams; return a message."""
        try:
            job = self.store.jobs.add("encode", {}, "page", owner_of(request))
            start_worker(self.store, self.weights)
            return paragraph(queued_message(self.store, job))
        except StoreError as error:
            return problem(error)

    def list_readers(self) -> tuple[gr.Dropdown, gr.Dropdown]:
        """Return the choices of the two readers to compare."""
        readers = self.store.readings.readers()
        return gr.Dropdown(choices=readers), gr.Dropdown(choices=readers)

    def compare_readers(self, first: str | None, second: str | None) -> str:
        """Return the agreement of two readers as HTML."""
        from mvmlm.evaluation.agreement import reader_agreement

        if not first or not second or first == second:
            return problem("Choose two readers.")
        pairs = self.store.readings.paired_answers(first, second)
        return agreement_html(first, second, reader_agreement(pairs, self.store.tasks))


def import_labels(store: Store, path: Path, who: str) -> str:
    """Import a CSV or COCO file of labels by the reader `who`; return what was imported, and why the rest was not."""
    try:
        imported = read_any(store, path, clean_reader(who))
    except (StoreError, DatasetError, ValueError, KeyError, TypeError) as error:
        return f"Nothing was imported: {error}"
    return f"{imported.readings} readings imported. {_problems(imported)}"


def _problems(imported: ImportedReadings) -> str:
    problems = imported.problems
    if not problems:
        return ""
    more = f" and {len(problems) - MOST_PROBLEMS} more" if len(problems) > MOST_PROBLEMS else ""
    return f"{len(problems)} not: " + "; ".join(problems[:MOST_PROBLEMS]) + more
