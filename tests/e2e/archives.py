"""Zips of phantom exams, which browser tests import on the worklist page."""

import shutil

from mvmlm.phantom.truth import write_phantoms


def phantom_archive(tmp_path_factory, count, seed):
    """Return the path of a zip of so many small phantom exams."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, count, seed, rows=320)
    shutil.rmtree(folder / "masks")
    return shutil.make_archive(str(tmp_path_factory.mktemp("zip") / "exams"), "zip", folder)
