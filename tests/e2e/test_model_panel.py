"""The pages Model and Ask of the panel, in a real browser: what they say by state, and that nothing is cut at 380 px."""

import pytest

from tests.e2e.states import wait_for_full_quality, wait_until_answered, wait_until_opened
from tests.e2e.test_reading import ask_the_model, open_demo

#: the elements of a page of the panel whose text does not fit into them
CUT = """name => [...document.querySelectorAll(`#page-${name} *`)].filter((node) => {
    const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim());
    return text && node.clientWidth > 1 && !node.closest('textarea, input') // not what only screen readers say
        && getComputedStyle(node).overflow !== 'visible' && node.scrollWidth > node.clientWidth + 1;
}).map((node) => node.textContent.trim().slice(0, 60))"""
WIDER = "name => { const page = document.querySelector(`#page-${name}`); return page.scrollWidth - page.clientWidth; }"
SHEET = ".maps-sheet:visible"


def check_that_all_fits(page, name):
    assert page.evaluate(CUT, name) == []
    assert page.evaluate(WIDER, name) <= 0


def test_the_page_says_that_the_model_reads_then_that_it_is_sealed_then_the_figures(page):
    states = page.evaluate(
        """() => { window.states = [];
        new MutationObserver(() => {
            const state = document.querySelector('#answers .model-state, #answers .answers')?.className;
            if (state && state !== window.states.at(-1)) window.states.push(state);
        }).observe(document.querySelector('#answers'), { childList: true, subtree: true }); }"""
    )
    assert states is None
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    page.click("#panel-tabs [data-page=model]")
    assert page.locator("#map-controls:visible, #prevalence:visible").count() == 0, "nothing to ask a sealed model"
    ask_the_model(page)
    assert page.evaluate("window.states") == ["model-state reading", "model-state sealed", "answers"]
    assert page.locator("#show-model:visible").count() == 0 and page.locator("#map-controls:visible").count() == 1
    heads = page.locator(".answers > table thead th").all_inner_texts()
    assert heads[1:] == ["Right", "Left"] and heads[0] == "score, not calibrated"
    page.click(".details summary")
    assert "prompts" in page.inner_text(".details")
    check_that_all_fits(page, "model")


def test_scores_on_narrow_pictures_stand_over_no_other_text(new_visitor, app_url):
    page = new_visitor(1366, 768)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    open_demo(page, "film")
    page.wait_for_function("document.querySelectorAll('.badge:not(:empty)').length === 4")
    overlaps = page.evaluate(
        """() => [...document.querySelectorAll('.viewport:not([hidden])')].filter((pane) => {
            const [badge, ...corners] = [...pane.querySelectorAll('.badge, .corner')].sort((a) => (a.matches('.badge') ? -1 : 1))
                .map((node) => node.getBoundingClientRect());
            return corners.some((box) => box.left < badge.right && badge.left < box.right && box.top < badge.bottom && badge.top < box.bottom);
        }).map((pane) => pane.dataset.view)"""
    )
    assert overlaps == []
    panes = page.eval_on_selector_all(
        ".viewport:not([hidden])", "nodes => nodes.map((node) => node.getBoundingClientRect().y)"
    )
    assert len(set(panes)) == 1, "in one row, which shows them largest"


def test_the_sheet_of_all_maps_lies_over_the_pictures_until_escape(page):
    open_demo(page)
    page.click("#all-maps")
    page.wait_for_selector(".maps-sheet img")
    assert page.locator(".maps-sheet section").count() == 7
    boxes = [
        page.locator(f".maps-sheet section:first-of-type figure:nth-child({n})").bounding_box() for n in (1, 2, 3, 4)
    ]
    assert [box["x"] for box in boxes] == sorted(box["x"] for box in boxes), "R CC, L CC, R MLO, L MLO"
    frame, viewer = page.locator("#maps-sheet").bounding_box(), page.locator("#viewer").bounding_box()
    assert frame == viewer, "the panel stays in sight"
    page.keyboard.press("Escape")
    assert page.locator(SHEET).count() == 0
    page.click("#all-maps")
    page.wait_for_selector(SHEET)
    page.click(".close-maps")
    assert page.locator(SHEET).count() == 0
    page.click("#all-maps")
    page.wait_for_selector(SHEET)
    wait_until_opened(page, lambda: page.click("#demo-film"))
    assert page.locator(".maps-sheet").count() == 0, "it belongs to the exam before"
    assert page.locator("#maps-sheet:visible").count() == 0, "and nothing is computed for this one"


def test_prompts_are_shown_in_full_and_unknown_words_get_no_bar(page):
    open_demo(page)
    long = "there is an irregular spiculated mass with indistinct margins in the upper outer quadrant of the breast"
    page.fill("#prompts textarea", f"there is a mass | no mass\nbanana split\n{long}")
    page.click("#ask")
    page.wait_for_selector(".prompt-scores li")
    assert page.locator(".prompt-scores .not-scored li").all_inner_texts() == ["banana split\nunknown: banana, split"]
    shown = page.locator(".prompt-scores ol li > p:first-child").all_inner_texts()
    assert shown == ["there is a mass | no mass", long]
    assert page.locator(".prompt-scores .bar").count() == 4
    check_that_all_fits(page, "ask")


def test_prompts_of_a_sealed_exam_are_not_scored(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    page.fill("#prompts textarea", "there is a mass")
    page.click("#ask")
    page.wait_for_function("document.querySelector('#prompt-note').textContent.includes('hidden')")
    assert page.locator(".prompt-scores").count() == 0


def test_a_double_click_opens_a_similar_exam(page):
    """In a list as the server sends it: Enter and a double click press the button with the framed exam."""
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.fill("#reader input", "Ann")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Ann')")
    wait_for_full_quality(page)
    page.evaluate(
        """() => { document.querySelector('#page-ask').style.display = 'flex';
        document.querySelector('#alike-table').innerHTML = `<div class="similar" role="grid"><div role="row">
        <div role="gridcell" data-col="0" tabindex="-1">1</div><div role="gridcell" data-col="1" tabindex="0">exam-00001</div>
        <div role="gridcell" class="told" tabindex="-1">similarity 0.98</div></div></div>`; }"""
    )
    page.locator("#alike-table .told").click()
    assert page.locator("#alike-open").get_attribute("data-exam") == "exam-00001"
    wait_until_opened(page, lambda: page.locator("#alike-table .told").dblclick())
    assert "exam-00001, from the worklist" in page.text_content("#message")


@pytest.mark.parametrize("name", ["Model", "Ask", "Report"])
def test_no_word_is_cut_on_the_pages_of_the_panel(page, name):
    open_demo(page, "film")
    page.click(f"#panel-tabs [role=tab]:has-text('{name}')")
    check_that_all_fits(page, name.lower())
