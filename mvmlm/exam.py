"""The nouns: laterality, projection, view, exam. Plain data; nothing here reads or draws.

Coordinates are always DICOM pixels of the view's own file, (column, row), origin at the centre of the top left pixel.
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
        return {"R": "right", "L": "left"}[self.value]


class Projection(str, Enum):
    """How the beam crosses the breast: the code values of ViewPosition and DICOM CID 4014."""

    CC = "CC"  # cranio-caudal
    MLO = "MLO"  # medio-lateral oblique
    ML = "ML"  # medio-lateral, 90 degrees: not an MLO
    LM = "LM"  # latero-medial, 90 degrees
    LMO = "LMO"  # latero-medial oblique
    XCCL = "XCCL"  # exaggerated cranio-caudal, lateral
    XCCM = "XCCM"  # exaggerated cranio-caudal, medial
    FB = "FB"  # from below (caudo-cranial)
    SIO = "SIO"  # superolateral to inferomedial oblique
    ISO = "ISO"  # inferomedial to superolateral oblique
    CV = "CV"  # cleavage
    AT = "AT"  # axillary tail
    SPECIMEN = "SPECIMEN"


class Modifier(str, Enum):
    """What makes a view an extra one: DICOM CID 4015."""

    SPOT = "spot compression"
    MAGNIFICATION = "magnification"
    IMPLANT_DISPLACED = "implant displaced"
    ROLLED = "rolled"
    TANGENTIAL = "tangential"
    OTHER = "other modifier"


class ViewName(NamedTuple):
    """Which breast and how it was looked at; prints as `R_CC`, as in the names of written files."""

    laterality: Laterality
    projection: Projection

    def __str__(self) -> str:
        return f"{self.laterality.value}_{self.projection.value}"

    @classmethod
    def parse(cls, text: str) -> ViewName:
        """`R_CC` -> ViewName. Raises ValueError for anything else."""
        laterality, _, projection = text.partition("_")
        return cls(Laterality(laterality), Projection(projection))


#: The four standard views in the order in which they hang: R CC, L CC over R MLO, L MLO.
STANDARD_VIEWS = tuple(
    ViewName(laterality, projection)
    for projection in (Projection.CC, Projection.MLO)
    for laterality in (Laterality.RIGHT, Laterality.LEFT)
)


class SpacingKind(str, Enum):
    """What a length measured with a spacing means; every length on screen says one of these."""

    DETECTOR = "at detector"
    CORRECTED = "magnification-corrected"


@dataclass(frozen=True)
class Spacing:
    """Distance between pixel centres in mm. An unknown spacing is None on the view, never a guess."""

    row_mm: float
    column_mm: float
    kind: SpacingKind


@dataclass(frozen=True, eq=False)
class Window:
    """One way the file offers to show its grey levels: VOI LUT function with centre and width, or a table.

    `function` is LINEAR, LINEAR_EXACT, SIGMOID (PS3.3 C.11.2.1) or TABLE; a TABLE has `table` (0..1 float32) for the
    values `first`, `first + 1`, ...
    """

    name: str
    function: str
    center: float = 0.0
    width: float = 1.0
    table: np.ndarray | None = None
    first: int = 0


@dataclass(frozen=True)
class Acquisition:
    """What the technical annotation shows. None where the file does not say."""

    manufacturer: str | None = None
    model: str | None = None
    date: str | None = None
    kvp: float | None = None
    exposure_mas: float | None = None
    thickness_mm: float | None = None
    age_years: int | None = None


@dataclass(frozen=True)
class Sourced:
    """A fact about a view and what told it: `("R", "ImageLaterality", guessed=False)`."""

    value: str
    source: str
    guessed: bool = False


@dataclass(frozen=True, eq=False)
class View:
    """One image of one breast, as stored in its file.

    name: None where neither the file nor the reader says which view it is.
    pixels: (rows, columns) integer values after the modality LUT, in the file's own orientation; `window.py` turns
        them into grey levels.
    chest_wall_left, head_up: how the stored picture lies. The chest wall is at its left or right edge; the
        superior (MLO) or lateral (CC) side is up, or it is stored upside down.
    inverted: MONOCHROME1, the smallest value is white.
    """

    name: ViewName | None
    pixels: np.ndarray
    file: str
    spacing: Spacing | None = None
    windows: tuple[Window, ...] = ()
    inverted: bool = False
    padding: tuple[int, int] | None = None
    bits: int = 16
    chest_wall_left: bool = True
    head_up: bool = True
    sources: Mapping[str, Sourced] = field(default_factory=dict)
    modifiers: tuple[Modifier, ...] = ()
    for_processing: bool = False
    implant: bool = False
    lossy: bool = False
    burned_in: bool = False
    acquisition: Acquisition = Acquisition()

    @property
    def rows(self) -> int:
        return self.pixels.shape[0]

    @property
    def columns(self) -> int:
        return self.pixels.shape[1]

    @property
    def standard(self) -> bool:
        """Whether the model may be given this image as the view that its name says."""
        return self.name in STANDARD_VIEWS and not self.modifiers

    @property
    def guessed(self) -> bool:
        return any(fact.guessed for fact in self.sources.values())


@dataclass(frozen=True)
class SetAside:
    """A file that is not used, and one sentence that says why."""

    file: str
    reason: str


@dataclass(frozen=True, eq=False)
class Exam:
    """The views of one examination of one woman.

    views: the standard views that are there, one image each; extra: every other usable image; set_aside: files not
    used; notes: what was inferred, in sentences for the reader; prior: her exam before this one, to compare with.
    """

    views: Mapping[ViewName, View]
    extra: tuple[View, ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    prior: Exam | None = None

    def __post_init__(self):
        ordered = {name: self.views[name] for name in STANDARD_VIEWS if name in self.views}
        if len(ordered) != len(self.views):
            raise ValueError(f"Exam.views takes standard views only, got {[str(n) for n in self.views]}")
        object.__setattr__(self, "views", MappingProxyType(ordered))

    @property
    def missing(self) -> tuple[ViewName, ...]:
        """The standard views that are not there."""
        return tuple(name for name in STANDARD_VIEWS if name not in self.views)

    @property
    def lateralities(self) -> tuple[Laterality, ...]:
        """The breasts that have at least one standard view, right first."""
        return tuple(side for side in Laterality if any(name.laterality is side for name in self.views))
