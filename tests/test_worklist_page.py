"""The handlers of the Worklist page, called without a browser."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.exam_filter import ANY, filter_from_controls
from app.jobs import owner_of
from app.privacy import COOKIE
from app.tables import NOT_ENCODED
from app.worklist import events as worklist_events
from app.worklist.agreement_table import agreement_html
from app.worklist.events import WorklistEvents
from app.worklist.exports import export_routes
from app.worklist.rows import PAGE_ROWS, WORKLIST_HEADERS, worklist_rows
from mvmlm.evaluation.agreement import Agreement
from mvmlm.exam import Laterality
from mvmlm.reading.reading import Reading
from mvmlm.store.jobs import MAX_OWN_JOBS
from mvmlm.store.records import Filter
from mvmlm.tasks import TASK
from tests.conftest import waiting_upload

ANN = SimpleNamespace(cookies={COOKIE: "ann"})  # as much of a request as the handlers use
EVERY = ("", ANY, ANY, "", False, "newest", "", "", 0, False)  # the controls as the page starts with them


@pytest.fixture
def started(monkeypatch):
    """The weights with which a worker was started; none is started."""
    weights = []
    monkeypatch.setattr(worklist_events, "start_worker", lambda store, name: weights.append(name))
    return weights


@pytest.fixture
def events(store, predictor):
    return WorklistEvents(store, "demo", lambda: predictor)


def add_exams(store, exam_files, count):
    for number in range(count):
        store.exams.add(*exam_files, "ann", patient_id=f"p{number}", study_id=f"s{number}")


def upload(tmp_path, name, content):
    """A file as it waits after an upload by Ann."""
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return waiting_upload(path)


def test_controls_as_they_start_filter_nothing():
    assert filter_from_controls(*EVERY[:-1]) == Filter()


def test_controls_are_read_as_a_filter():
    read = filter_from_controls("mass", "signed", "B", " Ann  Lee ", True, "name", "2024-01-31", "2024-02-01", 0.5)
    assert read == Filter("mass", "signed", "Ann Lee", "B", True, "name", "20240131", "20240201", 0.5)


def test_a_date_that_cannot_be_read_is_named_and_the_list_stays(events):
    table, line, page = events.list_page(3, *EVERY[:6], "31.1.2024", *EVERY[7:])
    assert (
        "rows" not in table and "&#x27;31.1.2024&#x27; is not a date" in line and 'class="wrong"' in line and page == 3
    )


def test_the_list_is_paged_and_never_leaves_its_pages(events, store, exam_files):
    add_exams(store, exam_files, PAGE_ROWS + 2)
    rows, line, page = events.first_page(*EVERY)
    assert (len(rows), page) == (PAGE_ROWS, 1) and f"{PAGE_ROWS + 2} exams, page 1 of 2" in line
    assert all(len(row) == len(WORKLIST_HEADERS) for row in rows)
    rows, line, page = events.next_page(1, *EVERY)
    assert (len(rows), page) == (2, 2) and "page 2 of 2" in line
    assert events.next_page(2, *EVERY)[2] == 2 and events.previous_page(1, *EVERY)[2] == 1
    assert events.previous_page(2, *EVERY)[2] == 1


def test_scores_are_hidden_until_an_exam_is_signed_or_the_reader_asks(events, store, exam_files):
    add_exams(store, exam_files, 2)
    store.predictions.set_scores([(1, 0.9), (2, 0.2)])
    reading = store.readings.start(1, "ann")
    store.readings.save(reading.id, Reading(), Reading({(Laterality.RIGHT, "mass"): "1"}))
    store.readings.sign(reading.id)
    column = WORKLIST_HEADERS.index("score")

    def scores(show):
        return {row[0]: row[column] for row in worklist_rows(store, Filter(), 1, show)[0]}

    assert scores(False) == {1: "0.90", 2: "hidden"} and scores(True) == {1: "0.90", 2: "0.20"}


def test_uploaded_exams_become_an_import_job(events, store, started, tmp_path):
    waiting = upload(tmp_path, "a.dcm", "x")
    field, message, timer = events.import_exams([waiting], True, "  Ann  Lee ", ANN)
    (job,) = store.jobs.recent()
    assert field is None and "Import 1 waits for the worker" in message and timer.active and started == ["demo"]
    assert job.kind == "import" and job.settings["who"] == "Ann Lee" and job.settings["named"] is True
    assert not Path(waiting).parent.exists(), "nothing stays in the upload cache"
    assert events.import_exams(None, False, "", ANN)[:2] == (None, "")


def test_an_import_that_is_refused_leaves_no_upload(events, store, started, tmp_path):
    for number in range(MAX_OWN_JOBS):
        store.jobs.add("encode", {"n": number}, "ann", owner_of(ANN))
    waiting = upload(tmp_path, "a.dcm", "x")
    field, message, _ = events.import_exams([waiting], False, "", ANN)
    assert field is None and "You have 5 jobs" in message and len(store.jobs.recent()) == MAX_OWN_JOBS
    assert not Path(waiting).exists() and not list(store.folder.rglob("a.dcm")) and started == []


def test_a_visitor_sees_only_own_imports_and_pressing_encode_many_times_is_one_job(events, store, started):
    ann, ben = (SimpleNamespace(cookies={COOKIE: name}) for name in ("ann", "ben"))
    assert {events.encode_all(ann) for _ in range(60)} == {events.encode_all(ann)}
    assert len(store.jobs.recent()) == 1 and events.show_newest_job(ann)[0].startswith("<p>Encoding, job 1: queued")
    assert not events.show_newest_job(ben)[1].active and "ann" not in store.jobs.get(1).owner


def test_imported_labels_are_counted_and_refused_rows_are_named(events, store, exam_files, tmp_path):
    add_exams(store, exam_files, 1)
    name = store.exams.get(1).name
    table = f"exam,laterality,mass\n{name},R,1\n{name},L,0\nunknown,R,1\n"
    field, message = events.import_labels(upload(tmp_path, "labels.csv", table), "ann", ANN)
    assert field is None and "1 readings imported. 1 not: " in message and "unknown" in message
    assert store.worklist.page()[0][0].readers == "ann"


def test_labels_without_a_reader_are_not_imported(events, tmp_path):
    _, message = events.import_labels(upload(tmp_path, "labels.csv", "exam,laterality,mass\n"), " ", ANN)
    assert "Nothing was imported: No reader is named." in message
    assert events.import_labels(None, "ann", ANN) == (None, "")


def test_the_newest_import_is_shown_until_it_has_ended(events, store):
    assert not events.show_newest_job()[1].active
    job = store.jobs.add("import", {}, "ann")
    line, timer = events.show_newest_job()
    assert line.startswith("<p>Import 1: queued.") and timer.active
    store.jobs.finish(job, "done", "2 exams kept", {"problems": ["<a.dcm>: no pixels"]})
    line, timer = events.show_newest_job()
    assert line == "<p>Import 1: done. 2 exams kept. Not used: &lt;a.dcm&gt;: no pixels</p>" and not timer.active


def test_without_encoded_exams_nothing_is_suggested_and_the_button_is_named(events, started):
    rows, line = events.suggest("uncertain", "mass", None)
    assert rows == [] and NOT_ENCODED in line
    assert "Job 1 waits" in events.encode_all() and started == ["demo"]


def test_suggestions_name_their_split_and_leave_out_signed_exams(events, store, predictor, exam_files):

    add_exams(store, exam_files, 12)
    width = predictor.width(TASK["density"].level)
    for number in range(1, 12):
        store.embeddings.add(number, predictor.weights, "source", {None: [number / 10] * width})
    rows, line = events.suggest("diverse", "density", 3)
    assert len(rows) == 3 and {row[2] for row in rows} == {"train"} and "training split" in line
    assert "1 exams are not encoded" in line
    rows, line = events.suggest("random", "density", 20)
    assert {row[2] for row in rows} <= {"test"} and "test split" in line and {row[4] for row in rows} <= {""}


def test_suggestions_say_where_the_active_head_is_not_used(store, predictor, exam_files):
    add_exams(store, exam_files, 4)
    for number in range(1, 5):
        tasks = {None: "density"} | dict.fromkeys(Laterality, "mass")
        vectors = {side: [number / 10] * predictor.width(TASK[task].level) for side, task in tasks.items()}
        store.embeddings.add(number, predictor.weights, "source", vectors)
    noted = predictor.with_heads([], store.tasks, {"mass": "Head m1 is not used."})
    for strategy, said in (("uncertain", True), ("random", False)):
        _, line = WorklistEvents(store, "demo", lambda: noted).suggest(strategy, "mass", 3)
        assert ("Head m1 is not used." in line) is said, line


def test_two_different_readers_are_needed_to_compare(events):
    assert "Choose two readers" in events.compare_readers("ann", "ann")
    assert "Choose two readers" in events.compare_readers(None, "ann")
    assert "have not signed" in events.compare_readers("ann", "<b>ben</b>") and "<b>" not in events.compare_readers(
        "ann", "<b>ben</b>"
    )


def test_the_agreement_table_writes_kappa_or_a_dash():
    page = agreement_html("ann", "ben", [Agreement("Mass", 4, 0.5, 0.25), Agreement("Density", 2, 1.0, None)])
    assert "<td>4</td><td>50%</td>" in page and "<td>0.25</td>" in page and "<td>–</td>" in page


def test_downloads_are_for_visitors_of_the_app(store):
    client = TestClient(Starlette(routes=export_routes(store)))
    assert client.get("/export/marks.json").status_code == 403
    cookie = {"cookie": f"{COOKIE}=ann"}
    assert json.loads(client.get("/export/marks.json", headers=cookie).content)["images"] == []
    assert client.get("/export/readings.csv", headers=cookie).text.startswith("exam,reader,round")
    assert client.get("/export/exams.csv", headers=cookie).status_code == 200
    for missing in ("mvmlm.db", "head-9.safetensors", "head-x.safetensors"):
        assert client.get(f"/export/{missing}", headers=cookie).status_code == 404
