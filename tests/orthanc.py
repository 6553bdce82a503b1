"""A real PACS on this machine: Debian's Orthanc with its DICOMweb plugin and a login, in a temporary folder.

TLS ends in front of it, as in a hospital: Debian's Orthanc 1.10.1 crashes at the first TLS connection to itself.
"""

import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.ports import free_port

PROGRAM = shutil.which("Orthanc") or ""
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
USER, PASSWORD = "reader", "a password: with spaces, ü and 50 % of it"


@dataclass(frozen=True)
class Orthanc:
    address: str  # of DICOMweb
    plain_address: str  # the same without TLS
    certificate: Path


def make_certificate(folder):
    """A certificate for localhost that signs itself; returns the files of the certificate, and of it with its key."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return certificate, both


def pump(source, target):
    """Send on what one end of a connection says to the other, until it ends."""
    try:
        while block := source.recv(1 << 16):
            target.sendall(block)
    except OSError:
        pass
    finally:
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


@contextmanager
def tls_in_front(port, both):
    """Serve what is on a port of this machine with TLS, on another port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    listener = socket.create_server(("127.0.0.1", 0))

    def connect(plain):
        try:
            outer = context.wrap_socket(plain, server_side=True)
        except OSError:
            return plain.close()
        inner = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=pump, args=(inner, outer), daemon=True).start()
        pump(outer, inner)

    def serve():
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=connect, args=(plain,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@contextmanager
def running_orthanc(folder):
    certificate, both = make_certificate(folder)
    http, dicom = free_port(), free_port()
    settings = {
        "Name": "test", "HttpPort": http, "DicomPort": dicom, "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True, "RegisteredUsers": {USER: PASSWORD}, "StorageDirectory": str(folder / "files"),
        "IndexDirectory": str(folder / "files"), "Plugins": [str(PLUGIN)], "DicomWeb": {"Enable": True},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([PROGRAM, str(folder / "orthanc.json")], stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"http://localhost:{http}/system", timeout=5)
            except urllib.error.HTTPError:
                break  # it asks for the login
            except OSError:
                assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")
                time.sleep(0.1)
        with tls_in_front(http, both) as port:
            plain = f"http://localhost:{http}/dicom-web"
            yield Orthanc(f"https://localhost:{port}/dicom-web", plain, certificate)
    finally:
        process.terminate()
        process.wait(30)
