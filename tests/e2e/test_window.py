"""Windows in a real browser: every one of the file by its explanation, drawn as the standard says, linked in an exam."""

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut

from mvmlm.exam import STANDARD_VIEWS
from tests.e2e.states import ROOM, wait_for_full_quality, wait_until_answered, wait_until_drawn, wait_until_opened
from tests.e2e.test_viewer import BLOCK, on_canvas, screen, steps
from tests.test_load import write, write_four

pytestmark = pytest.mark.shared_app

FIGURES = f"{ROOM}.ports.filter((p) => p.loaded).map((p) => [p.view, p.grey.center, p.grey.width])"


def lut(explanation, entries):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries), 0, 12])
    item.LUTExplanation = explanation
    item.add_new("LUTData", "US", [int(entry) for entry in entries])
    return item


def open_file(page, path):
    wait_until_opened_file = (
        "[...document.querySelectorAll('.viewport .state')].some((s) => s.dataset.state === 'full')"
    )
    page.set_input_files("#uploads input[type=file]", str(path))
    page.locator("#question label", has_text="yes").click()  # blocks do not look like a breast; is it a standard view?
    page.wait_for_function(wait_until_opened_file)
    wait_until_answered(page)
    wait_until_drawn(page)


def drag(page, view, across, down, steps=4):
    box = page.locator(f'.viewport[data-view="{view}"]:not([hidden])').first.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=steps)
    page.mouse.up()
    wait_until_drawn(page)


def test_every_window_and_voi_lut_is_chosen_by_its_explanation_and_drawn_as_pydicom_draws_it(page, tmp_path):
    path = write(tmp_path, STANDARD_VIEWS[1])
    header = dcmread(path)
    pixels = steps(640, 480)
    header.Rows, header.Columns = pixels.shape
    header.PixelData = pixels.tobytes()
    header.WindowCenter, header.WindowWidth = ["2000", "1000"], ["3000", "1500"]
    header.WindowCenterWidthExplanation = ["normal", "harder"]
    header.VOILUTFunction = "SIGMOID"
    ramp = np.linspace(0, 1, 4096)
    header.VOILUTSequence = [lut("dense breast", 4095 * ramp**2), lut("fatty breast", 4095 * np.sqrt(ramp))]
    header.save_as(path)
    open_file(page, path)
    wanted = {
        "dense breast": apply_voi_lut(pixels, header, 0, prefer_lut=True),
        "fatty breast": apply_voi_lut(pixels, header, 1, prefer_lut=True),
        "normal": apply_voi_lut(pixels, header, 0, prefer_lut=False),
        "harder": apply_voi_lut(pixels, header, 1, prefer_lut=False),
    }
    for name, grey in wanted.items():
        page.keyboard.press("Shift+W")
        page.locator(".sheet .preset", has_text=name).click()
        page.wait_for_function(f"{ROOM}.visiblePorts()[0].grey.chosen.name === '{name}'")
        page.keyboard.press("Escape")
        wait_until_drawn(page)
        seen, differences = screen(page, "L_CC"), []
        for r in range(1, pixels.shape[0] // BLOCK - 1, 2):
            for c in range(1, 8, 2):
                row, column = r * BLOCK + BLOCK // 2, c * BLOCK + BLOCK // 2
                x, y = on_canvas(page, "L_CC", column, row)
                differences.append(abs(seen[round(y), round(x)] - grey[row, column] / 4095 * 255))
        assert max(differences) <= 1.5, (name, max(differences))
        assert name in page.text_content('.viewport[data-view="L_CC"] .window')


def test_windows_of_an_exam_move_together_until_they_are_unlinked(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    before = page.evaluate(FIGURES)
    drag(page, "R_CC", 60, 30)
    after = page.evaluate(FIGURES)
    assert len(after) == 4 and len({(centre, width) for _, centre, width in after}) == 1
    assert after[0][1] == pytest.approx(before[0][1] + before[0][2] * 30 / 600, rel=0.01), "a higher centre: darker"
    assert after[0][2] == pytest.approx(before[0][2] * 1.1, rel=0.01), "a tenth of its width for 60 pixels"
    centre, width = round(after[0][1]), round(after[0][2])
    for view in ("R_CC", "L_MLO"):
        said = page.text_content(f'.viewport[data-view="{view}"] .window')
        assert f"C {centre}" in said and f"W {width}" in said
    page.keyboard.press("Shift+K")
    drag(page, "R_CC", -60, 0)
    alone = page.evaluate(FIGURES)
    assert alone[0][2] < after[0][2] and alone[1:] == after[1:]
    page.keyboard.press("0")
    page.wait_for_function(
        f"JSON.stringify({FIGURES}) === {str(before).replace(chr(39), chr(34))!r}.replaceAll(', ', ',')"
    )


def test_views_with_windows_of_their_own_change_by_the_same_part_of_them(page, tmp_path):
    """So that a view of another range of values is neither black nor white, and the drag is as quick on each."""
    write_four(tmp_path)
    for name, (centre, width) in zip(STANDARD_VIEWS, ((400, 800), (1000, 2000), (400, 800), (1000, 2000))):
        path = tmp_path / f"{name}.dcm"
        header = dcmread(path)
        header.WindowCenter, header.WindowWidth = str(centre), str(width)
        header.save_as(path)
    files = sorted(map(str, tmp_path.iterdir()))
    wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", files))
    before = page.evaluate(FIGURES)
    drag(page, "R_CC", 120, 60)
    after = page.evaluate(FIGURES)
    for (view, centre, width), (_, new_centre, new_width) in zip(before, after):
        assert new_width / width == pytest.approx(1.2, rel=0.01), view
        assert (new_centre - centre) / width == pytest.approx(0.1, rel=0.02), view


def test_one_key_takes_the_files_window_that_of_the_breasts_values_or_all_values(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    page.keyboard.press("8")
    page.wait_for_function(f"{ROOM}.visiblePorts().every((p) => p.grey.chosen.kind === 'breast')")
    widths = {width for _, _, width in page.evaluate(FIGURES)}
    assert len(widths) == 4 and max(widths) < 65535, "each by the values of its own breast"
    wait_until_drawn(page)
    grey = screen(page, "R_CC")
    inside = grey[grey > 5]
    assert np.percentile(inside, 99) > 240, "the brightest of the breast is near white"
    for key, kind in (("9", "range"), ("7", "file")):
        page.keyboard.press(key)
        page.wait_for_function(
            f"{ROOM}.visiblePorts().every((p) => p.grey.chosen.kind === '{kind}' || !p.windows.some((w) => w.kind === '{kind}'))"
        )


def test_an_inverted_picture_keeps_its_window_and_the_next_exam_opens_as_its_file_says(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    drag(page, "R_CC", 100, 0)
    page.keyboard.press("i")
    wait_until_drawn(page)
    assert "inverted" in page.text_content('.viewport[data-view="R_CC"] .window')
    width = page.evaluate(FIGURES)[0][2]
    assert width > 4096
    wait_until_opened(page, lambda: page.click("#demo-film"))
    wait_for_full_quality(page)
    assert page.evaluate(f"{ROOM}.ports.every((p) => !p.grey.changed && !p.grey.negative && p.grey.index === 0)")
