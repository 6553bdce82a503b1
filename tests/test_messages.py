"""A message of the training speaks of no option; the program that gives it adds those that it has."""

import argparse
import ast
import importlib

import pytest

from mvmlm.__main__ import _parser
from mvmlm.commands.command import told
from mvmlm.messages import Advised
from mvmlm.pretraining.checkpoint import CheckpointError
from mvmlm.pretraining.resume import FREE, REMEDY
from mvmlm.pretraining.schedule import Schedule
from tests.conftest import ROOT

PRETRAINING = sorted((ROOT / "mvmlm" / "pretraining").glob("*.py"))
#: settings of a run that only its library can change
WITHOUT_OPTION = {"weight_decay", "warmup_steps", "ema", "frozen_stages", "loss", "shares", "epoch_steps"}


def options_of(command):
    (commands,) = (action for action in _parser()._actions if action.choices and command in action.choices)
    return {action.dest: action.option_strings for action in commands.choices[command]._actions}


def strings_of(node):
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def remedies_of(path):
    """The remedies of every error that a module raises."""
    classes = {
        name
        for name, value in vars(importlib.import_module(f"mvmlm.pretraining.{path.stem}")).items()
        if isinstance(value, type) and issubclass(value, Advised)
    }
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes:
            yield from (text for part in node.args[1:] for text in strings_of(part))


def test_no_string_of_the_library_names_an_option():
    for path in PRETRAINING:
        for text in strings_of(ast.parse(path.read_text(encoding="utf-8"))):
            assert "--" not in text, f"{path.name}: {text}"


def test_every_remedy_is_an_option_of_the_command():
    remedies = {name for path in PRETRAINING if path.stem != "__init__" for name in remedies_of(path)}
    assert remedies >= {"restart", "accept_changes", "verify", "workers", "work", "start", "preset", "exams_per_batch"}
    for name in remedies:
        assert options_of("pretrain")[name] == ["--" + name.replace("_", "-")]


def test_every_setting_that_a_resume_compares_has_an_option_or_is_known_to_have_none():
    compared = vars(Schedule()).keys() - FREE - WITHOUT_OPTION
    assert {REMEDY.get(name, name) for name in compared} <= options_of("pretrain").keys()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"work": "w", "epochs": 2, "restart": False}, "Damaged. Options: --restart, --epochs."),
        ({"work": "w", "epochs": 2}, "Damaged. Options: --epochs."),
        ({}, "Damaged."),
    ],
)
def test_a_program_names_only_the_options_that_it_has(given, expected):
    error = CheckpointError("Damaged.", "restart", "epochs", "accept_changes")
    assert told(error, argparse.Namespace(**given)) == expected
    assert str(error) == "Damaged." and told(ValueError("Odd."), argparse.Namespace(**given)) == "Odd."
