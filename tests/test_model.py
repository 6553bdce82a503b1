"""The network and its weights files."""

import copy
import json
import pickle
import random

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from mvmlm.exam import STANDARD_VIEWS
from mvmlm.model.config import Preset
from mvmlm.model.network import MVMLM
from mvmlm.model.tokenizer import ReportTokenizer
from mvmlm.model.weights import BUNDLED, WeightsError, load_weights, read_record, save_model

DEMO = BUNDLED / "demo.safetensors"


@pytest.fixture(scope="module")
def model():
    return load_weights(DEMO)


def pooled(model, exams=2, seed=0):
    return torch.rand(exams, 4, model.image_tower.features, generator=torch.Generator().manual_seed(seed))


def test_bundled_weights_are_small_and_have_a_record():
    assert DEMO.stat().st_size < 10_000_000
    record = read_record(DEMO)
    assert record.training["seed"] is not None and record.training["command"].startswith("python scripts/train_demo.py")
    assert set(record.training["prevalence"]) >= {"malignancy", "mass", "calcification"}


@torch.inference_mode()
def test_the_content_of_a_missing_view_does_not_matter(model):
    features = pooled(model)
    present = torch.tensor([[True, True, False, True]] * 2)
    first = model.fusion(features, present)
    features[:, 2] = 99
    second = model.fusion(features, present)
    assert torch.equal(first.breasts, second.breasts) and torch.equal(first.exam, second.exam)


@torch.inference_mode()
def test_the_order_of_exams_in_a_batch_does_not_matter(model):
    features, present = pooled(model, 3), torch.tensor([[True] * 4, [True, False, True, False], [True] * 4])
    together = model.fusion(features, present).breasts
    for index in range(3):
        alone = model.fusion(features[index : index + 1], present[index : index + 1]).breasts[0]
        assert torch.allclose(together[index], alone, atol=1e-5)


@torch.inference_mode()
def test_risk_never_falls_over_the_years(model):
    logits = model.answer(model.fusion(pooled(model, 50), torch.ones(50, 4, dtype=torch.bool)))["risk"]
    assert logits.shape == (50, 5) and (logits.diff(dim=1) >= 0).all()


@torch.inference_mode()
def test_embeddings_have_unit_length(model):
    texts = model.embed_texts(["a mass is seen", "almost entirely fatty"])
    assert torch.allclose(texts.norm(dim=1), torch.ones(2), atol=1e-5)


@torch.inference_mode()
def test_only_the_breast_is_pooled(model):
    rows, columns = model.record.preset.vision_cfg["image_size"]
    image = torch.full((1, 1, rows, columns), model.black)
    image[:, :, :, : columns // 2] += torch.rand(rows, columns // 2) + 0.1
    features, inside = model.feature_maps(image)
    noise = torch.rand_like(features) * (inside == 0)
    assert torch.allclose(model.image_tower.pool(features, inside), model.image_tower.pool(features + noise, inside))


def test_saved_weights_are_loaded_unchanged(model, tmp_path):
    save_model(model, tmp_path / "w.safetensors", model.record)
    again = load_weights(tmp_path / "w.safetensors")
    assert again.record == model.record
    for name, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


def test_a_pickle_is_not_loaded(tmp_path):
    path = tmp_path / "evil.safetensors"
    path.write_bytes(pickle.dumps({"model": 1}))
    with pytest.raises(WeightsError, match="Pickled"):
        load_weights(path)


def broken(tmp_path, change):
    state = load_file(DEMO)
    with safe_open(DEMO, "pt") as file:
        metadata = file.metadata()
    change(state, metadata)
    save_file(state, tmp_path / "w.safetensors", metadata=metadata)
    return tmp_path / "w.safetensors"


def test_weights_that_are_not_finite_are_refused(tmp_path):
    def change(state, metadata):
        state["view_projection.weight"][0, 0] = float("nan")

    with pytest.raises(WeightsError, match="not finite"):
        load_weights(broken(tmp_path, change))


def test_four_damaged_bytes_of_weights_are_refused_or_change_nothing(small_weights, tmp_path):
    whole, rng, refused = small_weights.read_bytes(), random.Random(0), 0
    expected = load_weights(small_weights).state_dict()
    for _ in range(20):
        data, at = bytearray(whole), rng.randrange(len(whole) - 4)
        data[at : at + 4] = rng.randbytes(4)
        (tmp_path / "w.safetensors").write_bytes(data)
        try:
            found = load_weights(tmp_path / "w.safetensors").state_dict()
        except WeightsError as error:
            refused += "w.safetensors: " in str(error)
            continue
        assert all(torch.equal(value, found[name]) for name, value in expected.items()), at
    assert refused > 15


def test_weights_that_do_not_fit_their_preset_are_refused(tmp_path):
    with pytest.raises(WeightsError, match="does not fit"):
        load_weights(broken(tmp_path, lambda state, metadata: state.pop("view_projection.weight")))


def test_weights_for_unknown_tasks_are_refused(tmp_path):
    def change(state, metadata):
        record = json.loads(metadata["record"])
        record["tasks"] = ["mind reading"]
        metadata["record"] = json.dumps(record)

    with pytest.raises(WeightsError, match="mind reading"):
        load_weights(broken(tmp_path, change))


def test_a_copy_of_a_model_shares_its_tokenizer(small_weights):
    model = load_weights(small_weights)
    copied = copy.deepcopy(model)
    assert copied.tokenizer is model.tokenizer
    assert copied.view_projection.weight is not model.view_projection.weight


def test_weights_of_fewer_tasks_answer_only_those(model):
    from dataclasses import replace

    small = MVMLM(replace(model.record, tasks=("mass",)))
    answers = small.answer(small.fusion(pooled(small), torch.ones(2, 4, dtype=torch.bool)))
    assert set(answers) == {"mass"}


def test_the_tokenizer_names_words_that_training_never_saw(model):
    tokenizer = model.tokenizer
    assert tokenizer.unknown_words("spiculated zebra mass") == ["zebra"]
    tokens = tokenizer(["a mass", "mass " * 200])
    assert tokens.shape == (2, tokenizer.context_length)
    assert (tokens.max(1).values == tokenizer.size - 1).all(), "the end of the text is there, also when it was cut"
    assert ReportTokenizer((), 16)(["mass"])[0, 1] == 1


def test_an_unknown_preset_lists_the_known_ones():
    with pytest.raises(ValueError, match="demo"):
        Preset.load("huge")


def test_view_order_is_the_hanging_order(model):
    assert model.fusion.side_of_view.tolist() == [0, 1, 0, 1] and len(STANDARD_VIEWS) == 4


def changed_weights(path, record=lambda record: None, tensors=lambda tensors: None, text=None):
    """Write the small weights to `path` with something changed in the record or the tensors."""

    def change(source):
        with safe_open(source, "pt") as file:
            metadata, state = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        data = json.loads(metadata["record"])
        record(data)
        tensors(state)
        save_file(state, path, metadata={**metadata, "record": json.dumps(data) if text is None else text})
        return path

    return change


BAD_WEIGHTS = {
    "no text as a name": dict(record=lambda r: r.update(name=7)),
    "a long name": dict(record=lambda r: r.update(name="x" * 501)),
    "no preset": dict(record=lambda r: r.pop("preset")),
    "a preset that is a list": dict(record=lambda r: r.update(preset=[])),
    "an unknown trunk": dict(record=lambda r: r["preset"]["vision_cfg"].update(timm_model_name="nonsense")),
    "words for a size": dict(record=lambda r: r["preprocessing"].update(rows="many")),
    "a deviation of zero": dict(record=lambda r: r["preprocessing"].update(std=0.0)),
    "an unknown setting": dict(record=lambda r: r["preprocessing"].update(colour=1)),
    "words for a prevalence": dict(record=lambda r: r["training"].update(prevalence={"mass": "<b>"})),
    "a prevalence above one": dict(record=lambda r: r["training"].update(prevalence={"mass": 2.0})),
    "words for a spacing": dict(record=lambda r: r["training"].update(spacing_mm="wide")),
    "NaN": dict(record=lambda r: r["preprocessing"].update(mean=float("nan"))),
    "tasks that are none": dict(record=lambda r: r.update(tasks=7)),
    "an unknown task": dict(record=lambda r: r.update(tasks=["mind reading"])),
    "no JSON": dict(text="{"),
    "deep nesting": dict(text="[" * 100_000),
    "another shape": dict(tensors=lambda t: t.update({"view_projection.bias": torch.zeros(3)})),
    "one tensor less": dict(tensors=lambda t: t.pop("view_projection.bias")),
    "one tensor more": dict(tensors=lambda t: t.update(more=torch.zeros(3))),
    "not finite": dict(tensors=lambda t: t.update({"view_projection.bias": torch.full((16,), float("nan"))})),
    "infinite": dict(tensors=lambda t: t.update({"view_projection.bias": torch.full((16,), float("inf"))})),
}  # fmt: skip


def test_weights_of_0_4_0_with_embeddings_of_training_exams_are_loaded_without_them(tmp_path, small_weights):
    with safe_open(small_weights, "pt") as file:
        record = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    path = tmp_path / "weights.safetensors"
    old = {key: value for key, value in record.items() if key != "sha256"}  # which 0.4.0 did not write
    save_file(state | {"reference": torch.zeros(9, 3)}, path, metadata=old)
    assert load_weights(path).state_dict().keys() == load_weights(small_weights).state_dict().keys()


@pytest.mark.parametrize("case", BAD_WEIGHTS)
def test_weights_that_do_not_fit_are_refused_with_a_sentence(tmp_path, small_weights, case):
    path = changed_weights(tmp_path / "weights.safetensors", **BAD_WEIGHTS[case])(small_weights)
    with pytest.raises(WeightsError, match="^weights.safetensors: ") as caught:
        load_weights(path)
    assert len(str(caught.value)) < 500
