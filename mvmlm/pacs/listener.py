"""A DICOM listener (C-ECHO and C-STORE, PS3.4 Annexes A and B): modalities send exams, which go into the store.

Files are received in memory, checked in a child process, and in the inbox before they are acknowledged. Whole studies
go from there into the store as `mvmlm keep --copy` does, without names.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from socketserver import BaseServer
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalMammographyXRayImageStorageForPresentation,
    DigitalMammographyXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import ThreadedAssociationServer

from ..imaging.decoder import Decoder, Unreadable
from ..imaging.limits import MAX_PIXELS
from ..store.archive import import_exams
from ..store.store import Store
from ..temporary import short_lived_folder
from .access import PacsError, is_loopback
from .inbox import Inbox, Receipt
from .study import read_uid

MAX_INSTANCE_BYTES = 2 * MAX_PIXELS + (1 << 24)  # the largest picture that is read, and its header
MAX_PDU_BYTES = 1 << 20  # of one piece of a message; peers are asked for 16 KB
MAX_CONNECTIONS = 16  # with those that have asked for nothing yet
MAX_ASSOCIATIONS = 4  # at one time; each holds one file in memory
QUIET_SECONDS = 600.0  # a technologist takes all views of an exam in less
LOOK_SECONDS = 0.5  # between two looks for quiet studies
WAIT_SECONDS = 60.0  # for the rest of what a peer has begun to say
IDLE_SECONDS = 1800.0  # for the next image; some modalities keep an association open for a whole exam
SYNTAXES = [
    ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless,
    DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian,
]  # fmt: skip
# status of C-STORE (PS3.4 B.2.3) and the comment with it, of at most 64 letters
_ANSWERS = {
    Receipt.KEPT: (0x0000, ""),
    Receipt.KNOWN: (0x0000, ""),
    Receipt.LATE: (0xA900, "The exam is stored already, without this image"),
    Receipt.BUSY: (0xA700, "The exam is being stored. Send again"),
    Receipt.FULL: (0xA700, "No room for more images"),
}
KEPT_FILES = "Its files are kept in received/refused of the data folder: mvmlm keep --copy takes them."
_REJECTED = (0x01, 0x01, 0x03)  # permanently, by the user of the service: calling AE title not recognised


@dataclass(frozen=True)
class Peer:
    """Who may send: the AE title of a modality and the address it sends from."""

    title: str
    address: str


def read_peer(text: str) -> Peer:
    """Return the peer of AE@HOST. Raises PacsError for another text, and for a host that is not known."""
    title, at, host = text.strip().rpartition("@")
    if not at or not host or not _is_title(title):
        raise PacsError(f"“{text}” names no peer. Give its AE title and host, as in MAMMO1@192.168.0.10.")
    try:
        return Peer(title.strip(), socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0])  # type: ignore
    except OSError:
        raise PacsError(f"The host of “{text}” is not known. Give its IP address.") from None


def _is_title(text: str) -> bool:
    return 1 <= len(text.strip()) <= 16 and text.isascii() and text.isprintable() and "\\" not in text


class Listener:
    """Receives mammograms for a store, in threads of its own. A context manager, which stops it.

    peers: who may send; without any, every program on this machine, and then the listener is reached from this machine
    only. port: 0 for a free one. tell: called with a sentence, without patient data, that a user should see.
    stored: called after studies were stored. Raises PacsError.
    """

    def __init__(
        self, store: Store, decoder: Decoder, who: str, *, title: str, host: str = "127.0.0.1", port: int = 11112,
        peers: Sequence[Peer] = (), quiet_seconds: float = QUIET_SECONDS, tell: Callable[[str], None],
        stored: Callable[[], None] = lambda: None,
    ):  # fmt: skip
        if not _is_title(title):
            raise PacsError("An AE title has 1 to 16 plain letters. Give another one.", "ae_title")
        if not peers and not is_loopback(host):
            raise PacsError("Whoever reaches this machine could send. Name the modalities that may, as AE@HOST.")
        self._store, self._decoder, self._who, self._peers = store, decoder, who, frozenset(peers)
        self._quiet, self._tell, self._stored = quiet_seconds, tell, stored
        self._received = dict[object, int]()  # bytes of the message that an association is sending
        self._inbox = Inbox(store)
        try:
            self._server = self._make_server(title, host, port)
        except OSError as error:
            self._inbox.close()
            raise PacsError(f"Port {port} of {host} cannot be used: {error.strerror}. Give another.", "port") from None
        self.port: int = self._server.server_address[1]
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._server.serve_forever, name="dicom-listener", daemon=True),
            threading.Thread(target=self._store_again_and_again, name="dicom-inbox", daemon=True),
        ]

    def __enter__(self) -> Listener:
        if broken := self._inbox.broken_off:
            self._tell(f"{broken} received exam(s) broke off and wait. Send them again from the modality.")
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.ae.shutdown()  # aborts the associations that are open; their studies wait to be sent again
        for thread in self._threads:
            thread.join()
        self._inbox.close()

    def _make_server(self, title: str, host: str, port: int) -> ThreadedAssociationServer:
        addresses = {peer.address for peer in self._peers}

        class Server(ThreadedAssociationServer):
            """Closes the connections of other machines before it reads anything of them."""

            def verify_request(self, request: Any, client_address: Any) -> bool:
                """Return whether the machine may send, and there is room for one more."""
                known = client_address[0] in addresses if addresses else is_loopback(client_address[0])
                return known and len(self.active_associations) < MAX_CONNECTIONS

            def shutdown(self) -> None:
                """Accept no more connections. The library's own expects a server that it started itself."""
                BaseServer.shutdown(self)
                self.server_close()

        entity = AE(ae_title=title)
        entity.maximum_associations = MAX_ASSOCIATIONS
        entity.acse_timeout = entity.dimse_timeout = WAIT_SECONDS
        entity.network_timeout = IDLE_SECONDS
        entity.require_called_aet = True
        entity.add_supported_context(Verification)
        for kind in (
            DigitalMammographyXRayImageStorageForPresentation,
            DigitalMammographyXRayImageStorageForProcessing,
        ):
            entity.add_supported_context(kind, SYNTAXES)
        handlers: list[Any] = [
            (evt.EVT_CONN_OPEN, _bound_pieces),
            (evt.EVT_REQUESTED, self._on_requested),
            (evt.EVT_DATA_RECV, self._on_data),
            (evt.EVT_C_ECHO, lambda event: 0x0000),
            (evt.EVT_C_STORE, self._on_store),
            (evt.EVT_RELEASED, lambda event: self._on_end(event, True)),
            (evt.EVT_ABORTED, lambda event: self._on_end(event, False)),
            (evt.EVT_CONN_CLOSE, lambda event: self._on_end(event, False)),
        ]
        return entity.make_server((host, port), evt_handlers=handlers, server_class=Server)

    def _on_requested(self, event: evt.Event) -> None:
        """Reject an association of a peer that is not listed."""
        requestor: Any = event.assoc.requestor
        title = str(requestor.primitive.calling_ae_title).strip()
        if self._peers and Peer(title, requestor.address) not in self._peers:
            event.assoc.acse.send_reject(*_REJECTED)
            event.assoc.kill()  # after the answer has gone out

    def _on_data(self, event: evt.Event) -> None:
        """Abort an association that sends a longer message than one with the largest picture."""
        self._received[event.assoc] = self._received.get(event.assoc, 0) + len(event.data)
        if self._received[event.assoc] > MAX_INSTANCE_BYTES:
            event.assoc.abort()

    def _on_end(self, event: evt.Event, released: bool) -> None:
        self._received.pop(event.assoc, None)
        self._inbox.end(event.assoc, released)

    def _on_store(self, event: evt.Event) -> Dataset:
        """Put a file into the inbox, and answer what became of it."""
        self._received[event.assoc] = 0
        answer = Dataset()
        try:
            answer.Status, comment = self._receive(event)
        except OSError:  # nothing is lost: the modality keeps what is not acknowledged
            answer.Status, comment = 0xA700, "The image could not be written"
            self._tell("A received image could not be written. Check the data folder and the room on its disk.")
        if comment:
            answer.ErrorComment = comment[:64]
        return answer

    def _receive(self, event: evt.Event) -> tuple[int, str]:
        request: Any = event.request
        instance = str(request.AffectedSOPInstanceUID)
        content = event.encoded_dataset()
        study, own_instance = self._uids_of(content)
        if read_uid({"0": {"Value": [instance]}}, "0") is None or not study:
            self._tell("A received file was refused: it is no mammogram that can be read.")
            return 0xC000, "No mammogram that can be read"
        if own_instance != instance:  # two images that are sent under one UID would become one
            self._tell("A received image was refused: its SOPInstanceUID is not the one that it was sent with.")
            return 0xA900, "Its SOPInstanceUID is not that of the request"
        status, comment = _ANSWERS[receipt := self._inbox.add(study, instance, content, event.assoc)]
        if receipt in (Receipt.LATE, Receipt.BUSY, Receipt.FULL):
            self._tell(f"A received image was refused: {comment}.")
        return status, comment

    def _uids_of(self, content: bytes) -> tuple[str, str]:
        """The StudyInstanceUID and SOPInstanceUID of a file, which a child process finds out.

        Both "" for one that cannot be read as a mammogram.
        """
        with short_lived_folder("received") as folder:
            path = folder / "file.dcm"
            path.write_bytes(content)
            (header,) = self._decoder.headers([path])
        if isinstance(header, Unreadable):
            return "", ""
        return header.get("study_uid") or "", header.get("instance_uid") or ""

    def _store_again_and_again(self) -> None:
        pause = LOOK_SECONDS
        while not self._stopping.wait(pause):
            pause = LOOK_SECONDS
            try:
                if self._inbox.store_quiet(self._quiet, self._keep):
                    self._stored()
            except Exception as error:  # such as a full disk; what was received is tried again
                self._tell(f"Received exams wait ({type(error).__name__}). Check the data folder and its disk.")
                pause = WAIT_SECONDS

    def _keep(self, folder: Path) -> bool:
        """Store the study in a folder as copies without names; return whether it is in the store."""
        before = self._store.exams.count()
        try:
            outcomes = list(import_exams(self._store, [folder], self._decoder, self._who, copy=True))
        except Exception as error:  # the listener goes on; the files are kept
            self._tell(f"A received exam could not be stored ({type(error).__name__}). {KEPT_FILES}")
            return False
        for outcome in outcomes:
            if outcome.number is None:
                self._tell(f"A received exam, {outcome.place}: {outcome.why}")
            elif outcome.note:
                self._tell(outcome.note)
        stored = [outcome.number for outcome in outcomes if outcome.number is not None]
        refused = any(outcome.number is None and outcome.place.startswith("exam ") for outcome in outcomes)
        if refused or not stored:
            self._tell(f"A received exam could not be stored. {KEPT_FILES}")
            return False
        if self._store.exams.count() == before:
            self._tell("A received exam was in the store already; nothing was added to it.")
        else:
            self._tell(f"{', '.join(self._store.exams.get(number).name for number in stored)}: received and stored.")
        return True


def _bound_pieces(event: evt.Event) -> None:
    """Close a connection that announces a longer piece than any peer sends; the library would wait for all of it."""
    connection: Any = event.assoc.dul.socket
    receive = connection.recv

    def receive_bounded(size: int) -> bytearray:
        if size > MAX_PDU_BYTES:
            raise OSError("too long a piece")
        return receive(size)

    connection.recv = receive_bounded
