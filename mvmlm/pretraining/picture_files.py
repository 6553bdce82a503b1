"""The picture files of an exam as they were when it was decoded, so that a replaced one is noticed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..datasets.data_folder import DataFolder

NAMED = 3  # exams that a sentence names


class PictureFile(NamedTuple):
    """A picture file at one moment.

    path: below the data set's folder. size: in bytes. modified_ns: the time of its last change, in nanoseconds.
    sha256: of its content, "" where that could not be read.
    """

    path: str
    size: int
    modified_ns: int
    sha256: str

    @classmethod
    def of(cls, path: str, file: Path) -> PictureFile:
        """Return that of a file. Its content is read after its time, so that a change in between is noticed later."""
        try:
            facts = file.stat()
            return cls(path, facts.st_size, facts.st_mtime_ns, sha256_of(file))
        except OSError:
            return cls(path, -1, 0, "")

    def now(self, folder: DataFolder, every_byte: bool) -> PictureFile | None:
        """Return it as it is now, None where it is gone.

        Its content is read only where its size or time is another, or with `every_byte`.
        """
        file = folder.find(self.path)
        if file is None:
            return None
        facts = file.stat()
        if not every_byte and (facts.st_size, facts.st_mtime_ns) == (self.size, self.modified_ns):
            return self
        return PictureFile.of(self.path, file)


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file's content as hexadecimal digits. Raises OSError."""
    with open(file, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


@dataclass
class PictureChanges:
    """The decoded exams whose picture files are not those of the day they were decoded, in the order of the folder.

    replaced: a file has another content. gone: a file is no longer there. unknown: an earlier version decoded them and
    did not write down their files.
    """

    replaced: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def refusal(self) -> str:
        """A sentence on the replaced files, "" without any."""
        if not self.replaced:
            return ""
        return (
            f"{len(self.replaced):,} exam(s) have picture files that were replaced after they were decoded: "
            f"{_named(self.replaced)}."
        )

    def remarks(self, again: Collection[str]) -> Iterator[str]:
        """Yield a sentence on the exams whose decoded pixels are used although their files are gone or unknown.

        again: the exams that are decoded again.
        """
        if gone := [exam for exam in self.gone if exam not in again]:
            yield (
                f"{len(gone):,} exam(s) have picture files that are no longer there: {_named(gone)}; "
                "they are used as they were decoded"
            )
        if unknown := [exam for exam in self.unknown if exam not in again]:
            yield (
                f"{len(unknown):,} exam(s) were decoded by an earlier version, so that it is not known whether their "
                "picture files were replaced since; another work folder decodes them again"
            )


def _named(exams: Sequence[str]) -> str:
    more = len(exams) - NAMED
    return ", ".join(exams[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
