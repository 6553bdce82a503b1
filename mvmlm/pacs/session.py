"""HTTP with a PACS: one login, no redirect, no proxy, and every answer bounded in size and time.

dicomweb-client sends its requests through this session. Its own time limit holds for each piece of an answer only, and
it reads answers whole, however long they are.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import requests
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import HTTPError as TransportError

from .access import PacsAccess, PacsError
from .multipart import BrokenAnswer

SILENT_SECONDS = 20.0  # without a byte of an answer
ANSWER_SECONDS = 120.0  # until an answer has begun, and for a whole answer that is no file
MAX_ANSWER_BYTES = 16 << 20  # of an answer that is no file; 200 studies take about 400 KB
BLOCK_BYTES = 1 << 16

_STATUS = {
    HTTPStatus.UNAUTHORIZED: "does not accept the login (401). Check the user and MVMLM_PACS_PASSWORD, or the token.",
    HTTPStatus.FORBIDDEN: "does not allow this user to do that (403). Ask the administrator of the PACS for the right.",
    HTTPStatus.NOT_FOUND: "has nothing under that address (404). Check that it is the DICOMweb root, and the study.",
    HTTPStatus.NOT_ACCEPTABLE: "cannot send these files as they are stored (406). Export them from the PACS instead.",
    HTTPStatus.CONFLICT: "refused the files (409). Look into the log of the PACS.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "finds the files too large (413). Raise its limit, or send fewer.",
    HTTPStatus.TOO_MANY_REQUESTS: "has too many requests (429). Try again in a few minutes.",
}


class _BearerToken(AuthBase):
    """Adds a token to a request as it is sent; the session's headers never hold it."""

    def __init__(self, token: str):
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class BoundedSession(requests.Session):
    """A session with one PACS. Raises PacsError for every answer that is none of success."""

    def __init__(self, access: PacsAccess):
        super().__init__()
        self._host = access.host
        self.trust_env = False  # no .netrc, no proxy and no other certificates than were named
        self.headers.update({"Accept": "application/dicom+json", "Accept-Encoding": "identity"})
        if access.ca_file is not None:
            self.verify = str(access.ca_file)
        if access.token:
            self.auth = _BearerToken(access.token)
        elif access.user:
            self.auth = HTTPBasicAuth(access.user.encode(), access.password.encode())

    def send(self, request: requests.PreparedRequest, **settings: Any) -> requests.Response:
        """Send a request and return its answer, read within the limits unless the caller streams it."""
        streamed = settings.get("stream", False)
        if request.url:  # wildcards may stand in an address as they are, and Orthanc 1.10 knows them in no other form
            request.url = request.url.replace("%2A", "*").replace("%3F", "?")
        settings |= {"stream": True, "allow_redirects": False, "timeout": SILENT_SECONDS}
        with failures_told(self._host):
            response = self._begun(request, settings)
            self._check_status(response)
            if not streamed:
                blocks = bounded_blocks(response, MAX_ANSWER_BYTES, time.monotonic() + ANSWER_SECONDS)
                response._content = b"".join(blocks)
                response._content_consumed = True
        return response

    def _begun(self, request: requests.PreparedRequest, settings: dict[str, Any]) -> requests.Response:
        """The answer once its headers are there. A server may send these letter by letter for ever."""
        outcome: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

        def send() -> None:
            try:
                outcome.put(requests.Session.send(self, request, **settings))
            except Exception as error:
                outcome.put(error)

        threading.Thread(target=send, name="pacs-request", daemon=True).start()
        try:
            found = outcome.get(timeout=ANSWER_SECONDS)
        except queue.Empty:
            raise requests.Timeout from None
        if isinstance(found, Exception):
            raise found
        return found

    def _check_status(self, response: requests.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            if response.headers.pop("Warning", "").startswith("299"):
                response.close()
                raise PacsError(f"The PACS at {self._host} has more results than it gives. Search for fewer.")
            return
        response.close()
        if 300 <= status < 400:
            text = "sends on to another address, which is not followed. Give that address itself."
        elif status in _STATUS:
            text = _STATUS[HTTPStatus(status)]
        elif status >= 500:
            text = f"has a problem of its own ({status}). Try again later, or look into its log."
        else:
            text = f"does not understand the request ({status}). Check that the address is its DICOMweb root."
        raise PacsError(f"The PACS at {self._host} {text}")


def bounded_blocks(response: requests.Response, most: int, deadline: float) -> Iterator[bytes]:
    """Yield the body of an answer in blocks. most: bytes. deadline: of `time.monotonic`. Closes the answer.

    Raises PacsError for a longer body, and requests.Timeout after the deadline.
    """
    taken = 0
    with response:
        while True:
            if time.monotonic() > deadline:
                raise requests.Timeout
            block = response.raw.read1(BLOCK_BYTES, decode_content=True)  # returns with what has arrived
            if not block:
                return
            taken += len(block)
            if taken > most:
                raise PacsError(f"The PACS sends more than {_megabytes(most)} in one answer. Ask it for less.")
            yield block


def _megabytes(size: int) -> str:
    return f"{max(size >> 20, 1):,} MB"


@contextmanager
def failures_told(host: str) -> Iterator[None]:
    """Turn what goes wrong with a PACS in the block into a PacsError, which holds nothing that the PACS sent."""
    begins = f"The PACS at {host}"
    try:
        yield
    except PacsError:
        raise
    except requests.exceptions.SSLError as error:
        if "Hostname mismatch" in str(error) or "IP address mismatch" in str(error):
            text = f"{begins} shows the certificate of another host. Give the name that its certificate has."
            raise PacsError(text) from None
        if "certificate has expired" in str(error) or "not yet valid" in str(error):
            text = f"The certificate of {host} is not valid today. Check this machine's clock, or have it renewed."
            raise PacsError(text) from None
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            text = f"The certificate of {host} is not trusted on this machine. Name the file of its authority."
            raise PacsError(text, "ca_file") from None
        raise PacsError(f"{begins} does not speak TLS as expected. Check whether its address is http.") from None
    except (requests.Timeout, TimeoutError):
        raise PacsError(f"{begins} takes too long to answer. Try again later, or ask for less.") from None
    except (requests.exceptions.ChunkedEncodingError, TransportError, BrokenAnswer):
        raise PacsError(f"{begins} broke off in the middle of its answer. Try again.") from None
    except requests.ConnectionError as error:
        if "Connection aborted" in str(error):
            raise PacsError(f"{begins} closed the connection without an answer. Check http or https.") from None
        raise PacsError(f"No PACS answers at {host}. Check the address, and that the PACS is running.") from None
    except (requests.exceptions.InvalidJSONError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise PacsError(
            f"{begins} does not answer in DICOM JSON. Check that the address is its DICOMweb root."
        ) from None
    except requests.RequestException:
        raise PacsError(f"{begins} cannot be asked. Check its address and the file of its authority.") from None
