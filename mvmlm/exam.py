"""Laterality, projection, view and exam as plain data, without reading or drawing.

Coordinates are DICOM pixels of the view, (column, row), with the origin at the centre of the top left pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple

import numpy as np


class Laterality(str, Enum):
    """The side of the body, ImageLaterality (0020,0062)."""

    RIGHT = "R"
    LEFT = "L"

    @property
    def word(self) -> str:
        """ "right" or "left"."""
        return {"R": "right", "L": "left"}[self.value]


class Projection(str, Enum):
    """How the beam crosses the breast: the values of ViewPosition (0018,5101) and the views of PS3.16 CID 4014."""

    CC = "CC"  # cranio-caudal
    MLO = "MLO"  # medio-lateral oblique
    ML = "ML"  # medio-lateral, 90 degrees: not an MLO
    LM = "LM"  # latero-medial, 90 degrees
    LMO = "LMO"  # latero-medial oblique
    XCC = "XCC"  # exaggerated cranio-caudal, the side not said
    XCCL = "XCCL"  # exaggerated cranio-caudal, lateral
    XCCM = "XCCM"  # exaggerated cranio-caudal, medial
    FB = "FB"  # from below (caudo-cranial)
    SIO = "SIO"  # superolateral to inferomedial oblique
    ISO = "ISO"  # inferomedial to superolateral oblique
    CV = "CV"  # cleavage
    AT = "AT"  # axillary tail
    SPECIMEN = "SPECIMEN"


class Modifier(str, Enum):
    """What makes a view an extra one: the view modifiers of PS3.16 CID 4015, and other kinds of pictures."""

    SPOT = "spot compression"
    MAGNIFICATION = "magnification"
    IMPLANT_DISPLACED = "implant displaced"
    ROLLED = "rolled"
    TANGENTIAL = "tangential"
    SPECIMEN = "specimen"
    STEREO = "stereotactic or guided procedure"
    SUBTRACTION = "recombined or subtracted"
    TOMOSYNTHESIS = "part of a tomosynthesis"
    REGION = "part of a picture"
    OTHER = "other modifier"


class ViewName(NamedTuple):
    """A breast and a projection; prints as `R_CC`, as in the names of written files."""

    laterality: Laterality
    projection: Projection

    def __str__(self) -> str:
        return f"{self.laterality.value}_{self.projection.value}"

    @classmethod
    def parse(cls, text: str) -> ViewName:
        """Return the name that prints as `text`. Raises ValueError for anything else than `R_CC` and the like."""
        laterality, _, projection = text.partition("_")
        return cls(Laterality(laterality), Projection(projection))


#: The two breasts, right first.
SIDES = tuple(Laterality)

#: The four standard views in the order in which they hang: R CC, L CC over R MLO, L MLO.
STANDARD_VIEWS = tuple(
    ViewName(laterality, projection)
    for projection in (Projection.CC, Projection.MLO)
    for laterality in (Laterality.RIGHT, Laterality.LEFT)
)


#: projections whose columns run between the lateral and the medial side; those of the others run between head and feet
CRANIOCAUDAL = (Projection.CC, Projection.XCC, Projection.XCCL, Projection.XCCM, Projection.FB)


class Orientation(NamedTuple):
    """The directions in which the rows and columns of a stored picture run, PatientOrientation (0020,0020).

    row: "A" (anterior) or "P" (posterior). column: "L", "R", "H" or "F", or several of them with the main direction
    first; "" where it is not known. Source: PS3.3 C.7.6.1.1.1.
    """

    row: str = "A"
    column: str = ""

    @classmethod
    def of(cls, name: ViewName, *, chest_wall_left: bool, head_up: bool = True) -> Orientation:
        """Return the letters of a view by the side of its chest wall and by what is up.

        head_up: as in `View.head_up`.
        """
        row = "A" if chest_wall_left else "P"
        if name.projection in CRANIOCAUDAL:
            lateral, medial = ("R", "L") if name.laterality is Laterality.RIGHT else ("L", "R")
            return cls(row, medial if head_up else lateral)
        return cls(row, "F" if head_up else "H")


class SpacingKind(str, Enum):
    """What a length measured with a spacing means; every length on screen carries one of these."""

    DETECTOR = "at detector"
    CORRECTED = "magnification-corrected"
    CALIBRATED = "calibrated"  # PixelSpacingCalibrationType, or a PixelSpacing that differs from that of the detector
    NOMINAL = "nominal, on the scanned film"  # NominalScannedPixelSpacing
    UNSPECIFIED = "of unspecified origin"  # PixelSpacing alone


@dataclass(frozen=True)
class Spacing:
    """Distance between pixel centres in mm; never guessed: a view without one has `spacing=None`."""

    row_mm: float
    column_mm: float
    kind: SpacingKind


@dataclass(frozen=True, eq=False)
class Window:
    """One mapping of values to grey levels: a VOI LUT function with centre and width, or a table (PS3.3 C.11.2.1).

    function: LINEAR, LINEAR_EXACT, SIGMOID or TABLE; LOG for the preview of an image for processing, which is the
    logarithm of the value's distance from `first`. table: float32 0..1 for the values `first`, `first + 1`, ...;
    None unless the function is TABLE. table_bits: the depth of the table in its file, so that it can be written again.
    table_vr: the value representation of LUTData in the file, "" where it does not say. explained: whether the file
    names the window, by WindowCenterWidthExplanation or LUTExplanation.
    fits: False where it would show nearly the whole picture in one grey, so that it is not the first choice.
    """

    name: str
    function: str
    center: float = 0.0
    width: float = 1.0
    table: np.ndarray | None = None
    first: int = 0
    table_bits: int = 16
    table_vr: str = ""
    explained: bool = False
    fits: bool = True


@dataclass(frozen=True)
class Acquisition:
    """How an image was acquired; None where the file does not say. date: StudyDate as YYYYMMDD.

    compression_n: CompressionForce in newton. organ_dose_mgy, entrance_dose_mgy: OrganDose and EntranceDoseInmGy.
    """

    manufacturer: str | None = None
    model: str | None = None
    date: str | None = None
    kvp: float | None = None
    exposure_mas: float | None = None
    thickness_mm: float | None = None
    age_years: int | None = None
    compression_n: float | None = None
    organ_dose_mgy: float | None = None
    entrance_dose_mgy: float | None = None


@dataclass(frozen=True)
class Identity:
    """Whose picture it is and who made it, as the header says; "" where it does not.

    In memory only, as long as the files that a visitor opened are on screen: nothing stores it, and no record has it.
    study_uid, instance_uid: of the study and the picture. made_from: the instance UIDs of the pictures from which it
    was made without moving anything.
    """

    name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    institution: str = ""
    operator: str = ""
    study_uid: str = ""
    instance_uid: str = ""
    made_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sourced:
    """A fact about a view with its source, such as `Sourced("R", "ImageLaterality")`.

    source: a DICOM keyword, "file name", "the picture", or "you" for the reader. guessed: from free text or pixels.
    """

    value: str
    source: str
    guessed: bool = False


@dataclass(frozen=True)
class FileMark:
    """What the reader must know about a file. `docs/marks.md` lists all codes.

    code: does not change between versions. file: the name of the file, "" for the whole exam. text: one sentence.
    """

    code: str
    file: str
    text: str


@dataclass(frozen=True)
class Question(FileMark):
    """A fact that only the reader knows. The view is not scored until the question is answered.

    key: the name of the fact, KEY in `--answer FILE:KEY=VALUE`. choices: the accepted values.
    """

    key: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class View:
    """One image of one breast, as stored in its file.

    name: None where neither the file nor the reader gives it.
    pixels: (rows, columns) values after the modality LUT, in the orientation of the file; `imaging.voi` converts
        them to grey levels.
    windows: those of the file, its first choice first.
    rescale: (slope, intercept) by which the stored values became `pixels`; (1, 0) also after a modality LUT.
    modality_lut: whether `pixels` are the entries of a modality LUT.
    inverted: MONOCHROME1, the smallest value is white. padding: (from, to) of the values that are no image, included.
    orientation: the directions of the rows and columns of the stored picture. It does not change when the reader
        corrects the name; the flips for the screen and the model follow from both.
    sources: the sources of "laterality", "projection" and "chest wall".
    for_processing: raw data of the detector, not meant for reading. lossy: compressed with loss at some time.
    burned_in: with text in the pixels.
    partial: the parts of the breast, such as "superior", where the file says that it shows only these; "unknown" where
    it does not name them; "" for the whole breast.
    identity: None for a stored exam, which keeps no names.
    marks: what the reader must know about the file, questions included.
    phantom: drawn by this program; ask `imaging.phantom_files`, which also looks at the machine.
    """

    name: ViewName | None
    pixels: np.ndarray
    file: str
    spacing: Spacing | None = None
    windows: tuple[Window, ...] = ()
    rescale: tuple[float, float] = (1.0, 0.0)
    modality_lut: bool = False
    inverted: bool = False
    padding: tuple[float, float] | None = None
    bits: int = 16
    orientation: Orientation = Orientation()
    sources: Mapping[str, Sourced] = field(default_factory=dict)
    modifiers: tuple[Modifier, ...] = ()
    for_processing: bool = False
    implant: bool = False
    lossy: bool = False
    burned_in: bool = False
    partial: str = ""
    acquisition: Acquisition = Acquisition()
    identity: Identity | None = field(default=None, repr=False)
    marks: tuple[FileMark, ...] = ()
    phantom: bool = False

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.pixels.shape[0]

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.pixels.shape[1]

    @property
    def chest_wall_left(self) -> bool:
        """Whether the chest wall is at the left edge of the stored picture."""
        return self.orientation.row[:1] == "A"

    @property
    def head_up(self) -> bool:
        """Whether the cranial side (MLO and other laterals) or the lateral side (CC) is up in the stored picture.

        True where the orientation does not say it.
        """
        down = self.orientation.column
        if self.name is not None and self.name.projection in CRANIOCAUDAL:
            return down[:1] != self.name.laterality.value  # columns that run towards the side of the breast
        return "H" not in down

    @property
    def standard(self) -> bool:
        """Whether this is one of the four standard views, which the model takes: none with an open question."""
        return self.name in STANDARD_VIEWS and not self.modifiers and not self.questions

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the reader has to answer before this view is scored."""
        return tuple(mark for mark in self.marks if isinstance(mark, Question))

    @property
    def guessed(self) -> bool:
        """Whether any fact about the view is a guess."""
        return any(fact.guessed for fact in self.sources.values())


@dataclass(frozen=True)
class SetAside:
    """A file that is not used, and the reason in one sentence. code: as in `FileMark`."""

    file: str
    reason: str
    code: str = "unreadable"


@dataclass(frozen=True, eq=False)
class Exam:
    """The views of one examination of one woman.

    views: one image for each standard view that exists. extra: all other usable images. set_aside: files not used.
    notes: what the reader must know about the exam, without the marks of its views. prior: her exam before this one, to
    compare with. Raises ValueError for other views than standard ones in `views`.
    """

    views: Mapping[ViewName, View]
    extra: tuple[View, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[FileMark, ...] = ()
    prior: Exam | None = None

    def __post_init__(self) -> None:
        ordered = {name: self.views[name] for name in STANDARD_VIEWS if name in self.views}
        if len(ordered) != len(self.views):
            raise ValueError(f"Exam.views takes standard views only, got {[str(n) for n in self.views]}")
        object.__setattr__(self, "views", MappingProxyType(ordered))

    @property
    def missing(self) -> tuple[ViewName, ...]:
        """The standard views without an image."""
        return tuple(name for name in STANDARD_VIEWS if name not in self.views)

    @property
    def marks(self) -> tuple[FileMark, ...]:
        """What the reader must know, questions included: the notes, the marks of every view, those of the prior."""
        of_views = (mark for view in (*self.views.values(), *self.extra) for mark in view.marks)
        return (*self.notes, *of_views, *(self.prior.marks if self.prior else ()))

    @property
    def questions(self) -> tuple[Question, ...]:
        """What the reader has to answer before every view can be scored."""
        return tuple(mark for mark in self.marks if isinstance(mark, Question))

    @property
    def lateralities(self) -> tuple[Laterality, ...]:
        """The breasts that have at least one standard view, right first."""
        return tuple(side for side in Laterality if any(name.laterality is side for name in self.views))
