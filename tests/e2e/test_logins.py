"""The mode `server` in a browser: people log in, read under their own name, and see nothing of who was here before."""

import pytest

from mvmlm.store.accounts import Role
from mvmlm.store.store import Store
from tests.e2e.states import ROOM, wait_until_answered, wait_until_opened
from tests.e2e.test_start import start_read

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    store = Store(folder)
    for name, role in (("Ada Admin", Role.ADMIN), ("Rita Reads", Role.READER), ("Vera Views", Role.VIEWER)):
        store.accounts.add(name, role, PASSWORD, "tests")
    store.close()
    return folder


@pytest.fixture(scope="module")
def app_options():
    return ["--mode", "server"]


def log_in(page, app_url, name):
    page.goto(app_url)
    page.fill("input[name=name]", name)
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_selector("body.boxes-closed #demo-film")


def tabs(page):
    return [tab.inner_text() for tab in page.locator("#pages > .tab-wrapper [role=tab]").all() if tab.is_visible()]


def test_a_reader_reads_under_her_own_name_and_leaves_nothing_open_for_the_next(new_visitor, app_url):
    page = new_visitor()
    log_in(page, app_url, "rita reads")
    assert "Rita Reads (reader)" in page.text_content("#account") and "Fine-tune" not in tabs(page)
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    reader = page.locator("#reader :is(input, textarea)")
    assert reader.input_value() == "Rita Reads" and reader.get_attribute("readonly") is not None
    reader.evaluate(
        "(field) => { field.readOnly = false; field.value = 'Ada Admin'; field.dispatchEvent(new Event('input', { bubbles: true })); }"
    )
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status')?.textContent.includes('Rita Reads')")
    address = page.evaluate("location.search")
    page.click("#account button")
    page.wait_for_selector("input[name=password]")
    page.go_back()
    page.wait_for_selector("input[name=password]")
    log_in(page, f"{app_url}/{address}", "Vera Views")
    page.wait_for_function(f"() => document.querySelector('.reading-room') && {ROOM} && {ROOM}.exam")
    assert "Vera Views (viewer)" in page.text_content("#account")
    page.click("#start-reading")
    page.wait_for_selector("text=needs the role reader")
    assert "Rita" not in page.text_content("#foot") and tabs(page) == ["Read", "Worklist", "About"]


def test_a_page_whose_login_has_ended_asks_for_it_and_shows_what_was_not_saved(new_visitor, app_url):
    page = new_visitor()
    log_in(page, app_url, "Ada Admin")
    assert "Fine-tune" in tabs(page)
    wait_until_opened(page, lambda: page.click("#demo-film"))
    wait_until_answered(page)
    start_read(page, "Ada Admin")
    page.fill("#q-exam-note textarea", "seen before")
    page.context.clear_cookies(name="mvmlm_login")
    page.locator("#q-exam-note textarea").blur()
    page.wait_for_selector("input[name=password]")
    page.fill("input[name=name]", "Ada Admin")
    page.fill("input[name=password]", PASSWORD)
    page.click("button")
    page.wait_for_selector("#connection pre")
    assert page.text_content("#connection pre") == "seen before"
    page.wait_for_function(f"() => document.querySelector('.reading-room') && {ROOM} && {ROOM}.exam")
