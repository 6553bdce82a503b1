import json
import random
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from mvmlm.pretraining.paraphrase import (
    REFUSED_FILE,
    ParaphraseError,
    Paraphraser,
    openai_compatible,
    why_refused,
    write_paraphrases,
)
from mvmlm.report.findings import Finding, Findings
from mvmlm.report.parser import parse_report
from mvmlm.report.writer import write_report
from tests.stub_server import StubServer

DATA = Path(__file__).parent / "data"
FINDINGS = Findings("B", (Finding("mass", "round", "spiculated", size_mm=12),), frozenset({"calcification"}), "4")


@pytest.fixture
def stub():
    """A chat completions server; `stub.answer` is what it makes of a report, `stub.seen` what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            server.seen.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            report = server.seen[-1]["messages"][0]["content"].split("\n\n", 1)[1]
            body = json.dumps({"choices": [{"message": {"content": server.answer(report)}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = StubServer(Handler)
    server.seen = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()


def paraphraser(stub):
    return Paraphraser(openai_compatible(f"http://127.0.0.1:{stub.server_port}/v1", "stub"))


def test_a_faithful_paraphrase_is_accepted(stub):
    stub.answer = lambda report: write_report(parse_report(report), random.Random(99))
    ours = paraphraser(stub)
    text = ours(FINDINGS, random.Random(1))
    assert text is not None and parse_report(text) == FINDINGS and ours.summary.startswith("1 of 1")


UNFAITHFUL = {
    "drops a finding": lambda report: "Scattered fibroglandular densities. BI-RADS 4.",
    "adds a finding": lambda report: report + ". Architectural distortion.",
    "changes a descriptor": lambda report: report.lower().replace("spiculate", "circumscribe"),
    "adds an outcome": lambda report: report + ". Biopsy showed invasive carcinoma.",
    "invents a side": lambda report: "Left breast. " + report,
    "is empty": lambda report: "",
    "chats": lambda report: "Sure! Here is the rewritten report.",
}


@pytest.mark.parametrize("answer", UNFAITHFUL)
def test_an_unfaithful_paraphrase_is_rejected(stub, answer):
    stub.answer = UNFAITHFUL[answer]
    ours = paraphraser(stub)
    assert [ours(FINDINGS, random.Random(seed)) for seed in range(5)] == [None] * 5
    assert ours.summary.startswith("0 of 5") and "5 refused because the text" in ours.summary
    assert len(ours.refused) == 5 and all(reason for _, _, reason in ours.refused)


REWORDINGS = [json.loads(line) for line in (DATA / "rewordings.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("pair", REWORDINGS, ids=lambda pair: pair["rewording"][:50])
def test_a_rewording_is_taken_only_where_it_says_the_same(pair):
    reason = why_refused(pair["rewording"], pair["report"])
    assert bool(reason) is not pair["true"], reason


@pytest.mark.parametrize(
    ("rewording", "added"),
    [
        ("A 12 x 3 mm irregular mass is seen at 2 o'clock.", "3"),
        ("An irregular mass of 12 mm, previously 30 mm, is seen at 2:00.", "previously, 30"),
        ("A new 12 mm irregular mass is seen at 2 o'clock.", "new"),
        ("An unchanged irregular mass of 1.2 cm is seen at 2:00.", "unchanged"),
        ("An irregular mass, 12 mm, is seen at 2:00 on one view.", "view"),
        ("Again there is a 12 mm irregular mass at 2 o'clock.", "again"),
        ("There is still a 12 mm irregular mass at 2 o'clock.", "still"),
        ("An irregular mass of about 12 mm at 2 o'clock.", "about"),
        ("An irregular mass of up to 12 mm at 2 o'clock.", "up"),
        ("An irregular mass of 12 mm at 2 o'clock on tomosynthesis.", "tomosynthesis"),
        ("Multiple irregular mass, 12 mm, at 2 o'clock.", "multiple"),
        ("An irregular mass of 1.2 cm is seen at 2:00.", ""),
        ("Irregular mass at the 2 o'clock position, 12 mm.", ""),
    ],
)
def test_a_rewording_adds_no_number_and_no_comparison(rewording, added):
    reason = why_refused(rewording, "There is a 12 mm irregular mass at 2 o'clock.")
    assert reason == (f"adds what the report does not say: {added}" if added else "")


@pytest.mark.parametrize(
    ("report", "rewording", "taken"),
    [
        ("Grouped calcifications. BI-RADS 4B.", "A group of five calcifications. BI-RADS 4B.", False),
        ("Two oval masses, 5 mm each.", "2 oval masses, each 5 mm.", True),
        ("There is an oval mass.", "Both breasts: an oval mass.", False),
        ("There is an oval mass.", "An oval mass bilaterally.", False),
        ("No suspicious mass. BI-RADS 2, benign.", "No suspicious mass. BI-RADS 2: negative.", False),
        ("An oval mass. No calcifications.", "An oval mass. Negative for calcifications.", True),
    ],
)
def test_a_rewording_adds_no_number_in_words_no_side_and_no_other_result(report, rewording, taken):
    assert bool(why_refused(rewording, report)) is not taken


def test_what_was_refused_is_kept_with_its_reason(stub, tmp_path, phantom):
    from mvmlm.exam import Laterality
    from mvmlm.imaging.preprocess import Preprocessing
    from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam

    small = Preprocessing(rows=96, columns=64)
    views, present, _ = to_cached_exam(phantom.exam, small)
    with ExamCacheWriter(tmp_path, small) as writer:
        writer.add("exam 0", views, present, Labels({Laterality.LEFT: FINDINGS}, {}, {}, None))
    stub.answer = lambda report: "The breast is free of calcifications."
    assert write_paraphrases(ExamCache(tmp_path), paraphraser(stub), each=1, seed=1) == 0
    (row,) = map(json.loads, (tmp_path / REFUSED_FILE).read_text(encoding="utf-8").splitlines())
    assert row["text"] == "The breast is free of calcifications." and "states other findings" in row["reason"]


def test_a_server_that_does_not_answer_gives_a_sentence():
    with pytest.raises(ParaphraseError, match="check its address"):
        openai_compatible("http://127.0.0.1:9/v1", "stub")("text")


def test_training_uses_paraphrases_with_their_findings(stub, tmp_path, phantom):
    from mvmlm.exam import Laterality
    from mvmlm.imaging.preprocess import Preprocessing
    from mvmlm.pretraining.batches import make_batch
    from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam

    small = Preprocessing(rows=96, columns=64)
    views, present, _ = to_cached_exam(phantom.exam, small)
    with ExamCacheWriter(tmp_path, small) as writer:
        for index in range(2):
            writer.add(f"exam {index}", views, present, Labels({Laterality.LEFT: FINDINGS}, {}, {}, None))
    stub.answer = lambda report: (
        "ROUND spiculated mass, 12 mm. No calcifications. Scattered fibroglandular densities. BI-RADS 4."
    )
    assert write_paraphrases(ExamCache(tmp_path), paraphraser(stub), each=2, seed=1) == 2
    assert len(stub.seen) == 2, "equal findings are asked for once"
    with open(tmp_path / "rewordings.jsonl", "a", encoding="utf-8") as file:
        file.write('{"findings": 12, "te')  # as a kill leaves it
    assert write_paraphrases(ExamCache(tmp_path), paraphraser(stub), each=2, seed=1) == 0
    cache = ExamCache(tmp_path)
    used = 0
    for seed in range(20):
        batch = make_batch(cache, [0], (), [random.Random(seed)])
        for findings, *texts in zip(batch.findings, *batch.wordings):
            if findings != Findings():
                assert [parse_report(text) for text in texts] == [findings] * 2
                used += texts[0].startswith("ROUND")
    assert 3 < used < 17


def test_paraphrases_are_not_written_while_a_training_runs_in_the_folder(stub, tmp_path, phantom, capsys):
    from mvmlm.__main__ import main
    from mvmlm.imaging.preprocess import Preprocessing
    from mvmlm.pretraining.exam_cache import ExamCacheWriter, Labels, to_cached_exam
    from mvmlm.pretraining.resume import only_run

    small = Preprocessing(rows=96, columns=64)
    views, present, _ = to_cached_exam(phantom.exam, small)
    with ExamCacheWriter(tmp_path / "exams", small) as writer:
        writer.add("exam 0", views, present, Labels({}, {}, {}, None))
    with only_run(tmp_path):
        assert main(["rewrite", "--work", str(tmp_path), "--address", "http://127.0.0.1:9/v1", "--model", "m"]) == 1
    assert "another run works in this folder" in capsys.readouterr().err
