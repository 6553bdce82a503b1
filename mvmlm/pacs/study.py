"""Studies as a PACS lists them (QIDO-RS, DICOM JSON of PS3.18 Annex F), read as text from outside."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ..imaging.grouping import format_date
from ..patient import PatientIdentity, sound_date

LONGEST_VALUE = 200  # characters of a value that is shown
_UID = re.compile(r"[0-9][0-9.]{0,62}[0-9]|[0-9]")

_NAME_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")  # of a person's name (PS3.18 F.2.2)

Item = dict[str, Any]  # a data set in DICOM JSON

STUDY_UID, SERIES_UID, INSTANCE_UID, SOP_CLASS = "0020000D", "0020000E", "00080018", "00080016"
MODALITIES, MODALITY = "00080061", "00080060"


@dataclass(frozen=True)
class Study:
    """A study with mammograms.

    date: YYYYMMDD, or "" where it is no day of an exam. identity: whose it is. images: of the whole study, None where
    the PACS does not say it. Its repr, which may enter a log, holds none of them but `images`.
    """

    uid: str = field(repr=False)
    date: str = field(repr=False)
    identity: PatientIdentity = field(repr=False)
    patient_name: str = field(default="", repr=False)
    description: str = field(default="", repr=False)
    accession: str = field(default="", repr=False)
    images: int | None = None

    @property
    def day(self) -> str:
        """The date as YYYY-MM-DD, or words where there is none."""
        return format_date(self.date) or "without a date"


def read_study(item: Item) -> Study | None:
    """Return the study of an item of a search; None for one without a UID, which cannot be fetched."""
    uid = read_uid(item, STUDY_UID)
    if uid is None:
        return None
    images = read_text(item, "00201208")
    return Study(
        uid,
        sound_date(read_text(item, "00080020")),
        PatientIdentity(*(read_text(item, tag) for tag in ("00100020", "00100021", "00100030", "00100040"))),
        read_text(item, "00100010").replace("^", " ").strip(),
        read_text(item, "00081030"),
        read_text(item, "00080050"),
        int(images) if images.isascii() and images.isdecimal() else None,
    )


def read_values(item: Item, tag: str) -> list[str]:
    """Return the values of an attribute as text; none where it is absent or odd."""
    attribute = item.get(tag)
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    found = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, dict):  # a person's name
            value = next((value[group] for group in _NAME_GROUPS if value.get(group)), None)
        if isinstance(value, str | int):
            found.append(str(value).strip()[:LONGEST_VALUE])
    return found


def read_text(item: Item, tag: str) -> str:
    """Return the first value of an attribute as text, or ""."""
    return next(iter(read_values(item, tag)), "")


def read_uid(item: Item, tag: str) -> str | None:
    """Return a UID that may stand in an address, or None."""
    text = read_text(item, tag)
    return text if _UID.fullmatch(text) else None
