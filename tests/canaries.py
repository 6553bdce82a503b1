"""Texts that nobody writes by chance, to be planted where a name, an ID or a date may be, and found in any bytes."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import re
import zipfile
import zlib
from datetime import date, timedelta
from pathlib import Path

_HEAD, _TAIL = "QZXJQ", "XZQ"  # letters of no view, side or word; 12 in all, so that they fit into every text
_UID = "98765432"
_FIRST_DAY = date(1931, 1, 1)
EXAM_DAY, OF_EXAM = "20210417", "StudyDate"  # the program takes no earlier century for the day of an exam
_EXAM_DAY = re.compile(rb"2021[-./]?04[-./]?17|17[-./]?04[-./]?2021")
_WORD = re.compile(rf"{_HEAD}(\d{{4}}){_TAIL}".encode(), re.IGNORECASE)
_NUMBER = re.compile(rf"{_UID}\.(\d+)".encode())
_DAY = re.compile(rb"(?<![\d.])(19[3-4]\d)[-./]?([01]\d)[-./]?([0-3]\d)(?!\d)")
_GERMAN_DAY = re.compile(rb"([0-3]\d)[-./]([01]\d)[-./](19[3-4]\d)")
_AS_BASE64 = re.compile(  # the letters that do not depend on what stands before
    b"|".join(re.escape(base64.b64encode(b"\0" * pad + _HEAD.encode())[-(-8 * pad // 6) : -3]) for pad in range(3))
)


class Canaries:
    """The texts of a test, one for each place where they are planted: the same place has the same text in every file."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self._numbers: dict[str, int] = {}
        self._days: set[int] = set()

    def _number(self, place: str) -> int:
        if place not in self._numbers:
            self._numbers[place] = len(self.places)
            self.places.append(place)
        return self._numbers[place]

    def word(self, place: str) -> str:
        """Return a text of 12 letters."""
        return f"{_HEAD}{self._number(place):04d}{_TAIL}"

    def uid(self, place: str) -> str:
        """Return a UID."""
        return f"1.2.826.{_UID}.{self._number(place)}"

    def day(self, place: str) -> str:
        """Return a date YYYYMMDD, between 1931 and 1949."""
        self._days.add(self._number(place))
        return f"{_FIRST_DAY + timedelta(self._number(place)):%Y%m%d}"

    def found_in(self, data: bytes, depth: int = 0) -> set[str]:
        """Return the places whose text is in the bytes: plain, in UTF-16, in base64, and in what they hold compressed."""
        numbers = {int(match[1]) for match in _WORD.finditer(data)}
        numbers |= {int(match[1]) for match in _NUMBER.finditer(data)}
        for match in (*_DAY.finditer(data), *_GERMAN_DAY.finditer(data)):
            year, month, day = (int(part) for part in (match.groups() if len(match[1]) == 4 else match.groups()[::-1]))
            try:
                numbers |= {(date(year, month, day) - _FIRST_DAY).days} & self._days
            except ValueError:
                continue
        found = {self.places[number] for number in numbers if number < len(self.places)}
        if _EXAM_DAY.search(data):
            found.add(OF_EXAM)
        if depth == 0 and (b"Q\0Z\0X" in data or b"q\0z\0x" in data):
            found |= self.found_in(data.replace(b"\0", b""), 1)
        if _AS_BASE64.search(data):
            found.add("a text in base64")
        if depth < 3:
            for inner in _inside(data):
                found |= self.found_in(inner, depth + 1)
        return found

    def left_in(self, *roots: Path) -> dict[str, list[str]]:
        """Return the places whose text is in the files under folders, or in their names: file -> places."""
        left: dict[str, list[str]] = {}
        for root in roots:
            for path in [root, *root.rglob("*")]:
                name = path.relative_to(root).as_posix()
                found = self.found_in(name.encode())
                if path.is_file() and not path.is_symlink():
                    found |= self.found_in(path.read_bytes())
                if found:
                    left[name] = sorted(found)
        return left


def _inside(data: bytes) -> list[bytes]:
    """What is packed in the bytes: members and comments of a zip, gzip, zlib streams as in PNG, deflated DICOM."""
    found = []
    if data[:2] == b"PK":
        with contextlib.suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(data)) as packed:
            found += [packed.comment, *(packed.read(name) for name in packed.namelist())]
    if data[:2] == b"\x1f\x8b":
        found.append(gzip.decompress(data))
    for start in re.finditer(rb"x[\x01\x5e\x9c\xda]", data):
        try:
            found.append(zlib.decompressobj().decompress(data[start.start() :], 1 << 22))
        except zlib.error:
            continue
    if data[128:132] == b"DICM" and b"1.2.840.10008.1.2.1.99" in data[:1000]:
        body = data[144 + int.from_bytes(data[140:144], "little") :]
        found.append(zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, 1 << 22))
    return [inner for inner in found if inner]
