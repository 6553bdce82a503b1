"""The data folder: chosen by the user, else the operating system's folder for data of programs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from platformdirs import PlatformDirs

from ..temporary import temporary_folder

OPEN_TO_OTHERS = (
    "Other users of this computer can open the data folder, and it was left so because it is a shared one or another "
    "user's. Let its owner take their rights away, or choose another folder (--data DIR)."
)
#: folders that the program makes in the data folder
OWN_FOLDERS = ("images", "incoming", "received")


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


def open_data_folder(folder: Path) -> str:
    """Make the data folder where there is none, and take the rights of other users from it and what is in it.

    Modes 700 and 600. Folders in it that are not the program's own keep their rights, because nobody else reaches
    them. A folder of another user, or one that all share like /tmp (with the sticky bit), stays as it is. Returns a
    sentence where others can still open the folder, else "". On Windows a user's data folder is private.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not _is_open(folder):
        return ""
    if _is_ours_alone(folder):
        _narrow(folder)
        for path in _own_content(folder):
            _narrow(path)
    return OPEN_TO_OTHERS if _is_open(folder) else ""


def _is_ours_alone(folder: Path) -> bool:
    status = folder.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX


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
