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
from mvmlm.store.lists import MAX_EXAMS
from mvmlm.store.readers import clean_reader
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_import
from mvmlm.supervisor import start_worker
from mvmlm.tasks import Kind

from ..exam_filter import filter_for_reader
from ..jobs import JobEvents, owner_of
from ..markup import paragraph, problem
from ..privacy import discard, visitor, who_acts
from ..uploads import take_uploads
from .agreement_table import agreement_html
from .chips import chips_html
from .rows import suggestion_rows, worklist_html, worklist_rows

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

MOST_PROBLEMS = 5
JOBS = ("import", "encode", "pacs")  # the kinds that this page starts
BY_HAND, BY_FILTER = "ticked", "found"  # what a list is made of


class WorklistEvents:
    """Handlers of the Worklist page. weights: what the worker loads."""

    def __init__(self, store: Store, weights: str, get_predictor: Callable[[], ModelPredictor]):
        self.store, self.weights, self.get_predictor = store, weights, get_predictor
        self.jobs = JobEvents(store, JOBS)

    def list_page(self, page: int, *controls: Any) -> tuple[Any, str, int, str]:
        """Return the table of a page of the list, the line above it, the number of the page, and the filters' chips.

        controls: the values of the filters in the order of `filter_from_controls`.
        """
        chips = chips_html(controls, self.store.lists.all())
        try:
            rows, line, page = worklist_rows(self.store, filter_for_reader(self.store, controls), max(1, page))
        except (StoreError, ValueError) as error:
            return gr.skip(), problem(error), page, chips
        return worklist_html(rows), paragraph(line), page, chips

    def list_after_job(self, request: gr.Request | None, page: int, *controls: Any) -> Any:
        """Return as `list_page` once the visitor's job has ended; nothing moves under the reader's hands before."""
        job = self.jobs.newest(request)
        return self.list_page(page, *controls) if job is None or job.over else [gr.skip()] * 4

    def first_page(self, *controls: Any) -> tuple[Any, str, int, str]:
        """Return the first page of the list, as after a change of the filters."""
        return self.list_page(1, *controls)

    def previous_page(self, page: int, *controls: Any) -> tuple[Any, str, int, str]:
        """Return the page before `page`; the first one has none before it."""
        return self.list_page(page - 1, *controls)

    def next_page(self, page: int, *controls: Any) -> tuple[Any, str, int, str]:
        """Return the page after `page`; the last one has none after it."""
        return self.list_page(page + 1, *controls)

    def list_lists(self, chosen: int | None = None) -> gr.Dropdown:
        """Return the choices of stored lists. chosen: stays chosen where it is still there."""
        lists = self.store.lists.all()
        choices = [(f"{one.name} ({one.size:,})", one.id) for one in lists]
        return gr.Dropdown(choices=choices, value=chosen if chosen in [one.id for one in lists] else None)

    def make_list(self, ticked: str, name: str, of: str, who: str, *controls: Any) -> tuple[str, gr.Dropdown]:
        """Store a list of exams; return a message, and the choices of lists with the new one chosen.

        ticked: the numbers of the ticked exams, separated by spaces. of: BY_HAND or BY_FILTER.
        """
        try:
            if of == BY_HAND:
                number = self.store.lists.add(name or "", _numbers(ticked), clean_reader(who))
            else:
                wanted = filter_for_reader(self.store, controls)
                found = self.store.worklist.ordered_numbers(wanted, MAX_EXAMS + 1)
                kept = wanted._replace(seen_by=None)
                number = self.store.lists.add(name or "", found, clean_reader(who), kept)
        except (StoreError, ValueError) as error:
            return problem(error), gr.skip()
        made = self.store.lists.get(number)
        return paragraph(f"“{made.name}” holds {made.size:,} exams."), self.list_lists(number)

    def delete_list(self, number: int | None, who: str) -> tuple[str, gr.Dropdown]:
        """Delete a list; its exams stay. Return a message and the choices of lists."""
        try:
            if not number:
                return problem("Choose the list first."), gr.skip()
            name = self.store.lists.get(number).name
            self.store.lists.delete(number, clean_reader(who))
        except StoreError as error:
            return problem(error), self.list_lists()
        return paragraph(f"The list “{name}” is deleted; its exams stay."), self.list_lists()

    def import_exams(self, paths: list[str] | None, named: bool, who: str | None, request: gr.Request) -> list[Any]:
        """Queue the import of uploaded files; return no upload, a message, and the updates of the job's bar."""
        if not paths:
            return [None, "", gr.skip(), gr.skip(), gr.skip()]
        uploads = take_uploads(paths, visitor(request))
        try:
            who = " ".join((who or "").split()) or "import"
            queue_import(self.store, uploads, who, owner_of(request), bool(named))
            start_worker(self.store, self.weights)
            return [None, "", *self.jobs.show(request)]
        except StoreError as error:
            return [None, problem(error), gr.skip(), gr.skip(), gr.skip()]
        finally:
            discard(uploads)

    def import_labels(self, path: str | None, who: str, request: gr.Request) -> tuple[None, str]:
        """Import an uploaded file of labels; return no upload and a message."""
        if not path:
            return None, ""
        folder = take_uploads([path], visitor(request))
        try:
            return None, paragraph(import_labels(self.store, next(folder.iterdir()), who))
        finally:
            discard(folder)

    def suggest(self, strategy: str, task: str, count: float | None) -> tuple[list[list[str]], str]:
        """Return the exams to label next and the line above them. An empty count means 20."""
        try:
            rows, line = suggestion_rows(self.store, self.get_predictor(), strategy, task, int(count or 20))
        except StoreError as error:
            return [], paragraph(error)
        return rows, paragraph(line)

    def suggestable_tasks(self) -> list[tuple[str, str]]:
        """Return the title and name of each task that exams can be suggested for, also of those declared meanwhile."""
        return [(task.title, task.name) for task in self.store.tasks if task.kind is not Kind.SURVIVAL]

    def encode_all(self, request: gr.Request | None = None) -> list[Any]:
        """Queue the encoding of all exams; return a message and the updates of the job's bar."""
        try:
            self.store.jobs.add("encode", {}, who_acts(request), owner_of(request))
            start_worker(self.store, self.weights)
            return ["", *self.jobs.show(request)]
        except StoreError as error:
            return [problem(error), gr.skip(), gr.skip(), gr.skip()]

    def list_readers(self) -> tuple[gr.Dropdown, gr.Dropdown]:
        """Return the choices of the two readers to compare."""
        readers = self.store.readings.readers()
        return gr.Dropdown(choices=readers), gr.Dropdown(choices=readers)

    def compare_readers(self, first: str | None, second: str | None) -> str:
        """Return the agreement of two readers as HTML."""
        from mvmlm.evaluation.agreement import reader_agreement

        if not first or not second or first == second:
            return problem("Choose two readers.")
        self.store.readings.settle()
        pairs = self.store.comparisons.paired_answers(first, second)
        left_out = self.store.comparisons.uncounted(first, second)
        return agreement_html(first, second, reader_agreement(pairs, self.store.tasks), left_out)


def _numbers(ticked: str | None) -> list[int]:
    """The numbers of exams, from text as `worklist.js` writes it. Raises ValueError for anything else."""
    words = (ticked or "").split()
    if not all(word.isdecimal() and len(word) < 18 for word in words):
        raise ValueError("The ticked exams cannot be read. Load the page again.")
    return [int(word) for word in words]


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
