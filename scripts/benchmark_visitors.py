"""Print how one app serves many visitors: waits for another's slow event, exams in one pass, the memory of many exams.

    python scripts/benchmark_visitors.py [--visits 60] [--port 7898]

One visitor opens an exam and has it read by the model; meanwhile another one asks for the list of prompt sets. Then the
bundled network reads 1, 2, 4 and 8 exams in one pass and one after the other. Then many visitors open an exam each, one
after the other, in one process with 1 GB for decoded pictures.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import psutil
from benchmark import running_app
from page_client import PageClient
from soak import phantom_files

QUICK_EVENTS = 10
PASSES = 5


def print_waits(port: int) -> None:
    """Print how long a quick event takes alone, and while the slow event of another visitor runs."""
    with tempfile.TemporaryDirectory() as folder, running_app(port) as (address, _):
        exam, ann, bob = phantom_files(Path(folder))[0], PageClient(address), PageClient(address)
        ann.upload("uploads", exam)  # what is loaded once is not measured
        alone = statistics.median(bob.raise_event("prompt-set", "focus", follow=False) for _ in range(QUICK_EVENTS))
        slow = threading.Thread(target=lambda: print_wait("slow event", ann.upload("uploads", exam)))
        slow.start()
        time.sleep(0.1)  # it has begun
        beside = bob.raise_event("prompt-set", "focus", follow=False)
        print_wait("quick event, alone", alone)
        print_wait("quick event beside another's slow one", beside)
        slow.join()


def print_passes() -> None:
    """Print the time that exams take in one pass, and the same exams one after the other, alternating."""
    from mvmlm import load_exam, load_model
    from mvmlm.inference.prepared import prepare_exam

    predictor = load_model()
    exam = prepare_exam(predictor.model, load_exam(ROOT / "assets" / "demo_exams" / "phantom"))
    for count in (1, 2, 4, 8):
        times: dict[str, list[float]] = {"in one pass": [], "one after the other": []}
        for _ in range(PASSES):
            for way, batches in zip(times, ([[exam] * count], [[exam]] * count), strict=True):
                began = time.perf_counter()
                for batch in batches:
                    predictor.encode_prepared(batch)
                times[way].append((time.perf_counter() - began) / count)
        for way, taken in times.items():
            print_wait(f"{count} exams {way}, an exam", statistics.median(taken))


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
        most = 0
        for number in range(visits_wanted):
            request: Any = SimpleNamespace(session_hash=f"{number}", cookies={COOKIE: f"visitor-{number}"})
            LocalContext.request.set(request)
            exams = ExamEvents(decoder, pixels, store, visits)  # each decodes the exam itself
            visits.on_visit(exams.open_demo)("film", Visit(), request)
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
    print_passes()
    print_memory(options.visits)
