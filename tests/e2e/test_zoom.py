"""Zoom, lens and quadrants in a real browser: the tissue under the pointer stays there, and the chest wall at its edge."""

import numpy as np
import pytest

from tests.e2e.states import ROOM, wait_until_drawn, wait_until_opened
from tests.e2e.test_viewer import screen

pytestmark = pytest.mark.shared_app

PORT = f"{ROOM}.ports.find((p) => p.view === '%s')"
SCALES = f"{ROOM}.visiblePorts().map((p) => p.scale())"


def pointed(page, view, across, down):
    """Move the pointer to a part of a pane; return where that is on the page and in its canvas."""
    box = page.locator(f'.viewport[data-view="{view}"]').bounding_box()
    x, y = round(box["x"] + box["width"] * across), round(box["y"] + box["height"] * down)
    page.mouse.move(x, y)
    return x - box["x"], y - box["y"]


def world(page, view, x, y):
    return page.evaluate(f"({PORT % view}).viewport.canvasToWorld([{x}, {y}]).slice(0, 2)")


def wall_from_edge(page, view):
    """CSS pixels from the pane's edge inwards to the chest wall; 0 is flush, less is out of sight."""
    return page.evaluate(
        f"""(() => {{ const p = {PORT % view}, e = p.extent(), right = p.chestWall === 'right';
        const x = p.viewport.worldToCanvas([(right ? e.right : e.left) - p.unit[1] / 2, 0, 0])[0];
        return right ? p.canvas.clientWidth - x : x; }})()"""
    )


def test_eight_notches_of_the_wheel_enlarge_four_times_about_the_pointer_in_all_views(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    before = page.evaluate(SCALES)
    x, y = pointed(page, "R_CC", 0.6, 0.4)
    tissue = world(page, "R_CC", x, y)
    for _ in range(8):
        page.mouse.wheel(0, -100)
    page.wait_for_function(f"{SCALES}[0] < {before[0]} / 4")
    wait_until_drawn(page)
    factors = np.array(before) / page.evaluate(SCALES)
    assert factors[0] >= 4 and np.ptp(factors) < 1e-6, "all views are still at one scale"
    now = world(page, "R_CC", x, y)
    scale = page.evaluate(SCALES)[0]
    assert np.hypot(now[0] - tissue[0], now[1] - tissue[1]) < 1.5 * scale, "the tissue stays under the pointer"
    hidden = [wall_from_edge(page, view) for view in ("R_CC", "L_CC", "R_MLO", "L_MLO")]
    assert hidden[0] < 0 and np.ptp(hidden) < 0.01, "the others are at the same place, mirrored"


def test_the_chest_wall_stays_at_its_edge_when_zooming_out(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    before = page.evaluate(SCALES)[0]
    pointed(page, "R_CC", 0.1, 0.5)  # at the nipple: zooming in, the chest wall leaves the pane
    for _ in range(4):
        page.mouse.wheel(0, -100)
    page.wait_for_function(f"{SCALES}[0] < {before} / 2")
    assert wall_from_edge(page, "R_CC") < -5
    pointed(page, "R_CC", 0.9, 0.5)
    for notch in range(8):
        page.mouse.wheel(0, 100)
        page.wait_for_function(f"{SCALES}[0] > {before} / 2 * {1.15**notch} || {SCALES}[0] >= {before}")
        assert wall_from_edge(page, "R_CC") < 1.5, "never a gap beyond the chest wall"
    page.wait_for_function(f"{SCALES}[0] >= {before}")
    for view in ("R_CC", "L_CC", "R_MLO", "L_MLO"):
        assert abs(wall_from_edge(page, view)) < 1.5, view


@pytest.mark.parametrize("across, down", [(0.9, 0.5), (0.01, 0.01)])
def test_the_lens_has_a_frame_and_is_whole_at_the_edge_of_a_pane_and_of_the_window(page, across, down):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.keyboard.press("g")
    x, y = pointed(page, "R_CC", across, down)
    value = page.evaluate(
        f"""(() => {{ const p = {PORT % "R_CC"}, [x, y] = p.viewport.canvasToWorld([{x}, {y}]);
        return p.picture.source.pixels[Math.round(y / p.unit[0]) * p.columns + Math.round(x / p.unit[1])]; }})()"""
    )
    page.mouse.down()
    lens = page.locator(".lens")
    box, room = lens.bounding_box(), page.locator(".reading-room").bounding_box()
    assert box["width"] > 300 and box["height"] > 300
    assert room["x"] <= box["x"] and box["x"] + box["width"] <= room["x"] + room["width"]
    assert room["y"] <= box["y"] and box["y"] + box["height"] <= room["y"] + room["height"]
    assert lens.evaluate("(node) => parseFloat(getComputedStyle(node).borderTopWidth)") >= 1
    middle = lens.evaluate(
        "(node) => { const c = node.querySelector('canvas'); return c.getContext('2d').getImageData(c.width / 2, c.height / 2, 1, 1).data[0]; }"
    )
    grey = page.evaluate(f"({PORT % 'R_CC'}).grey.table()[{value or 0} * ({PORT % 'R_CC'}).grey.steps] & 255")
    assert abs(middle - grey) <= 25, "the spot under the pointer is in the middle of the lens"
    page.mouse.up()
    assert lens.count() == 0


def test_a_quadrant_of_a_pair_is_shown_at_the_same_place_mirrored(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    page.keyboard.press("3")
    wait_until_drawn(page)
    whole = page.evaluate(SCALES)[0]
    seen = set()
    for _ in range(4):
        page.keyboard.press("Shift+Q")
        wait_until_drawn(page)
        right, left = page.evaluate(
            f"""{ROOM}.visiblePorts().map((p) => [p.movement().hidden,
            p.viewport.getCamera().focalPoint[1] + p.unit[0] / 2 - p.centreHeight(), p.scale()])"""
        )
        assert right == pytest.approx(left, abs=0.1), "as far from the chest wall and from the middle, at one scale"
        assert right[2] < whole
        seen.add((round(right[0]), right[1] > 0))
        assert (screen(page, "R_MLO") > 20).mean() > 0.02 or right[1] < 0
    assert len({down for _, down in seen}) == 2, "above and below"
    steps = page.evaluate(f"{ROOM}.steps.map((s) => s.label)")
    assert "both CC, upper front" in steps and "both MLO, lower back" in steps, "they are steps of the hanging"
