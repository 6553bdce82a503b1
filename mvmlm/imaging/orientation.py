"""How a stored picture lies: by the letters of its header and by the picture itself, and turning it by a quarter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..exam import CRANIOCAUDAL, FileMark, Laterality, Orientation, Question, Sourced, Spacing, View
from . import view_identification
from .file_header import FileHeader
from .preprocess import SEGMENTATION_ROWS, NoBreast, breast_outline, chest_wall_is_left, second_piece
from .voi import render

_OPPOSITE = {"A": "P", "P": "A", "L": "R", "R": "L", "H": "F", "F": "H"}
TURNS = {"none": 0, "anticlockwise": 1, "clockwise": 3}  # answers to the question "turn" -> quarter turns of np.rot90
CLEAR_SIDE = 0.4  # difference of the covered shares of both edges; all of 763 real pictures had more
LARGEST_SECOND_PIECE = 0.6  # area of what is bright beside the breast, as a share of the breast
UNCLEAR = "unclear"
WIDE = 1.1  # a breast so much wider than tall lies on its side; of 763 real ones the widest upright had 0.9


def chest_wall_edge(view: View) -> str:
    """Return the edge of the stored picture that is nearest to the chest wall, "left", "right", "top" or "bottom".

    By the breast in the picture: it is tall at the chest wall and tapers to the nipple. "" where no breast is found,
    UNCLEAR where the picture does not show one breast that tapers to one side.
    """
    shrink = max(1, round(view.rows / SEGMENTATION_ROWS))
    try:
        grey = render(replace(view, pixels=view.pixels[::shrink, ::shrink]))
        breast, second = breast_outline(grey), second_piece(grey)
    except NoBreast:
        return ""
    if second > LARGEST_SECOND_PIECE:
        return UNCLEAR
    rows, columns = breast.shape
    band_rows, band_columns = max(1, rows // 25), max(1, columns // 25)
    left, right = breast[:, :band_columns].mean(), breast[:, -band_columns:].mean()
    top, bottom = breast[:band_rows].mean(), breast[-band_rows:].mean()
    sides, ends = max(left, right), max(top, bottom)
    if columns > WIDE * rows and (ends > sides + 0.05 or (ends >= sides - 0.02 and sides < 0.97)):
        return "top" if top >= bottom else "bottom"
    if abs(left - right) > CLEAR_SIDE:
        return "left" if left > right else "right"
    return UNCLEAR


def quarter_turns(letters: list[str], view: View) -> int:
    """Return the quarter turns, anticlockwise, after which rows run to or from the chest wall: 0, 1 or 3.

    letters: PatientOrientation. 0 where its first direction is anterior or posterior, or none of both is.
    """
    if len(letters) != 2 or letters[0][:1] in ("A", "P") or letters[1][:1] not in ("A", "P"):
        return 0
    row = letters[0][:1]
    if view.name is not None and view.name.projection in CRANIOCAUDAL:
        return 1 if row == view.name.laterality.value else 3  # the lateral side comes up
    return 1 if row == "H" else 3


def turned(view: View, quarters: int, letters: Orientation | None = None) -> View:
    """Return a view turned anticlockwise by so many quarters. letters: the new orientation, where it is known."""
    pixels = np.ascontiguousarray(np.rot90(view.pixels, quarters))
    spacing = view.spacing
    if spacing and quarters % 2:
        spacing = Spacing(spacing.column_mm, spacing.row_mm, spacing.kind)
    return replace(view, pixels=pixels, spacing=spacing, orientation=letters or view.orientation)


def turned_letters(letters: list[str], quarters: int) -> Orientation:
    """Return PatientOrientation after an odd number of quarter turns, anticlockwise."""
    row, column = letters
    return Orientation(column[:1], _opposite(row)) if quarters == 1 else Orientation(_opposite(column)[:1], row)


def _opposite(direction: str) -> str:
    return "".join(_OPPOSITE.get(letter, "") for letter in direction)


def orientation_marks(view: View, letters: list[str], quarters: int, edge: str) -> list[FileMark]:
    """Return what the reader must know about how a picture lies, before it is turned.

    letters: PatientOrientation. quarters: by which the header would have it turned.
    """
    said, file = "\\".join(letters), view.file
    if quarters and edge not in ("left", "right"):
        way = "anticlockwise" if quarters == 1 else "clockwise"
        return [FileMark("turned", file, f"Turned by a quarter {way}, because PatientOrientation says {said}.")]
    if quarters or edge in ("top", "bottom"):
        header = f"PatientOrientation says {said}, but the" if letters else "The"
        text = f"{header} picture shows the chest wall at its {edge} edge. "
        text += "How must it be turned so that the chest wall is at the left or right edge and the head is up?"
        return [Question("quarter-turn", file, text, key="turn", choices=tuple(TURNS))]
    if len(letters) == 2 and not {letters[0][:1], letters[1][:1]} & {"A", "P"}:
        text = f"PatientOrientation says {said}, which is not how a breast lies. The side of the chest wall is taken "
        return [FileMark("orientation-unusable", file, f"{text}from the picture.")]
    told = {"A": "left", "P": "right"}.get(letters[0][:1], "") if letters else ""
    if told and edge and told != edge:
        text = (
            f"PatientOrientation says {said}, so the chest wall would be at the {told} edge; the picture shows it at "
        )
        return [FileMark("orientation-conflict", file, f"{text}the {edge} edge. PatientOrientation is used.")]
    return []


def one_breast_question(file: str) -> Question:
    """Return the question whether a picture is a standard view although it does not look like one."""
    text = (
        "The picture does not look like one breast with the chest wall at one edge; it may show both breasts, a part, "
    )
    text += "or none. Is this an ordinary standard view of one breast?"
    return Question("not-one-breast", file, text, key="standard", choices=("yes", "no"))


def oriented(view: View, header: FileHeader, sources: dict[str, Sourced]) -> View:
    """Return a view with its orientation, its sources and the marks on both; turned where its header says so.

    sources: of the side and the projection. Where the header does not give the side of the chest wall, the picture
    does.
    """
    letters, chest_wall = header.get("orientation") or [], view_identification.chest_wall(header)
    quarters = quarter_turns(letters, view)
    edge = "" if view.modifiers else chest_wall_edge(view)  # the breast of an extra view may have any shape
    marks = orientation_marks(view, letters, quarters, "" if edge == UNCLEAR else edge)
    if edge == UNCLEAR and not any(isinstance(mark, Question) for mark in (*view.marks, *marks)):
        marks.append(one_breast_question(view.file))
    if any(mark.code == "turned" for mark in marks):
        view = turned(view, quarters, turned_letters(letters, quarters))
        chest_wall = Sourced("left" if view.chest_wall_left else "right", "PatientOrientation")
    elif chest_wall:
        view = replace(view, orientation=Orientation(letters[0], view_identification.column_direction(header)))
    else:
        view, chest_wall = by_picture(view, view_identification.column_direction(header))
    return replace(view, sources=sources | {"chest wall": chest_wall}, marks=(*view.marks, *marks))


def by_picture(view: View, column: str = "") -> tuple[View, Sourced]:
    """Return a view whose chest wall is where the picture shows it, or else where that side usually hangs.

    column: the direction of its columns, where the header gives it.
    """
    try:
        left = chest_wall_is_left(render(view))
    except NoBreast:
        left = view.name is None or view.name.laterality is not Laterality.RIGHT
    found = Sourced("left" if left else "right", "the picture", guessed=True)
    return replace(view, orientation=Orientation("A" if left else "P", column)), found
