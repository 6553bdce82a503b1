"""Modalities send exams: from listed peers, mammograms only, whole studies, and nothing acknowledged is lost."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom import association as association_module
from pynetdicom.sop_class import Verification

from mvmlm.exam import STANDARD_VIEWS
from mvmlm.pacs import inbox as inbox_module
from mvmlm.pacs import listener as listener_module
from mvmlm.pacs.access import PacsError
from mvmlm.pacs.inbox import Inbox, Receipt
from mvmlm.pacs.listener import Listener, Peer, read_peer
from tests.conftest import ROOT
from tests.ports import free_port
from tests.test_load import write_four

MAMMOGRAMS = listener_module.DigitalMammographyXRayImageStorageForPresentation
COMPUTED = "1.2.840.10008.5.1.4.1.1.1"


@pytest.fixture
def exam(tmp_path):
    """The data sets of an exam as a modality sends it, with its patient's name."""

    def edit(ds):
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = MAMMOGRAMS
        ds.PatientName, ds.PatientID = "MUSTER^ANNA", "4711"

    folder = write_four(tmp_path / "exam", edit=edit)
    return [pydicom.dcmread(path) for path in sorted(folder.iterdir())]


@pytest.fixture
def listening(store, decoder):
    """Starts a listener that takes studies after a quarter of a second; `told` has what it said."""
    running = []

    def start(told=None, **settings):
        settings = {
            "title": "MVMLM",
            "port": 0,
            "quiet_seconds": 0.25,
            "peers": [Peer("MAMMO", "127.0.0.1")],
        } | settings
        running.append(Listener(store, decoder, "ann", tell=(told if told is not None else []).append, **settings))
        return running[-1].__enter__()

    yield start
    for listener in running:
        listener.__exit__()


@pytest.fixture(autouse=True)
def quick_looks(monkeypatch):
    monkeypatch.setattr(listener_module, "LOOK_SECONDS", 0.05)


def associate(port, title="MAMMO", called="MVMLM"):
    entity = AE(ae_title=title)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = 10
    for kind in (Verification, MAMMOGRAMS, CTImageStorage):
        entity.add_requested_context(kind, ExplicitVRLittleEndian)
    return entity.associate("127.0.0.1", port, ae_title=called)


def send(port, datasets, end="release"):
    """Send data sets over one association; return the status of each."""
    association = associate(port)
    assert association.is_established
    answers = [association.send_c_store(ds).get("Status") for ds in datasets]
    getattr(association, end)()
    return answers


def wait_for(condition, seconds=20.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def test_a_sent_exam_is_in_the_store_as_a_copy_without_names_and_is_read(store, listening, exam):
    told, read = [], []
    listener = listening(told, stored=lambda: read.append(store.exams.count()))
    association = associate(listener.port)
    assert association.send_c_echo().Status == 0
    association.release()
    assert send(listener.port, exam) == [0] * 4
    assert wait_for(lambda: read == [1]), told
    (number,) = store.worklist.numbers()
    views = store.exams.views(number)
    assert {view.name for view in views} == set(STANDARD_VIEWS)
    assert all(b"MUSTER" not in Path(view.path).read_bytes() for view in views)
    assert not list((store.folder / "received").rglob("*.dcm"))
    assert not any("4711" in sentence or "MUSTER" in sentence for sentence in told)
    assert send(listener.port, exam[:1]) == [0]  # once more: it is known


def test_half_a_study_is_never_stored(store, listening, exam):
    listener = listening()
    assert send(listener.port, exam[:2], end="abort") == [0, 0]
    time.sleep(0.7)
    assert store.exams.count() == 0
    assert send(listener.port, exam) == [0] * 4
    assert wait_for(lambda: store.exams.count() == 1)
    assert len(store.exams.views(store.worklist.numbers()[0])) == 4


def test_a_study_waits_while_its_association_is_open(store, listening, exam):
    listener = listening()
    association = associate(listener.port)
    for ds in exam:
        association.send_c_store(ds)
        time.sleep(0.1)
    time.sleep(0.7)
    assert store.exams.count() == 0
    association.release()
    assert wait_for(lambda: store.exams.count() == 1)


@pytest.mark.parametrize("title, called", [("OTHER", "MVMLM"), ("MAMMO", "ELSE")])
def test_another_title_is_rejected(listening, title, called):
    assert associate(listening().port, title, called).is_rejected


def test_a_title_is_taken_from_its_own_machine_only(listening):
    peers = [Peer("MAMMO", "192.0.2.1"), Peer("OTHER", "127.0.0.1")]
    assert associate(listening(peers=peers).port, "MAMMO").is_rejected


def test_another_machine_is_not_heard(listening):
    port = listening(peers=[Peer("MAMMO", "192.0.2.1")]).port
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        assert connection.recv(1) == b""  # closed before a word


def test_without_peers_only_this_machine_may_send(store, decoder, listening):
    assert associate(listening(peers=[]).port, "ANY").is_established
    with pytest.raises(PacsError, match="Name the modalities"):
        Listener(store, decoder, "ann", title="MVMLM", host="0.0.0.0", port=0, tell=print)


def test_mammograms_only(store, listening, exam):
    told = []
    association = associate(listening(told).port)
    assert {context.abstract_syntax for context in association.accepted_contexts} == {Verification, MAMMOGRAMS}
    ds = exam[0]
    del ds.PixelData
    assert association.send_c_store(ds).Status == 0xC000
    assert told == ["A received file was refused: it is no mammogram that can be read."]
    association.release()
    assert not list((store.folder / "received").rglob("*.dcm"))


def test_images_that_are_sent_under_one_uid_do_not_become_one(store, listening, exam, monkeypatch):
    """The UID of the request is that of the first image for all of them; their data sets have their own."""
    told, left, encode = [], list(exam), association_module.encode
    listener = listening(told, quiet_seconds=60)
    monkeypatch.setattr(association_module, "encode", lambda ds, *options: encode(left.pop(0), *options))
    assert send(listener.port, exam[:1] * 4) == [0, 0xA900, 0xA900, 0xA900]
    assert "SOPInstanceUID" in told[0] and len(told) == 3
    assert len(list((store.folder / "received" / "waiting").rglob("*.dcm"))) == 1


def test_a_message_that_is_too_long_ends_the_association(store, listening, exam, monkeypatch):
    monkeypatch.setattr(listener_module, "MAX_INSTANCE_BYTES", 20_000)
    association = associate(listening().port)
    assert association.send_c_store(exam[0]).get("Status") is None
    assert wait_for(lambda: not association.is_established)


def test_a_piece_that_is_too_long_closes_the_connection(listening):
    with socket.create_connection(("127.0.0.1", listening().port), timeout=5) as connection:
        connection.sendall(b"\x01\x00\xff\xff\xff\xff" + bytes(100))
        assert connection.recv(100)[:1] in (b"", b"\x07")  # closed or aborted


def test_connections_that_ask_for_nothing_are_counted(listening, monkeypatch):
    monkeypatch.setattr(listener_module, "MAX_CONNECTIONS", 2)
    port = listening().port
    idle = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(2)]
    time.sleep(0.3)
    assert not associate(port).is_established
    for one in idle:
        one.close()


def test_associations_are_counted(listening):
    port = listening().port
    several = [associate(port) for _ in range(listener_module.MAX_ASSOCIATIONS)]
    assert all(one.is_established for one in several) and associate(port).is_rejected
    for one in several:
        one.release()


def test_a_study_that_lacks_an_image_waits_until_it_is_sent(store, listening, exam, monkeypatch):
    told = []
    listener = listening(told)
    monkeypatch.setattr(inbox_module, "MAX_STUDY_FILES", 3)
    assert send(listener.port, exam) == [0, 0, 0, 0xA700]
    time.sleep(0.7)
    assert store.exams.count() == 0 and "No room" in told[0]
    monkeypatch.setattr(inbox_module, "MAX_STUDY_FILES", 4)
    assert send(listener.port, exam[3:]) == [0]
    assert wait_for(lambda: store.exams.count() == 1)


def test_an_image_that_comes_after_its_study_was_stored_is_refused(store, listening, exam):
    told = []
    listener = listening(told)
    assert send(listener.port, exam[:3]) == [0] * 3
    assert wait_for(lambda: any("received and stored" in sentence for sentence in told))
    assert send(listener.port, exam) == [0, 0, 0, 0xA900]
    assert any("stored already, without this image" in sentence for sentence in told)


def test_the_listener_goes_on_after_an_error_of_what_follows(store, listening, exam, monkeypatch):
    monkeypatch.setattr(listener_module, "WAIT_SECONDS", 0.05)
    told = []

    def fail():
        raise RuntimeError("4711")

    assert send(listening(told, stored=fail).port, exam) == [0] * 4
    assert wait_for(lambda: any("(RuntimeError)" in sentence for sentence in told))
    assert store.exams.count() == 1 and not any("4711" in sentence for sentence in told)


def test_files_of_an_exam_that_cannot_be_stored_are_kept(store, listening, exam, monkeypatch):
    told = []

    def fail(*args, **kwargs):
        raise OSError("disk")

    monkeypatch.setattr(listener_module, "import_exams", fail)
    assert send(listening(told).port, exam) == [0] * 4
    assert wait_for(lambda: len(list((store.folder / "received" / "refused").rglob("*.dcm"))) == 4)
    assert "received/refused" in told[0]


def test_images_of_one_study_with_and_without_an_id_are_not_lost(store, listening, exam):
    """As when the technologist types the ID between two images: it is one study, and which woman's is not sure."""
    told = []
    for ds in exam[:2]:
        ds.PatientID = "UNKNOWN"
    assert send(listening(told).port, exam) == [0] * 4
    assert wait_for(lambda: len(list((store.folder / "received" / "refused").rglob("*.dcm"))) == 4), told
    assert any("under another patient ID" in sentence for sentence in told)
    assert any("received/refused" in sentence for sentence in told)


def test_what_was_acknowledged_outlives_a_killed_listener_and_is_stored_at_the_next_start(store, decoder, exam):
    port = free_port()
    arguments = ["pacs", "listen", "--port", str(port), "--ae-title", "MVMLM", "--data", str(store.folder)]
    process = subprocess.Popen(
        [sys.executable, "-m", "mvmlm", *arguments], stdout=subprocess.PIPE, cwd=ROOT, env=os.environ
    )
    assert b"listens on 127.0.0.1" in process.stdout.readline()
    assert send(port, exam) == [0] * 4
    process.kill()
    process.wait(10)
    process.stdout.close()
    assert store.exams.count() == 0
    told = []
    with Listener(store, decoder, "ann", title="MVMLM", port=0, quiet_seconds=0.2, tell=told.append):
        assert wait_for(lambda: store.exams.count() == 1), told
    assert len(store.exams.views(store.worklist.numbers()[0])) == 4


def test_a_study_that_was_cut_by_the_end_of_the_process_is_not_stored(store):
    first = Inbox(store)
    with pytest.raises(PacsError, match="Another listener"):
        Inbox(store)
    assert first.add("1.2", "1.2.1", b"a", "one") is Receipt.KEPT
    first.close()  # without the end of its association
    second = Inbox(store)
    assert second.broken_off == 1 and second.store_quiet(0, lambda folder: True) == 0
    assert second.add("1.2", "1.2.2", b"b", "two") is Receipt.KEPT
    second.end("two", released=True)
    handed = []
    assert second.store_quiet(0, lambda folder: bool(handed.append(len(list(folder.glob("*.dcm")))) or True)) == 1
    assert handed == [2] and second.add("1.2", "1.2.1", b"a", "three") is Receipt.KNOWN
    second.close()


@pytest.mark.parametrize("first", [True, False])
def test_a_study_that_two_associations_sent_waits_where_one_of_them_broke_off(store, first):
    inbox = Inbox(store)
    assert inbox.add("1.2", "1.2.1", b"a", "one") is inbox.add("1.2", "1.2.2", b"b", "two") is Receipt.KEPT
    for association in ("one", "two") if first else ("two", "one"):
        inbox.end(association, released=association == "two")
    assert inbox.broken_off == 1 and inbox.store_quiet(0, lambda folder: True) == 0
    assert inbox.add("1.2", "1.2.3", b"c", "three") is Receipt.KEPT  # sent again
    inbox.end("three", released=True)
    assert inbox.store_quiet(0, lambda folder: True) == 1
    inbox.close()


def test_files_of_a_refused_study_stay_when_more_of_it_is_refused(store):
    inbox = Inbox(store)
    for instances in (["1", "2"], ["2", "3"]):
        for instance in instances:
            inbox.add("1.2", f"1.2.{instance}", instance.encode(), "one")
        inbox.end("one", released=True)
        assert inbox.store_quiet(0, lambda folder: False) == 1
    (refused,) = (store.folder / "received" / "refused").iterdir()
    assert sorted(path.read_bytes() for path in refused.iterdir()) == [b"1", b"2", b"3"]
    inbox.close()


@pytest.mark.parametrize(
    "text", ["", "MAMMO", "@host", "MAMMO@", "A" * 17 + "@127.0.0.1", "É@127.0.0.1", "A@no.such.invalid"]
)
def test_a_peer_is_a_title_and_a_known_host(text):
    with pytest.raises(PacsError, match="AE title and host|is not known"):
        read_peer(text)
    assert read_peer("MAMMO1@127.0.0.1") == Peer("MAMMO1", "127.0.0.1")
