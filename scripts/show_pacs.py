"""Draw assets/pages/pacs.webp: a phantom goes into an Orthanc, is fetched on the page, read and signed; print its SR.

    python scripts/show_pacs.py [--port 7898] [--size 1366x768] [--out assets/pages]

What is printed is what Debian's `dsrdump` says of the object that `mvmlm dicom-readings` writes of the signed reading.
Needs Orthanc with its DICOMweb plugin, dcmtk and Chromium.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import numpy as np
import pydicom
from benchmark import running_app
from playwright.sync_api import Page, sync_playwright
from pydicom.uid import UID
from show_pages import FLAGS, ROOM, Camera, picture_options

from mvmlm.__main__ import main as mvmlm
from mvmlm.imaging.write import write_view
from mvmlm.pacs.access import PacsAccess
from mvmlm.pacs.client import PacsClient
from mvmlm.phantom.exams import PhantomExam, phantom_exams
from mvmlm.store.store import Store
from tests.orthanc import PASSWORD, USER, Orthanc, running_orthanc

PATIENT, NAME = "PH-4711", "PHANTOM^PIA"
STUDIES = (("1.2.826.91", "20240615"), ("1.2.826.92", "20220614"))  # the exam and its prior
VIEWS = ("R_CC", "R_MLO")
MARGIN = 6  # pixels of the file around the lesion


def with_mass(seed: int) -> PhantomExam:
    """Return the first phantom with a mass in both views of the right breast."""
    for phantom in phantom_exams(40, seed, 1024):
        if {(view, "mass") for view in VIEWS} <= {(str(name), kind) for name, kind in phantom.masks}:
            return phantom
    raise ValueError(f"no phantom of the seed {seed} has a mass in the right breast")


def fill_pacs(orthanc: Orthanc, phantom: PhantomExam, folder: Path) -> None:
    """Store the phantom as an exam with a prior on the PACS, and name the PACS to the app that is started next."""
    paths = []
    for uid, day in STUDIES:
        for number, (name, view) in enumerate(phantom.exam.views.items(), 1):
            path = folder / f"{uid}-{name}.dcm"
            write_view(view, path, patient_id=PATIENT)
            ds = pydicom.dcmread(path)
            ds.StudyInstanceUID, ds.SeriesInstanceUID = uid, f"{uid}.1"
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(f"{uid}.1.{number}")
            ds.PatientName, ds.StudyDate, ds.StudyDescription = NAME, day, "SCREENING"
            ds.AcquisitionDate = day
            ds.save_as(path)
            paths.append(path)
    certificate = orthanc.certificate
    with PacsClient(PacsAccess(orthanc.address, USER, PASSWORD, ca_file=certificate)) as client:
        client.push(paths)
    os.environ |= {
        "MVMLM_PACS": orthanc.address, "MVMLM_PACS_USER": USER, "MVMLM_PACS_PASSWORD": PASSWORD,
        "MVMLM_PACS_CA_FILE": str(certificate),
    }  # fmt: skip


def fetch(page: Page) -> None:
    """Search the PACS on the page Worklist, fetch the newest exam, and open it."""
    page.click("button[role=tab]:has-text('Worklist')")
    page.click("#pacs-opener")
    page.fill("#pacs-patient-id input, #pacs-patient-id textarea", PATIENT)
    page.click("#pacs-search")
    page.check("#pacs-found tbody tr >> nth=0 >> input")
    page.click("#pacs-fetch")
    page.click("#read-fetched", timeout=120_000)
    page.wait_for_function(f"{ROOM}?.exam && {ROOM}.comparable && {ROOM}.root.dataset.rendered === {ROOM}.exam")


def draw_lesion(page: Page, view: str, mask: np.ndarray) -> None:
    """Draw a box around a lesion. mask: of the file's pixels."""
    rows, columns = np.nonzero(mask)
    corners = [
        [int(columns.min()) - MARGIN, int(rows.min()) - MARGIN],
        [int(columns.max()) + MARGIN, int(rows.max()) + MARGIN],
    ]
    (x, y), (right, bottom) = page.evaluate(
        f"""([view, corners]) => corners.map(([column, row]) => {{
            const port = {ROOM}.ports.find((other) => other.view === view);
            const [x, y] = port.viewport.worldToCanvas(port.fileToWorld([column, row]));
            const box = port.canvas.getBoundingClientRect();
            return [box.left + x, box.top + y];
        }})""",
        [view, corners],
    )
    page.keyboard.press("b")
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(right, bottom, steps=4)
    page.mouse.up()


def read(camera: Camera, phantom: PhantomExam) -> None:
    """Mark the mass in both views, describe it, sign, and take the picture."""
    page = camera.page
    masks = {str(name): mask for (name, kind), mask in phantom.masks.items() if kind == "mass"}
    camera.tab("opinion")
    page.fill("#reader input", "Ann")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('Ann')")
    draw_lesion(page, VIEWS[0], masks[VIEWS[0]])
    page.wait_for_selector(".mark-question")
    for key in "1351":  # mass; irregular; spiculated; high density
        page.keyboard.press(key)
    page.wait_for_function("document.querySelector('#findings .finding')?.textContent.includes('high density')")
    draw_lesion(page, VIEWS[1], masks[VIEWS[1]])
    page.click(".mark-question [data-option=same-1]")
    page.wait_for_function("document.querySelectorAll('#findings [data-do=unlink]').length === 2")
    camera.tab("findings")
    page.wait_for_function(f"{ROOM}.drawnAt && performance.now() - {ROOM}.drawnAt > 2000")
    page.click("#sign")
    page.wait_for_function("document.querySelector('#reading-status').textContent.includes('signed')")
    camera.take("pacs")


def print_reading(data: Path, out: Path) -> None:
    """Make the signed reading final, write it as a DICOM SR, and print what dsrdump says of it."""
    with closing(Store(data)) as store:
        (reading,) = [read for number in store.worklist.numbers() for read in store.readings.of_exam(number)]
        store.readings.finalise(reading.id)
        exam = store.exams.get(reading.exam).name
    assert mvmlm(["dicom-readings", exam, "--out", str(out), "--data", str(data)]) == 0
    for path in sorted(out.glob("*_sr.dcm")):
        print(subprocess.run(["dsrdump", str(path)], check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Start Orthanc and the app, take the picture, print the SR, and stop both."""
    assert __doc__ is not None
    options = picture_options(__doc__.splitlines()[0])
    width, height = options.size
    phantom, folders = with_mass(11), list[Path]()
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        (place / "pacs").mkdir()
        with running_orthanc(place / "pacs") as orthanc:
            fill_pacs(orthanc, phantom, place)
            with running_app(options.port, folders.append) as (address, _), sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
                page = browser.new_page(viewport={"width": width, "height": height})
                page.goto(address)
                page.wait_for_selector("body.boxes-closed #demo-film")
                fetch(page)
                read(Camera(page, options.out), phantom)
                browser.close()
                print_reading(folders[0], place / "objects")


if __name__ == "__main__":
    main()
