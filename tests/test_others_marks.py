"""Marks of other programs on the page: offered, sent only once they are asked for, and recorded with the read."""

import shutil

import pytest

from app.display_check import DisplayEvents
from app.read.others_marks import OthersMarksEvents
from app.read.visit import Visit
from mvmlm.__main__ import main
from mvmlm.dicom_objects.cad_report import CadReport
from mvmlm.dicom_objects.cad_sr import cad_sr_object
from mvmlm.dicom_objects.presentation_state import Drawing, marks_object
from mvmlm.dicom_objects.sources import opened_exam
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.exchange.fhir import shown_before
from mvmlm.store.records import SAW_MARKS
from tests.test_app import ANN, BOB, upload
from tests.test_cad_sr import CREATED, MODEL
from tests.test_foreign_marks import OUTLINE, REPORT
from tests.test_load import write_four
from tests.test_read_events import page, room  # noqa: F401  (fixtures)

RCC, LCC, RMLO, LMLO = STANDARD_VIEWS


def write_objects(folder, decoder, report=REPORT, edit=None):
    """A CAD SR and a presentation state of R CC beside the four views of a folder."""
    with opened_exam([folder], decoder) as (_, sources):
        cad = cad_sr_object(report, sources, MODEL, CREATED)
        state = marks_object(sources, RCC, [Drawing(OUTLINE, "a mass")], None, "ann", CREATED)
        for ds, name in ((cad, "cad.dcm"), (state, "state.dcm")):
            if edit:
                edit(ds)
            ds.save_as(folder / name, enforce_file_format=True)
    return folder


@pytest.fixture
def files(tmp_path, decoder):
    return write_objects(write_four(tmp_path / "exam"), decoder)


@pytest.fixture
def opened(room, files):  # noqa: F811
    """The visit of the exam with its objects, and what the page shows."""
    return room.opened(room.exam.open_folder(upload(files), Visit(), ANN))


def ask(room, visit):  # noqa: F811
    """The visit and the viewer's property after the reader asked."""
    after, viewer, *_ = OthersMarksEvents(room.store).show(visit.token, visit, ANN)
    return after, viewer.props["others"]


def others(updates):
    return updates["viewer"].props["others"]


def test_nothing_of_the_marks_is_sent_before_the_reader_asks(opened):
    visit, updates = opened
    assert others(updates) == {"exam": visit.pixel_token, "objects": 2, "shown": None}
    assert "Shift+O" in updates["message"] and "cad.dcm" in updates["message"]
    assert "mass" not in updates["message"]


def test_each_mark_is_sent_with_the_picture_that_it_names(room, opened):  # noqa: F811
    visit, value = ask(room, opened[0])
    shown = value["shown"]
    assert [(source["letter"], source["file"], source["marks"]) for source in shown["sources"]] == [
        ("A", "cad.dcm", 1), ("B", "state.dcm", 2),
    ]  # fmt: skip
    assert shown["sources"][0]["told"] == ["1 × a mark that the program itself does not want to be shown"]
    ports = {port["view"]: port["address"] for port in opened[1]["viewer"].value["ports"]}
    assert {mark["address"] for mark in shown["marks"]} == {ports["R_CC"]}
    assert shown["marks"][0]["points"] == [list(point) for point in OUTLINE]
    said = {one["address"]: one["text"] for one in shown["statements"]}
    assert set(said) == set(ports.values()) and said[ports["L_CC"]].startswith("nothing found: mass")


def test_a_read_that_has_seen_them_is_informed_and_the_history_says_by_what(room, opened):  # noqa: F811
    visit = room.start(opened[0])
    assert not visit.read.informed
    visit, value = ask(room, visit)
    assert value["shown"] and visit.read.informed and visit.read.model_shown is None
    assert room.store.readings.get(visit.read.id).informed
    (line,) = [row for row in room.store.file.history(f"reading {visit.read.id}") if row["what"] == SAW_MARKS]
    assert "MV-MLM" in line["after"]
    visit, updates = room.answer(visit, "exam-density", "B")
    assert "marks of other programs, were seen before it was signed" in updates["reading-status"]
    assert ask(room, visit)[0].read.informed, "asked again, it is recorded once"
    lines = [row["what"] for row in room.store.file.history(f"reading {visit.read.id}")]
    assert lines.count(SAW_MARKS) == 1


def test_a_read_started_after_they_were_seen_is_informed_and_another_readers_is_not(room, opened):  # noqa: F811
    visit, _ = ask(room, opened[0])
    visit, updates = room.opened(room.form.start(visit.token, "Ann", False, "", visit, ANN))
    assert visit.read.informed and others(updates)["shown"], "the marks stay on the pictures"
    visit, updates = room.opened(room.form.start(visit.token, "Ben", False, "", visit, ANN))
    assert not visit.read.informed and others(updates)["shown"] is None


def test_a_signed_read_is_final_once_they_are_seen_and_its_amendment_is_informed(room, opened):  # noqa: F811
    visit, _ = room.read_and_sign(opened[0], "Ann", exam_density="B")
    visit, _ = ask(room, visit)
    read = room.store.readings.get(visit.read.id)
    assert read.final and not read.informed
    assert room.store.readings.amend(read.id).informed


def test_no_answer_of_the_model_is_ascribed_to_a_read_that_saw_marks_alone(room, opened):  # noqa: F811
    visit, _ = ask(room, room.start(opened[0]))
    visit, _ = room.answer(visit, "exam-density", "B")
    visit, _ = room.changed(room.form.sign(visit.token, "", visit, ANN))
    read = room.store.readings.mark_informed(visit.read.id)
    assert read.informed and read.model_shown
    assert shown_before([{"at": read.started}], read) == []


def test_the_marks_go_with_the_exam_and_an_exam_of_the_store_has_none(room, opened):  # noqa: F811
    visit = room.start(opened[0])
    stored, updates = room.opened(room.exam.open_stored(visit.exam_number, "", Visit(), ANN))
    assert stored.others == () and others(updates)["objects"] == 0
    with pytest.raises(Exception, match="another visitor"):
        OthersMarksEvents(room.store).show(visit.token, visit, BOB)


def test_a_picture_that_gets_another_name_keeps_its_own_marks_unless_the_report_contradicts(room, opened):  # noqa: F811
    visit, _ = ask(room, opened[0])
    visit, _ = room.correct(visit, "R_CC.dcm", "not a standard view")
    value = ask(room, visit)[1]
    state = [mark for mark in value["shown"]["marks"] if mark["source"] == "B"]
    served = {view.file: f"viewer/{visit.pixel_token}/{number}/" for number, view in enumerate(
        (*visit.exam.views.values(), *visit.exam.extra))}  # fmt: skip
    assert {mark["address"] for mark in state} == {served["R_CC.dcm"]}


def test_objects_of_another_woman_are_named_and_not_shown(room, tmp_path, decoder):  # noqa: F811
    folder = write_objects(write_four(tmp_path / "e"), decoder, edit=lambda ds: setattr(ds, "PatientID", "else"))
    visit = room.opened(room.exam.open_folder(upload(folder), Visit(), ANN))[0]
    shown = ask(room, visit)[1]["shown"]
    assert shown["marks"] == shown["statements"] == []
    assert all("another patient" in source["told"][0] for source in shown["sources"])


def test_a_report_without_attempts_is_said_in_words(room, tmp_path, decoder):  # noqa: F811
    folder = write_objects(write_four(tmp_path / "e"), decoder, CadReport(STANDARD_VIEWS))
    visit = room.opened(room.exam.open_folder(upload(folder), Visit(), ANN))[0]
    said = [one["text"] for one in ask(room, visit)[1]["shown"]["statements"] if one["source"] == "A"]
    assert said == ["not attempted on this picture"] * 4


def test_the_check_of_a_display_walks_the_objects_too(files, decoder, capsys, tmp_path):
    """The mark that CAD does not want shown is no fault; one that lies beside its picture is."""
    assert main(["check-display", str(files)]) in (0, 3)
    assert "(12) marks of other programs on request, in their place: pass" in capsys.readouterr().out
    _, html = DisplayEvents(decoder).check(upload(files), ANN)
    assert 'data-rule="12"' in html and "marks: 1 to show, 1 that it does not want shown" in html

    def beside(ds):
        if "GraphicAnnotationSequence" in ds:
            ds.GraphicAnnotationSequence[0].GraphicObjectSequence[0].GraphicData = [900.0, 900.0] * 4

    folder = write_objects(write_four(tmp_path / "beside"), decoder, edit=beside)
    main(["check-display", str(folder)])
    told = capsys.readouterr().out
    assert "in their place: fail" in told and "state.dcm: fail. Not shown: 1 × a mark outside its picture" in told


def test_objects_come_with_a_zip_and_with_the_exam_that_is_chosen_of_several(room, files, tmp_path, decoder):  # noqa: F811
    packed = tmp_path / "upload"
    packed.mkdir()
    shutil.make_archive(str(packed / "exam"), "zip", files)
    visit = room.opened(room.exam.open_folder(upload(packed), Visit(), ANN))[0]
    assert [loaded.file for loaded in visit.others] == ["cad.dcm", "state.dcm"] and len(
        ask(room, visit)[1]["shown"]["marks"]
    ) == 3
    both = tmp_path / "both"
    shutil.copytree(files, both / "one")
    write_objects(write_four(both / "two", patient="p2"), decoder)
    shutil.make_archive(str(packed / "exam"), "zip", both)
    visit, updates = room.opened(room.exam.open_folder(upload(packed), Visit(), ANN))
    choice = next(one[0] for one in updates["which-exam"].choices if "one/" in one[0])
    visit, _ = room.opened(room.exam.choose(visit.token, choice, visit, ANN))
    shown = ask(room, visit)[1]["shown"]
    told = {source["file"]: source["told"] for source in shown["sources"]}
    assert len(shown["marks"]) == 3 and len(told) == 4
    assert all("another patient" in told[name][0] for name in ("two/cad.dcm", "two/state.dcm"))
