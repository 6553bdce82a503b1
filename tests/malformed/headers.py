"""Sound pictures whose header holds values that no device writes: of grey levels, sizes, sides, dates and identity."""

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from .case import opened
from .pixel_data import native

KIND = "DICOM files: header"


def raw(keyword, vr, value):
    """A change that writes an attribute's bytes as they are, whatever its VR allows."""

    def edit(ds):
        tag = Tag(tag_for_keyword(keyword))
        if keyword in ds:
            del ds[tag]
        ds._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)

    return edit


def sequence(keyword, *items):
    def edit(ds):
        made = []
        for attributes in items:
            item = Dataset()
            for name, value in attributes.items():
                setattr(item, name, value)
            made.append(item)
        setattr(ds, keyword, made)

    return edit


def case(what, told, edit=lambda ds: None, name="R_CC.dcm", **attributes):
    return opened(KIND, what, told, native(edit, **attributes), name)


CASES = [
    case("a RescaleSlope that is not a number", "RescaleSlope “nan” cannot be used", raw("RescaleSlope", "DS", b"nan ")),
    case("an infinite RescaleIntercept", "RescaleIntercept “1e99999” cannot be used", raw("RescaleIntercept", "DS", b"1e99999 ")),
    case("a RescaleSlope of words", "RescaleSlope “one” cannot be used", raw("RescaleSlope", "DS", b"one ")),
    case("a RescaleSlope of 10,000 digits", "RescaleSlope “9999999999999999999999999999999999999999” cannot be used", raw("RescaleSlope", "DS", b"9" * 10_000)),
    case("a window of a width that is not a number", "Window 1 (centre “2048.0”, width “NaN”) cannot be read; it is left out.", raw("WindowWidth", "DS", b"NaN ")),
    case("a window of a negative width", "Window 1 (centre “2048.0”, width “-400”) cannot be read; it is left out.", raw("WindowWidth", "DS", b"-400")),
    case("a window centre of bytes that are no letters", "Window 1 (centre “ÿþýü”, width “4096.0”) cannot be read; it is left out.", raw("WindowCenter", "DS", b"\xff\xfe\xfd\xfc")),
    case("50,000 windows", "Windows do not fit the values of the picture, 20 to 2390, and are passed over: “window 1”, “window 2”,", lambda ds: (raw("WindowWidth", "DS", b"400\\" * 50_000)(ds), raw("WindowCenter", "DS", b"40\\" * 50_000)(ds))),
    case("a modality LUT of negative length", "The modality LUT has 1 of the 65,536 entries that its descriptor announces", sequence("ModalityLUTSequence", {"LUTDescriptor": [0, 0, 16], "LUTData": b"ab"})),
    case("a modality LUT whose descriptor is a text", "The modality LUT has a descriptor of 4 values instead of 3", lambda ds: (sequence("ModalityLUTSequence", {"LUTData": b"ab"})(ds), ds.ModalityLUTSequence[0].add_new(0x00283002, "LT", "sixteen"))),
    case("a VOI LUT of 40 bits", "A window does not fit the values of the picture, 20 to 2390, and is passed over: “VOI LUT 1”.", sequence("VOILUTSequence", {"LUTDescriptor": [2, 0, 40], "LUTData": b"abcd"})),
    case("20,000 VOI LUTs", "VOILUTSequence cannot be read; it is left out.", sequence("VOILUTSequence", *[{"LUTExplanation": "x"}] * 20_000)),
    case("a padding value of letters", "PixelPaddingValue cannot be read, so no values are taken for padding.", raw("PixelPaddingValue", "LT", b"none")),
    case("a padding range without its value", "PixelPaddingValue cannot be read, so no values are taken for padding.", PixelPaddingRangeLimit=100),
    case("a spacing of zero", "ImagerPixelSpacing “0.0\\0.0” is not a pair of spacings in mm; it is left out.", ImagerPixelSpacing=[0, 0]),
    case("a negative spacing", "ImagerPixelSpacing “-0.07\\-0.07” is not a pair of spacings in mm; it is left out.", ImagerPixelSpacing=[-0.07, -0.07]),
    case("a spacing of a kilometre", "ImagerPixelSpacing “1000000.0\\1000000.0” is not a pair of spacings in mm; it is left out.", ImagerPixelSpacing=[1e6, 1e6]),
    case("a spacing of one value", "ImagerPixelSpacing “0.07” is not a pair of spacings in mm; it is left out.", raw("ImagerPixelSpacing", "DS", b"0.07")),
    case("a spacing that is not a number", "ImagerPixelSpacing “nan\\nan” is not a pair of spacings in mm; it is left out.", raw("ImagerPixelSpacing", "DS", b"nan\\nan ")),
    case("an aspect ratio of 1 to 1,000", "Its pixels are not square (1 x 1000); the picture is shown and scored distorted, as if they were.", PixelAspectRatio=["1", "1000"], ImagerPixelSpacing=None),
    case("a side of bytes that are no letters", "The file does not give the side of this picture. Which view is it?", raw("ImageLaterality", "CS", b"\xff\xfe"), name="x.dcm"),
    case("a side of two values", "The file does not give the side of this picture. Which view is it?", raw("ImageLaterality", "CS", b"R\\L "), name="x.dcm"),
    case("a view of 100,000 letters", "The file does not give the projection of this picture. Which view is it?", lambda ds: (raw("ViewPosition", "CS", b"X" * 100_000)(ds), ds.__delattr__("ViewCodeSequence")), name="x.dcm"),
    case("a view code of 20,000 items", "The file does not give the projection of this picture. Which view is it?", lambda ds: (sequence("ViewCodeSequence", *[{"CodeValue": "1"}] * 20_000)(ds), ds.__delattr__("ViewPosition")), name="x.dcm"),
    case("letters of the orientation that are none", "PatientOrientation says “7”\\“?”, which is not how a breast lies. The side of the chest wall is taken from the pict", raw("PatientOrientation", "CS", b"7\\? ")),
    case("a date of the 99th month", "StudyDate is “20259910”, which is no day of an exam. The exam is taken as undated.", raw("StudyDate", "DA", b"20259910")),
    case("a date of letters", "StudyDate is “yesterday”, which is no day of an exam. The exam is taken as undated.", raw("StudyDate", "DA", b"yesterday ")),
    case("a function of the window that is a program", "VOILUTFunction “?SCRIPT?ALERT?1???SC” is not known; its windows are applied as LINEAR.", raw("VOILUTFunction", "CS", b"<script>alert(1)</script> ")),
    case("a modality of 70,000 letters", "Not stored as a digital mammogram, but as: Digital Mammography X-Ray Image Storage - For Presentation,", raw("Modality", "LT", b"MG" * 35_000)),
    case("a body part with control characters", "BodyPartExamined says “BRE\ufffd[2JAST”, but the file is stored as a digital mammogram. It is taken for one.", raw("BodyPartExamined", "CS", b"BRE\x1b[2JAST")),
    case("no patient, no study and no date", "The files name neither the patient nor the study. They are taken for one exam because of their folder.", PatientID=None, StudyInstanceUID=None, StudyDate=None, PatientName=None, PatientBirthDate=None),
]  # fmt: skip
