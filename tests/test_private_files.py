"""Nothing of a patient stays where other users, or a later run, could find it."""

import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mvmlm import temporary
from mvmlm.store import data_folder
from mvmlm.store.archive import add_open_exam
from mvmlm.store.data_folder import OPEN_TO_OTHERS, open_data_folder
from mvmlm.store.store import Store
from mvmlm.temporary import delete_leftovers, short_lived_folder, temporary_folder
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights of files as POSIX has them")
MAKE_AND_WAIT = """
import sys
from pathlib import Path
from mvmlm.temporary import temporary_folder
folder = temporary_folder("visit", Path(sys.argv[1]))
(folder / "original.dcm").write_bytes(b"a patient")
print(folder, flush=True)
sys.stdin.read()
"""


def modes(folder):
    return {stat.S_IMODE(path.lstat().st_mode) for path in [folder, *folder.rglob("*")] if path.is_dir()}, {
        stat.S_IMODE(path.lstat().st_mode) for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def process(tmp_path):
    """Another process with a temporary folder in `tmp_path`, and that folder. It ends when its input is closed."""
    command = [sys.executable, "-c", MAKE_AND_WAIT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as process:
        yield process, Path(process.stdout.readline().decode().strip())
        process.kill()


def test_the_folders_of_a_living_process_stay_and_those_of_a_killed_one_go(process, tmp_path):
    other, folder = process
    assert delete_leftovers(tmp_path) == 0 and (folder / "original.dcm").is_file()
    other.kill()
    other.wait()
    assert (folder / "original.dcm").is_file(), "a kill leaves the folder behind"
    assert delete_leftovers(tmp_path) == 1 and list(tmp_path.iterdir()) == []


def test_a_process_that_ends_deletes_its_folders(process, tmp_path):
    other, folder = process
    assert modes(tmp_path / folder.parent.name)[0] == {0o700}
    other.communicate()
    assert other.returncode == 0 and list(tmp_path.iterdir()) == []


def test_the_next_process_that_needs_a_folder_deletes_what_a_killed_one_left(process, tmp_path):
    other, folder = process
    other.kill()
    other.wait()
    mine = temporary_folder("visit", tmp_path)
    assert list(tmp_path.iterdir()) == [mine.parent]


def test_own_folders_are_not_left_over(tmp_path):
    mine = temporary_folder("visit", tmp_path)
    assert delete_leftovers(tmp_path) == 0 and mine.is_dir()
    other = temporary_folder("visit", tmp_path)
    assert other != mine and other.parent == mine.parent


def test_the_folder_of_a_thread_outlives_the_thread(tmp_path):
    folders = []
    thread = threading.Thread(target=lambda: folders.append(temporary_folder("visit", tmp_path)))
    thread.start()
    thread.join()
    command = (
        "import sys; from pathlib import Path; from mvmlm.temporary import delete_leftovers as d; d(Path(sys.argv[1]))"
    )
    subprocess.run([sys.executable, "-c", command, str(tmp_path)], cwd=ROOT, check=True)
    assert folders[0].is_dir() and temporary_folder("visit", tmp_path).parent == folders[0].parent


def test_a_folder_that_was_deleted_by_somebody_is_made_again(tmp_path):
    first = temporary_folder("visit", tmp_path)
    shutil.rmtree(first.parent)
    assert temporary_folder("visit", tmp_path).is_dir()


def test_folders_that_0_4_0_left_go_after_a_day_and_nothing_else_does(tmp_path):
    for name in ("mvmlm-visit-abcd1234", "mvmlm-import-abcd1234", "mvmlm-abcd1234/zip0", "mvmlm-checkout/src", "other"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mvmlm-visit-linklink").symlink_to(tmp_path / "elsewhere")
    assert delete_leftovers(tmp_path) == 0
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - temporary.UNLOCKED_SECONDS - 60,) * 2)
    assert delete_leftovers(tmp_path) == 3
    assert {path.name for path in tmp_path.iterdir()} == {
        "mvmlm-checkout",
        "other",
        "elsewhere",
        "mvmlm-visit-linklink",
    }


def test_a_block_has_a_folder_and_leaves_none():
    with short_lived_folder("import") as folder:
        (folder / "zip0").mkdir()
    assert not folder.exists()


def test_a_new_data_folder_is_private_with_all_it_holds(tmp_path, exam_files):
    before = os.umask(0o022)
    try:
        store = Store(tmp_path / "data")
        add_open_exam(store, exam_files[0], None, "ann")
        store.file.backup("test")
        assert modes(store.folder) == ({0o700}, {0o600})
        store.close()
    finally:
        os.umask(before)


def test_a_data_folder_that_was_open_to_others_is_closed_with_all_it_holds(tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(ROOT / "tests" / "data" / "v0_4_0" / "data", folder)
    (folder / "incoming" / "upload").mkdir(parents=True)
    (folder / "incoming" / "upload" / "original.dcm").touch()
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)
    Store(folder).close()
    assert modes(folder) == ({0o700}, {0o600})


def test_foreign_folders_and_files_behind_links_keep_their_rights(tmp_path):
    folder = tmp_path / "data"
    (folder / "mine").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.dcm").touch()
    for path in (folder / "mine", tmp_path / "outside", tmp_path / "outside" / "a.dcm"):
        path.chmod(0o755)
    (folder / "images").symlink_to(tmp_path / "outside")
    (folder / "link.dcm").symlink_to(tmp_path / "outside" / "a.dcm")
    folder.chmod(0o755)
    assert not open_data_folder(folder)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (folder / "mine", tmp_path / "outside", folder / "link.dcm")} == {
        0o755
    }


def test_a_data_folder_that_stays_open_is_said(tmp_path, monkeypatch):
    def refused(self, mode):
        raise PermissionError

    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    monkeypatch.setattr(Path, "chmod", refused)
    assert open_data_folder(tmp_path / "data") == OPEN_TO_OTHERS


def test_a_folder_that_all_users_share_keeps_its_rights_and_the_store_says_so(tmp_path):
    other = tmp_path / "shared" / "of_another_program.sh"
    other.parent.mkdir()
    other.touch()
    other.chmod(0o755)
    other.parent.chmod(0o1777)
    store = Store(other.parent)
    store.close()
    assert stat.S_IMODE(other.parent.stat().st_mode) == 0o1777 and stat.S_IMODE(other.stat().st_mode) == 0o755
    assert store.file.notices == [OPEN_TO_OTHERS] and stat.S_IMODE(store.file.path.stat().st_mode) == 0o600


def test_a_folder_of_another_user_keeps_its_rights(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o755)
    monkeypatch.setattr(data_folder.os, "geteuid", lambda: os.getuid() + 1)
    assert open_data_folder(tmp_path / "data") == OPEN_TO_OTHERS
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o755
