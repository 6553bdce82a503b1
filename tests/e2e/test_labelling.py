"""Labelling as a reader does it: findings described and placed, what to label next, similar exams, two readers, a task of one's own."""

import shutil

import pytest

from mvmlm.phantom.truth import write_phantoms
from tests.e2e.states import wait_until_opened
from tests.e2e.test_teaching import fill, read_exam, tab

N = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, N, 78, rows=320)
    shutil.rmtree(folder / "masks")
    return shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "exams"), "zip", folder)


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
    page.wait_for_selector("#quality .quality")
    fill(page, "reader", "Fay")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').innerText.includes('Fay')")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    page.click(".reading-room button:has-text('Box')")
    for number, view in enumerate(("R_CC", "R_MLO"), 1):
        draw_box(page, view, 0.75, 0.42)
        page.wait_for_function(f"document.querySelectorAll('#findings tbody tr').length === {number}")
    fill(page, "link", "1 2")
    page.click("#join")
    page.wait_for_function("document.querySelector('#findings tbody')?.innerText.includes('R CC, R MLO')")
    worked_out = page.inner_text("#findings tbody")
    assert "from the nipple" in worked_out and "third" in worked_out
    choose(page, "which-finding", "1: right mass")
    page.wait_for_selector("#f-shape input")
    assert page.locator("#f-morphology input:visible").count() == 0, "a mass has no morphology of calcifications"
    choose(page, "f-shape", "irregular")
    page.wait_for_function("document.querySelector('#findings tbody').innerText.includes('shape irregular')")
    choose(page, "f-margin", "spiculated")
    page.wait_for_function("document.querySelector('#findings tbody').innerText.includes('margin spiculated')")
    page.click("#take-site")
    page.wait_for_function("document.querySelector('#findings tbody').innerText.includes('depth ')")
    wait_until_opened(page, lambda: page.click("#start-reading"))  # shows what is stored
    page.wait_for_function(
        "document.querySelector('#findings tbody').innerText.includes('shape irregular, margin spiculated')"
    )


def test_what_to_label_next_similar_exams_and_two_readers(page, archive):
    tab(page, "Worklist")
    page.click("#in-and-out button")
    page.check("#many-named input")
    page.set_input_files("#many input[type=file]", archive)
    page.wait_for_function(
        f"/done\\. {N} exams imported/.test(document.querySelector('#import-said').innerText)", timeout=240_000
    )
    page.click("#next-box button")
    page.click("#encode")
    page.wait_for_function(
        "/Encoding, job \\d+: done/.test(document.querySelector('#import-said').innerText)", timeout=240_000
    )
    fill(page, "search", "phantom-78")
    page.wait_for_function(f"document.querySelector('#count').innerText.includes('{N} exams')")
    page.wait_for_function(
        "document.querySelector('#worklist').innerText.includes('hidden')"
    )  # scores wait until the reader asks
    page.check("#show-scores input")
    page.wait_for_function("!document.querySelector('#worklist').innerText.includes('hidden')")
    first = page.inner_text("#worklist [data-testid=cell-0-1]").strip()
    page.click("#worklist [data-testid=cell-0-1]")
    page.wait_for_function("Number(document.querySelector('#exam-number input').value) > 0")
    page.keyboard.press("Enter")
    page.wait_for_function("name => document.querySelector('#message').innerText.includes(name)", arg=first)
    page.wait_for_selector("button[role=tab][aria-selected=true]:has-text('Read')")  # opening an exam turns to it
    tab(page, "Worklist")
    page.click("#suggest")
    page.wait_for_function("document.querySelector('#next-said').innerText.includes('least sure')")
    assert page.locator("#next-table [data-testid=cell-0-0]").inner_text().strip().isdigit()

    for who, density in (("Gus", "B"), ("Hal", "C")):
        read_exam(page, "phantom-78-00001")
        fill(page, "reader", who)
        page.click("#start-reading")
        page.wait_for_function("who => document.querySelector('#reading-status').innerText.includes(who)", arg=who)
        page.click("#q-R-mass label:has-text('absent')")
        page.click(f"#q-exam-density label:has-text('{density}')")
        page.click("#sign")
        page.wait_for_function("document.querySelector('#reading-status').innerText.includes('signed')")
    page.click("#similar button")
    page.click("#alike")
    page.wait_for_function("document.querySelector('#alike-said').innerText.includes('nearest to this one')")
    assert "phantom-78-00001" not in page.inner_text("#alike-table"), "an exam is not like itself"
    fill(page, "alike-words", "a mass is seen")
    page.click("#alike")
    page.wait_for_function("document.querySelector('#alike-said').innerText.includes('fit these words best')")

    tab(page, "Worklist")
    page.click("#agreement-box button")
    for name, who in (("reader-a", "Gus"), ("reader-b", "Hal")):
        page.click(f"#{name} input")
        page.locator("ul[role=listbox] li", has_text=who).first.click()
    page.click("#compare-readers")
    page.wait_for_function("document.querySelector('#agreement').innerText.includes('kappa')")
    assert "Breast density" in page.inner_text("#agreement")


def test_a_task_of_ones_own_is_declared_and_a_wrong_one_is_named(page):
    tab(page, "Fine-tune")
    page.click("#declare-box button")
    fill(page, "own-title", "Mass")
    page.click("#declare")
    page.wait_for_function("document.querySelector('#declare-said').innerText.includes('taken')")
    fill(page, "own-title", "Skin lesion")
    page.click("#declare")
    page.wait_for_function("document.querySelector('#declare-said').innerText.includes('Start the program again')")
