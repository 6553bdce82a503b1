"""Measure fine-tuning on a machine outside the training range, active learning, and the speed of the store.

    python scripts/benchmark_finetuning.py [--n 300] [--seed 300]
    python scripts/benchmark_finetuning.py --teaching

The exams are shifted phantoms: noise, blur, contrast curve and pixel size outside the training range. Seven of ten
train a head, three of ten compare it with the bundled one. Active learning: a third of the same phantoms is held
out for testing. Ten random exams are labelled, then four times ten more, which each strategy chooses with a head
trained on those labelled so far. The AUC on the held-out third is the mean of five such runs. --teaching: only how
long the cross-validation of 26 encoded exams takes, alone and while other processes keep every core busy.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
import torch

from mvmlm import load_model
from mvmlm.evaluation.discrimination import auc
from mvmlm.exam import Laterality
from mvmlm.finetuning.active_learning import STRATEGIES, choose_exams
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.crossvalidation import CrossValidation, assign_folds, choose_penalty
from mvmlm.finetuning.embeddings import EmbeddedExams, ModelScores, score_exams, vectors_of, width_without_views
from mvmlm.finetuning.finetune import finetune_head
from mvmlm.finetuning.fit import HeadFitter
from mvmlm.finetuning.head import FinetunedHead, write_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.finetuning.retrieval import ExamIndex
from mvmlm.inference.model_predictor import ModelPredictor
from mvmlm.model.heads import probabilities
from mvmlm.model.last_stage import LastStage
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.truth import truth_rows
from mvmlm.store.records import Filter
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, Kind, Level, Task

FINETUNED = ("malignancy", "mass", "calcification", "asymmetry", "birads", "density")
TRUTH_COLUMN = {"malignancy": "malignant"}  # where the column of the truth is not the task's name
TEACHING = 26  # encoded exams
CHOSEN, ROUNDS = 10, 5  # exams labelled in a round of active learning, and rounds


def ignore_trial(trial: CrossValidation) -> None:
    """Draw no curve."""


class EncodedExam(NamedTuple):
    """An encoded phantom: its number, the embedding of each breast and (None) of the exam, and its truth rows."""

    number: int
    vectors: Mapping[Laterality | None, Sequence[float]]
    truth: Sequence[Mapping[str, Any]]


def ignore_progress(share: float, message: str) -> bool:
    """Do not stop."""
    return False


def encode_phantoms(predictor: ModelPredictor, n: int, seed: int) -> tuple[list[EncodedExam], float]:
    """Return shifted phantoms and the seconds that encoding took."""
    exams, seconds = [], 0.0
    for number, phantom in enumerate(phantom_exams(n, seed, shift=True)):
        began = time.perf_counter()
        encoding, _ = predictor.encode(phantom.exam)
        seconds += time.perf_counter() - began
        exams.append(EncodedExam(number, vectors_of(encoding), truth_rows(phantom)))
    return exams, seconds


def labelled_cases(task: Task, exams: Sequence[EncodedExam], copies: int = 1) -> LabelledEmbeddings:
    """Return the labelled cases of a task, three of ten exams for the test. copies: of each exam, as new patients."""
    features, labels, names, sides, test = [], [], [], [], []
    for copy in range(copies):
        for number, vectors, truth in exams:
            for side, vector in vectors.items():
                if (side is None) == (task.level is Level.EXAM):
                    row = truth[0] if side is None else next(r for r in truth if r["laterality"] == side.value)
                    value = row[TRUTH_COLUMN.get(task.name, task.name)]
                    features.append(vector)
                    labels.append(int(value) if task.kind is Kind.BINARY else task.classes.index(str(value)))
                    names.append(f"e{copy}-{number}")
                    sides.append(side.value if side else "")
                    test.append(number % 10 >= 7)
    return LabelledEmbeddings(
        task=task,
        features=np.array(features, np.float32),
        labels=np.array(labels, np.float32),
        exams=tuple(names),
        sides=tuple(sides),
        patients=np.array(names),
        test=np.array(test),
        facts=tuple({} for _ in names),
    )


def interval(triple: Sequence[float]) -> str:
    """Return (value, low, high) as text."""
    return f"{triple[0]:.3f} ({triple[1]:.3f} to {triple[2]:.3f})"


def print_finetuning(predictor: ModelPredictor, exams: Sequence[EncodedExam], encoding_seconds: float) -> None:
    """Print a table of fine-tuned and bundled heads, and the time of fine-tuning on 1,000 encoded exams."""
    print("| task | metric | fine-tuned | bundled | difference | verdict |\n|---|---|---|---|---|---|")
    for name in FINETUNED:
        task, head = TASK[name], predictor.heads[name]

        def bundled(test: LabelledEmbeddings, head: torch.nn.Module = head, task: Task = task) -> np.ndarray:
            with torch.inference_mode():
                return probabilities(task, head(torch.from_numpy(test.features))).numpy()

        cases, config = labelled_cases(task, exams), FinetuneConfig(name)
        result = finetune_head(cases, bundled, config, ignore_progress, model=predictor.model)
        found = result.record["comparison"]
        values = " | ".join(interval(found[which]) for which in ("new", "old", "difference"))
        print(f"| {name} | {found['metric']} | {values} | {found['verdict']} |")
    copies = -(-1000 // len(exams))
    many, encoding = labelled_cases(TASK["mass"], exams, copies), 1000 * encoding_seconds / len(exams)
    for depth in ("linear", "mlp"):
        began = time.perf_counter()
        finetune_head(many, None, FinetuneConfig("mass", depth), ignore_progress)
        seconds = time.perf_counter() - began
        ratio = f"encoding 1,000 exams: {encoding:.0f} s ({encoding / seconds:.0f} times as long)"
        print(f"{copies * len(exams)} encoded exams, {depth}: {seconds:.1f} s; {ratio}")


def print_teaching(predictor: ModelPredictor, exams: Sequence[EncodedExam]) -> None:
    """Print how long cross-validation takes on few exams, alone and on a busy machine, and what it chose."""
    for busy in (0, os.cpu_count() or 1):
        others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(busy)]
        try:
            for name, depth in (("mass", "linear"), ("density", "linear"), ("mass", "mlp"), ("density", "mlp")):
                cases = labelled_cases(TASK[name], exams).split()[0]
                folds, fitter = assign_folds(cases, 1), HeadFitter(depth, 1, predictor.model)
                began = time.perf_counter()
                found = choose_penalty(cases, folds, fitter, ignore_progress, ignore_trial)
                seconds = time.perf_counter() - began
                print(
                    f"{len(exams)} encoded exams, {name}, {depth}, {busy} busy processes beside it: {seconds:.1f} s; "
                    f"penalty {found.penalty:g}, cross-validated {found.score:.4f}, loss {found.loss:.4f}",
                    flush=True,
                )
        finally:
            for other in others:
                other.kill()
                other.wait()


def print_active_learning(
    predictor: ModelPredictor,
    exams: Sequence[EncodedExam],
    runs: int = 5,
    names: Sequence[str] = ("mass", "calcification", "malignancy"),
) -> None:
    """Print the AUC with fifty labelled exams that each strategy chose."""
    vectors = np.array([exam.vectors[None] for exam in exams], np.float32)
    breasts = np.array([[exam.vectors[side] for side in Laterality] for exam in exams], np.float32)
    embedded = EmbeddedExams(np.arange(len(exams)), vectors, breasts, np.ones((len(exams), 2), bool))
    for name in names:
        cases = labelled_cases(TASK[name], exams)
        number = np.array([int(exam.split("-")[1]) for exam in cases.exams])
        reached: dict[str, list[float]] = {strategy: [] for strategy in STRATEGIES}
        for run in range(runs):
            order = np.random.default_rng(run).permutation(len(exams)).tolist()
            test = cases.subset(np.isin(number, order[: len(exams) // 3]))
            for strategy in STRATEGIES:
                head = label_and_fit(predictor, embedded, cases, number, order[len(exams) // 3 :], strategy, run)
                reached[strategy].append(auc(test.labels, head.probabilities(test.features)[:, 0]))
        results = ", ".join(
            f"{strategy} {np.mean(values):.3f} (runs {', '.join(f'{value:.3f}' for value in values)})"
            for strategy, values in reached.items()
        )
        print(f"{name}, {CHOSEN * ROUNDS} labelled exams, mean AUC of {runs} runs: {results}")


def label_and_fit(
    predictor: ModelPredictor,
    embedded: EmbeddedExams,
    cases: LabelledEmbeddings,
    number: np.ndarray,
    candidates: Sequence[int],
    strategy: str,
    seed: int,
) -> FinetunedHead:
    """Return the head after the last round.

    number: the exam of each case. candidates: exams in random order.
    """
    labelled, fitter = set(candidates[:CHOSEN]), HeadFitter("linear", seed, predictor.model)

    def fit() -> FinetunedHead:
        of_them = cases.subset(np.isin(number, list(labelled)))
        folds = assign_folds(of_them, seed)
        return fitter.fit(of_them, choose_penalty(of_them, folds, fitter, ignore_progress, ignore_trial).penalty)

    for _ in range(ROUNDS - 1):
        rest, other = embedded.subset(set(candidates) - labelled), predictor.with_heads([fit()])

        def score(other: ModelPredictor = other, rest: EmbeddedExams = rest) -> ModelScores:
            return score_exams(other, rest, cases.task)

        chosen = choose_exams(strategy, CHOSEN, rest, embedded.subset(labelled), score, seed)
        labelled |= {exam for exam, _ in chosen}
    return fit()


def print_times(what: str, action: Callable[[], object], repeats: int) -> None:
    """Print the median and the longest time of an action."""
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - began))
    print(f"{what}: median {np.median(times):.0f} ms, slowest {max(times):.0f} ms")


def print_similar_exams(predictor: ModelPredictor, n: int = 100_000) -> None:
    """Print the time to find the nearest of `n` exams in memory, by a vector and by words."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, width_without_views(predictor, Level.EXAM)), dtype=np.float32)
    breasts = rng.standard_normal((2 * n, predictor.own_network.record.preset.embed_dim), dtype=np.float32)
    index = ExamIndex(np.arange(n), vectors, breasts, np.repeat(np.arange(n), 2))
    actions: dict[str, Callable[[], object]] = {
        "like an exam": lambda: index.nearest_to(vectors[5]),
        "by words": lambda: index.best_for_text(predictor.zero_shot.embed_text("there is a mass").numpy()),
    }
    for what, action in actions.items():
        print_times(f"similar exams among {n:,}, {what}", action, 20)


def fill_store(store: Store, n: int) -> None:
    """Add `n` exams of as many patients, with words to search."""
    numbers = range(1, n + 1)
    states = ("new", "draft", "signed")
    with store.file.transaction() as conn:
        conn.executemany(
            "INSERT INTO patients VALUES (?, ?, NULL, 'train')", ((i, f"patient-{i:06d}") for i in numbers)
        )
        conn.executemany(
            "INSERT INTO exams (id, patient, name, added, state, density, score) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (i, i, f"exam-{i:06d}", f"2026-{i % 12 + 1:02d}", states[i % 3], "ABCD"[i % 4], i % 997 / 997)
                for i in numbers
            ),
        )
        conn.executemany(
            "INSERT INTO exam_words (rowid, name, pseudonym, readers, note, vendor) "
            "VALUES (?, ?, ?, 'ann', 'round mass', 'A')",
            ((i, f"exam-{i:06d}", f"patient-{i:06d}") for i in numbers),
        )


def print_worklist(n: int = 100_000) -> None:
    """Print the times of ten runs of each query on a store of `n` exams."""
    queries = {
        "first page": (Filter(), 0),
        "last page": (Filter(), n - 50),
        "signed, density C": (Filter(state="signed", density="C"), 0),
        "highest score": (Filter(order="highest score"), 0),
        "one exam by name": (Filter("exam-054321"), 0),
        "a word that all have": (Filter("mass"), 0),
    }
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        fill_store(store, n)
        for what, (exam_filter, offset) in queries.items():

            def query(exam_filter: Filter = exam_filter, offset: int = offset) -> object:
                return store.worklist.page(exam_filter, offset, 50)

            print_times(f"worklist of {n:,}, {what}", query, 10)
        store.close()


def print_store_reads(predictor: ModelPredictor, heads: int = 30, exams: int = 20_000) -> None:
    """Print what the pages ask of a store at every tick and for the open exam: time, and memory that Python took.

    The heads have a last image stage of their own and the record of a fine-tuning on 2,000 exams.
    """
    task = TASK["mass"]
    head = FinetunedHead(task, predictor.width(task.level), "stage", "benchmark", LastStage(predictor.model))
    cases = [[f"exam-{number:06d}", "R", "0123456789ab"] for number in range(4_000)]
    breast, whole = [1.0] * predictor.width(Level.BREAST), [1.0] * predictor.width(Level.EXAM)
    vectors: dict[Laterality | None, list[float]] = {None: whole, **dict.fromkeys(Laterality, breast)}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        fill_store(store, exams)
        file = write_head(head, predictor.weights, "benchmark", {})
        with store.file.transaction():
            for number in range(heads):
                record = {"snapshot": {"train": cases, "test": []}}
                store.heads.add("mass", f"mass {number}", predictor.weights, record, file, "benchmark")
            for number in range(1, exams + 1):
                store.embeddings.add(number, predictor.weights, f"source {number}", vectors)
        one = {exams // 2: f"source {exams // 2}"}
        actions: dict[str, Callable[[], object]] = {
            f"which of {heads} heads are active": lambda: store.heads.summaries(predictor.weights, active=True),
            f"all {heads} heads with their tensors": lambda: store.heads.all(predictor.weights),
            f"embedding of one exam among {exams:,}": lambda: store.embeddings.current(one),
        }
        for what, action in actions.items():
            tracemalloc.start()
            action()
            peak = tracemalloc.get_traced_memory()[1] / 2**20
            tracemalloc.stop()
            print_times(f"{what}, at most {peak:.1f} MB", action, 10)
        store.close()


def main() -> None:
    """Print all measurements."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=300)
    parser.add_argument("--teaching", action="store_true")
    options = parser.parse_args()
    predictor = load_model("demo", device="cpu")
    if options.teaching:
        print_teaching(predictor, encode_phantoms(predictor, TEACHING, options.seed)[0])
        return
    print_worklist()
    print_similar_exams(predictor)
    print_store_reads(predictor)
    exams, seconds = encode_phantoms(predictor, options.n, options.seed)
    print_finetuning(predictor, exams, seconds)
    print_active_learning(predictor, exams)


if __name__ == "__main__":
    main()
