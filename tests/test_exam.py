import pytest

from mvmlm.exam import STANDARD_VIEWS, Exam, Laterality, ViewName


def test_view_names_print_and_parse():
    assert [str(name) for name in STANDARD_VIEWS] == ["R_CC", "L_CC", "R_MLO", "L_MLO"]
    assert all(ViewName.parse(str(name)) == name for name in STANDARD_VIEWS)
    with pytest.raises(ValueError):
        ViewName.parse("X_CC")


def test_an_exam_knows_what_it_lacks(phantom):
    views = dict(phantom.exam.views)
    del views[STANDARD_VIEWS[3]]
    exam = Exam(views)
    assert exam.missing == (STANDARD_VIEWS[3],)
    assert exam.lateralities == (Laterality.RIGHT, Laterality.LEFT)
    assert Exam({}).missing == STANDARD_VIEWS


def test_only_standard_views_can_be_an_exams_views(phantom):
    view = phantom.exam.views[STANDARD_VIEWS[0]]
    with pytest.raises(ValueError, match="standard views only"):
        Exam({ViewName.parse("R_XCCL"): view})
