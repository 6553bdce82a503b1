"""What several rows say together: of one finding seen in two views, and of one breast with several findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..report.findings import Finding
from ..report.lexicon import LEXICON, WORD_FIELDS
from .case import Disagreement
from .columns import Row

#: assessments from the least to the most abnormal; 0 asks for images now, 3 for images in half a year
ABNORMALITY = ("1", "2", "3", "0", "4A", "4", "4B", "4C", "5")

#: field of `Finding` -> the words that a row gives for it
Words = Mapping[str, Sequence[str]]


def finding_of_rows(kind: str, rows: Iterable[Words], **values: Any) -> Finding:
    """Return the finding that several rows describe, such as those of its CC and its MLO view.

    values: its further fields. A row without a word for a field says nothing of it. Rows that share a word for a field
    add to each other: all their words hold. Rows that share none contradict each other: the words that come first
    in the lexicon hold, those of the others are kept in `either`. The order of the rows does not matter.
    """
    rows = tuple(rows)  # in any order
    also: list[tuple[str, str]] = []
    either: list[tuple[str, str]] = []
    for name in WORD_FIELDS:
        order = list(LEXICON[name]).index
        told = sorted((tuple(sorted(row[name], key=order)) for row in rows if row.get(name)),
                      key=lambda words: list(map(order, words)))  # fmt: skip
        if not told:
            continue
        every = [word for words in told for word in words]
        holding = every if set(told[0]).intersection(*told) else told[0]
        values[name] = holding[0]
        also += [(name, word) for word in holding]
        either += [(name, word) for word in every if word not in holding]
    return Finding(kind, **values, also=tuple(also), either=tuple(either))


def disagreements(
    subject: str,
    rows: Sequence[Row],
    columns: Iterable[str],
    words_of: Callable[[Row, str], Sequence[str]],
    between: str,
) -> Iterator[Disagreement]:
    """Yield each column for which the rows of one finding use different words; an empty one says nothing.

    words_of: gives the words of a row in a column.
    """
    for column in columns:
        told = {frozenset(words): row[column] for row in rows if (words := words_of(row, column))}
        if len(told) > 1:
            yield Disagreement(subject, column, tuple(told.values()), between)


def overall_assessment(assessments: Iterable[str]) -> str | None:
    """Return the assessment of a breast, which is that of its most abnormal finding; None where there is none.

    The order is 1, 2, 3, 0, 4, 5 (ACR BI-RADS Atlas, 5th edition, Follow-up and Outcome Monitoring): an incomplete
    assessment goes before a finding that can wait, and after one that needs a biopsy anyway.
    """
    return max(assessments, key=ABNORMALITY.index, default=None)


def agreed_assessment(of_findings: Iterable[Sequence[str]]) -> str | None:
    """Return the assessment of a breast from those that the rows of each finding give.

    None where rows of one finding disagree and the breast's assessment depends on which of them is right.
    """
    told = [sorted(assessments, key=ABNORMALITY.index) for assessments in of_findings if assessments]
    least, most = ([assessments[end] for assessments in told] for end in (0, -1))
    overall = overall_assessment(most)
    return overall if overall == overall_assessment(least) else None
