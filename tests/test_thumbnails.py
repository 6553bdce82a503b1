"""Thumbnails of stored exams: what they show, how they are kept, and who gets them."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.gate.table import FoundRoute, find_route
from app.privacy import COOKIE
from app.thumbnails import CELL_COLUMNS, CELL_ROWS, FOLDER, Thumbnails, thumbnail_jpeg, thumbnail_routes
from mvmlm.exam import Exam, Laterality, Projection, ViewName
from mvmlm.store.database import StoreError

COOKIES = {"cookie": f"{COOKIE}=ann"}


@pytest.fixture
def stored(store, exam_files):
    for number in range(3):
        store.exams.add(*exam_files, "ann", patient_id=f"p{number}", study_id=f"s{number}")
    return store


@pytest.fixture
def thumbnails(stored, decoder):
    return Thumbnails(stored, lambda: decoder, most_files=2)


def opened(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)


def bright_columns(picture, cell):
    """The mean of the outer and of the inner half of a cell's columns, from left to right."""
    columns = picture[:, cell * CELL_COLUMNS : (cell + 1) * CELL_COLUMNS]
    return columns[:, : CELL_COLUMNS // 2].mean(), columns[:, CELL_COLUMNS // 2 :].mean()


def test_the_four_views_hang_with_their_chest_walls_together(phantom):
    picture = opened(thumbnail_jpeg(phantom.exam))
    assert picture.shape == (CELL_ROWS, 4 * CELL_COLUMNS)
    for cell in range(4):
        left, right = bright_columns(picture, cell)
        assert (right > left) == (cell % 2 == 0), "a right breast lies at the right of its cell, a left one at the left"


def test_a_missing_view_leaves_its_place_black(phantom):
    gone = ViewName(Laterality.LEFT, Projection.CC)
    views = {name: view for name, view in phantom.exam.views.items() if name != gone}
    picture = opened(thumbnail_jpeg(replace(phantom.exam, views=views)))
    assert picture[:, CELL_COLUMNS + 8 : 2 * CELL_COLUMNS - 8].max() < 8 and picture[:, :CELL_COLUMNS].max() > 50
    assert opened(thumbnail_jpeg(Exam({}))).max() == 0


def test_a_thumbnail_is_made_once_and_the_longest_unused_are_deleted(thumbnails, stored, monkeypatch):
    first = thumbnails.jpeg(1)
    made = []
    monkeypatch.setattr("app.thumbnails.thumbnail_jpeg", lambda exam: made.append(exam) or b"new")
    assert thumbnails.jpeg(1) == first and made == []
    thumbnails.jpeg(2), thumbnails.jpeg(3)
    names = [file.name.partition("-")[0] for file in (stored.folder / FOLDER).iterdir()]
    assert len(made) == 2 and sorted(names) == ["2", "3"]


def test_an_exam_with_other_pictures_gets_another_thumbnail(thumbnails, stored):
    before = thumbnails.version(1)
    thumbnails.jpeg(1)
    views = stored.exams.views(1)
    stored.exams.correct_views(1, views[:2], [], "ann")
    assert thumbnails.version(1) != before
    thumbnails.jpeg(1)
    assert len(list((stored.folder / FOLDER).glob("1-*"))) == 1


def test_thumbnails_are_for_visitors_of_the_app(thumbnails):
    client = TestClient(Starlette(routes=thumbnail_routes(thumbnails)))
    assert client.get("/thumbnail/1.jpg").status_code == 403
    answer = client.get("/thumbnail/1.jpg", headers=COOKIES)
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"].startswith("private")
    again = client.get("/thumbnail/1.jpg", headers=COOKIES | {"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    for each in (answer, again):
        assert each.headers["cache-control"] == "private, no-cache", "the number of an exam is that of others elsewhere"
    assert client.get("/thumbnail/99.jpg", headers=COOKIES).status_code == 404


def test_an_exam_whose_picture_is_gone_has_no_thumbnail(thumbnails, stored):
    with stored.file.transaction() as conn:
        conn.execute("UPDATE views SET path = path || '.gone' WHERE exam = 2")
    with pytest.raises(StoreError, match="missing"):
        thumbnails.jpeg(2)
    client = TestClient(Starlette(routes=thumbnail_routes(thumbnails)))
    assert client.get("/thumbnail/2.jpg", headers=COOKIES).status_code == 404


def test_the_gate_lets_only_visitors_ask_and_only_for_numbers():
    found = find_route("GET", "/thumbnail/12.jpg")
    assert isinstance(found, FoundRoute) and found.route.visitors_only
    for closed in ("/thumbnail/x.jpg", "/thumbnail/../12.jpg", "/thumbnail/12", "/thumbnail/1%32.jpg"):
        assert find_route("GET", closed) is None, closed
    assert find_route("POST", "/thumbnail/12.jpg") == "GET"
