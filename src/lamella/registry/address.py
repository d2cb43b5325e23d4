"""Where a registry is: the domain of a reference, and the host that stands for it."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

#: the domain of Docker Hub in references, and the host that serves it
HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"


class Address(NamedTuple):
    """``domain`` as in references; ``host`` is what is connected to, ``name[:port]``. ``plain``: HTTP without TLS may
    be spoken; ``verify``: its certificate has to be a trusted one."""

    domain: str
    host: str
    plain: bool
    verify: bool

    @property
    def loopback(self) -> bool:
        return is_loopback(self.host)


def address_of(domain: str, *, tls_verify: bool | None, insecure: bool) -> Address:
    """``tls_verify`` is the flag, None where it is not given; ``insecure`` what registries.conf says. On loopback plain
    HTTP is spoken where no TLS is, unless the flag asks for it; its certificates are verified all the same."""
    host = _HUB_HOST if domain in (HUB, "index.docker.io") else domain
    if tls_verify is not None:
        return Address(domain, host, plain=not tls_verify, verify=tls_verify)
    return Address(domain, host, plain=insecure or is_loopback(host), verify=not insecure)


def host_name(host: str) -> str:
    """Without the port, and without the brackets of an IPv6 address."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether ``host`` (``name[:port]``) is this machine itself: localhost, 127.0.0.0/8 or ::1."""
    name = host_name(host)
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
