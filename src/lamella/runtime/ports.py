"""The words of ``-p``: which ports of a container are reached at which of the machine's. Pure.

Source: Docker's documentation of ``docker run --publish`` and of the PORTS column of ``docker ps``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lamella.errors import NotSupported, UsageError

PROTOCOLS = ("tcp", "udp")
_HIGHEST = 65535
_FORM = "[[IP:]PORT:]CONTAINER-PORT[/tcp|/udp], as in -p 8008:8080 or -p 127.0.0.1:5353:53/udp"


class PublishedPort(NamedTuple):
    """``address`` is an IP address of the machine, "" for all of them. ``host`` is the first port that may be taken
    there and ``last_host`` the last; both 0 mean any free one. Once it is bound, ``host`` is the port and they are
    equal."""

    container: int
    protocol: str = "tcp"
    address: str = ""
    host: int = 0
    last_host: int = 0


def parse_ports(words: Iterable[str]) -> tuple[PublishedPort, ...]:
    """Each word is ``[[IP:]HOST:]CTR[/PROTO]``; HOST and CTR may be ranges (``8000-8002``), an IPv6 address stands in
    brackets. The same word twice counts once. Raises UsageError, and NotSupported for a protocol that is not there."""
    return tuple(dict.fromkeys(port for word in words for port in _parse(word)))


def _parse(word: str) -> list[PublishedPort]:
    rest, slash, protocol = word.partition("/")
    protocol = protocol.lower() if slash else "tcp"
    if protocol == "sctp":
        raise NotSupported(f"ports of the protocol sctp are not published: {word!r}", hint="tcp and udp are")
    if protocol not in PROTOCOLS:
        raise _wrong(word, f"{protocol!r} is no protocol" if protocol else "the protocol behind / is missing")
    rest, colon, container_text = rest.rpartition(":")
    address, host_text = _split_address(word, rest) if colon else ("", "")
    first, last = _range(word, container_text)
    if not first:
        raise _wrong(word, "0 is no port of a container")
    if not host_text or host_text == "0":
        return [PublishedPort(port, protocol, address) for port in range(first, last + 1)]
    host, last_host = _range(word, host_text)
    if not host:
        raise _wrong(word, "a range cannot begin at port 0")
    if first == last:  # any of the machine's
        return [PublishedPort(first, protocol, address, host, last_host)]
    if last - first != last_host - host:
        raise _wrong(word, f"{host_text} and {container_text} are not equally many ports")
    return [PublishedPort(first + n, protocol, address, host + n, host + n) for n in range(last - first + 1)]


def _split_address(word: str, text: str) -> tuple[str, str]:
    """Address and port of what stands before the container's port: ``8008``, ``127.0.0.1:8008`` or ``[::1]:``."""
    if not text.startswith("["):
        address, colon, host = text.rpartition(":")
        if not colon:
            return "", text
        if ":" in address:
            raise _wrong(word, "an IPv6 address stands in brackets")
        return _address(word, address, 4), host
    address, bracket, host = text[1:].partition("]")
    if not bracket or not host.startswith(":"):
        raise _wrong(word, "the address in brackets is not followed by a port")
    return _address(word, address, 6), host[1:]


def _address(word: str, text: str, version: int) -> str:
    from ipaddress import ip_address

    try:
        address = ip_address(text)
    except ValueError:
        raise _wrong(word, f"{text!r} is no IP address") from None
    if address.version != version:
        raise _wrong(word, f"{text!r} is no IPv{version} address")
    return str(address)


def _range(word: str, text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    numbers = [_number(word, part) for part in ((first, last) if dash else (first, first))]
    if numbers[0] > numbers[1]:
        raise _wrong(word, f"the range {text} ends before it begins")
    return numbers[0], numbers[1]


def _number(word: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _wrong(word, f"{text!r} is no port number" if text else "a port number is missing")
    number = int(text[:6])
    if number > _HIGHEST:
        raise _wrong(word, f"{text} is no port number: {_HIGHEST} is the highest")
    return number


def _wrong(word: str, why: str) -> UsageError:
    return UsageError(f"{word!r} is no port to publish: {why}", hint=_FORM)


def describe_ports(bound: Iterable[PublishedPort], exposed: Iterable[str] = ()) -> str:
    """As ``docker ps`` prints them: ``0.0.0.0:8008->8080/tcp, 9000/tcp``. Of ``exposed`` (``8080/tcp``) those that are
    not published stand behind. Neighbours are one range."""
    ports = sorted(
        bound, key=lambda port: (port.protocol, ":" in port.address, port.address, port.container, port.host)
    )
    published = {f"{port.container}/{port.protocol}" for port in ports}
    runs: list[list[PublishedPort]] = []
    for port in ports:
        if runs and _follows(runs[-1][-1], port):
            runs[-1].append(port)
        else:
            runs.append([port])
    words = [_words(run[0], run[-1]) for run in sorted(runs, key=lambda run: (run[0].container, run[0].protocol))]
    return ", ".join([*words, *(port for port in exposed if port not in published)])


def _follows(before: PublishedPort, port: PublishedPort) -> bool:
    step = port.container - before.container
    same_place = (before.protocol, before.address) == (port.protocol, port.address)
    return same_place and step == 1 and port.host - before.host == 1


def _words(first: PublishedPort, last: PublishedPort) -> str:
    address = f"[{first.address}]" if ":" in first.address else first.address
    host = f"{first.host}-{last.host}" if first != last else str(first.host)
    container = f"{first.container}-{last.container}" if first != last else str(first.container)
    return f"{address}:{host}->{container}/{first.protocol}"
