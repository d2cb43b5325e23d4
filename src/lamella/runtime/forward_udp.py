"""UDP datagrams to a published port, carried on to the container, and its answers back.

Every client gets a socket of its own inside, so that the program can tell them apart and answer each. Source of the
time after which a silent one is forgotten: what Docker's proxy does.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from typing import Any

from lamella.runtime.listen import IP_PKTINFO, Listener
from lamella.runtime.loop import Loop

_LARGEST = 65535
_TURNS = 64  # datagrams of one socket before the others have their turn
_SILENCE = 90.0
_MOST_CLIENTS = 1024
_ANCILLARY = socket.CMSG_SPACE(20)


class _Client:
    """Where its datagrams came from and to (the address of ours that it knows, as ancillary data), and its socket."""

    __slots__ = ("address", "heard", "inside", "ours")

    def __init__(self, address: Any, ours: list[tuple[int, int, bytes]], inside: socket.socket) -> None:
        self.address, self.ours, self.inside = address, ours, inside
        self.heard = time.monotonic()


class UdpDoor:
    """One published port."""

    def __init__(self, loop: Loop, listener: Listener, address: str) -> None:
        self._loop = loop
        self._socket = listener.socket
        self._target = (address, listener.port.container)
        self._clients: dict[Any, _Client] = {}
        self._expiring = False
        loop.watch(self._socket.fileno(), select.EPOLLIN, self._receive)

    def _receive(self, events: int) -> None:
        for _ in range(_TURNS):
            try:
                data, ancillary, _, address = self._socket.recvmsg(_LARGEST, _ANCILLARY)
            except OSError:  # nothing there, or an answer of ours was refused
                return
            client = self._client(address, _ours(ancillary))
            if client is not None:
                client.heard = time.monotonic()
                _try_send(client.inside, data)

    def _client(self, address: Any, ours: list[tuple[int, int, bytes]]) -> _Client | None:
        key = (address, ours[0][2] if ours else b"")
        client = self._clients.pop(key, None)
        if client is None:
            if len(self._clients) >= _MOST_CLIENTS:
                self._forget(next(iter(self._clients)))
            try:
                inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            except OSError:
                return None
            inside.setblocking(False)
            inside.connect_ex(self._target)
            client = _Client(address, ours, inside)
            made = client
            try:
                self._loop.watch(inside.fileno(), select.EPOLLIN, lambda events: self._answer(made))
            except OSError:  # the kernel's limit of what is watched: this datagram is lost
                inside.close()
                return None
        self._clients[key] = client  # the last one heard of stands last
        if not self._expiring:
            self._expiring = True
            self._loop.later(_SILENCE, self._expire)
        return client

    def _answer(self, client: _Client) -> None:
        for _ in range(_TURNS):
            try:
                data = client.inside.recv(_LARGEST)
            except BlockingIOError:
                return
            except OSError:  # nobody listens inside, so far
                return
            try:
                self._socket.sendmsg([data], client.ours, 0, client.address)
            except OSError:  # as any network, this one loses some
                continue

    def _expire(self) -> None:
        self._expiring = False
        now = time.monotonic()
        while self._clients:
            key, client = next(iter(self._clients.items()))
            if now - client.heard < _SILENCE:
                self._expiring = True
                self._loop.later(_SILENCE - (now - client.heard), self._expire)
                return
            self._forget(key)

    def _forget(self, key: Any) -> None:
        client = self._clients.pop(key)
        self._loop.forget(client.inside.fileno())
        client.inside.close()

    def close(self) -> None:
        """The machine's socket stays its owner's."""
        self._loop.forget(self._socket.fileno())
        for key in tuple(self._clients):
            self._forget(key)


def _try_send(inside: socket.socket, data: bytes) -> None:
    """Twice: the first may only tell that the one before was refused."""
    for _ in range(2):
        try:
            inside.send(data)
            return
        except OSError:
            continue


def _ours(ancillary: list[tuple[int, int, bytes]]) -> list[tuple[int, int, bytes]]:
    """What makes an answer leave from the address that the client wrote to."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO) and len(data) >= 12:
            return [(level, kind, struct.pack("=i4s4s", 0, data[4:8], bytes(4)))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            return [(level, kind, data)]
    return []
