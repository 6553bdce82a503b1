"""The handlers of the Worklist page, called without a browser."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.exam_filter import ANY, filter_from_controls
from app.gate.table import find_route
from app.jobs import owner_of
from app.privacy import COOKIE
from app.tables import NOT_ENCODED
from app.worklist import events as worklist_events
from app.worklist.agreement_table import agreement_html
from app.worklist.chips import OFF, removed
from app.worklist.events import BY_FILTER, BY_HAND, WorklistEvents
from app.worklist.exports import FHIR, export_routes
from app.worklist.page import export_links
from app.worklist.rows import PAGE_ROWS, WORKLIST_HEADERS, worklist_html, worklist_rows
from mvmlm.evaluation.agreement import Agreement
from mvmlm.exam import Laterality
from mvmlm.reading.reading import Reading
from mvmlm.store.jobs import MAX_OWN_JOBS
from mvmlm.store.records import Filter
from mvmlm.tasks import TASK
from tests.conftest import waiting_upload

ANN = SimpleNamespace(cookies={COOKIE: "ann"})  # as much of a request as the handlers use
EVERY = ("", ANY, ANY, "", False, "newest", "", "", "", None, False, "")  # the controls as the page starts with them


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
    assert filter_from_controls(*EVERY) == Filter(seen_by="")


def test_controls_are_read_as_a_filter():
    read = filter_from_controls("mass", "signed", "B", " Ann  Lee ", True, "name", "2024-01-31", "2024-02-01", 0.5)
    assert read == Filter("mass", "signed", "Ann Lee", "B", True, "name", "20240131", "20240201", 0.5)
    assert filter_from_controls(score="0,4", in_list=3) == Filter(score=0.4, in_list=3)
    with pytest.raises(ValueError, match="'2' is not a score"):
        filter_from_controls(score="2")


def test_a_date_that_cannot_be_read_is_named_and_the_list_stays(events):
    table, line, page, _ = events.list_page(3, *EVERY[:6], "31.1.2024", *EVERY[7:])
    assert (
        table == gr.skip() and "&#x27;31.1.2024&#x27; is not a date" in line and 'class="wrong"' in line and page == 3
    )


def rows_of(table):
    """The exam's number of each row of the table."""
    return [int(number) for number in re.findall(r'<input type="checkbox" data-exam="(\d+)"', table)]


def test_the_list_is_paged_and_never_leaves_its_pages(events, store, exam_files):
    add_exams(store, exam_files, PAGE_ROWS + 2)
    table, line, page, _ = events.first_page(*EVERY)
    assert (len(rows_of(table)), page) == (PAGE_ROWS, 1) and f"{PAGE_ROWS + 2} exams, page 1 of 2" in line
    assert table.count('data-testid="cell-0-') == len(WORKLIST_HEADERS) == table.count("<th data-col")
    table, line, page, _ = events.next_page(1, *EVERY)
    assert (rows_of(table), page) == ([2, 1], 2) and "page 2 of 2" in line
    assert events.next_page(2, *EVERY)[2] == 2 and events.previous_page(1, *EVERY)[2] == 1
    assert events.previous_page(2, *EVERY)[2] == 1
    assert "No exam fits" in events.first_page("nothing", *EVERY[1:])[0]


def test_text_of_files_is_inert_in_the_list(store, exam_files):
    store.exams.add(*exam_files, "ann", name="<b>${1+1}")
    table = worklist_html(worklist_rows(store, Filter(), 1)[0])
    assert "&lt;b&gt;" in table and "<b>" not in table and "${" not in table


def test_each_filter_that_is_on_is_a_chip_and_can_be_taken_off(events, store, exam_files):
    add_exams(store, exam_files, 2)
    number = store.lists.add("Tuesday", [2], "ann")
    on = ("mass", "signed", ANY, "<i>", True, "name", "2024-01-31", "", "0.5", number, True, "Ann")
    chips = events.first_page(*on)[3]
    assert re.findall(r'data-filter="(\w+)"', chips) == [
        "words", "state", "reader", "disagreement", "since", "score", "in_list", "show_answers", "all",
    ]  # fmt: skip
    assert "Tuesday" in chips and "&lt;i&gt;" in chips and "newest" not in chips
    assert events.first_page(*EVERY)[3].strip() == ""

    def updates(name):
        return dict(zip(OFF, removed(SimpleNamespace(_data={"filter": name})), strict=True))

    assert updates("state")["state"] == gr.update(value=ANY) and updates("state")["words"] == gr.skip()
    assert updates("all")["order"] == gr.skip() and updates("all")["in_list"] == gr.update(value=None)


def test_a_list_is_made_by_hand_or_by_filter_and_shown_and_deleted(events, store, exam_files):
    add_exams(store, exam_files, 5)
    message, choices = events.make_list("4 2", "  By  hand ", BY_HAND, "Ann", *EVERY)
    assert "“By hand” holds 2 exams" in message and choices.value == 1 and store.lists.exams(1) == [4, 2]
    message, choices = events.make_list("", "Found", BY_FILTER, "Ann", *EVERY[:5], "oldest", *EVERY[6:])
    assert store.lists.exams(2) == [1, 2, 3, 4, 5] and store.lists.get(2).exam_filter == Filter(order="oldest")
    table, line, *_ = events.first_page(*EVERY[:9], 1, False, "")
    assert rows_of(table) == [4, 2] and "2 exams" in line
    for wrong in (("", "x", BY_HAND, "Ann"), ("1", " ", BY_HAND, "Ann"), ("1", "Found", BY_HAND, "Ann"),
                  ("9", "x", BY_HAND, "Ann"), ("one", "x", BY_HAND, "Ann"), ("1", "x", BY_HAND, " ")):  # fmt: skip
        assert 'class="wrong"' in events.make_list(*wrong, *EVERY)[0], wrong
    assert "“By hand” is deleted" in events.delete_list(1, "Ann")[0] and store.exams.count() == 5
    assert [one.name for one in store.lists.all()] == ["Found"]
    assert "Choose the list" in events.delete_list(None, "Ann")[0]


@pytest.fixture
def read_by_ann(store, exam_files):
    """Two exams with scores; Ann has a final read of the first one."""
    add_exams(store, exam_files, 2)
    store.predictions.set_scores([(1, 0.9), (2, 0.95)])
    reading = store.readings.start(1, "Ann")
    stated = {(Laterality.RIGHT, "mass"): "1", (None, "density"): "D", (None, "note"): "spiculated"}
    store.readings.save(reading.id, Reading(), Reading(stated))
    store.readings.finalise(store.readings.sign(reading.id).id)
    return store


def test_what_reads_and_the_model_say_is_hidden_from_who_has_not_read_the_exam(read_by_ann):
    columns = [WORKLIST_HEADERS.index(name) for name in ("density", "score")]

    def shown(seen_by):
        rows = worklist_rows(read_by_ann, Filter(seen_by=seen_by), 1)[0]
        return {row[0]: tuple(row[column] for column in columns) for row in rows}

    assert shown("Ann") == {1: ("D", "0.90"), 2: ("", "hidden")}
    assert shown("Bob") == shown("") == {1: ("hidden", "hidden"), 2: ("", "hidden")}
    assert shown(None) == {1: ("D", "0.90"), 2: ("", "0.95")}, "who asks for it sees all"


def test_what_is_hidden_is_not_told_by_filter_order_or_search(read_by_ann):
    def found(seen_by, **wanted):
        return read_by_ann.worklist.ordered_numbers(Filter(seen_by=seen_by, **wanted), 9)

    for wanted in ({"density": "D"}, {"score": 0.5}, {"words": "spiculated"}):
        assert found("Ann", **wanted) == [1] and found("Bob", **wanted) == [], wanted
    assert found(None, score=0.5) == [2, 1] and found("Bob", words="ann") == [1]
    orders = {who: found(who, order="highest score") for who in ("Ann", "Bob", None)}
    assert orders == {"Ann": [1, 2], "Bob": [1, 2], None: [2, 1]}
    assert [exam.id for exam in read_by_ann.worklist.page(Filter(seen_by="Ann", order="lowest score"), 0, 1)[0]] == [1]
    assert read_by_ann.worklist.page(Filter(seen_by="Bob", words="spiculated"))[1] == 0


def test_one_reader_alone_needs_no_name_to_see_what_was_read(read_by_ann, events):
    assert "0.90" in events.first_page(*EVERY)[0]
    read_by_ann.readings.start(2, "Bob")
    assert "0.90" not in events.first_page(*EVERY)[0] and "0.90" in events.first_page(*EVERY[:-1], "Ann")[0]


def test_uploaded_exams_become_an_import_job(events, store, started, tmp_path):
    waiting = upload(tmp_path, "a.dcm", "x")
    field, message, bar, stop, timer = events.import_exams([waiting], True, "  Ann  Lee ", ANN)
    (job,) = store.jobs.recent()
    assert (field, message) == (None, "") and "Import, job 1: queued" in bar and stop.visible and timer.active
    assert started == ["demo"]
    assert job.kind == "import" and job.settings["who"] == "Ann Lee" and job.settings["named"] is True
    assert not Path(waiting).parent.exists(), "nothing stays in the upload cache"
    assert events.import_exams(None, False, "", ANN)[:2] == [None, ""]


def test_an_import_that_is_refused_leaves_no_upload(events, store, started, tmp_path):
    for number in range(MAX_OWN_JOBS):
        store.jobs.add("encode", {"n": number}, "ann", owner_of(ANN))
    waiting = upload(tmp_path, "a.dcm", "x")
    field, message, *_ = events.import_exams([waiting], False, "", ANN)
    assert field is None and "You have 5 jobs" in message and len(store.jobs.recent()) == MAX_OWN_JOBS
    assert not Path(waiting).exists() and not list(store.folder.rglob("a.dcm")) and started == []


def test_a_visitor_sees_only_own_imports_and_pressing_encode_many_times_is_one_job(events, store, started):
    ann, ben = (SimpleNamespace(cookies={COOKIE: name}) for name in ("ann", "ben"))
    for _ in range(60):
        assert "Encoding, job 1: queued" in events.encode_all(ann)[1]
    assert len(store.jobs.recent()) == 1 and "Encoding, job 1: queued" in events.jobs.show(ann)[0]
    nothing, stop, timer = events.jobs.show(ben)
    assert nothing == "" and not stop.visible and not timer.active and "ann" not in store.jobs.get(1).owner


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


def test_an_import_is_shown_until_it_has_ended_with_what_was_not_used(events, store):
    assert not events.jobs.show()[2].active
    job = store.jobs.add("import", {}, "ann")
    bar, stop, timer = events.jobs.show()
    assert "Import, job 1: queued." in bar and stop.visible and timer.active
    assert events.list_after_job(None, 1, *EVERY) == [gr.skip()] * 4, "no row moves under the reader's hands"
    store.jobs.finish(job, "done", "2 exams kept", {"problems": ["<a.dcm>: no pixels"]})
    bar, stop, timer = events.jobs.show()
    assert "Import, job 1: done.</b> 2 exams kept" in bar and "Not used: &lt;a.dcm&gt;: no pixels" in bar
    assert "progressbar" not in bar and not stop.visible and not timer.active
    assert "0 exams" in events.list_after_job(None, 1, *EVERY)[1]


def test_without_encoded_exams_nothing_is_suggested_and_the_button_is_named(events, started):
    rows, line = events.suggest("uncertain", "mass", None)
    assert rows == [] and NOT_ENCODED in line
    assert "job 1: queued" in events.encode_all()[1] and started == ["demo"]


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
    assert "have no final reads" in events.compare_readers("ann", "<b>ben</b>") and "<b>" not in events.compare_readers(
        "ann", "<b>ben</b>"
    )


def test_the_agreement_table_writes_kappa_or_a_dash():
    left_out = {"signed, but not final yet": 3}
    page = agreement_html("ann", "ben", [Agreement("Mass", 4, 0.5, 0.25), Agreement("Density", 2, 1.0, None)], left_out)
    assert "3 signed, but not final yet" in page
    assert "<td>4</td><td>50%</td>" in page and "<td>0.25</td>" in page and "<td>–</td>" in page


def test_downloads_are_for_visitors_of_the_app(store):
    client = TestClient(Starlette(routes=export_routes(store)))
    assert client.get("/export/marks.json").status_code == 403
    cookie = {"cookie": f"{COOKIE}=ann"}
    assert json.loads(client.get("/export/marks.json", headers=cookie).content)["images"] == []
    assert client.get("/export/readings.csv", headers=cookie).text.startswith("exam,reader,kind")
    assert client.get("/export/exams.csv", headers=cookie).status_code == 200
    assert client.get(f"/export/{FHIR}", headers=cookie).content == b"", "no reading is signed"
    for missing in ("mvmlm.db", "head-9.safetensors", "head-x.safetensors"):
        assert client.get(f"/export/{missing}", headers=cookie).status_code == 404


def test_signed_readings_are_offered_as_fhir_where_its_packages_are_installed(store, exam_files, monkeypatch):
    number = store.exams.add(*exam_files, "ann")
    read = store.readings.start(number, "ann")
    store.readings.save(read.id, read.reading, Reading({(None, "density"): "C"}))
    store.readings.sign(read.id)
    client, cookie = TestClient(Starlette(routes=export_routes(store))), {"cookie": f"{COOKIE}=ann"}
    assert client.get(f"/export/{FHIR}").status_code == 403
    answer = client.get(f"/export/{FHIR}", headers=cookie)
    assert [json.loads(line)["resourceType"] for line in answer.text.splitlines()] == ["Bundle"]
    assert FHIR in answer.headers["content-disposition"] and f"export/{FHIR}" in export_links()
    assert find_route("GET", f"/export/{FHIR}") is not None, "the gate lets it through"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert client.get(f"/export/{FHIR}", headers=cookie).status_code == 404 and FHIR not in export_links()
