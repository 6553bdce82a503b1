"""Labelling as a reader does it: findings described and placed, what to label next, similar exams, two readers, a task of one's own."""

import pytest

from tests.e2e.archives import phantom_archive
from tests.e2e.states import sign
from tests.e2e.test_teaching import fill, import_exams, open_box, read_exam, tab

N = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return phantom_archive(tmp_path_factory, N, 78)


def draw_box(page, view, across, down):
    frame = page.locator(f'.viewport[data-view="{view}"]').bounding_box()
    x, y = frame["x"] + frame["width"] * across, frame["y"] + frame["height"] * down
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 24, steps=4)
    page.mouse.up()


def choose(page, name, option):
    page.click(f"#{name} input")
    page.locator("ul[role=listbox] li", has_text=option).first.click()


def test_a_finding_in_two_views_is_described_and_placed(page):
    page.click("#demo-phantom")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    page.wait_for_selector("#quality .quality", state="attached")
    fill(page, "reader", "Fay")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Fay')")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    page.click(".reading-room button:has-text('Box')")
    for number, view in enumerate(("R_CC", "R_MLO"), 1):
        draw_box(page, view, 0.75, 0.42)
        page.wait_for_function(f"document.querySelectorAll('#findings .finding').length === {number}")
        page.click(f".mark-question [data-option={'kind-mass' if number == 1 else 'same-1'}]")
    finding = "document.querySelector('#findings .finding')"
    page.wait_for_function(f"{finding}.querySelectorAll('[data-do=unlink]').length === 2")
    worked_out = page.inner_text("#findings .finding")
    assert "from the nipple" in worked_out and "third" in worked_out
    choose(page, "which-finding", "1: right, mass")
    page.wait_for_selector("#f-shape input")
    assert page.locator("#f-morphology input:visible").count() == 0, "a mass has no morphology of calcifications"
    choose(page, "f-shape", "irregular")
    page.wait_for_function(f"{finding}.textContent.includes('irregular shape')")
    choose(page, "f-margin", "spiculated")
    page.wait_for_function(f"{finding}.textContent.includes('spiculated margin')")
    page.click("#take-site")
    page.wait_for_function(f"{finding}.textContent.includes(' depth')")
    page.click("#start-reading")  # shows what is stored
    page.wait_for_function(f"{finding}.textContent.includes('irregular shape, spiculated margin')")


def test_what_to_label_next_similar_exams_and_two_readers(page, archive):
    import_exams(page, archive, N)
    open_box(page, "next")
    page.click("#encode")
    page.keyboard.press("Escape")
    page.wait_for_function(
        "/Encoding, job \\d+: done/.test(document.querySelector('#worklist-job').innerText)", timeout=240_000
    )
    fill(page, "search", "phantom-78")
    page.wait_for_function(f"document.querySelector('#count').innerText.includes('{N} exams')")
    page.wait_for_function(
        "document.querySelector('#worklist').innerText.includes('hidden')"
    )  # scores wait until the reader asks
    open_box(page, "filters")
    page.check("#show-scores input")
    page.wait_for_function("!document.querySelector('#worklist').innerText.includes('hidden')")
    page.keyboard.press("Escape")
    first = page.inner_text("#worklist [data-testid=cell-0-1]").strip()
    page.click("#worklist [data-testid=cell-0-1]")
    page.wait_for_selector(f"#read-exam[data-exam='{first}']")
    page.keyboard.press("ArrowDown")
    second = page.inner_text("#worklist [data-testid=cell-1-1]").strip()
    page.keyboard.press("Enter")
    page.wait_for_function("name => document.querySelector('#message').textContent.includes(name)", arg=second)
    page.wait_for_selector("button[role=tab][aria-selected=true]:has-text('Read')")  # opening an exam turns to it
    tab(page, "Worklist")
    page.dblclick("#worklist [data-testid=cell-0-1]")
    page.wait_for_function("name => document.querySelector('#message').textContent.includes(name)", arg=first)
    tab(page, "Worklist")
    open_box(page, "next")
    page.click("#suggest")
    page.wait_for_function("document.querySelector('#next-said').innerText.includes('least sure')")
    assert page.locator("#next-table [data-testid=cell-0-0]").inner_text().strip().isdigit()

    for who, density in (("Gus", "B"), ("Hal", "C")):
        read_exam(page, "phantom-78-00001")
        fill(page, "reader", who)
        page.click("#start-reading")
        page.wait_for_function("who => document.querySelector('#reading-status').textContent.includes(who)", arg=who)
        page.click("#q-R-mass label:has-text('absent')")
        page.click(f"#q-exam-density label:has-text('{density}')")
        sign(page)
        page.wait_for_function("document.querySelector('#reading-status').textContent.includes('signed')")
    page.click("#alike")
    page.wait_for_function("document.querySelector('#alike-said').textContent.includes('nearest to this one')")
    assert "phantom-78-00001" not in page.inner_text("#alike-table"), "an exam is not like itself"
    fill(page, "alike-words", "a mass is seen")
    page.click("#alike")
    page.wait_for_function("document.querySelector('#alike-said').textContent.includes('fit these words best')")

    tab(page, "Worklist")
    open_box(page, "agreement")
    for name, who in (("reader-a", "Gus"), ("reader-b", "Hal")):
        page.click(f"#{name} input")
        page.locator("ul[role=listbox] li", has_text=who).first.click()
    page.click("#compare-readers")
    page.wait_for_function("document.querySelector('#agreement').innerText.includes('kappa')")
    assert "Breast density" in page.inner_text("#agreement")
