"""Pictures that a data set stretched to a square reach the model, and their boxes, at their true shape."""

import cv2
import numpy as np
import pytest

from mvmlm.datasets.case import Case, FindingBox, Image
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.preprocess import Preprocessing
from mvmlm.imaging.stretched_pictures import UnstretchingDecoder
from mvmlm.imaging.voi import render
from mvmlm.pretraining.exam_cache import ExamCache, ExamCacheWriter, cache_cases
from mvmlm.report.findings import ExamFindings, Findings

SMALL = Preprocessing(rows=96, columns=64)


def cached(tmp_path, decoder, picture, image):
    """The cached pixels and the box of an exam with one picture."""
    folder = (tmp_path / image.path).parent
    folder.mkdir()
    cv2.imwrite(str(tmp_path / image.path), picture)
    case = Case("one", "p", (image,), ExamFindings(right=Findings("B")))
    with ExamCacheWriter(folder / "cache", SMALL) as writer:
        assert list(cache_cases([case], tmp_path, writer, SMALL, decoder)) == []
    cache = ExamCache(folder / "cache")
    return cache.views(0)[0].astype(float), cache.labels[0].boxes[0]


def test_a_picture_stretched_to_a_square_and_its_box_are_taken_at_their_true_shape(phantom, tmp_path, decoder):
    name = STANDARD_VIEWS[0]
    true = (render(phantom.exam.views[name]) // 256).astype(np.uint8)
    rows, columns = true.shape
    square = cv2.resize(true, (rows, rows), interpolation=cv2.INTER_LINEAR)
    box, factor = FindingBox("mass", columns * 0.6, rows * 0.4, columns * 0.8, rows * 0.5), rows / columns
    wide = FindingBox("mass", box.left * factor, box.top, box.right * factor, box.bottom)
    pixels, placed = cached(tmp_path, decoder, true, Image("true/R_CC.png", name, (box,)))
    again, as_placed = cached(tmp_path, decoder, square, Image("square/R_CC.png", name, (wide,), columns / rows))
    assert np.abs(pixels - again).mean() < 2, "levels of 255"
    assert np.allclose(placed[2:], as_placed[2:], atol=1.0)
    stretched, elsewhere = cached(tmp_path, decoder, square, Image("untold/R_CC.png", name, (wide,)))
    assert np.abs(pixels - stretched).mean() > 5 and not np.allclose(placed[2:], elsewhere[2:], atol=1.0)


@pytest.mark.parametrize("ratio, shape", [(0.8, (640, 512)), (1.25, (512, 640)), (1.0, (640, 640))])
def test_a_picture_is_shrunk_along_one_direction_and_never_enlarged(tmp_path, decoder, ratio, shape):
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((640, 640), np.uint8))
    unstretching = UnstretchingDecoder(decoder, {path: ratio})
    assert unstretching.pixels([path])[0].shape == shape
    assert unstretching.scales[path] == (shape[1] / 640, shape[0] / 640)
