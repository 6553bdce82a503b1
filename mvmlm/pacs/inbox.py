"""Files that modalities have sent and that are not in the store yet: on the disk before they are acknowledged.

A study waits in the folder `received/waiting/KEY` of the data folder, in files with mode 600; KEY is a keyed hash. It
is marked as open from its first file until the association that sent it is released: one that broke off, that lacks a
file, or that was cut by the end of this process, stays marked and is not half stored. The file `received/taken/KEY`
lists what was stored, so that a file that comes once more is known.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from filelock import FileLock, Timeout

from ..atomic_file import replace_file
from ..imaging.unpacking import MIN_FREE_BYTES
from ..store.store import Store
from .access import PacsError

RECEIVED, WAITING, TAKEN, REFUSED, OPEN = "received", "waiting", "taken", "refused", "open"
MAX_STUDY_FILES = 200
MAX_WAITING_BYTES = 20 << 30
Association = object


class Receipt(Enum):
    """What became of a file that was sent."""

    KEPT = "kept"
    KNOWN = "known"  # it is stored already
    LATE = "late"  # its study is stored, without it
    BUSY = "busy"  # its study is being stored
    FULL = "full"


class Inbox:
    """The received files of a store. Safe to share between threads; a second process is refused with a PacsError."""

    def __init__(self, store: Store):
        self._file = store.file
        self._folder = store.folder / RECEIVED
        if self._file.hashed("received") is None:
            raise PacsError("The key of the IDs is missing, without which received studies are not told apart.")
        for folder in (self._folder, *(self._folder / name for name in (WAITING, TAKEN, REFUSED))):
            folder.mkdir(exist_ok=True, mode=0o700)
        self._process_lock = FileLock(self._folder / "lock", mode=0o600, thread_local=False)
        try:
            self._process_lock.acquire(timeout=0)
        except Timeout:
            raise PacsError("Another listener receives for this data folder. Stop it first.") from None
        self._lock = threading.Lock()
        self._sent_by = defaultdict[str, set[Association]](set)  # studies -> open associations that sent files of it
        self._missing = defaultdict[str, set[str]](set)  # studies -> files that could not be taken
        self._broken = set[str]()  # studies of which an association broke off, until another one sends of them
        self._storing = ""  # the study
        self._last = {study.name: time.monotonic() for study in self._studies()}
        self._bytes = sum(path.stat().st_size for study in self._studies() for path in study.iterdir())

    def close(self) -> None:
        """Let another process receive."""
        self._process_lock.release()

    @property
    def broken_off(self) -> int:
        """How many studies wait to be sent again, because their association broke off or a file is missing."""
        with self._lock:
            return sum((study / OPEN).exists() and not self._sent_by[study.name] for study in self._studies())

    def add(self, study_uid: str, instance_uid: str, content: bytes, association: Association) -> Receipt:
        """Write a file so that it outlives this process, and say what became of it. Raises OSError."""
        study = self._key(f"study {study_uid}")
        instance = self._key(f"instance {instance_uid} of {study_uid}")
        folder = self._folder / WAITING / study
        with self._lock:
            if (taken := self._taken(study)) is not None:
                return Receipt.KNOWN if instance in taken else Receipt.LATE
            if study == self._storing:
                return Receipt.BUSY
            folder.mkdir(exist_ok=True, mode=0o700)
            (folder / OPEN).touch(mode=0o600)
            path = folder / f"{instance}.dcm"
            more = len(content) - (path.stat().st_size if path.exists() else 0)
            full = self._bytes + more > MAX_WAITING_BYTES
            free = shutil.disk_usage(folder).free - len(content) >= MIN_FREE_BYTES
            if full or not free or not path.exists() and len(list(folder.glob("*.dcm"))) >= MAX_STUDY_FILES:
                self._missing[study].add(instance)
                return Receipt.FULL
            if association not in self._sent_by[study]:
                self._sent_by[study].add(association)
                self._broken.discard(study)
            self._missing[study].add(instance)  # until it is written
            with replace_file(path) as file:
                file.write(content)
            path.chmod(0o600)
            self._missing[study].discard(instance)
            self._bytes += more
            self._last[study] = time.monotonic()
        return Receipt.KEPT

    def end(self, association: Association, released: bool) -> None:
        """Note that an association ended. released: as DICOM wants it; else its studies stay open."""
        with self._lock:
            for study, associations in self._sent_by.items():
                if association in associations:
                    associations.discard(association)
                    self._last[study] = time.monotonic()
                    if not released:
                        self._broken.add(study)
                    if not (associations or self._missing[study] or study in self._broken):
                        (self._folder / WAITING / study / OPEN).unlink(missing_ok=True)

    def store_quiet(self, seconds: float, keep: Callable[[Path], bool]) -> int:
        """Hand each whole study of which nothing came for so long to `keep`, and return how many were.

        keep: called with the folder of a study; returns whether it is in the store. The files of such a study are
        deleted, those of another one are moved to `received/refused`. A study whose turn is cut by the end of this
        process has it again at the next start.
        """
        done = 0
        for folder in self._studies():
            with self._lock:
                quiet = time.monotonic() - self._last.get(folder.name, 0) >= seconds
                if not quiet or self._sent_by[folder.name] or (folder / OPEN).exists():
                    continue
                self._storing = folder.name
            try:
                kept = keep(folder)
                with self._lock:
                    self._finish(folder, kept)
                done += 1
            finally:
                self._storing = ""
        return done

    def _finish(self, folder: Path, kept: bool) -> None:
        files = list(folder.glob("*.dcm"))
        self._bytes -= sum(path.stat().st_size for path in files)
        if kept:
            with replace_file(self._folder / TAKEN / folder.name) as taken:
                taken.write("\n".join(path.stem for path in files).encode())
            shutil.rmtree(folder)
        else:
            refused = self._folder / REFUSED / folder.name
            for path in refused.glob("*.dcm"):  # of an earlier time
                if not (folder / path.name).exists():
                    path.rename(folder / path.name)
            shutil.rmtree(refused, ignore_errors=True)
            folder.rename(refused)
        self._last.pop(folder.name, None)
        self._sent_by.pop(folder.name, None)
        self._missing.pop(folder.name, None)
        self._broken.discard(folder.name)

    def _studies(self) -> list[Path]:
        return sorted(path for path in (self._folder / WAITING).iterdir() if path.is_dir())

    def _taken(self, study: str) -> set[str] | None:
        try:
            return set((self._folder / TAKEN / study).read_text(encoding="utf-8").split())
        except FileNotFoundError:
            return None

    def _key(self, text: str) -> str:
        key = self._file.hashed(f"received {text}")
        assert key is not None  # checked at the start
        return key
