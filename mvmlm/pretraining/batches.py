"""Exams of the arrays -> batches: augmentation that a mammogram allows, and two fresh wordings of every breast's findings."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from ..exam import STANDARD_VIEWS, Laterality
from ..model.network import SIDES
from ..model.objective import NOTHING_TOLD
from ..report.findings import Findings
from ..report.writer import fewer_fields, write_report
from ..tasks import TASK, Kind, Level
from .exam_cache import ExamArrays, Labels, ModelBox

KEPT_FIELDS = (0.25, 0.6, 0.9)  # shares of the fields that a wording in training keeps: short texts are learned too


@dataclass(frozen=True)
class Batch:
    """images (exams, 4, 1, rows, columns), present (exams, 4), labels {task: as objective.task_loss takes them}, the findings
    that are said (in training with some fields left out) and two wordings of them, for each breast in the order right,
    left of each exam. places: (exam, Place) of each finding whose box is known, its view present."""

    images: Tensor
    present: Tensor
    labels: dict[str, Tensor]
    findings: list[Findings]
    wordings: tuple[list[str], list[str]]
    places: tuple[tuple[int, ModelBox], ...] = ()

    @property
    def keys(self) -> Tensor:
        """(exams, 2) int64, equal where the findings are; objective.NOTHING_TOLD where nothing is told. The same in every process."""
        silent = Findings()
        keys = [NOTHING_TOLD if found == silent else found.key for found in self.findings]
        return torch.tensor(keys, dtype=torch.int64).view(-1, len(SIDES))

    def subset(self, start: int, stop: int) -> Batch:
        """The exams from `start` to before `stop`."""
        breasts = slice(start * len(SIDES), stop * len(SIDES))
        return Batch(
            self.images[start:stop], self.present[start:stop],
            {name: values[start:stop] for name, values in self.labels.items()}, self.findings[breasts],
            tuple(texts[breasts] for texts in self.wordings),
            tuple((exam - start, place) for exam, place in self.places if start <= exam < stop),
        )  # fmt: skip


def make_batch(
    arrays: ExamArrays, indices: Sequence[int], tasks: Sequence[str], draws: Sequence[random.Random] | None
) -> Batch:
    """The exams at `indices`; with `draws`, one for each exam, they are augmented and a view is sometimes left out.

    An exam depends on its own draw only, so a batch is the same however it is spread over processes.
    """
    preprocessing, images, findings, wordings, places = arrays.preprocessing, [], [], ([], []), []
    present = torch.from_numpy(arrays.present[indices].copy())
    for exam, (row, index) in enumerate(zip(present, indices, strict=True)):
        rng = draws[exam] if draws else None
        views, marked = arrays.views(index), arrays.labels[index].places
        pixels, marked = augment(views, marked, rng) if rng else (views.astype(np.float32), marked)
        scaled = pixels / 255 * preprocessing.ceiling
        images.append((scaled - preprocessing.mean) / preprocessing.std)
        if rng and rng.random() < 0.15 and row.sum() > 1:
            row[rng.choice(row.nonzero().flatten().tolist())] = False
        places += [(exam, place) for place in marked if row[place.view]]
        for side in SIDES:
            found = arrays.labels[index].findings.get(side, Findings())
            paraphrases = arrays.rewordings.get(found.key) if arrays.rewordings else None
            if rng and paraphrases and rng.random() < 0.5:
                texts = rng.choice(paraphrases), write_report(found, rng, side)
            else:
                if rng:
                    found = fewer_fields(found, rng, rng.choice(KEPT_FIELDS))
                texts = [write_report(found, rng or random.Random(index), side) for _ in wordings]
            findings.append(found)
            for wording, text in zip(wordings, texts, strict=True):
                wording.append(text)
    labels = {name: label_tensor(name, [arrays.labels[index] for index in indices]) for name in tasks}
    stacked = torch.from_numpy(np.stack(images)).unsqueeze(2)
    return Batch(stacked, present, labels, findings, wordings, tuple(places))


def label_tensor(name: str, labels: list[Labels]) -> Tensor:
    """(exams,), (exams, 2) for a breast task, or (exams, 2) of years and event for survival; NaN where not known."""
    task, unknown = TASK[name], float("nan")
    if task.kind is Kind.SURVIVAL:
        return torch.tensor([label.risk or (unknown, unknown) for label in labels], dtype=torch.float32)
    if task.level is Level.EXAM:
        return torch.tensor([label.exam.get(name, unknown) for label in labels], dtype=torch.float32)
    rows = [[label.breast.get(side, {}).get(name, unknown) for side in SIDES] for label in labels]
    return torch.tensor(rows, dtype=torch.float32)


def augment(
    views: np.ndarray, places: Sequence[ModelBox], rng: random.Random
) -> tuple[np.ndarray, tuple[ModelBox, ...]]:
    """(4, rows, columns) uint8 -> the same shape float32 in 0..255, and the places moved along; what a mammogram allows.

    One affine for both views of a breast up to small differences, a slight elastic pull of a few pixels, intensity curve
    and noise for the whole exam, a small blur. Never a horizontal flip: the chest wall is on the left by the laterality rule.
    """
    rows, columns = views.shape[1:]
    out, moved_places = np.empty(views.shape, np.float32), []
    gamma, gain = np.exp(rng.gauss(0, 0.12)), np.exp(rng.gauss(0, 0.06))
    noise, blur, elastic = abs(rng.gauss(0, 2.0)), rng.random() < 0.25, rng.random() < 0.3
    turn = {side: (rng.gauss(0, 4), np.exp(rng.gauss(0, 0.06)), rng.gauss(0, 0.02) * rows) for side in Laterality}
    for index, name in enumerate(STANDARD_VIEWS):
        angle, scale, shift = turn[name.laterality]
        matrix = cv2.getRotationMatrix2D((0, rows / 2), angle + rng.gauss(0, 1), scale * np.exp(rng.gauss(0, 0.02)))
        matrix[:, 2] += (-abs(rng.gauss(0, 0.012)) * columns, shift)
        for place in places:
            if place.view == index:
                corners = (
                    np.array([(x, y, 1) for x in (place.left, place.right) for y in (place.top, place.bottom)])
                    @ matrix.T
                )
                moved_places.append(place._replace(**_box_of(corners)))
        moved = cv2.warpAffine(views[index], matrix, (columns, rows), flags=cv2.INTER_LINEAR)
        if elastic:
            moved = _elastic(moved, rng)
        moved = moved.astype(np.float32)
        curved = 255 * (moved / 255) ** gamma * gain
        if blur:
            curved = cv2.GaussianBlur(curved, (0, 0), rng.uniform(0.3, 0.8))
        grain = np.random.default_rng(rng.getrandbits(32)).standard_normal(curved.shape, dtype=np.float32)
        out[index] = np.clip(curved + noise * grain * (moved > 0), 0, 255)
    return out, tuple(moved_places)


def _box_of(corners: np.ndarray) -> dict[str, float]:
    (left, top), (right, bottom) = corners.min(0).tolist(), corners.max(0).tolist()
    return {"left": left, "top": top, "right": right, "bottom": bottom}


def _elastic(picture: np.ndarray, rng: random.Random) -> np.ndarray:
    """Moves tissue smoothly by up to about a hundredth of the picture; boxes are left, being wider than that."""
    rows, columns = picture.shape
    coarse = np.random.default_rng(rng.getrandbits(32)).normal(0, 0.006 * rows, (2, 7, 5)).astype(np.float32)
    dx, dy = (cv2.resize(part, (columns, rows), interpolation=cv2.INTER_CUBIC) for part in coarse)
    dx[:, : columns // 12] = np.maximum(dx[:, : columns // 12], 0)  # the chest wall stays at the edge
    across, down = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    return cv2.remap(picture, across + dx, down + dy, cv2.INTER_LINEAR)


def epoch_order(labels: Sequence[Labels], seed: Sequence[int], balance: float) -> np.ndarray:
    """The indices of one epoch, as many as there are exams.

    balance 0: each exam once. Above 0 exams are drawn with a chance that grows with their rarest finding:
    (1 / share of exams with it) ** balance, so that rare findings are seen more often and common ones still are.
    """
    rng = np.random.default_rng(list(seed))
    if balance == 0:
        return rng.permutation(len(labels))
    kinds = [{(kind, value) for known in label.breast.values() for kind, value in known.items()} for label in labels]
    counts = Counter(key for keys in kinds for key in keys)
    weight = np.array([max((len(labels) / counts[key] for key in keys), default=1.0) for keys in kinds]) ** balance
    return rng.choice(len(labels), len(labels), p=weight / weight.sum())
