"""A GPU that is lent for each pass reads the same as the CPU, and the CPU reads where none is lent. A stand-in lends."""

import logging
import sys
from types import SimpleNamespace

import gradio as gr
import pytest
import torch

from app.read.other_predictors import BUNDLED, OtherPredictors
from app.zero_gpu import LONGEST_SECONDS, LentGpu, is_lent, model_device
from mvmlm import load_model
from tests.test_packaging import pins


class Lender:
    """Stands for the package `spaces`. refuses: as for a visitor who has no time on a GPU left."""

    def __init__(self):
        self.passes, self.started, self.refuses, self.duration = 0, 0, False, None
        self.modules = {
            "spaces": SimpleNamespace(GPU=self.decorate),
            "spaces.zero": SimpleNamespace(startup=self.start),
        }

    def decorate(self, duration):
        self.duration = duration

        def decorated(task):
            def run(*arguments):
                if self.refuses:
                    raise gr.Error("GPU quota exceeded", print_exception=False)
                self.passes += 1
                return task(*arguments)

            return run

        return decorated

    def start(self):
        assert self.duration is not None, "a Space fails that has decorated nothing by now"
        self.started += 1


@pytest.fixture
def lender(monkeypatch):
    found = Lender()
    for name, module in found.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return found


def test_every_pass_of_the_trunk_runs_on_the_lent_gpu_and_gives_the_same_answers(lender, small_weights, phantom):
    plain, lent = load_model(small_weights, "cpu"), load_model(small_weights, "cpu")
    served = LentGpu("cpu").serve(lent).predict(phantom.exam)
    assert (lender.passes, lender.duration) == (1, LONGEST_SECONDS)
    for answer, first in zip(served.answers, plain.predict(phantom.exam).answers, strict=True):
        assert answer.probability == pytest.approx(first.probability, abs=1e-6)


def test_the_cpu_reads_where_no_gpu_is_lent_and_the_log_says_so(lender, small_weights, phantom, caplog):
    plain, lent = load_model(small_weights, "cpu"), load_model(small_weights, "cpu")
    LentGpu("cpu").serve(lent)
    lender.refuses = True
    with caplog.at_level(logging.WARNING):
        theirs, ours = (each.encode(phantom.exam)[0].fused.exam for each in (plain, lent))
    assert torch.allclose(theirs, ours) and lender.passes == 0
    assert "No GPU was lent" in caplog.text and "quota" not in caplog.text


def test_what_left_the_gpu_lies_in_the_memory_of_the_cpu(lender, small_weights, phantom):
    """Tensors of a GPU cannot be sent from the process that has it; `meta` stands for one."""
    predictor = load_model(small_weights, "cpu")
    gpu, moved = LentGpu("cpu"), []
    trunk = predictor.model.trunks()["trunk"][0]
    gpu.serve(predictor)
    trunk.register_forward_hook(lambda module, given, found: tuple(Told(each, moved) for each in found))
    predictor.encode(phantom.exam)
    assert moved == ["cpu", "cpu"]


class Told:
    """A tensor that tells when it is sent to the memory of the CPU."""

    def __init__(self, tensor, moved):
        self.tensor, self.moved = tensor, moved

    def cpu(self):
        self.moved.append("cpu")
        return self.tensor


def test_the_start_is_reported_once_to_the_space(lender):
    LentGpu("cpu")
    assert lender.started == 1


@pytest.mark.parametrize("value, lent", [("true", True), ("1", True), ("False", False), ("", False), (None, False)])
def test_models_are_loaded_on_the_cpu_where_a_gpu_is_lent(value, lent, store, monkeypatch):
    environment = {} if value is None else {"SPACES_ZERO_GPU": value}
    assert is_lent(environment) is lent and model_device(environment) == ("cpu" if lent else None)
    if lent:
        monkeypatch.setenv("SPACES_ZERO_GPU", value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)  # as on ZeroGPU, where none can be used
        assert OtherPredictors(store, "other").get(BUNDLED).device.type == "cpu"


def test_the_second_file_of_versions_differs_in_torch_alone_and_adds_the_package_of_zero_gpu():
    usual, lent = pins("requirements.txt"), pins("requirements-zerogpu.txt")
    assert lent.keys() - usual.keys() == {"spaces"} and usual.keys() <= lent.keys()
    assert {name for name in usual if usual[name] != lent[name]} == {"torch", "torchvision"}
    assert (2, 8) <= tuple(map(int, lent["torch"].split(".")[:2])) <= (2, 11)
