"""Training does the same sums however a batch is spread over chunks and processes, and whichever views are there."""

import json
import math
import multiprocessing
import os
import pickle
import random
import select
import shutil
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from mvmlm.model.last_stage import LastStage, StageInputs
from mvmlm.model.network import MAX_SIMILARITY_SCALE, MVMLM
from mvmlm.pretraining.augmentation import augment
from mvmlm.pretraining.batches import BatchLoader, epoch_order, make_batch
from mvmlm.pretraining.exam_cache import DamagedExam, ExamCache, ExamCacheWriter
from mvmlm.pretraining.normalisation import measure_statistics
from mvmlm.pretraining.optimizer import freeze_stages, make_optimizer
from mvmlm.pretraining.record import fuse_exams
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.step import add_gradients, embed
from mvmlm.pretraining.train import pretrain
from mvmlm.tasks import TASKS
from tests.test_pretrain import LABELS, SMALL, gradients, record

pytestmark = pytest.mark.usefixtures("one_thread")
TASK_NAMES = [task.name for task in TASKS]


def exam_pixels(seed):
    pixels = np.random.default_rng(seed).integers(0, 200, (4, SMALL.rows, SMALL.columns), dtype=np.uint8)
    pixels[:, :, 50:] = 0
    return pixels


def write_exams(folder, missing=lambda index: ()):
    """Eight exams of noise; `missing` gives the views that an exam lacks."""
    with ExamCacheWriter(folder, SMALL) as writer:
        for index in range(8):
            pixels, present = exam_pixels(index), np.ones(4, bool)
            present[list(missing(index))] = False
            pixels[~present] = 0
            writer.add(f"exam {index}", pixels, present, LABELS)
    return ExamCache(folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Every third exam lacks a view."""
    return write_exams(tmp_path_factory.mktemp("cache"), lambda index: () if index % 3 else (index % 4,))


@pytest.fixture(scope="module")
def trained(cache):
    """A model with statistics of its own exams, in float64 and in training mode."""
    torch.manual_seed(0)
    model = MVMLM(record())
    measure_statistics(model, cache, 1)
    return model.double().train()


def training_batch(cache, exams):
    return make_batch(cache, list(exams), TASK_NAMES, [random.Random(exam) for exam in exams])


def cosine(first, second):
    flat = [torch.cat([values[name].flatten() for name in sorted(first)]) for values in (first, second)]
    return float(torch.cosine_similarity(*flat, dim=0))


def gradients_of(model, batch, exams_at_once, seed=5):
    model.zero_grad()
    torch.manual_seed(seed)
    terms = add_gradients(model, batch, Schedule(exams_at_once=exams_at_once))
    return terms, gradients(model)


@pytest.mark.parametrize("at_once", [1, 3])
def test_gradient_caching_gives_the_same_gradients_in_training_mode_with_dropout(cache, trained, at_once):
    assert trained.training and any(isinstance(m, nn.Dropout) and m.training and m.p for m in trained.modules())
    batch = training_batch(cache, range(4))
    buffers = {name: value.clone() for name, value in trained.named_buffers()}
    terms, whole = gradients_of(trained, batch, None)
    cached_terms, cached = gradients_of(trained, batch, at_once)
    assert cached_terms == pytest.approx(terms, abs=1e-10)
    assert cosine(whole, cached) > 1 - 1e-12
    assert all(torch.equal(value, buffers[name]) for name, value in trained.named_buffers()), "counted in a step"
    other, _ = gradients_of(trained, batch, None, seed=6)
    assert other != pytest.approx(terms, abs=1e-6), "dropout is on"


def test_dropout_anywhere_is_replayed_in_the_second_pass(cache, trained):
    batch, seen = training_batch(cache, range(4)), []
    dropout = nn.Dropout(0.5)
    hooks = [
        trained.image_tower.map.register_forward_hook(lambda module, args, out: dropout(out)),
        trained.image_tower.map.register_forward_hook(lambda module, args, out: seen.append(out.detach().clone())),
    ]
    gradients_of(trained, batch, 2)
    for hook in hooks:
        hook.remove()
    assert len(seen) == 4 and torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


def test_random_numbers_after_a_step_do_not_depend_on_the_chunks(cache, trained):
    batch, after = training_batch(cache, range(4)), []
    for at_once in (None, 1):
        gradients_of(trained, batch, at_once)
        after.append(torch.rand(3))
    assert torch.equal(*after)


def test_gradient_caching_trains_the_same_weights(cache, tmp_path):
    schedule = Schedule(seed=3, epochs=1, exams_per_batch=4, frozen_stages=0, warmup_steps=1)
    losses = []
    for at_once in (None, 1):
        lines = tmp_path / str(at_once)
        pretrain(
            record(), lambda model: None, cache, lines, replace(schedule, exams_at_once=at_once), 
            lambda line: None,
        )  # fmt: skip
        losses.append((lines / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    first, second = ([float(line.split('"loss": ')[1].split(",")[0]) for line in run] for run in losses)
    assert len(first) == 2 and second == pytest.approx(first, rel=1e-4)


def test_a_missing_view_does_not_change_the_other_exams_and_only_present_views_are_run(tmp_path):
    whole = write_exams(tmp_path / "whole")
    lacking = write_exams(tmp_path / "lacking", lambda index: (1, 2, 3) if index == 1 else ())
    torch.manual_seed(0)
    model, run = MVMLM(record()), []
    measure_statistics(model, whole, 1)
    hook = model.image_tower.register_forward_hook(lambda module, args, out: run.append(len(args[0])))
    for mode in (True, False):
        model.train(mode)
        answers = []
        for cached in (whole, lacking):
            batch = make_batch(cached, [0, 1], TASK_NAMES, None)
            with torch.no_grad():
                answers.append(embed(model, batch, seeds=[7, 8]).logits["mass"][:, :, 0])
        assert torch.allclose(answers[0][0], answers[1][0], atol=1e-5)
    fused, _ = fuse_exams(model.eval(), lacking, [1])
    assert run == [8, 5, 8, 5, 1] and torch.isfinite(fused.exam).all()
    hook.remove()


def test_what_stands_in_an_absent_slot_never_reaches_an_answer(cache, trained):
    model = trained.float().eval()
    present = torch.tensor([[True, False, False, False]])
    for rubbish in (0.0, 99.0, float("nan"), float("inf")):
        pooled = torch.full((1, 4, model.image_tower.features), rubbish)
        pooled[:, 0] = 0.5
        answer = model.answer(model.fusion(pooled, present))["mass"]
        assert torch.equal(answer, model.answer(model.fusion(pooled.nan_to_num(3, 4), present))["mass"]), rubbish
    assert torch.isfinite(answer).all()
    trained.double().train()


def test_fine_tuning_the_last_stage_runs_present_views_only(trained):
    model = trained.float().eval()
    stage, seen = LastStage(model), []
    hook = stage.blocks[0].register_forward_hook(lambda module, args, out: seen.append(len(args[0])))
    channels = model.image_tower.fine.in_channels
    fine, inside = torch.rand(2, 4, channels, 6, 4).half(), torch.ones(2, 4, 1, 6, 4)
    present = torch.tensor([[True, False, True, False], [True, True, True, True]])
    inputs = StageInputs(fine, inside, present, torch.tensor([False, False]), {"a": 0, "b": 1})
    with torch.no_grad():
        together, alone = inputs.fused(model, stage, [0, 1]), inputs.fused(model, stage, [0])
    hook.remove()
    trained.double().train()
    assert seen == [6, 2] and torch.allclose(together.exam[0], alone.exam[0], atol=1e-5)


def test_statistics_of_normalisation_are_measured_once_and_never_change_in_training(cache, tmp_path):
    seen = []
    schedule = Schedule(
        seed=3, epochs=2, exams_per_batch=4, frozen_stages=0, warmup_steps=1, ema=0.0, checkpoint_steps=1
    )

    def start(model):
        seen.append(model.image_tower.norm.running_var.clone())

    trained = pretrain(record(), start, cache, tmp_path, schedule, lambda line: None)
    torch.manual_seed(3)
    measured = MVMLM(record())
    measure_statistics(measured, cache, 3)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    assert torch.equal(saved["image_tower.norm.running_var"], trained.image_tower.norm.running_var)
    assert not torch.equal(seen[0], trained.image_tower.norm.running_var)
    for ours, first in zip(trained.image_tower.batch_norms(), measured.image_tower.batch_norms(), strict=True):
        for name in ("running_mean", "running_var"):
            assert torch.allclose(getattr(ours, name), getattr(first, name), rtol=1e-2, atol=1e-3), name


def test_measured_statistics_are_those_of_the_exams(cache):
    torch.manual_seed(0)
    model, seen = MVMLM(record()), []
    frozen = freeze_stages(model, 1)
    before = [
        layer.running_mean.clone() for module in frozen for layer in module.modules() if hasattr(layer, "momentum")
    ]
    measure_statistics(model, cache, 1)
    after = [layer.running_mean for module in frozen for layer in module.modules() if hasattr(layer, "momentum")]
    assert before and all(torch.equal(*pair) for pair in zip(before, after, strict=True)), "what is frozen stays"
    hook = model.image_tower.norm.register_forward_hook(lambda module, args, out: seen.append(args[0]))
    with torch.no_grad():
        images = training_batch(cache, range(8))
        model.train().feature_maps(images.images[images.present])
    hook.remove()
    scale = model.image_tower.norm.running_var.sqrt()
    assert ((seen[0].mean((0, 2, 3)) - model.image_tower.norm.running_mean).abs() < 0.5 * scale).all()
    assert (model.image_tower.norm.num_batches_tracked == 1).all() and not model.image_tower.norm.training


def test_the_temperature_is_limited_after_the_step_and_keeps_its_gradient(cache, tmp_path, monkeypatch):
    model = MVMLM(record())
    with torch.no_grad():
        model.logit_scale.fill_(6.0)
    model.similarity_scale.backward()
    assert model.logit_scale.grad > 0, "above the limit it can still come back"
    model.limit_similarity_scale()
    assert model.similarity_scale.item() == pytest.approx(MAX_SIMILARITY_SCALE)

    def too_sharp(model):
        model.logit_scale.data.fill_(6.0)

    schedule = Schedule(seed=3, epochs=1, exams_per_batch=8, frozen_stages=0, warmup_steps=1, ema=0.0)
    trained = pretrain(record(), too_sharp, cache, tmp_path, schedule, lambda line: None)
    assert trained.logit_scale.item() <= math.log(MAX_SIMILARITY_SCALE) + 1e-6


def test_weights_of_matrices_decay_and_norms_biases_and_the_temperature_do_not():
    model = MVMLM(record())
    decay = {
        id(parameter): group["weight_decay"]
        for group in make_optimizer(model, Schedule(weight_decay=0.02)).param_groups
        for parameter in group["params"]
    }
    assert len(decay) == len(list(model.parameters())), "each parameter is trained once"
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.02 if parameter.ndim >= 2 else 0.0), name
    assert decay[id(model.logit_scale)] == 0 and decay[id(model.image_tower.norm.weight)] == 0


def loader(cache, workers, **changes):
    return BatchLoader(cache, tuple(TASK_NAMES), 3, 4, balance=0.5, workers=workers, **changes)


def same(first, second):
    assert torch.equal(first.images, second.images) and torch.equal(first.present, second.present)
    assert first.findings == second.findings and first.wordings == second.wordings and first.boxes == second.boxes
    assert first.labels.keys() == second.labels.keys() == set(TASK_NAMES)
    for name, values in first.labels.items():
        assert torch.equal(values.nan_to_num(-1), second.labels[name].nan_to_num(-1)), name


def test_batches_are_the_same_for_any_number_of_workers_and_any_first_step(cache):
    cv2.setNumThreads(2)
    cv2.warpAffine(np.zeros((2000, 2000), np.uint8), np.eye(2, 3), (2000, 2000))  # this process has OpenCV's threads
    here = loader(cache, 0, epochs=2)
    expected = [batch for step in range(4) for batch in here.batches(step)]
    assert len({batch.images.sum().item() for batch in expected}) == 4
    for workers, first in ((1, 1), (2, 0)):
        state, elsewhere = torch.get_rng_state(), loader(cache, workers, epochs=2)
        found = [batch for step in range(first, 4) for batch in elsewhere.batches(step)]
        elsewhere.close()
        assert torch.equal(torch.get_rng_state(), state), "the loader changes no random number of the training"
        for one, other in zip(expected[first:], found, strict=True):
            same(one, other)


def test_a_batch_of_the_loader_is_that_of_its_exams_at_once(cache):
    (batch,) = loader(cache, 0).batches(1)
    order = epoch_order(cache.labels, (3, 0), 0.5)[4:].tolist()
    same(batch, make_batch(cache, order, TASK_NAMES, [random.Random(f"3-1-{position}") for position in range(4, 8)]))


def test_two_processes_load_the_halves_of_the_batch_of_one(cache):
    (whole,) = loader(cache, 0).batches(0)
    for process in range(2):
        (half,) = loader(cache, 0, process=process, processes=2).batches(0)
        same(half, whole.subset(2 * process, 2 * process + 2))


def test_the_order_is_worked_out_once_an_epoch(cache, tmp_path, monkeypatch):
    seeds = []

    def counted(labels, seed, balance):
        seeds.append(seed)
        return epoch_order(labels, seed, balance)

    monkeypatch.setattr("mvmlm.pretraining.batches.epoch_order", counted)
    each = loader(cache, 0)
    for step in range(4):
        list(each.batches(step))
    list(each.batches(3))  # again, as after a failure
    assert seeds == [(3, 0), (3, 1)]


def test_a_cache_is_sent_to_another_process_without_its_pixels(cache):
    sent = pickle.dumps(cache)
    assert len(sent) < cache.views(0).nbytes
    again = pickle.loads(sent)
    assert isinstance(again._views, np.memmap) and again.names == cache.names
    assert all((again.views(index) == cache.views(index)).all() for index in range(8))


def test_an_absent_view_stays_empty_and_changes_no_other_in_augmentation():
    pixels = exam_pixels(1)
    lacking = pixels.copy()
    lacking[2] = 0
    for seed in range(8):
        whole, part = augment(pixels, (), random.Random(seed))[0], augment(lacking, (), random.Random(seed))[0]
        assert (part[2] == 0).all() and (part[[0, 1, 3]] == whole[[0, 1, 3]]).all() and (whole[2] != 0).any()


def test_a_lost_worker_is_said_with_what_to_do(cache, tmp_path, monkeypatch):
    import mvmlm.pretraining.train as module

    real = module.add_gradients

    def without_workers(*args):
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        return real(*args)

    monkeypatch.setattr(module, "add_gradients", without_workers)
    schedule = Schedule(seed=3, epochs=2, exams_per_batch=4, frozen_stages=0)
    with pytest.raises(RuntimeError, match="A process that loads exams has ended.*or with none"):
        pretrain(record(), lambda model: None, cache, tmp_path, replace(schedule, workers=1), lambda line: None)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="this system does not tell who sent a signal")
def test_a_sigterm_to_all_processes_leaves_the_workers_to_the_training(cache):
    """So do torchrun, Slurm and systemd stop a run: its step must end, which may need exams of the workers."""
    elsewhere, expected = loader(cache, 1, epochs=2), loader(cache, 0, epochs=2)
    batches = list(elsewhere.batches(0))
    (worker,) = elsewhere._exams._workers
    sender = os.fork()
    if sender == 0:
        os.kill(worker.pid, signal.SIGTERM)
        os._exit(0)
    os.waitpid(sender, 0)
    batches += [batch for step in range(1, 4) for batch in elsewhere.batches(step)]
    for step, batch in enumerate(batches):
        same(batch, *expected.batches(step))
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 0, "the training itself can end it"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_exam_is_told_in_one_sentence_by_workers_too(cache, tmp_path, workers):
    shutil.copytree(cache.folder, tmp_path / "cache")
    pixels = np.memmap(tmp_path / "cache" / "views.u8", np.uint8, "r+")
    pixels[:] ^= 1
    pixels.flush()
    with pytest.raises(DamagedExam, match=r"\Aexam \d: its pixels in views.u8 are damaged.*again\.\Z"):
        list(loader(ExamCache(tmp_path / "cache"), workers).batches(0))


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this system cannot wait for the process of another")
def test_no_worker_outlives_a_training_that_is_killed(cache):
    reader, writer = os.pipe()
    killed = os.fork()
    if killed == 0:
        torch.utils.data._utils.worker.MP_STATUS_CHECK_INTERVAL = 600.0  # how often they look for their parent
        elsewhere = loader(cache, 2)
        batches = elsewhere.batches(0)
        next(batches)
        os.write(writer, json.dumps([worker.pid for worker in elsewhere._exams._workers]).encode())
        signal.pause()
    workers = [os.pidfd_open(pid) for pid in json.loads(os.read(reader, 1000))]
    os.kill(killed, signal.SIGKILL)
    os.waitpid(killed, 0)
    for worker in workers:
        ended, _, _ = select.select([worker], [], [], 60)
        os.close(worker)
        assert ended, "a worker goes on after its training was killed"
    assert len(workers) == 2
