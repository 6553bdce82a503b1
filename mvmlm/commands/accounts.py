"""`account`: who may log in to the app in the mode `server`, and what they may do."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from ..messages import Advised
from .command import Command

if TYPE_CHECKING:
    from ..store.accounts import Accounts

PASSWORD = "MVMLM_NEW_PASSWORD"
ROLES = ("viewer", "reader", "trainer", "admin")  # of store.accounts, least first
_WHO = "command line"


def _add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("add", "add an account; asks for its password"),
        ("role", "change what an account may do"),
        ("password", "give an account a new password, and open it again if it was closed"),
        ("close", "close an account: its name stays with its reads"),
    ):
        action = actions.add_parser(name, help=words, description=f"{words}. {_of_password(name)}")
        action.add_argument("name", help="the reader's name, as it stands beside their reads")
        if name in ("add", "role"):
            action.add_argument("--role", choices=ROLES, required=True, help="each may do what those before it may")
    actions.add_parser("list", help="list the accounts")
    for action in actions.choices.values():
        action.add_argument("--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your data folder)")


def _of_password(action: str) -> str:
    return f"Without a terminal the password is taken from {PASSWORD}." if action in ("add", "password") else ""


def _account(options: Namespace) -> int:
    from ..store.accounts import Role
    from ..store.data_folder import choose_data_folder
    from ..store.store import Store

    store = Store(choose_data_folder(options.data)[0])
    try:
        accounts = store.accounts
        if options.action == "add":
            accounts.add(options.name, Role(options.role), _new_password(options.name), _WHO)
        elif options.action == "role":
            accounts.set_role(options.name, Role(options.role), _WHO)
        elif options.action == "password":
            accounts.get(options.name)
            accounts.set_password(options.name, _new_password(options.name), _WHO)
        elif options.action == "close":
            accounts.close(options.name, _WHO)
        print("\n".join(_listed(accounts)) or "There is no account yet.")
    finally:
        store.close()
    return 0


def _listed(accounts: Accounts) -> list[str]:
    return [
        f"{account.name}: {account.role}{', closed' if account.closed else ''}, since {account.made[:10]}"
        for account in accounts.all()
    ]


def _new_password(name: str) -> str:
    """The password that is typed twice, or that of the environment. Raises Advised where neither is there."""
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        raise Advised(f"There is no terminal to type a password in. Put it into the environment variable {PASSWORD}.")
    password = getpass(f"Password for {name}: ")
    if getpass("The same again: ") != password:
        raise Advised("The two passwords differ. Nothing was changed.")
    return password


ACCOUNT = Command("account", "who may log in to the app, and what they may do", _add_arguments, _account)
