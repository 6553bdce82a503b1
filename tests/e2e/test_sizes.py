"""The reading room at every size of window: how much of it is breast, and texts that are whole, apart and beside the breast."""

import io

import numpy as np
import pytest
from PIL import Image

from scripts.benchmark_viewer import SIZES, breasts, coverage
from tests.e2e.states import ROOM, wait_until_drawn, wait_until_opened

pytestmark = pytest.mark.shared_app

LEAST_COVERED = {
    ("phantom", 1920): 0.48, ("film", 1920): 0.27, ("phantom", 2048): 0.30, ("film", 2048): 0.17,
}  # fmt: skip
LEAST_VIEWER = 0.85  # of the window, with the panel closed
TISSUE = 60  # of 255: a text over so bright a place is over the breast
TEXTS = """() => [...document.querySelectorAll('.viewport:not([hidden]) .corner')].map((block) => {
    const pane = block.closest('.viewport').getBoundingClientRect(), b = block.getBoundingClientRect();
    const cut = [...block.children].some((line) => line.scrollWidth > line.clientWidth + 1 && line.clientWidth > 0);
    return { text: block.innerText, x: b.x, y: b.y, right: b.right, bottom: b.bottom, cut, ground: block.classList.contains('ground'),
             inside: b.x >= pane.x - 0.5 && b.right <= pane.right + 0.5 && b.y >= pane.y - 0.5 && b.bottom <= pane.bottom + 0.5 };
})"""
TOOLS = """() => [...document.querySelectorAll('.tools button')].filter((b) => b.scrollWidth > b.clientWidth + 1).map((b) => b.textContent)"""


def resize(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function(f"innerWidth === {width} && innerHeight === {height}")
    page.wait_for_function(
        f"(() => {{ const g = {ROOM}.grid.getBoundingClientRect(); return g.bottom > {height} - 80 && g.right > {width} - 5; }})()"
    )
    page.evaluate(f"{ROOM}.arrange('four')")
    wait_until_drawn(page)


def grey(page):
    """The page without texts, (rows, columns) 0..255."""
    page.evaluate("document.querySelector('.reading-room').classList.add('bare')")
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L")).astype(int)
    page.evaluate("document.querySelector('.reading-room').classList.remove('bare')")
    return shot


@pytest.mark.parametrize("demo", ["phantom", "film"])
def test_at_every_size_the_breasts_fill_the_room_and_no_text_is_cut_or_over_the_breast(page, demo):
    wait_until_opened(page, lambda: page.click(f"#demo-{demo}"))
    page.evaluate("document.body.classList.add('panel-closed')")
    page.add_style_tag(content=".bare .corner { visibility: hidden !important }")
    masks = breasts(demo)
    for width, height in SIZES:
        resize(page, width, height)
        covered = coverage(page, masks)
        assert covered >= LEAST_COVERED.get((demo, width), 0), (width, height, covered)
        room = page.locator(".reading-room").bounding_box()
        assert room["width"] * room["height"] >= LEAST_VIEWER * width * height, (width, height)
        assert np.ptp(page.evaluate(f"{ROOM}.visiblePorts().map((p) => p.scale())")) < 1e-6
        columns = len(
            {round(x) for x in page.evaluate(f"{ROOM}.visiblePorts().map((p) => p.element.getBoundingClientRect().x)")}
        )
        assert columns == (4 if width > height else 2), "one row on a wide window, 2 x 2 in portrait"
        assert page.evaluate(TOOLS) == [], "no word on a button is cut"
        texts, picture = page.evaluate(TEXTS), grey(page)
        assert len(texts) == 8
        for block in texts:
            assert block["inside"] and not block["cut"], (width, height, block)
            area = picture[round(block["y"]) : round(block["bottom"]), round(block["x"]) : round(block["right"])]
            assert block["ground"] or (area > TISSUE).mean() < 0.01, (width, height, block)
            for other in texts:
                apart = (
                    other is block or other["right"] <= block["x"] or other["x"] >= block["right"]
                    or other["bottom"] <= block["y"] or other["y"] >= block["bottom"]
                )  # fmt: skip
                assert apart, (block, other)
    assert not any(block["ground"] for block in texts), "on the largest window there is room beside every breast"


def test_a_window_over_a_pair_of_portrait_monitors_keeps_each_view_on_one_of_them(page):
    wait_until_opened(page, lambda: page.click("#demo-phantom"))
    page.evaluate("document.body.classList.add('panel-closed')")
    resize(page, 4096, 2560)
    panes = page.evaluate(
        f"{ROOM}.visiblePorts().map((p) => {{ const b = p.element.getBoundingClientRect(); return [b.left, b.right]; }})"
    )
    assert len(panes) == 4 and all(right <= 2048 + 2 or left >= 2048 - 2 for left, right in panes), panes


def test_pairs_lie_side_by_side_on_a_wide_window_and_the_film_border_is_covered(page):
    wait_until_opened(page, lambda: page.click("#demo-film"))
    page.evaluate("document.body.classList.add('panel-closed')")
    resize(page, 1920, 1080)
    for key in ("2", "3", "4", "5"):
        page.keyboard.press(key)
        wait_until_drawn(page)
        boxes = page.evaluate(
            f"{ROOM}.visiblePorts().map((p) => {{ const b = p.element.getBoundingClientRect(); return [b.top, b.width]; }})"
        )
        assert len(boxes) == 2 and boxes[0][0] == boxes[1][0], "side by side"
    page.add_style_tag(content=".bare .corner { visibility: hidden !important }")
    page.keyboard.press("3")
    wait_until_drawn(page)
    box = page.locator('.viewport[data-view="L_MLO"]').bounding_box()
    top = grey(page)[round(box["y"]) : round(box["y"]) + 40, round(box["x"]) : round(box["x"] + box["width"])]
    assert (top > 215).mean() < 0.001, "the white border of the film is not on screen"
    page.keyboard.press("s")
    page.wait_for_selector(".reading-room.unshuttered")
