"""The measure of how much a view looks like known mammograms: what it notices, what it says, and what it rests on."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mvmlm.exam import STANDARD_VIEWS, Exam
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.inference.familiarity import (
    COLUMNS,
    ROWS,
    STATISTICS,
    Familiarity,
    checksum,
    first_layers,
    load_statistics,
    resized,
)
from mvmlm.inference.quality import FAMILIAR, NOT_MEASURED, assess_quality


def changed(view, change):
    low, high = float(view.pixels.min()), float(view.pixels.max())
    levels = change((view.pixels.astype(np.float32) - low) / (high - low))
    pixels = np.round(np.clip(levels, 0, 1) * (high - low) + low)
    return replace(view, pixels=np.ascontiguousarray(pixels.astype(view.pixels.dtype)))


def test_the_statistics_are_small_and_say_what_they_were_made_from():
    assert STATISTICS.stat().st_size < 300_000
    record = load_statistics().record
    assert {"views", "learned_from", "seed", "command"} <= set(record)
    assert "non-commercial" in record["learned_from"]["rsna-640"] and "CC BY" in record["learned_from"]["cbis-mass-800"]
    assert sum(record["views"].values()) > 2000 and json.dumps(record)


def test_it_is_known_for_the_bundled_weights_and_for_any_with_the_same_first_layers(predictor):
    assert predictor.familiarity.known
    layers = first_layers(predictor.model.image_tower.trunk)
    before = checksum(layers)
    assert before == load_statistics().layers
    with torch.no_grad():
        weight = next(layers[1].parameters())
        kept = weight.clone()
        weight += 1
        assert not Familiarity(predictor.model.image_tower.trunk, predictor.record.preprocessing).known
        weight.copy_(kept)
    assert checksum(layers) == before
    assert first_layers(torch.nn.Linear(1, 1)) == []


def test_weights_with_other_first_layers_say_that_it_was_not_measured(small_predictor, phantom):
    assert not small_predictor.familiarity.known, "small weights start at random"
    texts = [note.text for note in small_predictor.predict(phantom.exam).quality_notes]
    assert NOT_MEASURED in texts and FAMILIAR not in texts


def test_a_phantom_is_familiar_and_the_note_says_what_that_cannot_tell(predictor, prediction):
    texts = [note.text for note in prediction.quality_notes if note.kind in ("familiar", "unfamiliar", "not measured")]
    assert texts == [FAMILIAR]
    assert "cannot tell" in FAMILIAR and "training exams" not in FAMILIAR
    assert predictor.familiarity.distances(list(prediction.encoding.inputs.values())).max() < 1


@pytest.mark.parametrize(
    "change",
    [
        lambda levels: levels[:, ::-1],
        lambda levels: levels + np.random.default_rng(0).normal(0, 0.2, levels.shape),
    ],
    ids=["mirrored", "noise"],
)
def test_a_spoiled_view_is_named(predictor, phantom, change):
    spoiled = STANDARD_VIEWS[1]
    views = dict(phantom.exam.views) | {spoiled: changed(phantom.exam.views[spoiled], change)}
    notes = predictor.predict(Exam(views)).quality_notes
    (text,) = [note.text for note in notes if note.kind == "unfamiliar"]
    assert text.startswith(f"{spoiled}: unlike the mammograms") and FAMILIAR not in [note.text for note in notes]


def test_the_input_s_size_and_normalisation_make_little_difference(predictor, phantom):
    """New weights may have a larger input, or another mean and deviation."""
    trunk, view = predictor.model.image_tower.trunk, phantom.exam.views[STANDARD_VIEWS[0]]
    distances = []
    for settings in (Preprocessing(), Preprocessing(512, 320), Preprocessing(512, 320, mean=0.4, std=0.1)):
        distances.append(Familiarity(trunk, settings).distances([settings(view)])[0])
    assert np.ptp(distances) < 0.15 * distances[0]
    assert distances[1] == pytest.approx(distances[2], abs=1e-3)


def test_a_mask_is_resized_with_its_levels():
    levels, breasts = np.zeros((1, 2 * ROWS, 2 * COLUMNS), np.float32), np.zeros((1, 2 * ROWS, 2 * COLUMNS), bool)
    breasts[:, 100:201, :77] = True
    levels[breasts] = 0.5
    small, inside = resized(levels, breasts)
    assert small.shape == inside.shape == (1, ROWS, COLUMNS)
    assert small[inside] == pytest.approx(0.5) and not small[~inside].any()


def test_every_exam_gets_one_sentence_on_it(phantom, predictor):
    for unfamiliar in (None, [], [STANDARD_VIEWS[0]], list(STANDARD_VIEWS)):
        notes = assess_quality(phantom.exam, {}, unfamiliar, predictor.record, ())
        assert sum(note.kind in ("familiar", "unfamiliar", "not measured") for note in notes) == 1


def test_the_stored_statistics_are_those_of_their_views():
    """Views like those that were fitted lie at a distance of about 1, so the file holds what was computed."""
    statistics = load_statistics()
    assert np.linalg.norm(statistics.directions, axis=0) == pytest.approx(1, abs=1e-3)
    assert statistics.directions.T @ statistics.directions == pytest.approx(np.eye(len(statistics.variances)), abs=1e-3)
    along = statistics.directions * np.sqrt(statistics.variances)
    typical = statistics.mean + statistics.scale * (along @ np.ones(len(statistics.variances)))
    squares = len(statistics.variances) / len(statistics.mean)
    assert statistics.distance(typical[None]) == pytest.approx(np.sqrt(squares), rel=0.02)
