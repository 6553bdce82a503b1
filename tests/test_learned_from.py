"""What weights learned from, and on which terms: from their record to the command line, the page and the card."""

import json
from dataclasses import replace

import pytest

from app.about import ASSETS, about_html, without_file_links
from mvmlm.__main__ import main
from mvmlm.model.learned_from import NOT_KNOWN, about_lines, seen_patients, sources, terms, whom
from mvmlm.model.weights import BUNDLED, load_weights, read_record, save_model
from mvmlm.pretraining.exam_cache import Labels
from mvmlm.pretraining.record import learned_from, risk_learned_on
from scripts.demo_exams import PHANTOMS, WOMEN
from scripts.model_card import licence, sources_list

ALL = {name: f"9 breasts: {what}" for name, what in WOMEN.items()} | {PHANTOMS: "800 exams made by this program"}
EVIL = "${alert(1)}{{7*7}}`<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def bundled():
    return read_record(BUNDLED / "demo.safetensors")


def with_training(record, **training):
    return replace(record, training=training)


@pytest.mark.parametrize(
    "training, seen",
    [
        ({"learned_from": ALL}, True),
        ({"learned_from": {PHANTOMS: "800 exams"}}, False),
        ({"learned_from": {"table": "9 exams"}}, True),
        ({"data": "4000 phantom exams, seed 1, rows (640, 704, 896)"}, False),
        ({"data": "9 exams of csaw-cc"}, True),
        ({"data": "9 exams of table"}, None),
        ({}, None),
    ],
)
def test_whether_weights_have_seen_a_patient_follows_from_the_record(bundled, training, seen):
    record = with_training(bundled, **training)
    assert seen_patients(record) is seen
    assert ("never seen a patient" in whom(record)) == (seen is False) and bool(whom(record)) == (seen is not None)
    assert ("never seen a patient" in " ".join(about_lines(record))) == (seen is False)


def test_weights_that_learned_from_rsna_are_for_research_and_education_only(bundled):
    found = " ".join(terms(with_training(bundled, learned_from=ALL)))
    assert "non-commercial research and education only" in found
    for due in ("10.7937/K9/TCIA.2016.7O02S9CY", "CC BY 3.0", "10.7937/29kw-ae92", "CC BY 4.0", "Khaled", "Sawyer-Lee"):
        assert due in found
    without = {name: said for name, said in ALL.items() if not name.startswith("rsna")}
    assert "non-commercial" not in " ".join(terms(with_training(bundled, learned_from=without)))
    assert "non-commercial" in " ".join(terms(with_training(bundled, data="700 exams of rsna"))), "of 0.4.0"
    assert terms(with_training(bundled, learned_from={PHANTOMS: "800 exams"})) == []
    assert "csaw-cc: the terms" in terms(with_training(bundled, learned_from={"csaw-cc": "9 exams"}))[0]


def test_the_model_card_says_what_the_record_says(bundled):
    women, phantoms = with_training(bundled, learned_from=ALL), with_training(bundled, data="9 phantom exams")
    assert "Apache-2.0" in licence(phantoms) and "Apache-2.0" not in licence(women)
    assert "non-commercial" in licence(women) and "CC BY 4.0" in licence(women)
    assert sources_list(phantoms) == "- 9 phantom exams" and "- cdd-cesm: 9 breasts" in sources_list(women)


def test_weights_without_an_entry_say_no_more_than_their_record_does(bundled):
    assert about_lines(with_training(bundled))[0] == NOT_KNOWN
    assert "Learned from: 9 exams of table." in about_lines(with_training(bundled, data="9 exams of table"))
    assert sources(with_training(bundled, learned_from={}, data="9 phantom exams")) == {"": "9 phantom exams"}


def test_the_command_prints_it_for_the_bundled_and_for_other_weights(small_weights, tmp_path, capsys, bundled):
    assert main(["model"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{bundled.name} {bundled.version}. Research use only") and whom(bundled) in out
    model = load_weights(small_weights)
    save_model(
        model, tmp_path / "w.safetensors", with_training(model.record, learned_from=ALL, risk_learned_on=PHANTOMS)
    )
    assert main(["model", "--weights", str(tmp_path / "w.safetensors")]) == 0
    out = capsys.readouterr().out
    assert "Learned from rsna-640: 9 breasts" in out and "non-commercial" in out
    assert "The risk of a later cancer was learned on phantoms." in out
    assert main(["model", "--json", "--weights", str(tmp_path / "w.safetensors")]) == 0
    assert json.loads(capsys.readouterr().out)["training"]["learned_from"] == ALL
    assert main(["model", "--weights", str(tmp_path / "none.safetensors")]) == 1


def test_the_page_shows_it_as_text(bundled):
    page = about_html(with_training(bundled, learned_from=ALL | {EVIL: EVIL}, start=EVIL))
    assert "non-commercial research and education only" in page and "10.7937/29kw-ae92" in page
    assert "<img" not in page and "${" not in page and "{{" not in page
    assert "never seen a patient" in about_html(with_training(bundled, data="9 phantom exams"))


def test_pretraining_says_how_many_exams_were_womens_and_who_taught_risk():
    def exam(years, cancer, phantom=False):
        return Labels({}, {}, {}, (years, cancer), phantom=phantom)

    women, drawn = [exam(2, True), exam(5, False)], [exam(2, True, phantom=True), exam(5, False, phantom=True)]
    assert risk_learned_on(women) == risk_learned_on(women + drawn) == "women"
    assert risk_learned_on(drawn) == risk_learned_on([*drawn, women[0]]) == risk_learned_on([]) == "phantoms"
    assert learned_from("table", women + drawn) == {"table": "2 exams", PHANTOMS: "2 exams"}
    assert learned_from("table", drawn) == {PHANTOMS: "2 exams"}
    assert [Labels.from_json(json.loads(json.dumps(one.to_json()))) for one in (women[0], drawn[0])] == [
        women[0],
        drawn[0],
    ]
    assert "phantom" not in women[0].to_json(), "the checksums of decoded exams stay"


def test_the_about_page_links_to_nothing_that_the_app_does_not_serve():
    text = "[the card](MODEL_CARD.md), [how](../docs/a.md#b), [arXiv](https://arxiv.org/abs/1) and [x] (y)"
    assert without_file_links(text) == "the card, how, [arXiv](https://arxiv.org/abs/1) and [x] (y)"
    for name in ("MODEL_CARD.md", "WOMEN.md", "SOURCES.md"):
        page = without_file_links((ASSETS / name).read_text(encoding="utf-8"))
        assert "](" not in page.replace("](https://", "")
