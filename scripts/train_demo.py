"""Train the bundled demo weights on phantoms and real women and write mvmlm/model/bundled/demo.safetensors.

    python scripts/train_demo.py --work DIR --women DIR [--start FILE | --trained FILE] [--seed 1]

--women is the folder of the reduced data sets `rsna-640`, `cbis-mass-800` and `cdd-cesm`. Run it again with the same
--work to resume. First the model learns from reports, views and places, without what pathology or follow-up told of a
woman; then from these outcomes too. Weights that this script has trained are --trained further, from outcomes. Women
of the splits validation and test are never learned from: settings are chosen on the first, figures reported on the
second. Training phantoms have seed 1, validation phantoms seed 2, and evaluation uses other seeds.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import numpy as np
import torch
from demo_calibration import calibrate
from demo_exams import (
    CHOOSE,
    FILM,
    LEARN,
    PHANTOMS,
    WOMEN,
    cache_phantoms,
    cache_women,
    lesions_set_in,
    log,
    with_places_of_cancer,
    without_outcomes,
    women_exams,
)
from torch import Tensor

from mvmlm.commands.command import print_problems, recorded_command, told
from mvmlm.commands.pretraining import NOT_FINISHED
from mvmlm.evaluation.discrimination import auc
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.inference.zero_shot import ZeroShot
from mvmlm.messages import Advised
from mvmlm.model.config import Preset, WeightsRecord
from mvmlm.model.heads import probabilities
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import BUNDLED, WeightsError, load_weights, save_model
from mvmlm.pretraining.exam_cache import ExamCache
from mvmlm.pretraining.joined_exams import JoinedExams, TrainingExams
from mvmlm.pretraining.lesion_insertion import Insertion
from mvmlm.pretraining.record import EXAMS_AT_ONCE, fuse_exams, new_record, refit_survival
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.start import Start, find_start
from mvmlm.pretraining.stopping import TrainingInterrupted
from mvmlm.pretraining.train import pretrain
from mvmlm.tasks import TASK, Kind

VERSION = "0.5.0"
#: exams of each source in a batch; an exam of a woman is one breast, a phantom two
SHARES = {"rsna-640": 10, "cbis-mass-800": 10, "cdd-cesm": 1, PHANTOMS: 5}
IMAGE_LR, OTHER_LR = 3e-4, 1e-3  # of the reports; a third of both for the outcomes
FROZEN_STAGES = 3


def schedule(epochs: int, rate: float, seed: int, minutes: float | None) -> Schedule:
    """Return the settings of one of the two trainings. rate: what the learning rates are multiplied by."""
    return Schedule(
        seed=seed, epochs=epochs, exams_per_batch=sum(SHARES.values()), shares=SHARES, image_lr=rate * IMAGE_LR,
        other_lr=rate * OTHER_LR, frozen_stages=FROZEN_STAGES, ema=0.98, bf16=True, minutes=minutes,
    )  # fmt: skip


#: what the bundled weights do not say of women: of the split validation they called asymmetry present in all of 63 film
#: breasts and distortion in 95 % of them, both in none of 45 digital breasts without cancer (`measure_women.py`)
NOT_FOR_WOMEN = dict.fromkeys(
    ("asymmetry", "distortion"),
    "not answered for women. What these weights learned of it tells film from digital pictures, so it is shown for "
    "phantom exams only.",
)


def training_facts(exams: dict[str, ExamCache], start: Start, seed: int) -> dict[str, Any]:
    """Return what the record says of the training: data, licences, start, seed and command."""
    learned_from = {name: f"{len(exams[name])} breasts: {WOMEN[name]}" for name in WOMEN}
    return {
        "data": f"{len(exams[PHANTOMS])} phantom exams, seed 1; women of the split {LEARN}",
        "learned_from": learned_from | {PHANTOMS: f"{len(exams[PHANTOMS])} exams made by this program"},
        "risk_learned_on": PHANTOMS,  # no data set that can be had here knows what came later
        "women_one_breast": True,  # a case of these data sets is one breast
        "not_for_women": NOT_FOR_WOMEN,
        "start": start.name,
        "seed": seed,
        "command": recorded_command("python scripts/train_demo.py", sys.argv[1:]),
    }


@torch.inference_mode()
def validate(model: MVMLM, cache: ExamCache) -> dict[str, float]:
    """Return the AUC of every binary task, and the mean one-against-rest AUC of density, by head and by prompt.

    A task of which the exams know one class only is left out, and so are breasts whose label is not known.
    """
    cache.preprocessing = model.record.preprocessing
    zero_shot = ZeroShot(model)
    scores: dict[tuple[str, str], list[Tensor]] = {}
    labels: dict[str, list[Tensor]] = {}
    for start in range(0, len(cache), EXAMS_AT_ONCE):
        fused, batch = fuse_exams(model, cache, range(start, min(start + EXAMS_AT_ONCE, len(cache))))
        breasts = model.embed_breasts(fused)
        for name, logits in model.answer(fused).items():
            task = TASK[name]
            if task.kind is Kind.BINARY:
                present, absent = (zero_shot.ready_made(task.prompts[class_]) for class_ in ("present", "absent"))
                likeness = breasts @ (present - absent)
            elif name == "density":
                likeness = torch.stack(
                    [breasts.mean(1) @ zero_shot.ready_made(task.prompts[c]) for c in task.classes], 1
                )
            else:
                continue
            scores.setdefault((name, "head"), []).append(probabilities(task, logits).view(-1, task.outputs))
            scores.setdefault((name, "prompt"), []).append(likeness.view(-1, task.outputs))
            labels.setdefault(name, []).append(batch.labels[name].flatten())
    values = {
        f"{name} {by}": mean_auc(torch.cat(labels[name]).numpy(), torch.cat(parts).numpy())
        for (name, by), parts in scores.items()
    }
    return {name: round(value, 4) for name, value in values.items() if value is not None}


def mean_auc(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Return the AUC of one column of scores (n, 1), or the mean one-against-rest AUC of several (n, classes).

    labels: (n,), NaN for unknown. None where fewer than two classes are known.
    """
    known = ~np.isnan(labels)
    labels, scores = labels[known], scores[known]
    classes = np.unique(labels)
    if len(classes) < 2:
        return None
    if scores.shape[1] == 1:
        return auc(labels, scores[:, 0])
    return float(np.mean([auc(labels == value, scores[:, int(value)]) for value in classes]))


def learn_from_reports(
    preset: Preset,
    exams: Mapping[str, TrainingExams],
    start: Start,
    facts: dict[str, Any],
    insertion: Insertion,
    options: argparse.Namespace,
) -> tuple[MVMLM, WeightsRecord]:
    """Return the model after the first training, and its record; the weights are kept in the work folder.

    exams: by source. facts: what the record says of the training. options: work, seed, epochs, minutes.
    """
    reports = JoinedExams(exams, without_outcomes)
    record = new_record("MV-MLM demo", VERSION, preset, reports, facts)
    model = pretrain(
        record, lambda model: start.initialise(model.image_tower), reports, options.work / "reports",
        schedule(options.epochs, 1.0, options.seed, options.minutes), log,
        insertion=insertion,
    )  # fmt: skip
    save_model(model, options.work / "reports.safetensors", record)
    return model, record


def trained_before(file: Path, facts: dict[str, Any]) -> tuple[MVMLM, WeightsRecord]:
    """Return weights that this script has trained, and a record that says how they were and are trained."""
    model = load_weights(file)
    before = model.record.training
    after = {**before, **facts, "start": file.name, "before": {key: before.get(key) for key in ("start", "command")}}
    return model, replace(model.record, version=VERSION, training=after)


def learn_from_outcomes(
    trained: MVMLM,
    record: WeightsRecord,
    exams: Mapping[str, TrainingExams],
    insertion: Insertion,
    options: argparse.Namespace,
) -> MVMLM:
    """Return the model after the second training. options: work, seed, outcome_epochs, minutes."""
    outcomes = JoinedExams(exams, with_places_of_cancer)
    outcomes.preprocessing = record.preprocessing
    return pretrain(
        record, lambda model: _continue_from(trained, model), outcomes, options.work / "outcomes",
        schedule(options.outcome_epochs, 1 / 3, options.seed, options.minutes), log,
        insertion=insertion,
    )  # fmt: skip


def run_script(main: Callable[[argparse.Namespace], None], options: argparse.Namespace) -> int:
    """Run a script that trains and return its exit status; where it is stopped, it ends with one sentence."""
    try:
        main(options)
    except TrainingInterrupted as stopped:
        print_problems(str(stopped))
        return NOT_FINISHED
    except KeyboardInterrupt:
        print_problems("Stopped. Start again with the same arguments to go on.")
        return NOT_FINISHED
    except (Advised, WeightsError, OSError) as error:
        print_problems(told(error, options))
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--work", type=Path, required=True, help="folder for decoded exams and checkpoints")
    found.add_argument("--women", type=Path, required=True, help="folder of the reduced public data sets")
    given = found.add_mutually_exclusive_group()
    given.add_argument("--start", type=Path, help="weights whose image tower to start from (default: ImageNet's)")
    given.add_argument("--trained", type=Path, help="weights of this script, which then learn from outcomes alone")
    found.add_argument("--phantoms", type=int, default=800)
    found.add_argument("--epochs", type=int, default=8, help="passes in which the model learns from reports")
    found.add_argument("--outcome-epochs", type=int, default=2, help="passes in which it learns from outcomes too")
    found.add_argument("--seed", type=int, default=1)
    found.add_argument("--minutes", type=float, default=None, help="end each of the two trainings after this time")
    found.add_argument("--out", type=Path, default=BUNDLED / "demo.safetensors")
    return found


def _continue_from(trained: MVMLM, model: MVMLM) -> None:
    model.load_state_dict(trained.state_dict())


def main(options: argparse.Namespace) -> None:
    preset = Preset.load("demo")
    preprocessing, folder = Preprocessing(*preset.vision_cfg["image_size"]), options.work / "exams"
    phantoms = cache_phantoms(folder / PHANTOMS, options.phantoms, 1, preprocessing)
    validation_phantoms = cache_phantoms(folder / "validation-phantoms", options.phantoms // 8, 2, preprocessing)
    for name in WOMEN:
        cache_women(folder / name, name, options.women, preprocessing)
    exams = women_exams(folder, LEARN) | {PHANTOMS: phantoms}
    start = find_start(preset, options.start and str(options.start))

    facts, insertion = training_facts(exams, start, options.seed), lesions_set_in(folder / FILM)
    if options.trained:
        model, record = trained_before(options.trained, facts)
    else:
        model, record = learn_from_reports(preset, exams, start, facts, insertion, options)
    model = learn_from_outcomes(model, record, exams, insertion, options)
    calibrated = calibrate(model, women_exams(folder, CHOOSE), insertion)
    record.training["prevalence"] |= calibrated
    record.training["calibrated_for_women"] = list(calibrated)
    phantoms.preprocessing = record.preprocessing
    refit_survival(model, phantoms)
    held_out = women_exams(folder, CHOOSE) | {PHANTOMS: validation_phantoms}
    report = {name: validate(model, cache) for name, cache in held_out.items()}
    print(json.dumps(report, indent=1))
    save_model(model, options.out, replace(record, training=record.training | {"validation": report}))
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    sys.exit(run_script(main, parser().parse_args()))
