"""The app's plain functions, without a browser (tests/e2e drives the real one)."""

import base64
import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import gradio as gr
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import pictures, plots, viewer
from app.markup import text
from app.privacy import COOKIE
from app.read.answers import answers_html, warnings
from app.read.demo_exams import DemoExams
from app.read.model_events import BINARY
from app.read.opening import JOIN, choose_exam, file_rows, open_from_store, open_uploads, set_view
from app.read.prompts import clean_prompts, prompt_sets
from app.read.visit import Visit, drawn_reading, end_visit, predict
from app.viewer.component import four_up_viewer
from app.viewer.marks import parse_marks
from app.viewer.pixel_server import PixelServer, windows_of
from app.viewer.viewports import describe, viewer_value
from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, Modifier, Question, ViewName, Window
from mvmlm.imaging.preprocess import located_breast
from mvmlm.imaging.voi import apply_window, render
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.reading.marking import marks_of, redraw_marks
from mvmlm.reading.reading import MARK_LABELS, Reading
from mvmlm.tasks import TASKS
from tests.conftest import ROOT, half_turn, waiting_upload
from tests.test_load import write, write_four

VIEWER = Path(viewer.__file__).parent
EVIL = "${alert(1)}{{7*7}}`<img src=x onerror=alert(1)>"


@dataclass
class Request:
    """As much of gr.Request as the handlers use."""

    cookies: dict = field(default_factory=lambda: {COOKIE: "ann"})
    session_hash: str = "page"


ANN, BOB = Request(), Request({COOKIE: "bob"})


def upload(folder: Path, owner: str = "ann") -> list[str]:
    """The files of a folder as they wait after an upload."""
    return [waiting_upload(path, owner) for path in sorted(folder.iterdir())]


def test_markup_leaves_nothing_to_run():
    message = text(EVIL)
    assert not any(mark in message for mark in ("${", "{{", "`", "<", ">", '"'))


def test_uploads_leave_the_public_cache_and_then_the_disk(tmp_path, decoder):
    paths = upload(write_four(tmp_path / "e"))
    visit, message = open_uploads(paths, Visit(), decoder, ANN)
    assert visit.exam.missing == () and message == ""
    assert visit.owner == "ann" and visit.folder is None
    assert not any(Path(path).exists() for path in paths)


def test_files_of_two_patients_wait_until_the_reader_chooses(tmp_path, decoder):
    folder = tmp_path / "e"
    folder.mkdir()
    for number, name in enumerate(STANDARD_VIEWS):
        write(folder, name, patient=f"woman {number}")
    visit, message = open_uploads(upload(folder), Visit(), decoder, ANN)
    assert visit.exam is None and "different patients" in message and visit.listing_folder.is_dir()
    joined, message = choose_exam(JOIN, visit, decoder, ANN)
    assert joined.exam.missing == () and "at your request" in joined.exam.notes[0].text
    assert not visit.listing_folder.exists()


def test_another_visitor_gets_nothing(tmp_path, decoder):
    visit, _ = open_uploads(upload(write_four(tmp_path / "e")), Visit(), decoder, ANN)
    with pytest.raises(gr.Error, match="another visitor"):
        visit.owned_by(BOB)
    with pytest.raises(gr.Error):
        set_view("R_CC.dcm", "L CC", visit, BOB)
    with pytest.raises(gr.Error):
        DemoExams().open("film", visit, decoder, BOB)
    assert visit.owned_by(ANN) is visit


@pytest.mark.parametrize("cookies", [{}, {COOKIE: ""}, {COOKIE: "no cookie of ours"}])
def test_a_visitor_without_a_cookie_opens_nothing(cookies, decoder, store):
    nobody = Request(cookies)
    for opens in (
        lambda: DemoExams().open("film", Visit(), decoder, nobody),
        lambda: open_uploads(["/tmp/x"], Visit(), decoder, nobody),
        lambda: open_from_store(1, Visit(), store, decoder, nobody),
        lambda: choose_exam(JOIN, Visit(), decoder, nobody),
    ):
        with pytest.raises(gr.Error, match="Allow cookies"):
            opens()


def test_pixels_without_an_owner_are_served_to_nobody(phantom):
    pixels = PixelServer()
    described = describe(phantom.exam, pixels, "")
    shown, token = viewer_value(described), described.token
    assert pixels.view(token, 0, "") is None and shown


def test_the_end_of_a_session_empties_its_folder(tmp_path, decoder):
    folder = tmp_path / "e"
    folder.mkdir()
    for name in STANDARD_VIEWS:
        write(folder, name, patient=str(name))
    visit, _ = open_uploads(upload(folder), Visit(), decoder, ANN)
    end_visit(visit, PixelServer())
    assert not visit.listing_folder.exists()
    end_visit(None, PixelServer())


def test_files_without_a_picture_open_no_exam_and_the_reasons_are_listed(tmp_path, decoder):
    folder = tmp_path / "e"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear colleague", encoding="utf-8")
    visit, message = open_uploads(upload(folder), Visit(), decoder, ANN)
    assert message.startswith("No exam was opened")
    assert file_rows(visit.exam) == [["letter.txt", "not used", "neither a DICOM file nor a PNG, TIFF or JPEG picture"]]


def test_a_view_can_be_set_by_hand(tmp_path, decoder):
    folder = tmp_path / "e"
    folder.mkdir()
    write(folder, edit=lambda ds: delattr(ds, "ImageLaterality"), file="x.dcm")
    visit, _ = open_uploads(upload(folder), Visit(), decoder, ANN)
    assert file_rows(visit.exam)[0][1] == "unknown: set it below"
    corrected, _ = set_view("x.dcm", "L CC", visit, ANN)
    assert file_rows(corrected.exam)[0][1] == "L CC"
    unset, _ = set_view("x.dcm", "not a standard view", corrected, ANN)
    assert not unset.exam.views
    assert set_view("gone.dcm", "L CC", visit, ANN)[1].startswith("gone.dcm is not part")


@pytest.mark.parametrize("which", ["film", "phantom"])
def test_demo_exams_open_whole(decoder, which):
    visit, message = DemoExams().open(which, Visit(), decoder, ANN)
    assert visit.exam.missing == () and message.startswith("Demo: ") and not visit.exam.set_aside


def test_a_missing_breast_is_not_assessed_on_the_page(predictor, phantom):
    views = {name: view for name, view in phantom.exam.views.items() if name.laterality is Laterality.RIGHT}
    prediction = predictor.predict(Exam(views))
    often = {task.name: task.prevalence for task in BINARY}
    page = answers_html(prediction, often)
    assert page.count("not assessed") == 6, "of the left breast, for each of its tasks"
    assert "Missing: L_CC, L_MLO" in warnings(prediction)


def test_text_from_weights_is_inert_on_the_page(prediction, predictor):
    often = {task.name: task.prevalence for task in BINARY}
    page = answers_html(replace(prediction, model=EVIL), often)
    assert "<img" not in page and "${" not in page


def test_prompts_are_cleaned_and_what_was_left_out_is_named():
    prompts, message = clean_prompts(" a mass \n\na mass\nx | \n" + "y" * 999)
    assert prompts == ["a mass", "y" * 400] and "both sides" in message and "cut" in message
    assert len(clean_prompts("\n".join(map(str, range(99))))[0]) == 40
    assert clean_prompts("") == ([], "")
    assert all(
        clean_prompts("\n".join(lines)) == (list(dict.fromkeys(lines)), "") for lines in prompt_sets(TASKS).values()
    )


def test_an_exam_without_views_gets_no_prediction(predictor):
    assert predict(Visit(exam=Exam({})), predictor, False, SharedReads())[0].prediction is None


def decoded(uri):
    return cv2.imdecode(np.frombuffer(base64.b64decode(uri.split(",")[1]), np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("turned", [False, True])
def test_pictures_and_maps_hang_alike_whatever_the_file_does(phantom, turned):
    for name, view in phantom.exam.views.items():
        mark = np.zeros(view.pixels.shape, np.float32)
        mark[100:110, 50:70] = 1
        if turned:
            view = replace(view, pixels=view.pixels[::-1, ::-1], orientation=half_turn(view))
            mark = mark[::-1, ::-1]
        shown = cv2.imdecode(np.frombuffer(pictures.picture_jpeg(view), np.uint8), cv2.IMREAD_UNCHANGED)
        layer = decoded(pictures.map_layer(mark, view))
        assert layer.shape[:2] == shown.shape[:2]
        edge = max(2, shown.shape[1] // 12)
        bright_left = shown[:, :edge].astype(int).sum() > shown[:, -edge:].astype(int).sum()
        assert bright_left == (name.laterality is Laterality.LEFT)
        rows, columns = np.nonzero(layer[..., 3])
        assert rows.min() >= 98 and rows.max() <= 111
        expected = (48, 71)
        assert expected[0] <= columns.min() and columns.max() <= expected[1], "the map moved against the picture"


def test_a_picture_that_is_asked_about_hangs_in_the_place_of_its_view(phantom):
    first, second, *_ = STANDARD_VIEWS
    question = Question("upside-down", "x.dcm", "Which edge is up?", key="head", choices=("top", "bottom"))
    asked = replace(phantom.exam.views[first], marks=(question,))
    exam = Exam({second: phantom.exam.views[second]}, extra=(asked, replace(asked, name=second)))
    shown = viewer_value(describe(exam, PixelServer(), "ann"))
    roles = [(port["view"], port["role"], bool(port["address"])) for port in shown["ports"]]
    assert roles[:2] == [("R_CC", "asked", True), ("L_CC", "current", True)]
    assert roles[4:] == [("L_CC", "extra", True)], "a second picture of a view lies beside"
    assert "asked about: not scored yet" in shown["ports"][0]["lines"]
    assert len({port["address"] for port in shown["ports"] if port["address"]}) == 3


def test_views_beyond_the_four_hang_in_pairs(phantom):
    view = next(iter(phantom.exam.views.values()))
    names = ["L_ML", "L_XCCL", "R_ML", "L_CC", "R_XCCL", "R_SIO"]
    extra = tuple(replace(view, name=ViewName.parse(name), file=name) for name in names)
    spot = replace(view, name=ViewName.parse("R_CC"), file="spot", modifiers=(Modifier.SPOT,))
    ports = viewer_value(describe(Exam(dict(phantom.exam.views), extra=(*extra, spot)), PixelServer(), "ann"))["ports"]
    assert [port["view"] for port in ports[4:]] == ["R_ML", "L_ML", "R_XCCL", "L_XCCL", "L_CC", "R_SIO", "R_CC"]
    addresses = {port["lines"][0] if port["lines"] else "": port["address"] for port in ports[4:]}
    assert len(set(addresses.values())) == len(addresses), "each keeps its own picture"


def test_missing_views_have_an_empty_viewport(phantom):
    one_view = Exam({STANDARD_VIEWS[0]: phantom.exam.views[STANDARD_VIEWS[0]]})
    described = describe(one_view, PixelServer(), "ann")
    shown, token = viewer_value(described), described.token
    ports = shown["ports"]
    assert [port["view"] for port in ports] == ["R_CC", "L_CC", "R_MLO", "L_MLO"]
    assert ports[1]["address"] == "" and ports[1]["lines"] == ["missing"] and token in ports[0]["address"]


def fetched(client, address, owner="ann"):
    return client.get("/" + address, headers={"cookie": f"{COOKIE}={owner}"})


def values(answer):
    return np.frombuffer(answer.content, "<u2").reshape(int(answer.headers["x-rows"]), int(answer.headers["x-columns"]))


def odd_views(phantom):
    """A view as files have it: inverted, upside down, padded, signed, with a window, SIGMOID and a table."""
    view = phantom.exam.views[STANDARD_VIEWS[0]]
    windows = (
        Window("linear", "LINEAR", 1800, 1500), Window("exact", "LINEAR_EXACT", 1500, 900), Window("sigmoid", "SIGMOID", 1700, 1200),
        Window("table", "TABLE", table=np.linspace(0, 1, 4096, dtype=np.float32) ** 2, first=0),
    )  # fmt: skip
    plain = replace(view, windows=windows, pixels=view.pixels[:501, :333])
    yield plain
    yield replace(plain, inverted=True, orientation=half_turn(view))
    yield replace(plain, pixels=plain.pixels.astype(np.int16) - 700, padding=(-700, -600))
    yield replace(plain, padding=(0, 90), inverted=True)
    fractions = plain.pixels * np.float32(1 / 64)
    yield replace(plain, pixels=fractions, windows=(Window("linear", "LINEAR_EXACT", 28, 23), *windows[1:]))
    yield replace(
        plain, pixels=plain.pixels.astype(np.uint32) << 20, windows=(Window("linear", "LINEAR", 2e9, 3e9), *windows[1:])
    )


def test_what_the_browser_is_sent_gives_the_models_own_rendering(phantom):
    """Each window and table, applied to the values that the sent pixels stand for, as grey.js does."""
    pixels = PixelServer()
    client = TestClient(Starlette(routes=pixels.routes()))
    for view in odd_views(phantom):
        shown = viewer_value(describe(Exam({STANDARD_VIEWS[0]: view}), pixels, "ann"))
        port = shown["ports"][0]
        raw = values(fetched(client, port["address"] + "raw")).astype(float)
        assert raw.shape == view.pixels.shape
        assert [w["name"] for w in port["windows"]][:4] == ["linear", "exact", "sigmoid", "table"]
        low, high = port["values"]
        stored = high - raw / port["sent_scale"] if view.inverted else low + raw / port["sent_scale"]
        padding = np.zeros(view.pixels.shape, bool)
        if view.padding:
            padding = (view.pixels >= view.padding[0]) & (view.pixels <= view.padding[1])
            assert port["padded"]
        padding = pictures.hung(padding, view)
        assert raw[padding].max(initial=0) == 0, "padding is the darkest value there is"
        assert not port["padded"] or raw[~padding].min() > 0, "and the only one, so that it alone stays black inverted"
        for offered, window in zip(port["windows"], windows_of(view), strict=False):
            truth = pictures.hung(render(view, window), view) / 65535
            table = values(fetched(client, offered["table"]))[0] / np.float32(65535) if offered["table"] else None
            sent = Window(offered["name"], offered["function"], window.center, window.width, table, offered["first"])
            grey = apply_window(stored, sent)
            difference = np.abs((1 - grey if view.inverted else grey) - truth)[~padding]
            assert difference.max() <= 1 / 255, window.name
        if port["sent_scale"] == 1:
            assert np.array_equal(stored[~padding], pictures.hung(view.pixels, view)[~padding]), "the file's own values"


def test_every_window_of_a_file_is_offered_by_its_explanation_and_one_over_the_breast(phantom):
    view = next(odd_views(phantom))
    shown = viewer_value(describe(Exam({STANDARD_VIEWS[0]: view}), PixelServer(), "ann"))
    windows = shown["ports"][0]["windows"]
    assert [(w["name"], w["kind"]) for w in windows] == [
        ("linear", "file"), ("exact", "file"), ("sigmoid", "file"), ("table", "file"), ("full range", "range"),
        ("breast", "breast"),
    ]  # fmt: skip
    breast = windows[-1]
    mask, step = located_breast(view)
    inside = view.pixels[::step, ::step][mask]
    low, high = breast["center"] - breast["width"] / 2, breast["center"] + breast["width"] / 2
    assert low < high and (inside < low).mean() < 0.03 and (inside > high).mean() < 0.01


def test_pixels_are_for_their_visitor_only(phantom):
    pixels = PixelServer()
    client = TestClient(Starlette(routes=pixels.routes()))
    described = describe(phantom.exam, pixels, "ann")
    shown, token = viewer_value(described), described.token
    address = shown["ports"][0]["address"]
    for what in ("raw", "preview", "picture.jpg"):
        answer = fetched(client, address + what)
        assert answer.status_code == 200 and "private" in answer.headers["cache-control"], what
        assert fetched(client, address + what, "bob").status_code == 404
        assert client.get("/" + address + what).status_code == 404
    for wrong in ("raw-1", "table-0", "table-99", "table--1", "table-x", "../0/raw", "table", "nothing"):
        assert (
            fetched(client, address + wrong).status_code in (200, 404)
            and b"Traceback" not in fetched(client, address + wrong).content
        )
    assert fetched(client, f"viewer/{token}/9/raw").status_code == 404
    end_visit(Visit(pixel_token=token), pixels)
    assert fetched(client, address + "raw").status_code == 404


def test_pictures_are_served_however_many_others_are_opened_and_only_as_long_as_their_visit_holds_them(phantom):
    pixels = PixelServer()
    views = tuple(replace(view) for view in phantom.exam.views.values())
    first = pixels.put(views, "ann")
    for _ in range(100):
        pixels.put(tuple(phantom.exam.views.values()), "bob")
    assert pixels.view(first, 0, "ann") is views[0]
    del views
    assert pixels.view(first, 0, "ann") is None


def test_the_curve_of_risk_has_the_answers_of_five_years(prediction):
    assert [round(y, 4) for y in plots.risk_curve(prediction).data[0].y] == [
        round(100 * prediction.probability("risk", year), 4) for year in "12345"
    ]


def mark(**changed):
    return {"id": "a", "view": "L_MLO", "kind": "box", "label": "mass", "points": [[10, 20], [40.25, 60]]} | changed


def test_marks_are_checked_before_they_are_taken(phantom):
    visit = Visit("ann", phantom.exam, pixel_token="token")

    def drawn(*marks, exam="token"):
        return marks_of(drawn_reading({"exam": exam, "before": [], "marks": list(marks)}, visit)[0])

    first, second = drawn(mark(), mark(id="b", points=[[-9, 5], [99999, 6]]))
    columns = phantom.exam.views[ViewName.parse("L_MLO")].pixels.shape[1]
    assert first.points == ((10, 20), (40.25, 60))
    assert second.points == ((-0.5, 5), (columns - 0.5, 6)), "a mark ends where its picture ends"
    wrong = [
        mark(view="X"),
        mark(kind="star"),
        mark(label=EVIL),
        mark(points=[[float("nan"), 1], [2, 3]]),
        mark(points=[[1, 2]]),
        mark(),
        mark(id=""),
        mark(id=["b"]),
        {},
        "x",
    ]
    for malformed in wrong:
        with pytest.raises(ValueError, match="mark"):
            drawn(mark(), malformed)
    assert drawn(mark(), exam="of yesterday") == ()


def test_the_viewer_is_told_between_which_columns_each_row_of_the_breast_lies(phantom):
    shown = viewer_value(describe(phantom.exam, PixelServer(), "ann"))
    for port in shown["ports"]:
        view = phantom.exam.views[ViewName.parse(port["view"])]
        step, (left, _, right, _) = port["row_step"], port["breast"]
        if port["flip_columns"]:
            left, right = view.columns - right, view.columns - left
        spans = [span for span in json.loads(port["breast_rows"]) if span]
        assert (min(a for a, _ in spans), max(b for _, b in spans)) == pytest.approx((left, right), abs=2 * step)
        column, row = port["nipple"]
        hung_row = view.rows - 1 - row if port["flip_rows"] else row
        first, last = json.loads(port["breast_rows"])[int(hung_row / step)]
        assert (
            abs(
                (view.columns - 1 - column if port["flip_columns"] else column)
                - (first if port["chest_wall"] == "right" else last)
            )
            <= 3 * step
        ), "the nipple is where its row ends"


def test_a_corrected_view_keeps_the_marks_of_the_others(phantom):
    marks = parse_marks([mark(), mark(id="b", view="R_CC")], phantom.exam)
    unsaved = redraw_marks(Reading(), {}, marks)
    file = phantom.exam.views[ViewName.parse("R_CC")].file
    visit, message = set_view(file, "not a standard view", Visit("ann", phantom.exam, unsaved=unsaved), ANN)
    assert [str(other.view) for other in visit.marks] == ["L_MLO"] and "1 mark was deleted" in message
    assert list(visit.unsaved.findings) == [1] and visit.unsaved.fields == {(Laterality.LEFT, "mass"): "1"}
    visit, _ = set_view(file, "L MLO", Visit("ann", phantom.exam, unsaved=unsaved), ANN)
    assert [str(other.view) for other in visit.marks] == ["L_MLO"], "it is asked about, and the other L MLO stays"


def test_the_viewer_offers_the_labels_that_a_mark_can_have():
    with gr.Blocks():
        assert four_up_viewer().get_config()["props"]["mark_labels"] == list(MARK_LABELS)
    assert "props.mark_labels" in (VIEWER / "src" / "viewer.js").read_text(encoding="utf-8")


def test_the_shipped_viewer_was_built_from_these_sources():
    """Without Node; where npm is there, tests/e2e builds it again and compares every byte."""
    sources = [VIEWER / "package.json", VIEWER / "vite.config.js", *sorted((VIEWER / "src").glob("*.js"))]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    assert digest == (VIEWER / "dist" / "sources.sha256").read_text(encoding="utf-8").strip(), (
        "run scripts/build_viewer.sh and commit the result"
    )


def test_the_pages_are_there_before_torch_is_imported_which_takes_seconds(tmp_path):
    code = """
import sys
from pathlib import Path
import app
from app.viewer.pixel_server import PixelServer
from mvmlm.imaging.decoder import Decoder
from mvmlm.store.store import Store
store = Store(Path(sys.argv[1]))
pixels = PixelServer()
demo = app.build(lambda: None, Decoder(), pixels, store, "demo")
app.guarded(demo, pixels, store)
print(*({"torch", "transformers", "sklearn", "highdicom"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
