"""Head files from anybody: which are refused and why, and that one bad head takes nobody's answers away."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from app.active_predictor import ActivePredictor
from app.finetune.events import FinetuneEvents
from app.privacy import COOKIE
from mvmlm.custom_tasks import TASKS_FILE, declare_task
from mvmlm.exam import Laterality
from mvmlm.finetuning.embeddings import EmbeddedExams, score_exams, store_scores
from mvmlm.finetuning.head import FinetunedHead, import_head, with_active_heads
from mvmlm.inference.prediction import Target
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, TASKS
from tests.conftest import waiting_upload

pytestmark = pytest.mark.usefixtures("one_thread")
OLD = Path(__file__).parent / "data" / "v0_4_0"
FILES = {name: (OLD / f"head-{name}.safetensors").read_bytes() for name in ("mass", "vascular")}
SCRIPT = '<img src=x onerror="planted()">'


def parts(data):
    """The tensors, the metadata of the file and what it says of the head."""
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size])["__metadata__"]
    return load(data), metadata["format"], json.loads(metadata["head"])


def head_file(change=lambda about: None, tensors=None, name="mass", format_=None, text=None):
    """The head file of 0.4.0 with something changed. text: the metadata instead of what `change` leaves."""
    old, known_format, about = parts(FILES[name])
    change(about)
    return save({**old, **(tensors or {})}, {"format": format_ or known_format, "head": text or json.dumps(about)})


def at(*path, to):
    """A change of one place of the metadata."""

    def change(about):
        for key in path[:-1]:
            about = about[key]
        about[path[-1]] = to

    return change


@pytest.fixture(scope="module")
def predictor(predictor_of_0_4_0):
    """The head files of this module belong to its weights."""
    return predictor_of_0_4_0


@pytest.fixture(scope="module")
def prediction(predictor, phantom, one_thread):
    """The bundled answers, computed with as many threads as the others of this file, so that they are equal."""
    return predictor.predict(phantom.exam)


NOT_FITTING = {
    "another width": head_file(tensors={"mean": torch.zeros(3), "spread": torch.ones(3)}),
    "another shape": head_file(tensors={"head.linear.weight": torch.zeros(2, 165)}),
    "another type": head_file(tensors={"mean": torch.zeros(165, dtype=torch.float64)}),
    "one tensor more": head_file(tensors={"more": torch.zeros(1)}),
    "not finite": head_file(tensors={"shift": torch.tensor(float("nan"))}),
    "infinite": head_file(tensors={"scale": torch.tensor(float("inf"))}),
    "a spread of zero": head_file(tensors={"spread": torch.zeros(165)}),
    "a negative spread": head_file(tensors={"spread": -torch.ones(165)}),
    "overflowing answers": head_file(tensors={"head.linear.weight": torch.full((1, 165), 3e38)}),
    "an unknown depth": head_file(at("depth", to="deep")),
    "a depth of other tensors": head_file(at("depth", to="mlp")),
    "a stage without one": head_file(at("depth", to="stage")),
    "an unknown task": head_file(at("task", "name", to="nonsense")),
    "other classes": head_file(at("task", "classes", to=["absent"])),
    "another level": head_file(at("task", "level", to="exam")),
    "another kind": head_file(at("task", "kind", to="multiclass")),
    "a level that is none": head_file(at("task", "level", to=[])),
    "other weights": head_file(at("weights", to="0" * 64)),
    "another format": head_file(format_="mvmlm-head-2"),
    "no text as a name": head_file(at("name", to=7)),
    "an empty name": head_file(at("name", to=" ")),
    "a long name": head_file(at("name", to="x" * 201)),
    "a control character in the name": head_file(at("name", to="x\x00y")),
    "half a character in the name": head_file(at("name", to="\ud800")),
    "a record that is a list": head_file(at("record", to=[])),
    "a record of nothing": head_file(at("record", to={})),
    "a prevalence of words": head_file(at("record", "prevalence", to=SCRIPT)),
    "a prevalence above one": head_file(at("record", "prevalence", to=2.0)),
    "words for a metric": head_file(at("record", "comparison", "new", to=[SCRIPT, 0.1, 0.2])),
    "words for a curve": head_file(at("record", "curve", "losses", to=[SCRIPT])),
    "words for a band": head_file(at("record", "comparison", "roc", "new", "x", to=[SCRIPT])),
    "words for a count": head_file(at("record", "train_cases", to=SCRIPT)),
    "a count below zero": head_file(at("record", "train_patients", to=-1)),
    "a long text": head_file(at("record", "compared_with", to="x" * 3000)),
    "an unknown key": head_file(at("record", SCRIPT, to=SCRIPT)),
    "a configuration that is none": head_file(at("record", "lesson", to=SCRIPT)),
    "NaN in the record": head_file(text=json.dumps(parts(FILES["mass"])[2]).replace('"penalty": 0.01', '"penalty": NaN')),
    "an infinite number in the record": head_file(text=json.dumps(parts(FILES["mass"])[2]).replace('"penalty": 0.01', '"penalty": 1e999')),
    "a number of 5,000 digits": head_file(text=json.dumps(parts(FILES["mass"])[2]).replace('"penalty": 0.01', '"penalty": ' + "9" * 5000)),
    "metadata that is no JSON": head_file(text="{"),
    "deeply nested metadata": head_file(text="[" * 100_000),
    "cut off": FILES["mass"][:-50],
    "cut off in the header": FILES["mass"][:100],
    "a header that is too long": (2**62).to_bytes(8, "little") + FILES["mass"][8:],
    "a header that is a list": (2).to_bytes(8, "little") + b"[]",
    "no bytes": b"",
    "a pickle": b"\x80\x04\x95" + bytes(100),
}  # fmt: skip


@pytest.mark.parametrize("case", NOT_FITTING)
def test_a_head_that_does_not_fit_is_refused_at_import_with_a_sentence(store, predictor, case):
    with pytest.raises(StoreError) as caught:
        import_head(store, predictor, NOT_FITTING[case], "ann")
    assert store.heads.summaries() == []
    assert str(caught.value).startswith("This") and str(caught.value).endswith(".") and len(str(caught.value)) < 400


def test_a_file_that_is_far_too_large_is_refused_before_it_is_parsed(store, predictor, monkeypatch):
    monkeypatch.setattr("mvmlm.finetuning.head.MAX_HEAD_BYTES", 1000)
    with pytest.raises(StoreError, match="larger than"):
        import_head(store, predictor, FILES["mass"], "ann")


def test_a_fitting_head_is_imported_with_its_record(store, predictor):
    number = import_head(store, predictor, head_file(at("name", to=SCRIPT)), "ann")
    assert store.heads.get(number).name == SCRIPT, "a text is data, not refused for its letters"


def bad_head(store, predictor, tensors=None, task="mass", change=lambda about: None):
    """An active head that was imported without a check, as 0.4.0 did."""
    file, record = head_file(change, tensors, task), {"prevalence": 0.5}
    number = store.heads.add(task, "bad", predictor.weights, record, file, "ann")
    store.heads.activate(number, task, predictor.weights, "ann")
    return number


@pytest.mark.parametrize("bad", [
    dict(tensors={"mean": torch.zeros(3), "spread": torch.ones(3)}), dict(tensors={"shift": torch.tensor(float("nan"))}),
    dict(tensors={"spread": torch.zeros(165)}), dict(change=at("record", "prevalence", to="half")), dict(change=at("weights", to="0" * 64)),
], ids=["width", "nan", "spread", "prevalence", "weights"])  # fmt: skip
def test_a_bad_active_head_leaves_the_bundled_answers_and_says_so(store, predictor, prediction, bad):
    bad_head(store, predictor, **bad)
    result = ActivePredictor(lambda: predictor, store)().predict(prediction.exam)
    assert result.answers == prediction.answers and result.finetuned == {}
    (note,) = [note.text for note in result.quality_notes if note.kind == "head"]
    assert "“bad” for mass cannot be used, so the bundled head answers" in note and "Fine-tune page" in note


def test_a_head_that_was_active_on_other_weights_is_missed_aloud(store, predictor, prediction):
    other = "1" * 64
    number = store.heads.add("mass", "old", other, {"prevalence": 0.5}, head_file(at("weights", to=other)), "ann")
    store.heads.activate(number, "mass", other, "ann")
    get_predictor = ActivePredictor(lambda: predictor, store)
    events = FinetuneEvents(store, "demo", get_predictor)

    def notes():
        return [note.text for note in get_predictor().predict(prediction.exam).quality_notes if note.kind == "head"]

    (note,) = notes()
    assert "“old” for mass cannot be used, so the bundled head answers" in note and "fine-tune it again here" in note
    assert "of other weights, where it is active" in events.refresh(None, None)[3].choices[0][0]
    assert "not a head for mass of the weights that are loaded" in events.activate("ann", number, True)[0]
    here = import_head(store, predictor, head_file(at("name", to="new")), "ann")
    store.heads.activate(here, "mass", predictor.weights, "ann")
    assert notes() == [] and get_predictor().finetuned == {"mass": "new"}
    store.heads.activate(None, "mass", predictor.weights, "ann")
    assert "The bundled head answers mass again" in events.roll_back("ann", number)[0] and notes() == []


def test_an_error_of_the_program_in_one_head_leaves_the_other_answers(store, predictor, prediction, monkeypatch):
    bad_head(store, predictor)
    monkeypatch.setattr("mvmlm.finetuning.head.read_metadata", lambda data: 1 / 0)
    result = with_active_heads(predictor, store).predict(prediction.exam)
    assert result.answers == prediction.answers
    assert any("ZeroDivisionError, see the log" in note.text for note in result.quality_notes)


class _Failing(FinetunedHead):
    """A head that answers ordinary embeddings, and fails on the exam at hand."""

    def forward(self, features):
        raise IndexError("planted")


@pytest.fixture
def failing(predictor, request):
    """The predictor with a head for mass that fails when it is used: by an error, or by a number that is not finite."""
    head = _Failing(TASK["mass"], 165, "linear", "mine")
    if request.param == "nan":
        head = FinetunedHead(TASK["mass"], 165, "linear", "mine")
        head.shift.fill_(float("nan"))
    head.prevalence = 0.5
    return predictor.with_heads([head.eval().requires_grad_(False)], TASKS)


@pytest.mark.parametrize("failing", ["error", "nan"], indirect=True)
def test_a_head_that_fails_on_an_exam_is_replaced_there_by_the_bundled_one(failing, predictor, prediction):
    result = failing.predict(prediction.exam)
    assert result.answers == prediction.answers and result.finetuned == {}
    assert [note.kind for note in result.quality_notes].count("head") == 1
    assert result.prevalence["mass"] == predictor.prevalence["mass"], (
        "the frequencies are those of the head that answered"
    )
    assert failing.answer_by_view(result.encoding, "mass") == predictor.answer_by_view(prediction.encoding, "mass")
    target = Target("mass", "present")
    found, expected = (p.maps(prediction.encoding, [target])[target] for p in (failing, predictor))
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_a_removed_task_with_an_active_head_locks_nobody_out(tmp_path, predictor, prediction):
    declare_task(tmp_path, {"name": "vascular", "level": "breast", "classes": ["none", "mild", "severe"], "title": "Vascular calcification"})  # fmt: skip
    store = Store(tmp_path)
    number = import_head(store, predictor, FILES["vascular"], "ann")
    store.heads.activate(number, "vascular", predictor.weights, "ann")
    store.close()
    (tmp_path / TASKS_FILE).unlink()
    store = Store(tmp_path)
    get_predictor = ActivePredictor(lambda: predictor, store)
    result = get_predictor().predict(prediction.exam)
    assert result.answers == prediction.answers
    assert any("“old vascular” for vascular cannot be used, so no head answers" in n.text for n in result.quality_notes)
    events = FinetuneEvents(store, "demo", get_predictor)
    seen, _, _, choice = events.refresh(None, None)
    assert seen.heads == ((number, True),) and choice.value == number
    assert "not known here" in events.show_head(number)[0]
    assert "The bundled head answers vascular again" in events.roll_back("ann", number)[0]
    assert not any(note.kind == "head" for note in get_predictor().predict(prediction.exam).quality_notes)
    assert "deleted" in events.delete("ann", number, True)[0] and store.heads.summaries() == []


def test_a_head_that_gives_no_finite_score_orders_no_worklist(store, predictor, exam_files):
    head = FinetunedHead(TASK["malignancy"], 165, "linear", "mine")
    head.shift.fill_(float("nan"))
    finetuned = predictor.with_heads([head.eval().requires_grad_(False)], TASKS)
    store.exams.add(*exam_files, "ann")
    rng = np.random.default_rng(0)
    vectors = {side: rng.normal(size=165) for side in Laterality} | {
        None: rng.normal(size=predictor.width(TASK["density"].level))
    }
    store.embeddings.add(1, predictor.weights, "source", vectors)
    with pytest.raises(ValueError, match="not finite"):
        score_exams(finetuned, EmbeddedExams.load(store, finetuned), TASK["malignancy"])
    store_scores(store, finetuned)
    score = store.exams.get(1).score
    store_scores(store, predictor)
    assert score is not None and score == store.exams.get(1).score


def test_a_stored_record_of_any_shape_is_shown_as_a_sentence(store, predictor):
    number = store.heads.add("mass", "odd", predictor.weights, {"comparison": SCRIPT}, b"", "ann")
    events = FinetuneEvents(store, "demo", lambda: predictor)
    page, details, *plots, box = events.show_head(number)
    assert (
        'class="wrong"' in page
        and "cannot be shown" in page
        and details == ""
        and all(plot.visible is False for plot in plots)
    )
    assert box.visible and "its record cannot be read" in events.activate("ann", number, False)[0]


def test_another_head_with_the_number_of_a_deleted_one_answers(store, predictor):
    get_predictor = ActivePredictor(lambda: predictor, store)
    for name in ("first", "second"):
        number = import_head(store, predictor, head_file(at("name", to=name)), "ann")
        store.heads.activate(number, "mass", predictor.weights, "ann")
        assert number == 1 and get_predictor().finetuned == {"mass": name}
        store.heads.activate(None, "mass", predictor.weights, "ann")
        store.heads.delete(number, "ann")


def test_asking_which_heads_are_active_reads_no_tensors_and_no_records(store, predictor):
    import_head(store, predictor, FILES["mass"], "ann")
    get_predictor, queries = ActivePredictor(lambda: predictor, store), []
    get_predictor()
    store.file.conn.set_trace_callback(queries.append)
    get_predictor()
    FinetuneEvents(store, "demo", get_predictor).refresh(None, None)
    store.file.conn.set_trace_callback(None)
    assert queries and not any(
        "tensors" in query or "record" in query or "*" in query for query in queries if "FROM heads" in query
    )


def test_the_page_reads_no_more_of_an_upload_than_a_head_file_may_hold(store, predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("mvmlm.finetuning.head.MAX_HEAD_BYTES", 1000)
    path = tmp_path / "head.safetensors"
    path.write_bytes(FILES["mass"])
    ann = SimpleNamespace(cookies={COOKIE: "ann"})
    field, message = FinetuneEvents(store, "demo", lambda: predictor).import_head(waiting_upload(path), "ann", ann)
    assert field is None and "larger than" in message
