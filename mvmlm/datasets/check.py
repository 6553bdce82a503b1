"""The check of a data set as text: a table with a column for each split, then what is not used, with counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..messages import plain_line
from .case import NOT_UNDERSTOOD, SPLITS
from .check_counts import CONTRADICTIONS, SILENT, DatasetCheck, check_dataset

LISTED = 20  # sentences of a kind, and words, that are printed
SUMMED_UP = 3  # details of a kind that a summary names
LONGEST_WORD = 60  # letters of a table's word that are printed
#: section -> rows that are printed first and even where nothing counts in them
_ROWS = {
    "exams": ("exams", "women", "rows of the tables"),
    "views": ("R_CC", "L_CC", "R_MLO", "L_MLO", "other views"),
    "breasts": ("breasts", "with a density", "with an assessment", "with a finding"),
    "findings": (), "boxes": (), "features of a breast": (), "denied": (),
    "labels of a breast": (), "labels of an exam": (),
}  # fmt: skip


def summarize_dataset(name: str, root: Path) -> str:
    """Return what `mvmlm datasets NAME --root ROOT --check` prints. Raises DatasetError."""
    return check_text(check_dataset(name, root))


def check_text(check: DatasetCheck) -> str:
    """Return the lines that `mvmlm datasets NAME --check` prints."""
    lines = [*_totals(check), "", *_table(check)]
    for part in _not_used(check):
        lines += ["", f"{part.title}: {part.number:,}", *_some(part.details)]
    for kind, sentences in check.sentences.items():
        lines += ["", f"{kind}: {len(sentences):,}", *_some(sentences)]
    return "\n".join(map(plain_line, lines))


def summary_lines(check: DatasetCheck, root: Path) -> list[str]:
    """Return in few lines what of the tables is not used, as a training says it; none where all of it is."""
    contradictions = check.sentences.get(CONTRADICTIONS, [])
    parts = [*_not_used(check), _Part(CONTRADICTIONS, len(contradictions), contradictions), _silent(check)]
    lines = [_in_one_line(part) for part in parts if part.number]
    return [*lines, f"To see all of it: mvmlm datasets {check.name} --root {root} --check"] if lines else []


class _Part(NamedTuple):
    """One way in which the tables are not used: how often, and what."""

    title: str
    number: int
    details: Sequence[str]


def _in_one_line(part: _Part) -> str:
    more = len(part.details) - SUMMED_UP
    rest = f"; and {more:,} more" if more > 0 else ""
    return f"{part.title}: {part.number:,} ({'; '.join(part.details[:SUMMED_UP])}{rest})"


def _silent(check: DatasetCheck) -> _Part:
    """The breasts of which nothing can be reported."""
    reasons: dict[str, int] = {}
    for (_, row, _), number in check.counts.items():
        if row.startswith(SILENT):
            reasons[row.removeprefix(SILENT)] = reasons.get(row.removeprefix(SILENT), 0) + number
    breasts = sum(check.counts["breasts", "breasts", split] for split in SPLITS)
    details = [f"{number:,} × {reason}" for reason, number in sorted(reasons.items(), key=lambda item: -item[1])]
    return _Part(f"breasts with nothing to report, of {breasts:,}", sum(reasons.values()), details)


def _totals(check: DatasetCheck) -> list[str]:
    """What is there in all, a line each."""
    usable = check.usable
    several = sum(len(splits) > 1 for splits in check.women.values())
    lines = [
        f"exams: {usable.exams:,}",
        f"exams that pretraining can use: {usable.usable:,}",
        f"exams with all four views: {check.files['exams with all four views']:,}",
        f"patients: {len(check.women):,}",
        f"patients in more than one split: {several}",
        f"files named by the tables: {usable.files:,}",
        f"missing files: {usable.missing:,}",
    ]
    if usable.first_missing:
        lines.append(f"  the first is looked for at {usable.first_missing}")
    lines += [f"pictures that no exam uses: {len(check.unnamed):,}", *_some(check.unnamed[:3], len(check.unnamed))]
    for title in ("boxes", "boxes cut at the edge of their picture", "boxes outside their picture"):
        lines.append(f"{title}: {check.files[title]:,}")
    return lines


def _table(check: DatasetCheck) -> list[str]:
    """The counts, with the columns all, train, validation and test."""
    rows: list[Sequence[str]] = [("", "all", *SPLITS)]
    breasts = sum(check.counts["breasts", "breasts", split] for split in SPLITS)
    for section, first in _ROWS.items():
        found = {row for part, row, _ in check.counts if part == section}
        titles = [*first, *sorted(found - set(first))]
        if section not in ("exams", "breasts") and titles:
            rows += [("", "", "", "", ""), (section, "", "", "", "")]
        for title in titles:
            numbers = [check.counts[section, title, split] for split in SPLITS]
            share = f" ({sum(numbers) / breasts:.0%})" if title.startswith(SILENT) and breasts else ""
            indent = "" if title in first and section == "exams" or title == section else "  "
            rows.append((f"{indent}{title}{share}", f"{sum(numbers):,}", *(f"{number:,}" for number in numbers)))
    return _aligned(rows)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    first, *others = (max(map(len, column)) for column in zip(*rows, strict=True))
    return ["  ".join([row[0].ljust(first), *map(str.rjust, row[1:], others)]).rstrip() for row in rows]


def _not_used(check: DatasetCheck) -> Iterator[_Part]:
    """What of the tables is used for nothing, and the columns in which rows disagree."""
    words = [((column, _short(word), reason), number) for (column, word, reason), number in check.unread.most_common()]
    unknown = [word for word in words if word[0][2] == NOT_UNDERSTOOD]
    others = [word for word in words if word[0][2] != NOT_UNDERSTOOD]
    if check.lacking:
        yield _Part("columns and files that are not there", len(check.lacking), check.lacking)
    exams = Counter({why: n for why, n in check.usable.skipped.items() if why not in check.unused_rows})
    for title, reasons in (
        ("exams and files not used", exams),
        ("rows of the tables used for nothing", check.unused_rows),
    ):
        if reasons:
            yield _Part(title, reasons.total(), [f"{number:,} × {reason}" for reason, number in reasons.most_common()])
    yield _Part(
        "words not understood",
        sum(number for _, number in unknown),
        [f"{number:,} × {column}: {word}" for (column, word, _), number in unknown],
    )
    yield _Part(
        "words understood and not used",
        sum(number for _, number in others),
        [f"{number:,} × {column}: {word} ({reason})" for (column, word, reason), number in others],
    )
    yield _Part(
        "disagreements, all words kept",
        check.disagreements.total(),
        [f"{number:,} × {column}: {between} say different words"
         for (column, between), number in check.disagreements.most_common()],
    )  # fmt: skip


def _short(word: str) -> str:
    return word if len(word) <= LONGEST_WORD else word[:LONGEST_WORD] + " …"


def _some(sentences: Sequence[str], number: int | None = None) -> Iterable[str]:
    """The first sentences, and how many more there are."""
    yield from (f"  {sentence}" for sentence in sentences[:LISTED])
    more = (len(sentences) if number is None else number) - min(len(sentences), LISTED)
    if more > 0:
        yield f"  and {more:,} more"
