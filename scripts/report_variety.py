"""Print how varied the reports of a data set are, and how varied its findings allow them to be.

    python scripts/report_variety.py vindr --root DIR [--print 40]

A report is written for each breast of which the tables state anything. Printed: breasts; different findings; the share
of distinct texts; the share that is possible at best, as `count_wordings` counts the wordings of each findings; and the
share of distinct texts among the breasts whose findings allow at least ten wordings a breast.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from mvmlm.datasets.case import Case
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.exam import Laterality
from mvmlm.report.findings import Findings
from mvmlm.report.variety import count_wordings
from mvmlm.report.writer import write_report

ENOUGH = 10  # wordings a breast: with fewer, even equally likely wordings would repeat in more than 5 % of the breasts


def breasts_of(name: str, root: Path) -> Iterator[tuple[Laterality, Findings]]:
    """Yield each breast of a data set of which the tables state anything."""
    for case in read_dataset(name, root):
        if isinstance(case, Case):
            for side in Laterality:
                findings = getattr(case.findings, side.word)
                if findings not in (None, Findings()):
                    yield side, findings


def main() -> None:
    """Print the figures, and some of the reports."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=ADAPTERS)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--print", type=int, default=0, metavar="N", dest="shown", help="also print N reports")
    options = parser.parse_args()
    rng = random.Random(0)
    breasts = list(breasts_of(options.name, options.root))
    if not breasts:
        sys.exit(f"{options.name}: no breast in its tables has findings, a density or an assessment")
    texts = [write_report(findings, rng, side) for side, findings in breasts]
    counts = Counter(breasts)
    wordings = {breast: count_wordings(breast[1], breast[0]) for breast in counts}
    best = sum(min(number, wordings[breast]) for breast, number in counts.items())
    free = [text for breast, text in zip(breasts, texts, strict=True) if wordings[breast] >= ENOUGH * counts[breast]]
    print(f"breasts {len(breasts)}, different findings {len({findings for _, findings in breasts})}")
    print(f"distinct texts {len(set(texts)) / len(texts):.1%}, possible at best {best / len(texts):.1%}")
    print(f"fewest wordings of any findings: {min(wordings.values())}")
    if free:
        print(
            f"{len(free)} breasts with at least {ENOUGH} wordings a breast: distinct {len(set(free)) / len(free):.1%}"
        )
    for text in rng.sample(texts, min(options.shown, len(texts))):
        print("-", text.replace("\n", " / "))


if __name__ == "__main__":
    main()
