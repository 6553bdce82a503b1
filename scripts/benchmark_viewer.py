"""Print the speed of the viewer in headless Chromium without a GPU, and how much of the window the breasts cover.

    python scripts/benchmark_viewer.py [--port 7899]

Starts the app and opens the phantom demo for the waits, timed from the moment the exam's description reaches the
browser. Then it opens a four-view exam of 3328 x 2560 and drags the window, all four views linked and one view over the
whole page, and zooms: by notches of the wheel, at which the last values are enlarged until the view rests, and by more,
at which they are computed anew. Each change waits until every view that it changes is drawn. Coverage is the breast
pixels of all four views that are on screen, with the panel closed, over the pixels of the window. Last it reads such
exams of a list with the keyboard: the wait from the key that signs to the pictures of the next exam, which was loaded
ahead, and to those of an exam that was not. Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import numpy as np
from benchmark import COLUMNS, ROWS, running_app, write_exam
from playwright.sync_api import Page, sync_playwright

from app.pictures import hung
from mvmlm import load_exam
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.preprocess import find_breast
from mvmlm.imaging.voi import render
from mvmlm.store.archive import import_exams
from mvmlm.store.store import Store

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]  # as Chromium draws where there is no GPU
ROOM = "document.querySelector('.reading-room').room"
WATCH = """() => {
  const times = (window.times = {});
  const note = () => {
    const states = [...document.querySelectorAll('.four-up .state')];
    const now = performance.now();
    if (states.length && times.described === undefined) times.described = now;
    if (states.some((s) => s.dataset.state) && times.first === undefined) times.first = now;
    if (states.length === 4 && states.every((s) => s.dataset.state === 'full') && times.full === undefined) times.full = now;
    requestAnimationFrame(note);
  };
  note();
}"""
TIME_OPENING = f"""() => {{
  const room = {ROOM};
  document.addEventListener('keydown', () => {{ if (window.opening) window.opening.pressed ??= performance.now(); }}, true);
  document.addEventListener('painted', (event) => {{
    const {{ port }} = event.target, {{ before, painted }} = window.opening || {{}};
    if (painted && room.exam !== before && port.state.dataset.state === 'full') painted.push(performance.now());
  }}, true);
}}"""
CHANGES = """async (change) => {
  const room = document.querySelector('.reading-room').room;
  const ports = room.visiblePorts(), port = ports[0], box = port.canvas.getBoundingClientRect();
  const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
  const mouse = (kind, target, by) => target.dispatchEvent(new MouseEvent(kind, { bubbles: true, button: 0, buttons: 1, clientX: x + by, clientY: y + by }));
  const drawn = () => Promise.all(ports.map((one) => new Promise((resolve) => one.canvas.addEventListener('painted', resolve, { once: true }))));
  const changes = 60, START = 5; // pixels from the press, from which a move is a drag
  if (change === 'window') mouse('mousedown', port.canvas, 0);
  const began = performance.now();
  for (let i = 1; i <= changes; i++) {
    const waited = drawn();
    if (change === 'window') mouse('mousemove', document, START + i);
    else if (change === 'sharp zoom') port.zoomTo(port.scale() / (i % 2 ? 1.5 : 1 / 1.5));
    else port.canvas.dispatchEvent(new WheelEvent('wheel', { bubbles: true, cancelable: true, deltaY: i % 2 ? -100 : 100, clientX: x, clientY: y }));
    await (change === 'wheel' ? new Promise(requestAnimationFrame) : waited);
  }
  const took = performance.now() - began;
  if (change === 'window') mouse('mouseup', document, START + changes);
  return 1000 * changes / took;
}"""


LISTED = 6  # exams that are read one after the other
SIZES = ((1366, 768), (1920, 1080), (3840, 2160), (2048, 2560), (4096, 2560))
PLACES = f"""() => {ROOM}.visiblePorts().map((port) => {{
  const [dx, dy] = [port.unit[1] / 2, port.unit[0] / 2], [width, height] = port.size();
  const [left, top] = port.viewport.worldToCanvas([-dx, -dy, 0]), [right, bottom] = port.viewport.worldToCanvas([width - dx, height - dy, 0]);
  return [port.view, left, top, right, bottom, port.canvas.clientWidth, port.canvas.clientHeight];
}})"""


def breasts(demo: str) -> dict[str, np.ndarray]:
    """Return the breast of each view, as it hangs: (rows, columns) bool. demo: a folder of assets/demo_exams."""
    exam = load_exam(ROOT / "assets" / "demo_exams" / demo)
    return {str(name): hung(find_breast(render(view))[0], view) for name, view in exam.views.items()}


def coverage(page: Page, masks: dict[str, np.ndarray]) -> float:
    """Return the share of the browser's window that is breast. masks: of `breasts`, for the exam on screen."""
    covered = 0.0
    for view, left, top, right, bottom, width, height in page.evaluate(PLACES):
        mask = masks[view]
        x = left + (np.arange(mask.shape[1]) + 0.5) * (right - left) / mask.shape[1]
        y = top + (np.arange(mask.shape[0]) + 0.5) * (bottom - top) / mask.shape[0]
        on_screen = mask[np.ix_((y >= 0) & (y < height), (x >= 0) & (x < width))]
        covered += on_screen.sum() * (right - left) * (bottom - top) / mask.size
    return float(covered / page.evaluate("innerWidth * innerHeight"))


def print_coverage(page: Page) -> None:
    """Print how much of windows of several sizes the breasts of both demo exams cover, with the panel closed."""
    for demo in ("phantom", "film"):
        masks = breasts(demo)
        before = page.evaluate(f"{ROOM}.exam")
        page.evaluate("document.body.classList.add('opening', 'panel-closed')")
        page.click(f"#demo-{demo}")
        page.wait_for_function(
            f"before => {ROOM}.exam !== before && {ROOM}.root.dataset.rendered === {ROOM}.exam", arg=before
        )
        for width, height in SIZES:
            page.set_viewport_size({"width": width, "height": height})
            page.wait_for_function(f"{ROOM}.grid.clientHeight > {height} - 100")
            page.evaluate(f"{ROOM}.arrange('four')")
            print(f"{demo}, {width} x {height}: the breasts cover {coverage(page, masks):.1%} of the window")


def print_demo_waits(page: Page) -> None:
    """Open the phantom demo and print the waits from its description to the first picture and to all four."""
    page.wait_for_selector("#demo-phantom")
    page.evaluate(WATCH)
    page.click("#demo-phantom")
    page.wait_for_function("window.times.full")
    times = page.evaluate("window.times")
    first, full = (times[name] - times["described"] for name in ("first", "full"))
    print(f"demo exam: first picture {first:.0f} ms, all four at full quality {full:.0f} ms")
    page.wait_for_selector("#quality .quality", state="attached")


def print_redraws(page: Page) -> None:
    """Open a large exam and print how many changes of window and zoom are drawn per second."""
    with tempfile.TemporaryDirectory() as folder:
        write_exam(Path(folder))
        page.evaluate("document.body.classList.add('opening')")
        page.set_input_files("#uploads input[type=file]", sorted(map(str, Path(folder).iterdir())))
        complete = f"{ROOM}.ports.every((p) => p.columns === {COLUMNS} && p.state.dataset.state === 'full')"
        page.wait_for_function(f"{ROOM}.ports.length === 4 && {complete}")
        page.wait_for_timeout(5000)  # until the model's answers are there
    for layout, shown in (("four", "four views linked"), ("single", "one view over the whole page")):
        for change in ("window", "wheel", "sharp zoom"):
            page.evaluate(f"{ROOM}.arrange('{layout}', {ROOM}.ports[0])")
            page.evaluate(f"{ROOM}.drawn()")
            print(f"{ROWS} x {COLUMNS}, {shown}: {page.evaluate(CHANGES, change):.0f} {change} changes a second")


def fill_list(folder: Path) -> None:
    """Store exams of 3328 x 2560 in a data folder."""
    with tempfile.TemporaryDirectory() as files, closing(Store(folder)) as store, closing(Decoder()) as decoder:
        for number in range(LISTED):
            exam = Path(files) / f"exam {number}"
            exam.mkdir()
            write_exam(exam, f"exam {number}", number)
            assert all(outcome.number for outcome in import_exams(store, [exam], decoder, "benchmark", copy=True))


def print_next_exams(page: Page) -> None:
    """Sign exam after exam of a session, then go back; print how long the pictures took, loaded ahead and not."""
    page.wait_for_selector("body.boxes-closed #demo-phantom")
    page.wait_for_function(ROOM)
    page.click("button[role=tab]:has-text('Worklist')")
    page.click("#session-opener")
    page.fill("#session-reader input, #session-reader textarea", "Ann")
    page.click("#start-session")
    page.evaluate(TIME_OPENING)
    for key, said in (
        ("F8", "signed, the next exam was loaded ahead"),
        ("PageUp", "the exam before, not loaded ahead"),
    ):
        waits = []
        for _ in range(1, LISTED):
            page.wait_for_function(f"{ROOM}.drawnAt && performance.now() - {ROOM}.drawnAt > 2000")
            if key == "F8":
                page.keyboard.press("n")
                page.wait_for_selector(".opinion.normal", state="attached")
                page.wait_for_function(f"{ROOM}.root.dataset.ahead === '4'")
            page.evaluate(f"window.opening = {{ before: {ROOM}.exam, painted: [] }}")
            page.keyboard.press(key)
            page.wait_for_function("window.opening.painted.length === 4")
            waits.append(page.evaluate("window.opening.painted.map((time) => time - window.opening.pressed)"))
        first, all_four = np.median(np.array(waits), axis=0)[[0, -1]]
        print(f"{ROWS} x {COLUMNS}, {said}: first picture {first:.0f} ms, all four {all_four:.0f} ms")


def main() -> None:
    """Start the app, print all measurements, and stop it."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=7899)
    options = parser.parse_args()
    with running_app(options.port) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(address)
        print_demo_waits(page)
        print_redraws(page)
        print_coverage(page)
        browser.close()
    with running_app(options.port, fill_list) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(address)
        print_next_exams(page)
        browser.close()


if __name__ == "__main__":
    main()
