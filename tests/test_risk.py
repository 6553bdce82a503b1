"""The risk of a later cancer: told of phantoms, and of women only where it was learned on women."""

import json
from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
import torch

from app.read.answers import answers_html
from app.read.model_events import BINARY, ModelEvents, store_answers
from app.read.visit import Visit
from mvmlm.exam import Exam
from mvmlm.finetuning import finetune
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.embeddings import EmbeddedExams, score_exams
from mvmlm.finetuning.finetune import FinetuneResult
from mvmlm.finetuning.head import FinetunedHead, read_head, write_head
from mvmlm.imaging.write import write_view
from mvmlm.inference.draft_report import draft_findings
from mvmlm.inference.explain import all_targets, leading_targets
from mvmlm.inference.model_predictor import ModelPredictor
from mvmlm.inference.output import prediction_record
from mvmlm.inference.prediction import Target
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.model.weights import BUNDLED, WeightsError, load_weights, read_record, save_model
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, TASKS
from tests.test_app import ANN
from tests.test_read_events import PER_1000, page, room  # noqa: F401

YEARS = list("12345")


def woman(phantom) -> Exam:
    """The same pictures as a woman's, so that nothing but that can make a difference."""
    return Exam({name: replace(view, phantom=False) for name, view in phantom.exam.views.items()})


def trained(predictor, **training) -> ModelPredictor:
    """The predictor of the same weights with another record of their training."""
    other = copy(predictor)
    other.model = copy(predictor.model)
    other.model.record = replace(predictor.record, training=training)
    return other


def finetuned_head(predictor, bias=-3.0, learned_on_phantoms=False) -> FinetunedHead:
    head = FinetunedHead(TASK["risk"], predictor.width(TASK["risk"].level), "linear", "ours")
    torch.nn.init.zeros_(head.head.linear.weight)
    torch.nn.init.constant_(head.head.linear.bias, bias)
    head.learned_on_phantoms = learned_on_phantoms
    return head.requires_grad_(False)


def years(prediction) -> list[str]:
    return [answer.class_ for answer in prediction.answers if answer.task == "risk"]


def test_a_phantom_is_told_its_risk_and_a_woman_is_not(predictor, phantom):
    other = trained(predictor, risk_learned_on="phantoms")
    of_phantom, of_woman = other.predict(phantom.exam), other.predict(woman(phantom))
    assert years(of_phantom) == YEARS and of_phantom.withheld == {}
    assert years(of_woman) == [] and list(of_woman.withheld) == ["risk"]
    assert [a for a in of_phantom.answers if a.task != "risk"] == list(of_woman.answers), "all else stays as it is"


def test_text_and_json_say_why_a_woman_gets_no_risk(predictor, phantom):
    prediction = predictor.predict(woman(phantom))
    record = json.loads(json.dumps(prediction_record(prediction)))
    assert {row["task"] for row in record["predictions"]}.isdisjoint({"risk"})
    assert record["not_answered"]["risk"].startswith("not trained on women")
    assert "Cancer risk, years 1 to 5: not trained on women" in str(prediction)
    assert "Cancer risk, years 1 to 5: 1" not in str(prediction)
    assert prediction_record(predictor.predict(phantom.exam))["not_answered"] == {}


@pytest.mark.parametrize(
    "training, learned_on",
    [
        ({"risk_learned_on": "women"}, "women"),
        ({"risk_learned_on": "phantoms", "data": "9 exams of csaw-cc"}, "phantoms"),
        ({"risk_learned_on": "dogs", "data": "9 exams of csaw-cc"}, None),
        ({"data": "4000 phantom exams, seed 1, rows (640, 704, 896)"}, "phantoms"),
        ({"data": "9 exams of csaw-cc"}, "women"),
        ({"data": "9 exams of table"}, None),
        ({}, None),
    ],
)
def test_on_whom_risk_was_learned_is_a_fact_of_the_record(predictor, phantom, training, learned_on):
    other = trained(predictor, **training)
    assert other.record.risk_learned_on == learned_on
    assert years(other.predict(phantom.exam)) == YEARS
    prediction = other.predict(woman(phantom))
    assert years(prediction) == (YEARS if learned_on == "women" else [])
    if learned_on is None:
        assert "as far as the record of these weights says" in prediction.withheld["risk"]


def test_the_bundled_weights_say_that_they_learned_risk_on_phantoms():
    assert read_record(BUNDLED / "demo.safetensors").risk_learned_on == "phantoms"


@pytest.mark.parametrize("training", [{"risk_learned_on": 1}, {"learned_from": {"a": 1}}, {"learned_from": "x"}])
def test_a_record_of_another_form_is_refused(tmp_path, small_weights, training):
    model = load_weights(small_weights)
    save_model(model, tmp_path / "w.safetensors", replace(model.record, training=training))
    with pytest.raises(WeightsError, match="its record cannot be used"):
        read_record(tmp_path / "w.safetensors")


def test_a_head_that_a_user_taught_on_women_answers_for_women(predictor, phantom):
    prediction = predictor.with_heads([finetuned_head(predictor)]).predict(woman(phantom))
    assert years(prediction) == YEARS and prediction.finetuned == {"risk": "ours"}
    assert "risk" not in prediction.withheld


def test_a_head_that_was_taught_on_phantoms_answers_for_phantoms_alone(predictor, phantom):
    other = predictor.with_heads([finetuned_head(predictor, learned_on_phantoms=True)])
    assert years(other.predict(phantom.exam)) == YEARS
    prediction = other.predict(woman(phantom))
    assert years(prediction) == [] and prediction.finetuned == {} and "risk" in prediction.withheld


def test_a_head_file_says_where_only_phantoms_taught_it(predictor):
    record = {"learned_on_phantoms": True}
    for kept, expected in ((record, True), ({}, False), ({"learned_on_phantoms": "yes"}, False)):
        data = write_head(finetuned_head(predictor), predictor.weights, "ours", kept)
        assert read_head(data, predictor, TASKS)[0].learned_on_phantoms is expected


def test_the_store_knows_its_phantoms_and_teaches_from_them_by_that_name(tmp_path, predictor, phantom, monkeypatch):
    store, paths = Store(tmp_path), {}
    for name, view in phantom.exam.views.items():
        paths[name] = tmp_path / f"{name}.dcm"
        write_view(view, paths[name], "p")
    for number, exam in enumerate((phantom.exam, woman(phantom)), 1):
        store.exams.add(exam, paths, "ann", patient_id=f"p{number}", study_id=f"s{number}", name=f"e{number}")
    assert store.exams.phantoms() == {"e1"}
    taught = FinetuneResult(finetuned_head(predictor), {})
    monkeypatch.setattr(finetune, "finetune_head", lambda *given: taught)
    for exams, alone in ((("e1", "e1"), True), (("e1", "e2"), False)):
        cases = SimpleNamespace(exams=exams)
        monkeypatch.setattr(finetune, "collect_cases", lambda *given, cases=cases: (cases, []))
        head = finetune.finetune_from_store(
            store, predictor, None, FinetuneConfig("risk", name=str(alone)), "ann", lambda *progress: False
        )
        assert head.record.get("learned_on_phantoms", False) is alone
    store.close()


def test_where_a_head_taught_on_women_fails_the_one_of_the_phantoms_does_not_step_in(predictor, phantom):
    other = predictor.with_heads([finetuned_head(predictor, bias=float("nan"))])
    prediction = other.predict(woman(phantom))
    assert years(prediction) == [] and "risk" in prediction.withheld
    assert any("for phantom exams only" in note.text for note in prediction.quality_notes)
    assert years(other.predict(phantom.exam)) == YEARS


def test_maps_and_drafts_of_a_woman_have_no_risk(predictor, phantom):
    other = trained(predictor, risk_learned_on="phantoms")
    prediction = other.predict(woman(phantom))
    assert "risk" not in {target.task for target in leading_targets(prediction)}
    assert "risk" not in {target.task for target in all_targets(other.for_exam(prediction.encoding))}
    with pytest.raises(ValueError, match="no map, because it is not trained on women"):
        other.maps(prediction.encoding, [Target("mass", "present"), Target("risk", "5")])
    assert draft_findings(prediction) == draft_findings(other.predict(phantom.exam))


def test_exams_are_never_ordered_by_risk(predictor):
    nothing = np.zeros((0, 2, predictor.width(TASK["mass"].level)), np.float32)
    embedded = EmbeddedExams(
        np.zeros(0, int), np.zeros((0, predictor.width(TASK["risk"].level))), nothing, nothing[..., 0]
    )
    with pytest.raises(ValueError, match="not ordered"):
        score_exams(predictor, embedded, TASK["risk"])


def test_the_page_says_one_sentence_in_place_of_the_curve(room, predictor, phantom):  # noqa: F811
    learned = trained(predictor, risk_learned_on="phantoms")  # and not at chance, as the bundled weights are
    events = ModelEvents(lambda: learned, room.store, SharedReads())
    for exam, shown in ((phantom.exam, True), (woman(phantom), False)):
        visit = replace(Visit("ann"), exam=exam, token="t")
        visit, updates = room.answered(events.show_answers(visit.token, visit, False, False, ANN, *PER_1000))
        assert isinstance(updates["risk"], gr.Plot) and updates["risk"].visible == shown
        assert (updates["risk"].value is not None) == shown
        assert ("Cancer risk, years 1 to 5: not trained on women" in updates["answers"]) != shown
        assert any("Cancer risk" in str(choice) for choice in updates["map-target"].choices) == shown
        page_text = answers_html(visit.prediction, dict.fromkeys([task.name for task in BINARY], 5.0))
        assert ("not trained on women" in page_text) != shown


def test_a_woman_has_no_map_of_risk_on_the_page(room, predictor, phantom):  # noqa: F811
    visit = replace(Visit("ann"), exam=woman(phantom), token="t", prediction=predictor.predict(woman(phantom)))
    name = str(Target("risk", "5"))
    viewer, note, _ = room.maps.draw_maps(visit.token, True, name, 0.0, "inferno", "hirescam", True, visit, ANN)
    assert viewer.props["maps"] == {} and note == ""


def test_the_store_keeps_no_risk_of_a_woman_and_drops_an_old_one(tmp_path, predictor, phantom, exam_files):
    exam, paths = exam_files
    store = Store(tmp_path)
    number = store.exams.add(exam, paths, "ann", patient_id="p", study_id="s")
    learned = trained(predictor, **{**predictor.record.training, "at_chance": []})
    of_phantom, of_woman = learned.predict(phantom.exam), predictor.predict(woman(phantom))
    store_answers(store, number, of_phantom)
    assert "risk" in {row["task"] for row in store.predictions.of_exam(number)}
    store.predictions.add(number, "another model", [("risk", "", "1", "head", 0.5)], None)
    store_answers(store, number, of_woman)
    kept = {(row["task"], row["model"]) for row in store.predictions.of_exam(number)}
    assert {model for task, model in kept if task == "risk"} == {"another model"} and len(kept) > 5
    store.close()
