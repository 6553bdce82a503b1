"""Marks of other programs over the pictures: not before they are asked for, then on the pixels that they name."""

from dataclasses import replace

import numpy as np
import pytest

from mvmlm.dicom_objects.cad_report import Algorithm, CadFinding, CadReport, Performed
from mvmlm.dicom_objects.cad_sr import cad_sr_object
from mvmlm.dicom_objects.sources import opened_exam
from mvmlm.exam import STANDARD_VIEWS, Window
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.write import dataset
from mvmlm.phantom import phantom_exam
from tests.e2e.states import ROOM, wait_until_drawn, wait_until_opened
from tests.e2e.test_display import check
from tests.test_cad_sr import CREATED

pytestmark = pytest.mark.shared_app

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS
CAD = Algorithm("Second Look", "7.2")
WHITE, SIDE = 4095, 24  # the stored value and the width in pixels of a square in the breast

#: the square of a view as it is drawn, and its mark, in CSS pixels of the page: [left, top, right, bottom]
BOXES = """(view) => {
  const port = document.querySelector('.reading-room').room.ports.find((one) => one.view === view);
  const { context, canvas } = port.picture, box = canvas.getBoundingClientRect();
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const columns = [], rows = [];
  for (let at = 0; at < canvas.width * canvas.height; at++) if (data[4 * at] >= 205) { columns.push(at % canvas.width); rows.push(Math.floor(at / canvas.width)); }
  const [across, down] = [box.width / canvas.width, box.height / canvas.height];
  const least = (values) => values.reduce((a, b) => Math.min(a, b), 1e9), most = (values) => values.reduce((a, b) => Math.max(a, b), -1e9);
  const drawn = [box.left + least(columns) * across, box.top + least(rows) * down, box.left + (most(columns) + 1) * across, box.top + (most(rows) + 1) * down];
  const layer = port.element.querySelector('.others');
  if (!layer) return [drawn, null];
  const mark = layer.querySelector('[data-number]').getBBox(), place = layer.getBoundingClientRect();
  return [drawn, [place.left + mark.x, place.top + mark.y, place.left + mark.x + mark.width, place.top + mark.y + mark.height]];
}"""


def square_of(view):
    """The first column and row of a square well inside the breast."""
    columns = np.flatnonzero((view.pixels > np.median(view.pixels)).any(0))
    return int(columns[len(columns) // 2]), view.rows // 2


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Phantom views with a white square each, stored mirrored, and a CAD SR that marks two squares."""
    folder = tmp_path_factory.mktemp("exam")
    corners = {}
    for name, view in phantom_exam("marks", np.random.default_rng([7, 2]), rows=1024).exam.views.items():
        pixels = (view.pixels[:, ::-1].astype(float) * 2500 / view.pixels.max()).astype(np.uint16)
        orientation = view.orientation._replace(row="P" if view.orientation.row == "A" else "A")
        view = replace(
            view, pixels=pixels, bits=12, orientation=orientation, windows=(Window("", "LINEAR", 2048, 4096),)
        )
        left, top = corners[name] = square_of(view)
        pixels[top : top + SIDE, left : left + SIDE] = WHITE
        dataset(view, "p1").save_as(folder / f"{name}.dcm", enforce_file_format=True)
    outlines = {
        name: tuple((left - 0.5 + x * SIDE, top - 0.5 + y * SIDE) for x, y in ((0, 0), (1, 0), (1, 1), (0, 1)))
        for name, (left, top) in corners.items()
    }
    findings = tuple(CadFinding(name, "mass", outlines[name][0], outlines[name], 0.8, None, CAD) for name in (RCC, LCC))
    report = CadReport(STANDARD_VIEWS, findings, (Performed("mass", CAD, (RCC, LCC, RMLO)),))
    decoder = Decoder(workers=1)
    with opened_exam([folder], decoder) as (_, sources):
        cad_sr_object(report, sources, CAD, CREATED).save_as(folder / "cad.dcm", enforce_file_format=True)
    decoder.close()
    return sorted(map(str, folder.iterdir()))


@pytest.fixture
def opened(page, files):
    wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", files))
    return page


def show(page):
    page.keyboard.press("Shift+O")
    page.wait_for_selector('.sheet[aria-label="Marks of other programs"]')
    page.keyboard.press("Escape")
    wait_until_drawn(page)


def boxes(page, view):
    wait_until_drawn(page)
    return page.evaluate(BOXES, view)


def in_place(page, view, most=1.5):
    drawn, mark = boxes(page, view)
    assert mark is not None and np.abs(np.subtract(drawn, mark)).max() <= most, (view, drawn, mark)
    return mark


def test_marks_lie_on_the_pixels_that_they_name_once_asked_for_and_are_hidden_again(opened):
    page = opened
    assert page.locator(".tools button", has_text="Others (1)").is_visible()
    assert page.locator(".others").count() == 0 and "mass" not in page.locator(".four-up").inner_text()
    assert page.evaluate(f"{ROOM}.ports.every((port) => port.flip_columns)"), "the files are mirrored"
    page.keyboard.press("Shift+O")
    sheet = page.wait_for_selector('.sheet[aria-label="Marks of other programs"]').inner_text()
    assert "Second Look 7.2" in sheet and "Mammography CAD SR, 2 marks" in sheet and "cad.dcm" in sheet
    page.keyboard.press("Escape")
    for view in ("R_CC", "L_CC"):
        in_place(page, view)
    words = {
        view: page.locator(f".viewport[data-view={view}] .others-words").inner_text()
        for view in ("R_CC", "R_MLO", "L_MLO")
    }
    assert "found: 1 × mass" in words["R_CC"] and "mass, certainty 80 %" in words["R_CC"]
    assert "nothing found: mass" in words["R_MLO"] and "not attempted on this picture" in words["L_MLO"]
    before = in_place(page, "L_CC")
    page.keyboard.press("i")
    assert boxes(page, "L_CC")[1] == pytest.approx(before), "inverting moves nothing"
    page.keyboard.press("i")
    page.mouse.move((before[0] + before[2]) / 2, (before[1] + before[3]) / 2)
    for _ in range(2):
        page.mouse.wheel(0, -240)
    after = in_place(page, "L_CC")
    assert after[2] - after[0] > 1.5 * (before[2] - before[0]), "it is zoomed with the picture"
    page.keyboard.press("6")
    in_place(page, "L_CC")
    page.keyboard.press("1")
    page.keyboard.press("0")
    in_place(page, "R_CC")
    page.keyboard.press("Shift+O")
    assert page.locator(".others").count() == 0 and page.locator(".others-words").count() == 0


def test_the_twelfth_rule_waits_to_be_asked_for_and_catches_a_mark_in_the_wrong_place(opened):
    page = opened
    verdict, text = check(page)[12]
    assert verdict == "not shown by this file" and "Shift+O" in text
    show(page)
    verdict, text = check(page)[12]
    assert (verdict, "2 marks of other programs lie over the pixels" in text) == ("pass", True), text
    page.evaluate(
        f"""{ROOM}.ports.filter((port) => port.viewport).forEach((port) => {{
            port.fileToWorld = ([column, row]) => [column * port.unit[1], row * port.unit[0], 0]; }})"""
    )  # as if no picture were flipped
    verdict, text = check(page)[12]
    assert verdict == "fail" and "L CC: a mark of A is" in text and "beside its place" in text, text
