"""How inputs are made by chance: sound ones that are changed, tables, JSON, and small sound files to begin with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

Inputs = st.SearchStrategy[bytes]

#: values at which readers of lengths and sizes go wrong
ODD = [b"", b"\0", b"\xff", b"\0\0", b"\xff\xff", bytes(4), b"\xff" * 4, b"\xff\xff\xff\x7f", bytes(8), b"\xff" * 8]
WORDS = st.text(st.characters(codec="utf-8"), max_size=12)
ODD_NUMBERS = st.one_of(st.integers(-5, 5), st.integers(), st.floats(), st.just(10**400))
ODD_JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), ODD_NUMBERS, WORDS), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)


def either(*values: Any) -> st.SearchStrategy[Any]:
    """Return what is expected, or any other JSON."""
    return st.one_of(st.sampled_from(values), ODD_JSON)


def changed(sound: Sequence[bytes]) -> Inputs:
    """Return sound inputs with a few places overwritten, filled, cut out or repeated."""
    edit = st.tuples(
        st.integers(0, 2**24), st.sampled_from("oidrt"), st.one_of(st.sampled_from(ODD), st.binary(max_size=6))
    )
    return st.builds(_edited, st.sampled_from(list(sound)), st.lists(edit, max_size=6))


def _edited(data: bytes, edits: Sequence[tuple[int, str, bytes]]) -> bytes:
    for where, how, new in edits:
        place = where % (len(data) + 1)
        if how == "o":
            data = data[:place] + new + data[place + len(new) :]
        elif how == "i":
            data = data[:place] + new + data[place:]
        elif how == "d":
            data = data[:place] + data[place + 1 + where % 9 :]
        elif how == "r":
            data = data[:place] + data[max(0, place - 1 - where % 40) :]
        else:
            data = data[:place]
    return data


def table(columns: Sequence[str], cells: Sequence[str]) -> Inputs:
    """Return CSV tables of these columns, with cells that are expected and others, and raw text now and then."""
    cell = st.one_of(st.sampled_from([*cells, ""]), WORDS, st.floats().map(str), st.just("9" * 500))
    header = st.one_of(st.just(list(columns)), st.lists(st.sampled_from([*columns, "x"]), min_size=1, max_size=12))

    def written(names: list[str], rows: list[list[str]]) -> bytes:
        lines = [",".join('"' + each.replace('"', '""') + '"' for each in line) for line in [names, *rows]]
        return "\n".join(lines).encode("utf-8", "surrogatepass")

    whole = header.flatmap(
        lambda names: st.builds(
            written, st.just(names), st.lists(st.lists(cell, min_size=len(names), max_size=len(names)), max_size=4)
        )
    )
    return st.one_of(whole, whole.flatmap(lambda data: changed([data])))


def small_view(name: Any, rows: int = 24, columns: int = 16) -> Any:
    """Return a view of half an ellipse."""
    import numpy as np

    from mvmlm.exam import Acquisition, View

    row, column = np.mgrid[:rows, :columns]
    inside = ((row - rows / 2) / (0.44 * rows)) ** 2 + (column / (0.75 * columns)) ** 2 < 1
    pixels = np.where(inside, 1500 + 10 * (row % 90), 20).astype(np.uint16)
    return View(name, pixels, "made", bits=12, acquisition=Acquisition(date="20260101"))


def dicom_files() -> list[bytes]:
    """Return a small mammogram in every way in which pixels are stored."""
    import imagecodecs
    from pydicom import uid
    from pydicom.encaps import encapsulate

    from mvmlm.exam import STANDARD_VIEWS
    from mvmlm.imaging.write import dataset

    view = small_view(STANDARD_VIEWS[0])
    frames = {
        uid.JPEGLosslessSV1: imagecodecs.ljpeg_encode(view.pixels, bitspersample=12),
        uid.JPEGExtended12Bit: imagecodecs.jpeg_encode(view.pixels, level=90, bitspersample=12),
        uid.JPEGLSLossless: imagecodecs.jpegls_encode(view.pixels),
        uid.JPEG2000Lossless: imagecodecs.jpeg2k_encode(view.pixels, level=0, reversible=True, codecformat="j2k"),
        uid.HTJ2KLossless: imagecodecs.htj2k_encode(view.pixels),
    }
    native = (uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian)
    files = []
    for syntax in (*native, uid.RLELossless, *frames):
        ds = dataset(view, "p1")
        if syntax == uid.RLELossless:
            ds.compress(syntax)
        elif syntax in frames:
            ds.PixelData = encapsulate([bytes(frames[syntax])])
            ds["PixelData"].VR = "OB"
        ds.file_meta.TransferSyntaxUID = syntax
        file = io.BytesIO()
        ds.save_as(file, enforce_file_format=True)
        files.append(file.getvalue())
    return files


def picture_files() -> list[bytes]:
    """Return a small picture as PNG, JPEG and TIFF."""
    from PIL import Image

    from mvmlm.exam import STANDARD_VIEWS

    grey = Image.fromarray((small_view(STANDARD_VIEWS[0]).pixels >> 4).astype("u1"))
    files = []
    for form, options in (
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
    ):
        file = io.BytesIO()
        grey.save(file, form, **options)
        files.append(file.getvalue())
    return files


def write_exam(folder: Path) -> Path:
    """Write an exam of four small views and return its folder."""
    from mvmlm.exam import STANDARD_VIEWS
    from mvmlm.imaging.write import dataset

    exams = folder / "exam"
    exams.mkdir()
    for name in STANDARD_VIEWS:
        dataset(small_view(name, 160, 120), "p1").save_as(exams / f"{name}.dcm", enforce_file_format=True)
    return exams


def filled_store(folder: Path) -> Any:
    """Return a store with one exam, case0."""
    from mvmlm.imaging.load import load_exam
    from mvmlm.store.store import Store

    exams = write_exam(folder)
    exam = load_exam(exams)
    store = Store(folder / "data")
    paths = {name: exams / view.file for name, view in exam.views.items()}
    store.exams.add(exam, paths, "ann", patient_id="case0", study_id="0", name="case0")
    return store
