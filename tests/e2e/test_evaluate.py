"""The Evaluate page in a browser: from phantoms to a report that opens by itself."""

import re

from playwright.sync_api import expect

from tests.e2e.conftest import LONGEST_WAIT_MS


def test_models_are_evaluated_on_phantoms_and_the_report_opens_without_a_network(page):
    page.click("button[role=tab]:has-text('Evaluate')")
    page.click("#evaluate-exams label:has-text('phantom')")
    page.fill("#evaluate-phantoms input", "3")
    page.click("#evaluate")
    expect(page.locator("#evaluate-job .job")).to_have_attribute("data-state", "done", timeout=LONGEST_WAIT_MS)
    overview = page.locator("#evaluation-report")
    expect(overview).to_contain_text("3 phantom exams of seed 100")
    expect(overview.locator("tr", has_text="Malignancy").first).to_contain_text(re.compile(r"AUC|undefined"))
    with page.context.expect_page() as opened:
        page.click("#evaluation-report a:has-text('Open the whole report')")
    report = opened.value
    elsewhere = []
    report.on("request", lambda request: elsewhere.append(request.url))
    report.reload()
    expect(report.locator("h1")).to_contain_text("Evaluation of 3 phantom exams of seed 100")
    expect(report.locator(".curves .main-svg").first).to_be_visible()
    assert [url for url in elsewhere if not url.startswith(("blob:", "data:"))] == [report.url]
    report.close()


def test_a_table_is_asked_for_by_its_own_button_and_what_is_wrong_is_said(page, tmp_path):
    page.click("button[role=tab]:has-text('Evaluate')")
    page.click("#evaluate-exams label:has-text('table')")
    expect(page.locator("#evaluate")).to_be_hidden()
    expect(page.locator("#evaluate-columns")).to_contain_text("exam, patient, laterality, task, class, score, label")
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with page.expect_file_chooser() as chooser:
        page.click("#evaluate-table")
    chooser.value.set_files(tmp_path / "wrong.csv")
    said = page.get_by_text("wrong.csv: no column exam, patient")
    expect(said).to_be_visible(timeout=LONGEST_WAIT_MS)
    expect(page.locator("#evaluate-job .job")).to_have_count(0)  # it is refused before anything of it is kept
