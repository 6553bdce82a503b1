"""Maps: equal to captum's, in DICOM pixels, zero outside the breast."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from captum.attr import LayerGradientXActivation
from torch import nn

from mvmlm.exam import STANDARD_VIEWS, Exam
from mvmlm.inference.explain import all_targets, leading_targets, raw_maps, source_maps
from mvmlm.inference.prediction import Target
from mvmlm.report.lexicon import KINDS
from tests.conftest import half_turn


class TargetLogit(nn.Module):
    """The model as captum needs it: images in, one logit of a target out."""

    def __init__(self, predictor, encoding):
        super().__init__()
        self.predictor, self.encoding = predictor, encoding
        self.map = predictor.model.image_tower.map

    def forward(self, images, task, side, index):
        model = self.predictor.model
        features, inside = model.image_tower(images, model.black)
        pooled = model.image_tower.pool(features, inside)
        if task in KINDS:
            at = model.image_tower.map_features + model.image_tower.finding_tasks.index(task)
            mine = [
                i for i, name in enumerate(self.encoding.names) if side == (0 if name.laterality.value == "R" else 1)
            ]
            return torch.nn.functional.softplus(pooled[mine, at]).sum().view(1)
        fused = self.predictor.fuse(pooled, self.encoding.names)
        logits = model.answer(fused)[task]
        return logits[:, side, index] if side is not None else logits[:, index]


@pytest.mark.parametrize(
    ("task", "class_"),
    [("mass", "present"), ("malignancy", "present"), ("density", "C"), ("risk", "5"), ("birads", "4")],
)
def test_maps_equal_those_of_captum(predictor, prediction, task, class_):
    encoding = prediction.encoding
    ours = raw_maps(predictor, encoding, [Target("calcification", "present"), Target(task, class_)])[
        Target(task, class_)
    ]
    model = predictor.model
    images = torch.stack([torch.from_numpy(encoding.inputs[name].tensor) for name in encoding.names]).unsqueeze(1)
    wrapped = TargetLogit(predictor, encoding)
    cam = LayerGradientXActivation(wrapped, wrapped.map)
    index = model.heads[task].task.classes.index(class_)
    strongest = difference = 0.0
    for view, name in enumerate(encoding.names):
        side = None if task in ("density", "risk") else (0 if name.laterality.value == "R" else 1)
        theirs = cam.attribute(images, additional_forward_args=(task, side, index))
        theirs = torch.relu(theirs.sum(1))[view].detach()
        strongest = max(strongest, theirs.max().item())
        difference = max(difference, (ours[view] - theirs).abs().max().item())
    assert strongest > 1e-4, "an empty map would equal anything"
    assert difference < 1e-6 and difference / strongest < 1e-4


def test_the_map_of_a_prompt_equals_that_of_captum(predictor, prediction):
    encoding = prediction.encoding
    direction = predictor.embed_text("spiculated mass").clone()
    images = torch.stack([torch.from_numpy(encoding.inputs[name].tensor) for name in encoding.names]).unsqueeze(1)

    class Similarity(TargetLogit):
        def forward(self, images):
            model = self.predictor.model
            return model.embed_views(model.image_tower.pool(*model.feature_maps(images))) @ direction

    wrapped = Similarity(predictor, encoding)
    theirs = torch.relu(LayerGradientXActivation(wrapped, wrapped.map).attribute(images).sum(1))
    ours = raw_maps(predictor, encoding, [Target(None, "spiculated mass")])[Target(None, "spiculated mass")]
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_every_target_has_a_map_of_the_size_of_each_view(predictor, prediction):
    targets = all_targets(predictor)
    maps = source_maps(predictor, prediction.encoding, targets)
    assert set(maps) == set(targets)
    for by_view in maps.values():
        for name, heat in by_view.items():
            assert heat.shape == prediction.exam.views[name].pixels.shape
            assert heat.min() >= 0 and heat.max() <= 1


def test_a_map_is_zero_outside_the_breast(predictor, prediction):
    heat = source_maps(predictor, prediction.encoding, [Target("density", "C")])[Target("density", "C")]
    for name, given in prediction.encoding.inputs.items():
        breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > 0.5
        assert not heat[name][~breast].any()


def test_maps_follow_the_file_when_it_is_flipped(predictor, phantom):
    target = Target("density", "B")

    def heat(exam):
        prediction = predictor.predict(exam)
        return source_maps(predictor, prediction.encoding, [target])[target]

    flipped = {
        name: replace(view, pixels=view.pixels[::-1, ::-1].copy(), orientation=half_turn(view))
        for name, view in phantom.exam.views.items()
    }
    plain, turned = heat(phantom.exam), heat(Exam(flipped))
    for name in STANDARD_VIEWS:
        assert np.corrcoef(plain[name].ravel(), turned[name][::-1, ::-1].ravel())[0, 1] > 0.97


def test_there_is_one_leading_target_for_each_task(predictor, prediction):
    tasks = [target.task for target in leading_targets(prediction)]
    assert tasks == list(predictor.record.tasks)
    assert leading_targets(prediction)[-1] == Target("risk", "5")


def test_a_breast_without_evidence_has_a_faint_map(predictor):
    """The strongest point of a finding's map is as strong as the evidence, so a normal breast does not light up."""
    from mvmlm.phantom import phantom_exams

    target, marked, plain = Target("calcification", "present"), [], []
    for phantom in phantom_exams(12, 77, rows=640):
        encoding = predictor.predict(phantom.exam).encoding
        for name, heat in zip(encoding.names, raw_maps(predictor, encoding, [target])[target]):
            drawn = phantom.breasts[name.laterality].findings.first("calcification") is not None
            (marked if drawn else plain).append(float(heat.max()))
    assert len(marked) >= 4 and np.median(marked) > 3 * np.median(plain)
