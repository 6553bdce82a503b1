"""A text tower from the Hugging Face hub."""

import pytest
import torch
import transformers

from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.hf_text_tower import HubError, HubText, WordPieces, hub_vocabulary
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import load_weights, save_model

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "mass", "spiculat", "##ed", "no", "calc", "##ification")
CONFIG = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder as the hub would give it: a tiny BERT and its vocabulary."""
    folder = tmp_path_factory.mktemp("hub")
    torch.manual_seed(1)
    transformers.BertModel(transformers.BertConfig(**CONFIG)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS), encoding="utf-8")
    transformers.BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def test_weights_with_a_hub_text_tower_need_no_hub_again(published, tmp_path):
    assert hub_vocabulary(str(published)) == WORDS
    preset = Preset(
        8,
        {"timm_model_name": "tf_efficientnet_lite0", "image_size": [96, 64], "map_width": 16},
        {"hub_model": str(published), "context_length": 12, "config": CONFIG},
        {"width": 16, "heads": 2, "layers": 1},
    )
    model = MVMLM(WeightsRecord("t", "1", preset, Preprocessing(96, 64), ("mass",), WORDS)).eval()
    model.text_tower.start_from_hub()
    theirs = transformers.BertModel.from_pretrained(published)
    assert torch.equal(
        model.text_tower.encoder.embeddings.word_embeddings.weight, theirs.embeddings.word_embeddings.weight
    )
    save_model(model, tmp_path / "w.safetensors", model.record)
    for file in published.iterdir():
        file.rename(tmp_path / file.name)  # the hub is gone
    again = load_weights(tmp_path / "w.safetensors")
    with torch.inference_mode():
        texts = ["a spiculated mass", "no calcification"]
        assert torch.allclose(model.embed_texts(texts), again.embed_texts(texts), atol=1e-3)


def test_padding_does_not_change_an_embedding():
    tower = HubText("none", CONFIG, 8).eval()
    short, long = WordPieces(WORDS, 6), WordPieces(WORDS, 20)
    with torch.inference_mode():
        assert torch.allclose(tower(short(["a mass"])), tower(long(["a mass"])), atol=1e-5)


def test_words_that_cannot_be_spelled_are_named():
    assert WordPieces(WORDS, 8).unknown_words("spiculated zebra mass") == ["zebra"]
    assert WordPieces(WORDS, 8).unknown_words("mass \x00\x01") == ["\x00\x01"], "letters that it leaves out are no word"


def test_an_unreachable_hub_gives_a_message_that_says_what_to_do(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for preset in ("b2", "b5"):
        with pytest.raises(HubError, match=r"--start gives .*HF_HOME.*--preset FILE\.json.*hub_model.*--preset demo"):
            hub_vocabulary(Preset.load(preset).text_cfg["hub_model"] + "-not-in-any-cache")
