"""The worker: runs the store's jobs one after the other in a process of its own, so that they survive a closed page and a restart.

    python -m mvmlm.worker DATA WEIGHTS

One worker a store (a lock beside it). A job whose worker was killed starts again: an import goes on where it was, for an exam is kept
once; a training takes seconds once its exams are encoded. Ends when there is nothing to do, or when the app that started it is gone.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from .imaging.decoder import Decoder
from .store.archive import import_exams
from .store.database import StoreError
from .store.records import Job
from .store.store import Store

LOCK = "worker.lock"
IDLE_SECONDS = 20


def start_worker(store: Store, weights: str) -> None:
    """Starts the worker; where one is at work already, the new one sees its lock and ends."""
    with open(store.folder / "worker.log", "ab") as log:
        command = [sys.executable, "-m", "mvmlm.worker", str(store.folder.resolve()), weights]
        subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=Path(__file__).resolve().parent.parent
        )


def work(folder: Path, weights: str, idle_seconds: float = IDLE_SECONDS) -> int:
    """Runs jobs until none waits for `idle_seconds`; -> how many were run."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return 0
        store, decoder, parent, done, idle = Store(folder), Decoder(), os.getppid(), 0, 0.0
        store.jobs.requeue_orphans()
        while idle < idle_seconds and os.getppid() == parent:
            job = store.jobs.take(str(os.getpid()))
            if job is None:
                time.sleep(0.3)  # SQLite tells nobody of a new row
                idle += 0.3
                continue
            _run(store, decoder, job, weights)
            done, idle = done + 1, 0.0
        decoder.close()
        store.close()
        return done


def _run(store: Store, decoder: Decoder, job: Job, weights: str) -> None:
    from .finetuning.config import NotEnough, Stopped

    try:
        result = KINDS[job.kind](store, decoder, job, weights)
        cancelled = store.jobs.get(job.id).cancel
        store.jobs.finish(
            job.id, "done", result.pop("said") + (" (stopped early: the best so far)" if cancelled else ""), result
        )
    except Stopped:
        store.jobs.finish(job.id, "cancelled", "cancelled before there was anything to keep")
    except (NotEnough, StoreError, ValueError) as error:
        store.jobs.finish(job.id, "failed", str(error))
    except Exception as error:  # the worker must live on: the next job is somebody else's
        store.jobs.finish(job.id, "failed", f"{type(error).__name__}: {error}")


def _teach(store: Store, decoder: Decoder, job: Job, weights: str) -> dict:
    from .finetuning.config import FinetuneConfig
    from .finetuning.finetune import finetune_from_store
    from .finetuning.head import with_active_heads
    from .inference.mvmlm_predictor import load_model

    store.jobs.update_progress(job.id, 0.0, "loading the model")
    predictor = with_active_heads(load_model(weights), store)
    config = FinetuneConfig.from_json(job.settings["config"])
    kept = finetune_from_store(
        store,
        predictor,
        decoder,
        config,
        job.settings["who"],
        _teller(store, job),
        lambda curve: store.jobs.set_partial_result(job.id, {"curve": curve}),
    )
    return {
        "said": f"taught “{kept.name}”: {kept.record['comparison']['verdict']}",
        "head": kept.id,
        "curve": kept.record["curve"],
    }


def _keep(store: Store, decoder: Decoder, job: Job, weights: str) -> dict:
    folder = Path(job.settings["folder"])
    outcome = list(
        import_exams(
            store,
            sorted(folder.iterdir()),
            decoder,
            job.settings["who"],
            copy=True,
            named=job.settings["named"],
            report_progress=_teller(store, job),
        )
    )
    problems = [f"{one.title}: {one.reason}" for one in outcome if one.number is None]
    shutil.rmtree(folder, ignore_errors=True)  # the uploads; their copies are in the data folder
    return {"said": f"{len(outcome) - len(problems)} exams kept, {len(problems)} not used", "problems": problems[:50]}


def _encode(store: Store, decoder: Decoder, job: Job, weights: str) -> dict:
    """Every kept exam through the model, once: its embeddings, and its answers for the worklist's order."""
    from .finetuning.embeddings import embed_exams, store_scores
    from .finetuning.head import with_active_heads
    from .inference.mvmlm_predictor import load_model

    store.jobs.update_progress(job.id, 0.0, "loading the model")
    predictor = with_active_heads(load_model(weights), store)
    tell = _teller(store, job)
    vectors, problems = embed_exams(store, predictor, decoder, store.worklist.numbers(), tell)
    store_scores(store, predictor)
    return {
        "said": f"{len(vectors)} exams are encoded and scored, {len(problems)} could not be",
        "problems": problems[:50],
    }


KINDS: dict[str, Callable[[Store, Decoder, Job, str], dict]] = {"finetune": _teach, "import": _keep, "encode": _encode}


def _teller(store: Store, job: Job) -> Callable[[float, str], bool]:
    return lambda share, said: store.jobs.update_progress(job.id, share, said)


if __name__ == "__main__":
    work(Path(sys.argv[1]), sys.argv[2])
