"""The box “From the PACS” of the Worklist page: its handlers, its job, and what is kept of what a PACS says."""

import json
import re

import gradio as gr
import pytest

from app import build, guarded
from app.error_log import LOG
from app.hosting import Hosting
from app.jobs import JobEvents
from app.read.exam_events import ExamEvents
from app.read.visit import Visit
from app.viewer.pixel_server import PixelServer
from app.visits import Visits
from app.worklist import pacs as page_module
from app.worklist.events import JOBS
from app.worklist.pacs import MOST_LINES, PacsEvents, found_html
from app.workspaces import Workspaces
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.pacs.access import PacsAccess, PacsError, named_access, with_variables
from mvmlm.pacs.client import PacsClient
from mvmlm.pacs.exam_request import fetch_and_store, queue_fetch
from mvmlm.pacs.study import read_study
from mvmlm.private_log import VARIABLE
from mvmlm.store.archive import open_stored_exam
from mvmlm.store.uploads import INCOMING, delete_unneeded_uploads
from mvmlm.worker import work
from tests.orthanc import PASSWORD, USER
from tests.test_app import ANN, BOB
from tests.test_pacs import write_study
from tests.test_pacs_answers import IMAGE, SERIES, STUDY, as_json, item, multipart, status, stub_pacs
from tests.test_planted_scripts import PLANTED, check, runs
from tests.visitors import event, join, running_app

NEW, OLD = "1.2.826.71", "1.2.826.72"
NAMES = {"t00100010": "MUSTER^ANNA", "t00100020": "Ann 7", "t00081030": "SCREENING"}


def study(**tags):
    return STUDY | item(**tags)


@pytest.fixture
def events_for(store, monkeypatch):
    """The handlers of the box for a PACS, which the worker's environment names too; no worker is started."""
    monkeypatch.setattr(page_module, "start_worker", lambda *_: None)

    def events(access):
        settings = {"": access.address, "_USER": access.user, "_PASSWORD": access.password}
        settings["_CA_FILE"] = str(access.ca_file or "")
        for name, value in settings.items():
            monkeypatch.setenv(f"MVMLM_PACS{name}", value)
        return PacsEvents(store, "demo", access, JobEvents(store, JOBS))

    return events


def newest(store):
    (job, *_) = store.jobs.recent()
    return job


def requests_of(store):
    """The files that say which studies wait to be fetched."""
    return list((store.folder / INCOMING).rglob("study.json"))


def kept_text(store):
    """All that a job keeps, as text."""
    job = newest(store)
    return json.dumps([job.settings, job.message, job.log, job.result])


def test_search_lists_what_the_pacs_says_newest_first(events_for):
    items = [study(t0020000D="1.2.1", t00080020="20230101"), study(t0020000D="1.2.2", t00201208="4", **NAMES)]
    with stub_pacs(lambda path: as_json(*items)) as (address, asked):
        found, message = events_for(PacsAccess(address)).search(" Ann 7 ", "", "2023-01-01", "")
    assert message == "" and re.findall('value="([^"]+)"', found) == ["1.2.2"], "another patient's is left out"
    assert all(text in found for text in ("2024-01-01", "Ann 7", "MUSTER ANNA", "SCREENING", ">4</label>"))
    assert "PatientID=Ann?7" in asked[0] and "StudyDate=20230101-" in asked[0]


def test_a_long_list_says_how_much_of_it_is_not_shown():
    studies = [read_study(study(t0020000D=f"1.2.{number}")) for number in range(MOST_LINES + 7)]
    assert found_html(studies).count("<input") == MOST_LINES and "7 older exams not listed" in found_html(studies)
    assert "not listed" not in found_html(studies[:MOST_LINES]) and found_html([]).strip() == ""


@pytest.mark.parametrize(
    "answer, fields, sentence",
    [
        (lambda path: as_json(), ("p", "", "", ""), "no exam with mammograms"),
        (status(401), ("p", "", "", ""), "does not accept the login"),
        (status(500), ("p", "", "", ""), "problem of its own"),
        (lambda path: as_json(*[STUDY] * 201), ("", "a", "", ""), "More than 200 studies fit"),
        (lambda path: as_json(), ("", "", "", ""), "Nothing to search for"),
        (lambda path: as_json(), ("p", "", "1.2.2024", ""), "is not a date. Write 2024-01-31"),
        (lambda path: as_json(), ("p" * 65, "", "", ""), "at most 64 letters"),
        (lambda path: as_json(), ("", "", "2024-02-02", "2024-01-01"), "first date is after the last"),
    ],
)
def test_a_search_that_fails_is_one_sentence_and_no_table(events_for, answer, fields, sentence):
    with stub_pacs(answer) as (address, _):
        found, message = events_for(PacsAccess(address)).search(*fields)
    assert found == "" and sentence in message and message.startswith('<p class="wrong">')


def test_no_answer_is_told_and_who_sets_what_of_the_settings(events_for):
    _, message = events_for(PacsAccess("http://127.0.0.1:1")).search("p", "", "", "")
    assert "No PACS answers" in message
    error = PacsError("The certificate of pacs is not trusted.", "ca_file", "name")
    assert with_variables(error).endswith("The person who runs this program sets MVMLM_PACS_CA_FILE.")


def test_what_a_pacs_plants_is_shown_as_text(events_for):
    tags = dict.fromkeys(("t00100020", "t00100010", "t00100030", "t00081030", "t00080020"), PLANTED)
    with stub_pacs(lambda path: as_json(study(**tags), study(t0020000D=PLANTED))) as (address, _):
        updates = events_for(PacsAccess(address)).search("", "a", "", "")
    shown = check([gr.HTML(render=False)] * 2, updates)
    assert "&lt;img" in shown[0] and shown[0].count("<input") == 1, "a UID that is none is no line"
    odd = read_study(study(t00100010="A\u202eB\x1b[2J"))
    assert runs(found_html([odd])) == [] and "A\ufffdB\ufffd[2J" in found_html([odd])


def serve_exam(images):
    """A PACS with one study of these files."""

    def answer(path):
        if "/instances/" in path:
            return multipart(images[int(path.rsplit(".", 1)[1]) - 1])
        if "/instances" in path:
            kind = "1.2.840.10008.5.1.4.1.1.1.2"
            return as_json(*(item(t00080018=f"1.2.3.1.{n}", t00080016=kind) for n in range(1, len(images) + 1)))
        return as_json(SERIES if "/series" in path else study(**NAMES))

    return stub_pacs(answer)


def exam_bytes(folder, uid="1.2.3", patient="Ann 7", **tags):
    return [path.read_bytes() for path in write_study(folder, uid, "20240101", patient=patient, **tags)]


def test_what_the_worker_needs_lies_beside_the_job_and_dies_with_it(events_for, store, tmp_path):
    with serve_exam(exam_bytes(tmp_path / "exam")) as (address, _):
        events = events_for(PacsAccess(address))
        assert events.fetch("1.2.3", ANN)[0] == "" and events.fetch("1.2.3", ANN)[0] == ""
        assert len(store.jobs.unfinished()) == 1, "pressed twice, it is one job"
        (kept,) = requests_of(store)
        assert kept.stat().st_mode & 0o777 == 0o600 and "1.2.3" in kept.read_text(encoding="utf-8")
        assert work(store.folder, "demo", idle_seconds=0.1) == 1
    job = newest(store)
    assert (job.state, job.message) == ("done", "exam-00001 is stored, with no earlier exam"), job.message
    assert not requests_of(store)
    for text in ("1.2.3", "Ann 7", "MUSTER", "20240101", "2024-01-01", address):
        assert text not in kept_text(store)
    assert "MUSTER" not in "".join(path.read_text(encoding="utf-8") for path in store.folder.glob("*.log"))


def test_an_image_of_another_woman_ends_the_fetch_and_nothing_is_stored(events_for, store, tmp_path):
    with serve_exam(exam_bytes(tmp_path / "exam", patient="Eve 9")) as (address, _):
        events_for(PacsAccess(address)).fetch("1.2.3", ANN)
        work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).state == "failed" and "another study or patient" in newest(store).message
    assert store.exams.count() == 0 and not requests_of(store)


def test_an_image_that_was_not_asked_for_ends_the_fetch_so_that_no_view_is_another_one(events_for, store, tmp_path):
    """A PACS that sends the right breast for the left one too would leave an exam with a view less."""
    first, *others = exam_bytes(tmp_path / "exam")
    with serve_exam([first, first, *others[1:]]) as (address, _):
        events_for(PacsAccess(address)).fetch("1.2.3", ANN)
        work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).state == "failed" and "another image of the study" in newest(store).message
    assert store.exams.count() == 0


def test_sentences_of_a_job_hold_no_date_of_the_exam(events_for, store, monkeypatch):
    monkeypatch.setattr("mvmlm.pacs.client.MAX_IMAGES", 0)
    answer = lambda path: as_json(IMAGE if "/instances" in path else SERIES if "/series" in path else study(**NAMES))  # noqa: E731
    with stub_pacs(answer) as (address, _):
        events_for(PacsAccess(address)).fetch("1.2.3", ANN)
        work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).message.startswith("The study of … has more than 0 images")


def test_a_fetch_can_be_stopped_and_keeps_nothing(events_for, store, tmp_path, decoder):
    with serve_exam(exam_bytes(tmp_path / "exam")) as (address, _):
        events = events_for(PacsAccess(address))
        events.fetch("1.2.3", ANN)
        (request,) = requests_of(store)
        for step in ("asking", "0 of 4", "2 of 4", "0 of 1"):
            found = fetch_and_store(request, store, decoder, "ann", lambda share, told, step=step: step in told)
            assert found.exam is None and "nothing of it is kept" in found.message and store.exams.count() == 0
    assert events.jobs.stop(ANN)[1].visible is False and newest(store).state == "cancelled"
    delete_unneeded_uploads(store)
    assert not requests_of(store)
    assert events.offer_reading(ANN).visible is False


def test_a_worker_of_another_program_fetches_from_no_other_pacs(events_for, store, monkeypatch):
    events_for(PacsAccess("http://127.0.0.1:1")).fetch("1.2.3", ANN)
    monkeypatch.setenv("MVMLM_PACS", "http://127.0.0.1:2")
    work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).state == "failed" and "has no MVMLM_PACS, or another one" in newest(store).message


def test_a_line_must_be_chosen_and_a_text_that_is_no_uid_reaches_no_address(events_for, store):
    asked_for_nothing = events_for(PacsAccess("http://127.0.0.1:1")).fetch("", ANN)
    assert "Choose a line" in asked_for_nothing[0] and not store.jobs.recent()
    with stub_pacs(lambda path: as_json()) as (address, asked):
        for odd in ("../../patients", "1.2\r\nX: y", "1" * 1_000_000, "1.2?x=1"):
            assert "no exam of a PACS" in events_for(PacsAccess(address)).fetch(odd, ANN)[0]
        queue_fetch(store, PacsAccess(address), "../../patients", "ann", "owner")  # nor from the file beside the job
        work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).message.startswith("This is no StudyInstanceUID") and asked == []


@pytest.mark.parametrize(
    "settings, sentence",
    [
        ({"MVMLM_PACS": "pacs.example"}, "no http or https address"),
        ({"MVMLM_PACS": "https://pacs", "MVMLM_PACS_USER": "ann"}, "Set MVMLM_PACS_PASSWORD"),
        ({"MVMLM_PACS": "https://pacs", "MVMLM_PACS_PLAIN_HTTP": "yes"}, "neither 0 nor 1"),
        ({"MVMLM_PACS": "https://pacs", "MVMLM_PACS_CA_FILE": "/nowhere.pem"}, "nowhere.pem: no such file"),
        (
            {"MVMLM_PACS": "http://pacs", "MVMLM_PACS_TOKEN": "secret"},
            "unencrypted to another machine.*MVMLM_PACS_PLAIN_HTTP=1",
        ),
    ],
)
def test_settings_that_are_not_understood_keep_the_app_from_starting(settings, sentence):
    with pytest.raises(PacsError) as error:
        named_access(settings)
    assert re.search(sentence, with_variables(error.value))


def test_a_pacs_is_named_by_the_environment_alone():
    settings = {"MVMLM_PACS": "http://pacs/root/", "MVMLM_PACS_USER": "ann", "MVMLM_PACS_PASSWORD": "secret"}
    access = named_access(settings | {"MVMLM_PACS_PLAIN_HTTP": "1"})
    assert (access.root, access.user, access.password, access.plain_http) == ("http://pacs/root", "ann", "secret", True)
    assert named_access({"MVMLM_PACS_PASSWORD": "secret"}) is None and "secret" not in repr(access)


def ids_of(demo):
    return {getattr(block, "elem_id", None) for block in demo.blocks.values()}


def test_the_box_is_there_where_a_pacs_is_named_and_never_on_a_public_space(store, decoder):
    access, options = PacsAccess("http://127.0.0.1:1"), (lambda: None, decoder, PixelServer(), store, "demo")
    box = {"pacs-opener", "pacs-box", "pacs-search", "pacs-fetch", "read-fetched"}
    assert box <= ids_of(build(*options, Hosting(pacs=access)))
    assert not box & ids_of(build(*options))
    workspaces = Workspaces(store)
    assert not box & ids_of(build(*options, Hosting(workspaces=workspaces)))
    with pytest.raises(ValueError, match="asks no PACS"):
        Hosting(workspaces=workspaces, pacs=access)
    workspaces.close()


def test_search_fetch_with_prior_and_open_against_a_real_pacs(orthanc, events_for, store, decoder, tmp_path):
    access = PacsAccess(orthanc.address, USER, PASSWORD, ca_file=orthanc.certificate)
    sent = {"patient": "Page 1", "name": "SEITE^PIA"}
    with PacsClient(access) as client:
        client.push([*write_study(tmp_path, NEW, "20250303", **sent), *write_study(tmp_path, OLD, "20230303", **sent)])
    events = events_for(access)
    found, message = events.search("Page 1", "", "", "")
    assert message == "" and re.findall('value="([^"]+)"', found) == [NEW, OLD] and "SEITE PIA" in found
    assert events.fetch(NEW, ANN)[0] == ""
    assert work(store.folder, "demo", idle_seconds=0.1) == 1
    job = newest(store)
    assert (job.state, job.message) == ("done", "exam-00001 is stored, with 1 earlier exam"), job.message
    assert not [
        word
        for word in ("Page 1", "SEITE", NEW, "20250303", "2025-03-03", "2023-03-03", PASSWORD)
        if word in kept_text(store)
    ]
    assert events.offer_reading(ANN).visible and not events.offer_reading(BOB).visible
    tabs, number = events.read(ANN)
    assert tabs.selected == "read" and store.exams.earlier(number) == job.result["exam"] + 1
    pixels = PixelServer()
    visit = ExamEvents(decoder, pixels, store, Visits(pixels)).open_stored(number, "", Visit(), ANN)[0]
    assert set(visit.exam.views) == set(STANDARD_VIEWS) == set(visit.exam.prior.views)
    assert all(view.acquisition.date == "20250303" for view in open_stored_exam(store, number, decoder).views.values())
    with pytest.raises(gr.Error, match="Fetch one first"):
        events.read(BOB)


def test_the_same_exam_fetched_again_is_the_stored_one(events_for, store, tmp_path):
    with serve_exam(exam_bytes(tmp_path / "exam")) as (address, _):
        for _ in range(2):
            queue_fetch(store, events_for(PacsAccess(address)).access, "1.2.3", "ann", "owner")
            assert work(store.folder, "demo", idle_seconds=0.1) == 1
    assert store.exams.count() == 1 and newest(store).result["exam"] == 1


def test_an_exam_that_was_stored_before_with_fewer_images_says_that_it_stays_as_it_is(events_for, store, tmp_path):
    """The technologist had not sent all of it yet when it was fetched first."""
    images = exam_bytes(tmp_path / "exam")
    for sent, message in ((images[:3], "is stored"), (images, "was stored before and stays as it is")):
        with serve_exam(sent) as (address, _):
            queue_fetch(store, events_for(PacsAccess(address)).access, "1.2.3", "ann", "owner")
            assert work(store.folder, "demo", idle_seconds=0.1) == 1
        assert newest(store).message == f"exam-00001 {message}, with no earlier exam"
    assert len(store.exams.views(1)) == 3
    assert "images that came to the PACS since it was stored are not in it" in kept_text(store)


def test_files_that_become_no_exam_are_told(events_for, store, tmp_path):
    path = write_study(tmp_path, "1.2.3", "20240101", views=STANDARD_VIEWS[:1], PixelData=b"short")[0]
    with serve_exam([path.read_bytes()]) as (address, _):
        events_for(PacsAccess(address)).fetch("1.2.3", ANN)
        work(store.folder, "demo", idle_seconds=0.1)
    assert newest(store).state == "failed" and not requests_of(store)
    assert newest(store).message.startswith("The exam was fetched and cannot be stored: "), newest(store).message
    assert newest(store).message.endswith("Look at it on the PACS.") and "0000" not in newest(store).message


def test_images_of_one_study_that_become_two_exams_are_told_with_what_is_stored(events_for, store, tmp_path):
    files = [*exam_bytes(tmp_path / "one")[:2], *exam_bytes(tmp_path / "two", birth="19700102")[2:]]
    with serve_exam(files) as (address, _):
        events_for(PacsAccess(address)).fetch("1.2.3", ANN)
        work(store.folder, "demo", idle_seconds=0.1)
    assert store.exams.count() == 2 and newest(store).state == "failed"
    assert "several exams, which are stored apart: exam-00001, exam-00002." in newest(store).message


def test_what_is_searched_and_found_reaches_its_visitor_and_no_log(store, decoder, monkeypatch, caplog):
    monkeypatch.setenv(VARIABLE, "json")
    pixels = PixelServer()
    with stub_pacs(lambda path: as_json(study(**NAMES))) as (address, _), caplog.at_level("INFO"):
        demo = build(lambda: None, decoder, pixels, store, "demo", Hosting(pacs=PacsAccess(address)))
        gate = guarded(demo, pixels, store)
        with running_app(gate, demo) as client:
            client.get("/")
            body = event((gate, demo), "PacsEvents.search", ["Ann 7", "MUSTER", "", ""], "page1")
            assert join(client, body).status_code == 200
            answer = client.get("/gradio_api/queue/data", params={"session_hash": "page1"}).text
    assert "MUSTER ANNA" in answer and "Ann 7" in answer
    log = (store.folder / LOG).read_text(encoding="utf-8")
    assert "PacsEvents.search" in log and "MUSTER" not in log + caplog.text and "Ann 7" not in log + caplog.text
    assert not [path for path in store.folder.rglob("*") if path.is_file() and b"MUSTER" in path.read_bytes()]
