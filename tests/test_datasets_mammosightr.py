"""MammosighTR: a breast's category is reported where it is its own, and quadrants without a kind are listed."""

import json
from collections import Counter

import pytest

from mvmlm.datasets.case import DatasetError
from mvmlm.exam import Laterality
from tests.dataset_tables import mammosightr, put, read_cases, real_tables, sightr_entry

R, L = Laterality
NOT_SURE = "the woman's category, or a 1 filled in: not known to be this breast's own"


@pytest.fixture
def found(tmp_path):
    mammosightr(tmp_path)
    return read_cases("mammosightr", tmp_path)


@pytest.mark.parametrize("woman, right, left", [
    ("one", None, "4"), ("none", None, None), ("both", None, None), ("benign", "2", "2"), ("clear", "1", "1"),
])  # fmt: skip
def test_a_category_is_taken_where_it_is_known_to_be_the_breasts_own(found, woman, right, left):
    case = found[woman]
    assert (case.findings.right.birads, case.findings.left.birads) == (right, left)
    unsure = sum(birads is None for birads in (right, left))
    assert [word.reason for word in case.unread if word.column == "birads"] == [NOT_SURE] * unsure
    assert {side: labels.get("birads") for side, labels in case.breast_labels.items()} == {
        side: int(birads) - 1 if birads else None for side, birads in ((R, right), (L, left))
    }


def test_bi_rads_0_is_kept_and_a_breast_without_pictures_has_no_findings(found):
    assert found["open"].findings.left.birads == "0" and found["open"].findings.right is None


def test_composition_is_the_density_of_both_breasts(found):
    assert found["one"].findings.left.density == found["one"].findings.right.density == "B"


def test_places_without_a_kind_of_finding_are_listed_and_never_told_as_findings(found):
    assert not any(
        side.present for case in found.values() for side in (case.findings.left, case.findings.right) if side
    )
    places = Counter(
        word.word for case in found.values() for word in case.unread if word.column == "findings_locations"
    )
    assert places == {"upper outer": 4, "retroareolar": 1, "lower inner": 2}


def test_pictures_are_found_in_both_layouts(found):
    paths = {str(image.name): image.path for image in found["one"].images}
    assert paths["L_CC"] == "all_pngs/one/LCC.png" and paths["R_MLO"] == "one/RMLO.png"


@pytest.mark.parametrize("text, message", [
    ("[", "not a JSON file"), ("{}", "expected a list"), ('[{"patient_id": 1}]', "entry 1 has no image_filename"),
])  # fmt: skip
def test_a_damaged_file_is_refused_with_a_sentence(tmp_path, text, message):
    put(tmp_path, "metadata_image_level.json", text)
    with pytest.raises(DatasetError, match=message):
        read_cases("mammosightr", tmp_path)


def test_rows_of_a_breast_that_disagree_are_listed(tmp_path):
    entries = [sightr_entry("p", "left", "CC", 4, ["x"], 4, "B"), sightr_entry("p", "left", "MLO", 4, ["x"], 4, "C")]
    put(tmp_path, "metadata_image_level.json", json.dumps(entries))
    case = read_cases("mammosightr", tmp_path)["p"]
    assert case.findings.left.density is None and "breast_composition" in case.contradictions[0]


def test_the_real_table_agrees_with_an_independent_count():
    folder = real_tables("mammosightr")
    with open(folder / "metadata_image_level.json", encoding="utf-8") as file:
        breasts = {(entry["patient_id"], entry["laterality"]): entry for entry in json.load(file)}
    cases = read_cases("mammosightr", folder).values()
    found = [side for case in cases for side in (case.findings.left, case.findings.right) if side]
    assert Counter(side.density for side in found) == Counter(entry["breast_composition"] for entry in breasts.values())
    listed = Counter(word.word for case in cases for word in case.unread if word.column == "birads")
    taken = Counter(side.birads for side in found if side.birads)
    assert taken + listed == Counter(str(entry["birads"]) for entry in breasts.values())
