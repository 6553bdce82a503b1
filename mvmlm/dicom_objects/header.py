"""What all objects have in common: patient, study, a series of their own, who made them, and that they are research."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from .. import __version__
from ..imaging.deidentification import code_item
from ..imaging.dicom_values import codes, value
from ..imaging.own_uids import IMPLEMENTATION, uid
from .codes import OWN_SCHEME
from .sources import Source, Sources

MANUFACTURER, MODEL = "MV-MLM", "MV-MLM, research use only"
RESEARCH = "RESEARCH"
USE = "Research use only, not for diagnosis"
CHARACTERS = "ISO_IR 192"  # UTF-8, in which every name of a source can be written
#: attributes of the patient and the study that an object has exactly as its pictures have them
_AS_IN_THE_PICTURES = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge",
    "PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence",
    "LongitudinalTemporalInformationModified", "QualityControlSubject", "StudyInstanceUID", "StudyDate", "StudyTime",
    "StudyID", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
#: of those, the ones that must be there, with or without a value
_TYPE_2 = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
    "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
#: what highdicom looks at in a picture
_OF_A_PICTURE = (
    "SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "Modality", "Rows", "Columns",
    "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored", "PixelRepresentation",
)  # fmt: skip


def new_object(sop_class: UID, modality: str) -> FileDataset:
    """Return an empty object as an uncompressed file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID = sop_class, ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.Modality = sop_class, modality
    return ds


def object_uids(sources: Sources, created: datetime, what: str, *content: str) -> tuple[UID, UID]:
    """Return the UIDs of an object's series and of the object itself; they follow from the arguments only.

    what: the kind of the object, and who made it; objects of one kind about one study are in one series. content: what
    tells two objects of a kind apart.
    """
    study = _any(sources).header.StudyInstanceUID
    instances = [source.instance for source in sources.values()]
    series = uid("dicom-objects", str(study), what)
    return series, uid(str(series), *instances, created.isoformat(), *content)


def finish(ds: Dataset, sources: Sources, uids: tuple[UID, UID], created: datetime, description: str) -> None:
    """Give an object its patient, study, series, equipment and marks, in place of what it has.

    description: what the object is, at most 40 letters; "RESEARCH" is put before it.
    """
    source = _any(sources).header
    ds.SpecificCharacterSet = CHARACTERS
    for keyword in _AS_IN_THE_PICTURES:
        if keyword in ds:
            del ds[keyword]
        if (known := value(source, keyword)) not in (None, ""):
            setattr(ds, keyword, _plain(source, keyword, known))
        elif keyword in _TYPE_2:
            setattr(ds, keyword, "")
    ds.SeriesInstanceUID, ds.SOPInstanceUID = uids
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.ImplementationClassUID = IMPLEMENTATION
    ds.SeriesNumber, ds.InstanceNumber = 9000, 1
    ds.SeriesDescription = f"{RESEARCH}: {description}"[:64]
    ds.Manufacturer, ds.ManufacturerModelName, ds.SoftwareVersions = MANUFACTURER, MODEL, __version__
    created = created.astimezone() if created.tzinfo else created  # local time, as that of the pictures
    day, time = created.strftime("%Y%m%d"), created.strftime("%H%M%S")
    ds.ContentDate, ds.ContentTime = day, time
    ds.InstanceCreationDate, ds.InstanceCreationTime = day, time
    for tool in ds.get("ContributingEquipmentSequence", ()):  # highdicom dates itself with the present time
        tool.ContributionDateTime = day + time


def _plain(source: Dataset, keyword: str, known: Any) -> Any:
    """The value of an attribute; of a sequence of codes the codes alone, whatever else lies in its items."""
    if keyword == "DeidentificationMethodCodeSequence":
        found = codes(source, keyword)
        return Sequence([code_item(scheme, code, text or "") for scheme, code, text in found if scheme and code])
    return str(known) if source[keyword].VR == "PN" else known


def evidence(sources: Sources) -> Sequence:
    """Return the sequence of the pictures that a report is about, by study and series (PS3.3 C.17.2, table C.17-3)."""
    series: dict[str, list[Dataset]] = {}
    for source in sources.values():
        series.setdefault(str(source.header.SeriesInstanceUID), []).append(reference(source))
    study = Dataset()
    study.StudyInstanceUID, study.ReferencedSeriesSequence = _any(sources).header.StudyInstanceUID, Sequence()
    for number, referenced in series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedSOPSequence = number, Sequence(referenced)
        study.ReferencedSeriesSequence.append(item)
    return Sequence([study])


def reference(source: Source) -> Dataset:
    """Return the class and instance UID of a picture, as an item of ReferencedSOPSequence."""
    item = Dataset()
    item.ReferencedSOPClassUID = source.header.SOPClassUID
    item.ReferencedSOPInstanceUID = source.header.SOPInstanceUID
    return item


def add_own_scheme(ds: Dataset) -> None:
    """Say what the coding scheme of this program is (PS3.3 C.12.1.1.1 and table C.12-1)."""
    scheme = Dataset()
    scheme.CodingSchemeDesignator, scheme.CodingSchemeName = OWN_SCHEME, "Codes of MV-MLM, for research"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    ds.CodingSchemeIdentificationSequence = Sequence([scheme])


def _any(sources: Sources) -> Source:
    found: Iterable[Source] = sources.values()
    return next(iter(found))


def picture(source: Source) -> Dataset:
    """Return what highdicom looks at in a picture, without a patient: `finish` gives an object its own."""
    ds = Dataset()
    for keyword in _OF_A_PICTURE:
        if keyword in source.header:
            ds[keyword] = source.header[keyword]
    for keyword in _TYPE_2:
        setattr(ds, keyword, "")
    return ds
