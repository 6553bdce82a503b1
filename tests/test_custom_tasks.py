"""Tasks that a user declares: which are accepted, which are refused and why, and where they appear."""

import pytest

from app.finetune.custom_task import declare_from_form
from mvmlm.custom_tasks import TASKS_FILE, declare_task, load_custom_tasks, parse_prompts, parse_task
from mvmlm.exam import Laterality
from mvmlm.reading.form import form_questions
from mvmlm.reading.labels import label_of
from mvmlm.reading.reading import Reading
from mvmlm.store.database import StoreError
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


def test_a_declaration_that_toml_cannot_hold_changes_nothing(tmp_path):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    with pytest.raises(ValueError, match="task lump: tasks.toml cannot hold it"):
        declare_task(tmp_path, {"name": "lump", "title": "Lump\x7f", "level": "breast"})
    assert (tmp_path / TASKS_FILE).read_bytes() == before and len(load_custom_tasks(tmp_path)) == 1


def test_a_second_declaration_of_a_name_is_refused_and_changes_nothing(tmp_path):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / TASKS_FILE).read_bytes()
    with pytest.raises(ValueError, match="declared already"):
        declare_task(tmp_path, VASCULAR)
    assert (tmp_path / TASKS_FILE).read_bytes() == before


def test_a_declared_task_is_a_question_of_the_form_and_a_broken_file_is_named(tmp_path):
    declare_task(tmp_path, VASCULAR)
    store = Store(tmp_path)
    assert [task.name for task in store.tasks] == [task.name for task in TASKS] + ["vascular"]
    question = next(field for field in form_questions(store.tasks) if field.name == "vascular")
    assert [stored for _, stored in question.choices] == ["none", "mild", "severe"] and question.sides == tuple(
        Laterality
    )
    reading = Reading({(R, "vascular"): "mild"}).check(store.tasks)
    assert label_of(reading, store.tasks[-1], R) == 1
    (tmp_path / TASKS_FILE).write_text("[[task]\nname = ", encoding="utf-8")
    with pytest.raises(StoreError, match="tasks.toml.*remove it"):
        Store(tmp_path)


def test_the_page_declares_a_task_or_says_what_is_wrong(tmp_path):
    store = Store(tmp_path)
    message = declare_from_form(
        store, "Skin  lesion", "", "breast", "", "present: a skin lesion\nabsent: no skin lesion", False
    )
    assert "Start the program again" in message and load_custom_tasks(tmp_path)[0].prompts == {
        "present": ("a skin lesion",),
        "absent": ("no skin lesion",),
    }
    assert "wrong" in declare_from_form(store, "Skin lesion", "", "breast", "", "", False)
    assert "wrong" in declare_from_form(store, "<b>x</b>", "Über", "breast", "", "", False)
    assert "expected a class" in declare_from_form(store, "Other", "", "breast", "", "no colon here", False)
    assert parse_prompts("") == {}


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
    page = answers_html(result, {}, {})
    assert (
        "Lump" in page
        and "not trained" in page
        and f"zero-shot {result.probability('lump', laterality=R, by='prompt'):.2f}" in page
    )
    assert prompt_sets((*TASKS, task))["Lump: pairs"] == ["there is a mass | no mass"]
    assert predictor.predict(prediction.exam).answers == prediction.answers, "the predictor itself knows nothing of it"
