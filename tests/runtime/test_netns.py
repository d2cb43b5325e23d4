"""A container's own network, from the machine's side and from inside."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lamella.runtime import kernel, origin, outward
from lamella.runtime.listen import bind_ports
from lamella.runtime.netns import ContainerNetwork
from lamella.runtime.ports import parse_ports

pytestmark = pytest.mark.containers

T = TypeVar("T")
Open = Callable[..., ContainerNetwork]


@pytest.fixture
def no_helper(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most tests are about what comes in: nothing of ours depends on the way out."""
    monkeypatch.setattr(outward, "find_program", lambda name: None)


@pytest.fixture
def network() -> Iterator[Open]:
    made: list[ContainerNetwork] = []

    def call(*words: str) -> ContainerNetwork:
        made.append(ContainerNetwork(bind_ports(parse_ports(words))))
        made[-1].wait_ready()
        return made[-1]

    yield call
    for each in made:
        each.close()


def inside(network: ContainerNetwork, do: Callable[[], T]) -> T:
    """What a process in the container would get; in a thread that nobody uses afterwards."""

    def enter() -> T:
        kernel.setns(network.namespace, kernel.CLONE_NEWNET)
        return do()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(enter).result()


def serve(network: ContainerNetwork, port: int, address: str = "0.0.0.0") -> socket.socket:
    server = inside(network, lambda: socket.create_server((address, port)))
    server.settimeout(10)
    return server


def connect(port: int, address: str = "127.0.0.1") -> socket.socket:
    return socket.create_connection((address, port), timeout=10)


def read_all(connection: socket.socket) -> bytes:
    parts = []
    while data := connection.recv(1 << 16):
        parts.append(data)
    return b"".join(parts)


@pytest.mark.usefixtures("no_helper")
def test_both_ways_and_half_closed(network: Open) -> None:
    net = network("8080")
    with serve(net, 8080) as server, connect(net.ports[0].host) as client:
        client.sendall(b"ping")
        client.shutdown(socket.SHUT_WR)
        with server.accept()[0] as peer:
            peer.settimeout(10)
            assert read_all(peer) == b"ping"
            peer.sendall(b"pong")
        assert read_all(client) == b"pong"


@pytest.mark.usefixtures("no_helper")
@pytest.mark.parametrize("rules", [True, False])
def test_who_connects_is_seen_and_never_as_the_containers_loopback(
    network: Open, monkeypatch: pytest.MonkeyPatch, rules: bool
) -> None:
    if not rules:  # a kernel without them
        monkeypatch.setattr(origin, "_send_back", lambda ports: False)
    net = network("8080")
    own = own_address()
    with serve(net, 8080) as server:
        for client, seen in ((own, own), ("127.0.0.1", outward.GATEWAY), ("127.0.0.9", outward.GATEWAY)):
            target = own if client == own else "127.0.0.1"
            port = net.ports[0].host
            with socket.create_connection((target, port), timeout=10, source_address=(client, 0)) as connection:
                peer, address = server.accept()
                connection.sendall(b"who")
                assert peer.recv(3) == b"who"
                peer.close()
            assert address[0] == (seen if rules else net.address)


@pytest.mark.usefixtures("no_helper")
def test_much_each_way_at_once_while_nobody_reads_at_first(network: Open) -> None:
    net = network("8080")
    sent = os.urandom(1 << 24)
    with serve(net, 8080) as server, connect(net.ports[0].host) as client:
        peer, _ = server.accept()
        peer.settimeout(10)

        def say(end: socket.socket) -> None:
            end.sendall(sent)
            end.shutdown(socket.SHUT_WR)

        with peer, ThreadPoolExecutor(4) as pool:
            said = [pool.submit(say, end) for end in (client, peer)]
            time.sleep(0.1)  # all buffers are full
            heard = [pool.submit(read_all, end) for end in (client, peer)]
            assert [got.result(20) == sent for got in heard] == [True, True]
            for each in said:
                each.result(20)


@pytest.mark.usefixtures("no_helper")
def test_a_connection_that_breaks_breaks_on_the_other_side(network: Open) -> None:
    net = network("8080")
    with serve(net, 8080) as server, connect(net.ports[0].host) as client:
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        with pytest.raises(ConnectionResetError):
            client.recv(1)


@pytest.mark.usefixtures("no_helper")
def test_a_program_that_is_still_starting_is_waited_for(network: Open) -> None:
    net = network("8080")
    with connect(net.ports[0].host) as client:
        client.sendall(b"early")
        time.sleep(0.1)  # some refused attempts
        with serve(net, 8080) as server, server.accept()[0] as peer:
            assert peer.recv(5) == b"early"


@pytest.mark.usefixtures("no_helper")
def test_nobody_listens(network: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamella.runtime.forward_tcp.STARTING", 0.05)
    net = network("8080")
    with connect(net.ports[0].host) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


@pytest.mark.usefixtures("no_helper")
def test_what_listens_on_the_containers_loopback_alone_is_not_published(
    network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lamella.runtime.forward_tcp.STARTING", 0.05)
    net = network("8080")
    with serve(net, 8080, "127.0.0.1"), connect(net.ports[0].host) as client, pytest.raises(ConnectionResetError):
        client.recv(1)


@pytest.mark.usefixtures("no_helper")
def test_many_connections_at_once(network: Open) -> None:
    net = network("8080")
    count = 200
    with serve(net, 8080) as server:

        def echo() -> None:
            for _ in range(count):
                peer, _ = server.accept()
                peer.sendall(peer.recv(100))
                peer.close()

        echoing = threading.Thread(target=echo)
        echoing.start()
        clients = [connect(net.ports[0].host) for _ in range(count)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        assert [read_all(client) for client in clients] == [b"%d" % number for number in range(count)]
        for client in clients:
            client.close()
        echoing.join()


@pytest.mark.usefixtures("no_helper")
def test_ipv6_of_the_machine_reaches_a_program_that_knows_ipv4_only(network: Open) -> None:
    try:
        net = network("[::1]::8080")
    except Exception:
        pytest.skip("no IPv6 here")
    with serve(net, 8080) as server, connect(net.ports[0].host, "::1") as client:
        client.sendall(b"six")
        with server.accept()[0] as peer:
            assert peer.recv(3) == b"six"


@pytest.mark.usefixtures("no_helper")
def test_udp_clients_get_their_own_answers_from_where_they_asked(network: Open) -> None:
    net = network("5353/udp")
    port = net.ports[0].host
    server = inside(net, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(3)]
    with server:
        server.bind(("0.0.0.0", 5353))
        server.settimeout(10)
        addresses = ["127.0.0.1", "127.0.0.2", "127.0.0.1"]
        for number, client in enumerate(clients):
            client.settimeout(10)
            client.sendto(b"%d" % number, (addresses[number], port))
        asked = [server.recvfrom(100) for _ in clients]
        for data, peer in reversed(asked):
            server.sendto(b"answer " + data, peer)
        for number, client in enumerate(clients):
            assert client.recvfrom(100) == (b"answer %d" % number, (addresses[number], port))
            client.close()


@pytest.mark.usefixtures("no_helper")
def test_udp_datagrams_are_kept_whole_and_empty_ones_too(network: Open) -> None:
    net = network("127.0.0.1::5353/udp")
    server = inside(net, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        server.bind(("0.0.0.0", 5353))
        server.settimeout(10)
        client.connect(("127.0.0.1", net.ports[0].host))
        for data in (b"", b"x" * 65000, b"one"):
            client.send(data)
            assert server.recv(65535) == data


@pytest.mark.usefixtures("no_helper")
def test_udp_before_anybody_listens_is_lost_and_what_comes_later_is_not(network: Open) -> None:
    net = network("127.0.0.1::5353/udp")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", net.ports[0].host))
        client.send(b"lost")
        time.sleep(0.05)
        server = inside(net, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        with server:
            server.bind(("0.0.0.0", 5353))
            server.settimeout(10)
            client.send(b"kept")
            assert server.recv(100) == b"kept"


@pytest.mark.usefixtures("no_helper")
def test_any_user_may_have_low_ports_inside(network: Open) -> None:
    net = network()
    assert inside(net, lambda: Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) == "0\n"


@pytest.mark.usefixtures("no_helper")
def test_without_a_helper_there_is_no_way_out_and_it_is_said(network: Open) -> None:
    net = network()
    assert net.lacking == "slirp4netns is not installed, nor pasta"
    assert net.nameserver is None
    with pytest.raises(OSError, match="unreachable"):
        inside(net, lambda: socket.create_connection(("192.0.2.213", 80), timeout=1))


def own_address() -> str:
    """One of this machine that is not its loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.213", 9))  # sends nothing
        except OSError:
            pytest.skip("this machine has no address but its loopback's")
        return str(probe.getsockname()[0])


@pytest.mark.peer
@pytest.mark.parametrize("helper", ["slirp4netns", "pasta"])
class TestOutward:
    @pytest.fixture
    def net(
        self, helper: str, network: Open, require: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
    ) -> ContainerNetwork:
        path = require(helper)
        if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
            pytest.skip("no /dev/net/tun")
        own_address()
        monkeypatch.setattr(outward, "find_program", lambda name: path if name == helper else None)
        return network("8080")

    def test_it_reaches_outwards_and_not_the_machines_loopback(self, net: ContainerNetwork) -> None:
        assert net.lacking is None
        address = own_address()
        with socket.create_server((address, 0)) as server, socket.create_server(("127.0.0.1", 0)) as hidden:
            port, secret = server.getsockname()[1], hidden.getsockname()[1]
            with inside(net, lambda: connect(port, address)) as client:
                client.sendall(b"out")
                with server.accept()[0] as peer:
                    assert peer.recv(3) == b"out"
            for target in (outward.GATEWAY, "127.0.0.1", outward.NAMESERVER):
                with pytest.raises(OSError):
                    inside(net, lambda target=target: socket.create_connection((target, secret), timeout=0.3))
            hidden.settimeout(0)
            with pytest.raises(BlockingIOError):
                hidden.accept()

    def test_its_published_port_is_reached_on_each_address(self, net: ContainerNetwork) -> None:
        with serve(net, 8080) as server:
            for address in ("127.0.0.1", own_address()):
                with connect(net.ports[0].host, address) as client:
                    client.sendall(b"in")
                    with server.accept()[0] as peer:
                        assert peer.recv(2) == b"in"

    def test_the_helper_goes_with_it(self, helper: str, net: ContainerNetwork) -> None:
        namespace = os.fstat(net.namespace).st_ino
        pids = helpers(helper, os.getpid())
        assert pids
        net.close()
        assert not helpers(helper, os.getpid())
        wait_until(lambda: namespace not in namespaces())


def named_processes() -> dict[int, str]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except OSError:
                continue
    return found


def helpers(program: str, owner: int) -> list[int]:
    return [pid for pid, command in named_processes().items() if program in command and _parent(pid) == owner]


def namespaces() -> set[int]:
    """The numbers of the network namespaces in which anything runs."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            for thread in (folder / "task").glob("*/ns/net"):
                try:
                    found.add(os.stat(thread).st_ino)
                except OSError:
                    continue
    return found


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


OWNER = """
import os, sys
from lamella.runtime.listen import bind_ports
from lamella.runtime.netns import ContainerNetwork
from lamella.runtime.ports import parse_ports
network = ContainerNetwork(bind_ports(parse_ports(["127.0.0.1::8080", "127.0.0.1::53/udp"])))
network.wait_ready()
print(*(port.host for port in network.ports), os.fstat(network.namespace).st_ino, flush=True)
sys.stdin.read()
"""


@pytest.mark.root
@pytest.mark.peer
def test_a_kill_leaves_nothing(require: Callable[[str], str]) -> None:
    helper = require("slirp4netns")
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None and owner.stdin is not None
    tcp, udp, namespace = map(int, owner.stdout.readline().split())
    started = helpers(helper, owner.pid)
    assert started and namespace in namespaces()
    owner.kill()
    owner.wait()
    owner.stdin.close()
    owner.stdout.close()
    wait_until(lambda: not any(helper in named_processes().get(pid, "") for pid in started))
    wait_until(lambda: namespace not in namespaces())
    for port, kind in ((tcp, socket.SOCK_STREAM), (udp, socket.SOCK_DGRAM)):
        with socket.socket(socket.AF_INET, kind) as free:
            free.bind(("127.0.0.1", port))


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


@pytest.mark.usefixtures("no_helper")
def test_a_process_of_a_runtime_is_in_it(network: Open, run: Any, alpine: Path) -> None:
    net = network("8080")
    script = "(echo hello | nc -l -p 8080 -w 5) & ip -o -4 addr; wait"
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(run, alpine, "sh", "-c", script, network_namespace=net.path)
        with connect(net.ports[0].host) as client:
            client.shutdown(socket.SHUT_WR)
            assert read_all(client) == b"hello\n"
        status, out, err = running.result()
    assert (status, err) == (0, b"")
    assert f"inet {net.address}/32".encode() in out


@pytest.mark.usefixtures("no_helper")
def test_a_kernel_that_watches_no_more_breaks_one_connection_and_not_the_port(
    network: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = network("8080")
    real = net._loop.watch

    def refuse(descriptor: int, events: int, ready: Any) -> None:
        monkeypatch.undo()
        raise OSError(28, "no space left on the device")

    with serve(net, 8080) as server:
        monkeypatch.setattr(net._loop, "watch", refuse)
        with pytest.raises(ConnectionResetError), connect(net.ports[0].host) as client:  # of either
            client.recv(1)
        assert net._loop.watch == real
        with connect(net.ports[0].host) as client:
            client.sendall(b"next")
            heard = b""
            while not heard:  # of the broken one the program may have seen a beginning and an end, or nothing
                with server.accept()[0] as peer:
                    peer.settimeout(10)
                    heard = peer.recv(4)
            assert heard == b"next"
