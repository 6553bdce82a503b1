"""Whose exam it is: when two exams are one woman's, which IDs name nobody, and which dates are no day of an exam."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

#: words that stand in a PatientID in place of one, in several languages
_PLACEHOLDERS = frozenset({
    "ANON", "ANONYM", "ANONYME", "ANONYMOUS", "ANONYMIZED", "ANONYMISED", "ANONYMISIERT", "ANONIMO", "ANONYMIZE",
    "ANONYMISE", "UNKNOWN", "UNBEKANNT", "INCONNU", "INCONNUE", "DESCONOCIDO", "DESCONOCIDA", "SCONOSCIUTO",
    "SCONOSCIUTA", "UNDEFINED", "UNSPECIFIED", "UNIDENTIFIED", "UNNAMED", "NONE", "NULL", "NIL", "NAN", "NA", "NO",
    "NOT", "NAME", "NAMED", "ID", "IDENTITY", "GIVEN", "AVAILABLE", "APPLICABLE", "KNOWN", "MISSING", "EMPTY",
    "BLANK", "DEFAULT", "REMOVED", "DELETED", "REDACTED", "HIDDEN", "MASKED", "CONFIDENTIAL", "DE", "DEID",
    "DEIDENTIFIED", "IDENTIFIED", "IDENTIFICATION", "PSEUDONYM", "PATIENT", "PATIENTID", "PATIENTIN", "PACIENTE",
    "PAZIENTE", "SUBJECT", "PERSON", "PERSONNE", "DUMMY", "TEST", "TESTPATIENT", "SAMPLE", "EXAMPLE", "DEMO",
    "EMERGENCY", "NOTFALL", "URGENCE", "TEMP", "TEMPORARY", "TBD", "MUSTER", "MUSTERMANN", "MUSTERFRAU", "ERIKA",
    "JOHN", "JANE", "DOE", "NEW",
})  # fmt: skip
#: dates that devices and de-identification write in place of one
_PLACEHOLDER_DATES = frozenset({"18581117", "19000101", "19010101", "19700101", "19800101", "11111111"})
_EARLIEST_EXAM = "19500101"


def is_placeholder_id(patient_id: str) -> bool:
    """Return whether a PatientID names nobody: empty, "ANONYMOUS", "UNKNOWN", "0000", "12345678" and the like."""
    words = [word for word in re.split(r"[\W_]+", patient_id.upper()) if word]
    joined = "".join(words)
    if len(set(joined)) == 1 and (len(joined) > 2 or joined in "0X"):
        return True
    if not joined or patient_id.strip() == "-1" or (len(joined) >= 5 and joined in "01234567890ABCDEFGHIJK"):
        return True
    if re.fullmatch(rf"(?:{'|'.join(sorted(_PLACEHOLDERS))})+", joined):  # "NOTAVAILABLE"
        return True
    return joined.rstrip("0") in _PLACEHOLDERS or all(word.strip("0") in {"", *_PLACEHOLDERS} for word in words)


def placeholder_spellings() -> Iterator[str]:
    """Yield common spellings of IDs that name nobody, to find them among hashes."""
    for word in sorted(_PLACEHOLDERS):
        yield from (word, word.lower(), word.capitalize())
    for letter in "0123456789Xx-?*":
        yield from (id_ for length in range(1, 17) if is_placeholder_id(id_ := letter * length))
    yield from (id_ for length in range(5, 11) if is_placeholder_id(id_ := "1234567890"[:length]))
    for first, second in (
        ("NO", "ID"),
        ("UNKNOWN", "ID"),
        ("NO", "NAME"),
        ("ANONYMOUS", "PATIENT"),
        ("TEST", "PATIENT"),
    ):
        for joint in (" ", "^", "_", "-", ""):
            for text in (first + joint + second, first.capitalize() + joint + second.capitalize()):
                yield from (text, text.lower())
    yield from ("N/A", "n/a", "DE-IDENTIFIED", "De-identified", "-1", "000-00-0000")


def sound_date(text: str | None) -> str:
    """Return a DICOM date (also in the old form 2020.01.31) as YYYYMMDD; "" where it is no day of an exam.

    No such day: unparsable, in the future, before 1950, or a day that devices and de-identification write by default.
    """
    match = re.fullmatch(r"(\d{4})([.-]?)(\d\d)\2(\d\d)", (text or "").strip())
    if not match:
        return ""
    try:
        day = date(int(match[1]), int(match[3]), int(match[4]))
    except ValueError:
        return ""
    found = day.strftime("%Y%m%d")
    latest = date.today() + timedelta(days=1)  # a day ahead in another time zone
    return found if found >= _EARLIEST_EXAM and day <= latest and found not in _PLACEHOLDER_DATES else ""


class SameWoman(Enum):
    """Whether two exams are of one woman. UNSURE: the files do not say it, so the reader is asked."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


@dataclass(frozen=True)
class PatientIdentity:
    """Whose exam it is, as the files give it; "" where they do not.

    PatientID (0010,0020), IssuerOfPatientID (0010,0021), PatientBirthDate (0010,0030) and PatientSex (0010,0040).
    """

    patient_id: str = ""
    issuer: str = ""
    birth_date: str = ""
    sex: str = ""

    @property
    def known(self) -> bool:
        """Whether the ID stands for one woman and not for nobody in particular."""
        return not is_placeholder_id(self.patient_id)

    def normalised(self) -> PatientIdentity:
        """Return the identity without needless spaces, and without values that say nothing."""
        birth_date = re.sub(r"\D", "", self.birth_date)
        birth_date = "" if birth_date in ("19000101", "11111111") or len(birth_date.strip("0")) < 5 else birth_date
        sex = self.sex.strip().upper()[:1]
        return PatientIdentity(
            " ".join(self.patient_id.split()) if self.known else "",
            " ".join(self.issuer.upper().split()),
            birth_date,
            sex if sex in ("F", "M", "O") else "",
        )

    def same_woman(self, other: PatientIdentity) -> SameWoman:
        """Return whether both are one woman: ID, issuer, birth date and sex agree.

        A field that is absent on both sides agrees, one that is absent on one side is unsure. So is an ID that names
        nobody, on either side, and so are IDs that differ only in capital and small letters.
        """
        return compare_fields(self.compared_fields(), other.compared_fields())

    def compared_fields(self) -> tuple[str, str, str, str, str]:
        """Return what `compare_fields` compares: ID in capitals, issuer, birth date, sex, ID as it is written."""
        own = self.normalised()
        return own.patient_id.upper(), own.issuer, own.birth_date, own.sex, own.patient_id


def compare_fields(ours: Sequence[str], theirs: Sequence[str]) -> SameWoman:
    """Return whether two identities are one woman's by their `compared_fields`, or by hashes of these."""
    pairs = list(zip(ours, theirs, strict=True))
    if any(a and b and a != b for a, b in pairs[:-1]):
        return SameWoman.NO
    if not ours[0] or any(bool(a) != bool(b) for a, b in pairs) or ours[-1] != theirs[-1]:
        return SameWoman.UNSURE
    return SameWoman.YES
