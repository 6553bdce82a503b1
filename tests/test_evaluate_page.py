"""The Evaluate page: its handlers without a browser, its job, and who may see a report."""

import json
from types import SimpleNamespace

import gradio as gr
import pytest

from app.evaluate import events as page_events
from app.evaluate.events import EvaluateEvents
from app.jobs import owner_of
from app.privacy import COOKIE
from mvmlm.protocols import request
from mvmlm.protocols.page_job import evaluate_request
from mvmlm.protocols.request import OWN, PHANTOMS, READINGS, TABLE, Request, report_folder
from mvmlm.protocols.run import EvaluationKey, Run
from mvmlm.store.uploads import INCOMING
from mvmlm.worker import work
from tests.conftest import waiting_upload
from tests.visitors import BASE

pytestmark = pytest.mark.usefixtures("few_resamples")

ANN, BOB = (SimpleNamespace(cookies={COOKIE: name * 43}) for name in "AB")
HEADER = "exam,patient,laterality,task,class,score,label\n"
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def events(store, monkeypatch, small_weights):
    monkeypatch.setattr(page_events, "start_worker", lambda store, weights: None)
    return EvaluateEvents(store, str(small_weights))


def table_text(women=40):
    rows = [f"e{n},p{n},R,mass,present,{0.9 - 0.02 * n},{int(n < women / 2)}\n" for n in range(women)]
    return HEADER + "".join(rows)


def start_table(events, text, folder, name="predictions.csv", visitor=ANN):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return events.start_table(waiting_upload(path, visitor.cookies[COOKIE]), "breast", visitor)


def test_what_cannot_be_done_is_said_and_queues_nothing(events, store):
    wrong = [
        ((READINGS, "", 200, [], "breast", "", 0), "Choose a model"),
        ((PHANTOMS, "", 0, [OWN], "breast", "", 0), "from 1 to 1,000"),
        ((PHANTOMS, "", 10, [OWN], "breast", "", 1000), "from 0 to 100"),
        ((READINGS, "", 10, [OWN], "breast", "mv-mlm", 0), "signed readings do not give"),
        ((PHANTOMS, "", 10, [OWN], "breast", "unknown", 0), "Choose a protocol"),
        ((PHANTOMS, "", 10, [OWN], "pixel", "", 0), "pixel"),
        (("anything", "", 10, [OWN], "breast", "", 0), "Choose what is evaluated"),
    ]
    for values, said in wrong:
        message, *_ = events.start(*values, ANN)
        assert said in message and 'class="wrong"' in message
    assert store.jobs.recent() == []


def test_an_evaluation_runs_in_the_worker_and_its_overview_is_shown(events, store, small_weights):
    message, bar, *_ = events.start(PHANTOMS, "", 3, [OWN], "breast", "rsna", 0, ANN)
    assert message == "" and "Evaluating, job 1: queued" in bar
    work(store.folder, str(small_weights), idle_seconds=0.1)
    job = store.jobs.get(1)
    assert job.state == "done", job.message
    choice = events.list_reports(None, ANN)
    assert choice.value == 1 and "3 phantom exams, protocol rsna" in choice.choices[0][0]
    shown = events.show_report(1, ANN)
    for said in (
        "Malignancy",
        "small 0",
        "AUC",
        "6 breasts",
        "/evaluation/1/report.html",
        "Research use only",
        ", too few cases",
    ):
        assert said in shown
    folder = report_folder(store, 1)
    assert {path.name for path in folder.iterdir()} == {"report.html", "report.md", "report.json", "predictions.csv"}
    command = json.loads((folder / "report.json").read_text(encoding="utf-8"))["command"]
    assert command == "page Evaluate: 3 phantom exams, protocol rsna"


def test_signed_readings_are_evaluated_and_where_there_are_none_it_is_said(labelled, small_weights, monkeypatch, store):
    monkeypatch.setattr(page_events, "start_worker", lambda store, weights: None)
    for folder, words, state in ((labelled, "", "done"), (labelled, "nothing has this word", "failed")):
        events = EvaluateEvents(folder, str(small_weights))
        events.start(READINGS, words, 200, [OWN], "breast", "", 0, ANN)
        work(folder.folder, str(small_weights), idle_seconds=0.1)
        job = folder.jobs.recent(1)[0]
        assert job.state == state, job.message
    assert "signed reading" in job.message
    assert "Mass" in events.show_report(1, ANN) and events.list_reports(None, ANN).choices[0][1] == 1


def test_a_table_is_evaluated_and_deleted(events, store, small_weights, tmp_path):
    none, message, *_ = start_table(events, table_text(), tmp_path)
    assert none is None and message == ""
    work(store.folder, str(small_weights), idle_seconds=0.1)
    job = store.jobs.get(1)
    assert job.state == "done", job.message
    shown = events.show_report(1, ANN)
    assert "1.000" in shown and "The table table.csv" in shown
    assert not list((store.folder / INCOMING).rglob("*.csv"))
    assert not (report_folder(store, 1) / "predictions.csv").exists()


@pytest.mark.parametrize(
    "text, said",
    [
        (HEADER, "has a header and no rows"),
        (HEADER + "e,p,R,mass,present,high,1\n", "No test case"),
        (HEADER + "Mary,p,Smith,mass,present,1,1\n", "No test case"),
    ],
)
def test_a_table_that_cannot_be_evaluated_is_said(events, store, small_weights, text, said, tmp_path):
    start_table(events, text, tmp_path)
    work(store.folder, str(small_weights), idle_seconds=0.1)
    job = store.jobs.get(1)
    assert job.state == "failed" and said in job.message and "error of the program" not in job.message
    assert not {"predictions.csv", "Mary", "Smith"} & set(job.message.split())
    assert events.list_reports(None, ANN).choices == []


@pytest.mark.parametrize("text, said", [("a,Smith\n1,2\n", "found “a”, “Smith”"), ("\x00\x01", "not text")])
def test_a_table_without_its_columns_is_refused_at_once_and_nothing_of_it_is_kept(events, store, text, said, tmp_path):
    assert said in start_table(events, text, tmp_path)[1] and store.jobs.recent() == []


def test_a_file_of_another_kind_is_refused(events, store, tmp_path):
    assert ".csv" in start_table(events, "x", tmp_path, "exam.dcm")[1]
    assert store.jobs.recent() == []


def test_markup_in_a_table_is_shown_as_text(events, store, small_weights, tmp_path):
    text = table_text().replace("mass,present", f'"{MARKUP}",present') + "e9,p9,R,${x},present,oh,1\n"
    start_table(events, text, tmp_path, "${alert(1)}.csv")
    work(store.folder, str(small_weights), idle_seconds=0.1)
    shown = events.show_report(1, ANN)
    assert MARKUP not in shown and "${" not in shown
    assert MARKUP not in (report_folder(store, 1) / "report.html").read_text(encoding="utf-8")


def test_nobody_else_sees_a_report(events, store, small_weights, tmp_path):
    start_table(events, table_text(), tmp_path)
    work(store.folder, str(small_weights), idle_seconds=0.1)
    assert events.list_reports(None, BOB).choices == [] and "No evaluation" in events.show_report(1, BOB)
    nobody = SimpleNamespace(cookies={})
    assert events.list_reports(None, nobody).choices == [] and "No evaluation" in events.show_report(1, nobody)


def test_the_addresses_of_a_report_answer_its_visitor_alone_and_no_other_file(served, visitors):
    store = served[2]
    mine, other = visitors
    owner = owner_of(SimpleNamespace(cookies=dict(mine.cookies)))
    number = store.jobs.add("evaluate", Request(TABLE, models=()).to_json(), "page", owner)
    folder = report_folder(store, number)
    folder.mkdir(parents=True)
    for name in ("report.html", "report.json", "run.sqlite"):
        (folder / name).write_text(name, encoding="utf-8")
    address = f"{BASE}/evaluation/{number}/"
    assert mine.get(address + "report.html").status_code == 404, "not while it runs"
    store.jobs.finish(number, "done", "")
    answer = mine.get(address + "report.html")
    assert answer.status_code == 200 and "sandbox" in answer.headers["content-security-policy"]
    for client, name in ((other, "report.html"), (mine, "run.sqlite"), (mine, "report.md"), (mine, "..%2Frun.sqlite")):
        assert client.get(address + name).status_code == 404
    assert mine.get(f"{BASE}/evaluation/{number + 1}/report.html").status_code == 404


def test_the_menu_lists_the_apps_model_first(events):
    menu = events.list_models([OWN, "gone"])
    assert menu.choices[0] == ("small, the app's", OWN) and menu.value == [OWN]
    shown = events.show_fields(TABLE)
    assert [field.visible for field in shown] == [False, False, True, True, False, False]
    assert isinstance(shown[0], gr.Textbox)


def test_a_report_is_found_however_many_jobs_came_after_it(events, store):
    number = store.jobs.add("evaluate", Request(TABLE, models=()).to_json(), "page", owner_of(ANN))
    store.jobs.finish(number, "done", "")
    for later in range(120):
        store.jobs.finish(store.jobs.add("watch", {"n": later}, "page", "somebody else"), "done", "")
    assert [value for _, value in events.list_reports(None, ANN).choices] == [number]


def test_a_model_that_was_deleted_meanwhile_is_said(events, store, small_weights):
    events.start(PHANTOMS, "", 3, ["mirai"], "breast", "", 0, ANN)
    work(store.folder, str(small_weights), idle_seconds=0.1)
    assert "mirai: not on this machine" in store.jobs.get(1).message


def test_a_job_whose_readings_were_changed_while_it_was_interrupted_begins_anew(store, decoder, small_predictor):
    folder = report_folder(store, 1)
    Run(folder, EvaluationKey("other labels", "")).close()
    wanted = Request(PHANTOMS, phantoms=1)
    report = evaluate_request(wanted, store, decoder, lambda: small_predictor, None, folder, lambda *told: False)
    assert report.results


def test_a_report_whose_files_are_gone_is_said(events, store, small_weights, tmp_path):
    start_table(events, table_text(), tmp_path)
    work(store.folder, str(small_weights), idle_seconds=0.1)
    (report_folder(store, 1) / "report.json").unlink()
    assert "are gone" in events.show_report(1, ANN)


def test_folders_of_evaluations_that_nobody_needs_are_deleted(store, monkeypatch):
    monkeypatch.setattr(request, "MOST_REPORTS", 2)
    states = ("done", "done", "failed", "cancelled", "done", "running")
    for state in states:
        number = store.jobs.add(
            "evaluate", Request(TABLE, models=(), level="exam").to_json() | {"n": state}, "page", state
        )
        report_folder(store, number).mkdir(parents=True)
        if state != "running":
            store.jobs.finish(number, state, "")
    (report_folder(store, 1).parent / "notes").mkdir()
    request.delete_unneeded_reports(store)
    kept = {path.name for path in report_folder(store, 1).parent.iterdir()}
    assert kept == {"2", "5", "6", "notes"}, "the newest reports, one that is at work, and what is not ours"
