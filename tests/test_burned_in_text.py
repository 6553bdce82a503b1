"""Text in the pixels: markers stay, other text in the air is masked in copies, and the breast is never changed."""

from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest

from mvmlm.dicom_objects.answers import _shown
from mvmlm.dicom_objects.sources import NoSource, Source
from mvmlm.exam import Exam, ViewName
from mvmlm.imaging import burned_in_text
from mvmlm.imaging.burned_in_text import PictureText, TextOverBreast, all_text, find_text, is_marker, without_text
from mvmlm.imaging.preprocess import located_breast
from mvmlm.imaging.write import dataset
from mvmlm.phantom import phantom_exam
from mvmlm.store.archive import add_open_exam, open_stored_exam
from mvmlm.store.database import StoreError

RCC, LMLO = ViewName.parse("R_CC"), ViewName.parse("L_MLO")


@pytest.fixture(scope="module")
def exam():
    """A phantom without a marker of its own."""
    return phantom_exam("x", np.random.default_rng([9, 2]), rows=768).exam


def written(view, *texts, scale=0.8):
    """The view with texts at places (column, row); a row from the bottom where it is negative."""
    pixels = view.pixels.copy()
    for text, column, row in texts:
        at = (column if column >= 0 else view.columns + column, row if row >= 0 else view.rows + row)
        ink = np.zeros(pixels.shape, np.uint8)
        cv2.putText(ink, text, at, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, 2, cv2.LINE_AA)
        pixels = np.maximum(pixels, (ink.astype(np.float32) / 255 * 4095).astype(pixels.dtype))
    return replace(view, pixels=pixels)


def air(view):
    """A column at which text lies in the air, at the edge opposite to the chest wall."""
    return -300 if view.chest_wall_left else 12


@pytest.mark.parametrize(
    "words", ["R", "L", "RCC", "R CC", "L-MLO", "LML0", "CC R", "LEFT MLO", "RT", "R CC JK", "AB L MLO", "(L)", "mlo"]
)
def test_a_marker_says_side_and_view_and_perhaps_who_made_the_picture(words):
    assert is_marker(words)


@pytest.mark.parametrize(
    "words", ["", "MUELLER", "R MUELLER", "RCC 4711", "12.03.1961", "JK", "LENA", "R CC JK 12", "4711 L", "R CC ANNA"]
)
def test_a_name_a_number_or_a_date_is_no_marker(words):
    assert not is_marker(words)


def test_text_in_the_air_is_masked_and_the_marker_and_the_breast_stay(exam, text_looked_for):
    for name in (RCC, LMLO):
        view = exam.views[name]
        marked = written(view, (str(name).replace("_", " "), air(view), 60), ("MUELLER ANNA", air(view), 140))
        marked = written(marked, ("12.03.1961", air(view), -30))
        cleaned = without_text(marked)
        assert (cleaned.text.in_words, [m.code for m in cleaned.view.marks if m.code.startswith("text")]) == (
            "looked for, 2 masked", ["text-masked"],
        )  # fmt: skip
        assert sum(text.marker for text in all_text(cleaned.view)) == 1 and find_text(cleaned.view) == ()
        mask, shrink = located_breast(view)
        breast = mask.repeat(shrink, 0).repeat(shrink, 1)[: view.rows, : view.columns]
        assert np.array_equal(cleaned.view.pixels[breast], view.pixels[breast])
        assert not any("MUELLER" in repr(text) for text in find_text(marked))


def test_a_picture_without_text_is_the_same(exam, text_looked_for):
    for view in exam.views.values():
        cleaned = without_text(view)
        assert cleaned.view.pixels is view.pixels and cleaned.text.in_words == "looked for, none masked"


def test_initials_beside_a_marker_stay_and_others_do_not(exam, text_looked_for):
    view = exam.views[RCC]
    beside = written(view, ("R CC", air(view), 60), ("JK", air(view) + 110, 60))
    assert find_text(beside) == ()
    apart = written(view, ("R CC", air(view), 60), ("JKW", air(view) + 5, -60))
    assert [text.words for text in find_text(apart)] == ["JKW"]
    left = without_text(apart)  # three letters name nobody, and may be a marker that was misread: said, not masked
    assert left.view.pixels is apart.pixels and left.view.marks[-1].code == "text-doubtful"


@pytest.mark.parametrize(
    "words, certainty", [("9 MLO]", 0.95), ("RCG", 1.0), ("9CC", 1.0), ("LMIO", 0.8), ("RBCC", 0.9)]
)
def test_a_marker_that_is_misread_is_not_masked(exam, monkeypatch, text_looked_for, words, certainty):
    view = exam.views[RCC]
    box = (air(view), 20, air(view) + 60, 50)
    monkeypatch.setattr(burned_in_text, "all_text", lambda view: (PictureText(words, box, certainty),))
    left = without_text(view)
    assert left.view.pixels is view.pixels and left.view.marks[-1].code == "text-doubtful"
    assert left.text.in_words == "looked for, none masked, some doubtful"
    assert "113101" not in str(dataset(left.view, "p", text=left.text).DeidentificationMethodCodeSequence)


def test_text_over_the_breast_refuses_the_copy_and_the_map(exam, store, text_looked_for):
    view = exam.views[RCC]
    mask, shrink = located_breast(view)
    row, column = np.argwhere(mask).mean(0).astype(int) * shrink
    marked = written(view, ("MUELLER 1961", int(column) - 120, int(row)))
    with pytest.raises(TextOverBreast, match="over the breast"):
        without_text(marked)
    with pytest.raises(StoreError, match="R_CC: text lies over the breast.*store it without a copy"):
        add_open_exam(store, Exam({RCC: marked}), None, "ann")
    assert store.exams.count() == 0 and not list((store.folder / "images").iterdir())
    with pytest.raises(NoSource, match="R_CC: text lies over the breast.*without maps"):
        _shown({RCC: Source(marked, pydicom.Dataset())}, RCC)


def test_a_copy_says_what_was_done_and_its_reader_sees_it(exam, store, decoder, text_looked_for):
    view = exam.views[RCC]
    number = add_open_exam(store, Exam({RCC: written(view, ("MUELLER ANNA", air(view), 100))}), None, "ann")
    (stored,) = store.exams.views(number)
    ds = pydicom.dcmread(stored.path)
    assert list(ds.DeidentificationMethod)[1] == "Text in the picture: looked for, 1 masked"
    assert "113101" in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    opened = open_stored_exam(store, number, decoder).views[RCC]
    assert "text-masked" in [mark.code for mark in opened.marks] and find_text(opened) == ()


def test_without_the_extra_the_copy_is_as_before_and_says_so(exam, store):
    view = written(exam.views[RCC], ("MUELLER ANNA", air(exam.views[RCC]), 100))
    number = add_open_exam(store, Exam({RCC: view}), None, "ann")
    (stored,) = store.exams.views(number)
    ds = pydicom.dcmread(stored.path)
    assert list(ds.DeidentificationMethod)[1] == "Text in the picture: not looked for"
    assert "113101" not in [item.CodeValue for item in ds.DeidentificationMethodCodeSequence]
    assert np.array_equal(ds.pixel_array, view.pixels)


def test_small_letters_of_a_large_picture_are_seen(exam, text_looked_for):
    small = exam.views[RCC]
    large = replace(small, pixels=cv2.resize(small.pixels, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR))
    marked = written(large, ("MUELLER ANNA 4711", 40, 60), ("MUELLER ANNA 4711", 40, -60))
    assert [text.words.replace(" ", "") for text in find_text(marked)] == ["MUELLERANNA4711"] * 2
    assert len(list(burned_in_text._tiles(large.rows, large.columns))) > 1
