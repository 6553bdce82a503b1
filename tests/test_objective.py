import math

import pytest
import torch
import torch.nn.functional as F
from open_clip.loss import ClipLoss

from mvmlm.exam import STANDARD_VIEWS, Laterality
from mvmlm.model.objective import (
    NO_REPORT,
    Embedded,
    LossWeights,
    box_loss,
    contrastive,
    mv_clip,
    presence_loss,
    survival_loss,
    task_loss,
)
from mvmlm.pretraining.batches import Batch
from mvmlm.report.findings import Finding, Findings
from mvmlm.tasks import TASK

SCALE = torch.tensor(10.0)


def equal(rows, columns):
    return torch.tensor([[row == column for column in columns] for row in rows])


def embeddings(n, seed=0):
    return F.normalize(torch.randn(n, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1)


def test_with_one_positive_each_it_is_clips_loss():
    a, b = embeddings(6), embeddings(6, 1)
    ours = contrastive(a, b, SCALE, torch.eye(6, dtype=torch.bool))
    assert torch.allclose(ours, ClipLoss()(a, b, SCALE.double()), atol=1e-12)


def test_a_hand_computed_value_with_two_equal_reports():
    a = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    keys = ["normal", "normal", "mass"]
    got = contrastive(a, a, torch.tensor(1.0), equal(keys, keys))
    pair = -(1 - math.log(2 * math.e + 1))  # each of the two equal ones has target 1/2, 1/2 over logits 1, 1, 0
    alone = -(1 - math.log(math.e + 2))
    assert got.item() == pytest.approx((2 * pair + alone) / 3, abs=1e-6)


def test_clips_rule_pushes_equal_normal_reports_apart_and_the_equal_findings_rule_does_not():
    normal = Findings("B", birads="1")
    keys = [normal, normal, Findings("C", (Finding("mass", "round"),), birads="3")]
    start = F.normalize(torch.tensor([[1.0, 0.1, 0], [1.0, -0.1, 0], [0, 0, 1.0]]), dim=1)
    texts = F.normalize(torch.tensor([[1.0, 0.1, 0], [1.0, -0.1, 0], [0, 0, 1.0]]), dim=1)

    def closeness_after_a_step(positives):
        images = start.clone().requires_grad_(True)
        contrastive(F.normalize(images, dim=1), texts, SCALE, positives).backward()
        moved = F.normalize(images - 0.05 * images.grad, dim=1).detach()
        return (moved[0] @ moved[1] - start[0] @ start[1]).item()

    assert closeness_after_a_step(torch.eye(3, dtype=torch.bool)) < 0
    assert closeness_after_a_step(equal(keys, keys)) >= 0


def test_equal_findings_have_equal_keys_and_no_findings_have_none():
    batch = Batch(None, None, {}, [Findings("A"), Findings("A"), Findings("B"), Findings()], ([], []))
    (first, second), (third, empty) = batch.keys.tolist()
    assert first == second != third and empty == NO_REPORT


def unit(*shape, seed):
    return F.normalize(torch.randn(*shape, 8, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_views_and_breasts_are_compared_with_both_wordings_of_their_report():
    present, keys = torch.tensor([[True] * 4, [True, False, True, False]]), torch.tensor([[1, 2], [3, NO_REPORT]])
    embedded = Embedded(
        views=unit(2, 4, seed=1), breasts=unit(2, 2, seed=2), first=unit(2, 2, seed=3), second=unit(2, 2, seed=4),
        keys=keys, present=present, box_losses=torch.zeros(1, 2), logits={}, labels={},
    )  # fmt: skip
    terms = mv_clip(embedded, SCALE, LossWeights(image_text=1.0, breast_text=1.0, text_text=1.0))
    reported = keys != NO_REPORT
    one_each = torch.eye(3, dtype=torch.bool)
    of_view = keys[:, [0 if name.laterality is Laterality.RIGHT else 1 for name in STANDARD_VIEWS]]
    used = present & (of_view != NO_REPORT)
    same = of_view[used][:, None] == keys[reported][None]
    views, breasts = embedded.views[used], embedded.breasts[reported]
    for term, images, positives in (("image_text", views, same), ("breast_text", breasts, one_each)):
        each = [contrastive(images, text[reported], SCALE, positives) for text in (embedded.first, embedded.second)]
        assert terms[term].item() == pytest.approx(float(each[0] + each[1]) / 2, abs=1e-6)
        assert abs(float(each[0] - each[1])) > 0.01
    other = contrastive(embedded.first[reported], embedded.second[reported], SCALE, one_each)
    assert terms["text_text"].item() == pytest.approx(float(other), abs=1e-6)


def test_box_loss_is_small_for_evidence_in_the_box_and_large_elsewhere():
    inside, box = torch.ones(1, 4, 4), torch.tensor([[0.0, 0.0, 0.5, 0.5]])
    even = box_loss(torch.zeros(1, 4, 4), inside, box)
    assert even.item() == pytest.approx(math.log(4)), "a quarter of the cells are in the box"
    strong = torch.zeros(1, 4, 4)
    strong[0, 1, 1] = 20
    assert box_loss(strong, inside, box).item() < 1e-6 and box_loss(strong.flip(2), inside, box).item() > 15
    assert box_loss(strong, inside, torch.tensor([[1.2, 1.2, 1.5, 1.5]])).item() == 0, "a box that left the picture"


def test_presence_loss_wants_evidence_in_the_marked_cells_and_none_elsewhere():
    inside, marked = torch.ones(1, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)
    marked[0, :2, :2] = True
    there = torch.where(marked, 6.0, -6.0)
    assert presence_loss(there, inside, marked).item() < 0.01
    assert presence_loss(there.flip(2), inside, marked).item() > 6, "elsewhere, and not there"
    assert presence_loss(torch.full((1, 4, 4), 6.0), inside, marked).item() > 5, "there, but elsewhere too"
    assert presence_loss(torch.full((1, 4, 4), -6.0), inside, marked).item() > 5, "nowhere"
    assert presence_loss(there, inside, torch.zeros_like(marked)).item() == 0, "a box that left the picture"
    assert presence_loss(there, inside * ~marked, marked).item() == 0, "a box beside the breast"
    outside = torch.where(marked, 6.0, 9.0)
    assert presence_loss(outside, inside * marked, marked).item() < 0.01, "what lies outside the breast does not count"


def test_unknown_labels_give_no_loss():
    logits = torch.zeros(3, 1, requires_grad=True)
    labels = torch.tensor([float("nan"), 1.0, float("nan")])
    assert task_loss(TASK["mass"], logits, labels).item() == pytest.approx(math.log(2))
    nothing = task_loss(TASK["mass"], logits, torch.full((3,), float("nan")))
    assert nothing.item() == 0 and nothing.requires_grad


def test_survival_loss_uses_the_years_before_censoring_and_all_years_of_an_event():
    logits = torch.zeros(4, 5, requires_grad=True)
    followed, event, unknown, soon = (2.5, 0.0), (3.2, 1.0), (float("nan"), float("nan")), (0.5, 0.0)
    loss = survival_loss(logits, torch.tensor([followed, event, unknown, soon]))
    loss.backward()
    assert loss.item() == pytest.approx(math.log(2))
    used = (logits.grad != 0).int().tolist()
    assert used == [[1, 1, 0, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]]
    signs = logits.grad[1].sign().tolist()
    assert signs == [1, 1, 1, -1, -1], "the event at 3.2 years counts as cancer within 4 and 5 years"
