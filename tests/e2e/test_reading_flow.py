"""A session of ten exams is read with the keyboard alone, and no press signs an exam that was not looked at."""

import re

import pytest

from tests.e2e.archives import phantom_archive
from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_signable
from tests.e2e.test_teaching import fill, import_exams, open_box, tab

N = 10
#: whether an element lies within the box of another, from left to right
IN_SIGHT = """([frame, element]) => {
    const [outer, inner] = [frame, element].map((name) => document.querySelector(name).getBoundingClientRect());
    return inner.width > 0 && inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
}"""
STATUS = "document.querySelector('#reading-status').textContent"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return phantom_archive(tmp_path_factory, N, 41)


def open_exam(page):
    return page.evaluate(f"{ROOM}.exam")


def press(page, key):
    page.keyboard.press(key)


def wait_for_another_exam(page, before):
    page.wait_for_function(f"before => {ROOM}.exam && {ROOM}.exam !== before", arg=before)


def start_session(page, reader, reads="one reader", button="start-session"):
    tab(page, "Worklist")
    open_box(page, "session")
    fill(page, "session-reader", reader)
    page.click(f"#session-reads label:has-text('{reads}')")
    page.click(f"#{button}")
    page.wait_for_function(
        "document.body.matches('.exam-open') || document.querySelector('#session-note').innerText.trim()"
    )
    assert page.text_content("#session-note").strip() == ""
    page.wait_for_selector("body.exam-open")


def test_ten_exams_are_read_with_the_keyboard_and_the_guard_is_respected(page, archive):
    import_exams(page, archive, N)
    start_session(page, "Ann")
    pixels = []
    page.on(
        "request",
        lambda request: pixels.append(request.url) if re.search("/viewer/.*/(raw|preview)$", request.url) else None,
    )
    for number in range(1, N + 1):
        page.wait_for_function(
            "place => document.querySelector('#strip .place').textContent.includes(place)", arg=f"{number} of"
        )
        wait_until_signable(page)
        press(page, "r" if number == 3 else "n")
        page.wait_for_selector(".opinion.recall" if number == 3 else ".opinion.normal", state="attached")
        before = open_exam(page)
        if number == 1:  # as if it was drawn this moment
            page.evaluate(f"{ROOM}.drawnAt = performance.now()")
            press(page, "F8")
            assert "less than 2 seconds ago" in page.inner_text(".key-note")
            wait_until_signable(page)
        if number == 3:  # a recall lacks the breasts' opinions: it is refused, and set right
            press(page, "F8")
            page.wait_for_function(f"{STATUS}.includes('is the right breast normal')")
            assert open_exam(page) == before
            press(page, "t")
            page.wait_for_selector(".opinion.technical-recall", state="attached")
            press(page, "n")
            page.wait_for_selector(".opinion.normal", state="attached")
        page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'F8', repeat: true, bubbles: true}))")
        assert open_exam(page) == before, "a key that is held down never signs"
        if number < N:
            page.wait_for_selector(".reading-room[data-ahead='4']", state="attached")
        asked = len(pixels)
        press(page, "F8")
        press(page, "F8")  # a double press
        if number < N:
            wait_for_another_exam(page, before)
            wait_for_full_quality(page)
            assert len(pixels) == asked, "the pictures of the next exam were here already"
            assert "normal recorded for" in page.text_content("#strip .recorded")
    page.wait_for_selector("#session-page .session-end")
    assert f"{N} of {N} exams read" in page.inner_text("#session-page h2")
    assert "10 normal" in page.inner_text("#session-page")
    page.set_viewport_size({"width": 1366, "height": 768})
    page.click("#session-page [data-open] >> nth=1")
    page.wait_for_function(f"{STATUS}.includes('not final yet')")
    assert page.is_visible("#change")
    press(page, "PageDown")
    press(page, "PageDown")
    page.wait_for_function("document.querySelector('#strip .place').textContent.includes('3 of')")
    page.wait_for_function(f"{ROOM}.root.dataset.rendered === {ROOM}.exam")
    assert "3 of" in page.text_content("#strip .place"), "a second press while an exam is opened does nothing"
    for number in range(4, N + 1):
        page.wait_for_function(f"{ROOM}.root.dataset.rendered === {ROOM}.exam")
        press(page, "PageDown")
        page.wait_for_function(
            "place => document.querySelector('#strip .place').textContent.includes(place)", arg=f"{number} of"
        )
    press(page, "l")
    page.wait_for_selector("body.strip-open")
    page.wait_for_function(IN_SIGHT, arg=["#strip .items", "#strip .current"])
    assert page.evaluate(IN_SIGHT, ["#strip-bar", "#finish-session"]), "no button is cut"


def test_what_was_recorded_can_be_changed_at_once(page):
    start_session(page, "Ben", "two readers")
    first = open_exam(page)
    wait_until_signable(page)
    press(page, "n")
    page.wait_for_selector(".opinion.normal", state="attached")
    press(page, "F8")
    wait_for_another_exam(page, first)
    page.click("#strip [data-change]")
    page.wait_for_function("document.querySelector('#strip .place').textContent.includes('1 of')")
    page.wait_for_function(f"{STATUS}.includes('Ben, second read: draft')")
    press(page, "t")
    page.wait_for_selector(".opinion.technical-recall", state="attached")
    page.wait_for_function(f"{STATUS}.includes('tick the views')")


def finish_session(page, reader):
    """End a session of which every exam was read: its reads are final."""
    tab(page, "Worklist")
    open_box(page, "session")
    fill(page, "session-reader", reader)
    page.click("#continue-session")
    page.click("#session-page [data-finish]")
    page.click("#session-page [data-tab]")


def breast_opinion(page, side, words):
    choice = f"#q-{side}-breast_opinion label[data-testid='{words}-radio-label']"
    page.click(choice)
    page.wait_for_selector(f"{choice}.selected")


def test_a_session_that_arbitrates_records_an_arbitration_and_no_further_read(page):
    finish_session(page, "Ann")
    start_session(page, "Ben", "two readers", button="continue-session")
    page.wait_for_function(f"{STATUS}.includes('Ben, second read: draft')")
    first = open_exam(page)
    press(page, "r")
    page.wait_for_selector(".opinion.recall", state="attached")
    breast_opinion(page, "R", "symptoms only")
    breast_opinion(page, "L", "normal")
    page.wait_for_function(f"!{STATUS}.includes('is the left breast normal')")
    wait_until_signable(page)
    page.evaluate("document.activeElement.blur()")
    press(page, "F8")
    page.wait_for_function(f"{STATUS}.includes('Right breast: symptoms only')")
    page.evaluate("window.reviewed = performance.now()")
    page.wait_for_function("performance.now() - window.reviewed > 1800")
    press(page, "F8")
    wait_for_another_exam(page, first)
    page.fill("#aside-reason input", "film scratched")
    page.click("#skip")
    page.wait_for_function("document.querySelector('#aside-reason input').value === ''")
    page.click("#finish-session")
    page.wait_for_selector("#session-page :text('The session so far')")
    page.click("#session-page [data-finish]")
    page.click("#session-page [data-tab]")
    start_session(page, "Cid", "arbitrate")
    page.wait_for_selector("#arbitration-start >> visible=true")
    assert "1 of 1" in page.text_content("#strip .place") and not page.is_visible("#start-reading")
    assert page.locator("#two-reads >> visible=true").count() == 0
    press(page, "n")
    page.wait_for_function(f"{STATUS}.includes('Cid, arbitration: draft')")
    page.wait_for_selector("#show-both >> visible=true")
    press(page, "Shift+B")
    page.wait_for_selector("#two-reads tr.apart >> nth=0")
    assert "Ann" in page.inner_text("#two-reads") and "Ben" in page.inner_text("#two-reads")
    wait_until_signable(page)
    press(page, "F8")
    page.wait_for_selector("#session-page .session-end")


def test_what_is_answered_on_one_scale_stays_in_sight_on_the_other(page):
    tab(page, "Read")
    page.click("#demo-phantom")
    page.wait_for_selector("body.exam-open")
    fill(page, "reader", "Dia")
    page.click("#start-reading")
    page.wait_for_function(f"{STATUS}.includes('Dia, first read: draft')")
    page.click("#scale label:has-text('Diagnostic')")
    page.locator("#q-R-birads label", has_text="5").click()
    page.click("#scale label:has-text('Screening')")
    page.wait_for_selector("#q-R-birads >> visible=true")
    press(page, "n")
    page.wait_for_function(f"{STATUS}.includes('right breast: normal, but BI-RADS 5')")
    page.click("#undo")
    page.wait_for_function(f"!{STATUS}.includes('BI-RADS 5')")
    press(page, "r")
    page.wait_for_selector(".opinion.recall", state="attached")
    page.click("#scale label:has-text('Diagnostic')")
    assert page.is_visible("#q-R-breast_opinion") and page.is_visible("#opinion-recall")
    page.evaluate("document.activeElement.blur()")
    press(page, "n")
    page.wait_for_function("document.querySelector('#page-opinion .opinion').className === 'opinion'")
    assert not page.is_visible("#q-R-breast_opinion") and not page.is_visible("#opinion-recall")


def test_each_button_of_a_session_does_what_it_says(page):
    start_session(page, "Eva", "two readers")
    for button, reason in (("skip", ""), ("set-aside", "wrong <woman>"), ("priors-wanted", "")):
        before = open_exam(page)
        if reason:
            page.fill("#aside-reason input", reason)
        page.click(f"#{button}")
        wait_for_another_exam(page, before)
    page.wait_for_function(f"{ROOM}.root.dataset.rendered === {ROOM}.exam")
    assert "4 of" in page.text_content("#strip .place")
    press(page, "PageUp")
    page.wait_for_function("document.querySelector('#strip .place').textContent.includes('3 of')")
    page.click("#finish-session")
    page.wait_for_selector("#session-page :text('The session so far')")
    rows = page.locator("#session-page tbody tr").all_inner_texts()
    said = ("skipped", "set aside: wrong <woman>", "priors wanted", "not signed")
    assert len(rows) == 4 and all(words in row for words, row in zip(said, rows, strict=True)), rows
    page.click("#session-page :text('Go on reading')")
    page.wait_for_function("document.querySelector('#strip .place').textContent.includes('4 of')")
    page.click("#finish-session")
    page.click("#session-page [data-finish]")
    page.wait_for_selector("#session-page :text('The session has ended')")
    page.click("#session-page [data-tab]")
    open_box(page, "session")
    page.click("#show-left-out")
    page.wait_for_selector("#left-out label >> nth=1")
    left = page.locator("#left-out label").all_inner_texts()
    assert ["set aside, wrong <woman>" in one or "priors wanted" in one for one in left] == [True, True], left
    fill(page, "session-reader", "Eva")
    page.locator("#left-out label", has_text="wrong <woman>").click()
    page.click("#put-back")
    page.wait_for_function("document.querySelector('#session-note').textContent.includes('Put back')")
    assert page.locator("#left-out label").count() == 1
