import copy
import json
import os
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import timm
import torch

from mvmlm.datasets.case import Case, FindingBox, Image, SkippedRow
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.imaging.write import write_view
from mvmlm.model.network import MVMLM
from mvmlm.model.objective import LossWeights, mv_clip
from mvmlm.pretraining.augmentation import augment
from mvmlm.pretraining.averaging import moving_average
from mvmlm.pretraining.batches import epoch_order, label_tensor, make_batch
from mvmlm.pretraining.cpu_depthwise import use_fp32_weight_gradients
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, ModelBox, cache_cases, to_cached_exam
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.step import add_gradients, embed
from mvmlm.pretraining.train import pretrain
from mvmlm.report.findings import ExamFindings, Finding, Findings
from mvmlm.tasks import TASKS
from tests.conftest import ROOT
from tests.pretraining_models import (
    SMALL,
    batch_of_share,
    deterministic_model,
    global_gradients,
    gradients,
    record,
    train_in_float64,
)

pytestmark = pytest.mark.usefixtures("one_thread")
R, L = Laterality
LABELS = Labels(
    {R: Findings("B", (Finding("mass", "round"),), {"calcification"}, "3"), L: Findings("B", birads="1")},
    {R: {"mass": 1, "birads": 2}, L: {"mass": 0}},
    {"density": 1},
    (3.5, True),
    (ModelBox(0, "mass", 10.0, 30.0, 20.0, 42.0),),
)


@pytest.fixture(scope="module")
def cache(phantom, tmp_path_factory):
    views, present, _ = to_cached_exam(phantom.exam, SMALL)
    folder = tmp_path_factory.mktemp("cache")
    with ExamCacheWriter(folder, SMALL) as writer:
        for index in range(8):
            writer.add(f"exam {index}", np.roll(views, 3 * index, axis=1), present, LABELS)
    return ExamCache(folder)


def test_training_and_inference_give_the_model_the_same_input(phantom, cache):
    batch = make_batch(cache, [0], ("mass",), None)
    for index, name in enumerate(STANDARD_VIEWS):
        used = SMALL(phantom.exam.views[name]).tensor
        assert np.abs(batch.images[0, index, 0].numpy() - used).max() <= SMALL.ceiling / 255 / SMALL.std


def test_labels_are_read_from_disk_as_they_were_written(cache):
    assert cache.labels[0] == LABELS
    assert Labels.from_json(json.loads(json.dumps(LABELS.to_json()))) == LABELS
    assert cache.damaged() == []


def test_a_cache_interrupted_at_any_byte_is_completed(cache, tmp_path):
    whole = (cache.folder / "index.jsonl").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        for name in ("arrays.json", "views.u8"):
            (folder / name).write_bytes((cache.folder / name).read_bytes() + (b"half" if name == "views.u8" else b""))
        (folder / "index.jsonl").write_bytes(whole[:cut])
        with ExamCacheWriter(folder, SMALL) as writer:
            for index in range(8):
                if f"exam {index}" not in writer.done:
                    writer.add(f"exam {index}", cache.views(index), cache.present[index], LABELS)
        again = ExamCache(folder)
        assert again.names == cache.names and again.damaged() == []
        assert all((again.views(i) == cache.views(i)).all() for i in range(8))
    with pytest.raises(ValueError, match="another preprocessing"):
        ExamCacheWriter(tmp_path / "0", Preprocessing())


def test_damaged_bytes_are_named(cache, tmp_path):
    for name in ("arrays.json", "index.jsonl"):
        (tmp_path / name).write_bytes((cache.folder / name).read_bytes())
    data = bytearray((cache.folder / "views.u8").read_bytes())
    data[-1] ^= 1
    (tmp_path / "views.u8").write_bytes(data)
    assert ExamCache(tmp_path).damaged() == ["exam 7"]


def test_cases_of_a_data_set_are_cached_and_the_others_get_a_reason(phantom, tmp_path, decoder):
    for name, view in phantom.exam.views.items():
        write_view(view, tmp_path / f"{name}.dcm", patient_id=str(name))
    images = tuple(Image(f"{name}.dcm", name) for name in STANDARD_VIEWS)
    findings = ExamFindings(right=LABELS.findings[R])
    cases = [
        Case("whole", "p1", images, findings, LABELS.breast, split="test"),
        Case("lacking", "p2", (Image("gone.dcm", None),), findings),
        SkippedRow("row 7", "no image"),
    ]
    with ExamCacheWriter(tmp_path / "cache", SMALL) as writer:
        reasons = list(cache_cases(cases, tmp_path, writer, SMALL, decoder))
        assert list(cache_cases(cases[:1], tmp_path, writer, SMALL, decoder)) == [] and writer.done == {"whole"}
    assert reasons == ["lacking: 1 missing file(s), first gone.dcm", "row 7: no image"]
    cached = ExamCache(tmp_path / "cache", split="test")
    assert len(cached) == 1 and len(ExamCache(tmp_path / "cache", split="train")) == 0
    assert (cached.views(0) == to_cached_exam(phantom.exam, SMALL)[0]).all() and cached.present.all()


def objective(model, batch, weights=LossWeights()):
    return mv_clip(embed(model, batch), model.logit_scale.exp(), weights)


def test_a_breast_without_a_report_has_no_text_terms(cache, monkeypatch):
    torch.manual_seed(0)
    model = MVMLM(record())
    monkeypatch.setattr(cache, "labels", [Labels({R: Findings("B")}, {}, {}, None)] * 8)
    batch = make_batch(cache, [0, 1], model.record.tasks, None)
    terms = objective(model, batch)
    assert all(torch.isfinite(value) for value in terms.values())
    monkeypatch.setattr(cache, "labels", [Labels({}, {}, {}, None)] * 8)
    terms = objective(model, make_batch(cache, [0, 1], model.record.tasks, None))
    assert "image_text" not in terms and torch.isfinite(sum(terms.values()))


def test_a_model_learns_from_a_table_without_any_yes_or_no_answer(cache):
    """MammosighTR teaches the density and the BI-RADS category only, so that no finding has an evidence map."""
    model = MVMLM(replace(record(), tasks=("birads", "density")))
    terms = objective(model, make_batch(cache, [0, 1, 2], model.record.tasks, None))
    assert {"label birads", "label density"} <= set(terms)
    sum(terms.values()).backward()
    assert all(torch.isfinite(value) for value in terms.values())


def test_unknown_labels_are_nan():
    assert label_tensor("mass", [LABELS]).tolist() == [[1, 0]]
    assert torch.isnan(label_tensor("birads", [LABELS])[0, 1])
    assert torch.isnan(label_tensor("calcification", [LABELS])).all()
    assert label_tensor("risk", [LABELS]).tolist() == [[3.5, 1.0]]
    assert torch.isnan(label_tensor("risk", [Labels({}, {}, {}, None)])).all()


def test_augmentation_keeps_the_chest_wall_on_the_left(cache):
    views = cache.views(0)
    for seed in range(8):
        moved, _ = augment(views, (), random.Random(seed))
        assert moved.shape == views.shape and moved.min() >= 0 and moved.max() <= 255
        for before, after in zip(views, moved):
            assert after[:, :16].sum() > after[:, -16:].sum()
            assert 0.7 < (after > 1).sum() / (before > 1).sum() < 1.4


def test_every_term_has_a_gradient_and_a_weight(cache):
    torch.manual_seed(0)
    model = MVMLM(record())
    batch = make_batch(cache, [0, 1, 2], model.record.tasks, None)
    terms = objective(model, batch)
    assert {"image_text", "breast_text", "image_image", "text_text", "places", "label mass", "label risk"} <= set(terms)
    without = objective(model, batch, LossWeights(image_image=0.0))
    assert without["image_image"].item() == 0 and terms["image_image"].item() > 0
    sum(terms.values()).backward()
    for part in ("image_tower", "text_tower", "fusion", "view_projection", "breast_projection"):
        grads = [p.grad for n, p in model.named_parameters() if n.startswith(part) and p.grad is not None]
        assert any(g.abs().sum() > 0 for g in grads), part


def test_a_box_moves_with_its_tissue(cache):
    views = np.zeros_like(cache.views(0))
    views[1, 40:56, 20:32] = 255
    for seed in range(8):
        moved, boxes = augment(views, (ModelBox(1, "mass", 20, 40, 32, 56),), random.Random(seed))
        rows, columns = np.nonzero(moved[1] > 100)
        (box,) = boxes
        assert (
            abs((box.left + box.right) / 2 - columns.mean() - 0.5) < 2
            and abs((box.top + box.bottom) / 2 - rows.mean() - 0.5) < 2
        )


def test_boxes_of_a_table_are_moved_to_model_pixels(phantom):
    name = STANDARD_VIEWS[0]  # R_CC, whose chest wall is on the right
    view = phantom.exam.views[name]
    geometry = SMALL(view).geometry
    box = FindingBox("mass", 220, 150, 260, 200)
    _, _, (moved,) = to_cached_exam(phantom.exam, SMALL, {name: (box,)})
    corners = geometry.to_source(np.array([[moved.left, moved.top], [moved.right, moved.bottom]]) - 0.5) + 0.5
    assert moved.view == 0 and moved.left < moved.right
    assert np.allclose(np.sort(corners[:, 0]), [220, 260], atol=0.2) and np.allclose(
        np.sort(corners[:, 1]), [150, 200], atol=0.2
    )


def test_balanced_order_draws_rare_findings_more_often_and_plain_order_takes_each_exam_once():
    common, rare = (Labels({}, {R: {"mass": value}}, {}, None) for value in (0, 1))
    labels = [rare] * 10 + [common] * 190
    plain = epoch_order(labels, (1, 0), 0)
    assert sorted(plain) == list(range(200))
    shares = [np.mean(epoch_order(labels, (1, epoch), 0.5) < 10) for epoch in range(20)]
    assert 0.12 < np.mean(shares) < 0.25
    assert (epoch_order(labels, (1, 3), 0.5) == epoch_order(labels, (1, 3), 0.5)).all()


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_gradient_caching_gives_the_gradients_of_the_whole_batch(cache, at_once):
    draws = [random.Random(index) for index in range(4)]
    batch = make_batch(cache, [0, 1, 2, 3], [task.name for task in TASKS], draws)
    whole, cached = deterministic_model(), deterministic_model()
    expected = add_gradients(whole, batch, Schedule())
    terms = add_gradients(cached, batch, Schedule(exams_at_once=at_once))
    assert terms == pytest.approx(expected, abs=1e-10)
    for name, gradient in gradients(whole).items():
        assert torch.allclose(gradient, gradients(cached)[name], rtol=1e-8, atol=1e-10), name


def test_gradient_caching_replays_the_dropout_of_its_first_pass(cache):
    batch = make_batch(cache, [0, 1, 2, 3], [task.name for task in TASKS], None)
    model = deterministic_model()
    model.fusion.train()
    seen = []
    model.fusion.register_forward_hook(lambda module, args, out: seen.append(out.exam.detach().clone()))
    torch.manual_seed(5)
    add_gradients(model, batch, Schedule(exams_at_once=2))
    assert len(seen) == 4 and torch.equal(seen[0], seen[2]) and torch.equal(seen[1], seen[3])


@pytest.fixture(scope="module")
def run_processes(cache):
    """Runs of tests/pretraining_processes.py, all forked by one process, which imports torch once."""
    if not hasattr(os, "fork"):
        pytest.skip("this system cannot fork a process")

    def run(what, out):
        forking.stdin.write(json.dumps([what, str(cache.folder), str(out)]) + "\n")
        forking.stdin.flush()
        assert forking.stdout.readline() == "0\n", (out / "said.txt").read_text(encoding="utf-8")[-2000:]

    command = [sys.executable, "-m", "tests.pretraining_processes"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forking:
        yield run


@pytest.fixture(scope="module")
def two_processes(run_processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    run_processes("two", folder)
    return folder


@pytest.mark.parametrize("way", ["whole", "cached"])
def test_two_processes_give_the_loss_and_gradients_of_one(cache, two_processes, way):
    terms, one = global_gradients(deterministic_model(), batch_of_share(cache, range(4)), None if way == "whole" else 1)
    again, two = torch.load(two_processes / f"{way}.pt", weights_only=True)
    assert again == pytest.approx(terms, abs=1e-10)
    assert {name for name, value in one.items() if value.abs().sum() > 0} <= set(two)
    for name, gradient in one.items():
        assert torch.allclose(gradient, two[name], rtol=1e-8, atol=1e-10), name


def test_batches_whose_gradients_are_added_make_one_step(cache, tmp_path):
    schedule = Schedule(seed=3, epochs=1, exams_per_batch=2, batches_per_step=2, frozen_stages=0, warmup_steps=1)
    pretrain(record(), lambda model: None, cache, tmp_path, schedule, lambda line: None)
    assert len((tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_two_processes_with_gradient_caching_train_as_one_without(cache, two_processes, tmp_path):
    train_in_float64(cache, tmp_path)
    (steps, losses), (steps_of_two, losses_of_two) = curve(tmp_path), curve(two_processes / "trained")
    assert steps == steps_of_two == [1, 2, 3, 4]
    assert losses_of_two == pytest.approx(losses, abs=1e-9)
    one, two = (
        torch.load(folder / "checkpoint.pt", weights_only=True) for folder in (tmp_path, two_processes / "trained")
    )
    for name, value in one["average"].items():
        assert torch.allclose(value, two["average"][name], rtol=1e-6, atol=1e-8), name


def curve(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["step"] for line in lines], [line["loss"] for line in lines]


def test_killed_at_any_moment_training_resumes_to_the_same_loss_curve(run_processes, tmp_path):
    run_processes("resume", tmp_path)
    steps, losses = curve(tmp_path / "whole")
    assert steps == list(range(1, 9))
    first, second = json.loads((tmp_path / "killed_at.json").read_text(encoding="utf-8"))
    assert (first, second) == (3, 6), "between two checkpoints, and inside one"
    again, losses_again = curve(tmp_path / "broken")
    assert again == steps and losses_again == losses
    assert (tmp_path / "whole" / "checkpoint.pt").read_bytes() == (tmp_path / "broken" / "checkpoint.pt").read_bytes()


def test_two_processes_stopped_and_killed_resume_to_the_same_files(run_processes, tmp_path):
    run_processes("resume_two", tmp_path)
    told = [(tmp_path / f"stopped {rank}.txt").read_text(encoding="utf-8") for rank in (0, 1)]
    assert told[0] == told[1] and told[0].startswith("SIGTERM stopped the training after step 3 of 8")
    assert curve(tmp_path / "broken") == curve(tmp_path / "whole")
    assert (tmp_path / "whole" / "checkpoint.pt").read_bytes() == (tmp_path / "broken" / "checkpoint.pt").read_bytes()


def test_what_one_of_two_processes_finds_wrong_ends_both_with_one_sentence_and_one_status(run_processes, tmp_path):
    run_processes("refused", tmp_path)
    said = {
        "locked": (0, "work: another run works in this folder. Wait for its end, or give another", 1),
        "no exam": (0, "gone.png", 2),
        "full": (0, "the disk is full Options: --work.", 1),
        "damaged": (1, "exam 3: damaged", 1),
        "forward of 0": (0, "out of memory", 1),
        "forward of 1": (1, "out of memory", 1),
        "killed": (0, "Another process of this training has ended", 1),
    }
    on_the_data = ("a: 1 missing file", "columns and files that", "breasts with nothing to report", "To see all of it")
    for what, (teller, words, status) in said.items():
        files = [tmp_path / f"{what} {rank}.txt" for rank in ((0, 1) if what != "killed" else (0,))]
        for rank, lines in enumerate(file.read_text(encoding="utf-8").splitlines() for file in files):
            told = [line for line in lines[:-1] if not line.startswith(on_the_data)]
            assert lines[-1] == str(status) and len(told) == (rank == teller), (what, lines)
            assert all(words in line for line in told), (what, lines)


def test_a_loss_that_is_not_finite_stops_and_leaves_the_last_good_checkpoint(cache, tmp_path, monkeypatch):
    import mvmlm.pretraining.step as module

    schedule = Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0, warmup_steps=2, checkpoint_steps=1)
    real, done = module.mv_clip, []

    def poisoned(*args):
        done.append(1)
        terms = real(*args)
        return {name: value * float("nan") for name, value in terms.items()} if len(done) == 4 else terms

    monkeypatch.setattr(module, "mv_clip", poisoned)
    with pytest.raises(FloatingPointError, match="last good state"):
        pretrain(record(), lambda model: None, cache, tmp_path, schedule, lambda line: None)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["step"] == 3 and all(torch.isfinite(value.float()).all() for value in saved["model"].values())


@pytest.mark.parametrize("way", [{"bf16": True}, {"recompute": True}])
def test_ways_to_save_time_and_memory_still_train(cache, tmp_path, way):
    schedule = Schedule(seed=3, epochs=1, exams_per_batch=4, frozen_stages=0, warmup_steps=1, **way)
    model = pretrain(record(), lambda model: None, cache, tmp_path, schedule, lambda line: None)
    assert all(torch.isfinite(value.float()).all() for value in model.state_dict().values())


@pytest.mark.parametrize("bf16", [False, True])
def test_fp32_weight_gradients_leave_outputs_and_gradients_unchanged(bf16):
    torch.manual_seed(0)
    trunk = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(-2, -1), in_chans=1).train()
    quick = copy.deepcopy(trunk)
    use_fp32_weight_gradients(quick)
    pictures = torch.randn(2, 1, 96, 64)
    results = []
    for model in (trunk, quick):
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            fine, coarse = model(pictures)
        (fine.float().square().mean() + coarse.float().square().mean()).backward()
        results.append([fine.detach().float(), *(p.grad for p in model.parameters())])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).norm() <= (0.1 if bf16 else 1e-4) * theirs.norm() + 1e-6


def test_the_moving_average_starts_from_the_initial_weights_and_warms_up():
    """The average of 0.4.0, in plain arithmetic: decay min(ema, n / (n + 20)) at update n, buffers included."""
    model = deterministic_model().float()
    average = moving_average(model, 0.99)
    expected = {name: value.clone() for name, value in model.state_dict().items()}
    for step in (1, 2, 3):
        with torch.no_grad():
            for value in model.state_dict().values():
                value.add_(1)
        average.update_parameters(model)
        decay = min(0.99, step / (step + 20))
        for name, value in model.state_dict().items():
            old = expected[name]
            expected[name] = decay * old + (1 - decay) * value if value.dtype.is_floating_point else value.clone()
    assert average.module.state_dict().keys() == expected.keys()
    for name, value in average.module.state_dict().items():
        assert torch.allclose(value, expected[name], rtol=1e-5), name


def test_a_model_with_a_hub_text_tower_has_a_moving_average():
    words = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "mass")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text = {"hub_model": "none", "context_length": 8, "config": {"vocab_size": len(words), **sizes}}
    hub_record = replace(record(), preset=replace(record().preset, text_cfg=text), vocabulary=words)
    model = MVMLM(hub_record).eval()
    average = moving_average(model, 0.99)
    average.update_parameters(model)
    with torch.inference_mode():
        assert torch.allclose(average.module.embed_texts(["mass"]), model.embed_texts(["mass"]), atol=1e-5)


def test_a_checkpoint_of_0_4_0_resumes(cache, tmp_path):
    """Its keys: model, average (plain names, no counter), optimiser, step, usual."""
    schedule = Schedule(seed=3, epochs=1, exams_per_batch=4, frozen_stages=0, warmup_steps=1)
    old, start = MVMLM(record()), lambda model: None
    groups = [list(old.image_tower.trunk.parameters())]
    groups.append([p for name, p in old.named_parameters() if not name.startswith("image_tower.trunk")])
    optimiser = torch.optim.AdamW([{"params": group, "peak": 1e-3} for group in groups], lr=1e-3)
    for parameter in old.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    average = {name: torch.full_like(value, 2) for name, value in old.state_dict().items()}
    saved = {
        "model": old.state_dict(),
        "average": average,
        "optimiser": optimiser.state_dict(),
        "step": 2,
        "usual": 9.0,
    }
    torch.save(saved, tmp_path / "checkpoint.pt")
    lines = []
    model = pretrain(record(), start, cache, tmp_path, schedule, lines.append)
    assert lines[0] == "resumed at step 2 of 2"
    assert all((value == 2).all() for name, value in model.state_dict().items() if value.numel())
