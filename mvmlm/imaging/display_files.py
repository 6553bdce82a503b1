"""Files of any exams -> what each shows of the rules for a display, one picture in memory at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..exam import Exam, SetAside, View
from ..temporary import short_lived_folder
from .decoder import Decoder, Unreadable
from .display_check import Checked, check_same_size, check_view
from .files import list_files
from .load import make_view

#: what objects without a picture, (name, path), show beside the pictures of an exam
CheckObjects = Callable[[Sequence[tuple[str, Path]], Exam], Iterable[Checked]]


def check_files(
    paths: Iterable[str | os.PathLike], decoder: Decoder, check_objects: CheckObjects
) -> tuple[tuple[Checked, ...], tuple[SetAside, ...]]:
    """Return what every picture among files, folders and zips shows, in the order of the rules, and what is not read.

    The first is empty where no picture can be read. check_objects: called once, for the objects of other programs; the
    exam has all pictures. Raises NoExam for too many files.
    """
    found: list[Checked] = []
    views: list[View] = []
    with short_lived_folder("unpacked") as folder:
        listing = list_files(paths, folder, decoder)
        set_aside = list(listing.set_aside)
        for file in (file for group in listing.groups for file in group.files):
            pixels = next(iter(decoder.pixels([file.path])))
            if isinstance(pixels, Unreadable):
                set_aside.append(SetAside(file.name, str(pixels), pixels.code))
                continue
            view = make_view(file.header, file.name, pixels)
            found += check_view(view)
            views.append(replace(view, pixels=np.broadcast_to(pixels[:1, :1].copy(), pixels.shape)))  # the size alone
        if views:
            found.append(check_same_size(views))
            found += check_objects(listing.objects, Exam({}, extra=tuple(views)))
    return tuple(sorted(found, key=lambda checked: checked.rule)), tuple(set_aside)
