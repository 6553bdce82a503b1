"""Measure heads that the women of one site teach to weights that never saw that site.

    python scripts/benchmark_teaching.py --exams DIR --women DIR --work DIR [--start FILE] [--rows 256] [--seeds 3]

--exams is WORK/exams of `scripts/train_demo.py`. For each site of RSNA the model is trained as the bundled weights are,
but at a smaller size, for fewer passes and without the women of that site; --only SITE does one of them, and a run
without it then writes the table. The women of the site are divided into five folds; some women of four folds give their
labels, and the head that they teach is compared with the bundled one on the women of the fifth. An exam is one breast.
Intervals resample women. An interrupted training goes on from its checkpoint.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import numpy as np
import torch
from benchmark_finetuning import CHOSEN, ROUNDS, label_and_fit
from benchmark_labels import Encoded, encode, labels_of, order_of_women
from benchmark_model import preset_of, shrink
from demo_calibration import recalibrate
from demo_exams import CHOOSE, DIGITAL, FILM, LEARN, PHANTOMS, REPORT, WOMEN, lesions_set_in, log, women_exams
from train_demo import learn_from_outcomes, learn_from_reports, run_script

from mvmlm.atomic_file import replace_file
from mvmlm.commands.command import recorded_command
from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.discrimination import auc
from mvmlm.exam import SIDES
from mvmlm.finetuning.active_learning import STRATEGIES
from mvmlm.finetuning.config import FinetuneConfig
from mvmlm.finetuning.embeddings import EmbeddedExams, width_without_views
from mvmlm.finetuning.finetune import finetune_head
from mvmlm.finetuning.labelled_embeddings import LabelledEmbeddings
from mvmlm.inference.model_predictor import ModelPredictor
from mvmlm.model.heads import probabilities
from mvmlm.model.last_stage import StageInputs
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import load_weights, save_model
from mvmlm.pretraining.exam_cache import ExamCache
from mvmlm.pretraining.joined_exams import ChosenExams, TrainingExams
from mvmlm.pretraining.normalisation import measure_statistics
from mvmlm.pretraining.start import find_start
from mvmlm.tasks import TASK, Level

FOLDS, SEED = 5, 1
EVERYONE, CHOSEN_BREASTS = "all women of four folds", f"{CHOSEN * ROUNDS} breasts, chosen"
SLOW_DRAWS = 1  # of the women, where a draw takes many minutes
OF_SITE = 0.3  # share of the site's own statistics in those of normalisation
COUNTS = (50, 200)  # women who give their labels


@dataclass(frozen=True, eq=False)
class Site:
    """A site's women as weights see them that never learned from them.

    name: of the site. predictor: answers with the bundled head. cases: all breasts, none marked as a test. embedded:
    the same breasts, each an exam, in the same order.
    """

    name: str
    predictor: ModelPredictor
    cases: LabelledEmbeddings
    embedded: EmbeddedExams


class Measured(TypedDict):
    """Lines of the table, and the seconds of each linear teaching."""

    lines: list[str]
    seconds: list[float]


@dataclass
class Answers:
    """Probabilities of malignancy of a site's breasts, each from a head that was taught without her fold.

    by: what answers -> an array (n,) for each draw of the women who gave their labels. seconds: depth -> of each
    teaching.
    """

    by: dict[str, list[np.ndarray]] = field(default_factory=dict)
    seconds: dict[str, list[float]] = field(default_factory=dict)


def ignore_progress(share: float, message: str) -> bool:
    """Do not stop."""
    return False


def at_site(cache: ExamCache, table: dict[str, dict[str, str]], site: str, own: bool) -> ChosenExams:
    """Return the exams of the women of a site (own), or those of all others."""
    return ChosenExams(cache, [i for i, name in enumerate(cache.names) if (table[woman(name)]["site"] == site) == own])


def woman(exam: str) -> str:
    """Return the woman of an exam's name."""
    return exam.rsplit(" ", 1)[0]


def trained_without(site: str, table: dict[str, dict[str, str]], options: argparse.Namespace) -> ModelPredictor:
    """Return weights that never saw the women of a site, trained if they are not yet."""
    work = options.work / f"without-site-{site}"
    file = work / "weights.safetensors"
    if not file.exists():
        exams: dict[str, TrainingExams] = {
            **women_exams(options.exams, LEARN),
            PHANTOMS: ExamCache(options.exams / PHANTOMS),
        }
        chosen: dict[str, TrainingExams] = {**women_exams(options.exams, CHOOSE)}
        for caches, split in ((exams, LEARN), (chosen, CHOOSE)):
            caches[DIGITAL] = at_site(ExamCache(options.exams / DIGITAL, split), table, site, own=False)
        preset = preset_of(options.rows)
        start = find_start(preset, options.start and str(options.start))
        facts = {"start": start.name, "command": recorded_command("python scripts/benchmark_teaching.py", sys.argv[1:])}
        settings = argparse.Namespace(**{**vars(options), "work": work})
        insertion = lesions_set_in(options.exams / FILM)
        model, record = learn_from_reports(preset, exams, start, facts, insertion, settings)
        model = learn_from_outcomes(model, record, exams, insertion, settings)
        recalibrate(model, ["malignancy"], chosen.values())
        save_model(model, file, record)
    return ModelPredictor(load_weights(file), "cpu", site)


def with_site_statistics(model: MVMLM, exams: TrainingExams) -> MVMLM:
    """Return a copy whose normalisation layers have taken over a share of a site's statistics; no label is used."""
    adapted = deepcopy(model).requires_grad_(True)  # layers that are not trained would keep theirs
    measure_statistics(adapted, exams, SEED)
    before = model.image_tower.state_dict()
    for name, measured in adapted.image_tower.state_dict().items():
        if name.endswith(("running_mean", "running_var")):
            measured.lerp_(before[name], 1 - OF_SITE)
    return adapted.eval().requires_grad_(False)


def encoded_site(site: str, cache: TrainingExams, predictor: ModelPredictor) -> Site:
    """Return the breasts of a site's women with a known label."""
    settings = predictor.own_network.record.preprocessing
    cache.preprocessing = replace(cache.preprocessing, mean=settings.mean, std=settings.std)
    encoded, labels = encode(predictor.own_network, cache), labels_of(TASK["malignancy"].name, cache)
    assert not np.isnan(labels).any(), "every breast of RSNA is known to have cancer or not"
    sides = [next(iter(of.breast)) for of in cache.labels]
    features = np.concatenate([encoded.fused, encoded.pooled], 1)  # as `Fused.embedding`
    n, width = features.shape
    breasts, read = np.zeros((n, 2, width), np.float32), np.zeros((n, 2), bool)
    for row, side in enumerate(sides):
        at = SIDES.index(side)
        breasts[row, at], read[row, at] = features[row], True
    cases = LabelledEmbeddings(
        TASK["malignancy"],
        features=features,
        labels=labels.astype(np.float32),
        exams=tuple(cache.names),
        sides=tuple(side.value for side in sides),
        patients=encoded.women,
        test=np.zeros(n, bool),
        facts=tuple({} for _ in sides),
        stage_inputs=stage_inputs(cache, encoded),
    )
    missing = np.zeros((n, width_without_views(predictor, Level.EXAM) - encoded.fused.shape[1]), np.float32)
    whole = np.concatenate([encoded.fused, missing, encoded.pooled], 1)  # the exam is the breast
    return Site(site, predictor, cases, EmbeddedExams(np.arange(n), whole, breasts, read))


def stage_inputs(exams: TrainingExams, encoded: Encoded) -> StageInputs:
    """Return the breasts as they enter the last image stage."""
    present = torch.from_numpy(exams.present)
    fine = encoded.fine.new_zeros(*present.shape, *encoded.fine.shape[1:])
    inside = encoded.inside.new_zeros(*present.shape, *encoded.inside.shape[1:])
    fine[present], inside[present] = encoded.fine, encoded.inside
    together = torch.zeros(len(present), dtype=torch.bool)  # an exam of these data sets is one breast
    return StageInputs(fine, inside, present, together, {name: row for row, name in enumerate(exams.names)})


def folds_of(patients: np.ndarray) -> np.ndarray:
    """Return the fold (n,) of each breast: whole women."""
    women = np.random.default_rng(SEED).permutation(np.unique(patients))
    fold = {woman: index % FOLDS for index, woman in enumerate(women)}
    return np.array([fold[woman] for woman in patients])


def bundled_answers(site: Site) -> Callable[[LabelledEmbeddings], np.ndarray]:
    """Return what gives the bundled head's probabilities of cases."""
    head = site.predictor.model.task_heads["malignancy"]

    @torch.inference_mode()
    def of_cases(cases: LabelledEmbeddings) -> np.ndarray:
        return probabilities(cases.task, head(torch.from_numpy(cases.features))).numpy()

    return of_cases


def answers_without_labels(site: Site, cache: TrainingExams) -> Answers:
    """Return what the bundled head answers, as it is and where the network has taken over the site's statistics."""
    bundled, model = bundled_answers(site), with_site_statistics(site.predictor.own_network, cache)
    adapted = replace(site.cases, features=encode(model, cache).fused)
    return Answers({"bundled": [bundled(site.cases)[:, 0]], "bundled, the site's statistics": [bundled(adapted)[:, 0]]})


def taught(site: Site, count: int, draws: Mapping[str, int]) -> Answers:
    """Return what heads answer that `count` women of the other folds teach, and what the bundled head answers.

    draws: depth -> how often the women are drawn.
    """
    cases, folds, bundled = site.cases, folds_of(site.cases.patients), bundled_answers(site)
    answers = Answers({"bundled": [bundled(cases)[:, 0]]})
    for depth, times in draws.items():
        for seed in range(1, times + 1):
            found = np.zeros(len(cases))
            for fold in range(FOLDS):
                rest = np.flatnonzero(folds != fold)
                order = order_of_women(cases.patients[rest], cases.labels[rest], count, seed)
                test = folds == fold
                used = test | np.isin(cases.patients, order[:count])
                own = replace(cases.subset(used), test=test[used])
                began = time.perf_counter()
                config = FinetuneConfig("malignancy", depth, seed=seed)
                head = finetune_head(own, bundled, config, ignore_progress, model=site.predictor.model).head
                answers.seconds.setdefault(depth, []).append(time.perf_counter() - began)
                logits = head.case_logits(cases.subset(test), site.predictor.model)
                found[test] = probabilities(cases.task, logits).numpy()[:, 0]
            answers.by.setdefault(depth, []).append(found)
    return answers


def chosen_actively(site: Site, seeds: int) -> Answers:
    """Return what heads answer that the breasts teach which each strategy chose from the other folds."""
    cases, folds, answers = site.cases, folds_of(site.cases.patients), Answers()
    for strategy in STRATEGIES:
        for seed in range(1, seeds + 1):
            found = np.zeros(len(cases))
            for fold in range(FOLDS):
                rest = np.random.default_rng([SEED, seed]).permutation(np.flatnonzero(folds != fold)).tolist()
                head = label_and_fit(site.predictor, site.embedded, cases, np.arange(len(cases)), rest, strategy, seed)
                test = folds == fold
                found[test] = head.probabilities(cases.features[test])[:, 0]
            answers.by.setdefault(strategy, []).append(found)
    return answers


def mean_auc(labels: np.ndarray, folds: np.ndarray, draws: Sequence[np.ndarray]) -> float:
    """Return the mean AUC over draws and folds; a fold of a resample with one class alone is left out."""
    values = [
        auc(labels[own], scores[own])
        for fold in range(FOLDS)
        if len(np.unique(labels[own := folds == fold])) == 2
        for scores in draws
    ]
    return float(np.mean(values))


def rows_of(site: Site, answers: Answers, than: str, what: str) -> list[str]:
    """Return lines of a table: the AUC of each, and by how much it is better than one of them."""
    labels, folds, lines = site.cases.labels, folds_of(site.cases.patients), []
    for name in answers.by:

        def value(rows: np.ndarray, name: str = name) -> float:
            return mean_auc(labels[rows], folds[rows], [draw[rows] for draw in answers.by[name]])

        def gain(rows: np.ndarray, value: Callable[[np.ndarray], float] = value) -> float:
            return value(rows) - mean_auc(labels[rows], folds[rows], [draw[rows] for draw in answers.by[than]])

        found, low, high = bootstrap_interval(value, site.cases.patients, SEED)
        line = f"| {site.name} | {what} | {name} | {found:.3f} ({low:.3f}–{high:.3f}) |"
        if name != than:
            found, low, high = bootstrap_interval(gain, site.cases.patients, SEED)
            line += f" {found:+.3f} ({low:+.3f} to {high:+.3f}) |"
        lines.append(line if name != than else line + " |")
    return lines


def measure(name: str, table: dict[str, dict[str, str]], options: argparse.Namespace) -> dict[str, Measured]:
    """Return what was measured at one site, by the labels that were given; the work folder keeps it as it comes."""
    kept = options.work / f"without-site-{name}" / f"measured-{options.seeds}.json"
    found: dict[str, Measured] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
    predictor = trained_without(name, table, options)
    cache = at_site(ExamCache(options.exams / DIGITAL), table, name, own=True)
    site = encoded_site(name, cache, predictor)
    counts = {f"{count} women": (count, {"linear": options.seeds, "stage": SLOW_DRAWS}) for count in COUNTS}
    counts[EVERYONE] = len(set(site.cases.patients)), {"linear": 1}  # always the same women
    parts = ("none", *counts, CHOSEN_BREASTS)
    for what in parts:
        if what in found:
            continue
        if what in counts:
            answers, than = taught(site, *counts[what]), "bundled"
        elif what == CHOSEN_BREASTS:
            answers, than = chosen_actively(site, SLOW_DRAWS), "random"
        else:
            answers, than = answers_without_labels(site, cache), "bundled"
        found[what] = {"lines": rows_of(site, answers, than, what), "seconds": answers.seconds.get("linear", [])}
        log("\n".join(found[what]["lines"]))
        with replace_file(kept) as file:
            file.write(json.dumps(found).encode())
    return {what: found[what] for what in parts}


HEADER = """# What a site's own labels teach

Research use only. For each site of RSNA the model was trained without that site's women, at {rows} rows of input and
for {passes} passes: these are not the bundled weights. Then women of the site gave their labels (cancer, one breast at
a time), five folds; a head is measured on the fold whose women gave none. Mean AUC of {seeds} draws of the women who
label (of one for the depth stage, all women and chosen breasts), and how much more it is than that of the line without
a difference; 95 % intervals resample women. {seconds} Command: `{command}`.

"The site's statistics": the network took over {of_site:.0%} of the site's own means and variances of normalisation, for
which no label is needed.

| site | labels | what answers | AUC | more |
|---|---|---|---|---|
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--exams", type=Path, required=True, help="WORK/exams of scripts/train_demo.py")
    found.add_argument("--women", type=Path, required=True, help="folder of the reduced public data sets")
    found.add_argument("--work", type=Path, required=True, help="folder for checkpoints and weights")
    found.add_argument("--start", type=Path, help="weights whose image tower to start from (default: ImageNet's)")
    found.add_argument("--rows", type=int, default=256, help="of the input; the bundled weights have 512")
    found.add_argument("--epochs", type=int, default=4, help="passes in which the model learns from reports")
    found.add_argument("--outcome-epochs", type=int, default=4, help="passes in which it learns from outcomes too")
    found.add_argument("--seed", type=int, default=SEED, help="of the training")
    found.add_argument("--seeds", type=int, default=3, help="draws of the women who give their labels")
    found.add_argument("--only", metavar="SITE", help="this site alone, so that two runs work side by side")
    found.add_argument("--minutes", type=float, default=None, help="end each training after this time")
    found.add_argument("--out", type=Path, default=ROOT / "assets" / "TEACHING.md")
    return found


def main(options: argparse.Namespace) -> None:
    with open(options.women / "rsna.csv", encoding="utf-8") as file:
        table = {row["patient"]: row for row in csv.DictReader(file)}
    for source in (*WOMEN, PHANTOMS):
        small = options.work / f"exams-{options.rows}" / source
        shrink(options.exams / source, small, options.rows, (LEARN, CHOOSE, REPORT))
    options = argparse.Namespace(**{**vars(options), "exams": options.work / f"exams-{options.rows}"})
    sites = sorted({row["site"] for row in table.values()})
    measured = [measure(name, table, options) for name in ([options.only] if options.only else sites)]
    if options.only:
        return
    command = recorded_command("python scripts/benchmark_teaching.py", sys.argv[1:])
    seconds = np.median([second for found in measured for second in found[f"{max(COUNTS)} women"]["seconds"]])
    said = f"A linear head of {max(COUNTS)} women took {seconds:.1f} s (median) on the machine of the command."
    text = HEADER.format(
        seeds=options.seeds, seconds=said, command=command, rows=options.rows,
        passes=options.epochs + options.outcome_epochs, of_site=OF_SITE,
    )  # fmt: skip
    text += "\n".join(line for found in measured for part in found.values() for line in part["lines"]) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    sys.exit(run_script(main, parser().parse_args()))
