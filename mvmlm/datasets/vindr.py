"""VinDr-Mammo (Nguyen et al., 2023): its two tables and images/<study>/<image>.dicom.

finding_annotations.csv has a row for each mark and one for each image without marks.

Its readers marked findings of BI-RADS 3 and above only. A kind that was not marked in a breast is therefore denied as
something suspicious; in a breast of BI-RADS 1, which has nothing to tell, it is denied altogether. The tables give no
size, shape or location. "No Finding" is about one image: it contradicts a finding of the same image, not of another.

A finding is marked in each view that shows it, and nothing says which marks of two views are the same finding. Their
number in a breast is taken as the largest number in one of its images; marks of the same rank of `finding_birads` are
the same finding, and its assessment is not known where they differ, which is listed. A row that repeats another one in
every cell, its box too, counts as a mark of its own, and is listed. Skin, nipple and lymph nodes are features of the
breast. breast-level_annotations.csv repeats the assessment, density and split of each image; where it is there it is
compared, and what differs is not known and listed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import partial
from itertools import zip_longest
from pathlib import Path

from ..exam import Laterality
from ..report.findings import Finding, Findings
from ..report.lexicon import KINDS
from .boxes import box_edges
from .breasts import Breast, describe_breasts, make_case
from .case import Case, FindingBox, Image, SkippedRow
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
    without_repeats,
)
from .several_rows import ABNORMALITY, overall_assessment

FINDINGS_TABLE, BREAST_TABLE = "finding_annotations.csv", "breast-level_annotations.csv"
BOX_COLUMNS = ("xmin", "ymin", "xmax", "ymax")
BREAST_COLUMNS = ("study_id", "image_id", "laterality", "view_position", "breast_birads", "breast_density", "split")
COLUMNS = (*BREAST_COLUMNS, "finding_categories", "finding_birads")
_KINDS = {
    "Mass": ("mass", None),
    "Suspicious Calcification": ("calcification", None),
    "Asymmetry": ("asymmetry", "asymmetry"),
    "Focal Asymmetry": ("asymmetry", "focal asymmetry"),
    "Global Asymmetry": ("asymmetry", "global asymmetry"),
    "Architectural Distortion": ("distortion", None),
}
_FEATURES = {
    "Suspicious Lymph Node": "suspicious lymph node",
    "Skin Thickening": "skin thickening",
    "Skin Retraction": "skin retraction",
    "Nipple Retraction": "nipple retraction",
}
_NO_FINDING = "No Finding"
_SPLITS = {"training": "train", "test": "test"}


def read(root: Path) -> Iterator[Case | SkippedRow]:
    """Yield a case for each study."""
    table = list(read_rows(root / FINDINGS_TABLE, COLUMNS))
    if (root / BREAST_TABLE).is_file():
        no_marks = {"finding_categories": "", "finding_birads": ""}
        table += [row | no_marks for row in read_rows(root / BREAST_TABLE, BREAST_COLUMNS)]
    for study, rows in group_rows(table, lambda row: row["study_id"]).items():
        words, agreed = WordReader(), AgreedValues(rows, study)
        images: list[Image] = []
        contradictions: tuple[str, ...] = ()
        for image, marks in group_rows(rows, lambda row: row["image_id"]).items():
            of_image = AgreedValues(marks, image)
            name = view_name(of_image.get("laterality"), of_image.get("view_position"))
            images.append(Image(f"images/{study}/{image}.dicom", name, _boxes(marks, words)))
            contradictions += of_image.contradictions
        splits = {words.read("split", split, _SPLITS.get) for split in dict.fromkeys(row["split"] for row in rows)}
        for _ in range(without_repeats(rows, BOX_COLUMNS)[1]):
            words.skip("finding_categories", "a row", "it repeats another one and its box: counted as a mark too")
        agreed.get("split")  # rows of both sets are listed and go to the test set
        yield make_case(
            study,
            study,
            images,
            describe_breasts(rows, "laterality", partial(_describe_breast, study), words),
            rows=len(rows),
            split="test" if "test" in splits else "train" if "train" in splits else None,
            contradictions=contradictions + agreed.contradictions,
            unread=words.unread,
        )


def lacking(root: Path) -> Iterator[str]:
    """Yield a sentence for what the tables lack."""
    if (path := root / FINDINGS_TABLE).is_file():
        yield from lacking_columns(path.name, table_columns(path), {"no finding has a box": BOX_COLUMNS})
        if not (root / BREAST_TABLE).is_file():
            yield f"{BREAST_TABLE} is not there: the assessments, densities and splits are not compared with it"


def _describe_breast(study: str, laterality: Laterality, rows: list[Row]) -> Breast:
    subject, words = f"{study} {laterality.value}", WordReader()
    agreed = AgreedValues(rows, subject)
    birads = words.read("breast_birads", agreed.get("breast_birads"), birads_category)
    density = words.read("breast_density", agreed.get("breast_density"), density_letter)
    marks, contradictions = _marks(subject, rows, words)
    present: list[Finding] = []
    for category, (kind, asymmetry) in _KINDS.items():
        ranked = zip_longest(*marks.get(category, {}).values())
        for number, assessments in enumerate(ranked, 1):
            told = sorted({assessment for assessment in assessments if assessment})
            if len(told) > 1:
                contradictions += (f"{subject} {category} {number} finding_birads: rows say {' and '.join(told)}",)
            present.append(Finding(kind, asymmetry=asymmetry, birads=told[0] if len(told) == 1 else None))
    highest = overall_assessment(finding.birads for finding in present if finding.birads)
    if birads and highest and overall_assessment((birads, highest)) != birads:
        contradictions += (f"{subject}: a finding of BI-RADS {highest} in a breast of BI-RADS {birads}",)
    kinds = {finding.kind for finding in present}
    understood = marks.keys() <= {*_KINDS, *_FEATURES, _NO_FINDING}  # another word may name any kind
    denied = frozenset(KINDS) - kinds if marks and understood else frozenset()
    findings = Findings(
        density,
        tuple(present),
        denied if birads == "1" else frozenset(),
        birads,
        not_suspicious=frozenset() if birads == "1" else denied,
        features=tuple(feature for category, feature in _FEATURES.items() if category in marks),
    )
    labels = {kind: int(kind in kinds) for kind in KINDS if kind in kinds | denied}
    return Breast(findings, labels, agreed.contradictions + contradictions, unread=words.unread)


def _marks(subject: str, rows: list[Row], words: WordReader) -> tuple[dict[str, dict[str, list[str]]], tuple[str, ...]]:
    """Category -> image -> the `finding_birads` of its marks ("" where not given), the most abnormal first.

    Also a sentence for each image with a finding and No Finding.
    """
    marks: dict[str, dict[str, list[str]]] = {}
    contradictions: tuple[str, ...] = ()
    for image, of_image in group_rows(rows, lambda row: row["image_id"]).items():
        found = []
        for row in of_image:
            birads = words.read("finding_birads", row["finding_birads"], birads_category) or ""
            for category in _categories(row):
                found.append(category)
                marks.setdefault(category, {}).setdefault(image, []).append(birads)
                if category not in (*_KINDS, *_FEATURES, _NO_FINDING):
                    words.skip("finding_categories", category)
            if birads and not set(_categories(row)) & set(_KINDS):
                words.skip("finding_birads", birads, "of a feature of the breast")
        if _NO_FINDING in found and set(found) != {_NO_FINDING}:
            others = ", ".join(sorted(set(found) - {_NO_FINDING}))
            contradictions += (f"{subject} {image}: both No Finding and {others}",)
    for of_category in marks.values():
        for assessments in of_category.values():
            assessments.sort(key=("", *ABNORMALITY).index, reverse=True)
    return marks, contradictions


def _categories(row: Row) -> list[str]:
    """The column holds a list in Python's notation, which may be empty; any other text is one category."""
    text = row["finding_categories"] or "[]"
    try:
        categories = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return [text]
    return [str(category) for category in categories] if isinstance(categories, list) else [text]


def _boxes(rows: list[Row], words: WordReader) -> tuple[FindingBox, ...]:
    """The boxes of one image; a row of several categories gives a box for each."""
    boxes: list[FindingBox] = []
    for row in rows:
        told = [row.get(name, "") for name in BOX_COLUMNS]
        if not any(told):
            continue
        if (edges := box_edges(told)) is None:
            words.skip("xmin to ymax", " ".join(told), "no box: an edge is no number")
            continue
        for category in _categories(row):
            if name := _KINDS[category][0] if category in _KINDS else _FEATURES.get(category):
                boxes.append(FindingBox(name, *edges))
    return tuple(boxes)
