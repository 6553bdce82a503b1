"""A report typed in the browser: blocked where it speaks of the other breast, shown as understood, then taken."""

from tests.e2e.states import wait_for_full_quality, wait_until_answered, wait_until_opened
from tests.e2e.test_teaching import fill

REPORT = "Left breast: suspicious mass at 2 o'clock, 12 mm. BI-RADS 5."
PREVIEW = "document.querySelector('#report-preview').textContent"


def test_a_click_is_not_lost_when_the_model_answers_in_the_middle_of_it(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    fill(page, "reader", "Rita")
    page.locator("#start-reading").scroll_into_view_if_needed()
    place = page.locator("#start-reading").bounding_box()
    page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    page.mouse.down()
    wait_until_answered(page)
    assert page.locator("#start-reading").bounding_box() == place, "nothing moves under the pointer"
    page.mouse.up()
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Rita')")


_TYPE_AT_ONCE = """async text => {
    const find = () => document.querySelector('#report textarea');
    document.querySelector('[role=tab][data-page=report]').click();
    const field = find();
    field.value = text;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    for (let frame = 0; frame < 60; frame++) await new Promise(requestAnimationFrame);
    return find().value;
}"""


def test_what_is_typed_on_a_page_that_was_just_turned_to_stays(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    assert page.evaluate(_TYPE_AT_ONCE, REPORT) == REPORT


def test_a_typed_report_lands_in_the_breast_that_it_names(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    fill(page, "reader", "Rita")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Rita')")
    wait_for_full_quality(page)
    fill(page, "report", REPORT)
    page.locator("#report-side label", has_text="right breast").click()
    page.click("#parse")
    page.wait_for_function(f"{PREVIEW}.includes('left')")
    assert page.locator("#take-report:visible").count() == 0, "a report of the other breast is not taken"
    page.locator("#report-side label").first.click()
    page.click("#parse")
    page.wait_for_selector("#take-report:visible")
    assert "mass" in page.inner_text("#report-preview") and "5" in page.inner_text("#report-preview")
    assert page.locator("#findings .finding").count() == 0, "nothing is taken before the reader says so"
    page.click("#take-report")
    page.wait_for_function("document.querySelector('#findings .finding')?.textContent.includes('mass')")
    right, left = page.inner_text("#findings").split("Left breast")
    assert "no finding marked" in right and "2 o’clock" in left
    fill(page, "report", "The weather is fine.")
    page.click("#parse")
    page.wait_for_function(f"{PREVIEW}.toLowerCase().includes('nothing was understood')")
    assert page.locator("#take-report:visible").count() == 0
