"""The check of the display: every drawn rule on views of two machines, with faults planted in the drawing, and restored."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Acquisition, Laterality, Projection, Spacing, SpacingKind, Window
from mvmlm.imaging.preprocess import find_breast
from mvmlm.imaging.voi import render
from mvmlm.imaging.write import dataset
from mvmlm.phantom import phantom_exam
from tests.e2e.states import ROOM, wait_until_drawn, wait_until_opened

pytestmark = pytest.mark.shared_app

AIR, CARD = 6, 400  # the stored value of the air; CSS pixels that a card takes on the screen of the test
MEDIO_LATERAL = "399260004"  # SNOMED CT
SHEET = '.sheet[aria-label="Display check"]'
#: CSS pixels for the verdicts of the rules whose outcome depends on what is drawn
DRAWN_RULES = (4, 5, 6, 7, 9)


@pytest.fixture(scope="module")
def two_machines(tmp_path_factory):
    """An exam whose left views come from a machine with smaller pixels, with padding, named windows and no L MLO."""
    folder = tmp_path_factory.mktemp("machines")
    phantom = phantom_exam("two", np.random.default_rng([7, 1]), rows=1024)
    for name, view in phantom.exam.views.items():
        spacing = view.spacing.row_mm
        breast, _ = find_breast(render(view))
        pixels = np.where(breast, view.pixels - view.pixels.min() + AIR + 2, AIR).astype(np.uint16)
        maker = "Large Pixels"
        if name.laterality is Laterality.LEFT:
            pixels = cv2.resize(pixels, None, fx=1.6, fy=1.6, interpolation=cv2.INTER_NEAREST)
            spacing, maker = spacing / 1.6, "Small Pixels"
        middle = float(np.percentile(pixels[pixels > AIR], 50))
        written = replace(
            view,
            pixels=pixels,
            bits=16,
            spacing=Spacing(spacing, spacing, SpacingKind.CORRECTED),
            padding=(AIR - 1, AIR),
            windows=(Window("NORMAL", "SIGMOID", middle, 2 * middle), Window("HARD", "SIGMOID", middle, middle)),
            acquisition=Acquisition(maker, "One", "20260101", kvp=29.0, exposure_mas=81.0, compression_n=98.0),
        )
        if name != STANDARD_VIEWS[3]:
            save(written, folder)
        if name.projection is Projection.MLO:  # a pair beyond the four
            save(written, folder, "ML", MEDIO_LATERAL)
    return folder


def save(view, folder, projection="", code=""):
    """projection, code: in place of the view's own; one that is not written otherwise."""
    ds = dataset(view, "p1")
    if projection:
        ds.ViewPosition, ds.ViewCodeSequence[0].CodeValue = projection, code
        ds.ViewCodeSequence[0].CodeMeaning = "medio-lateral"
    ds.WindowCenterWidthExplanation = ["NORMAL", "HARD"]
    ds.PatientName, ds.OperatorsName = "Roe^Jane", "Poe^Ada"
    ds.save_as(folder / f"{view.name}{projection}.dcm", enforce_file_format=True)


@pytest.fixture
def opened(page, two_machines):
    files = sorted(map(str, two_machines.iterdir()))
    before = page.evaluate(f"{ROOM} ? {ROOM}.exam : ''")
    page.set_input_files("#uploads input[type=file]", files)
    page.wait_for_function(f"before => {ROOM} && {ROOM}.exam && {ROOM}.exam !== before", arg=before)
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 3")
    wait_until_drawn(page)
    return page


def check(page):
    """Press ? and the button; return the verdict and the text of each rule."""
    page.keyboard.press("?")
    page.locator('.sheet[aria-label="Keys"] button', has_text="Check this display").click()
    page.wait_for_selector(f"{SHEET}[data-state]")
    rows = page.evaluate(
        """(sheet) => [...document.querySelectorAll(sheet + ' tr')].map((row) =>
            [Number(row.dataset.rule), row.dataset.verdict, row.innerText])""",
        SHEET,
    )
    page.keyboard.press("Escape")
    return {rule: (verdict, text) for rule, verdict, text in rows}


def fit_a_card(page):
    page.evaluate(f"localStorage.setItem('mvmlm css pixels a card', '{CARD}')")


def test_every_drawn_rule_passes_on_views_of_two_machines_and_the_views_stay_where_they_were(opened):
    page = opened
    fit_a_card(page)
    page.keyboard.press("2")
    page.keyboard.press("i")
    wait_until_drawn(page)
    state = f"""() => {ROOM}.ports.filter((port) => port.role === 'current' && port.loaded).map((port) => [port.view, port.element.hidden,
        port.grey.negative, port.element.hidden || port.viewport.getCamera().parallelScale.toFixed(6)])"""
    before = page.evaluate(state)
    found = check(page)
    assert list(found) == list(range(1, 13))
    assert {rule: found[rule] for rule in (1, 2, *DRAWN_RULES, 8, 11) if found[rule][0] != "pass"} == {}
    assert found[3][0] == found[10][0] == found[12][0] == "not shown by this file"
    assert "Chest walls" not in found[4][1] and "1 pair with the chest walls back to back" in found[4][1]
    assert "Views beyond the four: 1 pair with the chest walls back to back" in found[4][1]
    assert "Views beyond the four: 2 views at" in found[5][1]
    assert page.evaluate(state) == before
    shown = page.locator(".reading-room").get_attribute("data-shown")
    assert "extra" not in shown, "nobody has looked at what the check showed for a moment"


def test_true_size_waits_for_a_card_and_no_padding_is_not_shown(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    found = check(page)
    assert found[6][0] == found[7][0] == found[5][0] == "not shown by this file"
    assert "fit the card" in found[6][1]


#: a fault planted in the drawing -> the rule that fails by it
FAULTS = {
    "a wall inside the pane": (
        4, "const p = room.ports[0], own = p.hang.bind(p); p.hang = (s) => { own(s); p.centreOn(p.middleAt(0, s) - 9 * s, p.home.y, s); }",
    ),
    "one view larger": (5, "const p = room.ports[1], own = p.hang.bind(p); p.hang = (s) => own(s * 1.03)"),
    "a pair apart, beyond the four": (
        4, "const own = room.arrange.bind(room); room.arrange = (layout, one) => { const done = own(layout, one); if (layout === 'extra') room.extras()[0].element.style.order = 99; return done; }",
    ),
    "one view larger, beyond the four": (5, "const p = room.extras()[1], own = p.hang.bind(p); p.hang = (s) => own(s * 1.03)"),
    "no dose on the sheet": (
        8, "const own = window.fetch; window.fetch = async (...sent) => { const told = await own(...sent); return String(sent[0]).includes('technique') ? new Response(JSON.stringify((await told.json()).filter((factor) => factor.name !== 'dose'))) : told; }",
    ),
    "a wrong card": (6, "room.ports.filter((p) => p.address).forEach((p) => { p.zoomTo = () => {}; p.hang = () => {}; })"),
    "padding as dark tissue": (
        7, "room.ports.forEach((p) => { if (!p.grey) return; const own = p.grey.table.bind(p.grey); p.grey.table = () => { const t = own().slice(); t[0] = t[1]; return t; }; })",
    ),
    "beside the screen's pixels": (9, "room.ports.forEach((p) => { p.alignToScreen = () => { const f = p.viewport.getCamera().focalPoint; p.centreOn(f[0] + 0.8 * p.unit[1], f[1] + p.unit[0] / 2, p.scale()); }; })"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_drawing_is_told(opened, fault):
    page = opened
    fit_a_card(page)
    rule, script = FAULTS[fault]
    page.evaluate(f"() => {{ const room = {ROOM}; {script}; }}")
    found = check(page)
    assert found[rule][0] == "fail", found[rule]


def test_air_stays_black_when_the_picture_is_inverted(opened):
    page = opened
    page.keyboard.press("i")
    wait_until_drawn(page)
    values = page.evaluate(
        f"""() => {ROOM}.visiblePorts().map((port) => {{
        const {{ canvas, context, grid }} = port.picture, source = port.picture.source;
        const {{ data }} = context.getImageData(0, 0, canvas.width, canvas.height);
        const far = port.chestWall === 'right' ? 3 : canvas.width - 4, row = canvas.height - 4;
        return data[4 * (row * canvas.width + far)];
    }})"""
    )
    assert values == [0, 0, 0]


def test_technique_factors_are_shown_on_a_key_with_what_is_missing(opened):
    page = opened
    page.keyboard.press("Shift+I")
    table = page.wait_for_selector(".sheet .factors")
    text = table.inner_text()
    for said in (
        "Roe Jane",
        "29 kVp",
        "81 mAs",
        "98 N",
        "Poe Ada",
        "Large Pixels One",
        "Small Pixels One",
        "not in the file",
    ):
        assert said in text
    assert [cell.inner_text() for cell in table.query_selector_all("tr:first-child th")] == [
        "",
        "R CC",
        "L CC",
        "R MLO",
    ]
    page.keyboard.press("Escape")
    assert not page.query_selector(".sheet")
