"""A pedigree file in the CanRisk text format, checked, and written anew without names and IDs for the web service.

The first line is "##CanRisk" and a version; lines "##name=value" are risk factors; the line "##FamID ..." names the
columns; each further line is a person, of whom one is the target. Format: the service's documentation (versions 1 to
4). The service needs no names: in what is sent each person is called by the line of the file, such as L12.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FAMILY = "FAM"
LARGEST = 200_000  # letters
MOST_PEOPLE = 500
_VERSION = re.compile(r"##CanRisk\s+[1-4](\.\d+)*")
_FIRST_COLUMNS = ("FamID", "Name", "Target", "IndivID", "FathID", "MothID")
_NEEDED = ("Sex", "Dead", "Age", "Yob")
_VALUE = re.compile(r"[0-9A-Za-z:;.,=+/()' -]{0,100}")  # of a risk factor
_FIELD = re.compile(r"[0-9A-Za-z:._+-]{1,20}")  # of a person
DENSITY = ("birads", "stratus", "volpara")
#: risk factors that the format has; another line could hold anything, and is not sent
RISK_FACTORS = {
    "menarche", "parity", "first_live_birth", "oc_use", "mht_use", "bmi", "alcohol", "menopause", "height", "tl",
    "endo", "ethnicity", "prs_bc", "prs_oc", "prs_pc", *DENSITY,
}  # fmt: skip


class PedigreeError(ValueError):
    """Why a pedigree file is not sent. The message names lines and columns, and no value of a person."""


@dataclass(frozen=True)
class Pedigree:
    """One woman's family. text: what is sent. age: of the target in years. density: such as "birads=b", "" without."""

    text: str
    age: int
    people: int
    density: str


def read_pedigree(text: str) -> Pedigree:
    """Return the pedigree of a file's text. Raises PedigreeError for what is not understood."""
    lines = text.splitlines()
    if len(text) > LARGEST:
        raise PedigreeError(f"The file has {len(text):,} letters; a pedigree has at most {LARGEST:,}.")
    if not lines or not _VERSION.fullmatch(lines[0].strip()):
        raise PedigreeError(
            "Line 1 is not “##CanRisk” with a version from 1 to 4. Save the pedigree in CanRisk's format."
        )
    header, factors = _header(lines)
    columns = lines[header].removeprefix("##").split()
    if tuple(columns[:6]) != _FIRST_COLUMNS or any(name not in columns for name in _NEEDED):
        raise PedigreeError(f"Line {header + 1}: the columns are not those of a CanRisk file.")
    people = {
        number: _person(number + 1, line, columns)
        for number, line in enumerate(lines)
        if number > header and line.strip()
    }
    target = _target(people)
    names = {person["IndivID"]: f"L{number + 1}" for number, person in people.items()}
    if len(names) < len(people):
        raise PedigreeError("Two persons of the file have the same ID. Correct the file.")
    rows = ["\t".join(_anonymous(number + 1, person, names).values()) for number, person in people.items()]
    written = [lines[0].strip(), *(f"##{name}={value}" for name, value in factors), "##" + "\t".join(columns), *rows]
    density = next((f"{name}={value}" for name, value in factors if name.lower() in DENSITY), "")
    return Pedigree("\n".join(written) + "\n", target, len(people), density)


def _header(lines: list[str]) -> tuple[int, list[tuple[str, str]]]:
    """The index of the line that names the columns, and the risk factors."""
    header, factors = None, []
    for number, line in enumerate(lines[1:], 1):
        if line.startswith("##FamID") and header is None:
            header = number
        elif line.startswith("##") and "=" in line:  # the service passes over others
            name, _, value = (part.strip() for part in line[2:].partition("="))
            if header is not None:
                raise PedigreeError(f"Line {number + 1}: the file has more than one family. Send one woman's family.")
            if name.lower() not in RISK_FACTORS or not _VALUE.fullmatch(value):
                raise PedigreeError(f"Line {number + 1} is no risk factor of the format. Delete it, or correct it.")
            factors.append((name, value))
        elif line.startswith("##") and header is not None:
            raise PedigreeError(f"Line {number + 1}: the file has more than one family. Send one woman's family.")
        elif line.strip() and not line.startswith("##") and header is None:
            raise PedigreeError(f"Line {number + 1}: persons stand before the line “##FamID” with the columns.")
    if header is None:
        raise PedigreeError("The line “##FamID” with the names of the columns is missing.")
    if len({name.lower() for name, _ in factors}) < len(factors):
        raise PedigreeError("A risk factor is given more than once. Keep the right line.")
    if sum(name.lower() in DENSITY for name, _ in factors) > 1:
        raise PedigreeError("Breast density is given in more than one way. Keep one line.")
    return header, factors


def _person(number: int, line: str, columns: list[str]) -> dict[str, str]:
    """The fields of a line by their columns. number: of the line, from 1."""
    fields = [field.strip() for field in line.split("\t")] if "\t" in line else line.split()
    if len(fields) != len(columns):
        raise PedigreeError(f"Line {number} has {len(fields)} fields; the columns are {len(columns)}.")
    person = dict(zip(columns, fields, strict=True))
    for name, field in person.items():
        if name not in ("FamID", "Name", "IndivID", "FathID", "MothID") and not _FIELD.fullmatch(field):
            raise PedigreeError(f"Line {number}, column {name}: not understood.")
    return person


def _target(people: dict[int, dict[str, str]]) -> int:
    """The age of the one target, a living woman whose age is known."""
    if not 1 <= len(people) <= MOST_PEOPLE:
        raise PedigreeError(f"The file has {len(people)} persons; expected 1 to {MOST_PEOPLE}.")
    if len({person["FamID"] for person in people.values()}) > 1:
        raise PedigreeError("The file has more than one family. Send one woman's family.")
    targets = [(number + 1, person) for number, person in people.items() if person["Target"] == "1"]
    if len(targets) != 1:
        raise PedigreeError(f"{len(targets)} persons have Target 1; expected one, the woman herself.")
    number, woman = targets[0]
    if woman["Sex"] != "F" or woman["Dead"] != "0" or not woman["Age"].isdecimal() or not 1 <= int(woman["Age"]) <= 110:
        raise PedigreeError(f"Line {number}: the target is not a living woman (Sex F, Dead 0) whose Age is given.")
    return int(woman["Age"])


def _anonymous(number: int, person: dict[str, str], names: dict[str, str]) -> dict[str, str]:
    """A person without names and IDs; parents who are not in the file are an error."""
    parents = {column: person[column] for column in ("FathID", "MothID")}
    for column, parent in parents.items():
        if parent != "0" and parent not in names:
            raise PedigreeError(f"Line {number}, column {column}: this person is not in the file.")
    called = {"FamID": FAMILY, "Name": f"L{number}", "IndivID": f"L{number}"}
    return person | called | {column: names.get(parent, "0") for column, parent in parents.items()}
