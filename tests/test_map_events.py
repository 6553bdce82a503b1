"""The maps over the pictures: the scale that is shown, and slow methods that stop, are kept and hold up nobody."""

import base64
import re
import threading
from dataclasses import replace

import cv2
import gradio as gr
import numpy as np
import pytest

from app import pictures
from app.read.map_events import MOST_PAGES, MapEvents, SlowMap, SlowMaps
from app.read.visit import Visit
from mvmlm.inference.map_methods import METHODS
from mvmlm.phantom import phantom_exams
from tests.test_app import ANN, BOB, Request


@pytest.fixture(scope="module")
def visit(small_predictor):
    """A visit with a small exam that was read by small weights."""
    exam = next(iter(phantom_exams(1, 33, rows=160))).exam
    prompts = ("a mass", "a mass | no mass")
    return Visit("ann", exam=exam, prediction=small_predictor.predict(exam), prompts=prompts, answers_requested=True)


@pytest.fixture
def events(small_predictor):
    return MapEvents(lambda: small_predictor)


def draw(events, visit, target="Mass", method="hirescam", show=True, threshold=0.0, request=ANN, token=""):
    return events.draw_maps(token, show, target, threshold, "inferno", method, False, visit, request)


def unwatched(share, desc=""):
    """In place of Gradio's progress bar."""


def test_a_map_comes_with_a_colour_bar_its_numbers_and_what_it_shows(events, visit):
    for target in ("Mass", "“a mass”", "“a mass | no mass”"):
        viewer, note, asked = draw(events, visit, target)
        assert set(viewer.props["maps"]) == {"R_CC", "L_CC", "R_MLO", "L_MLO"} and asked == ""
        assert re.findall(r"<i>(.*?)</i>", note) == ["0.05", "0.25", "0.5", "0.75", "1"]
        assert note.count("rgb(") == 17 and METHODS["hirescam"].shows in note and "same scale for every exam" in note
        assert "Not a lesion outline" in note


def test_no_map_is_drawn_for_what_is_not_known(events, visit):
    for what in ({"target": "no such task"}, {"method": "lime"}, {"show": False}):
        viewer, note, asked = draw(events, visit, **what)
        assert viewer.props["maps"] == {} and note == "" and asked == ""


def test_a_slow_map_is_computed_on_request_and_then_drawn_anew_at_once(events, visit):
    viewer, note, asked = draw(events, visit, method="occlusion")
    assert viewer.props["maps"] == {} and "to stop it" in note and asked
    assert draw(events, visit, method="occlusion")[2] == asked, "asking twice is one request"
    shares = []
    _, done = events.compute_slow_map(asked, ANN, lambda share, desc: shares.append(share))
    assert done == asked and shares == sorted(shares) and len(shares) > 4
    assert events.compute_slow_map(asked, ANN, unwatched) == gr.skip(), "it is done"
    for threshold in (0.0, 0.5):
        viewer, note, again = draw(events, visit, method="occlusion", threshold=threshold)
        assert set(viewer.props["maps"]) == {"R_CC", "L_CC", "R_MLO", "L_MLO"} and again == ""
        assert METHODS["occlusion"].shows in note


@pytest.mark.parametrize("then", [{"show": False}, {"method": "hirescam"}, {"target": "Breast density B"}])
def test_another_wish_of_the_page_ends_a_slow_map(events, visit, then):
    _, _, asked = draw(events, visit, method="occlusion")
    begun, went_on = threading.Event(), threading.Event()

    def progress(share, desc):
        begun.set()
        assert went_on.wait(60)

    answers = []
    thread = threading.Thread(target=lambda: answers.append(events.compute_slow_map(asked, ANN, progress)))
    thread.start()
    assert begun.wait(60)
    draw(events, visit, **({"method": "occlusion"} | then))
    went_on.set()
    thread.join(60)
    assert answers == [gr.skip()]


def test_a_page_never_gets_the_slow_map_of_another_visitor_or_exam(events, visit):
    _, _, asked = draw(events, visit, method="occlusion")
    assert events.compute_slow_map(asked, BOB, unwatched) == gr.skip()
    assert events.compute_slow_map("", ANN, unwatched) == gr.skip()
    _, done = events.compute_slow_map(asked, ANN, unwatched)
    other = replace(visit, prediction=events._get_predictor().predict(visit.exam))
    assert done and draw(events, other, method="occlusion")[2] not in ("", done), "another exam has its own map"


def test_the_maps_of_few_pages_are_kept():
    kept = SlowMaps()
    for number in range(MOST_PAGES + 5):
        kept.put(Request(session_hash=f"page {number}"), SlowMap(str(number), lambda: None, None, "occlusion"))
    assert len(kept._of_page) == MOST_PAGES


def test_a_layer_is_clear_outside_the_map_also_where_the_browser_smooths_it(phantom):
    view = next(iter(phantom.exam.views.values()))
    heat = np.zeros(view.pixels.shape, np.float32)
    middle = (view.rows // 2, view.columns // 2)
    cv2.circle(heat, middle[::-1], view.rows // 8, 0.9, -1)
    data = base64.b64decode(pictures.map_layer(heat, view).split(",")[1])
    layer = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    on_screen = cv2.resize(layer[..., 3], (view.columns, view.rows), interpolation=cv2.INTER_LINEAR)
    assert on_screen.any() and not on_screen[pictures.hung(heat, view) == 0].any()
