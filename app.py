"""Start the app. Research use only, not for diagnosis."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from app import build, launch
from app.api.tools import NoTools
from app.freed_memory import keep_few_arenas
from app.gate.server import NoPort
from app.hosting import Hosting
from app.mode import Mode, NotReady, add_first_admin, check_mode, choose_mode
from app.snapshots import snapshots_of
from app.viewer.pixel_server import PixelServer
from app.workspaces import Workspaces
from app.zero_gpu import LentGpu, is_lent, model_device
from mvmlm.commands.command import add_model_arguments, print_download, print_problems
from mvmlm.imaging.decoder import Decoder
from mvmlm.imaging.memory_budget import memory_bytes
from mvmlm.messages import Advised, error_message
from mvmlm.pacs.access import PacsAccess, PacsError, named_access, with_variables
from mvmlm.private_log import log_format
from mvmlm.published.catalogue import CATALOGUE
from mvmlm.store.data_folder import choose_data_folder
from mvmlm.store.database import StoreError
from mvmlm.store.store import Store
from mvmlm.store.uploads import delete_unneeded_uploads
from mvmlm.supervisor import start_worker
from mvmlm.temporary import delete_leftovers, temporary_folder
from mvmlm.worker import delete_log_of_0_4_0

if TYPE_CHECKING:
    from mvmlm.inference.model_predictor import ModelPredictor


def main() -> None:
    """Build the pages over the store of a data folder and serve them until the process ends."""
    options = _parser().parse_args()
    os.umask(0o077)
    keep_few_arenas()
    delete_leftovers()
    os.environ["GRADIO_TEMP_DIR"] = str(temporary_folder("uploads"))
    host = options.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1"
    folder, lasting = choose_data_folder(options.data)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as by Ctrl-C, and closes the store
    try:
        memory_bytes()
        log_format()
    except ValueError as error:
        sys.exit(str(error))
    workspaces: Workspaces | None = None
    try:
        mode = choose_mode(options.mode, os.environ)
        snapshots = snapshots_of(os.environ, folder, lambda: workspaces.lasting() if workspaces else [folder])
        if snapshots:
            snapshots.check()
            print_problems(*filter(None, [snapshots.restore()]))
        store = Store(folder)
        if mode is Mode.SERVER:
            add_first_admin(store.accounts, os.environ)
        check_mode(mode, host, store.accounts, os.environ)
        pacs = None if mode is Mode.SPACE else _pacs()
    except (StoreError, NotReady) as error:
        sys.exit(str(error))
    except (PacsError, ModuleNotFoundError) as error:
        sys.exit(with_variables(error) if isinstance(error, PacsError) else error_message(error))
    print_problems(*store.file.notices)
    weights = _weights(options.weights, store.folder)
    delete_log_of_0_4_0(store.folder)
    delete_unneeded_uploads(store)
    start_worker(store, weights)

    pixels = PixelServer()
    try:
        if mode is Mode.SPACE:
            workspaces = Workspaces(store, opened=lambda visited: start_worker(visited, weights))
        hosting = Hosting(lasting, snapshots, workspaces, pacs, options.mcp)
        demo = build(_loader(weights, options.engine), Decoder(), pixels, store, weights, hosting)
        if snapshots:
            snapshots.save_regularly(demo.event_log.log.failure)  # type: ignore[attr-defined]
        launch(demo, pixels, store, host, options.port, options.allow_host, mode, workspaces)
    except (StoreError, NoTools, NoPort) as error:
        sys.exit(str(error))
    finally:
        if snapshots:
            snapshots.save()
        if workspaces:
            workspaces.close()
        store.close()


def _loader(weights: str, engine: str | None) -> Callable[[], ModelPredictor]:
    """A function that loads the model. weights, engine: as for `load_model`."""
    gpu = LentGpu() if is_lent() else None

    def load() -> ModelPredictor:
        from mvmlm import load_model  # imports torch, which takes seconds: not before the page is there

        predictor = load_model(weights, model_device(), engine="torch" if gpu else engine)
        return gpu.serve(predictor) if gpu else predictor

    return load


def _pacs() -> PacsAccess | None:
    """The PACS of the environment. Raises PacsError, and ModuleNotFoundError without the extra `pacs`."""
    access = named_access(os.environ)
    if access is not None:
        importlib.import_module("mvmlm.pacs.client")  # its packages are an extra
    return access


def _weights(name: str, folder: Path) -> str:
    """The name or file of the weights; a published model is fetched first. Ends the program where it cannot be had."""
    if name not in CATALOGUE and not name.startswith("hf:"):
        return name
    from mvmlm.loading import weights_file  # imports torch, which takes seconds

    try:
        return str(weights_file(name, print_download, folder))
    except (OSError, ValueError, Advised) as error:
        sys.exit(error_message(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add_model_arguments(parser)
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of the store (default: MVMLM_DATA, else your user data folder)"
    )
    parser.add_argument("--host", default=None, help="address to listen on (default: this machine only)")
    parser.add_argument(
        "--mode",
        choices=list(Mode),
        default=None,
        help="local: this machine only, nobody logs in; server: people log in; space: a public Hugging Face Space "
        "(default: MVMLM_MODE, else space on a Space, else local)",
    )
    parser.add_argument("--mcp", action="store_true", help="offer the API as MCP tools too, to programs with a key")
    parser.add_argument(
        "--port",
        type=int,
        default=os.environ.get("GRADIO_SERVER_PORT"),
        help="port to listen on (default: GRADIO_SERVER_PORT, else the first free one from 7860 on)",
    )
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further name under which the app is called, such as that of a proxy in front of it; can be repeated",
    )
    return parser


if __name__ == "__main__":
    main()
