"""Pictures of a data set meet their rows: by the whole path, under the view that both the table and the file bear."""

import numpy as np
import pytest
from PIL import Image as Picture

from mvmlm.datasets.breasts import make_case
from mvmlm.datasets.case import Case, FindingBox, Image, SkippedRow
from mvmlm.datasets.data_folder import DataFolder, RefusedPath, normal_path, pictures_below
from mvmlm.datasets.registry import read_dataset
from mvmlm.datasets.usable import NoUsableExam
from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.pretraining.case_loading import load_case
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, cache_cases
from mvmlm.report.findings import ExamFindings
from tests.test_load import LCC, LMLO, RCC, RMLO, small_view, write

R, L = Laterality
SMALL = Preprocessing(rows=96, columns=64)


def put_view(root, path, name=RCC, edit=None, **facts):
    """Write a small DICOM view whose header says `name`."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    return write(place.parent, name, "p1", file=place.name, edit=edit, **facts)


def put_picture(root, path, level):
    """Write a PNG of a breast whose own grey level tells it from others."""
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    pixels = small_view().pixels // 16
    Picture.fromarray(np.where(pixels > 20, np.minimum(pixels + level, 255), pixels).astype(np.uint8)).save(place)


def loaded(root, decoder, *images, taken=None, **facts):
    case = make_case("e1", "p1", images, {}, **facts)
    return load_case(case, DataFolder(root), decoder, taken or {})


def cache(root, cases, decoder):
    """The lines of a caching run and the cache."""
    with ExamCacheWriter(root / "cache", SMALL) as writer:
        lines = list(cache_cases(cases, root, writer, SMALL, decoder))
    return lines, ExamCache(root / "cache")


def files(result):
    return {name: view.file for name, view in result.exam.views.items()}


def test_files_of_one_name_in_several_folders_keep_their_own_views_and_boxes(tmp_path, decoder):
    rows = [("right/CC.png", RCC), ("right/MLO.png", RMLO), ("left/CC.png", LCC), ("left/MLO.png", LMLO)]
    for number, (path, _) in enumerate(rows):
        put_picture(tmp_path, path, 20 * number)
    images = [Image(path, name, (FindingBox("mass", 10, 10 + n, 50, 60),)) for n, (path, name) in enumerate(rows)]
    for order in (images, images[::-1], [images[2], images[0], images[3], images[1]]):
        result = loaded(tmp_path, decoder, *order)
        assert files(result) == {name: path for path, name in rows} and result.problems == []
        for number, (path, name) in enumerate(rows):
            view, stored = result.exam.views[name], np.array(Picture.open(tmp_path / path))
            assert (view.pixels == stored).all() and view.name == name
            assert result.boxes[name][0].top == 10 + number


def test_own_table_with_one_file_name_for_every_side(tmp_path, decoder):
    header = "exam,patient,file,laterality,view,mass\n"
    rows = [
        f"e{n},p{n},{n}\\{side}\\CC.png,{letter},CC,{int(side == 'left')}\n"
        for n in (1, 2, 3) for side, letter in (("right", "R"), ("left", "L"))
    ]  # fmt: skip
    (tmp_path / "exams.csv").write_text(header + "".join(rows), encoding="utf-8")
    for n in (1, 2, 3):
        put_picture(tmp_path, f"{n}/right/CC.png", 0)
        put_picture(tmp_path, f"{n}/left/CC.png", 90)
    lines, cached = cache(tmp_path, read_dataset("table", tmp_path), decoder)
    assert lines == [] and len(cached) == 3
    for case in read_dataset("table", tmp_path):
        result = load_case(case, DataFolder(tmp_path), decoder, {})
        number = case.exam[1:]
        assert files(result) == {RCC: f"{number}/right/CC.png", LCC: f"{number}/left/CC.png"}


@pytest.mark.parametrize(
    "table, header, path, used, words",
    [
        (RCC, RCC, "a.dcm", RCC, ()),
        (LCC, RCC, "a.dcm", None, ("a.dcm", "the table says left", "ImageLaterality says right", "not used")),
        (LCC, RCC, "LEFT_CC/1.dcm", LCC, ("the table says left", "ImageLaterality says right", "used as L_CC")),
        (LCC, RCC, "right/LCC.dcm", None, ("the table says left", "ImageLaterality says right", "not used")),
        (RMLO, RCC, "a.dcm", RMLO, ("the table says MLO", "ViewCodeSequence says CC", "used as R_MLO")),
        (None, RCC, "a.dcm", RCC, ()),
    ],
)
def test_a_view_that_table_and_header_tell_differently_is_reported(tmp_path, decoder, table, header, path, used, words):
    put_view(tmp_path, path, header)
    result = loaded(tmp_path, decoder, Image(path, table))
    assert files(result) == ({used: path} if used else {})
    assert len(result.problems) == bool(words)
    assert all(word in result.problems[0] for word in words)


def test_words_of_the_path_against_the_table_are_reported_where_the_header_is_silent(tmp_path, decoder):
    put_picture(tmp_path, "left/CC.png", 0)
    result = loaded(tmp_path, decoder, Image("left/CC.png", RCC))
    assert files(result) == {RCC: "left/CC.png"}
    assert "the table says right, the folder's name says left" in result.problems[0]


def test_a_side_without_a_projection_is_compared_too(tmp_path, decoder):
    put_view(tmp_path, "a.dcm", RCC)
    result = loaded(tmp_path, decoder, Image("a.dcm", None, side=L))
    assert files(result) == {} and "the table says left, ImageLaterality says right" in result.problems[0]


def test_an_extra_view_is_never_a_standard_one(tmp_path, decoder):
    def magnified(ds):
        ds.EstimatedRadiographicMagnificationFactor = 1.8

    put_view(tmp_path, "a.dcm", RCC, edit=magnified)
    result = loaded(tmp_path, decoder, Image("a.dcm", RCC))
    assert files(result) == {} and "magnification" in result.problems[0]


def test_two_rows_of_one_file_that_name_two_views_leave_it_out(tmp_path, decoder):
    put_view(tmp_path, "a/1.dcm", RCC)
    result = loaded(tmp_path, decoder, Image("a/1.dcm", RCC), Image(".\\a\\1.dcm", LCC))
    assert files(result) == {} and "one row says R_CC, another L_CC" in result.problems[0]


def test_one_file_under_two_spellings_is_used_once(tmp_path, decoder):
    put_view(tmp_path, "LCC/1.dcm", LCC)
    result = loaded(tmp_path, decoder, Image("LCC/1.dcm", LCC), Image(f"{tmp_path}/LCC/1.DCM", LMLO))
    assert files(result) == {LCC: "LCC/1.dcm"} and "another row names the same file" in result.problems[0]


def test_two_rows_of_one_file_give_all_its_boxes(tmp_path):
    first, second = FindingBox("mass", 1, 2, 3, 4), FindingBox("calcification", 5, 6, 7, 8)
    case = make_case("e", "p", [Image("a.dcm", RCC, (first,)), Image("a.dcm", RCC, (second, first))], {})
    assert case.images == (Image("a.dcm", RCC, (first, second)),)


def test_of_two_files_of_one_view_the_more_suitable_one_is_used_and_both_are_named(tmp_path, decoder):
    put_view(tmp_path, "raw/1.dcm", RCC, for_processing=True)
    put_view(tmp_path, "done/1.dcm", RCC)
    box = FindingBox("mass", 1, 2, 30, 40)
    result = loaded(tmp_path, decoder, Image("raw/1.dcm", RCC), Image("done/1.dcm", RCC, (box,)))
    assert files(result) == {RCC: "done/1.dcm"} and result.boxes == {RCC: (box,)}
    assert result.problems == ["R_CC has several files: done/1.dcm is used, raw/1.dcm is not"]
    (tmp_path / "done" / "1.dcm").write_bytes(b"no picture")
    assert files(loaded(tmp_path, decoder, Image("raw/1.dcm", RCC), Image("done/1.dcm", RCC))) == {RCC: "raw/1.dcm"}


def test_a_file_of_two_exams_is_used_for_the_first_one_only(tmp_path, decoder):
    put_view(tmp_path, "1.dcm", RCC)
    put_view(tmp_path, "2.dcm", LCC)
    cases = [
        Case("e1", "p1", (Image("1.dcm", RCC),), ExamFindings()),
        Case("e2", "p2", (Image("1.dcm", RCC), Image("2.dcm", LCC)), ExamFindings()),
    ]
    for _ in range(2):  # the second time the first exam is in the cache already
        lines, cached = cache(tmp_path, cases, decoder)
        assert cached.names == ["e1", "e2"] and cached.present.sum(1).tolist() == [1, 1]
    (tmp_path / "other").mkdir()
    with ExamCacheWriter(tmp_path / "other", SMALL) as writer:
        lines = list(cache_cases(cases, tmp_path, writer, SMALL, decoder))
        assert lines == ["e2: 1.dcm: belongs to e1 already; a file is used for one exam only"]


@pytest.mark.parametrize(
    "written, normal",
    [
        ("a\\b\\1.dcm", "a/b/1.dcm"),
        ("./a//b/1.dcm", "a/b/1.dcm"),
        ("a/x/../1.dcm", "a/1.dcm"),
        ("/a/1.dcm", "/a/1.dcm"),
    ],
)
def test_paths_of_tables_are_brought_into_one_form(written, normal):
    assert normal_path(written) == normal


@pytest.mark.parametrize(
    "path", ["../1.dcm", "a/../../1.dcm", "..\\1.dcm", "/elsewhere/1.dcm", "C:\\x\\1.dcm", "", "."]
)
def test_a_path_out_of_the_folder_is_refused_and_said(tmp_path, decoder, path):
    (tmp_path / "root").mkdir()
    put_view(tmp_path, "1.dcm", RCC)
    with pytest.raises(RefusedPath):
        DataFolder(tmp_path / "root").find(path)
    result = loaded(tmp_path / "root", decoder, Image(path, RCC))
    assert files(result) == {} and len(result.problems) == 1


def test_extensions_in_another_case_and_absolute_paths_inside_the_folder_are_found(tmp_path):
    put_view(tmp_path, "a/1.DCM", RCC)
    folder = DataFolder(tmp_path)
    assert folder.find("a/1.dcm") == tmp_path / "a" / "1.DCM"
    assert folder.find(f"{tmp_path}/a/1.DCM") == tmp_path / "a" / "1.DCM"
    assert folder.find("a/2.dcm") is None and folder.find("b/1.dcm") is None


def test_links_that_lead_back_into_the_folder_are_followed_once(tmp_path):
    put_picture(tmp_path, "a/1.png", 0)
    put_picture(tmp_path, "b/2.png", 0)
    for link in ("again", "a/up", "b/up", "b/other"):
        (tmp_path / link).symlink_to(tmp_path / "a" if link == "b/other" else tmp_path, target_is_directory=True)
    (tmp_path / "c").symlink_to(tmp_path / "b", target_is_directory=True)
    assert [path.name for path in pictures_below(tmp_path)] == ["1.png", "2.png"]


def test_boxes_are_cut_at_the_edge_of_the_picture_and_counted(tmp_path, decoder):
    put_view(tmp_path, "1.dcm", RCC)  # 160 rows, 120 columns
    boxes = (
        FindingBox("mass", -10, 5, 30, 40), FindingBox("mass", 5, 5, 30, 40),
        FindingBox("calcification", 130, 5, 150, 40), FindingBox("mass", 9, 9, 9, 20),
        FindingBox("mass", float("nan"), 9, 9, 20),
    )  # fmt: skip
    result = loaded(tmp_path, decoder, Image("1.dcm", RCC, boxes))
    assert result.boxes[RCC] == (FindingBox("mass", 0, 5, 30, 40), FindingBox("mass", 5, 5, 30, 40))
    assert result.clipped == 1 and len(result.problems) == 3
    assert "calcification (130, 5, 150, 40) lies outside the picture of 120 × 160 pixels" in result.problems[0]
    lines, _ = cache(tmp_path, [Case("e", "p", (Image("1.dcm", RCC, boxes[:1]),), ExamFindings())], decoder)
    assert lines == ["1 box(es) reach beyond their picture and were cut at its edge"]


@pytest.mark.parametrize("letters", [("L", "A"), ("R", "P")])
def test_a_box_is_turned_with_its_picture(tmp_path, decoder, letters):
    upright = small_view(RCC).pixels
    turned = np.rot90(upright, 1 if letters[1] == "P" else 3)
    marked = turned.copy()
    marked[20:30, 70:90] = 4000

    def edit(ds):
        ds.PatientOrientation = list(letters)

    put_view(tmp_path, "1.dcm", RCC, pixels=np.ascontiguousarray(marked), edit=edit)
    result = loaded(tmp_path, decoder, Image("1.dcm", RCC, (FindingBox("mass", 70, 20, 90, 30),)))
    view, (box,) = result.exam.views[RCC], result.boxes[RCC]
    assert view.pixels.shape == upright.shape
    rows, columns = np.nonzero(view.pixels == 4000)
    assert (box.left, box.top, box.right, box.bottom) == (
        columns.min(), rows.min(), columns.max() + 1, rows.max() + 1,
    )  # fmt: skip


def test_a_stretched_picture_gets_its_shape_back_and_its_boxes_follow(tmp_path, decoder):
    put_picture(tmp_path, "1.png", 0)
    result = loaded(tmp_path, decoder, Image("1.png", RCC, (FindingBox("mass", 12, 10, 60, 40),), 0.375))
    assert result.exam.views[RCC].pixels.shape == (160, 60)
    assert result.boxes[RCC] == (FindingBox("mass", 6, 10, 30, 40),)


def test_a_picture_that_cannot_be_a_view_is_named(tmp_path, decoder):
    mask = (small_view().pixels > 100).astype(np.uint8) * 255
    Picture.fromarray(mask).save(tmp_path / "mask.png")
    Picture.fromarray(mask).save(tmp_path / "1.png")
    Picture.fromarray(np.zeros((160, 120), np.uint8)).save(tmp_path / "black.png")
    put_picture(tmp_path, "unnamed.png", 0)
    case = make_case(
        "e", "p", [Image("mask.png", RCC), Image("1.png", RCC), Image("black.png", LCC), Image("unnamed.png", None)], {}
    )
    lines = []
    with (
        ExamCacheWriter(tmp_path / "cache", SMALL) as writer,
        pytest.raises(NoUsableExam, match="none of 1 can be read"),
    ):
        for line in cache_cases([case], tmp_path, writer, SMALL, decoder):
            lines.append(line)
    assert all(any(name in line for line in lines) for name in ("mask.png", "1.png", "black.png", "unnamed.png"))


def test_nothing_usable_is_one_sentence_with_a_place_and_never_an_empty_cache(tmp_path, decoder):
    cases = [Case(f"e{n}", "p", (Image(f"images/{n}/1.dcm", RCC),), ExamFindings()) for n in range(3)]
    with ExamCacheWriter(tmp_path / "cache", SMALL) as writer, pytest.raises(NoUsableExam) as error:
        list(cache_cases(cases, tmp_path, writer, SMALL, decoder))
    assert str(error.value) == (
        "No exam usable: 3 of 3 files are missing; the first is looked for at "
        f"{tmp_path}/images/0/1.dcm; give the folder that holds images."
    )
    for folder in ("cache", "gone"):
        with pytest.raises(ValueError, match="holds no decoded exam"):
            ExamCache(tmp_path / folder)
    with (
        ExamCacheWriter(tmp_path / "none", SMALL) as writer,
        pytest.raises(NoUsableExam, match="name no exam with a picture. 1 × no image."),
    ):
        list(cache_cases([SkippedRow("row 1", "no image")], tmp_path, writer, SMALL, decoder))


def test_a_patient_in_two_splits_is_named_while_her_exams_are_decoded(tmp_path, decoder):
    cases = [
        Case(exam, patient, (Image(f"{exam}.dcm", RCC),), ExamFindings(), split=split)
        for exam, patient, split in (
            ("e1", "p", "train"),
            ("e2", "p", "test"),
            ("e3", "q", "train"),
            ("e4", "q", "train"),
        )
    ]
    for case in cases:
        put_view(tmp_path, case.images[0].path, RCC)
    with ExamCacheWriter(tmp_path / "cache", SMALL) as writer:
        lines = [line for line in cache_cases(cases, tmp_path, writer, SMALL, decoder) if "split" in line]
    assert len(lines) == 1 and lines[0].startswith("1 patient(s) have exams in more than one split, first p (test and")
