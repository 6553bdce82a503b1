"""Named lists of exams."""

from inspect import signature

import pytest

from app.exam_filter import filter_from_controls
from app.read.exam_list import list_with
from app.read.visit import OpenList
from mvmlm.store.database import StoreError
from mvmlm.store.lists import LONGEST_NAME, MAX_EXAMS
from mvmlm.store.records import Filter


@pytest.fixture
def exams(store, exam_files):
    for number in range(4):
        store.exams.add(*exam_files, "ann", patient_id=f"p{number}", study_id=f"s{number}")
    return store


def test_a_list_made_by_hand_keeps_its_exams_in_their_order(exams):
    number = exams.lists.add("  To  read ", [3, 1, 3], "ann")
    made = exams.lists.get(number)
    assert (made.name, made.who, made.exam_filter, made.size) == ("To read", "ann", None, 2)
    assert exams.lists.exams(number) == [3, 1]
    assert exams.file.history(f"list {number}")[0]["what"] == "made a list"


def test_a_list_made_by_a_filter_stays_when_the_filter_finds_others(exams):
    wanted = Filter(state="new", order="oldest")
    number = exams.lists.add("New", exams.worklist.ordered_numbers(wanted, 9), "ann", wanted)
    exams.readings.start(1, "ann")
    assert exams.worklist.ordered_numbers(wanted, 9) == [2, 3, 4]
    assert exams.lists.exams(number) == [1, 2, 3, 4] and exams.lists.get(number).exam_filter == wanted
    assert exams.worklist.numbers(Filter(in_list=number, state="new")) == [2, 3, 4]


def test_numbers_come_in_the_order_of_the_pages(exams):
    for order in ("newest", "oldest", "name"):
        shown = [exam.id for exam in exams.worklist.page(Filter(order=order))[0]]
        assert exams.worklist.ordered_numbers(Filter(order=order), 9) == shown
        assert exams.worklist.ordered_numbers(Filter(order=order), 2) == shown[:2]


def test_a_list_that_cannot_be_stored_is_refused_and_leaves_nothing(exams):
    exams.lists.add("Taken", [1], "ann")
    for name, numbers, said in (
        ("x", [], "would have no exam"), (" ", [1], "a name"), ("x" * (LONGEST_NAME + 1), [1], "a name"),
        ("Taken", [2], "There is a list"), ("x", [1, 99], "not in this store"),
        ("x", range(MAX_EXAMS + 1), "more than"),
    ):  # fmt: skip
        with pytest.raises(StoreError, match=said):
            exams.lists.add(name, numbers, "ann")
    assert [made.name for made in exams.lists.all()] == ["Taken"]


def test_a_deleted_list_leaves_its_exams(exams):
    first, second = exams.lists.add("a", [1, 2], "ann"), exams.lists.add("b", [2], "ann")
    assert [made.id for made in exams.lists.all()] == [second, first]
    exams.lists.delete(first, "ben")
    assert exams.exams.count() == 4 and exams.lists.exams(second) == [2]
    for action in (exams.lists.get, exams.lists.exams, lambda number: exams.lists.delete(number, "ben")):
        with pytest.raises(StoreError, match="not in this store"):
            action(first)


def filters(**wanted):
    """The values of the worklist's controls."""
    values = {name: parameter.default for name, parameter in signature(filter_from_controls).parameters.items()}
    return list((values | wanted).values())


def test_an_exam_opened_from_the_worklist_is_read_in_the_list_that_was_on_screen(exams):
    exams.readings.start(2, "ann")
    shown = list_with(exams, 3, None, filters(state="new"))
    assert (shown.title, shown.exams) == ("Worklist, filtered", (4, 3, 1)), "in the order of the lines"
    assert list_with(exams, 3, None, filters(order="oldest")) == OpenList("Worklist", (1, 2, 3, 4))
    number = exams.lists.add("To read", [4, 2], "ann")
    assert list_with(exams, 2, None, filters(in_list=number, order="oldest")) == OpenList("To read", (2, 4))
    whole = OpenList("Worklist", (1, 2, 3, 4))
    for since in ("2024-1", "2999-01-01"):  # being typed, and no exam found
        assert list_with(exams, 3, None, filters(since=since)) == whole
    assert list_with(exams, 2, shown, ()) == whole, "a link opens the whole worklist"
    assert list_with(exams, 3, shown, ()) is shown


def test_a_session_goes_on_where_its_exam_is_opened_from_the_worklist(exams):
    session = OpenList("Session", (1, 2), 7)
    assert list_with(exams, 2, session, filters()) is session
    assert list_with(exams, 3, session, filters()).session is None
