"""A data set of a hub on this machine, to which files can be committed."""

import base64
import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from tests.stub_hub import COMMIT
from tests.stub_server import StubServer

NAME, TOKEN = "ann/labels", "hf_token_of_ann"


class DatasetHandler(BaseHTTPRequestHandler):
    """What the hub answers to who carries the token."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Print nothing."""

    def _send(self, status, body, headers=()):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(data))), *headers):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        hub, path = self.server.hub, self.path.split("?")[0]
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if hub.down:
            return self._send(503, {})
        if not known:
            return self._send(404, {}, [("X-Error-Code", "RepoNotFound")])
        if path == f"/api/datasets/{NAME}":
            return self._send(200, {"id": NAME, "sha": COMMIT, "private": hub.private, "siblings": []})
        if path.startswith(f"/api/datasets/{NAME}/tree/"):
            return self._send(
                200, [{"type": "file", "path": p, "size": len(d), "oid": "0" * 40} for p, d in hub.files.items()]
            )
        name = path.partition("/resolve/main/")[2]
        if name in hub.files:
            data = hub.files[name]
            return self._send(200, data, [("X-Repo-Commit", COMMIT), ("ETag", f'"{hashlib.sha256(data).hexdigest()}"')])
        return self._send(404, {}, [("X-Error-Code", "EntryNotFound")])

    def do_POST(self):
        hub, sent = self.server.hub, self.rfile.read(int(self.headers["Content-Length"]))
        if hub.down or self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._send(503 if hub.down else 403, {})
        if "/preupload/" in self.path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in json.loads(sent)["files"]
            ]
            return self._send(200, {"files": files})
        assert "/commit/" in self.path
        for line in sent.splitlines():
            part = json.loads(line)
            if part["key"] == "file":
                assert part["value"]["path"] not in hub.files, "nothing is ever overwritten"
                hub.files[part["value"]["path"]] = base64.b64decode(part["value"]["content"])
        hub.commits += 1
        return self._send(
            200, {"commitUrl": f"{hub.address}/{NAME}/commit/{COMMIT}", "commitOid": COMMIT, "pullRequestUrl": None}
        )


class Dataset:
    """files: name -> bytes. private, down: what the hub answers. commits: how many there were."""

    def __init__(self):
        self.files, self.private, self.down, self.commits, self.address = {}, True, False, 0, ""


@contextmanager
def stub_dataset():
    """Serve a `Dataset` on loopback."""
    hub, server = Dataset(), StubServer(DatasetHandler)
    server.hub, hub.address = hub, f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
