"""The worker process: runs the store's jobs one after the other, so that they survive a closed page and a restart.

    python -m mvmlm.worker DATA WEIGHTS

A lock file in the data folder ensures that a store has one worker. A job whose worker was killed starts again: an
import skips the exams that are stored already, and fine-tuning reuses the stored embeddings. The worker ends when no
job has been waiting for a while, or when the app that started it has ended.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from .imaging.decoder import Decoder
from .messages import error_message
from .store.archive import import_exams
from .store.records import Job
from .store.store import Store

if TYPE_CHECKING:
    from .inference.mvmlm_predictor import MVMLMPredictor

LOCK = "worker.lock"
IDLE_SECONDS = 20
POLL_SECONDS = 0.3  # SQLite does not notify of new rows
MOST_PROBLEMS = 50  # sentences that a job's result keeps


@dataclass(frozen=True)
class JobResult:
    """What a finished job gives: the message of its line in the list of jobs, and its result as plain JSON values."""

    message: str
    result: dict = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class RunningJob:
    """A job and what its handler works with. weights: a name or file that `load_model` takes."""

    job: Job
    store: Store
    decoder: Decoder
    weights: str

    def report_progress(self, share: float, message: str) -> bool:
        """Update the job's progress (0..1); return True if cancellation was requested."""
        return self.store.jobs.update_progress(self.job.id, share, message)

    def load_predictor(self) -> MVMLMPredictor:
        """Return the model, answering with the store's active heads."""
        from .finetuning.head import with_active_heads
        from .inference.mvmlm_predictor import load_model

        self.report_progress(0.0, "loading the model")
        return with_active_heads(load_model(self.weights), self.store)


def start_worker(store: Store, weights: str) -> None:
    """Start a worker process for a store; it ends at once where another one is running."""
    with open(store.folder / "worker.log", "ab") as log:
        command = [sys.executable, "-m", "mvmlm.worker", str(store.folder.resolve()), weights]
        subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=Path(__file__).resolve().parent.parent
        )


def work(folder: Path, weights: str, idle_seconds: float = IDLE_SECONDS) -> int:
    """Run jobs until none has been waiting for `idle_seconds`; return how many were run.

    Also ends when the parent process is gone, except on Windows, where the parent's process number does not change
    then. Returns 0 at once where another worker holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / LOCK, timeout=0):
            return _work_through(Store(folder), weights, idle_seconds)
    except Timeout:
        return 0


def _work_through(store: Store, weights: str, idle_seconds: float) -> int:
    decoder, parent, done, idle = Decoder(), os.getppid(), 0, 0.0
    try:
        store.jobs.requeue_orphans()
        while idle < idle_seconds and os.getppid() == parent:
            job = store.jobs.take(str(os.getpid()))
            if job is None:
                time.sleep(POLL_SECONDS)
                idle += POLL_SECONDS
                continue
            _run(RunningJob(job, store, decoder, weights))
            done, idle = done + 1, 0.0
    finally:
        decoder.close()
        store.close()
    return done


def _run(running: RunningJob) -> None:
    """Run one job and store how it ended; no error leaves this function, so that the next job runs."""
    from .finetuning.config import Stopped

    jobs, number = running.store.jobs, running.job.id
    try:
        finished = HANDLERS[running.job.kind](running)
        stopped_early = " (stopped early: the best so far)" if jobs.get(number).cancel else ""
        jobs.finish(number, "done", finished.message + stopped_early, finished.result)
    except Stopped:
        jobs.finish(number, "cancelled", "cancelled before there was a result")
    except Exception as error:
        jobs.finish(number, "failed", error_message(error))


def finetune_job(running: RunningJob) -> JobResult:
    """Fine-tune a head as the job's `config` says. The result has the new head's number and the learning curve."""
    from .finetuning.config import FinetuneConfig
    from .finetuning.finetune import LearningCurve, finetune_from_store

    job, store = running.job, running.store

    def on_curve(curve: LearningCurve) -> None:
        store.jobs.set_partial_result(job.id, {"curve": curve.to_json()})

    head = finetune_from_store(
        store,
        running.load_predictor(),
        running.decoder,
        FinetuneConfig.from_json(job.settings["config"]),
        job.settings["who"],
        running.report_progress,
        on_curve,
    )
    message = f"fine-tuned “{head.name}”: {head.record['comparison']['verdict']}"
    return JobResult(message, {"head": head.id, "curve": head.record["curve"]})


def import_job(running: RunningJob) -> JobResult:
    """Import the uploaded files of the job's `folder` as copies, and delete the uploads."""
    settings = running.job.settings
    folder = Path(settings["folder"])
    outcomes = list(
        import_exams(
            running.store,
            sorted(folder.iterdir()),
            running.decoder,
            settings["who"],
            copy=True,
            named=settings["named"],
            report_progress=running.report_progress,
        )
    )
    problems = [f"{outcome.title}: {outcome.reason}" for outcome in outcomes if outcome.number is None]
    shutil.rmtree(folder, ignore_errors=True)
    message = f"{len(outcomes) - len(problems)} exams imported, {len(problems)} failed"
    return JobResult(message, {"problems": problems[:MOST_PROBLEMS]})


def encode_job(running: RunningJob) -> JobResult:
    """Encode every stored exam once, and store the scores that the worklist can be ordered by."""
    from .finetuning.embeddings import embed_exams, store_scores

    store, predictor = running.store, running.load_predictor()
    embedded, problems = embed_exams(
        store, predictor, running.decoder, store.worklist.numbers(), running.report_progress
    )
    store_scores(store, predictor)
    message = f"{len(embedded)} exams encoded and scored, {len(problems)} failed"
    return JobResult(message, {"problems": problems[:MOST_PROBLEMS]})


HANDLERS: dict[str, Callable[[RunningJob], JobResult]] = {
    "finetune": finetune_job,
    "import": import_job,
    "encode": encode_job,
}


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C, and closes the store
    work(Path(sys.argv[1]), sys.argv[2])
