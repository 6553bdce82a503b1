"""Pictures that are no mammogram, drawn at random: text, noise, gradients, shapes, scenes, sections and textures.

The picture network learns from them what to refuse. Each is (rows, columns) float32 0..1 of a random size.
"""

from __future__ import annotations

import cv2
import numpy as np

WORDS = ("the", "breast", "view", "report", "and", "in", "with", "no", "mass", "left", "right", "dense", "film", "page")


def _size(rng: np.random.Generator) -> tuple[int, int]:
    rows = int(rng.uniform(160, 360))
    return rows, int(rows * np.exp(rng.uniform(np.log(0.5), np.log(1.8))))


def text(rng: np.random.Generator) -> np.ndarray:
    """Lines of words, black on white or white on black, with margins, paragraphs and headings."""
    rows, columns = _size(rng)
    paper = np.full((rows * 2, columns * 2), 255, np.uint8)
    row, font = int(rng.uniform(10, 60)), int(rng.choice([0, 1, 2, 3, 4, 6]))
    scale = rng.uniform(0.35, 1.1)
    margin = int(rng.uniform(5, 60))
    while row < paper.shape[0] * rng.uniform(0.6, 1.2):
        size = scale * (rng.uniform(1.4, 2.2) if rng.random() < 0.08 else 1)
        line = " ".join(rng.choice(WORDS, rng.integers(2, 16)))
        if rng.random() < 0.3:
            line = line.upper()
        ink, pen = int(rng.uniform(0, 100)), int(rng.integers(1, 3))
        cv2.putText(paper, line, (margin, row), font, size, ink, pen, cv2.LINE_AA)
        row += int(30 * size * rng.choice([1.0, 1.1, 1.2, 2.2]))
    page: np.ndarray = cv2.resize(paper, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    if rng.random() < 0.3:
        angle = cv2.getRotationMatrix2D((columns / 2, rows / 2), rng.uniform(-20, 20), 1)
        page = cv2.warpAffine(page, angle, (columns, rows), borderValue=float(rng.uniform(0, 1)))
    return page


def noise(rng: np.random.Generator) -> np.ndarray:
    """White, blocky or power-law noise."""
    rows, columns = _size(rng)
    if rng.random() < 0.3:
        block = int(rng.choice([1, 2, 5, 16]))
        small = rng.random((rows // block + 1, columns // block + 1)).astype(np.float32)
        return np.kron(small, np.ones((block, block), np.float32))[:rows, :columns]
    return _cloud(rng, rows, columns, rng.uniform(0.3, 2.4))


def _cloud(rng: np.random.Generator, rows: int, columns: int, exponent: float) -> np.ndarray:
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.rfftfreq(columns)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((rows, columns))) * frequency**-exponent
    cloud = np.fft.irfft2(spectrum, (rows, columns))
    return np.clip((cloud - cloud.min()) / max(float(np.ptp(cloud)), 1e-9), 0, 1).astype(np.float32)


def gradient(rng: np.random.Generator) -> np.ndarray:
    """A plane, radial or flat grey, stepped or smooth."""
    rows, columns = _size(rng)
    row, column = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    angle, centre = rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 2)
    plane = np.cos(angle) * row + np.sin(angle) * column
    grey = rng.choice(3)
    values = plane if grey == 0 else np.hypot(row - centre[0], column - centre[1]) if grey == 1 else plane * 1e-6
    values = (values - values.min()) / max(float(np.ptp(values)), 1e-9)
    if rng.random() < 0.3:
        values = np.round(values * rng.integers(2, 9)) / 9
    return values.astype(np.float32) * np.float32(rng.uniform(0.3, 1))


def shapes(rng: np.random.Generator) -> np.ndarray:
    """Filled circles, boxes, triangles and lines on one ground, or a chart, or a checkerboard."""
    rows, columns = _size(rng)
    drawn = np.full((rows, columns), rng.choice([0.0, 1.0, rng.random()]), np.float32)
    if rng.random() < 0.12:
        block = int(rng.uniform(6, 60))
        return ((np.add.outer(np.arange(rows) // block, np.arange(columns) // block)) % 2).astype(np.float32)
    for _ in range(rng.integers(1, 14)):
        value, thickness = float(rng.random()), int(rng.choice([-1, -1, 1, 3, 8]))
        place = tuple(int(x) for x in rng.uniform((0, 0), (columns, rows)))
        kind = rng.choice(4)
        if kind == 0:
            cv2.circle(drawn, place, int(rng.uniform(5, rows / 3)), value, thickness, cv2.LINE_AA)
        elif kind == 1:
            corner = tuple(int(x) for x in rng.uniform((0, 0), (columns, rows)))
            cv2.rectangle(drawn, place, corner, value, thickness)
        elif kind == 2:
            points = rng.uniform((0, 0), (columns, rows), (rng.integers(3, 7), 2)).astype(np.int32)
            cv2.fillPoly(drawn, [points], value, cv2.LINE_AA)
        else:
            points = np.stack([np.linspace(0, columns, 40), rng.normal(rows / 2, rows / 6, 40)], 1).astype(np.int32)
            cv2.polylines(drawn, [points], False, value, abs(thickness), cv2.LINE_AA)
    return drawn


def scene(rng: np.random.Generator) -> np.ndarray:
    """Shaded leaves of all sizes that hide one another, as the things in a photograph do; sometimes one flower."""
    rows, columns = _size(rng)
    drawn = 0.6 * _cloud(rng, rows, columns, rng.uniform(1, 2.2)) + float(rng.uniform(0, 0.3))
    if rng.random() < 0.35:
        return _flower(rng, drawn)
    for size in np.sort(np.exp(rng.uniform(np.log(0.02), np.log(0.5), rng.integers(20, 160))))[::-1]:
        texture = rng.random() + rng.uniform(0, 0.3) * (_cloud(rng, 32, 32, rng.uniform(0.5, 2)) - 0.5)
        _paste(rng, drawn, cv2.resize(texture.astype(np.float32), (columns, rows)), float(size) * rows)
    return np.clip(drawn, 0, 1)


def _paste(rng: np.random.Generator, drawn: np.ndarray, texture: np.ndarray, size: float) -> None:
    centre = rng.uniform((0, 0), drawn.shape[::-1])
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    if rng.random() < 0.5:
        box = (
            (float(centre[0]), float(centre[1])),
            (size, size * float(rng.uniform(0.2, 1))),
            float(rng.uniform(0, 180)),
        )
        cover = cv2.ellipse(np.zeros(drawn.shape, np.uint8), box, 1, -1)
    else:
        points = centre + size / 2 * np.stack([np.cos(angles), np.sin(angles)], 1)
        cover = cv2.fillPoly(np.zeros(drawn.shape, np.uint8), [np.round(points).astype(np.int32)], 1)
    np.copyto(drawn, texture, where=cover.astype(bool))


def _flower(rng: np.random.Generator, drawn: np.ndarray) -> np.ndarray:
    rows, columns = drawn.shape
    centre = rng.uniform((0.3, 0.3), (0.7, 0.7)) * (columns, rows)
    petals, length = int(rng.integers(4, 24)), rng.uniform(0.2, 0.6) * min(rows, columns)
    first, grey = rng.uniform(0, 6), rng.uniform(0.3, 1)
    for petal in rng.permutation(petals):
        angle = first + 2 * np.pi * petal / petals
        middle = centre + length / 2 * np.array([np.cos(angle), np.sin(angle)])
        width = length * rng.uniform(1.5, 4) / petals
        box = ((float(middle[0]), float(middle[1])), (float(length), float(width)), float(np.degrees(angle)))
        for step in range(4):
            inner = (box[0], (box[1][0] * (1 - 0.2 * step), box[1][1] * (1 - 0.25 * step)), box[2])
            cv2.ellipse(drawn, inner, float(grey * (0.7 + 0.1 * step) * rng.uniform(0.9, 1.1)), -1)
    cv2.circle(drawn, tuple(int(x) for x in centre), int(length * rng.uniform(0.1, 0.3)), float(rng.random()), -1)
    return np.clip(cv2.GaussianBlur(drawn, (0, 0), 1.0), 0, 1)


def section(rng: np.random.Generator) -> np.ndarray:
    """Ellipses within an ellipse on black, as in a section through head or body, or a fan as in ultrasound."""
    rows, columns = _size(rng)
    drawn = np.zeros((rows, columns), np.float32)
    centre, size = (columns / 2, rows / 2), np.array([columns, rows]) * rng.uniform(0.5, 0.95)
    cv2.ellipse(drawn, (centre, (float(size[0]), float(size[1])), 0.0), float(rng.uniform(0.3, 1)), -1)
    for _ in range(rng.integers(2, 12)):
        middle = centre + rng.uniform(-0.3, 0.3, 2) * size
        axes = tuple(float(x) for x in size * rng.uniform(0.05, 0.4, 2))
        cv2.ellipse(
            drawn, ((float(middle[0]), float(middle[1])), axes, float(rng.uniform(0, 180))), float(rng.random()), -1
        )
    if rng.random() < 0.3:
        fan = np.zeros((rows, columns), np.uint8)
        cv2.ellipse(fan, (columns // 2, 0), (rows, rows), 0, 50, 130, 1, -1)
        drawn = fan * _cloud(rng, rows, columns, rng.uniform(0.4, 1.2))
    ripple = rng.uniform(0, 0.3) * (_cloud(rng, rows, columns, rng.uniform(0.3, 1.5)) - 0.5)
    return np.clip(drawn + ripple * (drawn > 0.02), 0, 1).astype(np.float32)


def texture(rng: np.random.Generator) -> np.ndarray:
    """Waves, weave or the cells around random points."""
    rows, columns = _size(rng)
    row, column = np.mgrid[:rows, :columns].astype(np.float32)
    if rng.random() < 0.5:
        waves = sum(
            np.sin((row * rng.normal() + column * rng.normal()) * rng.uniform(0.03, 0.5) + rng.uniform(0, 6))
            for _ in range(rng.integers(1, 5))
        )
        return ((waves - waves.min()) / max(float(np.ptp(waves)), 1e-6)).astype(np.float32)
    row, column = row[::2, ::2], column[::2, ::2]
    points = rng.uniform((0, 0), (rows, columns), (rng.integers(5, 30), 2)).astype(np.float32)
    distances = np.hypot(row[..., None] - points[:, 0], column[..., None] - points[:, 1])
    distances = np.partition(distances, 1, axis=2)
    cells = distances[..., 1] - distances[..., 0] if rng.random() < 0.5 else distances[..., 0]
    return (cells / cells.max()).astype(np.float32)


def shuffled_tiles(rng: np.random.Generator, picture: np.ndarray, tiles: int | None = None) -> np.ndarray:
    """Return a picture cut into tiles x tiles equal parts that are put together in another order."""
    tiles = tiles or int(rng.integers(2, 9))
    rows, columns = picture.shape[0] // tiles, picture.shape[1] // tiles
    parts = [
        picture[r * rows : (r + 1) * rows, c * columns : (c + 1) * columns] for r in range(tiles) for c in range(tiles)
    ]
    order = rng.permutation(len(parts))
    while (order == np.arange(len(parts))).mean() > 0.5:
        order = rng.permutation(len(parts))
    return np.vstack([np.hstack([parts[i] for i in order[r * tiles : (r + 1) * tiles]]) for r in range(tiles)])


KINDS = (text, noise, gradient, shapes, scene, section, texture)


def drawn_picture(rng: np.random.Generator) -> np.ndarray:
    """Return (rows, columns) float32 0..1 of a random kind; some as a negative."""
    picture = np.clip(KINDS[rng.integers(len(KINDS))](rng), 0, 1)
    return (1 - picture if rng.random() < 0.3 else picture).astype(np.float32)
