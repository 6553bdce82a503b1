"""What users of 0.4.0 have still opens: tests/data/v0_4_0 was made by that version.

What is answered has the same tasks and words. The numbers are others, for the weights are.
"""

import json
import shutil

import pytest

from mvmlm import load_exam
from mvmlm.exchange import read_any
from mvmlm.finetuning.embeddings import width_without_views
from mvmlm.finetuning.head import FinetunedHead, import_head, with_active_heads
from mvmlm.inference.output import prediction_record
from mvmlm.model.last_stage import LastStage
from mvmlm.pretraining.exam_cache import ExamCache
from mvmlm.pretraining.record import vocabulary
from mvmlm.reading.reading import ReadKind
from mvmlm.store.archive import open_stored_exam
from mvmlm.store.records import ExtraView
from mvmlm.store.store import Store
from mvmlm.tasks import TASK
from scripts.compare_answers import differences
from tests.conftest import ROOT

OLD = ROOT / "tests" / "data" / "v0_4_0"
WITHHELD = {"asymmetry", "distortion", "risk"}  # from women


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(OLD / "data", folder)
    store = Store(folder)
    for number in store.worklist.numbers():
        for view in store.exams.views(number):
            moved = view.path.replace("/srv/mvmlm-0.4.0/data", str(folder))
            store.file.conn.execute("UPDATE views SET path = ? WHERE path = ?", [moved, view.path])
    yield store
    store.close()


def as_read(store) -> dict:
    exams = {}
    for number in store.worklist.numbers():
        kept = store.exams.get(number)
        facts = (
            "patient",
            "split",
            "exam_date",
            "age_years",
            "vendor",
            "state",
            "readers",
            "density",
            "disagreement",
            "score",
        )
        readings = [
            {
                "reader": r.reader,
                "round": round_of(r),
                "seconds": r.seconds,
                "signed": r.signed,
                "informed": r.informed,
                "started": r.started,
                "reading": r.reading.to_json(),
            }
            for r in store.readings.of_exam(number)
        ]
        exams[kept.name] = {
            "exam": {name: getattr(kept, name) for name in facts},
            "views": {str(view.name): view.sha256 for view in store.exams.views(number)},
            "readings": readings,
        }
    return {
        "exams": exams,
        "heads": {head.name: {"task": head.task, "active": head.active} for head in store.heads.all()},
        "jobs": [{"kind": job.kind, "state": job.state, "said": job.message} for job in store.jobs.recent()],
        "prompts": store.prompt_sets.all(),
    }


def round_of(read) -> str:
    """What 0.4.0 called a read."""
    return "consensus" if read.kind is ReadKind.ARBITRATION else "after the model" if read.amends else "first"


def old_answers(name: str) -> dict:
    return json.loads((OLD / name).read_text(encoding="utf-8"))


def only_numbers_differ(name: str, answers: dict) -> bool:
    """Whether answers differ from those of 0.4.0 in numbers alone, but for the weights and what is now withheld."""
    old = old_answers(name)
    given = [row for row in old["predictions"] if row["task"] not in answers["not_answered"]]
    found = [size for _, size in differences(old | {"predictions": given, "model": answers["model"]}, answers)]
    return max(found, default=0) < 1


def test_a_data_folder_of_0_4_0_holds_what_it_held(store):
    expected = old_answers("as_read_by_0_4_0.json")
    del expected["history"]
    for exam in expected["exams"].values():
        exam["exam"]["split"] = exam["exam"].pop("part")
    for job in expected["jobs"]:
        job["kind"] = {"teach": "finetune", "keep": "import"}.get(job["kind"], job["kind"])
    exams = expected["exams"]
    for exam in exams.values():
        for reading in exam["readings"]:  # what that version called "after the model" was informed by it
            reading["informed"] |= reading["round"] == "after the model"
    assert json.loads(json.dumps(as_read(store))) == expected
    kinds = [(r.reader, r.kind.value, bool(r.amends), r.final == r.signed) for r in store.readings.of_exam(1)]
    assert kinds == [
        ("ann", "first", False, True), ("bob", "second", False, True), ("ann", "first", True, True),
        ("ann + bob", "arbitration", False, True),
    ]  # fmt: skip


def test_an_active_head_of_0_4_0_answers_with_its_weights(store, predictor_of_0_4_0, decoder):
    exam = open_stored_exam(store, 1, decoder)
    answers = json.loads(json.dumps(prediction_record(with_active_heads(predictor_of_0_4_0, store).predict(exam))))
    assert set(answers["not_answered"]) == WITHHELD, "that version's copies of phantoms do not prove what they are"
    assert only_numbers_differ("predict_with_head.json", answers)


@pytest.mark.parametrize("name", ["mass", "vascular"])
def test_a_head_file_of_0_4_0_is_imported(store, predictor_of_0_4_0, name):
    for head in store.heads.all():
        if head.active:
            store.heads.activate(None, head.task, head.weights, "ann")
        store.heads.delete(head.id, "ann")
    number = import_head(store, predictor_of_0_4_0, (OLD / f"head-{name}.safetensors").read_bytes(), "ann")
    assert store.heads.all()[0].id == number and store.heads.all()[0].name == f"old {name}"


def test_a_stage_head_keeps_its_tensor_names(predictor):
    width = width_without_views(predictor, TASK["mass"].level)
    head = FinetunedHead(TASK["mass"], width, "stage", "x", LastStage(predictor.model))
    assert {name: list(value.shape) for name, value in head.state_dict().items()} == old_answers(
        "stage_head_tensors.json"
    )


@pytest.mark.parametrize("name, readings", [("readings.csv", 6), ("marks.json", 3), ("exams.csv", 2)])
def test_tables_and_marks_of_0_4_0_are_imported(store, tmp_path, name, readings):
    store.file.conn.executescript(
        "DELETE FROM boxes; DELETE FROM findings; DELETE FROM reading_fields; DELETE FROM readings;"
    )
    found = read_any(store, OLD / name, "dora")
    assert found.readings == readings and found.problems == ()
    if name == "readings.csv":
        expected = {exam: data["readings"] for exam, data in old_answers("as_read_by_0_4_0.json")["exams"].items()}
        assert {
            exam: data["readings"] for exam, data in json.loads(json.dumps(as_read(store)))["exams"].items()
        } == expected


def test_decoded_exams_of_0_4_0_are_read():
    cache = ExamCache(OLD / "work" / "exams")
    assert cache.names == ["exam 0", "exam 1"] and cache.damaged() == []
    assert cache.labels[0].boxes[0].kind == "mass" and cache.labels[0].risk == (3.5, True)
    assert len(vocabulary(cache)) > 50 and cache.paraphrases


@pytest.mark.parametrize("exam", ["film", "phantom"])
def test_the_demo_exams_are_answered_in_the_words_of_0_4_0(predictor, decoder, exam):
    prompts = (OLD / "prompts.txt").read_text(encoding="utf-8").splitlines()
    prediction = predictor.predict(load_exam(ROOT / "assets" / "demo_exams" / exam, decoder=decoder), prompts)
    answers = json.loads(json.dumps(prediction_record(prediction)))
    assert set(answers["not_answered"]) == (set() if exam == "phantom" else WITHHELD)
    assert only_numbers_differ(f"predict_{exam}.json", answers)


def test_a_view_of_0_4_0_can_be_named_anew_and_its_old_name_stays_in_the_history(store, decoder):
    number = next(n for n in store.worklist.numbers() if not any(r.reading.findings for r in store.readings.of_exam(n)))
    views = store.exams.views(number)
    assert all(view.named_by == "" for view in views) and store.exams.extra_views(number) == []
    first, *rest = views
    store.exams.correct_views(number, rest, [ExtraView(*first[1:5])], "dora")
    exam = open_stored_exam(store, number, decoder)
    assert first.name not in exam.views and len(exam.extra) == 1
    before = json.loads(store.file.history(f"exam {number}")[-1]["before"])
    assert before["views"][str(first.name)] == first.sha256[:16]
