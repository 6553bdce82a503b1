"""What an error says to a person: the same words on the page, on stderr and in a job."""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Collection
from pathlib import Path
from typing import Any

_FILE_ERRORS: dict[type[OSError], str] = {
    FileNotFoundError: "not found. Check the path.",
    PermissionError: "access is denied. Check its permissions.",
    FileExistsError: "is a file. Name a folder.",
    NotADirectoryError: "is not a folder. Name a folder.",
    IsADirectoryError: "is a folder. Name a file.",
}
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # of a disk, a quota, and the largest file that a process may write
_NOT_WRITTEN = dict.fromkeys(FULL, "not written, the disk is full. Free space and try again.")
_NOT_WRITTEN[errno.EROFS] = "not written, its disk is read-only. Name a place that can be written to."

_QUOTATION, LONGEST_QUOTATION = re.compile("“[^”]*”?"), 40
_SCORE, _PACS = ("`mvmlm score`", "score"), ("`mvmlm pacs`", "pacs")
_EXTRAS = {
    "pyarrow": _SCORE,
    "ray": _SCORE,
    "dicomweb_client": _PACS,
    "pynetdicom": _PACS,
    "requests": _PACS,
    "highdicom": ("`mvmlm dicom-objects`", "pacs"),
    "rapidocr": ("text in pictures", "ocr"),
    "onnxruntime": ("text in pictures", "ocr"),
    "fhir": ("`mvmlm export --fhir`", "fhir"),
}  # of packages that do not belong to pretraining


class Advised(Exception):
    """An error that options of a program may mend.

    remedies: their names as parameters have them, such as "accept_changes". The message names no option: a call from
    Python and programs with other options raise it too.
    """

    def __init__(self, message: str, *remedies: str):
        super().__init__(message)
        self.remedies = remedies


def error_message(error: Exception) -> str:
    """Return one or two sentences on an error, with the name of its file and never its folder.

    The errors that this program raises hold such sentences already. Others get the type of the error as well.
    """
    if isinstance(error, OSError) and error.filename is not None:
        reason = _NOT_WRITTEN.get(error.errno or 0) or _FILE_ERRORS.get(type(error), f"{error.strerror}.")
        return f"{Path(str(error.filename)).name}: {reason}"
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        packages, extra = _EXTRAS.get(package, ("pretraining", "train"))
        install = f"Install the packages of {packages}: pip install '.[{extra}]' in the checkout."
        return f"{package} is not installed. {install}"
    if isinstance(error, UnicodeDecodeError):
        return "The file is not UTF-8 text. Save it as UTF-8."
    if isinstance(error, FileNotFoundError | ValueError | RuntimeError | FloatingPointError) and str(error):
        return str(error)
    if type(error).__module__.startswith("mvmlm.") and str(error):
        return str(error)
    first_line = re.sub(r"\s+", " ", str(error)).strip()
    return f"{type(error).__name__}: {first_line}"


_MARKS = str.maketrans("", "", "“”")


def quoted(value: str, known: Collection[str] = ()) -> str:
    """Return a value of a file as a sentence repeats it: as it is if it is one of `known`, else in quotation marks.

    At most 40 letters of it. What is stored of the sentence is `without_quotations`: the value may be a name.
    """
    return value if value in known else f"“{plain_line(value).translate(_MARKS)[:LONGEST_QUOTATION]}”"


def without_quotations(text: str) -> str:
    """Return a sentence with “…” in place of everything that it quotes of a file."""
    return _QUOTATION.sub("“…”", text)


def plain_line(text: str) -> str:
    """Return a text of a file or a table as one line that a terminal shows and does not obey.

    Blanks of any kind become " "; control characters and halves of surrogate pairs, which names of files in another
    encoding have, become U+FFFD.
    """
    return "".join(letter if letter.isprintable() else " " if letter.isspace() else "\ufffd" for letter in text)


def parsed_json(text: str | bytes) -> Any:
    """Return what a JSON text says. Raises ValueError that says in a clause why it says nothing."""
    try:
        return json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a JSON file ({error})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValueError as error:  # those of Python are about its own settings
        odd = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "a number has too many digits"
        raise ValueError(f"not a JSON file ({odd})") from None


def read_text(path: Path) -> str:
    """Return the text of a UTF-8 file, with or without a byte order mark. Raises ValueError for another encoding."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path.name}: not UTF-8 text. Save it as UTF-8.") from None
