"""After an answer or a name by hand the picture is checked again: one answer keeps it from no other question."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Laterality, Projection, ViewName
from mvmlm.imaging.exam_changes import NoSuchQuestion
from mvmlm.imaging.load import Answer, answer_questions, load_exam, set_view_name
from mvmlm.imaging.write import write_view
from mvmlm.phantom.other_pictures import shuffled_tiles
from tests.test_picture_checks import codes, flower, greys, page, png_exam, swapped

RCC, LCC, RMLO, LMLO = (ViewName.parse(name) for name in ("R_CC", "L_CC", "R_MLO", "L_MLO"))


def answered(exam, key, value, files=None):
    """The exam after the same answer to every question of that key, or to those about some files."""
    asked = [
        question for question in exam.questions if question.key == key and (files is None or question.file in files)
    ]
    assert asked
    return answer_questions(exam, [Answer(question.file, key, value) for question in asked])


def kinds_of_pictures(phantom):
    cc, mlo = (greys(phantom)[name] for name in (RCC, RMLO))
    rows = cc.shape[0]
    part = greys(phantom)[LCC][rows // 2 - 60 : rows // 2 + 60, 2:62]
    return {
        "a flower": (flower((400, 320)), "not-one-breast"),
        "a page": (page((400, 320)), "not-one-breast"),
        "tiles": (shuffled_tiles(np.random.default_rng(3), mlo, 4), "not-one-breast"),
        "a part": (cv2.resize(part, (480, 640), interpolation=cv2.INTER_CUBIC), "part-of-breast"),
        "a negative": (255 - mlo, "looks-negative"),
        "upside down": (mlo[::-1], "upside-down"),
        "a CC": (cc, "projection-unlike-picture"),
    }


@pytest.mark.parametrize("picture", ["a flower", "a page", "tiles", "a part", "a negative", "upside down", "a CC"])
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_picture_whose_view_the_reader_gives_is_checked_like_any_other(phantom, tmp_path, decoder, picture, by_hand):
    grey, code = kinds_of_pictures(phantom)[picture]
    exam = png_exam({"scan": grey}, tmp_path, decoder)
    assert codes(exam) == {"scan": "view-unknown"}
    named = set_view_name(exam, "scan.png", RMLO) if by_hand else answered(exam, "view", "R_MLO")
    assert codes(named) == {"scan": code} and not named.views


@pytest.mark.parametrize("picture", ["a flower", "a page", "tiles", "a part"])
def test_a_name_does_not_answer_whether_a_picture_is_one_breast(phantom, tmp_path, decoder, picture):
    grey, code = kinds_of_pictures(phantom)[picture]
    exam = png_exam({RMLO: grey}, tmp_path, decoder)
    assert codes(exam) == {"R_MLO": code}
    assert codes(set_view_name(exam, "R_MLO.png", RMLO)) == {"R_MLO": code}
    assert not set_view_name(exam, "R_MLO.png", None).questions, "that it is no standard view is an answer"
    standard = answered(exam, "standard", "yes")
    assert code not in codes(standard).values(), "what was answered is not asked again"
    assert code not in codes(set_view_name(standard, "R_MLO.png", LMLO)).values()


def test_a_negative_that_is_upside_down_is_asked_about_twice(phantom, tmp_path, decoder):
    exam = png_exam({name: 255 - grey[::-1] for name, grey in greys(phantom).items()}, tmp_path, decoder)
    exam = answered(exam, "negative", "yes")
    assert codes(exam) == {"R_MLO": "upside-down", "L_MLO": "upside-down"}
    exam = answered(exam, "head", "down")
    assert not exam.questions and not any(exam.views[name].head_up for name in (RMLO, LMLO))


def test_a_negative_that_is_mirrored_is_marked_after_the_answer(phantom, tmp_path, decoder):
    exam = png_exam({name: 255 - grey[:, ::-1] for name, grey in greys(phantom).items()}, tmp_path, decoder)
    exam = answered(exam, "negative", "yes")
    assert not exam.questions
    marked = [mark.file for mark in exam.marks if mark.code == "side-or-mirrored"]
    assert sorted(marked) == sorted(f"{name}.png" for name in STANDARD_VIEWS)
    assert all(view.chest_wall_left == (name.laterality is Laterality.RIGHT) for name, view in exam.views.items())


def test_one_negative_given_four_times_is_asked_about_again(phantom, tmp_path, decoder):
    exam = png_exam(dict.fromkeys(STANDARD_VIEWS, 255 - greys(phantom)[RCC]), tmp_path, decoder)
    exam = answered(exam, "negative", "yes")
    assert not exam.views and "same-picture" in codes(exam).values()


def test_a_turn_the_wrong_way_is_noticed(phantom, tmp_path, decoder):
    exam = png_exam({name: np.rot90(grey) for name, grey in greys(phantom).items()}, tmp_path, decoder)
    wrong = answered(exam, "turn", "anticlockwise")
    assert codes(wrong) == {"R_MLO": "upside-down", "L_MLO": "upside-down"}
    assert not answered(exam, "turn", "clockwise").questions


def test_what_was_answered_is_said_and_not_asked_again(phantom, tmp_path, decoder):
    exam = png_exam({name: 255 - grey for name, grey in greys(phantom).items()}, tmp_path, decoder)
    exam = answered(exam, "negative", "no")
    assert "looks-negative" not in codes(exam).values()
    said = [mark for mark in exam.marks if mark.code == "answered-looks-negative"]
    assert len(said) == 4 and all(mark.text.endswith("Is it one? Your answer: no.") for mark in said)


def test_answers_may_come_in_any_order(phantom, tmp_path, decoder):
    exam = png_exam({"scan": 255 - greys(phantom)[RMLO]}, tmp_path, decoder)
    given = [Answer("scan.png", "negative", "yes"), Answer("scan.png", "view", "R_MLO")]
    assert list(answer_questions(exam, given).views) == [RMLO]
    with pytest.raises(NoSuchQuestion, match="looks like a negative"):
        answer_questions(exam, [*given[1:], Answer("scan.png", "head", "up")])


def test_sides_that_header_and_picture_dispute_in_all_files_are_asked_about(phantom, tmp_path, decoder):
    for name, view in phantom.exam.views.items():  # the file's name is right, ImageLaterality is not
        write_view(replace(view, name=swapped(name, side=True)), tmp_path / f"{name}.dcm", "A")
    exam = load_exam(tmp_path, decoder=decoder)
    assert not exam.views and set(codes(exam).values()) == {"side-unlike-picture"}
    right = answer_questions(exam, [Answer(f"{name}.dcm", "view", str(name)) for name in STANDARD_VIEWS])
    assert not right.questions and set(right.views) == set(STANDARD_VIEWS)
    assert all(view.chest_wall_left == (name.laterality is Laterality.LEFT) for name, view in right.views.items())
    assert all(view.head_up for name, view in right.views.items() if name.projection is Projection.MLO)


@pytest.mark.parametrize("grey", [255, 200, 60, 0])
@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_frames_make_no_two_pictures_the_same(phantom, tmp_path, decoder, share, grey):
    width = round(share * greys(phantom)[RCC].shape[0])
    framed = {
        name: cv2.copyMakeBorder(picture, width, width, width, width, cv2.BORDER_CONSTANT, value=grey)
        for name, picture in greys(phantom).items()
    }
    assert not png_exam(framed, tmp_path, decoder).questions
