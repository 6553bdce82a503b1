"""CBIS-DDSM: every word of its tables lands in a field or is listed, and rows that disagree are told as such."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from mvmlm.datasets.case import Case, SkippedRow, split_of
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding

R, L = Laterality
HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
    "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
)
CALC_HEADER = HEADER.replace("breast_density", "breast density").replace(
    "mass shape,mass margins", "calc type,calc distribution"
)
TABLES = Path(os.environ.get("MVMLM_TABLES", "no tables")) / "cbis"
SHAPE, MARGIN, TYPE, DISTRIBUTION = "mass shape", "mass margins", "calc type", "calc distribution"
#: word of a column -> (field or "feature", word of the lexicon), written down independently of the adapter
MEANINGS = {
    (SHAPE, "ROUND"): ("shape", "round"), (SHAPE, "OVAL"): ("shape", "oval"), (SHAPE, "LOBULATED"): ("shape", "oval"),
    (SHAPE, "IRREGULAR"): ("shape", "irregular"), (SHAPE, "LYMPH_NODE"): ("feature", "intramammary lymph node"),
    (SHAPE, "ARCHITECTURAL_DISTORTION"): ("kind", "distortion"),
    (SHAPE, "ASYMMETRIC_BREAST_TISSUE"): ("asymmetry", "global asymmetry"),
    (SHAPE, "FOCAL_ASYMMETRIC_DENSITY"): ("asymmetry", "focal asymmetry"),
    (MARGIN, "CIRCUMSCRIBED"): ("margin", "circumscribed"), (MARGIN, "OBSCURED"): ("margin", "obscured"),
    (MARGIN, "MICROLOBULATED"): ("margin", "microlobulated"), (MARGIN, "ILL_DEFINED"): ("margin", "indistinct"),
    (MARGIN, "SPICULATED"): ("margin", "spiculated"),
    (TYPE, "PLEOMORPHIC"): ("morphology", "pleomorphic"), (TYPE, "AMORPHOUS"): ("morphology", "amorphous"),
    (TYPE, "FINE_LINEAR_BRANCHING"): ("morphology", "fine linear branching"),
    (TYPE, "PUNCTATE"): ("morphology", "punctate"), (TYPE, "COARSE"): ("morphology", "coarse"),
    (TYPE, "VASCULAR"): ("morphology", "vascular"), (TYPE, "SKIN"): ("morphology", "skin"),
    (TYPE, "DYSTROPHIC"): ("morphology", "dystrophic"), (TYPE, "MILK_OF_CALCIUM"): ("morphology", "milk of calcium"),
    (TYPE, "ROUND_AND_REGULAR"): ("morphology", "round"), (TYPE, "EGGSHELL"): ("morphology", "rim"),
    (TYPE, "LARGE_RODLIKE"): ("morphology", "rod-like"), (TYPE, "LUCENT_CENTER"): ("morphology", "lucent-centered"),
    (TYPE, "LUCENT_CENTERED"): ("morphology", "lucent-centered"),
    (DISTRIBUTION, "CLUSTERED"): ("distribution", "grouped"), (DISTRIBUTION, "LINEAR"): ("distribution", "linear"),
    (DISTRIBUTION, "SEGMENTAL"): ("distribution", "segmental"), (DISTRIBUTION, "REGIONAL"): ("distribution", "regional"),
    (DISTRIBUTION, "DIFFUSELY_SCATTERED"): ("distribution", "diffuse"),
}  # fmt: skip


def mass(*rows, patient="P_00001"):
    """Lines of a mass table; a row is view, id, shape, margins, assessment, pathology, subtlety, and maybe side."""
    return [_line(patient, "mass", row) for row in rows]


def calc(*rows, patient="P_00001"):
    return [_line(patient, "calcification", row) for row in rows]


def _line(patient, kind, row):
    view, number, first, second, assessment, pathology, subtlety, *rest = row
    side, density = (*rest, *("LEFT", "3")[len(rest) :])
    path = f"{kind}_{patient}_{side}_{view}/a/000000.dcm"
    return f"{patient},{density},{side},{view},{number},{kind},{first},{second},{assessment},{pathology},{subtlety},{path},c,m"


def cases(root, masses=(), calcifications=(), train_masses=()):
    for name, header, lines in (
        ("mass_case_description_test_set.csv", HEADER, masses),
        ("calc_case_description_test_set.csv", CALC_HEADER, calcifications),
        ("mass_case_description_train_set.csv", HEADER, train_masses),
    ):
        (root / name).write_text(header + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    return {case.exam if isinstance(case, Case) else case.name: case for case in read_dataset("cbis", root)}


def left(root, masses=(), calcifications=()):
    case = cases(root, masses, calcifications)["P_00001"]
    return case, case.findings.left


@pytest.mark.parametrize("column, word", MEANINGS)
def test_every_word_lands_in_its_field(tmp_path, column, word):
    row = ("CC", 1, word, "", 4, "BENIGN", 3) if column in (SHAPE, TYPE) else ("CC", 1, "", word, 4, "BENIGN", 3)
    rows = {"masses": mass(row)} if column in (SHAPE, MARGIN) else {"calcifications": calc(row)}
    case, breast = left(tmp_path, **rows)
    assert words_of(breast) == {MEANINGS[column, word]}
    assert [unread.column for unread in case.unread] == (["subtlety"] if word == "LYMPH_NODE" else [])


def words_of(breast):
    """Every word of a breast's findings as (field, word), with a distortion as a kind and features."""
    found = {("feature", feature) for feature in breast.features}
    for finding in breast.present:
        if finding.kind == "distortion":
            found.add(("kind", "distortion"))
        for name in ("shape", "margin", "asymmetry", "morphology", "distribution"):
            found |= {(name, word) for word in (*finding.words(name), *finding.other_words(name))}
    return found


def test_a_finding_keeps_all_words_of_a_field(tmp_path):
    _, breast = left(
        tmp_path,
        mass(("CC", 1, "OVAL", "OBSCURED-CIRCUMSCRIBED", 4, "BENIGN", 3)),
        calc(("CC", 1, "PUNCTATE-PLEOMORPHIC", "CLUSTERED-LINEAR", 4, "BENIGN", 3)),
    )
    assert breast.first("mass").words("margin") == ("circumscribed", "obscured")
    assert set(breast.first("calcification").words("morphology")) == {"punctate", "pleomorphic"}
    assert set(breast.first("calcification").words("distribution")) == {"grouped", "linear"}


def test_views_that_disagree_keep_both_words_and_are_listed(tmp_path):
    case, breast = left(
        tmp_path,
        mass(
            ("CC", 1, "ROUND", "CIRCUMSCRIBED", 4, "BENIGN", 3), ("MLO", 1, "IRREGULAR", "CIRCUMSCRIBED", 4, "BENIGN", 3)
        ),
    )  # fmt: skip
    (found,) = breast.present
    assert found.described("shape") == "round or irregular" and found.described("margin") == "circumscribed"
    (disagreement,) = case.disagreements
    assert str(disagreement) == "P_00001 L mass 1 mass shape: the CC and MLO rows say ROUND and IRREGULAR"


def test_a_view_that_adds_a_word_contradicts_nothing(tmp_path):
    rows = mass(
        ("CC", 1, "IRREGULAR", "SPICULATED", 4, "BENIGN", 3), ("MLO", 1, "N/A", "ILL_DEFINED-SPICULATED", 4, "BENIGN", 3)
    )  # fmt: skip
    _, breast = left(tmp_path, rows)
    (found,) = breast.present
    assert found.words("margin") == ("indistinct", "spiculated") and not found.either and found.shape == "irregular"


def test_views_that_name_different_kinds_tell_both(tmp_path):
    case, breast = left(
        tmp_path,
        mass(
            ("CC", 1, "ARCHITECTURAL_DISTORTION", "SPICULATED", 4, "BENIGN", 3),
            ("MLO", 1, "IRREGULAR", "SPICULATED", 4, "BENIGN", 3),
        ),
    )
    assert [finding.kind for finding in breast.present] == ["distortion", "mass"]
    assert breast.first("mass").margin == "spiculated"
    assert [(word.column, word.word) for word in case.unread] == [(MARGIN, "SPICULATED")] and case.disagreements


def test_a_lymph_node_is_no_mass(tmp_path):
    case, breast = left(tmp_path, mass(("CC", 1, "OVAL-LYMPH_NODE", "CIRCUMSCRIBED", 2, "BENIGN", 3)))
    assert breast.present == () and breast.features == ("intramammary lymph node",) and breast.birads == "2"
    assert "mass" not in case.breast_labels[L]
    assert {(word.column, word.word) for word in case.unread} == {
        (SHAPE, "OVAL"), (MARGIN, "CIRCUMSCRIBED"), ("subtlety", "3")
    }  # fmt: skip


def test_several_findings_of_a_breast_stay_several(tmp_path):
    rows = mass(*(("CC", number, "OVAL", "CIRCUMSCRIBED", 2, "BENIGN", 3) for number in (1, 2)))
    _, breast = left(tmp_path, rows)
    assert [finding.kind for finding in breast.present] == ["mass", "mass"]


def test_a_finding_has_its_assessment_and_subtlety_and_the_breast_that_of_the_most_abnormal(tmp_path):
    _, breast = left(
        tmp_path,
        mass(("CC", 1, "OVAL", "CIRCUMSCRIBED", 2, "BENIGN", 5)),
        calc(("CC", 1, "AMORPHOUS", "CLUSTERED", 0, "BENIGN", 1)),
    )
    assert (breast.first("mass").birads, breast.first("mass").subtlety) == ("2", 5)
    assert (breast.first("calcification").birads, breast.first("calcification").subtlety) == ("0", 1)
    assert breast.birads == "0", "an incomplete assessment is not outranked by a benign one"


@pytest.mark.parametrize("other, overall", [("5", "5"), ("2", None)])
def test_views_that_disagree_on_the_assessment_leave_it_open_unless_another_finding_decides(tmp_path, other, overall):
    case, breast = left(
        tmp_path,
        mass(("CC", 1, "OVAL", "", 3, "BENIGN", 3), ("MLO", 1, "OVAL", "", 4, "BENIGN", 2)),
        calc(("CC", 1, "AMORPHOUS", "", other, "BENIGN", 3)),
    )
    assert breast.birads == overall and breast.first("mass").birads is None and breast.first("mass").subtlety is None
    assert {sentence.partition(": ")[0] for sentence in case.contradictions} == {
        "P_00001 L mass 1 assessment", "P_00001 L mass 1 subtlety"
    }  # fmt: skip


def test_tables_that_disagree_on_density_leave_it_open(tmp_path):
    case, breast = left(
        tmp_path,
        mass(("CC", 1, "OVAL", "", 3, "BENIGN", 3, "LEFT", "2")),
        calc(("CC", 1, "AMORPHOUS", "", 3, "BENIGN", 3, "LEFT", "3")),
    )
    assert breast.density is None and any("breast density" in sentence for sentence in case.contradictions)


@pytest.mark.parametrize(
    "pathologies, label",
    [
        (("MALIGNANT", "BENIGN"), 1),
        (("BENIGN", "BENIGN_WITHOUT_CALLBACK"), 0),
        (("BENIGN_WITHOUT_CALLBACK", ""), None),
        (("", ""), None),
        (("UNPROVEN", "BENIGN"), None),
        (("UNPROVEN", "MALIGNANT"), 1),
    ],
)
def test_a_breast_is_not_malignant_only_where_every_abnormality_is_known_not_to_be(tmp_path, pathologies, label):
    rows = mass(*(("CC", number, "OVAL", "", 3, pathology, 3) for number, pathology in enumerate(pathologies)))
    case, _ = left(tmp_path, rows)
    assert case.breast_labels[L].get("malignancy") == label
    assert ("UNPROVEN" in pathologies) == any(word.word == "UNPROVEN" for word in case.unread)


def test_views_that_disagree_on_the_pathology_give_no_label(tmp_path):
    rows = mass(("CC", 1, "OVAL", "", 3, "BENIGN", 3), ("MLO", 1, "OVAL", "", 3, "MALIGNANT", 3))
    case, _ = left(tmp_path, rows)
    assert "malignancy" not in case.breast_labels[L]
    assert case.contradictions == ("P_00001 L mass 1 pathology: rows say malignant and benign",)


def test_words_that_are_not_known_are_listed(tmp_path):
    rows = mass(("CC", 1, "SQUARE-OVAL", "FUZZY", 9, "BENIGN", 0, "LEFT", "0"))
    case, breast = left(tmp_path, rows)
    assert [(word.column, word.word) for word in case.unread] == [
        ("subtlety", "0"), ("assessment", "9"), (SHAPE, "SQUARE"), (MARGIN, "FUZZY"), ("breast density", "0")
    ]  # fmt: skip
    assert breast.first("mass").shape == "oval" and breast.birads is None


def test_the_official_split_is_kept_and_a_patient_of_both_sets_is_tested(tmp_path):
    found = cases(
        tmp_path,
        mass(("CC", 1, "OVAL", "", 3, "BENIGN", 3)),
        train_masses=[
            *mass(("CC", 1, "ROUND", "", 3, "BENIGN", 3, "RIGHT")),
            *mass(("CC", 1, "ROUND", "", 3, "BENIGN", 3), patient="P_00002"),
        ],
    )
    assert split_of(found["P_00001"]) == "test" and split_of(found["P_00002"]) == "train"
    assert found["P_00001"].findings.right.present == (Finding("mass", shape="round", birads="3", subtlety=3),)
    assert [str(item) for item in found["P_00001"].disagreements] == ["P_00001 set: the tables say test and train"]


def test_a_malignant_mass_of_the_training_set_is_in_a_breast_of_the_test_set_too(tmp_path):
    found = cases(
        tmp_path,
        mass(("CC", 1, "OVAL", "", 3, "BENIGN", 3)),
        train_masses=mass(("CC", 2, "ROUND", "", 5, "MALIGNANT", 3)),
    )
    assert found["P_00001"].breast_labels[Laterality.LEFT]["malignancy"] == 1


@pytest.mark.skipif(not TABLES.is_dir(), reason="MVMLM_TABLES has no cbis/")
def test_every_word_of_the_real_tables_lands_or_is_listed():
    told, counted, patients_of = {}, Counter(), {}
    for table in sorted(TABLES.glob("*.csv")):
        with open(table, newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                patients_of.setdefault(row["patient_id"], []).append(row)
    for patient, rows in patients_of.items():
        for row in rows:
            breast = (patient, row["left or right breast"][0])
            for column in (SHAPE, MARGIN, TYPE, DISTRIBUTION):
                for word in row.get(column, "").split("-"):
                    if word not in ("", "N/A", "NA"):
                        told.setdefault(breast, []).append((column, word))
                        counted[column] += 1
    landed, listed = Counter(), Counter()
    for case in read_dataset("cbis", TABLES):
        if isinstance(case, SkippedRow):
            continue
        unread = Counter((word.column, word.word) for word in case.unread if word.column in (SHAPE, MARGIN))
        for side in Laterality:
            if (breast := getattr(case.findings, side.word)) is None:
                continue
            words = Counter(told[case.exam, side.value])
            allowed = {MEANINGS[word] for word in words}
            assert words_of(breast) <= allowed, "nothing is invented"
            for word, number in words.items():
                if MEANINGS[word] in words_of(breast):
                    landed[word[0]] += number
                else:
                    assert unread[word] >= number, f"{case.exam} {side}: {word} is lost"
                    listed[word[0]] += number
    assert landed + listed == counted and sum(landed.values()) > 0.979 * sum(counted.values())
