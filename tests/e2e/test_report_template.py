"""The report in the browser: made from the form, following it until it is edited, copied with one key, gone with the exam."""

from tests.e2e.states import reveal, wait_for_full_quality, wait_until_opened
from tests.e2e.test_teaching import fill

TEXT = "#report-text textarea"
VALUE = f"document.querySelector('{TEXT}').value"


def start_read(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    fill(page, "reader", "Ann")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Ann')")
    wait_for_full_quality(page)


def answer(page, question, word):
    reveal(page, f"#{question}")
    page.locator(f"#{question} label", has_text=word).first.click()


def test_the_report_follows_the_form_until_it_is_edited(page):
    start_read(page)
    page.wait_for_function(f"{VALUE}.includes('RECOMMENDATION')")
    answer(page, "q-exam-density", "C")
    page.wait_for_function(f"{VALUE}.includes('heterogeneously dense (density C)')")
    assert page.locator("#report-anew:visible").count() == 0 and "Research use only" in page.input_value(TEXT)
    reveal(page, TEXT)
    edited = page.input_value(TEXT).replace("INDICATION\n[not given]", "INDICATION\nPalpable lump.")
    page.fill(TEXT, edited)
    page.wait_for_selector("#report-anew:visible")
    answer(page, "scale", "Diagnostic")
    answer(page, "q-L-birads", "4B")
    page.wait_for_function("document.querySelector('#report-made textarea, #report-made input').value.includes('4B')")
    assert page.input_value(TEXT) == edited, "the reader's own words stay"
    page.click("#report-anew")
    page.wait_for_function(f"{VALUE}.includes('Left breast: BI-RADS 4B')")
    assert "Palpable" not in page.input_value(TEXT) and page.locator("#report-anew:visible").count() == 0
    wait_until_opened(page, lambda: page.click("#demo-film"))
    assert page.input_value(TEXT) == "", "nothing of the exam before"


def test_one_key_copies_the_report_and_never_without_the_line_on_its_use(page, app_url):
    page.context.grant_permissions(["clipboard-read", "clipboard-write"], origin=app_url)
    start_read(page)
    page.wait_for_function(f"{VALUE}.includes('RECOMMENDATION')")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("p")
    page.wait_for_function("document.querySelector('#report-copied').textContent.includes('Copied at')")
    assert page.locator(TEXT).is_visible(), "the reader sees what is copied"
    assert page.evaluate("navigator.clipboard.readText()") == page.input_value(TEXT)
    page.fill(TEXT, "My own words.")
    page.click("#copy-report")
    page.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('My own words.'))")
    assert page.evaluate("navigator.clipboard.readText()") == "My own words.\n\nResearch use only, not for diagnosis."


def test_without_a_read_there_is_nothing_to_copy(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.keyboard.press("p")
    page.wait_for_function("document.querySelector('#report-copied').textContent.includes('start a read first')")
