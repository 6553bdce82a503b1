"""Where a finding lies: against phantoms whose lesions are known in 3-D, and against the clock face."""

import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, Orientation, Projection, Spacing, SpacingKind, View, ViewName
from mvmlm.imaging.preprocess import breast_outline
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.anatomy import quadrant_of
from mvmlm.reading.location import Offset, locate_finding, place_and_clock
from mvmlm.reading.reading import Mark


def point(name, column, row):
    return Mark(name, "point", "mass", ((column, row),))


def empty_exam(chest_wall_left=True, head_up=True, spacing=0.5, side=Laterality.LEFT):
    views = {}
    for projection in (Projection.CC, Projection.MLO):
        name = ViewName(side, projection)
        view_spacing = Spacing(spacing, spacing, SpacingKind.DETECTOR) if spacing else None
        views[name] = View(
            name,
            np.zeros((400, 200), np.uint16),
            "made",
            spacing=view_spacing,
            orientation=Orientation.of(name, chest_wall_left=chest_wall_left, head_up=head_up),
        )
    return Exam(views)


@pytest.mark.parametrize("side, outer, upper, hour", [
    (Laterality.LEFT, 30, 0, 3), (Laterality.LEFT, -30, 0, 9), (Laterality.RIGHT, 30, 0, 9), (Laterality.RIGHT, -30, 0, 3),
    (Laterality.LEFT, 0.1, 30, 12), (Laterality.RIGHT, 0.1, -30, 6), (Laterality.RIGHT, 30, 30, 10), (Laterality.LEFT, 30, 30, 2),
])  # fmt: skip
def test_the_clock_is_seen_by_someone_who_faces_the_woman(side, outer, upper, hour):
    seen_up = (outer + upper) / np.sqrt(2)
    assert place_and_clock(side, Offset(40, outer), Offset(40, seen_up), True)[1] == hour


def test_one_view_gives_one_direction_and_no_clock_position():
    exam = empty_exam()
    cc, mlo = exam.views
    nipples = {cc: (180.0, 200.0), mlo: (180.0, 200.0)}
    assert locate_finding([point(cc, 60, 100)], exam, nipples)[:3] == ("outer", None, "middle")
    assert locate_finding([point(mlo, 10, 300)], exam, nipples)[:3] == ("lower", None, "posterior")
    assert locate_finding([point(cc, 60, 100)], exam, {cc: None}) is None


def test_a_file_stored_the_other_way_round_gives_the_same_location():
    plain, turned = empty_exam(), empty_exam(chest_wall_left=False, head_up=False)
    cc, mlo = plain.views
    located = locate_finding([point(cc, 60, 100), point(mlo, 70, 120)], plain, {cc: (180, 200), mlo: (180, 210)})
    flipped = locate_finding([point(cc, 139, 299), point(mlo, 129, 279)], turned, {cc: (19, 199), mlo: (19, 189)})
    assert located[:3] == flipped[:3] and list(located.distances.values()) == pytest.approx(
        list(flipped.distances.values())
    )
    assert located.distances[cc] == pytest.approx(0.5 * np.hypot(120, 100))


def test_distances_are_in_pixels_without_a_spacing():
    exam = empty_exam(spacing=None)
    cc, _ = exam.views
    location = locate_finding([point(cc, 60, 100)], exam, {cc: (180, 200)})
    assert not location.calibrated and "pixels from the nipple" in str(location) and "mm" not in str(location)


def test_views_that_put_a_finding_far_apart_are_mentioned():
    exam = empty_exam()
    cc, mlo = exam.views
    nipples = {cc: (180, 200), mlo: (180, 200)}
    assert "one finding?" in str(locate_finding([point(cc, 150, 190), point(mlo, 40, 190)], exam, nipples))
    assert "one finding?" not in str(locate_finding([point(cc, 60, 190), point(mlo, 55, 190)], exam, nipples))


def test_phantom_lesions_are_placed_in_their_own_quadrant():
    right, compared = 0, 0
    for phantom in phantom_exams(30, 61, rows=384):
        nipples = {name: breast_outline(view).nipple for name, view in phantom.exam.views.items()}
        for side, breast in phantom.breasts.items():
            for lesion in breast.lesions:
                names = [
                    name
                    for name in STANDARD_VIEWS
                    if name.laterality is side and phantom.masks.get((name, lesion.kind), np.zeros(1)).any()
                ]
                if (
                    lesion.kind != "mass"
                    or len(names) < 2
                    or min(abs(lesion.position[1]), abs(lesion.position[2])) < 12
                ):
                    continue
                marks = []
                for name in names:
                    rows, columns = np.nonzero(phantom.masks[name, lesion.kind])
                    marks.append(point(name, columns.mean(), rows.mean()))
                location = locate_finding(marks, phantom.exam, nipples)
                compared += 1
                right += location.place == quadrant_of(lesion.position)
    assert compared >= 6 and right >= 0.85 * compared, (right, compared)
