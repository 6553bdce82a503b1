"""What the tables say about each breast of an exam, and the case made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..exam import Laterality
from ..report.findings import ExamFindings, Findings, soften_denials
from .case import NOT_UNDERSTOOD, Case, Disagreement, Image, UnreadWord
from .columns import Row, WordReader, side_of
from .data_folder import RefusedPath, normal_path


@dataclass(frozen=True)
class Breast:
    """One breast. labels: class index of each task besides `birads`, which `make_case` adds.

    contradictions, disagreements, unread: as in `Case`; `columns.WordReader` collects the unread words.
    """

    findings: Findings = Findings()
    labels: Mapping[str, int] = field(default_factory=dict)
    contradictions: tuple[str, ...] = ()
    disagreements: tuple[Disagreement, ...] = ()
    unread: tuple[UnreadWord, ...] = ()


def describe_breasts(
    rows: Sequence[Row], column: str, describe: Callable[[Laterality, list[Row]], Breast], words: WordReader
) -> dict[Laterality, Breast]:
    """Return `describe(laterality, its rows)` for each breast with a row, right first.

    column: the one of the laterality. words: gets a word for each row that names neither breast, and so is not used.
    """
    of_side: dict[Laterality, list[Row]] = {}
    for row in rows:
        if (side := side_of(row[column])) is not None:
            of_side.setdefault(side, []).append(row)
        else:
            words.skip(column, row[column], NOT_UNDERSTOOD if row[column] else "empty: the row is of no known breast")
    return {side: describe(side, of_side[side]) for side in Laterality if side in of_side}


def make_case(
    exam: str,
    patient: str,
    images: Iterable[Image],
    breasts: Mapping[Laterality, Breast],
    *,
    rows: int = 0,
    risk: tuple[float, bool] | None = None,
    split: str | None = None,
    contradictions: tuple[str, ...] = (),
    disagreements: tuple[Disagreement, ...] = (),
    unread: tuple[UnreadWord, ...] = (),
) -> Case:
    """Return a case whose findings and labels are those of its breasts.

    images: one for each row, or one for each file; rows of one file become one image with the boxes of all. The exam's
    density label is that of its denser breast. With BI-RADS 2 and nothing named, only suspicious findings are denied
    (`soften_denials`); the labels stay. rows: as in `Case`. contradictions, disagreements, unread: those of the exam;
    its breasts' are added.
    """
    files, refused = _merged(images)
    findings = {laterality: soften_denials(breast.findings) for laterality, breast in breasts.items()}
    densities = [found.density for found in findings.values() if found.density]
    return Case(
        exam,
        patient,
        files,
        ExamFindings(right=findings.get(Laterality.RIGHT), left=findings.get(Laterality.LEFT)),
        {side: {**breast.labels, **_birads_label(breast.findings.birads)} for side, breast in breasts.items()},
        {"density": "ABCD".index(max(densities))} if densities else {},
        risk,
        split,
        sum((breast.contradictions for breast in breasts.values()), contradictions),
        sum((breast.disagreements for breast in breasts.values()), disagreements),
        sum((breast.unread for breast in breasts.values()), unread),
        refused,
        {side: reason for side, breast in breasts.items() if (reason := _silence(breast))},
        rows,
    )


def _silence(breast: Breast) -> str:
    """Why nothing can be reported of a breast; "" where something can."""
    if breast.findings != Findings():
        return ""
    why = ["the rows contradict each other"] if breast.contradictions else []
    if any(word.reason == NOT_UNDERSTOOD for word in breast.unread):
        why.append("words are not understood")
    elif breast.unread:
        why.append("the words in the table are not for reports")
    rest = ", ".join(why) or "no density, assessment or finding in the table"
    return f"only labels ({', '.join(sorted(breast.labels))}): {rest}" if breast.labels else rest


def _merged(images: Iterable[Image]) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    """One image for each file, and a sentence for each file that cannot be used because of its rows."""
    merged: dict[str, Image] = {}
    refused: dict[str, str] = {}
    for image in images:
        try:
            path = normal_path(image.path)
        except RefusedPath as error:
            refused[image.path] = str(error)
            continue
        first = merged.setdefault(path, replace(image, path=path, boxes=()))
        if first.name and image.name and first.name != image.name:
            refused[path] = f"{path}: one row says {first.name}, another {image.name}; the file is not used"
        boxes = first.boxes + tuple(box for box in image.boxes if box not in first.boxes)
        merged[path] = replace(first, name=first.name or image.name, side=first.side or image.side, boxes=boxes)
    return tuple(image for path, image in merged.items() if path not in refused), tuple(refused.values())


def _birads_label(birads: str | None) -> dict[str, int]:
    """The class index of the `birads` task, whose classes are 1 to 5; nothing for 0."""
    return {"birads": int(birads[0]) - 1} if birads and birads[0] in "12345" else {}
