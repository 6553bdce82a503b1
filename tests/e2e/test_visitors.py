"""Several visitors and windows of one app: each has its own exam, and a reload finds it again."""

import pytest

from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_answered, wait_until_opened, wait_until_saved

pytestmark = pytest.mark.shared_app


@pytest.fixture
def other_window(page, app_url):
    """A second window of the same visitor."""
    window = page.context.new_page()
    window.goto(app_url)
    window.wait_for_selector("#demo-film")
    return window


def reload(page):
    """Load the page again and wait until it shows an exam."""
    wait_until_saved(page)
    page.reload()
    page.wait_for_selector(".reading-room")
    page.wait_for_function(f"() => {ROOM} && {ROOM}.exam")


def test_a_reload_finds_the_exam_and_its_answers_again_and_another_window_has_none(page, other_window):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    page.click("#show-model")
    page.wait_for_selector(".answers table", state="attached")
    reload(page)
    wait_for_full_quality(page)
    page.wait_for_selector(".answers table", state="attached")
    assert other_window.evaluate(f"{ROOM} ? {ROOM}.exam || '' : ''") == ""
    wait_until_opened(other_window, lambda: other_window.click("#demo-film"))
    reload(page)
    assert page.locator(".viewport .name").first.inner_text() == "R CC"
