"""The next exam of a list, opened ahead: nothing of it is decoded again, and nothing old is shown."""

import copy
from dataclasses import replace

import gradio as gr
import pytest

from app.read.ahead import AheadEvents
from app.read.exam_events import ExamEvents
from app.read.visit import OpenList, predict
from app.visited_page import exam_bytes
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.memory_budget import MEMORY_VARIABLE
from mvmlm.inference.shared_reads import SharedReads
from mvmlm.store.archive import import_exams
from mvmlm.store.sessions import ExamState
from tests.test_load import write_four
from tests.test_visits import ANN, BOB, MB, Place


class CountingDecoder(Decoder):
    """A decoder that counts the pictures that it decodes, and does something before each."""

    decoded, before = 0, staticmethod(lambda: None)

    def pixels(self, paths):
        CountingDecoder.before()
        CountingDecoder.decoded += len(paths := list(paths))
        return super().pixels(paths)


class Room(Place):
    """A visitor's page over a store of four exams, which are a list."""

    def __init__(self, store, folder, decoder, predictor):
        super().__init__()
        for number in range(1, 5):

            def edit(ds, number=number):
                ds.PatientID, ds.StudyInstanceUID = f"p{number}", f"1.2.3.{number}"

            write_four(folder / f"exam {number}", edit=edit)
        outcomes = list(import_exams(store, [folder], decoder, "test"))
        self.store, self.exams = store, tuple(outcome.number for outcome in outcomes)
        self.events = ExamEvents(decoder, self.pixels, store, self.visits)
        self.ahead = AheadEvents(decoder, self.pixels, store, self.visits, lambda: predictor, SharedReads())

    def open_number(self, number, exams=None, request=ANN):
        """Open an exam of the list; return the viewer's value."""
        exams = exams or OpenList("list", self.exams)
        values = []

        def handler(visit, request):
            visit = replace(visit, open_list=exams)
            updates = self.events.open_stored(number, "Ann", visit, request)
            values.append(updates[2].value)
            return updates

        self.event(request, handler)
        return values[0]

    def load_ahead(self, request=ANN):
        return self.ahead.open_next(self.visit(request).token, request)

    def addresses(self, value):
        return [port["address"] for port in value["ports"] if port["address"]]


@pytest.fixture(scope="module")
def counting_decoder():
    decoder = CountingDecoder()
    yield decoder
    decoder.close()


@pytest.fixture
def room(store, tmp_path, monkeypatch, counting_decoder, small_predictor):
    monkeypatch.setenv(MEMORY_VARIABLE, "64 MB")
    CountingDecoder.decoded, CountingDecoder.before = 0, staticmethod(lambda: None)
    return Room(store, tmp_path / "exams", counting_decoder, small_predictor)


def test_the_next_exam_is_decoded_once_and_opened_with_the_pictures_that_were_fetched(room):
    room.open_number(room.exams[0])
    decoded = CountingDecoder.decoded
    sent = room.load_ahead().props["ahead"]
    assert [sorted(picture) for picture in sent] == [["address", "columns", "rows"]] * 4, "nothing that says whose"
    assert CountingDecoder.decoded == decoded + 4
    assert room.megabytes(ANN) == pytest.approx(2 * exam_bytes([room.visit(ANN).exam]) / MB), "it is accounted for"
    value = room.open_number(room.exams[1])
    assert CountingDecoder.decoded == decoded + 4, "nothing is decoded again"
    assert room.addresses(value) == [picture["address"] for picture in sent]
    token = room.visit(ANN).pixel_token
    assert room.pixels.view(token, 0, "ann") is not None and room.pixels.view(token, 0, "bob") is None
    assert room.visit(ANN).exam_number == room.exams[1] and set(room.visit(ANN).exam.views) == set(STANDARD_VIEWS)


def test_the_model_has_read_it_too_and_does_not_read_it_again(room, small_predictor, monkeypatch):
    room.open_number(room.exams[0])
    room.load_ahead()
    room.open_number(room.exams[1])
    visit = room.visit(ANN)
    assert visit.prediction is not None and visit.prediction.exam is visit.exam and not visit.answers_requested
    monkeypatch.setattr(type(small_predictor), "encode_prepared", None)
    assert predict(visit, small_predictor, False, SharedReads())[0].prediction is visit.prediction
    with pytest.raises(TypeError):
        predict(visit, small_predictor, True, SharedReads())
    monkeypatch.undo()
    other = copy.copy(small_predictor)
    again = predict(visit, other, False, SharedReads())[0]
    assert again.prediction is not visit.prediction and again.asked.predictor is other, "other heads are asked anew"


def test_what_was_changed_in_the_store_meanwhile_is_opened_anew(room):
    room.open_number(room.exams[0])
    sent = room.load_ahead().props["ahead"]
    number, decoded = room.exams[1], CountingDecoder.decoded
    views = room.store.exams.views(number)
    room.store.exams.place_nipple(number, views[0].name, (12.0, 34.0), "Ben")
    value = room.open_number(number)
    assert CountingDecoder.decoded == decoded + 4
    assert room.addresses(value) != [picture["address"] for picture in sent]
    assert next(port for port in value["ports"] if port["view"] == str(views[0].name))["nipple"] == [12.0, 34.0]


def test_another_exam_than_the_next_drops_what_was_opened_ahead(room):
    room.open_number(room.exams[0])
    token = room.load_ahead().props["ahead"][0]["address"].split("/")[1]
    assert room.pixels.view(token, 0, "ann") is not None
    room.open_number(room.exams[3])
    assert room.pixels.view(token, 0, "ann") is None
    assert room.load_ahead() == gr.skip(), "it is the last of the list"


def test_nothing_is_opened_ahead_for_a_page_that_went_on(room):
    room.open_number(room.exams[0])
    assert room.ahead.open_next("another token", ANN) == gr.skip()
    assert room.load_ahead(BOB) == gr.skip(), "nothing is open there"

    def open_another():
        CountingDecoder.before = staticmethod(lambda: None)
        room.open_number(room.exams[3])

    CountingDecoder.before = staticmethod(open_another)
    assert room.load_ahead() == gr.skip(), "another exam was opened while it was decoded"
    assert room.megabytes(ANN) == pytest.approx(2 * exam_bytes([room.visit(ANN).exam]) / MB), "that, and the one before"


def test_an_exam_opened_ahead_takes_no_memory_that_another_needs(room, monkeypatch):
    room.open_number(room.exams[0])
    one = exam_bytes([room.visit(ANN).exam])
    monkeypatch.setattr(room.visits, "_memory", 8 * one)  # three exams for one visitor
    assert room.load_ahead().props["ahead"] and room.megabytes(ANN) == pytest.approx(2 * one / MB)
    room.event(ANN, lambda visit, request: (room.visits.reserve(request, 2 * one), visit))
    assert room.megabytes(ANN) == pytest.approx(one / MB), "it is dropped where an exam of the reader's needs the room"
    monkeypatch.setattr(room.visits, "_memory", 4 * one)
    assert room.load_ahead() == gr.skip(), "no memory is to spare"


def test_a_session_opens_ahead_what_it_will_claim_and_claims_nothing(room):
    session = room.store.sessions.start("Ann", room.exams)
    first = room.store.sessions.next_exam(session.id)
    room.open_number(first, OpenList("session", room.exams, session.id))
    assert room.load_ahead().props["ahead"]
    assert [item.exam for item in room.store.sessions.exams(session.id)] == [first]
    room.store.sessions.mark(session.id, first, ExamState.READ)
    decoded = CountingDecoder.decoded
    room.open_number(room.store.sessions.next_exam(session.id))
    assert CountingDecoder.decoded == decoded
