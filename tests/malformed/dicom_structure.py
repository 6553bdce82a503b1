"""DICOM files whose elements, lengths, sequences or encoding are broken."""

import random
import struct
import zlib

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian

from tests.traps.table import mammogram

from .case import Malformed, opened, told_of_exam

KIND = "DICOM files: structure"
SEQUENCE, ITEM, ITEM_END, SEQUENCE_END = (
    b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff",  # Referenced Image Sequence of undefined length
    b"\xfe\xff\x00\xe0\xff\xff\xff\xff",
    b"\xfe\xff\x0d\xe0\0\0\0\0",
    b"\xfe\xff\xdd\xe0\0\0\0\0",
)


def sound(edit=None, **attributes):
    """The bytes of a sound mammogram with other attributes, changed by `edit`."""
    ds = mammogram(**attributes)
    if edit:
        edit(ds)
    out = DicomBytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def element(group, number, vr, value, length=None):
    """An explicit little-endian element, whose length may be another one than that of its value."""
    length = len(value) if length is None else length
    head = struct.pack("<HH2s", group, number, vr)
    long = vr in (b"OB", b"OW", b"SQ", b"UN", b"UT")
    return head + (struct.pack("<HI", 0, length) if long else struct.pack("<H", length)) + value


def before(tag, addition):
    """The sound file with bytes set in before the first element of a tag."""

    def data():
        whole = sound()
        place = whole.index(struct.pack("<HH", *tag), 300)
        return whole[:place] + addition + whole[place:]

    return data


def replaced(old, new, count=1):
    def data():
        whole = sound()
        assert old in whole
        return whole.replace(old, new, count)

    return data


def as_syntax(syntax, body=lambda body: body):
    """The sound file under the name of another transfer syntax, its data set changed by `body` only."""

    def data():
        whole = sound()
        old = b"UI\x14\x001.2.840.10008.1.2.1\0"
        name = syntax.encode() + b"\0" * (len(syntax) % 2)
        length = struct.unpack("<I", whole[140:144])[0] + len(name) - 20
        assert old in whole
        changed = whole.replace(old, b"UI" + struct.pack("<H", len(name)) + name, 1)
        head, rest = changed[144 : 144 + length], changed[144 + length :]
        return changed[:140] + struct.pack("<I", length) + head + body(rest)

    return data


def deflated(body, wbits=-15):
    compressor = zlib.compressobj(1, zlib.DEFLATED, wbits)
    return compressor.compress(body) + compressor.flush()


def flipped_in_the_middle(body):
    packed = bytearray(deflated(body))
    place = len(packed) // 2
    packed[place : place + 40] = random.Random(1).randbytes(40)
    return bytes(packed)


def bomb(body):
    return deflated(element(0x0009, 0x1001, b"OB", bytes(300_000_000)) + body)


def nested(depth):
    return (SEQUENCE + ITEM) * depth + (ITEM_END + SEQUENCE_END) * depth


def pixels_first():
    whole = sound()
    start, place = 144 + struct.unpack("<I", whole[140:144])[0], whole.rindex(b"\xe0\x7f\x10\x00")
    return whole[:start] + whole[place:] + whole[start:place]


def directory(*parts, edit=None):
    """A DICOMDIR that names one file by its parts, in a folder that has one view."""

    def tell(bench):
        ds = mammogram()
        for keyword in ("PixelData", "Rows", "Columns"):
            delattr(ds, keyword)
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.1.3.10"
        record = Dataset()
        record.DirectoryRecordType, record.ReferencedFileID = "IMAGE", list(parts)
        ds.DirectoryRecordSequence = [record]
        if edit:
            edit(ds, record)
        out = DicomBytesIO()
        ds.save_as(out, enforce_file_format=True)
        return told_of_exam(bench, bench.file("DICOMDIR", out.getvalue()))

    return tell


def only_meta():
    whole = sound()
    return whole[: 144 + struct.unpack("<I", whole[140:144])[0]]


def many_elements(count):
    """The sound file with private elements before its pixels."""
    block = b"".join(element(0x0009, number, b"LO", b"ab") for number in range(0x1000, 0x1000 + 50_000))
    return before((0x0010, 0x0010), block * (count // 50_000))()


def dicomdir(what, told, tell):
    return Malformed(KIND, what, told, tell, fixtures=("decoder",))


def case(what, told, data, costly=False):
    return opened(KIND, what, told, data, costly=costly)


CASES = [
    case("an element with a VR that no standard has", "modality not given. It is taken for one.", replaced(b"\x08\0\x60\0CS", b"\x08\0\x60\0X?")),
    case("a text whose length runs over the rest of the file", "truncated: the file ends in the middle of its data; copy or export it again", replaced(b"\x10\0\x20\0LO\x04\0", b"\x10\0\x20\0LO\xfe\xff")),
    case("bytes of 4 GB in a small file", "truncated: the file ends in the middle of its data; copy or export it again", before((0x0010, 0x0010), element(0x0009, 0x1001, b"OB", b"ab", 0xFFFFFFFE))),
    case("a text of undefined length", "truncated: the file ends in the middle of its data; copy or export it again", before((0x0010, 0x0010), element(0x0009, 0x1001, b"UT", b"ab", 0xFFFFFFFF))),
    case("a header of the file without a transfer syntax", "transfer syntax not given is not read; export it uncompressed", replaced(b"\x02\0\x10\0UI\x14\0", b"\x02\0\x11\0UI\x14\0")),
    case("a transfer syntax of letters", "transfer syntax “explicit” is not read; export it uncompressed", as_syntax("explicit")),
    case("a transfer syntax of a film (MPEG-4)", "Level 4.1 is not read; export it uncompressed", as_syntax("1.2.840.10008.1.2.4.102")),
    case("little endian under the name of big endian", "truncated: the file ends in the middle of its data; copy or export it again", as_syntax(ExplicitVRBigEndian)),
    case("plain data under the name of deflated data", "damaged: its deflated data cannot be unpacked; copy or export it again", as_syntax(DeflatedExplicitVRLittleEndian)),
    case("deflated data with a wrong stretch", "damaged: its deflated data cannot be unpacked; copy or export it again", as_syntax(DeflatedExplicitVRLittleEndian, flipped_in_the_middle)),
    case("deflated data with the header of zlib", "damaged: its deflated data cannot be unpacked; copy or export it again", as_syntax(DeflatedExplicitVRLittleEndian, lambda body: deflated(body, 15))),
    case("deflated data that unpack to 300 MB", "unpacks to more than 256 MB, the limit for a deflated file", as_syntax(DeflatedExplicitVRLittleEndian, bomb), True),
    case("the pixels before all other elements", "not a mammogram (modality not given, body part not given)", pixels_first),
    case("a sequence that is 5,000 levels deep", "damaged: it cannot be read (RecursionError); copy or export it again", before((0x0010, 0x0010), nested(5000))),
    case("a sequence without its end", "damaged: it cannot be read (OSError); copy or export it again", before((0x0010, 0x0010), SEQUENCE + ITEM)),
    case("an end of a sequence where none began", "damaged: it cannot be read (NotImplementedError); copy or export it again", before((0x0010, 0x0010), SEQUENCE_END)),
    case("an item outside a sequence", "truncated: the file ends in the middle of its data; copy or export it again", before((0x0010, 0x0010), ITEM)),
    case("a sequence of 300,000 empty items", "more than 200,000 data elements, which no mammogram has; export it again", before((0x0010, 0x0010), SEQUENCE + (ITEM + ITEM_END) * 300_000 + SEQUENCE_END), True),
    case("two million private elements", "more than 200,000 data elements, which no mammogram has; export it again", lambda: many_elements(2_000_000), True),
    case("zeros after the letters DICM", "no pixel data; if it is an image, export it again", lambda: bytes(128) + b"DICM" + bytes(1_000_000)),
    case("noise after the letters DICM", "truncated: the file ends in the middle of its data; copy or export it again", lambda: bytes(128) + b"DICM" + random.Random(2).randbytes(100_000)),
    case("nothing after the letters DICM", "no pixel data; if it is an image, export it again", lambda: bytes(128) + b"DICM"),
    case("nothing after the header of the file", "no pixel data; if it is an image, export it again", only_meta),
    case("pixel data as a sequence", "no pixel data (MG); if it is an image, export it again", lambda: sound(lambda ds: ds.__delattr__("PixelData")) + SEQUENCE.replace(b"\x08\x00\x40\x11", b"\xe0\x7f\x10\x00") + SEQUENCE_END),
    case("pixel data as a text", "its pixel data are not stored as bytes; export it again", replaced(b"\xe0\x7f\x10\0OW\0\0", b"\xe0\x7f\x10\0UT\0\0")),
    dicomdir("a DICOMDIR that names a file outside its folder", "points outside the folder of its DICOMDIR", directory("..", "..", "ETC", "PASSWD")),
    dicomdir("a DICOMDIR that names a file by an absolute path", "points outside the folder of its DICOMDIR", directory("/etc/passwd")),
    dicomdir("a DICOMDIR that names a file with a null byte", "listed in the DICOMDIR but missing; give the whole folder or a zip of it", directory("A\0B")),
    dicomdir("a DICOMDIR that names a file of 300 letters", "listed in the DICOMDIR but missing; give the whole folder or a zip of it", directory("A" * 300)),
    dicomdir("a DICOMDIR that names files that are not there", "listed in the DICOMDIR but missing; give the whole folder or a zip of it", directory("IMAGES", "IM1")),
    dicomdir("a DICOMDIR that names its own folder", "listed in the DICOMDIR but missing; give the whole folder or a zip of it", directory(".")),
    dicomdir("a DICOMDIR that names no file", "lists no files; give the folder of the images instead", directory("X", edit=lambda ds, record: record.__delattr__("ReferencedFileID"))),
    dicomdir("a DICOMDIR whose records are a text", "lists no files; give the folder of the images instead", directory("X", edit=lambda ds, record: (ds.__delattr__("DirectoryRecordSequence"), ds.add_new((0x0004, 0x1220), "UT", "records")))),
]  # fmt: skip
