"""A PACS, inward: search, fetch with priors, push, over TLS with a login, against a real Orthanc."""

import stat
import time
from datetime import date

import numpy as np
import pydicom
import pytest
import requests
from pydicom.uid import CTImageStorage

from mvmlm.__main__ import main
from mvmlm.exam import STANDARD_VIEWS
from mvmlm.imaging.load import load_exam
from mvmlm.imaging.write import dataset
from mvmlm.pacs import client as client_module
from mvmlm.pacs.access import PacsAccess, PacsError
from mvmlm.pacs.client import PacsClient
from mvmlm.pacs.listener import Listener, Peer
from mvmlm.phantom import phantom_exam
from tests.orthanc import PASSWORD, USER

NEW, OLD, WITHOUT_NAME, OTHER, CT = "1.2.826.1", "1.2.826.2", "1.2.826.3", "1.2.826.4", "1.2.826.5"


def write_study(folder, uid, day, patient="Ann 7", birth="19600102", name="MUSTER^ANNA", views=STANDARD_VIEWS, **tags):
    """The views of a small phantom as the files of one study."""
    folder.mkdir(exist_ok=True)
    paths = []
    for number, view in enumerate(views, 1):
        ds = dataset(PHANTOM.exam.views[view], "p", uid)
        ds.StudyInstanceUID, ds.SeriesInstanceUID = uid, f"{uid}.1"
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{uid}.1.{number}"
        ds.PatientID, ds.PatientName, ds.PatientBirthDate, ds.PatientSex = patient, name, birth, "F"
        ds.StudyDate, ds.AccessionNumber = day, "A1"
        for tag, value in tags.items():
            setattr(ds, tag, value)
        paths.append(folder / f"{uid}-{number}.dcm")
        ds.save_as(paths[-1], enforce_file_format=True)
    return paths


PHANTOM = phantom_exam("pacs", np.random.default_rng(7), rows=128)


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """The files that the PACS is filled with: an exam and an earlier one of one woman, others, and a CT."""
    folder = tmp_path_factory.mktemp("sent")
    ct = {"Modality": "CT", "SOPClassUID": CTImageStorage}
    return [
        *write_study(folder, NEW, "20250303"),
        *write_study(folder, OLD, "20230303"),
        *write_study(folder, WITHOUT_NAME, "20250304", patient="ANONYMOUS", name=""),
        *write_study(folder, OTHER, "20220303", birth="19990909"),  # another woman with the same ID
        *write_study(folder, CT, "20240303", views=STANDARD_VIEWS[:1], **ct),
    ]


@pytest.fixture(scope="module")
def access(orthanc):
    return PacsAccess(orthanc.address, USER, PASSWORD, ca_file=orthanc.certificate)


@pytest.fixture(scope="module")
def client(access, sent, decoder):
    with PacsClient(access, decoder) as client:
        assert client.push(sent) == len(sent)
        yield client


def uids(studies):
    return [study.uid for study in studies]


@pytest.mark.parametrize(
    "query, found",
    [
        ({"patient_id": "Ann 7"}, [NEW, OLD, OTHER]),
        ({"patient_id": "Ann"}, []),
        ({"name": "muster^a"}, [NEW, OLD, OTHER]),
        ({"name": "*ANNA"}, [NEW, OLD, OTHER]),
        ({"since": date(2025, 3, 3), "until": date(2025, 3, 3)}, [NEW]),
        ({"until": date(2023, 12, 31)}, [OLD, OTHER]),
        ({"patient_id": "Ann 7", "since": date(2024, 1, 1)}, [NEW]),  # not the CT
    ],
)
def test_search_finds_studies_with_mammograms_newest_first(client, query, found):
    assert uids(client.search(**query)) == found


def test_a_study_says_whose_it_is_and_its_name_stays_out_of_logs(client):
    (study,) = client.search(patient_id="Ann 7", since=date(2024, 1, 1))
    assert (study.day, study.images, study.accession) == ("2025-03-03", 4, "A1")
    assert (study.identity.birth_date, study.identity.sex) == ("19600102", "F")
    assert study.patient_name == "MUSTER ANNA" and "MUSTER" not in repr(study)


def test_a_fetched_exam_opens_with_its_prior_and_is_byte_for_byte_that_of_the_pacs(client, sent):
    fetched = client.fetch(client.study(NEW))
    assert uids(fetched.priors) == [OLD] and fetched.files == 8  # not the CT, and not the other woman's
    exam = load_exam(fetched.folder)
    assert set(exam.views) == set(STANDARD_VIEWS) == set(exam.prior.views)
    assert (next(iter(exam.views.values())).acquisition.date, exam.set_aside) == ("20250303", ())
    assert {path.read_bytes() for path in fetched.folder.iterdir()} == {path.read_bytes() for path in sent[:8]}
    assert stat.S_IMODE(fetched.folder.stat().st_mode) == 0o700
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in fetched.folder.iterdir())


def test_no_prior_is_guessed_for_an_id_that_names_nobody(client):
    fetched = client.fetch(client.study(WITHOUT_NAME))
    assert fetched.priors == () and "names nobody" in " ".join(fetched.notes)


def test_priors_beyond_the_number_asked_for_stay_on_the_pacs(client):
    fetched = client.fetch(client.study(NEW), priors=0)
    assert (fetched.files, fetched.priors) == (4, ())


def test_an_exam_with_more_priors_than_a_search_lists_is_fetched_without_them(client, monkeypatch):
    study = client.study(NEW)
    monkeypatch.setattr(client_module, "MAX_STUDIES", 1)
    fetched = client.fetch(study)
    assert (fetched.files, fetched.priors) == (4, ()) and any("more than 1 studies" in note for note in fetched.notes)
    with pytest.raises(PacsError, match="More than 1 studies fit"):
        client.search(name="*")


@pytest.mark.parametrize("uid", [CT, "1.2.3.4.5.6"])
def test_a_study_without_mammograms_is_refused(client, uid):
    with pytest.raises(PacsError, match="no such study with mammograms"):
        client.study(uid)


@pytest.mark.parametrize(
    "limit, value, message",
    [
        ("MAX_IMAGES", 3, "more than 3 images"),
        ("MAX_FETCHED_BYTES", 40_000, "more than 1 MB in one answer"),
        ("MAX_FETCH_SECONDS", 0.0, "takes too long"),
    ],
)
def test_what_passes_a_limit_is_refused_and_nothing_of_it_is_left(client, tmp_path, monkeypatch, limit, value, message):
    study = client.study(NEW)
    monkeypatch.setattr(client_module, limit, value)
    out = tmp_path / "out"
    with pytest.raises(PacsError, match=message):
        client.fetch(study, out)
    assert not out.exists() or not any(out.iterdir())


def test_a_folder_with_files_is_not_written_to(client, tmp_path):
    (tmp_path / "mine").write_text("", encoding="utf-8")
    with pytest.raises(PacsError, match="not empty"):
        client.fetch(client.study(NEW), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_file_is_sent_byte_for_byte_also_a_large_one(client, orthanc, tmp_path):
    (path,) = write_study(tmp_path, "1.2.826.6", "20240909", "B 1", name="LARGE^PIA", views=STANDARD_VIEWS[:1])
    ds = pydicom.dcmread(path)
    ds.PixelData, ds.Rows, ds.Columns = bytes(12_000_000), 2000, 3000
    ds.save_as(path := tmp_path / "large.dcm")
    assert client.push([path]) == 1
    (fetched,) = client.fetch(client.study("1.2.826.6")).folder.iterdir()
    assert fetched.read_bytes() == path.read_bytes()


def test_files_that_the_pacs_already_has_and_files_that_are_none(client, sent, tmp_path):
    assert client.push(sent[:1]) == 1
    (tmp_path / "table.csv").write_text("a,b", encoding="utf-8")
    with pytest.raises(PacsError, match=r"table\.csv: no DICOM file.*1 of 2 files are stored"):
        client.push([sent[0], tmp_path / "table.csv"])


def test_a_wrong_login_an_unknown_certificate_and_a_wrong_address_are_told(orthanc):
    certificate = orthanc.certificate
    for access, message in (
        (PacsAccess(orthanc.address, USER, "wrong-secret", ca_file=certificate), r"login \(401\)"),
        (PacsAccess(orthanc.address, ca_file=certificate), r"login \(401\)"),
        (PacsAccess(orthanc.address, USER, PASSWORD), "not trusted on this machine"),
        (
            PacsAccess(orthanc.address.replace("localhost", "127.0.0.1"), USER, PASSWORD, ca_file=certificate),
            "another host",
        ),
        (PacsAccess(orthanc.address + "/x", USER, PASSWORD, ca_file=certificate), r"\(404\)"),
        (PacsAccess(orthanc.plain_address.replace("http", "https"), USER, PASSWORD), "speak TLS"),
        (PacsAccess("http://127.0.0.1:1", USER, PASSWORD), "No PACS answers"),
    ):
        with pytest.raises(PacsError, match=message) as error, PacsClient(access) as client:
            client.search(patient_id="p")
        assert "wrong-secret" not in f"{error.value}{access!r}" and PASSWORD not in f"{error.value}{access!r}"


def test_commands_search_fetch_and_push(orthanc, client, sent, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MVMLM_PACS_PASSWORD", PASSWORD)
    login = [orthanc.address, "--user", USER, "--ca-file", str(orthanc.certificate)]
    assert main(["pacs", "search", *login, "--patient-id", "Ann 7", "--since", "2024-01-01"]) == 0
    assert capsys.readouterr().out == f"2025-03-03\tAnn 7\tMUSTER ANNA\t4 images\t\t{NEW}\n"
    assert main(["pacs", "search", *login, "--patient-id", "nobody"]) == 2
    assert main(["pacs", "fetch", *login, NEW, "--out", str(tmp_path / "exam"), "--priors", "1"]) == 0
    assert "8 images of the exam of 2025-03-03 and her earlier exams (2023-03-03)" in capsys.readouterr().out
    assert len(load_exam(tmp_path / "exam").views) == 4
    assert main(["pacs", "push", *login, str(sent[0])]) == 0
    assert pydicom.dcmread(tmp_path / "exam" / "0000.dcm").StudyInstanceUID == NEW
    monkeypatch.setenv("MVMLM_PACS_PASSWORD", "wrong-secret")
    assert main(["pacs", "search", *login, "--name", "x"]) == 1
    assert "401" in (told := capsys.readouterr().err) and "wrong-secret" not in told
    monkeypatch.delenv("MVMLM_PACS_PASSWORD")
    assert main(["pacs", "search", *login, "--name", "x"]) == 1  # no terminal to ask at
    assert "Set MVMLM_PACS_PASSWORD" in capsys.readouterr().err


def test_orthanc_sends_an_exam_to_the_listener(orthanc, client, store, decoder, tmp_path):
    root, login, told = orthanc.plain_address.removesuffix("/dicom-web"), (USER.encode(), PASSWORD.encode()), []

    def ask(method, path, **body):
        answer = requests.request(method, f"{root}/{path}", auth=login, timeout=30, **body)
        assert answer.ok, answer.text
        return answer.json() if method == "POST" else None

    peers = [Peer("ORTHANC", "127.0.0.1")]
    with Listener(
        store, decoder, "ann", title="MVMLM", port=0, peers=peers, quiet_seconds=0.2, tell=told.append
    ) as one:
        ask("PUT", "modalities/reader", json=["MVMLM", "127.0.0.1", one.port])
        assert ask("POST", "modalities/reader/echo", data="{}") == {}
        (study,) = ask("POST", "tools/lookup", data=NEW)
        assert ask("POST", "modalities/reader/store", data=study["ID"])["FailedInstancesCount"] == 0
        end = time.monotonic() + 20
        while not store.exams.count() and time.monotonic() < end:
            time.sleep(0.05)
    (number,) = store.worklist.numbers()
    assert {view.name for view in store.exams.views(number)} == set(STANDARD_VIEWS), told
