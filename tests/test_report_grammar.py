"""Reports are English: rules that thousands of random reports of each style must keep."""

import random
import re

import pytest

from mvmlm.exam import Laterality
from mvmlm.report.findings import Finding, Findings, soften_denials
from mvmlm.report.grammar import article, listed, pluralised
from mvmlm.report.lexicon import FEATURES, KINDS, QUADRANTS
from mvmlm.report.noun_phrases import feature_noun
from mvmlm.report.variety import count_wordings, wordings_of
from mvmlm.report.writer import in_key_words, in_prose, write_report
from tests.random_findings import random_findings

VERBS = {"is", "are", "shows", "show", "demonstrates", "has", "contains", "appears"}
SEEN = "seen|noted|identified|present|visible|demonstrated|observed|evident"
REPORTS = 1500


def sentences_of(report):
    return [sentence for sentence in re.split(r"(?<=\.)[ \n]|\n", report) if sentence]


@pytest.fixture(scope="module")
def prose():
    return [in_prose(random_findings(rng), rng) for rng in map(random.Random, range(REPORTS))]


@pytest.fixture(scope="module")
def key_words():
    return [in_key_words(random_findings(rng), rng) for rng in map(random.Random, range(REPORTS))]


def test_a_sentence_in_full_has_a_capital_a_verb_and_a_full_stop(prose):
    for report in prose:
        for sentence in sentences_of(report):
            assert sentence[0].isupper() or sentence[0].isdigit(), sentence
            assert sentence.endswith(".") and VERBS & set(sentence[:-1].replace(",", "").split()), sentence
            assert len(sentence.split()) <= 60, sentence


def test_an_article_follows_the_sound_of_the_next_word(prose, key_words):
    for report in prose + key_words:
        for used, word in re.findall(r"\b([Aa]n?) ([\w.-]+)", report):
            number = re.match(r"\d+", word)
            vowel = number[0] in ("8", "11", "18", "80") if number else word[0] in "aeio"
            assert used.lower() == ("an" if vowel else "a"), f"{used} {word} in {report}"


def test_evidence_is_of_a_mass(prose):
    for report in prose:
        assert not re.search(r"evidence of (?:suspicious )?(?:mass|asymmetry)\b", report), report


def test_verbs_agree_with_their_nouns(prose):
    for report in prose:
        for sentence in sentences_of(report):
            low = sentence.lower()
            assert not re.search(
                r"\bthere are (an? |another |no (?:suspicious )?(?:mass|asymmetry|distortion)\b)", low
            ), sentence
            assert not re.search(
                r"\bthere is (two|three|four|no (?:suspicious )?(?:masses|\w+ies|calcifications))\b", low
            ), sentence
            if denial := re.fullmatch(rf"no (.*?) (is|are) (?:{SEEN})\.", low):
                last = re.split(r", or | or |, ", denial[1])[-1]
                plural = bool(re.search(r"\bareas of\b|(?:masses|ies|ions|nodes|ducts|lesions)$", last))
                plural = plural and not last.endswith(("thickening", "retraction"))
                assert denial[2] == ("are" if plural else "is"), sentence


def test_words_and_marks_are_neither_doubled_nor_missing(prose, key_words):
    for report in prose + key_words:
        assert not re.search(r"  | [,.;:)]|\( |,,|\.\.|\(\)|,\.|;\.", report), report
        assert not re.search(r"\b([a-z]+) \1\b", report.lower()), report
        assert report == report.strip() and "None" not in report


def test_nothing_stands_as_a_fragment(prose, key_words):
    for report in prose:
        assert not re.search(r"\b(UOQ|UIQ|LOQ|LIQ)\b", report), report
    for report in prose + key_words:
        assert not re.search(r"(^|[.;\n] ?)[Ww]ithout", report), report
        assert "breast is scattered" not in report and not re.search(r"in a line\b", report)


def test_words_that_are_nouns_stand_behind_the_code_of_an_assessment(prose, key_words):
    for report in prose + key_words:
        said = re.findall(r"(?:\bas|ssessment is|mpression is) ([^.;\n]+)", report)
        nouns = r"\w+ suspicion for|incomplete: |incomplete, add|no evidence|(?:probably )?benign f|suspicious [fa]"
        assert not any(re.match(nouns, words) for words in said), report


def test_density_is_told_as_a_reader_tells_it():
    for letter in "ABCD":
        for form in (in_prose, in_key_words):
            for seed in range(500):
                report = form(Findings(letter), random.Random(seed)).lower()
                assert "seen to be" not in report, report
                assert not re.search(
                    r"parenchyma(?:'s)?\b.*entirely fat\b|entirely fat (?:breast|tissue|parench)", report
                ), report


def test_areas_are_of_calcification_and_margins_are_spiculated(prose, key_words):
    for report in prose + key_words:
        for area in re.findall(r"\bareas? of (?:[\w-]+,? ){0,8}?(?:micro)?calcifications\b", report):
            assert "distortion" in area or "density" in area, report
        assert not re.search(r"\b[Ss]piculate\b", report), report


def test_what_describes_a_further_finding_is_not_said_of_the_one_before(prose, key_words):
    """A "second round mass" or "another mass of low density" would say so of the first one as well."""
    further = r"(?i)\b(?:second|third|fourth|another|additional|further)"
    for report in prose:
        assert not re.search(
            further + r"(?: [\w-]+){1,4} (?:of (?!architect|distort|calcif)|with|measuring|in an? )", report
        ), report
    for report in key_words:
        assert not re.search(r"(?i)\b(?:second|fourth|additional),", report), report


def test_calcifications_are_set_apart_by_no_comma(prose):
    for report in prose:
        assert not re.search(r"(?:^|[a-z,] |\. )[\w ]*[Cc]alcifications, (?:in an?|measuring) ", report), report


def test_neighbouring_sentences_do_not_begin_with_the_same_words(prose):
    for report in prose:
        openings = [tuple(sentence.lower().split()[:2]) for sentence in sentences_of(report)]
        assert all(one != other for one, other in zip(openings, openings[1:], strict=False)), report


def test_a_place_that_adds_nothing_is_not_told():
    for quadrant in QUADRANTS:
        for half in quadrant.split():
            finding = Finding("mass", place=half, also=(("place", quadrant), ("place", "central")))
            assert finding == Finding("mass", place=quadrant, also=(("place", "central"),))
    assert Finding("mass", place="lower", also=(("place", "upper outer"),)).words("place") == ("upper outer", "lower")


def test_articles_plurals_and_lists():
    assert [article(word) for word in ("8 mm", "11 mm", "18 mm", "80 mm", "8.5 mm")] == ["an"] * 5
    assert [article(word) for word in ("1 mm", "10 mm", "12 mm", "108 mm", "UOQ mass")] == ["a"] * 5
    assert article("irregular mass") == "an" and article("high-density mass") == "a"
    assert pluralised("mass") == "masses" and pluralised("focal asymmetry") == "focal asymmetries"
    assert listed(["a", "b", "c"], "or", ",") == "a, b, or c" and listed(["a", "b"], "or", ",") == "a or b"


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_has_an_article_where_it_is_counted(feature):
    uncounted = ("thickening", "retraction", "adenopathy", "edema")
    assert (feature_noun(feature) == feature) == feature.endswith(uncounted)


def test_with_birads_2_and_nothing_named_only_something_suspicious_is_denied():
    for denied in (frozenset(KINDS), frozenset({"mass", "calcification"})):
        findings = soften_denials(Findings("B", absent=denied, birads="2"))
        assert findings == Findings("B", not_suspicious=denied, birads="2")
    flat = Findings("B", absent=frozenset(KINDS), birads="2")
    benign = Findings("B", (Finding("calcification", morphology="vascular"),), frozenset({"mass"}), "2")
    assert soften_denials(benign) == benign and soften_denials(Findings(absent={"mass"}, birads="1")).absent == {"mass"}
    for seed in range(300):
        for sentence in re.split(r"[.;\n]", write_report(flat, random.Random(seed)).lower()):
            assert not re.search(r"\b(no|evidence of)\b", sentence) or "suspicious" in sentence, sentence


def test_no_suspicious_lymph_node_is_one_denial_whatever_its_form():
    flat = Findings(absent=frozenset({"suspicious lymph node"}))
    assert (
        Findings(not_suspicious=frozenset({"lymph node"})) == Findings(not_suspicious={"suspicious lymph node"}) == flat
    )


def test_several_findings_of_a_kind_are_told_as_several():
    equal = Findings(present=(Finding("mass", "round"),) * 2)
    assert all(re.search("two round(ed)? masses|two masses", text(equal, seed).lower()) for seed in range(200))
    different = Findings(present=(Finding("mass", "round"), Finding("mass", "irregular"), Finding("mass")))
    for seed in range(200):
        report = text(different, seed).lower()
        assert len(re.findall(r"\bmass\b", report)) == 3, report
        assert not re.search(r"(second|third|another|additional) (?:round|irregular)", report), report


def test_only_small_calcifications_are_called_microcalcifications():
    for morphology, expected in (("coarse", False), ("vascular", False), (None, False), ("amorphous", True)):
        findings = Findings(present=(Finding("calcification", morphology=morphology),))
        assert any("micro" in text(findings, seed).lower() for seed in range(200)) == expected
    denial = Findings(absent=frozenset({"calcification"}))
    assert not any("micro" in text(denial, seed).lower() for seed in range(200)), "larger ones would not be denied"


def text(findings, seed):
    return write_report(findings, random.Random(seed))


def test_the_number_of_wordings_is_counted():
    few = wordings_of(lambda rng: rng.choice(("a", "b")) + rng.choice(("", "c")) + rng.choice(("", "")))
    assert few == {"a", "b", "ac", "bc"}
    density = count_wordings(Findings("C"))
    assert 200 <= len({text(Findings("C"), seed) for seed in range(3000)}) <= density
    assert (
        density < count_wordings(Findings("C", birads="1")) and count_wordings(Findings("C"), Laterality.LEFT) > density
    )


def test_reports_of_breasts_of_which_little_is_known_differ():
    """A whole table may hold nothing else: RSNA has some 2,500 breasts of one side and density."""
    mass_alone = Findings(present=(Finding("mass"),), not_suspicious=frozenset({"calcification"}))
    for findings in (Findings("B"), Findings("C"), mass_alone):
        reports = [write_report(findings, random.Random(seed), Laterality.LEFT) for seed in range(2500)]
        assert len(set(reports)) >= 0.93 * len(reports), findings
