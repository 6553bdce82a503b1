"""Uploaded files that wait for their job: in the data folder, and no longer than their job needs them."""

from __future__ import annotations

import errno
import secrets
import shutil
from pathlib import Path

from ..temporary import PREFIX, delete_leftovers, temporary_folder
from .database import StoreError
from .limits import folder_bytes
from .store import Store

INCOMING = "incoming"


def queue_import(store: Store, uploads: Path, who: str, owner: str, named: bool = False) -> int:
    """Queue the import of the files in the folder `uploads`, as `queue_with_uploads`.

    named: their patient IDs are pseudonyms already.
    """
    return queue_with_uploads(store, "import", uploads, {"who": who, "named": named}, who, owner)


def queue_with_uploads(store: Store, kind: str, uploads: Path, settings: dict, who: str, owner: str) -> int:
    """Queue a job that needs the files in the folder `uploads`, and return its number. The folder is moved.

    Raises TooManyJobs, and StoreError on a full disk or for more than the store's limit; then the uploads are deleted.
    """
    try:
        store.check_room(folder_bytes(uploads))
    except StoreError:
        shutil.rmtree(uploads, ignore_errors=True)
        raise
    incoming = store.folder / INCOMING
    incoming.mkdir(exist_ok=True, mode=0o700)
    staged, name = temporary_folder("import", incoming), secrets.token_hex(8)
    try:
        _move(uploads, staged)  # takes time where the uploads are on another disk, so not in the transaction
        with store.file.transaction():
            job = store.jobs.add(kind, {"uploads": name, **settings}, who, owner)
            staged.rename(incoming / name)
            return job
    finally:
        for folder in (staged, uploads):
            shutil.rmtree(folder, ignore_errors=True)


def _move(uploads: Path, staged: Path) -> None:
    """Move the files of a folder into another one. Raises StoreError on a full or failing disk."""
    try:
        for path in uploads.iterdir():
            shutil.move(path, staged / path.name)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full. Free some space" if full else f"{error.strerror}. Check the data folder"
        raise StoreError(f"The uploads could not be stored: {reason}, then upload them again.") from error


def uploads_of_job(store: Store, settings: dict) -> list[Path]:
    """Return the uploaded files of a job, in the order of their names. Raises StoreError where they are gone."""
    folder = store.folder / INCOMING / Path(settings["uploads"]).name
    if not folder.is_dir():
        raise StoreError("The uploaded files are gone. Upload them again.")
    return sorted(folder.iterdir())


def delete_unneeded_uploads(store: Store) -> None:
    """Delete the uploads of jobs that have ended, however they ended, and what killed processes left behind."""
    incoming = store.folder / INCOMING
    if not incoming.is_dir():
        return
    delete_leftovers(incoming)
    with store.file.transaction():  # in which `queue_with_uploads` moves a folder here: it comes together with its job
        needed = {job.settings.get("uploads") for job in store.jobs.unfinished()}
        unneeded = [path for path in incoming.iterdir() if path.name not in needed]
    for path in unneeded:
        if not path.name.startswith(PREFIX):
            shutil.rmtree(path, ignore_errors=True)
