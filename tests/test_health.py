"""What an orchestrator is told: whether the app is alive and ready, without a cookie, a path or a name."""

import shutil
import threading
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import health
from app.active_predictor import ActivePredictor, LoadOnce, ModelState
from app.gate.table import find_route
from app.health import NO_MODEL, NO_ROOM, NOT_WRITTEN, Readiness, health_routes
from app.privacy import COOKIE
from mvmlm.store.errors import StoreError


def asked(store, state=ModelState.LOADED):
    client = TestClient(Starlette(routes=health_routes(Readiness(store, lambda: state))))
    return client.get("/readyz")


def test_the_served_app_answers_without_a_cookie_and_gives_none(served, new_client):
    client = new_client()
    alive, ready = client.get("/healthz"), client.get("/readyz")
    assert alive.status_code == 200 and alive.json() == {"alive": True}
    assert ready.status_code == 200 and ready.json() == {
        "ready": True, "store": "can be written", "disk": "has room", "model": "not loaded yet", "reasons": [],
    }  # fmt: skip
    for answer in (alive, ready):
        assert "set-cookie" not in answer.headers and answer.headers["cache-control"] == "no-store"
        assert "content-security-policy" in answer.headers and COOKIE not in answer.text
    assert client.head("/healthz").status_code == client.head("/readyz").status_code == 200


def test_only_these_spellings_and_methods_are_open(served, new_client):
    client = new_client()
    for path in ("/healthz/", "/HEALTHZ", "/readyz/x", "/health", "/readyz%2F"):
        assert client.get(path).status_code in (403, 404), path
        assert find_route("GET", path) is None and find_route("GET", "/" + path) is None
    for method in ("POST", "PUT", "DELETE"):
        assert client.request(method, "/readyz").status_code == 405
    assert client.get("/readyz", headers={"host": "evil.com"}).status_code == 400
    assert client.get("/readyz", headers={"origin": "http://evil.com"}).status_code == 403


def test_a_store_that_cannot_be_written_is_not_ready(store, monkeypatch):
    def transaction():
        raise StoreError(f"{store.file.path}: the disk is full")

    monkeypatch.setattr(store.file, "transaction", transaction)
    answer = asked(store)
    assert answer.status_code == 503 and answer.json()["reasons"] == [NOT_WRITTEN]
    assert answer.json()["store"] == "cannot be written" and str(store.folder) not in answer.text


def test_a_closed_store_is_not_ready(store):
    store.close()
    assert asked(store).json()["reasons"] == [NOT_WRITTEN]


def test_the_probe_changes_nothing_in_the_store(store):
    before = (
        [tuple(row) for row in store.file.all("SELECT * FROM settings")],
        len(store.file.all("SELECT * FROM history")),
    )
    assert asked(store).status_code == 200
    after = (
        [tuple(row) for row in store.file.all("SELECT * FROM settings")],
        len(store.file.all("SELECT * FROM history")),
    )
    assert before == after


def test_a_full_disk_is_not_ready(store, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=health.MIN_FREE_BYTES - 1))
    answer = asked(store)
    assert (
        answer.status_code == 503
        and answer.json()["reasons"] == [NO_ROOM]
        and answer.json()["disk"] == "is nearly full"
    )


@pytest.mark.parametrize(
    "state, status", [(ModelState.WAITING, 200), (ModelState.LOADED, 200), (ModelState.FAILED, 503)]
)
def test_only_a_model_that_could_not_be_loaded_is_not_ready(store, state, status):
    answer = asked(store, state)
    assert answer.status_code == status and answer.json()["model"] == state.value
    assert answer.json()["reasons"] == ([NO_MODEL] if status == 503 else [])


def test_the_state_of_the_model_is_told_without_waiting_for_it(store):
    began, go, results = threading.Event(), threading.Event(), [ValueError("MUELLER.safetensors"), "weights"]

    def load():
        began.set()
        assert go.wait(10)
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    once = LoadOnce(load)
    assert ActivePredictor(load, store).state() is once.state is ModelState.WAITING
    first = threading.Thread(target=lambda: pytest.raises(ValueError, once))
    first.start()
    assert began.wait(10) and once.state is ModelState.WAITING, "it is being loaded"
    go.set()
    first.join()
    assert once.state is ModelState.FAILED
    assert once() == "weights" and once.state is ModelState.LOADED


def test_many_questions_write_to_the_disk_once(store, monkeypatch):
    asked_at, clock = [], [100.0]
    readiness = Readiness(store, lambda: asked_at.append(clock[0]) or ModelState.LOADED)
    monkeypatch.setattr(health.time, "monotonic", lambda: clock[0])
    for _ in range(50):
        readiness.answer()
    clock[0] += health.LASTS_SECONDS
    readiness.answer()
    assert asked_at == [100.0, 100.0 + health.LASTS_SECONDS]
