"""What an anonymous visitor can reach: the gate in front of the app as it is served, and what each handler checks itself."""

import json
import os
import re
import secrets
import time
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from starlette.testclient import TestClient

from app import build, guarded
from app.gate import event_body, sessions
from app.gate.event_body import MOST_BYTES, parse_bounded
from app.gate.hosts import Hosts
from app.gate.refusal import NO_COOKIE, Refused
from app.gate.table import page_events
from app.privacy import COOKIE
from app.uploads import (
    NOT_WAITING,
    cache_folder,
    delete_forgotten,
    new_upload_folder,
    path_of_upload,
    take_uploads,
    waiting_bytes,
)
from app.viewer.pixel_server import PixelServer
from mvmlm.store.store import Store

BASE = "http://127.0.0.1:7860"


@pytest.fixture(scope="module")
def app(tmp_path_factory, decoder):
    """The app as `launch` serves it, with an empty store and without a model."""
    store, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    demo = build(lambda: None, decoder, pixels, store, "demo")
    yield guarded(demo, pixels, store), demo, store
    store.close()


@pytest.fixture(scope="module")
def running(app):
    """A client that keeps the app's background tasks running."""
    with TestClient(app[0], base_url=BASE) as client:
        yield client


@pytest.fixture
def visitors(app, running):
    """Two visitors, each with a cookie of the page."""
    pair = [TestClient(app[0], base_url=BASE) for _ in range(2)]
    for client in pair:
        assert client.get("/").status_code == 200 and COOKIE in client.cookies
    return pair


def number_of(app, handler):
    """Gradio's number of the first event with this handler, and a component that raises it."""
    for number, event in page_events(app[1]).items():
        if event.handler == handler:
            return number, min(event.triggers), event.inputs
    raise AssertionError(handler)


def event(app, handler, data=None, session=None):
    """The body of an event of the page, in a session of its own."""
    number, trigger, inputs = number_of(app, handler)
    body = {"data": [None] * inputs if data is None else data, "event_data": None, "fn_index": number}
    return body | {"trigger_id": trigger, "session_hash": session or secrets.token_hex(6)}


def join(client, body, **options):
    return client.post("/gradio_api/queue/join", json=body, **options)


def test_the_page_and_what_it_loads_are_open(visitors):
    ann, _ = visitors
    page = ann.get("/")
    assert "gradio_config" in page.text and "<base" not in page.text
    for address in re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page.text):
        assert ann.get("/" + address).status_code == 200
    assert ann.get("/theme.css").status_code == 200 and ann.head("/").status_code == 200


CLOSED = (
    "/gradio_api/file=/etc/passwd", "/gradio_api/file%3D/etc/passwd", "/gradio_api/file/etc/passwd",
    "/gradio_api/file%2Fetc/passwd", "/gradio_api/FILE=/etc/passwd", "//gradio_api/file=/etc/passwd",
    "/gradio_api//file=/etc/passwd", "/file=/etc/passwd", "/gradio_api/file", "/gradio_api/proxy=http://x.hf.space/",
    "/gradio_api/stream/a/b/c/playlist.m3u8", "/gradio_api/info", "/gradio_api/openapi.json", "/config", "/config/",
    "/gradio_api/config", "/gradio_api/deep_link?session_hash=abcdef1", "/?deep_link=abc", "/gradio_api/queue/status",
    "/gradio_api/app_id", "/gradio_api/token", "/gradio_api/user", "/gradio_api/startup-events", "/gradio_api/runs",
    "/monitoring", "/monitoring/summary", "/gradio_api/vibe-code", "/gradio_api/mcp/sse", "/gradio_api/dev/reload",
    "/gradio_api/custom_component/a/client/b/c", "/docs", "/openapi.json", "/redoc", "/login", "/pwa_icon",
    "/assets/../routes.py", "/assets/%2e%2e/routes.py", "/assets/..%2froutes.py", "/static/.hidden", "/assets//index.js",
    "/ASSETS/index.js", "/svelte/x", "/gradio_api/heartbeat/abc%2Fdef", "/gradio_api/heartbeat/", "/export/..%2fmvmlm.db",
    "/viewer/abc/0/../raw", "/gradio_api/queue/data/", "/gradio_api/queue/data", "/gradio_api/profiling/summary",
)  # fmt: skip


@pytest.mark.parametrize("path", CLOSED)
def test_what_the_page_does_not_need_is_closed_in_every_spelling(visitors, path):
    answer = visitors[0].get(path)
    assert answer.status_code in (403, 404) and "root:" not in answer.text


@pytest.mark.parametrize("path", CLOSED)
def test_no_spelling_reaches_gradio_however_a_client_sends_it(app, path):
    """A client such as curl sends `..` and `//` as they are; the gate sees what is on the wire."""
    from app.gate.table import find_route

    raw, _, query = path.partition("?")
    assert find_route("GET", raw) is None or query or raw == "/gradio_api/queue/data"


@pytest.mark.parametrize(
    "path",
    ["run/predict", "run/upload", "api/predict", "call/upload", "call/v2/upload", "component_server", "reset", "cancel",
     "process_recording", "vibe-edit", "undo-vibe-edit", "vibe-code", "vibe-starter-queries", "queue/push", "login"],
)  # fmt: skip
def test_no_event_is_reached_around_the_queue(app, visitors, path):
    body = event(app, "WorklistEvents.encode_all") | {"event_id": "x", "fn_name": "x", "component_id": 1}
    assert visitors[0].post("/gradio_api/" + path, json=body).status_code == 404
    assert app[2].jobs.recent() == []


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "QUERY"])
def test_only_the_methods_of_the_table_are_answered(visitors, method):
    for path in ("/gradio_api/queue/join", "/gradio_api/upload", "/export/readings.csv", "/theme.css"):
        assert visitors[0].request(method, path).status_code == 405


def test_an_event_of_the_page_is_taken_and_answered(app, running):
    running.get("/")
    assert "event_id" in join(running, event(app, "WorklistEvents.compare_readers", [None, None], "mypage")).json()
    lines = running.get("/gradio_api/queue/data", params={"session_hash": "mypage"}).text
    assert "Choose two readers" in lines and "process_completed" in lines


def test_every_event_of_the_pages_is_in_the_table_and_only_over_its_own_component(app, visitors):
    events = page_events(app[1])
    assert {number for number, fn in app[1].fns.items() if fn.fn is not None} == set(events)
    number, trigger, _ = number_of(app, "WorklistEvents.encode_all")
    for wrong in (
        {"fn_index": 99999}, {"fn_index": -1}, {"fn_index": None}, {"fn_index": str(number)}, {"fn_index": True},
        {"fn_index": 1.0}, {"trigger_id": trigger + 1}, {"trigger_id": None}, {"trigger_id": [trigger]}, {"data": [1, 2]},
        {"data": None}, {"data": {}}, {"session_hash": None}, {"session_hash": ""}, {"session_hash": "../../x"},
        {"session_hash": 7}, {"api_name": "encode_all", "fn_index": None},
    ):  # fmt: skip
        answer = join(visitors[0], event(app, "WorklistEvents.encode_all") | wrong)
        assert answer.status_code in (400, 403) and answer.json()["detail"], wrong
    assert app[2].jobs.recent() == []


def test_what_gradio_takes_besides_is_not_passed_on(app):
    sent = event(app, "WorklistEvents.encode_all") | {
        "batched": True,
        "simple_format": True,
        "event_id": "x",
        "oauth_token": "t",
    }
    passed = json.loads(
        event_body.checked_event(sent, page_events(app[1]), lambda name: "inner", lambda name: "/never")
    )
    assert set(passed) == {"data", "event_data", "fn_index", "trigger_id", "session_hash"}


def test_a_visitor_without_a_cookie_gets_the_sentence_and_no_exam(app):
    client = TestClient(app[0], base_url=BASE)
    answer = join(client, event(app, "ExamEvents.open_demo"))
    assert answer.status_code == 403 and answer.json()["detail"] == NO_COOKIE
    files = {"files": ("a.dcm", b"x")}
    assert client.post("/gradio_api/upload", files=files).text == NO_COOKIE
    for path in ("heartbeat/abcdef1", "queue/data?session_hash=abcdef1", "upload_progress?upload_id=abcdef1"):
        assert client.get("/gradio_api/" + path).text == NO_COOKIE
    assert client.get("/export/readings.csv").text == NO_COOKIE and client.get("/viewer/abc/0/raw").status_code == 403


def test_a_session_is_bound_to_the_cookie_that_used_it_first(app, visitors):
    ann, bob = visitors
    assert join(ann, event(app, "WorklistEvents.compare_readers", session="annspage1")).status_code == 200
    assert join(bob, event(app, "WorklistEvents.compare_readers", session="annspage1")).status_code == 403
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
def test_a_stray_cookie_never_makes_an_error_of_the_server(app, visitors, cookie):
    own = f"{COOKIE}={visitors[0].cookies[COOKIE]}"
    client = TestClient(app[0], base_url=BASE)
    header = cookie.replace("{own}", own).encode("latin-1")
    for path in ("/", "/export/readings.csv", "/viewer/abc/0/raw"):
        assert client.get(path, headers=[(b"cookie", header)]).status_code < 500
    joined = client.post(
        "/gradio_api/queue/join", json=event(app, "WorklistEvents.compare_readers"), headers=[(b"cookie", header)]
    )
    assert joined.status_code == (200 if "{own}" in cookie else 403)


@pytest.mark.parametrize("value", ["", "a b", "x" * 101, "a;b", "ü", "../..", '"q"'])
def test_a_cookie_that_the_app_never_gave_is_none(app, value):
    client = TestClient(app[0], base_url=BASE)
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
    assert [host for host in [*bad.split(), "", ":", "@", "[", "localhost@evil.com", "*"] if hosts.known(host)] == []


def test_further_names_are_those_of_the_space_and_of_the_option(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "ann-reader.hf.space")
    hosts = Hosts("127.0.0.1", ["reader.example.org"])
    assert hosts.known("ann-reader.hf.space") and hosts.known("reader.example.org:443") and not hosts.known("hf.space")


def test_a_name_that_was_bound_to_this_machine_by_a_trick_reaches_nothing(app, visitors):
    for host in ("evil.com", "evil.com:7860", ""):
        assert visitors[0].get("/", headers={"host": host}).status_code == 400
    assert visitors[0].get("/", headers={"x-forwarded-host": "evil.com"}).text.count("evil.com") == 0


@pytest.mark.parametrize(
    "origin", ["http://localhost:3000", "http://127.0.0.1:7861", "http://evil.com", "null", "https://127.0.0.1", ""]
)
def test_a_page_of_another_origin_reads_and_sends_nothing(app, visitors, origin):
    header = {"origin": origin}
    answers = [
        visitors[0].get("/export/readings.csv", headers=header),
        visitors[0].get("/", headers=header),
        join(visitors[0], event(app, "WorklistEvents.encode_all"), headers=header),
        visitors[0].post("/gradio_api/upload", files={"files": ("a.dcm", b"x")}, headers=header),
        visitors[0].options("/gradio_api/queue/join", headers=header | {"access-control-request-method": "POST"}),
    ]
    for answer in answers:
        assert answer.status_code == 403 and not any(name.startswith("access-control") for name in answer.headers)
    assert app[2].jobs.recent() == []


def test_the_apps_own_page_sends_and_gets_no_cross_origin_header(app, visitors):
    answer = join(visitors[0], event(app, "WorklistEvents.compare_readers"), headers={"origin": BASE})
    assert answer.status_code == 200 and not any(name.startswith("access-control") for name in answer.headers)
    images = {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}
    assert visitors[0].get("/export/readings.csv", headers=images).status_code == 403
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert visitors[0].get("/", headers=link).status_code == 200


def test_every_answer_says_what_the_browser_may_do_with_it(app, visitors, monkeypatch):
    for answer in (visitors[0].get("/"), visitors[0].get("/nothing"), visitors[0].get("/theme.css")):
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy["default-src"] == policy["frame-ancestors"] == "'self'"
        assert policy["object-src"] == policy["base-uri"] == "'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"
    from app.gate.headers import security_headers

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
    [b"", b"[]", b"7", b"{", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b'{"a":"\\ud800"}', b"\xff\xfe", b'{"a":-}',
     b'{"a":' + b"9" * 5000 + b"}", b'{"a":1}x', b"\x00", b"]]]]"],
)  # fmt: skip
def test_a_body_that_no_page_sends_is_refused(app, visitors, body):
    with pytest.raises(Refused):
        parse_bounded(body)
    assert visitors[0].post("/gradio_api/queue/join", content=body).status_code == 400


def test_a_long_text_with_brackets_is_a_text(app):
    text = '[{"' * 3000 + "\\" + "é\n\t\u2028"
    assert parse_bounded(json.dumps({"data": [text]}).encode())["data"] == [text]


def uploaded(client, *files):
    answer = client.post("/gradio_api/upload", files=[("files", file) for file in files])
    assert answer.status_code == 200, answer.text
    return answer.json()


def file_of(path):
    return {"path": path, "orig_name": "a.dcm", "meta": {"_type": "gradio.FileData"}}


def test_an_upload_is_answered_without_a_path_of_the_server_and_is_its_visitors_only(app, visitors):
    ann, bob = visitors
    (name,) = uploaded(ann, ("a.dcm", b"anns"))
    assert re.fullmatch(r"[0-9a-f]{64}/a\.dcm", name)
    sent = event(app, "ExamEvents.upload", [[file_of(name) | {"url": "http://evil.com/x", "is_stream": True}], None])
    owner = ann.cookies[COOKIE]
    passed = event_body.checked_event(sent, page_events(app[1]), str, lambda name: path_of_upload(name, owner))
    assert json.loads(passed)["data"][0] == [file_of(str(cache_folder() / name))], (
        "no address and no stream is passed on"
    )
    assert join(bob, event(app, "ExamEvents.upload", [[file_of(name)], None])).json()["detail"] == NOT_WAITING


def test_an_event_takes_nothing_but_a_regular_file_of_its_visitor(app, visitors):
    ann, bob = visitors
    (anns,), (bobs,) = uploaded(ann, ("a.dcm", b"anns")), uploaded(bob, ("b.dcm", b"bobs"))
    cache = cache_folder()
    link = new_upload_folder(ann.cookies[COOKIE])
    (link / "link").symlink_to(cache / bobs)
    os.mkfifo(link / "pipe")
    folder, name = anns.split("/")
    wrong = [
        "", ".", "/", str(cache), str(cache / folder), folder, f"{folder}/", f"{folder}/.", f"{folder}/..", bobs,
        str(cache / bobs), f"{folder}/../{bobs}", f"{link.name}/link", f"{link.name}/pipe", "/etc/passwd", f"{anns}\0",
        f"x/{anns}", f"{folder.upper()}/{name}", "http://127.0.0.1/x", f"{folder}//{name}", "a" * 5000,
    ]  # fmt: skip
    for path in wrong:
        for data in ([file_of(path)], [file_of(anns), file_of(path)], {"a": [file_of(path)]}, file_of(path)):
            answer = join(ann, event(app, "ExamEvents.upload", [data, None]))
            assert answer.status_code == 403 and answer.json()["detail"] == NOT_WAITING, path
    assert (cache / anns).is_file() and (cache / bobs).is_file()


@pytest.mark.parametrize("where", ["data", "event_data"])
def test_a_file_is_checked_in_any_input_of_any_event_and_however_it_is_written(app, visitors, where):
    for value in (file_of("/etc/passwd"), {"path": "/etc/passwd"}, {"path": 7, "meta": {}}, {"meta": {"_type": "x"}}):
        body = event(app, "WorklistEvents.compare_readers", [None, None])
        body |= {"data": [{"deep": [value]}, None]} if where == "data" else {"event_data": {"deep": [value]}}
        assert join(visitors[0], body).status_code in (400, 403)


def test_each_handler_of_uploads_checks_for_itself(app, monkeypatch):
    ann, bob = "ann", "bob"
    folder = new_upload_folder(ann)
    (folder / "a.dcm").write_text("anns", encoding="utf-8")
    for paths in ([str(folder)], [str(cache_folder())], ["/etc/passwd"], [str(folder / "a.dcm"), str(folder)]):
        with pytest.raises(gr.Error, match="Choose them again"):
            take_uploads(paths, ann)
    for owner in (bob, ""):
        with pytest.raises(gr.Error, match="Choose them again"):
            take_uploads([str(folder / "a.dcm")], owner)
    taken = take_uploads([str(folder / "a.dcm")], ann)
    assert [path.name for path in taken.iterdir()] == ["a.dcm"] and not folder.exists()
    with pytest.raises(gr.Error, match="Choose them again"):
        take_uploads([str(folder / "a.dcm")], ann)


def test_a_new_visitor_gets_a_cookie_and_a_known_one_keeps_it(app):
    client = TestClient(app[0], base_url=BASE)
    cookie = client.get("/").headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie
    assert "set-cookie" not in client.get("/").headers
    framed = TestClient(app[0], base_url=BASE).get("/", headers={"x-forwarded-proto": "https"}).headers["set-cookie"]
    assert "SameSite=None; Secure" in framed


def test_equal_files_of_two_visitors_and_of_one_folder_stay_apart(app, visitors):
    ann, bob = visitors
    names = uploaded(ann, ("IM1", b"same"), ("IM1", b"same")) + uploaded(bob, ("IM1", b"same"))
    assert len(set(names)) == 3
    taken = take_uploads([str(cache_folder() / name) for name in names[:2]], ann.cookies[COOKIE])
    assert sorted(path.name for path in taken.iterdir()) == ["1 IM1", "IM1"]
    assert (cache_folder() / names[2]).read_bytes() == b"same"


@pytest.mark.parametrize("name", ["../../x.dcm", "/etc/x.dcm", "..", ".", "a/b\\c.dcm", "x" * 500, "\n", "é 中.dcm"])
def test_the_name_of_an_upload_leaves_its_folder_never(visitors, name):
    answer = visitors[0].post("/gradio_api/upload", files={"files": (name, b"x")})
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        (kept,) = answer.json()
        assert kept.count("/") == 1 and (cache_folder() / kept).is_file()


def test_an_upload_that_breaks_off_or_is_no_form_leaves_nothing(app, visitors):
    before = sorted(os.listdir(cache_folder()))
    form = {"content-type": "multipart/form-data; boundary=x"}
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.dcm"\r\n\r\n'
    for headers, content in (
        (form, part + b"half of it"), (form, b"nonsense"), (form, b""), ({"content-type": "text/plain"}, b"x"),
        ({"content-type": "multipart/form-data"}, part), (form, part.replace(b"; filename=\"a.dcm\"", b"") + b"text\r\n--x--"),
        (form, part.replace(b'name="files"; ', b"") + b"x\r\n--x--\r\n"), ({}, b"x"),
    ):  # fmt: skip
        assert visitors[0].post("/gradio_api/upload", content=content, headers=headers).status_code in (200, 400)
    assert sorted(os.listdir(cache_folder())) == before


def test_uploads_that_nobody_takes_are_deleted(app, visitors):
    (name,) = uploaded(visitors[0], ("a.dcm", b"x"))
    fresh, old = cache_folder() / name, new_upload_folder("ann")
    (old / "b.dcm").write_text("x", encoding="utf-8")
    beside = cache_folder() / "tmpabcd1234"
    beside.touch()
    for path in (old, beside):
        os.utime(path, (time.time() - 601,) * 2)
    delete_forgotten()
    assert fresh.is_file() and not old.exists() and not beside.exists()


def test_uploads_are_bounded_for_each_visitor_and_in_all(app, visitors, monkeypatch):
    ann, bob = visitors
    uploaded(ann, ("a.dcm", b"x" * 1000))
    monkeypatch.setattr("app.uploads.WAITING_BYTES", 999)
    refused = ann.post("/gradio_api/upload", files={"files": ("b.dcm", b"x")})
    assert refused.status_code == 429 and "Try again" in refused.text
    uploaded(bob, ("b.dcm", b"x"))
    assert waiting_bytes(ann.cookies[COOKIE]) >= 1000 > waiting_bytes(bob.cookies[COOKIE])
    monkeypatch.setattr("app.uploads.WAITING_BYTES_IN_ALL", 999)
    assert bob.post("/gradio_api/upload", files={"files": ("b.dcm", b"x")}).status_code == 429
    monkeypatch.setattr("app.gate.middleware.MOST_UPLOAD_BYTES", 100)
    too_large = bob.post("/gradio_api/upload", files={"files": ("b.dcm", b"x" * 200)})
    assert too_large.status_code in (413, 429)


def test_a_large_upload_is_given_up_at_its_bound(app, visitors, monkeypatch):
    monkeypatch.setattr("app.gate.middleware.MOST_UPLOAD_BYTES", 100)
    before = sorted(os.listdir(cache_folder()))
    answer = visitors[0].post("/gradio_api/upload", files={"files": ("b.dcm", b"x" * 200)})
    assert answer.status_code == 413 and "2 GB" in answer.text
    assert sorted(os.listdir(cache_folder())) == before


def test_a_request_that_carries_a_body_where_none_belongs_is_refused(visitors):
    assert visitors[0].request("GET", "/theme.css", content=b"x" * 10).status_code == 400


def test_a_web_socket_is_closed(app, visitors):
    from starlette.websockets import WebSocketDisconnect

    for path in ("/", "/gradio_api/queue/join", "/queue/join"):
        with pytest.raises(WebSocketDisconnect), visitors[0].websocket_connect(path):
            pass


def test_a_table_of_labels_tells_nobody_whose_exams_are_stored(app, exam_files):
    """A table with the ID of a stored patient and one with an invented ID come out the same, and change nothing."""
    from app.worklist.events import import_labels

    store = app[2]
    number = store.exams.add(*exam_files, "ann", patient_id="1234567", study_id="1.2.3")
    said = []
    for identifier in ("1234567", "7654321", "1.2.3", "9.9.9"):
        table = cache_folder() / "labels.csv"
        table.write_text(f"exam,laterality,mass\n{identifier},R,1\n", encoding="utf-8")
        said.append(import_labels(store, table, "eve").replace(identifier, "ID"))
    assert len(set(said)) == 1 and said[0].startswith("0 readings imported")
    assert store.readings.of_exam(number) == []
    table.write_text(f"exam,laterality,mass\n{store.exams.get(number).name},R,1\n", encoding="utf-8")
    assert import_labels(store, table, "eve").startswith("1 readings imported")


def test_parallel_downloads_are_whole_and_each_its_own_file(app, running):
    running.get("/")
    store = app[2]
    expected = {name: running.get(f"/export/{name}").content for name in ("readings.csv", "marks.json", "exams.csv")}
    names = list(expected) * 20
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda name: running.get(f"/export/{name}"), names))
    assert all(answer.status_code == 200 and answer.content == expected[name] for name, answer in zip(names, answers))
    assert not (store.folder / "exports").exists()


def test_a_download_that_breaks_off_leaves_no_file(store, tmp_path, monkeypatch):
    import anyio

    from app.worklist.exports import export_routes

    folder = tmp_path / "export"
    folder.mkdir()
    monkeypatch.setattr("app.worklist.exports.temporary_folder", lambda purpose: folder)
    (route,) = export_routes(store)
    scope = {
        "type": "http", "method": "GET", "path": "/export/readings.csv", "path_params": {"what": "readings.csv"},
        "headers": [(b"cookie", f"{COOKIE}=ann".encode())], "query_string": b"",
    }  # fmt: skip

    async def send(message):
        raise OSError("gone")

    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(OSError, match="gone"):
        anyio.run(route.app, scope, receive, send)
    assert not folder.exists()
