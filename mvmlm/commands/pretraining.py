"""`datasets`, `pretrain` and `rewrite`: what a data set holds, new weights from it, and paraphrases of its reports."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from ..datasets.registry import ADAPTERS
from .command import Command, at_least, print_problems

if TYPE_CHECKING:
    from ..imaging.preprocess import Preprocessing
    from ..model.network import MVMLM
    from ..pretraining.schedule import Schedule

EXAMS = "exams"  # the folder of decoded exams in the work folder


def _add_datasets_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("name", choices=list(ADAPTERS), help="a public data set, or table for your own")
    parser.add_argument("--root", type=Path, required=True, help="the data set's folder")
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
    add("--root", type=Path, required=True, help="the data set's folder")
    add("--work", type=Path, required=True, help="folder for decoded exams and checkpoints; resumes there")
    add("--out", type=Path, required=True, metavar="FILE", help="the weights to write (.safetensors)")
    add("--preset", default="demo", help="a size in mvmlm/model/presets, or a .json file (default demo)")
    add("--start", type=Path, metavar="FILE", help="weights of the same preset whose image tower to start from")
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
    add("--balance", type=float, default=0.5, help="how much more often rare findings are drawn, 0 to 1 (default 0.5)")
    add("--bf16", action="store_true", help="run the towers in bfloat16")
    add("--recompute", action="store_true", help="gradient checkpointing: less memory, more time")
    add("--compile", action="store_true", help="torch.compile the image tower")
    add("--tensorboard", action="store_true", help="also write WORK/tensorboard (needs the tensorboard package)")
    add("--workers", type=at_least(0), default=0, help="processes that load exams ahead (default 0); no draw changes")
    add("--seed", type=int, default=1)


def _pretrain(options: Namespace) -> int:
    import torch
    from accelerate import PartialState

    from ..imaging.preprocess import Preprocessing
    from ..model.config import Preset
    from ..model.objective import LossWeights
    from ..model.weights import save_model
    from ..pretraining.exam_cache import ExamCache
    from ..pretraining.record import new_record, reference_embeddings
    from ..pretraining.train import pretrain

    processes = PartialState(cpu=not torch.cuda.is_available())
    preset = Preset.load(options.preset)
    rows, columns = preset.vision_cfg["image_size"]
    with processes.main_process_first():  # one process decodes, the others find the exams decoded
        if processes.is_main_process:
            _decode(options, Preprocessing(rows, columns))
    train = ExamCache(options.work / EXAMS, split="train")
    if len(train) < options.exams_per_batch:
        print_problems(
            f"{len(train)} training exams: at least one batch of {options.exams_per_batch} is needed "
            "(--exams-per-batch)"
        )
        return 2
    facts = {
        "data": f"{len(train)} exams of {options.name}",
        "start": options.start.name if options.start else "random",
        "seed": options.seed,
        "command": options.command_line,
    }
    record = new_record(f"MV-MLM {options.name}", "1", preset, train, facts)
    if processes.is_main_process:
        print_problems(*(f"{task} is not taught: {why}" for task, why in record.training["not_taught"].items()))
    schedule, weights = _schedule(options), LossWeights()

    def initialise(model: MVMLM) -> None:
        _initialise(model, options.start)

    model = pretrain(
        record, initialise, train, options.work, schedule, weights, options.seed, tensorboard=options.tensorboard,
        workers=options.workers,
    )  # fmt: skip
    if not processes.is_main_process:
        return 0
    model = model.cpu()
    model.reference = reference_embeddings(model, train)
    save_model(model, options.out, record)
    print(f"wrote {options.out}: {len(record.tasks)} tasks ({', '.join(record.tasks)}), {len(train)} training exams")
    return 0


def _decode(options: Namespace, preprocessing: Preprocessing) -> None:
    """Decode the exams of the data set that are not in the work folder yet."""
    from ..datasets.registry import read_dataset
    from ..imaging.load import default_decoder
    from ..pretraining.exam_cache import ExamCacheWriter, cache_cases

    with ExamCacheWriter(options.work / EXAMS, preprocessing) as writer:
        cases = read_dataset(options.name, options.root)
        for problem in cache_cases(cases, options.root, writer, preprocessing, default_decoder()):
            print_problems(problem)  # at once: decoding may take hours


def _initialise(model: MVMLM, start: Path | None) -> None:
    """Set the initial weights: a hub model's text encoder, and the image tower of the weights file `start`."""
    from ..model.hf_text_tower import HubText
    from ..model.weights import load_weights

    if isinstance(model.text_tower, HubText):
        model.text_tower.start_from_hub()
    if start:
        model.image_tower.load_state_dict(load_weights(start).image_tower.state_dict())


def _schedule(options: Namespace) -> Schedule:
    from ..pretraining.schedule import Schedule

    return Schedule(
        epochs=options.epochs,
        exams_per_batch=options.exams_per_batch,
        exams_at_once=options.exams_at_once,
        batches_per_step=options.batches_per_step,
        balance=options.balance,
        bf16=options.bf16,
        recompute=options.recompute,
        compile=options.compile,
        frozen_stages=2 if options.start else 0,
    )


def _add_rewrite_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--work", type=Path, required=True, help="the work folder of `pretrain`, its exams decoded")
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
    parser.add_argument("--seed", type=int, default=1)


def _rewrite(options: Namespace) -> int:
    from ..pretraining.exam_cache import ExamCache
    from ..pretraining.paraphrase import Paraphraser, local_model, openai_compatible, write_paraphrases

    key = os.environ.get("OPENAI_API_KEY", "")
    ask = openai_compatible(options.address, options.model, key) if options.address else local_model(options.model)
    paraphraser = Paraphraser(ask)
    write_paraphrases(ExamCache(options.work / EXAMS, split="train"), paraphraser, options.each, options.seed)
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
