"""Git repositories over HTTP, by git's own server program."""

from __future__ import annotations

import os
import subprocess
from http.server import BaseHTTPRequestHandler
from pathlib import Path


def answer_git(
    request: BaseHTTPRequestHandler, folder: Path, path: str, query: str, *, program: str = "git", **settings: str
) -> None:
    """Answers a request for ``path`` among the repositories in ``folder``. ``settings`` are git's, with ``__`` for
    the full stop."""
    headers = {
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
    }
    configured = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (name, value) in enumerate(settings.items()):
        configured |= {f"GIT_CONFIG_KEY_{number}": name.replace("__", "."), f"GIT_CONFIG_VALUE_{number}": value}
    done = subprocess.run(
        [program, "http-backend"],
        input=request.rfile.read(int(request.headers.get("Content-Length") or 0)),
        env={
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": request.command,
            "REMOTE_ADDR": "127.0.0.1",
            **configured,
            **{name: value for name, value in headers.items() if value},
        },
        capture_output=True,
        check=True,
    )
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    request.send_response(int(fields.pop("Status", "200").split()[0]))
    for name, value in fields.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
