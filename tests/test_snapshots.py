"""Snapshots in a private data set of the hub: made under new names, checked and put back at the start."""

import os
import re
import shutil
import subprocess
import sys

import gradio as gr
import pytest
from huggingface_hub import constants
from starlette.requests import Request

from app.mode import NotReady
from app.snapshots import DURABLE, FAILED, HERE_ONLY, DurableLine, Snapshots, snapshots_of
from mvmlm.private_log import PrivateLog
from mvmlm.reading.reading import Reading
from mvmlm.store.archive import add_open_exam
from mvmlm.store.errors import StoreError
from mvmlm.store.store import Store
from tests.conftest import ROOT
from tests.stub_dataset import NAME, TOKEN, stub_dataset
from tests.test_published_download import reached_at

sys.path.insert(0, str(ROOT / "scripts"))
from page_client import PageClient


@pytest.fixture
def hub(monkeypatch):
    with stub_dataset() as hub:
        reached_at(monkeypatch, constants, hub.address)
        monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
        yield hub


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def snapshots(hub, folder):
    return Snapshots(NAME, TOKEN, folder, lambda: [folder])


@pytest.fixture
def store(folder, exam_files):
    """A store with one read."""
    store = Store(folder)
    number = add_open_exam(store, exam_files[0], None, "ann")
    read = store.readings.start(number, "ann")
    store.readings.save(read.id, Reading(), Reading({(None, "density"): "C"}))
    yield store
    store.close()


def setting_put_back(folder):
    """The setting "x" of the newest snapshot, after the disk was lost."""
    shutil.rmtree(folder)
    Snapshots(NAME, TOKEN, folder, lambda: [folder]).restore()
    store = Store(folder)
    found = store.file.setting("x")
    store.close()
    return found


def test_what_a_lost_disk_held_is_put_back_at_the_next_start(hub, snapshots, store, folder):
    snapshots.check()
    assert snapshots.restore() == "", "a folder in use is left alone"
    assert snapshots.save() and len(hub.files) == 5
    store.close()
    shutil.rmtree(folder)
    after = Snapshots(NAME, TOKEN, folder, lambda: [folder])
    assert re.fullmatch(r"The snapshot of \d{8}T\d{6} was checked and put back, with 4 images.", after.restore())
    again = Store(folder)
    assert again.readings.of_exam(1)[0].reading.fields[None, "density"] == "C"
    again.close()


def test_each_snapshot_has_a_new_name_and_an_image_is_sent_once(hub, snapshots, store):
    assert snapshots.save() and snapshots.save()
    assert hub.commits == 1, "nothing had changed"
    store.file.set("x", "y", "tests")
    first = dict(hub.files)
    assert snapshots.save() and hub.commits == 2
    assert len(hub.files) == len(first) + 1 and first.items() <= hub.files.items()


def test_a_snapshot_is_the_newest_also_where_the_clock_was_set_back(hub, snapshots, store, folder):
    snapshots.save()
    (first,) = (name for name in hub.files if name.startswith("snapshots/"))
    last_of_all = "snapshots/29991231T235959.999999Z.zip"
    hub.files[last_of_all] = hub.files.pop(first)
    store.file.set("x", "newest", "tests")
    assert Snapshots(NAME, TOKEN, folder, lambda: [folder]).save()
    assert hub.files.keys() >= {last_of_all, "snapshots/30000101T000000.000000Z.zip"}
    store.close()
    assert setting_put_back(folder) == "newest"


def test_a_later_start_sends_no_image_again(hub, snapshots, store, folder):
    snapshots.save()
    store.close()
    shutil.rmtree(folder)
    after = Snapshots(NAME, TOKEN, folder, lambda: [folder])
    after.restore()
    again = Store(folder)
    again.file.set("x", "y", "tests")
    assert after.save() and sum(name.startswith("images/") for name in hub.files) == 4
    again.close()


def test_saved_here_is_told_from_saved_durably(hub, snapshots, store):
    assert snapshots.state_of(store) == HERE_ONLY
    snapshots.save()
    assert snapshots.state_of(store) == DURABLE
    store.file.set("x", "y", "tests")
    assert snapshots.state_of(store) == HERE_ONLY
    hub.down = True
    assert not snapshots.save() and snapshots.state_of(store) == FAILED
    hub.down = False
    assert snapshots.save() and snapshots.state_of(store) == DURABLE


def test_a_failure_is_reported_without_token_and_names(hub, folder, store):
    log = PrivateLog(folder / "app.log")
    snapshots = Snapshots(NAME, TOKEN, folder, lambda: [folder], log.failure)
    hub.down = True
    assert not snapshots.save()
    told = (folder / "app.log").read_text(encoding="utf-8")
    assert "a snapshot failed" in told and "app/snapshots.py" in told
    assert TOKEN not in told and str(folder) not in told


def test_a_locked_or_damaged_database_is_a_failed_snapshot_and_the_next_one_is_made(hub, snapshots, store, folder):
    assert snapshots.save()
    store.file.set("x", "y", "tests")
    whole = (folder / "mvmlm.sqlite").read_bytes()
    store.close()
    for broken in (b"no database", whole[:5000]):
        (folder / "mvmlm.sqlite").write_bytes(broken)
        assert not snapshots.save()
    (folder / "mvmlm.sqlite").write_bytes(b"")
    assert not snapshots.save() and hub.commits == 1, "an empty one in its place is none of a store"


def test_the_newest_snapshot_is_taken_and_a_damaged_one_is_not_used(hub, snapshots, store, folder):
    snapshots.save()
    store.file.set("x", "newest", "tests")
    snapshots.save()
    store.close()
    assert setting_put_back(folder) == "newest"
    shutil.rmtree(folder)
    newest = max(name for name in hub.files if name.startswith("snapshots/"))
    hub.files[newest] = b"no zip"
    with pytest.raises(StoreError, match="cannot be used"):
        Snapshots(NAME, TOKEN, folder, lambda: [folder]).restore()


def test_a_public_a_missing_and_a_silent_data_set_keep_the_app_from_starting(hub, folder, snapshots):
    hub.private = False
    with pytest.raises(NotReady, match="public"):
        snapshots.check()
    with pytest.raises(NotReady, match="no such data set"):
        Snapshots(NAME, "wrong", folder, lambda: []).check()
    hub.down = True
    with pytest.raises(NotReady, match="does not answer"):
        snapshots.check()
    with pytest.raises(NotReady, match="could not be fetched"):
        snapshots.restore()
    assert not (folder / "mvmlm.sqlite").exists()


def test_without_the_variable_there_are_none_and_half_of_it_keeps_the_app_from_starting(folder):
    assert snapshots_of({}, folder, lambda: []) is None
    for wrong in ("labels", "a/b/c", "../x/y"):
        with pytest.raises(NotReady, match="OWNER/NAME"):
            snapshots_of({"MVMLM_SNAPSHOTS": wrong, "HF_TOKEN": "x"}, folder, lambda: [])
    with pytest.raises(NotReady, match="HF_TOKEN"):
        snapshots_of({"MVMLM_SNAPSHOTS": NAME}, folder, lambda: [])
    assert snapshots_of({"MVMLM_SNAPSHOTS": NAME, "HF_TOKEN": "x"}, folder, lambda: [])


def started(folder, hub):
    """The program with snapshots, when it answers; and its address."""
    settings = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    settings |= {"HF_ENDPOINT": hub.address, "MVMLM_SNAPSHOTS": NAME, "HF_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "app.py", "--data", str(folder)]
    process = subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said = ""
    for line in process.stdout:
        said += line
        if found := re.search(r"http://[\w.]+:\d+", line):
            return process, found[0], said
    raise AssertionError(said)


def test_the_program_saves_when_it_is_stopped_and_begins_with_what_was_saved(hub, folder):
    process, address, _ = started(folder, hub)
    page = PageClient(address)
    page.raise_event("demo-phantom", "click", follow=False)
    page.raise_event("start-reading", "click", {"reader": "Ann"}, follow=False)
    process.terminate()
    process.wait(60)
    assert any(name.startswith("snapshots/") for name in hub.files)
    shutil.rmtree(folder)
    process, address, said = started(folder, hub)
    assert "was checked and put back, with 4 images" in said
    process.terminate()
    process.wait(60)
    store = Store(folder)
    assert [read.reader for read in store.readings.of_exam(1)] == ["Ann"]
    store.close()


def test_the_line_on_the_page_is_for_who_keeps_something(snapshots, store):
    request = gr.Request(Request({"type": "http", "method": "GET", "path": "/", "headers": []}))
    line = DurableLine(snapshots, store, public=False)
    assert HERE_ONLY in line.show(request)
    snapshots.save()
    assert DURABLE in line.show(request)
    assert DurableLine(snapshots, store, public=True).show(request) == ""
