"""Print the speed of the viewer in headless Chromium without a GPU: first picture, all four, redraws per second.

    python scripts/benchmark_viewer.py [--port 7899]

Starts the app and opens the phantom demo for the waits, timed from the moment the exam's description reaches the
browser. Then it opens a four-view exam of 3328 x 2560 for window and zoom, where each change waits until it is drawn.
Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

from benchmark import COLUMNS, ROWS, running_app, write_exam
from playwright.sync_api import Page, sync_playwright

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
CHANGES = """async (change) => {
  const port = document.querySelector('.reading-room').room.visiblePorts()[0];
  const drawn = () => new Promise((resolve) => port.canvas.addEventListener('CORNERSTONE_IMAGE_RENDERED', resolve, { once: true }));
  const began = performance.now();
  for (let i = 1; i <= 60; i++) {
    const waited = drawn();
    if (change === 'window') { port.viewport.setProperties({ voiRange: { lower: 10 * i, upper: 3000 + 10 * i } }); port.viewport.render(); }
    else port.centreOn(80, 120, 0.1 + 0.002 * i);
    await waited;
  }
  return 60000 / (performance.now() - began);
}"""


def print_demo_waits(page: Page) -> None:
    """Open the phantom demo and print the waits from its description to the first picture and to all four."""
    page.wait_for_selector("#demo-phantom")
    page.evaluate(WATCH)
    page.click("#demo-phantom")
    page.wait_for_function("window.times.full")
    times = page.evaluate("window.times")
    first, full = (times[name] - times["described"] for name in ("first", "full"))
    print(f"demo exam: first picture {first:.0f} ms, all four at full quality {full:.0f} ms")
    page.wait_for_selector("#quality .quality")


def print_redraws(page: Page) -> None:
    """Open a large exam and print how many changes of window and zoom are drawn per second."""
    with tempfile.TemporaryDirectory() as folder:
        write_exam(Path(folder))
        page.set_input_files("#uploads input[type=file]", sorted(map(str, Path(folder).iterdir())))
        complete = f"{ROOM}.ports.every((p) => p.columns === {COLUMNS} && p.state.dataset.state === 'full')"
        page.wait_for_function(f"{ROOM}.ports.length === 4 && {complete}")
        page.wait_for_timeout(5000)  # until the model's answers are there
    for layout in ("four", "single"):
        page.evaluate(f"{ROOM}.arrange('{layout}', {ROOM}.ports[0])")
        page.evaluate(f"{ROOM}.linked = false")
        for change in ("window", "zoom"):
            print(f"{ROWS} x {COLUMNS}, {layout}: {page.evaluate(CHANGES, change):.0f} {change} changes a second")


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
        browser.close()


if __name__ == "__main__":
    main()
