"""Files with a text of `tests.canaries` in every place that can hold one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image, PngImagePlugin
from pydicom.datadict import DicomDictionary
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation as MAMMOGRAM

from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.voi import render
from tests.canaries import EXAM_DAY, Canaries
from tests.test_load import write

_TEXTS = {"PN", "LO", "SH", "ST", "LT", "UT", "UC", "UR", "AE"}
_GROUPS = {0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0032, 0x0038, 0x0040, 0x0042, 0x0088, 0x2200, 0x4008}
#: what the reading of a mammogram needs as it is; `odd_files` plants in these one by one
READ_AS_THEY_ARE = {
    "SOPClassUID", "Modality", "ViewCodeSequence", "AnatomicRegionSequence", "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence", "ViewModifierCodeSequence", "PartialViewCodeSequence",
    "DirectoryRecordSequence", "PatientAge", "ConversionType", "TimezoneOffsetFromUTC",
    "Manufacturer", "ManufacturerModelName", "StudyDate", "AcquisitionDate",
}  # fmt: skip


def plant_everywhere(ds: FileDataset, canaries: Canaries) -> None:
    """Plant a text in every attribute of the DICOM dictionary that may hold one, nested ones too."""
    view = f"{ds.ImageLaterality}_{ds.ViewPosition}"
    for number, (vr, _, _, retired, keyword) in DicomDictionary.items():
        group = number >> 16
        if group not in _GROUPS or not keyword or keyword in READ_AS_THEY_ARE:
            continue
        if vr in _TEXTS:
            ds.add_new(number, vr, canaries.word(keyword))
        elif vr == "UI" and not retired:
            ds.add_new(number, vr, canaries.uid(keyword))
        elif vr in ("DA", "DT"):
            ds.add_new(number, vr, canaries.day(keyword))
        elif vr == "SQ" and not keyword.startswith("VOILUT"):
            ds.add_new(number, vr, Sequence([_item(canaries, keyword)]))
    ds.PatientName = "=".join(
        "^".join(canaries.word(f"PatientName {group}.{part}") for part in range(5)) for group in range(3)
    )
    ds.SOPInstanceUID = canaries.uid(f"SOPInstanceUID of {view}")
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    _plant_outside_the_dictionary(ds, canaries)


def _item(canaries: Canaries, keyword: str) -> Dataset:
    item, inner = Dataset(), Dataset()
    inner.PatientName, inner.StudyInstanceUID = canaries.word(f"{keyword}, nested"), canaries.uid(f"{keyword}, nested")
    item.CodeMeaning, item.PatientBirthDate = canaries.word(keyword), canaries.day(keyword)
    item.ReferencedStudySequence = Sequence([inner])
    return item


def _plant_outside_the_dictionary(ds: FileDataset, canaries: Canaries) -> None:
    """Private attributes, overlays, curves, padding, explanations of windows, file meta and preamble."""
    for group in (0x0009, 0x0019, 0x0029, 0x7FE1):
        block = ds.private_block(group, canaries.word("private creator"), create=True)
        block.add_new(0x01, "LO", canaries.word("private text"))
        block.add_new(0x02, "UN", canaries.word("private bytes").encode())
        block.add_new(0x03, "SQ", Sequence([_item(canaries, "private sequence")]))
    for tag, vr, what in (
        ((0x6000, 0x0022), "LO", "overlay description"),
        ((0x6000, 0x1500), "LO", "overlay label"),
        ((0x5000, 0x0040), "SH", "curve type"),
        ((0x0028, 0x1055), "LO", "window explanation"),
        ((0x0028, 0x4000), "LT", "image presentation comments"),
        ((0x4000, 0x4000), "LT", "text comments"),
    ):
        ds.add_new(Tag(tag), vr, canaries.word(what))
    ds.add_new(Tag(0x5000, 0x3000), "OB", canaries.word("curve data").encode())
    ds.add_new(Tag(0xFFFC, 0xFFFC), "OB", canaries.word("trailing padding").encode())
    meta = ds.file_meta
    meta.SourceApplicationEntityTitle = canaries.word("source AE title")
    meta.SendingApplicationEntityTitle = canaries.word("sending AE title")
    meta.ImplementationVersionName = canaries.word("implementation")
    meta.PrivateInformationCreatorUID = canaries.uid("private information")
    meta.PrivateInformation = canaries.word("private information").encode()
    ds.preamble = canaries.word("preamble").encode().ljust(128, b"\0")


def planted_png(pixels: np.ndarray, canaries: Canaries, path: Path) -> None:
    """Write a PNG with texts in every kind of chunk that holds one."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Author", canaries.word("PNG tEXt"))
    texts.add_text("Comment", canaries.word("PNG zTXt"), zip=True)
    texts.add_itxt("Title", canaries.word("PNG iTXt"), zip=True)
    Image.fromarray(pixels).save(path, pnginfo=texts, exif=_exif(canaries, "PNG"))


def planted_jpeg(pixels: np.ndarray, canaries: Canaries, path: Path) -> None:
    """Write a JPEG with a comment, Exif and XMP."""
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{canaries.word('JPEG XMP')}</x:xmpmeta>".encode()
    comment = canaries.word("JPEG comment").encode()
    Image.fromarray(pixels).save(path, exif=_exif(canaries, "JPEG"), comment=comment, xmp=xmp, quality=95)


def planted_tiff(pixels: np.ndarray, canaries: Canaries, path: Path) -> None:
    """Write a TIFF with texts in its tags."""
    tags = {tag: canaries.word(f"TIFF tag {tag}") for tag in (269, 270, 271, 272, 285, 305, 315, 316, 33432)}
    Image.fromarray(pixels).save(path, tiffinfo=tags | {306: "1941:02:03 10:00:00"})


def _exif(canaries: Canaries, what: str) -> Image.Exif:
    exif = Image.Exif()
    for tag in (269, 270, 305, 315, 33432):
        exif[tag] = canaries.word(f"{what} Exif {tag}")
    return exif


def planted_zip(folder: Path, canaries: Canaries, path: Path) -> None:
    """Pack a folder into a zip, with texts in the names of folders, in comments and in an extra field."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        inner = canaries.word("folder in a zip")
        for file in sorted(folder.iterdir()):
            member = zipfile.ZipInfo(f"{inner}/{file.name}")
            member.comment = canaries.word("comment of a zip member").encode()
            member.extra = b"\xfe\xca\x0c\0" + canaries.word("extra field of a zip member").encode()
            packed.writestr(member, file.read_bytes())
        packed.comment = canaries.word("comment of a zip").encode()


def planted_exam(folder, canaries, exam="", views=STANDARD_VIEWS):
    """Files of an exam with a text in every place, in their names and in that of their folder too."""
    folder = folder / canaries.word(f"folder{exam}")
    folder.mkdir(parents=True)

    def edit(ds):
        plant_everywhere(ds, canaries)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MAMMOGRAM
        ds.StudyDate = ds.AcquisitionDate = EXAM_DAY
        if exam:
            ds.PatientID, ds.StudyInstanceUID = (
                canaries.word(f"PatientID{exam}"),
                canaries.uid(f"StudyInstanceUID{exam}"),
            )
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID + exam

    for view in views:
        write(folder, view, file=f"{view}_{canaries.word('file name')}.dcm", edit=edit)
    return folder


def planted_pictures(folder, canaries, phantom):
    """The views of a phantom as PNG, JPEG and TIFF."""
    folder = folder / canaries.word("folder of pictures")
    folder.mkdir(parents=True)
    grey = {str(name): (render(view) >> 8).astype(np.uint8) for name, view in phantom.exam.views.items()}
    for (name, pixels), (write_picture, ending) in zip(
        grey.items(), [(planted_png, "png"), (planted_jpeg, "jpg"), (planted_tiff, "tif"), (planted_png, "png")]
    ):
        write_picture(pixels, canaries, folder / f"{name}_{canaries.word('name of a picture')}.{ending}")
    return folder


#: attributes that the reading of a mammogram looks at, each with a text in place of a sensible value
ODD = (
    "ImageLaterality", "Laterality", "ViewPosition", "PatientOrientation", "ImageType", "PresentationIntentType",
    "PatientAge", "PatientSex", "StudyDate", "AcquisitionDate", "BurnedInAnnotation", "LossyImageCompression",
    "BreastImplantPresent", "PhotometricInterpretation", "PixelSpacing", "ImagerPixelSpacing", "KVP", "WindowCenter",
    "WindowWidth", "VOILUTFunction", "RescaleSlope", "RescaleIntercept", "RescaleType", "BodyPartThickness",
    "BodyPartExamined", "ExposureInuAs", "CompressionForce", "Modality", "SOPClassUID", "PresentationLUTShape",
    "PixelIntensityRelationship", "DeidentificationMethod", "QualityControlSubject", "PositionerType",
    "NumberOfFrames", "PartialView", "PartialViewDescription", "ViewCodeSequence", "SeriesDescription",
    "ProtocolName", "AcquisitionDeviceProcessingDescription", "PaddleDescription", "DerivationDescription",
    "ImageComments", "StudyDescription",
)  # fmt: skip


def planted_table(folder, canaries):
    """A predictions table with names in its cells, in a further column and in its own name; and one without labels."""
    folder.mkdir()
    header = f"exam,patient,laterality,task,class,score,label,{canaries.word('column of a table')}"
    rows = [
        f"{canaries.word(f'exam {n} of a table')},{canaries.word(f'patient {n} of a table')},R,mass,,{n % 7 / 7},{n % 2},"
        f"{canaries.word('cell of a table')}"
        for n in range(30)
    ]
    odd = f"{canaries.word('odd exam')},{canaries.word('odd patient')},{canaries.word('odd side')},mass,,1,1,x"
    odd_score = f"e,p,R,mass,,{canaries.word('odd score')},1,x"
    (folder / f"b_{canaries.word('name of a table')}.csv").write_text(
        "\n".join([header, *rows, odd, odd_score]), encoding="utf-8"
    )
    (folder / f"a_{canaries.word('name of another table')}.csv").write_text(
        header.replace("score", "x") + "\n1,2", encoding="utf-8"
    )
    return folder


def odd_files(folder, canaries):
    """Files that are hard to read, each because of a text in one attribute; and broken ones with names in them."""
    folder.mkdir()

    def edit(keyword):
        def change(ds):
            text = canaries.word(f"odd {keyword}")
            ds.PatientID, ds.StudyInstanceUID = (
                canaries.word(f"patient of odd {keyword}"),
                canaries.uid(f"odd {keyword}"),
            )
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = canaries.uid(f"instance of odd {keyword}")
            if keyword.endswith("Sequence"):
                ds[keyword].value[0].CodeMeaning = ds[keyword].value[0].CodeValue = text
            elif keyword.endswith(("Description", "Name", "Comments")):
                setattr(ds, keyword, f"{text} L MLO spot, left breast of {text} R CC")  # words of another view
            else:
                ds[keyword] = pydicom.DataElement(pydicom.datadict.tag_for_keyword(keyword), "LO", text)
                ds[keyword].VR = pydicom.datadict.dictionary_VR(keyword) if keyword == "StudyDate" else "LO"

        return change

    for keyword in ODD:
        write(folder, file=f"{canaries.word(f'file of odd {keyword}')}.dcm", edit=edit(keyword))
    whole = next(folder.iterdir()).read_bytes()
    (folder / f"cut {canaries.word('cut file')}.dcm").write_bytes(whole[:-5000])
    (folder / f"{canaries.word('no picture')}.dcm").write_bytes(whole[: len(whole) - 38400])
    (folder / f"{canaries.word('letter')}.txt").write_text(canaries.word("text of a letter"), encoding="utf-8")
    (folder / f"{canaries.word('broken zip')}.zip").write_bytes(b"PK\3\4" + canaries.word("in a broken zip").encode())
    return folder
