"""A local HTTP server for tests: a client that has gone is no error to print, least of all into a later test's output."""

import sys
from http.server import ThreadingHTTPServer


class StubServer(ThreadingHTTPServer):
    """Serves on a free port of this machine until it is closed."""

    def __init__(self, handler):
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request, client_address):
        """Print what went wrong, unless the client closed the connection."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
