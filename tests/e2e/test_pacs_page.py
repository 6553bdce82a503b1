"""An exam is searched for in a real PACS, fetched with its prior, and read, on the pages as a user does it."""

import re

import pytest

from mvmlm.pacs.access import PacsAccess
from mvmlm.pacs.client import PacsClient
from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_drawn
from tests.e2e.test_teaching import fill, open_box, tab
from tests.e2e.test_worklist import _CUT, SIZES
from tests.orthanc import PASSWORD, USER
from tests.test_pacs import write_study

NEW, OLD, OTHER = "1.2.826.81", "1.2.826.82", "1.2.826.83"


@pytest.fixture(scope="module")
def app_environment(orthanc, tmp_path_factory):
    folder, certificate = tmp_path_factory.mktemp("sent"), orthanc.certificate
    patients = ((NEW, "20250303", "E2E 1"), (OLD, "20230303", "E2E 1"), (OTHER, "20240404", "E2E 2"))
    with PacsClient(PacsAccess(orthanc.address, USER, PASSWORD, ca_file=certificate)) as client:
        for uid, day, patient in patients:
            client.push(write_study(folder, uid, day, patient=patient, name="BROWSER^PIA<b>"))
    return {
        "MVMLM_PACS": orthanc.address, "MVMLM_PACS_USER": USER, "MVMLM_PACS_PASSWORD": PASSWORD,
        "MVMLM_PACS_CA_FILE": str(certificate),
    }  # fmt: skip


def search(page, **fields):
    """Open the box, fill it, and wait for an answer."""
    open_box(page, "pacs")
    for name, value in fields.items():
        fill(page, f"pacs-{name.replace('_', '-')}", value)
    page.click("#pacs-search")


def test_an_exam_is_searched_fetched_with_its_prior_and_read(page):
    tab(page, "Worklist")
    assert not page.locator("#read-fetched").is_visible()
    search(page, patient_id="nobody")
    page.wait_for_selector("#pacs-said .wrong:has-text('no exam with mammograms')")
    search(page, patient_id="", patient_name="BROWSER")
    page.wait_for_function("document.querySelectorAll('#pacs-found tbody tr').length === 3")
    assert "BROWSER PIA<b>" in page.inner_text("#pacs-found") and page.locator("#pacs-found b").count() == 0
    page.click("#pacs-fetch")
    page.wait_for_selector("#pacs-box[data-open] #pacs-said .wrong:has-text('Choose a line')")
    page.click("#pacs-found tr:has-text('2025-03-03') td:has-text('E2E 1')")  # anywhere on the line
    assert page.input_value("#pacs-found input:checked") == NEW
    page.click("#pacs-fetch")
    page.wait_for_selector("#worklist-job .job[data-state=done]")
    assert re.search(r"exam-\d+ is stored, with 1 earlier exam", page.inner_text("#worklist-job"))
    page.wait_for_function("document.querySelector('#count').innerText.includes('2 exams')")
    assert page.locator(".popover[data-open]").count() == 0, "the bar of the job is not covered"
    page.click("#read-fetched")
    page.wait_for_function(f"() => {ROOM} && {ROOM}.exam && {ROOM}.comparable")
    wait_for_full_quality(page)
    wait_until_drawn(page)
    assert "20250303" in page.inner_text(".reading-room") and not page.get_by_text("BROWSER").first.is_visible()


@pytest.mark.parametrize("size", SIZES)
def test_the_box_fits_every_window(new_visitor, app_url, size):
    page = new_visitor(*size)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-film")
    tab(page, "Worklist")
    assert page.evaluate(_CUT) == []
    search(page, patient_name="BROWSER")
    page.wait_for_function("document.querySelectorAll('#pacs-found tbody tr').length === 3")
    page.check("#pacs-found input >> nth=0")
    box = page.locator("#pacs-box").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0] and box["y"] + box["height"] <= size[1]
    assert page.evaluate(_CUT) == []
