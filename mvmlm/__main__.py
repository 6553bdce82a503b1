"""The command line: python -m mvmlm <verb>. Research use only, not for diagnosis.

Exit status 0 when an answer was given, 2 when the input held no usable view, 1 for anything unexpected; errors go to
stderr, one line a file.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from pathlib import Path

from .datasets import ADAPTERS


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    from .imaging.load import NoExam, SeveralExams
    from .imaging.preprocess import NoBreast

    try:
        return options.run(options)
    except NoExam as error:
        _complain(*(f"{item.file}: {item.reason}" for item in error.set_aside), str(error))
        return 2
    except (SeveralExams, NoBreast) as error:
        _complain(str(error))
        return 2
    except Exception as error:  # the last line of defence: a script gets one line, not a traceback
        _complain(f"{type(error).__name__}: {error}")
        return 1


def _complain(*lines: str) -> None:
    for line in lines:
        print(line.replace("\n", " "), file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mvmlm", description="MV-MLM. Research use only, not for diagnosis.")
    verbs = parser.add_subparsers(required=True, metavar="verb")

    read = verbs.add_parser("read", help="what was found in files: which view is which, what is not used")
    read.set_defaults(run=_read)
    predict = verbs.add_parser("predict", help="read an exam and answer every task")
    predict.set_defaults(run=_predict)
    for verb in (read, predict):
        verb.add_argument("path", nargs="+", type=Path, help="files, a folder, a zip or a DICOMDIR")
        verb.add_argument(
            "--one-exam", action="store_true", help="join files of different IDs: they are one woman's exam"
        )
    read.add_argument("--json", action="store_true", help="the exam's record instead of a table")
    predict.add_argument("--json", type=Path, metavar="OUT", help="write the answers to this file")
    predict.add_argument("--maps", type=Path, metavar="DIR", help="write a map for each view and task")
    predict.add_argument(
        "--prompts", type=Path, metavar="FILE", help='sentences, one a line; "positive | negative" is a pair'
    )
    predict.add_argument("--weights", type=Path, metavar="FILE", help="a .safetensors file (default: the demo weights)")
    predict.add_argument("--score-for-processing", action="store_true", help="also score FOR PROCESSING images")

    phantom = verbs.add_parser("phantom", help="make phantom exams with known truth")
    phantom.set_defaults(run=_phantom)
    phantom.add_argument("out", type=Path)
    phantom.add_argument("--n", type=int, required=True)
    phantom.add_argument("--seed", type=int, required=True)
    phantom.add_argument("--rows", type=int, default=1024, help="rows of a view (default 1024)")
    phantom.add_argument(
        "--shift", action="store_true", help="a machine outside the usual range, for tests out of distribution"
    )

    datasets = verbs.add_parser("datasets", help="what a public data set, or your own table, holds")
    datasets.set_defaults(run=_datasets)
    datasets.add_argument("name", choices=list(ADAPTERS))
    datasets.add_argument("--root", type=Path, required=True, help="the data set's own folder")
    datasets.add_argument(
        "--check", action="store_true", required=True, help="count what is there, and what is not used and why"
    )

    pretrain = verbs.add_parser("pretrain", help="learn new weights from a data set (see `datasets`)")
    pretrain.set_defaults(run=_pretrain)
    pretrain.add_argument("name", help="a data set's name, or table for your own")
    pretrain.add_argument("--root", type=Path, required=True, help="the data set's own folder")
    pretrain.add_argument(
        "--work", type=Path, required=True, help="folder for decoded exams and checkpoints; resumes there"
    )
    pretrain.add_argument("--out", type=Path, required=True, metavar="FILE", help="the weights to write (.safetensors)")
    pretrain.add_argument(
        "--preset", default="demo", help="a size in mvmlm/model/presets, or a .json file (default demo)"
    )
    pretrain.add_argument(
        "--start", type=Path, metavar="FILE", help="weights of the same preset whose image tower to start from"
    )
    pretrain.add_argument("--epochs", type=int, default=4)
    pretrain.add_argument("--exams-per-batch", type=int, default=16, help="over all processes (default 16)")
    pretrain.add_argument(
        "--exams-at-once", type=int, help="exams a process holds with gradients; fewer than its share saves memory"
    )
    pretrain.add_argument(
        "--batches-per-step", type=int, default=1, help="batches whose gradients are added before a step"
    )
    pretrain.add_argument(
        "--balance", type=float, default=0.5, help="how much oftener rare findings are drawn, 0 to 1 (default 0.5)"
    )
    pretrain.add_argument("--bf16", action="store_true", help="towers in bfloat16")
    pretrain.add_argument("--recompute", action="store_true", help="gradient checkpointing: less memory, more time")
    pretrain.add_argument("--compile", action="store_true", help="torch.compile the image tower")
    pretrain.add_argument(
        "--tensorboard", action="store_true", help="also write WORK/tensorboard (needs the tensorboard package)"
    )
    pretrain.add_argument("--seed", type=int, default=1)

    rewrite = verbs.add_parser(
        "rewrite", help="let a language model paraphrase the reports of a pretraining's work folder"
    )
    rewrite.set_defaults(run=_rewrite)
    rewrite.add_argument("--work", type=Path, required=True, help="the work folder of `pretrain`, its exams decoded")
    rewrite.add_argument(
        "--address", help="an OpenAI-compatible address, such as http://localhost:8000/v1; key in OPENAI_API_KEY"
    )
    rewrite.add_argument(
        "--model", required=True, help="the model's name; without --address a Hugging Face model or its folder"
    )
    rewrite.add_argument(
        "--each", type=int, default=4, help="paraphrases of every distinct set of findings (default 4)"
    )
    rewrite.add_argument("--seed", type=int, default=1)

    keep = verbs.add_parser("keep", help="keep exams in the store, to be read and to teach")
    keep.set_defaults(run=_keep)
    keep.add_argument("path", nargs="+", type=Path, help="files, folders or zips of any number of exams")
    keep.add_argument(
        "--copy", action="store_true", help="copy the images without names into the data folder (default: they stay)"
    )
    keep.add_argument(
        "--named", action="store_true", help="the files' patient IDs are pseudonyms: show them as the exams' names"
    )

    labels = verbs.add_parser(
        "labels", help="readings or marks into the store: a table, our readings.csv, or COCO JSON"
    )
    labels.set_defaults(run=_labels)
    labels.add_argument("path", type=Path)

    finetune = verbs.add_parser("finetune", help="teach a head from the signed readings of the store, and compare it")
    finetune.set_defaults(run=_finetune)
    finetune.add_argument("task")
    finetune.add_argument("--depth", default="linear", choices=["linear", "mlp", "stage"])
    finetune.add_argument(
        "--of", metavar="READER", help="learn from this reader (default: the consensus, else the newest signed reading)"
    )
    finetune.add_argument("--seed", type=int, default=1)
    finetune.add_argument("--weights", default="demo")
    finetune.add_argument("--activate", action="store_true", help="let the new head answer")
    for verb in (keep, labels, finetune):
        verb.add_argument(
            "--data",
            type=Path,
            default=None,
            help="the store's folder (default: MVMLM_DATA, else your user data folder)",
        )
        verb.add_argument("--reader", required=True, help="who does this; kept in the history")

    evaluate = verbs.add_parser("evaluate", help="metrics with 95 %% intervals, on phantoms")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument(
        "data", type=Path, nargs="?", help="a folder made by `phantom`; without one, phantoms are made"
    )
    evaluate.add_argument("--n", type=int, default=200, help="phantom exams to make (default 200)")
    evaluate.add_argument("--seed", type=int, default=100, help="their seed (default 100; training used 1 and 2)")
    evaluate.add_argument("--weights", type=Path, metavar="FILE")
    return parser


def _read(options) -> int:
    from .imaging.load import load_exam
    from .inference.output import exam_record, exam_table

    exam = load_exam(options.path, one_exam=options.one_exam)
    record = exam_record(exam)
    print(json.dumps(record, indent=1) if options.json else exam_table(record))
    return 0 if exam.views else 2


def _predict(options) -> int:
    from .imaging.load import load_exam
    from .inference.explain import write_maps
    from .inference.mvmlm_predictor import load_model
    from .inference.output import prediction_record

    prompts = []
    if options.prompts:
        prompts = [line.strip() for line in options.prompts.read_text().splitlines() if line.strip()]
    exam = load_exam(options.path, one_exam=options.one_exam)
    _complain(*(f"{item.file}: {item.reason}" for item in exam.set_aside))
    predictor = load_model(options.weights or "demo")
    prediction = predictor.predict(exam, prompts, options.score_for_processing)
    print(prediction)
    if options.json:
        options.json.write_text(json.dumps(prediction_record(prediction), indent=1) + "\n")
    if options.maps:
        write_maps(predictor, prediction, options.maps)
    return 0


def _phantom(options) -> int:
    from .phantom.truth import write_phantoms

    write_phantoms(options.out, options.n, options.seed, options.rows, options.shift)
    return 0


def _datasets(options) -> int:
    from .datasets import check

    print(check(options.name, options.root))
    return 0


def _pretrain(options) -> int:
    import torch
    from accelerate import PartialState

    from .datasets import read_dataset
    from .imaging.load import default_decoder
    from .imaging.preprocess import Preprocessing
    from .model.config import Preset
    from .model.objective import LossWeights
    from .model.weights import load_weights, save_model
    from .pretraining.exam_cache import ExamCache, ExamCacheWriter, cache_cases
    from .pretraining.record import new_record, reference_embeddings
    from .pretraining.schedule import Schedule
    from .pretraining.train import pretrain

    processes = PartialState(cpu=not torch.cuda.is_available())
    preset = Preset.load(options.preset)
    rows, columns = preset.vision_cfg["image_size"]
    preprocessing = Preprocessing(rows, columns)
    with processes.main_process_first():  # one process decodes, the others find it done
        if processes.is_main_process:
            with ExamCacheWriter(options.work / "exams", preprocessing) as writer:
                cases = read_dataset(options.name, options.root)
                _complain(*cache_cases(cases, options.root, writer, preprocessing, default_decoder()))
    train = ExamCache(options.work / "exams", split="train")
    if len(train) < options.exams_per_batch:
        _complain(
            f"{len(train)} training exams: at least one batch of {options.exams_per_batch} is needed (--exams-per-batch)"
        )
        return 2
    said = {"data": f"{len(train)} exams of {options.name}", "start": options.start.name if options.start else "random"}
    said |= {"seed": options.seed, "command": f"python -m mvmlm pretrain {options.name} --epochs {options.epochs}"}
    record = new_record(f"MV-MLM {options.name}", "1", preset, train, said)

    def start(model):
        if hasattr(model.text_tower, "start_from_hub"):
            model.text_tower.start_from_hub()
        if options.start:
            model.image_tower.load_state_dict(load_weights(options.start).image_tower.state_dict())

    schedule = Schedule(
        epochs=options.epochs, exams_per_batch=options.exams_per_batch, exams_at_once=options.exams_at_once,
        batches_per_step=options.batches_per_step, balance=options.balance, bf16=options.bf16, recompute=options.recompute,
        compile=options.compile, frozen_stages=2 if options.start else 0,
    )  # fmt: skip
    model = pretrain(
        record, start, train, options.work, schedule, LossWeights(), options.seed, tensorboard=options.tensorboard
    )
    if not processes.is_main_process:
        return 0
    model = model.cpu()
    model.reference = reference_embeddings(model, train)
    save_model(model, options.out, record)
    print(f"wrote {options.out}: {len(record.tasks)} tasks ({', '.join(record.tasks)}), {len(train)} training exams")
    return 0


def _rewrite(options) -> int:
    from .pretraining.exam_cache import ExamCache
    from .pretraining.paraphrase import Paraphraser, local_model, openai_compatible, write_paraphrases

    key = os.environ.get("OPENAI_API_KEY", "")
    ask = openai_compatible(options.address, options.model, key) if options.address else local_model(options.model)
    paraphraser = Paraphraser(ask)
    write_paraphrases(ExamCache(options.work / "exams", split="train"), paraphraser, options.each, options.seed)
    print(paraphraser.summary)
    return 0


def _keep(options) -> int:
    from .imaging.load import default_decoder
    from .store.archive import import_exams

    outcome = list(
        import_exams(_store(options), options.path, default_decoder(), options.reader, options.copy, options.named)
    )
    _complain(*(f"{one.title}: {one.reason}" for one in outcome if one.number is None))
    kept = sum(one.number is not None for one in outcome)
    print(f"{kept} exams are in the store")
    return 0 if kept else 2


def _labels(options) -> int:
    from .exchange import read_any

    imported = read_any(_store(options), options.path, options.reader)
    _complain(*imported.problems)
    print(f"{imported.readings} readings imported")
    return 0 if imported.readings else 2


def _finetune(options) -> int:
    from .finetuning.config import FinetuneConfig
    from .finetuning.finetune import finetune_from_store
    from .finetuning.head import with_active_heads
    from .imaging.load import default_decoder
    from .inference.mvmlm_predictor import load_model

    store = _store(options)
    predictor = with_active_heads(load_model(options.weights), store)
    config = FinetuneConfig(options.task, options.depth, options.of, seed=options.seed)
    head = finetune_from_store(
        store,
        predictor,
        default_decoder(),
        config,
        options.reader,
        lambda share, said: print(f"{said}", file=sys.stderr),
    )
    found = head.record["comparison"]
    for which in ("new", "old", "difference"):
        if found.get(which) and found[which][0] is not None:
            value, low, high = found[which]
            print(
                f"{which:10} {found['metric']} {value:.3f}" + (f" ({low:.3f} to {high:.3f})" if low is not None else "")
            )
    print(f"“{head.name}”, {found['cases']} test cases of {found['patients']} patients: {found['verdict']}")
    _complain(*found["warnings"])
    if options.activate:
        store.heads.activate(head.id, head.task, head.weights, options.reader)
    return 0


def _store(options):
    from .store.data_folder import choose_data_folder
    from .store.store import Store

    return Store(choose_data_folder(options.data)[0])


def _evaluate(options) -> int:
    from .evaluation.report import evaluate, markdown_table
    from .inference.mvmlm_predictor import load_model

    predictor = load_model(options.weights or "demo")
    pairs = _folder_pairs(options.data) if options.data else _phantom_pairs(options.n, options.seed)
    results = evaluate((predictor.predict(exam), truth) for exam, truth in pairs)
    where = options.data.name if options.data else f"{options.n} phantom exams of seed {options.seed}"
    print(f"{predictor.record.name} {predictor.record.version} on {where}\n")
    print(markdown_table(results))
    return 0


def _phantom_pairs(n: int, seed: int):
    from .phantom import phantom_exams
    from .phantom.truth import truth_rows

    return ((phantom.exam, truth_rows(phantom)) for phantom in phantom_exams(n, seed))


def _folder_pairs(folder: Path):
    from .imaging.load import load_exam

    with open(folder / "findings.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    for name in dict.fromkeys(row["exam"] for row in rows):
        yield load_exam(folder / name), [row for row in rows if row["exam"] == name]


if __name__ == "__main__":
    sys.exit(main())
