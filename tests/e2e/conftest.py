"""Browser tests: the real app in a process of its own, and headless Chromium."""

import functools
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest
from playwright.sync_api import sync_playwright

from mvmlm.store.store import Store
from tests.conftest import ROOT
from tests.e2e.states import reveal
from tests.ports import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONGEST_WAIT_MS = 90_000  # for a state of the page, on a busy machine
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# the longest files, in the order in which they begin: two processes then end at about the same time
LONGEST_FIRST = (
    "viewer",
    "teaching",
    "reading_flow",
    "start",
    "findings",
    "reading",
    "display",
    "hanging",
    "connection",
)


def pytest_collection_modifyitems(items):
    """Begin with the tests of the longest files."""
    places = {f"test_{name}": place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def without_ocr(tmp_path_factory):
    """A folder for PYTHONPATH: in its programs the extra `ocr`, which a user need not have, is not installed.

    With it every exam that is kept takes a second more.
    """
    folder = tmp_path_factory.mktemp("without_ocr")
    (folder / "sitecustomize.py").write_text('import sys\n\nsys.modules["rapidocr"] = None\n', encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """The data folder of the app; a module may put something into it before the app starts."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def app_options():
    """Further options of the app; a module may give its own."""
    return []


@pytest.fixture(scope="module")
def app_environment():
    """Further environment variables of the app; a module may give its own."""
    return {}


@contextmanager
def running_app(data_folder, cache, options, environment):
    """`python app.py` on a free port, as a user would start it; yields its address."""
    port = free_port()
    command = [sys.executable, "app.py", "--port", str(port), "--data", str(data_folder), *options]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(cache), "PYTHONUNBUFFERED": "1"} | environment
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said, found = [], threading.Event()

    def listen():
        for line in process.stdout:
            said.append(line)
            if "http://" in line:
                found.set()
        found.set()  # it ended

    threading.Thread(target=listen, daemon=True).start()
    found.wait(120)
    urls = re.findall(r"http://[\w.]+:\d+", "".join(said))
    assert urls, f"the app did not start: {''.join(said)}"
    urllib.request.urlopen(urls[0])
    yield urls[0]
    process.terminate()
    process.wait(90)
    assert "Traceback" not in "".join(said), "".join(said)


@pytest.fixture(scope="session")
def shared_app(tmp_path_factory, without_ocr):
    """The app of the files whose tests look at exams and keep nothing; such a file has the mark `shared_app`."""
    data = tmp_path_factory.mktemp("data")
    with running_app(data, tmp_path_factory.mktemp("cache"), [], {"PYTHONPATH": str(without_ocr)}) as address:
        yield address
    store = Store(data)
    assert store.exams.count() == 0, "a test of the shared app kept an exam, which the tests after it may have seen"
    store.close()


@pytest.fixture(scope="module")
def app_url(request, tmp_path_factory, without_ocr):
    """The address of the app of a file of tests: with a data folder and an upload cache of its own, or the shared one."""
    if request.node.get_closest_marker("shared_app"):
        yield request.getfixturevalue("shared_app")
        return
    folder, options, own = (request.getfixturevalue(name) for name in ("data_folder", "app_options", "app_environment"))
    environment = {"PYTHONPATH": str(without_ocr)} | own
    with running_app(folder, tmp_path_factory.mktemp("cache"), options, environment) as address:
        yield address


@pytest.fixture(scope="session")
def browser():
    assert CHROMIUM, "Chromium is not installed: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


def _reveal_first(page, action, selector, *args, **options):
    reveal(page, selector)
    return action(selector, *args, **options)


def _note_event(events, what, about):
    if "/queue/" in about.url:
        status = about.status if what == "response" else ""
        events.append(f"{time.strftime('%X')} {what} {status} {about.url.rpartition('/')[2]}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Show with a failed test what the page showed, and which of its events were answered."""
    report = yield
    if report.when == "call" and report.failed and "page" in item.funcargs:
        page, events = item.funcargs["page"], item.funcargs["events"]
        report.sections.append(("what the page shows", page.inner_text("body")))
        report.sections.append(("requests of events", "\n".join(events)))
    return report


@pytest.fixture
def events():
    """The requests of events and of their answers, in the order in which they were sent, answered and ended."""
    return []


@pytest.fixture
def new_visitor(browser):
    """A function that opens an empty window of another visitor, of a width and height in pixels.

    Its actions turn to the page of the panel on which an element lies, as a user would.
    """
    contexts = []

    def open_window(width=1366, height=768):
        context = browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(LONGEST_WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        for action in ("click", "dblclick", "fill", "check", "uncheck", "type", "focus", "inner_text"):
            setattr(page, action, functools.partial(_reveal_first, page, getattr(page, action)))
        return page

    yield open_window
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_visitor, app_url, events):
    """A visitor of its own with the page open; fails on any JavaScript error or dialog."""
    page = new_visitor(1920, 1080)
    for what in ("request", "response", "requestfinished", "requestfailed"):
        page.on(what, functools.partial(_note_event, events, what))
    trouble = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: (trouble.append("dialog: " + dialog.message), dialog.dismiss()))
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    yield page
    assert not trouble, trouble
