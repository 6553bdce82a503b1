"""The modality LUT and the rescale: exact where whole numbers allow it, never wrapped round, in little memory."""

import tracemalloc

import numpy as np
import pytest

from mvmlm.imaging.lut import LookupTable
from mvmlm.imaging.modality import Modality


@pytest.mark.parametrize(
    "stored, slope, intercept, kind",
    [
        (np.arange(4096, dtype="u2"), 1, -1024, "i2"),
        (np.arange(4096, dtype="u2"), 16, 0, "u2"),
        (np.arange(4096, dtype="u2"), 2, 70000, "i4"),
        (np.arange(-2048, 2048, dtype="i2"), -3, 7, "i2"),
        (np.arange(0, 65536, dtype="u2"), 1000, 5, "i4"),
        (np.arange(256, dtype="u1"), 257, 0, "u2"),
    ],
)
def test_whole_numbers_stay_exact_in_the_smallest_type(stored, slope, intercept, kind):
    got = Modality(float(slope), float(intercept))(stored)
    assert got.dtype == kind
    assert got.tolist() == [int(value) * slope + intercept for value in stored.tolist()]


@pytest.mark.parametrize("slope, intercept", [(100000, 0), (40000, 2**30), (1, 10**9 * 4), (0.25, 0.1), (-0.003, 12)])
def test_what_no_whole_type_holds_is_a_fraction_and_never_wraps_round(slope, intercept):
    stored = np.array([0, 1, 40000, 65535], "u2")
    got = Modality(float(slope), float(intercept))(stored)
    assert got.dtype == np.float32
    assert np.allclose(got, [value * slope + intercept for value in stored.tolist()], rtol=1e-6)


def test_a_rescale_takes_no_more_than_its_result_and_one_array_beside_it():
    stored = np.zeros((2000, 2000), "u2")
    for slope in (0.25, 3.0):
        tracemalloc.start()
        Modality(slope, 1.0)(stored)
        assert tracemalloc.get_traced_memory()[1] <= 2 * 4 * stored.size + 100_000
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "u4"])
@pytest.mark.parametrize("first", [-40000, -100, 0, 60, 70000])
def test_a_table_is_held_at_its_ends_for_every_type(kind, first):
    limits, entries = np.iinfo(kind), np.arange(10, 110, dtype=np.uint16)
    values = np.array([limits.min, limits.min + 1, 0, 50, 99, limits.max], kind)
    expected = [int(entries[min(max(int(value) - first, 0), 99)]) for value in values]
    assert LookupTable(first, entries, 8)(values).tolist() == expected
    every = np.arange(limits.min, limits.max + 1, dtype=kind) if limits.max < 40000 else values
    assert LookupTable(first, entries, 8)(every).shape == every.shape
