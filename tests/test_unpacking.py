"""What a zip may take: of memory, of the disk, and of what all who have something open may take together."""

import errno
import os
import shutil
import zipfile
from types import SimpleNamespace

import pytest

from mvmlm.imaging import unpacking
from mvmlm.imaging.files import list_files

MEMBER = os.urandom(60_000)  # does not pack


def write_zips(folder, count):
    folder.mkdir()
    for number in range(count):
        with zipfile.ZipFile(folder / f"{number}.zip", "w") as archive:
            archive.writestr("a.bin", MEMBER)
    return sorted(folder.iterdir())


def unpacked_bytes(folder):
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.fixture(autouse=True)
def small_limits(monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES", 150_000)
    monkeypatch.setattr(unpacking, "MAX_UNPACKED_BYTES_IN_ALL", 250_000)
    monkeypatch.setattr(unpacking, "_BUDGETS", {})


def test_the_zips_of_one_call_share_one_limit(tmp_path, decoder):
    listing = list_files(write_zips(tmp_path / "given", 8), tmp_path / "out", decoder)
    refused = [item for item in listing.set_aside if item.code == "zip-too-large"]
    assert unpacked_bytes(tmp_path / "out") == 2 * len(MEMBER)
    assert [item.file for item in refused] == [f"{number}.zip" for number in range(2, 8)]
    assert "are unpacked from the zips before it" in refused[0].reason and "Give fewer zips" in refused[0].reason


def test_a_zip_that_is_too_large_is_refused_before_anything_is_written(tmp_path, decoder):
    with zipfile.ZipFile(tmp_path / "large.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.bin", MEMBER)
    listing = list_files([tmp_path / "large.zip"], tmp_path / "out", decoder)
    assert [item.file for item in listing.set_aside] == ["large.zip"] and unpacked_bytes(tmp_path / "out") == 0


def test_all_calls_share_one_limit_until_their_folders_are_deleted(tmp_path, decoder):
    zips = write_zips(tmp_path / "given", 2)
    for name in ("first", "second"):
        list_files(zips, tmp_path / name, decoder)
    third = list_files(zips, tmp_path / "third", decoder)
    assert {item.code for item in third.set_aside} == {"zips-in-use"} and unpacked_bytes(tmp_path / "third") == 0
    assert "Try again" in third.set_aside[0].reason
    shutil.rmtree(tmp_path / "first")
    fourth = list_files(zips, tmp_path / "fourth", decoder)
    assert "zips-in-use" not in {item.code for item in fourth.set_aside}
    assert unpacked_bytes(tmp_path / "fourth") == 2 * len(MEMBER)


def test_nothing_is_unpacked_where_the_disk_has_no_room(tmp_path, decoder, monkeypatch):
    free = SimpleNamespace(free=unpacking.MIN_FREE_BYTES + len(MEMBER) - 1)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda folder: free)
    listing = list_files(write_zips(tmp_path / "given", 1), tmp_path / "out", decoder)
    assert [item.code for item in listing.set_aside] == ["disk-full"] and unpacked_bytes(tmp_path / "out") == 0
    assert "the disk has no room" in listing.set_aside[0].reason


def test_what_others_are_still_writing_counts_as_taken_on_the_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(
        unpacking.shutil, "disk_usage", lambda folder: SimpleNamespace(free=unpacking.MIN_FREE_BYTES + 100_000)
    )
    first, second = (unpacking.UnpackingBudget(tmp_path / name) for name in ("first", "second"))
    assert first.grant(60_000) is None and second.grant(60_000)[0] == "disk-full"
    first.written = 60_000  # then the disk itself shows it
    assert second.grant(60_000) is None


def test_a_disk_that_fills_up_while_unpacking_is_not_called_a_damaged_zip(tmp_path, decoder, monkeypatch):
    def full(source, target, limit):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(unpacking, "_copy_at_most", full)
    listing = list_files(write_zips(tmp_path / "given", 1), tmp_path / "out", decoder)
    assert [(item.file, item.code) for item in listing.set_aside] == [("a.bin", "disk-full")]


def test_a_zip_with_a_huge_list_of_files_is_refused_before_the_list_is_read(tmp_path, decoder, monkeypatch):
    monkeypatch.setattr(unpacking, "MAX_DIRECTORY_BYTES", 20_000)
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for number in range(400):
            archive.writestr(f"{number}.bin", b"")
    listing = list_files([tmp_path / "many.zip"], tmp_path / "out", decoder)
    assert [item.code for item in listing.set_aside] == ["too-many-files"] and not (tmp_path / "out").exists()
