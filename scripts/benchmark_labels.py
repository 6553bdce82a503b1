"""What a model's features reach with the labels of some women: draws of women, probes and short fine-tunings.

A case is one breast, so that how many views or breasts a woman has here tells nothing.
"""

from __future__ import annotations

from copy import copy, deepcopy
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from mvmlm.exam import SIDES, STANDARD_VIEWS
from mvmlm.model.network import MVMLM
from mvmlm.model.objective import task_loss
from mvmlm.pretraining.batches import make_batch
from mvmlm.pretraining.joined_exams import TrainingExams
from mvmlm.pretraining.optimizer import learning_rate_factor
from mvmlm.pretraining.record import EXAMS_AT_ONCE
from mvmlm.tasks import TASK, Level

PENALTY = 0.01  # C of the logistic regression
TUNE_STEPS, TUNE_BREASTS = 60, 8  # of a fine-tuning, whatever the number of labels
TRUNK_LR, OTHER_LR, WEIGHT_DECAY = 1e-4, 3e-4, 0.02
MOST_DRAWS = 1000


class Question(NamedTuple):
    """What is measured: its words in the tables, the data set, and the task that holds the label."""

    title: str
    source: str
    task: str


QUESTIONS = {
    "film": Question("malignant mass, film", "cbis-mass-800", "malignancy"),
    "cancer": Question("cancer, digital", "rsna-640", "malignancy"),
    "density": Question("density, digital", "rsna-640", "density"),
}


@dataclass(frozen=True, eq=False)
class Encoded:
    """The breasts of one data set and split as a model sees them.

    women: (n,) of each breast. pooled: (n, features) mean of its views' pooled features. fused: (n, width) the fused
    breast vector. trunk: (n, channels) mean of the trunk's last two scales over the breast. fine: (views, C, h, w) half
    precision, the views before the trunk's last stages. inside: (views, 1, h, w). breast: (views,) which breast a view
    is of.
    """

    women: np.ndarray
    pooled: np.ndarray
    fused: np.ndarray
    trunk: np.ndarray
    fine: Tensor
    inside: Tensor
    breast: Tensor


@torch.no_grad()
def encode(model: MVMLM, cache: TrainingExams) -> Encoded:
    """Return the breasts of a cache, each exam of which is one breast; its preprocessing is that of the model."""
    tower = model.image_tower
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(cache), EXAMS_AT_ONCE):
        indices = range(start, min(start + EXAMS_AT_ONCE, len(cache)))
        batch = make_batch(cache, indices, (), None)
        images = batch.images[batch.present]
        fine, coarse = tower.scales(images)
        inside = tower.inside(images, model.black, fine.shape[-2:])
        views = tower.pool(tower.join(fine, tower.coarse(coarse)), inside)
        plain = torch.cat([_mean_over(scale, images, model) for scale in (fine, coarse)], 1)
        breast = batch.present.nonzero()[:, 0]
        placed = model.place_views(views, batch.present)
        fused = model.fusion(placed, batch.present).breasts[_sides(batch.present)]
        means = (_mean_of_breasts(values, breast, len(indices)) for values in (views, plain))
        parts.append((*means, fused, fine.half(), inside, breast + start))
    pooled, trunk, fused, fine, inside, breast = (torch.cat(values) for values in zip(*parts, strict=True))
    women = np.array([name.rsplit(" ", 1)[0] for name in cache.names])
    return Encoded(women, pooled.numpy(), fused.numpy(), trunk.numpy(), fine, inside, breast)


def _mean_over(scale: Tensor, images: Tensor, model: MVMLM) -> Tensor:
    """The mean (n, C) of a scale (n, C, h, w) of the trunk over the breast in the images (n, 1, H, W)."""
    inside = model.image_tower.inside(images, model.black, scale.shape[-2:])
    return (scale * inside).sum((2, 3)) / inside.sum((2, 3)).clamp(min=1e-3)


def _mean_of_breasts(views: Tensor, breast: Tensor, breasts: int) -> Tensor:
    """The mean (breasts, features) of the views (n, features) of each breast; breast: (n,) which one a view is of."""
    total = views.new_zeros(breasts, views.shape[1]).index_add(0, breast, views)
    return total / torch.bincount(breast, minlength=breasts).clamp(min=1)[:, None]


def _sides(present: Tensor) -> Tensor:
    """(exams, 2) bool, which breast each exam has."""
    of_view = torch.tensor([SIDES.index(name.laterality) for name in STANDARD_VIEWS])
    has = torch.stack([present[:, of_view == side].any(1) for side in range(len(SIDES))], 1)
    assert bool((has.sum(1) == 1).all()), "an exam of these data sets is one breast"
    return has


def labels_of(task: str, cache: TrainingExams) -> np.ndarray:
    """Return the label of each breast as (n,) float, NaN for unknown."""
    unknown = float("nan")
    if TASK[task].level is Level.EXAM:
        return np.array([labels.exam.get(task, unknown) for labels in cache.labels], float)
    known = [{task: value for of in labels.breast.values() for task, value in of.items()} for labels in cache.labels]
    return np.array([of.get(task, unknown) for of in known], float)


def order_of_women(women: np.ndarray, labels: np.ndarray, first: int, seed: int) -> np.ndarray:
    """Return the women with a label in the order in which they give their labels.

    The order is drawn anew until the `first` women know every class; it depends on the seed, the women and their labels
    alone. Whoever takes more women takes the same ones first.
    """
    known = ~np.isnan(labels)
    classes = np.unique(labels[known])
    for number in range(MOST_DRAWS):
        order = np.random.default_rng([seed, number]).permutation(np.unique(women[known]))
        of_first = known & np.isin(women, order[:first])
        if len(np.unique(labels[of_first])) == len(classes):
            return order
    raise ValueError(f"No {first} women with every class were found. Take more exams.")


def breasts_of(women: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the indices of the breasts of some women whose label is known."""
    return np.flatnonzero(~np.isnan(labels) & np.isin(women, chosen))


def fit_probe(x: np.ndarray, y: np.ndarray) -> Any:
    """Return a logistic regression on standardised features. x: (n, features). y: (n,) classes."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000)).fit(x, y)


def probe(task: str, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the logits (m, outputs) of the cases `test` (m, features) from a probe of x and y."""
    scale, line = fit_probe(x, y)
    weight, bias = _as_linear(task, line)
    return scale.transform(test) @ weight.T + bias


def _as_linear(task: str, line: LogisticRegression) -> tuple[np.ndarray, np.ndarray]:
    """The weight (outputs, features) and bias (outputs,) of a logistic regression; a class it never saw scores low."""
    outputs = TASK[task].outputs
    if outputs == 1:
        return line.coef_, line.intercept_
    weight, bias = np.zeros((outputs, line.coef_.shape[1])), np.full(outputs, -20.0)
    classes = line.classes_.astype(int)
    if len(classes) == 2:
        weight[classes], bias[classes] = (
            np.outer((-0.5, 0.5), line.coef_[0]),
            line.intercept_[0] * np.array((-0.5, 0.5)),
        )
    else:
        weight[classes], bias[classes] = line.coef_, line.intercept_
    return weight, bias


class TunedTower(nn.Module):
    """A copy of the image tower's layers after its fine scale, and a linear head on the mean of a breast's views."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, model: MVMLM, task: str, encoded: Encoded, chosen: np.ndarray, y: np.ndarray):
        """Copy the layers; the head starts as the probe of the pooled features of the `chosen` breasts and labels y."""
        super().__init__()
        trunk: Any = model.image_tower.trunk
        tower = copy(model.image_tower)  # the trunk up to the fine scale is shared, what is trained is copied
        tower._modules = {name: deepcopy(of) for name, of in tower._modules.items() if name != "trunk"}
        self.blocks = deepcopy(trunk.blocks[trunk.feature_info.get_dicts()[-2]["stage"] :])
        self.coarse, self.fine, self.norm, self.evidence = tower.coarse, tower.fine, tower.norm, tower.evidence
        self._tower = [tower]  # a list, so that it adds no parameters of its own
        scale, line = fit_probe(encoded.pooled[chosen], y)
        weight, bias = _as_linear(task, line)
        self.head = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(weight))
            self.head.bias.copy_(torch.from_numpy(bias))
        self.register_buffer("mean", torch.from_numpy(scale.mean_).float())
        self.register_buffer("deviation", torch.from_numpy(scale.scale_).float())
        self.requires_grad_(True).eval()  # the statistics of normalisation stay those of pretraining

    def forward(self, encoded: Encoded, chosen: np.ndarray) -> Tensor:
        """Return the logits (m, outputs) of the `chosen` breasts, in their order."""
        (tower,) = self._tower
        at = [torch.nonzero(encoded.breast == index)[:, 0] for index in chosen.tolist()]
        views = torch.cat(at)
        breast = torch.repeat_interleave(torch.arange(len(at)), torch.tensor([len(of) for of in at]))
        fine, inside = encoded.fine[views].float(), encoded.inside[views]
        coarse = fine
        for block in self.blocks:
            coarse = block(coarse)
        pooled = tower.pool(tower.join(fine, self.coarse(coarse)), inside)
        return self.head((_mean_of_breasts(pooled, breast, len(at)) - self.mean) / self.deviation)


def fine_tune(
    model: MVMLM, task: str, learn: Encoded, chosen: np.ndarray, y: np.ndarray, test: Encoded, seed: int
) -> np.ndarray:
    """Return the logits (m, outputs) of the breasts of `test` after a short training of the tower's last stages.

    learn: breasts to learn from, of which `chosen` (n,) have the labels y (n,). The head starts as their probe.
    """
    tuned, rng = TunedTower(model, task, learn, chosen, y), np.random.default_rng(seed)
    trunk = list(tuned.blocks.parameters())
    others = [value for name, value in tuned.named_parameters() if not name.startswith("blocks.")]
    groups = [{"params": trunk, "peak": TRUNK_LR}, {"params": others, "peak": OTHER_LR}]
    optimizer = torch.optim.AdamW(groups, lr=TRUNK_LR, weight_decay=WEIGHT_DECAY)
    passes = -(-TUNE_STEPS * TUNE_BREASTS // len(chosen))
    order = np.concatenate([rng.permutation(len(chosen)) for _ in range(passes)])
    for step in range(TUNE_STEPS):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate_factor(step, TUNE_STEPS, max(1, TUNE_STEPS // 10))
        drawn = order[step * TUNE_BREASTS : (step + 1) * TUNE_BREASTS]
        optimizer.zero_grad()
        labels = torch.from_numpy(y[drawn]).float()
        task_loss(TASK[task], tuned(learn, chosen[drawn]), labels).backward()
        optimizer.step()
    with torch.inference_mode():
        starts = range(0, len(test.women), EXAMS_AT_ONCE)
        every = np.arange(len(test.women))
        return torch.cat([tuned(test, every[start : start + EXAMS_AT_ONCE]) for start in starts]).numpy()


def only(encoded: Encoded, breasts: np.ndarray) -> Encoded:
    """Return some of the breasts."""
    views = torch.isin(encoded.breast, torch.from_numpy(breasts))
    number = torch.full((len(encoded.women),), -1)
    number[breasts] = torch.arange(len(breasts))
    return replace(
        encoded, women=encoded.women[breasts], pooled=encoded.pooled[breasts], fused=encoded.fused[breasts],
        trunk=encoded.trunk[breasts], fine=encoded.fine[views], inside=encoded.inside[views],
        breast=number[encoded.breast[views]],
    )  # fmt: skip
