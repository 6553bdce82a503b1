"""Compare the method with a supervised start, single-view image-text training and its own parts, on real women.

    python scripts/benchmark_model.py --exams DIR --work DIR [--rows 256] [--steps 500] [--seeds 3] [--only NAME ...]

--exams is WORK/exams of `scripts/train_demo.py`. Every pretraining starts from the same ImageNet tower, and has the
same size of input, learning rates, number of steps, and about as many views in a batch; none gets a label of pathology,
cancer or follow-up. Women of the split train are learned from, those of the split test are measured; those of the split
validation are not used. Results are kept in WORK/results.json and not computed again, and an interrupted pretraining
goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest.mock import patch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import cv2
import numpy as np
import torch
from benchmark_labels import (
    QUESTIONS,
    Encoded,
    breasts_of,
    encode,
    fine_tune,
    labels_of,
    only,
    order_of_women,
    probe,
)
from benchmark_results import ALL, FUSED, POOLED, SEED, TUNED, Cell, Results
from benchmark_tables import BOTH, PHANTOMS_ALONE, REAL, SINGLE_VIEW, START, UNINSERTED, write_benchmark
from demo_exams import FILM, LEARN, PHANTOMS, REPORT, WOMEN, lesions_set_in, log
from train_demo import FROZEN_STAGES, IMAGE_LR, OTHER_LR, run_script

from mvmlm.commands.command import recorded_command
from mvmlm.exam import Laterality
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.network import MVMLM
from mvmlm.model.objective import LossWeights
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels
from mvmlm.pretraining.joined_exams import JoinedExams, TrainingExams
from mvmlm.pretraining.normalisation import measure_statistics
from mvmlm.pretraining.optimizer import freeze_stages
from mvmlm.pretraining.record import new_record
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.start import find_start
from mvmlm.pretraining.train import pretrain
from mvmlm.report.findings import Findings
from mvmlm.report.lexicon import KINDS
from mvmlm.report.writer import write_report
from mvmlm.tasks import TASKS

#: exams of each source in a batch, so that a batch has 46 to 47 views in each row; of single views, a view is an exam
BOTH_SHARES = {"rsna-640": 10, "cbis-mass-800": 10, "cdd-cesm": 1, PHANTOMS: 3}
REAL_SHARES = {"rsna-640": 13, "cbis-mass-800": 13, "cdd-cesm": 1}
VIEW_SHARES = {"rsna-640": 24, "cbis-mass-800": 21, "cdd-cesm": 1}
PHANTOM_SHARES = {PHANTOMS: 12}
REPORTS = LossWeights(labels=0.0)
CLIP = LossWeights(1.0, 0.0, 0.0, 0.0, labels=0.0, boxes=0.0, equal_findings=False)


@dataclass(frozen=True)
class Row:
    """A pretraining: the exams of each source in a batch, the terms of its loss, and what else is its own.

    single_view: every view is an exam of its own, with the one full report of its breast, always in the same words.
    insertion: whether masses are set into breasts and taken out.
    """

    shares: Mapping[str, int] = field(default_factory=lambda: BOTH_SHARES)
    loss: LossWeights = REPORTS
    single_view: bool = False
    insertion: bool = True


#: the whole with a part left out, or added
PARTS = {
    "no image-text": Row(loss=replace(REPORTS, image_text=0.0)),
    "no breast-text": Row(loss=replace(REPORTS, breast_text=0.0)),
    "no image-image": Row(loss=replace(REPORTS, image_image=0.0)),
    "no text-text": Row(loss=replace(REPORTS, text_text=0.0)),
    "no boxes": Row(loss=replace(REPORTS, boxes=0.0)),
    "no equal-findings rule": Row(loss=replace(REPORTS, equal_findings=False)),
    "labels of findings added": Row(loss=LossWeights()),
}
ROWS: dict[str, Row | None] = {
    START: None,
    SINGLE_VIEW: Row(VIEW_SHARES, CLIP, single_view=True),
    REAL: Row(REAL_SHARES),
    BOTH: Row(),
    PHANTOMS_ALONE: Row(PHANTOM_SHARES, insertion=False),
    UNINSERTED: Row(insertion=False),
    **PARTS,
}
TUNED_ROWS = (START, SINGLE_VIEW, REAL, BOTH)  # those of the first table


def shrink(source: Path, folder: Path, rows: int, splits: Sequence[str] = (LEARN, REPORT)) -> None:
    """Bring the exams of some splits to another number of rows, those that are not in `folder` yet.

    A folder that holds them all is only read, so that several runs may share it.
    """
    for split in splits:
        exams = ExamCache(source, split)
        if folder.exists() and set(exams.names) <= set(ExamCache(folder, split).names):
            continue
        factor = rows / exams.preprocessing.rows
        small = replace(exams.preprocessing, rows=rows, columns=round(exams.preprocessing.columns * factor))
        size = small.columns, small.rows
        with ExamCacheWriter(folder, small) as writer:
            for index, name in enumerate(exams.names):
                if name in writer.done:
                    continue
                views = np.stack([cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in exams.views(index)])
                boxes = tuple(
                    b._replace(
                        left=b.left * factor, top=b.top * factor, right=b.right * factor, bottom=b.bottom * factor
                    )
                    for b in exams.labels[index].boxes
                )
                writer.add(name, views, exams.present[index], replace(exams.labels[index], boxes=boxes), split)


def findings_only(source: str, labels: Labels) -> Labels:
    """Return labels that hold what reports and boxes tell, and of labels the kinds of findings alone: no outcome."""
    breast = {side: {k: v for k, v in known.items() if k in KINDS} for side, known in labels.breast.items()}
    return replace(labels, breast=breast, exam={}, risk=None)


class SingleViews:
    """Every view of the breasts with a report as an exam of its own; what `pretrain` asks of training exams."""

    def __init__(self, exams: TrainingExams):
        self.exams, self.preprocessing, self.paraphrases = exams, exams.preprocessing, exams.paraphrases
        with_report = [any(of != Findings() for of in labels.findings.values()) for labels in exams.labels]
        self._place = [(exam, view) for exam, view in np.argwhere(exams.present).tolist() if with_report[exam]]
        self.names = [f"{exams.names[exam]} {view}" for exam, view in self._place]
        self.sources = [exams.sources[exam] for exam, _ in self._place]
        self.present = np.eye(exams.present.shape[1], dtype=bool)[[view for _, view in self._place]]
        self.labels = [self._labels(*place) for place in self._place]

    def _labels(self, exam: int, view: int) -> Labels:
        labels = self.exams.labels[exam]
        return replace(labels, boxes=tuple(box for box in labels.boxes if box.view == view))

    def __len__(self) -> int:
        return len(self._place)

    def views(self, index: int) -> np.ndarray:
        """Return the pixels of an exam (4, rows, columns) uint8; those of the other views are 0."""
        exam, view = self._place[index]
        pixels = self.exams.views(exam)
        alone = np.zeros_like(pixels)
        alone[view] = pixels[view]
        return alone

    def checksums(self) -> dict[str, str]:
        """Return a checksum of each exam by name."""
        of_exam = list(self.exams.checksums().values())
        return {name: f"{of_exam[exam]} {view}" for name, (exam, view) in zip(self.names, self._place, strict=True)}


def preset_of(rows: int) -> Preset:
    """Return the preset of the bundled weights at another size of input."""
    demo = Preset.load("demo")
    return replace(demo, vision_cfg=demo.vision_cfg | {"image_size": [rows, round(rows * 0.625)]})


def _one_wording(findings: Findings, rng: random.Random, side: Laterality) -> str:
    return write_report(findings, random.Random(0), side)


def _all_fields(findings: Findings, rng: random.Random, share: float = 1.0) -> Findings:
    return findings


@dataclass
class Benchmark:
    """The rows, on the exams of a folder; results are kept as they come.

    exams: the caches of split train, by source. test: those of split test, of the women that are measured.
    """

    work: Path
    steps: int
    seeds: int
    rows: int
    exams: dict[str, ExamCache]
    test: dict[str, ExamCache]
    results: Results

    def __post_init__(self) -> None:
        self.preset = preset_of(self.rows)
        self.start = find_start(self.preset, None)
        # one record for all rows: the same network, vocabulary and normalisation of the input
        record = new_record("benchmark", "0", self.preset, self.joined(self.exams), {"start": self.start.name})
        self.record = replace(record, tasks=tuple(task.name for task in TASKS if task.name in KINDS))
        for cache in (*self.exams.values(), *self.test.values()):
            cache.preprocessing = record.preprocessing
        for key, question in QUESTIONS.items():
            learn, test = self.exams[question.source], self.test[question.source]
            labels, women = labels_of(question.task, test), _women(test)
            known = ~np.isnan(labels)
            learned = np.unique(_women(learn)[~np.isnan(labels_of(question.task, learn))])
            self.results.add_question(key, women[known].tolist(), labels[known].tolist(), len(learned))

    def joined(self, parts: Mapping[str, ExamCache]) -> JoinedExams:
        """Return the exams of some sources without any outcome."""
        return JoinedExams(parts, findings_only)

    def own_record(self) -> WeightsRecord:
        """Return a record for one row; a training writes to it."""
        return replace(self.record, training=dict(self.record.training))

    def model(self, name: str) -> MVMLM:
        """Return the model of a row, trained if it is not yet."""
        row, record = ROWS[name], self.own_record()
        sources = list(row.shares) if row else list(self.exams)
        exams: TrainingExams = self.joined({source: self.exams[source] for source in sources})
        if row is None:
            return self.untrained(exams)
        schedule = Schedule(
            row.loss, SEED, 1, sum(row.shares.values()), image_lr=IMAGE_LR, other_lr=OTHER_LR,
            warmup_steps=max(1, self.steps // 10), ema=0.98, frozen_stages=FROZEN_STAGES, shares=row.shares,
            epoch_steps=self.steps, bf16=True, checkpoint_minutes=3,
        )  # fmt: skip
        insertion = lesions_set_in(self.exams[FILM].folder)  # as the bundled weights learn
        with ExitStack() as words:
            if row.single_view:
                exams = SingleViews(exams)
                words.enter_context(patch("mvmlm.pretraining.batches.write_report", _one_wording))
                words.enter_context(patch("mvmlm.pretraining.batches.drop_random_fields", _all_fields))
            return pretrain(
                record, lambda model: self.start.initialise(model.image_tower), exams,
                self.work / "runs" / name.replace(" ", "-"), schedule, lambda line: log(f"{name}: {line}"),
                insertion=insertion if row.insertion else None,
            )  # fmt: skip

    def untrained(self, exams: TrainingExams) -> MVMLM:
        """Return the model that every pretraining starts from."""
        torch.manual_seed(SEED)
        model = MVMLM(self.own_record())
        self.start.initialise(model.image_tower)
        freeze_stages(model, FROZEN_STAGES)
        measure_statistics(model, exams, SEED, bf16=True)
        return model.eval()

    def cells(self, name: str) -> list[Cell]:
        """Return what is measured of a row: the cheap probes first."""
        found = []
        for key in QUESTIONS:
            for count in self.results.counts(key):
                draws = range(1, self.seeds + 1)
                if name in TUNED_ROWS or count in self.results.shown:
                    once = draws if count != ALL else (1,)  # a probe of all women's labels is always the same
                    found += [Cell(name, POOLED, key, count, seed) for seed in once]
                    if name != START and count in self.results.shown:
                        found += [Cell(name, FUSED, key, count, seed) for seed in once]
                if name in TUNED_ROWS:
                    found += [Cell(name, TUNED, key, count, seed) for seed in draws]
        return sorted((cell for cell in found if cell not in self.results), key=lambda cell: cell.method == TUNED)

    def run(self, name: str) -> None:
        """Pretrain a row and measure all of it that is not measured yet."""
        if not (cells := self.cells(name)):
            return
        began = time.monotonic()
        model = self.model(name)
        log(f"{name}: {len(cells)} measurements; the model took {(time.monotonic() - began) / 60:.1f} minutes")
        sides = {
            source: tuple(encode(model, caches[source]) for caches in (self.exams, self.test))
            for source in {question.source for question in QUESTIONS.values()}
        }
        for cell in cells:
            self.results.add(cell, self.measure(model, cell, *sides[QUESTIONS[cell.question].source]))
            if cell.method == TUNED:
                self.results.save()
        self.results.save()

    def measure(self, model: MVMLM, cell: Cell, learn: Encoded, test: Encoded) -> np.ndarray:
        """Return the logits of the breasts of split test whose label is known."""
        question = QUESTIONS[cell.question]
        labels = labels_of(question.task, self.exams[question.source])
        chosen = learn.women
        if cell.women != ALL:
            chosen = order_of_women(learn.women, labels, self.results.fewest, cell.seed)[: int(cell.women)]
        breasts = breasts_of(learn.women, labels, chosen)
        known = np.flatnonzero(~np.isnan(labels_of(question.task, self.test[question.source])))
        if cell.method == TUNED:
            return fine_tune(model, question.task, learn, breasts, labels[breasts], only(test, known), cell.seed)
        kind = "fused" if cell.method == FUSED else "trunk" if cell.row == START else "pooled"
        x, of_test = getattr(learn, kind)[breasts], getattr(test, kind)[known]
        return probe(question.task, x, labels[breasts], of_test)


def _women(cache: ExamCache) -> np.ndarray:
    return np.array([name.rsplit(" ", 1)[0] for name in cache.names])


def checksum_of(folder: Path, sources: list[str]) -> str:
    """Return a checksum of the decoded exams of some sources."""
    lines = [(folder / source / "index.jsonl").read_bytes() for source in sources]
    return hashlib.sha256(b"".join(lines)).hexdigest()[:16]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--exams", type=Path, required=True, help="WORK/exams of scripts/train_demo.py")
    found.add_argument("--work", type=Path, required=True, help="folder for small exams, checkpoints and results")
    found.add_argument("--rows", type=int, default=256, help="of the input; the bundled weights have 512")
    found.add_argument("--steps", type=int, default=500, help="of each pretraining")
    found.add_argument("--seeds", type=int, default=3, help="draws of the women who give their labels")
    found.add_argument("--only", nargs="+", choices=list(ROWS), metavar="NAME", help=", ".join(ROWS))
    found.add_argument("--out", type=Path, default=ROOT / "assets" / "BENCHMARK.md")
    return found


def main(options: argparse.Namespace) -> None:
    sources, small = [*WOMEN, PHANTOMS], options.work / f"exams-{options.rows}"
    settings = {"rows": options.rows, "steps": options.steps, "exams": checksum_of(options.exams, sources)}
    results = Results.open(options.work / "results.json", settings)
    for source in sources:
        shrink(options.exams / source, small / source, options.rows)
    exams = {source: ExamCache(small / source, LEARN) for source in sources}
    test = {source: ExamCache(small / source, REPORT) for source in WOMEN}
    benchmark = Benchmark(options.work, options.steps, options.seeds, options.rows, exams, test, results)
    results.save()
    for name in options.only or ROWS:
        benchmark.run(name)
    command = recorded_command("python scripts/benchmark_model.py", sys.argv[1:])
    write_benchmark(results, options.out, command, [BOTH, *PARTS])
    print(f"wrote {options.out}")


if __name__ == "__main__":
    sys.exit(run_script(main, parser().parse_args()))
