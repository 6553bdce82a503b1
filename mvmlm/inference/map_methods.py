"""The methods that maps are computed with, by name, and the scale that all of them share."""

from __future__ import annotations

from typing import NamedTuple


class MapMethod(NamedTuple):
    """A method of attribution.

    name: in commands and files. title: on screen. shows: one sentence for the reader. slow: it runs the image tower
    many times for each view, and takes seconds instead of milliseconds.
    """

    name: str
    title: str
    shows: str
    slow: bool = False


METHODS = {
    method.name: method
    for method in (
        MapMethod(
            "hirescam", "HiResCAM", "HiResCAM shows where features of the picture raised the answer, place by place."
        ),
        MapMethod(
            "grad-cam",
            "Grad-CAM",
            "Grad-CAM shows where features are found that raise the answer on the average of the picture; it can also "
            "point at places that did not count.",
        ),
        MapMethod(
            "integrated-gradients",
            "Integrated gradients",
            "Integrated gradients show what the pixels of each place added to the answer, compared with a breast of "
            "one even grey.",
            slow=True,
        ),
        MapMethod(
            "occlusion",
            "Occlusion",
            "Occlusion shows how far the answer falls when a square of an eighth of the picture’s height is blurred "
            "out.",
            slow=True,
        ),
    )
}
DEFAULT_METHOD = "hirescam"
#: lower values are drawn and written as 0, so that nearly all views without a finding stay empty; the shares on
#: phantoms are printed by scripts/measure_maps.py and stand in docs/method.md
FLOOR = 0.05
SCALE_NOTE = (
    f"The same scale for every exam and method: 1 = what lies around this point would alone make the model certain, "
    f"0.5 = would alone give a probability of 50 %. Below {FLOOR} the picture stays clear."
)


def method_named(name: str) -> MapMethod:
    """Return a method by its name. Raises ValueError for a name that is not known."""
    if name not in METHODS:
        raise ValueError(f"{name}: no such method of maps. Choose one of {', '.join(METHODS)}.")
    return METHODS[name]
