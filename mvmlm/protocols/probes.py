"""Heads that are fitted to some of the women of the train split and asked about the others: what few labels teach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch

from ..evaluation.truth import AnsweredExam, Label
from ..exam import SIDES, Laterality
from ..finetuning.cases import label_array
from ..finetuning.config import Stopped
from ..finetuning.crossvalidation import assign_folds, choose_penalty, cross_validate_stage
from ..finetuning.fit import HeadFitter, calibrate_head
from ..finetuning.labelled_embeddings import LabelledEmbeddings, missing_cases
from ..inference.model_predictor import ModelPredictor
from ..model.encoding import Encoding
from ..model.heads import probabilities
from ..model.last_stage import StageInputs
from ..model.network import MVMLM
from ..store.records import ProgressCallback
from ..tasks import Level, Task
from .exams import TRAIN, ExamToAsk
from .presets import FINE_TUNE, METHOD_TITLE, Protocol
from .run import Probed, Run, answering

SEED = 1  # of the draw of women, the folds and the fit

LoadInputs = Callable[[], StageInputs]


def probe_name(depth: str, share: float) -> str:
    """Return the name of a probe in reports, such as "linear probe, 10 % of labels"."""
    return f"{METHOD_TITLE[depth]}, {100 * share:g} % of labels"


def fit_probes(
    predictor: ModelPredictor,
    tasks: Sequence[Task],
    protocol: Protocol,
    run: Run,
    load_inputs: LoadInputs,
    report_progress: ProgressCallback,
) -> list[str]:
    """Fit the probes of a protocol to the exams of a run that its model was asked about; return notes.

    load_inputs: returns every answered exam as it enters the last image stage; called where that is fine-tuned. Probes
    that a run holds already are not fitted again. A note says why a probe is missing. Raises Stopped.
    """
    who = answering(predictor)
    exams = list(run.answered(who))
    depths = [depth for depth in protocol.probes if depth != FINE_TUNE or isinstance(predictor.model, MVMLM)]
    notes = []
    if len(depths) < len(protocol.probes):
        notes.append(f"{predictor.record.name}: its image tower is not fine-tuned here, only our own network's.")
    probes = [(task, depth, share) for task in tasks for depth in depths for share in protocol.shares]
    cases_of: dict[str, LabelledEmbeddings] = {}
    inputs: StageInputs | None = None
    for number, (task, depth, share) in enumerate(probes):
        name = probe_name(depth, share)
        about = f"{predictor.record.name}, {task.title}"
        if run.probe(who, name, task.name) is None:
            if task.name not in cases_of:
                cases_of[task.name] = labelled_vectors(exams, task, predictor, run)
            cases = cases_of[task.name]
            if depth == FINE_TUNE:
                inputs = inputs or load_inputs()
                cases = replace(cases.subset(np.isin(cases.exams, list(inputs.row))), stage_inputs=inputs)
                lost = len(set(cases_of[task.name].exams) - set(inputs.row))
                notes += [f"{about}, {name}: exams that could not be opened again: {lost:,}."] if lost else []
            step = _step(report_progress, number, len(probes), f"{about}: {name}")
            run.add_probe(who, name, task.name, _probed(cases, depth, share, predictor, step))
        probed = run.probe(who, name, task.name) or Probed({})
        notes += [f"{about}, {name}: {probed.note}"] if probed.note else []
    return list(dict.fromkeys(notes))


def _step(report_progress: ProgressCallback, number: int, probes: int, told: str) -> ProgressCallback:
    """The progress of one of several probes. told: what is done."""

    def report(share: float, message: str) -> bool:
        if report_progress((number + share) / probes, told):
            raise Stopped
        return False

    return report


def probe_answers(
    exams: Sequence[AnsweredExam], weights: str, task: Task, protocol: Protocol, run: Run
) -> list[AnsweredExam]:
    """Return what the probes of a task answered for exams, as answers of models of their own."""
    found = []
    for depth in protocol.probes:
        for share in protocol.shares:
            name = probe_name(depth, share)
            probed = run.probe(weights, name, task.name)
            if probed is None or not probed.scores:
                continue
            of_exam: dict[str, dict[tuple[str, str, Laterality | None], Sequence[float]]] = {}
            for (of, side), row in probed.scores.items():
                of_exam.setdefault(of, {})[task.name, "head", side] = row
            for exam in exams:
                if scores := of_exam.get(exam.truth.exam):
                    found.append(exam._replace(model=f"{exam.model}, {name}", scores=scores))
    return found


def labelled_vectors(
    exams: Sequence[AnsweredExam], task: Task, predictor: ModelPredictor, run: Run
) -> LabelledEmbeddings:
    """Return the labelled cases of a task with their embeddings. test: all that are not of the train split."""
    rows: list[tuple[AnsweredExam, Laterality | None, Label, np.ndarray]] = []
    for exam in exams:
        for side in SIDES if task.level is Level.BREAST else (None,):
            label = exam.truth.labels.get((task.name, side))
            vector = run.vector(answering(predictor), exam.truth.exam, side) if label is not None else None
            if label is not None and vector is not None:
                rows.append((exam, side, label, vector))
    return LabelledEmbeddings(
        task,
        features=np.array([vector for *_, vector in rows], np.float32).reshape(len(rows), predictor.width(task.level)),
        labels=label_array(task, [label for _, _, label, _ in rows]),
        exams=tuple(exam.truth.exam for exam, *_ in rows),
        sides=tuple(side.value if side else "" for _, side, *_ in rows),
        patients=np.array([exam.truth.patient for exam, *_ in rows]),
        test=np.array([exam.truth.split != TRAIN for exam, *_ in rows], bool),
        facts=tuple(dict(exam.truth.facts.get(side, {})) for exam, side, *_ in rows),
    )


def _probed(
    cases: LabelledEmbeddings, depth: str, share: float, predictor: ModelPredictor, report_progress: ProgressCallback
) -> Probed:
    """Fit a head to a share of the women of the train split alone, and ask it about all other exams.

    A woman with exams in the train split and in another one, as some data sets have, teaches nothing.
    """
    train, test = cases.split()
    train = train.subset(~np.isin(train.patients, test.patients))
    train = train.subset(_of_women(train.patients, share))
    if missing := missing_cases(train.task, train.labels, len(set(train.patients.tolist()))):
        return Probed({}, f"too few labels: {missing.partition(';')[0].rstrip('.')}.")
    if not len(test):
        return Probed({}, "no exam of another split has a label and can be read.")
    linear = HeadFitter("linear", SEED, predictor.model if depth == FINE_TUNE else None)
    folds = assign_folds(train, SEED)
    validated = choose_penalty(train, folds, linear, report_progress, lambda trial: None)
    fitter = replace(linear, depth=depth)
    if depth == FINE_TUNE:
        validated = cross_validate_stage(train, folds, fitter, validated.penalty, report_progress)
    head = fitter.fit(train, validated.penalty)
    calibrate_head(head, validated.logits, torch.from_numpy(train.labels))
    with torch.inference_mode():
        shares = probabilities(test.task, head.case_logits(test, predictor.model)).tolist()
    keys = [(exam, Laterality(side) if side else None) for exam, side in zip(test.exams, test.sides)]
    return Probed(dict(zip(keys, shares, strict=True)))


def _of_women(patients: np.ndarray, share: float) -> np.ndarray:
    """Which cases are of a share of the women; a larger share holds the women of a smaller one."""
    women = np.random.default_rng(SEED).permutation(np.unique(patients))
    return np.isin(patients, women[: math.ceil(share * len(women))])


def stage_inputs(exams: Iterable[ExamToAsk], predictor: ModelPredictor) -> StageInputs:
    """Return exams as they enter the last image stage; they are opened again, and those that fail are left out.

    Raises what the last one raised where all fail.
    """

    def encodings() -> Iterator[tuple[str, Encoding]]:
        opened, failed = 0, None
        for exam in exams:
            try:
                encoding = predictor.encode(exam.open().exam)[0]
            except Exception as error:  # whatever a file does, the others are fitted to
                failed = error
                continue
            opened += 1
            yield exam.name, encoding
        if failed is not None and not opened:
            raise failed

    return StageInputs.from_encodings(encodings())
