"""The gate in front of the app: what an anonymous visitor can reach, in which spelling, and as whom."""

import asyncio
import json
import re
from types import SimpleNamespace

import pytest
from starlette.websockets import WebSocketDisconnect

from app import MAX_SESSIONS
from app.gate import event_body, sessions
from app.gate.event_body import LONGEST_TEXT, MOST_BYTES, parse_bounded
from app.gate.headers import security_headers
from app.gate.hosts import Hosts
from app.gate.queued import Queued
from app.gate.refusal import NO_COOKIE, Refused
from app.gate.table import CALLS, find_route, page_events
from app.privacy import COOKIE
from tests.visitors import BASE, event, join, number_of

"""What an anonymous visitor can reach: the gate in front of the app as it is served, and what each handler checks itself."""


def test_the_page_and_what_it_loads_are_open(visitors):
    ann, _ = visitors
    page = ann.get("/")
    assert "gradio_config" in page.text and "<base" not in page.text
    for address in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page.text):
        assert ann.get("/" + address).status_code == 200
    assert ann.get("/theme.css").status_code == 200 and ann.head("/").status_code == 200
    known = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page.text)[1])["app_id"]
    assert ann.get("/gradio_api/app_id").json() == {"app_id": known}, "a page asks it whether the app was started again"


CLOSED = (
    "/gradio_api/file=/etc/passwd", "/gradio_api/file%3D/etc/passwd", "/gradio_api/file/etc/passwd",
    "/gradio_api/file%2Fetc/passwd", "/gradio_api/FILE=/etc/passwd", "//gradio_api/file=/etc/passwd",
    "/gradio_api//file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/file", "/gradio_api/proxy=http://x.hf.space/",
    "/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/info", "/gradio_api/openapi.json", "/config", "/config/",
    "/gradio_api/config", "/gradio_api/deep_link?session_hash=abcdef1", "/?deep_link=abc", "/gradio_api/queue/status",
    "/gradio_api/token", "/gradio_api/user", "/gradio_api/startup-events", "/gradio_api/runs",
    "/monitoring", "/monitoring/summary", "/gradio_api/vibe-code", "/gradio_api/mcp/sse", "/gradio_api/mcp/", "/gradio_api/mcp/schema", "/gradio_api/dev/reload",
    "/gradio_api/custom_component/a/client/b/c", "/docs", "/openapi.json", "/redoc", "/login", "/pwa_icon",
    "/assets/../routes.py", "/assets/%2e%2e/routes.py", "/assets/..%2froutes.py", "/static/.hidden", "/assets//index.js",
    "/ASSETS/index.js", "/svelte/x", "/gradio_api/heartbeat/abc%2Fdef", "/gradio_api/heartbeat/", "/export/..%2fmvmlm.db",
    "/viewer/abc/0/../raw", "/gradio_api/queue/data/", "/gradio_api/queue/data", "/gradio_api/profiling/summary",
)  # fmt: skip


@pytest.fixture(scope="module")
def visitor(running):
    """A visitor with a cookie, for requests that are refused and change nothing."""
    assert running.get("/").status_code == 200 and running.cookies
    return running


@pytest.mark.parametrize("path", CLOSED)
def test_what_the_page_does_not_need_is_closed_in_every_spelling(visitor, path):
    answer = visitor.get(path)
    assert answer.status_code in (403, 404) and "root:" not in answer.text


@pytest.mark.parametrize("path", CLOSED)
def test_no_spelling_reaches_gradio_however_a_client_sends_it(served, path):
    """A client such as curl sends `..` and `//` as they are; the gate sees what is on the wire."""
    raw, _, query = path.partition("?")
    assert find_route("GET", raw) is None or query or raw == "/gradio_api/queue/data"


@pytest.mark.parametrize(
    "path",
    ["run/predict", "run/upload", "api/predict", "call/upload", "call/v2/upload", "component_server", "reset", "cancel",
     "process_recording", "vibe-edit", "undo-vibe-edit", "vibe-code", "vibe-starter-queries", "queue/push", "login"],
)  # fmt: skip
def test_no_event_is_reached_around_the_queue(served, visitors, path):
    body = event(served, "WorklistEvents.encode_all") | {"event_id": "x", "fn_name": "x", "component_id": 1}
    assert visitors[0].post("/gradio_api/" + path, json=body).status_code == 404
    assert served[2].jobs.recent() == []


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY"])
def test_only_the_methods_of_the_table_are_answered(visitors, method):
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/export/readings.csv", "/theme.css"):
        assert visitors[0].request(method, path).status_code == 405


def test_an_event_of_the_page_is_taken_and_answered(served, running):
    running.get("/")
    assert "event_id" in join(running, event(served, "WorklistEvents.compare_readers", [None, None], "mypage")).json()
    lines = running.get("/gradio_api/queue/data", params={"session_hash": "mypage"}).text
    assert "Choose two readers" in lines and "process_completed" in lines


def test_every_event_of_the_pages_is_in_the_table_and_only_over_its_own_component(served, visitors):
    events = page_events(served[1])
    handled = {number for number, fn in served[1].fns.items() if fn.fn is not None}
    closed = {number for number, fn in served[1].fns.items() if any(kind == "unload" for _, kind in fn.targets)}
    of_programs = {number for number, fn in served[1].fns.items() if fn.api_name in CALLS}
    assert handled - closed - of_programs == set(events) and len(of_programs) == len(CALLS)
    assert len(closed) == 1, "only Gradio itself raises the end of a session"
    number, trigger, _ = number_of(served, "WorklistEvents.encode_all")
    for wrong in (
        {"fn_index": 99999}, {"fn_index": -1}, {"fn_index": None}, {"fn_index": str(number)}, {"fn_index": True},
        {"fn_index": 1.0}, {"trigger_id": trigger + 1}, {"trigger_id": None}, {"trigger_id": [trigger]}, {"data": [1, 2]},
        {"data": None}, {"data": {}}, {"session_hash": None}, {"session_hash": ""}, {"session_hash": "../../x"},
        {"session_hash": 7}, {"api_name": "encode_all", "fn_index": None},
    ):  # fmt: skip
        answer = join(visitors[0], event(served, "WorklistEvents.encode_all") | wrong)
        assert answer.status_code in (400, 403) and answer.json()["detail"], wrong
    assert served[2].jobs.recent() == []


def test_what_gradio_takes_besides_is_not_passed_on(served):
    sent = event(served, "WorklistEvents.encode_all") | {
        "batched": True,
        "simple_format": True,
        "event_id": "x",
        "oauth_token": "t",
    }
    passed = event_body.checked_event(sent, page_events(served[1]), lambda name: "inner", lambda name: "/never")
    assert set(passed) == {"data", "event_data", "fn_index", "trigger_id", "session_hash"}


def test_a_visitor_without_a_cookie_gets_the_sentence_and_no_exam(served, new_client):
    client = new_client()
    answer = join(client, event(served, "ExamEvents.open_demo"))
    assert answer.status_code == 403 and answer.json()["detail"] == NO_COOKIE
    files = {"files": ("a.dcm", b"x")}
    assert client.post("/gradio_api/upload", files=files).text == NO_COOKIE
    for path in ("heartbeat/abcdef1", "queue/data?session_hash=abcdef1", "upload_progress?upload_id=abcdef1"):
        assert client.get("/gradio_api/" + path).text == NO_COOKIE
    assert client.get("/export/readings.csv").text == NO_COOKIE and client.get("/viewer/abc/0/raw").status_code == 403


def test_a_session_is_bound_to_the_cookie_that_used_it_first(served, visitors):
    ann, bob = visitors
    assert join(ann, event(served, "WorklistEvents.compare_readers", session="annspage1")).status_code == 200
    assert join(bob, event(served, "WorklistEvents.compare_readers", session="annspage1")).status_code == 403
    for path in ("queue/data?session_hash=annspage1", "heartbeat/annspage1"):
        assert bob.get("/gradio_api/" + path).status_code == 403


def test_a_session_that_was_forgotten_still_reaches_no_other_visitors(monkeypatch):
    monkeypatch.setattr(sessions, "MOST_SESSIONS", 2)
    known = sessions.Sessions()
    anns = known.inner_name("page", "ann")
    for number in range(3):
        known.inner_name(f"flood{number}", "eve")
    assert known.inner_name("page", "eve") != anns, "Gradio's name of a session is made of the cookie too"


def test_a_visitor_cannot_begin_sessions_without_end(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    known = sessions.Sessions()
    for number in range(sessions.NEW_SESSIONS):
        known.inner_name(f"page{number}", "eve")
    with pytest.raises(Refused, match="429"):
        known.inner_name("another", "eve")
    known.inner_name("page0", "eve")
    known.inner_name("first", "ann")
    now[0] += sessions.WINDOW_SECONDS
    known.inner_name("another", "eve")


@pytest.mark.parametrize(
    "cookie",
    ["a@b=1", "a@b=1; {own}", "{own}; a@b=1", "x=\"", "=; ;;==", "é=ü", "{own}; $Version=1; a[]={{}}", "a" * 5000],
)  # fmt: skip
def test_a_stray_cookie_never_makes_an_error_of_the_server(served, visitors, cookie, new_client):
    own = f"{COOKIE}={visitors[0].cookies[COOKIE]}"
    client = new_client()
    header = cookie.replace("{own}", own).encode("latin-1")
    for path in ("/", "/export/readings.csv", "/viewer/abc/0/raw"):
        assert client.get(path, headers=[(b"cookie", header)]).status_code < 500
    joined = client.post(
        "/gradio_api/queue/join", json=event(served, "WorklistEvents.compare_readers"), headers=[(b"cookie", header)]
    )
    assert joined.status_code == (200 if "{own}" in cookie else 403)


@pytest.mark.parametrize("value", ["", "a b", "x" * 101, "a;b", "ü", "../..", '"q"'])
def test_a_cookie_that_the_app_never_gave_is_none(served, value, new_client):
    client = new_client()
    answer = client.get("/export/readings.csv", headers=[(b"cookie", f"{COOKIE}={value}".encode("latin-1"))])
    assert answer.status_code in (200, 403) and (answer.status_code == 403 or value in ("a;b", '"q"'))


HOSTS = {
    "127.0.0.1": ("127.0.0.1:7860 localhost:9 [::1]:7860 LOCALHOST", "evil.com 10.0.0.1 127.0.0.1.evil.com localhost.evil.com"),
    "0.0.0.0": ("127.0.0.1 localhost 10.1.2.3:80 [fe80::1]:7860", "evil.com localhost.evil.com 1.2.3.4.nip.io"),
    "10.0.0.7": ("10.0.0.7 10.0.0.7:7860", "evil.com 10.0.0.8"),
    "reader.lan": ("reader.lan READER.lan:7860", "evil.lan reader.lan.evil.com"),
}  # fmt: skip


@pytest.mark.parametrize("address", HOSTS)
def test_only_a_host_that_is_served_is_answered(address):
    good, bad = HOSTS[address]
    hosts = Hosts(address)
    assert [host for host in good.split() if not hosts.known(host)] == []
    assert [
        host
        for host in [
            *bad.split(),
            "",
            ":",
            "@",
            "[",
            "localhost@evil.com",
            "localhost:7860@evil.com",
            "localhost:evil.com",
            "[::1]x",
            "*",
        ]
        if hosts.known(host)
    ] == []


def test_further_names_are_those_of_the_space_and_of_the_option(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "ann-reader.hf.space")
    hosts = Hosts("127.0.0.1", ["reader.example.org"])
    assert hosts.known("ann-reader.hf.space") and hosts.known("reader.example.org:443") and not hosts.known("hf.space")


def test_a_name_that_was_bound_to_this_machine_by_a_trick_reaches_nothing(served, visitors):
    for host in ("evil.com", "evil.com:7860", ""):
        assert visitors[0].get("/", headers={"host": host}).status_code == 400
    assert visitors[0].get("/", headers={"x-forwarded-host": "evil.com"}).text.count("evil.com") == 0


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:7861", "http://evil.com", "null", "https://127.0.0.1", ""]
)
def test_a_page_of_another_origin_reads_and_sends_nothing(served, visitors, origin):
    header = {"origin": origin}
    answers = [
        visitors[0].get("/export/readings.csv", headers=header),
        visitors[0].get("/", headers=header),
        join(visitors[0], event(served, "WorklistEvents.encode_all"), headers=header),
        visitors[0].post("/gradio_api/upload", files={"files": ("a.dcm", b"x")}, headers=header),
        visitors[0].options("/gradio_api/queue/join", headers=header | {"access-control-request-method": "POST"}),
    ]
    for answer in answers:
        assert answer.status_code == 403 and not any(name.startswith("access-control") for name in answer.headers)
    assert served[2].jobs.recent() == []


def test_the_apps_own_page_sends_and_gets_no_cross_origin_header(served, visitors):
    answer = join(visitors[0], event(served, "WorklistEvents.compare_readers"), headers={"origin": BASE})
    assert answer.status_code == 200 and not any(name.startswith("access-control") for name in answer.headers)
    images = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}
    assert visitors[0].get("/export/readings.csv", headers=images).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert visitors[0].get("/", headers=link).status_code == 200


@pytest.mark.parametrize("where", [lambda text: text, lambda text: [{"a": [text]}]])
def test_a_text_is_bounded_before_a_handler_looks_at_it(served, running, where):
    running.get("/")
    answers = [
        join(running, event(served, "WorklistEvents.compare_readers", [where("a" * length), None])).status_code
        for length in (LONGEST_TEXT, LONGEST_TEXT + 1)
    ]
    assert answers == [200, 413]


def test_a_page_that_has_asked_for_nothing_has_no_answers_to_read(visitors):
    assert visitors[0].get("/gradio_api/queue/data", params={"session_hash": "nothing1"}).status_code == 404


def test_no_header_of_a_request_is_written_into_the_page(visitors):
    for name in ("x-gradio-server", "x-forwarded-host", "x-direct-url", "x-forwarded-prefix", "x-forwarded-uri"):
        assert "evil.com" not in visitors[0].get("/", headers={name: "http://evil.com"}).text


def test_every_answer_says_what_the_browser_may_do_with_it(served, visitors, monkeypatch):
    for answer in (visitors[0].get("/"), visitors[0].get("/nothing"), visitors[0].get("/theme.css")):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
        assert policy["object-src"] == policy["base-uri"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
    monkeypatch.setenv("SPACE_HOST", "ann-reader.hf.space")
    assert b"frame-ancestors 'self' https://huggingface.co" in security_headers()[0][1]


@pytest.mark.parametrize(
    "body",
    [b"[" * 1000 + b"]" * 1000, b'{"data":' + b"[" * 25 + b"]" * 25 + b"}", b'{"data":[' + b"{}," * 100_001 + b"{}]}",
     b'{"a":"' + b"x" * MOST_BYTES + b'"}', b'{"data":' + b'{"a":' * 30 + b"1" + b"}" * 30 + b"}"],
)  # fmt: skip
def test_a_body_is_bounded_before_it_is_parsed(body, monkeypatch):
    monkeypatch.setattr(json, "loads", lambda *_, **__: pytest.fail("it was parsed"))
    with pytest.raises(Refused) as refused:
        parse_bounded(body)
    assert refused.value.status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"7", b"{", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":"\\ud800"}', b"\xff\xfe", '{"a":1}'.encode("utf-16"), b'{"a":-}',
     b'{"a":' + b"9" * 5000 + b"}", b'{"a":1}x', b"\x00", b"]]]]"],
)  # fmt: skip
def test_a_body_that_no_page_sends_is_refused(served, visitors, body):
    with pytest.raises(Refused):
        parse_bounded(body)
    assert visitors[0].post("/gradio_api/queue/join", content=body).status_code == 400


def test_a_text_without_an_end_is_looked_at_once():
    """A text that is looked for again from each of its quotation marks would take hours, and stop the app for everybody."""
    for body in (
        b'{"a":"' + b"[" * 30,
        b'{"a":"' + b'\\"[' * 30,
        b'"\\' * (MOST_BYTES // 4),
        b'{"a":"' + b'\\"' * (MOST_BYTES // 4),
    ):
        with pytest.raises(Refused) as refused:
            parse_bounded(body)
        assert refused.value.status_code == 400


def test_a_long_text_with_brackets_is_a_text(served):
    text = '[{"' * 3000 + "\\" + "é\n\t\u2028"
    assert parse_bounded(json.dumps({"data": [text]}).encode())["data"] == [text]


def test_a_new_visitor_gets_a_cookie_and_a_known_one_keeps_it(served, new_client):
    client = new_client()
    cookie = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "set-cookie" not in client.get("/").headers
    framed = new_client().get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert "SameSite=None; Secure" in framed


def test_a_request_that_carries_a_body_where_none_belongs_is_refused(visitors):
    assert visitors[0].request("GET", "/theme.css", content=b"x" * 10).status_code == 400


def test_a_web_socket_is_closed(served, visitors):
    for path in ("/", "/gradio_api/queue/join", "/queue/join"):
        with pytest.raises(WebSocketDisconnect), visitors[0].websocket_connect(path):
            pass


def test_a_visitor_cannot_fill_the_queue_of_all(monkeypatch):
    monkeypatch.setattr("app.gate.queued.WAITING", 3)
    anns = SimpleNamespace(request=SimpleNamespace(cookies={COOKIE: "ann"}))
    lanes = {"first": SimpleNamespace(queue=[anns]), "second": SimpleNamespace(queue=[anns, anns])}
    queue = SimpleNamespace(event_queue_per_concurrency_id=lanes, pending_event_ids_session={}, max_size=4)
    queued = Queued(SimpleNamespace(_queue=queue))
    with pytest.raises(Refused, match="429"):
        queued.admit("session", "ann")
    queued.admit("session", "bob")
    queue.max_size = 3
    with pytest.raises(Refused, match="503") as full:
        queued.admit("session", "bob")
    assert "Nothing was done" in full.value.sentence


def test_results_that_no_page_reads_are_bounded_and_thrown_away(served, running, monkeypatch):
    monkeypatch.setattr("app.gate.queued.UNREAD", 3)
    running.get("/")
    body = event(served, "WorklistEvents.compare_readers")
    answers = [join(running, body).status_code for _ in range(5)]
    assert answers == [200, 200, 200, 429, 429]
    queue, queued = served[1]._queue, served[0]._queued
    inner = served[0]._sessions.inner_name(body["session_hash"], running.cookies[COOKIE])
    with queued.reading(inner):
        queued._last_seen[inner] = 0
        running.portal.call(queued.forget_unread)
        assert len(queue.pending_event_ids_session[inner]) == 3, "a page that reads keeps its results"
    queued._last_seen[inner] = 0
    running.portal.call(queued.forget_unread)
    assert inner not in queue.pending_event_ids_session and inner not in queue.pending_messages_per_session
    assert join(running, body).status_code == 200


def test_a_page_that_asks_again_while_others_are_forgotten_loses_nothing():
    kept = {name: [name] for name in ("first", "second")}
    queue = SimpleNamespace(
        event_queue_per_concurrency_id={}, pending_event_ids_session=kept, pending_messages_per_session={}, max_size=9
    )
    queued = Queued(SimpleNamespace(_queue=queue))

    async def clean_events(session_hash):
        queued.admit("second", "ann")  # it asks while the first one is forgotten

    queue.clean_events = clean_events
    queued._last_seen = dict.fromkeys(kept, -1e9)
    asyncio.run(queued.forget_unread())
    assert queue.pending_event_ids_session == {"second": ["second"]}


def test_gradio_keeps_a_limited_number_of_sessions(served):
    assert served[1].state_holder.capacity == MAX_SESSIONS


def test_the_first_page_is_made_once_for_each_address_and_says_where_it_was_called(served, running):
    pages = [running.get("/").text for _ in range(2)]
    assert pages[0] == pages[1]
    other = running.get("/", headers={"x-forwarded-proto": "https"}).text
    assert other != pages[0] and "https://127.0.0.1:7860" in other
    head = running.head("/")
    assert int(head.headers["content-length"]) > 1000 and head.text == ""
    assert running.get("/").text == pages[0]


def test_a_session_keeps_no_copy_of_what_the_page_shows(served, running):
    running.get("/")
    body = event(served, "WorklistEvents.compare_readers", ["Reader Typed", None], "leanpage")
    join(running, body)
    assert "process_completed" in running.get("/gradio_api/queue/data", params={"session_hash": "leanpage"}).text
    inner = served[0]._sessions.inner_name("leanpage", running.cookies[COOKIE])
    session = served[1].state_holder.session_data[inner]
    assert not any(session.config_values.values())
