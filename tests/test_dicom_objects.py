"""SR, presentation state and Secondary Capture of readings and answers: whole, on the right side, marked as research."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest
from pydicom.sr import _concepts_dict as dictionary
from pydicom.sr.coding import Code

from mvmlm.__main__ import main
from mvmlm.dicom_objects import codes, finding_codes, measurement_report
from mvmlm.dicom_objects.cad_report import Outcome
from mvmlm.dicom_objects.cad_sr_reading import read_cad_sr
from mvmlm.dicom_objects.measurement_report import prediction_object, reading_object
from mvmlm.dicom_objects.model_marks import mark_targets, report_of
from mvmlm.dicom_objects.presentation_state import Drawing, marks_object
from mvmlm.dicom_objects.secondary_capture import map_object
from mvmlm.dicom_objects.sources import opened_exam
from mvmlm.dicom_objects.stored_readings import reading_objects
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.burned_in_text import without_text
from mvmlm.imaging.load import load_exam
from mvmlm.reading.reading import Mark, MarkedFinding, Reading, ReadKind
from mvmlm.report.findings import Finding
from mvmlm.store.archive import import_exams
from mvmlm.store.records import Read
from tests.test_cad_sr import CREATED, complaints
from tests.test_load import small_view, write, write_four

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS
R, L = Laterality.RIGHT, Laterality.LEFT
MASS = Finding(
    "mass", shape="round", margin="indistinct", also=(("margin", "spiculated"),), either=(("shape", "oval"),),
    mass_density="high", size_mm=12.5, place="upper outer", clock=10, depth="middle", birads="4B",
    features=("nipple retraction", "skin thickening"),
)  # fmt: skip
READING = Reading(
    {(R, "birads"): "4", (L, "birads"): "1", (None, "density"): "C", (L, "mass"): "0", (None, "note"): "Mrs X",
     (R, "malignancy"): "1"},
    {
        1: MarkedFinding(
            R, "mass", MASS,
            (Mark(RCC, "box", "mass", ((10, 20), (30, 40))), Mark(RMLO, "region", "mass", ((1, 2), (30, 2), (5, 9)))), 4,
        ),
        2: MarkedFinding(L, "other", None, (Mark(LCC, "point", "other", ((3, 4),)),)),
        3: MarkedFinding(L, "asymmetry", Finding("asymmetry", asymmetry="focal asymmetry")),
    },
)  # fmt: skip
SIGNED = "2026-01-01T10:00:00+00:00"
READ = Read(1, 1, "ann", ReadKind.FIRST, 3, "5", SIGNED, 3.0, SIGNED, READING, final=SIGNED)


@pytest.fixture(scope="module")
def opened(tmp_path_factory, decoder):
    folder = write_four(tmp_path_factory.mktemp("exam"))
    with opened_exam([folder], decoder) as found:
        yield found


def saved(ds, folder):
    path = folder / "object.dcm"
    ds.save_as(path, enforce_file_format=True)
    return path


def said(item):
    """(name, value) of each item directly below a content item, as text."""
    found = []
    for child in item.ContentSequence:
        if child.ValueType in ("CODE", "NUM", "TEXT", "UIDREF", "PNAME"):
            value = {
                "CODE": lambda c: c.ConceptCodeSequence[0].CodeMeaning,
                "NUM": lambda c: (
                    float(c.MeasuredValueSequence[0].NumericValue),
                    c.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0].CodeValue,
                ),
                "TEXT": lambda c: c.TextValue,
                "UIDREF": lambda c: c.UID,
                "PNAME": lambda c: str(c.PersonName),
            }[child.ValueType](child)
            found.append((child.ConceptNameCodeSequence[0].CodeMeaning, value))
    return found


def groups(ds):
    """The measurement groups of an SR after TID 1500, by tracking identifier."""
    (measurements,) = [c for c in ds.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == "126010"]
    found = {}
    for group in measurements.ContentSequence:
        found.setdefault(dict(said(group))["Tracking Identifier"], []).append(group)
    return found


def side_of(group):
    (site,) = [c for c in group.ContentSequence if c.ConceptNameCodeSequence[0].CodeMeaning == "Finding Site"]
    return site.ContentSequence[0].ConceptCodeSequence[0].CodeMeaning if "ContentSequence" in site else None


def all_codes(*modules):
    def below(value):
        if isinstance(value, Code):
            yield value
        elif isinstance(value, dict):
            for each in value.values():
                yield from below(each)
        elif isinstance(value, tuple):
            for each in value:
                yield from below(each)

    return {code for module in modules for value in vars(module).values() for code in below(value)}


def test_every_standard_code_is_one_of_the_standard():
    for code in all_codes(codes, finding_codes, measurement_report):
        if code.scheme_designator in ("DCM", "SCT"):
            known = {value for names in dictionary.concepts[code.scheme_designator].values() for value in names}
            assert code.value in known, code


def test_two_long_words_of_ours_do_not_become_one_code():
    assert codes.own("suspicious lymph node", "a").value != codes.own("suspicious lymph nodes", "b").value


def test_a_reading_is_whole_and_on_its_side(opened, tmp_path):
    found = groups(pydicom.dcmread(saved(reading_object(READ, opened[1]), tmp_path)))
    first, second = found["finding 1"]
    assert dict(said(first))["Tracking Unique Identifier"] == dict(said(second))["Tracking Unique Identifier"]
    assert side_of(first) == side_of(second) == "Right"
    assert {
        ("Finding", "Mammographic breast mass"), ("Long axis", (12.5, "mm")), ("Shape", "round or oval"),
        ("Margins", "Indistinct lesion"), ("Margins", "Spiculated lesion"), ("Lesion Density", "High density lesion"),
        ("Quadrant location", "Upper outer quadrant of breast"), ("Clockface or region", "10 o'clock position"),
        ("Depth", "middle"), ("Assessment Category", "Category 4B: moderate suspicion for malignancy"),
        ("features", "nipple retraction"), ("features", "Skin thickening of breast"), ("suspicion", "4"),
    } <= set(said(first))  # fmt: skip
    assert side_of(found["finding 2"][0]) == "Left" and ("Finding", "other") in said(found["finding 2"][0])
    assert ("Finding", "Focal asymmetric breast tissue") in said(found["finding 3"][0])
    assert ("Assessment Category", "Category 4: suspicious abnormality") in said(found["right breast"][0])
    assert ("Assessment Category", "Category 1: negative") in said(found["left breast"][0])
    assert ("Mammographic breast mass", "absent") in said(found["left breast"][0])
    assert (side_of(found["right breast"][0]), side_of(found["left breast"][0])) == ("Right", "Left")
    assert ("Breast composition", "Heterogeneously dense") in said(found["exam"][0])


def test_marks_of_a_reading_lie_where_they_were_drawn(opened):
    first, second = groups(reading_object(READ, opened[1]))["finding 1"]
    for group, view, points in (
        (first, RCC, [10.5, 20.5, 30.5, 20.5, 30.5, 40.5, 10.5, 40.5, 10.5, 20.5]),
        (second, RMLO, [1.5, 2.5, 30.5, 2.5, 5.5, 9.5, 1.5, 2.5]),
    ):
        (place,) = [c for c in group.ContentSequence if c.ValueType == "SCOORD"]
        assert list(place.GraphicData) == points and place.GraphicType == "POLYLINE"
        assert place.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == opened[1][view].instance


def test_the_observer_of_a_reading_is_the_reader_and_notes_and_outcomes_stay_behind(opened, tmp_path):
    path = saved(reading_object(READ, opened[1]), tmp_path)
    ds = pydicom.dcmread(path)
    assert ("Person Observer Name", "ann^") in said(ds) and ("Observer Type", "Person") in said(ds)
    assert b"Mrs X" not in path.read_bytes() and b"malignancy" not in path.read_bytes().replace(b"for malignancy", b"")
    assert (ds.VerificationFlag, ds.PreliminaryFlag) == ("UNVERIFIED", "PRELIMINARY"), "for research, also where signed"
    assert ds.SeriesDescription == "RESEARCH: MV-MLM reading"
    assert ds.PatientID == opened[1][RCC].header.PatientID
    listed = [
        item.ReferencedSOPInstanceUID
        for series in ds.CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    ]
    assert set(listed) <= {source.instance for source in opened[1].values()} and len(listed) >= 3


def test_the_same_reading_is_the_same_object(opened, tmp_path):
    first = saved(reading_object(READ, opened[1]), tmp_path).read_bytes()
    assert saved(reading_object(READ, opened[1]), tmp_path).read_bytes() == first


def test_a_draft_and_a_mark_on_a_missing_view_are_refused(opened):
    with pytest.raises(ValueError, match="is a draft"):
        reading_object(replace(READ, signed=None), opened[1])
    with pytest.raises(ValueError, match="R_MLO: the reading has a mark on a view that the exam does not have"):
        reading_object(READ, {name: source for name, source in opened[1].items() if name != RMLO})


@pytest.fixture(scope="module")
def answered(opened, small_predictor):
    """A prediction with a map for each kind of finding: mass of R CC alone is not empty, distortion is not learned."""
    found = replace(
        small_predictor.predict(opened[0]),
        not_learned=frozenset({"distortion"}),
        calibrated=frozenset({"mass"}),
        finetuned={"asymmetry": "mine"},
    )
    maps = {
        target: {name: np.zeros((160, 120), np.float32) for name in STANDARD_VIEWS} for target in mark_targets(found)
    }
    (mass,) = [target for target in maps if target.task == "mass"]
    maps[mass][RCC][50:80, 30:60], maps[mass][RCC][60, 45] = 0.6, 0.8
    maps[mass][RCC][10:20, 30:60] = 0.5  # another place, which is not part of the strongest one
    return found, maps


def test_the_mark_of_a_map_is_its_strongest_place(opened, answered):
    (found,) = report_of(*answered).findings
    assert (found.view, found.kind, found.centre) == (RCC, "mass", (45, 60))
    assert found.certainty == pytest.approx(0.8)
    columns, rows = zip(*found.outline)
    assert (min(columns), max(columns), min(rows), max(rows)) == (30, 59, 50, 79)


def test_what_the_model_did_not_look_for_is_told_from_what_it_did_not_find(opened, answered):
    report = report_of(*answered)
    assert report.outcome("mass", RCC) is Outcome.FOUND and report.outcome("mass", LCC) is Outcome.NOTHING_FOUND
    assert report.outcome("calcification", RCC) is Outcome.NOTHING_FOUND
    assert report.outcome("distortion", RCC) is Outcome.NOT_ATTEMPTED
    assert "Not attempted: Architectural distortion" in report.impression


def test_the_answers_are_those_of_the_model_for_each_side(opened, answered, tmp_path):
    prediction = answered[0]
    ds = pydicom.dcmread(saved(prediction_object(prediction, opened[1], CREATED), tmp_path))
    found = groups(ds)
    assert ("Observer Type", "Device") in said(ds) and ("Device Observer Model Name", prediction.model) in said(ds)
    for side, word in ((R, "Right"), (L, "Left")):
        (group,) = found[f"mass, {word.lower()} breast"]
        assert side_of(group) == word
        percent, unit = dict(said(group))["Certainty of Finding"]
        assert (percent, unit) == (pytest.approx(100 * prediction.probability("mass", laterality=side), abs=1e-3), "%")
    assert "distortion, right breast" not in found
    (malignancy,) = found["malignancy, right breast"]
    assert "Malignancy, score, not calibrated" in dict(said(malignancy))
    assert ("Algorithm Name", prediction.model) in said(malignancy)
    assert ("Algorithm Name", f"{prediction.model}, head mine") in said(found["asymmetry, left breast"][0])


def test_a_presentation_state_shows_the_picture_as_before(opened, tmp_path):
    heat = np.zeros((160, 120), np.float32)
    heat[50:80, 30:60] = 0.6
    drawings = [Drawing(((3, 4),), "a"), Drawing(((3, 4), (30, 4), (30, 40)), "b")]
    ds = pydicom.dcmread(saved(marks_object(opened[1], RCC, drawings, heat, "demo", CREATED), tmp_path))
    source = opened[1][RCC].header
    (window,) = ds.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (source.WindowCenter, source.WindowWidth)
    assert (ds.ContentLabel, ds.PresentationLUTShape) == ("RESEARCH", "IDENTITY")
    marks, levels = ds.GraphicAnnotationSequence
    assert list(marks.GraphicObjectSequence[0].GraphicData) == [3.5, 4.5]
    assert list(marks.GraphicObjectSequence[1].GraphicData) == [3.5, 4.5, 30.5, 4.5, 30.5, 40.5, 3.5, 4.5]
    assert len(levels.GraphicObjectSequence) == 2  # 0.25 and 0.5
    assert ds.ReferencedSeriesSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID == opened[1][RCC].instance
    with pytest.raises(ValueError, match="no mark and no map"):
        marks_object(opened[1], RCC, [], None, "demo", CREATED)


def test_a_presentation_state_of_an_inverted_picture_is_inverted(tmp_path, decoder):
    write(tmp_path, RCC, inverted=True)
    with opened_exam([tmp_path], decoder) as (_, sources):
        ds = marks_object(sources, RCC, [Drawing(((3, 4),), "a")], None, "demo", CREATED)
    assert ds.PresentationLUTShape == "INVERSE"


def shown(opened, name):
    return without_text(opened[1][name].view)


def test_a_secondary_capture_names_its_source_and_is_never_taken_for_a_view(opened, decoder, tmp_path):
    heat = np.zeros((160, 120), np.float32)
    heat[50:80, 30:60] = 0.9
    path = saved(map_object(opened[1], RCC, shown(opened, RCC), heat, "mass", "demo", CREATED), tmp_path)
    ds = pydicom.dcmread(path)
    assert (ds.Rows, ds.Columns, ds.PhotometricInterpretation) == (160, 120, "RGB")
    assert ds.SourceImageSequence[0].ReferencedSOPInstanceUID == opened[1][RCC].instance
    red, grey = ds.pixel_array[65, 45].astype(int), ds.pixel_array[100, 20].astype(int)
    assert red[0] > red[2] + 20 and grey[0] == grey[1] == grey[2]
    assert (ds.pixel_array[-20:] == (255, 255, 0)).all(-1).any()  # the sentence at its foot
    write_four(tmp_path)
    exam = load_exam(tmp_path, decoder=decoder)
    assert set(exam.views) == set(STANDARD_VIEWS) and [item.file for item in exam.set_aside] == ["object.dcm"]


def test_dciodvfy_finds_no_error(opened, answered, tmp_path):
    heat = np.full((160, 120), 0.9, np.float32)
    for ds in (
        reading_object(READ, opened[1]),
        prediction_object(answered[0], opened[1], CREATED),
        marks_object(opened[1], LMLO, [Drawing(((3, 4),), "a")], heat, "demo", CREATED),
        map_object(opened[1], LMLO, shown(opened, LMLO), heat, "mass", "demo", CREATED),
    ):
        assert complaints(saved(ds, tmp_path)) == [], ds.SOPClassUID.name


def test_names_of_files_in_another_character_set_stay_as_they_are(tmp_path, decoder):
    def japanese(ds):
        ds.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
        ds.PatientName = "Yamada^Tarou=山田^太郎"

    write(tmp_path, RCC, edit=japanese)
    with opened_exam([tmp_path], decoder) as (_, sources):
        ds = marks_object(sources, RCC, [Drawing(((3, 4),), "a")], None, "demo", CREATED)
        assert str(pydicom.dcmread(saved(ds, tmp_path)).PatientName) == "Yamada^Tarou=山田^太郎"


@pytest.fixture
def stored(store, tmp_path, decoder):
    """The number of a stored exam with a final read of ann."""
    (outcome,) = import_exams(store, [write_four(tmp_path / "files")], decoder, "ann", named=True)
    read = store.readings.start(outcome.number, "ann")
    store.readings.save(read.id, Reading(), READING)
    store.readings.finalise(store.readings.sign(read.id).id)
    return outcome.number


def test_only_final_readings_of_a_stored_exam_are_written(store, stored, decoder):
    other = store.readings.start(stored, "bob")
    store.readings.save(other.id, Reading(), Reading({(None, "density"): "A"}))
    store.readings.sign(other.id)
    objects, problems = reading_objects(store, stored, decoder)
    assert sorted(objects) == ["read1_L_CC_marks.dcm", "read1_R_CC_marks.dcm", "read1_R_MLO_marks.dcm", "read1_sr.dcm"]
    assert problems == ["The second read of bob is not final, so it is not written."]


def test_a_final_reading_is_written_until_its_amendment_is_final(store, stored, decoder):
    later = store.readings.amend(1)
    objects, problems = reading_objects(store, stored, decoder)
    assert "read1_sr.dcm" in objects and problems == ["The first read of ann is not final, so it is not written."]
    store.readings.finalise(store.readings.sign(later.id).id)
    objects, problems = reading_objects(store, stored, decoder)
    assert f"read{later.id}_sr.dcm" in objects and "read1_sr.dcm" not in objects and problems == []


def test_the_commands_write_objects_that_open_again(store, stored, small_weights, opened, tmp_path, capsys):
    name = store.exams.get(stored).name
    store.close()
    out = tmp_path / "out"
    assert main(["dicom-readings", name, "--out", str(out), "--data", str(tmp_path / "data")]) == 0
    exam = str(tmp_path / "files")
    assert main(["dicom-objects", exam, "--out", str(out), "--weights", str(small_weights), "--maps"]) == 0
    assert "for research use only, not for diagnosis" in capsys.readouterr().out
    files = {path.name: pydicom.dcmread(path) for path in out.iterdir()}
    assert {"cad_sr.dcm", "answers_sr.dcm", "read1_sr.dcm"} <= set(files)
    assert all(ds.SeriesDescription.startswith("RESEARCH") for ds in files.values())
    assert read_cad_sr(out / "cad_sr.dcm", opened[1]).report.detections
    assert len({ds.SOPInstanceUID for ds in files.values()}) == len(files)


def test_the_commands_say_what_is_wrong(tmp_path, small_weights, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["dicom-objects", str(tmp_path), "--out", str(tmp_path / "file")]) == 1
    assert "is a file. Name a folder." in capsys.readouterr().err
    import cv2

    cv2.imwrite(str(tmp_path / "R_CC.png"), (small_view().pixels >> 4).astype(np.uint8))
    assert main(["dicom-objects", str(tmp_path / "R_CC.png"), "--out", str(tmp_path / "o")]) == 1
    assert "R_CC.png: not a DICOM file" in capsys.readouterr().err
