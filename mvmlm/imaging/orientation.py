"""How a stored picture lies: by the letters of its header and by the picture itself, and turning it by a quarter."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from ..exam import CRANIOCAUDAL, FileMark, Laterality, Orientation, Question, Sourced, Spacing, View
from ..messages import quoted
from . import view_identification
from .file_header import FileHeader
from .hanging import opposite
from .picture_checks import clear_edge, content_question, kind_question, shows_tissue, view_facts
from .preprocess import NoBreast, chest_wall_is_left
from .view_conflicts import view_question
from .voi import render

DIRECTIONS = frozenset("".join(pair) for pair in product(*[["", *"APRLFH"]] * 3))  # PS3.3 C.7.6.1.1.1
TURNS = {"none": 0, "anticlockwise": 1, "clockwise": 3}  # answers to the question "turn" -> quarter turns of np.rot90


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
    return Orientation(column[:1], opposite(row)) if quarters == 1 else Orientation(opposite(column)[:1], row)


def orientation_marks(view: View, letters: list[str], quarters: int, edge: str, tissue: bool) -> list[FileMark]:
    """Return what the reader must know about how a picture lies, before it is turned.

    letters: PatientOrientation. quarters: by which the header would have it turned. edge: of the chest wall in the
    picture. tissue: whether the picture shows any, and is no drawing.
    """
    said, file = "\\".join(quoted(letter, DIRECTIONS) for letter in letters), view.file
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
            f"the {edge} edge."
        )
        if tissue:
            text += " It is mirrored, or of the other breast."
            return [view_question(file, text, code="orientation-conflict")]
        return [FileMark("orientation-conflict", file, f"{text} PatientOrientation is used.")]
    return []


def oriented(view: View, header: FileHeader, sources: dict[str, Sourced]) -> View:
    """Return a view with its orientation, its sources and the marks on both; turned where its header says so.

    sources: of the side and the projection. Where the header does not give the side of the chest wall, the picture
    does.
    """
    letters, chest_wall = header.get("orientation") or [], view_identification.chest_wall(header)
    quarters = quarter_turns(letters, view)
    facts = None if view.modifiers else view_facts(view)  # the breast of an extra view may have any shape
    doubt, edge = kind_question(view, facts), clear_edge(facts)
    shown = edge if doubt is None or edge in ("top", "bottom") else ""
    marks = orientation_marks(view, letters, quarters, shown, shows_tissue(facts))
    if any(mark.code == "turned" for mark in marks):
        view = turned(view, quarters, turned_letters(letters, quarters))
        chest_wall = Sourced("left" if view.chest_wall_left else "right", "PatientOrientation")
    elif chest_wall:
        view = replace(view, orientation=Orientation(letters[0], view_identification.column_direction(header)))
    else:
        view, chest_wall = by_picture(view, view_identification.column_direction(header))
    view = replace(view, sources=sources | {"chest wall": chest_wall})
    if doubt is None and not any(isinstance(mark, Question) for mark in (*view.marks, *marks)):
        doubt = content_question(view, view_facts(view) if quarters and facts else facts)
    if doubt and not view.questions:
        marks.append(doubt)
    return replace(view, marks=(*view.marks, *marks))


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
