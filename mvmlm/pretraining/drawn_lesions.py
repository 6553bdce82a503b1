"""Calcifications and architectural distortions of the phantoms, drawn into pictures of other breasts.

Sizes in mm follow from the height of the breast in the picture, which is taken as that of an average woman: true pixel
sizes are not known here.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from ..exam import Laterality, Projection
from ..phantom.canvas import PixelGrid
from ..phantom.lesions import Lesion, draw_lesion, random_calcifications, with_distortion
from ..report.findings import Finding
from .exam_cache import ModelBox
from .lesion_donors import RelativePlace
from .tissue_blending import Ellipse, fall_off, fine
from .view_pictures import Changed, ViewPicture, pictures_of, with_pictures

HEIGHT_MM = {Projection.CC: 150.0, Projection.MLO: 190.0}  # of an average compressed breast in a view
LARGEST_MM = 22.0  # radius of what is drawn; more than that has no place of its own
BLUR = (0.45, 0.85)  # pixels: of the calcifications, as a machine would
SPECKS, STRANDS = (2.0, 9.0), (0.4, 1.6)  # grey levels over the noise, from barely visible to plain
PULL = (0.2, 0.6)  # how far a distortion draws the tissue in; the phantoms' 0.9 is plainer than real ones
REACH = {"calcification": 1.1, "distortion": 1.8}  # radii of a lesion that must lie inside the breast
DRAWN = 2.2  # radii of the part of the picture that is drawn
TRIES = 10


def insert_drawn(
    kind: str, views: np.ndarray, side: Laterality, boxes: Sequence[ModelBox], rng: random.Random
) -> Changed | None:
    """Draw calcifications or a distortion into every view of a breast at matching places; None where it finds none.

    kind: "calcification" or "distortion". views: (4, rows, columns) uint8, left as they are. boxes: places to keep
    clear of.
    """
    pictures, numbers = pictures_of(views, side, boxes), np.random.default_rng(rng.getrandbits(64))
    finding, radius_mm = random_calcifications(numbers) if kind == "calcification" else _random_distortion(numbers)
    if radius_mm > LARGEST_MM:
        return None
    visibility, scale = rng.random(), float(np.exp(rng.gauss(0, 0.15)))
    sizes = [scale * HEIGHT_MM[picture.projection] / picture.frame.height for picture in pictures]  # mm of a pixel
    for _ in range(TRIES):
        depth = rng.uniform(0.1, 0.95)
        places = [
            _place(picture, REACH[kind] * radius_mm / mm, depth, rng)
            for picture, mm in zip(pictures, sizes, strict=True)
        ]
        if all(picture.is_free(place) for picture, place in zip(pictures, places, strict=True)):
            break
    else:
        return None
    added = []
    for picture, place, mm in zip(pictures, places, sizes, strict=True):
        drawn = _draw(picture, Lesion(kind, (0.0, 0.0, 0.0), radius_mm), finding, place, mm, visibility, numbers)
        if drawn is None:
            return None
        added.append(drawn)
    return Changed(with_pictures(views, pictures), tuple(added), (finding,))


def _random_distortion(rng: np.random.Generator) -> tuple[Finding, float]:
    """A distortion and its radius in mm; the middle of the phantoms', so that it finds room."""
    return Finding("distortion"), float(rng.uniform(6, 12))


def _place(picture: ViewPicture, half: float, depth: float, rng: random.Random) -> Ellipse:
    """A place at a share of the way from the nipple to the chest wall."""
    column, row = RelativePlace(depth, rng.uniform(-0.35, 0.35)).pixel(picture.frame)
    return Ellipse(column, row, half, half)


def _draw(
    picture: ViewPicture,
    lesion: Lesion,
    finding: Finding,
    place: Ellipse,
    mm: float,
    visibility: float,
    rng: np.random.Generator,
) -> ModelBox | None:
    """Draw a lesion into a picture and return its box; None where nothing of it is seen.

    mm: size of a pixel. visibility: 0 for barely visible to 1 for plain.
    """
    half = DRAWN * lesion.radius_mm / mm
    rows, columns = place._replace(half_width=half, half_height=half).window(picture.pixels.shape)
    part, inside = picture.pixels[rows, columns].astype(np.float32), picture.breast[rows, columns]
    column, row = place.column - columns.start, place.row - rows.start
    above_nipple, to_nipple = picture.frame.nipple_row - rows.start, picture.frame.nipple_column - columns.start
    grid = PixelGrid((part.shape[0], part.shape[1]), mm, above_nipple * mm, to_nipple * mm)
    lesion = replace(lesion, position=(float(column * mm), float(grid.middle - row * mm), 0.0))
    added, mask = draw_lesion(rng, lesion, finding, grid)
    drawn, mask = (added > 0) & inside, mask & inside
    if not drawn.any() or not mask.any():
        return None
    if finding.kind == "distortion":
        grain, pull = fine(part), PULL[0] + (PULL[1] - PULL[0]) * visibility
        changed = with_distortion(part - grain, [lesion], grid, pull) + grain
        changed += _scaled(added, drawn, STRANDS, visibility, part - grain)
        part += fall_off(grid.distance_mm((column, row)) / (half * mm), 0.7) * (changed - part)
    else:
        added = cv2.GaussianBlur(added * inside, (0, 0), float(rng.uniform(*BLUR)))
        part += _scaled(added, drawn, SPECKS, visibility, part)
    picture.pixels[rows, columns] = np.where(inside, np.clip(np.rint(part), 1, 255), picture.pixels[rows, columns])
    down, across = np.flatnonzero(mask.any(1)) + rows.start, np.flatnonzero(mask.any(0)) + columns.start
    return ModelBox(picture.view, finding.kind, float(across[0]), float(down[0]), across[-1] + 1.0, down[-1] + 1.0)


def _scaled(
    added: np.ndarray, drawn: np.ndarray, levels: tuple[float, float], visibility: float, part: np.ndarray
) -> np.ndarray:
    """What is added, in grey levels: its brighter parts so many times the texture's standard deviation."""
    texture = part - cv2.GaussianBlur(part, (0, 0), 2.0)
    noise = max(float(texture[drawn].std()), 1.0)
    low, high = levels
    peak = min(noise * low * (high / low) ** visibility, 90.0)
    bright = max(float(np.quantile(added[drawn], 0.9)), 1e-6)
    return np.asarray(np.minimum(added * (peak / bright), 1.8 * peak), np.float32)
