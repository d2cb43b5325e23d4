"""TCP connections to a published port, carried on to the container.

The program in the container is reached at the container's own address, from a socket that was made in its network
namespace: a program that listens on 127.0.0.1 alone in there is not published, as with Docker, and no connection from
the machine or from elsewhere looks as if it came from the container's loopback (CVE-2021-20199).
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import time

from lamella.runtime.listen import Listener
from lamella.runtime.loop import Loop
from lamella.runtime.origin import Origin

_CHUNK = 1 << 18
_TURNS = 4  # chunks that one connection may move before the others have their turn
_RESET = struct.pack("ii", 1, 0)  # linger for no time: RST in place of FIN
#: seconds after the start in which a program that does not listen yet is waited for
STARTING = 2.0
_AGAIN = 0.02
_FULL = 0.05
_NO_MORE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class TcpDoor:
    """One published port: accepts, and connects to ``address`` inside."""

    def __init__(self, loop: Loop, listener: Listener, address: str, origin: Origin) -> None:
        self._loop = loop
        self._origin = origin
        self._socket = listener.socket
        self._target = (address, listener.port.container)
        self._opened = time.monotonic()
        self._buffer = memoryview(bytearray(_CHUNK))
        self._sockets: set[socket.socket] = set()
        self._watch()

    def _watch(self) -> None:
        self._loop.watch(self._socket.fileno(), select.EPOLLIN, self._accept)

    def _accept(self, events: int) -> None:
        try:
            client, address = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno in _NO_MORE:  # whoever knocks waits until others have gone
                self._loop.forget(self._socket.fileno())
                self._loop.later(_FULL, self._watch)
            return
        client.setblocking(False)
        self._sockets.add(client)
        self._connect(client, address[0])

    def _connect(self, client: socket.socket, address: str) -> None:
        try:
            inside = self._origin.connection(address)
        except OSError:
            self.drop(client, broken=True)
            return
        self._sockets.add(inside)
        inside.connect_ex(self._target)
        try:
            self._loop.watch(inside.fileno(), select.EPOLLOUT, lambda events: self._connected(client, inside, address))
        except OSError:  # the kernel's limit of what is watched
            self.drop(inside)
            self.drop(client, broken=True)

    def _connected(self, client: socket.socket, inside: socket.socket, address: str) -> None:
        result = inside.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self._loop.forget(inside.fileno())
        if result == 0:
            Pair(self, self._loop, (client, inside), self._buffer)
            return
        self.drop(inside)
        if result == errno.ECONNREFUSED and time.monotonic() - self._opened < STARTING:
            self._loop.later(_AGAIN, lambda: self._connect(client, address))
        else:
            self.drop(client, broken=True)

    def drop(self, connection: socket.socket, *, broken: bool = False) -> None:
        """Closes it; ``broken`` tells the other side that this was not an end."""
        self._loop.forget(connection.fileno())
        self._sockets.discard(connection)
        if broken:
            try:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            except OSError:
                pass
        connection.close()

    def close(self) -> None:
        """Breaks off what is open. The listening socket stays its owner's."""
        self._loop.forget(self._socket.fileno())
        for connection in tuple(self._sockets):
            self.drop(connection, broken=True)


class _Way:
    """One direction. ``rest`` was read and not written yet; ``ended``: the source has no more."""

    __slots__ = ("ended", "rest", "sink", "source")

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.rest = memoryview(b"")
        self.ended = False

    def move(self, buffer: memoryview) -> None:
        """As much as goes without waiting. Raises OSError where either end is broken."""
        try:
            for _ in range(_TURNS):
                if self.rest:
                    self.rest = self.rest[self.sink.send(self.rest) :]
                    if self.rest:
                        return
                if self.ended:
                    return
                size = self.source.recv_into(buffer)
                if not size:
                    self.ended = True
                    self.sink.shutdown(socket.SHUT_WR)
                    return
                sent = self._send(buffer[:size])
                if sent < size:
                    self.rest = memoryview(bytes(buffer[sent:size]))
                    return
        except BlockingIOError:
            return

    def _send(self, data: memoryview) -> int:
        try:
            return self.sink.send(data)
        except BlockingIOError:
            return 0


class Pair:
    """A client and the program in the container, joined until both have said all or one breaks off."""

    def __init__(
        self, door: TcpDoor, loop: Loop, ends: tuple[socket.socket, socket.socket], buffer: memoryview
    ) -> None:
        self._door = door
        self._loop = loop
        self._buffer = buffer
        self._ends = ends
        self._ways = (_Way(ends[0], ends[1]), _Way(ends[1], ends[0]))
        try:
            for end in ends:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError:
            self._close(broken=True)
            return
        self._ready(0)

    def _ready(self, events: int) -> None:
        try:
            for way in self._ways:
                way.move(self._buffer)
            if all(way.ended for way in self._ways):
                self._close()
                return
            for end in self._ends:
                self._loop.watch(end.fileno(), self._wanted(end), self._ready)
        except OSError:
            self._close(broken=True)

    def _wanted(self, end: socket.socket) -> int:
        events = 0
        for way in self._ways:
            if way.source is end and not way.rest and not way.ended:
                events |= select.EPOLLIN
            if way.sink is end and way.rest:
                events |= select.EPOLLOUT
        return events

    def _close(self, *, broken: bool = False) -> None:
        for end in self._ends:
            self._door.drop(end, broken=broken)
