"""resolv.conf and hosts of a network of its own."""

from __future__ import annotations

import pytest

from lamella.runtime.network import own_hosts, own_resolver

FORWARDED = b"nameserver 10.0.2.3\n"
CASES = {
    b"nameserver 10.9.8.7\nsearch a.example\n": b"nameserver 10.9.8.7\nsearch a.example\n",
    b"nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch a.example\n": b"options edns0 trust-ad\nsearch a.example\n"
    + FORWARDED,
    b"nameserver 127.0.0.1\nnameserver 10.9.8.7": b"nameserver 10.9.8.7\n",
    b"nameserver ::1": FORWARDED,
    b"nameserver fd00::53\nnameserver 10.9.8.7\n": b"nameserver 10.9.8.7\n",
    b"": FORWARDED,
    b"\tnameserver   127.1  \n": FORWARDED,
    b"# nameserver 127.0.0.1\nnameserver 10.9.8.7\n": b"# nameserver 127.0.0.1\nnameserver 10.9.8.7\n",
}


@pytest.mark.parametrize("machine", CASES)
def test_nameservers_that_are_not_reached_are_replaced(machine: bytes) -> None:
    assert own_resolver(machine, "10.0.2.3") == CASES[machine]


def test_without_a_way_out_nothing_stands_in() -> None:
    assert own_resolver(b"nameserver 127.0.0.1\nsearch x\n", None) == b"search x\n"


def test_the_containers_name_is_its_own_address() -> None:
    assert own_hosts("web", "10.0.2.100").splitlines()[-1] == b"10.0.2.100\tweb"
