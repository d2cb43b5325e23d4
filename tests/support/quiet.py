"""A web server for tests that are rude to it: a client that hangs up is no news, and says nothing on stderr."""

from __future__ import annotations

import sys
from http.server import ThreadingHTTPServer
from socketserver import ThreadingUnixStreamServer
from typing import Any


class _Quiet:
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        # TLS that fails is an OSError too; a stream that was closed meanwhile is a ValueError.
        if not isinstance(sys.exception(), OSError | ValueError):
            super().handle_error(request, client_address)  # type: ignore[misc]


class QuietServer(_Quiet, ThreadingHTTPServer):
    """Other errors in a handler are still shown."""


class QuietUnixServer(_Quiet, ThreadingUnixStreamServer):
    """The same on a socket in a folder."""
