"""Lets the program in a container see who connects to its published ports, though a forwarder stands in between.

The forwarder's socket inside is bound to the client's address, which is no address of the namespace: the kernel allows
that to a transparent socket. What the program answers would then leave for the client by the way out; a rule on its
port sends it back to the loopback, where the forwarder's socket takes it. This is for TCP. A program may well send
datagrams from a published UDP port to others of its own accord, and those have to leave.

Sources: ip(7), IP_TRANSPARENT; rtnetlink(7); the kernel's documentation of transparent proxies (tproxy.rst).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterable

_NEWROUTE, _NEWRULE = 24, 32
_REQUEST = 0x1 | 0x4 | 0x400  # a request, to be acknowledged, to create
_ERROR = 2
_TABLE = 100
_LOOPBACK = 1  # the number of lo in every namespace
_IP_TRANSPARENT, _IP_BIND_ADDRESS_NO_PORT = 19, 24
_RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


class Origin:
    """How connections inside are made. To be made in the thread that is inside, which uses it alone."""

    def __init__(self, address: str, gateway: str, ports: Iterable[int]) -> None:
        """``ports`` are the container's published TCP ports. Where the kernel has no such rules, or refuses them, all
        connections come from ``address``, the container's own."""
        self._own, self._gateway = address, gateway
        self._shown = _send_back(sorted(set(ports)))

    def connection(self, client: str) -> socket.socket:
        """A socket that is not connected yet. ``client`` is the address to be seen; in place of what means another
        inside (the machine's loopback) or cannot be there (IPv6) stands the gateway's. Raises OSError."""
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            if self._shown:
                made.setsockopt(socket.IPPROTO_IP, _IP_TRANSPARENT, 1)
                made.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
                hidden = ":" in client or client.startswith(("127.", "0.")) or client == self._own
                made.bind((self._gateway if hidden else client, 0))
            made.setblocking(False)
        except BaseException:
            made.close()
            raise
        return made


def _send_back(ports: list[int]) -> bool:
    """The rules and their one route; and no program is given such a port as its own end of another connection."""
    if not ports:
        return False
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as link:
            local = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _TABLE, 3, 254, 2, 0)
            _ask(link, _NEWROUTE, local + _attribute(4, struct.pack("=I", _LOOPBACK)))
            for port in ports:
                to_table = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _TABLE, 0, 0, 1, 0)
                priority, protocol = _attribute(6, struct.pack("=I", _TABLE)), _attribute(22, b"\6")
                _ask(link, _NEWRULE, to_table + priority + protocol + _attribute(23, struct.pack("=HH", port, port)))
        setting = os.open(_RESERVED, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(setting, ",".join(map(str, ports)).encode())
        finally:
            os.close(setting)
    except OSError:
        return False
    return True


def _attribute(kind: int, data: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _ask(link: socket.socket, kind: int, body: bytes) -> None:
    """Raises OSError with what the kernel answers."""
    link.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST, 1, 0) + body)
    answer = link.recv(4096)
    if len(answer) < 20 or struct.unpack_from("=H", answer, 4)[0] != _ERROR:
        raise OSError(errno.EPROTO, "netlink")
    code = struct.unpack_from("=i", answer, 16)[0]
    if code:
        raise OSError(-code, os.strerror(-code), "netlink")
