"""The network interfaces of a namespace, asked and set through a socket that was made in it.

Source: netdevice(7).
"""

from __future__ import annotations

import fcntl
import socket
import struct

_SIOCGIFFLAGS, _SIOCSIFFLAGS = 0x8913, 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_IFF_UP, _IFF_RUNNING = 0x1, 0x40


def bring_up(control: socket.socket, name: str) -> None:
    """Raises OSError."""
    request = struct.pack("16sh14x", name.encode(), 0)
    flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", name.encode(), flags | _IFF_UP | _IFF_RUNNING))


def set_address(control: socket.socket, name: str, address: str, mask: str) -> None:
    """Raises OSError. A name with a colon (``lo:1``) is a further address of the interface."""
    fcntl.ioctl(control, _SIOCSIFADDR, _request(name, address))
    fcntl.ioctl(control, _SIOCSIFNETMASK, _request(name, mask))


def has_way_out(control: socket.socket) -> bool:
    """Whether there is a route to addresses that are elsewhere (RFC 5737's here; nothing is sent to it). ``control`` is
    a datagram socket."""
    try:
        control.connect(("192.0.2.1", 9))
    except OSError:
        return False
    return True


def _request(name: str, address: str) -> bytes:
    """A struct ifreq with a sockaddr_in."""
    return struct.pack("=16sHH4s16x", name.encode(), socket.AF_INET, 0, socket.inet_aton(address))
