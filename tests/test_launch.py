"""What the start of the app does before the page is there."""

import os
import socket
import subprocess
import sys

import pytest

from app.gate.server import NoPort, _listener
from mvmlm.temporary import PREFIX
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills a process, and reads rights as POSIX has them")
START = """
import runpy, sys
import app, mvmlm.supervisor

app.build = lambda *arguments: None
app.launch = lambda *arguments: None
mvmlm.supervisor.start_worker = lambda store, weights: print("worker", len(store.jobs.unfinished()), weights)
sys.argv = ["app.py", "--data", sys.argv[1]]
runpy.run_path("app.py", run_name="__main__")
"""
KILLED = """
import os, sys
from pathlib import Path
from mvmlm.store.store import Store
from mvmlm.store.uploads import queue_import
from mvmlm.temporary import temporary_folder

store = Store(Path(sys.argv[1]))
for name in ("waits.dcm", "stopped.dcm"):
    uploads = temporary_folder("visit")
    (uploads / name).touch()
    queue_import(store, uploads, "ann", name)
store.jobs.finish(2, "cancelled", "cancelled")
(temporary_folder("visit") / "open.dcm").touch()
(store.folder / "worker.log").write_bytes(b"values of files")
os.kill(os.getpid(), 9)
"""


def run(code, tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path / "tmp"), "HOME": str(tmp_path)}
    command = [sys.executable, "-c", code, str(tmp_path / "data")]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)


def test_after_a_kill_the_app_goes_on_with_waiting_jobs_and_deletes_what_is_left_over(tmp_path):
    (tmp_path / "tmp").mkdir()
    (tmp_path / "data").mkdir(mode=0o755)
    run(KILLED, tmp_path)
    names = {path.name for path in tmp_path.rglob("*")}
    assert {"waits.dcm", "stopped.dcm", "open.dcm", "worker.log"} <= names, "nothing was left over"
    started = run(START, tmp_path)
    assert started.stdout.strip() == "worker 1 demo", started.stderr
    names = {path.name for path in tmp_path.rglob("*")}
    assert "waits.dcm" in names and not names & {"stopped.dcm", "open.dcm", "worker.log"}
    assert list((tmp_path / "tmp").glob(PREFIX + "*")) == [], "and an app that ends leaves nothing"
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_an_address_at_which_the_app_cannot_listen_is_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for address, number in (("127.0.0.1", port), ("127.0.0.1", 99_999), ("192.0.2.1", None), ("nobody.invalid", 0)):
            with pytest.raises(NoPort, match=r"cannot listen at .*Choose another --port or --host\.$"):
                _listener(address, number)
