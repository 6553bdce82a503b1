"""The steps before and after training: record and vocabulary before it, the risk head after it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from ..exam import STANDARD_VIEWS, Laterality
from ..model.config import PHANTOMS, WOMEN, Preset, WeightsRecord
from ..model.heads import Head
from ..model.hf_text_tower import hub_vocabulary
from ..model.network import MVMLM
from ..model.objective import task_loss
from ..model.view_fusion import Fused
from ..report.writer import drop_random_fields, write_report
from ..tasks import TASK, TASKS, Kind
from .batches import Batch, label_tensor, make_batch
from .exam_cache import Labels
from .joined_exams import TrainingExams
from .taught_tasks import untaught_tasks

EXAMS_AT_ONCE = 16
EXAMS_FOR_STATISTICS = 100
REPORTS_PER_BREAST = 4  # of which the vocabulary is made
# best C-index of weight decays 0.1 to 60 and of 300 and 600 steps, in 4-fold cross-validation on phantoms
RISK_WEIGHT_DECAY, RISK_STEPS = 2.0, 300


def new_record(
    name: str, version: str, preset: Preset, train: TrainingExams, training: dict[str, Any]
) -> WeightsRecord:
    """Return the record of weights to be trained on `train`, and set the cache's mean and std to the record's.

    Tasks of which fewer than two classes are known are left out of the record: they are not trained. training:
    free-form facts about the training, such as data, seed and command; the prevalence of each binary task is added, and
    `not_taught`, the reason for each task that is left out. So is on whom risk was learned, unless `training` says it.
    """
    chosen = range(0, len(train), max(1, len(train) // EXAMS_FOR_STATISTICS))
    sample = np.stack([train.views(index) for index in chosen]).astype(np.float32) / 255 * train.preprocessing.ceiling
    train.preprocessing = replace(
        train.preprocessing, mean=round(float(sample.mean()), 4), std=round(float(sample.std()), 4)
    )
    not_taught = untaught_tasks(train.labels)
    taught = tuple(task.name for task in TASKS if task.name not in not_taught)
    binary = [name for name in taught if TASK[name].kind is Kind.BINARY]
    prevalence = {name: round(float(label_tensor(name, train.labels).nanmean()), 4) for name in binary}
    if "risk" in taught:
        training = {"risk_learned_on": risk_learned_on(train.labels)} | training
    if women_one_breast(train):
        training = {"women_one_breast": True} | training
    training = training | {"prevalence": prevalence, "not_taught": not_taught}
    hub_model = preset.text_cfg.get("hub_model")
    tokens: tuple[int | str, ...] = hub_vocabulary(hub_model) if hub_model else vocabulary(train)
    return WeightsRecord(name, version, preset, train.preprocessing, taught, tokens, training)


def risk_learned_on(labels: Sequence[Labels]) -> str:
    """Return whether the women among training exams are enough to learn risk from: config.WOMEN, else PHANTOMS."""
    women = [label for label in labels if not label.phantom]
    return WOMEN if women and "risk" not in untaught_tasks(women) else PHANTOMS


def women_one_breast(train: TrainingExams) -> bool:
    """Return whether there are women among training exams, and each of their exams holds one breast alone."""
    women = train.present[[not label.phantom for label in train.labels]]
    of_side = [[name.laterality is side for name in STANDARD_VIEWS] for side in Laterality]
    return len(women) > 0 and not any(all(exam[side].any() for side in of_side) for exam in women)


def learned_from(data_set: str, labels: Sequence[Labels]) -> dict[str, str]:
    """Return how many exams of a data set are women's and how many are phantoms', for the record."""
    phantoms = sum(label.phantom for label in labels)
    counts = {data_set: len(labels) - phantoms, PHANTOMS: phantoms}
    return {name: f"{count} exams" for name, count in counts.items() if count}


def vocabulary(train: TrainingExams) -> tuple[int, ...]:
    """Return the BPE tokens of several wordings of the training reports, their paraphrases, and all tasks' prompts."""
    bpe, rng = SimpleTokenizer(), random.Random(0)
    tokens: set[int] = set()
    for label in train.labels:
        for side, findings in label.findings.items():
            for _ in range(REPORTS_PER_BREAST):
                tokens.update(bpe.encode(write_report(drop_random_fields(findings, rng), rng, side)))
    texts = [text for paraphrases in train.paraphrases.values() for text in paraphrases]
    texts += [prompt for task in TASKS for prompts in task.prompts.values() for prompt in prompts]
    for text in texts:
        tokens.update(bpe.encode(text))
    return tuple(sorted(tokens))


def fuse_exams(model: MVMLM, cache: TrainingExams, indices: Sequence[int]) -> tuple[Fused, Batch]:
    """Run the views of the exams at `indices`, not augmented, through tower and fusion; also return their batch."""
    batch = make_batch(cache, indices, model.record.tasks, None)
    pooled = model.image_tower.pool(*model.feature_maps(batch.images[batch.present]))
    return model.fusion(model.place_views(pooled, batch.present), batch.present), batch


@torch.inference_mode()
def embed_exams(model: MVMLM, cache: TrainingExams, indices: Sequence[int]) -> Tensor:
    """Return the exam embeddings (exams, exam_width) at `indices`, not augmented."""
    starts = range(0, len(indices), EXAMS_AT_ONCE)
    return torch.cat([fuse_exams(model, cache, indices[start : start + EXAMS_AT_ONCE])[0].exam for start in starts])


def refit_survival(model: MVMLM, cache: TrainingExams, name: str = "risk", steps: int = RISK_STEPS) -> None:
    """Fit a survival head anew on the frozen embeddings of all exams with a follow-up; changes the head in place.

    The joint training leaves its scale poor. Full batch, weight decay, from zero weights, deterministic.
    """
    chosen = [index for index in range(len(cache)) if cache.labels[index].risk is not None]
    embeddings = embed_exams(model, cache, chosen).clone()  # a clone can take part in autograd
    labels = label_tensor(name, [cache.labels[index] for index in chosen])
    head = model.heads[name].requires_grad_(True)
    assert isinstance(head, Head)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.fill_(-3.0)
    weight = {"params": [head.linear.weight], "weight_decay": RISK_WEIGHT_DECAY}
    bias = {"params": [head.linear.bias], "weight_decay": 0.0}
    optimizer = torch.optim.AdamW([weight, bias], lr=0.01)
    for _ in range(steps):
        optimizer.zero_grad()
        task_loss(TASK[name], head(embeddings), labels).backward()
        optimizer.step()
