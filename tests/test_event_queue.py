"""Turns of events, through Gradio's own server: ordered for each visitor, and no visitor waits for another's."""

import asyncio
import json
import threading
import time
from collections import defaultdict
from queue import Queue

import gradio as gr
import httpx
import pytest

from app import event_queue
from app.event_queue import AT_ONCE, PAGES, SLOW_MAPS, VISIT, VisitorQueue, take_turns
from app.gate.queued import Queued
from app.gate.refusal import Refused
from app.privacy import COOKIE
from app.wiring import connect

PATIENCE = 60  # seconds after which a wait is a failure
SLOW, QUICK, ELSEWHERE, AT_ONCE_TOO, MAP = range(5)  # the buttons


class Page:
    """A served page: a slow button and a quick one in one lane, one in another lane, one in none, and a slow map."""

    def __init__(self):
        self.streams, self.closing, self.browser = {}, False, httpx.Client()
        self.order, self.running, self.let_go = [], defaultdict(threading.Event), defaultdict(threading.Event)
        with gr.Blocks() as demo:
            typed, said = gr.Textbox(), gr.Textbox()
            connect(gr.Button().click, self.slow, typed, said, lane=VISIT)
            connect(gr.Button().click, self.quick, typed, said, lane=VISIT)
            connect(gr.Button().click, self.quick, typed, said, lane=PAGES)
            connect(gr.Button().click, self.quick, typed, said, lane=None)
            connect(gr.Button().click, self.slow, typed, said, lane=SLOW_MAPS)
        demo.queue(default_concurrency_limit=2)
        take_turns(demo)
        _, self.url, _ = demo.launch(prevent_thread_lock=True, quiet=True)
        self.demo = demo

    def slow(self, name):
        self.order.append(name)
        self.running[name].set()
        assert self.closing or self.let_go[name].wait(PATIENCE)
        return name

    @staticmethod
    def happens(what):
        """Whether something becomes true."""
        end = time.monotonic() + PATIENCE
        while not what() and time.monotonic() < end:
            time.sleep(0.01)
        return what()

    def close(self):
        self.closing = True
        for event in list(self.let_go.values()):
            event.set()
        for session, stream in list(self.streams.items()):
            self.results(session, stream.awaited)
        self.demo.close()

    def quick(self, name):
        self.order.append(name)
        return name

    def send(self, button, name, visitor, session):
        """Send what a click on a button sends; return the answer."""
        body = {"data": [name], "fn_index": button, "session_hash": session}
        headers = {"cookie": f"{COOKIE}={visitor}"} if visitor else {}
        return self.browser.post(f"{self.url}gradio_api/queue/join", json=body, headers=headers)

    def click(self, button, name, visitor):
        """Click a button; return the status of the answer and what it says."""
        session = visitor or name
        answer = self.send(button, name, visitor, session)
        if answer.is_success:
            if session not in self.streams:
                self.streams[session] = Stream(self.address(session))
            self.streams[session].awaited += 1
        return answer.status_code, answer.json().get("detail", "")

    def address(self, session):
        """Where a page listens to what becomes of its events."""
        return f"{self.url}gradio_api/queue/data?session_hash={session}"

    def results(self, session, count):
        """The next `count` results of a session."""
        stream = self.streams[session]
        found = [stream.found.get(timeout=PATIENCE) for _ in range(count)]
        stream.awaited -= count
        if not stream.awaited:  # Gradio closes it now
            self.streams.pop(session).thread.join(PATIENCE)
        return found


class Stream:
    """The event stream of a session, as a browser keeps it: Gradio drops the events of a session that closes it."""

    def __init__(self, address):
        self.awaited, self.found, self.address, self.places = 0, Queue(), address, []
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        with httpx.stream("GET", self.address, timeout=PATIENCE) as stream:
            for line in stream.iter_lines():
                message = json.loads(line.removeprefix("data: ")) if line else {}
                if message.get("msg") == "estimation":
                    self.places.append(message["rank"])
                if message.get("msg") == "process_completed":
                    self.found.put(message["output"]["data"][0])


@pytest.fixture
def page():
    page = Page()
    yield page
    page.close()


def test_a_slow_event_holds_up_its_own_visitor_only_and_her_events_keep_their_order(page):
    page.click(SLOW, "slow", "ann")
    assert page.running["slow"].wait(PATIENCE)
    for number in range(20):
        page.click(QUICK, f"{number}", "ann")
    for number in range(AT_ONCE):
        page.click(QUICK, f"of bob {number}", f"bob {number}")
        assert page.results(f"bob {number}", 1) == [f"of bob {number}"]
    page.click(ELSEWHERE, "on another page", "ann")
    page.click(AT_ONCE_TOO, "at once", "ann")
    assert set(page.results("ann", 2)) == {"on another page", "at once"}
    page.order.clear()
    page.let_go["slow"].set()
    assert page.results("ann", 21) == ["slow", *map(str, range(20))]
    assert page.order == [*map(str, range(20))]


def test_a_visitor_with_many_slow_events_takes_one_place(page):
    for number in range(AT_ONCE + 1):
        page.click(SLOW, f"slow {number}", "ann")
    assert page.running["slow 0"].wait(PATIENCE)
    page.click(QUICK, "of bob", "bob")
    assert page.results("bob", 1) == ["of bob"]
    assert page.order == ["slow 0", "of bob"]


def test_no_more_events_run_at_once_than_there_are_places_and_visitors_get_them_in_turn(page):
    for number in range(AT_ONCE):
        page.click(SLOW, f"slow {number}", f"reader {number}")
        assert page.running[f"slow {number}"].wait(PATIENCE)
        page.let_go[f"more {number}"].set()
        page.click(SLOW, f"more {number}", f"reader {number}")
    page.click(QUICK, "of bob", "bob")
    page.click(AT_ONCE_TOO, "at once", "cid")
    assert page.results("cid", 1) == ["at once"] and "of bob" not in page.order
    page.let_go["slow 0"].set()
    assert page.results("bob", 1) == ["of bob"]
    assert page.results("reader 0", 2) == ["slow 0", "more 0"]
    assert page.order.index("of bob") < page.order.index("more 0"), "he came last and has had no turn yet"


def test_who_waits_is_told_how_many_are_before_them_and_the_65th_too(page):
    for number in range(AT_ONCE):
        page.click(SLOW, f"slow {number}", f"reader {number}")
        assert page.running[f"slow {number}"].wait(PATIENCE)
    for number in range(64):
        page.let_go[f"waits {number}"].set()
        page.click(SLOW, f"waits {number}", f"visitor {number}")
    page.let_go["last"].set()
    page.click(SLOW, "last", "the 65th")
    places = page.streams["the 65th"].places
    assert page.happens(lambda: places) and places[0] == 65
    for number in range(AT_ONCE):
        page.let_go[f"slow {number}"].set()
    assert page.results("the 65th", 1) == ["last"]
    assert places == sorted(places, reverse=True) and places[-1] <= AT_ONCE
    for number in range(64):
        assert page.results(f"visitor {number}", 1) == [f"waits {number}"]


def test_one_slow_map_runs_at_a_time_and_holds_up_nothing_else(page):
    page.click(MAP, "map of ann", "ann")
    assert page.running["map of ann"].wait(PATIENCE)
    page.click(MAP, "map of bob", "bob")
    for name in ("ann", "bob"):
        page.click(QUICK, f"of {name}", name)
        assert page.results(name, 1) == [f"of {name}"]
    assert "map of bob" not in page.order
    page.let_go["map of bob"].set()
    page.let_go["map of ann"].set()
    assert page.results("ann", 1) == ["map of ann"] and page.results("bob", 1) == ["map of bob"]


def test_what_a_visitor_did_is_done_after_her_page_is_gone_and_what_she_asked_for_is_not(page):
    page.click(MAP, "map of bob", "bob")
    for button, name in ((SLOW, "slow"), (SLOW, "label"), (MAP, "map of ann")):
        page.send(button, name, "ann", "ann")
    assert page.running["slow"].wait(PATIENCE) and page.running["map of bob"].wait(PATIENCE)
    with httpx.stream("GET", page.address("ann")) as stream:
        next(stream.iter_lines())
    waiting = page.demo._queue.event_queue_per_concurrency_id[SLOW_MAPS].queue
    assert page.happens(lambda: not waiting), "the map that nobody sees is not drawn"
    page.let_go["slow"].set()
    assert page.running["label"].wait(PATIENCE)
    page.let_go["label"].set()
    page.let_go["map of bob"].set()
    assert page.results("bob", 1) == ["map of bob"]
    assert "map of ann" not in page.order


def test_an_app_that_is_stopped_lets_what_was_begun_end_and_takes_nothing_new(page):
    queued = Queued(page.demo)
    page.click(SLOW, "label", "ann")
    page.click(SLOW, "second label", "ann")
    page.let_go["second label"].set()
    assert page.running["label"].wait(PATIENCE)
    stopping = threading.Thread(target=lambda: asyncio.run(queued.finish(PATIENCE)))
    stopping.start()
    with pytest.raises(Refused, match="503"):
        assert page.happens(lambda: queued._closing)
        queued.admit("session", "bob")
    stopping.join(0.3)
    assert stopping.is_alive(), "it waits for what runs"
    page.let_go["label"].set()
    stopping.join(PATIENCE)
    assert page.results("ann", 2) == ["label", "second label"]
    asyncio.run(Queued(page.demo).finish(PATIENCE))


def test_an_app_that_is_stopped_waits_for_nothing_for_ever(page):
    page.click(SLOW, "slow", "ann")
    assert page.running["slow"].wait(PATIENCE)
    began = time.monotonic()
    asyncio.run(Queued(page.demo).finish(0.2))
    assert 0.2 <= time.monotonic() - began < PATIENCE / 2


def test_sessions_without_a_cookie_are_visitors_of_their_own(page):
    page.click(SLOW, "slow", visitor="")
    assert page.running["slow"].wait(PATIENCE)
    page.click(QUICK, "quick", visitor="")
    assert page.results("quick", 1) == ["quick"]


def test_every_event_of_the_app_that_takes_time_has_a_lane(store):
    from app import build
    from app.viewer.pixel_server import PixelServer
    from mvmlm.imaging.decoder import Decoder

    demo = build(lambda: None, Decoder(), PixelServer(), store, "demo")
    assert isinstance(demo._queue, VisitorQueue)
    without = [fn.name for fn in demo.fns.values() if fn.fn and fn.concurrency_id not in event_queue.LANES]
    assert sorted(without) == ["leave", "stay", "stop"]
