"""Published models from the hub or a release -> converted files in the data folder.

What is downloaded is checked by its hash, converted on this machine, and deleted: checkpoints may hold what their
authors' training left in them. A download that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..messages import FULL, Advised
from .catalogue import CATALOGUE, HubFile, PublishedModel

#: called with the bytes that are there and those that are expected, 0 where that is not known; what it raises ends it
BytesProgress = Callable[[int, int], None]

FIRST_ANSWER_S = 4.0  # how long the first answer of a server may take, so that a person hears within 5 s
BLOCK = 1 << 20  # bytes
MODELS = "models"  # the folder in the data folder
ARCHIVE = "snapshots.zip"
PART = ".part"  # suffix of a download that has not ended


class DownloadError(Advised):
    """A model that could not be fetched. The message says what to do."""


def no_progress(done: int, whole: int) -> None:
    """Say nothing of a download's progress."""


def model_file(folder: Path, name: str) -> Path:
    """Return where the converted file of a model lies. folder: the data folder. name: of the catalogue."""
    return folder / MODELS / f"{name}.safetensors"


def model_named(name: str) -> PublishedModel:
    """Return a model of the catalogue. Raises ValueError for a name that is not known."""
    if name not in CATALOGUE:
        raise ValueError(f"{name}: no such model. Choose one of {', '.join(CATALOGUE)}; `mvmlm models` lists them.")
    return CATALOGUE[name]


def fetch_model(folder: Path, name: str, accept_terms: bool, progress: BytesProgress = no_progress) -> Path:
    """Fetch a published model, convert it, and return the converted file; at once where it is there already.

    folder: the data folder. accept_terms: whether the person accepted the model's terms. Raises DownloadError,
    CheckpointError for a layout that is not known, and OSError where it cannot be written.
    """
    model = model_named(name)
    converted = model_file(folder, name)
    if converted.is_file():
        return converted
    if not model.hosting and os.environ.get("SPACE_ID"):
        raise DownloadError(f"{model.title}: its terms do not allow to serve it to others, as a Space does.")
    if model.terms and not accept_terms:
        raise DownloadError(
            f"{model.title} has terms. {model.terms} To accept them and fetch it: mvmlm models get {name} "
            "--accept-terms, or the menu of models in the app."
        )
    waiting = converted.parent / "downloads" / name
    with _only_one(waiting, model.title):
        return converted if converted.is_file() else _fetch(model, waiting, converted, progress)


@contextmanager
def _only_one(waiting: Path, title: str) -> Iterator[None]:
    """Make the folder of a download. Raises DownloadError where another process is at work in it."""
    waiting.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        with FileLock(f"{waiting}.lock", timeout=0):
            yield
    except Timeout:
        raise DownloadError(
            f"{title} is being fetched by another process. Wait until it is there, then try again."
        ) from None


def _fetch(model: PublishedModel, waiting: Path, converted: Path, progress: BytesProgress) -> Path:
    """Fetch the files of a model to a folder, convert them, and return the converted file."""
    if model.archive:
        files = [_from_release(model, waiting, progress)]
    else:
        files = [_from_hub(model.title, file, waiting, progress, _by_hand(model)) for file in model.files]
    words = model.tokenizer
    tokenizer = _from_hub(model.title, words, waiting, progress, _by_hand(model)) if words else None
    from .conversion import convert  # imports torch, which takes seconds: not before the files are there

    convert(model.family, files, converted, tokenizer)
    shutil.rmtree(waiting, ignore_errors=True)
    return converted


def _by_hand(model: PublishedModel) -> str:
    """How a model comes to a machine that cannot fetch it."""
    names = [file.name.rpartition("/")[2] for file in model.files] or [ARCHIVE]
    if len(names) > 1:  # files of one name, of several repositories
        names = [f"{file.repository.rpartition('/')[2]}/{name}" for file, name in zip(model.files, names)]
    tokenizer = f" --tokenizer {model.tokenizer.name}" if model.tokenizer else ""
    return (
        f"Or fetch {' and '.join(names)} on another machine, and convert: mvmlm convert {model.family} "
        f"{' '.join(names)} {model.name}.safetensors{tokenizer}."
    )


def fetch_repository(folder: Path, repository: str, progress: BytesProgress = no_progress) -> Path:
    """Fetch the weights of a repository of the hub that holds one .safetensors file, and return it.

    folder: the data folder. repository: owner/name; a published model of the catalogue is fetched by its name. Raises
    DownloadError.
    """
    from huggingface_hub import HfApi

    if repository.count("/") != 1:
        raise DownloadError(f"hf:{repository}: expected hf:owner/name.")
    named = [name for name, model in CATALOGUE.items() if any(file.repository == repository for file in model.files)]
    if named:
        raise DownloadError(f"hf:{repository} is known here by name. Give --weights {' or '.join(named)}.")
    waiting = folder / MODELS / repository.replace("/", "--")
    there = sorted(waiting.rglob("*.safetensors"))
    if there:
        return there[0]
    with _hub_errors(repository, repository):
        found = HfApi().model_info(repository, timeout=FIRST_ANSWER_S)
    names = [each.rfilename for each in found.siblings or () if each.rfilename.endswith(".safetensors")]
    if len(names) != 1:
        raise DownloadError(
            f"{repository}: {len(names)} .safetensors files where one is expected. Fetch the one that you want, and "
            "give its path."
        )
    with _only_one(waiting, repository):
        return _from_hub(repository, HubFile(repository, names[0]), waiting, progress)


def _from_hub(title: str, file: HubFile, waiting: Path, progress: BytesProgress, by_hand: str = "") -> Path:
    """A file of the hub, whole and checked. Raises DownloadError."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.file_download import http_get  # hf_hub_download deletes what a failed download has brought
    from huggingface_hub.utils import build_hf_headers, logging

    logging.set_verbosity_error()  # what it says of each attempt is not for a reader
    own_name = re.split(r"[/\\]", file.name)[-1]  # a repository may list any path
    path = waiting / file.repository.replace("/", "--") / own_name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _hub_errors(title, file.repository, by_hand, waiting):
        known = get_hf_file_metadata(hf_hub_url(file.repository, file.name), timeout=FIRST_ANSWER_S)
        expected = file.sha256 or (known.etag or "").strip('"')
        if path.is_file() and _has_hash(path, expected):
            return path
        part = path.with_name(f"{path.name}.{expected[:16]}{PART}")
        with open(part, "ab") as out:
            http_get(
                hf_hub_url(file.repository, file.name, revision=known.commit_hash), out, resume_size=out.tell(),
                headers=build_hf_headers(), expected_size=known.size, tqdm_class=_reporting(progress),
            )  # fmt: skip
    if not _has_hash(part, expected):
        part.unlink()
        raise DownloadError(
            f"{path.name}: what arrived is not what the hub says it has. It is deleted; fetch {title} again."
        )
    part.replace(path)
    return path


def _has_hash(path: Path, expected: str) -> bool:
    """Whether a file has a hash as the hub gives it: SHA-256 of large files, git's SHA-1 of small ones."""
    if len(expected) == 64:
        with open(path, "rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == expected
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == expected


@contextmanager
def _hub_errors(title: str, repository: str, by_hand: str = "", waiting: Path | None = None) -> Iterator[None]:
    """Turn what the hub's client raises into a sentence that says what to do.

    by_hand: how it comes without the hub. waiting: the folder of the download.
    """
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError:
        raise DownloadError(
            f"{title} is gated: open the page of {repository} on the hub, accept its terms there, then log in on this "
            "machine (hf auth login) and fetch it again."
        ) from None
    except (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError, errors.RevisionNotFoundError):
        raise DownloadError(
            f"{title}: what is fetched of it is not in {repository} on the hub, or only for its members. It may have "
            "been withdrawn; look at the page of the repository."
        ) from None
    except errors.HFValidationError:
        raise DownloadError(f"{repository} cannot be the name of a repository. Expected owner/name.") from None
    except errors.OfflineModeIsEnabled:
        raise DownloadError(
            f"{title} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it. Start without it. {by_hand}"
        ) from None
    except errors.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "no status")
        raise DownloadError(f"The hub refused what is fetched of {repository} ({status}). Try again later.") from None
    except OSError as error:
        if error.filename is not None or error.errno in FULL:  # of the disk, not of the network
            raise
        raise DownloadError(_not_reached("hub", title, waiting, by_hand)) from None
    except Exception as error:  # the client's network library has errors of its own
        if type(error).__module__.split(".")[0] not in ("httpx", "httpx2", "httpcore", "huggingface_hub"):
            raise
        raise DownloadError(_not_reached("hub", title, waiting, by_hand)) from None


def _not_reached(server: str, title: str, waiting: Path | None, by_hand: str) -> str:
    """What to do where a server does not answer, or no longer. waiting: the folder of the download."""
    parts = waiting.rglob(f"*{PART}") if waiting is not None else ()
    arrived = sum(path.stat().st_size for path in parts) / 1e6
    if arrived:
        return (
            f"The {server} sends no more of {title}, of which {arrived:,.1f} MB have arrived. Check the network, and "
            "fetch it again: it goes on from there."
        )
    return f"The {server} cannot be reached. Check the network. {by_hand}"


def _reporting(progress: BytesProgress) -> type[Any]:
    """A progress bar for the hub's client that draws nothing and calls `progress`."""
    from tqdm.auto import tqdm

    class Reporting(tqdm):
        def __init__(self, *args: Any, **named: Any):
            super().__init__(*args, **(named | {"disable": False, "file": _Silent()}))
            progress(int(self.n), int(self.total or 0))

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            progress(int(self.n), int(self.total or 0))
            return shown

    return Reporting


class _Silent:
    """A text file that keeps nothing."""

    def write(self, text: str) -> int:
        """Take a text."""
        return len(text)

    def flush(self) -> None:
        """Have nothing to write."""


def _from_release(model: PublishedModel, waiting: Path, progress: BytesProgress) -> Path:
    """The zip file of a release, whole, its content checked. Raises DownloadError."""
    path, part = waiting / ARCHIVE, waiting / f"{ARCHIVE}{PART}"
    try:
        _download(model.archive, part, progress)
    except urllib.error.HTTPError as error:
        raise DownloadError(f"{model.title}: the release gives no file ({error.code}). {_by_hand(model)}") from None
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        raise DownloadError(_not_reached("release", model.title, waiting, _by_hand(model))) from None
    part.rename(path)
    if not _holds(path, model.contents):
        path.unlink()
        raise DownloadError(
            f"{path.name}: what arrived is not what its authors published. It is deleted; fetch {model.title} again."
        )
    return path


def _download(address: str, part: Path, progress: BytesProgress) -> None:
    """Download to a file, behind what is there of it already."""
    there = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={there}-"} if there else {})
    try:
        answer = urllib.request.urlopen(request, timeout=FIRST_ANSWER_S)
    except urllib.error.HTTPError as error:
        if there and error.code == 416:  # nothing is left to send
            return
        raise
    if answer.status != 206:  # it begins at the beginning
        part.unlink(missing_ok=True)
        there = 0
    with answer, open(part, "ab") as file:
        done = there
        whole = done + int(answer.headers.get("Content-Length") or 0)
        while block := answer.read(BLOCK):
            file.write(block)
            done += len(block)
            progress(done, whole)
    if whole and done < whole:
        raise ConnectionError("the connection ended early")


def _holds(path: Path, contents: dict[str, str]) -> bool:
    """Whether a zip file holds files of these names with these SHA-256."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {Path(name).name: name for name in archive.namelist()}
            for name, expected in contents.items():
                if name not in members:
                    return False
                digest = hashlib.sha256()
                with archive.open(members[name]) as content:
                    while block := content.read(BLOCK):
                        digest.update(block)
                if digest.hexdigest() != expected:
                    return False
    except zipfile.BadZipFile:
        return False
    return True
