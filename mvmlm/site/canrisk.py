"""The risk of a family by BOADICEA, asked of the CanRisk web service (canrisk.org) where a user has an account there.

The request leaves this machine: whoever calls `ask` has told the user so. Names and IDs of the pedigree stay here. The
interface is that of the service's own documentation and client: a POST to /boadicea/ with the header "Authorization:
Token ..." and the JSON fields user_id, pedigree_data, mut_freq and cancer_rates; the answer holds for the family a list
of ages with the risk of breast cancer until then. Lee et al., Genetics in Medicine 21:1708 (2019); Carver et al.,
Cancer Epidemiol Biomarkers Prev 30:469 (2021).
"""

from __future__ import annotations

import http.client
import json
import math
import queue
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .canrisk_pedigree import FAMILY, Pedigree

ADDRESS = "https://canrisk.org"
#: as the service names them
CANCER_RATES = (
    "UK", "Australia", "Canada", "USA", "Denmark", "Estonia", "Finland", "France", "Iceland", "Netherlands",
    "New-Zealand", "Norway", "Slovenia", "Spain", "Sweden",
)  # fmt: skip
MUTATION_FREQUENCIES = ("UK", "UK, non-European", "Ashkenazi", "Iceland")
LIMITS = (
    "The answer is CanRisk's for the pedigree as it was sent; this program does not check it.",
    "Breast density counts only where the file gives it; it is never taken from the pictures or from a model.",
    "It uses no picture: it does not change an image risk and is not changed by one. The two are never mixed.",
)
YEARS = 5
REACHED_S, ANSWERED_S = 4.0, 60.0  # until the service is reached, and then until it has answered
_LONGEST = 2_000_000  # bytes of an answer
_SHOWN = 400  # letters of a message
_USER = "mvmlm"  # the service wants a name of its user's user


class CanRiskError(RuntimeError):
    """Why there is no answer, in a sentence that says what to do."""


@dataclass(frozen=True)
class CanRiskAnswer:
    """risk: of breast cancer within YEARS years, 0..1. by_age: until each age. version: of BOADICEA. told: warnings."""

    risk: float
    by_age: dict[int, float]
    version: str
    told: tuple[str, ...]


def service_address(given: str | None) -> str:
    """Return the address of the service. given: another one, for a site that runs it itself; https, or loopback.

    Raises CanRiskError.
    """
    address = (given or ADDRESS).rstrip("/")
    parts = urlsplit(address)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1"))
    if not safe or not parts.hostname or parts.username or parts.query:
        raise CanRiskError("The address of CanRisk must begin with https:// and name a host, nothing more.")
    return address


def ask(pedigree: Pedigree, token: str, cancer_rates: str, mut_freq: str, address: str = ADDRESS) -> CanRiskAnswer:
    """Send a pedigree and return the answer. Raises CanRiskError; nothing of the pedigree is logged.

    cancer_rates: one of CANCER_RATES. mut_freq: one of MUTATION_FREQUENCIES. address: from `service_address`.
    """
    body = {"user_id": _USER, "pedigree_data": pedigree.text, "mut_freq": mut_freq, "cancer_rates": cancer_rates}
    if not token.isascii() or not token.isprintable() or " " in token:
        raise CanRiskError("The token of CanRisk holds a blank or a letter that no token has. Set it again.")
    headers = {"Content-Type": "application/json", "Accept": "application/json", "Authorization": f"Token {token}"}
    request = urllib.request.Request(f"{address}/boadicea/", json.dumps(body).encode(), headers)
    return _read_answer(_content(request), pedigree)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: another place would get the pedigree or the token."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Attempt:
    """Whether the service was reached, or given up before that: then nothing is sent any more."""

    def __init__(self) -> None:
        self._lock, self._given_up, self.reached = threading.Lock(), False, threading.Event()

    def note(self, connection: http.client.HTTPConnection) -> None:
        """A connection is there, and nothing was sent yet. Raises ConnectionError where nobody waits any longer."""
        with self._lock:
            if self._given_up:
                connection.close()
                raise ConnectionError
            self.reached.set()
        connection.sock.settimeout(ANSWERED_S)

    def give_up(self) -> bool:
        """Return whether this came in time, before a connection was there."""
        with self._lock:
            self._given_up = not self.reached.is_set()
            return self._given_up


def _opener(attempt: _Attempt) -> urllib.request.OpenerDirector:
    """What opens addresses, through the proxies of the environment, and tells an attempt of its connections."""

    class Plain(http.client.HTTPConnection):
        def connect(self) -> None:
            super().connect()
            attempt.note(self)

    class Secure(http.client.HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            attempt.note(self)

    class PlainHandler(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Plain, req)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(Secure, req)

    return urllib.request.build_opener(_NoRedirect, PlainHandler, SecureHandler)


def _content(request: urllib.request.Request) -> bytes:
    """The body of the answer. The request runs in a thread, so that no slow look-up of a name holds the caller."""
    attempt, done = _Attempt(), queue.SimpleQueue[bytes | Exception]()

    def send() -> None:
        try:
            with _opener(attempt).open(request, timeout=REACHED_S) as answer:
                done.put(answer.read(_LONGEST + 1))
        except Exception as error:  # it is raised in the caller's thread
            done.put(error)

    def result(seconds: float) -> bytes | Exception | None:
        try:
            return done.get(timeout=seconds)
        except queue.Empty:
            return None

    threading.Thread(target=send, name="canrisk", daemon=True).start()
    got = result(REACHED_S)
    if got is None and attempt.give_up():
        raise _not_reached(slow=False)
    got = result(ANSWERED_S) if got is None else got
    if isinstance(got, urllib.error.HTTPError):
        raise _refused(got) from None
    if got is None or isinstance(got, Exception):
        raise _not_reached(slow=attempt.reached.is_set()) from None
    if len(got) > _LONGEST:
        raise CanRiskError("CanRisk's answer is too long to be one. Nothing of it is used.")
    return got


def _not_reached(slow: bool) -> CanRiskError:
    """Why there was no answer at all. slow: the service was reached before."""
    if slow:
        return CanRiskError("CanRisk gave no answer. Whether it got the pedigree is not known. Try again later.")
    return CanRiskError(
        "CanRisk cannot be reached from this machine. Check the network and the address, or do without."
    )


def _refused(error: urllib.error.HTTPError) -> CanRiskError:
    """What a refusal means; for a wrong pedigree with the message of the service."""
    if error.code in (401, 403):
        return CanRiskError(
            f"CanRisk refuses the token ({error.code}): it is wrong, or its account may not use the web service. Get a "
            "token from CanRisk and set it again."
        )
    if error.code == 400:
        try:
            message = _words(json.loads(error.read(_LONGEST)))
        except (OSError, ValueError, RecursionError):
            message = ""
        return CanRiskError(
            f"CanRisk refuses the pedigree: {message or 'it gives no reason'} (L12 is the person in line 12)."
        )
    if error.code == 429:
        return CanRiskError("CanRisk was asked too often with this token (429). Try again later.")
    if 300 <= error.code < 400:
        return CanRiskError("CanRisk sends the request to another address, which is not followed. Set the new address.")
    return CanRiskError(f"CanRisk has an error of its own ({error.code}). Try again later.")


def _words(value: object) -> str:
    """The texts of a JSON value as one line."""
    if isinstance(value, dict):
        said = "; ".join(f"{key}: {_words(each)}" for key, each in value.items())
    elif isinstance(value, list):
        said = "; ".join(_words(each) for each in value)
    else:
        said = str(value)
    line = " ".join(said.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def _number(value: Any) -> float:
    """A number of the answer. Raises TypeError for what is none in JSON either, and OverflowError."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _read_answer(content: bytes, pedigree: Pedigree) -> CanRiskAnswer:
    """The answer for the family that was sent. Raises CanRiskError for one of another shape."""
    odd = CanRiskError("CanRisk's answer has another shape than is known here. Nothing of it is used.")
    try:
        answer = json.loads(content)
        told = tuple(_words(each) for key in ("warnings", "errors") for each in answer.get(key) or ())
        (result,) = answer["pedigree_result"]
        target = next(row.split("\t")[3] for row in pedigree.text.splitlines() if row.split("\t")[2:3] == ["1"])
        if (result["family_id"], result["proband_id"]) != (FAMILY, target):
            raise CanRiskError("CanRisk's answer is of another family or woman than was sent. Nothing of it is used.")
        given = result.get("cancer_risks")
        if not given:
            raise CanRiskError(" ".join(["CanRisk gives no risk of breast cancer for this woman.", *told]))
        by_age = {int(_number(row["age"])): _number(row["breast cancer risk"]["decimal"]) for row in given}
        version = str(answer["version"])
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError, StopIteration):
        raise odd from None
    ages, risks = sorted(by_age), [by_age[age] for age in sorted(by_age)]
    sound = all(math.isfinite(risk) and 0 <= risk <= 1 for risk in risks) and risks == sorted(risks)
    if not sound or len(by_age) < len(given) or ages[0] <= pedigree.age:
        raise odd
    if pedigree.age + YEARS not in by_age:
        raise CanRiskError(f"CanRisk gives no risk for {YEARS} years from an age of {pedigree.age}.")
    return CanRiskAnswer(by_age[pedigree.age + YEARS], {age: by_age[age] for age in ages}, version, told)
