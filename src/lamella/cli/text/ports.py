"""Ports of a container as ``docker ps`` shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamella.container.values import PublishedPort


def ports_text(published: Sequence[PublishedPort], exposed: Sequence[str]) -> str:
    """``0.0.0.0:8008->8080/tcp, 9090/tcp``: the published ones, then those that are exposed only."""
    shown = [
        f"{_host(port.host_ip)}:{port.host_port}->{port.container_port}/{port.protocol}"
        for port in sorted(published, key=lambda port: (port.container_port, port.protocol, port.host_ip))
    ]
    there = {f"{port.container_port}/{port.protocol}" for port in published}
    return ", ".join([*shown, *(port for port in exposed if port not in there)])


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address or "0.0.0.0"
