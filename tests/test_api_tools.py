"""The MCP tools: open with the switch and a key only, bounded before Gradio sees them, with the answers of the API."""

import json

import pytest

from app.api import tools as module
from app.api.tools import NoTools
from app.gate.api_keys import CLOSED
from app.gate.event_body import MOST_BYTES
from app.gate.table import CALLS
from app.hosting import Hosting
from mvmlm import load_exam
from mvmlm.store.store import Store
from tests.test_api import PHANTOM, VIEWS, upload
from tests.visitors import running_app

TOOLS = "/gradio_api/mcp/"


def build_app(folder, decoder, predictor, **options):
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer

    store, pixels = Store(folder), PixelServer()
    demo = build(lambda: predictor, decoder, pixels, store, "demo", Hosting(**options))
    return guarded(demo, pixels, store), demo, store


@pytest.fixture(scope="module")
def served(tmp_path_factory, decoder, small_predictor):
    """The app as `launch` serves it with --mcp."""
    pytest.importorskip("mcp")
    made = build_app(tmp_path_factory.mktemp("data"), decoder, small_predictor, tools=True)
    yield made
    made[2].close()


@pytest.fixture
def agent(served, new_client, request):
    """A client with a new key."""
    client, name = new_client(), request.node.name[:60]
    client.headers["Authorization"] = f"Bearer {served[2].api_keys.add(name, 'tests')}"
    yield client
    served[2].api_keys.revoke(name, "tests")


def post(client, method, path=TOOLS, **params):
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    return client.post(path, json=message, headers={"Accept": "application/json, text/event-stream"})


def asked(client, method, path=TOOLS, **params):
    answer = post(client, method, path, **params)
    assert answer.status_code == 200, answer.text
    (line,) = [line for line in answer.text.splitlines() if line.startswith("data:")]
    return json.loads(line.removeprefix("data:"))["result"]


def used(client, name, **arguments):
    """Whether a tool failed, and its text."""
    found = asked(client, "tools/call", name=name, arguments=arguments)
    return found["isError"], found["content"][0]["text"]


def test_a_client_connects_and_finds_the_functions_of_the_api_and_nothing_else(agent):
    about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
    assert asked(agent, "initialize", **about)["serverInfo"]["name"] == "MV-MLM"
    found = {tool["name"]: tool for tool in asked(agent, "tools/list")["tools"]}
    assert set(found) == set(CALLS)
    assert all("Research use only" in tool["description"] for tool in found.values())
    assert found["predict"]["inputSchema"]["required"] == ["files"]
    assert asked(agent, "resources/list")["resources"] == [] and asked(agent, "prompts/list")["prompts"] == []


def test_a_tool_gives_the_answers_of_the_library_and_keeps_nothing(served, agent, small_predictor):
    failed, text = used(agent, "predict", files=upload(agent))
    assert not failed
    wanted = small_predictor.predict(load_exam(PHANTOM))
    numbers = [(a.task, a.class_, a.probability) for a in wanted.answers if a.task not in wanted.withheld]
    assert [(a["task"], a["class"], a["probability"]) for a in json.loads(text)["predictions"]] == numbers
    for name, more in (("score_prompts", {"prompts": ["a mass"]}), ("evidence_map", {"task": "mass"}), ("models", {})):
        files = {} if name == "models" else {"files": upload(agent, VIEWS)}
        failed, text = used(agent, name, **files, **more)
        assert not failed and json.loads(text)["use"].startswith("research use only"), text
    assert served[2].file.all("SELECT * FROM exams") == [] and served[1].state_holder.session_data.keys() == set()


def test_what_does_not_fit_gets_a_sentence(agent):
    for name, arguments, said in (
        ("predict", {"files": ["a/b"]}, "not uploaded by you"), ("predict", {"files": []}, "files"),
        ("predict", {"files": "/etc/passwd"}, "array"), ("evidence_map", {"files": ["a/b"]}, "either a task or a prompt"),
        ("evidence_map", {"files": ["a/b"], "task": "mass", "method": "none"}, "method"),
        ("answers", {}, "Unknown tool"),
    ):  # fmt: skip
        failed, text = used(agent, name, **arguments)
        assert failed and said in text, (name, text)


def test_only_what_the_tools_need_is_passed_on(agent):
    for method in (
        "resources/read",
        "prompts/get",
        "logging/setLevel",
        "completion/complete",
        "sampling/createMessage",
    ):
        assert post(agent, method).status_code == 403
    for path in (TOOLS + "sse", TOOLS + "messages/", TOOLS + "schema", TOOLS + "http/"):
        assert post(agent, "ping", path=path).status_code == 404, path
    for method in ("GET", "DELETE", "PUT"):
        assert agent.request(method, TOOLS).status_code == 405
    for body, status in ((b"[]", 400), (b"{}", 400), (b"x" * (MOST_BYTES + 1), 413), (b'{"jsonrpc": "2.0"}', 403)):
        assert agent.post(TOOLS, content=body).status_code == status
    assert asked(agent, "tools/list", path=TOOLS.rstrip("/"))["tools"], "with or without the last stroke"


def test_without_a_key_or_without_the_switch_there_are_no_tools(
    agent, new_client, visitors, tmp_path, decoder, small_predictor
):

    assert post(new_client(), "tools/list").status_code == 404 and post(visitors[0], "tools/list").status_code == 404
    wrong = new_client()
    wrong.headers["Authorization"] = "Bearer mvmlm_wrong"
    assert post(wrong, "tools/list").status_code == 401
    gate, demo, store = build_app(tmp_path, decoder, small_predictor)
    with running_app(gate, demo) as client:
        client.headers["Authorization"] = f"Bearer {store.api_keys.add('program', 'tests')}"
        assert post(client, "tools/list").text == CLOSED and not demo.mcp_server
    store.close()


def test_a_variable_of_gradio_does_not_open_them(tmp_path, decoder, small_predictor, monkeypatch):
    monkeypatch.setenv("GRADIO_MCP_SERVER", "true")
    _, demo, store = build_app(tmp_path, decoder, small_predictor)
    assert not demo.mcp_server
    store.close()


def test_a_key_reaches_no_uploads_of_another_by_a_tool(served, agent, new_client):
    other = new_client()
    other.headers["Authorization"] = f"Bearer {served[2].api_keys.add('other', 'tests')}"
    failed, text = used(other, "predict", files=upload(agent))
    assert failed and "not uploaded by you" in text
    served[2].api_keys.revoke("other", "tests")


def test_too_many_calls_at_once_are_sent_away(agent, monkeypatch):
    held = module.ApiTools(None)
    for _ in range(module.WAITING):
        held._places.acquire()
    with pytest.raises(module.gr.Error, match="in a minute"):
        held.models(None)


def test_without_the_packages_a_sentence_says_what_to_install(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(NoTools, match=r"pip install '\.\[mcp\]'"):
        build_app(tmp_path, decoder, None, tools=True)
