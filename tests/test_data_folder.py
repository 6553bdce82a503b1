"""Where the data folder lies on each operating system."""

import os
from pathlib import Path

import platformdirs.windows
import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from mvmlm.store import data_folder
from mvmlm.store.data_folder import choose_data_folder


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder, and no variable that names another one."""
    for name in ("MVMLM_DATA", "SPACE_ID", "XDG_DATA_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def test_the_option_goes_before_the_variable_and_both_before_the_users_folder(home, monkeypatch):
    monkeypatch.setenv("MVMLM_DATA", str(home / "by-variable"))
    assert choose_data_folder(home / "by-option") == (home / "by-option", True)
    assert choose_data_folder() == (home / "by-variable", True)


def test_a_space_without_a_mounted_folder_says_that_nothing_lasts(home, monkeypatch):
    monkeypatch.setenv("SPACE_ID", "me/space")
    folder, lasting = choose_data_folder()
    assert lasting is os.access("/data", os.W_OK) and (lasting or folder.is_dir())


def test_linux_uses_the_folder_of_0_4_0(home, monkeypatch):
    monkeypatch.setattr(data_folder, "PlatformDirs", Unix)
    assert choose_data_folder() == (home / ".local" / "share" / "mvmlm", True)
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "xdg"))
    assert choose_data_folder() == (home / "xdg" / "mvmlm", True)


def test_windows_uses_the_local_application_data(home, monkeypatch):
    monkeypatch.setattr(data_folder, "PlatformDirs", Windows)
    monkeypatch.setattr(platformdirs.windows, "get_win_folder", platformdirs.windows.get_win_folder_from_env_vars)
    monkeypatch.setenv("LOCALAPPDATA", str(home / "AppData" / "Local"))
    assert choose_data_folder() == (home / "AppData" / "Local" / "mvmlm", True)


@pytest.mark.parametrize(
    "existing, expected",
    [
        ((), "Library/Application Support/mvmlm"),
        ((".local/share/mvmlm",), ".local/share/mvmlm"),
        ((".local/share/mvmlm", "Library/Application Support/mvmlm"), "Library/Application Support/mvmlm"),
    ],
)
def test_macos_uses_its_own_folder_unless_only_that_of_0_4_0_exists(home, monkeypatch, existing, expected):
    monkeypatch.setattr(data_folder, "PlatformDirs", MacOS)
    for folder in existing:
        (home / folder).mkdir(parents=True)
    assert choose_data_folder() == (home / Path(expected), True)
