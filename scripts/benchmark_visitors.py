"""Print how one app serves many visitors: the wait of one for another's slow event, and the memory of many exams.

    python scripts/benchmark_visitors.py [--visits 60] [--port 7898]

One visitor opens the film demo and has it read by the model; meanwhile another one asks for the list of prompt sets.
Then many visitors open the film demo, one after the other, in one process with 1 GB for decoded pictures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import httpx
import psutil
from benchmark import running_app

QUICK_EVENTS = 10
CONFIG = "window.gradio_config = "


@dataclass
class Reader:
    """A visitor of the app with a page of its own."""

    address: str
    session: str

    def __post_init__(self) -> None:
        self.browser = httpx.Client(timeout=600)
        page = self.browser.get(self.address).text
        start = page.index(CONFIG) + len(CONFIG)
        self.config = json.JSONDecoder().raw_decode(page, start)[0]

    def raise_event(self, elem_id: str, kind: str) -> float:
        """Raise an event of a component; return the seconds until its result."""
        number = next(c["id"] for c in self.config["components"] if c["props"].get("elem_id") == elem_id)
        event = next(d for d in self.config["dependencies"] if [number, kind] in [list(t) for t in d["targets"]])
        body = {
            "data": [self._sent(part) for part in event["inputs"]],
            "event_data": None,
            "fn_index": event["id"],
            "trigger_id": number,
            "session_hash": self.session,
        }
        began = time.perf_counter()
        self.browser.post(f"{self.address}/gradio_api/queue/join", json=body).raise_for_status()
        query = {"session_hash": self.session}
        with self.browser.stream("GET", f"{self.address}/gradio_api/queue/data", params=query) as results:
            for line in results.iter_lines():
                if '"process_completed"' in line:
                    return time.perf_counter() - began
        raise EOFError("the app ended before it answered")

    def _sent(self, number: int) -> Any:
        component = next(c for c in self.config["components"] if c["id"] == number)
        return None if component["type"] == "state" else component["props"].get("value")


def print_waits(port: int) -> None:
    """Print how long a quick event takes alone, and while the slow event of another visitor runs."""
    with running_app(port) as (address, _):
        ann, bob = Reader(address, "session-of-ann"), Reader(address, "session-of-bob")
        ann.raise_event("demo-film", "click")  # what is loaded once is not measured
        alone = statistics.median(bob.raise_event("prompt-set", "focus") for _ in range(QUICK_EVENTS))
        slow = threading.Thread(target=lambda: print_wait("slow event", ann.raise_event("demo-film", "click")))
        slow.start()
        time.sleep(0.1)  # it has begun
        beside = bob.raise_event("prompt-set", "focus")
        print_wait("quick event, alone", alone)
        print_wait("quick event beside another's slow one", beside)
        slow.join()


def print_memory(visits_wanted: int) -> None:
    """Print the memory of decoded pictures and of the process, and how many exams were closed to make room."""
    os.environ["MVMLM_MEMORY"] = "1 GB"
    from gradio.context import LocalContext

    from app.privacy import COOKIE
    from app.read.exam_events import ExamEvents
    from app.read.visit import Visit
    from app.viewer.pixel_server import PixelServer
    from app.visits import Visits
    from mvmlm.imaging.decoder import Decoder
    from mvmlm.store.store import Store

    with tempfile.TemporaryDirectory(prefix="mvmlm-benchmark-") as folder:
        store, pixels, decoder = Store(Path(folder)), PixelServer(), Decoder()
        visits = Visits(pixels)
        handler = visits.on_visit(ExamEvents(decoder, pixels, store, visits).open_demo)
        most = 0
        for number in range(visits_wanted):
            request: Any = SimpleNamespace(session_hash=f"{number}", cookies={COOKIE: f"visitor-{number}"})
            LocalContext.request.set(request)
            handler("film", Visit(), request)
            visits.leave(request)  # the page is closed, so its exam may be closed
            most = max(most, visits.memory_in_use())
        megabytes = psutil.Process().memory_info().rss / (1 << 20)
        kept = visits.open_exams()
        print(f"{visits_wanted} exams opened: {kept} kept, {visits_wanted - kept} closed to make room")
        print(f"decoded pictures: at most {most / (1 << 20):.0f} MB of 1,024 MB; the process takes {megabytes:.0f} MB")
        decoder.close()
        store.close()


def print_wait(name: str, seconds: float) -> None:
    """Print a line of the result."""
    print(f"{name:42}{1000 * seconds:9.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visits", type=int, default=60)
    parser.add_argument("--port", type=int, default=7898)
    options = parser.parse_args()
    print_waits(options.port)
    print_memory(options.visits)
