"""The report parser: what a denial, a doubt, the past or a plan reaches, and that everything else is said."""

import random
import re

import pytest

from mvmlm.exam import Laterality
from mvmlm.report import synonyms, trigger_words
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import parse_report, read_report
from mvmlm.report.sections import LONGEST_REPORT
from mvmlm.report.sentence import LONGEST_SENTENCE
from mvmlm.report.writer import write_report

R, L = Laterality.RIGHT, Laterality.LEFT


def absent(*kinds, present=()):
    return Findings(present=tuple(present), absent=frozenset(kinds))


def seen(*findings, **more):
    return Findings(present=findings, **more)


MASS, CALCIFICATION = Finding("mass"), Finding("calcification")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Neither a mass nor calcifications are seen.", absent("mass", "calcification")),
        ("The breast is free of masses.", absent("mass")),
        ("Mass: No", absent("mass")),
        ("Calcifications: negative.", absent("calcification")),
        ("A mass is not seen.", absent("mass")),
        ("There is no evidence of\nmass or distortion.", absent("mass", "distortion")),
        ("No masses or suspicious calcifications.", Findings(absent={"mass"}, not_suspicious={"calcification"})),
        ("A mass without calcifications.", absent("calcification", present=[MASS])),
        ("There is a mass and there are no calcifications.", absent("calcification", present=[MASS])),
        ("No mass, but calcifications.", absent("mass", present=[CALCIFICATION])),
        ("Although no mass is seen, calcifications are present.", absent("mass", present=[CALCIFICATION])),
        ("No mass seen, grouped calcifications present.",
         absent("mass", present=[Finding("calcification", distribution="grouped")])),
        ("No change in the round mass.", seen(Finding("mass", "round"))),
        ("Not only calcifications but also a mass is seen.", seen(MASS, CALCIFICATION)),
        ("No masses except for an oval mass.", seen(Finding("mass", "oval"))),
        ("A mass cannot be excluded.", Findings(possible=(MASS,))),
        ("Mass versus asymmetry.", Findings(possible=(MASS, Finding("asymmetry")))),
        ("? mass at 2 o'clock", Findings(possible=(Finding("mass", clock=2),))),
        ("Skin thickening without nipple retraction.", Findings(absent={"nipple retraction"}, features=("skin thickening",))),
    ],
)  # fmt: skip
def test_the_reach_of_a_denial_and_of_a_doubt(text, expected):
    report = read_report(text)
    assert report.findings == expected and not any(sentence.why for sentence in report.sentences)


@pytest.mark.parametrize(
    "text, reason",
    [
        ("The previously seen mass has resolved.", "past"),
        ("The mass is no longer present.", "past"),
        ("The previously described mass is not seen today.", "past"),
        ("Status post excision of a mass.", "past"),
        ("Biopsy of the mass is recommended.", "plan"),
        ("If a mass is found, biopsy.", "plan"),
        ("History: mass in the left breast.", "history"),
        ("No mass in the upper outer quadrant.", "one sort of it or in one place"),
        ("No spiculated mass.", "one sort"),
        ("No new mass.", "one sort"),
        ("A mass with calcifications is not seen.", "one sort"),
        ("No distortion other than at the scar.", "one sort"),
        ("There is a mass that is not seen on the MLO view.", "not understood"),
        ("A mass is unlikely.", "not understood"),
        ("No mass without calcifications.", "not understood"),
        ("Wihtout mass.", "not understood"),
        ("N0 mass.", "not understood"),
        ("Mass?", "question"),
        ("BI-RADS 6.", "known cancer"),
        ("Ultrasound negative.", "not understood"),
        ("???", "not understood"),
    ],
)
def test_what_is_neither_there_nor_denied_is_said(text, reason):
    report = read_report(text)
    assert report.findings == Findings() and any(reason in sentence.why for sentence in report.sentences)


@pytest.mark.parametrize(
    "text, finding, rest",
    [
        ("A 12 × 9 mm mass", Finding("mass", size_mm=12), ""),
        ("Mass measuring 0.8 x 1.4 cm", Finding("mass", size_mm=14), ""),
        ("Mass, 1.2 cm x 0.8 cm x 1.0 cm", Finding("mass", size_mm=12), ""),
        ("Mass, previously 9 mm, now 14 mm", Finding("mass", size_mm=14), ""),
        ("Mass, 3 cm from the nipple", MASS, "3 cm from"),
        ("A mass of 400 mm", MASS, "400 mm"),
        ("A 10-12 mm mass", MASS, "10 - 12 mm"),
        ("Mass at 2:00", Finding("mass", clock=2), ""),
        ("Mass at 5:30", MASS, "5 : 30"),
        ("Mass at 13 o'clock", MASS, "13 o'clock"),
        ("Mass at 10-11 o'clock", MASS, "10 - 11 o'clock"),
        ("Mass, category 4b", Finding("mass", birads="4B"), ""),
        ("Mass in the outer upper quadrant", Finding("mass", place="upper outer"), ""),
        ("Mass, not circumscribed", MASS, "not circumscribed"),
        ("Mass with spiculted margins", MASS, "spiculted"),
        ("Mass with indistinct and spiculated margins",
         Finding("mass", margin="indistinct", also=(("margin", "spiculated"),)), ""),
        ("Round or oval mass", Finding("mass", "round", either=(("shape", "oval"),)), ""),
    ],
)  # fmt: skip
def test_a_finding_keeps_its_words_and_the_others_are_said(text, finding, rest):
    (sentence,) = read_report(text).sentences
    assert sentence.findings.present == (finding,) and rest in sentence.not_understood


def test_several_findings_are_several():
    assert parse_report("Two round masses.") == seen(*[Finding("mass", "round")] * 2)
    assert parse_report("Three masses, the largest 12 mm.") == seen(Finding("mass", size_mm=12), MASS, MASS)
    assert parse_report("There is a mass. It measures 11 mm. The mass is oval.") == seen(
        Finding("mass", "oval", size_mm=11)
    )
    assert parse_report("A 5 mm mass and an 8 mm mass.") == seen(Finding("mass", size_mm=5), Finding("mass", size_mm=8))


def test_an_addendum_replaces_what_it_corrects_and_one_that_moves_a_side_blocks():
    text = "There is a 12 mm mass in the left breast. BI-RADS 3.\n\nADDENDUM: The mass measures 21 mm. BI-RADS 4."
    assert read_report(text).breasts == {L: seen(Finding("mass", size_mm=21), birads="4")}
    moved = read_report("Right breast: round mass. ADDENDUM: The mass described above is in the left breast.")
    assert "names another breast" in moved.problem
    with pytest.raises(ValueError, match="names another breast"):
        parse_report("Right breast: round mass. ADDENDUM: The mass described above is in the left breast.")


def test_a_report_that_contradicts_itself_is_refused():
    with pytest.raises(ValueError, match="mass: the report says that it is there, and that it is not"):
        parse_report("There is a mass. No mass.")
    report = read_report("Left breast: mass. BI-RADS 2.\nLeft breast: no mass. BI-RADS 4.")
    assert {what for what, _ in report.contradictions} == {"left mass", "left BI-RADS"}
    assert report.breasts == {L: Findings()}


def test_sides_come_from_headings_and_words():
    report = read_report("RIGHT BREAST\n- No mass\n- No calcifications\n\nLEFT BREAST\n- Oval mass, 8 mm")
    assert report.breasts == {R: absent("mass", "calcification"), L: seen(Finding("mass", "oval", size_mm=8))}
    both = read_report("Bilateral calcifications. No mass. There is an asymmetry.")
    assert both.breasts == {side: absent("mass", present=[CALCIFICATION]) for side in (R, L)}
    assert both.unsided == seen(Finding("asymmetry")), (
        "a finding is not put into both breasts unless the report says so"
    )


def test_a_figure_goes_before_words_and_may_not_contradict_them():
    assert parse_report("No evidence of malignancy. BI-RADS 2.").birads == "2"
    with pytest.raises(ValueError, match="BI-RADS: the report says 1 and 4"):
        parse_report("No evidence of malignancy. BI-RADS 4.")


def test_what_the_writer_writes_holds_no_word_that_is_not_understood():
    rng = random.Random(3)
    findings = Findings(
        "B", (Finding("mass", "oval", "indistinct", size_mm=8, place="upper", features=("skin thickening",)), MASS),
        frozenset({"distortion"}), "4A", (Finding("calcification", distribution="grouped"),),
        frozenset({"asymmetry"}), ("dilated duct",),
    )  # fmt: skip
    for _ in range(200):
        text = write_report(findings, rng)
        assert [s.not_understood for s in read_report(text).sentences if s.not_understood.strip(" .")] == [], text


def test_a_report_or_sentence_longer_than_any_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="more than 100,000 letters"):
        read_report("No mass. " * (LONGEST_REPORT // 9 + 1))
    (sentence,) = read_report("no mass " * LONGEST_SENTENCE).sentences
    assert "write it as several sentences" in sentence.why


def test_no_pattern_of_the_parser_repeats_a_repetition():
    """A pattern such as (a+)+ takes a time that grows without bound on a text that is made for it."""
    from mvmlm.report import measurements, phrases, sections

    for module in (measurements, phrases, sections):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                assert not re.search(r"[+*]\)[+*]", value.pattern), f"{module.__name__}.{name}"


def test_every_trigger_word_belongs_to_a_family_that_is_read():
    from mvmlm.report.phrases import TREE, expand, tokens_of

    for family, templates in trigger_words.TRIGGERS.items():
        for template in templates:
            for phrase in expand(template):
                length, roles = TREE.longest(tokens_of(phrase), 0)
                assert length == len(tokens_of(phrase)) and family in roles, phrase
    assert not set(synonyms.PLAIN.split()) & {"no", "not", "without", "never", "none", "absent"}


@pytest.mark.parametrize(
    "text",
    ["The technologist noted distortion of the image by motion.", "The calcifications are artifact.",
     "Image distortion is present."],
)  # fmt: skip
def test_what_the_picture_itself_shows_is_no_finding_of_the_breast(text):
    report = read_report(text)
    assert not report.findings.present and all(sentence.why for sentence in report.sentences)


def test_a_doubt_before_a_finding_does_not_reach_back_to_another():
    found = parse_report("Distortion with a possible central mass.")
    assert [f.kind for f in found.present] == ["distortion"] and [f.kind for f in found.possible] == ["mass"]
    assert [f.kind for f in parse_report("Mass, possible.").possible] == ["mass"]


@pytest.mark.parametrize("heading", ["ADDENDUM 3/4/2019:", "Addendum by Dr. Smith, 3/4/2019 at 10:30:", "Addendum:"])
def test_an_addendum_is_known_by_its_heading_whoever_wrote_it_and_when(heading):
    assert (
        "addendum"
        in read_report(f"Round mass in the right breast.\n\n{heading} The mass is in the LEFT breast.").problem
    )


def test_what_was_not_there_before_is_there_now():
    for text in ("A mass that was not seen before.", "Round mass, not present on the prior study."):
        assert [f.kind for f in parse_report(text).present] == ["mass"], text


def test_a_sentence_that_names_a_finding_of_each_breast_is_read_in_two_parts():
    report = read_report("The right breast demonstrates no mass, while the left demonstrates a round mass.")
    right, left = report.breasts[Laterality.RIGHT], report.breasts[Laterality.LEFT]
    assert right.absent == {"mass"} and left.present == (Finding("mass", "round"),)
    report = read_report("Irregular mass on the left, round mass on the right.")
    assert report.breasts[Laterality.RIGHT].present == (Finding("mass", "round"),)


@pytest.mark.parametrize(
    "text",
    ["No mass in the right breast, calcifications in the left breast.",
     "The 9 mm mass in the right breast and the 14 mm mass in the left breast are oval."],
)  # fmt: skip
def test_a_sentence_on_both_breasts_whose_words_may_reach_over_is_not_taken(text):
    assert all("names both breasts" in sentence.why for sentence in read_report(text).sentences)


def test_entries_of_a_form_describe_one_finding():
    report = parse_report("Mass shape: irregular. Mass margin: microlobulated. Mass size: 12 mm.")
    assert report.present == (Finding("mass", "irregular", "microlobulated", size_mm=12),)


def test_as_many_sizes_as_masses_are_one_of_each_and_an_earlier_size_is_none():
    assert {f.size_mm for f in parse_report("Two masses, 8 mm and 11 mm.").present} == {8, 11}
    assert parse_report("Mass measures 10 x 8 mm (previously 12 x 8 mm).").present == (Finding("mass", size_mm=10),)
    assert parse_report("The mass is less conspicuous than before.").present == (Finding("mass"),)


@pytest.mark.parametrize("text", ["Addendum: Size should read 18 mm.", "Addendum: there is an error in the size."])
def test_an_addendum_that_corrects_what_is_not_understood_blocks_the_report(text):
    assert "may correct the report" in read_report(f"Left breast: 8 mm oval mass.\n\n{text}").problem
    assert not read_report("Left breast: mass.\n\nAddendum: biopsy should be considered.").problem


@pytest.mark.parametrize(
    "text",
    ["MRI may reveal masses that are occult on mammography.", "Women with architectural distortion should undergo MRI.",
     "Up to 15 percent of breast masses are not visible.", "Return in six months to document stability of the mass.",
     "Outside films will be obtained to determine whether the mass is new.", "No interval development of a mass.",
     "A subtle mass: one cannot be excluded.", "One might see a mass."],
)  # fmt: skip
def test_statements_in_general_plans_and_modal_verbs_are_neither_findings_nor_denials(text):
    found = parse_report(text)
    assert not found.present and not found.absent and not found.not_suspicious


def test_a_blank_that_is_missing_makes_no_finding_of_a_denial():
    for text in ("Nomass or calcifications.", "Nosuspicious mass.", "Withoutmass or distortion."):
        assert not parse_report(text).present, text


def test_what_is_recommended_of_a_finding_names_none():
    report = read_report("Spot magnification views of the left breast calcifications are recommended.")
    assert not report.findings.present and "plan" in report.sentences[0].why


def test_findings_that_are_announced_are_counted_once():
    found = parse_report("Two masses: an oval 8 mm mass at 1 o'clock and an irregular 15 mm mass at 4 o'clock.")
    assert {(f.shape, f.size_mm, f.clock) for f in found.present} == {("oval", 8, 1), ("irregular", 15, 4)}
    assert len(found.present) == 2


def test_a_size_behind_an_associated_finding_is_that_of_the_first():
    found = parse_report("Irregular mass with associated calcifications, 2.1 x 1.8 cm.")
    assert {(f.kind, f.size_mm) for f in found.present} == {("mass", 21), ("calcification", None)}


def test_categories_are_read_behind_any_heading_and_for_each_breast():
    assert parse_report("Final assessment category: 4C.").birads == "4C"
    assert parse_report("Overall assessment: 0 - Incomplete.").birads == "0"
    report = read_report("Mass on the right. No mass on the left. BI-RADS 4 right, BI-RADS 1 left.")
    assert (report.breasts[Laterality.RIGHT].birads, report.breasts[Laterality.LEFT].birads) == ("4", "1")


def test_a_suspicious_node_stays_suspicious_beside_the_word_of_its_side():
    assert read_report("Suspicious right axillary lymph nodes.").findings.features == ("suspicious lymph node",)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("Oval mass, consistent with a fibroadenoma, 12 mm.", seen(Finding("mass", "oval", size_mm=12))),
        ("Oval mass compatible with a cyst.", seen(Finding("mass", "oval"))),
        ("Round mass, biopsy is recommended.", seen(Finding("mass", "round"))),
        ("A mass for which ultrasound is recommended.", seen(MASS)),
        ("The distortion is likely postsurgical.", seen(Finding("distortion"))),
        ("Probably benign finding, short-interval follow-up suggested.", Findings(birads="3")),
        ("No mass - just normal tissue.", absent("mass")),
        ("No mass, no distortion: normal breast.", absent("mass", "distortion")),
        ("Apart from calcifications there is nothing of note.", seen(CALCIFICATION)),
        ("Except for vascular calcifications, the examination is negative.",
         seen(Finding("calcification", morphology="vascular"))),
        ("Lymph nodes: no axillary adenopathy.", absent("axillary adenopathy")),
    ],
)  # fmt: skip
def test_an_explanation_a_plan_of_its_own_and_nothing_else_turn_no_finding(text, expected):
    report = read_report(text)
    assert report.findings == expected and not any(sentence.why for sentence in report.sentences)


@pytest.mark.parametrize(
    "text",
    ["No mass consistent with a fibroadenoma.", "Mass: normal.", "The mass is consistent with an artifact.",
     "The asymmetry questioned on the screening study resolves with additional views."],
)  # fmt: skip
def test_an_explanation_does_not_hide_a_denial_or_an_artifact(text):
    report = read_report(text)
    assert report.findings == Findings() and all(sentence.why for sentence in report.sentences)


def test_none_denies_in_a_breast_what_was_named_in_the_other():
    for text in ("A mass in the left breast, none in the right.", "Mass on the left; none on the right."):
        assert read_report(text).breasts == {L: seen(MASS), R: absent("mass")}, text
    report = read_report("Grouped calcifications in the right breast but none in the left.")
    assert L not in report.breasts and report.sentences[-1].why, "grouped ones are none, not all of them"


def test_findings_follow_an_indication_in_its_own_paragraph():
    report = read_report("Indication: palpable lump left breast. There is an oval mass in the left breast.")
    assert report.breasts == {L: seen(Finding("mass", "oval"))}
    assert not read_report("History: palpable mass. There is a palpable mass in the left breast.").findings.present


@pytest.mark.parametrize(
    "text, side, finding",
    [
        ("R breast: asymm UOQ.", R, Finding("asymmetry", place="upper outer")),
        ("Focal asymm. in L UOQ.", L, Finding("asymmetry", asymmetry="focal asymmetry", place="upper outer")),
        ("Arch dist L breast 12 o'clock.", L, Finding("distortion", clock=12)),
    ],
)
def test_abbreviations_are_read(text, side, finding):
    assert read_report(text).breasts == {side: seen(finding)}


def test_a_breast_that_only_an_earlier_operation_names_is_not_that_of_the_findings():
    report = read_report("Status post left mastectomy. There is a mass at 2 o'clock.")
    assert not report.breasts and report.unsided == seen(Finding("mass", clock=2))


def test_a_correction_that_names_a_breast_only_blocks_the_report():
    assert "names another breast" in read_report("Mass in the right breast. Correction: left breast.").problem


def test_categories_of_both_breasts_in_one_sentence_and_one_that_an_addendum_corrects():
    report = read_report("BI-RADS right 4C, left 1.")
    assert (report.breasts[R].birads, report.breasts[L].birads) == ("4C", "1")
    assert parse_report("BI-RADS 2. ADDENDUM: The assessment should read BI-RADS 3.").birads == "3"


def test_particles_of_a_group_are_one_finding_and_each_mass_has_its_own_hour():
    assert len(parse_report("A group of five punctate calcifications.").present) == 1
    found = parse_report("Two masses are seen, one at 3 o'clock and one at 9 o'clock.").present
    assert {finding.clock for finding in found} == {3, 9} and len(found) == 2


@pytest.mark.parametrize(
    "text",
    [
        "Calcifications are seen, none grouped.",
        "Calcifications, none suspicious.",
        "Masses are present in both breasts, none in the axilla.",
        "Several masses, none new.",
    ],
)
def test_none_of_a_sort_denies_nothing_flatly_and_is_said(text):
    report = read_report(text)
    assert not report.findings.absent and report.sentences[0].not_understood
