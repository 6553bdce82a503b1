"""Zips and other archives that are broken, that unpack to far too much, or whose names reach outside."""

import io
import struct
import tarfile
import zipfile

from .case import opened
from .dicom_structure import sound

KIND = "Zips and other archives"


def zipped(*members, compression=zipfile.ZIP_DEFLATED, change=lambda archive: None):
    """The bytes of a zip. members: (name or ZipInfo, bytes)."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, data in members:
            archive.writestr(name, data)
        change(archive)
    return file.getvalue()


def changed(data, mark, offset, new, last=False):
    """Bytes set behind the first, or last, occurrence of a mark."""
    place = (data.rindex if last else data.index)(mark) + offset
    return data[:place] + new + data[place + len(new) :]


def one():
    return zipped(("R_CC.dcm", sound()))


def both(offset_local, offset_central, new):
    """A value changed in the head of the member and in the list of members."""
    return changed(changed(one(), b"PK\3\4", offset_local, new), b"PK\1\2", offset_central, new)


def nameless():
    """A zip whose member has no name: what was its name is another field."""
    data = zipped(("abcd", b"x")).replace(b"abcd", b"ab\0\0")
    for mark, offset in ((b"PK\3\4", 26), (b"PK\1\2", 28)):
        data = changed(data, mark, offset, b"\0\0\4\0")
    return data


def overlapping():
    """A zip whose members are all the same bytes of the file."""
    data = one()
    central, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entry, members = data[central:end], 1500
    trailer = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, members, members, len(entry) * members, central, 0)
    return data[:central] + entry * members + trailer


def link():
    member = zipfile.ZipInfo("R_CC.dcm")
    member.external_attr = 0o120777 << 16
    return zipped((member, b"/etc/passwd"))


def far_directory():
    """A Zip64 whose list of members lies behind the end of any file."""
    data = one()
    end = data.index(b"PK\5\6")
    record = struct.pack("<4sQ2H2I4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, 2**62, 2**63 - 5)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    return (
        data[:end]
        + record
        + locator
        + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    )


def far_member():
    """A member whose bytes lie behind the end of any file, by its Zip64 field."""
    data = one()
    central, end = data.index(b"PK\1\2"), data.index(b"PK\5\6")
    entry = bytearray(data[central:end])
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    struct.pack_into("<H", entry, 30, len(extra))
    struct.pack_into("<I", entry, 42, 0xFFFFFFFF)
    trailer = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 1, 1, len(entry) + len(extra), central, 0)
    return data[:central] + bytes(entry) + extra + trailer


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as archive:
        member = tarfile.TarInfo("../../R_CC.dcm")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"abcd"))
    return file.getvalue()


def case(what, told, data, name="exam.zip", costly=False):
    return opened(KIND, what, told, data, name, costly)


CASES = [
    case("a zip that is cut off", "a damaged zip; make it again", lambda: one()[:-40]),
    case("a zip of a head alone", "a damaged zip; make it again", lambda: b"PK\3\4"),
    case("a zip with noise for the list of its members", "a damaged zip; make it again", lambda: changed(one(), b"PK\1\2", 0, b"\xff" * 46)),
    case("a zip whose member has a wrong checksum", "damaged inside the zip; make the zip again", lambda: both(14, 16, b"abcd")),
    case("a zip whose member was changed", "damaged inside the zip; make the zip again", lambda: changed(one(), b"R_CC.dcm", 60, b"\xff" * 30)),
    case("a zip whose member is larger than it says", "damaged inside the zip; make the zip again", lambda: both(22, 24, struct.pack("<I", 10))),
    case("a zip whose member says it has 4 GB", "packed more than 150 times: not a picture", lambda: both(22, 24, b"\xfe\xff\xff\xff")),
    case("a zip of a compression that nobody knows", "damaged inside the zip; make the zip again", lambda: both(8, 10, b"\x63\0")),
    case("a zip with a password", "encrypted; unpack it with its password first", lambda: both(6, 8, b"\1\0")),
    case("a zip with a member called .", "its name points outside the zip", lambda: zipped((".", b"x"))),
    case("a zip with a member called ..", "its name points outside the zip", lambda: zipped(("..", b"x"))),
    case("a zip with a member without a name", "its name points outside the zip", nameless),
    case("a zip whose member climbs out of it", "its name points outside the zip", lambda: zipped(("../../R_CC.dcm", sound()))),
    case("a zip whose member has an absolute name", "its name points outside the zip", lambda: zipped(("/tmp/R_CC.dcm", sound()))),
    case("a zip whose member has a name of Windows", "its name points outside the zip", lambda: zipped(("C:\\R_CC.dcm", sound()))),
    case("a zip whose member is a link", "a link, not a file", link),
    case("a zip bomb of 170 MB of zeros", "packed more than 150 times: not a picture", lambda: zipped(("R_CC.dcm", bytes(170_000_000))), costly=True),
    case("a zip bomb of 1,500 members that are one", "a damaged zip; make it again", overlapping, costly=True),
    case("a zip bomb by LZMA", "packed more than 150 times: not a picture", lambda: zipped(("R_CC.dcm", bytes(60_000_000)), compression=zipfile.ZIP_LZMA), costly=True),
    case("a zip of 5,000 members", "5,000 files in one zip; at most 2,000 are read. Choose one exam's folder", lambda: zipped(*((f"{number}.dcm", b"") for number in range(5_000))), costly=True),
    case("a Zip64 whose list lies behind every end", "a damaged zip; make it again", far_directory),
    case("a Zip64 whose member lies behind every end", "damaged inside the zip; make the zip again", far_member),
    case("a zip within a zip within a zip", "a zip inside another one; unpack it first", lambda: zipped(("b.zip", zipped(("a.zip", one()))))),
    case("a tar packed by xz", "an xz archive; unpack it first", tar, "exam.tar.xz"),
    case("a RAR archive", "a RAR archive; unpack it first", lambda: b"Rar!\x1a\x07\x01\0" + bytes(500), "exam.rar"),
]  # fmt: skip
