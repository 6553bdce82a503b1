"""Pictures that are no mammograms, and views of women that were spoiled: to see which ones are noticed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pydicom
from sklearn.datasets import load_sample_images

from mvmlm.datasets.case import Case, split_of
from mvmlm.datasets.data_folder import DataFolder
from mvmlm.datasets.registry import read_dataset
from mvmlm.exam import View
from mvmlm.imaging.load import default_decoder
from mvmlm.pretraining.case_loading import load_case

DATA_SETS = ("rsna-640", "cbis-mass-800")  # whose views are spoiled
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)
Spoil = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _jpeg(levels: np.ndarray, _: np.random.Generator) -> np.ndarray:
    data = cv2.imencode(".jpg", np.round(levels * 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 1])[1]
    decoded = np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))
    return decoded.astype(np.float32) / 255


def _shuffled(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = levels.shape[0] // 8, levels.shape[1] // 8
    tiles = levels[: height * 8, : width * 8].reshape(8, height, 8, width).swapaxes(1, 2).reshape(64, height, width)
    return tiles[rng.permutation(64)].reshape(8, 8, height, width).swapaxes(1, 2).reshape(height * 8, width * 8)


#: levels 0..1 of a view -> spoiled levels
SPOILINGS: dict[str, Spoil] = {
    "upside down": lambda levels, rng: levels[::-1],
    "mirrored, its header not": lambda levels, rng: levels[:, ::-1],
    "negative": lambda levels, rng: 1 - levels,
    "JPEG at quality 1": _jpeg,
    "shuffled tiles, 8 × 8": _shuffled,
    "blurred by 1 % of the height": lambda levels, rng: cv2.GaussianBlur(levels, (0, 0), levels.shape[0] / 100),
    "noise of 20 % of the range": lambda levels, rng: levels + rng.normal(0, 0.2, levels.shape),
}


def spoiled_views(women: Path, number: int, seed: int) -> dict[str, Callable[[], list[View]]]:
    """Return for each spoiling what makes the spoiled views of test women, about `number` of them."""
    loaded: list[View] = []

    def make(spoil: Spoil) -> list[View]:
        if not loaded:
            loaded.extend(_test_views(women, number))
        rng = np.random.default_rng(seed)
        return [_spoiled(view, spoil, rng) for view in loaded]

    return {how: lambda spoil=spoil: make(spoil) for how, spoil in SPOILINGS.items()}  # type: ignore[misc]


def _spoiled(view: View, spoil: Spoil, rng: np.random.Generator) -> View:
    pixels = view.pixels.astype(np.float32)
    low, high = float(pixels.min()), float(pixels.max())
    changed = np.clip(spoil((pixels - low) / max(high - low, 1), rng), 0, 1) * (high - low) + low
    return replace(view, pixels=np.ascontiguousarray(np.round(changed).astype(view.pixels.dtype)))


def _test_views(women: Path, number: int) -> list[View]:
    folder, decoder, views = DataFolder(women), default_decoder(), []
    for name in DATA_SETS:
        cases = [case for case in read_dataset(name, women) if isinstance(case, Case) and split_of(case) == "test"]
        of_set: list[View] = []
        for case in cases[:: max(1, 2 * len(cases) // number)]:
            if len(of_set) < number // 2:
                of_set += load_case(case, folder, decoder, {}).exam.views.values()
        views += of_set[: number // 2]
    return views


def pictures_of(seed: int) -> dict[str, list[np.ndarray]]:
    """Return grey pictures that are no mammograms, (rows, columns) uint16 of 12 bits, by kind."""
    rng = np.random.default_rng(seed)
    return {
        "photographs of scikit-learn and parts of them": _photographs(),
        "sample pictures of pydicom": _dicom_pictures(),
        "pages of text": [_page(rng, number) for number in range(12)],
        "noise": [_noise(rng, number) for number in range(12)],
    }


def _photographs() -> list[np.ndarray]:
    found = []
    for picture in load_sample_images().images:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.uint16) * 16
        rows, columns = grey.shape[0] // 2, grey.shape[1] // 2
        found += [grey, *(grey[y : y + rows, x : x + columns] for y in (0, rows) for x in (0, columns))]
    return found


def _dicom_pictures() -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for path in sorted((Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm")):  # those of the wheel
        try:
            dataset = pydicom.dcmread(path)
            pixels = dataset.pixel_array
        except Exception:  # a sample of what cannot be read
            continue
        while pixels.ndim > 2 and pixels.shape[-1] != 3:
            pixels = pixels[0]
        grey = pixels.astype(np.float32)
        grey = grey.mean(-1) if grey.ndim == 3 else grey
        if grey.ndim != 2 or min(grey.shape) < 32 or np.ptp(grey) == 0:
            continue
        scaled = np.round((grey - grey.min()) / np.ptp(grey) * 4095).astype(np.uint16)
        if not any(np.array_equal(scaled, other) for other in found):  # one picture in several compressions
            found.append(scaled)
    return found


def _page(rng: np.random.Generator, number: int) -> np.ndarray:
    page = np.zeros((1000, 760), np.uint8)
    size = 0.5 + 0.25 * (number % 4)
    for line in range(40, 980, int(40 * size) + 8):
        words = " ".join("".join(map(chr, rng.integers(97, 123, rng.integers(2, 10)))) for _ in range(12))
        cv2.putText(page, words, (20, line), FONTS[number % 3], size, 255, 1 + number % 2, cv2.LINE_AA)
    return (page if number % 2 else 255 - page).astype(np.uint16) * 16


def _noise(rng: np.random.Generator, number: int) -> np.ndarray:
    grain = 2 ** (number % 6)  # pixels of an even piece
    rough = rng.random((-(-960 // grain), -(-720 // grain))).astype(np.float32)
    smooth = cv2.resize(rough, (720, 960), interpolation=cv2.INTER_CUBIC if number < 6 else cv2.INTER_NEAREST)
    return np.round(np.clip(smooth, 0, 1) * 4095).astype(np.uint16)
