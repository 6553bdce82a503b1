"""Maps: equal to captum's, on one scale for every exam, in DICOM pixels, zero outside the breast by every method."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam, LayerGradientXActivation
from torch import nn

from mvmlm.__main__ import main
from mvmlm.exam import STANDARD_VIEWS, Exam
from mvmlm.imaging.own_outputs import LABEL, has_name_of_output
from mvmlm.inference.attribution import cams, log_odds, quick_evidence, slow_evidence
from mvmlm.inference.explain import all_targets, evidence_maps, leading_targets, source_maps, to_source, write_maps
from mvmlm.inference.map_methods import DEFAULT_METHOD, FLOOR, METHODS, method_named
from mvmlm.inference.prediction import Target
from mvmlm.phantom import phantom_exams
from mvmlm.report.lexicon import KINDS
from tests.conftest import ROOT, half_turn

MASS, DENSITY = Target("mass", "present"), Target("density", "C")
CAPTUM = {"hirescam": LayerGradientXActivation, "grad-cam": LayerGradCam}


class Number(nn.Module):
    """The model as captum needs it: images in, one number of a target out, that of the view at `index`."""

    def __init__(self, predictor, encoding, target):
        super().__init__()
        self.predictor, self.encoding, self.target = predictor, encoding, target
        self.map = predictor.model.image_tower.map

    def forward(self, images, index):
        model, names = self.predictor.model, self.encoding.names
        pooled = model.image_tower.pool(*model.image_tower(images, model.black))
        if self.target.task in KINDS:
            at = model.image_tower.map_features + model.image_tower.finding_tasks.index(self.target.task)
            mine = [i for i, name in enumerate(names) if name.laterality is names[index].laterality]
            return torch.nn.functional.softplus(pooled[mine, at]).sum().view(1)
        return log_odds(self.predictor, pooled[None], self.encoding, self.target)[:, index]


def images_of(encoding):
    return torch.stack([torch.from_numpy(encoding.inputs[name].tensor) for name in encoding.names]).unsqueeze(1)


@pytest.fixture(scope="module")
def small(small_predictor):
    """The encoding of a small exam by small weights, on which slow methods are quick."""
    exam = next(iter(phantom_exams(1, 33, rows=160))).exam
    return small_predictor.encode(exam)[0]


def differs_from_captum(predictor, encoding, target, method):
    """By how much our maps of a target differ from those of captum, as a share of the strongest place."""
    ours = cams(predictor, encoding, [Target("calcification", "present"), target], method)[target]
    wrapped = Number(predictor, encoding, target)
    cam = CAPTUM[method](wrapped, wrapped.map)
    strongest = difference = 0.0
    for view in range(len(encoding.names)):
        theirs = cam.attribute(images_of(encoding), additional_forward_args=(view,))
        theirs = torch.relu(theirs.sum(1))[view].detach()
        strongest = max(strongest, theirs.max().item())
        difference = max(difference, (ours[view] - theirs).abs().max().item())
    assert strongest > 1e-4, "an empty map would equal anything"
    return difference / strongest


@pytest.mark.parametrize("method", CAPTUM)
@pytest.mark.parametrize(
    "target",
    [
        MASS,
        Target("malignancy", "present"),
        DENSITY,
        Target("risk", "5"),
        Target("birads", "4"),
        Target(None, "spiculated mass"),
        Target(None, "there is a mass | no mass"),
    ],
    ids=str,
)
def test_the_quick_maps_equal_those_of_captum(small_predictor, small, target, method):
    assert differs_from_captum(small_predictor, small, target, method) < 1e-4


@pytest.mark.parametrize("method", CAPTUM)
def test_the_quick_maps_of_the_bundled_model_equal_those_of_captum(predictor, prediction, method):
    assert differs_from_captum(predictor, prediction.encoding, MASS, method) < 1e-4


def test_every_target_has_a_map_of_the_size_of_each_view(predictor, prediction):
    targets = all_targets(predictor)
    maps = source_maps(predictor, prediction.encoding, targets)
    assert set(maps) == set(targets)
    for by_view in maps.values():
        for name, heat in by_view.items():
            assert heat.shape == prediction.exam.views[name].pixels.shape
            assert heat.min() >= 0 and heat.max() <= 1 and not ((heat > 0) & (heat < FLOOR)).any()


def outside(given):
    """The pixels of a view outside the breast of the model's input; with those on the border between both."""
    return given.geometry.map_to_source(given.breast.astype(np.float32)) < 0.999


@pytest.mark.parametrize("method", METHODS)
def test_a_map_is_zero_outside_the_breast_by_every_method_and_in_every_view(small_predictor, small, method):
    targets = [MASS, DENSITY, Target(None, "a mass")]
    evidence = evidence_maps(small_predictor, small, targets, method)
    for target in targets:
        for name in STANDARD_VIEWS:
            strong = evidence[target][name] + 3.0  # as if there were evidence everywhere
            heat = to_source(strong, small.inputs[name])
            assert heat.any() and not heat[outside(small.inputs[name])].any()
            plain = source_maps(small_predictor, small, [target], method, [name])[target]
            assert list(plain) == [name] and not plain[name][outside(small.inputs[name])].any()


@pytest.mark.parametrize("shape", ["nothing", "a corner", "a frame", "a checkerboard", "everything"])
def test_a_map_is_zero_outside_whatever_the_mask_says(small, shape):
    given = small.inputs[STANDARD_VIEWS[0]]
    rows, columns = given.breast.shape
    breast = np.zeros((rows, columns), bool)
    if shape == "a corner":
        breast[: rows // 3, : columns // 3] = True
    elif shape == "a frame":
        breast[[0, -1]] = breast[:, [0, -1]] = True
    elif shape == "a checkerboard":
        breast[np.indices(breast.shape).sum(0) // 8 % 2 == 0] = True
    elif shape == "everything":
        breast[:] = True
    masked = replace(given, breast=breast)
    heat = to_source(np.full((12, 8), 3.0, np.float32), masked)
    assert not heat[outside(masked)].any()
    left, top, right, bottom = given.geometry.crop
    beside = np.ones(heat.shape, bool)
    beside[top:bottom, left:right] = False
    assert not heat[beside].any(), "nor beside the part of the picture that the model sees"
    assert heat.any() == (shape != "nothing")


def test_a_breast_at_the_edge_of_the_picture_keeps_its_map_up_to_the_edge(small):
    for given in small.inputs.values():
        heat = to_source(np.full((12, 8), 3.0, np.float32), given)
        breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > 0.999
        wall = -1 if given.geometry.flip_columns else 0
        assert breast[:, wall].any() and np.array_equal(heat > 0, breast)


def test_maps_follow_the_file_when_it_is_flipped(predictor, phantom):
    target = MASS

    def heat(exam):
        prediction = predictor.predict(exam)
        return source_maps(predictor, prediction.encoding, [target])[target]

    flipped = {
        name: replace(view, pixels=view.pixels[::-1, ::-1].copy(), orientation=half_turn(view))
        for name, view in phantom.exam.views.items()
    }
    plain, turned = heat(phantom.exam), heat(Exam(flipped))
    filled = [name for name in STANDARD_VIEWS if plain[name].any()]
    assert filled
    for name in filled:
        assert np.corrcoef(plain[name].ravel(), turned[name][::-1, ::-1].ravel())[0, 1] > 0.97


def test_there_is_one_leading_target_for_each_task(predictor, prediction):
    tasks = [target.task for target in leading_targets(prediction)]
    assert tasks == list(predictor.record.tasks)
    assert leading_targets(prediction)[-1] == Target("risk", "5")


def test_no_place_has_more_than_the_answer_and_an_answer_without_evidence_has_an_empty_map(predictor):
    target, marked, plain = Target("calcification", "present"), [], []
    for phantom in phantom_exams(8, 77, rows=640):
        prediction = predictor.predict(phantom.exam)
        for name, heat in source_maps(predictor, prediction.encoding, [target])[target].items():
            score = prediction.probability("calcification", laterality=name.laterality)
            assert heat.max() <= score + 1e-4
            drawn = phantom.breasts[name.laterality].findings.first("calcification") is not None
            (marked if drawn else plain).append(float(heat.max()))
    assert len(marked) >= 4 and np.median(marked) > 0.2
    assert np.mean([strongest == 0 for strongest in plain]) > 0.6, "most breasts without calcifications stay clear"


@pytest.mark.parametrize("task", ["mass", "malignancy", "density", "birads"])
def test_an_exam_of_one_even_grey_has_an_empty_map_or_one_of_its_low_probability(predictor, phantom, task):
    """Nothing is stretched to full scale: a picture with nothing in it does not glow."""
    views = {}
    for name, view in phantom.exam.views.items():
        level = np.uint16(np.quantile(view.pixels, 0.9))
        views[name] = replace(view, pixels=np.minimum(view.pixels, level))
    prediction = predictor.predict(Exam(views))
    for target in [target for target in all_targets(predictor) if target.task == task]:
        for heat in source_maps(predictor, prediction.encoding, [target])[target].values():
            rows = [a.probability for a in prediction.answers if (a.task, a.class_, a.by) == (*target, "head")]
            assert heat.max() <= max(rows) + 1e-4


def answers_evidence(predictor, encoding, target):
    """The evidence (views,) in nats of the answer to which each view belongs."""
    with torch.no_grad():
        return torch.nn.functional.softplus(log_odds(predictor, encoding.views.pooled[None], encoding, target))[0]


@pytest.mark.parametrize("method", METHODS)
def test_no_place_has_more_evidence_than_the_answer_by_any_method(small_predictor, small, method):
    targets = [
        target for target in all_targets(small_predictor) if target.task not in KINDS or method_named(method).slow
    ]
    name = small.names[0]
    found = evidence_maps(small_predictor, small, targets, method, [name])
    strongest = {target: float(maps[name].max()) for target, maps in found.items()}
    assert max(strongest.values()) > 1e-5, "maps that are all empty would show nothing"
    for target, value in strongest.items():
        assert 0 <= value <= float(answers_evidence(small_predictor, small, target)[0]) + 1e-4, target


def test_integrated_gradients_of_a_weak_answer_do_not_glow(predictor, prediction, monkeypatch):
    """What raised an answer and what lowered it may each be a hundred times the answer."""
    monkeypatch.setattr("mvmlm.inference.attribution.STEPS", 8)  # the limit does not depend on how fine the sum is
    names = prediction.encoding.names[:1]
    targets = [Target("asymmetry", "present"), MASS]
    for target, maps in evidence_maps(predictor, prediction.encoding, targets, "integrated-gradients", names).items():
        limits = answers_evidence(predictor, prediction.encoding, target)
        assert all(float(maps[name].max()) <= float(limits[i]) + 1e-4 for i, name in enumerate(names)), target


def test_what_is_shared_out_is_all_of_the_evidence_of_the_answer(small_predictor, small, monkeypatch):
    inside = replace(small, views=small.views._replace(inside=torch.ones(len(small.names), 1, 48, 30)))
    cam = torch.zeros(len(small.names), 48, 30)
    cam[0, 10, 8] = cam[0, 40, 20] = 3.0
    monkeypatch.setattr("mvmlm.inference.attribution.cams", lambda *args: {DENSITY: cam.clone()})
    found = quick_evidence(small_predictor, inside, [DENSITY], "hirescam")[DENSITY]
    half = float(answers_evidence(small_predictor, inside, DENSITY)[0]) / 2
    assert [float(found[0, 10, 8]), float(found[0, 40, 20])] == pytest.approx([half, half], rel=0.01)


def even(given):
    """An input whose breast has its mean grey in every pixel."""
    return replace(given, tensor=np.where(given.breast, given.tensor[given.breast].mean(), given.tensor))


def test_integrated_gradients_start_from_an_even_grey(small_predictor, small):
    name = small.names[0]
    evened = replace(small, inputs={**small.inputs, name: even(small.inputs[name])})
    for target in (MASS, DENSITY, Target("malignancy", "present")):
        assert float(slow_evidence(small_predictor, evened, target, 0, "integrated-gradients").max()) < 1e-7
    assert float(slow_evidence(small_predictor, small, DENSITY, 0, "integrated-gradients").max()) > 1e-5


def test_integrated_gradients_take_enough_steps(small_predictor, small, monkeypatch):
    found = slow_evidence(small_predictor, small, DENSITY, 0, "integrated-gradients")
    monkeypatch.setattr("mvmlm.inference.attribution.STEPS", 128)
    fine = slow_evidence(small_predictor, small, DENSITY, 0, "integrated-gradients")
    assert float((found - fine).abs().max()) < 0.05 * float(fine.max())


def test_the_evidence_of_occlusion_is_what_the_answer_loses(small_predictor, small):
    found = slow_evidence(small_predictor, small, MASS, 0, "occlusion")
    with torch.no_grad():
        whole = torch.nn.functional.softplus(log_odds(small_predictor, small.views.pooled[None], small, MASS))[0, 0]
    assert 0 <= float(found.max()) <= float(whole) + 1e-4


def test_a_slow_method_says_how_much_is_done_and_ends_when_it_is_told_to(small_predictor, small):
    class Enough(Exception):
        pass

    shares = []

    def progress(share):
        shares.append(share)
        if share > 0.3:
            raise Enough

    with pytest.raises(Enough):
        source_maps(small_predictor, small, [MASS, DENSITY], "occlusion", progress=progress)
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] < 1


def test_an_unknown_method_is_refused_with_the_names_of_those_that_are_known(small_predictor, small):
    with pytest.raises(ValueError, match="hirescam, grad-cam, integrated-gradients, occlusion"):
        source_maps(small_predictor, small, [MASS], "lime")


@pytest.mark.parametrize("method", ["hirescam", "grad-cam"])
def test_written_maps_say_how_they_were_made_and_stay_inside_the_breast(predictor, prediction, tmp_path, method):
    written = write_maps(predictor, prediction, tmp_path, method)
    suffix = "" if method == DEFAULT_METHOD else f".{method}"
    assert tmp_path / f"R_CC.mass{suffix}.png" in written
    record = json.loads((tmp_path / f"maps{suffix}.json").read_text(encoding="utf-8"))
    assert record["method"] == method and "0.5" in record["scale"] and record["model"]["name"] == prediction.model
    assert [line["file"] for line in record["maps"]] == [path.name for path in written]
    lines = {line["file"]: line for line in record["maps"]}
    for path in written:
        assert has_name_of_output(path.name)
        start = path.read_bytes()[:1000]
        assert LABEL in start and METHODS[method].title.encode() in start
        heat = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        name = next(name for name in STANDARD_VIEWS if str(name) == path.name.split(".")[0])
        beside = outside(prediction.encoding.inputs[name])
        assert heat.dtype == np.uint16 and not heat[beside].any()
        strongest = lines[path.name]["strongest_pixel"]
        assert (strongest is None) == (not heat.any())
        assert strongest is None or not beside[strongest[1], strongest[0]]
        picture = cv2.imread(str(path.with_suffix(".overlay.jpg"))).astype(int)
        far = cv2.erode(beside.astype(np.uint8), np.ones((17, 17), np.uint8)).astype(bool)  # a block of the JPEG
        assert np.ptp(picture, axis=2)[far].max() <= 2, "no colour outside the breast"


def test_a_method_without_a_folder_for_its_maps_is_refused(capsys):
    demo = str(ROOT / "assets" / "demo_exams" / "phantom")
    assert main(["predict", demo, "--method", "occlusion"]) != 0
    assert "Give --maps DIR too" in capsys.readouterr().err
