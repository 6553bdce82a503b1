"""Every option that a message of the training names is one of the command that gives it."""

import re

import pytest

from mvmlm.__main__ import _parser
from mvmlm.pretraining.resume import FREE, WITHOUT_OPTION, _option
from mvmlm.pretraining.schedule import Schedule
from tests.conftest import ROOT

OF_COMMAND = {
    "pretrain": ["commands/pretraining.py", *(f"pretraining/{name}.py" for name in (
        "batches", "case_loading", "checkpoint", "exam_cache", "normalisation", "optimizer", "processes", "record",
        "resume", "start", "stopping", "table_state", "train",
    ))],
}  # fmt: skip


def options_of(command):
    (commands,) = (action for action in _parser()._actions if action.choices and command in action.choices)
    return {option for action in commands.choices[command]._actions for option in action.option_strings}


@pytest.mark.parametrize("command", OF_COMMAND)
def test_messages_name_options_that_exist(command):
    named = {
        option
        for path in OF_COMMAND[command]
        for option in re.findall(r"--[a-z][a-z0-9-]*", (ROOT / "mvmlm" / path).read_text(encoding="utf-8"))
    }
    rewrite = options_of("rewrite") | options_of("datasets")  # of the commands in the same file
    assert len(named) > 15 and named <= options_of(command) | rewrite


def test_a_setting_that_a_resume_compares_is_named_by_an_option_that_exists():
    compared = {*vars(Schedule()), "seed", "processes", "start", "version"} - FREE - WITHOUT_OPTION
    assert {_option(name) for name in compared} <= options_of("pretrain")
