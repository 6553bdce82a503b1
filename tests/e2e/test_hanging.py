"""The hanging in a real browser: priors by themselves, the pair that comes first, extra views, and what was shown."""

import re
import shutil

import numpy as np
import pytest
from playwright.sync_api import expect

from mvmlm.exam import STANDARD_VIEWS
from tests.e2e.states import ROOM, open_again, wait_until_drawn, wait_until_opened, wait_until_signable
from tests.test_load import code, write, write_four

SHOWN_PANES = ".viewport:not([hidden])"
SCALES = f"{ROOM}.visiblePorts().map((p) => p.scale())"


def names(page):
    """The names of the panes on screen, from left to right and from top to bottom."""
    return page.eval_on_selector_all(
        SHOWN_PANES,
        "nodes => nodes.map((n) => [n.getBoundingClientRect(), n]).sort((a, b) => a[0].y - b[0].y || a[0].x - b[0].x).map((p) => p[1].querySelector('.name').textContent)",
    )


def open_exam(page, path):
    wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", path))


def with_prior(folder):
    for date in ("20200101", "20230101"):

        def edit(ds, date=date):
            ds.StudyDate, ds.StudyInstanceUID = date, f"1.2.{date}"

        write_four(folder / date, edit=edit)
    return shutil.make_archive(str(folder), "zip", folder)


def test_after_each_pair_the_same_pair_hangs_with_its_prior_in_the_same_orientation(page, tmp_path):
    open_exam(page, with_prior(tmp_path / "exams"))
    seen = []
    for _ in range(4):
        page.keyboard.press("Space")
        wait_until_drawn(page)
        seen.append(names(page))
        scales = page.evaluate(SCALES)
        assert np.ptp(scales) < 1e-6, "at one scale"
    prior = "prior 2020-01-01"
    assert seen == [
        ["R CC", "L CC"],
        [f"R CC {prior}", "R CC", "L CC", f"L CC {prior}"],
        ["R MLO", "L MLO"],
        [f"R MLO {prior}", "R MLO", "L MLO", f"L MLO {prior}"],
    ]
    walls = page.evaluate(f"{ROOM}.visiblePorts().map((p) => [p.view[0], p.chestWall])")
    assert sorted(map(tuple, walls)) == [("L", "left"), ("L", "left"), ("R", "right"), ("R", "right")]
    expect(page.locator(".reading-room")).to_have_attribute("data-shown", "standard extra prior")


def test_mlo_first_is_a_setting_that_stays(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    assert names(page) == ["R CC", "L CC", "R MLO", "L MLO"]
    page.keyboard.press("Shift+Z")
    page.locator(".sheet").get_by_role("button", name="MLO first").click()
    page.keyboard.press("Escape")
    wait_until_drawn(page)
    assert names(page) == ["R MLO", "L MLO", "R CC", "L CC"]
    page.keyboard.press("Space")
    assert names(page) == ["R MLO", "L MLO"]
    open_again(page)
    wait_until_opened(page, lambda: page.click("#demo-film"))
    assert names(page) == ["R MLO", "L MLO", "R CC", "L CC"]


def test_a_step_is_taken_from_the_list_of_steps(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.keyboard.press("Shift+Z")
    page.locator(".sheet").get_by_role("button", name="left breast").click()
    assert names(page) == ["L CC", "L MLO"]
    page.keyboard.press("Escape")
    page.keyboard.press("Space")
    assert names(page) == ["R CC"], "the next step is the one after it"


def with_displaced_view(folder):
    write_four(folder)

    def displaced(ds):
        ds.ViewCodeSequence[0].ViewModifierCodeSequence = [code("399209000")]
        ds.BreastImplantPresent = "YES"

    write(folder, STANDARD_VIEWS[1], file="displaced.dcm", edit=displaced)
    return sorted(map(str, folder.glob("*.dcm")))


def test_views_that_arrived_while_they_were_hidden_are_not_signed_unseen(page):
    held = []
    page.route(re.compile("/viewer/[^/]+/[23]/raw$"), lambda route: held.append(route))
    page.click("#demo-phantom")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length === 2")
    page.keyboard.press("2")
    assert names(page) == ["R CC", "L CC"]
    for route in held:
        route.continue_()
    page.wait_for_function(f"{ROOM}.ports.every((p) => {ROOM}.pixels.has(p.address + 'raw'))")
    page.fill("#reader input, #reader textarea", "Ann")
    page.locator(SHOWN_PANES).first.focus()
    page.keyboard.press("n")
    page.wait_for_selector(".opinion.normal", state="attached")
    page.keyboard.press("F8")
    assert "R MLO, L MLO was not on screen" in page.inner_text(".key-note")
    page.keyboard.press("1")
    wait_until_signable(page)
    page.keyboard.press("F8")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('signed')")


@pytest.mark.parametrize("answer", ["look", "sign without"])
def test_signing_before_the_displaced_view_was_shown_asks_once(page, tmp_path, answer):
    open_exam(page, with_displaced_view(tmp_path))
    page.fill("#reader input, #reader textarea", answer)
    page.keyboard.press("Escape")
    page.locator(SHOWN_PANES).first.focus()
    page.keyboard.press("n")
    page.wait_for_selector(".opinion.normal", state="attached")
    wait_until_signable(page)
    page.keyboard.press("F8")
    page.keyboard.press("F8")  # a double press is no answer
    assert "L CC implant displaced was not shown yet" in page.inner_text(".key-note")
    assert "draft" in page.text_content("#reading-status")
    if answer == "look":
        page.keyboard.press("Shift+X")
        page.wait_for_selector(".reading-room[data-shown='standard extra prior']")
    else:
        page.wait_for_function(f"performance.now() - {ROOM}.askedAt > 1000")
    page.keyboard.press("F8")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('signed')")


def test_repeats_and_implant_displaced_views_are_a_step_and_the_room_says_whether_it_was_shown(page, tmp_path):
    files = with_displaced_view(tmp_path)
    page.evaluate(
        "window.told = []; document.querySelector('.reading-room').addEventListener('shown', (e) => window.told.push(e.detail))"
    )
    open_exam(page, files)
    page.wait_for_selector(".reading-room[data-shown='standard prior']")
    assert names(page) == ["R CC", "L CC", "R MLO", "L MLO"], "the four views fill the room"
    shown = page.evaluate(f"{ROOM}.shown()")
    assert (shown["standard"], shown["extra"]) == (True, False) and shown["exam"] == page.evaluate(f"{ROOM}.exam")
    labels = page.evaluate(f"{ROOM}.steps.map((s) => s.label)")
    assert labels[3] == "1 more: implant displaced"
    for _ in range(3):
        page.keyboard.press("Space")
    page.wait_for_selector(".reading-room[data-shown='standard extra prior']")
    assert names(page) == ["L CC"] and page.evaluate(f"{ROOM}.visiblePorts()[0].role") == "extra"
    assert page.evaluate("window.told.at(-1)")["extra"] is True
    page.keyboard.press("1")
    page.keyboard.press("Shift+X")
    assert page.evaluate(f"{ROOM}.layout") == "extra"


@pytest.mark.parametrize("which", ["film", "phantom"])
def test_every_standard_view_counts_as_shown_only_once_it_is_drawn_in_full_quality(page, which):
    page.route("**/viewer/*/3/raw", lambda route: route.fulfill(status=404, body="gone"))
    page.click(f"#demo-{which}")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length === 3")
    page.wait_for_selector(".viewport .state[data-state=failed]")
    wait_until_drawn(page)
    assert page.evaluate(f"{ROOM}.shown().standard") is False
