"""On the Worklist page: exams are searched for in the PACS that the person who runs the app named, and fetched.

A visitor never names a PACS: the app would reach any address of its network for them. What the PACS says of patients
is shown to who searched, and kept nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency

from mvmlm.imaging.grouping import format_date
from mvmlm.messages import plain_line
from mvmlm.pacs.access import PacsAccess, PacsError, with_variables
from mvmlm.pacs.study import Study, read_uid
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.supervisor import start_worker

from ..event_queue import PACS
from ..jobs import JobBar, JobEvents, owner_of
from ..markup import problem, template
from ..popovers import popover
from ..privacy import who_acts
from ..wiring import connect

OPENER = ("pacs", "PACS")  # name and title of the box
MOST_LINES = 50
LONGEST_FIELD = 64  # letters of a patient ID and of a part of a name (PS3.5, VR LO and PN)
CHOSEN_JS = "() => [document.querySelector('#pacs-found input:checked')?.value ?? '']"
CLOSED_JS = "(said) => said || document.querySelector('#pacs-box[data-open]') && window.closeBoxes()"
NOTHING = "The PACS has no exam with mammograms (MG) that fits. Check the ID and the dates, or search for the name."
_FOUND = template("""\
{% if rows %}
<table class="exams" aria-label="Exams of the PACS">
<thead><tr><th class="tick"></th>
{% for header in ("date", "patient ID", "name", "born", "description", "images") %}
<th>{{ header }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for study, cells in rows %}
{% set place = "pacs-study-%d"|format(loop.index) %}
<tr><td class="tick"><input type="radio" name="pacs-study" id="{{ place }}" value="{{ study.uid }}" \
aria-label="Exam {{ cells[0] }} of {{ cells[2] }}"></td>
{% for cell in cells %}
<td><label for="{{ place }}">{{ cell }}</label></td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
</table>
{% if more %}
<p>{{ more }} older exam{{ "s" if more > 1 }} not listed. Search for fewer: by patient ID or dates.</p>
{% endif %}
{% endif %}
""")


class PacsBox(NamedTuple):
    """The fields of the box, its buttons, what was found, the message, and the button that reads what was fetched."""

    patient_id: gr.Textbox
    name: gr.Textbox
    since: gr.Textbox
    until: gr.Textbox
    search: gr.Button
    found: gr.HTML
    fetch: gr.Button
    message: gr.HTML
    read: gr.Button


class PacsEvents:
    """Handlers of the box. jobs: of the page, whose bar shows the fetch."""

    def __init__(self, store: Store, weights: str, access: PacsAccess, jobs: JobEvents):
        self.store, self.weights, self.access, self.jobs = store, weights, access, jobs

    def search(self, patient_id: str, name: str, since: str, until: str) -> tuple[str, str]:
        """Return the exams of the PACS that fit as a table, and a message. since, until: YYYY-MM-DD, or empty."""
        from mvmlm.pacs.client import PacsClient

        try:
            fields = [_field("Patient ID", patient_id), _field("Name", name)]
            days = [_day(since), _day(until)]
            with PacsClient(self.access) as client:
                found = client.search(patient_id=fields[0], name=fields[1], since=days[0], until=days[1])
        except PacsError as error:
            return "", problem(with_variables(error))
        except ValueError as error:
            return "", problem(error)
        return found_html(found), "" if found else problem(NOTHING)

    def fetch(self, study: str, request: gr.Request) -> list[Any]:
        """Queue the fetch of an exam and her earlier ones; return a message and the updates of the job's bar.

        study: the StudyInstanceUID of the chosen line, empty where none is.
        """
        from mvmlm.pacs.exam_request import queue_fetch

        if not study:
            return [problem("Choose a line of the table first."), gr.skip(), gr.skip(), gr.skip()]
        if read_uid({"0": {"Value": [study]}}, "0") is None:
            return [problem("This is no exam of a PACS. Search again."), gr.skip(), gr.skip(), gr.skip()]
        try:
            queue_fetch(self.store, self.access, study, who_acts(request), owner_of(request))
            start_worker(self.store, self.weights)
        except StoreError as error:
            return [problem(error), gr.skip(), gr.skip(), gr.skip()]
        return ["", *self.jobs.show(request)]

    def offer_reading(self, request: gr.Request) -> gr.Button:
        """Return the button that opens the visitor's fetched exam: there once it is stored."""
        return gr.Button(visible=self._fetched(request) is not None)

    def read(self, request: gr.Request) -> tuple[gr.Tabs, int]:
        """Turn to the page Read, and return the number of the visitor's fetched exam."""
        number = self._fetched(request)
        if number is None:
            raise gr.Error("No exam was fetched. Fetch one first.", print_exception=False)
        return gr.Tabs(selected="read"), number

    def _fetched(self, request: gr.Request | None) -> int | None:
        """The number of the exam that the visitor's newest job of this page fetched."""
        job = self.jobs.newest(request)
        return (job.result or {}).get("exam") if job is not None and job.over and job.kind == "pacs" else None


def found_html(found: Sequence[Study]) -> str:
    """Return exams of the PACS as a table with one line to choose: MOST_LINES at most, and how many more there are."""
    rows = [(study, _cells(study)) for study in found[:MOST_LINES]]
    return _FOUND.render(rows=rows, more=max(0, len(found) - MOST_LINES))


def _cells(study: Study) -> list[str]:
    identity, images = study.identity, "" if study.images is None else f"{study.images:,}"
    born = format_date(identity.birth_date)
    cells = (study.day, identity.patient_id, study.patient_name, born, study.description, images)
    return [plain_line(cell) for cell in cells]


def _field(name: str, text: str | None) -> str:
    """A field as it is searched for. Raises ValueError for more letters than it can have."""
    found = (text or "").strip()
    if len(found) > LONGEST_FIELD:
        raise ValueError(f"{name}: at most {LONGEST_FIELD} letters. Search for the beginning of it.")
    return found


def _day(text: str | None) -> date | None:
    """A day that a visitor typed; None for an empty field. Raises ValueError."""
    found = (text or "").strip()
    try:
        return date.fromisoformat(found) if found else None
    except ValueError:
        raise ValueError(f"“{found[:LONGEST_FIELD]}” is not a date. Write 2024-01-31.") from None


def lay_out_pacs() -> PacsBox:
    """Lay out the box, and beneath the bar of the page's jobs the button that reads what was fetched."""
    with popover(OPENER[0]):
        gr.HTML("<p><b>From the PACS</b></p>")
        with gr.Row():
            patient_id = gr.Textbox(label="Patient ID", max_lines=1, elem_id="pacs-patient-id")
            name = gr.Textbox(label="Name", placeholder="family^given", max_lines=1, elem_id="pacs-patient-name")
            since = gr.Textbox(label="Exam date from", placeholder="2024-01-31", max_lines=1, elem_id="pacs-since")
            until = gr.Textbox(label="Exam date to", placeholder="2024-12-31", max_lines=1, elem_id="pacs-until")
        search = gr.Button("Search", size="sm", variant="primary", elem_id="pacs-search")
        found = gr.HTML(elem_id="pacs-found", min_height=0)
        message = gr.HTML(elem_id="pacs-said", min_height=0)
        fetch = gr.Button("Fetch with priors", size="sm", elem_id="pacs-fetch")
    with gr.Row(elem_id="fetched"):
        read = gr.Button("Read it", size="sm", variant="primary", visible=False, elem_id="read-fetched", scale=0)
    return PacsBox(patient_id, name, since, until, search, found, fetch, message, read)


def connect_pacs(
    events: PacsEvents, box: PacsBox, bar: JobBar, looked: Dependency, tabs: gr.Tabs, tab: gr.Tab
) -> tuple[Dependency, gr.Number]:
    """Wire the box; return the event that turns to the page Read, and the number of the exam to open.

    bar: of the page's jobs. looked: the event in which it is brought up to date. tabs, tab: as for `worklist_page`.
    """
    chosen, number = gr.Textbox(visible="hidden"), gr.Number(None, visible="hidden")
    fields = list(box[:4])
    for raised in (box.search.click, *(field.submit for field in box[:4])):
        connect(raised, events.search, fields, [box.found, box.message], lane=PACS, progress_on=box.found)
    asked = connect(box.fetch.click, events.fetch, chosen, [box.message, *bar], js=CHOSEN_JS)
    connect(asked.then, None, box.message, js=CLOSED_JS)  # where nothing went wrong: the job's bar lies beneath it
    for changed in (asked.then, looked.then, tab.select):
        connect(changed, events.offer_reading, None, box.read)
    return connect(box.read.click, events.read, None, [tabs, number]), number
