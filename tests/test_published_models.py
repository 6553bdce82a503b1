"""Published models: converted checkpoints compute what their authors' code computed, and are asked like our own."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mvmlm.exam import SIDES, STANDARD_VIEWS, Exam, View, ViewName
from mvmlm.imaging.preprocess import ModelInput, ViewGeometry
from mvmlm.inference.explain import leading_targets, to_source
from mvmlm.inference.prediction import Target
from mvmlm.loading import load_model, record_of
from mvmlm.published import clip_layout
from mvmlm.published import mirai as mirai_layout
from mvmlm.published.checkpoint_file import CheckpointError
from mvmlm.published.conversion import convert
from mvmlm.published.efficientnet import published_efficientnet, published_names
from mvmlm.published.preparation import MammoClipPreparation, MammoscreenPreparation, MiraiPreparation
from mvmlm.published.text_towers import MODERN_BERT_PADDING
from mvmlm.tasks import TASK
from tests.published_checkpoints import (
    block_means,
    image_encoder,
    mammo_clip,
    mammo_fm,
    mammoscreen,
    mirai,
    picture,
    raw_view,
)

#: outputs of the authors' code on the same weights and pictures
PUBLISHED = np.load(Path(__file__).parent / "data" / "published_outputs.npz")
WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "no", "mass", "malignancy", "suspicious", "calcification", "-")
R, L = SIDES


@pytest.fixture(scope="module", autouse=True)
def threads(one_thread):
    """The networks are large, but the machine has other work."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("published")


@pytest.fixture(scope="module")
def small_pictures():
    """Pictures of a quarter of the size for what does not depend on it: networks of convolutions take any."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip_layout, "ROWS", 384)
        patch.setattr(clip_layout, "COLUMNS", 230)
        patch.setattr(mirai_layout, "ROWS", 512)
        patch.setattr(mirai_layout, "COLUMNS", 416)
        patch.setattr(MammoscreenPreparation, "FRAMES", ((512, 256), (480, 320), (384, 384)))
        yield


@pytest.fixture(scope="module")
def clip_checkpoint(folder):
    mammo_clip(folder / "b2.tar")
    return folder / "b2.tar"


@pytest.fixture(scope="module")
def fm(folder):
    """The tensors of a Mammo-FM checkpoint, which is in the folder with its tokenizer."""
    return mammo_fm(folder / "fm.tar", folder / "tokenizer.json")


@pytest.fixture(scope="module")
def clip(folder, small_pictures, clip_checkpoint):
    (folder / "vocab.txt").write_text(
        "\n".join([*WORDS, *(f"w{n}" for n in range(30 - len(WORDS)))]) + "\n", encoding="utf-8"
    )
    convert("mammo-clip", [clip_checkpoint], folder / "b2.safetensors", folder / "vocab.txt")
    return load_model(folder / "b2.safetensors", "cpu", engine="torch")


@pytest.fixture(scope="module")
def risk(folder, small_pictures):
    convert("mirai", mirai(folder), folder / "mirai.safetensors")
    return load_model(folder / "mirai.safetensors", "cpu", engine="torch")


@pytest.fixture(scope="module")
def screen(folder, small_pictures):
    convert("mammoscreen", mammoscreen(folder), folder / "screen.safetensors")
    return load_model(folder / "screen.safetensors", "cpu", engine="torch")


def relative(ours, theirs):
    return float(np.abs(np.asarray(ours) - theirs).max() / np.abs(theirs).max())


@pytest.mark.parametrize("variant, rows, columns", [("b2", 1520, 912), ("b2", 640, 401), ("b5", 1520, 912)])
def test_the_image_tower_of_mammo_clip_computes_what_the_published_code_does(variant, rows, columns):
    trunk, tensors = published_efficientnet(variant).eval(), image_encoder(variant)
    state = {ours: tensors[theirs] for ours, theirs in published_names(trunk).items()}
    state["conv_stem.weight"] = state["conv_stem.weight"].sum(1, keepdim=True)
    trunk.load_state_dict(state, strict=False)
    image = (torch.from_numpy(picture(rows, columns, 5)) - MammoClipPreparation.MEAN) / MammoClipPreparation.STD
    with torch.inference_mode():
        features = trunk.forward_features(image[None, None]).mean((-2, -1))[0]
    assert relative(features, PUBLISHED[f"{variant}.{rows}x{columns}"]) < 1e-4


def test_mirai_computes_what_the_published_code_does(risk):
    geometry = ViewGeometry(2048, 1664, (0, 0, 1664, 2048), False, False, 2048, 1664, 0, 2048, 1664)
    tensor = ((picture(2048, 1664, 2) * 20000 - 7047.99) / 12005.5).astype(np.float32)
    with torch.inference_mode():
        view = risk.model.read([ModelInput(tensor, np.ones((2048, 1664), bool), geometry)])
        fused = risk.fuse(torch.from_numpy(PUBLISHED["mirai.pooled"]), STANDARD_VIEWS)
        logits = risk.model.task_heads["risk"].uncalibrated(fused.exam)[0]
    assert relative(view.pooled[0], PUBLISHED["mirai.pooled"][2]) < 1e-4
    assert relative(logits, PUBLISHED["mirai.logit"]) < 1e-4


def view_of(values, inverted=False):
    return View(ViewName(L, STANDARD_VIEWS[0].projection), values, "picture.dcm", inverted=inverted, bits=12)


@pytest.mark.parametrize("inverted", [False, True])
def test_the_input_of_mammo_clip_is_that_of_its_published_preparation(inverted):
    values = 4095 - raw_view(1) if inverted else raw_view(1)
    given = MammoClipPreparation(1520, 912)(view_of(values, inverted))
    assert relative(block_means(given.tensor), PUBLISHED[f"clip.input.{int(inverted)}"]) < 1e-5


@pytest.mark.parametrize("mirrored", [0, 1])
def test_the_input_of_mirai_is_that_of_its_published_preparation(mirrored):
    values = raw_view(2)[:, ::-1].copy() if mirrored else raw_view(2)
    given = MiraiPreparation(2048, 1664)(view_of(values))
    assert given.geometry.flip_columns is not bool(mirrored), "the breast ends at the right edge"
    assert relative(block_means(given.tensor), PUBLISHED[f"mirai.input.{mirrored}"]) < 1e-5


@pytest.fixture(scope="module")
def asked(clip, phantom):
    """The answers of Mammo-CLIP for an exam, and for a prompt and a pair of them."""
    return clip.predict(phantom.exam, ["mass", "suspicious mass | no mass"])


def test_mammo_clip_answers_in_words_what_its_authors_asked_and_nothing_else(asked, clip):
    assert {answer.task for answer in asked.answers} == {"mass", "calcification", "malignancy"}
    assert {answer.by for answer in asked.answers} == {"prompt"} and clip.tasks == ()
    for side in (R, L, None):
        assert abs(asked.probability("mass", laterality=side, by="prompt") - 0.5) < 0.5 / np.e, "plain cosines"
    assert [score.view for score in asked.prompts if score.prompt == "mass"] == [*STANDARD_VIEWS, None, None, None]


def test_a_breast_is_compared_with_a_text_by_the_mean_of_its_views(asked):
    scores = {(score.view, score.laterality): score.similarity for score in asked.prompts if score.prompt == "mass"}
    for side in SIDES:
        of_views = [scores[name, side] for name in STANDARD_VIEWS if name.laterality is side]
        assert scores[None, side] == pytest.approx(np.mean(of_views), abs=1e-6)


def test_the_text_tower_is_read_at_the_last_token_of_lower_case_words(clip):
    with torch.inference_mode():
        tower = clip.model.text
        tokens = torch.tensor([[2, 5, 6, 10, 8, 3]])  # [CLS] no mass - suspicious [SEP]
        states = tower.encoder(tokens).last_hidden_state
        expected = torch.nn.functional.normalize(tower.projection(states[:, -1]), dim=-1)
        found = clip.model.embed_texts(["No mass-suspicious", "a longer text that pads the first one"])
    assert torch.allclose(found[:1], expected, atol=1e-5)
    assert clip.model.unknown_words("no lump") == ["lump"]


def test_a_map_of_a_prompt_lies_in_the_breast_and_in_the_pixels_of_the_view(clip, asked, phantom):
    for_it, against = Target(None, "mass | no mass"), Target(None, "no mass | mass")
    evidence = clip.map_evidence(asked.encoding, [for_it, against])
    assert list(evidence[for_it]) == list(STANDARD_VIEWS)
    for name, given in asked.encoding.inputs.items():
        maps = [to_source(evidence[target][name], given, lowest=0) for target in (for_it, against)]
        assert all(heat.shape == phantom.exam.views[name].pixels.shape and heat.max() <= 1 for heat in maps)
        assert any(heat.any() for heat in maps), "what speaks for one of them speaks against the other"
        outside = given.geometry.map_to_source(given.breast.astype(np.float32)) < 0.999
        assert not any(heat[outside].any() for heat in maps)
    with pytest.raises(ValueError, match="Mammo-CLIP has no maps by Occlusion.*Choose hirescam or grad-cam"):
        clip.maps(asked.encoding, [for_it], "occlusion")


def test_a_head_can_be_taught_on_the_embeddings_of_a_published_model(clip, asked):
    from mvmlm.finetuning.embeddings import vectors_of
    from mvmlm.finetuning.head import FinetunedHead

    head = FinetunedHead(TASK["mass"], clip.width(TASK["mass"].level), "linear", "ours").eval()
    vector = torch.tensor(vectors_of(asked.encoding)[R])
    with torch.no_grad():
        head.head.linear.weight.copy_(vector / vector.norm() ** 2)
        head.head.linear.bias.zero_()
    taught = clip.with_heads([head]).predict(Exam({name: asked.exam.views[name] for name in STANDARD_VIEWS[::2]}))
    assert taught.probability("mass", laterality=R) == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)
    assert taught.finetuned == {"mass": "ours"}


def test_stored_exams_are_found_again_by_a_published_model(clip, store, decoder, tmp_path):
    from mvmlm.finetuning.embeddings import EmbeddedExams, embed_exams
    from mvmlm.finetuning.retrieval import ExamIndex
    from mvmlm.phantom.truth import write_phantoms
    from mvmlm.store.archive import import_exams

    write_phantoms(tmp_path / "exams", n=3, seed=5, rows=160)
    folders = sorted(path for path in (tmp_path / "exams").iterdir() if path.is_dir())
    outcomes = import_exams(store, folders, decoder, "ann", copy=True)
    numbers = sorted({outcome.number for outcome in outcomes if outcome.number is not None})
    assert len(numbers) == 3
    _, problems = embed_exams(store, clip, decoder, numbers, lambda share, message: False)
    embedded = EmbeddedExams.load(store, clip)
    assert problems == [] and embedded.exams.tolist() == numbers
    index = ExamIndex.build(embedded, clip)
    fused = embedded.fused(clip)
    (nearest,) = index.nearest_to(clip.model.exam_vectors(fused)[1].numpy(), k=1)
    assert nearest.similarity == pytest.approx(1, abs=1e-5) and nearest.exam in numbers
    assert [each.exam for each in index.nearest_to(np.ones(512), k=3, leave_out=numbers[0])] != []
    found = index.best_for_text(clip.zero_shot.embed_text("mass").numpy(), k=3)
    assert {each.exam for each in found} == set(numbers) and found[0].similarity >= found[-1].similarity


def test_mirai_answers_whole_exams_only_and_says_which_view_is_missing(risk, phantom):
    whole = risk.predict(phantom.exam)
    years = [whole.probability("risk", year) for year in TASK["risk"].classes]
    assert years == sorted(years) and 0.001 <= years[0] <= 0.15 and 0.008 <= years[-1] <= 0.30, "its calibrated range"
    assert whole.quality_notes[-1].kind == "familiar", "measured by our own first layers, whatever model is asked"
    (target,) = leading_targets(whole)
    assert any(found.any() for found in risk.map_evidence(whole.encoding, [target])[target].values())
    part = risk.predict(Exam({name: phantom.exam.views[name] for name in STANDARD_VIEWS[:3]}))
    assert part.answers == () and "needs all four views, and L_MLO is not read" in part.withheld["risk"]
    with pytest.raises(ValueError, match="Mirai knows no text"):
        risk.predict(phantom.exam, ["mass"])


def test_mirai_takes_views_by_their_names_in_any_order(risk):
    pooled = torch.from_numpy(PUBLISHED["mirai.pooled"])
    with torch.inference_mode():
        plain = risk.fuse(pooled, STANDARD_VIEWS).exam
        turned = risk.fuse(pooled.flip(0), STANDARD_VIEWS[::-1]).exam
        swapped = risk.fuse(pooled[[1, 0, 3, 2]], STANDARD_VIEWS).exam
    assert torch.allclose(plain, turned, atol=1e-5) and not torch.allclose(plain, swapped, atol=1e-3)


@pytest.fixture(scope="module")
def screened(screen, phantom):
    return screen.predict(Exam({name: phantom.exam.views[name] for name in STANDARD_VIEWS[::2]}))


def test_mammoscreen_averages_probabilities_over_views_and_networks(screen, screened):
    inputs, cancer, density = screened.encoding.inputs, [], []
    with torch.inference_mode():
        for given in inputs.values():
            for network, each in zip(screen.model.networks, (given, *given.others), strict=True):
                logits = network.linear(network.backbone(torch.from_numpy(each.tensor)[None, None]).mean((-2, -1)))[0]
                cancer.append(float(torch.sigmoid(logits[0])))
                density.append(logits[1:].softmax(-1).numpy())
    assert len(cancer) == 6
    assert screened.probability("malignancy", laterality=R) == pytest.approx(np.mean(cancer), abs=1e-4)
    for index, letter in enumerate("ABCD"):
        assert screened.probability("density", letter) == pytest.approx(np.mean(density, 0)[index], abs=1e-4)
    with pytest.raises(KeyError):
        screened.probability("malignancy", laterality=L)


def test_the_maps_of_the_three_networks_of_mammoscreen_lie_over_each_other(screen, screened):
    name = STANDARD_VIEWS[0]
    given = screened.encoding.inputs[name]
    point = np.array([[0.4, 0.3]]) * [given.geometry.crop[2], given.geometry.crop[3]] + given.geometry.crop[:2]
    maps = []
    for each, features in zip((given, *given.others), screened.encoding.views.features, strict=True):
        heat = torch.zeros(1, 1, *features.shape[-2:])
        column, row = (each.geometry.to_model(point)[0] / np.array(each.tensor.shape[::-1])) * heat.shape[:1:-1]
        heat[0, 0, int(row), int(column)] = 1.0
        maps.append(heat)
    for alone in range(3):
        kept = [heat if index == alone else torch.zeros_like(heat) for index, heat in enumerate(maps)]
        laid = screen.model.lay_together(kept, [given])[0, 0].numpy()
        assert laid.sum() == pytest.approx(1, abs=0.15), "a share of the answer stays a share"
        row, column = np.unravel_index(laid.argmax(), laid.shape)
        first = np.unravel_index(int(maps[0].argmax()), laid.shape)
        assert abs(row - first[0]) <= 1 and abs(column - first[1]) <= 1


def test_mammo_fm_reads_its_modern_bert_before_the_last_normalisation(folder, small_pictures, fm):
    convert("mammo-fm", [folder / "fm.tar"], folder / "fm.safetensors", folder / "tokenizer.json")
    predictor = load_model(folder / "fm.safetensors", "cpu", engine="torch")
    tower = predictor.model.text
    with torch.inference_mode():
        tokens, attended = tower.tokens(["no mass", "mass"])
        assert tokens.tolist() == [[2, 4, 5, 3], [2, 5, 3, MODERN_BERT_PADDING]] and attended.sum() == 7
        tokens = tokens.clamp(max=29)  # the small tower has few words; padding is not attended to
        states = tower.states(tokens, attended)
        whole = tower.encoder(tokens, attention_mask=attended).last_hidden_state
    assert torch.allclose(tower.encoder.final_norm(states), whole, atol=1e-5) and not torch.allclose(states, whole)
    weight = fm["text_encoder.embeddings.tok_embeddings.weight"]
    assert torch.equal(tower.encoder.embeddings.tok_embeddings.weight.detach(), weight)


def test_a_tokenizer_of_another_text_tower_is_refused(folder, clip_checkpoint, fm):
    (folder / "few.txt").write_text("no\nmass\n", encoding="utf-8")
    with pytest.raises(CheckpointError, match="vocab.txt: 2 words where the text tower has 30"):
        convert("mammo-clip", [clip_checkpoint], folder / "out.safetensors", folder / "few.txt")
    (folder / "none.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CheckpointError, match="tokenizer.json: no tokenizer"):
        convert("mammo-fm", [folder / "fm.tar"], folder / "out.safetensors", folder / "none.json")


def test_without_a_tokenizer_a_model_gives_embeddings_and_says_that_it_knows_no_text(
    folder, small_pictures, clip_checkpoint, phantom
):
    convert("mammo-clip", [clip_checkpoint], folder / "mute.safetensors")
    predictor = load_model(folder / "mute.safetensors", "cpu", engine="torch")
    one = Exam({STANDARD_VIEWS[0]: phantom.exam.views[STANDARD_VIEWS[0]]})
    assert predictor.predict(one).answers == () and predictor.encode(one)[0].fused.exam.shape == (1, 512)
    with pytest.raises(ValueError, match="Mammo-CLIP knows no text"):
        predictor.predict(one, ["mass"])


def test_a_file_is_named_after_the_published_model_only_where_it_has_its_shapes(folder, clip):
    for name, title in (("mammo-clip-b2", "Mammo-CLIP B2"), ("mammo-clip-b5", "Mammo-CLIP"), ("mirai", "Mammo-CLIP")):
        path = folder / f"{name}.safetensors"
        shutil.copy(folder / "b2.safetensors", path)
        record = record_of(path)
        assert record.name == title and ("Published figures" in " ".join(record.about)) is (title == "Mammo-CLIP B2")
        path.unlink()
