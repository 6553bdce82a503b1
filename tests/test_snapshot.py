"""Snapshots: what is put back is what was stored, wherever the folder is now, and nothing of a damaged one is used."""

import hashlib
import json
import shutil
import zipfile

import pytest

from mvmlm.reading.reading import Reading
from mvmlm.store.archive import add_open_exam, open_stored_exam
from mvmlm.store.database import FILE
from mvmlm.store.errors import StoreError
from mvmlm.store.snapshot import MANIFEST, restore_snapshot, write_snapshot
from mvmlm.store.store import Store

WORKSPACE = "workspaces/" + "a" * 32


@pytest.fixture
def folder(tmp_path, exam_files):
    """A data folder in use, with a read in its store and another in a workspace."""
    data = tmp_path / "data"
    for place in (data, data / WORKSPACE):
        store = Store(place)
        number = add_open_exam(store, exam_files[0], None, "ann")
        read = store.readings.start(number, "ann")
        store.readings.save(read.id, Reading(), Reading({(None, "density"): "C"}))
        (place / "tasks.toml").write_text("", encoding="utf-8")
    return data


@pytest.fixture
def written(folder, tmp_path):
    """A snapshot of it, and a folder with its images under their checksums."""
    snapshot = write_snapshot(folder, [folder, folder / WORKSPACE], tmp_path / "snapshot.zip")
    kept = tmp_path / "kept"
    kept.mkdir()
    for digest, image in snapshot.images.items():
        shutil.copyfile(image, kept / digest)
    return snapshot, kept


def test_what_is_put_back_is_what_was_stored(written, folder, tmp_path, decoder):
    snapshot, kept = written
    for target in (tmp_path / "elsewhere", folder):
        shutil.rmtree(folder, ignore_errors=True)  # the disk is lost
        assert restore_snapshot(snapshot.path, lambda digest: kept / digest, target) == 8
        for place in (target, target / WORKSPACE):
            store = Store(place)
            (read,) = store.readings.of_exam(1)
            assert read.reading.fields[None, "density"] == "C"
            assert len(open_stored_exam(store, 1, decoder).views) == 4, "its images are found where they are now"
            assert (place / "tasks.toml").is_file()
            store.close()
        assert not [path for path in target.iterdir() if path.name.startswith("restored")]
        shutil.rmtree(target)


def test_a_snapshot_names_the_last_change_that_it_holds(written, folder):
    changes = written[0].changes[folder]
    store = Store(folder)
    assert store.file.number("SELECT max(id) FROM history") == changes
    store.file.set("x", "y", "tests")
    assert store.file.number("SELECT max(id) FROM history") > changes
    store.close()


def test_a_folder_in_use_is_never_overwritten(written, folder):
    with pytest.raises(StoreError, match="holds a database"):
        restore_snapshot(written[0].path, lambda digest: written[1] / digest, folder)


def rewritten(snapshot, target, change):
    """A copy of a snapshot, changed."""
    with zipfile.ZipFile(snapshot) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(target, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    return target


def manifest(**changed):
    def change(members):
        members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | changed).encode()

    return change


def damaged_database(members):
    members[FILE] = members[FILE][:5000] + b"\0" * 5000 + members[FILE][10000:]


DIGEST = "0" * 64
CHANGES = {
    "a database with other bytes": damaged_database,
    "no manifest": lambda members: members.pop(MANIFEST),
    "a manifest that is no JSON": lambda members: members.update({MANIFEST: b"x"}),
    "a manifest that is a list": lambda members: members.update({MANIFEST: b"[]"}),
    "files that are a list": manifest(files=[]),
    "no database": manifest(files={}),
    "another format": manifest(format=2),
    "a file outside of the folder": manifest(files={"../x": DIGEST}),
    "an image outside of the folder": manifest(images={"../images/x.dcm": DIGEST}),
    "an absolute path": manifest(images={"/etc/passwd": DIGEST}),
    "a checksum that is a path": manifest(images={"images/0123456789abcdef/R_CC.dcm": "../../etc/passwd"}),
    "a file that is not there": manifest(files={FILE: DIGEST, "tasks.toml": DIGEST, WORKSPACE + "/x": DIGEST}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_nothing_of_a_damaged_snapshot_is_used(written, tmp_path, what):
    broken = rewritten(written[0].path, tmp_path / "broken.zip", CHANGES[what])
    with pytest.raises(StoreError, match="cannot be used"):
        restore_snapshot(broken, lambda digest: written[1] / digest, tmp_path / "new")
    assert list((tmp_path / "new").rglob("*.sqlite")) == [] and not (tmp_path / "new" / "images").exists()


def test_a_snapshot_that_was_damaged_on_its_way_or_has_a_password_is_not_used(written, tmp_path):
    data = written[0].path.read_bytes()
    with zipfile.ZipFile(written[0].path) as archive:
        start = archive.getinfo(FILE).header_offset + 200
    locked = bytearray(data)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.index(mark)
        locked[at + place] |= 1  # encrypted, says its header
    for broken in (data[:start] + b"\xff" * 200 + data[start + 200 :], data[: len(data) // 2], bytes(locked)):
        written[0].path.write_bytes(broken)
        with pytest.raises(StoreError, match="it is damaged"):
            restore_snapshot(written[0].path, lambda digest: written[1] / digest, tmp_path / "new")
        assert not (tmp_path / "new" / FILE).exists()


def test_what_is_no_image_of_the_program_keeps_no_snapshot_from_being_put_back(folder, tmp_path):
    image = next((folder / "images").glob("*/*.dcm"))
    (image.parent / f"._{image.name}").write_bytes(b"made by another system")
    snapshot = write_snapshot(folder, [folder], tmp_path / "snapshot.zip")
    assert restore_snapshot(snapshot.path, snapshot.images.__getitem__, tmp_path / "new") == 4


def test_a_damaged_image_and_what_is_no_zip_are_refused(written, tmp_path):
    snapshot, kept = written
    next(kept.iterdir()).write_bytes(b"other")
    with pytest.raises(StoreError, match="an image is damaged"):
        restore_snapshot(snapshot.path, lambda digest: kept / digest, tmp_path / "new")
    snapshot.path.write_bytes(b"no zip")
    with pytest.raises(StoreError, match="it is damaged"):
        restore_snapshot(snapshot.path, lambda digest: kept / digest, tmp_path / "new")


def test_a_snapshot_with_a_database_that_is_damaged_inside_is_refused(written, tmp_path):
    def change(members):
        damaged_database(members)
        values = json.loads(members[MANIFEST])
        values["files"][FILE] = hashlib.sha256(members[FILE]).hexdigest()
        members[MANIFEST] = json.dumps(values).encode()

    broken = rewritten(written[0].path, tmp_path / "broken.zip", change)
    with pytest.raises(StoreError, match="database is damaged"):
        restore_snapshot(broken, lambda digest: written[1] / digest, tmp_path / "new")
    assert list((tmp_path / "new").rglob("*.sqlite")) == []
