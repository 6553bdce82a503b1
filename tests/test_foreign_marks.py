"""Marks of other programs: at the place and on the picture that their object names, or told and not shown."""

from dataclasses import replace

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ComprehensiveSRStorage, generate_uid

from mvmlm.dicom_objects import codes
from mvmlm.dicom_objects.cad_report import CadFinding, CadReport, Intent, Performed
from mvmlm.dicom_objects.cad_sr import cad_sr_object
from mvmlm.dicom_objects.foreign_marks import ForeignKind, ForeignMark, Shape, named_pictures
from mvmlm.dicom_objects.foreign_reading import MOST_OBJECTS, OTHER_PATIENT, OTHER_STUDY, load_objects, read_objects
from mvmlm.dicom_objects.measurement_report import reading_object
from mvmlm.dicom_objects.presentation_state import Drawing, marks_object
from mvmlm.dicom_objects.sources import opened_exam
from mvmlm.dicom_objects.sr_tree import SrTree, is_named
from mvmlm.exam import STANDARD_VIEWS, Modifier
from mvmlm.imaging.deidentification import without_identity
from mvmlm.imaging.file_header import MARKS
from mvmlm.imaging.files import list_files
from tests.test_cad_sr import CREATED, MODEL
from tests.test_dicom_objects import READ
from tests.test_load import write, write_four

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS
OUTLINE = ((30.0, 40.0), (50.5, 40.0), (50.5, 60.25))
REPORT = CadReport(
    STANDARD_VIEWS,
    (
        CadFinding(RCC, "mass", (40.0, 50.0), OUTLINE, 0.75, 0.25, MODEL),
        CadFinding(LMLO, "calcification", (7.0, 8.0), (), None, None, MODEL, intent=Intent.HIDDEN),
    ),
    (Performed("mass", MODEL, STANDARD_VIEWS), Performed("calcification", MODEL, (LMLO,))),
)


@pytest.fixture(scope="module")
def opened(tmp_path_factory, decoder):
    folder = write_four(tmp_path_factory.mktemp("exam"))
    with opened_exam([folder], decoder) as (exam, sources):
        yield exam, sources


@pytest.fixture
def read(opened, tmp_path):
    """A function that writes an object after an edit, and returns what it marks on the exam, or on another one."""

    def read_one(ds, edit=None, exam=None):
        if edit:
            edit(ds)
        path = tmp_path / "object.dcm"
        ds.save_as(path, enforce_file_format=True)
        (found,) = read_objects(load_objects([("object.dcm", path)]), exam or opened[0])
        return found

    return read_one


def uid_of(exam, name):
    return exam.views[name].identity.instance_uid


def cad(opened, report=REPORT):
    return cad_sr_object(report, opened[1], MODEL, CREATED)


def state(opened, *drawings):
    return marks_object(opened[1], RCC, drawings or (Drawing(OUTLINE, "a mass"),), None, "ann", CREATED)


def graphic(ds):
    return ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0]


def test_a_cad_mark_comes_back_where_it_was_written_with_its_program(opened, read):
    found = read(cad(opened))
    assert (found.kind, found.told) == (ForeignKind.CAD, ())
    mass, calcification = found.marks
    assert mass == ForeignMark(
        uid_of(opened[0], RCC), Shape.OUTLINE, OUTLINE, "mass, certainty 75 %, probability of cancer 25 %"
    )
    assert (calcification.points, calcification.rejected) == (((7.0, 8.0),), True)
    assert "MV-MLM" in found.source and "demo 0.5.0" in found.source


def test_nothing_found_and_not_attempted_are_said_in_words(opened, read):
    said = {one.instance: one.text for one in read(cad(opened)).statements}
    assert said[uid_of(opened[0], RCC)] == "found: 1 × mass; not attempted: calcification, asymmetry, distortion"
    assert said[uid_of(opened[0], LCC)].startswith("nothing found: mass; not attempted: calcification")
    assert said[uid_of(opened[0], LMLO)].startswith("found: 1 × calcification (1 not for presentation); nothing found")
    some = CadReport(STANDARD_VIEWS, detections=(Performed("mass", MODEL, (RCC,)),))
    said = {one.instance: one.text for one in read(cad(opened, some)).statements}
    assert said[uid_of(opened[0], LCC)] == "not attempted on this picture"
    failed = CadReport(STANDARD_VIEWS, detections=(Performed("mass", MODEL, (RCC,), False),))
    assert read(cad(opened, failed)).statements[0].text.startswith("failed: mass")


def test_what_was_looked_for_on_pictures_that_are_not_named_is_not_called_not_attempted(opened, read):
    """A report may name a whole series, or nothing, in place of the pictures that it looked at."""

    def edit_run(change):
        def edit(ds):
            (run,) = ds.ContentSequence[3].ContentSequence[0].ContentSequence
            pictures = [item for item in run.ContentSequence if "ReferencedContentItemIdentifier" in item]
            run.ContentSequence = Sequence([item for item in run.ContentSequence if item not in pictures])
            change(run, pictures)

        return edit

    def series(run, _):
        item = Dataset()
        item.RelationshipType, item.ValueType, item.UID = "HAS PROPERTIES", "UIDREF", "1.2.3"
        run.ContentSequence.append(item)

    def nowhere(run, pictures):
        pictures[0].ReferencedContentItemIdentifier = [1, 99]
        run.ContentSequence.append(pictures[0])

    only = CadReport(STANDARD_VIEWS, detections=(Performed("mass", MODEL, (RCC,)),))
    for change in (lambda *_: None, series, nowhere):
        said = {one.instance: one.text for one in read(cad(opened, only), edit_run(change)).statements}
        for view in (RCC, LCC):
            assert said[uid_of(opened[0], view)] == (
                "not attempted: calcification, asymmetry, distortion; looked for, though not said whether here: mass"
            )


def test_a_state_counts_from_the_corner_of_the_first_pixel_and_is_converted_once(opened, read):
    ds = state(opened)
    assert list(graphic(ds).GraphicData)[:2] == [30.5, 40.5]
    found = read(ds)
    assert found.kind is ForeignKind.PRESENTATION and found.told == ()
    drawn, words = found.marks
    assert (drawn.instance, drawn.shape, drawn.points) == (uid_of(opened[0], RCC), Shape.OUTLINE, OUTLINE)
    assert (words.shape, words.points, words.text) == (Shape.TEXT, OUTLINE[:1], "RESEARCH: a mass")


def test_the_corner_of_the_last_pixel_is_still_on_the_picture(opened, read):
    def at(x, y):
        def edit(ds):
            item = graphic(ds)
            item.GraphicType, item.NumberOfGraphicPoints, item.GraphicData = "POINT", 1, [x, y]

        return edit

    view = opened[0].views[RCC]
    (mark, _) = read(state(opened), at(view.columns, view.rows)).marks
    assert mark.points == ((view.columns - 0.5, view.rows - 0.5),)
    beyond = read(state(opened), at(view.columns + 3, 5))
    assert [mark.shape for mark in beyond.marks] == [Shape.TEXT] and beyond.told == ("1 × a mark outside its picture",)


def test_circles_and_ellipses_become_outlines(opened, read):
    def circle(ds):
        item = graphic(ds)
        item.GraphicType, item.NumberOfGraphicPoints, item.GraphicData = "CIRCLE", 2, [50.5, 60.5, 60.5, 60.5]

    def ellipse(ds):
        item = graphic(ds)
        item.GraphicType, item.NumberOfGraphicPoints = "ELLIPSE", 4
        item.GraphicData = [30.5, 60.5, 70.5, 60.5, 50.5, 50.5, 50.5, 70.5]

    for edit, half_width in ((circle, 10), (ellipse, 20)):
        mark = read(state(opened), edit).marks[0]
        columns, rows = zip(*mark.points, strict=True)
        assert mark.shape is Shape.OUTLINE
        assert (min(columns), max(columns)) == pytest.approx((50 - half_width, 50 + half_width))
        assert (min(rows), max(rows)) == pytest.approx((50, 70))


def in_display_units(ds):
    item = graphic(ds)
    item.GraphicAnnotationUnits, item.GraphicType, item.NumberOfGraphicPoints = "DISPLAY", "POINT", 1
    item.GraphicData = [0.5, 1.0]
    area = ds.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaTopLeftHandCorner, area.DisplayedAreaBottomRightHandCorner = [11, 21], [50, 100]


def test_display_units_are_fractions_of_the_displayed_area(opened, read):
    """Pixels 11 to 50 are displayed, which lie from 10 to 50 counted from the corner of the first."""
    assert read(state(opened), in_display_units).marks[0].points == ((30 - 0.5, 100 - 0.5),)


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (lambda ds: setattr(ds, "ImageRotation", 90), "relative to the screen on a picture that is shown turned"),
        (
            lambda ds: setattr(ds, "ImageHorizontalFlip", "Y"),
            "relative to the screen on a picture that is shown turned",
        ),
        (lambda ds: delattr(ds, "DisplayedAreaSelectionSequence"), "what is displayed is not said"),
        (lambda ds: setattr(graphic(ds), "GraphicAnnotationUnits", "MATRIX"), "units that are not read (MATRIX)"),
        (lambda ds: setattr(graphic(ds), "GraphicDimensions", 3), "not in two dimensions"),
    ],
)
def test_what_cannot_be_placed_for_sure_is_told_and_left_out(opened, read, edit, told):
    def both(ds):
        in_display_units(ds)
        edit(ds)

    found = read(state(opened), both)
    assert [mark.shape for mark in found.marks] == [Shape.TEXT] and told in found.told[0]


def test_a_text_at_a_place_of_the_screen_is_said_of_its_picture(opened, read):
    def on_screen(ds):
        item = ds.GraphicAnnotationSequence[0].TextObjectSequence[0]
        del item.AnchorPoint, item.AnchorPointAnnotationUnits, item.AnchorPointVisibility
        item.BoundingBoxAnnotationUnits = "DISPLAY"
        item.BoundingBoxTopLeftHandCorner, item.BoundingBoxBottomRightHandCorner = [0.0, 0.0], [0.2, 0.1]

    found = read(state(opened), on_screen)
    assert [(one.instance, one.text) for one in found.statements] == [(uid_of(opened[0], RCC), "RESEARCH: a mass")]
    assert [mark.shape for mark in found.marks] == [Shape.OUTLINE]


def test_a_compound_graphic_without_simple_ones_and_overlays_are_told(opened, read):
    def compound(ds):
        one, two = Dataset(), Dataset()
        one.CompoundGraphicInstanceID, one.CompoundGraphicType = 1, "RULER"
        two.CompoundGraphicInstanceID, two.CompoundGraphicType = 2, "ARROW"
        graphic(ds).CompoundGraphicInstanceID = 2
        ds.GraphicAnnotationSequence[0].CompoundGraphicSequence = Sequence([one, two])
        ds.add_new((0x6000, 0x3000), "OW", b"\0\0")

    assert read(state(opened), compound).told == (
        "1 × a compound graphic (RULER)", "1 × a bitmap overlay, which is not read",
    )  # fmt: skip


def test_an_annotation_that_names_no_picture_is_on_those_of_its_state(opened, read):
    def unnamed(ds):
        del ds.GraphicAnnotationSequence[0].ReferencedImageSequence

    assert {mark.instance for mark in read(state(opened), unnamed).marks} == {uid_of(opened[0], RCC)}


def many_annotations(distinct):
    """Makes of a state one with 300 points, none of which names a picture, on 300 pictures."""

    def edit(ds):
        item, picture = graphic(ds), ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0]
        item.GraphicType, item.NumberOfGraphicPoints, item.GraphicData = "POINT", 1, [1.5, 1.5]
        one, pictures = Dataset(), [Dataset() for _ in range(300)]
        one.GraphicObjectSequence = Sequence([item])
        for number, each in enumerate(pictures):
            each.ReferencedSOPInstanceUID = f"1.2.{number}" if distinct else picture.ReferencedSOPInstanceUID
        ds.GraphicAnnotationSequence = Sequence([one] * 300)
        ds.ReferencedSeriesSequence[0].ReferencedImageSequence = Sequence(pictures)

    return edit


def test_a_small_state_does_not_draw_without_end(opened, read):
    """50 KB with 90,000 marks took a minute, in the process that serves the pages."""
    found = read(state(opened), many_annotations(distinct=False))
    assert (len(found.marks), found.told) == (300, ()), "a picture that is named again is one picture"
    assert read(state(opened), many_annotations(distinct=True)).told == (
        "it draws more than any presentation state, so none of it is used.",
    )


def test_a_report_that_looked_for_hundreds_of_kinds_does_not_fill_the_screen(opened, read):
    runs = tuple(Performed(kind, MODEL, (RCC,)) for kind in ["mass"] * 300)

    def rename(ds):
        for number, run in enumerate(ds.ContentSequence[3].ContentSequence[0].ContentSequence):
            said = run.ConceptCodeSequence[0]
            said.CodeValue, said.CodingSchemeDesignator, said.CodeMeaning = f"{number}", "99X", f"kind {number}"

    said = {one.instance: one.text for one in read(cad(opened, CadReport((RCC,), (), runs)), rename).statements}
    assert "kind 19" in said[uid_of(opened[0], RCC)] and "kind 20," not in said[uid_of(opened[0], RCC)]
    assert said[uid_of(opened[0], RCC)].endswith("; 280 more kinds, which are not listed here")


def test_objects_beyond_a_number_are_named_and_not_read(tmp_path):
    path = tmp_path / "object.dcm"
    path.write_bytes(b"x")
    loaded = load_objects([(f"{number:02}.dcm", path) for number in range(MOST_OBJECTS + 1)])
    assert [one.file for one in loaded if one.content is None] == [f"{MOST_OBJECTS}.dcm"]
    assert "more than 50 objects" in loaded[-1].trouble


def test_the_regions_of_a_measurement_report_say_what_their_group_says(opened, read):
    found = read(reading_object(READ, opened[1]))
    assert found.kind is ForeignKind.MEASUREMENTS and found.told == ()
    box, region, point = found.marks
    assert (box.instance, box.shape) == (uid_of(opened[0], RCC), Shape.OUTLINE)
    assert box.points == ((10, 20), (30, 20), (30, 40), (10, 40)) and "Long axis 12.5 mm" in box.text
    assert region.instance == uid_of(opened[0], RMLO) and region.points == ((1, 2), (30, 2), (5, 9))
    assert (point.instance, point.shape, point.points) == (uid_of(opened[0], LCC), Shape.POINT, ((3, 4),))


def test_a_region_whose_group_names_the_other_breast_is_not_shown(opened, read):
    def site_of_box(ds):
        groups = [item for item in SrTree(ds).items if is_named(item, codes.dcm("125007", "Measurement Group"))]
        return next(item for item in groups[0].ContentSequence if is_named(item, codes.FINDING_SITE))

    def other_side(ds, code="7771000"):
        site_of_box(ds).ContentSequence[0].ConceptCodeSequence[0].CodeValue = code

    def left_breast(ds):
        other_side(ds, "51440002")  # right and left
        site_of_box(ds).ConceptCodeSequence[0].CodeValue = "80248007"

    for edit in (other_side, left_breast):
        found = read(reading_object(READ, opened[1]), edit)
        assert len(found.marks) == 2 and all(mark.instance != uid_of(opened[0], RCC) for mark in found.marks)
        assert found.told == ("1 × a mark of the left breast on a picture of the other one",)
    both = read(reading_object(READ, opened[1]), lambda ds: other_side(ds, "51440002"))
    assert (len(both.marks), both.told) == (3, ())


def test_an_sr_of_another_kind_is_refused_and_no_picture_is_guessed(opened, read):
    def other_title(ds):
        ds.ConceptNameCodeSequence[0].CodeValue = "111400"
        ds.ContentTemplateSequence[0].TemplateIdentifier = "5000"

    found = read(reading_object(READ, opened[1]), other_title)
    assert not found.for_this_exam and "TID 1500" in found.told[0]


def test_an_object_of_another_patient_or_study_is_for_no_picture(opened, read):
    for make in (cad, state, lambda opened: reading_object(READ, opened[1])):
        found = read(make(opened), lambda ds: setattr(ds, "PatientID", "somebody else"))
        assert (found.told, found.for_this_exam) == ((OTHER_PATIENT,), False)
        found = read(make(opened), lambda ds: setattr(ds, "StudyInstanceUID", generate_uid()))
        assert (found.told, found.for_this_exam) == ((OTHER_STUDY,), False)


def test_a_mark_on_a_picture_that_is_not_here_is_never_moved_to_another(opened, read):
    exam = opened[0]
    fewer = replace(exam, views={name: view for name, view in exam.views.items() if name is not RCC})
    for make in (cad, state, lambda opened: reading_object(READ, opened[1])):
        found = read(make(opened), exam=fewer)
        assert all(mark.instance != uid_of(exam, RCC) for mark in found.marks)
        assert any("not in this exam" in line for line in found.told)


def test_two_pictures_with_one_uid_get_no_mark(opened, read):
    exam = opened[0]
    twin = replace(exam.views[RCC], file="copy.dcm", modifiers=(Modifier.SPOT,))
    both = replace(exam, extra=(twin,))
    assert uid_of(exam, RCC) in named_pictures(both).twice
    found = read(state(opened), exam=both)
    assert found.marks == () and "two files" in found.told[0]


def test_a_mark_on_the_unprocessed_picture_is_shown_where_every_place_stayed(opened, read, tmp_path, decoder):
    """CAD reads the picture for processing; the one for presentation says from which it was made."""
    raw = generate_uid()

    def made_from(ds, preserved="YES"):
        source = Dataset()
        source.ReferencedSOPClassUID, source.ReferencedSOPInstanceUID = ds.SOPClassUID, raw
        source.SpatialLocationsPreserved = preserved
        ds.SourceImageSequence = Sequence([source])

    def on_raw(ds):
        for item in ds.GraphicAnnotationSequence:
            item.ReferencedImageSequence[0].ReferencedSOPInstanceUID = raw

    for preserved, shown in (("YES", True), ("REORIENTED_ONLY", False)):
        folder = tmp_path / preserved
        folder.mkdir()
        write(folder, RCC, edit=lambda ds, preserved=preserved: made_from(ds, preserved))
        with opened_exam([folder], decoder) as (exam, _):
            found = read(state(opened), on_raw, exam)
            assert bool(found.marks) is shown
            views = named_pictures(exam).views.get(raw, ())
            assert views == ((exam.views[RCC],) if shown else ())


def test_a_stored_exam_keeps_no_uids_so_no_mark_is_matched(opened, read):
    found = read(cad(opened), exam=without_identity(opened[0]))
    assert not found.for_this_exam and "keeps no UIDs" in found.told[0]


def test_a_report_that_takes_a_picture_for_another_view_shows_nothing_on_it(opened, read):
    def swapped(ds):
        (library,) = [item for item in ds.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "111028"]
        side = library.ContentSequence[0].ContentSequence[0].ConceptCodeSequence[0]
        side.CodeValue, side.CodeMeaning = "80248007", "Left breast"

    found = read(cad(opened), swapped)
    assert all(mark.instance != uid_of(opened[0], RCC) for mark in found.marks)
    said = {one.instance: one.text for one in found.statements}
    assert "otherwise than the exam" in said[uid_of(opened[0], RCC)]


def test_a_damaged_object_is_told_in_a_sentence(opened, read, tmp_path):
    def broken(ds):
        graphic(ds).GraphicData = [1.0, 2.0, 3.0]

    assert read(state(opened), broken).told == ("1 × a mark with impossible coordinates",)
    path = tmp_path / "cut.dcm"
    cad(opened).save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes()[:-200])
    (found,) = read_objects(load_objects([("cut.dcm", path)]), opened[0])
    assert not found.for_this_exam and len(found.told) == 1
    path.write_bytes(b"no DICOM at all")
    (found,) = read_objects(load_objects([("cut.dcm", path)]), opened[0])
    assert not found.for_this_exam and len(found.told) == 1


def test_objects_beside_pictures_are_listed_apart_and_say_how_they_are_shown(opened, tmp_path, decoder):
    folder = write_four(tmp_path / "exam")
    cad(opened).save_as(folder / "cad.dcm", enforce_file_format=True)
    state(opened).save_as(folder / "state.dcm", enforce_file_format=True)
    listing = list_files([folder], tmp_path / "unpacked", decoder)
    assert [name for name, _ in listing.objects] == ["cad.dcm", "state.dcm"]
    assert {item.code for item in listing.set_aside} == {MARKS}
    assert "Mammography CAD SR" in listing.set_aside[0].reason and "Shift+O" in listing.set_aside[0].reason
    assert pydicom.dcmread(folder / "state.dcm").SOPClassUID != ComprehensiveSRStorage
