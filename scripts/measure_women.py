"""Measure weights on women that no training used, and write a table of what was measured.

    python scripts/measure_women.py --exams DIR --women DIR [--weights FILE] [--reports FILE] [--split test]

--exams is WORK/exams of `scripts/train_demo.py`, --reports the weights after its first training, which learned from no
pathology. An exam of a woman is one breast here, so that how many views she has tells nothing. Intervals resample
women.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import numpy as np
import torch
from demo_exams import CHOOSE, DIGITAL, FILM, REPORT
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from mvmlm.commands.command import recorded_command
from mvmlm.evaluation.bootstrap import bootstrap_interval
from mvmlm.evaluation.calibration import calibration_curve
from mvmlm.evaluation.discrimination import auc, macro_auc
from mvmlm.exam import SIDES, STANDARD_VIEWS
from mvmlm.inference.zero_shot import ZeroShot
from mvmlm.model.network import MVMLM
from mvmlm.model.weights import BUNDLED, load_weights
from mvmlm.pretraining.batches import Batch, make_batch
from mvmlm.pretraining.exam_cache import ExamCache
from mvmlm.pretraining.lesion_insertion import remove_lesions
from mvmlm.pretraining.record import EXAMS_AT_ONCE
from mvmlm.report.lexicon import KINDS
from mvmlm.tasks import TASK

SEED = 1  # of the resampling
NEAR = 0.04  # of the picture's height: how far beside the box a peak still counts
CALLED_BACK = 0.1  # share of breasts

HEADER = """# Women that no training used

Research use only. What `{weights}` answers for women of the split "{split}" of the reduced public data sets; the split
follows from the woman's ID alone, and no setting was chosen on these women. One breast is a case. Intervals (95 %)
resample women, seed {seed}. What is fitted here (age, outline, recalibration) is fitted to the women of the split
"{choose}". Asymmetry and distortion are not told of women: their rows show why. Command: `{command}`.

| what | cases | positives | measured (95 % interval) | goal |
|---|---|---|---|---|
"""


Known = Callable[["Breasts"], np.ndarray]  # what is known of breasts without the model, (n, features)


class Row(NamedTuple):
    """A line of the table. cases: how many. positives: among them; None where that has no meaning."""

    what: str
    cases: int
    positives: int | None
    value: tuple[float, float, float]
    goal: str = ""

    def text(self) -> str:
        """Return the line in Markdown."""
        value, low, high = self.value
        interval = f" ({low:.3f}–{high:.3f})" if low == low else ""
        positives = "" if self.positives is None else self.positives
        return f"| {self.what} | {self.cases} | {positives} | {value:.3f}{interval} | {self.goal} |"


@dataclass(frozen=True)
class Breasts:
    """What a model answers for the breasts of one data set and split, and what is known of them.

    Arrays have one entry a breast. logit: of malignancy. findings: (n, kinds) logits of KINDS. density: (n, 4)
    probabilities. prompt: similarity with malignant less that with benign words. cancer, density_class: NaN for
    unknown. shape: (n, features) of the outline alone. peaks: for each view with a mass in a box, whether the map's
    peak lies in it, the chance that it does, and the woman.
    """

    women: np.ndarray
    logit: np.ndarray
    findings: np.ndarray
    density: np.ndarray
    prompt: np.ndarray
    cancer: np.ndarray
    density_class: np.ndarray
    shape: np.ndarray
    peaks: list[tuple[bool, float, str]]

    @property
    def mass(self) -> np.ndarray:
        """The logits of mass (n,)."""
        return self.findings[:, KINDS.index("mass")]


def answer(model: MVMLM, cache: ExamCache) -> Breasts:
    """Return the answers for every breast of a cache."""
    settings = model.record.preprocessing
    cache.preprocessing = replace(cache.preprocessing, mean=settings.mean, std=settings.std)
    parts: list[dict[str, np.ndarray]] = []
    peaks: list[tuple[bool, float, str]] = []
    women = np.array([name.rsplit(" ", 1)[0] for name in cache.names])
    for start in range(0, len(cache), EXAMS_AT_ONCE):
        indices = range(start, min(start + EXAMS_AT_ONCE, len(cache)))
        batch = make_batch(cache, indices, model.record.tasks, None)
        part, maps, inside = answer_batch(model, batch)
        part["cancer"] = _of_side(batch.labels["malignancy"], batch)
        part["density_class"] = batch.labels["density"].numpy()
        part["shape"] = np.array([outline_features(cache.views(index)) for index in indices])
        parts.append(part)
        peaks += peaks_of(maps, inside, batch, women[indices])
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return Breasts(women=women, peaks=peaks, **joined)


@torch.inference_mode()
def answer_batch(model: MVMLM, batch: Batch) -> tuple[dict[str, np.ndarray], Tensor, Tensor]:
    """Return the answers for each breast of a batch, and for each present view the map of mass and the breast in it."""
    features, inside = model.feature_maps(batch.images[batch.present])
    pooled = model.place_views(model.image_tower.pool(features, inside), batch.present)
    fused = model.fusion(pooled, batch.present)
    logits, zero_shot, task = model.answer(fused), ZeroShot(model), TASK["malignancy"]
    direction = zero_shot.ready_made(task.prompts["present"]) - zero_shot.ready_made(task.prompts["absent"])
    part = {
        "logit": _of_side(logits["malignancy"][..., 0], batch),
        "findings": np.stack([_of_side(logits[kind][..., 0], batch) for kind in KINDS], 1),
        "density": logits["density"].softmax(-1).numpy(),
        "prompt": _of_side(model.embed_breasts(fused) @ direction, batch),
    }
    row = model.image_tower.finding_tasks.index("mass")
    return part, model.image_tower.evidence(features)[:, row], inside[:, 0]


def _of_side(values: Tensor, batch: Batch) -> np.ndarray:
    """The values (exams, 2) of the breast that each exam has."""
    sides = [SIDES.index(name.laterality) for name in STANDARD_VIEWS]
    has = torch.stack(
        [batch.present[:, [view for view, of in enumerate(sides) if of == side]].any(1) for side in (0, 1)], 1
    )
    assert bool((has.sum(1) == 1).all()), "an exam of these data sets is one breast"
    return values[has].numpy()


def peaks_of(maps: Tensor, inside: Tensor, batch: Batch, women: np.ndarray) -> list[tuple[bool, float, str]]:
    """Return for each view with boxes of masses whether its map peaks in one, the chance of it, and the woman."""
    rows, columns = batch.images.shape[-2:]
    height, width = maps.shape[-2:]
    x, y = (np.arange(width) + 0.5) * columns / width, (np.arange(height) + 0.5) * rows / height
    found = []
    for number, (exam, view) in enumerate(batch.present.nonzero().tolist()):
        boxes = [box for of, box in batch.boxes if of == exam and box.view == view and box.kind == "mass"]
        if not boxes:
            continue
        breast = inside[number].numpy() > 0
        reach, hit = NEAR * rows, np.zeros((height, width), bool)
        for box in boxes:
            across = (x >= box.left - reach) & (x <= box.right + reach)
            down = (y >= box.top - reach) & (y <= box.bottom + reach)
            hit |= down[:, None] & across[None]
        peak = np.where(breast, maps[number].numpy(), -np.inf).argmax()
        found.append((bool(hit.flat[peak]), float((hit & breast).sum() / breast.sum()), str(women[exam])))
    return found


def outline_features(views: np.ndarray) -> list[float]:
    """Return what the outline of a breast alone tells, the mean over its views: its area and its extent."""
    found = []
    for view in views:
        if view.any():
            breast = view > 0
            rows, columns = breast.any(1).mean(), breast.any(0).mean()
            found.append([breast.mean(), rows, columns, breast[:, 0].mean(), *np.quantile(breast.sum(1), (0.5, 0.9))])
    return np.mean(found, 0).tolist()


def auc_row(what: str, labels: np.ndarray, scores: np.ndarray, women: np.ndarray, goal: str = "") -> Row:
    """Return the AUC of the cases whose label is known."""
    known = ~np.isnan(labels)
    labels, scores, women = labels[known], scores[known], women[known]
    value = bootstrap_interval(lambda rows: auc(labels[rows], scores[rows]), women, SEED)
    return Row(what, len(labels), int(labels.sum()), value, goal)


def share_row(what: str, hits: np.ndarray, women: np.ndarray, goal: str = "") -> Row:
    """Return the share of cases that are hits (n,)."""
    value = bootstrap_interval(lambda rows: float(hits[rows].mean()), women, SEED)
    return Row(what, len(hits), None, value, goal)


def fitted_logit(learned: np.ndarray, labels: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the logits of `features` by a logistic regression on standardised features of other women."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return model.fit(learned, labels).decision_function(features)


def beside(what: str, name: str, known: Known, choose: Breasts, test: Breasts) -> list[Row]:
    """Return the AUC of what is known without the model, and what the model adds to it.

    known: returns (n, features) of breasts, such as the woman's age. choose: the women to whom both are fitted.
    """
    learn, used = ~np.isnan(choose.cancer), ~np.isnan(test.cancer)
    labels, women = test.cancer[used], test.women[used]
    before, after = known(choose)[learn], known(test)[used]
    alone = fitted_logit(before, choose.cancer[learn], after)
    together = (np.column_stack([x, y]) for x, y in ((before, choose.logit[learn]), (after, test.logit[used])))
    both = fitted_logit(next(together), choose.cancer[learn], next(together))
    gain = bootstrap_interval(lambda r: auc(labels[r], both[r]) - auc(labels[r], alone[r]), women, SEED)
    return [
        auc_row(f"{what}: {name} alone", labels, alone, women),
        auc_row(f"{what}: {name} and model", labels, both, women),
        Row(f"{what}: what the model adds to {name}", len(labels), int(labels.sum()), gain, "> 0"),
    ]


def ages_of(women: np.ndarray, table: Mapping[str, Mapping[str, str]]) -> np.ndarray:
    """Return (n, 1) the age of each breast's woman in years; the mean where it is not known."""
    ages = np.array([[float(table[woman]["age"] or "nan")] for woman in women])
    ages[np.isnan(ages)] = np.nanmean(ages)
    return ages


def digital_rows(choose: Breasts, test: Breasts, table: dict[str, dict[str, str]]) -> list[Row]:
    """Return cancer on digital pictures: all, within each site, beside age, and at a fixed share called back."""
    sites = np.array([table[woman]["site"] for woman in test.women])
    rows = [auc_row("cancer, digital", test.cancer, test.logit, test.women, "≥ 0.78")]
    for site in np.unique(sites):
        own = sites == site
        rows.append(
            auc_row(f"cancer, digital, site {site}", test.cancer[own], test.logit[own], test.women[own], "≥ 0.75")
        )
    rows += beside("cancer, digital", "age", lambda breasts: ages_of(breasts.women, table), choose, test)

    def sensitivity(chosen: np.ndarray) -> float:
        cancer, score = test.cancer[chosen], test.logit[chosen]
        called = np.argsort(-score, kind="stable")[: round(CALLED_BACK * len(score))]
        return float(cancer[called].sum() / cancer.sum())

    healthy = test.cancer == 0
    rows += [
        share_row(f"P({kind}) ≥ 0.5, digital breasts without cancer", said >= 0, test.women[healthy])
        for kind, said in zip(KINDS, test.findings[healthy].T, strict=True)
    ]
    value = bootstrap_interval(sensitivity, test.women, SEED)
    most = CALLED_BACK * len(test.cancer) / test.cancer.sum()
    what = f"sensitivity with {CALLED_BACK:.0%} of breasts called back, digital ({most:.2f} is the most)"
    return [*rows, Row(what, len(test.cancer), int(test.cancer.sum()), value, "≥ 0.24 where 0.28 is the most")]


def density_rows(source: str, test: Breasts, goals: tuple[str, str]) -> list[Row]:
    """Return density: four classes, one against the rest, and dense against not dense."""
    known = ~np.isnan(test.density_class)
    classes, said, women = test.density_class[known], test.density[known], test.women[known]
    each = bootstrap_interval(lambda rows: macro_auc(classes[rows], said[rows]), women, SEED)
    dense = auc_row(
        f"density C, D against A, B, {source}", (classes > 1).astype(float), said[:, 2:].sum(1), women, goals[1]
    )
    return [Row(f"density, one against rest, {source}", len(classes), None, each, goals[0]), dense]


def film_rows(choose: Breasts, test: Breasts, without_mass: np.ndarray) -> list[Row]:
    """Return masses on film. without_mass: logits of mass for the breasts from which the masses were taken out."""
    goal = "malignant against benign mass, film"
    rows = [auc_row(goal, test.cancer, test.logit, test.women, "≥ 0.84")]
    rows += beside(goal, "outline", lambda breasts: breasts.shape, choose, test)
    hits, chances = np.array([(hit, chance) for hit, chance, _ in test.peaks], float).T
    women = np.array([woman for _, _, woman in test.peaks])
    rows.append(
        share_row(f"the evidence of mass peaks in the box, film (chance {chances.mean():.2f})", hits, women, "≥ 0.75")
    )
    rows.append(share_row("P(mass) ≥ 0.5, film breasts with a mass", test.mass >= 0, test.women, "≥ 0.80"))
    rows += [
        share_row(f"P({kind}) ≥ 0.5, film breasts with a mass", said >= 0, test.women)
        for kind, said in zip(KINDS, test.findings.T, strict=True)
        if kind != "mass"
    ]
    share = float((without_mass >= 0).mean())
    nothing = float("nan")
    rows.append(Row("P(mass) ≥ 0.5, the mass cut out", len(without_mass), None, (share, nothing, nothing), "≤ 0.10"))
    return rows


@torch.inference_mode()
def masses_cut_out(model: MVMLM, cache: ExamCache) -> np.ndarray:
    """Return the logits of mass for the film breasts whose masses can be replaced by tissue of the same view."""
    logits = []
    settings = model.record.preprocessing
    cache.preprocessing = replace(cache.preprocessing, mean=settings.mean, std=settings.std)
    for index in range(len(cache)):
        side = next(iter(cache.labels[index].findings))
        boxes = cache.labels[index].boxes
        changed = remove_lesions(cache.views(index), side, boxes, random.Random(index)) if boxes else None
        if changed is None:
            continue
        batch = make_batch(cache, [index], model.record.tasks, None)
        images = changed.views.astype(np.float32) / 255 * settings.ceiling
        images = (images - settings.mean) / settings.std
        part, _, _ = answer_batch(model, replace(batch, images=torch.from_numpy(images)[None, :, None]))
        logits.append(part["findings"][0, KINDS.index("mass")])
    return np.array(logits)


def calibration_rows(source: str, choose: Breasts, test: Breasts) -> list[Row]:
    """Return slope and error of the probabilities after a recalibration on the women of the split that chooses."""
    known, cancer = ~np.isnan(choose.cancer), ~np.isnan(test.cancer)
    line = LogisticRegression(C=1e6).fit(choose.logit[known, None], choose.cancer[known])
    labels, women = test.cancer[cancer], test.women[cancer]
    logit = line.decision_function(test.logit[cancer, None])

    def slope(rows: np.ndarray) -> float:
        if len(np.unique(labels[rows])) < 2:
            return float("nan")
        return float(LogisticRegression(C=1e6).fit(logit[rows, None], labels[rows]).coef_[0, 0])

    def error(rows: np.ndarray) -> float:
        return calibration_curve(labels[rows], 1 / (1 + np.exp(-logit[rows])))["error"]

    measures: tuple[tuple[str, Callable[[np.ndarray], float], str], ...] = (
        ("slope", slope, "0.9–1.1"), ("error (ECE)", error, "≤ 0.05"),
    )  # fmt: skip
    return [
        Row(f"calibration {name}, {source}", len(labels), int(labels.sum()), bootstrap_interval(of, women, SEED), goal)
        for name, of, goal in measures
    ]


def prompt_rows(model: MVMLM, caches: dict[str, ExamCache], table: dict[str, dict[str, str]]) -> list[Row]:
    """Return suspicion by prompts alone, of weights that learned from no pathology."""
    film, digital = answer(model, caches[FILM]), answer(model, caches[DIGITAL])
    rows = [
        auc_row("malignant against benign mass by prompts alone, film", film.cancer, film.prompt, film.women, "≥ 0.70")
    ]
    sites = np.array([table[woman]["site"] for woman in digital.women])
    for site in np.unique(sites):
        own = sites == site
        what = f"cancer by prompts alone, digital, site {site}"
        rows.append(auc_row(what, digital.cancer[own], digital.prompt[own], digital.women[own], "≥ 0.60"))
    return rows


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    assert __doc__ is not None
    found = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    found.add_argument("--exams", type=Path, required=True, help="the folder of decoded exams")
    found.add_argument("--women", type=Path, required=True, help="folder of the reduced public data sets")
    found.add_argument("--weights", type=Path, default=BUNDLED / "demo.safetensors")
    found.add_argument("--reports", type=Path, help="weights that learned from no pathology, for the prompts")
    found.add_argument("--split", default=REPORT, help="of the women that are measured")
    found.add_argument("--out", type=Path, default=ROOT / "assets" / "WOMEN.md")
    return found


def main() -> None:
    options = parser().parse_args()
    with open(options.women / "rsna.csv", encoding="utf-8") as file:
        table = {row["patient"]: row for row in csv.DictReader(file)}
    caches = {name: ExamCache(options.exams / name, options.split) for name in (DIGITAL, FILM)}
    model = load_weights(options.weights)
    tests = {name: answer(model, cache) for name, cache in caches.items()}
    chosen = {name: answer(model, ExamCache(options.exams / name, CHOOSE)) for name in (DIGITAL, FILM)}
    rows = digital_rows(chosen[DIGITAL], tests[DIGITAL], table)
    rows += density_rows("digital", tests[DIGITAL], ("≥ 0.92", "≥ 0.95"))
    rows += film_rows(chosen[FILM], tests[FILM], masses_cut_out(model, caches[FILM]))
    rows += density_rows("film", tests[FILM], ("≥ 0.88", "≥ 0.95"))
    for source, name in (("digital", DIGITAL), ("film", FILM)):
        rows += calibration_rows(source, chosen[name], tests[name])
    if options.reports:
        rows += prompt_rows(load_weights(options.reports), caches, table)
    command = recorded_command("python scripts/measure_women.py", sys.argv[1:])
    header = HEADER.format(weights=options.weights.name, split=options.split, choose=CHOOSE, seed=SEED, command=command)
    text = header + "\n".join(row.text() for row in rows) + "\n"
    options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
