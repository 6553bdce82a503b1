"""What answers and heads promise: each test fails when the promise is taken out of the code."""

import numpy as np
import pytest
import torch

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality
from mvmlm.finetuning.embeddings import embed_exams, width_without_views
from mvmlm.finetuning.fit import fit_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.model.view_fusion import Fused
from mvmlm.store.archive import import_exams
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, TASKS, Level
from tests.test_load import write_four


@pytest.mark.parametrize("depth", ["linear", "mlp"])
def test_the_two_classes_of_a_binary_task_weigh_alike(depth, one_thread):
    """Without a cause in the features and with 5 % positives, the fitted answer lies near one half, not near 5 %."""
    rng = np.random.default_rng(1)
    features = rng.normal(size=(400, 6)).astype(np.float32)
    labels = (np.arange(400) % 20 == 0).astype(np.float32)
    exams, patients = tuple(map(str, range(400))), np.array([f"p{index}" for index in range(400)])
    cases = LabelledEmbeddings(
        TASK["mass"], features, labels, exams, ("R",) * 400, patients, np.zeros(400, bool), ({},) * 400
    )
    head = fit_head(cases, depth, 100.0, 0)
    with torch.inference_mode():
        assert 0.35 < float(torch.sigmoid(head(torch.from_numpy(features))).mean()) < 0.65


def test_prompts_of_an_exam_are_answered_by_the_breasts_that_were_read(predictor):
    torch.manual_seed(0)
    breasts = torch.randn(1, 2, width_without_views(predictor, Level.BREAST))
    views = torch.randn(1, 3, predictor.model.fusion.views_width)
    fused = Fused(breasts, torch.randn(1, width_without_views(predictor, Level.EXAM)), views)
    changed = fused._replace(breasts=breasts * torch.tensor([[[1.0], [-3.0]]]))
    density = [task for task in TASKS if task.name == "density"]
    both, right = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    answer = predictor.zero_shot.class_probabilities
    with torch.inference_mode():
        assert torch.equal(answer(fused, right, density)["density"], answer(changed, right, density)["density"])
        assert not torch.allclose(answer(fused, both, density)["density"], answer(changed, both, density)["density"])


def test_a_breast_without_views_takes_no_part_in_the_prompts_of_the_exam(predictor, phantom, monkeypatch):
    right = Exam({name: view for name, view in phantom.exam.views.items() if name.laterality is Laterality.RIGHT})
    seen, plain = [], predictor.zero_shot.class_probabilities
    monkeypatch.setattr(
        predictor.zero_shot,
        "class_probabilities",
        lambda fused, read, tasks: seen.append(read) or plain(fused, read, tasks),
    )
    predictor.predict(right)
    predictor.predict(phantom.exam)
    assert [read.tolist() for read in seen] == [[[True, False]], [[True, True]]]


def test_a_stored_embedding_is_of_the_exams_own_files(tmp_path, decoder, small_predictor):
    write_four(tmp_path / "files")
    store = Store(tmp_path / "data")
    (outcome,) = import_exams(store, [tmp_path / "files"], decoder, "ann")
    go_on = lambda share, message: False  # noqa: E731
    embedded, problems = embed_exams(store, small_predictor, decoder, [outcome.number], go_on)
    assert list(embedded) == [outcome.number] and not problems
    with store.file.transaction() as conn:
        conn.execute("UPDATE views SET sha256 = 'another file' WHERE view = ?", [str(STANDARD_VIEWS[0])])
    embedded, problems = embed_exams(store, small_predictor, decoder, [outcome.number], go_on)
    assert not embedded and "not the one that was stored" in problems[0]
    store.close()
