"""`score` and `worklist`: the answers for an archive of exams as one table, and the worklist sorted by them."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .command import Command, a_path, add_weights_argument, at_least, print_download, print_problems

if TYPE_CHECKING:
    from ..imaging.decoder import Decoder
    from ..scoring.answer_table import ScoredWeights
    from ..scoring.archive import Place
    from ..scoring.parts import Parts
    from ..store.store import Store

MOST_WORKERS = 8  # unless more are asked for


def _add_score_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "path",
        type=a_path,
        metavar="DIR|TABLE",
        help="a folder, of which each sub-folder, zip, or group of files of one study is an exam; a zip of exams; or a "
        "CSV table with the columns exam and path",
    )
    parser.add_argument(
        "--out", type=a_path, required=True, metavar="FILE", help="the .parquet file to write; failures go beside it"
    )
    add_weights_argument(parser, several=True)
    parser.add_argument(
        "--workers",
        type=at_least(1),
        metavar="N",
        help="exams opened at one time, and with --ray local the workers (default: the cores of this machine, at most "
        f"{MOST_WORKERS})",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="local, or HOST:PORT of a Ray cluster whose workers share the exams; every machine needs this version of "
        "the program, and the exams and weights under the same paths",
    )
    parser.add_argument("--restart", action="store_true", help="begin anew what another run has begun or written")


def _score(options: Namespace) -> int:
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, whose threads else spin and slow the decoding

    import pyarrow.parquet as pq

    from ..imaging.decoder import Decoder
    from ..imaging.files import NoExam
    from ..loading import checksum_of, record_of, weights_file
    from ..scoring.answer_table import RunKey, ScoredWeights, metadata
    from ..scoring.archive import list_archive
    from ..scoring.parts import failures_file, open_parts, parts_folder

    out, workers = options.out, options.workers or min(os.cpu_count() or 1, MOST_WORKERS)
    if out.suffix != ".parquet" or not out.absolute().parent.is_dir():
        raise ValueError(f"--out: {out.name} must end with .parquet and lie in a folder that is there.")
    weights = []
    for name in dict.fromkeys(options.weights or ["demo"]):
        file = weights_file(name, print_download).absolute()
        record = record_of(file)
        weights.append((file, ScoredWeights(record.name, record.version, checksum_of(file))))
    decoder = Decoder(workers)
    own = {path.absolute() for path in (out, failures_file(out), parts_folder(out))}
    archive = list_archive(options.path, decoder, own)
    if not archive.places and not archive.failures:
        raise NoExam(f"{options.path.name}: no file of an exam in it. Check the path.")
    key = RunKey(archive.checksum, tuple(each.sha256 for _, each in weights))
    with open_parts(out, key, options.restart) as parts:
        if parts is None:
            print(f"{out.name} is there already, of the same exams and weights.")
        else:
            places = [place for place in archive.places if place.name not in parts.places]
            _score_places(places, weights, parts, decoder, workers, options.ray)
            parts.join(out, archive.failures, metadata(key, [each for _, each in weights], options.command_line))
            failed = parts.failed + len(archive.failures)
            print(f"{parts.answered:,} exams have answers, {failed:,} failed: {out.name}, {failures_file(out).name}")
    return 0 if pq.read_metadata(out).num_rows else 2


def _score_places(
    places: Sequence[Place],
    weights: Sequence[tuple[Path, ScoredWeights]],
    parts: Parts,
    decoder: Decoder,
    workers: int,
    ray: str | None,
) -> None:
    """Score places, here or on a cluster, and add what comes of them to the parts, also where it is stopped."""
    from ..loading import load_model
    from ..scoring.pipeline import score_places
    from ..scoring.progress import Progress
    from ..scoring.ray_cluster import WeightsFile, score_with_ray

    if not places:
        return
    if ray:
        files = [WeightsFile(str(file), known.sha256) for file, known in weights]
        outcomes = score_with_ray(places, files, ray, workers, parts.exams)
    else:
        predictors = [load_model(file) for file, _ in weights]
        outcomes = score_places(places, predictors, decoder, workers, parts.exams)
    progress = Progress(len(parts.places) + len(places), len(parts.places), sys.stderr)
    try:
        for outcome in outcomes:
            parts.add(outcome)
            progress.advance(outcome.last, parts.answered, parts.failed)
    except KeyboardInterrupt:
        parts.write()
        progress.end()
        print_problems("What is done is kept. The same command goes on.")
        raise
    finally:
        parts.write()
        progress.end()


def _add_worklist_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("path", type=a_path, metavar="FILE", help="the .parquet file that `mvmlm score` wrote")
    parser.add_argument(
        "archive",
        type=a_path,
        metavar="DIR|TABLE",
        help="the archive that was scored: its exams with answers are stored where they are not yet, and their images "
        "stay where they are",
    )
    parser.add_argument("--reader", default="command line", help="who does this, for the history")
    parser.add_argument(
        "--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your user data folder)"
    )


def _worklist(options: Namespace) -> int:
    from ..imaging.decoder import Decoder
    from ..scoring.answer_table import exam_scores, stored_key
    from ..scoring.archive import list_archive
    from ..scoring.parts import failures_file, parts_folder
    from ..store.data_folder import choose_data_folder
    from ..store.readers import clean_reader
    from ..store.store import Store

    scores, out, decoder = exam_scores(options.path), options.path, Decoder()
    own = {path.absolute() for path in (out, failures_file(out), parts_folder(out))}
    archive = list_archive(options.archive, decoder, own)
    if archive.checksum != stored_key(out)["archive"]:
        raise ValueError(
            f"{options.archive.name} is not what was scored into {out.name}, or was changed since. Score it again."
        )
    store = Store(choose_data_folder(options.data)[0])
    print_problems(*store.file.notices)
    try:
        places = [place for place in archive.places if place.name in scores]
        found = _kept(places, store, decoder, clean_reader(options.reader))
        store.predictions.set_scores((number, scores[name]) for name, number in found.items())
    finally:
        store.close()
    print(f"{len(set(found.values())):,} exams of the worklist have a score; {len(scores) - len(found):,} have none")
    return 0 if found else 2


def _kept(places: Sequence[Place], store: Store, decoder: Decoder, who: str) -> dict[str, int]:
    """Store the exams of places whose images are not in the store yet, where they lie; return numbers by place."""
    from ..store.archive import import_exams

    found = dict[str, int]()
    for place in places:
        outcomes = import_exams(store, place.paths, decoder, who)
        numbers = {outcome.number for outcome in outcomes if outcome.number is not None}
        if len(numbers) == 1:
            found[place.name] = numbers.pop()
        else:
            print_problems(f"{place.name}: {len(numbers)} exams are stored of it, so its score is given to none")
    return found


SCORE = Command(
    "score", "answer every task for an archive of exams, and go on where it was ended", _add_score_arguments, _score
)
WORKLIST = Command("worklist", "let the worklist sort by the answers of `score`", _add_worklist_arguments, _worklist)
