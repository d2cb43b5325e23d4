"""Takes the machine's ports that a container publishes, before the container is there.

Source: ip(7), ipv6(7), tcp(7), udp(7).
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterable
from typing import NamedTuple

from lamella.errors import MachineError
from lamella.runtime.ports import PublishedPort

_ATTEMPTS = 16  # to find one number that is free for IPv4 and IPv6
_BACKLOG = 4096
_UNPRIVILEGED = "/proc/sys/net/ipv4/ip_unprivileged_port_start"
#: of ip(7); Python 3.11 does not name it
IP_PKTINFO = 8


class Listener(NamedTuple):
    """A socket of the machine and the port it stands for: its address and number as they were bound."""

    socket: socket.socket
    port: PublishedPort


class Listeners:
    """Owns the sockets: from now on nobody else gets these ports. They end with the process or with ``close``."""

    def __init__(self, listeners: tuple[Listener, ...] = ()) -> None:
        self.listeners = listeners

    @property
    def ports(self) -> tuple[PublishedPort, ...]:
        return tuple(listener.port for listener in self.listeners)

    def close(self) -> None:
        for listener in self.listeners:
            listener.socket.close()


def bind_ports(wanted: Iterable[PublishedPort]) -> Listeners:
    """Takes them all or none. A port without an address is taken on all addresses, of IPv6 too where there is IPv6.

    Raises MachineError where a port is in use, or this user may not have it, or an address is not this machine's."""
    taken: list[Listener] = []
    try:
        for port in wanted:
            taken += _bind_range(port)
    except BaseException:
        Listeners(tuple(taken)).close()
        raise
    return Listeners(tuple(taken))


def _bind_range(port: PublishedPort) -> list[Listener]:
    """The first of its range that is free."""
    if not port.host:
        return _bind_any(port)
    refused: OSError | None = None
    for number in range(port.host, port.last_host + 1):
        try:
            return _bind(port, number)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise _explained(error, port) from None
            refused = error
    assert refused is not None
    raise _explained(refused, port) from None


def _bind_any(port: PublishedPort) -> list[Listener]:
    refused: OSError | None = None
    for _ in range(_ATTEMPTS):
        try:
            return _bind(port, 0)
        except OSError as error:
            refused = error
            if error.errno != errno.EADDRINUSE:
                break
    assert refused is not None
    raise _explained(refused, port) from None


def _bind(port: PublishedPort, number: int) -> list[Listener]:
    """``number`` 0 is any, and then the same one for both versions of IP. Raises OSError."""
    bound: list[Listener] = []
    try:
        for address in (port.address,) if port.address else ("0.0.0.0", "::"):
            try:
                made = _listen(address, number, port.protocol)
            except OSError as error:
                if not port.address and address == "::" and error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
                    continue  # a machine without IPv6
                raise
            number = made.getsockname()[1]
            bound.append(Listener(made, port._replace(address=address, host=number, last_host=number)))
    except BaseException:
        Listeners(tuple(bound)).close()
        raise
    return bound


def _listen(address: str, number: int, protocol: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "tcp":
            # What a container before this one left in TIME_WAIT is in nobody's way; for UDP it would mean sharing.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            made.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        made.bind((address, number))
        if protocol == "tcp":
            made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


def _explained(error: OSError, port: PublishedPort) -> MachineError:
    number = str(port.host) if port.host == port.last_host else f"{port.host}-{port.last_host}"
    where = f"{port.address or '0.0.0.0'}:{number}/{port.protocol}"
    if error.errno == errno.EADDRINUSE:
        single = port.host == port.last_host
        message = f"port {number} is in use" if single else f"the ports {number} are all in use"
        hint = f"publish another one (-p {port.host + 1}:{port.container}), or any that is free (-p {port.container})"
        return MachineError(message, where=where, hint=hint, code="port-in-use")
    if error.errno in (errno.EACCES, errno.EPERM):
        return MachineError(
            f"port {number} may not be published by this user",
            where=where,
            hint=f"ports from {_first_unprivileged()} up may; net.ipv4.ip_unprivileged_port_start says so",
            code="port-privileged",
        )
    if error.errno == errno.EADDRNOTAVAIL:
        message = f"{port.address} is no address of this machine"
        return MachineError(message, where=where, hint="leave the address out, and the port is published on all")
    return MachineError(
        f"port {number} cannot be published: {error.strerror or os.strerror(error.errno or 0)}", where=where
    )


def _first_unprivileged() -> int:
    try:
        with open(_UNPRIVILEGED, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return 1024
