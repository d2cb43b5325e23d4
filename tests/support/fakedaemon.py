"""A daemon's two paths for images, on a socket: what a test gives it, it answers."""

from __future__ import annotations

import json
import os
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from quiet import QuietUnixServer


class FakeDaemon:
    """``images``: path of a name → the archive that ``GET /images/NAME/get`` gives. ``loaded`` are the bodies that came
    to ``POST /images/load``; ``complaint`` is what it answers there."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.images: dict[str, bytes] = {}
        self.loaded: list[bytes] = []
        self.asked: list[str] = []
        self.complaint = ""
        self.status = 200
        #: of an archive, how much comes before the connection breaks
        self.cut: int | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                archive = outer.images.get(unquote(self.path).removeprefix("/images/").removesuffix("/get"))
                if outer.status != 200 or archive is None:
                    self.answer(outer.status if outer.status != 200 else 404, {"message": outer.complaint or "gone"})
                    return
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                part = archive if outer.cut is None else archive[: outer.cut]
                for start in range(0, len(part), 70_000):
                    piece = part[start : start + 70_000]
                    self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                if outer.cut is None:
                    self.wfile.write(b"0\r\n\r\n")
                else:
                    self.close_connection = True

            def do_POST(self) -> None:
                outer.asked.append(self.path)
                body = bytearray()
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                outer.loaded.append(bytes(body))
                if outer.status != 200:
                    self.answer(outer.status, {"message": outer.complaint})
                elif outer.complaint:
                    self.answer(200, {"errorDetail": {"message": outer.complaint}, "error": outer.complaint})
                else:
                    self.answer(200, {"stream": "Loaded image: app:1\n"})

            def answer(self, status: int, data: object) -> None:
                raw = json.dumps(data).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def address_string(self) -> str:
                return "socket"

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = QuietUnixServer(str(socket), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        os.unlink(self.socket)
