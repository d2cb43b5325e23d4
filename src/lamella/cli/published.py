"""``-p`` and ``--expose`` as Docker writes them: ``[[IP:]HOST:]PORT[/PROTOCOL]``, each port a range too."""

from __future__ import annotations

from lamella.container.values import PublishedPort
from lamella.errors import UsageError

_HINT = "write -p HOST:PORT, -p IP:HOST:PORT or -p PORT; ranges are as long as each other; /udp may follow"
_PROTOCOLS = ("tcp", "udp", "sctp")


def parse_ports(specs: list[str]) -> tuple[PublishedPort, ...]:
    """Each range port by port. Raises UsageError."""
    return tuple(dict.fromkeys(port for spec in specs for port in _ports(spec)))


def _ports(spec: str) -> list[PublishedPort]:
    rest, protocol = _protocol(spec)
    address = ""
    if rest.startswith("["):
        address, bracket, rest = rest[1:].partition("]")
        if not bracket or not rest.startswith(":"):
            raise _wrong(spec)
        rest = rest[1:]
    parts = rest.split(":")
    if address:
        parts.insert(0, address)
    if len(parts) > 3:
        raise _wrong(spec)
    *front, container = parts
    inside = _range(container, spec)
    address = front[0] if len(front) == 2 else ""
    if address:
        _check_address(address, spec)
    host = front[-1] if front else ""
    if not host:
        return [PublishedPort(port, protocol, address) for port in inside]
    outside = _range(host, spec)
    if len(outside) != len(inside):
        raise UsageError(f"-p {spec}: {len(outside)} ports here and {len(inside)} in the container", hint=_HINT)
    return [PublishedPort(one, protocol, address, other) for one, other in zip(inside, outside, strict=True)]


def parse_exposed(specs: list[str]) -> tuple[str, ...]:
    """``80``, ``80/udp``, ``80-82``. Raises UsageError."""
    found = []
    for spec in specs:
        rest, protocol = _protocol(spec)
        found += [f"{port}/{protocol}" for port in _range(rest, spec)]
    return tuple(found)


def _protocol(spec: str) -> tuple[str, str]:
    rest, _, protocol = spec.partition("/")
    protocol = protocol.lower() or "tcp"
    if protocol not in _PROTOCOLS:
        raise UsageError(f"-p {spec}: unknown protocol {protocol!r}", hint=f"one of {', '.join(_PROTOCOLS)}")
    return rest, protocol


def _range(text: str, spec: str) -> range:
    first, dash, last = text.partition("-")
    begin, end = _port(first, spec), _port(last if dash else first, spec)
    if end < begin:
        raise _wrong(spec)
    return range(begin, end + 1)


def _port(text: str, spec: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 65535):
        raise _wrong(spec)
    return int(text)


def _check_address(text: str, spec: str) -> None:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"-p {spec}: {text!r} is no IP address", hint=_HINT) from None


def _wrong(spec: str) -> UsageError:
    return UsageError(f"-p {spec}: this is no port to publish", hint=_HINT)
