"""Runs of pretraining in separate processes, for test_pretrain.py: `python -m tests.pretraining_processes`.

Every line of the standard input is a run, [WHAT, CACHE, OUT] in JSON; the answer is a line with its exit status, and
what it printed is in OUT/said.txt. The processes are forked after torch is imported and before it has started a thread,
so that it is imported only once.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path

import torch
from accelerate import PartialState

import mvmlm.commands.pretraining as pretraining
import mvmlm.pretraining.batches as batches
import mvmlm.pretraining.checkpoint as checkpoint
import mvmlm.pretraining.step as step
from mvmlm.__main__ import main
from mvmlm.commands.command import print_problems
from mvmlm.pretraining.exam_cache import DamagedExam, ExamCache
from mvmlm.pretraining.resume import only_run
from mvmlm.pretraining.schedule import Schedule
from mvmlm.pretraining.stopping import TrainingInterrupted
from mvmlm.pretraining.train import pretrain
from tests.ports import free_port
from tests.pretraining_models import batch_of_share, deterministic_model, global_gradients, record, train_in_float64


def fork(run: Callable[[], object]) -> int:
    """Start `run` in a new process and return its ID."""
    pid = os.fork()
    if pid == 0:
        try:
            torch.set_num_threads(1)
            run()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def steps_done(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_text(encoding="utf-8").count("\n") if path.exists() else 0


def resume(cache_folder: Path, out: Path) -> None:
    """Train once without interruption in out/whole, and with two kills in out/broken."""

    def train(folder: Path) -> None:
        schedule = Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0, warmup_steps=2, checkpoint_steps=2)
        pretrain(record(), lambda model: None, ExamCache(cache_folder), folder, schedule)

    def die_after_the_third_step() -> None:
        """Between two checkpoints, so that a step is lost and done again."""
        add = checkpoint.MetricsFile.add

        def add_or_die(self: checkpoint.MetricsFile, step: int, *of_step: object) -> None:
            add(self, step, *of_step)
            if step == 3:
                os.kill(os.getpid(), signal.SIGKILL)

        checkpoint.MetricsFile.add = add_or_die
        train(out / "broken")

    def die_in_the_second_save() -> None:
        saves, replace = [], os.replace

        def replace_or_die(*paths: Path) -> None:
            saves.append(paths)
            if len(saves) == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(*paths)

        checkpoint.os.replace = replace_or_die
        train(out / "broken")

    whole = fork(lambda: train(out / "whole"))
    assert os.waitpid(whole, 0)[1] == 0
    killed = fork(die_after_the_third_step)
    assert os.WTERMSIG(os.waitpid(killed, 0)[1]) == signal.SIGKILL
    lost = [steps_done(out / "broken")]
    dying = fork(die_in_the_second_save)
    assert os.WTERMSIG(os.waitpid(dying, 0)[1]) == signal.SIGKILL
    lost.append(steps_done(out / "broken"))
    last = fork(lambda: train(out / "broken"))
    assert os.waitpid(last, 0)[1] == 0
    (out / "killed_at.json").write_text(json.dumps(lost), encoding="utf-8")


def together(run: Callable[[int], object]) -> list[int]:
    """Run `run(rank)` in two processes, as `torchrun` would start them, and return how each ended (as `os.waitpid`)."""
    port = free_port()

    def process(rank: int) -> None:
        variables = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2, "MASTER_PORT": port}
        os.environ.update({name: str(value) for name, value in variables.items()}, MASTER_ADDR="127.0.0.1")
        assert PartialState(cpu=True).num_processes == 2
        run(rank)
        torch.distributed.destroy_process_group()

    processes = [fork(lambda rank=rank: process(rank)) for rank in range(2)]
    return [os.waitpid(pid, 0)[1] for pid in processes]


def two(cache_folder: Path, out: Path) -> None:
    """Compute terms and gradients of one batch in two processes; write out/WAY.pt. Then train a model in out/trained."""

    def process(rank: int) -> None:
        batch = batch_of_share(ExamCache(cache_folder), range(2 * rank, 2 * rank + 2))
        for way, exams_at_once in (("whole", None), ("cached", 1)):
            result = global_gradients(deterministic_model(), batch, exams_at_once)
            if rank == 0:
                torch.save(result, out / f"{way}.pt")
        train_in_float64(ExamCache(cache_folder), out / "trained", exams_at_once=1)

    assert together(process) == [0, 0]


def resume_two(cache_folder: Path, out: Path) -> None:
    """Train with two processes: in out/whole at once, in out/broken with a SIGTERM to the second one and a kill."""

    def train(folder: Path) -> None:
        schedule = Schedule(seed=3, epochs=2, exams_per_batch=2, frozen_stages=0, warmup_steps=2, checkpoint_steps=2)
        pretrain(record(), lambda model: None, ExamCache(cache_folder), folder, schedule)

    def signalled(rank: int, number: int, step: int) -> None:
        make_batch, made = batches.make_batch, []

        def make_or_signal(*args):
            made.append(args)
            if rank == 1 and len(made) == step:
                os.kill(os.getpid(), number)
            return make_batch(*args)

        batches.make_batch = make_or_signal
        try:
            train(out / "broken")
        except TrainingInterrupted as stopped:
            (out / f"stopped {rank}.txt").write_text(str(stopped), encoding="utf-8")

    assert together(lambda rank: train(out / "whole")) == [0, 0]
    assert together(lambda rank: signalled(rank, signal.SIGTERM, 3)) == [0, 0]
    assert all(together(lambda rank: signalled(rank, signal.SIGKILL, 2)))
    assert together(lambda rank: train(out / "broken")) == [0, 0]


def refused(cache_folder: Path, out: Path) -> None:
    """Let one of two processes find something wrong; write what each prints and its exit status to out/WHAT RANK.txt.

    They run `pretrain` of the command line, with exams that are decoded already.
    """
    preset = {"embed_dim": 16, **{name: getattr(record().preset, name) for name in ("vision_cfg", "text_cfg")}}
    preset |= {"fusion_cfg": record().preset.fusion_cfg}
    (out / "tiny.json").write_text(json.dumps(preset), encoding="utf-8")
    row = "exam,patient,file,laterality,view\na,a,gone.png,R,CC\n"
    (out / "exams.csv").write_text(row, encoding="utf-8")
    paths = ["--root", str(out), "--work", str(out / "work"), "--out", str(out / "o.safetensors")]

    def command(what: str) -> Callable[[int], None]:
        def process(rank: int) -> None:
            with open(out / f"{what} {rank}.txt", "w", encoding="utf-8") as file, redirect_stderr(file):
                status = main(["pretrain", "table", *paths, "--preset", str(out / "tiny.json"), "--start", "random"])
                print_problems(str(status))

        return process

    def train(what: str) -> int:
        schedule = Schedule(epochs=1, exams_per_batch=2, frozen_stages=0)
        pretrain(record(), lambda model: None, ExamCache(cache_folder), out / what, schedule)
        return 0

    def training(what: str, wrong_rank: int, where: object, name: str, fails: Callable[[], None]) -> list[int]:
        def process(rank: int) -> None:
            pretraining._decode_and_train = lambda options: train(what)
            real = getattr(where, name)
            calls = []

            def second_fails(*args: object) -> object:
                calls.append(args)
                return fails() if len(calls) == 2 else real(*args)

            if rank == wrong_rank:
                setattr(where, name, second_fails)
            command(what)(rank)

        return together(process)

    def raises(error: Exception) -> Callable[[], None]:
        def fails() -> None:
            raise error

        return fails

    with only_run(out / "work"):
        assert together(command("locked")) == [0, 0]
    assert together(command("no exam")) == [0, 0]
    full, damaged = checkpoint.CheckpointError("the disk is full", "work"), DamagedExam("exam 3: damaged")
    assert training("full", 0, checkpoint, "write_checkpoint", raises(full)) == [0, 0]
    assert training("damaged", 1, batches, "make_batch", raises(damaged)) == [0, 0]
    for rank in (0, 1):
        memory = raises(RuntimeError("out of memory"))
        assert training(f"forward of {rank}", rank, step, "embed", memory) == [0, 0]
    ends = training("killed", 1, step, "embed", lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert [ends[0], os.WTERMSIG(ends[1])] == [0, signal.SIGKILL]


RUNS = {"refused": refused, "resume": resume, "resume_two": resume_two, "two": two}
LIMIT = 300  # seconds for one run


def run_and_keep_what_it_says(what: str, cache_folder: Path, out: Path) -> None:
    signal.alarm(LIMIT)
    with open(out / "said.txt", "w", encoding="utf-8") as said:
        os.dup2(said.fileno(), 1)
        os.dup2(said.fileno(), 2)
    RUNS[what](cache_folder, out)


if __name__ == "__main__":
    for line in sys.stdin:
        name, *folders = json.loads(line)
        run = fork(lambda name=name, folders=folders: run_and_keep_what_it_says(name, *map(Path, folders)))
        print(os.waitpid(run, 0)[1], flush=True)
