"""Under which names the app is served, and whether a request comes from one of its own pages.

A name that leads here by a trick of the name service (DNS rebinding) would let a page of another site read everything;
so a request must name a host that is known.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers

WRONG_HOST = (
    "This app does not know the name under which you called it. Start it with --allow-host NAME to add the name."
)
FOREIGN_PAGE = "This request comes from a page of another site. Open the app itself, at its own address."
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


class Hosts:
    """The names of the server. address: what it listens on. names: further names, of --allow-host."""

    def __init__(self, address: str, names: Iterable[str] = ()):
        extra = [*names, os.environ.get("SPACE_HOST", "")]
        self.names = frozenset(_name(name) for name in extra if name)
        self._served = _name(address)
        self._everywhere = self._served in ("0.0.0.0", "::", "")
        self._own_names = {socket.gethostname().lower(), socket.getfqdn().lower()} if self._everywhere else set()

    def known(self, host: str) -> bool:
        """Return whether a Host header, with or without a port, names this server."""
        name = _name(host)
        if name in self.names or (name and name == self._served and not self._everywhere):
            return True
        if name in LOOPBACK_NAMES:
            return self._everywhere or self._served in LOOPBACK_NAMES or _is_loopback(self._served)
        if self._everywhere:  # a number cannot be rebound, and this machine's own name is its own
            return _is_number(name) or name in self._own_names
        return False

    def is_foreign(self, headers: Headers) -> bool:
        """Return whether a request was made by a page of another origin; another port of this machine is another one.

        Following a link to the app is not foreign.
        """
        origin = headers.get("origin")
        if origin is not None:
            page = origin.partition("://")[2]  # "" for "null"
            called = [headers.get(name, "") for name in ("host", "x-forwarded-host")]
            own = {_place(host) for host in called if self.known(host)}
            return _place(page) not in own and _name(page) not in self.names
        site = headers.get("sec-fetch-site", "none")
        return site in ("cross-site", "same-site") and headers.get("sec-fetch-mode") != "navigate"


def _name(host: str) -> str:
    """The host without its port and brackets, in lower case; "" for what is no host."""
    host = host.strip().lower()
    if host.count(":") > 1 and _is_number(host):
        return host
    found = re.fullmatch(r"(?:\[([^\]]*)\]|([^:\[\]]*))(?::[0-9]*)?", host)
    return (found[1] or found[2]).rstrip(".") if found else ""


def _place(host: str) -> str:
    """The host with its port, without a port that is the default."""
    return host.strip().lower().removesuffix(":443").removesuffix(":80")


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _is_loopback(name: str) -> bool:
    return _is_number(name) and ipaddress.ip_address(name).is_loopback
