"""The rules for a display (docs/display.md) on files with planted faults, of several machines, sizes and views."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.display_check import DisplayEvents
from app.privacy import COOKIE
from app.viewer.pixel_server import PixelServer
from mvmlm.__main__ import main
from mvmlm.exam import Identity, Laterality, Orientation, Projection, Spacing, SpacingKind, ViewName
from mvmlm.imaging.display_check import (
    DISPLAYED,
    RULES,
    Verdict,
    check_display,
    check_view,
    displayed_orientation,
    verdict_of,
)
from mvmlm.imaging.hanging import hung, hung_orientation
from mvmlm.imaging.kept_copy import write_copy
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.technique import NOT_KEPT, technique_factors
from mvmlm.imaging.view_identification import VIEW_CODES
from mvmlm.imaging.voi import render
from mvmlm.store.archive import import_exams, open_stored_exam
from tests.conftest import waiting_upload
from tests.test_load import LCC, LMLO, RCC, RMLO, small_view, write

BACKGROUND = 20  # the value of the air in `small_view`


@pytest.fixture
def opened(tmp_path, decoder):
    """Write one file after an edit of its header, open it, and return its view."""

    def open_file(edit=lambda ds: None, name=RCC, **facts):
        path = write(tmp_path, name, edit=edit, **facts)
        exam = load_exam([path], decoder=decoder)
        return next(iter((*exam.views.values(), *exam.extra)))

    return open_file


def result(view, rule):
    return next(checked for checked in check_view(view) if checked.rule == rule)


def edited(**values):
    def edit(ds):
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return edit


def lut_item(vr, explanation="contrast"):
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [4096, 0, 12])
    entries = (np.arange(4096) // 2).astype("<u2")
    item.add_new("LUTData", vr, entries.tobytes() if vr == "OW" else entries.tolist())
    if explanation:
        item.LUTExplanation = explanation
    return item


def test_every_rule_is_walked_for_every_file(opened):
    views = [opened(), opened(name=LMLO)]
    found = check_display(views)
    of_pictures = set(RULES) - {12}  # that one is of other objects: tests/test_others_marks.py
    assert {checked.rule for checked in found} == of_pictures
    assert all(len([c for c in found if c.rule == rule]) == (1 if rule == 5 else 2) for rule in of_pictures)
    assert [checked.rule for checked in found] == sorted(checked.rule for checked in found)


def test_several_windows_need_an_explanation(opened):
    named = edited(WindowCenter=[2000, 1500], WindowWidth=[3000, 900], WindowCenterWidthExplanation=["NORMAL", "HARD"])
    view = opened(named)
    assert result(view, 1).verdict is Verdict.PASS and "“NORMAL”, “HARD”" in result(view, 1).text
    nameless = opened(edited(WindowCenter=[2000, 1500], WindowWidth=[3000, 900]))
    assert result(nameless, 1).verdict is Verdict.FAIL
    same = edited(WindowCenter=[2000, 1500], WindowWidth=[3000, 900], WindowCenterWidthExplanation=["A", "A"])
    assert result(opened(same), 1).verdict is Verdict.FAIL
    broken = edited(WindowCenter=[2000, 1500], WindowWidth=[3000, -1], WindowCenterWidthExplanation=["A", "B"])
    assert result(opened(broken), 1).verdict is Verdict.FAIL


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_every_window_function_passes_and_an_unknown_one_fails(opened, function):
    assert result(opened(edited(VOILUTFunction=function)), 2).verdict is Verdict.PASS
    assert result(opened(edited(VOILUTFunction="CUBIC")), 2).verdict is Verdict.FAIL


def test_lut_data_as_ow_and_as_us_give_the_same_picture(opened):
    pictures = {}
    for vr in ("OW", "US"):
        view = opened(edited(VOILUTSequence=Sequence([lut_item(vr)])))
        assert result(view, 3) == replace(result(view, 3), verdict=Verdict.PASS, text=f"1 VOI LUT, data as {vr}.")
        pictures[vr] = render(view, view.windows[0])
    assert (pictures["OW"] == pictures["US"]).all() and pictures["OW"].any()


def test_a_lut_with_too_few_entries_fails(opened):
    def cut(ds):
        item = lut_item("OW")
        item.LUTData = item.LUTData[:100]
        ds.VOILUTSequence = Sequence([item])

    assert result(opened(cut), 3).verdict is Verdict.FAIL
    assert result(opened(), 3).verdict is Verdict.NOT_SHOWN


@pytest.mark.parametrize("projection", DISPLAYED)
@pytest.mark.parametrize("side", Laterality)
@pytest.mark.parametrize("row", "AP")
@pytest.mark.parametrize("head_up", [True, False])
def test_every_view_code_hangs_as_the_profile_says_however_it_is_stored(projection, side, row, head_up):
    """The picture itself is turned with its letters: a mark at the chest wall, up, comes to the wanted corner."""
    name = ViewName(side, projection)
    stored = Orientation.of(name, chest_wall_left=row == "A", head_up=head_up)
    pixels = np.zeros((40, 30), np.uint16)
    pixels[0 if head_up else -1, 0 if row == "A" else -1] = 1
    view = replace(small_view(name, pixels), orientation=stored)
    craniocaudal = projection.value in ("CC", "XCC", "XCCL", "XCCM", "FB")
    wanted = {"L": "AR", "R": "PL"}[side.value] if craniocaudal else {"L": "AF", "R": "PF"}[side.value]
    assert hung_orientation(view) == displayed_orientation(name) == tuple(wanted)
    corner = hung(pixels, view)[0, 0 if side is Laterality.LEFT else -1]
    assert corner == 1  # left breasts have the chest wall at the left edge, right ones at the right: back to back


def test_the_codes_of_every_view_are_known(opened):
    assert {VIEW_CODES[code] for code in ("399162004", "399265009", "399192008", "399101009", "399196006")} == {
        Projection.CC, Projection.XCC, Projection.XCCL, Projection.XCCM, Projection.FB,
    }  # fmt: skip

    def edit(ds):
        ds.ViewCodeSequence[0].CodeValue = "399265009"
        ds.ViewPosition = "XCC"

    view = opened(edit)
    assert view.name == ViewName(Laterality.RIGHT, Projection.XCC)
    assert result(view, 4).text == "R XCC hangs P\\L." and result(view, 4).verdict is Verdict.PASS


def test_without_patient_orientation_the_fourth_rule_fails(opened):
    def without(ds):
        del ds.PatientOrientation

    assert result(opened(without), 4).verdict is Verdict.FAIL
    assert result(opened(), 4).verdict is Verdict.PASS


def spaced(name, mm, kind=SpacingKind.DETECTOR):
    return small_view(name, spacing=mm and Spacing(mm, mm, kind))


@pytest.mark.parametrize(
    ("spacings", "verdict"),
    [
        ([(0.07, SpacingKind.DETECTOR), (0.05, SpacingKind.DETECTOR)], Verdict.PASS),
        ([(0.07, SpacingKind.DETECTOR), (0.07, SpacingKind.DETECTOR)], Verdict.NOT_SHOWN),
        ([(0.07, SpacingKind.DETECTOR), (None, None)], Verdict.FAIL),
        ([(0.07, SpacingKind.DETECTOR), (0.05, SpacingKind.UNSPECIFIED)], Verdict.FAIL),
    ],
)
def test_views_of_two_detectors_need_pixel_sizes_of_one_meaning(spacings, verdict):
    views = [spaced(name, mm, kind) for name, (mm, kind) in zip((RCC, LCC), spacings, strict=True)]
    assert verdict_of(5, check_display(views)) is verdict


def test_true_size_needs_a_pixel_size():
    assert result(spaced(RCC, 0.07), 6).verdict is Verdict.BROWSER_ONLY
    assert result(spaced(RCC, None), 6).verdict is Verdict.NOT_SHOWN


def padded(value, limit=None):
    def edit(ds):
        ds.add_new("PixelPaddingValue", "US", value)
        if limit is not None:
            ds.add_new("PixelPaddingRangeLimit", "US", limit)

    return edit


@pytest.mark.parametrize(
    ("padding", "verdict"),
    [
        (padded(0, BACKGROUND), Verdict.PASS),
        (padded(BACKGROUND), Verdict.PASS),
        (padded(7), Verdict.FAIL),  # of no pixel
        (padded(0, 1700), Verdict.FAIL),  # of the breast too
        (lambda ds: None, Verdict.NOT_SHOWN),
    ],
)
def test_padding_that_is_not_the_air_is_told(tmp_path, decoder, phantom, padding, verdict):
    shown = phantom.exam.views[RMLO]
    low = int(shown.pixels.min())
    air = np.where(render(shown) == 0, BACKGROUND, np.maximum(shown.pixels - low, BACKGROUND + 1)).astype(np.uint16)
    view = load_exam([write(tmp_path, RMLO, edit=padding, pixels=air)], decoder=decoder)
    assert verdict_of(7, check_display([*view.views.values(), *view.extra])) is verdict


def with_technique(ds):
    ds.PatientName, ds.PatientID, ds.PatientBirthDate, ds.PatientAge = "Roe^Jane", "A17", "19600203", "066Y"
    ds.KVP, ds.ExposureInuAs, ds.BodyPartThickness, ds.CompressionForce = "29", "81000", "54", "98"
    ds.OrganDose, ds.EntranceDoseInmGy = "0.0132", "5.1"
    ds.OperatorsName, ds.InstitutionName = ["Poe^Ada", "Lee^Ann"], "St Anne"
    ds.Manufacturer, ds.ManufacturerModelName = "Maker", "One"


def test_every_technique_factor_of_a_file_is_shown(opened):
    view = opened(with_technique)
    assert result(view, 8).verdict is Verdict.PASS
    assert dict(technique_factors(view)) == {
        "patient": "Roe Jane", "patient ID": "A17", "born": "1960-02-03", "age": "66 years", "date": "2026-01-01",
        "view": "R CC", "tube voltage": "29 kVp", "exposure": "81 mAs", "compressed thickness": "54 mm",
        "compression force": "98 N", "dose": "1.32 mGy organ, 5.1 mGy entrance", "operator": "Poe Ada, Lee Ann",
        "institution": "St Anne", "machine": "Maker One",
    }  # fmt: skip
    assert dict(technique_factors(opened(edited(OperatorsName="Poe^Ada"))))["operator"] == "Poe Ada"
    lacking = result(opened(), 8)
    assert lacking.verdict is Verdict.NOT_SHOWN and "compression force" in lacking.text


def test_a_stored_exam_says_that_names_are_not_kept(opened):
    factors = dict(technique_factors(replace(opened(with_technique), identity=None)))
    assert {factors[name] for name in ("patient", "patient ID", "born", "operator", "institution")} == {NOT_KEPT}
    assert factors["compression force"] == "98 N"


@pytest.mark.parametrize("copied", [False, True])
def test_an_exam_opens_from_the_store_without_the_names_of_its_files(store, tmp_path, decoder, copied):
    (tmp_path / "files").mkdir()
    write(tmp_path / "files", LMLO, edit=with_technique)
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=copied)
    (view,) = open_stored_exam(store, outcome.number, decoder).views.values()
    factors = dict(technique_factors(view))
    assert view.identity is None and factors["patient"] == factors["operator"] == NOT_KEPT
    assert factors["compression force"] == "98 N" and factors["dose"] == "1.32 mGy organ, 5.1 mGy entrance"


def test_no_name_stands_in_what_a_view_prints(opened):
    view = opened(with_technique)
    person = ("Roe^Jane", "A17", "19600203", "St Anne", "Poe^Ada, Lee^Ann")
    assert view.identity == Identity(*person, view.identity.study_uid, view.identity.instance_uid)
    assert not any(word in repr(replace(view, pixels=view.pixels[:1, :1])) for word in ("Roe", "A17", "Anne", "Poe"))


def partial(ds):
    ds.PartialView = "YES"
    part = Dataset()
    part.CodeValue, part.CodingSchemeDesignator, part.CodeMeaning = "264217000", "SCT", "Superior"
    ds.PartialViewCodeSequence = Sequence([part])


def test_a_partial_view_is_recognised_and_says_so(opened):
    view = opened(partial)
    assert view.partial == "superior" and result(view, 10).verdict is Verdict.PASS
    assert [mark.code for mark in view.marks].count("partial-view") == 1
    assert result(opened(edited(PartialView="YES")), 10).verdict is Verdict.FAIL
    assert result(opened(edited(PartialView="NO")), 10).verdict is Verdict.NOT_SHOWN


def test_a_copy_keeps_the_part_and_the_technique(opened, tmp_path, decoder):
    view = opened(lambda ds: (partial(ds), with_technique(ds)))
    write_copy(view, tmp_path / "copy.dcm", "patient", "study")
    copy = load_exam([tmp_path / "copy.dcm"], decoder=decoder).views[RCC]
    assert copy.partial == "superior" and copy.acquisition == view.acquisition
    assert b"Roe" not in (tmp_path / "copy.dcm").read_bytes() and b"Anne" not in (tmp_path / "copy.dcm").read_bytes()


def test_a_description_never_wins_against_the_codes(opened):
    view = opened(edited(SeriesDescription="R CC"), LMLO)
    checked = result(view, 11)
    assert view.name == LMLO and checked.verdict is Verdict.PASS
    assert "Hangs by ImageLaterality and ViewCodeSequence." in checked.text and "SeriesDescription" in checked.text


def test_a_missing_view_code_is_told(opened):
    def without(ds):
        del ds.ViewCodeSequence

    def words_only(ds):
        del ds.ViewCodeSequence, ds.ViewPosition, ds.ImageLaterality
        ds.SeriesDescription = "R CC"

    assert "ViewPosition" in result(opened(without), 11).text
    for edit in (without, words_only):
        assert result(opened(edit), 11).verdict is Verdict.FAIL
    assert "a guess that is marked" in result(opened(words_only), 11).text


def test_the_command_tells_pass_fail_and_what_only_a_browser_shows(tmp_path, capsys):
    write(tmp_path, RCC, edit=with_technique, spacing=Spacing(0.07, 0.07, SpacingKind.DETECTOR))
    write(tmp_path, LCC, edit=with_technique, spacing=Spacing(0.05, 0.05, SpacingKind.DETECTOR), patient="p2")
    assert main(["check-display", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    assert "(5) same size across detectors: pass" in text and "browser only: all views at one scale" in text
    write(tmp_path, RMLO, edit=padded(7))
    assert main(["check-display", str(tmp_path), "--json"]) == 3
    rules = {rule["rule"]: rule for rule in json.loads(capsys.readouterr().out)["rules"]}
    assert rules[7]["verdict"] == "fail" and [f["file"] for f in rules[7]["files"] if f["verdict"] == "fail"] == [
        "R_MLO.dcm"
    ]
    assert rules[9]["verdict"] == "browser only"


def test_the_command_without_a_picture_ends_with_two(tmp_path, capsys):
    (tmp_path / "note.txt").write_text("no picture", encoding="utf-8")
    assert main(["check-display", str(tmp_path)]) == 2
    assert "note.txt" in capsys.readouterr().err


def ask(cookie):
    return SimpleNamespace(cookies={COOKIE: cookie} if cookie else {})


def test_dropped_files_are_checked_for_their_own_visitor_and_deleted(tmp_path, decoder):
    path = waiting_upload(write(tmp_path, RMLO, edit=padded(7)))
    events = DisplayEvents(decoder)
    with pytest.raises(gr.Error):
        events.check([path], ask(""))
    with pytest.raises(gr.Error):
        events.check([path], ask("bob"))
    emptied, page = events.check([path], ask("ann"))
    assert emptied is None and 'data-rule="7"' in page and "No pixel has a padding value" in page
    assert "browser only: 1:1 pixels" in page and not Path(path).exists()
    assert events.check(None, ask("ann")) == (None, "")


def test_a_dropped_name_is_text_and_never_code(tmp_path, decoder):
    path = waiting_upload(write(tmp_path, RCC, file="R_CC ${40+2} `x`.dcm"))
    page = DisplayEvents(decoder).check([path], ask("ann"))[1]
    assert "${" not in page and "`" not in page and "40+2" in page


def served(views, owner="ann"):
    pixels = PixelServer()
    return TestClient(Starlette(routes=pixels.routes())), pixels.put(tuple(views), owner)


def test_factors_and_results_are_served_to_the_visitor_who_opened_the_files(opened):
    views = [opened(with_technique), opened(name=LMLO)]
    client, token = served(views)
    for what in ("technique", "display-check"):
        assert client.get(f"/viewer/{token}/0/{what}").status_code == 404
        assert client.get(f"/viewer/{token}/0/{what}", cookies={COOKIE: "bob"}).status_code == 404
    factors = client.get(f"/viewer/{token}/0/technique", cookies={COOKIE: "ann"})
    assert {"name": "patient", "value": "Roe Jane"} in factors.json() and factors.headers["cache-control"] == "no-store"
    rules = client.get(f"/viewer/{token}/1/display-check", cookies={COOKIE: "ann"}).json()["rules"]
    assert [rule["rule"] for rule in rules] == list(RULES) and len(rules[3]["files"]) == 2
