"""What a visitor of the page Evaluate asks for is done."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from ..evaluation.bootstrap import Progress
from ..evaluation.cases import CaseLevel
from ..evaluation.evaluation_report import EvaluationReport
from ..evaluation.predictions_csv import read_predictions
from ..evaluation.table_evaluation import evaluate_table
from ..finetuning.config import Stopped
from ..finetuning.head import with_active_heads
from ..imaging.decoder import Decoder
from ..inference.model_predictor import ModelPredictor
from ..loading import BUNDLED_NAMES, load_model
from ..messages import without_quotations
from ..published.download import MODELS
from ..store.records import Filter, ProgressCallback
from ..store.store import Store
from .evaluate import LoadModel, Settings, evaluate_exams, write_report
from .exams import ExamSet, new_phantoms, stored_exams
from .presets import PROTOCOLS
from .request import OWN, PHANTOMS, Request
from .run import FILE, LOCK, OtherEvaluation

PHANTOM_SEED = 100  # training used 1 and 2


def evaluate_request(
    request: Request,
    store: Store,
    decoder: Decoder,
    load_own: LoadModel,
    table: Path | None,
    folder: Path,
    report_progress: ProgressCallback,
) -> EvaluationReport:
    """Do what a request asks for, and write the report into `folder`.

    A call that was ended goes on, and begins anew where the labels were changed meanwhile.

    load_own: returns the app's model. table: the predictions table of a request for one. Raises Stopped, ValueError
    with a sentence, and what reading the table raises.
    """
    level = CaseLevel(request.level)
    if table is not None:
        read = read_predictions(table, store.tasks)
        told = tuple(map(without_quotations, read.problems))  # a report is kept, and a cell may name a patient
        report = evaluate_table(
            replace(read, name="table.csv", problems=told), level, request.in_words,
            progress=_computing(report_progress),
        )  # fmt: skip
        write_report(report, folder)
        return report
    exams = _exams(request, store, decoder)
    if not exams.exams:
        raise ValueError("No exam that is found has a signed reading. Sign readings, or choose other exams.")
    settings = Settings(
        level, PROTOCOLS.get(request.protocol), request.maps, store.tasks, command=request.in_words
    )  # fmt: skip
    models = [load_own if name == OWN else partial(_load, name, store) for name in request.models]
    try:
        report = evaluate_exams(exams, models, settings, folder, report_progress)
    except OtherEvaluation:  # labels, or this program, were changed while the job was interrupted
        report = evaluate_exams(exams, models, replace(settings, restart=True), folder, report_progress)
    for name in (FILE, LOCK):  # only a run that goes on needs them
        (folder / name).unlink(missing_ok=True)
    return report


def _computing(report_progress: ProgressCallback) -> Progress:
    def progress(share: float) -> None:
        if report_progress(share, "computing intervals"):
            raise Stopped

    return progress


def _exams(request: Request, store: Store, decoder: Decoder) -> ExamSet:
    if request.exams == PHANTOMS:
        learns = bool(request.protocol and PROTOCOLS[request.protocol].probes)
        return new_phantoms(request.phantoms, PHANTOM_SEED, learns)
    return stored_exams(store, Filter(words=request.words), decoder)


def _load(name: str, store: Store) -> ModelPredictor:
    """A bundled model or a published one of the data folder, with the heads that were taught on its weights.

    Raises ValueError for one that is not there.
    """
    file = store.folder / MODELS / f"{Path(name).name}.safetensors"
    if name in BUNDLED_NAMES:
        file = Path(name)
    elif not file.is_file():
        raise ValueError(f"{Path(name).name}: not on this machine. Fetch it on the page “About”.")
    return with_active_heads(load_model(file), store, elsewhere=False)
