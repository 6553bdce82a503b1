"""Counts of what a data set holds and of what is not used."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ..exam import STANDARD_VIEWS
from .case import Case, SkippedRow, split_of
from .registry import read_dataset

LISTED_CONTRADICTIONS = 20


def summarize_dataset(name: str, root: Path) -> str:
    """Return a line for each count: exams, views, findings, missing files, and rows that are not used, with reasons.

    Raises DatasetError.
    """
    counts: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    contradictions: list[str] = []
    splits_of_patients: dict[str, set[str]] = {}
    for case in read_dataset(name, root):
        if isinstance(case, SkippedRow):
            skipped[case.reason] += 1
            continue
        counts.update(_counts(case, root))
        splits_of_patients.setdefault(case.patient, set()).add(split_of(case))
        contradictions += case.contradictions
    in_several_splits = sum(len(splits) > 1 for splits in splits_of_patients.values())
    lines = [f"{key}: {value:,}" for key, value in sorted(counts.items())]
    lines.append(f"patients: {len(splits_of_patients):,}")
    lines.append(f"patients in more than one split: {in_several_splits}")
    lines += [f"not used: {number:,} × {reason}" for reason, number in skipped.most_common()]
    lines.append(f"contradictions: {len(contradictions)}")
    lines += [f"  {sentence}" for sentence in contradictions[:LISTED_CONTRADICTIONS]]
    return "\n".join(lines)


def _counts(case: Case, root: Path) -> Counter[str]:
    """What one case adds to each count; a count of 0 is listed too."""
    standard = {image.name for image in case.images} & set(STANDARD_VIEWS)
    counts = Counter(
        {
            "exams": 1,
            f"split {split_of(case)}": 1,
            "images": len(case.images),
            "missing files": sum(not (root / image.path).is_file() for image in case.images),
            "exams with all four views": int(len(standard) == len(STANDARD_VIEWS)),
        }
    )
    for findings in (case.findings.right, case.findings.left):
        if findings is not None:
            counts.update(f"finding {finding.kind}" for finding in findings.present)
            counts.update(
                {
                    "breasts with a density": int(findings.density is not None),
                    "breasts with an assessment": int(findings.birads is not None),
                }
            )
    for labels in case.breast_labels.values():
        counts.update(f"label {task} = {value}" for task, value in labels.items())
    return counts
