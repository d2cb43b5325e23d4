"""EXPOSE and VOLUME: what a container of the image offers."""

from __future__ import annotations

import re

from lamella.errors import DockerfileError
from lamella.plan.lowering.gotext import plain_list
from lamella.plan.lowering.state import Lowering
from lamella.syntax.instructions import Expose, Volume

_PROTOCOLS = ("tcp", "udp", "sctp")
_HINT = "write EXPOSE 8080, EXPOSE 53/udp or EXPOSE 8000-8010"


def lower_expose(lowering: Lowering, instruction: Expose) -> None:
    """``8080``, ``53/udp``, ``8000-8010/tcp``; a variable may hold several, cut at blanks."""
    words = [word for port in instruction.ports for word in lowering.analyse(port).words]
    ports = [port for word in words for port in _parse_ports(lowering, word)]
    lowering.set_config(exposed_ports=tuple(dict.fromkeys((*lowering.config.exposed_ports, *ports))))
    shown = " ".join(f"{port}:{{}}" for port in sorted(set(ports)))
    lowering.add_config_step(f"EXPOSE map[{shown}]")


def _parse_ports(lowering: Lowering, word: str) -> list[str]:
    """``[address:][published:]port[-port][/protocol]``; address and published ports are checked and have no effect."""

    def refuse(what: str) -> Exception:
        return lowering.refuse(DockerfileError, f"EXPOSE {word}: {what}", _HINT)

    outside, _, inside = word.rpartition(":")
    numbers, _, protocol = inside.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise refuse(f"{protocol!r} is no protocol; there are tcp, udp and sctp")
    if not numbers:
        raise refuse("the port is missing")
    first, last = _port_range(numbers) or (0, -1)
    if last < first:
        raise refuse(f"{numbers!r} is no port or range of ports")
    address, _, published = outside.rpartition(":")
    if address and not _is_address(address):
        raise refuse(f"{address!r} is no address")
    if published:
        outer = _port_range(published)
        if outer is None or (outer[1] - outer[0] != last - first and last != first):
            raise refuse(f"the ports {published!r} do not go with {numbers!r}")
    return [f"{port}/{protocol}" for port in range(first, last + 1)]


def _port_range(text: str) -> tuple[int, int] | None:
    match = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", text)
    if match is None:
        return None
    first, last = int(match[1]), int(match[2] or match[1])
    return (first, last) if first <= last <= 65535 else None


def _is_address(text: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def lower_volume(lowering: Lowering, instruction: Volume) -> None:
    paths = [lowering.expand(path) for path in instruction.paths]
    if not all(paths):
        raise lowering.refuse(DockerfileError, "a path of VOLUME is empty", "a variable in it has no value here")
    lowering.set_config(volumes=tuple(dict.fromkeys((*lowering.config.volumes, *paths))))
    lowering.add_config_step(f"VOLUME {plain_list(paths)}")
