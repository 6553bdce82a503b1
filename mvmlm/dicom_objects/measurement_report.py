"""A reading, or the model's answers -> Comprehensive SR after TID 1500, written with highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import highdicom.sr as sr
import numpy as np
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import UID

from ..exam import Laterality
from ..imaging.own_uids import uid
from ..inference.prediction import Answer, Prediction
from ..reading.form import NUMBERS, TRUTH_FIELDS, answer_word
from ..reading.reading import Mark, MarkedFinding
from ..report.lexicon import KINDS
from ..store.records import Read
from ..tasks import TASK, Kind
from . import codes
from .content import HALF
from .finding_codes import ASSESSMENT, COMPOSITION, FINDINGS, assessment, composition, evaluations, finding_type
from .header import MANUFACTURER, USE, add_own_scheme, finish, object_uids, picture
from .model_marks import algorithm_of
from .sources import Source, Sources

_BREAST, _MAMMOGRAPHY = codes.sct("76752008", "Breast"), codes.sct("71651007", "Mammography")
_PERSON, _DEVICE = sr.CodedConcept("121006", "DCM", "Person"), sr.CodedConcept("121007", "DCM", "Device")
NOT_WRITTEN = (*TRUTH_FIELDS, "note")  # outcomes are no part of a reading, and a note may name somebody

Group = sr.MeasurementsAndQualitativeEvaluations | sr.PlanarROIMeasurementsAndQualitativeEvaluations


def reading_object(read: Read, sources: Sources) -> Dataset:
    """Return a signed reading as an SR whose observer is the reader; it is dated with the time of signing (UTC).

    Outcomes and the note are left out. Raises ValueError for a reading that is not signed, or with marks on a view that
    the exam does not have.
    """
    if read.signed is None:
        raise ValueError(f"The read of {read.reader} is a draft. Sign it, then write it.")
    created = datetime.fromisoformat(read.signed)
    uids = object_uids(sources, created, f"reading/{read.reader}", str(read.id), repr(read.reading))
    groups: list[Group] = []
    for number, finding in read.reading.findings.items():
        groups += _finding_groups(number, finding, sources, str(uids[1]))
    for side in (*Laterality, None):
        told = _stated(read, side)
        if told:
            what = f"{side.word} breast" if side else "exam"
            groups.append(_group(what, str(uids[1]), side, evaluations_=told))
    person = sr.PersonObserverIdentifyingAttributes(name=_person_name(read.reader))
    context = sr.ObservationContext(observer_person_context=sr.ObserverContext(_PERSON, person))
    return _report(context, groups, sources, uids, created, "MV-MLM reading")


def prediction_object(prediction: Prediction, sources: Sources, created: datetime) -> Dataset:
    """Return the answers of the model's heads as an SR whose observer is the model. created: local time.

    Answers by prompts, and tasks that the weights have not learned, are left out.
    """
    uids = object_uids(sources, created, f"answers/{prediction.model}", prediction.version, repr(prediction.answers))
    groups: list[Group] = []
    rows = [a for a in prediction.answers if a.by == "head" and a.task not in prediction.not_learned]
    for task, side in dict.fromkeys((answer.task, answer.laterality) for answer in rows):
        of_task = [answer for answer in rows if (answer.task, answer.laterality) == (task, side)]
        measured = [_measurement(answer, task in prediction.calibrated) for answer in of_task]
        algorithm = sr.AlgorithmIdentification(*algorithm_of(prediction, task), manufacturer=MANUFACTURER)
        what = f"{task}, {f'{side.word} breast' if side else 'exam'}"
        groups.append(_group(what, str(uids[1]), side, FINDINGS.get(task), measured, algorithm=algorithm))
    device = sr.DeviceObserverIdentifyingAttributes(
        uid=str(uid("model", prediction.model, prediction.version)),
        name=f"{prediction.model} {prediction.version}"[:64],
        manufacturer_name=MANUFACTURER,
        model_name=prediction.model[:64],
    )
    context = sr.ObservationContext(observer_device_context=sr.ObserverContext(_DEVICE, device))
    return _report(context, groups, sources, uids, created, "MV-MLM answers")


def _measurement(answer: Answer, calibrated: bool) -> sr.Measurement:
    """The probability of a class in percent; where it is not calibrated, the name says that it is a score."""
    task = TASK.get(answer.task)
    if not calibrated:
        name = codes.own(f"{answer.task}-{answer.class_}-score", f"{_title(answer)}, score, not calibrated")
    elif answer.task == "malignancy":
        name = codes.CANCER
    elif answer.task in KINDS:
        name = codes.CERTAINTY
    else:
        cumulative = task is not None and task.kind is Kind.SURVIVAL
        within = "cumulative probability" if cumulative else "probability"
        name = codes.own(f"{answer.task}-{answer.class_}", f"{_title(answer)}, {within}")
    return sr.Measurement(name, round(100 * answer.probability, 4), codes.PERCENT)


def _title(answer: Answer) -> str:
    title = {"risk": "Cancer risk, year", "birads": "Suspicion level"}.get(answer.task)
    title = title or (TASK[answer.task].title if answer.task in TASK else answer.task)[:24]
    return title if answer.class_ == "present" else f"{title} {answer.class_}"


def _finding_groups(number: int, finding: MarkedFinding, sources: Sources, about: str) -> list[Group]:
    """One group for each mark of a finding, with one tracking UID; one without a place where it has none."""
    size = finding.value("size_mm")
    measured = [] if size is None else [sr.Measurement(codes.LONG_AXIS, float(size), codes.MILLIMETRE)]
    what, told = f"finding {number}", evaluations(finding)
    kind, side = finding_type(finding), finding.laterality
    if not finding.marks:
        return [_group(what, about, side, kind, measured, told)]
    groups: list[Group] = []
    for mark in finding.marks:
        if mark.view not in sources:
            raise ValueError(f"{mark.view}: the reading has a mark on a view that the exam does not have")
        groups.append(
            sr.PlanarROIMeasurementsAndQualitativeEvaluations(
                tracking_identifier=_tracking(what, about),
                referenced_region=_region(mark, sources[mark.view]),
                finding_type=kind,
                finding_sites=_sites(side),
                measurements=measured or None,
                qualitative_evaluations=[sr.QualitativeEvaluation(*pair) for pair in told] or None,
            )
        )
        measured, told = [], []  # they are of the finding, and are stated once
    return groups


def _region(mark: Mark, source: Source) -> sr.ImageRegion:
    """The place of a mark; a box is a closed polyline."""
    points = [(column + HALF, row + HALF) for column, row in mark.points]
    if mark.kind == "box":
        (left, top), (right, bottom) = points[:2]
        points = [(left, top), (right, top), (right, bottom), (left, bottom)]
    if mark.kind != "point" and points[0] != points[-1]:
        points.append(points[0])
    kind = sr.GraphicTypeValues.POINT if mark.kind == "point" else sr.GraphicTypeValues.POLYLINE
    header = source.header
    image = sr.SourceImageForRegion(str(header.SOPClassUID), str(header.SOPInstanceUID))
    return sr.ImageRegion(kind, np.array(points), image)


def _stated(read: Read, side: Laterality | None) -> list[tuple[Code, Code]]:
    """What a reading states of a breast, or (None) of the exam, as the name and the value of evaluations."""
    told = []
    for (of, name), answer in sorted(read.reading.fields.items(), key=str):
        if of is not side or name in NOT_WRITTEN or not answer:
            continue
        if name == "birads":
            told.append((ASSESSMENT, assessment(answer)))
        elif name == "density":
            told.append((COMPOSITION, composition(answer)))
        else:
            word = answer if name in NUMBERS else answer_word(name, answer)
            told.append((FINDINGS.get(name) or codes.own(name, name.replace("_", " ")), codes.own(word, word)))
    if side is None:
        told.append((codes.own("read", "Kind of read"), codes.own(read.kind.value, read.kind.value)))
        seen = "seen" if read.informed else "not seen"
        told.append((codes.own("informed", "Model’s answers, or others’ marks, before signing"), codes.own(seen, seen)))
    return told


def _group(
    what: str,
    about: str,
    side: Laterality | None,
    kind: Code | None = None,
    measured: Sequence[sr.Measurement] = (),
    evaluations_: Sequence[tuple[Code, Code]] = (),
    algorithm: sr.AlgorithmIdentification | None = None,
) -> Group:
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(what, about),
        finding_type=kind,
        finding_sites=_sites(side),
        measurements=list(measured) or None,
        qualitative_evaluations=[sr.QualitativeEvaluation(*pair) for pair in evaluations_] or None,
        algorithm_id=algorithm,
    )


def _tracking(what: str, about: str) -> sr.TrackingIdentifier:
    return sr.TrackingIdentifier(uid=str(uid("tracking", about, what)), identifier=what)


def _sites(side: Laterality | None) -> list[sr.FindingSite]:
    return [sr.FindingSite(_BREAST, laterality=codes.LATERALITIES[side] if side else None)]


def _person_name(reader: str) -> str:
    """A reader's name as a DICOM name, whose separators a typed name does not have."""
    plain = "".join(" " if letter in "^=\\" else letter for letter in reader).strip()[:63]
    return f"{plain}^"


def _report(
    context: sr.ObservationContext,
    groups: list[Group],
    sources: Sources,
    uids: tuple[UID, UID],
    created: datetime,
    description: str,
) -> Dataset:
    pictures = [picture(source) for source in sources.values()]
    content = sr.MeasurementReport(context, _MAMMOGRAPHY, groups or None)
    ds = sr.ComprehensiveSR(
        evidence=pictures,
        content=content,
        series_instance_uid=uids[0],
        series_number=1,
        sop_instance_uid=uids[1],
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
    )
    finish(ds, sources, uids, created, description)
    ds.CompletionFlagDescription = USE
    add_own_scheme(ds)
    return ds
