import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from mvmlm.exam import View, ViewName, Window
from mvmlm.imaging.voi import apply_window, processing_preview, render

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)


def view(pixels=RAMP, **facts):
    return View(ViewName.parse("R_CC"), pixels, "ramp", bits=12, **facts)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("center", "width"), [(2048, 4096), (1500, 700), (2000.5, 1001)])
def test_windows_equal_pydicoms(function, center, width):
    ds = Dataset()
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = center, width, function
    ds.BitsStored, ds.PixelRepresentation, ds.PhotometricInterpretation = 12, 0, "MONOCHROME2"
    expected = apply_windowing(RAMP, ds)
    ours = apply_window(RAMP, Window("w", function, center, width))
    assert np.abs(ours - expected / 4095).max() < 1e-6


def test_a_table_is_looked_up_and_held_at_its_ends():
    table = np.array([0.0, 0.25, 1.0], np.float32)
    got = apply_window(np.array([0, 10, 11, 12, 99]), Window("t", "TABLE", table=table, first=10))
    assert got.tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]


def test_monochrome1_is_inverted_after_the_window():
    window = Window("w", "LINEAR_EXACT", 1000, 500)
    plain, inverted = render(view(windows=(window,))), render(view(windows=(window,), inverted=True))
    assert np.abs(plain.astype(int) + inverted - 65535).max() <= 1


def test_padding_stays_black_when_the_picture_is_inverted():
    padded = view(inverted=True, padding=(0, 10))
    shown = render(padded)
    assert (shown[RAMP <= 10] == 0).all()
    assert shown[RAMP == 11].item() > 60000


def test_signed_and_float_values_render_like_unsigned_ones():
    window = Window("w", "LINEAR", 2048, 4096)
    expected = render(view(windows=(window,)))
    signed = view((RAMP.astype(np.int16) - 2048), windows=(Window("w", "LINEAR", 0, 4096),))
    assert (render(signed) == expected).all()
    assert (render(view(RAMP.astype(np.float32), windows=(window,))) == expected).all()


def test_a_for_processing_image_has_a_named_rendering():
    window = processing_preview(view(for_processing=True))
    assert "for-processing" in window.name
    assert (np.diff(apply_window(np.arange(4096), window)) >= 0).all()


def test_an_unknown_function_is_named_in_the_error():
    with pytest.raises(ValueError, match="CUBIC"):
        apply_window(RAMP, Window("w", "CUBIC"))
