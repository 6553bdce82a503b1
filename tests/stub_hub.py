"""A hub on this machine: repositories with files, answered as the hub's client expects, and broken on request."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.stub_server import StubServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """files: (repository, name) -> bytes. gated: repositories that need a login. cut_at: bytes after which a download
    breaks off, once for each number in the list. wrong: names that arrive with other bytes. asked: the ranges of the
    downloads."""

    def __init__(self):
        self.files, self.gated, self.wrong, self.cut_at, self.asked = {}, set(), set(), [], []
        self.address = ""


@contextmanager
def stub_hub():
    """Serve a `Hub` on loopback."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            """Say nothing."""

        def do_HEAD(self):
            self.answer(body=False)

        def do_GET(self):
            self.answer(body=True)

        def refuse(self, status, code):
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def answer(self, body):
            path = self.path.split("?")[0].strip("/")
            if path.startswith("api/models/"):
                return self.listing(path.removeprefix("api/models/").split("/revision/")[0])
            if "/resolve/" not in path:
                return self.raw(path, body)
            repository, _, rest = path.partition("/resolve/")
            name = rest.partition("/")[2]
            if repository in hub.gated:
                return self.refuse(403, "GatedRepo")
            if not any(known == repository for known, _ in hub.files):
                return self.refuse(404, "RepoNotFound")
            if (repository, name) not in hub.files:
                return self.refuse(404, "EntryNotFound")
            content = hub.files[repository, name]
            self.send(
                content, body, name, {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha256(content).hexdigest()}"'}
            )

        def raw(self, path, body):
            if ("", path) not in hub.files:
                return self.refuse(404, "EntryNotFound")
            self.send(hub.files["", path], body, path, {})

        def listing(self, repository):
            names = [name for known, name in hub.files if known == repository]
            if not names:
                return self.refuse(404, "RepoNotFound")
            about = {"id": repository, "sha": COMMIT, "siblings": [{"rfilename": name} for name in names]}
            self.send(json.dumps(about).encode(), True, "", {"Content-Type": "application/json"})

        def send(self, content, body, name, headers):
            if name in hub.wrong:
                content = bytes(len(content))
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
            if body and name:
                hub.asked.append((name, start))
            if start >= len(content) and start:
                return self.refuse(416, "Range")
            self.send_response(206 if start else 200)
            for key, value in headers.items():
                self.send_header(key, value)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if not body:
                return
            if name and hub.cut_at:
                self.wfile.write(content[start : hub.cut_at.pop(0)])
                self.close_connection = True
                return
            self.wfile.write(content[start:])

    server = StubServer(Handler)
    hub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
