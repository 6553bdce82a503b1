"""The codes of EMBED's clinical table as fields of findings, after its AWS_Open_Data_Clinical_Legend.csv.

A field may hold several codes, with commas between them. Columns on comparison, implants and what a finding may be
("consistent with") have no field here; each of their codes is listed as not used.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .columns import Row, WordReader

SHAPES = {"R": "round", "O": "oval", "X": "irregular"}
ASYMMETRIES = {"B": "global asymmetry", "F": "focal asymmetry", "S": "asymmetry", "V": "developing asymmetry"}
SHAPE_FEATURES = {"N": "intramammary lymph node", "Y": "lymph node", "T": "dilated duct"}
GENERIC, DISTORTION, QUESTIONED_DISTORTION = "G", "A", "Q"
#: codes that the legend lacks and that EMBED's own notebook (Sample_Notebook.ipynb) counts as masses
MASSES_WITHOUT_LEGEND = ("D", "L")
MARGINS = {"D": "circumscribed", "U": "obscured", "M": "microlobulated", "I": "indistinct", "S": "spiculated"}
MASS_DENSITIES = {"+": "high", "=": "equal", "-": "low", "0": "fat-containing"}
#: "" is a generic calcification, of which the code tells nothing more
MORPHOLOGIES = {
    "A": "amorphous", "9": "typically benign", "H": "coarse heterogeneous", "C": "coarse", "D": "dystrophic",
    "E": "rim", "F": "fine linear", "B": "fine linear branching", "G": "", "I": "fine pleomorphic", "L": "rod-like",
    "M": "milk of calcium", "J": "rim",  # an oil cyst's wall, which the 5th edition calls rim
    "K": "pleomorphic", "P": "punctate", "R": "round", "S": "skin", "O": "lucent-centered", "U": "suture",
    "V": "vascular", "Q": "coarse",
}  # fmt: skip
DISTRIBUTIONS = {"G": "grouped", "C": "grouped", "S": "segmental", "R": "regional", "L": "linear", "D": "diffuse"}
#: codes of otherfind -> kind of finding, its field and word
OTHER_FINDINGS = {
    "4": ("asymmetry", "asymmetry", "asymmetry"), "I": ("asymmetry", "asymmetry", "focal asymmetry"),
    "Q": ("asymmetry", "asymmetry", "focal asymmetry"), "Y": ("asymmetry", "asymmetry", "global asymmetry"),
    "D": ("distortion", "", ""), "%": ("calcification", "morphology", "rim"),
}  # fmt: skip
OTHER_FEATURES = {
    "A": "axillary adenopathy", "E": "dilated duct", "O": "dilated duct", "J": "skin thickening",
    "S": "skin thickening", "N": "nipple retraction", "R": "skin retraction", "T": "trabecular thickening",
    "L": "skin lesion", "2": "prominent lymph node", "V": "normal lymph node", "Z": "abnormal lymph node",
}  # fmt: skip
#: codes of otherfind that become nothing -> why: earlier biopsies and operations are outcomes and history
OTHER_UNUSED = dict.fromkeys("!13BCFKMPUWX", "an earlier biopsy or operation") | dict.fromkeys("5GH", "no field for it")
PLACES = {
    "W": "upper outer", "X": "upper inner", "Y": "lower outer", "Z": "lower inner", "C": "central", "D": "inner",
    "I": "lower", "L": "outer", "S": "retroareolar", "U": "upper", "T": "axillary tail", "A": "axillary tail",
    "UP": "upper", "LO": "lower", "IN": "inner", "OU": "outer",
}  # fmt: skip
ASSESSMENTS = {"A": "0", "N": "1", "B": "2", "P": "3", "S": "4", "M": "5"}
#: codes of `asses` that give no assessment -> why
NO_ASSESSMENTS = {"K": "a known cancer, which is an outcome", "X": "no assessment"}
LOCATION_DEPTHS = {"AN": "anterior", "MD": "middle"}
DEPTHS = {"A": "anterior", "M": "middle", "P": "posterior"}
CLOCK = tuple(map(str, range(1, 13)))
#: codes of `changed` by which the finding is not seen (any more)
GONE = ("G", "R", "S")
WITHOUT_FIELD = ("implanfind", "consistent", "changed", "distance", "stable", "new")
MASS_FIELDS = ("massmargin", "massdens")
CALCIFICATION_FIELDS = ("calcfind", "calcdistri", "calcnumber")
LOCATION_FIELDS = ("location", "depth", "size")
FINDING_FIELDS = ("massshape", *MASS_FIELDS, *CALCIFICATION_FIELDS, "otherfind", *LOCATION_FIELDS)
#: what is not known without columns -> the columns, which the clinical table may lack
OPTIONAL_COLUMNS = {
    "the density of masses is not known": ("massdens",),
    "calcifications that it alone tells are not known": ("calcnumber",),
    "asymmetries, distortions and features that it alone tells are not known": ("otherfind",),
    "where findings are is not known": ("location", "depth"),
    "the size of findings is not known": ("size",),
    "findings that are seen no more count as present": ("changed",),
    "not counted": tuple(name for name in WITHOUT_FIELD if name != "changed"),
}


@dataclass
class RowFindings:
    """What one row says is seen. parts: kind -> field -> words. possible: the kinds that are only questioned."""

    parts: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    possible: set[str] = field(default_factory=set)
    features: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)  # clock and size

    def add(self, kind: str, name: str = "", word: str | None = "") -> None:
        """Add a kind of finding, with a word of a field where there is one."""
        words = self.parts.setdefault(kind, {})
        if name and word:
            words.setdefault(name, []).append(word)


def codes(row: Row, column: str) -> list[str]:
    """Return the codes of a field; none where it is empty, or a number that is 0."""
    told = [code.strip().upper().removesuffix(".0") for code in row.get(column, "").split(",")]
    nothing = ("", "0") if column in ("calcnumber", "size", *WITHOUT_FIELD) else ("",)
    return [code for code in told if code not in nothing]


def read_row(row: Row, words: WordReader) -> RowFindings:
    """Return what a row says is seen; what has no meaning or no field here is left in `words`."""
    found = RowFindings()
    for column in WITHOUT_FIELD:
        for code in codes(row, column):
            words.skip(column, code, "no field for it")
    if set(codes(row, "changed")) & set(GONE):
        _skip(row, FINDING_FIELDS, words, "the finding is not seen any more")
        return found
    _read_mass(row, found, words)
    _read_calcification(row, found, words)
    _read_other(row, found, words)
    _read_location(row, found, words)
    return found


def _skip(row: Row, columns: tuple[str, ...], words: WordReader, reason: str) -> None:
    for column in columns:
        for code in codes(row, column):
            words.skip(column, code, reason)


def _read_mass(row: Row, found: RowFindings, words: WordReader) -> None:
    shapes = codes(row, "massshape")
    for code in shapes:
        if code in SHAPES or code == GENERIC:
            found.add("mass", "shape", SHAPES.get(code))
        elif code in ASYMMETRIES:
            found.add("asymmetry", "asymmetry", ASYMMETRIES[code])
        elif code in SHAPE_FEATURES:
            found.features.append(SHAPE_FEATURES[code])
        elif code in (DISTORTION, QUESTIONED_DISTORTION):
            found.add("distortion")
        else:
            words.skip("massshape", code)
            if code in MASSES_WITHOUT_LEGEND:
                found.add("mass")
    if QUESTIONED_DISTORTION in shapes and DISTORTION not in shapes:
        found.possible.add("distortion")
    margins, densities = codes(row, "massmargin"), codes(row, "massdens")
    # by the notebook a density of 0 alone is no mass
    if not found.parts and not found.features and (margins or set(densities) - {"0"}):
        found.add("mass")
    if "mass" not in found.parts:
        _skip(row, MASS_FIELDS, words, "the row describes no mass")
        return
    for column, name, told, known in (
        ("massmargin", "margin", margins, MARGINS),
        ("massdens", "mass_density", densities, MASS_DENSITIES),
    ):
        for code in told:
            found.add("mass", name, words.read(column, code, known.get))


def _read_calcification(row: Row, found: RowFindings, words: WordReader) -> None:
    for column, name, known in (
        ("calcfind", "morphology", MORPHOLOGIES),
        ("calcdistri", "distribution", DISTRIBUTIONS),
    ):
        for code in codes(row, column):
            if (word := words.read(column, code, known.get)) is not None:
                found.add("calcification", name, word)
    for code in codes(row, "calcnumber"):
        if code.startswith("-"):  # EMBED does not say what a negative number means
            words.skip("calcnumber", code)
        else:
            found.add("calcification")
            words.skip("calcnumber", code, "no field for it")


def _read_other(row: Row, found: RowFindings, words: WordReader) -> None:
    for code in codes(row, "otherfind"):
        if code in OTHER_FINDINGS:
            found.add(*OTHER_FINDINGS[code])
        elif code in OTHER_UNUSED:
            words.skip("otherfind", code, OTHER_UNUSED[code])
        elif (feature := words.read("otherfind", code, OTHER_FEATURES.get)) is not None:
            found.features.append(feature)


def _read_location(row: Row, found: RowFindings, words: WordReader) -> None:
    """Add the place, depth and size of a row to each of its findings."""
    if not found.parts:
        _skip(row, LOCATION_FIELDS, words, "the row describes no finding that has a place")
        return
    location = codes(row, "location")
    clock = [code for code in location if code in CLOCK]
    if len(set(clock)) == 1:
        found.values["clock"] = int(clock[0])
    else:
        for code in clock:
            words.skip("location", code, "several clock positions")
    depths = [LOCATION_DEPTHS[code] for code in location if code in LOCATION_DEPTHS]
    depths += [depth for code in codes(row, "depth") if (depth := words.read("depth", code, DEPTHS.get)) is not None]
    others = [code for code in location if code not in (*CLOCK, *LOCATION_DEPTHS)]
    places = [place for code in others if (place := words.read("location", code, PLACES.get)) is not None]
    for read in found.parts.values():
        read |= {"place": _quadrants(places), "depth": depths}
    for code in codes(row, "size"):
        if len(found.parts) > 1:
            words.skip("size", code, "of one of several findings")
        elif (size := words.read("size", code, _millimetres)) is not None:
            found.values["size_mm"] = size


def _quadrants(places: list[str]) -> list[str]:
    """The places, where "upper" and "outer" together are the upper outer quadrant."""
    heights, sides = (
        [p for p in dict.fromkeys(places) if p in pair] for pair in (("upper", "lower"), ("outer", "inner"))
    )
    if len(heights) == len(sides) == 1:
        return [f"{heights[0]} {sides[0]}", *(place for place in places if place not in (*heights, *sides))]
    return places


def _millimetres(text: str) -> float | None:
    """The size; None for a negative one, by which EMBED means something that it does not say."""
    try:
        size = float(text)
    except ValueError:
        return None
    return size if 0.5 <= size <= 300 else None
