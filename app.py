"""python app.py: starts the app. Research use only, not for diagnosis."""

import argparse

from app import Shelf, build, launch_options


def load_predictor(weights: str):
    from mvmlm import load_model

    return load_model(weights)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", default="demo", help="demo, or the path of a .safetensors file")
    parser.add_argument("--host", default=None, help="address to listen on (default: this machine only)")
    parser.add_argument("--port", type=int, default=None, help="default 7860")
    options = parser.parse_args()

    from mvmlm.decode import Decoder

    shelf = Shelf()
    demo = build(lambda: load_predictor(options.weights), Decoder(), shelf)
    demo.launch(server_name=options.host, server_port=options.port, **launch_options(shelf))
