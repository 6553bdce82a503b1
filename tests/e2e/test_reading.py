"""The reading page as a reader uses it, in a real browser."""

import json
import re
import shutil

import cv2
import numpy as np
import pytest

from mvmlm.exam import STANDARD_VIEWS
from tests.conftest import ROOT
from tests.e2e.states import reveal, wait_for_full_quality, wait_until_answered
from tests.e2e.test_teaching import tab
from tests.test_load import write, write_four

EVIL = "${alert(1)}<img src=x onerror=alert(1)>"
DEMO = ROOT / "assets" / "demo_exams" / "phantom"


def ask_the_model(page):
    """Waits for the exam and asks for the model's answers, as a reader who has read."""
    wait_until_answered(page)
    page.click("#show-model")
    page.wait_for_selector(".answers table", state="attached")


def open_demo(page, which="phantom"):
    page.click(f"#demo-{which}")
    ask_the_model(page)
    wait_for_full_quality(page)


def shown(page):
    """The visible text of the whole page."""
    return page.locator("body").inner_text() + page.locator("#panel").text_content()


def test_the_demo_exam_is_on_screen_with_its_answers(page):
    open_demo(page, "film")
    names = page.eval_on_selector_all(".viewport .name", "nodes => nodes.map(n => n.textContent)")
    assert names == ["R CC", "L CC", "R MLO", "L MLO"]
    boxes = {n: page.locator(f'.viewport[data-view="{n}"]').bounding_box() for n in ("R_CC", "L_CC", "R_MLO", "L_MLO")}
    edges = [boxes[name]["x"] for name in ("R_CC", "L_CC", "R_MLO", "L_MLO")]
    assert edges == sorted(edges) and len({box["y"] for box in boxes.values()}) == 1, "one row on a wide window"
    text = shown(page)
    assert "Research use only, not for diagnosis" in text and "CC BY 3.0" in text
    figures = page.locator(".answers tr.malignancy td b").all_inner_texts()
    assert len(figures) == 2 and all(re.search(r"\d+ in 1[\d,]*", figure) for figure in figures), figures
    assert "MV-MLM demo" in text and "not a reader’s BI-RADS assessment" in text
    assert "Cancer risk, years 1 to 5: not trained on women" in text and page.locator("#risk .plotly").count() == 0


def test_the_model_is_silent_until_the_reader_asks(page):
    """Reader first: before the question nothing of an answer is in the page, after it the whole; one key hides it."""
    page.click("#demo-phantom")
    page.wait_for_function("document.querySelector('#answers').textContent.includes('hidden')")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    silent = page.inner_text("#answers") + page.inner_text("#viewer")
    assert "Malignancy" not in silent and "malignancy" not in silent and page.locator("#risk .plotly").count() == 0
    ask_the_model(page)
    page.wait_for_function(
        "document.querySelector('.viewport[data-view=L_MLO] .badge').textContent.includes('this view alone')"
    )
    assert "left breast" in page.inner_text('.viewport[data-view="L_MLO"] .badge')
    assert "Cancer risk, years 1 to 5: at chance" in shown(page) and page.locator("#risk .plotly").count() == 0
    assert "not trained on women" not in shown(page)
    page.locator('.viewport[data-view="L_MLO"]').focus()
    page.keyboard.press("h")
    assert page.locator(".badge:visible").count() == 0 and page.locator(".answers:visible").count() == 0
    page.keyboard.press("h")
    assert page.locator(".answers:visible").count() == 1
    page.click("#demo-film")
    page.wait_for_function("document.querySelector('#answers').textContent.includes('hidden')")
    assert page.locator(".answers").count() == 0, "the next exam is read first again"
    assert page.locator("#risk .plotly").count() == 0


def test_maps_are_off_until_asked_and_lie_over_their_pictures(page):
    open_demo(page)
    assert page.locator(".map:visible").count() == 0
    page.check("#map-on input")
    page.wait_for_selector('.viewport[data-view="R_CC"] .map[src]')
    assert "Not a lesion outline" in page.inner_text("#map-note")
    page.uncheck("#map-on input")
    page.wait_for_selector(".map[src]", state="detached")


def test_uploaded_files_become_views_and_the_rest_is_explained(page, tmp_path):
    for path in DEMO.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "L_MLO.dcm").unlink()
    (tmp_path / "letter.txt").write_text("dear colleague", encoding="utf-8")
    page.set_input_files("#uploads input[type=file]", sorted(map(str, tmp_path.iterdir())))
    ask_the_model(page)
    assert "letter.txt: neither a DICOM file" in page.inner_text("#message")
    assert page.inner_text('.viewport[data-view="L_MLO"]').split() == ["L", "MLO", "missing"]
    assert "Missing: L_MLO" in page.inner_text("#quality")


def test_a_zip_is_opened(page, tmp_path):
    archive = shutil.make_archive(str(tmp_path / "exam"), "zip", DEMO)
    page.set_input_files("#uploads input[type=file]", archive)
    ask_the_model(page)
    assert page.locator(".viewport .state[data-state=full]").count() == 4


def test_a_file_that_is_no_exam_gets_a_sentence(page, tmp_path):
    (tmp_path / "notes.dcm").write_bytes(b"not a dicom at all" * 20)
    page.set_input_files("#uploads input[type=file]", str(tmp_path / "notes.dcm"))
    page.wait_for_function("document.querySelector('#message').textContent.includes('No exam was opened')")
    assert page.locator(".answers").count() == 0


def test_an_unnamed_picture_is_set_by_hand(page, tmp_path):
    rows, columns = np.mgrid[:300, :220]
    breast = ((rows - 150) / 130.0) ** 2 + (columns / 170.0) ** 2 < 1
    cv2.imwrite(str(tmp_path / "image7.png"), np.where(breast, 30000 + 60 * rows, 0).astype(np.uint16))
    page.set_input_files("#uploads input[type=file]", str(tmp_path / "image7.png"))
    page.wait_for_selector(".four-up .viewport:not([hidden]) .state[data-state=full]")
    reveal(page, "#which-view")
    page.locator("#which-view").get_by_label("L MLO", exact=True).check()
    page.wait_for_selector('.viewport[data-view="L_MLO"] .state[data-state=full]')
    ask_the_model(page)


def test_files_of_two_patients_are_joined_only_by_the_reader(page, tmp_path):
    for number, name in enumerate(STANDARD_VIEWS):
        write(tmp_path, name, patient=f"woman {number % 2}")
    page.set_input_files("#uploads input[type=file]", sorted(map(str, tmp_path.iterdir())))
    page.wait_for_selector("#which-exam label")
    assert page.locator(".viewport .state[data-state=full]").count() == 0
    page.get_by_label("They are one woman's exam: join all files").check()
    page.click("#open-choice")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length === 4")
    assert "at your request" in page.inner_text("#message")


def test_text_from_files_and_people_is_only_text(page, tmp_path):
    folder = write_four(tmp_path / "e", patient=EVIL)
    (folder / "R_CC.dcm").rename(folder / "R_CC onerror=alert(1) ${alert(2)}.dcm")
    write(folder, STANDARD_VIEWS[0], patient=EVIL + "2", file="other.dcm")
    page.set_input_files("#uploads input[type=file]", sorted(map(str, folder.iterdir())))
    page.wait_for_selector("#which-exam label")
    page.locator("#which-exam input").first.check()
    page.click("#open-choice")
    page.wait_for_selector(".viewport .state[data-state=full]")
    page.wait_for_selector("#quality .quality", state="attached")
    page.fill("#prompts textarea", EVIL + "\n<b onmouseover=alert(3)>mass</b>")
    page.click("#show-model")
    page.wait_for_selector(".answers")
    page.click("#ask")
    page.wait_for_selector(".prompt-scores li")
    assert page.locator("img[src='x']").count() == 0


def test_one_visitors_exam_is_out_of_reach_of_another(page, new_visitor, app_url, tmp_path):
    requests, streams = [], set()
    page.on("request", lambda request: requests.append(request))
    page.on("request", lambda request: streams.add(request) if "/queue/data" in request.url else None)
    page.on("requestfinished", lambda request: streams.discard(request))
    page.on("requestfailed", lambda request: streams.discard(request))
    write_four(tmp_path / "e", patient="secret woman")
    page.set_input_files("#uploads input[type=file]", sorted(str(p) for p in (tmp_path / "e").iterdir()))
    page.wait_for_selector(".viewport .state[data-state=full]")
    page.wait_for_selector("#quality .quality", state="attached")
    pixels = [r.url for r in requests if "/viewer/" in r.url and r.url.endswith("/raw")]
    assert len(pixels) == 4 and page.request.get(pixels[0]).ok
    assert not [r.url for r in requests if "file=" in r.url]

    session = next(json.loads(r.post_data)["session_hash"] for r in requests if "/queue/join" in r.url and r.post_data)
    spy = new_visitor()
    spy.goto(app_url)
    spy.wait_for_selector("#demo-film")
    assert spy.locator(".viewport .state[data-state=full]").count() == 0
    assert spy.request.get(pixels[0]).status == 404, "the address of the pixels alone opens nothing"
    config = spy.evaluate("window.gradio_config")
    asked = next(d for d in config["dependencies"] if "ask-anyway" in _targets(config, d))

    token = page.locator("#token textarea, #token input").input_value()  # even if a spy should learn it

    page.route("**/queue/join*", lambda route: None)  # the page asks nothing more: two readers would share one stream
    while streams:
        page.wait_for_event("requestfinished", lambda request: "/queue/data" in request.url)

    def ask_for_the_answers(context):
        """The server's answer to a request for the answers to whatever this session has open."""
        data = {"data": [token, None, False, True, 3, 50, 50, 25, 6], "fn_index": asked["id"], "session_hash": session}
        data["trigger_id"] = asked["targets"][0][0]
        joined = context.request.post(f"{app_url}/gradio_api/queue/join", data=data)
        stream = f"{app_url}/gradio_api/queue/data?session_hash={session}"
        return context.request.get(stream, timeout=60_000).text() if joined.ok else str(joined.status)

    assert ask_for_the_answers(spy) == "403", "the victim's session name alone opens nothing"
    assert "Malignancy" in ask_for_the_answers(page), "the same request by its owner is answered, also after the spy"
    for url in (f"{app_url}/gradio_api/file=/etc/hostname", f"{app_url}/gradio_api/file={ROOT}/app.py"):
        assert spy.request.get(url).status == 404


def _targets(config, dependency):
    names = {c["id"]: c["props"].get("elem_id") for c in config["components"]}
    return [names.get(target[0]) for target in dependency["targets"] or []]


@pytest.mark.parametrize("size", [(1366, 768), (1920, 1080)])
def test_nothing_runs_out_of_the_window(new_visitor, app_url, size):
    page = new_visitor(*size)
    page.goto(app_url)
    page.wait_for_selector("#demo-film")
    open_demo(page)
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0


HOLD_CLOSE = """
const real = window.fetch;
let release;
const released = new Promise((done) => { release = done; });
window.releaseClose = () => release();
window.fetch = async (input, init) => {
    const address = String(input.url || input);
    if (window.sendNothing && address.includes('/queue/join')) return new Promise(() => {});
    const response = await real(input, init);
    const button = () => window.gradio_config.components.find((one) => one.props.elem_id === 'demo-phantom');
    if (address.includes('/queue/join') && JSON.parse(init.body).trigger_id === button().id) {
        const handled = () => requestAnimationFrame(() => requestAnimationFrame(() => { window.joined = true; }));
        response.clone().text().then(handled);
    }
    if (!address.includes('/queue/data')) return response;
    const reader = response.body.getReader(), decoder = new TextDecoder(), encoder = new TextEncoder();
    const body = new ReadableStream({ async pull(controller) {
        const { done, value } = await reader.read();
        if (done) { controller.close(); return; }
        for (const message of decoder.decode(value).split(/(?<=\\n\\n)/)) {
            if (window.holdClose && message.includes('close_stream')) { window.holdClose = false; await released; }
            controller.enqueue(encoder.encode(message));
        }
    } });
    return new Response(body, { headers: response.headers, status: response.status });
};
"""


def test_an_event_is_answered_though_the_stream_was_closed_after_it_was_sent(new_visitor, app_url):
    """The server's "close" for an earlier event arrives late, when the next event is already sent; none follows."""
    page = new_visitor()
    page.add_init_script(HOLD_CLOSE)
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-phantom")
    tab(page, "My reading")
    page.evaluate("window.holdClose = true")
    page.click("#show-own")
    page.wait_for_function("window.holdClose === false")  # some event is complete, its "close" is on its way
    tab(page, "Read")
    page.click("#demo-phantom")
    page.wait_for_function("window.joined")
    page.evaluate("window.sendNothing = true")
    page.evaluate("window.releaseClose()")
    wait_for_full_quality(page)


ONE_BURST = """
// As under load: the response to a request comes after the answers to it and to an earlier one, and timers are late.
const real = window.fetch, later = window.setTimeout;
window.setTimeout = (call, wait, ...given) => later(call, wait || 200, ...given);
const events = [];
let release;
const released = new Promise((done) => { release = done; });
window.fetch = async (input, init) => {
    const address = String(input.url || input), held = window.hold && init && String(init.body).includes(window.hold);
    const response = await real(input, init);
    if (address.includes('/queue/join') && held) {
        const text = await response.text();
        events.push(JSON.parse(text).event_id);
        if (events.length === 2) await released;
        return new Response(text, response);
    }
    if (!address.includes('/queue/data')) return response;
    let reader = response.body.getReader();
    const answered = (text) => events.length === 2 && events.every((name) => text.split('\\n\\n').some(
        (message) => message.includes(name) && message.includes('process_completed')));
    const body = new ReadableStream({ async start(controller) {
        const encoder = new TextEncoder(), decoder = new TextDecoder();
        for (let text = '';;) {
            const { done, value } = await reader.read();
            text += value ? decoder.decode(value, { stream: true }) : '';
            if (window.hold && !answered(text)) {  // the server may end this answer, and give the rest in the next
                if (done) reader = (await real(input, init)).body.getReader();
                text = text.replace(/.*close_stream.*\\n\\n/, '');
                continue;
            }
            controller.enqueue(encoder.encode(text));
            text = '';
            if (window.hold) { window.hold = ''; later(release, 50); }
            if (done) { controller.close(); return; }
        }
    } });
    return new Response(body, response);
};
"""


def ask_for_two_lists(page, app_url, held=""):
    """Opens the worklist and asks for two lists quickly, first with the word "older", then with "newer"."""
    page.goto(app_url)
    page.wait_for_selector("body.boxes-closed #demo-phantom")
    page.click("button[role=tab]:has-text('Worklist')")
    page.wait_for_function("document.querySelector('#count').innerText.includes('exam')")
    page.evaluate("held => { window.hold = held; }", held)
    page.click("#filters-opener")
    page.fill("#until input, #until textarea", "older")
    page.fill("#since input, #since textarea", "newer")  # leaving the field above asks for the list
    page.keyboard.press("Tab")


def test_an_older_answer_is_never_written_over_a_newer_one(new_visitor, app_url):
    page = new_visitor()
    page.add_init_script(ONE_BURST)
    ask_for_two_lists(page, app_url, held="older")
    page.wait_for_function("window.hold === ''")
    page.wait_for_function("document.querySelector('#count').innerText.includes('newer')")
    page.evaluate("new Promise((done) => setTimeout(done, 0))")
    assert "newer" in page.inner_text("#count")


SLOW_ROAD = """
// The first request with these words is a second on its way to the server, the next one is not.
const real = window.fetch;
window.sent = [];
window.fetch = async (input, init) => {
    const words = ['newer', 'older'].find((word) => init && String(init.body).includes(word));
    if (!words || !String(input.url || input).includes('/queue/join')) return real(input, init);
    if (words === 'older') await new Promise((done) => setTimeout(done, 1000));
    window.sent.push(words);
    return real(input, init);
};
"""


def test_no_request_overtakes_an_earlier_one(new_visitor, app_url):
    page = new_visitor()
    page.add_init_script(SLOW_ROAD)
    ask_for_two_lists(page, app_url)
    page.wait_for_function("window.sent.length === 2")
    assert page.evaluate("window.sent") == ["older", "newer"]
