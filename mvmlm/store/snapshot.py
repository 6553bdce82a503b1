"""Snapshots of a data folder, for a disk that is lost at each restart: made while it is in use, checked before they are
put back. An image is stored once, under its checksum; a snapshot names those that belong to it.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..custom_tasks import TASKS_FILE
from ..imaging.unpacking import DAMAGED_ZIP
from ..temporary import short_lived_folder, temporary_folder
from .archive import IMAGES
from .clock import now
from .database import FILE, StoreError
from .errors import storage_errors
from .exams import file_sha256

MANIFEST, FORMAT = "manifest.json", 1
MOST_BYTES = 4_000_000_000  # of the files in a snapshot, unpacked
_STORE = r"(?:workspaces/[0-9a-f]{32}/)?"
_FILE = re.compile(rf"{_STORE}(?:{re.escape(FILE)}|{re.escape(TASKS_FILE)})")
_IMAGE = re.compile(rf"{_STORE}{IMAGES}/[0-9a-f]{{16}}/[A-Za-z0-9_]+\.dcm")
_SHA256 = re.compile(r"[0-9a-f]{64}")
#: what reading a file raises that is no snapshot of ours; a full disk is no damage
_DAMAGED = (*(error for error in DAMAGED_ZIP if error is not OSError), KeyError, TypeError, AttributeError)
NOT_USED = "The snapshot cannot be used: {}. Remove it from the data set to use the one before, or set no snapshots."


@dataclass(frozen=True)
class Snapshot:
    """A snapshot that was written. images: SHA-256 -> path of each image that belongs to it. changes: of each store,
    the number of the last change that it holds.
    """

    path: Path
    images: dict[str, Path]
    changes: dict[Path, int]


def write_snapshot(folder: Path, stores: Iterable[Path], target: Path) -> Snapshot:
    """Write a zip of the databases and declared tasks of `stores`, folders in `folder`, and return what it holds.

    Raises StoreError for a database that is damaged or stays locked, OSError on a full disk.
    """
    files: dict[str, str] = {}
    images: dict[str, str] = {}
    paths: dict[str, Path] = {}
    changes: dict[Path, int] = {}
    with short_lived_folder("snapshot") as work, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for store in stores:
            copy = work / FILE
            copy.unlink(missing_ok=True)
            changes[store] = _copy_database(store / FILE, copy)
            for name, path in ((FILE, copy), (TASKS_FILE, store / TASKS_FILE)):
                if path.is_file():
                    place = (store / name).relative_to(folder).as_posix()
                    archive.write(path, place)
                    files[place] = file_sha256(path)
            for image in sorted((store / IMAGES).glob("*/*.dcm")):
                place = image.relative_to(folder).as_posix()
                if not _IMAGE.fullmatch(place):  # not of this program, such as `._R_CC.dcm` of another system
                    continue
                images[place] = digest = file_sha256(image)
                paths[digest] = image
        manifest = {
            "format": FORMAT,
            "made": now(),
            "folder": str(folder.resolve()),
            "files": files,
            "images": images,
        }
        archive.writestr(MANIFEST, json.dumps(manifest))
    return Snapshot(target, paths, changes)


def restore_snapshot(snapshot: Path, fetch: Callable[[str], Path], folder: Path) -> int:
    """Put a snapshot into a data folder that has no database yet, and return how many images came with it.

    fetch: returns the file of an image, by its SHA-256. Nothing is put back before all of it was checked. Raises
    StoreError for a folder with a database, and for a snapshot or image that is damaged.
    """
    if (folder / FILE).exists():
        raise StoreError("The data folder holds a database already; a snapshot is put into an empty one only.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    work = temporary_folder("restored", folder)
    try:
        manifest = _unpacked(snapshot, work)
        for name, digest in manifest["images"].items():
            _put_image(fetch(digest), digest, work / name)
        for name in manifest["files"]:
            if name.endswith(FILE):
                _check_database(work / name, manifest["folder"], folder)
        names = [*manifest["images"], *manifest["files"]]
        for name in sorted(names, key=lambda name: name == FILE):  # last the database by which a folder counts as used
            (folder / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (work / name).replace(folder / name)
    except _DAMAGED as error:
        raise StoreError(NOT_USED.format("it is damaged")) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return len(manifest["images"])


def _put_image(image: Path, digest: str, target: Path) -> None:
    if file_sha256(image) != digest:
        raise StoreError(NOT_USED.format("an image is damaged"))
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(image, target)
    target.chmod(0o600)


def _copy_database(source: Path, target: Path) -> int:
    """Copy a database as it is between two changes; return the number of the last change in its history."""
    with storage_errors(source), closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)
        return int(new.execute("SELECT coalesce(max(id), 0) FROM history").fetchone()[0])


def _unpacked(snapshot: Path, work: Path) -> dict[str, Any]:
    """Unpack the files of a snapshot that its manifest names, each with its checksum; return the manifest."""
    with zipfile.ZipFile(snapshot) as archive:
        if sum(member.file_size for member in archive.infolist()) > MOST_BYTES:
            raise ValueError("too large")
        manifest = json.loads(archive.read(MANIFEST))
        if manifest["format"] != FORMAT or not isinstance(manifest["folder"], str):
            raise ValueError("another format")
        named = [(_FILE, manifest["files"]), (_IMAGE, manifest["images"])]
        for pattern, digests in named:
            if not all(pattern.fullmatch(name) and _SHA256.fullmatch(digest) for name, digest in digests.items()):
                raise ValueError("an odd name")
        if FILE not in manifest["files"]:
            raise ValueError("no database")
        for name, digest in manifest["files"].items():
            data = archive.read(name)
            if hashlib.sha256(data).hexdigest() != digest:
                raise ValueError("a damaged file")
            (work / name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            (work / name).write_bytes(data)
            (work / name).chmod(0o600)
    return manifest


def _check_database(path: Path, was_in: str, folder: Path) -> None:
    """Raise StoreError for a damaged database; let it name its images where they are now."""
    try:
        with closing(sqlite3.connect(path)) as conn:
            if conn.execute("PRAGMA integrity_check").fetchone()[0] != "ok":
                raise StoreError(NOT_USED.format("its database is damaged"))
            for table in ("views", "extra_views"):
                conn.execute(
                    f"UPDATE {table} SET path = ? || substr(path, ?) WHERE path LIKE ? || '/%'",
                    [str(folder.resolve()), len(was_in) + 1, was_in],
                )
            conn.commit()
    except sqlite3.DatabaseError as error:
        raise StoreError(NOT_USED.format("its database is damaged")) from error
