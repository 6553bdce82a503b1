"""Engines: the same features faster, told where they are not the same, and refused where they cannot run."""

import numpy as np
import pytest
import torch

from mvmlm.commands import command
from mvmlm.exam import STANDARD_VIEWS, Exam
from mvmlm.inference import engine
from mvmlm.inference.engine import ENGINES, OPENVINO, OPENVINO_BF16, default_engine, is_installed, use_engine
from mvmlm.inference.explain import all_targets
from mvmlm.loading import load_model
from mvmlm.model.folding import fold_batch_norms
from mvmlm.published import mirai as mirai_layout
from mvmlm.published.conversion import convert
from tests.published_checkpoints import mirai, values

pytestmark = pytest.mark.skipif(not is_installed(), reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def risk_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mirai")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirai_layout, "ROWS", 256)
        patch.setattr(mirai_layout, "COLUMNS", 208)
        convert("mirai", mirai(folder), folder / "mirai.safetensors")
    return folder / "mirai.safetensors"


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.setenv("MVMLM_DATA", str(tmp_path))
    return tmp_path


def test_openvino_gives_the_features_of_torch_and_starts_from_its_file_the_next_time(
    risk_file, data, phantom, monkeypatch
):
    plain = load_model(risk_file, "cpu", engine="torch")
    quick = load_model(risk_file, "cpu")  # by default: the network is large
    assert (plain.engine, quick.engine, quick.precision) == ("torch", OPENVINO, "float32")
    theirs, ours = (each.encode(phantom.exam)[0].views.features[0] for each in (plain, quick))
    assert float((theirs - ours).norm() / theirs.norm()) < 1e-4
    stored = sorted(path.suffix for path in (data / "engines").iterdir())
    assert stored == [".bin", ".xml"]
    monkeypatch.setattr("openvino.convert_model", None)  # is not needed again
    from openvino.tools.ovc import telemetry_utils

    assert telemetry_utils.tm.__name__ == "openvino.tools.ovc.telemetry_stub", "it tells nobody that it is used"
    again = load_model(risk_file, "cpu").predict(phantom.exam)
    for answer, first in zip(again.answers, plain.predict(phantom.exam).answers, strict=True):
        assert answer.probability == pytest.approx(first.probability, abs=1e-4)


def test_a_trunk_that_was_stored_before_a_correction_is_not_used(tmp_path):
    for name in ("aa-trunk-4x4.xml", "aa-trunk-4x4-v0.xml", "aa-trunk-4x4-v0.bin", "bb-trunk-4x4-v0.xml"):
        (tmp_path / name).touch()
    stored = engine._stored_trunk(tmp_path, "aa-trunk-4x4")
    assert stored.name == f"aa-trunk-4x4-v{engine.TRUNK_VERSION}.xml"
    assert [path.name for path in tmp_path.iterdir()] == ["bb-trunk-4x4-v0.xml"]
    stored.touch(), stored.with_suffix(".bin").touch()
    assert engine._stored_trunk(tmp_path, "aa-trunk-4x4").is_file() and stored.with_suffix(".bin").is_file()


def test_bfloat16_is_told_with_every_answer_and_keeps_its_embeddings_apart(risk_file, data, phantom):
    rough = load_model(risk_file, "cpu", engine=OPENVINO_BF16)
    assert rough.precision == "bfloat16" and 1e-4 < rough.precision_error < 0.2
    told = [note.text for note in rough.predict(phantom.exam).quality_notes if note.kind == "precision"]
    assert len(told) == 1 and f"differ by {100 * rough.precision_error:.2g} %" in told[0]
    plain = load_model(risk_file, "cpu", engine="torch").predict(phantom.exam)
    assert not any(note.kind == "precision" for note in plain.quality_notes)


def test_our_own_model_answers_in_bfloat16_too_and_says_how_far_it_is_off(small_weights, phantom):
    rough = load_model(small_weights, "cpu", engine=OPENVINO_BF16)
    assert 1e-5 < rough.precision_error < 0.2
    assert any(note.kind == "precision" for note in rough.predict(phantom.exam).quality_notes)


def test_our_own_model_answers_and_explains_by_the_engine_as_by_torch(predictor, phantom):
    quick = use_engine(load_model("demo", "cpu"), OPENVINO)
    one = Exam({name: phantom.exam.views[name] for name in STANDARD_VIEWS[:3]})
    ours, theirs = quick.predict(one), predictor.predict(one)
    for answer, expected in zip(ours.answers, theirs.answers, strict=True):
        assert answer.probability == pytest.approx(expected.probability, abs=1e-4)
    target = all_targets(predictor)[:1]
    maps = [each.map_evidence(said.encoding, target)[target[0]] for each, said in ((quick, ours), (predictor, theirs))]
    assert all(np.allclose(maps[0][name], maps[1][name], atol=1e-3) for name in maps[1])
    assert default_engine(quick.model, torch.device("cpu")) == "torch", "it is quick enough, and starts sooner"


def test_an_engine_that_cannot_run_is_refused_with_what_to_do(predictor, monkeypatch):
    assert command.ENGINES == ENGINES, "the parser's own names, since engines import torch"
    with pytest.raises(ValueError, match="warp: no such engine. Choose one of torch, openvino, openvino-bf16"):
        use_engine(predictor, "warp")
    monkeypatch.setattr(engine, "is_installed", lambda: False)
    with pytest.raises(ValueError, match="not installed: pip install openvino, or choose the engine torch"):
        use_engine(predictor, OPENVINO)
    assert default_engine(predictor.model, torch.device("cpu")) == "torch"


def test_folding_leaves_no_normalisation_and_the_same_features():
    from mvmlm.published.mammoscreen_network import CropNetwork

    network = CropNetwork().eval()
    network.load_state_dict({name: values(name, value.shape) for name, value in network.state_dict().items()})
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        before = network.backbone(image)
        folded = fold_batch_norms(network)
        assert folded > 30 and not any(isinstance(each, torch.nn.BatchNorm2d) for each in network.modules())
        assert torch.allclose(network.backbone(image), before, rtol=1e-3, atol=1e-4)
