"""What teaching brings on a machine the weights never saw, how long it takes, and how fast the worklist is.

    python scripts/benchmark_teaching.py [--n 300] [--seed 300]

Shifted phantoms (noise, blur, contrast curve and pixel size outside the training range): seven of ten teach, three of ten compare.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402

from mvmlm import load_model  # noqa: E402
from mvmlm.finetune import Cases, probabilities, teach, vectors_of  # noqa: E402
from mvmlm.lesson import Lesson  # noqa: E402
from mvmlm.phantom import phantom_exams  # noqa: E402
from mvmlm.phantom.truth import truth_rows  # noqa: E402
from mvmlm.store import Filter, Store  # noqa: E402
from mvmlm.tasks import TASK, Kind, Level  # noqa: E402

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


def cases_of(task, found, copies: int = 1) -> Cases:
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
    return Cases(task, features, labels, exams, tuple(sides), np.array(exams), np.array(test), tuple({} for _ in rows))


def shown(triple) -> str:
    return f"{triple[0]:.3f} ({triple[1]:.3f} to {triple[2]:.3f})"


def teaching(predictor, found, seconds) -> None:
    print("| task | metric | taught | bundled | difference | verdict |\n|---|---|---|---|---|---|")
    for name in TAUGHT:
        task, head = TASK[name], predictor.heads[name]
        import torch

        def old(test, head=head, task=task):
            with torch.inference_mode():
                return probabilities(task, head(torch.from_numpy(test.features))).numpy()

        result = teach(cases_of(task, found), old, Lesson(name), lambda share, said: False).record["comparison"]
        print(f"| {name} | {result['metric']} | {shown(result['new'])} | {shown(result['old'])} | {shown(result['difference'])} | {result['verdict']} |")
    copies = -(-1000 // len(found))
    many = cases_of(TASK["mass"], found, copies)
    for depth in ("linear", "mlp"):
        began = time.perf_counter()
        teach(many, None, Lesson("mass", depth), lambda share, said: False)
        took, encoding = time.perf_counter() - began, 1000 * seconds / len(found)
        print(f"{copies * len(found)} cached exams, {depth}: {took:.1f} s; encoding 1,000 exams: {encoding:.0f} s ({encoding / took:.0f} times as long)")


def worklist(n: int = 100_000) -> None:
    """A store of `n` exams; the slowest of ten runs of each look at it."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        with store.writing() as conn:
            conn.executemany("INSERT INTO patients VALUES (?, ?, NULL, 'train')", ((i, f"patient-{i:06d}") for i in range(1, n + 1)))
            conn.executemany(
                "INSERT INTO exams (id, patient, name, added, state, density, score) VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((i, i, f"exam-{i:06d}", f"2026-{i % 12 + 1:02d}", ("new", "draft", "signed")[i % 3], "ABCD"[i % 4], i % 997 / 997) for i in range(1, n + 1)),
            )
            conn.executemany("INSERT INTO exam_words (rowid, name, pseudonym, readers, note, vendor) VALUES (?, ?, ?, 'ann', 'round mass', 'A')", ((i, f"exam-{i:06d}", f"patient-{i:06d}") for i in range(1, n + 1)))
        looks = {
            "first page": (Filter(), 0), "last page": (Filter(), n - 50), "signed, density C": (Filter(state="signed", density="C"), 0),
            "highest score": (Filter(order="highest score"), 0), "one exam by name": (Filter("exam-054321"), 0), "a word that all have": (Filter("mass"), 0),
        }  # fmt: skip
        for what, (wanted, offset) in looks.items():
            took = []
            for _ in range(10):
                began = time.perf_counter()
                store.worklist(wanted, offset, 50)
                took.append(time.perf_counter() - began)
            print(f"worklist of {n:,}, {what}: median {1000 * np.median(took):.0f} ms, slowest {1000 * max(took):.0f} ms")
        store.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=300)
    parser.add_argument("--seed", type=int, default=300)
    options = parser.parse_args()
    worklist()
    predictor = load_model("demo", device="cpu")
    teaching(predictor, *embedded(predictor, options.n, options.seed))


if __name__ == "__main__":
    main()
