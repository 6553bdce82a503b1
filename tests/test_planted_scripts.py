"""Scripts planted in every field of every kind of file that can be brought in: no page ever holds one that could run.

Gradio's HTML component treats its value as a template, so `${...}`, `{{...}}` and back ticks count as scripts too.
"""

import csv
import json
import shutil
from copy import copy
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import gradio as gr
import pydicom
import pytest
from safetensors.torch import save

from app import build
from app.finetune.events import FinetuneEvents
from app.read.exam_events import ExamEvents
from app.read.layout import lay_out_page
from app.read.map_events import MapEvents
from app.read.model_events import BINARY, ModelEvents
from app.read.visit import Visit
from app.viewer.pixel_server import PixelServer
from app.visits import Visits
from app.worklist.events import BY_HAND, WorklistEvents
from mvmlm.custom_tasks import TASKS_FILE, declare_task
from mvmlm.finetuning.head import import_head, with_active_heads
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.store.store import Store
from tests.conftest import ROOT, waiting_upload
from tests.test_app import ANN
from tests.test_head_files import FILES, OLD, parts
from tests.test_worklist_page import EVERY

PLANTED = '<img src=x onerror="planted()"><script>planted()</script>${planted()}{{planted()}}`planted()`'
PER_1000 = [task.prevalence for task in BINARY]
WRITTEN_AS_HTML = (gr.HTML, gr.Markdown)
DEMO = ROOT / "assets" / "demo_exams" / "phantom"


class _Elements(HTMLParser):
    """Collects what could run: elements that nobody of ours writes, and handlers in attributes."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        if tag in ("script", "img", "iframe", "object", "embed", "svg", "style", "link", "form", "base", "meta"):
            self.found.append(tag)
        self.found += [name for name, value in attrs if name.startswith("on") or "javascript:" in (value or "")]


def runs(html):
    """What of an HTML text could run."""
    parser = _Elements()
    parser.feed(html)
    return parser.found + [mark for mark in ("${", "{{", "`") if mark in html]


def texts(value):
    """Every text in a value, however deep; of a component and an update the value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, gr.blocks.Block):
        yield from texts(getattr(value, "value", None))
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from texts(key)
            yield from texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from texts(inner)


def check(outputs, updates):
    """Find nothing that could run in what a handler gives to its outputs. Returns all texts, to see what was shown."""
    shown = []
    for component, update in zip(outputs, updates, strict=True):
        if isinstance(component, gr.Plot):
            shown += list(texts(update))
            assert "<img" not in "".join(shown[-1:]) and "<script" not in "".join(shown[-1:])
        elif isinstance(component, WRITTEN_AS_HTML) and getattr(component, "elem_id", "") != "viewer":
            for text in texts(update):
                assert runs(text) == [], (component.elem_id, text)
                shown.append(text)
        else:  # shown as text by Gradio, or, in the viewer, by textContent
            shown += list(texts(update)) if not isinstance(update, Visit) else []
    return shown


HTML, PLOT, TABLE = gr.HTML(render=False), gr.Plot(render=False), gr.Dataframe(render=False)


@pytest.fixture
def pages(tmp_path, decoder, predictor):
    def pages_of(store, get_predictor=lambda: predictor):
        pixels = PixelServer()
        model = ModelEvents(get_predictor, store, SharedReads())
        with gr.Blocks():
            page = lay_out_page(store, list(model.ready_prompts))
        exam, maps = ExamEvents(decoder, pixels, store, Visits(pixels)), MapEvents(get_predictor)
        return SimpleNamespace(page=page, exam=exam, model=model, maps=maps)

    return pages_of


def read_with_model(room, visit):
    """Everything that the reading page shows of an open exam and its answers."""
    updates = room.model.show_answers(visit.token, visit, False, True, ANN, *PER_1000)
    shown = check(room.page.answer_outputs, updates)
    visit = updates[0]
    shown += check([HTML, gr.State()], room.model.change_prevalence(visit.token, visit, True, ANN, *PER_1000))
    for method in ("hirescam", "occlusion"):
        drawn = room.maps.draw_maps(visit.token, True, "Mass", 0, "inferno", method, True, visit, ANN)
        shown += check([gr.State(), HTML, gr.Textbox(render=False)], drawn)
    scored = room.model.score_prompts(visit.token, f"{PLANTED}\nmass | {PLANTED}", visit, None, True, ANN)
    shown += check([gr.State(), HTML, HTML, gr.Dropdown(render=False)], scored)
    return shown


def test_the_check_itself_finds_a_script():
    assert (
        runs(PLANTED)
        and runs("<p onclick=x>")
        and runs("<a href='javascript:x'>")
        and not runs("<p>&lt;script&gt;</p>")
    )
    with pytest.raises(AssertionError):
        check([HTML], [f"<p>{PLANTED}</p>"])


def plant(value, place=()):
    """Each copy of a JSON value in which one text is PLANTED, with the place."""
    if isinstance(value, str):
        yield place, PLANTED
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from ((where, {**value, key: changed}) for where, changed in plant(inner, (*place, key)))
    elif isinstance(value, list) and value and place[-2:-1] != ("snapshot",):
        yield from ((where, [changed, *value[1:]]) for where, changed in plant(value[0], (*place, 0)))


def test_a_head_file(tmp_path, store, predictor_of_0_4_0):
    tensors, format_, about = parts(FILES["mass"])
    about["record"]["comparison"]["groups"] = [{"group": "density: C", "cases": 20, "new": 0.9, "old": None}]
    about["record"]["not_used"] = ["exam 3"]
    events, imported = FinetuneEvents(store, "demo", lambda: with_active_heads(predictor_of_0_4_0, store)), 0
    for number, (_, planted) in enumerate(plant(about)):
        if planted["name"] != PLANTED:
            planted["name"] = f"{number}"
        path = tmp_path / "head.safetensors"
        path.write_bytes(save(tensors, {"format": format_, "head": json.dumps(planted)}))
        check([gr.File(render=False), HTML], events.import_head(waiting_upload(path), "ann", ANN))
        changed = [HTML, HTML, HTML, PLOT, PLOT, gr.Checkbox(render=False)]
        for head in store.heads.summaries():
            imported += 1
            for change in (
                lambda number: events.activate("ann", number, True),
                lambda number: events.roll_back("ann", number),
            ):
                check(changed, change(head.id))
                check(changed[1:], events.show_head(head.id))
            check(changed, events.activate("ann", head.id, False))
            check([HTML], [events.delete("ann", head.id, True)[0]])
    assert imported >= 5, "texts are data: a script in one does no harm, so it is no reason to refuse"


def test_the_name_of_an_active_head_and_the_texts_of_weights(store, predictor_of_0_4_0, pages, phantom):
    predictor = predictor_of_0_4_0
    tensors, format_, about = parts(FILES["mass"])
    about["name"] = PLANTED
    head = import_head(store, predictor, save(tensors, {"format": format_, "head": json.dumps(about)}), "ann")
    store.heads.activate(head, "mass", predictor.weights, "ann")
    known = with_active_heads(predictor, store)
    planted = copy(known)
    planted.model = copy(known.model)
    planted.model.record = replace(known.record, name=PLANTED, version=PLANTED)
    room = pages(store, lambda: planted)
    visit = room.exam.open_demo("phantom", Visit(), ANN)[0]
    shown = read_with_model(room, visit)
    assert any("&lt;script&gt;" in text and "fine-tuned head" in text for text in shown)
    check([gr.State(), HTML, PLOT, gr.Dropdown(render=False)], FinetuneEvents(store, "demo", lambda: planted).refresh(None, None))  # fmt: skip


def test_a_task_of_ones_own(tmp_path, predictor, pages, decoder):
    words = {
        "name": "lump",
        "title": PLANTED[:60],
        "level": "breast",
        "prompts": {"present": [PLANTED], "absent": ["no"]},
    }
    declare_task(tmp_path, words)
    classes = [PLANTED[:60], PLANTED[31:89]]
    declare_task(
        tmp_path, {"name": "kind", "level": "breast", "classes": classes, "prompts": {c: [c] for c in classes}}
    )
    (tmp_path / f"{TASKS_FILE}.1.unreadable").write_text(f"[[task]]\nname = {json.dumps(PLANTED)}\n", encoding="utf-8")
    store = Store(tmp_path)
    known = predictor.with_heads([], store.tasks)
    room = pages(store, lambda: known)
    visit_updates = room.exam.open_demo("phantom", Visit(), ANN)
    check(room.page.exam_outputs, visit_updates)
    assert any("&lt;img" in text for text in read_with_model(room, visit_updates[0]))
    demo = build(lambda: known, decoder, PixelServer(), store, "demo")
    notes = [block.value for block in demo.blocks.values() if "store-note" in getattr(block, "elem_classes", ())]
    assert notes and all(runs(note) == [] for note in notes)
    check([TABLE, HTML], WorklistEvents(store, "demo", lambda: known).suggest("uncertain", "lump", 5))


def test_typed_prompts_and_the_names_of_sets(store, predictor, pages):
    room = pages(store)
    saved = room.model.save_prompts(PLANTED, PLANTED, PLANTED)
    check([gr.Dropdown(render=False), HTML], saved)
    check([gr.Dropdown(render=False), HTML], pages(store).model.save_prompts("", "", ""))
    assert list(store.prompt_sets.all()) == [PLANTED[:60].strip()]


TEXT_VRS = {"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "DA", "TM", "DT", "AS", "IS", "DS"}
KEPT = {"SOPClassUID", "PhotometricInterpretation", "ImageType", "Modality"}  # without these it is no mammogram


def planted_dicom(folder, changed):
    """The demo exam with a script in each text of its headers, or in the one called `changed`, and in the file names."""
    folder.mkdir()
    paths = []
    for path in sorted(DEMO.glob("*.dcm")):
        dataset = pydicom.dcmread(path)
        for element in list(dataset):
            if element.VR in TEXT_VRS and element.keyword not in KEPT and changed in ("", element.keyword):
                dataset.add(pydicom.DataElement(element.tag, "LO" if element.VR in ("DA", "TM", "DT", "AS", "IS", "DS") else element.VR, PLANTED, validation_mode=0))  # fmt: skip
        if changed == "":
            for keyword in ("SeriesDescription", "StudyDescription", "ProtocolName", "Manufacturer", "InstitutionName",
                            "WindowCenterWidthExplanation", "BodyPartExamined"):  # fmt: skip
                dataset.add(pydicom.DataElement(keyword, "LO", PLANTED, validation_mode=0))
        target = folder / f"<img src=x onerror=planted()>${{x}}`{path.stem}.dcm"
        dataset.save_as(target)
        paths.append(target)
    return paths


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("changed", ["", "PatientID", "StudyDate", "ViewPosition", "ImageLaterality", "Manufacturer"])
def test_dicom_headers_and_file_names(tmp_path, store, pages, changed):
    room = pages(store)
    paths = [waiting_upload(path) for path in planted_dicom(tmp_path / "exam", changed)]
    updates = room.exam.upload(paths, Visit(), ANN)
    shown = check([gr.File(render=False), *room.page.exam_outputs], updates)
    assert any("planted()" in text for text in shown), "the name of a file is shown"
    visit = updates[1]
    if visit.exam and visit.exam.views:
        read_with_model(room, visit)


def test_pictures_that_are_none(tmp_path, store, pages):
    path = tmp_path / "<img src=x onerror=planted()>`${x}`.png"
    path.write_bytes(b"\x89PNG no picture")
    room = pages(store)
    shown = check(
        [gr.File(render=False), *room.page.exam_outputs], room.exam.upload([waiting_upload(path)], Visit(), ANN)
    )
    assert any("&lt;img" in text for text in shown)


@pytest.fixture
def old_store(tmp_path):
    shutil.copytree(OLD / "data", tmp_path / "old")
    store = Store(tmp_path / "old")
    yield store
    store.close()


def import_and_check(store, path):
    """Import a file of labels, and look at what is said and at what the pages show afterwards."""
    events = WorklistEvents(store, "demo", lambda: None)
    _, message = events.import_labels(waiting_upload(path), PLANTED[:60], ANN)
    check([HTML], [message])
    listed = [HTML, HTML, gr.State(), HTML]
    check(listed, events.list_page(1, PLANTED, *EVERY[1:-2], True, ""))
    check(listed, events.list_page(1, *EVERY[:3], PLANTED, *EVERY[4:]))
    check(listed, events.list_page(1, *EVERY[:-2], True, ""))
    _, choices = events.make_list("1", PLANTED[:60], BY_HAND, "ann", *EVERY)
    check(listed, events.list_page(1, *EVERY[:9], getattr(choices, "value", None), True, ""))
    readers = store.readings.readers()
    for first in readers:
        for second in readers:
            check([HTML], [events.compare_readers(first, second)])


@pytest.mark.parametrize("name", ["readings.csv", "exams.csv"])
def test_tables_of_labels(tmp_path, old_store, name):
    with open(OLD / name, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for column in rows[0]:
        path = tmp_path / name
        with open(path, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows([{**row, column: PLANTED} for row in rows])
        import_and_check(old_store, path)
    path.parent.joinpath(f"<img onerror=x>{name}").write_text(f"{PLANTED},{PLANTED}\n1,2\n", encoding="utf-8")
    import_and_check(old_store, path.parent / f"<img onerror=x>{name}")


def test_marks_as_coco(tmp_path, old_store):
    marks = json.loads((OLD / "marks.json").read_text(encoding="utf-8"))
    for _, planted in plant(marks):
        path = tmp_path / "marks.json"
        path.write_text(json.dumps(planted), encoding="utf-8")
        import_and_check(old_store, path)


def test_every_table_shows_text_and_nothing_fills_a_markdown(store, predictor, decoder):
    demo = build(lambda: predictor, decoder, PixelServer(), store, "demo")
    for block in demo.blocks.values():
        if isinstance(block, gr.Dataframe):
            types = block.datatype if isinstance(block.datatype, list) else [block.datatype]
            assert set(types) <= {"str", "number", "bool"}, block.elem_id
    filled = {output for function in demo.fns.values() for output in function.outputs}
    assert not [output for output in filled if isinstance(output, gr.Markdown)]


def test_the_viewer_sets_text_and_never_html():
    for path in (ROOT / "app" / "viewer" / "src").glob("*.js"):
        source = path.read_text(encoding="utf-8")
        assert not any(word in source for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write"))
