"""The start page, the address that names the open exam, and what is never lost without a word."""

import cv2
import numpy as np
import psutil
import pytest
from playwright.sync_api import expect
from pydicom import dcmread

from mvmlm.exam import STANDARD_VIEWS
from tests.conftest import ROOT
from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_answered, wait_until_opened, wait_until_saved
from tests.e2e.test_labelling import draw_box
from tests.e2e.test_teaching import tab
from tests.test_load import write

DEMO = ROOT / "assets" / "demo_exams" / "phantom"
ON_START_PAGE = "!document.body.matches('.exam-open:not(.opening)')"


def address(page):
    """What the address of the page names."""
    return page.evaluate("new URLSearchParams(location.search).get('exam') || ''")


def wait_for_address(page, name):
    page.wait_for_function("name => (new URLSearchParams(location.search).get('exam') || '') === name", arg=name)


def open_demo(page, which="phantom"):
    wait_until_opened(page, lambda: page.click(f"#demo-{which}"))
    wait_until_answered(page)
    page.wait_for_function("location.search.includes('exam=')")
    return address(page)


def start_read(page, reader):
    if page.locator("#reader input").get_attribute("readonly") is None:  # else it holds who is logged in
        page.fill("#reader input", reader)
    page.click("#start-reading")
    page.wait_for_function("name => document.querySelector('#reading-status')?.textContent.includes(name)", arg=reader)
    page.wait_for_function("location.search.includes('exam=exam-')")


def mark(page):
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    draw_box(page, "R_CC", 0.75, 0.4)
    page.wait_for_selector("#findings .finding", state="attached")
    page.keyboard.press("Escape")  # leaves the question at the mark unanswered


def marks(page):
    wait_for_full_quality(page)
    page.wait_for_function("document.querySelector('.reading-room').dataset.rendered")
    return page.evaluate(f"{ROOM}.marks.all().length")


def exam_is_shown(page):
    page.wait_for_selector(".reading-room", state="attached")
    page.wait_for_function(f"() => {ROOM} && {ROOM}.exam && document.body.matches('.exam-open:not(.opening)')")


def drop(page, selector, path):
    """Drop a file on an element, as from a folder of the desktop."""
    files = page.evaluate_handle(
        """([name, text]) => { const sent = new DataTransfer(); sent.items.add(new File([text], name)); return sent; }""",
        [path.name, path.read_text(encoding="utf-8")],
    )
    for event in ("dragover", "drop"):
        page.dispatch_event(selector, event, {"dataTransfer": files})


def test_nothing_but_the_drop_area_is_seen_until_an_exam_is_open_and_a_draft_is_resumed_by_one_click(page, new_visitor):
    page.wait_for_selector("#opening", state="hidden")
    assert page.locator("#drop-text h1").is_visible() and page.locator("#demo-film").is_visible()
    for hidden in ("#viewer", "#panel-tabs", "#foot", ".panel-page", "#left-open a", "#opening", "#back-to-exam"):
        assert page.locator(hidden).locator("visible=true").count() == 0, hidden
    area, window = page.locator("#uploads").bounding_box(), page.viewport_size
    assert area["width"] * area["height"] > 0.85 * window["width"] * window["height"]
    open_demo(page)
    start_read(page, "Dora Draft")
    later = new_visitor(1920, 1080)
    later.goto(page.url.partition("?")[0])
    later.wait_for_selector("body.boxes-closed #left-open a")
    line = later.locator("#left-open a", has_text="Dora Draft")
    assert "exam-00001" in line.inner_text() and "UTC" in line.inner_text()
    line.click()
    exam_is_shown(later)
    later.wait_for_function("document.querySelector('#reading-status')?.textContent.includes('Dora Draft')")
    wait_for_address(later, "exam-00001")
    open_demo(later, "film")
    later.go_back()
    later.wait_for_function("document.querySelector('#reading-status')?.textContent.includes('Dora Draft')")


def test_another_exam_can_be_opened_while_the_panel_is_closed(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.keyboard.press("Tab")
    page.wait_for_selector("body.panel-closed")
    page.get_by_role("button", name="Open", exact=True).click()
    wait_until_opened(page, lambda: page.locator("#demo-film").click())


def test_a_file_dropped_on_the_pictures_never_leaves_the_page_and_the_open_exam_stays(page, tmp_path):
    open_demo(page)
    exam = page.evaluate(f"{ROOM}.exam")
    (tmp_path / "letter.txt").write_text("dear colleague", encoding="utf-8")
    drop(page, ".viewport", tmp_path / "letter.txt")
    page.wait_for_function("document.querySelector('#message')?.textContent.includes('stays open')")
    assert page.evaluate(f"{ROOM}.exam") == exam and page.locator("#message").is_visible()
    assert not page.evaluate("document.body.matches('.dropping')")
    tab(page, "Worklist")
    drop(page, "#worklist-tools", tmp_path / "letter.txt")
    assert page.locator("#worklist-tools").is_visible()


def test_the_address_names_the_open_exam_for_its_own_visitor_only(page, new_visitor, app_url):
    unkept = open_demo(page)
    assert len(unkept) >= 20
    mark(page)
    window = page.context.new_page()
    window.goto(page.url)
    exam_is_shown(window)
    assert marks(window) == 1
    wait_for_address(window, unkept)
    stranger = new_visitor()
    stranger.goto(page.url)
    stranger.wait_for_function("document.querySelector('#message')?.textContent.includes('no exam for you')")
    assert stranger.locator("#message").is_visible() and stranger.evaluate(ON_START_PAGE)
    wait_for_address(stranger, "")
    assert stranger.locator(f'a[data-exam="{unkept}"]').count() == 0
    start_read(page, "Ann Address")
    stored = address(page)
    stranger.goto(f"{app_url}/?exam={stored}")
    exam_is_shown(stranger)
    assert marks(stranger) == 0, "another reader does not see what this one marked"
    wait_for_address(stranger, stored)
    assert "Ann Address" not in stranger.text_content("#foot")
    page.reload()
    exam_is_shown(page)
    page.wait_for_function("document.querySelector('#reading-status')?.textContent.includes('Ann Address')")
    assert marks(page) == 1
    stranger.goto(f"{app_url}/?exam=exam-99999")
    stranger.wait_for_function("document.querySelector('#message')?.textContent.includes('not in this store')")


def test_back_and_forward_go_through_the_exams_and_nothing_that_was_marked_is_lost(page):
    first = open_demo(page)
    mark(page)
    second = open_demo(page, "film")
    tab(page, "Worklist")
    page.go_back()
    page.wait_for_function(f"() => {ROOM}.ports[0].columns !== 1296")
    page.wait_for_selector(".viewport")
    wait_for_address(page, first)
    assert marks(page) == 1
    page.go_forward()
    page.wait_for_function(f"() => {ROOM}.ports[0].columns === 1296")
    wait_for_address(page, second)
    assert marks(page) == 0
    page.go_back()
    page.wait_for_function(f"() => {ROOM}.ports[0].columns !== 1296")
    page.go_back()
    page.wait_for_function(ON_START_PAGE)
    wait_for_address(page, "")
    layout = page.evaluate(f"{ROOM}.layout")
    page.keyboard.press("2")
    assert page.evaluate(f"{ROOM}.layout") == layout, "no key changes an exam that is out of sight"
    page.keyboard.press("Escape")
    exam_is_shown(page)
    wait_for_address(page, first)
    assert marks(page) == 1


def test_the_page_warns_before_it_is_left_only_where_marks_are_not_kept(new_visitor, app_url):
    page = new_visitor(1920, 1080)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed")
    open_demo(page)
    wait_until_saved(page)
    page.reload()
    exam_is_shown(page)
    assert asked == [], "nothing is marked"
    wait_for_full_quality(page)
    wait_until_answered(page)
    mark(page)
    page.reload()
    exam_is_shown(page)
    assert asked == ["beforeunload"]
    assert marks(page) == 1
    start_read(page, "Wanda Warned")
    wait_until_saved(page)
    page.reload()
    exam_is_shown(page)
    assert asked == ["beforeunload"], "the mark is kept with the read"


def test_what_is_being_typed_is_neither_lost_by_a_reload_nor_by_back(new_visitor, app_url):
    page = new_visitor(1920, 1080)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed")
    open_demo(page)
    start_read(page, "Tina Types")
    note = page.locator("#q-exam-note textarea")
    note.fill("seen before")
    with page.expect_event("dialog"):
        page.evaluate("location.reload()")
    assert asked == ["beforeunload"] and note.input_value() == "seen before"
    page.go_back()
    page.wait_for_function(ON_START_PAGE)
    wait_until_saved(page)
    page.go_forward()
    exam_is_shown(page)
    expect(note).to_have_value("seen before")
    page.reload()
    exam_is_shown(page)
    assert asked == ["beforeunload"], "it was saved before the start page was shown"
    expect(note).to_have_value("seen before")


def test_opening_many_files_says_what_is_done_and_stops_when_it_is_asked_to(page, tmp_path):
    open_demo(page)
    exam = page.evaluate(f"{ROOM}.exam")
    for number in range(30):
        write(tmp_path, STANDARD_VIEWS[number % 4], file=f"{number:02}.dcm")
    workers = [
        process for process in psutil.Process().children(recursive=True)
        if "mvmlm.imaging.decode_worker" in " ".join(process.cmdline())
    ]  # fmt: skip
    assert workers
    for worker in workers:
        worker.suspend()  # no file is finished until the page has shown how far it is
    try:
        page.set_input_files("#uploads input[type=file]", sorted(map(str, tmp_path.iterdir())))
        page.wait_for_function("document.querySelector('#opening')?.innerText.includes('of 30')")
        page.locator("#stop-opening").click()
        page.wait_for_function("document.querySelector('#message')?.textContent.includes('Stopped')")
    finally:
        for worker in workers:
            worker.resume()
    page.wait_for_selector("#opening", state="hidden")
    assert page.evaluate(f"{ROOM}.exam") == exam
    wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", sorted(map(str, DEMO.iterdir()))))


def test_what_files_ask_is_asked_beside_the_pictures_and_covers_none_of_them(page, tmp_path):
    stored = dcmread(DEMO / "L_CC.dcm").pixel_array
    cv2.imwrite(str(tmp_path / "scan.png"), (stored / stored.max() * 255).astype(np.uint8))
    page.set_input_files("#uploads input[type=file]", str(tmp_path / "scan.png"))
    page.wait_for_selector(".four-up .viewport:not([hidden]) .state[data-state=full]")
    for _ in range(2):  # with the panel, and without it
        page.wait_for_function(
            """() => { const question = document.querySelector('#question').getBoundingClientRect();
            const viewer = document.querySelector('#viewer').getBoundingClientRect();
            return question.height > 0 && Math.abs(question.bottom - viewer.top) < 8 && question.right <= viewer.right + 1; }"""
        )
        assert page.locator("#question").is_visible()
        page.evaluate("document.body.classList.toggle('panel-closed')")
    page.locator("#question label", has_text="L_CC").click()
    page.wait_for_selector('.viewport[data-view="L_CC"] .state[data-state=full]')
    page.wait_for_function("document.querySelector('#viewer').getBoundingClientRect().top < 40")


def test_files_of_several_women_are_asked_about_where_they_were_dropped(page, tmp_path):
    open_demo(page)
    for number, name in enumerate(STANDARD_VIEWS):
        write(tmp_path, name, patient=f"woman {number % 2}")
    page.set_input_files("#uploads input[type=file]", sorted(map(str, tmp_path.iterdir())))
    page.wait_for_selector("#which-exam label")
    assert page.locator("#open-choice").is_visible()
    page.locator("#which-exam label").nth(1).click()
    before = page.evaluate(f"{ROOM}.exam")
    page.click("#open-choice")
    page.wait_for_function(f"before => {ROOM}.exam && {ROOM}.exam !== before", arg=before)
    wait_for_full_quality(page, 2)


@pytest.mark.parametrize("size", [(1366, 768), (2048, 2560)])
def test_notices_lie_above_the_pictures_and_cover_none(new_visitor, app_url, size):
    page = new_visitor(*size)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed")
    page.evaluate("""() => { const line = document.createElement('p'); line.textContent = 'A notice. '.repeat(60);
        document.querySelector('#notices').append(line); }""")
    open_demo(page)
    page.wait_for_function("""() => { const bottom = document.querySelector('#notices').getBoundingClientRect().bottom;
        return bottom > 50 && ['#viewer', '#panel'].every((name) =>
            Math.abs(document.querySelector(name).getBoundingClientRect().top - bottom) <= 1); }""")
