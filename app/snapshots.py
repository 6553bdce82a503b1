"""Snapshots of what is stored in a private data set of the Hugging Face hub, for a Space whose disk is lost."""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
import httpx2
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled, RepositoryNotFoundError

from mvmlm.store.database import FILE
from mvmlm.store.snapshot import restore_snapshot, write_snapshot
from mvmlm.store.store import Store
from mvmlm.temporary import short_lived_folder

from .markup import problem
from .mode import NotReady
from .privacy import account_of
from .wiring import connect

if TYPE_CHECKING:
    from huggingface_hub import HfApi

VARIABLE, TOKEN = "MVMLM_SNAPSHOTS", "HF_TOKEN"
LINE_SECONDS = 10
SAVE_SECONDS = 300  # between two snapshots, if anything has changed
ANSWER_SECONDS = 20
_NAME = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}")
_SNAPSHOT = re.compile(r"snapshots/[0-9]{8}T[0-9]{6}\.[0-9]{6}Z\.zip")
_SNAPSHOT_NAME = "snapshots/%Y%m%dT%H%M%S.%fZ.zip"
_FAILURES = (httpx2.HTTPError, HfHubHTTPError, OfflineModeIsEnabled, OSError)

DURABLE = "Saved durably."
HERE_ONLY = "Saved here only so far: the next snapshot makes it durable."
FAILED = "Saved here only: the last snapshot failed. Download your labels: Worklist, Export."


class Snapshots:
    """Makes snapshots of stores, and puts the newest one back. Safe to share between threads.

    repository: `owner/name` of a private data set. folder: the data folder. stores: returns the folders of the stores
    in it that are to last. report: called with a sentence and an error where a snapshot failed, for the log.
    """

    def __init__(
        self,
        repository: str,
        token: str,
        folder: Path,
        stores: Callable[[], Sequence[Path]],
        report: Callable[[str, BaseException], None] = lambda sentence, error: None,
    ):
        self._repository, self._token, self._folder = repository, token, folder
        self._stores, self._report = stores, report
        self._saved: dict[Path, int] = {}  # the last change of each store that is durable
        self._images: set[str] = set()  # names of those in the data set
        self._newest: str | None = None  # name of the newest snapshot in the data set
        self._saving = threading.Lock()
        self._failed = False

    def check(self) -> None:
        """Raise NotReady unless the data set is there, private, and can be reached with the token."""
        try:
            private = self._hub().dataset_info(self._repository, timeout=ANSWER_SECONDS).private
        except RepositoryNotFoundError:
            raise NotReady(
                f"{VARIABLE}={self._repository}: there is no such data set for this {TOKEN}. Make it, private, and "
                "give the token the right to write to it."
            ) from None
        except _FAILURES as error:
            raise NotReady(
                f"{VARIABLE}: the hub does not answer ({type(error).__name__}). Start again later."
            ) from None
        if not private:
            raise NotReady(f"{VARIABLE}={self._repository}: this data set is public. Make it private, or take another.")

    def restore(self) -> str:
        """Put the newest snapshot into a data folder without a database; return a sentence, "" where there is none.

        Raises StoreError for a snapshot that is damaged, NotReady where it cannot be fetched.
        """
        if (self._folder / FILE).exists():
            return ""
        try:
            self._list()
            if (newest := self._newest) is None:
                return ""
            with short_lived_folder("snapshot") as work:
                count = restore_snapshot(
                    self._fetched(newest, work), lambda digest: self._fetched(f"images/{digest}", work), self._folder
                )
        except _FAILURES as error:
            raise NotReady(f"{VARIABLE}: the snapshot could not be fetched ({type(error).__name__}).") from None
        return f"The snapshot of {newest[10:25]} was checked and put back, with {count} images."

    def save(self) -> bool:
        """Make a snapshot if anything has changed since the last one; return whether everything is durable now.

        It gets a name of its own; no earlier one is changed or removed.
        """
        from huggingface_hub import CommitOperationAdd

        with self._saving, short_lived_folder("snapshot") as work:
            try:
                stores = [store for store in self._stores() if (store / FILE).is_file()]
                made = write_snapshot(self._folder, stores, work / "snapshot.zip")
                if made.changes == self._saved:
                    return True
                if self._newest is None:
                    self._list()
                name = _name_after(self._newest)
                new = {digest: path for digest, path in made.images.items() if digest not in self._images}
                files = {f"images/{digest}": path for digest, path in new.items()} | {name: made.path}
                self._hub().create_commit(
                    self._repository,
                    [CommitOperationAdd(place, str(path)) for place, path in files.items()],
                    commit_message=name,
                    repo_type="dataset",
                )
            except Exception as error:  # whatever it was, the next one is tried, and the page says that this one failed
                self._failed = True
                self._report("a snapshot failed", error)
                return False
            self._images |= new.keys()
            self._newest = name
            self._saved, self._failed = made.changes, False
            return True

    def _list(self) -> None:
        """Find out what is in the data set."""
        names = self._hub().list_repo_files(self._repository, repo_type="dataset")
        self._newest = max(filter(_SNAPSHOT.fullmatch, names), default=None)
        self._images = {Path(name).name for name in names if name.startswith("images/")}

    def state_of(self, store: Store) -> str:
        """Return a sentence: whether what a store holds is saved durably, or here only."""
        last = store.file.number("SELECT coalesce(max(id), 0) FROM history")
        if last <= self._saved.get(store.folder, 0):
            return DURABLE
        return FAILED if self._failed else HERE_ONLY

    def save_regularly(self, report: Callable[[str, BaseException], None]) -> None:
        """Make snapshots in the background until the process ends. report: as of the class, from now on."""
        self._report = report

        def run() -> None:
            while True:
                time.sleep(SAVE_SECONDS)
                self.save()

        threading.Thread(target=run, name="snapshots", daemon=True).start()

    def _fetched(self, name: str, work: Path) -> Path:
        """A file of the data set, in a folder of its own."""
        place = tempfile.mkdtemp(dir=work)
        return Path(self._hub().hf_hub_download(self._repository, name, repo_type="dataset", local_dir=place))

    def _hub(self) -> HfApi:
        from huggingface_hub import HfApi

        return HfApi(token=self._token)


def _name_after(newest: str | None) -> str:
    """The name of a snapshot that is made now: it sorts behind the newest one, also where the clock was set back."""
    time = datetime.now(UTC)
    if newest is not None:
        last = datetime.strptime(newest, _SNAPSHOT_NAME).replace(tzinfo=UTC)
        time = max(time, last + timedelta(microseconds=1))
    return time.strftime(_SNAPSHOT_NAME)


class DurableLine:
    """The line that says whether what a visitor keeps is saved durably. public: only of those who are logged in."""

    def __init__(self, snapshots: Snapshots, store: Store, public: bool):
        self._snapshots, self._store, self._public = snapshots, store, public

    def lay_out(self) -> None:
        """Lay out the line, which is asked for again and again."""
        line = gr.HTML(elem_id="durable", min_height=0)
        connect(gr.Timer(LINE_SECONDS).tick, self.show, None, line, lane=None)

    def show(self, request: gr.Request) -> str:
        """Return the line as HTML."""
        if self._public and account_of(request) is None:
            return ""
        sentence = self._snapshots.state_of(self._store)
        return problem(sentence) if sentence == FAILED else f"<p>{sentence}</p>"


def snapshots_of(
    environment: Mapping[str, str],
    folder: Path,
    stores: Callable[[], Sequence[Path]],
) -> Snapshots | None:
    """Return the snapshots that the environment asks for; None where it asks for none. Raises NotReady."""
    repository = environment.get(VARIABLE, "")
    if not repository:
        return None
    if not _NAME.fullmatch(repository):
        raise NotReady(f"{VARIABLE}={repository}: give it as OWNER/NAME of a private data set.")
    if not environment.get(TOKEN):
        raise NotReady(f"{VARIABLE} needs the secret {TOKEN}: a token that may write to {repository}.")
    return Snapshots(repository, environment[TOKEN], folder, stores)
