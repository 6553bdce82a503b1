"""Files -> Exam: every transfer syntax, what is refused and why, limits, grouping."""

import io
import os
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import psutil
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import (
    BreastTomosynthesisImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from mvmlm.exam import STANDARD_VIEWS, Acquisition, Modifier, Orientation, View, ViewName
from mvmlm.imaging import decoder as decoder_module
from mvmlm.imaging.load import NoExam, SeveralExams, load_exam, set_view_name
from mvmlm.imaging.write import dataset, write_view
from tests.conftest import ROOT

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS


def small_view(name=RCC, pixels=None, **facts):
    if pixels is None:
        rows, columns = np.mgrid[:160, :120]
        inside = ((rows - 80) / 70.0) ** 2 + (columns / 90.0) ** 2 < 1
        pixels = np.where(inside, 1500 + 10 * (rows % 90), 20).astype(np.uint16)
    facts = {"bits": 12, "acquisition": Acquisition(date="20260101")} | facts
    return View(name, pixels, "made", **facts)


def write(folder: Path, name=RCC, patient="p1", file=None, edit=None, **facts) -> Path:
    ds = dataset(small_view(name, **facts), patient)
    if edit:
        edit(ds)
    path = folder / (file or f"{name}.dcm")
    ds.save_as(path, enforce_file_format=True)
    return path


def write_four(folder: Path, patient="p1", edit=None):
    folder.mkdir(exist_ok=True, parents=True)
    for name in STANDARD_VIEWS:
        write(folder, name, patient, edit=edit)
    return folder


def as_jpeg_lossless(ds):
    ds.PixelData = encapsulate([imagecodecs.ljpeg_encode(ds.pixel_array, bitspersample=ds.BitsStored)])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def as_syntax(uid):
    def edit(ds):
        if uid in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
            ds.compress(uid)
        else:
            if uid == ExplicitVRBigEndian:
                ds.PixelData = ds.pixel_array.astype(">u2").tobytes()
            ds.file_meta.TransferSyntaxUID = uid

    return edit


SYNTAXES = {
    "implicit": as_syntax(ImplicitVRLittleEndian),
    "explicit": None,
    "deflated": as_syntax(DeflatedExplicitVRLittleEndian),
    "RLE": as_syntax(RLELossless),
    "JPEG-LS": as_syntax(JPEGLSLossless),
    "JPEG 2000": as_syntax(JPEG2000Lossless),
    "JPEG lossless": as_jpeg_lossless,
}


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_transfer_syntax_gives_the_same_pixels(tmp_path, decoder, syntax):
    path = write(tmp_path, edit=SYNTAXES[syntax])
    exam = load_exam(path, decoder=decoder)
    assert (exam.views[RCC].pixels == small_view().pixels).all()
    assert not exam.views[RCC].lossy


def test_big_endian_is_read(tmp_path, decoder):
    ds = dataset(small_view(), "p1")
    big = pydicom.Dataset()
    big.update({e.tag: e for e in ds})
    big.file_meta = ds.file_meta
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    big.PixelData = small_view().pixels.astype(">u2").tobytes()
    big.save_as(tmp_path / "b.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
    assert (load_exam(tmp_path / "b.dcm", decoder=decoder).views[RCC].pixels == small_view().pixels).all()


@pytest.mark.parametrize(("dtype", "bits"), [("u1", 8), ("u2", 10), ("u2", 16), ("i2", 12), ("i2", 16)])
def test_depth_and_sign_are_read(tmp_path, decoder, dtype, bits):
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if dtype[0] == "i" else (0, (1 << bits) - 1)
    pixels = np.random.default_rng(0).integers(low, high, (64, 48), endpoint=True).astype(dtype)
    stored = pixels.view("u2") & np.uint16((1 << bits) - 1) if dtype == "i2" else pixels
    path = write(tmp_path, pixels=pixels, bits=bits, edit=lambda ds: setattr(ds, "PixelData", stored.tobytes()))
    (view,) = load_exam(path, decoder=decoder).extra  # noise, which is no breast
    assert (view.pixels == pixels).all()


def test_bits_above_bits_stored_are_not_grey_levels(tmp_path, decoder):
    pixels = small_view().pixels
    dirty = (pixels | 0xF000).tobytes()
    path = write(tmp_path, edit=lambda ds: setattr(ds, "PixelData", dirty))
    assert (load_exam(path, decoder=decoder).views[RCC].pixels == pixels).all()


def test_rescale_is_applied(tmp_path, decoder):
    def edit(ds):
        ds.RescaleSlope, ds.RescaleIntercept = "2", "-1000"

    got = load_exam(write(tmp_path, edit=edit), decoder=decoder).views[RCC].pixels
    assert (got == 2 * small_view().pixels.astype(int) - 1000).all()


def test_every_window_of_the_file_is_kept_by_name(tmp_path, decoder):
    def edit(ds):
        ds.WindowCenter, ds.WindowWidth = [2000, 2200, 1800], [1000, 800, 1400]
        ds.WindowCenterWidthExplanation, ds.VOILUTFunction = ["NORMAL", "HARDER", "SOFTER"], "SIGMOID"
        table = pydicom.Dataset()
        table.LUTDescriptor, table.LUTExplanation = [4, 100, 12], "VENDOR"
        table["LUTData"] = pydicom.DataElement("LUTData", "US", [0, 1000, 3000, 4095])
        ds.VOILUTSequence = [table]

    windows = load_exam(write(tmp_path, edit=edit), decoder=decoder).views[RCC].windows
    assert [w.name for w in windows] == ["VENDOR", "NORMAL", "HARDER", "SOFTER"]
    assert windows[0].first == 100 and windows[0].table[-1] == 1
    assert windows[2].function == "SIGMOID" and windows[2].center == 2200


@pytest.mark.parametrize(("kind", "dtype"), [("png", "u2"), ("png", "u1"), ("tif", "u2"), ("jpg", "u1")])
def test_pictures_are_told_by_their_names(tmp_path, decoder, kind, dtype):
    pixels = (small_view().pixels >> (4 if dtype == "u1" else 0)).astype(dtype)
    for name in ("R_CC", "LMLO", "left-cc_1", "r mlo"):
        cv2.imwrite(str(tmp_path / f"{name}.{kind}"), pixels)
    exam = load_exam(tmp_path, decoder=decoder)
    assert exam.missing == ()
    view = exam.views[RCC]
    assert view.guessed and view.sources["laterality"].source == "file name"
    assert view.lossy == (kind == "jpg")
    if kind != "jpg":
        assert (view.pixels == pixels).all()


def test_an_unnamed_picture_is_kept_and_can_be_set_by_hand(tmp_path, decoder):
    cv2.imwrite(str(tmp_path / "image7.png"), small_view().pixels)
    exam = load_exam(tmp_path, decoder=decoder)
    assert not exam.views and exam.extra[0].name is None
    corrected = set_view_name(exam, "image7.png", LMLO)
    assert corrected.views[LMLO].sources["laterality"].source == "you"
    with pytest.raises(KeyError):
        set_view_name(exam, "other.png", LMLO)


def test_views_swapped_by_hand_do_not_lose_a_picture(tmp_path, decoder):
    exam = load_exam(write_four(tmp_path / "e"), decoder=decoder)
    swapped = set_view_name(exam, "R_CC.dcm", LCC)
    assert len(swapped.views) + len(swapped.extra) == 4
    assert RCC in swapped.missing


# ------------------------------------------------------------------ choosing


def test_the_most_suitable_of_several_images_is_chosen(tmp_path, decoder):
    write(tmp_path, file="raw.dcm", for_processing=True)
    write(
        tmp_path,
        file="spot.dcm",
        edit=lambda ds: setattr(ds.ViewCodeSequence[0], "ViewModifierCodeSequence", [code("399055006")]),
    )
    write(tmp_path, file="shown.dcm")
    exam = load_exam(tmp_path, decoder=decoder)
    assert exam.views[RCC].file == "shown.dcm"
    assert {view.file for view in exam.extra} == {"raw.dcm", "spot.dcm"}
    assert any("more than once" in note.text for note in exam.notes)


def code(value):
    item = pydicom.Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", "x"
    return item


def test_an_implant_displaced_view_is_not_fed_as_a_standard_view(tmp_path, decoder):
    def edit(ds):
        ds.ViewCodeSequence[0].ViewModifierCodeSequence = [code("399209000")]
        ds.BreastImplantPresent = "YES"

    exam = load_exam(write(tmp_path, edit=edit), decoder=decoder)
    assert not exam.views and exam.extra[0].modifiers == (Modifier.IMPLANT_DISPLACED,) and exam.extra[0].implant


def test_two_womens_files_are_never_joined_silently(tmp_path, decoder):
    for number, name in enumerate(STANDARD_VIEWS):
        write(tmp_path, name, patient=f"woman {number % 2}")
    with pytest.raises(SeveralExams) as several:
        load_exam(tmp_path, decoder=decoder)
    assert several.value.listing.joinable
    assert "--one-exam" in str(several.value)
    joined = load_exam(tmp_path, one_exam=True, decoder=decoder)
    assert joined.missing == () and any("at your request" in note.text for note in joined.notes)


def test_files_that_do_not_fit_together_cannot_be_joined(tmp_path, decoder):
    write(tmp_path, patient="a", file="1.dcm")
    write(tmp_path, patient="b", file="2.dcm")
    with pytest.raises(SeveralExams, match="one of them at a time"):
        load_exam(tmp_path, decoder=decoder)
    with pytest.raises(NoExam, match="occurs twice"):
        load_exam(tmp_path, one_exam=True, decoder=decoder)


def test_of_one_patients_studies_the_newest_is_read_and_the_one_before_is_its_prior(tmp_path, decoder):
    for date in ("20200101", "20230101", "20210101"):

        def edit(ds, date=date):
            ds.StudyDate, ds.StudyInstanceUID = date, f"1.2.{date}"

        write_four(tmp_path / date, edit=edit)
    exam = load_exam(tmp_path, decoder=decoder)
    assert all(view.file.startswith("20230101/") for view in exam.views.values())
    assert exam.prior is not None and all(view.file.startswith("20210101/") for view in exam.prior.views.values())
    assert (
        len(exam.set_aside) == 4
        and "earlier exam" in exam.set_aside[0].reason
        and "2020-01-01" in exam.set_aside[0].reason
    )
    assert any("2021-01-01" in note.text for note in exam.notes)
    assert set_view_name(exam, "20230101/R_CC.dcm", None).prior is exam.prior
    for path in (tmp_path / "20210101").iterdir():
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    broken = load_exam(tmp_path, decoder=decoder)
    assert len(broken.views) == 4 and len(broken.set_aside) == 4, "a prior that cannot be read costs only itself"
    assert all(view.file.startswith("20200101/") for view in broken.prior.views.values())


def test_a_dicomdir_is_followed_and_not_out_of_its_folder(tmp_path, decoder):
    from pydicom.fileset import FileSet

    write_four(tmp_path / "in")
    files = FileSet()
    for path in sorted((tmp_path / "in").iterdir()):
        files.add(path)
    files.write(tmp_path / "disc")
    exam = load_exam(tmp_path / "disc" / "DICOMDIR", decoder=decoder)
    assert exam.missing == ()
    ds = pydicom.dcmread(tmp_path / "disc" / "DICOMDIR")
    for record in ds.DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            record.ReferencedFileID = ["..", "in", "R_CC.dcm"]
    ds.save_as(tmp_path / "disc" / "DICOMDIR")
    with pytest.raises(NoExam) as refused:
        load_exam(tmp_path / "disc" / "DICOMDIR", decoder=decoder)
    assert "outside" in refused.value.set_aside[0].reason


# ------------------------------------------------------------------ bad input


def edit_header(**values):
    def edit(ds):
        for name, value in values.items():
            if value is None:
                delattr(ds, name)
            else:
                setattr(ds, name, value)

    return edit


BAD = {
    "no pixel data": (edit_header(PixelData=None), "no pixel data"),
    "body part": (
        edit_header(Modality="CR", BodyPartExamined="CHEST", SOPClassUID="1.2.840.10008.5.1.4.1.1.1"),
        "not a mammogram",
    ),
    "modality": (edit_header(Modality="CT", SOPClassUID="1.2.840.10008.5.1.4.1.1.2"), "not a mammogram"),
    "tomosynthesis": (edit_header(SOPClassUID=BreastTomosynthesisImageStorage), "tomosynthesis"),
    "frames": (edit_header(NumberOfFrames=12), "12 frames"),
    "absurd size": (edit_header(Rows=65535, Columns=65535), "limit for one picture"),
    "no rows": (edit_header(Rows=None), "Rows is missing"),
    "zero rows": (edit_header(Rows=0), "Rows is 0"),
    "too little": (edit_header(Rows=320), "truncated"),
    "colour": (edit_header(SamplesPerPixel=3, PhotometricInterpretation="RGB"), "not a grey-scale"),
    "bits": (edit_header(BitsStored=40), "BitsStored"),
}


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_file_gets_one_sentence_and_the_rest_still_loads(tmp_path, decoder, bad):
    edit, reason = BAD[bad]
    write(tmp_path, RCC)
    write(tmp_path, LCC, file="bad.dcm", edit=edit)
    exam = load_exam(tmp_path, decoder=decoder)
    assert list(exam.views) == [RCC]
    assert [item.file for item in exam.set_aside] == ["bad.dcm"]
    assert reason in exam.set_aside[0].reason and "\n" not in exam.set_aside[0].reason


@pytest.mark.parametrize("kept", [0, 100, 140, 400, 3000, 20000])
def test_truncated_files_are_set_aside(tmp_path, decoder, kept):
    path = write(tmp_path, file="cut.dcm")
    path.write_bytes(path.read_bytes()[:kept])
    write(tmp_path, LCC)
    exam = load_exam(tmp_path, decoder=decoder)
    assert [item.file for item in exam.set_aside] == ["cut.dcm"]


def test_truncated_compressed_frames_are_set_aside(tmp_path, decoder):
    for name, edit in SYNTAXES.items():
        path = write(tmp_path, file=f"{name}.dcm", edit=edit)
        data = path.read_bytes()
        path.write_bytes(data[: len(data) - len(data) // 3])
    write(tmp_path, LCC)
    exam = load_exam(tmp_path, decoder=decoder)
    assert list(exam.views) == [LCC] or all(view.pixels.shape == (160, 120) for view in exam.views.values())
    assert len(exam.set_aside) >= len(SYNTAXES) - 2


def test_nothing_usable_says_why(tmp_path, decoder):
    with pytest.raises(NoExam, match="no usable picture"):
        load_exam(tmp_path, decoder=decoder)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(NoExam, match=r"notes\.txt: neither a DICOM"):
        load_exam(tmp_path, decoder=decoder)
    with pytest.raises(NoExam, match="no such file"):
        load_exam(tmp_path / "missing.dcm", decoder=decoder)


def test_a_deflate_bomb_is_refused_before_it_is_inflated(tmp_path, decoder):
    ds = dataset(small_view(), "p")
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    del ds.PixelData
    path = tmp_path / "bomb.dcm"
    ds.save_as(path, enforce_file_format=True)
    raw = path.read_bytes()
    start = 144 + struct.unpack("<I", raw[140:144])[0]
    header = zlib.decompressobj(-15).decompress(raw[start:])
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = squeeze.compress(header + b"\xe0\x7f\x10\x00OW\0\0" + struct.pack("<I", 1 << 30))
    for _ in range(1024):
        body += squeeze.compress(bytes(1 << 20))
    path.write_bytes(raw[:start] + body + squeeze.flush())
    assert path.stat().st_size < 2_000_000
    with pytest.raises(NoExam, match="limit for a deflated file"):
        load_exam(path, decoder=decoder)


def test_a_picture_bomb_is_refused_by_its_header(tmp_path, decoder):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 13000, 13000, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes(13001 * 100), 9)
    (tmp_path / "R_CC.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )
    with pytest.raises(NoExam, match="13000 x 13000 pixels"):
        load_exam(tmp_path, decoder=decoder)


def test_a_frame_larger_than_its_header_says_cannot_fill_the_memory(tmp_path, decoder):
    def edit(ds):
        frame = bytearray(imagecodecs.jpeg2k_encode(ds.pixel_array, level=0, reversible=True, codecformat="j2k"))
        size = frame.index(b"\xff\x51") + 6
        frame[size : size + 8] = struct.pack(">II", 60000, 60000)  # what the codestream itself claims
        ds.PixelData = encapsulate([bytes(frame)])
        ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless

    write(tmp_path, file="huge.dcm", edit=edit)
    write(tmp_path, LCC)
    exam = load_exam(tmp_path, decoder=decoder)
    assert list(exam.views) == [LCC] and exam.set_aside[0].file == "huge.dcm"


def test_a_worker_that_dies_is_replaced(tmp_path, decoder, monkeypatch):
    path = write(tmp_path)
    worker = decoder._idle.get()
    process = worker._running()
    process.kill()
    process.wait()
    decoder._idle.put(worker)
    assert load_exam(path, decoder=decoder).views


def test_a_worker_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(decoder_module, "MAX_SECONDS", 0.2)
    own = decoder_module.Decoder(1)
    fifo = tmp_path / "R_CC.dcm"
    os.mkfifo(fifo)
    assert "more than 0.2 seconds" in str(own.headers([fifo])[0])
    own.close()


def test_without_the_systems_limit_a_file_still_cannot_fill_the_memory(tmp_path, monkeypatch):
    """As on Windows and macOS: the worker has no `resource` module, so the parent's watch must end it."""
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "resource.py").write_text(
        "raise ImportError('no such limit on this system')", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "modules"))
    monkeypatch.setattr(decoder_module, "MAX_PROCESS_BYTES", 200 << 20)
    cv2.imwrite(str(tmp_path / "R_CC.png"), np.zeros((7900, 8000), np.uint16))
    small = write(tmp_path)
    own = decoder_module.Decoder(1)
    refused, read = own.pixels([tmp_path / "R_CC.png", small])
    assert "more memory than one file may take" in str(refused)
    assert (read == small_view().pixels).all(), "the next file is read by a new process"
    own.close()


def test_a_worker_whose_memory_cannot_be_watched_is_ended_and_says_so(tmp_path, monkeypatch):
    class Hidden:
        def __init__(self, pid):
            raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", Hidden)
    own = decoder_module.Decoder(1)
    assert "does not show how much memory" in str(own.pixels([write(tmp_path)])[0])
    own.close()


def test_the_worker_starts_without_the_libraries_that_it_may_not_need():
    code = "import sys, mvmlm.imaging.decode_worker; print(*({'torch', 'gradio', 'pydicom', 'cv2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# ------------------------------------------------------------------ zips


def test_a_zip_is_read_like_a_folder(tmp_path, decoder):
    folder = write_four(tmp_path / "e")
    shutil.make_archive(str(tmp_path / "exam"), "zip", folder)
    assert load_exam(tmp_path / "exam.zip", decoder=decoder).missing == ()


def test_a_zip_cannot_write_outside_or_blow_up(tmp_path, decoder):
    good = write(tmp_path).read_bytes()
    with zipfile.ZipFile(tmp_path / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("R_CC.dcm", good)
        archive.writestr("../../escaped.dcm", good)
        archive.writestr("/etc/escaped.dcm", good)
        archive.writestr("bomb.dcm", bytes(60_000_000))
        link = zipfile.ZipInfo("link.dcm")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    exam = load_exam(tmp_path / "z.zip", decoder=decoder)
    reasons = {item.file: item.reason for item in exam.set_aside}
    assert list(exam.views) == [RCC]
    assert "outside the zip" in reasons["../../escaped.dcm"] and "outside the zip" in reasons["/etc/escaped.dcm"]
    assert "packed more than" in reasons["bomb.dcm"] and "a link" in reasons["link.dcm"]
    assert not (tmp_path.parent / "escaped.dcm").exists()


def test_an_encrypted_zip_says_so(tmp_path, decoder):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("R_CC.dcm", b"x" * 100)
    data = bytearray(buffer.getvalue())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(NoExam, match="encrypted"):
        load_exam(tmp_path / "locked.zip", decoder=decoder)


def test_a_damaged_zip_says_so(tmp_path, decoder):
    folder = write_four(tmp_path / "e")
    shutil.make_archive(str(tmp_path / "exam"), "zip", folder)
    data = bytearray((tmp_path / "exam.zip").read_bytes())
    data[200:260] = bytes(60)
    (tmp_path / "exam.zip").write_bytes(data)
    exam = load_exam(tmp_path / "exam.zip", decoder=decoder)
    assert len(exam.views) == 3 and "damaged" in exam.set_aside[0].reason


# ------------------------------------------------------------------ everything that pydicom brings


def test_pydicoms_own_files_all_go_through(decoder):
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(paths) > 80
    for path in paths:
        try:
            exam = load_exam(path, decoder=decoder)
            assert exam.views or exam.extra
        except (NoExam, SeveralExams) as error:
            assert str(error) and "Traceback" not in str(error)


def test_written_headers_come_back(tmp_path, decoder):
    for name in STANDARD_VIEWS:
        left = name.laterality.value == "L"
        for facts in ({"chest_wall_left": left}, {"chest_wall_left": not left, "head_up": False}):
            view = replace(small_view(name), orientation=Orientation.of(name, **facts))
            write_view(view, tmp_path / "v.dcm", "p")
            back = load_exam(tmp_path / "v.dcm", decoder=decoder).views[ViewName(*name)]
            assert (back.chest_wall_left, back.head_up) == (view.chest_wall_left, view.head_up)
            assert not back.guessed


def test_a_view_named_by_hand_is_flipped_by_its_orientation_letters(tmp_path, decoder):
    def without_view(ds):
        del ds.ImageLaterality, ds.ViewPosition, ds.ViewCodeSequence
        ds.PatientOrientation = ["P", "R"]  # columns run to the right: lateral is down in a right CC

    write(tmp_path, file="picture.dcm", edit=without_view)
    exam = load_exam(tmp_path, decoder=decoder)
    assert exam.extra[0].head_up
    right = set_view_name(exam, "picture.dcm", RCC).views[RCC]
    assert (right.chest_wall_left, right.head_up) == (False, False)
    left = set_view_name(exam, "picture.dcm", LCC).views[LCC]
    assert left.head_up
