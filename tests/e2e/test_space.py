"""A public Space in the browser: each visitor's work is their own, and a login keeps it."""

import pytest

from tests.e2e.states import wait_until_opened
from tests.stub_dataset import NAME, TOKEN, stub_dataset
from tests.stub_provider import environment_of, local_provider


@pytest.fixture(scope="module")
def provider():
    with local_provider({"sub": "1001", "preferred_username": "ann"}) as server:
        yield server


@pytest.fixture(scope="module")
def hub():
    with stub_dataset() as server:
        yield server


@pytest.fixture(scope="module")
def app_options():
    return ["--mode", "space"]


@pytest.fixture(scope="module")
def app_environment(provider, hub):
    snapshots = {"MVMLM_SNAPSHOTS": NAME, "HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.address, "HF_HUB_OFFLINE": "0"}
    return environment_of(provider) | snapshots


DURABLE_COVERS = """() => {
  const line = document.querySelector('#durable p').getBoundingClientRect();
  return [...document.querySelectorAll('#foot button, #foot p')].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width && box.bottom > line.top && box.top < line.bottom && box.right > line.left && box.left < line.right;
  }).map((part) => part.innerText).join();
}"""


def open_worklist(page):
    page.click("[role=tab]:has-text('Worklist')")
    page.wait_for_function("() => document.querySelector('#count').innerText.trim() !== ''")


def start_reading(page, reader):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.fill("#reader input, #reader textarea", reader)
    page.click("#start-reading")
    page.wait_for_function("() => document.querySelector('#bar-facts').innerText.includes('exam-00001')")


def test_what_a_visitor_reads_is_theirs_and_a_login_keeps_it(page, new_visitor, app_url):
    assert "deleted ten minutes after you close the page" in page.inner_text("#of-visit")
    start_reading(page, "Ann")
    bea = new_visitor()
    bea.goto(app_url)
    bea.wait_for_selector("body.boxes-closed #demo-film")
    open_worklist(bea)
    assert "exam-00001" not in bea.inner_text("#worklist")
    page.click("a#account")
    page.wait_for_selector("body.boxes-closed form#account")
    assert "ann" in page.inner_text("form#account") and not page.locator("#of-visit").is_visible()
    open_worklist(page)
    page.wait_for_function("() => document.querySelector('#worklist').innerText.includes('exam-00001')")
    page.click("[role=tab]:has-text('Read')")
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.wait_for_selector("#durable p")
    assert "durabl" in page.inner_text("#durable") and not page.evaluate(DURABLE_COVERS)
    page.click("form#account button")
    page.wait_for_selector("body.boxes-closed a#account")
    open_worklist(page)
    assert "exam-00001" not in page.inner_text("#worklist"), "who logs out leaves nothing behind"


def test_who_waits_sees_how_many_are_before_them(page):
    page.evaluate("window.queuePlace('event', 12)")
    page.wait_for_selector("#queue-place")
    assert "12 before you" in page.inner_text("#queue-place")
    page.evaluate("window.queuePlace('event', 3)")
    assert "3 before you" in page.inner_text("#queue-place")
    page.evaluate("window.queuePlace('event', 0)")
    assert page.locator("#queue-place").count() == 0
