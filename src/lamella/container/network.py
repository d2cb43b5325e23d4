"""What network a container gets. ``host`` is this machine's, ``none`` one with a loopback alone."""

from __future__ import annotations

from typing import NamedTuple

from lamella.container.folder import Folder
from lamella.container.surroundings import machine_resolver
from lamella.container.values import Container, PublishedPort
from lamella.errors import NotSupported


class OpenNetwork(NamedTuple):
    """``namespace`` is the path of the network namespace to join, "" for none of its own."""

    namespace: str = ""
    addresses: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    resolver: bytes = b""

    def close(self) -> None:
        """Gives back the ports; nothing of the network is left."""


def open_network(container: Container, folder: Folder) -> OpenNetwork:
    """Called in the monitor, in its own mount namespace, before the container starts. Raises NotSupported."""
    if container.network in ("host", "none"):
        return OpenNetwork(resolver=machine_resolver())
    raise NotSupported(
        "a container's own network with published ports is not supported yet",
        hint="--network host shares this machine's network, --network none has none",
    )


def recover_network(container: Container, folder: Folder) -> None:
    """Removes what the network of a container left whose monitor was killed."""
