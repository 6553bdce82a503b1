"""CBIS-DDSM (Lee et al., 2017): the four *_case_description_*_set.csv tables; a row per abnormality and view.

The official train and test sets are used. A woman with rows in both goes to the test set with all of them, which is
listed: without her training rows a breast with a malignant mass there would be benign. The tables list abnormalities
only: a kind without a row is not known to be absent. Their words are those of earlier editions of BI-RADS. LOBULATED
is oval in the 5th edition, EGGSHELL is rim, CLUSTERED is grouped; LUCENT_CENTER and PLEOMORPHIC, which is not *fine*
pleomorphic, stay what they are. A lymph node is a feature of the breast and no mass; in this table it has no shape
and no margin of its own.

A field holds all its words ("ILL_DEFINED-SPICULATED"). The rows of one abnormality, mostly of its CC and its MLO view,
are one finding; where they use different words all are kept and the disagreement is listed. Where they give different
assessments, subtleties or pathologies the value is not known, which is listed too. The breast's assessment is that of
its most abnormal finding (`several_rows.overall_assessment`). Pathology becomes a label and never report text: 1 where
an abnormality is malignant, 0 where every one is known not to be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from .breasts import Breast, describe_breasts, make_case
from .case import NOT_UNDERSTOOD, Case, DatasetError, Disagreement, Image, SkippedRow
from .cbis_files import CbisFiles, cbis_tables
from .columns import (
    AgreedValues,
    Row,
    WordReader,
    birads_category,
    density_letter,
    group_rows,
    lacking_columns,
    read_rows,
    table_columns,
    view_name,
)
from .several_rows import Words, agreed_assessment, disagreements, finding_of_rows

COLUMNS = (
    "patient_id",
    "left or right breast",
    "image view",
    "abnormality id",
    "abnormality type",
    "assessment",
    "pathology",
    "image file path",
)
SHAPE, MARGIN, TYPE, DISTRIBUTION = "mass shape", "mass margins", "calc type", "calc distribution"
_SHAPES = {"ROUND": "round", "OVAL": "oval", "LOBULATED": "oval", "IRREGULAR": "irregular"}
_MARGINS = {
    "CIRCUMSCRIBED": "circumscribed", "OBSCURED": "obscured", "MICROLOBULATED": "microlobulated",
    "ILL_DEFINED": "indistinct", "SPICULATED": "spiculated",
}  # fmt: skip
_MORPHOLOGIES = {
    "PLEOMORPHIC": "pleomorphic", "AMORPHOUS": "amorphous", "FINE_LINEAR_BRANCHING": "fine linear branching",
    "PUNCTATE": "punctate", "COARSE": "coarse", "VASCULAR": "vascular", "SKIN": "skin", "DYSTROPHIC": "dystrophic",
    "MILK_OF_CALCIUM": "milk of calcium", "ROUND_AND_REGULAR": "round", "EGGSHELL": "rim", "LARGE_RODLIKE": "rod-like",
    "LUCENT_CENTER": "lucent-centered", "LUCENT_CENTERED": "lucent-centered",
}  # fmt: skip
_DISTRIBUTIONS = {
    "CLUSTERED": "grouped", "LINEAR": "linear", "SEGMENTAL": "segmental", "REGIONAL": "regional",
    "DIFFUSELY_SCATTERED": "diffuse",
}  # fmt: skip
_ASYMMETRIES = {"ASYMMETRIC_BREAST_TISSUE": "global asymmetry", "FOCAL_ASYMMETRIC_DENSITY": "focal asymmetry"}
_NODE, _DISTORTION = "LYMPH_NODE", "ARCHITECTURAL_DISTORTION"
_SUBTLETIES = {str(step): step for step in range(1, 6)}
TABLES = tuple(f"{kind}_case_description_{part}_set.csv" for kind in ("calc", "mass") for part in ("test", "train"))
DENSITY = "breast density"
#: what is not known without a column -> the column
OPTIONAL = {
    "the density of its breasts is not known": (DENSITY,),
    "the subtlety of its findings is not known": ("subtlety",),
}
_IS_MALIGNANT = {"MALIGNANT": True, "BENIGN": False, "BENIGN_WITHOUT_CALLBACK": False}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each patient."""
    tables = cbis_tables(root)
    if not tables:
        raise DatasetError("no *_case_description_*_set.csv: give the folder with CBIS-DDSM's tables")
    files = CbisFiles(root)
    all_rows: list[Row] = []
    for table in tables:
        split = "test" if "test" in table.name else "train"
        of_kind = (TYPE, DISTRIBUTION) if table.name.startswith("calc") else (SHAPE, MARGIN)
        for row in read_rows(table, (*COLUMNS, *of_kind)):
            density = row.get("breast_density") or row.get(DENSITY) or ""  # mass and calcification tables
            all_rows.append(row | {"split": split, DENSITY: density})
    for patient, rows in group_rows(all_rows, lambda row: row["patient_id"]).items():
        places = {row["image file path"]: files.path(row["image file path"]) for row in rows}
        images = [
            Image(places[row["image file path"]][0], view_name(row["left or right breast"], row["image view"]))
            for row in rows
        ]
        words = WordReader()
        breasts = describe_breasts(rows, "left or right breast", partial(describe_breast, patient), words)
        sets = tuple(sorted({row["split"] for row in rows}))
        both = (Disagreement(patient, "set", sets, "the tables"),) if len(sets) > 1 else ()
        case = make_case(patient, patient, images, breasts, rows=len(rows), split=sets[0], disagreements=both,
                         unread=words.unread)  # fmt: skip
        yield replace(case, refused=case.refused + tuple(reason for _, reason in places.values() if reason))


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the tables lack."""
    tables = cbis_tables(root)
    for table in tables:
        found = [DENSITY if name == "breast_density" else name for name in table_columns(table)]
        yield from lacking_columns(table.name, found, OPTIONAL)
    for name in TABLES:
        if tables and name not in {table.name for table in tables}:
            yield f"{name} is not there: its abnormalities are not known"


@dataclass
class _Abnormality:
    """What the rows of one abnormality say. malignant: None where it is not known."""

    found: list[Finding] = field(default_factory=list)
    features: set[str] = field(default_factory=set)
    assessments: list[str] = field(default_factory=list)
    malignant: bool | None = None
    contradictions: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()


def describe_breast(patient: str, laterality: Laterality, rows: list[Row]) -> Breast:
    """Return what the rows of one breast say; the density stands in the column "breast density" of every row."""
    subject, words = f"{patient} {laterality.value}", WordReader()
    groups = group_rows(rows, lambda row: f"{row['abnormality type']} {row['abnormality id']}")
    abnormalities = [_abnormality(f"{subject} {name}", group, words) for name, group in groups.items()]
    agreed = AgreedValues(rows, subject)
    findings = Findings(
        words.read("breast density", agreed.get("breast density"), density_letter),
        tuple(finding for abnormality in abnormalities for finding in abnormality.found),
        birads=agreed_assessment(abnormality.assessments for abnormality in abnormalities),
        features=tuple(feature for abnormality in abnormalities for feature in abnormality.features),
    )
    labels = {finding.kind: 1 for finding in findings.present}
    malignant = {abnormality.malignant for abnormality in abnormalities}
    if True in malignant or malignant == {False}:
        labels["malignancy"] = int(True in malignant)
    return Breast(
        findings,
        labels,
        sum((abnormality.contradictions for abnormality in abnormalities), agreed.contradictions),
        sum((abnormality.disagreements for abnormality in abnormalities), ()),
        words.unread,
    )


def _abnormality(subject: str, rows: list[Row], words: WordReader) -> _Abnormality:
    agreed = AgreedValues(rows, subject)
    birads = birads_category(agreed.get("assessment"))
    subtlety = words.read("subtlety", agreed.get("subtlety"), _SUBTLETIES.get)
    described = _Abnormality(
        assessments=[a for row in rows if (a := words.read("assessment", row["assessment"], birads_category))]
    )
    views = " and ".join(sorted({row["image view"] for row in rows}))
    described.disagreements = tuple(
        disagreements(subject, rows, (SHAPE, MARGIN, TYPE, DISTRIBUTION), _words, f"the {views} rows")
    )
    parts: dict[str, list[Words]] = {}
    for row in rows:
        kind = row["abnormality type"].lower()
        if kind.startswith("calc"):
            read: Words = {
                "morphology": _known(row, TYPE, _MORPHOLOGIES, words),
                "distribution": _known(row, DISTRIBUTION, _DISTRIBUTIONS, words),
            }
            parts.setdefault("calcification", []).append(read)
        elif kind != "mass":
            words.skip("abnormality type", kind, NOT_UNDERSTOOD if kind else "empty: no kind of finding")
        else:
            for kind, of_kind in _mass_row(row, described.features, words).items():
                parts.setdefault(kind, []).append(of_kind)
    described.found = [finding_of_rows(kind, told, birads=birads, subtlety=subtlety) for kind, told in parts.items()]
    if subtlety is not None and not described.found:
        words.skip("subtlety", str(subtlety), "of a lymph node")
    malignant = {
        known
        for row in rows
        if (known := words.read("pathology", row["pathology"].upper(), _IS_MALIGNANT.get)) is not None
    }
    described.contradictions = agreed.contradictions
    if len(malignant) == 1:
        described.malignant = malignant.pop()
    elif malignant:
        described.contradictions += (f"{subject} pathology: rows say malignant and benign",)
    return described


def _mass_row(row: Row, features: set[str], words: WordReader) -> dict[str, Words]:
    """The words of a row of a mass table by kind of finding; a lymph node is added to `features`."""
    told = _words(row, SHAPE)
    parts: dict[str, Words] = {}
    if asymmetries := [_ASYMMETRIES[word] for word in told if word in _ASYMMETRIES]:
        parts["asymmetry"] = {"asymmetry": asymmetries}
    if _DISTORTION in told:
        parts["distortion"] = {}
    shapes = [word for word in told if word not in (*_ASYMMETRIES, _DISTORTION, _NODE)]
    if _NODE in told:
        features.add("intramammary lymph node")
        unplaced = "of a lymph node"
    elif shapes or not parts:
        parts["mass"] = {
            "shape": [known for word in shapes if (known := words.read(SHAPE, word, _SHAPES.get))],
            "margin": _known(row, MARGIN, _MARGINS, words),
        }
        return parts
    else:
        unplaced = "the row describes no mass"
    for column, left in ((SHAPE, shapes), (MARGIN, _words(row, MARGIN))):
        for word in left:
            words.skip(column, word, unplaced)
    return parts


def kinds_of_mass_row(shape: str) -> tuple[str, ...]:
    """Return the kinds of finding that the mass shape of a row describes; none for a lymph node."""
    return tuple(_mass_row({SHAPE: shape, MARGIN: ""}, set(), WordReader()))


def _known(row: Row, column: str, meanings: Mapping[str, str], words: WordReader) -> Sequence[str]:
    told = _words(row, column)
    return [known for word in told if (known := words.read(column, word, meanings.get)) is not None]


def _words(row: Row, column: str) -> list[str]:
    """The words of "ILL_DEFINED-SPICULATED"."""
    text = row.get(column, "").upper().replace(" ", "_")
    return text.split("-") if text else []
