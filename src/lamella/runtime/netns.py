"""A container's own network: a namespace that lives as long as the container or this process, and what leads into it.

A thread enters a new network namespace and stays in it: no privilege on the machine's namespace is needed to come back,
which an ordinary user would not have. It accepts on the machine's sockets, which were made elsewhere and keep to the
machine's network, and connects from sockets that it makes inside. Nothing of this has a name in any file system. When
this process dies, by whatever death, the ports, the thread, the helper and the namespace go with it. Source:
network_namespaces(7).
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from types import TracebackType
from typing import Self

from lamella.errors import MachineError, NoPrivilege
from lamella.runtime import kernel
from lamella.runtime.forward_tcp import TcpDoor
from lamella.runtime.forward_udp import UdpDoor
from lamella.runtime.interface import bring_up, set_address
from lamella.runtime.listen import Listeners
from lamella.runtime.loop import Loop
from lamella.runtime.origin import Origin
from lamella.runtime.outward import ADDRESS, GATEWAY, NAMESERVER, Outward, start_outward
from lamella.runtime.ports import PublishedPort

#: what Docker sets in a container's network: its user may open any port, and ping
_SYSCTLS = (("ip_unprivileged_port_start", "0"), ("ping_group_range", "0 2147483647"))


class ContainerNetwork:
    """``namespace`` is its descriptor, ``path`` the same for Sandbox.network_namespace, ``address`` the container's,
    ``nameserver`` one that answers inside whatever the machine's are (None where nothing leads outwards; ``lacking``
    says why)."""

    def __init__(self, listeners: Listeners) -> None:
        """Owns ``listeners`` from now on, whether it succeeds or not. What is in the network may start after
        ``wait_ready``. To be called in a thread that lives until ``close``. Raises MachineError."""
        self._listeners = listeners
        self._loop = Loop()
        self._outward: Outward | None = None
        self._dismissed = self._closed = False
        ready: queue.SimpleQueue[tuple[int, socket.socket] | OSError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._live, args=(ready,), name="network", daemon=True)
        self._thread.start()
        made = ready.get()
        if isinstance(made, OSError):
            self._thread.join()
            self._listeners.close()
            self._loop.close()
            raise _refused(made)
        self.namespace, self._control = made
        try:
            self._outward = start_outward(self.namespace)
            if not self._outward.running:
                set_address(self._control, "lo:1", ADDRESS, "255.255.255.255")
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> str:
        return f"/proc/self/fd/{self.namespace}"

    @property
    def address(self) -> str:
        return ADDRESS

    @property
    def nameserver(self) -> str | None:
        return NAMESERVER if self._outward is not None and self._outward.running else None

    @property
    def lacking(self) -> str | None:
        """Why the container cannot reach outwards, None where it can."""
        return self._outward.lacking if self._outward is not None else None

    @property
    def ports(self) -> tuple[PublishedPort, ...]:
        """Those that are bound, one for each address of the machine."""
        return self._listeners.ports

    def _live(self, ready: queue.SimpleQueue[tuple[int, socket.socket] | OSError]) -> None:
        """The thread that is inside."""
        try:
            kernel.unshare(kernel.CLONE_NEWNET)
            control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                bring_up(control, "lo")
                namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            except BaseException:
                control.close()
                raise
        except OSError as error:
            ready.put(error)
            return
        _set_sysctls()
        doors = self._doors()
        ready.put((namespace, control))
        if doors:
            self._loop.run()
        for door in doors:
            door.close()

    def _doors(self) -> list[TcpDoor | UdpDoor]:
        published = {port.container for port in self.ports if port.protocol == "tcp"}
        origin = Origin(ADDRESS, GATEWAY, published)
        return [
            TcpDoor(self._loop, listener, ADDRESS, origin)
            if listener.port.protocol == "tcp"
            else UdpDoor(self._loop, listener, ADDRESS)
            for listener in self._listeners.listeners
        ]

    def wait_ready(self) -> None:
        """Returns when the container reaches outwards, where it can. Raises MachineError."""
        if self._outward is not None:
            self._outward.wait_ready(self._control)

    def dismiss(self) -> None:
        """Frees the ports and breaks off what goes through them. The helper goes, which takes a moment: ``close`` waits
        for it. A second time does nothing."""
        if self._dismissed:
            return
        self._dismissed = True
        if self._outward is not None:
            self._outward.kill()
        self._loop.stop()
        self._thread.join()
        self._listeners.close()
        self._loop.close()

    def close(self) -> None:
        """Nothing is left but the namespace, while a container is in it. A second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self.dismiss()
        if self._outward is not None:
            self._outward.close()
        self._control.close()
        os.close(self.namespace)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        self.close()


def _set_sysctls() -> None:
    """Of the calling thread's namespace. In a user namespace some may be refused: then the kernel's own hold."""
    for name, value in _SYSCTLS:
        try:
            setting = os.open(f"/proc/sys/net/ipv4/{name}", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            os.write(setting, value.encode())
        except OSError:
            pass
        finally:
            os.close(setting)


def _refused(error: OSError) -> MachineError:
    if isinstance(error, PermissionError):
        return NoPrivilege("a container's own network may not be made", hint="run as root, or use --network host")
    return MachineError(f"a container's own network cannot be made: {error.strerror}", hint="use --network host")
