"""Where people log in, nobody reads, corrects or goes on under the name of another, whatever the page sends."""

from types import SimpleNamespace

import pytest

from app.gate.roles import LEAST_ROLE
from app.privacy import ACCOUNT
from app.read.read_changes import ONLY_READERS, place_nipple, store_correction
from app.read.visit import Visit
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.store.accounts import Account, Role
from mvmlm.store.archive import add_open_exam
from mvmlm.store.records import Read
from tests.test_list_events import session  # noqa: F401
from tests.test_visits import Request


def logged_in(name, role=Role.READER):
    """What a page of an account sends."""
    request = Request("session 1")
    request.scope = {ACCOUNT: Account(name, role, "2026-01-01", False, "mark")}
    return request


def goes_on(session, number, request):  # noqa: F811
    """The visit, and the message, after a page asked to go on with a session of that number."""
    updates = []
    session.room.event(
        request,
        lambda visit, request: updates.append(session.going.start_session(number, visit, request)) or updates[0],
    )
    return session.room.visit(request), updates[0][3]


def test_nobody_goes_on_with_the_session_of_another_account(session):  # noqa: F811
    own = session.store.readings.start(session.room.exams[0], "Ann")
    visit, message = goes_on(session, session.number, logged_in("Rita"))
    assert "This is a session of Ann, but the reader’s name is Rita." in message
    assert visit.exam is None and visit.open_list is None and session.states() == {}, "no exam of it was taken"
    visit, _ = goes_on(session, session.number, logged_in("ANN"))
    assert isinstance(visit.read, Read) and visit.read.id == own.id and visit.open_list.session == session.number


@pytest.mark.parametrize("number", [999.0, 1e308])
def test_a_session_that_is_not_there_is_one_sentence(session, number):  # noqa: F811
    visit, message = goes_on(session, number, logged_in("Ann"))
    assert "Message" not in message and "<p>" in message and visit.exam is None


@pytest.fixture
def stored(store, exam_files):
    """The visit of a stored exam without a read, and after one of its views was taken out."""
    exam = exam_files[0]
    number = add_open_exam(store, exam, None, "ann")
    files = {
        view.file: stored.path for view, stored in zip(exam.views.values(), store.exams.views(number), strict=True)
    }
    before = Visit("ann", exam, exam_number=number, stored_files=files, pixel_token="token")
    rest = {name: view for name, view in exam.views.items() if name != STANDARD_VIEWS[0]}
    return SimpleNamespace(before=before, after=Visit("ann", type(exam)(rest), exam_number=number), number=number)


def test_a_viewer_corrects_no_stored_exam(store, stored):
    visit, message = store_correction(store, stored.before, stored.after, "", logged_in("Vera", Role.VIEWER))
    assert visit is stored.before and message == ONLY_READERS
    assert len(store.exams.views(stored.number)) == 4


def test_the_history_names_the_account_that_corrects_without_a_read(store, stored):
    sent = {"exam": "token", "view": "R_CC", "point": [10, 20]}
    place_nipple(store, stored.before, sent, logged_in("Rita"))
    visit, message = store_correction(store, stored.before, stored.after, "", logged_in("Rita"))
    assert message == "" and visit is not stored.before and len(store.exams.views(stored.number)) == 3
    who = [line["who"] for line in store.file.history(f"exam {stored.number}")]
    assert who[-2:] == ["Rita", "Rita"]


def test_what_changes_a_read_needs_a_reader_and_no_role_stands_for_whatever_has_no_name():
    for handler in ("FormEvents.select_finding", "make_own_reads_final"):
        assert LEAST_ROLE[handler] is Role.READER
    assert not [handler for handler in LEAST_ROLE if handler.startswith("_with_private_errors")]
