"""The two files that make names work in a container: /etc/resolv.conf and /etc/hosts."""

from __future__ import annotations


def resolver_file(path: str) -> None:
    """Writes the machine's resolv.conf to ``path``. A nameserver on the loopback stays: a step shares the machine's
    network, or has none at all."""
    try:
        with open("/etc/resolv.conf", "rb") as file:
            content = file.read()
    except OSError:
        content = b""
    _write(path, content)


def hosts(hostname: str) -> bytes:
    """The content of /etc/hosts, as BuildKit's."""
    return f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n".encode()


def _write(path: str, content: bytes) -> None:
    import os

    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(content)
