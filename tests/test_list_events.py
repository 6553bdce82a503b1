"""Going through a list and a session: what cannot be opened, what is reopened, and what another window finished."""

from pathlib import Path

import pytest

from app.read import reads
from app.read.form_events import FormEvents
from app.read.list_events import READ_ALREADY, ListEvents
from app.read.session_end import session_end_html
from app.worklist.session_start import ALL_EXAMS, SessionStart
from mvmlm.imaging.memory_budget import NoRoom
from mvmlm.reading.opinion import Opinion, ReadingScale
from mvmlm.store.database import StoreError
from mvmlm.store.sessions import ExamState
from tests.test_ahead import Room
from tests.test_visits import ANN


class Session:
    """A session of Ann over the four exams of a page."""

    def __init__(self, room):
        self.room, self.store = room, room.store
        self.form = FormEvents(room.pixels, room.store)
        self.going = ListEvents(room.events, self.form, room.pixels, room.store)
        self.number = room.store.sessions.start("Ann", room.exams).id
        self.messages = []

    def do(self, handler):
        """Run a handler of a page event, and keep the message of an exam that it opened."""

        def event(visit, request):
            updates = handler(visit, request)
            if isinstance(updates, tuple) and len(updates) > 60:
                self.messages.append(updates[3])
            return updates

        self.room.event(ANN, event)
        return self.visit

    @property
    def visit(self):
        return self.room.visit(ANN)

    def start(self):
        return self.do(lambda visit, request: self.going.start_session(self.number, visit, request))

    def opine(self):
        def give(visit, request):
            after, _ = reads.give_opinion(self.store, visit, Opinion.NORMAL, ReadingScale.SCREENING, "Ann", False)
            return after, "given"

        return self.do(give)

    def sign(self):
        return self.do(lambda visit, request: self.going.sign_and_next(visit.token, "Ann", visit, request))

    def states(self):
        return {item.exam: item.state for item in self.store.sessions.exams(self.number)}


@pytest.fixture
def session(store, tmp_path, decoder, small_predictor):
    return Session(Room(store, tmp_path / "exams", decoder, small_predictor))


def test_an_exam_that_cannot_be_opened_is_skipped_and_the_session_goes_on(session):
    first, second, *_ = session.room.exams
    Path(session.store.exams.views(first)[0].path).unlink()
    visit = session.start()
    assert visit.exam_number == second and "is missing from its folder" in session.messages[-1]
    assert session.states() == {first: ExamState.SKIPPED, second: ExamState.CLAIMED}
    reason = session.store.sessions.exams(session.number)[0].reason
    assert reason.startswith("could not be opened:")
    session.opine()
    assert session.sign().exam_number == session.room.exams[2]


def test_a_session_in_which_nothing_can_be_opened_leaves_the_open_exam_in_its_own_list(session):
    for number in session.room.exams:
        Path(session.store.exams.views(number)[0].path).unlink()
    visit = session.start()
    assert visit.exam is None and "is missing from its folder" in session.messages[-1]
    assert set(session.states().values()) == {ExamState.SKIPPED}, "it is there for other readers, and for this one"
    assert "could not be opened" in session_end_html(session.store, session.number)


def test_where_there_is_no_memory_now_the_open_exam_stays_and_nothing_is_skipped(session, monkeypatch):
    first, second, *_ = session.room.exams
    session.start()
    session.opine()

    def no_room(*_):
        raise NoRoom("the exams that are being read now leave no memory for it.")

    monkeypatch.setattr("app.read.opening.open_stored_exam", no_room)
    visit = session.sign()
    assert visit.exam_number == first and "Not opened now" in session.messages[-1]
    assert session.states() == {first: ExamState.READ, second: ExamState.CLAIMED}
    monkeypatch.undo()
    session.do(lambda visit, request: session.going.start_session(session.number, visit, request))
    assert session.visit.exam_number == second


def test_the_last_page_can_be_seen_before_the_session_is_ended(session):
    session.start()
    session.opine()
    second = session.sign().exam_number
    session.do(lambda visit, request: session.going.show_end(visit.token, visit, request))
    assert session.visit.exam is None and session.store.sessions.get(session.number).ended is None
    page = session_end_html(session.store, session.number)
    assert "The session so far: 1 of 2" in page and f'data-open="{second}">Go on' in page
    session.do(lambda visit, request: session.going.open_item(second, "Ann", visit, request))
    assert session.visit.exam_number == second
    session.do(lambda visit, request: session.going.want_priors(visit.token, "Ann", visit, request))
    assert session.states()[second] is ExamState.PRIORS_WANTED
    third = session.visit.exam_number
    session.do(lambda visit, request: session.going.previous_exam(visit.token, "Ann", visit, request))
    assert session.visit.exam_number == second
    session.do(lambda visit, request: session.going.end_session(session.visit.token, visit, request))
    assert session.store.sessions.get(session.number).ended and session.states()[third] is ExamState.SKIPPED


def test_a_read_that_is_opened_again_is_offered_again_and_never_called_final(session):
    session.start()
    session.opine()
    visit = session.sign()
    first, second = session.room.exams[:2]
    assert visit.exam_number == second
    session.do(lambda visit, request: change_recorded(session, first, visit, request))
    assert session.visit.exam_number == first and session.visit.read.signed is None
    assert session.states()[first] is ExamState.CLAIMED
    page = session_end_html(session.store, session.number)
    assert "0 of 2 exams read" in page and "not signed" in page
    session.store.sessions.end(session.number)
    ended = session_end_html(session.store, session.number)
    assert "The signed reads are final" in ended and "<td>not signed</td>" in ended and "stays a draft" in ended
    again = session.store.sessions.start("Ann", session.room.exams)
    assert session.store.sessions.next_exam(again.id) == first


def change_recorded(session, number, visit, request):
    return session.going.change_recorded(number, "Ann", visit, request)


def test_a_signed_exam_is_not_skipped_and_a_list_ends_where_it_ends(session):
    session.start()
    session.opine()
    session.sign()
    first = session.room.exams[0]
    session.do(lambda visit, request: session.going.open_item(first, "Ann", visit, request))
    session.do(lambda visit, request: session.going.skip(visit.token, "Ann", visit, request))
    assert READ_ALREADY in session.messages[-1] and session.states()[first] is ExamState.READ


def test_a_read_that_is_signed_after_the_session_was_finished_elsewhere_is_final(session):
    session.start()
    session.opine()
    number = session.visit.read.id
    session.store.sessions.end(session.number)
    session.sign()
    assert session.store.readings.get(number).final


def test_the_scale_is_that_of_the_session_whatever_the_field_says(session):
    session.store.sessions.end(session.number)
    session.number = session.store.sessions.start("Ann", session.room.exams, scale=ReadingScale.DIAGNOSTIC).id
    session.start()
    fields = session.opine().read.reading.fields
    assert sorted(fields.values()) == ["1", "1"] and all(name == "birads" for _, name in fields)


def test_what_was_set_aside_is_put_back_on_the_worklist_page(session):
    session.start()
    session.do(lambda visit, request: session.going.set_aside(visit.token, "<b>film", "Ann", visit, request))
    first = session.room.exams[0]
    session.store.sessions.end(session.number)
    with pytest.raises(StoreError, match="waiting for priors: 1"):
        session.store.sessions.start("Ben", [first])
    page = SessionStart(session.store)
    choice, button, _ = page.show_left_out(ALL_EXAMS)
    assert (
        choice.choices == [(f"{session.store.exams.get(first).name}: set aside, <b>film", first)] and button["visible"]
    )
    assert "No reader is named" in page.put_back(" ", ALL_EXAMS, [first])[2]
    assert "Tick the exams" in page.put_back("Ben", ALL_EXAMS, [])[2]
    assert session.store.exams.get(first).name in page.put_back("Ben", ALL_EXAMS, [first])[2]
    assert "none waits" in page.show_left_out(ALL_EXAMS)[2] and not page.show_left_out(ALL_EXAMS)[1]["visible"]
    assert session.store.sessions.next_exam(session.store.sessions.start("Ben", [first]).id) == first


def test_an_open_session_goes_on_and_is_not_replaced_by_another_choice(session):
    page = SessionStart(session.store)
    number, words, _ = page.start("Ann", ALL_EXAMS, "oldest first", 25, "arbitration", "diagnostic")
    assert number is None and "all exams, screening, one reader, 0 of" in words
    assert page.go_on(" Ann ")[:2] == (session.number, "")
    session.store.sessions.end(session.number)
    assert page.go_on("Ann")[0] is None and "Start one" in page.go_on("Ann")[1]
    assert "No reader is named" in page.go_on("")[1]
    started = session.store.sessions.get(page.start("Ann", ALL_EXAMS, "random", 2, "2", "diagnostic")[0])
    assert (started.reads, started.size, started.scale) == (2, 2, ReadingScale.DIAGNOSTIC)
