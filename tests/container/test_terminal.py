"""``-t``: a terminal of the container's own in front of the user's, which is as before afterwards, whatever happens."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.containers
Containers = Any


class Screen:
    """A user's terminal with one command in front."""

    def __init__(self, env: dict[str, str], *words: str) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 101, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        command = [sys.executable, "-m", "lamella", *words]
        self.process = subprocess.Popen(
            command,
            env=env,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            preexec_fn=self._take,  # noqa: PLW1509  there is no other way to a terminal of its own
            close_fds=True,
        )
        self.shown = b""

    def _take(self) -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def wait_for(self, text: bytes, seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while text not in self.shown:
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if ready:
                self.shown += os.read(self.master, 65536)
            assert time.monotonic() < end, self.shown

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def end(self) -> int:
        status = self.process.wait(timeout=20)
        assert termios.tcgetattr(self.slave) == self.before
        return status

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture(params=["run", "exec"])
def screen(request: pytest.FixtureRequest, containers: Containers) -> Iterator[Screen]:
    """``sh`` in a new container, and in one that runs."""
    words = ("run", "--rm", "-it", "--network", "none", "alpine:3.20")
    if request.param == "exec":
        containers.start("shown", "sleep", "500")
        words = ("exec", "-it", "shown")
    made = Screen(containers.env, *words, "sh")
    yield made
    made.close()


def test_a_shell(screen: Screen) -> None:
    screen.wait_for(b"# ")
    screen.type(b"tty; stty size; echo $TERM; test -t 2 && echo three\r")
    for text in (b"/dev/pts/0", b"33 101", b"xterm", b"three"):
        screen.wait_for(text)
    screen.resize(44, 77)
    screen.type(b"while [ \"$(stty size)\" != '44 77' ]; do sleep 0.05; done; echo re''sized\r")
    screen.wait_for(b"resized")
    screen.type(b"exit 6\r")
    assert screen.end() == 6


def test_keys_reach_the_container(screen: Screen) -> None:
    """Ctrl-C is a key: it ends what runs in the shell, and not the command."""
    screen.wait_for(b"# ")
    screen.type(b"echo s''tarted; sleep 300\r")
    screen.wait_for(b"started")
    time.sleep(0.1)
    screen.type(b"\x03")
    screen.type(b"echo status=$?\r")
    screen.wait_for(b"status=130\r\n/ # ")  # before the prompt the key would be lost
    screen.type(b"\x04")  # the end of the input
    screen.end()


def test_a_killed_command_leaves_no_raw_terminal(containers: Containers) -> None:
    """The monitor gives the terminal back where the command cannot."""
    screen = Screen(containers.env, "run", "--rm", "-it", "--network", "none", "alpine:3.20", "sh")
    try:
        screen.wait_for(b"# ")
        screen.process.send_signal(signal.SIGKILL)
        screen.process.wait(timeout=20)
        containers.until(lambda: termios.tcgetattr(screen.slave) == screen.before)
        containers.until(lambda: not containers.processes())
    finally:
        screen.close()


def test_a_terminal_nobody_sits_at(containers: Containers) -> None:
    containers.start("idle", "sh", flags=("-it",))
    assert containers.ok("exec", "idle", "sh", "-c", "readlink /proc/1/fd/0") == "/dev/pts/0\n"
    assert containers.one("idle")["status"] == "running"
    done = containers.run("sh", "-c", "tty; echo more", flags=("-t",))
    assert done.stdout == "/dev/pts/0\nmore\n"  # \r\n, as Python reads it
