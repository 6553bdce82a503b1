"""Print how many exams an hour `mvmlm score` answers, how near that is to what the machine can do, and its memory.

    python scripts/benchmark_archive.py [--exams 400] [--work DIR]

The archive is four phantoms, enlarged to four views of 3328 x 2560 pixels each, in as many folders as there are exams,
as hard links. Opening alone: `mvmlm score` without its network (files to model inputs). Reading alone: the network and
the heads on prepared exams. On a GPU both go on at one time, so the bound is the smaller rate. On a CPU both want every
core, which is busy for 1 / opening + 1 / reading hours an exam: the bound is the inverse of that sum. A ratio above 1
says that alone they leave cores idle, which they use together.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "scripts"))

import psutil
from benchmark import write_exam

from mvmlm import load_model
from mvmlm.imaging.decoder import Decoder
from mvmlm.inference.prepared import PreparedExam
from mvmlm.scoring.ahead import ExamsAhead
from mvmlm.scoring.archive import list_archive

ORIGINALS = 4
FEW = 50  # exams after which the memory is measured first
ALONE = 24  # exams of which opening and reading are timed alone
PROCESSES = 3  # of `mvmlm predict`
WATCH_SECONDS = 0.2
MB = 1 << 20


def write_archive(folder: Path, exams: int) -> None:
    """Write exams into folders of their own; all but the first few are hard links to these."""
    for number in range(exams):
        exam = folder / f"exam-{number:05d}"
        exam.mkdir(parents=True)
        if number < ORIGINALS:
            write_exam(exam, exam.name, number)
            continue
        for file in (folder / f"exam-{number % ORIGINALS:05d}").iterdir():
            os.link(file, exam / file.name)


def command_seconds(*arguments: str) -> tuple[float, float, float]:
    """Run a command of `mvmlm`; return its seconds, its peak memory in MB, and that with the processes it started."""
    began, own, together = time.perf_counter(), 0.0, 0.0
    process = subprocess.Popen(
        [sys.executable, "-m", "mvmlm", *arguments], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            mine = watched.memory_info().rss
            others = sum(child.memory_info().rss for child in watched.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
        own, together = max(own, mine), max(together, mine + others)
        time.sleep(WATCH_SECONDS)
    if process.returncode:
        raise RuntimeError(f"mvmlm {' '.join(arguments)} ended with {process.returncode}")
    return time.perf_counter() - began, own / MB, together / MB


def opened_an_hour(folder: Path, workers: int) -> tuple[float, list[PreparedExam]]:
    """Return how many exams an hour are opened and prepared where nothing reads them, and some of them."""
    predictor, decoder = load_model("demo"), Decoder(workers)
    places = list_archive(folder, decoder).places[: ALONE + 2 * workers]
    kept, times = [], []
    with ExamsAhead(places, [predictor], decoder, workers) as ahead:
        while taken := ahead.take():
            times += [time.perf_counter()] * len(taken)
            kept += [each for exam in taken for each in exam.prepared if isinstance(each, PreparedExam)]
    decoder.close()
    start = workers  # when all have begun
    return 3600 * (len(times) - 1 - start) / (times[-1] - times[start]), kept[:ALONE]


def read_an_hour(exams: list[PreparedExam]) -> float:
    """Return how many exams an hour the network and the heads answer."""
    predictor = load_model("demo")
    together = ExamsAhead([], [predictor], Decoder(1), 1).together
    predictor.predict_prepared(exams[:together])
    began = time.perf_counter()
    for start in range(0, len(exams), together):
        predictor.predict_prepared(exams[start : start + together])
    return 3600 * len(exams) / (time.perf_counter() - began)


def main() -> None:
    """Print all measurements."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--exams", type=int, default=400)
    parser.add_argument("--work", type=Path, help="where the archive is written, about 300 MB")
    parser.add_argument("--workers", type=int, default=min(8, os.cpu_count() or 1))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as temporary:
        few, all_of_them = Path(temporary) / "few", Path(temporary) / "all"
        write_archive(all_of_them, options.exams)
        few.mkdir()
        for exam in sorted(all_of_them.iterdir())[:FEW]:
            (few / exam.name).mkdir()
            for file in exam.iterdir():
                os.link(file, few / exam.name / file.name)
        opened, exams = opened_an_hour(all_of_them, options.workers)
        read = read_an_hour(exams)
        on_gpu = load_model("demo").device.type != "cpu"
        bound = min(opened, read) if on_gpu else 1 / (1 / opened + 1 / read)
        workers = ["--workers", str(options.workers)]
        short = command_seconds("score", str(few), "--out", f"{temporary}/few.parquet", *workers)
        long = command_seconds("score", str(all_of_them), "--out", f"{temporary}/all.parquet", *workers)
        one = sorted(command_seconds("predict", str(few / "exam-00000"))[0] for _ in range(PROCESSES))[PROCESSES // 2]
    scored, alone = 3600 * options.exams / long[0], 3600 / one
    print(f"{os.cpu_count()} cores, {'GPU' if on_gpu else 'no GPU'}, {options.workers} workers; exams an hour:")
    for name, rate in {
        f"mvmlm score, {options.exams} exams, start included": scored,
        "opening alone (decoding, checks, preprocessing)": opened,
        "reading alone (network and heads)": read,
        f"bound ({'the smaller one' if on_gpu else '1 / (1 / opening + 1 / reading)'})": bound,
        "mvmlm predict, a process an exam": alone,
    }.items():
        print(f"{name:52}{rate:9.0f}")
    print(f"{'score / bound':52}{scored / bound:9.2f}")
    print(f"{'score / predict':52}{scored / alone:9.1f}")
    for exams_done, (_, own, together) in ((FEW, short), (options.exams, long)):
        text = f"peak memory, {exams_done} exams"
        print(f"{text:52}{own:9.0f} MB, {together:.0f} MB with the processes that decode")


if __name__ == "__main__":
    main()
