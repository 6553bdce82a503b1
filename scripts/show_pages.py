"""Draw the pictures of the pages that README.md and docs/ show, with the bundled demo exams and computed phantoms.

    python scripts/show_pages.py [--port 7898] [--size 1366x768] [--out assets/pages]

Starts the app with a data folder of its own, reads and signs as two readers would, and takes a picture of each state in
headless Chromium: OUT/NAME.webp. Another size shows the same states there. Needs Chromium.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import pydicom
from benchmark import running_app
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from mvmlm import load_model
from mvmlm.exchange import read_any
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.finetune import finetune_from_store
from mvmlm.imaging.decoder import Decoder
from mvmlm.phantom.truth import write_phantoms
from mvmlm.store.archive import import_exams
from mvmlm.store.store import Store

FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader"]  # as Chromium draws where there is no GPU
ROOM = "document.querySelector('.reading-room').room"
EXAMS = 6
TAUGHT = 60  # exams that a head is taught on
EVALUATED = 40  # phantoms
SIZE_OF_SESSION = "Number(document.querySelector('#strip .place').textContent.split(' of ')[1])"
QUALITY = 88


def fill_store(folder: Path) -> None:
    """Store six phantoms; the second is an earlier exam of the first one's woman."""
    with tempfile.TemporaryDirectory() as files, closing(Store(folder)) as store, closing(Decoder()) as decoder:
        write_phantoms(Path(files), EXAMS, 11)
        exams = sorted(path for path in Path(files).iterdir() if path.is_dir() and path.name != "masks")
        for number, exam in enumerate(exams):
            for path in exam.glob("*.dcm"):
                dataset = pydicom.dcmread(path)
                dataset.PatientID = f"P-{max(1, number):02d}"
                dataset.StudyDate = dataset.AcquisitionDate = f"{2021 if number == 0 else 2024}0{number + 1}15"
                dataset.save_as(path)
            assert all(one.number for one in import_exams(store, [exam], decoder, "show", copy=True, named=True))


class Camera:
    """Takes the pictures of a page."""

    def __init__(self, page: Page, out: Path):
        self.page, self.out = page, out
        out.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        """Write the page as it is once nothing moves, as OUT/name.webp."""
        self.page.mouse.move(2, 2)
        self.page.wait_for_timeout(700)  # until notes of keys and transitions are over
        picture = Image.open(io.BytesIO(self.page.screenshot()))
        picture.save(self.out / f"{name}.webp", quality=QUALITY, method=6)
        print(self.out.name, name, f"{(self.out / f'{name}.webp').stat().st_size / 1024:.0f} KB")

    def wait_for_another_exam(self, before: str) -> None:
        """Wait until another exam than `before` is drawn, and may be signed."""
        self.page.wait_for_function(
            f"before => {ROOM}?.exam && {ROOM}.exam !== before && {ROOM}.root.dataset.rendered === {ROOM}.exam",
            arg=before,
        )
        self.page.wait_for_function(f"performance.now() - {ROOM}.drawnAt > 2000")

    @property
    def exam(self) -> str:
        return self.page.evaluate(f"{ROOM}?.exam || ''")

    def tab(self, name: str) -> None:
        self.page.click(f"#panel-tabs [data-page={name}]")

    def page_tab(self, name: str) -> None:
        self.page.click(f"button[role=tab]:has-text('{name}')")


def show_demo(camera: Camera) -> None:
    """The start page; then the film exam: four views, the pages of the panel, a finding, the answers and a map."""
    page = camera.page
    camera.take("start")
    page.click("#demo-film")
    camera.wait_for_another_exam("")
    camera.take("four_views")
    show_display(camera)
    camera.tab("opinion")
    page.fill("#reader input", "Ann")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("b")
    draw_box(page, "L_MLO", 0.45, 0.35)
    page.wait_for_selector(".mark-question")
    camera.take("finding")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    page.wait_for_selector(".opinion.recall", state="attached")
    camera.tab("opinion")
    camera.take("opinion")
    camera.tab("report")
    camera.take("report")
    camera.tab("model")
    camera.take("model_sealed")
    page.click("#show-model")
    page.wait_for_selector(".answers table", state="attached")
    page.check("#map-on input")
    page.wait_for_function("document.querySelector('#map-note').textContent !== ''")
    camera.take("model")
    page.click("#all-maps")
    page.wait_for_selector(".maps-sheet img")
    camera.take("all_maps")
    page.keyboard.press("Escape")
    camera.tab("ask")
    page.fill("#prompts textarea", "a spiculated mass | no mass\na breast with calcifications\nbanana split")
    page.click("#ask")
    page.wait_for_selector(".prompt-scores li")
    camera.take("ask")


def show_display(camera: Camera) -> None:
    """The technique factors, the check of the display, and a quadrant."""
    page = camera.page
    page.keyboard.press("Shift+I")
    page.wait_for_selector(".sheet .factors")
    camera.take("technique")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.click(".sheet button:has-text('Check this display')")
    page.wait_for_selector(".sheet[data-state=done]")
    camera.take("display_check")
    page.keyboard.press("Escape")
    page.keyboard.press("3")
    page.keyboard.press("Shift+Q")
    camera.take("quadrant")
    page.keyboard.press("1")


def draw_box(page: Page, view: str, across: float, down: float, size: tuple[int, int] = (40, 34)) -> None:
    """Draw a box on a view with the tool that is chosen.

    across, down: its upper left corner, as parts of the breast's extent as it hangs. size: in CSS pixels.
    """
    x, y = page.evaluate(
        f"""([view, across, down]) => {{
            const port = {ROOM}.ports.find((other) => other.view === view);
            const {{ left, top, right, bottom }} = port.extent();
            const point = [left + across * (right - left), top + down * (bottom - top), 0];
            const [x, y] = port.viewport.worldToCanvas(point);
            const box = port.canvas.getBoundingClientRect();
            return [box.left + x, box.top + y];
        }}""",
        [view, across, down],
    )
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + size[0], y + size[1], steps=4)
    page.mouse.up()


def show_session(camera: Camera) -> None:
    """A session of two readers, its end, an arbitration, and a reader's own figures."""
    page = camera.page
    for reader in ("Ann", "Ben"):
        before = camera.exam
        start_session(camera, reader)
        camera.wait_for_another_exam(before)
        count = page.evaluate(SIZE_OF_SESSION)
        for number in range(1, count + 1):
            if reader == "Ann" and page.evaluate(f"{ROOM}.comparable"):
                show_prior(camera)
            repeat = reader == "Ben" and number < 3
            page.keyboard.press("t" if repeat else "n")
            page.wait_for_selector(".opinion.technical-recall" if repeat else ".opinion.normal", state="attached")
            if repeat:
                choose_repeat(camera)
                if number == 1:
                    camera.take("technical_recall")
            before = camera.exam
            page.keyboard.press("F8")
            if number < count:
                camera.wait_for_another_exam(before)
                if reader == "Ann" and number == 3:
                    camera.page.evaluate("document.body.classList.add('strip-open')")
                    camera.take("session")
                    camera.page.evaluate("document.body.classList.remove('strip-open')")
        page.wait_for_selector("#session-page .session-end")
        if reader == "Ben":
            camera.take("session_end")
        page.click("[data-finish]")
        page.wait_for_selector("#session-page :text('These reads are final')")
        page.click("#session-page [data-tab]")
    show_arbitration(camera)


def show_arbitration(camera: Camera) -> None:
    """The first exam on which Ann and Ben disagree, with both reads side by side."""
    before = camera.exam
    start_session(camera, "Cid", "arbitrate")
    camera.wait_for_another_exam(before)
    camera.tab("opinion")
    camera.page.keyboard.press("n")
    camera.page.click("#show-both")
    camera.page.wait_for_selector("#two-reads tr.apart >> nth=0")
    camera.take("arbitration")
    camera.page.click("#finish-session")
    camera.page.click("#session-page [data-finish]")
    camera.page.click("#session-page [data-tab]")


def start_session(camera: Camera, reader: str, reads: str = "two readers") -> None:
    """Start a session. reads: a part of the words for who reads each exam."""
    camera.page_tab("Worklist")
    camera.page.click("#session-opener")
    camera.page.fill("#session-reader input", reader)
    camera.page.click(f"#session-reads label:has-text('{reads}')")
    camera.page.click("#start-session")


def choose_repeat(camera: Camera) -> None:
    """Tick a view to repeat."""
    page = camera.page
    camera.tab("opinion")
    page.click("#q-R-repeat_cc input")
    page.locator("[role=option]").nth(1).click()
    page.wait_for_function("!document.querySelector('#reading-status').textContent.includes('tick the views')")


def show_prior(camera: Camera) -> None:
    """The CC pair with its prior."""
    camera.page.keyboard.press("Space")
    camera.page.keyboard.press("Space")
    full = f"{ROOM}.visiblePorts().filter((port) => port.state.dataset.state === 'full').length"
    camera.page.wait_for_function(f"{full} === 4")
    camera.take("priors")


def show_pages(camera: Camera) -> None:
    """The other pages of the app."""
    page = camera.page
    camera.page_tab("Worklist")
    page.wait_for_selector("#worklist [data-state=loaded] img")
    camera.take("worklist")
    camera.page_tab("My reading")
    page.fill("#own-reader input", "Ann")
    page.click("#show-own")
    page.wait_for_selector("#own-reading table")
    camera.take("my_reading")


def teach(folder: Path) -> None:
    """Store labelled phantoms and a head of mass that was taught on them."""
    with tempfile.TemporaryDirectory() as files, closing(Store(folder)) as store, closing(Decoder()) as decoder:
        write_phantoms(Path(files), TAUGHT, 41, rows=320)
        shutil.rmtree(Path(files) / "masks")
        list(import_exams(store, [Path(files)], decoder, "show", copy=True, named=True))
        read_any(store, Path(files) / "findings.csv", "Ann")
        finetune_from_store(store, load_model(), decoder, FinetuneConfig("mass"), "Ann", lambda share, message: False)


def show_head(camera: Camera) -> None:
    """The page of fine-tuning with a head that was taught."""
    camera.page_tab("Fine-tune")
    camera.page.wait_for_selector(".cases")
    camera.page.wait_for_function("document.querySelector('#head input').value")
    camera.take("finetune")


def show_evaluation(camera: Camera) -> None:
    """The page of evaluation with the report of a model on new phantoms."""
    camera.page_tab("Evaluate")
    camera.page.click("#evaluate-exams label:has-text('phantom')")
    camera.page.fill("#evaluate-phantoms input", str(EVALUATED))
    camera.page.click("#evaluate")
    camera.page.wait_for_selector("#evaluate-job .job[data-state=done]", timeout=600_000)
    camera.page.wait_for_selector("#evaluation-report table")
    camera.take("evaluate")


def picture_options(description: str) -> argparse.Namespace:
    """Return the options of a script that takes pictures: port, size (width, height) in pixels, and out, a folder."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=7898)
    parser.add_argument("--size", type=lambda text: tuple(map(int, text.split("x"))), default="1366x768")
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "pages")
    return parser.parse_args()


def main() -> None:
    """Start the app, take all pictures, and stop it."""
    assert __doc__ is not None
    options = picture_options(__doc__.splitlines()[0])
    width, height = options.size
    parts = ((fill_store, (show_demo, show_session, show_pages)), (teach, (show_head, show_evaluation)))
    for fill, shown in parts:
        with running_app(options.port, fill) as (address, _), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            page = browser.new_page(viewport={"width": width, "height": height})
            page.goto(address)
            page.wait_for_selector("body.boxes-closed #demo-film")
            page.wait_for_function(ROOM)
            for show in shown:
                show(Camera(page, options.out))
            browser.close()


if __name__ == "__main__":
    main()
