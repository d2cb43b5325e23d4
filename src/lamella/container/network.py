"""What network a container gets. ``host`` is this machine's, ``none`` one with a loopback alone, ``bridge`` one of its
own (runtime.netns) with the published ports. It goes with the monitor, so there is nothing to recover after one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from lamella.container.values import Container
from lamella.runtime.network import machine_resolver, own_resolver
from lamella.runtime.ports import PublishedPort

if TYPE_CHECKING:
    from lamella.runtime.listen import Listeners


class OpenNetwork(NamedTuple):
    """``namespace`` is the path of the network namespace to join, "" for none of its own; ``addresses`` are the
    container's, ``resolver`` its resolv.conf; ``lacking`` says why it reaches nothing outside, where that is so.
    ``dismiss`` frees the ports, ``close`` waits until nothing is left."""

    namespace: str = ""
    addresses: tuple[str, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    resolver: bytes = b""
    lacking: str = ""
    wait_ready: Callable[[], None] = lambda: None
    dismiss: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None


def take_ports(container: Container) -> Listeners | None:
    """The machine's ports that it publishes, before anything of it is made. Raises MachineError where one is in use."""
    if container.network != "bridge" or not container.ports:
        return None
    from lamella.runtime.listen import bind_ports

    return bind_ports(container.ports)


def open_network(container: Container, ports: Listeners | None) -> OpenNetwork:
    """For the main thread of the monitor, before the container starts, which has to wait for ``wait_ready``. ``ports``
    go with it. Raises MachineError."""
    if container.network in ("host", "none"):
        return OpenNetwork(resolver=machine_resolver())
    from lamella.runtime.listen import Listeners
    from lamella.runtime.netns import ContainerNetwork

    made = ContainerNetwork(ports if ports is not None else Listeners())
    resolver = own_resolver(machine_resolver(), made.nameserver)

    def wait_ready() -> None:
        made.wait_ready()
        _allow_connections()

    return OpenNetwork(
        made.path,
        (made.address,),
        made.ports,
        resolver,
        made.lacking or "",
        wait_ready,
        made.dismiss,
        made.close,
    )


def _allow_connections() -> None:
    """Each connection to a published port takes two descriptors of the monitor. What the container itself is granted
    the runner has read before."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
