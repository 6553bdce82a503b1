"""Which exams are phantoms: those that this program drew, in memory, in files and in kept copies, and no others."""

from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest

from mvmlm.exam import STANDARD_VIEWS, Acquisition, Exam, View
from mvmlm.imaging.deidentification import Dates
from mvmlm.imaging.kept_copy import write_copy
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.own_uids import uid
from mvmlm.imaging.phantom_files import is_phantom_exam, is_phantom_view
from mvmlm.imaging.write import dataset, write_view
from mvmlm.phantom import phantom_exam
from mvmlm.phantom.truth import write_phantoms
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.store import Store
from tests.conftest import ROOT
from tests.test_kept_copy import view as womans_view

RCC = STANDARD_VIEWS[0]


def write_exam(exam: Exam, folder, patient="patient", study="study"):
    folder.mkdir(parents=True)
    for name, view in exam.views.items():
        write_view(view, folder / f"{name}.dcm", patient, study)
    return folder


def changed(path, **attributes):
    ds = pydicom.dcmread(path)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    ds.save_as(path, enforce_file_format=True)


def disguised() -> View:
    """A woman's view whose header names a phantom's machine."""
    return womans_view(acquisition=Acquisition("Phantom Imaging A", "Phantom", "20260101", age_years=61))


@pytest.mark.parametrize("shift", [False, True])
def test_a_phantom_is_one_in_memory_and_in_its_files(tmp_path, shift, decoder):
    phantom = phantom_exam("any name", np.random.default_rng(5), rows=128, shift=shift)
    assert is_phantom_exam(phantom.exam)
    assert is_phantom_exam(load_exam(write_exam(phantom.exam, tmp_path / "e", "any-patient"), decoder=decoder))


def test_the_phantoms_that_the_command_writes_are_known(tmp_path, decoder):
    write_phantoms(tmp_path, 1, 3, rows=96)
    assert is_phantom_exam(load_exam(tmp_path / "phantom-3-00000", decoder=decoder))


def test_of_the_demo_exams_the_phantom_is_one_and_the_film_is_a_womans(decoder):
    demos = {name: load_exam(ROOT / "assets" / "demo_exams" / name, decoder=decoder) for name in ("film", "phantom")}
    assert {name: is_phantom_exam(exam) for name, exam in demos.items()} == {"film": False, "phantom": True}


@pytest.mark.parametrize("dates", list(Dates))
def test_a_kept_phantom_is_still_one_and_a_kept_woman_never_becomes_one(tmp_path, phantom, decoder, dates):
    for source, expected in ((phantom.exam.views[RCC], True), (womans_view(), False), (disguised(), False)):
        path = tmp_path / "R_CC.dcm"
        write_copy(source, path, "0123456789abcdef", "fedcba9876543210", dates)
        copy = load_exam(path, decoder=decoder)
        assert is_phantom_exam(copy) == expected
        write_copy(copy.views[RCC], path, "another", "study")
        assert is_phantom_exam(load_exam(path, decoder=decoder)) == expected, "a copy of the copy"


def test_the_store_keeps_a_phantom_as_one(tmp_path, phantom, decoder):
    write_exam(phantom.exam, tmp_path / "files" / "phantom", "phantom-1-00007")
    write_exam(Exam({RCC: disguised()}), tmp_path / "files" / "woman", "woman")
    store = Store(tmp_path / "data")
    numbers = [found.number for found in import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)]
    opened = [open_stored_exam(store, number, decoder) for number in numbers if number]
    store.close()
    assert sorted((len(exam.views), is_phantom_exam(exam)) for exam in opened) == [(1, False), (4, True)]


def test_a_womans_file_that_names_a_phantoms_machine_is_a_womans(tmp_path, decoder):
    for patient in ("woman", "phantom-1-00000", "demo-phantom"):
        path = tmp_path / f"{patient}.dcm"
        write_view(disguised(), path, patient, study="of a hospital")
        changed(path, QualityControlSubject="YES")
        assert not is_phantom_exam(load_exam(path, decoder=decoder)), patient
        changed(path, DeviceSerialNumber="0" * 64)
        assert not is_phantom_exam(load_exam(path, decoder=decoder)), patient


@pytest.mark.parametrize(
    "attributes",
    [
        {"Manufacturer": "Hospital"},
        {"ManufacturerModelName": "Mammograph"},
        {"DeviceSerialNumber": "12345"},
        {"DeviceSerialNumber": None},
        {"QualityControlSubject": "NO"},
        {"SOPInstanceUID": "2.25.1"},
    ],
    ids=str,
)
def test_a_phantoms_file_that_was_changed_is_taken_for_a_womans(tmp_path, phantom, decoder, attributes):
    path = tmp_path / "R_CC.dcm"
    write_view(phantom.exam.views[RCC], path, "p")
    assert is_phantom_exam(load_exam(path, decoder=decoder))
    changed(path, **attributes)
    assert not is_phantom_exam(load_exam(path, decoder=decoder))


def test_a_womans_pixels_in_a_phantoms_file_are_a_womans(tmp_path, phantom, decoder):
    path = tmp_path / "R_CC.dcm"
    write_view(phantom.exam.views[RCC], path, "p")
    ds = pydicom.dcmread(path)
    ds.PixelData = np.rot90(ds.pixel_array, 2).tobytes()
    ds.save_as(path, enforce_file_format=True)
    assert not is_phantom_exam(load_exam(path, decoder=decoder))


def test_a_phantoms_file_that_another_program_wrote_anew_is_a_womans(tmp_path, phantom, decoder):
    path = tmp_path / "R_CC.dcm"
    ds = dataset(phantom.exam.views[RCC], "p")
    ds.file_meta.ImplementationClassUID = pydicom.uid.PYDICOM_IMPLEMENTATION_UID
    ds.save_as(path, enforce_file_format=True)
    assert not is_phantom_exam(load_exam(path, decoder=decoder))


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "PatientID", ""])
def test_phantoms_of_earlier_versions_are_known_by_all_their_uids(tmp_path, phantom, decoder, keyword):
    path = tmp_path / "R_CC.dcm"
    ds = dataset(phantom.exam.views[RCC], "phantom-12-00003")
    del ds.QualityControlSubject, ds.DeviceSerialNumber
    if keyword:
        setattr(ds, keyword, "phantom-12-00004" if keyword == "PatientID" else uid("another"))
    ds.save_as(path, enforce_file_format=True)
    assert is_phantom_exam(load_exam(path, decoder=decoder)) == (not keyword)


def test_an_exam_with_a_view_or_a_prior_of_a_woman_is_a_womans(phantom):
    exam, woman = phantom.exam, Exam({RCC: womans_view()})
    assert not is_phantom_exam(Exam({**exam.views, RCC: womans_view()}))
    assert not is_phantom_exam(replace(exam, extra=(womans_view(),)))
    assert not is_phantom_exam(replace(exam, prior=woman)) and not is_phantom_exam(replace(woman, prior=exam))
    assert is_phantom_exam(replace(exam, prior=exam)) and not is_phantom_exam(Exam({}))


def test_a_phantoms_view_that_names_another_machine_is_no_phantoms(phantom):
    view = phantom.exam.views[RCC]
    assert not is_phantom_view(replace(view, acquisition=replace(view.acquisition, manufacturer="Hospital")))


@pytest.mark.parametrize("kind", ["png", "jpg", "tif"])
def test_a_plain_picture_is_a_womans(tmp_path, phantom, decoder, kind):
    for name, view in phantom.exam.views.items():
        cv2.imwrite(str(tmp_path / f"phantom-1-00000 {name}.{kind}"), (view.pixels >> 4).astype(np.uint8))
    exam = load_exam(tmp_path, decoder=decoder)
    assert len(exam.views) == 4 and not is_phantom_exam(exam)
