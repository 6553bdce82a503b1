"""Ports of this machine for programs that tests start."""

import socket


def free_port():
    """A port on which nothing listens at the moment."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
