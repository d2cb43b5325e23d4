"""The words of -p, and how ps prints them."""

from __future__ import annotations

import pytest

from lamella.errors import LamellaError, NotSupported, UsageError
from lamella.runtime.ports import PublishedPort, describe_ports, parse_ports

WORDS = {
    "8080": [PublishedPort(8080)],
    "8080/tcp": [PublishedPort(8080)],
    "53/udp": [PublishedPort(53, "udp")],
    "53/UDP": [PublishedPort(53, "udp")],
    "8008:8080": [PublishedPort(8080, "tcp", "", 8008, 8008)],
    "0:8080": [PublishedPort(8080)],
    ":8080": [PublishedPort(8080)],
    "1:65535": [PublishedPort(65535, "tcp", "", 1, 1)],
    "127.0.0.1:8008:8080": [PublishedPort(8080, "tcp", "127.0.0.1", 8008, 8008)],
    "127.0.0.1::8080": [PublishedPort(8080, "tcp", "127.0.0.1")],
    "0.0.0.0:8008:8080": [PublishedPort(8080, "tcp", "0.0.0.0", 8008, 8008)],
    "[::1]:8008:8080/udp": [PublishedPort(8080, "udp", "::1", 8008, 8008)],
    "[0:0::1]::8080": [PublishedPort(8080, "tcp", "::1")],
    "8000-8001:80-81": [PublishedPort(80, "tcp", "", 8000, 8000), PublishedPort(81, "tcp", "", 8001, 8001)],
    "8000-8005:80": [PublishedPort(80, "tcp", "", 8000, 8005)],
    "80-81": [PublishedPort(80), PublishedPort(81)],
    "127.0.0.1::80-81/udp": [PublishedPort(80, "udp", "127.0.0.1"), PublishedPort(81, "udp", "127.0.0.1")],
    "80-80": [PublishedPort(80)],
}


@pytest.mark.parametrize("word", WORDS)
def test_means(word: str) -> None:
    assert parse_ports([word]) == tuple(WORDS[word])


REFUSED = {
    "": "a port number is missing",
    ":": "a port number is missing",
    "8008:": "a port number is missing",
    "8080/": "protocol behind / is missing",
    "8080/http": "'http' is no protocol",
    "8080/tcp/udp": "'tcp/udp' is no protocol",
    "web": "'web' is no port number",
    "web:80": "'web' is no port number",
    "-80": "a port number is missing",
    "80-": "a port number is missing",
    "1-2-3": "'2-3' is no port number",
    "8_0": "'8_0' is no port number",
    "٨٠": "is no port number",
    "65536": "65535 is the highest",
    "99999999999999999999:80": "65535 is the highest",
    "8008:0": "0 is no port of a container",
    "0-5:80": "a range cannot begin at port 0",
    "81-80": "ends before it begins",
    "8000-8002:80-81": "not equally many ports",
    "8000:80-81": "not equally many ports",
    "localhost:8008:8080": "'localhost' is no IP address",
    "127.0.0.256:8008:8080": "is no IP address",
    "::1:8008:8080": "an IPv6 address stands in brackets",
    "[::1]8008:8080": "not followed by a port",
    "[::1:8008:8080": "not followed by a port",
    "[127.0.0.1]:8008:8080": "is no IPv6 address",
    "1:2:3:4": "an IPv6 address stands in brackets",
}


@pytest.mark.parametrize("word", REFUSED)
def test_refused(word: str) -> None:
    with pytest.raises(UsageError) as raised:
        parse_ports([word])
    assert REFUSED[word] in raised.value.message
    assert repr(word) in raised.value.message
    assert raised.value.hint


def test_sctp_is_understood_and_not_there() -> None:
    with pytest.raises(NotSupported, match="sctp"):
        parse_ports(["38412:38412/sctp"])


def test_the_same_twice_is_once_and_the_order_stays() -> None:
    assert parse_ports(["81", "80:80", "81/tcp"]) == (PublishedPort(81), PublishedPort(80, "tcp", "", 80, 80))


def bound(*ports: tuple[str, int, int, str]) -> list[PublishedPort]:
    return [PublishedPort(inside, protocol, address, host, host) for address, host, inside, protocol in ports]


def test_described_as_docker_does() -> None:
    assert describe_ports([]) == ""
    assert describe_ports(bound(("0.0.0.0", 8008, 8080, "tcp"))) == "0.0.0.0:8008->8080/tcp"
    both = bound(("::", 8008, 8080, "tcp"), ("0.0.0.0", 8008, 8080, "tcp"))
    assert describe_ports(both) == "0.0.0.0:8008->8080/tcp, [::]:8008->8080/tcp"
    mixed = bound(("127.0.0.1", 53, 53, "udp"), ("127.0.0.1", 53, 53, "tcp"), ("127.0.0.1", 9, 7, "tcp"))
    assert describe_ports(mixed) == "127.0.0.1:9->7/tcp, 127.0.0.1:53->53/tcp, 127.0.0.1:53->53/udp"


def test_neighbours_are_one_range() -> None:
    ports = bound(*(("0.0.0.0", 8000 + n, 80 + n, "tcp") for n in range(3)))
    assert describe_ports(ports) == "0.0.0.0:8000-8002->80-82/tcp"
    apart = bound(("0.0.0.0", 8000, 80, "tcp"), ("0.0.0.0", 9000, 81, "tcp"))
    assert describe_ports(apart) == "0.0.0.0:8000->80/tcp, 0.0.0.0:9000->81/tcp"


def test_what_is_exposed_only_stands_behind() -> None:
    ports = bound(("0.0.0.0", 8008, 8080, "tcp"))
    assert describe_ports(ports, ["8080/tcp", "9000/udp"]) == "0.0.0.0:8008->8080/tcp, 9000/udp"


@pytest.mark.parametrize("word", [*WORDS, *REFUSED])
def test_nothing_but_our_own_errors(word: str) -> None:
    for text in (word[1:], word[:-1], word + word, word + ":", "[" + word):
        try:
            ports = parse_ports([text])
        except LamellaError:
            continue
        assert all(0 < port.container < 65536 and 0 <= port.host <= port.last_host < 65536 for port in ports)
