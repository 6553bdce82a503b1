"""Findings as a reader marks them: numbered, asked about at the mark, linked, shown in every view, and never lost."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from scripts.show_pages import draw_box
from tests.e2e.states import ROOM, wait_until_done, wait_until_drawn, wait_until_opened
from tests.e2e.test_labelling import choose
from tests.e2e.test_teaching import fill, read_exam

MARKS = f"{ROOM}.marks"


def open_phantom(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.wait_for_function(f"{ROOM}.root.dataset.rendered === {ROOM}.exam")


def draw(page, view, across, down):
    """Draw a box of 30 x 24 pixels."""
    draw_box(page, view, across, down, (30, 24))


def mark(page, view, across, down, finding):
    """Draw a box, and wait until it has its number and its question."""
    draw(page, view, across, down)
    page.wait_for_selector(f'.viewport[data-view="{view}"] .mark-number:text-is("{finding}")')
    page.wait_for_selector(f'.mark-question[aria-label^="Finding {finding},"]')


def wait_for_list(page, finding, text):
    page.wait_for_function(
        "([finding, text]) => document.querySelector(`#findings [data-number='${finding}']`)?.innerText.includes(text)",
        arg=[finding, text],
    )


def wait_for_findings(page, *numbers):
    """Wait until the list holds these findings and no others."""
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('#findings .finding')].map((one) => one.dataset.number).join() === wanted",
        arg=",".join(map(str, numbers)),
    )


def start_read(page, reader):
    fill(page, "reader", reader)
    page.click("#start-reading")
    page.wait_for_function("who => document.querySelector('#reading-status').textContent.includes(who)", arg=reader)


def rectangle(page, selector):
    """left, top, right, bottom of an element on the page."""
    return page.locator(selector).first.evaluate(
        "node => (({ left, top, right, bottom }) => [left, top, right, bottom])(node.getBoundingClientRect())"
    )


def on_page(page, finding, view):
    """left, top, right, bottom of a finding's mark on the page."""
    return page.evaluate(
        f"""([number, view]) => {{
        const entry = {MARKS}.ofFinding(number).find(({{ port }}) => port.view === view);
        const [[left, top], [right, bottom]] = {MARKS}.onCanvas(entry);
        const canvas = entry.port.canvas.getBoundingClientRect();
        return [canvas.left + left, canvas.top + top, canvas.left + right, canvas.top + bottom];
    }}""",
        [finding, view],
    )


def apart(a, b):
    return a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


class Actions:
    """Counts what a reader does: a key, a click, a mark."""

    def __init__(self, page):
        self.page, self.number = page, 0

    def press(self, key):
        self.number += 1
        self.page.keyboard.press(key)

    def click(self, selector):
        self.number += 1
        self.page.click(selector)

    def draw(self, *where):
        self.number += 1
        mark(self.page, *where)


def test_a_finding_in_two_views_with_its_descriptors_takes_at_most_eight_actions(page):
    open_phantom(page)
    does = Actions(page)
    does.press("b")
    does.draw("R_CC", 0.4, 0.45, 1)
    for key in "1351":  # mass; irregular; spiculated; high density
        does.press(key)
    wait_for_list(page, 1, "irregular shape, spiculated margin, high density")
    assert does.number == 6 and page.locator(".mark-question").count() == 0, "answered to the end, it closes"
    does.draw("R_MLO", 0.4, 0.5, 2)
    does.click(".mark-question [data-option=same-1]")
    assert does.number <= 8
    wait_for_findings(page, 1)
    assert re.search(r"R CC.*R MLO.*o’clock", page.inner_text("#findings .finding"), re.DOTALL)
    assert page.locator('.viewport[data-view="R_MLO"] .mark-number').inner_text() == "1"
    start_read(page, "Ines")
    page.click("#panel-tabs [data-page=opinion]")
    assert page.locator("#q-R-mass label:has-text('present') input").is_checked(), (
        "what was drawn before is in the read"
    )
    page.click("#findings [data-do=unlink][data-view=R_MLO]")
    wait_for_findings(page, 1, 2)
    page.click("#findings [data-do=link][data-finding='2']")
    wait_for_findings(page, 1)
    page.click("#undo")
    wait_for_findings(page, 1, 2)


@pytest.mark.parametrize("size", [(1366, 768), (1080, 1920)])
def test_the_question_never_covers_its_mark_and_takes_keys_or_clicks(new_visitor, app_url, size):
    page = new_visitor(*size)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-phantom")
    open_phantom(page)
    places = [("R_CC", 0.02, 0.02), ("R_CC", 0.7, 0.1), ("L_CC", 0.02, 0.85), ("L_MLO", 0.6, 0.85), ("R_MLO", 0.5, 0.5)]
    for number, (view, across, down) in enumerate(places, 1):
        page.keyboard.press("b")
        mark(page, view, across, down, number)
        for kind in ("calcification", "mass"):
            page.click(f".mark-question [data-option=kind-{kind}]")
            question, window = rectangle(page, ".mark-question"), rectangle(page, ".reading-room")
            assert apart(question, on_page(page, number, view)), (size, view, kind)
            assert question[0] >= window[0] and question[2] <= window[2] and question[3] <= window[3], "whole on screen"
        page.keyboard.press("6")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.textContent.endsWith('irregular')")
        page.keyboard.press("Enter")
        wait_for_list(page, number, "irregular shape")
        assert page.evaluate(f"{ROOM}.layout") == "four", "a digit in the question is no key of the room"
        page.keyboard.press("Escape")
        page.wait_for_selector(".mark-question", state="detached")
    page.click('.viewport[data-view="R_CC"] .mark-number:text-is("1")')
    assert page.locator(".mark-question [data-option=shape-irregular]").get_attribute("aria-checked") == "true"
    page.keyboard.press("4")  # the margin is asked next
    wait_for_list(page, 1, "irregular shape, indistinct margin")


def test_a_click_on_a_finding_shows_it_in_every_view_in_which_it_is_marked(page):
    open_phantom(page)
    page.keyboard.press("b")
    mark(page, "R_CC", 0.4, 0.45, 1)
    page.keyboard.press("1")
    page.keyboard.press("Escape")
    mark(page, "R_MLO", 0.4, 0.5, 2)
    page.keyboard.press("s")
    wait_for_findings(page, 1)
    mark(page, "L_CC", 0.4, 0.5, 2)
    page.keyboard.press("Escape")
    page.click('#findings [data-do=jump][data-finding="2"]')
    page.wait_for_selector('.viewport[data-view="L_CC"] .mark-number.chosen')
    page.keyboard.press("2")  # both CC: the MLO of the finding is not on screen
    page.click('#findings [data-do=jump][data-finding="1"]')
    wait_until_drawn(page)
    assert page.locator(".mark-number.chosen").all_inner_texts() == ["1", "1"]
    scales = []
    for view in ("R_CC", "R_MLO"):
        pane, box = rectangle(page, f'.viewport[data-view="{view}"]'), on_page(page, 1, view)
        for axis in (0, 1):
            middle = (pane[axis] + pane[axis + 2]) / 2
            assert abs((box[axis] + box[axis + 2]) / 2 - middle) < 2, (view, "in the middle of its view")
            assert box[axis] > pane[axis] and box[axis + 2] < pane[axis + 2]
        scales.append(page.evaluate(
            f"v => {{ const p = {ROOM}.ports.find((o) => o.view === v); return [p.movement().zoom, p.viewport.getCamera().parallelScale / p.canvas.clientHeight]; }}",
            view,
        ))  # fmt: skip
    assert scales[0][0] < 0.8 and scales[0] == pytest.approx(scales[1]), "nearer, and at one scale"
    page.wait_for_function("document.querySelector('#which-finding input').value.startsWith('1: right, mass')")


def test_numbers_lie_in_the_air_beside_the_breast(page):
    open_phantom(page)
    page.keyboard.press("b")
    for number, (view, down) in enumerate(
        (("R_CC", 0.45), ("R_CC", 0.51), ("R_MLO", 0.5), ("L_CC", 0.5), ("L_MLO", 0.5)), 1
    ):
        mark(page, view, 0.5, down, number)
        page.keyboard.press("Escape")
    numbers = [rectangle(page, f'.mark-number:text-is("{number}")') for number in range(1, 6)]
    assert all(apart(a, b) for i, a in enumerate(numbers) for b in numbers[:i]), "no number over another"
    page.add_style_tag(content=".mark-number, .leaders, .corner, svg.svg-layer { visibility: hidden !important }")
    wait_until_drawn(page)
    grey = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    for left, top, right, bottom in numbers:
        assert grey[round(top) : round(bottom), round(left) : round(right)].max() < 20, "no tissue under a number"
    assert any(grey[round(t) : round(b), round(r) + 12 : round(r) + 60].max() > 25 for _, t, r, b in numbers[:3])
    zoomed = f"{ROOM}.ports.find((p) => p.view === 'R_CC')"
    page.evaluate(f"{ROOM}.marks.ofFinding(1); (() => {{ const p = {zoomed}; const m = {MARKS}.ofFinding(1)[0]; const [x, y] = m.annotation.data.handles.points[0]; p.centreOn(x, y, 0.02); }})()")  # fmt: skip
    wait_until_drawn(page)
    number, box = rectangle(page, '.mark-number:text-is("1")'), on_page(page, 1, "R_CC")
    assert apart(number, box), "where only tissue is on screen the number lies beside the mark, not on it"


def test_delete_takes_the_mark_under_the_pointer_and_nothing_else(page):
    """One mark is selected, the other one is under the pointer; what comes back has its number, kind and descriptors."""
    open_phantom(page)
    start_read(page, "Jan")
    page.keyboard.press("b")
    for number, (down, keys) in enumerate(((0.3, "135"), (0.65, "241")), 1):
        mark(page, "R_CC", 0.5, down, number)
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.press("Escape")
    described = ("irregular shape, spiculated margin", "fine linear branching, grouped distribution")
    for number, text in enumerate(described, 1):
        wait_for_list(page, number, text)
    page.keyboard.press("w")
    for number in (2, 1):  # click on the edge of the second, then point at the edge of the first
        left, top, right, bottom = on_page(page, number, "R_CC")
        page.mouse.move((left + right) / 2, top)
        if number == 2:
            page.mouse.down()
            page.mouse.up()
            key = page.evaluate(f"{MARKS}.ofFinding(2)[0].annotation.annotationUID")
            selected = f"{ROOM}.stage.tools.annotation.selection.isAnnotationSelected"
            page.wait_for_function(f"key => {selected}(key)", arg=key)
    page.wait_for_function(f"{MARKS}.ofFinding(1)[0].annotation.highlighted")
    page.keyboard.press("Delete")
    wait_for_findings(page, 2)
    assert page.locator(".mark-number").all_inner_texts() == ["2"]
    page.keyboard.press("Control+z")
    wait_for_findings(page, 1, 2)
    for number, text in enumerate(described, 1):
        wait_for_list(page, number, text)
    page.wait_for_selector('.mark-number:text-is("1")')
    page.keyboard.press("Control+y")
    wait_for_findings(page, 2)
    wait_for_list(page, 2, described[1])
    page.mouse.move(*map(round, rectangle(page, "#panel")[:2]))
    page.evaluate(f"{ROOM}.stage.tools.annotation.selection.deselectAnnotation()")
    page.keyboard.press("Delete")
    page.keyboard.press("Control+z")
    wait_for_findings(page, 1, 2)


def test_a_click_with_the_box_tool_marks_nothing(page):
    open_phantom(page)
    page.keyboard.press("b")
    pane = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    page.mouse.click(pane["x"] + pane["width"] * 0.8, pane["y"] + pane["height"] * 0.4)
    page.mouse.click(pane["x"] + pane["width"] * 0.8, pane["y"] + pane["height"] * 0.4)
    mark(page, "R_CC", 0.5, 0.6, 1)
    assert page.evaluate(f"{MARKS}.all().length") == 1


def test_marks_drawn_while_an_answer_is_on_its_way_are_all_kept(page):
    """The server is slow: three marks, two answers and two steps back are sent before the first answer comes."""
    open_phantom(page)
    page.keyboard.press("b")
    held, is_held = [], True
    page.route("**/queue/join*", lambda route: held.append(route) if is_held else route.continue_())
    for down in (0.3, 0.45, 0.6):
        draw(page, "R_CC", 0.5, down)
        page.wait_for_selector(".mark-question")
        page.keyboard.press("1")
        page.keyboard.press("Escape")
    is_held = False
    for route in held:
        route.continue_()
    wait_for_findings(page, 1, 2, 3)
    for number in (1, 2, 3):
        wait_for_list(page, number, "mass")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "[...document.querySelectorAll('#findings .finding')].every((one) => one.innerText.includes('no BI-RADS kind'))"
    )
    wait_for_findings(page, 1, 2, 3)


def test_a_mark_that_is_moved_stays_one_step_back(page):
    open_phantom(page)
    page.keyboard.press("b")
    mark(page, "R_CC", 0.5, 0.4, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("w")
    before = page.evaluate(f"{MARKS}.all()[0].points")
    left, top, right, _ = on_page(page, 1, "R_CC")
    page.mouse.move((left + right) / 2, top)
    page.mouse.down()
    for step in range(1, 5):  # with rests, as a hand does
        page.mouse.move((left + right) / 2, top + 10 * step)
        page.evaluate("new Promise((done) => setTimeout(done, 300))")
    page.mouse.up()
    page.wait_for_function(f"{MARKS}.change === 2")
    assert page.evaluate(f"{MARKS}.all()[0].points") != before
    page.keyboard.press("Control+z")
    page.wait_for_function(
        f"before => JSON.stringify({MARKS}.all()[0].points.map((p) => p.map(Math.round))) === JSON.stringify(before.map((p) => p.map(Math.round)))",
        arg=before,
    )
    assert page.locator(".mark-number").all_inner_texts() == ["1"]


def test_a_nipple_that_is_dragged_is_kept_with_the_exam(page, new_visitor, app_url):
    open_phantom(page)
    start_read(page, "Kim")
    page.keyboard.press("j")
    handle = '.viewport[data-view="L_CC"] .nipple'
    page.wait_for_selector(f"{handle}.estimated")
    estimated = page.evaluate(f"{ROOM}.ports.find((p) => p.view === 'L_CC').nipple")
    left, top, right, bottom = rectangle(page, handle)
    page.mouse.move((left + right) / 2, (top + bottom) / 2)
    page.mouse.down()
    page.mouse.move(left - 30, top + 40, steps=4)
    page.mouse.up()
    page.wait_for_selector(f"{handle}:not(.estimated)")
    placed = page.evaluate(f"{ROOM}.ports.find((p) => p.view === 'L_CC').nipple")
    assert abs(placed[0] - estimated[0]) > 20 and abs(placed[1] - estimated[1]) > 20
    assert "estimated" not in page.locator(handle).get_attribute("title")
    other = new_visitor()
    other.goto(app_url)
    other.wait_for_selector("body.boxes-closed #demo-phantom")
    name = page.inner_text("#reading-status").split(",")[0]
    wait_until_opened(other, lambda: read_exam(other, name))  # anew, from what is stored
    port = f"{ROOM}.ports.find((p) => p.view === 'L_CC')"
    assert other.evaluate(f"{port}.nipple_placed") and other.evaluate(f"{port}.nipple") == pytest.approx(
        placed, abs=0.01
    )
    assert other.evaluate(f"{ROOM}.ports.filter((p) => p.nipple_placed).length") == 1, "and of no other view"
    other.keyboard.press("j")
    other.wait_for_selector(f"{handle}:not(.estimated)")


def test_no_word_is_cut_and_no_empty_field_holds_a_number(new_visitor, app_url):
    page = new_visitor(1366, 768)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-phantom")
    open_phantom(page)
    page.keyboard.press("b")
    for number, (view, keys) in enumerate((("R_CC", "1351"), ("R_MLO", "241"), ("L_CC", "31"), ("L_MLO", "4")), 1):
        mark(page, view, 0.5, 0.5, number)
        for key in keys:
            page.keyboard.press(key)
        page.keyboard.press("Escape")
        wait_for_list(
            page, number, {"1351": "high density", "241": "grouped", "31": "asymmetry", "4": "distortion"}[keys]
        )
    assert page.evaluate("document.querySelector('#panel').clientWidth") <= 380
    for number in (1, 2, 3, 4):
        page.click(f'#findings [data-do=jump][data-finding="{number}"]')
        page.wait_for_function(
            "n => document.querySelector('#which-finding input').value.startsWith(`${n}:`)", arg=number
        )
        cut = page.evaluate("""() => [...document.querySelectorAll('#page-findings *')].filter((node) => node.getClientRects().length
            && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).overflowX !== 'visible' && node.clientWidth > 2)
            .map((node) => node.value || node.innerText || node.className)""")
        assert cut == [], cut
        beyond = page.evaluate("""() => { const edge = document.querySelector('#panel').getBoundingClientRect().right;
            return [...document.querySelectorAll('#page-findings *')].filter((node) => node.getBoundingClientRect().right > edge + 1).map((node) => node.innerText || node.className); }""")
        assert beyond == [], beyond
        assert page.input_value("#f-size_mm input, #f-size_mm textarea") == ""
    wait_until_done(page, lambda: choose(page, "which-finding", "new: left mass"))
    wait_for_findings(page, 1, 2, 3, 4, 5)
    assert "not marked" in page.inner_text("#findings [data-number='5']")
    wait_until_done(page, lambda: choose(page, "which-finding", "new: right mass"))
    page.wait_for_function("document.querySelector('#which-finding input').value.startsWith('6:')")
    assert page.locator("#findings .finding").count() == 6, "one, though the page tells of a choice by mouse twice"
