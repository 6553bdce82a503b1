"""The key that a program sends with each request, and the limit on wrong ones."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable

from starlette.datastructures import Headers

from mvmlm.store.api_keys import PREFIX, ApiKey, ApiKeys

from .refusal import Refused

FAILURES_OF_ADDRESS, WINDOW_SECONDS = 50, 900
MOST_ADDRESSES = 10_000
CLOSED = "There is nothing at this address. Open the app's first page."
WRONG = "This key is unknown or was revoked. Ask whoever runs the app for one: mvmlm api-key add NAME."
WAIT = "There were too many wrong keys. Wait a quarter of an hour, then send a right one."
_SCHEME = "Bearer "


class KeyGate:
    """Which key a request proves. Safe to share between threads. clock: in seconds."""

    def __init__(self, keys: ApiKeys, clock: Callable[[], float] = time.monotonic):
        self._keys, self._clock = keys, clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def key(self, sent: str, address: str) -> ApiKey:
        """Return the key that a program sent, as the store knows it now. address: of the program.

        Raises Refused: 404 as for any closed address where there is no open key; 401 for a wrong one; 429 after
        FAILURES_OF_ADDRESS wrong ones. A right key is answered even then, or others could lock it out.
        """
        found = self._keys.check(sent)
        if found is not None:
            return found
        if not self._keys.some_open():
            raise Refused(404, CLOSED)
        with self._lock:
            times = self._failures.setdefault(address, deque(maxlen=FAILURES_OF_ADDRESS))
            self._failures.move_to_end(address)
            while len(self._failures) > MOST_ADDRESSES:
                self._failures.popitem(last=False)
            if sum(self._clock() - at < WINDOW_SECONDS for at in times) >= FAILURES_OF_ADDRESS:
                raise Refused(429, WAIT)
            times.append(self._clock())
        raise Refused(401, WRONG)


def sent_key(headers: Headers) -> str | None:
    """Return the key in the header `Authorization`; None where there is none, as in what a browser sends."""
    sent = headers.get("authorization", "")
    return sent.removeprefix(_SCHEME).strip() if sent.startswith(_SCHEME + PREFIX) else None
