"""A training that is stopped, killed, given other data or other settings, or meets a damaged file."""

import json
import os
import pickle
import random
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch

from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.pretraining import processes
from mvmlm.pretraining.checkpoint import FILE, CheckpointError, read_checkpoint, set_aside
from mvmlm.pretraining.exam_cache import DamagedExam, ExamCache, ExamCacheWriter, Labels
from mvmlm.pretraining.resume import only_run
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.stopping import TrainingInterrupted
from mvmlm.pretraining.train import pretrain
from mvmlm.report.findings import Finding, Findings

pytestmark = pytest.mark.usefixtures("one_thread")
R, L = Laterality
SIZE = Preprocessing(rows=64, columns=32)
SCHEDULE = Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0, warmup_steps=2, checkpoint_steps=2)


def labels_of(index):
    findings = {R: Findings("B", (Finding("mass", "round"),), birads="3"), L: Findings("B", birads="1")}
    return Labels(findings, {R: {"mass": index % 2}, L: {"mass": 0}}, {"density": index % 4}, None)


def write_cache(folder, exams=8, split=lambda index: "train", labels=labels_of):
    rng = np.random.default_rng(0)
    with ExamCacheWriter(folder, SIZE) as writer:
        for index in range(exams):
            views = rng.integers(0, 255, (4, SIZE.rows, SIZE.columns), np.uint8)
            writer.add(f"exam {index}", views, np.ones(4, bool), labels(index), split(index))
    return ExamCache(folder, "train")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return write_cache(tmp_path_factory.mktemp("cache"))


def record(width=16, start="random"):
    preset = Preset(
        16,
        {"timm_model_name": "test_efficientnet", "image_size": [64, 32], "map_width": 16},
        {"context_length": 32, "width": width, "heads": 2, "layers": 1},
        {"width": 16, "heads": 2, "layers": 1},
    )
    training = {"start": start}
    return WeightsRecord("test", "0", preset, SIZE, ("mass", "density"), (320, 1125), training)


def train(cache, folder, schedule=SCHEDULE, seed=3, of=None, log=lambda line: None, **more):
    of = of or record()
    return pretrain(of, lambda model: None, cache, folder, replace(schedule, seed=seed), log, **more)


@pytest.fixture(scope="module")
def finished(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    train(cache, folder)
    return folder


@pytest.fixture(scope="module")
def stopped(cache, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stopped")
    with pytest.raises(TrainingInterrupted, match=r"SIGTERM stopped the training after step 3 of 8"):
        stop_at(3, signal.SIGTERM, lambda: train(cache, folder))
    return folder


@pytest.fixture
def half(stopped, tmp_path):
    """A run that was stopped after its third step of eight."""
    shutil.copytree(stopped, tmp_path / "run")
    return tmp_path / "run"


def stop_at(step, number, run):
    """Send this process a signal while it computes a step."""
    import mvmlm.pretraining.train as module

    real, done = module.add_gradients, []

    def signalled(*args):
        done.append(1)
        if len(done) == step:
            os.kill(os.getpid(), number)
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "add_gradients", signalled)
        return run()


def losses(folder):
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [(json.loads(line)["step"], json.loads(line)["loss"]) for line in lines]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_step_it_came_in_and_the_rest_is_the_same_run(cache, finished, tmp_path, number):
    before = signal.getsignal(number)
    with pytest.raises(TrainingInterrupted, match=rf"{number.name} stopped the training after step 3 of 8; checkpoint"):
        stop_at(3, number, lambda: train(cache, tmp_path))
    assert read_checkpoint(tmp_path)["step"] == 3 and signal.getsignal(number) is before
    train(cache, tmp_path)
    assert losses(tmp_path) == losses(finished)
    assert (tmp_path / FILE).read_bytes() == (finished / FILE).read_bytes()


def test_a_run_shorter_than_an_interval_loses_nothing(cache, tmp_path):
    long = Schedule(seed=3, epochs=1, exams_per_batch=2, frozen_stages=0, checkpoint_minutes=1000)
    with pytest.raises(TrainingInterrupted):
        stop_at(3, signal.SIGTERM, lambda: train(cache, tmp_path, long))
    assert read_checkpoint(tmp_path)["step"] == 3
    train(cache, tmp_path, long)
    assert read_checkpoint(tmp_path)["step"] == 4


def test_an_error_in_a_step_keeps_the_steps_before_it(cache, tmp_path, monkeypatch):
    import mvmlm.pretraining.train as module

    real, done = module.add_gradients, []

    def fails(*args):
        done.append(1)
        if len(done) == 4:
            raise MemoryError("no memory")
        return real(*args)

    monkeypatch.setattr(module, "add_gradients", fails)
    with pytest.raises(MemoryError):
        train(cache, tmp_path, Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0))
    assert read_checkpoint(tmp_path)["step"] == 3


def test_checkpoints_are_written_after_the_given_minutes(cache, tmp_path, monkeypatch):
    import mvmlm.pretraining.checkpoint as module

    now, saved = [0.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    real = module.write_checkpoint

    def write(folder, content):
        saved.append(content["step"])
        real(folder, content)

    monkeypatch.setattr(module, "write_checkpoint", write)
    import mvmlm.pretraining.train as training

    gradients = training.add_gradients

    def minute(*args):
        now[0] += 60
        return gradients(*args)

    monkeypatch.setattr(training, "add_gradients", minute)
    train(cache, tmp_path, Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0, checkpoint_minutes=3))
    assert saved == [1, 4, 7, 8]


def test_damaged_bytes_of_a_checkpoint_are_refused_or_change_nothing(finished, tmp_path):
    whole = (finished / FILE).read_bytes()
    expected = read_checkpoint(finished)
    rng, refused = random.Random(0), 0
    for _ in range(150):
        data, at = bytearray(whole), rng.randrange(len(whole) - 4)
        data[at : at + 4] = rng.randbytes(4)
        (tmp_path / FILE).write_bytes(data)
        try:
            saved = read_checkpoint(tmp_path)
        except CheckpointError as error:
            assert "checkpoint.pt: " in str(error) and "restart" in error.remedies
            refused += 1
            continue
        for part in ("model", "average"):
            assert all(torch.equal(value, expected[part][name]) for name, value in saved[part].items()), at
    assert refused > 100


class Code:
    def __reduce__(self):
        return os.mkdir, ("made by a pickle",)


@pytest.mark.parametrize("what", ["empty", "cut", "text", "pickle", "tensor", "incomplete"])
def test_a_file_that_is_no_checkpoint_is_refused(cache, finished, tmp_path, monkeypatch, what):
    monkeypatch.chdir(tmp_path)
    path, whole = tmp_path / FILE, (finished / FILE).read_bytes()
    contents = {"empty": b"", "cut": whole[: len(whole) // 2], "text": b"weights", "pickle": pickle.dumps(Code())}
    if what in contents:
        path.write_bytes(contents[what])
    else:
        torch.save({"tensor": torch.zeros(3), "incomplete": {"step": 3, "model": {}}}[what], path)
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: .*move checkpoint.pt out of the folder"):
        train(cache, tmp_path)
    torch.save(Code(), path)
    with pytest.raises(CheckpointError, match="not a checkpoint of this program"):
        train(cache, tmp_path)
    assert not (tmp_path / "made by a pickle").exists()
    set_aside(tmp_path)
    assert not path.exists() and (tmp_path / "checkpoint.1.pt").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"epochs": 3}, "epochs 2, now 3"),
        ({"exams_per_batch": 4}, "exams per batch 2, now 4"),
        ({"batches_per_step": 2}, "batches per step 1, now 2"),
        ({"balance": 0.5}, "balance 0.0, now 0.5"),
        ({"exams_at_once": 1}, "exams at once None, now 1"),
        ({"bf16": True}, "bf16 False, now True"),
        ({"recompute": True}, "recompute False, now True"),
        ({"image_lr": 1e-4}, "image lr 0.0008, now 0.0001"),
        ({"warmup_steps": 5}, "warmup steps 2, now 5"),
    ],
)
def test_other_settings_on_resume_are_named_with_both_values(cache, half, change, words):
    before = (half / FILE).read_bytes()
    with pytest.raises(CheckpointError, match=words) as refused:
        train(cache, half, replace(SCHEDULE, **change))
    assert "checkpoint.pt of step 3" in str(refused.value) and "restart" in refused.value.remedies
    assert (half / FILE).read_bytes() == before


def test_another_seed_start_or_preset_is_never_accepted(cache, half):
    for change in ({"seed": 4}, {"of": record(start="b.safetensors")}, {"of": record(width=32)}):
        with pytest.raises(
            CheckpointError, match=r"seed 3, now 4|start random, now b|preset text_cfg width 16, now 32"
        ):
            train(cache, half, accept_changes=True, **change)


def test_accepted_changes_are_written_down(cache, half):
    of, lines = record(), []
    train(cache, half, replace(SCHEDULE, other_lr=1e-4), of=of, log=lines.append, accept_changes=True)
    assert of.training["changes"] == ["step 3: other lr 0.0015, now 0.0001"] and "other lr 0.0015, now 0.0001" in lines
    again = record()
    train(cache, half, replace(SCHEDULE, other_lr=1e-4), of=again)
    assert again.training["changes"] == of.training["changes"]


def test_an_accepted_learning_rate_is_the_one_that_is_trained_with(cache, half, monkeypatch):
    """It is what the message on an exploded loss advises."""
    rates, step = [], torch.optim.AdamW.step

    def recorded(self, *args, **kwargs):
        rates.append([(group["lr"], group["weight_decay"]) for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    slower = replace(SCHEDULE, image_lr=SCHEDULE.image_lr / 4, other_lr=SCHEDULE.other_lr / 2, weight_decay=0.5)
    usual = half.with_name("usual")
    shutil.copytree(half, usual)
    train(cache, usual)
    train(cache, half, slower, accept_changes=True)
    assert len(rates) == 10
    for before, now in zip(rates[:5], rates[5:], strict=True):
        assert [old[0] / new[0] for old, new in zip(before, now)] == pytest.approx([4, 2, 4, 2])
        assert [decay for _, decay in now] == [0.5, 0.5, 0, 0]


def values_of(saved, part):
    return saved["optimiser"]["state"][0]["exp_avg"] if part == "optimiser" else next(iter(saved[part].values()))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("part", ["model", "average", "optimiser"])
def test_a_checkpoint_with_values_that_are_not_finite_is_never_continued(cache, half, part, number):
    saved = read_checkpoint(half)
    values_of(saved, part).view(-1)[0] = number
    torch.save(saved, half / FILE)
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: .* holds values that are not finite") as refused:
        train(cache, half)
    assert refused.value.remedies == ("restart",)


@pytest.mark.parametrize(
    ("name", "value"),
    [("usual", float("nan")), ("usual", float("inf")), ("usual", "1"), ("step", -1), ("step", True), ("step", 1.0)]
    + [("run", value) for value in ("", "[1]", "{}", 7, None)],
)
def test_a_checkpoint_of_another_form_is_refused(cache, half, name, value):
    torch.save(read_checkpoint(half) | {name: value}, half / FILE)
    with pytest.raises(CheckpointError, match=r"checkpoint.pt: not a checkpoint of this program") as refused:
        train(cache, half)
    assert refused.value.remedies == ("restart",)


def test_moments_of_another_optimizer_are_refused(cache, half):
    whole = (half / FILE).read_bytes()
    for change in (
        lambda optimiser: optimiser["state"][0].update(exp_avg=torch.zeros(1)),
        lambda optimiser: optimiser["state"].update({10_000: optimiser["state"][0]}),
        lambda optimiser: optimiser["param_groups"][0]["params"].pop(),
        lambda optimiser: optimiser["param_groups"].pop(),
    ):
        (half / FILE).write_bytes(whole)
        saved = read_checkpoint(half)
        change(saved["optimiser"])
        torch.save(saved, half / FILE)
        with pytest.raises(CheckpointError, match=r"checkpoint.pt: of another model or preset"):
            train(cache, half)


def test_exams_that_left_the_training_split_are_never_trained_on(half, tmp_path):
    moved = write_cache(tmp_path / "moved", split=lambda index: "test" if index < 3 else "train")
    with pytest.raises(CheckpointError, match="3 that it was trained on are no longer training exams"):
        train(moved, half, accept_changes=True)
    relabelled = write_cache(tmp_path / "relabelled", labels=lambda index: labels_of(index + (index == 2)))
    with pytest.raises(CheckpointError, match="1 have other labels or pixels"):
        train(relabelled, half)
    with pytest.raises(CheckpointError, match="2 are new"):
        train(write_cache(tmp_path / "more", exams=10), half)


def test_paraphrases_that_came_later_are_noticed(half, tmp_path):
    cache = write_cache(tmp_path / "c")
    cache.paraphrases = {cache.labels[0].findings[R].key: ["A round mass."]}
    with pytest.raises(CheckpointError, match="their paraphrases are others"):
        train(cache, half)


def test_a_finished_run_says_so_and_gives_the_same_weights(cache, finished):
    lines, before = [], (finished / FILE).read_bytes()
    first, second = train(cache, finished, log=lines.append), train(cache, finished)
    assert lines[:2] == ["resumed at step 8 of 8", "the training had finished; its weights are returned again"]
    assert all(torch.equal(value, second.state_dict()[name]) for name, value in first.state_dict().items())
    assert (finished / FILE).read_bytes() == before


def test_two_runs_of_one_seed_give_equal_files(cache, finished, tmp_path):
    train(cache, tmp_path)
    assert (tmp_path / FILE).read_bytes() == (finished / FILE).read_bytes()


def test_weights_that_are_not_finite_are_never_saved(cache, tmp_path, monkeypatch):
    step, done = torch.optim.AdamW.step, []

    def poisoned(self, *args, **kwargs):
        step(self, *args, **kwargs)
        done.append(1)
        if len(done) == 4:
            with torch.no_grad():
                self.param_groups[0]["params"][0].fill_(float("nan"))

    monkeypatch.setattr(torch.optim.AdamW, "step", poisoned)
    with pytest.raises(FloatingPointError, match="Train with lower learning rates"):
        train(cache, tmp_path)
    assert read_checkpoint(tmp_path)["step"] in (2, 3)


def test_a_full_disk_leaves_the_old_checkpoint_and_is_said(cache, tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    import mvmlm.pretraining.checkpoint as module

    real, writes = module.replace_file, []
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limited(path):
        writes.append(path)
        if len(writes) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
        return real(path)

    monkeypatch.setattr(module, "replace_file", limited)
    try:
        with pytest.raises(CheckpointError, match=r"checkpoint.pt: not written, the disk is full.*another disk"):
            train(cache, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert read_checkpoint(tmp_path)["step"] == 1 and not (tmp_path / "checkpoint.pt.part").exists()


def test_damaged_pixels_are_not_trained_on(tmp_path):
    cache = write_cache(tmp_path)
    data = bytearray((tmp_path / "views.u8").read_bytes())
    data[-7] ^= 1
    (tmp_path / "views.u8").write_bytes(data)
    with pytest.raises(DamagedExam, match="exam 7: its pixels in views.u8 are damaged. Decode it again"):
        train(cache, tmp_path / "run")


def test_one_run_at_a_time_works_in_a_folder(tmp_path):
    with (
        only_run(tmp_path),
        pytest.raises(CheckpointError, match="another run works in this folder"),
        only_run(tmp_path),
    ):
        pass
    with only_run(tmp_path):
        pass


class TwoProcesses:
    num_processes, is_main_process, process_index, device = 2, True, 0, torch.device("cpu")


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_own_error_is_told_where_the_other_processes_are_gone_already(monkeypatch, error):
    """`torchrun` sends a signal to all of them, and the others may end first."""

    def gone(*args):
        raise RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer")

    def fails():
        raise error("its own")

    monkeypatch.setattr(processes, "PartialState", TwoProcesses)
    monkeypatch.setattr(torch.distributed, "new_group", lambda **options: None)
    monkeypatch.setattr(torch.distributed, "broadcast_object_list", gone)
    monkeypatch.setattr(torch.distributed, "all_reduce", gone)
    with pytest.raises(error, match="its own"):
        processes.main_process_alone(fails)
    with pytest.raises(processes.OtherProcessFailed, match="Another process of this training has ended"):
        processes.main_process_alone(lambda: None)
    with pytest.raises(error, match="its own"), processes.errors_of_all():
        fails()
