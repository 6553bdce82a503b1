"""What the method brings, on phantoms: MV-MLM against supervised training and single-view CLIP, with few labels.

    python scripts/benchmark_model.py --work DIR [--exams 1200] [--epochs 3] [--rows 192] [--seeds 1] [--minutes 60]

Every run starts from the same ImageNet tower and sees the same exams (seed 1). Pretraining (clip, mv-mlm and its ablations)
uses no label of malignancy or risk: it sees reports, written from the findings table, and mv-mlm also the boxes of that
table. Labels of 1 %, 10 % or all exams then fit a linear probe on frozen features, or fine-tune.
Tests are on exams of seed 100 that no training saw, and on shifted ones (seed 101). Runs are kept in DIR/results.json
and not done again; a run that was stopped resumes. --minutes: no new run begins after this time.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import cv2
import numpy as np
import torch
from train_demo import imagenet_start, make_arrays

from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.metrics import auc, auc_by_year, concordance, kappa, macro_auc
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.model.config import Preset
from mvmlm.model.network import MVMLM, Head
from mvmlm.model.objective import LossWeights, task_loss
from mvmlm.pretraining.batches import label_tensor
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter
from mvmlm.pretraining.record import fuse_exams, new_record
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.train import pretrain
from mvmlm.report.writer import write_report
from mvmlm.tasks import TASK, Kind, Level

REPORTS = LossWeights(labels=0.0)
LABELS = LossWeights(image_text=0.0, breast_text=0.0, image_image=0.0, text_text=0.0, boxes=0.0)
ONE_WORDING = "one wording only"
PRETRAININGS = {
    "mv-mlm": REPORTS,
    "clip, one view": replace(
        REPORTS, breast_text=0.0, image_image=0.0, text_text=0.0, boxes=0.0, equal_findings=False
    ),
    "without image-image": replace(REPORTS, image_image=0.0),
    "without text-text": replace(REPORTS, text_text=0.0),
    "without the equal-findings rule": replace(REPORTS, equal_findings=False),
    "without fusion": replace(REPORTS, breast_text=0.0),
    "without places": replace(REPORTS, boxes=0.0),
    ONE_WORDING: REPORTS,
}
MAIN = ("mv-mlm", "clip, one view")
SHARES = (0.01, 0.1, 1.0)
TASKS = ("malignancy", "mass", "calcification", "asymmetry", "distortion", "birads", "density", "risk")


def shrunk(source: ExamCache, folder: Path, rows: int, share: float = 1.0) -> ExamCache:
    """The same exams at `rows`, the first `share` of them."""
    factor = rows / source.preprocessing.rows
    small = replace(source.preprocessing, rows=rows, columns=round(source.preprocessing.columns * factor))
    small = Preprocessing(small.rows, small.columns)
    with ExamCacheWriter(folder, small) as writer:
        for index in range(len(writer.done), max(1, round(share * len(source)))):
            views = np.stack(
                [
                    cv2.resize(view, (small.columns, small.rows), interpolation=cv2.INTER_AREA)
                    for view in source.views(index)
                ]
            )
            moved = [
                p._replace(left=p.left * factor, top=p.top * factor, right=p.right * factor, bottom=p.bottom * factor)
                for p in source.labels[index].boxes
            ]
            writer.add(
                source.names[index], views, source.present[index], replace(source.labels[index], boxes=tuple(moved))
            )
    return ExamCache(folder)


def trained(name, weights, arrays, options, seed, start=None) -> MVMLM:
    """A run of `pretrain` in its own folder, from the ImageNet tower or from `start`."""
    record = new_record(name, "benchmark", preset(options), arrays, {})
    per_batch = min(16, len(arrays))
    steps = max(40, options.epochs * len(arrays) // per_batch)  # a hundredth of the exams is seen many times over
    schedule = Schedule(
        epochs=-(-steps * per_batch // len(arrays)),
        exams_per_batch=per_batch,
        bf16=True,
        warmup_steps=min(60, steps // 5),
    )

    def begin(model):
        if start is None:
            imagenet_start(model)
        else:
            state = {
                k: v for k, v in start.state_dict().items() if not k.startswith(("heads.", "text_tower.", "reference"))
            }
            model.load_state_dict(state, strict=False)

    folder = options.work / "runs" / f"{name} seed {seed}".replace(" ", "_").replace(",", "")
    with patch("mvmlm.pretraining.batches.write_report", _said_once) if name == ONE_WORDING else nullcontext():
        return pretrain(
            record,
            begin,
            arrays,
            folder,
            schedule,
            weights,
            seed,
            lambda line: print(f"  {name}: {line[:60]}", flush=True),
        )


def _said_once(findings, rng, side) -> str:
    """The report always in the same words."""
    return write_report(findings, random.Random(0), side)


def preset(options) -> Preset:
    demo = Preset.load("demo")
    return replace(demo, vision_cfg=demo.vision_cfg | {"image_size": [options.rows, round(options.rows * 0.625)]})


@torch.inference_mode()
def features(model: MVMLM, arrays: ExamCache, fused: bool) -> dict[Level, np.ndarray]:
    """breast (exams, 2, width) and exam (exams, width); without fusion the mean of the view embeddings."""
    arrays.preprocessing = model.record.preprocessing
    breasts, exams = [], []
    for first in range(0, len(arrays), 16):
        got, batch = fuse_exams(model, arrays, list(range(first, min(first + 16, len(arrays)))))
        if not fused:
            pooled = model.image_tower.pool(*model.feature_maps(batch.images.flatten(0, 1))).unflatten(0, (-1, 4))
            breast = torch.stack([pooled[:, [0, 2]].mean(1), pooled[:, [1, 3]].mean(1)], 1)
            got = got._replace(breasts=breast, exam=breast.mean(1))
        breasts.append(got.breasts)
        exams.append(got.exam)
    return {Level.BREAST: torch.cat(breasts).numpy(), Level.EXAM: torch.cat(exams).numpy()}


def probe(task: str, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Logits (n, classes) of a linear head with weight decay on standardised features; deterministic.

    x (m, width), y (m,), or (m, 2) for survival, NaN where not known; test (n, width).
    """
    mean, std = x.mean(0), x.std(0) + 1e-6
    inputs, labels = torch.from_numpy((x - mean) / std).float(), torch.from_numpy(y).float()
    head = Head(TASK[task], inputs.shape[1])
    torch.nn.init.zeros_(head.linear.weight), torch.nn.init.zeros_(head.linear.bias)
    optimiser = torch.optim.LBFGS(head.parameters(), max_iter=200)

    def closure():
        optimiser.zero_grad()
        loss = task_loss(TASK[task], head(inputs), labels) + 0.02 * (head.linear.weight**2).sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    with torch.no_grad():
        return head(torch.from_numpy((test - mean) / std).float()).numpy()


def labels_of(task: str, arrays: ExamCache) -> np.ndarray:
    return label_tensor(task, arrays.labels).numpy()


def score(task: str, truth: np.ndarray, scores: np.ndarray) -> dict[str, dict]:
    """{column of the table: value and interval}; scores are logits. Rows of a breast task are resampled by exam."""
    kind, exams = TASK[task].kind, np.arange(len(truth))
    if kind is Kind.SURVIVAL:
        known = ~np.isnan(truth[:, 0])
        (years, events), scores, clusters = truth[known].T, scores[known], exams[known]
        metrics = {"risk C": lambda rows: concordance(years[rows], events[rows], scores[rows, -1])}
        for index, year in enumerate(TASK[task].classes):
            metrics[f"risk AUC {year} y"] = lambda rows, i=index, y=int(year): auc_by_year(
                years[rows], events[rows], scores[rows, i], y
            )
    else:
        clusters = np.repeat(exams, truth.size // len(truth))
        truth, scores = truth.reshape(-1), scores.reshape(len(clusters), -1)
        if kind is Kind.BINARY:
            metrics = {task: lambda rows: auc(truth[rows], scores[rows, -1])}
        else:
            metrics = {
                task: lambda rows: macro_auc(truth[rows], scores[rows]),
                f"{task} kappa": lambda rows: kappa(truth[rows], scores[rows].argmax(1), scores.shape[1]),
            }
    found = {name: bootstrap_interval(metric, clusters, 0) for name, metric in metrics.items()}
    return {
        name: dict(zip(("value", "low", "high"), (round(v, 4) for v in values), strict=True))
        for name, values in found.items()
    }


def probes(model, train, tests, fused, share, seed) -> dict:
    """{test set: {task: score}} of linear probes on `share` of the training labels."""
    chosen = np.random.default_rng([seed, round(1000 * share)]).permutation(len(train))[
        : max(8, round(share * len(train)))
    ]
    own, others = features(model, train, fused), {name: features(model, test, fused) for name, test in tests.items()}
    out = {name: {} for name in tests}
    for task in TASKS:
        level, y = TASK[task].level, labels_of(task, train)[chosen]
        x = own[level][chosen]
        if len(np.unique(y[~np.isnan(y)])) < 2:
            continue
        flat, labels = x.reshape(-1, x.shape[-1]), y if TASK[task].kind is Kind.SURVIVAL else y.reshape(-1)
        for name, test in tests.items():
            z = others[name][level]
            scores = probe(task, flat, labels, z.reshape(-1, z.shape[-1]))
            out[name] |= score(task, labels_of(task, test), scores.reshape(*z.shape[:-1], -1))
    return out


@torch.inference_mode()
def answers(model: MVMLM, tests: dict[str, ExamCache], by_prompt: bool) -> dict:
    """{test set: {task: score}} of the heads, or of the ready-made prompts."""
    texts = {
        t: torch.stack(
            [torch.nn.functional.normalize(model.embed_texts(list(s)).mean(0), dim=0) for s in TASK[t].prompts.values()]
        )
        for t in TASKS
        if TASK[t].prompts
    }
    out = {}
    for name, test in tests.items():
        test.preprocessing, found = model.record.preprocessing, {}
        for first in range(0, len(test), 16):
            fused, _ = fuse_exams(model, test, list(range(first, min(first + 16, len(test)))))
            if by_prompt:
                breasts = model.embed_breasts(fused)
                for task, text in texts.items():
                    like = breasts @ text.T
                    binary = TASK[task].kind is Kind.BINARY
                    likeness = (
                        like.mean(1)
                        if TASK[task].level is Level.EXAM
                        else (like[..., :1] - like[..., 1:2])
                        if binary
                        else like
                    )
                    found.setdefault(task, []).append(likeness)
            else:
                for task, logits in model.answer(fused).items():
                    if task in TASKS:
                        found.setdefault(task, []).append(logits)
        out[name] = {}
        for task, parts in found.items():
            out[name] |= score(task, labels_of(task, test), torch.cat(parts).numpy())
    return out


def rows_of(results: dict) -> list[str]:
    columns = list(
        dict.fromkeys(column for tests in results.values() for scores in tests.values() for column in scores)
    )
    lines = ["| run | test | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for run, tests in results.items():
        for test, scores in tests.items():
            cells = [
                f"{s['value']:.3f} ({s['low']:.3f}–{s['high']:.3f})" if (s := scores.get(column)) else "–"
                for column in columns
            ]
            lines.append(f"| {run} | {test} | " + " | ".join(cells) + " |")
    return lines


def one_seed(seed: int, whole: ExamCache, train: ExamCache, tests: dict[str, ExamCache], options, keep) -> None:
    """All runs of one training seed; keep(name, run) decides whether a run is needed and keeps what it gives."""

    @lru_cache(maxsize=1)
    def model_of(name):
        return trained(name, PRETRAININGS[name], train, options, seed)

    def part_of(share):
        folder = options.work / f"small {options.rows}" / f"train {share:g}"
        return shrunk(whole, folder, options.rows, share * len(train) / len(whole))

    def supervised(share, start):
        name = "supervised" if start is None else "fine-tuned"
        return answers(
            trained(f"{name} {share:g}", LABELS, part_of(share), options, seed, start), tests, by_prompt=False
        )

    for name in PRETRAININGS:
        fused = name not in ("clip, one view", "without fusion")
        if fused:
            keep(
                f"{name}, zero-shot, seed {seed}", partial(lambda n: answers(model_of(n), tests, by_prompt=True), name)
            )
        for share in SHARES if name in MAIN else SHARES[::2]:
            run = partial(lambda n, f, s: probes(model_of(n), train, tests, f, s, seed), name, fused, share)
            keep(f"{name}, probe {share:.0%}, seed {seed}", run)
        if name == MAIN[-1]:
            for share in SHARES:
                keep(f"supervised {share:.0%}, seed {seed}", partial(supervised, share, None))
                keep(
                    f"mv-mlm, fine-tuned {share:.0%}, seed {seed}",
                    partial(lambda s: supervised(s, model_of("mv-mlm")), share),
                )


HEADER = """# What the method brings, on phantoms

Not the bundled weights: a smaller input ({options.rows} rows), {options.exams} training exams, {options.epochs} epochs, {seeds}. 95 % intervals resample
the {options.test_exams} test exams only, not the training, so two rows whose intervals nearly touch are not told apart. "shifted" is a machine outside the
training range. mv-mlm learned from reports and places, without any label of malignancy or risk; percentages are of the
labels that a probe or a fine-tuning was given. The supervised and single-view rows had no places, so their gap to mv-mlm is partly
the places': read it beside "without places". A row that is not here was not measured.

Command (resumes where it was): `python scripts/benchmark_model.py --work DIR --exams {options.exams} --epochs {options.epochs} --rows {options.rows} --seeds {options.seeds}`
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--exams", type=int, default=1200)
    parser.add_argument("--test-exams", type=int, default=200)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=192, help="of the input; the bundled weights have 384")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--out", type=Path, default=ROOT / "assets" / "BENCHMARK.md")
    options = parser.parse_args()
    began, path = time.monotonic(), options.work / "results.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    whole = make_arrays(options.work / "train", options.exams, seed=1)
    train = shrunk(
        whole, options.work / f"small {options.rows}" / "train", options.rows, min(1.0, options.exams / len(whole))
    )
    tests = {}
    for name, seed, shift in (("unseen", 100, False), ("shifted", 101, True)):
        full = make_arrays(options.work / name, options.test_exams, seed, shift=shift)
        tests[name] = shrunk(full, options.work / f"small {options.rows}" / name, options.rows)

    def keep(name, run):
        if name in results:
            return
        if time.monotonic() - began > 60 * options.minutes:
            print(f"out of time before: {name}")
            return
        results[name] = run()
        path.write_text(json.dumps(results, indent=1))
        print("\n".join(rows_of({name: results[name]})[2:]), flush=True)

    for seed in range(1, options.seeds + 1):
        one_seed(seed, whole, train, tests, options, keep)
    table = "\n".join(rows_of(results))
    said = HEADER.format(options=options, seeds=f"{options.seeds} training seed{'s' if options.seeds > 1 else ''}")
    options.out.write_text(f"{said}\n{table}\n")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()
