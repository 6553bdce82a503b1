"""Traps about what a file is: signatures that hide each other, missing headers, wrappings, other objects, own outputs."""

import gzip
import io
import struct
import tarfile
import zipfile

import cv2
import numpy as np
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    UID,
    BreastTomosynthesisImageStorage,
    ComputedRadiographyImageStorage,
    EncapsulatedPDFStorage,
    SecondaryCaptureImageStorage,
)

from mvmlm.imaging.own_outputs import write_labelled

from .table import Trap, asked, breast, dicom, mammogram, marked, picture, refused, right, save


def raw(what, expected, make, file="trap.dcm"):
    """A trap of one file of the bytes that `make` gives for the bytes of a sound mammogram."""

    def build(folder):
        save(mammogram(), folder / "x")
        data = (folder / "x").read_bytes()
        (folder / "x").unlink()
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(make(data))

    return Trap(what, expected, build, file)


def body(implicit=False, little=True, edit=None):
    """The data set of a sound mammogram alone, as bytes."""
    ds = mammogram()
    if edit:
        edit(ds)
    if not little:
        ds.PixelData = breast(False).astype(">u2").tobytes()
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = implicit, little
    write_dataset(out, ds)
    return out.getvalue()


def zipped(data, name="R_CC.dcm"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def tarred(data):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("R_CC.dcm")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def tiff_header(little=True):
    return struct.pack("<2sHI" if little else ">2sHI", b"II" if little else b"MM", 42, 8)


def without(data, at, count):
    return data[:at] + data[at + count :]


def encoded(kind, pixels=None):
    return cv2.imencode(kind, ((breast(False) if pixels is None else pixels) >> 4).astype(np.uint8))[1].tobytes()


def group2_length(data):
    return 144 + struct.unpack("<I", data[140:144])[0]


SIGNATURES = [
    raw("a DICOM file whose preamble is the start of a TIFF", right(), lambda d: tiff_header() + d[8:]),
    raw("the same with a big-endian TIFF", right(), lambda d: tiff_header(False) + d[8:]),
    raw("a DICOM file whose preamble is the start of a PNG", right(), lambda d: b"\x89PNG\r\n\x1a\n" + d[8:]),
    raw("a DICOM file whose preamble is the start of a JPEG", right(), lambda d: b"\xff\xd8\xff\xe0" + d[4:]),
    raw("a DICOM file whose preamble is the start of a zip", right(), lambda d: b"PK\x03\x04" + d[4:]),
    raw("a DICOM file whose preamble is the start of a PDF", right(), lambda d: b"%PDF-1.7" + d[8:]),
    raw("a DICOM file without preamble, from group 0002 on", marked("no-file-format"), lambda d: d[132:]),
    raw("a DICOM file that begins with DICM", marked("no-file-format"), lambda d: d[128:]),
    raw("a preamble without DICM behind it", marked("no-file-format"), lambda d: without(d, 128, 4)),
    raw("a preamble with zeros in place of DICM", marked("no-file-format"), lambda d: d[:128] + bytes(4) + d[132:]),
    raw("a bare data set, explicit VR", marked("no-file-format"), lambda d: body()),
    raw("a bare data set, implicit VR", marked("no-file-format"), lambda d: body(implicit=True)),
    raw("a bare data set, big endian", marked("no-file-format"), lambda d: body(little=False)),
    raw("a bare data set without SOP class", marked("no-sop-class"), lambda d: body(edit=lambda ds: ds.__delattr__("SOPClassUID"))),
    raw("bytes that begin like group 0008 and are no data set", refused("not-an-image"), lambda d: b"\x08\0\x05\0" + b"\xff" * 5000),
    raw("a text that begins with a backspace", refused("not-an-image"), lambda d: b"\x08\0 hello, this is no image"),
    raw("random bytes", refused("not-an-image"), lambda d: np.random.default_rng(0).bytes(9000)),
    raw("a picture named as DICOM", asked("view"), lambda d: encoded(".png")),
    raw("a JPEG named as PNG", right(), lambda d: encoded(".jpg"), "R_CC.png"),
    raw("a DICOM file named as PNG", right(), lambda d: d, "R_CC.png"),
    raw("a PNG with a zip behind it", right(), lambda d: encoded(".png") + zipped(d), "R_CC.png"),
    raw("a DICOM file with a zip of another exam behind it", marked("bytes-after-image"), lambda d: d + zipped(d)),
]  # fmt: skip

WRAPPINGS = [
    raw("a DICOM file between the boundaries of a WADO reply", refused("wado"),
        lambda d: b"--abc\r\nContent-Type: application/dicom\r\n\r\n" + d + b"\r\n--abc--\r\n"),
    raw("the same after an empty line", refused("wado"),
        lambda d: b"\r\n--abc\r\nContent-Type: application/dicom\r\n\r\n" + d + b"\r\n--abc--\r\n"),
    raw("a DICOM file behind the headers of HTTP", refused("wado"),
        lambda d: b"HTTP/1.1 200 OK\r\nContent-Type: application/dicom\r\n\r\n" + d),
    raw("a DICOM file with the closing boundary of a WADO reply", marked("bytes-after-image"), lambda d: d + b"\r\n--abc--\r\n"),
    raw("a DICOM file with zeros behind it, as tapes pad", right(), lambda d: d + bytes(4096)),
    raw("a DICOM file with text behind it", marked("bytes-after-image"), lambda d: d + b"end of transmission" * 9),
    raw("an error page of a server that holds a DICOM file", refused("document"), lambda d: b"<!DOCTYPE html><html>error" + d),
    raw("the same without a document type", refused("document"), lambda d: b"\n <html><body>" + d),
    raw("a gzip of a DICOM file", refused("archive"), gzip.compress),
    raw("a tar of a DICOM file", refused("archive"), tarred),
    raw("a 7-Zip archive", refused("archive"), lambda d: b"7z\xbc\xaf'\x1c" + d),
    raw("a zip in a zip", refused("archive"), lambda d: zipped(zipped(d), "inner.zip"), "inner.zip"),
    raw("a PDF document", refused("document"), lambda d: b"%PDF-1.7\n" + d),
    raw("an XML of a DICOM file", refused("document"), lambda d: b'<?xml version="1.0"?><NativeDicomModel/>'),
    raw("a JSON of a DICOM file", refused("document"), lambda d: b'{"00080016": {"vr": "UI"}}'),
    raw("what macOS notes about a DICOM file", refused("not-an-image"), lambda d: b"\0\x05\x16\x07" + bytes(80), "__MACOSX/trap.dcm"),
    raw("a GIF picture", refused("other-picture"), lambda d: b"GIF89a" + bytes(50), "R_CC.gif"),
    raw("a BMP picture", refused("other-picture"), lambda d: encoded(".bmp"), "R_CC.bmp"),
    raw("a JPEG 2000 picture outside DICOM", refused("other-picture"), lambda d: b"\0\0\0\x0cjP  \r\n\x87\n", "R_CC.jp2"),
    raw("a BigTIFF", refused("other-picture"), lambda d: b"II+\0\x08\0\0\0", "R_CC.tif"),
    raw("a NumPy array", refused("other-picture"), lambda d: b"\x93NUMPY\x01\0", "R_CC.npy"),
    raw("an empty file", refused("empty"), lambda d: b"", "R_CC.dcm"),
]  # fmt: skip


def other_class(kind, modality, **attributes):
    def edit(ds):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(kind)
        ds.Modality = modality
        for keyword, value in attributes.items():
            setattr(ds, keyword, value)

    return edit


CR, SC, DX = ComputedRadiographyImageStorage, SecondaryCaptureImageStorage, "1.2.840.10008.5.1.4.1.1.1.1"
PROJECTION = "1.2.840.10008.5.1.4.1.1.13.1.4"

OBJECTS = [
    dicom("computed radiography of a breast", marked("other-class"), other_class(CR, "CR")),
    dicom("a breast film digitised as RG", marked("other-class"), other_class(SC, "RG")),
    dicom("a breast as secondary capture of modality SC", marked("other-class"), other_class(SC, "SC")),
    dicom("a mammogram of modality MG as secondary capture", marked("other-class"), other_class(SC, "MG", ConversionType="DF")),
    dicom("computed radiography of the breast by its anatomic region only", marked("other-class"),
          lambda ds: (other_class(CR, "CR")(ds), region(ds))),
    dicom("computed radiography of a chest", refused("not-breast"), other_class(CR, "CR", BodyPartExamined="CHEST")),
    dicom("computed radiography that names no body part", refused("not-breast"), lambda ds: (other_class(CR, "CR")(ds), ds.__delattr__("BodyPartExamined"))),
    dicom("computed radiography that says breast and PA, as chests are taken", refused("not-breast"), other_class(CR, "CR", ViewPosition="PA")),
    dicom("computed radiography that says breast, in a series of the thorax", refused("not-breast"),
          other_class(CR, "CR", SeriesDescription="Thorax PA")),
    dicom("a digital X-ray of a breast, in a study of the shoulder", refused("not-breast"), other_class(DX, "DX", StudyDescription="Shoulder left")),
    dicom("a digital mammogram of a chest, by its body part", marked("body-part"), BodyPartExamined="CHEST"),
    dicom("a tomosynthesis volume", refused("tomosynthesis"), other_class(BreastTomosynthesisImageStorage, "MG")),
    dicom("a projection of a tomosynthesis by its class", refused("tomosynthesis"), other_class(PROJECTION, "MG")),
    dicom("a PDF in DICOM", refused("other-object"), other_class(EncapsulatedPDFStorage, "MG")),
    dicom("an ultrasound of the breast", refused("other-object"), other_class("1.2.840.10008.5.1.4.1.1.6.1", "US")),
    dicom("a structured report in the study of a mammogram", refused("marks-of-others"),
          lambda ds: (other_class("1.2.840.10008.5.1.4.1.1.88.50", "SR")(ds), ds.__delattr__("PixelData"))),
    dicom("a flat field: a mammogram's header without pixels", refused("no-pixels"), lambda ds: ds.__delattr__("PixelData")),
    raw("the class of the header is not that of the data", marked("sop-class-conflict"),
        lambda d: d.replace(b"1.2.840.10008.5.1.4.1.1.1.2", b"1.2.840.10008.5.1.4.1.1.1.1", 1)),
    dicom("no SOP class in the data, one in the header", marked("no-sop-class"), SOPClassUID=None),
]  # fmt: skip


def region(ds):
    from .views import code

    ds.BodyPartExamined = ""
    ds.AnatomicRegionSequence = [code("76752008", "Breast")]


def output(what, file, named=None):
    """A picture with this program's label, as it is written and under another name."""

    def build(folder):
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        write_labelled(path, (breast(False) >> 4).astype(np.uint8))
        if named:
            path.rename(folder / named)

    return Trap(what, refused("own-output"), build, named or file)


def among_masks(folder):
    """40 masks that sort before the only view."""
    for number in range(45):
        write = folder / "masks" / f"phantom-1-{number:05d}_R_CC_mass.png"
        write.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(write), np.zeros((64, 64), np.uint8))
    save(mammogram(), folder / "view.dcm")


def among_extras(folder):
    """45 spot views of one study that sort before its only standard view."""
    for number in range(45):
        save(mammogram(SeriesDescription="spot", pixels=breast(False, 32, 24)), folder / f"a{number:02d}.dcm")
    save(mammogram(), folder / "view.dcm")


OUTPUTS = [
    output("a map of the model under its own name", "R_CC.mass.png"),
    output("a map of the model named as a view", "R_CC.mass.png", "R_CC.png"),
    output("an overlay of the model named as a view", "R_CC.mass.overlay.jpg", "L_MLO.jpg"),
    output("a mask of a phantom named as a view", "masks/phantom-1-00000_R_CC_mass.png", "R_CC.png"),
    picture("a map of an earlier version, known by its name only", refused("own-output"), "R_CC.malignancy.png"),
    picture("an overlay of an earlier version", refused("own-output"), "L_CC.mass.overlay.jpg"),
    picture("a mask of a phantom of an earlier version", refused("own-output"), "masks/phantom-1-00000_R_CC_mass.png"),
    picture("a mask of another program named as a view", asked("standard"), "R_CC.png",
            pixels=np.where(breast(False) > 100, 4095, 0).astype(np.uint16)),
    dicom("a mask stored as a mammogram", asked("standard"), pixels=(breast(False) > 100).astype(np.uint8) * 255),
    Trap("a view behind 45 masks: they do not use up the limit of pictures", right(), among_masks, "view.dcm"),
    Trap("a standard view behind 45 spot views: the limit of pictures leaves out those", right(), among_extras, "view.dcm"),
]  # fmt: skip

TRAPS = [*SIGNATURES, *WRAPPINGS, *OBJECTS, *OUTPUTS]
