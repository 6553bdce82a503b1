"""Compare the method with supervised training, single-view CLIP and ablations on phantoms, with few labels.

    python scripts/benchmark_model.py --work DIR [--exams 1200] [--epochs 3] [--rows 192] [--seeds 1] [--minutes 60]

Every run starts from the same ImageNet tower and sees the same exams (seed 1). Pretraining (clip, mv-mlm and its
ablations) uses no label of malignancy or risk: it gets reports, written from the findings table, and mv-mlm also the
boxes of that table. Then a linear probe on frozen features, or a fine-tuning of the whole model, gets the labels of 1
%, 10 % or all of the exams. The test sets are exams of seed 100, which no training used, and shifted exams (seed 101).
Results are stored in DIR/results.json and not computed again; an interrupted run resumes. --minutes: no run begins
after this time.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import cv2
import numpy as np
import torch
from demo_exams import cache_phantoms
from torch import Tensor
from train_demo import run_script

from mvmlm.commands.command import recorded_command
from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.metrics import auc, auc_by_year, concordance, kappa, macro_auc
from mvmlm.exam import Laterality
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.inference.zero_shot import ZeroShot
from mvmlm.model.config import Preset
from mvmlm.model.network import MVMLM, Fused, Head
from mvmlm.model.objective import LossWeights, task_loss
from mvmlm.pretraining.batches import label_tensor
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter
from mvmlm.pretraining.record import EXAMS_AT_ONCE, fuse_exams, new_record
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.start import find_start
from mvmlm.pretraining.train import pretrain
from mvmlm.report.findings import Findings
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
SHARES = (0.01, 0.1, 1.0)  # of the training labels
TASKS = ("malignancy", "mass", "calcification", "asymmetry", "distortion", "birads", "density", "risk")

Scores = dict[str, dict[str, float]]  # column of the table -> value, low, high
Results = dict[str, Scores]  # test set -> its scores
Store = Callable[[str, Callable[[], Results]], None]  # see run_seed


@dataclass(frozen=True)
class Settings:
    """The options of the command line."""

    work: Path
    exams: int
    test_exams: int
    epochs: int
    rows: int
    seeds: int
    minutes: float
    out: Path

    @property
    def small(self) -> Path:
        """The folder of the exams at the benchmark's input size."""
        return self.work / f"small {self.rows}"


def shrink(source: ExamCache, folder: Path, rows: int, share: float = 1.0) -> ExamCache:
    """Return the first `share` of the exams at another number of rows; makes those that are not in `folder` yet."""
    factor = rows / source.preprocessing.rows
    small = Preprocessing(rows, round(source.preprocessing.columns * factor))
    size = small.columns, small.rows
    with ExamCacheWriter(folder, small) as writer:
        for index in range(len(writer.done), max(1, round(share * len(source)))):
            views = np.stack([cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in source.views(index)])
            boxes = tuple(
                b._replace(left=b.left * factor, top=b.top * factor, right=b.right * factor, bottom=b.bottom * factor)
                for b in source.labels[index].boxes
            )
            labels = replace(source.labels[index], boxes=boxes)
            writer.add(source.names[index], views, source.present[index], labels)
    return ExamCache(folder)


def train_model(
    name: str, weights: LossWeights, cache: ExamCache, settings: Settings, seed: int, start: MVMLM | None = None
) -> MVMLM:
    """Run `pretrain` in a folder for this run, from the ImageNet tower or from `start`, and return its model."""
    demo = Preset.load("demo")
    preset = replace(demo, vision_cfg=demo.vision_cfg | {"image_size": [settings.rows, round(settings.rows * 0.625)]})
    record = new_record(name, "benchmark", preset, cache, {})
    per_batch = min(16, len(cache))
    steps = max(40, settings.epochs * len(cache) // per_batch)  # a hundredth of the exams is seen many times
    epochs = -(-steps * per_batch // len(cache))
    schedule = Schedule(weights, seed, epochs, per_batch, bf16=True, warmup_steps=min(60, steps // 5))

    def initialise(model: MVMLM) -> None:
        if start is None:
            find_start(preset, None).initialise(model.image_tower)
        else:
            other = ("heads.", "text_tower.")
            state = {key: value for key, value in start.state_dict().items() if not key.startswith(other)}
            model.load_state_dict(state, strict=False)

    def log(line: str) -> None:
        print(f"  {name}: {line[:60]}", flush=True)

    folder = settings.work / "runs" / f"{name} seed {seed}".replace(" ", "_").replace(",", "")
    wording = patch("mvmlm.pretraining.batches.write_report", _one_wording) if name == ONE_WORDING else nullcontext()
    with wording:
        return pretrain(record, initialise, cache, folder, schedule, log)


def _one_wording(findings: Findings, rng: random.Random, side: Laterality) -> str:
    """The report of some findings, always in the same words."""
    return write_report(findings, random.Random(0), side)


def batches_of(cache: ExamCache) -> Iterator[range]:
    """Yield the indices of the exams of a cache, some at a time."""
    for first in range(0, len(cache), EXAMS_AT_ONCE):
        yield range(first, min(first + EXAMS_AT_ONCE, len(cache)))


@torch.inference_mode()
def features(model: MVMLM, cache: ExamCache, fused: bool) -> dict[Level, np.ndarray]:
    """Return breast features (exams, 2, width) and exam features (exams, width).

    fused: those of the fusion; otherwise the means of the views' features.
    """
    cache.preprocessing, breasts, exams = model.record.preprocessing, [], []
    for indices in batches_of(cache):
        found, batch = fuse_exams(model, cache, indices)
        if not fused:
            pooled, read = model.image_tower.pool(*model.feature_maps(batch.images[batch.present])), batch.present
            views, counted = model.place_views(pooled, read), read.unsqueeze(-1).unflatten(1, (2, 2))  # by projection
            breast = views.unflatten(1, (2, 2)).sum(1) / counted.sum(1).clamp(min=1)
            found = Fused(breast, breast.mean(1))
        breasts.append(found.breasts)
        exams.append(found.exam)
    return {Level.BREAST: torch.cat(breasts).numpy(), Level.EXAM: torch.cat(exams).numpy()}


def probe(task: str, x: np.ndarray, y: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Return the logits (n, classes) of a linear head with weight decay on standardised features; deterministic.

    x: (m, width). y: (m,), or (m, 2) for survival; NaN where unknown. test: (n, width).
    """
    mean, std = x.mean(0), x.std(0) + 1e-6
    inputs, labels = torch.from_numpy((x - mean) / std).float(), torch.from_numpy(y).float()
    head = Head(TASK[task], inputs.shape[1])
    torch.nn.init.zeros_(head.linear.weight), torch.nn.init.zeros_(head.linear.bias)
    optimizer = torch.optim.LBFGS(head.parameters(), max_iter=200)

    def closure() -> float:
        optimizer.zero_grad()
        loss = task_loss(TASK[task], head(inputs), labels) + 0.02 * (head.linear.weight**2).sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(closure)
    with torch.no_grad():
        return head(torch.from_numpy((test - mean) / std).float()).numpy()


def labels_of(task: str, cache: ExamCache) -> np.ndarray:
    """Return the labels of a task as `label_tensor` does."""
    return label_tensor(task, cache.labels).numpy()


def score(task: str, truth: np.ndarray, scores: np.ndarray) -> Scores:
    """Return the metrics of a task with their intervals. scores: logits. Breasts are resampled by exam."""
    kind, clusters = TASK[task].kind, np.arange(len(truth))
    metrics: dict[str, Callable[[np.ndarray], float]] = {}
    if kind is Kind.SURVIVAL:
        known = ~np.isnan(truth[:, 0])
        (years, events), scores, clusters = truth[known].T, scores[known], clusters[known]
        metrics["risk C"] = lambda rows: concordance(years[rows], events[rows], scores[rows, -1])
        for index, year in enumerate(TASK[task].classes):
            metrics[f"risk AUC {year} y"] = partial(_auc_of_year, years, events, scores[:, index], int(year))
    else:
        clusters = np.repeat(clusters, truth.size // len(truth))
        truth, scores = truth.reshape(-1), scores.reshape(len(clusters), -1)
        if kind is Kind.BINARY:
            metrics[task] = lambda rows: auc(truth[rows], scores[rows, -1])
        else:
            metrics[task] = lambda rows: macro_auc(truth[rows], scores[rows])
            metrics[f"{task} kappa"] = lambda rows: kappa(truth[rows], scores[rows].argmax(1), scores.shape[1])
    found = {name: bootstrap_interval(metric, clusters, 0) for name, metric in metrics.items()}
    return {
        name: {"value": round(value, 4), "low": round(low, 4), "high": round(high, 4)}
        for name, (value, low, high) in found.items()
    }


def _auc_of_year(years: np.ndarray, events: np.ndarray, scores: np.ndarray, year: int, rows: np.ndarray) -> float:
    return auc_by_year(years[rows], events[rows], scores[rows], year)


def probes(
    model: MVMLM, train: ExamCache, tests: Mapping[str, ExamCache], fused: bool, share: float, seed: int
) -> Results:
    """Return the scores of linear probes that got a share of the training labels."""
    order = np.random.default_rng([seed, round(1000 * share)]).permutation(len(train))
    chosen = order[: max(8, round(share * len(train)))]
    train_features = features(model, train, fused)
    test_features = {name: features(model, test, fused) for name, test in tests.items()}
    out: Results = {name: {} for name in tests}
    for task in TASKS:
        level, y = TASK[task].level, labels_of(task, train)[chosen]
        x = train_features[level][chosen]
        if len(np.unique(y[~np.isnan(y)])) < 2:
            continue
        flat, labels = x.reshape(-1, x.shape[-1]), y if TASK[task].kind is Kind.SURVIVAL else y.reshape(-1)
        for name, test in tests.items():
            z = test_features[name][level]
            scores = probe(task, flat, labels, z.reshape(-1, z.shape[-1]))
            out[name] |= score(task, labels_of(task, test), scores.reshape(*z.shape[:-1], -1))
    return out


@torch.inference_mode()
def answers(model: MVMLM, tests: Mapping[str, ExamCache], by_prompt: bool) -> Results:
    """Return the scores of the heads, or of the ready-made prompts."""
    zero_shot, out = ZeroShot(model), Results()
    for name, test in tests.items():
        test.preprocessing = model.record.preprocessing
        found: dict[str, list[Tensor]] = {}
        for indices in batches_of(test):
            fused, _ = fuse_exams(model, test, indices)
            logits = _prompt_logits(model, zero_shot, fused) if by_prompt else model.answer(fused)
            for task, values in logits.items():
                if task in TASKS:
                    found.setdefault(task, []).append(values)
        out[name] = {}
        for task, parts in found.items():
            out[name] |= score(task, labels_of(task, test), torch.cat(parts).numpy())
    return out


def _prompt_logits(model: MVMLM, zero_shot: ZeroShot, fused: Fused) -> dict[str, Tensor]:
    """For each task with prompts its similarities (exams, 2, classes) or (exams, classes); one difference if binary."""
    breasts, logits = model.embed_breasts(fused), {}
    for name in TASKS:
        task = TASK[name]
        if task.prompts:
            texts = torch.stack([zero_shot.class_text(task, class_) for class_ in task.prompts])
            likeness = breasts @ texts.T
            if task.level is Level.EXAM:
                logits[name] = likeness.mean(1)
            else:
                logits[name] = likeness[..., :1] - likeness[..., 1:2] if task.kind is Kind.BINARY else likeness
    return logits


def rows_of(results: Mapping[str, Results]) -> list[str]:
    """Return the lines of a Markdown table, one row for each run and test."""
    columns = list(dict.fromkeys(name for tests in results.values() for scores in tests.values() for name in scores))
    lines = ["| run | test | " + " | ".join(columns) + " |", "|---" * (2 + len(columns)) + "|"]
    for run, tests in results.items():
        for test, scores in tests.items():
            cells = [
                f"{s['value']:.3f} ({s['low']:.3f}–{s['high']:.3f})" if (s := scores.get(column)) else "–"
                for column in columns
            ]
            lines.append(f"| {run} | {test} | " + " | ".join(cells) + " |")
    return lines


def run_seed(
    seed: int, whole: ExamCache, train: ExamCache, tests: Mapping[str, ExamCache], settings: Settings, store: Store
) -> None:
    """Do all runs of one training seed.

    whole: the exams at full size. store: gets the name of a run and a function that does it, and decides if it is
    needed.
    """

    @lru_cache(maxsize=1)
    def model_of(name: str) -> MVMLM:
        return train_model(name, PRETRAININGS[name], train, settings, seed)

    def supervised(share: float, start: str | None) -> Results:
        subset = shrink(whole, settings.small / f"train {share:g}", settings.rows, share * len(train) / len(whole))
        name = f"supervised {share:g}" if start is None else f"fine-tuned {share:g}"
        begin = None if start is None else model_of(start)
        return answers(train_model(name, LABELS, subset, settings, seed, begin), tests, by_prompt=False)

    def zero_shot(name: str) -> Results:
        return answers(model_of(name), tests, by_prompt=True)

    def probed(name: str, fused: bool, share: float) -> Results:
        return probes(model_of(name), train, tests, fused, share, seed)

    for name in PRETRAININGS:
        fused = name not in ("clip, one view", "without fusion")
        if fused:
            store(f"{name}, zero-shot, seed {seed}", partial(zero_shot, name))
        for share in SHARES if name in MAIN else SHARES[::2]:
            store(f"{name}, probe {share:.0%}, seed {seed}", partial(probed, name, fused, share))
        if name == MAIN[-1]:
            for share in SHARES:
                store(f"supervised {share:.0%}, seed {seed}", partial(supervised, share, None))
                store(f"mv-mlm, fine-tuned {share:.0%}, seed {seed}", partial(supervised, share, "mv-mlm"))


HEADER = """# What the method brings, on phantoms

These are not the bundled weights: a smaller input ({settings.rows} rows), {settings.exams} training exams,
{settings.epochs} epochs, {seeds}. 95 % intervals resample the {settings.test_exams} test exams only, not the training,
so two rows whose intervals nearly touch are not told apart. "shifted" is a machine outside the training range. mv-mlm
was trained on reports and boxes, without any label of malignancy or risk; percentages are of the labels that a probe or
a fine-tuning was given. The supervised and single-view rows had no boxes, so their gap to mv-mlm is partly that of the
boxes: compare with "without places". A row that is missing was not measured.

Command (resumes an interrupted run): `{command}`
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--work", type=Path, required=True, help="folder for exams, checkpoints and results")
    found.add_argument("--exams", type=int, default=1200)
    found.add_argument("--test-exams", type=int, default=200)
    found.add_argument("--epochs", type=int, default=3)
    found.add_argument("--rows", type=int, default=192, help="of the input; the bundled weights have 384")
    found.add_argument("--seeds", type=int, default=1)
    found.add_argument("--minutes", type=float, default=60.0)
    found.add_argument("--out", type=Path, default=ROOT / "assets" / "BENCHMARK.md")
    return found


def main(options: argparse.Namespace) -> None:
    settings = Settings(**vars(options))
    began, path = time.monotonic(), settings.work / "results.json"
    results: dict[str, Results] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    whole = cache_phantoms(settings.work / "train", settings.exams, 1, Preprocessing())
    train = shrink(whole, settings.small / "train", settings.rows, min(1.0, settings.exams / len(whole)))
    tests = {}
    for name, seed, shift in (("unseen", 100, False), ("shifted", 101, True)):
        full = cache_phantoms(settings.work / name, settings.test_exams, seed, Preprocessing(), shift=shift)
        tests[name] = shrink(full, settings.small / name, settings.rows)

    def store(name: str, run: Callable[[], Results]) -> None:
        if name in results:
            return
        if time.monotonic() - began > 60 * settings.minutes:
            print(f"out of time before: {name}")
            return
        results[name] = run()
        path.write_text(json.dumps(results, indent=1), encoding="utf-8")
        print("\n".join(rows_of({name: results[name]})[2:]), flush=True)

    for seed in range(1, settings.seeds + 1):
        run_seed(seed, whole, train, tests, settings, store)
    table = "\n".join(rows_of(results))
    seeds = f"{settings.seeds} training seed{'s' if settings.seeds > 1 else ''}"
    command = recorded_command("python scripts/benchmark_model.py", sys.argv[1:])
    settings.out.write_text(
        f"{HEADER.format(settings=settings, seeds=seeds, command=command)}\n{table}\n", encoding="utf-8"
    )
    print(f"wrote {settings.out}")


if __name__ == "__main__":
    sys.exit(run_script(main, parser().parse_args()))
