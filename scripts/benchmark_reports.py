"""Print how long the report parser takes for reports of 10, 20, 50 and 100 KB, ordinary and made to be slow.

    python scripts/benchmark_reports.py

The figures are seconds of one CPU. They grow with the length and no faster; 100 KB take less than a second.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mvmlm.report.parser import read_report

SIZES = (10_000, 20_000, 50_000, 100_000)
#: "%" stands for a number, so that no two sentences are the same
TEXTS = {
    "one long sentence": "mass with spiculated margins and ",
    "both breasts": "mass in the left and mass in the right, ",
    "sentences on both": "mass in the left and mass in the right and mass in the left and mass in the right. ",
    "“no” repeated": "no ",
    "“no mass” repeated": "no mass ",
    "commas only": ",",
    "brackets only": "(",
    "spaces only": " ",
    "newlines only": "\n",
    "digits only": "1",
    "sizes": "12 x ",
    "one word a sentence": "mass. ",
    "one word a line": "mass\n",
    "the same finding": "The mass is oval. ",
    "short sentences": "mass no. %. ",
    "short, both breasts": "right % and left. ",
    "hours in both breasts": "Mass in the right breast at 3:00 and left breast at 4:00, %. ",
    "both breasts, many “and”": "mass % " + "right and left and " * 12 + "mass. ",
    "both breasts, “while”": "mass % " + "while right while left " * 9 + "mass. ",
    "which of several": "A round mass. An oval mass. It is % mm. ",
    "all of several": "Mass. The masses are at % o'clock. ",
    "one of several": "Two masses %" + ", one oval" * 90 + ". ",
    "denials in a sentence": "% " + "no mass, " * 105 + ". ",
    "answers behind a list": "%" + " mass/calc" * 80 + ": none/none/present. ",
    "addenda": "ADDENDUM: There is also a % mm mass.\n",
    "headings": "Right: Left: Findings: ",
    "a long word": "a",
    "ticks": "☐ mass ☒ calcification ",
    "letters of other scripts": "乳房 كتلة é ",
}


def report_of(letters: int) -> str:
    """Return a report of sentences that all differ."""
    sentences = (
        f"There is a {i % 250 + 1} mm irregular mass at {i % 12 + 1} o'clock, image {i}. No calcifications, image {i}."
        for i in range(letters // 80)
    )
    return " ".join(sentences)[:letters]


def repeated(unit: str, letters: int) -> str:
    """Return a text of a unit over and over, each with a number of its own where it has a place for one."""
    return "".join(unit.replace("%", str(i)) for i in range(letters // len(unit) + 1))[:letters]


def seconds_of(text: str) -> float:
    """Return the CPU time of reading a text."""
    began = time.process_time()
    read_report(text)
    return time.process_time() - began


def main() -> None:
    """Print a row for each text."""
    read_report("No mass.")
    print(f"{'seconds of':26}" + "".join(f"{size // 1000:>8} KB" for size in SIZES))
    rows = {"an ordinary report": [report_of(size) for size in SIZES]}
    rows |= {name: [repeated(unit, size) for size in SIZES] for name, unit in TEXTS.items()}
    for name, texts in rows.items():
        print(f"{name:26}" + "".join(f"{seconds_of(text):11.2f}" for text in texts))


if __name__ == "__main__":
    main()
