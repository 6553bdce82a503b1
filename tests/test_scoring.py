"""An archive is scored like exam after exam, nothing is lost or done twice when it is ended, and nobody is named."""

import csv
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from collections import Counter
from copy import copy
from io import StringIO
from queue import Full, Queue
from types import SimpleNamespace

import cv2
import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest

import mvmlm
import mvmlm.commands.score as score_command
import mvmlm.imaging.decoder as decoder_module
import mvmlm.scoring.ahead as ahead_module
import mvmlm.scoring.archive as archive_module
import mvmlm.scoring.parts as parts_module
import mvmlm.scoring.pipeline as pipeline_module
import mvmlm.scoring.ray_cluster as ray_cluster
from mvmlm.__main__ import main
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.load import load_exam
from mvmlm.inference.familiarity import Familiarity
from mvmlm.phantom.truth import write_phantoms
from mvmlm.reading.reading import Reading
from mvmlm.scoring.answer_table import RunKey, exam_scores, metadata
from mvmlm.scoring.archive import Failure, Place, list_archive
from mvmlm.scoring.opening import open_exam
from mvmlm.scoring.parts import Parts, open_parts
from mvmlm.scoring.pipeline import Outcome, ScoredAnswer, score_places
from mvmlm.scoring.progress import Progress
from mvmlm.scoring.ray_cluster import Resources, WeightsFile, resources, score_with_ray
from mvmlm.store.records import Filter
from tests.conftest import ROOT
from tests.test_load import LCC, RCC, write, write_four

pytestmark = pytest.mark.usefixtures("one_thread")
EXAMS = 6


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """Phantoms in folders, one of them in a zip and one as files; two folders of which nothing can be answered."""
    folder = tmp_path_factory.mktemp("archive") / "exams"
    write_phantoms(folder, n=EXAMS, seed=9, rows=256)
    names = sorted(path.name for path in folder.glob("phantom*"))
    with zipfile.ZipFile(folder / f"{names[4]}.zip", "w") as zipped:
        for file in sorted((folder / names[4]).iterdir()):
            zipped.write(file, f"SMITH^JANE/{file.name}")
    shutil.rmtree(folder / names[4])
    for file in (folder / names[5]).iterdir():
        file.rename(folder / file.name)
    (folder / names[5]).rmdir()
    (folder / "broken").mkdir()
    whole = (folder / names[0] / "L_CC.dcm").read_bytes()
    (folder / "broken" / "L_CC.dcm").write_bytes(whole[: len(whole) // 2])
    (folder / "dark").mkdir()
    cv2.imwrite(str(folder / "dark" / "R_CC.png"), np.zeros((160, 120), np.uint16))
    return folder


@pytest.fixture(scope="module")
def predicted(archive, small_predictor, decoder):
    """exam -> the answers of `predict`, one by one."""
    folders = sorted(path for path in archive.glob("phantom*"))
    paths = {path.name: path for path in folders} | {"L_CC.dcm": sorted(archive.glob("*.dcm"))}
    return {
        name: {
            (a.laterality and a.laterality.value, a.task, a.class_, a.by): a.probability
            for a in small_predictor.predict(load_exam(path, decoder=decoder)).answers
        }
        for name, path in paths.items()
    }


def rows_of(outcomes):
    """exam -> its answers, as in `predicted`."""
    return {
        outcome.exam: {(a.laterality, a.task, a.class_, a.by): a.probability for a in outcome.answers}
        for outcome in outcomes
        if outcome.answers
    }


def same(found, expected):
    assert found.keys() == expected.keys()
    for exam in expected:
        assert found[exam] == pytest.approx(expected[exam], abs=1e-5)


def scored(archive, out, small_weights, *more):
    return main(["score", str(archive), "--out", str(out), "--weights", str(small_weights), "--workers", "2", *more])


@pytest.fixture(scope="module")
def undisturbed(archive, small_weights, tmp_path_factory):
    """The file that a run writes, and the table of failures beside it."""
    out = tmp_path_factory.mktemp("undisturbed") / "scores.parquet"
    assert scored(archive, out, small_weights) == 0
    return out


def failures(out):
    with open(out.with_suffix(".failures.csv"), newline="", encoding="utf-8") as file:
        return {row["exam"]: row["sentence"] for row in csv.DictReader(file)}


class AllAtOnce(ahead_module.ExamsAhead):
    """Waits until every exam is ready, so that the network reads all in one call."""

    def take(self):
        taken = []
        while exams := super().take():
            taken += exams
        return taken


@pytest.mark.parametrize("ahead", [ahead_module.ExamsAhead, AllAtOnce])
def test_answers_of_an_archive_are_those_of_predict_one_by_one(
    archive, predicted, small_predictor, decoder, monkeypatch, ahead
):
    monkeypatch.setattr(pipeline_module, "ExamsAhead", ahead)
    assert len(predicted) == EXAMS
    places = list_archive(archive, decoder).places
    same(rows_of(score_places(places, [small_predictor], decoder, 2)), predicted)


def test_the_file_has_a_row_for_each_answer_and_says_what_gave_it(predicted, undisturbed, small_predictor):
    table = pq.read_table(undisturbed)
    found = {}
    for row in table.to_pylist():
        assert row["model"] == "small" and row["version"] == "0" and row["weights"] == small_predictor.weights
        assert row["notes"] == ["not measured"]
        found.setdefault(row["exam"], {})[row["laterality"], row["task"], row["class"], row["by"]] = row["probability"]
    same(found, predicted)
    assert table["exam"].to_pylist() == sorted(table["exam"].to_pylist())
    said = {key.decode(): value.decode() for key, value in pq.read_schema(undisturbed).metadata.items()}
    assert said["mvmlm.command"].startswith("python -m mvmlm score exams --out scores.parquet")
    assert json.loads(said["mvmlm.weights"]) == [{"model": "small", "version": "0", "sha256": small_predictor.weights}]
    assert said["mvmlm.version"] == mvmlm.__version__ and said["mvmlm.use"].startswith("research use only")


def test_what_fails_is_told_in_a_sentence_and_the_others_are_answered(undisturbed):
    told = failures(undisturbed)
    assert told.keys() == {"broken", "dark", "findings.csv"}
    assert told["broken"].startswith("The images cannot be opened: ") and "L_CC" not in told["broken"]
    assert told["dark"].startswith("no standard view (CC or MLO) that the model can read. Open questions")
    assert sorted(path.name for path in undisturbed.parent.iterdir()) == ["scores.failures.csv", "scores.parquet"]


def test_pictures_that_another_groups_model_prepares_its_own_way_are_measured_before_they_are_dropped(
    archive, predictor, decoder
):
    asked, record = copy(predictor), predictor.record
    asked.familiarity = Familiarity(predictor.model.image_tower.trunk, record.preprocessing, own_inputs=True)
    place = next(place for place in list_archive(archive, decoder).places if place.name.startswith("phantom"))
    (outcome,) = score_places([place], [asked], decoder, 1)
    prediction = asked.predict(load_exam(place.paths[0], decoder=decoder))
    assert outcome.failures == () and len(outcome.answers) == len(prediction.answers)
    assert set(outcome.answers[0].notes) == {note.kind for note in prediction.quality_notes}
    assert {"familiar", "unfamiliar"} & set(outcome.answers[0].notes)


def test_an_exam_over_the_memory_budget_fails_alone(archive, small_predictor, decoder, monkeypatch, tmp_path):
    write_four(tmp_path / "a")
    write(tmp_path / "a", file="large.dcm", pixels=np.full((800, 800), 900, np.uint16))
    (tmp_path / "b").mkdir()
    write(tmp_path / "b", pixels=np.full((800, 800), 900, np.uint16))
    monkeypatch.setenv("MVMLM_MEMORY", "1 MB")
    outcomes = list(score_places(list_archive(tmp_path, decoder).places, [small_predictor], decoder, 2))
    assert {each.exam: bool(each.answers) for each in outcomes} == {"a": True, "b": False}
    (sentence,) = next(each.failures for each in outcomes if each.exam == "b")
    assert "more than 0.25 MB of memory" in sentence and "MVMLM_MEMORY" in sentence


def test_nothing_that_names_a_patient_or_a_folder_is_written(small_weights, tmp_path, capfd):
    folder = tmp_path / "archive"
    for number in range(2):
        write_four(folder / "site" / f"e{number}", patient="SMITH^JANE-4711")
    write_four(tmp_path / "one", patient="DOE^ANN-4712")
    write_four(tmp_path / "two", patient="DOE^EVE-4713")
    with zipfile.ZipFile(folder / "several.zip", "w") as zipped:
        for file in sorted(tmp_path.glob("[ot]*/*.dcm")):
            zipped.write(file, f"DOE-{file.parent.name}/{file.name}")
        zipped.writestr("DOE-three/R_CC.dcm", b"broken")
    (folder / "bad").mkdir()
    (folder / "bad" / "DOE.dcm").write_bytes(b"DOE")
    (tmp_path / "table.csv").write_text("exam,path\nboth,one\nboth,two\n", encoding="utf-8")
    for source, exams in ((folder, {"site", "several.zip/#1", "several.zip/#2"}), (tmp_path / "table.csv", set())):
        out = tmp_path / f"{source.stem}.parquet"
        scored(source, out, small_weights)
        assert set(pq.read_table(out)["exam"].to_pylist()) == exams
        said = capfd.readouterr()
        written = [
            json.dumps(pq.read_table(out).to_pylist()),
            str(pq.read_schema(out).metadata),
            json.dumps(failures(out)),
        ]
        for text in (*written, said.out, said.err):
            assert not any(word in text for word in ("SMITH", "DOE", "JANE", "471", str(tmp_path)))
    assert failures(out).keys() == {"both"} and "several patients" in failures(out)["both"]


@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked and killed")
def test_a_run_that_is_killed_at_random_places_loses_nothing_and_does_nothing_twice(
    archive, small_weights, undisturbed, tmp_path
):
    out = tmp_path / "scores.parquet"
    arguments = ["score", str(archive), "--out", str(out), "--weights", str(small_weights), "--workers", "1"]
    command = [sys.executable, "-m", "tests.scoring_processes", json.dumps([arguments, 5])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and int(done.stdout.splitlines()[-1]) == 3, done.stderr
    assert pq.read_table(out).equals(pq.read_table(undisturbed)) and failures(out) == failures(undisturbed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.failures.csv", "scores.parquet"]


def test_a_run_that_is_stopped_keeps_what_is_done_and_opens_no_exam_twice(small_weights, tmp_path, monkeypatch, capsys):
    folder, out, whole = (tmp_path / name for name in ("archive", "scores.parquet", "whole.parquet"))
    for name in ("site/e0", "site/e1", "site/e2", "z"):
        write_four(folder / name, name)
    assert scored(folder, whole, small_weights) == 0
    opened, added = Counter(), []
    real_open, real_add = ahead_module.ExamsAhead._opened, Parts.add

    def add(parts, outcome):
        if len(added) == 2:
            raise KeyboardInterrupt
        added.append(outcome.exam)
        real_add(parts, outcome)

    def opening(ahead, found):
        opened[found.name] += 1
        return real_open(ahead, found)

    with monkeypatch.context() as patch:
        patch.setattr(Parts, "add", add)
        assert scored(folder, out, small_weights) == 130
        assert capsys.readouterr().err.splitlines()[-2:] == [
            "What is done is kept. The same command goes on.",
            "Stopped.",
        ]
    assert not out.exists() and Parts(tmp_path / "scores.parts").exams == set(added)
    monkeypatch.setattr(ahead_module.ExamsAhead, "_opened", opening)
    assert scored(folder, out, small_weights) == 0
    assert opened == dict.fromkeys({"site/e0", "site/e1", "site/e2", "z"} - set(added), 1)
    assert pq.read_table(out).equals(pq.read_table(whole)) and failures(out) == failures(whole) == {}
    opened.clear()
    assert scored(folder, out, small_weights) == 0 and not opened, "it is done already"
    assert "is there already" in capsys.readouterr().out


def test_answers_of_other_weights_or_of_other_files_are_never_mixed(small_weights, tmp_path, capsys):
    folder, out = tmp_path / "archive", tmp_path / "scores.parquet"
    write_four(folder / "a")
    assert scored(folder, out, small_weights) == 0
    assert main(["score", str(folder), "--out", str(out)]) == 1
    said = "scores.parquet holds the answers of other weights. Name another file, or begin anew. Options: --restart."
    assert capsys.readouterr().err.splitlines() == [said]
    write_four(folder / "b")
    assert scored(folder, out, small_weights) == 1
    assert "of other exams, or files that were changed." in capsys.readouterr().err
    assert scored(folder, out, small_weights, "--restart") == 0
    assert set(pq.read_table(out)["exam"].to_pylist()) == {"a", "b"}
    os.utime(folder / "a" / "R_CC.dcm", ns=(1, 1))
    assert scored(folder, out, small_weights) == 1, "a file was changed"
    out.write_bytes(b"another file")
    assert scored(folder, out, small_weights) == 1
    assert "scores.parquet: not a file that `mvmlm score` has written" in capsys.readouterr().err
    assert out.read_bytes() == b"another file"


def test_parts_of_another_run_are_refused_and_those_without_answers_are_not(tmp_path):
    out, key = tmp_path / "scores.parquet", RunKey("archive", ("weights",))
    with open_parts(out, key):
        pass
    with open_parts(out, RunKey("archive", ("other",))) as parts:
        parts.add(outcome("a", 0.5))
        parts.write()
        with pytest.raises(ValueError, match="another run of `mvmlm score` is writing it"), open_parts(out, key):
            pass
    for other, what in ((key, "other weights"), (RunKey("x", ("other",)), "other exams"),
                        (RunKey("archive", ("other",), "0"), "another version")):  # fmt: skip
        refused = pytest.raises(parts_module.OtherRun, match=f"scores.parts holds the answers of {what}")
        with refused, open_parts(out, other):
            pass
    with open_parts(out, RunKey("archive", ("other",))) as parts:
        assert parts.exams == {"a"}


def outcome(exam, probability, place=None, last=True):
    answer = ScoredAnswer(None, "malignancy", "present", probability, "head", "m", "1", "f" * 64, ("familiar",))
    return Outcome(place or exam, exam, (answer,) if probability is not None else (), (), last)


def test_parts_are_joined_by_exam_in_groups_of_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(parts_module, "GROUP_ROWS", 7)
    monkeypatch.setattr(parts_module, "OPEN_PARTS", 2)
    names = [f"e{number:02d}" for number in np.random.default_rng(1).permutation(30)]
    parts, out = Parts(tmp_path), tmp_path / "scores.parquet"
    for number, name in enumerate(names):
        parts.add(outcome(name, int(name[1:]) / 30))
        if number % 4 == 0:
            parts.write()
    parts.write()
    parts.join(out, [Failure("z", "why"), Failure("=y", "why, too")], {})
    table = pq.read_table(out)
    assert table["exam"].to_pylist() == sorted(names) and parts.answered == 30
    assert table["probability"].to_pylist() == [number / 30 for number in range(30)]
    assert pq.read_metadata(out).num_row_groups == 5, "what is in memory at one time is bounded"
    assert list(failures(out).items()) == [("'=y", "why, too"), ("z", "why")], "no formula for a spreadsheet"


def test_a_part_is_written_after_so_many_exams_or_so_long(tmp_path, monkeypatch):
    now = [0.0]
    parts = Parts(tmp_path, lambda: now[0])
    monkeypatch.setattr(parts_module, "PART_EXAMS", 3)
    for name in "abcd":
        parts.add(outcome(name, 0.5))
    assert Parts(tmp_path).exams == {"a", "b", "c"}
    now[0] = parts_module.PART_SECONDS
    parts.add(outcome("e", 0.5, "place", last=False))
    assert Parts(tmp_path).exams == {*"abcde"} and Parts(tmp_path).places == {*"abcd"}


def test_a_place_that_was_done_in_part_goes_on_with_its_other_exams(small_predictor, decoder, tmp_path):
    for number in range(3):
        write_four(tmp_path / "site" / f"e{number}", patient=f"p{number}")
    places = list_archive(tmp_path, decoder).places
    outcomes = list(score_places(places, [small_predictor], decoder, 2, done={"site/e1"}))
    assert {each.exam for each in outcomes} == {"site/e0", "site/e2"}
    assert [each.last for each in outcomes] == [False, True]
    (rest,) = score_places(places, [small_predictor], decoder, 2, done={f"site/e{n}" for n in range(3)})
    assert rest.last and not rest.answers and not rest.failures


def test_a_process_that_decodes_and_is_killed_changes_no_answer(archive, predicted, small_predictor, monkeypatch):
    real, lock, asked = decoder_module._exchange, threading.Lock(), []

    def exchange(process, request):
        with lock:
            asked.append(request["request"])
            number = len(asked)
        if number % 9 == 0:
            process.kill()
            process.wait()
        return real(process, request)

    monkeypatch.setattr(decoder_module, "_exchange", exchange)
    own = Decoder(2)
    same(rows_of(score_places(list_archive(archive, own).places, [small_predictor], own, 2)), predicted)
    own.close()
    assert len(asked) > 27


def test_a_file_on_which_the_process_dies_again_is_damaged(tmp_path, monkeypatch):
    path, real, died = write(tmp_path), decoder_module._exchange, []

    def exchange(process, request):
        died.append(process.pid)
        process.kill()
        process.wait()
        return real(process, request)

    monkeypatch.setattr(decoder_module, "_exchange", exchange)
    own = Decoder(1)
    (error,) = own.headers([path])
    own.close()
    assert error.code == "damaged" and "crashed" in str(error) and len(set(died)) == 2


def names(folder, decoder):
    return [place.name for place in list_archive(folder, decoder).places]


def study(uid):
    def edit(ds):
        ds.StudyInstanceUID = uid

    return edit


def test_every_study_is_an_exam_named_by_where_it_lies(small_predictor, decoder, tmp_path):
    series = tmp_path / "woman" / "first" / "series"  # as archives have them: a folder for each picture
    for number, name in enumerate((RCC, LCC)):
        (series / str(number)).mkdir(parents=True)
        write(series / str(number), name, "w", edit=study("1.2.1"))
    write_four(tmp_path / "woman" / "second", "w", study("1.2.2"))
    (tmp_path / "mixed").mkdir()
    for number in range(2):
        write(tmp_path / "mixed", patient="m", file=f"{number}_RCC.dcm", edit=study(f"1.3.{number}"))
        write(tmp_path, patient="l", file=f"{number}_RCC.dcm", edit=study(f"1.4.{number}"))
        write(tmp_path, LCC, patient="l", file=f"{number}_LCC.dcm", edit=study(f"1.4.{number}"))
    (tmp_path / ".hidden").mkdir()
    write(tmp_path / ".hidden")
    (tmp_path / "link").symlink_to(tmp_path / "woman")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    found = list_archive(tmp_path, decoder)
    assert [place.name for place in found.places] == ["0_LCC.dcm", "1_LCC.dcm", "mixed", "woman"]
    assert {failure.exam for failure in found.failures} == {"link", "notes.txt"}
    outcomes = list(score_places(found.places, [small_predictor], decoder, 2))
    assert sorted(each.exam for each in outcomes if each.answers) == [
        "0_LCC.dcm", "1_LCC.dcm", "mixed/0_RCC.dcm", "mixed/1_RCC.dcm", "woman/first/series", "woman/second"
    ]  # fmt: skip


def test_a_folder_of_many_files_is_a_folder_of_folders(decoder, tmp_path, monkeypatch):
    for exam in ("a", "b"):
        write_four(tmp_path / "site" / exam, exam)
    assert names(tmp_path, decoder) == ["site"]
    monkeypatch.setattr(archive_module, "MOST_FILES", 7)
    assert names(tmp_path, decoder) == ["site/a", "site/b"]
    monkeypatch.setattr(archive_module, "MOST_FILES", 3)
    assert names(tmp_path, decoder) == ["site/a/L_CC.dcm", "site/b/L_CC.dcm"], "no folder is left to divide"


def test_the_file_that_is_written_is_no_part_of_the_archive(small_weights, tmp_path):
    write_four(tmp_path / "a")
    out = tmp_path / "scores.parquet"
    for _ in range(2):
        assert scored(tmp_path, out, small_weights) == 0 and failures(out) == {}


def test_a_table_names_the_exams_and_their_paths(small_predictor, small_weights, decoder, tmp_path, capsys):
    for file in write_four(tmp_path / "files").iterdir():
        (tmp_path / file.stem).mkdir()
        file.rename(tmp_path / file.stem / file.name)
    write_four(tmp_path / "older", "p", lambda ds: setattr(ds, "StudyDate", "20200101"))
    table = tmp_path / "exams.csv"
    lines = [
        *(f"x;{name}" for name in ("R_CC", "L_CC", "R_MLO", "L_MLO/L_MLO.dcm")),
        f"y;{tmp_path / 'older'}",
        "z;gone",
    ]
    table.write_text("\n".join(["exam;path", *lines]), encoding="utf-8")
    found = rows_of(score_places(list_archive(table, decoder).places, [small_predictor], decoder, 1))
    expected = small_predictor.predict(load_exam([tmp_path / n for n in ("R_CC", "L_CC", "R_MLO", "L_MLO")]))
    assert found.keys() == {"x", "y"} and len(found["x"]) == len(expected.answers)
    assert found["x"][None, "malignancy", "present", "head"] == pytest.approx(
        expected.probability("malignancy"), abs=1e-5
    )
    before = list_archive(table, decoder).checksum
    os.utime(tmp_path / "R_CC" / "R_CC.dcm", ns=(1, 1))
    assert list_archive(table, decoder).checksum != before
    for text, message in (
        (
            "exam,file\na,b\n",
            "exams.csv: no column path. Give a folder, a zip, or a CSV table with the columns exam and path.",
        ),
        ("exam,path\na,b\n,c\n", "exams.csv, line 3: exam or path is empty. Fill in both."),
    ):
        table.write_text(text, encoding="utf-8")
        assert scored(table, tmp_path / "out.parquet", small_weights) == 1
        assert capsys.readouterr().err == message + "\n"


def test_a_path_of_a_table_that_is_not_there_is_told(decoder, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "table.csv").write_text("exam,path\na,here\na,gone\nb,gone\nc,here\n", encoding="utf-8")
    (failure,) = list_archive(tmp_path / "table.csv", decoder).failures
    assert failure.exam == "a" and failure.sentence.startswith("1 of its 2 paths in the table are not found")


def test_exit_status_2_where_nothing_is_usable(small_weights, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert scored(tmp_path / "empty", tmp_path / "out.parquet", small_weights) == 2
    assert capsys.readouterr().err == "empty: no file of an exam in it. Check the path.\n"
    (tmp_path / "empty" / "a.txt").write_text("x", encoding="utf-8")
    assert scored(tmp_path / "empty", tmp_path / "out.parquet", small_weights) == 2
    assert failures(tmp_path / "out.parquet").keys() == {"a.txt"}
    assert scored(tmp_path / "gone", tmp_path / "out.parquet", small_weights) == 1
    assert scored(tmp_path / "empty", tmp_path / "gone" / "out.parquet", small_weights) == 1
    assert "must end with .parquet and lie in a folder that is there" in capsys.readouterr().err


def test_several_weights_answer_one_after_the_other(archive, small_predictor, decoder):
    other = copy(small_predictor)
    other.weights = "another file"
    places = list_archive(archive, decoder).places[:3]
    for each in score_places(places, [small_predictor, other], decoder, 2):
        half = len(each.answers) // 2
        assert {answer.weights for answer in each.answers[:half]} <= {small_predictor.weights}
        assert [answer._replace(weights=small_predictor.weights) for answer in each.answers[half:]] == list(
            each.answers[:half]
        )
        assert len(each.failures) < 2, "one sentence where no model can read it"


def test_an_exam_that_fails_in_the_network_is_asked_alone_and_fails_alone(
    archive, predicted, small_predictor, decoder, monkeypatch, tmp_path
):
    monkeypatch.setattr(pipeline_module, "ExamsAhead", AllAtOnce)
    failing, silent = copy(small_predictor), copy(small_predictor)

    def predict_prepared(exams):
        if any(len(each.exam.views) < 4 for each in exams):
            raise RuntimeError("SMITH^JANE")
        return small_predictor.predict_prepared(exams)

    failing.predict_prepared = predict_prepared
    shutil.copytree(archive / sorted(predicted)[1], tmp_path / "three")
    (tmp_path / "three" / "R_CC.dcm").unlink()
    three = list_archive(tmp_path, decoder).places
    whole = [place for place in list_archive(archive, decoder).places if place.name.startswith("phantom")][:3]
    outcomes = list(score_places([*whole, *three], [failing], decoder, 2))
    (sentence,) = next(each.failures for each in outcomes if not each.answers)
    assert "RuntimeError in test_scoring.py" in sentence and "SMITH" not in sentence
    same(rows_of(outcomes), {place.name: predicted[place.name] for place in whole})
    silent.heads, silent._zero_shot = {}, None
    (each,) = score_places(three, [silent], decoder, 1)
    assert each.failures == ("small: these weights answer no task.",), "no exam is left out without a word"


def test_few_exams_wait_and_none_of_them_holds_its_pictures(small_predictor, decoder, tmp_path, monkeypatch):
    exams, threads, opened, full = 20, 2, Counter(), threading.Event()
    for number in range(exams):
        write_four(tmp_path / f"e{number:02d}", f"p{number}")

    class Watched(Queue):
        def put(self, item, block=True, timeout=None):
            try:
                super().put(item, block, timeout)
            except Full:
                if isinstance(item, ahead_module.PreparedModels):
                    full.set()
                raise

    def opening(listing, decoder):
        opened[listing.groups[0].title] += 1
        return open_exam(listing, decoder)

    monkeypatch.setattr(ahead_module, "Queue", Watched)
    monkeypatch.setattr(ahead_module, "open_exam", opening)
    taken = []
    with ahead_module.ExamsAhead(list_archive(tmp_path, decoder).places, [small_predictor], decoder, threads) as ahead:
        assert full.wait(timeout=30)
        assert opened.total() <= ahead_module.WAITING + threads
        while ready := ahead.take():
            taken += ready
    assert len(taken) == exams == len(opened)
    for exam in taken:
        for view in exam.prepared[0].exam.views.values():
            assert view.pixels.shape == (160, 120) and view.pixels.strides == (0, 0)
    assert not [thread for thread in threading.enumerate() if thread.name == "exams-ahead"]


def test_progress_tells_the_rate_and_the_time_left():
    now, stream = [0.0], StringIO()
    progress = Progress(1000, 100, stream, lambda: now[0])
    now[0] = 10.0
    progress.advance(1, 1, 0)
    assert stream.getvalue() == "", "elsewhere than on a terminal only now and then"
    now[0] = 360.0
    progress.advance(99, 1090, 10)
    line = "200 of 1,000 done (1,090 exams have answers, 10 failed), 1,000 an hour, 48 min 00 s left"
    assert stream.getvalue() == line + "\n"
    stream.isatty = lambda: True
    on_terminal = Progress(1000, 0, stream, lambda: now[0])
    now[0] = 4000.0
    on_terminal.advance(100, 100, 0)
    on_terminal.end()
    assert stream.getvalue().endswith(
        "\r100 of 1,000 done (100 exams have answers, 0 failed), 99 an hour, 9 h 06 min left\n"
    )


def test_a_run_that_goes_on_tells_of_all_places_and_not_of_the_rest_alone(monkeypatch, small_predictor, decoder):
    told = []
    monkeypatch.setattr("mvmlm.loading.load_model", lambda file: small_predictor)
    monkeypatch.setattr(pipeline_module, "score_places", lambda *given: iter([Outcome("c", "c"), Outcome("d", "d")]))
    monkeypatch.setattr(Progress, "advance", lambda self, *given: told.append(self.line(0, 0).split(" done")[0]))
    parts = SimpleNamespace(
        places={"a", "b"}, exams={"a", "b"}, answered=2, failed=0, add=lambda outcome: None, write=lambda: None
    )
    weights = [(small_predictor.weights, None)]
    score_command._score_places([Place("c", ()), Place("d", ())], weights, parts, decoder, 1, None)
    assert told == ["2 of 4", "2 of 4"]


def test_a_worker_of_ray_is_given_a_core_or_a_gpu_and_its_cores():
    assert resources({"CPU": 16.0, "memory": 1e9}) == Resources(1, 0, 16)
    assert resources({"CPU": 32.0, "GPU": 4.0}) == Resources(8, 1, 4)
    assert resources({"CPU": 2.0, "GPU": 4.0}) == Resources(1, 1, 4)


def test_exams_whose_names_look_alike_stay_two_exams(tmp_path, small_weights, decoder):
    write_phantoms(tmp_path / "p", n=2, seed=3, rows=256)
    first, second = sorted(path for path in (tmp_path / "p").iterdir() if path.name.startswith("phantom"))
    folder = tmp_path / "archive"
    folder.mkdir()
    for source, name in ((first, b"M\xfcller"), (second, b"M\xf6ller")):  # Latin-1, as on old disks
        shutil.copytree(source, os.fsdecode(os.fsencode(folder) + b"/" + name))
    out = tmp_path / "scores.parquet"
    assert scored(folder, out, small_weights) == 0
    names = set(pq.read_table(out)["exam"].to_pylist())
    assert len(names) == 2 and all(name.startswith("M\ufffdller (") for name in names)
    assert [place.name for place in list_archive(folder, decoder).places] == sorted(names), "the same in each run"
    table = tmp_path / "exams.csv"
    table.write_text(f"exam,path\nP 1,{first}\nP\xa01,{second}\n", encoding="utf-8")
    places = list_archive(table, decoder).places
    assert len({place.name for place in places}) == 2 and [len(place.paths) for place in places] == [1, 1]


class RayError(Exception):
    """Every error of Ray. Ray itself is not imported here: it would take its settings from the environment too early."""


#: those of `ray.exceptions` that are told apart
RAY_ERRORS = {
    name: type(name, (RayError,), {})
    for name in ("RayTaskError", "WorkerCrashedError", "OutOfMemoryError", "NodeDiedError", "ObjectLostError")
}


class EndedCluster:
    """Ray where each task ends with the same error."""

    exceptions = SimpleNamespace(RayError=RayError, **RAY_ERRORS)

    def __init__(self, error):
        self.error = error

    cluster_resources = staticmethod(lambda: {"CPU": 2.0})
    wait = staticmethod(lambda running: (running[:1], running[1:]))

    def remote(self, function):
        return SimpleNamespace(options=lambda **given: SimpleNamespace(remote=lambda *arguments: object()))

    def get(self, task):
        raise self.error


@pytest.mark.parametrize("error", ["WorkerCrashedError", "NodeDiedError", "ObjectLostError"])
def test_exams_whose_workers_or_machines_always_die_are_failures_of_their_own(archive, decoder, monkeypatch, error):
    places = list_archive(archive, decoder).places
    monkeypatch.setitem(sys.modules, "ray", EndedCluster(RAY_ERRORS[error]()))
    outcomes = list(ray_cluster._scored(places, (), frozenset(), 3))
    told = {each.place: each.failures for each in outcomes}
    assert len(outcomes) == len(places) and told == {each.name: (ray_cluster.DIED,) for each in places}


def test_a_cluster_that_ends_is_told_with_what_to_do(archive, decoder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", EndedCluster(RayError()))
    with pytest.raises(ValueError, match="cluster has ended, or .* Give the same command again"):
        list(ray_cluster._scored(list_archive(archive, decoder).places, (), frozenset(), 3))


@pytest.mark.skipif(sys.platform == "win32", reason="a process is killed")
def test_a_worker_of_ray_that_is_killed_loses_nothing_and_does_nothing_twice(
    archive, predicted, small_predictor, small_weights, decoder
):
    places = list_archive(archive, decoder).places
    weights = [WeightsFile(str(small_weights), small_predictor.weights)]
    outcomes, killed = [], []
    for each in score_with_ray(places, weights, "local", 2, chunk=1):
        outcomes.append(each)
        if not killed:
            workers = [
                p for p in psutil.Process().children(recursive=True) if "ray::score_chunk" in " ".join(p.cmdline())
            ]
            for worker in workers[:1]:
                worker.kill()
                killed.append(worker.pid)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert killed and not any(psutil.pid_exists(pid) for pid in killed)
    assert Counter(each.place for each in outcomes) == Counter(place.name for place in places)
    same(rows_of(outcomes), predicted)
    assert {each.exam for each in outcomes if each.failures} == {"broken", "dark"}


def test_the_worklist_sorts_by_these_scores_only_what_its_reader_has_signed(archive, undisturbed, store, capsys):
    assert main(["keep", str(archive), "--named", "--reader", "ann", "--data", str(store.folder)]) == 0
    scores = exam_scores(undisturbed)
    assert set(scores) == set(pq.read_table(undisturbed)["exam"].to_pylist())
    assert main(["worklist", str(undisturbed), str(archive), "--data", str(store.folder)]) == 0
    known = [name for name in scores if store.exams.by_name(name)]
    assert len(known) == 4 and "6 exams of the worklist have a score; 0 have none" in capsys.readouterr().out
    for name in known:
        assert store.exams.by_name(name).score == scores[name]
    best_first = sorted(known, key=lambda name: -scores[name])
    ordered = [exam.name for exam in store.worklist.page(Filter(order="highest score"))[0]]
    assert [name for name in ordered if name in known] == best_first
    signed = best_first[2]
    read = store.readings.start(store.exams.by_name(signed).id, "ann")
    store.readings.save(read.id, read.reading, Reading({(None, "opinion"): "normal"}))
    signed_alone = store.readings.sign(read.id)
    assert store.worklist.page(Filter(score=0.0, seen_by="ann"))[1] == 0, "it may be reopened until it is final"
    store.readings.finalise(signed_alone.id)
    seen = [exam.name for exam in store.worklist.page(Filter(order="highest score", seen_by="ann"))[0]]
    by_number = [exam.name for exam in store.worklist.page(Filter(order="oldest"))[0] if exam.name != signed]
    assert seen == [signed, *by_number], "the others stay in the order in which they were stored"
    assert store.worklist.page(Filter(score=0.0, seen_by="ann"))[1] == 1
    assert store.worklist.page(Filter(score=0.0, seen_by="ben"))[1] == 0


def test_the_worklist_is_filled_from_an_archive_with_its_scores(archive, undisturbed, store, capsys):
    scores = exam_scores(undisturbed)
    command = ["worklist", str(undisturbed), str(archive), "--data", str(store.folder)]
    assert main(command) == 0
    exams, count = store.worklist.page(Filter())
    scored_exams = [exam for exam in exams if exam.score is not None]
    assert sorted(exam.score for exam in scored_exams) == sorted(
        score for name, score in scores.items() if "/" not in name
    )
    assert all(exam.name.startswith("exam-") for exam in exams), "no name of a folder or patient becomes an exam's"
    assert main(command) == 0
    assert store.worklist.page(Filter())[1] == count, "nothing is stored twice"


def test_scores_of_other_files_reach_no_exam_of_the_same_name(archive, undisturbed, store, tmp_path, capsys):
    other = shutil.copytree(archive, tmp_path / "other", copy_function=shutil.copy)  # with other times
    assert main(["worklist", str(undisturbed), str(other), "--data", str(store.folder)]) == 1
    assert "other is not what was scored into" in capsys.readouterr().err
    assert store.worklist.page(Filter())[1] == 0


def test_scores_of_several_models_or_of_none_do_not_reach_the_worklist(store, tmp_path, capsys):
    parts, out = Parts(tmp_path), tmp_path / "scores.parquet"
    two = outcome("a", 0.5)
    parts.add(two._replace(answers=(*two.answers, two.answers[0]._replace(weights="0" * 64, model="n"))))
    parts.write()
    parts.join(out, (), metadata(RunKey("", ()), (), ""))
    assert main(["worklist", str(out), str(tmp_path), "--data", str(store.folder)]) == 1
    assert "scores.parquet: the answers of several models (m, n)." in capsys.readouterr().err
    Parts(tmp_path / "none").join(out, (), metadata(RunKey("", ()), (), ""))
    assert main(["worklist", str(out), str(tmp_path), "--data", str(store.folder)]) == 1
    assert "no head in it answers malignancy" in capsys.readouterr().err


@pytest.mark.parametrize("package", ["pyarrow", "ray"])
def test_a_missing_package_is_told_with_what_installs_it(
    archive, small_weights, tmp_path, monkeypatch, capsys, package
):
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("mvmlm.scoring.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    assert scored(archive, tmp_path / "out.parquet", small_weights, "--ray", "local") == 1
    said = (
        f"{package} is not installed. Install the packages of `mvmlm score`: pip install '.[score]' in the checkout.\n"
    )
    assert capsys.readouterr().err == said
