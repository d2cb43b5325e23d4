"""The two files that make names work in a container: /etc/resolv.conf and /etc/hosts. Source: resolv.conf(5)."""

from __future__ import annotations


def resolver_file(path: str) -> None:
    """Writes the machine's resolv.conf to ``path``. A nameserver on the loopback stays: a step shares the machine's
    network, or has none at all."""
    _write(path, machine_resolver())


def hosts(hostname: str) -> bytes:
    """The content of /etc/hosts, as BuildKit's."""
    return f"127.0.0.1\tlocalhost {hostname}\n::1\tlocalhost ip6-localhost ip6-loopback\n".encode()


def own_hosts(hostname: str, address: str) -> bytes:
    """The content of /etc/hosts in a network of its own, in which the container's name is ``address``."""
    return f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{address}\t{hostname}\n".encode()


def machine_resolver() -> bytes:
    """The machine's resolv.conf; empty where there is none."""
    try:
        with open("/etc/resolv.conf", "rb") as file:
            return file.read()
    except OSError:
        return b""


def own_resolver(machine: bytes, nameserver: str | None) -> bytes:
    """The content of /etc/resolv.conf in a network of its own: ``machine``, the machine's, without the nameservers that
    are not reached from there, on its loopback or by IPv6. Where none is left ``nameserver`` stands in, which asks the
    machine's first: a file without any means the loopback, too."""
    kept, servers = [], 0
    for line in machine.splitlines(keepends=True):
        words = line.split()
        if words[:1] == [b"nameserver"] and len(words) > 1:
            if b":" in words[1] or words[1].startswith(b"127.") or words[1] == b"0.0.0.0":
                continue
            servers += 1
        kept.append(line)
    if kept and not kept[-1].endswith(b"\n"):
        kept[-1] += b"\n"
    if not servers and nameserver is not None:
        kept.append(f"nameserver {nameserver}\n".encode())
    return b"".join(kept)


def _write(path: str, content: bytes) -> None:
    import os

    fd = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    with open(fd, "wb") as file:
        os.fchmod(fd, 0o644)
        file.write(content)
