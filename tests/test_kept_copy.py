"""Kept copies: the same picture, checked by reading it back, with nothing of the patient in it."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mvmlm.exam import STANDARD_VIEWS, Acquisition, Orientation, Spacing, SpacingKind, View, Window
from mvmlm.imaging.deidentification import ATTRIBUTES, Action, Dates, copied_date, shift_days
from mvmlm.imaging.kept_copy import differences, with_copied_dates, write_copy
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.voi import render
from mvmlm.imaging.write import NotRepresentable, dataset, write_view
from mvmlm.messages import without_quotations
from mvmlm.store.archive import import_exams, open_stored_exam
from mvmlm.store.store import Store
from tests.test_load import write_four

RCC = STANDARD_VIEWS[0]


def view(pixels=None, **facts) -> View:
    """A right CC of 96 x 64 pixels with a bright half disc at the chest wall on the right."""
    if pixels is None:
        rows, columns = np.mgrid[:96, :64]
        inside = ((rows - 48) / 44.0) ** 2 + ((63 - columns) / 50.0) ** 2 < 1
        pixels = np.where(inside, 1500 + 10 * (rows % 90), 20).astype(np.uint16)
    facts = {
        "bits": 12,
        "spacing": Spacing(0.1, 0.1, SpacingKind.DETECTOR),
        "orientation": Orientation("P", "L"),
        "acquisition": Acquisition("Maker", "Model", "20200131", 28.5, 71.25, 54.0, 61),
    } | facts
    return View(RCC, pixels, "made", **facts)


def file_with(tmp_path, **changes):
    """A file of the view above whose attributes are changed after it was written, as (path, the view read from it)."""
    ds = dataset(view(), "patient")
    for keyword, value in changes.items():
        setattr(ds, keyword, value)
    path = tmp_path / "source.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path, load_exam(path).views[RCC]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"RescaleIntercept": "-1024"},
        {"RescaleSlope": "0.5"},
        {"RescaleSlope": "0.5", "RescaleIntercept": "-100.25", "PixelPaddingValue": 20},
        {"RescaleSlope": "16"},
        {"RescaleSlope": "-1", "RescaleIntercept": "4095"},
        {"RescaleIntercept": "-1024", "WindowCenter": ["400", "-10.5"], "WindowWidth": ["800.125", "3"]},
        {"PixelRepresentation": 1},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"VOILUTFunction": "SIGMOID", "WindowCenter": "1500.123456789", "WindowWidth": "700"},
        {"EstimatedRadiographicMagnificationFactor": "1.07"},
        {"LossyImageCompression": "01"},
        {"PatientOrientation": ["P", "R"]},
        {"PatientOrientation": ["A", "R"]},
    ],
    ids=str,
)
def test_a_copy_is_the_same_picture(tmp_path, changes):
    _, original = file_with(tmp_path, **changes)
    write_copy(original, tmp_path / "copy.dcm", "p", "s")
    copy = load_exam(tmp_path / "copy.dcm").views[RCC]
    assert np.array_equal(copy.pixels, original.pixels)
    assert np.array_equal(render(copy), render(original))
    assert list(differences(original, copy)) == []
    assert (
        copy.spacing.row_mm == pytest.approx(original.spacing.row_mm, rel=1e-9)
        and copy.acquisition == original.acquisition
    )


@pytest.mark.parametrize("bits, first", [(8, 0), (10, -5), (12, 3), (16, 0)])
def test_a_table_comes_back_exactly(tmp_path, bits, first):
    entries = np.linspace(0, (1 << bits) - 1, 700).astype(np.uint16)
    table = (entries / ((1 << bits) - 1)).astype(np.float32)
    signed = np.int16 if first < 0 else np.uint16
    original = view(
        view().pixels.astype(signed), windows=(Window("T", "TABLE", table=table, first=first, table_bits=bits),)
    )
    write_copy(original, tmp_path / "copy.dcm", "p", "s")
    copy = load_exam(tmp_path / "copy.dcm").views[RCC]
    assert np.array_equal(copy.windows[0].table, table) and copy.windows[0].first == first


@pytest.mark.parametrize(
    "original, word",
    [
        (view(np.full((96, 64), 70000, np.int32)), "16 bits"),
        (view(np.full((96, 64), 0.25, np.float32)), "fractions"),
        (view(windows=(Window("a", "LINEAR", 5, 9), Window("b", "SIGMOID", 5, 9))), "functions"),
        (view(view().pixels.astype(np.int32) - 40000), "16 bits"),
    ],
)
def test_what_dicom_cannot_hold_is_refused_and_leaves_no_file(tmp_path, original, word):
    with pytest.raises(NotRepresentable, match=word):
        write_copy(original, tmp_path / "copy.dcm", "p", "s")
    assert not list(tmp_path.iterdir())


def test_a_copy_that_reads_back_differently_does_not_count(tmp_path, monkeypatch):
    monkeypatch.setattr("mvmlm.imaging.kept_copy.read_dicom_pixels", lambda path: view().pixels + 1)
    with pytest.raises(NotRepresentable, match="values"):
        write_copy(view(), tmp_path / "copy.dcm", "p", "s")
    assert not list(tmp_path.iterdir())


def identified(ds: Dataset) -> list[str]:
    """Plant words in every kind of place of a data set; return them."""
    ds.PatientName, ds.PatientID, ds.PatientBirthDate = "PLANTED^NAME", "PLANTED-ID", "19510203"
    ds.AccessionNumber, ds.InstitutionName, ds.SeriesDescription = "PLANTED-ACC", "PLANTED HOSPITAL", "PLANTED SERIES"
    ds.ReferringPhysicianName, ds.OperatorsName, ds.StationName = "PLANTED^DOCTOR", "PLANTED^OP", "PLANTED-STATION"
    ds.ImageComments, ds.ProtocolName, ds.StudyID = "PLANTED COMMENT", "PLANTED PROTOCOL", "PLANTED-STUDY"
    ds.WindowCenter, ds.WindowWidth, ds.WindowCenterWidthExplanation = "1500", "900", "PLANTED WINDOW"
    table = Dataset()
    table.LUTDescriptor, table.LUTExplanation, table.LUTData = [2, 0, 16], "PLANTED LUT", b"\0\0\xff\xff"
    table["LUTData"].VR = "OW"
    ds.VOILUTSequence = Sequence([table])
    request = Dataset()
    request.RequestedProcedureDescription = "PLANTED REQUEST"
    ds.RequestAttributesSequence = Sequence([request])
    ds.ViewCodeSequence[0].CodeMeaning = "PLANTED MEANING"
    ds.private_block(0x0009, "PLANTED CREATOR", create=True).add_new(1, "LO", "PLANTED PRIVATE")
    ds.ContentDate = ds.AcquisitionDate = "20200131"
    return ["PLANTED", "19510203", ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID]


def test_nothing_of_the_patient_is_in_a_copy(tmp_path):
    ds = dataset(view(), "patient")
    planted = identified(ds)
    ds.save_as(tmp_path / "source.dcm", enforce_file_format=True)
    write_copy(load_exam(tmp_path / "source.dcm").views[RCC], tmp_path / "copy.dcm", "pseudonym", "s")
    content = (tmp_path / "copy.dcm").read_bytes()
    assert [word for word in planted if word.encode() in content] == []
    copy = pydicom.dcmread(tmp_path / "copy.dcm")
    assert copy.PatientIdentityRemoved == "YES" and copy.DeidentificationMethod
    codes = {item.CodeValue for item in copy.DeidentificationMethodCodeSequence}
    assert codes == {"113100", "113106", "113108"}
    assert copy.LongitudinalTemporalInformationModified == "UNMODIFIED"
    assert all(ATTRIBUTES[element.keyword] in Action for element in copy.iterall())


def test_an_attribute_that_the_table_does_not_name_is_never_written(tmp_path, monkeypatch):
    import mvmlm.imaging.write as write

    plain = write._add_acquisition

    def leaking(ds, view):
        plain(ds, view)
        ds.ViewCodeSequence[0].CodingSchemeVersion = "leak"

    monkeypatch.setattr(write, "_add_acquisition", leaking)
    with pytest.raises(ValueError, match="CodingSchemeVersion"):
        write_view(view(), tmp_path / "copy.dcm", "p")


@pytest.mark.parametrize(
    "dates, date, said",
    [(Dates.KEEP, "20200131", "UNMODIFIED"), (Dates.SHIFT, "20200121", "MODIFIED"), (Dates.REMOVE, "", "REMOVED")],
)
def test_dates_are_kept_shifted_or_removed_by_choice(tmp_path, dates, date, said):
    from mvmlm.exam import Exam

    exam = with_copied_dates(Exam({RCC: view()}), dates, 10)
    write_copy(exam.views[RCC], tmp_path / "copy.dcm", "p", "s", dates)
    copy = pydicom.dcmread(tmp_path / "copy.dcm")
    assert copy.StudyDate == date and copy.LongitudinalTemporalInformationModified == said


def test_dates_of_a_patient_are_shifted_alike_and_odd_ones_are_removed():
    assert shift_days("ab" * 32) == shift_days("ab" * 32) > 0
    assert copied_date("2020", Dates.SHIFT, 10) is None
    assert copied_date("20200301", Dates.SHIFT, 1) == "20200229"


def test_uids_follow_from_the_pseudonyms(tmp_path):
    one, two = dataset(view(), "p", "s"), dataset(replace(view(), name=STANDARD_VIEWS[1]), "p", "s")
    assert one.StudyInstanceUID == two.StudyInstanceUID and one.SOPInstanceUID != two.SOPInstanceUID
    assert one.StudyInstanceUID != dataset(view(), "p", "other").StudyInstanceUID


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="needs dciodvfy of Debian's dicom3tools")
@pytest.mark.parametrize(
    "facts",
    [
        {},
        {"for_processing": True},
        {"for_processing": True, "windows": (Window("w", "LINEAR", 2000, 1000),)},
        {"rescale": (1.0, -1024.0), "pixels": view().pixels.astype(np.int32) - 1024},
        {"rescale": (0.5, 0.0), "pixels": (view().pixels * np.float32(0.5))},
        {"spacing": None, "lossy": True},
        {"windows": (Window("w", "SIGMOID", 2000, 1000),), "inverted": True, "implant": True},
        {"windows": (Window("t", "TABLE", table=np.linspace(0, 1, 4096, dtype=np.float32)),)},
        {"pixels": (view().pixels // 16).astype(np.uint8), "bits": 8, "acquisition": Acquisition()},
        {"windows": (Window("t", "TABLE", table=np.arange(4096, dtype=np.float32) // 16 / 255, table_bits=8),)},
        {"spacing": Spacing(0.07, 0.09, SpacingKind.CALIBRATED)},
        {"padding": (0, 20)},
    ],
    ids=str,
)
def test_what_we_write_has_no_error_for_dciodvfy(tmp_path, facts):
    facts = dict(facts)
    write_view(view(facts.pop("pixels", None), **facts), tmp_path / "v.dcm", "p")
    said = subprocess.run(["dciodvfy", str(tmp_path / "v.dcm")], capture_output=True, text=True).stderr
    assert "Warning" in said or "Image" in said  # it has looked at the file
    assert [line for line in said.splitlines() if line.startswith("Error")] == []


@pytest.mark.parametrize("dates", Dates)
def test_copies_and_the_worklist_hold_the_same_date(tmp_path, decoder, dates, monkeypatch):
    write_four(tmp_path / "files", patient="Doe^Jane")
    store = Store(tmp_path / "data")
    monkeypatch.setenv("MVMLM_DATES", dates.value)
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)
    date = store.exams.get(outcome.number).exam_date
    assert {v.acquisition.date for v in open_stored_exam(store, outcome.number, decoder).views.values()} == {date}
    original = load_exam(tmp_path / "files").views[RCC].acquisition.date
    assert date is None if dates is Dates.REMOVE else (date == original) is (dates is Dates.KEEP)


def test_an_unknown_choice_for_dates_stores_nothing(tmp_path, decoder, monkeypatch):
    write_four(tmp_path / "files")
    store = Store(tmp_path / "data")
    monkeypatch.setenv("MVMLM_DATES", "keeep")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)
    assert outcome.number is None and "keep, shift, remove" in outcome.reason


def test_an_exam_of_which_a_copy_would_be_another_picture_is_not_stored(tmp_path, decoder):
    def wide(ds):
        values = np.frombuffer(ds.PixelData, np.uint16).astype(np.uint32)
        ds.BitsAllocated, ds.BitsStored, ds.HighBit = 32, 32, 31
        ds.PixelData = (values * 1000).tobytes()

    write_four(tmp_path / "files", edit=wide)
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True)
    assert outcome.number is None and "16 bits" in outcome.reason
    assert not list(store.folder.rglob("*.dcm")) and store.exams.count() == 0


def test_what_was_guessed_is_still_a_guess_in_a_copy_and_marks_stay(tmp_path, decoder):
    def without_side(ds):
        del ds.ImageLaterality
        ds.VOILUTFunction = "ODD"  # an unknown function is marked

    write_four(tmp_path / "files", edit=without_side)  # the names of the files give the side
    before = load_exam(tmp_path / "files", decoder=decoder)
    assert before.views[RCC].guessed and before.marks
    store = Store(tmp_path / "data")
    (outcome,) = [o for o in import_exams(store, [tmp_path / "files"], decoder, "ann", copy=True) if o.number]
    after = open_stored_exam(store, outcome.number, decoder)
    for name, view in before.views.items():
        assert after.views[name].sources == view.sources
        marks = [(mark.code, without_quotations(mark.text)) for mark in view.marks]  # a value of the file is not stored
        assert [(mark.code, mark.text) for mark in after.views[name].marks] == marks
    store.close()
