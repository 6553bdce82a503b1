import tracemalloc

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing

from mvmlm.exam import View, ViewName, Window
from mvmlm.imaging.view_grey import with_fitting_grey
from mvmlm.imaging.voi import apply_window, default_window, full_range, processing_preview, render

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


def peak_bytes(call):
    """The most memory that a call takes beyond what was there before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "u4", "f4"])
@pytest.mark.parametrize("for_processing", [False, True])
def test_rendering_takes_little_memory_whatever_the_values_are(dtype, for_processing):
    pixels = np.zeros((2000, 1500), dtype)
    pixels[500:] = np.linspace(1, min(np.finfo("f4").max, np.iinfo(dtype).max) if dtype != "f4" else 3e38, 1500)
    picture = view(pixels, for_processing=for_processing)
    assert peak_bytes(lambda: render(picture)) < 60_000_000 + 2 * pixels.size


@pytest.mark.parametrize("dtype", ["u2", "i2", "i4", "u4", "f4"])
def test_every_type_of_value_renders_the_same_grey(dtype):
    values = (RAMP.astype(int) * 7 + 3).astype(dtype)
    for window in (
        Window("w", "LINEAR", 9000, 20000),
        Window("s", "SIGMOID", 9000, 5000),
        Window("l", "LOG", 8, 4, first=3),
    ):
        x = values.astype(float)
        expected = {
            "LINEAR": (x - 8999.5) / 19999 + 0.5,
            "SIGMOID": 1 / (1 + np.exp(-4 * (x - 9000) / 5000)),
            "LOG": (np.log(x - 3 + 1) - 8) / 4 + 0.5,
        }[window.function]
        assert np.abs(render(view(values), window) / 65535 - np.clip(expected, 0, 1)).max() < 1e-5
    table = np.linspace(0, 1, 30000, dtype=np.float32)
    shown = render(view(values), Window("t", "TABLE", table=table, first=100))
    assert np.abs(shown / 65535 - table[np.clip(values.astype(int) - 100, 0, 29999)]).max() < 1e-5


def test_the_full_range_of_changed_values_is_that_of_the_values():
    for facts in ({"rescale": (4.0, 0.0)}, {"modality_lut": True}):
        window = full_range(view(RAMP * 3 + 5, **facts))
        assert (window.center - window.width / 2, window.center + window.width / 2) == (5, 4095 * 3 + 5)
    window = full_range(view(RAMP.astype(np.int16) - 900, padding=(-900, -800)))
    assert (window.center - window.width / 2, window.center + window.width / 2) == (-799, 4095 - 900)
    window = full_range(view(RAMP[:4]))
    assert (window.center, window.width) == (2047.5, 4095), "values as stored: the range of BitsStored"


def test_a_window_that_does_not_fit_is_not_the_first_choice_and_stays_on_offer():
    far, own = Window("far", "LINEAR", -5000, 300), Window("own", "LINEAR", 2000, 3000)
    fitted = with_fitting_grey(view(windows=(far, own)))
    assert [(window.name, window.fits) for window in fitted.windows] == [("far", False), ("own", True)]
    assert default_window(fitted).name == "own" and [mark.code for mark in fitted.marks] == ["window-range"]
    assert default_window(with_fitting_grey(view(windows=(far,)))).name == "full range"
    assert all(window.fits for window in with_fitting_grey(view(windows=(far,), for_processing=True)).windows)
    narrow = Window("narrow", "LINEAR", 1000, 400)
    assert with_fitting_grey(view(windows=(narrow,))).marks == (), "a tenth of the values is enough"
