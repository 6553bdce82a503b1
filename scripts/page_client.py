"""A visitor's page without a browser: raises the events of the page over HTTP, as Gradio's page does.

For measurements and tests with many visitors. What only JavaScript does, it does not.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

CONFIG = "window.gradio_config = "
UPDATE, COMPLETED = "update", "process_completed"


class EventFailed(Exception):
    """An event ended with an error, or was refused. The message is the sentence that the page would show."""


@dataclass
class PageClient:
    """An open page.

    address: of the app, without a slash at its end. values: what each component holds, by its number. props: its other
    properties, as far as an event has set them. browser: may be given, for a page of a visitor who is known.
    """

    address: str
    browser: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=120))
    session: str = field(default_factory=lambda: secrets.token_hex(6))

    def __post_init__(self) -> None:
        page = self.browser.get(self.address + "/")
        page.raise_for_status()
        self.config = json.JSONDecoder().raw_decode(page.text, page.text.index(CONFIG) + len(CONFIG))[0]
        self.components = {component["id"]: component for component in self.config["components"]}
        self.names = {
            component["props"]["elem_id"]: number
            for number, component in self.components.items()
            if component["props"].get("elem_id")
        }
        self.props: dict[int, dict[str, Any]] = {}
        self.values = {number: component["props"].get("value") for number, component in self.components.items()}

    def close(self) -> None:
        """Close the page as a browser does: the connection ends by which the server knows that it is open."""
        with self.browser.stream("GET", f"{self.address}/gradio_api/heartbeat/{self.session}") as alive:
            next(alive.iter_raw(), b"")
        self.browser.close()

    def prop(self, elem_id: str, name: str) -> Any:
        """Return a property of a component that an event has set; None where none has."""
        return self.props.get(self.names[elem_id], {}).get(name)

    def value(self, elem_id: str) -> Any:
        """Return what a component shows."""
        return self.values[self.names[elem_id]]

    def load(self) -> None:
        """Raise the events of a page that was loaded."""
        for event in self.config["dependencies"]:
            for number, kind in event["targets"]:
                if kind == "load":
                    self._follow(event, number, self._run(event, number))

    def raise_event(
        self, elem_id: str, kind: str, typed: Mapping[str, Any] | None = None, follow: bool = True
    ) -> float:
        """Raise an event of a component and those that follow it; return the seconds until the result of the first.

        typed: the new values of components, by elem_id. follow: False to raise the first alone. Raises EventFailed.
        """
        for name, value in (typed or {}).items():
            self.values[self.names[name]] = value
        began = time.perf_counter()
        number = self.names[elem_id]
        first = 0.0
        for event in self.config["dependencies"]:
            if [number, kind] in [list(target) for target in event["targets"]]:
                changed = self._run(event, number)
                first = first or time.perf_counter() - began
                if follow:
                    self._follow(event, number, changed)
        return first

    def _follow(self, event: dict[str, Any], trigger: int, changed: set[int]) -> None:
        """Raise the events that follow an event, and those of the components that it changed."""
        for after in self.config["dependencies"]:
            started = [number for number, kind in after["targets"] if kind == "change" and number in changed]
            if (after["trigger_after"] == event["id"] and not after["trigger_only_on_failure"]) or started:
                source = started[0] if started else trigger
                self._follow(after, source, self._run(after, source))

    def _run(self, event: dict[str, Any], trigger: int) -> set[int]:
        """Raise one event, wait for its result and take its updates over; return which components changed."""
        changed: set[int] = set()
        if not event["backend_fn"]:
            return changed
        body = {
            "data": [self._sent(number) for number in event["inputs"]],
            "event_data": None,
            "fn_index": event["id"],
            "trigger_id": trigger,
            "session_hash": self.session,
        }
        for output in self.answers(body):
            for number, update in zip(event["outputs"], output, strict=False):
                before = self.values[number]
                self._take(number, update)
                if self.values[number] != before:
                    changed.add(number)
        return changed

    def upload(self, elem_id: str, files: Mapping[str, bytes]) -> float:
        """Upload files, by their names, and raise the event of the component that takes them, as `raise_event`."""
        parts = [("files", (name, data)) for name, data in files.items()]
        answer = self.browser.post(f"{self.address}/gradio_api/upload", files=parts)
        if answer.status_code != 200:
            raise EventFailed(_detail(answer))
        sent = [
            {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
            for path, name in zip(answer.json(), files, strict=True)
        ]
        return self.raise_event(elem_id, "upload", {elem_id: sent})

    def join(self, body: dict[str, Any]) -> str:
        """Send an event; return its number. Raises EventFailed where it is refused."""
        answer = self.browser.post(f"{self.address}/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            raise EventFailed(_detail(answer))
        return answer.json()["event_id"]

    def answers(self, body: dict[str, Any]) -> Iterator[list[Any]]:
        """Send an event and yield the updates of its outputs, several times where it goes step by step."""
        number, query, complete = self.join(body), {"session_hash": self.session}, False
        with self.browser.stream("GET", f"{self.address}/gradio_api/queue/data", params=query) as results:
            if results.status_code != 200:
                results.read()
                raise EventFailed(_detail(results))
            for line in results.iter_lines():
                message = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if message.get("event_id") != number or message["msg"] not in (COMPLETED, "process_generating"):
                    continue
                if not message["success"]:
                    raise EventFailed(str((message["output"] or {}).get("error")))
                complete = message["msg"] == COMPLETED
                yield message["output"].get("data") or []
        if not complete:
            raise EventFailed("the app ended the stream before it answered")

    def _sent(self, number: int) -> Any:
        return None if self.components[number]["type"] == "state" else self.values[number]

    def _take(self, number: int, update: Any) -> None:
        if isinstance(update, dict) and update.get("__type__") == UPDATE:
            self.props.setdefault(number, {}).update(update | update.get("props", {}))  # of an HTML component
            if "value" in update:
                self.values[number] = update["value"]
        else:
            self.values[number] = update


def _detail(answer: httpx2.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError):
        return answer.text
