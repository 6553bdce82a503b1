"""The trees of public data sets as users have them, made up of small files: each row finds its own picture."""

import pytest

from mvmlm.datasets.cbis_files import CbisFiles
from mvmlm.datasets.data_folder import DataFolder
from mvmlm.datasets.embed_files import EmbedFiles, embed_table
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.pretraining.case_loading import load_case
from tests.test_case_loading import put_view

UID = "1.3.6.1.4.1.9590.100.1.2"
HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
    "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
)
SIDES = {"R": "RIGHT", "L": "LEFT"}


def folder_of(woman, name):
    return f"Mass-Test_P_{woman:05d}_{SIDES[name.laterality.value]}_{name.projection.value}"


def uids(woman, name):
    number = 10 * woman + STANDARD_VIEWS.index(name)
    return f"{UID}.1{number}", f"{UID}.2{number}"


TREES = {
    "as the table names it": lambda w, n: f"{folder_of(w, n)}/{'/'.join(uids(w, n))}/000000.dcm",
    "TCIA": lambda w, n: f"CBIS-DDSM/{folder_of(w, n)}/08-29-2017-DDSM-NA-{w}/1.000000-full mammogram images-639/1-1.dcm",
    "manifest": lambda w, n: f"manifest-1/CBIS-DDSM/{folder_of(w, n)}/07-20-2016-{uids(w, n)[0]}/1-{uids(w, n)[1]}/1-1.dcm",
    "UIDs, 1-1.dcm": lambda w, n: f"CBIS-DDSM/{folder_of(w, n)}/{'/'.join(uids(w, n))}/1-1.dcm",
    "other case": lambda w, n: f"{folder_of(w, n)}/{'/'.join(uids(w, n))}/000000.DCM",
    "by series": lambda w, n: f"jpeg/{uids(w, n)[1]}/1-1.dcm",
}  # fmt: skip


def cbis(root, tree, women=4):
    rows = []
    for woman in range(women):
        for name in STANDARD_VIEWS:
            put_view(root, tree(woman, name), name)
            path = TREES["as the table names it"](woman, name)
            side = SIDES[name.laterality.value]
            rows.append(
                f'P_{woman:05d},2,{side},{name.projection.value},1,mass,OVAL,OBSCURED,4,BENIGN,3,{path},c,"m\n"\n'
            )
    (root / "mass_case_description_test_set.csv").write_text(HEADER + "".join(rows), encoding="utf-8")


@pytest.mark.parametrize("tree", TREES)
def test_four_women_of_cbis_whose_files_all_have_one_name(tmp_path, decoder, tree):
    cbis(tmp_path, TREES[tree])
    found = list(read_dataset("cbis", tmp_path))
    assert len(found) == 4
    for woman, case in enumerate(found):
        result = load_case(case, DataFolder(tmp_path), decoder, {})
        assert result.problems == []
        assert {name: view.file.lower() for name, view in result.exam.views.items()} == {
            name: TREES[tree](woman, name).lower() for name in STANDARD_VIEWS
        }


def test_masks_and_cropped_pictures_are_never_taken(tmp_path):
    name = STANDARD_VIEWS[0]
    whole, study = TREES["TCIA"](0, name), f"CBIS-DDSM/{folder_of(0, name)}/08-29-2017-DDSM-NA-0"
    for path in (
        f"CBIS-DDSM/{folder_of(0, name)}_1/08-29-2017-DDSM-NA-9/1.000000-cropped images-1/1-1.dcm",
        f"CBIS-DDSM/{folder_of(0, name)}_1/08-29-2017-DDSM-NA-9/1.000000-ROI mask images-1/1-2.dcm",
        f"{study}/1.000000-ROI mask images-2/1-1.dcm", f"{study}/1.000000-cropped images-2/1-1.dcm",
    ):  # fmt: skip
        put_view(tmp_path, path, name)
    row = TREES["as the table names it"](0, name)
    assert CbisFiles(tmp_path).path(row) == (row, "")
    put_view(tmp_path, whole, name)
    assert CbisFiles(tmp_path).path(row) == (whole, "")


def test_a_row_that_two_files_fit_takes_neither_and_says_so(tmp_path):
    name = STANDARD_VIEWS[0]
    for manifest in ("manifest-1", "manifest-2"):
        put_view(tmp_path, f"{manifest}/{TREES['TCIA'](0, name)}", name)
    path, reason = CbisFiles(tmp_path).path(TREES["as the table names it"](0, name))
    assert path.endswith("000000.dcm") and "2 files may be this picture" in reason and "keep one of them" in reason


def test_tables_of_cbis_may_lie_in_a_folder_of_their_own(tmp_path):
    cbis(tmp_path, TREES["TCIA"], women=1)
    (tmp_path / "csv").mkdir()
    table = tmp_path / "mass_case_description_test_set.csv"
    table.rename(tmp_path / "csv" / table.name)
    assert len(list(read_dataset("cbis", tmp_path))) == 1


PREFIXES = ("/mnt/NAS2/mammo/anon_dicom/cohort_1/", "./images/cohort_1/", "images/cohort_1/", "cohort_1/")
PLACES = ("images/cohort_1/", "cohort_1/")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("tables", ["", "tables/"])
def test_embed_with_its_published_prefix_and_its_folder_of_tables(tmp_path, decoder, prefix, place, tables):
    clinical, metadata = [], []
    for exam in (1, 2):
        clinical.append(f"{exam},50{exam},L,3.0,N,,,,,\n")
        for name in STANDARD_VIEWS:
            file = f"{exam}/study/series{STANDARD_VIEWS.index(name)}/1.dcm"
            put_view(tmp_path, place + file, name)
            metadata.append(f"{exam},50{exam},{prefix}{file},{name.laterality.value},{name.projection.value},2D\n")
    (tmp_path / tables).mkdir(exist_ok=True)
    (tmp_path / tables / "EMBED_OpenData_clinical.csv").write_text(
        "empi_anon,acc_anon,side,tissueden,asses,massshape,massmargin,calcfind,calcdistri,path_severity\n"
        + "".join(clinical), encoding="utf-8",
    )  # fmt: skip
    (tmp_path / tables / "EMBED_OpenData_metadata.csv").write_text(
        "empi_anon,acc_anon,anon_dicom_path,ImageLateralityFinal,ViewPosition,FinalImageType\n" + "".join(metadata),
        encoding="utf-8",
    )
    for exam, case in enumerate(read_dataset("embed", tmp_path), 1):
        result = load_case(case, DataFolder(tmp_path), decoder, {})
        assert result.problems == []
        assert {name: view.file for name, view in result.exam.views.items()} == {
            name: f"{place}{exam}/study/series{number}/1.dcm" for number, name in enumerate(STANDARD_VIEWS)
        }


def test_a_missing_file_of_embed_is_looked_for_in_images(tmp_path):
    assert EmbedFiles(tmp_path).path("/mnt/NAS2/mammo/anon_dicom/cohort_1/7/a.dcm") == "images/cohort_1/7/a.dcm"
    (tmp_path / "images" / "cohort_2").mkdir(parents=True)
    put_view(tmp_path, "images/cohort_2/7/b.dcm")
    assert EmbedFiles(tmp_path).path("/mnt/NAS2/mammo/anon_dicom/7/b.dcm") == "images/cohort_2/7/b.dcm"
    with pytest.raises(
        ValueError, match="EMBED_OpenData_clinical.csv .*neither in .* nor in .*/tables: give the data set.s own folder"
    ):
        embed_table(tmp_path, "EMBED_OpenData_clinical.csv")
