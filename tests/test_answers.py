"""The bundled weights give the demo exams the recorded answers: what is not meant to change them does not."""

import json

import pytest

from mvmlm import load_exam
from mvmlm.inference.output import prediction_record
from scripts.compare_answers import RECORD, differences
from tests.conftest import ROOT


@pytest.mark.parametrize("exam", ["film", "phantom"])
def test_the_demo_exams_get_the_recorded_answers(predictor, decoder, exam):
    prompts = (RECORD / "prompts.txt").read_text(encoding="utf-8").splitlines()
    prediction = predictor.predict(load_exam(ROOT / "assets" / "demo_exams" / exam, decoder=decoder), prompts)
    answers = json.loads(json.dumps(prediction_record(prediction)))
    recorded = json.loads((RECORD / f"{exam}.json").read_text(encoding="utf-8"))
    found = dict(differences(recorded, answers))
    assert max(found.values(), default=0) < 1e-5, found
