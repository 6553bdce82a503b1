"""The reading room in a real browser: the picture is right, hangs right, and belongs to its reader."""

import io
import os
import shutil
import subprocess
from functools import partial

import cv2
import numpy as np
import pytest
from PIL import Image
from pydicom import dcmread
from pydicom.pixels import apply_voi_lut

from mvmlm.exam import STANDARD_VIEWS
from tests.conftest import ROOT
from tests.e2e.states import (
    ROOM,
    sign,
    wait_for_full_quality,
    wait_until_answered,
    wait_until_drawn,
    wait_until_opened,
)
from tests.e2e.test_labelling import draw_box
from tests.e2e.test_reading import ask_the_model, open_demo
from tests.test_load import write, write_four


def screen(page, view):
    """The viewport as it is on screen, grey 0..255, texts and maps hidden."""
    page.add_style_tag(content=".corner, .map, .shutter { visibility: hidden !important }")
    viewport = page.locator(f'.viewport[data-view="{view}"]:not([hidden])').first
    viewport.scroll_into_view_if_needed()
    box = viewport.bounding_box()
    left, top = round(box["x"]), round(box["y"])
    whole = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    return whole[top : top + round(box["height"]), left : left + round(box["width"])]


def on_canvas(page, view, column, row):
    """Where the centre of a hung picture's pixel is drawn in its viewport."""
    return page.evaluate(
        f"""([view, column, row]) => {{
        const port = {ROOM}.ports.find((p) => p.view === view);
        return port.viewport.worldToCanvas([column * port.unit[1], row * port.unit[0], 0]);
    }}""",
        [view, column, row],
    )


BLOCK = 40


def steps(rows, columns):
    """Flat blocks of 40 x 40 pixels of rising value inside a breast-shaped frame of black."""
    grid = np.zeros((rows, columns), np.uint16)
    for r in range(rows // BLOCK):
        for c in range(columns // BLOCK):
            grid[r * BLOCK : (r + 1) * BLOCK, c * BLOCK : (c + 1) * BLOCK] = 100 + (r * 37 + c * 211) % 3900
    return grid


CASES = {
    "plain": {},
    "monochrome1": {"PhotometricInterpretation": "MONOCHROME1"},
    "sigmoid": {"VOILUTFunction": "SIGMOID"},
    "exact": {"VOILUTFunction": "LINEAR_EXACT"},
    "odd size": {"shape": (603, 441)},
}


@pytest.mark.parametrize("case", CASES)
def test_grey_values_on_screen_equal_pydicoms_own_windowing(page, tmp_path, case):
    name = STANDARD_VIEWS[1]
    write(tmp_path, name)
    path = next(tmp_path.iterdir())
    header = dcmread(path)
    wanted = dict(CASES[case])
    pixels = steps(*wanted.pop("shape", (640, 480)))
    header.Rows, header.Columns = pixels.shape
    header.PixelData = pixels.tobytes()
    header.WindowCenter, header.WindowWidth = "2000", "3000"
    for key, value in wanted.items():
        setattr(header, key, value)
    if header.PhotometricInterpretation == "MONOCHROME1":
        header.PresentationLUTShape = "INVERSE"
    header.save_as(path)
    truth = apply_voi_lut(pixels, header, prefer_lut=False).astype(float)
    truth = truth / 4095 * 255
    if header.PhotometricInterpretation == "MONOCHROME1":
        truth = 255 - truth
    page.set_input_files("#uploads input[type=file]", str(path))
    page.locator("#question label", has_text="yes").click()  # blocks do not look like a breast; is it a standard view?
    page.wait_for_selector('.viewport[data-view="L_CC"] .state[data-state=full]')
    wait_until_answered(page)
    wait_until_drawn(page)
    seen, differences = screen(page, "L_CC"), []
    for r in range(1, pixels.shape[0] // BLOCK - 1, 2):
        for c in range(1, min(pixels.shape[1] // BLOCK - 1, 8), 2):
            row, column = r * BLOCK + BLOCK // 2, c * BLOCK + BLOCK // 2
            x, y = on_canvas(page, "L_CC", column, row)
            differences.append(abs(seen[round(y), round(x)] - truth[row, column]))
    assert len(differences) >= 12 and max(differences) <= 1.5, max(differences)


@pytest.mark.parametrize("ratio", [1.5, 2.4, 3.0, 6.0])
def test_a_picture_smaller_than_one_to_one_is_the_mean_over_each_screen_pixel(page, tmp_path, ratio):
    """Sampling it instead would make specks of noise, which look like microcalcifications, and pass over real ones."""
    name = STANDARD_VIEWS[1]
    write(tmp_path, name)
    path = next(tmp_path.iterdir())
    header = dcmread(path)
    breast = cv2.resize(header.pixel_array, (480, 600), interpolation=cv2.INTER_AREA)
    noise = np.random.default_rng(3).integers(600, 2000, breast.shape)
    pixels = np.where(breast > 50, breast // 2 + noise, 0).astype(np.uint16)
    header.Rows, header.Columns, header.PixelData = *pixels.shape, pixels.tobytes()
    header.WindowCenter, header.WindowWidth = "1600", "3200"
    header.save_as(path)
    page.set_input_files("#uploads input[type=file]", str(path))
    page.wait_for_selector('.viewport[data-view="L_CC"] .state[data-state=full]')
    wait_until_answered(page)
    left, top = 7, 11
    page.evaluate(
        f"""([ratio, left, top]) => {{
        const port = {ROOM}.ports.find((p) => p.view === 'L_CC'), scale = ratio * port.unit[1];
        port.centreOn(scale * (port.canvas.clientWidth / 2 - left), scale * (port.canvas.clientHeight / 2 - top), scale);
    }}""",
        [ratio, left, top],
    )
    wait_until_drawn(page)
    columns, rows = round(480 / ratio), round(600 / ratio)
    seen = screen(page, "L_CC")[top:, left:][:rows, :columns]
    small = cv2.resize(pixels.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    wanted = apply_voi_lut(small, header, prefer_lut=False)[: len(seen)] / 4095 * 255
    assert seen.shape[0] > 60 and seen.shape[1] == columns
    assert np.abs(seen - wanted).max() <= 1.5
    assert seen.std() == pytest.approx(wanted.std(), rel=0.02), "as much fine detail as there is, and no more"


def test_views_hang_back_to_back_at_one_scale(page):
    open_demo(page)
    wait_until_drawn(page)
    for pair in (("R_CC", "L_CC"), ("R_MLO", "L_MLO")):
        right, left = (screen(page, view) for view in pair)
        middle = right.shape[0] // 2
        assert right[middle, -20:-3].mean() > 20 > right[middle, :20].mean(), (
            "the right breast's chest wall is in the middle"
        )
        assert left[middle, 3:20].mean() > 20 > left[middle, -20:].mean()
    scales = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => {{ const a = p.viewport.worldToCanvas([0, 0, 0]), b = p.viewport.worldToCanvas([0, 100, 0]); return b[1] - a[1]; }})"
    )
    assert len(scales) == 4 and max(scales) - min(scales) < 0.01 * max(scales)


def test_layouts_and_the_reading_protocol_are_one_key_each(page):
    open_demo(page)
    page.locator('.viewport[data-view="R_CC"]').focus()

    def visible():
        return page.eval_on_selector_all(".four-up .viewport:not([hidden])", "nodes => nodes.map(n => n.dataset.view)")

    for key, views in (
        ("2", ["R_CC", "L_CC"]),
        ("3", ["R_MLO", "L_MLO"]),
        ("4", ["R_CC", "R_MLO"]),
        ("5", ["L_CC", "L_MLO"]),
        ("1", ["R_CC", "L_CC", "R_MLO", "L_MLO"]),
    ):
        page.keyboard.press(key)
        assert visible() == views
        page.locator(f'.viewport[data-view="{views[0]}"]').focus()
    page.keyboard.press("Space")
    assert visible() == ["R_CC", "L_CC"]
    page.keyboard.press("Shift+Space")
    assert len(visible()) == 4
    page.keyboard.press("?")
    assert "next step of the hanging" in page.inner_text(".sheet")
    page.keyboard.press("Escape")
    assert page.locator(".sheet").count() == 0


def test_a_picture_of_an_unknown_view_is_shown_large_and_asked_about(page, tmp_path):
    stored = dcmread(ROOT / "assets" / "demo_exams" / "phantom" / "L_CC.dcm").pixel_array
    cv2.imwrite(str(tmp_path / "scan.png"), (stored / stored.max() * 255).astype(np.uint8))
    page.set_input_files("#uploads input[type=file]", str(tmp_path / "scan.png"))
    page.wait_for_selector(".four-up .viewport:not([hidden]) .state[data-state=full]")
    assert page.locator(".four-up .viewport:not([hidden])").count() == 1, "no black panes of missing views"
    assert "Which view is it?" in page.inner_text("#question")
    page.locator("#question label", has_text="L_CC").click()
    page.wait_for_selector('.viewport[data-view="L_CC"] .state[data-state=full]')
    page.wait_for_function("document.querySelectorAll('.four-up .viewport.empty').length === 3")


def test_keys_work_wherever_the_focus_is_but_in_a_text_field(page):
    """After loading, after a click on a button, after a step that hides the view in focus: no click is needed first."""
    page.click("#demo-phantom")
    wait_for_full_quality(page)
    wait_until_answered(page)
    layout = f"{ROOM}.layout"
    page.keyboard.press("2")
    assert page.evaluate(layout) == "cc"
    page.click(".reading-room button:has-text('Four')")
    for expected in ("cc", "mlo"):
        page.keyboard.press("Space")
        assert page.evaluate(layout) == expected, "the button that was clicked is not pressed again"
    page.focus('.viewport[data-view="R_MLO"]')
    page.keyboard.press("2")
    page.keyboard.press("1")
    assert page.evaluate(layout) == "four"
    for field in ("#reader input", "#prompts textarea"):
        page.fill(field, "")
        page.type(field, "3?")
        assert (
            page.input_value(field) == "3?" and page.evaluate(layout) == "four" and not page.locator(".sheet").count()
        )
    page.keyboard.press("Tab")
    page.locator(".reading-room button:has-text('CC')").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate(layout) == "cc", "a button in focus by the keyboard is pressed by the keyboard"


def test_nothing_of_one_exam_is_left_when_the_next_is_open(page):
    """Texts, notes, marks, tool, sheet, layout and map of the exam before."""
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    ask_the_model(page)
    page.check("#map-on input")
    page.wait_for_selector('.viewport[data-view="R_CC"] .map[src]')
    for field, text in (
        ("#report textarea", "Left breast: mass."),
        ("#prompts textarea", "a mass"),
        ("#alike-words", "mass"),
    ):
        page.fill(field if "textarea" in field else f"{field} textarea, {field} input", text)
    page.click("#ask")
    page.wait_for_selector(".prompt-scores li")
    page.click("#all-maps")
    page.wait_for_selector(".maps-sheet img")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    draw_box(page, "R_CC", 0.75, 0.4)
    page.wait_for_selector(".mark-question")
    page.wait_for_function("document.querySelector('#mark-note').textContent.includes('the finding lasts')")
    for key in ("Escape", "2", "e", "j", "?", "h"):
        page.keyboard.press(key)
    wait_until_opened(page, lambda: page.click("#demo-film"))
    wait_until_answered(page)
    state = page.evaluate(
        f"(({{ layout, step, tool, align, crossing, hideMaps, active }}) => ({{ layout, step, tool, align, crossing, hideMaps, active: Boolean(active) }}))({ROOM})"
    )
    assert state == {
        "layout": "four", "step": 0, "tool": "window", "align": "", "crossing": False, "hideMaps": False, "active": False,
    }  # fmt: skip
    assert (
        page.locator(".sheet, .mark-question, .mark-number").count() == 0 and page.evaluate(f"{ROOM}.marks.all()") == []
    )
    assert page.locator(".map[src]").count() == 0 and not page.is_checked("#map-on input")
    emptied = ("#prompt-scores", "#maps-sheet", "#alike-table", "#report-copied")
    for note in ("#mark-note", "#prompt-note", "#map-note", "#report-preview", "#alike-said", *emptied):
        assert page.locator(note).text_content().strip() == "", note
    assert (
        page.input_value("#report textarea") == ""
        and page.input_value("#alike-words textarea, #alike-words input") == ""
    )
    assert "phantom" not in page.text_content("#panel").replace("phantom exam", "")


def test_one_mark_is_deleted_at_a_time_and_comes_back(page):
    page.click("#demo-phantom")
    wait_for_full_quality(page)
    wait_until_answered(page)
    page.keyboard.press("b")
    for across, down in ((0.75, 0.35), (0.75, 0.6)):
        draw_box(page, "R_CC", across, down)
        page.wait_for_selector(".mark-question")
        page.keyboard.press("Escape")
    page.wait_for_function(f"{ROOM}.marks.all().length === 2")
    page.wait_for_function("document.querySelector('#mark-note').textContent.includes('2 findings')")
    frame = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    page.mouse.move(
        frame["x"] + frame["width"] * 0.75, frame["y"] + frame["height"] * 0.35 + 8
    )  # at the first; the second is selected
    page.keyboard.press("Delete")
    page.wait_for_function(f"{ROOM}.marks.all().length === 1")
    page.wait_for_function("document.querySelector('#mark-note').textContent.includes('the finding lasts')")
    page.keyboard.press("Control+z")
    page.wait_for_function(f"{ROOM}.marks.all().length === 2")
    page.keyboard.press("Control+Shift+z")
    page.wait_for_function(f"{ROOM}.marks.all().length === 1")


_SHAPES = f"""() => {ROOM}.visiblePorts().map((port) => {{
    const drawn = port.viewport.getCanvas(), {{ clientWidth, clientHeight }} = port.canvas;
    const [origin, x, y] = [[0, 0, 0], [10, 0, 0], [0, 10, 0]].map((point) => port.viewport.worldToCanvas(point));
    return {{ name: port.name, state: port.state.dataset.state, shape: drawn.width / drawn.height / (clientWidth / clientHeight),
              scales: (x[0] - origin[0]) / (y[1] - origin[1]), stretched: port.element.classList.contains('stretched') }};
}})"""


def every_pair(steps):
    """A walk in which every step comes once after every other one, and after itself."""
    walk = []
    for number, step in enumerate(steps):
        walk.append(step)
        for other in steps[number + 1 :]:
            walk += [step, other]
    return [*walk, steps[0]]


def test_every_pair_of_steps_leaves_whole_pictures(page, tmp_path):
    """Layouts, the prior, keeping, signing and the next exam, each after each: never stretched, never black."""
    for date in ("20200101", "20230101"):

        def edit(ds, date=date):
            ds.StudyDate, ds.StudyInstanceUID = date, f"1.2.{date}"

        write_four(tmp_path / "exams" / date, edit=edit)
    archive = shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path / "exams")
    trouble = []
    page.on("console", lambda line: line.type == "error" and trouble.append(line.text))

    def open_next():
        wait_until_opened(page, lambda: page.set_input_files("#uploads input[type=file]", archive))

    def keep():
        page.fill("#reader input", "Ann")
        page.click("#start-reading")
        page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Ann')")

    def sign_once():
        if page.locator("#sign:visible").count():
            press("n")
            page.wait_for_selector(".opinion.normal", state="attached")
            sign(page)

    def press(key):
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press(key)

    steps = {"open": open_next, "keep": keep, "sign": sign_once} | {
        key: partial(press, key) for key in ("1", "2", "6", "y")
    }
    for name in every_pair(list(steps)):
        steps[name]()
        page.wait_for_function(f"{ROOM}.visiblePorts().every((p) => p.state.dataset.state === 'full')")
        wait_until_drawn(page)
        shapes = page.evaluate(_SHAPES)
        assert shapes and all(
            abs(s["shape"] - 1) < 0.01 and abs(s["scales"] - 1) < 0.01 and not s["stretched"] for s in shapes
        ), (name, shapes)
        assert (screen(page, "R_CC") > 20).mean() > 0.02, f"black after {name}"
    assert trouble == []


def test_every_part_of_a_view_comes_by_at_one_to_one(page):
    open_demo(page, "film")
    page.locator('.viewport[data-view="L_MLO"]').focus()
    page.keyboard.press("6")
    page.locator('.viewport[data-view="L_MLO"]').focus()
    port = f"{ROOM}.ports.find((p) => p.view === 'L_MLO')"
    seen = []
    page.keyboard.press("q")
    parts = int(page.inner_text('.viewport[data-view="L_MLO"] .state').split(" of ")[1].split(",")[0])
    assert parts > 1
    for _ in range(parts):
        seen.append(
            page.evaluate(
                f"(() => {{ const p = {port}, c = p.canvas; return [...p.viewport.canvasToWorld([0, 0]).slice(0, 2), ...p.viewport.canvasToWorld([c.clientWidth, c.clientHeight]).slice(0, 2), c.clientWidth]; }})()"
            )
        )
        page.keyboard.press("q")
    left, top, right, bottom, width = (np.array(column) for column in zip(*seen))
    assert np.allclose(right - left, width, rtol=0.01), "one pixel of the file is one of the screen"
    size = page.evaluate(f"{port}.size()")
    for x in np.linspace(5, size[0] - 5, 20):
        for y in np.linspace(5, size[1] - 5, 20):
            assert ((left <= x) & (x <= right) & (top <= y) & (y <= bottom)).any(), (x, y)


def test_window_zoom_and_pan_by_mouse_and_the_other_views_follow(page):
    open_demo(page)
    before = screen(page, "R_CC")
    box = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    x, y = box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 60, y + 40, steps=5)
    page.mouse.up()
    tissue = before > 10
    wait_until_drawn(page)
    change = np.abs(screen(page, "R_CC") - before)[tissue].mean()
    assert tissue.sum() > 1000 and change > 1, "dragging changed window and level"
    scale = f"{ROOM}.visiblePorts().map((p) => p.viewport.getCamera().parallelScale)"
    start = page.evaluate(scale)
    page.mouse.move(x, y)
    page.mouse.down(button="right")
    page.mouse.move(x, y + 80, steps=5)
    page.mouse.up(button="right")
    wait_until_drawn(page)
    after = page.evaluate(scale)
    factors = [b / a for a, b in zip(start, after)]
    assert abs(factors[0] - 1) > 0.05 and max(factors) - min(factors) < 0.02, "all four are still at one scale"
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("f")
    assert page.evaluate(scale) == pytest.approx(start, rel=1e-3)


def test_a_map_stays_on_its_tissue_under_zoom_and_is_hidden_by_one_key(page):
    open_demo(page)
    page.check("#map-on input")
    page.wait_for_selector('.viewport[data-view="R_CC"] .map[src]')
    page.locator('.viewport[data-view="R_CC"]').focus()
    for _ in range(2):
        for view in ("R_CC", "L_MLO"):
            port = page.evaluate(
                f"(view) => {{ const p = {ROOM}.ports.find((q) => q.view === view); return [p.columns, p.rows]; }}",
                view,
            )
            left, top = on_canvas(page, view, -0.5, -0.5)
            right, bottom = on_canvas(page, view, port[0] - 0.5, port[1] - 0.5)
            layer = page.locator(f'.viewport[data-view="{view}"] .map').bounding_box()
            frame = page.locator(f'.viewport[data-view="{view}"]').bounding_box()
            assert abs(layer["x"] - frame["x"] - left) < 1 and abs(layer["y"] - frame["y"] - top) < 1
            assert abs(layer["width"] - (right - left)) < 1 and abs(layer["height"] - (bottom - top)) < 1
        page.evaluate(f"{ROOM}.visiblePorts()[0].centreOn(60, 90, 0.1)")
        wait_until_drawn(page)
    page.keyboard.press("h")
    assert page.locator(".map:visible").count() == 0


def test_the_value_under_the_pointer_is_the_files(page):
    open_demo(page)
    x, y = on_canvas(page, "R_CC", 700, 500)
    box = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    said = page.inner_text('.viewport[data-view="R_CC"] .reads')
    stored = dcmread(ROOT / "assets" / "demo_exams" / "phantom" / "R_CC.dcm").pixel_array
    column, row = (int(part) for part in said.split(")")[0].strip("(").split(","))
    assert abs(row - 500) <= 2 and abs(column - 700) <= 2, "the right breast hangs as it is stored"
    assert int(said.split("=")[1]) == stored[row, column]


@pytest.mark.parametrize("zoom", [None, 0.1, 0.02])
def test_a_box_comes_back_in_the_files_own_pixels_and_is_drawn_again(page, tmp_path, zoom):
    """A right breast stored with its chest wall on the left, so that hung and stored columns differ."""
    name = STANDARD_VIEWS[0]
    write(tmp_path, name)
    path = next(tmp_path.iterdir())
    header = dcmread(path)
    header.PixelData = np.ascontiguousarray(header.pixel_array[:, ::-1]).tobytes()
    header.PatientOrientation = ["A", header.PatientOrientation[1]]
    header.save_as(path)
    page.set_input_files("#uploads input[type=file]", str(path))
    page.wait_for_selector('.viewport[data-view="R_CC"] .state[data-state=full]')
    wait_until_answered(page)
    wait_until_drawn(page)
    port = f"{ROOM}.ports.find((p) => p.view === 'R_CC')"
    rows, columns = header.Rows, header.Columns
    assert page.evaluate(f"{port}.flip_columns")
    centre = columns * 0.7, rows * 0.5
    if zoom:
        unit = page.evaluate(f"{port}.unit")
        page.evaluate(f"{port}.centreOn({centre[0] * unit[1]}, {centre[1] * unit[0]}, {zoom * unit[0] / 0.25})")
        wait_until_drawn(page)
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("b")
    frame = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    reach = 60 if zoom != 0.02 else 8
    corners = [(centre[0] - reach / 2, centre[1] - reach / 2), (centre[0] + reach / 2, centre[1] + reach / 3)]
    drawn = [on_canvas(page, "R_CC", *corner) for corner in corners]
    drawn = [(round(x), round(y)) for x, y in drawn]
    page.mouse.move(frame["x"] + drawn[0][0], frame["y"] + drawn[0][1])
    page.mouse.down()
    page.mouse.move(frame["x"] + drawn[1][0], frame["y"] + drawn[1][1], steps=6)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#mark-note').textContent.includes('the finding lasts')")
    (mark,) = page.evaluate(f"{ROOM}.marks.all()")
    scale = page.evaluate(
        f"(() => {{ const p = {port}; return p.viewport.getCamera().parallelScale * 2 / p.canvas.clientHeight / p.unit[0]; }})()"
    )
    wanted = sorted(columns - 1 - corner[0] for corner in corners)
    for got, want in zip(sorted(point[0] for point in mark["points"]), wanted):
        assert abs(got - want) <= 1 + scale, "within a pixel of the file and a pixel of the screen"
    page.evaluate(
        f"{ROOM}.marks.draw({{marks: [{{view: 'R_CC', kind: 'box', label: 'mass', finding: 1, points: {mark['points']}}}]}})"
    )
    (again,) = page.evaluate(f"{ROOM}.marks.all()")
    assert np.allclose(again["points"], mark["points"], atol=0.01)
    wait_until_drawn(page)


def test_a_spot_is_shown_in_the_other_views(page):
    open_demo(page)
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("e")
    x, y = on_canvas(page, "R_CC", 700, 500)
    box = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    page.mouse.move(box["x"] + x, box["y"] + y)
    assert page.locator('.viewport[data-view="R_MLO"] .cross circle').count() == 2
    assert page.locator('.viewport[data-view="L_CC"] .cross path').count() == 1
    assert page.locator('.viewport[data-view="L_MLO"] .cross').count() == 0
    nipples = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => [p.view, ...p.viewport.worldToCanvas(p.fileToWorld(p.nipple))])"
    )
    place = {view: (cx, cy) for view, cx, cy in nipples}
    cross = page.locator('.viewport[data-view="L_CC"] .cross path').bounding_box()
    frame = page.locator('.viewport[data-view="L_CC"]').bounding_box()
    seen = cross["x"] - frame["x"] + cross["width"] / 2
    assert abs((x - place["R_CC"][0]) + (seen - place["L_CC"][0])) < 2, "as far from its nipple, on the other side"
    radius = float(page.locator('.viewport[data-view="R_MLO"] .cross circle').first.get_attribute("r"))
    assert abs(radius - np.hypot(place["R_CC"][0] - x, place["R_CC"][1] - y)) < 2
    assert "mm from the nipple (estimated)" in page.inner_text('.viewport[data-view="R_CC"] .reads')
    page.keyboard.press("e")
    assert page.locator(".cross").count() == 0


def test_lengths_are_never_millimetres_where_the_file_has_no_spacing(page):
    open_demo(page, "film")
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("Shift+L")
    box = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    x, y = box["x"] + box["width"] * 0.8, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 60, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "document.querySelector('.viewport[data-view=R_CC] .svg-layer')?.textContent.includes('pixels')"
    )
    assert "mm" not in page.locator('.viewport[data-view="R_CC"] .svg-layer').text_content()


def test_without_webgl_the_page_says_so_and_shows_plain_pictures(new_visitor, app_url):
    page = new_visitor()
    page.add_init_script(
        "const real = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = function (kind, ...rest) { return /webgl/.test(kind) ? null : real.call(this, kind, ...rest); };"
    )
    page.goto(app_url)
    page.wait_for_selector("#demo-phantom")
    page.click("#demo-phantom")
    page.wait_for_function(
        "[...document.querySelectorAll('.plain img.picture')].filter((i) => i.naturalWidth > 0).length === 4"
    )
    assert "WebGL 2 is missing" in page.inner_text(".trouble")


def test_many_exams_in_turn_leave_no_pixels_behind(page):
    held = []
    for number in range(6):
        page.click(f"#demo-{('film', 'phantom')[number % 2]}")
        page.wait_for_function(
            f"{ROOM} && {ROOM}.ports.length === 4 && {ROOM}.ports.every((p) => p.state && p.state.dataset.state === 'full') && {ROOM}.ports[0].columns {'!==' if number % 2 == 0 else '==='} 832"
        )
        wait_until_drawn(page)
        held.append(page.evaluate(f"{ROOM}.pixels.size"))
    assert held[0] > 0 and held[4] == held[0] and held[5] == held[1], held


@pytest.mark.skipif(
    shutil.which("npm") is None, reason="Node and npm are not installed: the shipped bundle cannot be rebuilt"
)
def test_the_shipped_bundle_is_built_from_these_sources(tmp_path):
    shutil.copytree(
        ROOT / "app" / "viewer", tmp_path / "app" / "viewer", ignore=shutil.ignore_patterns("node_modules", "dist")
    )
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "build_viewer.sh", tmp_path / "scripts")
    done = subprocess.run([tmp_path / "scripts" / "build_viewer.sh"], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    built, shipped = (root / "app" / "viewer" / "dist" / "viewer.js" for root in (tmp_path, ROOT))
    assert built.read_bytes() == shipped.read_bytes(), "run scripts/build_viewer.sh and commit the result"


def test_an_earlier_exam_hangs_beside_and_moves_with_its_view(page, tmp_path):
    for date in ("20200101", "20230101"):

        def edit(ds, date=date):
            ds.StudyDate, ds.StudyInstanceUID = date, f"1.2.{date}"

        write_four(tmp_path / "exams" / date, edit=edit)
    page.set_input_files(
        "#uploads input[type=file]", shutil.make_archive(str(tmp_path / "both"), "zip", tmp_path / "exams")
    )
    page.wait_for_function("document.querySelectorAll('.four-up .state[data-state=full]').length === 4")
    assert "2020-01-01, can hang beside" in page.inner_text("#message")
    shown = ".four-up .viewport:not([hidden])"
    assert page.locator(shown).count() == 4, "nothing hangs beside until the reader asks"
    page.locator('.viewport[data-view="R_CC"]').first.focus()
    page.keyboard.press("y")
    page.wait_for_function("document.querySelectorAll('.four-up .state[data-state=full]').length === 8")
    names = page.eval_on_selector_all(
        shown,
        "nodes => nodes.map(n => [n.getBoundingClientRect(), n]).sort((a, b) => a[0].y - b[0].y || a[0].x - b[0].x).map(p => p[1].querySelector('.name').textContent)",
    )
    assert names[:4] == ["R CC prior 2020-01-01", "R CC", "L CC", "L CC prior 2020-01-01"]
    scales = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => p.viewport.getCamera().parallelScale / p.canvas.clientHeight)"
    )
    assert len(scales) == 8 and np.ptp(scales) < 1e-6
    page.keyboard.press("k")  # no longer linked
    moved = page.evaluate(
        f"(() => {{ const r = {ROOM}; const p = r.ports.find((o) => o.view === 'R_CC' && o.role === 'current'); p.zoomTo(0.05); return r.visiblePorts().filter((o) => Math.abs(o.movement().zoom - p.movement().zoom) < 1e-3).map((o) => o.name); }})()"
    )
    assert sorted(moved) == ["R CC", "R CC prior 2020-01-01"]
    page.keyboard.press("2")
    assert page.locator(shown).count() == 4
    page.keyboard.press("y")
    assert page.locator(shown).count() == 2
    page.wait_for_selector("#quality .quality", state="attached")


def test_views_align_at_the_nipple_on_request(page):
    open_demo(page)
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("j")
    wait_until_drawn(page)
    rows = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => p.viewport.worldToCanvas(p.fileToWorld(p.nipple))[1] / p.canvas.clientHeight)"
    )
    scales = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => p.viewport.getCamera().parallelScale / p.canvas.clientHeight)"
    )
    assert len(rows) == 4 and np.allclose(rows, 0.5, atol=0.01), rows
    assert np.ptp(scales) < 1e-6, "all at the same millimetres a pixel"
    for view, side, edge in (("R_CC", "right", 1), ("L_CC", "left", 0)):
        wall = page.evaluate(
            f"(v) => {{ const p = {ROOM}.ports.find((o) => o.view === v); return p.viewport.worldToCanvas([p.extent().{side} - p.unit[1] / 2, 0, 0])[0] - {edge} * p.canvas.clientWidth; }}",
            view,
        )
        assert abs(wall) < 1.5, "chest walls stay flush with the middle"
    page.keyboard.press("j")
    wait_until_drawn(page)
    beyond = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => {{ const x = p.viewport.worldToCanvas(p.fileToWorld(p.nipple))[0]; return p.chestWall === 'right' ? p.canvas.clientWidth - x : x; }})"
    )
    assert np.ptp(beyond) < 1.5, "every nipple is as far from the middle"
    page.keyboard.press("j")
    assert page.evaluate(f"{ROOM}.align") == ""


def test_true_size_asks_for_the_screen_once_and_then_shows_a_millimetre_on_a_millimetre(page):
    open_demo(page)
    page.locator('.viewport[data-view="R_CC"]').focus()
    page.keyboard.press("u")
    page.get_by_label("Width of the card").fill("428")  # 85.6 mm, so five CSS pixels a millimetre
    page.get_by_role("button", name="It fits").click()
    wait_until_drawn(page)
    port = f"{ROOM}.ports.find((p) => p.view === 'R_CC')"
    ten = page.evaluate(f"{port}.viewport.worldToCanvas([10, 0, 0])[0] - {port}.viewport.worldToCanvas([0, 0, 0])[0]")
    assert abs(ten - 50) < 0.2
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("u")
    assert page.get_by_label("Width of the card").count() == 0, "the screen is known now"


def test_a_map_is_cut_at_its_threshold_and_takes_other_colours(page):
    open_demo(page)
    page.click("#map-target input")
    page.get_by_role("option", name="Mass", exact=True).click()
    page.check("#map-on input")
    page.wait_for_function("document.querySelector('#map-note').textContent.includes('score of Mass')")
    inside = "(() => { const m = document.querySelector('.viewport[data-view=L_CC] .map'); const c = document.createElement('canvas'); c.width = m.naturalWidth; c.height = m.naturalHeight; const g = c.getContext('2d'); g.drawImage(m, 0, 0); const d = g.getImageData(0, 0, c.width, c.height).data; let n = 0, red = 0; for (let i = 0; i < d.length; i += 4) if (d[i + 3] > 0) { n += 1; red += d[i]; } return [n, red]; })()"
    whole, red = page.evaluate(inside)
    assert whole, "the map of the breast with the mass is drawn"
    page.fill("#map-threshold input[type=number]", "0.5")
    page.keyboard.press("Enter")
    page.wait_for_function(f"{inside}[0] < {whole} / 2")
    page.click("#map-colours input")
    page.get_by_role("option", name="cividis").click()
    page.wait_for_function(f"{inside}[1] !== {red}")


def test_the_page_says_which_exam_is_open_and_which_one_is_drawn(page):
    room = page.locator(".reading-room")
    page.wait_for_selector(".reading-room[data-exam=''][data-rendered='']", state="attached")
    drawn = "before => { const { exam, rendered } = document.querySelector('.reading-room').dataset; return exam && exam !== before && rendered === exam }"
    exams = [""]
    for which in ("phantom", "film"):
        page.click(f"#demo-{which}")
        page.wait_for_function(drawn, arg=exams[-1])
        assert page.locator(".viewport .state[data-state=full]").count() == 4
        exams.append(room.get_attribute("data-exam"))


@pytest.mark.parametrize("answer", [{"status": 404, "body": "gone"}, {"status": 200, "body": "cut short!"}])
def test_a_picture_that_does_not_arrive_is_never_called_full_quality(page, answer):
    page.route("**/viewer/*/0/raw", lambda route: route.fulfill(**answer))
    page.click("#demo-phantom")
    page.wait_for_selector(".viewport .state[data-state=failed]")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length === 3")
    assert "not loaded" in page.inner_text('.viewport[data-view="R_CC"]')
    assert page.locator(".reading-room").get_attribute("data-rendered") is None, "this exam is not on screen"
