"""What the settings of a training run promise: each test fails when the promise is taken out of the code."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from mvmlm.datasets.case import Case, FindingBox, Image
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.write import write_view
from mvmlm.model.network import MVMLM
from mvmlm.pretraining.batches import VIEW_DROPOUT, make_batch
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, cache_cases, to_cached_exam
from mvmlm.pretraining.optimizer import freeze_stages
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.step import add_gradients, embed
from mvmlm.pretraining.train import pretrain
from mvmlm.report.findings import ExamFindings, Finding, Findings
from tests.test_pretrain import LABELS, SMALL, objective, record

pytestmark = pytest.mark.usefixtures("one_thread")
R, L = Laterality


@pytest.fixture(scope="module")
def cache(phantom, tmp_path_factory):
    """Eight exams; the odd ones have a mass on the right and the even ones none."""
    views, present, _ = to_cached_exam(phantom.exam, SMALL)
    other = Labels({R: Findings("D", birads="1"), L: Findings("D", birads="1")}, {R: {"mass": 0}}, {"density": 3}, None)
    folder = tmp_path_factory.mktemp("cache")
    with ExamCacheWriter(folder, SMALL) as writer:
        for index in range(8):
            pixels = np.roll(views, 3 * index, axis=1)
            writer.add(f"exam {index}", pixels // (1 + index % 2), present, LABELS if index % 2 else other)
    return ExamCache(folder)


def train(cache, folder, schedule, seed=3, **changes):
    """Train a small model and return it; `changes` are of the schedule."""
    schedule = replace(schedule, seed=seed, **changes)
    return pretrain(record(), lambda model: None, cache, folder, schedule, lambda line: None)


SHORT = Schedule(seed=3, epochs=2, exams_per_batch=4, frozen_stages=0, warmup_steps=1, ema=0.0)


def test_the_returned_weights_are_the_average_and_the_average_follows_the_training(cache, tmp_path):
    without = train(cache, tmp_path / "a", SHORT)
    saved = torch.load(tmp_path / "a" / "checkpoint.pt", weights_only=True)
    for name, value in without.state_dict().items():  # with a decay of 0 the average is the last state
        assert torch.equal(value, saved["model"][name]), name
    slow = train(cache, tmp_path / "b", SHORT, ema=0.9999, epochs=4)
    saved = torch.load(tmp_path / "b" / "checkpoint.pt", weights_only=True)["model"]
    torch.manual_seed(3)
    start = MVMLM(record()).state_dict()
    name = "view_projection.weight" if "view_projection.weight" in start else next(iter(start))
    moved, whole = (slow.state_dict()[name] - start[name]).norm(), (saved[name] - start[name]).norm()
    assert 0 < moved < whole


def test_training_lowers_the_loss_and_its_average_follows(cache, tmp_path):
    torch.manual_seed(3)
    start = MVMLM(record()).eval()
    batch = make_batch(cache, range(8), start.record.tasks, None)
    trained = train(cache, tmp_path, SHORT, epochs=8, ema=0.9, other_lr=3e-3, image_lr=3e-3).eval()
    with torch.no_grad():
        before, after = (float(sum(objective(model, batch).values())) for model in (start, trained))
    assert after < 0.8 * before
    assert all(not torch.isnan(buffer.float()).any() for buffer in trained.buffers()), "the attention mask has -inf"


def test_the_learning_rate_warms_up_and_falls_for_each_group_from_its_own_peak(cache, tmp_path, monkeypatch):
    seen, step = [], torch.optim.AdamW.step

    def recorded(self, *args, **kwargs):
        seen.append([group["lr"] for group in self.param_groups])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    train(cache, tmp_path, SHORT, epochs=6, warmup_steps=4, image_lr=1e-4, other_lr=2e-4)
    rates = np.array(seen)
    assert np.allclose(rates[:, 1], 2 * rates[:, 0]) and len(rates) == 12
    assert np.allclose(rates[:4, 0], [0.25e-4, 0.5e-4, 0.75e-4, 1e-4])
    assert (np.diff(rates[4:, 0]) < 0).all() and rates[-1, 0] < 0.05 * 1e-4


def test_gradients_are_clipped_before_the_step(cache, tmp_path, monkeypatch):
    norms, step = [], torch.optim.AdamW.step

    def recorded(self, *args, **kwargs):
        gradients = [p.grad.norm() for group in self.param_groups for p in group["params"] if p.grad is not None]
        norms.append(float(torch.stack(gradients).norm()))
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.AdamW, "step", recorded)
    monkeypatch.setattr("mvmlm.pretraining.train.GRADIENT_NORM", 1e-3)
    train(cache, tmp_path, SHORT)
    assert norms and max(norms) <= 1.01e-3


def test_frozen_stages_stay_as_they_were_statistics_included(cache, tmp_path):
    torch.manual_seed(3)
    start = MVMLM(record())
    trained = train(cache, tmp_path, SHORT, frozen_stages=2)
    frozen = freeze_stages(start, 2)
    kept = {id(value) for module in frozen for value in (*module.parameters(), *module.buffers())}
    assert len(kept) > 10
    after, changed = trained.state_dict(), []
    for name, value in start.state_dict(keep_vars=True).items():
        if id(value) in kept:
            assert torch.equal(value, after[name]), name
        elif not torch.equal(value, after[name]):
            changed.append(name)
    assert any(name.startswith("image_tower.trunk") for name in changed), "the other stages are trained"


def test_a_random_stem_is_never_frozen_without_a_word(cache, tmp_path):
    def with_a_start(model):
        torch.nn.init.ones_(next(model.image_tower.trunk.parameters()))

    told = {}
    for name, initialise, stages in (
        ("random", lambda model: None, 2), ("started", with_a_start, 2), ("trained", lambda model: None, 0),
    ):  # fmt: skip
        lines, schedule = [], replace(SHORT, epochs=1, frozen_stages=stages)
        pretrain(record(), initialise, cache, tmp_path / name, schedule, lines.append)
        told[name] = [line for line in lines if "random weights" in line]
    assert told["started"] == told["trained"] == []
    assert "the first 2 stages of the image trunk stay at random weights" in told["random"][0]


def test_both_wordings_of_a_report_take_part_in_the_loss(cache):
    torch.manual_seed(0)
    model = MVMLM(record()).eval()
    batch = make_batch(cache, range(4), model.record.tasks, [random.Random(index) for index in range(4)])
    reversed_second = replace(batch, wordings=(batch.wordings[0], batch.wordings[1][::-1]))
    with torch.no_grad():
        terms, other = objective(model, batch), objective(model, reversed_second)
    for name in ("image_text", "text_text", "breast_text"):
        assert terms[name] != other[name], name


def test_the_two_wordings_of_a_training_batch_differ(cache):
    batch = make_batch(cache, [1, 3, 5, 7], (), [random.Random(index) for index in range(4)])
    assert sum(a != b for a, b in zip(*batch.wordings)) >= 4


def test_a_view_is_left_out_now_and_then_in_training_and_never_in_use(cache):
    draws = 400
    left_out = 0
    for seed in range(draws):
        batch = make_batch(cache, [0], (), [random.Random(seed)])
        missing = int((~batch.present).sum())
        assert missing in (0, 1)
        left_out += missing
    assert 0.6 * VIEW_DROPOUT < left_out / draws < 1.4 * VIEW_DROPOUT
    assert make_batch(cache, range(8), (), None).present.all()


def test_boxes_of_a_data_set_reach_the_loss(phantom, tmp_path, decoder):
    name = STANDARD_VIEWS[0]
    for view_name, view in phantom.exam.views.items():
        write_view(view, tmp_path / f"{view_name}.dcm", patient_id=str(view_name))
    images = tuple(
        Image(f"{n}.dcm", n, (FindingBox("mass", 220, 150, 260, 200),) if n == name else ()) for n in STANDARD_VIEWS
    )
    case = Case("c", "p", images, ExamFindings(right=Findings("B", (Finding("mass"),))), {R: {"mass": 1}})
    with ExamCacheWriter(tmp_path / "cache", SMALL) as writer:
        assert list(cache_cases([case], tmp_path, writer, SMALL, decoder)) == []
    cached = ExamCache(tmp_path / "cache")
    (box,) = cached.labels[0].boxes
    assert (box.view, box.kind) == (0, "mass")
    torch.manual_seed(0)
    model = MVMLM(record()).eval()
    batch = make_batch(cached, [0], model.record.tasks, None)
    assert batch.boxes == ((0, box),)
    assert embed(model, batch).box_losses[0, 1] == 1 and "places" in objective(model, batch)


def test_a_step_takes_the_gradient_of_every_batch(cache):
    torch.manual_seed(0)
    model = MVMLM(record()).eval()
    first = make_batch(cache, [0, 1], model.record.tasks, None)
    add_gradients(model, first, Schedule())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.text_tower.parameters())
