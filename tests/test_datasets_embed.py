"""EMBED: every code of its legend lands in a field or is listed; assessments, sides and specimens are not guessed."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case, SkippedRow
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Laterality
from tests.dataset_tables import put

R, L = Laterality
COLUMNS = (
    "empi_anon", "acc_anon", "numfind", "side", "tissueden", "asses", "massshape", "massmargin", "massdens", "calcfind",
    "calcdistri", "calcnumber", "otherfind", "implanfind", "consistent", "size", "location", "depth", "distance",
    "stable", "new", "changed", "bside", "path_severity",
)  # fmt: skip
IMAGES = (
    "empi_anon,acc_anon,anon_dicom_path,ImageLateralityFinal,ViewPosition,FinalImageType,spot_mag\n"
    "11,501,images/lcc.dcm,L,CC,2D,\n11,501,images/lc.dcm,L,CC,cview,\n11,501,images/rmlo.dcm,R,MLO,2D,0.0\n"
    "11,501,images/spot.dcm,R,CC,2D,1.0\n"
)
LEGEND = Path(os.environ.get("MVMLM_TABLES", "no tables")) / "embed" / "AWS_Open_Data_Clinical_Legend.csv"
#: (column, code) -> (field, "kind" or "feature", word), written down from the legend independently of the adapter
MEANINGS = {
    ("massshape", "G"): ("kind", "mass"), ("massshape", "R"): ("shape", "round"), ("massshape", "O"): ("shape", "oval"),
    ("massshape", "X"): ("shape", "irregular"), ("massshape", "Q"): ("possible", "distortion"),
    ("massshape", "A"): ("kind", "distortion"), ("massshape", "T"): ("feature", "dilated duct"),
    ("massshape", "N"): ("feature", "intramammary lymph node"), ("massshape", "Y"): ("feature", "lymph node"),
    ("massshape", "B"): ("asymmetry", "global asymmetry"), ("massshape", "F"): ("asymmetry", "focal asymmetry"),
    ("massshape", "S"): ("asymmetry", "asymmetry"), ("massshape", "V"): ("asymmetry", "developing asymmetry"),
    ("massmargin", "D"): ("margin", "circumscribed"), ("massmargin", "U"): ("margin", "obscured"),
    ("massmargin", "M"): ("margin", "microlobulated"), ("massmargin", "I"): ("margin", "indistinct"),
    ("massmargin", "S"): ("margin", "spiculated"),
    ("massdens", "+"): ("mass_density", "high"), ("massdens", "="): ("mass_density", "equal"),
    ("massdens", "-"): ("mass_density", "low"),
    ("calcfind", "A"): ("morphology", "amorphous"), ("calcfind", "9"): ("morphology", "typically benign"),
    ("calcfind", "H"): ("morphology", "coarse heterogeneous"), ("calcfind", "C"): ("morphology", "coarse"),
    ("calcfind", "D"): ("morphology", "dystrophic"), ("calcfind", "E"): ("morphology", "rim"),
    ("calcfind", "F"): ("morphology", "fine linear"), ("calcfind", "B"): ("morphology", "fine linear branching"),
    ("calcfind", "G"): ("kind", "calcification"), ("calcfind", "I"): ("morphology", "fine pleomorphic"),
    ("calcfind", "L"): ("morphology", "rod-like"), ("calcfind", "M"): ("morphology", "milk of calcium"),
    ("calcfind", "J"): ("morphology", "rim"), ("calcfind", "K"): ("morphology", "pleomorphic"),
    ("calcfind", "P"): ("morphology", "punctate"), ("calcfind", "R"): ("morphology", "round"),
    ("calcfind", "S"): ("morphology", "skin"), ("calcfind", "O"): ("morphology", "lucent-centered"),
    ("calcfind", "U"): ("morphology", "suture"), ("calcfind", "V"): ("morphology", "vascular"),
    ("calcfind", "Q"): ("morphology", "coarse"),
    ("calcdistri", "G"): ("distribution", "grouped"), ("calcdistri", "C"): ("distribution", "grouped"),
    ("calcdistri", "S"): ("distribution", "segmental"), ("calcdistri", "R"): ("distribution", "regional"),
    ("calcdistri", "D"): ("distribution", "diffuse"), ("calcdistri", "L"): ("distribution", "linear"),
    ("otherfind", "4"): ("asymmetry", "asymmetry"), ("otherfind", "I"): ("asymmetry", "focal asymmetry"),
    ("otherfind", "Q"): ("asymmetry", "focal asymmetry"), ("otherfind", "Y"): ("asymmetry", "global asymmetry"),
    ("otherfind", "D"): ("kind", "distortion"), ("otherfind", "%"): ("morphology", "rim"),
    ("otherfind", "A"): ("feature", "axillary adenopathy"), ("otherfind", "E"): ("feature", "dilated duct"),
    ("otherfind", "O"): ("feature", "dilated duct"), ("otherfind", "J"): ("feature", "skin thickening"),
    ("otherfind", "S"): ("feature", "skin thickening"), ("otherfind", "N"): ("feature", "nipple retraction"),
    ("otherfind", "R"): ("feature", "skin retraction"), ("otherfind", "T"): ("feature", "trabecular thickening"),
    ("otherfind", "L"): ("feature", "skin lesion"), ("otherfind", "2"): ("feature", "prominent lymph node"),
    ("otherfind", "V"): ("feature", "normal lymph node"), ("otherfind", "Z"): ("feature", "abnormal lymph node"),
}  # fmt: skip
#: codes of the legend that become no finding: earlier biopsies and operations, and what has no field
LISTED = {("otherfind", code) for code in "!135BCFGHKMPUWX"}
MORE_OF_A_MASS = {
    ("massdens", "0"): ("mass_density", "fat-containing"),
    **{("location", code): ("place", place) for code, place in {
        "W": "upper outer", "X": "upper inner", "Y": "lower outer", "Z": "lower inner", "C": "central", "D": "inner",
        "I": "lower", "L": "outer", "S": "retroareolar", "U": "upper", "T": "axillary tail", "A": "axillary tail",
        "UP": "upper", "LO": "lower", "IN": "inner", "OU": "outer"}.items()},
    **{("location", str(hour)): ("clock", str(hour)) for hour in range(1, 13)},
    ("location", "MD"): ("depth", "middle"), ("location", "AN"): ("depth", "anterior"),
    ("depth", "A"): ("depth", "anterior"), ("depth", "M"): ("depth", "middle"), ("depth", "P"): ("depth", "posterior"),
    ("size", "12.0"): ("size_mm", "12"),
}  # fmt: skip
LISTED_OF_A_MASS = {("depth", str(cell)) for cell in range(1, 10)} | {("size", "-99"), ("size", "400")}


def row(**values):
    given = {"empi_anon": "11", "acc_anon": "501", "side": "L", "tissueden": "3.0", "asses": "S", **values}
    return ",".join(f'"{given.get(column, "")}"' for column in COLUMNS)


def case(root, *rows, images=IMAGES):
    (root / "EMBED_OpenData_metadata.csv").write_text(images, encoding="utf-8")
    table = ",".join(COLUMNS) + "\n" + "".join(f"{line}\n" for line in rows)
    (root / "EMBED_OpenData_clinical.csv").write_text(table, encoding="utf-8")
    (found,) = read_dataset("embed", root)
    return found


def words_of(breast):
    """Every word of a breast as (field, word); a kind is a word where it has no other."""
    words = {("feature", feature) for feature in breast.features}
    words |= {("possible", finding.kind) for finding in breast.possible}
    names = ("shape", "margin", "mass_density", "asymmetry", "morphology", "distribution", "place", "depth")
    for finding in breast.present:
        described = {(name, word) for name in names for word in (*finding.words(name), *finding.other_words(name))}
        described |= {(name, finding.described(name)) for name in ("clock", "size_mm") if finding.described(name)}
        words |= described or {("kind", finding.kind)}
    return words


def unread(found):
    return {(word.column, word.word) for word in found.unread}


@pytest.mark.parametrize("column, code", MEANINGS)
def test_every_code_lands_in_its_field(tmp_path, column, code):
    found = case(tmp_path, row(**{column: code}))
    assert words_of(found.findings.left) == {MEANINGS[column, code]} and not found.unread
    assert words_of(found.findings.right) == set()


@pytest.mark.parametrize("column, code", MORE_OF_A_MASS)
def test_every_code_on_a_mass_lands_in_its_field(tmp_path, column, code):
    found = case(tmp_path, row(massshape="G", **{column: code}))
    assert words_of(found.findings.left) == {MORE_OF_A_MASS[column, code]} and not found.unread


@pytest.mark.parametrize(
    "column, code", sorted(LISTED | LISTED_OF_A_MASS | {("implanfind", "R"), ("consistent", "CF")})
)
def test_a_code_without_a_field_is_listed(tmp_path, column, code):
    found = case(tmp_path, row(massshape="G", **{column: code}))
    assert words_of(found.findings.left) == {("kind", "mass")} and unread(found) == {(column, code)}


@pytest.mark.skipif(not LEGEND.is_file(), reason="MVMLM_TABLES has no embed/ with the legend")
def test_every_code_of_the_real_legend_is_known_here():
    with open(LEGEND, newline="", encoding="utf-8-sig") as file:
        legend = {(line["Header in export"], line["Code"].strip()) for line in csv.DictReader(file)}
    columns = {"massshape", "massmargin", "massdens", "calcfind", "calcdistri", "otherfind", "location", "depth"}
    told = {line for line in legend if line[0] in columns and line[1]}
    known = {*MEANINGS, *MORE_OF_A_MASS, *LISTED, *LISTED_OF_A_MASS}
    assert told == {line for line in known if line[0] in columns} and len(told) == 124
    counts = Counter(column for column, _ in told)
    assert (counts["massshape"], counts["calcfind"]) == (13, 21)


def test_several_codes_of_a_field_are_kept(tmp_path):
    found = case(tmp_path, row(calcfind="A,P", calcdistri="G", location="UP,OU,4,", depth="P"))
    (calcification,) = found.findings.left.present
    assert set(calcification.words("morphology")) == {"amorphous", "punctate"}
    assert (calcification.place, calcification.clock, calcification.depth) == ("upper outer", 4, "posterior")


def test_a_mass_and_a_calcification_of_one_row_are_two_findings(tmp_path):
    found = case(tmp_path, row(massshape="O", massmargin="D", calcfind="K", calcdistri="G", location="W", size="9"))
    calcification, mass = found.findings.left.present
    assert (mass.kind, mass.shape, mass.margin, mass.place) == ("mass", "oval", "circumscribed", "upper outer")
    assert (calcification.morphology, calcification.distribution, calcification.place) == (
        "pleomorphic", "grouped", "upper outer"
    )  # fmt: skip
    assert mass.size_mm is None and unread(found) == {("size", "9")}, "it is not told of which of them it is"
    assert found.breast_labels[L]["mass"] == found.breast_labels[L]["calcification"] == 1


@pytest.mark.parametrize("column, code", [("massmargin", "I"), ("massdens", "+")])
def test_a_row_with_a_margin_or_a_density_alone_is_a_mass(tmp_path, column, code):
    assert case(tmp_path, row(**{column: code})).findings.left.first("mass")


def test_a_density_of_0_alone_is_no_mass_and_a_margin_of_an_asymmetry_is_listed(tmp_path):
    found = case(tmp_path, row(massdens="0"))
    assert not found.findings.left.present and unread(found) == {("massdens", "0")}
    found = case(tmp_path, row(massshape="F", massmargin="I"))
    assert [f.kind for f in found.findings.left.present] == ["asymmetry"] and unread(found) == {("massmargin", "I")}


@pytest.mark.parametrize("code, masses", [("L", 1), ("D", 1), ("M", 0), ("9", 0)])
def test_shapes_that_the_legend_lacks_are_listed(tmp_path, code, masses):
    found = case(tmp_path, row(massshape=code))
    assert len(found.findings.left.present) == masses and unread(found) == {("massshape", code)}


@pytest.mark.parametrize("code", "GRS")
def test_a_finding_that_is_gone_is_not_told_as_present(tmp_path, code):
    found = case(tmp_path, row(massshape="O", massmargin="D", changed=code))
    assert not found.findings.left.present and "mass" not in found.breast_labels[L]
    assert unread(found) == {("massshape", "O"), ("massmargin", "D"), ("changed", code)}


def test_a_number_of_calcifications_makes_them_present_and_a_negative_one_tells_nothing(tmp_path):
    assert case(tmp_path, row(calcnumber="3.0")).findings.left.first("calcification")
    found = case(tmp_path, row(calcnumber="-6.0"))
    assert not found.findings.left.present and unread(found) == {("calcnumber", "-6")}
    assert not case(tmp_path, row(calcnumber="0.0")).findings.left.present


@pytest.mark.parametrize(
    "codes, overall",
    [("AB", "0"), ("BA", "0"), ("AN", "0"), ("AP", "0"), ("AS", "4"), ("NB", "2"), ("PB", "3"), ("SM", "5"),
     ("XB", "2"), ("X", None), ("K", None), ("KB", None), ("KS", None)],
)  # fmt: skip
def test_the_most_abnormal_finding_gives_the_assessment_and_a_known_cancer_none(tmp_path, codes, overall):
    found = case(tmp_path, *(row(asses=code, massshape="O") for code in codes))
    assert found.findings.left.birads == overall and found.findings.right.birads is None
    assert unread(found) == {("asses", code) for code in codes if code in "KX"}


def test_the_assessment_of_each_finding_is_kept(tmp_path):
    found = case(tmp_path, row(numfind="1", asses="A", massshape="O"), row(numfind="2", asses="B", calcfind="V"))
    assert found.findings.left.first("mass").birads == "0" and found.findings.left.first("calcification").birads == "2"


def test_rows_of_both_breasts_are_about_both_and_listed_once(tmp_path):
    found = case(tmp_path, row(side="B", asses="B", calcfind="V,?"))
    for breast in (found.findings.left, found.findings.right):
        assert breast.first("calcification").morphology == "vascular" and breast.birads == "2"
    assert [(word.column, word.word) for word in found.unread] == [("calcfind", "?")]


def test_rows_without_a_side_say_only_that_an_exam_is_negative_or_benign(tmp_path):
    found = case(tmp_path, row(side="", asses="N"), row(side="L", asses="A", massshape="S"))
    assert (found.findings.right.birads, found.findings.left.birads) == ("1", "0")
    found = case(tmp_path, row(side="", asses="S", massshape="X", path_severity="0.0"))
    assert not found.findings.left.present and found.findings.left.birads is None and not found.breast_labels[L]
    assert unread(found) == {("asses", "S"), ("massshape", "X"), ("path_severity", "0")}
    assert found.findings.left.density == "C", "the density is that of the exam"


def test_a_breast_without_a_row_and_without_an_image_is_not_told_of(tmp_path):
    images = IMAGES.replace("images/rmlo.dcm,R", "images/rmlo.dcm,L")
    assert case(tmp_path, row(), images=images).findings.right is None


def test_rows_with_the_same_number_are_one_finding(tmp_path):
    rows = [row(numfind="1", massshape="O", massmargin="D", path_severity=severity) for severity in ("4.0", "0.0")]
    found = case(tmp_path, *rows)
    assert len(found.findings.left.present) == 1 and found.breast_labels[L]["malignancy"] == 1
    found = case(tmp_path, row(numfind="1", massshape="O"), row(numfind="1", massshape="X", size="12"))
    (mass,) = found.findings.left.present
    assert mass.described("shape") == "oval or irregular" and mass.size_mm == 12 and len(found.disagreements) == 1
    for number in ("", "-9"):
        found = case(tmp_path, row(numfind=number, massshape="O"), row(numfind=number, massshape="O"))
        assert len(found.findings.left.present) == 2
    found = case(tmp_path, row(numfind="1", massshape="O", size="9"), row(numfind="1", massshape="O", size="12"))
    assert found.findings.left.present[0].size_mm is None
    assert found.contradictions == ("501 L finding 1 size_mm: rows say 12 and 9",)


@pytest.mark.parametrize(
    "rows, left, right",
    [
        ([{"path_severity": "0.0"}], 1, None), ([{"path_severity": "1"}], 1, None), ([{"path_severity": "5.0"}], 0, None),
        ([{"path_severity": ""}], None, None), ([{"path_severity": "6.0"}], None, None),
        ([{"path_severity": "6.0"}, {"path_severity": "4.0"}], None, None),
        ([{"path_severity": "6.0"}, {"path_severity": "0.0"}], 1, None),
        ([{"path_severity": "4.0"}, {}], 0, None),
        ([{"side": "B", "path_severity": "0.0"}], None, None),
        ([{"side": "B", "bside": "R", "path_severity": "0.0"}], None, 1),
        ([{"side": "B", "bside": "B", "path_severity": "4.0"}], 0, 0),
        ([{"side": "L", "bside": "R", "path_severity": "4.0"}], None, None),
    ],
)  # fmt: skip
def test_a_specimen_labels_the_breast_that_it_is_of(tmp_path, rows, left, right):
    found = case(tmp_path, *(row(**values) for values in rows))
    assert found.breast_labels[L].get("malignancy") == left and found.breast_labels[R].get("malignancy") == right


def test_only_full_field_two_dimensional_images_are_used(tmp_path):
    found = case(tmp_path, row())
    assert [image.path for image in found.images] == ["images/lcc.dcm", "images/rmlo.dcm"]
    assert len(found.refused) == 1 and found.refused[0].startswith("images/spot.dcm: ")
    assert isinstance(case(tmp_path, row(), images=IMAGES.replace(",2D,", ",cview,")), SkippedRow)


def test_a_density_that_rows_tell_differently_or_of_a_man_is_not_known(tmp_path):
    found = case(tmp_path, row(tissueden="2.0"), row(tissueden="3.0"))
    assert found.findings.left.density is None and "tissueden" in found.contradictions[0]
    found = case(tmp_path, row(tissueden="5.0"))
    assert isinstance(found, Case) and found.findings.left.density is None and unread(found) == {("tissueden", "5")}


def test_regions_of_which_the_finding_is_not_told_are_counted_and_no_box(tmp_path):
    put(
        tmp_path,
        "EMBED_OpenData_clinical.csv",
        "empi_anon,acc_anon,side,tissueden,asses,massshape,massmargin,calcfind,calcdistri,path_severity\n11,501,L,2,S,O,,,,\n",
    )
    put(
        tmp_path,
        "EMBED_OpenData_metadata.csv",
        "empi_anon,acc_anon,anon_dicom_path,ImageLateralityFinal,ViewPosition,FinalImageType,num_roi,ROI_coords\n"
        '11,501,a.dcm,L,CC,2D,2.0,"((1, 2, 3, 4), (5, 6, 7, 8))"\n11,501,b.dcm,L,MLO,2D,0,()\n',
    )
    (case,) = read_dataset("embed", tmp_path)
    assert [word.word for word in case.unread if word.column == "outline without a box"] == ["ROI_coords"]
    assert not any(image.boxes for image in case.images)
