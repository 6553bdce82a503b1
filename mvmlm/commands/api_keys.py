"""`api-key`: the keys of programs that call the app over HTTP."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from .command import Command

_WHO = "command line"


def _add_arguments(parser: ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, words in (
        ("add", "add a key; it is shown once, and only its hash is stored"),
        ("revoke", "revoke a key: it opens nothing from now on"),
    ):
        action = actions.add_parser(name, help=words, description=f"{words}.")
        action.add_argument("name", help="what the key is for, such as the name of the program")
    actions.add_parser("list", help="list the keys, without the keys themselves")
    for action in actions.choices.values():
        action.add_argument("--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your data folder)")


def _api_key(options: Namespace) -> int:
    from ..store.data_folder import choose_data_folder
    from ..store.store import Store

    store = Store(choose_data_folder(options.data)[0])
    try:
        keys = store.api_keys
        if options.action == "add":
            print(keys.add(options.name, _WHO))
            return 0
        if options.action == "revoke":
            keys.revoke(options.name, _WHO)
        listed = [f"{key.name}: {'revoked' if key.revoked else 'open'}, since {key.made[:10]}" for key in keys.all()]
        print("\n".join(listed) or "There is no key yet, so the API is closed.")
    finally:
        store.close()
    return 0


API_KEY = Command("api-key", "keys of programs that call the app over HTTP", _add_arguments, _api_key)
