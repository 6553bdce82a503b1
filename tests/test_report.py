"""Reports: every wording is read back, and states what the findings hold and nothing else."""

import json
import os
import random
from dataclasses import replace

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import ExamFindings, Finding, Findings
from mvmlm.report.lexicon import EXAM_FIELDS, KINDS, LEXICON
from mvmlm.report.parser import parse_report, read_report
from mvmlm.report.writer import diversity, drop_random_fields, write_exam_report, write_report
from tests.random_findings import maybe, random_findings

NORMAL = Findings("B", absent=frozenset(KINDS), birads="1")
FULL = Findings(
    "C",
    (
        Finding("mass", "irregular", "spiculated", "high", size_mm=14, place="upper outer", clock=2, depth="middle",
                features=("skin retraction",), birads="5"),
        Finding("calcification", morphology="fine pleomorphic", distribution="grouped", place="upper outer"),
    ),
    frozenset({"asymmetry", "distortion"}),
    "5",
)  # fmt: skip


def wordings(findings, n=400, side=None):
    return [write_report(findings, random.Random(seed), side) for seed in range(n)]


def test_every_wording_of_random_findings_is_read_back():
    """MVMLM_ROUND_TRIPS=20000 tries as many as the docs tell; the unit tests try some hundreds."""
    for seed in range(int(os.environ.get("MVMLM_ROUND_TRIPS", "300"))):
        rng = random.Random(seed)
        findings = random_findings(rng)
        text = write_report(findings, rng, maybe(rng, list(Laterality)))
        read = read_report(text)
        assert read.findings == findings, text
        assert not [sentence for sentence in read.sentences if sentence.not_understood], text


def test_every_wording_of_an_exam_is_read_back():
    for seed in range(100):
        rng = random.Random(seed)
        sides = [random_findings(rng) if rng.random() < 0.9 else None for _ in range(2)]
        exam = ExamFindings(
            *sides, *(maybe(rng, EXAM_FIELDS[name]) for name in ("indication", "comparison", "recommendation"))
        )
        text = write_exam_report(exam, rng)
        report = read_report(text)
        for side in Laterality:
            assert report.breasts.get(side, Findings()) == (getattr(exam, side.word) or Findings()), text
        told = {sentence.text for sentence in report.sentences if sentence.why}
        assert {getattr(exam, name) for name in EXAM_FIELDS} - {None} <= told, text


def test_the_same_seed_gives_the_same_words_and_others_give_many():
    assert wordings(FULL, 20) == wordings(FULL, 20)
    assert len(set(wordings(FULL))) > 390
    assert len(set(wordings(NORMAL))) > 300
    assert 0 < diversity(wordings(FULL))["distinct-2"] <= diversity(["a b c", "d e f"])["distinct-2"] == 1


def test_a_report_states_nothing_that_is_not_in_the_fields():
    bare = Findings(present=(Finding("mass"),))
    others = [p for values in LEXICON.values() for phrases in values.values() for p in phrases]
    for report in wordings(bare):
        assert not any(f" {phrase} " in f" {report} " for phrase in others), report
    for report in wordings(NORMAL):
        for word in ("spiculated", "irregular", "quadrant", " mm ", "BI-RADS 4"):
            assert word not in report


def test_no_report_mentions_an_outcome():
    for seed in range(2000):
        rng = random.Random(seed)
        report = write_exam_report(ExamFindings(random_findings(rng), None), rng).lower()
        assert not any(word in report for word in ("biopsy", "cancer", "invasive", "carcinoma", "proven"))


def test_a_known_cancer_is_an_outcome_and_no_assessment():
    with pytest.raises(ValueError, match="birads='6'"):
        Findings(birads="6")


def test_a_present_finding_is_never_denied():
    for report in wordings(FULL):
        for sentence in report.lower().replace(";", ".").replace("\n", ".").split("."):
            if sentence.strip().startswith(("no ", "without ")):
                assert "mass" not in sentence and "calcification" not in sentence


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Finding("cyst"), "kind='cyst'"),
        (lambda: Finding("mass", shape="square"), "shape='square'"),
        (lambda: Finding("mass", morphology="round"), "a mass has no morphology"),
        (lambda: Findings(present=(Finding("mass"),), absent={"mass"}), "present and absent"),
        (lambda: ExamFindings(indication="curiosity"), "indication='curiosity'"),
    ],
)
def test_values_outside_the_lexicon_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        wrong()


def test_dropping_fields_removes_but_never_adds():
    for seed in range(300):
        rng = random.Random(seed)
        findings = random_findings(rng)
        fewer = drop_random_fields(findings, rng)
        assert sorted(f.kind for f in fewer.present) == sorted(f.kind for f in findings.present)
        assert fewer.absent <= findings.absent
        assert fewer.density in (None, findings.density) and fewer.birads in (None, findings.birads)
        assert parse_report(write_report(fewer, rng)) == fewer


def test_findings_that_tell_nothing_give_no_text():
    assert {write_report(Findings(), random.Random(seed), Laterality.LEFT) for seed in range(50)} == {""}


def test_what_the_grammar_does_not_know_is_not_guessed():
    assert parse_report("The weather is fine. Patient moved to Paris.") == Findings()
    assert parse_report("") == Findings()


def test_a_finding_keeps_all_words_of_a_field_in_one_order():
    both = Finding("mass", margin="spiculated", also=(("margin", "indistinct"),))
    assert both == Finding("mass", margin="indistinct", also=(("margin", "spiculated"),))
    assert (
        both.words("margin") == ("indistinct", "spiculated") and both.described("margin") == "indistinct and spiculated"
    )
    differs = Finding("mass", shape="irregular", either=(("shape", "oval"), ("shape", "irregular")))
    assert differs.words("shape") == ("oval",) and differs.other_words("shape") == ("irregular",)
    assert differs.without("shape") == Finding("mass") and Finding.from_json(differs.to_json()) == differs
    with pytest.raises(ValueError, match="further word of a field that has none"):
        Finding("mass", also=(("shape", "oval"),))
    with pytest.raises(ValueError, match="size_mm=inf"):
        Finding("mass", size_mm=float("inf"))
    with pytest.raises(ValueError, match="clock=13"):
        Finding("mass", clock=13)


def test_findings_come_back_from_json_whole():
    findings = Findings(
        "C", (Finding("mass", size_mm=8.5, subtlety=2), Finding("mass")), frozenset({"distortion"}), "4A",
        possible=(Finding("calcification", distribution="grouped"),),
        not_suspicious=frozenset({"asymmetry", "distortion"}), features=("skin thickening",),
    )  # fmt: skip
    again = Findings.from_json(json.loads(json.dumps(findings.to_json())))
    assert again == findings and again.key == findings.key and len(again.present) == 2
    assert again.not_suspicious == {"asymmetry"}, "what is absent is not suspicious either"
    assert findings.key != replace(findings, possible=()).key


def test_what_is_uncertain_or_seen_cannot_be_absent():
    for seen in ({"possible": (Finding("mass"),)}, {"features": ("skin lesion",)}):
        with pytest.raises(ValueError, match="present and absent at once"):
            Findings(absent=frozenset({"mass", "skin lesion"}), **seen)
