"""Tasks that a user declares: which are accepted, which are refused and why, and where they appear."""

import gc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from app.finetune.custom_task import declare_from_form
from mvmlm import custom_tasks
from mvmlm.custom_tasks import TASKS_FILE, declare_task, load_custom_tasks, parse_prompts, parse_task
from mvmlm.exam import Laterality
from mvmlm.inference.prediction import exam_shares
from mvmlm.reading.form import form_questions
from mvmlm.reading.labels import label_of
from mvmlm.reading.reading import Reading
from mvmlm.store.store import Store
from mvmlm.tasks import TASKS, Kind, Level

R = Laterality.RIGHT
VASCULAR = {
    "name": "vascular", "title": "Vascular “calcification”", "level": "breast", "classes": ["none", "mild", "severe"], "ordered": True,
    "prompts": {"none": ["no vascular calcifications"], "mild": ["mild"], "severe": ["severe \\ \"quoted\""]},
}  # fmt: skip


def test_a_declared_task_is_read_back_unchanged(tmp_path):
    first, second = declare_task(tmp_path, VASCULAR), declare_task(tmp_path, {"name": "implant_seen", "level": "exam"})
    assert load_custom_tasks(tmp_path) == (first, second)
    assert (first.level, first.kind, first.classes, first.ordered) == (
        Level.BREAST,
        Kind.MULTICLASS,
        ("none", "mild", "severe"),
        True,
    )
    assert (second.title, second.kind, second.classes, second.prompts) == (
        "Implant seen",
        Kind.BINARY,
        ("present",),
        {},
    )
    assert load_custom_tasks(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("wrong, message", [
    ({"name": "Mass!"}, "small letters"), ({"name": "mass"}, "taken"), ({"name": "risk_years"}, "taken"), ({"level": "view"}, "breast or exam"),
    ({"classes": ["one"]}, "no question"), ({"classes": ["a", "a"]}, "different"), ({"classes": "ab"}, "different"), ({"prompts": {"none": ["x"]}}, "each of none, mild, severe"),
    ({"prompts": {"none": [], "mild": ["x"], "severe": ["x"]}}, "sentences"), ({"ordered": "yes"}, "true or false"), ({"colour": "red"}, "not known"), ({"title": ""}, "words"),
])  # fmt: skip
def test_the_error_names_the_key_its_value_and_what_was_expected(wrong, message):
    with pytest.raises(ValueError, match=message) as caught:
        parse_task(VASCULAR | wrong)
    ((key, value),) = wrong.items()
    assert f"{key}={value!r}: " in str(caught.value) and (key == "name" or "task vascular" in str(caught.value))


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match="task lump: level is missing: expected breast or exam"):
        parse_task({"name": "lump"})


def test_a_wrong_task_of_the_file_is_named_with_the_file(tmp_path):
    (tmp_path / TASKS_FILE).write_text('[[task]]\nname = "lump"\nlevel = "view"\n', encoding="utf-8")
    with pytest.raises(ValueError, match="^tasks.toml: task lump: level='view': expected breast or exam$"):
        load_custom_tasks(tmp_path)


@pytest.mark.parametrize("text", ['[[tasks]]\nname = "lump"\nlevel = "breast"\n', 'name = "lump"\nlevel = "breast"\n'])
def test_a_file_with_another_heading_is_not_read_as_no_tasks(tmp_path, text):
    (tmp_path / TASKS_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"is not known: each task begins with \[\[task\]\]"):
        load_custom_tasks(tmp_path)


@pytest.mark.parametrize("words", ["Lump\x7f", "Lump\x00", "Lump\x1b[2J", "Lump\x85", "Lu\rmp", "Lu\nmp"], ids=ascii)
@pytest.mark.parametrize("place", ["title", "classes", "prompts"])
def test_a_declaration_that_toml_cannot_hold_changes_nothing(tmp_path, place, words):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    values = {"title": words, "classes": ["none", words], "prompts": {"present": [words], "absent": ["none"]}}
    with pytest.raises(ValueError, match="task lump: tasks.toml cannot hold it"):
        declare_task(tmp_path, {"name": "lump", "level": "breast", place: values[place]})
    assert (tmp_path / TASKS_FILE).read_bytes() == before and len(load_custom_tasks(tmp_path)) == 1
    assert not (tmp_path / "tasks.part").exists()


ODD_WORDS = ["\u2028 \u2029", "\u202e\u200b\ufeff", "\"\"\"", "'''", "\\", "\\u0041", "#", "[[task]]", "]", "= 1", "\U0001f600", "ä ö ü", "{{ x }}", "<b>", "true", "1979-05-27"]  # fmt: skip


@pytest.mark.parametrize("words", ODD_WORDS, ids=ascii)
def test_odd_words_are_read_back_unchanged(tmp_path, words):
    title, first, second = f"t{words}", f"{words}a", f"{words}b"
    prompts = {first: [f"a {words}"], second: [f"b {words}"]}
    task = declare_task(tmp_path, {"name": "lump", "title": title, "level": "exam", "classes": [first, second], "prompts": prompts})  # fmt: skip
    assert (task.title, task.classes) == (title, (first, second)) and load_custom_tasks(tmp_path) == (task,)


@pytest.mark.parametrize("place", ["title", "classes", "prompts"])
def test_half_a_character_is_refused_and_changes_nothing(tmp_path, place):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    values = {"title": "\ud800", "classes": ["none", "\ud800"], "prompts": {"present": ["\ud800"], "absent": ["none"]}}
    with pytest.raises(ValueError, match="^task lump: "):
        declare_task(tmp_path, {"name": "lump", "level": "breast", place: values[place]})
    assert (tmp_path / TASKS_FILE).read_bytes() == before and not (tmp_path / "tasks.part").exists()


def test_what_would_be_read_back_differently_is_not_written(tmp_path, monkeypatch):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    monkeypatch.setattr(custom_tasks, "_toml_lines", lambda task: ['[[task]]\nname = "other"\nlevel = "exam"'])
    with pytest.raises(ValueError, match="read back differently"):
        declare_task(tmp_path, {"name": "lump", "level": "breast"})
    assert (tmp_path / TASKS_FILE).read_bytes() == before


def test_declarations_at_the_same_time_are_all_kept(tmp_path):
    names = [f"task_{number}" for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: declare_task(tmp_path, {"name": name, "level": "breast"}), names))
    assert sorted(task.name for task in load_custom_tasks(tmp_path)) == names


UNREADABLE = {
    "a control character": b'[[task]]\nname = "lump"\ntitle = "Lump\x7f"\nlevel = "breast"\n',
    "no TOML": b"[[task]\nname = ",
    "no UTF-8": "[[task]]\nname = 'lump'\ntitle = 'Größe'\nlevel = 'breast'\n".encode("latin-1"),
    "UTF-16": "[[task]]\nname = 'lump'\nlevel = 'breast'\n".encode("utf-16"),
    "a wrong value": b'[[task]]\nname = "lump"\nlevel = "view"\n',
    "a missing key": b'[[task]]\nname = "lump"\n',
    "a name twice": b'[[task]]\nname = "lump"\nlevel = "exam"\n' * 2,
    "one table": b'[task]\nname = "lump"\nlevel = "exam"\n',
    "a number": b"task = 7\n",
    "deep nesting": b"task = " + b"[" * 5000 + b"]" * 5000,
    "much text": b"# much\n" * 200_000,
    "zeros after a power cut": bytes(512),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_file_that_cannot_be_read_is_set_aside_and_the_program_starts(tmp_path, case, caplog):
    (tmp_path / TASKS_FILE).write_bytes(UNREADABLE[case])
    gc.collect()  # what earlier tests left must not be finalised in the depth of the nesting, where no call is left
    store = Store(tmp_path)
    assert store.tasks == TASKS and not (tmp_path / TASKS_FILE).exists()
    (aside,) = tmp_path.glob("tasks.toml.*.unreadable")
    assert aside.read_bytes() == UNREADABLE[case], "nothing is lost"
    (note,) = store.notes
    assert aside.name in note and "cannot be read as tasks.toml: " in note and "move its tasks" in note
    assert note in caplog.text and len(note) < 700
    store.close()
    again = Store(tmp_path)
    assert again.notes == (note,), "it is said at every start, whoever met it first"
    declare_task(tmp_path, VASCULAR)
    assert Store(tmp_path).tasks[-1].name == "vascular" and Store(tmp_path).notes == (note,)
    aside.unlink()
    assert Store(tmp_path).notes == ()


def test_two_files_are_set_aside_under_two_names(tmp_path):
    for text in (b"[[task]", b"task = 7"):
        (tmp_path / TASKS_FILE).write_bytes(text)
        Store(tmp_path).close()
    assert {path.read_bytes() for path in tmp_path.glob("tasks.toml.*.unreadable")} == {b"[[task]", b"task = 7"}


def test_a_file_that_may_not_be_opened_stays_where_it_is(tmp_path, monkeypatch):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    monkeypatch.setattr(custom_tasks, "_read_tasks", lambda path: (tmp_path / "nowhere").read_bytes())
    (note,) = Store(tmp_path).notes
    assert "cannot be opened (No such file" in note and (tmp_path / TASKS_FILE).read_bytes() == before


def test_a_byte_order_mark_of_a_text_editor_is_no_mistake(tmp_path):
    (tmp_path / TASKS_FILE).write_text('\ufeff[[task]]\nname = "lump"\nlevel = "exam"\n', encoding="utf-8")
    declare_task(tmp_path, VASCULAR)
    assert [task.name for task in load_custom_tasks(tmp_path)] == ["lump", "vascular"]


def test_the_worker_and_the_pages_start_beside_a_broken_file(tmp_path, predictor, monkeypatch):
    import app
    from app.viewer.pixel_server import PixelServer
    from mvmlm.imaging.decoder import Decoder
    from mvmlm.worker import work

    broken = b'[[task]]\nname = "<img src=x onerror=1>${x}"\nlevel = "breast"\n'
    (tmp_path / TASKS_FILE).write_bytes(broken)
    assert work(tmp_path, "demo", idle_seconds=0) == 0
    store, decoder = Store(tmp_path), Decoder()
    demo = app.build(lambda: predictor, decoder, PixelServer(), store, "demo")
    decoder.close()
    (shown,) = [block.value for block in demo.blocks.values() if "store-note" in getattr(block, "elem_classes", ())]
    assert "unreadable" in shown and "<img" not in shown and "${" not in shown


def test_a_second_declaration_of_a_name_is_refused_and_changes_nothing(tmp_path):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    with pytest.raises(ValueError, match="declared already"):
        declare_task(tmp_path, VASCULAR)
    assert (tmp_path / TASKS_FILE).read_bytes() == before


def test_a_declared_task_is_a_question_of_the_form(tmp_path):
    declare_task(tmp_path, VASCULAR)
    store = Store(tmp_path)
    assert [task.name for task in store.tasks] == [task.name for task in TASKS] + ["vascular"]
    question = next(field for field in form_questions(store.tasks) if field.name == "vascular")
    assert [stored for _, stored in question.choices] == ["none", "mild", "severe"] and question.sides == tuple(
        Laterality
    )
    reading = Reading({(R, "vascular"): "mild"}).check(store.tasks)
    assert label_of(reading, store.tasks[-1], R) == 1


def test_answers_to_a_task_that_is_no_longer_declared_stay_and_lock_no_reading(tmp_path, exam_files):
    declare_task(tmp_path, VASCULAR)
    store = Store(tmp_path)
    number = store.readings.start(store.exams.add(*exam_files, "ann"), "ann").id
    store.readings.save(number, Reading(), Reading({(R, "vascular"): "mild"}))
    store.close()
    (tmp_path / TASKS_FILE).unlink()
    store = Store(tmp_path)
    before = store.readings.get(number).reading
    store.readings.save(number, before, Reading({**before.fields, (R, "mass"): "1"}))
    assert store.readings.sign(number).reading.fields == {(R, "vascular"): "mild", (R, "mass"): "1"}
    with pytest.raises(ValueError, match="the form has no such field"):
        other = store.readings.start(1, "ben").id
        store.readings.save(other, Reading(), Reading({(R, "vascular"): "severe"}))


def test_the_page_declares_a_task_or_says_what_is_wrong(tmp_path):
    store = Store(tmp_path)
    task, message = declare_from_form(
        store, "Skin  lesion", "", "breast", "", "present: a skin lesion\nabsent: no skin lesion", False
    )
    assert "“Skin lesion” is declared" in message and task in store.tasks and task not in store.tasks_at_start
    assert load_custom_tasks(tmp_path)[0].prompts == {
        "present": ("a skin lesion",),
        "absent": ("no skin lesion",),
    }
    assert "wrong" in declare_from_form(store, "Skin lesion", "", "breast", "", "", False)[1]
    assert "wrong" in declare_from_form(store, "<b>x</b>", "Über", "breast", "", "", False)[1]
    assert "expected a class" in declare_from_form(store, "Other", "", "breast", "", "no colon here", False)[1]
    assert parse_prompts("") == {}
    (line,) = store.file.history("task skin_lesion")
    assert line["who"] == "page" and line["what"] == "declared", "and who declared it, also for the next snapshot"
    store.close()


def test_prompts_answer_a_declared_task_before_any_head_does(tmp_path, predictor, prediction):
    from app.read.answers import answers_html
    from app.read.prompts import prompt_sets

    task = parse_task(
        {
            "name": "lump",
            "title": "Lump",
            "level": "breast",
            "prompts": {"present": ["there is a mass"], "absent": ["no mass"]},
        }
    )
    known = predictor.with_heads([], (*TASKS, task))
    result = known.predict(prediction.exam)
    assert 0 <= result.probability("lump", laterality=R, by="prompt") <= 1 and result.probability(
        "lump", by="prompt"
    ) >= result.probability("lump", laterality=R, by="prompt")
    with pytest.raises(KeyError):
        result.probability("lump", laterality=R)
    page = answers_html(result, {})
    assert (
        "Lump" in page
        and "Lump: no head was trained for it." in page
        and f'zero-shot">{result.probability("lump", laterality=R, by="prompt"):.2f}<' in page
    )
    assert prompt_sets((*TASKS, task))["Lump: pairs"] == ["there is a mass | no mass"]
    assert predictor.predict(prediction.exam).answers == prediction.answers, "the predictor itself knows nothing of it"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_exam_row_of_classes_without_order_is_the_same_in_whatever_order_they_are_typed(
    predictor, prediction, order
):
    classes = ["none", "vascular", "skin"]
    sentences = dict(zip(classes, (["no calcifications"], ["vascular calcifications"], ["skin calcifications"])))
    typed = [classes[index] for index in order]
    answers, results = {}, {}
    for ordered in (False, True):
        declaration = {
            "name": "calc_type",
            "level": "breast",
            "classes": typed,
            "prompts": {name: sentences[name] for name in typed},
        }
        task = parse_task(declaration | {"ordered": ordered})
        result = results[ordered] = predictor.with_heads([], (*TASKS, task)).predict(prediction.exam)
        answers[ordered] = {
            (side, name): result.probability("calc_type", name, side, "prompt")
            for side in (*Laterality, None)
            for name in classes
        }
    mean = {name: (answers[False][R, name] + answers[False][Laterality.LEFT, name]) / 2 for name in classes}
    assert {name: answers[False][None, name] for name in classes} == pytest.approx(mean, abs=1e-6)
    higher = [{name: answers[True][side, name] for name in classes} for side in Laterality]
    assert {name: answers[True][None, name] for name in classes} in higher, "on a scale it is the higher breast's"
    assert "because these classes have no order" in str(results[False])
    assert "because these classes have no order" not in str(results[True])


def test_scores_of_stored_exams_have_the_same_exam_row():
    task = parse_task({"name": "calc_type", "level": "breast", "classes": ["none", "vascular", "skin"]})
    shares = np.array([[[0.8, 0.1, 0.1], [0.2, 0.6, 0.2]], [[0.8, 0.1, 0.1], [0.0, 0.0, 0.0]], [[0.0] * 3] * 2])
    read = np.array([[True, True], [True, False], [False, False]])
    assert exam_shares(task, shares, read) == pytest.approx(np.array([[0.5, 0.35, 0.15], [0.8, 0.1, 0.1], [0, 0, 0]]))
    turned = exam_shares(task, shares[..., ::-1], read)
    assert turned[..., ::-1] == pytest.approx(exam_shares(task, shares, read))


def test_tasks_declared_meanwhile_are_taken_up_and_known_ones_stay(tmp_path):
    declare_task(tmp_path, {"name": "lump", "level": "breast"})
    store = Store(tmp_path)
    before = store.tasks
    declare_task(tmp_path, {"name": "skin", "level": "exam", "classes": ["thin", "thick"]})
    store.take_new_tasks()
    assert store.tasks[:-1] == before == store.tasks_at_start and store.tasks[-1].name == "skin"
    store.take_new_tasks()
    assert len(store.tasks) == len(before) + 1
    (tmp_path / TASKS_FILE).write_text("[[task]", encoding="utf-8")
    store.take_new_tasks()
    assert len(store.tasks) == len(before) + 1 and (tmp_path / TASKS_FILE).exists(), "the next start sets it aside"
    store.close()
