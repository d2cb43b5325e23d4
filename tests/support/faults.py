"""A proxy on loopback in front of a registry that does what networks and servers do.

    faults = Faults(registry.host)          # the fixture `faults` is in front of `registry`
    faults.add("GET", "/blobs/", cut_each(1000))
    …pull from faults.host…
    faults.clear()

A rule counts for requests whose method it names and whose path holds a text, ``times`` times (None: always). The
first rule that counts is taken. What came is in ``faults.asked``.
"""

from __future__ import annotations

import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import NamedTuple

import pytest
from quiet import QuietServer
from registries import Registry

_PIECE = 1 << 14


class Request(NamedTuple):
    """``start`` is the first byte of the Range that was asked for, 0 where none was."""

    method: str
    path: str
    start: int


class Exchange:
    """One request on its way. A fault calls one of these."""

    def __init__(self, handler: BaseHTTPRequestHandler, target: str) -> None:
        self.handler = handler
        self._target = target
        match = re.match(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        self.request = Request(handler.command, handler.path, int(match[1]) if match else 0)

    def answer(self, status: int, content: bytes = b"", **headers: str) -> None:
        """Instead of the registry. Underscores in names of headers are dashes."""
        self.drain()
        self.handler.send_response(status)
        for name, value in headers.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.send_header("Content-Length", str(len(content)))
        self.handler.end_headers()
        if self.handler.command != "HEAD":
            self.handler.wfile.write(content)

    def drain(self) -> None:
        left = self._length()
        while left > 0 and (data := self.handler.rfile.read(min(left, _PIECE))):
            left -= len(data)

    def hang_up(self) -> None:
        self.handler.close_connection = True
        try:
            self.handler.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def forward(
        self,
        *,
        sent: int | None = None,
        change: Callable[[Iterator[bytes]], Iterator[bytes]] = lambda pieces: pieces,
        length: Callable[[int], int] = lambda length: length,
        without: tuple[str, ...] = (),
    ) -> None:
        """To the registry and back. ``sent``: only so many bytes of the body reach it, then both sides are cut off.
        ``change`` is given the pieces of the answer and yields what the client is to get; raising ConnectionError there
        hangs up. ``length`` makes the Content-Length; ``without`` are headers left out on the way there."""
        connection = http.client.HTTPConnection(self._target, timeout=30)
        try:
            connection.putrequest(self.handler.command, self.handler.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.handler.headers.items():
                if name not in without:
                    connection.putheader(name, value)
            connection.endheaders()
            left = self._length()
            while left > 0 and (sent is None or sent > 0):
                data = self.handler.rfile.read(min(left, _PIECE, sent or left))
                left -= len(data)
                sent = None if sent is None else sent - len(data)
                connection.send(data)
            if sent is not None:
                self.hang_up()
                return
            self._back(connection.getresponse(), change, length)
        finally:
            connection.close()

    def _back(
        self,
        response: http.client.HTTPResponse,
        change: Callable[[Iterator[bytes]], Iterator[bytes]],
        length: Callable[[int], int],
    ) -> None:
        self.handler.send_response(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() == "content-length":
                self.handler.send_header(name, str(length(int(value))))
            elif name.lower() not in ("connection", "date", "server"):
                self.handler.send_header(name, value)
        self.handler.end_headers()
        if self.handler.command == "HEAD":
            return
        try:
            for piece in change(iter(lambda: response.read(_PIECE), b"")):
                self.handler.wfile.write(piece)
        except ConnectionError:
            self.hang_up()

    def _length(self) -> int:
        return int(self.handler.headers.get("Content-Length") or 0)


Fault = Callable[[Exchange], None]


class _Rule:
    def __init__(self, method: str, text: str, fault: Fault, times: int | None) -> None:
        self.method = method
        self.text = text
        self.fault = fault
        self.times = times


class Faults:
    """The proxy. ``host`` is where it listens."""

    def __init__(self, target: str) -> None:
        self.asked: list[Request] = []
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle(self) -> None:
                try:
                    if self.connection.recv(1, socket.MSG_PEEK) != b"\x16":  # who tries TLS is sent away
                        super().handle()
                except (ConnectionError, http.client.HTTPException):
                    self.close_connection = True

            def do(self) -> None:
                outer._do(Exchange(self, target))

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self._server.block_on_close = False
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def add(self, method: str, text: str, fault: Fault, times: int | None = None) -> None:
        self._rules.append(_Rule(method, text, fault, times))

    def clear(self) -> None:
        self._rules.clear()
        self.asked.clear()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _do(self, exchange: Exchange) -> None:
        self._taken(exchange.request)(exchange)

    def _taken(self, request: Request) -> Fault:
        with self._lock:
            self.asked.append(request)
            for rule in self._rules:
                if rule.method == request.method and rule.text in request.path and rule.times != 0:
                    if rule.times is not None:
                        rule.times -= 1
                    return rule.fault
        return lambda exchange: exchange.forward()


# --- faults ----------------------------------------------------------------------------------------------------------


def answers(status: int, content: bytes = b"", **headers: str) -> Fault:
    """``answers(429, Retry_After="1")``"""
    return lambda exchange: exchange.answer(status, content, **headers)


def hangs_up() -> Fault:
    """Without an answer."""
    return lambda exchange: exchange.hang_up()


def redirects(target: str, status: int = 307) -> Fault:
    return answers(status, Location=target)


def cuts_each(step: int) -> Fault:
    """An answer breaks off at each multiple of ``step`` bytes of the blob, whatever byte it began with."""

    def fault(exchange: Exchange) -> None:
        start = exchange.request.start
        end = (start // step + 1) * step

        def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
            position = start
            for piece in pieces:
                if position + len(piece) > end:
                    yield piece[: end - position]
                    raise ConnectionError
                position += len(piece)
                yield piece

        exchange.forward(change=change)

    return fault


def cuts_upload(after: int) -> Fault:
    """``after`` bytes of the body reach the registry."""
    return lambda exchange: exchange.forward(sent=after)


def loses_answer() -> Fault:
    """The registry gets everything, and the client no answer."""

    def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
        yield from ()

    def fault(exchange: Exchange) -> None:
        write = exchange.handler.wfile.write
        exchange.handler.wfile.write = len  # type: ignore[method-assign]
        exchange.forward(change=change)
        exchange.handler.wfile.write = write  # type: ignore[method-assign]
        exchange.hang_up()

    return fault


def flips(position: int) -> Fault:
    """One byte of the answer is another."""

    def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
        at = 0
        for piece in pieces:
            if at <= position < at + len(piece):
                changed = bytearray(piece)
                changed[position - at] ^= 1
                yield bytes(changed)
            else:
                yield piece
            at += len(piece)

    return lambda exchange: exchange.forward(change=change)


def lies_about_length(difference: int) -> Fault:
    """Content-Length is larger, and the connection ends; or smaller, and so is what comes."""

    def fault(exchange: Exchange) -> None:
        told = 0

        def length(real: int) -> int:
            nonlocal told
            told = real + difference
            return told

        def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
            left = told
            for piece in pieces:
                yield piece[:left]
                left -= len(piece[:left])
            if left:
                raise ConnectionError

        exchange.forward(change=change, length=length)

    return fault


def truncates(size: int) -> Fault:
    """The answer has ``size`` bytes and says so."""

    def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
        left = size
        for piece in pieces:
            yield piece[:left]
            left -= len(piece[:left])

    return lambda exchange: exchange.forward(change=change, length=lambda real: min(real, size))


def drips(pause: float, pieces_of: int = 1) -> Fault:
    """A few bytes at a time."""

    def change(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            for at in range(0, len(piece), pieces_of):
                yield piece[at : at + pieces_of]
                time.sleep(pause)

    return lambda exchange: exchange.forward(change=change)


def ignores_range() -> Fault:
    return lambda exchange: exchange.forward(without=("Range",))


@pytest.fixture
def faults(registry: Registry) -> Iterator[Faults]:
    """In front of ``registry``, with no rule."""
    proxy = Faults(registry.host)
    yield proxy
    proxy.close()
