"""The store of one data folder: small stores over one SQLite file.

Names, birth dates and accession numbers are never stored as they are. A patient is a pseudonym; the files' own IDs and
what tells whose they are are stored as keyed hashes, so that the same patient is found again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ..custom_tasks import load_custom_tasks, load_or_set_aside
from ..tasks import TASKS, Task
from .accounts import Accounts
from .api_keys import ApiKeys
from .comparisons import Comparisons
from .database import StoreFile
from .embeddings import Embeddings
from .exams import Exams
from .familiarity import Familiarity
from .heads import Heads
from .jobs import Jobs
from .limits import StoreLimits, check_room, limits_of
from .lists import Lists
from .patients import Patients
from .predictions import Predictions, PromptSets
from .readings import Readings
from .search_index import rebuild_search_index
from .sessions import Sessions
from .site_versions import SiteKind, SiteVersions
from .worklist import Worklist

_LOG = logging.getLogger(__name__)


class Store:
    """The store in `folder`, for our tasks and those declared there. Safe to share between threads.

    file: transactions, settings and history. tasks: those that the store was opened with, `tasks_at_start`, then those
    that were declared since. notes: what a user must know of the data folder, a sentence each, such as
    a tasks.toml that was set aside. limits: kept in the store; None for those it has, usually none. Raises StoreError
    for a file that is newer than this program, damaged or read-only, or on a full disk.
    """

    def __init__(self, folder: Path, limits: StoreLimits | None = None):
        self.folder = Path(folder)
        declared, self.notes = load_or_set_aside(self.folder)
        self.tasks_at_start: tuple[Task, ...] = (*TASKS, *declared)
        self.tasks = self.tasks_at_start
        for note in self.notes:
            _LOG.warning("%s", note)
        self.file = StoreFile(self.folder)
        self.limits = limits_of(self.file, limits)
        self.accounts = Accounts(self.file)
        self.api_keys = ApiKeys(self.file)
        self.patients = Patients(self.file)
        self.exams = Exams(self.file, self.patients)
        self.worklist = Worklist(self.file)
        self.lists = Lists(self.file)
        self.readings = Readings(self.file, self.exams, lambda: self.tasks)
        if self.file.migrated:
            rebuild_search_index(self.file)
        self.readings.settle()
        self.comparisons = Comparisons(self.file, self.readings)
        self.sessions = Sessions(self.file, self.exams, self.readings)
        self.heads = Heads(self.file)
        self.calibrations = SiteVersions(self.file, SiteKind.CALIBRATION)
        self.operating_points = SiteVersions(self.file, SiteKind.OPERATING_POINT)
        self.watches = SiteVersions(self.file, SiteKind.WATCH)
        self.jobs = Jobs(self.file)
        self.embeddings = Embeddings(self.file)
        self.familiarity = Familiarity(self.file)
        self.predictions = Predictions(self.file)
        self.prompt_sets = PromptSets(self.file)

    def take_new_tasks(self) -> None:
        """Add the tasks that were declared since the store was opened; those that are known stay as they are.

        A tasks.toml that cannot be read adds none; the next start says what is wrong with it.
        """
        try:
            declared = load_custom_tasks(self.folder)
        except (ValueError, OSError) as error:
            _LOG.warning("%s", error)
            return
        known = {task.name for task in self.tasks}
        self.tasks = (*self.tasks, *(task for task in declared if task.name not in known))

    def check_room(self, new_bytes: int) -> None:
        """Raise StoreError where the store would take more than its limits allow, with `new_bytes` more."""
        check_room(self.folder, self.limits, new_bytes)

    def close(self) -> None:
        """Close the database file."""
        self.file.close()
