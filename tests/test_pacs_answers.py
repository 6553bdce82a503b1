"""A PACS that answers badly: each failure is one sentence that says what to do, and nothing half is left."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pydicom
import pytest
import requests

from mvmlm.__main__ import main
from mvmlm.messages import error_message
from mvmlm.pacs import client as client_module
from mvmlm.pacs import session
from mvmlm.pacs.access import PacsAccess, PacsError
from mvmlm.pacs.client import PacsClient
from mvmlm.pacs.multipart import BrokenAnswer, boundary_of, write_part
from mvmlm.pacs.study import read_study, read_text
from tests.test_load import write

UID = "1.2.3"
SLOW_SECONDS, SOON_SECONDS = 60, 20  # so long a slow PACS takes; so soon the client must have given up
SECRET = "the-secret-word"


def as_json(*items, head=""):
    body = json.dumps(items)
    return f"HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n{head}Content-Length: {len(body)}\r\n\r\n{body}"


def item(**tags):
    return {tag.lstrip("t"): {"vr": "LO", "Value": [value]} for tag, value in tags.items()}


STUDY = item(t0020000D=UID, t00100020="p1", t00080020="20240101") | {"00080061": {"vr": "CS", "Value": ["MG"]}}
SERIES = item(t0020000E="1.2.3.4", t00080060="MG")
IMAGE = item(t00080018="1.2.3.4.5", t00080016="1.2.840.10008.5.1.4.1.1.1.2")


@contextmanager
def stub_pacs(answer):
    """Serve on loopback. answer: called with the path of a request; returns text or bytes, or yields them."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve(connection):
        with connection:
            request = b""
            while b"\r\n\r\n" not in request:
                request += (block := connection.recv(65536))
                if not block:
                    return
            asked.append(request.decode("latin-1"))
            reply = answer(request.split()[1].decode())
            try:
                for piece in [reply] if isinstance(reply, str | bytes) else reply:
                    sent = piece.encode("latin-1") if isinstance(piece, str) else piece
                    if sent.startswith(b"HTTP/"):  # else a client may ask again on a connection that is just closed
                        sent = sent.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
                    connection.sendall(sent)
                connection.shutdown(socket.SHUT_WR)
                connection.settimeout(10)
                while connection.recv(65536):  # closed with something unread, it would be reset before it is read
                    pass
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    listener.close()


@pytest.fixture
def quick(monkeypatch):
    """Limits of time and size that a test can reach."""
    monkeypatch.setattr(session, "SILENT_SECONDS", 2.0)
    monkeypatch.setattr(session, "ANSWER_SECONDS", 3.0)
    monkeypatch.setattr(session, "MAX_ANSWER_BYTES", 100_000)
    monkeypatch.setattr(client_module, "MAX_FETCH_SECONDS", 15.0)
    monkeypatch.setattr(client_module, "MAX_FETCHED_BYTES", 2_000_000)


def hang(path):
    time.sleep(SLOW_SECONDS)
    yield ""


def letters(path):
    yield "HTTP/1.1 200 OK\r\nX-Long: "
    for _ in range(10 * SLOW_SECONDS):
        time.sleep(0.1)
        yield "x"


def drops(path):
    yield "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n["
    for _ in range(10 * SLOW_SECONDS):
        time.sleep(0.1)
        yield " "


def endless(path):
    yield "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["
    while True:
        yield " " * 65536


def status(code, head=""):
    return lambda path: f"HTTP/1.1 {code} X\r\n{head}Content-Length: 9\r\n\r\n<secret/>"


@pytest.mark.parametrize(
    "answer, message",
    [
        (hang, "takes too long"),
        (letters, "takes too long"),
        (drops, "takes too long"),
        (endless, "more than 1 MB in one answer"),
        (status(401), r"login \(401\)"),
        (status(403), r"this user .*\(403\)"),
        (status(404), r"\(404\)"),
        (status(418), r"does not understand the request \(418\)"),
        (status(500), r"problem of its own \(500\)"),
        (status(302, "Location: http://127.0.0.1:1/elsewhere\r\n"), "another address, which is not followed"),
        (lambda path: "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>a</html>", "DICOM JSON"),
        (lambda path: "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{}  ", "No|no such"),
        (lambda path: as_json("text"), "DICOM JSON"),
        (lambda path: "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + "[" * 60000, "DICOM JSON"),
        (lambda path: "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n[", "broke off"),
        (lambda path: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "broke off"),
        (lambda path: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", "broke off"),
        (lambda path: "SSH-2.0-OpenSSH_9\r\n", "without an answer"),
        (lambda path: "", "without an answer"),
        (lambda path: as_json(STUDY, head='Warning: 299 pacs: "more"\r\n'), "more results"),
        (lambda path: as_json(*[STUDY] * 201), "More than 200 studies"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_told_in_one_sentence_in_time(quick, answer, message):
    started = time.monotonic()
    with stub_pacs(answer) as (address, _), pytest.raises(PacsError, match=message) as error:
        PacsClient(PacsAccess(address, "reader", SECRET)).study(UID)
    assert time.monotonic() - started < SOON_SECONDS
    told = error_message(error.value)
    assert told == str(error.value) and SECRET not in told and "<" not in told and "\n" not in told


def multipart(*bodies, end="--"):
    parts = b"".join(b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n" + body for body in bodies)
    return (
        b'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; type="application/dicom"; boundary=b\r\n\r\n'
        + parts + b"\r\n--b" + end.encode()
    )  # fmt: skip


def forever():
    yield 'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n\r\n'
    while True:
        yield b"\0" * 65536


@pytest.mark.parametrize(
    "files, message",
    [
        (lambda dicom: multipart(dicom, end=""), "broke off"),
        (lambda dicom: multipart(dicom)[:-200], "broke off"),  # without Content-Length nobody else would notice
        (lambda dicom: multipart(dicom, dicom), "broke off"),
        (lambda dicom: multipart(), "broke off"),
        (lambda dicom: forever(), "more than 1 MB|takes too long"),
        (lambda dicom: "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\nabc", "no DICOM files"),
        (lambda dicom: multipart(dicom), "another study or patient"),  # 1.2.3 was listed
        (lambda dicom: status(406)(""), r"\(406\)"),
    ],
)
def test_a_fetch_that_fails_leaves_nothing(quick, decoder, tmp_path, files, message):
    dicom = write(tmp_path).read_bytes()

    def answer(path):
        if "/instances/" in path:
            return files(dicom)
        return as_json(IMAGE if "/instances" in path else SERIES if "/series" in path else STUDY)

    out = tmp_path / "out"
    with stub_pacs(answer) as (address, _), pytest.raises(PacsError, match=message):
        client = PacsClient(PacsAccess(address), decoder)
        client.fetch(client.study(UID), out, priors=0)
    assert not any(out.iterdir())
    assert not [path for path in tmp_path.rglob("*.dcm") if path.parent != tmp_path]


def test_an_exam_is_fetched_though_the_pacs_lists_too_many_studies_for_its_patient(quick, decoder, tmp_path):
    """Such as a PACS that passes over the patient ID of a search."""
    path = write(tmp_path)
    dicom, header = path.read_bytes(), pydicom.dcmread(path, stop_before_pixels=True)

    def answer(path):
        if "/instances/" in path:
            return multipart(dicom)
        if "/instances" in path or "/series" in path:
            return as_json(image if "/instances" in path else SERIES)
        return as_json(*[study] * (1 if "StudyInstanceUID" in path else 201))

    study = STUDY | item(t0020000D=header.StudyInstanceUID, t00100020=header.PatientID)
    image = IMAGE | item(t00080018=header.SOPInstanceUID)
    with stub_pacs(answer) as (address, _):
        client = PacsClient(PacsAccess(address), decoder)
        fetched = client.fetch(client.study(header.StudyInstanceUID), tmp_path / "out")
    assert (fetched.files, fetched.priors) == (1, ())
    assert "more than 200 studies for the patient ID, so no earlier exam was fetched" in fetched.notes[0]


def test_whoever_asks_to_stop_is_heard_while_a_slow_image_arrives(quick, decoder, tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "TELL_SECONDS", 0.1)

    def slowly():
        yield 'HTTP/1.1 200 OK\r\nContent-Type: multipart/related; boundary="b"\r\n\r\n--b\r\n\r\n'
        for _ in range(20 * SLOW_SECONDS):
            time.sleep(0.05)
            yield b"\0" * 100

    def answer(path):
        if "/instances/" in path:
            return slowly()
        return as_json(IMAGE if "/instances" in path else SERIES if "/series" in path else STUDY)

    told, started = [], time.monotonic()

    def report(done, of):
        told.append((done, of))
        if len(told) == 3:
            raise KeyboardInterrupt

    with stub_pacs(answer) as (address, _), pytest.raises(KeyboardInterrupt):
        client = PacsClient(PacsAccess(address), decoder)
        client.fetch(client.study(UID), tmp_path / "out", priors=0, report=report)
    assert told == [(0, 1)] * 3 and time.monotonic() - started < SOON_SECONDS
    assert not list(tmp_path.rglob("*.dcm"))


def test_commands_print_one_line_and_the_traceback_after_debug(tmp_path, capsys):
    command = ["pacs", "search", "ftp://pacs.example", "--name", "x"]
    assert main(command) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main([*command, "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    for wrong in (["--from", "MAMMO"], ["--host", "0.0.0.0"], ["--ae-title", "A" * 17]):
        listen = ["pacs", "listen", "--port", "11112", "--ae-title", "MVMLM", *wrong]
        assert main([*listen, "--data", str(tmp_path)]) == 1
        assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize("package", ["dicomweb_client.web", "pynetdicom", "requests"])
def test_a_package_that_is_missing_is_named_with_its_extra(package):
    told = error_message(ModuleNotFoundError(name=package))
    assert told.endswith("Install the packages of `mvmlm pacs`: pip install '.[pacs]' in the checkout.")


def test_a_search_that_has_to_ask_for_each_study_ends_in_time(quick, monkeypatch):
    monkeypatch.setattr(client_module, "MAX_SEARCH_SECONDS", 0.0)
    silent = item(t0020000D=UID, t00100020="p1")  # says nothing of modalities
    with stub_pacs(lambda path: as_json(SERIES if "/series" in path else silent)) as (address, asked):
        with pytest.raises(PacsError, match="answers too slowly for so many studies"):
            PacsClient(PacsAccess(address)).search(patient_id="p1")
        assert len(asked) == 1


def test_what_a_pacs_lists_outside_the_dates_is_left_out_and_years_have_four_digits(quick):
    days = ["19990101", "20240101", "20240131", "20240201", ""]
    listed = [STUDY | item(t0020000D=f"1.2.{n}", t00080020=day) for n, day in enumerate(days)]
    with stub_pacs(lambda path: as_json(*listed)) as (address, asked):
        client = PacsClient(PacsAccess(address))
        assert [s.date for s in client.search(since=date(2024, 1, 1), until=date(2024, 1, 31))] == [*days[2:0:-1], ""]
        assert [s.date for s in client.search(since=date(2024, 1, 31))] == [*days[3:1:-1], ""]
        assert [s.date for s in client.search(until=date(201, 1, 1))] == [""]
    assert "StudyDate=20240101-20240131&" in asked[0] and "StudyDate=-02010101&" in asked[2]


def test_uids_and_texts_of_a_pacs_are_checked_before_use():
    assert read_study(item(t0020000D="../../instances")) is None and read_study({}) is None
    assert read_text({"00100010": {"Value": [{"Alphabetic": "A^B"}]}}, "00100010") == "A^B"
    only = {"Value": [{"Alphabetic": "", "Ideographic": "山田^花子"}]}
    assert read_text({"00100010": only}, "00100010") == "山田^花子", "a name that is written in no other way"
    for odd in (None, 3, [], {"Value": 3}, {"Value": [None]}, {"Value": [{"Alphabetic": []}]}, {"Value": [[1]]}):
        assert read_text({"00100010": odd}, "00100010") == ""
    assert len(read_text({"00100010": {"Value": ["x" * 9999]}}, "00100010")) == 200


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_part_is_the_same_however_its_message_is_cut(tmp_path, size):
    body = b"\r\n--" + bytes(range(256)) + b"\r\n--bound\r\n-"
    message = b"preamble\r\n--boundary\r\nA: b\r\n\r\n" + body + b"\r\n--boundary--\r\n"
    with open(tmp_path / "part", "wb") as file:
        write_part((message[i : i + size] for i in range(0, len(message), size)), b"boundary", file)
    assert (tmp_path / "part").read_bytes() == body
    with open(tmp_path / "part", "wb") as file, pytest.raises(BrokenAnswer):
        write_part(iter([message[: -len("--\r\n")]]), b"boundary", file)
    assert boundary_of("multipart/related; boundary=b") == b"b" and boundary_of("text/html; boundary=b") is None


def test_login_is_sent_to_the_pacs_and_is_no_part_of_an_address(quick):
    with stub_pacs(lambda path: as_json(STUDY)) as (address, asked):
        PacsClient(PacsAccess(address, token=SECRET)).study(UID)
        PacsClient(PacsAccess(address, "reader", "pass")).study(UID)
    assert f"Authorization: Bearer {SECRET}" in asked[0] and "Authorization: Basic cmVhZGVyOnBhc3M=" in asked[1]
    assert all(SECRET not in request.split("\r\n")[0] and "reader" not in request for request in asked)


def test_proxies_and_netrc_of_the_environment_are_not_used(quick, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login reader password other\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with stub_pacs(lambda path: as_json(STUDY)) as (address, asked):
        assert PacsClient(PacsAccess(address)).study(UID).uid == UID
    assert "Authorization" not in asked[0]


@pytest.mark.parametrize(
    "address, options, message",
    [
        ("pacs.example/dicom-web", {}, "no http or https address"),
        ("ftp://pacs.example", {}, "no http or https address"),
        ("https://", {}, "no http or https address"),
        ("https://pacs.example:99999", {}, "cannot be read"),
        ("https://[::1", {}, "cannot be read"),
        ("https://pacs.example/a b", {}, "no http or https address"),
        (f"https://reader:{SECRET}@pacs.example", {}, "holds a login"),
        ("http://pacs.example", {"user": "reader", "password": SECRET}, "unencrypted"),
        ("http://pacs.example", {"token": SECRET}, "unencrypted"),
        ("http://localhost.pacs.example", {"token": SECRET}, "unencrypted"),
        ("http://127.0.0.1.pacs.example", {"token": SECRET}, "unencrypted"),
        ("https://pacs.example", {"password": SECRET}, "no user"),
        ("https://pacs.example", {"user": "reader", "token": SECRET}, "one of them"),
        ("https://pacs.example", {"token": f"{SECRET}\r\nX: y"}, "cannot be sent"),
        ("https://pacs.example", {"ca_file": Path("no-such.pem")}, "no-such.pem: no such file"),
    ],
)
def test_an_address_or_login_that_will_not_do_is_refused_before_anything_is_sent(address, options, message):
    with pytest.raises(PacsError, match=message) as error:
        PacsAccess(address, **options)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    "reason, message",
    [
        ("certificate has expired", "not valid today. Check this machine's clock"),
        ("certificate is not yet valid", "not valid today. Check this machine's clock"),
        ("self-signed certificate", "not trusted on this machine. Name the file"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told(reason, message):
    error = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {reason} (_ssl.c:1006)"  # as OpenSSL says it
    with pytest.raises(PacsError, match=message), session.failures_told("pacs"):
        raise requests.exceptions.SSLError(error)


def test_a_file_without_a_certificate_is_told_before_anything_is_sent(tmp_path):
    """Else it would look as if the PACS spoke no TLS, and somebody would try it without."""
    (tmp_path / "hospital.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(PacsError, match="hospital.pem: no certificate in it"):
        PacsAccess("https://pacs.example", ca_file=tmp_path / "hospital.pem")


def test_a_login_goes_over_plain_http_to_this_machine_or_where_it_was_allowed():
    for address in ("http://localhost:8042", "http://127.0.0.1", "http://[::1]:8042"):
        PacsAccess(address, "reader", SECRET)
    PacsAccess("http://pacs.example", "reader", SECRET, plain_http=True)


def test_a_search_for_everything_is_refused():
    with PacsClient(PacsAccess("http://localhost:1")) as client:
        for query in ({}, {"name": " "}, {"patient_id": "*"}):
            with pytest.raises(PacsError, match="Nothing to search|as it is"):
                client.search(**query)


def test_a_file_that_the_pacs_does_not_say_it_stored_is_told(quick, tmp_path):
    path = write(tmp_path)
    failed = {"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [43264]}}]}}
    for answer, message in ((failed, r"RCC\.dcm|R_CC.*failure A900"), ({}, "did not store it")):
        body = json.dumps(answer)
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/dicom+json\r\n"
        reply = f"{head}Content-Length: {len(body)}\r\n\r\n{body}"
        with stub_pacs(lambda path, r=reply: r) as (address, _), pytest.raises(PacsError, match=message):
            PacsClient(PacsAccess(address)).push([path])
