"""Jobs outlive their worker, and the command line does what the pages do."""

import csv
import shutil
import subprocess
import sys
import time

import pytest
from filelock import FileLock

from mvmlm.__main__ import main
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_import
from mvmlm.worker import LOCK, work
from tests.conftest import ROOT
from tests.test_load import write_four

pytestmark = pytest.mark.usefixtures("one_thread", "few_resamples")
EXAMS = 10  # of as many patients: seven train, three test


@pytest.fixture(scope="module")
def labelled_folder(tmp_path_factory):
    """A data folder of imported and labelled exams, made by the command line: a mass in every right breast."""
    folder = tmp_path_factory.mktemp("labelled")
    options = ["--data", str(folder / "data"), "--reader", "ann"]
    for n in range(EXAMS):
        write_four(folder / "files" / f"e{n}", patient=f"case{n}")
    assert main(["keep", str(folder / "files"), "--named", *options]) == 0
    with open(folder / "labels.csv", "w", newline="", encoding="utf-8") as file:
        rows = [[f"case{n}", side, int(side == "R")] for n in range(EXAMS) for side in "RL"]
        csv.writer(file).writerows([["exam", "laterality", "mass"], *rows])
    assert main(["labels", str(folder / "labels.csv"), *options]) == 0
    return folder / "data"


@pytest.fixture
def store(labelled_folder, tmp_path):
    shutil.copytree(labelled_folder, tmp_path / "data")
    store = Store(tmp_path / "data")
    yield store
    store.close()


def add_finetuning(store, task="mass"):
    settings = {"config": {"task": task, "depth": "linear", "seed": 1}, "who": "ann"}
    return store.jobs.add("finetune", settings, "ann")


def test_the_command_line_finetunes_compares_and_activates(store, small_weights, capsys):
    assert len(store.exams.signed()) == EXAMS
    options = ["--weights", str(small_weights), "--data", str(store.folder), "--reader", "ann"]
    assert main(["finetune", "mass", "--activate", *options]) == 0
    printed = capsys.readouterr().out
    assert "new        AUC" in printed and "old        AUC" in printed and f"{2 * 3} test cases" in printed
    assert [head.active for head in store.heads.all()] == [True]
    assert main(["finetune", "nonsense", *options]) == 1 and "expected one of malignancy" in capsys.readouterr().err


def test_the_command_line_calibrates_applies_lists_and_takes_back(store, small_weights, capsys):
    options = ["mass", "--weights", str(small_weights), "--data", str(store.folder), "--reader", "ann"]
    assert main(["calibrate", *options, "--activate"]) == 0
    printed = capsys.readouterr().out
    assert f"from {2 * EXAMS} cases of {EXAMS} patients, {EXAMS} positive" in printed and "Brier score" in printed
    (made,) = store.calibrations.all()
    assert made.active and made.task == "mass"
    assert main(["calibrate", *options, "--list"]) == 0 and "applied" in capsys.readouterr().out
    assert main(["calibrate", *options, "--off"]) == 0 and not store.calibrations.get(made.id).active
    assert main(["calibrate", *options, "--use", str(made.id)]) == 0 and store.calibrations.get(made.id).active
    assert main(["calibrate", *options, "--use", "77"]) == 1 and "77" in capsys.readouterr().err
    assert main(["calibrate", "density", *options[1:]]) == 1 and "too few cases" in capsys.readouterr().err


def test_the_command_line_finds_a_threshold_with_its_guarantee_and_takes_it_back(store, small_weights, capsys):
    options = ["mass", "--weights", str(small_weights), "--data", str(store.folder), "--reader", "ann"]
    assert main(["threshold", *options]) == 1 and "What shall be guaranteed" in capsys.readouterr().err
    assert main(["threshold", *options, "--sensitivity", "90"]) == 1
    assert "22" in capsys.readouterr().err, "so many women with a mass are needed"
    assert main(["threshold", *options, "--sensitivity", "70", "--activate"]) == 0
    printed = capsys.readouterr().out
    assert f"With 90 % confidence at least 70 % of women with mass like these {EXAMS} are called back." in printed
    assert f"{EXAMS} of {EXAMS} women" in printed and "applied from now on" in printed
    (number,) = store.operating_points.active()
    assert main(["threshold", *options, "--list"]) == 0 and "sensitivity 70 %" in capsys.readouterr().out
    assert main(["threshold", *options, "--off"]) == 0 and store.operating_points.active() == []
    assert main(["threshold", *options, "--use", str(number)]) == 0 and store.operating_points.active() == [number]
    with pytest.raises(SystemExit):
        main(["threshold", *options, "--sensitivity", "70", "--recall", "3.5"])


def test_a_calibration_made_by_a_job_is_not_applied_yet(store, small_weights):
    asked = store.jobs.add("calibrate", {"task": "mass", "who": "ann"}, "ann")
    wrong = store.jobs.add("calibrate", {"task": "nothing", "who": "ann"}, "ann")
    assert work(store.folder, str(small_weights), idle_seconds=0.2) == 2
    done, (made,) = store.jobs.get(asked), store.calibrations.all()
    assert done.state == "done" and done.result == {"calibration": made.id} and not made.active
    assert f"calibration {made.id} is ready, and not applied yet" in done.message
    assert store.jobs.get(wrong).state == "failed" and store.jobs.get(wrong).message == "Choose a task first."


def test_a_job_that_cannot_be_done_fails_with_a_sentence_and_the_next_one_runs(store, small_weights):
    failing, unknown, finetuning = (
        add_finetuning(store, "density"),
        store.jobs.add("paint", {}, "ann"),
        add_finetuning(store),
    )
    assert work(store.folder, str(small_weights), idle_seconds=0.2) == 3
    assert store.jobs.get(failing).state == "failed" and "at least 12" in store.jobs.get(failing).message
    assert store.jobs.get(unknown).state == "failed" and "paint" in store.jobs.get(unknown).message
    done, (head,) = store.jobs.get(finetuning), store.heads.all()
    assert done.state == "done" and done.message == f"fine-tuned “mass 1”: {head.record['comparison']['verdict']}"
    assert done.result["head"] == head.id and done.result["curve"] == head.record["curve"]


def test_uploads_are_imported_and_encoded_by_jobs(store, small_weights, tmp_path):
    uploads = write_four(tmp_path / "uploads", patient="another")
    (uploads / "letter.txt").write_text("no image", encoding="utf-8")
    importing = queue_import(store, uploads, "ann", "ann", named=True)
    encoding = store.jobs.add("encode", {}, "ann")
    assert work(store.folder, str(small_weights), idle_seconds=0.2) == 2
    imported, encoded = store.jobs.get(importing), store.jobs.get(encoding)
    assert imported.message == "1 exams imported, 1 failed"
    assert imported.result["problems"][0].startswith("file 5 of 5 by name (.txt): ")
    assert store.exams.by_name("another") is not None and not uploads.exists()
    assert encoded.message == f"{EXAMS + 1} exams encoded and scored, 0 failed"
    assert store.exams.by_name("another").score is not None


def test_a_second_worker_ends_at_once(store, small_weights):
    job = add_finetuning(store)
    with FileLock(store.folder / LOCK):
        command = [sys.executable, "-m", "mvmlm.worker", str(store.folder), str(small_weights)]
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    assert store.jobs.get(job).state == "queued"


def test_the_worker_is_imported_where_there_is_no_fcntl():
    code = "import sys; sys.modules['fcntl'] = None; import mvmlm.worker"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_a_training_killed_at_any_moment_starts_again_and_ends(store, small_weights):
    job = add_finetuning(store)
    worker = subprocess.Popen([sys.executable, "-m", "mvmlm.worker", str(store.folder), str(small_weights)], cwd=ROOT)
    deadline = time.monotonic() + 60
    while (
        "encoding" not in store.jobs.get(job).message and not store.jobs.get(job).over and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    worker.kill()
    worker.wait()
    killed_in_the_middle = store.jobs.get(job).state == "running"
    assert killed_in_the_middle or store.jobs.get(job).state == "done"
    work(store.folder, str(small_weights), idle_seconds=0.2)
    assert store.jobs.get(job).state == "done"
    assert ("interrupted" in store.jobs.get(job).log) == killed_in_the_middle
    assert len(store.heads.all()) == 1 and len(store.readings.of_exam(1)) == 1
