"""The store of one data folder: small stores over one SQLite file.

Names, birth dates and accession numbers are never stored. A patient is a pseudonym, and the files' own IDs are stored
as salted hashes, so that the same patient is found again.
"""

from __future__ import annotations

from pathlib import Path

from ..custom_tasks import TASKS_FILE, load_custom_tasks
from ..tasks import TASKS, Task
from .database import StoreError, StoreFile
from .embeddings import Embeddings
from .exams import Exams
from .heads import Heads
from .jobs import Jobs
from .predictions import Predictions, PromptSets
from .readings import Readings
from .worklist import Worklist


class Store:
    """The store in `folder`, for our tasks and those declared there. Safe to share between threads.

    file: transactions, settings and history. Raises StoreError for a file that is newer than this program, damaged or
    read-only, on a full disk, or for a tasks.toml that cannot be read.
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)
        try:
            self.tasks: tuple[Task, ...] = (*TASKS, *load_custom_tasks(self.folder))
        except ValueError as error:
            raise StoreError(f"{error}. Correct {TASKS_FILE} in the data folder, or remove it.") from None
        self.file = StoreFile(self.folder)
        self.exams = Exams(self.file)
        self.worklist = Worklist(self.file)
        self.readings = Readings(self.file, self.exams, self.tasks)
        self.heads = Heads(self.file)
        self.jobs = Jobs(self.file)
        self.embeddings = Embeddings(self.file)
        self.predictions = Predictions(self.file)
        self.prompt_sets = PromptSets(self.file)

    def close(self) -> None:
        """Close the database file."""
        self.file.close()
