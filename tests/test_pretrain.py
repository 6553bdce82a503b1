import random

import numpy as np
import pytest
import torch

from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.model import MVMLM, Preset, WeightsRecord
from mvmlm.preprocess import Preprocessing
from mvmlm.pretrain import (
    ExamArrays,
    Labels,
    LossWeights,
    Schedule,
    augment,
    exam_to_arrays,
    label_tensor,
    make_batch,
    objective,
    pretrain,
)
from mvmlm.report import Finding, Findings
from mvmlm.tasks import TASKS

R, L = Laterality
SMALL = Preprocessing(rows=96, columns=64)
LABELS = Labels(
    {R: Findings("B", (Finding("mass", "round"),), {"calcification"}, "3"), L: Findings("B", birads="1")},
    {R: {"mass": 1, "birads": 2}, L: {"mass": 0}},
    {"density": 1},
    (3.5, True),
)


@pytest.fixture(scope="module")
def arrays(phantom, tmp_path_factory):
    views, present = exam_to_arrays(phantom.exam, SMALL)
    pairs = [(np.roll(views, 3 * index, axis=1), present, LABELS) for index in range(8)]
    return ExamArrays.write(tmp_path_factory.mktemp("arrays"), pairs, SMALL)


def record():
    preset = Preset(
        16,
        {"timm_model_name": "tf_efficientnet_lite0", "image_size": [96, 64]},
        {"context_length": 32, "width": 16, "heads": 2, "layers": 1},
        {"width": 16, "heads": 2, "layers": 1},
    )
    return WeightsRecord("test", "0", preset, SMALL, tuple(task.name for task in TASKS), (320, 1125))


def test_training_and_use_give_the_model_the_same_input(phantom, arrays):
    batch = make_batch(arrays, [0], ("mass",), None)
    for index, name in enumerate(STANDARD_VIEWS):
        used = SMALL(phantom.exam.views[name]).tensor
        assert np.abs(batch.images[0, index, 0].numpy() - used).max() <= SMALL.ceiling / 255 / SMALL.std


def test_labels_survive_the_disk(arrays):
    assert arrays.labels[0] == LABELS
    assert Labels.from_json(LABELS.to_json()) == LABELS


def test_unknown_labels_are_nan():
    assert label_tensor("mass", [LABELS]).tolist() == [[1, 0]]
    assert torch.isnan(label_tensor("birads", [LABELS])[0, 1])
    assert torch.isnan(label_tensor("calcification", [LABELS])).all()
    assert label_tensor("risk", [LABELS]).tolist() == [[3.5, 1.0]]
    assert torch.isnan(label_tensor("risk", [Labels({}, {}, {}, None)])).all()


def test_augmentation_keeps_the_chest_wall_on_the_left(arrays):
    views = np.asarray(arrays.views[0])
    for seed in range(8):
        moved = augment(views, random.Random(seed))
        assert moved.shape == views.shape and moved.min() >= 0 and moved.max() <= 255
        for before, after in zip(views, moved):
            assert after[:, :16].sum() > after[:, -16:].sum()
            assert 0.7 < (after > 1).sum() / (before > 1).sum() < 1.4


def test_every_term_has_a_gradient_and_a_weight(arrays):
    torch.manual_seed(0)
    model = MVMLM(record())
    batch = make_batch(arrays, [0, 1, 2], model.record.tasks, None)
    terms = objective(model, batch, LossWeights())
    assert {"image_text", "breast_text", "image_image", "text_text", "label mass", "label risk"} <= set(terms)
    without = objective(model, batch, LossWeights(image_image=0.0))
    assert without["image_image"].item() == 0 and terms["image_image"].item() > 0
    sum(terms.values()).backward()
    for part in ("image_tower", "text_tower", "fusion", "view_projection", "breast_projection"):
        grads = [p.grad for n, p in model.named_parameters() if n.startswith(part) and p.grad is not None]
        assert any(g.abs().sum() > 0 for g in grads), part


def test_training_stopped_and_resumed_ends_where_one_run_ends(arrays, tmp_path, monkeypatch):
    import mvmlm.pretrain as module

    monkeypatch.setattr(module, "CHECKPOINT_STEPS", 2)
    schedule = Schedule(epochs=2, exams_per_batch=2, frozen_stages=0, warmup_steps=2)

    def run(folder, stop_after=None):
        folder.mkdir(exist_ok=True)
        seen = []

        def log(line):
            seen.append(line)

        steps = []
        real = module.make_batch

        def counted(*args):
            steps.append(1)
            if stop_after and len(steps) > stop_after:
                raise KeyboardInterrupt
            return real(*args)

        monkeypatch.setattr(module, "make_batch", counted)
        try:
            return pretrain(record(), lambda model: None, arrays, folder, schedule, LossWeights(), 3, log)
        finally:
            monkeypatch.setattr(module, "make_batch", real)

    whole = run(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "broken", stop_after=4)
    resumed = run(tmp_path / "broken")
    for (name, ours), theirs in zip(resumed.state_dict().items(), whole.state_dict().values()):
        assert torch.allclose(ours.float(), theirs.float(), atol=1e-5), name
