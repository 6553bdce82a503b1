"""Exams wait for a network in the order in which they came; a GPU reads those that wait together, each for itself."""

import threading
import time
from dataclasses import replace

import pytest
import torch

from mvmlm.inference import waiting_reads
from mvmlm.inference.prepared import prepare_exam
from mvmlm.inference.waiting_reads import AT_ONCE_ON_GPU, WaitingReads, at_once


class Network:
    """A predictor whose passes wait until they are let go. fails: exams that no pass can hold."""

    def __init__(self, device, model="network"):
        self.device, self.model = torch.device(device), model
        self.passes, self.fails, self.may_read = [], set(), threading.Semaphore(0)

    def encode_prepared(self, exams):
        self.passes.append(list(exams))
        assert self.may_read.acquire(timeout=10)
        if self.fails & set(exams):
            raise ValueError(f"{exams} cannot be read")
        return [f"read {exam}" for exam in exams]


class Readers:
    """Readers who ask one after the other, each in a thread of its own."""

    def __init__(self):
        self.reads, self.threads, self.found = WaitingReads(), [], {}

    def ask(self, predictor, exam):
        """Ask for an exam, and return when it waits or is being read."""

        def read():
            try:
                self.found[exam] = self.reads.encode(predictor, exam)
            except ValueError as error:
                self.found[exam] = str(error)

        waiting = len(self.reads._waiting)
        self.threads.append(threading.Thread(target=read))
        self.threads[-1].start()
        if len(self.threads) == 1:
            wait_for(lambda: predictor.passes)
        else:
            wait_for(lambda: len(self.reads._waiting) == waiting + 1)

    def end(self):
        for thread in self.threads:
            thread.join(10)
        return self.found


def wait_for(state):
    end = time.monotonic() + 10
    while not state():
        assert time.monotonic() < end, "does not come"
        time.sleep(0.005)


def test_a_cpu_reads_one_exam_after_the_other_in_the_order_in_which_they_came():
    network, readers = Network("cpu"), Readers()
    for exam in "abcdef":
        readers.ask(network, exam)
    network.may_read.release(9)
    assert readers.end() == {exam: f"read {exam}" for exam in "abcdef"}
    assert network.passes == [[exam] for exam in "abcdef"]


def test_a_gpu_reads_those_that_waited_together_and_never_more_than_it_may(monkeypatch):
    monkeypatch.setattr(waiting_reads, "AT_ONCE_ON_GPU", 3)
    network, readers = Network("cuda"), Readers()
    for exam in "abcdef":
        readers.ask(network, exam)
    network.may_read.release(9)
    assert readers.end() == {exam: f"read {exam}" for exam in "abcdef"}
    assert network.passes == [["a"], ["b", "c", "d"], ["e", "f"]]


def test_who_was_read_does_not_wait_for_those_who_came_later():
    network, readers = Network("cpu"), Readers()
    for exam in "abc":
        readers.ask(network, exam)
    network.may_read.release(2)
    wait_for(lambda: {"a", "b"} <= readers.found.keys())
    wait_for(lambda: network.passes == [["a"], ["b"], ["c"]])
    assert "c" not in readers.found
    network.may_read.release()
    assert readers.end()["c"] == "read c"


def test_exams_for_another_network_are_no_part_of_the_pass():
    ours, theirs, readers = Network("cuda"), Network("cuda", "other"), Readers()
    for network, exam in ((ours, "a"), (ours, "b"), (theirs, "c"), (ours, "d")):
        readers.ask(network, exam)
    ours.may_read.release(9)
    theirs.may_read.release(9)
    assert readers.end() == {exam: f"read {exam}" for exam in "abcd"}
    assert ours.passes == [["a"], ["b", "d"]] and theirs.passes == [["c"]]


def test_an_exam_that_ends_a_pass_fails_for_its_reader_alone():
    network, readers = Network("cuda"), Readers()
    network.fails = {"c"}
    for exam in "abcd":
        readers.ask(network, exam)
    network.may_read.release(9)
    assert readers.end() == {"a": "read a", "b": "read b", "c": "['c'] cannot be read", "d": "read d"}


def test_what_is_read_together_is_what_is_read_alone(small_predictor, phantom, monkeypatch):
    """With the real network: each reader gets the encoding of the own exam, of other views than the others'."""
    monkeypatch.setattr(waiting_reads, "AT_ONCE_ON_CPU", 4)
    views = list(phantom.exam.views.items())
    exams = [replace(phantom.exam, views=dict(views[first:])) for first in range(4)]
    prepared = [prepare_exam(small_predictor.model, exam) for exam in exams]
    together = [waiting_reads._Waiting(small_predictor, one, waiting_reads.Future()) for one in prepared]
    waiting_reads._read(together)
    for one, waited in zip(prepared, together, strict=True):
        alone, found = small_predictor.encode_prepared([one])[0], waited.encoding.result()
        assert found.names == alone.names
        assert torch.allclose(found.fused.exam, alone.fused.exam, atol=1e-5)


@pytest.mark.parametrize("device, exams", [("cpu", 1), ("cuda", AT_ONCE_ON_GPU), ("mps", AT_ONCE_ON_GPU)])
def test_how_many_exams_a_device_reads_at_once(device, exams):
    assert at_once(torch.device(device)) == exams
