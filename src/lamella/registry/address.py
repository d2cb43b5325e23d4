"""Where a registry is: the domain of a reference, and the host that stands for it."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple

#: the domain of Docker Hub in references, and the host that serves it
HUB = "docker.io"
_HUB_HOST = "registry-1.docker.io"


class Address(NamedTuple):
    """``domain`` as in references; ``host`` is what is connected to, ``name[:port]``. ``tls_verify`` is the flag, None
    where it is not given; ``insecure`` what registries.conf says of it."""

    domain: str
    host: str
    tls_verify: bool | None = None
    insecure: bool = False

    @property
    def may_be_plain(self) -> bool:
        """Whether HTTP without TLS is spoken where the registry does not speak TLS. On loopback it is, unless the flag
        asks for TLS."""
        if self.tls_verify is not None:
            return not self.tls_verify
        return self.insecure or is_loopback(self.host)

    def plain_allowed(self, host: str) -> bool:
        """Whether the registry may lead us to plain HTTP at ``host``, with or without credentials: on this machine only
        one that is on it, too."""
        return (is_loopback(host) and is_loopback(self.host)) or self._careless(host)

    def verifies(self, host: str) -> bool:
        """Whether the certificate of ``host`` has to be a trusted one: itself, or where the registry leads us to."""
        return not self._careless(host)

    def _careless(self, host: str) -> bool:
        if self.tls_verify is not None:
            return not self.tls_verify
        return self.insecure and host_name(host) == host_name(self.host)


def address_of(domain: str, *, tls_verify: bool | None, insecure: bool) -> Address:
    return Address(domain, _HUB_HOST if domain in (HUB, "index.docker.io") else domain, tls_verify, insecure)


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
