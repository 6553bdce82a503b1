"""A local provider of OpenID Connect for tests: it logs in whoever comes, as the person that a test names."""

import base64
import hashlib
import json
import secrets
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.stub_server import StubServer

CLIENT, SECRET = "client-of-the-space", "secret-of-the-space"


class ProviderHandler(BaseHTTPRequestHandler):
    """The four addresses of a provider. What the server has as `person` logs in; `codes` are those given out."""

    def log_message(self, *arguments):
        """Print nothing."""

    def _send(self, status, values, headers=()):
        body = json.dumps(values).encode()
        self.send_response(status)
        for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        own, query = f"http://127.0.0.1:{self.server.server_address[1]}", parse_qs(urlsplit(self.path).query)
        path = urlsplit(self.path).path
        if self.server.broken:
            self._send(500, {})
        elif path == "/.well-known/openid-configuration":
            names = {
                "authorization_endpoint": "/authorize",
                "token_endpoint": "/token",
                "userinfo_endpoint": "/userinfo",
            }
            self._send(200, {name: self.server.host_of.get(name, own) + place for name, place in names.items()})
        elif path == "/authorize":
            assert query["response_type"] == ["code"] and query["client_id"] == [CLIENT]
            assert query["code_challenge_method"] == ["S256"] and set(query["scope"][0].split()) == {
                "openid",
                "profile",
            }
            code = secrets.token_urlsafe(16)
            self.server.codes[code] = query["code_challenge"][0], query["redirect_uri"][0], dict(self.server.person)
            answer = {"state": query["state"][0], "code": code}
            if self.server.denies:
                answer = {"state": query["state"][0], "error": "access_denied"}
            self._send(302, {}, [("Location", f"{query['redirect_uri'][0]}?{urlencode(answer)}")])
        else:
            person = self.server.tokens.get(self.headers.get("Authorization", "").removeprefix("Bearer "))
            self._send(200 if person else 401, person or {})

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        challenge, redirect, person = self.server.codes.pop(form["code"][0], (None, None, None))
        made = (
            base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"][0].encode()).digest()).rstrip(b"=").decode()
        )
        if self.headers["Authorization"] != f"Basic {basic}" or challenge != made or form["redirect_uri"] != [redirect]:
            return self._send(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe(16)
        self.server.tokens[token] = person
        return self._send(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600})


@contextmanager
def local_provider(person):
    """A provider that logs in `person`; its attributes change what it does."""
    server = StubServer(ProviderHandler)
    server.person, server.codes, server.tokens, server.host_of = person, {}, {}, {}
    server.broken = server.denies = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def environment_of(provider):
    """The variables that a Space sets for its provider."""
    address = f"http://127.0.0.1:{provider.server_address[1]}/"
    return {"OPENID_PROVIDER_URL": address, "OAUTH_CLIENT_ID": CLIENT, "OAUTH_CLIENT_SECRET": SECRET}
