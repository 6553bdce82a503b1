"""The mode `server`: nobody sees anything without logging in, and everybody acts under their own name and role."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from app.gate.addresses import counted_address
from app.gate.logins import IDLE_SECONDS, LOGIN_COOKIE
from app.gate.password_logins import AT_ONCE, FAILURES_OF_NAME, WINDOW_SECONDS
from app.gate.roles import LEAST_ROLE, NAME_FIELDS
from app.gate.table import HUB_ROUTES, PASSWORD_ROUTES, ROUTES, find_route, page_events
from app.hosting import Hosting
from app.mode import Mode, NotReady, add_first_admin, check_mode, choose_mode
from app.privacy import COOKIE
from mvmlm.pacs.access import PacsAccess
from mvmlm.published.catalogue import CATALOGUE
from mvmlm.store.accounts import Role
from mvmlm.store.errors import StoreError
from tests.visitors import BASE, event, join, running_app

EVERY_ROUTE = (*ROUTES, *PASSWORD_ROUTES, *HUB_ROUTES)
PASSWORD = "correct horse battery"
PEOPLE = {"Vera": Role.VIEWER, "Rita": Role.READER, "Tom": Role.TRAINER, "Ada": Role.ADMIN}


@pytest.fixture(scope="module")
def server(tmp_path_factory, decoder):
    """The app as `launch` serves it in the mode `server`, with an account in each role."""
    from app import build, guarded
    from app.snapshots import Snapshots
    from app.viewer.pixel_server import PixelServer
    from mvmlm.store.store import Store

    store, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    for name, role in PEOPLE.items():
        store.accounts.add(name, role, PASSWORD, "tests")
    snapshots = Snapshots("ann/labels", "token", store.folder, lambda: [store.folder])  # of which a line speaks
    pacs = PacsAccess("http://127.0.0.1:1")
    demo = build(lambda: None, decoder, pixels, store, "demo", Hosting(snapshots=snapshots, pacs=pacs))
    yield guarded(demo, pixels, store, mode=Mode.SERVER), demo, store
    store.close()


@pytest.fixture(scope="module")
def running(server):
    with running_app(*server[:2]) as client:
        yield client


@pytest.fixture
def stranger(server, running):
    client = TestClient(server[0], base_url=BASE, follow_redirects=False)
    client.portal = running.portal
    return client


def log_in(client, name, password=PASSWORD, **fields):
    return client.post("/login", data={"name": name, "password": password, **fields})


@pytest.fixture
def person(server, running):
    """A function that returns the client of somebody who has logged in."""

    def of(name):
        client = TestClient(server[0], base_url=BASE, follow_redirects=False)
        client.portal = running.portal
        assert log_in(client, name).status_code == 303
        return client

    return of


def test_a_stranger_is_led_to_the_login_and_reaches_nothing_else(server, stranger):
    answer = stranger.get("/?exam=exam-00001")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?exam=exam-00001")
    assert stranger.get("/?exam=//evil.example").headers["location"] == "/login"
    for path in ("/viewer/viewer.js", "/viewer/abc/0/raw", "/export/readings.csv", "/evaluation/1/report.html",
                 "/thumbnail/1.jpg", "/gradio_api/heartbeat/abcdef", "/gradio_api/queue/data?session_hash=abcdef"):  # fmt: skip
        stranger.cookies.set(COOKIE, "x" * 43)
        answer = stranger.get(path)
        assert answer.status_code == 401 and "log in" in answer.text, path
    assert join(stranger, event(server, "ExamEvents.open_demo")).status_code == 401
    assert stranger.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
    assert stranger.get("/login").status_code == 200 and "Research use only" in stranger.get("/login").text


def test_logging_in_leads_back_to_the_exam_with_cookies_that_no_script_reads(stranger):
    old = stranger.get("/login").cookies
    answer = log_in(stranger, "rita", exam="exam-00001")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?exam=exam-00001")
    cookies = answer.headers.get_list("set-cookie")
    assert all("HttpOnly" in cookie and "samesite=lax" in cookie.lower() for cookie in cookies) and not old
    assert {cookie.partition("=")[0] for cookie in cookies} == {LOGIN_COOKIE, COOKIE}, "and a visitor of its own"
    page = stranger.get("/")
    assert (
        page.status_code == 200
        and 'window.account = {"name": "Rita", "role": "reader", "title": "reader"}' in page.text
    )
    assert log_in(stranger, "Rita", exam="//evil.example").headers["location"] == "/"


def test_a_wrong_password_an_unknown_name_and_a_closed_account_get_the_same_answer(server, stranger):
    server[2].accounts.add("Cleo", Role.READER, PASSWORD, "tests")
    server[2].accounts.close("Cleo", "tests")
    answers = [log_in(stranger, name, word) for name, word in (("Rita", "x"), ("Nobody", PASSWORD), ("Cleo", PASSWORD))]
    assert {answer.status_code for answer in answers} == {403}
    assert len({re.sub(r'value="\w*"', "", answer.text) for answer in answers}) == 1
    assert stranger.get("/").status_code == 303


def test_a_password_cannot_be_tried_without_end(server, stranger, person, monkeypatch):
    for _ in range(FAILURES_OF_NAME):
        assert log_in(stranger, "Ada", "wrong").status_code == 403
    answer = log_in(stranger, "Ada")
    assert answer.status_code == 429 and "quarter of an hour" in answer.text, "not even the right one"
    assert person("Rita").get("/").status_code == 200, "another name is not held up"
    monkeypatch.setattr(
        server[0]._logins, "_clock", lambda started=server[0]._logins._clock: started() + WINDOW_SECONDS
    )
    assert log_in(stranger, "Ada").status_code == 303
    server[0]._logins._failures.clear()


@pytest.mark.parametrize(
    "host, counted",
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"), ("fe80::1%eth0", "fe80::/64"), ("testclient", "testclient"),
    ],
)  # fmt: skip
def test_another_address_of_the_same_network_is_no_new_attempt(host, counted):
    assert counted_address({"client": (host, 1)}) == counted
    assert counted_address({"client": None}) == ""


def test_attempts_that_are_sent_at_once_are_counted(server, stranger, monkeypatch):
    def slow(name, password):
        time.sleep(0.02)

    checked = []
    monkeypatch.setattr(server[0]._logins._accounts, "check", lambda *given: checked.append(given) or slow(*given))
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: log_in(stranger, "Ada", "wrong").status_code, range(20)))
    assert len(checked) <= FAILURES_OF_NAME + AT_ONCE and set(answers) == {403, 429}
    server[0]._logins._failures.clear()


def test_a_login_holds_in_the_frame_of_a_space_and_nowhere_else_across_sites(stranger, monkeypatch):
    for host, wanted in (
        ("", "SameSite=lax; Secure"),
        ("somebody-mv-mlm.hf.space", "SameSite=none; Secure; Partitioned"),
    ):
        monkeypatch.setenv("SPACE_HOST", host)
        answer = stranger.post(
            "/login", data={"name": "Rita", "password": PASSWORD}, headers={"x-forwarded-proto": "https"}
        )
        assert answer.headers.get_list("set-cookie")[0].endswith(wanted)


def test_a_form_of_another_site_logs_nobody_in(stranger):
    answer = stranger.post(
        "/login", data={"name": "Rita", "password": PASSWORD}, headers={"origin": "http://evil.example"}
    )
    assert answer.status_code == 403 and not answer.cookies


def test_a_login_form_is_bounded(stranger):
    assert log_in(stranger, "Rita", "x" * 100_000).status_code == 413


def test_logging_out_ends_the_login_and_a_change_of_the_account_counts_at_once(server, person):
    rita = person("Rita")
    cookies = dict(rita.cookies)
    answer = rita.post("/logout")
    assert answer.status_code == 303 and rita.get("/").status_code == 303
    rita.cookies.update(cookies)
    assert rita.get("/").status_code == 303, "a cookie that was kept proves nothing any more"
    tom = person("Tom")
    assert tom.get("/export/readings.csv").status_code == 200
    server[2].accounts.set_role("Tom", Role.READER, "tests")
    answer = tom.get("/export/readings.csv")
    assert answer.status_code == 403 and "role trainer" in answer.text and "Tom is a reader" in answer.text
    server[2].accounts.close("Tom", "tests")
    assert tom.get("/").status_code == 303
    server[2].accounts.set_password("Tom", "another battery", "tests")
    assert tom.get("/").status_code == 303, "a new password ends the logins of the old one"
    server[2].accounts.set_password("Tom", PASSWORD, "tests")
    server[2].accounts.set_role("Tom", Role.TRAINER, "tests")


def test_a_login_ends_when_it_was_not_used_for_long(server, person, monkeypatch):
    rita, seconds = person("Rita"), [server[0]._logins._clock()]
    monkeypatch.setattr(server[0]._logins, "_clock", lambda: seconds[0])
    for _ in range(3):
        seconds[0] += IDLE_SECONDS - 60
        assert rita.get("/").status_code == 200, "each use counts"
    seconds[0] += IDLE_SECONDS + 60
    assert rita.get("/").status_code == 303
    monkeypatch.setattr("app.gate.logins.LONGEST_SECONDS", 2 * IDLE_SECONDS - 60)
    rita = person("Rita")
    for status in (200, 200, 303):
        seconds[0] += IDLE_SECONDS - 60
        assert rita.get("/").status_code == status, "and after a week in any case"


def test_every_event_has_a_role_and_every_field_of_a_name_is_known(server):
    assert {event.handler for event in page_events(server[1]).values()} == set(LEAST_ROLE)
    fields = {getattr(c, "elem_id", None) for fn in server[1].fns.values() for c in fn.inputs}
    assert fields >= NAME_FIELDS
    labels = {c.elem_id for fn in server[1].fns.values() for c in fn.inputs
              if (getattr(c, "label", None) or "") in ("Your name", "Reader (name or initials)")}  # fmt: skip
    assert labels <= NAME_FIELDS, "a field that asks who acts is filled by the server"


@pytest.mark.parametrize(
    "name, handler, allowed",
    [
        ("Vera", "ExamEvents.open_demo", True), ("Vera", "FormEvents.sign", False), ("Vera", "FormEvents.save_marks", False),
        ("Rita", "FormEvents.sign", True), ("Rita", "FinetuneEvents.activate", False), ("Rita", "WorklistEvents.import_exams", False),
        ("Rita", "PacsEvents.search", False), ("Rita", "PacsEvents.fetch", False), ("Tom", "PacsEvents.fetch", True),
        ("Tom", "FinetuneEvents.activate", True), ("Tom", "WorklistEvents.import_labels", False),
        ("Ada", "WorklistEvents.import_labels", True),
    ],
)  # fmt: skip
def test_an_event_needs_its_role(server, person, name, handler, allowed):
    answer = join(person(name), event(server, handler))
    assert answer.status_code == (200 if allowed else 403), answer.text
    assert allowed or f"{name} is a {PEOPLE[name]}" in answer.json()["detail"]


def test_whoever_acts_is_named_by_the_server_whatever_the_page_sends(server, person, monkeypatch):
    sent, rita = [], person("Rita")
    monkeypatch.setattr("app.gate.middleware.replayed", lambda body, receive: sent.append(json.loads(body)) or receive)
    monkeypatch.setattr(server[0], "app", _taken)
    page_event = next(e for e in page_events(server[1]).values() if e.handler == "ListEvents.sign_and_next")
    assert page_event.names
    body = event(server, "ListEvents.sign_and_next", ["Somebody Else"] * page_event.inputs)
    sent.clear()
    join(rita, body)
    assert [sent[0]["data"][n] for n in page_event.names] == ["Rita"] * len(page_event.names)
    sent.clear()
    join(rita, event(server, "ExamEvents.go") | {"event_data": {"address": "exam-00001", "reader": "Somebody Else"}})
    assert sent[0]["event_data"] == {"address": "exam-00001", "reader": "Rita"}
    sent.clear()
    join(rita, event(server, "ExamEvents.go") | {"event_data": {"address": "exam-00001", "read": 1}})
    assert sent[0]["event_data"]["reader"] == "Rita", "a name that is left out would be that of the only reader"


def test_what_an_account_started_is_its_own_after_the_next_login(server, person, monkeypatch):
    monkeypatch.setattr("app.published_models.start_worker", lambda *_: None)
    for page, model in zip(("first", "second"), CATALOGUE):
        tom = person("Tom")
        assert join(tom, event(server, "PublishedModels.fetch", [model, True], page)).status_code == 200
        lines = tom.get("/gradio_api/queue/data", params={"session_hash": page}).text
        assert "process_completed" in lines
    jobs = server[2].jobs.recent()
    assert len(jobs) == 2 and len({job.owner for job in jobs}) == 1 and "Tom" not in jobs[0].owner
    who = {row["who"] for row in server[2].file.all("SELECT who FROM history WHERE about LIKE 'job %'")}
    assert who == {"Tom"}


async def _taken(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})


def test_no_one_can_log_in_where_nobody_has_to():
    for method, path in (("GET", "/login"), ("POST", "/login"), ("POST", "/logout")):
        assert find_route(method, path) is None and find_route(method, path, PASSWORD_ROUTES).route.path == path


def test_what_is_open_to_strangers_is_the_login_and_the_look_of_the_page():
    assert [route.path for route in EVERY_ROUTE if route.least is None] == [
        route.path
        for route in EVERY_ROUTE
        if "assets" in route.path
        or "theme" in route.path
        or "app_id" in route.path
        or "log" in route.path
        or "health" in route.path
    ]


def test_the_mode_is_chosen_by_the_option_then_the_environment_then_the_space():
    assert choose_mode(None, {}) is Mode.LOCAL and choose_mode(None, {"SPACE_ID": "a/b"}) is Mode.SPACE
    assert choose_mode(None, {"SPACE_ID": "a/b", "MVMLM_MODE": "server"}) is Mode.SERVER
    assert choose_mode("local", {"MVMLM_MODE": "server"}) is Mode.LOCAL
    with pytest.raises(NotReady, match="choose one of local, server, space"):
        choose_mode(None, {"MVMLM_MODE": "Server"})


def test_a_mode_without_what_it_needs_does_not_start(store):
    for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", ""):
        with pytest.raises(NotReady, match="--mode server"):
            check_mode(Mode.LOCAL, host, store.accounts, {})
    for host in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check_mode(Mode.LOCAL, host, store.accounts, {})
    with pytest.raises(NotReady, match="account add"):
        check_mode(Mode.SERVER, "0.0.0.0", store.accounts, {})
    store.accounts.add("Rita", Role.READER, PASSWORD, "tests")
    with pytest.raises(NotReady, match="no admin"):
        check_mode(Mode.SERVER, "0.0.0.0", store.accounts, {})
    store.accounts.add("Ada", Role.ADMIN, PASSWORD, "tests")
    check_mode(Mode.SERVER, "0.0.0.0", store.accounts, {})
    check_mode(Mode.SPACE, "0.0.0.0", store.accounts, {})


def test_a_first_admin_can_be_given_by_the_environment(store):
    add_first_admin(store.accounts, {})
    assert store.accounts.all() == []
    with pytest.raises(StoreError, match="Choose"):
        add_first_admin(store.accounts, {"MVMLM_ADMIN_PASSWORD": "short"})
    add_first_admin(store.accounts, {"MVMLM_ADMIN_PASSWORD": PASSWORD})
    check_mode(Mode.SERVER, "0.0.0.0", store.accounts, {})
    add_first_admin(store.accounts, {"MVMLM_ADMIN_PASSWORD": "another battery"})
    assert store.accounts.check("admin", PASSWORD), "a later start changes no password"
