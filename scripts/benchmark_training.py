"""Measure how training exams are loaded, and that chunks, processes and absent views do not change a training.

    python scripts/benchmark_training.py [--exams 16]

Prints a table. Exams are loaded at the input size of the preset b5. Gradients and processes: the demo preset at a small
input, in training mode with dropout. Absent views: the bundled weights. All exams are phantoms.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import torch
from demo_exams import lesion_boxes, phantom_labels
from torch import Tensor

from mvmlm.commands.command import recorded_command
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import BUNDLED, load_weights
from mvmlm.phantom import PhantomExam, phantom_exams
from mvmlm.pretraining.batches import Batch, BatchLoader
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, to_cached_exam
from mvmlm.pretraining.normalisation import measure_statistics
from mvmlm.pretraining.record import new_record
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.step import add_gradients, embed
from mvmlm.pretraining.train import pretrain
from mvmlm.tasks import TASK, Kind

SMALL = Preprocessing(96, 60)
PER_BATCH, SEED = 4, 1


def write_exams(folder: Path, phantoms: list[PhantomExam], n: int, preprocessing: Preprocessing) -> ExamCache:
    """Return a cache of `n` exams: the phantoms, again and again."""
    made = [to_cached_exam(phantom.exam, preprocessing, lesion_boxes(phantom)) for phantom in phantoms]
    with ExamCacheWriter(folder, preprocessing) as writer:
        for number in range(n):
            phantom, (views, present, boxes) = phantoms[number % len(made)], made[number % len(made)]
            writer.add(f"exam {number}", views, present, replace(phantom_labels(phantom), boxes=boxes))
    return ExamCache(folder)


def print_loading(cache: ExamCache) -> None:
    """Print the time of making batches with 0, 1 and 2 workers, after the first batch."""
    steps = len(cache) // PER_BATCH
    for workers in (0, 1, 2):
        loader = BatchLoader(cache, tuple(TASK), SEED, PER_BATCH, epochs=1, workers=workers)
        list(loader.batches(0))
        began, began_cpu = time.perf_counter(), time.process_time()
        for step in range(1, steps):
            list(loader.batches(step))
        exams = PER_BATCH * (steps - 1)
        wall, own = time.perf_counter() - began, time.process_time() - began_cpu
        loader.close()
        size = f"{cache.preprocessing.rows} × {cache.preprocessing.columns}"
        print(f"| making batches of {size}, {workers} workers: wall | {1000 * wall / exams:.0f} ms an exam |")
        print(f"| … of which the training process computes | {1000 * own / exams:.0f} ms an exam |", flush=True)


def small_record(train: ExamCache) -> WeightsRecord:
    """Return the record of the demo preset at the input size of `SMALL`."""
    demo = Preset.load("demo")
    vision = demo.vision_cfg | {"image_size": [SMALL.rows, SMALL.columns]}
    return new_record("benchmark", "0", replace(demo, vision_cfg=vision), train, {})


def gradient(model: MVMLM, batch: Batch, exams_at_once: int | None) -> Tensor:
    """Return the gradients of all parameters for a batch, in one row."""
    model.zero_grad()
    torch.manual_seed(SEED)
    add_gradients(model, batch, Schedule(exams_at_once=exams_at_once))
    return torch.cat([p.grad.double().flatten() for p in model.parameters() if p.grad is not None])


def print_gradient_caching(cache: ExamCache) -> None:
    """Print how far the gradients of a batch in chunks are from those of the whole batch."""
    torch.manual_seed(SEED)
    model = MVMLM(small_record(cache))
    measure_statistics(model, cache, SEED)
    model.train()
    (batch,) = BatchLoader(cache, tuple(TASK), SEED, 2 * PER_BATCH).batches(0)
    whole = gradient(model, batch, None)
    for exams_at_once in (1, 3):
        distance = 1 - torch.cosine_similarity(whole, gradient(model, batch, exams_at_once), dim=0).item()
        print(
            f"| 1 - cosine of gradients, whole and {exams_at_once} of {2 * PER_BATCH} exams at once | {distance:.1e} |"
        )


def train_process(rank: int, processes: int, port: int, dtype: torch.dtype, exams: Path, work: Path) -> None:
    """Train as one of several processes, as torchrun starts them."""
    variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes}
    if processes > 1:
        os.environ.update({name: str(value) for name, value in (variables | {"MASTER_PORT": port}).items()})
        os.environ["MASTER_ADDR"] = "127.0.0.1"
    torch.set_num_threads(1)

    def initialise(model: MVMLM) -> None:
        model.to(dtype)

    cache, schedule = ExamCache(exams), Schedule(seed=SEED, epochs=2, exams_per_batch=PER_BATCH, frozen_stages=0)
    pretrain(small_record(cache), initialise, cache, work, schedule, lambda line: None)
    if processes > 1:
        torch.distributed.destroy_process_group()


def print_processes(exams: Path, work: Path) -> None:
    """Print the relative difference of the loss of each step between one process and two.

    In float32 the rounding of the first step grows with every step; float64 shows that the sums are the same.
    """
    for dtype in (torch.float64, torch.float32):
        losses = []
        for processes in (1, 2):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            folder = work / f"{processes} processes {dtype}"
            torch.multiprocessing.spawn(train_process, (processes, port, dtype, exams, folder), nprocs=processes)
            lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            losses.append([json.loads(line)["loss"] for line in lines])
        steps = ", ".join(f"{abs(one - two) / one:.0e}" for one, two in zip(*losses, strict=True))
        print(f"| relative difference of the loss, 1 and 2 processes, {dtype}, by step | {steps} |", flush=True)


@torch.inference_mode()
def print_absent_views(cache: ExamCache) -> None:
    """Print how far P of a breast moves where another exam of its batch lacks three views, and whatever they hold."""
    model = load_weights(BUNDLED / "demo.safetensors")
    cache.preprocessing = model.record.preprocessing
    (batch,) = BatchLoader(cache, tuple(TASK), SEED, PER_BATCH).batches(0)
    whole, lacking, images = batch.present.clone(), batch.present.clone(), batch.images.clone()
    lacking[1:, 1:], images[1:, 1:] = False, 9.0
    whole[0] = lacking[0] = True
    for mode in ("use", "training"):
        model.train(mode == "training")
        answers = [
            embed(model, replace(batch, images=pixels, present=present, boxes=()), seeds=range(PER_BATCH)).logits
            for pixels, present in ((batch.images, whole), (images, lacking))
        ]
        largest = max(
            (answers[0][name][0].sigmoid() - answers[1][name][0].sigmoid()).abs().max().item()
            for name in answers[0]
            if TASK[name].kind is Kind.BINARY
        )
        print(f"| change of P of an exam where three views of each other one are absent, {mode} mode | {largest:.1e} |")


def main() -> None:
    """Print all measurements."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exams", type=int, default=16, help="exams that are loaded, 8 or more (default 16)")
    options = parser.parse_args()
    print(f"`{recorded_command('python scripts/benchmark_training.py', sys.argv[1:])}`\n\n| what | result |\n|---|---|")
    phantoms = list(phantom_exams(8, SEED, rows=320))
    rows, columns = Preset.load("b5").vision_cfg["image_size"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_loading(write_exams(folder / "large", phantoms[:2], options.exams, Preprocessing(rows, columns)))
        small = write_exams(folder / "small", phantoms, len(phantoms), SMALL)
        print_gradient_caching(small)
        print_processes(small.folder, folder)
        print_absent_views(write_exams(folder / "demo", phantoms, PER_BATCH, Preprocessing()))


if __name__ == "__main__":
    main()
