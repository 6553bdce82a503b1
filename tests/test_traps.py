"""Every trap of `tests/traps` ends right, marked, asked or refused: none is silent."""

import warnings

import pytest

from mvmlm.exam import ViewName
from mvmlm.imaging.load import NoExam, SeveralExams, load_exam
from tests.traps import conflicts, files, grey, patients, views
from tests.traps.table import Trap, view_of

MODULES = (files, views, conflicts, patients, grey)  # a module a subject
TRAPS = [trap for module in MODULES for trap in module.TRAPS]


@pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: trap.what)
@pytest.mark.filterwarnings("ignore")
def test_a_file_that_misleads_is_read_right_or_marked_or_asked_about_or_refused(tmp_path, decoder, trap):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, of the values that make it a trap
        trap.build(tmp_path)
    try:
        exam, set_aside = load_exam(tmp_path, decoder=decoder), ()
        set_aside = exam.set_aside
    except NoExam as error:
        exam, set_aside = None, error.set_aside
    except SeveralExams:
        assert trap.expected.outcome == "choose"
        return
    check(trap, exam, set_aside)


def check(trap: Trap, exam, set_aside):
    expected, reasons = trap.expected, {item.file: item for item in set_aside}
    if expected.outcome == "refused":
        assert trap.file in reasons and (exam is None or view_of(exam, trap.file) is None)
        assert reasons[trap.file].code == expected.code and reasons[trap.file].reason
        return
    assert exam is not None, set_aside
    assert expected.outcome != "choose"
    view = view_of(exam, trap.file)
    assert view is not None, set_aside
    marks = [mark for mark in exam.marks if mark.file == trap.file]
    scored = exam.views.get(view.name) is view
    seen = (view.name and str(view.name), [(mark.code, mark.text) for mark in marks])
    if expected.outcome == "asked":
        assert not scored and expected.code in [question.key for question in view.questions], seen
    else:
        assert scored == (expected.outcome in ("right", "marked")), seen
        assert expected.code in ["", *(mark.code for mark in marks)], seen
        assert expected.outcome != "right" or not marks, seen
    if expected.view:
        assert view.name == ViewName.parse(expected.view)
    assert expected.check is None or expected.check(view), seen


def test_there_are_at_least_150_traps_and_each_is_described_once():
    assert len({trap.what for trap in TRAPS}) == len(TRAPS) >= 150
    assert all(trap.what and "\n" not in trap.what for trap in TRAPS)
