"""Maps by every method: the scale beside them, and slow ones that are computed beside the visitor's other work."""

import pytest

from tests.e2e.test_viewer import open_demo

pytestmark = pytest.mark.shared_app

LONGEST_SLOW_MAP_MS = 900_000  # on a busy machine
LAYERS = "document.querySelectorAll('.viewport .map[src]').length"
FILLED = """view => { const m = document.querySelector(`.viewport[data-view=${view}] .map`);
  const c = document.createElement('canvas'); c.width = m.naturalWidth; c.height = m.naturalHeight;
  const g = c.getContext('2d'); g.drawImage(m, 0, 0); const d = g.getImageData(0, 0, c.width, c.height).data;
  let n = 0; for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"""


def choose(page, field, name):
    page.click(f"#{field} input")
    page.get_by_role("option", name=name, exact=True).click()


def test_a_map_by_every_method_has_its_scale_and_a_slow_one_can_be_stopped(page):
    open_demo(page)
    page.check("#map-on input")
    page.wait_for_function(f"{LAYERS} === 4")
    choose(page, "map-target", "Mass")
    for name, word in (("Grad-CAM", "on the average"), ("HiResCAM", "place by place")):
        choose(page, "map-method", name)
        page.wait_for_function("word => document.querySelector('#map-note').textContent.includes(word)", arg=word)
        assert page.locator("#map-note .map-scale i").all_inner_texts() == ["0.05", "0.25", "0.5", "0.75", "1"]
        assert page.evaluate(LAYERS) == 4
    choose(page, "map-method", "Integrated gradients")
    page.wait_for_function("document.querySelector('#map-note').textContent.includes('to stop it')")
    page.uncheck("#map-on input")
    page.wait_for_function("document.querySelector('#map-note').innerText.trim() === ''")
    assert page.evaluate(LAYERS) == 0
    page.check("#map-on input")
    shows = "document.querySelector('#map-note').textContent.includes('what the pixels of each place')"
    page.wait_for_function(shows, timeout=LONGEST_SLOW_MAP_MS)
    assert page.evaluate(LAYERS) == 4
    assert any(page.evaluate(FILLED, view) for view in ("R_CC", "L_CC", "R_MLO", "L_MLO"))
