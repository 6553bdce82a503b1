"""Make the statistics by which a view counts as unlike known mammograms, and the table of how well that works.

    python scripts/calibrate_familiarity.py --women ../shared/real_mammograms --exams DIR --work DIR

--women: the tables and pictures of real women. --exams: WORK/exams of `scripts/train_demo.py`. --work: keeps what was
computed, so that the script can be run again quickly.

Women of the part "train" and phantoms are fitted, women of "validation" give the threshold, women of "test" are
reported, each machine by a fit that has not seen it. Writes mvmlm/inference/familiarity.safetensors and
docs/familiarity.md. The pictures that are no mammograms and the spoiled views take part in no fit and no choice.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
from not_mammograms import pictures_of, spoiled_views
from safetensors.numpy import save_file

from mvmlm import load_exam, load_model
from mvmlm.exam import View
from mvmlm.imaging.preprocess import NoBreast, Preprocessing
from mvmlm.inference.familiarity import (
    COLUMNS,
    ROWS,
    STATISTICS,
    Familiarity,
    FamiliarityStatistics,
    checksum,
    early_features,
    first_layers,
    resized,
)
from mvmlm.phantom import phantom_exams
from mvmlm.pretraining.exam_cache import ExamCache

#: folder of decoded exams -> the name of its views; the digital women's machines are named by the table
SOURCES = {"rsna-640": "digital", "cbis-mass-800": "film (CBIS-DDSM)", "cdd-cesm": "digital (CDD-CESM)"}
RANK = 6  # directions of the covariance
SEED = 1
UNSEEN_SHARE = 0.02  # of validation views of a machine that the fit has not seen, at most
FEW = 20  # validation views of a machine, fewer than which do not choose the threshold
AT_ONCE = 16
LICENCES = {
    "rsna-640": "RSNA Screening Mammography Breast Cancer Detection (2022), non-commercial research and education",
    "cbis-mass-800": "CBIS-DDSM, doi 10.7937/K9/TCIA.2016.7O02S9CY, CC BY 3.0",
    "cdd-cesm": "CDD-CESM, doi 10.7937/29kw-ae92, CC BY 4.0",
    "phantom": "computed by this program",
}


@dataclass(frozen=True)
class Views:
    """Features (n, D) of views with the machine (n,) and the part of each: train, validation or test."""

    features: np.ndarray
    machine: np.ndarray
    part: np.ndarray

    def of(self, chosen: np.ndarray) -> Views:
        """Return the chosen views."""
        return Views(self.features[chosen], self.machine[chosen], self.part[chosen])


def kept(path: Path, compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return arrays from a file, or compute and keep them there."""
    if not path.is_file():
        np.savez(path, **compute())  # type: ignore[arg-type]
    with np.load(path) as arrays:
        return dict(arrays)


def cached_views(
    measure: Familiarity, folder: Path, machines: dict[tuple[str, str], str], otherwise: str
) -> dict[str, np.ndarray]:
    """Return the features, machines and parts of decoded exams. otherwise: the machine of a woman without one."""
    cache = ExamCache(folder)
    levels: list[np.ndarray] = []
    features: list[np.ndarray] = []
    machine: list[str] = []
    part: list[str] = []

    def measured() -> None:
        stored = np.stack(levels)
        scaled = stored.astype(np.float32) / 255 * cache.preprocessing.ceiling
        features.append(early_features(measure.layers, *resized(scaled, stored > 0)))
        levels.clear()

    for index, name in enumerate(cache.names):
        patient, _, side = name.partition(" ")
        for view in np.flatnonzero(cache.present[index]):
            levels.append(np.array(cache.views(index)[view]))
            machine.append(machines.get((patient, side), otherwise))
            part.append(cache.splits[index])
            if len(levels) == AT_ONCE:
                measured()
    if levels:
        measured()
    return {"features": np.concatenate(features), "machine": np.array(machine), "part": np.array(part)}


def machines_of(table: Path) -> dict[tuple[str, str], str]:
    """Return (patient, side) -> site and machine of the digital women."""
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (row["patient"], row["laterality"]): f"digital, site {row['site']}, machine {row['machine']}" for row in rows
    }


def features_of(measure: Familiarity, views: Sequence[View]) -> dict[str, np.ndarray]:
    """Return the features of views in which a breast is found, and how many have none."""
    settings, given = Preprocessing(ROWS, COLUMNS), []
    for view in views:
        try:
            given.append(settings(view))
        except NoBreast:
            continue
    found = [measure.features(given[start : start + AT_ONCE]) for start in range(0, len(given), AT_ONCE)]
    width = len(measure.features(given[:1])[0]) if given else 1
    return {
        "features": np.concatenate(found) if found else np.zeros((0, width)),
        "no_breast": np.array(len(views) - len(given)),
    }


def phantom_views(exams: int, seed: int, shift: bool = False) -> list[View]:
    """Return the views of phantom exams."""
    return [
        view for phantom in phantom_exams(exams, seed, rows=640, shift=shift) for view in phantom.exam.views.values()
    ]


def fit(views: Views, layers: str) -> FamiliarityStatistics:
    """Return the statistics of views, in which a machine counts by the square root of its number of views."""
    counts = Counter(views.machine.tolist())
    weight = np.array([1 / math.sqrt(counts[machine]) for machine in views.machine.tolist()])
    weight /= weight.sum()
    mean = (views.features * weight[:, None]).sum(0)
    scale = np.sqrt(((views.features - mean) ** 2 * weight[:, None]).sum(0)).clip(min=1e-3)
    standard = (views.features - mean) / scale
    variances, directions = np.linalg.eigh((standard * weight[:, None]).T @ standard)
    largest = variances.argsort()[::-1]
    first, others = largest[:RANK], largest[RANK:]
    return FamiliarityStatistics(
        mean, scale, directions[:, first], variances[first], float(variances[others].mean()), math.inf, layers, {}
    )


def unseen_distances(views: Views, part: str) -> dict[str, np.ndarray]:
    """Return for each machine the distances of its views of a part, by a fit that has not seen the machine."""
    found = {}
    for machine in sorted(set(views.machine.tolist())):
        held_out = views.machine == machine
        statistics = fit(views.of(~held_out & (views.part == "train")), "")
        asked = held_out & (views.part == part)
        if asked.any():
            found[machine] = statistics.distance(views.features[asked])
    return found


def chosen_threshold(views: Views) -> float:
    """Return the lowest threshold above which lie at most UNSEEN_SHARE of the validation views of unseen machines.

    Machines with at least FEW such views count alike.
    """
    distances = [d for d in unseen_distances(views, "validation").values() if len(d) >= FEW]
    candidates = np.sort(np.concatenate(distances))
    flagged = [np.mean([(d > candidate).mean() for d in distances]) for candidate in candidates]
    return float(candidates[int(np.argmax(np.array(flagged) <= UNSEEN_SHARE))])


def interval(hits: int, n: int) -> str:
    """Return a share with its 95 % interval by Wilson's method."""
    if not n:
        return "none"
    z, share = 1.96, hits / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low, high = (max(0.0, middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n))
    return f"{hits} of {n} = {share:.1%} ({low:.1%}–{high:.1%})"


def row(name: str, distances: np.ndarray, threshold: float, no_breast: int = 0) -> str:
    """Return a line of the table."""
    flagged = int((distances > threshold).sum()) + no_breast
    return f"| {name} | {interval(flagged, len(distances) + no_breast)} | {no_breast} |"


def table(
    measure: Familiarity, views: Views, statistics: FamiliarityStatistics, options: argparse.Namespace
) -> list[str]:
    """Return the lines of the table."""
    threshold = statistics.threshold
    unseen = unseen_distances(views, "test")
    real = {machine: found for machine, found in unseen.items() if machine != "phantom"}
    lines = [row(f"{machine}, not seen by the fit", found, threshold) for machine, found in real.items()]
    lines.append(row("**all of these**", np.concatenate(list(real.values())), threshold))
    known = views.of((views.part == "test") & (views.machine != "phantom"))
    lines.append(row("real views, machines seen by the fit", statistics.distance(known.features), threshold))
    demo = features_of(measure, list(load_exam(ROOT / "assets" / "demo_exams" / "film").views.values()))
    title = "film exam of the demo, a woman of the part train, of higher resolution"
    lines.append(row(title, statistics.distance(demo["features"]), threshold))
    for name, shift in (("phantoms", False), ("phantoms of a shifted machine", True)):
        path = options.work / f"{name.replace(' ', '_')}.npz"
        found = kept(path, lambda shift=shift: features_of(measure, phantom_views(25, 101, shift)))  # type: ignore[misc]
        lines.append(row(name, statistics.distance(found["features"]), threshold, int(found["no_breast"])))
    spoiled = spoiled_views(options.women, options.spoiled, SEED)
    for how in spoiled:
        found = kept(options.work / f"spoiled_{how}.npz", lambda how=how: features_of(measure, spoiled[how]()))  # type: ignore[misc]
        lines.append(row(how, statistics.distance(found["features"]), threshold, int(found["no_breast"])))
    every, no_breast = [], 0
    frame = phantom_views(1, 7)
    for kind, pictures in pictures_of(SEED).items():
        as_views = [
            replace(frame[number % len(frame)], pixels=np.ascontiguousarray(picture), windows=())
            for number, picture in enumerate(pictures)
        ]
        found = features_of(measure, as_views)
        every.append(statistics.distance(found["features"]) if len(found["features"]) else np.zeros(0))
        no_breast += int(found["no_breast"])
        lines.append(row(f"no mammogram: {kind}", every[-1], threshold, int(found["no_breast"])))
    lines.append(row("**all that are no mammograms**", np.concatenate(every), threshold, no_breast))
    return lines


PAGE = """# What tells whether a view looks like a known mammogram

The page and `predict` say of a view that it is unlike known mammograms when the first layers of the image tower (its
stem and first two stages, which keep their ImageNet weights) find other grey levels, sharpness, noise or another
outline in it: the mean and deviation of each channel inside the breast, and the share of breast in a grid of 6 × 4, by
a Mahalanobis distance with {rank} directions. It is measured on {rows} × {columns} pixels of each view.

It says nothing about whether an answer is right. It is no check of side, projection, orientation or sharpness either:
see the rows "upside down" and "blurred". Only a picture that is mirrored against the side that its header gives stands
out; one that is mirrored and named by its file is turned to the model as any other.

Fitted on {fitted} views of women of the part "train" and of phantoms; the threshold is the lowest above which lie at
most {share} of the validation women's views of a machine that the fit has not seen. Counted are views, of women of
the part "test"; a view in which no breast is found counts as flagged, since it gets no answer. The aim is at most 5 %
of the views of unseen machines, and at least 95 % of what is no mammogram. Intervals: Wilson.

| pictures | flagged | of these no breast found |
|---|---|---|
{table}

Learned from:

{licences}

Command: `{command}`
"""


def main() -> None:
    """Fit, choose the threshold, write the statistics, and print and write the table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--women", type=Path, required=True)
    parser.add_argument("--exams", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--spoiled", type=int, default=50, help="views of each spoiling")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    trunk = load_model("demo").own_network.image_tower.trunk
    measure = Familiarity(trunk, Preprocessing(ROWS, COLUMNS))
    machines = machines_of(options.women / "rsna.csv")
    parts = [
        kept(
            options.work / f"{source}.npz",
            lambda source=source: cached_views(measure, options.exams / source, machines, SOURCES[source]),  # type: ignore[misc]
        )
        for source in SOURCES
    ]
    phantoms = kept(options.work / "fitted_phantoms.npz", lambda: features_of(measure, phantom_views(30, SEED)))
    n = len(phantoms["features"])
    parts.append(phantoms | {"machine": np.array(["phantom"] * n), "part": np.array(["train"] * n)})
    views = Views(*(np.concatenate([part[key] for part in parts]) for key in ("features", "machine", "part")))
    layers = checksum(first_layers(trunk))
    fitted = views.of(views.part == "train")
    statistics = replace(fit(fitted, layers), threshold=chosen_threshold(views))
    record = {
        "rest": statistics.rest, "threshold": statistics.threshold, "layers": layers, "seed": SEED,
        "views": dict(Counter(fitted.machine.tolist())), "learned_from": LICENCES,
        "command": "python scripts/calibrate_familiarity.py --women DIR --exams DIR --work DIR",
    }  # fmt: skip
    arrays = {name: getattr(statistics, name) for name in ("mean", "scale", "directions", "variances")}
    # safetensors writes the bytes as they lie in memory
    arrays = {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
    save_file(arrays, STATISTICS, {"record": json.dumps(record, sort_keys=True)})
    page = PAGE.format(
        rank=RANK, rows=ROWS, columns=COLUMNS, fitted=len(fitted.features), share=f"{UNSEEN_SHARE * 100:.0f} %",
        table="\n".join(table(measure, views, statistics, options)),
        licences="\n".join(f"- {licence}" for licence in LICENCES.values()), command=record["command"],
    )  # fmt: skip
    (ROOT / "docs" / "familiarity.md").write_text(page, encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
