"""Temporary folders: private, deleted when the process ends, and by the next one where it was killed.

All temporary folders of a process lie in one folder whose lock the process holds. The operating system releases a lock
when its process dies, however it dies, so a folder without a held lock is left over from an earlier run.
"""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

PREFIX, LOCK = "mvmlm-", "mvmlm-in-use.lock"
UNLOCKED_SECONDS = 24 * 3600


class _Held(NamedTuple):
    """The folder of a process, and the lock in it."""

    folder: Path
    lock: FileLock


_MAKING = threading.Lock()
_HELD: dict[tuple[int, Path], _Held] = {}  # by process and parent folder; a forked child needs its own


def temporary_folder(purpose: str, within: Path | None = None) -> Path:
    """Return a new empty folder that only this user may open. It is deleted when the process ends, or earlier by you.

    purpose: begins its name. within: the parent (default: the system's folder for temporary files, TMPDIR).
    """
    parent = (within or Path(tempfile.gettempdir())).resolve()
    with _MAKING:
        held = _HELD.get((os.getpid(), parent))
        if held is None or not (held.folder / LOCK).is_file():
            delete_leftovers(parent)
            held = _HELD[os.getpid(), parent] = _new_locked_folder(parent)
    return Path(tempfile.mkdtemp(prefix=f"{purpose}-", dir=held.folder))


@contextmanager
def short_lived_folder(purpose: str) -> Iterator[Path]:
    """Give the block a new temporary folder, which is deleted after it."""
    folder = temporary_folder(purpose)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _new_locked_folder(parent: Path) -> _Held:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        lock = FileLock(folder / LOCK, mode=0o600, thread_local=False)  # it outlives the thread that needs the folder
        lock.acquire()
        if (folder / LOCK).is_file():  # else another process deleted the folder before it was locked
            folder.chmod(0o700)  # where FileLock had to make it again
            return _Held(folder, lock)
        lock.release()


def delete_leftovers(within: Path | None = None) -> int:
    """Delete the temporary folders of processes that have ended, and return how many there were.

    Folders of living processes and of other users are left alone. within: as for `temporary_folder`.
    """
    deleted = 0
    for folder in sorted((within or Path(tempfile.gettempdir())).glob(PREFIX + "*")):
        try:
            if folder.is_symlink() or not folder.is_dir() or not _is_own(folder):
                continue
            deleted += _delete_if_unused(folder)
        except OSError:
            continue  # gone in the meantime, or not ours to open
    return deleted


def _delete_if_unused(folder: Path) -> bool:
    if not (folder / LOCK).is_file():
        if _left_by_0_4_0(folder):
            shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    try:
        with FileLock(folder / LOCK, timeout=0, mode=0o600):
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        return False
    if os.name != "posix":  # Windows does not delete a file that is open, which the lock was
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _left_by_0_4_0(folder: Path) -> bool:
    """Whether 0.4.0 made the folder, more than a day ago: it held no lock."""
    unpacked = re.fullmatch(r"mvmlm-\w{8}", folder.name) and all(
        re.fullmatch(r"zip\d+", path.name) for path in folder.iterdir()
    )
    uploads = re.fullmatch(r"mvmlm-(visit|import)-\w{8}", folder.name)
    return bool(unpacked or uploads) and time.time() - folder.stat().st_mtime > UNLOCKED_SECONDS


def _is_own(folder: Path) -> bool:
    return os.name != "posix" or folder.stat().st_uid == os.getuid()


@atexit.register
def _delete_own() -> None:
    for (process, _), held in list(_HELD.items()):
        if process == os.getpid():
            held.lock.release()  # first, because Windows does not delete an open file
            shutil.rmtree(held.folder, ignore_errors=True)
