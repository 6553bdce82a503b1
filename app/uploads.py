"""Uploaded files: received into a folder that only this visitor can name, and taken from there once.

The folder of an upload lies in Gradio's cache, because Gradio accepts no other place, and its name begins with a digest
of the visitor's cookie. So the path itself tells whose file it is, and nobody can make one for another visitor. The
browser is told the name of folder and file only, never a path of the server.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import gradio as gr
from gradio.route_utils import GradioMultiPartParser, MultiPartException
from gradio.routes import file_upload_statuses
from gradio.utils import get_upload_folder
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from mvmlm.temporary import temporary_folder

from .gate.refusal import NO_COOKIE, Refused
from .privacy import discard, visitor

MOST_BYTES, MOST_FILES = 2 * 2**30, 1000  # of one upload; the page sends more files in several
WAITING_BYTES, WAITING_BYTES_IN_ALL = 4 * 2**30, 12 * 2**30
AT_ONCE, AT_ONCE_IN_ALL = 2, 8
TURN_SECONDS = 40  # how long an upload waits for its turn
KEPT_SECONDS = 600  # the page takes an upload at once

NOT_WAITING = (
    "These files do not wait for you here: they were taken already, or not uploaded by you. Choose them again."
)
UPLOADS_RUN = "Two uploads of yours are running. Wait until one has ended and choose the files again."
UPLOADS_WAIT = "Too many uploads wait on this server. Try again in ten minutes."
NO_ROOM = "The server could not store the files; its disk may be full. Tell the person who runs it."
NO_FORM = "The upload was not understood. Choose the files again, at most 1,000 at once."
NO_NAME = "A file has no name that can be stored. Rename it and choose the files again."
LONGEST_NAME = 200  # bytes
_FOLDER = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """Receives uploads at the address to which Gradio's page sends them."""

    def __init__(self) -> None:
        self._running: Counter[str] = Counter()
        self._turns = anyio.Semaphore(AT_ONCE_IN_ALL)

    def routes(self) -> list[Route]:
        """Return the route; it goes before Gradio's own."""
        return [Route("/gradio_api/upload", self._receive, methods=["POST"])]

    async def _receive(self, request: Request) -> Response:
        """Store the files of a form in the visitor's folder; answer with their names as `take_uploads` needs them."""
        owner, upload_id = visitor(request), request.query_params.get("upload_id")
        arriving = cache_folder() / f"arriving-{secrets.token_hex(16)}"
        try:
            async with self._turn(owner):
                arriving.mkdir(mode=0o700)
                parser = _FilesOnly(
                    request.headers,
                    request.stream(),
                    max_files=MOST_FILES,
                    upload_dir=str(arriving),
                    max_file_size=MOST_BYTES,
                    upload_id=upload_id,
                    upload_progress=file_upload_statuses if upload_id else None,
                )
                form = await parser.parse()
                return JSONResponse([_keep(file, owner) for file in form.getlist("files")])
        except Refused as error:
            return PlainTextResponse(error.sentence, error.status_code, headers=error.headers)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except OSError:
            return PlainTextResponse(NO_ROOM, 507)
        except (MultiPartException, TypeError, ValueError, KeyError):  # a form that is none of Gradio's
            return PlainTextResponse(NO_FORM, 400)
        finally:
            discard(arriving)

    @asynccontextmanager
    async def _turn(self, owner: str) -> AsyncIterator[None]:
        """Hold one of the visitor's turns to upload, which may have to wait for those of others.

        Raises Refused where too many run or wait.
        """
        if not owner:
            raise Refused(403, NO_COOKIE)
        if self._running[owner] >= AT_ONCE:
            raise Refused(429, UPLOADS_RUN)
        delete_forgotten()
        if waiting_bytes(owner) > WAITING_BYTES or waiting_bytes() > WAITING_BYTES_IN_ALL:
            raise Refused(429, UPLOADS_WAIT)
        self._running[owner] += 1
        try:
            with anyio.move_on_after(TURN_SECONDS) as waiting:
                await self._turns.acquire()
            if waiting.cancelled_caught:
                raise Refused(429, UPLOADS_WAIT)
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._running[owner] -= 1


def cache_folder() -> Path:
    """Return the folder of Gradio's uploads, which exists."""
    folder = Path(get_upload_folder()).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def new_upload_folder(owner: str) -> Path:
    """Return a new folder for one uploaded file of a visitor."""
    folder = cache_folder() / (_mark(owner) + secrets.token_hex(16))
    folder.mkdir(mode=0o700)
    return folder


def _mark(owner: str) -> str:
    return hashlib.sha256(f"uploads of {owner}".encode()).hexdigest()[:32]


class _FilesOnly(GradioMultiPartParser):
    """A parser of forms that takes nothing but files; it would collect the text of other fields in memory."""

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("a field that is no file")


def _keep(file: UploadFile | str, owner: str) -> str:
    """Move a received file into a folder of its own, and return its name as `path_of_upload` takes it."""
    if isinstance(file, str):
        raise Refused(400, NO_FORM)
    name = _storable_name(file.filename or "")
    if name in ("", ".", ".."):
        raise Refused(400, NO_NAME)
    file.file.close()
    folder = new_upload_folder(owner)
    os.rename(str(file.file.name), folder / name)
    return f"{folder.name}/{name}"


def _storable_name(sent: str) -> str:
    """The last part of a file's name, without what a file system forbids; of a long one the end."""
    name = re.sub(r'[<>:"|?*\x00-\x1f\x7f]', "", re.split(r"[/\\]", sent)[-1]).strip()
    return name.encode()[-LONGEST_NAME:].decode(errors="ignore")


def path_of_upload(name: str, owner: str) -> str:
    """Return the path of an uploaded file from its name in the answer. Raises Refused for any other file."""
    path = f"{cache_folder()}/{name}"
    if name.count("/") != 1 or not is_own_upload(path, owner):
        raise Refused(403, NOT_WAITING)
    return path


def is_own_upload(path: str | Path, owner: str) -> bool:
    """Return whether a path is that of a file that this visitor uploaded and that nothing has taken yet."""
    folder, name = os.path.split(str(path))
    root, folder_name = os.path.split(folder)
    if not owner or root != str(cache_folder()) or name in ("", ".", ".."):
        return False
    if not _FOLDER.fullmatch(folder_name) or not secrets.compare_digest(folder_name[:32], _mark(owner)):
        return False
    try:
        return stat.S_ISREG(os.lstat(path).st_mode) and stat.S_ISDIR(os.lstat(folder).st_mode)
    except (OSError, ValueError):
        return False


def take_uploads(paths: Iterable[str], owner: str) -> Path:
    """Move files that this visitor uploaded into a new private folder, and return it.

    A second file of the same name gets a number in front. The caller deletes the folder with `discard`. Raises
    gr.Error, and takes nothing, where one of the paths is anything else.
    """
    sources = list(dict.fromkeys(map(str, paths)))
    if not all(is_own_upload(path, owner) for path in sources):
        raise gr.Error(NOT_WAITING, print_exception=False)
    folder = temporary_folder("visit")
    try:
        for number, path in enumerate(map(Path, sources)):
            target = folder / path.name
            if target.exists():
                target = folder / f"{number} {path.name}"
            shutil.move(path, target)
            path.parent.rmdir()
    except FileNotFoundError:  # another event of this visitor was faster
        discard(folder)
        raise gr.Error(NOT_WAITING, print_exception=False) from None
    return folder


def waiting_bytes(owner: str | None = None) -> int:
    """Return how many bytes of uploads wait to be taken, of one visitor or of all."""
    start = _mark(owner) if owner else ""
    folders = [entry for entry in os.scandir(cache_folder()) if _FOLDER.fullmatch(entry.name)]
    return sum(_size(entry.path) for entry in folders if entry.name.startswith(start))


def _size(folder: str) -> int:
    try:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(folder))
    except OSError:  # taken in the meantime
        return 0


def delete_forgotten() -> None:
    """Delete uploads that nothing has taken for KEPT_SECONDS, and the empty files that Gradio leaves beside them."""
    oldest = time.time() - KEPT_SECONDS
    for entry in os.scandir(cache_folder()):
        try:
            if entry.stat(follow_symlinks=False).st_mtime > oldest:
                continue
            if _FOLDER.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            elif entry.name.startswith("tmp") and entry.is_file(follow_symlinks=False) and not entry.stat().st_size:
                os.unlink(entry.path)
        except OSError:
            continue
