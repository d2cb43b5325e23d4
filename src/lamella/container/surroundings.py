"""The files that make names work in a container, /etc/hosts, hostname and resolv.conf, as Docker writes them."""

from __future__ import annotations

import os

from lamella.container.folder import Folder
from lamella.container.values import Container
from lamella.errors import InputError
from lamella.runtime.protocol import BindMount
from lamella.store.disk import disk_errors

_LOCAL = (
    "127.0.0.1\tlocalhost",
    "::1\tlocalhost ip6-localhost ip6-loopback",
    "fe00::0\tip6-localnet",
    "ff00::0\tip6-mcastprefix",
    "ff02::1\tip6-allnodes",
    "ff02::2\tip6-allrouters",
)


def write_surroundings(folder: Folder, container: Container, addresses: tuple[str, ...], resolver: bytes) -> None:
    """``addresses`` are the container's own on its network; ``resolver`` is what its resolv.conf says where --dns does
    not. Raises InputError for an --add-host that is none."""
    hosts = _machine_hosts() if container.network == "host" else list(_LOCAL)
    hosts += [extra_host(text) for text in container.hosts]
    hosts += [f"{address}\t{container.hostname}" for address in addresses]
    if container.dns:
        resolver = "".join(f"nameserver {address}\n" for address in container.dns).encode()
    for name, content in (
        ("hosts", ("\n".join(hosts) + "\n").encode("utf-8", "surrogateescape")),
        ("hostname", f"{container.hostname}\n".encode()),
        ("resolv.conf", resolver),
    ):
        path = folder.file(name)
        with disk_errors(path, "write a file of a container"), open(path, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o644)


def surrounding_mounts(folder: Folder, readonly: bool) -> tuple[BindMount, ...]:
    """A container may write to them, unless its whole file system is read-only."""
    return tuple(
        BindMount(f"/etc/{name}", folder.file(name), readonly) for name in ("hosts", "hostname", "resolv.conf")
    )


def _machine_hosts() -> list[str]:
    try:
        with open("/etc/hosts", encoding="utf-8", errors="surrogateescape") as file:
            return file.read().splitlines()
    except OSError:
        return list(_LOCAL)


def extra_host(text: str) -> str:
    """A line of the hosts file from NAME:ADDRESS. Raises InputError."""
    name, _, address = text.partition(":")
    address = address.removeprefix("[").removesuffix("]")
    if not name or any(char.isspace() or char == "#" for char in name) or not is_address(address):
        raise InputError(
            f"--add-host {text!r}: not NAME:ADDRESS with an IP address", hint="for example --add-host db:10.0.0.5"
        )
    return f"{address}\t{name}"


def is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text)
    except ValueError:
        return False
    return True
