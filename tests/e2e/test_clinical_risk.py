"""The box of clinical risk in a real browser: her answers belong to the open exam, and vanish with it."""

import pytest
from playwright.sync_api import expect

from mvmlm.imaging.decoder import Decoder
from mvmlm.phantom.truth import write_phantoms
from mvmlm.store.archive import import_exams
from mvmlm.store.store import Store
from tests.e2e.states import (
    ROOM,
    open_again,
    wait_for_full_quality,
    wait_until_answered,
    wait_until_drawn,
    wait_until_opened,
)
from tests.e2e.test_model_panel import check_that_all_fits

ANSWERS = {
    "excluded": "none of these",
    "menarche": "12–13",
    "first-birth": "20–24",
    "relatives": "1",
    "biopsies": "none",
}
CHECKED = "#clinical-fields input[type=radio]:checked"


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """Two stored exams."""
    folder, files = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("files")
    write_phantoms(files, 2, 11)
    store, decoder = Store(folder), Decoder()
    for exam in sorted(path for path in files.iterdir() if path.is_dir() and path.name != "masks"):
        assert all(one.number for one in import_exams(store, [exam], decoder, "ann", copy=True, named=True))
    store.close()
    decoder.close()
    return folder


def open_box(page):
    page.click("#panel-tabs [data-page=model]")
    if not page.locator("#clinical-fields").is_visible():
        page.click("#clinical-open summary")


def give_answers(page, age="55"):
    open_box(page)
    page.fill("#clinical-age input", age)
    for question, words in ANSWERS.items():
        page.locator(f"#clinical-{question} label").get_by_text(words, exact=True).click()
    expect(page.locator("#clinical-result b")).to_have_text("about 1 in 44")


def check_that_nothing_is_left(page):
    expect(page.locator("#clinical-result")).to_contain_text("Not calculated: answer every question")
    assert page.locator(CHECKED).count() == 0 and page.locator("#clinical-result b").count() == 0
    assert page.input_value("#clinical-age input") != "55"


def go_to_stored(page, app_url, number):
    page.goto(f"{app_url}/?exam=exam-{number:05d}")
    page.wait_for_function(f"() => document.querySelector('.reading-room') && {ROOM} && {ROOM}.exam")
    wait_for_full_quality(page)
    wait_until_drawn(page)


def test_the_box_is_closed_until_it_is_asked_for_and_leaks_no_image_risk(new_visitor, app_url):
    page = new_visitor(1366, 768)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    page.click("#panel-tabs [data-page=model]")
    expect(page.locator("#clinical-open summary")).to_be_visible()
    expect(page.locator("#clinical-fields")).to_be_hidden()
    give_answers(page)
    expect(page.locator("#clinical-images")).to_contain_text("hidden: read first")
    expect(page.locator("#clinical-result")).to_contain_text("2.3 %")
    assert page.locator(".answers").count() == 0, "the model’s answers stay sealed"
    check_that_all_fits(page, "model")
    page.click("#show-model")
    expect(page.locator("#clinical-images")).to_contain_text("not answered: at chance")
    expect(page.locator("#clinical-result b")).to_have_text("about 1 in 44")
    check_that_all_fits(page, "model")


def test_a_changed_answer_leaves_no_number_of_the_one_before(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    give_answers(page)
    page.locator("#clinical-biopsies label").get_by_text("1", exact=True).click()
    expect(page.locator("#clinical-result")).to_contain_text("not answered yet: atypical hyperplasia")
    assert page.locator("#clinical-result b").count() == 0


def test_answers_vanish_by_every_way_to_another_exam(page, app_url):
    go_to_stored(page, app_url, 1)
    give_answers(page)
    page.click(".tools button")  # the start page
    wait_until_opened(page, lambda: page.click("#demo-film"))
    check_that_nothing_is_left(page)
    give_answers(page)
    wait_until_opened(page, page.go_back)
    check_that_nothing_is_left(page)
    give_answers(page)
    wait_until_opened(page, page.go_forward)
    check_that_nothing_is_left(page)
    give_answers(page)
    open_again(page)
    check_that_nothing_is_left(page)


def test_answers_vanish_with_the_key_of_the_next_exam_and_stay_while_one_is_read(page, app_url):
    page.goto(app_url)
    page.click("button[role=tab]:has-text('Worklist')")
    wait_until_opened(page, lambda: page.dblclick("#worklist [data-testid=cell-0-1]"))
    give_answers(page)
    page.click("#panel-tabs [data-page=opinion]")
    page.fill("#reader input", "Ann")
    page.keyboard.press("Escape")
    page.click("#start-reading")
    expect(page.locator("#reading-status")).to_contain_text("Ann")
    open_box(page)
    expect(page.locator("#clinical-result b")).to_have_text("about 1 in 44")
    page.evaluate("document.activeElement.blur()")
    wait_until_opened(page, lambda: page.keyboard.press("PageDown"))
    open_box(page)
    check_that_nothing_is_left(page)
