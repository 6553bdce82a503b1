"""Mammography CAD SR: what is written comes back, dciodvfy has no complaint, and nothing is guessed of a foreign one."""

import random
import shutil
import subprocess
from dataclasses import replace
from datetime import datetime

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import MammographyCADSRStorage

from mvmlm.dicom_objects.cad_report import Algorithm, CadFinding, CadReport, Intent, Outcome, Performed, Status, Summary
from mvmlm.dicom_objects.cad_sr import cad_sr_object
from mvmlm.dicom_objects.cad_sr_reading import NotCadSr, read_cad_sr
from mvmlm.dicom_objects.sources import NoSource, opened_exam
from mvmlm.exam import STANDARD_VIEWS
from tests.test_load import write, write_four

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS
MODEL, CREATED = Algorithm("demo", "0.5.0"), datetime(2026, 1, 2, 3, 4, 5)
OUTLINE = ((30.0, 40.0), (50.5, 40.0), (50.5, 60.25))
REPORT = CadReport(
    STANDARD_VIEWS,
    (
        CadFinding(RCC, "mass", (40.0, 50.0), OUTLINE, 0.75, 0.25, MODEL, "Mammography breast density"),
        CadFinding(LMLO, "distortion", (0.0, 0.0), (), 0.5, None, MODEL, "Architectural distortion of breast"),
        CadFinding(RMLO, "asymmetry", (7.0, 8.0), (), None, None, MODEL, "Asymmetric breast tissue", Intent.REQUIRED),
    ),
    (
        Performed("mass", MODEL, STANDARD_VIEWS),
        Performed("distortion", MODEL, STANDARD_VIEWS),
        Performed("asymmetry", MODEL, (RCC, RMLO)),
    ),
    (Performed("malignancy", MODEL, STANDARD_VIEWS),),
)


def complaints(path):
    """The lines of dciodvfy that are errors."""
    if not shutil.which("dciodvfy"):
        pytest.skip("dciodvfy (Debian's dicom3tools) is not on this machine")
    run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, timeout=60)
    said = run.stdout + run.stderr
    assert said.strip(), "dciodvfy said nothing, not even the kind of object"
    return [line for line in said.splitlines() if line.startswith("Error")]


@pytest.fixture(scope="module")
def opened(tmp_path_factory, decoder):
    folder = write_four(tmp_path_factory.mktemp("exam"))
    with opened_exam([folder], decoder) as found:
        yield found


@pytest.fixture
def written(opened, tmp_path):
    """A function that writes a report, after a change of the data set, and returns its path."""

    def write_report(report=REPORT, edit=None):
        ds = cad_sr_object(report, opened[1], MODEL, CREATED)
        if edit:
            edit(ds)
        path = tmp_path / "cad.dcm"
        ds.save_as(path, enforce_file_format=True)
        return path

    return write_report


def finding_items(ds):
    """The single image findings of an object, in order."""
    summary = ds.ContentSequence[2]
    return [
        item.ContentSequence[1] for item in summary.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "111034"
    ]  # fmt: skip


def places(item):
    return [child for child in item.ContentSequence if child.ValueType == "SCOORD"]


def test_findings_come_back_as_they_were_written(opened, written):
    read = read_cad_sr(written(), opened[1])
    assert read.told == ()
    assert read.report.findings == REPORT.findings
    assert read.report.detections == REPORT.detections and read.report.analyses == REPORT.analyses
    assert read.report.views == STANDARD_VIEWS
    assert (read.report.summary, read.report.detection_status) == (Summary.FOUND, Status.SUCCEEDED)


def test_not_attempted_is_told_from_nothing_found(opened, written):
    failed = Performed("distortion", MODEL, STANDARD_VIEWS, False)
    report = replace(REPORT, findings=REPORT.findings[:1], detections=(*REPORT.detections[:1], failed), analyses=())
    read = read_cad_sr(written(report), opened[1]).report
    assert read.outcome("mass", RCC) is Outcome.FOUND
    assert read.outcome("mass", LCC) is Outcome.NOTHING_FOUND
    assert read.outcome("calcification", RCC) is Outcome.NOT_ATTEMPTED
    assert read.outcome("distortion", RCC) is Outcome.FAILED
    assert (read.detection_status, read.analysis_status) == (Status.PARTLY, Status.NOT_ATTEMPTED)
    assert read.summary is Summary.PARTLY_FOUND


def test_a_detection_that_names_no_picture_is_not_called_not_attempted(opened, written):
    def without_pictures(ds):
        for run in ds.ContentSequence[3].ContentSequence[0].ContentSequence:
            run.ContentSequence = [item for item in run.ContentSequence if "ValueType" in item]

    read = read_cad_sr(written(edit=without_pictures), opened[1]).report
    assert read.outcome("distortion", LCC) is Outcome.UNSAID
    assert read.outcome("calcification", LCC) is Outcome.NOT_ATTEMPTED


def test_an_empty_report_says_whether_anything_was_looked_for(opened, written):
    looked = CadReport(STANDARD_VIEWS, detections=REPORT.detections)
    assert read_cad_sr(written(looked), opened[1]).report.summary is Summary.NOTHING_FOUND
    nothing = read_cad_sr(written(CadReport(STANDARD_VIEWS)), opened[1]).report
    assert (nothing.summary, nothing.detection_status) == (Summary.NONE_SUCCEEDED, Status.NOT_ATTEMPTED)
    assert nothing.outcome("mass", RCC) is Outcome.NOT_ATTEMPTED


@pytest.mark.parametrize("report", [REPORT, CadReport(STANDARD_VIEWS)], ids=["findings", "nothing attempted"])
def test_dciodvfy_finds_no_error(written, report):
    assert complaints(written(report)) == []


def test_coordinates_count_from_the_corner_of_the_first_pixel(opened, written):
    (centre, outline) = places(finding_items(pydicom.dcmread(written()))[0])
    assert list(centre.GraphicData) == [40.5, 50.5]  # PS3.3 C.18.6.1.1
    assert list(outline.GraphicData) == [30.5, 40.5, 51, 40.5, 51, 60.75, 30.5, 40.5]


def test_the_object_is_the_patients_in_a_new_series_and_says_research(opened, written):
    ds, source = pydicom.dcmread(written()), opened[1][RCC].header
    assert ds.SOPClassUID == MammographyCADSRStorage
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyDate", "PatientIdentityRemoved"):
        assert ds[keyword].value == source[keyword].value
    assert ds.SeriesInstanceUID not in {each.header.SeriesInstanceUID for each in opened[1].values()}
    assert ds.SeriesDescription.startswith("RESEARCH")
    assert "Research use only, not for diagnosis" in read_cad_sr(written(), opened[1]).report.impression
    listed = [
        item.ReferencedSOPInstanceUID
        for series in ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
    assert listed == [each.instance for each in opened[1].values()]


def test_the_same_report_is_the_same_object(opened, written):
    assert written().read_bytes() == written().read_bytes()
    other = cad_sr_object(replace(REPORT, findings=()), opened[1], MODEL, CREATED)
    assert other.SOPInstanceUID != pydicom.dcmread(written()).SOPInstanceUID


def test_a_mark_on_a_picture_that_is_not_in_the_exam_is_told(opened, written):
    def elsewhere(ds):
        ds.ContentSequence[1].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"

    read = read_cad_sr(written(edit=elsewhere), opened[1])
    assert [found.view for found in read.report.findings] == [LMLO, RMLO]
    assert RCC not in read.report.views
    assert "1 × a mark on a picture that is not in this exam" in read.told
    assert "1 × a picture that is not in this exam" in read.told


@pytest.mark.parametrize("row, code, word", [(0, "80248007", "side"), (1, "399368009", "view")])
def test_marks_are_not_used_where_the_report_takes_a_view_for_another(opened, written, row, code, word):
    def swap(ds):
        ds.ContentSequence[1].ContentSequence[0].ContentSequence[row].ConceptCodeSequence[0].CodeValue = code

    read = read_cad_sr(written(edit=swap), opened[1])
    assert RCC not in {found.view for found in read.report.findings}
    assert any(f"R_CC, which the report takes for another {word}" in line for line in read.told)


def test_right_and_left_without_the_breast_are_sides_and_a_code_that_is_not_known_is_told(opened, written):
    def side(code):
        def edit(ds):
            ds.ContentSequence[1].ContentSequence[0].ContentSequence[0].ConceptCodeSequence[0].CodeValue = code

        return read_cad_sr(written(edit=edit), opened[1])

    assert side("24028007").told == () and side("24028007").report.findings == REPORT.findings
    assert any("R_CC, which the report takes for another side" in line for line in side("7771000").told)
    assert any("whose side the report gives with a code that is not known" in line for line in side("1234").told)


def test_a_picture_named_by_value_and_old_codes_are_read(opened, written):
    """As older programs write: codes of SRT, the picture inside the coordinates."""

    def older(ds):
        first = finding_items(ds)[0]
        first.ConceptCodeSequence[0].CodeValue = "F-01775"
        first.ConceptCodeSequence[0].CodingSchemeDesignator = "SRT"
        for place in places(first):
            picture = Dataset()
            picture.RelationshipType, picture.ValueType = "SELECTED FROM", "IMAGE"
            reference = Dataset()
            reference.ReferencedSOPInstanceUID = opened[1][RCC].instance
            picture.ReferencedSOPSequence = Sequence([reference])
            place.ContentSequence = Sequence([picture])

    found = read_cad_sr(written(edit=older), opened[1]).report.findings[0]
    assert (found.kind, found.view, found.centre, found.outline) == ("calcification", RCC, (40.0, 50.0), OUTLINE)


def test_a_finding_of_another_kind_keeps_its_name(opened, written):
    def skin(ds):
        code = finding_items(ds)[0].ConceptCodeSequence[0]
        code.CodeValue, code.CodeMeaning = "95324001", "Skin lesion"

    found = read_cad_sr(written(edit=skin), opened[1]).report.findings[0]
    assert (found.kind, found.said) == ("other", "Skin lesion")


def test_a_circle_becomes_a_polygon_around_its_centre(opened, written):
    def circle(ds):
        outline = places(finding_items(ds)[0])[1]
        outline.GraphicType, outline.GraphicData = "CIRCLE", [40.5, 50.5, 50.5, 50.5]

    outline = read_cad_sr(written(edit=circle), opened[1]).report.findings[0].outline
    assert len(outline) == 32
    assert all(abs(((x - 40) ** 2 + (y - 50) ** 2) ** 0.5 - 10) < 1e-6 for x, y in outline)


@pytest.mark.parametrize(
    "kind, data, why",
    [
        ("POINT", [5000.0, 3.0], "a mark outside its picture"),
        ("POINT", [float("nan"), 3.0], "a mark with impossible coordinates"),
        ("POINT", [4.0], "a mark with impossible coordinates"),
        ("MULTIPOINT", [4.0, 3.0], "a mark of the kind MULTIPOINT, which is not read"),
    ],
)
def test_an_impossible_mark_is_told_and_the_others_stay(opened, written, kind, data, why):
    def spoil(ds):
        centre = places(finding_items(ds)[0])[0]
        centre.GraphicType, centre.GraphicData = kind, data

    read = read_cad_sr(written(edit=spoil), opened[1])
    assert len(read.report.findings) == 2 and f"1 × {why}" in read.told


@pytest.mark.parametrize(
    "row, why",
    [
        (0, "an impression without a finding that is read"),
        (1, "content of an unknown kind"),
        (2, "a report that does not say what it looked for: no kind counts as attempted"),
    ],
)
def test_content_that_is_not_understood_is_told(opened, written, row, why):
    def spoil(ds):
        if row == 0:
            finding_items(ds)[0].ConceptNameCodeSequence[0].CodeValue = "1"
        elif row == 1:
            ds.ContentSequence[2].ContentSequence[-1].clear()
        else:
            del ds.ContentSequence[3]

    assert f"1 × {why}" in read_cad_sr(written(edit=spoil), opened[1]).told


def test_a_file_of_damaged_bytes_is_refused_or_told_and_never_an_error(opened, written, tmp_path):
    whole, rng = written().read_bytes(), random.Random(1)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.choice([1, 1, 3, 20])):
            place = rng.randrange(300, len(damaged))
            damaged[place : place + rng.randrange(2)] = rng.randbytes(rng.randrange(1, 5))
        (tmp_path / "x.dcm").write_bytes(damaged)
        try:
            read = read_cad_sr(tmp_path / "x.dcm", opened[1])
        except NotCadSr:
            continue
        assert read.told or len(read.report.findings) == len(REPORT.findings)


def test_a_number_that_is_no_percentage_is_told(opened, written):
    def spoil(ds):
        (number,) = [c for c in finding_items(ds)[1].ContentSequence if c.ValueType == "NUM"]
        number.MeasuredValueSequence[0].NumericValue = "500"

    read = read_cad_sr(written(edit=spoil), opened[1])
    assert read.report.findings[1].certainty is None
    assert "1 × Certainty of Finding that is no percentage" in read.told


def test_a_deep_or_damaged_or_foreign_file_is_one_sentence(opened, written, tmp_path):
    def deep(ds):
        item = ds.ContentSequence[2]
        for _ in range(60):
            child = Dataset()
            child.ValueType = "CONTAINER"
            item.ContentSequence = Sequence([child])
            item = child

    with pytest.raises(NotCadSr, match="nested more deeply"):
        read_cad_sr(written(edit=deep), opened[1])
    (tmp_path / "x.dcm").write_bytes(b"\0" * 300)
    with pytest.raises(NotCadSr, match=r"x\.dcm: "):
        read_cad_sr(tmp_path / "x.dcm", opened[1])
    with pytest.raises(NotCadSr, match="not a Mammography CAD SR"):
        read_cad_sr(write(tmp_path, RCC), opened[1])


@pytest.mark.parametrize("undefined_lengths", [False, True])
def test_a_file_that_ends_too_early_is_not_read_as_one_with_fewer_findings(
    opened, written, tmp_path, undefined_lengths
):
    def as_others_write(ds):
        for element in [element for element in ds.iterall() if element.VR == "SQ"]:
            element.is_undefined_length = undefined_lengths

    whole = written(edit=as_others_write).read_bytes()
    for share in (0.3, 0.5, 0.7, 0.9, 0.99):
        (tmp_path / "x.dcm").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(NotCadSr, match=r"x\.dcm: "):
            read_cad_sr(tmp_path / "x.dcm", opened[1])


def test_a_report_without_a_summary_is_not_taken_for_nothing_found(opened, written):
    with pytest.raises(NotCadSr, match="whether anything was found is not known"):
        read_cad_sr(written(edit=lambda ds: ds.ContentSequence.pop(2)), opened[1])


def test_a_report_on_what_the_exam_does_not_have_is_not_written(opened):
    def finding(**facts):
        return replace(REPORT, findings=(replace(REPORT.findings[0], **facts),))

    for report, why in (
        (finding(centre=(500.0, 3.0)), "outside the picture"),
        (finding(kind="other"), "expected one of"),
        (finding(certainty=1.5), "from 0 to 1"),
    ):
        with pytest.raises(ValueError, match=why):
            cad_sr_object(report, opened[1], MODEL, CREATED)
    with pytest.raises(ValueError, match="does not have"):
        cad_sr_object(REPORT, {RCC: opened[1][RCC]}, MODEL, CREATED)


def test_no_object_is_written_about_files_of_two_women_or_without_identifiers(tmp_path, decoder):
    (tmp_path / "a").mkdir()
    write(tmp_path / "a", RCC, "p1")
    write(tmp_path / "a", LCC, "p2")
    with pytest.raises(NoSource, match="several women"), opened_exam([tmp_path / "a"], decoder, one_exam=True):
        pass
    with pytest.raises(NoSource, match="of several exams"), opened_exam([tmp_path / "a"], decoder):
        pass
    (tmp_path / "b").mkdir()
    write(tmp_path / "b", RCC, edit=lambda ds: delattr(ds, "SOPInstanceUID"))
    with pytest.raises(NoSource, match="no SOPInstanceUID"), opened_exam([tmp_path / "b"], decoder):
        pass
