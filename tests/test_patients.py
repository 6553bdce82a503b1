"""Whose the stored exams are: joined only when everything agrees, and hashed so that no copy of the data gives an ID."""

import hashlib
import os
import shutil
import sqlite3
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from mvmlm.__main__ import main
from mvmlm.exam import Exam
from mvmlm.store import id_key
from mvmlm.store.archive import import_exams
from mvmlm.store.database import FILE
from mvmlm.store.store import Store
from tests.test_load import write_four
from tests.test_v0_4_0 import OLD

ANNA = {"patient_id": "4711", "issuer": "HOSPITAL", "birth_date": "19600102", "sex": "F"}


def add(store, exam_files, date, **identity):
    """Store an exam of that date and identity."""
    exam, paths = exam_files
    views = {n: replace(v, acquisition=replace(v.acquisition, date=date)) for n, v in exam.views.items()}
    return store.exams.add(Exam(views), paths, "ann", study_id=f"{date} {sorted(identity.items())}", **identity)


def other_copies(exam_files, folder):
    """The same exam in other files."""
    folder.mkdir()
    for name, path in exam_files[1].items():
        (folder / f"{name}.dcm").write_bytes(path.read_bytes() + b"x")
    return exam_files[0], {name: folder / f"{name}.dcm" for name in exam_files[1]}


@pytest.fixture
def own_config(tmp_path, monkeypatch):
    """A config folder without a key, and no key in the environment."""
    monkeypatch.delenv("MVMLM_KEY")
    monkeypatch.setattr(id_key, "PlatformDirs", lambda *names, **options: FixedDirs(tmp_path / "config"))
    return tmp_path / "config"


class FixedDirs:
    """The folders of the operating system, in the test's folder."""

    def __init__(self, folder: Path):
        self.user_config_path = folder


@pytest.fixture
def store_of_0_4_0(tmp_path):
    """A copy of the data folder of 0.4.0, and what turns an ID into one of its hashes."""
    shutil.copytree(OLD / "data", tmp_path / "data")
    with closing(sqlite3.connect(tmp_path / "data" / FILE)) as conn:
        (salt,) = conn.execute("SELECT value FROM settings WHERE name = 'salt'").fetchone()
    return tmp_path / "data", lambda text: hashlib.sha256(f"{salt}/{text}".encode()).hexdigest()[:32]


def give_0_4_0_an_id(folder, patient, hashed):
    with closing(sqlite3.connect(folder / FILE)) as conn, conn:
        conn.execute("UPDATE patients SET id_hash = ? WHERE id = ?", [hashed, patient])


@pytest.mark.parametrize(
    "change, joined, offered",
    [
        ({}, True, False),
        ({"patient_id": "4712"}, False, False),
        ({"issuer": "OTHER"}, False, False),
        ({"birth_date": "19610102"}, False, False),
        ({"sex": "M"}, False, False),
        ({"issuer": ""}, False, True),
        ({"birth_date": ""}, False, True),
        ({"sex": ""}, False, True),
    ],
)
def test_two_exams_are_one_womans_only_when_every_field_agrees(store, exam_files, change, joined, offered):
    first, second = add(store, exam_files, "20240101", **ANNA), add(store, exam_files, "20250101", **ANNA | change)
    assert (store.exams.get(first).patient == store.exams.get(second).patient) is joined
    assert store.exams.earlier(second) == (first if joined else None)
    assert bool(store.patients.may_be_same(second)) is offered
    note = store.patients.note(second)
    assert bool(note) is offered and (not offered or "mvmlm join exam-00001 exam-00002" in note)
    assert "4711" not in note and "1960" not in note


def test_ids_that_differ_only_in_capital_and_small_letters_are_offered_and_not_joined(store, exam_files):
    first = add(store, exam_files, "20240101", **ANNA | {"patient_id": "Ab1"})
    second = add(store, exam_files, "20250101", **ANNA | {"patient_id": "aB1"})
    assert store.exams.get(first).patient != store.exams.get(second).patient and store.exams.earlier(second) is None
    note = store.patients.note(second)
    assert "in other capital and small letters" in note and "mvmlm join exam-00001 exam-00002" in note
    assert store.exams.by_file_id("Ab1").id == first and store.exams.by_file_id("AB1") is None


def test_fields_that_no_file_gives_agree(store, exam_files):
    first = add(store, exam_files, "20240101", patient_id="4711")
    assert store.exams.earlier(add(store, exam_files, "20250101", patient_id="4711")) == first


@pytest.mark.parametrize("nobody", ["", "ANONYMOUS", "UNKNOWN", "0000", "anonymized", "n/a"])
def test_an_id_that_names_nobody_joins_nothing(store, exam_files, nobody):
    identity = ANNA | {"patient_id": nobody}
    numbers = [add(store, exam_files, f"202{year}0101", **identity) for year in range(3)]
    assert len({store.exams.get(number).patient for number in numbers}) == 3
    assert [store.exams.earlier(number) for number in numbers] == [None, None, None]


def test_an_unsure_woman_stays_on_one_side_of_the_split(store, exam_files):
    for n in range(20):
        identity = ANNA | {"patient_id": f"p{n}"}
        sure, unsure = (
            add(store, exam_files, "20240101", **identity),
            add(store, exam_files, "20250101", patient_id=f"p{n}"),
        )
        assert store.exams.get(sure).patient != store.exams.get(unsure).patient
        assert store.exams.get(sure).split == store.exams.get(unsure).split


@pytest.mark.parametrize("odd", ["19000101", "00000000", "20991231", "20240230", "2023", "", None, "01.02.2023"])
def test_an_odd_date_is_not_older_and_has_no_older_exam(store, exam_files, odd):
    first, second, third = (add(store, exam_files, date, **ANNA) for date in ("20230101", odd, "20250101"))
    assert store.exams.earlier(third) == first and store.exams.earlier(second) is None
    assert store.exams.get(second).exam_date is None


def test_a_date_of_the_old_form_is_stored_as_a_date(store, exam_files):
    assert store.exams.get(add(store, exam_files, "2023.01.02", **ANNA)).exam_date == "20230102"


def test_two_womens_exams_with_one_study_uid_are_two_exams(store, exam_files):
    anna = store.exams.add(*exam_files, "ann", study_id="1.2.3", **ANNA)
    berta = store.exams.add(*exam_files, "ann", study_id="1.2.3", **ANNA | {"patient_id": "4712"})
    assert anna != berta and store.exams.get(anna).patient != store.exams.get(berta).patient
    assert store.exams.add(*exam_files, "ann", study_id="1.2.3", **ANNA) == anna
    assert store.exams.add(*exam_files, "ann", study_id="1.2.3", **ANNA | {"patient_id": "4712"}) == berta


def test_a_reader_joins_two_exams_and_separates_them_again(store, exam_files, capsys):
    first, second = add(store, exam_files, "20240101", **ANNA), add(store, exam_files, "20250101", patient_id="4711")
    options = ["--data", str(store.folder), "--reader", "ann"]
    assert main(["join", "exam-00002", "exam-00001", *options]) == 0
    assert store.exams.earlier(second) == first and store.patients.note(second) == ""
    assert [row["what"] for row in store.file.history(f"exam {second}")] == ["kept", "joined"]
    third = add(store, exam_files, "20260101", **ANNA)
    assert store.exams.earlier(third) == second, "the exam that was joined by hand stays joined"
    assert main(["separate", "exam-00002", *options]) == 0
    assert store.exams.earlier(second) is None and store.exams.earlier(third) == first
    assert main(["join", "exam-00001", "exam-00009", *options]) == 1
    assert "no exam of that name" in capsys.readouterr().err


def test_joined_patients_are_tested_on_only_if_both_were(store, exam_files):
    for splits, expected in ((("train", "test"), "train"), (("test", "train"), "train"), (("test", "test"), "test")):
        pair = [add(store, exam_files, "20240101", patient_id=f"{splits} {n}", split=s) for n, s in enumerate(splits)]
        store.patients.join(*pair, "ann")
        assert {store.exams.get(number).split for number in pair} == {expected}


def test_what_the_files_say_of_the_woman_reaches_the_store(store, decoder, tmp_path):
    def born(day):
        def edit(ds):
            ds.PatientBirthDate, ds.IssuerOfPatientID, ds.StudyInstanceUID = day, "HOSPITAL", f"1.2.{day}"

        return edit

    for folder, day in (("a", "19600102"), ("b", "19700203")):
        write_four(tmp_path / "files" / folder, patient="4711", edit=born(day))
    numbers = [outcome.number for outcome in import_exams(store, [tmp_path / "files"], decoder, "ann")]
    assert len({store.exams.get(number).patient for number in numbers}) == 2
    write_four(tmp_path / "c", patient="ANONYMOUS")
    (outcome,) = import_exams(store, [tmp_path / "c"], decoder, "ann")
    assert outcome.number and "names nobody" in outcome.note and "mvmlm join exam-00003 OTHER" in outcome.note


def test_files_of_one_study_under_two_ids_that_may_be_one_womans_are_not_called_stored(store, tmp_path, decoder):
    paths = sorted(write_four(tmp_path / "files", patient="4711").iterdir())
    for path in paths[:2]:
        ds = pydicom.dcmread(path)
        ds.PatientID = "UNKNOWN"
        ds.save_as(path)
    for copy in (True, False):
        first, second = import_exams(store, [tmp_path / "files"], decoder, "ann", copy=copy)
        assert first.number == 1 and len(store.exams.views(1)) == 2
        assert second.number is None and "exam-00001 has the same study under another patient ID" in second.reason


def test_exams_of_0_4_0_match_on_the_id_alone_and_say_so(store_of_0_4_0, exam_files):
    folder, old_hash = store_of_0_4_0
    give_0_4_0_an_id(folder, 2, old_hash("patient 4711"))
    store = Store(folder)
    number = add(store, exam_files, "20250101", **ANNA)
    assert store.exams.earlier(number) == 3
    note = store.patients.note(number)
    assert "by the patient ID alone" in note and "mvmlm separate" in note and store.exams.get(3).name in note
    assert "by the patient ID alone" in store.patients.note(2), "two exams of 0.4.0 too"
    another = add(store, exam_files, "20260101", **ANNA | {"birth_date": "19700203"})
    assert store.exams.earlier(another) is None, "a field that conflicts with a newer exam decides"
    store.close()


def test_exams_that_0_4_0_joined_by_a_placeholder_are_separated(store_of_0_4_0):
    folder, old_hash = store_of_0_4_0
    give_0_4_0_an_id(folder, 1, old_hash("patient ANONYMOUS"))
    store = Store(folder)
    first, second = store.exams.get(1), store.exams.get(2)
    assert first.patient != second.patient and first.split == second.split and store.exams.earlier(2) is None
    store.close()
    assert Store(folder).exams.get(2) == second


def test_no_hash_that_can_be_turned_back_stays_in_the_data_folder(store_of_0_4_0):
    folder, old_hash = store_of_0_4_0
    give_0_4_0_an_id(folder, 1, old_hash("patient 1234567"))
    with closing(sqlite3.connect(folder / FILE)) as conn:
        before = [row[0] for row in conn.execute("SELECT id_hash FROM patients UNION SELECT uid_hash FROM exams")]
    shutil.copy(folder / FILE, folder / f"{FILE}.20250101-000000.before-m004.backup")
    Store(folder).close()
    assert len(before) == 5 and len(list(folder.glob("*.backup"))) > 1
    for path in folder.iterdir():
        if path.is_file():
            assert not any(hashed.encode() in path.read_bytes() for hashed in before), path.name


def test_an_id_cannot_be_tried_with_what_is_in_the_data_folder(store, exam_files):
    number = add(store, exam_files, "20240101", **ANNA | {"patient_id": "1234567"})
    row = store.file.one("SELECT patient_hash, uid_hash FROM exams WHERE id = ?", [number])
    salt = store.file.setting("salt")
    for text in ("patient 1234567", "patient ID 1234567", "1234567"):
        for key in (salt, ""):
            tries = {hashlib.sha256(f"{key}{joint}{text}".encode()).hexdigest()[:32] for joint in ("", "/")}
            assert not tries & set(row)
    raw = store.folder / FILE
    store.close()
    assert b"the key of the tests" not in raw.read_bytes()


def test_the_key_is_a_private_file_outside_the_data_folder(own_config, tmp_path, exam_files):
    store = Store(tmp_path / "data")
    (path,) = own_config.glob("*.key")
    assert len(path.read_bytes().strip()) >= 32 and not list(store.folder.rglob("*.key"))
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.chmod(0o644)
    first = add(store, exam_files, "20240101", **ANNA)
    store.close()
    again = Store(tmp_path / "data")
    assert again.exams.earlier(add(again, exam_files, "20250101", **ANNA)) == first and again.file.notices == []
    assert os.name != "posix" or stat.S_IMODE(path.stat().st_mode) == 0o600
    again.close()


@pytest.mark.parametrize("wrong", ["", "another key"])
def test_without_the_key_nothing_is_joined_and_a_sentence_says_so(own_config, tmp_path, exam_files, monkeypatch, wrong):
    monkeypatch.setenv("MVMLM_KEY", "the first key")
    store = Store(tmp_path / "data")
    first = add(store, exam_files, "20240101", **ANNA)
    store.close()
    monkeypatch.setenv("MVMLM_KEY", wrong)
    store = Store(tmp_path / "data")
    (notice,) = store.file.notices
    assert ("is not the one" if wrong else "is not here") in notice and "not joined" in notice
    other_files = other_copies(exam_files, tmp_path / "other")
    second = add(store, other_files, "20250101", **ANNA)
    assert second != first and store.exams.get(second).patient != store.exams.get(first).patient
    assert store.exams.earlier(second) is None and notice in store.patients.note(second)
    assert not list(own_config.glob("*")), "a store that has a key gets no other one"
    assert add(store, other_files, "20250101", **ANNA) == second, "an exam is known by its files"
    store.close()
    monkeypatch.setenv("MVMLM_KEY", "the first key")
    store = Store(tmp_path / "data")
    assert store.file.notices == [] and store.exams.earlier(add(store, exam_files, "20260101", **ANNA)) == first
    store.close()


def test_where_no_key_can_be_written_the_store_opens_and_says_so(own_config, tmp_path, exam_files):
    own_config.write_text("a file, not a folder", encoding="utf-8")
    store = Store(tmp_path / "data")
    assert "could not be written" in store.file.notices[0] and "MVMLM_KEY" in store.file.notices[0]
    assert add(store, exam_files, "20240101", **ANNA) == 1
    store.close()


def test_the_key_is_never_made_in_the_data_folder(own_config, tmp_path):
    store = Store(own_config)
    assert "could not be written" in store.file.notices[0] and not list(own_config.rglob("*.key"))
    store.close()


def test_the_command_line_says_that_the_key_is_missing(own_config, tmp_path, capsys):
    own_config.write_text("a file, not a folder", encoding="utf-8")
    write_four(tmp_path / "files")
    assert main(["keep", str(tmp_path / "files"), "--data", str(tmp_path / "data"), "--reader", "ann"]) == 0
    assert "could not be written" in capsys.readouterr().err
