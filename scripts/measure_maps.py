"""Print how strong the maps are in phantom views with and without a finding, and how often they point at it.

    python scripts/measure_maps.py [--n 100] [--seed 100] [--methods hirescam,grad-cam]

The scale needs no fitting: 1 is certainty (mvmlm/inference/map_methods.py). The table shows that FLOOR leaves the views
without a finding clear. Views of the phantoms' truth; a hit is a strongest point within 10 mm of the drawn lesion.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from model_card import pointing_cases

from mvmlm import load_model
from mvmlm.inference.explain import to_source
from mvmlm.inference.map_methods import METHODS
from mvmlm.inference.prediction import Target
from mvmlm.phantom import phantom_exams
from mvmlm.report.lexicon import KINDS

POINTED_AT = ("mass", "calcification")


def main() -> None:
    """Measure and print a table."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=100, help="phantom exams")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--methods", default="hirescam,grad-cam", help="names, separated by commas")
    options = parser.parse_args()
    predictor = load_model("demo")
    targets = {kind: Target(kind, "present") for kind in KINDS if kind in predictor.record.tasks}
    strongest: dict[tuple[str, str, bool], list[float]] = defaultdict(list)
    hits: dict[tuple[str, str], list[bool]] = defaultdict(list)
    methods = [name for name in options.methods.split(",") if name in METHODS]
    for phantom in phantom_exams(options.n, options.seed):
        prediction = predictor.predict(phantom.exam)
        for method in methods:
            maps = predictor.map_evidence(prediction.encoding, list(targets.values()), method)
            for kind, target in targets.items():
                for name, evidence in maps[target].items():
                    heat = to_source(evidence, prediction.encoding.inputs[name])
                    there = phantom.breasts[name.laterality].findings.first(kind) is not None
                    strongest[method, kind, there].append(float(heat.max()))
            for case in pointing_cases(phantom, prediction, maps, {kind: targets[kind] for kind in POINTED_AT}):
                hits[method, case.kind].append(case.hit)
    print("| method | finding | views without it: empty, 95 % below | views with it: median strongest | hits |")
    print("|---|---|---|---|---|")
    for method in methods:
        for kind in targets:
            without, with_it = (np.array(strongest[method, kind, there]) for there in (False, True))
            hit = f"{np.mean(hits[method, kind]):.0%} of {len(hits[method, kind])}" if hits[method, kind] else ""
            print(
                f"| {method} | {kind} | {np.mean(without == 0):.0%} of {len(without)}, "
                f"{np.quantile(without, 0.95):.2f} "
                f"| {np.median(with_it):.2f} ({len(with_it)}) | {hit} |"
            )


if __name__ == "__main__":
    main()
