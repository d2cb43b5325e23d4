"""Ports of the machine: taken before anything starts, all or none, with one clear error."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator

import pytest

from lamella.errors import MachineError
from lamella.runtime.listen import Listeners, bind_ports
from lamella.runtime.ports import PublishedPort, parse_ports

Bind = Callable[..., tuple[PublishedPort, ...]]


@pytest.fixture
def bind() -> Iterator[Bind]:
    kept: list[Listeners] = []

    def call(*words: str) -> tuple[PublishedPort, ...]:
        kept.append(bind_ports(parse_ports(words)))
        return kept[-1].ports

    yield call
    for listeners in kept:
        listeners.close()


def taken(address: str = "127.0.0.1", kind: int = socket.SOCK_STREAM) -> socket.socket:
    other = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    other.bind((address, 0))
    if kind == socket.SOCK_STREAM:
        other.listen()
    return other


def test_a_random_port_is_the_same_for_both_versions_of_ip(bind: Bind) -> None:
    ports = bind("8080")
    assert ports[0].address == "0.0.0.0"
    assert {port.host for port in ports} == {ports[0].host} != {0}
    assert len(ports) == 1 or ports[1].address == "::"
    with socket.create_connection(("127.0.0.1", ports[0].host)):
        pass


@pytest.mark.parametrize(("kind", "protocol"), [(socket.SOCK_STREAM, "tcp"), (socket.SOCK_DGRAM, "udp")])
@pytest.mark.parametrize("address", ["", "127.0.0.1:"])
def test_in_use(bind: Bind, kind: int, protocol: str, address: str) -> None:
    with taken(kind=kind) as other:
        number = other.getsockname()[1]
        with pytest.raises(MachineError) as raised:
            bind(f"{address}{number}:80/{protocol}")
    assert raised.value.message == f"port {number} is in use"
    assert raised.value.exit_code == 3
    assert raised.value.code == "port-in-use"
    assert raised.value.where == f"{address or '0.0.0.0:'}{number}/{protocol}"


def test_in_use_by_another_container(bind: Bind) -> None:
    number = bind("80")[0].host
    for word in (f"{number}:80", f"127.0.0.1:{number}:80"):
        with pytest.raises(MachineError, match="is in use"):
            bind(word)


def test_in_use_for_ipv6_alone(bind: Bind) -> None:
    try:
        other = taken("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with other:
        number = other.getsockname()[1]
        with pytest.raises(MachineError, match="is in use"):
            bind(f"{number}:80")
        assert bind(f"127.0.0.1:{number}:80")[0].host == number


def test_nothing_is_kept_when_one_of_them_is_refused(bind: Bind) -> None:
    with taken() as other, taken() as free:
        number = free.getsockname()[1]
        free.close()
        with pytest.raises(MachineError, match="is in use"):
            bind(f"{number}:80", f"{other.getsockname()[1]}:81")
    assert bind(f"127.0.0.1:{number}:80")[0].host == number


def test_the_first_free_one_of_a_range(bind: Bind) -> None:
    first = next(number for number in range(20000, 30000, 3) if _free(number) and _free(number + 1))
    word = f"127.0.0.1:{first}-{first + 1}:80"
    assert [port.host for _ in range(2) for port in bind(word)] == [first, first + 1]
    with pytest.raises(MachineError) as raised:
        bind(word)
    assert raised.value.message == f"the ports {first}-{first + 1} are all in use"


def _free(number: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", number))
        except OSError:
            return False
    return True


def test_an_address_that_is_not_of_this_machine(bind: Bind) -> None:
    with pytest.raises(MachineError, match=r"192\.0\.2\.213 is no address of this machine"):
        bind("192.0.2.213:8080:80")


@pytest.mark.root
def test_a_port_that_an_ordinary_user_may_not_have(bind: Bind) -> None:
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        try:
            bind("127.0.0.1:81:80")
        except MachineError as error:
            said = f"{error.message} ({error.hint})"
            os._exit(0 if "port 81 may not be published by this user" in said and "1024" in said else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_no_connection_is_in_the_way_of_the_next(bind: Bind) -> None:
    """What was open when a container ended is in TIME_WAIT for a minute."""
    listeners = bind_ports(parse_ports(["127.0.0.1::80"]))
    listener = listeners.listeners[0]
    client = socket.create_connection(("127.0.0.1", listener.port.host))
    server, _ = listener.socket.accept()
    server.close()
    client.close()
    listeners.close()
    assert bind(f"127.0.0.1:{listener.port.host}:80")
