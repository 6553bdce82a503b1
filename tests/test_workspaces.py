"""The mode `space`: each visitor has a store of their own, which goes with their visit."""

import threading
import time
from types import SimpleNamespace

import gradio as gr
import pytest
from gradio.context import LocalContext
from starlette.requests import Request

from app import workspaces as module
from app.privacy import ACCOUNT, COOKIE
from app.workspaces import FULL, UNUSED_SECONDS, StoreOfVisitor, Workspaces
from mvmlm.imaging.unpacking import MIN_FREE_BYTES
from mvmlm.store.accounts import Account, Role
from mvmlm.store.archive import add_open_exam
from mvmlm.store.errors import StoreError
from mvmlm.store.limits import StoreLimits
from mvmlm.store.store import Store
from mvmlm.worker import JobError, RunningJob

ANN, BEA = "a" * 43, "b" * 43


def request_of(cookie="", account=None):
    headers = [(b"cookie", f"{COOKIE}={cookie}".encode())] if cookie else []
    return Request({"type": "http", "method": "GET", "path": "/", "headers": headers, ACCOUNT: account})


def account(mark, name="Ann"):
    return Account(name, Role.ADMIN, "2026-01-01", False, mark)


@pytest.fixture
def clock():
    return SimpleNamespace(now=0.0)


@pytest.fixture
def workspaces(tmp_path, clock):
    home = Store(tmp_path / "data")
    made = Workspaces(home, lambda: clock.now)
    yield made
    made.close()
    home.close()


@pytest.fixture
def acts(monkeypatch):
    """A function that lets a visitor act in this thread, as in the handler of an event."""
    tokens = []

    def as_visitor(cookie="", **options):
        tokens.append(LocalContext.request.set(gr.Request(request_of(cookie, **options))))

    yield as_visitor
    for token in reversed(tokens):
        LocalContext.request.reset(token)


def test_each_visitor_has_a_store_and_finds_it_again(workspaces, acts, exam_files):
    store = StoreOfVisitor(workspaces)
    acts(ANN)
    number = add_open_exam(store, exam_files[0], None, "ann")
    read = store.readings.start(number, "ann")
    acts(BEA)
    assert store.exams.count() == 0 and store.readings.readers() == []
    with pytest.raises(StoreError):
        store.exams.get(number)
    acts(ANN)
    assert store.readings.of_exam(number)[0].id == read.id
    assert workspaces.home.exams.count() == 0


def test_an_account_has_the_same_store_in_every_browser_and_another_account_another(workspaces):
    first = workspaces.of(request_of(ANN, account=account("1")))
    assert workspaces.of(request_of(BEA, account=account("1", "renamed"))) is first
    assert workspaces.of(request_of(ANN, account=account("2"))) is not first
    assert workspaces.of(request_of(ANN)) is not first


def test_nobody_without_a_cookie_has_a_store_and_no_store_is_used_where_nobody_acts(workspaces):
    with pytest.raises(StoreError, match="cookie"):
        workspaces.of(request_of())
    with pytest.raises(RuntimeError, match="no visitor acts"):
        _ = StoreOfVisitor(workspaces).exams
    with workspaces.laying_out():
        assert StoreOfVisitor(workspaces).exams is workspaces.home.exams
        other_thread = []
        thread = threading.Thread(target=lambda: other_thread.append(pytest.raises(RuntimeError, workspaces.current)))
        thread.start()
        thread.join()
        assert other_thread


def test_neither_a_cookie_nor_an_account_names_a_folder(workspaces):
    names = {workspaces.of(request_of(ANN)).folder.name, workspaces.of(request_of(account=account("1"))).folder.name}
    assert len(names) == 2 and all(len(name) == 32 and ANN not in name for name in names)


def test_a_visit_that_logs_in_keeps_its_workspace_unless_the_account_has_one(workspaces):
    store = workspaces.of(request_of(ANN))
    store.file.set("mark", "of Ann", "tests")
    workspaces.take_over(request_of(ANN), account("1"))
    own = workspaces.of(request_of(BEA, account=account("1")))
    assert own.file.setting("mark") == "of Ann" and own.limits == module.ACCOUNT_LIMITS
    assert workspaces.of(request_of(ANN)).file.setting("mark") == "", "the visit begins anew"
    workspaces.of(request_of(BEA)).file.set("mark", "of Bea", "tests")
    workspaces.take_over(request_of(BEA), account("1"))
    assert workspaces.of(request_of(account=account("1"))).file.setting("mark") == "of Ann"
    assert workspaces.of(request_of(BEA)).file.setting("mark") == "of Bea"
    workspaces.take_over(request_of(), account("2"))
    assert workspaces.of(request_of(account=account("2"))).file.setting("mark") == ""


def test_the_workspace_of_a_visit_goes_when_its_page_is_gone(workspaces, clock, tmp_path):
    folders = [workspaces.of(request_of(cookie)).folder for cookie in (ANN, BEA)]
    kept = workspaces.of(request_of(ANN, account=account("1"))).folder
    clock.now = UNUSED_SECONDS + 1
    workspaces.sweep(lambda: {ANN})
    assert [folder.exists() for folder in folders] == [True, False] and kept.exists()
    workspaces.sweep(lambda: set())
    assert not folders[0].exists()
    assert workspaces.of(request_of(ANN, account=account("1"))).folder == kept, "it is opened again"
    assert workspaces.of(request_of(BEA)).exams.count() == 0, "it begins anew"


def test_a_workspace_with_a_job_is_not_closed(workspaces, clock):
    store = workspaces.of(request_of(account=account("1")))
    store.jobs.add("encode", {}, "ann")
    clock.now = UNUSED_SECONDS + 1
    workspaces.sweep(lambda: set())
    assert store.jobs.unfinished()


def test_what_an_earlier_start_left_of_visits_is_deleted_and_accounts_stay(workspaces):
    visit = workspaces.of(request_of(ANN)).folder
    kept = workspaces.of(request_of(account=account("1"))).folder
    workspaces.close()
    Workspaces(workspaces.home).close()
    assert kept.exists() and not visit.exists()


def test_a_second_app_on_the_same_folder_does_not_start_and_deletes_nothing(workspaces):
    visit = workspaces.of(request_of(ANN)).folder
    with pytest.raises(StoreError, match="Another app serves a public Space from this data folder"):
        Workspaces(workspaces.home)
    assert visit.exists() and workspaces.of(request_of(ANN)).folder == visit


def test_too_many_visitors_are_told_so_and_who_logs_in_is_not(workspaces, monkeypatch):
    monkeypatch.setattr(module, "MOST_VISITS", 1)
    workspaces.of(request_of(ANN))
    with pytest.raises(StoreError, match=FULL):
        workspaces.of(request_of(BEA))
    workspaces.of(request_of(account=account("1")))


def test_a_visit_that_cannot_be_opened_takes_nobodys_place_and_leaves_nothing(workspaces, monkeypatch):
    def full(folder, limits):
        (folder / "begun").touch()
        raise StoreError("The disk is full.")

    monkeypatch.setattr(module, "MOST_VISITS", 1)
    with monkeypatch.context() as disk:
        disk.setattr(module, "Store", full)
        for cookie in (ANN, BEA, ANN):
            with pytest.raises(StoreError, match="disk is full"):
                workspaces.of(request_of(cookie))
    assert not list((workspaces.home.folder / "workspaces").iterdir())
    assert workspaces.of(request_of(BEA)).exams.count() == 0


def test_a_job_that_a_restart_interrupted_goes_on_when_its_account_is_back(workspaces):
    store = workspaces.of(request_of(account=account("1")))
    number = store.jobs.add("encode", {}, "ann")
    store.jobs.take("a worker that is gone")
    workspaces.close()
    started = []
    again = Workspaces(workspaces.home, opened=started.append)
    store = again.of(request_of(account=account("1")))
    assert started == [store] and store.jobs.get(number).state == "running"
    assert again.of(request_of(account=account("1"))) is store and len(started) == 1
    again.close()


def test_what_a_visitor_types_does_not_fill_the_disk_of_all(tmp_path):
    store = Store(tmp_path, StoreLimits(most_bytes=10_000_000, most_job_seconds=9))
    with pytest.raises(StoreError, match="or your share of it"):
        for number in range(100):
            store.file.set(f"text {number}", "x" * 100_000, "ann")
    assert store.file.path.stat().st_size <= 1_000_000 and store.file.setting("text 0"), "what is there can be read"
    store.close()


def test_a_workspace_leaves_room_on_the_disk_for_others(tmp_path, monkeypatch):
    store = Store(tmp_path, StoreLimits(most_bytes=10**9, most_job_seconds=9))
    store.check_room(10**6)
    monkeypatch.setattr("mvmlm.store.limits.shutil.disk_usage", lambda folder: SimpleNamespace(free=MIN_FREE_BYTES))
    with pytest.raises(StoreError, match="all visitors share"):
        store.check_room(1)
    store.close()


def test_a_full_workspace_takes_no_further_exam_and_says_so(tmp_path, exam_files):
    exam = exam_files[0]
    size = sum(view.pixels.nbytes for view in exam.views.values())
    store = Store(tmp_path, StoreLimits(most_bytes=size, most_job_seconds=9))
    with pytest.raises(StoreError, match="is the most here"):
        add_open_exam(store, exam, None, "ann")
    assert store.exams.count() == 0 and not list(tmp_path.rglob("*.dcm"))
    store.close()
    with pytest.raises(StoreError, match="is the most here"):
        Store(tmp_path).check_room(size)
    assert Store(tmp_path / "other").limits is None


def test_a_job_that_takes_too_long_ends_with_a_sentence(tmp_path):
    store = Store(tmp_path, StoreLimits(most_bytes=10**9, most_job_seconds=120))
    store.jobs.add("encode", {}, "ann")
    job = store.jobs.take("1")
    assert RunningJob(job, store, None, "demo").report_progress(0.5, "x") is False
    with pytest.raises(JobError, match="longer than 2 minutes"):
        RunningJob(job, store, None, "demo", began=time.monotonic() - 121).report_progress(0.5, "x")


def test_models_that_the_host_fetched_are_there_for_every_visitor(workspaces):
    models = workspaces.home.folder / "models"
    models.mkdir()
    (models / "x.safetensors").touch()
    assert [path.name for path in (workspaces.of(request_of(ANN)).folder / "models").iterdir()] == ["x.safetensors"]
