"""Which stored exams are unlike known mammograms: measured when an exam is encoded, or once afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache

from ..exam import View, ViewName
from ..imaging.decoder import Decoder
from ..imaging.files import NoExam
from ..imaging.preprocess import ModelInput, NoBreast
from ..inference.familiarity import STATISTICS
from ..inference.model_predictor import ModelPredictor
from ..inference.precision import single_precision
from ..inference.prepared import prepare_exam
from ..store.archive import open_stored_exam
from ..store.database import StoreError
from ..store.records import ProgressCallback
from ..store.store import Store
from .config import Stopped


def unlike_exams(
    store: Store,
    predictor: ModelPredictor,
    decoder: Decoder,
    sources: Mapping[int, str],
    report_progress: ProgressCallback,
) -> dict[int, bool]:
    """Return whether each exam has a view of which the predictor notes that it is unlike known mammograms.

    sources: the exams, each with the checksum of its embedding, see `embeddings.source_of`. An exam that was encoded
    before this was stored is opened again, once; one that cannot be opened is left out. Empty where it cannot be
    measured with these weights. Raises Stopped.
    """
    if not predictor.familiarity.known:
        return {}
    wanted = {number: _with_statistics(source) for number, source in sources.items()}
    found = store.familiarity.current(predictor.weights, wanted)
    missing = [number for number in sources if number not in found]
    for done, number in enumerate(missing):
        left = len(missing) - done
        if report_progress(done / len(missing), f"{done} of {len(missing)} exams looked at, {left} left"):
            raise Stopped
        try:
            exam = open_stored_exam(store, number, decoder)
            inputs = prepare_exam(predictor.model, exam).inputs
        except (StoreError, NoBreast, NoExam):
            continue
        store_familiarity(store, predictor, number, sources[number], inputs, exam.views)
    return found | store.familiarity.current(predictor.weights, {number: wanted[number] for number in missing})


def store_familiarity(
    store: Store,
    predictor: ModelPredictor,
    number: int,
    source: str,
    inputs: Mapping[ViewName, ModelInput],
    views: Mapping[ViewName, View],
) -> None:
    """Measure an open exam and store the outcome; nothing is stored where it cannot be measured with these weights.

    source, inputs, views: as for `unlike_exams` and `Familiarity.measured_inputs`.
    """
    with single_precision(predictor.device):
        unfamiliar = predictor.familiarity.unfamiliar(predictor.familiarity.measured_inputs(inputs, views))
    if unfamiliar is not None:
        store.familiarity.add(number, predictor.weights, _with_statistics(source), bool(unfamiliar))


def _with_statistics(source: str) -> str:
    return hashlib.sha256(f"{source} {_checksum_of_statistics()}".encode()).hexdigest()


@cache
def _checksum_of_statistics() -> str:
    return hashlib.sha256(STATISTICS.read_bytes()).hexdigest()
