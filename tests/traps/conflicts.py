"""Traps in which two parts of a file, or a file and its name, contradict each other."""

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset

from .table import Trap, asked, breast, dicom, marked, picture, right
from .views import code


def shared_groups(side):
    def edit(ds):
        anatomy, group = Dataset(), Dataset()
        anatomy.FrameLaterality = side
        group.FrameAnatomySequence = [anatomy]
        ds.SharedFunctionalGroupsSequence = [group]

    return edit


def two_codes(ds):
    ds.ViewCodeSequence = [code("399162004", "cranio-caudal"), code("399368009", "medio-lateral oblique")]


def sideways(letters, view="R_CC", quarters=1):
    """Pixels turned by so many quarters anticlockwise, with these letters."""
    pixels = np.ascontiguousarray(np.rot90(breast(view[0] == "L"), quarters))
    return {"view": view, "pixels": pixels, "PatientOrientation": letters}


def upright(view):
    return view.rows > view.columns and view.head_up


def exif(orientation, view="R_CC", format="png"):
    """A picture whose pixels are stored so that the header's orientation makes it upright."""
    inverse = {
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        6: lambda p: np.rot90(p, 1),
        8: lambda p: np.rot90(p, 3),
    }

    def build(folder):
        pixels = (inverse[orientation](breast(view[0] == "L")) >> 4).astype(np.uint8)
        image, tags = Image.fromarray(np.ascontiguousarray(pixels)), Image.Exif()
        tags[0x0112] = orientation
        image.save(folder / f"{view}.{format}", exif=tags)

    return build, f"{view}.{format}"


def exif_trap(what, orientation, view, format, wall_left):
    build, file = exif(orientation, view, format)
    return Trap(what, marked("turned", view, lambda v: upright(v) and v.chest_wall_left == wall_left), build, file)


SIDES = [
    dicom("ImageLaterality says R, Laterality says L", marked("laterality-conflict"), Laterality="L"),
    dicom("ImageLaterality says R, the description says left", marked("laterality-conflict"), SeriesDescription="L CC"),
    dicom("ImageLaterality says R, the file is named L_CC", marked("laterality-conflict"), file="L_CC.dcm"),
    dicom("ImageLaterality says R, a German description says links", marked("laterality-conflict"), SeriesDescription="links"),
    dicom("ImageLaterality alone against the series' side, its description and its name", asked("view"), Laterality="L",
          SeriesDescription="L CC", file="L_CC.dcm"),
    dicom("ImageLaterality says R, the side of the frame says L", marked("laterality-conflict"), shared_groups("L")),
    dicom("only Laterality, and the name says the other side", marked("laterality-conflict"), ImageLaterality=None,
          Laterality="R", file="LCC.dcm"),
    dicom("no side in the header, description and name differ", asked("view"), ImageLaterality=None,
          SeriesDescription="R CC", file="L_CC.dcm"),
    dicom("ImageLaterality says both, the name says right", asked("view"), ImageLaterality="B", file="R_CC.dcm"),
    dicom("ImageLaterality says unpaired, the series' side says R", marked("laterality-conflict"), ImageLaterality="U",
          Laterality="R"),
    dicom("no side anywhere", asked("view"), ImageLaterality=None),
    dicom("the side only in the description of the protocol", right("R_CC"), ImageLaterality=None, ProtocolName="Right CC"),
    dicom("a lower-case side", right("R_CC"), lambda ds: ds.__setattr__("ImageLaterality", "R ")),
    dicom("only Laterality, which says both breasts, and a description that says right", asked("view"), ImageLaterality=None,
          Laterality="B", SeriesDescription="R CC"),
    dicom("ImageLaterality says R, a German description says li.", marked("laterality-conflict"), SeriesDescription="Mamma li. CC"),
    dicom("ImageLaterality says R, a Danish description says left", marked("laterality-conflict"), SeriesDescription="venstre bryst CC"),
    picture("Li that is a surname", right("R_CC"), "Li_R_CC.png"),
    picture("Li that is a surname, and no side", asked("view"), "Li_CC.png"),
    picture("the name says left, its folder says right", asked("view"), "right/L_CC.png", "L_CC"),
]  # fmt: skip

PROJECTIONS = [
    dicom("the view's code says CC, ViewPosition says MLO", marked("view-conflict"), ViewPosition="MLO"),
    dicom("the view's code says CC, ViewPosition says ML", marked("view-conflict"), ViewPosition="ML"),
    dicom("two codes, CC and MLO, in one sequence", asked("view"), two_codes),
    dicom("the view's code alone against ViewPosition and the description", asked("view"), ViewPosition="MLO",
          SeriesDescription="R MLO"),
    dicom("the view's code says CC, the file is named R_MLO", marked("view-conflict"), file="R_MLO.dcm"),
    dicom("ViewPosition AP, a position of the chest, beside the code CC", marked("view-conflict"), ViewPosition="AP"),
    dicom("ViewPosition LL without a code, the name says CC", asked("view"), ViewPosition="LL", ViewCodeSequence=None,
          file="R_CC.dcm"),
    dicom("no projection anywhere", asked("view"), ViewPosition=None, ViewCodeSequence=None),
    dicom("no projection, description and name differ", asked("view"), ViewPosition=None, ViewCodeSequence=None,
          SeriesDescription="R MLO", file="R_CC.dcm"),
    dicom("the code's value says CC, its meaning medio-lateral oblique", asked("view"), lambda ds: ds.__setattr__(
          "ViewCodeSequence", [code("399162004", "medio-lateral oblique")]), ViewPosition=None),
    dicom("ViewPosition “ML-O”, which is MLO and not ML", right("R_MLO"), view="R_MLO", ViewPosition="ML-O", ViewCodeSequence=None),
    dicom("ViewPosition “M LO”", right("R_MLO"), view="R_MLO", ViewPosition="M LO", ViewCodeSequence=None),
    dicom("an unknown code beside a plain ViewPosition", marked("view-code-unknown"), lambda ds: ds.__setattr__(
          "ViewCodeSequence", [code("12345", "special", "99LOCAL")])),
]  # fmt: skip

ORIENTATIONS = [
    dicom("the letters put the chest wall left, the picture right", marked("orientation-conflict"), PatientOrientation=["A", "R"]),
    dicom("a mirrored picture with the letters of before", marked("orientation-conflict", "L_MLO"), view="L_MLO", pixels=breast(False)),
    dicom("letters of a chest, L\\F", marked("orientation-unusable"), PatientOrientation=["L", "F"]),
    dicom("no letters: the picture shows the chest wall", right("R_CC", lambda v: not v.chest_wall_left), PatientOrientation=None),
    dicom("a right CC on its side, F and A in its letters: medial down", marked("turned", "R_CC", upright), **sideways(["R", "A"], quarters=3)),
    dicom("a left MLO on its side by its letters F\\A", marked("turned", "L_MLO", upright), **sideways(["F", "A"], "L_MLO", 1)),
    dicom("a left MLO on its other side by its letters H\\P", marked("turned", "L_MLO", upright), **sideways(["H", "P"], "L_MLO", 3)),
    dicom("a picture on its side whose letters say upright", asked("turn"), **sideways(["P", "L"])),
    dicom("a picture on its side without letters", asked("turn"), **sideways([])),
    dicom("an upright picture whose letters say that it is on its side", asked("turn"), view="L_MLO", PatientOrientation=["F", "A"]),
    picture("a PNG on its side", asked("turn"), "R_CC.png", pixels=np.ascontiguousarray(np.rot90(breast(False)))),
    exif_trap("a JPEG that its camera header turns by a quarter", 6, "R_CC", "jpg", False),
    exif_trap("a PNG that its header turns by a quarter the other way", 8, "L_CC", "png", True),
    exif_trap("a JPEG that its header turns upside down", 3, "L_CC", "jpg", True),
    exif_trap("a TIFF that its header mirrors", 2, "L_CC", "tif", True),
]  # fmt: skip

TRAPS = [*SIDES, *PROJECTIONS, *ORIENTATIONS]
