"""Tasks that a user declares: what is accepted, what is refused and why, and what they bring."""

import pytest

from app.finetune.custom_task import on_declare
from mvmlm.custom_tasks import FILE, declare_task, load_custom_tasks, parse_prompts, parse_task
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


def test_what_is_declared_is_read_again_the_same(tmp_path):
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


@pytest.mark.parametrize("wrong, says", [
    ({"name": "Mass!"}, "small letters"), ({"name": "mass"}, "taken"), ({"name": "risk_years"}, "taken"), ({"level": "view"}, "breast or exam"),
    ({"classes": ["one"]}, "no question"), ({"classes": ["a", "a"]}, "different"), ({"classes": "ab"}, "different"), ({"prompts": {"none": ["x"]}}, "each of none, mild, severe"),
    ({"prompts": {"none": [], "mild": ["x"], "severe": ["x"]}}, "sentences"), ({"ordered": "yes"}, "true or false"), ({"colour": "red"}, "not known"), ({"title": ""}, "words"),
])  # fmt: skip
def test_what_is_wrong_is_named(wrong, says):
    with pytest.raises(ValueError, match=says):
        parse_task(VASCULAR | wrong)


def test_a_second_declaration_of_a_name_is_refused_and_changes_nothing(tmp_path):
    declare_task(tmp_path, VASCULAR)
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(ValueError, match="declared already"):
        declare_task(tmp_path, VASCULAR)
    assert (tmp_path / FILE).read_bytes() == before


def test_a_store_asks_the_declared_question_and_names_a_broken_file(tmp_path):
    declare_task(tmp_path, VASCULAR)
    store = Store(tmp_path)
    assert [task.name for task in store.tasks] == [task.name for task in TASKS] + ["vascular"]
    question = next(one for one in form_questions(store.tasks) if one.name == "vascular")
    assert [stored for _, stored in question.choices] == ["none", "mild", "severe"] and question.sides == tuple(
        Laterality
    )
    reading = Reading({(R, "vascular"): "mild"}).check(store.tasks)
    assert label_of(reading, store.tasks[-1], R) == 1
    (tmp_path / FILE).write_text("[[task]\nname = ")
    with pytest.raises(StoreError, match="tasks.toml.*remove it"):
        Store(tmp_path)


def test_the_page_declares_and_says_what_is_wrong(tmp_path):
    store = Store(tmp_path)
    said = on_declare(store, "Skin  lesion", "", "breast", "", "present: a skin lesion\nabsent: no skin lesion", False)
    assert "Start the program again" in said and load_custom_tasks(tmp_path)[0].prompts == {
        "present": ("a skin lesion",),
        "absent": ("no skin lesion",),
    }
    assert "wrong" in on_declare(store, "Skin lesion", "", "breast", "", "", False)
    assert "wrong" in on_declare(store, "<b>x</b>", "Über", "breast", "", "", False)
    assert "expected a class" in on_declare(store, "Other", "", "breast", "", "no colon here", False)
    assert parse_prompts("") == {}


def test_prompts_answer_a_declared_task_before_any_head_does(tmp_path, predictor, prediction):
    from app.read.answers import answers_html
    from app.read.page import prompt_sets

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
        and f"words {result.probability('lump', laterality=R, by='prompt'):.2f}" in page
    )
    assert prompt_sets((*TASKS, task))["Lump: pairs"] == ["there is a mass | no mass"]
    assert predictor.predict(prediction.exam).answers == prediction.answers, "the predictor itself knows nothing of it"
