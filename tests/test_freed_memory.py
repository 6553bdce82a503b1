"""What was freed goes back to the system, when the visits of closed pages are ended; elsewhere than on glibc nothing is done."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from app import freed_memory, visits
from app.viewer.pixel_server import PixelServer
from app.visits import Visits
from tests.conftest import ROOT

#: twelve threads that allocate at once; then the number of pools, and how much memory goes back when all is freed
FREED = """
import ctypes, sys, threading
import psutil
from app.freed_memory import give_back, keep_few_arenas
if sys.argv[2] == "few":
    keep_few_arenas()
at_once, kept = threading.Barrier(12), []
def work():
    blocks = [ctypes.create_string_buffer(60_000) for _ in range(400)]
    at_once.wait()
    kept.append(blocks.pop())
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
library = ctypes.CDLL(None)
library.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(library.fopen(sys.argv[1].encode(), b"w"))
library.malloc_info(0, file)
library.fclose(file)
before = psutil.Process().memory_info().rss
give_back()
print(open(sys.argv[1]).read().count("<heap nr="), before - psutil.Process().memory_info().rss)
"""


@pytest.mark.skipif(freed_memory._glibc() is None, reason="another C library than glibc")
@pytest.mark.parametrize("arenas", ["few", "many"])
def test_threads_share_few_pools_and_freed_memory_goes_back_to_the_system(arenas, tmp_path):
    command = [sys.executable, "-c", FREED, str(tmp_path / "pools.xml"), arenas]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    pools, given_back = map(int, done.stdout.split())
    assert given_back > 5_000_000
    assert pools <= 4 if arenas == "few" else pools >= 8, "some are there before"


@pytest.mark.parametrize("platform, library", [("win32", None), ("linux", SimpleNamespace())])
def test_without_glibc_nothing_is_done(platform, library, monkeypatch):
    monkeypatch.setattr(freed_memory.sys, "platform", platform)
    monkeypatch.setattr(freed_memory.ctypes, "CDLL", lambda name: library)
    freed_memory.keep_few_arenas()
    freed_memory.give_back()


def test_memory_is_given_back_once_when_a_closed_page_is_forgotten(monkeypatch):
    given = []
    monkeypatch.setattr(visits, "give_back", lambda: given.append("memory"))
    pages, forgotten = Visits(PixelServer(), forgotten_first(given)), ["session a", "memory"]
    request = SimpleNamespace(session_hash="a", cookies={}, query_params={})
    pages.arrive("window", request)
    pages.sweep()
    assert given == [], "the page is open"
    pages.leave(request)
    for _ in range(2):
        pages.sweep()
        assert given == forgotten


def forgotten_first(given):
    """Takes down the sessions that are forgotten, among the moments in which memory is given back."""
    return lambda session: given.append(f"session {session}")
