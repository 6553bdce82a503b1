"""Where a PACS is and the login to it: address, user and password or token, certificate; checked before use."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ..messages import Advised

PASSWORD, TOKEN = "MVMLM_PACS_PASSWORD", "MVMLM_PACS_TOKEN"
#: the environment variables of the PACS that the pages ask
ADDRESS, USER, CA_FILE, PLAIN_HTTP = "MVMLM_PACS", "MVMLM_PACS_USER", "MVMLM_PACS_CA_FILE", "MVMLM_PACS_PLAIN_HTTP"
_VARIABLES = {"user": USER, "ca_file": CA_FILE, "plain_http": f"{PLAIN_HTTP}=1"}  # by the remedy of an error


class PacsError(Advised):
    """Why a PACS did not do what was asked, in one sentence with what to do. Holds no credentials."""


@dataclass(frozen=True)
class PacsAccess:
    """The DICOMweb root of a PACS, such as https://pacs:8042/dicom-web, and the login to it.

    user and password, or token (a bearer token), or none. ca_file: PEM of the authority that signed its certificate
    (default: those that Python trusts). plain_http: a login may go unencrypted to another machine. Raises PacsError
    for an address that is none, and for a login over plain HTTP that was not asked for.
    """

    address: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_file: Path | None = None
    plain_http: bool = False

    def __post_init__(self) -> None:
        parts = _parts(self.address)
        if self.token and (self.user or self.password):
            raise PacsError("Both a user and a token are given. Give one of them.", "user")
        if self.password and not self.user:
            raise PacsError("A password is given, and no user. Give the user of the PACS.", "user")
        if not (f"{self.user}{self.password}".isprintable() and self.token.isascii() and self.token.isprintable()):
            raise PacsError("The user, password or token has characters that cannot be sent. Copy it again.")
        if self.ca_file is not None:
            _check_authority(self.ca_file)
        if parts.scheme == "http" and (self.password or self.token) and not self.plain_http and not self.on_loopback:
            raise PacsError(
                f"http://{self.host} would carry the login unencrypted to another machine. Use the https address of "
                "the PACS, or allow it for a network that you trust.",
                "plain_http",
            )

    @property
    def root(self) -> str:
        """The address without a slash at its end."""
        return self.address.rstrip("/")

    @property
    def host(self) -> str:
        """Host and port, as the address has them."""
        return urlsplit(self.address).netloc

    @property
    def on_loopback(self) -> bool:
        """Whether the PACS runs on this machine by its address."""
        return is_loopback(urlsplit(self.address).hostname or "")


def named_access(environment: Mapping[str, str]) -> PacsAccess | None:
    """Return the PACS that the person who runs this program named in its environment, None where there is none.

    Raises PacsError for a setting that is not understood, and for a user without a password.
    """
    address = environment.get(ADDRESS, "").strip()
    if not address:
        return None
    user, password = environment.get(USER, ""), environment.get(PASSWORD, "")
    ca_file, plain_http = environment.get(CA_FILE, ""), environment.get(PLAIN_HTTP, "0")
    if plain_http not in ("0", "1"):
        raise PacsError(f"{PLAIN_HTTP} is neither 0 nor 1. Set it to 1 to let the login go unencrypted.")
    if user and not password:
        raise PacsError(f"{USER} is set, and no password. Set {PASSWORD}.")
    token = environment.get(TOKEN, "")
    return PacsAccess(address, user, password, token, Path(ca_file) if ca_file else None, plain_http == "1")


def with_variables(error: PacsError) -> str:
    """Return the message of an error with the environment variables that mend it, for programs without options."""
    variables = [_VARIABLES[remedy] for remedy in error.remedies if remedy in _VARIABLES]
    return f"{error} The person who runs this program sets {' or '.join(variables)}." if variables else str(error)


def is_loopback(host: str) -> bool:
    """Return whether a host name or IP address is certainly this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _check_authority(path: Path) -> None:
    if not path.is_file():
        raise PacsError(f"{path.name}: no such file. Name the PEM file of the authority.", "ca_file")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except (OSError, ValueError):  # an SSLError is an OSError
        raise PacsError(
            f"{path.name}: no certificate in it can be read. Name the PEM file of the authority.", "ca_file"
        ) from None


def _parts(address: str) -> SplitResult:
    example = "Give the DICOMweb root of the PACS, such as https://pacs.example:8042/dicom-web."
    try:
        parts = urlsplit(address)
        port_fits = parts.port is None or parts.port > 0
    except ValueError:
        raise PacsError(f"The address of the PACS cannot be read. {example}") from None
    if parts.username is not None or parts.password is not None:
        raise PacsError(
            "The address of the PACS holds a login, which other users of this machine could see. Give the address "
            "without it, the user apart, and the password in MVMLM_PACS_PASSWORD.",
            "user",
        )
    plain = address.isascii() and address.isprintable() and " " not in address and not parts.query + parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_fits or not plain:
        raise PacsError(f"The address of the PACS is no http or https address. {example}")
    return parts
