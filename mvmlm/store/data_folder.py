"""The data folder: chosen by the user, else the operating system's folder for data of programs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from platformdirs import PlatformDirs

from ..temporary import temporary_folder

#: folders that the program makes in the data folder
OWN_FOLDERS = ("images", "incoming")


def choose_data_folder(folder: Path | None = None) -> tuple[Path, bool]:
    """Return the folder of the store, and whether its content is still there after a restart.

    It is the first that applies of `folder`, the environment variable MVMLM_DATA, the folder `mvmlm` in /data of a
    Hugging Face Space, and the user's data folder. A Space without a writable /data gets a temporary folder, which is
    lost at the next restart.
    """
    if folder is not None or os.environ.get("MVMLM_DATA"):
        return Path(folder or os.environ["MVMLM_DATA"]), True
    if os.environ.get("SPACE_ID"):
        mounted = Path("/data")
        if mounted.is_dir() and os.access(mounted, os.W_OK):
            return mounted / "mvmlm", True
        return temporary_folder("data"), False
    return _user_data_folder(), True


def open_data_folder(folder: Path) -> None:
    """Make the data folder where there is none, and make it private where it is open to other users."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if _is_open(folder):
        make_private(folder)


def make_private(folder: Path) -> bool:
    """Take the rights of other users from the data folder and what is in it: modes 700 and 600.

    Folders in it that are not the program's own keep their rights, because nobody else reaches them. Returns whether
    the data folder is closed to others; not where it belongs to another user. On Windows it does nothing and returns
    True: there a user's data folder is private.
    """
    _narrow(folder)
    for path in _own_content(folder) if os.name == "posix" else ():
        _narrow(path)
    return not _is_open(folder)


def _is_open(path: Path) -> bool:
    return os.name == "posix" and bool(path.stat().st_mode & 0o077)


def _own_content(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                yield Path(entry.path)
            elif entry.name in OWN_FOLDERS and entry.is_dir(follow_symlinks=False):
                for parent, _, files in os.walk(entry.path):
                    yield Path(parent)
                    yield from (Path(parent, name) for name in files)


def _narrow(path: Path) -> None:
    with suppress(FileNotFoundError, PermissionError):  # deleted in the meantime, or another user's
        if _is_open(path) and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & (0o700 if path.is_dir() else 0o600))


def _user_data_folder() -> Path:
    """The operating system's folder, or the one that 0.4.0 used if only that one exists.

    The two differ on macOS, and on Windows where XDG_DATA_HOME is set.
    """
    folder = PlatformDirs("mvmlm", appauthor=False).user_data_path
    home = os.environ.get("XDG_DATA_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "share"
    earlier = Path(home) / "mvmlm"
    return earlier if earlier.is_dir() and not folder.is_dir() else folder
