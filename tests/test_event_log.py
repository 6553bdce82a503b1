"""With MVMLM_LOG=json every event is a JSON line, of numbers and names of the program, and of nobody's words."""

import json
import re
import stat

import gradio as gr
import pytest

from app import build, guarded
from app.error_log import LOG, log_privately
from app.event_log import MOST_VISITORS, EventLog
from app.mode import Mode
from app.privacy import COOKIE
from app.viewer.pixel_server import PixelServer
from mvmlm import worker
from mvmlm.private_log import VARIABLE, LogFormat, PrivateLog, log_format
from mvmlm.store.accounts import Role
from mvmlm.store.store import Store
from mvmlm.worker import work
from tests.visitors import event, join, running_app

WORDS = ("MUELLER", "correct horse battery", "Ann Reader")


@pytest.fixture(autouse=True)
def in_json(monkeypatch):
    monkeypatch.setenv(VARIABLE, "json")


def lines(folder, name=LOG):
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def test_a_format_is_text_or_json_and_another_name_is_refused():
    assert log_format({}) is LogFormat.TEXT and log_format({VARIABLE: "json"}) is LogFormat.JSON
    with pytest.raises(ValueError, match="MVMLM_LOG=xml: choose one of text, json"):
        log_format({VARIABLE: "xml"})


def test_in_text_only_errors_are_written(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "text")
    log = PrivateLog(tmp_path / "a.log")
    log.event("request", status=200)
    assert not (tmp_path / "a.log").exists()
    log.failure("reading failed", ValueError("MUELLER"), handler="read")
    text = (tmp_path / "a.log").read_text(encoding="utf-8")
    assert "reading failed\nbuiltins.ValueError" in text and "MUELLER" not in text


@pytest.mark.parametrize("fact", ["two words", "MÜLLER", "a" * 101, '"', "\n"])
def test_a_text_that_no_name_of_the_program_is_is_refused(tmp_path, fact):
    with pytest.raises(ValueError, match="handler of the event request"):
        PrivateLog(tmp_path / "a.log").event("request", handler=fact)


def test_a_line_has_time_level_event_and_mode_and_the_file_is_private(tmp_path):
    log = PrivateLog(tmp_path / "a.log", "server")
    log.event("request", status=200, ms=3)
    log.failure("reading failed", KeyError("MUELLER"), handler="read")
    first, second = lines(tmp_path, "a.log")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", first.pop("time"))
    assert first == {"level": "info", "event": "request", "mode": "server", "status": 200, "ms": 3}
    assert (second["level"], second["event"], second["handler"]) == ("error", "error", "read")
    assert second["traceback"] == ["builtins.KeyError"]
    assert stat.S_IMODE((tmp_path / "a.log").stat().st_mode) == 0o600


@pytest.fixture(scope="module")
def people(tmp_path_factory, decoder):
    """The app in the mode `server`, with an account, and a client of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "json")
        store, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
        store.accounts.add("Ann Reader", Role.READER, WORDS[1], "test")
        demo = build(lambda: None, decoder, pixels, store, "demo")
        with running_app(guarded(demo, pixels, store, mode=Mode.SERVER), demo) as client:
            yield client, demo, store
        store.close()


def test_requests_logins_saves_and_refusals_are_events_without_anybodys_words(people):
    client, demo, store = people
    client.get("/MUELLER?name=MUELLER")
    client.post("/login", data={"name": "Ann Reader", "password": "MUELLER MUELLER"})
    client.post("/login", data={"name": "Ann Reader", "password": WORDS[1]}, follow_redirects=False)
    client.get("/")
    app = (None, demo)
    join(client, event(app, "WorklistEvents.make_list", ["MUELLER"]))  # refused, or queued
    assert join(client, event(app, "FinetuneEvents.activate")).status_code == 403  # a reader may not
    written = lines(store.folder)
    text, cookie = json.dumps(written), client.cookies.get(COOKIE)
    assert not [word for word in (*WORDS, cookie, "Ann", "Reader@") if word in text]
    closed, wrong, login, first = written[:4]
    assert (closed["event"], closed["route"], closed["status"]) == ("refusal", "none", 404)
    assert (wrong["event"], wrong["route"], wrong["status"]) == ("login", "/login", 403)
    assert (login["event"], login["status"], login["mode"]) == ("login", 303, "server")
    assert (first["event"], first["route"], first["status"]) == ("request", "/", 200)
    assert re.fullmatch("[0-9a-f]{12}", first["account"]) and first["visit"] > 0 and first["ms"] >= 0
    assert first["request"] > login["request"] > wrong["request"] > closed["request"]
    refused = written[-1]
    assert (refused["event"], refused["status"], refused["handler"]) == ("refusal", 403, "FinetuneEvents.activate")


def test_handlers_are_events_with_their_outcome_and_saves_are_named_so(store):
    def failing():
        raise KeyError("MUELLER")

    def refusing():
        raise gr.Error("MUELLER", print_exception=False)

    def sign():
        return None

    sign.__qualname__ = "FormEvents.sign"
    with gr.Blocks() as demo:
        for handler in (failing, refusing, sign):
            gr.Button().click(handler)
    log_privately(demo, store)
    for function in list(demo.fns.values()):
        if function.fn.__qualname__ == "FormEvents.sign":
            function.fn()
        else:
            with pytest.raises(gr.Error):
                function.fn()
    handled = [line for line in lines(store.folder) if "outcome" in line]
    assert [line["outcome"] for line in handled] == ["failed", "refused", "done"]
    assert [line["event"] for line in handled] == ["handled", "handled", "save"]
    assert [line["event"] for line in lines(store.folder)].count("error") == 1
    assert "MUELLER" not in (store.folder / LOG).read_text(encoding="utf-8")


def test_jobs_are_events_of_the_worker(store, monkeypatch):
    def fail(running):
        raise ValueError("MUELLER")

    monkeypatch.setitem(worker.HANDLERS, "fail", fail)
    first, second = store.jobs.add("fail", {}, "ann"), store.jobs.add("two words", {}, "ann")
    assert work(store.folder, "demo", idle_seconds=0.1) == 2
    jobs = [line for line in lines(store.folder, worker.LOG) if line["event"] == "job"]
    assert [(line["job"], line["kind"], line["state"]) for line in jobs] == [
        (first, "fail", "failed"), (second, "unknown", "failed"),
    ]  # fmt: skip
    assert "MUELLER" not in json.dumps(lines(store.folder, worker.LOG))


def test_a_visitor_has_a_number_that_is_no_cookie_and_the_numbers_are_bounded(tmp_path):
    log = EventLog(PrivateLog(tmp_path / "a.log"), lambda text: None)
    assert [log.visit(cookie) for cookie in ("ann", "bob", "ann", "")] == [1, 2, 1, 0]
    for number in range(MOST_VISITORS):
        log.visit(f"cookie {number}")
    assert log.visit("ann") == MOST_VISITORS + 3 and log.account("Ann Reader") == ""
