"""Measures the bundled weights, writes assets/MODEL_CARD.md, and notes in the weights which tasks are at chance.

python scripts/model_card.py [--n 200] [--seed 100]
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np

from mvmlm import load_model
from mvmlm.evaluation.metrics import concordance
from mvmlm.evaluation.report import evaluate, markdown_table
from mvmlm.inference.explain import source_maps
from mvmlm.inference.prediction import Target
from mvmlm.model.weights import BUNDLED, save_model
from mvmlm.phantom import FIELD_MM, phantom_exams
from mvmlm.phantom.truth import truth_rows

DILATION_MM = 10
MAIN_METRICS = ("AUC", "macro AUC", "C-index")

CARD = """# Model card: {name} {version}

**Research use only, not for diagnosis. These weights have never seen a patient.** They were trained on computed phantom
exams and show that every step from files to answers works; their probabilities mean nothing for a real woman.

## What they are

- Image tower: EfficientNet-Lite0 at {rows} × {columns}, one grey channel, its last two scales joined in a map of a sixteenth of the input;
  pooled over the breast by a generalised mean and by the strongest evidence of each finding; text tower:
  a small transformer ({text_layers} layers, width {text_width}) on the {vocabulary} BPE tokens of the report grammar; view fusion: {fusion_layers} layers,
  width {fusion_width}; joint space of {embed_dim} dimensions. {megabytes:.1f} MB.
- Start: {start}.
- Training: {data}; objective: image–text for each view and breast, CC–MLO, text–text, labels, and the
  places of the drawn lesions; reports with equal findings are positives. Seed {seed}.
- Command: `{command}`; {note}
- Licence: Apache-2.0. Research use only. They were trained on phantoms made by this program, from the ImageNet start named in
  [SOURCES.md](SOURCES.md).

## What was measured

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

{asked}

## Limits

- Not for any real decision, screening, triage or second reading. They were neither trained nor evaluated on clinical data.
- Tasks whose interval above holds 0.5 (C-index too) were not learned: their numbers mean nothing.
- Real mammograms: the page says for each exam how far it is from the training exams. Expect density to carry over
  better than findings, and expect findings to be wrong.
- Lesions below about 0.5 mm at the input's resolution ({rows} × {columns} for a whole breast): fine calcifications are seen as
  faint specks or not at all.
- Risk: phantom women have an invented hazard (density and asymmetry of texture), far above real incidence.
- Implants, spot and magnification views, tomosynthesis, men, priors: not in the training data.
- Words outside the report grammar: the page names words that were not in the training data.
"""


KINDS = ("mass", "calcification")
PROMPTS = {"mass": "there is a mass", "calcification": "there are calcifications"}
ASKED = (  # task, by, at least
    ("mass", "head", 0.92), ("calcification", "head", 0.95), ("mass", "prompt", 0.88), ("calcification", "prompt", 0.88),
    ("malignancy", "head", 0.90), ("density", "head", 0.95),
)  # fmt: skip


def pointing_case(predictor, phantom, prediction, targets: dict[str, Target]) -> list[tuple[str, bool, float]]:
    """For each lesion in a view: its kind, whether the strongest map point is in the dilated mask, and the chance of it."""
    maps = source_maps(predictor, prediction.encoding, list(targets.values()))
    cases = []
    for (name, kind), mask in phantom.masks.items():
        if kind not in KINDS or name not in prediction.encoding.inputs or not mask.any():
            continue
        heat = maps[targets[kind]][name]
        reach = 2 * round(DILATION_MM * mask.shape[0] / FIELD_MM[0]) + 1
        near = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (reach, reach))) > 0
        given = prediction.encoding.inputs[name]
        breast = given.geometry.map_to_source(given.breast.astype(np.float32)) > 0.5
        hit = bool(heat.max() > 0 and near[np.unravel_index(heat.argmax(), heat.shape)])
        cases.append((kind, hit, float((near & breast).sum() / breast.sum())))
    return cases


def summary(cases: list[tuple[str, bool, float]]) -> str:
    """`cases` of `pointing_case` as words."""
    said = []
    for kind in KINDS:
        hits, chances = zip(*[(hit, chance) for k, hit, chance in cases if k == kind], strict=True)
        said.append(f"{np.mean(hits):.0%} of {len(hits)} views with a {kind} (chance {np.mean(chances):.0%})")
    return ", ".join(said)


def shortfalls(results, shifted, best_c: float, pointed: dict[str, float]) -> str:
    """The targets of the demo weights, a line each, with what was measured."""
    value = {(r.task, r.by): r.value for r in reversed(results)}
    moved = {(r.task, r.by): r.value for r in reversed(shifted)}
    lines = [
        f"- {task} by {by}: asked {least:.2f}, measured {value[task, by]:.3f}{'' if value[task, by] >= least else ' (short)'}"
        for task, by, least in ASKED
    ]
    for name, hits in pointed.items():
        lines.append(f"- {name}: asked 80 % of views, measured {hits:.0%}{'' if hits >= 0.8 else ' (short)'}")
    gap = best_c - value["risk", "head"]
    lines.append(
        f"- risk: asked within 0.05 of the best reachable C-index, measured {gap:.3f} below{'' if gap <= 0.05 else ' (short)'}"
    )
    for task in ("malignancy", "mass", "calcification", "density"):
        lost = value[task, "head"] - moved[task, "head"]
        lines.append(
            f"- {task} on the shifted machine: asked a loss below 0.05, measured {lost:.3f}{'' if lost < 0.05 else ' (short)'}"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--seed", type=int, default=100)
    options = parser.parse_args()
    predictor = load_model("demo")
    record, pairs, cases, prompt_cases, risks = predictor.record, [], [], [], []
    heads, prompts = (
        {kind: Target(kind, "present") for kind in KINDS},
        {kind: Target(None, PROMPTS[kind]) for kind in KINDS},
    )
    for number, phantom in enumerate(phantom_exams(options.n, options.seed), 1):
        prediction = predictor.predict(phantom.exam)
        pairs.append((prediction, truth_rows(phantom)))
        if phantom.risk_years > 0:
            risks.append((phantom.risk_years, phantom.cancer, phantom.best_risk_score))
        if phantom.masks:
            cases += pointing_case(predictor, phantom, prediction, heads)
            prompt_cases += pointing_case(predictor, phantom, prediction, prompts)
        if number % 25 == 0:
            print(f"{number}/{options.n}", flush=True)
    results = evaluate(pairs)
    shifted = evaluate(
        (predictor.predict(phantom.exam), truth_rows(phantom))
        for phantom in phantom_exams(options.n // 2, options.seed + 1, shift=True)
    )
    ways = {"map of the finding": cases, "map of its prompt": prompt_cases}
    pointed = {
        f"{way}, {kind}": np.mean([hit for k, hit, _ in ours if k == kind])
        for way, ours in ways.items()
        for kind in KINDS
    }
    best_c = concordance(*np.array(risks, float).T)
    value = {(r.task, r.by): r.value for r in reversed(results)}  # the first metric of each
    preset, training = record.preset, record.training
    card = CARD.format(
        name=record.name, version=record.version, rows=record.preprocessing.rows, columns=record.preprocessing.columns,
        text_layers=preset.text_cfg["layers"], text_width=preset.text_cfg["width"], vocabulary=len(record.vocabulary),
        fusion_layers=preset.fusion_cfg["layers"], fusion_width=preset.fusion_cfg["width"], embed_dim=preset.embed_dim,
        megabytes=(BUNDLED / "demo.safetensors").stat().st_size / 1e6, start=training["start"],
        note=training.get("note", "nothing besides"), data=training["data"], seed=training["seed"], command=training["command"], n=options.n,
        evaluation_seed=options.seed, table=markdown_table(results), dilation=DILATION_MM, pointing=summary(cases), prompt_pointing=summary(prompt_cases),
        prompt_texts='" and "'.join(PROMPTS.values()), best_c=best_c, shifted_n=options.n // 2, shifted_seed=options.seed + 1,
        shifted_table=markdown_table(shifted), asked=shortfalls(results, shifted, best_c, pointed),
        mean_head=(value["mass", "head"] + value["calcification", "head"]) / 2,
        mean_prompt=(value["mass", "prompt"] + value["calcification", "prompt"]) / 2,
    )  # fmt: skip
    (ROOT / "assets" / "MODEL_CARD.md").write_text(card)
    at_chance = list(
        dict.fromkeys(r.task for r in results if r.by == "head" and r.metric in MAIN_METRICS and r.low <= 0.5)
    )  # the page says so beside the answers
    measured = replace(record, training=training | {"at_chance": at_chance})
    save_model(predictor.model, BUNDLED / "demo.safetensors", measured)
    print(card)


if __name__ == "__main__":
    main()
