"""Evaluations of exams whose truth is known: runs that go on, splits, probes and maps."""

import csv
import json
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pytest

from mvmlm.__main__ import main
from mvmlm.commands import evaluation as command
from mvmlm.datasets.case import FindingBox
from mvmlm.evaluation.cases import TEST, VALIDATION, CaseLevel
from mvmlm.evaluation.discrimination import auc, weighted_probabilistic_f1
from mvmlm.evaluation.predictions_csv import read_predictions
from mvmlm.evaluation.truth import AnsweredExam, ExamTruth
from mvmlm.exam import Laterality, Projection, ViewName
from mvmlm.finetuning.config import Stopped
from mvmlm.imaging.preprocess import ModelInput, ViewGeometry
from mvmlm.phantom.exams import phantom_exam
from mvmlm.protocols import maps, probes
from mvmlm.protocols.evaluate import Settings, evaluate_exams
from mvmlm.protocols.exams import dataset_exams, new_phantoms, phantom_folder, stored_exams
from mvmlm.protocols.presets import LINEAR_PROBE, PROTOCOLS
from mvmlm.protocols.run import Answers, EvaluationKey, OtherEvaluation, Run
from mvmlm.published.preparation import SeveralInputs
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.store.records import Filter
from mvmlm.tasks import TASK, TASKS

pytestmark = pytest.mark.usefixtures("few_resamples")

silent = lambda share, message: False  # noqa: E731
R, L = Laterality.RIGHT, Laterality.LEFT


@pytest.fixture(scope="module")
def drawn():
    """Small phantoms by name, which says their seed and number; each is drawn once."""
    return {}


@pytest.fixture(autouse=True)
def small_phantoms(monkeypatch, drawn):
    def small(name, rng):
        if name not in drawn:
            drawn[name] = phantom_exam(name, rng, rows=192)
            for view in drawn[name].exam.views.values():
                view.pixels.setflags(write=False)
        return drawn[name]

    monkeypatch.setattr("mvmlm.protocols.exams.phantom_exam", small)


def counted(exams, opened):
    """The exams; `opened` gets the name of each exam that is opened."""

    def counting(exam):
        def open_exam():
            opened.append(exam.name)
            return exam.open()

        return exam._replace(open=open_exam)

    return replace(exams, exams=tuple(map(counting, exams.exams)))


def evaluated(exams, predictor, folder, report=silent, **settings):
    return evaluate_exams(exams, [lambda: predictor], Settings(**settings), folder, report)


def test_a_run_goes_on_where_it_was_ended_and_gives_the_same_predictions(small_predictor, tmp_path):
    exams, opened = new_phantoms(5, 61), []
    evaluated(exams, small_predictor, tmp_path / "whole")

    def stops_at_the_third(share, message):
        return len(opened) >= 3

    with pytest.raises(Stopped):
        evaluated(counted(exams, opened), small_predictor, tmp_path / "twice", stops_at_the_third)
    with sqlite3.connect(tmp_path / "twice" / "run.sqlite") as file:
        (kept,) = file.execute("SELECT count(*) FROM exams").fetchone()
    assert 0 < kept < 5
    opened.clear()
    evaluated(counted(exams, opened), small_predictor, tmp_path / "twice")
    assert len(opened) == 5 - kept
    whole, twice = ((tmp_path / name / "predictions.csv").read_bytes() for name in ("whole", "twice"))
    assert whole == twice
    opened.clear()
    evaluated(counted(exams, opened), small_predictor, tmp_path / "twice")
    assert opened == []


def test_a_folder_of_another_evaluation_is_not_mixed_with_this_one(small_predictor, tmp_path):
    evaluated(new_phantoms(2, 61), small_predictor, tmp_path / "run")
    with pytest.raises(OtherEvaluation, match="other exams or labels"):
        evaluated(new_phantoms(2, 62), small_predictor, tmp_path / "run")
    with pytest.raises(OtherEvaluation, match="another protocol"):
        evaluated(new_phantoms(2, 61), small_predictor, tmp_path / "run", protocol=PROTOCOLS["rsna"])
    report = evaluated(new_phantoms(2, 62), small_predictor, tmp_path / "run", restart=True)
    assert {key.exam for cases in table(tmp_path / "run").cases for key in cases.keys} == {
        "phantom-62-00000", "phantom-62-00001",
    }  # fmt: skip
    assert "seed 62" in report.run.exams


def test_a_run_whose_heads_were_changed_asks_again(small_predictor, tmp_path):
    exams, opened = new_phantoms(2, 61), []
    evaluated(exams, small_predictor, tmp_path / "run")
    taught = small_predictor.with_heads([])
    taught.finetuned = {"mass": "mass 1"}
    taught.heads["mass"].prevalence = None
    evaluated(counted(exams, opened), taught, tmp_path / "run")
    assert len(opened) == 2
    opened.clear()
    evaluated(counted(exams, opened), small_predictor, tmp_path / "run")
    assert opened == []


def test_two_models_of_one_name_are_told_apart_and_one_that_is_given_twice_counts_once(small_predictor, tmp_path):
    other = maps.shuffled(small_predictor, 1)
    other.weights = "f" * 64
    models = [lambda: small_predictor, lambda: other, lambda: small_predictor]
    report = evaluate_exams(new_phantoms(3, 61), models, Settings(protocol=PROTOCOLS["rsna"]), tmp_path, silent)
    named = {f"small 0, weights {small_predictor.weights[:8]}", "small 0, weights ffffffff"}
    assert {result.model for result in report.results if "prompts" not in result.model} == named
    assert {name for name, _ in report.run.weights} == named and report.problems == ()


def test_an_exam_whose_maps_cannot_be_measured_keeps_its_answers(small_predictor, tmp_path, monkeypatch):
    def fails(*args):
        raise ValueError("an empty box")

    monkeypatch.setattr("mvmlm.protocols.ask.map_rows", fails)
    report = evaluated(new_phantoms(8, 61), small_predictor, tmp_path / "run", maps=2)
    assert report.results[0].patients == 8
    assert any("the maps were not measured of" in note and "an empty box" in note for note in report.run.notes)


def test_two_processes_do_not_write_one_evaluation(small_predictor, tmp_path):
    key = EvaluationKey("exams", "")
    first = Run(tmp_path / "run", key)
    with pytest.raises(ValueError, match="another evaluation is being written there. Wait for its end"):
        Run(tmp_path / "run", key)
    first.close()
    with pytest.raises(OtherEvaluation):
        Run(tmp_path / "run", replace(key, exams="others"))
    Run(tmp_path / "run", key).close()


def test_no_exam_or_no_answer_says_what_to_do(small_predictor, tmp_path):
    exams = new_phantoms(2, 61)
    with pytest.raises(ValueError, match="no exam with a label is found. Choose other exams, or sign readings"):
        evaluated(replace(exams, exams=()), small_predictor, tmp_path / "none")

    def broken():
        raise ValueError("L_CC.dcm is cut off")

    broken_exams = tuple(exam._replace(open=broken) for exam in exams.exams)
    with pytest.raises(ValueError, match="nothing to evaluate. .*2 exams.*L_CC.dcm is cut off"):
        evaluated(replace(exams, exams=broken_exams), small_predictor, tmp_path / "broken")


def test_a_table_takes_no_options_of_models_and_replaces_no_evaluation(small_predictor, tmp_path, capsys):
    evaluated(new_phantoms(3, 61), small_predictor, tmp_path / "run")
    predictions = str(tmp_path / "run" / "predictions.csv")
    for options in (["--weights", "demo"], ["--engine", "torch"], ["--words", "dense"]):
        assert main(["evaluate", predictions, *options]) == 1
        assert "evaluated as they are: leave them out" in capsys.readouterr().err
    before = (tmp_path / "run" / "report.json").read_bytes()
    assert main(["evaluate", predictions, "--out", str(tmp_path / "run")]) == 1
    assert "Name another folder" in capsys.readouterr().err
    assert (tmp_path / "run" / "report.json").read_bytes() == before


def table(folder):
    return read_predictions(folder / "predictions.csv", TASKS)


def test_an_exam_that_cannot_be_opened_is_told_and_the_others_are_evaluated(small_predictor, tmp_path):
    def damaged():
        raise ValueError("the file is damaged")

    exams = new_phantoms(3, 61)
    exams = replace(exams, exams=(exams.exams[0]._replace(open=damaged), *exams.exams[1:]))
    report = evaluated(exams, small_predictor, tmp_path / "run")
    assert [note for note in report.run.notes if "did not answer 1 exams" in note and "is damaged" in note]
    assert report.results[0].patients == 2
    assert "is damaged" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_report_says_what_was_evaluated_and_opens_without_a_network(small_predictor, tmp_path):
    settings = {"protocol": PROTOCOLS["rsna"], "command": "mvmlm evaluate"}
    report = evaluated(new_phantoms(12, 61), small_predictor, tmp_path / "run", **settings)
    assert {result.task for result in report.results} == {"malignancy"}
    stored = json.loads((tmp_path / "run" / "report.json").read_text(encoding="utf-8"))
    assert stored["run"]["weights"] == [["small 0", small_predictor.weights]]
    assert len(stored["run"]["checksum"]) == 64 and stored["command"] == "mvmlm evaluate"
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for said in (small_predictor.weights, stored["run"]["checksum"], "RSNA Screening", "probabilistic F1", "Overview"):
        assert said in page
    assert "<h1>Evaluation of 12 phantom exams of seed 61</h1>" in page
    assert "at most 2.4 % called back" in page


@pytest.fixture(scope="module")
def table_of_phantoms(tmp_path_factory):
    """A folder of eight phantoms with exams.csv, the table of a data set of one's own, in three splits."""
    folder = tmp_path_factory.mktemp("own") / "p"
    assert main(["phantom", str(folder), "--n", "8", "--seed", "5", "--rows", "256"]) == 0
    with open(folder / "findings.csv", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    lines = ["exam,patient,file,laterality,view,split,density,mass,malignant,risk_years,cancer"]
    names = list(dict.fromkeys(row["exam"] for row in truth))
    split = dict(zip(names, ["train", "train", "validation", "validation", *["test"] * 4]))
    for row in truth:
        exam, side = row["exam"], row["laterality"]
        for view in ("CC", "MLO"):
            risk = f"{row['risk_years']},{row['cancer']}" if float(row["risk_years"]) > 0 else ","
            lines.append(
                f"{exam},p{exam},{exam}/{side}_{view}.dcm,{side},{view},{split[exam]},{row['density']},{row['mass']},"
                f"{row['malignant']},{risk}"
            )
    (folder / "exams.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_a_data_set_is_asked_about_in_its_splits_and_none_of_its_train_split(
    table_of_phantoms, small_predictor, decoder, tmp_path
):
    exams = dataset_exams("table", table_of_phantoms, decoder)
    evaluated(exams, small_predictor, tmp_path / "run")
    split_of = {exam.name: exam.split for exam in exams.exams}
    found = {(key.exam, cases.split) for cases in table(tmp_path / "run").cases for key in cases.keys}
    assert {split for _, split in found} == {TEST, VALIDATION}
    assert found == {(exam, split) for exam, split in split_of.items() if split != "train"}
    with open(table_of_phantoms / "findings.csv", encoding="utf-8") as file:
        truth = {(row["exam"], row["laterality"]): int(row["mass"]) for row in csv.DictReader(file)}
    (mass,) = (
        c for c in table(tmp_path / "run").cases if c.task.name == "mass" and c.split == TEST and c.model == "small 0"
    )
    assert dict(zip([(key.exam, key.laterality) for key in mass.keys], mass.labels.tolist())) == {
        key: label for key, label in truth.items() if split_of[key[0]] == TEST
    }
    assert {fact["views"] for fact in mass.facts} == {"4"} and all(key.patient == f"p{key.exam}" for key in mass.keys)


def test_changed_labels_are_another_evaluation(table_of_phantoms, decoder, tmp_path):
    before = dataset_exams("table", table_of_phantoms, decoder).checksum
    assert dataset_exams("table", table_of_phantoms, decoder).checksum == before
    text = (table_of_phantoms / "exams.csv").read_text(encoding="utf-8")
    for path in table_of_phantoms.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "exams.csv").unlink()
    head, first, *rest = text.splitlines()
    cells = first.split(",")
    cells[7] = str(1 - int(cells[7]))
    (tmp_path / "exams.csv").write_text("\n".join([head, ",".join(cells), *rest]), encoding="utf-8")
    assert dataset_exams("table", tmp_path, decoder).checksum != before


def test_signed_readings_of_the_store_are_evaluated_and_a_taught_head_only_on_the_test_split(
    labelled,
    small_predictor,
    decoder,
    tmp_path,
):
    exams = stored_exams(labelled, Filter(), decoder)
    assert len(exams.exams) == 20 and {exam.split for exam in exams.exams} == {TEST, VALIDATION}
    evaluated(exams, small_predictor, tmp_path / "bundled")
    splits = {c.split for c in table(tmp_path / "bundled").cases if c.task.name == "mass"}
    assert splits == {TEST, VALIDATION}
    taught = small_predictor.with_heads([])
    taught.finetuned = {"mass": "mass 1"}
    taught.heads["mass"].prevalence = None
    evaluated(exams, taught, tmp_path / "taught")
    found = table(tmp_path / "taught").cases
    assert {c.split for c in found if c.task.name == "mass"} == {TEST}
    assert {c.split for c in found if c.task.name == "density"} == {TEST, VALIDATION}


def test_phantoms_among_women_are_left_out_and_that_is_said(labelled, decoder, monkeypatch):
    names = sorted(labelled.exams.get(number).name for number in labelled.worklist.numbers())
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: set(names[:3]))
    exams = stored_exams(labelled, Filter(), decoder)
    assert {exam.name for exam in exams.exams} == set(names[3:])
    assert exams.problems == ("3 exams are not used: phantoms among exams of women",)
    monkeypatch.setattr(labelled.exams, "phantoms", lambda: set(names))
    assert len(stored_exams(labelled, Filter(), decoder).exams) == 20


def planted_run(folder, predictor, women=60, signal=4.0):
    """A run whose embeddings tell of a mass, with women in all splits."""
    run = Run(folder, EvaluationKey("planted", ""))
    rng, width = np.random.default_rng(0), predictor.width(TASK["mass"].level)
    for woman in range(women):
        label = int(rng.random() < 0.4)
        split = "train" if woman % 2 else TEST
        truth = ExamTruth(f"e{woman}", f"p{woman}", {("mass", R): label}, {R: {}}, split)
        vector = rng.normal(size=width).astype(np.float32)
        vector[0] += signal * label
        answered = AnsweredExam(truth, "small 0", {("mass", "head", R): [0.5]})
        run.add(predictor.weights, truth.exam, Answers(answered, vectors={R: vector}))
    return run


def test_a_linear_probe_learns_from_the_women_of_the_train_split_alone(small_predictor, tmp_path):
    run = planted_run(tmp_path, small_predictor)
    protocol = replace(PROTOCOLS["mammo-clip"], shares=(0.01, 0.5, 1.0))
    notes = probes.fit_probes(small_predictor, [TASK["mass"]], protocol, run, None, silent)
    assert len(notes) == 1 and "1 % of labels: too few labels" in notes[0]
    exams = [exam for exam in run.answered(small_predictor.weights) if exam.truth.split == TEST]
    answers = probes.probe_answers(exams, small_predictor.weights, TASK["mass"], protocol, run)
    by_model = {}
    for answer in answers:
        by_model.setdefault(answer.model, []).append(answer)
    assert set(by_model) == {f"small 0, linear probe, {share} % of labels" for share in (50, 100)}
    for of_model in by_model.values():
        assert {a.truth.exam for a in of_model} == {exam.truth.exam for exam in exams}
        scores = np.array([a.scores["mass", "head", R][0] for a in of_model])
        labels = np.array([a.truth.labels["mass", R] for a in of_model])
        assert auc(labels, scores) > 0.85


def test_a_woman_of_two_splits_teaches_nothing(small_predictor, tmp_path, monkeypatch):
    run, taught = planted_run(tmp_path, small_predictor), set()
    truth = ExamTruth("again", "p1", {("mass", R): 1}, {R: {}}, TEST)  # her other exam is of the train split
    vector = np.zeros(small_predictor.width(TASK["mass"].level), np.float32)
    answered = AnsweredExam(truth, "small 0", {("mass", "head", R): [0.5]})
    run.add(small_predictor.weights, "again", Answers(answered, vectors={R: vector}))
    fit = probes.HeadFitter.fit
    monkeypatch.setattr(
        probes.HeadFitter, "fit", lambda self, cases, *more: (taught.update(cases.patients), fit(self, cases, *more))[1]
    )
    protocol = replace(PROTOCOLS["mammo-clip"], shares=(1.0,))
    probes.fit_probes(small_predictor, [TASK["mass"]], protocol, run, None, silent)
    assert "p3" in taught and "p1" not in taught


def test_a_larger_share_of_women_holds_the_women_of_a_smaller_one():
    patients = np.array([f"p{n // 2}" for n in range(200)])
    kept = [set(patients[probes._of_women(patients, share)]) for share in (0.01, 0.1, 0.5, 1.0)]
    assert [len(women) for women in kept] == [1, 10, 50, 100]
    assert kept[0] < kept[1] < kept[2] < kept[3]


def test_a_probe_that_a_run_holds_is_not_fitted_again(small_predictor, tmp_path, monkeypatch):
    run = planted_run(tmp_path, small_predictor)
    protocol = replace(PROTOCOLS["mammo-clip"], shares=(1.0,))
    probes.fit_probes(small_predictor, [TASK["mass"]], protocol, run, None, silent)
    monkeypatch.setattr(probes, "_probed", lambda *args: pytest.fail("fitted again"))
    probes.fit_probes(small_predictor, [TASK["mass"]], protocol, run, None, silent)


def test_exams_that_failed_or_were_changed_are_asked_again_and_others_are_not(
    small_predictor, table_of_phantoms, tmp_path, monkeypatch
):
    folder = tmp_path / "p"
    shutil.copytree(table_of_phantoms, folder)
    first, second, third = sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "masks")[:3]
    first.rename(tmp_path / "away")

    def scores():
        evaluated(phantom_folder(folder), small_predictor, tmp_path / "run")
        with open(tmp_path / "run" / "predictions.csv", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {name: [row["score"] for row in rows if row["exam"] == name] for name in {row["exam"] for row in rows}}

    before = scores()
    assert first.name not in before
    (tmp_path / "away").rename(first)
    second.rename(tmp_path / "away")
    third.rename(second)
    (tmp_path / "away").rename(third)
    asked, encode = [], small_predictor.predict
    monkeypatch.setattr(small_predictor, "predict", lambda exam: asked.append(exam) or encode(exam))
    after = scores()
    assert len(asked) == 3 and first.name in after
    assert after[second.name] == before[third.name] != after[third.name] == before[second.name]


def test_a_run_of_an_earlier_version_asks_again_about_exams_without_a_state(small_predictor, tmp_path):
    run = planted_run(tmp_path, small_predictor)
    weights = small_predictor.weights
    states = {exam.truth.exam: "" for exam in run.answered(weights)}
    assert states and run.done(weights, states) == set(states)
    first = next(iter(states))
    query = "UPDATE exams SET content = json_remove(content, '$.state') WHERE exam = ?"
    with run._file:
        run._file.execute(query, [first])
    assert run.done(weights, states) == set(states) - {first}


def test_an_exam_that_cannot_be_opened_again_leaves_the_fine_tuning_to_the_others(small_predictor):
    exams = new_phantoms(3, 61, train=True).exams
    broken = exams[1]._replace(open=lambda: 1 / 0)
    inputs = probes.stage_inputs([exams[0], broken, exams[2]], small_predictor)
    assert list(inputs.row) == [exams[0].name, exams[2].name]
    with pytest.raises(ZeroDivisionError):
        probes.stage_inputs([broken], small_predictor)


def test_the_progress_of_probes_never_goes_back(small_predictor, tmp_path):
    shares = []
    protocol = replace(PROTOCOLS["mammo-clip"], shares=(0.5, 1.0))
    run = planted_run(tmp_path, small_predictor)
    tasks = [TASK["mass"], TASK["malignancy"]]
    probes.fit_probes(small_predictor, tasks, protocol, run, None, lambda share, message: shares.append(share))
    assert len(shares) > 4 and shares == sorted(shares) and shares[-1] <= 1


def test_a_protocol_from_phantoms_to_its_report(small_predictor, tmp_path, monkeypatch):
    monkeypatch.setattr("mvmlm.finetuning.crossvalidation.PENALTIES", (1.0,))
    monkeypatch.setattr("mvmlm.finetuning.fit.STAGE_EPOCHS", 1)
    protocol = replace(PROTOCOLS["mv-mlm"], tasks=("mass",), shares=(1.0,))
    report = evaluated(new_phantoms(12, 61, train=True), small_predictor, tmp_path / "run", protocol=protocol)
    models = {result.model for result in report.results}
    assert models == {
        "small 0", "small 0, prompts", "small 0, linear probe, 100 % of labels", "small 0, fine-tuned, 100 % of labels",
    }  # fmt: skip
    assert all(result.patients == 12 for result in report.results)
    assert "last stage of the image tower" in report.run.protocol_note


def test_the_protocols_of_the_command_line_are_the_presets():
    assert set(command.PROTOCOLS) == set(PROTOCOLS)
    assert {name for name in PROTOCOLS if PROTOCOLS[name].probes} == set(command.LEARNING)
    for protocol in PROTOCOLS.values():
        assert set(protocol.tasks) <= set(TASK) and protocol.level is CaseLevel.BREAST
        assert LINEAR_PROBE in protocol.probes or not protocol.shares


def test_the_marks_of_signed_readings_are_boxes(labelled, small_predictor, decoder, tmp_path):
    number = next(n for n in labelled.worklist.numbers() if n % 2)  # with a mass in the right breast
    reading = labelled.readings.start(number, "ben")
    view = ViewName(R, Projection.CC)
    marks = (Mark(view, "box", "mass", ((10.0, 20.0), (40.0, 60.0))), Mark(view, "point", "mass", ((5.0, 5.0),)))
    finding = MarkedFinding(R, "mass", marks=marks)
    signed = Reading({(R, "mass"): "1", (L, "mass"): "0"}, {1: finding})
    labelled.readings.save(reading.id, Reading(), signed)
    labelled.readings.finalise(labelled.readings.sign(reading.id).id)
    exams = stored_exams(labelled, Filter(), decoder)
    known = next(e for e in exams.exams if e.name == labelled.exams.get(number).name).open()
    assert known.boxes == {view: (FindingBox("mass", 10.5, 20.5, 40.5, 60.5),)}


def test_maps_are_measured_where_the_box_is_known(small_predictor, tmp_path):
    report = evaluated(new_phantoms(8, 61), small_predictor, tmp_path / "run", maps=2)
    with sqlite3.connect(tmp_path / "run" / "run.sqlite") as file:
        contents = [json.loads(text)["maps"] for (text,) in file.execute("SELECT content FROM exams")]
    rows = [row for content in contents for row in content]
    assert len({row["exam"] for row in rows}) == 2
    for row in rows:
        assert row["pointing"] in (0.0, 1.0) or np.isnan(row["pointing"])
        assert 0 < row["by_chance"] < 1 and 0 <= row["deletion"] <= 1 and 0 <= row["insertion"] <= 1
    known = [row["similarity"] for row in rows if not np.isnan(row["similarity"])]
    assert known and max(known) < 0.999, "a map is not compared with itself"
    assert {result.task for result in report.maps} == {row["task"] for row in rows}
    assert "pointing game" in (tmp_path / "run" / "report.md").read_text(encoding="utf-8")


def test_a_map_that_lies_in_the_box_hits_it_and_one_beside_it_does_not(small_predictor, monkeypatch):
    known = next(k for k in (e.open() for e in new_phantoms(20, 61).exams) if _has(k, "mass"))
    encoding, _ = small_predictor.encode(known.exam)
    name = next(n for n in encoding.names if any(b.kind == "mass" for b in known.boxes.get(n, ())))
    box = next(b for b in known.boxes[name] if b.kind == "mass")
    given, (rows, columns) = encoding.inputs[name], encoding.views.inside.shape[-2:]
    centre = given.geometry.to_model(np.array([[(box.left + box.right) / 2, (box.top + box.bottom) / 2]]))[0]
    row = int(centre[1] / given.tensor.shape[0] * rows)
    column = int(centre[0] / given.tensor.shape[1] * columns)
    inside = np.zeros((rows, columns), np.float32)
    inside[row, column] = 2.0
    blind = np.flipud(inside).copy()
    hit = maps._row(small_predictor, known, encoding, "mass", name, inside, blind)
    missed = maps._row(small_predictor, known, encoding, "mass", name, blind, blind)
    assert hit.pointing == 1.0 and hit.inside > missed.inside and hit.overlap > missed.overlap
    assert hit.similarity < 0.5 and missed.similarity == pytest.approx(1.0)


def test_every_network_of_an_ensemble_is_shown_the_same_places():
    def frame(rows, columns):
        geometry = ViewGeometry(200, 100, (0, 0, 100, 200), False, False, rows, columns, 0, rows, columns)
        return ModelInput(np.ones((rows, columns), np.float32), np.ones((rows, columns), bool), geometry)

    first, others = frame(40, 20), (frame(80, 40), frame(20, 20))
    given = SeveralInputs(first.tensor, first.breast, first.geometry, others)
    blurred = [np.zeros_like(each.tensor) for each in (first, *others)]
    shown = np.array([[True, False]])
    changed = maps.partly_shown(given, shown, blurred)
    for each in (changed, *changed.others):
        middle = each.tensor.shape[1] // 2
        assert (each.tensor[:, : middle - 1] == 1).all() and (each.tensor[:, middle + 1 :] == 0).all()
    whole = maps.partly_shown(given, ~np.zeros((1, 2), bool), blurred)
    assert all((each.tensor == 1).all() for each in (whole, *whole.others))


def _has(known, task):
    return maps.has_mapped_finding(known, [task])


def test_shuffled_weights_are_the_same_values_in_another_order_and_answer_otherwise(small_predictor, phantom):
    other = maps.shuffled(small_predictor, 1)
    mine, theirs = small_predictor.model.state_dict(), other.model.state_dict()
    moved = [name for name in mine if not np.array_equal(mine[name].numpy(), theirs[name].numpy())]
    assert moved and all(mine[name].ndim > 1 for name in moved)
    for name in moved:
        assert np.array_equal(np.sort(mine[name].numpy().ravel()), np.sort(theirs[name].numpy().ravel()))
    before = small_predictor.predict(phantom.exam).answers[0].probability
    assert small_predictor.predict(phantom.exam).answers[0].probability == before
    assert other.predict(phantom.exam).answers[0].probability != before


def test_the_boxes_of_a_folder_of_phantoms_are_those_of_its_masks(tmp_path):
    assert main(["phantom", str(tmp_path / "p"), "--n", "6", "--seed", "61", "--rows", "192"]) == 0
    drawn = {exam.name: exam.open() for exam in new_phantoms(6, 61).exams}
    stored = {exam.name: exam.open() for exam in phantom_folder(tmp_path / "p").exams}
    assert stored.keys() == drawn.keys() and any(known.boxes for known in drawn.values())
    for name, known in drawn.items():
        assert {v: set(b) for v, b in stored[name].boxes.items()} == {v: set(b) for v, b in known.boxes.items()}
        assert stored[name].truth.labels == known.truth.labels


def test_the_probabilistic_f1_score_counts_each_score_by_its_share():
    labels, scores = np.array([1, 1, 0, 0]), np.array([0.9, 0.4, 0.2, 0.1])
    precision, recall = 1.3 / 1.6, 1.3 / 2
    value = weighted_probabilistic_f1(labels, scores)(np.ones((1, 4)))[0]
    assert value == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_command_goes_on_and_refuses_what_it_cannot_do(small_weights, tmp_path, capsys):
    out, few = tmp_path / "out", ["evaluate", "--n", "3", "--seed", "61", "--weights", str(small_weights)]
    assert main([*few, "--protocol", "rsna", "--out", str(out)]) == 0
    assert (out / "report.html").is_file() and "Overview" in (out / "report.md").read_text(encoding="utf-8")
    assert main([*few, "--out", str(out)]) == 1
    assert "another protocol" in (told := capsys.readouterr().err) and "--restart" in told
    assert main([*few, "--protocol", "rsna"]) == 1
    assert "--out" in capsys.readouterr().err
    assert main(["evaluate", "--dataset", "rsna", "--out", str(out)]) == 1
    assert "give the folder of the data set" in capsys.readouterr().err
