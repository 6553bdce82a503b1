"""Measures of maps on small maps whose answers are plain, and by scipy."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from mvmlm.evaluation.map_measures import (
    deletion_curve,
    insertion_curve,
    inside_boxes,
    iou,
    map_similarity,
    mass_inside,
    pointing_hit,
)

BOX = (2, 1, 5, 3)  # columns 2 to 4, rows 1 and 2


def peak_at(row, column, shape=(6, 8)):
    evidence = np.zeros(shape)
    evidence[row, column] = 0.9
    return evidence


def test_a_box_holds_left_and_top_and_not_right_and_bottom():
    inside = inside_boxes((6, 8), [BOX])
    assert inside.sum() == 6 and inside[1, 2] and inside[2, 4] and not inside[3, 2] and not inside[1, 5]
    assert inside_boxes((6, 8), [BOX, (0, 0, 3, 2)]).sum() == 6 + 6 - 1, "boxes that overlap count once"
    with pytest.raises(ValueError, match="left < right"):
        inside_boxes((6, 8), [(5, 1, 2, 3)])


def test_a_point_is_a_hit_in_a_box_or_within_the_tolerance():
    assert pointing_hit(peak_at(1, 2), [BOX], 0) is True
    assert pointing_hit(peak_at(1, 6), [BOX], 1.4) is False and pointing_hit(peak_at(1, 6), [BOX], 1.5) is True
    assert pointing_hit(peak_at(4, 5), [BOX], 1.5) is False, "1.5 rows and 0.5 columns away"
    assert pointing_hit(peak_at(4, 5), [BOX], 1.6) is True
    assert pointing_hit(peak_at(1, 6), [BOX], 3.0, spacing=2.0) is True, "1.5 pixels of 2 mm"
    assert pointing_hit(peak_at(1, 6), [BOX], 2.9, spacing=2.0) is False
    assert pointing_hit(peak_at(5, 7), [BOX, (6, 4, 8, 6)], 0) is True, "any of the boxes"


def test_a_map_without_a_highest_place_points_nowhere():
    assert pointing_hit(np.zeros((6, 8)), [BOX], 0) is None and pointing_hit(peak_at(1, 2), [], 0) is None
    assert pointing_hit(peak_at(1, 2) + peak_at(5, 7), [BOX], 0) is True, "half of the highest places"
    assert pointing_hit(peak_at(1, 2) + peak_at(5, 7) + peak_at(5, 0), [BOX], 0) is False


def test_mass_inside_is_the_share_of_the_sum():
    evidence = np.full((6, 8), 0.5)
    assert mass_inside(evidence, [BOX]) == pytest.approx(6 / 48)
    assert mass_inside(peak_at(1, 2) + peak_at(5, 7) / 3, [BOX]) == pytest.approx(0.75)
    assert np.isnan(mass_inside(np.zeros((6, 8)), [BOX])) and mass_inside(evidence, []) == 0


def test_iou_is_what_both_share_over_what_both_cover():
    evidence = np.zeros((6, 8))
    evidence[1:3, 3:6] = 0.6
    assert iou(evidence, [BOX], 0.5) == pytest.approx(4 / 8)
    assert iou(evidence, [BOX], 0.7) == 0 and np.isnan(iou(evidence, [], 0.7))
    assert iou(inside_boxes((6, 8), [BOX]).astype(float), [BOX], 0.5) == 1


def test_deletion_and_insertion_follow_the_map():
    """Four pixels, one of which is the whole answer: taken away first, or put in first, it decides at once."""
    evidence = np.array([[0.9, 0.1], [0.2, 0.0]])

    def score(shown):
        return float(shown[0, 0])

    deleted, inserted = deletion_curve(evidence, score, 4), insertion_curve(evidence, score, 4)
    assert deleted.scores.tolist() == [1, 0, 0, 0, 0] and inserted.scores.tolist() == [0, 1, 1, 1, 1]
    assert deleted.shares.tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert deleted.area == pytest.approx(0.125) and inserted.area == pytest.approx(0.875)
    wrong = deletion_curve(1 - evidence, score, 4)
    assert wrong.scores.tolist() == [1, 1, 1, 1, 0] and wrong.area > deleted.area


def test_pixels_are_taken_away_in_falling_order_of_the_map():
    rng = np.random.default_rng(0)
    evidence, seen = rng.permutation(24).reshape(4, 6) / 24, []
    insertion_curve(evidence, lambda shown: seen.append(shown.copy()) or 0.0, 6)
    for number, shown in enumerate(seen):
        assert shown.sum() == 4 * number
        assert not shown.any() or shown.all() or evidence[shown].min() > evidence[~shown].max()


def test_similarity_is_the_rank_correlation_of_scipy():
    rng = np.random.default_rng(1)
    trained = [np.round(rng.random((5, 7)), 1) for _ in range(3)]
    randomised = [np.round(0.5 * trained[0] + 0.5 * rng.random((5, 7)), 1), rng.random((5, 7)), trained[2]]
    found = map_similarity(trained, randomised)
    assert found == pytest.approx([spearmanr(a.ravel(), b.ravel())[0] for a, b in zip(trained, randomised)])
    assert found[2] == pytest.approx(1) and np.isnan(map_similarity([np.zeros((2, 2))], [np.eye(2)]))[0]
    with pytest.raises(ValueError, match="differ in number or size"):
        map_similarity(trained, randomised[:2])
