"""The app: `build` lays out the pages over a store and a predictor; `launch` serves them. Not imported by mvmlm."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")

import gradio as gr

from mvmlm.imaging.decoder import Decoder
from mvmlm.store.store import Store

from .about import about_page
from .active_predictor import ActivePredictor, LoadOnce
from .api.functions import ApiFunctions
from .api.tools import ApiTools
from .api.types import check_call
from .error_log import log_privately
from .evaluate.page import evaluate_page
from .evaluate.reports import report_routes
from .event_queue import take_turns
from .finetune.page import finetune_page
from .gate.api_keys import KeyGate
from .gate.hosts import Hosts
from .gate.hub_logins import HubLogins, provider_of
from .gate.logins import Logins
from .gate.middleware import Gate
from .gate.password_logins import PasswordLogins
from .gate.server import gated_app, serve
from .health import Readiness, health_routes
from .hosting import Hosting
from .markup import problem
from .mode import Mode
from .my_reading import my_reading_page
from .read.other_predictors import OtherPredictors
from .read.page import read_page
from .snapshots import DurableLine
from .thumbnails import Thumbnails, thumbnail_routes
from .viewer.pixel_server import PixelServer
from .visits import Visits
from .wiring import connect
from .worklist.exports import export_routes
from .worklist.page import worklist_page
from .workspaces import StoreOfVisitor, Workspaces, in_workspaces

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor

CLEANUP_SECONDS, SESSION_SECONDS = 600, 3600
MAX_QUEUED_EVENTS = 1000  # a page that is loaded raises a dozen at once
EVENTS_AT_ONCE = 2  # of each quick function, over all visitors; the others take turns (`app.event_queue`)
MAX_SESSIONS = 500  # each takes half a megabyte of Gradio's own; the longest unused is forgotten first
RESEARCH_ONLY = "Research use only, not for diagnosis"
NOT_LASTING = (
    "**What is stored here lasts until the next restart of this Space, and everybody who logs in can see it.** "
    "Download your labels before: Worklist, Export."
)
OF_VISIT_ONLY = (
    "**What you do here only you can see, and it is deleted ten minutes after you close the page.** "
    "Download your labels before: Worklist, Export. Do not upload patient data."
)
OF_ACCOUNT = "**What you keep here only you can see.** Do not upload patient data."
OF_ACCOUNT_NOT_LASTING = (
    "**What you keep here only you can see, and it lasts until the next restart of this Space.** "
    "Download your labels before: Worklist, Export. Do not upload patient data."
)
STAY_SECONDS = 3  # how often a page says that it is still open
# Gradio mounts the content of a closed box when it is opened for the first time, and may write what was sent to its
# fields before over what is typed then. So every box is mounted open, unseen, and closed when the page has loaded.
CLOSE_JS = "() => Array(%d).fill({__type__: 'update', open: false})"
CLOSED_JS = "() => document.body.classList.add('boxes-closed')"
_HERE = Path(__file__).parent
FIRST_SCRIPTS = [
    _HERE / "connection.js",
    _HERE / "queue_place.js",
    _HERE / "answers_in_order.js",
]  # before Gradio's own: they change what it calls
STYLES = [_HERE / "room.css", _HERE / "pages.css"]  # of the page's head
SCRIPTS = [
    _HERE / f"{name}.js"
    for name in (
        "reader_here",
        "account",
        "framed_exam",
        "panel",
        "report_text",
        "maps_sheet",
        "strip",
        "notices",
        "dropped_files",
        "popovers",
        "thumbnails",
        "worklist/worklist",
    )
]
DARK = "() => document.body.classList.add('dark')"  # the pictures are the brightest thing on the page


def build(
    load_predictor: Callable[[], ModelPredictor],
    decoder: Decoder,
    pixels: PixelServer,
    store: Store,
    weights: str,
    hosting: Hosting = Hosting(),
) -> gr.Blocks:
    """Lay out the pages.

    load_predictor: called once, at the first page view. store: of the app. weights: what the worker loads. Raises
    ValueError where MVMLM_MEMORY is not understood; NoTools without the packages of MCP.
    """
    workspaces = hosting.workspaces
    home, store = store, StoreOfVisitor(workspaces) if workspaces else store
    load = LoadOnce(load_predictor)
    predictor = ActivePredictor(load, store)
    visits = Visits(pixels, lambda session: _forget_session(demo, session))
    with (
        workspaces.laying_out() if workspaces else nullcontext(),
        gr.Blocks(title="MV-MLM", fill_width=True, delete_cache=(CLEANUP_SECONDS, SESSION_SECONDS)) as demo,
    ):
        _connect_api(ApiFunctions(ActivePredictor(load, home), decoder, home.api_keys, visits), demo, hosting.tools)
        gr.HTML("MV-MLM", elem_id="brand")
        gr.HTML(RESEARCH_ONLY, elem_id="research-only")
        _lay_out_notices(home, store, hosting)
        with gr.Tabs(elem_id="pages") as tabs:
            with gr.Tab("Read", id="read"):
                open_exam, starts_session = read_page(
                    predictor, OtherPredictors(store, weights), decoder, pixels, store, visits, demo.load
                )
            with gr.Tab("Worklist", id="worklist") as worklist, gr.Column(elem_classes="page"):
                worklist_page(store, weights, predictor, open_exam, starts_session, tabs, worklist, hosting.pacs)
            with gr.Tab("Fine-tune", id="finetune") as finetune, gr.Column(elem_classes="page"):
                finetune_page(store, weights, predictor, finetune)
            with gr.Tab("Evaluate", id="evaluate") as evaluate, gr.Column(elem_classes="page"):
                evaluate_page(store, weights, evaluate)
            with gr.Tab("My reading", id="own"), gr.Column(elem_classes="page"):
                my_reading_page(store, open_exam, tabs)
            with gr.Tab("About", id="about") as about, gr.Column(elem_classes="page"):
                about_page(predictor, store, weights, about, decoder)
        _close_boxes_after_mounting(demo)
        connect(demo.load, predictor.start)
        connect(gr.Timer(STAY_SECONDS).tick, visits.stay, lane=None)
        demo.unload(visits.leave)
    demo.event_log = log_privately(demo, home)
    visits.sweep_regularly()
    if workspaces:
        workspaces.sweep_regularly(visits.owners)
    visits.take_over(demo)
    demo.state_session_capacity = MAX_SESSIONS
    demo.readiness = Readiness(home, predictor.state)
    demo.queue(max_size=MAX_QUEUED_EVENTS, default_concurrency_limit=EVENTS_AT_ONCE)
    take_turns(demo)
    return demo


def _lay_out_notices(home: Store, store: Store, hosting: Hosting) -> None:
    """Lay out what a user must know of the place of their work. home: store of the app. store: of a visitor."""
    lasting = hosting.lasting or hosting.snapshots is not None
    with gr.Column(elem_id="notices"):
        if hosting.public:
            gr.Markdown(OF_VISIT_ONLY, elem_id="of-visit")  # hidden from who logs in
            gr.Markdown(OF_ACCOUNT if lasting else OF_ACCOUNT_NOT_LASTING, elem_classes="of-account")
        elif not lasting:
            gr.Markdown(NOT_LASTING, elem_id="not-lasting")
        for note in home.notes:
            gr.HTML(problem(note), elem_classes="store-note")
    if hosting.snapshots:
        DurableLine(hosting.snapshots, store, hosting.public).lay_out()


def _connect_api(functions: ApiFunctions, demo: gr.Blocks, tools: bool) -> None:
    """Add what programs call, before the pages: the first event of a name keeps it."""
    functions.connect()
    if tools:
        ApiTools(functions).connect()
    demo.tools = tools  # type: ignore[attr-defined]


def _close_boxes_after_mounting(demo: gr.Blocks) -> None:
    """Mount the content of the boxes that begin closed, and close them when the page has loaded."""
    boxes = [block for block in demo.blocks.values() if isinstance(block, gr.Accordion) and not block.open]
    for box in boxes:
        box.open = True
        box.elem_classes = [*box.elem_classes, "begins-closed"]
    closed = connect(demo.load, None, None, boxes, js=CLOSE_JS % len(boxes))
    connect(closed.then, None, js=CLOSED_JS)


def _forget_session(demo: gr.Blocks, session: str) -> None:
    """Let Gradio forget a session that has ended, with the copies of components that it keeps for it."""
    sessions = demo.state_holder
    with sessions.lock:
        sessions.session_data.pop(session, None)
        sessions.time_last_used.pop(session, None)


def launch(
    demo: gr.Blocks,
    pixels: PixelServer,
    store: Store,
    host: str,
    port: int | None = None,
    allowed_hosts: Sequence[str] = (),
    mode: Mode = Mode.LOCAL,
    workspaces: Workspaces | None = None,
) -> None:
    """Serve the pages until the process ends. pixels, store, workspaces: those of `build`.

    An open exam is served to its visitor only; stored exams to everybody who may open the app. host: the
    address to listen on. allowed_hosts: names, besides the address, under which the app may be called. mode: in
    `server` people log in.
    """
    serve(guarded(demo, pixels, store, host, allowed_hosts, mode, workspaces), host, port)


def _logins(mode: Mode, store: Store, workspaces: Workspaces | None) -> Logins | None:
    if mode is Mode.SERVER:
        return PasswordLogins(store.accounts)
    provider = provider_of(os.environ) if workspaces else None
    return HubLogins(provider, workspaces.take_over) if workspaces and provider else None


def guarded(
    demo: gr.Blocks,
    pixels: PixelServer,
    store: Store,
    host: str = "127.0.0.1",
    allowed_hosts: Sequence[str] = (),
    mode: Mode = Mode.LOCAL,
    workspaces: Workspaces | None = None,
) -> Gate:
    """Return the ASGI app that `launch` serves: the pages and the routes behind the gate."""
    logins, keys = _logins(mode, store, workspaces), KeyGate(store.api_keys)
    log = demo.event_log  # type: ignore[attr-defined]
    log.log.mode = mode.value
    store = StoreOfVisitor(workspaces) if workspaces else store
    stored = [*export_routes(store), *report_routes(store), *thumbnail_routes(Thumbnails(store))]
    return gated_app(
        demo,
        [
            *pixels.routes(),
            *(in_workspaces(stored) if workspaces else stored),
            *health_routes(demo.readiness),  # type: ignore[attr-defined]
        ],
        Hosts(host, allowed_hosts),
        logins,
        log,
        mode is Mode.SPACE,
        "".join(script.read_text(encoding="utf-8") for script in FIRST_SCRIPTS),
        keys,
        check_call,
        demo.tools,  # type: ignore[attr-defined]
        head="".join(f"<style>{style.read_text(encoding='utf-8')}</style>" for style in STYLES)
        + "".join(f"<script>{script.read_text(encoding='utf-8')}</script>" for script in SCRIPTS),
        js=DARK,
        css_paths=[Path(__file__).parent / "style.css"],
        theme=gr.themes.Base(primary_hue="orange", neutral_hue="slate"),
    )
