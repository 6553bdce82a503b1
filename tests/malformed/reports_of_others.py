"""CAD SR objects and presentation states of other programs, and the answers of a PACS."""

import io
from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mvmlm.dicom_objects.cad_report import Algorithm, CadFinding, CadReport, Performed
from mvmlm.dicom_objects.cad_sr import cad_sr_object
from mvmlm.dicom_objects.cad_sr_reading import NotCadSr, read_cad_sr
from mvmlm.dicom_objects.foreign_reading import load_objects, read_objects
from mvmlm.dicom_objects.presentation_state import Drawing, marks_object
from mvmlm.dicom_objects.sources import opened_exam
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.pacs.multipart import BrokenAnswer, boundary_of, write_part
from mvmlm.pacs.study import read_study
from tests.test_load import write_four

from .case import Malformed, refusal

SR, STATE, PACS = "CAD SR of other programs", "Presentation states of other programs", "Answers of a PACS"
RCC, *_ = STANDARD_VIEWS
MODEL = Algorithm("demo", "0.5.0")
OUTLINE = ((30.0, 40.0), (50.5, 40.0), (50.5, 60.25))
REPORT = CadReport(
    STANDARD_VIEWS,
    (CadFinding(RCC, "mass", (40.0, 50.0), OUTLINE, 0.75, 0.25, MODEL, "Mammography breast density"),),
    (Performed("mass", MODEL, STANDARD_VIEWS),),
)


def cad_sr(what, told, edit=lambda ds: None, change=lambda data: data, costly=False):
    """A report on an exam of four views. edit: of its data set. change: of its bytes."""

    def tell(bench):
        with opened_exam([write_four(bench.folder / "exam")], bench.fixture("decoder")) as (_, sources):
            ds = cad_sr_object(REPORT, sources, MODEL, datetime(2026, 1, 2))
            edit(ds)
            file = io.BytesIO()
            ds.save_as(file, enforce_file_format=True)
            path, said = bench.file("cad.dcm", change(file.getvalue())), []
            answer = refusal(lambda: said.append(read_cad_sr(path, sources)), NotCadSr)
            return " / ".join(said[0].told) if said else answer

    return Malformed(SR, what, told, tell, costly, ("decoder",))


def state(what, told, edit=lambda ds: None, change=lambda data: data, costly=False):
    """A presentation state that draws on an exam of four views. edit: of its data set. change: of its bytes."""

    def tell(bench):
        with opened_exam([write_four(bench.folder / "exam")], bench.fixture("decoder")) as (exam, sources):
            ds = marks_object(sources, RCC, [Drawing(OUTLINE, "a mass")], None, "demo", datetime(2026, 1, 2))
            edit(ds)
            file = io.BytesIO()
            ds.save_as(file, enforce_file_format=True)
            path = bench.file("state.dcm", change(file.getvalue()))
            (read,) = read_objects(load_objects([("state.dcm", path)]), exam)
            return " / ".join(read.told) or f"accepted: {len(read.marks)} marks"

    return Malformed(STATE, what, told, tell, costly, ("decoder",))


def drawn(ds):
    return ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]


def everywhere(count):
    """So many annotations that name no picture, on so many pictures."""

    def edit(ds):
        pictures = [Dataset() for _ in range(count)]
        for number, picture in enumerate(pictures):
            picture.ReferencedSOPInstanceUID = f"1.2.{number}"
        ds.ReferencedSeriesSequence[0].ReferencedImageSequence = Sequence(pictures)
        del ds.GraphicAnnotationSequence[0].ReferencedImageSequence
        ds.GraphicAnnotationSequence = Sequence([ds.GraphicAnnotationSequence[0]] * count)

    return edit


def finding(ds):
    """The finding of the report, and its places on the picture."""
    summary = ds.ContentSequence[2]
    impression = next(item for item in summary.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "111034")
    return impression.ContentSequence[1]


def place(ds):
    return next(child for child in finding(ds).ContentSequence if child.ValueType == "SCOORD")


def outline(ds):
    return [child for child in finding(ds).ContentSequence if child.ValueType == "SCOORD"][-1]


def set_(of, **values):
    def edit(ds):
        for name, value in values.items():
            setattr(of(ds), name, value)

    return edit


def many_items(count):
    def edit(ds):
        item = Dataset()
        item.ValueType, item.TextValue = "TEXT", "x"
        ds.ContentSequence[2].ContentSequence = Sequence([*ds.ContentSequence[2].ContentSequence, *[item] * count])

    return edit


def nest(depth):
    """The summary within a chain of containers that are impressions themselves."""

    def edit(ds):
        top = ds.ContentSequence[2]
        name = finding_name(ds)
        for _ in range(depth):
            item = Dataset()
            item.ValueType, item.ConceptNameCodeSequence = "CONTAINER", name
            top.ContentSequence = Sequence([*(top.get("ContentSequence") or []), item])
            top = item

    return edit


def finding_name(ds):
    return next(item.ConceptNameCodeSequence for item in ds.ContentSequence[2].ContentSequence
                if item.ConceptNameCodeSequence[0].CodeValue == "111034")  # fmt: skip


def part(what, told, *blocks, boundary=b"b"):
    """The answer to a request for one file, as it arrives."""
    return Malformed(
        PACS, what, told, lambda bench: refusal(lambda: write_part(iter(blocks), boundary, io.BytesIO()), BrokenAnswer)
    )


def kind_of_answer(what, content_type):
    def tell(bench):
        return "no file of DICOM" if boundary_of(content_type) is None else "accepted"

    return Malformed(PACS, what, "no file of DICOM", tell)


def study(**attributes):
    """An entry of the list of studies, which is left out where it cannot be one."""

    def tell(bench):
        entry = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00080061": {"vr": "CS", "Value": ["MG"]}}
        entry |= {tag.removeprefix("t"): value for tag, value in attributes.items()}
        found = read_study(entry)
        return "left out" if found is None else f"{found.uid} {found.day}"

    return tell


HEAD = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"

CASES = [
    cad_sr("a report of 21,000 items", "cad.dcm: it has more content than any report, so none of it is used.", many_items(21_000), costly=True),
    cad_sr("a report of 38 impressions in one another", "38 × an impression without a finding that is read", nest(38)),
    cad_sr("a mark far beyond every picture", "1 × a summary that does not say that nothing was found, though no finding is read", set_(place, GraphicData=[3e38, 3e38])),
    cad_sr("a mark of no kind", "1 × a summary that does not say that nothing was found, though no finding is read", set_(place, GraphicType="")),
    cad_sr("an outline of 20,000 points", "cad.dcm: its content is damaged, so none of it is used. Export it again.", set_(outline, GraphicData=[30.0, 40.0] * 20_000)),
    cad_sr("an outline of two points", "1 × a summary that does not say that nothing was found, though no finding is read", set_(outline, GraphicData=[30.0, 40.0, 50.0, 60.0])),
    cad_sr("a finding without content", "1 × a summary that does not say that nothing was found, though no finding is read", lambda ds: delattr(finding(ds), "ContentSequence")),
    cad_sr("a finding without a code", "1 × a summary that does not say that nothing was found, though no finding is read", lambda ds: delattr(finding(ds), "ConceptCodeSequence")),
    cad_sr("a mark that refers to an item that is not there", "1 × a summary that does not say that nothing was found, though no finding is read", lambda ds: (place(ds).ContentSequence[0].clear(), setattr(place(ds).ContentSequence[0], "ReferencedContentItemIdentifier", [1, 99, 99]), setattr(place(ds).ContentSequence[0], "RelationshipType", "SELECTED FROM"))),
    cad_sr("a report without content", "cad.dcm: it has no summary of its findings, so whether anything was found is not known.", lambda ds: delattr(ds, "ContentSequence")),
    cad_sr("a report whose content is a text", "cad.dcm: it has no summary of its findings, so whether anything was found is not known.", lambda ds: (delattr(ds, "ContentSequence"), ds.add_new(0x0040A730, "UT", "content"))),
    cad_sr("a report that is cut off", "cad.dcm: truncated: the file ends in the middle of its data; copy or export it again", change=lambda data: data[: len(data) * 2 // 3]),
    cad_sr("a report of zeros", "cad.dcm: neither a DICOM file nor a PNG, TIFF or JPEG picture", change=lambda data: bytes(len(data))),
    cad_sr("a report larger than 50 MB", "cad.dcm: larger than 50 MB, which no CAD SR is.", change=lambda data: data + bytes(51_000_000)),
    cad_sr("a report with an element of 4 GB", "cad.dcm: truncated: the file ends in the middle of its data; copy or export it again", change=lambda data: data.replace(b"\x08\x00\x60\x00CS\x02\x00SR", b"\x08\x00\x60\x00UT\x00\x00\xf0\xff\xff\xff", 1)),
    state("a state of 1,000 annotations on 1,000 pictures", "it draws more than any presentation state, so none of it is used.", everywhere(1000), costly=True),
    state("a state whose mark has one coordinate", "1 × a mark with impossible coordinates", set_(drawn, GraphicData=[1.0])),
    state("a state whose mark has no coordinates", "1 × a mark with impossible coordinates", lambda ds: delattr(drawn(ds), "GraphicData")),
    state("a state whose mark is beside its picture", "1 × a mark outside its picture", set_(drawn, GraphicData=[3e38, 3e38] * 3)),
    state("a state whose mark has units of its own", "1 × a mark in units that are not read (INCH)", set_(drawn, GraphicAnnotationUnits="INCH")),
    state("a state without content", "for no picture of this exam.", lambda ds: delattr(ds, "GraphicAnnotationSequence")),
    state("a state that is cut off", "truncated: the file ends in the middle of its data", change=lambda data: data[:-30]),
    state("a state larger than 5 MB", "larger than 5 MB", change=lambda data: data + bytes(5_000_000)),
    part("an answer of nothing", "breaks off"),
    part("an answer without a boundary", "a header without end", *[b"x" * 8192] * 9),
    part("an answer whose header never ends", "a header without end", b"\r\n--b\r\n", *[b"X-A: b\r\n" * 900] * 9),
    part("an answer that breaks off in the file", "breaks off", HEAD + b"DICM"),
    part("an answer of two files", "more than one part", HEAD + b"a\r\n--b\r\nContent-Type: x\r\n\r\nb\r\n--b--"),
    part("an answer that ends within its last boundary", "breaks off", HEAD + b"abc\r\n--b-"),
    kind_of_answer("an answer of one part", "application/dicom"),
    kind_of_answer("an answer without the name of its boundary", "multipart/related; type=x"),
    kind_of_answer("a boundary of 100 letters", f'multipart/related; boundary="{"b" * 100}"'),
    Malformed(PACS, "a study whose UID is a path", "left out", study(t0020000D={"vr": "UI", "Value": ["../../etc"]})),
    Malformed(PACS, "a study whose UID is a list", "left out", study(t0020000D={"vr": "UI", "Value": [["1.2"]]})),
    Malformed(PACS, "a study whose UID is a number", "left out", study(t0020000D={"vr": "UI", "Value": [10**400]})),
    Malformed(PACS, "a study of the 99th month", "without a date", study(t00080020={"vr": "DA", "Value": ["20269999"]})),
]  # fmt: skip
