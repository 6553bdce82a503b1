"""How the app is hosted: for one user on this machine, for people who log in, or on a public Space."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum

from mvmlm.store.accounts import Accounts, Role

from .gate.hub_logins import Incomplete, provider_of

VARIABLE = "MVMLM_MODE"
FIRST_ADMIN, FIRST_PASSWORD = "admin", "MVMLM_ADMIN_PASSWORD"


class NotReady(Exception):
    """Raised where a mode lacks what it needs; the message says what to do."""


class Mode(StrEnum):
    """The ways of hosting."""

    LOCAL = "local"  # this machine only, without accounts
    SERVER = "server"  # for a network: people log in, and each acts under their own name
    SPACE = "space"  # a Hugging Face Space: anybody, without accounts


def choose_mode(asked: str | None, environment: Mapping[str, str]) -> Mode:
    """Return the mode that is asked for, else that of MVMLM_MODE, else `space` on a Space, else `local`.

    Raises NotReady for a name that is none.
    """
    name = asked or environment.get(VARIABLE) or (Mode.SPACE if environment.get("SPACE_ID") else Mode.LOCAL)
    try:
        return Mode(name)
    except ValueError:
        raise NotReady(f"{VARIABLE}={name}: choose one of {', '.join(Mode)}.") from None


def add_first_admin(accounts: Accounts, environment: Mapping[str, str]) -> None:
    """Add the account `admin` with the password of MVMLM_ADMIN_PASSWORD, where it is set and no admin is there.

    For a Space or a container, where no command can be typed before the app starts. Raises StoreError for a password
    that is too easy.
    """
    password = environment.get(FIRST_PASSWORD)
    if password and not accounts.has_admin():
        accounts.add(FIRST_ADMIN, Role.ADMIN, password, "environment")


def check_mode(mode: Mode, host: str, accounts: Accounts, environment: Mapping[str, str]) -> None:
    """Raise NotReady where a mode lacks what it needs. host: the address to listen on."""
    if mode is Mode.SPACE:
        try:
            provider_of(environment)
        except Incomplete as error:
            raise NotReady(str(error)) from None
    if mode is Mode.LOCAL and not _is_loopback(host):
        raise NotReady(
            f"In the mode `local` nobody logs in, so the app listens on this machine only, and not at {host}. "
            "Start it with --mode server for other machines."
        )
    if mode is Mode.SERVER and not accounts.has_admin():
        raise NotReady(
            "In the mode `server` people log in, and there is no admin yet. "
            "Make an account first: mvmlm account add NAME --role admin, with --data DIR where the app has it "
            f"(or set {FIRST_PASSWORD})."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
