import json
import random

import numpy as np
import pytest
import torch

from mvmlm.arrays import ArrayWriter, ExamArrays, Labels, augment, cache_cases, exam_to_arrays
from mvmlm.datasets import Case, Image, Refused
from mvmlm.dicom_write import write_view
from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.model import MVMLM, Preset, WeightsRecord
from mvmlm.preprocess import Preprocessing
from mvmlm.pretrain import LossWeights, Schedule, label_tensor, make_batch, objective, pretrain
from mvmlm.report import ExamFindings, Finding, Findings
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
    folder = tmp_path_factory.mktemp("arrays")
    with ArrayWriter(folder, SMALL) as writer:
        for index in range(8):
            writer.add(f"exam {index}", np.roll(views, 3 * index, axis=1), present, LABELS)
    return ExamArrays(folder)


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
    assert Labels.from_json(json.loads(json.dumps(LABELS.to_json()))) == LABELS
    assert arrays.damaged() == []


def test_a_stop_at_any_byte_leaves_arrays_that_go_on(arrays, tmp_path):
    whole = (arrays.folder / "index.jsonl").read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        for name in ("arrays.json", "views.u8"):
            (folder / name).write_bytes((arrays.folder / name).read_bytes() + (b"half" if name == "views.u8" else b""))
        (folder / "index.jsonl").write_bytes(whole[:cut])
        with ArrayWriter(folder, SMALL) as writer:
            for index in range(8):
                if f"exam {index}" not in writer.done:
                    writer.add(f"exam {index}", arrays.views(index), arrays.present[index], LABELS)
        again = ExamArrays(folder)
        assert again.names == arrays.names and again.damaged() == []
        assert all((again.views(i) == arrays.views(i)).all() for i in range(8))
    with pytest.raises(ValueError, match="another preprocessing"):
        ArrayWriter(tmp_path / "0", Preprocessing())


def test_damaged_bytes_are_named(arrays, tmp_path):
    for name in ("arrays.json", "index.jsonl"):
        (tmp_path / name).write_bytes((arrays.folder / name).read_bytes())
    data = bytearray((arrays.folder / "views.u8").read_bytes())
    data[-1] ^= 1
    (tmp_path / "views.u8").write_bytes(data)
    assert ExamArrays(tmp_path).damaged() == ["exam 7"]


def test_a_data_sets_cases_become_arrays_and_the_rest_is_said(phantom, tmp_path, decoder):
    for name, view in phantom.exam.views.items():
        write_view(view, tmp_path / f"{name}.dcm", patient_id=str(name))
    images = tuple(Image(f"{name}.dcm", name) for name in STANDARD_VIEWS)
    findings = ExamFindings(right=LABELS.findings[R])
    cases = [
        Case("whole", "p1", images, findings, LABELS.breast, split="test"),
        Case("lacking", "p2", (Image("gone.dcm", None),), findings),
        Refused("row 7", "no reason at all"),
    ]
    with ArrayWriter(tmp_path / "cache", SMALL) as writer:
        said = list(cache_cases(cases, tmp_path, writer, SMALL, decoder))
        assert list(cache_cases(cases[:1], tmp_path, writer, SMALL, decoder)) == [] and writer.done == {"whole"}
    assert said == ["lacking: 1 missing file(s), first gone.dcm", "row 7: no reason at all"]
    cached = ExamArrays(tmp_path / "cache", split="test")
    assert len(cached) == 1 and len(ExamArrays(tmp_path / "cache", split="train")) == 0
    assert (cached.views(0) == exam_to_arrays(phantom.exam, SMALL)[0]).all() and cached.present.all()


def test_a_breast_of_which_nothing_is_told_has_no_text(arrays, monkeypatch):
    torch.manual_seed(0)
    model = MVMLM(record())
    monkeypatch.setattr(arrays, "labels", [Labels({R: Findings("B")}, {}, {}, None)] * 8)
    batch = make_batch(arrays, [0, 1], model.record.tasks, None)
    terms = objective(model, batch, LossWeights())
    assert all(torch.isfinite(value) for value in terms.values())
    monkeypatch.setattr(arrays, "labels", [Labels({}, {}, {}, None)] * 8)
    terms = objective(model, make_batch(arrays, [0, 1], model.record.tasks, None), LossWeights())
    assert "image_text" not in terms and torch.isfinite(sum(terms.values()))


def test_unknown_labels_are_nan():
    assert label_tensor("mass", [LABELS]).tolist() == [[1, 0]]
    assert torch.isnan(label_tensor("birads", [LABELS])[0, 1])
    assert torch.isnan(label_tensor("calcification", [LABELS])).all()
    assert label_tensor("risk", [LABELS]).tolist() == [[3.5, 1.0]]
    assert torch.isnan(label_tensor("risk", [Labels({}, {}, {}, None)])).all()


def test_augmentation_keeps_the_chest_wall_on_the_left(arrays):
    views = arrays.views(0)
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
