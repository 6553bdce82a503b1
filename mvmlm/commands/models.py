"""`models` and `convert`: the published models of other groups, and their checkpoints as files of this program."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING

from ..published.catalogue import CATALOGUE, KNOWN_ANSWERS, NOT_AVAILABLE, KnownAnswers
from ..tasks import TASK
from .command import Command, print_download

if TYPE_CHECKING:
    from ..inference.prediction import Prediction

FAMILIES = sorted({model.family for model in CATALOGUE.values()})


def _add_models_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "action",
        nargs="?",
        choices=["list", "get", "check"],
        default="list",
        help="list: what is published (default); get: fetch a model; check: try one that is here",
    )
    parser.add_argument("name", nargs="?", choices=CATALOGUE, help="which model")
    parser.add_argument("--exam", type=Path, metavar="DIR", help="check: an exam whose answers are published")
    parser.add_argument("--accept-terms", action="store_true", help="accept the terms of the model that is fetched")
    parser.add_argument("--data", type=Path, help="the data folder (default: MVMLM_DATA, else your user data folder)")


def _models(options: Namespace) -> int:
    from ..published.download import fetch_model, model_file
    from ..store.data_folder import choose_data_folder

    folder = choose_data_folder(options.data)[0]
    if options.action == "list":
        print("\n".join(_listed(lambda name: model_file(folder, name).is_file())))
        return 0
    if options.name is None:
        raise ValueError(f"mvmlm models {options.action}: name a model, one of {', '.join(CATALOGUE)}.")
    if options.action == "get":
        converted = fetch_model(folder, options.name, options.accept_terms, print_download)
        print(f"{converted.name} is ready: mvmlm predict EXAM --weights {options.name}")
        return 0
    return _check(options, model_file(folder, options.name))


def _listed(is_here: Callable[[str], bool]) -> list[str]:
    """What is published, in lines for a terminal."""
    lines = ["Models of other groups. Research use only, not for diagnosis. Figures are their authors’.", ""]
    for model in CATALOGUE.values():
        here = "here" if is_here(model.name) else "not fetched"
        size = f", {model.megabytes} MB" if model.megabytes else ""
        lines.append(f"{model.name}: {model.title} ({here}{size})")
        for what, said in (
            ("answers", model.answers), ("learned from", model.trained_on), ("figures", model.figures),
            ("licence", f"{model.licence}. {model.terms}".strip()),
        ):  # fmt: skip
            lines.append(_wrapped(f"{what}: {said}"))
    return [*lines, "", "Not to be had:", *(_wrapped(f"{name}: {why}") for name, why in NOT_AVAILABLE.items())]


def _wrapped(text: str) -> str:
    """A text as indented lines."""
    return fill(text, 110, break_on_hyphens=False, initial_indent="  ", subsequent_indent="    ")


def _check(options: Namespace, file: Path) -> int:
    """Load a fetched model, let it answer, and compare with what is published where that is possible."""
    from ..imaging.load import load_exam
    from ..loading import load_model
    from ..phantom import phantom_exams

    if not file.is_file():
        raise ValueError(f"{options.name} is not on this machine. Fetch it: mvmlm models get {options.name}")
    predictor = load_model(file)
    print(f"{predictor.record.name} {predictor.record.version}: the file is whole and fits its network.")
    known = KNOWN_ANSWERS.get(options.name)
    if options.exam is not None:
        prediction = predictor.predict(load_exam([options.exam]))
        print(prediction)
        return _compare(prediction, known) if known else 0
    first, second = (predictor.predict(phantom.exam) for phantom in phantom_exams(2, 1))
    print(first)
    same = [a.probability == b.probability for a, b in zip(first.answers, second.answers, strict=True)]
    if same and all(same):
        raise ValueError(f"{options.name} gives two different exams the same answers. Fetch or convert it again.")
    if known:
        print(f"To compare it with published answers, get {known.exam} and give its folder: --exam DIR")
    else:
        print("No answers are published that it could be compared with; scripts/benchmark_published.py compares it "
              "with its authors’ code.")  # fmt: skip
    return 0


def _compare(prediction: Prediction, known: KnownAnswers) -> int:
    """Print how far answers are from the published ones; 1 where it is too far."""
    classes = TASK[known.task].classes
    found = [prediction.probability(known.task, class_) for class_ in classes]
    worst = max(abs(ours / theirs - 1) for ours, theirs in zip(found, known.values, strict=True))
    print(f"published: {', '.join(f'{value:.4f}' for value in known.values)}")
    print(f"here:      {', '.join(f'{value:.4f}' for value in found)}")
    print(f"They differ by at most {worst:.1%}; up to {known.tolerance:.0%} comes from decoding alone.")
    return 0 if worst <= known.tolerance else 1


def _add_convert_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("family", choices=FAMILIES, help="which layout the checkpoint has")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="the checkpoints, or a zip that holds them")
    parser.add_argument("out", type=Path, metavar="OUT", help="the .safetensors file to write")
    parser.add_argument(
        "--tokenizer", type=Path, metavar="FILE",
        help="vocab.txt or tokenizer.json of the text tower; without it the model cannot be asked in words",
    )  # fmt: skip


def _convert(options: Namespace) -> int:
    from ..published.conversion import convert

    if options.out.suffix != ".safetensors":
        raise ValueError(f"{options.out.name}: name a file that ends with .safetensors, after the checkpoints.")
    convert(options.family, options.files, options.out, options.tokenizer)
    print(f"{options.out.name}: written. Its terms are those of the model; a private copy is all that some allow.")
    if options.family in ("mammo-clip", "mammo-fm") and options.tokenizer is None:
        print("It was converted without --tokenizer, so it gives embeddings and cannot be asked in words.")
    return 0


MODELS = Command("models", "published models of other groups: list, get, check", _add_models_arguments, _models)
CONVERT = Command("convert", "make a published checkpoint a file of this program", _add_convert_arguments, _convert)
