"""A token server as docker-registry wants one: tokens are JSON Web Tokens, signed by a key whose certificate it knows.

Source: docker-registry's "Token Authentication Implementation" (JWT, RS256, the key's libtrust fingerprint) and its
OAuth 2 page. What it was asked stands in ``asked``.
"""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from quiet import QuietServer

ISSUER = "tokens of the tests"
SERVICE = "registry of the tests"
#: seconds for which docker-registry still takes a token that has expired
LEEWAY = 60


class TokenRequest(NamedTuple):
    """``user`` is None where nobody said who they are; ``scopes`` as asked for."""

    method: str
    user: str | None
    scopes: tuple[str, ...]


class TokenServer:
    """``users`` are names and passwords; ``refresh`` identity tokens and their users. Who is nobody may pull what lies
    under ``public/``."""

    def __init__(self, openssl: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._openssl = openssl
        self._key = folder / "key.pem"
        self.bundle = folder / "bundle.pem"
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tokens",
                  "-keyout", str(self._key), "-out", str(self.bundle))  # fmt: skip
        public = self._run("pkey", "-in", str(self._key), "-pubout", "-outform", "DER")
        encoded = base64.b32encode(hashlib.sha256(public).digest()[:30]).decode()
        self._kid = ":".join(encoded[at : at + 4] for at in range(0, len(encoded), 4))
        self.users = {"tester": "open sesame"}
        self.refresh = {"identity of tester": "tester"}
        self.asked: list[TokenRequest] = []
        #: seconds that the registry takes a token for, and those that the client is told (None: nothing)
        self.lifetime = 300.0
        self.told: float | None = 300.0
        #: statuses that the next requests are answered with
        self.failing: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self, urlsplit(self.path).query, outer._basic(self))

            def do_POST(self) -> None:
                form = self.rfile.read(int(self.headers["Content-Length"])).decode()
                token = parse_qs(form).get("refresh_token", [""])[0]
                outer._answer(self, form, outer.refresh.get(token, False))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = QuietServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.realm = f"http://{self.host}/token"
        self._thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def _basic(self, request: BaseHTTPRequestHandler) -> str | bool | None:
        """The user; None for nobody, False for somebody else's password."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return user if self.users.get(user) == password else False

    def _answer(self, request: BaseHTTPRequestHandler, query: str, user: str | bool | None) -> None:
        fields = parse_qs(query)
        scopes = tuple(word for scope in fields.get("scope", []) for word in scope.split())
        self.asked.append(TokenRequest(request.command, user if isinstance(user, str) else None, scopes))
        status, data = 200, {}
        if self.failing:
            status, data = self.failing.pop(0), {"error": "busy"}
        elif user is False:
            status, data = 401, {"details": "incorrect username or password"}
        else:
            name = user if isinstance(user, str) else ""
            data = {"access_token" if request.command == "POST" else "token": self.token(name, scopes)}
            if self.told is not None:
                data["expires_in"] = int(self.told) if self.told >= 1 else self.told
        content = json.dumps(data).encode()
        request.send_response(status)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def token(self, user: str, scopes: tuple[str, ...]) -> str:
        now = int(time.time())
        access = []
        for scope in scopes:
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            granted = actions.split(",") if user else (["pull"] if name.startswith("public/") else [])
            access.append({"type": kind, "name": name, "actions": granted})
        end = int(now + self.lifetime - LEEWAY) if self.lifetime < LEEWAY else int(now + self.lifetime)
        claims = {
            "iss": ISSUER,
            "sub": user,
            "aud": SERVICE,
            "exp": end,
            "nbf": now - 100,
            "iat": now,
            "access": access,
        }
        head = {"typ": "JWT", "alg": "RS256", "kid": self._kid}
        text = f"{_encoded(head)}.{_encoded(claims)}"
        signature = self._run("dgst", "-sha256", "-sign", str(self._key), stdin=text.encode())
        return f"{text}.{_base64(signature)}"

    def _run(self, *words: str, stdin: bytes = b"") -> bytes:
        done = subprocess.run([self._openssl, *words], input=stdin, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout


def _encoded(data: dict[str, Any]) -> str:
    return _base64(json.dumps(data, separators=(",", ":")).encode())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
