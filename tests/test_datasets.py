"""Each adapter on a fixture in the exact form of its table: what is read, what is refused, what never becomes a word."""

import random

import pytest
from PIL import Image as Picture

from mvmlm.__main__ import main
from mvmlm.datasets.breasts import Breast, make_case
from mvmlm.datasets.case import Case, DatasetError, Disagreement, UnreadWord, split_of
from mvmlm.datasets.columns import WordReader, density_letter
from mvmlm.datasets.registry import ADAPTERS, read_dataset
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.report.writer import write_exam_report
from tests import dataset_tables
from tests.test_load import small_view, write

R, L = Laterality
OUTCOMES = ("cancer", "biopsy", "invasive", "malignant", "benign_without", "pathology", "luminal")


def put(root, name, text):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def vindr(root):
    header = (
        "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,"
        "finding_categories,finding_birads,xmin,ymin,xmax,ymax,split\n"
    )
    rows = [
        "s1,e1,i1,L,CC,3518,2800,BI-RADS 4,DENSITY C,\"['Mass']\",BI-RADS 4,1.0,2.0,3.0,4.0,training",
        "s1,e1,i2,L,MLO,3518,2800,BI-RADS 4,DENSITY C,\"['Suspicious Calcification', 'Mass']\",BI-RADS 4,1.0,2.0,3.0,4.0,training",
        "s1,e1,i3,R,CC,3518,2800,BI-RADS 1,DENSITY C,['No Finding'],,,,,,training",
        "s1,e1,i4,R,MLO,3518,2800,BI-RADS 2,DENSITY C,['No Finding'],,,,,,training",
        "s2,e2,i5,L,CC,3518,2800,BI-RADS 3,DENSITY B,['Focal Asymmetry'],BI-RADS 3,1.0,2.0,3.0,4.0,test",
    ]
    put(root, "finding_annotations.csv", header + "\n".join(rows) + "\n")
    put(root, "images/s1/i1.dicom", "x")


def cbis(root):
    mass = (
        "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
        "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
    )
    calc = mass.replace("breast_density", "breast density").replace(
        "mass shape,mass margins", "calc type,calc distribution"
    )
    put(root, "mass_case_description_train_set.csv", mass +
        "P_00001,3,LEFT,CC,1,mass,IRREGULAR-ARCHITECTURAL_DISTORTION,SPICULATED,4,MALIGNANT,4,Mass-Training_P_00001_LEFT_CC/a/000000.dcm,c,m\n"
        "P_00001,3,LEFT,MLO,1,mass,IRREGULAR-ARCHITECTURAL_DISTORTION,SPICULATED,4,MALIGNANT,4,Mass-Training_P_00001_LEFT_MLO/a/000000.dcm,c,m\n"
        "P_00002,2,RIGHT,CC,1,mass,OVAL,CIRCUMSCRIBED,3,BENIGN,4,Mass-Training_P_00002_RIGHT_CC/a/000000.dcm,c,m\n")  # fmt: skip
    put(root, "calc_case_description_test_set.csv", calc +
        "P_00002,2,RIGHT,CC,1,calcification,PLEOMORPHIC,CLUSTERED,4,BENIGN_WITHOUT_CALLBACK,2,Calc-Test_P_00002_RIGHT_CC/a/000000.dcm,c,m\n")  # fmt: skip


def embed(root):
    put(root, "EMBED_OpenData_clinical.csv",
        "empi_anon,acc_anon,side,tissueden,asses,massshape,massmargin,calcfind,calcdistri,path_severity\n"
        "11,501,L,3.0,S,X,S,,,0.0\n11,501,R,3.0,N,,,,,\n12,502,B,2.0,N,,,,,\n")  # fmt: skip
    put(root, "EMBED_OpenData_metadata.csv",
        "empi_anon,acc_anon,anon_dicom_path,ImageLateralityFinal,ViewPosition,FinalImageType\n"
        "11,501,images/a.dcm,L,CC,2D\n11,501,images/b.dcm,L,CC,cview\n11,501,images/c.dcm,R,MLO,2D\n")  # fmt: skip


def table(root):
    put(root, "exams.csv",
        "exam,patient,file,laterality,view,split,density,birads,mass,calcification,mass_shape,mass_size_mm,malignant,risk_years,cancer\n"
        "e1,p1,a.dcm,R,CC,train,B,4A,1,0,oval,12,1,,\ne1,p1,b.dcm,R,MLO,train,C,4A,1,0,oval,12,1,,\n"
        "e2,p2,c.dcm,L,CC,,,,,,,,,3.5,1\ne3,p3,d.dcm,L,CC,,B,,1,,square,,,,\ne4,,e.dcm,L,CC,,,,,,,,,,\n")  # fmt: skip


FIXTURES = {
    "vindr": vindr,  "cbis": cbis, "embed": embed,  "table": table, **dataset_tables.FIXTURES,
}  # fmt: skip


def cases(name, tmp_path):
    FIXTURES[name](tmp_path)
    return {case.exam if isinstance(case, Case) else case.name: case for case in read_dataset(name, tmp_path)}


def test_every_adapter_has_a_fixture():
    assert set(FIXTURES) == set(ADAPTERS)


@pytest.mark.parametrize("name", FIXTURES)
def test_no_report_tells_an_outcome(name, tmp_path):
    for case in cases(name, tmp_path).values():
        if isinstance(case, Case):
            for seed in range(30):
                report = write_exam_report(case.findings, random.Random(seed)).lower()
                report = (
                    report.replace("no evidence of malignancy", "")
                    .replace("suspicion for malignancy", "")
                    .replace("suggestive of malignancy", "")
                )
                assert not any(word in report for word in OUTCOMES), report


@pytest.mark.parametrize("name", FIXTURES)
def test_check_counts_exams_shared_patients_and_missing_files(name, tmp_path, capsys):
    FIXTURES[name](tmp_path)
    for case in read_dataset(name, tmp_path):
        for image in case.images if isinstance(case, Case) else ():
            put_picture(tmp_path / image.path, image.name if image.name in STANDARD_VIEWS else STANDARD_VIEWS[0])
    assert main(["datasets", name, "--root", str(tmp_path), "--check"]) == 0
    output = capsys.readouterr().out
    assert "exams: " in output and "patients in more than one split: 0" in output and "missing files: 0" in output


def put_picture(path, name):
    """Write a small picture of a breast, as DICOM or by the extension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.startswith(".d"):
        write(path.parent, name, file=path.name)
    else:
        Picture.fromarray((small_view().pixels // 16).astype("uint8")).save(path)


@pytest.mark.parametrize("name", sorted(set(FIXTURES) - {"cmmd"}))  # CMMD has no exam without a file
def test_a_data_set_without_a_usable_exam_has_another_exit_code_and_a_sentence(name, tmp_path, capsys):
    FIXTURES[name](tmp_path)
    assert main(["datasets", name, "--root", str(tmp_path), "--check"]) == 2
    output = capsys.readouterr()
    assert "missing files: " in output.out and output.err.startswith("No exam usable: ")


@pytest.mark.parametrize("name", FIXTURES)
def test_a_wrong_folder_is_named(name, tmp_path):
    with pytest.raises(DatasetError):
        list(read_dataset(name, tmp_path))


def test_a_missing_column_is_named(tmp_path):
    put(tmp_path, "train.csv", "patient_id,image_id\n1,2\n")
    with pytest.raises(DatasetError, match="no column 'laterality'"):
        list(read_dataset("rsna", tmp_path))


def test_own_table_gives_every_field_and_refuses_unknown_words(tmp_path):
    found = cases("table", tmp_path)
    right = found["e1"].findings.right
    assert right.first("mass").size_mm == 12 and right.absent == {"calcification"} and right.birads == "4A"
    assert right.density is None and "density: rows say B and C" in found["e1"].contradictions[0]
    assert found["e1"].breast_labels[R] == {"mass": 1, "calcification": 0, "birads": 3, "malignancy": 1}
    assert found["e2"].risk == (3.5, True)
    assert "shape='square'" in found["e3"].reason and "several patients, or none" in found["e4"].reason


def test_a_split_by_patient_never_changes_and_has_its_shares():
    splits = [split_of(Case(str(n), f"patient {n}", (), None)) for n in range(4000)]
    assert abs(splits.count("train") / 4000 - 0.7) < 0.03 and abs(splits.count("test") / 4000 - 0.2) < 0.03
    assert splits[:3] == [split_of(Case("another exam", f"patient {n}", (), None)) for n in range(3)]


def test_words_without_a_meaning_are_collected_with_their_column_and_reason():
    reader = WordReader()
    assert reader.read("shape", "OVAL", {"OVAL": "oval"}.get) == "oval"
    assert reader.read("shape", "", {"OVAL": "oval"}.get) is None
    assert reader.read("shape", "WAVY", {"OVAL": "oval"}.get) is None
    assert reader.read("density", "dense", density_letter) is None
    reader.skip("place", "upper outer", "no kind of finding")
    breast = Breast(
        unread=reader.unread, disagreements=(Disagreement("e L", "shape", ("oval", "round"), "CC and MLO"),)
    )
    case = make_case("e", "p", (), {L: breast}, unread=(UnreadWord("view", "XYZ"),))
    assert case.unread == (
        ("view", "XYZ", "not understood"), ("shape", "WAVY", "not understood"),
        ("density", "dense", "not understood"), ("place", "upper outer", "no kind of finding"),
    )  # fmt: skip
    assert str(case.disagreements[0]) == "e L shape: CC and MLO say oval and round"
