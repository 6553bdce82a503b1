"""A view whose pixels contradict its header or its name is asked about, and nothing is changed before the answer."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Laterality, Projection, ViewName
from mvmlm.imaging.load import Answer, answer_questions, load_exam
from mvmlm.imaging.voi import render
from mvmlm.imaging.write import write_view
from mvmlm.phantom import phantom_exam, phantom_exams
from mvmlm.phantom.other_pictures import shuffled_tiles
from scripts.picture_samples import real_views
from scripts.picture_table import REPEATED
from tests.conftest import ROOT, half_turn

REAL = ROOT.parent / "shared" / "real_mammograms"


def greys(phantom):
    return {name: (render(view) >> 8).astype(np.uint8) for name, view in phantom.exam.views.items()}


def png_exam(pictures, folder, decoder):
    """The exam of pictures that tell their view by the file's name alone."""
    for name, grey in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), np.ascontiguousarray(grey))
    return load_exam(folder, decoder=decoder)


def codes(exam):
    """By name of the file: the code of its question."""
    return {question.file.split(".")[0]: question.code for question in exam.questions}


def swapped(name, side=False, projection=False):
    sides = {Laterality.LEFT: Laterality.RIGHT, Laterality.RIGHT: Laterality.LEFT}
    projections = {Projection.CC: Projection.MLO, Projection.MLO: Projection.CC}
    return ViewName(
        sides[name.laterality] if side else name.laterality,
        projections[name.projection] if projection else name.projection,
    )


def flower(shape):
    """Twelve shaded petals around a dark middle on a blurred ground."""
    picture = np.full(shape, 70, np.uint8)
    centre = (shape[1] // 2, shape[0] // 2)
    for petal in range(12):
        angle = petal * 30
        middle = (int(centre[0] + 70 * np.cos(np.radians(angle))), int(centre[1] + 70 * np.sin(np.radians(angle))))
        cv2.ellipse(picture, middle, (62, 20), angle, 0, 360, 180 + 5 * (petal % 3), -1)
        cv2.ellipse(picture, middle, (50, 9), angle, 0, 360, 215, -1)
    cv2.circle(picture, centre, 26, 40, -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


def page(shape):
    """A page of black text on white."""
    picture = np.full(shape, 255, np.uint8)
    for line in range(14, shape[0] - 6, 16):
        cv2.putText(
            picture, "Both breasts are dense. No mass is seen.", (10, line), cv2.FONT_HERSHEY_SIMPLEX, 0.4, 20, 1
        )
    return picture


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_asked_about_sound_exams(tmp_path, decoder, seed):
    for number, phantom in enumerate(phantom_exams(3, 500 + seed, 384)):
        (folder := tmp_path / str(number)).mkdir()
        assert png_exam(greys(phantom), folder, decoder).questions == ()


def test_mlo_views_upside_down_are_asked_about_and_the_answer_turns_them(phantom, tmp_path, decoder):
    exam = png_exam({name: grey[::-1] for name, grey in greys(phantom).items()}, tmp_path, decoder)
    assert codes(exam) == {"R_MLO": "upside-down", "L_MLO": "upside-down"}
    assert all(view.head_up for view in exam.extra), "nothing is changed before the answer"
    answered = answer_questions(exam, [Answer(f"{side}_MLO.png", "head", "down") for side in "RL"])
    assert not answered.questions
    assert not any(answered.views[name].head_up for name in STANDARD_VIEWS if name.projection is Projection.MLO)


def test_left_and_right_swapped_is_marked_since_it_looks_like_mirrored_pictures(phantom, tmp_path, decoder):
    exam = png_exam({swapped(name, side=True): grey for name, grey in greys(phantom).items()}, tmp_path, decoder)
    assert {mark.file: mark.code for mark in exam.marks} == {f"{n}.png": "side-or-mirrored" for n in STANDARD_VIEWS}


def test_left_and_right_swapped_in_the_header_is_marked(phantom, tmp_path, decoder):
    for number, (name, view) in enumerate(phantom.exam.views.items()):
        write_view(replace(view, name=swapped(name, side=True)), tmp_path / f"{number}.dcm", "A")
    exam = load_exam(tmp_path, decoder=decoder)
    assert [mark.code for mark in exam.marks] == 4 * ["side-or-mirrored"]


def test_left_and_right_swapped_in_some_pictures_is_asked_about(phantom, tmp_path, decoder):
    pictures = {
        swapped(name, side=True) if name.projection is Projection.CC else name: grey
        for name, grey in greys(phantom).items()
    }
    exam = png_exam(pictures, tmp_path, decoder)
    assert codes(exam) == {"R_CC": "side-unlike-picture", "L_CC": "side-unlike-picture"}
    answered = answer_questions(exam, [Answer("R_CC.png", "view", "L_CC"), Answer("L_CC.png", "view", "R_CC")])
    assert not answered.questions and set(answered.views) == set(STANDARD_VIEWS)
    assert all(view.chest_wall_left == (name.laterality is Laterality.LEFT) for name, view in answered.views.items())


def test_pictures_that_all_lie_the_same_way_are_not_asked_about(phantom, tmp_path, decoder):
    pictures = {n: grey if n.laterality is Laterality.LEFT else grey[:, ::-1] for n, grey in greys(phantom).items()}
    assert not png_exam(pictures, tmp_path, decoder).questions


def test_pictures_that_the_header_says_are_turned_by_half_are_not_asked_about(phantom, tmp_path, decoder):
    for name, view in phantom.exam.views.items():
        turned = replace(view, pixels=np.ascontiguousarray(view.pixels[::-1, ::-1]), orientation=half_turn(view))
        write_view(turned, tmp_path / f"{name}.dcm", "A")
    assert not load_exam(tmp_path, decoder=decoder).questions


def test_a_picture_that_contradicts_the_letters_of_its_header_is_asked_about(phantom, tmp_path, decoder):
    name = STANDARD_VIEWS[1]
    view = phantom.exam.views[name]
    write_view(replace(view, pixels=np.ascontiguousarray(view.pixels[:, ::-1])), tmp_path / "a.dcm", "A")
    exam = load_exam(tmp_path, decoder=decoder)
    assert codes(exam) == {"a": "orientation-conflict"}
    answered = answer_questions(exam, [Answer("a.dcm", "view", str(name))])
    assert not answered.views[name].chest_wall_left, "a mirrored picture lies as it shows"


def test_cc_and_mlo_swapped_is_asked_about(tmp_path, decoder):
    phantom = phantom_exam("", np.random.default_rng([500, 4]), 384)  # with a pectoral muscle that is plain to see
    exam = png_exam({swapped(name, projection=True): grey for name, grey in greys(phantom).items()}, tmp_path, decoder)
    assert codes(exam) == {str(name): "projection-unlike-picture" for name in STANDARD_VIEWS}
    assert "file name says" in exam.questions[0].text


@pytest.mark.parametrize("mirrored", [False, True])
def test_one_view_given_four_times_is_asked_about(phantom, tmp_path, decoder, mirrored):
    first = greys(phantom)[STANDARD_VIEWS[0]]
    pictures = {n: first[:, ::-1] if mirrored and n.laterality is Laterality.LEFT else first for n in STANDARD_VIEWS}
    exam = png_exam(pictures, tmp_path, decoder)
    assert set(codes(exam)) == {str(name) for name in STANDARD_VIEWS} and not exam.views
    assert codes(exam)["R_CC"] == "same-picture"


@pytest.mark.parametrize(
    "change", ["as it is", "2 % cut off its height", "moved by 1 %, mirrored", "brighter (gamma 0.7)"]
)
def test_a_picture_given_twice_is_asked_about_also_where_it_was_changed_a_little(phantom, tmp_path, decoder, change):
    right, left = STANDARD_VIEWS[:2]
    first = greys(phantom)[right]
    exam = png_exam({right: first, left: REPEATED[change](first)}, tmp_path, decoder)
    assert codes(exam) == {"R_CC": "same-picture", "L_CC": "same-picture"}


@pytest.mark.parametrize("turned", [np.flipud, np.fliplr, lambda grey: np.rot90(grey, 2)], ids=["up", "left", "half"])
def test_a_picture_and_its_turned_copy_are_asked_about(phantom, tmp_path, decoder, turned):
    right, left = STANDARD_VIEWS[:2]
    first = greys(phantom)[right]
    exam = png_exam({right: first, left: turned(first)}, tmp_path, decoder)
    assert codes(exam) == {"R_CC": "same-picture", "L_CC": "same-picture"}


def test_the_same_marker_makes_no_two_pictures_the_same(phantom, tmp_path, decoder):
    pictures = {}
    for name, grey in greys(phantom).items():
        rows, columns = grey.shape
        cell = rows // 32
        marker = np.kron(np.indices((3, 6)).sum(0) % 2, np.ones((cell, cell))) * 255
        outward = slice(cell, 7 * cell) if name.laterality is Laterality.RIGHT else slice(-7 * cell, -cell)
        pictures[name] = grey // 3
        pictures[name][cell : 4 * cell, outward] = marker
    assert not png_exam(pictures, tmp_path, decoder).questions


def test_a_negative_is_asked_about_and_the_answer_turns_its_greys(phantom, tmp_path, decoder):
    exam = png_exam({name: 255 - grey for name, grey in greys(phantom).items()}, tmp_path, decoder)
    assert codes(exam) == {str(name): "looks-negative" for name in STANDARD_VIEWS}
    assert not any(view.inverted for view in exam.extra), "nothing is changed before the answer"
    answered = answer_questions(exam, [Answer(f"{name}.png", "negative", "yes") for name in STANDARD_VIEWS])
    assert all(view.inverted for view in answered.views.values()) and len(answered.views) == 4
    kept = answer_questions(exam, [Answer(f"{name}.png", "negative", "no") for name in STANDARD_VIEWS])
    assert not any(view.inverted for view in kept.views.values())


@pytest.mark.parametrize("negative", [False, True])
def test_a_drawing_without_tissue_tells_nothing_of_its_view(tmp_path, decoder, negative):
    rows, columns = np.mgrid[:160, :120]
    drawn = np.where(((rows - 80) / 70.0) ** 2 + (columns / 90.0) ** 2 < 1, 94 + 0.6 * (rows % 90), 1).astype(np.uint8)
    exam = png_exam(dict.fromkeys(STANDARD_VIEWS, 255 - drawn if negative else drawn), tmp_path, decoder)
    assert not exam.questions and not exam.missing


@pytest.mark.parametrize("tiles", [3, 4, 8])
def test_shuffled_tiles_are_asked_about(phantom, tmp_path, decoder, tiles):
    rng = np.random.default_rng(tiles)
    pictures = {name: shuffled_tiles(rng, grey, tiles) for name, grey in greys(phantom).items()}
    assert set(codes(png_exam(pictures, tmp_path, decoder)).values()) == {"not-one-breast"}


@pytest.mark.parametrize("drawn", [flower, page])
def test_a_flower_and_a_page_of_text_are_asked_about(tmp_path, decoder, drawn):
    exam = png_exam({STANDARD_VIEWS[0]: drawn((400, 320))}, tmp_path, decoder)
    assert codes(exam) == {"R_CC": "not-one-breast"}


def test_a_part_of_a_breast_is_asked_about(phantom, tmp_path, decoder):
    grey = greys(phantom)[STANDARD_VIEWS[1]]
    rows, columns = grey.shape
    part = cv2.resize(grey[rows // 2 - 60 : rows // 2 + 60, 2:62], (480, 640), interpolation=cv2.INTER_CUBIC)
    exam = png_exam({STANDARD_VIEWS[1]: part}, tmp_path, decoder)
    assert codes(exam) == {"L_CC": "part-of-breast"}


@pytest.mark.skipif(not REAL.is_dir(), reason="the real mammograms are not on this machine")
def test_real_views_that_are_spoiled_are_asked_about_and_sound_ones_are_not(tmp_path, decoder):
    spoilings = {
        "sound": lambda grey: grey,
        "negative": lambda grey: 255 - grey,
        "upside down": lambda grey: grey[::-1],
        "swapped": lambda grey: grey[:, ::-1],
        "tiles": lambda grey: shuffled_tiles(np.random.default_rng(3), grey, 4),
    }
    asked = {spoiling: [] for spoiling in spoilings}
    for number, view in enumerate(real_views(REAL, ("test",), only_outlined=True, rows=640)):
        if view.inverted or view.projection is None or number % 5:
            continue
        side = "L" if view.mask[:, :40].sum() > view.mask[:, -40:].sum() else "R"
        for spoiling, spoil in spoilings.items():
            if spoiling == "upside down" and view.projection is not Projection.MLO:
                continue
            (folder := tmp_path / f"{number} {spoiling}").mkdir()
            exam = png_exam({f"{side}_{view.projection.value}": spoil(view.grey)}, folder, decoder)
            asked[spoiling].append(bool(exam.questions or exam.marks))
    shares = {spoiling: np.mean(found) for spoiling, found in asked.items()}
    assert len(asked["sound"]) >= 20
    assert shares["sound"] <= 0.05, shares
    assert all(share >= 0.8 for spoiling, share in shares.items() if spoiling != "sound"), shares
