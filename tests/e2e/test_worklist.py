"""The worklist as a reader uses it: chips, columns, ticks, lists, thumbnails, and jobs that are stopped."""

import pytest

from tests.e2e.archives import phantom_archive
from tests.e2e.test_teaching import fill, import_exams, open_box, tab

N = 6
SIZES = [(1366, 768), (1920, 1080), (2048, 2560)]
#: elements whose text does not fit into them, and pairs of tools that overlap
_CUT = """() => {
    const shown = [...document.querySelectorAll('.page *')].filter((node) => node.getClientRects().length);
    const cut = shown.filter((node) => ['BUTTON', 'TH', 'TD', 'P', 'LABEL', 'H3', 'SPAN', 'B'].includes(node.tagName)
        && node.innerText && !node.closest('.sr-only, .tab-wrapper, .label-wrap') && node.scrollWidth > node.clientWidth + 1 && getComputedStyle(node).display !== 'inline');
    const tools = [...document.querySelectorAll('#worklist-tools > *, #worklist-line > *')]
        .filter((node) => node.getClientRects().length).map((node) => node.getBoundingClientRect());
    const overlap = tools.filter((a, index) => tools.slice(index + 1).some((b) => a.width && b.width
        && a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
    return [...cut.map((node) => `cut: ${node.outerHTML.slice(0, 120)}`), ...overlap.map(() => 'overlap')];
}"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return phantom_archive(tmp_path_factory, N, 5)


def shown(page):
    """The names of the exams of the list, in its order."""
    return page.eval_on_selector_all("#worklist td[data-col='1']", "cells => cells.map((cell) => cell.textContent)")


def wait_for_count(page, count):
    words = f"{count} exam{'s' if count != 1 else ''}, page"
    page.wait_for_function("words => document.querySelector('#count').innerText.includes(words)", arg=words)


def test_exams_are_found_ticked_and_put_into_a_list(page, archive):
    import_exams(page, archive, N)
    page.keyboard.press("Escape")
    wait_for_count(page, N)
    page.wait_for_function(f"document.querySelectorAll('#worklist [data-state=loaded] img').length === {N}")
    names = shown(page)

    page.click("#worklist [data-testid=cell-1-1]")  # keys: down, tick, down, tick
    for key in ("ArrowDown", " ", "ArrowDown", " "):
        page.keyboard.press(key)
    page.wait_for_selector("#lists-opener[data-ticked='2']")
    open_box(page, "lists")
    fill(page, "list-name", "Tuesday")
    fill(page, "list-who", "Ann")
    page.click("#make-list")
    page.wait_for_function("document.querySelector('#list-said').innerText.includes('holds 2 exams')")
    wait_for_count(page, 2)
    assert shown(page) == [names[2], names[3]] and "list: Tuesday" in page.inner_text("#chips")

    page.keyboard.press("Escape")
    fill(page, "search", "phantom")
    page.wait_for_selector("#chips [data-filter=words]")
    page.click("#chips [data-filter=in_list]")
    wait_for_count(page, N)
    assert page.locator("#chips [data-filter]").count() == 1
    page.click("#chips [data-filter=words]")
    page.wait_for_selector("#chips [data-filter]", state="detached")
    assert page.input_value("#search textarea, #search input") == ""


def test_chosen_columns_are_remembered(page, app_url):
    tab(page, "Worklist")
    wait_for_count(page, N)
    assert page.locator("#worklist th[data-col='10']").is_visible()
    assert not page.locator("#worklist th[data-col='3']").is_visible()
    open_box(page, "columns")
    page.uncheck("#choose-columns input[value='10']")
    page.check("#choose-columns input[value='3']")
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    tab(page, "Worklist")
    wait_for_count(page, N)
    assert not page.locator("#worklist th[data-col='10']").is_visible()
    assert page.locator("#worklist th[data-col='3']").is_visible()


@pytest.mark.parametrize("size", SIZES)
def test_no_word_is_cut_and_no_tool_overlaps(new_visitor, app_url, size):
    page = new_visitor(*size)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    tab(page, "Worklist")
    wait_for_count(page, N)
    page.click("#worklist [data-testid=cell-1-1]")
    assert page.evaluate(_CUT) == []
    for name in ("filters", "lists", "columns", "next", "agreement", "import", "export"):
        page.click(f"#{name}-opener")
        page.wait_for_selector(f"#{name}-box[data-open]")
        assert page.locator(".popover[data-open]").count() == 1, "one box at a time"
        box = page.locator(f"#{name}-box").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] and box["y"] + box["height"] <= size[1]
        assert page.evaluate(_CUT) == [], name
    page.keyboard.press("Escape")
    tab(page, "Fine-tune")
    page.wait_for_function("document.querySelector('#cases').innerText.includes('to learn from')")
    assert page.evaluate(_CUT) == []


def test_an_encoding_is_stopped(page):
    tab(page, "Worklist")
    open_box(page, "next")
    page.click("#encode")
    page.keyboard.press("Escape")
    page.wait_for_selector("#worklist-job .job[data-state=queued], #worklist-job .job[data-state=running]")
    page.click("#worklist-stop")
    page.wait_for_selector("#worklist-job .job[data-state=cancelled]")
    assert not page.locator("#worklist-stop").is_visible()
