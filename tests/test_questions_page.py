"""Questions about files on the page: each is shown as text, answered by one choice, and changes only its own view."""

import pytest

from app.read.opening import open_uploads
from app.read.questions import answer_question, question_control
from app.read.visit import Visit
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.load import load_exam
from tests.test_app import ANN, upload
from tests.traps.table import mammogram, save

RCC, LCC, _, _ = STANDARD_VIEWS


@pytest.fixture
def visit(tmp_path, decoder):
    """An open exam: a left view, and one whose side nothing gives."""
    save(mammogram("L_CC"), tmp_path / "left.dcm")
    save(mammogram("R_CC", ImageLaterality=None), tmp_path / "one.dcm")
    return Visit("ann", load_exam(tmp_path, decoder=decoder))


def test_the_first_open_question_is_a_choice_with_its_sentence(visit):
    control = question_control(visit.exam)
    assert control.visible and control.label.startswith("one.dcm: ") and "Which view is it?" in control.label
    assert ("R_CC", "one.dcm:view=R_CC") in control.choices
    assert not question_control(None).visible


def test_an_answer_changes_its_view_and_closes_the_question(visit, decoder):
    after, message = answer_question("one.dcm:view=R_CC", visit.owned_by(ANN), decoder, ANN)
    assert message == "" and list(after.exam.views) == [RCC, LCC] and after.exam.views[LCC] is visit.exam.views[LCC]
    assert not question_control(after.exam).visible


@pytest.mark.parametrize("given", ["one.dcm:view=R_ML", "two.dcm:view=R_CC", "nonsense"])
def test_an_answer_that_fits_no_question_changes_nothing_and_says_so(visit, decoder, given):
    after, message = answer_question(given, visit, decoder, ANN)
    assert after is visit and message


@pytest.mark.parametrize(("value", "prior"), [("yes", True), ("no", False)])
def test_the_files_wait_until_it_is_known_whether_an_earlier_exam_is_hers(tmp_path, decoder, value, prior):
    save(mammogram(PatientID="ANONYMOUS"), tmp_path / "new.dcm")
    save(mammogram(PatientID="ANONYMOUS", StudyDate="20230101", StudyInstanceUID="1.2.9"), tmp_path / "old.dcm")
    visit, _ = open_uploads(upload(tmp_path), Visit(), decoder, ANN)
    assert visit.exam.prior is None and visit.folder.is_dir()
    after, message = answer_question(f"old.dcm:same-woman={value}", visit, decoder, ANN)
    assert message == "" and (after.exam.prior is not None) == prior
    assert after.exam.views[RCC] is visit.exam.views[RCC] and not after.exam.questions
    assert after.folder is None and not visit.folder.is_dir()
