"""Preset files are checked when they are loaded, with one sentence on what is wrong."""

import json
from dataclasses import asdict

import pytest

from mvmlm.model.config import PRESETS, Preset

DEMO = json.loads((PRESETS / "demo.json").read_text(encoding="utf-8"))
HUB = {"hub_model": "some/encoder", "context_length": 16, "config": {"hidden_size": 8}}


def load(tmp_path, data):
    path = tmp_path / "own.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return Preset.load(str(path))


@pytest.mark.parametrize("path", sorted(PRESETS.glob("*.json")), ids=lambda path: path.stem)
def test_the_bundled_presets_are_valid_and_unchanged_by_loading(path):
    assert asdict(Preset.load(path.stem)) == json.loads(path.read_text(encoding="utf-8"))


def test_a_preset_file_is_loaded_as_it_is(tmp_path):
    for text in (DEMO["text_cfg"], HUB, {"context_length": 16}):
        assert asdict(load(tmp_path, DEMO | {"text_cfg": text})) == DEMO | {"text_cfg": text}


def part(name, **changes):
    return DEMO | {name: DEMO[name] | changes}


WRONG = [
    (DEMO | {"embed_dim": "128"}, "embed_dim='128': expected the size of the joint space of images and texts, a whole number above 0"),
    (DEMO | {"colour": 1}, "colour: not known; expected one of embed_dim, vision_cfg, text_cfg, fusion_cfg"),
    ({key: DEMO[key] for key in DEMO if key != "fusion_cfg"}, "fusion_cfg is missing: expected the fusion of the views, an object"),
    (part("vision_cfg", image_size=[384]), "vision_cfg.image_size=[384]: expected rows and columns of the input"),
    (part("vision_cfg", image_size=[384, "x"]), "vision_cfg.image_size='x': expected rows and columns of the input"),
    (part("vision_cfg", widht=2), "vision_cfg.widht: not known; expected one of timm_model_name, image_size, map_width"),
    (part("fusion_cfg", layers=0), "fusion_cfg.layers=0: expected the number of layers, a whole number above 0"),
    (part("fusion_cfg", heads=3), "fusion_cfg.width=160: expected a multiple of heads, which is 3"),
    (DEMO | {"text_cfg": 3}, "text_cfg=3: expected the text tower, an object"),
    (DEMO | {"text_cfg": {"hub_model": "a", "config": {}}}, "text_cfg.context_length is missing: expected the largest number of tokens"),
    ([], "expected an object with embed_dim, vision_cfg, text_cfg, fusion_cfg"),
    ("{", "not a JSON file"),
]  # fmt: skip


@pytest.mark.parametrize("data, sentence", WRONG, ids=[sentence[:30] for _, sentence in WRONG])
def test_a_wrong_preset_names_file_field_value_and_expectation(tmp_path, data, sentence):
    with pytest.raises(ValueError) as error:
        load(tmp_path, data)
    assert str(error.value).startswith(f"own.json: {sentence}") and "\n" not in str(error.value)


def test_a_missing_preset_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"^gone.json: there is no such file$"):
        Preset.load(str(tmp_path / "gone.json"))
