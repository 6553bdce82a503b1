"""Nothing of a patient is left in what the program stores, logs, caches or hands out, wherever her files held it.

Every attribute of the DICOM dictionary, nested ones, private ones, names of files and folders, zips, pictures and tables
hold a text of their own (`tests.canaries`). The program is then used as readers and sites use it, and all bytes that are
left are searched. Each test names what may be found, and why.
"""

import contextlib
import logging
import os
import shutil
import sys
import tempfile
from types import SimpleNamespace

import gradio as gr
import pyarrow.parquet as pq
import pydicom
import pytest

from app.error_log import log_privately
from app.read.exam_events import ExamEvents
from app.read.form_events import FormEvents
from app.read.layout import lay_out_page
from app.read.map_events import MapEvents
from app.read.model_events import BINARY, ModelEvents
from app.read.visit import Visit
from app.thumbnails import Thumbnails
from app.viewer.pixel_server import PixelServer
from app.visits import Visits
from app.worklist.exports import writers
from mvmlm import worker
from mvmlm.__main__ import main
from mvmlm.exam import Laterality
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.imaging.decoder import Decoder
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.pacs import listener as listener_module
from mvmlm.pacs.access import PacsAccess, PacsError
from mvmlm.pacs.client import PacsClient
from mvmlm.pacs.listener import Listener, Peer
from mvmlm.protocols.request import TABLE, Request
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_import, queue_with_uploads
from mvmlm.temporary import temporary_folder
from mvmlm.worker import work
from tests.canaries import Canaries
from tests.conftest import sign
from tests.planted import odd_files, planted_exam, planted_pictures, planted_table, planted_zip
from tests.test_app import ANN, upload
from tests.test_pacs_answers import STUDY, as_json, stub_pacs
from tests.test_pacs_listener import send, wait_for
from tests.test_read_events import Room

EXAMS = 8
#: what an object about pictures must have of them, or the PACS would file it under another woman or another study
IN_OBJECTS = {
    "DeidentificationMethod", "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "StudyInstanceUID", "StudyDate", "StudyID",
    "StudyDescription", "AccessionNumber", "ReferringPhysicianName", "SeriesInstanceUID", "SOPInstanceUID",
}  # fmt: skip


@pytest.fixture(scope="module")
def canaries():
    return Canaries()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folders of this test alone for everything that a program writes, and what it prints and logs meanwhile."""
    root = tmp_path_factory.mktemp("program")
    names = ("data", "temp", "cache", "home", "out")
    folders = SimpleNamespace(root=root, **{name: root / name for name in names})
    for name in names:
        (root / name).mkdir(mode=0o700)
    changed = {"TMPDIR": folders.temp, "GRADIO_TEMP_DIR": folders.cache, "HOME": folders.home} | {
        f"XDG_{what}_HOME": folders.home for what in ("CONFIG", "DATA", "CACHE")
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, folder in changed.items():
            patch.setenv(name, str(folder))
        patch.setenv("MVMLM_DATES", "remove")
        patch.setenv("MVMLM_LOG", "json")
        patch.setattr(tempfile, "tempdir", str(folders.temp))
        yield folders


@contextlib.contextmanager
def printed_into(path):
    """Everything that this process and its children print or log is added to a file."""
    with open(path, "a", encoding="utf-8") as file:
        handler, kept = logging.StreamHandler(file), [os.dup(1), os.dup(2)]
        logging.getLogger().addHandler(handler)
        sys.stdout.flush(), sys.stderr.flush()
        for number in (1, 2):
            os.dup2(file.fileno(), number)
        try:
            with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
                yield
        finally:
            logging.getLogger().removeHandler(handler)
            file.flush()
            for number, descriptor in zip((1, 2), kept):
                os.dup2(descriptor, number)
                os.close(descriptor)


@pytest.fixture(scope="module")
def originals(place, canaries, phantom):
    """Files with a text in every place, before the program sees them."""
    root = place.root / "originals"
    site = root / "site"
    for number in range(EXAMS):
        planted_exam(site, canaries, f".{number}")
    planted_pictures(site, canaries, phantom)
    planted_zip(planted_exam(root, canaries, ".50"), canaries, site / f"{canaries.word('name of a zip')}.zip")
    return SimpleNamespace(
        site=site, odd=odd_files(root / "odd", canaries), page=planted_exam(root / "page", canaries),
        sent=planted_exam(root, canaries, ".99"), table=planted_table(root / "table", canaries),
    )  # fmt: skip


@pytest.fixture(scope="module")
def used(place, originals, canaries, small_weights, small_predictor):
    """The program after it was used, and what the page answered."""
    (place.data / "site").mkdir()
    with printed_into(place.root / "service.log"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(listener_module, "LOOK_SECONDS", 0.05)
        decoder, store = Decoder(), Store(place.data / "site")
        place.answers = read_on_the_page(store, decoder, small_predictor, copied(originals.page))
        import_by_a_job(store, originals.site)
        receive(store, decoder, originals.sent)
        sign_all(store)
        place.jobs = teach_and_evaluate(place, store, originals.table, small_weights)
        fail(store, canaries)
        hand_out(place, store, decoder)
        odd = Store(place.data / "odd")
        import_by_a_job(odd, originals.odd)
        place.numbers = store.worklist.numbers()
        decoder.close()
    yield place
    store.close()
    odd.close()


def copied(folder):
    """A copy of files where an upload may be taken from."""
    copy = temporary_folder("visit")
    shutil.copytree(folder, copy, dirs_exist_ok=True)
    return copy


def read_on_the_page(store, decoder, predictor, folder):
    """Open uploaded files, ask the model, draw a map, sign, and open the stored exam again; return all answers."""
    pixels = PixelServer()
    model = ModelEvents(lambda: predictor, store, SharedReads())
    with gr.Blocks():
        page = lay_out_page(store, list(model.ready_prompts))
    exam, form = ExamEvents(decoder, pixels, store, Visits(pixels)), FormEvents(pixels, store)
    room = Room(store, page, exam, form, model, MapEvents(lambda: predictor))
    answers = [exam.open_folder(upload(folder), Visit(), ANN)]
    visit = answers[0][0]
    answers.append(model.show_answers(visit.token, visit, False, False, ANN, *[1] * len(BINARY)))
    visit = answers[-1][0]
    answers.append(room.maps.draw_maps(visit.token, True, "Mass", 0.0, "inferno", "hirescam", False, visit, ANN)[:2])
    visit, _ = room.read_and_sign(visit, "Ann", R_mass="1")
    answers.append(exam.open_stored(visit.exam_number, "", Visit(), ANN))
    return [repr([update for update in answer if not isinstance(update, Visit)]) for answer in answers]


def import_by_a_job(store, folder):
    """Import files as the page does it."""
    queue_import(store, copied(folder), "ann", "owner")
    assert work(store.folder, "demo", idle_seconds=0.1) == 1


def receive(store, decoder, folder):
    """Receive an exam from a modality, and store it."""
    datasets = [pydicom.dcmread(path) for path in sorted(folder.iterdir())]
    before = store.exams.count()
    settings = dict(title="MVMLM", port=0, quiet_seconds=0.25, peers=[Peer("MAMMO", "127.0.0.1")], tell=print)
    with Listener(store, decoder, "ann", **settings) as listener:
        assert send(listener.port, datasets) == [0] * 4
        assert wait_for(lambda: store.exams.count() == before + 1)


def sign_all(store):
    """Sign a read of each exam, with a mass in so many that teaching is possible whoever is drawn for the tests."""
    for number in store.worklist.numbers():
        sign(store, number, "bob", "mass", {(Laterality.RIGHT, "mass"): "1" if number % 4 else "0"})


def teach_and_evaluate(place, store, table, weights):
    """Encode, fine-tune, calibrate, and evaluate a table that is whole and one that cannot be used; return the jobs."""
    config = FinetuneConfig("mass", "linear", None, seed=1).to_json()
    jobs = [
        store.jobs.add("encode", {}, "ann"),
        store.jobs.add("finetune", {"config": config, "who": "ann"}, "ann"),
        store.jobs.add("calibrate", {"task": "mass", "who": "ann"}, "ann"),
    ]
    for path in sorted(table.iterdir()):
        shutil.copy(path, alone := temporary_folder("visit") / path.name)
        request = Request(TABLE, models=()).to_json()
        jobs.append(queue_with_uploads(store, "evaluate", alone.parent, request, "ann", "owner"))
    assert work(store.folder, str(weights), idle_seconds=0.1) == len(jobs)
    for head in store.heads.all():
        (place.out / f"head-{head.id}.safetensors").write_bytes(store.heads.tensors(head.id))
    return [store.jobs.get(job) for job in jobs]


def fail(store, canaries):
    """Let a job, a handler of the page and the web server fail with messages that name a patient."""

    def failing(*_):
        raise KeyError(canaries.word("message of an error"), canaries.day("message of an error, date"))

    store.jobs.add("fail", {}, "ann")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(worker.HANDLERS, "fail", failing)
        assert work(store.folder, "demo", idle_seconds=0.1) == 1
    with gr.Blocks() as demo:
        gr.Button().click(failing)
    log_privately(demo, store)
    with pytest.raises(gr.Error) as said:
        next(iter(demo.fns.values())).fn()
    print(said.value)
    try:
        failing()
    except KeyError:
        logging.getLogger("uvicorn.error").error("Exception in ASGI application", exc_info=True)


def hand_out(place, store, decoder):
    """Write every download, the objects of the readings, the export of the command line, thumbnails and a backup."""
    for write_download in writers().values():
        write_download(store, place.out)
    names = [store.exams.get(number).name for number in store.worklist.numbers()]
    for number in store.worklist.numbers()[:3]:
        Thumbnails(store, lambda: decoder).jpeg(number)
    data = ["--data", str(store.folder)]
    assert main(["dicom-readings", names[0], "--out", str(place.out / "objects"), *data]) == 0
    assert main(["export", str(place.out / "archive"), "--reader", "ann", *data]) == 0
    store.file.backup("test")


def test_the_program_did_what_it_was_asked(used):
    """Else there would be nothing to find."""
    assert len(used.numbers) == EXAMS + 4  # from the page, the zip, the pictures, the modality
    assert [job.state for job in used.jobs] == ["done", "done", "done", "failed", "done"]
    logs = [(used.data / "site" / name).read_text(encoding="utf-8") for name in ("app.log", "jobs.log")]
    assert all('"event": "error"' in log for log in logs) and '"event": "job"' in logs[1]
    written = {path.name for path in used.out.rglob("*")}
    assert {"head-1.safetensors", "readings.csv", "readings.fhir.ndjson", "marks.json", "archive", "objects"} <= written
    assert any(name.endswith("_sr.dcm") for name in written)


@pytest.mark.parametrize("where", ["data", "temp", "cache", "home", "out"])
def test_nothing_of_a_patient_is_left(used, canaries, where):
    assert canaries.left_in(getattr(used, where)) == {}


def test_nothing_of_a_patient_is_printed_or_logged(used, canaries):
    assert canaries.found_in((used.root / "service.log").read_bytes()) == set()


def test_the_page_says_of_an_open_exam_only_its_date_and_the_names_of_its_files_unasked(used, canaries):
    assert canaries.found_in("".join(used.answers).encode()) <= {"file name", "StudyDate"}


def run(arguments, capsys):
    """The output of a command that gives an answer."""
    assert main([str(argument) for argument in arguments]) == 0
    return "".join(capsys.readouterr()).encode()


def test_answers_for_files_name_the_files_and_nothing_in_them(
    originals, place, canaries, small_weights, tmp_path, capsys
):
    known = {"folder", "file name", "StudyDate"}  # whoever asks gave the files; the date is part of `read`
    said = run(["read", originals.page, "--json"], capsys) + run(["read", originals.page], capsys)
    model = ["--weights", small_weights]
    said += run(["predict", originals.page, "--json", tmp_path / "a.json", "--maps", tmp_path / "maps", *model], capsys)
    assert canaries.found_in(said) <= known
    assert {place for places in canaries.left_in(tmp_path).values() for place in places} <= known


def test_a_table_of_scores_names_the_exams_as_they_lie_on_the_disk(
    originals, canaries, small_weights, tmp_path, capsys
):
    out = tmp_path / "scores.parquet"
    said = run(["score", originals.page.parent, "--out", out, "--weights", small_weights, "--workers", 1], capsys)
    rows = repr(pq.read_table(out).to_pylist()).encode()
    assert canaries.found_in(rows + said + repr(pq.read_metadata(out).metadata).encode()) <= {"folder"}
    assert {place for places in canaries.left_in(tmp_path).values() for place in places} <= {"folder"}


def test_an_exam_that_stays_where_it_is_leaves_its_date_and_the_paths_of_its_files(
    originals, canaries, tmp_path, capsys
):
    data = tmp_path / "data"
    said = run(["keep", originals.page, "--reader", "ann", "--data", data], capsys)
    kept = {place for places in canaries.left_in(data).values() for place in places}
    assert canaries.found_in(said) == set() and kept == {"folder", "file name", "StudyDate"}


def test_a_copy_has_the_date_where_dates_are_kept(originals, canaries, tmp_path, capsys):
    run(["keep", originals.page, "--copy", "--dates", "keep", "--reader", "ann", "--data", tmp_path / "data"], capsys)
    assert set(sum(canaries.left_in(tmp_path).values(), [])) == {"StudyDate"}
    run(
        ["keep", originals.page, "--copy", "--dates", "shift", "--reader", "ann", "--data", tmp_path / "shifted"],
        capsys,
    )
    assert canaries.left_in(tmp_path / "shifted") == {}


def test_objects_about_pictures_have_only_what_files_them_under_their_study(
    originals, canaries, small_weights, tmp_path
):
    out = tmp_path / "objects"
    assert (
        main(["dicom-objects", str(originals.page), "--out", str(out), "--maps", "--weights", str(small_weights)]) == 0
    )
    assert len(list(out.iterdir())) >= 3
    for path in out.iterdir():
        found = {place.split()[0] for place in canaries.found_in(path.read_bytes())}
        assert found <= IN_OBJECTS, path.name


def test_what_goes_wrong_at_a_pacs_is_said_without_names(canaries, tmp_path):
    study = STUDY | {
        tag: {"vr": vr, "Value": [value]}
        for tag, vr, value in (
            ("00100010", "PN", {"Alphabetic": canaries.word("name in a PACS")}),
            ("00100020", "LO", canaries.word("ID in a PACS")),
            ("00080050", "SH", canaries.word("accession in a PACS")),
            ("00081030", "LO", canaries.word("description in a PACS")),
        )
    }
    broken = f"HTTP/1.1 500 X\r\nContent-Length: 24\r\n\r\n{canaries.word('answer of a PACS')}{canaries.word('x')}"
    answer = stub_pacs(lambda path: as_json(study) if "/series" not in path else broken)
    with answer as (address, _), PacsClient(PacsAccess(address)) as client:
        (found,) = client.search(patient_id=canaries.word("ID in a PACS"))
        with pytest.raises(PacsError) as said:
            client.fetch(found, tmp_path / "out")
    assert canaries.found_in(f"{said.value!r} {said.value} {found!r}".encode()) == set()
