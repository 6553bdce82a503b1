"""How the reading room feels, in headless Chromium without a GPU: first picture, all four, changes drawn a second.

    python scripts/benchmark_viewer.py [--port 7899]

Starts the app, opens the phantom demo for the waits (timed from the moment the exam's description reaches the browser), and
a four-view exam of 3328 x 2560 for window and zoom: each change waits until it is drawn. Needs Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

from benchmark import write_exam
from playwright.sync_api import sync_playwright

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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=7899)
    options = parser.parse_args()
    address = f"http://127.0.0.1:{options.port}"
    command = [
        sys.executable,
        "app.py",
        "--port",
        str(options.port),
        "--data",
        tempfile.mkdtemp(prefix="mvmlm-benchmark-"),
    ]
    app = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(address)
                break
            except OSError:
                time.sleep(0.2)
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as temporary:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(address)
            page.wait_for_selector("#demo-phantom")
            page.evaluate(WATCH)
            page.click("#demo-phantom")
            page.wait_for_function("window.times.full")
            times = page.evaluate("window.times")
            print(
                f"demo exam: first picture {times['first'] - times['described']:.0f} ms, all four at full quality {times['full'] - times['described']:.0f} ms"
            )
            page.wait_for_selector("#quality .quality")
            write_exam(Path(temporary))
            page.set_input_files("#uploads input[type=file]", sorted(map(str, Path(temporary).iterdir())))
            page.wait_for_function(
                f"{ROOM}.ports.length === 4 && {ROOM}.ports.every((p) => p.columns === 2560 && p.state.dataset.state === 'full')"
            )
            page.wait_for_timeout(5000)  # the answers come meanwhile
            for layout in ("four", "single"):
                page.evaluate(f"{ROOM}.arrange('{layout}', {ROOM}.ports[0])")
                page.evaluate(f"{ROOM}.linked = false")
                for change in ("window", "zoom"):
                    print(f"3328 x 2560, {layout}: {page.evaluate(CHANGES, change):.0f} {change} changes a second")
            browser.close()
    finally:
        app.terminate()
        app.wait()


if __name__ == "__main__":
    main()
