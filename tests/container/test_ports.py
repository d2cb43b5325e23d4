"""A container's own network through the command line: published ports, names, and nothing left of it."""

from __future__ import annotations

import os
import resource
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from lamella.runtime.network import machine_resolver, own_resolver

pytestmark = pytest.mark.containers

#: answers each line by itself, for as many as come
ECHO = ("nc", "-lk", "-p", "8080", "-e", "cat")


def serve(containers: Any, name: str, *flags: str, command: tuple[str, ...] = ECHO) -> list[dict[str, Any]]:
    """Starts it; returns its ports."""
    containers.ok("run", "-d", "--name", name, *flags, "alpine:3.20", *command)
    ports: list[dict[str, Any]] = containers.one(name)["ports"]
    return ports


def ask(port: int, data: bytes, address: str = "127.0.0.1") -> bytes:
    with socket.create_connection((address, port), timeout=10) as client:
        client.sendall(data)
        return client.recv(100)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def children(parent: int) -> list[Path]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(folder)
        except OSError:
            continue
    return found


def test_two_publish_and_each_is_reached(containers: Any) -> None:
    first, second = free_port(), free_port()
    serve(containers, "one", "-p", f"{first}:8080", command=("nc", "-lk", "-p", "8080", "-e", "echo", "one"))
    ports = serve(containers, "two", "-p", f"127.0.0.1:{second}:8080", command=("nc", "-lk", "-p", "8080", "-e", "id"))
    assert (ask(first, b""), ask(second, b"")[:9]) == (b"one\n", b"uid=0(roo")
    assert ports == [{"address": "127.0.0.1", "host": second, "container": 8080, "protocol": "tcp"}]
    assert f"127.0.0.1:{second}->8080/tcp" in containers.ok("ps", "--filter", "name=two")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.213", 9))
        except OSError:
            return  # a machine with its loopback alone
        other = probe.getsockname()[0]
    assert ask(first, b"", other) == b"one\n"
    with pytest.raises(ConnectionRefusedError):
        ask(second, b"", other)


def test_udp_and_a_random_port(containers: Any) -> None:
    ports = serve(containers, "udp", "-p", "127.0.0.1::5353/udp", command=("nc", "-u", "-l", "-p", "5353", "-e", "cat"))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        client.connect(("127.0.0.1", ports[0]["host"]))

        def answered() -> bytes:
            client.send(b"ping")
            try:
                return client.recv(100)
            except TimeoutError:  # it does not listen yet
                return b""

        assert containers.until(answered) == b"ping"


def test_a_port_in_use(containers: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = containers.call("run", "-d", "--name", "late", "-p", f"{port}:8080", "alpine:3.20", "sleep", "100")
    assert done.returncode == 3
    assert f"port {port} is in use" in done.stderr
    assert done.stdout == ""
    assert not [one for one in containers.ps() if one["status"] == "running"]
    # The name is free again, and so is the port.
    serve(containers, "late", "-p", f"{port}:8080")
    assert ask(port, b"now") == b"now"


def test_many_connections_need_no_more_than_the_hard_limit(containers: Any) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))

    flags = ("-d", "--name", "many", "-p", "127.0.0.1::8080")
    assert containers.call("run", *flags, "alpine:3.20", *ECHO, preexec_fn=limited).returncode == 0
    found = containers.one("many")
    monitor = containers.state(found["id"])["monitor"]
    clients = [socket.create_connection(("127.0.0.1", found["ports"][0]["host"]), timeout=10) for _ in range(60)]
    containers.until(lambda: len(os.listdir(f"/proc/{monitor}/fd")) > 120)
    for client in clients:
        client.close()


def test_words_that_are_no_ports(containers: Any) -> None:
    done = containers.call("run", "-p", "8008:web", "alpine:3.20")
    assert done.returncode == 2
    assert "'8008:web' is no port to publish: 'web' is no port number" in done.stderr


def test_names_inside(containers: Any) -> None:
    script = "cat /etc/resolv.conf /etc/hosts /proc/net/dev /proc/sys/net/ipv4/ip_unprivileged_port_start"
    done = containers.call("run", "--rm", "--hostname", "web", "alpine:3.20", "sh", "-c", script)
    assert done.returncode == 0
    nameserver = None if "reaches nothing outside" in done.stderr else "10.0.2.3"
    resolver = own_resolver(machine_resolver(), nameserver).decode()
    assert done.stdout.startswith(resolver)
    assert "10.0.2.100\tweb\n" in done.stdout
    assert "eth0" not in done.stdout
    assert done.stdout.endswith("\n0\n")


@pytest.mark.parametrize("how", ["stop", "rm -f", "kill the monitor"])
def test_nothing_is_left(containers: Any, how: str) -> None:
    port = serve(containers, "gone", "-p", "127.0.0.1::8080")[0]["host"]
    assert ask(port, b"here") == b"here"
    monitor = containers.state(containers.one("gone")["id"])["monitor"]
    helpers = children(monitor)
    assert len(helpers) >= 1
    if how == "stop":
        containers.ok("stop", "-t", "0", "gone")
    elif how == "rm -f":
        containers.ok("rm", "-f", "gone")
    else:
        os.kill(monitor, signal.SIGKILL)
    containers.until(lambda: not any(folder.exists() for folder in helpers))
    with socket.create_server(("127.0.0.1", port)):
        pass
