"""`scripts/fuzz.py` finds planted faults, makes their inputs small, and finds nothing where there is nothing."""

import os
import sys
import time

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))

import fuzz
from fuzz import Target
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its processes are forked")


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Limits that a test can reach, and hypothesis alone, which every machine has."""
    monkeypatch.setattr(fuzz, "SHRINK_SECONDS", 4.0)
    monkeypatch.setattr(fuzz, "find_spec", lambda name: None)


def target(run, inputs=None):
    return Target("planted", lambda folder: (inputs or st.binary(max_size=12), run))


def refuse(data):
    if b"\x01" in data:
        raise KeyError("planted")


def die(data):
    if len(data) > 3:
        os.kill(os.getpid(), 11)


def hang(data):
    if len(data) > 3:
        time.sleep(60)


@pytest.mark.parametrize("run, what, size", [(refuse, "KeyError", 1), (die, "SIGSEGV", 4), (hang, "more than 1 s", 12)])
def test_a_planted_fault_is_found_and_its_input_made_small(run, what, size, monkeypatch):
    monkeypatch.setattr(fuzz, "MOST_FINDINGS", 1)  # it ends with the first one, however much time is left
    if run is hang:
        monkeypatch.setattr(fuzz, "MAX_SECONDS", 1.0)
    tried, (finding,) = fuzz.fuzz(target(run), 60.0, 1)
    assert what in finding.what
    assert tried and 0 < len(finding.data) <= size
    if run is refuse:
        assert finding.data == b"\x01"


def test_nothing_is_found_where_there_is_nothing_and_the_same_seed_makes_the_same_inputs(tmp_path):
    def prepare(folder):
        log = tmp_path / f"{time.monotonic()}.log"

        def run(data):
            with open(log, "a", encoding="utf-8") as file:
                file.write(data.hex() + "\n")

        return st.binary(max_size=12), run

    for _ in range(2):
        tried, findings = fuzz.fuzz(Target("sound", prepare), 2.0, 7)
        assert tried > 20 and findings == []
    first, second = (path.read_text(encoding="utf-8").splitlines()[:20] for path in sorted(tmp_path.glob("*.log")))
    assert first == second


def test_what_cannot_be_prepared_is_a_finding():
    def prepare(folder):
        raise ImportError("planted")

    assert "cannot be prepared: ImportError" in fuzz.fuzz(Target("planted", prepare), 1.0, 1)[1][0].what


def test_the_command_prints_each_target_saves_the_input_and_ends_with_1_where_something_was_found(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(fuzz, "TARGETS", (Target("sound", lambda folder: (st.binary(), len)), target(refuse)))
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--seconds", "4", "--seed", "3", "--save", str(tmp_path / "found")])
    assert fuzz.main() == 1
    printed = capsys.readouterr().out
    assert "--seed 3" in printed and "sound: " in printed and "nothing went wrong" in printed and "KeyError" in printed
    assert (tmp_path / "found" / "planted-0.bin").read_bytes() == b"\x01"
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--seconds", "1", "--target", "sound"])
    assert fuzz.main() == 0
