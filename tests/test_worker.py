"""Jobs outlive their worker, and the command line does what the pages do."""

import csv
import os
import signal
import subprocess
import sys
import time

import pytest

from mvmlm.__main__ import main
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.store.store import Store
from mvmlm.worker import work
from tests.conftest import ROOT
from tests.test_load import write_four


def teach(store, task="mass"):
    return store.jobs.add("finetune", {"config": {"task": task, "depth": "linear", "seed": 1}, "who": "ann"}, "ann")


@pytest.fixture
def labelled(tmp_path, capsys):
    """Twenty-four kept and labelled exams, by the command line."""
    data = ["--data", str(tmp_path / "data"), "--reader", "ann"]
    for n in range(24):
        write_four(tmp_path / "files" / f"e{n}", patient=f"case{n}")
    assert main(["keep", str(tmp_path / "files"), "--named", *data]) == 0
    with open(tmp_path / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows(
            [["exam", "laterality", "mass"]]
            + [[f"case{n}", side, int(n % 2 and side == "R")] for n in range(24) for side in "RL"]
        )
    assert main(["labels", str(tmp_path / "labels.csv"), *data]) == 0
    assert "24 readings imported" in capsys.readouterr().out
    return tmp_path, data


def test_finetune_on_the_command_line_teaches_compares_and_activates(labelled, capsys):
    folder, data = labelled
    assert main(["finetune", "mass", "--activate", *data]) == 0
    said = capsys.readouterr().out
    assert "new        AUC" in said and "old        AUC" in said and "better" in said
    assert [head.active for head in Store(folder / "data").heads.all()] == [True]
    assert main(["finetune", "nonsense", *data]) == 1 and "expected one of malignancy" in capsys.readouterr().err


def test_a_job_that_cannot_be_done_fails_with_a_sentence_and_the_next_one_runs(labelled):
    folder, _ = labelled
    store = Store(folder / "data")
    first, second = teach(store, "density"), teach(store)
    assert work(store.folder, "demo", idle_seconds=0.5) == 2
    assert store.jobs.get(first).state == "failed" and "at least 12" in store.jobs.get(first).message
    done = store.jobs.get(second)
    assert (
        done.state == "done"
        and "better" in done.message
        and done.result["curve"]["scores"]
        and store.heads.all()[0].id == done.result["head"]
    )


def test_a_training_killed_at_any_moment_starts_again_and_ends(labelled):
    folder, _ = labelled
    store = Store(folder / "data")
    job = teach(store)
    worker = subprocess.Popen([sys.executable, "-m", "mvmlm.worker", str(store.folder), "demo"], cwd=ROOT)
    deadline = time.monotonic() + 60
    while (
        "encoding" not in store.jobs.get(job).message and not store.jobs.get(job).over and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert store.jobs.get(job).state in ("running", "done")
    work(store.folder, "demo", idle_seconds=0.5)
    assert store.jobs.get(job).state == "done" and (
        "interrupted" in store.jobs.get(job).log or len(store.heads.all()) == 1
    )
    assert len(store.heads.all()) == 1 and len(store.readings.of_exam(1)) == 1


def test_a_lesson_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="depth"):
        FinetuneConfig("mass", "deep")
    with pytest.raises(ValueError, match="specificity"):
        FinetuneConfig("mass", specificity=1.0)
