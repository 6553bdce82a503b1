"""The API of programs: closed without a key, bounded and checked, and the same answers as from Python."""

import base64
import json
import re
from dataclasses import replace
from itertools import count

import cv2
import numpy as np
import pytest

from app.api import functions
from app.api.results import answers_of
from app.api.types import FUNCTIONS, description
from app.gate import api_keys
from app.gate.event_body import LONGEST_TEXT, MOST_BYTES
from app.gate.table import CALLS, page_events
from app.hosting import Hosting
from app.mode import Mode
from app.privacy import COOKIE
from app.uploads import cache_folder, take_uploads
from app.workspaces import Workspaces
from mvmlm import load_exam
from mvmlm.inference.prediction import Target
from mvmlm.store.store import Store
from tests.conftest import ROOT
from tests.visitors import BASE, event, join, running_app, wait_until_idle

PHANTOM = ROOT / "assets" / "demo_exams" / "phantom"
VIEWS = sorted(PHANTOM.glob("*.dcm"))
CALL = "/gradio_api/call/v2/"
NUMBERS = count()


@pytest.fixture(scope="module")
def served(tmp_path_factory, decoder, small_predictor):
    """The app as `launch` serves it, with an empty store and a small model."""
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer

    store, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    demo = build(lambda: small_predictor, decoder, pixels, store, "demo")
    yield guarded(demo, pixels, store), demo, store
    store.close()


@pytest.fixture(scope="module")
def exam():
    return load_exam(PHANTOM)


@pytest.fixture
def program(served, new_client, request):
    """A function that returns the client of a program with a new key, and the name of the key."""
    made = []

    def of(key=None):
        client, name = new_client(), f"{request.node.name[:40]} {next(NUMBERS)}"
        if key is None:
            made.append(name)
            key = served[2].api_keys.add(name, "tests")
        client.headers["Authorization"] = f"Bearer {key}"
        return client, name

    yield of
    for name in made:
        served[2].api_keys.revoke(name, "tests")


def upload(client, paths=VIEWS):
    answer = client.post("/gradio_api/upload", files=[("files", (path.name, path.read_bytes())) for path in paths])
    assert answer.status_code == 200, answer.text
    return answer.json()


def begin(client, name, **arguments):
    return client.post(CALL + name, json=arguments)


def outcome(client, name, begun):
    """What a call ended with: "complete" and its result, or "error" and the sentence."""
    answer = client.get(f"{CALL}{name}/{begun.json()['event_id']}")
    assert answer.status_code == 200, answer.text
    kind, data = answer.text.strip().splitlines()[-2:]
    value = json.loads(data.removeprefix("data: "))
    return kind.removeprefix("event: "), value[0] if isinstance(value, list) else value["error"]


def call(client, name, **arguments):
    begun = begin(client, name, **arguments)
    assert begun.status_code == 200, begun.text
    return outcome(client, name, begun)


def result(client, name, **arguments):
    kind, found = call(client, name, **arguments)
    assert kind == "complete", found
    return FUNCTIONS[name][1].model_validate(found)


def test_without_any_key_the_api_is_closed_like_every_other_address(served, new_client, program):
    client = new_client()
    assert not served[2].api_keys.some_open()
    for headers in ({}, {"Authorization": "Bearer mvmlm_guess"}, {"Authorization": "Bearer hf_other"}):
        for name in CALLS:
            for answer in (
                client.post(CALL + name, json={}, headers=headers),
                client.get(f"{CALL}{name}/{'0' * 32}", headers=headers),
            ):
                assert answer.status_code == 404 and "no" in answer.text, name
    assert client.post("/gradio_api/upload", files={"files": b"x"}, headers=headers).status_code == 403


def test_the_answers_are_those_of_the_library(served, program, small_predictor, exam):
    client, _ = program()
    found, wanted = result(client, "predict", files=upload(client)), small_predictor.predict(exam)
    rows = [(a.task, a.laterality, a.class_, a.probability, a.by) for a in found.predictions]
    assert rows == [
        (a.task, a.laterality and a.laterality.value, a.class_, a.probability, a.by)
        for a in wanted.answers
        if a.task not in wanted.withheld
    ]
    assert rows and {a.calibrated for a in found.predictions if a.task not in wanted.calibrated} <= {False}
    assert [view.view for view in found.exam.views] == [str(name) for name in exam.views]
    assert found.quality_notes == [note.text for note in wanted.quality_notes]
    assert found.model.name == small_predictor.record.name and found.use.startswith("research use only")


def test_prompts_are_scored_as_by_the_library(program, small_predictor, exam):
    client, _ = program()
    prompts = ["spiculated mass", "a mass | no mass"]
    found, wanted = (
        result(client, "score_prompts", files=upload(client), prompts=prompts),
        small_predictor.predict(exam, prompts),
    )
    assert [(s.prompt, s.view, s.laterality, s.similarity, s.probability) for s in found.prompts] == [
        (s.prompt, s.view and str(s.view), s.laterality and s.laterality.value, s.similarity, s.probability)
        for s in wanted.prompts
    ]


@pytest.mark.parametrize("target", [Target("mass", "present"), Target(None, "a mass")])
def test_a_map_is_a_picture_of_each_view_in_pixels_of_its_file(program, small_predictor, exam, target):
    client, _ = program()
    asked = {"task": target.task, "class": target.class_} if target.task else {"prompt": target.class_}
    found = result(client, "evidence_map", files=upload(client), **asked)
    wanted = small_predictor.maps(small_predictor.predict(exam).encoding, [target])[target]
    assert [view.view for view in found.maps] == [str(name) for name in wanted]
    for view, (name, heat) in zip(found.maps, wanted.items(), strict=True):
        data = base64.b64decode(view.png)
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert picture.dtype == np.uint16 and picture.shape == exam.views[name].pixels.shape == (
            view.rows,
            view.columns,
        )
        assert np.array_equal(picture, np.round(heat * 65535).astype(np.uint16))
        assert view.file == exam.views[name].file and b"not a view" in data, "it is never opened as a view again"


def test_models_says_what_answers(program, small_predictor):
    (known,) = result(program()[0], "models").models
    assert {task.task for task in known.tasks if task.answered} == {task.name for task in small_predictor.tasks}
    assert known.prompts and "hirescam" in known.map_methods


def test_a_task_that_is_not_answered_has_a_reason_and_never_a_number(small_predictor, exam):
    wanted = small_predictor.predict(exam)
    assert any(a.task == "mass" and a.by == "prompt" for a in wanted.answers)
    given, not_answered = answers_of(replace(wanted, withheld={"mass": "it was not learned on women."}))
    assert "mass" not in {answer.task for answer in given}
    assert {"mass": "it was not learned on women."}.items() <= {n.task: n.reason for n in not_answered}.items()
    given, not_answered = answers_of(replace(wanted, answers=()))
    assert given == [] and {n.task for n in not_answered} == {task.name for task in wanted.tasks}


def test_a_map_of_what_is_not_answered_is_refused_with_a_sentence(program):
    client, _ = program()
    for asked, said in (({"task": "headache"}, "no such task"), ({"task": "birads", "class": "9"}, "Choose one of")):
        kind, sentence = call(client, "evidence_map", files=upload(client), **asked)
        assert kind == "error" and said in sentence


def test_a_wrong_and_a_revoked_key_are_refused_at_once(served, program):
    client, name = program()
    wrong, _ = program(key="mvmlm_" + "x" * 43)
    assert begin(client, "models").status_code == 200
    answer = begin(wrong, "models")
    assert answer.status_code == 401 and "api-key add" in answer.json()["detail"]
    assert wrong.post("/gradio_api/upload", files={"files": b"x"}).status_code == 401
    begun = begin(client, "models")
    served[2].api_keys.revoke(name, "tests")
    other, _ = program()  # another key is open, so the API is
    assert begin(client, "models").status_code == 401
    assert client.get(f"{CALL}models/{begun.json()['event_id']}").status_code == 401
    assert begin(other, "models").status_code == 200


def test_a_call_that_waited_while_its_key_was_revoked_does_nothing(served, program, monkeypatch):
    client, name = program()
    keys = served[2].api_keys
    monkeypatch.setattr(keys, "check", lambda key, known=keys.all()[-1]: known)  # the gate let it in before
    keys.revoke(name, "tests")
    kind, sentence = call(client, "predict", files=["x/y"])
    assert kind == "error" and "revoked" in sentence


def test_keys_cannot_be_tried_without_end_and_a_right_one_is_never_locked_out(program, monkeypatch):
    monkeypatch.setattr(api_keys, "FAILURES_OF_ADDRESS", 3)
    client, _ = program()
    wrong, _ = program(key="mvmlm_wrong")
    answers = [begin(wrong, "models").status_code for _ in range(60)]
    assert answers[-1] == 429 and begin(client, "models").status_code == 200


def test_a_key_is_stored_as_a_hash_only_and_its_number_is_never_given_again(tmp_path):
    store = Store(tmp_path)
    key = store.api_keys.add("first", "tests")
    assert store.api_keys.check(key).name == "first" and store.api_keys.check(key[:-1]) is None
    assert key not in str([tuple(row) for row in store.file.all("SELECT * FROM api_keys")])
    assert key not in str([tuple(row) for row in store.file.all("SELECT * FROM history")])
    with store.file.transaction() as conn:
        conn.execute("DELETE FROM api_keys")
    store.api_keys.add("second", "tests")
    assert store.api_keys.all()[0].number == 2, "uploads and calls of a key belong to its number"
    store.close()
    assert not any(key.encode() in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())


@pytest.mark.parametrize(
    "name, sent, status",
    [
        ("predict", b"{", 400), ("predict", b"[]", 400), ("predict", b"\xff", 400), ("predict", b"{}", 422),
        ("predict", b'{"files": "SECRET"}', 422), ("predict", b'{"files": []}', 422),
        ("predict", b'{"files": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]}', 422),
        ("predict", b'{"files": ["a/b"], "SECRET": 1}', 422), ("predict", b'{"files": [1]}', 422),
        ("predict", b'{"data": [["a/b"]], "session_hash": "x"}', 422), ("models", b'{"x": 1}', 422),
        ("score_prompts", b'{"files": ["a/b"]}', 422), ("evidence_map", b'{"files": ["a/b"]}', 422),
        ("evidence_map", b'{"files": ["a/b"], "task": "mass", "prompt": "a mass"}', 422),
        ("evidence_map", b'{"files": ["a/b"], "task": "mass", "method": "SECRET"}', 422),
        ("predict", b'{"files": [' + b"[" * 30 + b"]" * 30 + b"]}", 413), ("predict", b"x" * (MOST_BYTES + 1), 413),
        ("predict", json.dumps({"files": ["a/b"] * 1001}).encode(), 422),
        ("score_prompts", json.dumps({"files": ["a/b"], "prompts": ["x" * (LONGEST_TEXT + 1)]}).encode(), 413),
    ],
)  # fmt: skip
def test_a_body_that_does_not_fit_gets_a_sentence_and_never_its_own_words(program, name, sent, status):
    client, _ = program()
    answer = client.post(CALL + name, content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == status and answer.json()["detail"].endswith(".") and "passwd" not in answer.text
    assert 'SECRET"' not in answer.text.replace("SECRET: Extra", "")


def uploaded_files():
    """The files in the folder of uploads, those of the tests before among them."""
    return sorted(cache_folder().rglob("*.dcm"))


def test_files_that_are_no_exam_get_a_sentence_and_are_deleted(program, tmp_path):
    client, _ = program()
    before = uploaded_files()
    (tmp_path / "letter.dcm").write_bytes(b"Dear colleague, " * 99)
    kind, sentence = call(client, "predict", files=upload(client, [tmp_path / "letter.dcm"]))
    assert kind == "error" and "letter.dcm" in sentence
    kind, sentence = call(client, "predict", files=upload(client), answers=["nonsense"])
    assert kind == "error" and "FILE:KEY=VALUE" in sentence and uploaded_files() == before


def test_nothing_of_a_call_is_kept_and_the_history_names_the_key_alone(served, program, monkeypatch):
    client, name = program()
    before, taken = uploaded_files(), []
    monkeypatch.setattr(functions, "take_uploads", lambda *given: taken.append(take_uploads(*given)) or taken[-1])
    result(client, "predict", files=upload(client))
    assert call(client, "predict", files=upload(client, VIEWS[:1]), answers=["x:y=z"])[0] == "error"
    assert len(taken) == 2 and not any(folder.exists() for folder in taken)
    store = served[2]
    for table in ("patients", "exams", "views", "predictions", "embeddings", "jobs"):
        assert store.file.all(f"SELECT * FROM {table}") == [], table
    called = [line for line in store.file.history(f"API key {name}") if line["what"] == "call"]
    assert [(line["who"], json.loads(line["after"])) for line in called] == [
        (f"API key {name}", {"call": "predict"})
    ] * 2
    assert uploaded_files() == before and "R_CC" not in str(called)


def test_the_sessions_of_calls_make_no_page_forgotten(served, program):
    client, _ = program()
    before = set(served[1]._queue.event_ids_to_events)  # those whose answer nobody fetched
    for name, arguments in (("models", {}), ("predict", {"files": ["x/y"]})):
        call(client, name, **arguments)
    assert not [name for name in served[1].state_holder.session_data if name.startswith("call-")]
    assert served[0]._calls is not None
    wait_until_idle(served[1])
    assert set(served[1]._queue.event_ids_to_events) <= before


def test_a_key_reaches_neither_the_uploads_nor_the_calls_of_another(program):
    (ann, _), (bob, _) = program(), program()
    files = upload(ann)
    kind, sentence = call(bob, "predict", files=files)
    assert kind == "error" and "not uploaded by you" in sentence
    begun = begin(ann, "models")
    theirs = bob.get(f"{CALL}models/{begun.json()['event_id']}")
    assert theirs.status_code == 404 and theirs.json()["detail"]
    assert outcome(ann, "models", begun)[0] == "complete"
    assert call(ann, "predict", files=files)[0] == "complete"


def test_a_cookie_opens_no_api_and_a_key_no_page(served, program, visitors):
    (client, _), (ann, _) = program(), visitors
    assert begin(ann, "models").status_code == 404
    client.cookies.set(COOKIE, ann.cookies[COOKIE])
    for path in ("/", "/export/readings.csv", "/gradio_api/heartbeat/abcdef1", "/gradio_api/info", "/config",
                 "/gradio_api/queue/data?session_hash=abcdef1", "/gradio_api/call/v2/answers/" + "0" * 32):  # fmt: skip
        assert client.get(path).status_code == 404, path
    assert join(client, event(served, "WorklistEvents.encode_all")).status_code == 404
    for path in ("call/predict", "call/v2/encode_all", "run/predict", "call/v2/predict/", "queue/join"):
        assert client.post("/gradio_api/" + path, json={}).status_code == 404, path
    hers = upload(ann, VIEWS[:1])
    assert call(client, "predict", files=hers)[0] == "error", "the cookie beside a key counts for nothing"
    functions = {fn.api_name: number for number, fn in served[1].fns.items() if fn.api_name in CALLS}
    assert set(functions) == set(CALLS) and not set(functions.values()) & set(page_events(served[1]))
    for name, number in functions.items():
        assert served[1].fns[number].fn.__qualname__ == f"ApiFunctions.{name}", "no handler of the page has this name"
        body = {"fn_index": number, "trigger_id": 1, "session_hash": "abcdef1", "data": [], "event_data": None}
        assert join(ann, body).status_code == 403


def test_a_cookie_that_looks_like_a_key_owns_nothing_of_it(program, new_client, served):
    client, _ = program()
    files = upload(client)
    stranger = new_client()
    stranger.cookies.set(COOKIE, f"API key {served[2].api_keys.all()[-1].number}")
    body = event(served, "WorklistEvents.compare_readers") | {"data": [{"path": files[0]}, None]}
    assert join(stranger, body).status_code == 403


def test_calls_whose_answers_nobody_reads_are_bounded(program, monkeypatch):
    from app.gate import calls

    monkeypatch.setattr(calls, "UNREAD", 3)
    client, _ = program()
    begun = [begin(client, "models") for _ in range(4)]
    assert [answer.status_code for answer in begun] == [200, 200, 200, 429]
    assert outcome(client, "models", begun[0])[0] == "complete" and begin(client, "models").status_code == 200


def test_on_a_space_the_owners_key_is_answered_from_the_apps_own_store(tmp_path, decoder, small_predictor):
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer

    home, pixels = Store(tmp_path), PixelServer()
    workspaces = Workspaces(home)
    demo = build(lambda: small_predictor, decoder, pixels, home, "demo", Hosting(workspaces=workspaces))
    gate = guarded(demo, pixels, home, mode=Mode.SPACE, workspaces=workspaces)
    with running_app(gate, demo) as client:
        assert begin(client, "models").status_code == 404
        client.headers["Authorization"] = f"Bearer {home.api_keys.add('owner', 'tests')}"
        assert result(client, "predict", files=upload(client)).predictions
        assert workspaces._visits == {} and workspaces._open == {}
    workspaces.close()
    home.close()


def test_where_people_log_in_a_key_needs_no_login_and_opens_no_page(tmp_path, decoder, small_predictor):
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer

    store, pixels = Store(tmp_path), PixelServer()
    demo = build(lambda: small_predictor, decoder, pixels, store, "demo")
    gate = guarded(demo, pixels, store, mode=Mode.SERVER)
    with running_app(gate, demo) as client:
        assert begin(client, "models").status_code == 404
        client.headers["Authorization"] = f"Bearer {store.api_keys.add('program', 'tests')}"
        assert result(client, "models").models and client.get("/").status_code == 404
    store.close()


def test_the_command_shows_a_key_once_and_revokes_it(tmp_path, capsys):
    from mvmlm.__main__ import main

    data = ["--data", str(tmp_path)]
    assert main(["api-key", "list", *data]) == 0 and "closed" in capsys.readouterr().out
    assert main(["api-key", "add", "scanner", *data]) == 0
    key = capsys.readouterr().out.strip()
    assert re.fullmatch(r"mvmlm_[A-Za-z0-9_-]{43}", key)
    assert main(["api-key", "add", "Scanner", *data]) == 1 and "already" in capsys.readouterr().err
    assert main(["api-key", "list", *data]) == 0 and "scanner: open" in (said := capsys.readouterr().out)
    assert key not in said
    assert main(["api-key", "revoke", "scanner", *data]) == 0 and "revoked" in capsys.readouterr().out
    assert main(["api-key", "revoke", "nobody", *data]) == 1


def test_the_description_and_the_page_about_the_api_say_what_the_functions_take_and_give():
    described = json.loads((ROOT / "docs" / "api.json").read_text(encoding="utf-8"))
    assert described == description(), "write it anew: python scripts/api_description.py"
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name, models in FUNCTIONS.items():
        assert f"`{name}`" in page
        for model in models:
            for field, about in model.model_fields.items():
                assert f"`{about.alias or field}`" in page, (name, field)


def test_the_client_in_the_readme_gets_the_answers(served, program, monkeypatch, capsys):
    import httpx2

    client, _ = program()
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    (example,) = [block for block in blocks if "gradio_api" in block]
    assert 10 <= len(example.splitlines()) <= 16
    key = client.headers["Authorization"].removeprefix("Bearer ")

    def connected(base_url, headers, timeout):
        assert base_url == BASE and headers == {"Authorization": f"Bearer {key}"}
        return client

    monkeypatch.setattr(httpx2, "Client", connected)
    monkeypatch.setenv("MVMLM_API_KEY", key)
    monkeypatch.chdir(ROOT)
    exec(compile(example, "README.md", "exec"), {})
    assert "malignancy" in capsys.readouterr().out
