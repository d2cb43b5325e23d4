"""A web server on the loopback device for ADD and contexts: files, and git repositories by git's own server program."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from githttp import answer_git


class _Handler(BaseHTTPRequestHandler):
    root: Path

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = self.root / unquote(url.path).lstrip("/")
        if ".git/" in url.path:
            self._git()
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
        self._git()

    def _git(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        answer_git(self, self.root, path, url.query, safe__directory="*", uploadpack__allowAnySHA1InWant="true")

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
