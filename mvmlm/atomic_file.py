"""Writing a file whole or not at all, also where the process is killed, the power fails or the disk is full."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Give a binary file to write to, which takes the place of `path` at the end; after an error `path` is unchanged.

    Until then it lies beside `path` with the ending .part. Raises OSError; for a folder that is not there it names the
    folder.
    """
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path.parent))
    unfinished = path.with_name(path.name + ".part")
    try:
        with errors_named(path), open(unfinished, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def errors_named(path: Path) -> Iterator[None]:
    """Give the name of a file to an error of writing to it, which the system leaves without one."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise
