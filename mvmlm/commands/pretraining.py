"""`datasets`, `pretrain` and `rewrite`: what a data set holds, new weights from it, and paraphrases of its reports."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.registry import ADAPTERS
from ..messages import FULL, error_message, plain_line
from .command import Command, a_path, at_least, between, exit_status, print_problems

if TYPE_CHECKING:
    from ..imaging.preprocess import Preprocessing
    from ..model.config import Preset
    from ..model.network import MVMLM
    from ..pretraining.schedule import Schedule
    from ..pretraining.start import Start

NOT_FINISHED = 75  # EX_TEMPFAIL of sysexits.h: start again later
EXAMS = "exams"  # the folder of decoded exams in the work folder


def _add_datasets_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", choices=list(ADAPTERS), help="a public data set, or table for your own")
    parser.add_argument("--root", type=a_path, required=True, help="the data set's folder")
    parser.add_argument(
        "--check", action="store_true", required=True, help="count what is there, and what is not used and why"
    )


def _datasets(options: Namespace) -> int:
    from ..datasets.check import check_text
    from ..datasets.check_counts import check_dataset

    check = check_dataset(options.name, options.root)
    print(check_text(check))
    check.usable.check()
    return 0


def _add_pretrain_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("name", help="a data set's name, or table for your own")
    add("--root", type=a_path, required=True, help="the data set's folder")
    add("--work", type=a_path, required=True, help="folder for decoded exams and checkpoints; resumes there")
    add("--out", type=a_path, required=True, metavar="FILE", help="the weights to write (.safetensors)")
    add("--preset", default="demo", help="a size in mvmlm/model/presets, or a .json file (default demo)")
    add(
        "--start",
        metavar="FILE",
        help="weights of the same preset whose image tower to start from, or random (default: what the preset names)",
    )
    add("--epochs", type=at_least(1), default=4, help="passes over the exams (default 4)")
    add("--exams-per-batch", type=at_least(1), default=16, help="over all processes (default 16)")
    add(
        "--exams-at-once",
        type=at_least(1),
        help="exams that a process holds with gradients; fewer than its share of a batch saves memory",
    )
    add(
        "--batches-per-step",
        type=at_least(1),
        default=1,
        help="batches whose gradients are averaged in a step (default 1)",
    )
    add(
        "--balance",
        type=between(0, 1),
        default=0.5,
        help="how much more often rare findings are drawn, 0 to 1 (default 0.5)",
    )
    add("--bf16", action="store_true", help="run the towers in bfloat16")
    add("--recompute", action="store_true", help="gradient checkpointing: less memory, more time")
    add("--compile", action="store_true", help="torch.compile the image tower")
    add("--tensorboard", action="store_true", help="also write WORK/tensorboard (needs the tensorboard package)")
    add("--workers", type=at_least(0), default=0, help="processes that load exams ahead (default 0); no draw changes")
    add("--seed", type=at_least(0, 2**31 - 1), default=1, help="of all draws (default 1)")
    add("--learning-rate-factor", type=between(1e-6, 1e3), default=1.0, help="of the usual learning rates (default 1)")
    add("--checkpoint-minutes", type=between(0), default=10.0, help="minutes between checkpoints (default 10)")
    add("--accept-changes", action="store_true", help="resume with settings that differ from the checkpoint's")
    add("--restart", action="store_true", help="begin the training anew; the checkpoint is kept under another name")
    add("--update-labels", action="store_true", help="take changed tables and replaced pictures into the work folder")
    add(
        "--verify",
        action="store_true",
        help="compare decoded exams and pictures with their checksums; decode damaged exams again",
    )


def _pretrain(options: Namespace) -> int:
    """Exit status NOT_FINISHED where a signal stopped it: the same command goes on."""
    try:
        return _pretrain_with_others(options)
    except KeyboardInterrupt:
        if os.environ.get("RANK", "0") == "0":  # of torchrun: one process tells
            print_problems(
                "Stopped. Start again with the same arguments to go on; decoded exams and the last checkpoint are kept."
            )
        return NOT_FINISHED
    except OSError as error:
        if error.errno not in FULL:
            raise
        from ..pretraining.checkpoint import DiskFull

        raise DiskFull(error_message(error), "out" if error.filename == str(options.out) else "work") from error


def _pretrain_with_others(options: Namespace) -> int:
    """Take part in a training, alone or as one of several processes."""
    import torch
    from accelerate import PartialState

    from ..pretraining.processes import OtherProcessFailed, main_process_alone
    from ..pretraining.resume import only_run
    from ..pretraining.stopping import TrainingInterrupted

    _check_out(options.out)
    processes = PartialState(cpu=not torch.cuda.is_available())
    try:
        with ExitStack() as held:
            main_process_alone(lambda: held.enter_context(only_run(options.work)))
            return _decode_and_train(options)
    except OtherProcessFailed as other:
        if other.kind:  # that process prints its error
            return exit_status(other.kind)
        if processes.process_index <= 1:  # where the main one has ended, the next one tells
            print_problems(str(other))
        return 1
    except TrainingInterrupted as stopped:
        if processes.is_main_process:
            print_problems(str(stopped))
    return NOT_FINISHED


def _check_out(out: Path) -> None:
    """Raise ValueError now, not after days of training, where the weights could not be written."""
    if out.is_dir():
        raise ValueError(f"{out.name}: is a folder. Name a file (--out).")
    if out.suffix != ".safetensors":
        raise ValueError(f"{out.name}: weights are written as .safetensors. Give --out such a name.")
    if not out.parent.is_dir():
        raise ValueError(f"{out.parent.name}: there is no such folder. Create it, or give another --out.")
    if not os.access(out.parent, os.W_OK):
        raise ValueError(f"{out.parent.name}: cannot be written to. Give another --out.")


def _decode_and_train(options: Namespace) -> int:
    import torch
    from accelerate import PartialState

    from ..imaging.preprocess import Preprocessing
    from ..model.config import Preset
    from ..model.weights import save_model
    from ..pretraining.exam_cache import ExamCache
    from ..pretraining.processes import errors_of_all, main_process_alone
    from ..pretraining.record import learned_from, new_record
    from ..pretraining.train import pretrain

    processes = PartialState(cpu=not torch.cuda.is_available())
    preset = Preset.load(options.preset)
    with errors_of_all():
        start = _find_start(preset, options)  # refused before the exams are decoded
    main_process_alone(lambda: _decode(options, Preprocessing(*preset.vision_cfg["image_size"])))
    with errors_of_all():
        train = ExamCache(options.work / EXAMS, split="train")
    if len(train) < (least := options.exams_per_batch * options.batches_per_step):
        if processes.is_main_process:
            print_problems(
                f"{len(train)} training exams are fewer than the {least} of one step. "
                "Make the batch smaller. Options: --exams-per-batch, --batches-per-step."
            )
        return 2
    facts = {
        "data": f"{len(train)} exams of {options.name}",
        "learned_from": learned_from(options.name, train.labels),
        "start": start.name,
        "seed": options.seed,
        "command": options.command_line,
    }
    with errors_of_all():
        record = new_record(f"MV-MLM {options.name}", "1", preset, train, facts)
    if processes.is_main_process:
        print_problems(*(f"{task} is not taught: {why}" for task, why in record.training["not_taught"].items()))
    schedule = _schedule(options, start.frozen_stages)

    def initialise(model: MVMLM) -> None:
        _initialise(model, start)

    model = pretrain(record, initialise, train, options.work, schedule, accept_changes=options.accept_changes)
    if not processes.is_main_process:
        return 0
    save_model(model.cpu(), options.out, record)
    print(f"wrote {options.out}: {len(record.tasks)} tasks ({', '.join(record.tasks)}), {len(train)} training exams")
    return 0


def _decode(options: Namespace, preprocessing: Preprocessing) -> None:
    """Decode the exams of the data set that are not in the work folder yet, and set its checkpoint aside on request.

    Raises ValueError for changed tables and replaced pictures.
    """
    from ..datasets.case import Case
    from ..datasets.check import summary_lines
    from ..datasets.check_counts import check_tables
    from ..datasets.registry import read_dataset
    from ..imaging.load import default_decoder
    from ..pretraining.checkpoint import FILE, read_checkpoint, set_aside
    from ..pretraining.exam_cache import INDEX_FILE, ExamCache, ExamCacheWriter, cache_cases
    from ..pretraining.table_state import TableState, compare_pictures, update_labels

    rows, folder, again = list(read_dataset(options.name, options.root)), options.work / EXAMS, set[str]()
    cases = [row for row in rows if isinstance(row, Case)]
    now, before = TableState.of(options.name, cases), TableState.load(folder)
    pictures = compare_pictures(folder, cases, options.root, every_byte=options.verify)
    tables = before.changes(now) if before else ""
    told = [f"The tables are no longer those of the work folder: {tables}."] if tables else []
    if what := " ".join([*told, *filter(None, [pictures.refusal])]):
        if not options.update_labels:
            raise ValueError(f"{what} Put them back, give --update-labels to take them over, or another --work.")
        if not options.restart and read_checkpoint(options.work):
            raise ValueError(f"{what} {FILE} was trained with the old ones: give --restart too, or another --work.")
        print_problems(what)
        again = {*pictures.replaced, *(before.other_pictures(now) if before else ())}
    else:
        now.save(folder)
    update_labels(folder, cases)
    if options.verify and before and (folder / INDEX_FILE).exists():
        again |= set(ExamCache(folder).damaged())
    print_problems(*pictures.remarks(again))
    for line in summary_lines(check_tables(options.name, options.root, rows), options.root):
        print(plain_line(line), flush=True)
    with ExamCacheWriter(folder, preprocessing, again) as writer:
        for problem in cache_cases(rows, options.root, writer, preprocessing, default_decoder()):
            print_problems(problem)  # at once: decoding may take hours
    now.save(folder)
    if options.restart:
        set_aside(options.work)


def _find_start(preset: Preset, options: Namespace) -> Start:
    """Where the image tower starts. Raises StartError, and HubError where the text encoder cannot be had."""
    from ..model.hf_text_tower import hub_vocabulary
    from ..pretraining.start import find_start

    start = find_start(preset, options.start)
    if hub_model := preset.text_cfg.get("hub_model"):
        hub_vocabulary(hub_model)
    return start


def _initialise(model: MVMLM, start: Start) -> None:
    """Set the initial weights: a hub model's text encoder, and the image tower of `start`."""
    from ..model.hf_text_tower import HubText

    if isinstance(model.text_tower, HubText):
        model.text_tower.start_from_hub()
    start.initialise(model.image_tower)


def _schedule(options: Namespace, frozen_stages: int) -> Schedule:
    from ..pretraining.schedule import Schedule

    return Schedule(
        seed=options.seed,
        epochs=options.epochs,
        exams_per_batch=options.exams_per_batch,
        exams_at_once=options.exams_at_once,
        batches_per_step=options.batches_per_step,
        balance=options.balance,
        bf16=options.bf16,
        recompute=options.recompute,
        compile=options.compile,
        frozen_stages=frozen_stages,
        checkpoint_minutes=options.checkpoint_minutes,
        image_lr=options.learning_rate_factor * Schedule.image_lr,
        other_lr=options.learning_rate_factor * Schedule.other_lr,
        workers=options.workers,
        tensorboard=options.tensorboard,
    )


def _add_rewrite_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--work", type=a_path, required=True, help="the work folder of `pretrain`, its exams decoded")
    parser.add_argument(
        "--address",
        help="an OpenAI-compatible server, such as http://localhost:8000/v1; its key is read from OPENAI_API_KEY",
    )
    parser.add_argument(
        "--model", required=True, help="the model's name; without --address a Hugging Face model or its folder"
    )
    parser.add_argument(
        "--each", type=at_least(1), default=4, help="paraphrases of every distinct set of findings (default 4)"
    )
    parser.add_argument("--seed", type=at_least(0, 2**31 - 1), default=1, help="of all draws (default 1)")


def _rewrite(options: Namespace) -> int:
    from ..pretraining.exam_cache import ExamCache
    from ..pretraining.paraphrase import Paraphraser, local_model, openai_compatible, write_paraphrases
    from ..pretraining.resume import only_run

    train = ExamCache(options.work / EXAMS, split="train")
    key = os.environ.get("OPENAI_API_KEY", "")
    ask = openai_compatible(options.address, options.model, key) if options.address else local_model(options.model)
    paraphraser = Paraphraser(ask)
    with only_run(options.work):
        write_paraphrases(train, paraphraser, options.each, options.seed)
    print(paraphraser.summary)
    return 0


DATASETS = Command("datasets", "what a public data set, or your own table, holds", _add_datasets_arguments, _datasets)
PRETRAIN = Command("pretrain", "train new weights on a data set (see `datasets`)", _add_pretrain_arguments, _pretrain)
REWRITE = Command(
    "rewrite",
    "let a language model paraphrase the reports in the work folder of `pretrain`",
    _add_rewrite_arguments,
    _rewrite,
)
