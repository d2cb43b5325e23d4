"""An SSH agent of our own, for keys that are given as files: the machine's ssh-agent, on a leash."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamella.errors import InputError, MachineError
from lamella.runtime.leash import Leash, MemoryFolder
from lamella.runtime.program import find_program

_LIMIT = 100 << 10  # bytes of a key file, as BuildKit
_SECONDS = 10.0
#: in the agent's own view of the machine a folder in memory lies here, so that its socket is nobody else's
_FOLDER = "/tmp"
#: ssh-agent is a set-group-ID program where it is Debian's, and the kernel forgets for such that they are to die with
#: their parent. It does not forget it for a shell, with which everything in its PID namespace dies.
_UNDER_SHELL = '"$0" "$@" & wait'
_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@contextmanager
def key_agent(files: tuple[str, ...]) -> Iterator[str]:
    """The path of an agent's socket that holds the keys of ``files``; the agent ends with the block, or with us.

    Raises MachineError without OpenSSH's programs; InputError for a file that is no private key or has a passphrase."""
    agent, add = _programs()
    leash = Leash()
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        words = ["/bin/sh", "-c", _UNDER_SHELL, agent, "-D", "-a", f"{_FOLDER}/agent"]
        process = leash.spawn(words, _ENV, (nothing, nothing, nothing), MemoryFolder(_FOLDER))
        try:
            place = f"/proc/{process}/root{_FOLDER}/agent"
            _wait_for(place)
            for path in files:
                _add(add, path, place)
            yield place
        finally:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
    finally:
        os.close(nothing)
        leash.close()


def _programs() -> tuple[str, str]:
    agent, add = find_program("ssh-agent"), find_program("ssh-add")
    if agent is None or add is None:
        raise MachineError(
            "key files for --ssh need the programs ssh-agent and ssh-add, which are not here",
            hint="apt install openssh-client; or start an agent elsewhere and name its socket",
        )
    return agent, add


def _wait_for(place: str) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(place)
                return
            except OSError as error:
                if time.monotonic() > end:
                    raise MachineError(f"ssh-agent does not answer: {error.strerror}") from None
        time.sleep(0.005)


def _add(program: str, path: str, place: str) -> None:
    """Through standard input, where a file's mode is nobody's business (and asking for a passphrase nobody's wish)."""
    import subprocess

    try:
        with open(path, "rb") as file:
            key = file.read(_LIMIT)
    except OSError as error:
        raise InputError(f"the SSH key cannot be read: {error.strerror}", where=path) from None
    env = {**_ENV, "SSH_AUTH_SOCK": place, "SSH_ASKPASS_REQUIRE": "never"}
    done = subprocess.run(
        [program, "-q", "-"], input=key, capture_output=True, env=env, check=False, start_new_session=True
    )
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise InputError(
            "the SSH key cannot be used",
            where=path,
            detail=said or None,
            hint="it must be a private key without a passphrase; one with a passphrase is for an agent: ssh-add FILE",
        )
