"""One process, timed as a user would with a stopwatch, and what memory it took."""

from __future__ import annotations

import os
import subprocess
import time
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
    """Contenders that do the same work, measured in turns."""

    key: str
    title: str
    contenders: tuple[Contender, ...]
    targets: tuple[Target, ...] = ()


class Sample(NamedTuple):
    """``seconds`` of wall time; ``peak`` is the largest resident set of it or of a child it waited for, in bytes."""

    seconds: float
    peak: int


class CommandFailed(Exception):
    """A contender did not do its work; the message holds its command and the end of its output."""


def measure(command: Command, log: str) -> Sample:
    """Runs ``command`` with its output going to the file ``log``. Raises CommandFailed."""
    with open(log, "wb") as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            command.argv,
            env={**os.environ, **command.env},
            cwd=command.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in command.exits:
        with open(log, encoding="utf-8", errors="replace") as output:
            tail = "".join(output.readlines()[-12:])
        raise CommandFailed(f"{' '.join(command.argv)}\nexit status {process.returncode}\n{tail}")
    return Sample(seconds, usage.ru_maxrss * 1024)
