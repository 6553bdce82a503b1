"""Exams of several sources: one order, one set of labels, and a fixed number of each source in every batch."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from mvmlm.exam import Laterality
from mvmlm.pretraining.batches import BatchLoader, BatchSizeError
from mvmlm.pretraining.checkpoint import CheckpointError
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, Labels, to_cached_exam
from mvmlm.pretraining.joined_exams import ChosenExams, JoinedExams, order_by_shares
from mvmlm.pretraining.resume import RunSettings
from mvmlm.pretraining.schedule import Schedule
from mvmlm.report.findings import Finding, Findings
from tests.pretraining_models import SMALL, record

pytestmark = pytest.mark.usefixtures("one_thread")
R, L = Laterality
FILM = Labels({R: Findings(present=(Finding("mass", "oval"),))}, {R: {"mass": 1, "malignancy": 1}}, {}, None)
DIGITAL = Labels({L: Findings("C")}, {L: {"malignancy": 0}}, {"density": 2}, None)


@pytest.fixture(scope="module")
def parts(phantom, tmp_path_factory):
    views, present, _ = to_cached_exam(phantom.exam, SMALL)
    made = {}
    for shift, (source, labels, exams) in enumerate((("film", FILM, 3), ("digital", DIGITAL, 7))):
        folder = tmp_path_factory.mktemp(source)
        with ExamCacheWriter(folder, SMALL) as writer:
            for index in range(exams):
                writer.add(f"exam {index}", np.roll(views, 3 * index + shift, axis=1), present, labels)
        made[source] = ExamCache(folder)
    return made


def without_outcome(source, labels):
    breast = {side: {k: v for k, v in known.items() if k != "malignancy"} for side, known in labels.breast.items()}
    return replace(labels, breast=breast)


def test_each_exam_keeps_its_own_pixels_labels_and_name(parts):
    joined = JoinedExams(parts)
    assert len(joined) == 10 and joined.names[0] == "film exam 0" and joined.names[9] == "digital exam 6"
    assert joined.sources == ["film"] * 3 + ["digital"] * 7
    for index, (source, within) in enumerate([("film", i) for i in range(3)] + [("digital", i) for i in range(7)]):
        assert np.array_equal(joined.views(index), parts[source].views(within))
        assert joined.labels[index] == (FILM if source == "film" else DIGITAL)
    assert joined.present.shape == (10, 4)


def test_chosen_exams_keep_their_own_pixels_labels_and_checksums(parts):
    chosen = ChosenExams(parts["digital"], [5, 2])
    assert len(chosen) == 2 and chosen.names == ["exam 5", "exam 2"] and chosen.present.shape == (2, 4)
    assert np.array_equal(chosen.views(1), parts["digital"].views(2)) and chosen.labels[0] == DIGITAL
    assert chosen.checksums() == {name: parts["digital"].checksums()[name] for name in chosen.names}
    joined = JoinedExams({"film": parts["film"], "digital": chosen})
    assert len(joined) == 5 and np.array_equal(joined.views(3), parts["digital"].views(5))


def test_labels_can_be_changed_by_source_and_the_checksums_tell_it(parts):
    as_given, relabelled = JoinedExams(parts), JoinedExams(parts, without_outcome)
    assert all("malignancy" not in known for labels in relabelled.labels for known in labels.breast.values())
    assert as_given.checksums().keys() == relabelled.checksums().keys()
    assert not set(as_given.checksums().values()) & set(relabelled.checksums().values())


def test_sources_of_another_preprocessing_are_refused(parts):
    other = ExamCache(parts["film"].folder)
    other.preprocessing = replace(SMALL, rows=SMALL.rows * 2)
    with pytest.raises(ValueError, match="digital: decoded with another preprocessing"):
        JoinedExams({"film": other, "digital": parts["digital"]})


def test_every_batch_has_its_share_of_each_source_and_no_exam_comes_again_before_all_of_its_source_did():
    sources = ["film"] * 3 + ["digital"] * 7
    order = order_by_shares(sources, {"film": 2, "digital": 1}, 7, (1, 0)).reshape(7, 3)
    drawn = np.array(sources)[order]
    assert ((drawn == "film").sum(1) == 2).all() and ((drawn == "digital").sum(1) == 1).all()
    assert sorted(order[drawn == "digital"]) == list(range(3, 10))
    film = order[drawn == "film"]
    assert all(sorted(film[start : start + 3]) == [0, 1, 2] for start in range(0, 12, 3))
    assert set(Counter(film).values()) <= {4, 5}
    assert (order == order_by_shares(sources, {"digital": 1, "film": 2}, 7, (1, 0)).reshape(7, 3)).all()
    assert (order != order_by_shares(sources, {"film": 2, "digital": 1}, 7, (1, 1)).reshape(7, 3)).any()


def test_the_loader_draws_by_shares(parts):
    joined = JoinedExams(parts)
    loader = BatchLoader(joined, ("mass",), 1, 4, shares={"film": 1, "digital": 3})
    for step in range(4):
        (batch,) = loader.batches(step)
        assert batch.labels["mass"].nan_to_num(0).sum() == 1


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ({"film": 1, "digital": 1}, "make 2 exams, the batch has 4"),
        ({"film": 2, "other": 2}, "other: no training exam"),
    ],
)
def test_shares_that_make_no_batch_are_refused(parts, shares, told):
    with pytest.raises(BatchSizeError, match=told):
        BatchLoader(JoinedExams(parts), ("mass",), 1, 4, shares=shares)


def test_a_run_does_not_go_on_with_other_shares_and_a_checkpoint_without_any_still_does(parts):
    joined = JoinedExams(parts)

    def settings(**changes):
        return RunSettings.of(record(), Schedule(exams_per_batch=4, **changes), joined, 1)

    with pytest.raises(CheckpointError, match="shares"):
        settings(shares={"film": 2, "digital": 2}).agree(
            {"run": settings(shares={"film": 1, "digital": 3}).to_text(), "step": 5}, accept_changes=True
        )
    assert "shares" not in json.loads(settings().to_text())["settings"], "as in the checkpoints of 0.5 and before"


def test_an_epoch_drawn_by_shares_can_have_any_number_of_steps(parts):
    joined = JoinedExams(parts)
    shares = {"film": 2, "digital": 1}
    loader = BatchLoader(joined, (), 1, 3, shares=shares, epochs=1, epoch_steps=11)
    assert loader.steps_per_epoch == 11, "the exams alone would fill 3"
    seen = [next(loader.batches(step)).images.shape[0] for step in range(11)]
    assert seen == [3] * 11
    settings = [
        RunSettings.of(record(), Schedule(exams_per_batch=3, shares=shares, epoch_steps=steps), joined, 1).settings
        for steps in (None, 11)
    ]
    assert settings[0]["epoch_steps"] is None and settings[1]["epoch_steps"] == 11
    with pytest.raises(ValueError, match="drawn by shares"):
        BatchLoader(joined, (), 1, 3, epoch_steps=11)
