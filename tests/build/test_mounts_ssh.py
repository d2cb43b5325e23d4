"""RUN --mount=type=ssh: a step can ask for signatures, and for nothing else."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from lamella.build.mounts.agentproxy import agent_proxy
from lamella.build.mounts.keyagent import key_agent
from lamella.build.request import AgentSource
from lamella.errors import DockerfileError, InputError, MachineError
from lamella.events import StepOutput

Builder = Any
root = pytest.mark.containers
KEYS, SIGN, REMOVE_ALL, LOCK, ADD = 11, 13, 19, 22, 17
FAILURE = b"\x05"


def output(builder: Builder) -> str:
    return b"".join(event.data for event in builder.events if isinstance(event, StepOutput)).decode()


def _message(kind: int, rest: bytes = b"") -> bytes:
    return (1 + len(rest)).to_bytes(4, "big") + bytes((kind,)) + rest


def _ask(path: str, message: bytes) -> bytes:
    """The body of an agent's answer."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(path)
        client.sendall(message)
        with client.makefile("rb") as answers:
            return answers.read(int.from_bytes(answers.read(4), "big"))


@contextmanager
def _agent(path: str) -> Iterator[list[bytes]]:
    """A socket that answers each message with 12 and what it was asked; the list grows by what it heard."""
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                while head := stream.read(4):
                    body = stream.read(int.from_bytes(head, "big"))
                    heard.append(body)
                    connection.sendall(_message(12, body))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield heard
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


@pytest.fixture
def key(tmp_path: Path, require: Callable[[str], str]) -> Path:
    path = tmp_path / "id"
    command = [require("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-C", "lamella test", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


def test_only_listing_and_signing_pass(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)
    folder.mkdir()
    place = str(folder / "proxy")
    with _agent(str(tmp_path / "a")) as heard:
        with agent_proxy(str(tmp_path / "a"), place):
            descriptor = os.open(folder, os.O_PATH)
            short = f"/proc/self/fd/{descriptor}/proxy"
            assert _ask(short, _message(KEYS)) == bytes((12, KEYS))
            assert _ask(short, _message(SIGN, b"data")) == bytes((12, SIGN)) + b"data"
            for kind in (REMOVE_ALL, LOCK, ADD, 27, 1):
                assert _ask(short, _message(kind, b"x")) == FAILURE
            assert _ask(short, b"\xff\xff\xff\xff") == b"", "no message is that long"
            os.close(descriptor)
        assert heard == [bytes((KEYS,)), bytes((SIGN,)) + b"data"]
        assert not os.path.lexists(place)


def test_an_end_while_somebody_is_connected(tmp_path: Path) -> None:
    with _agent(str(tmp_path / "a")), socket.socket(socket.AF_UNIX) as client:
        with agent_proxy(str(tmp_path / "a"), str(tmp_path / "proxy")):
            client.connect(str(tmp_path / "proxy"))
            client.sendall(_message(KEYS))
            assert client.recv(100) == _message(12, bytes((KEYS,)))
        client.settimeout(10)
        assert client.recv(1) == b""


def test_a_step_that_connects_without_end_uses_up_nothing(tmp_path: Path) -> None:
    with (
        _agent(str(tmp_path / "a")),
        ExitStack() as clients,
        agent_proxy(str(tmp_path / "a"), str(tmp_path / "proxy")),
    ):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(100):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.settimeout(10)
            client.connect(str(tmp_path / "proxy"))
        assert client.recv(1) == b"", "the last of them is one too many"
        assert len(os.listdir("/proc/self/fd")) - before <= 100 + 2 * 64 + 1


@root
def test_a_step_gets_a_socket_of_its_own_mode_and_owner(alpine: Builder, tmp_path: Path) -> None:
    before = None
    with _agent(str(tmp_path / "a")):
        before = (tmp_path / "a").stat()
        result = alpine.build(
            "FROM alpine:3.20\nRUN --mount=type=ssh --mount=type=ssh,id=other,target=/s,mode=0660,uid=3,gid=4 "
            "echo $SSH_AUTH_SOCK; stat -c '%F %a %u:%g' $SSH_AUTH_SOCK /s\n"
            "ENV SSH_AUTH_SOCK=/mine\nRUN --mount=type=ssh,target=/mine ls /mine; echo $SSH_AUTH_SOCK\n",
            ssh=(AgentSource("default", (str(tmp_path / "a"),)), AgentSource("other", (str(tmp_path / "a"),))),
        )
        after = (tmp_path / "a").stat()
    assert output(alpine).splitlines() == [
        "/run/buildkit/ssh_agent.0", "socket 600 0:0", "socket 660 3:4", "/mine", "/mine",
    ]  # fmt: skip
    assert (before.st_mode, before.st_uid, before.st_ctime_ns) == (after.st_mode, after.st_uid, after.st_ctime_ns)
    assert alpine.layer_paths(result, 1) == []
    assert [name for name in os.listdir(alpine.root / "lamella" / "tmp") if name.endswith(".ssh")] == []


@root
def test_one_that_is_missing(alpine: Builder) -> None:
    alpine.build("FROM alpine:3.20\nRUN --mount=type=ssh echo $SSH_AUTH_SOCK; test -e $SSH_AUTH_SOCK || echo none\n")
    assert output(alpine) == "/run/buildkit/ssh_agent.0\nnone\n"
    with pytest.raises(DockerfileError) as caught:
        alpine.build("FROM alpine:3.20\nRUN --mount=type=ssh,required echo ran\n")
    assert caught.value.where == "Dockerfile:2"
    assert "--ssh default" in (caught.value.hint or "")


@root
def test_a_key_file_is_listed_by_an_agent_that_nobody_else_reaches(key: Path, require: Callable[[str], str]) -> None:
    os.chmod(key, 0o644)
    with key_agent((str(key),)) as path:
        listed = subprocess.run(
            [require("ssh-add"), "-L"], env={"SSH_AUTH_SOCK": path}, capture_output=True, text=True, check=False
        )
        process = path.split("/")[2]
        assert Path(f"/proc/{process}").exists()
    assert listed.stdout == key.with_suffix(".pub").read_text()
    assert not Path(f"/proc/{process}").exists()


@root
def test_a_signature_of_a_key_file_by_way_of_both(key: Path, require: Callable[[str], str], tmp_path: Path) -> None:
    """OpenSSH itself asks for the signature, and judges it."""
    program = require("ssh-keygen")
    public = key.with_suffix(".pub")
    (tmp_path / "signers").write_text(f"me {public.read_text()}")
    with key_agent((str(key),)) as agent, agent_proxy(agent, str(tmp_path / "proxy")):
        key.unlink()
        signed = subprocess.run(
            [program, "-Y", "sign", "-n", "file", "-f", str(public)],
            input=b"data",
            env={"SSH_AUTH_SOCK": str(tmp_path / "proxy")},
            capture_output=True,
            check=True,
        )
    (tmp_path / "sig").write_bytes(signed.stdout)
    words = ["-Y", "verify", "-n", "file", "-I", "me", "-f", str(tmp_path / "signers"), "-s", str(tmp_path / "sig")]
    assert subprocess.run([program, *words], input=b"data", capture_output=True, check=False).returncode == 0


@root
def test_a_step_asks_an_agent_with_a_key_file(
    alpine: Builder, key: Path, require: Callable[[str], str], tmp_path: Path
) -> None:
    """The step lists the keys by the agent's protocol, with nothing but a shell and nc."""
    alpine.build(
        "FROM alpine:3.20\nRUN --mount=type=ssh "
        "printf '\\0\\0\\0\\1\\13' | nc -w 1 local:$SSH_AUTH_SOCK | grep -c 'lamella test'\n",
        ssh=(AgentSource("default", (str(key),)),),
    )
    assert output(alpine) == "1\n"


@root
def test_files_that_are_no_keys(
    key: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, require: Callable[[str], str]
) -> None:
    (tmp_path / "text").write_text("no key")
    with pytest.raises(InputError) as caught, key_agent((str(tmp_path / "text"),)):
        pass
    assert caught.value.where == str(tmp_path / "text")
    subprocess.run(
        [require("ssh-keygen"), "-q", "-p", "-P", "", "-N", "secret", "-f", str(key)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    with pytest.raises(InputError) as caught, key_agent((str(key),)):
        pass
    assert "passphrase" in (caught.value.hint or "")
    monkeypatch.setattr("lamella.build.mounts.keyagent.find_program", lambda name: None)
    with pytest.raises(MachineError, match="ssh-agent"), key_agent((str(key),)):
        pass
