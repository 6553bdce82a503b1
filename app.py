"""python app.py: starts the app. Research use only, not for diagnosis."""

import argparse
import sys
from pathlib import Path

from app import PixelServer, build, launch_options
from mvmlm.store.data_folder import choose_data_folder


def load_predictor(weights: str):
    from mvmlm import load_model

    return load_model(weights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="demo", help="demo, or the path of a .safetensors file")
    parser.add_argument(
        "--data", type=Path, default=None, help="folder of the store (default: MVMLM_DATA, else your user data folder)"
    )
    parser.add_argument("--host", default=None, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=None, help="default 7860")
    options = parser.parse_args()

    from mvmlm.imaging.decoder import Decoder
    from mvmlm.store.database import StoreError
    from mvmlm.store.store import Store

    folder, lasting = choose_data_folder(options.data)
    try:
        store = Store(folder)
    except StoreError as error:
        sys.exit(str(error))
    pixels = PixelServer()
    demo = build(lambda: load_predictor(options.weights), Decoder(), pixels, store, options.weights, lasting)
    demo.launch(server_name=options.host, server_port=options.port, **launch_options(pixels, store))
