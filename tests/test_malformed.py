"""Every malformed input of `tests/malformed` gets its sentence, soon and in little memory; docs/faults.md lists them."""

import os
import threading
import time
from contextlib import contextmanager

import psutil
import pytest

from tests.conftest import ROOT
from tests.malformed import (
    archives,
    checkpoints,
    dicom_structure,
    headers,
    imports,
    pictures,
    pixel_data,
    reports_of_others,
    settings,
    tables,
    viewer_marks,
)
from tests.malformed.case import Bench
from tests.malformed.page import page

MODULES = (
    dicom_structure,
    pixel_data,
    headers,
    pictures,
    archives,
    settings,
    viewer_marks,
    imports,
    tables,
    checkpoints,
    reports_of_others,
)
CASES = [case for module in MODULES for case in module.CASES]
MOST_SECONDS, MOST_BYTES, MOST_LETTERS = 10.0, 2_000_000_000, 100_000
HERE = (str(ROOT), os.path.expanduser("~"), "site-packages", "Traceback", "object at 0x")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.kind}: {case.what}")
@pytest.mark.filterwarnings("ignore")
def test_the_user_is_told_what_is_wrong_soon_and_in_little_memory(tmp_path, request, case):
    bench = Bench(tmp_path, request.getfixturevalue)
    for name in case.fixtures:
        bench.fixture(name)
    with peak_memory(case.costly) as peak:
        started = time.monotonic()
        told = case.tell(bench)
        seconds = time.monotonic() - started
    assert case.told in told
    assert not [word for word in (*HERE, str(tmp_path)) if word in told], "of this machine or of the program's inside"
    assert seconds < MOST_SECONDS and len(told) < MOST_LETTERS and peak[0] < MOST_BYTES


@contextmanager
def peak_memory(measured):
    """The most memory that this process takes more than before, with all that its child processes take, in bytes."""
    peak, ended, own = [0], threading.Event(), psutil.Process()
    before = own.memory_info().rss

    def watch():
        while measured and not ended.wait(0.05):
            taken = own.memory_info().rss - before
            for child in own.children(recursive=True):
                try:
                    taken += child.memory_info().rss
                except psutil.Error:  # it has ended
                    pass
            peak[0] = max(peak[0], taken)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def test_there_are_at_least_150_inputs_and_each_is_described_once():
    described = {(case.kind, case.what) for case in CASES}
    assert len(described) == len(CASES) >= 150
    assert all(case.told for case in CASES)


def test_the_page_on_faults_tells_of_every_kind_what_is_tested():
    """`python -m tests.malformed.page` writes it anew."""
    assert (ROOT / "docs" / "faults.md").read_text(encoding="utf-8") == page(CASES)
