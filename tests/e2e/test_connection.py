"""The page stays connected where it is not left; when it loses the server, nothing vanishes without a word."""

from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_answered, wait_until_opened, wait_until_saved
from tests.e2e.test_start import exam_is_shown, marks, start_read

NOTE = "#q-exam-note textarea"
LOST, BACK = "connection to the server is lost", "had ended"


def wait_for_words(page, words):
    page.wait_for_function("words => document.querySelector('#connection')?.textContent.includes(words)", arg=words)


def open_read(new_visitor, app_url, reader):
    """A window with an open read; whether it may be left is in its list `leaves`, and what it asked in `asked`."""
    page = new_visitor(1920, 1080)
    page.leaves, page.asked = [], []

    def answer(dialog):
        page.asked.append(dialog.type)
        dialog.accept() if page.leaves else dialog.dismiss()

    page.on("dialog", answer)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed")
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    start_read(page, reader)
    return page


def test_a_page_that_is_not_left_after_all_keeps_its_connection(new_visitor, app_url):
    page = open_read(new_visitor, app_url, "Connie Stays")
    broken = []
    page.on("requestfailed", lambda request: broken.append(request.url))
    page.fill(NOTE, "seen before")
    with page.expect_event("dialog"):
        page.evaluate("location.reload()")
    page.locator(NOTE).blur()
    wait_until_saved(page)
    assert broken == [] and page.locator("#connection").count() == 0
    page.reload()
    exam_is_shown(page)
    page.wait_for_function("note => document.querySelector(note)?.value === 'seen before'", arg=NOTE)
    assert page.asked == ["beforeunload"]


def test_what_was_typed_when_the_server_was_lost_is_shown_and_nothing_can_be_changed_meanwhile(new_visitor, app_url):
    page = open_read(new_visitor, app_url, "Lotte Lost")
    page.route("**/gradio_api/**", lambda route: route.abort())
    page.fill(NOTE, "new density\nat 3 o'clock")
    page.locator(NOTE).blur()
    wait_for_words(page, LOST)
    assert "at 3 o'clock" in page.text_content("#connection")
    layout = page.evaluate(f"{ROOM}.layout")
    for key in ("2", "Escape", "Escape", "b"):
        page.keyboard.press(key)
    page.mouse.click(500, 500)
    assert page.evaluate(f"{ROOM}.layout") == layout and page.locator("#connection").is_visible()
    page.leaves.append(True)
    with page.expect_event("load"):
        page.unroute("**/gradio_api/**")
    assert page.asked == ["beforeunload"], "the page asks before text is lost"
    exam_is_shown(page)
    wait_for_words(page, BACK)
    assert "new density\nat 3 o'clock" in page.text_content("#connection pre")
    page.locator("#connection button").click()
    page.fill(NOTE, "new density")
    page.locator(NOTE).blur()
    wait_until_saved(page)
    page.reload()
    exam_is_shown(page)
    assert page.locator(NOTE).input_value() == "new density" and page.locator("#connection").count() == 0


def test_what_was_marked_before_the_server_was_lost_is_said_to_be_checked(new_visitor, app_url):
    page = open_read(new_visitor, app_url, "Marta Marks")
    page.route("**/gradio_api/**", lambda route: route.abort())
    wait_for_full_quality(page)
    page.evaluate("document.activeElement.blur()")
    page.locator("#q-exam-note textarea").focus()
    page.evaluate(f"{ROOM}.marks.onChange({{ before: [], marks: [], change: 1 }})")
    wait_for_words(page, LOST)
    with page.expect_event("load"):
        page.unroute("**/gradio_api/**")
    exam_is_shown(page)
    wait_for_words(page, BACK)
    assert marks(page) == 0 and page.locator("#connection pre").count() == 0


def test_a_page_with_an_answer_that_waits_to_be_sent_asks_before_it_is_left(new_visitor, app_url):
    page = open_read(new_visitor, app_url, "Hetty Hurries")
    held = []
    page.route("**/queue/join*", lambda route: route.continue_() if held else held.append(route))
    page.click("#q-exam-density label:has-text('A')")
    page.click("#q-exam-density label:has-text('C')")
    page.wait_for_function("window.actsWait()")
    with page.expect_event("dialog"):
        page.evaluate("location.reload()")
    held[0].continue_()
    wait_until_saved(page)
    page.reload()
    exam_is_shown(page)
    assert page.asked == ["beforeunload"]
    page.wait_for_selector("#q-exam-density label:has-text('C') input:checked", state="attached")
