"""Measure the bundled weights, write assets/MODEL_CARD.md, and note in the weights which tasks are at chance.

python scripts/model_card.py [--n 200] [--seed 100]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np

from mvmlm import load_model
from mvmlm.evaluation.report import MetricResult, evaluate, markdown_table
from mvmlm.evaluation.survival import concordance
from mvmlm.exam import ViewName
from mvmlm.inference.explain import to_source
from mvmlm.inference.model_predictor import ModelPredictor
from mvmlm.inference.prediction import Prediction, Target
from mvmlm.model.config import WeightsRecord
from mvmlm.model.learned_from import seen_patients, sources, starts, terms, whom
from mvmlm.model.weights import BUNDLED, save_model
from mvmlm.phantom import FIELD_MM, PhantomExam, phantom_exams
from mvmlm.phantom.truth import truth_rows

DILATION_MM = 10
MAIN_METRICS = ("AUC", "macro AUC", "C-index")

CARD = """# Model card: {name} {version}

**Research use only, not for diagnosis. {whom}**

{sources}

## What they are

- Image tower: EfficientNet-Lite0 at {rows} × {columns}, one grey channel, its last two scales joined in a map of a sixteenth of the input;
  pooled over the breast by a generalised mean and by the strongest evidence of each finding; text tower:
  a small transformer ({text_layers} layers, width {text_width}) on the {vocabulary} BPE tokens of the report grammar; view fusion: {fusion_layers} layers,
  width {fusion_width}; joint space of {embed_dim} dimensions. {megabytes:.1f} MB.
- Start: {start}.
- Training: {data}; seed {seed}. First from reports, views, places and labels of findings, then from pathology and
  cancer too: [how](../docs/method.md#the-bundled-weights).
- Command: `{command}`.
- Licence: {licence}

## What was measured

On women that no training used: [WOMEN.md](WOMEN.md).

On {n} unseen phantom exams (seed {evaluation_seed}; training used seeds 1 and 2), one training seed, intervals by resampling
exams. Command: `python -m mvmlm evaluate --n {n} --seed {evaluation_seed}`; this file: `python scripts/model_card.py`.

{table}

Mean AUC of mass and calcification: {mean_head:.3f} from heads, {mean_prompt:.3f} zero-shot. Zero-shot means that the
ready-made prompts of `mvmlm/tasks.py` alone give the score; risk has no prompts. The hazard that drew the follow-up of
these women reaches a C-index of {best_c:.3f}; no model can do better.

Where the maps point (same exams): the strongest point of a view's map lies in the drawn lesion, dilated by {dilation} mm, for
the map of the finding in {pointing}; for the map of the prompts "{prompt_texts}" in {prompt_pointing}. Chance is the share of the
breast that the dilated lesion covers.

On {shifted_n} phantoms of a machine outside the training range (seed {shifted_seed}; noise, blur, contrast curve and pixel size):

{shifted_table}

What reports, several views and places bring over supervised training and single-view CLIP is in [BENCHMARK.md](BENCHMARK.md).

Targets that were set for these weights, and what was measured:

{targets}

## Limits

- Not for any real decision, screening, triage or second reading.{clinical}
- Tasks whose interval above holds 0.5 (C-index too) were not learned: their numbers mean nothing.
- The page says for each exam whether its views look like known mammograms. That is no sign that an answer is right:
  [what it can tell](../docs/familiarity.md).
- Lesions below about 0.5 mm at the input's resolution ({rows} × {columns} for a whole breast): fine calcifications are seen as
  faint specks or not at all.
- The women of the data sets are no screening population: cancers and masses are far more frequent, and every film shows
  a mass. Calcifications, distortions and asymmetries of women were hardly in the training data: the first two were
  drawn into their breasts, the third is known of few.
- Risk: phantom women have an invented hazard (density and asymmetry of texture), far above real incidence.
- Implants, spot and magnification views, tomosynthesis, men, priors: not in the training data.
- Words outside the report grammar: the page names words that were not in the training data.
"""

KINDS = ("mass", "calcification")
PROMPTS = {"mass": "there is a mass", "calcification": "there are calcifications"}
TARGETS = (  # task, by, lowest AUC
    ("mass", "head", 0.92), ("calcification", "head", 0.95), ("mass", "prompt", 0.88), ("calcification", "prompt", 0.88),
    ("malignancy", "head", 0.90), ("density", "head", 0.95),
)  # fmt: skip
MIN_POINTING, MAX_RISK_GAP, MAX_SHIFT_LOSS = 0.8, 0.05, 0.05
WEIGHTS = BUNDLED / "demo.safetensors"


class PointingCase(NamedTuple):
    """Whether the strongest point of a view's map lies in the dilated lesion, and the probability of it by chance."""

    kind: str
    hit: bool
    chance: float


@dataclass(frozen=True)
class Measurements:
    """What was measured. pointing, prompt_pointing: of the maps of findings, and of prompts for them."""

    results: list[MetricResult]
    shifted: list[MetricResult]
    pointing: list[PointingCase]
    prompt_pointing: list[PointingCase]
    best_c: float


def pointing_cases(
    phantom: PhantomExam,
    prediction: Prediction,
    evidence: Mapping[Target, Mapping[ViewName, np.ndarray]],
    targets: Mapping[str, Target],
) -> list[PointingCase]:
    """Return a case for each lesion in a view.

    evidence: of `ModelPredictor.map_evidence`; also a point too weak to be drawn counts. targets: of each kind of
    lesion, what is mapped.
    """
    cases = []
    for (name, kind), mask in phantom.masks.items():
        if kind not in KINDS or name not in prediction.encoding.inputs or not mask.any():
            continue
        given = prediction.encoding.inputs[name]
        heat = to_source(evidence[targets[kind]][name], given, lowest=0)
        reach = 2 * round(DILATION_MM * mask.shape[0] / FIELD_MM[0]) + 1
        near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0
        breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > 0.5
        hit = bool(heat.max() > 0 and near[np.unravel_index(heat.argmax(), heat.shape)])
        cases.append(PointingCase(kind, hit, float((near & breast).sum() / breast.sum())))
    return cases


def hit_rate(cases: Sequence[PointingCase], kind: str) -> float:
    """Return the share of the views with a lesion of this kind whose map points at it."""
    return float(np.mean([case.hit for case in cases if case.kind == kind]))


def pointing_summary(cases: Sequence[PointingCase]) -> str:
    """Return the hit rates and chances as text."""
    texts = []
    for kind in KINDS:
        chances = [case.chance for case in cases if case.kind == kind]
        views = f"{hit_rate(cases, kind):.0%} of {len(chances)} views with a {kind}"
        texts.append(f"{views} (chance {np.mean(chances):.0%})")
    return ", ".join(texts)


def main_values(results: Sequence[MetricResult]) -> dict[tuple[str, str], float]:
    """Return the value of the first metric of each task and way of answering."""
    return {(result.task, result.by): result.value for result in reversed(results)}


def shortfalls(measured: Measurements) -> str:
    """Return the targets of the demo weights, one a line, with what was measured."""
    value, moved = main_values(measured.results), main_values(measured.shifted)
    lines = []

    def add(target: str, result: str, short: bool) -> None:
        lines.append(f"- {target}, measured {result}{' (short)' if short else ''}")

    for task, by, least in TARGETS:
        add(f"{task} by {by}: target {least:.2f}", f"{value[task, by]:.3f}", value[task, by] < least)
    for name, cases in (("finding", measured.pointing), ("prompt", measured.prompt_pointing)):
        for kind in KINDS:
            hits = hit_rate(cases, kind)
            add(f"map of the {name}, {kind}: target {MIN_POINTING:.0%} of views", f"{hits:.0%}", hits < MIN_POINTING)
    gap = measured.best_c - value["risk", "head"]
    best = f"risk: target within {MAX_RISK_GAP} of the best possible C-index"
    add(best, f"{gap:.3f} below", gap > MAX_RISK_GAP)
    for task in ("malignancy", "mass", "calcification", "density"):
        loss = value[task, "head"] - moved[task, "head"]
        shifted = f"{task} on the shifted machine: target a loss below {MAX_SHIFT_LOSS}"
        add(shifted, f"{loss:.3f}", loss >= MAX_SHIFT_LOSS)
    return "\n".join(lines)


def measure(predictor: ModelPredictor, n: int, seed: int) -> Measurements:
    """Evaluate on `n` unseen phantoms, and on half as many of a shifted machine."""
    heads = {kind: Target(kind, "present") for kind in KINDS}
    prompts = {kind: Target(None, PROMPTS[kind]) for kind in KINDS}
    pairs, risks = [], []
    pointing: list[PointingCase] = []
    prompt_pointing: list[PointingCase] = []
    for number, phantom in enumerate(phantom_exams(n, seed), 1):
        prediction = predictor.predict(phantom.exam)
        pairs.append((prediction, truth_rows(phantom)))
        if phantom.risk_years > 0:
            risks.append((phantom.risk_years, phantom.cancer, phantom.best_risk_score))
        if phantom.masks:
            maps = predictor.map_evidence(prediction.encoding, [*heads.values(), *prompts.values()])
            pointing += pointing_cases(phantom, prediction, maps, heads)
            prompt_pointing += pointing_cases(phantom, prediction, maps, prompts)
        if number % 25 == 0:
            print(f"{number}/{n}", flush=True)
    shifted = evaluate(
        (predictor.predict(phantom.exam), truth_rows(phantom))
        for phantom in phantom_exams(n // 2, seed + 1, shift=True)
    )
    years, events, scores = np.array(risks, float).T
    return Measurements(evaluate(pairs), shifted, pointing, prompt_pointing, concordance(years, events, scores))


def licence(record: WeightsRecord) -> str:
    """Return under which licence the weights are, which what they learned from decides, and the attributions."""
    due = terms(record)
    start = "The ImageNet start is named in [SOURCES.md](SOURCES.md)."
    if not due:
        return f"Apache-2.0. Research use only. {start}"
    return f"research use only. {start} What they learned from has terms of its own:" + "".join(
        f"\n  - {one}" for one in due
    )


def sources_list(record: WeightsRecord) -> str:
    """Return what the weights learned from, an item each."""
    return "\n".join(f"- {name + ': ' if name else ''}{said}" for name, said in sources(record).items())


def card_text(record: WeightsRecord, measured: Measurements, n: int, seed: int) -> str:
    """Return the model card."""
    value, preset, training = main_values(measured.results), record.preset, record.training
    return CARD.format(
        name=record.name, version=record.version, rows=record.preprocessing.rows, columns=record.preprocessing.columns,
        text_layers=preset.text_cfg["layers"], text_width=preset.text_cfg["width"], vocabulary=len(record.vocabulary),
        fusion_layers=preset.fusion_cfg["layers"], fusion_width=preset.fusion_cfg["width"], embed_dim=preset.embed_dim,
        megabytes=WEIGHTS.stat().st_size / 1e6, start=starts(record),
        data=training["data"], seed=training["seed"], command=training["command"], n=n, evaluation_seed=seed,
        table=markdown_table(measured.results), dilation=DILATION_MM, pointing=pointing_summary(measured.pointing),
        prompt_pointing=pointing_summary(measured.prompt_pointing), prompt_texts='" and "'.join(PROMPTS.values()),
        best_c=measured.best_c, shifted_n=n // 2, shifted_seed=seed + 1, shifted_table=markdown_table(measured.shifted),
        targets=shortfalls(measured), mean_head=(value["mass", "head"] + value["calcification", "head"]) / 2,
        whom=whom(record), sources=sources_list(record), licence=licence(record),
        clinical="" if seen_patients(record) else " They were neither trained nor evaluated on clinical data.",
        mean_prompt=(value["mass", "prompt"] + value["calcification", "prompt"]) / 2,
    )  # fmt: skip


def main() -> None:
    """Measure, then write the card and the weights' record."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    predictor = load_model("demo")
    record, measured = predictor.own_network.record, measure(predictor, options.n, options.seed)
    card = card_text(record, measured, options.n, options.seed)
    (ROOT / "assets" / "MODEL_CARD.md").write_text(card, encoding="utf-8")
    # the page says beside the answers which tasks are at chance
    heads = [result for result in measured.results if result.by == "head" and result.metric in MAIN_METRICS]
    at_chance = list(dict.fromkeys(result.task for result in heads if result.low <= 0.5))
    save_model(predictor.own_network, WEIGHTS, replace(record, training=record.training | {"at_chance": at_chance}))
    print(card)


if __name__ == "__main__":
    main()
