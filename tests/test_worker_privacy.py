"""What a job leaves behind: no name, no ID, no date, no original file, and a traceback without values."""

import json
import stat
from dataclasses import replace

import pytest

from mvmlm import worker
from mvmlm.exam import Exam, Question, SetAside, ViewName
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.files import NoExam, list_files
from mvmlm.imaging.load import exam_from_listing
from mvmlm.private_log import traceback_without_values
from mvmlm.store.database import StoreError
from mvmlm.store.import_outcomes import OutcomeWriter
from mvmlm.store.uploads import INCOMING, queue_import
from mvmlm.temporary import LOCK, temporary_folder
from mvmlm.worker import LOG, work
from tests.test_load import write_four

SURNAME, ID, DATE = "MUELLER", "PID-4711", "20240309"
SECRETS = (SURNAME, "mueller", ID, DATE, "2024-03-09")


@pytest.fixture
def uploads():
    """Uploads of an exam of one patient whose files are named after her, with two that cannot be used."""

    def edit(ds):
        ds.StudyDate, ds.PatientName, ds.StudyDescription = DATE, f"{SURNAME}^ANNA", f"{SURNAME} screening"

    folder = write_four(temporary_folder("visit"), patient=ID, edit=edit)
    for path in list(folder.iterdir()):
        path.rename(folder / f"{SURNAME}_{path.name}")
    (folder / f"{SURNAME}_letter.txt").write_text("no image", encoding="utf-8")
    (folder / f"scan.{SURNAME}").write_text("no image", encoding="utf-8")
    return folder


def row_of(store, number):
    return json.dumps(dict(store.file.one("SELECT * FROM jobs WHERE id = ?", [number])))


def files_left(store):
    return [p.name for p in (store.folder / INCOMING).rglob("*") if p.is_file() and p.name != LOCK]


def run(store):
    return work(store.folder, "weights", idle_seconds=0.1)


def test_an_import_says_nothing_about_the_patient_and_keeps_no_original(store, uploads):
    job = queue_import(store, uploads, "ann", "owner")
    assert run(store) == 1
    done = store.jobs.get(job)
    assert (done.state, done.message) == ("done", "1 exams imported, 2 failed")
    places = [problem.split(": ")[0] for problem in done.result["problems"]]
    assert places == ["file 5 of 6 by name (.txt)", "file 6 of 6 by name"]
    assert [secret for secret in SECRETS if secret in row_of(store, job)] == [] and files_left(store) == []


def fail_with(error):
    def import_exams(*args, **kwargs):
        raise error

    return import_exams


def test_a_failed_import_keeps_no_original_and_its_traceback_is_in_a_private_log(store, uploads, monkeypatch):
    error = ValueError(f"{SURNAME}_R_CC.dcm: patient {ID} of {DATE}")
    monkeypatch.setattr(worker, "import_exams", fail_with(error))
    job = queue_import(store, uploads, "ann", "owner")
    assert run(store) == 1
    failed, log = store.jobs.get(job), store.folder / LOG
    assert failed.state == "failed" and "ValueError" in failed.message and LOG in failed.message
    text = log.read_text(encoding="utf-8")
    assert f"job {job} (import) failed" in text and "mvmlm/worker.py:" in text and "builtins.ValueError" in text
    assert [secret for secret in SECRETS if secret in row_of(store, job) + text] == [] and files_left(store) == []
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "error, expected",
    [
        (OSError(28, "No space left on device", f"/tmp/{SURNAME}.dcm"), "The disk is full."),
        (PermissionError(13, "Permission denied", f"/tmp/{SURNAME}.dcm"), "an error of the program (PermissionError)"),
        (KeyError(ID), "an error of the program (KeyError)"),
        (MemoryError(SURNAME), "not enough memory"),
        (NoExam(f"{SURNAME}.dcm", (SetAside(f"{SURNAME}.dcm", "damaged"),)), "cannot be opened: damaged."),
        (StoreError("exam-00001: the image is missing."), "exam-00001: the image is missing."),
    ],
)
def test_why_a_job_failed_is_said_without_patient_data(store, uploads, monkeypatch, error, expected):
    monkeypatch.setattr(worker, "import_exams", fail_with(error))
    job = queue_import(store, uploads, "ann", "owner")
    run(store)
    assert expected in store.jobs.get(job).message
    assert [secret for secret in SECRETS if secret in row_of(store, job)] == []


def test_an_import_that_is_stopped_is_cancelled_and_keeps_no_original(store, uploads, monkeypatch):
    job = queue_import(store, uploads, "ann", "owner")
    take = type(store.jobs).take

    def take_and_cancel(self, name):
        taken = take(self, name)
        if taken is not None:
            store.jobs.cancel_own("owner", "ann")
        return taken

    monkeypatch.setattr(type(store.jobs), "take", take_and_cancel)
    run(store)
    stopped = store.jobs.get(job)
    assert (stopped.state, stopped.progress) == ("cancelled", 0.0) and "before it was stopped" in stopped.message
    assert files_left(store) == [] and store.exams.count() == 0


def test_the_originals_of_an_import_that_was_killed_stay_until_it_has_been_repeated(store, uploads):
    job = queue_import(store, uploads, "ann", "owner")
    store.jobs.take("a worker that was killed")
    assert run(store) == 1
    assert store.jobs.get(job).state == "done" and "interrupted" in store.jobs.get(job).log and files_left(store) == []


def test_reasons_are_said_without_names_ids_and_dates(uploads, tmp_path):
    decoder = Decoder()
    listing = list_files(sorted(uploads.iterdir()), tmp_path, decoder)
    decoder.close()
    write = OutcomeWriter(listing)
    text = f"{SURNAME}_R_CC.dcm differs from patient {ID.lower()}, study of 2024-03-09, in R_CC and L_MLO"
    assert write.without_names(text) == "… differs from patient …, study of …, in R_CC and L_MLO"
    error = NoExam(f"{SURNAME}", (SetAside("another.dcm", "not hers"), SetAside(f"{SURNAME}_R_CC.dcm", "damaged")))
    refused = write.refused(0, listing.groups[0], error)
    assert (refused.place, refused.why) == ("exam 1 of 1", "no picture could be read (damaged)")
    assert ID in refused.title, "at a terminal the names are those of the files"


def test_what_a_reader_must_know_about_whose_exam_it_is_reaches_the_page(store):
    job = queue_import(store, write_four(temporary_folder("visit"), patient="ANONYMOUS"), "ann", "owner")
    run(store)
    (note,) = store.jobs.get(job).result["notes"]
    assert note.startswith("exam 1 of 1: The patient ID of exam-00001 names nobody")


def test_an_open_question_about_a_view_is_said_without_the_patients_data(uploads, tmp_path):
    decoder = Decoder()
    listing = list_files(sorted(uploads.iterdir()), tmp_path, decoder)
    exam = exam_from_listing(listing, decoder)
    decoder.close()
    view = exam.views[ViewName.parse("R_CC")]
    text = f"{view.file} of {ID}: left or right?"
    asked = replace(view, marks=(Question("side", view.file, text, "laterality", ("left", "right")),))
    (outcome,) = OutcomeWriter(listing).not_used_of(Exam({}, (asked,)), listing.groups[0])
    assert (outcome.reason, outcome.why) == (text, "… of …: left or right?")


def test_a_view_that_is_not_kept_with_its_exam_is_said(store, uploads):
    from pydicom import dcmread

    path = uploads / f"{SURNAME}_R_CC.dcm"
    second = dcmread(path)
    second.SOPInstanceUID += ".1"
    second.save_as(uploads / f"{SURNAME}_again.dcm")
    job = queue_import(store, uploads, "ann", "owner")
    run(store)
    assert any("R_CC occurs more than once" in problem for problem in store.jobs.get(job).result["problems"])
    assert [secret for secret in SECRETS if secret in row_of(store, job)] == []


def test_a_traceback_names_every_cause_and_no_value():
    try:
        try:
            raise KeyError(ID)
        except KeyError as error:
            raise ValueError(SURNAME) from error
    except ValueError as error:
        text = traceback_without_values(error)
    assert text.index("builtins.KeyError") < text.index("builtins.ValueError") and "test_worker_privacy.py" in text
    assert ID not in text and SURNAME not in text
