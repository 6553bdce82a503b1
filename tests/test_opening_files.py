"""Opening many files: what is done is told, and it can be stopped."""

from threading import Event

import pytest

from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.decoder import Decoder, Step, Stopped
from mvmlm.imaging.load import load_exam
from tests.test_load import write, write_four

FILES = 6


def many(folder):
    for number in range(FILES):
        write(folder, STANDARD_VIEWS[number % 4], file=f"{number}.dcm")
    return folder


def test_each_step_tells_how_many_of_how_many_files_are_done(tmp_path, decoder):
    told = []
    load_exam(many(tmp_path), decoder=decoder.reporting(lambda *what: told.append(what)))
    for step in Step:
        done = [count for told_step, count, of in told if told_step is step and of == FILES]
        assert done[0] == 0 and done == sorted(done) and set(done) >= set(range(FILES)), step
    assert list(dict.fromkeys(what[0] for what in told)) == list(Step)


@pytest.mark.parametrize("step", Step)
def test_a_reader_who_stops_ends_every_step(tmp_path, decoder, step):
    def stop(at, done, count):
        if at is step and done == 2:
            raise Stopped

    with pytest.raises(Stopped):
        load_exam(many(tmp_path), decoder=decoder.reporting(stop))
    assert len(load_exam(write_four(tmp_path / "next"), decoder=decoder).views) == 4, "the next exam opens as ever"


def test_stopping_waits_for_no_file_that_takes_long(tmp_path, monkeypatch):
    """A file that keeps a worker busy; those behind it are never begun."""
    begun, free = [], Event()

    def slow(decoder, path):
        begun.append(path.name)
        free.wait(60)

    def stop(step, done, count):
        if begun:
            raise Stopped

    monkeypatch.setattr(Decoder, "_header", slow)
    decoder = Decoder(workers=1)
    try:
        with pytest.raises(Stopped):
            load_exam(many(tmp_path), decoder=decoder.reporting(stop))
    finally:
        free.set()
    decoder._threads.shutdown(wait=True)
    assert begun == ["0.dcm"]


def test_other_readers_of_the_same_processes_hear_nothing(tmp_path, decoder):
    decoder.reporting(lambda *what: pytest.fail("told to somebody else"))
    assert len(load_exam(write_four(tmp_path / "e"), decoder=decoder).views) == 4
