"""`pacs listen`: receive exams from modalities until it is stopped, store them, and let the worker encode them."""

from __future__ import annotations

import threading
from argparse import ArgumentParser, Namespace
from pathlib import Path

from .command import add_weights_argument, at_least, between, print_problems


def add_listen_arguments(parser: ArgumentParser) -> None:
    """Add the options of `pacs listen`."""
    parser.add_argument("--port", type=at_least(1, 65535), required=True, help="the port to listen on, such as 11112")
    parser.add_argument("--ae-title", required=True, metavar="TITLE", help="the AE title that modalities send to")
    parser.add_argument(
        "--from",
        dest="peers",
        action="append",
        default=[],
        metavar="AE@HOST",
        help="a modality that may send; may be given more than once (default: programs on this machine only)",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1, this machine only)"
    )
    parser.add_argument(
        "--quiet",
        type=between(1),
        default=600.0,
        metavar="SECONDS",
        help="a study of which nothing came for so long is whole (default: 600)",
    )
    parser.add_argument("--reader", default="listener", help="who does this, for the history (default: listener)")
    parser.add_argument(
        "--data", type=Path, help="the store's folder (default: MVMLM_DATA, else your user data folder)"
    )
    add_weights_argument(parser)


def listen(options: Namespace) -> int:
    """Receive exams until the program is stopped."""
    from ..imaging.load import default_decoder
    from ..pacs.listener import Listener, read_peer
    from ..store.data_folder import choose_data_folder
    from ..store.readers import clean_reader
    from ..store.store import Store
    from ..supervisor import start_worker

    peers = [read_peer(text) for text in options.peers]
    store, who = Store(choose_data_folder(options.data)[0]), clean_reader(options.reader)
    print_problems(*store.file.notices)

    def encode() -> None:
        store.jobs.add("encode", {}, who)
        start_worker(store, options.weights)

    try:
        listener = Listener(
            store, default_decoder(), who, title=options.ae_title, host=options.host, port=options.port, peers=peers,
            quiet_seconds=options.quiet, tell=print_problems, stored=encode,
        )  # fmt: skip
        with listener:
            print(f"{options.ae_title} listens on {options.host}, port {listener.port}. Ctrl-C stops it.", flush=True)
            threading.Event().wait()
    finally:
        store.close()
    return 0
