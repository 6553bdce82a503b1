"""A refused request: a status and one sentence for the person who sent it."""

from __future__ import annotations

from starlette.exceptions import HTTPException

NO_COOKIE = (
    "This browser keeps no cookie for this page, and without one your exam cannot be told from that of another "
    "visitor. Allow cookies for this address and load the page again."
)


class Refused(HTTPException):
    """Raised for a request that is not answered. status: of HTTP. sentence: what to do next, without patient data."""

    def __init__(self, status: int, sentence: str):
        super().__init__(status, sentence, headers={"Connection": "close"})
        self.sentence = sentence
