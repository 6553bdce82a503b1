"""What one visitor has, another one cannot reach, in each mode: by address, session, state, upload, job or number."""

import sys

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from app.gate.table import page_events
from app.hosting import Hosting
from app.jobs import owner_of
from app.mode import Mode
from app.privacy import ACCOUNT, COOKIE
from app.workspaces import Workspaces
from mvmlm.protocols.request import report_folder
from mvmlm.store.accounts import Role
from tests.conftest import ROOT
from tests.test_logins import PASSWORD, log_in
from tests.visitors import BASE, event, file_of, join, running_app, uploaded

sys.path.insert(0, str(ROOT / "scripts"))
from page_client import EventFailed, PageClient

PEOPLE = {"Ann": Role.ADMIN, "Bea": Role.ADMIN}


@pytest.fixture(scope="module", params=list(Mode))
def hosted(request, tmp_path_factory, decoder, small_predictor):
    """The app as `launch` serves it in a mode, with its store and its workspaces."""
    from app import build, guarded
    from app.viewer.pixel_server import PixelServer
    from mvmlm.store.store import Store

    home, pixels = Store(tmp_path_factory.mktemp("data")), PixelServer()
    workspaces = Workspaces(home) if request.param is Mode.SPACE else None
    for name, role in PEOPLE.items() if request.param is Mode.SERVER else ():
        home.accounts.add(name, role, PASSWORD, "tests")
    demo = build(lambda: small_predictor, decoder, pixels, home, "demo", Hosting(workspaces=workspaces))
    gate = guarded(demo, pixels, home, mode=request.param, workspaces=workspaces)
    with running_app(gate, demo) as client:
        yield gate, demo, request.param, client.portal, home, workspaces
    if workspaces:
        workspaces.close()
    home.close()


@pytest.fixture(scope="module")
def pages(hosted):
    """The pages of two visitors; Ann has the phantom exam open and reads it as a stored exam."""

    def page(name):
        client = TestClient(hosted[0], base_url=BASE)
        client.portal = hosted[3]
        if hosted[2] is Mode.SERVER:
            assert log_in(client, name).status_code == 200
        return PageClient(BASE, client)

    ann, bea = page("Ann"), page("Bea")
    ann.raise_event("demo-phantom", "click")
    ann.raise_event("start-reading", "click", {"reader": "Ann"})
    assert shown(ann)["kept"]
    return ann, bea


def raised(page, app, handler, data=None, **parts):
    """The last updates of an event that a page raises by its handler. data: None for nothing in every input."""
    *_, updates = page.answers(event(app, handler, data, page.session) | parts)
    return updates


def inputs(app, handler, **given):
    """What a page sends to a handler: nothing but what is given by the number of the input, as `n0=...`."""
    data = event(app, handler)["data"]
    for name, value in given.items():
        data[int(name.removeprefix("n"))] = value
    return data


def request_of(hosted, page, name):
    """A request as the gate passes it on."""
    account = hosted[4].accounts.get(name) if hosted[2] is Mode.SERVER else None
    cookie = f"{COOKIE}={page.browser.cookies[COOKIE]}".encode()
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [(b"cookie", cookie)], ACCOUNT: account})


def store_of_ann(hosted, pages):
    """The store in which Ann's work is."""
    return hosted[5].of(request_of(hosted, pages[0], "Ann")) if hosted[5] else hosted[4]


def shown(page):
    """What the address of a page says of its open exam."""
    return page.value("address")


def pixel_token(page):
    """The name under which the pixels of a page's exam are served."""
    return page.value("viewer")["exam"]


def test_pixels_maps_and_technique_go_to_who_opened_the_exam(pages):
    ann, bea = pages
    for what in ("raw", "preview", "picture.jpg", "technique", "table-0", "display-check"):
        path = f"/viewer/{pixel_token(ann)}/0/{what}"
        assert bea.browser.get(path).status_code in (403, 404), what
    for what in ("raw", "preview", "picture.jpg", "technique", "display-check"):
        assert ann.browser.get(f"/viewer/{pixel_token(ann)}/0/{what}").status_code == 200, what


def test_the_session_of_a_page_is_of_no_use_to_another_visitor(hosted, pages):
    ann, bea = pages
    assert join(bea.browser, event(hosted, "ExamEvents.open_demo", session=ann.session)).status_code in (403, 404)
    for path in (
        f"/gradio_api/queue/data?session_hash={ann.session}",
        f"/gradio_api/heartbeat/{ann.session}",
        f"/gradio_api/upload_progress?upload_id={ann.session}",
    ):
        assert bea.browser.get(path).status_code in (403, 404), path
    assert bea.browser.post(f"/gradio_api/upload?upload_id={ann.session}", files={"files": b"x"}).status_code == 403


def test_the_address_of_an_open_exam_opens_it_for_nobody_else(hosted, pages):
    ann, bea = pages
    before = shown(bea)
    raised(
        bea, hosted, "ExamEvents.show_again", inputs(hosted, "ExamEvents.show_again", n0="w", n1=shown(ann)["address"])
    )
    assert bea.value("viewer") == {} or bea.value("viewer")["exam"] != pixel_token(ann)
    assert shown(bea) == before


def test_an_event_with_the_token_of_anothers_exam_changes_nothing_of_it(hosted, pages):
    ann, bea = pages
    token = ann.value("token")
    reads = ann.browser.get("/export/readings.csv").text
    for handler in ("FormEvents.sign", "FormEvents.undo", "FormEvents.change", "ModelEvents.answers"):
        try:
            raised(bea, hosted, handler, inputs(hosted, handler, n0=token))
        except EventFailed:
            continue
    assert ann.browser.get("/export/readings.csv").text == reads
    assert raised(ann, hosted, "ModelEvents.answers", inputs(hosted, "ModelEvents.answers", n0=token)), "her own works"


def test_an_upload_is_taken_from_nobody_but_its_visitor(hosted, pages):
    ann, bea = pages
    (path,) = uploaded(ann.browser, ("a.dcm", b"secret of Ann"))
    taken = join(bea.browser, event(hosted, "ExamEvents.upload", [[file_of(path)], None], bea.session))
    assert taken.status_code in (403, 404), taken.text


def test_a_job_is_stopped_by_who_started_it(hosted, pages, monkeypatch):
    ann, bea = pages
    for module in ("app.worklist.events", "app.evaluate.events"):
        monkeypatch.setattr(f"{module}.start_worker", lambda store, weights: None)
    if hosted[2] is Mode.SPACE:
        with pytest.raises(EventFailed, match="nobody can log in"):
            raised(ann, hosted, "WorklistEvents.encode_all")
        return
    store = hosted[4]
    raised(ann, hosted, "WorklistEvents.encode_all")
    (job,) = store.jobs.unfinished()
    for handler, number in all_of(hosted, "JobEvents.stop"):
        body = event(hosted, handler, session=bea.session)
        *_, _ = bea.answers(body | number)
    assert not store.jobs.get(job.id).cancel
    for handler, number in all_of(hosted, "JobEvents.stop"):
        *_, _ = ann.answers(event(hosted, handler, session=ann.session) | number)
    assert store.jobs.get(job.id).cancel


def all_of(app, handler):
    """Every event of a handler: its name, and which event and component it is."""
    return [
        (handler, {"fn_index": number, "trigger_id": min(known.triggers)})
        for number, known in page_events(app[1]).items()
        if known.handler == handler
    ]


def test_a_report_of_an_evaluation_is_its_visitors(hosted, pages):
    ann, bea = pages
    store = store_of_ann(hosted, pages)
    job = store.jobs.add("evaluate", {}, "Ann", owner_of(request_of(hosted, ann, "Ann")))
    store.jobs.take("1")
    store.jobs.finish(job, "done", "done", {})
    folder = report_folder(store, job)
    folder.mkdir(parents=True)
    (folder / "report.json").write_text("{}", encoding="utf-8")
    path = f"/evaluation/{job}/report.json"
    assert ann.browser.get(path).status_code == 200 and bea.browser.get(path).status_code == 404


def test_what_is_stored_is_common_on_a_server_and_its_visitors_alone_on_a_space(hosted, pages):
    ann, bea = pages
    own, others = (page.browser.get("/export/readings.csv").text for page in (ann, bea))
    assert "Ann" in own
    thumbnail = bea.browser.get("/thumbnail/1.jpg").status_code
    raised(bea, hosted, "ExamEvents.open_stored", inputs(hosted, "ExamEvents.open_stored", n0=1))
    lines = raised(bea, hosted, "WorklistEvents.first_page")
    if hosted[2] is Mode.SPACE:
        assert "Ann" not in others and thumbnail == 404 and "Ann" not in str(lines)
        assert ann.browser.get("/thumbnail/1.jpg").status_code == 200
    else:
        assert "Ann" in others and thumbnail == 200


def test_a_head_is_downloaded_where_it_is_stored(hosted, pages, small_predictor):
    ann, bea = pages
    store = store_of_ann(hosted, pages) if hosted[2] is Mode.SPACE else hosted[4]
    number = store.heads.add("malignancy", "of Ann", small_predictor.weights, {}, b"tensors", "Ann")
    path = f"/export/head-{number}.safetensors"
    assert ann.browser.get(path).content == b"tensors"
    assert bea.browser.get(path).status_code == (404 if hosted[2] is Mode.SPACE else 200), "common but on a Space"


@pytest.mark.parametrize(
    "path", ["/gradio_api/file=/etc/passwd", "/gradio_api/info", "/config", "/gradio_api/run/answer"]
)
def test_gradios_files_and_api_are_closed(pages, path):
    for page in pages:
        assert page.browser.get(path).status_code in (404, 405)
