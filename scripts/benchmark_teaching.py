"""What teaching brings on a machine the weights never saw, how long it takes, what choosing labels brings, how fast the worklist is.

    python scripts/benchmark_teaching.py [--n 300] [--seed 300]

Shifted phantoms (noise, blur, contrast curve and pixel size outside the training range): seven of ten teach, three of ten compare.
Choosing: of the same phantoms a third is put aside; ten random exams are labelled, then four times ten more, chosen by each way with a
head taught on what is labelled so far; the AUC on the third, over five such runs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
import torch

from mvmlm import load_model
from mvmlm.evaluation.metrics import auc
from mvmlm.exam import Laterality
from mvmlm.finetuning.active_learning import STRATEGIES, choose_exams
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.embeddings import (
    EmbeddedExams,
    score_exams,
    vectors_of,
)
from mvmlm.finetuning.finetune import finetune_head
from mvmlm.finetuning.fit import fit_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.finetuning.retrieval import ExamIndex
from mvmlm.model.network import probabilities
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.truth import truth_rows
from mvmlm.store.records import Filter
from mvmlm.store.store import Store
from mvmlm.tasks import TASK, Kind, Level

TAUGHT = ("malignancy", "mass", "calcification", "asymmetry", "birads", "density")
COLUMN = {"malignancy": "malignant"}


def embedded(predictor, n: int, seed: int):
    """[(exam number, vectors, truth rows)] and the seconds of encoding alone."""
    found, seconds = [], 0.0
    for number, phantom in enumerate(phantom_exams(n, seed, shift=True)):
        began = time.perf_counter()
        encoding, _ = predictor.encode(phantom.exam)
        seconds += time.perf_counter() - began
        found.append((number, vectors_of(encoding), truth_rows(phantom)))
    return found, seconds


def cases_of(task, found, copies: int = 1) -> LabelledEmbeddings:
    rows = []
    for copy in range(copies):
        for number, vectors, truth in found:
            for side, vector in vectors.items():
                if (side is None) == (task.level is Level.EXAM):
                    row = truth[0] if side is None else next(r for r in truth if r["laterality"] == side.value)
                    value = row[COLUMN.get(task.name, task.name)]
                    label = int(value) if task.kind is Kind.BINARY else task.classes.index(str(value))
                    rows.append((vector, label, f"e{copy}-{number}", side.value if side else "", number % 10 >= 7))
    features, labels, exams, sides, test = (list(column) for column in zip(*rows))
    features, labels, exams = np.float32(features), np.float32(labels), tuple(exams)
    return LabelledEmbeddings(
        task, features, labels, exams, tuple(sides), np.array(exams), np.array(test), tuple({} for _ in rows)
    )


def shown(triple) -> str:
    return f"{triple[0]:.3f} ({triple[1]:.3f} to {triple[2]:.3f})"


def teaching(predictor, found, seconds) -> None:
    print("| task | metric | taught | bundled | difference | verdict |\n|---|---|---|---|---|---|")
    for name in TAUGHT:
        task, head = TASK[name], predictor.heads[name]

        def old(test, head=head, task=task):
            with torch.inference_mode():
                return probabilities(task, head(torch.from_numpy(test.features))).numpy()

        result = finetune_head(
            cases_of(task, found), old, FinetuneConfig(name), lambda share, said: False, model=predictor.model
        ).record["comparison"]
        print(
            f"| {name} | {result['metric']} | {shown(result['new'])} | {shown(result['old'])} | {shown(result['difference'])} | {result['verdict']} |"
        )
    copies = -(-1000 // len(found))
    many = cases_of(TASK["mass"], found, copies)
    for depth in ("linear", "mlp"):
        began = time.perf_counter()
        finetune_head(many, None, FinetuneConfig("mass", depth), lambda share, said: False)
        took, encoding = time.perf_counter() - began, 1000 * seconds / len(found)
        print(
            f"{copies * len(found)} cached exams, {depth}: {took:.1f} s; encoding 1,000 exams: {encoding:.0f} s ({encoding / took:.0f} times as long)"
        )


def choosing(predictor, found, runs: int = 5, names: tuple[str, ...] = ("mass", "calcification", "malignancy")) -> None:
    """AUC with the same fifty labelled exams, chosen in each way."""
    vectors = np.stack([vectors[None] for _, vectors, _ in found]).astype(np.float32)
    breasts = np.stack([[vectors[side] for side in Laterality] for _, vectors, _ in found]).astype(np.float32)
    pool = EmbeddedExams(np.arange(len(found)), vectors, breasts, np.ones((len(found), 2), bool))
    for name in names:
        task, cases, reached = TASK[name], cases_of(TASK[name], found), {way: [] for way in STRATEGIES}
        number = np.array([int(exam.split("-")[1]) for exam in cases.exams])
        for run in range(runs):
            order = np.random.default_rng(run).permutation(len(found))
            aside, open_ = order[: len(found) // 3], set(order[len(found) // 3 :].tolist())
            first = set(sorted(open_, key=order.tolist().index)[:10])
            for way in STRATEGIES:
                labelled = set(first)
                for round_ in range(5):
                    head = fit_head(
                        cases.subset(np.isin(number, list(labelled))),
                        "linear",
                        1.0,
                        run,
                        start=predictor.model.heads[name],
                    )
                    head.eval()
                    if round_ == 4:
                        break
                    rest = pool.subset(open_ - labelled)
                    other = predictor.with_heads([head])
                    labelled |= {
                        exam
                        for exam, _ in choose_exams(
                            way,
                            10,
                            rest,
                            pool.subset(labelled),
                            lambda o=other, r=rest, t=task: score_exams(o, r, t),
                            run,
                        )
                    }
                test = cases.subset(np.isin(number, aside))
                reached[way].append(auc(test.labels, head.probabilities(test.features)[:, 0]))
        said = ", ".join(
            f"{way} {np.mean(values):.3f} (runs {', '.join(f'{v:.3f}' for v in values)})"
            for way, values in reached.items()
        )
        print(f"{name}, 50 labelled exams, mean AUC of {runs} runs: {said}")


def similar(predictor, n: int = 100_000) -> None:
    """Nearest exams among `n`, by a vector and by words; the pool is in memory, as it is after the first question."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((n, predictor.width(Level.EXAM)), dtype=np.float32)
    breasts = rng.standard_normal((2 * n, predictor.record.preset.embed_dim), dtype=np.float32)
    index = ExamIndex(np.arange(n), vectors, breasts, np.repeat(np.arange(n), 2))
    for what, ask in (
        ("like an exam", lambda: index.nearest_to(vectors[5])),
        ("by words", lambda: index.best_for_text(predictor.embed_text("there is a mass").numpy())),
    ):
        took = []
        for _ in range(20):
            began = time.perf_counter()
            ask()
            took.append(time.perf_counter() - began)
        print(
            f"similar exams among {n:,}, {what}: median {1000 * np.median(took):.0f} ms, slowest {1000 * max(took):.0f} ms"
        )


def worklist(n: int = 100_000) -> None:
    """A store of `n` exams; the slowest of ten runs of each look at it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        with store.file.transaction() as conn:
            conn.executemany(
                "INSERT INTO patients VALUES (?, ?, NULL, 'train')", ((i, f"patient-{i:06d}") for i in range(1, n + 1))
            )
            conn.executemany(
                "INSERT INTO exams (id, patient, name, added, state, density, score) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (
                        i,
                        i,
                        f"exam-{i:06d}",
                        f"2026-{i % 12 + 1:02d}",
                        ("new", "draft", "signed")[i % 3],
                        "ABCD"[i % 4],
                        i % 997 / 997,
                    )
                    for i in range(1, n + 1)
                ),
            )
            conn.executemany(
                "INSERT INTO exam_words (rowid, name, pseudonym, readers, note, vendor) VALUES (?, ?, ?, 'ann', 'round mass', 'A')",
                ((i, f"exam-{i:06d}", f"patient-{i:06d}") for i in range(1, n + 1)),
            )
        queries = {
            "first page": (Filter(), 0), "last page": (Filter(), n - 50), "signed, density C": (Filter(state="signed", density="C"), 0),
            "highest score": (Filter(order="highest score"), 0), "one exam by name": (Filter("exam-054321"), 0), "a word that all have": (Filter("mass"), 0),
        }  # fmt: skip
        for what, (wanted, offset) in queries.items():
            took = []
            for _ in range(10):
                began = time.perf_counter()
                store.worklist.page(wanted, offset, 50)
                took.append(time.perf_counter() - began)
            print(
                f"worklist of {n:,}, {what}: median {1000 * np.median(took):.0f} ms, slowest {1000 * max(took):.0f} ms"
            )
        store.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=300)
    options = parser.parse_args()
    worklist()
    predictor = load_model("demo", device="cpu")
    similar(predictor)
    found, seconds = embedded(predictor, options.n, options.seed)
    teaching(predictor, found, seconds)
    choosing(predictor, found)


if __name__ == "__main__":
    main()
