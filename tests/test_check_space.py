"""The check of a Space: what is pushed, the Python that it names, and what its first page must say."""

import subprocess
import sys

import pytest

from scripts import check_space
from tests.conftest import ROOT

GOOD = (
    200,
    "set-cookie: mvmlm_visitor=x; Path=/; HttpOnly; SameSite=None; Secure; Partitioned\n"
    "content-security-policy: default-src 'self'; frame-ancestors 'self' https://huggingface.co\n",
    "What is stored here lasts until the next restart of this Space. Research use only, not for diagnosis",
)


def test_a_repository_with_a_file_that_a_space_does_not_take_is_told(tmp_path):
    names = check_space.committed_files(ROOT) if (ROOT / ".git").exists() else []
    assert check_space.too_large(ROOT, names) == []
    (tmp_path / "weights.bin").write_bytes(b"0" * (check_space.LARGEST_FILE + 1))
    assert check_space.too_large(tmp_path, ["weights.bin"]) == ["weights.bin: 10,000,001 bytes"]


def test_the_python_of_the_front_matter_is_looked_for_and_never_another_one():
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = check_space.python_command(version)
    assert (
        command
        and subprocess.run(
            [command, "-c", "import sys; print(*sys.version_info[:2], sep='.')"], capture_output=True, text=True
        ).stdout.strip()
        == version
    )
    assert check_space.python_command("3.99") is None


def test_without_that_python_the_check_says_so_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["check_space.py", str(tmp_path / "space")])
    monkeypatch.setattr(check_space, "front_matter", lambda root: {"python_version": "3.99"})
    assert check_space.main() == check_space.NO_PYTHON
    assert "no Python 3.99" in capsys.readouterr().out and not list((tmp_path / "space").iterdir())


@pytest.mark.parametrize(
    "place, text, fault",
    [
        (0, 500, "not answered"),
        (1, GOOD[1].replace("; Partitioned", ""), "cookie"),
        (1, GOOD[1].replace(" https://huggingface.co", ""), "frame"),
        (2, "Research use only", "lost at a restart"),
        (2, "lasts until the next restart", "what it is for"),
    ],
)
def test_each_fault_of_the_first_page_is_told(place, text, fault):
    assert check_space.faults_of_page(*GOOD) == []
    (told,) = check_space.faults_of_page(*(text if n == place else part for n, part in enumerate(GOOD)))
    assert fault in told
