"""A network of its own and published ports for an ordinary user."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest
from ordinary import OrdinaryUser

pytestmark = pytest.mark.root

#: what runs in the container is played by a thread that enters its namespace
OWNER = """
import socket, sys, threading
from lamella.userns import enter
enter()
from lamella.runtime import kernel
from lamella.runtime.listen import bind_ports
from lamella.runtime.netns import ContainerNetwork
from lamella.runtime.ports import parse_ports
network = ContainerNetwork(bind_ports(parse_ports(["127.0.0.1::80"])))
def serve():
    kernel.setns(network.namespace, kernel.CLONE_NEWNET)
    server = socket.create_server(("0.0.0.0", 80))
    while True:
        with server.accept()[0] as peer:
            peer.sendall(peer.recv(100))
threading.Thread(target=serve, daemon=True).start()
print(network.ports[0].host, flush=True)
sys.stdin.read()
network.close()
"""


@pytest.mark.parametrize("kind", ["user", "single"])
def test_published_and_gone_after_a_kill(kind: str, request: pytest.FixtureRequest) -> None:
    user: OrdinaryUser = request.getfixturevalue(kind)
    owner = subprocess.Popen(
        user.command(user.python, "-c", OWNER), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None and owner.stdin is not None
    try:
        port = int(owner.stdout.readline())
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"hello"
        _kill_all_of(user)
    finally:
        owner.kill()
        owner.wait()
        owner.stdin.close()
        owner.stdout.close()
    deadline = time.monotonic() + 10
    while _processes_of(user):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with socket.create_server(("127.0.0.1", port)):
        pass


def _processes_of(user: OrdinaryUser) -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and folder.stat().st_uid == user.uid:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _kill_all_of(user: OrdinaryUser) -> None:
    """Its Python alone: what helps it is to die with it."""
    for pid in _processes_of(user):
        try:
            if b"python" in Path(f"/proc/{pid}/cmdline").read_bytes():
                subprocess.run(["kill", "-KILL", str(pid)], check=False)
        except OSError:
            continue
