"""The box of clinical risk: two rows that are never mixed, for the open exam alone, and nothing leaks while blind."""

import json
import re
from dataclasses import replace

import gradio as gr
import pytest

from app.read.answers_state import HIDDEN
from app.read.clinical_box import TO_ANSWER
from app.read.clinical_events import ClinicalEvents, gail_html, image_risk_html
from app.read.exam_events import exam_updates
from app.read.model_events import ModelEvents
from app.read.visit import OpenList, Visit
from mvmlm.__main__ import main
from mvmlm.exam import Acquisition, Exam
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.site.clinical_risk import LIMITS, GailFactors, Hyperplasia, gail_risk
from tests.test_app import ANN
from tests.test_one_breast import woman
from tests.test_read_events import PER_1000, page, phantom_visit, room  # noqa: F401
from tests.test_risk import trained

#: age, excluded, menarche, first birth, relatives, biopsies, hyperplasia
COMPLETE = (55, "no", "12", "22", "1", "0", None)
NAMES = ("age", "excluded", "menarche", "first-birth", "relatives", "biopsies", "hyperplasia", "result")


def changed(**answers):
    order = ("age", "excluded", "menarche", "first_birth", "relatives", "biopsies", "hyperplasia")
    return [answers.get(name, value) for name, value in zip(order, COMPLETE, strict=True)]


def figure(shown):
    """The bold figure and the text after it."""
    found = re.search(r"<b>(.*?)</b> such women<br>(.*?)</td>", shown)
    return found and found.groups()


def test_complete_answers_give_a_frequency_and_per_cent_with_source_and_limits():
    shown = gail_html(*COMPLETE)
    assert figure(shown) == ("about 1 in 44", "2.3 %")  # 2.3 % is published for these answers
    assert "JNCI 81:1879, 1989" in shown and "Gail model, invasive cancer, 5 years" in shown
    assert all(limit in shown for limit in LIMITS) and "1983 to 1987" in shown and "Research use only" in shown
    assert "For: age 55; first period 12–13; first birth 20–24; relatives 1; biopsies none." in shown


@pytest.mark.parametrize(
    "answers, factors",
    [
        ({"menarche": "11"}, (55, 9, 0, 22, 1)),
        ({"menarche": "14"}, (55, 16, 0, 22, 1)),
        ({"first_birth": "0"}, (55, 13, 0, 0, 1)),
        ({"first_birth": "19"}, (55, 13, 0, 17, 1)),
        ({"first_birth": "27"}, (55, 13, 0, 25, 1)),
        ({"first_birth": "30"}, (55, 13, 0, 41, 1)),
        ({"relatives": "2"}, (55, 13, 0, 22, 3)),
        ({"biopsies": "2", "hyperplasia": "yes"}, (55, 13, 4, 22, 1, Hyperplasia.PRESENT)),
        ({"biopsies": "1", "hyperplasia": "no"}, (55, 13, 1, 22, 1, Hyperplasia.ABSENT)),
        ({"biopsies": "1", "hyperplasia": "unknown"}, (55, 13, 1, 22, 1)),
    ],
)
def test_each_group_stands_for_every_woman_in_it(answers, factors):
    assert figure(gail_html(*changed(**answers)))[1] == f"{100 * gail_risk(GailFactors(*factors)):.1f} %"


@pytest.mark.parametrize(
    "answers, why",
    [
        ({"menarche": None}, "not answered yet: age at the first period."),
        ({"age": None, "relatives": None}, "not answered yet: age, relatives."),
        ({"biopsies": "1"}, "not answered yet: atypical hyperplasia."),
        ({"excluded": None}, "not answered yet: the question of what excludes her."),
        ({"excluded": "yes"}, "does not hold for women with breast cancer, DCIS or LCIS of her own"),
        ({"age": 34}, "ages of 35 to 85"),
        ({"age": 55.5}, "ages of 35 to 85, in whole years"),
        ({"hyperplasia": "yes"}, "known from a biopsy only"),
        ({"biopsies": "unknown", "hyperplasia": "yes"}, "known from a biopsy only"),
    ],
)
def test_nothing_is_guessed_for_an_answer_that_is_missing_or_cannot_be(answers, why):
    shown = gail_html(*changed(**answers))
    assert figure(shown) is None and "Not calculated" in shown and why in shown


def test_an_unknown_answer_is_said_beside_the_number():
    shown = gail_html(*changed(menarche="unknown", relatives="unknown", excluded="unknown"))
    assert figure(shown)[1] == f"{100 * gail_risk(GailFactors(55, None, 0, 22, None)):.1f} %"
    assert "counted as no risk factor: age at the first period, number of relatives" in shown
    assert "Not known: breast cancer, DCIS" in shown and "this number does not hold" in shown
    assert "Not known" not in gail_html(*COMPLETE)


def test_an_answer_for_another_exam_gives_no_number(phantom):
    events = ClinicalEvents()
    visit = Visit(exam=phantom.exam, token="now")
    assert figure(events.gail("now", visit, ANN, *COMPLETE))
    with pytest.raises(gr.Error, match="open before"):
        events.gail("before", visit, ANN, *COMPLETE)
    with pytest.raises(gr.Error, match="another visitor"):
        events.gail("now", replace(visit, owner="bob"), ANN, *COMPLETE)


def aged(exam, *ages):
    """The exam with an age in each view; None where the file does not say it."""
    views = zip(exam.views.items(), [*ages] * 4, strict=False)
    return Exam({name: replace(view, acquisition=Acquisition(age_years=age)) for (name, view), age in views})


def emptied(updates):
    """What the questions and the result become, by name; an update that leaves a component alone has no value."""
    values = [updates[f"clinical-{name}"] for name in NAMES]
    return [getattr(value, "value", value) for value in values]


def test_every_way_to_another_exam_empties_the_answers(room, phantom_visit):  # noqa: F811
    after, updates = room.opened(room.exam.open_demo("phantom", phantom_visit, ANN))
    age = next(iter(after.exam.views.values())).acquisition.age_years
    assert emptied(updates) == [age, *[None] * 6, TO_ANSWER] and age
    number = room.start(after).exam_number
    _, updates = room.opened(room.exam.open_stored(number, "", phantom_visit, ANN))
    assert emptied(updates)[1:] == [*[None] * 6, TO_ANSWER]
    sent = gr.EventData(None, {"address": f"exam-{number:05d}"})
    _, updates = room.opened(room.exam.go(phantom_visit.token, phantom_visit, sent, ANN))
    assert emptied(updates)[1:] == [*[None] * 6, TO_ANSWER]
    nothing = exam_updates(room.store, room.exam._pixels, phantom_visit, Visit("ann"), "", another=False)
    assert emptied(room.opened(nothing)[1]) == [None] * 7 + [TO_ANSWER]


def test_the_answers_stay_while_the_same_exam_is_read_and_go_with_another_reader(room, phantom_visit):  # noqa: F811
    first, updates = room.opened(room.form.start(phantom_visit.token, "Ann", False, "", phantom_visit, ANN))
    assert all(updates[f"clinical-{name}"] == gr.skip() for name in NAMES)
    _, updates = room.opened(room.form.start(first.token, "Bea", False, "", first, ANN))
    assert emptied(updates)[1:] == [*[None] * 6, TO_ANSWER]


@pytest.mark.parametrize("ages, shown", [((52,), 52), ((None,), None), ((52, 53), None), ((52, None), 52)])
def test_the_age_is_that_of_the_files_where_they_agree(room, phantom, ages, shown):  # noqa: F811
    visit = Visit("ann", exam=aged(phantom.exam, *ages))
    _, updates = room.opened(exam_updates(room.store, room.exam._pixels, Visit("ann"), visit, ""))
    age = updates["clinical-age"]
    assert age.value == shown and ("from the files" in age.label) == (shown is not None)


def asked(prediction, **changed):
    return Visit("ann", exam=prediction.exam, prediction=prediction, answers_requested=True, **changed)


def test_the_row_of_the_images_has_the_figure_of_the_answers_and_no_other(predictor, phantom):
    learned = trained(predictor, risk_learned_on="phantoms")
    prediction = learned.predict(phantom.exam)
    shown = image_risk_html(asked(prediction), False)
    percent = 100 * prediction.probability("risk", "5")
    assert f"{percent:.1f} % in 5 y" in shown and prediction.model in shown
    assert "not answered: not trained on women" in image_risk_html(asked(learned.predict(woman(phantom))), False)
    assert "not answered: at chance" in image_risk_html(asked(predictor.predict(phantom.exam)), False)
    assert "could not read" in image_risk_html(Visit("ann", exam=phantom.exam, answers_requested=True), False)


def test_the_row_of_the_images_is_as_sealed_as_the_answers(room, predictor, phantom):  # noqa: F811
    learned = trained(predictor, risk_learned_on="phantoms")
    prediction = learned.predict(phantom.exam)
    session = OpenList("session", (1,), session=1)
    for visit, at_once in (
        (replace(asked(prediction), answers_requested=False), False),
        (replace(asked(prediction, open_list=session), answers_requested=False), True),
    ):
        shown = image_risk_html(visit, at_once)
        assert HIDDEN in shown and "%" not in shown and prediction.model not in shown
    assert shown == image_risk_html(replace(visit, prediction=predictor.predict(woman(phantom))), True), "nor why not"
    events = ModelEvents(lambda: learned, room.store, SharedReads())
    visit = Visit("ann", exam=phantom.exam, token="t")
    visit, updates = room.answered(events.answers("t", visit, False, False, ANN, *PER_1000))
    assert HIDDEN in updates["clinical-images"]
    visit, updates = room.answered(events.show_answers("t", visit, False, False, ANN, *PER_1000))
    assert "% in 5 y" in updates["clinical-images"]
    visit, updates = room.opened(room.form.start("t", "Ann", False, "", visit, ANN))
    assert "the model reads the exam" in updates["clinical-images"] and "%" not in updates["clinical-images"]


def test_her_answers_change_no_image_risk_and_are_not_stored(room, phantom_visit, tmp_path):  # noqa: F811
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ClinicalEvents().gail(phantom_visit.token, phantom_visit, ANN, *COMPLETE)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


OPTIONS = ["--age", "55", "--menarche", "12", "--biopsies", "0", "--first-birth", "22", "--relatives", "1"]


def command(capsys, *options):
    status = main(["clinical-risk", *options])
    return status, *capsys.readouterr()


def test_the_command_prints_the_published_risk_with_a_sentence_for_each_limit(capsys):
    status, out, _ = command(capsys, *OPTIONS, "--excluded", "no", "--json")
    record = json.loads(out)
    assert status == 0 and round(record["risk"], 3) == 0.023 and record["limits"] == list(LIMITS)
    assert record["natural_frequency"] == "about 1 in 44 such women" and record["unknown"] == record["notes"] == []
    assert record["answers"]["first_birth"] == 22 and record["use"] == "research use only, not for diagnosis"
    status, out, _ = command(capsys, *OPTIONS, "--excluded", "no")
    assert "about 1 in 44 such women (2.3 %)" in out and all(limit in out for limit in LIMITS)


def test_the_command_takes_unknown_as_an_answer_and_nothing_for_granted(capsys):
    status, out, err = command(capsys, "--age", "55", "--menarche", "unknown")
    assert status == 1 and out == "" and "Give --biopsies, --first-birth, --relatives, --excluded too" in err
    unknown = ["--age", "55", "--menarche", "unknown", "--biopsies", "unknown", "--first-birth", "unknown"]
    status, out, _ = command(capsys, *unknown, "--relatives", "unknown", "--excluded", "unknown", "--json")
    record = json.loads(out)
    assert status == 0 and len(record["unknown"]) == 4 and len(record["notes"]) == 2
    assert record["answers"]["menarche"] is None and record["answers"]["excluded"] == "unknown"
    one = [*OPTIONS[:4], "--biopsies", "1", *OPTIONS[6:], "--excluded", "no"]
    assert "Give --hyperplasia too" in command(capsys, *one)[2]
    assert command(capsys, *one, "--hyperplasia", "unknown")[0] == 0


@pytest.mark.parametrize(
    "options, status, problem",
    [
        (("--excluded", "yes"), 2, "does not hold for women with breast cancer"),
        (("--excluded", "no", "--years", "40"), 1, "years: 40 is not from 1 to 35"),
        (("--excluded", "no", "--hyperplasia", "yes"), 1, "only a biopsy tells of it"),
        (("--excluded", "no", "--send"), 1, "are for --canrisk FILE"),
    ],
)
def test_the_command_gives_no_number_where_the_model_does_not_hold(capsys, options, status, problem):
    got, out, err = command(capsys, *OPTIONS, *options)
    assert (got, out) == (status, "") and problem in err
