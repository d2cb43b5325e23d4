"""Small things: what refusals say, Retry-After, hosts."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from lamella.errors import InputError, RegistryError
from lamella.events import ignore
from lamella.registry.address import address_of, is_loopback
from lamella.registry.answers import words_of
from lamella.registry.failure import Failed, printable
from lamella.registry.login import domain_of
from lamella.registry.retry import Backoff, Patience, retry_after
from lamella.registry.server import Server
from lamella.registry.settings import RegistrySettings
from lamella.remote.waiting import never


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"<html>", ""),
        (b"[]", ""),
        (b'{"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}',
         "denied: requested access to the resource is denied"),
        (b'{"errors": [{"code": "NAME_UNKNOWN", "detail": "more"}, 5, {"message": "m"}]}', "name unknown (more)\n: m"),
        (b'{"errors": "x", "message": "m"}', "m"),
        (b'{"error": "invalid_grant", "error_description": "no"}', "invalid_grant: no"),
        (b'{"details": "incorrect username or password"}', "incorrect username or password"),
        (b"[" * 100_000, ""),
    ],
)  # fmt: skip
def test_refusals(body: bytes, words: str) -> None:
    assert words_of(body) == words


def test_what_a_server_says_does_no_harm_to_the_terminal() -> None:
    assert printable("a\x1b[31mb\r\nc\u202e") == "a [31mb \nc"
    assert len(printable("x" * 10_000)) < 1000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("", None), ("5", 5.0), (" 0 ", 0.0), ("-5", None), ("soon", None), ("9" * 400, 999999999.0), ("٣", None)],
)
def test_retry_after_in_seconds(text: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": text}) == seconds


def test_retry_after_a_date() -> None:
    assert retry_after({"Retry-After": formatdate(1_000_030, usegmt=True)}, 1_000_000) == 30.0
    assert retry_after({"Retry-After": formatdate(1_000_000, usegmt=True)}, 1_000_030) == 0.0


def test_waits_grow_and_end() -> None:
    slept: list[float] = []

    class Counting(Backoff):
        def _sleep(self, seconds: float) -> None:
            slept.append(seconds)

    backoff = Counting(Patience(tries=4, first=1.0, longest=3.0), ignore, never)
    failed = Failed(RegistryError("no"), again=True)
    for _ in range(3):
        backoff.wait(failed)
    with pytest.raises(RegistryError) as caught:
        backoff.wait(failed)
    assert caught.value.detail == "tried 4 times"
    assert all(least <= seconds <= most for seconds, least, most in zip(slept, (0.5, 1, 1.5), (1, 2, 3), strict=True))
    backoff = Counting(Patience(tries=3, most=5), ignore, never)
    for _ in range(20):
        backoff.wait(failed)
        backoff.progressed(2 << 20)
    with pytest.raises(RegistryError):
        for _ in range(20):
            backoff.wait(failed)
            backoff.progressed(5)
    with pytest.raises(RegistryError):
        Counting(Patience(), ignore, never).wait(Failed(RegistryError("no")))


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("localhost:5000", True), ("127.1.2.3:80", True), ("[::1]:5000", True), ("[::1]", True),
     ("127.0.0.1.example", False), ("localhost.example", False), ("10.0.0.1", False), ("registry:5000", False)],
)  # fmt: skip
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback


def test_who_may_be_spoken_to_without_tls() -> None:
    def plain(domain: str, tls_verify: bool | None, insecure: bool, other: str) -> tuple[bool, bool, bool]:
        address = address_of(domain, tls_verify=tls_verify, insecure=insecure)
        return address.may_be_plain, address.verifies(address.host), address.plain_allowed(other)

    assert plain("a.example", None, False, "a.example") == (False, True, False)
    assert plain("a.example", None, True, "a.example:81") == (True, False, True)
    assert plain("a.example", None, True, "b.example") == (True, False, False), "it is not for others"
    assert plain("a.example", False, False, "b.example") == (True, False, True)
    assert plain("a.example", True, True, "a.example") == (False, True, False)
    assert plain("a.example", None, False, "127.0.0.1:2375") == (False, True, False), "nor to this machine"
    assert plain("127.0.0.1:5", None, False, "localhost:6") == (True, True, True)
    assert plain("127.0.0.1:5", None, False, "b.example") == (True, True, False)
    assert plain("127.0.0.1:5", True, False, "127.0.0.1:5") == (False, True, True)
    assert address_of("docker.io", tls_verify=None, insecure=False).host == "registry-1.docker.io"


def test_a_registry_that_does_not_know_of_the_tls_before_it() -> None:
    server = Server(address_of("a.example", tls_verify=None, insecure=False), RegistrySettings())
    for url, absolute in [
        ("/x", "https://a.example/x"),
        ("http://a.example/x?y", "https://a.example/x?y"),
        ("http://a.example:80/x", "http://a.example:80/x"),
        ("http://b.example/x", "http://b.example/x"),
        ("https://b.example/x", "https://b.example/x"),
    ]:
        assert server.absolute(url) == absolute


@pytest.mark.parametrize(
    ("text", "domain"),
    [("docker.io", "docker.io"), ("https://index.docker.io/v1/", "docker.io"), ("registry.example", "registry.example"),
     ("http://registry.example:5000/", "registry.example:5000"), ("myhost", "myhost"), ("[::1]:5000", "[::1]:5000")],
)  # fmt: skip
def test_registries(text: str, domain: str) -> None:
    assert domain_of(text) == domain


@pytest.mark.parametrize("text", ["", "a.example/team", "a b", "-", "https://", "a:b"])
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(InputError):
        domain_of(text)
