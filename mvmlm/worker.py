"""The worker process: runs the store's jobs one after the other, so that they survive a closed page and a restart.

    python -m mvmlm.worker DATA WEIGHTS

A lock file in the data folder ensures that a store has one worker. A job whose worker was killed starts again: an
import skips the exams that are stored already, and fine-tuning reuses the stored embeddings. The worker ends when no
job has been waiting for a while, or when the app that started it has ended.
"""

from __future__ import annotations

import errno
import faulthandler
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from .imaging.decoder import Decoder
from .imaging.files import NoExam
from .messages import error_message, without_quotations
from .private_log import PrivateLog
from .protocols.request import delete_unneeded_reports
from .store.archive import import_exams
from .store.database import StoreError
from .store.records import Job
from .store.store import Store
from .store.uploads import delete_unneeded_uploads, uploads_of_job
from .temporary import delete_leftovers

if TYPE_CHECKING:
    from .finetuning.site_cases import Site
    from .inference.model_predictor import ModelPredictor

LOCK, LOG = "worker.lock", "jobs.log"
IDLE_SECONDS = 20
POLL_SECONDS = 0.3  # SQLite does not notify of new rows
TOO_LONG = (
    "It took longer than {} minutes, the most here. Do it with fewer exams, or start the app on your own machine."
)
MOST_PROBLEMS = 50  # sentences that a job's result keeps


class JobError(Exception):
    """A job cannot be done. The message says why and what to do, without patient data."""


@dataclass(frozen=True)
class JobResult:
    """How a job ended: its message in the list of jobs, its result as plain JSON values, done or cancelled."""

    message: str
    result: dict = field(default_factory=dict)
    state: str = "done"


@dataclass(eq=False)
class RunningJob:
    """A job and what its handler works with.

    weights: a name or file that `load_model` takes. stopped: whether the handler was told to stop. began: by
    `time.monotonic`.
    """

    job: Job
    store: Store
    decoder: Decoder
    weights: str
    stopped: bool = False
    began: float = field(default_factory=time.monotonic)

    def report_progress(self, share: float, message: str) -> bool:
        """Update the job's progress (0..1); return True if cancellation was requested. Raises JobError out of time."""
        limits = self.store.limits
        if limits is not None and time.monotonic() - self.began > limits.most_job_seconds:
            raise JobError(TOO_LONG.format(limits.most_job_seconds // 60))
        self.stopped = self.store.jobs.update_progress(self.job.id, share, message)
        return self.stopped

    def load_predictor(self) -> ModelPredictor:
        """Return the model, answering with the store's active heads. Raises JobError."""
        from .finetuning.head import with_active_heads
        from .loading import load_model

        self.report_progress(0.0, "loading the model")
        try:
            predictor = load_model(self.weights)
        except (OSError, ValueError) as error:
            raise JobError(f"The weights could not be loaded. {error_message(error)}") from error
        return with_active_heads(predictor, self.store)


def work(folder: Path, weights: str, idle_seconds: float = IDLE_SECONDS) -> int:
    """Run jobs until none has been waiting for `idle_seconds`; return how many were run.

    Also ends when the parent process is gone, except on Windows, where the parent's process number does not change
    then. Returns 0 at once where another worker holds the lock.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = PrivateLog(folder / LOG)
    try:
        with FileLock(folder / LOCK, timeout=0, mode=0o600):
            return _work_through(Store(folder), weights, idle_seconds, log)
    except Timeout:
        return 0
    except Exception as error:
        log.failure("the worker ended", error)
        raise
    finally:
        log.close()


def _work_through(store: Store, weights: str, idle_seconds: float, log: PrivateLog) -> int:
    decoder, parent, done, idle = Decoder(), os.getppid(), 0, 0.0
    store.jobs.requeue_orphans()
    delete_unneeded_uploads(store)
    while idle < idle_seconds and os.getppid() == parent:
        job = store.jobs.take(str(os.getpid()))
        if job is None:
            time.sleep(POLL_SECONDS)
            idle += POLL_SECONDS
            continue
        _run(RunningJob(job, store, decoder, weights), log)
        delete_unneeded_uploads(store)
        delete_unneeded_reports(store)
        done, idle = done + 1, 0.0
    decoder.close()
    store.close()
    return done


def _run(running: RunningJob, log: PrivateLog) -> None:
    """Run one job and store how it ended; no error leaves this function, so that the next job runs."""
    from .finetuning.config import Stopped

    jobs, job, began, state = running.store.jobs, running.job, time.monotonic(), "failed"
    try:
        if job.kind not in HANDLERS:
            raise JobError(f"This version of the program knows no job “{job.kind}”.")
        running.store.take_new_tasks()
        running.store.readings.settle()
        finished = HANDLERS[job.kind](running)
        jobs.finish(job.id, finished.state, finished.message, finished.result)
        state = finished.state
    except Stopped:
        state = "cancelled"
        jobs.finish(job.id, "cancelled", "cancelled before there was a result")
    except Exception as error:
        log.failure(f"job {job.id} ({job.kind}) failed", error, job=job.id)
        jobs.finish(job.id, "failed", _failure(error))
    finally:
        kind = job.kind if job.kind in HANDLERS else "unknown"
        log.event("job", job=job.id, kind=kind, state=state, ms=round(1000 * (time.monotonic() - began)))


def _failure(error: Exception) -> str:
    """Why a job failed, without patient data: the message of an unforeseen error may hold anything."""
    from .finetuning.config import NotEnoughCases

    if isinstance(error, StoreError | JobError | NotEnoughCases):
        return str(error)
    if isinstance(error, NoExam):
        return f"The images of an exam cannot be opened: {error.reasons}."
    if isinstance(error, ModuleNotFoundError):
        return error_message(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full. Free some space, then start it again."
    if isinstance(error, MemoryError):
        return "There is not enough memory. Close other programs, then start it again."
    return f"It failed on an error of the program ({type(error).__name__}). {LOG} in the data folder says where."


def finetune_job(running: RunningJob) -> JobResult:
    """Fine-tune a head as the job's `config` says. The result has the new head's number and the learning curve."""
    from .finetuning.config import FinetuneConfig
    from .finetuning.finetune import LearningCurve, finetune_from_store

    job, store = running.job, running.store
    try:
        config = FinetuneConfig.from_json(job.settings["config"])
    except ValueError as error:
        raise JobError(str(error)) from error
    if config.task not in {task.name for task in store.tasks}:
        raise JobError(f"The task “{config.task}” is not declared. Declare it again, or choose another one.")

    def on_curve(curve: LearningCurve) -> None:
        store.jobs.set_partial_result(job.id, {"curve": curve.to_json()})

    head = finetune_from_store(
        store,
        running.load_predictor(),
        running.decoder,
        config,
        job.settings["who"],
        running.report_progress,
        on_curve,
    )
    early = " (stopped early: the best so far)" if running.stopped else ""
    message = f"fine-tuned “{head.name}”: {head.record['comparison']['verdict']}{early}"
    return JobResult(message, {"head": head.id, "curve": head.record["curve"]})


def import_job(running: RunningJob) -> JobResult:
    """Import the uploaded files of the job as copies. The files are deleted when the job has ended."""
    settings = running.job.settings
    files = uploads_of_job(running.store, settings)
    outcomes = list(
        import_exams(
            running.store, files, running.decoder, settings["who"], copy=True, named=settings["named"],
            report_progress=running.report_progress,
        )
    )  # fmt: skip
    problems = [f"{outcome.place}: {outcome.why}" for outcome in outcomes if outcome.number is None]
    message = f"{len(outcomes) - len(problems)} exams imported, {len(problems)} failed"
    notes = [f"{outcome.place}: {outcome.note}" for outcome in outcomes if outcome.note]
    marks = [
        {"code": mark.code, "file": mark.file, "text": mark.text} for outcome in outcomes for mark in outcome.marks
    ]
    result = {"problems": problems[:MOST_PROBLEMS], "notes": notes[:MOST_PROBLEMS], "marks": marks[:MOST_PROBLEMS]}
    if running.stopped:
        return JobResult(f"{message} before it was stopped; the others were not imported", result, "cancelled")
    return JobResult(message, result)


def pacs_job(running: RunningJob) -> JobResult:
    """Fetch the exam that the job's file names, with her earlier ones. The result has the number of the exam."""
    from .pacs.exam_request import fetch_and_store

    (request,) = uploads_of_job(running.store, running.job.settings)
    who, report = running.job.settings["who"], running.report_progress
    exam, message, notes = fetch_and_store(request, running.store, running.decoder, who, report)
    state = "cancelled" if running.stopped else "done"
    return JobResult(message, {"exam": exam, "notes": notes[:MOST_PROBLEMS]}, state)


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


def _site_job(running: RunningJob, make: Callable[[Site], JobResult]) -> JobResult:
    """Make something of the scores of the job's task. Too few cases are a result, said in its message."""
    from .finetuning.site_cases import Site
    from .site.cases import TooFewCases

    task = next((task for task in running.store.tasks if task.name == running.job.settings["task"]), None)
    if task is None:
        raise JobError("Choose a task first.")
    try:
        return make(Site(running.store, running.load_predictor(), running.decoder, task))
    except TooFewCases as error:
        return JobResult(f"{task.title}: {error}", {"too_few": True})
    except ValueError as error:
        raise JobError(f"{task.title}: {error}") from error


def calibrate_job(running: RunningJob) -> JobResult:
    """Calibrate the scores of the job's task to the store's labels. The result has the number of the calibration."""
    from .finetuning.site_versions import calibrate_from_store

    def make(site: Site) -> JobResult:
        made = calibrate_from_store(site, running.job.settings["who"], running.report_progress)
        message = f"{site.task.title}: calibration {made.id} is ready, and not applied yet"
        return JobResult(message, {"calibration": made.id})

    return _site_job(running, make)


def threshold_job(running: RunningJob) -> JobResult:
    """Find the threshold that keeps the job's goal. The result has the number of the operating point."""
    from .finetuning.site_versions import threshold_from_store
    from .site.operating_point import Goal

    settings = running.job.settings

    def make(site: Site) -> JobResult:
        goal, limit, confidence = Goal(settings["goal"]), settings["limit"], settings["confidence"]
        made = threshold_from_store(site, goal, limit, confidence, settings["who"], running.report_progress)
        message = f"{site.task.title}: operating point {made.id} is ready, and not applied yet"
        return JobResult(message, {"operating_point": made.id})

    return _site_job(running, make)


def watch_job(running: RunningJob) -> JobResult:
    """Watch the exams of the store for drift of the job's task. The result has the number of the watch."""
    from .finetuning.drift_watch import watch_from_store

    settings = running.job.settings

    def make(site: Site) -> JobResult:
        end = date.fromisoformat(settings["reference_end"]) if settings["reference_end"] else None
        made = watch_from_store(site, end, date.today(), settings["who"], running.report_progress)
        alarms = len(made.record["report"]["alarms"])
        found = f"{alarms or 'no'} alarm{'s' * (alarms != 1)}"
        return JobResult(f"{site.task.title}: {made.record['exams']:,} exams watched, {found}", {"watch": made.id})

    return _site_job(running, make)


def fetch_job(running: RunningJob) -> JobResult:
    """Fetch the published model that the job names, whose terms its visitor accepted, and convert it."""
    from .finetuning.config import Stopped
    from .published.checkpoint_file import CheckpointError
    from .published.download import DownloadError, fetch_model, model_named

    name = running.job.settings["model"]

    def report_bytes(done: int, whole: int) -> None:
        share, of = (done / whole, f" of {whole / 1e6:.0f}") if whole else (0.0, "")
        if running.report_progress(0.9 * share, f"{done / 1e6:.0f}{of} MB fetched"):
            raise Stopped

    try:
        title = model_named(name).title
        fetch_model(running.store.folder, name, running.job.settings["accepted"], report_bytes)
    except (DownloadError, CheckpointError) as error:
        raise JobError(str(error)) from error
    return JobResult(f"{title} is ready: open an exam, page “Model”, other models", {"model": name})


def evaluate_job(running: RunningJob) -> JobResult:
    """Evaluate models or a table as the job says. The report lies in the data folder, under the job's number."""
    from .datasets.case import DatasetError
    from .protocols.page_job import evaluate_request
    from .protocols.request import TABLE, Request, report_folder

    job, store = running.job, running.store
    try:
        request = Request.from_json(job.settings)
        table = uploads_of_job(store, job.settings)[0] if request.exams == TABLE else None
        report = evaluate_request(
            request, store, running.decoder, running.load_predictor, table, report_folder(store, job.id),
            running.report_progress,
        )  # fmt: skip
    except DatasetError as error:
        told = str(error).replace(table.name, "the table") if table is not None else str(error)
        raise JobError(without_quotations(told)) from error
    except ValueError as error:
        raise JobError(str(error)) from error
    if not report.results:
        raise JobError("No test case has a label and a score. Check the columns and labels.")
    return JobResult(f"the report of {len(report.results)} results is ready", {"evaluation": job.id})


HANDLERS: dict[str, Callable[[RunningJob], JobResult]] = {
    "finetune": finetune_job,
    "import": import_job,
    "pacs": pacs_job,
    "encode": encode_job,
    "fetch": fetch_job,
    "calibrate": calibrate_job,
    "evaluate": evaluate_job,
    "threshold": threshold_job,
    "watch": watch_job,
}


def delete_log_of_0_4_0(folder: Path) -> None:
    """Delete the log that 0.4.0 wrote: it held what libraries print, values of files among it."""
    with suppress(OSError):  # Windows does not delete a file that is open
        (folder / "worker.log").unlink(missing_ok=True)


def main(folder: Path, weights: str) -> None:
    """Run the worker of a data folder in a process of its own."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C, and closes the store
    os.umask(0o077)
    delete_leftovers()
    delete_log_of_0_4_0(folder)
    with open(folder / LOG, "ab") as log:
        faulthandler.enable(log)  # a crash outside Python writes where each thread was
        work(folder, weights)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
