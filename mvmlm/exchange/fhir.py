"""Signed readings as FHIR R4B (HL7, hl7.org/fhir/R4B): a Bundle for each, in a file with a Bundle on each line.

A Bundle holds the DiagnosticReport, an Observation for each answer and each finding, the ImagingStudy, the Patient as a
pseudonym, and the readers. It says no more than `readings.csv` and `exams.csv` do: no name or ID of the files, and not
the date of the exam. What the model answered is in Observations of a Device, which are no results of the report.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from fhir.resources.R4B.bundle import Bundle

from ..exam import STANDARD_VIEWS, Laterality
from ..imaging.own_uids import OwnUids, uids_made_here
from ..reading.form import TRUTH_FIELDS
from ..reading.report_content import reading_content
from ..report.template import RESEARCH_ONLY, write_template
from ..store.records import Read, StoredExam, StoredView, newest_versions
from ..store.store import Store
from .fhir_codes import (
    BILATERAL_MAMMOGRAM,
    IMAGING,
    MAMMOGRAMS,
    MAMMOGRAPHY,
    RADIOLOGY,
    SCREENING_REPORT,
    SIDES,
    Code,
    coded,
    concept,
)
from .fhir_observations import answer_elements, body_site, finding_elements, model_elements

SHOWN_TOGETHER = timedelta(seconds=10)  # the model's answers that one look at them stored
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # which no string of FHIR may hold
Reference = dict[str, str]


def write_fhir(store: Store, path: Path) -> int:
    """Write a Bundle for each reading of `reported`, one on each line; return how many.

    Each is checked with the models of fhir.resources before it is written.
    """
    written = 0
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for number in store.worklist.numbers():
            for read in reported(store.readings.of_exam(number)):
                bundle = Bundle.model_validate(reading_bundle(store, store.exams.get(number), read))
                file.write(bundle.model_dump_json() + "\n")
                written += 1
    return written


def reported(reads: Iterable[Read]) -> list[Read]:
    """Return the signed reads of an exam; of one that was amended, the newest version that is final."""
    return newest_versions(read for read in reads if read.signed and (read.final or read.amends is None))


def report_status(read: Read) -> str:
    """Return the status of a report: a signed read that its reader may still reopen is preliminary."""
    if not read.final:
        return "preliminary"
    return "final" if read.amends is None else "amended"


class _Entries:
    """The resources of a Bundle, and their addresses: the same in every export of a store, others in another store."""

    def __init__(self, salt: str):
        self.rows: list[dict[str, Any]] = []
        self._namespace = uuid5(NAMESPACE_OID, f"mvmlm {salt}")

    @property
    def system(self) -> str:
        """The system of this store's identifiers: two stores have a patient-00001 each."""
        return self._namespace.urn

    def identifier(self, value: str) -> list[dict[str, str]]:
        """Return the identifier of something in this store."""
        return [{"system": self.system, "value": value}]

    def add(self, kind: str, about: str, elements: Mapping[str, Any]) -> Reference:
        """Add a resource; return the reference to it. about: what tells it from others of its kind in the store."""
        url = uuid5(self._namespace, f"{kind} {about}").urn
        tag = {"tag": [{"display": RESEARCH_ONLY}]}
        self.rows.append({"fullUrl": url, "resource": {"resourceType": kind, "meta": tag, **elements}})
        return {"reference": url}


def reading_bundle(store: Store, exam: StoredExam, read: Read) -> dict[str, Any]:
    """Return the Bundle of a signed reading as JSON values."""
    entries = _Entries(store.file.setting("salt"))
    views = store.exams.views(exam.id)
    subject = entries.add("Patient", exam.patient, {"identifier": entries.identifier(exam.patient)})
    study = entries.add("ImagingStudy", str(exam.id), _study(entries, exam, views) | {"subject": subject})
    names = dict.fromkeys((read.reader, *read.authors))
    readers = [entries.add("Practitioner", name, {"name": [{"text": name}]}) for name in names]
    category = {"category": [{"coding": [coded(IMAGING)]}]}
    common = {"status": report_status(read), "subject": subject, "performer": readers} | category | _issued(read)
    questions = [
        (elements, key[1] in TRUTH_FIELDS, f"{read.id} {key}")
        for key in read.reading.fields
        if (elements := answer_elements(store.tasks, read.reading, key, breasts_of(views)))
    ]
    findings = [
        (finding_elements(number, finding), False, f"{read.id} finding {number}")
        for number, finding in read.reading.findings.items()
    ]
    results = []
    for elements, outcome, about in (*questions, *findings):
        seen_in = {} if outcome else {"derivedFrom": [study]}
        reference = entries.add("Observation", about, common | seen_in | elements)
        results += [] if outcome else [reference]  # what was found out afterwards is no result of the reading
    report = _report(exam, read, views) | _issued(read) | ({"result": results} if results else {})
    people = {"performer": readers[:1], "resultsInterpreter": readers}
    entries.add("DiagnosticReport", str(read.id), report | people | {"subject": subject, "imagingStudy": [study]})
    entries.rows.insert(0, entries.rows.pop())
    _add_model_answers(entries, store, read, {"subject": subject, "derivedFrom": [study]} | category)
    bundle = {"resourceType": "Bundle", "meta": {"tag": [{"display": RESEARCH_ONLY}]}, "type": "collection"}
    return _without_controls(bundle | {"entry": entries.rows})


def breasts_of(views: Sequence[StoredView]) -> tuple[Laterality, ...]:
    """Return the breasts of which there is a view, the right one first."""
    return tuple(side for side in Laterality if any(view.name.laterality is side for view in views))


def _report(exam: StoredExam, read: Read, views: Sequence[StoredView]) -> dict[str, Any]:
    """The elements of the DiagnosticReport that are no references."""
    names = tuple(name for name in STANDARD_VIEWS if name in {view.name for view in views})
    content = replace(
        reading_content(read.reading),
        exam=exam.name,
        views=names,
        missing=tuple(name for name in STANDARD_VIEWS if name not in names),
        signature=_signature(read),
    )
    breasts = breasts_of(views)
    code: Code = MAMMOGRAMS[breasts[0]] if len(breasts) == 1 else BILATERAL_MAMMOGRAM
    if read.reading.answer("opinion"):
        code = SCREENING_REPORT
    text = "Mammogram, screening" if code is SCREENING_REPORT else "Mammogram"
    return {
        "status": report_status(read),
        "category": [{"coding": [coded(RADIOLOGY)]}],
        "code": concept(text, code),
        "conclusion": write_template(content),
    }


def _signature(read: Read) -> str:
    """Who read the exam, in which read, and whether the model's answers were seen before."""
    names = " with ".join(filter(None, (read.reader, ", ".join(read.authors))))
    state = "" if read.final else " Signed, not final yet."
    seen = "The model’s answers were seen before signing." if read.informed else "Read without the model’s answers."
    if read.informed and not read.model_shown:
        seen = "Answers of a model, or marks of other programs, were seen before signing."
    kind = read.kind.value if read.kind.value == "arbitration" else f"{read.kind.value} read"
    return f"Reader: {names}, {kind}{', amended' if read.amends else ''}.{state} {seen}"


def _issued(read: Read) -> dict[str, str]:
    """When the reading was signed, as an instant of FHIR; {} for a time outside its range."""
    try:
        at = datetime.fromisoformat(read.signed or "").astimezone(UTC)
    except (ValueError, OverflowError):
        return {}
    return {"issued": at.isoformat(timespec="milliseconds")}


def _study(entries: _Entries, exam: StoredExam, views: Sequence[StoredView]) -> dict[str, Any]:
    """The elements of the ImagingStudy. UIDs are those of the store's own copies; those of other files are left out."""
    elements: dict[str, Any] = {
        "identifier": entries.identifier(exam.name),
        "status": "available",
        "modality": [coded(MAMMOGRAPHY)],
        "numberOfInstances": len(views),
        "description": ", ".join(_title(view) for view in views),
    }
    found = {view.name: uids for view in views if (uids := uids_made_here(Path(view.path)))}
    studies = {uids.study for uids in found.values()}
    if len(found) < len(views) or len(studies) != 1:
        return elements
    dicom = {"system": "urn:dicom:uid", "value": f"urn:oid:{studies.pop()}"}
    series = [_series(view, found[view.name]) for view in views]  # each view is a series of its own in our copies
    return elements | {"identifier": [*elements["identifier"], dicom], "numberOfSeries": len(series), "series": series}


def _title(view: StoredView) -> str:
    return str(view.name).replace("_", " ")


def _series(view: StoredView, uids: OwnUids) -> dict[str, Any]:
    """The series of one view."""
    instance = {"uid": uids.instance, "title": _title(view)}
    instance_class = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{uids.sop_class}"}
    return {
        "uid": uids.series,
        "modality": coded(MAMMOGRAPHY),
        "laterality": coded(SIDES[view.name.laterality]),
        "numberOfInstances": 1,
        "instance": [instance | {"sopClass": instance_class}],
    }


def _add_model_answers(entries: _Entries, store: Store, read: Read, common: Mapping[str, Any]) -> None:
    """Add what the model answered, where the reading was informed by it: Observations with the model as their device.

    In R4B a Device is no performer of an Observation; `device` names what made it.
    """
    answers: dict[tuple[str, str, str, str], list[dict[str, Any]]] = {}
    for row in shown_before(store.predictions.of_exam(read.exam), read):
        answers.setdefault((row["model"], row["task"], row["side"], row["by"]), []).append(row)
    devices: dict[str, Reference] = {}
    for (model, task, side, by), rows in answers.items():
        if model not in devices:
            name = {"deviceName": [{"name": model, "type": "model-name"}]}
            devices[model] = entries.add("Device", model, name)
        elements = model_elements(store.tasks, task, by, rows)
        site = body_site(Laterality(side)) if side else {}
        about = f"{read.id} {model} {task} {side} {by}"
        entries.add(
            "Observation", about, {"status": "preliminary", "device": devices[model], **common, **site, **elements}
        )


def shown_before(rows: Iterable[Mapping[str, Any]], read: Read) -> list[dict[str, Any]]:
    """Return the model's answers that were shown last before an informed reading was signed.

    rows: of `store.predictions`. Answers that were shown again after it have a later time, and may be others; they are
    left out, as are all of a reading that was informed elsewhere.
    """
    if not (read.informed and read.model_shown and read.signed):
        return []
    signed = datetime.fromisoformat(read.signed)
    if datetime.fromisoformat(read.model_shown) > signed:  # it was informed by marks of other programs
        return []
    shown = [(at, dict(row)) for row in rows if (at := datetime.fromisoformat(row["at"])) <= signed]
    last = max((at for at, _ in shown), default=signed)
    return [row for at, row in shown if last - at <= SHOWN_TOGETHER]


def _without_controls(value: Any) -> Any:
    """JSON values without control characters in their texts."""
    if isinstance(value, str):
        return _CONTROL.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_controls(item) for item in value]
    return {name: _without_controls(item) for name, item in value.items()} if isinstance(value, dict) else value
