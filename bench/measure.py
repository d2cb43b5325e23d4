"""One process, timed as a user would with a stopwatch, and what memory it took."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import NamedTuple


class Command(NamedTuple):
    """What is run. ``env`` is added to this process's environment; ``exits`` are the statuses that count as done."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = {}
    cwd: str | None = None
    exits: tuple[int, ...] = (0,)


class Contender(NamedTuple):
    """One tool at one piece of work. ``before`` runs each time, outside the measured span."""

    name: str
    command: Command
    before: Callable[[], None] | None = None


class Target(NamedTuple):
    """Lamella's median is to be at most ``ratio`` times the median of ``peer``."""

    peer: str
    ratio: float


class Case(NamedTuple):
    """Contenders that do the same work, measured in turns. ``memory`` is what Lamella is to stay under, in bytes."""

    key: str
    title: str
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()
    memory: int | None = None


class Sample(NamedTuple):
    """``seconds`` of wall time; ``peak`` is the largest resident set of it or of a child it waited for, in bytes."""

    seconds: float
    peak: int


class CommandFailed(Exception):
    """A contender did not do its work; the message holds its command and the end of its output."""


# Started as a small process of its own for each command: a child's peak counts what its parent held when it was
# forked, and this process has grown. Its first argument is where it writes to.
LAUNCHER = """\
import os, sys, time
result, argv = int(sys.argv[1]), sys.argv[2:]
os.set_inheritable(result, False)
start = time.perf_counter()
pid = os.posix_spawnp(argv[0], argv, os.environ)
_, status, usage = os.wait4(pid, 0)
seconds = time.perf_counter() - start
os.write(result, f"{seconds} {usage.ru_maxrss * 1024} {os.waitstatus_to_exitcode(status)}".encode())
"""


def measure(command: Command, log: str) -> Sample:
    """Runs ``command`` with its output going to the file ``log``. Raises CommandFailed."""
    receive, send = os.pipe()
    with open(log, "wb") as output, open(receive, encoding="ascii") as result:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCHER, str(send), *command.argv],
            env={**os.environ, **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(send,),
        )
        os.close(send)
        process.wait()
        seconds, peak, code = result.read().split() or ("0", "0", "127")
    if int(code) not in command.exits:
        with open(log, encoding="utf-8", errors="replace") as output_again:
            tail = "".join(output_again.readlines()[-12:])
        raise CommandFailed(f"{' '.join(command.argv)}\nexit status {code}\n{tail}")
    return Sample(float(seconds), int(peak))
