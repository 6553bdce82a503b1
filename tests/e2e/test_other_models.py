"""Models of other groups in the browser: asked about the open exam, side by side, and fetched with their terms."""

import pytest

from mvmlm.published import clip_layout, mirai
from mvmlm.published.conversion import convert
from tests.e2e.states import wait_until_answered, wait_until_done, wait_until_opened
from tests.published_checkpoints import mammo_clip
from tests.published_checkpoints import mirai as mirai_snapshots


@pytest.fixture(scope="module")
def data_folder(tmp_path_factory):
    """A data folder with two converted models that take small pictures."""
    folder, source = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("checkpoints")
    (folder / "models").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        for module, rows, columns in ((clip_layout, 384, 230), (mirai, 512, 416)):
            patch.setattr(module, "ROWS", rows)
            patch.setattr(module, "COLUMNS", columns)
        mammo_clip(source / "b2.tar")
        words = [
            "[PAD]",
            "[UNK]",
            "[CLS]",
            "[SEP]",
            "[MASK]",
            "no",
            "mass",
            "malignancy",
            "suspicious",
            "calcification",
        ]
        (source / "vocab.txt").write_text("\n".join([*words, *(f"w{n}" for n in range(20))]), encoding="utf-8")
        convert("mammo-clip", [source / "b2.tar"], folder / "models/mammo-clip-b2.safetensors", source / "vocab.txt")
        convert("mirai", mirai_snapshots(source), folder / "models" / "mirai.safetensors")
    return folder


def ask(page, *titles):
    for title in titles:
        page.get_by_label(title, exact=True).check()
    page.click("#ask-others")


def test_other_models_answer_beside_ours_and_never_for_another_exam(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    wait_until_answered(page)
    page.click("[role=tab][data-page=model]")
    assert not page.is_visible("#ask-others"), "nothing of a model is shown before the reader asks"
    page.click("#show-model")
    page.wait_for_selector(".answers")
    wait_until_done(page, lambda: page.click("#ask-others"))
    assert "Choose at least one model" in page.inner_text("#others-answers")
    ask(page, "Mammo-CLIP B2", "Mirai")
    page.wait_for_selector(".compared")
    mass = page.inner_text(".compared tbody.mass").splitlines()
    assert any(line.startswith("Mammo-CLIP B2") for line in mass) and "from prompts, not calibrated" in "".join(mass)
    assert "not answered: Mirai" in page.inner_text(".compared tbody.mass tr:last-child"), "Mirai knows no mass"
    risk = page.inner_text(".compared tbody.risk")
    assert "Mirai" in risk and "% in 1 y" in risk and "% in 5 y" in risk and "not calibrated here" in risk
    assert "ignores any that are given" in page.text_content(".compared")
    wait_until_opened(page, lambda: page.click("#demo-film"))
    wait_until_answered(page)
    assert page.text_content("#others-answers").strip() == ""


def test_a_model_is_fetched_only_with_its_terms_accepted(page):
    page.click("button[role=tab]:has-text('About')")
    page.wait_for_selector("#published-mirai")
    assert "on this machine" in page.inner_text("#published-mirai")
    assert "not fetched" in page.inner_text("#published-mammo-fm") and "contradict" in page.inner_text(
        "#published-mammo-fm"
    )
    page.click("#fetch-model input")
    wait_until_done(page, lambda: page.click("[role=option]:has-text('Mammo-FM (Mayo)')"))
    assert "no hosting or serving to others" in page.inner_text("#accept-terms")
    wait_until_done(page, lambda: page.click("#fetch"))
    assert "Read them, and accept them" in page.inner_text("#fetch-job")
    page.check("#accept-terms input")
    page.click("#fetch")  # this machine is offline, which the worker says
    page.wait_for_selector("#fetch-job [data-state=failed]")
    assert "HF_HUB_OFFLINE" in page.inner_text("#fetch-job")
