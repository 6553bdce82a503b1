"""In front of the page stands a gate: nothing that the page needs is refused, and its policy stops none of its scripts."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.e2e.states import wait_for_full_quality, wait_until_answered, wait_until_opened
from tests.e2e.test_teaching import tab

pytestmark = pytest.mark.shared_app

DEMO = ROOT / "assets" / "demo_exams"


def watched(page):
    """Everything that goes wrong from now on: refused requests, and messages of the browser about what it blocked."""
    trouble = []
    page.on("response", lambda answer: answer.status >= 400 and trouble.append(f"{answer.status} {answer.url}"))
    page.on("console", lambda line: line.type == "error" and trouble.append(line.text))
    return trouble


def test_nothing_that_the_page_needs_is_refused(new_visitor, app_url):
    page = new_visitor(1920, 1080)
    trouble = watched(page)
    page.goto(app_url)
    page.wait_for_selector("#demo-film")
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    files = sorted(str(path) for path in (DEMO / "phantom").iterdir())
    wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", files))

    def open_folder():
        with page.expect_file_chooser() as chooser:
            page.click("#folder")
        chooser.value.set_files(DEMO / "film")

    wait_until_opened(page, open_folder)
    wait_for_full_quality(page)
    page.click("#show-model")
    page.wait_for_selector(".answers")
    page.check("#map-on input")
    page.wait_for_function("document.querySelector('#map-note').textContent !== ''")
    page.fill("#prompts textarea", "a mass | no mass")
    page.click("#ask")
    page.wait_for_selector(".prompt-scores li")
    tab(page, "Worklist")
    page.click("#export-opener")
    for name in ("readings.csv", "marks.json", "exams.csv"):
        with page.expect_download() as download:
            page.click(f"a[href='export/{name}']")
        assert download.value.suggested_filename == name and Path(download.value.path()).stat().st_size
    with page.expect_response(lambda answer: "/gradio_api/queue/join" in answer.url):
        tab(page, "Fine-tune")
    tab(page, "About")
    page.wait_for_selector("#about-model li")
    assert trouble == [], "\n".join(trouble)


def test_a_browser_that_keeps_no_cookie_is_told_so_and_opens_nothing(new_visitor, app_url):
    page = new_visitor()
    page.goto(app_url)
    page.wait_for_selector("#demo-film")
    page.context.clear_cookies()
    page.click("#demo-film")
    page.wait_for_function("document.body.innerText.includes('Allow cookies for this address')")
    assert page.locator(".viewport .state[data-state=full]").count() == 0
