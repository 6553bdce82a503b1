"""Memory of decoded pictures: known from the header, limited for each exam, refused before anything is decoded."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.load import NoExam, load_exam
from mvmlm.imaging.memory_budget import MEMORY_VARIABLE, NoRoom, exam_bytes, memory_bytes
from tests.test_load import small_view, write, write_four

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS
PICTURE = 160 * 120  # pixels of `small_view`


def fractional(ds):
    ds.RescaleSlope, ds.RescaleIntercept = 0.25, 0


def whole(ds):
    ds.RescaleSlope, ds.RescaleIntercept = 2, -1024


def with_lut(ds):
    item = Dataset()
    item.LUTDescriptor, item.ModalityLUTType = [4096, 0, 16], "US"
    item.LUTData = np.arange(4096, dtype="<u2").tobytes()
    ds.ModalityLUTSequence = Sequence([item])


class Spy:
    """A decoder that notes whose pixels were asked for."""

    def __init__(self, decoder):
        self.decoder, self.decoded = decoder, []

    def headers(self, paths):
        return self.decoder.headers(paths)

    def pixels(self, paths):
        paths = list(paths)
        self.decoded += [path.name for path in paths]
        return self.decoder.pixels(paths)

    def report(self, *what):
        self.decoder.report(*what)


@pytest.mark.parametrize("edit, value", [(None, 2), (fractional, 4), (whole, 4), (with_lut, 4)])
def test_the_header_says_what_the_decoded_picture_takes(tmp_path, decoder, edit, value):
    path = write(tmp_path, edit=edit)
    (header,), (pixels,) = decoder.headers([path]), decoder.pixels([path])
    assert header["decoded_bytes"] == value * PICTURE and pixels.nbytes <= header["decoded_bytes"]


def test_pictures_beyond_the_limit_of_an_exam_are_set_aside_undecoded(tmp_path, decoder, monkeypatch):
    write_four(tmp_path / "e", edit=fractional)
    monkeypatch.setenv(MEMORY_VARIABLE, f"{4 * 2.5 * 4 * PICTURE / (1 << 20)} MB")  # two pictures and a half an exam
    spy = Spy(decoder)
    exam = load_exam(tmp_path / "e", decoder=spy)
    assert len(spy.decoded) == len(exam.views) == 2
    assert [item.code for item in exam.set_aside] == ["memory"] * 2
    assert all("limit for one exam" in item.reason for item in exam.set_aside)
    assert sum(view.pixels.nbytes for view in exam.views.values()) <= exam_bytes()


def test_an_exam_that_is_no_room_for_is_refused_with_a_sentence_and_nothing_is_decoded(tmp_path, decoder):
    write_four(tmp_path / "e")
    asked, spy = [], Spy(decoder)

    def refuse(size):
        asked.append(size)
        raise NoRoom("There is no room.")

    with pytest.raises(NoRoom, match="There is no room"):
        load_exam(tmp_path / "e", decoder=spy, reserve=refuse)
    assert asked == [4 * 2 * PICTURE] and spy.decoded == []


def test_the_exam_comes_before_its_prior(tmp_path, decoder, monkeypatch):
    write_four(tmp_path / "new")
    write_four(tmp_path / "old", edit=lambda ds: setattr(ds, "StudyDate", "20240101") or new_study(ds))
    monkeypatch.setenv(MEMORY_VARIABLE, f"{4 * 4.5 * 2 * PICTURE / (1 << 20)} MB")
    exam = load_exam([tmp_path / "new", tmp_path / "old"], decoder=decoder)
    assert exam.missing == () and exam.prior is None
    assert len(exam.set_aside) == 4 and {item.code for item in exam.set_aside} == {"memory"}


def new_study(ds):
    ds.StudyInstanceUID = "1.2.3.4"


def test_a_reply_larger_than_a_picture_can_be_ends_the_process_that_sent_it(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr("mvmlm.imaging.decoder.MAX_DECODED_BYTES", PICTURE)
    path = write(tmp_path)
    with pytest.raises(NoExam, match="damaged"):
        load_exam(path, decoder=decoder)
    monkeypatch.undo()
    assert load_exam(path, decoder=decoder).views


@pytest.mark.parametrize("text, size", [("", 4 << 30), ("8 GB", 8 << 30), ("512MB", 512 << 20), (" 1.5 gb ", 3 << 29)])
def test_the_memory_is_set_by_a_variable(monkeypatch, text, size):
    monkeypatch.setenv(MEMORY_VARIABLE, text)
    assert memory_bytes() == size and exam_bytes() == size // 4


@pytest.mark.parametrize("text", ["8", "lots", "-1 GB", "0 GB", "nan GB", "8 GB 2"])
def test_a_memory_that_is_not_understood_is_said(monkeypatch, text):
    monkeypatch.setenv(MEMORY_VARIABLE, text)
    with pytest.raises(ValueError, match="such as 8 GB"):
        memory_bytes()


def test_sizes_of_pictures_are_counted_whatever_their_format(tmp_path, decoder):
    import cv2

    pixels = np.asarray(small_view(RCC).pixels)
    cases = {"a.png": pixels, "b.tif": pixels, "c.jpg": (pixels >> 4).astype(np.uint8)}
    for name, values in cases.items():
        cv2.imwrite(str(tmp_path / name), values)
    paths = [tmp_path / name for name in cases]
    for header, decoded in zip(decoder.headers(paths), decoder.pixels(paths), strict=True):
        assert decoded.nbytes == header["decoded_bytes"]
