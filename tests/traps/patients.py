"""Traps about whose exam it is, and which of several exams is the newest."""

from .table import Trap, choose, dicom, mammogram, marked, refused, right, save

NEW = {"StudyDate": "20250310", "StudyInstanceUID": "1.2.3.4"}
OLD = {"StudyDate": "20230310", "StudyInstanceUID": "1.2.3.5"}


def studies(what, expected, new=None, old=None, file="old/R_CC.dcm"):
    """Two studies in one folder, equal in all but their dates, their UIDs, and what is given."""

    def build(folder):
        save(mammogram(**NEW | (new or {})), folder / "new" / "R_CC.dcm")
        save(mammogram(**OLD | (old or {})), folder / "old" / "R_CC.dcm")

    return Trap(what, expected, build, file)


def two_files(what, expected, first=None, second=None, file="second.dcm"):
    """The right and the left view of one study, each with what is given."""

    def build(folder):
        save(mammogram("R_CC", **first or {}), folder / "first.dcm")
        save(mammogram("L_CC", **second or {}), folder / "second.dcm")

    return Trap(what, expected, build, file)


def nobody(patient_id):
    return studies(f"two studies of {patient_id or 'a patient without ID'}, who may be two women", refused("same-woman"),
                   {"PatientID": patient_id}, {"PatientID": patient_id})  # fmt: skip


def undated(date, why):
    return studies(f"a study {why}", choose(), {}, {"StudyDate": date})


TRAPS = [
    studies("an older study of the same ID, of another issuer", choose(), {"IssuerOfPatientID": "A"}, {"IssuerOfPatientID": "B"}),
    studies("an older study of the same ID, of another birth date", choose(), {}, {"PatientBirthDate": "19701212"}),
    studies("an older study of the same ID, of a man", choose(), {}, {"PatientSex": "M"}),
    studies("an older study of the same ID without birth date", refused("same-woman"), {}, {"PatientBirthDate": None}),
    studies("an older study of the same ID with an empty birth date", refused("same-woman"), {}, {"PatientBirthDate": ""}),
    studies("an older study of the same ID with the birth date 19000101", refused("same-woman"), {}, {"PatientBirthDate": "19000101"}),
    studies("an older study of the same ID without sex", refused("same-woman"), {}, {"PatientSex": None}),
    studies("an older study of the same ID without issuer", refused("same-woman"), {"IssuerOfPatientID": "A"}),
    studies("an older study whose ID differs in capital letters only", refused("same-woman"), {"PatientID": "Ab1"}, {"PatientID": "aB1"}),
    studies("an older study without ID", refused("same-woman"), {}, {"PatientID": None}),
    *map(nobody, ["ANONYMOUS", "UNKNOWN", "0000", "", "Anonymized", "12345678", "NO ID", "XXXX", "NOTAVAILABLE"]),
    studies("an older study of which the ID has leading zeros", choose(), {}, {"PatientID": "0004711"}),
    undated("19000101", "of 1900-01-01 beside a sound one"), undated("00000000", "dated 00000000"),
    undated("20990101", "of the future, which would be the newest"), undated("yesterday", "with a word as its date"),
    undated(None, "without a date"), undated("20230231", "of the 31st of February"),
    studies("two studies of one day: neither is the newest", choose(), {}, {"StudyDate": "20250310"}),
    dicom("an exam dated 19000101", marked("odd-date"), StudyDate="19000101"),
    dicom("an exam of the future", marked("odd-date"), StudyDate="20990101"),
    dicom("an exam without StudyDate, with AcquisitionDate", right(check=lambda v: v.acquisition.date == "20240102"),
          StudyDate=None, AcquisitionDate="20240102"),
    dicom("an exam acquired years before the date of its study", marked("date-conflict"), AcquisitionDate="20190310"),
    two_files("two birth dates under one ID and one study UID", choose(), {}, {"PatientBirthDate": "19701212"}),
    two_files("two days under one study UID: an exam and its prior", right("L_CC"), {"StudyDate": "20230101"}),
    two_files("one of two files of a study lacks the birth date", right("L_CC"), {}, {"PatientBirthDate": ""}),
    two_files("two patient IDs under one study UID", choose(), {}, {"PatientID": "4712"}),
    two_files("two files that name neither patient nor study", right("L_CC"), *[{"PatientID": None, "StudyInstanceUID": None}] * 2),
]  # fmt: skip
