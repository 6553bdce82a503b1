"""How a stored picture is flipped so that it hangs: chest walls back to back, head up, the lateral side up in a CC."""

from __future__ import annotations

import numpy as np

from ..exam import Laterality, Orientation, View

_OPPOSITE = {"A": "P", "P": "A", "L": "R", "R": "L", "H": "F", "F": "H"}


def hung(image: np.ndarray, view: View) -> np.ndarray:
    """Return an image (rows, columns, ...) as it hangs: head up, the right breast's chest wall at the right edge."""
    if mirrored(view):
        image = image[:, ::-1]
    return image if view.head_up else image[::-1]


def mirrored(view: View) -> bool:
    """Return whether `hung` reverses the columns of the view."""
    right = view.name is not None and view.name.laterality is Laterality.RIGHT
    return view.chest_wall_left == right


def hung_orientation(view: View) -> Orientation:
    """Return the directions of rows and columns of the picture as `hung` returns it."""
    row, column = view.orientation
    return Orientation(opposite(row) if mirrored(view) else row, column if view.head_up else opposite(column))


def opposite(direction: str) -> str:
    """Return the opposite of a direction of PatientOrientation, such as "FL" for "HR"."""
    return "".join(_OPPOSITE.get(letter, "") for letter in direction)
