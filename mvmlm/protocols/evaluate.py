"""Exams whose truth is known and models -> predictions and their report, in a folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ..atomic_file import replace_file
from ..evaluation.cases import TEST, VALIDATION, CaseLevel, TaskCases
from ..evaluation.evaluation_report import EvaluationReport, RunFacts
from ..evaluation.map_summary import map_results
from ..evaluation.predictions_csv import read_predictions, write_predictions
from ..evaluation.report import model_cases
from ..evaluation.report_page import html_page, markdown_page
from ..evaluation.table_evaluation import evaluate_table
from ..finetuning.config import Stopped
from ..inference.model_predictor import ModelPredictor
from ..inference.precision import FLOAT32
from ..store.records import ProgressCallback, part_of_progress
from ..tasks import TASKS, Task
from .ask import Wanted, ask_model
from .exams import TRAIN, ExamSet
from .presets import Protocol
from .probes import fit_probes, probe_answers, stage_inputs
from .run import EvaluationKey, Run, answering

PREDICTIONS = "predictions.csv"
ASKING, FITTING = 0.8, 0.9  # the share of the work that is done after asking, and after fitting

LoadModel = Callable[[], ModelPredictor]


@dataclass(frozen=True)
class Settings:
    """How exams are evaluated.

    level: what a case is, where the protocol does not say it. protocol: None for the answers that models give. maps: of
    how many exams the maps are measured. tasks: all known tasks. seed: of the intervals. command: recorded. restart:
    begin anew what another evaluation has begun in the folder.
    """

    level: CaseLevel = CaseLevel.BREAST
    protocol: Protocol | None = None
    maps: int = 0
    tasks: Sequence[Task] = TASKS
    seed: int = 0
    command: str = ""
    restart: bool = False


class _Asked(NamedTuple):
    """What a model gave in a run. weights: its checksum. who: from `run.answering`."""

    name: str
    weights: str
    who: str
    notes: tuple[str, ...]


def evaluate_exams(
    exams: ExamSet, models: Sequence[LoadModel], settings: Settings, folder: Path, report_progress: ProgressCallback
) -> EvaluationReport:
    """Ask models about exams, and write the predictions and the report into a folder. A run that ended goes on.

    models: loaded one after the other. Raises OtherEvaluation, Stopped, and ValueError where no exam has an answer.
    """
    if not exams.exams:
        raise ValueError(f"{exams.name}: no exam with a label is found. Choose other exams, or sign readings first.")
    first = models[0]()
    key = EvaluationKey(exams.checksum, settings.protocol.name if settings.protocol else "")
    run = Run(folder, key, settings.restart)
    part = FITTING / len(models)
    try:
        asked = []
        for number, load in enumerate(models):
            predictor = first if number == 0 else load()
            report = part_of_progress(report_progress, number * part, (number + 1) * part)
            asked.append(_ask(exams, predictor, settings, run, report))
        report_progress(FITTING, "computing intervals")
        return _written(exams, _told_apart(asked), settings, run, folder, report_progress)
    finally:
        run.close()


def _told_apart(asked: Sequence[_Asked]) -> list[_Asked]:
    """The models, each once; where several have one name, each with the start of its checksum in the name."""
    once = list({model.who: model for model in asked}.values())
    names = Counter(model.name for model in once)
    return [
        model._replace(name=f"{model.name}, weights {model.weights[:8]}") if names[model.name] > 1 else model
        for model in once
    ]


def _ask(
    exams: ExamSet, predictor: ModelPredictor, settings: Settings, run: Run, report_progress: ProgressCallback
) -> _Asked:
    """Ask a model, and fit the probes of the protocol."""
    protocol = settings.protocol
    probes = bool(protocol and protocol.probes)
    splits = (TEST, VALIDATION, TRAIN) if probes else (TEST, VALIDATION)
    wanted = [exam for exam in exams.exams if exam.split in splits]
    asking = part_of_progress(report_progress, 0, ASKING if probes else 1)
    ask_model(wanted, predictor, run, Wanted(probes, settings.maps), asking)
    who = answering(predictor)
    failures = run.failures(who)
    notes = _failure_notes(f"{predictor.record.name} did not answer", failures)
    notes += _failure_notes(f"{predictor.record.name}: the maps were not measured of", run.map_failures(who))
    if protocol is not None and probes:
        opened = [exam for exam in wanted if exam.name not in failures]
        notes += fit_probes(
            predictor, _tasks(settings), protocol, run, lambda: stage_inputs(opened, predictor),
            part_of_progress(report_progress, ASKING, 1),
        )  # fmt: skip
    precision = "" if predictor.precision == FLOAT32 else f", {predictor.precision}"
    name = f"{predictor.record.name} {predictor.record.version}{precision}"
    return _Asked(name, predictor.weights, who, tuple(notes))


def _failure_notes(what: str, failures: Mapping[str, str]) -> list[str]:
    """A sentence for each reason. what: how it begins. failures: exam -> the reason."""
    exams: dict[str, list[str]] = {}
    for exam, reason in failures.items():
        exams.setdefault(reason, []).append(exam)
    return [f"{what} {len(of):,} exams, first {of[0]}: {reason}" for reason, of in exams.items()]


def _tasks(settings: Settings) -> list[Task]:
    protocol = settings.protocol
    return [task for task in settings.tasks if protocol is None or task.name in protocol.tasks]


def _written(
    exams: ExamSet,
    asked: Sequence[_Asked],
    settings: Settings,
    run: Run,
    folder: Path,
    report_progress: ProgressCallback,
) -> EvaluationReport:
    """The report of a run, written with its predictions."""
    tasks, protocol = _tasks(settings), settings.protocol
    cases: list[TaskCases] = []
    for model in asked:
        answered = (exam for exam in run.answered(model.who) if exam.truth.split != TRAIN)
        answers = [exam._replace(model=model.name) for exam in answered]
        if protocol is not None:
            answers += [answer for task in tasks for answer in probe_answers(answers, model.who, task, protocol, run)]
        cases += model_cases(answers, settings.tasks)
    names = {task.name for task in tasks}
    cases = [of_task for of_task in cases if of_task.task.name in names]
    if not cases:
        said = " ".join(note for model in asked for note in model.notes)
        raise ValueError(f"{exams.name}: no label has an answer, so there is nothing to evaluate. {said}".rstrip())
    write_predictions(folder / PREDICTIONS, cases)
    table = read_predictions(folder / PREDICTIONS, settings.tasks)

    def computing(share: float) -> None:
        if report_progress(FITTING + (1 - FITTING) * share, "computing intervals"):
            raise Stopped

    level = protocol.level if protocol else settings.level
    report = evaluate_table(table, level, settings.command, settings.seed, progress=computing)
    facts = RunFacts(
        exams.name, exams.checksum, tuple((model.name, model.weights) for model in asked),
        protocol.source if protocol else "", protocol.note if protocol else "",
        (*exams.problems, *(note for model in asked for note in model.notes)),
    )  # fmt: skip
    maps = [map_results(model.name, run.maps(model.who), settings.tasks, settings.seed) for model in asked]
    report = replace(report, run=facts, maps=tuple(result for of_model in maps for result in of_model))
    write_report(report, folder)
    return report


def write_report(report: EvaluationReport, folder: Path) -> None:
    """Write report.html, report.md and report.json into a folder, which is made where it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {
        "report.html": html_page(report),
        "report.md": markdown_page(report),
        "report.json": json.dumps(report.to_json(), indent=1, ensure_ascii=False) + "\n",
    }
    for name, text in texts.items():
        with replace_file(folder / name) as file:
            file.write(text.encode())
