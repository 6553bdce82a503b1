"""Exams as a network is given them: prepared ahead, without their pictures, and several of them read in one call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..exam import Exam, View, ViewName
from ..imaging.phantom_files import is_phantom_exam
from ..imaging.preprocess import ModelInput, NoBreast
from ..model.exam_network import ExamNetwork, ViewTensors
from .familiarity import MeasuredInputs


@dataclass(frozen=True, eq=False)
class PreparedExam:
    """What a network is given of an exam.

    exam: as it was opened, or `without_pictures`. inputs: the preprocessed image of each view that is read, at least
    one. unread: the reason for each other view. phantom: see `imaging.phantom_files`. measured: from
    `Familiarity.measured_inputs` where the pictures are gone; None where they are still there.
    """

    exam: Exam
    inputs: Mapping[ViewName, ModelInput]
    unread: Mapping[ViewName, str]
    phantom: bool
    measured: MeasuredInputs | None = None

    def without_pictures(self, measured: MeasuredInputs) -> PreparedExam:
        """Return it with views that keep their facts and their size, but no pixels and no prior: many can wait so.

        measured: from `Familiarity.measured_inputs`, which needs the pixels.
        """
        exam = self.exam
        views = {name: _without_pixels(view) for name, view in exam.views.items()}
        exam = replace(exam, views=views, extra=tuple(map(_without_pixels, exam.extra)), prior=None)
        return replace(self, exam=exam, measured=measured)


def _without_pixels(view: View) -> View:
    """The view with one zero in place of all its values."""
    return replace(view, pixels=np.broadcast_to(view.pixels.dtype.type(0), view.pixels.shape))


def prepare_exam(network: ExamNetwork, exam: Exam, score_for_processing: bool = False) -> PreparedExam:
    """Return what a network is given of an exam.

    score_for_processing: also of FOR PROCESSING images. Raises NoBreast where no standard view can be read.
    """
    inputs, unread = {}, {}
    for name, view in exam.views.items():
        if view.for_processing and not score_for_processing:
            unread[name] = "a FOR PROCESSING image: shown, but not scored unless you ask for it"
            continue
        try:
            inputs[name] = network.prepare(view)
        except NoBreast as error:
            unread[name] = str(error)
    if not inputs:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in unread.items())
        raise NoBreast(f"no standard view (CC or MLO) that the model can read{': ' + reasons if reasons else ''}")
    return PreparedExam(exam, inputs, unread, is_phantom_exam(exam))


def read_together(network: ExamNetwork, exams: Sequence[PreparedExam]) -> list[ViewTensors]:
    """Return the views of each exam, as the network reads them in one call for all of them."""
    read = network.read([given for exam in exams for given in exam.inputs.values()])
    found, start = [], 0
    for exam in exams:
        rows = slice(start, start + len(exam.inputs))
        features = tuple(each[rows] for each in read.features)
        fine = None if read.fine is None else read.fine[rows]
        found.append(ViewTensors(features, read.inside[rows], read.pooled[rows], fine))
        start = rows.stop
    return found
