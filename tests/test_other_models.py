"""Other models on the reading page: side by side, sealed like ours, and never for another exam or another visitor."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.read.compared_answers import Asked, compared_html
from app.read.other_models import OtherModelEvents
from app.read.other_predictors import OtherPredictors
from app.read.visit import Asked as AskedOf
from app.read.visit import Visit
from mvmlm.imaging.preprocess import NoBreast

OFTEN = [5.0] * 5


class Predictors:
    """Two models by name; one cannot read the exam."""

    def __init__(self, predictor):
        self.predictor, self.runs = predictor, []

    def choices(self):
        return [("Ours again", "again"), ("Blind", "blind")]

    def get(self, name):
        self.runs.append(name)
        if name == "again":
            return self.predictor
        return SimpleNamespace(predict=self.refuse)

    def refuse(self, exam, score_for_processing):
        raise NoBreast("no breast <b>found</b>")


def visitor(cookie):
    return SimpleNamespace(cookies={"mvmlm-visitor": cookie}, session_hash=f"session-{cookie}")


@pytest.fixture
def asking(predictor, phantom, prediction, monkeypatch):
    """Handlers, and a visit that shows its answers; every request counts as its owner's."""
    monkeypatch.setattr(Visit, "owned_by", lambda visit, request: visit)
    monkeypatch.setattr("app.read.other_models.owner", lambda request, session: request.cookies["mvmlm-visitor"])
    events = OtherModelEvents(Predictors(predictor))
    visit = Visit(
        exam=phantom.exam, token="t1", prediction=prediction, asked=AskedOf(predictor, False), answers_requested=True
    )
    return events, visit


def progress(share, desc=""):
    """Draw nothing."""


def test_models_answer_side_by_side_and_one_that_fails_says_why(asking):
    events, visit = asking
    number, note = events.ask("t1", ["again", "blind"], visit, False, visitor("ann"))
    assert "Ours again, Blind: reading the exam" in note
    done = events.compute(number, visitor("ann"), progress)
    page = events.show("t1", done, visit, False, visitor("ann"), *OFTEN)
    assert page.count("Ours again") == page.count('<th scope="row">Ours again') + 1
    assert "Blind: Not assessed: no breast &lt;b&gt;found&lt;/b&gt;." in page
    assert not events._requests, "the exam is not held any longer"


def test_a_model_whose_numbers_are_not_finite_is_told_and_the_others_answer(asking):
    events, visit = asking

    def not_finite(exam, score_for_processing):
        raise FloatingPointError("mass: the model gave a number that is not finite")

    events._predictors.refuse = not_finite
    number, _ = events.ask("t1", ["blind", "again"], visit, False, visitor("ann"))
    page = events.show("t1", events.compute(number, visitor("ann"), progress), visit, False, visitor("ann"), *OFTEN)
    assert "Blind: mass: the model gave a number that is not finite" in page and "Ours again" in page


def test_nothing_is_asked_before_the_reader_asked_for_ours(asking):
    events, visit = asking
    for other, told in (
        (replace(visit, answers_requested=False), "hidden"), (replace(visit, prediction=None), "Open an exam first"),
    ):  # fmt: skip
        number, note = events.ask("t1", ["again"], other, False, visitor("ann"))
        assert number == "" and told in note
    number, note = events.ask("t1", [], visit, False, visitor("ann"))
    assert number == "" and "Choose at least one model" in note


def test_an_answer_that_comes_late_is_not_shown_for_another_exam_nor_while_sealed(asking):
    events, visit = asking
    number, _ = events.ask("t1", ["again"], visit, False, visitor("ann"))
    done = events.compute(number, visitor("ann"), progress)
    another = replace(visit, token="t2")
    assert events.show("t2", done, another, False, visitor("ann"), *OFTEN) == {"__type__": "update"}
    assert "hidden" in events.show("t1", done, replace(visit, answers_requested=False), False, visitor("ann"), *OFTEN)
    assert "compared" in events.show("t1", done, visit, False, visitor("ann"), *OFTEN)


def test_another_visitor_gets_neither_the_answers_nor_the_work(asking):
    events, visit = asking
    number, _ = events.ask("t1", ["again"], visit, False, visitor("ann"))
    assert events.compute(number, visitor("eve"), progress) == {"__type__": "update"}
    assert events._predictors.runs == []
    done = events.compute(number, visitor("ann"), progress)
    assert events.show("t1", done, visit, False, visitor("eve"), *OFTEN) == {"__type__": "update"}


def test_texts_of_a_model_are_escaped(prediction):
    evil = "<script>alert(1)</script>"
    page = compared_html([Asked(evil, replace(prediction, model=evil, version=evil)), Asked(evil, None, evil)], {})
    assert "<script>" not in page


def test_models_on_this_machine_are_listed_and_no_other_file_is_loaded(store):
    (store.folder / "models").mkdir()
    (store.folder / "models" / "mirai.safetensors").touch()
    others = OtherPredictors(store, "demo")
    assert others.choices() == [("Mirai", "mirai")]
    for name in ("demo", "../mirai", "mammoscreen", ""):
        with pytest.raises(ValueError, match="not on this machine"):
            others.get(name)
