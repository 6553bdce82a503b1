"""The JSON files of a work folder, whole or in lines, with a sentence for one that is damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..messages import Advised


class DamagedFile(Advised, ValueError):
    """A file of a work folder that is not as this program writes it. The message names it and says what to do."""


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """Raise DamagedFile where the block, which reads a file, meets another form of it."""
    try:
        yield
    except DamagedFile:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFile(
            f"{path.name}: damaged. Put back a copy of it, or give another folder, where the exams are decoded anew.",
            "work",
        ) from error


def complete_lines(path: Path) -> list[str]:
    """Return the lines of a file that end with a line break; none for a missing file. Raises DamagedFile."""
    if not path.exists():
        return []
    with damage_told(path):
        text = path.read_text(encoding="utf-8")
    return text[: text.rfind("\n") + 1].splitlines()


def json_lines(path: Path, *keys: str) -> list[dict[str, Any]]:
    """Return the values of the complete lines of a file, each of which has `keys`. Raises DamagedFile."""
    lines = complete_lines(path)
    with damage_told(path):
        values = [json.loads(line) for line in lines]
        for value in values:
            for key in keys:
                value[key]
    return values
