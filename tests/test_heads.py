"""Fine-tuned heads in the predictor and in files, with the weights' own last image stage and with one of their own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.finetune.head_report import details_html
from mvmlm.exam import Laterality
from mvmlm.finetuning.embeddings import vectors_of, width_without_views
from mvmlm.finetuning.fit import fit_head, fit_head_with_stage
from mvmlm.finetuning.head import FinetunedHead, import_head, read_head, write_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.inference.explain import evidence_maps
from mvmlm.inference.prediction import Target
from mvmlm.model.heads import probabilities
from mvmlm.model.last_stage import LastStage, StageInputs
from mvmlm.phantom import phantom_exams
from mvmlm.store.store import Store
from mvmlm.tasks import TASK

pytestmark = pytest.mark.usefixtures("one_thread")
EXAMS = 8
OLD_HEAD = Path(__file__).parent / "data" / "v0_4_0" / "head-mass.safetensors"
MASS, CALCIFICATION = Target("mass", "present"), Target("calcification", "present")


@pytest.fixture
def random_head(predictor):
    torch.manual_seed(0)
    head = FinetunedHead(TASK["mass"], predictor.width(TASK["mass"].level), "linear", "mine")
    torch.nn.init.normal_(head.head.linear.weight)
    return head.eval().requires_grad_(False)


def test_a_finetuned_head_answers_exactly_as_its_embedding_says(predictor, prediction, random_head):
    result = predictor.with_heads([random_head]).predict(prediction.exam)
    for side in result.encoding.sides:
        vector = np.float32([vectors_of(result.encoding)[side]])
        assert result.probability("mass", laterality=side) == pytest.approx(
            float(random_head.probabilities(vector)[0, 0]), abs=1e-6
        )
        assert result.probability("calcification", laterality=side) == pytest.approx(
            prediction.probability("calcification", laterality=side), abs=1e-6
        )
    assert result.finetuned == {"mass": "mine"} and "fine-tuned head “mine”" in str(result)


def test_a_head_file_gives_the_head_back(predictor, random_head):
    back, about = read_head(write_head(random_head, predictor.weights, "mine", {}), predictor, [TASK["mass"]])
    assert about["name"] == "mine" and torch.equal(back.head.linear.weight, random_head.head.linear.weight)


def test_a_head_that_does_not_use_the_views_still_answers(predictor, prediction):
    torch.manual_seed(0)
    head = FinetunedHead(TASK["mass"], width_without_views(predictor, TASK["mass"].level), "linear", "old")
    torch.nn.init.normal_(head.head.linear.weight)
    back, _ = read_head(write_head(head, predictor.weights, "old", {}), predictor, [TASK["mass"]])
    result = predictor.with_heads([back]).predict(prediction.exam)
    with torch.inference_mode():
        expected = torch.sigmoid(head(prediction.encoding.fused.breasts[0]))[:, 0]
    found = [result.probability("mass", laterality=side) for side in Laterality]
    assert found == pytest.approx(expected.tolist(), abs=1e-6)


def test_a_head_is_given_the_mean_of_the_views_of_its_breast_and_of_the_exam(predictor, prediction):
    encoding = prediction.encoding
    own = width_without_views(predictor, TASK["mass"].level)
    for side, vector in vectors_of(encoding).items():
        views = [row for row, name in enumerate(encoding.names) if side in (None, name.laterality)]
        start = width_without_views(predictor, TASK["density"].level) if side is None else own
        assert np.allclose(vector[start:], encoding.views.pooled[views].mean(0), atol=1e-5)


def test_a_linear_head_starts_as_the_bundled_one_and_may_use_the_views(predictor, prediction):
    rng, task = np.random.default_rng(0), TASK["mass"]
    features = rng.normal(size=(60, predictor.width(task.level))).astype(np.float32)
    labels = (features[:, -1] > 0).astype(np.float32)
    names = tuple(f"e{row}" for row in range(60))
    cases = LabelledEmbeddings(
        task, features, labels, names, ("R",) * 60, np.array(names), np.zeros(60, bool), ({},) * 60
    )
    bundled = predictor.model.heads[task.name]
    held, free = (fit_head(cases, "linear", penalty, 0, bundled) for penalty in (1e6, 1e-2))
    with torch.inference_mode():
        moved = held(torch.from_numpy(features)) - bundled(torch.from_numpy(features))
        ours = free(torch.from_numpy(features))[:, 0].numpy()
    assert float(moved.std()) < 0.02, "only the intercept is free"
    assert np.mean((ours > np.median(ours)) == (labels > 0)) > 0.9


def test_the_map_of_a_finetuned_head_explains_that_head(predictor, phantom, random_head):
    encoding, _ = predictor.encode(phantom.exam)
    finetuned = evidence_maps(predictor.with_heads([random_head]), encoding, [MASS])[MASS]
    plain = evidence_maps(predictor, encoding, [MASS])[MASS]
    assert not any(np.allclose(finetuned[name], plain[name]) for name in encoding.names)


def test_an_imported_head_of_0_4_0_shows_its_configuration(predictor_of_0_4_0, tmp_path):
    store = Store(tmp_path)
    head = store.heads.get(import_head(store, predictor_of_0_4_0, OLD_HEAD.read_bytes(), "ann"))
    assert head.record["config"]["task"] == "mass" and "exam_filter" in head.record["config"]
    assert "lesson" not in head.record and head.record["imported"]
    assert f"seed {head.record['config']['seed']}" in details_html(head)


@pytest.fixture(scope="module")
def encodings(small_predictor):
    return [(phantom.name, small_predictor.encode(phantom.exam)[0]) for phantom in phantom_exams(EXAMS, 33, rows=160)]


@pytest.fixture(scope="module")
def stage_cases(encodings):
    """Both breasts of each exam; every second breast is labelled as a mass."""
    names = tuple(name for name, _ in encodings for _ in Laterality)
    features = [vectors_of(encoding)[side] for _, encoding in encodings for side in Laterality]
    n = len(names)
    return LabelledEmbeddings(
        TASK["mass"],
        np.array(features, np.float32),
        np.float32([row % 4 in (0, 3) for row in range(n)]),
        names,
        tuple(side.value for side in Laterality) * EXAMS,
        np.array(names),
        np.zeros(n, bool),
        ({},) * n,
        StageInputs.from_encodings(encodings),
    )


@pytest.fixture(scope="module")
def stage_fit(stage_cases, small_predictor):
    """A head fitted with its stage, its losses, and the model's tensors before."""
    before = {name: value.clone() for name, value in small_predictor.model.state_dict().items()}
    losses = []
    head = fit_head_with_stage(stage_cases, 1.0, 1, small_predictor.model, losses.append)
    head.title = "deep"
    return head, losses, before


def test_the_last_image_stage_starts_as_the_weights_own(small_predictor, encodings, stage_cases):
    with torch.no_grad():
        fused = stage_cases.stage_inputs.fused(
            small_predictor.model, LastStage(small_predictor.model), list(range(EXAMS))
        )
    for row, (_, encoding) in enumerate(encodings):
        assert torch.allclose(fused.breasts[row], encoding.fused.breasts[0], atol=2e-2), (
            "only the half precision of the stored maps differs"
        )


def test_the_last_image_stage_learns_and_leaves_the_weights_as_they_are(small_predictor, stage_fit):
    head, losses, before = stage_fit
    assert np.mean(losses[-2:]) < losses[0]
    original = LastStage(small_predictor.model).state_dict()
    assert any(not torch.equal(value, original[name]) for name, value in head.stage.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in small_predictor.model.state_dict().items())


def test_a_head_with_its_own_stage_answers_its_task_and_no_other(small_predictor, stage_cases, stage_fit):
    head, *_ = stage_fit
    exam = next(iter(phantom_exams(1, 33, rows=160))).exam
    finetuned = small_predictor.with_heads([head])
    result, plain = finetuned.predict(exam), small_predictor.predict(exam)
    expected = probabilities(TASK["mass"], head.case_logits(stage_cases, small_predictor.model))
    assert result.probability("mass", laterality=Laterality.RIGHT) == pytest.approx(float(expected[0, 0]), abs=0.02)
    assert result.probability("calcification") == pytest.approx(plain.probability("calcification"), abs=1e-6)
    maps = evidence_maps(finetuned, result.encoding, [MASS, CALCIFICATION])
    plain_maps = evidence_maps(small_predictor, result.encoding, [MASS, CALCIFICATION])
    for name in result.encoding.names:
        assert np.allclose(maps[CALCIFICATION][name], plain_maps[CALCIFICATION][name])
        assert maps[MASS][name].max() > 0 and not np.allclose(maps[MASS][name], plain_maps[MASS][name])


def test_a_head_file_gives_the_stage_back(small_predictor, stage_cases, stage_fit):
    head, *_ = stage_fit
    file = write_head(head, small_predictor.weights, "deep", {})
    back, _ = read_head(file, small_predictor, [TASK["mass"]])
    model = small_predictor.model
    assert torch.equal(back.case_logits(stage_cases, model), head.case_logits(stage_cases, model))
