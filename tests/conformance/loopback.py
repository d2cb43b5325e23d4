"""A web server on the loopback device for ADD and contexts: files, and git repositories by git's own server program."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit


class _Handler(BaseHTTPRequestHandler):
    root: Path

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = self.root / unquote(url.path).lstrip("/")
        if ".git/" in url.path:
            self._git(b"")
        elif url.path.startswith("/redirect/"):
            self.send_response(302)
            self.send_header("Location", "/" + url.path.removeprefix("/redirect/"))
            self.end_headers()
        elif path.is_file():
            data = path.read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
            name = parse_qs(url.query).get("disposition")
            if name:
                self.send_header("Content-Disposition", f'attachment; filename="{name[0]}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)
        else:
            self.send_error(404)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._git(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def _git(self, body: bytes) -> None:
        url = urlsplit(self.path)
        environment = {
            **os.environ,
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "GIT_CONFIG_KEY_1": "uploadpack.allowAnySHA1InWant",
            "GIT_CONFIG_VALUE_1": "true",
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split()[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *words: object) -> None:
        """Says nothing."""


@contextmanager
def serve(root: Path) -> Iterator[str]:
    """Serves the folder until the block ends; gives ``127.0.0.1:PORT``."""
    handler = type("Handler", (_Handler,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
