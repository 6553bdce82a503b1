"""Questions about files: who is asked, what is not scored before the answer, and what an answer does."""

import json

import numpy as np
import pytest

from mvmlm.__main__ import main
from mvmlm.exam import STANDARD_VIEWS, Modifier
from mvmlm.imaging.exam_changes import Answer, NoSuchQuestion, answer_questions
from mvmlm.imaging.load import load_exam
from mvmlm.store.archive import import_exams
from tests.traps.table import breast, mammogram, save

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS


@pytest.fixture
def folder(tmp_path):
    """A sound left view, and a right one whose side nothing gives."""
    save(mammogram("L_CC"), tmp_path / "left.dcm")
    save(mammogram("R_CC", ImageLaterality=None), tmp_path / "one.dcm")
    return tmp_path


def test_a_view_with_an_open_question_is_extra_until_it_is_answered(folder, decoder):
    exam = load_exam(folder, decoder=decoder)
    assert list(exam.views) == [LCC] and [view.file for view in exam.extra] == ["one.dcm"]
    (question,) = exam.questions
    assert (question.key, question.file) == ("view", "one.dcm") and "R_CC" in question.choices
    answered = answer_questions(exam, [Answer("one.dcm", "view", "R_CC")])
    assert list(answered.views) == [RCC, LCC] and not answered.questions
    assert answered.views[RCC].sources["laterality"].source == "you"
    assert (
        load_exam(folder, answers=[Answer.parse("one.dcm:view=R_CC")], decoder=decoder).views.keys()
        == answered.views.keys()
    )


def test_the_answer_that_it_is_no_standard_view_closes_the_question(folder, decoder):
    exam = load_exam(folder, answers=[Answer("one.dcm", "view", "other")], decoder=decoder)
    assert not exam.questions and list(exam.views) == [LCC] and exam.extra[0].modifiers == (Modifier.OTHER,)


@pytest.mark.parametrize("text", ["one.dcm:side=R", "two.dcm:view=R_CC", "one.dcm:view=R_ML", "left.dcm:view=R_CC"])
def test_an_answer_that_fits_no_question_is_an_error_that_lists_them(folder, decoder, text):
    with pytest.raises(NoSuchQuestion, match=r"answers no question\. Asked is: one\.dcm:view=R_CC"):
        load_exam(folder, answers=[Answer.parse(text)], decoder=decoder)


def test_a_file_name_may_hold_the_signs_of_an_answer():
    assert Answer.parse("a:b=c/R 1.dcm:view=R_CC") == ("a:b=c/R 1.dcm", "view", "R_CC")
    for text in ("view=R_CC", "one.dcm:view", ":view=R_CC", ""):
        with pytest.raises(ValueError, match="FILE:KEY=VALUE"):
            Answer.parse(text)


@pytest.mark.parametrize(("value", "scored"), [("yes", True), ("no", False)])
def test_words_of_the_study_ask_whether_it_is_a_standard_view(tmp_path, decoder, value, scored):
    save(mammogram(StudyDescription="spot compression"), tmp_path / "one.dcm")
    exam = load_exam(tmp_path, answers=[Answer("one.dcm", "standard", value)], decoder=decoder)
    assert (RCC in exam.views) == scored and not exam.questions


@pytest.mark.parametrize(("value", "quarters"), [("clockwise", 1), ("anticlockwise", 3), ("none", 0)])
def test_a_picture_on_its_side_is_turned_as_the_reader_says(tmp_path, decoder, value, quarters):
    upright = breast(False)
    pixels = np.ascontiguousarray(np.rot90(upright, quarters or 1))
    save(mammogram(pixels=pixels, PatientOrientation=None), tmp_path / "one.dcm")
    assert "one.dcm" in {question.file for question in load_exam(tmp_path, decoder=decoder).questions}
    view = load_exam(tmp_path, answers=[Answer("one.dcm", "turn", value)], decoder=decoder).views[RCC]
    assert (view.pixels == (upright if quarters else pixels)).all()
    assert not quarters or not view.chest_wall_left


@pytest.mark.parametrize(("value", "prior"), [("yes", True), ("no", False), (None, False)])
def test_a_prior_that_may_be_another_womans_hangs_only_after_the_answer(tmp_path, decoder, value, prior):
    save(mammogram(PatientID="ANONYMOUS"), tmp_path / "new.dcm")
    save(mammogram(PatientID="ANONYMOUS", StudyDate="20230101", StudyInstanceUID="1.2.9"), tmp_path / "old.dcm")
    answers = [Answer("old.dcm", "same-woman", value)] if value else []
    exam = load_exam(tmp_path, answers=answers, decoder=decoder)
    assert exam.views[RCC].file == "new.dcm" and (exam.prior is not None) == prior
    assert [item.file for item in exam.set_aside] == ([] if prior else ["old.dcm"])
    assert [question.key for question in exam.questions] == ([] if value else ["same-woman"])
    with pytest.raises(NoSuchQuestion):
        load_exam(tmp_path, answers=[Answer("new.dcm", "same-woman", "yes")], decoder=decoder)


def test_the_command_line_lists_an_open_question_as_not_used_and_takes_its_answer(folder, capsys):
    assert main(["read", str(folder), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [item["file"] for item in record["set_aside"]] == ["one.dcm"]
    assert '--answer "one.dcm:view=VALUE"' in record["set_aside"][0]["reason"]
    (mark,) = [mark for mark in record["marks"] if mark["file"] == "one.dcm"]
    assert mark["code"] == "view-unknown" and mark["key"] == "view" and "R_CC" in mark["choices"]
    assert main(["read", str(folder), "--json", "--answer", "one.dcm:view=R_CC"]) == 0
    assert json.loads(capsys.readouterr().out)["views"].keys() == {"R_CC", "L_CC"}
    assert main(["read", str(folder), "--answer", "one.dcm:side=R"]) == 1
    assert "one.dcm:view=R_CC|L_CC" in capsys.readouterr().err


def test_predict_scores_no_view_with_an_open_question(folder, tmp_path, small_weights, capsys):
    out = tmp_path / "answers.json"
    arguments = ["predict", str(folder), "--weights", str(small_weights), "--json", str(out)]
    assert main(arguments) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert {row["laterality"] for row in record["predictions"]} <= {"L", None}
    assert (
        "one.dcm" in {mark["file"] for mark in record["exam"]["marks"]}
        and "one.dcm: The file" in capsys.readouterr().err
    )
    assert main([*arguments, "--answer", "one.dcm:view=R_CC"]) == 0
    record = json.loads(out.read_text(encoding="utf-8"))
    assert "R" in {row["laterality"] for row in record["predictions"]}
    (folder / "left.dcm").unlink()
    assert main(arguments) == 2
    assert '--answer "one.dcm:view=VALUE"' in capsys.readouterr().err


def test_an_import_keeps_a_view_only_when_its_question_is_answered(folder, store, decoder):
    files = sorted(folder.glob("*.dcm"))  # the store's own folder is beside them
    outcomes = list(import_exams(store, files, decoder, "ann", copy=True))
    assert [outcome.title for outcome in outcomes if outcome.number is None] == ["one.dcm"]
    assert [str(view.name) for view in store.exams.views(1)] == ["L_CC"]
    with pytest.raises(NoSuchQuestion):
        list(import_exams(store, files, decoder, "ann", answers=[Answer("two.dcm", "view", "R_CC")]))


def test_an_import_answers_and_tells_the_marks_without_names(tmp_path, store, decoder):
    save(mammogram("R_CC", ImageLaterality=None), tmp_path / "Smith one.dcm")
    save(mammogram("L_CC", Laterality="R"), tmp_path / "Smith two.dcm")
    answers = [Answer("Smith one.dcm", "view", "R_CC")]
    (outcome,) = import_exams(store, sorted(tmp_path.glob("*.dcm")), decoder, "ann", copy=True, answers=answers)
    assert {str(view.name) for view in store.exams.views(outcome.number)} == {"R_CC", "L_CC"}
    (mark,) = outcome.marks
    assert mark.code == "laterality-conflict" and "Smith" not in mark.file + mark.text
