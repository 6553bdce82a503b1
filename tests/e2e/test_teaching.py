"""The whole loop as a new user does it: keep, label, teach, compare, let it answer, read an unseen exam."""

import csv
import shutil

import pytest

from mvmlm.phantom.truth import write_phantoms
from tests.e2e.states import wait_until_opened


def tab(page, name):
    page.click(f"button[role=tab]:has-text('{name}')")


def fill(page, name, value):
    page.fill(f"#{name} input, #{name} textarea", value)


def read_exam(page, name):
    """Finds the exam in the worklist, clicks its line and opens it."""
    tab(page, "Worklist")
    fill(page, "search", name)
    page.wait_for_function(
        "name => document.querySelector('#count').innerText.includes('1 exam,') && "
        "document.querySelector('#worklist [data-testid=cell-0-1]')?.innerText.trim() === name", arg=name,
    )  # fmt: skip
    number = page.inner_text("#worklist [data-testid=cell-0-0]").strip()
    page.click("#worklist [data-testid=cell-0-1]")
    page.wait_for_function("number => document.querySelector('#exam-number input').value === number", arg=number)
    page.click("#read-exam")
    page.wait_for_selector("button[role=tab][aria-selected=true]:has-text('Read')")
    page.wait_for_function("name => document.querySelector('#message').innerText.includes(name)", arg=name)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    """Forty small phantom exams in one zip, and the truth of each breast."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, 40, 77, rows=320)
    with open(folder / "findings.csv", newline="", encoding="utf-8") as file:
        truth = list(csv.DictReader(file))
    shutil.rmtree(folder / "masks")
    return shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "exams"), "zip", folder), truth


def import_exams(page, archive):
    """Imports a zip of 40 exams on the worklist page."""
    tab(page, "Worklist")
    page.click("#in-and-out button")
    page.check("#many-named input")
    page.set_input_files("#many input[type=file]", archive)
    page.wait_for_function(
        "/done\\. 40 exams imported/.test(document.querySelector('#import-said').innerText)", timeout=240_000
    )


def import_labels(page, truth, names, path):
    """Imports a table with the truth of these exams as Ben's readings."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["exam", "laterality", "mass", "density"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(row for row in truth if row["exam"] in names)
    fill(page, "labels-reader", "Ben")
    page.set_input_files("#labels input[type=file]", path)
    page.wait_for_function("document.querySelector('#import-said').innerText.includes('36 readings imported')")
    page.wait_for_function("document.querySelector('#count').innerText.includes('40 exams')")


def read_and_sign(page, name, rows):
    """Reads a stored exam as Ann and signs it. rows: the truth of its breasts, by laterality."""
    read_exam(page, name)
    fill(page, "reader", "Ann")
    page.click("#start-reading")
    page.wait_for_function("name => document.querySelector('#reading-status').innerText.startsWith(name)", arg=name)
    assert "Malignancy" not in page.inner_text("#answers"), "the model spoke before the reader"
    for side in "RL":
        page.click(f"#q-{side}-mass label:has-text('{'present' if rows[side]['mass'] == '1' else 'absent'}')")
    page.click(f"#q-exam-density label:has-text('{rows['R']['density']}')")
    page.click("#sign")
    page.wait_for_function("document.querySelector('#reading-status').innerText.includes('signed')")


def test_a_new_user_teaches_a_head_and_reads_with_it(page, phantoms, tmp_path):
    archive, truth = phantoms
    names = list(dict.fromkeys(row["exam"] for row in truth))
    page.click("#demo-phantom")
    page.wait_for_selector("#quality .quality")
    page.click("#show-model")
    page.wait_for_selector(".answers table")
    before = page.inner_text(".answers tr.mass")
    import_exams(page, archive)
    import_labels(page, truth, names[:36], tmp_path / "labels.csv")
    for name in names[36:]:
        read_and_sign(page, name, {row["laterality"]: row for row in truth if row["exam"] == name})
    page.wait_for_selector(".answers table")

    tab(page, "Fine-tune")
    fill(page, "teacher", "Ann")
    for task, title in (("mass", "Mass"), ("density", "Breast density")):
        page.click("#teach-task input")
        page.click(f"ul[role=listbox] li:text-is('{title}')")
        page.click("#teach")
        page.wait_for_function(
            "task => document.querySelector('#jobs').innerText.includes(`fine-tuned “${task} `)",
            arg=task,
            timeout=240_000,
        )
        page.wait_for_function("task => document.querySelector('#verdict').innerText.includes(task)", arg=f"{task} ")
        verdict = page.inner_text("#verdict")
        assert "better" in verdict and "test cases" in verdict and "MV-MLM demo" in verdict and "not active" in verdict
        page.click("#activate")
        page.wait_for_function("document.querySelector('#verdict').innerText.includes('active now')")
    page.wait_for_selector("#curve .plotly")

    tab(page, "Read")
    page.click("#demo-phantom")
    page.wait_for_function("document.querySelector('#message').innerText.includes('phantom')")
    page.wait_for_function("document.querySelector('#answers').innerText.includes('hidden')")
    page.click("#show-model")
    page.wait_for_selector(".answers table")
    after = page.inner_text(".answers tr.mass")
    assert "head “mass 1”" in after and after != before
    assert "head “density 2”" in page.inner_text(".answers .density")


def test_a_box_is_saved_with_the_reading_and_drawn_again(page):
    page.click("#demo-film")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    fill(page, "reader", "Cleo")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').innerText.includes('Cleo')")
    page.wait_for_function("document.querySelectorAll('.viewport .state[data-state=full]').length >= 4")
    page.click(".reading-room button:has-text('Box')")
    box = page.locator('.viewport[data-view="R_CC"]').bounding_box()
    x, y = box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 40, y + 30, steps=4)
    page.mouse.up()
    page.wait_for_function("document.querySelector('#findings').innerText.includes('R CC')")
    page.wait_for_selector("#q-R-mass label:has-text('present') input:checked")  # a marked mass is a present mass
    room = "document.querySelector('.reading-room').room.marks.all()"
    drawn = page.evaluate(room)
    wait_until_opened(page, lambda: page.click("#start-reading"))  # opens what is stored
    page.wait_for_function(f"{room}.length === 1")
    again = page.evaluate(room)
    for a, b in zip(drawn[0]["points"], again[0]["points"], strict=True):
        assert a == pytest.approx(b, abs=0.02)


def test_an_answer_on_its_way_is_not_wiped_by_an_older_one(page):
    """Quick clicks: every answer that is on screen is in the store, and the other way round."""
    page.click("#demo-phantom")
    page.wait_for_selector("#quality .quality")
    fill(page, "reader", "Dora")
    page.click("#start-reading")
    page.wait_for_function("document.querySelector('#reading-status').innerText.includes('Dora')")
    for name in ("mass", "calcification", "asymmetry", "distortion"):
        for side in "RL":
            page.click(f"#q-{side}-{name} label:has-text('absent')")
    page.click("#q-exam-density label:has-text('B')")
    wait_until_opened(
        page, lambda: page.click("#start-reading")
    )  # shows what is stored, after the answers on their way
    checked = page.eval_on_selector_all("#reading-form input[type=radio]:checked", "nodes => nodes.map(n => n.value)")
    assert checked.count("0") == 8 and checked.count("B") == 1
