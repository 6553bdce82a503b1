"""Print how the app holds under many visitors, many exams and kills; exits with 1 where it failed somebody.

    python scripts/soak.py [--visitors 50] [--seconds 120] [--settle 660] [--in-a-row 200] [--in-a-browser 200]
        [--kills 200]

visitors: each opens an exam, sees the answers, asks a prompt and draws a map, again and again for so many seconds, all
at once. What each sees must be what one visitor alone saw of that exam. settle: seconds after the last page was
closed, before the memory is measured again; what visitors had open is kept for ten minutes.
in-a-row, in-a-browser: one visitor opens so many exams, with and without a browser. kills: the server is killed so
often, while a reading is saved and while exams are encoded; what it had acknowledged must be there at the next start.
0 leaves a part out.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import httpx2
import numpy as np
import psutil
from benchmark import START_SECONDS, is_answered, running_app
from page_client import EventFailed, PageClient

from mvmlm.imaging.write import dataset
from mvmlm.phantom import phantom_exams
from mvmlm.store.store import Store

EXAMS, ROWS, SEED = 8, 640, 24
PROMPTS = "spiculated mass\nclustered calcifications"
PORT, KILLED_PORT = 7897, 7896  # so that the kills can run beside the visitors
READER = "Soak"
JOBS_SECONDS = 600
OPEN_EXAM = "document.querySelector('.reading-room')?.room?.exam"
STEPS = ("open", "answers", "prompt", "map")
DEMOS = ("demo-film", "demo-phantom")
Exam = str | dict[str, bytes]  # the button of a bundled exam, or files to upload


@dataclass
class Found:
    """What the visitors of a run saw. seconds: by step. failed, crossed: a sentence for each."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    failed: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)


def phantom_files(folder: Path) -> list[dict[str, bytes]]:
    """Return the four DICOM files of each of EXAMS different exams, by their names."""
    exams = []
    for number, phantom in enumerate(phantom_exams(EXAMS, SEED, rows=ROWS)):
        files = {}
        for name, view in phantom.exam.views.items():
            path = folder / f"{number}-{name}.dcm"
            dataset(view, f"soak-{number}").save_as(path, enforce_file_format=True)
            files[path.name] = path.read_bytes()
        exams.append(files)
    return exams


def see(page: PageClient, exam: Exam) -> tuple[dict[str, str], dict[str, float]]:
    """Open an exam, ask for answers, a prompt and a map; return what the page showed and the seconds of each step."""
    began = time.perf_counter()
    seconds = {"open": page.upload("uploads", exam) if isinstance(exam, dict) else page.raise_event(exam, "click")}
    page.raise_event("show-model", "click")  # after the events that follow the opening, the model's among them
    seconds["answers"] = time.perf_counter() - began
    shown = {"answers": page.value("answers")}
    seconds["prompt"] = page.raise_event("ask", "click", {"prompts": PROMPTS})
    shown["prompt"] = str(page.value("prompt-scores"))
    seconds["map"] = page.raise_event("map-on", "change", {"map-on": True})
    shown["map"] = str(page.prop("viewer", "maps"))
    page.values[page.names["map-on"]] = False
    if "<table>" not in shown["answers"] or len(shown["map"]) < 100:
        raise EventFailed(f"no answers or no map: {shown['answers'][:200]} {shown['map'][:60]}")
    return shown, seconds


def visit_at_once(
    address: str, exams: Sequence[Exam], alone: Sequence[dict[str, str]], visitors: int, seconds: float
) -> Found:
    """Let visitors see exams, all at once, until `seconds` have passed; each at least one."""
    found, end = Found(), time.monotonic() + seconds
    lock = threading.Lock()

    def visit(number: int) -> None:
        page, turn = PageClient(address), number
        while turn == number or time.monotonic() < end:
            which = turn % len(exams)
            try:
                shown, took = see(page, exams[which])
            except (EventFailed, httpx2.HTTPError) as error:
                with lock:
                    found.failed.append(f"visitor {number}: {type(error).__name__} {error}")
                return
            with lock:
                for step, value in took.items():
                    found.seconds[step].append(value)
                found.crossed += [
                    f"visitor {number} saw other {what} than of exam {which}"
                    for what in shown
                    if shown[what] != alone[which][what]
                ]
            turn += visitors
        page.close()

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def server_of(address: str) -> psutil.Process:
    """The process that listens at an address."""
    port = int(address.rpartition(":")[2])
    return psutil.Process(
        next(c.pid for c in psutil.net_connections("tcp") if c.laddr.port == port and c.status == "LISTEN")
    )


def memory_of(address: str) -> float:
    """The memory in MB of the server with its child processes."""
    server = server_of(address)
    return sum(process.memory_info().rss for process in [server, *server.children(recursive=True)]) / 1e6


def processor_seconds(address: str) -> float:
    """The processor time that the server has taken so far, in seconds, with its child processes."""
    server = server_of(address)
    times = [process.cpu_times() for process in [server, *server.children(recursive=True)]]
    return sum(time.user + time.system for time in times)


def print_visitors(visitors: int, seconds: float, settle: float) -> bool:
    """Print the waits of many visitors and the memory; return whether nobody failed and nothing was crossed."""
    with tempfile.TemporaryDirectory() as folder, running_app(PORT) as (address, _):
        first, good = PageClient(address), True
        see(first, DEMOS[0])  # the model is loaded
        level = memory_of(address)
        for whose, exams in (("bundled", list[Exam](DEMOS)), ("own", list[Exam](phantom_files(Path(folder))))):
            alone, took = zip(*(see(first, exam) for exam in exams), strict=True)
            print_seconds(f"alone, {whose} exam", {step: [one[step] for one in took] for step in STEPS})
            before = processor_seconds(address)
            found = visit_at_once(address, exams, list(alone), visitors, seconds)
            print_seconds(f"{visitors} at once, {whose} exams", found.seconds)
            taken = (processor_seconds(address) - before) / max(1, len(found.seconds["map"]))
            print(f"the server takes {taken:.2f} s of a processor for each of these exams")
            for sentence in [*found.failed[:5], *found.crossed[:5]]:
                print(sentence)
            print(f"failed: {len(found.failed)}, crossed: {len(found.crossed)}; memory {memory_of(address):.0f} MB")
            good = good and not found.failed and not found.crossed
        first.close()
        if settle:
            time.sleep(settle)
        print(f"memory: {level:.0f} MB with a visitor, {memory_of(address):.0f} MB {settle:.0f} s after the last page")
    return good


def print_seconds(title: str, seconds: Mapping[str, Sequence[float]]) -> None:
    """Print the median and the 95th percentile of each step."""
    for step in STEPS:
        p50, p95 = np.percentile(seconds[step] or [np.nan], [50, 95])
        print(f"{title:30} {step:8} n {len(seconds[step]):5}  p50 {p50:6.2f} s  p95 {p95:6.2f} s")


def print_in_a_row(count: int) -> bool:
    """Print the memory while one visitor opens many exams, one after the other; return whether each was opened."""
    with tempfile.TemporaryDirectory() as folder, running_app(PORT) as (address, _):
        page, exams = PageClient(address), phantom_files(Path(folder))
        for number in range(1, count + 1):
            page.upload("uploads", exams[number % len(exams)])
            if number in (10, count // 4, count // 2, count):
                print(f"{number} exams in a row: {memory_of(address):.0f} MB")
    return True


def print_in_a_browser(count: int) -> bool:
    """Print the memory of the page in headless Chromium while its visitor opens many exams; needs playwright."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with running_app(PORT) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(90_000)
        page.goto(address)
        page.wait_for_selector("body.boxes-closed #demo-film")
        inspector = page.context.new_cdp_session(page)
        for number in range(1, count + 1):
            before = page.evaluate(OPEN_EXAM)
            page.evaluate("name => document.querySelector(`#demo-${name}`).click()", ("film", "phantom")[number % 2])
            page.wait_for_function(f"before => ({OPEN_EXAM}) && ({OPEN_EXAM}) !== before", arg=before)
            if number in (10, count // 4, count // 2, count):
                inspector.send("HeapProfiler.collectGarbage")
                used = inspector.send("Runtime.getHeapUsage")["usedSize"] / 1e6
                print(
                    f"{number} exams in a browser: {used:.0f} MB of JavaScript, {memory_of(address):.0f} MB of server"
                )
        browser.close()
    return True


class Killed:
    """An app over one data folder that is started and killed again and again. acknowledged: what a visitor was told."""

    def __init__(self, data: Path):
        self.data, self.acknowledged, self.sent = data, "", ""
        self.address = f"http://127.0.0.1:{KILLED_PORT}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start the app and wait until it answers."""
        command = [sys.executable, "app.py", "--port", str(KILLED_PORT), "--data", str(self.data)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while not is_answered(self.address):
            if process.poll() is not None or time.monotonic() - began > START_SECONDS:
                raise RuntimeError("the app did not start again")
            time.sleep(0.05)
        return process

    def open_read(self) -> PageClient:
        """Return a page with the read of the demo exam, and with all exams about to be encoded."""
        page = PageClient(self.address)
        page.raise_event("demo-phantom", "click", follow=False)
        page.raise_event("start-reading", "click", {"reader": READER}, follow=False)
        page.raise_event("encode", "click", follow=False)
        return page

    def save_until_killed(self, page: PageClient) -> None:
        """Answer a question of the form again and again, and note each answer that was acknowledged."""
        for answer in itertools.cycle("ABCD"):
            self.sent = answer
            try:
                page.raise_event("q-exam-density", "input", {"q-exam-density": answer}, follow=False)
            except (EventFailed, httpx2.HTTPError):
                return
            self.acknowledged = answer

    def lost(self) -> str:
        """Return what was acknowledged and is not in the store; "" where all is there."""
        store = Store(self.data)
        try:
            reads = [read for exam in store.worklist.numbers() for read in store.readings.of_exam(exam)]
            answers = {read.reading.fields.get((None, "density")) for read in reads}
        finally:
            store.close()
        kept = len(reads) == 1 and answers <= {self.acknowledged, self.sent}
        return "" if kept else f"acknowledged {self.acknowledged}, sent {self.sent}, stored {answers} of {len(reads)}"


def print_kills(kills: int) -> bool:
    """Print how often an acknowledged answer was lost, and whether the jobs were done in the end."""
    random, lost = np.random.default_rng(SEED), []
    with tempfile.TemporaryDirectory() as folder:
        killed = Killed(Path(folder))
        for _ in range(kills):
            process = killed.start()
            page = killed.open_read()
            saves = threading.Thread(target=killed.save_until_killed, args=(page,))
            saves.start()
            time.sleep(random.uniform(0.05, 1.5))
            process.kill()
            process.wait()
            saves.join()
            if sentence := killed.lost():
                lost.append(sentence)
        process = killed.start()
        jobs, undone = wait_for_jobs(Path(folder))
        process.terminate()
        process.wait()
    for sentence in [*lost[:5], *undone[:5]]:
        print(sentence)
    print(f"{kills} kills: {len(lost)} acknowledged answers lost, {len(undone)} of {jobs} jobs not done")
    return bool(jobs) and not lost and not undone


def wait_for_jobs(data: Path) -> tuple[int, list[str]]:
    """Wait until the jobs of a store have ended; return how many there are, and a sentence for each not done."""
    store, began = Store(data), time.monotonic()
    try:
        while store.jobs.unfinished() and time.monotonic() - began < JOBS_SECONDS:
            time.sleep(0.5)
        jobs = store.jobs.recent(limit=10_000)
        return len(jobs), [f"job {job.id}: {job.state}, {job.message}" for job in jobs if job.state != "done"]
    finally:
        store.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--in-a-row", type=int, default=200)
    parser.add_argument("--in-a-browser", type=int, default=200)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--settle", type=float, default=660)
    options = parser.parse_args()
    good = [
        not options.visitors or print_visitors(options.visitors, options.seconds, options.settle),
        not options.in_a_row or print_in_a_row(options.in_a_row),
        not options.in_a_browser or print_in_a_browser(options.in_a_browser),
        not options.kills or print_kills(options.kills),
    ]
    sys.exit(0 if all(good) else 1)
