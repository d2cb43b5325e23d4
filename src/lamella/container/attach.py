"""The command in front of a container: waits for it, hands on signals and the size of the terminal."""

from __future__ import annotations

import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from lamella.container.pipe import Channel, error_from
from lamella.container.streams import get_size
from lamella.errors import Interrupted, MachineError

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_URGENT = (signal.SIGINT, signal.SIGTERM)


def wait_started(channel: Channel) -> str:
    """Until the container runs. Returns what the user should know of it, "" for nothing. Raises what kept it from
    starting; Interrupted at Ctrl-C, with nothing started."""
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))  # start_monitor made it wait
        message = channel.receive()
    except KeyboardInterrupt:
        channel.send(kill=True)
        _drain(channel)
        raise Interrupted("the container was not started") from None
    if message is None:
        raise _died()
    if "error" in message:
        error = error_from(message["error"])
        _drain(channel)
        raise error
    return str(message.get("note") or "")


def follow_container(channel: Channel, terminal: int, started: Callable[[str], None]) -> int:
    """Waits for a container that was started in front of this command; returns its status. Signals go to its process,
    a second SIGINT or SIGTERM kills it. ``terminal`` is the descriptor of the user's own, -1 where the container has
    none: it is raw meanwhile, and its size is the container's. ``started`` is called once it runs, with
    what the user should know, "" for nothing.

    Raises what ``wait_started`` raises, MachineError where the monitor was killed."""
    with _forwarding(channel, terminal):
        started(wait_started(channel))
        with raw(terminal):
            message = channel.receive()
            while message is not None and "exit" not in message and "error" not in message:
                message = channel.receive()
        if message is not None and "error" in message:
            error = error_from(message["error"])
            _drain(channel)
            raise error
        if message is None:
            raise _died()
        _drain(channel)
        return int(message["exit"])


def _drain(channel: Channel) -> None:
    """Until the monitor is gone: then nothing is left of what it held."""
    while channel.receive() is not None:
        pass


def _died() -> MachineError:
    return MachineError(
        "the container's monitor was killed, and the container with it", hint="`lamella ps -a` tidies up after it"
    )


@contextmanager
def _forwarding(channel: Channel, terminal: int) -> Iterator[None]:
    urgent = 0

    def forward(number: int, frame: FrameType | None) -> None:
        nonlocal urgent
        urgent += number in _URGENT
        if urgent > 1 and number in _URGENT:
            channel.send(kill=True)
        else:
            channel.send(signal=number)

    def resize(number: int, frame: FrameType | None) -> None:
        channel.send(size=get_size(terminal))

    before: dict[int, Any] = {}
    try:
        for one in FORWARDED:
            before[one] = signal.signal(one, forward)
        if terminal >= 0:
            before[signal.SIGWINCH] = signal.signal(signal.SIGWINCH, resize)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def raw(terminal: int) -> Iterator[None]:
    """The user's terminal hands on every key as it is pressed, and is afterwards as it was before."""
    if terminal < 0 or not os.isatty(terminal):
        yield
        return
    before = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal, termios.TCSANOW)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
