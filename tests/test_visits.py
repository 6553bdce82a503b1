"""What visitors have open: found again after a reload, ended after a time with all it holds, limited in memory."""

from dataclasses import dataclass, field, replace
from functools import partial

import gradio as gr
import numpy as np
import pytest
from gradio.context import LocalContext

from app.privacy import COOKIE
from app.read.demo_exams import DEMO_SOURCES
from app.read.exam_events import ExamEvents
from app.read.opening import open_uploads
from app.read.reads import start_read
from app.read.visit import Visit
from app.viewer.pixel_server import PixelServer
from app.visited_page import decoded_bytes
from app.visits import (
    CLOSED_SECONDS,
    IN_USE_SECONDS,
    REMEMBERED_SECONDS,
    SILENT_SECONDS,
    Visits,
)
from mvmlm.exam import STANDARD_VIEWS, Exam
from mvmlm.imaging.memory_budget import MEMORY_VARIABLE, NoRoom
from mvmlm.reading.reading import Mark, MarkedFinding, Reading
from mvmlm.report.findings import Finding
from tests.test_app import upload
from tests.test_load import small_view, write

MB = 1 << 20


@dataclass
class Request:
    """As much of gr.Request as the registry and the handlers use."""

    session_hash: str
    visitor: str = "ann"
    cookies: dict = field(init=False)

    def __post_init__(self):
        self.cookies = {COOKIE: self.visitor} if self.visitor else {}


ANN, ANNS_OTHER_WINDOW, BOB = Request("session 1"), Request("session 2"), Request("session 3", "bob")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


class Place:
    """The registry with a clock of its own, 64 MB of memory, and the sessions that it let Gradio forget."""

    def __init__(self):
        self.clock, self.pixels, self.forgotten = Clock(), PixelServer(), []
        self.visits = Visits(self.pixels, self.forgotten.append, self.clock)

    def event(self, request, handler):
        """What Gradio does with an event: the value of its state is an empty visit."""
        token = LocalContext.request.set(request)
        try:
            return self.visits.on_visit(handler)(Visit(), request)
        finally:
            LocalContext.request.reset(token)

    def open(self, request, megabytes, **changed):
        """Open an exam of that size, as `ExamEvents` does: room is made first."""

        def handler(visit, request):
            self.visits.reserve(request, megabytes * MB)
            exam = exam_of(megabytes)
            return replace(Visit(visit.owner, exam, **changed), pixel_token=self.put(exam, request)), "message"

        return self.event(request, handler)

    def put(self, exam, request):
        return self.pixels.put(tuple(exam.views.values()), request.visitor)

    def arrive(self, name, request):
        token = LocalContext.request.set(request)
        seen = []
        try:
            self.visits.on_visit(lambda name, visit, request: seen.append(visit), loads=True)(name, Visit(), request)
        finally:
            LocalContext.request.reset(token)
        return seen[0]

    def visit(self, request):
        """The visit that the next event of a page is given."""
        seen = []
        self.event(request, lambda visit, request: (seen.append(visit), visit))
        return seen[0]

    def megabytes(self, request):
        """What a page has open, without using it."""
        pages = [page for page in self.visits._pages.values() if request.session_hash in page.all_sessions]
        return sum(page.held for page in pages) / MB


def exam_of(megabytes):
    return Exam({STANDARD_VIEWS[0]: small_view(pixels=np.zeros((MB, megabytes), np.uint8))})


@pytest.fixture
def place(monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, "64 MB")  # 16 an exam, 24 a visitor
    return Place()


def test_a_visit_is_kept_by_the_registry_and_not_by_gradio(place):
    assert place.open(ANN, 1) == (gr.skip(), "message")
    visit = place.visit(ANN)
    assert decoded_bytes(visit) == MB and visit.owner == "ann"
    place.event(ANN, lambda visit, request: (replace(visit, exam_number=7), "changed"))
    assert place.visit(ANN).exam is visit.exam and place.visit(ANN).exam_number == 7


def test_each_window_has_its_own_visit_and_a_session_name_of_somebody_else_opens_nothing(place):
    place.open(ANN, 1)
    assert place.visit(ANNS_OTHER_WINDOW).exam is None
    assert place.visit(Request(ANN.session_hash, "bob")).exam is None
    assert place.visit(Request(ANN.session_hash, "")).exam is None
    assert place.arrive("session 1", BOB).exam is None, "a page that calls itself by another one's session"
    assert place.visit(ANN).exam is not None


def test_an_event_that_fails_leaves_the_visit_as_it_was(place):
    place.open(ANN, 1)
    before = place.visit(ANN)

    def fails(visit, request):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        place.event(ANN, fails)
    assert place.visit(ANN) is before


def test_a_reload_finds_its_exam_again_and_ten_minutes_later_it_is_gone_with_all_it_held(place, tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    place.arrive("window", ANN)
    place.open(ANN, 1, folder=folder)
    visit = place.visit(ANN)
    place.visits.leave(ANN)
    place.clock.seconds += CLOSED_SECONDS
    place.visits.sweep()
    assert place.forgotten == ["session 1"] and folder.is_dir()
    assert place.arrive("window", ANNS_OTHER_WINDOW) is visit
    assert place.pixels.view(visit.pixel_token, 0, "ann") is not None
    place.visits.leave(ANNS_OTHER_WINDOW)
    place.clock.seconds += CLOSED_SECONDS + 1
    place.visits.sweep()
    assert place.visits.memory_in_use() == 0 and not folder.exists()
    assert place.pixels.view(visit.pixel_token, 0, "ann") is None
    assert place.forgotten == ["session 1", "session 2"]
    assert place.arrive("window", Request("session 4")).exam is None


def test_the_goodbye_of_the_old_page_comes_after_the_reload(place):
    place.arrive("window", ANN)
    place.open(ANN, 1)
    place.arrive("window", ANNS_OTHER_WINDOW)
    place.visits.leave(ANN)
    place.visits.leave(Request(ANNS_OTHER_WINDOW.session_hash, "bob"))  # somebody else's goodbye is nobody's
    place.clock.seconds += CLOSED_SECONDS + 1
    place.visits.sweep()
    assert place.visit(ANNS_OTHER_WINDOW).exam is not None, "the page is open"


def test_a_page_without_a_sign_of_life_loses_its_exam_after_an_hour_and_is_told_so(place):
    place.open(ANN, 1)
    place.open(BOB, 1)
    for _ in range(4):
        place.clock.seconds += SILENT_SECONDS / 3
        place.visits.stay(BOB)
        place.visits.sweep()
    assert place.megabytes(ANN) == 0 and place.megabytes(BOB) == 1
    with pytest.raises(gr.Error, match="was closed because"):
        place.event(ANN, lambda visit, request: visit.of_event("of what she sees", request))
    place.open(ANN, 2)
    assert place.megabytes(ANN) == 2 and place.visit(ANN).exam is not None
    place.clock.seconds += REMEMBERED_SECONDS + 1
    place.visits.sweep()
    assert place.visits._pages == {} and place.visits._names == {}


def test_however_many_exams_are_opened_no_exam_in_use_is_closed_while_unused_ones_are_there(place):
    place.open(BOB, 10)
    place.clock.seconds += IN_USE_SECONDS + 1
    for number in range(50):
        place.visit(ANN) if number else place.open(ANN, 10)
        place.open(Request(f"anybody {number}", f"anybody {number}"), 10)
        place.visits.leave(Request(f"anybody {number}", f"anybody {number}"))
        assert place.visits.memory_in_use() <= 64 * MB
    assert place.megabytes(ANN) == 10, "she used it all the time"
    assert place.megabytes(BOB) == 10, "closed pages are given up before an open one"
    for number in range(5):
        place.open(Request(f"reader {number}", f"reader {number}"), 10)
    assert place.megabytes(ANN) == 10 and place.megabytes(BOB) == 0, "he left it alone for longest"


def test_when_all_exams_are_in_use_the_newcomer_is_told_and_nobody_else_is_affected(place):
    readers = [Request(f"reader {number}", f"reader {number}") for number in range(4)]
    for reader in readers:
        place.open(reader, 15)
    with pytest.raises(NoRoom, match="being read now leave no memory"):
        place.open(ANN, 15)
    assert [place.megabytes(reader) for reader in readers] == [15] * 4
    assert all(place.visit(reader).exam is not None for reader in readers)
    place.open(ANN, 4)
    assert place.visits.memory_in_use() == 64 * MB


def test_one_visitor_may_not_take_the_memory_of_all(place):
    place.open(ANN, 14)
    with pytest.raises(NoRoom, match=r"other windows would take more than 24 MB"):
        place.open(ANNS_OTHER_WINDOW, 14)
    assert place.megabytes(ANN) == 14
    place.visits.leave(ANN)
    place.open(ANNS_OTHER_WINDOW, 14)
    assert place.megabytes(ANN) == 0, "her closed window gives way first"
    with pytest.raises(NoRoom, match="16 MB of memory, the limit for one exam"):
        place.open(BOB, 17)


def test_an_exam_in_place_of_another_is_opened_though_both_are_in_memory_for_a_moment(place):
    for _ in range(3):
        place.open(ANN, 16)
    assert place.megabytes(ANN) == 16


def test_what_is_being_opened_counts_and_is_given_back_when_it_fails(place):
    def opens(visit, request):
        place.visits.reserve(request, 16 * MB)
        assert place.visits.memory_in_use() == 16 * MB
        with pytest.raises(NoRoom):
            place.visits.reserve(request, 1)  # its prior
        raise ValueError

    with pytest.raises(ValueError):
        place.event(ANN, opens)
    assert place.visits.memory_in_use() == 0


def test_a_visit_whose_event_runs_is_neither_closed_nor_swept(place):
    place.open(ANN, 10)

    def slow(visit, request):
        place.clock.seconds += 2 * REMEMBERED_SECONDS
        place.visits.leave(ANN)
        place.visits.sweep()
        for number in range(6):
            reader = Request(f"reader {number}", f"reader {number}")
            place.open(reader, 10)
            place.visits.leave(reader)
        return replace(visit, exam_number=3), ""

    place.event(ANN, slow)
    assert place.visit(ANN).exam_number == 3 and place.megabytes(ANN) == 10


def test_a_late_result_of_an_earlier_exam_is_dropped(place):
    place.open(ANN, 1)

    def slow(visit, request):
        place.open(ANN, 2)
        return replace(visit, prediction=None, exam_number=1), ""

    with pytest.raises(gr.Error, match="meant for what was open before"):
        place.event(ANN, slow)
    visit = place.visit(ANN)
    assert decoded_bytes(visit) == 2 * MB and visit.exam_number is None
    assert place.pixels.view(visit.pixel_token, 0, "ann") is not None, "its pictures stay"


def test_the_pictures_of_the_exam_before_are_not_served_any_more(place):
    place.open(ANN, 1)
    first = place.visit(ANN)
    place.open(ANN, 1)
    assert place.pixels.view(first.pixel_token, 0, "ann") is None


def test_pages_without_an_exam_are_limited_in_number_too(place, monkeypatch):
    monkeypatch.setattr("app.visits.MOST_PAGES", 10)
    place.open(ANN, 1)
    for number in range(100):
        place.visits.stay(Request(f"{number}", f"{number}"))
    assert len(place.visits._pages) == 10 and place.visit(ANN).exam is not None


def test_the_prior_and_the_extra_images_count_and_each_picture_counts_once():
    exam, prior = exam_of(2), exam_of(3)
    extra = small_view(pixels=np.zeros((MB, 5), np.uint8))
    visit = Visit("ann", replace(exam, prior=prior, extra=(extra,)))
    assert decoded_bytes(visit) == 10 * MB
    assert decoded_bytes(replace(visit, exam=replace(visit.exam, extra=(extra, *prior.views.values())))) == 10 * MB


@pytest.fixture
def exams(place, store, decoder):
    return ExamEvents(decoder, place.pixels, store, place.visits)


def test_a_demo_is_opened_within_the_limits_and_shown_again_after_a_reload(place, exams):
    place.arrive("window", ANN)
    updates = place.event(ANN, lambda visit, request: exams.open_demo("phantom", visit, request))
    assert updates[0] == gr.skip() and DEMO_SOURCES["phantom"] in updates[3]
    assert 0 < place.megabytes(ANN) <= 16
    address = place.visit(ANN).address
    again = place.event(ANN, partial(exams.show_again, None, address, None, ""))
    assert len(again[2].value["ports"]) == 4
    assert again[2].value["exam"] == place.visit(ANN).pixel_token
    assert place.event(ANN, partial(exams.show_again, None, "", None, "")) == gr.skip(), "the start page"
    assert place.visit(ANN).address == address


def test_an_upload_beyond_the_limits_is_refused_with_a_sentence(place, exams, tmp_path, monkeypatch):
    monkeypatch.setattr(place.visits, "_memory", 4 * 100)  # the pictures of the exam take more than 100 bytes
    folder = tmp_path / "e"
    folder.mkdir()
    write(folder)
    paths = upload(folder)
    updates = place.event(ANN, lambda visit, request: exams.open_folder(paths, visit, request))
    assert "No exam was opened" in updates[3] and "limit for one exam" in updates[3]
    assert place.visits.memory_in_use() == 0


def test_files_that_wait_for_a_choice_are_deleted_when_their_page_is_gone(place, decoder, tmp_path):
    folder = tmp_path / "e"
    folder.mkdir()
    for name in STANDARD_VIEWS:
        write(folder, name, patient=str(name))
    paths = upload(folder)
    place.event(ANN, lambda visit, request: open_uploads(paths, visit, decoder, request))
    waiting = place.visit(ANN).listing_folder
    assert waiting.is_dir()
    place.visits.leave(ANN)
    place.clock.seconds += CLOSED_SECONDS + 1
    place.visits.sweep()
    assert not waiting.exists()


def shown_to(place, exams, request, address, read=None, reader=""):
    """Load a page at an address; return what its visitor has open then, and the message."""
    updates = place.event(request, partial(exams.show_again, None, address, read, reader))
    return place.visit(request), "" if updates == gr.skip() else updates[3]


def open_phantom(place, exams, request):
    place.event(request, lambda visit, request: exams.open_demo("phantom", visit, request))
    return place.visit(request)


def test_a_random_address_opens_its_exam_in_every_window_of_its_visitor_and_for_nobody_else(place, exams):
    visit = open_phantom(place, exams, ANN)
    assert len(visit.address) >= 20
    copy, _ = shown_to(place, exams, ANNS_OTHER_WINDOW, visit.address)
    assert copy.exam is visit.exam and copy.pixel_token not in ("", visit.pixel_token)
    for stranger in (BOB, Request("session 9", "")):
        if stranger.visitor:
            found, message = shown_to(place, exams, stranger, visit.address)
            assert found.exam is None and message == shown_to(place, exams, stranger, "no-such-exam")[1] != ""
        assert place.visits.named(visit.address, stranger) is None and place.visits.unkept(stranger) == []
    assert place.visit(ANN) is visit, "whoever guesses changes nothing"


def test_an_address_that_names_nothing_leaves_what_was_open_as_it_was(place, exams):
    visit = open_phantom(place, exams, ANN)
    for sent in ("x" * 22, "x" * 1000, "exam-99999", "exam-0", "exam-99999999999999999999", None, 7, {"a": 1}, "../.."):
        event = gr.EventData(None, {"address": sent, "read": sent})
        updates = place.event(ANN, lambda visit, request, event=event: exams.go(visit.token, visit, event, request))
        assert place.visit(ANN).exam is visit.exam and place.visit(ANN).address == visit.address and updates[3]
        assert "value" not in updates[2].constructor_args, "the pictures on screen stay"


def test_a_stored_exam_is_opened_by_its_address_and_only_its_own_draft_is_resumed(place, exams, store):
    read = []

    def start(visit, request):
        after, _ = start_read(store, visit, "Ann")
        read.append(after.read)
        return after, ""

    open_phantom(place, exams, ANN)
    place.event(ANN, start)
    address = place.visit(ANN).address
    assert address == "exam-00001"
    found, _ = shown_to(place, exams, BOB, address)
    assert found.exam_number == 1 and found.read is None, "an address that was passed on shows no answers"
    for number, resumed in ((read[0].id, "Ann"), (999, None), (1e300, None), ("1", None)):
        found, _ = shown_to(place, exams, Request(f"page {number!r}", "bob"), address, number)
        assert (found.read.reader if found.read else None) == resumed
    other, _ = shown_to(place, exams, Request("page x", "bob"), "exam-00002", read[0].id)
    assert other.exam is None


def test_the_exam_before_is_found_again_with_its_marks_until_memory_is_short(place, exams, monkeypatch):
    first = open_phantom(place, exams, ANN)
    mark = Mark(STANDARD_VIEWS[0], "point", "mass", ((10.0, 20.0),))
    marked = Reading({}, {1: MarkedFinding(mark.view.laterality, "mass", Finding("mass"), (mark,))})
    place.event(ANN, lambda visit, request: (replace(visit, unsaved=marked), ""))
    second = open_phantom(place, exams, ANN)
    assert second.address != first.address
    assert {visit.address for visit in place.visits.unkept(ANN)} == {first.address, second.address}
    assert 'data-exam="' + first.address in exams.list_left_open("", ANN) and "1 mark" in exams.list_left_open("", ANN)
    back, _ = shown_to(place, exams, ANN, first.address)
    assert back.marks == (mark,) and back.exam is first.exam
    assert shown_to(place, exams, ANN, second.address)[0].exam is second.exam
    monkeypatch.setattr(place.visits, "_memory", place.visits.memory_in_use() - 1)
    place.event(ANN, lambda visit, request: (place.visits.reserve(request, 1), visit))
    assert place.visits.named(first.address, ANN) is None and place.visits.named(second.address, ANN) is not None


def test_stop_ends_the_opening_that_runs_or_waits_and_none_that_is_asked_for_later(place, exams):
    visit = open_phantom(place, exams, ANN)
    raised = [place.clock.seconds]
    place.visits._raised = lambda: raised[0]
    place.clock.seconds += 1
    exams.stop(ANN)
    updates = place.event(ANN, lambda visit, request: exams.open_demo("film", visit, request))
    assert "Stopped" in updates[3] and "stays open" in updates[3] and place.visit(ANN).exam is visit.exam
    exams.stop(BOB)
    raised[0] = place.clock.seconds + 1
    assert open_phantom(place, exams, ANN).exam is not visit.exam


def test_the_start_page_lists_and_opens_drafts_of_the_reader_who_reads_there_alone(place, exams, store):
    assert exams.list_left_open("", BOB).strip() == ""
    open_phantom(place, exams, ANN)
    place.event(ANN, lambda visit, request: start_read(store, visit, "Ann <b>"))
    assert "Ann &lt;b&gt;" in exams.list_left_open("", BOB), "one reader alone needs no name"
    place.event(ANN, lambda visit, request: start_read(store, replace(visit, read=None), "Bea"))
    (of_bea,), (of_ann,) = store.readings.drafts("Bea", 6), store.readings.drafts("Ann <b>", 6)
    assert of_bea.changed >= of_ann.changed
    assert exams.list_left_open("", BOB).strip() == exams.list_left_open("Cid", BOB).strip() == ""
    listed = exams.list_left_open("Bea", BOB)
    assert "Bea" in listed and "Ann" not in listed and "?exam=exam-00001" in listed
    for reader, seen in (("Ann <b>", "Ann <b>"), ("ann <B>", "Ann <b>"), ("Bea", None), ("", None)):
        visit, _ = shown_to(place, exams, BOB, "exam-00001", of_ann.read, reader)
        assert (visit.read.reader if visit.read else None) == seen
    store.readings.change(of_bea.read, Reading(), Reading({(None, "density"): "B"}))
    store.readings.sign(of_bea.read)
    assert store.readings.drafts("Bea", 6) == []
