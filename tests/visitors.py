"""What visitors of the served app send, for the tests of what an anonymous visitor can reach."""

import secrets
import time
from contextlib import contextmanager

from app.gate.table import page_events

BASE = "http://127.0.0.1:7860"


@contextmanager
def running_app(gate, demo):
    """A client that keeps the background tasks of an app running, until none of its events runs or waits.

    A handler makes components; in a thread that is left over they would become part of the next app that is built.
    """
    from starlette.testclient import TestClient

    with TestClient(gate, base_url=BASE) as client:
        yield client
        wait_until_idle(demo)


def wait_until_idle(demo, seconds=60):
    """Wait until no event of an app runs or waits."""
    end = time.monotonic() + seconds
    while any(demo._queue.active_jobs) or len(demo._queue):
        assert time.monotonic() < end, "an event of the app does not end"
        time.sleep(0.01)


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


def uploaded(client, *files):
    answer = client.post("/gradio_api/upload", files=[("files", file) for file in files])
    assert answer.status_code == 200, answer.text
    return answer.json()


def file_of(path):
    return {"path": path, "orig_name": "a.dcm", "meta": {"_type": "gradio.FileData"}}
