"""What weights learned from, and under which terms, in words: all of it follows from their record."""

from __future__ import annotations

import re

from .config import PHANTOMS, ModelRecord

RSNA = "rsna"  # begins the names of the RSNA data
#: terms and attributions that the data sets ask for, by what their names begin with
TERMS = {
    RSNA: "RSNA Screening Mammography Breast Cancer Detection (2022): for non-commercial research and education only.",
    "cbis": "CBIS-DDSM, CC BY 3.0: R. Sawyer-Lee, F. Gimenez, A. Hoogi, D. Rubin, The Cancer Imaging Archive, 2016, "
    "doi 10.7937/K9/TCIA.2016.7O02S9CY; R. S. Lee et al., Scientific Data 4:170177, 2017. Changed: reduced in size.",
    "cdd-cesm": "CDD-CESM, CC BY 4.0: R. Khaled et al., Scientific Data, 2022; The Cancer Imaging Archive, doi "
    "10.7937/29kw-ae92. Changed: reduced in size.",
}
NOT_KNOWN = "The record of these weights does not say what they learned from."
FROM_PHANTOMS = (
    "These weights have never seen a patient: they learned from computed phantoms, and their probabilities mean "
    "nothing for a real woman."
)
FROM_WOMEN = "These weights learned from pictures of women too."
NON_COMMERCIAL = (
    "For non-commercial research and education only: these weights learned from data that carry that condition."
)


def sources(record: ModelRecord) -> dict[str, str]:
    """Return what the weights learned from: the name of each data set, with a sentence that says how much of it.

    Records of earlier versions name their data in one sentence. Where that names no public data set, it has the name
    "".
    """
    named = record.training.get("learned_from")
    if named:
        return dict(named)
    data = str(record.training.get("data") or "")
    if public := re.fullmatch(r"(\d+ exams) of (?!table$)(\S+)", data):
        return {public[2]: public[1]}
    return {"": data} if data else {}


def seen_patients(record: ModelRecord) -> bool | None:
    """Return whether the weights learned from patients; None where their record does not say it."""
    found = sources(record)
    if "" in found:  # a record of an earlier version
        return False if "phantom exams" in found[""] else None
    return any(name != PHANTOMS for name in found) if found else None


def whom(record: ModelRecord) -> str:
    """Return in one sentence whether the weights have seen patients; "" where their record does not say it."""
    return {True: FROM_WOMEN, False: FROM_PHANTOMS, None: ""}[seen_patients(record)]


def terms(record: ModelRecord) -> list[str]:
    """Return the terms under which the weights learned, and the attributions that are due, a sentence each."""
    found = []
    if any(_begins(name, RSNA) for name in sources(record)):
        found.append(NON_COMMERCIAL)
    for name in sources(record):
        known = [sentence for start, sentence in TERMS.items() if _begins(name, start)]
        if known:
            found += known
        elif name not in ("", PHANTOMS):
            found.append(f"{name}: the terms of this data set hold for weights that learned from it.")
    return found


def _begins(name: str, start: str) -> bool:
    return name == start or name.startswith(f"{start}-")


def starts(record: ModelRecord) -> str:
    """Return what the training started from, and what that had started from; "" where it is not known."""
    before = record.training.get("before")
    found = [record.training.get("start"), before.get("start") if isinstance(before, dict) else None]
    return ", itself trained from ".join(str(start) for start in found if start)


def about_lines(record: ModelRecord) -> list[str]:
    """Return what a user should know of the weights, a line each: what they learned from, on which terms, and since."""
    if record.about:
        return [*record.about, *record.notes]
    lines = [whom(record)] if whom(record) else []
    found = sources(record)
    lines += [f"Learned from {name}: {said}." if name else f"Learned from: {said}." for name, said in found.items()]
    lines += [] if found else [NOT_KNOWN]
    if begun := starts(record):
        lines.append(f"The image tower started from: {begun}.")
    if record.women_one_breast:
        lines.append("They learned from women one breast at a time, so each breast of a woman is answered by itself.")
    if record.risk_learned_on and "risk" in record.tasks:
        lines.append(f"The risk of a later cancer was learned on {record.risk_learned_on}.")
    return [line.replace("..", ".") for line in lines] + terms(record)
