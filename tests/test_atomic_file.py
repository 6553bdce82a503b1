"""A file is written whole or not at all, and what stands in the way is named."""

import pytest

from mvmlm.atomic_file import replace_file
from mvmlm.messages import error_message


def test_after_an_error_the_file_is_as_before(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), replace_file(path) as file:
        file.write(b"after")
        raise ZeroDivisionError
    assert path.read_bytes() == b"before" and [each.name for each in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_that_is_not_there_is_named_and_not_the_unfinished_file(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, replace_file(tmp_path / "nosuch" / "a.txt") as file:
        file.write(b"after")
    assert error_message(raised.value) == "nosuch: not found. Check the path."
