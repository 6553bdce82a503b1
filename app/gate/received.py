"""What a client sends: read with a bound on bytes and on time, so that no request can wait for ever."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from .refusal import Refused

EVENT_SECONDS = 30
WINDOW_SECONDS, WINDOW_BYTES = 60, 64 * 2**10  # an upload that brings less in a minute is given up
TOO_SLOW = "The upload did not arrive in time. Check the connection and choose the files again."


async def read_whole(receive: Receive, most: int, too_large: str) -> bytes:
    """Return a body of at most `most` bytes. Raises Refused with `too_large`, or where it does not come in time."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(EVENT_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect()
                size += len(message.get("body", b""))
                if size > most:
                    raise Refused(413, too_large)
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408, TOO_SLOW) from None


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that brings `body`, then what `receive` brings."""
    unread = [body]

    async def again() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        return await receive()

    return again


def bounded(receive: Receive, most: int, too_large: str) -> Receive:
    """Return a `receive` that raises Refused after `most` bytes, or where too little comes in a minute."""
    size, ended = 0, False
    window_start, window_size = time.monotonic(), 0

    async def counted() -> Message:
        nonlocal size, ended, window_start, window_size
        if ended:
            return await receive()
        try:
            async with asyncio.timeout(WINDOW_SECONDS):
                message = await receive()
        except TimeoutError:
            raise Refused(408, TOO_SLOW) from None
        got = len(message.get("body", b""))
        size, window_size, ended = size + got, window_size + got, not message.get("more_body")
        if size > most:
            raise Refused(413, too_large)
        if not ended and time.monotonic() - window_start > WINDOW_SECONDS:
            if window_size < WINDOW_BYTES:
                raise Refused(408, TOO_SLOW)
            window_start, window_size = time.monotonic(), 0
        return message

    return counted
