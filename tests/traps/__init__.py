"""Traps: well-formed files that mislead, each with what must become of it. One module a subject; `tests/test_traps.py` springs them all."""
