"""Print speed and memory: each stage of an exam in ms, exams per minute, training, the start of the app, an archive.

    python scripts/benchmark.py [--repeats 5] [--no-app] [--no-archive]

The exam is four uncompressed DICOM files of 3328 x 2560 pixels, an enlarged phantom. Times are medians after one round
of warm-up. Alternatives (our decoder and pydicom's, fp32 and bf16) are timed in the same run, because machines are
noisy: compare the ratios. The archive is that of benchmark_archive.py, which also runs alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
import pydicom
import timm
import torch
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from mvmlm import load_model
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.picture_checks import view_facts
from mvmlm.imaging.picture_network import forget_facts
from mvmlm.imaging.write import dataset
from mvmlm.inference.explain import all_targets, evidence_maps, source_maps
from mvmlm.inference.prediction import Target
from mvmlm.model.heads import probabilities
from mvmlm.phantom import phantom_exam, phantom_exams
from mvmlm.pretraining.cpu_depthwise import use_fp32_weight_gradients

ROWS, COLUMNS = 3328, 2560
START_SECONDS = 120  # the app may take


def write_exam(folder: Path, exam: str = "benchmark", seed: int = 1) -> None:
    """Write a phantom of 1024 rows, enlarged to 3328 x 2560 with new noise, as four uncompressed files."""
    rng = np.random.default_rng(seed)
    for name, view in phantom_exam(exam, rng).exam.views.items():
        large: np.ndarray = cv2.resize(view.pixels, (COLUMNS, ROWS), interpolation=cv2.INTER_CUBIC).astype(np.int32)
        noisy: np.ndarray = large + rng.normal(0, 8, large.shape).astype(np.int32) * (large > 200)
        pixels = np.clip(noisy, 0, 4095).astype(np.uint16)
        dataset(replace(view, pixels=pixels), exam).save_as(folder / f"{name}.dcm", enforce_file_format=True)


def print_loading(folder: Path) -> None:
    """Print the time to load training batches: the first epoch decodes DICOM, later ones read the cache."""
    from mvmlm.datasets.case import Case, Image
    from mvmlm.exam import STANDARD_VIEWS
    from mvmlm.imaging.preprocess import Preprocessing
    from mvmlm.pretraining.batches import make_batch
    from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, cache_cases
    from mvmlm.report.findings import ExamFindings

    exams = 8
    images = tuple(Image(f"{name}.dcm", name) for name in STANDARD_VIEWS)
    cases = [Case(f"exam {i}", f"patient {i}", images, ExamFindings(), split="train") for i in range(exams)]
    with tempfile.TemporaryDirectory() as work:
        began = time.perf_counter()
        with ExamCacheWriter(Path(work), Preprocessing()) as writer:
            list(cache_cases(cases, folder, writer, Preprocessing(), Decoder()))
        first = time.perf_counter() - began
        cache, order = ExamCache(Path(work)), list(range(exams))
        second = median_ms(lambda: make_batch(cache, order, (), None), 5) / 1000
    ratio = f"{first / second:.0f} times faster"
    print(f"\nloading {exams} exams for training: first epoch {first:.2f} s, second {second:.3f} s, {ratio}")


def median_ms(action: Callable[[], object], repeats: int) -> float:
    """Return the median time of an action in ms, after one call that warms up."""
    action()
    times = []
    for _ in range(repeats):
        forget_facts()  # in use, each exam is another
        began = time.perf_counter()
        action()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def print_stages(folder: Path, repeats: int) -> None:
    """Print the time of each stage between the files of an exam and its answers and maps."""
    decoder, predictor = Decoder(), load_model("demo", device="cpu")
    exam = load_exam(folder, decoder=decoder)
    prediction = predictor.predict(exam)
    encoding, target = prediction.encoding, [Target("malignancy", "present")]
    images = torch.stack([torch.from_numpy(encoding.inputs[name].tensor) for name in encoding.names]).unsqueeze(1)

    def tower(bf16: bool) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return predictor.own_network.feature_maps(images)[0].float()

    def whole() -> None:
        read = load_exam(folder, decoder=decoder)
        answered = predictor.predict(read, ["spiculated mass"])
        source_maps(predictor, answered.encoding, target)

    rows: dict[str, Callable[[], object]] = {
        "decode and headers (2 workers)": lambda: load_exam(folder, decoder=decoder),
        "what 4 pictures show, by the network": lambda: [view_facts(view) for view in exam.views.values()],
        "preprocess 4 views": lambda: [predictor.model.prepare(view) for view in exam.views.values()],
        "image tower, fp32": lambda: tower(False),
        "image tower, bf16": lambda: tower(True),
        "predict, all of it": lambda: predictor.predict(exam),
        "maps, 1 target": lambda: evidence_maps(predictor, encoding, target),
        f"maps, all {len(all_targets(predictor))} targets": lambda: evidence_maps(
            predictor, encoding, all_targets(predictor)
        ),
        "1 map per view at full size": lambda: source_maps(predictor, encoding, target),
        "20 prompts": lambda: predictor.score_prompts(encoding, [f"mass {n}" for n in range(20)]),
    }
    for name, action in rows.items():
        print(f"{name:38}{median_ms(action, repeats):9.0f} ms")
    total = median_ms(whole, repeats)
    print(f"{'files to answers and 1 map per view':38}{total:9.0f} ms, {60_000 / total:.0f} exams/minute")
    gap = (tower(True) - tower(False)).abs().max() / tower(False).abs().max()
    print(f"bf16 differs from fp32 by at most {gap:.4f} of the largest feature")
    decoder.close()


def print_precision(n: int = 20) -> None:
    """Print how far the answers in bfloat16 lie from those in float32, over the probabilities of all heads.

    The exams are phantoms and the demo exam of digitised film. The image tower is computed in bfloat16, as PyTorch's
    autocast does it.
    """
    predictor, decoder = load_model("demo", device="cpu"), Decoder(1)
    film = load_exam(ROOT / "assets" / "demo_exams" / "film", decoder=decoder)
    decoder.close()
    gaps = dict.fromkeys(predictor.heads, 0.0)
    for exam in [film, *(phantom.exam for phantom in phantom_exams(n, 5))]:
        encoding, _ = predictor.encode(exam)
        images = torch.stack([torch.from_numpy(encoding.inputs[name].tensor) for name in encoding.names]).unsqueeze(1)
        with torch.inference_mode():
            with torch.autocast("cpu", torch.bfloat16):
                features = predictor.own_network.feature_maps(images)[0].float()
            pooled = predictor.model.pool((features,), encoding.views.inside)
            fused = predictor.fuse(pooled, encoding.names, encoding.apart)
            for name, head in predictor.heads.items():
                exact, rough = (probabilities(head.task, predictor.logits(name, f)) for f in (encoding.fused, fused))
                gaps[name] = max(gaps[name], float((exact - rough).abs().max()))
    worst = max(gaps, key=lambda name: gaps[name])
    print(f"bf16 differs from fp32 by at most {gaps[worst]:.3f} in a probability ({worst}; {n + 1} exams)")


def print_syntaxes(folder: Path, repeats: int) -> None:
    """Print the decoding time of each transfer syntax, ours and that of pydicom's plugins."""
    decoder = Decoder(1)
    source = pydicom.dcmread(folder / "L_CC.dcm")
    for name, uid in (("RLE", RLELossless), ("JPEG-LS", JPEGLSLossless), ("JPEG 2000", JPEG2000Lossless)):
        ds = pydicom.dcmread(folder / "L_CC.dcm")
        ds.compress(uid)
        path = folder.parent / "one.dcm"
        ds.save_as(path, enforce_file_format=True)
        ours = median_ms(lambda: decoder.pixels([path]), repeats)  # noqa: B023
        theirs = median_ms(lambda: pydicom.dcmread(path).pixel_array, repeats)  # noqa: B023
        pixels = decoder.pixels([path])[0]
        same = isinstance(pixels, np.ndarray) and np.array_equal(pixels, source.pixel_array)
        print(f"{name:38}{ours:9.0f} ms ours, in a worker; {theirs:.0f} ms pydicom's plugins; equal: {same}")
    decoder.close()


def print_training(views: int = 64, steps: int = 3) -> None:
    """Print the time of a training step of the demo's image trunk in bf16 on the CPU, with and without `cpu_depthwise`.

    As in `pretrain`, the stem and the first two stages are not trained.
    """
    torch.manual_seed(0)
    images = torch.randn(views, 1, 384, 240).contiguous(memory_format=torch.channels_last)
    took = {}
    for quick in (False, True):
        trunk = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(-2, -1), in_chans=1).train()
        trunk = trunk.to(memory_format=torch.channels_last)
        blocks = list(trunk.get_submodule("blocks").children())
        for module in (trunk.get_submodule("conv_stem"), trunk.get_submodule("bn1"), *blocks[:2]):
            module.requires_grad_(False).eval()
        if quick:
            use_fp32_weight_gradients(trunk)

        def step(trunk: torch.nn.Module = trunk) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                fine, coarse = trunk(images)
            (fine.float().mean() + coarse.float().mean()).backward()

        took[quick] = median_ms(step, steps)
    without = f"{took[False]:.0f} without cpu_depthwise.py: {took[False] / took[True]:.2f} times as long"
    print(f"{f'training step of {views} views, bf16':38}{took[True]:9.0f} ms, {without}")


@contextmanager
def running_app(port: int, fill: Callable[[Path], None] = lambda folder: None) -> Iterator[tuple[str, float]]:
    """Start the app; give its address and the seconds until its page answered.

    fill: called with the data folder before, which is empty.
    """
    with tempfile.TemporaryDirectory(prefix="mvmlm-benchmark-") as data:
        fill(Path(data))
        address, began = f"http://127.0.0.1:{port}", time.perf_counter()
        command = [sys.executable, "app.py", "--port", str(port), "--data", data]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while not is_answered(address):
                if time.perf_counter() - began > START_SECONDS:
                    raise TimeoutError(f"the app did not answer within {START_SECONDS} seconds")
                time.sleep(0.05)
            yield address, time.perf_counter() - began
        finally:
            process.terminate()
            process.wait()


def is_answered(address: str) -> bool:
    """Return whether the app at an address answers."""
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def print_app_start() -> None:
    """Print the time from `python app.py` to a page that answers."""
    with running_app(7899) as (_, seconds):
        print(f"{'python app.py to a page that answers':38}{1000 * seconds:9.0f} ms")


def main() -> None:
    """Print all measurements."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--no-app", action="store_true")
    parser.add_argument("--no-archive", action="store_true")
    options = parser.parse_args()
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {torch.get_num_threads()} threads\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "exam"
        folder.mkdir()
        write_exam(folder)
        print_stages(folder, options.repeats)
        print_syntaxes(folder, options.repeats)
        print_loading(folder)
    print_precision()
    print_training()
    if not options.no_app:
        print_app_start()
    if not options.no_archive:
        print(flush=True)
        subprocess.run([sys.executable, ROOT / "scripts" / "benchmark_archive.py"], check=True)
    try:
        import resource
    except ImportError:  # Windows
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{'largest memory of this process':38}{peak:9.0f} MB")


if __name__ == "__main__":
    main()
